/* SPDX-License-Identifier: BSD-3-Clause */
/* transaction: what is owed to the sender of a chunk, from its head to its answer.
 *
 * Place:    connection, inbound -> transaction -> connection (the response).
 * Spec:     RFC 4975 7.1.2, 7.2; context.md 1.6.
 * Threads:  the worker of the connection. A payload carries a transaction to the room and back
 *           without anybody there looking at it.
 */
#ifndef DATAPLANE_SWITCH_TRANSACTION_H
#define DATAPLANE_SWITCH_TRANSACTION_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/chunk_in.h"

struct worker;
struct connection;
struct msrp_session;

/* A request that may have to be answered, from its head to its answer. */
struct transaction {
	void *link;
	struct msrp_session *session;     /* NULL: it has gone, nothing can be answered */
	struct transaction *next, **prev; /* of the connection */
	struct text_block *to_text;       /* holds a long `to` */
	uint64_t last;                    /* of its chunk's octets, when the room has them */
	bool to_conf;                     /* it is the first URI of the leg's path */
	uint16_t to_len;                  /* leftmost From-Path URI: RFC 4975 7.2 */
	uint8_t failure_report;           /* enum failure_report */
	uint8_t tid_len;
	char tid[CHUNK_TID_MAX];
	char to[160];
};

/* Room for what is too long for a record: a path, a CPIM head. */
struct text_block {
	void *link;
	char octets[CHUNK_HEADER_MAX];
};

/* Of the session's connection; NULL: no memory. */
struct transaction *transaction_new(
	struct worker *worker, struct msrp_session *session, const struct chunk *chunk);
/* Answers as Failure-Report says and ends it. */
void transaction_answer(struct worker *worker, struct transaction *tx, unsigned status);
/* Ends it without an answer. */
void transaction_free(struct worker *worker, struct transaction *tx);
/* The session (NULL: all of the connection) has gone: its transactions can not be answered. */
void transaction_orphan_all(struct connection *conn, const struct msrp_session *only);
#endif
