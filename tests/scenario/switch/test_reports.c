/* SPDX-License-Identifier: BSD-3-Clause */
/* Success-Report, and the count that OMA adds to it: context.md 1.6, 2.3, 2.6. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

#define COUNT "Success-Report: yes;Include-Sent-Count\r\n"

/* The octets of a message of Alice's with this text. */
static size_t octets(const struct scene *s, const char *text)
{
	return scene_say_len(s, ALICE, &(struct words){ .text = text });
}

/* The next thing is a counted copy of the text, which asks for an answer. */
static void counted_copy(struct scene *s, unsigned who, const char *text)
{
	expect_text(s, who, text);
	cr_assert_eq(s->peer[who].chunk.failure_report, FAILURE_REPORT_YES);
}

static void counted_200(struct scene *s, unsigned who, const char *text)
{
	counted_copy(s, who, text);
	scene_answer(s, who, 200);
}

Test(reports, one_is_sent_when_it_was_asked_for)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "with", .headers = "Success-Report: yes\r\n", .text = "with");
	expect_report(&s, ALICE, "with", octets(&s, "with"), -1);
	REFUSED(&s, ALICE, 200, .id = "without", .text = "without");
	REFUSED(&s, ALICE, 200, .id = "said.no",
		.headers = "Success-Report: no;Include-Sent-Count\r\n", .text = "said no");
	/* Reports and responses are asked for apart. */
	SAY(&s, ALICE, .id = "quiet", .headers = "Failure-Report: no\r\nSuccess-Report: YES\r\n",
		.text = "quiet");
	expect_report(&s, ALICE, "quiet", octets(&s, "quiet"), -1);
	SAY(&s, ALICE, .id = "refused", .headers = "Failure-Report: no\r\nSuccess-Report: yes\r\n",
		.from = "<sip:x@y>");
	expect_nothing(&s, ALICE);
	expect_text(&s, BOB, "with");
	/* Copies ask for nothing but bad news. */
	cr_assert_eq(s.peer[BOB].chunk.failure_report, FAILURE_REPORT_PARTIAL);
	expect_text(&s, BOB, "without");
	expect_text(&s, BOB, "said no");
	expect_text(&s, BOB, "quiet");
	scene_close(&s);
}

Test(reports, one_for_a_message_of_chunks_covers_all_of_it)
{
	static const char head[] =
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";
	struct scene s;
	char range[120];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_chunk(&s, ALICE, "part1",
		"Message-ID: parts\r\nSuccess-Report: yes\r\nByte-Range: 1-*/*\r\n", head,
		sizeof(head) - 1, '+');
	expect_status(&s, ALICE, "part1", 200);
	expect_nothing(&s, ALICE);
	snprintf(range, sizeof(range),
		"Message-ID: parts\r\nSuccess-Report: yes\r\nByte-Range: %zu-*/*\r\n",
		sizeof(head));
	scene_chunk(&s, ALICE, "part2", range, "end", 3, '$');
	expect_status(&s, ALICE, "part2", 200);
	expect_report(&s, ALICE, "parts", sizeof(head) + 2, -1);
	expect_nothing(&s, ALICE);
	expect_text(&s, BOB, "end");
	scene_close(&s);
}

Test(reports, they_go_along_the_whole_from_path)
{
	static const char path[] = "msrp://relay.example.com:9/r;tcp msrp://10.0.0.1:9/alice;tcp";
	struct scene s;
	char *body;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	body = scene_cpim(&s, ALICE, &(struct words){ .text = "far" });
	peer_print(&s.peer[ALICE],
		"MSRP far00001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: far1\r\nFailure-Report: no\r\nSuccess-Report: yes\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------far00001$\r\n",
		s.leg[ALICE].uri, path, body);
	cr_assert(peer_take(&s.peer[ALICE], RIG_WAIT_MS));
	cr_assert_eq(s.peer[ALICE].chunk.method, METHOD_REPORT);
	cr_assert(span_eq(s.peer[ALICE].chunk.to_path, span_of(path)));
	cr_assert(span_eq(s.peer[ALICE].chunk.from_path, span_of(s.leg[ALICE].uri)));
	free(body);
	scene_close(&s);
}

