/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.3: Pre-defined IM Group Session setup, the groups that it is for (context.md 4.1), and what
 * happens when their documents change. */
#include "tests/scenario/focus/group_cast.h"

Test(CF_7_2_1_3, R1_a_group_that_is_not_owned_gets_404)
{
	open_group(NULL, CHATTING);
	cr_assert_eq(asked("sip:team@example.com", "", "application/sdp",
			     call_sdp(&call, "actpass", "")),
		404);
	warned(&alice, "Conference URI does not exist");
	REQ("CF-7.2.1.3-R1a");
	enter(&call, &alice);
	REQ("CF-7.2.1.3-R1");
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_3, R2_a_focus_is_not_let_in)
{
	static const char *const contacts[] = {
		"Contact: <sip:alice@127.0.0.1:5060>;isfocus\r\n",
		"Contact: <sip:alice@127.0.0.1:5060>;+g.oma.sip-im;IsFocus\r\n",
		"Contact: <sip:alice@127.0.0.1:5060;isfocus>\r\n",
	};

	open_group(NULL, INVITING);
	for (unsigned i = 0; i < sizeof(contacts) / sizeof(contacts[0]); i++) {
		cr_assert_eq(ask_team(&call, &alice, contacts[i]), 403, "%s", contacts[i]);
		warned(&alice, "isfocus already assigned");
	}
	cr_assert(sip_nothing(&bob, 200), "invited all the same");
	REQ("CF-7.2.1.3-R2");
	REQ("CF-7.2.1.3-R2a");
	close_all();
}

Test(CF_7_2_1_3, R3_who_may_not_initiate_is_refused)
{
	struct sip_peer dave;
	struct sip_call daves = { 0 };

	/* Carol may join, and no more; Dave is not on the list. */
	open_group(NULL, GROUP(MEMBERS INVITES RULES(RULE("<is-list-member/>", MAY_JOIN) RULE(
				 ONE("alice"), MAY_INITIATE) RULE(ONE("bob"), MAY_INITIATE))));
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	cr_assert_eq(ask_team(&daves, &dave, ""), 403);
	warned(&dave, "User is not authorised");
	cr_assert_eq(ask_team(&carols, &carol, ""), 403);
	warned(&carol, "User is not authorised");
	REQ("CF-7.2.1.3-R3a");
	REQ("CF-7.2.1.3-R3b");
	/* Whoever asks has to be known. */
	call.no_identity = true;
	cr_assert_eq(ask_team(&call, &alice, ""), 403);
	warned(&alice, "Originator not authenticated");
	call.no_identity = false;
	cr_assert(sip_nothing(&bob, 200), "invited all the same");
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	REQ("CF-7.2.1.3-R3");
	call_ack(&call);
	call_bye(&call);
	sip_peer_close(&dave);
	close_all();
}

