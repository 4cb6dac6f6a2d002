/* SPDX-License-Identifier: BSD-3-Clause */
/* support: what the benchmarks of whole processes share: CPU time of another process, medians, and
 * peers that read fast.
 *
 * Time:    CPU time is the kernel's own count per task (/proc/PID/task/TID/schedstat, ns), so that
 *          other work on the machine costs little of its truth; involuntary context switches stand
 *          beside it and say how much other work there was.
 * Threads: one.  A failure ends the program with a sentence: a figure of work that was not done is none.
 */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "dataplane/msrp/chunk_in.h"

#define BENCH_ROUNDS_MAX 64

void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* PLENUM_BENCH_QUICK is set: fewer rounds and sizes; the figures are a look, not a result. */
bool bench_is_quick(void);
/* Name, build type, what the columns mean for trust. */
void bench_title(const char *name);

uint64_t bench_now_ns(void); /* CLOCK_MONOTONIC */
void bench_sleep_ms(unsigned ms);

struct bench_cpu {
	uint64_t ns;          /* of all tasks */
	uint64_t involuntary; /* context switches */
};
/* Of all tasks of a process that has become idle: a task that runs is accounted only when it is
 * switched or at a tick. */
struct bench_cpu bench_cpu_of(pid_t pid);
/* A line of /proc/PID/FILE: the number behind `key`, or 0. */
uint64_t bench_proc_number(pid_t pid, const char *file, const char *key);
/* This process from now on, and its children; -1: anywhere. */
void bench_pin(int cpu);

struct bench_series {
	double value[BENCH_ROUNDS_MAX];
	unsigned count;
};
void bench_series_add(struct bench_series *series, double value);
double bench_quantile(struct bench_series *series, double q); /* sorts */
double bench_median(struct bench_series *series);
int bench_by_size(const void *a, const void *b); /* doubles, for qsort */

/* Peers that read whatever comes, and check it: every message must be whole ('$') and of the size
 * that is expected. */
struct receiver {
	int fd;
	struct chunk_in in;
	uint8_t *rest; /* read and not used: a head that is not whole yet */
	size_t rest_len, rest_room;
	uint64_t body;  /* octets of the message that is arriving */
	uint64_t whole; /* messages */
};

struct receivers {
	int epoll;
	struct receiver *all;
	unsigned count;
	uint64_t expected; /* body octets of every message; 0: any */
	uint64_t whole, chunks, octets, responses, reads;
	/* the raw octets of one receiver are kept here when not NULL */
	struct receiver *captured;
	uint8_t *capture;
	size_t capture_len, capture_room;
	/* each time a message's first octet, or its end, is seen; may be NULL */
	void (*began)(void *arg, struct receiver *receiver);
	void (*ended)(void *arg, struct receiver *receiver);
	void *arg;
	uint8_t *buffer;
};

void receivers_init(struct receivers *set, unsigned room);
void receivers_fini(struct receivers *set); /* closes the descriptors */
struct receiver *receivers_add(struct receivers *set, int fd);
/* Not read from now on, until it is resumed: a member that has stalled. */
void receivers_pause(struct receivers *set, struct receiver *receiver);
void receivers_resume(struct receivers *set, struct receiver *receiver);
/* One turn: what is there, waiting at most wait_ms for it. */
void receivers_poll(struct receivers *set, int wait_ms);
/* Until so many messages and responses came in all; ten seconds without any octet fail. It never
 * sleeps: a receiver on this machine that sleeps is woken at the sender's cost, which one elsewhere
 * is not, and the slower of two senders would pay it more often than the other. */
void receivers_until(struct receivers *set, uint64_t whole, uint64_t responses);
/* Writes all of it, and reads meanwhile: the other side may wait for that. */
void receivers_write(struct receivers *set, int fd, const void *octets, size_t len);
/* TCP data segments that arrived so far, over all: how often the sender's writes were joined. */
uint64_t receivers_segments(const struct receivers *set);
#endif