Test(reports, a_count_is_of_participants_who_got_it_whole)
{
	unsigned bob2, alice2, history;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 3, .msrp = "  count_wait_s: 0.4\n" },
		"alice bob carol dave");
	bob2 = scene_join(&s, "bob", &(struct rig_member_settings){ .participant = BOB });
	alice2 = scene_join(&s, "alice", &(struct rig_member_settings){ .participant = ALICE });
	history = scene_join(&s, "history",
		&(struct rig_member_settings){ .participant = 9, .flags = MEMBER_HIDDEN });
	REFUSED(&s, ALICE, 200, .id = "count1", .headers = COUNT, .text = "everybody");
	counted_200(&s, BOB, "everybody");
	counted_200(&s, CAROL, "everybody");
	counted_200(&s, DAVE, "everybody");
	expect_nothing(&s, ALICE); /* Bob's second device has not answered yet */
	counted_200(&s, bob2, "everybody");
	/* Neither the sender's other device nor a History Function is counted, or waited for. */
	expect_report(&s, ALICE, "count1", octets(&s, "everybody"), 3);
	counted_200(&s, alice2, "everybody");
	counted_200(&s, history, "everybody");
	/* One of Bob's two is enough. */
	REFUSED(&s, ALICE, 200, .id = "count2", .headers = COUNT, .text = "half of bob");
	counted_copy(&s, BOB, "half of bob");
	scene_answer(&s, BOB, 408);
	counted_200(&s, bob2, "half of bob");
	counted_200(&s, CAROL, "half of bob");
	counted_copy(&s, DAVE, "half of bob");
	scene_answer(&s, DAVE, 413); /* not counted */
	counted_200(&s, alice2, "half of bob");
	counted_200(&s, history, "half of bob");
	expect_report(&s, ALICE, "count2", octets(&s, "half of bob"), 2);
	/* Who is silent is not waited for for ever. */
	REFUSED(&s, ALICE, 200, .id = "count3", .headers = COUNT, .text = "silence");
	counted_200(&s, CAROL, "silence");
	expect_report(&s, ALICE, "count3", octets(&s, "silence"), 1);
	/* An answer that comes later is too late, and harms nothing. */
	counted_200(&s, DAVE, "silence");
	expect_nothing(&s, DAVE);
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

Test(reports, a_member_that_leaves_is_not_waited_for)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol dave erin");
	REFUSED(&s, ALICE, 200, .id = "leaves", .headers = COUNT, .text = "who stays");
	counted_200(&s, BOB, "who stays");
	counted_copy(&s, CAROL, "who stays");
	counted_copy(&s, DAVE, "who stays");
	counted_copy(&s, ERIN, "who stays");
	peer_close(&s.peer[CAROL]);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &s.leg[DAVE]), 0);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[ERIN]), 0);
	expect_report(&s, ALICE, "leaves", octets(&s, "who stays"), 1);
	scene_close(&s);
}

Test(reports, a_count_may_be_nought)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .room = { .flags = ROOM_PRIVATE } }, "alice bob");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[BOB],
			     &(struct rig_member_settings){ .participant = BOB,
				     .flags = MEMBER_PRIVATE,
				     .wrapped = "text/plain" }),
		0);
	/* Nobody to send it to: the REPORT comes at once. */
	REFUSED(&s, ALICE, 200, .id = "none", .headers = COUNT, .type = "image/png", .text = "x");
	expect_report(&s, ALICE, "none",
		scene_say_len(&s, ALICE, &(struct words){ .type = "image/png", .text = "x" }), 0);
	/* A private one: nought or one. */
	REFUSED(&s, ALICE, 200, .id = "one1", .headers = COUNT, .to = "<sip:bob@example.com>",
		.text = "x");
	counted_200(&s, BOB, "x");
	expect_report(&s, ALICE, "one1",
		scene_say_len(
			&s, ALICE, &(struct words){ .to = "<sip:bob@example.com>", .text = "x" }),
		1);
	/* And with nobody in the room at all. */
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[BOB]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[BOB].id);
	REFUSED(&s, ALICE, 200, .id = "alone", .headers = COUNT, .text = "alone");
	expect_report(&s, ALICE, "alone", octets(&s, "alone"), 0);
	scene_close(&s);
}

