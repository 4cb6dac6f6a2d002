/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.5: Rejoining IM Group Session. */
#include "control/controlling/intake.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

/* CF-7.2.1.5-R1a, -R1b: 403, or what RCS clients expect (conference.gone_status). */
static void refuse_gone(struct focus *focus, struct dialog *dialog)
{
	unsigned status = (unsigned)focus->config->conference_gone_status;

	intake_refuse(focus, dialog, status, status == 404 ? "Not Found" : "Forbidden",
		"Session does not exist");
}

/* 7.2.2.9, as context.md 3.5 reads it: of an ad-hoc session who was invited or took part, and of a
 * group whom its rules let join; nobody who was expelled. */
static bool may_rejoin(const struct conference *c, const struct request *request)
{
	const struct user *u = user_find(c, request->asserted);

	if (u == NULL && request->asserted_second[0] != '\0')
		u = user_find(c, request->asserted_second);
	if (u != NULL && u->expelled)
		return false;
	if (c->kind == CONFERENCE_ADHOC)
		return u != NULL;
	return group_allows(c->group, GROUP_JOIN_HANDLING, request->asserted,
		request->asserted_second, request->privacy);
}

void rejoin_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct conference *c)
{
	struct intake in = { 0 };
	struct participant *p = NULL;
	const struct user *known;
	int r;

	if (c == NULL) {
		refuse_gone(focus, dialog); /* CF-7.2.1.5-R1 */
		return;
	}
	if (!intake_is_welcome(focus, dialog, request))
		return;
	if (!may_rejoin(c, request)) {
		/* CF-7.2.1.5-R2, -R2a, -R2b */
		intake_refuse(focus, dialog, 403, "Forbidden", "User is not authorised");
		return;
	}
	known = user_find(c, request->asserted);
	/* CF-7.2.1.5-R3, -R3a; who is in already takes no further place. */
	if (c->kind == CONFERENCE_GROUP && conference_is_full(c, 1) &&
		(known == NULL || (!user_is_connected(known) && !user_is_pending(known)))) {
		intake_refuse(focus, dialog, 486, "Busy Here", "Too many participants");
		return;
	}
	/* CF-7.2.1.5-R7, -R7a */
	if (!intake_parts(focus, dialog, request, &in) || !intake_offer(focus, dialog, &in))
		goto out;
	r = intake_enter(&p, c, dialog, request, &in);
	if (r < 0) {
		intake_fail(focus, dialog, NULL, r);
		goto out;
	}
	log_info("rejoin", "asked conference=%s number=%u", c->uri, p->number);
	session_feed(p, PARTICIPANT_EV_ASKS);
	conference_settle(c);
out:
	intake_fini(&in);
}
