/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_event: what a worker of the switch tells a controller. Written by the worker, read by the
 * controller.
 *
 * A record is a struct switch_event and then `text_len` octets of text. Events about state are
 * level-triggered: they are made from the object's present state when the ring has room, so they
 * coalesce and are never lost, also while no controller is attached. `revision` rises with every
 * change of the object; a controller that sees a lower one than it knows may ignore the event.
 */
#ifndef INCLUDE_SWITCH_EVENT_H
#define INCLUDE_SWITCH_EVENT_H
#include <stdint.h>
#include "include/ids.h"
#include "include/switch_cmd.h"

/* clang-format off */
#define SWITCH_EVENTS(X)                                                                                    \
	X(ANSWER)         /* result of the command with this cookie */                                      \
	X(LEG)            /* the leg's binding, congestion or eviction changed */                           \
	X(NICKNAME_ASKED) /* a member wants a nickname: answer with CMD_NICKNAME within 10 s, else 403 */   \
	X(ROOM)           /* counts of a room, at most once a second */                                     \
	X(ROOM_DRAINED)   /* a closed room is gone; its id is void */                                       \
	X(LEG_GONE)       /* a removed leg is gone; its id is void */                                       \
	X(SNAPSHOT_ROOM)                                                                                    \
	X(SNAPSHOT_LEG)                                                                                     \
	X(SNAPSHOT_END)   /* cookie of the CMD_SNAPSHOT; the order on the ring is the truth */              \
	X(DRAINING)       /* the switch ends: no new rooms or legs (-EPROTO); what has begun goes on a while */
/* clang-format on */

enum switch_event_type {
#define X(name) EVENT_##name,
	SWITCH_EVENTS(X)
#undef X
		EVENT_COUNT
};

enum leg_state {
	LEG_UNBOUND, /* not yet, or no longer: `cause` says why */
	LEG_BOUND,
};

/* clang-format off */
#define LEG_CAUSES(X)                                                                              \
	X(NONE, "")                                                                                \
	X(NEW, "not bound yet")                                                                    \
	X(TIMEOUT, "MSRP not bound")            /* nobody bound it within bind_ms */               \
	X(LOST, "MSRP connection lost")         /* closed or reset by the peer, or our connect failed */ \
	X(PROTOCOL, "MSRP protocol error")      /* what the peer sent is not MSRP */               \
	X(CONGESTED, "Congested")               /* evicted: no progress for too long (RFC 7701 6.4) */ \
	X(MEMORY, "Congested")                  /* evicted: it pinned most when memory ran low */  \
	X(REMOVED, "removed")                   /* by command */                                   \
	X(REFUSED, "MSRP session refused")      /* the peer answered our binding SEND with an error */ \
	X(UNANSWERED, "MSRP not answered")      /* nor did it answer within msrp.transaction_s */  \
	X(STOPPED, "switch stopped")            /* the switch ends: its next life wants new legs */
/* clang-format on */

enum leg_cause {
#define X(name, text) LEG_CAUSE_##name,
	LEG_CAUSES(X)
#undef X
		LEG_CAUSE_COUNT
};

struct leg_status {
	uint32_t state;     /* enum leg_state */
	uint32_t cause;     /* enum leg_cause */
	uint32_t congested; /* 1: above 80 % of its queue limit */
	uint32_t member;    /* 1: CMD_MEMBER_ADD is in force */
	uint64_t bindings;  /* how often it was bound, cumulative */
};

struct room_counts {         /* cumulative since the room was opened */
	uint64_t messages;   /* accepted: the CPIM head was complete and the room let it in */
	uint64_t octets;     /* of their bodies, as received */
	uint64_t deliveries; /* whole messages written to members */
	uint64_t cut;        /* messages ended with '#' towards a member */
	uint64_t skipped;    /* messages not given to a member: congestion, memory */
};

struct switch_event {
	uint16_t type;           /* enum switch_event_type */
	uint16_t text_len;       /* octets that follow */
	int32_t result;          /* ANSWER: 0, -EINVAL, -ENOENT, -EEXIST, -ENOBUFS, -EPROTO */
	uint64_t cookie;         /* ANSWER, SNAPSHOT_END */
	uint64_t revision;       /* of the object */
	struct object_id object; /* the room or leg; ANSWER to an *_ADD or *_OPEN: the new one */
	struct object_tag tag;   /* the object's */
	union {
		struct {
			struct text_ref
				uri; /* ANSWER to LEG_ADD, SNAPSHOT_LEG: our MSRP URI for a=path */
			uint32_t port;            /* its port, for the m= line */
			struct object_id room;    /* SNAPSHOT_LEG */
			struct leg_status status; /* LEG, SNAPSHOT_LEG */
			uint32_t participant;     /* SNAPSHOT_LEG */
		} leg;
		struct room_counts room; /* ROOM, SNAPSHOT_ROOM, ROOM_DRAINED */
		struct {
			uint64_t left_ms; /* for what has begun */
		} drain;                  /* DRAINING */
		struct {
			uint64_t ask; /* names this request, for CMD_NICKNAME */
			struct text_ref
				name; /* UTF-8, unquoted, 0..1023 octets; absent: remove it */
		} nickname;
	} u;
};

const char *switch_event_name(unsigned type);
const char *leg_cause_text(unsigned cause); /* the text of a SIP Reason header */
#endif
