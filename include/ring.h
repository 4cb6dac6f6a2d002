/* SPDX-License-Identifier: BSD-3-Clause */
/* ring: one writer, one reader, records of any length, in memory that the other side can write.
 *
 * Place:    the border between a controller and a worker of the switch; two rings per worker.
 * Threads:  one producer thread and one consumer thread, in the same or in two processes.
 * Memory:   the shared part is given at init and never freed here; size and mask are private to
 *           each end, so a hostile peer can only spoil the content of records, never make us touch
 *           memory outside the ring. A record is copied out before anybody looks at it.
 * Not here: what a record means (switch_cmd.h, switch_event.h), the descriptor that wakes a sleeper
 *           (the owner writes it when ring_flush or ring_release says so).
 *
 *   shared memory   | tail (writer) | head (reader) | asleep, starved | data, size octets, a power of 2 |
 *   a record        | length 4 | octets | padding to 8 |          indexes count octets and never wrap back
 *
 * Waiting:  a reader that goes to sleep leaves the mark `asleep`, a writer that found no room the
 *           mark `starved`. Each mark is left before a last look at the peer's index, and the peer
 *           looks for it after it has moved that index, so one of the two sees the other. Who takes
 *           a mark away owes one wake-up.
 */
#ifndef INCLUDE_RING_H
#define INCLUDE_RING_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/result.h"

#define RING_RECORD_MAX 16384u /* octets of one record */

/* The shared part. Each index has a cache line of its own. */
struct ring_shared {
	_Alignas(64) _Atomic uint64_t tail;   /* written by the producer */
	_Alignas(64) _Atomic uint64_t head;   /* written by the consumer */
	_Alignas(64) _Atomic uint32_t asleep; /* 1: the consumer sleeps */
	_Atomic uint32_t starved;             /* 1: the producer waits for room */
	_Alignas(64) uint8_t data[];
};

/* One end, private to its process. The same struct serves as producer's and as consumer's end. */
struct ring {
	struct ring_shared *shared;
	uint64_t mask;   /* size - 1 */
	uint64_t own;    /* my index, the truth: the copy in shared memory is only for the peer */
	uint64_t peer;   /* the peer's index as last seen and checked */
	uint64_t staged; /* octets written (producer) or taken (consumer), not yet published */
	bool broken;     /* the peer's index or a record's length was impossible; sticky */
};

/* Octets of shared memory for a ring whose data part has `size` octets (a power of 2, 64 KiB..1
 * GiB). */
size_t ring_shared_size(size_t size);

/* Zeroes the shared part. Once, by whoever owns the memory, before either end is opened. */
void ring_format(struct ring_shared *shared);

/* Opens one end. size as above and shared aligned to 64; -EINVAL otherwise. Both indexes start at
 * 0: an end is opened once per life of the ring. */
must_check int ring_open(struct ring *ring, struct ring_shared *shared, size_t size);

/* Producer: stages one record of len octets (1..RING_RECORD_MAX), given in up to two parts; nothing
 *           is
 * visible before ring_flush. -EINVAL: length; -ENOBUFS: full, nothing changed, and the consumer
 * will be told to wake us (flush what is staged before waiting for that); -EPROTO: broken. */
must_check int ring_put(
	struct ring *ring, const void *a, size_t a_len, const void *b, size_t b_len);

/* Producer: publishes what was staged. True: the consumer sleeps and must be woken. */
bool ring_flush(struct ring *ring);

/* Producer: octets that a record may still have now (0 when full or broken). When it is less than
 * RING_RECORD_MAX, the consumer will be told to wake us, as after -ENOBUFS. */
size_t ring_room(struct ring *ring);

/* Consumer: copies the next record into out (size >= RING_RECORD_MAX). Returns its length, 0 when
 *           empty,
 * -EPROTO when the ring is broken (index distance or length impossible; for ever). */
int ring_get(struct ring *ring, void *out);

/* Consumer: gives the space of everything taken back to the producer; call once per batch. True:
 *           the
 * producer waits for room, half of the ring is free now, and it must be woken. */
bool ring_release(struct ring *ring);

/* Consumer: has the producer published something that was not taken? */
bool ring_has(const struct ring *ring);

/* Consumer: before sleeping. Leaves the mark and looks again: true when the ring is still empty (or
 *           known to be
 * broken) and it is safe to sleep. ring_awake takes the mark away. */
bool ring_may_sleep(struct ring *ring);
void ring_awake(struct ring *ring);
#endif
