/* SPDX-License-Identifier: BSD-3-Clause */
/* conference: the focus of one conference (RFC 4353): its identity, its room in the switch, its
 * users and their sessions.
 *
 * Place:    controlling/ -> conference -> media.
 * Threads:  the focus's one thread.
 * Memory:   conferences_* owns every conference, a conference its users and participants, their
 *           dialogs and legs.
 * Cost:     entering, leaving and finding cost the same in a conference of ten and of ten thousand.
 * Not here: when something is done; that is controlling/ and policy.
 */
#ifndef CONTROL_CONFERENCE_CONFERENCE_H
#define CONTROL_CONFERENCE_CONFERENCE_H
#include "control/conference/groups.h"
#include "control/conference/participant.h"
#include "control/conference/policy.h"
#include "control/conference/user.h"
#include "control/hash.h"
#include "control/xml/resource_lists.h"
#include "include/config.h"

/* "sip:im-" 26 characters "@" domain (context.md 3.1) */
#define CONFERENCE_LOCAL_LEN 29 /* "im-" and 26 base32 characters of 128 random bits */
#define CONFERENCE_URI_MAX   300
#define CONFERENCE_ALIAS_LEN 12 /* random base32 characters of an alias */

struct focus;
struct notifier;
struct user;

enum conference_kind {
	CONFERENCE_ADHOC, /* 7.2.1.2, also one-to-one; it was made by the factory */
	CONFERENCE_GROUP, /* 7.2.1.3: the active session of a pre-defined group */
};

struct conference {
	TAILQ_ENTRY(conference) link; /* of all */
	TAILQ_ENTRY(conference) keep_link;
	struct keep_state keep;
	unsigned kept_endpoint; /* next_endpoint as last written */
	UT_hash_handle by_uri, by_group, by_tag;
	struct focus *focus;
	enum conference_kind kind;
	char uri[CONFERENCE_URI_MAX]; /* IM Session Identity */
	/* Conference-factory-URI or IM Group Identity, as written: From of our invitations,
	 * asserted in our answers (CF-7.2.1.1-OK4a, -OK4b). */
	char *identity;
	struct group *group;   /* GROUP: the document last in force; a reference of ours */
	char *group_canonical; /* its identity: ours, as a document may be replaced */
	char *subject, *contribution_id; /* copied into invitations; "" */
	char *history;                   /* recipient-list-history part; NULL: none */
	struct media_room *room;
	TAILQ_HEAD(participant_list, participant)
	participants;                       /* in the order in which they came */
	TAILQ_HEAD(user_list, user) roster; /* all users, by the time of the last change */
	TAILQ_HEAD(, user) left;            /* those without a session, by the time of leaving */
	struct user_name *names;
	struct participant *by_number; /* participants */
	struct participant *initiator; /* its INVITE made the conference; while it is in the list */
	struct participant *waiting;   /* the first whose turn to be invited has not come */
	struct notifier *notifier;     /* NULL: nobody has subscribed */
	uint64_t revision;             /* of the roster: rises with every change of a user */
	uint64_t forgotten;            /* highest revision of a user who is forgotten */
	uint64_t joins;                /* users who connected, ever */
	unsigned in_state[PARTICIPANT_STATE_COUNT]; /* participants by state */
	/* Users, without hidden ones: with a connected session; with none, but one that is invited
	 * or joins; with any of these. */
	unsigned connected, pending;
	unsigned left_count;
	unsigned invited;       /* invitations that the set-up made */
	unsigned lowest_status; /* of those that failed; 0: none */
	unsigned aliases;       /* anonymous users numbered so far */
	bool set_up;            /* the initiator has had its 200, or gave up */
	bool rung;              /* it has had its 180 */
	bool had_second;        /* two users were connected at once */
	bool creator_left;
	bool closed;   /* it ends: nobody comes in any more, its group may have a new one */
	bool settling; /* conference_settle is at work */
	unsigned next_endpoint; /* participant.number of the next session; never reused */
	unsigned next_number;   /* user.number beyond which none was given out */
	unsigned *free_numbers; /* of users who were forgotten */
	unsigned free_count, free_room;
	struct deadline invite_wait;
	struct deadline idle;
	struct deadline duration;
	uint64_t messages; /* as the switch last counted */
	/* While it is made again (restore.c). */
	struct user **restored_users; /* by number */
	unsigned restored_count;
	unsigned restored_initiator; /* its number + 1; 0: none */
	uint64_t restored_duration_ms;
};