Test(reports, the_parameter_may_be_spelt_in_several_ways)
{
	static const struct {
		const char *value;
		long count;
	} cases[] = {
		{ "yes;Include-Sent-Count", 1 },
		{ "yes ; include-sent-count=YES", 1 },
		{ "YES;x=y;Include-Sent-Count=true", 1 },
		{ "yes;Include-Sent-Count=no", -1 },
		{ "yes;Include-Sent-Count=false", -1 },
		{ "yes;unknown", -1 },
	};
	char id[16], headers[100];
	struct scene s;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(id, sizeof(id), "spelt%u", i);
		snprintf(headers, sizeof(headers), "Success-Report: %s\r\n", cases[i].value);
		REFUSED(&s, ALICE, 200, .id = id, .headers = headers, .text = "spelt");
		expect_text(&s, BOB, "spelt");
		if (s.peer[BOB].chunk.failure_report == FAILURE_REPORT_YES)
			scene_answer(&s, BOB, 200);
		expect_report(&s, ALICE, id, octets(&s, "spelt"), cases[i].count);
	}
	scene_close(&s);
}

Test(reports, every_chunk_of_a_copy_must_be_answered_well)
{
	static const char head[] =
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";
	struct scene s;
	char text[120];
	unsigned round;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob carol");
	for (round = 0; round < 2; round++) {
		char tid[16], id[16], first[CHUNK_TID_MAX + 1];

		snprintf(id, sizeof(id), "chunks%u", round);
		snprintf(tid, sizeof(tid), "ch%ua", round);
		snprintf(
			text, sizeof(text), "Message-ID: %s\r\n" COUNT "Byte-Range: 1-*/*\r\n", id);
		scene_chunk(&s, ALICE, tid, text, head, sizeof(head) - 1, '+');
		expect_status(&s, ALICE, tid, 200);
		/* Another message interrupts the copies. */
		snprintf(tid, sizeof(tid), "other%u", round);
		REFUSED(&s, ALICE, 200, .id = tid, .text = "other");
		s.len = s.chunks = 0;
		scene_chunk_take(&s, BOB);
		cr_assert_eq(s.flag, '+');
		snprintf(first, sizeof(first), "%s", s.id);
		scene_answer(&s, BOB, round == 0 ? 200 : 400);
		s.len = s.chunks = 0;
		scene_chunk_take(&s, CAROL);
		scene_answer(&s, CAROL, 200);
		expect_text(&s, BOB, "other");
		expect_text(&s, CAROL, "other");
		snprintf(tid, sizeof(tid), "ch%ub", round);
		snprintf(text, sizeof(text), "Message-ID: %s\r\n" COUNT "Byte-Range: %zu-*/*\r\n",
			id, sizeof(head));
		scene_chunk(&s, ALICE, tid, text, "end", 3, '$');
		expect_status(&s, ALICE, tid, 200);
		cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
		cr_assert(span_eq(s.peer[BOB].chunk.message_id, span_of(first)));
		scene_answer(&s, BOB, 200);
		cr_assert(peer_take(&s.peer[CAROL], RIG_WAIT_MS));
		expect_nothing(&s, ALICE); /* Carol's last answer is missing */
		scene_answer(&s, CAROL, 200);
		expect_report(&s, ALICE, id, sizeof(head) + 2, round == 0 ? 2 : 1);
	}
	scene_close(&s);
}

Test(reports, who_answers_for_another_is_not_believed)
{
	struct scene s;

	scene_open(
		&s, &(struct scene_settings){ .msrp = "  count_wait_s: 0.4\n" }, "alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "trust", .headers = COUNT, .text = "trust");
	counted_copy(&s, BOB, "trust");
	counted_copy(&s, CAROL, "trust");
	/* Carol answers twice for herself, and once with Bob's transaction id. */
	scene_answer(&s, CAROL, 200);
	scene_answer(&s, CAROL, 200);
	s.peer[CAROL].chunk.tid = s.peer[BOB].chunk.tid;
	scene_answer(&s, CAROL, 200);
	expect_report(&s, ALICE, "trust", octets(&s, "trust"), 1);
	scene_close(&s);
}

Test(reports, an_aborted_message_gets_none)
{
	static const char head[] =
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	scene_chunk(&s, ALICE, "abort1", "Message-ID: abort\r\n" COUNT "Byte-Range: 1-*/*\r\n",
		head, sizeof(head) - 1, '#');
	expect_status(&s, ALICE, "abort1", 200);
	REFUSED(&s, ALICE, 200, .id = "sound", .headers = COUNT, .text = "sound");
	scene_take(&s, BOB);
	if (s.flag == '#')
		counted_copy(&s, BOB, "sound");
	scene_answer(&s, BOB, 200);
	scene_take(&s, CAROL);
	if (s.flag == '#')
		counted_copy(&s, CAROL, "sound");
	scene_answer(&s, CAROL, 200);
	expect_report(&s, ALICE, "sound", octets(&s, "sound"), 2);
	scene_close(&s);
}

Test(reports, the_sender_may_be_gone_when_the_count_is_known)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  count_wait_s: 10\n" },
		"alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "gone", .headers = COUNT, .text = "gone");
	peer_close(&s.peer[ALICE]);
	scene_leg(&s, &s.leg[ALICE], LEG_UNBOUND, 1);
	counted_200(&s, BOB, "gone");
	counted_200(&s, CAROL, "gone");
	expect_nothing(&s, BOB);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "reports_lost"), 1);
}

