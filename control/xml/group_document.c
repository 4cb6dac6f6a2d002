/* SPDX-License-Identifier: BSD-3-Clause */
/* The table below is the document's shape: which element means what where. Values are text, which
 * is collected and read when its element ends.
 *
 *   group > list-service > list > entry > display-name
 *                        > invite-members, max-participant-count, ...
 *                        > ruleset > rule > conditions > identity > one | many > except
 *                                         > actions
 */
#include "control/xml/group_document.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/sip/identity.h"
#include "control/xml/reader.h"

#define NS_SERVICE    "urn:oma:xml:poc:list-service"
#define NS_LISTS      "urn:ietf:params:xml:ns:resource-lists"
#define NS_POLICY     "urn:ietf:params:xml:ns:common-policy"
#define NS_EXTENSIONS "urn:oma:xml:xdm:extensions"
#define NS_OMA_POLICY "urn:oma:xml:xdm:common-policy"
#define NS_POC_RULES  "urn:oma:xml:poc:poc-rules"

#define VALUE_MAX   1024 /* octets of an element's text that are kept */
#define DISPLAY_MAX 257  /* what display_name_clean writes */

enum element {
	E_OTHER,
	E_DOCUMENT, /* what the root is in */
	E_GROUP,
	E_SERVICE,
	E_NAME,
	E_LIST,
	E_ENTRY,
	E_ENTRY_NAME,
	E_EXTERNAL,
	E_INVITE_MEMBERS,
	E_MAX_COUNT,
	E_SUBJECT,
	E_MAX_DURATION,
	E_RULESET,
	E_RULE,
	E_CONDITIONS,
	E_IF_MEMBER,
	E_IF_OTHER,
	E_IF_ANONYMOUS,
	E_IF_EXTERNAL,
	E_IDENTITY,
	E_ONE,
	E_MANY,
	E_EXCEPT,
	E_ACTIONS,
	E_ACTION /* the actions follow, in the order of GROUP_ACTIONS */
};

enum spaces {
	IN_SERVICE = 1,
	IN_LISTS = 2,
	IN_POLICY = 4,
	IN_OMA_OTHERS = 8,
	IN_OMA = IN_SERVICE | IN_OMA_OTHERS,
	IN_EITHER = IN_SERVICE | IN_LISTS,
};

struct step {
	enum element parent;
	unsigned spaces;
	const char *name;
	enum element element;
	bool anywhere; /* the name means something else in other namespaces */
};

static const struct step steps[] = { { E_DOCUMENT, IN_SERVICE, "group", E_GROUP },
	{ E_GROUP, IN_SERVICE, "list-service", E_SERVICE },
	{ E_SERVICE, IN_EITHER, "display-name", E_NAME, true },
	{ E_SERVICE, IN_SERVICE, "list", E_LIST }, { E_LIST, IN_EITHER, "list", E_LIST },
	{ E_LIST, IN_EITHER, "entry", E_ENTRY }, { E_LIST, IN_EITHER, "external", E_EXTERNAL },
	{ E_LIST, IN_EITHER, "entry-ref", E_EXTERNAL },
	{ E_ENTRY, IN_EITHER, "display-name", E_ENTRY_NAME, true },
	{ E_SERVICE, IN_OMA, "invite-members", E_INVITE_MEMBERS },
	{ E_SERVICE, IN_OMA, "max-participant-count", E_MAX_COUNT },
	{ E_SERVICE, IN_OMA, "subject", E_SUBJECT, true },
	{ E_SERVICE, IN_OMA, "max-duration", E_MAX_DURATION, true },
	{ E_SERVICE, IN_POLICY, "ruleset", E_RULESET }, { E_RULESET, IN_POLICY, "rule", E_RULE },
	{ E_RULE, IN_POLICY, "conditions", E_CONDITIONS },
	{ E_RULE, IN_POLICY, "actions", E_ACTIONS },
	{ E_CONDITIONS, IN_POLICY, "identity", E_IDENTITY },
	{ E_CONDITIONS, IN_OMA, "is-list-member", E_IF_MEMBER },
	{ E_CONDITIONS, IN_OMA, "other-identity", E_IF_OTHER },
	{ E_CONDITIONS, IN_OMA, "anonymous-request", E_IF_ANONYMOUS },
	{ E_CONDITIONS, IN_OMA, "external-list", E_IF_EXTERNAL },
	{ E_IDENTITY, IN_POLICY, "one", E_ONE }, { E_IDENTITY, IN_POLICY, "many", E_MANY },
	{ E_MANY, IN_POLICY, "except", E_EXCEPT },
#define X(id, element) { E_ACTIONS, IN_OMA, element, E_ACTION + GROUP_##id },
	GROUP_ACTIONS(X)
#undef X
};

