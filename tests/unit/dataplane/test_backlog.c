/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits for a member, and in which order it goes; what becomes of those who do not take it.
 * context.md 2.7; RFC 4975 7.1.1; RFC 7701 6.4. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "tests/unit/dataplane/stepped.h"

#define ROOM_URI "sip:room@example.com"
#define LONG     (1u << 20)

static struct room *room;
static struct leg *alice, *bob;
static struct peer a, b;

static void two(void)
{
	room = stepped_room(0, ROOM_URI);
	alice = stepped_member(room, "alice", 0);
	bob = stepped_member(room, "bob", 1);
	peer_dial(&a, 0);
	peer_dial(&b, 0);
	stepped_bind(&a, alice);
	stepped_bind(&b, bob);
}

static void done(void)
{
	memory_close(a.end);
	memory_close(b.end);
	stepped_turns(8);
	stepped_copies_add_up();
	stepped_at_rest(0);
	peer_free(&a);
	peer_free(&b);
	stepped_stop();
}

/* Takes what there is in pieces of `step` octets, until nothing more comes. */
static void drain(struct peer *peer, size_t step)
{
	memory_window(peer->end, step);
	do {
		stepped_turns(2);
	} while (peer_hear(peer, step) > 0);
}

/* Sixteen long messages wait for a member that takes little; what is said then does not wait for a
 * turn of each. */
Test(backlog, a_short_message_waits_for_one_chunk_of_the_long_ones)
{
	uint64_t before = 0;
	char tag[12];
	unsigned i;

	stepped_defaults(1);
	stepped.leg_queue_octets = 64u << 20;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 16; i++) {
		snprintf(tag, sizeof(tag), "long%02u", i);
		stepped_send(&a, alice, tag, LONG);
		stepped_turns(20);
	}
	/* All of them are begun, and have had several turns. */
	memory_window(b.end, 20000);
	for (i = 0; i < 40; i++) {
		stepped_turns(2);
		peer_hear(&b, 20000);
	}
	cr_assert_gt(peer_octets_of(&b, "long15"), 16384);
	for (i = 0; i < b.count; i++)
		before += b.heard[i].len;
	stepped_send(&a, alice, "short", 100);
	stepped_turns(2);
	for (i = 0; i < 20 && peer_last(&b, "short") == NULL; i++) {
		peer_hear(&b, 20000);
		stepped_turns(2);
	}
	for (i = 0; strcmp(b.heard[i].tag, "short") != 0; i++)
		before -= b.heard[i].len;
	/* What was already in the transport, the rest of the chunk that was open, and one turn. */
	cr_assert_lt(0 - before, 20000 + 2 * 16384 + 2048, "%llu octets before it",
		(unsigned long long)-before);
	drain(&b, 1 << 20);
	for (i = 0; i < 16; i++) {
		snprintf(tag, sizeof(tag), "long%02u", i);
		cr_assert_eq(peer_last(&b, tag)->flag, '$');
	}
	done();
}

/* context.md 2.2: first chunks come in the room's order, whatever is short or long. And a short one
 * behind sixteen long ones that all begin with it waits for 2048 octets of each. */
Test(backlog, messages_begin_in_the_rooms_order_and_a_short_one_soon)
{
	unsigned i, last = 0, place;
	char tag[12];

	stepped_defaults(1);
	stepped.leg_queue_octets = 64u << 20;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 16; i++) {
		snprintf(tag, sizeof(tag), "long%02u", i);
		stepped_send(&a, alice, tag, LONG);
		stepped_turns(20);
	}
	stepped_send(&a, alice, "short", 100);
	stepped_turns(4);
	drain(&b, 3000);
	for (i = 0; i < 16; i++) {
		snprintf(tag, sizeof(tag), "long%02u", i);
		place = peer_place(&b, tag);
		cr_assert(i == 0 || place > last, "%s begins at %u, the one before at %u", tag,
			place, last);
		last = place;
	}
	place = peer_place(&b, "short");
	cr_assert_gt(place, last);
	for (i = 0, last = 0; i < place; i++)
		last += (unsigned)b.heard[i].len;
	/* Nobody else waited when the first began: it has had its turn of 16 KiB. */
	cr_assert_lt(last, 16384 + 17 * 2200, "%u octets before it", last);
	done();
}

