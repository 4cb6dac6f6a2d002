/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/connection.h"
#include <stdlib.h>
#include <string.h>
#include "dataplane/msrp/chunk_out.h"
#include "dataplane/msrp/path.h"
#include "dataplane/worker.h"

#define CLOSING_MS                                                                                 \
	5000 /* a peer that does not take the last answers is not waited for any longer */
#define WAIT_SHARED_MS 2000         /* for a membership, before others that share the connection */
#define DISPLACED_MAX  4            /* connections closed to make room for one */
#define UNFINISHED_MS  2000         /* when memory is low */
#define FLUSH_WRITE    (16u * 1024) /* octets that cost about as much as a write */
#define FLUSH_SHARE    64           /* writes for a room before it is another's turn: 0.2 ms */
#define FLUSH_TURN     2048         /* writes before the sockets are read again: some 7 ms */
#define READ_MIN       (16u * 1024) /* less room than this in a receive buffer: the next one */

/* ---- life ---- */

/* Somebody who opens connections and binds nothing must not keep those out who are to come back:
 * the one that has been without a session for longest goes. False: every connection carries one. */
static bool displace(struct worker *worker)
{
	struct connection *conn = TAILQ_FIRST(&worker->unused);

	/* One whose binding is being decided is as good as used. */
	while (conn != NULL && conn->binding != NULL)
		conn = TAILQ_NEXT(conn, life);
	if (conn == NULL)
		return false;
	worker->counters.connections_displaced++;
	connection_close(worker, conn, LEG_CAUSE_TIMEOUT);
	return true;
}

static struct connection *connection_new(struct worker *worker, struct tcp_conn *tcp)
{
	struct connection *conn = pool_get(&worker->connections);

	/* A record that a list still holds is free only at the end of the turn. */
	for (unsigned i = 0; conn == NULL && i < DISPLACED_MAX && displace(worker); i++)
		conn = pool_get(&worker->connections);
	if (conn == NULL)
		return NULL;
	memset(conn, 0, sizeof(*conn));
	chunk_in_init(&conn->in);
	conn->worker = worker;
	conn->tcp = tcp;
	conn->between = true;
	conn->since = (uint32_t)worker->now_ms;
	TAILQ_INSERT_TAIL(&worker->unused, conn, life);
	return conn;
}

void connection_carry(struct worker *worker, struct connection *conn, struct msrp_session *session)
{
	if (conn->sessions == NULL) {
		TAILQ_REMOVE(&worker->unused, conn, life);
		TAILQ_INSERT_TAIL(&worker->used, conn, life);
	}
	session->connection = conn;
	session->next = conn->sessions;
	conn->sessions = session;
	rate_init(worker, session);
}

void connection_let_go(struct worker *worker, struct connection *conn, struct msrp_session *session)
{
	struct msrp_session **link;

	for (link = &conn->sessions; *link != session; link = &(*link)->next)
		;
	*link = session->next;
	session->connection = NULL;
	if (conn->held == session)
		conn->held = NULL;
	if (session->asking) {
		session->asking = false;
		conn->asking--;
	}
	if (conn->sessions != NULL)
		return;
	conn->since = (uint32_t)worker->now_ms;
	TAILQ_REMOVE(&worker->used, conn, life);
	TAILQ_INSERT_TAIL(&worker->unused, conn, life);
}

/* Freed when no list that is walked later still holds it. */
static void connection_free(struct worker *worker, struct connection *conn)
{
	if (conn->dead && !conn->dirty && !conn->paused && !conn->parsing)
		pool_put(&worker->connections, conn);
}

static struct outgoing **outgoing_bucket(struct worker *worker, const struct msrp_target *target)
{
	uint32_t hash = target->port;

	for (size_t i = 0; i < sizeof(target->address); i++)
		hash = (hash ^ target->address[i]) * 0x01000193u;
	return &worker->outgoing_to[(hash ^ hash >> 13) % OUTGOING_BUCKETS];
}

/* An open connection of ours to that place, or one that is being opened. */
static struct connection *outgoing_find(
	struct worker *worker, const struct msrp_target *target, bool secure)
{
	const struct outgoing *out;

	for (out = *outgoing_bucket(worker, target); out != NULL; out = out->next)
		if (msrp_target_eq(&out->target, target) && out->secure == secure &&
			!out->conn->closing && !out->conn->broken && !out->conn->dead)
			return out->conn;
	return NULL;
}

/* Without memory for it nobody else finds the connection, and that is all. */
static void outgoing_note(
	struct worker *worker, struct connection *conn, const struct msrp_target *to)
{
	struct outgoing *out = pool_get(&worker->outgoing), **bucket = outgoing_bucket(worker, to);

	if (out == NULL)
		return;
	*out = (struct outgoing){
		.conn = conn, .next = *bucket, .prev = bucket, .target = *to, .secure = conn->secure
	};
	if (out->next != NULL)
		out->next->prev = &out->next;
	*bucket = out;
	conn->outgoing = out;
}

static void outgoing_forget(struct worker *worker, struct connection *conn)
{
	struct outgoing *out = conn->outgoing;

	if (out == NULL)
		return;
	*out->prev = out->next;
	if (out->next != NULL)
		out->next->prev = out->prev;
	conn->outgoing = NULL;
	pool_put(&worker->outgoing, out);
}

static void tail_put(struct worker *worker, struct connection *conn)
{
	if (conn->tail != NULL)
		pool_put(&worker->tails, conn->tail);
	conn->tail = NULL;
	conn->tail_len = 0;
}

