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
#define INTERRUPT  2048u /* RFC 4975 7.1.1: a chunk is not interrupted before so many octets */
#define ROUNDS_MAX 8     /* writes of one connection in one turn of the loop */
#define DASHES     "-------"

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

static bool others_wait(const struct plan *plan, const struct entry *but)
{
	const struct connection *conn = plan->conn;
	const struct msrp_session *session;
	const struct entry *entry;
	unsigned looked = 0;

	if (conn->control_octets > conn->rest_octets)
		return true;
	for (session = conn->sessions; session != NULL; session = session->next)
		for (entry = session->queue; entry != NULL && looked < 32;
			entry = entry->next, looked++)
			if (entry != but && entry_is_ready(entry))
				return true;
	return false;
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
	const struct message_part *mp, const struct view *view, bool definite, char *tid)
{
	uint8_t len;

	do {
		if (mp->report != NULL) {
			report_tid(plan->worker, mp->report, session, tid);
			len = REPORT_TID_OCTETS;
		} else {
			worker_tid(plan->worker, pool_index(&plan->worker->sessions, session), tid);
			len = WORKER_TID_OCTETS;
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
	plan->tid_len = head_tid(plan, session, mp, view, plan->definite, at);
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
			break;
		}
	}
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
		limit = conn->control_octets > conn->rest_octets ? INTERRUPT : QUANTUM;
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

static void plan_session(struct plan *plan, struct msrp_session *session)
{
	struct worker *worker = plan->worker;
	struct entry *entry, *next;
	size_t limit;

	for (entry = session->queue; entry != NULL; entry = next) {
		next = entry->next;
		if (plan_is_full(plan))
			return;
		if (entry == plan->conn->open || !entry_is_ready(entry))
			continue;
		if (!(entry->flags & ENTRY_STARTED) &&
			(entry->flags & ENTRY_CUT || part_of(plan, entry)->aborted)) {
			entry_finish(worker, session, entry,
				false); /* not begun: the member never hears of it */
			continue;
		}
		if (plan->open != NULL)
			plan_end(plan, '+');
		if (!plan_head(plan, session, entry, entry->flags & ENTRY_CUT ? NULL : entry->view,
			    entry->offset))
			return;
		limit = plan->definite ? SIZE_MAX : others_wait(plan, entry) ? QUANTUM : SIZE_MAX;
		plan_chunk(
			plan, entry->flags & ENTRY_CUT ? NULL : entry->view, entry->offset, limit);
	}
}

static void plan_build(struct plan *plan)
{
	struct connection *conn = plan->conn;
	struct msrp_session *session;

	/* What was cut off in the middle comes first, whatever it is. */
	if (!plan_control(plan, 0, conn->rest_octets))
		return;
	if (conn->open != NULL) {
		plan_open_chunk(plan);
		if (plan->open != NULL)
			return; /* full, or nothing else to say */
	}
	if (!plan_control(plan, conn->rest_octets, conn->control_octets - conn->rest_octets))
		return;
	for (session = conn->sessions; session != NULL; session = session->next)
		plan_session(plan, session);
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

/* All that the queue pins: of each message what has come and was not sent, not only the view that
 * an entry stands in. */
static uint64_t pinned_octets(const struct worker *worker, const struct msrp_session *session)
{
	const struct entry *entry;
	uint64_t sum = 0;

	for (entry = session->queue; entry != NULL; entry = entry->next)
		if (!(entry->flags & ENTRY_CUT) && entry->view != NULL)
			sum += entry->message->part[worker->index].octets - entry_position(entry);
	return sum;
}

#define PINNED_EVERY 8 /* the queue is walked at every so manieth change of a long queue */

static void update_congestion(struct worker *worker, struct msrp_session *session)
{
	const struct switch_shared *shared = worker->shared;
	uint64_t octets = session->queue_octets;
	bool high, low;

	if (session->queue_count > 0 && session->queue_count % PINNED_EVERY == 0)
		octets = pinned_octets(worker, session);
	high = octets * 10 > shared->leg_queue_octets * 8 ||
	       session->queue_count * 10ull > shared->leg_queue_messages * 8ull;
	low = octets * 2 < shared->leg_queue_octets &&
	      session->queue_count * 2ull < shared->leg_queue_messages &&
	      (!session->congested ||
		      pinned_octets(worker, session) * 2 < shared->leg_queue_octets);
	if ((!session->congested && high) || (session->congested && low)) {
		session->congested = !session->congested;
		msrp_session_status_changed(worker, session);
	}
}

static void queue_unlink(struct msrp_session *session, struct entry *entry)
{
	struct entry **link = &session->queue, *before = NULL;

	while (*link != entry) {
		before = *link;
		link = &(*link)->next;
	}
	*link = entry->next;
	if (session->queue_last == entry)
		session->queue_last = before;
	session->queue_count--;
}

static void entry_finish(
	struct worker *worker, struct msrp_session *session, struct entry *entry, bool whole)
{
	struct message *message = entry->message;
	struct message_part *mp = &message->part[worker->index];
	struct room_part *part = &message->room->part[worker->index];

	queue_unlink(session, entry);
	if (!(entry->flags & (ENTRY_CUT | ENTRY_WAITING)) && entry->view != NULL)
		session->queue_octets -= entry->view->payload->len - entry->offset;
	update_congestion(worker, session);
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
	segment->session->queue_octets -= octets;
	/* On to where there are octets or an end; a view may be empty, as the end of a sender's
	 * chunk. */
	while (view = entry->view,
		entry->offset == view->payload->len &&
			!(view->payload->flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED))) {
		if (view->next == NULL) {
			fanout_entry_wait(worker, entry);
			return;
		}
		segment->session->queue_octets += view->next->payload->len;
		fanout_entry_advance(worker, entry, view->next);
	}
}

static void plan_commit(struct plan *plan, size_t taken)
{
	struct worker *worker = plan->worker;
	struct connection *conn = plan->conn;
	struct segment *segment;
	size_t len, n;
	int i;

	for (i = 0; i < plan->count && taken > 0; i++) {
		segment = &plan->segments[i];
		len = segment->len;
		n = taken < len ? taken : len;
		taken -= n;
		if (segment->session != NULL)
			segment->session->progress_at = worker->now_ms;
		switch ((enum segment_kind)segment->kind) {
		case SEGMENT_CONTROL: control_consume(worker, conn, n); break;
		case SEGMENT_BODY:
			conn->open_octets += n;
			body_taken(worker, segment, n);
			break;
		case SEGMENT_HEAD:
			conn->open = segment->entry;
			conn->open_session = segment->session;
			conn->open_octets = 0;
			conn->open_definite = segment->definite;
			conn->open_tid_len = segment->tid_len;
			memcpy(conn->open_tid, segment->tid, segment->tid_len);
			segment->entry->flags |= ENTRY_STARTED;
			if (part_of(plan, segment->entry)->report != NULL)
				report_chunk_sent(worker, part_of(plan, segment->entry)->report,
					segment->session);
			break;
		case SEGMENT_END:
			conn->open = NULL;
			if (part_of(plan, segment->entry)->report != NULL)
				report_chunk_written(worker, part_of(plan, segment->entry)->report,
					segment->session);
			if (segment->flag != '+')
				entry_finish(worker, segment->session, segment->entry,
					segment->flag == '$');
			break;
		}
		/* A head or end-line that was cut off has happened all the same: its rest goes
		 * before anything else. */
		if (n < len && (segment->kind == SEGMENT_HEAD || segment->kind == SEGMENT_END))
			connection_write_rest(worker, conn, segment->at + n, len - n);
	}
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
		if (taken > 0)
			conn->written_at = worker->now_ms;
		plan_commit(&plan, (size_t)taken);
		if ((size_t)taken < plan.octets) {
			conn->blocked = true; /* writable() follows */
			return;
		}
	}
	connection_mark_dirty(worker, conn);
}

