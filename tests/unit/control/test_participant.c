/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include "control/conference/participant.h"

static void must_step(enum participant_state state, enum participant_event event,
	enum participant_action action, enum participant_state next)
{
	const struct participant_step *step = participant_step(state, event);

	cr_assert_not_null(
		step, "%s %s", participant_state_name(state), participant_event_name(event));
	cr_assert_eq(step->action, action, "%s %s does %s", participant_state_name(state),
		participant_event_name(event), participant_action_name(step->action));
	cr_assert_eq(step->next, next, "%s %s leads to %s", participant_state_name(state),
		participant_event_name(event), participant_state_name(step->next));
}

Test(participant, inviter_is_admitted_once_and_leaves_by_bye)
{
	must_step(
		PARTICIPANT_IDLE, PARTICIPANT_EV_ASKS, PARTICIPANT_DO_LEG_ASK, PARTICIPANT_JOINING);
	must_step(PARTICIPANT_JOINING, PARTICIPANT_EV_LEG_READY, PARTICIPANT_DO_ENTER,
		PARTICIPANT_JOINING);
	must_step(PARTICIPANT_JOINING, PARTICIPANT_EV_ADMIT, PARTICIPANT_DO_ANSWER,
		PARTICIPANT_CONNECTED);
	cr_assert_null(participant_step(PARTICIPANT_CONNECTED, PARTICIPANT_EV_ADMIT));
	must_step(
		PARTICIPANT_CONNECTED, PARTICIPANT_EV_BYE, PARTICIPANT_DO_DEPART, PARTICIPANT_GONE);
}

Test(participant, invited_one_is_sent_an_invite_only_when_its_leg_is_ready)
{
	must_step(
		PARTICIPANT_IDLE, PARTICIPANT_EV_TURN, PARTICIPANT_DO_LEG_ASK, PARTICIPANT_INVITED);
	must_step(PARTICIPANT_INVITED, PARTICIPANT_EV_LEG_READY, PARTICIPANT_DO_INVITE_SEND,
		PARTICIPANT_INVITED);
	must_step(
		PARTICIPANT_INVITED, PARTICIPANT_EV_OK, PARTICIPANT_DO_JOIN, PARTICIPANT_CONNECTED);
}

Test(participant, failed_invitation_is_counted)
{
	must_step(PARTICIPANT_INVITED, PARTICIPANT_EV_FAILURE, PARTICIPANT_DO_COUNT_FAILURE,
		PARTICIPANT_GONE);
	must_step(PARTICIPANT_INVITED, PARTICIPANT_EV_LEG_FAILED, PARTICIPANT_DO_COUNT_FAILURE,
		PARTICIPANT_GONE);
}

Test(participant, withdrawn_invitation_waits_for_its_final_answer_and_is_not_counted)
{
	must_step(PARTICIPANT_INVITED, PARTICIPANT_EV_REMOVE, PARTICIPANT_DO_WITHDRAW,
		PARTICIPANT_WITHDRAWN);
	must_step(PARTICIPANT_WITHDRAWN, PARTICIPANT_EV_FAILURE, PARTICIPANT_DO_FORGET,
		PARTICIPANT_GONE);
	cr_assert_null(participant_step(PARTICIPANT_WITHDRAWN, PARTICIPANT_EV_OK));
}

Test(participant, withdrawn_before_its_leg_was_ready_is_never_invited)
{
	must_step(PARTICIPANT_WITHDRAWN, PARTICIPANT_EV_LEG_READY, PARTICIPANT_DO_FORGET,
		PARTICIPANT_GONE);
}

Test(participant, removed_one_keeps_its_leg_until_its_bye_is_answered)
{
	must_step(PARTICIPANT_CONNECTED, PARTICIPANT_EV_REMOVE, PARTICIPANT_DO_BYE_SEND,
		PARTICIPANT_LEAVING);
	must_step(PARTICIPANT_LEAVING, PARTICIPANT_EV_BYE_DONE, PARTICIPANT_DO_RELEASE,
		PARTICIPANT_GONE);
	must_step(PARTICIPANT_LEAVING, PARTICIPANT_EV_BYE, PARTICIPANT_DO_DEPART, PARTICIPANT_GONE);
	must_step(PARTICIPANT_LEAVING, PARTICIPANT_EV_REMOVE, PARTICIPANT_DO_NOTHING,
		PARTICIPANT_LEAVING);
}

Test(participant, every_state_but_gone_can_be_removed)
{
	for (unsigned state = 0; state < PARTICIPANT_GONE; state++)
		cr_assert_not_null(participant_step(state, PARTICIPANT_EV_REMOVE), "%s",
			participant_state_name(state));
}

Test(participant, nothing_happens_to_one_who_is_gone)
{
	for (unsigned event = 0; event < PARTICIPANT_EVENT_COUNT; event++)
		cr_assert_null(participant_step(PARTICIPANT_GONE, event));
}

Test(participant, names_cover_the_lists)
{
	cr_assert_str_eq(participant_state_name(PARTICIPANT_GONE), "GONE");
	cr_assert_str_eq(participant_event_name(PARTICIPANT_EV_BYE_DONE), "BYE_DONE");
	cr_assert_str_eq(participant_action_name(PARTICIPANT_DO_RELEASE), "RELEASE");
	cr_assert_str_eq(participant_state_name(PARTICIPANT_STATE_COUNT), "?");
}
