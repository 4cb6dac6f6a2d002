/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.2.2: the IM Session invitation request, as context.md 3.4 completes it. */
#include "control/controlling/procedures.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/referral.h"
#include "control/sip/multipart.h"
#include "include/log.h"

/* Header parameters of a list entry that become headers of its INVITE (context.md 3.4, 6.3). */
enum { ENTRY_REPLACES, ENTRY_SESSION_REPLACES, ENTRY_SUBJECT, ENTRY_HEADERS };
static const char *const entry_headers[ENTRY_HEADERS] = {
	[ENTRY_REPLACES] = "Replaces",
	[ENTRY_SESSION_REPLACES] = "Session-Replaces",
	[ENTRY_SUBJECT] = "Subject",
};
#define ENTRY_VALUE_MAX 1024

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3261 19.1.1: %HH. False: malformed, too long, or with a control character, so that nothing
 * that stands in a list can begin a header line. */
static bool unescape(char *out, size_t size, struct span in)
{
	size_t len = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.at[i];

		if (c == '%') {
			if (i + 2 >= in.len || hex(in.at[i + 1]) < 0 || hex(in.at[i + 2]) < 0)
				return false;
			c = (unsigned char)(hex(in.at[i + 1]) << 4 | hex(in.at[i + 2]));
			i += 2;
		}
		if (c < ' ' || c == 0x7f || len + 1 >= size)
			return false;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return true;
}

static bool all_of(struct span text, const char *allowed)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    strchr(allowed, c) != NULL) ||
			c == '\0')
			return false;
	}
	return text.len > 0;
}

#define TOKEN "-.!%*_+`'~" /* RFC 3261 25.1, beside letters and digits */
#define WORD  TOKEN "()<>:\\\"/[]?{}"

/* RFC 3891 6.1: a Call-ID, then to-tag, from-tag and others, each once. */
static bool is_replaces(struct span value)
{
	struct span call_id = span_trim(span_cut(&value, ';'));
	bool to = false, from = false;

	if (!all_of(call_id, WORD "@") || (memchr(call_id.at, '@', call_id.len) != NULL &&
						  memchr(call_id.at, '@', call_id.len) !=
							  memrchr(call_id.at, '@', call_id.len)))
		return false;
	while (value.len > 0) {
		struct span text = span_trim(span_cut(&value, ';')), name;
		bool valued = memchr(text.at, '=', text.len) != NULL;

		name = span_trim(span_cut(&text, '='));
		if (!all_of(name, TOKEN) || (valued && !all_of(span_trim(text), TOKEN)))
			return false;
		if (span_eq_nocase(name, SPAN_LITERAL("to-tag"))) {
			if (to || !valued)
				return false;
			to = true;
		} else if (span_eq_nocase(name, SPAN_LITERAL("from-tag"))) {
			if (from || !valued)
				return false;
			from = true;
		}
	}
	return to && from;
}

static unsigned entry_header_of(struct span name)
{
	unsigned i = 0;

	while (i < ENTRY_HEADERS && !span_eq_nocase(name, span_of(entry_headers[i])))
		i++;
	return i;
}

bool invite_replaces(struct span headers)
{
	while (headers.len > 0) {
		struct span value = span_cut(&headers, '&'), name = span_cut(&value, '=');

		if (entry_header_of(name) == ENTRY_REPLACES)
			return true;
	}
	return false;
}

/* Those that the entry has, each once. Says whether Subject was among them. */
static bool entry_headers_add(struct participant *p, struct header_block *block)
{
	struct span rest = span_of(p->headers);
	bool added[ENTRY_HEADERS + 1] = { false };
	char text[ENTRY_VALUE_MAX];

	p->replaces = false;
	while (rest.len > 0) {
		struct span value = span_cut(&rest, '&'), name = span_cut(&value, '=');
		unsigned which = entry_header_of(name);

		if (which == ENTRY_HEADERS || added[which] ||
			!unescape(text, sizeof(text), value) || text[0] == '\0')
			continue;
		/* Appendix L: the other side ends the old dialog; one that is not there is left
		 * out at the second attempt. */
		if (which == ENTRY_REPLACES && (p->unreplaced || !is_replaces(span_of(text))))
			continue;
		header_add(block, entry_headers[which], "%s", text);
		added[which] = true;
	}
	p->replaces = added[ENTRY_REPLACES];
	return added[ENTRY_SUBJECT];
}