Test(CF_7_2_1_3, R4_the_allow_header_is_remembered)
{
	const struct rig_options options = { .sip = "  session_expires_s: 4\n  min_se_s: 1\n" };
	char headers[200];

	/* Where we refresh, an UPDATE goes only to one who takes it. */
	open_group(&options, CHATTING);
	cr_assert_eq(
		ask_team(&call, &alice,
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n"),
		200);
	call_ack(&call);
	cr_assert(sip_await_request(&alice, "UPDATE", RIG_WAIT_MS));
	sip_reply(&alice, &alice.message, 200, NULL, "Session-Expires: 4;refresher=uac\r\n", NULL,
		NULL);
	call_bye(&call);
	cr_assert_eq(
		ask_team(&bobs, &bob,
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n"),
		200);
	call_ack(&bobs);
	cr_assert(sip_await_request(&bob, "INVITE", RIG_WAIT_MS));
	REQ("CF-7.2.1.3-R4");
	snprintf(headers, sizeof(headers),
		"Session-Expires: 4;refresher=uac\r\nContact: <sip:bob@127.0.0.1:%u>\r\n",
		bob.port);
	sip_reply(&bob, &bob.message, 200, NULL, headers, "application/sdp", bobs.offer);
	cr_assert(sip_await_request(&bob, "ACK", RIG_WAIT_MS));
	call_bye(&bobs);
	close_all();
}

/* context.md 5.5: the list's name for a member, then the asserted one, then From's. */
Test(CF_7_2_1_3, R5_display_names_have_an_order)
{
	open_group(NULL, GROUP(LIST(ENTRY_CALLED("alice", "Alice of the list") ENTRY("bob"))
					 INVITES MEMBERS_MAY));
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(&bobs.invite, "P-Asserted-Identity"),
		"\"Alice of the list\" <sip:alice@example.com>");
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	call_free(&bobs);
	ask(&bobs, &bob, TEAM, "P-Asserted-Identity: \"Bob B.\" <sip:bob@example.com>\r\n");
	call_incoming(&call, &alice);
	cr_assert_str_eq(sip_header(&call.invite, "P-Asserted-Identity"),
		"\"Bob B.\" <sip:bob@example.com>");
	call_reject(&call, 486, "");
	cr_assert_eq(call_final(&bobs), 486);
	call_free(&call);
	ask(&bobs, &bob, TEAM, "P-Asserted-Identity: <sip:bob@example.com>\r\n");
	call_incoming(&call, &alice);
	cr_assert_str_eq(sip_header(&call.invite, "P-Asserted-Identity"),
		"\"From-bob\" <sip:bob@example.com>");
	REQ("CF-7.2.1.3-R5");
	call_reject(&call, 486, "");
	cr_assert_eq(call_final(&bobs), 486);
	call_free(&call);
	close_all();
}

Test(CF_7_2_1_3, R6_privacy_is_had_where_the_group_allows_it)
{
	const struct sip_message *invite = &bobs.invite;
	struct msrp_peer msrp, bobs_msrp;

	open_group(NULL, INVITING);
	cr_assert_eq(ask_team(&call, &alice, "Privacy: id\r\n"), 403);
	warned(&alice, "Anonymity not allowed");
	cr_assert(sip_nothing(&bob, 200), "invited all the same");
	team_is(GROUP(MEMBERS INVITES RULES(RULE("<is-list-member/>", MAY MAY_HIDE))));
	ask(&call, &alice, TEAM, "Privacy: id\r\n");
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(invite, "P-Asserted-Identity"), "<" TEAM ">");
	LACKS(invite->text, "alice");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	/* 7.2.3.2: to the others she is her alias. */
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	heard(&call, &msrp, &bobs_msrp, "hidden01", "guess who");
	HAS(body_of(&bobs_msrp), "@anonymous.invalid>");
	LACKS(body_of(&bobs_msrp), "alice");
	REQ("CF-7.2.1.3-R6");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_3, R7_unacceptable_media_get_488)
{
	open_group(NULL, INVITING);
	cr_assert_eq(
		asked(TEAM, "", "application/sdp",
			"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
			"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/a;tcp\r\na=accept-types:text/plain\r\n"),
		488);
	REQ("CF-7.2.1.3-R7");
	HAS(alice.message.body, "a=accept-types:message/cpim\r\n");
	REQ("CF-7.2.1.3-R7a");
	HAS(sip_header(&alice.message, "Warning"), "399 example.com \"");
	REQ("CF-7.2.1.3-R7b");
	cr_assert(sip_nothing(&bob, 200), "invited all the same");
	/* Nothing is left of it: there is no active session that one could join. */
	cr_assert_eq(log_count("session: conference made"), 0);
	close_all();
}

