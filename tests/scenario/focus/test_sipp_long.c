/* SPDX-License-Identifier: BSD-3-Clause */
/* sipp at length, for tools/plenum nightly (suite nightly): what a hundred thousand calls leave in
 * memory, and ten thousand members of one group who all watch it. PLENUM_NIGHTLY_SCALE: per cent of
 * these numbers. */
#include "tests/scenario/focus/sipp_run.h"

#define CALLS      50000u /* twice */
#define WATCHERS   10000u
#define LINGER_S   40 /* the stack's transactions last 32 s over UDP */
#define GROWTH_MAX 1.05
#define HEAP_KB    8192 /* a heap that is small moves by so much; for runs that are scaled down */

static unsigned scaled(unsigned number)
{
	const char *text = getenv("PLENUM_NIGHTLY_SCALE");
	unsigned scale = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 100;

	return number / 100 * (scale > 0 && scale < 100 ? scale : 100);
}

static double rss_after_calls(unsigned calls)
{
	const struct sipp_load load = {
		.transport = "u1", .calls = calls, .rate = 500, .at_once = 500, .seconds = 1200
	};
	double kb;

	sipp_call("call", &load);
	conferences_over();
	rig_pause(LINGER_S * 1000);
	kb = (double)memory_kb(rig.focus.pid, "status", "VmRSS:");
	fprintf(stderr, "resident memory of the focus %d s after %u calls: %.0f KB\n", LINGER_S,
		calls, kb);
	return kb;
}

Test(long_sipp, calls_leave_nothing_behind, .timeout = 3600)
{
	/* The focus sheds load at four transactions for each leg that it may have, and all of half
	 * a minute linger. */
	const struct rig_options options = { .conference = ALONE,
		.the_switch = "  max_legs: 12000\n  memory_mb: 512\n" };
	double half, whole;

	sipp_needed();
	sip_rig_start(&rig, &options);
	half = rss_after_calls(scaled(CALLS));
	whole = rss_after_calls(scaled(CALLS));
	cr_assert_leq(whole, half * GROWTH_MAX + (scaled(CALLS) < CALLS ? HEAP_KB : 0),
		"%.0f KB after half of the calls, %.0f after all", half, whole);
	sip_rig_stop(&rig);
}

/* Everybody is in at once, and then everybody watches; an MSRP session is not needed for that. */
Test(long_sipp, members_of_a_large_group_watch_it, .timeout = 3600)
{
	const struct rig_options options = {
		.msrp = "  bind_s: 0\n",
		/* Over UDP: what a NOTIFY says about a large room has to fit into a datagram. */
		.conference = "  roster_max: 20\n",
		.the_switch = "  max_legs: 11000\n  memory_mb: 512\n",
	};
	unsigned count = scaled(WATCHERS);

	sipp_needed();
	sip_rig_start(&rig, &options);
	lobby_is(count);
	lobby_watched(count, 300, 20000 + 10 * count, 1200);
	conferences_over();
	fprintf(stderr, "peak memory of the focus with %u members who watch: %ld KB\n", count,
		memory_kb(rig.focus.pid, "status", "VmHWM:"));
	sip_rig_stop(&rig);
}
