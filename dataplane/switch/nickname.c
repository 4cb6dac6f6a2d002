/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/nickname.h"
#include <string.h>
#include "dataplane/worker.h"

static void respond(struct worker *worker, const struct msrp_session *session, struct span tid,
	unsigned status, struct span path)
{
	if (status == 200)
		worker->counters.nicknames_taken++;
	else
		worker->counters.requests_refused++;
	connection_respond(worker, session->connection, tid, status,
		path.len > 0 ? path : session->conf->path, session->conf->uri);
}

/* RFC 4975 9, quoted-string: what stands behind a backslash is meant. */
static uint16_t unescape(char *out, struct span in)
{
	uint16_t len = 0;
	size_t i;

	for (i = 0; i < in.len; i++) {
		if (in.at[i] == '\\' && i + 1 < in.len)
			i++;
		out[len++] = in.at[i];
	}
	return len;
}

static struct nickname_ask *ask_new(struct worker *worker)
{
	struct text_block *block;

	_Static_assert(sizeof(struct nickname_ask) <= sizeof(block->octets), "");
	if (worker->texts.free_count <= worker->texts.count / 2)
		return NULL; /* the rest is for the heads of messages */
	block = pool_get(&worker->texts);
	return block != NULL ? (struct nickname_ask *)(void *)block : NULL;
}

bool nickname_asked(struct worker *worker, struct msrp_session *session, const struct chunk *chunk)
{
	struct nickname_ask *ask;
	unsigned refuse = chunk->refuse;

	if (refuse == 0) {
		if (session->nickname != NULL || (!session->member && !session->was_member))
			return false;
		if (!session->member)
			refuse = 403;
	}
	ask = refuse == 0 ? ask_new(worker) : NULL;
	if (ask == NULL) {
		respond(worker, session, chunk->tid, refuse != 0 ? refuse : 403, chunk->from_path);
		return true;
	}
	ask->session = session;
	ask->leg = session->leg;
	ask->told = false;
	ask->tid_len = (uint8_t)chunk->tid.len;
	memcpy(ask->tid, chunk->tid.at, chunk->tid.len);
	ask->name_len = unescape(ask->name, chunk->nickname);
	ask->path_len = 0;
	if (chunk->from_path.len <= NICKNAME_PATH_MAX) {
		ask->path_len = (uint16_t)chunk->from_path.len;
		memcpy(ask->path, chunk->from_path.at, chunk->from_path.len);
	}
	session->nickname = ask;
	worker->counters.nicknames_asked++;
	worker_post(worker, session->home, &ask->post, POST_NICKNAME_ASK);
	return true;
}

void nickname_answered(struct worker *worker, struct nickname_ask *ask)
{
	struct msrp_session *session = ask->session;
	struct connection *conn = session->connection;

	session->nickname = NULL;
	if (conn != NULL)
		respond(worker, session, span_make(ask->tid, ask->tid_len), ask->status,
			span_make(ask->path, ask->path_len));
	pool_put(&worker->texts, ask);
	if (conn != NULL && conn->waiting)
		connection_resume(worker, conn);
}

/* ---- the home worker ---- */

static void answer(struct worker *worker, struct nickname_ask *ask, unsigned status)
{
	ask->status = (uint16_t)status;
	worker_post(worker, ask->session->worker, &ask->post, POST_NICKNAME_ANSWER);
}

void nickname_arrived(struct worker *worker, struct nickname_ask *ask)
{
	struct leg *leg = ask->leg;

	/* RFC 7701 7.1: where it was not announced it is not allowed. */
	if (leg->removing || leg->nickname != NULL || !(leg->room->flags & ROOM_NICKNAME)) {
		answer(worker, ask, 403);
		return;
	}
	ask->number = ++worker->nickname_number;
	ask->since = worker->now_ms;
	leg->nickname = ask;
	leg_mark_dirty(worker, leg);
}

void nickname_give_up(struct worker *worker, struct leg *leg)
{
	struct nickname_ask *ask = leg->nickname;

	leg->nickname = NULL;
	if (ask != NULL)
		answer(worker, ask, 403);
}

int nickname_decide(struct worker *worker, struct leg *leg, uint64_t number, uint32_t status)
{
	struct nickname_ask *ask = leg->nickname;

	if (status != 200 && status != 403 && status != 424 && status != 425)
		return -EINVAL;
	if (ask == NULL || ask->number != number)
		return -ENOENT;
	leg->nickname = NULL;
	answer(worker, ask, status);
	return 0;
}

void nickname_tick(struct worker *worker, struct leg *leg)
{
	if (leg->nickname != NULL && worker->now_ms - leg->nickname->since >= NICKNAME_WAIT_MS)
		nickname_give_up(worker, leg);
}
