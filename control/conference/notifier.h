/* SPDX-License-Identifier: BSD-3-Clause */
/* notifier: who is told of a conference, what, and when: the conference event package with
 * coalesced deltas.
 *
 * Place:    controlling/ and conference/ -> notifier -> xml/conference_info, sip/subscription.
 * Spec:     RFC 4575, RFC 6665; 7.2.2.10 and 7.2.2.11 as read in context.md 3.5, 3.7, 4.3.
 * Threads:  the focus's one thread.
 * Memory:   a record per subscriber; no copy of the roster: a subscriber knows the revision up to
 *           which it was told, and the conference's users are kept in the order of their last
 *           change. The text of a delta is written once for all who are told the same, but for
 *           version and yourown.
 * Time:     the first change after quiet goes at once, further ones together
 *           conference.notify_interval later; never more than a bounded number of NOTIFYs a turn of
 *           the loop, so that a large room's are paced. Above conference.roster_max users a
 *           subscriber gets user-count and its own entry, so the cost of n joins is n NOTIFYs an
 *           interval, and not n times n entries.
 */
#ifndef CONTROL_CONFERENCE_NOTIFIER_H
#define CONTROL_CONFERENCE_NOTIFIER_H
#include "control/conference/user.h"
#include "control/sip/request.h"
#include "control/sip/ua.h"
#include "control/store/pack.h"

struct notifier; /* of one conference; made with its first subscriber */
struct subscriber;

/* Takes a SUBSCRIBE that was authorised (controlling/subscribe.c): answers t, and the first NOTIFY
 * with full state follows at once. entity: the URI that was subscribed to. -ENOBUFS, -EPROTO: t
 * has been answered. */
must_check int notifier_accept(struct user *user, const char *entity, struct ua_transaction *t,
	const struct request *request);

/* A user, or with NULL the conference itself (description, activity), is no longer as it was told.
 * Called by user_changed; everything else calls that. */
void notifier_changed(struct conference *conference);

/* 7.2.2.11: the user left or was expelled: a last NOTIFY with its own status,
 * terminated;reason=noresource. */
void notifier_leave(struct user *user);
/* 7.2.2.11: the conference is released: a last NOTIFY, full, inactive. draining: reason=deactivated,
 * and no body, as the conference goes on elsewhere or later. */
void notifier_end(struct conference *conference, bool draining);
void notifier_free(struct conference *conference); /* without a word */

unsigned notifier_subscribers(const struct conference *conference);
#endif