static void headers_fill(struct participant *p, struct header_block *block)
{
	const struct conference *c = p->conference;
	const struct config *config = c->focus->config;
	const struct inviter *inviter = p->inviter;
	uint32_t seconds = (uint32_t)(config->sip_session_expires_ms / 1000);
	uint32_t min_se = (uint32_t)(config->sip_min_se_ms / 1000);

	header_init(block);
	if (ua_peer_is_trusted(c->focus->ua, p->user->uri))
		header_add(block, "P-Asserted-Identity", "%s", inviter->asserted);
	if (inviter->anonymous)
		header_add(block, "Privacy", "id");
	else
		header_add(block, "Referred-By", "%s", inviter->asserted);
	header_add(block, "Accept-Contact", "*;+g.oma.sip-im;require;explicit");
	if (p->min_se > min_se)
		min_se = p->min_se;
	header_add(
		block, "Session-Expires", "%u;refresher=uas", seconds > min_se ? seconds : min_se);
	header_add(block, "Min-SE", "%u", min_se);
	if (!entry_headers_add(p, block) && c->subject[0] != '\0')
		header_add(block, "Subject", "%s", c->subject);
	if (c->contribution_id[0] != '\0')
		header_add(block, "Contribution-ID", "%s", c->contribution_id);
}

/* RFC 3261 19.1.1: method stands in a Refer-To or list, not in a Request-URI or To. */
static size_t method_drop(char *out, struct span uri)
{
	const char *at = memrchr(uri.at, '@', uri.len);
	struct span rest = uri, part;
	size_t len = 0;

	if (at != NULL) {
		len = (size_t)(at - uri.at);
		memcpy(out, uri.at, len);
		rest = span_make(at, uri.len - len);
	}
	for (bool first = true; rest.len > 0; first = false) {
		part = span_cut(&rest, ';');
		if (!first && (span_eq_nocase(part, SPAN_LITERAL("method")) ||
				      (part.len > 7 && strncasecmp(part.at, "method=", 7) == 0)))
			continue;
		if (!first)
			out[len++] = ';';
		memcpy(out + len, part.at, part.len);
		len += part.len;
	}
	return len;
}

int invite_add(struct participant **out, struct conference *c, struct inviter *inviter,
	const char *canonical, struct span uri, const char *display_name, struct span headers)
{
	struct participant *p;
	struct user *u;
	char *copy = malloc(uri.len + 1);
	int r;

	if (copy == NULL)
		return -ENOBUFS;
	uri.len = method_drop(copy, uri);
	uri.at = copy;
	r = user_enter(&u, c, canonical, "", uri, display_name);
	free(copy);
	if (r < 0)
		return r;
	r = conference_add(&p, u);
	if (r < 0) {
		user_left(u);
		return r;
	}
	copy = strndup(headers.at, headers.len);
	if (copy == NULL) {
		conference_drop(p);
		return -ENOBUFS;
	}
	free(p->headers);
	p->headers = copy;
	p->inviter = inviter_get(inviter);
	p->dialed_out = true;
	if (c->waiting == NULL)
		c->waiting = p;
	*out = p;
	return 0;
}

enum participant_event invite_send(struct participant *p)
{
	struct conference *c = p->conference;
	struct header_block extra;
	struct dialog_message message = { .contact = c->uri, .extra = &extra };
	struct multipart_part parts[2] = { 0 };
	char from[CONFERENCE_URI_MAX + 300], type[128], *sdp, *mixed = NULL;
	size_t len;
	int r = -ENOBUFS;

	if (p->sdp_version == 0) {
		p->sdp_session = ua_now_ms();
		p->sdp_version = 1;
	}
	headers_fill(p, &extra);
	header_name_addr(from, sizeof(from), "", c->identity);
	sdp = session_sdp(p, false);
	if (sdp == NULL)
		goto out;
	message.content_type = "application/sdp";
	message.body = sdp;
	if (c->history != NULL && p->from_setup) { /* RFC 5366 */
		parts[0].type = SPAN_LITERAL("application/sdp");
		parts[0].body = span_of(sdp);
		parts[1].type = SPAN_LITERAL("application/resource-lists+xml");
		parts[1].disposition = SPAN_LITERAL("recipient-list-history;handling=optional");
		parts[1].body = span_of(c->history);
		mixed = multipart_write(parts, 2, type, &len);
		if (mixed == NULL)
			goto out;
		message.content_type = type;
		message.body = mixed;
	}
	r = dialog_invite(
		c->focus->ua, &p->dialog, from, p->user->uri, &message, &session_dialog_ops, p);
out:
	free(sdp);
	free(mixed);
	if (r == 0)
		return PARTICIPANT_EV_NONE;
	p->dialog = NULL;
	p->status = r == -ENOENT ? 480 : 503; /* context.md 3.2: member not registered */
	log_debug("invite", "not sent conference=%s number=%u status=%u", c->uri, p->number,
		p->status);
	return PARTICIPANT_EV_FAILURE;
}

