/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/report.h"
#include <string.h>
#include "dataplane/worker.h"

/* State of one copy, in the 32 bits of its session's slot. */
#define SLOT_CHUNKS   0x1fffu /* chunks sent and not answered */
#define SLOT_COPY     0x2000u /* a copy was begun */
#define SLOT_WRITTEN  0x4000u /* written whole */
#define SLOT_RESOLVED 0x8000u /* its outcome is known */
#define SLOT_SINCE                                                                                 \
	16 /* bits above: since when an answer is missing, in units of 64 ms, odd; 0: none is */
#define SINCE_MS 64u

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
	part->report_count++;
	report->worker_next = worker->reports_open;
	report->worker_prev = &worker->reports_open;
	if (report->worker_next != NULL)
		report->worker_next->worker_prev = &report->worker_next;
	worker->reports_open = report;
}

static void link_out(struct report_part *report)
{
	report->room_part->report_count--;
	report->room_part->report_blocks -= report->blocks;
	*report->prev = report->next;
	if (report->next != NULL)
		report->next->prev = report->prev;
	*report->worker_prev = report->worker_next;
	if (report->worker_next != NULL)
		report->worker_next->worker_prev = report->worker_prev;
}

/* May this sender have one more record? Who leaves as many free as it holds never takes all. */
static bool share_allows(
	const struct worker *worker, const struct message *message, const struct room_part *part)
{
	uint32_t of_sender = 0, left = worker->reports.free_count;
	const struct report_part *report;

	if (left <= part->report_count)
		return false;
	left -= part->report_count;
	for (report = part->reports; report != NULL; report = report->next)
		of_sender += report->message->sender == message->sender;
	return of_sender < left;
}

struct report_part *report_new(
	struct worker *worker, struct message *message, struct room_part *part)
{
	struct report_part *report =
		share_allows(worker, message, part) ? pool_get(&worker->reports) : NULL;
	uint32_t generation;

	if (report == NULL)
		return NULL;
	generation = report->generation + 1;
	memset(report, 0, sizeof(*report));
	report->generation = generation;
	report->index = pool_index(&worker->reports, report);
	report->message = message;
	report->room_part = part;
	report->delivered = message->counted && worker->shared->count_delivered;
	report->open = 1; /* the message itself, until report_whole */
	link_in(worker, report);
	return report;
}

static void *block(struct worker *worker, struct report_part *report, void **place)
{
	struct room_part *part = report->room_part;

	if (*place == NULL) {
		if (part->report_blocks < worker->report_blocks.free_count)
			*place = pool_get(&worker->report_blocks);
		if (*place == NULL) {
			report->incomplete = true;
			return NULL;
		}
		memset(*place, 0, REPORT_BLOCK_OCTETS);
		report->blocks++;
		part->report_blocks++;
	}
	return *place;
}

static uint32_t *slot_find(const struct worker *worker, const struct report_part *report,
	const struct msrp_session *session)
{
	uint32_t index = pool_index(&worker->sessions, session);

	if (index / REPORT_SLOTS_PER_BLOCK >= REPORT_SLOT_BLOCKS ||
		report->slots[index / REPORT_SLOTS_PER_BLOCK] == NULL)
		return NULL;
	return &report->slots[index / REPORT_SLOTS_PER_BLOCK][index % REPORT_SLOTS_PER_BLOCK];
}

/* The slot of a copy whose outcome is still open; NULL: there is none. */
static uint32_t *slot_open(const struct worker *worker, const struct report_part *report,
	const struct msrp_session *session)
{
	uint32_t *slot = report->settled ? NULL : slot_find(worker, report, session);

	return slot != NULL && (*slot & (SLOT_COPY | SLOT_RESOLVED)) == SLOT_COPY ? slot : NULL;
}

/* ---- what success REPORTs cover ---- */

static struct report_range **range_bucket(
	struct worker *worker, const struct report_part *report, uint32_t session)
{
	return &worker->report_ranges_table[(session * 31 + report->index * 7) %
					    REPORT_RANGES_TABLE];
}

static struct report_range *range_find(
	struct worker *worker, const struct report_part *report, const struct msrp_session *session)
{
	uint32_t index = pool_index(&worker->sessions, session);
	struct report_range *range = *range_bucket(worker, report, index);

	while (range != NULL && (range->report != report || range->session != index))
		range = range->next;
	return range;
}

static struct report_range *range_get(
	struct worker *worker, struct report_part *report, const struct msrp_session *session)
{
	struct report_range *range = range_find(worker, report, session), **bucket;
	uint32_t index = pool_index(&worker->sessions, session);