#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

/* As much of a value as a sentence has room for. */
#define SHORT_ARG(s) (int)((s).len < 60 ? (s).len : 60), (s).at

struct writer {
	struct group_document **documents;
	unsigned document_count, document_room;
	/* Of the list-service that is open. */
	struct group_document *document;
	unsigned member_room, rule_room, condition_room, identity_room, except_room, except_count;
	bool said_invite_members, said_max_count;
	enum element stack[XML_DEPTH_MAX + 1];
	unsigned depth;
	char value[VALUE_MAX + 1];
	size_t value_len;
};

/* Room for one more of `size` octets behind *items; false: said. */
static bool grow(struct reader *r, void *items, unsigned count, unsigned *room, size_t size)
{
	void **at = items, *more;
	unsigned wanted = *room ? 2 * *room : 4;

	if (count < *room)
		return true;
	more = realloc(*at, wanted * size);
	if (more == NULL) {
		reader_no_memory(r);
		return false;
	}
	*at = more;
	*room = wanted;
	return true;
}

static bool keep(struct reader *r, char **out, const char *text, size_t len)
{
	free(*out);
	*out = strndup(text, len);
	if (*out == NULL)
		reader_no_memory(r);
	return *out != NULL;
}

/* ---- where elements start ---- */

static unsigned space_of(const char *space)
{
	static const struct {
		const char *space;
		unsigned bit;
	} known[] = { { NS_SERVICE, IN_SERVICE }, { NS_LISTS, IN_LISTS }, { NS_POLICY, IN_POLICY },
		{ NS_EXTENSIONS, IN_OMA_OTHERS }, { NS_OMA_POLICY, IN_OMA_OTHERS },
		{ NS_POC_RULES, IN_OMA_OTHERS } };

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(space, known[i].space) == 0)
			return known[i].bit;
	}
	return 0;
}

static enum element element_find(
	struct reader *r, enum element parent, const char *name, const char *space)
{
	unsigned in = space_of(space);

	for (unsigned i = 0; i < STEP_COUNT; i++) {
		const struct step *s = &steps[i];

		if (s->parent != parent || strcmp(s->name, name) != 0)
			continue;
		if (s->spaces & in)
			return s->element;
		if (!s->anywhere)
			reader_refuse(r, "<%s> in namespace \"%.40s\": write it in %s", name, space,
				s->spaces & IN_SERVICE ? NS_SERVICE : NS_POLICY);
		return E_OTHER;
	}
	if (parent == E_DOCUMENT)
		reader_refuse(r,
			"<%.40s> is no group document: write <group xmlns=\"" NS_SERVICE "\">",
			name);
	return E_OTHER;
}

/* A canonical address would be told apart by its headers no more, and a Request-URI has none. */
static bool has_headers(struct span uri)
{
	const char *at = memchr(uri.at, '@', uri.len);
	const char *from = at != NULL ? at : uri.at;

	return memchr(from, '?', uri.len - (size_t)(from - uri.at)) != NULL;
}

