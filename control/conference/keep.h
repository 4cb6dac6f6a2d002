/* SPDX-License-Identifier: BSD-3-Clause */
/* keep: what of a conference is to be known again after the focus was killed, written to the store
 * when it has changed. restore.h reads it.
 *
 * Place:    conference/ and controlling/ mark what changed; keep_write is called before a message
 *           leaves that relies on it (ua_ops.commit) and once a turn of the loop.
 * Threads:  the focus's one thread.
 * Cost:     marking is a list insertion; a record is written once for all changes since the last
 *           time. A focus without a store marks nothing.
 */
#ifndef CONTROL_CONFERENCE_KEEP_H
#define CONTROL_CONFERENCE_KEEP_H
#include "control/conference/conference.h"
#include "control/conference/notifier.h"
#include "control/store/pack.h"
#include "control/store/store.h"

/* A conference's counters are written every so many sessions or subscriptions, and go on from so
 * many beyond what was written. */
#define KEEP_STRIDE 64u

struct kept { /* what waits to be written */
	TAILQ_HEAD(, conference) conferences;
	TAILQ_HEAD(, user) users;
	TAILQ_HEAD(, participant) participants;
	struct pack *pack;
};

must_check int keep_init(struct kept *kept);
void keep_fini(struct kept *kept);

void keep_conference(struct conference *conference);
void keep_numbers(struct conference *conference); /* next_endpoint has risen */
void keep_user(struct user *user);
void keep_participant(struct participant *participant);
/* A new or refreshed subscriber is written at once: it has no mark, and its answer is on its
 * way. */
void keep_subscriber(struct subscriber *subscriber);
/* It is about to be freed. */
void keep_forget_conference(struct conference *conference);
void keep_forget_user(struct user *user);
void keep_forget_participant(struct participant *participant);
void keep_forget_subscriber(struct subscriber *subscriber);

/* Writes what was marked, and commits. */
void keep_write(struct focus *focus);

/* Keys, as texts of at most KEEP_KEY_MAX octets. */
#define KEEP_KEY_MAX 48
struct span keep_key(char out[KEEP_KEY_MAX], const struct conference *conference, unsigned number);
/* The part of a Session Identity that names it: of CONFERENCE_LOCAL_LEN octets. */
struct span keep_name(const struct conference *conference);
#endif
