/* SPDX-License-Identifier: BSD-3-Clause */
/* policy: what a conference allows and when it ends, as pure rules.
 *
 * Spec:     7.2.2.3, 7.2.2.8 as read in context.md 3.3 and 3.5.
 * Threads:  pure.
 */
#ifndef CONTROL_CONFERENCE_POLICY_H
#define CONTROL_CONFERENCE_POLICY_H
#include <stdbool.h>

enum policy_release {            /* 7.2.2.8, as read in context.md 3.5 */
	POLICY_WHEN_ONE_REMAINS, /* one-to-one, ad-hoc, a group whose members are invited */
	POLICY_WHEN_EMPTY,       /* a chat room */
};

/* What the rules look at. Users, not sessions; hidden ones (History Functions) never count. */
struct policy_counts {
	unsigned connected;
	unsigned pending;     /* invited without a final answer, to be invited, or joining */
	unsigned invited;     /* invitations that the set-up made, failed ones included */
	bool had_second;      /* two were connected at once */
	bool creator_left;    /* and that ends it (conference.creator_release) */
	bool initiator_waits; /* the INVITE that made it waits for an invited one's answer */
	enum policy_release release;
};

/* CF-7.2.1.2-R7: does an ad-hoc conference of these invited and the inviter exceed max_adhoc_size?
 */
bool policy_adhoc_too_many(unsigned invited, unsigned max_adhoc_size);

enum policy_verdict {
	POLICY_GO_ON,
	POLICY_ADMIT_INITIATOR,  /* CF-7.2.1.2-OK1: somebody is in, so its 200 goes */
	POLICY_REFUSE_INITIATOR, /* CF-7.2.1.2-FR1: all have failed and nobody has been answered */
	/* 7.2.2.8: BYE to those who are left (CF-7.2.1.2-FR2, CF-7.2.1.3-FR2, CF-7.2.1.10-R3) */
	POLICY_RELEASE,
};

/* answer_first: conference.answer_first, RFC 5366 style. One that never had a second member is not
 * released for having one (design 3), unless all whom its set-up invited have refused. */
enum policy_verdict policy_decide(const struct policy_counts *counts, bool answer_first);

/* The status a waiting inviter gets when all invitations failed: the lowest, a 3xx counting as 480
 * (context.md 3.3). so_far: 0 at first. */
unsigned policy_lowest(unsigned so_far, unsigned status);
#endif
