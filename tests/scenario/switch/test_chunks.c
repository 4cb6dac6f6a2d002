/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks of a message in any order: kept, overlapping, contradicting, too many. context.md 1.5,
 * 2.2; dataplane/switch/inbound.h says what is decided. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "dataplane/switch/reorder.h"
#include "tests/scenario/switch/scene.h"

#define HEAD                                                                                       \
	"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n"
#define HEAD_OCTETS (sizeof(HEAD) - 1)
#define CHUNKS_MAX  64

static struct scene s;
static unsigned serial;

/* The octets [from, to] (from 1, as a Byte-Range has them) of a message, as one chunk. total: "*"
 * or a number. Returns its transaction id. */
static const char *piece(unsigned who, const char *id, const char *whole, size_t from, size_t to,
	const char *total, char flag)
{
	static char tid[32];
	char headers[200];

	snprintf(tid, sizeof(tid), "piece%u", ++serial);
	snprintf(headers, sizeof(headers), "Message-ID: %s\r\nByte-Range: %zu-%zu/%s\r\n", id, from,
		to, total);
	scene_chunk(
		&s, who, tid, headers, from > to ? whole : whole + from - 1, to + 1 - from, flag);
	return tid;
}

#define PIECE(status, ...) expect_status(&s, ALICE, piece(ALICE, __VA_ARGS__), status)

/* HEAD and so many octets of text; the caller frees. */
static char *message_of(size_t text)
{
	char *whole = malloc(HEAD_OCTETS + text + 1);
	size_t i;

	memcpy(whole, HEAD, HEAD_OCTETS);
	for (i = 0; i < text; i++)
		whole[HEAD_OCTETS + i] = (char)('a' + (i * 7 + i / 100) % 26);
	whole[HEAD_OCTETS + text] = '\0';
	return whole;
}

static void still_works(void)
{
	static char id[32];

	snprintf(id, sizeof(id), "works%u", ++serial);
	REFUSED(&s, ALICE, 200, .id = id, .text = "still here");
	expect_text(&s, BOB, "still here");
}

Test(chunks, in_every_order_the_message_is_the_same)
{
	/* Four chunks in all 24 orders; the first ends within the CPIM head, the last has the '$'. */
	static const size_t bounds[] = { 0, 30, 500, 2000, HEAD_OCTETS + 3000 };
	unsigned order[4], a, b, c, d, i, n = 0;
	char *whole = message_of(3000), total[16], id[16];

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	snprintf(total, sizeof(total), "%zu", HEAD_OCTETS + 3000);
	for (a = 0; a < 4; a++)
		for (b = 0; b < 4; b++)
			for (c = 0; c < 4; c++) {
				d = 6 - a - b - c;
				if (a == b || a == c || b == c)
					continue;
				order[0] = a, order[1] = b, order[2] = c, order[3] = d;
				snprintf(id, sizeof(id), "order%u", n++);
				for (i = 0; i < 4; i++)
					PIECE(200, id, whole, bounds[order[i]] + 1,
						bounds[order[i] + 1], n % 2 ? total : "*",
						order[i] == 3 ? '$' : '+');
				expect_text(&s, BOB, whole + HEAD_OCTETS);
			}
	cr_assert_eq(n, 24);
	free(whole);
	scene_close(&s);
}

Test(chunks, messages_out_of_order_may_be_interleaved)
{
	char *one = message_of(900), *two = message_of(700);

	two[HEAD_OCTETS] = '2';
	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	PIECE(200, "one.", one, 501, HEAD_OCTETS + 900, "*", '$');
	PIECE(200, "two.", two, 401, 600, "*", '+');
	still_works();
	PIECE(200, "two.", two, 601, HEAD_OCTETS + 700, "*", '$');
	PIECE(200, "two.", two, 1, 400, "*", '+');
	expect_text(&s, BOB, two + HEAD_OCTETS);
	PIECE(200, "one.", one, 1, 500, "*", '+');
	expect_text(&s, BOB, one + HEAD_OCTETS);
	free(one);
	free(two);
	scene_close(&s);
}

