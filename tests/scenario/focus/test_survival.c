/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival (design 4): the focus is killed and started again, or the switch, or both; dialogs,
 * rosters, timers and messages are as if nothing had happened. */
#include "tests/scenario/focus/cast.h"
#include "tests/scenario/focus/survive.h"

static struct sip_party three[3];

static void meet(const struct rig_options *options, unsigned count)
{
	sip_rig_start(&rig, options);
	party_meet(&rig, three, count, "", true);
}

static void part(unsigned count)
{
	party_close(three, count);
	sip_rig_stop(&rig);
}

/* An answer to its re-INVITE, with our Contact. */
static void agree(struct sip_peer *peer, const char *headers, const char *sdp)
{
	char all[512];

	snprintf(all, sizeof(all), "Contact: <sip:%s@%s:%u>\r\n%s", peer->name, peer->host,
		peer->port, headers);
	sip_reply(peer, &peer->message, 200, NULL, all, "application/sdp", sdp);
	cr_assert(sip_await_request(peer, "ACK", RIG_WAIT_MS));
}

/* One says it, all others hear it. */
static void say(
	struct sip_party *parties, unsigned count, unsigned who, const char *tid, const char *text)
{
	call_say(&parties[who].call, &parties[who].msrp, tid, "", text);
	cr_assert_eq(peer_status(&parties[who].msrp, tid), 200);
	for (unsigned i = 0; i < count; i++) {
		if (i == who)
			continue;
		cr_assert(peer_take(&parties[i].msrp, RIG_WAIT_MS), "%u heard nothing", i);
		HAS((const char *)parties[i].msrp.body, text);
	}
}

Test(survival, members_talk_while_the_focus_is_dead_and_after)
{
	char tid[16], text[32];

	meet(NULL, 3);
	say(three, 3, 0, "before01", "before");
	kill_it(&rig.focus);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(tid, sizeof(tid), "while%03u", i);
		snprintf(text, sizeof(text), "while dead %u", i);
		say(three, 3, i % 3, tid, text);
	}
	start_it(&rig.focus);
	cr_expect(rig_log_has(
		&rig.focus, "conferences of an earlier life conferences=1 dialogs=3", 1000));
	say(three, 3, 1, "after001", "after");
	part(3);
}

Test(survival, byes_of_old_dialogs_work_both_ways)
{
	meet(NULL, 3);
	kill_and_start_focus(&three[0].peer);
	call_bye(&three[1].call);
	say(three + 0, 1, 0, "still001", "still here"); /* nobody else hears it but carol */
	cr_assert(peer_take(&three[2].msrp, RIG_WAIT_MS));
	/* One remains: the policy of before applies, and the counts are right. */
	call_bye(&three[2].call);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	HAS(sip_header(&three[0].peer.message, "Reason"), "SIP;cause=410;text=\"Gone\"");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	/* Nothing of it is left for a third life. */
	kill_and_start_focus(&three[0].peer);
	cr_expect_not(rig_log_has(&rig.focus, "conferences of an earlier life", 200));
	part(3);
}

static unsigned cseq_of(const struct sip_message *message)
{
	return (unsigned)strtoul(sip_header(message, "CSeq"), NULL, 10);
}

Test(survival, our_cseq_goes_on_above_what_it_was_in_every_life)
{
	unsigned first;

	meet(NULL, 3);
	/* The dialog that we made: our INVITE had the first number. */
	first = cseq_of(&three[1].call.invite);
	kill_and_start_focus(&three[0].peer);
	kill_and_start_focus(&three[0].peer);
	call_bye(&three[2].call);
	call_bye(&three[0].call);
	cr_assert(call_byed(&three[1].call, RIG_WAIT_MS));
	cr_expect_geq(cseq_of(&three[1].peer.message), first + 2 * 65536);
	cr_expect_lt(cseq_of(&three[1].peer.message), first + 4 * 65536);
	part(3);
}

Test(survival, a_re_invite_of_an_old_dialog_moves_its_msrp)
{
	struct msrp_peer second;
	char offer[4096], *at;

	meet(NULL, 3);
	kill_and_start_focus(&three[0].peer);
	snprintf(offer, sizeof(offer), "%s", three[0].call.offer);
	at = strstr(offer, "/alice;tcp");
	cr_assert_not_null(at);
	memcpy(at, "/other;tcp", 10);
	call_request(&three[0].call, "INVITE", "", "application/sdp", offer);
	cr_assert_eq(call_final(&three[0].call), 200);
	call_ack(&three[0].call);
	call_bind(&three[0].call, &second);
	call_say(&three[0].call, &second, "moved001", "", "moved");
	cr_assert_eq(peer_status(&second, "moved001"), 200);
	cr_assert(peer_take(&three[1].msrp, RIG_WAIT_MS));
	HAS((const char *)three[1].msrp.body, "moved");
	peer_close(&second);
	part(3);
}

