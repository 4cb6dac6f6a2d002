/* SPDX-License-Identifier: BSD-3-Clause */
/* A member that does not read: RFC 7701 6.4; context.md 2.7. The others never notice, and memory is
 * bounded. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

#define HEAD                                                                                       \
	"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n"

static void until(struct scene *s, unsigned who, bool congested, enum leg_state state)
{
	const struct leg_status *status = &s->rig.event.u.leg.status;

	do {
		rig_event(&s->rig, EVENT_LEG, &s->leg[who].id);
	} while (status->congested != congested || status->state != state);
}

/* Stops the switch as it stands. Returns the KiB that its receive buffers and payloads held
 * then. */
static uint64_t held_at_stop(struct scene *s)
{
	const struct switch_rig *rig = &s->rig;
	unsigned i;

	rig_stop(&s->rig);
	for (i = 0; i < s->count; i++)
		peer_close(&s->peer[i]);
	free(s->body);
	return rig_pool(rig, "buffers") * 64 + rig_pool(rig, "payloads_5120") * 5 +
	       (rig_pool(rig, "payloads_1536") * 3 + rig_pool(rig, "payloads_384")) / 2;
}

/* Sends `count` messages of `size` octets, one after the other; Bob takes each before the next is
 * sent. */
static void pour(struct scene *s, const char *name, unsigned count, size_t size)
{
	char *text = malloc(size + 1), id[24];
	unsigned i;

	memset(text, 'p', size);
	text[size] = '\0';
	for (i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "%s%u", name, i);
		REFUSED(s, ALICE, 200, .id = id, .text = text);
		expect_text(s, BOB, text);
	}
	free(text);
}

Test(slow_receivers, one_that_never_reads_is_told_and_evicted)
{
	struct scene s;

	scene_open(&s,
		&(struct scene_settings){ .msrp = "  leg_queue: 262144\n  congestion_kill_s: 1\n" },
		"alice bob carol");
	pour(&s, "early", 400, 20000); /* 8 MB: more than sockets take */
	until(&s, CAROL, true, LEG_BOUND);
	/* No progress for a second. */
	until(&s, CAROL, false, LEG_UNBOUND);
	cr_assert_eq(s.rig.event.u.leg.status.cause, LEG_CAUSE_CONGESTED);
	cr_assert_eq(s.rig.event.u.leg.status.member, 1);
	pour(&s, "later", 20, 20000);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "evictions"), 1);
	cr_assert_gt(rig_counter(&s.rig, "copies_skipped_congested"), 0);
}

Test(slow_receivers, one_that_reads_again_gets_whole_messages_in_order)
{
	char text[10001], id[24]; /* less than what one turn of a busy connection takes */
	unsigned i, last = 0, got = 0;
	struct scene s;

	scene_open(
		&s, &(struct scene_settings){ .msrp = "  leg_queue: 262144\n" }, "alice bob carol");
	for (i = 1; i <= 800; i++) {
		memset(text, 'q', 10000);
		text[10000] = '\0';
		memcpy(text, id, (size_t)snprintf(id, sizeof(id), "%u:", i));
		snprintf(id, sizeof(id), "again%u", i);
		REFUSED(&s, ALICE, 200, .id = id, .text = text);
		expect_text(&s, BOB, text);
	}
	until(&s, CAROL, true, LEG_BOUND);
	/* She reads: what was kept comes whole and in order, and then the queue is open again. */
	while (peer_take(&s.peer[CAROL], 300)) {
		const char *content;
		unsigned number;

		cr_assert_eq(s.peer[CAROL].chunk.method, METHOD_SEND);
		cr_assert_eq(s.peer[CAROL].chunk.flag, '$', "nothing else was on the way");
		content = memmem(
			s.peer[CAROL].body, s.peer[CAROL].body_len, "text/plain\r\n\r\n", 14);
		cr_assert_not_null(content);
		number = (unsigned)strtoul(content + 14, NULL, 10);
		cr_assert_gt(number, last);
		last = number;
		got++;
	}
	cr_assert_gt(got, 10);
	cr_assert_lt(got, 800);
	until(&s, CAROL, false, LEG_BOUND);
	REFUSED(&s, ALICE, 200, .id = "caught.up", .text = "caught up");
	expect_text(&s, CAROL, "caught up");
	expect_text(&s, BOB, "caught up");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "copies_skipped_congested"), 800 - got);
}

Test(slow_receivers, a_started_message_that_outgrows_the_queue_is_cut)
{
	enum { PIECES = 400, PIECE = 50000 }; /* 20 MB */
	char *piece = malloc(PIECE + 1);
	size_t total = 0;
	struct scene s;
	unsigned i, j;

	memset(piece, 'c', PIECE);
	piece[PIECE] = '\0';
	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  leg_queue: 262144\n" },
		"alice bob carol");
	peer_print(&s.peer[ALICE],
		"MSRP huge0001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: huge\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n" HEAD,
		s.leg[ALICE].uri, s.leg[ALICE].path);
	for (i = 0; i < PIECES; i++) {
		peer_write(&s.peer[ALICE], piece, PIECE);
		/* Bob keeps up, and Carol does not read. */
		for (j = 0; j < 1000 && s.peer[BOB].body_len < (size_t)i * PIECE; j++)
			cr_assert_not(peer_take(&s.peer[BOB], 5));
		cr_assert_lt(j, 1000, "Bob waits for Carol");
	}
	peer_print(&s.peer[ALICE], "\r\n-------huge0001$\r\n");
	expect_status(&s, ALICE, "huge0001", 200);
	total = sizeof(HEAD) - 1 + (size_t)PIECES * PIECE;
	scene_take(&s, BOB);
	cr_assert_eq(s.flag, '$');
	cr_assert_eq(s.len, total);
	/* Now she reads: a beginning, and then its end with '#'. */
	expect_cut(&s, CAROL);
	cr_assert_lt(s.len, total);
	cr_assert_gt(s.len, 0);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	expect_text(&s, CAROL, "after");
	free(piece);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "copies_cut"), 1);
}

