/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.8: REFERs with method=BYE, of others and of oneself. */
#include "tests/scenario/focus/refer_cast.h"
#include "tests/scenario/focus/survive.h"
#include "tests/scenario/focus/watch.h"

#define REMOVED "SIP;cause=403;text=\"Removed\""

/* uri with method=BYE, in a static buffer. */
static const char *bye(const char *uri)
{
	static char text[300];

	snprintf(text, sizeof(text), "%s;method=BYE", uri);
	return text;
}

/* An INVITE to the session's identity by somebody who is asserted as this URI; its status. */
static unsigned rejoin(
	struct sip_call *who, struct sip_peer *peer, const char *identity, const char *asserted)
{
	char headers[200];

	who->peer = peer;
	snprintf(headers, sizeof(headers), "P-Asserted-Identity: <%s>\r\n", asserted);
	call_invite(who, peer, identity, headers, "application/sdp", call_sdp(who, "actpass", ""));
	return call_final(who);
}

Test(CF_7_2_1_8, the_creator_expels_a_participant_who_stays_out)
{
	struct sip_call again = { 0 };
	struct sip_message kept;

	meet(3, true, NULL);
	cr_assert_eq(refer(&party[0].call, bye(at(&party[1].peer)), ""), 202);
	REQ("CF-7.2.1.8-R1");
	REQ("CF-7.2.1.8-R2");
	REQ("CF-7.2.1.8-R2a-i");
	REQ("CF-7.2.1.8-R2a-iv");
	EQ(sip_header(&party[0].peer.message, "Supported"), "");
	told_trying(&party[0].peer);
	/* The outcome is that of the BYE: not before it was answered. */
	cr_assert(sip_await_request(&party[1].peer, "BYE", RIG_WAIT_MS));
	EQ(sip_header(&party[1].peer.message, "Reason"), REMOVED);
	EQ(sip_header(&party[1].peer.message, "Call-ID"), party[1].call.id);
	REQ("CF-7.2.1.8-R2a-v");
	cr_assert(sip_nothing(&party[0].peer, 200));
	kept = party[1].peer.message;
	sip_reply(&party[1].peer, &kept, 200, NULL, "", NULL, NULL);
	told_last(&party[0].peer, DONE);
	REQ("CF-7.2.1.8-R2a-ix");
	REQ("CF-7.2.1.8-R3");
	/* The others go on; what is said from now on he does not hear. */
	call_say(&party[0].call, &party[0].msrp, "goon0001", "", "without bob");
	cr_assert_eq(peer_status(&party[0].msrp, "goon0001"), 200);
	do
		cr_assert(peer_take(&party[2].msrp, RIG_WAIT_MS));
	while (memmem(party[2].msrp.body, party[2].msrp.body_len, "without bob",
		       strlen("without bob")) == NULL);
	while (peer_take(&party[1].msrp, 200))
		if (party[1].msrp.chunk.method == METHOD_SEND)
			cr_assert_null(memmem(party[1].msrp.body, party[1].msrp.body_len,
				"without bob", strlen("without bob")));
	/* Until the session ends he may neither come back nor be asked in (context.md 3.5). */
	cr_assert_eq(
		rejoin(&again, &party[1].peer, party[0].call.identity, at(&party[1].peer)), 403);
	EQ(sip_header(&party[1].peer.message, "Warning"), WARNING("User is not authorised"));
	cr_assert_eq(refer(&party[2].call, at(&party[1].peer), ""), 403);
	EQ(sip_header(&party[2].peer.message, "Warning"), WARNING("User is not authorised"));
	part(3);
}

