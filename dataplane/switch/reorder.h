/* SPDX-License-Identifier: BSD-3-Clause */
/* reorder: octets of a message that came ahead of their turn, until what lies before them has come.
 *
 * Place:    inbound (a chunk beyond the contiguous edge) -> reorder -> inbound (the gap closed).
 * Spec:     RFC 4975 7.3.1 (chunks in any order, overlapping: later octets win); context.md 2.2.
 * Threads:  the worker of the member's connection.
 * Memory:   blocks of a pool reserved at start. A block stands for fixed places of the message, so
 *           that octets which come twice take their place once, and scattered ones pay for the
 *           block that they lie in. A message keeps at most REORDER_MESSAGE_MAX octets; a leg has
 *           at most REORDER_LEG_MAX (its collected CPIM heads are part of them) and
 *           REORDER_LEG_BLOCKS. And no leg may hold more than a quarter of what is free: however
 *           many legs ask, there is some for the next. A declared size takes nothing.
 */
#ifndef DATAPLANE_SWITCH_REORDER_H
#define DATAPLANE_SWITCH_REORDER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

#define REORDER_MESSAGE_MAX  (64u * 1024)
#define REORDER_LEG_MAX      (128u * 1024)
#define REORDER_LEG_BLOCKS   96u
#define REORDER_BLOCK_OCTETS 1472u /* one of them fits into a small payload */
#define REORDER_BLOCK_WORDS  (REORDER_BLOCK_OCTETS / 64)

struct reorder_block {
	struct reorder_block *next; /* the pool's link while it is free */
	uint64_t number; /* stands for the octets from number * REORDER_BLOCK_OCTETS on */
	uint64_t present[REORDER_BLOCK_WORDS]; /* a bit per octet */
	uint8_t octets[REORDER_BLOCK_OCTETS];
};

/* Of one message: in the order of their places. All zero: nothing is kept. */
struct reorder {
	struct reorder_block *first;
	uint32_t octets; /* present in all of them */
};

/* What a leg has of the worker's memory for what is incomplete. */
struct reorder_share {
	uint32_t octets, blocks;
};

/* Keeps octets for the places from `at` on (from 0); what was there is replaced. False: a limit is
 * reached or no block is free; some of them may have been kept. */
bool reorder_put(struct worker *worker, struct reorder_share *share, struct reorder *kept,
	uint64_t at, const uint8_t *octets, size_t len);
/* The octets that are present from `at` on without a gap, as far as they lie in one block; NULL:
 * none. They stay until the next call that drops them. */
const uint8_t *reorder_run(const struct reorder *kept, uint64_t at, size_t *len);
/* What lies before `at` is given up. */
void reorder_drop_before(
	struct worker *worker, struct reorder_share *share, struct reorder *kept, uint64_t at);
void reorder_drop_all(struct worker *worker, struct reorder_share *share, struct reorder *kept);
#endif