	if (range != NULL)
		return range;
	range = pool_get(&worker->report_ranges);
	if (range == NULL) {
		report->incomplete = true;
		return NULL;
	}
	bucket = range_bucket(worker, report, index);
	*range = (struct report_range){
		.next = *bucket, .of_report = report->ranges, .report = report, .session = index
	};
	*bucket = range;
	report->ranges = range;
	return range;
}

static void ranges_free(struct worker *worker, struct report_part *report)
{
	struct report_range *range, **at;

	while ((range = report->ranges) != NULL) {
		report->ranges = range->of_report;
		for (at = range_bucket(worker, report, range->session); *at != range;
			at = &(*at)->next)
			;
		*at = range->next;
		pool_put(&worker->report_ranges, range);
	}
}

/* Pieces may come in any order and overlap. */
static void range_add(struct report_range *range, uint64_t from, uint64_t to)
{
	uint32_t i = 0;

	while (i < range->apart_count) {
		if (from <= range->apart[i].to + 1 && range->apart[i].from <= to + 1) {
			if (range->apart[i].from < from)
				from = range->apart[i].from;
			if (range->apart[i].to > to)
				to = range->apart[i].to;
			range->apart[i] = range->apart[--range->apart_count];
			i = 0; /* what it has grown to may touch one that was passed */
		} else {
			i++;
		}
	}
	if (from <= range->edge + 1) {
		if (to > range->edge)
			range->edge = to;
	} else if (range->apart_count < REPORT_APART) {
		range->apart[range->apart_count].from = from;
		range->apart[range->apart_count++].to = to;
	}
	/* The edge may have reached a piece: at most one after the other. */
	for (i = 0; i < range->apart_count;) {
		if (range->apart[i].from > range->edge + 1) {
			i++;
			continue;
		}
		if (range->apart[i].to > range->edge)
			range->edge = range->apart[i].to;
		range->apart[i] = range->apart[--range->apart_count];
		i = 0;
	}
}

/* ---- outcomes ---- */

void report_part_done(struct worker *worker, struct message *message)
{
	if (atomic_fetch_sub_explicit(&message->reports_pending, 1, memory_order_acq_rel) == 1)
		worker_post(worker, message->room->worker, &message->report_post, POST_REPORT_DONE);
}

static void settle(struct worker *worker, struct report_part *report)
{
	if (report->settled || report->open > 0)
		return;
	ranges_free(worker, report);
	report->settled = true; /* nothing writes here any more: the room's worker may read */
	link_out(report);
	report_part_done(worker, report->message);
}

/* context.md 2.6: not the sender's other devices, not a History Function. */
static bool is_tracked(const struct report_part *report, const struct msrp_session *session)
{
	return !(session->conf->flags & MEMBER_HIDDEN) &&
	       session->conf->participant != report->message->sender_participant;
}

void report_copy_begun(
	struct worker *worker, struct report_part *report, const struct msrp_session *session)
{
	uint32_t index = pool_index(&worker->sessions, session);
	uint32_t *slots = NULL;

	if (!is_tracked(report, session))
		return;
	if (index / REPORT_SLOTS_PER_BLOCK < REPORT_SLOT_BLOCKS)
		slots = block(
			worker, report, (void **)&report->slots[index / REPORT_SLOTS_PER_BLOCK]);
	if (slots == NULL) {
		report->incomplete = true;
		return;
	}
	slots[index % REPORT_SLOTS_PER_BLOCK] = SLOT_COPY;
	report->open++;
	report->unwritten++;
}

/* What the sender of a message between two is told. A 481 or 506 is about a session that is not the
 * sender's, and what else is not about the message says no more than that it did not arrive. */
static uint16_t status_told(unsigned status)
{
	switch (status) {
	case 400:
	case 403:
	case 413:
	case 415: return (uint16_t)status;
	default: return 408;
	}
}

void report_copy_refused(
	struct report_part *report, const struct msrp_session *session, uint16_t status)
{
	if (report->failed == 0 && !report->settled && is_tracked(report, session))
		report->failed = status_told(status);
}

