/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/backlog.h"
#include <string.h>
#include "dataplane/msrp/chunk_out.h"
#include "dataplane/worker.h"

#define PLAN_SPANS  192 /* of one gather write */
#define PLAN_OCTETS (256u * 1024)
#define COPY_OCTETS                                                                                \
	2048u /* a body up to here is copied behind its head: that costs less than a span of its own */
#define QUANTUM                                                                                    \
	(16u * 1024) /* of one message while others wait for the same connection: context.md 2.7 */
#define INTERRUPT    2048u /* RFC 4975 7.1.1: a chunk is not interrupted before so many octets */
#define ROUNDS_MAX   8     /* writes of one connection in one turn of the loop */
#define RELIEF_LEAST 65536 /* octets: less than this is not worth a cut when memory is low */
#define LOOK_SHARE   64 /* queues are looked at when the room had this part of their limit more */
#define DASHES       "-------"

enum segment_kind { SEGMENT_CONTROL, SEGMENT_HEAD, SEGMENT_BODY, SEGMENT_END };

/* What a piece of the gather write means once it has been taken. Nothing changes before: the
 * transport may take less. */
struct segment {
	const char *at;
	size_t len;
	uint8_t kind;
	char flag;       /* END: '$', '+', '#' */
	uint8_t tid_len; /* HEAD */
	bool definite;   /* HEAD: the range named an end */
	struct entry *entry;
	struct msrp_session *session;
	const char *tid; /* HEAD */
};

struct plan {
	struct worker *worker;
	struct connection *conn;
	struct segment segments[PLAN_SPANS];
	struct iovec spans[PLAN_SPANS]; /* the same octets; neighbours in memory are one */
	int count, span_count;
	size_t octets, scratch;
	/* the chunk that is open at the end of the plan */
	struct entry *open;
	struct msrp_session *open_session;
	const char *tid;
	uint8_t tid_len;
	bool definite;
};

enum body_end { BODY_DRY, BODY_FULL, BODY_QUANTUM, BODY_WHOLE, BODY_ABORTED, BODY_COLLIDES };

static bool plan_is_full(const struct plan *plan)
{
	/* Room for an end-line, a head and a span of body must be left. */
	return plan->count + 4 > PLAN_SPANS || plan->octets >= PLAN_OCTETS ||
	       plan->scratch + 2 * CHUNK_HEADER_MAX > sizeof(plan->worker->scratch);
}

static struct segment *plan_add(
	struct plan *plan, enum segment_kind kind, const void *at, size_t len)
{
	struct segment *segment = &plan->segments[plan->count++];
	struct iovec *span = &plan->spans[plan->span_count];

	if (plan->span_count > 0 && (const char *)span[-1].iov_base + span[-1].iov_len == at)
		span[-1].iov_len += len;
	else
		plan->spans[plan->span_count++] = (struct iovec){ (void *)(uintptr_t)at, len };
	plan->octets += len;
	*segment = (struct segment){ .at = at,
		.len = len,
		.kind = kind,
		.entry = plan->open,
		.session = plan->open_session };
	return segment;
}

static void plan_end(struct plan *plan, char flag)
{
	char *at = plan->worker->scratch + plan->scratch;
	size_t len = chunk_out_end(at, sizeof(plan->worker->scratch) - plan->scratch,
		span_make(plan->tid, plan->tid_len), flag, false);

	plan->scratch += len;
	plan_add(plan, SEGMENT_END, at, len)->flag = flag;
	plan->open = NULL;
}

static struct message_part *part_of(const struct plan *plan, const struct entry *entry)
{
	return &entry->message->part[plan->worker->index];
}

/* RFC 4975 7.1: "-------" and the transaction id must not occur in the body. A view is tested only
 * when it has seven dashes at all; an occurrence never lies across two views (msrp_session holds
 * such octets back). */
static bool collides(const struct view *view, const char *tid, uint8_t tid_len)
{
	char mark[7 + CHUNK_TID_MAX];

	if (!(view->payload->flags & PAYLOAD_DASHES))
		return false;
	memcpy(mark, DASHES, 7);
	memcpy(mark + 7, tid, tid_len);
	return memmem(view->payload->octets, view->payload->len, mark, 7u + tid_len) != NULL;
}

/* A chunk with a definite end may not be interrupted, so all that is left of its message is tested
 * beforehand. */
static bool collides_later(const struct view *view, const char *tid, uint8_t tid_len)
{
	for (view = view->next; view != NULL; view = view->next)
		if (collides(view, tid, tid_len))
			return true;
	return false;
}

/* Where the write finds these octets of body. */
static const void *body_place(struct plan *plan, const uint8_t *octets, size_t len)
{
	char *at = plan->worker->scratch + plan->scratch;

	/* What plan_is_full keeps free must stay free: an end-line and a head may follow. */
	if (len > COPY_OCTETS ||
		plan->scratch + len + 2 * CHUNK_HEADER_MAX > sizeof(plan->worker->scratch))
		return octets;
	memcpy(at, octets, len);
	plan->scratch += len;
	return at;
}

/* Adds body of the open chunk, up to `limit` octets, from *view and *offset on, which move. */
static enum body_end plan_body(
	struct plan *plan, struct view **view, uint32_t *offset, size_t limit)
{
	const struct payload *payload;
	size_t n;

