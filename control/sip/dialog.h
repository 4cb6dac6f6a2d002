/* SPDX-License-Identifier: BSD-3-Clause */
/* dialog: one SIP dialog made by INVITE, ours or theirs.
 *
 * Place:    ua -> dialog -> controlling/.
 * Spec:     RFC 3261 12 to 15 (2xx repeated until ACK, BYE after ACK, CANCEL crossing),
 *           RFC 4028 (session timer), RFC 3311 (UPDATE).
 * Memory:   owned by whoever took it from ua or dialog_invite, until dialog_free, which may be
 *           called at any time, also in a callback; no callback follows. Freed before an answer,
 *           their INVITE gets 500; an invitation is cancelled; a dialog that stands gets BYE.
 * Threads:  the focus's one thread.
 *
 *   theirs:  INVITE -> dialog_ring* -> dialog_answer -> acknowledged
 *            or dialog_refuse, or cancelled
 *   ours:    dialog_invite -> response(1xx)* -> response(final)
 *            or dialog_cancel -> response(487)
 *   both:    dialog_bye -> ended; or ended when they said BYE or the session expired
 */
#ifndef CONTROL_SIP_DIALOG_H
#define CONTROL_SIP_DIALOG_H
#include "control/sip/ua.h"
#include "control/store/pack.h"

enum dialog_end {
	DIALOG_BYE_RECEIVED, /* they left; the 200 has been sent */
	DIALOG_BYE_DONE,     /* our BYE was answered, or never will be */
	DIALOG_EXPIRED, /* the session timer ran out, or nobody acknowledged our 2xx: say BYE */
};

struct dialog_ops {
	/* Theirs: given up before our final response; 487 has been sent. */
	void (*cancelled)(void *arg);
	/* Theirs: the ACK of our 2xx; body is its SDP, mostly empty. */
	void (*acknowledged)(void *arg, struct span body);
	/* Ours: 1xx and the one final response. A 2xx is acknowledged by this module when the
	 * callback returns; a 2xx that crossed our CANCEL is ended by BYE and reported as 487. */
	void (*response)(void *arg, const struct response *response);
	/* It is our turn to refresh the session (RFC 4028): dialog_refresh. */
	void (*refresh_due)(void *arg);
	/* Final response to our refresh. A 2xx has been acknowledged. */
	void (*refreshed)(void *arg, const struct response *response);
	/* re-INVITE or UPDATE: answer with dialog_modified within the call. */
	void (*modify)(void *arg, const struct request *request);
	/* SUBSCRIBE or REFER within the dialog (RFC 5057): answer within the call, by ua_respond or
	 * subscription_accept. NULL: 405. */
	void (*request)(void *arg, struct ua_transaction *t, const struct request *request);
	void (*ended)(void *arg, enum dialog_end end);
	/* dialog_pack would now write something else. Where the message that follows relies on it,
	 * ua_ops.commit comes before that leaves. NULL is allowed. */
	void (*changed)(void *arg);
};

void dialog_bind(struct dialog *dialog, const struct dialog_ops *ops, void *arg);
void dialog_free(struct dialog *dialog);

/* What a message of ours carries besides what this module adds (To, From, Call-ID, CSeq, Via,
 * Route). */
struct dialog_message {
	const char *contact;              /* URI in it, without < and >; NULL: no Contact */
	const struct header_block *extra; /* may be NULL */
	const char *content_type, *body;  /* NULL: none */
};

/* Theirs. 1xx without body. */
void dialog_ring(struct dialog *dialog, const char *contact);
/* 200. From here the dialog stands; it is ended by BYE only. -EPROTO: there is nothing to answer
 * (any more). */
must_check int dialog_answer(struct dialog *dialog, const struct dialog_message *message);
/* 300 to 699; nothing when it was answered or cancelled before. */
void dialog_refuse(struct dialog *dialog, unsigned status, const char *phrase,
	const struct dialog_message *message);
/* The one answer to ops.modify: 200 with SDP, or an error, after which the dialog stands as before.
 */
void dialog_modified(struct dialog *dialog, unsigned status, const char *phrase,
	const struct dialog_message *message);

/* Ours. local: name-addr of From, e.g. "<sip:factory@example.com>"; remote: URI, also the
 * Request-URI where no binding of the registrar or next hop says otherwise. -ENOENT: a user of ours
 * who is not registered; -ENOBUFS: too many dialogs; -EINVAL. */
must_check int dialog_invite(struct ua *ua, struct dialog **out, const char *local,
	const char *remote, const struct dialog_message *message, const struct dialog_ops *ops,
	void *arg);
/* Asks the invited one to stop; response(487) or another final one follows. */
void dialog_cancel(struct dialog *dialog);
/* Both. reason: the value of a Reason header, NULL: none. Waits for the ACK of our 2xx first (RFC
 * 3261 15). ended follows. */
void dialog_bye(struct dialog *dialog, const char *reason);

/* How our BYE was answered; 0: it was not, as theirs crossed it or it could not be sent. */
unsigned dialog_bye_status(const struct dialog *dialog);
/* Starts or restarts the session timer: DIALOG_EXPIRED comes at seconds - min(32, seconds/3) (RFC
 * 4028 10); where we are the refresher, refresh_due at half the interval. 0: stops. */
void dialog_supervise(struct dialog *dialog, uint32_t seconds, bool we_refresh);
/* A re-INVITE, or UPDATE, within the dialog. -EPROTO: the dialog does not stand, or one is under
 * way. */
must_check int dialog_refresh(
	struct dialog *dialog, bool update, const struct dialog_message *message);

/* For survival (store.h): what makes the dialog again in a later life: Call-ID, addresses, tags,
 * route set, remote target, CSeq of both sides, session timer; and as long as it is not confirmed,
 * or our 2xx not acknowledged, what that needs. Nothing needs to be kept of one that is over. */
void dialog_pack(const struct dialog *dialog, struct pack *pack);
bool dialog_is_over(const struct dialog *dialog);
/* Makes one that was confirmed. lives: how many lives ago it was stored; our CSeq goes on from
 * there + lives * 2^16. A 2xx of ours that was not acknowledged is said again, a 2xx of theirs that
 * comes again is acknowledged; a session timer that ran out meanwhile has run out now. -EPROTO: it
 * was not confirmed, or is to end: dialog_abandon; -EBADMSG: no such record; -ENOBUFS. */
must_check int dialog_restore(struct ua *ua, struct dialog **out, const struct unpacked *fields,
	uint32_t lives, const struct dialog_ops *ops, void *arg);
/* Ends what the record is about: BYE with its own reason, else this one; CANCEL where it was our
 * INVITE; 503 where it was theirs. */
void dialog_abandon(
	struct ua *ua, const struct unpacked *fields, uint32_t lives, const char *reason);
#endif
