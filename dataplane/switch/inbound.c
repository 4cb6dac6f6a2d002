/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/inbound.h"
#include <string.h>
#include "dataplane/msrp/chunk_out.h"
#include "dataplane/msrp/cpim.h"
#include "dataplane/switch/address.h"
#include "dataplane/worker.h"

#define HELD_PIECE 64u /* octets put behind held ones to find out whether they matter */
#define TID_OCTETS 13
#define TEXTS_KEPT 64u

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

static void inbound_free(struct worker *worker, struct inbound *in)
{
	inbound_unlink(in);
	if (in->message != NULL)
		in->message->inbound = NULL;
	if (in->spare != NULL)
		payload_drop(worker, in->spare);
	if (in->head != NULL)
		pool_put(&worker->texts, in->head);
	if (in->from_text != NULL)
		pool_put(&worker->texts, in->from_text);
	if (in->verdicts > 0)
		in->state = INBOUND_GONE; /* payloads that name it are still out */
	else
		pool_put(&worker->inbounds, in);
}

static bool id_is_known(const struct msrp_session *session, uint64_t hash)
{
	unsigned i;

	if (session->ids == NULL)
		return false;
	for (i = 0; i < SESSION_IDS_KEPT; i++)
		if (session->ids->hashes[i] == hash)
			return true;
	return false;
}

static void id_remember(struct worker *worker, struct msrp_session *session, uint64_t hash)
{
	if (session->ids == NULL) {
		session->ids = pool_get(&worker->ids);
		if (session->ids == NULL)
			return; /* a duplicate would be delivered again: better than refusing the message */
		memset(session->ids, 0, sizeof(*session->ids));
	}
	session->ids->hashes[session->ids->next++ % SESSION_IDS_KEPT] = hash;
}