	if (part_of(plan, plan->open)->aborted || plan->open->flags & ENTRY_CUT)
		return BODY_ABORTED;
	if (*view == NULL)
		return BODY_DRY;
	for (;;) {
		payload = (*view)->payload;
		n = payload->len - *offset;
		if (n == 0) {
			if (payload->flags & PAYLOAD_WHOLE)
				return BODY_WHOLE;
			if ((*view)->next == NULL)
				return BODY_DRY;
			*view = (*view)->next;
			*offset = 0;
			continue;
		}
		if (plan->count + 2 > PLAN_SPANS || plan->octets >= PLAN_OCTETS)
			return BODY_FULL;
		if (limit == 0)
			return BODY_QUANTUM;
		if (collides(*view, plan->tid, plan->tid_len))
			return BODY_COLLIDES;
		if (n > limit)
			n = limit;
		plan_add(plan, SEGMENT_BODY, body_place(plan, payload->octets + *offset, n), n);
		*offset += (uint32_t)n;
		limit -= n;
	}
}

static bool entry_is_ready(const struct entry *entry)
{
	/* One that stands in a view has octets there, or an end: what is consumed waits with no
	 * view. */
	return entry->flags & ENTRY_CUT || entry->view != NULL;
}

/* ---- the queue of a session ---- */

/* Which of its session's rings an entry is in. */
static struct entry **ring_of(struct msrp_session *session, const struct entry *entry)
{
	return !(entry->flags & ENTRY_STARTED) ? &session->fresh
	       : entry_is_ready(entry)         ? &session->begun
					       : &session->idle;
}

static void ring_append(struct entry **ring, struct entry *entry)
{
	struct entry *first = *ring;

	if (first == NULL) {
		*ring = entry->next = entry->prev = entry;
		return;
	}
	entry->next = first;
	entry->prev = first->prev;
	entry->prev->next = first->prev = entry;
}

static void ring_remove(struct entry **ring, struct entry *entry)
{
	if (entry->next == entry) {
		*ring = NULL;
		return;
	}
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	if (*ring == entry)
		*ring = entry->next;
}

static struct entry *ring_next(struct entry *const *ring, const struct entry *entry)
{
	return entry->next != *ring ? entry->next : NULL;
}

static void activate(struct msrp_session *session)
{
	struct connection *conn = session->connection;

	if (session->active)
		return;
	session->active = true;
	session->active_next = NULL;
	if (conn->active == NULL)
		conn->active = session;
	else
		conn->active_last->active_next = session;
	conn->active_last = session;
}

/* Nothing is left to send: it is mostly the first, as what was sent first ends first. */
static void deactivate_if_done(struct msrp_session *session)
{
	struct connection *conn = session->connection;
	struct msrp_session *before = NULL, *at = conn->active;

	if (!session->active || session->fresh != NULL || session->begun != NULL)
		return;
	session->active = false;
	while (at != session) {
		before = at;
		at = at->active_next;
	}
	if (before != NULL) {
		before->active_next = session->active_next;
	} else {
		conn->active = session->active_next;
		conn->turn_octets = 0;
	}
	if (conn->active_last == session)
		conn->active_last = before;
}

/* The next session has its turn. */
static void turn(struct connection *conn)
{
	struct msrp_session *first = conn->active;

	conn->turn_octets = 0;
	if (first->active_next == NULL)
		return;
	conn->active = first->active_next;
	first->active_next = NULL;
	conn->active_last->active_next = first;
	conn->active_last = first;
}

/* ---- what is written next ---- */

static bool any_but(struct entry *const *ring, const struct entry *but)
{
	return *ring != NULL && (*ring != but || (*ring)->next != but);
}

/* Is there anything to send on this connection besides this entry? */
static bool others_wait(const struct plan *plan, const struct entry *but)
{
	const struct connection *conn = plan->conn;
	const struct msrp_session *session = conn->active;

	if (conn->control_octets > conn->rest_octets)
		return true;
	return session != NULL && (session->active_next != NULL || any_but(&session->fresh, but) ||
					  any_but(&session->begun, but));
}

static uint64_t entry_position(const struct entry *entry)
{
	return entry->flags & ENTRY_CUT ? entry->position
	       : entry->view != NULL    ? entry->view->payload->offset + entry->offset
					: 0;
}

/* The headers behind the paths are the same for all members whose chunk has the same range: those
 * of the first chunk are written once. Returns their length; `scratch` is used for others. */
static struct span head_rest(const struct message *message, struct message_part *mp,
	struct byte_range range, char *scratch)
{
	struct chunk_out_send send;
	bool first = range.start == 1;

	if (first && mp->rest_len > 0 && mp->rest_end == range.end && mp->rest_total == range.total)
		return span_make(mp->rest, mp->rest_len);
	send = (struct chunk_out_send){
		.message_id = span_make(message->id, message->id_len),
		/* Copies ask for nothing unless a count is wanted: that halves the packets of a
		 * large room. */
		.failure_report = mp->report != NULL ? FAILURE_REPORT_YES : FAILURE_REPORT_PARTIAL,
		.success_report = mp->report != NULL && mp->report->delivered,
		.content_type = SPAN_LITERAL("message/cpim"),
		.range = range,
	};
	if (!first)
		return span_make(scratch, chunk_out_rest(scratch, MESSAGE_REST_OCTETS, &send));
	mp->rest_len = (uint8_t)chunk_out_rest(mp->rest, MESSAGE_REST_OCTETS, &send);
	mp->rest_end = range.end;
	mp->rest_total = range.total;
	return span_make(mp->rest, mp->rest_len);
}

