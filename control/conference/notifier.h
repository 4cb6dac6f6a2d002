/* SPDX-License-Identifier: BSD-3-Clause */
/* notifier: who is told of a conference, what, and when: the conference event package with
 * coalesced deltas.
 *
 * Place:    controlling/ and conference/ -> notifier -> xml/conference_info, sip/subscription.
 * Spec:     RFC 4575, RFC 6665; 7.2.2.10 and 7.2.2.11 as read in context.md 3.5, 3.7, 4.3.
 * Threads:  the focus's one thread.
 * Memory:   a record per subscriber; no copy of the roster: a subscriber knows the revision up to
 *           which it was told, and the conference's users are kept in the order of their last
 *           change, so a delta costs what changed. Its text is written once for all who are told
 *           the same, but for version and yourown.
 * Time:     per subscriber, the first change after conference.notify_interval of quiet goes at
 *           once, further ones together that interval later; what answers a SUBSCRIBE goes at
 *           once. Over all conferences at most NOTIFIES_A_TURN a turn of the loop, shared fairly.
 *           A NOTIFY in flight delays nobody else; who has not answered is told when it has.
 * What:     full state at (re)subscription, else deltas. Above conference.roster_max users
 *           shown, user-count and the subscriber's own entry, so that n joins cost n NOTIFYs an
 *           interval, and not n times n entries; a full document with <users state="partial">
 *           says so. Below again (and then at 200 users at most) a full one has all.
 *
 *      told: a -- b -- c -- d -- e      by the time of the last NOTIFY, so by the revision told:
 *            ^head: due first           who is behind stands in front; a change looks at the head
 *      late: x -- y                     due, but their last NOTIFY is not answered yet
 */
#ifndef CONTROL_CONFERENCE_NOTIFIER_H
#define CONTROL_CONFERENCE_NOTIFIER_H
#include "control/conference/user.h"
#include "control/deadline.h"
#include "control/sip/request.h"
#include "control/sip/subscription.h"
#include "control/sip/ua.h"
#include "control/store/pack.h"
#include "include/config.h"

#define NOTIFIES_A_TURN 48u /* some 5 ms of work */

struct notifier;      /* of one conference; made with its first subscriber */
struct notifier_work; /* of a conference: something is due */
struct subscriber;

/* How NOTIFYs leave, and what time it is: subscription.h and ua_now_ms, or a test's. */
struct notifier_ops {
	uint64_t (*now_ms)(void);
	int (*notify)(
		struct subscription *subscription, const char *content_type, struct span body);
	void (*terminate)(struct subscription *subscription, const char *reason,
		const char *content_type, struct span body);
	void (*free)(struct subscription *subscription);
};

/* All of a focus. */
struct notifiers {
	const struct config *config;
	struct deadlines *deadlines;
	const struct notifier_ops *ops;
	TAILQ_HEAD(, notifier_work) ready; /* whose turn has come */
	struct deadline turn;
	bool turning;
	unsigned farewells; /* last NOTIFYs that wait for their turn */
	uint64_t sent;      /* NOTIFYs, but for the last of a subscription */
	/* For survival; NULL: nobody keeps them. kept: the subscriber is new, or was refreshed.
	 * gone: it is about to be freed, or its conference has ended and only the last NOTIFY is
	 * left. */
	void (*kept)(struct subscriber *subscriber);
	void (*gone)(struct subscriber *subscriber);
};

/* ops NULL: the product's. */
void notifiers_init(struct notifiers *all, const struct config *config, struct deadlines *deadlines,
	const struct notifier_ops *ops);
void notifiers_fini(struct notifiers *all); /* farewells that wait are not said */

/* Takes a SUBSCRIBE that was authorised (controlling/subscribe.c): answers t, and the first NOTIFY
 * with full state follows at once. entity: the URI that was subscribed to. -ENOBUFS, -EPROTO: t
 * has been answered. */
must_check int notifier_accept(struct user *user, const char *entity, struct ua_transaction *t,
	const struct request *request);
/* The same without SIP: a subscriber, which subscription_ops act on, and its beginning. */
must_check int subscriber_new(struct subscriber **out, struct user *user, const char *entity);
void subscriber_begin(struct subscriber *subscriber, struct subscription *subscription);
extern const struct subscription_ops notifier_subscription_ops; /* arg: struct subscriber */

/* What others see of the user, as a number that differs when that does; 0: nothing, as it is
 * hidden, has no session, or only such as join and may yet be refused. */
uint64_t notifier_signature(const struct user *user);
/* A user is no longer as it was told. Called by user_changed; everything else calls that. */
void notifier_changed(struct conference *conference);
/* Its description may be no longer as it was told: the group's document was replaced. */
void notifier_described(struct conference *conference);

/* 7.2.2.11: the user left or was expelled: a last NOTIFY with its own status,
 * terminated;reason=noresource. */
void notifier_leave(struct user *user);
/* 7.2.2.11: the conference is released: a last NOTIFY, full, inactive, with everybody disconnected;
 * paced, so it is sent after the conference has gone. draining: reason=deactivated, and no body, as
 * the conference goes on elsewhere or later. */
void notifier_end(struct conference *conference, bool draining);
void notifier_free(struct conference *conference); /* without a word */

unsigned notifier_subscribers(const struct conference *conference);
unsigned notifier_subscribers_of(const struct user *user);

/* For survival. The key of a subscriber: its conference, and a number of the conference's endpoint
 * numbers. restore: after its user, and after the dialog that it may lie in; the subscriber gets a
 * full NOTIFY, paced. lives: how many lives ago it was stored; versions go on from there + lives *
 * 2^16. -ENOENT: no such user, or it is not connected; results of subscription_restore. */
/* NULL: it has ended, only its last NOTIFY is left. */
struct conference *subscriber_conference(const struct subscriber *subscriber);
unsigned subscriber_number(const struct subscriber *subscriber);
void subscriber_pack(const struct subscriber *subscriber, struct pack *pack);
must_check int subscriber_restore(struct conference *conference, unsigned number, struct ua *ua,
	const struct unpacked *fields, uint32_t lives);
#endif
