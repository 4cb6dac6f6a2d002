/* SPDX-License-Identifier: BSD-3-Clause */
/* chunk_trace: plays a stream to chunk_in in pieces, as a caller would, and writes down what came
 * out.
 *
 * Two traces of one stream are equal whatever the pieces: that is the module's promise, and the
 * unit tests and the fuzz harness both hold it to it. Each call gets octets that end at an
 * unreadable page, so one read too far ends the program. What must hold for every single event
 * is checked on the way.
 */
#ifndef TESTS_UNIT_MSRP_CHUNK_TRACE_H
#define TESTS_UNIT_MSRP_CHUNK_TRACE_H
#include "dataplane/msrp/chunk_in.h"

struct chunk_trace {
	char *text; /* the events; body pieces joined */
	size_t len, size;
	size_t used;             /* octets of the stream that were done with */
	unsigned heads, ends;    /* events counted */
	enum chunk_error error;  /* CHUNK_OK unless the stream was given up */
	const char *broken;      /* the promise that did not hold, or NULL */
	size_t body_start;       /* where the body of the present chunk begins in text */
	char tid[CHUNK_TID_MAX]; /* of the present chunk */
	size_t tid_len;
	bool in_chunk;
};

/* Size of the next piece, from 1 to `left`. */
typedef size_t chunk_trace_piece(void *arg, size_t left);

void chunk_trace_play(
	struct chunk_trace *trace, struct span stream, chunk_trace_piece *piece, void *arg);
void chunk_trace_fini(struct chunk_trace *trace);

bool chunk_trace_eq(const struct chunk_trace *a, const struct chunk_trace *b);

/* Pieces: all at once; one octet each; *(size_t *)arg first and then the rest. */
size_t chunk_trace_whole(void *arg, size_t left);
size_t chunk_trace_octets(void *arg, size_t left);
size_t chunk_trace_split(void *arg, size_t left);
#endif
