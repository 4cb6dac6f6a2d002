/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/controlling/intake.h"
#include <stdlib.h>
#include "control/controlling/procedures.h"
#include "control/sip/multipart.h"
#include "include/log.h"

#define TYPE_SDP  "application/sdp"
#define TYPE_LIST "application/resource-lists+xml"

void intake_fini(struct intake *in)
{
	if (in->has_offer)
		sdp_media_fini(&in->offer);
	if (in->has_list)
		resource_list_fini(&in->list);
	in->has_offer = in->has_list = false;
}

/* ---- refusals ---- */

void intake_refuse(struct focus *focus, struct dialog *dialog, unsigned status, const char *phrase,
	const char *warning)
{
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };

	header_init(&extra);
	if (warning != NULL)
		header_add_warning(&extra, focus->config->sip_domain, warning);
	if (status == 503)
		header_add(&extra, "Retry-After", "%d", FOCUS_RETRY_AFTER_S);
	dialog_refuse(dialog, status, phrase, &message);
	dialog_free(dialog);
}

void intake_fail(
	struct focus *focus, struct dialog *dialog, struct participant *entered, int result)
{
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };

	if (entered != NULL) {
		dialog = entered->dialog;
		entered->dialog = NULL;
	}
	if (result != -EPROTO) {
		intake_refuse(focus, dialog, 503, "Service Unavailable", NULL);
		return;
	}
	header_init(&extra);
	refresh_too_small(focus->config, &extra);
	dialog_refuse(dialog, 422, "Session Interval Too Small", &message);
	dialog_free(dialog);
}

static void refuse_type(struct dialog *dialog)
{
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };

	header_init(&extra);
	header_add(&extra, "Accept", "%s", INTAKE_ACCEPT);
	dialog_refuse(dialog, 415, "Unsupported Media Type", &message);
	dialog_free(dialog);
}

void intake_sdp_warnings(struct focus *focus, struct header_block *extra, const char *why)
{
	const char *domain = focus->config->sip_domain;
	bool other = why != NULL && strstr(why, "media offered") != NULL;

	header_add_warning(extra, domain, why ? why : "SDP not acceptable");
	/* RFC 3261 20.43 */
	header_add(extra, "Warning", "%u %s \"%s\"", other ? 304 : 305, domain,
		other ? "Media type not available" : "Incompatible media format");
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
	intake_sdp_warnings(focus, &extra, why);
	if (sdp != NULL) {
		message.content_type = TYPE_SDP;
		message.body = sdp;
	}
	dialog_refuse(dialog, 488, "Not Acceptable Here", &message);
	dialog_free(dialog);
	free(sdp);
}

/* ---- checks ---- */

bool intake_is_welcome(struct focus *focus, struct dialog *dialog, const struct request *request)
{
	/* CF-7.2.1.2-R2, CF-7.2.1.2-R2a, CF-7.2.1.2-R2b */
	if (!request->authenticated)
		intake_refuse(focus, dialog, 403, "Forbidden", "Originator not authenticated");
	else if (focus->stopping || focus->draining || !media_is_up(focus->media))
		intake_refuse(focus, dialog, 503, "Service Unavailable", NULL);
	else
		return true;
	return false;
}

static bool type_is(struct span type, const char *name)
{
	struct span rest = type;

	return span_eq_nocase(span_trim(span_cut(&rest, ';')), span_of(name));
}

bool intake_parts(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in)
{
	struct multipart_part parts[MULTIPART_PARTS_MAX];
	int count;

	if (request->body.len == 0)
		return true;
	count = multipart_parse(request->content_type, request->body, parts);
	if (count < 0) {
		intake_refuse(focus, dialog, 400, "Bad Request", "The multipart body is malformed");
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (type_is(parts[i].type, TYPE_SDP) && !in->has_sdp) {
			in->has_sdp = true;
			in->sdp = parts[i].body;
		} else if (type_is(parts[i].type, TYPE_LIST) && !in->has_list_text) {
			in->has_list_text = true;
			in->list_text = parts[i].body;
		} else if (count == 1) {
			refuse_type(dialog);
			return false;
		}
	}
	return true;
}

