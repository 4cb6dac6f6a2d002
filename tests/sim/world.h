/* SPDX-License-Identifier: BSD-3-Clause */
/* world: one run of the simulator: workers that the seed steps, a controller or two at their rings,
 * peers at the other ends of their connections.
 *
 * Everything comes from the seed: there is no other source of randomness, of time or of order.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H
#include <stdbool.h>
#include "tests/sim/history.h"

#define WORLD_WORKERS_MAX 4

struct worker;

/* Workers as they are right after their start; runs begin with copies of them (fork). */
struct world_workers {
	struct worker *worker[WORLD_WORKERS_MAX];
	unsigned count;
};
void world_workers_make(struct world_workers *made, unsigned count);
/* How many workers the run of this seed has. */
unsigned world_workers_of(uint32_t seed);

struct world_options {
	unsigned most_ops; /* 0: as the seed says */
	bool verbose;      /* the history on stderr */
};
/* "" : all went well; else what did not. Uses `made` up. */
const char *world_run(
	struct world_workers *made, uint32_t seed, const struct world_options *options);
/* What the run did, for one line. */
const struct history *world_history(void);
#endif
