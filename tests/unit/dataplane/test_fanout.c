/* SPDX-License-Identifier: BSD-3-Clause */
/* Rooms on one worker: what is under way in a large one does not keep another waiting, and a full one
 * stops its own senders only. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/dataplane/stepped.h"

enum { MANY = 5000 };

static struct room *large, *small;
static struct leg *alice, *carol;
static struct peer a, c, d, *many;

/* Alice and MANY others are in the large room, carol and dave in the small one. */
static void rooms(void)
{
	unsigned i;

	stepped_defaults(1);
	stepped.max_legs = MANY + 100;
	stepped.memory = 256u << 20;
	stepped_start();
	large = stepped_room(0, "sip:large@example.com");
	small = stepped_room(0, "sip:small@example.com");
	alice = stepped_member(large, "alice", 0);
	carol = stepped_member(small, "carol", 0);
	peer_dial(&a, 0);
	peer_dial(&c, 0);
	peer_dial(&d, 0);
	stepped_bind(&a, alice);
	stepped_bind(&c, carol);
	stepped_bind(&d, stepped_member(small, "dave", 1));
	many = calloc(MANY, sizeof(*many));
	for (i = 0; i < MANY; i++) {
		char name[16];
		struct leg *leg;

		snprintf(name, sizeof(name), "m%u", i);
		leg = stepped_member(large, name, 1 + i);
		many[i].end = memory_dial(stepped.worker[0]->tcp);
		chunk_in_init(&many[i].in);
		peer_print(&many[i],
			"MSRP bind0 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: bind0\r\nByte-Range: 1-0/0\r\n-------bind0$\r\n",
			SPAN_ARG(leg->conf->uri), SPAN_ARG(leg->conf->path));
	}
	stepped_turns(8);
	for (i = 0; i < MANY; i++) {
		peer_hear(&many[i], SIZE_MAX);
		cr_assert_eq(many[i].count, 1);
		many[i].count = 0;
	}
}

static void done(void)
{
	unsigned i;

	memory_close(a.end);
	memory_close(c.end);
	memory_close(d.end);
	for (i = 0; i < MANY; i++)
		memory_close(many[i].end);
	stepped_turns(20);
	stepped_copies_add_up();
	stepped_at_rest(0);
	peer_free(&a);
	peer_free(&c);
	peer_free(&d);
	for (i = 0; i < MANY; i++)
		peer_free(&many[i]);
	free(many);
	stepped_stop();
}

/* How many of the large room have something to hear. */
static unsigned have(void)
{
	unsigned i, n = 0;

	for (i = 0; i < MANY; i++)
		n += memory_sent(many[i].end).len > 0;
	return n;
}

Test(fanout, a_large_room_does_not_keep_a_small_one_waiting)
{
	unsigned i, served;
	char tag[12];

	rooms();
	stepped_send(&a, alice, "large", 1000);
	stepped_send(&c, carol, "small", 100);
	/* One turn: input, a slice of the work, and so many writes; both rooms have their share. */
	stepped_turns(1);
	served = have();
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "small"));
	cr_assert_gt(served, 1000);
	cr_assert_lt(served, 2100, "input waited for %u writes", served);
	/* And what comes while the large one is not done. */
	stepped_send(&c, carol, "again", 100);
	stepped_turns(1);
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "again"));
	cr_assert_lt(have(), MANY);
	stepped_turns(2);
	cr_assert_eq(have(), MANY);
	/* With more under way than a turn's slice. */
	for (i = 0; i < 40; i++) {
		snprintf(tag, sizeof(tag), "l%u", i);
		stepped_send(&a, alice, tag, 1000);
	}
	stepped_turns(2);
	cr_assert_not_null(stepped.worker[0]->work);
	for (i = 0; stepped.worker[0]->work != NULL; i++) {
		snprintf(tag, sizeof(tag), "s%u", i);
		stepped_send(&c, carol, tag, 100);
		stepped_turns(2); /* its place in the line of rooms, and then */
		peer_hear(&d, SIZE_MAX);
		cr_assert_not_null(peer_last(&d, tag), "%s", tag);
	}
	cr_assert_gt(i, 3);
	stepped_turns(20);
	for (i = 0; i < MANY; i++) {
		peer_hear(&many[i], SIZE_MAX);
		cr_assert_eq(many[i].count, 41);
		cr_assert_str_eq(many[i].heard[40].tag, "l39");
	}
	done();
}

/* Its work is bounded: whoever sends to it is not read. Of a connection that carries a session of
 * another room too, what is for that one is read. */
Test(fanout, a_full_room_stops_what_is_for_it)
{
	struct leg *erin_large, *erin_small;
	struct peer e;
	char tag[12];
	unsigned i;

	rooms();
	erin_large = stepped_member(large, "erin", MANY + 10);
	erin_small = stepped_member(small, "erin", 2);
	peer_dial(&e, 0);
	stepped_bind(&e, erin_large);
	stepped_bind(&e, erin_small);
	for (i = 0; i < MANY; i++)
		memory_window(many[i].end, 0); /* what they would take is too much for a test */
	for (i = 0; i < 70; i++) {
		snprintf(tag, sizeof(tag), "l%u", i);
		stepped_send(&a, alice, tag, 20000);
	}
	for (i = 0; i < 50 && atomic_load(&large->full) == 0; i++)
		stepped_turns(1);
	cr_assert_eq(atomic_load(&large->full), 1);
	stepped_turns(1);
	cr_assert(memory_paused(a.end));
	cr_assert_gt(memory_unread(a.end), 100000);
	cr_assert_lt(large->part[0].work_octets, 2 * ROOM_WORK_HIGH);
	/* carol, who has nothing to do with it, is read; erin is, as far as the small room goes. */
	stepped_send(&c, carol, "carols", 100);
	stepped_send(&e, erin_small, "erins", 100);
	stepped_turns(3);
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "carols"));
	cr_assert_not_null(peer_last(&d, "erins"));
	stepped_send(&e, erin_large, "held", 100);
	stepped_send(&e, erin_small, "behind", 100);
	stepped_turns(3);
	cr_assert_eq(atomic_load(&large->full), 1);
	peer_hear(&d, SIZE_MAX);
	cr_assert_null(peer_last(&d, "behind"), "it lies behind what is held in the stream");
	/* The room gets through its work, and nothing was lost. */
	for (i = 0; i < 3000 && (memory_unread(a.end) > 0 || stepped.worker[0]->work != NULL); i++)
		stepped_turns(1);
	stepped_turns(10);
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "behind"));
	for (i = 0; i < MANY; i += 100) {
		memory_window(many[i].end, MEMORY_NO_LIMIT);
		stepped_turns(10);
		peer_hear(&many[i], SIZE_MAX);
		cr_assert_eq(peer_last(&many[i], "l69")->flag, '$');
		cr_assert_eq(peer_last(&many[i], "held")->flag, '$');
	}
	memory_close(e.end);
	peer_free(&e);
	done();
}
