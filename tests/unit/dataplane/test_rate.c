/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast a member may send: what is beyond waits in its connection, and nobody else does.
 * context.md 6.4. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "tests/unit/dataplane/stepped.h"

static struct room *room;
static struct leg *alice, *bob;
static struct peer a, b;

static void two(void)
{
	stepped_start();
	room = stepped_room(0, "sip:room@example.com");
	alice = stepped_member(room, "alice", 0);
	bob = stepped_member(room, "bob", 1);
	peer_dial(&a, 0);
	peer_dial(&b, 0);
	stepped_bind(&a, alice);
	stepped_bind(&b, bob);
}

static void wait_for(unsigned ms);

static void done(void)
{
	memory_reset(a.end); /* what it may not yet send is not waited for */
	memory_close(b.end);
	wait_for(2000);
	stepped_copies_add_up();
	stepped_at_rest(0);
	cr_expect_eq(stepped.worker[0]->limited_count, 0);
	peer_free(&a);
	peer_free(&b);
	stepped_stop();
}

/* The clock goes on as it does, in small steps. */
static void wait_for(unsigned ms)
{
	for (; ms >= 5; ms -= 5) {
		stepped_now += 5;
		stepped_turns(1);
	}
	stepped_turns(4);
	peer_hear(&b, SIZE_MAX);
}

