/* SPDX-License-Identifier: BSD-3-Clause */
/* How a message goes through a room: cut-through, chunks, abortion, order. context.md 1.5, 2.2,
 * 2.4. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

#define HEAD                                                                                       \
	"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n"

Test(messages, one_goes_to_every_other_member)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "m.01", .text = "Hello, room");
	expect_text(&s, BOB, "Hello, room");
	expect_text(&s, CAROL, "Hello, room");
	expect_nothing(&s, ALICE);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "copies_whole"), 2);
}

/* A chunk that is begun, and gone on with, by hand. */
static void begin(struct scene *s, unsigned who, const char *tid, const char *id, const char *range)
{
	peer_print(&s->peer[who],
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: %s\r\nContent-Type: message/cpim\r\n\r\n",
		tid, s->leg[who].uri, s->leg[who].path, id, range);
}

/* Waits until the octets that this person received, parsed or not, contain the text. */
static void sees(struct scene *s, unsigned who, const char *text)
{
	struct msrp_peer *peer = &s->peer[who];
	unsigned i;

	for (i = 0; i < 400; i++) {
		cr_assert(!peer_take(peer, 25), "a whole chunk, though its sender is still at it");
		if ((peer->len > 0 &&
			    memmem(peer->octets, peer->len, text, strlen(text)) != NULL) ||
			(peer->body_len > 0 &&
				memmem(peer->body, peer->body_len, text, strlen(text)) != NULL))
			return;
	}
	cr_assert_fail("%s does not see: %s", s->leg[who].address, text);
}

Test(messages, the_first_half_is_there_before_the_second_is_sent)
{
	char *half = malloc(100001), *rest = malloc(100001);
	struct scene s;
	unsigned i;

	for (i = 0; i < 100000; i++) {
		half[i] = (char)('a' + i % 23);
		rest[i] = (char)('A' + i % 23);
	}
	half[100000] = rest[100000] = '\0';
	memcpy(half + 99985, "(half is here)", 14);
	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol dave");
	begin(&s, ALICE, "long0001", "long", "1-*/*");
	peer_print(&s.peer[ALICE], "%s%s", HEAD, half);
	sees(&s, BOB, "(half is here)");
	sees(&s, CAROL, "(half is here)");
	sees(&s, DAVE, "(half is here)");
	peer_print(&s.peer[ALICE], "%s\r\n-------long0001$\r\n", rest);
	expect_status(&s, ALICE, "long0001", 200);
	half = realloc(half, 200001);
	memcpy(half + 100000, rest, 100001);
	expect_text(&s, BOB, half);
	expect_text(&s, CAROL, half);
	expect_text(&s, DAVE, half);
	free(half);
	free(rest);
	scene_close(&s);
}

Test(messages, a_message_of_many_chunks_arrives_as_one)
{
	char text[5001], head[64];
	struct scene s;
	unsigned i;

	for (i = 0; i < 5000; i++)
		text[i] = (char)('a' + i % 26);
	text[5000] = '\0';
	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_chunk(&s, ALICE, "many00", "Message-ID: many\r\nByte-Range: 1-*/*\r\n", HEAD,
		sizeof(HEAD) - 1, '+');
	expect_status(&s, ALICE, "many00", 200);
	for (i = 0; i < 5; i++) {
		char tid[16];

		snprintf(tid, sizeof(tid), "many1%u", i);
		snprintf(head, sizeof(head), "Message-ID: many\r\nByte-Range: %zu-*/*\r\n",
			sizeof(HEAD) + i * 1000);
		scene_chunk(&s, ALICE, tid, head, text + i * 1000, 1000, i < 4 ? '+' : '$');
		expect_status(&s, ALICE, tid, 200);
	}
	expect_text(&s, BOB, text);
	scene_close(&s);
}

