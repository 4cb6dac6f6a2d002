/* SPDX-License-Identifier: BSD-3-Clause */
/* conference: the focus of one conference (RFC 4353): its identity, its room in the switch, its
 * participants.
 *
 * Place:    controlling/ -> conference -> media.
 * Threads:  the focus's one thread.
 * Memory:   conferences_* owns every conference, a conference its participants, their dialogs and
 *           legs.
 * Not here: when something is done; that is controlling/ and policy.
 */
#ifndef CONTROL_CONFERENCE_CONFERENCE_H
#define CONTROL_CONFERENCE_CONFERENCE_H
#include "control/conference/participant.h"
#include "control/conference/policy.h"
#include "control/xml/resource_lists.h"
#include "include/config.h"

/* "sip:im-" 26 characters "@" domain (context.md 3.1) */
#define CONFERENCE_LOCAL_LEN 29 /* "im-" and 26 base32 characters of 128 random bits */
#define CONFERENCE_URI_MAX   300

struct focus;

struct conference {
	struct conference *next, *previous; /* of all */
	struct conference *chain;           /* of its hash bucket */
	struct focus *focus;
	char uri[CONFERENCE_URI_MAX];    /* IM Session Identity */
	char *factory;                   /* the Conference-factory-URI that made it */
	char *asserted;                  /* who invites, as name-addr, for P-Asserted-Identity */
	bool anonymous;                  /* the inviter asked for privacy */
	char *subject, *contribution_id; /* copied into invitations; "" */
	char *history;                   /* recipient-list-history part; NULL: none */
	struct media_room *room;
	struct participant *first, *last;
	struct participant *inviter;                /* while it is in the list */
	unsigned invited;                           /* invitations ever made */
	unsigned in_state[PARTICIPANT_STATE_COUNT]; /* participants by state */
	struct participant *waiting; /* the first whose turn to be invited has not come */
	unsigned lowest_status;      /* of the failed ones; 0: none */
	unsigned aliases;            /* anonymous participants numbered so far */
	bool answered;               /* the inviter's INVITE has had its 200 */
	bool answer_due;             /* it gets it as soon as its leg is ready */
	bool rung;                   /* 180 was sent to the inviter */
	bool ending;                 /* everybody is being removed */
	bool settling;               /* conference_settle is at work */
	unsigned next_number;        /* of the participants in the switch */
	struct deadline invite_wait;
	struct deadline idle;
	uint64_t messages; /* as the switch last counted */
};

struct conferences {
	struct conference *first;
	unsigned count;
	struct conference *buckets[1024];
};

/* A new one with a fresh Session Identity; no room yet. */
must_check int conference_new(
	struct conference **out, struct conferences *all, struct focus *focus, const char *domain);
/* Closes the room, frees participants (their dialogs are ended) and itself. */
void conference_free(
	struct conference *conference, struct conferences *all, struct deadlines *deadlines);

/* Every change of a participant's state goes through here, so that the counts hold. */
void conference_state(struct participant *participant, enum participant_state state);

struct conference *conference_find(const struct conferences *all, const char *uri);
/* Has the URI the shape of a Session Identity of ours? */
bool conference_is_identity(struct span uri, const char *domain);

/* A new participant, IDLE, at the end of the list. inviter: its own INVITE made the conference. */
must_check int conference_add(struct participant **out, struct conference *conference, bool inviter,
	const char *canonical, struct span uri, const char *display_name);
/* Takes it out, removes its leg and frees it. */
void conference_drop(struct participant *participant, struct deadlines *deadlines);
struct participant *conference_participant(
	const struct conference *conference, const char *canonical);
void conference_counts(const struct conference *conference, struct policy_counts *out);

/* Opens the room in the switch: Session Identity, factory URI and the URI that RCS clients use name
 * it (context.md 2.1). */
must_check int conference_room_open(struct conference *conference, struct media *media,
	const struct config *config, void (*done)(void *arg, int result));
/* conference.wrapped_types as one text; out has size octets. */
void conference_wrapped_types(const struct config *config, char *out, size_t size);
/* Alias of an anonymous participant (context.md 2.4). */
must_check int conference_alias(struct conference *conference, struct participant *participant);
/* The leg takes part from now on: its identities go to the switch. */
must_check int conference_member_add(struct participant *participant);
#endif
