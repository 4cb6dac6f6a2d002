/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_cmd: what a controller tells a worker of the switch. Written by the controller, read by
 * the worker.
 *
 * A record is a struct switch_cmd and then `text_len` octets of text; struct text_ref points into
 * that text. Every command is answered by one EVENT_ANSWER with its cookie, in the order of the
 * commands, except CMD_SNAPSHOT, which is answered by the snapshot. The switch checks every field:
 * a controller that lies gets -EINVAL and harms nobody.
 *
 * Objects: a ROOM lives on the worker whose ring its CMD_ROOM_OPEN came by (any worker; the
 *          controller
 * spreads rooms). A LEG lives on its room's worker. A leg is one MSRP session with one peer; it
 * becomes a MEMBER of its room (sends and receives) by CMD_MEMBER_ADD and may be bound before or
 * after.
 *
 * What goes, goes in order. A message whose sender has its 200 (or will have it) is delivered before
 * its room or a member is gone, for at most `msrp.drain_s`; nothing else is.
 * ROOM_CLOSE:    new messages get 413 from here on; unfinished ones get 413 too, and end with '#'
 *                for those who got a part of them. What is whole is written, answered and reported.
 *                Then, or when the time is over, the legs are removed.
 * LEG_REMOVE,
 * MEMBER_REMOVE: what it is sending gets 413 (403, from its next chunk on) and '#'. Of what it was
 *                to receive, that which is whole is written, the rest ends with '#'; it is no
 *                longer counted (it left). A removed leg is unbound when its queue is empty and
 *                its own chunks are answered.
 * Neither EVENT_LEG_GONE nor EVENT_ROOM_DRAINED has to be waited for by a controller that is done
 * with them: commands about such objects are answered -ENOENT meanwhile. */
#ifndef INCLUDE_SWITCH_CMD_H
#define INCLUDE_SWITCH_CMD_H
#include <stdint.h>
#include "include/ids.h"

/* clang-format off */
#define SWITCH_COMMANDS(X)                                                                                  \
	X(ROOM_OPEN)     /* new room here; answer: its id */                                                \
	X(ROOM_SET)      /* replaces the room's settings */                                                 \
	X(ROOM_CLOSE)    /* ends it: see above; then EVENT_ROOM_DRAINED */                                  \
	X(LEG_ADD)       /* new leg of a room; answer: its id and our MSRP URI for its SDP */               \
	X(LEG_UPDATE)    /* the peer's path after an offer/answer; may permit one rebind, may connect */    \
	X(LEG_REMOVE)    /* unbinds and forgets it: see above; then EVENT_LEG_GONE */                       \
	X(MEMBER_ADD)    /* the leg takes part from now on */                                               \
	X(MEMBER_REMOVE) /* it takes part no longer; the leg and its binding stay */                        \
	X(MEMBER_ALIAS)  /* replaces identities and alias of a member */                                    \
	X(MEMBER_MUTE)   /* flags of a member: its SENDs with content get 403 */                            \
	X(NICKNAME)      /* the answer to EVENT_NICKNAME_ASKED */                                           \
	X(SNAPSHOT)      /* all objects of this controller on this worker, then EVENT_SNAPSHOT_END */       \
	X(DRAIN)         /* no new rooms or legs of this controller here until it attaches anew */
/* clang-format on */

enum switch_command {
#define X(name) CMD_##name,
	SWITCH_COMMANDS(X)
#undef X
		CMD_COUNT
};

/* A piece of the text after the struct. len 0: absent. */
struct text_ref {
	uint16_t at, len;
};

#define SWITCH_TEXT_MAX 12288u /* octets of text of one command or event */

enum room_flag {
	ROOM_PRIVATE = 1 << 0,  /* private messages allowed (RFC 7701 6.2) */
	ROOM_NICKNAME = 1 << 1, /* NICKNAME allowed (RFC 7701 7) */
	ROOM_TWO_PARTY_FAILURE =
		1
		<< 2, /* with exactly two participants a sender gets a REPORT when its message fails */
};

