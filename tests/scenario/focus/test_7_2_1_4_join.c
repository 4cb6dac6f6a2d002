/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.4: Joining Pre-defined IM Group Session, and the order of its refusals (context.md 3.3). */
#include "tests/scenario/focus/group_cast.h"

#define BAD_SDP                                                                                    \
	"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"                \
	"m=audio 4000 RTP/AVP 0\r\n"
#define HISTORY_OPTIONS "  history_users: [\"sip:history@example.com\"]\n"

Test(CF_7_2_1_4, R1_a_focus_is_not_let_in)
{
	open_group(NULL, CHATTING);
	enter(&call, &alice);
	cr_assert_eq(ask_team(&bobs, &bob, "Contact: <sip:bob@127.0.0.1:5060>;isfocus\r\n"), 403);
	warned(&bob, "isfocus already assigned");
	cr_assert_eq(ask_team(&bobs, &bob, "Contact: <sip:bob@127.0.0.1:5060;isfocus>\r\n"), 403);
	warned(&bob, "isfocus already assigned");
	REQ("CF-7.2.1.4-R1a");
	enter(&bobs, &bob);
	REQ("CF-7.2.1.4-R1");
	call_bye(&call);
	call_bye(&bobs);
	close_all();
}

Test(CF_7_2_1_4, R2_who_may_not_join_is_refused)
{
	struct sip_peer dave;
	struct sip_call daves = { 0 };

	/* Bob may initiate, but not join; Dave, whom no list has, may by a rule of his own. */
	open_group(NULL, GROUP(LIST(ENTRY("alice") ENTRY("bob")) RULES(RULE(ONE("alice"), MAY) RULE(
				 ONE("bob"), MAY_INITIATE "<join-handling>false</join-handling>")
					 RULE(ONE("dave"), MAY_JOIN))));
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	enter(&call, &alice);
	cr_assert_eq(ask_team(&bobs, &bob, ""), 403);
	REQ("CF-7.2.1.4-R2a");
	warned(&bob, "User is not authorised");
	REQ("CF-7.2.1.4-R2b");
	cr_assert_eq(ask_team(&carols, &carol, ""), 403);
	warned(&carol, "User is not authorised");
	enter(&daves, &dave);
	REQ("CF-7.2.1.4-R2");
	call_bye(&call);
	call_bye(&daves);
	sip_peer_close(&dave);
	close_all();
}

Test(CF_7_2_1_4, R3_a_full_group_lets_nobody_in)
{
	struct sip_call second = { 0 };

	open_group(NULL, GROUP(MEMBERS MAXIMUM("2") MEMBERS_MAY));
	enter(&call, &alice);
	enter(&bobs, &bob);
	cr_assert_eq(ask_team(&carols, &carol, ""), 486);
	warned(&carol, "Too many participants");
	REQ("CF-7.2.1.4-R3b");
	/* Bob takes no second place on another device. */
	enter(&second, &bob);
	call_bye(&second);
	call_bye(&bobs);
	enter(&carols, &carol);
	REQ("CF-7.2.1.4-R3");
	call_bye(&call);
	call_bye(&carols);
	close_all();
}

Test(CF_7_2_1_4, R3_the_default_is_the_operators)
{
	const struct rig_options options = { .conference = "  max_group_size: 2\n" };

	open_group(&options, CHATTING);
	enter(&call, &alice);
	enter(&bobs, &bob);
	cr_assert_eq(ask_team(&carols, &carol, ""), 486);
	warned(&carol, "Too many participants");
	call_bye(&call);
	call_bye(&bobs);
	close_all();
}

Test(CF_7_2_1_4, R3_pending_invitations_count)
{
	struct sip_peer dave;
	struct sip_call daves = { 0 };

	open_group(NULL, GROUP(LIST(ENTRY("alice") ENTRY("bob") ENTRY("dave")) INVITES MAXIMUM("2")
					 MEMBERS_MAY));
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	cr_assert_eq(ask_team(&daves, &dave, ""), 486);
	warned(&dave, "Too many participants");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&call);
	sip_peer_close(&dave);
	close_all();
}

