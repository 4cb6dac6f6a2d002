/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/report.h"
#include <string.h>
#include "dataplane/worker.h"

/* State of one copy, in the 16 bits of its session's slot. */
#define SLOT_CHUNKS   0x1fffu /* chunks sent and not answered */
#define SLOT_COPY     0x2000u /* a copy was begun */
#define SLOT_WRITTEN  0x4000u /* written whole */
#define SLOT_RESOLVED 0x8000u /* its outcome is known */

#define INDEX_CHARS 4 /* 20 bits each in a transaction id */
static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static void link_in(struct worker *worker, struct report_part *report)
{
	struct room_part *part = report->room_part;

	report->next = part->reports;
	report->prev = &part->reports;
	if (report->next != NULL)
		report->next->prev = &report->next;
	part->reports = report;
	report->worker_next = worker->reports_open;
	report->worker_prev = &worker->reports_open;
	if (report->worker_next != NULL)
		report->worker_next->worker_prev = &report->worker_next;
	worker->reports_open = report;
}

static void link_out(struct report_part *report)
{
	*report->prev = report->next;
	if (report->next != NULL)
		report->next->prev = report->prev;
	*report->worker_prev = report->worker_next;
	if (report->worker_next != NULL)
		report->worker_next->worker_prev = report->worker_prev;
}

struct report_part *report_new(
	struct worker *worker, struct message *message, struct room_part *part)
{
	struct report_part *report = pool_get(&worker->reports);
	uint32_t generation;

	if (report == NULL)
		return NULL;
	generation = report->generation + 1;
	memset(report, 0, sizeof(*report));
	report->generation = generation;
	report->index = pool_index(&worker->reports, report);
	report->message = message;
	report->room_part = part;
	report->open = 1; /* the message itself, until report_ended */
	link_in(worker, report);
	return report;
}

static void *block(struct worker *worker, struct report_part *report, void **place)
{
	if (*place == NULL) {
		*place = pool_get(&worker->report_blocks);
		if (*place == NULL) {
			report->incomplete = true;
			return NULL;
		}
		memset(*place, 0, REPORT_BLOCK_OCTETS);
	}
	return *place;
}

static uint16_t *slot_find(const struct worker *worker, const struct report_part *report,
	const struct msrp_session *session)
{
	uint32_t index = pool_index(&worker->sessions, session);

	if (index / REPORT_SLOTS_PER_BLOCK >= REPORT_SLOT_BLOCKS ||
		report->slots[index / REPORT_SLOTS_PER_BLOCK] == NULL)
		return NULL;
	return &report->slots[index / REPORT_SLOTS_PER_BLOCK][index % REPORT_SLOTS_PER_BLOCK];
}

void report_part_done(struct worker *worker, struct message *message)
{
	if (atomic_fetch_sub_explicit(&message->reports_pending, 1, memory_order_acq_rel) == 1)
		worker_post(worker, message->room->worker, &message->report_post, POST_REPORT_DONE);
}

static void settle(struct worker *worker, struct report_part *report)
{
	if (report->settled || report->open > 0)
		return;
	report->settled = true; /* nothing writes here any more: the room's worker may read */
	link_out(report);
	report_part_done(worker, report->message);
}

void report_copy_begun(
	struct worker *worker, struct report_part *report, const struct msrp_session *session)
{
	uint32_t index = pool_index(&worker->sessions, session);
	uint16_t *slots = NULL;

	if (index / REPORT_SLOTS_PER_BLOCK < REPORT_SLOT_BLOCKS)
		slots = block(
			worker, report, (void **)&report->slots[index / REPORT_SLOTS_PER_BLOCK]);
	if (slots == NULL) {
		report->incomplete = true;
		return;
	}
	slots[index % REPORT_SLOTS_PER_BLOCK] = SLOT_COPY;
	report->open++;
}

void report_chunk_sent(
	struct worker *worker, struct report_part *report, const struct msrp_session *session)
{
	uint16_t *slot = slot_find(worker, report, session);

	if (slot != NULL && !report->settled && (*slot & SLOT_CHUNKS) < SLOT_CHUNKS)
		++*slot;
}

static void resolve(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, uint16_t *slot, bool whole)
{
	const struct leg_conf *conf = session->conf;
	uint8_t *bits = NULL;

	if (!(*slot & SLOT_COPY) || *slot & SLOT_RESOLVED || report->settled)
		return;
	*slot |= SLOT_RESOLVED;
	/* context.md 2.6: participants are counted, not legs; not the sender's other devices, not a
	 * History Function. */
	if (whole && !(conf->flags & MEMBER_HIDDEN) &&
		conf->participant != report->message->sender_participant) {
		if (conf->participant / REPORT_BITS_PER_BLOCK < REPORT_BIT_BLOCKS)
			bits = block(worker, report,
				(void **)&report->bits[conf->participant / REPORT_BITS_PER_BLOCK]);
		if (bits != NULL)
			bits[conf->participant % REPORT_BITS_PER_BLOCK / 8] |=
				(uint8_t)(1u << conf->participant % 8);
		else
			report->incomplete = true;
	}
	report->open--;
	settle(worker, report);
}

void report_copy_ended(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, bool whole)
{
	uint16_t *slot = slot_find(worker, report, session);

	report->written_at = worker->now_ms;
	if (slot == NULL)
		return;
	if (!whole)
		resolve(worker, report, session, slot, false);
	else if ((*slot & SLOT_CHUNKS) == 0)
		resolve(worker, report, session, slot, true);
	else
		*slot |= SLOT_WRITTEN;
}

