/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of context.md 1.6, row by row: who is told what, when something fails at once, and when
 * it fails after it was answered 200. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "dataplane/switch/inbound.h"
#include "tests/scenario/switch/scene.h"

#define HEAD_TO(to)                                                                                \
	"From: <sip:alice@example.com>\r\nTo: <" to ">\r\n\r\nContent-Type: text/plain\r\n\r\n"
#define HEAD        HEAD_TO("sip:room@example.com")
#define HEAD_OCTETS (sizeof(HEAD) - 1)

static struct scene s;

/* One chunk of a message of Alice's. */
static void chunk(const char *tid, const char *id, const char *headers, size_t start,
	const char *body, size_t len, char flag)
{
	char text[200];

	snprintf(text, sizeof(text), "Message-ID: %s\r\n%sByte-Range: %zu-*/*\r\n", id, headers,
		start);
	scene_chunk(&s, ALICE, tid, text, body, len, flag);
}

/* Waits until what this person has of a message that is still arriving contains the text. */
static void sees(unsigned who, const char *text)
{
	struct msrp_peer *peer = &s.peer[who];
	unsigned i;

	for (i = 0; i < 400; i++) {
		cr_assert(!peer_take(peer, 25), "a whole chunk, though its sender is still at it");
		if ((peer->len > 0 &&
			    memmem(peer->octets, peer->len, text, strlen(text)) != NULL) ||
			(peer->body_len > 0 &&
				memmem(peer->body, peer->body_len, text, strlen(text)) != NULL))
			return;
	}
	cr_assert_fail("%s does not see: %s", s.leg[who].address, text);
}

static void still_works(const char *id)
{
	REFUSED(&s, ALICE, 200, .id = id, .text = "still here");
	expect_text(&s, BOB, "still here");
}

/* ---- Failure-Report: three rows ---- */

static const struct {
	const char *headers;
	bool success, failure, later; /* what is told */
} rows[] = {
	{ "", true, true, true },
	{ "Failure-Report: yes\r\n", true, true, true },
	{ "Failure-Report: partial\r\n", false, true, true },
	{ "Failure-Report: no\r\n", false, false, false },
};

Test(failures, each_failure_report_says_what_is_told)
{
	char id[16];
	unsigned i;

	scene_open(
		&s, &(struct scene_settings){ .msrp = "  chunk_reception_s: 0.3\n" }, "alice bob");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* On success. */
		snprintf(id, sizeof(id), "good%u", i);
		SAY(&s, ALICE, .id = id, .headers = rows[i].headers, .text = "good");
		if (rows[i].success)
			expect_status(&s, ALICE, id, 200);
		expect_text(&s, BOB, "good");
		/* On an error that is found at once. */
		snprintf(id, sizeof(id), "bad%u", i);
		SAY(&s, ALICE, .id = id, .headers = rows[i].headers, .from = "<sip:x@y>");
		if (rows[i].failure)
			expect_status(&s, ALICE, id, 403);
		/* On one that is found later: the message stalls. */
		snprintf(id, sizeof(id), "later%u", i);
		chunk(id, id, rows[i].headers, 1, HEAD "part", HEAD_OCTETS + 4, '+');
		if (rows[i].success)
			expect_status(&s, ALICE, id, 200);
		expect_cut(&s, BOB);
		if (rows[i].later)
			expect_lost(&s, ALICE, id, HEAD_OCTETS + 4, "*", 413);
		expect_nothing(&s, ALICE);
	}
	still_works("works1");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "reports_failure"), 3);
}

/* ---- failures after a 200 ---- */