/* A transaction id that the body of the chunk does not hold. Returns its length. */
static uint8_t head_tid(struct plan *plan, const struct msrp_session *session,
	const struct message *message, const struct view *view, bool definite, char *tid)
{
	const struct message_part *mp = &message->part[plan->worker->index];
	uint8_t len;

	do {
		if (mp->report != NULL) {
			report_tid(plan->worker, mp->report, session, tid);
			len = REPORT_TID_OCTETS;
		} else {
			message_tid(plan->worker, pool_index(&plan->worker->sessions, session),
				(uint32_t)message->order, tid);
			len = MESSAGE_TID_OCTETS;
		}
	} while (view != NULL &&
		 (collides(view, tid, len) || (definite && collides_later(view, tid, len))));
	return len;
}

/* The head of a new chunk of this entry. False: it does not fit. */
static bool plan_head(struct plan *plan, struct msrp_session *session, struct entry *entry,
	struct view *view, uint32_t offset)
{
	struct message_part *mp = part_of(plan, entry);
	struct span rest, paths = session->conf->paths;
	char other[MESSAGE_REST_OCTETS], *head = plan->worker->scratch + plan->scratch, *at;
	uint64_t position = view != NULL ? view->payload->offset + offset : entry_position(entry);
	struct byte_range range = { position + 1, BYTE_RANGE_UNKNOWN, entry->message->total };
	struct segment *segment;

	if (mp->ended && !mp->aborted) {
		range.total = mp->octets;
		/* RFC 4975 7.1.1: a definite end only where the chunk cannot be interrupted. */
		if (mp->octets - position <= INTERRUPT && plan->count + 16 < PLAN_SPANS &&
			!(entry->flags & ENTRY_CUT))
			range.end = mp->octets;
	}
	rest = head_rest(entry->message, mp, range, other);
	if (plan->scratch + sizeof(CHUNK_OUT_START) + CHUNK_TID_MAX + paths.len + rest.len >
		sizeof(plan->worker->scratch))
		return false;
	plan->open = entry;
	plan->open_session = session;
	plan->definite = range.end != BYTE_RANGE_UNKNOWN;
	at = head + sizeof(CHUNK_OUT_START) - 1;
	memcpy(head, CHUNK_OUT_START, sizeof(CHUNK_OUT_START) - 1);
	plan->tid = at;
	plan->tid_len = head_tid(plan, session, entry->message, view, plan->definite, at);
	at += plan->tid_len;
	memcpy(at, paths.at, paths.len);
	at += paths.len;
	memcpy(at, rest.at, rest.len);
	at += rest.len;
	plan->scratch += (size_t)(at - head);
	segment = plan_add(plan, SEGMENT_HEAD, head, (size_t)(at - head));
	segment->tid = plan->tid;
	segment->tid_len = plan->tid_len;
	segment->definite = plan->definite;
	return true;
}

/* Body and, where it ends, end-line of the open chunk; a collision goes on under a new transaction
 * id. */
static void plan_chunk(struct plan *plan, struct view *view, uint32_t offset, size_t limit)
{
	struct entry *entry = plan->open;
	struct msrp_session *session = plan->open_session;

	for (;;) {
		switch (plan_body(plan, &view, &offset, limit)) {
		case BODY_WHOLE: plan_end(plan, '$'); return;
		case BODY_ABORTED: plan_end(plan, '#'); return;
		case BODY_QUANTUM: plan_end(plan, '+'); return;
		case BODY_DRY:
		case BODY_FULL: return; /* the chunk stays open */
		case BODY_COLLIDES:
			plan->worker->counters.chunks_reopened++;
			plan_end(plan, '+');
			if (plan_is_full(plan) || !plan_head(plan, session, entry, view, offset))
				return;
			if (plan->definite)
				limit = SIZE_MAX; /* RFC 4975 7.1.1: not interrupted */
			break;
		}
	}
}

/* How much of its body a message gets before others have their turn. One that is long, and begins
 * while more wait to begin behind it, gets no more than it must: they need not wait for sixteen
 * of its kind. */
static size_t quantum(const struct plan *plan, const struct entry *entry, bool more_begin)
{
	const struct message *message = entry->message;
	uint64_t total = message->total;

	if (total == BYTE_RANGE_UNKNOWN)
		total = part_of(plan, entry)->octets;
	return more_begin && total > QUANTUM ? INTERRUPT : QUANTUM;
}

/* The chunk that is open on the wire goes on, ends, or is interrupted because others wait. */
static void plan_open_chunk(struct plan *plan)
{
	struct connection *conn = plan->conn;
	struct entry *entry = conn->open;
	size_t limit = SIZE_MAX;
	bool others;

	plan->open = entry;
	plan->open_session = conn->open_session;
	plan->tid = conn->open_tid;
	plan->tid_len = conn->open_tid_len;
	plan->definite = conn->open_definite;
	others = !plan->definite && others_wait(plan, entry);
	if (others) {
		/* Responses and REPORTs MUST interrupt (RFC 4975 7.1.1); other messages share
		 * fairly. */
		limit = conn->control_octets > conn->rest_octets
				? INTERRUPT
				: quantum(plan, entry,
					  entry->flags & ENTRY_FIRST &&
						  conn->open_session->fresh != NULL);
		limit = conn->open_octets < limit ? limit - conn->open_octets : 0;
	}
	plan_chunk(plan, entry->flags & ENTRY_CUT ? NULL : entry->view, entry->offset, limit);
	if (plan->open != NULL && others && !plan_is_full(plan))
		plan_end(plan, '+'); /* dry: it would keep the others waiting */
}

