/* SPDX-License-Identifier: BSD-3-Clause */
/* One ring between two threads that see it at the same address. Through a memfd each side has a
 * mapping of its own, and ThreadSanitizer, which knows addresses and not pages, would see no two
 * accesses to the same place. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "include/ring.h"
#include "tests/stress/border_stress.h"

#define RING_OCTETS (64u << 10)
#define STALL_MS    5000

struct one_ring {
	struct ring_shared *shared;
	uint64_t count, seed;
	_Atomic uint64_t duel; /* number of the duel that the consumer is ready for */
	int consumer_fd, producer_fd;
};

static void poke(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static void wait_on(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, STALL_MS) == 0)
		stress_fail("one ring: a wake-up was lost");
	(void)!read(fd, &count, sizeof(count));
}

static void *produce(void *arg)
{
	struct one_ring *one = arg;
	struct command_record record;
	uint64_t random = one->seed;
	struct ring ring;

	if (ring_open(&ring, one->shared, RING_OCTETS) < 0)
		stress_fail("ring_open");
	for (uint64_t i = 0; i < one->count; i++) {
		struct record_key key = { 0, 1, 0, i };
		uint32_t len = traffic_command(&record, &key, 0);
		int r;

		while ((r = ring_put(&ring, &record.cmd, sizeof(record.cmd), record.text,
				len - sizeof(record.cmd))) == -ENOBUFS) {
			if (ring_flush(&ring))
				poke(one->consumer_fd);
			wait_on(one->producer_fd);
		}
		if (r != 0)
			stress_fail("ring_put: %s", result_text(r));
		if (traffic_random(&random) % 8 == 0 && ring_flush(&ring))
			poke(one->consumer_fd);
		if (traffic_random(&random) % 8192 == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	}
	if (ring_flush(&ring))
		poke(one->consumer_fd);
	return NULL;
}

static void consume(struct one_ring *one)
{
	static _Alignas(64) uint8_t out[RING_RECORD_MAX];
	static struct command_record expected;
	uint64_t random = one->seed + 1, i = 0;
	struct ring ring;

	if (ring_open(&ring, one->shared, RING_OCTETS) < 0)
		stress_fail("ring_open");
	while (i < one->count) {
		struct record_key key = { 0, 1, 0, i };
		int len = ring_get(&ring, out);

		if (len == 0) {
			if (ring_release(&ring))
				poke(one->producer_fd);
			if (ring_may_sleep(&ring))
				wait_on(one->consumer_fd);
			ring_awake(&ring);
			continue;
		}
		if (len < 0 || (uint32_t)len != traffic_command(&expected, &key, 0) ||
			memcmp(out, &expected, (size_t)len) != 0)
			stress_fail("one ring: record %llu is not as it was put: %d",
				(unsigned long long)i, len);
		i++;
		if (traffic_random(&random) % 16 == 0 && ring_release(&ring))
			poke(one->producer_fd);
		if (traffic_random(&random) % 8192 == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
}

/* The duel: at the same moment one side goes to sleep and the other publishes a record. Whatever
 *           the order in which
 * their stores become visible, either the reader sees the record or the writer sees the mark. With
 * a plain store in ring_flush or ring_may_sleep one is lost sooner or later (tried: in most runs,
 * the more so on an idle machine). */

static void spin(uint64_t *random, unsigned most)
{
	for (volatile unsigned i = (unsigned)(traffic_random(random) % most); i > 0; i--)
		;
}

static void *duel_produce(void *arg)
{
	struct one_ring *one = arg;
	uint64_t random = one->seed;
	struct ring ring;

	if (ring_open(&ring, one->shared, RING_OCTETS) < 0)
		stress_fail("ring_open");
	for (uint64_t i = 1; i <= one->count; i++) {
		if (ring_put(&ring, &i, sizeof(i), NULL, 0) != 0)
			stress_fail("one ring: no room for one record");
		while (atomic_load_explicit(&one->duel, memory_order_acquire) != i)
			;
		spin(&random, 32);
		if (ring_flush(&ring))
			poke(one->consumer_fd);
	}
	return NULL;
}

static void duel_consume(struct one_ring *one)
{
	static _Alignas(64) uint8_t out[RING_RECORD_MAX];
	uint64_t random = one->seed + 1, i, got;
	struct ring ring;

	if (ring_open(&ring, one->shared, RING_OCTETS) < 0)
		stress_fail("ring_open");
	for (i = 1; i <= one->count; i++) {
		atomic_store_explicit(&one->duel, i, memory_order_release);
		spin(&random, 256); /* the other has yet to hear that we are ready */
		do {
			if (ring_may_sleep(&ring))
				wait_on(one->consumer_fd);
			ring_awake(&ring);
		} while (ring_get(&ring, out) == 0);
		memcpy(&got, out, sizeof(got));
		if (got != i)
			stress_fail("one ring: duel %llu got %llu", (unsigned long long)i,
				(unsigned long long)got);
		ring_release(&ring);
	}
}

static void run(
	struct one_ring *one, void *(*producer)(void *), void (*consumer)(struct one_ring *))
{
	pthread_t thread;

	ring_format(one->shared);
	if (pthread_create(&thread, NULL, producer, one) != 0)
		stress_fail("no thread");
	consumer(one);
	pthread_join(thread, NULL);
}

void stress_ring(uint64_t count, uint64_t seed)
{
	struct one_ring one = { .count = count, .seed = seed };

	one.shared = aligned_alloc(64, ring_shared_size(RING_OCTETS));
	one.consumer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	one.producer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	run(&one, produce, consume);
	run(&one, duel_produce, duel_consume);
	close(one.consumer_fd);
	close(one.producer_fd);
	free(one.shared);
}
