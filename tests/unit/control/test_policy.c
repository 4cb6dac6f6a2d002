/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include "control/conference/policy.h"

Test(policy, inviter_counts_towards_the_adhoc_limit)
{
	cr_assert_not(policy_adhoc_too_many(99, 100));
	cr_assert(policy_adhoc_too_many(100, 100));
	cr_assert_not(policy_adhoc_too_many(1, 2));
	cr_assert(policy_adhoc_too_many(2, 2));
}

static enum policy_verdict verdict(
	unsigned connected, unsigned pending, unsigned invited, bool waits)
{
	struct policy_counts counts = {
		.connected = connected,
		.pending = pending,
		.invited = invited,
		.inviter_waits = waits,
	};

	return policy_adhoc(&counts);
}

Test(policy, pending_invitations_keep_a_conference_alive)
{
	cr_assert_eq(verdict(0, 1, 1, true), POLICY_GO_ON);
	cr_assert_eq(verdict(1, 1, 2, false), POLICY_GO_ON);
	cr_assert_eq(verdict(0, 1, 2, false), POLICY_GO_ON);
}

Test(policy, inviter_is_refused_when_all_have_failed_before_its_200)
{
	cr_assert_eq(verdict(0, 0, 2, true), POLICY_REFUSE_INVITER);
}

Test(policy, inviter_is_not_refused_while_somebody_is_connected)
{
	cr_assert_eq(verdict(1, 0, 2, true), POLICY_GO_ON);
}

Test(policy, inviter_is_removed_when_all_have_failed_after_its_200)
{
	cr_assert_eq(verdict(1, 0, 3, false), POLICY_RELEASE);
}

Test(policy, last_of_several_is_removed_and_two_go_on)
{
	cr_assert_eq(verdict(2, 0, 3, false), POLICY_GO_ON);
	cr_assert_eq(verdict(1, 0, 2, false), POLICY_RELEASE);
}

Test(policy, room_that_never_invited_anybody_is_not_released_for_having_one_member)
{
	cr_assert_eq(verdict(0, 0, 0, true), POLICY_GO_ON);
	cr_assert_eq(verdict(1, 0, 0, false), POLICY_GO_ON);
	cr_assert_eq(verdict(0, 0, 0, false), POLICY_RELEASE);
}

Test(policy, lowest_failure_wins_and_a_3xx_counts_as_480)
{
	cr_assert_eq(policy_lowest(0, 603), 603u);
	cr_assert_eq(policy_lowest(603, 486), 486u);
	cr_assert_eq(policy_lowest(486, 603), 486u);
	cr_assert_eq(policy_lowest(0, 302), 480u);
	cr_assert_eq(policy_lowest(404, 302), 404u);
}
