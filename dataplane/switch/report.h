/* SPDX-License-Identifier: BSD-3-Clause */
/* report: who got a counted message whole (Include-Sent-Count, Distribution-Count).
 *
 * Spec:     RFC 4975 7.1.2; context.md 2.6.
 * Threads:  a report_part belongs to one worker; when it is settled the room's worker reads all
 *           parts and sends each home.
 * Memory:   from a pool of blocks, taken as members need them: 2 octets per session and a bit per
 *           participant. None free: the count is unknown, and that is counted.
 * A transaction id carries the record and the session, so that an answer needs no table; that the
 * answer comes on the connection of that session is checked.
 */
#ifndef DATAPLANE_SWITCH_REPORT_H
#define DATAPLANE_SWITCH_REPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dataplane/post.h"
#include "include/span.h"

struct worker;
struct message;
struct msrp_session;
struct room_part;

#define REPORT_BLOCK_OCTETS    1024u
#define REPORT_SLOTS_PER_BLOCK (REPORT_BLOCK_OCTETS / 2)
#define REPORT_BITS_PER_BLOCK  (REPORT_BLOCK_OCTETS * 8)
#define REPORT_SLOT_BLOCKS     200 /* sessions of one worker below 102,400 can be counted */
#define REPORT_BIT_BLOCKS      16  /* participants of one room below 131,072 */

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
	uint32_t open;   /* members whose outcome is not known */
	bool incomplete; /* a block was missing: the count is unknown */
	bool ended;      /* every copy here is written or given up: only answers are waited for */
	uint64_t written_at;                 /* ms; the last octet of the slowest copy */
	uint64_t whole_at;                   /* ms; the message was received whole; 0: not yet */
	uint16_t *slots[REPORT_SLOT_BLOCKS]; /* by index of the session */
	uint8_t *bits[REPORT_BIT_BLOCKS];    /* by participant: got it whole */
};

/* For a counted message at its BEGIN on this worker; NULL: no memory. */
struct report_part *report_new(
	struct worker *worker, struct message *message, struct room_part *part);
void report_copy_begun(
	struct worker *worker, struct report_part *report, const struct msrp_session *session);
void report_chunk_sent(
	struct worker *worker, struct report_part *report, const struct msrp_session *session);
/* The copy was written whole (or not); outstanding answers may follow. */
void report_copy_ended(struct worker *worker, struct report_part *report,
	const struct msrp_session *session, bool whole);
/* The message is complete on this worker, though not yet written. */
void report_whole(struct worker *worker, struct report_part *report);
/* No copy is left to write. Settles when no answer is missing. */
void report_ended(struct worker *worker, struct report_part *report);
/* A response arrived on a connection of this session's worker. True: it was for a counted copy. */
bool report_response(
	struct worker *worker, struct msrp_session *sessions, struct span tid, unsigned status);
void report_member_leaves(
	struct worker *worker, struct room_part *part, const struct msrp_session *session);
/* Once a second: waits that are over. */
void report_tick(struct worker *worker);
/* One of those that a counted message waits for is done: a worker's part, or the stream from the
 * sender. The last tells the room (POST_REPORT_DONE). */
void report_part_done(struct worker *worker, struct message *message);
/* Room's worker: distinct participants in all parts. False: the count is unknown. */
bool report_count(struct worker *worker, struct message *message, uint32_t *count);
/* Room's worker, when the message is over: the records go home. */
void report_parts_home(struct worker *worker, struct message *message);
void report_home(struct worker *worker, struct report_part *report);

/* Writes the transaction id of a counted chunk: random part, then record and slot. Returns its
 * length. */
#define REPORT_TID_OCTETS 25
void report_tid(struct worker *worker, const struct report_part *report,
	const struct msrp_session *session, char tid[REPORT_TID_OCTETS]);
#endif