/* What has begun is not starved by an endless row of short ones. */
Test(backlog, beginnings_and_begun_ones_share)
{
	uint64_t octets;
	char tag[12];
	unsigned i;

	stepped_defaults(1);
	stepped.leg_queue_octets = 64u << 20;
	stepped_start();
	two();
	memory_window(b.end, 8192);
	stepped_send(&a, alice, "long", LONG);
	stepped_turns(8);
	for (i = 0; i < 400; i++) {
		snprintf(tag, sizeof(tag), "s%04u", i);
		stepped_send(&a, alice, tag, 1000);
		if (i % 4 == 0) {
			stepped_turns(2);
			peer_hear(&b, 8192);
		}
	}
	octets = peer_octets_of(&b, "long");
	cr_assert_gt(
		octets, 100 * 8192 / 3, "%llu octets of the long one", (unsigned long long)octets);
	cr_assert_lt(octets, 100 * 8192 / 3 * 2);
	drain(&b, 1 << 20);
	cr_assert_eq(peer_last(&b, "long")->flag, '$');
	cr_assert_eq(peer_last(&b, "s0399")->flag, '$');
	done();
}

/* RFC 4975 7.1.1: a SEND of more than 2048 octets is interrupted for a response. */
Test(backlog, a_response_interrupts_a_long_chunk)
{
	unsigned i, before = 0;

	stepped_defaults(1);
	stepped_start();
	two();
	memory_window(b.end, 10000);
	stepped_send(&a, alice, "long", LONG);
	stepped_turns(8);
	peer_hear(&b, 9000);
	stepped_bind(&a, alice); /* a bodiless SEND is answered */
	peer_print(&b,
		"MSRP ask0001 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: ask1\r\n-------ask0001$\r\n",
		SPAN_ARG(bob->conf->uri), SPAN_ARG(bob->conf->path));
	stepped_turns(4);
	for (i = 0; i < 10; i++) {
		peer_hear(&b, 10000);
		stepped_turns(2);
	}
	for (i = 0; i < b.count && b.heard[i].status == 0; i++)
		before += (unsigned)b.heard[i].len;
	cr_assert_lt(i, b.count, "no answer");
	cr_assert_str_eq(b.heard[i].id, "ask0001");
	cr_assert_eq(b.heard[i - 1].flag, '+');
	/* The window was full once when it was asked; then nothing but the chunk's end may come. */
	cr_assert_lt(before, 2 * 10000);
	drain(&b, 1 << 20);
	cr_assert_eq(peer_last(&b, "long")->flag, '$');
	done();
}

/* RFC 4975 7.1.1: a chunk that says where it ends is not interrupted; also not when it is what is left
 * behind a transaction id that its chunk before could not hold, and an answer waits. */
Test(backlog, what_is_left_behind_a_collision_ends_where_it_says)
{
	unsigned i, definite = 0;

	stepped_defaults(1);
	stepped_start();
	two();
	stepped_open(&a, alice, "evil");
	stepped_text(&a, 1000);
	stepped_turns(4);
	peer_hear(&b, SIZE_MAX);
	cr_assert_gt(b.in.tid_len, 0);
	/* The window is full; what waits is the rest of it, and an answer. */
	memory_window(b.end, 0);
	peer_print(&a, "\r\n-------%.*s+\r\n", (int)b.in.tid_len, b.in.tid);
	stepped_turns(4);
	stepped_text(&a, 1500);
	stepped_end(&a, "evil", '$');
	stepped_turns(4);
	peer_print(&b,
		"MSRP ask0001 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: ask1\r\n-------ask0001$\r\n",
		SPAN_ARG(bob->conf->uri), SPAN_ARG(bob->conf->path));
	stepped_turns(4);
	drain(&b, 1 << 20);
	cr_assert_gt(STEPPED_COUNTER(chunks_reopened), 0);
	for (i = 0; i < b.count; i++) {
		if (b.heard[i].status != 0 || b.heard[i].says_end == BYTE_RANGE_UNKNOWN)
			continue;
		definite++;
		cr_assert_eq(b.heard[i].start + b.heard[i].len - 1, b.heard[i].says_end,
			"%llu octets from %llu, said to end at %llu",
			(unsigned long long)b.heard[i].len, (unsigned long long)b.heard[i].start,
			(unsigned long long)b.heard[i].says_end);
	}
	cr_assert_gt(definite, 0);
	cr_assert_eq(peer_last(&b, "evil")->flag, '$');
	done();
}

