/* SPDX-License-Identifier: BSD-3-Clause */
/* NICKNAME (RFC 7701 7) at the focus: who may be called what. What the switch does of it:
 * tests/scenario/switch/test_nickname. */
#include <signal.h>
#include "tests/scenario/focus/watch.h"

static struct sip_party three[3];
static unsigned asked_so_far;

static void meet(const char *conference)
{
	const struct rig_options options = { .conference = conference };

	sip_rig_start(&rig, &options);
	party_meet(&rig, three, 3, "", true);
}

static void part(void)
{
	party_close(three, 3);
	sip_rig_stop(&rig);
}

static unsigned named_on(const struct rig_leg *leg, struct msrp_peer *msrp, const char *name)
{
	char tid[20];

	snprintf(tid, sizeof(tid), "nick%04u", ++asked_so_far);
	peer_print(msrp,
		"MSRP %s NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"%s\"\r\n-------%s$\r\n",
		tid, leg->uri, leg->path, name, tid);
	return peer_status(msrp, tid);
}

static unsigned named(unsigned who, const char *name)
{
	return named_on(&three[who].call.leg, &three[who].msrp, name);
}

Test(nickname, it_is_announced_in_sdp)
{
	char line[200];

	meet("");
	sip_body_line(&three[1].call.invite, "a=chatroom", line, sizeof(line));
	cr_assert_str_eq(line, ":nickname private-messages");
	part();
}

Test(nickname, another_may_not_have_the_same)
{
	meet("  reserved_nicknames: [\"Admin\", \"The Room\"]\n");
	cr_assert_eq(named(0, "Alice W"), 200);
	/* RFC 8266: case, width and spaces do not make another of it. */
	cr_assert_eq(named(1, "Alice W"), 425);
	cr_assert_eq(named(1, "  alice   w "), 425);
	cr_assert_eq(named(1, "\xef\xbc\xa1LICE W"), 425);
	cr_assert_eq(named(1, "Bob"), 200);
	/* Her own she may write otherwise, and take another: the first is free then. */
	cr_assert_eq(named(0, "ALICE W"), 200);
	cr_assert_eq(named(0, "Alison"), 200);
	cr_assert_eq(named(1, "Alice W"), 200);
	cr_assert_eq(named(2, "bob"), 200, "given up by taking another");
	/* A refusal leaves the one before. */
	cr_assert_eq(named(1, "Alison"), 425);
	cr_assert_eq(named(2, "alice w"), 425);
	/* "" gives it back. */
	cr_assert_eq(named(1, ""), 200);
	cr_assert_eq(named(2, "alice w"), 200);
	cr_assert_eq(named(1, ""), 200, "once more: nothing");
	/* Reserved: for nobody. */
	cr_assert_eq(named(0, "admin"), 425);
	cr_assert_eq(named(1, "THE  ROOM"), 425);
	part();
}

Test(nickname, an_address_of_another_is_no_nickname)
{
	char address[100];

	meet("");
	snprintf(address, sizeof(address), "%s", three[1].call.leg.address);
	cr_assert_eq(named(0, address), 425);
	cr_assert_eq(named(1, address), 200, "his own he may");
	part();
}

/* Who takes the address of somebody who is not there yet does not become him. */
Test(nickname, a_nickname_is_not_an_address)
{
	struct sip_call other = { 0 };
	struct sip_peer mallory;

	meet("");
	cr_assert_eq(named(0, "sip:mallory@example.com"), 200);
	sip_peer_open(&mallory, &rig, "mallory", SIP_TRUSTED, false);
	other.peer = &mallory;
	call_invite(&other, &mallory, three[0].call.identity, "", "application/sdp",
		call_sdp(&other, "actpass", ""));
	cr_assert_eq(call_final(&other), 403);
	HAS(sip_header(&mallory.message, "Warning"), "User is not authorised");
	sip_peer_close(&mallory);
	part();
}