/* False: not all of it fits, and nothing may follow it. */
static bool plan_control(struct plan *plan, size_t from, size_t octets)
{
	const struct output_block *block;

	for (block = plan->conn->control; block != NULL && octets > 0; block = block->next) {
		size_t len = (size_t)(block->end - block->start);
		size_t skip = from < len ? from : len;

		from -= skip;
		len -= skip;
		if (len > octets)
			len = octets;
		if (len == 0)
			continue;
		if (plan->count + 4 > PLAN_SPANS)
			return false;
		plan_add(plan, SEGMENT_CONTROL, block->octets + block->start + skip, len);
		octets -= len;
	}
	return true;
}

static void entry_finish(
	struct worker *worker, struct msrp_session *session, struct entry *entry, bool whole);

/* One chunk of this entry. False: the plan is full. */
static bool plan_entry(struct plan *plan, struct msrp_session *session, struct entry *entry,
	bool more_begin, size_t budget)
{
	struct view *view = entry->flags & ENTRY_CUT ? NULL : entry->view;
	size_t limit = SIZE_MAX;

	if (plan->open != NULL)
		plan_end(plan, '+');
	if (!plan_head(plan, session, entry, view, entry->offset))
		return false;
	if (!plan->definite && others_wait(plan, entry)) {
		limit = quantum(plan, entry, more_begin);
		if (budget < limit)
			limit = budget > INTERRUPT ? budget : INTERRUPT;
	}
	plan_chunk(plan, view, entry->offset, limit);
	return true;
}

/* A session's turn. Messages begin in the room's order and before the begun ones go on: what is
 * short has gone then. After QUANTUM octets of first chunks the begun ones have a turn, one after
 * the other, so that those do not starve. */
static void plan_session(struct plan *plan, struct msrp_session *session, size_t budget)
{
	struct entry *fresh = session->fresh, *begun = session->begun, *entry;
	size_t before = plan->octets, had = session->fresh_octets, spent, at;

	for (spent = 0; spent < budget; spent = plan->octets - before) {
		bool begins = fresh != NULL && (had < QUANTUM || begun == NULL);

		entry = begins ? fresh : begun;
		if (entry == NULL || plan_is_full(plan))
			return;
		at = plan->octets;
		if (!begins) {
			begun = ring_next(&session->begun, entry);
			if (entry == plan->conn->open)
				continue; /* it was first */
			had = 0;
		} else {
			fresh = ring_next(&session->fresh, entry);
			if (part_of(plan, entry)->aborted) {
				/* not begun: the member never hears of it */
				entry_finish(plan->worker, session, entry, false);
				continue;
			}
		}
		if (!plan_entry(plan, session, entry, begins && fresh != NULL, budget - spent))
			return;
		if (begins)
			had += plan->octets - at;
	}
}

static void plan_build(struct plan *plan)
{
	struct connection *conn = plan->conn;
	struct msrp_session *session, *next;
	size_t had;

	/* What was cut off in the middle comes first, whatever it is. */
	if (!plan_control(plan, 0, conn->rest_octets))
		return;
	if (conn->open != NULL) {
		plan_open_chunk(plan);
		if (plan->open != NULL)
			return; /* full, or nothing else to say */
	}
	had = plan->octets;
	if (!plan_control(plan, conn->rest_octets, conn->control_octets - conn->rest_octets))
		return;
	if (conn->active == NULL)
		return;
	/* RFC 4975 7.1.1: sessions share a connection fairly; context.md 2.7: in turn, 16 KiB each.
	 * One that is alone has no such limit. */
	if (conn->turn_octets >= QUANTUM)
		turn(conn);
	if (conn->active->active_next == NULL) {
		plan_session(plan, conn->active, SIZE_MAX);
		return;
	}
	had = conn->open != NULL && conn->open_session == conn->active ? had + conn->turn_octets
								       : conn->turn_octets;
	for (session = conn->active; session != NULL && !plan_is_full(plan); session = next) {
		next = session->active_next;
		if (had < QUANTUM)
			plan_session(plan, session, QUANTUM - had);
		had = 0;
	}
}

static void control_consume(struct worker *worker, struct connection *conn, size_t octets)
{
	struct output_block *block;
	size_t len;

	conn->control_octets -= (uint32_t)octets;
	conn->rest_octets -= (uint32_t)(octets < conn->rest_octets ? octets : conn->rest_octets);
	while (octets > 0) {
		block = conn->control;
		len = (size_t)(block->end - block->start);
		if (octets < len) {
			block->start += (uint16_t)octets;
			return;
		}
		octets -= len;
		conn->control = block->next;
		if (conn->control == NULL)
			conn->control_last = NULL;
		pool_put(&worker->output, block);
	}
}

/* ---- the policy for slow receivers: RFC 7701 6.4, context.md 2.7 ---- */

static uint64_t entry_pins(const struct worker *worker, const struct entry *entry)
{
	const struct message_part *mp = &entry->message->part[worker->index];

	if (entry->flags & ENTRY_CUT || entry->view == NULL)
		return 0;
	return mp->octets - entry_position(entry) +
	       (uint64_t)(mp->views - 1 - entry->view->number) * BACKLOG_VIEW_OCTETS;
}

static uint64_t ring_pins(const struct worker *worker, struct entry *const *ring)
{
	const struct entry *entry;
	uint64_t sum = 0;

	for (entry = *ring; entry != NULL; entry = ring_next(ring, entry))
		sum += entry_pins(worker, entry);
	return sum;
}

static struct room_part *room_part_of(const struct worker *worker, struct msrp_session *session)
{
	return &session->conf->room->part[worker->index];
}

/* Octets that would be free without it: of each message what has come and was not sent. Walks the
 * queue. */
