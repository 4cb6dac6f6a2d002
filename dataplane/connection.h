/* SPDX-License-Identifier: BSD-3-Clause */
/* connection: one TCP connection that speaks MSRP: chunks in, sessions found or bound, octets out.
 *
 * Place:    tcp -> connection -> msrp_session, and backlog -> connection -> tcp.
 * Spec:     RFC 4975 5.4 (binding by the first request), 7.2 (responses), 10.7, 10.11.
 * Threads:  its worker. It never moves.
 * Memory:   an idle connection holds no buffer: octets are read into the worker's, and only an
 *           unfinished head keeps one.
 */
#ifndef DATAPLANE_CONNECTION_H
#define DATAPLANE_CONNECTION_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/chunk_in.h"
#include "dataplane/switch/msrp_session.h"
#include "dataplane/tcp/tcp.h"

#define CONNECTION_STRANGERS_MAX 20 /* requests for unknown sessions, then it is closed */
#define CONNECTION_CONTROL_MAX                                                                     \
	65536 /* octets of responses that wait: beyond it the peer is not read */
#define CONNECTION_TAIL_MAX 64

/* Output that is not a body: responses, REPORTs, and the unsent rest of a head. */
struct output_block {
	struct output_block *next;
	uint16_t start, end;
	char octets[2028];
};

struct connection {
	void *link; /* the pool's */
	struct worker *worker;
	struct tcp_conn *tcp;
	struct connection *next, **prev; /* all of the worker */
	struct connection *dirty_next;   /* those with something to send */
	struct connection
		*paused_next; /* those that are not read for want of memory or for a full room */
	struct msrp_session *sessions;
	struct msrp_session *binding; /* asks its home worker; nothing is read meanwhile */
	struct chunk_in in;
	/* the request being received */
	struct msrp_session *current;    /* whose SEND it is; NULL: its body is discarded */
	struct transaction *transaction; /* its answer, until given away */
	struct inbound *inbound;
	struct payload *pending; /* made, not yet given to the room: its flags may still change */
	uint64_t chunk_start;    /* what its range says: the place of its first octet */
	uint64_t chunk_octets;   /* received of its body */
	struct byte_range range;
	bool has_range, bodiless, report_wanted;
	char id[CHUNK_TID_MAX]; /* Message-ID of what wants a REPORT and has no record */
	uint8_t id_len;
	/* octets read and not used */
	struct buffer *park;
	uint32_t park_start, park_len;
	/* out */
	struct output_block *control, *control_last;
	uint32_t control_octets;
	uint32_t
		rest_octets; /* the first so many of control belong right behind what was sent last */
	struct entry *open; /* whose chunk is open on the wire */
	struct msrp_session *open_session;
	uint64_t open_octets;
	bool blocked;       /* the transport took less than it was given: writable() follows */
	bool open_definite; /* its Byte-Range named an end: it cannot be interrupted */
	uint8_t open_tid_len;
	char open_tid[CHUNK_TID_MAX];
	struct transaction *transactions;
	uint64_t received_at;    /* ms; octets last came */
	uint64_t written_at;     /* ms; octets last went out, or nothing waited */
	uint64_t since;          /* ms; when it came, or lost its last session */
	uint16_t refused_status; /* answer of a bind that failed, for the parked request */
	uint8_t strangers;
	bool dirty, paused, closing, dead, broken, waiting, secure, between, parsing;
	char refused_id[SESSION_ID_OCTETS];
	uint8_t tail_len;
	uint8_t tail
		[CONNECTION_TAIL_MAX]; /* octets left over that are too few to keep a buffer for */
};

extern const struct tcp_ops connection_tcp_ops; /* owner: struct worker */

/* Connects for a leg whose setup is active: always on its home worker, which hears leg_connected or
 * leg_unbound. */
void connection_connect(struct worker *worker, struct msrp_session *session);
/* POST_BIND_ANSWER. */
void connection_bind_answer(struct worker *worker, struct msrp_session *session);
/* What was parked is parsed again, and reading goes on. */
void connection_resume(struct worker *worker, struct connection *conn);
void connection_resume_paused(struct worker *worker);

/* Queues a whole response or REPORT. False: no memory, and the connection is closed for it. */
bool connection_write(
	struct worker *worker, struct connection *conn, const char *octets, size_t len);
/* The unsent rest of a head or end-line: goes before everything else. */
bool connection_write_rest(
	struct worker *worker, struct connection *conn, const char *octets, size_t len);
void connection_mark_dirty(struct worker *worker, struct connection *conn);
void connection_respond(struct worker *worker, struct connection *conn, struct span tid,
	unsigned status, struct span to_path, struct span from_path);
/* Closes it when nothing is left to send. */
void connection_close_when_sent(struct worker *worker, struct connection *conn);
/* Closes it now; its sessions are unbound with `cause`. */
void connection_close(struct worker *worker, struct connection *conn, enum leg_cause cause);
void connection_flush_dirty(struct worker *worker); /* once a turn */
void connection_tick(struct worker *worker);
#endif
