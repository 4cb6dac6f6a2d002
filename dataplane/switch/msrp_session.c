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
	inbound_wait_ends(worker, session);
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

void msrp_session_leave(struct worker *worker, struct msrp_session *session)
{
	struct room_part *part = &session->conf->room->part[worker->index];

	if (!session->member)
		return;
	fanout_member_leaves(part, session);
	backlog_drop_all(worker, session);
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
	inbound_wait_ends(worker, session);
	msrp_session_leave(worker, session);
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
		/* It may have left and come back before this one could be sent: what began
		 * meanwhile, and before, is not its. */
		if (control->remove || !control->member || control->joined != session->joined)
			msrp_session_leave(worker, session);
		if (control->remove) {
			msrp_session_unbind(worker, session, control->cause);
			if (conn->sessions == NULL)
				connection_close_when_sent(worker, conn);
			else if (conn->waiting)
				connection_resume(worker, conn); /* others share it */
		} else if (control->member) {
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