Test(CF_7_2_1_4, R3n_a_history_function_takes_no_place_and_needs_one_who_may_invoke_it)
{
	const struct rig_options options = { .conference = HISTORY_OPTIONS };
	struct sip_call historys = { 0 };
	struct sip_peer history;

	/* As a member of the list, so that only the number of places decides. */
	open_group(&options, GROUP(LIST(ENTRY("alice") ENTRY("bob") ENTRY("carol") ENTRY("history"))
					     MAXIMUM("2") MEMBERS_MAY));
	sip_peer_open(&history, &rig, "history", SIP_TRUSTED, false);
	enter(&call, &alice);
	enter(&historys, &history);
	/* Two are in, and one place is left all the same. */
	enter(&bobs, &bob);
	REQ("CF-7.2.1.4-R3n");
	call_bye(&historys);
	/* Full: nobody speaks for it, somebody who may not, somebody who may. */
	cr_assert_eq(ask_team(&historys, &history, ""), 486);
	warned(&history, "Too many participants");
	cr_assert_eq(
		ask_team(&historys, &history, "Referred-By: <sip:mallory@example.com>\r\n"), 486);
	cr_assert_eq(ask_team(&historys, &history, "Referred-By: <sip:bob@example.com>\r\n"), 200);
	call_ack(&historys);
	/* Carol cannot be spoken for: she is no History Function. */
	cr_assert_eq(ask_team(&carols, &carol, "Referred-By: <sip:bob@example.com>\r\n"), 486);
	REQ("CF-7.2.1.4-R3a");
	call_bye(&call);
	call_bye(&bobs);
	/* It keeps no room alive (context.md 3.5). */
	cr_assert(call_byed(&historys, RIG_WAIT_MS));
	sip_peer_close(&history);
	close_all();
}

Test(CF_7_2_1_4, a_history_function_joins_on_the_word_of_one_who_may)
{
	const struct rig_options options = { .conference = HISTORY_OPTIONS };
	struct sip_call historys = { 0 };
	struct sip_peer history;

	open_group(&options, CHATTING);
	sip_peer_open(&history, &rig, "history", SIP_TRUSTED, false);
	enter(&call, &alice);
	cr_assert_eq(ask_team(&historys, &history, ""), 403);
	cr_assert_eq(
		ask_team(&historys, &history, "Referred-By: <sip:mallory@example.com>\r\n"), 403);
	cr_assert_eq(
		ask_team(&historys, &history, "Referred-By: <sip:alice@example.com>\r\n"), 200);
	call_ack(&historys);
	call_bye(&historys);
	call_bye(&call);
	sip_peer_close(&history);
	close_all();
}

