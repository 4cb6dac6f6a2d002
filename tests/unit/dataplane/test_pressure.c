/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does without when its memory runs low, and in which order: design 6. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tests/unit/dataplane/stepped.h"

static struct room *room;
static struct leg *alice, *bob, *carol;
static struct peer a, b, c;
static unsigned number;

static void three(unsigned workers)
{
	stepped_defaults(workers);
	stepped.max_legs = 64;
	stepped.max_rooms = 8;
	stepped.leg_queue_octets = 1u << 30;
	stepped.leg_queue_messages = 60000;
	stepped.memory = 96u << 20;
	stepped_start();
	room = stepped_room(0, "sip:room@example.com");
	alice = stepped_member(room, "alice", 0);
	bob = stepped_member(room, "bob", 1);
	carol = stepped_member(room, "carol", 2);
	peer_dial(&a, 0);
	peer_dial(&b, workers - 1);
	peer_dial(&c, 0);
	stepped_bind(&a, alice);
	stepped_bind(&b, bob);
	stepped_bind(&c, carol);
	stepped_wait(1000);
}

static void done(void)
{
	unsigned w;

	memory_close(a.end);
	memory_close(b.end);
	memory_close(c.end);
	stepped_turns(8);
	stepped_copies_add_up();
	for (w = 0; w < stepped.workers; w++)
		stepped_at_rest(w);
	peer_free(&a);
	peer_free(&b);
	peer_free(&c);
	stepped_stop();
}

/* Alice says so many octets in one message; carol takes it, bob does not. The clock stands. */
static void say(size_t octets)
{
	char tag[12];

	snprintf(tag, sizeof(tag), "m%u", number++);
	stepped_send_as(&a, alice, tag, octets, NULL, "Failure-Report: partial\r\n");
	stepped_turns(4);
	peer_hear(&c, SIZE_MAX);
	peer_hear(&a, SIZE_MAX);
}

static void fill(enum pressure level)
{
	unsigned i;

	memory_window(b.end, 0);
	for (i = 0; i < 100000 && stepped.worker[0]->pressure < level; i++)
		say(20000);
	cr_assert_eq(stepped.worker[0]->pressure, level);
}

static int open_another(void)
{
	struct room_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	struct room *other;

	return room_open(stepped.worker[0], 0, &tag, &settings, SPAN_LITERAL("sip:o@example.com\n"),
		SPAN_LITERAL("*"), &other);
}

static int add_another(void)
{
	struct leg_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	struct leg *leg;

	return leg_add(stepped.worker[0], room, 0, &tag, &settings,
		SPAN_LITERAL("msrp://127.0.0.1:9/z;tcp"), SPAN_LITERAL(""), &leg);
}

Test(pressure, the_doors_are_shut_first)
{
	struct peer late;

	three(1);
	fill(PRESSURE_DOORS);
	peer_dial(&late, 0);
	cr_assert(memory_closed_by_switch(late.end));
	cr_assert_eq(STEPPED_COUNTER(connections_refused), 1);
	cr_assert_eq(open_another(), -ENOBUFS);
	cr_assert_eq(add_another(), -ENOBUFS);
	cr_assert_eq(STEPPED_COUNTER(commands_refused), 2);
	/* Who is in goes on. */
	say(20000);
	cr_assert_eq(STEPPED_COUNTER(messages_refused), 0);
	cr_assert_eq(c.heard[c.count - 1].flag, '$');
	/* When there is memory again they are open. */
	memory_window(b.end, MEMORY_NO_LIMIT);
	stepped_turns(200);
	peer_hear(&b, SIZE_MAX);
	cr_assert_eq(open_another(), 0);
	cr_assert_eq(add_another(), 0);
	peer_free(&late);
	peer_dial(&late, 0);
	cr_assert(!memory_closed_by_switch(late.end));
	memory_close(late.end);
	peer_free(&late);
	done();
}

Test(pressure, then_messages_are_refused_and_what_pins_most_is_cut)
{
	unsigned whole;

	three(1);
	memory_window(b.end, 3000);
	say(20000); /* bob has begun this one */
	fill(PRESSURE_MESSAGES);
	whole = c.count;
	/* None begins; it is said so at once, and carol is still read and answered. */
	say(1000);
	cr_assert_eq(a.heard[a.count - 1].status, 413);
	cr_assert_eq(STEPPED_COUNTER(messages_refused_memory), 1);
	cr_assert_eq(c.count, whole);
	cr_assert_eq(STEPPED_COUNTER(pauses_producer) + STEPPED_COUNTER(pauses_memory), 0);
	/* Not at the first look: it may be a moment only. */
	stepped_now += 100;
	stepped_turns(1);
	cr_assert_eq(STEPPED_COUNTER(copies_dropped_memory), 0);
	stepped_now += 100;
	stepped_turns(2);
	cr_assert_gt(STEPPED_COUNTER(copies_dropped_memory), 100);
	cr_assert_eq(STEPPED_COUNTER(copies_cut_memory), 1);
	cr_assert_eq(stepped.worker[0]->pressure, PRESSURE_NONE);
	cr_assert_eq(STEPPED_COUNTER(evictions_memory), 0);
	say(1000);
	cr_assert_eq(c.heard[c.count - 1].flag, '$');
	/* What bob hears is in order, and not torn. */
	memory_window(b.end, MEMORY_NO_LIMIT);
	stepped_turns(20);
	peer_hear(&b, SIZE_MAX);
	cr_assert_eq(b.heard[0].flag, '#');
	cr_assert_eq(b.heard[b.count - 1].flag, '$');
	cr_assert_eq(b.count, 2);
	cr_assert_eq(atomic_load(&room->part[0].skipped), STEPPED_COUNTER(copies_dropped_memory));
	done();
}