Test(CF_7_2_1_8, R1a_who_may_not_expel_gets_403)
{
	meet(3, false, NULL);
	cr_assert_eq(refer(&party[1].call, bye("sip:alice@example.com"), ""), 403);
	REQ("CF-7.2.1.8-R1a");
	EQ(sip_header(&party[1].peer.message, "Warning"), WARNING("User is not authorised"));
	REQ("CF-7.2.1.8-R1b");
	cr_assert(sip_nothing(&party[0].peer, 200));
	cr_assert_eq(refer_outside(&party[0].peer, party[0].call.identity, NULL,
			     bye(at(&party[1].peer)), ""),
		403);
	EQ(sip_header(&party[0].peer.message, "Warning"), WARNING("Originator not authenticated"));
	cr_assert(sip_nothing(&party[1].peer, 100));
	part(3);
}

Test(CF_7_2_1_8, after_the_creator_who_was_there_first_may)
{
	meet(4, false, NULL);
	call_bye(&party[0].call);
	cr_assert_eq(refer(&party[2].call, bye(at(&party[3].peer)), "Refer-Sub: false\r\n"), 403);
	cr_assert_eq(refer(&party[1].call, bye(at(&party[3].peer)), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&party[3].call, RIG_WAIT_MS));
	EQ(sip_header(&party[3].peer.message, "Reason"), REMOVED);
	part(4);
}

Test(CF_7_2_1_8, R2_refer_to_may_name_the_session_which_the_referrer_then_leaves)
{
	struct sip_call again = { 0 };
	unsigned first, bye_cseq;

	meet(3, false, NULL);
	/* Own removal is always allowed. */
	cr_assert_eq(refer(&party[1].call, bye(party[1].call.identity), ""), 202);
	REQ("CF-7.2.1.8-R2a-i");
	told_trying(&party[1].peer);
	first = (unsigned)strtoul(sip_header(&party[1].peer.message, "CSeq"), NULL, 10);
	cr_assert(sip_await_request(&party[1].peer, "BYE", RIG_WAIT_MS));
	EQ(sip_header(&party[1].peer.message, "Reason"), "");
	bye_cseq = (unsigned)strtoul(sip_header(&party[1].peer.message, "CSeq"), NULL, 10);
	sip_reply(&party[1].peer, &party[1].peer.message, 200, NULL, "", NULL, NULL);
	/* The NOTIFY follows in the same dialog, whose INVITE is over (RFC 5057). */
	told_last(&party[1].peer, DONE);
	EQ(sip_header(&party[1].peer.message, "Call-ID"), party[1].call.id);
	cr_assert_eq(bye_cseq, first + 1);
	cr_assert_eq(
		(unsigned)strtoul(sip_header(&party[1].peer.message, "CSeq"), NULL, 10), first + 2);
	cr_assert(sip_nothing(&party[0].peer, 100));
	cr_assert(sip_nothing(&party[2].peer, 10));
	/* Who left may come back. */
	cr_assert_eq(
		rejoin(&again, &party[1].peer, party[0].call.identity, at(&party[1].peer)), 200);
	call_ack(&again);
	/* By its own name it leaves as well. */
	cr_assert_eq(refer(&again, bye(at(&party[1].peer)), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&again, RIG_WAIT_MS));
	EQ(sip_header(&party[1].peer.message, "Reason"), "");
	part(3);
}

Test(CF_7_2_1_8, R2b_neither_a_session_nor_a_participant)
{
	meet(2, false, NULL);
	/* No such session. */
	cr_assert_eq(
		refer(&party[0].call, bye("sip:im-abcdefghijklmnopqrstuvwxyz@example.com"), ""),
		403);
	REQ("CF-7.2.1.8-R2b-i");
	EQ(sip_header(&party[0].peer.message, "Warning"), WARNING("Session does not exist"));
	REQ("CF-7.2.1.8-R2b-iw");
	/* A session that he who asks is not in. */
	cr_assert_eq(refer_outside(&dave, party[0].call.identity, "sip:dave@example.com",
			     bye(party[0].call.identity), ""),
		403);
	EQ(sip_header(&dave.message, "Warning"), WARNING("User is not authorised"));
	cr_assert_eq(refer_outside(&dave, party[0].call.identity, "sip:dave@example.com",
			     bye(at(&party[1].peer)), ""),
		403);
	/* One who is not in. */
	cr_assert_eq(refer(&party[0].call, bye("sip:nobody@example.com"), ""), 403);
	EQ(sip_header(&party[0].peer.message, "Warning"), WARNING("User is not authorised"));
	cr_assert(sip_nothing(&party[0].peer, 100));
	cr_assert(sip_nothing(&party[1].peer, 100));
	part(2);
}

