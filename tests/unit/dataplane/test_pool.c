/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include "dataplane/pool.h"

static struct arena arena;

static void map(void)
{
	cr_assert_eq(arena_map(&arena, 1 << 20, false), 0);
}

static void unmap(void)
{
	arena_unmap(&arena);
}

TestSuite(pool, .init = map, .fini = unmap);

Test(pool, gives_every_object_once_and_then_none)
{
	struct pool pool;
	void *objects[10];
	unsigned i, j;

	cr_assert_eq(pool_init(&pool, &arena, 100, 10), 0);
	for (i = 0; i < 10; i++) {
		objects[i] = pool_get(&pool);
		cr_assert_not_null(objects[i]);
		cr_assert_eq((uintptr_t)objects[i] % 16, 0);
		cr_assert_eq(pool_index(&pool, objects[i]), i);
		cr_assert_eq(pool_at(&pool, i), objects[i]);
		for (j = 0; j < i; j++)
			cr_assert_neq(objects[i], objects[j]);
	}
	cr_assert_null(pool_get(&pool));
	cr_assert_eq(pool.free_count, 0);
	pool_put(&pool, objects[4]);
	cr_assert_eq(pool.free_count, 1);
	cr_assert_eq(pool_get(&pool), objects[4]);
}

Test(pool, keeps_what_lies_behind_the_first_8_octets)
{
	struct pool pool;
	struct record {
		void *link;
		uint32_t generation;
	} * record;

	cr_assert_eq(pool_init(&pool, &arena, sizeof(*record), 4), 0);
	record = pool_get(&pool);
	cr_assert_eq(record->generation, 0, "a fresh object is zero");
	record->generation = 7;
	pool_put(&pool, record);
	cr_assert_eq(((struct record *)pool_get(&pool))->generation, 7);
}

Test(pool, knows_which_objects_were_ever_handed_out)
{
	struct pool pool;

	cr_assert_eq(pool_init(&pool, &arena, 32, 4), 0);
	cr_assert_not(pool_was_used(&pool, 0));
	cr_assert_not_null(pool_get(&pool));
	cr_assert(pool_was_used(&pool, 0));
	cr_assert_not(pool_was_used(&pool, 1));
}

Test(pool, an_arena_that_is_too_small_says_so)
{
	struct pool pool;

	cr_assert_eq(pool_init(&pool, &arena, 1024, 4096), -ENOMEM);
}

Test(pool, the_footprint_is_what_init_takes)
{
	struct pool pool;
	size_t before = arena.used;

	cr_assert_eq(pool_init(&pool, &arena, 40, 77), 0);
	cr_assert_eq(arena.used - before, pool_footprint(40, 77));
}
