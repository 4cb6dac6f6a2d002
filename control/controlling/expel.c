/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.8: REFER with method=BYE. Refer-To names the one who is to go (S4 7.1.1.14), or the
 * session, which the referrer then leaves (context.md 3.6). */
#include "control/conference/referral.h"
#include "control/controlling/procedures.h"
#include "control/controlling/refer.h"
#include "include/log.h"

#define REASON_REMOVED "SIP;cause=403;text=\"Removed\"" /* context.md 3.5 */

/* The one who made the session; once that one has left, who has been there longest. */
static bool is_first(const struct conference *c, const struct user *u)
{
	const struct user *other;

	if (u->creator)
		return true;
	TAILQ_FOREACH(other, &c->roster, link)
	{
		if (!user_is_connected(other) || other->hidden)
			continue;
		if (other->creator || other->joined < u->joined)
			return false;
	}
	return true;
}

bool expel_is_allowed(const struct refer *refer)
{
	const struct conference *c = refer->conference;
	const struct user *u = refer->referrer;

	return c->kind == CONFERENCE_ADHOC ? is_first(c, u)
					   : group_allows(c->group, GROUP_EXPELLING, u->canonical,
						     u->canonical_second, refer->privacy);
}

static bool is_conference(const struct conference *c, const struct refer_target *target)
{
	char canonical[IDENTITY_MAX];

	return (identity_canonical(span_of(c->uri), canonical) == 0 &&
		       strcmp(target->to.canonical, canonical) == 0) ||
	       (c->group_canonical != NULL &&
		       strcmp(target->to.canonical, c->group_canonical) == 0);
}

/* Who takes part or is asked to. One with an alias is known to others by nothing else, so that
 * nobody can try who it is. */
static struct user *participant_named(const struct refer *refer, const struct refer_target *target)
{
	struct user *u = user_find(refer->conference, target->to.canonical);

	if (u == NULL || (!user_is_connected(u) && !user_is_pending(u)))
		return NULL;
	if (u->alias != NULL && u != refer->referrer && strcmp(u->alias, target->to.canonical) != 0)
		return NULL;
	return u;
}

void expel_judge(struct refer *refer, struct refer_target *target)
{
	/* CF-7.2.1.8-R2 */
	target->user = is_conference(refer->conference, target) ? refer->referrer
								: participant_named(refer, target);
	if (target->user != NULL && (target->user == refer->referrer || refer->may_expel))
		target->verdict = REFER_DUE;
	else
		target->verdict = REFER_REFUSED;
}

/* CF-7.2.1.8-R2a-v: 7.2.1.9 for each of the user's sessions. */
void expel_do(struct refer *refer, struct refer_target *target, struct referral_target *told)
{
	struct user *u = target->user;
	bool leaves = u == refer->referrer, watched = false;
	struct participant *p, *next;

	if (!leaves)
		u->expelled = true; /* 7.2.2.9 */
	TAILQ_FOREACH(p, &u->sessions, session_link)
	{
		if (p->state == PARTICIPANT_JOINING)
			p->status = 403;
		if (p->state != PARTICIPANT_CONNECTED)
			continue;
		/* CF-7.2.1.8-R3: the answers to its BYEs tell. */
		if (referral_watch(told, p) == 0)
			watched = true;
		if (leaves)
			p->departure = ENDPOINT_LEFT_DEPARTED;
		else
			p->reason = REASON_REMOVED;
	}
	for (p = TAILQ_FIRST(&u->sessions); p != NULL; p = next) {
		next = TAILQ_NEXT(p, session_link);
		if (p->state != PARTICIPANT_LEAVING && p->state != PARTICIPANT_WITHDRAWN)
			session_feed(p, PARTICIPANT_EV_REMOVE);
	}
	log_info("expel", "%s conference=%s", leaves ? "left" : "expelled", refer->conference->uri);
	if (!watched)
		referral_outcome(told, 200, span_make("", 0));
}