/* ---- msrp.count_basis: delivered ---- */

/* "from-to/total" of the message taken last. */
static void report_piece(struct scene *s, unsigned who, size_t from, size_t to)
{
	char range[80];

	snprintf(range, sizeof(range), "%zu-%zu/%zu", from, to, s->len);
	scene_report(s, who, s->id, "000 200", range);
}

static void delivered_copy(struct scene *s, unsigned who, const char *text)
{
	counted_copy(s, who, text);
	cr_assert(s->peer[who].chunk.success_report);
	scene_answer(s, who, 200);
}

Test(reports, delivered_means_that_success_reports_cover_the_message)
{
	struct scene s;
	size_t n;

	scene_open(&s,
		&(struct scene_settings){
			.workers = 2, .msrp = "  count_basis: delivered\n  count_wait_s: 1\n" },
		"alice bob carol dave erin frank grace heidi");
	s.delivered = true;
	REFUSED(&s, ALICE, 200, .id = "pieces", .headers = COUNT, .text = "in pieces");
	n = octets(&s, "in pieces");
	/* All at once, and without a range; in pieces, in any order, overlapping. */
	delivered_copy(&s, BOB, "in pieces");
	report_piece(&s, BOB, 1, n);
	delivered_copy(&s, CAROL, "in pieces");
	scene_report(&s, CAROL, s.id, "000 200", NULL);
	delivered_copy(&s, DAVE, "in pieces");
	report_piece(&s, DAVE, 30, n);
	report_piece(&s, DAVE, 10, 12);
	report_piece(&s, DAVE, 20, 25);
	report_piece(&s, DAVE, 11, 22); /* joins the two before it */
	report_piece(&s, DAVE, 24, 40);
	report_piece(&s, DAVE, 1, 9);
	/* An octet is missing; only 200s; of another namespace, or beyond the end. */
	delivered_copy(&s, ERIN, "in pieces");
	report_piece(&s, ERIN, 1, 9);
	report_piece(&s, ERIN, 11, n);
	delivered_copy(&s, 5, "in pieces");
	delivered_copy(&s, 6, "in pieces");
	scene_report(&s, 6, s.id, "001 200", NULL);
	scene_report(&s, 6, s.id, "000 200", "1-1000/1000");
	scene_report(&s, 6, s.id, "000 200", "1-*/*");
	scene_report(&s, 6, "another.message", "000 200", NULL);
	/* What fails later has failed. */
	delivered_copy(&s, 7, "in pieces");
	scene_report(&s, 7, s.id, "000 408", NULL);
	report_piece(&s, 7, 1, n);
	expect_report(&s, ALICE, "pieces", n, 3);
	/* Too late, and of no consequence; a REPORT is never answered. */
	report_piece(&s, ERIN, 10, 10);
	expect_nothing(&s, ERIN);
	expect_nothing(&s, 7);
	expect_nothing(&s, ALICE);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "reports_in"), 17);
}

