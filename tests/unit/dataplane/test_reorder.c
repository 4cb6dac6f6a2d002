/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "dataplane/worker.h"

static struct worker *worker;
static struct reorder_share share;

static void start(unsigned blocks)
{
	worker = calloc(1, sizeof(*worker));
	share = (struct reorder_share){ 0 };
	cr_assert_eq(arena_map(&worker->arena, 4u << 20, false), 0);
	cr_assert_eq(
		pool_init(&worker->kept, &worker->arena, sizeof(struct reorder_block), blocks), 0);
}

static void stop(void)
{
	cr_assert_eq(worker->kept.free_count, worker->kept.count);
	cr_assert_eq(share.octets, 0);
	cr_assert_eq(share.blocks, 0);
	arena_unmap(&worker->arena);
	free(worker);
}

/* Random puts, runs and drops against a plain array. */
Test(reorder, is_an_array_with_holes)
{
	enum { PLACES = 20000 };
	static uint8_t octets[PLACES], model[PLACES], present[PLACES];
	struct reorder kept = { 0 };
	unsigned round, i, edge = 0, at, len, count;
	const uint8_t *run;
	size_t n;

	start(400);
	srand(7);
	for (round = 0; round < 3000; round++) {
		if (round % 300 == 299) {
			reorder_drop_all(worker, &share, &kept);
			memset(present, 0, sizeof(present));
			edge = 0;
		}
		at = edge + (unsigned)rand() % (PLACES - edge);
		len = (unsigned)rand() % 4000;
		if (len > PLACES - at)
			len = PLACES - at;
		for (i = 0; i < len; i++)
			octets[i] = (uint8_t)rand();
		cr_assert(reorder_put(worker, &share, &kept, at, octets, len));
		memcpy(model + at, octets, len);
		memset(present + at, 1, len);
		for (i = count = 0; i < PLACES; i++)
			count += present[i];
		cr_assert_eq(kept.octets, count);
		cr_assert_eq(share.octets, count);
		at = (unsigned)rand() % PLACES;
		run = reorder_run(&kept, at, &n);
		cr_assert_eq(run != NULL, present[at]);
		for (i = 0; run != NULL && i < n; i++)
			cr_assert(present[at + i] && run[i] == model[at + i]);
		if (run != NULL && at + n < PLACES && (at + n) % REORDER_BLOCK_OCTETS != 0)
			cr_assert(!present[at + n], "the run is shorter than it might be");
		if (round % 7 == 0) {
			edge += (unsigned)rand() % 100;
			if (edge >= PLACES)
				edge = 0;
			reorder_drop_before(worker, &share, &kept, edge);
			memset(present, 0, edge);
		}
	}
	reorder_drop_all(worker, &share, &kept);
	stop();
}

Test(reorder, a_message_and_a_leg_have_their_limits)
{
	static uint8_t octets[REORDER_MESSAGE_MAX + 1];
	struct reorder a = { 0 }, b = { 0 }, c = { 0 };
	unsigned i;

	start(1000);
	cr_assert(reorder_put(worker, &share, &a, 5, octets, REORDER_MESSAGE_MAX));
	cr_assert(reorder_put(worker, &share, &a, 5, octets, REORDER_MESSAGE_MAX), "once more");
	cr_assert(reorder_put(worker, &share, &b, 7, octets, REORDER_MESSAGE_MAX));
	cr_assert_not(reorder_put(worker, &share, &c, 9, octets, 1));
	reorder_drop_all(worker, &share, &c);
	cr_assert_not(reorder_put(worker, &share, &a, 4, octets, 1));
	reorder_drop_all(worker, &share, &a);
	reorder_drop_all(worker, &share, &b);
	for (i = 0; i < REORDER_LEG_BLOCKS; i++)
		cr_assert(reorder_put(
			worker, &share, &c, i * REORDER_BLOCK_OCTETS * 2ull, octets, 1));
	cr_assert_not(reorder_put(worker, &share, &c, 1ull << 60, octets, 1));
	reorder_drop_all(worker, &share, &c);
	stop();
}

Test(reorder, nobody_takes_more_than_a_quarter_of_what_is_free)
{
	struct reorder_share shares[40] = { 0 };
	struct reorder kept[40] = { 0 };
	unsigned legs, i;
	uint8_t octet = 1;

	start(100);
	for (legs = 0; legs < 40; legs++) {
		for (i = 0; reorder_put(worker, &shares[legs], &kept[legs],
			     i * 2ull * REORDER_BLOCK_OCTETS, &octet, 1);
			i++)
			;
		cr_assert_leq(i, worker->kept.free_count / 4 + 2);
		cr_assert(legs > 15 || i > 0, "leg %u gets nothing", legs);
	}
	for (legs = 0; legs < 40; legs++)
		reorder_drop_all(worker, &shares[legs], &kept[legs]);
	stop();
}