struct entry *backlog_add(struct worker *worker, struct msrp_session *session,
	struct message *message, struct view *view)
{
	struct entry *entry;

	/* RFC 7701 6.4: while congested, messages that have not begun are refused, the newest
	 * first. */
	if (session->congested || session->queue_count >= worker->shared->leg_queue_messages) {
		worker->counters.copies_skipped_congested++;
		return NULL;
	}
	entry = pool_get(&worker->entries);
	if (entry == NULL) {
		worker->counters.copies_skipped_memory++;
		return NULL;
	}
	*entry = (struct entry){ .message = message,
		.view = view,
		.session = pool_index(&worker->sessions, session) & 0xffffff };
	view->at++;
	message->part[worker->index].entries++;
	if (session->queue == NULL) {
		session->queue = entry;
		session->progress_at = worker->now_ms;
	} else {
		session->queue_last->next = entry;
	}
	session->queue_last = entry;
	session->queue_count++;
	session->queue_octets += view->payload->len;
	worker->counters.copies_begun++;
	update_congestion(worker, session);
	connection_mark_dirty(worker, session->connection);
	return entry;
}

void backlog_drop_all(struct worker *worker, struct msrp_session *session)
{
	struct connection *conn = session->connection;
	char line[CHUNK_TID_MAX + 16];
	size_t len;

	if (conn != NULL && conn->open != NULL && conn->open_session == session) {
		/* The connection may stay for others: what was begun is given up in good order. */
		len = chunk_out_end(line, sizeof(line),
			span_make(conn->open_tid, conn->open_tid_len), '#', false);
		conn->open = NULL;
		if (!conn->dead)
			connection_write_rest(worker, conn, line, len);
	}
	while (session->queue != NULL)
		entry_finish(worker, session, session->queue, false);
}

