/* SPDX-License-Identifier: BSD-3-Clause */
/* leg: the control record of one MSRP session with one peer, on the home worker of its room.
 *
 * Place:    mailbox (commands) -> leg -> msrp_session, which lives on the worker where the connection landed.
 * Spec:     RFC 4975 5.4 (binding), 10.8 (481), 10.10 (506); context.md 1.4.
 * Threads:  the home worker only. It alone decides 481 and 506, so two racing binds have one
 *           winner. The session is reached by posts: the leg's own control record, one at a time,
 *           level-triggered.
 * Memory:   a leg_conf is immutable; the leg owns it and lends it to the session, and frees it only
 *           after the session has returned it.
 */
#ifndef DATAPLANE_SWITCH_LEG_H
#define DATAPLANE_SWITCH_LEG_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/target.h"
#include "dataplane/post.h"
#include "include/ids.h"
#include "include/span.h"
#include "include/switch_cmd.h"
#include "include/switch_event.h"

struct worker;
struct room;
struct leg;
struct msrp_session;
struct nickname_ask;

/* session-id: worker 2 hex, index 8 hex, then 26 random characters (130 bits): it names the leg's
 * home. */
#define SESSION_ID_OCTETS 36

#define LEG_ALIAS_MAX 512u /* octets */

struct leg_conf {
	void *link;      /* the pool's */
	struct leg *leg; /* home worker's: others only give it back */
	struct room *room;
	uint32_t class; /* pool of leg_conf */
	uint32_t flags; /* enum member_flag */
	uint32_t participant;
	uint32_t leg_index;
	uint16_t home;     /* worker */
	bool secure;       /* msrps */
	bool wrapped_all;  /* accepts every wrapped type */
	struct span paths; /* chunk_out_paths of the two that follow */
	struct span path;  /* the peer's; empty: not known yet */
	struct span path_first;
	struct span uri; /* ours; its session-id: */
	struct span session_id;
	struct span identities; /* each ended by a line feed */
	struct span alias;      /* CPIM From value; empty: none */
	struct span wrapped;
	char text[];
};

enum leg_conf_class { LEG_CONF_SMALL, LEG_CONF_MEDIUM, LEG_CONF_LARGE, LEG_CONF_CLASSES };
extern const uint32_t leg_conf_class_octets[LEG_CONF_CLASSES];

/* What the session's worker is to do; travels there and back. */
struct leg_control {
	struct post post;
	struct leg *leg;
	struct msrp_session *session;
	struct leg_conf *conf;
	uint64_t joined; /* room order at which membership began, or ended */
	uint16_t home;
	bool member, remove;
	bool ending;   /* what it is sending is refused: its room is being closed */
	bool drop;     /* what is owed to it is given up */
	uint8_t cause; /* enum leg_cause, with remove */
};

struct leg {
	void *link; /* the pool's */
	uint32_t generation;
	uint8_t slot; /* controller */
	bool used, removing, member, rebind, dirty, gone_dirty, congested, control_busy,
		control_again;
	bool asked;            /* active: its binding SEND is written */
	bool ending, dropping; /* its room is being closed; and has no more time */
	bool in_part;          /* its session is a member on session_worker */
	uint8_t state;         /* enum leg_state */
	uint8_t cause;         /* enum leg_cause */
	uint16_t session_worker;
	uint32_t bind_ms;
	uint64_t unbound_at; /* ms; when it was added or lost its binding */
	uint64_t revision;
	uint32_t bindings;
	uint32_t refused_id; /* of the last whole message that the room refused; 0: none */
	struct object_tag tag;
	struct room *room;
	struct leg *room_next, *room_prev;
	struct leg *dirty_next;
	struct leg_conf *conf; /* the latest */
	struct leg_conf *lent; /* what the session has; NULL: no session */
	struct msrp_session *session;
	struct msrp_session *rebinding; /* waits until the old one has gone */
	struct nickname_ask *nickname;  /* NULL: no question is open */
	struct message_ids *ids;        /* while it is not bound */
	struct leg_control control;
	uint64_t joined;
	struct msrp_target target; /* LEG_ACTIVE: where we connect; port 0: not known yet */
	uint8_t setup;             /* enum leg_setup */
	bool tls;
	bool reconnect; /* LEG_ACTIVE: the old binding goes, then we connect anew */
};
_Static_assert(sizeof(struct leg) <= 256, "one per leg of switch.max_legs");

struct room_part;

/* Commands. Each returns 0 or what EVENT_ANSWER carries. text functions: controller.h text_get. */
int leg_add(struct worker *worker, struct room *room, uint8_t slot, const struct object_tag *tag,
	const struct leg_settings *settings, struct span path, struct span connect,
	struct leg **out);
int leg_update(struct worker *worker, struct leg *leg, const struct leg_settings *settings,
	struct span path, struct span connect);
int leg_member_add(struct worker *worker, struct leg *leg, const struct member_settings *settings,
	struct span identities, struct span alias, struct span wrapped);
int leg_member_flags(struct worker *worker, struct leg *leg, uint32_t flags);
int leg_member_remove(struct worker *worker, struct leg *leg);
void leg_remove(struct worker *worker, struct leg *leg, enum leg_cause cause);
/* Its room is being closed: what it is sending is refused. drop: and what it is to be sent is given
 * up. */
void leg_end_messages(struct worker *worker, struct leg *leg, bool drop);

/* Checked by every field; NULL: no such leg. */
struct leg *leg_find(struct worker *worker, const struct object_id *id);
struct object_id leg_object_id(const struct worker *worker, const struct leg *leg);
void leg_status_fill(const struct leg *leg, struct leg_status *status);

/* Posts arriving at the home worker. */
void leg_bind_ask(struct worker *worker, struct msrp_session *session);
void leg_unbound(struct worker *worker, struct msrp_session *session);
struct session_status;
void leg_session_status(struct worker *worker, struct session_status *told);
/* The binding SEND of an active leg is written: what the room gets from now on comes behind it. A peer
 * that answered it misses nothing, also when its answer has yet to come. */
void leg_asked(struct worker *worker, struct msrp_session *session);
/* The peer of an active leg took our binding SEND, or has sent something itself; once or more. */
void leg_connected(struct worker *worker, struct msrp_session *session);
void leg_controlled(struct worker *worker, struct leg_control *control);

void leg_free(struct worker *worker, struct leg *leg); /* mailbox: EVENT_LEG_GONE was written */

/* Once a second: bind timeouts. */
void leg_tick(struct worker *worker);
void leg_mark_dirty(struct worker *worker, struct leg *leg);
#endif
