/* SPDX-License-Identifier: BSD-3-Clause */
/* memory: how much memory a worker has, and what it is cut into.
 *
 * Place:    main and worker_init ask before anything is reserved; pools.def is the table.
 * Threads:  pure, at start.
 * What it counts is what switch.memory_mb says: the pools and the transport's records. docs/memory.md
 * says what lies outside.
 */
#ifndef DATAPLANE_MEMORY_H
#define DATAPLANE_MEMORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct switch_shared;
struct worker;

enum {
#define POOL(name, ...) MEMORY_##name,
#include "dataplane/pools.def"
	MEMORY_POOLS
};

struct memory_line {
	const char *name, *what;
	size_t pool; /* offset in struct worker */
	size_t octets;
	uint32_t of64, besides, parts, least;
	uint32_t count; /* objects of one worker */
};

struct memory {
	struct memory_line lines[MEMORY_POOLS];
	uint32_t connections; /* records that the transport needs as many of */
	size_t transport;     /* octets for them */
	size_t set_aside,
		shared; /* octets: for legs, rooms and the rest of that kind; for messages */
	size_t need;    /* what the pools and the transport take of the two */
};

/* False: the memory is too little; the plan then says what there would be. */
bool memory_make(struct memory *plan, const struct switch_shared *shared);

/* Octets per worker without which memory_make says no; legs for which shared->memory is enough. */
uint64_t memory_least(const struct switch_shared *shared);
uint32_t memory_legs_most(const struct switch_shared *shared);
/* switch.memory_mb of all workers together for these octets of one. */
uint64_t memory_mb(const struct switch_shared *shared, uint64_t octets);
/* One sentence, when memory_make says no: which key to change, to what. */
void memory_refusal(const struct switch_shared *shared, char *text, size_t size);

/* What each thing costs, how this configuration is cut up, what others would need: Markdown. */
void memory_print(const struct switch_shared *shared, FILE *out);
#endif
