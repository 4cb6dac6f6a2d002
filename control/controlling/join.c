/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.4: Joining Pre-defined IM Group Session, when the session is there; group.c makes it when
 * it is not (CF-7.2.1.4-R8). The policies of 7.2.2.9 serve 7.2.1.5 as well. */
#include "control/controlling/intake.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

static const struct user *asker_of(const struct conference *c, const struct request *request)
{
	const struct user *u = user_find(c, request->asserted);

	if (u == NULL && request->asserted_second[0] != '\0')
		u = user_find(c, request->asserted_second);
	return u;
}

/* CF-7.2.1.4-R3a: a History Function that was invoked by a user who may: one whom the group's rules
 * let join. On that word it comes in, whatever the rules say of itself. */
static bool is_invoked_history(const struct conference *c, const struct request *request)
{
	char referrer[IDENTITY_MAX];

	return c->kind == CONFERENCE_GROUP &&
	       focus_is_history(c->focus, request->asserted, request->asserted_second) &&
	       identity_canonical(request->referred_by, referrer) == 0 &&
	       group_allows(c->group, GROUP_JOIN_HANDLING, referrer, NULL, false);
}

bool join_is_allowed(const struct conference *c, const struct request *request)
{
	const struct user *u = asker_of(c, request);

	if (u != NULL && u->expelled)
		return false;
	if (c->kind == CONFERENCE_ADHOC)
		return u != NULL;
	return group_allows(c->group, GROUP_JOIN_HANDLING, request->asserted,
		       request->asserted_second, request->privacy) ||
	       is_invoked_history(c, request);
}

bool join_has_room(const struct conference *c, const struct request *request)
{
	const struct user *u = asker_of(c, request);

	/* A user who is in takes no further place. */
	return c->kind == CONFERENCE_ADHOC ||
	       (u != NULL && (user_is_connected(u) || user_is_pending(u))) ||
	       !conference_is_full(c, 1) || is_invoked_history(c, request);
}

bool join_may_hide(
	const struct focus *focus, const struct group *group, const struct request *request)
{
	if (!request->privacy)
		return true;
	if (group == NULL)
		return focus->config->conference_allow_anonymity;
	return group_allows(
		group, GROUP_ANONYMITY, request->asserted, request->asserted_second, true);
}

/* The first step of the clause that fails decides (context.md 3.3). False: refused. */
static bool join_read(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct conference *c, struct intake *in)
{
	if (!intake_is_welcome(focus, dialog, request))
		return false;
	if (!join_is_allowed(c, request)) /* CF-7.2.1.4-R2, CF-7.2.1.4-R2a, CF-7.2.1.4-R2b */
		intake_refuse(focus, dialog, 403, "Forbidden", "User is not authorised");
	else if (!join_has_room(c, request)) /* CF-7.2.1.4-R3, CF-7.2.1.4-R3b */
		intake_refuse(focus, dialog, 486, "Busy Here", "Too many participants");
	else if (!join_may_hide(focus, c->group, request)) /* CF-7.2.1.4-R6 */
		intake_refuse(focus, dialog, 403, "Forbidden", "Anonymity not allowed");
	else
		/* CF-7.2.1.4-R7, CF-7.2.1.4-R7a */
		return intake_parts(focus, dialog, request, in) && intake_offer(focus, dialog, in);
	return false;
}

void join_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct conference *c)
{
	struct intake in = { 0 };
	struct participant *p;
	int r;

	if (!join_read(focus, dialog, request, c, &in))
		goto out;
	/* CF-7.2.1.4-R4, CF-7.2.1.4-R5, CF-7.2.1.4-R6 */
	r = intake_enter(&p, c, dialog, request, &in);
	if (r < 0) {
		intake_fail(focus, dialog, NULL, r);
		goto out;
	}
	log_info("join", "asked conference=%s number=%u", c->uri, p->number);
	/* CF-7.2.1.3-R9a, CF-7.2.1.3-R9c, CF-7.2.1.4-R9, CF-7.2.1.4-R10: its leg, and then its
	 * 200 */
	session_feed(p, PARTICIPANT_EV_ASKS);
	conference_settle(c);
out:
	intake_fini(&in);
}
