/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/conference_view.h"
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_INFO "urn:ietf:params:xml:ns:conference-info"
#define NS_XCON "urn:ietf:params:xml:ns:xcon-conference-info"

__attribute__((format(printf, 2, 3))) static int bad(
	struct conference_view *view, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(view->why, sizeof(view->why), format, args);
	va_end(args);
	return -EBADMSG;
}

static void replace(char **at, char *text)
{
	free(*at);
	*at = text;
}

static char *copy_of(xmlChar *text)
{
	char *copy = strdup(text != NULL ? (const char *)text : "");

	xmlFree(text);
	return copy;
}

static char *attribute(xmlNodePtr node, const char *name, const char *space)
{
	const xmlChar *n = (const xmlChar *)name;

	return copy_of(space != NULL ? xmlGetNsProp(node, n, (const xmlChar *)space)
				     : xmlGetNoNsProp(node, n));
}

static bool is(xmlNodePtr node, const char *name)
{
	return strcmp((const char *)node->name, name) == 0;
}

/* An element's state; RFC 4575: full when absent. */
static int state_of(struct conference_view *view, xmlNodePtr node, char state[8])
{
	char *text = attribute(node, "state", NULL);
	bool fits = text[0] == '\0' || strcmp(text, "full") == 0 || strcmp(text, "partial") == 0 ||
		    strcmp(text, "deleted") == 0;

	snprintf(state, 8, "%s", text[0] != '\0' ? text : "full");
	free(text);
	return fits ? 0 : bad(view, "state of <%s>", (const char *)node->name);
}

/* The elements below node are of ours and in this order, each at most once but the last. */
static int in_order(struct conference_view *view, xmlNodePtr node, const char *const *names)
{
	unsigned at = 0;

	for (xmlNodePtr n = node->children; n != NULL; n = n->next) {
		if (n->type == XML_TEXT_NODE && xmlIsBlankNode(n))
			continue;
		if (n->type != XML_ELEMENT_NODE)
			return bad(view, "text or worse in <%s>", (const char *)node->name);
		if (n->ns == NULL || strcmp((const char *)n->ns->href, NS_INFO) != 0)
			return bad(view, "<%s> of another namespace", (const char *)n->name);
		while (names[at] != NULL && !is(n, names[at]))
			at++;
		if (names[at] == NULL)
			return bad(view, "<%s> is out of order in <%s>", (const char *)n->name,
				(const char *)node->name);
		if (names[at + 1] != NULL)
			at++;
	}
	return 0;
}

static xmlNodePtr child(xmlNodePtr node, const char *name)
{
	for (xmlNodePtr n = node->children; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE && is(n, name))
			return n;
	return NULL;
}

static char *text_in(xmlNodePtr node, const char *name)
{
	xmlNodePtr n = child(node, name);

	return copy_of(n != NULL ? xmlNodeGetContent(n) : NULL);
}

static int number_in(struct conference_view *view, xmlNodePtr node, const char *name, uint32_t *out)
{
	xmlNodePtr n = child(node, name);
	char *text, *end;

	if (n == NULL)
		return 0;
	text = copy_of(xmlNodeGetContent(n));
	*out = (uint32_t)strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0') {
		free(text);
		return bad(view, "<%s> is not a number", name);
	}
	free(text);
	return 0;
}