/* The room refused it: the same message may be tried again. */
static void id_forget(struct msrp_session *session, uint64_t hash)
{
	unsigned i;

	for (i = 0; session->ids != NULL && i < SESSION_IDS_KEPT; i++)
		if (session->ids->hashes[i] == hash)
			session->ids->hashes[i] = 0;
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
		.counted = chunk->success_report && chunk->include_sent_count,
		.failure_wanted = chunk->failure_report != FAILURE_REPORT_NO,
		.touched_at = worker->now_ms,
		.id_len = (uint8_t)chunk->message_id.len };
	memcpy(in->id, chunk->message_id.at, chunk->message_id.len);
	if (chunk->success_report && !peer_path && chunk->from_path.len <= CHUNK_HEADER_MAX) {
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

/* The sender gets `status` for this chunk; the rest of the message is discarded, and those who got
 * a part of it get '#'. */
static void refuse(
	struct worker *worker, struct msrp_session *session, struct inbound *in, unsigned status)
{
	struct connection *conn = session->connection;
	struct message *message = in->message;

	worker->counters.messages_refused++;
	if (conn->transaction != NULL && conn->inbound == in) {
		transaction_answer(worker, conn->transaction, status);
		conn->transaction = NULL;
	}
	if (in->state == INBOUND_OPEN) {
		give_end(worker, session, in, PAYLOAD_ABORTED, NULL);
		session->inbound_count++;
		/* The record stays to recognise the rest; the message is finished without it. */
		message->inbound = NULL;
		in->message = NULL;
	}
	in->state = INBOUND_REFUSED;
	in->status = (uint16_t)status;
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
	uint8_t renamed[CPIM_HEAD_MAX + 512];
	size_t before, after, line, type_len;
	unsigned status = check_head(session, cpim);
	struct message *message;
	bool held;

	if (status != 0)
		return status;
	if (cpim->head_len + conf->alias.len + 8 > sizeof(renamed))
		return 400;
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
	message->failure_wanted = in->failure_wanted;
	message->sender = conf->leg_index;
	message->sender_participant = conf->participant;
	type_len = cpim->content_type.len < MESSAGE_TYPE_OCTETS ? cpim->content_type.len
								: MESSAGE_TYPE_OCTETS;
	if (type_len > 0)
		memcpy(message->type, cpim->content_type.at, type_len);
	message->type_len = (uint8_t)type_len;
	memcpy(message->to, cpim->to.at, cpim->to.len);
	message->to_len = (uint16_t)cpim->to.len;
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
	if (limit > 0 && chunk->has_range && chunk->range.total != BYTE_RANGE_UNKNOWN &&
		chunk->range.total > limit)
		return 413;
	return 0;
}

/* There is no memory to remember whom to answer: as without memory for the answer, the connection cannot
 * go on in good order. */
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
	struct inbound *in;
	unsigned status;

	/* Bound before the focus has let it in. What it sends is read then, and its bind answered:
	 * who has that answer is a member, and misses nothing that begins from then on. */
	if (!session->member && !session->was_member)
		return INBOUND_WAIT;
	conn->current = session;
	conn->inbound = NULL;
	conn->transaction = NULL;
	conn->skip = conn->chunk_octets = 0;
	conn->has_range = chunk->has_range;
	conn->range = chunk->range;
	/* A malformed part of a message that is open ends it, also where it has no Content-Type and
	 * so no body that counts as one. */
	conn->bodiless = !chunk->has_body &&
			 (chunk->refuse == 0 || inbound_find(session, chunk->message_id,
							hash_id(chunk->message_id)) == NULL);
	conn->report_wanted = false;
	if (conn->bodiless) {
		/* RFC 4975 7.1: binds or keeps alive; answered like any SEND, never forwarded. */
		conn->transaction = transaction_new(worker, session, chunk);
		if (conn->transaction == NULL)
			return unanswerable(worker, conn);
		conn->report_wanted = chunk->success_report && chunk->refuse == 0 &&
				      chunk->message_id.len > 0 &&
				      chunk->message_id.len <= sizeof(conn->id);
		if (conn->report_wanted) {
			conn->id_len = (uint8_t)chunk->message_id.len;
			memcpy(conn->id, chunk->message_id.at, chunk->message_id.len);
		}
		conn->has_range = false;
		if (chunk->refuse != 0) {
			transaction_answer(worker, conn->transaction, chunk->refuse);
			conn->transaction = NULL;
		}
		return INBOUND_TAKE;
	}
	status = check_chunk(worker, session, chunk);
	hash = hash_id(chunk->message_id);
	in = chunk->message_id.len > 0 && chunk->message_id.len <= CHUNK_TID_MAX
		     ? inbound_find(session, chunk->message_id, hash)
		     : NULL;
	if (in == NULL) {
		rate_take(worker, session, RATE_MESSAGES, 1);
		if (status == 0 && id_is_known(session, hash)) {
			worker->counters.messages_duplicate++;
			status =
				200; /* RFC 4975 7.3.1: acknowledged as usual, not delivered again */
		} else if (status == 0 && start != 1) {
			/* The beginning has not come, or was refused: nothing that could be
			 * forwarded in order. */
			status = 413;
		} else if (status == 0 && worker->drain.phase != DRAIN_NONE) {
			status = 413; /* nothing begins any more */
		}
		/* One too many leaves no record: what follows of it does not begin with 1, and is
		 * refused for that. */
		if (session->inbound_count >= worker->shared->open_messages && status == 0) {
			status = 413;
		} else if (worker->pressure >= PRESSURE_MESSAGES && status == 0) {
			worker->counters.messages_refused_memory++;
			status = 413;
		} else if (status == 0 ||
			   (status == 413 &&
				   session->inbound_count < worker->shared->open_messages)) {
			in = inbound_new(worker, session, chunk, hash);
			if (in == NULL)
				status = 413;
		}
	}
	conn->inbound = in;
	conn->transaction = transaction_new(worker, session, chunk);
	if (conn->transaction == NULL)
		return unanswerable(worker, conn);
	if (in == NULL || (status != 0 && status != 413)) {
		if (in != NULL)
			refuse(worker, session, in, status);
		if (conn->transaction != NULL)
			transaction_answer(worker, conn->transaction, status);
		conn->transaction = NULL;
		return INBOUND_TAKE;
	}
	in->touched_at = worker->now_ms;
	if (in->state == INBOUND_REFUSED)
		return INBOUND_TAKE; /* answered at its end, with the same status */
	if (status != 0 || start > in->edge + 1) {
		refuse(worker, session, in, 413);
		return INBOUND_TAKE;
	}
	/* Octets behind the edge have been forwarded already (context.md 2.2). */
	conn->skip = in->edge + 1 - start;
	if (chunk->has_range && chunk->range.total != BYTE_RANGE_UNKNOWN)
		in->total = chunk->range.total;
	return INBOUND_TAKE;
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
		/* Some are kept for long paths, so that answers do not depend on who collects
		 * heads. */
		in->head = worker->texts.free_count > TEXTS_KEPT ? pool_get(&worker->texts) : NULL;
		if (in->head == NULL) {
			status = 413;
			goto out;
		}
	}
	n = sizeof(in->head->octets) - in->head_len;
	if (n > len)
		n = len;
	memcpy(in->head->octets + in->head_len, octets, n);
	in->head_len += (uint32_t)n;
	result = cpim_parse(span_make(in->head->octets, in->head_len), &in->head_resume, &cpim);
	if (result == -EAGAIN && in->head_len < sizeof(in->head->octets))
		return;
	if (result != 0) {
		status = 400;
	} else {
		/* What of these octets is body is read where it lies: no payload holds as much as
		 * the block. */
		size_t used = cpim.head_len - (in->head_len - n);

		status = begin(worker, session, in, &cpim, (const uint8_t *)in->head->octets,
			octets + used, len - used, buffer);
		pool_put(&worker->texts, in->head);
		in->head = NULL;
	}
