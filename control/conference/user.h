/* SPDX-License-Identifier: BSD-3-Clause */
/* user: one IM Address in a conference (<user> of RFC 4575): its names, its sessions, its place in
 * the roster.
 *
 * Place:    conference owns it; a participant (one SIP dialog and one MSRP leg, an <endpoint>) is a
 *           session of it, and there is one for each of the user's devices.
 * Spec:     context.md 2.4 (alias), 3.1 and 5.5 there (display name), 3.5 (expelled).
 * Threads:  the focus's one thread.
 * Memory:   remembered after its last session ended, so that an alias is kept over a rejoin, an
 *           expelled user is known, and subscribers hear who left: at most USERS_REMEMBERED a
 *           conference, who left first is forgotten first. A subscriber that was not told of a
 *           forgotten one (conference.forgotten) gets the whole roster instead of a delta.
 * Cost:     found by any of its names in constant time, whatever the size of the conference.
 */
#ifndef CONTROL_CONFERENCE_USER_H
#define CONTROL_CONFERENCE_USER_H
#include <stdbool.h>
#include <stdint.h>
#include "control/conference/nickname.h"
#include "control/conference/participant.h"
#include "control/hash.h"
#include "include/result.h"
#include "include/span.h"

#define USERS_REMEMBERED 1000u /* without a session, a conference */

struct conference;

struct user_name { /* a name that finds a user */
	UT_hash_handle hh;
	/* canonical address or alias; or a quote and the folded nickname or name of an alias */
	const char *text;
	struct user *user;
};

struct user {
	struct conference *conference;
	TAILQ_ENTRY(user) link; /* conference.roster: by the time of the last change */
	TAILQ_ENTRY(user) keep_link;
	struct keep_state keep;
	TAILQ_ENTRY(user) left_link; /* conference.left: by the time of leaving */
	uint64_t changed;            /* the conference's revision at that change; 0: none yet */
	uint64_t shown;              /* what others were to see from then on (notifier_signature) */
	TAILQ_HEAD(, participant) sessions;
	unsigned in_state[PARTICIPANT_STATE_COUNT]; /* its sessions by state */
	/* canonical, second, alias, what it is called with the alias, nickname; NULL: none */
	struct user_name *names[5];
	char *canonical;
	char *canonical_second; /* a tel: of the same user; NULL: none */
	char *uri;              /* as written */
	char *display_name; /* by the order of 5.5, but for alias and nickname; "" when unknown */
	char *alias;        /* anonymous URI; NULL: known by its address */
	char *alias_name;   /* "Anonymous N" */
	char *nickname;     /* accepted by NICKNAME; NULL: none */
	char *alias_key, *nickname_key; /* their texts in names */
	unsigned number;                /* the switch's participant number; small ones are reused */
	uint64_t joined;                /* place in the order in which users connected; 0: never */
	bool creator;                   /* its INVITE made the conference */
	bool expelled;                  /* refused until the conference ends (7.2.2.9) */
	bool hidden;                    /* a History Function: not counted, not shown */
	bool left;                      /* without a session, remembered */
	/* How its last session ended, for the roster. */
	unsigned last_endpoint;
	enum endpoint_disconnection departure;
	LIST_HEAD(, subscriber) subscribers; /* to the conference's state; several devices */
	unsigned subscriber_count;
};

/* Finds or makes. canonical_second, display_name: "" for none; a display name that the user has
 * already is not replaced by an empty one. -ENOBUFS: no memory, or more users than the switch can
 * number. */
must_check int user_enter(struct user **out, struct conference *conference, const char *canonical,
	const char *canonical_second, struct span uri, const char *display_name);
/* name: canonical address or alias. NULL: not in the conference, and not remembered either. */
struct user *user_find(const struct conference *conference, const char *name);

/* Gives it an alias for as long as the conference lives (context.md 2.4); again: nothing. */
must_check int user_alias(struct user *user);
/* The one that it had in an earlier life. -EBADMSG: it has one, or another has that. */
must_check int user_alias_set(struct user *user, const char *alias, const char *alias_name);
/* RFC 7701 7: takes a nickname, until the last of its sessions ends; an empty one removes it. The
 * one before stays when this is refused; the caller says user_changed. -EPERM: an anonymous user
 * has none; -EBADMSG: malformed; -EEXIST: reserved (conference.reserved_nicknames), or another user
 * has it or is known by it; -ENOBUFS. */
must_check int user_nickname_set(struct user *user, struct span name);
/* The name that others see: alias name, else nickname, else display name, else the user part. */
struct span user_shown_name(const struct user *user);
/* The URI that others see: alias, else the address as written. */
const char *user_shown_uri(const struct user *user);

bool user_is_connected(const struct user *user); /* one of its sessions is */
bool user_is_pending(
	const struct user *user); /* none is, but one is to be, or is invited, or joins */

/* It may be no longer as others were told: a session began or ended, a name changed. Where they see
 * no difference, nothing happens. */
void user_changed(struct user *user);
/* It has no session (any more): it is remembered, and whoever is too much forgotten. */
void user_left(struct user *user);
void user_free(struct user *user);
#endif