/* Several sessions of one peer on one connection, each with a long message. */
Test(backlog, sessions_share_a_connection_in_turn)
{
	struct leg *legs[4], *from[4];
	struct peer senders[4];
	uint64_t least = UINT64_MAX, most = 0, octets;
	struct room *rooms[4];
	char uri[40], tag[12];
	unsigned i;

	stepped_defaults(1);
	stepped.leg_queue_octets = 64u << 20;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 4; i++) {
		snprintf(uri, sizeof(uri), "sip:room%u@example.com", i);
		rooms[i] = stepped_room(0, uri);
		snprintf(tag, sizeof(tag), "from%u", i);
		from[i] = stepped_member(rooms[i], tag, 0);
		snprintf(tag, sizeof(tag), "to%u", i);
		legs[i] = stepped_member(rooms[i], tag, 1);
		peer_dial(&senders[i], 0);
		stepped_bind(&senders[i], from[i]);
		memory_window(b.end, MEMORY_NO_LIMIT);
		stepped_bind(&b, legs[i]);
		memory_window(b.end, 0);
	}
	/* The first says a lot, the last is a long message, so that neither kind has an advantage. */
	for (i = 0; i < 300; i++) {
		snprintf(tag, sizeof(tag), "s%04u", i);
		stepped_send(&senders[0], from[0], tag, 2000);
		stepped_turns(2);
	}
	for (i = 1; i < 4; i++) {
		snprintf(tag, sizeof(tag), "long%u", i);
		stepped_send(&senders[i], from[i], tag, LONG);
		stepped_turns(20);
	}
	/* Whatever the transport takes at a time. */
	for (i = 0; i < 60; i++) {
		memory_window(b.end, 3000 + i * 500);
		stepped_turns(1);
		peer_hear(&b, SIZE_MAX);
	}
	for (i = 0; i < 4; i++) {
		unsigned k;

		for (octets = 0, k = 0; k < b.count; k++)
			if (strcmp(b.heard[k].to, "msrp://127.0.0.1:9/to0;tcp") == 0
					? i == 0
					: b.heard[k].to[strlen("msrp://127.0.0.1:9/to")] ==
						  (char)('0' + i))
				octets += b.heard[k].len;
		least = octets < least ? octets : least;
		most = octets > most ? octets : most;
	}
	cr_assert_lt(most - least, 3 * 16384, "from %llu to %llu octets", (unsigned long long)least,
		(unsigned long long)most);
	cr_assert_gt(least, 100000);
	drain(&b, 1 << 20);
	for (i = 0; i < 4; i++) {
		memory_close(senders[i].end);
		peer_free(&senders[i]);
	}
	done();
}

/* A session that leaves a shared connection in the middle of its message gives it up in good order,
 * and its neighbours go on. */
Test(backlog, a_session_that_leaves_a_shared_connection_tears_nothing)
{
	struct leg *carol, *dave;
	struct room *other;
	struct peer c;

	stepped_defaults(1);
	stepped_start();
	two();
	other = stepped_room(0, "sip:other@example.com");
	carol = stepped_member(other, "carol", 0);
	dave = stepped_member(other, "dave", 1);
	peer_dial(&c, 0);
	stepped_bind(&c, carol);
	stepped_bind(&b, dave);
	memory_window(b.end, 5000);
	stepped_send(&a, alice, "one", LONG);
	stepped_turns(8);
	stepped_send(&c, carol, "two", LONG);
	stepped_turns(8);
	peer_hear(&b, 3000);
	stepped_turns(2);
	leg_remove(stepped.worker[0], bob, LEG_CAUSE_REMOVED);
	stepped_turns(4);
	drain(&b, 1 << 20);
	cr_assert_eq(peer_last(&b, "one")->flag, '#');
	cr_assert_eq(peer_last(&b, "two")->flag, '$');
	cr_assert_eq(STEPPED_COUNTER(copies_cut), 1);
	memory_close(c.end);
	peer_free(&c);
	done();
}

