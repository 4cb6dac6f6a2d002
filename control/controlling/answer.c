/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.1: what the 200 to an initial INVITE carries. Allow (OK2), Server (OK6) and the tags of
 * Contact (OK5) are the dialog's doing, as in every message of ours. */
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
	char *sdp = session_sdp(p, true);
	int r;

	if (sdp == NULL)
		return PARTICIPANT_EV_REMOVE;
	header_init(&extra);
	refresh_headers(p, &extra);                                    /* CF-7.2.1.1-OK3a */
	header_add(&extra, "P-Asserted-Identity", "<%s>", c->factory); /* CF-7.2.1.1-OK4a */
	message.body = sdp;
	r = session_leg_update(p, false, false);
	if (r == 0)
		r = dialog_answer(p->dialog, &message);
	free(sdp);
	if (r == 0)
		r = conference_member_add(p); /* CF-7.2.1.2-OK4 */
	if (r < 0) {
		log_warning("answer", "inviter not admitted conference=%s result=\"%s\"", c->uri,
			result_text(r));
		p->reason = "SIP;cause=503;text=\"No resources\"";
		return PARTICIPANT_EV_REMOVE;
	}
	c->answered = true;
	session_idle_start(c);
	refresh_start(p); /* CF-7.2.1.1-OK3b */
	log_info("answer", "inviter connected conference=%s number=%u", c->uri, p->number);
	return PARTICIPANT_EV_NONE;
}
