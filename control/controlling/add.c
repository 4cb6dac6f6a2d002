/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.7: Adding Participants to IM Group Session; 7.2.2.7 as context.md 3.5 reads it. */
#include "control/conference/referral.h"
#include "control/controlling/procedures.h"
#include "control/controlling/refer.h"
#include "include/log.h"

/* Of an ad-hoc session every participant may, of a group whom its rules let. */
bool add_is_allowed(const struct refer *refer)
{
	const struct conference *c = refer->conference;
	const struct user *u = refer->referrer;

	return c->kind == CONFERENCE_ADHOC ||
	       group_allows(c->group, GROUP_INVITE_USERS, u->canonical, u->canonical_second,
		       refer->privacy);
}

/* Not a server's own address: an invitation to it would come back to us. */
static bool is_user(const struct focus *focus, const struct refer_target *target)
{
	for (unsigned i = 0; i < focus->factory_count; i++)
		if (strcmp(target->to.canonical, focus->factories[i]) == 0)
			return false;
	return !conference_is_identity(span_of(target->to.uri), focus->config->sip_domain) &&
	       groups_find(focus->groups, target->to.canonical) == NULL;
}

/* 7.2.2.9: may the invited one join? */
static bool may_join(const struct conference *c, const struct refer_target *target)
{
	if (target->user != NULL && target->user->expelled)
		return false;
	return c->kind == CONFERENCE_ADHOC ||
	       group_allows(c->group, GROUP_JOIN_HANDLING, target->to.canonical, "", false);
}

void add_judge(struct refer *refer, struct refer_target *target)
{
	const struct conference *c = refer->conference;

	target->user = user_find(c, target->to.canonical);
	if (!refer->may_add || !is_user(refer->focus, target))
		target->verdict = REFER_REFUSED;
	else if (target->user != NULL && user_is_connected(target->user))
		target->verdict = REFER_SO; /* context.md 3.5 */
	else if (target->user != NULL && user_is_pending(target->user))
		target->verdict = REFER_AWAITED;
	else if (!may_join(c, target))
		target->verdict = REFER_REFUSED; /* CF-7.2.1.7-R9 */
	else
		target->verdict = REFER_DUE;
	refer->adding += target->verdict == REFER_DUE;
}

/* The invitation that is under way tells. */
static int watch_pending(struct user *u, struct referral_target *told)
{
	struct participant *p;

	TAILQ_FOREACH(p, &u->sessions, session_link)
	if (p->state == PARTICIPANT_IDLE || p->state == PARTICIPANT_INVITED ||
		p->state == PARTICIPANT_JOINING)
		return referral_watch(told, p);
	return -ENOENT;
}

/* CF-7.2.1.7-R9: 7.2.2.2 follows when its turn comes. */
static int invite(
	struct refer *refer, const struct refer_target *target, struct referral_target *told)
{
	struct conference *c = refer->conference;
	struct participant *p;
	struct user *known = target->user;
	char name[257];
	int r;

	/* CF-7.2.1.7-R2 */
	if (refer->inviter == NULL)
		refer->inviter = inviter_new(refer->referrer, refer->privacy);
	if (refer->inviter == NULL)
		return -ENOBUFS;
	display_name_clean(span_of(target->display_name), name);
	if (name[0] == '\0' &&
		c->kind == CONFERENCE_GROUP) { /* context.md 3.1: as the group has it */
		const struct group_member *member =
			group_member_find(c->group, target->to.canonical, NULL);

		if (member != NULL)
			display_name_clean(span_of(member->display_name), name);
	}
	/* One who left is asked in by its address, also when it was named by its alias. */
	r = invite_add(&p, c, refer->inviter, known ? known->canonical : target->to.canonical,
		span_of(known ? known->uri : target->to.uri), name, span_of(target->headers));
	if (r < 0)
		return r;
	r = referral_watch(told, p);
	if (r == 0 && target->anonymize)
		r = user_alias(p->user);
	return r;
}

void add_do(struct refer *refer, struct refer_target *target, struct referral_target *told)
{
	int r = target->verdict == REFER_AWAITED ? watch_pending(target->user, told)
						 : invite(refer, target, told);

	if (r < 0) {
		log_warning("add", "not added conference=%s result=\"%s\"", refer->conference->uri,
			result_text(r));
		referral_outcome(told, 503, span_make("", 0));
	}
}
