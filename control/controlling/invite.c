/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.2.2: the IM Session invitation request, as context.md 3.4 completes it. */
#include "control/controlling/procedures.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/referral.h"
#include "control/sip/multipart.h"
#include "include/log.h"

/* Header parameters of a list entry that become headers of its INVITE (context.md 3.4, 6.3). */
static const char *const entry_headers[] = { "Replaces", "Session-Replaces", "Subject" };

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3261 19.1.1: %HH. Control characters that come out of it are refused by header_add. */
static void unescape(char *out, size_t size, struct span in)
{
	size_t len = 0;

	for (size_t i = 0; i < in.len && len + 1 < size; i++) {
		if (in.at[i] == '%' && i + 2 < in.len && hex(in.at[i + 1]) >= 0 &&
			hex(in.at[i + 2]) >= 0) {
			char c = (char)(hex(in.at[i + 1]) << 4 | hex(in.at[i + 2]));

			out[len++] = c == '\0' ? '\n' : c;
			i += 2;
		} else {
			out[len++] = in.at[i];
		}
	}
	out[len] = '\0';
}

/* Says whether Subject was among them. */
static bool entry_headers_add(const struct participant *p, struct header_block *block)
{
	struct span rest = span_of(p->headers);
	bool subject = false;

	while (rest.len > 0) {
		struct span value = span_cut(&rest, '&'), name = span_cut(&value, '=');
		char text[1024];

		for (unsigned i = 0; i < sizeof(entry_headers) / sizeof(entry_headers[0]); i++) {
			if (!span_eq_nocase(name, span_of(entry_headers[i])))
				continue;
			unescape(text, sizeof(text), value);
			header_add(block, entry_headers[i], "%s", text);
			subject = subject || strcmp(entry_headers[i], "Subject") == 0;
		}
	}
	return subject;
}

static void headers_fill(const struct participant *p, struct header_block *block)
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

int invite_add(struct participant **out, struct conference *c, struct inviter *inviter,
	const char *canonical, struct span uri, const char *display_name, struct span headers)
{
	struct participant *p;
	struct user *u;
	char *copy;
	int r = user_enter(&u, c, canonical, "", uri, display_name);

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
		enum participant_event next;

		p->retried = true;
		p->min_se = response->min_se;
		dialog_free(p->dialog);
		p->dialog = NULL;
		next = invite_send(p);
		if (next != PARTICIPANT_EV_NONE)
			session_feed(p, next);
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