Test(messages, a_head_that_comes_before_its_body_begins_the_message)
{
	char *text = malloc(30001), tid[16];
	struct scene s;
	size_t cut;
	unsigned i;

	memset(text, 'b', 30000);
	text[30000] = '\0';
	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* The first read ends within the head or right behind it; the next has much of the body. */
	for (i = 0; i < 6; i++) {
		cut = i < 3 ? 30 + i * 20 : sizeof(HEAD) - 1 - (5 - i);
		snprintf(tid, sizeof(tid), "apart%u", i);
		begin(&s, ALICE, tid, tid, "1-*/*");
		peer_write(&s.peer[ALICE], HEAD, cut);
		usleep(20000);
		peer_print(&s.peer[ALICE], "%s%s\r\n-------%s$\r\n", &HEAD[cut], text, tid);
		expect_status(&s, ALICE, tid, 200);
		expect_text(&s, BOB, text);
	}
	free(text);
	scene_close(&s);
}

Test(messages, a_chunk_may_end_within_the_cpim_head)
{
	struct scene s;
	char range[80];
	size_t cut = 40;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	snprintf(range, sizeof(range), "Message-ID: cuthead\r\nByte-Range: 1-%zu/*\r\n", cut);
	scene_chunk(&s, ALICE, "cuthead1", range, HEAD, cut, '+');
	expect_status(&s, ALICE, "cuthead1", 200);
	snprintf(range, sizeof(range), "Message-ID: cuthead\r\nByte-Range: %zu-*/*\r\n", cut + 1);
	scene_chunk(&s, ALICE, "cuthead2", range, HEAD "after", sizeof(HEAD) + 4, '$');
	/* The second chunk repeats what the first had, at the wrong place: two From lines. */
	expect_status(&s, ALICE, "cuthead2", 400);
	expect_lost(&s, ALICE, "cuthead", cut, "*", 400); /* the first had its 200 */
	scene_chunk(&s, ALICE, "goodhead1", "Message-ID: goodhead\r\nByte-Range: 1-*/*\r\n", HEAD,
		cut, '+');
	expect_status(&s, ALICE, "goodhead1", 200);
	snprintf(range, sizeof(range), "Message-ID: goodhead\r\nByte-Range: %zu-*/*\r\n", cut + 1);
	scene_chunk(&s, ALICE, "goodhead2", range, HEAD "after" + cut, sizeof(HEAD) + 4 - cut, '$');
	expect_status(&s, ALICE, "goodhead2", 200);
	expect_text(&s, BOB, "after");
	scene_close(&s);
}

Test(messages, several_of_one_sender_may_be_open)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_chunk(&s, ALICE, "one.1", "Message-ID: one.\r\nByte-Range: 1-*/*\r\n", HEAD "uno ",
		sizeof(HEAD) + 3, '+');
	expect_status(&s, ALICE, "one.1", 200);
	scene_chunk(&s, ALICE, "two.1", "Message-ID: two.\r\nByte-Range: 1-*/*\r\n", HEAD "duo ",
		sizeof(HEAD) + 3, '+');
	expect_status(&s, ALICE, "two.1", 200);
	REFUSED(&s, ALICE, 200, .id = "three", .text = "tres");
	/* Each is begun at Bob, and none keeps the next waiting. */
	s.len = s.chunks = 0;
	scene_chunk_take(&s, BOB);
	cr_assert_eq(s.flag, '+');
	cr_assert_str_eq(scene_content(&s), "uno ");
	char first[CHUNK_TID_MAX + 1];
	strcpy(first, s.id);
	s.len = s.chunks = 0;
	scene_chunk_take(&s, BOB);
	cr_assert_eq(s.flag, '+');
	cr_assert_str_eq(scene_content(&s), "duo ");
	char second[CHUNK_TID_MAX + 1];
	strcpy(second, s.id);
	expect_text(&s, BOB, "tres");
	char range[80];
	snprintf(range, sizeof(range), "Message-ID: two.\r\nByte-Range: %zu-*/*\r\n",
		sizeof(HEAD) + 4);
	scene_chunk(&s, ALICE, "two.2", range, "due", 3, '$');
	expect_status(&s, ALICE, "two.2", 200);
	cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
	cr_assert(span_eq(s.peer[BOB].chunk.message_id, span_of(second)));
	cr_assert_eq(s.peer[BOB].chunk.range.start, sizeof(HEAD) + 4);
	cr_assert_eq(s.peer[BOB].chunk.flag, '$');
	cr_assert_eq(s.peer[BOB].body_len, 3);
	snprintf(range, sizeof(range), "Message-ID: one.\r\nByte-Range: %zu-*/*\r\n",
		sizeof(HEAD) + 4);
	scene_chunk(&s, ALICE, "one.2", range, "unus", 4, '$');
	expect_status(&s, ALICE, "one.2", 200);
	cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
	cr_assert(span_eq(s.peer[BOB].chunk.message_id, span_of(first)));
	cr_assert_eq(s.peer[BOB].chunk.flag, '$');
	cr_assert_eq(s.peer[BOB].body_len, 4);
	scene_close(&s);
}

