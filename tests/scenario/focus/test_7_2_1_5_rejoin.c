/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.5: Rejoining IM Group Session: an INVITE to the Session Identity. */
#include "tests/scenario/focus/group_cast.h"
#include "tests/scenario/focus/watch.h"

static struct sip_party three[3];
static struct sip_call again; /* the INVITE that rejoins */
static struct msrp_peer msrp;

static const struct rig_options loses = { .msrp = "  rebind_s: 1\n" };

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

/* The header that asserts what the party was invited by; the first by its own. */
static const char *asserted(const struct sip_party *party, const char *display)
{
	static char header[300];

	snprintf(header, sizeof(header), "P-Asserted-Identity: %s<%s>\r\n", display,
		party->call.leg.address);
	return header;
}

/* An INVITE of the party to the session; its final status. */
static unsigned rejoin(struct sip_party *party, const char *headers, const char *sdp)
{
	char all[1024], identity[200];

	snprintf(identity, sizeof(identity), "%s", party->call.identity);
	snprintf(all, sizeof(all), "%s%s", asserted(party, "\"Bobby\" "), headers);
	again.peer = &party->peer;
	call_invite(&again, &party->peer, identity, all, sdp ? "application/sdp" : NULL,
		sdp ? sdp : "");
	return call_final(&again);
}

static const char *offer(void)
{
	return call_sdp(&again, "actpass", "");
}

/* 200, ACK, bound; the address is the one that the party is known by. */
static void come_back(struct sip_party *party, const char *headers)
{
	again.peer = &party->peer;
	cr_assert_eq(rejoin(party, headers, offer()), 200);
	call_ack(&again);
	snprintf(again.leg.address, sizeof(again.leg.address), "%s", party->call.leg.address);
	call_bind(&again, &msrp);
}

static void says(struct sip_call *who, struct msrp_peer *peer, const char *tid)
{
	call_say(who, peer, tid, "", tid);
	cr_assert_eq(peer_status(peer, tid), 200);
}

static char said[4096]; /* the body taken last */

/* Takes until a message with this text has come. */
static bool hears(struct msrp_peer *peer, const char *text, int wait_ms)
{
	while (peer_take(peer, wait_ms)) {
		if (peer->chunk.method != METHOD_SEND)
			continue;
		snprintf(said, sizeof(said), "%.*s", (int)peer->body_len, (const char *)peer->body);
		if (strstr(said, text) != NULL)
			return true;
	}
	return false;
}

static void leave_all(unsigned count)
{
	/* Two leave, the last one is removed. */
	for (unsigned i = 1; i < count; i++)
		call_bye(&three[i].call);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
}

Test(CF_7_2_1_5, R1_a_session_that_is_gone_gets_403)
{
	char identity[200], warning[200];

	meet(NULL, 2);
	snprintf(identity, sizeof(identity), "%s", three[0].call.identity);
	call_bye(&three[1].call);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	again.peer = &three[1].peer;
	cr_assert_eq(rejoin(&three[1], "", offer()), 403);
	REQ("CF-7.2.1.5-R1");
	REQ("CF-7.2.1.5-R1a");
	snprintf(warning, sizeof(warning), "%s", sip_header(&three[1].peer.message, "Warning"));
	cr_assert_str_eq(warning, "399 example.com \"Session does not exist\"");
	REQ("CF-7.2.1.5-R1b");
	part(2);
}

Test(CF_7_2_1_5, R1_a_session_that_is_being_ended_is_gone)
{
	meet(NULL, 2);
	call_bye(&three[1].call);
	/* Alice has not answered her BYE yet. */
	cr_assert(sip_await_request(&three[0].peer, "BYE", RIG_WAIT_MS));
	again.peer = &three[1].peer;
	cr_assert_eq(rejoin(&three[1], "", offer()), 403);
	HAS(sip_header(&three[1].peer.message, "Warning"), "\"Session does not exist\"");
	sip_reply(&three[0].peer, &three[0].peer.message, 200, NULL, "", NULL, NULL);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	part(2);
}

