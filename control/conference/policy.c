/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/policy.h"

bool policy_adhoc_too_many(unsigned invited, unsigned max_adhoc_size)
{
	return invited >= max_adhoc_size; /* the inviter is one of them */
}

enum policy_verdict policy_adhoc(const struct policy_counts *counts)
{
	if (counts->pending > 0)
		return POLICY_GO_ON;
	if (counts->inviter_waits)
		return counts->invited > 0 && counts->connected == 0 ? POLICY_REFUSE_INVITER
								     : POLICY_GO_ON;
	if (counts->connected == 0)
		return POLICY_RELEASE;
	return counts->connected == 1 && counts->invited > 0 ? POLICY_RELEASE : POLICY_GO_ON;
}

unsigned policy_lowest(unsigned so_far, unsigned status)
{
	if (status < 400)
		status = 480;
	return so_far == 0 || status < so_far ? status : so_far;
}