Test(messages, an_abort_reaches_those_who_had_a_part)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob carol");
	/* Carol is not to hear of it: she does not take the type. */
	cr_assert_eq(
		rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[CAROL],
			&(struct rig_member_settings){ .participant = 2, .wrapped = "image/*" }),
		0);
	scene_chunk(&s, ALICE, "abort1", "Message-ID: abort\r\nByte-Range: 1-*/*\r\n", HEAD "part",
		sizeof(HEAD) + 3, '+');
	expect_status(&s, ALICE, "abort1", 200);
	unsigned dave = scene_join(&s, "dave", &(struct rig_member_settings){ .participant = 3 });
	char range[80];
	snprintf(range, sizeof(range), "Message-ID: abort\r\nByte-Range: %zu-*/*\r\n",
		sizeof(HEAD) + 4);
	scene_chunk(&s, ALICE, "abort2", range, "", 0, '#');
	expect_status(&s, ALICE, "abort2", 200);
	expect_cut(&s, BOB);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[CAROL],
			     &(struct rig_member_settings){ .participant = 2 }),
		0);
	/* It may begin anew under another name. */
	REFUSED(&s, ALICE, 200, .id = "again", .text = "again");
	expect_text(&s, BOB, "again");
	expect_text(&s, CAROL, "again");
	expect_text(&s, dave, "again"); /* and a late joiner never got the tail of the first */
	/* Aborted before anything was forwarded: nobody hears of it. */
	scene_chunk(
		&s, ALICE, "abort3", "Message-ID: abort3\r\nByte-Range: 1-*/*\r\n", HEAD, 30, '#');
	expect_status(&s, ALICE, "abort3", 200);
	REFUSED(&s, ALICE, 200, .id = "again2", .text = "again2");
	expect_text(&s, BOB, "again2");
	scene_close(&s);
}

Test(messages, a_sender_that_dies_leaves_no_torn_message)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol dave");
	begin(&s, ALICE, "dies0001", "dies", "1-*/*");
	peer_print(&s.peer[ALICE], "%sI am going to", HEAD);
	sees(&s, BOB, "going to");
	sees(&s, CAROL, "going to");
	peer_close(&s.peer[ALICE]);
	expect_cut(&s, BOB);
	expect_cut(&s, CAROL);
	expect_cut(&s, DAVE);
	REFUSED(&s, BOB, 200, .id = "bobs", .text = "she has gone");
	expect_text(&s, CAROL, "she has gone");
	expect_text(&s, DAVE, "she has gone");
	scene_close(&s);
}

Test(messages, a_message_that_stalls_is_ended)
{
	struct scene s;

	scene_open(
		&s, &(struct scene_settings){ .msrp = "  chunk_reception_s: 0.5\n" }, "alice bob");
	scene_chunk(&s, ALICE, "stall1", "Message-ID: stall\r\nByte-Range: 1-*/*\r\n", HEAD "part",
		sizeof(HEAD) + 3, '+');
	expect_status(&s, ALICE, "stall1", 200);
	expect_cut(&s, BOB);
	expect_lost(&s, ALICE, "stall", sizeof(HEAD) + 3, "*", 413);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	scene_close(&s);
}

/* Every pair of neighbouring octets is a place where one read may end. */
static void send_split(struct scene *s, const char *id, const char *content, size_t step)
{
	char *text = NULL;
	size_t len, at, n;

	cr_assert_gt(
		asprintf(&text,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: 1-*/%zu\r\nContent-Type: message/cpim\r\n\r\n%s%s\r\n-------%s$\r\n",
			id, s->leg[ALICE].uri, s->leg[ALICE].path, id,
			sizeof(HEAD) - 1 + strlen(content), HEAD, content, id),
		0);
	len = strlen(text);
	for (at = 0; at < len; at += n) {
		n = len - at < step ? len - at : step;
		peer_write(&s->peer[ALICE], text + at, n);
		if (step > 1 || at % 16 == 0)
			usleep(150); /* lets the switch read before the next */
	}
	free(text);
}

