/* SPDX-License-Identifier: BSD-3-Clause */
/* sipp as the other side: a thousand calls over UDP and TCP, then conferences with invited ones who
 * are sipp too, rejoining, session timers, groups, subscriptions. What is compared: every call of
 * both sides was as its scenario says, and the focus counted the same. */
#include "tests/scenario/focus/sipp_run.h"

#define CALLS         1000
#define GROWTH_MAX_KB 30720 /* over UDP transactions linger for 32 s, 10 to 20 KB each */
#define PATIENCE_S    60

static void thousand_calls(const char *transport)
{
	/* Fewer rooms and legs than calls: what is not given back is missed. */
	const struct rig_options options = { .conference = ALONE,
		.the_switch = "  max_legs: 300\n  max_rooms: 300\n" };
	const struct sipp_load load = { .transport = transport,
		.calls = CALLS,
		.rate = 400,
		.at_once = 200,
		.seconds = PATIENCE_S };
	long before, after;

	sipp_needed();
	sip_rig_start(&rig, &options);
	before = memory_kb(rig.focus.pid, "status", "VmRSS:");
	sipp_call("call", &load);
	conferences_over();
	cr_assert_eq(log_count("conference: ended"), CALLS);
	after = memory_kb(rig.focus.pid, "status", "VmRSS:");
	cr_assert_gt(before, 0);
#if !defined(__SANITIZE_ADDRESS__) /* its quarantine keeps what was freed */
	cr_assert_lt(after - before, GROWTH_MAX_KB, "resident memory went from %ld to %ld KB",
		before, after);
#else
	(void)after;
#endif
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, false);
	cr_assert(sip_focus_lives(&alice));
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

Test(sipp, a_thousand_calls_over_udp)
{
	thousand_calls("u1");
}

Test(sipp, a_thousand_calls_over_tcp)
{
	thousand_calls("t1");
}

/* Callers, and so many invited ones for each call. */
static void call_with_invited(const char *scenario, unsigned calls, unsigned each)
{
	struct sipp_load caller = { .transport = "u1",
		.calls = calls,
		.rate = 10,
		.at_once = calls,
		.seconds = PATIENCE_S };
	struct sipp_load called = {
		.transport = "u1", .calls = each * calls, .seconds = PATIENCE_S, .waits = true
	};
	struct sipp invited;

	sipp_start(&invited, "invited", &called);
	caller.invited_port = invited.port;
	sipp_call(scenario, &caller);
	sipp_end(&invited);
	conferences_over();
}

/* One who made a conference and leaves it ends it: BYE to the three others. */
Test(sipp, adhoc_conferences_whose_members_are_invited_and_removed)
{
	const struct rig_options options = { .conference = "  creator_release: true\n" };

	sipp_needed();
	sip_rig_start(&rig, &options);
	call_with_invited("adhoc", 20, 3);
	cr_assert_eq(log_count("session: conference made"), 20);
	cr_assert_eq(log_count("invite: connected"), 60);
	cr_assert_eq(log_count("remove: removed"), 60);
	cr_assert_eq(log_count("conference: ended"), 20);
	sip_rig_stop(&rig);
}

Test(sipp, rejoining_of_a_session_that_goes_on)
{
	const struct rig_options options = { .conference = "  max_duration: 5\n" };

	sipp_needed();
	sip_rig_start(&rig, &options);
	call_with_invited("rejoin", 20, 2);
	cr_assert_eq(log_count("rejoin: asked"), 20);
	cr_assert_eq(log_count("answer: connected"), 40);
	cr_assert_eq(log_count("remove: removed"), 60);
	cr_assert_eq(log_count("conference: ended"), 20);
	sip_rig_stop(&rig);
}

/* One is added by REFER and removed by REFER, and the referrer is told of both. */
Test(sipp, adding_and_removing_by_refer)
{
	const struct rig_options options = { .conference = "  creator_release: true\n" };

	sipp_needed();
	sip_rig_start(&rig, &options);
	call_with_invited("refer", 20, 2);
	cr_assert_eq(log_count("invite: connected"), 40);
	cr_assert_eq(log_count("remove: removed"), 40);
	cr_assert_eq(log_count("conference: ended"), 20);
	sip_rig_stop(&rig);
}

/* By the peer with re-INVITE and with UPDATE, then by the focus, whose turn comes after a
 * second. */
Test(sipp, session_timers_of_both_sides)
{
	const struct rig_options options = { .sip = "  session_expires_s: 2\n  min_se_s: 1\n",
		.conference = ALONE };
	const struct sipp_load load = {
		.transport = "u1", .calls = 50, .rate = 50, .at_once = 50, .seconds = PATIENCE_S
	};

	sipp_needed();
	sip_rig_start(&rig, &options);
	sipp_call("refresh", &load);
	conferences_over();
	cr_assert_eq(log_count("conference: ended"), 50);
	sip_rig_stop(&rig);
}

/* ---- groups ---- */

#define GROUPS 20

/* A document of many groups: group g<n> of sipp<n>, who calls, and two who are invited at the
 * port. */
static char *groups_text(uint16_t invited_port)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert_not_null(out);
	fputs("<group xmlns=\"urn:oma:xml:poc:list-service\" "
	      "xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\">\n",
		out);
	for (unsigned i = 1; i <= GROUPS; i++)
		fprintf(out,
			"<list-service uri=\"sip:g%u@groups.example.org\"><list>\n"
			"<entry uri=\"sip:sipp%u@example.com\"/>"
			"<entry uri=\"sip:b%u@127.0.0.1:%u\"/><entry uri=\"sip:c%u@127.0.0.1:%u\"/>"
			"</list>" INVITES MEMBERS_MAY "</list-service>\n",
			i, i, i, invited_port, i, invited_port);
	fputs("</group>\n", out);
	fclose(out);
	return text;
}

Test(sipp, groups_whose_members_are_invited)
{
	const struct rig_options options = { .conference = "  creator_release: true\n" };
	struct sipp_load caller = { .transport = "u1",
		.calls = GROUPS,
		.rate = 10,
		.at_once = GROUPS,
		.seconds = PATIENCE_S };
	struct sipp_load called = {
		.transport = "u1", .calls = 2 * GROUPS, .seconds = PATIENCE_S, .waits = true
	};
	struct sipp invited;
	char *text;

	sipp_needed();
	sip_rig_start(&rig, &options);
	sipp_start(&invited, "invited", &called);
	text = groups_text(invited.port);
	group_put("all.xml", text);
	log_await("group document in force", 1);
	free(text);
	sipp_call("group", &caller);
	sipp_end(&invited);
	conferences_over();
	cr_assert_eq(log_count("session: conference made"), GROUPS);
	cr_assert_eq(log_count("invite: connected"), 2 * GROUPS);
	cr_assert_eq(log_count("conference: ended"), GROUPS);
	sip_rig_stop(&rig);
}

/* Everybody watches everybody join and leave, until told that the subscription ends with one's own
 * leaving. */
Test(sipp, members_of_a_group_who_watch_it)
{
	const struct rig_options options = { .conference = "  notify_interval: 1\n" };

	sipp_needed();
	sip_rig_start(&rig, &options);
	lobby_is(50);
	lobby_watched(50, 50, 4000, PATIENCE_S);
	conferences_over();
	cr_assert_eq(log_count("conference: ended"), 1);
	sip_rig_stop(&rig);
}