/* ---- a member that does not want a message ---- */

/* last: the transaction id ends with it instead. */
static void answer(const struct heard *chunk, unsigned status, char last)
{
	char tid[CHUNK_TID_MAX + 1];

	strcpy(tid, chunk->tid);
	if (last != '\0')
		tid[strlen(tid) - 1] = tid[strlen(tid) - 1] == last ? 'a' : last;
	peer_print(&b, "MSRP %s %u no\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\n-------%s$\r\n", tid,
		status, SPAN_ARG(bob->conf->uri), SPAN_ARG(bob->conf->path), tid);
	stepped_turns(2);
}

static void hear_until(const char *tag)
{
	unsigned i;

	for (i = 0; i < 100 && peer_last(&b, tag) == NULL; i++) {
		peer_hear(&b, 6000);
		stepped_turns(2);
	}
	cr_assert_not_null(peer_last(&b, tag));
}

/* RFC 4975 7.2: 413 stops the message, also when it is said of a chunk that has ended. headers: of
 * the long messages. */
static void refused_long(const char *headers)
{
	uint64_t octets;

	stepped_defaults(1);
	stepped_start();
	two();
	memory_window(b.end, 6000);
	stepped_send_as(&a, alice, "long", LONG, NULL, headers);
	stepped_turns(20);
	stepped_send_as(&a, alice, "other", LONG, NULL, headers);
	stepped_turns(20);
	stepped_send(&a, alice, "short", 100);
	stepped_turns(4);
	hear_until("other");
	hear_until("short");
	cr_assert_eq(peer_last(&b, "long")->flag, '+');
	cr_assert_eq(peer_last(&b, "other")->flag, '+');
	cr_assert_eq(peer_last(&b, "short")->flag, '$');
	/* Not the message that is whole, and not by what only begins like one of ours. */
	answer(peer_last(&b, "short"), 413, '\0');
	if (headers == NULL)
		answer(peer_last(&b, "long"), 413, 'z');
	octets = peer_octets_of(&b, "long");
	while (peer_octets_of(&b, "long") == octets) {
		cr_assert_gt(peer_hear(&b, 6000), 0);
		stepped_turns(2);
	}
	cr_assert_eq(peer_last(&b, "long")->flag, '+');
	cr_assert_eq(STEPPED_COUNTER(copies_cut), 0);
	octets = peer_octets_of(&b, "long");
	/* An older chunk than the last. */
	answer(&b.heard[peer_place(&b, "long")], 413, '\0');
	drain(&b, 6000);
	cr_assert_eq(peer_last(&b, "long")->flag, '#');
	/* What was in the transport, or of the open chunk. */
	cr_assert_leq(peer_octets_of(&b, "long") - octets, 2 * 6000);
	cr_assert_eq(peer_last(&b, "other")->flag, '$');
	cr_assert_eq(STEPPED_COUNTER(copies_cut), 1);
	done();
}

Test(backlog, who_refuses_a_chunk_that_has_ended_gets_no_more_of_the_message)
{
	refused_long(NULL);
}

Test(backlog, who_refuses_a_chunk_of_a_counted_message_neither)
{
	refused_long("Failure-Report: no\r\nSuccess-Report: yes;Include-Sent-Count\r\n");
}