Test(CF_7_2_1_8, outside_a_dialog_and_without_a_subscription)
{
	meet(4, false, NULL);
	cr_assert_eq(refer_outside(&party[0].peer, party[0].call.identity, "sip:alice@example.com",
			     bye(at(&party[1].peer)), ""),
		202);
	EQ(sip_header(&party[0].peer.message, "Supported"), "norefersub");
	REQ("CF-7.2.1.8-R2a-ii");
	EQ(sip_header(&party[0].peer.message, "Refer-Sub"), "");
	told_trying(&party[0].peer);
	cr_assert(call_byed(&party[1].call, RIG_WAIT_MS));
	told_last(&party[0].peer, DONE);
	cr_assert_eq(refer_outside(&party[0].peer, party[0].call.identity, "sip:alice@example.com",
			     bye(at(&party[2].peer)), "Refer-Sub: false\r\n"),
		202);
	EQ(sip_header(&party[0].peer.message, "Refer-Sub"), "false");
	REQ("CF-7.2.1.8-R2a-iii");
	cr_assert(call_byed(&party[2].call, RIG_WAIT_MS));
	cr_assert(sip_nothing(&party[0].peer, 300));
	part(4);
}

Test(CF_7_2_1_8, R2a_vi_when_one_remains_everybody_is_removed)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, bye(at(&party[1].peer)), ""), 202);
	told_trying(&party[0].peer);
	cr_assert(call_byed(&party[1].call, RIG_WAIT_MS));
	cr_assert(call_byed(&party[0].call, RIG_WAIT_MS));
	EQ(sip_header(&party[0].peer.message, "Reason"), "SIP;cause=410;text=\"Gone\"");
	REQ("CF-7.2.1.8-R2a-vi");
	told_last(&party[0].peer, DONE);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	part(2);
}

Test(CF_7_2_1_8, a_list_may_expel_several_and_add_others)
{
	char entries[600], one[200], two[200], three[200];

	meet(4, false, NULL);
	snprintf(entries, sizeof(entries),
		"<entry uri=\"%s;method=BYE\"/><entry uri=\"%s;method=BYE\"/><entry uri=\"%s\"/>",
		at(&party[1].peer), at(&party[2].peer), at(&erin));
	cr_assert_eq(refer_list(&party[0].call, entries, ""), 202);
	told_trying(&party[0].peer);
	snprintf(one, sizeof(one), "SIP/2.0 200 OK\r\nTo: <%s>\r\n", at(&party[1].peer));
	snprintf(two, sizeof(two), "SIP/2.0 200 OK\r\nTo: <%s>\r\n", at(&party[2].peer));
	snprintf(three, sizeof(three), "SIP/2.0 200 OK\r\nTo: <%s>\r\n", at(&erin));
	cr_assert(call_byed(&party[1].call, RIG_WAIT_MS));
	EQ(sip_header(&party[1].peer.message, "Reason"), REMOVED);
	told(&party[0].peer, "active;expires=", one);
	cr_assert(call_byed(&party[2].call, RIG_WAIT_MS));
	told(&party[0].peer, "active;expires=", two);
	call_incoming(&erins, &erin);
	accept_it(&erins);
	told_last(&party[0].peer, three);
	cr_assert(sip_nothing(&party[3].peer, 100));
	part(4);
}