static uint64_t pins(const struct worker *worker, struct msrp_session *session)
{
	uint64_t sum = ring_pins(worker, &session->fresh) + ring_pins(worker, &session->begun);

	session->base = room_part_of(worker, session)->appended - sum;
	return sum;
}

/* It pins no more than this (but for a part in LOOK_SHARE of the limit): what came to its room since
 * it was known what it pins. */
static uint64_t pins_at_most(const struct worker *worker, struct msrp_session *session)
{
	return room_part_of(worker, session)->appended - session->base;
}

static void set_congested(struct worker *worker, struct msrp_session *session, bool congested)
{
	session->congested = congested;
	msrp_session_status_changed(worker, session);
}

/* Half of the limit, in octets and in messages. Drops nothing: entries may be in a plan. */
static void clear_if_low(struct worker *worker, struct msrp_session *session)
{
	const struct switch_shared *shared = worker->shared;

	if (session->congested && session->queue_count * 2ull < shared->leg_queue_messages &&
		pins(worker, session) * 2 < shared->leg_queue_octets)
		set_congested(worker, session, false);
}

static void entry_finish(
	struct worker *worker, struct msrp_session *session, struct entry *entry, bool whole)
{
	struct message *message = entry->message;
	struct message_part *mp = &message->part[worker->index];
	struct room_part *part = &message->room->part[worker->index];

	ring_remove(ring_of(session, entry), entry);
	session->queue_count--;
	deactivate_if_done(session);
	if (whole) {
		worker->counters.copies_whole++;
		atomic_fetch_add_explicit(&part->deliveries, 1, memory_order_relaxed);
	} else if (entry->flags & ENTRY_STARTED) {
		worker->counters.copies_cut++;
		atomic_fetch_add_explicit(&part->cut, 1, memory_order_relaxed);
	} else {
		worker->counters.copies_dropped++;
	}
	if (mp->report != NULL)
		report_copy_ended(worker, mp->report, session, whole);
	fanout_entry_free(worker, entry);
}

static void body_taken(struct worker *worker, const struct segment *segment, size_t octets)
{
	struct entry *entry = segment->entry;
	struct view *view;

	entry->offset += (uint32_t)octets;
	if (entry->flags & ENTRY_FIRST)
		segment->session->fresh_octets += (uint32_t)octets;
	/* On to where there are octets or an end; a view may be empty, as the end of a sender's
	 * chunk. */
	while (view = entry->view,
		entry->offset == view->payload->len &&
			!(view->payload->flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED))) {
		if (view->next == NULL) {
			ring_remove(&segment->session->begun, entry);
			ring_append(&segment->session->idle, entry);
			deactivate_if_done(segment->session);
			fanout_entry_wait(worker, entry);
			return;
		}
		fanout_entry_advance(worker, entry, view->next);
	}
}

static void head_taken(struct plan *plan, const struct segment *segment)
{
	struct msrp_session *session = segment->session;
	struct connection *conn = plan->conn;
	struct entry *entry = segment->entry;

	conn->open = entry;
	conn->open_session = session;
	conn->open_octets = 0;
	conn->open_definite = segment->definite;
	conn->open_tid_len = segment->tid_len;
	memcpy(conn->open_tid, segment->tid, segment->tid_len);
	if (!(entry->flags & ENTRY_STARTED)) {
		ring_remove(&session->fresh, entry);
		entry->flags |= ENTRY_STARTED | ENTRY_FIRST;
		ring_append(&session->begun, entry);
	} else if (!(entry->flags & ENTRY_FIRST)) {
		session->fresh_octets = 0;
	}
	if (part_of(plan, entry)->report != NULL)
		report_chunk_sent(plan->worker, part_of(plan, entry)->report, session);
}

static void end_taken(struct plan *plan, const struct segment *segment)
{
	struct msrp_session *session = segment->session;
	struct entry *entry = segment->entry;

	plan->conn->open = NULL;
	if (part_of(plan, entry)->report != NULL)
		report_chunk_written(plan->worker, part_of(plan, entry)->report, session);
	if (segment->flag != '+') {
		entry_finish(plan->worker, session, entry, segment->flag == '$');
		return;
	}
	entry->flags &= ~(unsigned)ENTRY_FIRST;
	if (entry_is_ready(entry)) {
		ring_remove(&session->begun, entry); /* the others' turn */
		ring_append(&session->begun, entry);
	}
}

/* Octets of this session went out. */
static void turn_taken(struct connection *conn, struct msrp_session *session, size_t octets)
{
	if (!session->active)
		return;
	while (conn->active != session)
		turn(conn);
	conn->turn_octets += (uint32_t)octets;
}

static void plan_commit(struct plan *plan, size_t taken)
{
	struct worker *worker = plan->worker;
	struct connection *conn = plan->conn;
	struct msrp_session *session = NULL;
	struct segment *segment;
	size_t len, n;
	int i;

	for (i = 0; i < plan->count && taken > 0; i++) {
		segment = &plan->segments[i];
		len = segment->len;
		n = taken < len ? taken : len;
		taken -= n;
		if (segment->session != session) {
			if (session != NULL)
				clear_if_low(worker, session);
			session = segment->session;
		}
		if (session != NULL)
			turn_taken(conn, session, n);
		switch ((enum segment_kind)segment->kind) {
		case SEGMENT_CONTROL: control_consume(worker, conn, n); break;
		case SEGMENT_BODY:
			if (conn->open_octets < QUANTUM)
				conn->open_octets += (uint32_t)n;
			body_taken(worker, segment, n);
			break;
		case SEGMENT_HEAD: head_taken(plan, segment); break;
		case SEGMENT_END: end_taken(plan, segment); break;
		}
		/* A head or end-line that was cut off has happened all the same: its rest goes
		 * before anything else. */
		if (n < len && (segment->kind == SEGMENT_HEAD || segment->kind == SEGMENT_END))
			connection_write_rest(worker, conn, segment->at + n, len - n);
	}
	if (session != NULL)
		clear_if_low(worker, session);
}