void report_whole(struct worker *worker, struct report_part *report)
{
	report->whole_at = worker->now_ms;
}

void report_ended(struct worker *worker, struct report_part *report)
{
	report->ended = true;
	report->written_at = worker->now_ms;
	if (report->settled)
		return;
	report->open--;
	settle(worker, report);
}

static void put_number(char *out, uint32_t value)
{
	unsigned i;

	for (i = 0; i < INDEX_CHARS; i++)
		out[i] = alphabet[value >> 5 * i & 31];
}

static uint32_t get_number(const char *in)
{
	const char *at;
	uint32_t value = 0;
	unsigned i;

	for (i = 0; i < INDEX_CHARS; i++) {
		at = memchr(alphabet, in[i], 32);
		if (at == NULL)
			return UINT32_MAX;
		value |= (uint32_t)(at - alphabet) << 5 * i;
	}
	return value;
}

void report_tid(struct worker *worker, const struct report_part *report,
	const struct msrp_session *session, char tid[REPORT_TID_OCTETS])
{
	worker_random_text(worker, tid, 13); /* RFC 4975 7.1: at least 64 random bits */
	put_number(tid + 13, report->index);
	put_number(tid + 17, report->generation & 0xfffff);
	put_number(tid + 21, pool_index(&worker->sessions, session));
}

bool report_response(
	struct worker *worker, struct msrp_session *sessions, struct span tid, unsigned status)
{
	struct report_part *report;
	uint32_t index, generation, session;
	uint16_t *slot;

	if (tid.len != REPORT_TID_OCTETS)
		return false;
	index = get_number(tid.at + 13);
	generation = get_number(tid.at + 17);
	session = get_number(tid.at + 21);
	/* The peer wrote these numbers: the session must be on its own connection, the record live
	 * and of its room. */
	while (sessions != NULL && pool_index(&worker->sessions, sessions) != session)
		sessions = sessions->next;
	if (sessions == NULL || !pool_was_used(&worker->reports, index) ||
		index >= worker->reports.count)
		return false;
	report = pool_at(&worker->reports, index);
	if ((report->generation & 0xfffff) != generation || report->message == NULL ||
		report->settled || sessions->conf->room != report->message->room)
		return false;
	slot = slot_find(worker, report, sessions);
	if (slot == NULL || !(*slot & SLOT_COPY) || (*slot & SLOT_CHUNKS) == 0)
		return false;
	--*slot;
	if (status != 200)
		resolve(worker, report, sessions, slot, false);
	else if ((*slot & (SLOT_CHUNKS | SLOT_WRITTEN)) == SLOT_WRITTEN)
		resolve(worker, report, sessions, slot, true);
	return true;
}

void report_member_leaves(
	struct worker *worker, struct room_part *part, const struct msrp_session *session)
{
	struct report_part *report, *next;
	uint16_t *slot;

	for (report = part->reports; report != NULL; report = next) {
		next = report->next;
		slot = slot_find(worker, report, session);
		if (slot != NULL) {
			resolve(worker, report, session, slot, false);
			*slot = 0; /* a later user of the same session record is not this copy's */
		}
	}
}

void report_tick(struct worker *worker)
{
	const struct switch_shared *shared = worker->shared;
	struct report_part *report, *next;

	for (report = worker->reports_open; report != NULL; report = next) {
		next = report->worker_next;
		/* context.md 2.6: outcomes still open then count as not sent. */
		if ((report->ended &&
			    worker->now_ms - report->written_at >= shared->count_wait_ms) ||
			(report->whole_at != 0 &&
				worker->now_ms - report->whole_at >= shared->count_cap_ms)) {
			report->open = 0;
			settle(worker, report);
		}
	}
}

bool report_count(struct worker *worker, struct message *message, uint32_t *count)
{
	unsigned b, i, w, workers = worker->shared->workers;
	struct report_part *report;
	bool known = true;
	uint64_t word, sum;

	*count = 0;
	for (w = 0; w < workers; w++) {
		if (message->part[w].uncounted)
			known = false;
		if (message->part[w].report != NULL && message->part[w].report->incomplete)
			known = false;
	}
	for (b = 0; b < REPORT_BIT_BLOCKS; b++) {
		for (i = 0; i < REPORT_BLOCK_OCTETS / 8; i++) {
			sum = 0;
			for (w = 0; w < workers; w++) {
				report = message->part[w].report;
				if (report == NULL || report->bits[b] == NULL)
					continue;
				memcpy(&word, report->bits[b] + i * 8, 8);
				sum |= word;
			}
			*count += (uint32_t)__builtin_popcountll(sum);
		}
	}
	return known;
}

void report_parts_home(struct worker *worker, struct message *message)
{
	unsigned w;

	for (w = 0; w < worker->shared->workers; w++)
		if (message->part[w].report != NULL)
			worker_post(worker, (uint16_t)w, &message->part[w].report->post,
				POST_REPORT_HOME);
}

void report_home(struct worker *worker, struct report_part *report)
{
	unsigned i;

	for (i = 0; i < REPORT_SLOT_BLOCKS; i++)
		if (report->slots[i] != NULL)
			pool_put(&worker->report_blocks, report->slots[i]);
	for (i = 0; i < REPORT_BIT_BLOCKS; i++)
		if (report->bits[i] != NULL)
			pool_put(&worker->report_blocks, report->bits[i]);
	report->message = NULL;
	pool_put(&worker->reports, report);
}