Test(reports, a_piece_too_many_is_forgotten_until_it_is_reported_again)
{
	struct scene s;
	unsigned i;
	size_t n;

	scene_open(&s, &(struct scene_settings){ .msrp = "  count_basis: delivered\n" },
		"alice bob carol");
	s.delivered = true;
	REFUSED(&s, ALICE, 200, .id = "holes", .headers = COUNT, .text = "holes");
	n = octets(&s, "holes");
	delivered_copy(&s, CAROL, "holes");
	report_piece(&s, CAROL, 1, n);
	delivered_copy(&s, BOB, "holes");
	for (i = 4; i > 0; i--)
		report_piece(&s, BOB, i * 10, i * 10); /* three are kept: 40, 30, 20 */
	for (i = 0; i < 5; i++)
		report_piece(&s, BOB, i * 10 + 1, i < 4 ? i * 10 + 9 : n);
	expect_nothing(&s, BOB);
	expect_nothing(&s, ALICE); /* octet 10 */
	report_piece(&s, BOB, 10, 10);
	report_piece(&s, BOB, 50, 50); /* nothing new */
	/* What was reported behind octet 10 before it was known has been kept as one piece. */
	expect_report(&s, ALICE, "holes", n, 2);
	scene_close(&s);
}

/* ---- failures ---- */

static const char head[] =
	"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";

/* A message whose first chunk stays open on the wire, and goes to everybody as far as it is. */
static void begin_message(struct scene *s, const char *id, const char *headers)
{
	peer_print(&s->peer[ALICE],
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%sByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n%sthe beginning",
		id, s->leg[ALICE].uri, s->leg[ALICE].path, id, headers, head);
}

static void end_message(struct scene *s, const char *id)
{
	peer_print(&s->peer[ALICE], ", the end\r\n-------%s$\r\n", id);
}

/* Waits until the head of a message that is not whole yet has come. Its Message-ID. */
static void expect_begun(struct scene *s, unsigned who, char id[CHUNK_TID_MAX + 1])
{
	struct msrp_peer *peer = &s->peer[who];
	unsigned waited;

	for (waited = 0; peer->body_len == 0 ||
			 memmem(peer->body, peer->body_len, "the beginning", 13) == NULL;
		waited++) {
		cr_assert_lt(waited, RIG_WAIT_MS / 10, "the beginning did not come");
		cr_assert_not(peer_take(peer, 10));
	}
	snprintf(id, CHUNK_TID_MAX + 1, "%.*s", SPAN_ARG(peer->chunk.message_id));
}

Test(reports, a_failure_report_ends_the_copy_that_is_being_sent)
{
	char id[CHUNK_TID_MAX + 1];
	struct scene s;
	unsigned round;

	/* Counted or not; in a group the sender hears nothing of it. */
	for (round = 0; round < 2; round++) {
		scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol dave");
		begin_message(&s, "failing1", round == 0 ? "" : COUNT);
		expect_begun(&s, CAROL, id);
		expect_begun(&s, BOB, id);
		scene_report(&s, BOB, "no.such.message", "000 413", NULL);
		scene_report(&s, BOB, id, "001 413", NULL);
		scene_report(&s, BOB, id, "000 413", "1-20/*");
		expect_cut(&s, BOB);
		end_message(&s, "failing1");
		expect_status(&s, ALICE, "failing1", 200);
		expect_text(&s, CAROL, "the beginning, the end");
		expect_text(&s, DAVE, "the beginning, the end");
		if (round == 1) {
			scene_answer(&s, CAROL, 200);
			scene_answer(&s, DAVE, 200);
			expect_report(&s, ALICE, "failing1",
				strlen(head) + strlen("the beginning, the end"), 2);
		}
		expect_nothing(&s, BOB);
		expect_nothing(&s, ALICE);
		scene_close(&s);
		cr_assert_eq(rig_counter(&s.rig, "copies_cut"), 1);
	}
}

Test(reports, a_refusal_of_an_earlier_chunk_ends_a_counted_copy)
{
	char id[CHUNK_TID_MAX + 1];
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob carol dave");
	begin_message(&s, "earlier1", COUNT);
	expect_begun(&s, BOB, id);
	/* A message of Dave's interrupts it. */
	SAY(&s, DAVE, .id = "other", .headers = "Failure-Report: no\r\n",
		.from = "<sip:dave@example.com>", .text = "other");
	s.len = s.chunks = 0;
	scene_chunk_take(&s, BOB);
	cr_assert_eq(s.flag, '+');
	scene_answer(&s, BOB, 413);
	s.len = s.chunks = 0;
	expect_text(&s, BOB, "other");
	/* The chunk that follows has no octets: that the message is over. */
	cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
	cr_assert_eq(s.peer[BOB].chunk.flag, '#');
	cr_assert(span_eq(s.peer[BOB].chunk.message_id, span_of(id)));
	cr_assert_eq(s.peer[BOB].chunk.range.start, strlen(head) + strlen("the beginning") + 1);
	scene_close(&s);
}