/* An address that names a user or a group; false: said. text may be NULL. */
static bool address_read(
	struct reader *r, const char *element, const char *attribute, char **text, char **canonical)
{
	char form[IDENTITY_MAX];
	struct span value;

	if (!reader_attribute(r, "", attribute, &value))
		reader_refuse(r, "a <%s> without %s: write %s=\"sip:...\"", element, attribute,
			attribute);
	else if (identity_canonical(value, form) != 0)
		reader_refuse(r, "%s=\"%.*s\" is no address: write e.g. sip:alice@example.com",
			attribute, SHORT_ARG(value));
	else if (has_headers(value))
		reader_refuse(r, "%s=\"%.*s\" has headers: write the address alone", attribute,
			SHORT_ARG(value));
	else
		return (text == NULL || keep(r, text, value.at, value.len)) &&
		       keep(r, canonical, form, strlen(form));
	return false;
}

static void service_start(struct writer *w, struct reader *r)
{
	struct group_document *document;

	if (!grow(r, &w->documents, w->document_count, &w->document_room, sizeof(*w->documents)))
		return;
	document = calloc(1, sizeof(*document));
	if (document == NULL) {
		reader_no_memory(r);
		return;
	}
	document->line = reader_line(r);
	w->documents[w->document_count++] = document;
	w->document = document;
	w->member_room = w->rule_room = 0;
	w->said_invite_members = w->said_max_count = false;
	if (!keep(r, &document->display_name, "", 0) || !keep(r, &document->subject, "", 0) ||
		!address_read(r, "list-service", "uri", &document->uri, &document->canonical))
		return;
	if (strncmp(document->canonical, "sip:", 4) != 0 &&
		strncmp(document->canonical, "sips:", 5) != 0) {
		reader_refuse(r, "uri=\"%.60s\" of a <list-service> is no SIP URI: write sip:...",
			document->uri);
		return;
	}
	if (strlen(document->uri) > GROUP_URI_MAX) {
		reader_refuse(r,
			"the uri of a <list-service> is longer than %d octets: write a shorter one",
			GROUP_URI_MAX);
		return;
	}
	for (unsigned i = 0; i + 1 < w->document_count; i++) {
		if (strcmp(w->documents[i]->canonical, document->canonical) == 0)
			reader_refuse(r, "uri=\"%.60s\" has two <list-service> here: leave one out",
				document->uri);
	}
}

static void entry_start(struct writer *w, struct reader *r)
{
	struct group_document *d = w->document;
	struct group_member *member;

	if (!grow(r, &d->members, d->member_count, &w->member_room, sizeof(*d->members)))
		return;
	member = &d->members[d->member_count++];
	*member = (struct group_member){ .uri = NULL };
	if (keep(r, &member->display_name, "", 0))
		(void)address_read(r, "entry", "uri", &member->uri, &member->canonical);
}

static void rule_start(struct writer *w, struct reader *r)
{
	struct group_document *d = w->document;
	struct group_rule *rule;
	struct span id = SPAN_LITERAL("");

	if (!grow(r, &d->rules, d->rule_count, &w->rule_room, sizeof(*d->rules)))
		return;
	rule = &d->rules[d->rule_count++];
	*rule = (struct group_rule){ .line = reader_line(r) };
	w->condition_room = 0;
	(void)reader_attribute(r, "", "id", &id);
	if (!reader_refused(r))
		(void)keep(r, &rule->id, id.at, id.len);
}

static struct group_rule *rule_of(struct writer *w)
{
	return &w->document->rules[w->document->rule_count - 1];
}

static struct group_condition *condition_of(struct writer *w)
{
	struct group_rule *rule = rule_of(w);

	return &rule->conditions[rule->condition_count - 1];
}

static struct group_identity *identity_of(struct writer *w)
{
	struct group_condition *condition = condition_of(w);

	return &condition->identities[condition->identity_count - 1];
}