/* The same while there is nothing of it to send. */
Test(backlog, who_refuses_a_message_that_is_still_said_is_told_that_it_ends)
{
	struct leg *carol;
	struct peer c;

	stepped_defaults(1);
	stepped_start();
	two();
	carol = stepped_member(room, "carol", 2);
	peer_dial(&c, 0);
	stepped_bind(&c, carol);
	stepped_open(&a, alice, "open");
	stepped_text(&a, 5000);
	stepped_turns(4);
	stepped_send(&c, carol, "short", 100);
	stepped_turns(4);
	peer_hear(&b, SIZE_MAX);
	cr_assert_eq(peer_last(&b, "open")->flag, '+');
	answer(peer_last(&b, "open"), 413, '\0');
	peer_hear(&b, SIZE_MAX);
	cr_assert_eq(peer_last(&b, "open")->flag, '#');
	cr_assert_eq(peer_last(&b, "open")->len, 0);
	stepped_text(&a, 5000);
	stepped_end(&a, "open", '$');
	stepped_turns(4);
	cr_assert_eq(peer_hear(&b, SIZE_MAX), 0);
	memory_close(c.end);
	peer_free(&c);
	done();
}

/* ---- the policy ---- */

static uint64_t part_count(_Atomic uint64_t *value)
{
	return atomic_load(value);
}

Test(backlog, congested_at_80_percent_of_the_octets_and_clear_at_50)
{
	uint64_t taken = 0;
	unsigned i, held;
	char tag[12];

	stepped_defaults(1);
	stepped.leg_queue_octets = 1000000;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 100 && !bob->congested; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 10000 - 95); /* with its CPIM head 10,000 */
		stepped_turns(4);
	}
	/* To a part in 64 of the limit. */
	held = bob->session->queue_count;
	cr_assert_geq(held, 80);
	cr_assert_leq(held, 82);
	stepped_send(&a, alice, "refused", 1000);
	stepped_turns(4);
	cr_assert_eq(STEPPED_COUNTER(copies_skipped_congested), i + 1 - held);
	cr_assert_eq(part_count(&room->part[0].skipped), i + 1 - held);
	while (bob->congested) {
		memory_window(b.end, 1000);
		stepped_turns(2);
		taken += peer_hear(&b, SIZE_MAX);
	}
	cr_assert_gt(taken, (held - 50) * 10000ull);
	cr_assert_lt(taken, (held - 50 + 3) * 10300ull);
	drain(&b, 1 << 20);
	cr_assert_eq(b.count, held, "all that was not refused");
	cr_assert_eq(part_count(&room->part[0].deliveries), held);
	done();
}

Test(backlog, congested_at_80_percent_of_the_messages_and_clear_at_50)
{
	unsigned i;
	char tag[12];

	stepped_defaults(1);
	stepped.leg_queue_messages = 100;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 100 && !bob->congested; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 100);
		stepped_turns(4);
	}
	cr_assert_eq(i, 80);
	while (bob->session->queue_count >= 50) {
		cr_assert(bob->congested);
		memory_window(b.end, 100);
		stepped_turns(2);
		peer_hear(&b, SIZE_MAX);
	}
	stepped_turns(2);
	cr_assert(!bob->congested);
	drain(&b, 1 << 20);
	cr_assert_eq(b.count, 80);
	done();
}

/* Is-composing goes first: also what waits already. */
Test(backlog, a_congested_member_is_not_told_who_is_writing)
{
	unsigned i;
	char tag[12];

	stepped_defaults(1);
	stepped.leg_queue_messages = 100;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 100 && !bob->congested; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send_as(&a, alice, tag, 100,
			i % 4 == 3 ? "application/im-iscomposing+xml" : "text/plain", NULL);
		stepped_turns(4);
	}
	cr_assert_eq(i, 80);
	cr_assert_eq(bob->session->queue_count, 60);
	cr_assert_eq(STEPPED_COUNTER(copies_dropped_composing), 20);
	stepped_send_as(&a, alice, "late", 100, "application/im-iscomposing+xml", NULL);
	stepped_turns(4);
	cr_assert_eq(STEPPED_COUNTER(copies_skipped_composing), 1);
	cr_assert_eq(part_count(&room->part[0].skipped), 21);
	drain(&b, 1 << 20);
	cr_assert_eq(b.count, 60);
	for (i = 0; i < b.count; i++)
		cr_assert_eq(b.heard[i].flag, '$');
	done();
}

/* Messages that grow beyond the limit: whole ones that wait go, the newest first; what has begun is
 * cut, and only what pins most. */