Test(reports, who_says_that_the_session_is_gone_is_unbound)
{
	static const unsigned statuses[] = { 481, 506 };
	struct scene s;
	unsigned i;

	for (i = 0; i < 2; i++) {
		scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
		REFUSED(&s, ALICE, 200, .id = "gone", .text = "gone");
		expect_text(&s, BOB, "gone");
		rig_event(&s.rig, EVENT_LEG, &s.leg[BOB].id); /* bound */
		/* Not by a response that nobody waits for, such as one to what went to another. */
		peer_print(&s.peer[CAROL],
			"MSRP %.*s %u gone\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
			SPAN_ARG(s.peer[BOB].chunk.tid), statuses[i], s.leg[CAROL].uri,
			s.leg[CAROL].path, SPAN_ARG(s.peer[BOB].chunk.tid));
		expect_text(&s, CAROL, "gone");
		expect_nothing(&s, CAROL);
		scene_answer(&s, BOB, statuses[i]);
		cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS));
		do {
			rig_event(&s.rig, EVENT_LEG, &s.leg[BOB].id);
		} while (s.rig.event.u.leg.status.state == LEG_BOUND);
		cr_assert_eq(s.rig.event.u.leg.status.cause, LEG_CAUSE_LOST);
		REFUSED(&s, ALICE, 200, .id = "id.on", .text = "on");
		expect_text(&s, CAROL, "on");
		scene_close(&s);
		cr_assert_eq(rig_counter(&s.rig, "sessions_disowned"), 1);
	}
}

Test(reports, a_copy_that_is_not_answered_in_time_is_not_counted)
{
	struct scene s;

	/* RFC 4975 7.1.1: the transaction's time, though the count might wait longer. */
	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  transaction_s: 0.5\n" },
		"alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "silent", .headers = COUNT, .text = "silent");
	counted_200(&s, BOB, "silent");
	counted_copy(&s, CAROL, "silent");
	expect_report(&s, ALICE, "silent", octets(&s, "silent"), 1);
	scene_close(&s);
}

Test(reports, a_late_200_is_none)
{
	char id[CHUNK_TID_MAX + 1];
	struct scene s;

	scene_open(&s,
		&(struct scene_settings){
			.msrp = "  transaction_s: 0.3\n", .room = { .flags = ROOM_PRIVATE } },
		"alice bob carol dave");
	/* Bob's first chunk ends early and is answered late, while the message is still coming. */
	begin_message(&s, "late1", COUNT);
	expect_begun(&s, BOB, id);
	SAY(&s, DAVE, .id = "other", .headers = "Failure-Report: no\r\n",
		.from = "<sip:dave@example.com>", .to = "<sip:bob@example.com>", .text = "other");
	s.len = s.chunks = 0;
	scene_chunk_take(&s, BOB);
	cr_assert_eq(s.flag, '+');
	usleep(700000); /* what is tested is that time passes */
	scene_answer(&s, BOB, 200);
	expect_text(&s, BOB, "other");
	end_message(&s, "late1");
	expect_status(&s, ALICE, "late1", 200);
	/* A 408 of our own is as one of the peer's: the copy is ended. */
	cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
	cr_assert_eq(s.peer[BOB].chunk.flag, '#');
	expect_text(&s, CAROL, "the beginning, the end");
	scene_answer(&s, CAROL, 200);
	expect_report(&s, ALICE, "late1", strlen(head) + strlen("the beginning, the end"), 1);
	scene_close(&s);
}

Test(reports, a_control_payload_is_neither_counted_nor_reported)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .room = { .flags = ROOM_PRIVATE } }, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "imdn1", .headers = COUNT, .to = "<sip:bob@example.com>",
		.type = "message/imdn+xml", .text = "<imdn/>");
	expect_text(&s, BOB, "<imdn/>");
	cr_assert_eq(s.peer[BOB].chunk.failure_report, FAILURE_REPORT_PARTIAL);
	expect_nothing(&s, BOB);
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