Test(failures, what_stalls_is_reported_wherever_its_octets_are)
{
	scene_open(
		&s, &(struct scene_settings){ .msrp = "  chunk_reception_s: 0.3\n" }, "alice bob");
	/* In the CPIM head; kept; both: one REPORT each. */
	chunk("stall1", "head", "", 1, HEAD, 40, '+');
	expect_status(&s, ALICE, "stall1", 200);
	expect_lost(&s, ALICE, "head", 40, "*", 413);
	chunk("stall2", "kept", "", 1000, "ahead", 5, '+');
	expect_status(&s, ALICE, "stall2", 200);
	expect_lost(&s, ALICE, "kept", 1004, "*", 413);
	chunk("stall3", "both", "", 1000, "ahead", 5, '$');
	expect_status(&s, ALICE, "stall3", 200);
	chunk("stall4", "both", "", 1, HEAD, HEAD_OCTETS, '+');
	expect_status(&s, ALICE, "stall4", 200);
	expect_lost(&s, ALICE, "both", 1004, "1004", 413);
	expect_cut(&s, BOB);
	/* What was taken over a 200 that never came is not reported: the chunk's own answer tells. */
	peer_print(&s.peer[ALICE],
		"MSRP stall5 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: open\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n%spart",
		s.leg[ALICE].uri, s.leg[ALICE].path, HEAD);
	expect_status(&s, ALICE, "stall5", 413);
	peer_print(&s.peer[ALICE], "more\r\n-------stall5$\r\n");
	expect_cut(&s, BOB);
	still_works("works1");
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

Test(failures, what_the_room_refuses_later_is_reported)
{
	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	chunk("room1", "room", "", 1, HEAD_TO("sip:zoe@example.com"), 40, '+');
	expect_status(&s, ALICE, "room1", 200);
	chunk("room2", "room", "", 41, HEAD_TO("sip:zoe@example.com") + 40,
		sizeof(HEAD_TO("sip:zoe@example.com")) - 41, '$');
	expect_status(&s, ALICE, "room2", 404);
	expect_lost(&s, ALICE, "room", 40, "88", 404);
	/* What came ahead of a head that is refused. */
	chunk("from1", "from", "", 200, "ahead", 5, '$');
	expect_status(&s, ALICE, "from1", 200);
	chunk("from2", "from", "", 1, "To: <sip:room@example.com>\r\n\r\n\r\n", 32, '+');
	expect_status(&s, ALICE, "from2", 403);
	expect_lost(&s, ALICE, "from", 204, "204", 403);
	/* It is told once. */
	chunk("from3", "from", "", 33, "x", 1, '+');
	expect_status(&s, ALICE, "from3", 403);
	still_works("works1");
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

Test(failures, one_of_a_private_message_says_whose)
{
	static const char to_bob[] = HEAD_TO("sip:bob@example.com") "psst";
	char *body;

	scene_open(&s,
		&(struct scene_settings){
			.msrp = "  chunk_reception_s: 0.3\n", .room = { .flags = ROOM_PRIVATE } },
		"alice bob");
	chunk("priv1", "priv", "", 1, to_bob, sizeof(to_bob) - 1, '+');
	expect_status(&s, ALICE, "priv1", 200);
	expect_lost(&s, ALICE, "priv", sizeof(to_bob) - 1, "*", 413);
	body = strndup((const char *)s.peer[ALICE].body, s.peer[ALICE].body_len);
	cr_assert(span_eq(s.peer[ALICE].chunk.content_type, SPAN_LITERAL("message/cpim")));
	cr_assert_str_eq(
		body, "From: <sip:bob@example.com>\r\nTo: <sip:alice@example.com>\r\n\r\n\r\n");
	free(body);
	expect_cut(&s, BOB);
	scene_close(&s);
}

Test(failures, a_room_that_closes_tells_its_senders)
{
	struct switch_cmd close = { .type = CMD_ROOM_CLOSE };

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	chunk("close1", "close", "", 1, HEAD "part", HEAD_OCTETS + 4, '+');
	expect_status(&s, ALICE, "close1", 200);
	peer_print(&s.peer[ALICE],
		"MSRP close2 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: close\r\nByte-Range: %zu-*/*\r\nContent-Type: message/cpim\r\n\r\nand so on",
		s.leg[ALICE].uri, s.leg[ALICE].path, HEAD_OCTETS + 5);
	sees(BOB, "and so on");
	close.object = s.room;
	cr_assert_eq(rig_command(&s.rig, s.room.worker, &close, NULL), 0);
	expect_status(&s, ALICE, "close2", 413);
	expect_lost(&s, ALICE, "close", HEAD_OCTETS + 4, "*", 413);
	cr_assert(peer_ends(&s.peer[ALICE], RIG_WAIT_MS));
	expect_cut(&s, BOB);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &s.room);
	s.room = (struct object_id){ 0 };
	scene_close(&s);
}

/* ---- the codes ---- */

/* A request of Alice's as it is written, and the status of its answer. */
static void answered(const char *tid, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void answered(const char *tid, unsigned status, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	cr_assert_gt(vasprintf(&text, format, args), 0);
	va_end(args);
	peer_write(&s.peer[ALICE], text, strlen(text));
	free(text);
	cr_assert(peer_take(&s.peer[ALICE], RIG_WAIT_MS), "%s is not answered", tid);
	cr_assert_eq(s.peer[ALICE].chunk.method, METHOD_RESPONSE);
	cr_assert(span_eq(s.peer[ALICE].chunk.tid, span_of(tid)));
	cr_assert_eq(s.peer[ALICE].chunk.status, status, "%s: %u instead of %u", tid,
		s.peer[ALICE].chunk.status, status);
}

Test(failures, each_code_is_sent_when_the_table_says_so)
{
	const char *uri, *path;
	struct msrp_peer second;
	char long_head[5000], long_text[3000], stranger[400];

	scene_open(&s,
		&(struct scene_settings){ .room = { .flags = ROOM_PRIVATE,
						  .max_message = 10000,
						  .wrapped = "text/* message/imdn+xml" } },
		"alice bob");
	scene_join(&s, "carol", &(struct rig_member_settings){ .participant = 2 });
	uri = s.leg[ALICE].uri;
	path = s.leg[ALICE].path;
#define SEND(tid, to, headers, end)                                                                \
	"MSRP " tid " SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n" headers "-------" tid end "\r\n",  \
		to, path
#define CPIM(tid, headers, body)                                                                   \
	SEND(tid, uri, headers "Content-Type: message/cpim\r\n\r\n" body "\r\n", "$")
	/* 200: accepted; also without a body. */
	answered("c200a", 200, SEND("c200a", uri, "Message-ID: c200a\r\n", "$"));
	answered("c200b", 200, CPIM("c200b", "Message-ID: c200b\r\n", HEAD "x"));
	expect_text(&s, BOB, "x");
	/* 400: a bad header value; To-Path with several URIs; a CPIM head malformed or too long. */
	answered("c400a", 400, CPIM("c400a", "Message-ID: c400a\r\nByte-Range: 5\r\n", HEAD "x"));
	answered("c400b", 400, CPIM("c400b", "Message-ID: /\r\n", HEAD "x"));
	answered("c400c", 400,
		CPIM("c400c", "Message-ID: c400c\r\nSuccess-Report: maybe\r\n", HEAD "x"));
	snprintf(stranger, sizeof(stranger), "%s msrp://192.0.2.1:9/b;tcp", uri);
	answered("c400d", 400, SEND("c400d", stranger, "Message-ID: c400d\r\n", "$"));
	answered("c400e", 400, CPIM("c400e", "Message-ID: c400e\r\n", "no colon\r\n\r\n\r\n"));
	memset(long_head, 'y', sizeof(long_head));
	memcpy(long_head, "Subject: ", 9);
	snprintf(long_head + 4200, 100, "\r\n%s", HEAD);
	answered("c400f", 400,
		"MSRP c400f SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: c400f\r\nContent-Type: message/cpim\r\n\r\n%sx\r\n-------c400f$\r\n",
		uri, path, long_head);
	/* 403: a foreign From; several To, or any Cc; a member that may not send. */
	REFUSED(&s, ALICE, 403, .id = "c403a", .from = "<sip:bob@example.com>");
	REFUSED(&s, ALICE, 403, .id = "c403b",
		.to = "<sip:room@example.com>\r\nTo: <sip:bob@example.com>");
	REFUSED(&s, ALICE, 403, .id = "c403c",
		.to = "<sip:room@example.com>\r\nCc: <sip:bob@example.com>");
	cr_assert_eq(
		rig_member(&s.rig, CMD_MEMBER_MUTE, &s.leg[BOB],
			&(struct rig_member_settings){ .flags = MEMBER_MUTED | MEMBER_PRIVATE }),
		0);
	REFUSED(&s, BOB, 403, .id = "c403d");
	/* 403: NICKNAME where it is not allowed. */
	answered("c403e", 403,
		"MSRP c403e NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"A\"\r\n-------c403e$\r\n",
		uri, path);
	/* 404 and 428: private messages. */
	REFUSED(&s, ALICE, 404, .id = "c404", .to = "<sip:zoe@example.com>");
	REFUSED(&s, ALICE, 428, .id = "c428", .to = "<sip:carol@example.com>");
	/* 413: more than the room takes. */
	REFUSED(&s, ALICE, 413, .id = "c413", .range = "1-*/10001");
	memset(long_text, 'z', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		char tid[16], range[80];

		snprintf(tid, sizeof(tid), "c413.%u", i);
		snprintf(range, sizeof(range), "Message-ID: c413.\r\nByte-Range: %zu-*/*\r\n",
			i == 0 ? 1 : HEAD_OCTETS + 1 + i * 5000);
		scene_chunk(&s, ALICE, tid, range, i == 0 ? HEAD : long_text,
			i == 0 ? HEAD_OCTETS : sizeof(long_text) - 1, '+');
		expect_status(&s, ALICE, tid, i < 2 ? 200 : 413);
	}
	expect_lost(&s, ALICE, "c413.", HEAD_OCTETS + 5000 + sizeof(long_text) - 1, "*", 413);
	expect_cut(&s, BOB);
	/* 415: what is not message/cpim; wrapped what the room does not take. */
	answered("c415a", 415,
		"MSRP c415a SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: c415a\r\nContent-Type: text/plain\r\n\r\nx\r\n-------c415a$\r\n",
		uri, path);
	REFUSED(&s, ALICE, 415, .id = "c415b", .type = "image/png");
	/* 424: a nickname that is none. 425 is the controller's: test_nickname.c. */
	answered("c424", 424,
		"MSRP c424 NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: A\r\n-------c424$\r\n",
		uri, path);
	/* 481: a session that is none. */
	snprintf(stranger, sizeof(stranger), "msrp://127.0.0.1:%u/nobody;tcp", s.rig.port);
	answered("c481", 481, SEND("c481", stranger, "Message-ID: c481\r\n", "$"));
	/* 501: a method that is none. */
	answered("c501", 501, "MSRP c501 FETCH\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------c501$\r\n",
		uri, path);
	/* 506: a session bound elsewhere. */
	peer_connect(&second, s.rig.port);
	peer_print(&second,
		"MSRP c506 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: c506\r\n-------c506$\r\n",
		uri, path);
	cr_assert(peer_take(&second, RIG_WAIT_MS));
	cr_assert_eq(second.chunk.status, 506);
	peer_close(&second);
	/* 408 and 423 are never said: each answer above was another, and no more came. */
	expect_nothing(&s, ALICE);
	still_works("works1");
	scene_close(&s);
}

/* ---- a message that is sent again over another connection ---- */

/* Alice's connection goes, and she binds again. */
static void rebind(bool permitted)
{
	struct msrp_peer before = s.peer[ALICE];

	if (permitted) {
		cr_assert_eq(rig_leg_update(&s.rig, &s.leg[ALICE],
				     &(struct rig_leg_settings){ .rebind = 1 }),
			0);
		peer_bind(&s.peer[ALICE], s.rig.port, &s.leg[ALICE]);
		peer_ends(&before, RIG_WAIT_MS);
		peer_close(&before);
		return;
	}
	peer_close(&s.peer[ALICE]);
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[ALICE].id);
	} while (s.rig.event.u.leg.status.state != LEG_UNBOUND);
	peer_bind(&s.peer[ALICE], s.rig.port, &s.leg[ALICE]);
}