static bool known_word(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static void endpoint_fini(struct view_endpoint *e)
{
	free(e->entity);
	free(e->status);
	free(e->joining);
	free(e->disconnection);
}

static void endpoints_drop(struct view_user *user)
{
	for (unsigned i = 0; i < user->endpoint_count; i++)
		endpoint_fini(&user->endpoints[i]);
	free(user->endpoints);
	user->endpoints = NULL;
	user->endpoint_count = 0;
}

static void user_fini(struct view_user *user)
{
	free(user->entity);
	free(user->display_text);
	free(user->nickname);
	endpoints_drop(user);
}

static void users_drop(struct conference_view *view)
{
	for (unsigned i = 0; i < view->user_count_known; i++)
		user_fini(&view->users[i]);
	free(view->users);
	view->users = NULL;
	view->user_count_known = 0;
}

static int take_endpoint(struct conference_view *view, struct view_user *user, xmlNodePtr node)
{
	static const char *const order[] = { "display-text", "referred", "status", "joining-method",
		"joining-info", "disconnection-method", "disconnection-info", "media", NULL };
	static const char *const statuses[] = { "connected", "disconnected", "on-hold",
		"muted-via-focus", "pending", "alerting", "dialing-in", "dialing-out",
		"disconnecting", "", NULL };
	static const char *const joinings[] = { "dialed-in", "dialed-out", "focus-owner", "",
		NULL };
	static const char *const leavings[] = { "departed", "booted", "failed", "busy", "", NULL };
	char state[8], *entity = attribute(node, "entity", NULL);
	struct view_endpoint *e = NULL;
	unsigned at = 0;

	if (entity[0] == '\0' || in_order(view, node, order) < 0 ||
		state_of(view, node, state) < 0) {
		free(entity);
		return view->why[0] ? -EBADMSG : bad(view, "<endpoint> without entity");
	}
	while (at < user->endpoint_count && strcmp(user->endpoints[at].entity, entity) != 0)
		at++;
	if (strcmp(state, "deleted") == 0) {
		free(entity);
		if (at < user->endpoint_count) {
			endpoint_fini(&user->endpoints[at]);
			user->endpoints[at] = user->endpoints[--user->endpoint_count];
		}
		return 0;
	}
	if (at == user->endpoint_count) {
		user->endpoints = realloc(user->endpoints, (at + 1) * sizeof(*e));
		user->endpoints[at] = (struct view_endpoint){ .entity = strdup(entity) };
		user->endpoint_count++;
	}
	free(entity);
	e = &user->endpoints[at];
	if (strcmp(state, "full") == 0 || child(node, "status") || e->status == NULL)
		replace(&e->status, text_in(node, "status"));
	if (strcmp(state, "full") == 0 || child(node, "joining-method") || e->joining == NULL)
		replace(&e->joining, text_in(node, "joining-method"));
	if (strcmp(state, "full") == 0 || child(node, "disconnection-method") ||
		e->disconnection == NULL)
		replace(&e->disconnection, text_in(node, "disconnection-method"));
	if (!known_word(e->status, statuses) || !known_word(e->joining, joinings) ||
		!known_word(e->disconnection, leavings))
		return bad(view, "no such word: %s %s %s", e->status, e->joining, e->disconnection);
	return 0;
}

static unsigned place_of(const struct conference_view *view, const char *entity)
{
	unsigned at = 0;

	while (at < view->user_count_known && strcmp(view->users[at].entity, entity) != 0)
		at++;
	return at;
}

static int take_user(struct conference_view *view, xmlNodePtr node)
{
	static const char *const order[] = { "display-text", "associated-aors", "roles",
		"languages", "cascaded-focus", "endpoint", NULL };
	char state[8], *entity = attribute(node, "entity", NULL), *own, *text;
	struct view_user *user;
	unsigned at = place_of(view, entity);
	bool full;

	if (entity[0] == '\0' || in_order(view, node, order) < 0 ||
		state_of(view, node, state) < 0) {
		free(entity);
		return view->why[0] ? -EBADMSG : bad(view, "<user> without entity");
	}
	view->named++;
	if (strcmp(state, "deleted") == 0) {
		free(entity);
		if (at < view->user_count_known) {
			user_fini(&view->users[at]);
			view->users[at] = view->users[--view->user_count_known];
		}
		return 0;
	}
	if (at == view->user_count_known) {
		view->users = realloc(view->users, (at + 1) * sizeof(*user));
		view->users[at] = (struct view_user){ .entity = strdup(entity) };
		view->user_count_known++;
	}
	free(entity);
	user = &view->users[at];
	full = strcmp(state, "full") == 0;
	if (full)
		endpoints_drop(user);
	if (full || child(node, "display-text") || user->display_text == NULL)
		replace(&user->display_text, text_in(node, "display-text"));
	text = attribute(node, "nickname", NS_XCON);
	if (full || text[0] != '\0' || user->nickname == NULL)
		replace(&user->nickname, text);
	else
		free(text);
	own = attribute(node, "yourown", NULL);
	if (full || own[0] != '\0')
		user->yourown = strcmp(own, "true") == 0;
	if (own[0] != '\0' && strcmp(own, "true") != 0) {
		free(own);
		return bad(view, "yourown is true or absent");
	}
	view->own_marks += own[0] != '\0';
	free(own);
	for (xmlNodePtr n = node->children; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE && is(n, "endpoint") &&
			take_endpoint(view, user, n) < 0)
			return -EBADMSG;
	return 0;
}

static int take_users(struct conference_view *view, xmlNodePtr node)
{
	static const char *const order[] = { "user", NULL };
	char state[8];

	if (in_order(view, node, order) < 0 || state_of(view, node, state) < 0)
		return -EBADMSG;
	view->users_partial = strcmp(state, "partial") == 0;
	if (!view->users_partial)
		users_drop(view);
	for (xmlNodePtr n = node->children; n != NULL; n = n->next) {
		char *entity;
		bool twice = false;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		entity = attribute(n, "entity", NULL);
		for (xmlNodePtr other = n->next; other != NULL && !twice; other = other->next) {
			char *name = other->type == XML_ELEMENT_NODE
					     ? attribute(other, "entity", NULL)
					     : strdup("");

			twice = name[0] != '\0' && strcmp(name, entity) == 0;
			free(name);
			/* Only near ones are compared in a long list, or reading it takes too
			 * long. */
			if (view->named > 300)
				break;
		}
		if (twice)
			bad(view, "%s is named twice", entity);
		free(entity);
		if (twice || take_user(view, n) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int take_root(struct conference_view *view, xmlNodePtr root)
{
	static const char *const order[] = { "conference-description", "host-info",
		"conference-state", "users", NULL };
	static const char *const description_order[] = { "display-text", "subject", "free-text",
		"keywords", "conf-uris", "service-uris", "maximum-user-count", NULL };
	static const char *const state_order[] = { "user-count", "active", "locked", NULL };
	xmlNodePtr description = child(root, "conference-description");
	xmlNodePtr state = child(root, "conference-state"), users = child(root, "users");

	if (in_order(view, root, order) < 0)
		return -EBADMSG;
	if (view->full) {
		users_drop(view);
		replace(&view->subject, strdup(""));
		replace(&view->display_text, strdup(""));
		view->maximum_users = 0;
	}
	view->description = description != NULL;
	if (description != NULL) {
		if (in_order(view, description, description_order) < 0 ||
			number_in(view, description, "maximum-user-count", &view->maximum_users) <
				0)
			return -EBADMSG;
		replace(&view->subject, text_in(description, "subject"));
		replace(&view->display_text, text_in(description, "display-text"));
	}
	if (state != NULL) {
		char *active;

		if (in_order(view, state, state_order) < 0 ||
			number_in(view, state, "user-count", &view->user_count) < 0)
			return -EBADMSG;
		active = text_in(state, "active");
		view->active = strcmp(active, "true") == 0;
		free(active);
	}
	return users != NULL ? take_users(view, users) : 0;
}

static void ignore_error(void *arg, const char *format, ...)
{
}

int conference_view_take(struct conference_view *view, const char *octets, size_t len)
{
	xmlDocPtr document;
	xmlNodePtr root;
	char *version, *state, *entity;
	int r = 0;

	view->why[0] = '\0';
	view->named = view->own_marks = 0;
	view->users_partial = false;
	xmlSetGenericErrorFunc(NULL, ignore_error);
	document = xmlReadMemory(octets, (int)len, NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	if (root == NULL || !is(root, "conference-info") || root->ns == NULL ||
		strcmp((const char *)root->ns->href, NS_INFO) != 0) {
		xmlFreeDoc(document);
		return bad(view, "not a well-formed conference-info");
	}
	version = attribute(root, "version", NULL);
	state = attribute(root, "state", NULL);
	entity = attribute(root, "entity", NULL);
	view->full = strcmp(state, "partial") != 0;
	if (version[0] == '\0' || entity[0] == '\0' ||
		(strcmp(state, "full") != 0 && strcmp(state, "partial") != 0)) {
		r = bad(view, "no version, entity or state");
	} else if (view->known && view->gap_allowed && view->full &&
		   strtoul(version, NULL, 10) > view->version) {
		view->gap_allowed = false;
	} else if (view->known ? strtoul(version, NULL, 10) != view->version + 1 : !view->full) {
		bad(view, "version %s, %s, after %u", version, state, view->version);
		r = -EPROTO;
	}
	if (r == 0) {
		view->version = (uint32_t)strtoul(version, NULL, 10);
		view->known = true;
		replace(&view->entity, strdup(entity));
		r = take_root(view, root);
	}
	free(version);
	free(state);
	free(entity);
	xmlFreeDoc(document);
	return r;
}

void conference_view_fini(struct conference_view *view)
{
	users_drop(view);
	free(view->entity);
	free(view->subject);
	free(view->display_text);
	*view = (struct conference_view){ .known = false };
}

const struct view_user *conference_view_user(const struct conference_view *view, const char *entity)
{
	unsigned at = place_of(view, entity);

	return at < view->user_count_known ? &view->users[at] : NULL;
}

const char *conference_view_status(const struct conference_view *view, const char *entity)
{
	const struct view_user *user = conference_view_user(view, entity);

	if (user == NULL)
		return "";
	for (unsigned i = 0; i < user->endpoint_count; i++)
		if (strcmp(user->endpoints[i].status, "disconnected") != 0)
			return user->endpoints[i].status;
	return "disconnected";
}

unsigned conference_view_with(const struct conference_view *view, const char *status)
{
	unsigned count = 0;

	for (unsigned i = 0; i < view->user_count_known; i++)
		for (unsigned k = 0; k < view->users[i].endpoint_count; k++)
			if (strcmp(view->users[i].endpoints[k].status, status) == 0) {
				count++;
				break;
			}
	return count;
}