/* Everything but the transport. */
static void connection_end(struct worker *worker, struct connection *conn, enum leg_cause cause)
{
	struct output_block *block;

	conn->dead = true;
	if (conn->pending != NULL) {
		struct msrp_session *any = conn->sessions;

		if (any != NULL)
			inbound_pause(worker, any);
	}
	while (conn->sessions != NULL)
		msrp_session_unbind(worker, conn->sessions, cause);
	transaction_orphan_all(conn, NULL);
	if (conn->binding != NULL)
		conn->binding->connection = NULL; /* its answer finds nobody */
	conn->binding = NULL;
	while ((block = conn->control) != NULL) {
		conn->control = block->next;
		pool_put(&worker->output, block);
	}
	if (conn->park != NULL)
		buffer_put(worker, conn->park);
	conn->park = NULL;
	tail_put(worker, conn);
	outgoing_forget(worker, conn);
	TAILQ_REMOVE(&worker->unused, conn, life);
	connection_free(worker, conn);
}

void connection_close(struct worker *worker, struct connection *conn, enum leg_cause cause)
{
	if (conn->dead)
		return;
	tcp_close(conn->tcp);
	connection_end(worker, conn, cause);
}

void connection_close_when_sent(struct worker *worker, struct connection *conn)
{
	conn->closing = true;
	connection_mark_dirty(worker, conn);
}

static void *on_accepted(void *owner, struct tcp_conn *tcp)
{
	struct worker *worker = owner;
	struct connection *conn =
		worker->pressure < PRESSURE_DOORS ? connection_new(worker, tcp) : NULL;

	if (conn == NULL)
		worker->counters.connections_refused++;
	else
		worker->counters.connections_accepted++;
	return conn;
}

static bool on_crowded(void *owner)
{
	return displace(owner);
}

static void on_closed(void *user, int reason)
{
	struct connection *conn = user;

	conn->worker->counters.connections_lost++;
	connection_end(conn->worker, conn, LEG_CAUSE_LOST);
}

/* ---- output ---- */

uint32_t connection_line_count(const struct worker *worker, const struct room_part *part)
{
	const struct flush_line *line = &worker->lines[part->line];

	return part->line_serial != 0 && line->serial == part->line_serial ? line->count : 0;
}

/* The line of the room that it has most to do with now; when all lines are taken, the first. */
static unsigned line_of(struct worker *worker, const struct connection *conn)
{
	uint64_t unused = ~worker->lines_used & ~(uint64_t)1;
	struct room_part *part;

	if (conn->active == NULL)
		return 0;
	part = &conn->active->conf->room->part[worker->index];
	if (part->line_serial != 0 && worker->lines[part->line].serial == part->line_serial)
		return part->line;
	if (unused == 0)
		return 0;
	if (++worker->line_serial == 0)
		worker->line_serial = 1;
	part->line = (uint8_t)__builtin_ctzll(unused);
	part->line_serial = worker->lines[part->line].serial = worker->line_serial;
	return part->line;
}

void connection_mark_dirty(struct worker *worker, struct connection *conn)
{
	struct flush_line *line;
	unsigned n;

	if (conn->dirty || conn->dead)
		return;
	n = line_of(worker, conn);
	line = &worker->lines[n];
	conn->dirty = true;
	conn->dirty_next = NULL;
	if (line->count++ == 0)
		line->first = conn;
	else
		line->last->dirty_next = conn;
	line->last = conn;
	worker->lines_used |= 1ull << n;
	worker->dirty_count++;
}

static void on_writable(void *user)
{
	struct connection *conn = user;

	conn->blocked = false;
	connection_mark_dirty(conn->worker, conn);
}

static struct output_block *block_new(struct worker *worker)
{
	struct output_block *block = pool_get(&worker->output);

	if (block != NULL) {
		block->next = NULL;
		block->start = block->end = 0;
	}
	return block;
}

/* Without memory for an answer the connection cannot go on in good order: it is closed at the end
 * of the turn. */
static bool no_memory(struct worker *worker, struct connection *conn)
{
	conn->broken = true;
	connection_mark_dirty(worker, conn);
	return false;
}

bool connection_write(
	struct worker *worker, struct connection *conn, const char *octets, size_t len)
{
	struct output_block *block = conn->control_last;
	size_t n;

	if (conn->dead)
		return false;
	if (conn->control == NULL && conn->active == NULL)
		conn->written_at = worker->now_ms;
	connection_mark_dirty(worker, conn);
	while (len > 0) {
		/* The rest of a head has blocks of its own, so that more of it can be put right
		 * behind. */
		if (block == NULL || block->end == sizeof(block->octets) ||
			conn->control_octets == conn->rest_octets) {
			block = block_new(worker);
			if (block == NULL)
				return no_memory(worker, conn);
			if (conn->control_last != NULL)
				conn->control_last->next = block;
			else
				conn->control = block;
			conn->control_last = block;
		}
		n = sizeof(block->octets) - block->end;
		if (n > len)
			n = len;
		memcpy(block->octets + block->end, octets, n);
		block->end += (uint16_t)n;
		octets += n;
		len -= n;
		conn->control_octets += (uint32_t)n;
	}
	return true;
}

bool connection_write_rest(
	struct worker *worker, struct connection *conn, const char *octets, size_t len)
{
	struct output_block **link = &conn->control, *block;
	uint32_t before = conn->rest_octets;
	size_t n;