/* status: 200 when the session got it whole. */
static void resolve(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, uint32_t *slot, unsigned status)
{
	const struct leg_conf *conf = session->conf;
	uint8_t *bits = NULL;

	*slot |= SLOT_RESOLVED;
	if (!(*slot & SLOT_WRITTEN))
		report->unwritten--;
	if (status != 200) {
		if (report->failed == 0)
			report->failed = status_told(status);
	} else {
		/* context.md 2.6: participants are counted, not legs. */
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

static uint32_t since_now(const struct worker *worker)
{
	return (uint32_t)((worker->now_ms / SINCE_MS | 1) & 0xffff) << SLOT_SINCE;
}

/* RFC 4975 7.1.1: no answer within 30 s of the last octet of a chunk is as a 408. */
static bool is_overdue(const struct worker *worker, uint32_t slot)
{
	uint16_t since = (uint16_t)(slot >> SLOT_SINCE);

	if (since == 0 || (slot & SLOT_CHUNKS) == 0 || worker->shared->transaction_ms == 0)
		return false;
	since = (uint16_t)(worker->now_ms / SINCE_MS - since);
	/* The unit is coarse, and the next one may have been written down already. */
	return since < 0x8000 &&
	       (since + 1) * SINCE_MS > worker->shared->transaction_ms + 2 * SINCE_MS;
}

void report_chunk_sent(
	struct worker *worker, struct report_part *report, const struct msrp_session *session)
{
	uint32_t *slot = slot_open(worker, report, session);

	if (slot == NULL)
		return;
	if (is_overdue(worker, *slot) || (*slot & SLOT_CHUNKS) == SLOT_CHUNKS) {
		resolve(worker, report, session, slot, 408);
		return;
	}
	if ((*slot & SLOT_CHUNKS) == 0)
		*slot &= (1u << SLOT_SINCE) - 1;
	++*slot;
}

void report_chunk_written(
	struct worker *worker, struct report_part *report, const struct msrp_session *session)
{
	uint32_t *slot = slot_open(worker, report, session);

	if (slot != NULL && (*slot & SLOT_CHUNKS) > 0 && *slot >> SLOT_SINCE == 0)
		*slot |= since_now(worker);
}

/* Is it now known that the session has it all? */
static void conclude(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, uint32_t *slot)
{
	const struct report_range *range;

	if (!(*slot & SLOT_WRITTEN))
		return;
	if (report->delivered) {
		range = range_find(worker, report, session);
		if (range != NULL && report->whole && range->edge >= report->octets)
			resolve(worker, report, session, slot, 200);
	} else if ((*slot & SLOT_CHUNKS) == 0) {
		resolve(worker, report, session, slot, 200);
	}
}

void report_copy_ended(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, bool whole)
{
	uint32_t *slot = slot_open(worker, report, session);

	if (slot == NULL)
		return;
	report->written_at = worker->now_ms;
	if (!whole) {
		resolve(worker, report, session, slot, 408);
		return;
	}
	*slot |= SLOT_WRITTEN;
	report->unwritten--;
	conclude(worker, report, session, slot);
}

void report_whole(struct worker *worker, struct report_part *report)
{
	if (report->settled)
		return;
	report->whole = true;
	report->whole_at = report->written_at = worker->now_ms;
	report->octets = report->message->part[worker->index].octets;
}

void report_walked(struct worker *worker, struct report_part *report)
{
	if (report->settled)
		return;
	report->walked = true;
	report->open--;
	settle(worker, report);
}

void report_aborted(struct worker *worker, struct report_part *report)
{
	if (report->settled)
		return;
	report->open = 0;
	settle(worker, report);
}

/* ---- answers ---- */

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
	worker_tid(worker, pool_index(&worker->sessions, session), tid);
	put_number(tid + WORKER_TID_OCTETS, report->index);
	put_number(tid + WORKER_TID_OCTETS + INDEX_CHARS, report->generation & 0xfffff);
	put_number(
		tid + WORKER_TID_OCTETS + 2 * INDEX_CHARS, pool_index(&worker->sessions, session));
}

bool report_tid_is_of(const struct report_part *report, struct span tid)
{
	return tid.len == REPORT_TID_OCTETS &&
	       get_number(tid.at + WORKER_TID_OCTETS) == report->index &&
	       get_number(tid.at + WORKER_TID_OCTETS + INDEX_CHARS) ==
		       (report->generation & 0xfffff);
}

void report_response(
	struct worker *worker, struct msrp_session *sessions, struct span tid, unsigned status)
{
	struct report_part *report;
	uint32_t index, generation, session;
	uint32_t *slot;

	if (tid.len != REPORT_TID_OCTETS)
		return;
	index = get_number(tid.at + WORKER_TID_OCTETS);
	generation = get_number(tid.at + WORKER_TID_OCTETS + INDEX_CHARS);
	session = get_number(tid.at + WORKER_TID_OCTETS + 2 * INDEX_CHARS);
	/* The peer wrote these numbers: the session must be on its own connection, the record live
	 * and of its room. */
	while (sessions != NULL && pool_index(&worker->sessions, sessions) != session)
		sessions = sessions->next;
	if (sessions == NULL || index >= worker->reports.count ||
		!pool_was_used(&worker->reports, index))
		return;
	report = pool_at(&worker->reports, index);
	if ((report->generation & 0xfffff) != generation || report->message == NULL ||
		report->settled || sessions->conf->room != report->message->room)
		return;
	slot = slot_open(worker, report, sessions);
	if (slot == NULL || (*slot & SLOT_CHUNKS) == 0)
		return;
	if (status == 200 && is_overdue(worker, *slot))
		status = 408;
	--*slot;
	if (status != 200) {
		/* RFC 4975 7.1.2: a message that is still being sent is given up. */
		backlog_refused_message(
			worker, sessions, span_make(report->message->id, report->message->id_len));
		resolve(worker, report, sessions, slot, status);
		return;
	}
	*slot &= (1u << SLOT_SINCE) - 1;
	if ((*slot & SLOT_CHUNKS) > 0)
		*slot |= since_now(worker);
	if (!report->delivered)
		conclude(worker, report, sessions, slot);
}

static struct report_part *report_find(
	struct worker *worker, const struct msrp_session *session, struct span id)
{
	struct report_part *report = session->conf->room->part[worker->index].reports;

	while (report != NULL &&
		!span_eq(id, span_make(report->message->id, report->message->id_len)))
		report = report->next;
	return report;
}

void report_received(struct worker *worker, struct msrp_session *session, const struct chunk *chunk)
{
	struct report_part *report;
	struct report_range *range;
	uint64_t octets;
	uint32_t *slot;

	worker->counters.reports_in++;
	/* context.md 1.6: other namespaces are ignored, an unknown Message-ID silently so. */
	if (chunk->refuse != 0 || chunk->report_status == 0 || chunk->report_namespace != 0 ||
		chunk->message_id.len == 0)
		return;
	if (chunk->report_status != 200)
		backlog_refused_message(worker, session, chunk->message_id);
	report = report_find(worker, session, chunk->message_id);
	slot = report != NULL ? slot_open(worker, report, session) : NULL;
	if (slot == NULL)
		return;
	if (chunk->report_status != 200) {
		resolve(worker, report, session, slot, chunk->report_status);
		return;
	}
	octets = report->message->part[worker->index].octets;
	if (!report->delivered ||
		(chunk->has_range && (chunk->range.end == BYTE_RANGE_UNKNOWN ||
					     chunk->range.end < chunk->range.start ||
					     chunk->range.end > octets)))
		return;
	/* Mostly one REPORT says all; without a range it is about the message. */
	if (*slot & SLOT_WRITTEN && report->whole &&
		(!chunk->has_range ||
			(chunk->range.start == 1 && chunk->range.end == report->octets))) {
		resolve(worker, report, session, slot, 200);
		return;
	}
	range = chunk->has_range ? range_get(worker, report, session) : NULL;
	if (range == NULL)
		return;
	range_add(range, chunk->range.start, chunk->range.end);
	conclude(worker, report, session, slot);
}

void report_member_leaves(
	struct worker *worker, struct room_part *part, const struct msrp_session *session)
{
	struct report_part *report, *next;
	uint32_t *slot;

	for (report = part->reports; report != NULL; report = next) {
		next = report->next;
		slot = slot_open(worker, report, session);
		if (slot != NULL)
			resolve(worker, report, session, slot, 408);
	}
}

static void give_up(struct worker *worker, struct report_part *report)
{
	if (report->failed == 0 && report->open > 0)
		report->failed = 408;
	report->open = 0;
	settle(worker, report);
}

void report_tick(struct worker *worker)
{
	const struct switch_shared *shared = worker->shared;
	struct report_part *report, *next;
	uint64_t wait;

	for (report = worker->reports_open; report != NULL; report = next) {
		next = report->worker_next;
		if (!report->walked)
			continue;
		/* context.md 2.6: outcomes still open then count as not sent. Whom a 200 decides
		 * about is known when the last transaction has timed out. */
		wait = shared->count_wait_ms;
		if (!report->delivered && shared->transaction_ms > 0 &&
			shared->transaction_ms < wait)
			wait = shared->transaction_ms;
		if ((report->unwritten == 0 && worker->now_ms - report->written_at >= wait) ||
			worker->now_ms - report->whole_at >= shared->count_cap_ms)
			give_up(worker, report);
	}
}

void report_settle_all(struct worker *worker)
{
	struct report_part *report, *next;

	for (report = worker->reports_open; report != NULL; report = next) {
		next = report->worker_next;
		give_up(worker, report);
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

uint16_t report_failed(struct worker *worker, const struct message *message)
{
	const struct report_part *report;
	unsigned w;

	for (w = 0; w < worker->shared->workers; w++) {
		report = message->part[w].report;
		if (report != NULL && report->failed != 0)
			return report->failed;
	}
	return 0;
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