/* ---- session timers ---- */

static const struct rig_options quick_alone = {
	.sip = "  session_expires_s: 6\n  min_se_s: 2\n",
	.conference = ALONE,
};

Test(survival, where_we_refresh_we_refresh_after_a_restart_too)
{
	open_all(&quick_alone);
	cr_assert_eq(
		alone(&call, &alice, "Supported: timer\r\nSession-Expires: 6;refresher=uas\r\n"),
		200);
	HAS(sip_header(&alice.message, "Session-Expires"), "refresher=uas");
	call_ack(&call);
	kill_and_start_focus(&alice);
	for (unsigned round = 0; round < 2; round++) {
		cr_assert(sip_await_request(&alice, "INVITE", RIG_WAIT_MS));
		HAS(sip_header(&alice.message, "Session-Expires"), "refresher=uac");
		HAS(sip_header(&alice.message, "Contact"), "isfocus");
		agree(&alice, "Session-Expires: 6;refresher=uac\r\n", call.offer);
	}
	close_all();
}

Test(survival, a_session_that_expired_meanwhile_has_expired)
{
	open_all(&quick_alone);
	cr_assert_eq(alone(&call, &alice, "Supported: timer\r\n"), 200);
	call_ack(&call);
	settled(&alice);
	kill_it(&rig.focus);
	rig_pause(4500); /* 6 s less a third (RFC 4028 10) */
	start_it(&rig.focus);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Reason"), "Session expired");
	close_all();
}

Test(survival, a_refresh_of_theirs_keeps_the_session_after_a_restart)
{
	open_all(&quick_alone);
	cr_assert_eq(alone(&call, &alice, "Supported: timer\r\n"), 200);
	call_ack(&call);
	kill_and_start_focus(&alice);
	for (unsigned round = 0; round < 3; round++) {
		rig_pause(2000);
		call_request(
			&call, "UPDATE", "Supported: timer\r\nSession-Expires: 6\r\n", NULL, NULL);
		cr_assert_eq(call_answer_to(&call, "UPDATE"), 200);
		if (round == 1)
			kill_and_start_focus(&alice); /* the new deadline was stored */
	}
	call_bye(&call);
	close_all();
}

/* ---- what was not confirmed ---- */

Test(survival, a_200_without_ack_is_said_again)
{
	open_all(&(struct rig_options){ .conference = ALONE });
	cr_assert_eq(alone(&call, &alice, ""), 200);
	kill_it(&rig.focus);
	sip_listen(&alice, 100); /* what it still repeated */
	alice.repeated = 0;
	start_it(&rig.focus);
	sip_listen(&alice, 1500);
	cr_expect_gt(alice.repeated, 0, "the 200 did not come again");
	call_ack(&call);
	sip_listen(&alice, 100);
	alice.repeated = 0;
	sip_listen(&alice, 1500);
	cr_expect_eq(alice.repeated, 0, "the ACK was not taken");
	call_bye(&call);
	close_all();
}

Test(survival, a_repeated_invite_gets_its_200_again)
{
	struct sip_call again;

	open_all(&(struct rig_options){ .conference = ALONE });
	cr_assert_eq(alone(&call, &alice, ""), 200);
	kill_and_start_focus(&alice);
	sip_listen(&alice, 50);
	alice.repeated = 0;
	sip_write(&alice, call.sent, strlen(call.sent));
	sip_listen(&alice, 100);
	cr_expect_gt(alice.repeated, 0);
	call_ack(&call);
	again = call;
	call_bye(&again);
	/* There was but one. */
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	close_all();
}

