/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/controlling/refer.h"
#include <stdlib.h>
#include "control/conference/referral.h"
#include "control/controlling/procedures.h"
#include "control/sip/multipart.h"
#include "include/log.h"

#define TYPE_LIST   "application/resource-lists+xml"
#define SPARE_S     60u /* a subscription outlives the wait for an answer to the invitations */
#define BAD_TARGET  "Refer-To has a URI that is not an IM Address"
#define BAD_METHOD  "Refer-To has a method that is neither INVITE nor BYE"
#define NOT_THERE   "Session does not exist"
#define NOT_ALLOWED "User is not authorised"

static void refuse(
	struct focus *focus, struct ua_transaction *t, unsigned status, const char *warning)
{
	struct header_block extra;

	header_init(&extra);
	if (warning != NULL) /* CF-7.2.1.7-R1b, CF-7.2.1.8-R1b, CF-7.2.1.8-R2b-iw */
		header_add_warning(&extra, focus->config->sip_domain, warning);
	if (status == 503)
		header_add(&extra, "Retry-After", "%d", FOCUS_RETRY_AFTER_S);
	if (status == 415)
		header_add(&extra, "Accept", TYPE_LIST ", multipart/mixed");
	ua_respond(t, status, ua_phrase(status), &extra, NULL, NULL);
	log_debug("refer", "refused status=%u why=\"%s\"", status, warning ? warning : "");
}

/* ---- whom it is about ---- */

/* -EPROTO: a method that is not served; else as refer_to_parse. */
static int target_read(struct refer_target *target, struct span text)
{
	int r = refer_to_parse(text, &target->to);

	if (r == 0 && target->to.method == REFER_TO_OTHER) {
		refer_to_fini(&target->to);
		return -EPROTO;
	}
	return r;
}

static void target_fini(struct refer_target *target)
{
	refer_to_fini(&target->to);
	free(target->headers);
	free(target->display_name);
	*target = (struct refer_target){ 0 };
}

static void targets_free(struct refer *refer)
{
	HASH_CLEAR(hh, refer->seen);
	for (unsigned i = 0; i < refer->count; i++)
		target_fini(&refer->targets[i]);
	free(refer->targets);
	inviter_put(refer->inviter);
}

/* The target that was read into the next place stays, unless it was named before. */
static void target_keep(struct refer *refer)
{
	struct refer_target *target = &refer->targets[refer->count], *before;

	HASH_FIND_STR(refer->seen, target->to.canonical, before);
	if (before != NULL) {
		target_fini(target);
		return;
	}
	HASH_ADD_STR(refer->seen, to.canonical, target);
	refer->count++;
}

static bool refuse_target(struct refer *refer, struct ua_transaction *t, int result)
{
	if (result == -ENOBUFS)
		refuse(refer->focus, t, 503, NULL);
	else
		refuse(refer->focus, t, 400, result == -EPROTO ? BAD_METHOD : BAD_TARGET);
	return false;
}

/* CF-7.2.1.7-R3a */
static bool single_read(struct refer *refer, struct ua_transaction *t, struct span refer_to)
{
	int r = -ENOBUFS;

	refer->targets = calloc(1, sizeof(*refer->targets));
	if (refer->targets != NULL) {
		struct refer_target *target = &refer->targets[0];

		r = target_read(target, refer_to);
		if (r == 0) {
			target->headers = strdup(target->to.headers);
			target->display_name = strdup("");
			if (target->headers == NULL || target->display_name == NULL)
				r = -ENOBUFS;
		}
		refer->count = 1;
	}
	return r == 0 ? true : refuse_target(refer, t, r);
}

/* The part that "cid:..." names; a body that is no multipart is the list itself. False:
 * answered. */
static bool list_find(
	struct refer *refer, struct ua_transaction *t, struct span cid, struct span *out)
{
	const struct request *request = refer->request;
	struct multipart_part parts[MULTIPART_PARTS_MAX];
	int count = 0;