Test(backlog, what_outgrows_the_limit_is_shed_in_order)
{
	unsigned i;
	char tag[12];

	stepped_defaults(1);
	stepped.leg_queue_octets = 1000000;
	stepped_start();
	two();
	memory_window(b.end, 4000);
	stepped_open(&a, alice, "grows");
	stepped_text(&a, 20000);
	stepped_turns(8);
	stepped_end(&a, "grows", '+');
	for (i = 0; i < 10; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 10000);
		stepped_turns(4);
	}
	cr_assert(!bob->congested);
	/* It goes on: beyond 80 % the others wait still, beyond the limit they go, newest first. */
	stepped_open(&a, alice, "grows2");
	for (i = 0; i < 42; i++) {
		stepped_text(&a, 20000);
		stepped_turns(2);
	}
	cr_assert(bob->congested);
	cr_assert_eq(STEPPED_COUNTER(copies_dropped_congested), 0);
	for (; i < 46; i++) {
		stepped_text(&a, 20000);
		stepped_turns(2);
	}
	/* "grows2" itself is the newest that has not begun; that it goes is enough. */
	cr_assert_eq(STEPPED_COUNTER(copies_dropped_congested), 1);
	cr_assert_eq(STEPPED_COUNTER(copies_cut_congested), 0);
	stepped_end(&a, "grows2", '$');
	drain(&b, 1 << 20);
	cr_assert_null(peer_last(&b, "grows2"));
	cr_assert_not_null(peer_last(&b, "m0009"));
	done();
}

Test(backlog, what_has_begun_is_cut_and_what_is_small_stays)
{
	unsigned i;

	stepped_defaults(1);
	stepped.leg_queue_octets = 1000000;
	stepped_start();
	two();
	memory_window(b.end, 30000);
	stepped_open(&a, alice, "small");
	stepped_text(&a, 20000);
	stepped_turns(8);
	stepped_end(&a, "small", '+');
	stepped_open(&a, alice, "large");
	stepped_text(&a, 20000);
	stepped_turns(8);
	peer_hear(&b, 25000);
	stepped_turns(8);
	for (i = 0; i < 120; i++) {
		stepped_text(&a, 10000);
		stepped_turns(2);
	}
	cr_assert_eq(STEPPED_COUNTER(copies_cut_congested), 1);
	stepped_end(&a, "large", '$');
	stepped_turns(4);
	/* The small one is gone on with under the same Message-ID. */
	peer_print(&a,
		"MSRP tid.small SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: id.small\r\nFailure-Report: no\r\nByte-Range: %zu-*/*\r\nContent-Type: message/cpim\r\n\r\nend",
		SPAN_ARG(alice->conf->uri), SPAN_ARG(alice->conf->path),
		strlen("From: <sip:alice@example.com>\r\nTo: <" ROOM_URI
		       ">\r\n\r\nContent-Type: text/plain\r\n\r\nsmall ") +
			20000 + 1);
	stepped_end(&a, "small", '$');
	stepped_turns(4);
	drain(&b, 1 << 20);
	cr_assert_eq(peer_last(&b, "large")->flag, '#');
	cr_assert_eq(peer_last(&b, "small")->flag, '$');
	cr_assert_eq(STEPPED_COUNTER(copies_cut), 1);
	cr_assert_eq(part_count(&room->part[0].cut), 1);
	done();
}

/* A counted message of which a copy is dropped while it waits: the report does not count it, and
 * does not wait for it. */