static void condition_start(struct writer *w, struct reader *r, enum group_condition_kind kind)
{
	struct group_rule *rule = rule_of(w);

	if (!grow(r, &rule->conditions, rule->condition_count, &w->condition_room,
		    sizeof(*rule->conditions)))
		return;
	rule->conditions[rule->condition_count++] = (struct group_condition){ .kind = kind };
	w->identity_room = 0;
}

/* A domain, in lower case and as a canonical address has it. */
static bool domain_read(struct reader *r, struct span value, char **out)
{
	char form[IDENTITY_MAX], *uri = NULL;
	struct span host;
	bool good;

	if (asprintf(&uri, "sip:%.*s", SPAN_ARG(value)) < 0) {
		reader_no_memory(r);
		return false;
	}
	good = identity_canonical(span_of(uri), form) == 0;
	host = identity_host(span_of(form));
	if (!good || strlen(form) != host.len + (form[4] == '[' ? 6 : 4)) {
		reader_refuse(r, "domain=\"%.60s\" is no domain: write e.g. example.com", uri + 4);
		free(uri);
		return false;
	}
	free(uri);
	return keep(r, out, host.at, host.len);
}

static void identity_start(struct writer *w, struct reader *r, bool many)
{
	struct group_condition *condition = condition_of(w);
	struct group_identity *identity;
	struct span domain;

	if (!grow(r, &condition->identities, condition->identity_count, &w->identity_room,
		    sizeof(*condition->identities)))
		return;
	identity = &condition->identities[condition->identity_count++];
	*identity = (struct group_identity){ .many = many };
	w->except_room = w->except_count = 0;
	if (!many) {
		(void)address_read(r, "one", "id", NULL, &identity->canonical);
	} else if (reader_attribute(r, "", "domain", &domain)) {
		(void)domain_read(r, domain, &identity->domain);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct group_identity *x = a, *y = b;

	if (x->many || y->many)
		return (int)x->many - (int)y->many;
	return strcmp(x->canonical, y->canonical);
}

/* A rule may name thousands, and is asked at every join. */
static void identity_end(struct group_condition *condition)
{
	if (condition->identity_count > 0)
		qsort(condition->identities, condition->identity_count,
			sizeof(condition->identities[0]), by_name);
	while (condition->named_count < condition->identity_count &&
		!condition->identities[condition->named_count].many)
		condition->named_count++;
}

static void except_add(struct writer *w, struct reader *r, char *text)
{
	struct group_identity *identity = identity_of(w);

	/* The end is kept behind the last one at all times. */
	if (!grow(r, &identity->excepts, w->except_count + 1, &w->except_room,
		    sizeof(*identity->excepts))) {
		free(text);
		return;
	}
	identity->excepts[w->except_count++] = text;
	identity->excepts[w->except_count] = NULL;
}

static void except_start(struct writer *w, struct reader *r)
{
	char *text = NULL, *domain = NULL;
	struct span value;

	if (reader_attribute(r, "", "id", &value)) {
		if (address_read(r, "except", "id", NULL, &text))
			except_add(w, r, text);
	} else if (reader_attribute(r, "", "domain", &value)) {
		if (!domain_read(r, value, &domain))
			return;
		if (asprintf(&text, "@%s", domain) < 0)
			reader_no_memory(r);
		else
			except_add(w, r, text);
		free(domain);
	} else {
		reader_refuse(r, "an <except> without id or domain: write id=\"sip:...\"");
	}
}

static void on_start(void *arg, struct reader *r, const char *name, const char *space)
{
	struct writer *w = arg;
	enum element parent = w->depth > 0 ? w->stack[w->depth - 1] : E_DOCUMENT;
	enum element element = element_find(r, parent, name, space);

	if (reader_refused(r))
		return;
	if (element != E_OTHER)
		w->value_len = 0;
	switch (element) {
	case E_SERVICE: service_start(w, r); break;
	case E_ENTRY: entry_start(w, r); break;
	case E_EXTERNAL: w->document->members_unknown = true; break;
	case E_RULE: rule_start(w, r); break;
	case E_IDENTITY: condition_start(w, r, GROUP_IF_IDENTITY); break;
	case E_IF_MEMBER: condition_start(w, r, GROUP_IF_MEMBER); break;
	case E_IF_OTHER: condition_start(w, r, GROUP_IF_OTHER); break;
	case E_IF_ANONYMOUS: condition_start(w, r, GROUP_IF_ANONYMOUS); break;
	case E_IF_EXTERNAL: condition_start(w, r, GROUP_IF_EXTERNAL); break;
	case E_ONE: identity_start(w, r, false); break;
	case E_MANY: identity_start(w, r, true); break;
	case E_EXCEPT: except_start(w, r); break;
	case E_OTHER:
		if (parent == E_CONDITIONS)
			condition_start(w, r, GROUP_IF_UNKNOWN);
		break;
	default: break;
	}
	w->stack[w->depth++] = element;
}

/* ---- where they end: values ---- */

static void on_text(void *arg, struct reader *r, struct span text)
{
	struct writer *w = arg;

	switch (w->stack[w->depth - 1]) {
	case E_OTHER:
	case E_GROUP:
	case E_SERVICE:
	case E_LIST:
	case E_ENTRY:
	case E_EXTERNAL:
	case E_RULESET:
	case E_RULE:
	case E_CONDITIONS:
	case E_IF_EXTERNAL:
	case E_IDENTITY:
	case E_ONE:
	case E_MANY:
	case E_EXCEPT:
	case E_ACTIONS: return;
	default: break;
	}
	if (text.len > VALUE_MAX - w->value_len) {
		reader_refuse(r, "a text of more than %d octets: write a shorter one", VALUE_MAX);
		return;
	}
	memcpy(w->value + w->value_len, text.at, text.len);
	w->value_len += text.len;
}

/* XML Schema 4.3.6: whiteSpace collapse, as all values but names have it. */
static struct span value_of(const struct writer *w)
{
	struct span v = span_make(w->value, w->value_len);

	while (v.len > 0 && strchr(" \t\r\n", v.at[0]) != NULL) {
		v.at++;
		v.len--;
	}
	while (v.len > 0 && strchr(" \t\r\n", v.at[v.len - 1]) != NULL)
		v.len--;
	return v;
}

static bool value_is(struct span value, const char *text)
{
	return span_eq(value, span_of(text));
}

/* xs:boolean; *out stays when it is none, and that is said. */
static void boolean_read(struct writer *w, struct reader *r, const char *name, bool *out)
{
	struct span value = value_of(w);

	if (value_is(value, "true") || value_is(value, "1"))
		*out = true;
	else if (value_is(value, "false") || value_is(value, "0"))
		*out = false;
	else
		reader_refuse(r, "<%s> is \"%.*s\": write true or false", name, SHORT_ARG(value));
}

static void action_end(struct writer *w, struct reader *r, enum group_action action)
{
	static const char *const names[] = {
#define X(id, element) [GROUP_##id] = element,
		GROUP_ACTIONS(X)
#undef X
	};
	struct group_rule *rule = rule_of(w);
	struct span value = value_of(w);
	bool allowed = false;

	if (action == GROUP_JOIN_HANDLING && value_is(value, "allow"))
		allowed = true; /* context.md 4.1: older documents */
	else if (action != GROUP_JOIN_HANDLING || !value_is(value, "block"))
		boolean_read(w, r, names[action], &allowed);
	rule->said |= 1u << action;
	/* Twice in a rule: as from two rules, booleans OR (RFC 4745 10.2). */
	if (allowed)
		rule->allowed |= 1u << action;
}

/* An empty element; older documents write true in it. */
static void flag_end(struct writer *w, struct reader *r, const char *name)
{
	struct span value = value_of(w);

	if (value.len > 0 && !value_is(value, "true") && !value_is(value, "1"))
		reader_refuse(r, "<%s> is \"%.*s\": write <%s/>, or leave the condition out", name,
			SHORT_ARG(value), name);
}

/* Digits only, at most UINT32_MAX; more counts as that. */
static bool number_read(struct span text, uint32_t *out)
{
	uint64_t number = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!isdigit((unsigned char)text.at[i]))
			return false;
		number = number * 10 + (unsigned)(text.at[i] - '0');
		if (number > UINT32_MAX)
			number = UINT32_MAX;
	}
	*out = (uint32_t)number;
	return true;
}

