/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include "control/deadline.h"

static struct deadlines all;
static unsigned fired_count;
static uint64_t fired_at[2000];

struct item {
	struct deadline deadline;
	uint64_t at_ms;
};

static void fired(void *arg)
{
	struct item *item = arg;

	fired_at[fired_count++] = item->at_ms;
}

static void fini(void)
{
	deadlines_fini(&all);
}

TestSuite(deadline, .fini = fini);

Test(deadline, deadlines_fire_in_order_however_they_were_set)
{
	static struct item items[1000];
	uint32_t seed = 1;

	for (unsigned i = 0; i < 1000; i++) {
		seed = seed * 1664525u + 1013904223u;
		items[i].at_ms = seed % 5000;
		cr_assert_eq(
			deadline_set(&all, &items[i].deadline, items[i].at_ms, fired, &items[i]),
			0);
	}
	/* every third is cleared, every fifth is moved */
	for (unsigned i = 0; i < 1000; i += 3)
		deadline_clear(&all, &items[i].deadline);
	for (unsigned i = 0; i < 1000; i += 5) {
		items[i].at_ms += 100;
		cr_assert_eq(
			deadline_set(&all, &items[i].deadline, items[i].at_ms, fired, &items[i]),
			0);
	}
	deadlines_run(&all, 10000);
	cr_assert_eq(fired_count, 1000u - 334u + 67u);
	for (unsigned i = 1; i < fired_count; i++)
		cr_assert_leq(fired_at[i - 1], fired_at[i]);
	cr_assert_eq(all.count, 0u);
}

Test(deadline, nothing_fires_before_its_time)
{
	struct item one = { .at_ms = 50 };

	cr_assert_eq(deadlines_wait_ms(&all, 0, 1000), 1000);
	cr_assert_eq(deadline_set(&all, &one.deadline, 50, fired, &one), 0);
	cr_assert_eq(deadlines_wait_ms(&all, 20, 1000), 30);
	cr_assert_eq(deadlines_wait_ms(&all, 60, 1000), 0);
	deadlines_run(&all, 49);
	cr_assert(deadline_is_set(&one.deadline));
	deadlines_run(&all, 50);
	cr_assert_not(deadline_is_set(&one.deadline));
	cr_assert_eq(fired_count, 1u);
}

static struct item other;

static void clears_other(void *arg)
{
	deadline_clear(&all, &other.deadline);
}

Test(deadline, callback_may_clear_another_that_is_due)
{
	struct item one = { .at_ms = 1 };

	other.at_ms = 2;
	cr_assert_eq(deadline_set(&all, &one.deadline, 1, clears_other, &one), 0);
	cr_assert_eq(deadline_set(&all, &other.deadline, 2, fired, &other), 0);
	deadlines_run(&all, 10);
	cr_assert_eq(fired_count, 0u);
}
