/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "dataplane/worker.h"

static uint64_t clock_ms(void)
{
	return 1;
}

static void random_fill(void *octets, size_t size)
{
	memset(octets, 1, size);
}

static struct switch_shared shared_of(uint16_t workers, uint32_t legs, uint64_t mb)
{
	return (struct switch_shared){ .workers = workers,
		.max_legs = legs,
		.max_rooms = 100,
		.memory = (mb << 20) / workers,
		.transport_octets = tcp_kernel_octets(),
		.random_fill = random_fill,
		.clock_ms = clock_ms };
}

/* An operator who writes the number that the refusal names gets a switch that starts; with a MiB less not. */
Test(memory, the_least_is_the_least)
{
	static const uint16_t workers[] = { 1, 3, 8, 64 };
	static const uint32_t legs[] = { 2, 100, 10000, 300000 };
	struct memory plan;
	unsigned w, l, i;

	for (w = 0; w < 4; w++) {
		for (l = 0; l < 4; l++) {
			struct switch_shared shared = shared_of(workers[w], legs[l], 64);
			uint64_t mb = memory_mb(&shared, memory_least(&shared));

			shared.memory = (mb << 20) / workers[w];
			cr_assert(memory_make(&plan, &shared), "%u workers, %u legs: %llu MiB",
				workers[w], legs[l], (unsigned long long)mb);
			shared.memory = ((mb - 1) << 20) / workers[w];
			cr_assert_not(memory_make(&plan, &shared),
				"%u workers, %u legs: less than %llu MiB would do", workers[w],
				legs[l], (unsigned long long)mb);
			shared.memory = (mb << 20) / workers[w];
			cr_assert(memory_make(&plan, &shared));
			for (i = 0; i < MEMORY_POOLS; i++)
				cr_assert_geq(plan.lines[i].count, plan.lines[i].least, "%s",
					plan.lines[i].name);
		}
	}
}

Test(memory, a_refusal_names_numbers_that_help)
{
	struct switch_shared shared = shared_of(4, 100000, 512);
	unsigned long long mb;
	struct memory plan;
	unsigned legs;
	char text[300];

	cr_assert_not(memory_make(&plan, &shared));
	memory_refusal(&shared, text, sizeof(text));
	cr_assert_eq(
		sscanf(text,
			"switch.memory_mb is 512: 100000 legs and 100 rooms on 4 workers need at least %llu; raise it, or lower switch.max_legs to %u,",
			&mb, &legs),
		2, "%s", text);
	shared.max_legs = legs;
	cr_assert(memory_make(&plan, &shared));
	shared.max_legs++;
	cr_assert_not(memory_make(&plan, &shared));
	shared = shared_of(4, 100000, mb);
	cr_assert(memory_make(&plan, &shared));
	/* Legs are not what is too much. */
	shared = shared_of(4, 2, 512);
	shared.max_rooms = 1000000;
	memory_refusal(&shared, text, sizeof(text));
	cr_assert_not_null(strstr(text, "a smaller switch.max_rooms"), "%s", text);
}

/* What the plan counts is what the worker takes, and no more than it was given. */
Test(memory, a_worker_takes_what_was_planned)
{
	struct switch_shared shared = shared_of(2, 500, 100);
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
	struct memory plan;
	unsigned i;

	cr_assert(memory_make(&plan, &shared));
	cr_assert_leq(plan.need, shared.memory);
	cr_assert_gt(plan.need, shared.memory - shared.memory / 50, "%zu octets are left over",
		shared.memory - plan.need);
	cr_assert_eq(worker_init(worker, &shared, 1), 0);
	cr_assert_leq(worker->arena.used, plan.need);
	cr_assert_gt(worker->arena.used + 64 * MEMORY_POOLS, plan.need);
	for (i = 0; i < MEMORY_POOLS; i++) {
		struct pool *pool = (void *)((char *)worker + plan.lines[i].pool);

		cr_assert_eq(pool->count, plan.lines[i].count, "%s", plan.lines[i].name);
		cr_assert_geq(pool->object_size, plan.lines[i].octets, "%s", plan.lines[i].name);
		cr_assert_geq(pool->count, plan.lines[i].least, "%s", plan.lines[i].name);
	}
	cr_assert_not_null(worker->transport_memory);
	cr_assert_geq(worker->transport_records, worker->connections.count);
	worker_fini(worker);
	free(worker);
}

