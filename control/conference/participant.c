/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/participant.h"
#include <assert.h>

#define DO(action, next)                                                                           \
	{                                                                                          \
		PARTICIPANT_DO_##action, PARTICIPANT_##next                                        \
	}
#define EV(name) [PARTICIPANT_EV_##name]

/* A cell that is not written cannot happen: it is counted and logged, and changes nothing. */
static const struct participant_step table[PARTICIPANT_STATE_COUNT][PARTICIPANT_EVENT_COUNT] = {
	[PARTICIPANT_IDLE] = {
		EV(ASKS)   = DO(LEG_ASK, JOINING),        /* CF-7.2.1.2-R5 */
		EV(TURN)   = DO(LEG_ASK, INVITED),        /* CF-7.2.1.2-R8 */
		EV(REMOVE) = DO(FORGET, GONE),
	},
	[PARTICIPANT_JOINING] = {
		EV(LEG_READY)  = DO(ENTER, JOINING),      /* CF-7.2.1.4-R9, CF-7.2.1.5-R8 */
		EV(LEG_FAILED) = DO(REJECT, GONE),
		EV(PROGRESS)   = DO(RING, JOINING)        , /* an invited one rings */
		EV(ADMIT)      = DO(ANSWER, CONNECTED),   /* CF-7.2.1.2-OK1 */
		EV(REFUSE)     = DO(REJECT, GONE),        /* CF-7.2.1.2-FR1 */
		EV(REMOVE)     = DO(REJECT, GONE),
		EV(CANCEL)     = DO(DEPART, GONE),
	},
	[PARTICIPANT_INVITED] = {
		EV(LEG_READY)  = DO(INVITE_SEND, INVITED), /* CF-7.2.1.2-R8 */
		EV(LEG_FAILED) = DO(COUNT_FAILURE, GONE),
		EV(PROGRESS)   = DO(NOTHING, INVITED),
		EV(OK)         = DO(JOIN, CONNECTED),     /* CF-7.2.1.2-OK4 */
		EV(FAILURE)    = DO(COUNT_FAILURE, GONE), /* CF-7.2.1.2-FR0, CF-7.2.1.3-FR0 */
		EV(REMOVE)     = DO(WITHDRAW, WITHDRAWN),
	},
	[PARTICIPANT_WITHDRAWN] = {
		EV(LEG_READY)  = DO(FORGET, GONE),        /* nothing had been sent */
		EV(LEG_FAILED) = DO(FORGET, GONE),
		EV(PROGRESS)   = DO(NOTHING, WITHDRAWN),
		EV(FAILURE)    = DO(FORGET, GONE),
		EV(REMOVE)     = DO(NOTHING, WITHDRAWN),
	},
	[PARTICIPANT_CONNECTED] = {
		EV(BYE)      = DO(DEPART, GONE),          /* CF-7.2.1.10-R2 */
		EV(REMOVE)   = DO(BYE_SEND, LEAVING),     /* CF-7.2.1.9-S1 */
		EV(BYE_DONE) = DO(RELEASE, GONE),
	},
	[PARTICIPANT_LEAVING] = {
		EV(BYE)      = DO(DEPART, GONE),          /* it crossed ours */
		EV(BYE_DONE) = DO(RELEASE, GONE),         /* CF-7.2.1.9-OK1 */
		EV(REMOVE)   = DO(NOTHING, LEAVING),
	},
};

const struct participant_step *participant_step(
	enum participant_state state, enum participant_event event)
{
	const struct participant_step *step;

	assert(state < PARTICIPANT_STATE_COUNT && event < PARTICIPANT_EVENT_COUNT);
	step = &table[state][event];
	return step->action == PARTICIPANT_DO_IMPOSSIBLE ? NULL : step;
}

#define X(name) #name,
static const char *const states[] = { PARTICIPANT_STATES(X) };
static const char *const events[] = { PARTICIPANT_EVENTS(X) };
static const char *const actions[] = { "IMPOSSIBLE", PARTICIPANT_ACTIONS(X) };
#undef X

const char *participant_state_name(enum participant_state state)
{
	return state < PARTICIPANT_STATE_COUNT ? states[state] : "?";
}

const char *participant_event_name(enum participant_event event)
{
	return event < PARTICIPANT_EVENT_COUNT ? events[event] : "?";
}

const char *participant_action_name(enum participant_action action)
{
	return action < PARTICIPANT_ACTION_COUNT ? actions[action] : "?";
}