/* Seconds, or xs:duration without years and months, whose length nobody knows. */
static bool duration_read(struct span text, uint32_t *out)
{
	static const struct {
		char letter;
		bool of_time;
		uint32_t seconds;
	} units[] = { { 'D', false, 86400 }, { 'H', true, 3600 }, { 'M', true, 60 },
		{ 'S', true, 1 } };
	bool time = false, any = false;
	uint64_t sum = 0;
	unsigned unit = 0;

	if (number_read(text, out))
		return true;
	if (text.len == 0 || text.at[0] != 'P')
		return false;
	for (size_t i = 1; i < text.len; i++) {
		uint32_t number;
		size_t digits = i;

		if (text.at[i] == 'T' && !time) {
			time = true;
			any = false;
			continue;
		}
		while (digits < text.len && isdigit((unsigned char)text.at[digits]))
			digits++;
		if (digits == text.len || !number_read(span_make(text.at + i, digits - i), &number))
			return false;
		while (unit < 4 &&
			(units[unit].letter != text.at[digits] || units[unit].of_time != time))
			unit++;
		if (unit == 4)
			return false;
		sum += (uint64_t)number * units[unit++].seconds;
		any = true;
		i = digits;
	}
	*out = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
	return any;
}

/* Text for people: without controls, and short enough for a header. */
static void shown_read(struct writer *w, struct reader *r, char **out)
{
	char clean[DISPLAY_MAX];

	if (**out != '\0')
		return; /* in several languages: the first */
	display_name_clean(value_of(w), clean);
	(void)keep(r, out, clean, strlen(clean));
}