	if (request->body.len > 0)
		count = multipart_parse(request->content_type, request->body, parts);
	for (int i = 0; i < count; i++) {
		struct span type = parts[i].type;

		if (count > 1 && !span_eq(parts[i].content_id, cid))
			continue;
		if (!span_eq_nocase(span_trim(span_cut(&type, ';')), SPAN_LITERAL(TYPE_LIST))) {
			refuse(refer->focus, t, 415, NULL);
			return false;
		}
		*out = parts[i].body;
		return true;
	}
	refuse(refer->focus, t, 400,
		count < 0 ? "The multipart body is malformed"
			  : "Refer-To names no part of the body");
	return false;
}

/* CF-7.2.1.7-R3b; RFC 5368 */
static bool list_read(struct refer *refer, struct ua_transaction *t, struct span cid)
{
	struct resource_list list;
	char sentence[160] = "";
	struct span body;
	bool good = false;
	int r;

	if (!list_find(refer, t, cid, &body))
		return false;
	if (resource_list_parse(body, &list, sentence, sizeof(sentence)) < 0) {
		refuse(refer->focus, t, 400,
			sentence[0] ? sentence : "The resource list is malformed");
		return false;
	}
	if (list.count == 0) {
		refuse(refer->focus, t, 400, "The resource list names nobody");
		goto out;
	}
	if (list.count > conference_maximum(refer->conference)) { /* context.md 3.6 */
		refuse(refer->focus, t, 486, "Too many participants");
		goto out;
	}
	refer->targets = calloc(list.count, sizeof(*refer->targets));
	if (refer->targets == NULL) {
		refuse(refer->focus, t, 503, NULL);
		goto out;
	}
	for (unsigned i = 0; i < list.count; i++) {
		struct refer_target *target = &refer->targets[refer->count];
		struct resource_entry *entry = &list.entries[i];

		r = target_read(target, span_of(entry->uri));
		if (r < 0) {
			refuse_target(refer, t, r);
			goto out;
		}
		target->headers = entry->headers;
		target->display_name = entry->display_name;
		target->anonymize = entry->anonymize;
		entry->headers = entry->display_name = NULL;
		target_keep(refer);
	}
	good = true;
out:
	resource_list_fini(&list);
	return good;
}

/* CF-7.2.1.7-R3 */
static bool targets_read(struct refer *refer, struct ua_transaction *t)
{
	struct span rest = refer->request->refer_to, scheme = span_cut(&rest, ':');

	if (span_eq_nocase(scheme, SPAN_LITERAL("cid")))
		return list_read(refer, t, rest);
	if (refer->request->multiple_refer) {
		refuse(refer->focus, t, 400, "Refer-To names no part of the body");
		return false;
	}
	return single_read(refer, t, refer->request->refer_to);
}

/* ---- who asks, and where ---- */

/* What the URI is of: a Session Identity, or the Group Identity of an active session. NULL:
 * none. */
static struct conference *conference_of(struct focus *focus, struct span uri)
{
	struct conference *c;
	char canonical[IDENTITY_MAX];

	if (identity_canonical(uri, canonical) < 0)
		return NULL;
	c = conference_find(&focus->conferences, canonical);
	return c != NULL ? c : conference_find_group(&focus->conferences, canonical);
}

/* CF-7.2.1.7-R1, CF-7.2.1.8-R1: the Authenticated Originator's IM Address; in an IMS what the core
 * asserts (CF-7.2.1.7-IMS, CF-7.2.1.8-IMS). Within a dialog a request without one, from a trusted
 * source, is of the dialog's user. */
static bool is_known(const struct request *request, const struct participant *p)
{
	const struct user *u = p != NULL ? p->user : NULL;

	if (u == NULL || request->authenticated)
		return request->authenticated &&
		       (u == NULL || user_find(p->conference, request->asserted) == u ||
			       (request->asserted_second[0] != '\0' &&
				       user_find(p->conference, request->asserted_second) == u));
	return request->trusted;
}