Test(failures, a_message_sent_again_after_a_rebind_is_not_delivered_again)
{
	char id[16];
	unsigned round, i;

	scene_open(&s, &(struct scene_settings){ .workers = 4 }, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "first", .text = "first");
	expect_text(&s, BOB, "first");
	for (round = 0; round < 6; round++) {
		rebind(round % 2 == 1);
		SAY(&s, ALICE, .id = "first", .text = "first",
			.headers = "Success-Report: yes\r\n");
		expect_status(&s, ALICE, "first", 200);
		expect_report(&s, ALICE, "first",
			scene_say_len(&s, ALICE, &(struct words){ .text = "first" }), -1);
		/* The ones in between push it out of the 256 that are remembered, at last. */
		for (i = 0; i < 51; i++) {
			snprintf(id, sizeof(id), "more%u.%u", round, i);
			REFUSED(&s, ALICE, 200, .id = id, .text = id);
			expect_text(&s, BOB, id);
		}
	}
	rebind(false);
	REFUSED(&s, ALICE, 200, .id = "more1.0", .text = "more1.0");
	REFUSED(&s, ALICE, 200, .id = "first", .text = "first");
	expect_text(&s, BOB, "first");
	expect_nothing(&s, BOB);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "messages_duplicate"), 6 + 1);
}

