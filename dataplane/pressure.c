/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/pressure.h"
#include "dataplane/worker.h"

/* Of what a pool has above the margin that one read may need, in 256ths. */
#define DOORS_BELOW    32u
#define MESSAGES_BELOW 16u
#define READS_BELOW    8u
#define RELIEF_MS      100

struct line {
	size_t pool; /* offset in struct worker */
	uint32_t margin;
	bool shared; /* of what messages need: others are set aside for as many as there may be */
};
static const struct line lines[MEMORY_POOLS] = {
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	{ offsetof(struct worker, member), margin, (parts) > 0 },
#include "dataplane/pools.def"
};

static const struct pool *pool_of(const struct worker *worker, unsigned line)
{
	return (const void *)((const char *)worker + lines[line].pool);
}

void pressure_init(struct worker *worker)
{
	const struct pool *pool;
	unsigned i;

	for (i = 0; i < MEMORY_POOLS; i++) {
		pool = pool_of(worker, i);
		worker->pressure_below[i] = 0;
		if (lines[i].shared)
			worker->pressure_below[i] =
				lines[i].margin + (uint32_t)((pool->count - lines[i].margin) *
							     (uint64_t)DOORS_BELOW / 256);
	}
	worker->read_most = UINT64_MAX;
}

/* How much is left of a pool, in 256ths. */
static uint32_t left_of(const struct worker *worker, unsigned line)
{
	const struct pool *pool = pool_of(worker, line);
	uint32_t margin = lines[line].margin;

	if (pool->free_count <= margin)
		return 0;
	return (uint32_t)((pool->free_count - margin) * 256ull / (pool->count - margin));
}

/* The scarcest pool; cheap while there is enough of all. */
static uint32_t left(const struct worker *worker)
{
	uint32_t least = 256, one;
	unsigned i;

	if (true
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	&&worker->member.free_count >= worker->pressure_below[MEMORY_##name]
#include "dataplane/pools.def"
	)
		return 256;
	for (i = 0; i < MEMORY_POOLS; i++) {
		if (!lines[i].shared)
			continue;
		one = left_of(worker, i);
		if (one < least)
			least = one;
	}
	return least;
}

/* Is it something that members' queues pin? */
static bool queues_matter(const struct worker *worker)
{
	static const uint8_t pinned[] = { MEMORY_buffers, MEMORY_payloads_384, MEMORY_payloads_1536,
		MEMORY_payloads_5120, MEMORY_payloads_buffer, MEMORY_messages, MEMORY_entries };
	unsigned i;

	for (i = 0; i < sizeof(pinned); i++)
		if (left_of(worker, pinned[i]) < MESSAGES_BELOW)
			return true;
	return false;
}

/* Short at two looks, so not for a moment only: every worker lets go of what its members do not
 * take. */
static void relieve(struct worker *worker)
{
	bool before = worker->short_of_memory;
	unsigned w;

	if (worker->now_ms - worker->relieved_at < RELIEF_MS)
		return;
	worker->relieved_at = worker->now_ms;
	worker->short_of_memory = worker->pressure >= PRESSURE_MESSAGES && queues_matter(worker);
	atomic_store_explicit(
		&worker->wants_relief, before && worker->short_of_memory, memory_order_relaxed);
	for (w = 0; w < worker->shared->workers; w++) {
		if (atomic_load_explicit(
			    &worker->shared->worker[w]->wants_relief, memory_order_relaxed)) {
			backlog_relieve(worker);
			return;
		}
	}
}

void pressure_look(struct worker *worker)
{
	uint32_t least = left(worker);

	worker->pressure = least >= DOORS_BELOW      ? PRESSURE_NONE
			   : least >= MESSAGES_BELOW ? PRESSURE_DOORS
			   : least >= READS_BELOW    ? PRESSURE_MESSAGES
						     : PRESSURE_READS;
	worker->read_most = worker->pressure < PRESSURE_READS
				    ? UINT64_MAX
				    : worker->most_recent * least / READS_BELOW;
	relieve(worker);
}

bool pressure_lets_read(const struct worker *worker, const struct connection *conn)
{
	return conn->recent_octets <= worker->read_most;
}