Test(reports, one_sender_does_not_take_the_records_of_the_others)
{
	enum { MANY = 600 };
	struct object_id room2;
	struct rig_leg dave, erin;
	struct msrp_peer dave_peer, erin_peer;
	unsigned i, counted = 0;
	struct scene s;
	char id[16];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob carol");
	room2 = rig_room(&s.rig, 0, 0);
	dave = rig_leg(&s.rig, &room2, "dave", 0, true);
	erin = rig_leg(&s.rig, &room2, "erin", 1, true);
	peer_bind(&dave_peer, s.rig.port, &dave);
	peer_bind(&erin_peer, s.rig.port, &erin);
	/* Nobody answers. */
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "hog%u", i);
		SAY(&s, ALICE, .id = id, .headers = COUNT "Failure-Report: no\r\n", .text = id);
	}
	for (i = 0; i < MANY; i++) {
		s.len = s.chunks = 0;
		scene_take(&s, BOB);
		counted += s.peer[BOB].chunk.failure_report == FAILURE_REPORT_YES;
	}
	cr_assert(counted > 256 && counted < 512, "%u of 1024 records for one sender", counted);
	/* Those that got none are reported at once, without a count. */
	for (i = counted; i < MANY; i++) {
		cr_assert(peer_take(&s.peer[ALICE], RIG_WAIT_MS));
		cr_assert(s.peer[ALICE].chunk.method == METHOD_REPORT &&
			  !s.peer[ALICE].chunk.has_distribution_count);
	}
	/* Another sender of the room, and another room. */
	for (i = 0; i < MANY; i++) {
		s.len = s.chunks = 0;
		scene_take(&s, CAROL);
	}
	REFUSED(&s, CAROL, 200, .id = "fair", .headers = COUNT, .from = "<sip:carol@example.com>",
		.text = "fair");
	counted_200(&s, BOB, "fair");
	scene_take(&s, ALICE);
	scene_answer(&s, ALICE, 200);
	expect_report(&s, CAROL, "fair", octets(&s, "fair"), 2);
	peer_say(&dave_peer, &dave, "elsewhere", COUNT, "elsewhere");
	cr_assert_eq(peer_status(&dave_peer, "elsewhere"), 200);
	cr_assert(peer_take(&erin_peer, RIG_WAIT_MS));
	cr_assert_eq(erin_peer.chunk.failure_report, FAILURE_REPORT_YES);
	peer_print(&erin_peer,
		"MSRP %.*s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
		SPAN_ARG(erin_peer.chunk.tid), erin.uri, erin.path, SPAN_ARG(erin_peer.chunk.tid));
	cr_assert(peer_take(&dave_peer, RIG_WAIT_MS));
	cr_assert(dave_peer.chunk.method == METHOD_REPORT &&
		  dave_peer.chunk.has_distribution_count &&
		  dave_peer.chunk.distribution_count == 1);
	peer_close(&dave_peer);
	peer_close(&erin_peer);
	cr_assert_eq(rig_command(&s.rig, 0,
			     &(struct switch_cmd){ .type = CMD_ROOM_CLOSE, .object = room2 }, NULL),
		0);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &room2);
	scene_close(&s);
	cr_assert_geq(rig_counter(&s.rig, "reports_uncounted"), MANY - counted);
}

/* ---- between two (conference.two_party_failure) ---- */

static void open_between_two(struct scene *s, uint32_t flags, const char *names)
{
	scene_open(s,
		&(struct scene_settings){ .workers = 2,
			.msrp = "  transaction_s: 0.5\n",
			.room = { .flags = flags } },
		names);
}