Test(messages, dashes_and_false_end_lines_go_through_at_every_split)
{
	static const char *const contents[] = {
		"-------\r\n-------$\r\n--------------",
		"a\r\n-------dash0000+\r\n-------dash00000$\r\n-------dash0000", /* of others */
		"\r\n-------abcdefghijklm$\r\n-------abcdefghijklmnopqrstuvwxy#\r\n",
		"-------aaaaaaaaaaaaa-------22222222222222222222222227777777-------\r\n",
		"MSRP abcd SEND\r\nTo-Path: msrp://x/y;tcp\r\n-------abcd$\r\n",
	};
	static const size_t steps[] = { 1, 7, 13, 40, 41, 1000 };
	struct scene s;
	unsigned i, j;
	char id[32];

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	for (i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		for (j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
			snprintf(id, sizeof(id), "split%u.%u", i, j);
			send_split(&s, id, contents[i], steps[j]);
			expect_status(&s, ALICE, id, 200);
			expect_text(&s, BOB, contents[i]);
			expect_text(&s, CAROL, contents[i]);
		}
	}
	scene_close(&s);
}

Test(messages, the_transaction_id_of_an_open_copy_may_occur_in_its_body)
{
	struct scene s;
	char tid[CHUNK_TID_MAX + 1] = "", *at;
	char text[400];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	begin(&s, ALICE, "evil0001", "evil", "1-*/*");
	peer_print(&s.peer[ALICE], "%sfirst ", HEAD);
	/* A member that colludes with the sender tells it the id of the copy's open chunk. */
	sees(&s, BOB, "first ");
	snprintf(tid, sizeof(tid), "%.*s", SPAN_ARG(s.peer[BOB].chunk.tid));
	cr_assert_gt(strlen(tid), 4);
	snprintf(
		text, sizeof(text), "\r\n-------%s$\r\nMSRP evil SEND\r\n-------%s+\r\n", tid, tid);
	/* At once, and with a read that ends within it. */
	peer_print(&s.peer[ALICE], "%s", text);
	usleep(20000);
	for (at = text; *at != '\0'; at++) {
		peer_write(&s.peer[ALICE], at, 1);
		usleep(300);
	}
	peer_print(&s.peer[ALICE], "\r\n-------evil0001$\r\n");
	expect_status(&s, ALICE, "evil0001", 200);
	scene_take(&s, BOB);
	cr_assert_eq(s.flag, '$');
	cr_assert_gt(s.chunks, 1, "the copy went on under another id");
	cr_assert_eq(strncmp(scene_content(&s), "first ", 6), 0);
	cr_assert_eq(strncmp(scene_content(&s) + 6, text, strlen(text)), 0);
	cr_assert_str_eq(scene_content(&s) + 6 + strlen(text), text);
	scene_close(&s);
	cr_assert_gt(rig_counter(&s.rig, "chunks_reopened"), 0);
}

Test(messages, one_over_the_limit_gets_413_while_it_still_arrives)
{
	char *filler = malloc(20001);
	struct scene s;
	size_t fits = 20000 - (sizeof(HEAD) - 1);

	memset(filler, 'f', 20001);
	scene_open(&s, &(struct scene_settings){ .room = { .max_message = 20000 } }, "alice bob");
	/* Exactly the limit. */
	filler[fits] = '\0';
	REFUSED(&s, ALICE, 200, .id = "fits", .text = filler);
	expect_text(&s, BOB, filler);
	filler[fits] = 'f';
	filler[fits + 1] = '\0';
	/* Declared: refused before a part of it is forwarded. */
	REFUSED(&s, ALICE, 413, .id = "toolong", .text = filler);
	/* Found out: the answer comes though the chunk is open, and the recipients' copy is
	 *            ended. */
	begin(&s, ALICE, "secret01", "secret", "1-*/*");
	peer_print(&s.peer[ALICE], "%sthis much", HEAD);
	sees(&s, BOB, "this much");
	peer_print(&s.peer[ALICE], "%s", filler);
	expect_status(&s, ALICE, "secret01", 413);
	expect_cut(&s, BOB);
	peer_print(&s.peer[ALICE], "more of it\r\n-------secret01#\r\n");
	/* One answer to one request. */
	expect_nothing(&s, ALICE);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	free(filler);
	scene_close(&s);
}

