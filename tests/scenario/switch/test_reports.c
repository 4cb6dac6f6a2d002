/* SPDX-License-Identifier: BSD-3-Clause */
/* Success-Report, and the count that OMA adds to it: context.md 1.6, 2.3, 2.6. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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
	counted_200(&s, alice2, "everybody"); /* the sender's other device */
	counted_200(&s, history, "everybody");
	expect_nothing(&s, ALICE); /* Bob's second device has not answered yet */
	counted_200(&s, bob2, "everybody");
	expect_report(&s, ALICE, "count1", octets(&s, "everybody"), 3);
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

	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  count_wait_s: 0.3\n" },
		"alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "gone", .headers = COUNT, .text = "gone");
	peer_close(&s.peer[ALICE]);
	counted_200(&s, BOB, "gone");
	counted_200(&s, CAROL, "gone");
	expect_nothing(&s, BOB);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "reports_lost"), 1);
}
