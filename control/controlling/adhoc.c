/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.2: Ad-hoc IM Group setup. Where several refusals apply, the first step that fails decides
 * (context.md 3.3). */
#include "control/controlling/procedures.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/sip/multipart.h"
#include "include/log.h"

#define HISTORY_MAX 16384 /* octets of a recipient-list-history part (RFC 5366: SHOULD) */
#define TYPE_SDP    "application/sdp"
#define TYPE_LIST   "application/resource-lists+xml"
#define ACCEPT      TYPE_SDP ", " TYPE_LIST ", multipart/mixed"

/* What an INVITE to the factory asks for, read and checked. */
struct adhoc {
	struct sdp_media offer;
	bool has_offer;
	struct resource_list list; /* without the inviter and duplicates */
	bool has_list;
};

static void adhoc_fini(struct adhoc *asked)
{
	if (asked->has_offer)
		sdp_media_fini(&asked->offer);
	if (asked->has_list)
		resource_list_fini(&asked->list);
}

static void entry_drop(struct resource_list *list, unsigned i)
{
	struct resource_entry last = list->entries[i];

	free(last.uri);
	free(last.headers);
	free(last.display_name);
	list->count--;
	memmove(&list->entries[i], &list->entries[i + 1],
		(list->count - i) * sizeof(list->entries[0]));
}

/* A set of canonical addresses: open addressing, twice as many places as entries. */
struct address_set {
	char (*addresses)[IDENTITY_MAX];
	unsigned *places; /* index + 1 */
	unsigned size, count;
};

static bool set_add(struct address_set *set, const char *address)
{
	uint32_t hash = 2166136261u;

	for (const char *c = address; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	for (unsigned at = (hash ^ hash >> 15) % set->size;; at = (at + 1) % set->size) {
		if (set->places[at] == 0) {
			memcpy(set->addresses[set->count], address, strlen(address) + 1);
			set->places[at] = ++set->count;
			return true;
		}
		if (strcmp(set->addresses[set->places[at] - 1], address) == 0)
			return false;
	}
}

/* The inviter's own URI and duplicates go first (context.md 3.3). -EBADMSG: an entry that is no IM
 * Address. */
static int list_reduce(struct resource_list *list, const struct request *request)
{
	struct address_set set = { .size = 2 * list->count + 8 };
	char canonical[IDENTITY_MAX];
	unsigned kept = 0;
	int r = -ENOBUFS;

	set.addresses = calloc(list->count + 2, sizeof(*set.addresses));
	set.places = calloc(set.size, sizeof(*set.places));
	if (set.addresses == NULL || set.places == NULL)
		goto out;
	set_add(&set, request->asserted);
	if (request->asserted_second[0] != '\0')
		set_add(&set, request->asserted_second);
	while (kept < list->count) {
		r = identity_canonical(span_of(list->entries[kept].uri), canonical);
		if (r < 0)
			goto out;
		if (set_add(&set, canonical))
			kept++;
		else
			entry_drop(list, kept);
	}
	r = 0;
out:
	free(set.addresses);
	free(set.places);
	return r;
}

static void refuse_type(struct focus *focus, struct dialog *dialog)
{
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };

	header_init(&extra);
	header_add(&extra, "Accept", "%s", ACCEPT);
	dialog_refuse(dialog, 415, "Unsupported Media Type", &message);
	dialog_free(dialog);
}

/* CF-7.2.1.2-R6a */
static void refuse_sdp(struct focus *focus, struct dialog *dialog, const char *why)
{
	const struct config *config = focus->config;
	char wrapped[2048];
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };
	char *sdp;

	conference_wrapped_types(config, wrapped, sizeof(wrapped));
	sdp = sdp_write_capabilities(
		config->sip_domain, span_of(wrapped), config->msrp_max_message);
	header_init(&extra);
	header_add_warning(&extra, config->sip_domain, why ? why : "SDP not acceptable");
	if (sdp != NULL) {
		message.content_type = TYPE_SDP;
		message.body = sdp;
	}
	dialog_refuse(dialog, 488, "Not Acceptable Here", &message);
	dialog_free(dialog);
	free(sdp);
}

static bool type_is(struct span type, const char *name)
{
	struct span rest = type;

	return span_eq_nocase(span_trim(span_cut(&rest, ';')), span_of(name));
}

