/* SPDX-License-Identifier: BSD-3-Clause */
/* inbound: messages on their way from a member to its room.
 *
 * Place:    connection (chunks) -> inbound -> room, and back with the room's verdict.
 * Spec:     RFC 4975 7 (chunks, ranges, duplicates), RFC 7701 6.1 (checks, cut-through), context.md
 *           1.5, 1.6, 2.1, 2.2, 2.4.
 * Threads:  the worker of the member's connection.
 * Memory:   an inbound lives until its message has ended and every payload that names it has come
 *           back. Octets go to the room as they arrive; nothing is collected but the CPIM head
 *           (4 KiB at most).
 */
#ifndef DATAPLANE_SWITCH_INBOUND_H
#define DATAPLANE_SWITCH_INBOUND_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/chunk_in.h"
#include "include/span.h"

struct worker;
struct buffer;
struct message;
struct msrp_session;
struct payload;
struct text_block;

#define SESSION_IDS_KEPT    256 /* Message-IDs remembered per leg: context.md 1.5 */
#define SESSION_DASHES_HELD 40  /* seven dashes and a transaction id */

/* Hashes of the last Message-IDs, allocated at the first SEND with content. */
struct message_ids {
	void *link;
	uint32_t next;
	uint64_t hashes[SESSION_IDS_KEPT];
};

enum inbound_state {
	INBOUND_HEAD,    /* collecting the CPIM head */
	INBOUND_OPEN,    /* octets go to the room */
	INBOUND_REFUSED, /* octets are discarded until '$' or '#' */
	INBOUND_ENDED,   /* waits for the room's last verdict, or for its report */
	INBOUND_GONE,    /* freed as soon as the last payload that names it has come back */
};

/* A message that this session has begun to send. */
struct inbound {
	void *link;                   /* the pool's */
	struct inbound *next, **prev; /* of the session */
	struct msrp_session *session; /* NULL: it has gone */
	struct message *message;      /* from INBOUND_OPEN until it has come home */
	struct payload *spare;        /* for the end: giving a message up needs no memory */
	struct text_block *head;      /* collects the CPIM head when it came in pieces */
	struct text_block
		*from_text; /* the From-Path, for the REPORT; NULL: it is the peer's a=path */
	uint32_t from_len;
	uint32_t verdicts; /* payloads given to the room that come back */
	uint64_t id_hash;
	uint64_t edge;       /* octets received in order, in the sender's numbering */
	uint64_t total;      /* as declared, or BYTE_RANGE_UNKNOWN */
	uint64_t sent;       /* octets given to the room */
	uint32_t recipients; /* of the message, once the room has said so: egress is limited */
	uint64_t touched_at; /* ms */
	size_t head_resume;
	uint32_t head_len;
	uint8_t state; /* enum inbound_state */
	uint8_t id_len;
	uint16_t status; /* INBOUND_REFUSED: with what */
	uint8_t held_len; /* octets held back: they may be the start of dashes and a transaction id */
	bool success_report, counted, failure_wanted;
	char id[CHUNK_TID_MAX]; /* the sender's Message-ID */
	uint8_t held[SESSION_DASHES_HELD];
};

/* What the connection is to do with the chunk. */
enum inbound_take {
	INBOUND_TAKE, /* go on */
	INBOUND_WAIT, /* not yet a member: feed the same chunk again after connection_resume */
};

/* A SEND's head; body octets; its end. */
enum inbound_take inbound_send(
	struct worker *worker, struct msrp_session *session, const struct chunk *chunk);
void inbound_body(struct worker *worker, struct msrp_session *session, struct span octets,
	struct buffer *buffer);
void inbound_end(struct worker *worker, struct msrp_session *session, char flag);
/* Gives out what is held for one read: called when the connection has no more octets now. */
void inbound_pause(struct worker *worker, struct msrp_session *session);

/* Posts arriving at the sender's worker. */
void inbound_verdict(struct worker *worker, struct payload *payload);
void inbound_message_home(struct worker *worker, struct message *message);
void inbound_report_ready(struct worker *worker, struct message *message);

/* The session is going: what it had begun is given up. */
void inbound_abandon_all(struct worker *worker, struct msrp_session *session);
/* What it has begun and not ended is refused, also a chunk that is arriving. */
void inbound_refuse_open(struct worker *worker, struct msrp_session *session, unsigned status);
/* Is there such a one? */
bool inbound_is_open(const struct msrp_session *session);
/* Once a second: messages that stall. */
void inbound_tick(struct worker *worker, struct msrp_session *session);
#endif