Test(chunks, of_overlapping_ones_the_later_octets_win)
{
	static const char first[] = HEAD "0123456789", kept[] = HEAD "..........KKKKKKKKKK",
			  later[] = HEAD "..............LLLLLL..", gap[] = HEAD "..........ggggg";
	size_t h = HEAD_OCTETS;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* Two kept ones: the later replaces what both have. */
	PIECE(200, "lap1", kept, h + 11, h + 20, "*", '$');
	PIECE(200, "lap1", later, h + 15, h + 18, "*", '+');
	PIECE(200, "lap1", first, 1, h + 10, "*", '+');
	expect_text(&s, BOB, "0123456789KKKKLLLLKK");
	/* What closes the gap came later than what it overlaps. */
	PIECE(200, "lap2", kept, h + 13, h + 20, "*", '$');
	PIECE(200, "lap2", first, 1, h + 10, "*", '+');
	PIECE(200, "lap2", gap, h + 9, h + 15, "*", '+'); /* two octets are gone already */
	expect_text(&s, BOB, "0123456789gggggKKKKK");
	/* All of it again, of which nothing is new. */
	PIECE(200, "lap3", kept, h + 13, h + 20, "*", '+');
	PIECE(200, "lap3", first, 1, h + 10, "*", '+');
	PIECE(200, "lap3", first, 1, h + 5, "*", '+');
	PIECE(200, "lap3", later, h + 1, h + 20, "*", '$');
	expect_text(&s, BOB, "0123456789....LLLLLL");
	scene_close(&s);
}

Test(chunks, the_end_that_came_first_says_where_it_is)
{
	char *whole = message_of(100);
	size_t all = HEAD_OCTETS + 100;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* An empty last chunk, ahead of everything. */
	piece(ALICE, "end1", whole, all + 1, all, "*", '$');
	expect_status(&s, ALICE, "piece1", 200);
	PIECE(200, "end1", whole, 1, 50, "*", '+');
	PIECE(200, "end1", whole, 51, all, "*", '+');
	expect_text(&s, BOB, whole + HEAD_OCTETS);
	/* Octets behind it contradict it: when they come, and when they have come. */
	PIECE(200, "end2", whole, 101, 150, "*", '$');
	PIECE(400, "end2", whole, 101, 160, "*", '+');
	expect_lost(&s, ALICE, "end2", 150, "150", 400);
	PIECE(200, "end3", whole, 101, 160, "*", '+');
	PIECE(400, "end3", whole, 51, 100, "*", '$');
	expect_lost(&s, ALICE, "end3", 160, "*", 400);
	/* Two ends. */
	PIECE(200, "end4", whole, 101, 150, "*", '$');
	PIECE(400, "end4", whole, 101, 140, "*", '$');
	expect_lost(&s, ALICE, "end4", 150, "150", 400);
	still_works();
	free(whole);
	scene_close(&s);
}

Test(chunks, totals_that_disagree_get_400)
{
	char *whole = message_of(200);
	size_t all = HEAD_OCTETS + 200;
	char total[16], other[16];

	snprintf(total, sizeof(total), "%zu", all);
	snprintf(other, sizeof(other), "%zu", all + 1);
	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	PIECE(200, "tot1", whole, 1, HEAD_OCTETS + 10, total, '+');
	PIECE(400, "tot1", whole, HEAD_OCTETS + 11, all, other, '$');
	expect_lost(&s, ALICE, "tot1", HEAD_OCTETS + 10, total, 400);
	expect_cut(&s, BOB);
	PIECE(200, "tot2", whole, 101, all, total, '$');
	PIECE(400, "tot2", whole, 1, 100, other, '+');
	expect_lost(&s, ALICE, "tot2", all, total, 400);
	/* '*' agrees with all, and a '$' that ends elsewhere with none. */
	PIECE(200, "tot3", whole, 1, 100, "*", '+');
	PIECE(200, "tot3", whole, 101, 150, total, '+');
	PIECE(200, "tot3", whole, 151, all, "*", '$');
	expect_text(&s, BOB, whole + HEAD_OCTETS);
	PIECE(200, "tot4", whole, 1, HEAD_OCTETS + 10, total, '+');
	PIECE(400, "tot4", whole, HEAD_OCTETS + 11, all - 1, "*", '$');
	expect_lost(&s, ALICE, "tot4", HEAD_OCTETS + 10, total, 400);
	expect_cut(&s, BOB);
	/* Less than has come. */
	PIECE(200, "tot5", whole, 1, HEAD_OCTETS + 50, "*", '+');
	snprintf(total, sizeof(total), "%zu", HEAD_OCTETS + 40);
	PIECE(400, "tot5", whole, HEAD_OCTETS + 21, HEAD_OCTETS + 40, total, '+');
	expect_lost(&s, ALICE, "tot5", HEAD_OCTETS + 50, "*", 400);
	expect_cut(&s, BOB);
	still_works();
	free(whole);
	scene_close(&s);
}