void backlog_flush(struct worker *worker, struct connection *conn)
{
	struct plan plan;
	unsigned round;
	long taken;

	/* A stalled member costs nothing until its transport has room again. */
	if (conn->blocked)
		return;
	for (round = 0; round < ROUNDS_MAX; round++) {
		plan.worker = worker;
		plan.conn = conn;
		plan.count = plan.span_count = 0;
		plan.octets = plan.scratch = 0;
		plan.open = NULL;
		plan.open_session = NULL;
		plan_build(&plan);
		if (plan.count == 0)
			return;
		taken = tcp_send(conn->tcp, plan.spans, plan.span_count);
		if (taken < 0)
			return; /* closed() follows and unbinds the sessions */
		worker->counters.octets_out += (uint64_t)taken;
		if (taken > 0) {
			conn->written_at = worker->now_ms;
			if (conn->window_octets < UINT32_MAX / 2)
				conn->window_octets += (uint32_t)taken;
		}
		plan_commit(&plan, (size_t)taken);
		if ((size_t)taken < plan.octets) {
			conn->blocked = true; /* writable() follows */
			return;
		}
	}
	connection_mark_dirty(worker, conn);
}

/* Dropped before its first octet, because the member does not keep up. */
static void entry_skip(struct worker *worker, struct msrp_session *session, struct entry *entry)
{
	atomic_fetch_add_explicit(&room_part_of(worker, session)->skipped, 1, memory_order_relaxed);
	entry_finish(worker, session, entry, false);
}

/* A begun one is ended with '#' as soon as the transport takes it; what it pins is free now. */
static void entry_cut(struct worker *worker, struct msrp_session *session, struct entry *entry)
{
	uint64_t position = entry_position(entry);

	if (entry->view == NULL) {
		ring_remove(&session->idle, entry);
		ring_append(&session->begun, entry);
		activate(session);
		entry->flags |= ENTRY_CUT;
		position = entry->message->part[worker->index].octets;
	} else {
		entry->flags |= ENTRY_CUT;
		fanout_entry_leave(worker, entry);
	}
	entry->position = position;
	connection_mark_dirty(worker, session->connection);
}

/* Is-composing goes first: what it says is old by then. */
static void drop_composing(struct worker *worker, struct msrp_session *session)
{
	struct entry *entry, *next;

	for (entry = session->fresh; entry != NULL; entry = next) {
		next = ring_next(&session->fresh, entry);
		if (entry->message->composing) {
			worker->counters.copies_dropped_composing++;
			entry_skip(worker, session, entry);
		}
	}
}

/* More than the limit is pinned, as messages grew: whole ones that have not begun go, the newest
 * first, then begun ones are cut, those that pin most first. A quarter more than must, so that it
 * is not looked at again at once. Returns what is left. */
static uint64_t shed(struct worker *worker, struct msrp_session *session, uint64_t sum, uint64_t to,
	uint64_t *dropped, uint64_t *cut)
{
	struct entry *entry, *worst;
	uint64_t most, octets;

	while (sum > to && session->fresh != NULL) {
		entry = session->fresh->prev;
		sum -= entry_pins(worker, entry);
		++*dropped;
		entry_skip(worker, session, entry);
	}
	while (sum > to) {
		worst = NULL;
		most = 0;
		for (entry = session->begun; entry != NULL;
			entry = ring_next(&session->begun, entry)) {
			octets = entry_pins(worker, entry);
			if (octets > most) {
				most = octets;
				worst = entry;
			}
		}
		if (worst == NULL)
			break;
		sum -= most;
		++*cut;
		entry_cut(worker, session, worst);
	}
	session->base = room_part_of(worker, session)->appended - sum;
	return sum;
}

/* Called when the queue grew. Walks it only when it may pin too much, and then not again before the
 * room has had a part of the limit more. */
static void congest_if_high(struct worker *worker, struct msrp_session *session)
{
	const struct switch_shared *shared = worker->shared;
	uint64_t limit = shared->leg_queue_octets, octets = 0;
	bool high = session->queue_count * 10ull >= shared->leg_queue_messages * 8ull;

	if (pins_at_most(worker, session) * 10 >= limit * 8)
		octets = pins(worker, session);
	if (octets * 10 < limit * 8 && !high) {
		/* Near below: not walked again for each message that comes and goes. */
		if (octets > limit / 10 * 8 - limit / LOOK_SHARE)
			session->base += octets - (limit / 10 * 8 - limit / LOOK_SHARE);
		return;
	}
	if (!session->congested) {
		set_congested(worker, session, true);
		drop_composing(worker, session);
		clear_if_low(worker, session);
		octets = pins(worker, session);
	}
	if (octets > limit)
		shed(worker, session, octets, limit / 4 * 3,
			&worker->counters.copies_dropped_congested,
			&worker->counters.copies_cut_congested);
}

/* The time that a peer takes nothing is counted from when there was something. */
static void wait_begins(const struct worker *worker, struct connection *conn)
{
	if (conn->active == NULL && conn->control == NULL)
		conn->written_at = worker->now_ms;
}

bool backlog_add(struct worker *worker, struct msrp_session *session, struct message *message,
	struct view *view)
{
	struct message_part *mp = &message->part[worker->index];
	struct entry *entry;