out:
	if (status != 0)
		refuse(worker, session, in, status);
}

void inbound_body(struct worker *worker, struct msrp_session *session, struct span octets,
	struct buffer *buffer)
{
	struct connection *conn = session->connection;
	struct inbound *in = conn->inbound;
	uint64_t limit;
	size_t skip;

	conn->chunk_octets += octets.len;
	if (in == NULL || in->state == INBOUND_REFUSED)
		return;
	skip = conn->skip < octets.len ? conn->skip : octets.len;
	conn->skip -= skip;
	octets.at += skip;
	octets.len -= skip;
	if (octets.len == 0)
		return;
	in->edge += octets.len;
	in->touched_at = worker->now_ms;
	limit = atomic_load_explicit(&session->conf->room->max_message, memory_order_relaxed);
	if (limit > 0 && in->edge > limit) {
		refuse(worker, session, in,
			413); /* while the chunk is still arriving: RFC 4975 10.5 */
		return;
	}
	if (in->total != BYTE_RANGE_UNKNOWN && in->edge > in->total) {
		refuse(worker, session, in, 400);
		return;
	}
	if (in->state == INBOUND_HEAD)
		collect_head(worker, session, in, (const uint8_t *)octets.at, octets.len, buffer);
	else if (!stream(worker, session, in, (const uint8_t *)octets.at, octets.len, buffer))
		refuse(worker, session, in, 413);
}

void inbound_pause(struct worker *worker, struct msrp_session *session)
{
	give(worker, session->connection);
}

static void send_report(struct worker *worker, struct msrp_session *session,
	const struct inbound *in, const struct message *counted, uint16_t status)
{
	struct chunk_out_report report = {
		.to_path = in->from_text != NULL ? span_make(in->from_text->octets, in->from_len)
						 : session->conf->path,
		.from_path = session->conf->uri,
		.message_id = span_make(in->id, in->id_len),
		.range = { 1, in->edge, in->edge },
		.status = status,
	};
	char tid[TID_OCTETS];
	size_t len;

	if (counted != NULL) {
		report.has_count = counted->count_known;
		report.count = counted->count;
		if (!counted->count_known)
			worker->counters.reports_uncounted++;
	}
	worker_random_text(worker, tid, TID_OCTETS);
	report.tid = span_make(tid, TID_OCTETS);
	len = chunk_out_report(worker->scratch, sizeof(worker->scratch), &report);
	if (len > 0 && connection_write(worker, session->connection, worker->scratch, len))
		worker->counters.reports_out++;
	else
		worker->counters.reports_lost++;
}

static void end_bodiless(struct worker *worker, struct msrp_session *session)
{
	struct connection *conn = session->connection;
	struct inbound in = { .edge = 0 };

	if (conn->transaction != NULL)
		transaction_answer(worker, conn->transaction, 200);
	conn->transaction = NULL;
	if (conn->report_wanted) {
		in.id_len = conn->id_len;
		memcpy(in.id, conn->id, conn->id_len);
		send_report(worker, session, &in, NULL, 200);
	}
}

