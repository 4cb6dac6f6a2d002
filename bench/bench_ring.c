/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_ring: what a 64-octet command costs through our ring and through rte_ring
 * (rte_ring_enqueue_burst_elem, single producer and consumer, in shared memory, without EAL), one
 * way in bursts and there and back, between two threads and between two processes. The rounds of
 * the two take turns; printed are the median and the best, with the ratio of the best: on a machine
 * with other work the median says how often a round was preempted. Every record carries its number,
 * and a round in which one is missing or out of order ends the program.
 *
 * The two are not the same: rte_ring believes what the other side writes into its head, tail, size
 * and mask, and its records have one length. What our checks and lengths cost is the ratio. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <rte_ring.h>
#include "include/ring.h"

/* A round is short, so that many fall between two preemptions on a machine that has other work
 * too. */
#define ROUNDS     101
#define RECORDS    128000
#define TRIPS      2000
#define RING_SIZE  (256u << 10)
#define RTE_COUNT  4096u /* the same memory in records of 64 octets */
#define BURST_MOST 32
/* Places for a burst, and what ring_get may write behind the last of them. */
#define PLACES     (BURST_MOST + RING_RECORD_MAX / 64)

struct record {
	uint64_t number;
	uint64_t rest[7];
};
_Static_assert(sizeof(struct record) == 64, "the command that is measured");

/* One direction, shared by both sides. */
struct channel {
	struct ring_shared *ours;
	struct rte_ring *rte;
};

/* One side's end of a channel. */
struct end {
	struct ring ring;
	struct rte_ring *rte;
};

/* Both return how many went through. */
struct kind {
	const char *name;
	unsigned (*send)(struct end *end, const struct record *records, unsigned count);
	unsigned (*receive)(struct end *end, struct record *records, unsigned most);
};

struct work {
	const struct kind *kind;
	struct channel there, back;
	unsigned burst;
	bool round_trip;
	_Atomic uint32_t *ready;
	_Atomic uint32_t *bad;
};

static unsigned ours_send(struct end *end, const struct record *records, unsigned count)
{
	unsigned sent = 0;

	while (sent < count && ring_put(&end->ring, &records[sent], sizeof(*records), NULL, 0) == 0)
		sent++;
	ring_flush(&end->ring);
	return sent;
}

static unsigned ours_receive(struct end *end, struct record *records, unsigned most)
{
	unsigned got = 0;

	while (got < most && ring_get(&end->ring, &records[got]) == (int)sizeof(*records))
		got++;
	if (got > 0)
		ring_release(&end->ring);
	return got;
}

static unsigned rte_send(struct end *end, const struct record *records, unsigned count)
{
	return rte_ring_enqueue_burst_elem(end->rte, records, sizeof(*records), count, NULL);
}

static unsigned rte_receive(struct end *end, struct record *records, unsigned most)
{
	return rte_ring_dequeue_burst_elem(end->rte, records, sizeof(*records), most, NULL);
}

static const struct kind ours = { "ring", ours_send, ours_receive };
static const struct kind rte = { "rte_ring", rte_send, rte_receive };

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

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void demand(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "bench_ring: the work was not done: %s\n", what);
	exit(1);
}

/* Lets others run after a while: the other side may be waiting for this core. */
static void relax(void)
{
	static _Thread_local unsigned turns;

#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
	if (++turns % 4096 == 0)
		sched_yield();
}

static void *shared_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	demand(at != MAP_FAILED, "no memory");
	return at;
}

static struct channel channel_new(void)
{
	ssize_t size = rte_ring_get_memsize_elem(sizeof(struct record), RTE_COUNT);

	demand(size > 0, "rte_ring_get_memsize_elem");
	return (struct channel){ shared_memory(ring_shared_size(RING_SIZE)),
		shared_memory((size_t)size) };
}

static void channel_reset(struct channel *channel)
{
	ring_format(channel->ours);
	demand(rte_ring_init(channel->rte, "bench", RTE_COUNT, RING_F_SP_ENQ | RING_F_SC_DEQ) == 0,
		"rte_ring_init");
}

static struct end end_open(const struct channel *channel)
{
	struct end end = { .rte = channel->rte };

	demand(ring_open(&end.ring, channel->ours, RING_SIZE) == 0, "ring_open");
	return end;
}

static void pin(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set); /* one core less is slower, not wrong */
}

static void send_all(
	const struct kind *kind, struct end *end, const struct record *records, unsigned count)
{
	unsigned sent = kind->send(end, records, count);

	while (sent < count) {
		relax();
		sent += kind->send(end, records + sent, count - sent);
	}
}

/* The other side: takes everything, checks it, and in a round trip sends it back. */
static void *answer(void *arg)
{
	struct work *work = arg;
	struct end in = end_open(&work->there), out = end_open(&work->back);
	uint64_t expected = 0, total = work->round_trip ? TRIPS : RECORDS;
	struct record records[PLACES];

	pin(1);
	atomic_store(work->ready, 1);
	while (expected < total) {
		unsigned got = work->kind->receive(&in, records, BURST_MOST);

		if (got == 0)
			relax();
		for (unsigned i = 0; i < got; i++)
			if (records[i].number != expected++)
				atomic_store(work->bad, 1);
		if (work->round_trip && got > 0)
			send_all(work->kind, &out, records, got);
	}
	atomic_store(work->ready, 2);
	return NULL;
}

