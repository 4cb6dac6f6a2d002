/* SPDX-License-Identifier: BSD-3-Clause */
/* fanout: gives every member of this worker its place in a message, and tells those that wait that
 * there is more.
 *
 * Place:    room -> fanout -> backlog.
 * Threads:  the worker whose part it is.
 * Cost:     a cursor over the members in slices, so that input never waits for a long list.
 */
#ifndef DATAPLANE_SWITCH_FANOUT_H
#define DATAPLANE_SWITCH_FANOUT_H
#include "dataplane/switch/message.h"

struct worker;
struct room_part;
struct msrp_session;

/* In one worker_step, of all rooms together. What one slice holds for a member goes out in one
 * write, so a small slice costs writes; but more than these connections of one room are not kept
 * waiting for it. */
#define FANOUT_SLICE       16384 /* entries */
#define FANOUT_CONNECTIONS 4096

/* POST_FORWARD: this worker's view of a payload has arrived. */
void fanout_view(struct worker *worker, struct view *view);
/* One slice, room after room; true: work is left. */
bool fanout_run(struct worker *worker);

/* A member of this worker leaves: the cursor must not stand on it. */
void fanout_member_leaves(struct room_part *part, struct msrp_session *session);

/* Entries move on or end; both may release views. `from` is the view left. */
void fanout_entry_wait(struct worker *worker, struct entry *entry);
void fanout_entry_advance(struct worker *worker, struct entry *entry, struct view *to);
void fanout_entry_leave(struct worker *worker, struct entry *entry); /* cut: it stands nowhere */
void fanout_entry_free(struct worker *worker, struct entry *entry);
#endif
