/* SPDX-License-Identifier: BSD-3-Clause */
/* participant: one session of a user in a conference: its state, its dialog, its MSRP leg (an
 * <endpoint> of RFC 4575).
 *
 * Spec:     RFC 4353; the rows of the table cite the clause that each comes from.
 * Threads:  the focus's one thread.
 * Memory:   owned by its conference (conference.h): conference_add makes it, conference_drop frees
 * it. Not here: what an action does (controlling/). The table itself is pure.
 *
 *               INVITE of theirs             200 of ours
 *       IDLE --------------------> JOINING ---------------> CONNECTED --> GONE by BYE of theirs
 *        |                            |                      ^  |
 *        | its turn                   +-> GONE if refused,   |  | removed
 *        v                                cancelled          |  v
 *       INVITED ---------------------------------------------+ LEAVING --> GONE, BYE answered
 *        |  |              200 of theirs
 *        |  +-> GONE if failed
 *        v withdrawn
 *       WITHDRAWN --> GONE, final response
 */
#ifndef CONTROL_CONFERENCE_PARTICIPANT_H
#define CONTROL_CONFERENCE_PARTICIPANT_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "control/deadline.h"
#include "control/hash.h"
#include "control/media.h"
#include "control/sip/dialog.h"
#include "control/sip/identity.h"
#include "control/sip/offer_answer.h"
#include "control/xml/conference_info.h"
#include "include/result.h"

#define PARTICIPANT_STATES(X)                                                                      \
	X(IDLE)      /* known to the conference, nothing sent: waits for its turn to be invited */ \
	X(JOINING)   /* its INVITE has no final answer yet */                                      \
	X(INVITED)   /* our invitation has none */                                                 \
	X(WITHDRAWN) /* our invitation was cancelled, its final answer is awaited */               \
	X(CONNECTED)                                                                               \
	X(LEAVING) /* our BYE is on its way */                                                     \
	X(GONE)    /* to be freed */

#define PARTICIPANT_EVENTS(X)                                                                      \
	X(ASKS)       /* an INVITE of its own was accepted for processing */                       \
	X(TURN)       /* it is its turn to be invited */                                           \
	X(LEG_READY)  /* the switch made its MSRP leg */                                           \
	X(LEG_FAILED) /* the switch could not */                                                   \
	X(PROGRESS)   /* 18x to our invitation */                                                  \
	X(OK)         /* 200 to our invitation, with SDP that we take */                           \
	X(FAILURE)    /* a final response other than 2xx, or a 2xx we cannot take */               \
	X(ADMIT)      /* its own INVITE is to be answered 200 */                                   \
	X(REFUSE)     /* its own INVITE is to be refused */                                        \
	X(CANCEL)     /* it gave up its own INVITE */                                              \
	X(BYE)        /* it left */                                                                \
	X(REMOVE)     /* we end its part: BYE, or CANCEL of the invitation */                      \
	X(BYE_DONE)   /* our BYE was answered, or never will be */

#define PARTICIPANT_ACTIONS(X)                                                                     \
	X(NOTHING)                                                                                 \
	X(LEG_ASK)     /* ask the switch for a leg */                                              \
	X(INVITE_SEND) /* 7.2.2.2 */                                                               \
	X(ENTER)       /* its leg is there: answer, unless it waits for an invited one */          \
	X(RING)                                                                                    \
	X(JOIN) /* the invited one becomes a member */                                             \
	X(COUNT_FAILURE)                                                                           \
	X(ANSWER) /* 7.2.1.1 */                                                                    \
	X(REJECT)                                                                                  \
	X(WITHDRAW) /* CANCEL */                                                                   \
	X(FORGET)                                                                                  \
	X(DEPART)   /* 7.2.1.10 */                                                                 \
	X(BYE_SEND) /* 7.2.1.9 */                                                                  \
	X(RELEASE)  /* the end of 7.2.1.9: MSRP resources */

