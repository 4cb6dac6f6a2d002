/* SPDX-License-Identifier: BSD-3-Clause */
/* room: the switch's shadow of a conference: who is in, in what order messages go, who may send
 * what.
 *
 * Place:    msrp_session -> room (on its home worker: verdict, order) -> fanout (on every worker with members).
 * Spec:     RFC 7701 6; context.md 2.1, 2.2, 2.5.
 * Threads:  the home worker; part[w] belongs to worker w alone. `full` is written by workers and
 *           read by all.
 * Memory:   freed when it is closed, its legs are gone and no message is on its way.
 */
#ifndef DATAPLANE_SWITCH_ROOM_H
#define DATAPLANE_SWITCH_ROOM_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "include/ids.h"
#include "include/span.h"
#include "include/switch_cmd.h"
#include "include/switch_event.h"

struct worker;
struct leg;
struct message;
struct payload;
struct msrp_session;
struct view;
struct report_part;

#define ROOM_WORK_HIGH                                                                             \
	(1u << 20) /* octets of fan-out work on one worker: the senders are not read */
#define ROOM_WORK_LOW (1u << 19) /* and are read again */
#define ROOM_TEXT_MAX 4096

/* One worker's share of a room. */
struct room_part {
	_Alignas(64) struct msrp_session *first,
		*last; /* members bound on this worker, in the order they came */
	struct room *room;
	uint32_t members;
	struct view *work, *work_last; /* views whose entries are still to be made or told */
	struct room_part *work_next;   /* parts with work, in turn */
	struct msrp_session
		*cursor; /* where the member list was left, while work->payload is a BEGIN */
	uint32_t work_octets;
	uint32_t work_in, work_done; /* views that came, and that all members know of */
	bool working, full;
	uint8_t line; /* of connections with something to send, if it has this serial */
	uint32_t line_serial;
	uint64_t appended; /* octets of all views ever, with what each costs beside them: backlog */
	uint64_t looked_at;          /* `appended` when backlog_grown last looked at the members */
	struct report_part *reports; /* tracked messages not settled yet */
	uint32_t report_count, report_blocks;      /* how many, and what they hold */
	_Atomic uint64_t deliveries, cut, skipped; /* read by the home worker for EVENT_ROOM */
};

/* How a room is closed. What its members have a 200 for is delivered before they go. */
enum room_phase {
	ROOM_PHASE_OPEN,
	ROOM_PHASE_FINISHING, /* new and unfinished messages get 413; those whole are waited for */
	ROOM_PHASE_LEAVING,   /* that took too long: members leave, what is left gets '#' */
	ROOM_PHASE_REMOVING,  /* no message is open, or that took too long too: the legs go */
};

struct room {
	void *link; /* the pool's */
	uint32_t generation;
	uint16_t worker; /* home */
	uint8_t slot;    /* controller */
	bool used, closing, dirty, drained;
	uint8_t phase;                             /* enum room_phase */
	uint64_t close_until;                      /* ms */
	struct room *closing_next, **closing_prev; /* worker->closing_rooms, while it finishes */
	_Atomic uint32_t full;                     /* workers whose work is above ROOM_WORK_HIGH */
	uint32_t flags;                            /* enum room_flag */
	_Atomic uint64_t max_message;              /* read by the senders' workers */
	uint64_t order;                            /* of the last message */
	uint32_t leg_count, open_messages;
	struct leg *legs;
	struct object_tag tag;
	uint64_t revision;
	struct room_counts counts;
	uint64_t counted_at; /* ms of the last EVENT_ROOM */
	struct room *dirty_next;
	struct span uris, wrapped; /* in text */
	uint32_t members[64];      /* per worker: legs of ours bound there and in the room */
	char text[ROOM_TEXT_MAX];
	struct room_part part[]; /* one per worker */
};

size_t room_size(unsigned workers);

int room_open(struct worker *worker, uint8_t slot, const struct object_tag *tag,
	const struct room_settings *settings, struct span uris, struct span wrapped,
	struct room **out);
int room_set(struct worker *worker, struct room *room, const struct room_settings *settings,
	struct span uris, struct span wrapped);
void room_close(struct worker *worker, struct room *room);
struct room *room_find(struct worker *worker, const struct object_id *id);
struct object_id room_object_id(const struct worker *worker, const struct room *room);

/* IMDN and is-composing: neither user content nor private messages (context.md 1.6, 2.5). */
bool room_type_is_control(struct span type);

/* A piece of a message arrived at the room (POST_PAYLOAD): verdict, order, hand on. */
void room_payload(struct worker *worker, struct payload *payload);
/* Nobody uses the message any more (POST_MESSAGE_DONE). */
void room_message_done(struct worker *worker, struct message *message);
/* Every outcome of a counted message is known (POST_REPORT_DONE). */
void room_report_done(struct worker *worker, struct message *message);
void room_free(
	struct worker *worker, struct room *room); /* mailbox: EVENT_ROOM_DRAINED was written */
void room_tick(struct worker *worker);             /* once a second: those whose time is over */
/* A leg or message less: frees a closed room when it was the last. */
void room_settle(struct worker *worker, struct room *room);

void room_counts_fill(
	const struct worker *worker, const struct room *room, struct room_counts *counts);
void room_mark_dirty(struct worker *worker, struct room *room);
#endif
