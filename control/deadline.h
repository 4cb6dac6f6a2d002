/* SPDX-License-Identifier: BSD-3-Clause */
/* deadline: things that happen at a time, in one heap.
 *
 * Place:    every timer of the focus: session timers, waits for invitees, lost MSRP legs.
 * Threads:  the focus's one thread. Time comes in as an argument, so that tests own the clock.
 * Memory:   a struct deadline lies in its owner, zeroed before its first use, and is cleared
 *           before the owner goes. The heap grows with the number of deadlines set and is
 *           given back by deadlines_fini.
 */
#ifndef CONTROL_DEADLINE_H
#define CONTROL_DEADLINE_H
#include <stdbool.h>
#include <stdint.h>
#include "include/result.h"

struct deadline {
	uint64_t at_ms;
	unsigned slot; /* place in the heap + 1; 0: not set */
	void (*fired)(void *arg);
	void *arg;
};

struct deadlines {
	struct deadline **heap;
	unsigned count, room;
	uint64_t now_ms; /* of the last deadlines_run */
};

void deadlines_fini(struct deadlines *all);

/* Sets or moves. -ENOBUFS without memory; moving one that is set cannot fail. */
must_check int deadline_set(struct deadlines *all, struct deadline *one, uint64_t at_ms,
	void (*fired)(void *arg), void *arg);
void deadline_clear(struct deadlines *all, struct deadline *one);
bool deadline_is_set(const struct deadline *one);

/* Milliseconds until the next one, at most `most`. */
int deadlines_wait_ms(const struct deadlines *all, uint64_t now_ms, int most);
/* Calls what is due. A callback may set and clear any deadline. */
void deadlines_run(struct deadlines *all, uint64_t now_ms);
#endif