Test(survival, a_200_of_an_invited_one_that_comes_again_is_acknowledged)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_accept(&bobs, "", call_sdp(&bobs, "active", ""));
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_acked(&bobs);
	kill_and_start_focus(&alice);
	call_accept(&bobs, "", bobs.offer);
	call_acked(&bobs);
	cr_expect(sip_nothing(&bob, 300), "it was ended");
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(survival, an_invitation_that_rang_is_cancelled_and_the_inviter_gets_503)
{
	char branch[200];

	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_ring(&bobs);
	snprintf(branch, sizeof(branch), "%s", sip_header(&bobs.invite, "Via"));
	kill_and_start_focus(&alice);
	cr_assert(sip_await_request(&bob, "CANCEL", RIG_WAIT_MS));
	cr_expect_str_eq(sip_header(&bob.message, "Via"), branch);
	cr_expect_str_eq(sip_header(&bob.message, "Call-ID"), sip_header(&bobs.invite, "Call-ID"));
	cr_expect_eq(cseq_of(&bob.message), cseq_of(&bobs.invite));
	sip_reply(&bob, &bob.message, 200, NULL, "", NULL, NULL);
	cr_assert_eq(call_final(&call), 503);
	/* He had accepted when it came: that is a dialog which nobody wants. */
	call_accept(&bobs, "", call_sdp(&bobs, "active", ""));
	cr_assert(sip_await_request(&bob, "ACK", RIG_WAIT_MS));
	cr_assert(sip_await_request(&bob, "BYE", RIG_WAIT_MS));
	sip_reply(&bob, &bob.message, 200, NULL, "", NULL, NULL);
	close_all();
}

Test(survival, a_bye_that_was_not_answered_is_said_again)
{
	meet(NULL, 3);
	call_bye(&three[1].call);
	call_bye(&three[2].call);
	cr_assert(sip_await_request(&three[0].peer, "BYE", RIG_WAIT_MS));
	HAS(sip_header(&three[0].peer.message, "Reason"), "cause=410");
	kill_and_start_focus(&three[0].peer);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	HAS(sip_header(&three[0].peer.message, "Reason"), "cause=410");
	part(3);
}

Test(survival, a_second_focus_on_the_same_store_is_refused)
{
	struct rig_daemon second;

	meet(NULL, 2);
	rig_daemon_start(&second, &rig, "PLENUM_FOCUS");
	cr_expect_eq(rig_daemon_ended(&second, RIG_WAIT_MS), 1);
	cr_expect(rig_log_has(&second, "another focus is running on this store", 0));
	say(three, 2, 0, "still001", "still here");
	kill_and_start_focus(&three[0].peer); /* with a log without that error */
	part(2);
}