Test(messages, the_rest_of_a_refused_message_is_refused_too)
{
	static const char foreign[] =
		"From: <sip:bob@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx";
	struct scene s;
	char range[80];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_chunk(&s, ALICE, "ref1", "Message-ID: refused\r\nByte-Range: 1-*/*\r\n", foreign,
		sizeof(foreign) - 1, '+');
	expect_status(&s, ALICE, "ref1", 403);
	snprintf(range, sizeof(range), "Message-ID: refused\r\nByte-Range: %zu-*/*\r\n",
		sizeof(foreign));
	scene_chunk(&s, ALICE, "ref2", range, "yy", 2, '+');
	expect_status(&s, ALICE, "ref2", 403);
	snprintf(range, sizeof(range), "Message-ID: refused\r\nByte-Range: %zu-*/*\r\n",
		sizeof(foreign) + 2);
	scene_chunk(&s, ALICE, "ref3", range, "zz", 2, '$');
	expect_status(&s, ALICE, "ref3", 403);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	scene_close(&s);
}

Test(messages, one_that_comes_again_is_answered_and_not_delivered_again)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "dup1", .text = "once");
	SAY(&s, ALICE, .id = "dup1", .tid = "dup1b", .text = "once");
	expect_status(&s, ALICE, "dup1b", 200);
	/* The id is the sender's own: another member may use the same. */
	expect_text(&s, BOB, "once");
	REFUSED(&s, BOB, 200, .id = "dup1", .text = "mine");
	expect_text(&s, ALICE, "mine");
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "messages_duplicate"), 1);
}

Test(messages, one_that_comes_again_at_once_is_not_delivered_again)
{
	struct scene s;
	unsigned i, copies[4] = { 0 };

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol dave");
	/* In one write: the second is here before the room has judged the first. */
	for (i = ALICE; i <= DAVE; i++) {
		char *text = NULL, *body = scene_cpim(&s, i, &(struct words){ .text = "once" });

		cr_assert_gt(
			asprintf(&text,
				"MSRP twice001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: twice\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------twice001$\r\nMSRP twice002 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: twice\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------twice002$\r\n",
				s.leg[i].uri, s.leg[i].path, body, s.leg[i].uri, s.leg[i].path,
				body),
			0);
		peer_write(&s.peer[i], text, strlen(text));
		free(text);
		free(body);
		unsigned answers = 0;
		while (answers < 2) {
			cr_assert(peer_take(&s.peer[i], RIG_WAIT_MS));
			if (s.peer[i].chunk.method == METHOD_RESPONSE) {
				cr_assert_eq(s.peer[i].chunk.status, 200);
				answers++;
			} else {
				copies[i]++;
			}
		}
	}
	/* One copy of each other's, and no more. */
	for (i = ALICE; i <= DAVE; i++) {
		for (; copies[i] < 3; copies[i]++)
			scene_take(&s, i);
		expect_nothing(&s, i);
	}
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "messages_duplicate"), 4);
	cr_assert_eq(rig_counter(&s.rig, "copies_begun"), 4 * 3);
}

Test(messages, octets_that_were_sent_already_are_left_out)
{
	struct scene s;
	char range[80];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_chunk(&s, ALICE, "over1", "Message-ID: overlap\r\nByte-Range: 1-*/*\r\n",
		HEAD "abcdef", sizeof(HEAD) + 5, '+');
	expect_status(&s, ALICE, "over1", 200);
	snprintf(range, sizeof(range), "Message-ID: overlap\r\nByte-Range: %zu-*/*\r\n",
		sizeof(HEAD) + 3);
	scene_chunk(&s, ALICE, "over2", range, "defghi", 6, '$');
	expect_status(&s, ALICE, "over2", 200);
	expect_text(&s, BOB, "abcdefghi");
	scene_close(&s);
}