/* Messages whose first piece is small: the queue counts all that they pin, not what was first in
 * it. */
Test(slow_receivers, a_queue_pins_no_more_than_it_may)
{
	enum { MESSAGES = 150, PIECE = 30000, PIECES = 5 };
	char *piece = malloc(PIECE + 1), id[24];
	struct scene s;
	unsigned i, j;
	uint64_t held;

	memset(piece, 'p', PIECE);
	piece[PIECE] = '\0';
	scene_open(
		&s, &(struct scene_settings){ .msrp = "  leg_queue: 262144\n" }, "alice bob carol");
	for (i = 0; i < MESSAGES; i++) {
		snprintf(id, sizeof(id), "pin%u", i);
		peer_print(&s.peer[ALICE],
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n" HEAD,
			id, s.leg[ALICE].uri, s.leg[ALICE].path, id);
		usleep(1000);
		for (j = 0; j < PIECES; j++)
			peer_write(&s.peer[ALICE], piece, PIECE);
		peer_print(&s.peer[ALICE], "\r\n-------%s$\r\n", id);
		expect_status(&s, ALICE, id, 200);
		scene_take(&s, BOB);
		cr_assert_eq(s.len, sizeof(HEAD) - 1 + PIECE * PIECES);
	}
	free(piece);
	held = held_at_stop(&s);
	cr_assert_lt(held, 2048, "%llu KiB for a queue of 256", (unsigned long long)held);
}

Test(slow_receivers, answers_to_one_that_reads_nothing_are_bounded)
{
	struct scene s;
	unsigned i, n;
	char id[16], headers[64];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* Bob asks and asks, and reads no answer: he is not read any more. */
	for (i = n = 0; i < 200000 && n < 50; i++) {
		char request[800];
		int len;
		ssize_t sent;

		snprintf(id, sizeof(id), "ask%u", i);
		snprintf(headers, sizeof(headers), "Message-ID: %s\r\n", id);
		len = snprintf(request, sizeof(request),
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n%s-------%s$\r\n", id,
			s.leg[BOB].uri, s.leg[BOB].path, headers, id);
		while (len > 0 && n < 50) {
			sent = send(s.peer[BOB].fd, request + strlen(request) - len, (size_t)len,
				MSG_DONTWAIT | MSG_NOSIGNAL);
			if (sent > 0)
				len -= (int)sent;
			else if (++n)
				usleep(10000);
			if (sent > 0)
				n = 0;
		}
	}
	cr_assert_lt(i, 200000, "he was never stopped");
	REFUSED(&s, ALICE, 200, .id = "others", .text = "others");
	scene_close(&s);
}

/* A member that takes a little now and then makes progress, and is evicted all the same. */
Test(slow_receivers, one_that_takes_next_to_nothing_is_evicted)
{
	struct scene s;
	unsigned i;
	char octets[1000];

	scene_open(&s,
		&(struct scene_settings){
			.msrp = "  leg_queue: 262144\n  congestion_kill_s: 2\n  least_rate: 100000\n" },
		"alice bob carol");
	pour(&s, "early", 400, 20000);
	until(&s, CAROL, true, LEG_BOUND);
	/* Half of what she must at most, until she is told. */
	for (i = 0; i < 1000; i++) {
		if (recv(s.peer[CAROL].fd, octets, sizeof(octets), MSG_DONTWAIT) < 0)
			break;
		if (rig_event_within(&s.rig, EVENT_LEG, &s.leg[CAROL].id, 20) &&
			s.rig.event.u.leg.status.state == LEG_UNBOUND)
			break;
	}
	cr_assert_eq(s.rig.event.u.leg.status.state, LEG_UNBOUND, "after %u reads", i);
	cr_assert_eq(s.rig.event.u.leg.status.cause, LEG_CAUSE_CONGESTED);
	pour(&s, "later", 5, 20000);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "evictions") + rig_counter(&s.rig, "evictions_slow"), 1);
}

/* What a member sends beyond its rate waits in its connection; what others send does not. */
Test(slow_receivers, one_that_sends_too_fast_is_read_slowly)
{
	enum { MESSAGES = 30 };
	char id[24], text[24];
	struct scene s;
	unsigned i;

	scene_open(
		&s, &(struct scene_settings){ .msrp = "  rate_messages: 10\n" }, "alice bob carol");
	for (i = 0; i < MESSAGES; i++) {
		snprintf(id, sizeof(id), "fast%u", i);
		snprintf(text, sizeof(text), "%u", i);
		SAY(&s, ALICE, .id = id, .text = text, .headers = "Failure-Report: no\r\n");
	}
	REFUSED(&s, CAROL, 200, .id = "carols", .text = "carols");
	/* Bob has hers before the last of alice's, and all of those in order. */
	for (i = 0; i < MESSAGES;) {
		scene_take(&s, BOB);
		cr_assert_eq(s.flag, '$');
		if (strcmp(scene_content(&s), "carols") == 0)
			break;
		snprintf(text, sizeof(text), "%u", i++);
		cr_assert_str_eq(scene_content(&s), text);
	}
	cr_assert_lt(i, MESSAGES, "carol waited for alice");
	for (; i < MESSAGES; i++) {
		snprintf(text, sizeof(text), "%u", i);
		expect_text(&s, BOB, text);
	}
	scene_close(&s);
	cr_assert_gt(rig_counter(&s.rig, "pauses_rate"), 0);
}