	/* Behind what is already rest, before everything else. */
	while (before > 0) {
		before -= (uint32_t)((*link)->end - (*link)->start);
		link = &(*link)->next;
	}
	connection_mark_dirty(worker, conn);
	while (len > 0) {
		block = block_new(worker);
		if (block == NULL)
			return no_memory(worker, conn);
		n = len < sizeof(block->octets) ? len : sizeof(block->octets);
		memcpy(block->octets, octets, n);
		block->end = (uint16_t)n;
		block->next = *link;
		*link = block;
		if (block->next == NULL)
			conn->control_last = block;
		link = &block->next;
		octets += n;
		len -= n;
		conn->control_octets += (uint32_t)n;
		conn->rest_octets += (uint32_t)n;
	}
	return true;
}

void connection_respond(struct worker *worker, struct connection *conn, struct span tid,
	unsigned status, struct span to_path, struct span from_path)
{
	size_t len = chunk_out_response(worker->scratch, sizeof(worker->scratch), tid, status,
		msrp_status_comment(status), to_path, from_path);

	if (len > 0 && connection_write(worker, conn, worker->scratch, len))
		worker->counters.responses_out++;
}

/* ---- binding ---- */

static struct msrp_session *session_find(struct connection *conn, struct span id)
{
	struct msrp_session *session;

	for (session = conn->sessions; session != NULL; session = session->next)
		if (span_eq(session->conf->session_id, id))
			return session;
	return NULL;
}

enum take { TAKE, KEEP }; /* KEEP: the same octets are parsed again later */

/* RFC 4975 5.4: the first request binds the session that its To-Path names to this connection. The
 * leg's home worker decides. */
static enum take bind_ask(
	struct worker *worker, struct connection *conn, struct span id, uint16_t home)
{
	struct msrp_session *session = pool_get(&worker->sessions);

	if (session == NULL) {
		conn->broken = true;
		return KEEP;
	}
	memset(session, 0, sizeof(*session));
	session->connection = conn;
	session->worker = worker->index;
	session->home = home;
	session->secure = conn->secure;
	memcpy(session->session_id, id.at, SESSION_ID_OCTETS);
	conn->binding = session;
	worker_post(worker, home, &session->post, POST_BIND_ASK);
	return KEEP;
}

void connection_bind_answer(struct worker *worker, struct msrp_session *session)
{
	struct connection *conn = session->connection;

	if (conn != NULL)
		conn->binding = NULL;
	if (session->status != 200) {
		/* The request that asked is the next one that is parsed. */
		if (conn != NULL)
			conn->refused_status = session->status;
		pool_put(&worker->sessions, session);
		if (conn != NULL)
			connection_resume(worker, conn);
		return;
	}
	if (conn == NULL) {
		/* The peer went while its binding was decided. */
		session->unbinding = true;
		session->cause = LEG_CAUSE_LOST;
		worker_post(worker, session->home, &session->post, POST_UNBOUND);
		return;
	}
	worker->counters.binds++;
	connection_carry(worker, conn, session);
	if (session->join) {
		session->join = false;
		msrp_session_join(worker, session, session->joined);
	}
	connection_resume(worker, conn);
}

/* RFC 4975 5.4: the active side MUST send a SEND at once, without a body when it has nothing to
 * say. */
static void ask(struct worker *worker, struct connection *conn, struct msrp_session *session)
{
	char id[MESSAGE_ID_OCTETS];
	struct chunk_out_send send;
	size_t len;

	worker_random_text(worker, session->ask.tid, BINDING_TID_OCTETS);
	session->ask.tid_len = BINDING_TID_OCTETS;
	session->ask.since = worker->now_ms;
	worker_random_text(worker, id, sizeof(id));
	send = (struct chunk_out_send){
		.tid = span_make(session->ask.tid, BINDING_TID_OCTETS),
		.to_path = session->conf->path,
		.from_path = session->conf->uri,
		.message_id = span_make(id, sizeof(id)),
		.failure_report = FAILURE_REPORT_YES,
		.range = { 1, 0, 0 },
	};
	len = chunk_out_send(worker->scratch, sizeof(worker->scratch), &send);
	len += chunk_out_end(
		worker->scratch + len, sizeof(worker->scratch) - len, send.tid, '$', true);
	if (connection_write(worker, conn, worker->scratch, len))
		leg_asked(worker, session);
}

void connection_connect(
	struct worker *worker, struct msrp_session *session, const struct msrp_target *target)
{
	struct connection *conn = outgoing_find(worker, target, false);
	char host[MSRP_TARGET_TEXT_MAX];

	session->asking = true;
	session->ask.since = worker->now_ms;
	if (conn != NULL) {
		worker->counters.connections_shared++;
		connection_carry(worker, conn, session);
		conn->asking++;
		if (!conn->connecting)
			ask(worker, conn, session);
		return;
	}
	conn = connection_new(worker, NULL);
	if (conn == NULL) {
		session->asking = false;
		session->unbinding = true;
		session->cause = LEG_CAUSE_LOST;
		worker_post(worker, session->home, &session->post, POST_UNBOUND);
		return;
	}
	connection_carry(worker, conn, session);
	conn->asking++;
	conn->connecting = true;
	msrp_target_host(target, host);
	if (tcp_connect(worker->tcp, host, target->port, conn, &conn->tcp) != 0) {
		connection_end(worker, conn, LEG_CAUSE_LOST);
		return;
	}
	outgoing_note(worker, conn, target);
}

