/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.3: Pre-defined IM Group Session setup; with an active session it is 7.2.1.4 (join.c). What
 * follows an invited member's answer (CF-7.2.1.3-OK1 to -FR2) is as in an ad-hoc session:
 * conference_settle. */
#include <stdlib.h>
#include "control/controlling/intake.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

/* The first step of the clause that fails decides (context.md 3.3). False: refused. */
static bool group_read(struct focus *focus, struct dialog *dialog, const struct request *request,
	const struct group *group, struct intake *in)
{
	if (!intake_is_welcome(focus, dialog, request))
		return false;
	/* CF-7.2.1.3-R3, CF-7.2.1.3-R3a, CF-7.2.1.3-R3b, CF-7.2.1.4-R8a: 7.2.2.3 */
	if (!group_allows(group, GROUP_INITIATE, request->asserted, request->asserted_second,
		    request->privacy))
		intake_refuse(focus, dialog, 403, "Forbidden", "User is not authorised");
	else if (!join_may_hide(focus, group, request)) /* CF-7.2.1.3-R6 */
		intake_refuse(focus, dialog, 403, "Forbidden", "Anonymity not allowed");
	else
		/* CF-7.2.1.3-R7, CF-7.2.1.3-R7a, CF-7.2.1.3-R7b */
		return intake_parts(focus, dialog, request, in) && intake_offer(focus, dialog, in);
	return false;
}

static bool is_asker(const struct group_member *member, const struct request *request)
{
	return strcmp(member->canonical, request->asserted) == 0 ||
	       strcmp(member->canonical, request->asserted_second) == 0;
}

/* CF-7.2.1.3-R8a: every member but the initiator, in the order of the list, as far as there is
 * room (context.md 3.3). */
static int members_invite(
	struct conference *c, const struct request *request, struct inviter *inviter)
{
	const struct group_document *d = c->group->document;

	for (unsigned i = 0; i < d->member_count; i++) {
		const struct group_member *member = &d->members[i];
		struct participant *p;
		int r;

		if (is_asker(member, request))
			continue;
		if (conference_is_full(c, 1)) {
			log_info("group", "not all members are invited conference=%s invited=%u",
				c->uri, c->invited);
			break;
		}
		r = invite_add(&p, c, inviter, member->canonical, span_of(member->uri),
			member->display_name, SPAN_LITERAL(""));
		if (r < 0)
			return r;
		p->from_setup = true;
		if (!p->user->hidden) /* a History Function alone is nobody to talk to */
			c->invited++;
	}
	return 0;
}

/* The request's subject, else the group's. */
static int subject_set(struct conference *c)
{
	char *subject;

	if (c->subject[0] != '\0')
		return 0;
	subject = strdup(c->group->document->subject);
	if (subject == NULL)
		return -ENOBUFS;
	free(c->subject);
	c->subject = subject;
	return 0;
}

/* CF-7.2.1.4-R8c: the INVITE is answered when a member has accepted; in a chat room, at once. */
static int group_begin(struct conference *c, const struct request *request, const struct intake *in,
	struct inviter *inviter)
{
	int r = subject_set(c);

	return r == 0 && c->group->document->invite_members ? members_invite(c, request, inviter)
							    : r;
}

static void group_set_up(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct group *group)
{
	struct intake in = { 0 };

	/* CF-7.2.1.3-R8, CF-7.2.1.4-R8: the focus and its identity, then the invitations;
	 * CF-7.2.1.3-R4, CF-7.2.1.3-R5, CF-7.2.1.3-R6: the one who asks;
	 * CF-7.2.1.3-R8b, CF-7.2.1.4-R8b: the room in the switch */
	if (group_read(focus, dialog, request, group, &in))
		intake_set_up(focus, dialog, request, &in, CONFERENCE_GROUP, group->document->uri,
			group, group_begin);
	intake_fini(&in);
}

void group_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct group *group)
{
	struct conference *c =
		conference_find_group(&focus->conferences, group->document->canonical);

	/* CF-7.2.1.3-R2, CF-7.2.1.3-R2a, CF-7.2.1.4-R1, CF-7.2.1.4-R1a: whose Contact is a focus
	 * would make two of one conference. */
	if (request->contact_isfocus)
		intake_refuse(focus, dialog, 403, "Forbidden", "isfocus already assigned");
	else if (c != NULL)
		join_received(focus, dialog, request, c);
	else
		group_set_up(focus, dialog, request, group);
}
