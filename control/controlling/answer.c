/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.1: what the 200 to an initial INVITE carries, and what it is answered instead.
 * CF-7.2.1.1-OK1: what RFC 3261 asks of it, Allow (CF-7.2.1.1-OK2), Server (CF-7.2.1.1-OK6) and the
 * tags of Contact (CF-7.2.1.1-OK5) are the dialog's doing, as in every message of ours. */
#include "control/controlling/procedures.h"
#include <stdlib.h>
#include "include/log.h"

enum participant_event answer_send(struct participant *p)
{
	struct conference *c = p->conference;
	struct header_block extra;
	struct dialog_message message = {
		.contact = c->uri, /* CF-7.2.1.1-OK5 */
		.extra = &extra,
		.content_type = "application/sdp",
	};
	/* CF-7.2.1.2-OK2, CF-7.2.1.3-R9b, CF-7.2.1.3-OK2, CF-7.2.1.4-R9a, CF-7.2.1.5-R9.
	 * RFC 3261 13.3.1.4: an INVITE without an offer gets ours; the leg waits for the ACK. */
	char *sdp = session_sdp(p, p->has_remote);
	int r = 0;

	if (sdp == NULL)
		return PARTICIPANT_EV_REMOVE;
	header_init(&extra);
	refresh_headers(p, &extra); /* CF-7.2.1.1-OK3a */
	/* CF-7.2.1.1-OK4, CF-7.2.1.1-OK4a, CF-7.2.1.1-OK4b */
	header_add(&extra, "P-Asserted-Identity", "<%s>", c->identity);
	message.body = sdp;
	if (p->has_remote)
		r = session_leg_update(p, false, false);
	p->offered = !p->has_remote;
	if (p == c->initiator && !c->set_up) {
		c->set_up = true;
		keep_conference(c);
	}
	refresh_start(p); /* CF-7.2.1.1-OK3b */
	if (r == 0)
		/* CF-7.2.1.2-OK3, CF-7.2.1.3-OK3, CF-7.2.1.5-R10 */
		r = dialog_answer(p->dialog, &message);
	free(sdp);
	if (r == 0 && p->has_remote)
		/* CF-7.2.1.2-OK4, CF-7.2.1.3-R9d, CF-7.2.1.3-OK4, CF-7.2.1.5-R11 */
		r = conference_member_add(p);
	if (r < 0) {
		log_warning("answer", "not admitted conference=%s result=\"%s\"", c->uri,
			result_text(r));
		p->reason = "SIP;cause=503;text=\"No resources\"";
		return PARTICIPANT_EV_REMOVE;
	}
	session_idle_start(c);
	log_info("answer", "connected conference=%s number=%u connected=%u", c->uri, p->number,
		c->in_state[PARTICIPANT_CONNECTED]);
	return PARTICIPANT_EV_NONE;
}

enum participant_event answer_enter(struct participant *p)
{
	return p->waits ? PARTICIPANT_EV_NONE : PARTICIPANT_EV_ADMIT;
}

/* 180 to the initiator on the first 18x of an invited one (context.md 3.3). */
enum participant_event answer_ring(struct participant *p)
{
	struct conference *c = p->conference;

	if (!c->rung)
		dialog_ring(p->dialog, c->uri);
	c->rung = true;
	return PARTICIPANT_EV_NONE;
}

/* CF-7.2.1.2-FR1, CF-7.2.1.3-FR1 */
enum participant_event answer_reject(struct participant *p)
{
	struct focus *focus = p->conference->focus;
	struct header_block extra;
	struct dialog_message message = { .extra = &extra };
	unsigned status = p->status ? p->status : 503;

	header_init(&extra);
	if (status == 503)
		header_add(&extra, "Retry-After", "%d", FOCUS_RETRY_AFTER_S);
	dialog_refuse(p->dialog, status, NULL, &message);
	log_info("answer", "refused conference=%s status=%u dialogs=%u", p->conference->uri, status,
		ua_dialogs(focus->ua));
	return PARTICIPANT_EV_NONE;
}
