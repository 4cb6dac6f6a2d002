/* SPDX-License-Identifier: BSD-3-Clause */
/* message: one message on its way through a room: a growing list of views per worker, never
 * assembled.
 *
 * Threads:  the sender's worker makes and frees it; the fields above `part` are written before it
 *           leaves there, and then only by the room's worker while it holds it; part[w] belongs to
 *           worker w.
 * Memory:   `cores` counts the workers with a part, one for the stream from the sender's worker to
 *           the room, and one for the report of a tracked message. The last drop goes to the room
 *           (counts), then home.
 *
 *   part[w]:   first -> view -> view -> last        entries (one per member, 32 octets) stand in a view or wait at the end
 *              view.at counts the entries in it; the first view goes when nobody is in it any more
 */
#ifndef DATAPLANE_SWITCH_MESSAGE_H
#define DATAPLANE_SWITCH_MESSAGE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/post.h"
#include "dataplane/switch/payload.h"

struct room;
struct msrp_session;
struct report_part;

#define MESSAGE_ID_OCTETS 16 /* of our own Message-IDs: base32, RFC 4975 9: ident */
#define MESSAGE_TYPE_OCTETS                                                                        \
	80 /* type/subtype of the wrapped content that is kept for the members' filters */
#define MESSAGE_TO_OCTETS 256

#define MESSAGE_REST_OCTETS 208 /* all headers with the longest numbers */

/* A member's place in one message. */
struct entry {
	struct message *message;
	union {
		struct view *view; /* where it stands; NULL: it waits behind the last */
		uint64_t position; /* ENTRY_CUT: octets of the message that were sent */
	};
	uint32_t offset;           /* octets of that view already handed to the transport */
	uint32_t session : 24;     /* index of the msrp_session on this worker */
	uint32_t flags : 8;        /* enum entry_flag */
	struct entry *next, *prev; /* in one of its session's lists: a ring */
	struct entry *wait_next;
};
enum entry_flag {
	ENTRY_STARTED = 1 << 0, /* a head was sent: it may only be finished or ended with '#' */
	ENTRY_DEAD =
		1 << 1, /* its session has gone; it is freed when its message next touches it */
	ENTRY_WAITING = 1 << 2, /* on a waiting or wake list */
	ENTRY_CUT = 1 << 3,     /* to be ended with '#': backlog policy */
	ENTRY_FIRST = 1 << 4,   /* its first chunk is not ended */
};

struct message_part {
	struct view *first, *last;
	struct entry *waiting; /* entries that have consumed every view */
	uint32_t at_end;       /* how many those are */
	uint32_t views;        /* how many there have been */
	uint32_t entries;      /* live and dead ones together */
	uint64_t octets;       /* in the views so far: where the next one starts */
	struct report_part *report;
	bool walking, ended, aborted, uncounted;
	/* What follows the paths in the head of every member's first chunk, once written; and the
	 * range that it says. */
	uint8_t rest_len; /* 0: not yet */
	uint64_t rest_end, rest_total;
	char rest[MESSAGE_REST_OCTETS];
};

struct message {
	struct post post;
	struct post report_post; /* tracked: to the room, and to the sender */
	_Atomic uint32_t cores;
	_Atomic uint32_t
		reports_pending; /* tracked: workers whose part is not settled, and the stream */
	uint16_t home;           /* the sender's worker */
	uint16_t status;         /* the room's: 0, or why it was refused */
	bool counted;            /* Include-Sent-Count */
	bool failure_wanted;     /* its sender takes failure REPORTs */
	bool tracked;     /* the room's: its outcome is waited for, the copies ask for 200s */
	bool two_party;   /* tracked, and its sender is told when it fails */
	bool unreported;  /* a control payload: neither counted nor reported */
	bool count_known; /* with tracked, at POST_REPORT_READY: `count` is true */
	uint16_t failed;  /* with two_party, then: why it failed; 0: it did not */
	bool seen;        /* the room saw its beginning */
	bool whole;       /* the room saw its end */
	bool private;
	bool composing;  /* says that somebody is writing: dropped first */
	bool no_private; /* the sender may not send private messages */
	struct room *room;
	struct inbound *inbound; /* home's; NULL when the sender has gone */
	uint64_t order;          /* in the room; from 1 */
	uint64_t
		total; /* octets as the sender declared, plus what an alias adds; or BYTE_RANGE_UNKNOWN */
	uint64_t id_hash; /* of the sender's Message-ID */
	uint32_t sender;  /* its leg's index on the room's worker: gets no copy */
	uint32_t sender_participant;
	uint32_t to_participant; /* private */
	uint64_t workers;        /* bit w: worker w has a part */
	uint32_t count;          /* Distribution-Count */
	uint32_t recipients;     /* legs that it began for, about: the sender's egress */
	uint8_t id_len, type_len;
	uint16_t to_len, from_len;
	char id[MESSAGE_ID_OCTETS];     /* fresh: never the sender's */
	char type[MESSAGE_TYPE_OCTETS]; /* of the wrapped content */
	char to[MESSAGE_TO_OCTETS];     /* CPIM To, and From behind it when there is room */
	struct message_part part[];     /* one per worker */
};

size_t message_size(unsigned workers);
struct message *message_new(struct worker *worker); /* cores is 1: the stream's; NULL: no memory */
/* This holder uses it no longer. */
void message_drop(struct worker *worker, struct message *message);
#endif
