/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.9: Removal of Participant from IM Session, for each of the reasons there are. */
#include <signal.h>
#include "tests/scenario/focus/cast.h"

static struct sip_party three[3];

static void meet(const struct rig_options *options, unsigned count, bool with_msrp)
{
	sip_rig_start(&rig, options);
	party_meet(&rig, three, count, "", with_msrp);
}

static void part(unsigned count)
{
	party_close(three, count);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_9, S1_the_last_one_is_removed_by_bye)
{
	struct sip_message *bye = &three[0].peer.message;
	char target[100];

	meet(NULL, 2, true);
	call_bye(&three[1].call);
	cr_assert(sip_await_request(&three[0].peer, "BYE", RIG_WAIT_MS));
	/* RFC 3261 12.2.1.1: to the remote target, within the dialog. */
	snprintf(target, sizeof(target), "sip:alice@127.0.0.1:%u", three[0].peer.port);
	cr_assert_str_eq(bye->uri, target);
	cr_assert_str_eq(sip_header(bye, "Call-ID"), three[0].call.id);
	cr_assert_str_eq(sip_header(bye, "From"), three[0].call.remote);
	cr_assert_str_eq(sip_header(bye, "To"), three[0].call.local);
	HAS(sip_header(bye, "CSeq"), " BYE");
	HAS(sip_header(bye, "Reason"), "SIP;cause=410;text=\"Gone\"");
	HAS(sip_header(bye, "User-Agent"), "IM-serv/OMA1.0");
	REQ("CF-7.2.1.9-S1");
	REQ("CF-7.2.1.9-S2");
	sip_reply(&three[0].peer, bye, 200, NULL, "", NULL, NULL);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	part(2);
}

static unsigned said(struct sip_party *party, const char *tid)
{
	call_say(&party->call, &party->msrp, tid, "", "anybody?");
	return peer_status(&party->msrp, tid);
}

Test(CF_7_2_1_9, OK1_the_leg_is_released_when_the_bye_is_answered)
{
	struct sip_party *leaver = &three[1];
	bool released = false;

	/* Bob's session is short, and he does not refresh it; the room goes on. */
	sip_rig_start(&rig, NULL);
	for (unsigned i = 0; i < 3; i++)
		sip_peer_open(&three[i].peer, &rig,
			i == 0   ? "alice"
			: i == 1 ? "bob"
				 : "carol",
			SIP_TRUSTED, false);
	call_factory(&three[0].call, &three[0].peer, "", &three[1].peer, &three[2].peer, NULL);
	for (unsigned i = 1; i < 3; i++) {
		struct sip_call *who = &three[i].call;

		call_incoming(who, &three[i].peer);
		snprintf(who->leg.address, sizeof(who->leg.address), "%s", who->invite.uri);
		call_accept(who,
			i == 1 ? "Require: timer\r\nSession-Expires: 2;refresher=uas\r\n" : "",
			call_sdp(who, "active", ""));
		call_acked(who);
	}
	cr_assert_eq(call_final(&three[0].call), 200);
	call_ack(&three[0].call);
	for (unsigned i = 0; i < 3; i++)
		call_bind(&three[i].call, &three[i].msrp);
	cr_assert(sip_await_request(&leaver->peer, "BYE", 4000));
	cr_assert_eq(said(leaver, "before01"), 200, "released before the BYE was answered");
	sip_reply(&leaver->peer, &leaver->peer.message, 200, NULL, "", NULL, NULL);
	for (unsigned tries = 0; tries < 50 && !released; tries++) {
		char tid[16];

		snprintf(tid, sizeof(tid), "after%03u", tries);
		released = said(leaver, tid) != 200;
		rig_pause(20);
	}
	cr_assert(released, "the leg of the removed one still takes messages");
	cr_assert_eq(said(&three[2], "others01"), 200);
	REQ("CF-7.2.1.9-OK1");
	cr_assert(sip_nothing(&three[0].peer, 10));
	part(3);
}

