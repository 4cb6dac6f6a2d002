/* SPDX-License-Identifier: BSD-3-Clause */
/* survive: killing and starting the daemons, for the tests of survival; for one .c each. Included
 * after cast.h. */
#ifndef TESTS_SCENARIO_FOCUS_SURVIVE_H
#define TESTS_SCENARIO_FOCUS_SURVIVE_H
#include <signal.h>
#include "tests/scenario/focus/cast.h"

static void kill_it(struct rig_daemon *daemon)
{
	cr_assert_eq(kill(daemon->pid, SIGKILL), 0);
	cr_assert_eq(rig_daemon_ended(daemon, RIG_WAIT_MS), -2);
}

static void start_it(struct rig_daemon *daemon)
{
	rig_daemon_start(daemon, &rig, daemon == &rig.focus ? "PLENUM_FOCUS" : "PLENUM_SWITCH");
	cr_assert(rig_daemon_ready(daemon, RIG_WAIT_MS));
}

/* What the peers said last has been taken in, and the turn that took it has ended. */
static void settled(struct sip_peer *peer)
{
	for (unsigned i = 0; i < 3; i++)
		cr_assert(sip_focus_lives(peer));
}

static void kill_and_start_focus(struct sip_peer *peer)
{
	settled(peer);
	kill_it(&rig.focus);
	start_it(&rig.focus);
}
#endif