bool intake_offer(struct focus *focus, struct dialog *dialog, struct intake *in)
{
	const char *why = NULL;
	int r;

	if (!in->has_sdp)
		return true; /* RFC 3261 13.3.1.4: the 200 offers, the ACK answers */
	r = sdp_media_parse(in->sdp, false, &in->offer, &why);
	if (r == 0) {
		why = session_place_fault(focus, &in->offer, false);
		if (why == NULL) {
			in->has_offer = true;
			return true;
		}
		sdp_media_fini(&in->offer);
		r = -EPROTO;
	}
	if (r == -ENOBUFS)
		intake_refuse(focus, dialog, 503, "Service Unavailable", NULL);
	else if (r == -EBADMSG)
		intake_refuse(focus, dialog, 400, "Bad Request",
			why ? why : "The session description is malformed");
	else
		refuse_sdp(focus, dialog, why);
	return false;
}

/* ---- the list ---- */

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

bool intake_list(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in)
{
	char sentence[160] = "";
	int r;

	if (!in->has_list_text)
		return true;
	r = resource_list_parse(in->list_text, &in->list, sentence, sizeof(sentence));
	if (r < 0) {
		intake_refuse(focus, dialog, 400, "Bad Request",
			sentence[0] ? sentence : "The resource list is malformed");
		return false;
	}
	in->has_list = true;
	r = list_reduce(&in->list, request);
	if (r == -ENOBUFS)
		intake_refuse(focus, dialog, 503, "Service Unavailable", NULL);
	else if (r < 0)
		intake_refuse(focus, dialog, 400, "Bad Request",
			"The resource list has an entry that is not an IM Address");
	return r == 0;
}

/* ---- the session ---- */

int intake_enter(struct participant **out, struct conference *c, struct dialog *dialog,
	const struct request *request, struct intake *in)
{
	struct participant *p;
	struct user *u;
	char *allow;
	/* CF-7.2.1.2-R4, CF-7.2.1.5-R5: the display name of P-Asserted-Identity, else of From
	 * (context.md 3.1, 5.5). */
	int r = user_enter(&u, c, request->asserted, request->asserted_second,
		request->asserted_uri, request->display_name);

	if (r < 0)
		return r;
	r = conference_add(&p, u);
	if (r < 0) {
		user_left(u);
		return r;
	}
	p->sdp_session = ua_now_ms();
	p->sdp_version = 1;
	allow = strndup(request->allow.at, request->allow.len); /* CF-7.2.1.2-R3, CF-7.2.1.5-R4 */
	r = allow != NULL ? refresh_read(p, request) : -ENOBUFS;
	/* CF-7.2.1.5-R6: 7.2.3.2. Who asked once stays so also when it comes again without asking:
	 * the alias is the user's while the conference lives (context.md 2.4). */
	if (r == 0 && request->privacy)
		r = conference_hide(u);
	if (r < 0) {
		free(allow);
		conference_drop(p);
		return r;
	}
	free(p->allow);
	p->allow = allow;
	p->remote = in->offer;
	p->has_remote = in->has_offer;
	in->has_offer = false;
	p->dialog = dialog; /* from here it goes with the session */
	dialog_bind(dialog, &session_dialog_ops, p);
	*out = p;
	return 0;
}

void intake_set_up(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in, enum conference_kind kind, const char *identity, struct group *group,
	int (*invite)(struct conference *conference, const struct request *request,
		const struct intake *in, struct inviter *inviter))
{
	struct conference *c = NULL;
	struct participant *initiator = NULL;
	struct inviter *inviter = NULL;
	int r = session_make(&c, focus, kind, identity, group, request);

	if (r < 0)
		goto failed;
	r = intake_enter(&initiator, c, dialog, request, in);
	if (r < 0)
		goto failed;
	dialog = NULL;
	initiator->user->creator = true;
	c->initiator = initiator;
	r = -ENOBUFS;
	inviter = inviter_new(initiator->user, request->privacy);
	if (inviter == NULL)
		goto failed;
	r = invite(c, request, in, inviter);
	if (r < 0)
		goto failed;
	initiator->waits = c->invited > 0;
	r = session_open(c);
	if (r < 0)
		goto failed;
	log_info("session", "conference made conference=%s by=%s invited=%u conferences=%u", c->uri,
		c->identity, c->invited, focus->conferences.count);
	session_feed(initiator, PARTICIPANT_EV_ASKS);
	conference_settle(c);
	goto out;
failed:
	intake_fail(focus, dialog, initiator, r);
	if (c != NULL)
		conference_free(c);
out:
	inviter_put(inviter);
}