static int by_canonical(const void *a, const void *b)
{
	const struct group_member *const *x = a, *const *y = b;
	int order = strcmp((*x)->canonical, (*y)->canonical);

	return order != 0 ? order : (*x < *y ? -1 : *x > *y);
}

static void member_fini(struct group_member *member)
{
	free(member->uri);
	free(member->canonical);
	free(member->display_name);
}

/* Who is listed twice is one member, at the first place. */
static void duplicates_drop(struct reader *r, struct group_document *d)
{
	struct group_member **sorted;
	unsigned kept = 0;

	if (d->member_count < 2)
		return;
	sorted = malloc(d->member_count * sizeof(struct group_member *));
	if (sorted == NULL) {
		reader_no_memory(r);
		return;
	}
	for (unsigned i = 0; i < d->member_count; i++)
		sorted[i] = &d->members[i];
	qsort(sorted, d->member_count, sizeof(struct group_member *), by_canonical);
	for (unsigned i = d->member_count - 1; i > 0; i--) {
		if (strcmp(sorted[i]->canonical, sorted[i - 1]->canonical) != 0)
			continue;
		member_fini(sorted[i]);
		*sorted[i] = (struct group_member){ .canonical = NULL };
	}
	free(sorted);
	for (unsigned i = 0; i < d->member_count; i++) {
		if (d->members[i].canonical != NULL)
			d->members[kept++] = d->members[i];
	}
	d->member_count = kept;
}

static void max_count_end(struct writer *w, struct reader *r)
{
	struct span value = value_of(w);

	if (w->said_max_count)
		reader_refuse(r, "<max-participant-count> twice: leave one out");
	w->said_max_count = true;
	if (!number_read(value, &w->document->max_participants) ||
		w->document->max_participants == 0)
		reader_refuse(r,
			"<max-participant-count> is \"%.*s\": write a number from 1, or leave it out",
			SHORT_ARG(value));
}