static void one_way(struct work *work)
{
	struct end out = end_open(&work->there);
	struct record records[BURST_MOST];

	memset(records, 0x55, sizeof(records));
	for (uint64_t number = 0; number < RECORDS; number += work->burst) {
		for (unsigned i = 0; i < work->burst; i++)
			records[i].number = number + i;
		send_all(work->kind, &out, records, work->burst);
	}
	while (atomic_load(work->ready) != 2)
		relax();
}

static void there_and_back(struct work *work)
{
	struct end out = end_open(&work->there), in = end_open(&work->back);
	struct record record = { 0 }, got[PLACES];

	for (uint64_t number = 0; number < TRIPS; number++) {
		record.number = number;
		send_all(work->kind, &out, &record, 1);
		while (work->kind->receive(&in, got, 1) == 0)
			relax();
		demand(got[0].number == number, "another record came back");
	}
	while (atomic_load(work->ready) != 2)
		relax();
}

struct cost {
	double ns, cycles;
};

static struct cost measure(struct work *work, bool processes)
{
	uint64_t times = work->round_trip ? TRIPS : RECORDS, cycles;
	pthread_t thread;
	pid_t pid = 0;
	double start, took;

	channel_reset(&work->there);
	channel_reset(&work->back);
	atomic_store(work->ready, 0);
	if (processes) {
		pid = fork();
		demand(pid >= 0, "fork");
		if (pid == 0) {
			answer(work);
			_exit(0);
		}
	} else {
		demand(pthread_create(&thread, NULL, answer, work) == 0, "pthread_create");
	}
	while (atomic_load(work->ready) == 0)
		relax();
	start = seconds();
	cycles = ticks();
	if (work->round_trip)
		there_and_back(work);
	else
		one_way(work);
	cycles = ticks() - cycles;
	took = seconds() - start;
	if (processes)
		waitpid(pid, NULL, 0);
	else
		pthread_join(thread, NULL);
	demand(atomic_load(work->bad) == 0, "a record was missing or out of order");
	return (struct cost){ took * 1e9 / (double)times, (double)cycles / (double)times };
}

static int by_ns(const void *a, const void *b)
{
	double x = ((const struct cost *)a)->ns, y = ((const struct cost *)b)->ns;

	return (x > y) - (x < y);
}

static void compare(struct work *work, bool processes)
{
	struct cost costs[2][ROUNDS];

	for (unsigned r = 0; r < ROUNDS; r++) {
		work->kind = &ours;
		costs[0][r] = measure(work, processes);
		work->kind = &rte;
		costs[1][r] = measure(work, processes);
	}
	qsort(costs[0], ROUNDS, sizeof(costs[0][0]), by_ns);
	qsort(costs[1], ROUNDS, sizeof(costs[1][0]), by_ns);
	printf("%-10s %-12s %5u | %8.1f %8.1f %8.0f | %8.1f %8.1f %8.0f | %5.2f\n",
		processes ? "processes" : "threads", work->round_trip ? "round trip" : "one way",
		work->burst, costs[0][ROUNDS / 2].ns, costs[0][0].ns, costs[0][ROUNDS / 2].cycles,
		costs[1][ROUNDS / 2].ns, costs[1][0].ns, costs[1][ROUNDS / 2].cycles,
		costs[0][0].ns / costs[1][0].ns);
	fflush(stdout);
}

int main(void)
{
	static const unsigned bursts[] = { 1, 8, 32 };
	struct work work = { .there = channel_new(), .back = channel_new() };
	_Atomic uint32_t *flags = shared_memory(4096);

	work.ready = &flags[0];
	work.bad = &flags[16];
	pin(0);
	printf("bench_ring: %u rounds of %u records of 64 octets, or of %u trips; compiler %s, build %s, %ld cores\n",
		ROUNDS, RECORDS, TRIPS, __VERSION__, BENCH_BUILDTYPE,
		sysconf(_SC_NPROCESSORS_ONLN));
	if (strcmp(BENCH_BUILDTYPE, "release") != 0)
		printf("warning: not a release build\n");
	printf("%-10s %-12s %5s | %-26s | %-26s | ratio\n", "", "", "", "ring", "rte_ring");
	printf("%-10s %-12s %5s | %8s %8s %8s | %8s %8s %8s |\n", "between", "", "burst", "ns",
		"best", "cycles", "ns", "best", "cycles");
	for (unsigned processes = 0; processes < 2; processes++) {
		work.round_trip = false;
		for (unsigned i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
			work.burst = bursts[i];
			compare(&work, processes);
		}
		work.round_trip = true;
		work.burst = 1;
		compare(&work, processes);
	}
	return 0;
}
