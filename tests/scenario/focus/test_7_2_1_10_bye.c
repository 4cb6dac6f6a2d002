/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.10: a BYE from a participant. */
#include "tests/scenario/focus/cast.h"

static struct sip_party three[3];

Test(CF_7_2_1_10, R1_a_bye_is_answered_200_and_the_others_go_on)
{
	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	call_request(&three[2].call, "BYE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&three[2].call, "BYE"), 200);
	REQ("CF-7.2.1.10-R1");
	cr_assert(sip_nothing(&three[0].peer, 200));
	cr_assert(sip_nothing(&three[1].peer, 10));
	call_say(&three[0].call, &three[0].msrp, "goon0001", "", "go on");
	cr_assert_eq(peer_status(&three[0].msrp, "goon0001"), 200);
	cr_assert(peer_take(&three[1].msrp, RIG_WAIT_MS));
	HAS((const char *)three[1].msrp.body, "go on");
	/* Her leg is gone: nothing reaches her, and what she says reaches nobody. */
	cr_assert_not(peer_take(&three[2].msrp, 200) && three[2].msrp.chunk.method == METHOD_SEND);
	if (!three[2].msrp.closed) {
		call_say(&three[2].call, &three[2].msrp, "late0001", "", "late");
		cr_assert_neq(peer_status(&three[2].msrp, "late0001"), 200);
	}
	REQ("CF-7.2.1.10-R2");
	party_close(three, 3);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_10, R3_when_one_remains_everybody_is_removed)
{
	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	/* The inviter may go as any other. */
	call_bye(&three[0].call);
	cr_assert(sip_nothing(&three[1].peer, 200));
	call_bye(&three[1].call);
	cr_assert(call_byed(&three[2].call, RIG_WAIT_MS));
	HAS(sip_header(&three[2].peer.message, "Reason"), "SIP;cause=410;text=\"Gone\"");
	REQ("CF-7.2.1.10-R3");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	party_close(three, 3);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_10, a_bye_before_the_answer_ends_the_invite)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_ring(&bobs);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	{
		struct sip_call early = call;

		/* RFC 3261 15.1.2: within the early dialog. */
		snprintf(
			early.remote, sizeof(early.remote), "%s", sip_header(&alice.message, "To"));
		call_request(&early, "BYE", "", NULL, NULL);
		cr_assert_eq(call_answer_to(&early, "BYE"), 200);
	}
	cr_assert_eq(call_final(&call), 487);
	cr_assert(sip_await_request(&bob, "CANCEL", RIG_WAIT_MS));
	sip_reply(&bob, &bob.message, 200, bobs.tag, "", NULL, NULL);
	call_reject(&bobs, 487, "");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	close_all();
}

Test(CF_7_2_1_10, a_stray_bye_gets_481)
{
	const struct rig_options options = { .conference = ALONE };

	open_all(&options);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	call_bye(&call);
	call_request(&call, "BYE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "BYE"), 481);
	/* A re-INVITE of a dialog that is over likewise. */
	call_request(&call, "INVITE", "", "application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 481);
	close_all();
}