/* All legs may be on one worker: of what each leg needs at least, every worker has enough for all. */
Test(memory, each_worker_has_room_for_every_leg)
{
	struct switch_shared shared = shared_of(8, 10000, 64);
	struct memory plan;

	shared.memory = memory_least(&shared);
	cr_assert(memory_make(&plan, &shared));
	cr_assert_geq(plan.lines[MEMORY_legs].count, 10000);
	cr_assert_geq(plan.lines[MEMORY_confs_small].count, 10000);
	cr_assert_geq(plan.lines[MEMORY_sessions].count, 10000);
	cr_assert_geq(plan.lines[MEMORY_connections].count, 10000);
	cr_assert_geq(plan.lines[MEMORY_output].count, 10000, "half a head for each");
}

/* A worker reads as long as each pool has its margin, and not a moment longer. */
Test(memory, a_worker_reads_while_every_pool_has_its_margin)
{
	static const uint32_t margins[] = {
#define POOL(name, member, octets, of64, besides, parts, margin, least, what) margin,
#include "dataplane/pools.def"
	};
	struct switch_shared shared = shared_of(1, 100, 128);
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
	struct memory plan;
	unsigned i, checked = 0;

	cr_assert(memory_make(&plan, &shared));
	cr_assert_eq(worker_init(worker, &shared, 0), 0);
	cr_assert(worker_can_receive(worker));
	for (i = 0; i < MEMORY_POOLS; i++) {
		struct pool *pool = (void *)((char *)worker + plan.lines[i].pool);
		uint32_t all = pool->free_count;

		pool->free_count = margins[i];
		cr_assert(worker_can_receive(worker), "%s", plan.lines[i].name);
		if (margins[i] > 0) {
			pool->free_count = margins[i] - 1;
			cr_assert_not(worker_can_receive(worker), "%s", plan.lines[i].name);
			checked++;
		}
		pool->free_count = all;
	}
	cr_assert_gt(checked, 5);
	worker_fini(worker);
	free(worker);
}

Test(memory, memory_that_was_touched_is_there)
{
	unsigned char there[1024];
	struct arena arena;
	unsigned i;

	cr_assert_eq(arena_map(&arena, 4u << 20, true), 0);
	cr_assert_eq(arena.size, 4u << 20);
	cr_assert_eq(mincore(arena.base, arena.size, there), 0);
	for (i = 0; i < 1024; i++)
		cr_assert(there[i] & 1, "page %u", i);
	arena_unmap(&arena);
	cr_assert_eq(arena_map(&arena, (size_t)1 << 62, true), -ENOMEM);
	cr_assert_null(arena.base);
}

/* Said in the log by the switch's start; here by a worker alone. */
Test(memory, a_worker_does_not_begin_with_less)
{
	struct switch_shared shared = shared_of(1, 1000, 1);
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert_eq(worker_init(worker, &shared, 0), -ENOMEM);
	cr_assert_null(worker->arena.base);
	memory_print(&shared, out);
	fclose(out);
	cr_assert_not_null(
		strstr(text, "\n**The switch does not start with this:** switch.memory_mb is 1: "));
	free(text);
	/* A plan that fits, and that no machine has the memory for. */
	shared.memory = 1ull << 44;
	cr_assert_eq(worker_init(worker, &shared, 0), -ENOMEM);
	cr_assert_null(worker->arena.base);
	free(worker);
}
