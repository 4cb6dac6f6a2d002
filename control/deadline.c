/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/deadline.h"
#include <stdlib.h>

static void put(struct deadlines *all, unsigned at, struct deadline *one)
{
	all->heap[at] = one;
	one->slot = at + 1;
}

static void sift_up(struct deadlines *all, unsigned at, struct deadline *one)
{
	while (at > 0) {
		unsigned parent = (at - 1) / 2;

		if (all->heap[parent]->at_ms <= one->at_ms)
			break;
		put(all, at, all->heap[parent]);
		at = parent;
	}
	put(all, at, one);
}

static void sift_down(struct deadlines *all, unsigned at, struct deadline *one)
{
	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= all->count)
			break;
		if (child + 1 < all->count && all->heap[child + 1]->at_ms < all->heap[child]->at_ms)
			child++;
		if (one->at_ms <= all->heap[child]->at_ms)
			break;
		put(all, at, all->heap[child]);
		at = child;
	}
	put(all, at, one);
}

static void place(struct deadlines *all, unsigned at, struct deadline *one)
{
	if (at > 0 && one->at_ms < all->heap[(at - 1) / 2]->at_ms)
		sift_up(all, at, one);
	else
		sift_down(all, at, one);
}

void deadlines_fini(struct deadlines *all)
{
	free(all->heap);
	*all = (struct deadlines){ 0 };
}

int deadline_set(struct deadlines *all, struct deadline *one, uint64_t at_ms,
	void (*fired)(void *arg), void *arg)
{
	one->at_ms = at_ms;
	one->fired = fired;
	one->arg = arg;
	if (one->slot != 0) {
		place(all, one->slot - 1, one);
		return 0;
	}
	if (all->count == all->room) {
		unsigned room = all->room ? 2 * all->room : 64;
		struct deadline **heap = realloc(all->heap, room * sizeof(*heap));

		if (heap == NULL)
			return -ENOBUFS;
		all->heap = heap;
		all->room = room;
	}
	sift_up(all, all->count++, one);
	return 0;
}

void deadline_clear(struct deadlines *all, struct deadline *one)
{
	unsigned at = one->slot;
	struct deadline *last;

	if (at-- == 0)
		return;
	one->slot = 0;
	last = all->heap[--all->count];
	if (last != one)
		place(all, at, last);
}

bool deadline_is_set(const struct deadline *one)
{
	return one->slot != 0;
}

int deadlines_wait_ms(const struct deadlines *all, uint64_t now_ms, int most)
{
	uint64_t at_ms;

	if (all->count == 0)
		return most;
	at_ms = all->heap[0]->at_ms;
	if (at_ms <= now_ms)
		return 0;
	return at_ms - now_ms < (uint64_t)most ? (int)(at_ms - now_ms) : most;
}

void deadlines_run(struct deadlines *all, uint64_t now_ms)
{
	all->now_ms = now_ms;
	while (all->count > 0 && all->heap[0]->at_ms <= now_ms) {
		struct deadline *one = all->heap[0];

		deadline_clear(all, one);
		one->fired(one->arg);
	}
}
