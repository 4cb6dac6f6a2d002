/* SPDX-License-Identifier: BSD-3-Clause */
/* policy: what a conference allows and when it ends, as pure rules.
 *
 * Spec:     7.2.2.3, 7.2.2.8 as read in context.md 3.3 and 3.5.
 * Threads:  pure.
 */
#ifndef CONTROL_CONFERENCE_POLICY_H
#define CONTROL_CONFERENCE_POLICY_H
#include <stdbool.h>

/* How many there are, by kind. */
struct policy_counts {
	unsigned connected; /* participants with an established dialog */
	unsigned pending;   /* invitations without a final answer, also those not sent yet */
	unsigned invited;   /* invitations ever made, failed ones included */
	bool inviter_waits; /* the inviter's INVITE has no final answer yet */
};

/* CF-7.2.1.2-R7: does an ad-hoc conference of these invited and the inviter exceed max_adhoc_size?
 */
bool policy_adhoc_too_many(unsigned invited, unsigned max_adhoc_size);

enum policy_verdict {
	POLICY_GO_ON,
	POLICY_REFUSE_INVITER, /* CF-7.2.1.2-FR1: all have failed and nobody has been answered */
	POLICY_RELEASE,        /* 7.2.2.8, CF-7.2.1.2-FR2: BYE to those who are left */
};

/* An ad-hoc conference. One that never invited anybody is not released for having one member
 * (design 3). */
enum policy_verdict policy_adhoc(const struct policy_counts *counts);

/* The status a waiting inviter gets when all invitations failed: the lowest, a 3xx counting as 480
 * (context.md 3.3). so_far: 0 at first. */
unsigned policy_lowest(unsigned so_far, unsigned status);
#endif