Test(survival, without_a_store_nothing_survives)
{
	meet(&(struct rig_options){ .conference = "  store: \"\"\n" }, 2);
	kill_and_start_focus(&three[0].peer);
	call_request(&three[0].call, "BYE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&three[0].call, "BYE"), 481);
	part(2);
}

/* ---- the switch ---- */

/* Its re-INVITE to this party: answered with the same SDP as before, and bound. */
static void taken_back(struct sip_party *party)
{
	char old[300];

	snprintf(old, sizeof(old), "%s", party->call.leg.uri);
	cr_assert(sip_await_request(&party->peer, "INVITE", RIG_WAIT_MS));
	sip_body_line(
		&party->peer.message, "a=path:", party->call.leg.uri, sizeof(party->call.leg.uri));
	cr_expect_str_neq(party->call.leg.uri, old, "an old session-id");
	agree(&party->peer, "", call_sdp(&party->call, "active", ""));
	peer_close(&party->msrp);
	call_bind(&party->call, &party->msrp);
}

Test(survival, a_new_switch_gets_the_room_again_and_everybody_is_invited_anew)
{
	meet(NULL, 3);
	kill_it(&rig.the_switch);
	/* Meanwhile nobody is sent away, and nobody gets in. */
	cr_expect(sip_nothing(&three[0].peer, 500));
	sip_peer_open(&alice, &rig, "dave", SIP_TRUSTED, false);
	call_invite(&call, &alice, SIP_FACTORY, "", "application/sdp",
		(call.peer = &alice, call_sdp(&call, "actpass", "")));
	cr_expect_eq(call_final(&call), 503);
	sip_peer_close(&alice);
	start_it(&rig.the_switch);
	for (unsigned i = 0; i < 3; i++)
		taken_back(&three[i]);
	say(three, 3, 0, "again001", "here again");
	say(three, 3, 2, "again002", "me too");
	call_bye(&three[0].call);
	part(3);
}

Test(survival, a_switch_that_stops_finishes_and_the_next_one_gets_the_room)
{
	static const char cpim[] =
		"From: <%s>\r\nTo: <sip:anonymous@anonymous.invalid>\r\n\r\nContent-Type: text/plain\r\n\r\nthe beginning";
	struct msrp_peer *far = &three[1].msrp;
	unsigned waited;

	meet(&(struct rig_options){ .msrp = "  drain_s: 60\n" }, 3);
	peer_print(&three[0].msrp,
		"MSRP open0001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: open\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n",
		three[0].call.leg.uri, three[0].call.leg.path);
	peer_print(&three[0].msrp, cpim, three[0].call.leg.address);
	for (waited = 0; memmem(far->body, far->body_len, "the beginning", 13) == NULL; waited++) {
		cr_assert_lt(waited, RIG_WAIT_MS / 10, "the beginning did not come");
		cr_assert_not(peer_take(far, 10));
	}
	kill(rig.the_switch.pid, SIGTERM);
	cr_assert(rig_log_has(&rig.focus, "switch drains", RIG_WAIT_MS));
	/* Nobody gets in; who is in stays, and what was begun is ended. */
	sip_peer_open(&alice, &rig, "dave", SIP_TRUSTED, false);
	call_invite(&call, &alice, SIP_FACTORY, "", "application/sdp",
		(call.peer = &alice, call_sdp(&call, "actpass", "")));
	cr_expect_eq(call_final(&call), 503);
	HAS(sip_header(&alice.message, "Retry-After"), "5");
	sip_peer_close(&alice);
	peer_print(&three[0].msrp, ", the end\r\n-------open0001$\r\n");
	cr_assert_eq(peer_status(&three[0].msrp, "open0001"), 200);
	for (unsigned i = 1; i < 3; i++) {
		cr_assert(peer_take(&three[i].msrp, RIG_WAIT_MS));
		cr_assert_eq(three[i].msrp.chunk.flag, '$');
		cr_assert_not_null(memmem(
			three[i].msrp.body, three[i].msrp.body_len, "the beginning, the end", 22));
		cr_assert(peer_ends(&three[i].msrp, RIG_WAIT_MS));
	}
	cr_assert_eq(rig_daemon_ended(&rig.the_switch, RIG_WAIT_MS), 0);
	cr_expect(sip_nothing(&three[0].peer, 300));
	start_it(&rig.the_switch);
	for (unsigned i = 0; i < 3; i++)
		taken_back(&three[i]);
	say(three, 3, 0, "again001", "here again");
	part(3);
}

Test(survival, who_does_not_come_back_to_a_new_switch_gets_bye_480)
{
	meet(&(struct rig_options){ .msrp = "  rebind_s: 2\n" }, 3);
	kill_it(&rig.the_switch);
	start_it(&rig.the_switch);
	taken_back(&three[0]);
	taken_back(&three[1]);
	cr_assert(sip_await_request(&three[2].peer, "INVITE", RIG_WAIT_MS));
	agree(&three[2].peer, "", call_sdp(&three[2].call, "active", ""));
	cr_assert(call_byed(&three[2].call, RIG_WAIT_MS));
	HAS(sip_header(&three[2].peer.message, "Reason"),
		"SIP;cause=480;text=\"MSRP connection lost\"");
	say(three, 2, 0, "again001", "the two of us");
	part(3);
}

/* His request meets ours (RFC 3261 14.1); what he brings is as good as an answer. */
Test(survival, who_asks_first_is_taken_back_by_his_own_re_invite)
{
	struct sip_party *bobs_party = &three[1];

	meet(NULL, 3);
	kill_it(&rig.the_switch);
	start_it(&rig.the_switch);
	taken_back(&three[0]);
	taken_back(&three[2]);
	cr_assert(sip_await_request(&bobs_party->peer, "INVITE", RIG_WAIT_MS));
	sip_reply(&bobs_party->peer, &bobs_party->peer.message, 491, NULL, "", NULL, NULL);
	cr_assert(sip_await_request(&bobs_party->peer, "ACK", RIG_WAIT_MS));
	call_request(&bobs_party->call, "INVITE", "", "application/sdp",
		call_sdp(&bobs_party->call, "active", ""));
	cr_assert_eq(call_final(&bobs_party->call), 200);
	call_ack(&bobs_party->call);
	peer_close(&bobs_party->msrp);
	call_bind(&bobs_party->call, &bobs_party->msrp);
	say(three, 3, 1, "again001", "here again");
	/* So he is not asked once more; a mere refresh may come. */
	cr_expect_not(sip_await_request(&bobs_party->peer, "INVITE", 4500));
	part(3);
}

Test(survival, an_offer_that_met_a_request_is_made_again)
{
	struct sip_party *bobs_party = &three[1];

	meet(NULL, 3);
	kill_it(&rig.the_switch);
	start_it(&rig.the_switch);
	cr_assert(sip_await_request(&bobs_party->peer, "INVITE", RIG_WAIT_MS));
	sip_reply(&bobs_party->peer, &bobs_party->peer.message, 491, NULL, "", NULL, NULL);
	cr_assert(sip_await_request(&bobs_party->peer, "ACK", RIG_WAIT_MS));
	for (unsigned i = 0; i < 3; i++)
		taken_back(&three[i]);
	say(three, 3, 1, "again001", "here again");
	part(3);
}

Test(survival, who_does_not_take_the_new_offer_gets_bye_480)
{
	meet(&(struct rig_options){ .msrp = "  rebind_s: 2\n" }, 3);
	kill_it(&rig.the_switch);
	start_it(&rig.the_switch);
	taken_back(&three[0]);
	taken_back(&three[1]);
	cr_assert(sip_await_request(&three[2].peer, "INVITE", RIG_WAIT_MS));
	sip_reply(&three[2].peer, &three[2].peer.message, 488, NULL, "", NULL, NULL);
	cr_assert(sip_await_request(&three[2].peer, "ACK", RIG_WAIT_MS));
	cr_assert(call_byed(&three[2].call, RIG_WAIT_MS));
	HAS(sip_header(&three[2].peer.message, "Reason"),
		"SIP;cause=480;text=\"MSRP connection lost\"");
	part(3);
}

Test(survival, focus_and_switch_both_killed_come_back)
{
	meet(NULL, 3);
	settled(&three[0].peer);
	kill_it(&rig.focus);
	kill_it(&rig.the_switch);
	start_it(&rig.the_switch);
	start_it(&rig.focus);
	for (unsigned i = 0; i < 3; i++)
		taken_back(&three[i]);
	say(three, 3, 1, "again001", "here again");
	part(3);
}

/* A connection that was lost while nobody was attached has its time from then on. */
Test(survival, a_connection_lost_meanwhile_is_waited_for_and_then_ended)
{
	meet(&(struct rig_options){ .msrp = "  rebind_s: 1\n" }, 3);
	settled(&three[0].peer);
	kill_it(&rig.focus);
	peer_close(&three[2].msrp);
	rig_pause(200);
	start_it(&rig.focus);
	cr_assert(call_byed(&three[2].call, RIG_WAIT_MS));
	HAS(sip_header(&three[2].peer.message, "Reason"),
		"SIP;cause=480;text=\"MSRP connection lost\"");
	say(three, 2, 0, "still001", "the two of us");
	part(3);
}

/* A dialog whose route set goes by a proxy, which bob plays. */
Test(survival, the_route_set_is_kept)
{
	char headers[200], route[100];

	open_all(&(struct rig_options){ .conference = ALONE });
	snprintf(route, sizeof(route), "<sip:127.0.0.1:%u;lr>", bob.port);
	snprintf(headers, sizeof(headers), "Record-Route: %s\r\n", route);
	cr_assert_eq(alone(&call, &alice, headers), 200);
	call_ack(&call);
	kill_and_start_focus(&alice);
	kill_and_start_focus(&alice); /* also that of a record from two lives ago */
	cr_assert_eq(kill(rig.focus.pid, SIGTERM), 0);
	cr_assert(sip_await_request(&bob, "BYE", RIG_WAIT_MS));
	cr_expect_str_eq(sip_header(&bob.message, "Route"), route);
	HAS(bob.message.uri, "sip:alice@127.0.0.1");
	cr_expect_str_eq(sip_header(&bob.message, "Call-ID"), call.id);
	sip_reply(&bob, &bob.message, 200, NULL, "", NULL, NULL);
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
	start_it(&rig.focus);
	close_all();
}

/* Over TCP: connections end with the focus, dialogs do not. */
Test(survival, dialogs_over_tcp_go_on)
{
	struct sip_peer tcp;

	sip_rig_start(&rig, &(struct rig_options){ .conference = ALONE });
	sip_peer_open(&tcp, &rig, "alice", SIP_TRUSTED, true);
	call.peer = &tcp;
	cr_assert_eq(alone(&call, &tcp, ""), 200);
	call_ack(&call);
	settled(&tcp);
	kill_it(&rig.focus);
	start_it(&rig.focus);
	cr_assert_eq(kill(rig.focus.pid, SIGTERM), 0);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
	start_it(&rig.focus);
	sip_peer_close(&tcp);
	sip_rig_stop(&rig);
}

Test(survival, how_long_a_conference_may_last_counts_from_its_beginning)
{
	open_all(&(struct rig_options){ .conference = ALONE "  max_duration: 3\n" });
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	settled(&alice);
	kill_it(&rig.focus);
	rig_pause(3000);
	start_it(&rig.focus);
	cr_assert(call_byed(&call, 2000)); /* and not three seconds from now */
	HAS(sip_header(&alice.message, "Reason"), "Session too long");
	close_all();
}