/* Reads body and list. False: the INVITE has been refused. */
static bool adhoc_read(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct adhoc *asked)
{
	struct multipart_part parts[MULTIPART_PARTS_MAX];
	const char *why = NULL;
	char sentence[160] = "";
	struct span sdp = { "", 0 }, list = { "", 0 };
	bool has_list = false, has_sdp = false;
	int count, r;

	if (request->body.len == 0) {
		refuse_sdp(focus, dialog, "An offer is needed");
		return false;
	}
	count = multipart_parse(request->content_type, request->body, parts);
	if (count < 0) {
		session_refuse(
			focus, dialog, 400, "Bad Request", "The multipart body is malformed");
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (type_is(parts[i].type, TYPE_SDP) && !has_sdp) {
			has_sdp = true;
			sdp = parts[i].body;
		} else if (type_is(parts[i].type, TYPE_LIST) && !has_list) {
			has_list = true;
			list = parts[i].body;
		} else if (count == 1) {
			refuse_type(focus, dialog);
			return false;
		}
	}
	/* CF-7.2.1.2-R6 */
	r = has_sdp ? sdp_media_parse(sdp, false, &asked->offer, &why) : -EPROTO;
	if (r == -EBADMSG) {
		session_refuse(focus, dialog, 400, "Bad Request",
			why ? why : "The session description is malformed");
		return false;
	}
	if (r < 0) {
		refuse_sdp(focus, dialog, has_sdp ? why : "An offer is needed");
		return false;
	}
	asked->has_offer = true;
	if (!has_list) {
		if (focus->config->conference_allow_empty_factory)
			return true;
		session_refuse(focus, dialog, 403, "Forbidden", "User is not authorised");
		return false;
	}
	r = resource_list_parse(list, &asked->list, sentence, sizeof(sentence));
	if (r < 0) {
		session_refuse(focus, dialog, 400, "Bad Request",
			sentence[0] ? sentence : "The resource list is malformed");
		return false;
	}
	asked->has_list = true;
	r = list_reduce(&asked->list, request);
	if (r < 0) {
		if (r == -ENOBUFS)
			session_refuse(focus, dialog, 503, "Service Unavailable", NULL);
		else
			session_refuse(focus, dialog, 400, "Bad Request",
				"The resource list has an entry that is not an IM Address");
		return false;
	}
	if (asked->list.count == 0) {
		session_refuse(
			focus, dialog, 400, "Bad Request", "The resource list invites nobody");
		return false;
	}
	/* CF-7.2.1.2-R7, -R7a */
	if (policy_adhoc_too_many(
		    asked->list.count, (unsigned)focus->config->conference_max_adhoc_size)) {
		session_refuse(focus, dialog, 486, "Busy Here", "too many participants");
		return false;
	}
	return true;
}

static void room_done(void *arg, int result)
{
	struct conference *c = arg;

	if (result == 0)
		return;
	log_warning("adhoc", "no room conference=%s result=\"%s\"", c->uri, result_text(result));
	if (c->inviter != NULL)
		c->inviter->status = 503;
	conference_end(c, "SIP;cause=503;text=\"No resources\"");
}

/* CF-7.2.1.2 in context.md 3.3: the overall wait is over. */
static void waited(void *arg)
{
	struct conference *c = arg;

	if (c->inviter != NULL && c->inviter->state == PARTICIPANT_JOINING) {
		c->inviter->status = 480;
		session_feed(c->inviter, PARTICIPANT_EV_REFUSE);
	}
	session_withdraw(c);
	conference_settle(c);
}

static char *text_copy(struct span s)
{
	return strndup(s.at, s.len);
}

/* The inviter as participant; dialog and offer are taken. */
static int inviter_new(struct conference *c, struct dialog *dialog, const struct request *request,
	struct adhoc *asked)
{
	struct participant *p;
	char name_addr[IDENTITY_MAX + 600];
	int r = conference_add(
		&p, c, true, request->asserted, request->asserted_uri, request->display_name);

	if (r < 0)
		return r;
	free(p->allow);
	p->allow = text_copy(request->allow); /* CF-7.2.1.2-R3 */
	if (request->asserted_second[0] != '\0')
		p->canonical_second = strdup(request->asserted_second);
	p->remote = asked->offer;
	p->has_remote = true;
	asked->has_offer = false;
	p->sdp_session = ua_now_ms();
	p->sdp_version = 1;
	if (p->allow == NULL)
		return -ENOBUFS;
	r = refresh_read(p, request);
	if (r < 0)
		return r;
	if (request->privacy) {
		r = conference_alias(c, p);
		if (r < 0)
			return r;
		c->anonymous = true;
	}
	/* CF-7.2.1.2-R4: the display name of P-Asserted-Identity, else of From
	 * (context.md 3.1, 5.5). */
	header_name_addr(name_addr, sizeof(name_addr), c->anonymous ? "" : p->display_name,
		c->anonymous ? c->factory : p->uri);
	c->asserted = strdup(name_addr);
	c->subject = text_copy(request->subject);
	c->contribution_id = text_copy(request->contribution_id);
	if (!c->asserted || !c->subject || !c->contribution_id)
		return -ENOBUFS;
	p->dialog = dialog; /* from here it goes with the participant */
	dialog_bind(dialog, &session_dialog_ops, p);
	return 0;
}

