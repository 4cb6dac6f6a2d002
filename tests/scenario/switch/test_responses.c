/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is answered, with what, and along which path: context.md 1.3, 1.6. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/scenario/switch/scene.h"

Test(responses, failure_report_says_which_answers_are_wanted)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "yes.good", .headers = "Failure-Report: yes\r\n",
		.text = "1");
	REFUSED(&s, ALICE, 403, .id = "yes.bad", .headers = "Failure-Report: YES\r\n",
		.from = "<sip:x@y>");
	SAY(&s, ALICE, .id = "part.good", .headers = "Failure-Report: partial\r\n", .text = "2");
	expect_nothing(&s, ALICE);
	REFUSED(&s, ALICE, 403, .id = "part.bad", .headers = "failure-report: Partial\r\n",
		.from = "<sip:x@y>");
	SAY(&s, ALICE, .id = "no.good", .headers = "Failure-Report: no\r\n", .text = "3");
	SAY(&s, ALICE, .id = "no.bad", .headers = "Failure-Report: no\r\n", .from = "<sip:x@y>");
	expect_nothing(&s, ALICE);
	REFUSED(&s, ALICE, 400, .id = "odd1", .headers = "Failure-Report: perhaps\r\n",
		.text = "x");
	expect_text(&s, BOB, "1");
	expect_text(&s, BOB, "2");
	expect_text(&s, BOB, "3");
	/* The same without content. */
	scene_ping(&s, ALICE, "ping.no", "Failure-Report: no\r\n");
	scene_ping(&s, ALICE, "ping.part", "Failure-Report: partial\r\n");
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

/* A request with these paths and no content; its answer's paths. */
static void paths(struct scene *s, const char *method, const char *to, const char *from,
	const char *more, unsigned status, const char *answer_to)
{
	struct msrp_peer *peer = &s->peer[ALICE];

	peer_print(peer,
		"MSRP paths001 %s\r\nTo-Path: %s\r\nFrom-Path: %s\r\n%s-------paths001$\r\n",
		method, to, from, more);
	cr_assert(peer_take(peer, RIG_WAIT_MS), "%s is not answered", method);
	cr_assert_eq(peer->chunk.method, METHOD_RESPONSE);
	cr_assert_eq(peer->chunk.status, status, "%s: %u", method, peer->chunk.status);
	cr_assert(span_eq(peer->chunk.to_path, span_of(answer_to)), "%s: To-Path %.*s", method,
		SPAN_ARG(peer->chunk.to_path));
	cr_assert_eq(peer->chunk.flag, '$');
}

Test(responses, their_paths_are_those_of_the_request_turned_round)
{
	const char *several = "msrp://relay.example.com:9/r;tcp msrp://10.0.0.1:9/alice;tcp";
	const char *first = "msrp://relay.example.com:9/r;tcp";
	char two[700], rewritten[300];
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	paths(&s, "SEND", s.leg[ALICE].uri, several, "Message-ID: p001\r\n", 200, first);
	cr_assert(span_eq(s.peer[ALICE].chunk.from_path, span_of(s.leg[ALICE].uri)));
	paths(&s, "NICKNAME", s.leg[ALICE].uri, several, "Use-Nickname: \"Al\"\r\n", 403, several);
	cr_assert(span_eq(s.peer[ALICE].chunk.from_path, span_of(s.leg[ALICE].uri)));
	paths(&s, "FETCH", s.leg[ALICE].uri, several, "", 501, several);
	paths(&s, "send", s.leg[ALICE].uri, several, "", 501, several); /* names are upper case */
	paths(&s, "AUTH", s.leg[ALICE].uri, several, "", 501, several);
	/* Two in To-Path is a request to relay. */
	snprintf(two, sizeof(two), "%s msrp://127.0.0.1:9/next;tcp", s.leg[ALICE].uri);
	paths(&s, "SEND", two, several, "Message-ID: p002\r\n", 400, first);
	paths(&s, "SEND", "nonsense", several, "Message-ID: p003\r\n", 400, first);
	/* Middle boxes rewrite the authority; the session-id counts (context.md 1.2). We still
	 * speak as in our SDP. */
	snprintf(rewritten, sizeof(rewritten), "msrp://alg.example.net:7777/%s",
		strrchr(s.leg[ALICE].uri, '/') + 1);
	paths(&s, "SEND", rewritten, several, "Message-ID: p004\r\n", 200, first);
	cr_assert(span_eq(s.peer[ALICE].chunk.from_path, span_of(s.leg[ALICE].uri)));
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

Test(responses, a_report_is_never_answered)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "m.01", .text = "hello");
	scene_take(&s, BOB);
	peer_print(&s.peer[BOB],
		"MSRP report01 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: 1-%zu/%zu\r\nStatus: 000 200 OK\r\n-------report01$\r\n",
		s.leg[BOB].uri, s.leg[BOB].path, s.id, s.len, s.len);
	peer_print(&s.peer[BOB],
		"MSRP report02 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: unknown\r\nByte-Range: 1-1/1\r\nStatus: 000 413\r\n-------report02$\r\n",
		s.leg[BOB].uri, s.leg[BOB].path);
	peer_print(&s.peer[BOB],
		"MSRP report03 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------report03$\r\n",
		s.leg[BOB].uri, s.leg[BOB].path);
	expect_nothing(&s, BOB);
	expect_nothing(&s, ALICE); /* RFC 7701 6.3: and none is forwarded */
	scene_close(&s);
}

Test(responses, ones_that_nobody_waits_for_are_ignored)
{
	static const char *const tids[] = { "whatever", "aaaaaaaaaaaaaaaaaaaaaaaaa",
		"7777777777777777777777777", "aaaaaaaaaaaaa777777777777",
		"aaaaaaaaaaaaa0000.---====" };
	static const unsigned statuses[] = { 200, 413, 481, 999 };
	struct scene s;
	unsigned i, j;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (i = 0; i < sizeof(tids) / sizeof(tids[0]); i++)
		for (j = 0; j < 4; j++)
			peer_print(&s.peer[BOB],
				"MSRP %s %u\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n",
				tids[i], statuses[j], s.leg[BOB].uri, s.leg[BOB].path, tids[i]);
	expect_nothing(&s, BOB);
	REFUSED(&s, ALICE, 200, .id = "m.01", .text = "hello");
	expect_text(&s, BOB, "hello");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "responses_in"), 20);
}

Test(responses, a_send_without_content_may_ask_for_a_report)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_ping(&s, ALICE, "ping1", "Success-Report: yes\r\nByte-Range: 1-0/0\r\n");
	expect_status(&s, ALICE, "ping1", 200);
	expect_report(&s, ALICE, "ping1", 0, -1);
	/* Without a Message-ID: tolerated, and there is nothing to report about. */
	peer_print(&s.peer[ALICE],
		"MSRP ping2 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nSuccess-Report: yes\r\n-------ping2$\r\n",
		s.leg[ALICE].uri, s.leg[ALICE].path);
	expect_status(&s, ALICE, "ping2", 200);
	expect_nothing(&s, ALICE);
	REFUSED(&s, ALICE, 200, .id = "m.01", .text = "hello");
	expect_text(&s, BOB, "hello"); /* the pings were not forwarded */
	scene_close(&s);
}

Test(responses, content_without_a_message_id_gets_400)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_chunk(&s, ALICE, "noid1", "",
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx",
		88, '$');
	expect_status(&s, ALICE, "noid1", 400);
	REFUSED(&s, ALICE, 200, .id = "m.01", .text = "hello");
	expect_text(&s, BOB, "hello");
	scene_close(&s);
}
