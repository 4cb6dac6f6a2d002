/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_chunk_in: any octets, cut in any way, keep the promises of chunk_in.h.
 *
 * The first two octets of an input choose how the rest is cut; chunk_trace checks each event,
 * and the three traces must be equal. An input that begins as MSRP does is all stream, so that files
 * of requests (tests/torture) are seeds as they are.
 */
#include "tests/unit/msrp/chunk_trace.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cuts {
	uint32_t state;
	uint32_t longest;
};

/* xorshift: the same input always gives the same cuts. */
static size_t piece_any(void *arg, size_t left)
{
	struct cuts *cuts = arg;
	size_t piece;

	cuts->state ^= cuts->state << 13;
	cuts->state ^= cuts->state >> 17;
	cuts->state ^= cuts->state << 5;
	piece = 1 + cuts->state % cuts->longest;
	return piece < left ? piece : left;
}

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static void play(struct chunk_trace *trace, struct span stream, chunk_trace_piece *piece, void *arg)
{
	chunk_trace_play(trace, stream, piece, arg);
	demand(trace->broken == NULL, trace->broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunk_trace whole, cut, octets;
	struct cuts cuts;
	struct span stream;

	if (size < 2)
		return 0;
	if (size > 5 && memcmp(data, "MSRP ", 5) == 0)
		stream = span_make(data, size);
	else
		stream = span_make(data + 2, size - 2);
	cuts.state = (data[0] | (uint32_t)data[1] << 8) + 0x9e3779b9u;
	/* From a trickle to segments of the network's size. */
	cuts.longest = 1u << (data[0] & 15) % 12;

	play(&whole, stream, chunk_trace_whole, NULL);
	play(&cut, stream, piece_any, &cuts);
	demand(chunk_trace_eq(&whole, &cut), "cut in pieces, the events are the same");
	chunk_trace_fini(&cut);
	if (size <= 2048) {
		play(&octets, stream, chunk_trace_octets, NULL);
		demand(chunk_trace_eq(&whole, &octets), "octet by octet, the events are the same");
		chunk_trace_fini(&octets);
	}
	chunk_trace_fini(&whole);
	return 0;
}