Test(nickname, malformed_ones_get_424)
{
	char longest[1030];

	meet("");
	cr_assert_eq(named(0, "   "), 424);
	cr_assert_eq(named(0, "\xe2\x80\x8b"), 424);
	cr_assert_eq(named(0, "a\xc2\x85"), 424);
	cr_assert_eq(named(0, "a\xe2\x80\xae"
			      "b"),
		424);
	cr_assert_eq(named(0, "\xed\xa0\x80"), 424);
	memset(longest, 'n', sizeof(longest));
	longest[1024] = '\0';
	cr_assert_eq(named(0, longest), 424);
	longest[1023] = '\0';
	cr_assert_eq(named(0, longest), 200);
	part();
}

Test(nickname, where_it_is_off_it_is_neither_announced_nor_allowed)
{
	char line[200];

	meet("  nicknames: false\n");
	sip_body_line(&three[1].call.invite, "a=chatroom", line, sizeof(line));
	cr_assert_str_eq(line, ":private-messages");
	cr_assert_eq(named(0, "Alice"), 403);
	part();
}

/* Another device of hers may use it too, and it is hers until the last one has gone. */
Test(nickname, it_is_the_users_until_the_last_session_ends)
{
	struct sip_call second = { .peer = NULL };
	struct msrp_peer msrp;

	meet("");
	cr_assert_eq(named(0, "Alice"), 200);
	second.peer = &three[0].peer;
	call_invite(&second, &three[0].peer, three[0].call.identity, "", "application/sdp",
		call_sdp(&second, "actpass", ""));
	cr_assert_eq(call_final(&second), 200);
	call_ack(&second);
	call_bind(&second, &msrp);
	cr_assert_eq(named_on(&second.leg, &msrp, "alice"), 200);
	call_bye(&three[0].call);
	cr_assert_eq(named(1, "Alice"), 425);
	call_bye(&second);
	cr_assert_eq(named(1, "Alice"), 200);
	peer_close(&msrp);
	part();
}

/* context.md 5.5: who is anonymous is called by the alias, and by nothing else. */
Test(nickname, an_anonymous_user_has_none)
{
	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "Privacy: id\r\n", true);
	cr_assert_eq(named(0, "Alice"), 403);
	cr_assert_eq(named(0, ""), 200);
	/* Her address is nobody's here: another may be called so, as if she were not there. */
	cr_assert_eq(named(1, "sip:alice@example.com"), 200);
	/* Nor may another have what the alias is called. */
	cr_assert_eq(named(1, "anonymous  1"), 425);
	cr_assert_eq(named(1, "Anonymous 2"), 200);
	part();
}

Test(nickname, subscribers_are_told_of_it)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	const struct view_user *user;
	char address[100];

	meet("  notify_interval: 0.1\n");
	snprintf(address, sizeof(address), "%s", three[2].call.leg.address);
	watch_begin(watch, &three[0].peer, three[0].call.identity);
	watch_status(watch, address, "connected");
	cr_assert_eq(named(2, "  The  Carol "), 200);
	for (;;) {
		user = conference_view_user(&watch->view, address);
		if (strcmp(user->display_text, "The Carol") == 0)
			break;
		cr_assert(watch_next(watch, RIG_WAIT_MS), "%s", watch->body);
	}
	cr_assert_str_eq(user->nickname, "The Carol");
	cr_assert_eq(named(2, ""), 200);
	for (;;) {
		user = conference_view_user(&watch->view, address);
		if (strcmp(user->display_text, "carol") == 0)
			break;
		cr_assert(watch_next(watch, RIG_WAIT_MS), "%s", watch->body);
	}
	part();
	conference_view_fini(&watch->view);
	free(watch);
}

Test(nickname, it_outlives_the_focus)
{
	meet("");
	cr_assert_eq(named(0, "Alice W"), 200);
	kill(rig.focus.pid, SIGKILL);
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), -2);
	rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
	cr_assert(rig_daemon_ready(&rig.focus, RIG_WAIT_MS));
	cr_assert(rig_log_has(&rig.focus, "switch attached", RIG_WAIT_MS));
	cr_assert_eq(named(1, "alice w"), 425);
	cr_assert_eq(named(0, "ALICE W"), 200);
	cr_assert_eq(named(0, ""), 200);
	cr_assert_eq(named(1, "alice w"), 200);
	part();
}
