/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.5: Rejoining IM Group Session. */
#include "control/controlling/intake.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

/* CF-7.2.1.5-R1a, CF-7.2.1.5-R1b: 403, or what RCS clients expect (conference.gone_status). */
static void refuse_gone(struct focus *focus, struct dialog *dialog)
{
	unsigned status = (unsigned)focus->config->conference_gone_status;

	intake_refuse(focus, dialog, status, status == 404 ? "Not Found" : "Forbidden",
		"Session does not exist");
}

void rejoin_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct conference *c)
{
	struct intake in = { 0 };
	struct participant *p = NULL;
	int r;

	if (c == NULL || c->closed) {
		refuse_gone(focus, dialog); /* CF-7.2.1.5-R1 */
		return;
	}
	if (!intake_is_welcome(focus, dialog, request))
		return;
	if (!join_is_allowed(c, request)) {
		/* CF-7.2.1.5-R2, CF-7.2.1.5-R2a, CF-7.2.1.5-R2b: 7.2.2.9 */
		intake_refuse(focus, dialog, 403, "Forbidden", "User is not authorised");
		return;
	}
	if (!join_has_room(c, request)) { /* CF-7.2.1.5-R3, CF-7.2.1.5-R3a */
		intake_refuse(focus, dialog, 486, "Busy Here", "Too many participants");
		return;
	}
	if (!join_may_hide(focus, c->group, request)) { /* CF-7.2.1.5-R6 */
		intake_refuse(focus, dialog, 403, "Forbidden", "Anonymity not allowed");
		return;
	}
	/* CF-7.2.1.5-R7, CF-7.2.1.5-R7a */
	if (!intake_parts(focus, dialog, request, &in) || !intake_offer(focus, dialog, &in))
		goto out;
	/* CF-7.2.1.5-R4, CF-7.2.1.5-R5, CF-7.2.1.5-R6 */
	r = intake_enter(&p, c, dialog, request, &in);
	if (r < 0) {
		intake_fail(focus, dialog, NULL, r);
		goto out;
	}
	log_info("rejoin", "asked conference=%s number=%u", c->uri, p->number);
	/* Its leg, and then its 200 (answer.c): CF-7.2.1.5-R8, CF-7.2.1.5-R9, CF-7.2.1.5-R9a,
	 * CF-7.2.1.5-R10, CF-7.2.1.5-R11. What stands of an earlier session of the same user goes
	 * by its own BYE, its lost connection or its session timer. */
	session_feed(p, PARTICIPANT_EV_ASKS);
	conference_settle(c);
out:
	intake_fini(&in);
}