Test(CF_7_2_1_9, one_who_never_binds_is_removed)
{
	const struct rig_options options = { .msrp = "  bind_s: 0.8\n", .conference = ALONE };

	meet(&options, 3, false);
	call_bind(&three[0].call, &three[0].msrp);
	call_bind(&three[1].call, &three[1].msrp);
	cr_assert(call_byed(&three[2].call, 4000));
	HAS(sip_header(&three[2].peer.message, "Reason"), "SIP;cause=408;text=\"MSRP not bound\"");
	cr_assert(sip_nothing(&three[0].peer, 1000));
	cr_assert(sip_nothing(&three[1].peer, 10));
	part(3);
}

Test(CF_7_2_1_9, one_who_loses_the_connection_is_removed_after_rebind_s)
{
	const struct rig_options options = { .msrp = "  rebind_s: 1\n" };

	meet(&options, 3, true);
	peer_close(&three[2].msrp);
	cr_assert(sip_nothing(&three[2].peer, 600), "too early");
	cr_assert(call_byed(&three[2].call, 3000));
	HAS(sip_header(&three[2].peer.message, "Reason"),
		"SIP;cause=480;text=\"MSRP connection lost\"");
	cr_assert(sip_nothing(&three[0].peer, 100));
	part(3);
}

Test(CF_7_2_1_9, one_who_comes_back_in_time_stays)
{
	const struct rig_options options = { .msrp = "  rebind_s: 1.5\n" };
	struct sip_party *carols_party = &three[2];
	char offer[4096];

	meet(&options, 3, true);
	peer_close(&carols_party->msrp);
	rig_pause(200);
	snprintf(offer, sizeof(offer), "%s", call_sdp(&carols_party->call, "active", ""));
	memcpy(strstr(offer, "/carol;tcp"), "/again;tcp", 10);
	call_request(&carols_party->call, "INVITE", "", "application/sdp", offer);
	cr_assert_eq(call_final(&carols_party->call), 200);
	call_ack(&carols_party->call);
	call_bind(&carols_party->call, &carols_party->msrp);
	cr_assert(sip_nothing(&carols_party->peer, 2500), "removed all the same");
	call_say(&carols_party->call, &carols_party->msrp, "back0001", "", "I am back");
	cr_assert_eq(peer_status(&carols_party->msrp, "back0001"), 200);
	part(3);
}

Test(CF_7_2_1_9, an_idle_room_ends)
{
	const struct rig_options options = { .conference = "  idle_release: 1\n" };

	meet(&options, 3, true);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(call_byed(&three[i].call, 4000));
		HAS(sip_header(&three[i].peer.message, "Reason"),
			"SIP;cause=480;text=\"Session idle\"");
	}
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	part(3);
}

Test(CF_7_2_1_9, a_focus_that_stops_says_bye_to_all)
{
	meet(NULL, 3, true);
	kill(rig.focus.pid, SIGTERM);
	/* It waits for the answers, and a BYE that is lost is said again. */
	three[0].peer.repeated = 0;
	sip_listen(&three[0].peer, 800);
	cr_assert_geq(three[0].peer.repeated, 1);
	cr_assert_eq(rig_daemon_ended(&rig.focus, 0), -1);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(call_byed(&three[i].call, 4000));
		HAS(sip_header(&three[i].peer.message, "Reason"), "SIP;cause=503");
	}
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
	part(3);
}

/* A participant whose BYE and ours cross: both are answered, the room ends once. */
Test(CF_7_2_1_9, byes_that_cross_are_both_answered)
{
	meet(NULL, 2, true);
	call_bye(&three[1].call);
	cr_assert(sip_await_request(&three[0].peer, "BYE", RIG_WAIT_MS));
	call_bye(&three[0].call);
	sip_reply(&three[0].peer, &three[0].peer.message, 200, NULL, "", NULL, NULL);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	cr_assert(sip_focus_lives(&three[0].peer));
	part(2);
}