Test(reports, between_two_a_failure_is_told)
{
	struct scene s;

	open_between_two(&s, ROOM_TWO_PARTY_FAILURE, "alice bob");
	/* The recipient's own words, as far as they are about the message. */
	REFUSED(&s, ALICE, 200, .id = "refused", .text = "refused");
	counted_copy(&s, BOB, "refused");
	scene_answer(&s, BOB, 413);
	expect_failure(&s, ALICE, "refused", octets(&s, "refused"), 413, -1);
	REFUSED(&s, ALICE, 200, .id = "id.odd", .text = "odd");
	counted_copy(&s, BOB, "odd");
	scene_answer(&s, BOB, 500);
	expect_failure(&s, ALICE, "id.odd", octets(&s, "odd"), 408, -1);
	REFUSED(&s, ALICE, 200, .id = "told", .text = "told");
	counted_copy(&s, BOB, "told");
	scene_report(&s, BOB, s.id, "000 403", NULL);
	expect_failure(&s, ALICE, "told", octets(&s, "told"), 403, -1);
	/* In the place of the REPORT that was asked for; with its count. */
	REFUSED(&s, ALICE, 200, .id = "asked", .headers = "Success-Report: yes\r\n",
		.text = "asked");
	counted_copy(&s, BOB, "asked");
	scene_answer(&s, BOB, 400);
	expect_failure(&s, ALICE, "asked", octets(&s, "asked"), 400, -1);
	REFUSED(&s, ALICE, 200, .id = "counts", .headers = COUNT, .text = "counts");
	counted_copy(&s, BOB, "counts");
	scene_answer(&s, BOB, 400);
	expect_failure(&s, ALICE, "counts", octets(&s, "counts"), 400, 0);
	/* Silence. */
	REFUSED(&s, ALICE, 200, .id = "silence", .text = "silence");
	counted_copy(&s, BOB, "silence");
	expect_failure(&s, ALICE, "silence", octets(&s, "silence"), 408, -1);
	/* Who wants to hear of no failure. */
	SAY(&s, ALICE, .id = "id.no", .headers = "Failure-Report: no\r\n" COUNT, .text = "no");
	counted_copy(&s, BOB, "no");
	scene_answer(&s, BOB, 400);
	expect_report(&s, ALICE, "id.no", octets(&s, "no"), 0);
	/* And success is as quiet as ever. */
	REFUSED(&s, ALICE, 200, .id = "fine", .text = "fine");
	counted_200(&s, BOB, "fine");
	expect_nothing(&s, BOB);
	expect_nothing(&s, ALICE);
	REFUSED(&s, ALICE, 200, .id = "fine2", .headers = "Success-Report: yes\r\n",
		.text = "fine");
	counted_200(&s, BOB, "fine");
	expect_report(&s, ALICE, "fine2", octets(&s, "fine"), -1);
	/* A type that he does not take; and then he is not there. */
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[BOB],
			     &(struct rig_member_settings){
				     .participant = BOB, .wrapped = "text/plain" }),
		0);
	REFUSED(&s, ALICE, 200, .id = "type", .type = "image/png", .text = "x");
	expect_failure(&s, ALICE, "type",
		scene_say_len(&s, ALICE, &(struct words){ .type = "image/png", .text = "x" }), 415,
		-1);
	peer_close(&s.peer[BOB]);
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[BOB].id);
	} while (s.rig.event.u.leg.status.cause != LEG_CAUSE_LOST);
	REFUSED(&s, ALICE, 200, .id = "away", .text = "away");
	expect_failure(&s, ALICE, "away", octets(&s, "away"), 408, -1);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "reports_failed"), 8);
}

Test(reports, among_three_or_unasked_it_is_not)
{
	unsigned carol, history;
	struct scene s;

	open_between_two(&s, ROOM_TWO_PARTY_FAILURE, "alice bob");
	/* A second device of each, and a History Function, make no third. */
	scene_join(&s, "alice", &(struct rig_member_settings){ .participant = ALICE });
	history = scene_join(&s, "history",
		&(struct rig_member_settings){ .participant = 9, .flags = MEMBER_HIDDEN });
	REFUSED(&s, ALICE, 200, .id = "id.two", .text = "two");
	counted_200(&s, history, "two");
	counted_copy(&s, BOB, "two");
	scene_answer(&s, BOB, 413);
	expect_failure(&s, ALICE, "id.two", octets(&s, "two"), 413, -1);
	carol = scene_join(&s, "carol", &(struct rig_member_settings){ .participant = 2 });
	REFUSED(&s, ALICE, 200, .id = "three", .text = "three");
	expect_text(&s, BOB, "three");
	cr_assert_eq(s.peer[BOB].chunk.failure_report, FAILURE_REPORT_PARTIAL);
	scene_answer(&s, BOB, 413);
	expect_text(&s, carol, "three");
	expect_nothing(&s, BOB);
	expect_nothing(&s, ALICE);
	scene_close(&s);
	/* The option is off. */
	open_between_two(&s, 0, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "id.off", .text = "off");
	expect_text(&s, BOB, "off");
	scene_answer(&s, BOB, 413);
	expect_nothing(&s, BOB);
	expect_nothing(&s, ALICE);
	scene_close(&s);
}