/* A REFER with method=BYE whose Refer-To is an identity of a session is about that session,
 * whatever its Request-URI (7.2.1.8, step 2). */
static bool names_session(const struct request *request, const char *domain)
{
	struct refer_target target = { 0 };
	bool does = target_read(&target, request->refer_to) == 0 &&
		    target.to.method == REFER_TO_BYE &&
		    conference_is_identity(span_of(target.to.uri), domain);

	refer_to_fini(&target.to);
	return does;
}

/* A group whose session is not active has no participants, so nobody may ask. */
static bool is_group(struct focus *focus, struct span uri)
{
	char canonical[IDENTITY_MAX];

	return identity_canonical(uri, canonical) == 0 &&
	       groups_find(focus->groups, canonical) != NULL;
}

/* False: answered. */
static bool place_find(struct refer *refer, struct ua_transaction *t, struct participant *p)
{
	struct focus *focus = refer->focus;
	const struct request *request = refer->request;
	const char *domain = focus->config->sip_domain;
	struct conference *c;
	bool session = names_session(request, domain);

	if (session) {
		struct span rest = request->refer_to;

		c = conference_of(focus, span_cut(&rest, ';'));
	} else {
		c = p != NULL ? p->conference : conference_of(focus, request->uri);
	}
	if (c == NULL) {
		if (session) /* CF-7.2.1.8-R2, CF-7.2.1.8-R2b-i */
			refuse(focus, t, 403, NOT_THERE);
		else if (conference_is_identity(request->uri, domain))
			refuse(focus, t, (unsigned)focus->config->conference_gone_status,
				NOT_THERE);
		else if (is_group(focus, request->uri))
			refuse(focus, t, 403, NOT_ALLOWED);
		else
			refuse(focus, t, 404, "Conference URI does not exist");
		return false;
	}
	refer->conference = c;
	refer->referrer = p != NULL ? p->user : user_find(c, request->asserted);
	if (refer->referrer == NULL && request->asserted_second[0] != '\0')
		refer->referrer = user_find(c, request->asserted_second);
	if (p != NULL && refer->referrer->conference != c)
		refer->referrer = user_find(c, p->user->canonical);
	/* CF-7.2.1.7-R1a, CF-7.2.1.8-R1a, CF-7.2.1.8-R2b-i: who takes part may ask. */
	if (refer->referrer == NULL || !user_is_connected(refer->referrer)) {
		refuse(focus, t, 403, NOT_ALLOWED);
		return false;
	}
	return true;
}

/* ---- the verdicts ---- */

/* False: answered. */
static bool judged(struct refer *refer, struct ua_transaction *t)
{
	unsigned refused = 0;

	refer->may_add = add_is_allowed(refer);
	refer->may_expel = expel_is_allowed(refer);
	for (unsigned i = 0; i < refer->count; i++) {
		struct refer_target *target = &refer->targets[i];

		if (target->to.method == REFER_TO_BYE)
			expel_judge(refer, target);
		else
			add_judge(refer, target);
		refused += target->verdict == REFER_REFUSED;
	}
	if (refused == refer->count) { /* CF-7.2.1.7-R1a, CF-7.2.1.8-R1a */
		refuse(refer->focus, t, 403, NOT_ALLOWED);
		return false;
	}
	/* CF-7.2.1.7-R4, CF-7.2.1.7-R4a */
	if (refer->adding > 0 && conference_is_full(refer->conference, refer->adding)) {
		refuse(refer->focus, t, 486, "Too many participants");
		return false;
	}
	if (refer->adding > 0 && (refer->focus->stopping || refer->focus->draining)) {
		refuse(refer->focus, t, 503, NULL);
		return false;
	}
	return true;
}

/* 7.2.2.3: privacy has to be allowed; and who is asked to take over a dialog is told by whom
 * (context.md 3.9). */
