/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/pool.h"
#include <errno.h>
#include <sys/mman.h>

/* gcc says it by a macro, clang by a feature. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POOL_POISONS 1
#endif

#if defined(POOL_POISONS)
#include <sanitizer/asan_interface.h>
/* Under ASan a free object is poisoned behind its link, up to the generation-bearing head of 64
 * octets. */
#define POOL_HEAD 64
#define poison(object, size)                                                                       \
	do {                                                                                       \
		if ((size) > POOL_HEAD)                                                            \
			ASAN_POISON_MEMORY_REGION(                                                 \
				(uint8_t *)(object) + POOL_HEAD, (size)-POOL_HEAD);                \
	} while (0)
#define unpoison(object, size) ASAN_UNPOISON_MEMORY_REGION(object, size)
#else
#define poison(object, size)   ((void)0)
#define unpoison(object, size) ((void)0)
#endif

#define PAGE_OCTETS 4096u
#define WARM_OCTETS (2u << 20) /* one huge page */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Before Linux 5.14 there is no such advice: then each page is written to, which an exhausted machine
 * answers with a signal. */
static int touch_all(volatile uint8_t *at, size_t size)
{
	size_t i;

	if (madvise((void *)(uintptr_t)at, size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -ENOMEM;
	for (i = 0; i < size; i += PAGE_OCTETS)
		at[i] = 0;
	return 0;
}

int arena_map(struct arena *arena, size_t size, bool touch)
{
	void *at;

	/* Counted by the kernel: where it does not overcommit, it refuses now. */
	size = round_up(size, 2u << 20);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	madvise(at, size, MADV_HUGEPAGE); /* a wish, not a need */
	*arena = (struct arena){ .base = at, .size = size };
	if (touch && touch_all(at, size) != 0) {
		arena_unmap(arena);
		return -ENOMEM;
	}
	return 0;
}

void arena_unmap(struct arena *arena)
{
	if (arena->base != NULL) {
		unpoison(arena->base, arena->size);
		munmap(arena->base, arena->size);
	}
	*arena = (struct arena){ 0 };
}

void *arena_take(struct arena *arena, size_t size)
{
	void *at = arena->base + arena->used;

	size = round_up(size, 64);
	if (size > arena->size - arena->used)
		return NULL;
	arena->used += size;
	return at;
}

size_t pool_stride(size_t object_size)
{
	return round_up(object_size, 16);
}

size_t pool_footprint(size_t object_size, uint32_t count)
{
	return round_up(pool_stride(object_size) * count, 64);
}

/* The first objects are the ones that are used again and again: their pages are made now, not by
 * the first message. */
static void warm(volatile uint8_t *base, size_t size)
{
	size_t at;

	for (at = 0; at < size && at < WARM_OCTETS; at += PAGE_OCTETS)
		base[at] = 0;
}

int pool_init(struct pool *pool, struct arena *arena, size_t object_size, uint32_t count)
{
	object_size = pool_stride(object_size);
	*pool = (struct pool){
		.object_size = (uint32_t)object_size, .count = count, .free_count = count
	};
	pool->base = arena_take(arena, object_size * count);
	if (pool->base == NULL)
		return -ENOMEM;
	warm(pool->base, object_size * count);
	return 0;
}

void *pool_get(struct pool *pool)
{
	void *object = pool->free_list;

	if (object != NULL)
		pool->free_list = *(void **)object;
	else if (pool->fresh < pool->count)
		object = pool->base + (size_t)pool->fresh++ * pool->object_size;
	else
		return NULL;
	pool->free_count--;
	unpoison(object, pool->object_size);
	return object;
}

void pool_put(struct pool *pool, void *object)
{
	assert(((uint8_t *)object - pool->base) % pool->object_size == 0);
	assert(pool_index(pool, object) < pool->count);
	*(void **)object = pool->free_list;
	pool->free_list = object;
	pool->free_count++;
	poison(object, pool->object_size);
}
