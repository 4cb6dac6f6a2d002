/* SPDX-License-Identifier: BSD-3-Clause */
/* mailbox: the data plane's end of the rings: commands in, events out.
 *
 * Place:    the border (include/ring.h) <-> mailbox <-> leg, room.
 * Spec:     design 4; include/switch_cmd.h, include/switch_event.h.
 * Threads:  its worker. attachment_change travels between the main thread and the worker.
 * A command is taken only while there is room for its answer. State events are made from the
 * present state when the ring has room: objects that changed stand on a list until then, so nothing
 * is lost while no controller is attached.
 */
#ifndef DATAPLANE_MAILBOX_H
#define DATAPLANE_MAILBOX_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/attach.h"
#include "dataplane/post.h"

struct worker;
struct leg;
struct room;

/* Main thread -> worker: use this end from now on (or none); and back. */
struct attachment_change {
	struct post post;
	uint8_t slot;
	bool attached;
	struct attachment_end end;
	struct post_queue *reply; /* the main thread's */
};

struct mailbox_slot {
	bool attached, draining;
	bool told_drain; /* EVENT_DRAINING was written */
	struct attachment_end end;
	struct leg *dirty_legs, **dirty_legs_last;
	struct room *dirty_rooms, **dirty_rooms_last;
	uint64_t rooms_due; /* ms; before it no dirty room has anything to tell */
	/* a snapshot in progress */
	bool snapshot;
	uint64_t snapshot_cookie;
	uint32_t snapshot_room, snapshot_leg;
	_Atomic uint32_t
		objects; /* rooms and legs of this controller here; the main thread looks at it */
};

struct mailbox {
	struct mailbox_slot slots[BORDER_CONTROLLERS_MAX];
	uint64_t revision;
};

void mailbox_init(struct mailbox *mailbox);
void mailbox_change(struct worker *worker, struct attachment_change *change);
/* Takes commands, writes events. True: something was done. */
bool mailbox_run(struct worker *worker);
/* Takes the commands that have come since. Called between reading octets and looking at them: a
 * controller puts a command into the ring before it answers the peer, so what the peer sends because
 * of that answer finds the command done. */
void mailbox_catch_up(struct worker *worker);
bool mailbox_may_sleep(struct worker *worker);
void mailbox_awake(struct worker *worker);
/* In how many ms something that could not be told yet may be; at most `most`. */
unsigned mailbox_wait_ms(const struct worker *worker, unsigned most);
bool mailbox_holds(const struct worker *worker, unsigned slot);
void mailbox_leg_dirty(struct worker *worker, struct leg *leg);
void mailbox_room_dirty(struct worker *worker, struct room *room);
#endif