static void max_duration_end(struct writer *w, struct reader *r)
{
	struct span value = value_of(w);

	if (!duration_read(value, &w->document->max_duration_s))
		reader_refuse(r, "<max-duration> is \"%.*s\": write seconds, or e.g. PT1H30M",
			SHORT_ARG(value));
}

static void on_end(void *arg, struct reader *r)
{
	struct writer *w = arg;
	enum element element = w->stack[--w->depth];
	struct group_document *d = w->document;

	switch (element) {
	case E_NAME: shown_read(w, r, &d->display_name); break;
	case E_ENTRY_NAME: shown_read(w, r, &d->members[d->member_count - 1].display_name); break;
	case E_INVITE_MEMBERS:
		if (w->said_invite_members)
			reader_refuse(r, "<invite-members> twice: leave one out");
		w->said_invite_members = true;
		boolean_read(w, r, "invite-members", &d->invite_members);
		break;
	case E_MAX_COUNT: max_count_end(w, r); break;
	case E_SUBJECT: shown_read(w, r, &d->subject); break;
	case E_MAX_DURATION: max_duration_end(w, r); break;
	case E_IF_MEMBER: flag_end(w, r, "is-list-member"); break;
	case E_IF_OTHER: flag_end(w, r, "other-identity"); break;
	case E_IF_ANONYMOUS: flag_end(w, r, "anonymous-request"); break;
	case E_IDENTITY: identity_end(condition_of(w)); break;
	case E_SERVICE: duplicates_drop(r, d); break;
	case E_GROUP:
		if (w->document_count == 0)
			reader_refuse(r, "no <list-service>: write <list-service uri=\"sip:...\">");
		break;
	default:
		if (element >= E_ACTION)
			action_end(w, r, (enum group_action)(element - E_ACTION));
	}
}

/* ---- the whole ---- */

int group_document_parse(
	struct span text, struct group_document ***out, unsigned *count, struct group_fault *fault)
{
	static const struct reader_handler handler = { on_start, on_text, on_end };
	struct writer *w = calloc(1, sizeof(*w));
	struct reader_fault why;
	int result;

	*out = NULL;
	*count = 0;
	*fault = (struct group_fault){ .line = 0 };
	if (w == NULL)
		return -ENOBUFS;
	result = reader_run(text, GROUP_DOCUMENT_MAX, "group document", &handler, w, &why);
	if (result == 0) {
		*out = w->documents;
		*count = w->document_count;
	} else {
		fault->line = why.line;
		snprintf(fault->sentence, sizeof(fault->sentence), "%s", why.sentence);
		for (unsigned i = 0; i < w->document_count; i++)
			group_document_free(w->documents[i]);
		free(w->documents);
	}
	free(w);
	return result;
}

static void identity_fini(struct group_identity *identity)
{
	free(identity->canonical);
	free(identity->domain);
	for (char **except = identity->excepts; except != NULL && *except != NULL; except++)
		free(*except);
	free(identity->excepts);
}

void group_document_free(struct group_document *document)
{
	if (document == NULL)
		return;
	for (unsigned i = 0; i < document->member_count; i++)
		member_fini(&document->members[i]);
	for (unsigned i = 0; i < document->rule_count; i++) {
		struct group_rule *rule = &document->rules[i];

		for (unsigned c = 0; c < rule->condition_count; c++) {
			struct group_condition *condition = &rule->conditions[c];

			for (unsigned k = 0; k < condition->identity_count; k++)
				identity_fini(&condition->identities[k]);
			free(condition->identities);
		}
		free(rule->conditions);
		free(rule->id);
	}
	free(document->members);
	free(document->rules);
	free(document->uri);
	free(document->canonical);
	free(document->display_name);
	free(document->subject);
	free(document);
}
