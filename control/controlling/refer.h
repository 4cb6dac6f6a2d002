/* SPDX-License-Identifier: BSD-3-Clause */
/* refer: one REFER while it is looked at: who asks, about whom, and what is to become of each. What
 * 7.2.1.7 (add.c) and 7.2.1.8 (expel.c) have in common.
 *
 * Place:    refer.c reads, asks add.c or expel.c for a verdict on each target, answers, and has
 *           the verdicts carried out; a REFER for several may add some and remove others.
 * Spec:     RFC 3515, RFC 4488, RFC 5368; reading: context.md 3.6.
 * Threads:  the focus's one thread. Memory: in refer_received's frame; targets own their texts.
 */
#ifndef CONTROL_CONTROLLING_REFER_H
#define CONTROL_CONTROLLING_REFER_H
#include "control/focus.h"
#include "control/sip/refer_to.h"

enum refer_verdict {
	REFER_REFUSED, /* not allowed; when nobody of the REFER is, it is answered 403 */
	REFER_SO,      /* it is so already */
	REFER_AWAITED, /* it is under way: an invitation without a final answer */
	REFER_DUE,     /* to be done */
};

struct refer_target {
	UT_hash_handle hh; /* in the set of those seen, by canonical */
	struct refer_to to;
	char *headers;      /* that the invitation is to have, still escaped; "" */
	char *display_name; /* of a list entry; "" */
	bool anonymize;
	enum refer_verdict verdict;
	struct user *user; /* of the conference: as whom it knows the target; NULL: not known */
};

struct refer {
	struct focus *focus;
	const struct request *request;
	struct conference *conference;
	struct user *referrer;
	bool privacy; /* the referrer stays unknown to whom it has invited */
	struct refer_target *targets, *seen;
	unsigned count;
	unsigned adding; /* targets that take a new place */
	bool may_add, may_expel;
	struct inviter *inviter; /* made when the first is invited */
};

/* What the session's policy lets the referrer do (7.2.2.7; expelling: context.md 3.5). */
bool add_is_allowed(const struct refer *refer);
bool expel_is_allowed(const struct refer *refer);
/* Fill in target->user and target->verdict. */
void add_judge(struct refer *refer, struct refer_target *target);
void expel_judge(struct refer *refer, struct refer_target *target);
/* Carry out a verdict of REFER_DUE or REFER_AWAITED and say, now or later, how it went. */
void add_do(struct refer *refer, struct refer_target *target, struct referral_target *told);
void expel_do(struct refer *refer, struct refer_target *target, struct referral_target *told);
#endif