	/* RFC 7701 6.4: while congested, messages that have not begun are refused, the newest
	 * first. */
	if (session->congested || session->queue_count >= worker->shared->leg_queue_messages) {
		if (message->composing)
			worker->counters.copies_skipped_composing++;
		else
			worker->counters.copies_skipped_congested++;
		return false;
	}
	entry = pool_get(&worker->entries);
	if (entry == NULL) {
		worker->counters.copies_skipped_memory++;
		return false;
	}
	*entry = (struct entry){ .message = message,
		.view = view,
		.session = pool_index(&worker->sessions, session) & 0xffffff };
	view->at++;
	mp->entries++;
	if (session->fresh == NULL && session->begun == NULL) {
		session->base = room_part_of(worker, session)->appended - view->payload->len;
		wait_begins(worker, session->connection);
	}
	ring_append(&session->fresh, entry);
	session->queue_count++;
	activate(session);
	worker->counters.copies_begun++;
	if (mp->report != NULL)
		report_copy_begun(worker, mp->report, session);
	congest_if_high(worker, session);
	connection_mark_dirty(worker, session->connection);
	return true;
}

void backlog_more(struct worker *worker, struct msrp_session *session, struct entry *entry)
{
	if (session->fresh == NULL && session->begun == NULL) {
		session->base = room_part_of(worker, session)->appended - entry->view->payload->len;
		wait_begins(worker, session->connection);
	}
	ring_remove(&session->idle, entry);
	ring_append(&session->begun, entry);
	activate(session);
	connection_mark_dirty(worker, session->connection);
}

/* A copy whose last chunk ended with '+': one without octets says that no more comes. */
static void give_up(struct worker *worker, struct msrp_session *session, const struct entry *entry)
{
	const struct message *message = entry->message;
	const struct message_part *mp = &message->part[worker->index];
	uint64_t position = entry->flags & ENTRY_CUT || entry->view != NULL ? entry_position(entry)
									    : mp->octets;
	char tid[WORKER_TID_OCTETS];
	struct chunk_out_send send = { .tid = span_make(tid, sizeof(tid)),
		.to_path = session->conf->path,
		.from_path = session->conf->uri,
		.message_id = span_make(message->id, message->id_len),
		.failure_report = mp->report != NULL ? FAILURE_REPORT_YES : FAILURE_REPORT_PARTIAL,
		.success_report = mp->report != NULL && mp->report->delivered,
		.content_type = SPAN_LITERAL("message/cpim"),
		.range = { position + 1, BYTE_RANGE_UNKNOWN, message->total } };
	size_t len;

	worker_tid(worker, pool_index(&worker->sessions, session), tid);
	len = chunk_out_send(worker->scratch, sizeof(worker->scratch), &send);
	len += chunk_out_end(
		worker->scratch + len, sizeof(worker->scratch) - len, send.tid, '#', false);
	connection_write(worker, session->connection, worker->scratch, len);
}

static void drop_begun(struct worker *worker, struct msrp_session *session, struct entry *entry,
	const struct entry *open)
{
	struct connection *conn = session->connection;

	/* The connection may stay, for the session as for others: a begun message is never left
	 * torn (context.md 2.7). */
	if (entry != open && conn != NULL && !conn->dead && conn->tcp != NULL)
		give_up(worker, session, entry);
	entry_finish(worker, session, entry, false);
}

void backlog_drop_all(struct worker *worker, struct msrp_session *session)
{
	struct connection *conn = session->connection;
	const struct entry *open = conn != NULL ? conn->open : NULL;
	char line[CHUNK_TID_MAX + 16];
	size_t len;

	if (conn != NULL && conn->open != NULL && conn->open_session == session) {
		len = chunk_out_end(line, sizeof(line),
			span_make(conn->open_tid, conn->open_tid_len), '#', false);
		conn->open = NULL;
		if (!conn->dead)
			connection_write_rest(worker, conn, line, len);
	}
	while (session->begun != NULL)
		drop_begun(worker, session, session->begun, open);
	while (session->idle != NULL)
		drop_begun(worker, session, session->idle, open);
	while (session->fresh != NULL)
		entry_finish(worker, session, session->fresh, false);
}

static void cut_some(struct worker *worker, struct msrp_session *session, bool whole_too)
{
	struct entry *entry, *next;

	while (session->idle != NULL) /* they wait for more */
		entry_cut(worker, session, session->idle);
	for (entry = session->begun; entry != NULL; entry = next) {
		next = ring_next(&session->begun, entry);
		if (!(entry->flags & ENTRY_CUT) &&
			(whole_too || !entry->message->part[worker->index].ended))
			entry_cut(worker, session, entry);
	}
	for (entry = session->fresh; entry != NULL; entry = next) {
		next = ring_next(&session->fresh, entry);
		if (whole_too || !entry->message->part[worker->index].ended)
			entry_finish(worker, session, entry, false);
	}
}

void backlog_cut_all(struct worker *worker, struct msrp_session *session)
{
	cut_some(worker, session, true);
}

void backlog_cut_unfinished(struct worker *worker, struct msrp_session *session)
{
	cut_some(worker, session, false);
}

void backlog_grown(struct worker *worker, struct room_part *part)
{
	struct msrp_session *session;

	if (part->appended - part->looked_at < worker->shared->leg_queue_octets / LOOK_SHARE)
		return;
	part->looked_at = part->appended;
	for (session = part->first; session != NULL; session = session->member_next)
		if (session->active)
			congest_if_high(worker, session);
}