static void on_connected(void *user)
{
	struct connection *conn = user;
	struct worker *worker = conn->worker;
	struct msrp_session *session;

	conn->blocked = false;
	conn->connecting = false;
	if (conn->sessions == NULL) {
		connection_close(worker, conn, LEG_CAUSE_LOST);
		return;
	}
	for (session = conn->sessions; session != NULL; session = session->next)
		ask(worker, conn, session);
}

/* The peer has shown that the session is bound at its end too. */
static void asked(struct worker *worker, struct connection *conn, struct msrp_session *session)
{
	session->asking = false;
	conn->asking--;
	worker->counters.binds++;
	leg_connected(worker, session);
}

/* The session ends; others on the connection go on (RFC 4975 5.4). */
static void ask_failed(struct worker *worker, struct connection *conn, struct msrp_session *session,
	enum leg_cause cause)
{
	msrp_session_unbind(worker, session, cause);
	if (conn->sessions == NULL)
		connection_close_when_sent(worker, conn);
}

/* False: the response is not to a binding SEND of ours. */
static bool asked_answered(
	struct worker *worker, struct connection *conn, struct span tid, unsigned status)
{
	struct msrp_session *session;

	if (conn->asking == 0)
		return false;
	for (session = conn->sessions; session != NULL; session = session->next)
		if (session->asking &&
			span_eq(span_make(session->ask.tid, session->ask.tid_len), tid))
			break;
	if (session == NULL)
		return false;
	if (status < 300) {
		asked(worker, conn, session);
	} else {
		worker->counters.binds_refused++;
		ask_failed(worker, conn, session, LEG_CAUSE_REFUSED);
	}
	return true;
}

static void ask_tick(struct worker *worker, struct connection *conn)
{
	uint64_t limit = worker->shared->transaction_ms;
	struct msrp_session *session, *next;

	for (session = conn->sessions; conn->asking > 0 && session != NULL; session = next) {
		next = session->next;
		if (!session->asking || limit == 0 || worker->now_ms - session->ask.since < limit)
			continue;
		worker->counters.binds_unanswered++;
		ask_failed(worker, conn, session,
			conn->connecting ? LEG_CAUSE_LOST : LEG_CAUSE_UNANSWERED);
	}
}

/* ---- input ---- */

/* RFC 4975 9: one MSRP URI or more. */
static bool path_is_of_uris(struct span rest)
{
	struct msrp_uri uri;

	if (rest.len == 0)
		return false;
	while (rest.len > 0) {
		struct span next = span_cut(&rest, ' ');

		if (next.len > 0 && msrp_uri_parse(next, &uri) != 0)
			return false;
	}
	return true;
}

static struct span leftmost_of(struct span path)
{
	return span_cut(&path, ' ');
}

/* The answer to a request that no session of ours takes. RFC 4975 7.2: a SEND's goes to its leftmost
 * From-Path URI, any other's along the whole From-Path; REPORT is never answered. A path that is none
 * is not given back: the connection's session stands in for it, and without one there is nobody to
 * answer, or nobody to answer as. */
static void refuse(
	struct worker *worker, struct connection *conn, const struct chunk *chunk, unsigned status)
{
	const struct msrp_session *session = conn->sessions;
	struct span to = chunk->from_path, from = leftmost_of(chunk->to_path);

	worker->counters.requests_refused++;
	if (chunk->method == METHOD_REPORT ||
		(chunk->method == METHOD_SEND && chunk->failure_report == FAILURE_REPORT_NO))
		return;
	if (!path_is_of_uris(to))
		to = session != NULL ? session->conf->path : span_make(NULL, 0);
	if (!path_is_of_uris(from))
		from = session != NULL ? session->conf->uri : span_make(NULL, 0);
	if (to.len == 0 || from.len == 0)
		return;
	if (chunk->method == METHOD_SEND)
		to = leftmost_of(to);
	connection_respond(worker, conn, chunk->tid, status, to, from);
}

static void on_response(struct worker *worker, struct connection *conn, const struct chunk *chunk)
{
	struct msrp_session *session = conn->sessions;

	worker->counters.responses_in++;
	if (chunk->refuse != 0 || asked_answered(worker, conn, chunk->tid, chunk->status))
		return;
	report_response(worker, conn->sessions, chunk->tid, chunk->status);
	if (chunk->status < 400)
		return;
	while (session != NULL &&
		!worker_tid_is_ours(worker, pool_index(&worker->sessions, session), chunk->tid))
		session = session->next;
	if (session == NULL)
		return;
	backlog_refused(worker, session, chunk->tid);
	if (chunk->status != 481 && chunk->status != 506)
		return;
	/* RFC 4975 10.8, 10.10: the peer knows the session no longer, or not here, and nothing more
	 * may be sent into it. */
	worker->counters.sessions_disowned++;
	msrp_session_unbind(worker, session, LEG_CAUSE_LOST);
	if (conn->sessions == NULL)
		connection_close_when_sent(worker, conn);
}

/* For a membership, or for the answer to the nickname before. */
static void wait_begin(struct worker *worker, struct connection *conn, struct msrp_session *session)
{
	conn->waiting = true;
	if (session->was_member || session->waits)
		return;
	session->waits = true;
	session->waits_since = (uint32_t)worker->now_ms;
}

static bool room_is_full(const struct msrp_session *session)
{
	return atomic_load_explicit(&session->conf->room->full, memory_order_relaxed) > 0;
}