Test(CF_7_2_1_8, an_invitation_is_taken_back)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[1].call, at(&dave), ""), 202);
	told_trying(&party[1].peer);
	call_incoming(&daves, &dave);
	call_ring(&daves);
	cr_assert_eq(refer(&party[0].call, bye(at(&dave)), ""), 202);
	told_trying(&party[0].peer);
	told_last(&party[0].peer, DONE);
	cr_assert(sip_await_request(&dave, "CANCEL", RIG_WAIT_MS));
	sip_reply(&dave, &dave.message, 200, daves.tag, "", NULL, NULL);
	call_reject(&daves, 487, "");
	told_last(&party[1].peer, "SIP/2.0 487 Request Terminated\r\n");
	part(2);
}

Test(CF_7_2_1_8, all_devices_of_a_user_are_expelled)
{
	struct sip_call second = { 0 };

	meet(3, false, NULL);
	cr_assert_eq(rejoin(&second, &dave, party[0].call.identity, at(&party[1].peer)), 200);
	call_ack(&second);
	cr_assert_eq(refer(&party[0].call, bye(at(&party[1].peer)), ""), 202);
	told_trying(&party[0].peer);
	cr_assert(call_byed(&party[1].call, RIG_WAIT_MS));
	cr_assert(sip_nothing(&party[0].peer, 200), "the other device is still there");
	cr_assert(call_byed(&second, RIG_WAIT_MS));
	told_last(&party[0].peer, DONE);
	part(3);
}

Test(CF_7_2_1_8, a_bye_that_crosses_is_an_outcome_too)
{
	meet(3, false, NULL);
	cr_assert_eq(refer(&party[0].call, bye(at(&party[1].peer)), ""), 202);
	told_trying(&party[0].peer);
	cr_assert(sip_await_request(&party[1].peer, "BYE", RIG_WAIT_MS));
	call_bye(&party[1].call);
	told_last(&party[0].peer, DONE);
	part(3);
}

Test(CF_7_2_1_8, what_a_refer_did_and_may_do_outlives_the_focus)
{
	struct sip_call again = { 0 };

	meet(4, false, NULL);
	cr_assert_eq(refer(&party[0].call, bye(at(&party[3].peer)), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&party[3].call, RIG_WAIT_MS));

	kill_and_start_focus(&party[0].peer);
	/* In dialogs of before: who made the session expels, others do not, and add. */
	cr_assert_eq(refer(&party[1].call, bye(at(&party[2].peer)), ""), 403);
	cr_assert_eq(refer(&party[1].call, at(&dave), ""), 202);
	told_trying(&party[1].peer);
	EQ(sip_header(&party[1].peer.message, "Call-ID"), party[1].call.id);
	call_incoming(&daves, &dave);
	HAS(sip_header(&daves.invite, "Referred-By"), at(&party[1].peer));
	accept_it(&daves);
	told_last(&party[1].peer, DONE);
	cr_assert_eq(refer(&party[0].call, bye(at(&party[2].peer)), ""), 202);
	told_trying(&party[0].peer);
	cr_assert(call_byed(&party[2].call, RIG_WAIT_MS));
	EQ(sip_header(&party[2].peer.message, "Reason"), REMOVED);
	told_last(&party[0].peer, DONE);
	/* Who was expelled, in that life or in this, stays out. */
	cr_assert_eq(
		rejoin(&again, &party[3].peer, party[0].call.identity, at(&party[3].peer)), 403);
	cr_assert_eq(
		rejoin(&again, &party[2].peer, party[0].call.identity, at(&party[2].peer)), 403);
	part(4);
}

#define MAY_EXPEL "<ox:allow-expelling>true</ox:allow-expelling>"
#define MAY_SEE   "<allow-conference-state>true</allow-conference-state>"