Test(failures, an_interrupted_message_sent_again_after_a_rebind_is_delivered)
{
	scene_open(&s, &(struct scene_settings){ .workers = 3 }, "alice bob");
	chunk("torn1", "torn", "", 1, HEAD "one half", HEAD_OCTETS + 8, '+');
	expect_status(&s, ALICE, "torn1", 200);
	sees(BOB, "one half");
	rebind(false);
	expect_cut(&s, BOB);
	chunk("torn2", "torn", "", 1, HEAD "one half", HEAD_OCTETS + 8, '+');
	expect_status(&s, ALICE, "torn2", 200);
	chunk("torn3", "torn", "", HEAD_OCTETS + 9, " and the other", 14, '$');
	expect_status(&s, ALICE, "torn3", 200);
	expect_text(&s, BOB, "one half and the other");
	/* The old connection is still there when the new one takes over: it is told. */
	chunk("torn4", "torn4", "", 1, HEAD "one half", HEAD_OCTETS + 8, '+');
	expect_status(&s, ALICE, "torn4", 200);
	sees(BOB, "one half");
	rebind(true);
	expect_cut(&s, BOB);
	chunk("torn5", "torn4", "", 1, HEAD "all", HEAD_OCTETS + 3, '$');
	expect_status(&s, ALICE, "torn5", 200);
	expect_text(&s, BOB, "all");
	/* A refused one may come again. */
	REFUSED(&s, ALICE, 404, .id = "nobody", .to = "<sip:nobody@example.com>");
	rebind(false);
	REFUSED(&s, ALICE, 200, .id = "nobody", .text = "corrected");
	expect_text(&s, BOB, "corrected");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "messages_duplicate"), 0);
}

