/* SPDX-License-Identifier: BSD-3-Clause */
/* report: who got a tracked message whole: one that asks for a count (Include-Sent-Count,
 * Distribution-Count), or one between two whose sender is told of a failure.
 *
 * Spec:     RFC 4975 7.1.2; context.md 2.6.
 * Threads:  a report_part belongs to one worker; when it is settled the room's worker reads all
 *           parts and sends each home.
 * Memory:   from a pool of blocks, taken as members need them: 4 octets per session and a bit per
 *           participant. None free: the count is unknown, and that is counted. A room may hold no
 *           more records or blocks than are free, and a sender no more records than are free beside
 *           its room's: one who takes many leaves as many to others.
 * Outcome:  by `msrp.count_basis` a recipient counts when each chunk was answered 200 (accepted), or
 *           when its success REPORTs cover the message (delivered). What its REPORTs cover is kept
 *           as an edge and three pieces behind it; a fourth is forgotten until it is reported again.
 *           A chunk that is not answered within `msrp.transaction_s` of its last octet is as one
 *           answered 408 (RFC 4975 7.1.1); the time begins anew with an answer to one before it.
 * A transaction id carries the record and the session, so that an answer needs no table; that the
 * answer comes on the connection of that session is checked. A REPORT names our Message-ID, which is
 * looked for among the records of its session's room.
 */
#ifndef DATAPLANE_SWITCH_REPORT_H
#define DATAPLANE_SWITCH_REPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dataplane/post.h"
#include "include/span.h"

struct worker;
struct chunk;
struct message;
struct msrp_session;
struct room_part;

#define REPORT_BLOCK_OCTETS    2048u
#define REPORT_SLOTS_PER_BLOCK (REPORT_BLOCK_OCTETS / 4)
#define REPORT_BITS_PER_BLOCK  (REPORT_BLOCK_OCTETS * 8)
#define REPORT_SLOT_BLOCKS     200 /* sessions of one worker below 102,400 can be counted */
#define REPORT_BIT_BLOCKS      8   /* participants of one room below 131,072 */
#define REPORT_RANGES_TABLE    1024
#define REPORT_APART           3 /* pieces of one copy that were reported ahead of the rest */

/* What the success REPORTs of one session cover of one message, when it was not all at once. */
struct report_range {
	void *link;                            /* the pool's */
	struct report_range *next, *of_report; /* in the worker's table; of the same record */
	struct report_part *report;
	uint32_t session; /* index */
	uint32_t apart_count;
	uint64_t edge; /* octets covered from the first on */
	struct {
		uint64_t from, to;
	} apart[REPORT_APART];
};

struct report_part {
	void *link; /* the pool's */
	uint32_t generation;
	uint32_t index; /* in the worker's table, for transaction ids */
	struct post post;
	struct message *message;
	struct room_part *room_part;
	struct report_part *next, **prev;               /* in room_part->reports */
	struct report_part *worker_next, **worker_prev; /* in worker->reports_open */
	bool settled;
	bool delivered;     /* the copies ask for success REPORTs, and those decide */
	bool incomplete;    /* a block was missing: the count is unknown */
	bool whole, walked; /* the message ends here; and every member knows its place in it */
	uint16_t failed;    /* MSRP status of a recipient that failed; 0: none did */
	uint32_t open;      /* members whose outcome is not known, and the message until `walked` */
	uint32_t unwritten; /* of those, copies that are not yet written or given up */
	uint32_t blocks;
	uint64_t octets;     /* with `whole`: of the message as it is sent */
	uint64_t written_at; /* ms; the last octet of the slowest copy */
	uint64_t whole_at;   /* ms */
	struct report_range *ranges;
	uint32_t *slots[REPORT_SLOT_BLOCKS]; /* by index of the session */
	uint8_t *bits[REPORT_BIT_BLOCKS];    /* by participant: got it whole */
};

/* For a tracked message at its BEGIN on this worker; NULL: no memory, or more than its share. */
struct report_part *report_new(
	struct worker *worker, struct message *message, struct room_part *part);
/* The session has a place in the message. A History Function and the sender's other devices are not
 * looked at further. */
void report_copy_begun(
	struct worker *worker, struct report_part *report, const struct msrp_session *session);
/* It is given no place, because of `status`. */
void report_copy_refused(
	struct report_part *report, const struct msrp_session *session, uint16_t status);
/* A chunk's head was written; its last octet was. */
void report_chunk_sent(
	struct worker *worker, struct report_part *report, const struct msrp_session *session);
void report_chunk_written(
	struct worker *worker, struct report_part *report, const struct msrp_session *session);
/* The copy was written whole (or not); outstanding answers may follow. */
void report_copy_ended(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, bool whole);
/* The message has come to its end on this worker, though not yet to its members. */
void report_whole(struct worker *worker, struct report_part *report);
/* Its last octets have been given out: no copy is begun from here on. */
void report_walked(struct worker *worker, struct report_part *report);
/* It was given up: nobody is to be told anything. */
void report_aborted(struct worker *worker, struct report_part *report);
/* A response arrived on a connection of this session's worker. A failure ends its copy. */
void report_response(
	struct worker *worker, struct msrp_session *sessions, struct span tid, unsigned status);
/* A REPORT of a recipient. Never forwarded (RFC 7701 6.3), never answered (RFC 4975 7.1.2). */
void report_received(
	struct worker *worker, struct msrp_session *session, const struct chunk *chunk);
void report_member_leaves(
	struct worker *worker, struct room_part *part, const struct msrp_session *session);
/* Once a second: waits that are over. */
void report_tick(struct worker *worker);
/* Nothing is waited for any longer. */
void report_settle_all(struct worker *worker);
/* One of those that a tracked message waits for is done: a worker's part, or the stream from the
 * sender. The last tells the room (POST_REPORT_DONE). */
void report_part_done(struct worker *worker, struct message *message);
/* Room's worker: distinct participants in all parts. False: the count is unknown. */
bool report_count(struct worker *worker, struct message *message, uint32_t *count);
/* Room's worker: the MSRP status by which a recipient failed; 0: none is known. */
uint16_t report_failed(struct worker *worker, const struct message *message);
/* Room's worker, when the message is over: the records go home. */
void report_parts_home(struct worker *worker, struct message *message);
void report_home(struct worker *worker, struct report_part *report);

/* Writes the transaction id of a tracked chunk: random part, then record and slot. Returns its
 * length. */
#define REPORT_TID_OCTETS 28 /* worker_tid, and three numbers */
void report_tid(struct worker *worker, const struct report_part *report,
	const struct msrp_session *session, char tid[REPORT_TID_OCTETS]);
/* Is it for a chunk of this record's message? */
bool report_tid_is_of(const struct report_part *report, struct span tid);
#endif
