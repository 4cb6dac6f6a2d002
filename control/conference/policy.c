/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/policy.h"

bool policy_adhoc_too_many(unsigned invited, unsigned max_adhoc_size)
{
	return invited >= max_adhoc_size; /* the inviter is one of them */
}

enum policy_verdict policy_decide(const struct policy_counts *n, bool answer_first)
{
	if (n->initiator_waits && (n->connected > 0 || n->invited == 0 || answer_first))
		return POLICY_ADMIT_INITIATOR;
	if (n->creator_left && !n->initiator_waits)
		return POLICY_RELEASE;
	if (n->pending > 0)
		return POLICY_GO_ON;
	if (n->initiator_waits)
		return POLICY_REFUSE_INITIATOR;
	if (n->connected == 0)
		return POLICY_RELEASE;
	if (n->release == POLICY_WHEN_EMPTY || n->connected > 1)
		return POLICY_GO_ON;
	return n->had_second || n->invited > 0 ? POLICY_RELEASE : POLICY_GO_ON;
}

unsigned policy_lowest(unsigned so_far, unsigned status)
{
	if (status < 400)
		status = 480;
	return so_far == 0 || status < so_far ? status : so_far;
}