/* ---- shares ---- */

Test(failures, heads_in_pieces_have_a_share_of_a_leg)
{
	char id[16];
	unsigned i;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (i = 0; i <= SESSION_HEADS_MAX; i++) {
		snprintf(id, sizeof(id), "head%u", i);
		chunk(id, id, "", 1, HEAD, 40, '+');
		expect_status(&s, ALICE, id, i < SESSION_HEADS_MAX ? 200 : 413);
	}
	still_works("works1"); /* a whole head needs none */
	chunk("head0b", "head0", "", 41, HEAD "one" + 40, HEAD_OCTETS + 3 - 40, '$');
	expect_status(&s, ALICE, "head0b", 200);
	expect_text(&s, BOB, "one");
	chunk("head9", "head9", "", 1, HEAD, 40, '+');
	expect_status(&s, ALICE, "head9", 200);
	scene_close(&s);
}

Test(failures, who_is_not_let_in_is_not_waited_for_for_ever)
{
	scene_open(&s, &(struct scene_settings){ .outside = true, .msrp = "  bind_s: 1\n" },
		"alice bob carol");
	for (unsigned i = ALICE; i <= CAROL; i++)
		peer_connect(&s.peer[i], s.rig.port);
	/* Alice pings, Bob has something to say, Carol wants a name. */
	scene_ping(&s, ALICE, "wait1", "");
	SAY(&s, BOB, .id = "wait2", .text = "let me in");
	peer_print(&s.peer[CAROL],
		"MSRP wait3 NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"C\"\r\n-------wait3$\r\n",
		s.leg[CAROL].uri, s.leg[CAROL].path);
	expect_status(&s, ALICE, "wait1", 200);
	expect_status(&s, BOB, "wait2", 403);
	expect_status(&s, CAROL, "wait3", 403);
	/* Later is better than never. */
	for (unsigned i = ALICE; i <= BOB; i++)
		cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[i],
				     &(struct rig_member_settings){ .participant = i }),
			0);
	expect_nothing(&s, ALICE);
	expect_nothing(&s, BOB);
	still_works("works1");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "waits_ended"), 3);
}