Test(CF_7_2_1_4, R4_the_allow_header_is_remembered)
{
	const struct rig_options options = { .sip = "  session_expires_s: 4\n  min_se_s: 1\n" };

	open_group(&options, CHATTING);
	enter(&call, &alice);
	cr_assert_eq(
		ask_team(&bobs, &bob,
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n"),
		200);
	call_ack(&bobs);
	cr_assert(sip_await_request(&bob, "UPDATE", RIG_WAIT_MS));
	sip_reply(
		&bob, &bob.message, 200, NULL, "Session-Expires: 4;refresher=uac\r\n", NULL, NULL);
	cr_assert_eq(
		ask_team(&carols, &carol,
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n"),
		200);
	call_ack(&carols);
	cr_assert(sip_await_request(&carol, "INVITE", RIG_WAIT_MS));
	REQ("CF-7.2.1.4-R4");
	sip_reply(&carol, &carol.message, 488, NULL, "", NULL, NULL);
	cr_assert(sip_await_request(&carol, "ACK", RIG_WAIT_MS));
	call_bye(&bobs);
	close_all();
}

/* Everything that the subscriber was told until `text` is in it. */
static const struct sip_message *told(struct sip_call *who, const char *text)
{
	const struct sip_message *notify = notified(who);

	while (strstr(notify->body, text) == NULL)
		notify = notified(who);
	return notify;
}

/* context.md 5.5: the list's name for a member, then the asserted one, then From's. */
Test(CF_7_2_1_4, R5_display_names_have_an_order)
{
	const struct rig_options options = { .conference = "  notify_interval: 0.1\n" };

	open_group(&options, GROUP(LIST(ENTRY("alice") ENTRY_CALLED("bob", "Bob of the list") ENTRY(
				     "carol")) RULES(RULE("<is-list-member/>", MAY MAY_WATCH))));
	enter(&call, &alice);
	subscribe(&call);
	enter(&bobs, &bob);
	HAS(told(&call, "sip:bob@example.com")->body,
		"<display-text>Bob of the list</display-text>");
	cr_assert_eq(ask_team(&carols, &carol,
			     "P-Asserted-Identity: \"Carol C.\" <sip:carol@example.com>\r\n"),
		200);
	call_ack(&carols);
	HAS(told(&call, "sip:carol@example.com")->body, "<display-text>Carol C.</display-text>");
	call_bye(&carols);
	(void)told(&call, ">disconnected<");
	cr_assert_eq(
		ask_team(&carols, &carol, "P-Asserted-Identity: <sip:carol@example.com>\r\n"), 200);
	call_ack(&carols);
	HAS(told(&call, ">connected<")->body, "<display-text>From-carol</display-text>");
	REQ("CF-7.2.1.4-R5");
	call_bye(&call);
	call_bye(&bobs);
	call_bye(&carols);
	close_all();
}

Test(CF_7_2_1_4, R11_subscribers_hear_who_joined)
{
	const struct rig_options options = { .conference = "  notify_interval: 0.1\n" };
	const struct sip_message *notify;
	char uri[100];

	open_group(&options, GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY MAY_WATCH))));
	enter(&call, &alice);
	enter(&bobs, &bob);
	subscribe(&call);
	subscribe(&bobs);
	enter(&carols, &carol);
	notify = told(&call, "sip:carol@example.com");
	while (strstr(notify->body, ">connected<") == NULL)
		notify = notified(&call);
	REQ("CF-7.2.1.4-R11");
	/* Each subscriber gets its own, where its dialog leads; who did not subscribe gets none. */
	snprintf(uri, sizeof(uri), "sip:alice@127.0.0.1:%u", alice.port);
	cr_assert_str_eq(notify->uri, uri);
	HAS(sip_header(notify, "Subscription-State"), "active");
	notify = told(&bobs, "sip:carol@example.com");
	snprintf(uri, sizeof(uri), "sip:bob@127.0.0.1:%u", bob.port);
	cr_assert_str_eq(notify->uri, uri);
	cr_assert(sip_nothing(&carol, 200));
	REQ("CF-7.2.1.4-R12");
	call_bye(&call);
	call_bye(&bobs);
	call_bye(&carols);
	close_all();
}

Test(CF_7_2_1_4, R6_privacy_is_had_where_the_group_allows_it)
{
	struct msrp_peer msrp, bobs_msrp;

	/* Carol may not; she would have a place. */
	open_group(NULL,
		GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY) RULE(ONE("bob"), MAY_HIDE))));
	enter(&call, &alice);
	cr_assert_eq(ask_team(&carols, &carol, "Privacy: id\r\n"), 403);
	warned(&carol, "Anonymity not allowed");
	cr_assert_eq(ask_team(&bobs, &bob, "Privacy: id\r\n"), 200);
	call_ack(&bobs);
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	heard(&bobs, &bobs_msrp, &msrp, "hidden01", "guess who");
	HAS(body_of(&msrp), "@anonymous.invalid>");
	LACKS(body_of(&msrp), "bob");
	REQ("CF-7.2.1.4-R6");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	call_bye(&call);
	call_bye(&bobs);
	close_all();
}

Test(CF_7_2_1_4, R7_an_offer_without_acceptable_media_gets_488)
{
	open_group(NULL, CHATTING);
	enter(&call, &alice);
	bobs.peer = &bob;
	call_invite(&bobs, &bob, TEAM, "", "application/sdp", BAD_SDP);
	cr_assert_eq(call_final(&bobs), 488);
	HAS(sip_header(&bob.message, "Warning"), "399 example.com \"");
	HAS(bob.message.body, "a=accept-types:message/cpim\r\n");
	REQ("CF-7.2.1.4-R7a");
	/* One of several is enough. */
	call_invite(&bobs, &bob, TEAM, "", "application/sdp",
		BAD_SDP "m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/bob;tcp\r\n"
			"a=accept-types:message/cpim\r\n");
	cr_assert_eq(call_final(&bobs), 200);
	REQ("CF-7.2.1.4-R7");
	call_ack(&bobs);
	call_bye(&call);
	call_bye(&bobs);
	close_all();
}