Test(chunks, so_much_is_kept_and_no_more)
{
	size_t most = REORDER_MESSAGE_MAX, at = HEAD_OCTETS + 1;
	char *whole = message_of(most * 3);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* Exactly the limit, in three chunks. */
	PIECE(200, "most", whole, at + 5000, at + most - 1, "*", '+');
	PIECE(200, "most", whole, at, at + 4999, "*", '+');
	PIECE(200, "most", whole, at + 100, at + 8000, "*",
		'+'); /* nothing new: it costs nothing */
	PIECE(200, "most", whole, at + most, at + most - 1, "*", '$');
	PIECE(200, "most", whole, 1, HEAD_OCTETS, "*", '+');
	scene_take(&s, BOB);
	cr_assert_eq(s.flag, '$');
	cr_assert_eq(s.len, HEAD_OCTETS + most);
	cr_assert_eq(memcmp(s.body, whole, s.len), 0);
	/* One more: the answer comes while the chunk is still arriving. */
	peer_print(&s.peer[ALICE],
		"MSRP toomuch1 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: much\r\nByte-Range: %zu-*/*\r\nContent-Type: message/cpim\r\n\r\n",
		s.leg[ALICE].uri, s.leg[ALICE].path, at);
	peer_write(&s.peer[ALICE], whole + at - 1, most + 1);
	peer_print(
		&s.peer[ALICE], "and some"); /* so that no octet is held back as a possible end */
	expect_status(&s, ALICE, "toomuch1", 413);
	peer_print(&s.peer[ALICE], "\r\n-------toomuch1#\r\n");
	/* A leg has twice as much for all its messages. */
	PIECE(200, "leg1", whole, at, at + most - 1, "*", '+');
	PIECE(200, "leg2", whole, at, at + most - 1, "*", '+');
	PIECE(413, "leg3", whole, at, at, "*", '#');
	PIECE(200, "leg1", whole, at, at, "*", '#');
	PIECE(200, "leg4", whole, at, at, "*", '#');
	PIECE(200, "leg2", whole, at, at, "*", '#');
	/* And scattered octets cost what they pin. */
	for (unsigned i = 0; i < REORDER_LEG_BLOCKS; i++)
		PIECE(200, "sand", whole, at + i * REORDER_BLOCK_OCTETS,
			at + i * REORDER_BLOCK_OCTETS, "*", '+');
	PIECE(413, "sand", whole, at + REORDER_LEG_BLOCKS * REORDER_BLOCK_OCTETS,
		at + REORDER_LEG_BLOCKS * REORDER_BLOCK_OCTETS, "*", '+');
	expect_lost(
		&s, ALICE, "sand", at + (REORDER_LEG_BLOCKS - 1) * REORDER_BLOCK_OCTETS, "*", 413);
	still_works();
	free(whole);
	scene_close(&s);
}

Test(chunks, a_declared_place_takes_no_memory)
{
	char *whole = message_of(100);
	char headers[100];

	scene_open(&s, &(struct scene_settings){ .room = { .max_message = 100000 } }, "alice bob");
	/* Beyond the limit of the room: not kept. */
	scene_chunk(
		&s, ALICE, "far1", "Message-ID: far1\r\nByte-Range: 100002-*/*\r\n", "x", 1, '+');
	expect_status(&s, ALICE, "far1", 413);
	scene_chunk(
		&s, ALICE, "far2", "Message-ID: far2\r\nByte-Range: 100001-*/*\r\n", "x", 1, '+');
	expect_status(&s, ALICE, "far2", 413);
	scene_chunk(
		&s, ALICE, "far3", "Message-ID: far3\r\nByte-Range: 100000-*/*\r\n", "x", 1, '+');
	expect_status(&s, ALICE, "far3", 200);
	snprintf(headers, sizeof(headers),
		"Message-ID: far4\r\nByte-Range: 999999999999999999-*/*\r\n");
	scene_chunk(&s, ALICE, "far4", headers, "x", 1, '$');
	expect_status(&s, ALICE, "far4", 413);
	still_works();
	free(whole);
	scene_close(&s);
	cr_assert_eq(rig_pool(&s.rig, "kept"), 0);
}