static bool privacy_allowed(const struct refer *refer)
{
	const struct conference *c = refer->conference;
	const struct user *u = refer->referrer;
	bool adds = false;

	if (!refer->privacy)
		return true;
	for (unsigned i = 0; i < refer->count; i++) {
		const struct refer_target *target = &refer->targets[i];

		adds = adds || target->to.method == REFER_TO_INVITE;
		if (target->to.method == REFER_TO_INVITE &&
			invite_replaces(span_of(target->headers)))
			return false;
	}
	if (!adds || u->alias != NULL)
		return true;
	if (c->kind == CONFERENCE_ADHOC)
		return c->focus->config->conference_allow_anonymity;
	return group_allows(c->group, GROUP_ANONYMITY, u->canonical, u->canonical_second, true);
}

/* Answers. told: a place for each target, NULL where nobody is to hear. */
static int referral_make(
	struct refer *refer, struct ua_transaction *t, struct referral_target ***told)
{
	struct focus *focus = refer->focus;
	uint32_t seconds = (uint32_t)(focus->config->sip_invite_wait_ms / 1000) + SPARE_S;
	struct referral *referral = NULL;
	int r = referral_new(&referral, &focus->referrals, refer->count, focus->config->sip_domain);

	*told = calloc(refer->count, sizeof(**told));
	for (unsigned i = 0; r == 0 && i < refer->count; i++) {
		if (*told == NULL || ((*told)[i] = referral_target_new(
					      referral, refer->targets[i].to.uri)) == NULL)
			r = -ENOBUFS;
	}
	if (r < 0)
		refuse(focus, t, 503, NULL);
	else
		r = referral_accept(referral, t, refer->request, refer->conference->uri, seconds);
	if (referral != NULL && (r < 0 || refer->request->refer_sub == REFER_SUB_FALSE)) {
		referral_free(referral);
		/* Nobody hears of the outcomes. */
		if (*told != NULL)
			memset(*told, 0, refer->count * sizeof(**told));
	}
	return r;
}

void refer_received(struct focus *focus, struct ua_transaction *t, const struct request *request,
	struct participant *p)
{
	struct refer refer = { .focus = focus, .request = request };
	struct referral_target **told = NULL;
	struct conference *c;

	if (!is_known(request, p)) {
		refuse(focus, t, 403, "Originator not authenticated");
		return;
	}
	if (request->refer_to.len == 0 || request->refer_to_repeated) { /* RFC 3515 2.1 */
		refuse(focus, t, 400, "Exactly one Refer-To is needed");
		return;
	}
	if (!place_find(&refer, t, p) || !targets_read(&refer, t))
		goto out;
	/* Who is known to the others by an alias stays so also to whom it invites. */
	refer.privacy = request->privacy || refer.referrer->alias != NULL;
	if (!privacy_allowed(&refer)) {
		refuse(focus, t, 403, "Anonymity not allowed");
		goto out;
	}
	if (!judged(&refer, t) || referral_make(&refer, t, &told) < 0)
		goto out;
	c = refer.conference;
	log_info("refer", "accepted conference=%s targets=%u adding=%u", c->uri, refer.count,
		refer.adding);
	for (unsigned i = 0; i < refer.count; i++) {
		struct refer_target *target = &refer.targets[i];

		if (target->verdict == REFER_REFUSED) /* CF-7.2.1.7-R9 */
			referral_outcome(told[i], 403, span_make("", 0));
		else if (target->verdict == REFER_SO)
			referral_outcome(told[i], 200, span_make("", 0));
		else if (target->to.method == REFER_TO_BYE)
			expel_do(&refer, target, told[i]);
		else
			add_do(&refer, target, told[i]);
	}
	if (refer.adding > 0 && session_wait(c) < 0)
		log_warning("refer", "wait not supervised, no memory conference=%s", c->uri);
	conference_settle(c); /* CF-7.2.1.8-R2a-vi */
out:
	targets_free(&refer);
	free(told);
}
