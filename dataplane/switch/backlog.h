/* SPDX-License-Identifier: BSD-3-Clause */
/* backlog: what waits to be sent to one member, and the policy for slow receivers. This policy is
 * nowhere else.
 *
 * Place:    fanout -> backlog -> connection (tcp).
 * Spec:     RFC 7701 6.4, RFC 4975 5.1, 7.1.1 (chunks, interruption); context.md 2.7.
 * Threads:  the worker of the connection.
 * Memory:   32 to 48 octets per member and message; a head exists only in the worker's scratch
 *           buffer while it is handed to the transport; its unsent rest, if any, is kept in the
 *           connection's output blocks.
 */
#ifndef DATAPLANE_SWITCH_BACKLOG_H
#define DATAPLANE_SWITCH_BACKLOG_H
#include "dataplane/switch/message.h"
#include "include/span.h"

struct worker;
struct connection;
struct msrp_session;
struct room_part;

/* A place in `message`, standing at `view` (its first), at the end of the session's queue. False:
 * the member is congested or memory is out; it is counted. The member may become congested by it,
 * and the place be gone again. */
bool backlog_add(struct worker *worker, struct msrp_session *session, struct message *message,
	struct view *view);
/* An entry that had sent all that had come stands in a view again. */
void backlog_more(struct worker *worker, struct msrp_session *session, struct entry *entry);

/* Writes what the transport takes. Called once per loop for each connection with something to
 * say. */
void backlog_flush(struct worker *worker, struct connection *conn);

/* The session goes: its entries are dropped, a begun one is counted as cut. */
void backlog_drop_all(struct worker *worker, struct msrp_session *session);

/* The session takes part no longer: all, or what is not whole, is given up, and ended with '#' where
 * it was begun. */
void backlog_cut_all(struct worker *worker, struct msrp_session *session);
void backlog_cut_unfinished(struct worker *worker, struct msrp_session *session);

/* What a view costs beside its octets, about: a sender may put a single octet into each. */
#define BACKLOG_VIEW_OCTETS 512u

/* Messages of this room grew by a view: members that pin too much by it become congested, and
 * beyond their limit what they have begun is cut. */
void backlog_grown(struct worker *worker, struct room_part *part);

/* A response refused a chunk of a copy: if it is not all written, whichever chunk that was, it is
 * ended with '#' (RFC 4975 7.2). */
void backlog_refused(struct worker *worker, struct msrp_session *session, struct span tid);
/* The same for a copy that is known by our Message-ID: a REPORT said so, or the response to a chunk
 * of a tracked one. What was not begun, or is written already, stays as it is. */
void backlog_refused_message(struct worker *worker, struct msrp_session *session, struct span id);

/* Once a second: a peer that takes nothing, or too little, of what waits for it is evicted. True: the
 * connection was closed for it. */
bool backlog_tick(struct worker *worker, struct connection *conn);
/* Memory is low: the queues that pin most are emptied, what is begun is cut. When none pins much,
 * the stalled connection that holds most is closed. */
void backlog_relieve(struct worker *worker);
#endif