/* The 200 of an invited one: does its SDP answer our offer? */
static bool answer_take(struct participant *p, const struct response *response)
{
	const char *why = NULL;

	if (sdp_media_parse(response->body, false, &p->remote, &why) < 0) {
		log_info("invite", "answer not acceptable conference=%s number=%u why=\"%s\"",
			p->conference->uri, p->number, why ? why : "");
		return false;
	}
	why = session_place_fault(p->conference->focus, &p->remote, true);
	if (why != NULL) {
		log_info("invite", "not reached conference=%s number=%u why=\"%s\"",
			p->conference->uri, p->number, why);
		sdp_media_fini(&p->remote);
		return false;
	}
	p->has_remote = true;
	if (response->allow.len > 0) {
		char *allow = strndup(response->allow.at, response->allow.len);

		if (allow != NULL) {
			free(p->allow);
			p->allow = allow;
		}
	}
	if (response->session_expires > 0) {
		p->session_expires = response->session_expires;
		p->refresher_is_us = response->refresher == REFRESHER_UAC;
	}
	return true;
}

static void invite_again(struct participant *p)
{
	enum participant_event next;

	dialog_free(p->dialog);
	p->dialog = NULL;
	next = invite_send(p);
	if (next != PARTICIPANT_EV_NONE)
		session_feed(p, next);
}

void invite_answered(struct participant *p, const struct response *response)
{
	struct conference *c = p->conference;
	struct participant *initiator = c->initiator;
	unsigned min_se = (unsigned)(c->focus->config->sip_min_se_ms / 1000);

	if (response->status < 200) {
		if (response->status < 180 || p->state != PARTICIPANT_INVITED)
			return;
		p->progressed = true;
		session_feed(p, PARTICIPANT_EV_PROGRESS);
		if (initiator != NULL && initiator->state == PARTICIPANT_JOINING)
			session_feed(initiator, PARTICIPANT_EV_PROGRESS);
		return;
	}
	if (response->status < 300) {
		if (answer_take(p, response)) {
			session_feed(p, PARTICIPANT_EV_OK);
			return;
		}
		dialog_bye(p->dialog, "SIP;cause=488;text=\"SDP not acceptable\"");
		p->status = 488;
		session_feed(p, PARTICIPANT_EV_FAILURE);
		return;
	}
	/* RFC 4028 7.3: once more with the interval that the other side asks for. */
	if (response->status == 422 && response->min_se > min_se && !p->retried &&
		p->state == PARTICIPANT_INVITED) {
		p->retried = true;
		p->min_se = response->min_se;
		invite_again(p);
		return;
	}
	/* context.md 3.9: what is to be replaced is not there (RFC 3891 3): once more without. */
	if (response->status == 481 && p->replaces && p->state == PARTICIPANT_INVITED) {
		p->unreplaced = true;
		invite_again(p);
		return;
	}
	p->status = response->status;
	referral_tell(p, response->status, response->warning); /* CF-7.2.1.7-FR1 */
	session_feed(p, PARTICIPANT_EV_FAILURE);
}

enum participant_event invite_join(struct participant *p)
{
	struct conference *c = p->conference;
	int r = session_leg_update(p, true, false);

	if (r == 0)
		r = conference_member_add(p);
	if (r < 0) {
		log_warning("invite", "not joined conference=%s number=%u result=\"%s\"", c->uri,
			p->number, result_text(r));
		p->reason = "SIP;cause=503;text=\"No resources\"";
		return PARTICIPANT_EV_REMOVE;
	}
	refresh_start(p);
	log_info("invite", "connected conference=%s number=%u connected=%u", c->uri, p->number,
		c->in_state[PARTICIPANT_CONNECTED]);
	return PARTICIPANT_EV_NONE;
}

/* CF-7.2.1.2-FR1a, CF-7.2.1.3-FR1a: the lowest */
enum participant_event invite_count_failure(struct participant *p)
{
	struct conference *c = p->conference;

	c->lowest_status = policy_lowest(c->lowest_status, p->status);
	p->departure = p->status == 486 ? ENDPOINT_LEFT_BUSY : ENDPOINT_LEFT_FAILED;
	log_info(
		"invite", "failed conference=%s number=%u status=%u", c->uri, p->number, p->status);
	return PARTICIPANT_EV_NONE;
}

enum participant_event invite_withdraw(struct participant *p)
{
	p->departure = ENDPOINT_LEFT_FAILED;
	if (p->dialog != NULL)
		dialog_cancel(p->dialog);
	return PARTICIPANT_EV_NONE;
}
