/* SPDX-License-Identifier: BSD-3-Clause */
/* inbound: messages on their way from a member to its room.
 *
 * Place:    connection (chunks) -> inbound -> room, and back with the room's verdict.
 * Spec:     RFC 4975 7 (chunks, ranges, duplicates, reports), RFC 7701 6.1 (checks, cut-through),
 *           context.md 1.5, 1.6, 2.1, 2.2, 2.4.
 * Threads:  the worker of the member's connection.
 * Memory:   an inbound lives until its message has ended and every payload that names it has come
 *           back. Octets go to the room as they arrive. Collected are the CPIM head, when it comes
 *           in pieces (4 KiB at most), and octets that come ahead of their turn (reorder.h), within
 *           one limit per leg.
 *
 * Order of octets. The edge is how far a message has come without a gap. Octets behind it have gone
 * to the room and are left out. Those at it go on at once. Those ahead of it are kept, and given on
 * when the chunk that closes the gap has ended, so that its octets, the later ones, replace kept
 * ones that it overlaps. A '$' says where the message ends, whenever it comes; the message is whole
 * when the edge is there. What contradicts another chunk of the message (a total, an end, octets
 * behind the end) gets 400, and the message is given up.
 *
 * Answers. A chunk is answered at its end: with the room's verdict when its last octet has gone
 * there, else at once with 200, as it is then taken (kept, or part of the CPIM head). A refusal is
 * answered at once, though the chunk is still arriving; what follows of the message is discarded
 * and gets the same status, until a chunk with '$' or '#' has ended, or one begins with octet 1:
 * that is a new attempt, and judged afresh. When octets are lost that were answered 200 (or not, as
 * Failure-Report: partial asks), one REPORT says so, after the error response if there is one to
 * give: its range goes from 1 to the last octet so answered, its status is that of the refusal, or
 * 413 when the message was given up here (nothing came for chunk_reception_s, or the session is
 * removed). What the REPORTs of a message are like (whether, along which path) its first chunk
 * says; each chunk's Failure-Report says how that chunk is answered.
 *
 * Duplicates. A message whose Message-ID is among the last SESSION_IDS_KEPT whole ones of the leg
 * is answered as usual, with a REPORT if it asks for one (without a count), and not delivered. The
 * ids belong to the leg: they go with it from binding to binding.
 */
#ifndef DATAPLANE_SWITCH_INBOUND_H
#define DATAPLANE_SWITCH_INBOUND_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/chunk_in.h"
#include "dataplane/msrp/cpim.h"
#include "dataplane/post.h"
#include "dataplane/switch/reorder.h"
#include "include/span.h"

struct worker;
struct buffer;
struct message;
struct msrp_session;
struct payload;
struct text_block;

#define SESSION_IDS_KEPT    256 /* Message-IDs remembered per leg: context.md 1.5 */
#define SESSION_IDS_SMALL   32
#define SESSION_DASHES_HELD 40 /* seven dashes and a transaction id */

#define SESSION_HEADS_MAX 4u /* CPIM heads that a leg may have collected at a time */

/* Hashes of the last Message-IDs of a leg, taken at its first whole message, and exchanged for a
 * large one when SESSION_IDS_SMALL do not do any more (while there is one: else it remembers so
 * many). It goes from session to session by way of the leg, and at last home to the worker whose
 * pool it is from. */
enum message_ids_class { IDS_SMALL, IDS_LARGE, IDS_CLASSES };
struct message_ids {
	void *link;
	struct post post; /* POST_IDS_HOME */
	uint16_t home;    /* worker */
	uint8_t class;    /* enum message_ids_class */
	uint32_t next;
	uint32_t halves[]; /* the lower halves of all, then the upper ones */
};
size_t message_ids_size(enum message_ids_class class);

/* The start of a message whose CPIM head came in pieces. */
struct head_block {
	void *link;
	char octets[CPIM_HEAD_MAX];
};

enum inbound_state {
	INBOUND_HEAD,    /* collecting the CPIM head */
	INBOUND_OPEN,    /* octets go to the room */
	INBOUND_REFUSED, /* octets are discarded until '$' or '#' */
	INBOUND_ENDED,   /* waits for the room's last verdict, or for its report */
	INBOUND_GONE,    /* freed as soon as the last payload that names it has come back */
};

/* A message that this session has begun to send. Positions are the sender's, from 1. */
struct inbound {
	void *link;                   /* the pool's */
	struct inbound *next, **prev; /* of the session */
	struct msrp_session *session; /* NULL: it has gone */
	struct message *message;      /* from INBOUND_OPEN until it has come home */
	struct payload *spare;        /* for the end: giving a message up needs no memory */
	struct head_block *head;      /* collects the CPIM head when it came in pieces */
	struct inbound *heads_next, **heads_prev; /* with a head: all of the worker, oldest first */
	struct text_block
		*from_text; /* the From-Path, for REPORTs; NULL: it is the peer's a=path */
	uint32_t from_len;
	uint32_t verdicts; /* payloads given to the room that come back */
	struct reorder kept;
	uint64_t id_hash;
	uint64_t edge;       /* octets received in order */
	uint64_t reach;      /* the last octet received, in order or not */
	uint64_t accepted;   /* the last octet of chunks that were answered 200; 0: none */
	uint64_t total;      /* as declared, or said by '$'; or BYTE_RANGE_UNKNOWN */
	uint64_t sent;       /* octets given to the room */
	uint32_t recipients; /* of the message, once the room has said so: egress is limited */
	uint64_t touched_at; /* ms */
	size_t head_resume;
	uint32_t head_len;
	uint8_t state; /* enum inbound_state */
	uint8_t id_len;
	uint16_t status; /* INBOUND_REFUSED: with what */
	uint8_t held_len; /* octets held back: they may be the start of dashes and a transaction id */
	uint8_t failure_report; /* enum failure_report */
	bool success_report, counted;
	bool ends;              /* '$' has come: `total` is true */
	bool private;           /* to one participant: the room has said so */
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

/* The session is going: what it had begun is given up; a sender that is still there is told. */
void inbound_abandon_all(struct worker *worker, struct msrp_session *session);
/* What it has begun and not ended is refused, also a chunk that is arriving. */
void inbound_refuse_open(struct worker *worker, struct msrp_session *session, unsigned status);
/* Is there such a one? */
bool inbound_is_open(const struct msrp_session *session);
/* Once a second: messages that stall. */
void inbound_tick(struct worker *worker, struct msrp_session *session);

/* The leg is gone (its home worker), and the block is back (POST_IDS_HOME). */
void message_ids_release(struct worker *worker, struct message_ids *ids);
void message_ids_home(struct worker *worker, struct message_ids *ids);
/* The room refused it: the same message may be tried again. hash: its lower half. */
void message_ids_forget(struct message_ids *ids, uint32_t hash);
#endif
