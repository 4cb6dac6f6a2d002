/* SPDX-License-Identifier: BSD-3-Clause */
/* ring: see ring.h.
 *
 *            head                    tail
 *             v                       v
 *   data  ....|4 octets...pad|4 octets|........     position = index & mask; a record may lie across the end
 *             `-- own of the consumer `-- own - staged of the producer
 *
 * Whatever is read from shared memory is read once, into a local, and checked there: the peer may
 * change it between any two of our instructions. The order of the marks rests on sequentially
 * consistent accesses rather than on fences, because ThreadSanitizer does not know fences. */
#include <string.h>
#include "include/ring.h"

#define HEADER_SIZE   4u /* of the length before a record */
#define RING_SIZE_MIN (64u << 10)
#define RING_SIZE_MAX (1u << 30)

_Static_assert(sizeof(struct ring_shared) == 192, "the layout crosses the border");
_Static_assert(2 * (RING_RECORD_MAX + 8) <= RING_SIZE_MIN,
	"who waits for room is woken when half is free: a record must fit then");

static inline uint64_t record_stride(uint32_t len)
{
	return ((uint64_t)HEADER_SIZE + len + 7) & ~7ull;
}

static inline uint64_t ring_size(const struct ring *ring)
{
	return ring->mask + 1;
}

size_t ring_shared_size(size_t size)
{
	return sizeof(struct ring_shared) + size;
}

void ring_format(struct ring_shared *shared)
{
	atomic_store(&shared->tail, 0);
	atomic_store(&shared->head, 0);
	atomic_store(&shared->asleep, 0);
	atomic_store(&shared->starved, 0);
}

