/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/memory.h"
#include <string.h>
#include "dataplane/worker.h"

#define PARTS           64u
#define MB              (1u << 20)
/* Of the transport's records: those of one turn that were closed to make room for others, and that
 * its events still name. 64 are accepted at a time from each of 16 listeners at most. */
#define TRANSPORT_SPARE (64u * 16)

_Static_assert(0
#define POOL(name, member, octets, of64, besides, parts, margin, least, what) +parts
#include "dataplane/pools.def"
		       == PARTS,
	"pools.def: the parts must come to 64");

static uint32_t rooms_of_one(const struct switch_shared *shared)
{
	return shared->max_rooms / shared->workers + 16;
}

static void lines_fill(struct memory *plan, const struct switch_shared *shared)
{
	const unsigned W = shared->workers;
	const uint32_t R = rooms_of_one(shared);
	const uint32_t RATED = rate_is_asked(shared) ? 64 : 0;
	const struct memory_line lines[] = {
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	{ #name, what, offsetof(struct worker, member), octets, of64, besides, parts, least, 0 },
#include "dataplane/pools.def"
	};

	memcpy(plan->lines, lines, sizeof(lines));
}

/* legs * n / 64, rounded up, so that a single leg has one of each. */
static uint32_t of_legs(uint32_t legs, uint32_t n)
{
	return (uint32_t)(((uint64_t)legs * n + 63) / 64);
}

bool memory_make(struct memory *plan, const struct switch_shared *shared)
{
	bool fits = true;
	unsigned i;

	memset(plan, 0, sizeof(*plan));
	lines_fill(plan, shared);
	for (i = 0; i < MEMORY_POOLS; i++) {
		struct memory_line *line = &plan->lines[i];

		line->count = of_legs(shared->max_legs, line->of64) + line->besides;
		plan->set_aside += pool_footprint(line->octets, line->count);
	}
	plan->connections = plan->lines[MEMORY_connections].count + TRANSPORT_SPARE;
	plan->transport = pool_footprint(
		shared->transport_octets, shared->transport_octets > 0 ? plan->connections : 0);
	plan->set_aside += plan->transport;
	/* Each pool begins at a multiple of 64. */
	if (shared->memory > plan->set_aside + 64 * MEMORY_POOLS)
		plan->shared = shared->memory - plan->set_aside - 64 * MEMORY_POOLS;
	else
		fits = false;
	plan->need = plan->transport;
	for (i = 0; i < MEMORY_POOLS; i++) {
		struct memory_line *line = &plan->lines[i];
		uint64_t more = plan->shared / PARTS * line->parts / pool_stride(line->octets);

		if (more < line->least)
			fits = false;
		line->count += (uint32_t)more;
		plan->need += pool_footprint(line->octets, line->count);
	}
	return fits && plan->need <= shared->memory;
}

uint64_t memory_least(const struct switch_shared *shared)
{
	struct switch_shared asked = *shared;
	struct memory plan;
	uint64_t low = 0, high = 1u << 20; /* too little; enough */

	for (asked.memory = high; !memory_make(&plan, &asked); asked.memory = high) {
		low = high;
		high *= 2;
	}
	while (high - low > 1) {
		asked.memory = low + (high - low) / 2;
		if (memory_make(&plan, &asked))
			high = asked.memory;
		else
			low = asked.memory;
	}
	return high;
}

uint32_t memory_legs_most(const struct switch_shared *shared)
{
	struct switch_shared asked = *shared;
	struct memory plan;
	uint32_t low = 0,
		 high = shared->max_legs + 1; /* these fit; these do not, or were not asked for */

	while (high - low > 1) {
		asked.max_legs = low + (high - low) / 2;
		if (memory_make(&plan, &asked))
			low = asked.max_legs;
		else
			high = asked.max_legs;
	}
	return low;
}

/* Of switch.memory_mb every worker gets the same number of octets, rounded down. */
uint64_t memory_mb(const struct switch_shared *shared, uint64_t octets)
{
	return (octets * shared->workers + MB - 1) / MB;
}

void memory_refusal(const struct switch_shared *shared, char *text, size_t size)
{
	uint32_t legs = memory_legs_most(shared);
	int len = snprintf(text, size,
		"switch.memory_mb is %llu: %u legs and %u rooms on %u workers need at least %llu; raise it",
		(unsigned long long)memory_mb(shared, shared->memory), shared->max_legs,
		shared->max_rooms, shared->workers,
		(unsigned long long)memory_mb(shared, memory_least(shared)));

	if (legs >= 2 && len > 0 && (size_t)len < size)
		snprintf(text + len, size - (size_t)len,
			", or lower switch.max_legs to %u, or have fewer workers", legs);
	else if (len > 0 && (size_t)len < size)
		snprintf(text + len, size - (size_t)len,
			", or have fewer workers or a smaller switch.max_rooms");
}

/* ---- the tables of docs/memory.md ---- */

static size_t one(const struct memory *plan, unsigned pool)
{
	return pool_stride(plan->lines[pool].octets);
}

static void costs_print(const struct memory *plan, const struct switch_shared *shared, FILE *out)
{
	size_t per_leg = 0, per_worker = 0;
	size_t bound = one(plan, MEMORY_legs) + one(plan, MEMORY_confs_small) +
		       one(plan, MEMORY_sessions) + one(plan, MEMORY_connections) +
		       shared->transport_octets;
	unsigned i;

	for (i = 0; i < MEMORY_POOLS; i++) {
		per_leg += plan->lines[i].of64 * plan->lines[i].octets / 64;
		if (i != MEMORY_rooms)
			per_worker += plan->lines[i].besides * plan->lines[i].octets;
	}
	per_leg += shared->transport_octets * plan->lines[MEMORY_connections].of64 / 64;
	per_worker += shared->transport_octets *
		      (plan->lines[MEMORY_connections].besides + TRANSPORT_SPARE);
	fprintf(out, "### What each thing costs\n\n| what | octets |\n|---|---|\n");
#define ROW(octets, ...)                                                                           \
	do {                                                                                       \
		fprintf(out, "| ");                                                                \
		fprintf(out, __VA_ARGS__);                                                         \
		fprintf(out, " | %zu |\n", (size_t)(octets));                                      \
	} while (0)
	ROW(per_leg, "set aside for each leg of `switch.max_legs`, in every worker");
	ROW(one(plan, MEMORY_rooms),
		"set aside for each room of `switch.max_rooms`, in one worker");
	ROW(per_worker, "set aside in every worker, whatever it serves");
	ROW(bound, "a leg that is bound and idle: what is touched of it");
	ROW(one(plan, MEMORY_connections) + shared->transport_octets, "of these, its connection");
	ROW(one(plan, MEMORY_ids_small), "a leg that has sent a message, besides");
	ROW(one(plan, MEMORY_ids_large), "instead of it: one that has sent more than 32");
	ROW(one(plan, MEMORY_rooms), "a room with any number of members");
	ROW(one(plan, MEMORY_messages),
		"a message, from its beginning until the slowest member has it");
	ROW(one(plan, MEMORY_inbounds) + one(plan, MEMORY_transactions),
		"a message, while it is arriving, besides");
	ROW(one(plan, MEMORY_payloads_384), "its octets, up to 384");
	ROW(one(plan, MEMORY_payloads_1536), "its octets, up to 1,536");
	ROW(one(plan, MEMORY_payloads_buffer),
		"its octets, more than that: per piece of up to 64 KiB, besides the receive buffer");
	ROW(one(plan, MEMORY_buffers), "a receive buffer, which all that came in one read shares");
	ROW(one(plan, MEMORY_entries), "a message in the queue of one member");
	ROW(one(plan, MEMORY_heads), "a CPIM head that comes in pieces");
	ROW(one(plan, MEMORY_kept), "octets that come ahead of their turn: each 1,472 of them");
	ROW(one(plan, MEMORY_texts), "a long From-Path, or an unanswered NICKNAME");
	ROW(one(plan, MEMORY_reports) + one(plan, MEMORY_report_blocks) * 2,
		"an open report, in each worker with members: up to 512 legs");
	ROW(one(plan, MEMORY_report_blocks), "each further 512 legs of the worker in it");
#undef ROW
}

static void pools_print(const struct memory *plan, FILE *out)
{
	unsigned i;

	fprintf(out,
		"\n| pool | octets of one | objects | MiB | parts | one more MiB adds | what it holds |\n"
		"|---|---|---|---|---|---|---|\n");
	for (i = 0; i < MEMORY_POOLS; i++) {
		const struct memory_line *line = &plan->lines[i];

		fprintf(out, "| `%s` | %zu | %u | %.1f |", line->name, pool_stride(line->octets),
			line->count, (double)pool_footprint(line->octets, line->count) / MB);
		if (line->parts > 0)
			fprintf(out, " %u | %.1f |", line->parts,
				(double)(MB / PARTS * line->parts) /
					(double)pool_stride(line->octets));
		else
			fprintf(out, " | |");
		fprintf(out, " %s |\n", line->what);
	}
	fprintf(out, "| transport | %zu | %u | %.1f | | | a socket, as the transport sees it |\n",
		plan->connections > 0 ? plan->transport / plan->connections : 0, plan->connections,
		(double)plan->transport / MB);
}

static const uint16_t few_workers[] = { 1, 2, 4, 8 };
#define FEW (sizeof(few_workers) / sizeof(few_workers[0]))

static void least_print(const struct switch_shared *shared, FILE *out)
{
	static const uint32_t legs[] = { 100, 1000, 10000, 100000, 1000000 };
	struct switch_shared asked = *shared;
	unsigned i, w;

	fprintf(out,
		"\n### The least that starts\n\n"
		"`switch.memory_mb` for so many legs, with %u rooms:\n\n| `switch.max_legs` |",
		shared->max_rooms);
	for (w = 0; w < FEW; w++)
		fprintf(out, " %u worker%s |", few_workers[w], w > 0 ? "s" : "");
	fprintf(out, "\n|---|---|---|---|---|\n");
	for (i = 0; i < sizeof(legs) / sizeof(legs[0]); i++) {
		asked.max_legs = legs[i];
		fprintf(out, "| %u |", legs[i]);
		for (w = 0; w < FEW; w++) {
			asked.workers = few_workers[w];
			fprintf(out, " %llu |",
				(unsigned long long)memory_mb(&asked, memory_least(&asked)));
		}
		fprintf(out, "\n");
	}
}

struct load {
	uint32_t legs, members, rate, octets, behind_ms;
};

/* Does it fit? Messages and members are spread evenly over the workers. */
static bool carries(const struct switch_shared *shared, const struct load *load)
{
	uint64_t n = (uint64_t)load->rate * load->behind_ms / 1000 / shared->workers + 1;
	uint64_t pieces = n * (1 + load->octets / (BUFFER_OCTETS - 16384));
	struct memory plan;

	if (!memory_make(&plan, shared))
		return false;
#define ENOUGH(pool, wanted) (plan.lines[MEMORY_##pool].count >= (wanted))
	if (!ENOUGH(messages, n) || !ENOUGH(entries, n * load->members))
		return false;
	if (load->octets <= payload_class_octets[PAYLOAD_384])
		return ENOUGH(payloads_384, n);
	if (load->octets <= payload_class_octets[PAYLOAD_1536])
		return ENOUGH(payloads_1536, n);
	/* A buffer is read into until less than 16 KiB of it are left. */
	return ENOUGH(payloads_buffer, pieces) &&
	       ENOUGH(buffers, n * load->octets / (BUFFER_OCTETS - 16384) + 64);
#undef ENOUGH
}

static void loads_print(const struct switch_shared *shared, FILE *out)
{
	static const struct load loads[] = {
		{ 1000, 10, 1000, 300, 1000 },
		{ 10000, 100, 1000, 300, 1000 },
		{ 10000, 100, 1000, 1000, 1000 },
		{ 10000, 100, 1000, 1000, 10000 },
		{ 10000, 100, 100, 10000, 1000 },
		{ 10000, 1000, 1000, 1000, 1000 },
		{ 100000, 100, 10000, 1000, 1000 },
	};
	struct switch_shared asked = *shared;
	unsigned i, w;

	fprintf(out,
		"\n### For a load\n\n"
		"`switch.memory_mb` that carries so many messages a second, each for all members of a room, while the slowest member\n"
		"that is not yet cut is so many seconds behind; the messages of all rooms together, spread evenly over the workers:\n\n"
		"| legs | members of a room | messages a second | octets of one | seconds behind |");
	for (w = 0; w < FEW; w++)
		fprintf(out, " %u worker%s |", few_workers[w], w > 0 ? "s" : "");
	fprintf(out, "\n|---|---|---|---|---|---|---|---|---|\n");
	for (i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		const struct load *load = &loads[i];

		fprintf(out, "| %u | %u | %u | %u | %u |", load->legs, load->members, load->rate,
			load->octets, load->behind_ms / 1000);
		asked.max_legs = load->legs;
		for (w = 0; w < FEW; w++) {
			uint64_t mb = 1;

			asked.workers = few_workers[w];
			for (;; mb++) {
				asked.memory = mb * MB / asked.workers;
				if (carries(&asked, load))
					break;
			}
			fprintf(out, " %llu |", (unsigned long long)mb);
		}
		fprintf(out, "\n");
	}
}

void memory_print(const struct switch_shared *shared, FILE *out)
{
	struct memory plan;
	bool fits = memory_make(&plan, shared);
	char text[300];

	costs_print(&plan, shared, out);
	fprintf(out,
		"\n### How the memory is cut up\n\n"
		"`switch.memory_mb` %llu, `switch.workers` %u, `switch.max_legs` %u, `switch.max_rooms` %u: a worker has %.1f MiB, of which\n"
		"%.1f are set aside for legs, rooms and reports, and the rest is for messages on their way, in 64 parts.\n"
		"At least %llu MiB are needed.\n",
		(unsigned long long)memory_mb(shared, shared->memory), shared->workers,
		shared->max_legs, shared->max_rooms, (double)shared->memory / MB,
		(double)plan.set_aside / MB,
		(unsigned long long)memory_mb(shared, memory_least(shared)));
	pools_print(&plan, out);
	if (!fits) {
		memory_refusal(shared, text, sizeof(text));
		fprintf(out, "\n**The switch does not start with this:** %s.\n", text);
	}
	least_print(shared, out);
	loads_print(shared, out);
}