Test(CF_7_2_1_3, R8_the_focus_is_there_before_members_are_invited)
{
	const struct sip_message *invite = &bobs.invite;
	struct msrp_peer msrp, bobs_msrp, carols_msrp;
	char contact[300];

	open_group(NULL, GROUP(MEMBERS INVITES "<ox:subject>Weekly</ox:subject>" MEMBERS_MAY));
	ask(&call, &alice, TEAM, "Contribution-ID: abc123\r\n");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	REQ("CF-7.2.1.3-R8a");
	HAS(sip_header(invite, "From"), "<" TEAM ">;tag=");
	cr_assert_str_eq(sip_header(invite, "To"), "<sip:bob@example.com>");
	HAS(sip_header(invite, "Referred-By"), "<sip:alice@example.com>");
	cr_assert_str_eq(sip_header(invite, "Subject"), "Weekly");
	cr_assert_str_eq(sip_header(invite, "Contribution-ID"), "abc123");
	/* The session's identity is in the invitations, and is the inviter's afterwards. */
	HAS(bobs.identity, "sip:im-");
	HAS(bobs.identity, "@example.com");
	snprintf(contact, sizeof(contact), "<%s>;isfocus;+g.oma.sip-im", bobs.identity);
	cr_assert_str_eq(sip_header(invite, "Contact"), contact);
	cr_assert_str_eq(bobs.identity, carols.identity);
	cr_assert(sip_nothing(&alice, 100), "she is not invited");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	cr_assert_str_eq(call.identity, bobs.identity);
	REQ("CF-7.2.1.3-R8");
	/* CF-7.2.1.1-OK4b */
	cr_assert_str_eq(sip_header(&alice.message, "P-Asserted-Identity"), "<" TEAM ">");
	REQ("CF-7.2.1.1-OK4b");
	call_ack(&call);
	accept_it(&carols);
	/* The room serves all three; the Group Identity is one of its names. */
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	call_bind(&carols, &carols_msrp);
	heard(&call, &msrp, &bobs_msrp, "team0001", "hello, team");
	cr_assert(peer_take(&carols_msrp, RIG_WAIT_MS));
	snprintf(bobs.identity, sizeof(bobs.identity), "%s", TEAM);
	heard(&bobs, &bobs_msrp, &msrp, "team0002", "to the group");
	REQ("CF-7.2.1.3-R8b");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	peer_close(&carols_msrp);
	call_bye(&bobs);
	call_bye(&carols);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Reason"), "SIP;cause=410;text=\"Gone\"");
	close_all();
}

Test(CF_7_2_1_3, R9_an_active_session_is_entered_at_once)
{
	const struct rig_options options = {
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\"]\n"
	};
	struct msrp_peer msrp, bobs_msrp;
	char line[200];

	open_group(&options, CHATTING);
	enter(&call, &alice);
	bobs.peer = &bob;
	call_invite(&bobs, &bob, TEAM, "", "application/sdp",
		"v=0\r\no=bob 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=audio 4000 RTP/AVP 0\r\nm=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/bob;tcp\r\n"
		"a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:text/plain video/mp4\r\n"
		"a=setup:active\r\n");
	snprintf(bobs.leg.path, sizeof(bobs.leg.path), "msrp://127.0.0.1:9/bob;tcp");
	cr_assert_eq(call_final(&bobs), 200);
	REQ("CF-7.2.1.3-R9a");
	REQ("CF-7.2.1.3-R9c");
	cr_assert_str_eq(call.identity, bobs.identity);
	snprintf(line, sizeof(line), "m=audio 0 RTP/AVP 0\r\nm=message %u TCP/MSRP *\r\n",
		rig.msrp_port);
	HAS(bob.message.body, line);
	HAS(bob.message.body, "\r\na=setup:passive\r\n");
	REQ("CF-7.2.1.3-R9b");
	HAS(bob.message.body, "a=accept-types:message/cpim\r\n");
	HAS(bob.message.body, "a=accept-wrapped-types:text/plain\r\n");
	REQ("CF-7.2.1.3-R9bi");
	call_ack(&bobs);
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	heard(&bobs, &bobs_msrp, &msrp, "joined01", "here I am");
	heard(&call, &msrp, &bobs_msrp, "joined02", "welcome");
	REQ("CF-7.2.1.3-R9d");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	call_bye(&call);
	/* A chat room stays for the last one. */
	cr_assert(sip_nothing(&bob, 200));
	call_bye(&bobs);
	log_await("conferences=0", 1);
	close_all();
}