Test(CF_7_2_1_5, R1_what_rcs_clients_expect_is_404)
{
	const struct rig_options rcs = { .conference = "  gone_status: 404\n" };

	meet(&rcs, 2);
	call_bye(&three[1].call);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	again.peer = &three[1].peer;
	cr_assert_eq(rejoin(&three[1], "", offer()), 404);
	HAS(sip_header(&three[1].peer.message, "Warning"), "\"Session does not exist\"");
	part(2);
}

/* What does not have the shape of a Session Identity is a conference URI that is not known
 * (11.2). */
Test(CF_7_2_1_5, R1_another_shape_is_no_session_identity)
{
	static const char *const strange[] = {
		"sip:im-aaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
		"sip:im-aaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
		"sip:IM-aaaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
		"sip:im-aaaaaaaaaaaaaaaaaaaaaaaaaa@example.net",
		"sip:im_aaaaaaaaaaaaaaaaaaaaaaaaaa@example.com",
		"sip:example.com",
	};

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		cr_assert_eq(
			asked(strange[i], "", "application/sdp", call_sdp(&call, "actpass", "")),
			404, "%s", strange[i]);
		cr_assert_str_eq(sip_header(&alice.message, "Warning"),
			"399 example.com \"Conference URI does not exist\"", "%s", strange[i]);
	}
	/* Its parameters and the case of its host do not matter. */
	cr_assert_eq(asked("sip:im-aaaaaaaaaaaaaaaaaaaaaaaaaa@EXAMPLE.com;gr=1", "",
			     "application/sdp", call_sdp(&call, "actpass", "")),
		403);
	HAS(sip_header(&alice.message, "Warning"), "\"Session does not exist\"");
	close_all();
}

Test(CF_7_2_1_5, R2_who_never_took_part_gets_403)
{
	struct sip_peer mallory;

	meet(NULL, 3);
	sip_peer_open(&mallory, &rig, "mallory", SIP_TRUSTED, false);
	again.peer = &mallory;
	call_invite(&again, &mallory, three[0].call.identity, "", "application/sdp", offer());
	cr_assert_eq(call_final(&again), 403);
	REQ("CF-7.2.1.5-R2a");
	cr_assert_str_eq(sip_header(&mallory.message, "Warning"),
		"399 example.com \"User is not authorised\"");
	REQ("CF-7.2.1.5-R2b");
	/* Nor who says he is bob without being believed. */
	again.no_identity = true;
	call_invite(&again, &mallory, three[0].call.identity, "", "application/sdp", offer());
	cr_assert_eq(call_final(&again), 403);
	HAS(sip_header(&mallory.message, "Warning"), "\"Originator not authenticated\"");
	again.no_identity = false;
	/* One who took part is let in. */
	call_bye(&three[2].call);
	come_back(&three[2], "");
	REQ("CF-7.2.1.5-R2");
	peer_close(&msrp);
	sip_peer_close(&mallory);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

/* Also who was invited and refused. */
Test(CF_7_2_1_5, R2_who_was_only_invited_may_come_later)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_reject(&carols, 486, "");
	again.peer = &carol;
	{
		char header[200];

		snprintf(
			header, sizeof(header), "P-Asserted-Identity: <%s>\r\n", carols.invite.uri);
		call_invite(&again, &carol, call.identity, header, "application/sdp", offer());
	}
	cr_assert_eq(call_final(&again), 200);
	call_ack(&again);
	call_bye(&again);
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_5, R3_a_group_that_is_full_gets_486)
{
	struct sip_call second = { .peer = NULL };

	open_group(NULL, GROUP(MEMBERS MAXIMUM("2") MEMBERS_MAY));
	enter(&call, &alice);
	enter(&bobs, &bob);
	ask(&carols, &carol, call.identity, "");
	cr_assert_eq(call_final(&carols), 486);
	cr_assert_str_eq(
		sip_header(&carol.message, "Warning"), "399 example.com \"Too many participants\"");
	REQ("CF-7.2.1.5-R3a");
	/* Who is in takes no further place with another device. */
	ask(&second, &alice, call.identity, "");
	cr_assert_eq(call_final(&second), 200);
	cr_assert_str_eq(sip_header(&alice.message, "P-Asserted-Identity"), "<" TEAM ">");
	call_ack(&second);
	/* Nor is there a place when one of two devices goes; there is when a user has gone. */
	call_bye(&second);
	ask(&carols, &carol, call.identity, "");
	cr_assert_eq(call_final(&carols), 486);
	call_bye(&bobs);
	ask(&carols, &carol, call.identity, "");
	cr_assert_eq(call_final(&carols), 200);
	REQ("CF-7.2.1.5-R3");
	call_ack(&carols);
	call_bye(&carols);
	call_bye(&call);
	close_all();
}

