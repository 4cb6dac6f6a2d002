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
		.initiator_waits = waits,
	};

	return policy_decide(&counts, false);
}

Test(policy, pending_invitations_keep_a_conference_alive)
{
	cr_assert_eq(verdict(0, 1, 1, true), POLICY_GO_ON);
	cr_assert_eq(verdict(1, 1, 2, false), POLICY_GO_ON);
	cr_assert_eq(verdict(0, 1, 2, false), POLICY_GO_ON);
}

Test(policy, initiator_is_refused_when_all_have_failed_before_its_200)
{
	cr_assert_eq(verdict(0, 0, 2, true), POLICY_REFUSE_INITIATOR);
}

Test(policy, initiator_is_admitted_when_somebody_is_in)
{
	cr_assert_eq(verdict(1, 0, 2, true), POLICY_ADMIT_INITIATOR);
	cr_assert_eq(verdict(1, 1, 2, true), POLICY_ADMIT_INITIATOR);
	cr_assert_eq(verdict(0, 0, 0, true), POLICY_ADMIT_INITIATOR);
}

Test(policy, initiator_is_admitted_at_once_when_answered_first)
{
	struct policy_counts counts = { .pending = 2, .invited = 2, .initiator_waits = true };

	cr_assert_eq(policy_decide(&counts, true), POLICY_ADMIT_INITIATOR);
}

Test(policy, initiator_is_removed_when_all_have_failed_after_its_200)
{
	cr_assert_eq(verdict(1, 0, 3, false), POLICY_RELEASE);
}

Test(policy, last_of_several_is_removed_and_two_go_on)
{
	cr_assert_eq(verdict(2, 0, 3, false), POLICY_GO_ON);
	cr_assert_eq(verdict(1, 0, 2, false), POLICY_RELEASE);
}

Test(policy, room_that_never_had_a_second_member_is_not_released_for_having_one)
{
	struct policy_counts counts = { .connected = 1 };

	cr_assert_eq(policy_decide(&counts, false), POLICY_GO_ON);
	counts.had_second = true;
	cr_assert_eq(policy_decide(&counts, false), POLICY_RELEASE);
	counts.connected = 0;
	cr_assert_eq(policy_decide(&counts, false), POLICY_RELEASE);
}

Test(policy, chat_room_ends_with_its_last_member)
{
	struct policy_counts counts = {
		.connected = 1,
		.had_second = true,
		.release = POLICY_WHEN_EMPTY,
	};

	cr_assert_eq(policy_decide(&counts, false), POLICY_GO_ON);
	counts.connected = 0;
	cr_assert_eq(policy_decide(&counts, false), POLICY_RELEASE);
}

Test(policy, creator_who_left_ends_it_where_the_operator_wants_that)
{
	struct policy_counts counts = { .connected = 5, .pending = 1, .creator_left = true };

	cr_assert_eq(policy_decide(&counts, false), POLICY_RELEASE);
}

Test(policy, lowest_failure_wins_and_a_3xx_counts_as_480)
{
	cr_assert_eq(policy_lowest(0, 603), 603u);
	cr_assert_eq(policy_lowest(603, 486), 486u);
	cr_assert_eq(policy_lowest(486, 603), 486u);
	cr_assert_eq(policy_lowest(0, 302), 480u);
	cr_assert_eq(policy_lowest(404, 302), 404u);
}

Test(policy, a_creator_who_left_does_not_end_what_still_waits_for_its_first_answer)
{
	struct policy_counts counts = {
		.pending = 1, .invited = 1, .creator_left = true, .initiator_waits = true
	};

	cr_assert_eq(policy_decide(&counts, false), POLICY_GO_ON);
	counts.connected = 1;
	cr_assert_eq(policy_decide(&counts, false), POLICY_ADMIT_INITIATOR);
}

/* Whatever the numbers are. */
Test(policy, nobody_is_sent_away_while_there_is_somebody_to_wait_for)
{
	for (unsigned bits = 0; bits < 1u << 11; bits++) {
		const struct policy_counts n = {
			.connected = bits & 3,
			.pending = bits >> 2 & 3,
			.invited = bits >> 4 & 3,
			.had_second = bits >> 6 & 1,
			.creator_left = bits >> 7 & 1,
			.initiator_waits = bits >> 8 & 1,
			.release = bits >> 9 & 1 ? POLICY_WHEN_EMPTY : POLICY_WHEN_ONE_REMAINS,
		};
		bool answer_first = bits >> 10 & 1;
		enum policy_verdict verdict_is = policy_decide(&n, answer_first);

		switch (verdict_is) {
		case POLICY_ADMIT_INITIATOR:
			cr_assert(n.initiator_waits, "%x", bits);
			cr_assert(n.connected > 0 || n.invited == 0 || answer_first, "%x", bits);
			break;
		case POLICY_REFUSE_INITIATOR:
			cr_assert(n.initiator_waits && n.connected == 0 && n.pending == 0, "%x",
				bits);
			break;
		case POLICY_RELEASE:
			cr_assert_not(n.initiator_waits, "%x", bits);
			cr_assert(n.creator_left || n.pending == 0, "%x", bits);
			cr_assert(n.creator_left || n.connected < 2, "%x", bits);
			break;
		case POLICY_GO_ON:
			cr_assert(n.pending > 0 || n.connected > 0, "nobody is left: %x", bits);
			cr_assert_not(n.creator_left && !n.initiator_waits, "%x", bits);
			break;
		}
	}
}
