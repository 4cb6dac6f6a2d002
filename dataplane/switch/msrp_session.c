/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/msrp_session.h"
#include "dataplane/worker.h"

bool session_id_is_valid(struct span id, uint16_t *home, uint32_t *index)
{
	uint64_t value = 0;
	size_t i;

	if (id.len != SESSION_ID_OCTETS)
		return false;
	for (i = 0; i < 10; i++) {
		char c = id.at[i];
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
							: 16u;
		if (digit > 15)
			return false;
		value = value << 4 | digit;
	}
	*home = (uint16_t)(value >> 32);
	*index = (uint32_t)value;
	return true;
}

void msrp_session_join(struct worker *worker, struct msrp_session *session, uint64_t joined)
{
	struct room_part *part = &session->conf->room->part[worker->index];

	if (session->member)
		return;
	session->member = session->was_member = true;
	session->joined = joined;
	session->member_next = NULL;
	session->member_prev = part->last;
	if (part->last != NULL)
		part->last->member_next = session;
	else
		part->first = session;
	part->last = session;
	part->members++;
}

/* ---- leaving ---- */

/* What the room accepted before it was told is delivered: who sent it has a 200. So the session
 * stays a member until the fan-out work of that time is done, though nothing that begins later is
 * for it. What is not whole then gets '#' (RFC 7701 6.1: later chunks go to those present). One that
 * is to be unbound waits until its queue is written, at most for drain_ms. */
static void leaving_begin(struct worker *worker, struct msrp_session *session, uint64_t order)
{
	struct room_part *part = &session->conf->room->part[worker->index];

	if (session->leaving)
		return;
	session->leaving = true;
	session->leave.order = order;
	session->leave.work = part->work_in;
	session->leave.until = (uint32_t)(worker->now_ms + worker->shared->drain_ms);
	session->leave.next = worker->leaving;
	session->leave.prev = &worker->leaving;
	if (worker->leaving != NULL)
		worker->leaving->leave.prev = &session->leave.next;
	worker->leaving = session;
}

static void leaving_end(struct msrp_session *session)
{
	if (!session->leaving)
		return;
	session->leaving = false;
	*session->leave.prev = session->leave.next;
	if (session->leave.next != NULL)
		session->leave.next->leave.prev = session->leave.prev;
}

/* Nothing more is to be written for it, or is owed to it. */
static bool is_done(const struct msrp_session *session)
{
	const struct transaction *tx = session->connection->transactions;

	while (tx != NULL && tx->session != session)
		tx = tx->next;
	return tx == NULL && session->queue_count == 0;
}

static void removed(struct worker *worker, struct msrp_session *session, enum leg_cause cause)
{
	struct connection *conn = session->connection;

	msrp_session_unbind(worker, session, cause);
	if (conn->sessions == NULL)
		connection_close_when_sent(worker, conn);
	else if (conn->waiting)
		connection_resume(worker, conn); /* others share it */
}

void msrp_session_leaving(struct worker *worker)
{
	struct msrp_session *session, *next;
	const struct room_part *part;
	bool late;

	for (session = worker->leaving; session != NULL; session = next) {
		next = session->leave.next;
		part = &session->conf->room->part[worker->index];
		late = (int32_t)((uint32_t)worker->now_ms - session->leave.until) >= 0;
		if (session->member &&
			(late || (int32_t)(part->work_done - session->leave.work) >= 0))
			msrp_session_leave(worker, session, LEAVE_KEEP);
		if (session->member)
			continue;
		if (!session->removing)
			leaving_end(session);
		else if (late || is_done(session))
			removed(worker, session, LEG_CAUSE_REMOVED);
	}
}

void msrp_session_leave(struct worker *worker, struct msrp_session *session, enum session_leave how)
{
	struct room_part *part = &session->conf->room->part[worker->index];

	switch (how) {
	case LEAVE_KEEP: backlog_cut_unfinished(worker, session); break;
	case LEAVE_CUT: backlog_cut_all(worker, session); break;
	case LEAVE_DROP: backlog_drop_all(worker, session); break;
	}
	if (!session->member)
		return;
	fanout_member_leaves(part, session);
	report_member_leaves(worker, part, session);
	session->member = false;
	if (session->member_prev != NULL)
		session->member_prev->member_next = session->member_next;
	else
		part->first = session->member_next;
	if (session->member_next != NULL)
		session->member_next->member_prev = session->member_prev;
	else
		part->last = session->member_prev;
	part->members--;
}

void msrp_session_unbind(struct worker *worker, struct msrp_session *session, enum leg_cause cause)
{
	struct connection *conn = session->connection;

	inbound_abandon_all(worker, session);
	msrp_session_leave(worker, session, LEAVE_DROP);
	leaving_end(session);
	transaction_orphan_all(conn, session);
	if (conn->current == session) {
		conn->current = NULL;
		conn->inbound = NULL;
		if (conn->transaction != NULL)
			transaction_free(worker, conn->transaction);
		conn->transaction = NULL;
	}
	connection_let_go(worker, conn, session);
	session->unbinding = true;
	session->cause = (uint8_t)cause;
	worker_post(worker, session->home, &session->post, POST_UNBOUND);
}

void msrp_session_unbound_ack(struct worker *worker, struct msrp_session *session)
{
	session->conf = NULL;
	if (session->told.busy)
		session->unbinding = false; /* freed when its status comes back */
	else
		pool_put(&worker->sessions, session);
}

void msrp_session_control(struct worker *worker, struct leg_control *control)
{
	struct msrp_session *session = control->session;
	struct connection *conn = session->connection;

	if (!session->unbinding && conn != NULL) {
		session->conf = control->conf;
		if (control->ending) /* context.md 1.6: 413, room closing */
			inbound_refuse_open(worker, session, 413);
		if (session->member && !control->member) {
			if (control->remove)
				inbound_refuse_open(worker, session, 413);
			/* Whose peer has not shown that it is there is not waited for; and `ask` lies
			 * where `leave` would. */
			if (control->drop || session->asking)
				msrp_session_leave(worker, session, LEAVE_CUT);
			else
				leaving_begin(worker, session, control->joined);
		} else if (session->member && control->joined != session->joined) {
			/* It left and came back before this one could be sent: what began meanwhile
			 * is not its. */
			leaving_end(session);
			msrp_session_leave(worker, session, LEAVE_KEEP);
		}
		if (control->remove && !control->drop && !session->asking &&
			(session->leaving || !is_done(session))) {
			leaving_begin(worker, session, control->joined);
			session->removing = true;
		} else if (control->remove) {
			removed(worker, session, control->cause);
		} else if (control->member) {
			leaving_end(session);
			msrp_session_join(worker, session, control->joined);
			if (conn->waiting)
				connection_resume(worker, conn);
		}
	}
	worker_post(worker, control->home, &control->post, POST_LEG_CONTROLLED);
}

void msrp_session_status_changed(struct worker *worker, struct msrp_session *session)
{
	struct session_status *told = &session->told;

	if (told->busy || session->unbinding)
		return;
	told->session = session;
	told->busy = true;
	told->congested = session->congested;
	worker_post(worker, session->home, &told->post, POST_STATUS);
}

void msrp_session_told(struct worker *worker, struct session_status *told)
{
	struct msrp_session *session = told->session;

	told->busy = false;
	if (session->conf == NULL && !session->unbinding)
		pool_put(&worker->sessions, session);
	else if (told->congested != session->congested)
		msrp_session_status_changed(worker, session);
}
