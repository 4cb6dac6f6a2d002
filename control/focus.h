/* SPDX-License-Identifier: BSD-3-Clause */
/* focus: the whole control plane in one struct: what each procedure reaches.
 *
 * Place:    main -> focus; ua and media call back into it; it hands requests to controlling/.
 * Threads:  one.
 * Memory:   owns ua, media, groups and every conference from focus_new to focus_free; config is
 *           kept.
 */
#ifndef CONTROL_FOCUS_H
#define CONTROL_FOCUS_H
#include "control/conference/conference.h"
#include "control/conference/keep.h"
#include "control/conference/notifier.h"
#include "control/conference/referral.h"
#include "control/deadline.h"
#include "control/media.h"
#include "control/sip/ua.h"
#include "include/config.h"

#define FOCUS_RETRY_AFTER_S 5 /* of a 503 while the switch is away */

struct recovery { /* sessions that need a new session-id from us (controlling/recover.c) */
	TAILQ_HEAD(, participant) waiting;
	unsigned in_flight;
	struct deadline again;
};

struct focus {
	const struct config *config;
	struct deadlines deadlines;
	struct store *store; /* NULL: nothing survives */
	struct kept kept;
	bool restoring; /* records are being read */
	struct recovery recovery;
	struct ua *ua;
	struct media *media;
	struct conferences conferences;
	struct notifiers notifiers;
	struct referrals referrals;      /* REFERs whose outcome is awaited or being told */
	char (*factories)[IDENTITY_MAX]; /* canonical Conference-factory-URIs */
	unsigned factory_count;
	char (*history_users)[IDENTITY_MAX]; /* canonical conference.history_users */
	unsigned history_count;
	char **reserved; /* keys of conference.reserved_nicknames (nickname.h) */
	unsigned reserved_count;
	struct groups *groups;
	uint64_t groups_generation; /* up to which conferences know of their groups' documents */
	bool groups_busy;           /* a document waits to be read */
	bool stopping;              /* no new conferences */
	bool draining;              /* nor here: the switch is about to go */
	unsigned attached;          /* how often the switch came or went: descriptors changed */
	unsigned watched;           /* the value of attached whose descriptors ua watches */
	uint64_t impossible;        /* events met in a state whose cell is empty */
};

/* The document in force of a group of ours; NULL: there is none. */
struct group *focus_group(const struct focus *focus, const char *canonical);

/* Opens the store and SIP listeners, makes again what an earlier life left, and looks for the
 * switch. Errors are said in the log. -EINVAL: configuration; -EBUSY: another focus has the store.
 */
must_check int focus_new(struct focus **out, const struct config *config);
void focus_free(struct focus *focus);

/* Is one of these addresses a History Function's? canonical_second may be "". */
bool focus_is_history(
	const struct focus *focus, const char *canonical, const char *canonical_second);

/* Is this the key of a nickname that nobody may have? */
bool focus_is_reserved(const struct focus *focus, const char *key);

/* One turn: waits at most wait_ms for SIP, the switch, a deadline, or `extra_fd` (-1: none). */
void focus_step(struct focus *focus, int extra_fd, int wait_ms);

/* Says BYE to everybody; from now on new conferences get 503. focus_is_idle: all have answered. */
void focus_stop(struct focus *focus);
bool focus_is_idle(const struct focus *focus);
#endif