/* No check of the number is given for ad-hoc sessions: who was in has his place. */
Test(CF_7_2_1_5, R3_an_adhoc_session_has_room_for_those_it_knows)
{
	const struct rig_options small = { .conference = "  max_adhoc_size: 3\n" };

	meet(&small, 3);
	call_bye(&three[2].call);
	come_back(&three[2], "");
	peer_close(&msrp);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

Test(CF_7_2_1_5, R4_the_allow_header_is_remembered)
{
	const struct rig_options quick = { .sip = "  min_se_s: 1\n" };

	sip_rig_start(&rig, &quick);
	party_meet(&rig, three, 2, "", false);
	/* Where we refresh: an UPDATE to one who takes it (RFC 4028 7.4), a re-INVITE to
	 * another. */
	again.peer = &three[1].peer;
	cr_assert_eq(
		rejoin(&three[1],
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n",
			offer()),
		200);
	call_ack(&again);
	cr_assert(sip_await_request(&three[1].peer, "UPDATE", RIG_WAIT_MS));
	cr_assert_str_eq(sip_header(&three[1].peer.message, "Call-ID"), again.id);
	sip_reply(&three[1].peer, &three[1].peer.message, 200, NULL,
		"Session-Expires: 4;refresher=uac\r\n", NULL, NULL);
	cr_assert_eq(
		rejoin(&three[1],
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n",
			offer()),
		200);
	call_ack(&again);
	cr_assert(sip_await_request(&three[1].peer, "INVITE", RIG_WAIT_MS));
	cr_assert_str_eq(sip_header(&three[1].peer.message, "Call-ID"), again.id);
	REQ("CF-7.2.1.5-R4");
	/* Nobody refreshes any more, and these end by themselves. */
	party_close(three, 2);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_5, R12_subscribers_are_told_and_R5_by_which_name)
{
	const struct rig_options quick = { .conference = "  notify_interval: 0.1\n" };
	struct watch *watch = calloc(1, sizeof(*watch));
	const struct view_user *user;
	char address[100];

	meet(&quick, 3);
	snprintf(address, sizeof(address), "%s", three[2].call.leg.address);
	watch_begin(watch, &three[0].peer, three[0].call.identity);
	watch_status(watch, address, "connected");
	/* He was not called anything when he was invited: 5.5, the user part. */
	user = conference_view_user(&watch->view, address);
	cr_assert_str_eq(user->display_text, "carol");
	call_bye(&three[2].call);
	watch_status(watch, address, "disconnected");
	watch_count(watch, 2);
	come_back(&three[2], "");
	watch_status(watch, address, "connected");
	watch_count(watch, 3);
	REQ("CF-7.2.1.5-R12");
	/* It came to the subscriber, in her dialog: watch_take. */
	cr_assert_str_eq(watch->call->peer->name, "alice");
	REQ("CF-7.2.1.5-R13");
	user = conference_view_user(&watch->view, address);
	cr_assert_str_eq(user->display_text, "Bobby");
	REQ("CF-7.2.1.5-R5");
	peer_close(&msrp);
	part(3);
	conference_view_fini(&watch->view);
	free(watch);
}

Test(CF_7_2_1_5, R6_privacy_gives_an_alias_and_keeps_it)
{
	char first[100], *at;

	meet(NULL, 3);
	call_bye(&three[2].call);
	come_back(&three[2], "Privacy: id\r\n");
	says(&again, &msrp, "hidden01");
	cr_assert(hears(&three[0].msrp, "hidden01", RIG_WAIT_MS));
	LACKS(said, "carol");
	LACKS(said, "Bobby");
	HAS(said, "From: \"Anonymous 1\" <sip:anon-");
	REQ("CF-7.2.1.5-R6");
	at = strstr(said, "<sip:anon-");
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(at, ">"), at);
	/* Whether it asks again or not, it stays who it was (context.md 2.4). */
	for (unsigned i = 0; i < 2; i++) {
		char tid[16];

		peer_close(&msrp);
		call_bye(&again);
		come_back(&three[2], i == 0 ? "Privacy: id\r\n" : "");
		snprintf(tid, sizeof(tid), "hidden1%u", i);
		says(&again, &msrp, tid);
		cr_assert(hears(&three[1].msrp, tid, RIG_WAIT_MS));
		HAS(said, first);
		LACKS(said, "carol");
	}
	peer_close(&msrp);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

/* Also what the user's other device says is the alias's from then on. */
Test(CF_7_2_1_5, R6_privacy_holds_for_the_sessions_that_stand)
{
	meet(NULL, 3);
	says(&three[2].call, &three[2].msrp, "before01");
	cr_assert(hears(&three[0].msrp, "before01", RIG_WAIT_MS));
	HAS(said, "carol");
	come_back(&three[2], "Privacy: id\r\n");
	says(&three[2].call, &three[2].msrp, "after001");
	cr_assert(hears(&three[0].msrp, "after001", RIG_WAIT_MS));
	LACKS(said, "carol");
	HAS(said, "\"Anonymous 1\" <sip:anon-");
	call_bye(&again);
	peer_close(&msrp);
	leave_all(3);
	part(3);
}

Test(CF_7_2_1_5, R6_privacy_that_is_not_allowed_gets_403)
{
	const struct rig_options open = { .conference = "  allow_anonymity: false\n" };

	meet(&open, 3);
	call_bye(&three[2].call);
	again.peer = &three[2].peer;
	cr_assert_eq(rejoin(&three[2], "Privacy: id\r\n", offer()), 403);
	cr_assert_str_eq(sip_header(&three[2].peer.message, "Warning"),
		"399 example.com \"Anonymity not allowed\"");
	/* The step of R6 comes before the one of R7. */
	cr_assert_eq(rejoin(&three[2], "Privacy: id\r\n", NULL), 403);
	cr_assert_eq(rejoin(&three[2], "Privacy: none\r\n", offer()), 200);
	call_ack(&again);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

Test(CF_7_2_1_5, R7_unacceptable_parameters_get_488)
{
	meet(NULL, 3);
	call_bye(&three[2].call);
	again.peer = &three[2].peer;
	cr_assert_eq(
		rejoin(&three[2], "",
			"v=0\r\no=c 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
			"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/c;tcp\r\na=accept-types:text/plain\r\n"),
		488);
	REQ("CF-7.2.1.5-R7");
	REQ("CF-7.2.1.5-R7a");
	HAS(three[2].peer.message.body, "a=accept-types:message/cpim\r\n");
	/* She has not come back by that: two are in, and when one goes it ends. */
	call_bye(&three[1].call);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	part(3);
}

Test(CF_7_2_1_5, R8_it_is_accepted_as_in_the_general_clause)
{
	const struct sip_message *ok = &three[2].peer.message;
	char line[300];

	meet(NULL, 3);
	call_bye(&three[2].call);
	again.peer = &three[2].peer;
	cr_assert_eq(rejoin(&three[2], "Supported: timer\r\n", offer()), 200);
	/* R10: on the way that the request came. */
	snprintf(line, sizeof(line), "127.0.0.1:%u;branch=%s", three[2].peer.port, again.branch);
	HAS(sip_header(ok, "Via"), line);
	cr_assert_str_eq(sip_header(ok, "Call-ID"), again.id);
	REQ("CF-7.2.1.5-R10");
	snprintf(line, sizeof(line), "<%s>;isfocus;+g.oma.sip-im", three[0].call.identity);
	cr_assert_str_eq(sip_header(ok, "Contact"), line);
	cr_assert_str_eq(sip_header(ok, "P-Asserted-Identity"), "<" SIP_FACTORY ">");
	cr_assert_str_eq(sip_header(ok, "Session-Expires"), "1800;refresher=uac");
	cr_assert_str_eq(sip_header(ok, "Require"), "timer");
	HAS(sip_header(ok, "Allow"), "INVITE");
	HAS(sip_header(ok, "Server"), "IM-serv/OMA1.0");
	REQ("CF-7.2.1.5-R8");
	cr_assert_str_eq(sip_header(ok, "Content-Type"), "application/sdp");
	snprintf(line, sizeof(line), "m=message %u TCP/MSRP *\r\n", rig.msrp_port);
	HAS(ok->body, line);
	snprintf(line, sizeof(line), "a=path:msrp://127.0.0.1:%u/", rig.msrp_port);
	HAS(ok->body, line);
	HAS(ok->body, "a=setup:passive\r\n");
	cr_assert_str_neq(again.leg.uri, three[2].call.leg.uri); /* a path of its own */
	REQ("CF-7.2.1.5-R9");
	call_ack(&again);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

Test(CF_7_2_1_5, R9a_types_come_from_the_offer)
{
	const struct rig_options options = {
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\", \"text/html\"]\n"
	};
	char line[200];

	meet(&options, 3);
	call_bye(&three[2].call);
	again.peer = &three[2].peer;
	cr_assert_eq(
		rejoin(&three[2], "",
			"v=0\r\no=c 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
			"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/carol;tcp\r\n"
			"a=accept-types:text/plain message/cpim\r\na=accept-wrapped-types:video/mp4 text/html\r\n"),
		200);
	sip_body_line(&three[2].peer.message, "a=accept-types:", line, sizeof(line));
	cr_assert_str_eq(line, "message/cpim");
	sip_body_line(&three[2].peer.message, "a=accept-wrapped-types:", line, sizeof(line));
	cr_assert_str_eq(line, "text/html");
	REQ("CF-7.2.1.5-R9a");
	call_ack(&again);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

Test(CF_7_2_1_5, R11_the_switch_serves_who_came_back)
{
	meet(NULL, 3);
	call_bye(&three[2].call);
	come_back(&three[2], "");
	says(&again, &msrp, "back0001");
	cr_assert(hears(&three[0].msrp, "back0001", RIG_WAIT_MS));
	cr_assert(hears(&three[1].msrp, "back0001", RIG_WAIT_MS));
	says(&three[0].call, &three[0].msrp, "hello001");
	cr_assert(hears(&msrp, "hello001", RIG_WAIT_MS));
	REQ("CF-7.2.1.5-R11");
	peer_close(&msrp);
	call_free(&three[2].call);
	three[2].call = again;
	leave_all(3);
	part(3);
}

/* RFC 7701 6.1: every session of a user gets every message, also what its other one says; it is one
 * participant all the same. */
Test(CF_7_2_1_5, another_device_is_a_session_of_the_same_user)
{
	meet(NULL, 3);
	come_back(&three[2], "");
	says(&three[0].call, &three[0].msrp, "toall001");
	cr_assert(hears(&three[1].msrp, "toall001", RIG_WAIT_MS));
	cr_assert(hears(&three[2].msrp, "toall001", RIG_WAIT_MS));
	cr_assert(hears(&msrp, "toall001", RIG_WAIT_MS));
	says(&again, &msrp, "fromher1");
	cr_assert(hears(&three[2].msrp, "fromher1", RIG_WAIT_MS));
	cr_assert(hears(&three[0].msrp, "fromher1", RIG_WAIT_MS));
	says(&three[2].call, &three[2].msrp, "fromher2");
	cr_assert(hears(&msrp, "fromher2", RIG_WAIT_MS));
	/* Counted once (context.md 2.6): bob and carol. */
	call_say(&three[0].call, &three[0].msrp, "count001",
		"Success-Report: yes;Include-Sent-Count\r\n", "count me");
	for (unsigned i = 0; i < 3; i++) {
		struct msrp_peer *peer = i == 0 ? &three[1].msrp : i == 1 ? &three[2].msrp : &msrp;
		const struct rig_leg *leg = i == 0   ? &three[1].call.leg
					    : i == 1 ? &three[2].call.leg
						     : &again.leg;

		cr_assert(hears(peer, "count me", RIG_WAIT_MS));
		peer_print(peer,
			"MSRP %.*s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
			SPAN_ARG(peer->chunk.tid), leg->uri, leg->path, SPAN_ARG(peer->chunk.tid));
	}
	do {
		cr_assert(peer_take(&three[0].msrp, RIG_WAIT_MS));
	} while (three[0].msrp.chunk.method != METHOD_REPORT);
	cr_assert(three[0].msrp.chunk.has_distribution_count);
	cr_assert_eq(three[0].msrp.chunk.distribution_count, 2);
	/* With one device gone she is still in; and three and her second device are three: the room
	 * goes on when bob leaves, and ends when she does. */
	call_bye(&three[2].call);
	call_bye(&three[1].call);
	cr_assert(sip_nothing(&three[0].peer, 300));
	says(&again, &msrp, "stillin1");
	cr_assert(hears(&three[0].msrp, "stillin1", RIG_WAIT_MS));
	call_bye(&again);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	peer_close(&msrp);
	part(3);
}

/* One whose client crashed comes back by a new INVITE: the old session goes when its connection was
 * missed for msrp.rebind_s, and nobody else hears of it by SIP. */
Test(CF_7_2_1_5, a_crashed_session_goes_by_itself)
{
	meet(&loses, 3);
	peer_close(&three[2].msrp);
	come_back(&three[2], "");
	cr_assert(call_byed(&three[2].call, RIG_WAIT_MS));
	cr_assert_str_eq(sip_header(&three[2].peer.message, "Call-ID"), three[2].call.id);
	HAS(sip_header(&three[2].peer.message, "Reason"),
		"SIP;cause=480;text=\"MSRP connection lost\"");
	says(&again, &msrp, "survives");
	cr_assert(hears(&three[0].msrp, "survives", RIG_WAIT_MS));
	cr_assert(sip_nothing(&three[0].peer, 200));
	peer_close(&msrp);
	call_bye(&again);
	call_bye(&three[1].call);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	part(3);
}

/* The same in a session of two: it is not ended by what happens to one of her sessions. */
Test(CF_7_2_1_5, a_crashed_side_of_a_session_of_two_comes_back)
{
	meet(&loses, 2);
	peer_close(&three[1].msrp);
	come_back(&three[1], "");
	cr_assert(call_byed(&three[1].call, RIG_WAIT_MS));
	cr_assert(sip_nothing(&three[0].peer, 300), "the other side was removed");
	says(&three[0].call, &three[0].msrp, "twoagain");
	cr_assert(hears(&msrp, "twoagain", RIG_WAIT_MS));
	call_bye(&again);
	cr_assert(call_byed(&three[0].call, RIG_WAIT_MS));
	peer_close(&msrp);
	part(2);
}

/* The inviter on another device while the first one still waits for an invited one: it alone is
 * nobody to talk to, so the first goes on waiting. */
Test(CF_7_2_1_5, the_inviters_second_device_does_not_answer_its_first)
{
	char contact[300];

	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_ring(&bobs);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	snprintf(contact, sizeof(contact), "%s", sip_header(&alice.message, "Contact"));
	contact[strcspn(contact, ">")] = '\0';
	again.peer = &alice;
	call_invite(&again, &alice, contact + 1, "", "application/sdp", offer());
	cr_assert_eq(call_final(&again), 200);
	call_ack(&again);
	cr_assert_not(sip_await_response(&alice, "INVITE", call.id, 0, 300), "answered too early");
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	/* Who came by herself may stay, and wait for others. */
	cr_assert(sip_nothing(&alice, 200));
	call_bye(&again);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	close_all();
}