int ring_open(struct ring *ring, struct ring_shared *shared, size_t size)
{
	if (shared == NULL || (uintptr_t)shared % 64 != 0)
		return -EINVAL;
	if (size < RING_SIZE_MIN || size > RING_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	*ring = (struct ring){ .shared = shared, .mask = size - 1 };
	return 0;
}

/* The two copies: one piece, or two when the record lies across the end of the data. */
static inline void copy_in(struct ring *ring, uint64_t index, const void *from, size_t len)
{
	uint64_t at = index & ring->mask;
	uint64_t before_end = ring_size(ring) - at;

	if (__builtin_expect(len <= before_end, 1)) {
		memcpy(ring->shared->data + at, from, len);
		return;
	}
	memcpy(ring->shared->data + at, from, before_end);
	memcpy(ring->shared->data, (const uint8_t *)from + before_end, len - before_end);
}

static inline void copy_out(struct ring *ring, uint64_t index, void *to, size_t len)
{
	uint64_t at = index & ring->mask;
	uint64_t before_end = ring_size(ring) - at;

	if (__builtin_expect(len <= before_end, 1)) {
		memcpy(to, ring->shared->data + at, len);
		return;
	}
	memcpy(to, ring->shared->data + at, before_end);
	memcpy((uint8_t *)to + before_end, ring->shared->data, len - before_end);
}

/* Indexes are multiples of 8, so the length never lies across the end. */
static inline _Atomic uint32_t *header_at(struct ring *ring, uint64_t index)
{
	return (_Atomic uint32_t *)(void *)(ring->shared->data + (index & ring->mask));
}

/* Producer: takes over the consumer's index. It may only have moved forward, and not past what was
 *           published. */
static bool head_look(struct ring *ring, memory_order order)
{
	uint64_t head = atomic_load_explicit(&ring->shared->head, order);
	uint64_t published = ring->own - ring->staged;

	if (head - ring->peer > published - ring->peer || head % 8 != 0) {
		ring->broken = true;
		return false;
	}
	ring->peer = head;
	return true;
}

static inline uint64_t free_octets(const struct ring *ring)
{
	return ring_size(ring) - (ring->own - ring->peer);
}

/* Producer: is there room for `wanted` octets? If not, the mark is left. */
static bool room_look(struct ring *ring, uint64_t wanted)
{
	if (!head_look(ring, memory_order_acquire))
		return false;
	if (free_octets(ring) >= wanted)
		return true;
	/* Once only, while we try again: the line is the consumer's too. A mark that we still see
	 * is one that the consumer has yet to take. */
	if (atomic_load(&ring->shared->starved) == 0)
		atomic_store(&ring->shared->starved, 1);
	return head_look(ring, memory_order_seq_cst) && free_octets(ring) >= wanted;
}

int ring_put(struct ring *ring, const void *a, size_t a_len, const void *b, size_t b_len)
{
	size_t len = a_len + b_len;
	uint64_t stride;

	if (ring->broken)
		return -EPROTO;
	if (a_len > RING_RECORD_MAX || b_len > RING_RECORD_MAX || len == 0 || len > RING_RECORD_MAX)
		return -EINVAL;
	stride = record_stride((uint32_t)len);
	if (free_octets(ring) < stride && !room_look(ring, stride))
		return ring->broken ? -EPROTO : -ENOBUFS;

	atomic_store_explicit(header_at(ring, ring->own), (uint32_t)len, memory_order_relaxed);
	if (a_len > 0)
		copy_in(ring, ring->own + HEADER_SIZE, a, a_len);
	if (b_len > 0)
		copy_in(ring, ring->own + HEADER_SIZE + a_len, b, b_len);
	ring->own += stride;
	ring->staged += stride;
	return 0;
}

bool ring_flush(struct ring *ring)
{
	if (ring->staged == 0)
		return false;
	ring->staged = 0;
	atomic_store(&ring->shared->tail, ring->own);
	return atomic_load(&ring->shared->asleep) != 0 &&
	       atomic_exchange(&ring->shared->asleep, 0) != 0;
}

size_t ring_room(struct ring *ring)
{
	uint64_t enough = record_stride(RING_RECORD_MAX);

	if (ring->broken)
		return 0;
	if (free_octets(ring) >= enough || room_look(ring, enough))
		return RING_RECORD_MAX;
	if (ring->broken || free_octets(ring) == 0)
		return 0;
	return free_octets(ring) - HEADER_SIZE; /* a multiple of 8, less the length */
}

/* Consumer, when everything known is taken: takes over the producer's index. With nothing left
 * between us, the check of the distance also says that it did not move back. */
static bool tail_look(struct ring *ring, memory_order order)
{
	uint64_t tail = atomic_load_explicit(&ring->shared->tail, order);

	/* What is not released yet cannot have been overwritten by an honest producer. */
	if (tail - ring->own > ring_size(ring) - ring->staged || tail % 8 != 0) {
		ring->broken = true;
		return false;
	}
	ring->peer = tail;
	return true;
}

int ring_get(struct ring *ring, void *out)
{
	uint64_t stride;
	uint32_t len;

	if (ring->broken)
		return -EPROTO;
	if (ring->peer == ring->own) {
		if (!tail_look(ring, memory_order_acquire))
			return -EPROTO;
		if (ring->peer == ring->own)
			return 0;
	}
	len = atomic_load_explicit(header_at(ring, ring->own), memory_order_relaxed);
	stride = record_stride(len);
	if (len == 0 || len > RING_RECORD_MAX || stride > ring->peer - ring->own) {
		ring->broken = true;
		return -EPROTO;
	}
	copy_out(ring, ring->own + HEADER_SIZE, out, len);
	ring->own += stride;
	ring->staged += stride;
	return (int)len;
}

bool ring_has(const struct ring *ring)
{
	return !ring->broken &&
	       (ring->peer != ring->own || atomic_load_explicit(&ring->shared->tail,
						   memory_order_acquire) != ring->own);
}

bool ring_release(struct ring *ring)
{
	if (ring->staged == 0)
		return false;
	ring->staged = 0;
	atomic_store(&ring->shared->head, ring->own);
	/* Not for every few octets: a producer that waits is woken once per half a ring. */
	if (ring->peer - ring->own > ring_size(ring) / 2)
		return false;
	return atomic_load(&ring->shared->starved) != 0 &&
	       atomic_exchange(&ring->shared->starved, 0) != 0;
}

bool ring_may_sleep(struct ring *ring)
{
	if (ring->broken)
		return true;
	if (ring->peer != ring->own)
		return false;
	atomic_store(&ring->shared->asleep, 1);
	/* An impossible index also keeps the caller awake: ring_get then tells it. */
	if (atomic_load(&ring->shared->tail) == ring->own)
		return true;
	ring_awake(ring);
	return false;
}

void ring_awake(struct ring *ring)
{
	atomic_store_explicit(&ring->shared->asleep, 0, memory_order_relaxed);
}