/* Of a copy that is begun; what of it is written already stays as it is. */
static void entry_refused(struct worker *worker, struct msrp_session *session, struct entry *entry)
{
	struct connection *conn = session->connection;

	if (!(entry->flags & ENTRY_CUT) && !(entry == conn->open && conn->open_definite))
		entry_cut(worker, session, entry);
}

static bool tid_is_of(const struct worker *worker, struct msrp_session *session,
	const struct entry *entry, struct span tid)
{
	const struct report_part *report = entry->message->part[worker->index].report;

	return report != NULL ? report_tid_is_of(report, tid)
			      : message_tid_is_of(worker, pool_index(&worker->sessions, session),
					(uint32_t)entry->message->order, tid);
}

void backlog_refused(struct worker *worker, struct msrp_session *session, struct span tid)
{
	struct entry *const *rings[] = { &session->begun, &session->idle };
	struct entry *entry;
	unsigned i;

	for (i = 0; i < 2; i++)
		for (entry = *rings[i]; entry != NULL; entry = ring_next(rings[i], entry))
			if (tid_is_of(worker, session, entry, tid)) {
				entry_refused(worker, session, entry);
				return;
			}
}

void backlog_refused_message(struct worker *worker, struct msrp_session *session, struct span id)
{
	struct entry *const *rings[] = { &session->begun, &session->idle };
	struct entry *entry;
	unsigned i;

	for (i = 0; i < 2; i++)
		for (entry = *rings[i]; entry != NULL; entry = ring_next(rings[i], entry))
			if (span_eq(id, span_make(entry->message->id, entry->message->id_len))) {
				entry_refused(worker, session, entry);
				return;
			}
}

/* The peer has taken nothing for a second. */
static bool is_stalled(const struct worker *worker, const struct connection *conn)
{
	return conn->blocked && worker->now_ms - conn->written_at > 1000;
}

static bool any_congested(const struct connection *conn)
{
	const struct msrp_session *session;

	for (session = conn->active; session != NULL; session = session->active_next)
		if (session->congested)
			return true;
	return false;
}

/* A peer that holds what is due to others, or what it asked for itself, and does not take it. */
static bool is_behind(const struct connection *conn)
{
	return conn->blocked && (conn->control != NULL || any_congested(conn));
}

/* RFC 7701 6.4: after a few minutes of congestion the session is ended. Without progress, or with
 * next to none: an octet now and then would keep a queue for ever. It is the connection that is
 * looked at, as all its sessions wait for the same peer. */
static bool is_slow(struct worker *worker, struct connection *conn)
{
	const struct switch_shared *shared = worker->shared;
	uint64_t kill_ms = shared->congestion_kill_ms;
	uint32_t now = (uint32_t)worker->now_ms | 1, ms; /* never 0 */

	if (conn->window_at == 0) {
		conn->window_at = now;
		conn->window_octets = 0;
	}
	if (worker->now_ms - conn->written_at >= kill_ms) {
		worker->counters.evictions++;
		return true;
	}
	ms = now - conn->window_at;
	if (ms < kill_ms)
		return false;
	if (conn->window_octets < ms * shared->least_rate / 1000) {
		worker->counters.evictions_slow++;
		return true;
	}
	conn->window_at = 0;
	return false;
}

bool backlog_tick(struct worker *worker, struct connection *conn)
{
	if (!is_behind(conn)) {
		conn->window_at = 0;
		return false;
	}
	if (!is_slow(worker, conn))
		return false;
	connection_close(worker, conn, LEG_CAUSE_CONGESTED);
	return true;
}

static uint64_t most_pinned(struct worker *worker)
{
	struct msrp_session *session;
	struct connection *conn;
	uint64_t most = 0, octets;

	TAILQ_FOREACH(conn, &worker->used, life)
	for (session = conn->active; session != NULL; session = session->active_next) {
		octets = pins(worker, session);
		if (octets > most)
			most = octets;
	}
	return most;
}

static void shed_from(struct worker *worker, uint64_t least)
{
	struct msrp_session *session, *next;
	struct connection *conn;
	uint64_t octets;

	TAILQ_FOREACH(conn, &worker->used, life)
	for (session = conn->active; session != NULL; session = next) {
		next = session->active_next;
		octets = pins_at_most(worker, session);
		if (octets < least)
			continue;
		shed(worker, session, octets, 0, &worker->counters.copies_dropped_memory,
			&worker->counters.copies_cut_memory);
		clear_if_low(worker, session);
	}
}

/* Of those whose peer takes nothing, the one that holds most answers, or entries. */
static struct connection *worst_stalled(const struct worker *worker)
{
	const struct msrp_session *session;
	struct connection *conn, *worst = NULL;
	uint64_t most = 0, held;

	TAILQ_FOREACH(conn, &worker->used, life)
	{
		if (!is_stalled(worker, conn))
			continue;
		held = conn->control_octets;
		for (session = conn->sessions; session != NULL; session = session->next)
			held += session->queue_count * sizeof(struct entry);
		if (held > most) {
			most = held;
			worst = conn;
		}
	}
	return worst;
}

void backlog_relieve(struct worker *worker)
{
	uint64_t most = most_pinned(worker);
	struct connection *worst;

	/* Many may pin the same octets: all those that are nearly as bad let go at once. */
	if (most >= RELIEF_LEAST) {
		shed_from(worker, most / 2);
		return;
	}
	worst = worst_stalled(worker);
	if (worst == NULL)
		return;
	worker->counters.evictions_memory++;
	connection_close(worker, worst, LEG_CAUSE_MEMORY);
}
