/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.2.8 as context.md 3.5 reads it: when a conference ends, and what its BYEs say. Too few
 * remain: test_7_2_1_10_bye; idle, unbound, lost: test_7_2_1_9_removal; groups:
 * test_7_2_1_3_group. */
#include "tests/scenario/focus/cast.h"

static struct sip_party three[3];

static void meet(const char *conference, unsigned count)
{
	const struct rig_options options = { .conference = conference };

	sip_rig_start(&rig, &options);
	party_meet(&rig, three, count, "", true);
}

static void part(unsigned count)
{
	party_close(three, count);
	sip_rig_stop(&rig);
}

static void ended_for(unsigned who, const char *reason, int wait_ms)
{
	cr_assert(call_byed(&three[who].call, wait_ms), "%u", who);
	cr_assert_str_eq(sip_header(&three[who].peer.message, "Reason"), reason);
}

static void over(void)
{
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
}

static unsigned says(unsigned who, const char *tid)
{
	call_say(&three[who].call, &three[who].msrp, tid, "", tid);
	return peer_status(&three[who].msrp, tid);
}

#define GONE "SIP;cause=410;text=\"Gone\""

Test(release, a_session_of_two_ends_when_either_leaves)
{
	for (unsigned leaver = 0; leaver < 2; leaver++) {
		meet("", 2);
		call_bye(&three[leaver].call);
		ended_for(1 - leaver, GONE, RIG_WAIT_MS);
		over();
		part(2);
	}
}

Test(release, the_creator_may_go_as_any_other)
{
	meet("", 3);
	call_bye(&three[0].call);
	cr_assert(sip_nothing(&three[1].peer, 300));
	cr_assert_eq(says(1, "goingon1"), 200);
	call_bye(&three[1].call);
	ended_for(2, GONE, RIG_WAIT_MS);
	over();
	part(3);
}

Test(release, with_creator_release_it_ends_when_the_creator_has_left)
{
	struct sip_call second = { .peer = NULL };

	meet("  creator_release: true\n", 3);
	/* Not with one of two devices, and not with another. */
	second.peer = &three[0].peer;
	call_invite(&second, &three[0].peer, three[0].call.identity, "", "application/sdp",
		call_sdp(&second, "actpass", ""));
	cr_assert_eq(call_final(&second), 200);
	call_ack(&second);
	call_bye(&three[0].call);
	cr_assert(sip_nothing(&three[1].peer, 300));
	call_bye(&second);
	ended_for(1, GONE, RIG_WAIT_MS);
	ended_for(2, GONE, RIG_WAIT_MS);
	over();
	part(3);
}

Test(release, with_creator_release_others_come_and_go)
{
	meet("  creator_release: true\n", 3);
	call_bye(&three[1].call);
	cr_assert(sip_nothing(&three[0].peer, 300));
	cr_assert_eq(says(2, "goingon1"), 200);
	call_bye(&three[2].call);
	ended_for(0, GONE, RIG_WAIT_MS);
	over();
	part(3);
}

/* Invited ones who have not answered are asked no more. */
Test(release, with_creator_release_invitations_are_withdrawn)
{
	const struct rig_options options = { .conference = "  creator_release: true\n" };

	open_all(&options);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_ring(&carols);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	cr_assert_str_eq(sip_header(&bob.message, "Reason"), GONE);
	cr_assert(sip_await_request(&carol, "CANCEL", RIG_WAIT_MS));
	sip_reply(&carol, &carol.message, 200, carols.tag, "", NULL, NULL);
	call_reject(&carols, 487, "");
	over();
	close_all();
}

Test(release, it_may_last_so_long)
{
	meet("  max_duration: 2\n", 3);
	for (unsigned i = 0; i < 3; i++)
		ended_for(i, "SIP;cause=410;text=\"Session too long\"", RIG_WAIT_MS);
	over();
	part(3);
}

/* A message starts the time anew; a bodiless SEND, which only keeps a connection alive, does
 * not. */
Test(release, it_is_idle_when_nobody_says_anything)
{
	uint64_t quiet = 0;

	meet("  idle_release: 3\n", 3);
	for (unsigned i = 0; i < 6; i++) {
		char tid[20];

		snprintf(tid, sizeof(tid), "awake%03u", i);
		cr_assert_eq(says(0, tid), 200);
		cr_assert(sip_nothing(&three[1].peer, 700), "not idle, after %u", i);
	}
	while (!sip_await_request(&three[1].peer, "BYE", 300)) {
		cr_assert_lt(++quiet, 40, "idle for ever");
		peer_print(&three[0].msrp,
			"MSRP ping%04u SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: p%u\r\nByte-Range: 1-0/0\r\n-------ping%04u$\r\n",
			(unsigned)quiet, three[0].call.leg.uri, three[0].call.leg.path,
			(unsigned)quiet, (unsigned)quiet);
	}
	cr_assert_str_eq(sip_header(&three[1].peer.message, "Reason"),
		"SIP;cause=480;text=\"Session idle\"");
	sip_reply(&three[1].peer, &three[1].peer.message, 200, NULL, "", NULL, NULL);
	ended_for(0, "SIP;cause=480;text=\"Session idle\"", RIG_WAIT_MS);
	ended_for(2, "SIP;cause=480;text=\"Session idle\"", RIG_WAIT_MS);
	over();
	part(3);
}

/* design 3: one that never had a second member is not released for having one. */
Test(release, one_alone_may_wait)
{
	const struct rig_options options = { .conference = ALONE "  creator_release: true\n" };

	open_all(&options);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	cr_assert(sip_nothing(&alice, 700));
	call_bye(&call);
	over();
	close_all();
}
