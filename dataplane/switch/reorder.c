/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/reorder.h"
#include <string.h>
#include "dataplane/worker.h"

_Static_assert(REORDER_BLOCK_OCTETS % 64 == 0, "whole words of bits");

static struct reorder_block *block_new(
	struct worker *worker, struct reorder_share *share, uint64_t number)
{
	struct reorder_block *block;

	if (share->blocks >= REORDER_LEG_BLOCKS || share->blocks > worker->kept.free_count / 4)
		return NULL;
	block = pool_get(&worker->kept);
	if (block == NULL)
		return NULL;
	block->number = number;
	memset(block->present, 0, sizeof(block->present));
	share->blocks++;
	return block;
}

/* Bits [from, to) of one word. */
static uint64_t bits_of(uint32_t from, uint32_t to)
{
	uint64_t above = to < 64 ? (1ull << to) - 1 : ~0ull;

	return above & ~((1ull << from) - 1);
}

/* How many of [from, from + len) were not present before. */
static uint32_t mark(struct reorder_block *block, uint32_t from, uint32_t len)
{
	uint32_t to = from + len, word, fresh = 0;

	for (word = from / 64; word * 64 < to; word++) {
		uint64_t bits = bits_of(from > word * 64 ? from - word * 64 : 0,
			to - word * 64 < 64 ? to - word * 64 : 64);

		fresh += (uint32_t)__builtin_popcountll(bits & ~block->present[word]);
		block->present[word] |= bits;
	}
	return fresh;
}

bool reorder_put(struct worker *worker, struct reorder_share *share, struct reorder *kept,
	uint64_t at, const uint8_t *octets, size_t len)
{
	struct reorder_block **link = &kept->first, *block;

	while (len > 0) {
		uint64_t number = at / REORDER_BLOCK_OCTETS;
		uint32_t from = (uint32_t)(at % REORDER_BLOCK_OCTETS), n, fresh;

		while (*link != NULL && (*link)->number < number)
			link = &(*link)->next;
		block = *link;
		if (block == NULL || block->number != number) {
			block = block_new(worker, share, number);
			if (block == NULL)
				return false;
			block->next = *link;
			*link = block;
		}
		n = REORDER_BLOCK_OCTETS - from;
		if (n > len)
			n = (uint32_t)len;
		memcpy(block->octets + from, octets, n);
		fresh = mark(block, from, n);
		kept->octets += fresh;
		share->octets += fresh;
		if (kept->octets > REORDER_MESSAGE_MAX || share->octets > REORDER_LEG_MAX)
			return false;
		at += n;
		octets += n;
		len -= n;
	}
	return true;
}

const uint8_t *reorder_run(const struct reorder *kept, uint64_t at, size_t *len)
{
	const struct reorder_block *block = kept->first;
	uint32_t from = (uint32_t)(at % REORDER_BLOCK_OCTETS), to = from;

	while (block != NULL && block->number < at / REORDER_BLOCK_OCTETS)
		block = block->next;
	if (block == NULL || block->number != at / REORDER_BLOCK_OCTETS)
		return NULL;
	while (to < REORDER_BLOCK_OCTETS) {
		uint64_t absent = ~block->present[to / 64] & ~((1ull << to % 64) - 1);

		if (absent != 0) {
			to = to / 64 * 64 + (uint32_t)__builtin_ctzll(absent);
			break;
		}
		to = (to / 64 + 1) * 64;
	}
	*len = to - from;
	return to > from ? block->octets + from : NULL;
}

static void first_drop(struct worker *worker, struct reorder_share *share, struct reorder *kept)
{
	struct reorder_block *block = kept->first;
	uint32_t word, octets = 0;

	for (word = 0; word < REORDER_BLOCK_WORDS; word++)
		octets += (uint32_t)__builtin_popcountll(block->present[word]);
	kept->first = block->next;
	kept->octets -= octets;
	share->octets -= octets;
	share->blocks--;
	pool_put(&worker->kept, block);
}

void reorder_drop_before(
	struct worker *worker, struct reorder_share *share, struct reorder *kept, uint64_t at)
{
	struct reorder_block *block;
	uint32_t to, word, before;

	while ((block = kept->first) != NULL && block->number < at / REORDER_BLOCK_OCTETS)
		first_drop(worker, share, kept);
	if (block == NULL || block->number != at / REORDER_BLOCK_OCTETS)
		return;
	/* The block that the place lies in: as far as it lies before. */
	to = (uint32_t)(at % REORDER_BLOCK_OCTETS);
	before = kept->octets;
	for (word = 0; word * 64 < to; word++) {
		uint64_t bits = bits_of(0, to - word * 64 < 64 ? to - word * 64 : 64);

		kept->octets -= (uint32_t)__builtin_popcountll(bits & block->present[word]);
		block->present[word] &= ~bits;
	}
	share->octets -= before - kept->octets;
	for (word = 0; word < REORDER_BLOCK_WORDS && block->present[word] == 0; word++)
		;
	if (word == REORDER_BLOCK_WORDS)
		first_drop(worker, share, kept);
}

void reorder_drop_all(struct worker *worker, struct reorder_share *share, struct reorder *kept)
{
	while (kept->first != NULL)
		first_drop(worker, share, kept);
}