Test(CF_7_2_1_3, R9e_subscribers_hear_who_came)
{
	const struct rig_options options = { .conference = "  notify_interval: 0.1\n" };
	const struct sip_message *notify;

	open_group(&options, GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY MAY_WATCH))));
	enter(&call, &alice);
	subscribe(&call);
	LACKS(alice.message.body, "sip:bob@example.com");
	enter(&bobs, &bob);
	notify = notified(&call);
	while (strstr(notify->body, "sip:bob@example.com") == NULL ||
		strstr(notify->body, ">connected<") == NULL)
		notify = notified(&call); /* on his way first */
	HAS(notify->body, "<joining-method>dialed-in</joining-method>");
	REQ("CF-7.2.1.3-R9e");
	call_bye(&bobs);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_3, OK1_the_inviter_waits_for_the_first_member)
{
	const struct rig_options options = {
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\"]\n"
	};
	struct msrp_peer msrp, bobs_msrp;
	char line[100];

	open_group(&options, INVITING);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_ring(&bobs);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	cr_assert_not(sip_await_response(&alice, "INVITE", call.id, 0, 100), "answered too early");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	REQ("CF-7.2.1.3-OK1");
	REQ("CF-7.2.1.3-OK3");
	snprintf(line, sizeof(line), "m=message %u TCP/MSRP *\r\n", rig.msrp_port);
	HAS(alice.message.body, line);
	HAS(alice.message.body, "\r\na=setup:passive\r\n");
	REQ("CF-7.2.1.3-OK2");
	HAS(alice.message.body, "a=accept-types:message/cpim\r\n");
	HAS(alice.message.body, "a=accept-wrapped-types:text/plain\r\n");
	REQ("CF-7.2.1.3-OK2a");
	call_ack(&call);
	/* A further 200 makes no second final response. */
	accept_it(&carols);
	cr_assert(sip_nothing(&alice, 300));
	REQ("CF-7.2.1.3-OK1a");
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	heard(&call, &msrp, &bobs_msrp, "setup001", "hello");
	REQ("CF-7.2.1.3-OK4");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	call_bye(&bobs);
	call_bye(&carols);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_3, FR1_all_refuse_and_the_lowest_code_wins)
{
	open_group(NULL, INVITING);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&bobs, 603, "");
	cr_assert(sip_nothing(&alice, 200), "not all have failed");
	call_reject(&carols, 480, "");
	cr_assert_eq(call_final(&call), 480);
	REQ("CF-7.2.1.3-FR0");
	REQ("CF-7.2.1.3-FR1");
	REQ("CF-7.2.1.3-FR1a");
	log_await("conferences=0", 1);
	close_all();
}

Test(CF_7_2_1_3, FR2_all_fail_after_the_200)
{
	open_group(NULL, INVITING);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&bobs);
	cr_assert(sip_nothing(&alice, 200), "an invitation is pending");
	call_reject(&carols, 486, "");
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Reason"), "SIP;cause=410;text=\"Gone\"");
	REQ("CF-7.2.1.3-FR2");
	log_await("conferences=0", 1);
	close_all();
}

/* ---- who is invited ---- */

