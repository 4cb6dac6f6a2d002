/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/inbound.h"
#include <string.h>
#include "dataplane/msrp/chunk_out.h"
#include "dataplane/msrp/cpim.h"
#include "dataplane/switch/address.h"
#include "dataplane/worker.h"

#define HELD_PIECE 64u /* octets put behind held ones to find out whether they matter */
#define TID_OCTETS 13
#define HEAD_WAIT_MS                                                                               \
	2000u /* so long a head in pieces is left in peace when others need its place */

/* ---- the records ---- */

static uint64_t hash_id(struct span id)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	size_t i;

	for (i = 0; i < id.len; i++)
		hash = (hash ^ (uint8_t)id.at[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

static struct inbound *inbound_find(struct msrp_session *session, struct span id, uint64_t hash)
{
	struct inbound *in;

	for (in = session->inbound; in != NULL; in = in->next)
		if (in->id_hash == hash && in->state != INBOUND_ENDED &&
			span_eq(span_make(in->id, in->id_len), id))
			return in;
	return NULL;
}

/* Has a message with this id ended, and its outcome is waited for? */
static bool has_ended(const struct msrp_session *session, struct span id, uint64_t hash)
{
	const struct inbound *in;

	for (in = session->inbound; in != NULL; in = in->next)
		if (in->id_hash == hash && in->state == INBOUND_ENDED &&
			span_eq(span_make(in->id, in->id_len), id))
			return true;
	return false;
}

static void inbound_unlink(struct inbound *in)
{
	if (in->session == NULL)
		return;
	*in->prev = in->next;
	if (in->next != NULL)
		in->next->prev = in->prev;
	if (in->state != INBOUND_ENDED)
		in->session->inbound_count--;
	if (in->session->connection != NULL && in->session->connection->inbound == in)
		in->session->connection->inbound = NULL;
	in->session = NULL;
}

/* The worker's collected heads, the one that was gone on with last at the end. */
static void head_link(struct worker *worker, struct inbound *in)
{
	in->heads_next = NULL;
	in->heads_prev = worker->heads_last;
	*worker->heads_last = in;
	worker->heads_last = &in->heads_next;
}

static void head_unlink(struct worker *worker, struct inbound *in)
{
	*in->heads_prev = in->heads_next;
	if (in->heads_next != NULL)
		in->heads_next->heads_prev = in->heads_prev;
	else
		worker->heads_last = in->heads_prev;
}

static void head_put(struct worker *worker, struct inbound *in)
{
	if (in->head == NULL)
		return;
	head_unlink(worker, in);
	pool_put(&worker->heads, in->head);
	in->head = NULL;
	in->session->heads--;
	in->session->share.octets -= CPIM_HEAD_MAX;
}

static void inbound_free(struct worker *worker, struct inbound *in)
{
	/* Who has a head or kept octets has a session: both go before it ends. */
	head_put(worker, in);
	if (in->kept.first != NULL)
		reorder_drop_all(worker, &in->session->share, &in->kept);
	inbound_unlink(in);
	if (in->message != NULL)
		in->message->inbound = NULL;
	if (in->spare != NULL)
		payload_drop(worker, in->spare);
	if (in->from_text != NULL)
		pool_put(&worker->texts, in->from_text);
	if (in->verdicts > 0)
		in->state = INBOUND_GONE; /* payloads that name it are still out */
	else
		pool_put(&worker->inbounds, in);
}

static const uint32_t ids_kept[IDS_CLASSES] = { SESSION_IDS_SMALL, SESSION_IDS_KEPT };

size_t message_ids_size(enum message_ids_class class)
{
	return sizeof(struct message_ids) + 2 * ids_kept[class] * sizeof(uint32_t);
}

static void id_put(struct message_ids *ids, uint64_t hash)
{
	uint32_t i = ids->next++ % ids_kept[ids->class];

	ids->halves[i] = (uint32_t)hash;
	ids->halves[ids_kept[ids->class] + i] = (uint32_t)(hash >> 32);
}

static bool id_is_known(const struct msrp_session *session, uint64_t hash)
{
	const struct message_ids *ids = session->ids;
	const uint32_t *lower, *upper;
	uint32_t i, kept, found = 0;

	if (ids == NULL)
		return false;
	kept = ids_kept[ids->class];
	lower = ids->halves;
	upper = lower + kept;
	/* Nearly every id is new: without a way out the compiler looks at several at a time. */
	for (i = 0; i < kept; i++)
		found |= lower[i] == (uint32_t)hash;
	for (i = 0; found && i < kept; i++)
		if (lower[i] == (uint32_t)hash && upper[i] == (uint32_t)(hash >> 32))
			return true;
	return false;
}

static struct message_ids *ids_new(struct worker *worker, enum message_ids_class class)
{
	struct message_ids *ids = pool_get(&worker->ids[class]);

	if (ids == NULL)
		return NULL;
	memset(ids, 0, message_ids_size(class));
	ids->home = worker->index;
	ids->class = (uint8_t) class;
	return ids;
}

static void id_remember(struct worker *worker, struct msrp_session *session, uint64_t hash)
{
	struct message_ids *ids = session->ids, *large;

	if (ids == NULL)
		ids = session->ids = ids_new(worker, IDS_SMALL);
	if (ids != NULL && ids->class == IDS_SMALL && ids->next >= SESSION_IDS_SMALL &&
		(large = ids_new(worker, IDS_LARGE)) != NULL) {
		memcpy(large->halves, ids->halves, SESSION_IDS_SMALL * sizeof(uint32_t));
		memcpy(large->halves + SESSION_IDS_KEPT, ids->halves + SESSION_IDS_SMALL,
			SESSION_IDS_SMALL * sizeof(uint32_t));
		large->next = SESSION_IDS_SMALL; /* these are the last ones, in some order */
		message_ids_release(worker, ids);
		ids = session->ids = large;
	}
	if (ids == NULL) {
		/* A duplicate would be delivered again: better than refusing the message. */
		worker->counters.ids_forgotten++;
		return;
	}
	id_put(ids, hash);
}

void message_ids_forget(struct message_ids *ids, uint32_t hash)
{
	uint32_t i;

	for (i = 0; ids != NULL && i < ids_kept[ids->class]; i++)
		if (ids->halves[i] == hash)
			ids->halves[i] = ids->halves[ids_kept[ids->class] + i] = 0;
}

void message_ids_release(struct worker *worker, struct message_ids *ids)
{
	if (ids != NULL)
		worker_post(worker, ids->home, &ids->post, POST_IDS_HOME);
}

void message_ids_home(struct worker *worker, struct message_ids *ids)
{
	pool_put(&worker->ids[ids->class], ids);
}

static struct inbound *inbound_new(struct worker *worker, struct msrp_session *session,
	const struct chunk *chunk, uint64_t hash)
{
	struct inbound *in = pool_get(&worker->inbounds);
	bool peer_path = span_eq(chunk->from_path, session->conf->path);

	if (in == NULL)
		return NULL;
	*in = (struct inbound){ .session = session,
		.id_hash = hash,
		.total = BYTE_RANGE_UNKNOWN,
		.success_report = chunk->success_report,
		.failure_report = (uint8_t)chunk->failure_report,
		.counted = chunk->success_report && chunk->include_sent_count,
		.touched_at = worker->now_ms,
		.id_len = (uint8_t)chunk->message_id.len };
	memcpy(in->id, chunk->message_id.at, chunk->message_id.len);
	if ((chunk->success_report || chunk->failure_report != FAILURE_REPORT_NO) && !peer_path &&
		chunk->from_path.len <= CHUNK_HEADER_MAX) {
		/* RFC 4975 7.1.2: a REPORT goes along the whole From-Path of the SEND. */
		in->from_text = pool_get(&worker->texts);
		if (in->from_text != NULL)
			memcpy(in->from_text->octets, chunk->from_path.at, chunk->from_path.len);
		in->from_len = (uint32_t)chunk->from_path.len;
	}
	in->next = session->inbound;
	in->prev = &session->inbound;
	if (in->next != NULL)
		in->next->prev = &in->next;
	session->inbound = in;
	session->inbound_count++;
	return in;
}

/* Gives the payload that is being filled to the room. */
static void give(struct worker *worker, struct connection *conn)
{
	struct payload *payload = conn->pending;

	if (payload == NULL)
		return;
	conn->pending = NULL;
	if (payload->flags & PAYLOAD_RETURNS)
		payload->inbound->verdicts++;
	worker_post(worker, payload->message->room->worker, &payload->post, POST_PAYLOAD);
}

/* The message ends here, with or without octets in `pending`. */
static void give_end(struct worker *worker, struct msrp_session *session, struct inbound *in,
	enum payload_flag flag, struct transaction *tx)
{
	struct connection *conn = session->connection;
	struct payload *payload;

	if (conn->pending != NULL && conn->pending->inbound != in)
		give(worker, conn);
	payload = conn->pending;
	if (payload == NULL) {
		payload = in->spare;
		in->spare = NULL;
		payload->message = in->message;
		payload->inbound = in;
		payload->offset = in->sent;
		conn->pending = payload;
	}
	payload->flags |= (uint8_t)flag | (tx != NULL ? PAYLOAD_CHUNK_END : 0);
	payload->transaction = tx;
	in->state = INBOUND_ENDED;
	session->inbound_count--; /* ended: it no longer counts against the limit of open messages */
	give(worker, conn);
}

/* ---- REPORTs and refusals ---- */

static void report_write(struct worker *worker, struct msrp_session *session,
	const struct inbound *in, struct chunk_out_report *report)
{
	char tid[TID_OCTETS];
	size_t len;

	report->to_path = in->from_text != NULL ? span_make(in->from_text->octets, in->from_len)
						: session->conf->path;
	report->from_path = session->conf->uri;
	report->message_id = span_make(in->id, in->id_len);
	worker_random_text(worker, tid, TID_OCTETS);
	report->tid = span_make(tid, TID_OCTETS);
	len = chunk_out_report(worker->scratch, sizeof(worker->scratch), report);
	if (len > 0 && connection_write(worker, session->connection, worker->scratch, len))
		worker->counters.reports_out++;
	else
		worker->counters.reports_lost++;
}

/* RFC 7701 6.2: one of a failure says about whose private message to whom, seen from the other
 * side. */
static void name_private(
	const struct inbound *in, const struct message *message, struct chunk_out_report *report)
{
	if (report->status == 200 || !in->private || message == NULL || message->from_len == 0)
		return;
	report->cpim_from = span_make(message->to, message->to_len);
	report->cpim_to = span_make(message->to + message->to_len, message->from_len);
}

static void send_report(struct worker *worker, struct msrp_session *session,
	const struct inbound *in, const struct message *counted, uint16_t status)
{
	struct chunk_out_report report = { .range = { 1, in->edge, in->edge }, .status = status };

	name_private(in, in->message, &report);
	if (counted != NULL) {
		report.has_count = counted->count_known;
		report.count = counted->count;
		if (!counted->count_known)
			worker->counters.reports_uncounted++;
	}
	report_write(worker, session, in, &report);
}

/* RFC 4975 7.1.2: what was answered 200 and is lost all the same is told by a REPORT. One tells all
 * of it. */
static void report_failure(struct worker *worker, struct msrp_session *session, struct inbound *in,
	const struct message *message, unsigned status)
{
	struct chunk_out_report report = { .range = { 1, in->accepted, in->total },
		.status = (uint16_t)status };

	if (in->accepted == 0 || in->failure_report == FAILURE_REPORT_NO)
		return;
	/* What was declared may be the very lie that is refused. */
	if (report.range.total < in->accepted)
		report.range.total = BYTE_RANGE_UNKNOWN;
	name_private(in, message, &report);
	report_write(worker, session, in, &report);
	worker->counters.reports_failure++;
	in->accepted = 0;
}

/* The chunk that is arriving, when it is one of this message. */
static void answer_current(
	struct worker *worker, struct connection *conn, const struct inbound *in, unsigned status)
{
	if (conn->transaction == NULL || conn->inbound != in)
		return;
	transaction_answer(worker, conn->transaction, status);
	conn->transaction = NULL;
}

/* The sender gets `status` for this chunk; the rest of the message is discarded, and those who got
 * a part of it get '#'. */
static void refuse(
	struct worker *worker, struct msrp_session *session, struct inbound *in, unsigned status)
{
	struct connection *conn = session->connection;
	struct message *message = in->message;

	worker->counters.messages_refused++;
	answer_current(worker, conn, in, status);
	head_put(worker, in);
	reorder_drop_all(worker, &session->share, &in->kept);
	if (in->state == INBOUND_HEAD)
		report_failure(worker, session, in, NULL, status);
	if (in->state == INBOUND_OPEN) {
		/* Chunks may be on their way to the room whose 200 is still to come: what is lost
		 * is reported when the last verdict is here. */
		give_end(worker, session, in, PAYLOAD_ABORTED, NULL);
		session->inbound_count++;
		/* The record stays to recognise the rest; the message is finished without it. */
		message->inbound = NULL;
		in->message = NULL;
	}
	in->state = INBOUND_REFUSED;
	in->status = (uint16_t)status;
}

/* A refused message is over; its record may have to wait for verdicts. */
static void refused_ends(struct worker *worker, struct inbound *in)
{
	if (in->verdicts == 0) {
		inbound_free(worker, in);
		return;
	}
	in->state = INBOUND_ENDED;
	in->session->inbound_count--;
}

/* ---- octets on their way to the room ---- */

/* How many of the last octets could be the start of seven dashes and one of our transaction ids. */
static size_t mark_may_begin(const uint8_t *octets, size_t len)
{
	size_t i = len, letters = 0, dashes = 0;

	while (i > 0 && letters < REPORT_TID_OCTETS &&
		((octets[i - 1] >= 'a' && octets[i - 1] <= 'z') ||
			(octets[i - 1] >= '2' && octets[i - 1] <= '7'))) {
		i--;
		letters++;
	}
	while (i > 0 && dashes < 7 && octets[i - 1] == '-') {
		i--;
		dashes++;
	}
	if (letters == 0)
		return dashes;
	return dashes == 7 ? 7 + letters : 0;
}

static bool emit(struct worker *worker, struct msrp_session *session, struct inbound *in,
	const uint8_t *octets, size_t len, struct buffer *buffer)
{
	struct connection *conn = session->connection;
	struct payload *payload;

	if (len == 0)
		return true;
	give(worker, conn);
	payload = payload_new(worker, (uint32_t)len, buffer, octets);
	if (payload == NULL)
		return false;
	if (in->sent == 0)
		payload->flags |= PAYLOAD_BEGIN;
	if (chunk_out_has_dashes(octets, len))
		payload->flags |= PAYLOAD_DASHES;
	payload->message = in->message;
	payload->inbound = in;
	payload->offset = in->sent;
	in->sent += len;
	if (in->recipients > 0)
		rate_take(worker, session, RATE_EGRESS, (uint64_t)len * in->recipients);
	conn->pending = payload;
	return true;
}

/* Body octets to the room. What may be the start of a transaction id's mark is held back until more
 * has come, so that a mark never lies across two payloads and each can be tested alone. */
static bool stream(struct worker *worker, struct msrp_session *session, struct inbound *in,
	const uint8_t *octets, size_t len, struct buffer *buffer)
{
	uint8_t piece[SESSION_DASHES_HELD + HELD_PIECE];
	size_t n, keep, total;

	while (len > 0 && in->held_len > 0) {
		n = len < HELD_PIECE ? len : HELD_PIECE;
		memcpy(piece, in->held, in->held_len);
		memcpy(piece + in->held_len, octets, n);
		total = in->held_len + n;
		keep = mark_may_begin(piece, total);
		if (!emit(worker, session, in, piece, total - keep, NULL))
			return false;
		if (keep > n || n == len) {
			memcpy(in->held, piece + total - keep, keep);
			in->held_len = (uint8_t)keep;
		} else {
			n -= keep;
			in->held_len = 0;
		}
		octets += n;
		len -= n;
	}
	if (len == 0)
		return true;
	keep = mark_may_begin(octets, len);
	memcpy(in->held, octets + len - keep, keep);
	in->held_len = (uint8_t)keep;
	return emit(worker, session, in, octets, len - keep, buffer);
}

/* RFC 7701 6.1, in the order of context.md 2.1: the status of a message whose CPIM head is
 * complete, as far as this leg decides. */
static unsigned check_head(const struct msrp_session *session, const struct cpim *cpim)
{
	const struct leg_conf *conf = session->conf;

	if (cpim->from.len == 0)
		return 403;
	if (!address_in(cpim->from, conf->identities) &&
		!(conf->alias.len > 0 && address_eq(cpim->from, address_of(conf->alias))))
		return 403;
	if (cpim->to_count == 0)
		return 400;
	if (cpim->to_count > 1 || cpim->cc_count > 0)
		return 403;
	if (cpim->to.len > MESSAGE_TO_OCTETS)
		return 404;
	if (conf->flags & MEMBER_MUTED)
		return 403;
	return 0;
}

/* The CPIM head is complete: the message begins. `rest` may follow it directly in the same
 * buffer. */
static unsigned begin(struct worker *worker, struct msrp_session *session, struct inbound *in,
	const struct cpim *cpim, const uint8_t *head, const uint8_t *rest, size_t rest_len,
	struct buffer *buffer)
{
	const struct leg_conf *conf = session->conf;
	uint8_t renamed[CPIM_HEAD_MAX + LEG_ALIAS_MAX + 8];
	size_t before, after, line, type_len;
	unsigned status = check_head(session, cpim);
	struct message *message;
	bool held;

	if (status != 0)
		return status;
	message = message_new(worker);
	in->spare = payload_new(worker, 0, NULL, NULL);
	if (message == NULL || in->spare == NULL) {
		if (message != NULL)
			pool_put(&worker->messages, message);
		return 413;
	}
	in->message = message;
	message->inbound = in;
	message->room = conf->room;
	message->counted = in->counted;
	message->id_hash = in->id_hash;
	message->failure_wanted = in->failure_report != FAILURE_REPORT_NO;
	message->sender = conf->leg_index;
	message->sender_participant = conf->participant;
	type_len = cpim->content_type.len < MESSAGE_TYPE_OCTETS ? cpim->content_type.len
								: MESSAGE_TYPE_OCTETS;
	if (type_len > 0)
		memcpy(message->type, cpim->content_type.at, type_len);
	message->type_len = (uint8_t)type_len;
	memcpy(message->to, cpim->to.at, cpim->to.len);
	message->to_len = (uint16_t)cpim->to.len;
	if (cpim->from.len <= MESSAGE_TO_OCTETS - cpim->to.len) {
		memcpy(message->to + cpim->to.len, cpim->from.at, cpim->from.len);
		message->from_len = (uint16_t)cpim->from.len;
	}
	message->no_private = conf->flags & MEMBER_NO_PRIVATE;
	message->total = in->total;
	in->state = INBOUND_OPEN;
	worker->counters.messages_in++;
	if (conf->alias.len > 0 && cpim->from_line.len > 0) {
		/* context.md 2.4: the alias stands in for the member; ranges follow by themselves,
		 * as they count what is sent. */
		before = (size_t)((const uint8_t *)cpim->from_line.at - head);
		after = before + cpim->from_line.len;
		line = conf->alias.len + 8;
		memcpy(renamed, head, before);
		memcpy(renamed + before, "From: ", 6);
		memcpy(renamed + before + 6, conf->alias.at, conf->alias.len);
		memcpy(renamed + before + 6 + conf->alias.len, "\r\n", 2);
		memcpy(renamed + before + line, head + after, cpim->head_len - after);
		if (message->total != BYTE_RANGE_UNKNOWN)
			message->total = message->total - cpim->from_line.len + line;
		held = stream(worker, session, in, renamed, before + line + cpim->head_len - after,
			       NULL) &&
		       stream(worker, session, in, rest, rest_len, buffer);
	} else if (rest == head + cpim->head_len) {
		held = stream(worker, session, in, head, cpim->head_len + rest_len, buffer);
	} else {
		held = stream(worker, session, in, head, cpim->head_len, NULL) &&
		       stream(worker, session, in, rest, rest_len, buffer);
	}
	return held ? 0 : 413;
}

/* ---- the CPIM head, when it comes in pieces ---- */

/* A leg has its share, and when all blocks are taken the one that has waited longest gives way:
 * heads that are begun and not gone on with keep nobody else from sending. */
static bool head_take(struct worker *worker, struct msrp_session *session, struct inbound *in)
{
	struct inbound *oldest = worker->heads_first;

	if (session->heads >= SESSION_HEADS_MAX ||
		session->share.octets + CPIM_HEAD_MAX > REORDER_LEG_MAX)
		return false;
	in->head = pool_get(&worker->heads);
	if (in->head == NULL && oldest != NULL &&
		worker->now_ms - oldest->touched_at >= HEAD_WAIT_MS) {
		worker->counters.heads_taken_over++;
		refuse(worker, oldest->session, oldest, 413);
		in->head = pool_get(&worker->heads);
	}
	if (in->head == NULL)
		return false;
	session->heads++;
	session->share.octets += CPIM_HEAD_MAX;
	head_link(worker, in);
	return true;
}

static void collect_head(struct worker *worker, struct msrp_session *session, struct inbound *in,
	const uint8_t *octets, size_t len, struct buffer *buffer)
{
	struct cpim cpim;
	unsigned status;
	size_t n = 0;
	int result;

	if (in->head == NULL) {
		/* Mostly the head comes whole: it is read where it lies. */
		result = cpim_parse(span_make(octets, len), &in->head_resume, &cpim);
		if (result == 0) {
			status = begin(worker, session, in, &cpim, octets, octets + cpim.head_len,
				len - cpim.head_len, buffer);
			goto out;
		}
		in->head_resume = 0;
		if (result != -EAGAIN) {
			status = 400;
			goto out;
		}
		if (!head_take(worker, session, in)) {
			status = 413;
			goto out;
		}
	} else {
		head_unlink(worker, in);
		head_link(worker, in); /* the one that was gone on with last */
	}
	n = sizeof(in->head->octets) - in->head_len;
	if (n > len)
		n = len;
	memcpy(in->head->octets + in->head_len, octets, n);
	in->head_len += (uint32_t)n;
	result = cpim_parse(span_make(in->head->octets, in->head_len), &in->head_resume, &cpim);
	if (result == -EAGAIN)
		return;
	if (result != 0) {
		status = 400;
	} else {
		/* What of these octets is body is read where it lies: no payload holds as much as
		 * the block. */
		size_t used = cpim.head_len - (in->head_len - n);

		status = begin(worker, session, in, &cpim, (const uint8_t *)in->head->octets,
			octets + used, len - used, buffer);
		head_put(worker, in);
	}
out:
	if (status != 0)
		refuse(worker, session, in, status);
}

/* Octets that follow the edge. */
static void advance(struct worker *worker, struct msrp_session *session, struct inbound *in,
	const uint8_t *octets, size_t len, struct buffer *buffer)
{
	in->edge += len;
	if (in->state == INBOUND_HEAD)
		collect_head(worker, session, in, octets, len, buffer);
	else if (!stream(worker, session, in, octets, len, buffer))
		refuse(worker, session, in, 413);
}

/* The chunk that may have closed a gap has ended: what was kept behind it goes on, and what it has
 * replaced goes. */
static void advance_kept(struct worker *worker, struct msrp_session *session, struct inbound *in)
{
	const uint8_t *octets;
	size_t len;

	if (in->kept.first == NULL)
		return;
	while (in->state != INBOUND_REFUSED &&
		(octets = reorder_run(&in->kept, in->edge, &len)) != NULL)
		advance(worker, session, in, octets, len, NULL);
	reorder_drop_before(worker, &session->share, &in->kept, in->edge);
}

/* ---- chunks ---- */

static unsigned check_chunk(
	struct worker *worker, const struct msrp_session *session, const struct chunk *chunk)
{
	uint64_t limit =
		atomic_load_explicit(&session->conf->room->max_message, memory_order_relaxed);
	struct span type = chunk->content_type;
	struct span bare = span_trim(span_cut(&type, ';'));

	if (chunk->refuse != 0)
		return chunk->refuse;
	if (session->removing)
		return 481;
	if (!session->member)
		return 403;
	if (!span_eq_nocase(bare, SPAN_LITERAL("message/cpim")))
		return 415; /* RFC 7701 6.1 */
	if (chunk->message_id.len == 0 || chunk->message_id.len > CHUNK_TID_MAX)
		return 400; /* RFC 4975 7.1.1: every SEND with content has one */
	if (limit > 0 && chunk->has_range &&
		(chunk->range.start - 1 > limit ||
			(chunk->range.total != BYTE_RANGE_UNKNOWN && chunk->range.total > limit)))
		return 413;
	return 0;
}

/* RFC 4975 7.1.1: the total is that of the message, so all chunks that name one name the same; and
 * nothing can have come from behind it. */
static bool totals_agree(const struct inbound *in, const struct chunk *chunk)
{
	uint64_t total = chunk->has_range ? chunk->range.total : BYTE_RANGE_UNKNOWN;

	return total == BYTE_RANGE_UNKNOWN ||
	       ((in->total == BYTE_RANGE_UNKNOWN || in->total == total) && in->reach <= total);
}

/* Is there a place for one more open message? Refused ones, of which perhaps nothing more comes,
 * give way. */
static bool has_place(struct worker *worker, struct msrp_session *session)
{
	struct inbound *in, *oldest = NULL;

	if (session->inbound_count < worker->shared->open_messages)
		return true;
	for (in = session->inbound; in != NULL; in = in->next)
		if (in->state == INBOUND_REFUSED)
			oldest = in; /* new ones are put in front */
	if (oldest == NULL)
		return false;
	refused_ends(worker, oldest);
	return true;
}

/* A REPORT about a SEND that has no record. */
static void want_report(struct connection *conn, const struct chunk *chunk)
{
	if (!chunk->success_report)
		return;
	conn->report_wanted = true;
	conn->id_len = (uint8_t)chunk->message_id.len;
	memcpy(conn->id, chunk->message_id.at, chunk->message_id.len);
}

static void answer_now(struct worker *worker, struct connection *conn, unsigned status)
{
	if (conn->transaction != NULL)
		transaction_answer(worker, conn->transaction, status);
	conn->transaction = NULL;
}

/* There is no memory to remember whom to answer: as without memory for the answer, the connection
 * cannot go on in good order. */
static enum inbound_take unanswerable(struct worker *worker, struct connection *conn)
{
	conn->broken = true;
	connection_mark_dirty(worker, conn);
	return INBOUND_TAKE;
}

enum inbound_take inbound_send(
	struct worker *worker, struct msrp_session *session, const struct chunk *chunk)
{
	struct connection *conn = session->connection;
	uint64_t hash, start = chunk->has_range ? chunk->range.start : 1;
	struct inbound *in = NULL;
	bool named, known = false;
	unsigned status;

	/* Bound before the focus has let it in. What it sends is read then, and its bind answered:
	 * who has that answer is a member, and misses nothing that begins from then on. */
	if (!session->member && !session->was_member)
		return INBOUND_WAIT;
	named = chunk->message_id.len > 0 && chunk->message_id.len <= CHUNK_TID_MAX;
	conn->current = session;
	conn->inbound = NULL;
	conn->transaction = NULL;
	conn->chunk_at = start;
	conn->report_wanted = false;
	/* A malformed part of a message that is open ends it, also where it has no Content-Type and
	 * so no body that counts as one. */
	conn->bodiless = !chunk->has_body &&
			 (chunk->refuse == 0 || inbound_find(session, chunk->message_id,
							hash_id(chunk->message_id)) == NULL);
	if (conn->bodiless) {
		/* RFC 4975 7.1: binds or keeps alive; answered like any SEND, never forwarded. */
		conn->transaction = transaction_new(worker, session, chunk);
		if (conn->transaction == NULL)
			return unanswerable(worker, conn);
		if (chunk->refuse == 0 && named)
			want_report(conn, chunk);
		if (chunk->refuse != 0)
			answer_now(worker, conn, chunk->refuse);
		return INBOUND_TAKE;
	}
	status = check_chunk(worker, session, chunk);
	hash = hash_id(chunk->message_id);
	if (named)
		in = inbound_find(session, chunk->message_id, hash);
	if (in != NULL && in->state == INBOUND_REFUSED && start == 1) {
		refused_ends(worker, in); /* it is sent anew */
		in = NULL;
	}
	if (in == NULL) {
		known = status == 0 && id_is_known(session, hash);
		rate_take(worker, session, RATE_MESSAGES, 1);
		if (status == 0 && !known && worker->drain.phase != DRAIN_NONE)
			status = 413; /* nothing begins any more */
		if (known)
			/* RFC 4975 7.3.1: acknowledged as usual, not delivered again. */
			worker->counters.messages_duplicate++;
		else if (status == 0 && worker->pressure >= PRESSURE_MESSAGES)
			worker->counters.messages_refused_memory++;
		else if ((status == 0 || status == 413) && has_place(worker, session))
			in = inbound_new(worker, session, chunk, hash);
		if (in == NULL && !known && status == 0)
			status = 413; /* and no record is left */
	}
	if (known && !has_ended(session, chunk->message_id, hash))
		want_report(conn, chunk); /* else the REPORT of the first is still to come */
	conn->inbound = in;
	conn->transaction = transaction_new(worker, session, chunk);
	if (conn->transaction == NULL)
		return unanswerable(worker, conn);
	if (in == NULL) {
		if (!known)
			answer_now(worker, conn, status);
		return INBOUND_TAKE;
	}
	conn->chunk_end = chunk->has_range ? chunk->range.end : BYTE_RANGE_UNKNOWN;
	in->touched_at = worker->now_ms;
	if (in->state == INBOUND_REFUSED)
		answer_now(worker, conn, in->status);
	else if (status != 0)
		refuse(worker, session, in, status);
	else if (!totals_agree(in, chunk))
		refuse(worker, session, in, 400);
	else if (chunk->has_range && chunk->range.total != BYTE_RANGE_UNKNOWN)
		in->total = chunk->range.total;
	return INBOUND_TAKE;
}

void inbound_body(struct worker *worker, struct msrp_session *session, struct span octets,
	struct buffer *buffer)
{
	struct connection *conn = session->connection;
	struct inbound *in = conn->inbound;
	uint64_t limit, at = conn->chunk_at, last = at + octets.len - 1;
	size_t skip;

	conn->chunk_at += octets.len;
	if (in == NULL || in->state == INBOUND_REFUSED)
		return;
	in->touched_at = worker->now_ms;
	limit = atomic_load_explicit(&session->conf->room->max_message, memory_order_relaxed);
	if (limit > 0 && last > limit) {
		/* While the chunk is still arriving: RFC 4975 10.5. */
		refuse(worker, session, in, 413);
		return;
	}
	if (in->total != BYTE_RANGE_UNKNOWN && last > in->total) {
		refuse(worker, session, in, 400);
		return;
	}
	if (last > in->reach)
		in->reach = last;
	if (at > in->edge + 1) {
		if (!reorder_put(worker, &session->share, &in->kept, at - 1,
			    (const uint8_t *)octets.at, octets.len))
			refuse(worker, session, in, 413);
		return;
	}
	/* Octets behind the edge have been forwarded already (context.md 2.2). */
	skip = in->edge + 1 - at < octets.len ? (size_t)(in->edge + 1 - at) : octets.len;
	if (skip < octets.len)
		advance(worker, session, in, (const uint8_t *)octets.at + skip, octets.len - skip,
			buffer);
}

void inbound_pause(struct worker *worker, struct msrp_session *session)
{
	give(worker, session->connection);
}

/* A REPORT about octets that no record is kept of: of a SEND without content, or of a duplicate. */
static void report_unkept(struct worker *worker, struct msrp_session *session, uint64_t octets)
{
	struct connection *conn = session->connection;
	struct inbound in = { .edge = octets, .id_len = conn->id_len };

	if (!conn->report_wanted)
		return;
	memcpy(in.id, conn->id, conn->id_len);
	send_report(worker, session, &in, NULL, 200);
}

/* What was held back as the possible start of a mark: nothing follows it any more. */
static bool held_emit(struct worker *worker, struct msrp_session *session, struct inbound *in)
{
	uint8_t held[SESSION_DASHES_HELD];
	size_t len = in->held_len;

	memcpy(held, in->held, len);
	in->held_len = 0;
	return emit(worker, session, in, held, len, NULL);
}

/* The end of a chunk whose octets are with the room: it is answered when the room has seen all of
 * them. */
static void give_chunk_end(
	struct worker *worker, struct connection *conn, struct inbound *in, struct transaction *tx)
{
	if (conn->pending != NULL && conn->pending->inbound != in)
		give(worker, conn);
	if (conn->pending == NULL) {
		struct payload *marker = payload_new(worker, 0, NULL, NULL);

		if (marker == NULL) {
			transaction_answer(worker, tx, 200);
			return;
		}
		marker->message = in->message;
		marker->inbound = in;
		marker->offset = in->sent;
		conn->pending = marker;
	}
	conn->pending->flags |= PAYLOAD_CHUNK_END;
	conn->pending->transaction = tx;
	give(worker, conn);
}

/* Does the end of the chunk contradict its range, or what else is known of the message? */
static bool end_lies(
	const struct connection *conn, const struct inbound *in, uint64_t last, char flag)
{
	if (conn->chunk_end != BYTE_RANGE_UNKNOWN && conn->chunk_end != last)
		return true;
	return flag == '$' &&
	       (in->reach > last || (in->total != BYTE_RANGE_UNKNOWN && in->total != last));
}

void inbound_end(struct worker *worker, struct msrp_session *session, char flag)
{
	struct connection *conn = session->connection;
	uint64_t last = conn->chunk_at - 1;
	struct inbound *in = conn->inbound;
	struct transaction *tx;

	conn->current = NULL;
	if (conn->bodiless) {
		answer_now(worker, conn, 200);
		report_unkept(worker, session, 0);
		return;
	}
	if (in == NULL) {
		answer_now(worker, conn, 200); /* a duplicate; all else has its answer */
		if (flag == '$')
			report_unkept(worker, session, last);
		return;
	}
	if (in->state != INBOUND_REFUSED && flag != '#') {
		/* A definite end that disagrees with what came: 400, and the recipients get '#'.
		 * The stream stays framed. */
		if (end_lies(conn, in, last, flag))
			refuse(worker, session, in, 400);
		if (in->state != INBOUND_REFUSED && flag == '$') {
			in->ends = true;
			in->total = last;
		}
		if (in->state != INBOUND_REFUSED)
			advance_kept(worker, session, in);
	}
	if (in->state == INBOUND_HEAD && in->ends && in->edge == in->total)
		refuse(worker, session, in, 400); /* it ended within its CPIM head */
	if (in->state == INBOUND_OPEN && flag != '#' && in->ends && in->edge == in->total &&
		in->held_len > 0 && !held_emit(worker, session, in))
		refuse(worker, session, in, 413);
	tx = conn->transaction;
	conn->transaction = NULL;
	conn->inbound = NULL;
	if (in->state == INBOUND_REFUSED) {
		/* Answered when it was refused. */
		if (flag != '+')
			refused_ends(worker, in);
	} else if (flag == '#') {
		/* The sender's own will: nothing of it is lost that it would have to be told. */
		worker->counters.messages_aborted += in->state == INBOUND_OPEN;
		reorder_drop_all(worker, &session->share, &in->kept);
		if (in->state == INBOUND_OPEN) {
			give_end(worker, session, in, PAYLOAD_ABORTED, tx);
			return;
		}
		if (tx != NULL)
			transaction_answer(worker, tx, 200);
		inbound_free(worker, in);
	} else if (in->ends && in->edge == in->total) {
		worker->counters.messages_whole++;
		/* From here on, not from the verdict: the next request may be the same message
		 * again. */
		id_remember(worker, session, in->id_hash);
		give_end(worker, session, in, PAYLOAD_WHOLE, tx);
	} else if (tx == NULL) {
		return;
	} else if (in->state == INBOUND_HEAD || last > in->edge) {
		/* Taken, and not with the room yet. */
		if (last > in->accepted)
			in->accepted = last;
		transaction_answer(worker, tx, 200);
	} else {
		tx->last = last;
		give_chunk_end(worker, conn, in, tx);
	}
}

/* ---- what the room says ---- */

void inbound_verdict(struct worker *worker, struct payload *payload)
{
	struct transaction *tx = payload->transaction;
	const struct message *message = payload->message;
	struct inbound *in = payload->inbound;
	unsigned status = payload->status;
	uint8_t flags = payload->flags;

	if (flags & PAYLOAD_BEGIN && status == 200 && in->session != NULL) {
		/* Known only now: what was given until then is paid for now. */
		in->recipients = payload->message->recipients;
		rate_take(worker, in->session, RATE_EGRESS, in->sent * in->recipients);
	}
	if (tx != NULL) {
		if (status == 200 && tx->last > in->accepted)
			in->accepted = tx->last;
		transaction_answer(worker, tx, status);
	}
	in->private |= (flags & PAYLOAD_PRIVATE) != 0;
	payload_drop(worker, payload);
	in->verdicts--;
	if (in->state == INBOUND_GONE) {
		if (in->verdicts == 0)
			pool_put(&worker->inbounds, in);
		return;
	}
	if (in->status != 0) {
		if (in->verdicts > 0)
			return;
		/* The room sent this before the message can come home. */
		if (in->session != NULL)
			report_failure(worker, in->session, in, message, in->status);
		if (in->state == INBOUND_ENDED)
			inbound_free(worker, in);
		return;
	}
	if (in->state == INBOUND_OPEN && status != 200 && in->session != NULL) {
		refuse(worker, in->session, in, status);
		return;
	}
	if (in->state != INBOUND_ENDED || !(flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED)))
		return;
	if (flags & PAYLOAD_WHOLE && status != 200 && in->session != NULL) {
		message_ids_forget(in->session->ids, (uint32_t)in->id_hash);
		report_failure(worker, in->session, in, in->message, status);
	}
	if (flags & PAYLOAD_WHOLE && status == 200 && in->session != NULL) {
		/* The room sent this before the message can come home. */
		if (in->message->tracked)
			return; /* inbound_report_ready */
		if (in->success_report && !in->message->unreported)
			send_report(worker, in->session, in, NULL, 200);
	} else if (flags & PAYLOAD_WHOLE && status == 200 && in->success_report) {
		worker->counters.reports_lost++;
	}
	inbound_free(worker, in);
}

void inbound_report_ready(struct worker *worker, struct message *message)
{
	struct inbound *in = message->inbound;

	if (in != NULL) {
		/* One REPORT: between two a failure takes the place of what else it would say. */
		if (message->whole && in->session != NULL && message->failed != 0) {
			worker->counters.reports_failed++;
			send_report(worker, in->session, in, message->counted ? message : NULL,
				message->failed);
		} else if (message->whole && in->session != NULL && in->success_report) {
			send_report(
				worker, in->session, in, message->counted ? message : NULL, 200);
		} else if (message->whole && (in->success_report || message->failed != 0)) {
			worker->counters.reports_lost++;
		}
		inbound_free(worker, in);
	}
	message_drop(worker, message);
}

void inbound_message_home(struct worker *worker, struct message *message)
{
	if (message->inbound != NULL)
		message->inbound->message = NULL;
	pool_put(&worker->messages, message);
}

void inbound_tick(struct worker *worker, struct msrp_session *session)
{
	struct inbound *in, *next;

	for (in = session->inbound; in != NULL; in = next) {
		next = in->next;
		if (in->state == INBOUND_ENDED ||
			worker->now_ms - in->touched_at < worker->shared->chunk_reception_ms)
			continue;
		if (in->state != INBOUND_REFUSED) {
			/* RFC 7701 6.1: the chunk reception timer. context.md 1.6: 408 is never
			 * said. */
			worker->counters.messages_aborted++;
			refuse(worker, session, in, 413);
		}
		if (session->connection->inbound != in)
			refused_ends(worker, in);
	}
}

void inbound_refuse_open(struct worker *worker, struct msrp_session *session, unsigned status)
{
	struct inbound *in, *next;

	for (in = session->inbound; in != NULL; in = next) {
		next = in->next;
		if (in->state == INBOUND_HEAD || in->state == INBOUND_OPEN)
			refuse(worker, session, in, status);
	}
}

bool inbound_is_open(const struct msrp_session *session)
{
	const struct inbound *in = session->inbound;

	while (in != NULL && in->state != INBOUND_HEAD && in->state != INBOUND_OPEN)
		in = in->next;
	return in != NULL;
}

void inbound_abandon_all(struct worker *worker, struct msrp_session *session)
{
	struct connection *conn = session->connection;
	struct inbound *in, *next;

	for (in = session->inbound; in != NULL; in = next) {
		next = in->next;
		if (conn->dead)
			in->failure_report = FAILURE_REPORT_NO; /* nobody is there to be told */
		if (in->state == INBOUND_HEAD || in->state == INBOUND_OPEN) {
			/* RFC 7701 6.1: those who got a part of it are told that no more comes. */
			worker->counters.messages_aborted++;
			answer_current(worker, conn, in, 413);
			report_failure(worker, session, in, in->message, 413);
			refuse(worker, session, in, 413);
		} else if (in->status != 0) {
			report_failure(worker, session, in, NULL, in->status);
		}
		if (in->state == INBOUND_ENDED)
			inbound_unlink(in); /* the room's verdict frees it */
		else
			inbound_free(worker, in);
	}
	give(worker, conn);
}