struct room_settings {
	uint32_t flags; /* enum room_flag */
	uint32_t reserved;
	uint64_t max_message; /* octets; 0: no limit */
	struct text_ref uris; /* URIs that name the room in a CPIM To, each ended by a line feed */
	struct text_ref
		wrapped; /* media types allowed in message/cpim, separated by spaces; "*" for all */
};

enum leg_setup {
	LEG_PASSIVE, /* the peer connects (RFC 4975 5.4: the offerer, unless a=setup says otherwise) */
	LEG_ACTIVE, /* we connect to the first URI of the peer's path as soon as it is known, over a
		     * connection of ours that is there already where there is one (RFC 4975 5.4);
		     * bound when the peer has answered our SEND, or sends itself */
};

struct leg_settings {
	uint32_t setup; /* enum leg_setup */
	uint32_t tls;   /* 1: msrps */
	uint32_t
		rebind; /* LEG_UPDATE: 1: one new connection may take the binding over (context.md 1.4); with
			 * LEG_ACTIVE the old binding ends and we connect anew */
	uint32_t
		bind_ms; /* not bound within so many ms: unbound event with LEG_CAUSE_TIMEOUT; 0: never */
	struct text_ref
		path; /* the peer's a=path, its URIs separated by one space; may be absent in LEG_ADD */
	/* LEG_ACTIVE: HOST:PORT to connect to instead of what the path's first URI says (RFC 6714);
	 * HOST is an IP address, IPv6 in brackets. Absent: the path's, which must have an IP address
	 * then, as the switch looks no name up: -EINVAL. */
	struct text_ref connect;
	/* LEG_ADD: 4 or 6: our URI has an address of this family when the switch listens on one; 0:
	 * the one that it announces first. */
	uint32_t family;
};

enum member_flag {
	MEMBER_HIDDEN = 1 << 0,     /* receives, but is not counted (History Function) */
	MEMBER_PRIVATE = 1 << 1,    /* the peer announced private-messages */
	MEMBER_MUTED = 1 << 2,      /* may not send */
	MEMBER_NO_PRIVATE = 1 << 3, /* may not send private messages: 403 */
	MEMBER_HOLD =
		1 << 4, /* the peer receives no user content now (a=sendonly, a=inactive): of what
			       * begins meanwhile it gets control payloads only, and is not counted */
};

struct member_settings {
	uint32_t flags; /* enum member_flag */
	uint32_t
		participant; /* the same for all legs of one user; 0..1048575, small numbers are reused */
	struct text_ref
		identities; /* URIs accepted in this member's CPIM From, each ended by a line feed; first: the
				       one others address */
	struct text_ref
		alias; /* CPIM From line that replaces the member's own, absent: no anonymity */
	struct text_ref wrapped; /* the peer's accept-wrapped-types, "*" for all */
};

struct switch_cmd {
	uint16_t type;     /* enum switch_command */
	uint16_t text_len; /* octets that follow this struct */
	uint32_t reserved;
	uint64_t cookie; /* given back in the answer; 0 allowed */
	struct object_id
		object; /* the room (ROOM_*, LEG_ADD) or the leg (all others); ROOM_OPEN, SNAPSHOT, DRAIN: none */
	struct object_tag tag; /* ROOM_OPEN, LEG_ADD: kept with the object */
	union {
		struct room_settings room; /* ROOM_OPEN, ROOM_SET */
		struct leg_settings leg;   /* LEG_ADD, LEG_UPDATE */
		struct member_settings
			member; /* MEMBER_ADD, MEMBER_ALIAS, MEMBER_MUTE (flags only) */
		struct {
			uint64_t ask;    /* EVENT_NICKNAME_ASKED.ask */
			uint32_t status; /* MSRP status: 200, 403, 424, 425 */
		} nickname;
	} u;
};

const char *switch_command_name(unsigned type); /* "ROOM_OPEN"; "?" when unknown */
#endif