Test(CF_7_2_1_4, the_first_step_that_fails_decides)
{
	struct sip_peer dave;
	struct sip_call daves = { 0 };

	/* isfocus 403, policy 403, capacity 486, privacy 403, SDP 488. */
	open_group(NULL, GROUP(MEMBERS MAXIMUM("1") MEMBERS_MAY));
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	enter(&call, &alice);
	daves.peer = &dave;
	bobs.peer = &bob;
	call_invite(&daves, &dave, TEAM,
		"Contact: <sip:dave@127.0.0.1:5060>;isfocus\r\nPrivacy: id\r\n", "application/sdp",
		BAD_SDP);
	cr_assert_eq(call_final(&daves), 403);
	warned(&dave, "isfocus already assigned");
	call_invite(&daves, &dave, TEAM, "Privacy: id\r\n", "application/sdp", BAD_SDP);
	cr_assert_eq(call_final(&daves), 403);
	warned(&dave, "User is not authorised");
	call_invite(&bobs, &bob, TEAM, "Privacy: id\r\n", "application/sdp", BAD_SDP);
	cr_assert_eq(call_final(&bobs), 486);
	team_is(CHATTING);
	call_invite(&bobs, &bob, TEAM, "Privacy: id\r\n", "application/sdp", BAD_SDP);
	cr_assert_eq(call_final(&bobs), 403);
	warned(&bob, "Anonymity not allowed");
	call_invite(&bobs, &bob, TEAM, "", "application/sdp", BAD_SDP);
	cr_assert_eq(call_final(&bobs), 488);
	call_bye(&call);
	sip_peer_close(&dave);
	close_all();
}

Test(CF_7_2_1_4, R8_a_join_makes_the_session_when_there_is_none)
{
	struct msrp_peer msrp, bobs_msrp;

	open_group(NULL, GROUP(LIST(ENTRY("alice") ENTRY("bob")) INVITES MEMBERS_MAY));
	ask(&bobs, &bob, TEAM, "");
	call_incoming(&call, &alice);
	REQ("CF-7.2.1.4-R8a");
	cr_assert_not(sip_await_response(&bob, "INVITE", bobs.id, 0, 300), "answered at once");
	REQ("CF-7.2.1.4-R8c");
	accept_it(&call);
	cr_assert_eq(call_final(&bobs), 200);
	call_ack(&bobs);
	cr_assert_str_eq(bobs.identity, call.identity);
	REQ("CF-7.2.1.4-R8");
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	heard(&bobs, &bobs_msrp, &msrp, "created1", "hello");
	REQ("CF-7.2.1.4-R8b");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_4, R9_who_joins_is_answered_at_once)
{
	const struct rig_options options = {
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\"]\n"
	};
	char line[100];

	open_group(&options, GROUP(LIST(ENTRY("alice") ENTRY("bob")) INVITES RULES(
				     RULE("<is-list-member/>", MAY) RULE(ONE("carol"), MAY_JOIN))));
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_invite(&carols, &carol, TEAM, "", "application/sdp",
		"v=0\r\no=carol 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/carol;tcp\r\n"
		"a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:image/png video/mp4\r\n"
		"a=setup:actpass\r\n");
	cr_assert_eq(call_final(&carols), 200);
	/* CF-7.2.1.1-OK5: the session's identity. */
	cr_assert_str_eq(carols.identity, call.identity);
	REQ("CF-7.2.1.4-R9");
	REQ("CF-7.2.1.4-R10");
	snprintf(line, sizeof(line), "m=message %u TCP/MSRP *\r\n", rig.msrp_port);
	HAS(carol.message.body, line);
	HAS(carol.message.body, "\r\na=setup:passive\r\n");
	REQ("CF-7.2.1.4-R9a");
	HAS(carol.message.body, "a=accept-types:message/cpim\r\n");
	HAS(carol.message.body, "a=accept-wrapped-types:image/png\r\n");
	REQ("CF-7.2.1.4-R9b");
	call_ack(&carols);
	call_bye(&carols);
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}