/* May what this session sends be read now? 0: yes; 1: when its room is less full; else in how many
 * ms. */
static uint64_t session_waits(const struct worker *worker, const struct msrp_session *session)
{
	uint64_t ms;

	if (room_is_full(session))
		return 1;
	ms = rate_is_on(worker) ? rate_wait_ms(worker, session) : 0;
	return ms == 1 ? 2 : ms;
}

/* The head of a request or response. */
static enum take on_head(struct worker *worker, struct connection *conn, struct chunk *chunk)
{
	struct msrp_session *session = conn->sessions;
	struct msrp_path path;
	struct msrp_uri uri;
	unsigned status = 0;
	uint32_t index;
	uint16_t home;

	conn->current = NULL;
	if (chunk->method == METHOD_RESPONSE) {
		on_response(worker, conn, chunk);
		return TAKE;
	}
	/* One session and its own URI is nearly every request. */
	if (session == NULL || !span_eq(chunk->to_path, session->conf->uri)) {
		if (msrp_path_parse(chunk->to_path, &path) != 0 ||
			msrp_uri_parse(path.last, &uri) != 0) {
			refuse(worker, conn, chunk, 400);
			return TAKE;
		}
		if (path.count != 1) {
			refuse(worker, conn, chunk,
				400); /* context.md 1.3: relaying is not our function */
			return TAKE;
		}
		/* context.md 1.2: found by its id alone, but msrps is not msrp. */
		session = uri.secure == conn->secure ? session_find(conn, uri.session_id) : NULL;
		if (session == NULL) {
			if (uri.secure != conn->secure ||
				!session_id_is_valid(uri.session_id, &home, &index) ||
				home >= worker->shared->workers)
				status = 481;
			else if (conn->refused_status != 0)
				status = conn->refused_status;
			else
				return bind_ask(worker, conn, uri.session_id, home);
			conn->refused_status = 0;
			if (status == 481)
				worker->counters.binds_unknown++;
			else
				worker->counters.binds_taken++;
			refuse(worker, conn, chunk, status);
			if (++conn->strangers >= CONNECTION_STRANGERS_MAX) {
				worker->counters.connections_strangers++;
				conn->closing = true;
			}
			return TAKE;
		}
	}
	if (conn->sessions->next != NULL && session_waits(worker, session) > 0) {
		/* Others share the connection: what is theirs was read up to here. */
		conn->held = session;
		conn->waiting = true;
		return KEEP;
	}
	if (session->asking)
		asked(worker, conn, session);
	/* Nearly every From-Path is the peer's a=path to the letter. */
	if (!span_eq(chunk->from_path, session->conf->path) && !path_is_of_uris(chunk->from_path)) {
		if (chunk->refuse == 0) {
			chunk->refuse = 400;
			chunk->refuse_why = "From-Path is malformed";
		}
		if (chunk->method != METHOD_SEND) {
			refuse(worker, conn, chunk, chunk->refuse);
			worker->counters.chunks_in++;
			return TAKE;
		}
	}
	switch (chunk->method) {
	case METHOD_SEND:
		if (inbound_send(worker, session, chunk) == INBOUND_WAIT) {
			wait_begin(worker, conn, session);
			return KEEP;
		}
		break;
	case METHOD_REPORT: report_received(worker, session, chunk); break;
	case METHOD_NICKNAME:
		if (!nickname_asked(worker, session, chunk)) {
			wait_begin(worker, conn, session);
			return KEEP;
		}
		break;
	default: refuse(worker, conn, chunk, chunk->refuse != 0 ? chunk->refuse : 501); break;
	}
	worker->counters.chunks_in++;
	return TAKE;
}

/* The only session of a connection; NULL: it has none, or several. */
static struct msrp_session *sole(const struct connection *conn)
{
	struct msrp_session *session = conn->sessions;

	return session != NULL && session->next == NULL ? session : NULL;
}

/* Parses; returns how many octets are done with. */
static size_t parse(struct worker *worker, struct connection *conn, const uint8_t *octets,
	size_t len, struct buffer *buffer)
{
	struct chunk_in before = conn->in;
	struct chunk chunk;
	const struct msrp_session *payer;
	bool rates = rate_is_on(worker);
	size_t pos = 0, used;

	while (!conn->dead && !conn->closing && !conn->broken) {
		if (conn->between)
			before = conn->in;
		payer = conn->current;
		switch (chunk_in_feed(
			&conn->in, span_make(octets + pos, len - pos), &used, &chunk)) {
		case CHUNK_HEAD:
			if (on_head(worker, conn, &chunk) == KEEP) {
				conn->in = before;
				return pos;
			}
			conn->between = false;
			payer = conn->current;
			break;
		case CHUNK_BODY:
			if (conn->current != NULL)
				inbound_body(worker, conn->current, chunk.body, buffer);
			break;
		case CHUNK_END:
			conn->between = true;
			if (conn->current != NULL)
				inbound_end(worker, conn->current, chunk.flag);
			break;
		case CHUNK_MORE: return pos + used;
		case CHUNK_BAD:
			worker->counters.connections_bad++;
			conn->broken = true;
			break;
		}
		if (rates && !conn->dead && (payer != NULL || (payer = sole(conn)) != NULL))
			rate_take(worker, payer, RATE_OCTETS, used);
		pos += used;
	}
	return len;
}

/* What is left over stays with the connection: a few octets in a block, more in the buffer they lie
 * in. */
