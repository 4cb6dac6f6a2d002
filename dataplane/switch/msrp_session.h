/* SPDX-License-Identifier: BSD-3-Clause */
/* msrp_session: a leg as its connection's worker sees it: bound or not, a member or not, with what
 * it is sending (inbound) and what waits to be sent to it (backlog).
 *
 * Place:    connection -> msrp_session; leg (on the home worker) -> msrp_session by posts.
 * Spec:     RFC 4975 5.4; context.md 1.4.
 * Threads:  the worker of its connection. While a bind or unbind post is on its way the home worker
 *           has it in hand.
 */
#ifndef DATAPLANE_SWITCH_MSRP_SESSION_H
#define DATAPLANE_SWITCH_MSRP_SESSION_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/post.h"
#include "dataplane/switch/inbound.h"
#include "dataplane/switch/leg.h"
#include "dataplane/switch/message.h"
#include "dataplane/switch/transaction.h"

struct connection;
struct nickname_ask;

#define BINDING_TID_OCTETS 13 /* 65 random bits: RFC 4975 7.1 asks for 64 */

/* How a session tells its leg that it is congested, or no longer. One is on its way at a time. */
struct session_status {
	struct post post;
	struct msrp_session *session;
	bool busy, congested;
};

struct msrp_session {
	void *link;       /* the pool's */
	struct post post; /* bind and unbind */
	struct session_status told;
	struct connection *connection; /* NULL: gone or going */
	struct msrp_session *next;     /* of the connection */
	struct leg_conf *conf;         /* lent by the leg */
	/* member of its room on this worker */
	struct msrp_session *member_next, *member_prev;
	uint64_t joined;
	bool member, was_member, unbinding, congested;
	bool leaving : 1;  /* it takes part no longer; what it is still owed is written */
	bool removing : 1; /* with leaving: and then it is unbound */
	bool join : 1;     /* with a good answer to a bind: it is a member from `joined` on */
	uint8_t cause;     /* enum leg_cause, with POST_UNBOUND */
	uint16_t status;   /* answer of the home worker to a bind: 200, 481, 506 */
	/* out: what waits to be sent (backlog.h), in rings */
	struct entry *fresh; /* not begun, in the room's order */
	struct entry *begun; /* begun, with octets or an end to send; the first is next */
	struct entry *idle;  /* begun, all that has come is sent */
	struct msrp_session *active_next; /* of the connection */
	uint64_t base;                    /* room_part.appended less what is pinned, or less */
	/* in */
	struct inbound *inbound;
	struct message_ids *ids; /* the leg's, while it is bound */
	struct reorder_share share;
	struct nickname_ask *nickname; /* asked, not answered */
	struct leg *leg;               /* the home worker's */
	uint32_t inbound_count;
	uint32_t queue_count;  /* of fresh, begun and idle */
	uint32_t fresh_octets; /* of first chunks since another one had its turn */
	uint16_t worker;       /* of the connection */
	uint16_t home;         /* of the leg */
	uint8_t heads;         /* collected */
	bool active;           /* fresh or begun is not empty */
	bool secure;
	bool waits;  /* a SEND of its is held until it is a member */
	bool asking; /* active: our binding SEND has no answer yet, or waits for the connection */
	union {
		char session_id[SESSION_ID_OCTETS]; /* as asked for, until there is a conf */
		struct {
			uint64_t since;               /* ms; asking */
			char tid[BINDING_TID_OCTETS]; /* of that SEND; tid_len 0: not sent */
			uint8_t tid_len;
		} ask;
		struct {
			struct msrp_session *next, **prev; /* worker->leaving */
			uint64_t order; /* it gets what began in its room up to this one */
			uint32_t
				work; /* which has been given out when room_part.work_done is here */
			uint32_t until; /* ms, the low half: whatever is left then is given up */
		} leave;
		uint32_t waits_since; /* ms, the low half; waits */
	};
};
_Static_assert(
	sizeof(struct msrp_session) + sizeof(struct leg) <= 512, "what an idle leg is: design 10");

/* `congested` changed. */
void msrp_session_status_changed(struct worker *worker, struct msrp_session *session);
void msrp_session_told(struct worker *worker, struct session_status *told);

/* Posts arriving at the connection's worker. */
void msrp_session_control(struct worker *worker, struct leg_control *control);
void msrp_session_unbound_ack(struct worker *worker, struct msrp_session *session);

/* Takes the session off its connection and tells its leg. Open messages end. */
void msrp_session_unbind(struct worker *worker, struct msrp_session *session, enum leg_cause cause);
void msrp_session_join(struct worker *worker, struct msrp_session *session, uint64_t joined);
/* It takes part no longer, at once. */
enum session_leave {
	LEAVE_KEEP, /* what has come whole is still written; the rest gets '#' */
	LEAVE_CUT,  /* all gets '#' */
	LEAVE_DROP, /* nothing more can be written */
};
void msrp_session_leave(
	struct worker *worker, struct msrp_session *session, enum session_leave how);
/* Once a turn: those who leave in good order. */
void msrp_session_leaving(struct worker *worker);

bool session_id_is_valid(struct span id, uint16_t *home, uint32_t *index);
#endif
