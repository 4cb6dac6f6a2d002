/* SPDX-License-Identifier: BSD-3-Clause */
/* referral: one REFER that was accepted: whom it was about, and its implicit subscription, by which
 * the referrer hears how it went with each of them.
 *
 * Place:    controlling/refer makes it; conference tells it how sessions went; subscription.
 * Spec:     RFC 3515 2.4.4, RFC 4488, RFC 5368; reading: context.md 3.6: 100 at once, then a NOTIFY
 *           for each outcome, the last of which ends the subscription. With several targets each
 *           message/sipfrag has a To that says whose outcome it is.
 * Threads:  the focus's one thread.
 * Memory:   owned by the focus (struct referrals); it goes by itself when every outcome is known
 *           and the last NOTIFY was sent, whatever becomes of the conference meanwhile. It does not
 *           survive the focus: the referrer's subscription then ends by its own time.
 */
#ifndef CONTROL_CONFERENCE_REFERRAL_H
#define CONTROL_CONFERENCE_REFERRAL_H
#include <stdbool.h>
#include <sys/queue.h>
#include "control/sip/request.h"
#include "control/sip/ua.h"
#include "include/result.h"

struct participant;
struct referral;
struct referral_target;
struct referral_watch; /* on a session, whose outcome is a target's */

struct referrals {
	LIST_HEAD(, referral) list;
};

/* One for so many targets, of which every outcome is due. host: in Warnings, kept. */
must_check int referral_new(
	struct referral **out, struct referrals *all, unsigned targets, const char *host);
/* The next target; uri as the referrer wrote it. NULL without memory. */
struct referral_target *referral_target_new(struct referral *referral, const char *uri);

/* Answers the REFER with 202 and, unless it says Refer-Sub: false, makes the subscription, which
 * lasts at most so many seconds, and sends the first NOTIFY. contact: URI of ours. On failure t has
 * been answered. */
must_check int referral_accept(struct referral *referral, struct ua_transaction *t,
	const struct request *request, const char *contact, uint32_t seconds);

/* In these two a target may be NULL, when nobody is to hear of it.
 * Final, once for each target; warning: text of a Warning, may be empty. The last one may free the
 * referral. */
void referral_outcome(struct referral_target *target, unsigned status, struct span warning);
/* The outcome will be that of this session; with several sessions that of the last of them. */
must_check int referral_watch(struct referral_target *target, struct participant *participant);
/* To all who watch this session, who then do no longer. */
void referral_tell(struct participant *participant, unsigned status, struct span warning);

void referral_free(struct referral *referral); /* one that nobody watches for; without a word */
void referrals_fini(struct referrals *all);
#endif