Test(rate, messages_beyond_it_wait_and_none_is_lost)
{
	unsigned i, before;
	char tag[12];

	stepped_defaults(1);
	stepped.rates[RATE_MESSAGES] = 10;
	two();
	for (i = 0; i < 100; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	wait_for(0);
	/* A second's worth, and what one read of 2560 octets may bring. */
	cr_assert_geq(b.count, 10);
	cr_assert_leq(b.count, 20);
	for (i = 0; i < 9; i++) {
		before = b.count;
		wait_for(1000);
		if (before < 90)
			cr_assert_lt(b.count - before, 20);
	}
	cr_assert_geq(b.count, 90);
	cr_assert_leq(b.count, 100);
	wait_for(2000);
	cr_assert_eq(b.count, 100);
	for (i = 0; i < 100; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		cr_assert_eq(peer_place(&b, tag), i);
	}
	cr_assert_gt(STEPPED_COUNTER(pauses_rate), 5);
	/* After silence there is a second's worth again, not more. */
	wait_for(60000);
	for (i = 0; i < 100; i++) {
		snprintf(tag, sizeof(tag), "n%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	wait_for(0);
	cr_assert_leq(b.count, 100 + 20);
	wait_for(20000);
	cr_assert_eq(b.count, 200);
	done();
}

Test(rate, nobody_else_waits)
{
	struct leg *carol;
	struct peer c;
	unsigned i;
	char tag[12];

	stepped_defaults(1);
	stepped.rates[RATE_MESSAGES] = 1;
	two();
	carol = stepped_member(room, "carol", 2);
	peer_dial(&c, 0);
	stepped_bind(&c, carol);
	for (i = 0; i < 100; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	wait_for(100);
	cr_assert(memory_paused(a.end));
	stepped_send(&c, carol, "carols", 300);
	wait_for(0);
	cr_assert_not_null(peer_last(&b, "carols"));
	memory_close(c.end);
	peer_free(&c);
	done();
}

/* A worker with somebody to wait for sleeps until then, and no longer. */
Test(rate, a_worker_sleeps_until_there_is_room)
{
	const struct worker *worker;
	unsigned i, ms;
	char tag[12];

	stepped_defaults(1);
	stepped.rates[RATE_MESSAGES] = 2;
	two();
	worker = stepped.worker[0];
	cr_assert_eq(connection_wait_ms(worker, 1000), 1000);
	for (i = 0; i < 20; i++) {
		snprintf(tag, sizeof(tag), "m%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	wait_for(0);
	cr_assert_eq(worker->limited_count, 1);
	for (i = 0; memory_unread(a.end) > 0; i++) {
		uint64_t unread = memory_unread(a.end);

		ms = connection_wait_ms(worker, 1000);
		cr_assert_gt(ms, 0);
		stepped_now += ms;
		stepped_turns(2);
		cr_assert(memory_unread(a.end) < unread || worker->limited_count == 1);
		cr_assert_lt(i, 40, "woken in vain");
	}
	done();
}

Test(rate, octets_beyond_it_wait)
{
	stepped_defaults(1);
	stepped.rates[RATE_OCTETS] = 100000;
	two();
	stepped_send(&a, alice, "long", 1000000);
	wait_for(0);
	cr_assert_lt(peer_octets_of(&b, "long") + b.open.len, 110000);
	wait_for(5000);
	cr_assert_gt(b.open.len, 560000);
	cr_assert_lt(b.open.len, 640000);
	wait_for(6000);
	cr_assert_eq(peer_last(&b, "long")->flag, '$');
	done();
}

/* Octets times those who get them. */
Test(rate, copies_together_are_limited)
{
	enum { MORE = 9 };
	struct peer more[MORE];
	char name[12];
	unsigned i;

	stepped_defaults(1);
	stepped.rates[RATE_EGRESS] = 1000000;
	two();
	for (i = 0; i < MORE; i++) {
		snprintf(name, sizeof(name), "more%u", i);
		peer_dial(&more[i], 0);
		stepped_bind(&more[i], stepped_member(room, name, 2 + i));
	}
	stepped_send(&a, alice, "long", 1000000);
	wait_for(0);
	/* The first read is not known to go to ten. */
	cr_assert_lt(b.open.len, 200000);
	wait_for(5000);
	cr_assert_gt(b.open.len, 500000);
	cr_assert_lt(b.open.len, 650000);
	wait_for(6000);
	cr_assert_eq(peer_last(&b, "long")->flag, '$');
	for (i = 0; i < MORE; i++) {
		memory_close(more[i].end);
		peer_free(&more[i]);
	}
	done();
}

Test(rate, one_who_talks_alone_has_no_copies)
{
	stepped_defaults(1);
	stepped.rates[RATE_EGRESS] = 1000;
	two();
	memory_close(b.end);
	stepped_turns(4);
	stepped_send(&a, alice, "long", 300000);
	stepped_turns(200);
	cr_assert_eq(memory_unread(a.end), 0);
	done();
}

/* Two sessions on one connection: what the limited one sends stops there, and what the other one
 * has sent before it has gone through. */
Test(rate, on_a_shared_connection_only_what_follows_waits)
{
	struct leg *carol, *dave;
	struct room *other;
	struct peer d;
	unsigned i;
	char tag[12];

	stepped_defaults(1);
	stepped.rates[RATE_MESSAGES] = 5;
	two();
	other = stepped_room(0, "sip:other@example.com");
	carol = stepped_member(other, "carol", 0);
	dave = stepped_member(other, "dave", 1);
	peer_dial(&d, 0);
	stepped_bind(&d, dave);
	stepped_bind(&a, carol);
	for (i = 0; i < 8; i++) {
		snprintf(tag, sizeof(tag), "a%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	wait_for(0);
	/* 5 and one more are a second's worth; they are all in one read, so the rest is kept. */
	cr_assert_eq(b.count, 6);
	wait_for(3000);
	cr_assert_eq(b.count, 8);
	wait_for(3000);
	for (i = 0; i < 6; i++) {
		snprintf(tag, sizeof(tag), "b%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	stepped_send(&a, carol, "carols", 300);
	wait_for(0);
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "carols"), "alice has sent no more than she may");
	stepped_send(&a, carol, "carols2", 300);
	wait_for(0);
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "carols2"), "nor has carol");
	/* alice leaves while her next one is kept: carol goes on. */
	for (i = 0; i < 12; i++) {
		snprintf(tag, sizeof(tag), "c%04u", i);
		stepped_send(&a, alice, tag, 300);
	}
	stepped_send(&a, carol, "carols3", 300);
	wait_for(0);
	peer_hear(&d, SIZE_MAX);
	cr_assert_null(peer_last(&d, "carols3"));
	leg_remove(stepped.worker[0], alice, LEG_CAUSE_REMOVED);
	wait_for(100);
	peer_hear(&d, SIZE_MAX);
	cr_assert_not_null(peer_last(&d, "carols3"));
	memory_close(d.end);
	peer_free(&d);
	done();
}

/* Several thousand that wait cost the others nothing: nobody looks at them before their time. */
Test(rate, those_who_wait_are_not_looked_at)
{
	enum { MANY = 300 };
	static struct peer many[MANY];
	unsigned i, k;
	char tag[12];
	uint64_t pauses;

	stepped_defaults(1);
	stepped.rates[RATE_MESSAGES] = 1;
	two();
	for (i = 0; i < MANY; i++) {
		struct leg *leg;

		snprintf(tag, sizeof(tag), "p%u", i);
		leg = stepped_member(room, tag, 2 + i);
		peer_dial(&many[i], 0);
		stepped_bind(&many[i], leg);
		for (k = 0; k < 9; k++) {
			snprintf(tag, sizeof(tag), "q%u.%u", i, k);
			stepped_send(&many[i], leg, tag, 300);
		}
	}
	wait_for(0);
	pauses = STEPPED_COUNTER(pauses_rate);
	cr_assert_geq(pauses, MANY);
	stepped_turns(1000); /* the clock stands still */
	cr_assert_eq(STEPPED_COUNTER(pauses_rate), pauses);
	for (i = 0; i < MANY; i++) {
		memory_reset(many[i].end);
		peer_free(&many[i]);
	}
	done();
}