static void keep(struct worker *worker, struct connection *conn, struct buffer *buffer,
	uint32_t start, uint32_t len)
{
	if (len > 0 && len <= CONNECTION_TAIL_MAX && conn->tail == NULL)
		conn->tail = pool_get(&worker->tails);
	if (len > 0 && len <= CONNECTION_TAIL_MAX && conn->tail != NULL) {
		memcpy(conn->tail->octets, buffer->octets + start, len);
		conn->tail_len = (uint8_t)len;
		return;
	}
	tail_put(worker, conn);
	if (len == 0)
		return;
	conn->park = buffer;
	buffer->refs++;
	conn->park_start = start;
	conn->park_len = len;
}

static void pause_reading(struct worker *worker, struct connection *conn);
static void pause_for(struct worker *worker, struct connection *conn, uint64_t ms);

/* Its next request waits in the octets that are kept. */
static void pause_held(struct worker *worker, struct connection *conn)
{
	uint64_t ms = session_waits(worker, conn->held);

	if (ms <= 1) {
		worker->counters.pauses_room++;
		pause_reading(worker, conn);
	} else {
		worker->counters.pauses_rate++;
		pause_for(worker, conn, ms);
	}
}

/* False: the connection is over, and its record may be another's already. */
static bool run(struct worker *worker, struct connection *conn, struct buffer *buffer,
	uint32_t start, uint32_t len)
{
	size_t used;
	bool alive;

	conn->parsing = true;
	used = parse(worker, conn, buffer->octets + start, len, buffer);
	if (!conn->dead && conn->pending != NULL && conn->sessions != NULL)
		inbound_pause(worker, conn->sessions);
	if (!conn->dead && !conn->broken)
		keep(worker, conn, buffer, start + (uint32_t)used, len - (uint32_t)used);
	if (!conn->dead && conn->held != NULL)
		pause_held(worker, conn);
	conn->parsing = false;
	alive = !conn->dead && !conn->broken;
	if (conn->broken && !conn->dead)
		connection_close(worker, conn, LEG_CAUSE_PROTOCOL);
	else if (conn->closing && !conn->dead)
		connection_mark_dirty(worker, conn);
	else
		connection_free(worker, conn);
	return alive;
}

/* Its answers wait for the peer, or it is not the time of what would be read. */
static uint64_t may_not_read_ms(const struct worker *worker, const struct connection *conn)
{
	const struct msrp_session *session = conn->held;

	if (conn->control_octets > CONNECTION_CONTROL_MAX || !pressure_lets_read(worker, conn))
		return 1;
	if (session == NULL)
		session = conn->current != NULL ? conn->current : sole(conn);
	return session != NULL ? session_waits(worker, session) : 0;
}

static void pause_reading(struct worker *worker, struct connection *conn)
{
	if (conn->paused)
		return;
	conn->paused = true;
	conn->paused_next = worker->paused;
	worker->paused = conn;
}

/* Not looked at again before ms have gone, or LIMITED_SLOTS * LIMITED_MS. */
static void pause_for(struct worker *worker, struct connection *conn, uint64_t ms)
{
	uint64_t slots = ms / LIMITED_MS + 1;
	struct connection **slot;

	if (conn->paused)
		return;
	if (slots >= LIMITED_SLOTS)
		slots = LIMITED_SLOTS - 1;
	if (worker->limited_count++ == 0)
		worker->limited_at = worker->now_ms / LIMITED_MS;
	slot = &worker->limited[(worker->now_ms / LIMITED_MS + slots) % LIMITED_SLOTS];
	conn->paused = true;
	conn->paused_next = *slot;
	*slot = conn;
}

unsigned connection_wait_ms(const struct worker *worker, unsigned most)
{
	uint64_t slot = worker->limited_at, due;
	unsigned i;

	for (i = 0; worker->limited_count > 0 && i < LIMITED_SLOTS; i++) {
		slot++;
		if (worker->limited[slot % LIMITED_SLOTS] == NULL)
			continue;
		due = slot * LIMITED_MS;
		return due <= worker->now_ms         ? 0
		       : due - worker->now_ms < most ? (unsigned)(due - worker->now_ms)
						     : most;
	}
	return most;
}

/* True: it pauses, and is counted. */
static bool pause_if_limited(struct worker *worker, struct connection *conn)
{
	const struct msrp_session *session = conn->current != NULL ? conn->current : sole(conn);
	uint64_t ms;

	if (session == NULL)
		return false;
	if (room_is_full(session)) {
		worker->counters.pauses_room++;
		pause_reading(worker, conn);
		return true;
	}
	ms = rate_is_on(worker) ? rate_wait_ms(worker, session) : 0;
	if (ms > 0) {
		worker->counters.pauses_rate++;
		pause_for(worker, conn, ms);
	}
	return ms > 0;
}

/* What a member may still send limits what is read of it at once. */
static void read_less(const struct worker *worker, const struct connection *conn, size_t *size)
{
	const struct msrp_session *session = conn->current != NULL ? conn->current : sole(conn);
	uint64_t most;

	if (!rate_is_on(worker) || session == NULL)
		return;
	most = rate_read_max(worker, session);
	if (*size > most)
		*size = most;
}

static struct buffer *worker_rx(struct worker *worker)
{
	struct buffer *rx = worker->rx;

	if (rx != NULL && rx->refs == 1)
		worker->rx_used = 0;
	if (rx != NULL && BUFFER_OCTETS - worker->rx_used < READ_MIN) {
		buffer_put(worker, rx);
		rx = worker->rx = NULL;
	}
	if (rx == NULL) {
		rx = worker->rx = buffer_get(worker);
		worker->rx_used = 0;
	}
	return rx;
}