Test(group, more_members_than_places_are_invited_in_the_order_of_the_list)
{
	open_group(NULL, GROUP(MEMBERS INVITES MAXIMUM("2") MEMBERS_MAY));
	ask(&carols, &carol, TEAM, "");
	call_incoming(&call, &alice);
	cr_assert(sip_nothing(&bob, 300), "one too many");
	accept_it(&call);
	cr_assert_eq(call_final(&carols), 200);
	call_ack(&carols);
	call_bye(&carols);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(group, a_group_of_nobody_else_is_entered_at_once)
{
	open_group(NULL, GROUP(LIST(ENTRY("alice")) INVITES MEMBERS_MAY));
	enter(&call, &alice);
	call_bye(&call);
	log_await("conferences=0", 1);
	close_all();
}

/* context.md 3.3: one session, however many ask at once. */
Test(group, two_first_invites_make_one_session)
{
	open_group(NULL, CHATTING);
	ask(&call, &alice, TEAM, "");
	ask(&bobs, &bob, TEAM, "");
	cr_assert_eq(call_final(&call), 200);
	cr_assert_eq(call_final(&bobs), 200);
	cr_assert_str_eq(call.identity, bobs.identity);
	cr_assert_eq(log_count("session: conference made"), 1);
	call_ack(&call);
	call_ack(&bobs);
	call_bye(&call);
	call_bye(&bobs);
	close_all();
}

/* Who was asked first waits for a member; who joins meanwhile is one. */
Test(group, who_joins_meanwhile_is_the_member_that_the_inviter_waits_for)
{
	open_group(NULL, INVITING);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_free(&carols);
	enter(&carols, &carol); /* from another device */
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	cr_assert_str_eq(call.identity, carols.identity);
	call_reject(&bobs, 486, "");
	call_bye(&carols);
	close_all();
}

Test(group, an_inviter_who_gives_up_leaves_nothing)
{
	open_group(NULL, INVITING);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_ring(&bobs);
	call_ring(&carols);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	call_cancel(&call);
	cr_assert_eq(call_answer_to(&call, "CANCEL"), 200);
	cr_assert_eq(call_final(&call), 487);
	cr_assert(sip_await_request(&bob, "CANCEL", RIG_WAIT_MS));
	sip_reply(&bob, &bob.message, 200, bobs.tag, "", NULL, NULL);
	call_reject(&bobs, 487, "");
	cr_assert(sip_await_request(&carol, "CANCEL", RIG_WAIT_MS));
	sip_reply(&carol, &carol.message, 200, carols.tag, "", NULL, NULL);
	call_reject(&carols, 487, "");
	log_await("conferences=0", 1);
	close_all();
}

/* The old session is being ended: nobody joins it any more, a new one is made. */
Test(group, a_session_that_ends_is_joined_no_more)
{
	struct sip_call again = { 0 };

	open_group(NULL, INVITING);
	ask(&call, &alice, TEAM, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&carols, 486, "");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&bobs);
	/* Alice does not answer the BYE, so the session is not gone yet. */
	cr_assert(sip_await_request(&alice, "BYE", RIG_WAIT_MS));
	call_free(&carols);
	ask(&again, &bob, TEAM, "");
	call_incoming(&carols, &carol);
	cr_assert_str_neq(carols.identity, call.identity);
	accept_it(&carols);
	cr_assert_eq(call_final(&again), 200);
	call_ack(&again);
	/* Nor is it rejoined. */
	ask(&bobs, &bob, call.identity, "");
	cr_assert_eq(call_final(&bobs), 403);
	warned(&bob, "Session does not exist");
	sip_reply(&alice, &alice.message, 200, NULL, "", NULL, NULL);
	call_bye(&again);
	call_free(&again);
	close_all();
}

/* ---- documents that change ---- */

Test(group, documents_that_are_there_at_the_start_are_in_force)
{
	const struct rig_options options = { .no_start = true };

	sip_rig_start(&rig, &options);
	group_put("team.xml", CHATTING);
	rig_daemon_start(&rig.the_switch, &rig, "PLENUM_SWITCH");
	cr_assert(rig_daemon_ready(&rig.the_switch, RIG_WAIT_MS));
	rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
	cr_assert(rig_daemon_ready(&rig.focus, RIG_WAIT_MS));
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, false);
	enter(&call, &alice);
	call_bye(&call);
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

Test(group, check_says_what_is_wrong_in_documents)
{
	const struct rig_options options = { .no_start = true };
	char command[400], wanted[300], said[1000] = "";
	FILE *program;

	sip_rig_start(&rig, &options);
	group_put("team.xml", CHATTING);
	snprintf(command, sizeof(command), "%s --check -c %s 2>&1", getenv("PLENUM_FOCUS"),
		rig.config);
	program = popen(command, "r");
	cr_assert(fread(said, 1, sizeof(said) - 1, program) > 0);
	cr_assert_eq(pclose(program), 0, "%s", said);
	group_put("second.xml", "<group>\n");
	program = popen(command, "r");
	said[fread(said, 1, sizeof(said) - 1, program)] = '\0';
	cr_assert_eq(WEXITSTATUS(pclose(program)), 2, "%s", said);
	snprintf(wanted, sizeof(wanted),
		"%s/groups/second.xml:1: <group> in namespace \"\": write it in "
		"urn:oma:xml:poc:list-service\n",
		rig.directory);
	cr_assert_str_eq(said, wanted);
	sip_rig_stop(&rig);
}

