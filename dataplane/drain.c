/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/drain.h"
#include "dataplane/worker.h"

#define LOOK_MS  2    /* between two looks at what is left */
#define CUT_MS   1000 /* for end-lines and answers after what was not done in time */
#define CLOSE_MS 2000 /* for peers that do not close their side */

static void each(struct worker *worker, void (*act)(struct worker *, struct connection *))
{
	struct connection_list *lists[] = { &worker->used, &worker->unused };
	struct connection *conn, *next;
	unsigned i;

	for (i = 0; i < 2; i++)
		for (conn = TAILQ_FIRST(lists[i]); conn != NULL; conn = next) {
			next = TAILQ_NEXT(conn, life);
			act(worker, conn);
		}
}

static bool is_quiet(const struct worker *worker)
{
	const struct msrp_session *session;
	const struct connection *conn;

	if (worker->messages.free_count < worker->messages.count)
		return false;
	TAILQ_FOREACH(conn, &worker->used, life)
	{
		if (conn->control != NULL || conn->transactions != NULL)
			return false;
		for (session = conn->sessions; session != NULL; session = session->next)
			if (inbound_is_open(session))
				return false;
	}
	TAILQ_FOREACH(conn, &worker->unused, life)
	{
		if (conn->control != NULL)
			return false;
	}
	return true;
}

static bool all_quiet(struct worker *worker)
{
	unsigned w;

	if (worker->now_ms - worker->drain.looked_at >= LOOK_MS) {
		worker->drain.looked_at = worker->now_ms;
		atomic_store_explicit(&worker->drain.quiet, is_quiet(worker), memory_order_release);
	}
	for (w = 0; w < worker->shared->workers; w++)
		if (!atomic_load_explicit(
			    &worker->shared->worker[w]->drain.quiet, memory_order_acquire))
			return false;
	return true;
}

static void cut(struct worker *worker, struct connection *conn)
{
	struct msrp_session *session;

	for (session = conn->sessions; session != NULL; session = session->next) {
		inbound_refuse_open(worker, session, 413);
		msrp_session_leave(worker, session, LEAVE_CUT);
	}
}

static void shut(struct worker *worker, struct connection *conn)
{
	while (conn->sessions != NULL)
		msrp_session_unbind(worker, conn->sessions, LEG_CAUSE_STOPPED);
	connection_close_when_sent(worker, conn);
}

static void close_now(struct worker *worker, struct connection *conn)
{
	connection_close(worker, conn, LEG_CAUSE_STOPPED);
}

static void enter(struct worker *worker, enum drain_phase phase, uint64_t ms)
{
	worker->drain.phase = (uint8_t)phase;
	worker->drain.until = worker->now_ms + ms;
}

void drain_begin(struct worker *worker)
{
	if (worker->drain.phase != DRAIN_NONE)
		return;
	tcp_listen_end(worker->tcp);
	enter(worker, DRAIN_FINISH, worker->shared->drain_ms);
	worker->drain.looked_at = worker->now_ms - LOOK_MS;
}

void drain_run(struct worker *worker)
{
	bool late = worker->now_ms >= worker->drain.until;

	switch ((enum drain_phase)worker->drain.phase) {
	case DRAIN_NONE:
	case DRAIN_DONE: return;
	case DRAIN_FINISH:
	case DRAIN_CUT:
		if (all_quiet(worker) || (late && worker->drain.phase == DRAIN_CUT)) {
			enter(worker, DRAIN_CLOSE, CLOSE_MS);
			each(worker, shut);
		} else if (late) {
			enter(worker, DRAIN_CUT, CUT_MS);
			each(worker, cut);
			report_settle_all(worker);
		}
		return;
	case DRAIN_CLOSE:
		if (late)
			each(worker, close_now);
		if (!TAILQ_EMPTY(&worker->used) || !TAILQ_EMPTY(&worker->unused) ||
			(!late && tcp_closing(worker->tcp) > 0))
			return;
		enter(worker, DRAIN_DONE, 0);
		if (worker->shared->drained_to != NULL)
			post_send(worker->shared->drained_to, &worker->drained, POST_DRAINED);
		return;
	}
}

unsigned drain_wait_ms(const struct worker *worker, unsigned most)
{
	return worker->drain.phase != DRAIN_NONE && worker->drain.phase != DRAIN_DONE &&
			       most > LOOK_MS
		       ? LOOK_MS
		       : most;
}

uint64_t drain_left_ms(const struct worker *worker)
{
	return worker->drain.phase == DRAIN_FINISH && worker->drain.until > worker->now_ms
		       ? worker->drain.until - worker->now_ms
		       : 0;
}
