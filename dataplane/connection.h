/* SPDX-License-Identifier: BSD-3-Clause */
/* connection: one TCP connection that speaks MSRP: chunks in, sessions found or bound, octets out.
 *
 * Place:    tcp -> connection -> msrp_session, and backlog -> connection -> tcp.
 * Spec:     RFC 4975 5.4 (binding by the first request), 7.2 (responses), 10.8, 10.10.
 * Threads:  its worker. It never moves.
 * Memory:   an idle connection holds no buffer: octets are read into the worker's, and only an
 *           unfinished head keeps one.
 */
#ifndef DATAPLANE_CONNECTION_H
#define DATAPLANE_CONNECTION_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "dataplane/msrp/chunk_in.h"
#include "dataplane/msrp/target.h"
#include "dataplane/switch/msrp_session.h"
#include "dataplane/switch/report.h"
#include "dataplane/tcp/tcp.h"

/* Requests for sessions that cannot be had, then it is closed, whatever else it carries: who guesses
 * may well have a session. One is forgotten every so many seconds, as a relay's connection lives long
 * and sees stale ones. */
#define CONNECTION_STRANGERS_MAX     20
#define CONNECTION_STRANGER_FORGET_S 60
#define CONNECTION_CONTROL_MAX                                                                     \
	65536 /* octets of responses that wait: beyond it the peer is not read */
#define CONNECTION_TAIL_MAX 64
#define LIMITED_SLOTS       64 /* a ring of times, LIMITED_MS each */
#define LIMITED_MS          16

/* Connections with something to send stand in lines, each of one room; those that have only answers
 * to send stand in the first. Lines are served in turn, so that the copies of a large room do not
 * keep those of another waiting. */
#define FLUSH_LINES 64
struct flush_line {
	struct connection *first, *last;
	uint32_t count;
	uint32_t serial; /* whose it is: room_part.line_serial; 0: nobody's */
};

/* Output that is not a body: responses, REPORTs, and the unsent rest of a head. Small, so that there is
 * one for each leg: when the network stands still, every member may have got half a head. */
struct output_block {
	struct output_block *next;
	uint16_t start, end;
	char octets[1012];
};

/* The beginning of a head, or what may be that of an end-line. */
struct tail_block {
	void *link; /* the pool's */
	uint8_t octets[CONNECTION_TAIL_MAX];
};

/* Where a connection of ours goes, so that others of our sessions find it (RFC 4975 5.4). */
struct outgoing {
	void *link; /* the pool's */
	struct connection *conn;
	struct outgoing *next, **prev; /* of the worker, by target */
	struct msrp_target target;
	bool secure;
};
#define OUTGOING_BUCKETS 256

struct connection {
	void *link; /* the pool's */
	struct worker *worker;
	struct tcp_conn *tcp;
	TAILQ_ENTRY(connection) life; /* of the worker: in use, or unused in the order of `since` */
	struct outgoing *outgoing;    /* ours, and may be shared; NULL: the peer's */
	struct connection *dirty_next;  /* those with something to send */
	struct connection *paused_next; /* those that are not read for want of memory, for a full
					 * room, or as what they send is limited */
	struct msrp_session *sessions;
	struct msrp_session *binding; /* asks its home worker; nothing is read meanwhile */
	struct msrp_session *held;    /* whose request is kept until its room is not full, and it
				       * may send: others share the connection */
	struct chunk_in in;
	/* the request being received */
	struct msrp_session *current;    /* whose SEND it is; NULL: its body is discarded */
	struct transaction *transaction; /* its answer, until given away */
	struct inbound *inbound;
	struct payload *pending; /* made, not yet given to the room: its flags may still change */
	uint64_t chunk_at;       /* the place, in its message, of the body octet that comes next */
	union {
		uint64_t chunk_end;     /* what its range says, when its message has a record */
		char id[CHUNK_TID_MAX]; /* report_wanted: Message-ID of a SEND that has none */
	};
	bool bodiless, report_wanted;
	uint8_t id_len;
	uint32_t recent_octets; /* received of late: halved every second */
	struct transaction *transactions;
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
	struct msrp_session *active, *active_last; /* those with something to send, in turn */
	uint64_t written_at;                       /* ms; octets last went out, or began to wait */
	/* ms, the low half: they are looked at within minutes only. */
	uint32_t received_at;   /* octets last came */
	uint32_t since;         /* when it came, or lost its last session */
	uint32_t window_at;     /* from when it is looked at how much it takes; 0: it is not */
	uint32_t window_octets; /* that it took since then; no more than fits */
	uint32_t turn_octets;   /* that the first of the active ones has had of its turn */
	uint32_t open_octets;   /* of the open chunk; no more than matter */
	uint16_t asking;        /* sessions whose binding SEND has no answer */
	uint16_t
		refused_status; /* answer of a bind that failed, for the request that is parsed next */
	uint8_t strangers;
	uint8_t tail_len;
	bool dirty : 1, paused : 1, closing : 1, dead : 1, broken : 1, waiting : 1, secure : 1,
		between : 1, parsing : 1;
	bool connecting : 1; /* ours, and not open yet */
	bool blocked;        /* the transport took less than it was given: writable() follows */
	bool open_definite;  /* its Byte-Range named an end: it cannot be interrupted */
	uint8_t open_tid_len;
	char open_tid[REPORT_TID_OCTETS];
	struct tail_block *tail; /* octets left over that are too few to keep a buffer for */
};
_Static_assert(sizeof(struct connection) <= 384, "one per connection, most of them idle");

extern const struct tcp_ops connection_tcp_ops; /* owner: struct worker */

/* Connects for a leg whose setup is active, or takes a connection to that place that is there
 * (RFC 4975 5.4): always on its home worker, which hears leg_connected or leg_unbound. */
void connection_connect(
	struct worker *worker, struct msrp_session *session, const struct msrp_target *target);
/* The session is the connection's from now on, or no longer. */
void connection_carry(struct worker *worker, struct connection *conn, struct msrp_session *session);
void connection_let_go(
	struct worker *worker, struct connection *conn, struct msrp_session *session);
/* POST_BIND_ANSWER. */
void connection_bind_answer(struct worker *worker, struct msrp_session *session);
/* What was parked is parsed again, and reading goes on. */
void connection_resume(struct worker *worker, struct connection *conn);
void connection_resume_paused(struct worker *worker);
/* In how many ms one that is limited may be read; at most `most`. */
unsigned connection_wait_ms(const struct worker *worker, unsigned most);

/* Queues a whole response or REPORT. False: no memory, and the connection is closed for it. */
bool connection_write(
	struct worker *worker, struct connection *conn, const char *octets, size_t len);
/* The unsent rest of a head or end-line: goes before everything else. */
bool connection_write_rest(
	struct worker *worker, struct connection *conn, const char *octets, size_t len);
void connection_mark_dirty(struct worker *worker, struct connection *conn);
/* How many connections wait to be sent what this room has for them. */
uint32_t connection_line_count(const struct worker *worker, const struct room_part *part);
void connection_respond(struct worker *worker, struct connection *conn, struct span tid,
	unsigned status, struct span to_path, struct span from_path);
/* Closes it when nothing is left to send. */
void connection_close_when_sent(struct worker *worker, struct connection *conn);
/* Closes it now; its sessions are unbound with `cause`. */
void connection_close(struct worker *worker, struct connection *conn, enum leg_cause cause);
void connection_flush_dirty(struct worker *worker); /* once a turn */
void connection_tick(struct worker *worker);
#endif
