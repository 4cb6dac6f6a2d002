/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_chunk_in: what it costs to parse a 353-octet SEND, its head alone and the whole chunk,
 * and to search a long body for its end-line. A round whose work was not done ends the program.
 *
 * Prints the median and the best of many rounds of about a millisecond: on a machine with other
 * work some of them run undisturbed. Nanoseconds are CPU time of this thread; the time stamp
 * counter also counts what others did meanwhile.
 */
#include "dataplane/msrp/chunk_in.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS      101
#define FRAME_LEN   353
#define BODY_LEN    65536
#define FRAME_TIMES 10000
#define BODY_TIMES  200

#define HEAD_TEXT                                                                                  \
	"MSRP d93kswow41 SEND\r\n"                                                                 \
	"To-Path: msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"                                     \
	"From-Path: msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"                                       \
	"Message-ID: m.7781\r\n"                                                                   \
	"Byte-Range: 1-123/123\r\n"                                                                \
	"Content-Type: message/cpim\r\n"                                                           \
	"\r\n"
#define END_TEXT "\r\n-------d93kswow41$\r\n"

static char frame[FRAME_LEN];
static char long_frame[sizeof(HEAD_TEXT) - 1 + BODY_LEN + sizeof(END_TEXT) - 1];

static uint64_t ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void demand(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "bench_chunk_in: the work was not done: %s\n", what);
	exit(1);
}

static void frame_fill(char *out, size_t len)
{
	const size_t head = sizeof(HEAD_TEXT) - 1, tail = sizeof(END_TEXT) - 1;

	memcpy(out, HEAD_TEXT, head);
	/* Text with a line end every 60 octets: a body that makes the search look now and then. */
	for (size_t i = head; i < len - tail; i++)
		out[i] = (i - head) % 60 == 58 ? '\r' : (i - head) % 60 == 59 ? '\n' : 'a';
	memcpy(out + len - tail, END_TEXT, tail);
}

static uint64_t head_only(unsigned times)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < times; i++) {
		struct chunk_in in;
		struct chunk chunk;
		size_t used;

		chunk_in_init(&in);
		if (chunk_in_feed(&in, span_make(frame, FRAME_LEN), &used, &chunk) == CHUNK_HEAD)
			seen += chunk.to_path.len + chunk.from_path.len + chunk.range.end +
				(chunk.refuse == 0);
	}
	return seen;
}

static uint64_t whole_chunk(const char *octets, size_t len, unsigned times)
{
	uint64_t seen = 0;
	struct chunk_in in;

	chunk_in_init(&in);
	for (unsigned i = 0; i < times; i++) {
		struct span rest = span_make(octets, len);
		enum chunk_event event;

		do {
			struct chunk chunk;
			size_t used;

			event = chunk_in_feed(&in, rest, &used, &chunk);
			rest.at += used;
			rest.len -= used;
			if (event == CHUNK_BODY)
				seen += chunk.body.len;
			else if (event == CHUNK_END)
				seen += chunk.flag == '$';
		} while (event == CHUNK_HEAD || event == CHUNK_BODY);
		seen += rest.len == 0;
	}
	return seen;
}

static uint64_t run_head(void)
{
	return head_only(FRAME_TIMES);
}

static uint64_t run_chunk(void)
{
	return whole_chunk(frame, FRAME_LEN, FRAME_TIMES);
}

static uint64_t run_body(void)
{
	return whole_chunk(long_frame, sizeof(long_frame), BODY_TIMES);
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void measure(
	const char *name, uint64_t (*run)(void), unsigned times, uint64_t expected, size_t octets)
{
	double ns[ROUNDS], cycles[ROUNDS];

	demand(run() == expected, name);
	for (int i = 0; i < ROUNDS; i++) {
		double from = seconds();
		uint64_t tick = ticks();
		uint64_t seen = run();

		cycles[i] = (double)(ticks() - tick) / times;
		ns[i] = (seconds() - from) * 1e9 / times;
		demand(seen == expected, name);
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_size);
	qsort(cycles, ROUNDS, sizeof(cycles[0]), by_size);
	printf("%-22s %10.1f %10.1f %12.1f %10.1f %10.2f\n", name, ns[ROUNDS / 2], ns[0],
		cycles[ROUNDS / 2], cycles[0], (double)octets / ns[ROUNDS / 2]);
}

static void processor_print(void)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "model name", 10) == 0) {
			printf("processor: %s", strchr(line, ':') ? strchr(line, ':') + 2 : "?\n");
			break;
		}
	}
	if (file != NULL)
		fclose(file);
}

int main(void)
{
	const uint64_t body = FRAME_LEN - (sizeof(HEAD_TEXT) - 1) - (sizeof(END_TEXT) - 1);
	const uint64_t paths = strlen("msrp://198.51.100.5:2855/Zs81hTq0a9;tcp") +
			       strlen("msrp://192.0.2.10:2855/ka83jsd9;tcp");

	frame_fill(frame, sizeof(frame));
	frame_fill(long_frame, sizeof(long_frame));
	printf("bench_chunk_in: compiler %s, build %s\n", __VERSION__, BENCH_BUILDTYPE);
	processor_print();
#ifndef __OPTIMIZE__
	printf("WARNING: not optimised; these figures mean nothing\n");
#endif
	printf("%-22s %10s %10s %12s %10s %10s\n", "", "ns median", "ns best", "tsc median",
		"tsc best", "octets/ns");
	measure("head of 353 octets", run_head, FRAME_TIMES, FRAME_TIMES * (paths + 123 + 1),
		FRAME_LEN - body - (sizeof(END_TEXT) - 1));
	measure("chunk of 353 octets", run_chunk, FRAME_TIMES, FRAME_TIMES * (body + 2), FRAME_LEN);
	measure("chunk with 64 KiB", run_body, BODY_TIMES, BODY_TIMES * (uint64_t)(BODY_LEN + 2),
		sizeof(long_frame));
	return 0;
}