Test(messages, open_ones_of_a_sender_are_limited)
{
	struct scene s;
	char tid[32], headers[80];
	unsigned i;

	scene_open(&s, &(struct scene_settings){ .msrp = "  open_messages: 3\n" }, "alice bob");
	for (i = 0; i < 2000; i++) {
		snprintf(tid, sizeof(tid), "open%u", i);
		snprintf(headers, sizeof(headers), "Message-ID: %s\r\nByte-Range: 1-*/*\r\n", tid);
		scene_chunk(&s, ALICE, tid, headers, HEAD "x", sizeof(HEAD), '+');
		expect_status(&s, ALICE, tid, i < 3 ? 200 : 413);
	}
	snprintf(headers, sizeof(headers), "Message-ID: open1\r\nByte-Range: %zu-*/*\r\n",
		sizeof(HEAD) + 1);
	scene_chunk(&s, ALICE, "open1end", headers, "y", 1, '$');
	expect_status(&s, ALICE, "open1end", 200);
	/* The three as far as they are, and the end of one. */
	for (i = 0; i < 4; i++) {
		cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
		cr_assert_eq(s.peer[BOB].chunk.flag, i < 3 ? '+' : '$');
	}
	REFUSED(&s, ALICE, 200, .id = "free.again", .text = "free again");
	expect_text(&s, BOB, "free again");
	/* Without an end they hold memory: what is refused for being too many must hold none. */
	peer_close(&s.peer[BOB]);
	kill(s.rig.pid, SIGTERM);
	peer_ends(&s.peer[ALICE], RIG_WAIT_MS);
	peer_close(&s.peer[ALICE]);
	s.room = (struct object_id){ 0 };
	rig_stop(&s.rig);
	cr_assert_leq(rig_pool(&s.rig, "inbounds"), 3, "%llu records are held",
		(unsigned long long)rig_pool(&s.rig, "inbounds"));
	free(s.body);
}

Test(messages, an_alias_takes_the_senders_place)
{
	static const char alias[] = "<sip:anon-4f1c@anonymous.invalid>";
	char text[4001], range[80];
	struct scene s;

	memset(text, 't', sizeof(text));
	text[4000] = '\0';
	scene_open(&s, &(struct scene_settings){ .room = { .flags = ROOM_PRIVATE } }, "alice bob");
	cr_assert_eq(
		rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[ALICE],
			&(struct rig_member_settings){ .alias = alias, .flags = MEMBER_PRIVATE }),
		0);
	/* The example of context.md 2.4: the line grows, and the ranges with it (scene_take checks
	 * start, end and total). */
	SAY(&s, ALICE, .id = "anon1", .text = "Hello, room", .headers = "Success-Report: yes\r\n");
	expect_status(&s, ALICE, "anon1", 200);
	expect_report(&s, ALICE, "anon1",
		scene_say_len(&s, ALICE, &(struct words){ .text = "Hello, room" }), -1);
	expect_text(&s, BOB, "Hello, room");
	cr_assert(strstr(s.body, "From: <sip:anon-4f1c@anonymous.invalid>\r\n") == s.body);
	cr_assert(strstr(s.body, "alice") == NULL);
	/* In chunks, with a total; a display name is hidden too. */
	size_t len = strlen(HEAD) + 4000 + strlen("\"Alice in W\" ");
	char *body = malloc(len + 1);
	snprintf(body, len + 1, "From: \"Alice in W\" %s%s", HEAD + 6, text);
	snprintf(range, sizeof(range), "Message-ID: anon2\r\nByte-Range: 1-*/%zu\r\n", len);
	scene_chunk(&s, ALICE, "anon2a", range, body, 2500, '+');
	expect_status(&s, ALICE, "anon2a", 200);
	snprintf(range, sizeof(range), "Message-ID: anon2\r\nByte-Range: 2501-%zu/%zu\r\n", len,
		len);
	scene_chunk(&s, ALICE, "anon2b", range, body + 2500, len - 2500, '$');
	expect_status(&s, ALICE, "anon2b", 200);
	expect_text(&s, BOB, text);
	cr_assert(strstr(s.body, "lice") == NULL);
	cr_assert_eq(s.len, len - strlen("\"Alice in W\" <sip:alice@example.com>") + strlen(alias));
	free(body);
	/* Its own alias is a good From too, and a part of it is not. */
	REFUSED(&s, ALICE, 200, .id = "anon3", .from = alias, .text = "me again");
	expect_text(&s, BOB, "me again");
	REFUSED(&s, ALICE, 403, .id = "anon4", .from = "<sip:anon-4f1c@anonymous>", .text = "x");
	REFUSED(&s, ALICE, 403, .id = "anon5", .from = "<anon>", .text = "x");
	/* Others reach it by the alias, and by nothing else. */
	REFUSED(&s, BOB, 200, .id = "to.anon", .to = alias, .text = "to you");
	expect_text(&s, ALICE, "to you");
	REFUSED(&s, BOB, 404, .id = "to.alice", .to = "<sip:alice@example.com>", .text = "x");
	REFUSED(&s, BOB, 404, .id = "to.part", .to = "<sip:anon>", .text = "x");
	REFUSED(&s, BOB, 404, .id = "to.any", .to = "<anonymous>", .text = "x");
	/* A total that the head alone exceeds is a lie. */
	REFUSED(&s, ALICE, 400, .id = "lies", .range = "1-*/20", .text = "x");
	REFUSED(&s, ALICE, 200, .id = "last", .text = "last");
	expect_text(&s, BOB, "last");
	expect_nothing(&s, ALICE);
	scene_close(&s);
}