Test(CF_7_2_1_8, of_a_group_whom_its_rules_let)
{
	struct sip_call again = { 0 };

	group_open(
		GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY) RULE(ONE("bob"), MAY_EXPEL))));
	enter(&call, &alice);
	enter(&bobs, &bob);
	enter(&carols, &carol);
	/* The one who made the session has no right of its own. */
	cr_assert_eq(refer(&call, bye("sip:bob@example.com"), ""), 403);
	cr_assert_eq(refer(&bobs, bye("sip:carol@example.com"), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&carols, RIG_WAIT_MS));
	EQ(sip_header(&carol.message, "Reason"), REMOVED);
	cr_assert_eq(ask_team(&again, &carol, ""), 403);
	/* The Group Identity names the session as well. */
	cr_assert_eq(refer(&call, bye(TEAM), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	group_close();
}

Test(CF_7_2_1_8, R2a_vii_the_subscription_of_the_expelled_ends)
{
	static const struct rig_options fast = { .conference = "  notify_interval: 0.2\n" };
	static struct watch b, c;

	open_group(&fast, GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY MAY_SEE MAY_EXPEL))));
	enter(&call, &alice);
	enter(&bobs, &bob);
	enter(&carols, &carol);
	cr_assert_eq(watch_within(&b, &bobs, ""), 200);
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	watch_begin(&c, &carol, TEAM);
	cr_assert_eq(refer(&call, bye("sip:bob@example.com"), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	watch_ended(&b, "noresource");
	REQ("CF-7.2.1.8-R2a-vii");
	/* The others hear that he was, and go on hearing. */
	watch_status(&c, "sip:bob@example.com", "disconnected");
	EQ(watch_method(&c, "sip:bob@example.com"), "booted");
	HAS(c.state, "active");
	conference_view_fini(&b.view);
	conference_view_fini(&c.view);
	close_all();
}

Test(CF_7_2_1_8, an_anonymous_one_is_expelled_by_its_alias_only)
{
	static struct watch b;
	const struct view_user *hidden = NULL;
	char alias[200];

	group_open(GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY MAY_HIDE MAY_SEE MAY_EXPEL))));
	enter(&bobs, &bob);
	cr_assert_eq(ask_team(&call, &alice, "Privacy: id\r\n"), 200);
	call_ack(&call);
	enter(&carols, &carol);
	watch_begin(&b, &bob, TEAM);
	for (unsigned i = 0; i < b.view.user_count_known; i++)
		if (strstr(b.view.users[i].entity, "@anonymous.invalid") != NULL)
			hidden = &b.view.users[i];
	cr_assert_not_null(hidden, "%s", b.body);
	snprintf(alias, sizeof(alias), "%s", hidden->entity);
	cr_assert_eq(refer(&bobs, bye("sip:alice@example.com"), "Refer-Sub: false\r\n"), 403);
	cr_assert(sip_nothing(&alice, 100));
	cr_assert_eq(refer(&bobs, bye(alias), "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	conference_view_fini(&b.view);
	group_close();
}

Test(CF_7_2_1_8, IMS_the_core_asserts_who_asks_and_stands_between)
{
	char headers[600], via[100];
	struct sip_peer core;

	meet(3, false, NULL);
	sip_peer_open(&core, &rig, "scscf", SIP_TRUSTED, false);
	snprintf(via, sizeof(via), "sip:%s:%u", core.host, core.port);
	snprintf(headers, sizeof(headers),
		"P-Asserted-Identity: <tel:+15550111>, \"Alice\" <sip:alice@example.com>\r\n"
		"P-Charging-Vector: icid-value=1234;orig-ioi=example.com\r\n"
		"Record-Route: <%s;lr>\r\nRefer-To: <%s>\r\nContact: <sip:alice@192.0.2.7>\r\n",
		via, bye(at(&party[1].peer)));
	outside.no_identity = true;
	call_outside(&outside, &core, "REFER", party[0].call.identity, headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&outside, "REFER"), 202);
	HAS(sip_header(&core.message, "Record-Route"), via);
	told_trying(&core);
	EQ(core.message.uri, "sip:alice@192.0.2.7");
	HAS(sip_header(&core.message, "Route"), via);
	cr_assert(call_byed(&party[1].call, RIG_WAIT_MS));
	told_last(&core, DONE);
	REQ("CF-7.2.1.8-IMS");
	sip_peer_close(&core);
	part(3);
}