void inbound_end(struct worker *worker, struct msrp_session *session, char flag)
{
	struct connection *conn = session->connection;
	struct transaction *tx = conn->transaction;
	struct inbound *in = conn->inbound;
	bool lies;

	conn->current = NULL;
	if (conn->bodiless) {
		end_bodiless(worker, session);
		return;
	}
	/* A definite end that disagrees with what came: 400, and the recipients get '#'. The stream
	 * stays framed. */
	lies = flag != '#' && conn->has_range &&
	       ((conn->range.end != BYTE_RANGE_UNKNOWN &&
			conn->chunk_octets != conn->range.end + 1 - conn->range.start) ||
		       (flag == '$' && in != NULL && in->state != INBOUND_REFUSED &&
			       in->total != BYTE_RANGE_UNKNOWN && in->edge != in->total));
	if (in != NULL && in->state != INBOUND_REFUSED) {
		if (lies)
			refuse(worker, session, in, 400);
		else if (flag == '$' && in->state == INBOUND_HEAD)
			refuse(worker, session, in, 400); /* it ended within its CPIM head */
		tx = conn->transaction;
	}
	conn->transaction = NULL;
	conn->inbound = NULL;
	if (in == NULL || in->state == INBOUND_REFUSED) {
		if (tx != NULL)
			transaction_answer(worker, tx, in != NULL ? in->status : 200);
		if (in != NULL && flag != '+')
			inbound_free(worker, in);
		return;
	}
	if (in->state == INBOUND_HEAD) {
		if (tx != NULL)
			transaction_answer(worker, tx, 200);
		if (flag == '#')
			inbound_free(worker, in);
		return;
	}
	if (flag == '#') {
		worker->counters.messages_aborted++;
		give_end(worker, session, in, PAYLOAD_ABORTED, tx);
		return;
	}
	if (flag == '$') {
		if (in->held_len > 0) {
			uint8_t held[SESSION_DASHES_HELD];
			size_t len = in->held_len;

			memcpy(held, in->held, len);
			in->held_len = 0;
			if (!emit(worker, session, in, held, len, NULL)) {
				conn->transaction = tx;
				conn->inbound = in;
				refuse(worker, session, in, 413);
				inbound_free(worker, in);
				return;
			}
		}
		worker->counters.messages_whole++;
		/* From here on, not from the verdict: the next request may be the same message
		 * again. */
		id_remember(worker, session, in->id_hash);
		give_end(worker, session, in, PAYLOAD_WHOLE, tx);
		return;
	}
	/* '+': the chunk is answered when the room has seen all of it. */
	if (tx == NULL)
		return;
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

/* ---- what the room says ---- */

void inbound_verdict(struct worker *worker, struct payload *payload)
{
	struct transaction *tx = payload->transaction;
	struct inbound *in = payload->inbound;
	unsigned status = payload->status;
	uint8_t flags = payload->flags;

	if (flags & PAYLOAD_BEGIN && status == 200 && in->session != NULL) {
		/* Known only now: what was given until then is paid for now. */
		in->recipients = payload->message->recipients;
		rate_take(worker, in->session, RATE_EGRESS, in->sent * in->recipients);
	}
	if (tx != NULL)
		transaction_answer(worker, tx, status);
	payload_drop(worker, payload);
	in->verdicts--;
	if (in->state == INBOUND_GONE) {
		if (in->verdicts == 0)
			pool_put(&worker->inbounds, in);
		return;
	}
	if (in->state == INBOUND_OPEN && status != 200 && in->session != NULL) {
		refuse(worker, in->session, in, status);
		return;
	}
	if (in->state != INBOUND_ENDED || !(flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED)))
		return;
	if (flags & PAYLOAD_WHOLE && status != 200 && in->session != NULL)
		id_forget(in->session, in->id_hash);
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
		/* RFC 7701 6.1: the chunk reception timer. */
		if (session->connection->inbound == in || in->state == INBOUND_OPEN) {
			worker->counters.messages_aborted++;
			refuse(worker, session, in, 408);
		} else {
			inbound_free(worker, in);
		}
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
		if (in->state == INBOUND_OPEN) {
			/* RFC 7701 6.1: those who got a part of it are told that no more comes. */
			worker->counters.messages_aborted++;
			give_end(worker, session, in, PAYLOAD_ABORTED, NULL);
			inbound_unlink(in);
		} else if (in->state == INBOUND_ENDED) {
			inbound_unlink(in); /* the room's verdict frees it */
		} else {
			inbound_free(worker, in);
		}
	}
	give(worker, conn);
}
