/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/transaction.h"
#include <string.h>
#include "dataplane/msrp/path.h"
#include "dataplane/worker.h"

void transaction_free(struct worker *worker, struct transaction *tx)
{
	if (tx->prev != NULL) {
		*tx->prev = tx->next;
		if (tx->next != NULL)
			tx->next->prev = tx->prev;
	}
	if (tx->to_text != NULL)
		pool_put(&worker->texts, tx->to_text);
	pool_put(&worker->transactions, tx);
}

/* RFC 4975 7.2: a response to SEND goes to the leftmost URI of the From-Path. Where none can be read
 * it goes to the peer as its SDP names it, so that what we send is MSRP always. */
static struct span leftmost_of(const struct msrp_session *session, struct span from_path)
{
	struct msrp_path path;
	struct msrp_uri uri;

	if (msrp_path_parse(from_path, &path) != 0)
		return session->conf->path_first;
	if (!span_eq(path.first, session->conf->path_first) &&
		msrp_uri_parse(path.first, &uri) != 0)
		return session->conf->path_first;
	return path.first;
}

struct transaction *transaction_new(
	struct worker *worker, struct msrp_session *session, const struct chunk *chunk)
{
	struct connection *conn = session->connection;
	struct transaction *tx = pool_get(&worker->transactions);
	struct span to;

	if (tx == NULL)
		return NULL;
	*tx = (struct transaction){ .session = session,
		.failure_report = (uint8_t)chunk->failure_report };
	to = leftmost_of(session, chunk->from_path);
	if (to.len == 0)
		tx->failure_report = FAILURE_REPORT_NO; /* there is nobody to answer to */
	/* Nearly always it is what the SDP said, which the session has; and that is better than no answer
	 * when there is no memory for another. */
	if (to.len > sizeof(tx->to)) {
		if (!span_eq(to, session->conf->path_first))
			tx->to_text = pool_get(&worker->texts);
		tx->to_conf = tx->to_text == NULL;
	}
	if (to.len > 0 && !tx->to_conf)
		memcpy(tx->to_text != NULL ? tx->to_text->octets : tx->to, to.at, to.len);
	tx->to_len = (uint16_t)to.len;
	tx->tid_len = (uint8_t)chunk->tid.len;
	memcpy(tx->tid, chunk->tid.at, chunk->tid.len);
	tx->next = conn->transactions;
	tx->prev = &conn->transactions;
	if (tx->next != NULL)
		tx->next->prev = &tx->next;
	conn->transactions = tx;
	return tx;
}

/* RFC 4975 7.1.2; context.md 1.6 */
void transaction_answer(struct worker *worker, struct transaction *tx, unsigned status)
{
	struct msrp_session *session = tx->session;
	bool wanted = tx->failure_report == FAILURE_REPORT_YES ||
		      (tx->failure_report == FAILURE_REPORT_PARTIAL && status != 200);

	if (session != NULL && wanted)
		connection_respond(worker, session->connection, span_make(tx->tid, tx->tid_len),
			status,
			tx->to_conf ? session->conf->path_first
				    : span_make(tx->to_text != NULL ? tx->to_text->octets : tx->to,
					      tx->to_len),
			session->conf->uri);
	if (status != 200)
		worker->counters.requests_refused++;
	transaction_free(worker, tx);
}

void transaction_orphan_all(struct connection *conn, const struct msrp_session *only)
{
	struct transaction *tx, *next;

	for (tx = conn->transactions; tx != NULL; tx = next) {
		next = tx->next;
		if (only != NULL && tx->session != only)
			continue;
		*tx->prev = tx->next;
		if (tx->next != NULL)
			tx->next->prev = tx->prev;
		tx->next = NULL;
		tx->prev = NULL;
		tx->session = NULL;
	}
}