struct conferences {
	TAILQ_HEAD(, conference) list;
	struct conference *by_uri, *by_group; /* by_group: by the group's canonical identity */
	struct conference *by_tag;            /* of its room in the switch */
	unsigned count;
};

void conferences_init(struct conferences *all);

/* A new one with a fresh Session Identity; no room yet. group: of kind GROUP, a reference is taken.
 * identity: as written. */
must_check int conference_new(struct conference **out, struct focus *focus,
	enum conference_kind kind, const char *identity, struct group *group);
/* The same with a name of an earlier life: "im-" and 26 characters. -EEXIST: there is one. */
must_check int conference_make(struct conference **out, struct focus *focus,
	enum conference_kind kind, const char *local, const char *identity, struct group *group);
/* Closes the room, ends subscriptions without a word, frees participants (their dialogs are ended)
 * and itself. */
void conference_free(struct conference *conference);

/* It is being ended: an INVITE to its group makes a new session from now on. */
void conference_close(struct conference *conference);

struct conference *conference_find(const struct conferences *all, const char *uri);
/* The one whose room in the switch has this tag. */
struct conference *conference_find_tag(const struct conferences *all, const struct object_tag *tag);
/* Its session with this number; NULL: none. */
struct participant *conference_participant(const struct conference *conference, unsigned number);
/* The active session of a group. */
struct conference *conference_find_group(const struct conferences *all, const char *canonical);
/* Has the URI the shape of a Session Identity of ours? */
bool conference_is_identity(struct span uri, const char *domain);

/* Random characters of RFC 4648's base32, lower case, and a zero; at most 32. */
must_check int random_base32(char *out, unsigned characters);

/* ---- sessions ---- */

/* A new session of the user, IDLE, at the end of the list. */
must_check int conference_add(struct participant **out, struct user *user);
/* Takes it out, removes its leg and frees it; a user without another session is remembered or
 * forgotten (user_left). */
void conference_drop(struct participant *participant);
/* Every change of a participant's state goes through here, so that the counts hold and the roster's
 * subscribers hear of it. */
void conference_state(struct participant *participant, enum participant_state state);
void conference_counts(const struct conference *conference, struct policy_counts *out);
/* Would so many more users exceed conference.max_adhoc_size or the group's maximum? */
bool conference_is_full(const struct conference *conference, unsigned more);
unsigned conference_maximum(const struct conference *conference);

/* ---- who invites ---- */

struct inviter {
	unsigned references;
	char *asserted; /* name-addr for P-Asserted-Identity and Referred-By */
	bool anonymous; /* privacy was asked: the invited are not told (context.md 3.4) */
};
/* For a user who invites; anonymous: the conference's identity stands in its place. NULL without
 * memory. */
struct inviter *inviter_new(const struct user *user, bool anonymous);
struct inviter *inviter_get(struct inviter *inviter);
void inviter_put(struct inviter *inviter); /* NULL is allowed */

/* ---- the switch ---- */

/* Opens the room: Session Identity, factory or group identity, and the URI that RCS clients use
 * name it (context.md 2.1). */
must_check int conference_room_open(
	struct conference *conference, void (*done)(void *arg, int result));
/* The tag of a session's leg, and the number of the session in it. */
struct object_tag conference_leg_tag(const struct participant *participant);
unsigned conference_leg_number(const struct object_tag *tag);
/* conference.wrapped_types as one text; out has size octets. */
void conference_wrapped_types(const struct config *config, char *out, size_t size);
/* The leg takes part from now on: its identities go to the switch; again when they changed. */
must_check int conference_member_add(struct participant *participant);
/* 7.2.3.2 (context.md 2.4): the user, and so each of its sessions, is known by an alias from now
 * on, for as long as the conference lives; again: nothing. */
must_check int conference_hide(struct user *user);
/* May it send private messages, and is it told that it may? */
bool conference_allows_private(const struct conference *conference, const struct user *user);
#endif