Test(messages, a_copy_that_its_recipient_refuses_is_ended)
{
	struct scene s;
	unsigned round;

	scene_open(
		&s, &(struct scene_settings){ .msrp = "  count_wait_s: 0.3\n" }, "alice bob carol");
	/* Once as it is, once with a count, when Bob's refusal is also an outcome. */
	for (round = 0; round < 2; round++) {
		char *filler = malloc(5000), tid[16];

		memset(filler, 'f', 5000);
		filler[4999] = '\0';
		snprintf(tid, sizeof(tid), "stop%u", round);
		peer_print(&s.peer[ALICE],
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%sByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n%s%s",
			tid, s.leg[ALICE].uri, s.leg[ALICE].path, tid,
			round == 1 ? "Success-Report: yes;Include-Sent-Count\r\n" : "", HEAD,
			filler);
		sees(&s, BOB, "ffff");
		sees(&s, CAROL, "ffff");
		scene_answer(&s, BOB, 413);
		/* RFC 4975 7.2: the copy is ended though its sender is still at it; the others'
		 * goes on. */
		expect_cut(&s, BOB);
		peer_print(&s.peer[ALICE], "the rest\r\n-------%s$\r\n", tid);
		expect_status(&s, ALICE, tid, 200);
		scene_take(&s, CAROL);
		cr_assert_eq(s.flag, '$');
		cr_assert_not_null(strstr(s.body, "the rest"));
		if (round == 1) {
			scene_answer(&s, CAROL, 200);
			expect_report(&s, ALICE, tid, s.len, 1);
		}
		free(filler);
	}
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	expect_text(&s, CAROL, "after");
	scene_close(&s);
}

Test(messages, every_member_sees_them_begin_in_one_order)
{
	enum { EACH = 25, PEOPLE = 6 };
	char order[PEOPLE][PEOPLE * EACH][16], text[16], id[16];
	unsigned who, i, n[PEOPLE] = { 0 }, a, b;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 3 }, "alice bob carol dave erin frank");
	for (i = 0; i < EACH; i++) {
		for (who = 0; who < PEOPLE; who++) {
			snprintf(text, sizeof(text), "%u:%u", who, i);
			snprintf(id, sizeof(id), "order%u", i);
			SAY(&s, who, .id = id, .text = text, .headers = "Failure-Report: no\r\n");
		}
	}
	for (who = 0; who < PEOPLE; who++) {
		while (n[who] < (PEOPLE - 1) * EACH) {
			scene_take(&s, who);
			snprintf(order[who][n[who]++], 16, "%s", scene_content(&s));
		}
		expect_nothing(&s, who);
	}
	for (who = 1; who < PEOPLE; who++) {
		for (a = b = 0; a < n[0] || b < n[who];) {
			if (a < n[0] && (unsigned)(order[0][a][0] - '0') == who)
				a++;
			else if (b < n[who] && order[who][b][0] == '0')
				b++;
			else {
				cr_assert(a < n[0] && b < n[who]);
				cr_assert_str_eq(order[0][a], order[who][b]);
				a++;
				b++;
			}
		}
	}
	scene_close(&s);
}