static void *on_receive_into(void *user, size_t *size)
{
	struct connection *conn = user;
	struct worker *worker = conn->worker;
	struct buffer *park = conn->park, *fresh;

	if (conn->binding != NULL || conn->waiting || conn->closing)
		return NULL; /* resumed by what it waits for */
	if (!worker_can_receive(worker) || conn->control_octets > CONNECTION_CONTROL_MAX) {
		worker->counters.pauses_memory++;
		pause_reading(worker, conn);
		return NULL;
	}
	if (!pressure_lets_read(worker, conn)) {
		worker->counters.pauses_producer++;
		pause_reading(worker, conn);
		return NULL;
	}
	if (pause_if_limited(worker, conn))
		return NULL;
	if (park != NULL) {
		if (park->refs > 1 || park == worker->rx) {
			/* Others' octets are in it too: the unfinished head moves to a buffer of
			 * its own. */
			fresh = buffer_get(worker);
			if (fresh == NULL) {
				pause_reading(worker, conn);
				return NULL;
			}
			memcpy(fresh->octets, park->octets + conn->park_start, conn->park_len);
			buffer_put(worker, park);
			conn->park = park = fresh;
			conn->park_start = 0;
		} else if (conn->park_start > 0) {
			memmove(park->octets, park->octets + conn->park_start, conn->park_len);
			conn->park_start = 0;
		}
		*size = BUFFER_OCTETS - conn->park_len;
		read_less(worker, conn, size);
		return park->octets + conn->park_len;
	}
	if (worker_rx(worker) == NULL) {
		pause_reading(worker, conn);
		return NULL;
	}
	if (conn->tail_len > 0)
		memcpy(worker->rx->octets + worker->rx_used, conn->tail->octets, conn->tail_len);
	*size = BUFFER_OCTETS - worker->rx_used - conn->tail_len;
	read_less(worker, conn, size);
	return worker->rx->octets + worker->rx_used + conn->tail_len;
}

static void on_received(void *user, size_t octets)
{
	struct connection *conn = user;
	struct worker *worker = conn->worker;
	struct buffer *buffer = conn->park;
	uint32_t start, len;

	worker->counters.octets_in += octets;
	conn->received_at = (uint32_t)worker->now_ms;
	conn->recent_octets += (uint32_t)octets;
	if (conn->recent_octets > worker->most_recent)
		worker->most_recent = conn->recent_octets;
	if (buffer != NULL) {
		start = conn->park_start;
		len = conn->park_len + (uint32_t)octets;
		conn->park = NULL;
	} else {
		buffer = worker->rx;
		buffer->refs++;
		start = worker->rx_used;
		len = conn->tail_len + (uint32_t)octets;
		worker->rx_used += len;
	}
	conn->parsing = true;
	mailbox_catch_up(worker);
	worker_run_local(worker);
	if (conn->dead) {
		conn->parsing = false;
		connection_free(worker, conn);
	} else {
		run(worker, conn, buffer, start, len);
	}
	buffer_put(worker, buffer);
	worker_run_local(worker);
}

void connection_resume(struct worker *worker, struct connection *conn)
{
	struct buffer *buffer = conn->park;
	uint32_t len = conn->park_len;
	bool alive = true;

	conn->waiting = false;
	conn->held = NULL;
	if (buffer == NULL && conn->tail_len > 0) {
		/* A request as short as this is not complete, or it would not be here. */
		tcp_resume(conn->tcp);
		return;
	}
	if (buffer != NULL) {
		conn->park = NULL;
		conn->park_len = 0;
		alive = run(worker, conn, buffer, conn->park_start, len);
		buffer_put(worker, buffer);
	}
	if (alive && conn->binding == NULL && !conn->waiting)
		tcp_resume(conn->tcp);
}

static void resume_list(struct worker *worker, struct connection *conn)
{
	struct connection *next;
	uint64_t ms;

	for (; conn != NULL; conn = next) {
		next = conn->paused_next;
		conn->paused = false;
		if (conn->dead) {
			connection_free(worker, conn);
			continue;
		}
		ms = may_not_read_ms(worker, conn);
		if (ms == 1)
			pause_reading(worker, conn); /* still: the transport is not asked in vain */
		else if (ms > 1)
			pause_for(worker, conn, ms);
		else if (conn->held != NULL)
			connection_resume(worker, conn);
		else
			tcp_resume(conn->tcp); /* asks again, and pauses again if it must */
	}
}

static void resume_limited(struct worker *worker)
{
	uint64_t now = worker->now_ms / LIMITED_MS;
	struct connection **slot, *list, *conn;

	while (worker->limited_count > 0 && worker->limited_at < now) {
		worker->limited_at++;
		slot = &worker->limited[worker->limited_at % LIMITED_SLOTS];
		list = *slot;
		*slot = NULL;
		for (conn = list; conn != NULL; conn = conn->paused_next)
			worker->limited_count--;
		resume_list(worker, list);
	}
}

void connection_resume_paused(struct worker *worker)
{
	struct connection *conn = worker->paused;

	if ((conn == NULL && worker->limited_count == 0) || !worker_can_receive(worker))
		return;
	worker->paused = NULL;
	resume_list(worker, conn);
	resume_limited(worker);
}

