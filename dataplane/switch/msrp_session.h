/* SPDX-License-Identifier: BSD-3-Clause */
/* msrp_session: a leg as its connection's worker sees it: what comes in, and the queue of what goes out.
 *
 * Place:    connection (chunks) -> msrp_session -> room.
 * Spec:     RFC 4975 7 (requests, responses, reports), RFC 7701 6.1; context.md 1.5, 1.6, 2.1, 2.2.
 * Threads:  the worker of its connection. While a bind or unbind post is on its way the home worker has it in hand.
 * Cut-through: a chunk's octets go to the room as they arrive; nothing is assembled but the CPIM head (4 KiB at most).
 */
#ifndef DATAPLANE_SWITCH_MSRP_SESSION_H
#define DATAPLANE_SWITCH_MSRP_SESSION_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/chunk_in.h"
#include "dataplane/msrp/cpim.h"
#include "dataplane/post.h"
#include "dataplane/switch/leg.h"
#include "dataplane/switch/message.h"

struct connection;

#define SESSION_IDS_KEPT    256 /* Message-IDs remembered per leg: context.md 1.5 */
#define SESSION_DASHES_HELD 40  /* seven dashes and a transaction id */

/* Hashes of the last Message-IDs, allocated at the first SEND with content. */
struct message_ids {
	void *link;
	uint32_t next;
	uint64_t hashes[SESSION_IDS_KEPT];
};

/* A request that may have to be answered, from its head to its answer. */
struct transaction {
	void *link;
	struct msrp_session *session;     /* NULL: it has gone, nothing can be answered */
	struct transaction *next, **prev; /* of the connection */
	struct text_block *to_text;       /* holds a long `to` */
	uint16_t to_len;                  /* leftmost From-Path URI: RFC 4975 7.2 */
	uint8_t failure_report;           /* enum failure_report */
	uint8_t tid_len;
	char tid[CHUNK_TID_MAX];
	char to[160];
};

struct text_block {
	void *link;
	char octets[CHUNK_HEADER_MAX];
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
	uint64_t touched_at; /* ms */
	size_t head_resume;
	uint32_t head_len;
	uint8_t state; /* enum inbound_state */
	uint8_t id_len;
	uint16_t status; /* INBOUND_REFUSED: with what */
	uint8_t held_len; /* octets held back: they may be the start of dashes and a transaction id */
	bool success_report, counted;
	char id[CHUNK_TID_MAX]; /* the sender's Message-ID */
	uint8_t held[SESSION_DASHES_HELD];
};

/* How a session tells its leg that it is congested, or no longer. One is on its way at a time. */
struct session_status {
	struct post post;
	struct msrp_session *session;
	bool busy, congested;
};

struct msrp_session {
	void *link;       /* the pool's */
	struct post post; /* bind and unbind */
	struct session_status told;
	struct connection *connection; /* NULL: gone or going */
	struct msrp_session *next;     /* of the connection */
	struct leg_conf *conf;         /* lent by the leg */
	/* member of its room on this worker */
	struct msrp_session *member_next, *member_prev;
	uint64_t joined;
	bool member, was_member, unbinding, congested;
	bool join;       /* with a good answer to a bind: it is a member from `joined` on */
	uint8_t cause;   /* enum leg_cause, with POST_UNBOUND */
	uint16_t status; /* answer of the home worker to a bind: 200, 481, 506 */
	/* out */
	struct entry *queue, *queue_last;
	uint32_t queue_count;
	uint64_t queue_octets;
	uint64_t progress_at; /* ms; octets last went out, or the queue was empty */
	/* in */
	struct inbound *inbound;
	uint32_t inbound_count;
	struct message_ids *ids;
	uint16_t worker; /* of the connection */
	uint16_t home;   /* of the leg */
	bool secure;
	struct leg *leg;                    /* the home worker's */
	char session_id[SESSION_ID_OCTETS]; /* as asked for */
};

/* What the connection is to do with the chunk. */
enum session_take {
	SESSION_TAKE, /* go on */
	SESSION_WAIT, /* not yet a member: feed the same chunk again after connection_resume */
};

/* A SEND's head; body octets; its end. */
enum session_take msrp_session_send(
	struct worker *worker, struct msrp_session *session, const struct chunk *chunk);
void msrp_session_body(struct worker *worker, struct msrp_session *session, struct span octets,
	struct buffer *buffer);
void msrp_session_end(struct worker *worker, struct msrp_session *session, char flag);
/* Gives out what is held for one read: called when the connection has no more octets now. */
void msrp_session_pause(struct worker *worker, struct msrp_session *session);

/* `congested` changed. */
void msrp_session_status_changed(struct worker *worker, struct msrp_session *session);
void msrp_session_told(struct worker *worker, struct session_status *told);

/* Posts arriving at the connection's worker. */
void msrp_session_verdict(struct worker *worker, struct payload *payload);
void msrp_session_control(struct worker *worker, struct leg_control *control);
void msrp_session_message_home(struct worker *worker, struct message *message);
void msrp_session_report_ready(struct worker *worker, struct message *message);
void msrp_session_unbound_ack(struct worker *worker, struct msrp_session *session);

/* Takes the session off its connection and tells its leg. open messages end. */
void msrp_session_unbind(struct worker *worker, struct msrp_session *session, enum leg_cause cause);
void msrp_session_join(struct worker *worker, struct msrp_session *session, uint64_t joined);
void msrp_session_leave(struct worker *worker, struct msrp_session *session);

/* The connection has gone: its transactions can not be answered. */
void transaction_orphan_all(struct connection *conn, const struct msrp_session *only);
/* Once a second, for every session: messages that stall. */
void msrp_session_tick(struct worker *worker, struct msrp_session *session);

bool session_id_is_valid(struct span id, uint16_t *home, uint32_t *index);
#endif
