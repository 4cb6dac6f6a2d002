/* SPDX-License-Identifier: BSD-3-Clause */
/* pool: objects of one size from memory that was reserved at start. Nothing here calls malloc.
 *
 * Threads: one worker owns a pool; only it takes and gives.
 * Memory:  an arena is one mapping, cut up at start and never returned. A free object's first 8
 *          octets are the pool's; the rest keeps what the last user left, so a generation survives
 *          there.
 */
#ifndef DATAPLANE_POOL_H
#define DATAPLANE_POOL_H
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/result.h"

struct arena {
	uint8_t *base;
	size_t size, used;
};

/* Maps `size` octets, zero-filled, huge pages where the kernel has them. touch: all of it is there when
 * this returns; otherwise a page comes when it is first used. -ENOMEM. */
must_check int arena_map(struct arena *arena, size_t size, bool touch);
void arena_unmap(struct arena *arena);
/* `size` octets at a multiple of 64; NULL when the arena is used up. */
void *arena_take(struct arena *arena, size_t size);

struct pool {
	void *free_list;
	uint8_t *base;
	uint32_t object_size;
	uint32_t count, free_count;
	uint32_t
		fresh; /* objects never used yet: their pages are not touched before they are needed */
};

/* count objects of object_size (rounded up to 16) octets. -ENOMEM: the arena is too small. */
must_check int pool_init(
	struct pool *pool, struct arena *arena, size_t object_size, uint32_t count);
size_t pool_footprint(size_t object_size, uint32_t count);
size_t pool_stride(size_t object_size); /* what each further object adds to it, on average */

void *pool_get(struct pool *pool); /* NULL: used up */
void pool_put(struct pool *pool, void *object);

static inline uint32_t pool_index(const struct pool *pool, const void *object)
{
	return (uint32_t)(((const uint8_t *)object - pool->base) / pool->object_size);
}

/* index < count is the caller's to check. */
static inline void *pool_at(const struct pool *pool, uint32_t index)
{
	assert(index < pool->count);
	return pool->base + (size_t)index * pool->object_size;
}

/* Has this object been handed out at least once? Others are zero-filled memory. */
static inline int pool_was_used(const struct pool *pool, uint32_t index)
{
	return index < pool->fresh;
}
#endif