static void entry_cut(struct worker *worker, struct msrp_session *session, struct entry *entry)
{
	uint64_t position = entry->flags & ENTRY_WAITING
				    ? entry->message->part[worker->index].octets
				    : entry_position(entry);

	if (!(entry->flags & ENTRY_WAITING)) {
		session->queue_octets -= entry->view->payload->len - entry->offset;
		entry->view->at--;
	}
	entry->flags |= ENTRY_CUT;
	entry->position = position;
	update_congestion(worker, session);
	connection_mark_dirty(worker, session->connection);
}

void backlog_trim(struct worker *worker, struct message *message)
{
	struct message_part *mp = &message->part[worker->index];
	uint64_t limit = worker->shared->leg_queue_octets, keep_from = 0;
	const struct view *view = mp->first;
	struct msrp_session *session;
	struct entry *entry;
	uint32_t n;

	/* A quarter more than must go, so that the members are not looked at again at once. */
	if (mp->octets - view->payload->offset > limit)
		keep_from = mp->octets - limit * 3 / 4;
	if (mp->views > limit / BACKLOG_VIEW_OCTETS) {
		for (n = mp->views / 4; n > 0; n--)
			view = view->next;
		if (view->payload->offset > keep_from)
			keep_from = view->payload->offset;
	}
	if (keep_from == 0)
		return;
	for (session = message->room->part[worker->index].first; session != NULL;
		session = session->member_next)
		for (entry = session->queue; entry != NULL; entry = entry->next)
			if (entry->message == message && entry->view != NULL &&
				!(entry->flags & ENTRY_CUT) && entry_position(entry) < keep_from)
				entry_cut(worker, session, entry);
}

void backlog_refused(struct worker *worker, struct connection *conn, struct span tid)
{
	if (conn->open != NULL && span_eq(tid, span_make(conn->open_tid, conn->open_tid_len)) &&
		!(conn->open->flags & ENTRY_CUT) && !conn->open_definite)
		entry_cut(worker, conn->open_session, conn->open);
}

void backlog_refused_message(struct worker *worker, struct msrp_session *session, struct span id)
{
	struct connection *conn = session->connection;
	struct entry *entry = session->queue;

	while (entry != NULL && !span_eq(id, span_make(entry->message->id, entry->message->id_len)))
		entry = entry->next;
	if (entry != NULL && entry->flags & ENTRY_STARTED && !(entry->flags & ENTRY_CUT) &&
		!(entry == conn->open && conn->open_definite))
		entry_cut(worker, session, entry);
}

/* What would be free without it. A queue counts only the views that its entries stand in; behind
 * them the messages grow. */
static uint64_t pinned(const struct worker *worker, const struct msrp_session *session)
{
	uint64_t octets = session->connection->control_octets;
	const struct message_part *mp;
	const struct entry *entry;

	for (entry = session->queue; entry != NULL; entry = entry->next) {
		mp = &entry->message->part[worker->index];
		if (entry->view != NULL && !(entry->flags & ENTRY_CUT))
			octets += mp->octets - entry_position(entry) +
				  (uint64_t)mp->views * BACKLOG_VIEW_OCTETS;
	}
	return octets;
}

static bool is_stalled(const struct worker *worker, const struct msrp_session *session)
{
	return session->queue != NULL && worker->now_ms - session->progress_at > 1000;
}

void backlog_tick(struct worker *worker)
{
	struct connection *conn, *conn_next;
	struct msrp_session *session, *next;

	for (conn = worker->all; conn != NULL; conn = conn_next) {
		conn_next = conn->next;
		for (session = conn->sessions; session != NULL; session = next) {
			next = session->next;
			if (!session->congested && is_stalled(worker, session) &&
				pinned(worker, session) * 10 >
					worker->shared->leg_queue_octets * 8) {
				session->congested = true;
				msrp_session_status_changed(worker, session);
			}
			if (!session->congested || worker->now_ms - session->progress_at <
							   worker->shared->congestion_kill_ms)
				continue;
			worker->counters.evictions++;
			connection_close(worker, conn, LEG_CAUSE_CONGESTED);
			break;
		}
	}
}

bool backlog_relieve(struct worker *worker)
{
	struct connection *conn, *worst = NULL;
	struct msrp_session *session;
	uint64_t most = 0, octets;

	for (conn = worker->all; conn != NULL; conn = conn->next)
		for (session = conn->sessions; session != NULL; session = session->next) {
			if (!is_stalled(worker, session))
				continue;
			octets = pinned(worker, session);
			if (octets > most) {
				most = octets;
				worst = conn;
			}
		}
	if (worst == NULL)
		return false;
	worker->counters.evictions_memory++;
	connection_close(worker, worst, LEG_CAUSE_MEMORY);
	return true;
}