/* What it has to send goes to the transport. */
static void flush(struct worker *worker, struct connection *conn)
{
	if (conn->dead) {
		connection_free(worker, conn);
		return;
	}
	if (conn->broken) {
		connection_close(worker, conn, LEG_CAUSE_PROTOCOL);
		return;
	}
	if (conn->tcp != NULL)
		backlog_flush(worker, conn);
	if (conn->closing && !conn->dead && !conn->dirty && conn->control == NULL)
		connection_close(worker, conn, LEG_CAUSE_PROTOCOL);
}

/* The next in turn that is not empty. */
static unsigned next_line(struct worker *worker)
{
	unsigned from = (worker->line_last + 1u) % FLUSH_LINES;
	uint64_t ahead = worker->lines_used >> from << from;

	return (unsigned)__builtin_ctzll(ahead != 0 ? ahead : worker->lines_used);
}

static struct connection *line_take(struct worker *worker, unsigned n)
{
	struct flush_line *line = &worker->lines[n];
	struct connection *conn = line->first;

	line->first = conn->dirty_next;
	worker->dirty_count--;
	if (--line->count == 0) {
		line->serial = 0;
		worker->lines_used &= ~(1ull << n);
	}
	conn->dirty = false;
	return conn;
}

/* A line's turn. What it costs is reckoned in writes: a connection is one, and 16 KiB are. */
static unsigned flush_line(struct worker *worker, unsigned n, uint32_t *visits)
{
	uint64_t before = worker->counters.octets_out;
	unsigned cost = 0, taken = 0;

	while (cost<FLUSH_SHARE && * visits> 0 && worker->lines_used >> n & 1) {
		flush(worker, line_take(worker, n));
		--*visits;
		taken++;
		cost = taken + (unsigned)((worker->counters.octets_out - before) / FLUSH_WRITE);
	}
	return cost;
}

void connection_flush_dirty(struct worker *worker)
{
	uint32_t visits = worker->dirty_count; /* what comes meanwhile has its turn after input */
	unsigned cost = 0;

	while (visits > 0 && cost < FLUSH_TURN && worker->lines_used != 0) {
		worker->line_last = (uint8_t)next_line(worker);
		cost += flush_line(worker, worker->line_last, &visits);
	}
}

/* One that is bound and not let in holds up what comes behind it: for long only where that is its
 * own, and while there is memory: what it has sent lies in a receive buffer. Then it is answered as one that is a member no longer. */
static bool wait_ends(struct worker *worker, struct connection *conn, bool low)
{
	uint64_t limit = low || (conn->sessions != NULL && conn->sessions->next != NULL)
				 ? WAIT_SHARED_MS
				 : worker->shared->connection_bind_ms;
	struct msrp_session *session;
	bool ends = false;

	for (session = conn->sessions; conn->waiting && session != NULL; session = session->next)
		if (session->waits && !session->was_member &&
			(uint32_t)worker->now_ms - session->waits_since >= limit) {
			session->was_member = true;
			worker->counters.waits_ended++;
			ends = true;
		}
	return ends;
}

/* Once a second. It may be closed afterwards, and its record be another's. */
static void look_after(struct worker *worker, struct connection *conn, bool low)
{
	uint32_t now = (uint32_t)worker->now_ms;
	struct msrp_session *session;

	if (conn->strangers > 0 && worker->ticks % CONNECTION_STRANGER_FORGET_S == 0)
		conn->strangers--;
	if (wait_ends(worker, conn, low)) {
		connection_resume(worker, conn);
		return;
	}
	if (conn->recent_octets > 0)
		conn->recent_octets /= 2;
	ask_tick(worker, conn);
	for (session = conn->sessions; session != NULL; session = session->next)
		inbound_tick(worker, session);
	if (conn->closing && now - conn->since >= CLOSING_MS) {
		connection_close(worker, conn, LEG_CAUSE_PROTOCOL);
	} else if (low && conn->park != NULL && conn->binding == NULL && !conn->waiting &&
		   now - conn->received_at >= UNFINISHED_MS) {
		/* A request that is begun and not gone on with holds a whole buffer: many of them
		 * must not keep the others from being read. */
		worker->counters.connections_unfinished++;
		connection_close(worker, conn, LEG_CAUSE_MEMORY);
	} else if (!backlog_tick(worker, conn) && conn->sessions == NULL &&
		   now - conn->since >= worker->shared->connection_bind_ms) {
		/* RFC 4975 leaves it open; context.md 1.4: a connection that binds nothing is
		 * closed. */
		worker->counters.connections_idle++;
		connection_close(worker, conn, LEG_CAUSE_TIMEOUT);
	}
}

void connection_tick(struct worker *worker)
{
	struct connection *conn, *next;
	bool low = worker->buffers.free_count < worker->buffers.count / 4;

	worker->most_recent /= 2;
	for (conn = TAILQ_FIRST(&worker->unused); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, life);
		look_after(worker, conn, low);
	}
	for (conn = TAILQ_FIRST(&worker->used); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, life);
		look_after(worker, conn, low);
	}
}

/* Workers wake each other and controllers wake a worker by descriptors of their own. */
static void on_woken(void *owner, int fd)
{
	attach_wake_take(fd);
}

const struct tcp_ops connection_tcp_ops = {
	.accepted = on_accepted,
	.connected = on_connected,
	.receive_into = on_receive_into,
	.received = on_received,
	.writable = on_writable,
	.closed = on_closed,
	.woken = on_woken,
	.crowded = on_crowded,
};