enum participant_state {
#define X(name) PARTICIPANT_##name,
	PARTICIPANT_STATES(X)
#undef X
		PARTICIPANT_STATE_COUNT
};

enum participant_event {
#define X(name) PARTICIPANT_EV_##name,
	PARTICIPANT_EVENTS(X)
#undef X
		PARTICIPANT_EVENT_COUNT
};

enum participant_action {
	PARTICIPANT_DO_IMPOSSIBLE, /* an empty cell of the table */
#define X(name) PARTICIPANT_DO_##name,
	PARTICIPANT_ACTIONS(X)
#undef X
		PARTICIPANT_ACTION_COUNT
};

struct participant_step {
	enum participant_action action;
	enum participant_state next;
};

/* The cell of the table; NULL where the event cannot happen in that state. */
const struct participant_step *participant_step(
	enum participant_state state, enum participant_event event);
const char *participant_state_name(enum participant_state state);
const char *participant_event_name(enum participant_event event);
const char *participant_action_name(enum participant_action action);

struct conference;
struct inviter;
struct referral_watch;
struct user;

struct keep_state {   /* of a record in the store (keep.h) */
	bool marked;  /* it is to be written */
	bool written; /* there is one */
};

struct participant {
	TAILQ_ENTRY(participant) link;         /* of the conference */
	TAILQ_ENTRY(participant) session_link; /* of the user */
	TAILQ_ENTRY(participant) keep_link;
	UT_hash_handle by_number; /* of the conference */
	struct keep_state keep;
	struct conference *conference;
	struct user *user;
	enum participant_state state;
	bool waits;      /* its INVITE is answered only when an invited one has accepted */
	bool from_setup; /* invited by the INVITE that made the conference */
	bool dialed_out; /* it was invited; it did not come by itself */
	bool leg_ready;
	bool progressed; /* an 18x has come */
	bool member;     /* sends and receives */
	bool bound;      /* as the switch last said */
	bool retried;    /* invited once more after 422 */
	bool replaces;   /* our INVITE carried Replaces */
	bool unreplaced; /* invited once more without it, after 481 */
	bool has_remote;
	bool offered;       /* our 200 carried an offer: its ACK answers */
	bool sdp_is_answer; /* what we said last in SDP answered an offer */
	bool refresher_is_us;
	bool supports_timer;
	unsigned number; /* of the endpoint; never reused in the conference */
	/* Final status of its invitation, of our refusal, or of its BYE; 0: none. */
	unsigned status;
	const char *reason;                    /* Reason of our BYE; static text or NULL */
	enum endpoint_disconnection departure; /* what the roster will say when it has gone */
	struct inviter *inviter;               /* whose invitation it is; NULL: it came by itself */
	LIST_HEAD(, referral_watch) watches;   /* of REFERs that are to hear how it went */
	char *headers;                         /* header part of its list entry or Refer-To; "" */
	char *allow; /* CF-7.2.1.2-R3: methods it supports; "" when it did not say */

	struct dialog *dialog;
	struct media_leg *leg;
	char *msrp_uri; /* ours on its leg */
	struct sdp_media remote;
	uint64_t sdp_session, sdp_version; /* o= of what we say */
	uint64_t sdp_digest;               /* of what we said last; 0: nothing */
	uint32_t session_expires; /* seconds; what its INVITE asked, then what holds; 0: none */
	uint32_t min_se;
	struct deadline wait;      /* for a new binding after its MSRP connection was lost */
	uint64_t restored_wait_ms; /* the same, in an earlier life; 0: none */
	/* After the switch was away (recover.c). */
	TAILQ_ENTRY(participant) recover_link;
	struct leg_status found; /* of its leg, when it was found again */
	bool reoffer;            /* it has not taken the session-id of its leg yet */
	bool recovering;         /* it waits for its turn to be offered it */
	bool reoffered;          /* our re-INVITE has no answer yet */
};
#endif
