/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring whose peer writes what it likes into the shared memory, between any two of our calls: at
 * the consumer's end, at the producer's, or at both. Nothing outside of the ring may be touched
 * (the shared part ends where the heap block ends, so that ASan sees it), a length that is handed
 * out fits a record, and a broken ring stays broken.
 *
 * Input: octets that say what happens next; see step. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "include/ring.h"

#define SIZE (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned octets)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < octets && in->at < in->end; i++)
		value |= (uint64_t)*in->at++ << 8 * i;
	return value;
}

static void must_hold(bool condition)
{
	if (!condition)
		abort();
}

static void consume(struct ring *ring)
{
	uint8_t *out = malloc(RING_RECORD_MAX); /* its end is watched too */
	bool was_broken = ring->broken;
	int len = ring_get(ring, out);

	must_hold(len <= (int)RING_RECORD_MAX);
	must_hold(len >= 0 || len == -EPROTO);
	must_hold((len < 0) == ring->broken);
	must_hold(!was_broken || len == -EPROTO);
	must_hold(ring->peer - ring->own <= SIZE);
	free(out);
}

static void produce(struct ring *ring, size_t a_len, size_t b_len)
{
	uint8_t *a = malloc(a_len + 1), *b = malloc(b_len + 1);
	bool was_broken = ring->broken;
	int r;

	memset(a, 0xaa, a_len);
	memset(b, 0xbb, b_len);
	r = ring_put(ring, a, a_len, b, b_len);
	must_hold(r == 0 || r == -ENOBUFS || r == -EPROTO || r == -EINVAL);
	must_hold(!was_broken || r == -EPROTO);
	must_hold(ring->own - ring->peer <= SIZE);
	free(a);
	free(b);
}

static void room(struct ring *ring)
{
	size_t octets = ring_room(ring);

	must_hold(octets <= RING_RECORD_MAX);
	if (octets == 0)
		return;
	produce(ring, octets, 0);
}

/* What a peer can write: the marks and indexes near to where they belong or anywhere, a length, any
 * octet. */
static void spoil(struct input *in, struct ring_shared *shared, uint64_t near)
{
	uint32_t length;

	switch (take(in, 1) % 9) {
	case 0: atomic_store(&shared->tail, take(in, 8)); break;
	case 1: atomic_store(&shared->head, take(in, 8)); break;
	case 2: atomic_store(&shared->tail, near + (uint64_t)(int16_t)take(in, 2) * 8); break;
	case 3: atomic_store(&shared->head, near + (uint64_t)(int16_t)take(in, 2) * 8); break;
	case 4: atomic_store(&shared->asleep, (uint32_t)take(in, 4)); break;
	case 5: atomic_store(&shared->starved, (uint32_t)take(in, 4)); break;
	case 6: /* the length that is read next */
		length = (uint32_t)take(in, 4);
		memcpy(shared->data + (near & (SIZE - 1) & ~7ull), &length, sizeof(length));
		break;
	case 7: /* a length like many */
		length = (uint32_t)take(in, 2);
		memcpy(shared->data + (near & (SIZE - 1) & ~7ull), &length, sizeof(length));
		break;
	default: memset(shared->data + take(in, 2) % SIZE, (int)take(in, 1), 1); break;
	}
}

static void step(struct input *in, struct ring *writer, struct ring *reader)
{
	size_t a_len;

	switch (take(in, 1) % 10) {
	case 0: consume(reader); break;
	case 1: ring_release(reader); break;
	case 2:
		if (ring_may_sleep(reader))
			ring_awake(reader);
		break;
	case 3: produce(writer, 1 + take(in, 1), 0); break;
	case 4:
		a_len = take(in, 2);
		produce(writer, a_len, take(in, 2));
		break;
	case 5: ring_flush(writer); break;
	case 6: room(writer); break;
	case 7: spoil(in, reader->shared, reader->own); break;
	case 8: spoil(in, writer->shared, writer->own); break;
	default: /* as an honest pair does it */
		produce(writer, take(in, 1), 40);
		ring_flush(writer);
		consume(reader);
		ring_release(reader);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct ring_shared *shared = aligned_alloc(64, ring_shared_size(SIZE));
	struct ring writer, reader;

	memset(shared->data, 0, SIZE);
	ring_format(shared);
	must_hold(ring_open(&writer, shared, SIZE) == 0 && ring_open(&reader, shared, SIZE) == 0);
	/* Old enough for the indexes to lie anywhere, also just before they pass the end of 32 or
	 * 64 bits. */
	if (take(&in, 1) % 2 == 1) {
		uint64_t start = take(&in, 8) & ~7ull;

		writer.own = writer.peer = reader.own = reader.peer = start;
		atomic_store(&shared->tail, start);
		atomic_store(&shared->head, start);
	}
	while (in.at < in.end)
		step(&in, &writer, &reader);
	free(shared);
	return 0;
}