Test(chunks, an_abort_drops_what_was_kept)
{
	char *whole = message_of(3000);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	PIECE(200, "drop", whole, 2000, 2999, "*", '+');
	PIECE(200, "drop", whole, 1, 500, "*", '+');
	PIECE(200, "drop", whole, 1500, 1499, "*", '#'); /* the sender's will: no REPORT */
	expect_cut(&s, BOB);
	/* One that leaves with something kept. */
	PIECE(200, "left", whole, 2000, 2999, "*", '+');
	peer_close(&s.peer[ALICE]);
	expect_nothing(&s, BOB);
	free(whole);
	scene_close(&s);
}

/* RFC 4975 7.1: the values are the same in all chunks. Where they are not, the first decides about
 * REPORTs, and each about its own answer. */
Test(chunks, the_first_says_what_is_reported)
{
	char *whole = message_of(100), headers[200];
	size_t all = HEAD_OCTETS + 100;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	snprintf(headers, sizeof(headers),
		"Message-ID: says\r\nSuccess-Report: yes\r\nByte-Range: 101-%zu/*\r\n", all);
	scene_chunk(&s, ALICE, "says1", headers, whole + 100, all - 100, '$');
	expect_status(&s, ALICE, "says1", 200);
	scene_chunk(&s, ALICE, "says2",
		"Message-ID: says\r\nFailure-Report: no\r\nByte-Range: 1-100/*\r\n", whole, 100,
		'+');
	expect_report(&s, ALICE, "says", all, -1);
	expect_text(&s, BOB, whole + HEAD_OCTETS);
	free(whole);
	scene_close(&s);
}

Test(chunks, a_refused_message_may_be_tried_again)
{
	static const char foreign[] =
		"From: <sip:bob@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx";
	char *whole = message_of(500);
	size_t all = HEAD_OCTETS + 500;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* Its sender stops, and begins anew without a '#'. */
	PIECE(403, "anew", foreign, 1, sizeof(foreign) - 1, "*", '+');
	PIECE(403, "anew", foreign, sizeof(foreign) + 100, sizeof(foreign) + 99, "*", '+');
	PIECE(200, "anew", whole, 1, 200, "*", '+');
	PIECE(200, "anew", whole, 201, all, "*", '$');
	expect_text(&s, BOB, whole + HEAD_OCTETS);
	/* Refused as a whole, and sent again. */
	PIECE(403, "whole", foreign, 1, sizeof(foreign) - 1, "*", '$');
	PIECE(200, "whole", whole, 1, all, "*", '$');
	expect_text(&s, BOB, whole + HEAD_OCTETS);
	/* Refused by the room, which is asked when all of it is here. */
	REFUSED(&s, ALICE, 404, .id = "nobody", .to = "<sip:nobody@example.com>");
	REFUSED(&s, ALICE, 200, .id = "nobody", .text = "corrected");
	expect_text(&s, BOB, "corrected");
	PIECE(200, "whole", whole, 1, all, "*", '$'); /* and once more: a duplicate */
	expect_nothing(&s, BOB);
	free(whole);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "messages_duplicate"), 1);
}

Test(chunks, refused_messages_make_room_for_others)
{
	static const char foreign[] =
		"From: <sip:bob@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx";
	char id[16];

	scene_open(&s, &(struct scene_settings){ .msrp = "  open_messages: 3\n" }, "alice bob");
	for (unsigned i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "left%u", i);
		PIECE(403, id, foreign, 1, sizeof(foreign) - 1, "*", '+');
	}
	still_works();
	scene_close(&s);
}

/* A duplicate is acknowledged as usual: its sender may have lost the first acknowledgement. */
Test(chunks, a_duplicate_is_reported_too)
{
	char *whole = message_of(50), headers[100];
	size_t all = HEAD_OCTETS + 50;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	PIECE(200, "twin", whole, 1, all, "*", '$');
	expect_text(&s, BOB, whole + HEAD_OCTETS);
	snprintf(headers, sizeof(headers),
		"Message-ID: twin\r\nSuccess-Report: yes\r\nByte-Range: 1-100/%zu\r\n", all);
	scene_chunk(&s, ALICE, "twin1", headers, whole, 100, '+');
	expect_status(&s, ALICE, "twin1", 200);
	snprintf(headers, sizeof(headers),
		"Message-ID: twin\r\nSuccess-Report: yes\r\nByte-Range: 101-%zu/%zu\r\n", all, all);
	scene_chunk(&s, ALICE, "twin2", headers, whole + 100, all - 100, '$');
	expect_status(&s, ALICE, "twin2", 200);
	expect_report(&s, ALICE, "twin", all, -1);
	still_works();
	scene_close(&s);
	free(whole);
}