Test(backlog, a_copy_that_is_dropped_is_reported_as_not_sent)
{
	struct leg *carol;
	struct peer c;
	unsigned i;

	stepped_defaults(1);
	stepped.leg_queue_octets = 1000000;
	stepped_start();
	two();
	carol = stepped_member(room, "carol", 2);
	peer_dial(&c, 0);
	stepped_bind(&c, carol);
	memory_window(b.end, 4000);
	stepped_open(&c, carol, "grows");
	stepped_text(&c, 20000);
	stepped_turns(8);
	stepped_send_as(
		&a, alice, "counted", 1000, NULL, "Success-Report: yes;Include-Sent-Count\r\n");
	stepped_turns(4);
	cr_assert(!bob->congested);
	for (i = 0; i < 120; i++) {
		stepped_text(&c, 10000);
		stepped_turns(2);
		peer_hear(&a, SIZE_MAX);
	}
	cr_assert_eq(STEPPED_COUNTER(copies_dropped_congested), 1);
	cr_assert_eq(STEPPED_COUNTER(reports_out), 0, "carol has not answered yet");
	peer_hear(&c, SIZE_MAX);
	stepped_end(&c, "grows", '$');
	stepped_wait(61000); /* count_cap: carol never answers */
	stepped_turns(4);
	cr_assert_eq(STEPPED_COUNTER(reports_out), 1);
	memory_close(c.end);
	peer_free(&c);
	done();
}

Test(backlog, one_without_progress_is_evicted_in_time)
{
	unsigned i;
	char tag[12];

	stepped_defaults(1);
	stepped.leg_queue_messages = 100;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 80; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 100);
		stepped_turns(4);
	}
	cr_assert(bob->congested);
	stepped_wait(119000);
	cr_assert_eq(STEPPED_COUNTER(evictions), 0);
	memory_window(b.end, 1); /* one octet is progress */
	stepped_turns(2);
	peer_hear(&b, 1);
	memory_window(b.end, 0);
	stepped_wait(60000);
	cr_assert_eq(STEPPED_COUNTER(evictions), 0);
	stepped_wait(61000);
	cr_assert_eq(STEPPED_COUNTER(evictions), 1);
	cr_assert_eq(bob->cause, LEG_CAUSE_CONGESTED);
	cr_assert(memory_closed_by_switch(b.end));
	done();
}

/* An octet now and then is not enough; a thousand a second are. */
static void trickle(unsigned octets_a_second, unsigned seconds)
{
	unsigned i;

	for (i = 0; i < seconds && !memory_closed_by_switch(b.end); i++) {
		memory_window(b.end, octets_a_second);
		stepped_turns(2);
		peer_hear(&b, octets_a_second);
		memory_window(b.end, 0);
		stepped_wait(1000);
	}
}

static void congest(void)
{
	unsigned i;
	char tag[12];

	memory_window(b.end, 0);
	for (i = 0; i < 90; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 10000);
		stepped_turns(4);
	}
	cr_assert(bob->congested);
}

Test(backlog, one_that_takes_next_to_nothing_is_evicted)
{
	stepped_defaults(1);
	stepped.leg_queue_octets = 1000000;
	stepped.least_rate = 1000;
	stepped_start();
	two();
	congest();
	trickle(990, 119);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 0);
	trickle(990, 3);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 1);
	cr_assert_eq(STEPPED_COUNTER(evictions), 0);
	cr_assert_eq(bob->cause, LEG_CAUSE_CONGESTED);
	done();
}

Test(backlog, one_that_takes_the_least_stays)
{
	stepped_defaults(1);
	stepped.leg_queue_octets = 1000000;
	stepped.least_rate = 1000;
	stepped_start();
	two();
	congest();
	stepped.congestion_kill_ms = 20000;
	trickle(1010, 50);
	cr_assert(bob->congested);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 0);
	/* What it had before it became slow counts for nothing. */
	trickle(20000, 1);
	trickle(500, 18);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 0);
	trickle(500, 24);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 1);
	done();
}

/* Answers are taken no faster: the same. */
Test(backlog, a_peer_that_takes_its_answers_too_slowly_is_evicted)
{
	unsigned i;

	stepped_defaults(1);
	stepped.least_rate = 100;
	stepped_start();
	two();
	memory_window(b.end, 0);
	for (i = 0; i < 300; i++) {
		peer_print(&b,
			"MSRP ask%04u SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: ask1\r\n-------ask%04u$\r\n",
			i, SPAN_ARG(bob->conf->uri), SPAN_ARG(bob->conf->path), i);
		stepped_turns(2);
	}
	cr_assert(!bob->congested);
	trickle(110, 130);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 0);
	trickle(50, 105);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 0);
	trickle(50, 10);
	cr_assert_eq(STEPPED_COUNTER(evictions_slow), 1);
	done();
}
