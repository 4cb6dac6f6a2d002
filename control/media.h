/* SPDX-License-Identifier: BSD-3-Clause */
/* media: the focus's handle on the switch; the only writer of switch_cmd.
 *
 * Place:    conference/ and controlling/ -> media -> include/controller.h -> the switch.
 * Threads:  the focus's one thread. Nothing blocks; answers come as callbacks from media_poll. One
 *           exception: a switch that listens but does not answer an attach holds media_poll up for
 *           250 ms, once a second.
 * Memory:   commands that the ring does not take at once are queued, at most `queue_max`; beyond it
 *           calls give -ENOBUFS.
 * Adoption: what the switch still holds of an earlier life, or from before it was lost for a
 *           moment, is offered to room_found and leg_found (NULL: everything is closed), so that a
 *           focus that was killed owns its rooms again. What is not claimed is removed. A switch
 *           may be lost again before `up`: then `down` is not called, and what was offered is dead
 *           and offered anew.
 * Life:     media_new never fails for an absent switch: it retries every second, says so once in
 *           the log, and calls `up` when attached and the snapshot is complete, `down` when the
 *           switch is lost.
 * Results:  while the switch is not up, calls give -EPIPE; on an object that the switch refused,
 *           its result; on one that it says is gone, -ENOENT. A done() that is still owed when the
 *           switch is lost is called with -EPIPE after `down`.
 * Reentry:  callbacks come from media_poll only, and may call everything here but media_poll;
 *           media_free included.
 */
#ifndef CONTROL_MEDIA_H
#define CONTROL_MEDIA_H
#include <stdbool.h>
#include "include/controller.h"
#include "include/result.h"
#include "include/span.h"

struct media;
struct media_room; /* a room in the switch */
struct media_leg;  /* one MSRP session in it */

struct media_ops {
	void (*up)(void *arg); /* commands are accepted from now on */
	/* The switch is about to go: it takes no new rooms and legs; `down` follows when what has
	 * begun is done. May be NULL. */
	void (*draining)(void *arg);
	/* The switch has gone. Every room and leg handle stays, but is dead until freed. */
	void (*down)(void *arg);
	/* While the switch's objects are listed after an attachment, before `up`: a room or leg of
	 * an earlier life of ours that is still there, known by its tag. The handle is the caller's
	 * from now on when it returns the argument that callbacks are to carry; NULL: unknown, it
	 * is closed. A room comes before its legs; room_arg is what room_found returned. No command
	 * is taken yet (-EPIPE), but handles may be given back, such as one from before that is
	 * dead. What happened to a leg meanwhile is in its status. */
	void *(*room_found)(void *arg, const struct object_tag *tag, struct media_room *room,
		const struct room_counts *counts);
	void *(*leg_found)(void *arg, void *room_arg, const struct object_tag *tag,
		struct media_leg *leg, const struct leg_status *status, struct span uri,
		uint16_t port);
	/* A leg changed: bound, lost, congested, evicted. leg_arg as given to media_leg_add. */
	void (*leg_changed)(void *arg, void *leg_arg, const struct leg_status *status);
	void (*room_counts)(void *arg, void *room_arg, const struct room_counts *counts);
	/* A member asks for a nickname (RFC 7701 7): answer once with media_nickname_answer. */
	void (*nickname_asked)(
		void *arg, void *leg_arg, struct media_leg *leg, uint64_t ask, struct span name);
};

/* socket_path: switch.socket. name: of this controller. */
must_check int media_new(struct media **out, const char *socket_path, const char *name,
	unsigned queue_max, const struct media_ops *ops, void *arg);
void media_free(struct media *m);

/* For the event loop: wait until one of the descriptors is readable or timeout_ms has passed, then
 * media_poll. fds[2]: -1 where absent; they may change after every media_poll. */
void media_wait_on(struct media *m, int fds[2], int *timeout_ms);
void media_poll(struct media *m, uint64_t now_ms);
bool media_is_up(const struct media *m);

/* Rooms are spread over the workers in turn. done: result 0 or negative. The handle is valid at
 * once; commands about it are queued behind its opening. */
must_check int media_room_open(struct media *m, struct media_room **out,
	const struct object_tag *tag, uint32_t flags, uint64_t max_message, const struct span *uris,
	unsigned uri_count, struct span wrapped, void (*done)(void *room_arg, int result),
	void *room_arg);
/* Ends the room and all its legs; the handles are void after this call, no callback follows. */
void media_room_close(struct media_room *room);

struct media_leg_offer {
	bool active; /* we connect (SDP a=setup) */
	bool secure;
	uint32_t bind_ms;
	struct span path; /* the peer's a=path; empty while unknown (we offer) */
	struct span
		connect; /* active: HOST:PORT instead of what the path says; empty: the path's */
	unsigned
		family; /* media_leg_add: of the address in our URI: 4, 6; 0: the one announced first */
};
/* done: result, our MSRP URI for a=path and its port; uri is borrowed for the call. */
must_check int media_leg_add(struct media_room *room, struct media_leg **out,
	const struct object_tag *tag, const struct media_leg_offer *offer,
	void (*done)(void *leg_arg, int result, struct span uri, uint16_t port), void *leg_arg);
/* After an answer or re-INVITE. rebind: one new connection may take the binding over. */
must_check int media_leg_update(
	struct media_leg *leg, const struct media_leg_offer *offer, bool rebind);
void media_leg_remove(struct media_leg *leg); /* the handle is void, no callback follows */

struct media_member {
	uint32_t flags; /* enum member_flag */
	uint32_t participant;
	const struct span *identities;
	unsigned identity_count;
	struct span alias;   /* a whole CPIM From header value, empty: none */
	struct span wrapped; /* peer's accept-wrapped-types; "*" for all */
};
must_check int media_member_add(struct media_leg *leg, const struct media_member *member);
/* Replaces identities and alias of a member. */
must_check int media_member_alias(struct media_leg *leg, const struct media_member *member);
must_check int media_member_remove(struct media_leg *leg);
must_check int media_member_flags(struct media_leg *leg, uint32_t flags);
must_check int media_nickname_answer(struct media_leg *leg, uint64_t ask, unsigned status);
#endif
