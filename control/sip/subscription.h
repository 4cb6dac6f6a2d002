/* SPDX-License-Identifier: BSD-3-Clause */
/* subscription: the notifier's end of one event subscription, made by SUBSCRIBE (RFC 6665) or by
 * REFER (RFC 3515), in a dialog of its own or as a further usage of one made by INVITE (RFC 5057).
 *
 * Place:    controlling/ -> subscription; beside dialog, on the same stack.
 * Threads:  the focus's one thread.
 * Memory:   owned by whoever subscription_accept gave it to, until subscription_free or
 *           subscription_terminate; ops.ended does not free it. A subscription in an INVITE's
 *           dialog outlives that dialog (its leg of the stack is shared and counted).
 * Order:    one NOTIFY at a time: RFC 6665 4.2.2 wants them to arrive in order, so a second one
 *           is refused (-EALREADY) until ops.notified. One that is answered with a failure and
 *           Retry-After of at most two minutes goes once more, and is in flight meanwhile.
 * Limits:   sip.max_subscriptions, those whose last NOTIFY waits for the one before included.
 */
#ifndef CONTROL_SIP_SUBSCRIPTION_H
#define CONTROL_SIP_SUBSCRIPTION_H
#include "control/sip/header.h"
#include "control/sip/request.h"
#include "control/sip/ua.h"
#include "control/store/pack.h"

struct subscription;

enum subscription_end {
	SUBSCRIPTION_EXPIRED,      /* its time ran out: say the last NOTIFY with reason timeout */
	SUBSCRIPTION_UNSUBSCRIBED, /* SUBSCRIBE with Expires 0, answered 200: say the last NOTIFY */
	/* A NOTIFY got 481, 408 or another final failure, or the only one of a fetch has been
	 * answered: just free it. */
	SUBSCRIPTION_FAILED,
};

struct subscription_ops {
	/* A SUBSCRIBE refreshed it and was answered: a NOTIFY with full state is due at once
	 * (RFC 6665 4.4.1). */
	void (*refreshed)(void *arg);
	/* The NOTIFY in flight was answered 2xx; the next one may go. */
	void (*notified)(void *arg);
	void (*ended)(void *arg, enum subscription_end end);
	/* The NOTIFY in flight never left: it is longer than a datagram, and the peer is not
	 * reached by TCP. The next one may go, shorter. NULL: the subscription has failed. */
	void (*too_long)(void *arg);
};

struct subscription_terms {
	unsigned status;       /* of our answer to t: 200 to SUBSCRIBE, 202 to REFER */
	const char *event;     /* value of Event in NOTIFYs without id: "conference", "refer" */
	const char *contact;   /* URI of our Contact */
	uint32_t expires;      /* seconds granted at most; a SUBSCRIBE may ask for less */
	bool contact_is_focus; /* Contact carries isfocus and +g.oma.sip-im */
	const struct header_block *extra; /* of the answer; may be NULL */
};

/* Answers t and makes the subscription; the first NOTIFY is the caller's to send, at once.
 * request: what t brought (its Event id, and within a dialog the CSeq of a REFER, become the id of
 * the NOTIFYs, RFC 3515 2.4.6). Expires 0 is a fetch (RFC 6665 4.4.3): its first NOTIFY says
 * terminated;reason=timeout and is its last. Supported is the caller's to add. -EPROTO: without a
 * usable Contact, with a senseless Event id, or for less than sip.subscription_min_s (t has been
 * answered 400 or 423); -ENOBUFS (503 has been sent). */
must_check int subscription_accept(struct ua_transaction *t, struct subscription **out,
	const struct request *request, const struct subscription_terms *terms,
	const struct subscription_ops *ops, void *arg);

/* NOTIFY with Subscription-State: active;expires=<what is left>. content_type NULL: no body.
 * -EALREADY: one is in flight; -EPROTO: it has ended; -ENOBUFS. */
must_check int subscription_notify(
	struct subscription *subscription, const char *content_type, struct span body);
/* The last NOTIFY, Subscription-State: terminated;reason=<reason>, and free: also while one is in
 * flight, which it follows. NULL is allowed. */
void subscription_terminate(struct subscription *subscription, const char *reason,
	const char *content_type, struct span body);
/* Without a word, for one that failed. NULL is allowed. */
void subscription_free(struct subscription *subscription);

bool subscription_may_notify(const struct subscription *subscription); /* none in flight */
unsigned subscriptions(const struct ua *ua);

/* For survival: what makes it again in a later life. A subscription inside an INVITE's dialog is
 * restored after that dialog. lives: how many lives ago it was stored (store.h). */
void subscription_pack(const struct subscription *subscription, struct pack *pack);
must_check int subscription_restore(struct ua *ua, struct subscription **out,
	const struct unpacked *fields, uint32_t lives, const struct subscription_ops *ops,
	void *arg);
#endif