/* What the members of another worker do not take lies in the memory of the sender's. */
Test(pressure, other_workers_let_go_too)
{
	three(2);
	fill(PRESSURE_MESSAGES);
	stepped_now += 100;
	stepped_turns(2);
	stepped_now += 100;
	stepped_turns(4);
	stepped_now += 100;
	stepped_turns(4);
	cr_assert_gt(stepped.worker[1]->counters.copies_dropped_memory, 100);
	cr_assert_eq(stepped.worker[0]->pressure, PRESSURE_NONE);
	done();
}

/* A message that has begun goes on, and its sender is the first that is not read; one who sends
 * little is read as long as anybody. */
Test(pressure, the_largest_producer_is_not_read_any_more)
{
	unsigned i, answers;

	three(1);
	memory_window(b.end, 0);
	/* Begun ones are not refused: memory goes down to what is kept for one read. */
	stepped_open(&a, alice, "endless");
	stepped_turns(2);
	for (i = 0; i < 100000 && memory_unread(a.end) == 0; i++) {
		stepped_text(&a, 20000);
		stepped_turns(2);
		peer_hear(&c, SIZE_MAX);
	}
	cr_assert_eq(stepped.worker[0]->pressure, PRESSURE_READS);
	cr_assert(memory_paused(a.end));
	cr_assert_gt(STEPPED_COUNTER(pauses_producer), 0);
	cr_assert_eq(STEPPED_COUNTER(pauses_memory), 0);
	/* Carol is read, and hears that nothing begins now. */
	answers = c.count;
	stepped_send_as(&c, carol, "carols", 300, NULL, "Failure-Report: yes\r\n");
	stepped_turns(4);
	peer_hear(&c, SIZE_MAX);
	cr_assert_eq(memory_unread(c.end), 0);
	cr_assert_gt(c.count, answers);
	cr_assert_eq(c.heard[c.count - 1].status, 413);
	/* Time goes on: bob is cut, alice is read again, nothing of hers is lost for carol. */
	stepped_wait(100);
	stepped_wait(100);
	stepped_turns(10);
	cr_assert_eq(memory_unread(a.end), 0);
	stepped_end(&a, "endless", '$');
	stepped_turns(4);
	peer_hear(&c, SIZE_MAX);
	cr_assert_eq(peer_last(&c, "endless")->flag, '$');
	cr_assert_eq(peer_octets_of(&c, "endless") / 20000, i);
	done();
}

/* Nothing worth a cut is pinned: the one that takes nothing and holds most goes. */
Test(pressure, a_stalled_member_is_evicted_when_nothing_else_helps)
{
	struct worker *worker;
	uint32_t free_count;
	unsigned i;

	three(1);
	worker = stepped.worker[0];
	memory_window(b.end, 0);
	for (i = 0; i < 10; i++)
		say(100);
	stepped_wait(1500);
	free_count = worker->entries.free_count;
	worker->entries.free_count = 600; /* as if there were that few */
	stepped_wait(100);
	stepped_wait(100);
	stepped_wait(100);
	cr_assert_eq(STEPPED_COUNTER(evictions_memory), 1);
	cr_assert(memory_closed_by_switch(b.end));
	cr_assert(!memory_closed_by_switch(a.end) && !memory_closed_by_switch(c.end));
	worker->entries.free_count += free_count - 600;
	stepped_turns(4);
	cr_assert_eq(bob->cause, LEG_CAUSE_MEMORY);
	done();
}

/* When senders leave too many messages open, queues are not at fault, and nobody is cut. */
Test(pressure, queues_are_left_alone_when_they_are_not_at_fault)
{
	struct worker *worker;
	uint32_t free_count;
	unsigned i;

	three(1);
	worker = stepped.worker[0];
	memory_window(b.end, 0);
	for (i = 0; i < 10; i++)
		say(20000);
	stepped_wait(1500);
	free_count = worker->inbounds.free_count;
	worker->inbounds.free_count = 520; /* as if */
	stepped_wait(100);
	stepped_wait(100);
	stepped_wait(100);
	cr_assert_geq(worker->pressure, PRESSURE_MESSAGES);
	cr_assert_eq(STEPPED_COUNTER(evictions_memory) + STEPPED_COUNTER(copies_dropped_memory) +
			     STEPPED_COUNTER(copies_cut_memory),
		0);
	worker->inbounds.free_count += free_count - 520;
	memory_window(b.end, MEMORY_NO_LIMIT);
	stepped_turns(10);
	peer_hear(&b, SIZE_MAX);
	for (i = 0; i < 10; i++) {
		char tag[12];

		snprintf(tag, sizeof(tag), "m%u", i);
		cr_assert_eq(peer_last(&b, tag)->flag, '$');
	}
	done();
}