Test(group, a_changed_document_takes_effect_and_a_removed_one_too)
{
	char path[150];

	open_group(NULL, CHATTING);
	enter(&call, &alice);
	/* Bob is a member no longer; who is in stays. */
	team_is(GROUP(LIST(ENTRY("alice") ENTRY("carol")) MEMBERS_MAY));
	cr_assert_eq(ask_team(&bobs, &bob, ""), 403);
	enter(&carols, &carol);
	cr_assert_str_eq(call.identity, carols.identity);
	snprintf(path, sizeof(path), "%s/groups/team.xml", rig.directory);
	cr_assert_eq(remove(path), 0);
	log_await("group document removed", 1);
	cr_assert_eq(ask_team(&bobs, &bob, ""), 404);
	cr_assert(sip_nothing(&alice, 100));
	/* It is what it was when it comes again. */
	team_is(CHATTING);
	enter(&bobs, &bob);
	cr_assert_str_eq(call.identity, bobs.identity);
	call_bye(&call);
	call_bye(&bobs);
	call_bye(&carols);
	close_all();
}

Test(group, an_invalid_document_is_refused_with_its_place_while_the_old_one_stays)
{
	char wanted[300];

	open_group(NULL, CHATTING);
	group_put(
		"team.xml", TEAM_HEAD MEMBERS "<invite-members>maybe</invite-members>\n" TEAM_TAIL);
	/* Head and members are six lines. */
	snprintf(wanted, sizeof(wanted),
		"groups: %s/groups/team.xml:7: <invite-members> is \"maybe\": write true or false; "
		"what was in force stays",
		rig.directory);
	log_await(wanted, 1);
	enter(&call, &alice);
	call_bye(&call);
	team_is(GROUP(LIST(ENTRY("bob")) MEMBERS_MAY));
	cr_assert_eq(ask_team(&call, &alice, ""), 403);
	/* The fault was logged as an error, as it should be. */
	cr_assert_eq(truncate(rig.focus.log, 0), 0);
	close_all();
}

Test(group, who_may_not_send_private_messages_is_told_and_refused)
{
	struct msrp_peer msrp, bobs_msrp, carols_msrp;

	open_group(NULL, GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY) RULE(ONE("bob"),
				 "<ox:allow-private-message>false</ox:allow-private-message>"))));
	call.peer = &alice;
	call_invite(&call, &alice, TEAM, "", "application/sdp",
		call_sdp(&call, "active", "a=chatroom:private-messages\r\n"));
	cr_assert_eq(call_final(&call), 200);
	HAS(alice.message.body, "a=chatroom:nickname private-messages\r\n");
	call_ack(&call);
	call_invite(&bobs, &bob, TEAM, "", "application/sdp",
		call_sdp(&bobs, "active", "a=chatroom:private-messages\r\n"));
	cr_assert_eq(call_final(&bobs), 200);
	LACKS(bob.message.body, "private-messages");
	HAS(bob.message.body, "a=chatroom");
	call_ack(&bobs);
	enter(&carols, &carol);
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	call_bind(&carols, &carols_msrp);
	snprintf(bobs.identity, sizeof(bobs.identity), "sip:alice@example.com");
	call_say(&bobs, &bobs_msrp, "private1", "", "psst");
	cr_assert_eq(peer_status(&bobs_msrp, "private1"), 403);
	snprintf(carols.identity, sizeof(carols.identity), "sip:alice@example.com");
	heard(&carols, &carols_msrp, &msrp, "private2", "psst");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	peer_close(&carols_msrp);
	call_bye(&call);
	call_bye(&bobs);
	call_bye(&carols);
	close_all();
}

Test(group, options_to_a_group_are_answered)
{
	char text[600];

	open_group(NULL, CHATTING);
	snprintf(text, sizeof(text),
		"OPTIONS " TEAM " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKgroup\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=o\r\nTo: <" TEAM ">\r\n"
		"Call-ID: options-group\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		alice.port);
	sip_write(&alice, text, strlen(text));
	cr_assert(sip_await_response(&alice, "OPTIONS", "options-group", 200, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Contact"), "<" TEAM ">;isfocus");
	cr_assert_eq(log_count("session: conference made"), 0);
	close_all();
}

Test(group, a_session_lasts_no_longer_than_its_document_says)
{
	open_group(NULL, GROUP(MEMBERS "<ox:max-duration>1</ox:max-duration>" MEMBERS_MAY));
	enter(&call, &alice);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Reason"), "Session too long");
	close_all();
}