static int invitees_new(struct conference *c, const struct adhoc *asked)
{
	for (unsigned i = 0; asked->has_list && i < asked->list.count; i++) {
		const struct resource_entry *entry = &asked->list.entries[i];
		struct participant *p;
		char canonical[IDENTITY_MAX], name[257];
		int r = identity_canonical(span_of(entry->uri), canonical);

		if (r < 0)
			return r;
		display_name_clean(span_of(entry->display_name), name);
		r = conference_add(&p, c, false, canonical, span_of(entry->uri), name);
		if (r < 0)
			return r;
		free(p->headers);
		p->headers = strdup(entry->headers);
		if (p->headers == NULL)
			return -ENOBUFS;
		if (entry->anonymize && (r = conference_alias(c, p)) < 0)
			return r;
	}
	if (asked->has_list)
		c->history = resource_list_history(&asked->list);
	/* It goes into every invitation: its cost grows with the square of the list. */
	if (c->history != NULL && strlen(c->history) > HISTORY_MAX) {
		log_info("adhoc", "recipient list too long to be shown to all conference=%s",
			c->uri);
		free(c->history);
		c->history = NULL;
	}
	return 0;
}

void adhoc_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	const char *factory)
{
	struct adhoc asked = { 0 };
	struct conference *c = NULL;
	struct participant *inviter;
	int r;

	/* CF-7.2.1.2-R2a, -R2b */
	if (!request->authenticated) {
		session_refuse(focus, dialog, 403, "Forbidden", "Originator not authenticated");
		return;
	}
	if (focus->stopping || !media_is_up(focus->media)) {
		session_refuse(focus, dialog, 503, "Service Unavailable", NULL);
		return;
	}
	if (!adhoc_read(focus, dialog, request, &asked))
		goto out;
	/* CF-7.2.1.2-R5 */
	r = conference_new(&c, &focus->conferences, focus, focus->config->sip_domain);
	if (r < 0)
		goto failed;
	r = -ENOBUFS;
	c->factory = strdup(factory);
	if (c->factory == NULL)
		goto failed;
	r = inviter_new(c, dialog, request, &asked);
	if (r < 0)
		goto failed;
	r = invitees_new(c, &asked);
	if (r < 0)
		goto failed;
	r = conference_room_open(c, focus->media, focus->config, room_done);
	if (r < 0) {
		c->room = NULL;
		goto failed;
	}
	if (asked.has_list &&
		(r = deadline_set(&focus->deadlines, &c->invite_wait,
			 ua_now_ms() + focus->config->sip_invite_wait_ms, waited, c)) < 0)
		goto failed;
	log_info("adhoc", "conference made conference=%s invited=%u conferences=%u", c->uri,
		asked.has_list ? asked.list.count : 0, focus->conferences.count);
	inviter = c->inviter;
	session_feed(inviter, PARTICIPANT_EV_ASKS);
	conference_settle(c);
	goto out;
failed:
	if (r == -EPROTO && c != NULL) {
		struct header_block extra;
		struct dialog_message message = { .extra = &extra };

		header_init(&extra);
		refresh_too_small(focus->config, &extra);
		dialog_refuse(dialog, 422, "Session Interval Too Small", &message);
	} else {
		struct header_block extra;
		struct dialog_message message = { .extra = &extra };

		header_init(&extra);
		header_add(&extra, "Retry-After", "%d", FOCUS_RETRY_AFTER_S);
		dialog_refuse(dialog, 503, "Service Unavailable", &message);
	}
	if (c == NULL || c->inviter == NULL || c->inviter->dialog != dialog)
		dialog_free(dialog);
	if (c != NULL)
		conference_free(c, &focus->conferences, &focus->deadlines);
out:
	adhoc_fini(&asked);
}

/* 180 to the inviter on the first 18x of an invited one. */
enum participant_event inviter_ring(struct participant *p)
{
	struct conference *c = p->conference;

	if (!c->rung)
		dialog_ring(p->dialog, c->uri);
	c->rung = true;
	return PARTICIPANT_EV_NONE;
}

/* CF-7.2.1.2-FR1 */
enum participant_event adhoc_reject(struct participant *p)
{
	struct focus *focus = p->conference->focus;
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };
	unsigned status = p->status ? p->status : 503;

	header_init(&extra);
	if (status == 503)
		header_add(&extra, "Retry-After", "%d", FOCUS_RETRY_AFTER_S);
	dialog_refuse(p->dialog, status, NULL, &message);
	log_info("adhoc", "inviter refused conference=%s status=%u dialogs=%u", p->conference->uri,
		status, ua_dialogs(focus->ua));
	return PARTICIPANT_EV_NONE;
}
