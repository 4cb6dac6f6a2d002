/* SPDX-License-Identifier: BSD-3-Clause */
/* ua: the focus's SIP user agent: listeners, dispatch of what comes in, routes for what goes out.
 *
 * Place:    main -> ua (loop); focus <- ua (requests). Dialogs are in dialog.h.
 * Spec:     RFC 3261; the stack is Sofia-SIP's nta, which nothing outside control/sip sees.
 * Threads:  one, which calls ua_step.
 * Limits:   dialogs_max dialogs, four times as many server transactions, sip.max_subscriptions
 *           subscriptions, and the rates of admission.h; beyond them 503, without a transaction.
 *           Whatever makes nothing of ours (OPTIONS, methods we do not know, requests of dialogs we
 *           do not know) is answered without one as well. A body over REQUEST_BODY_MAX gets 400, a
 *           message over 384 KiB 413.
 */
#ifndef CONTROL_SIP_UA_H
#define CONTROL_SIP_UA_H
#include <stdio.h>
#include "control/deadline.h"
#include "control/sip/header.h"
#include "control/sip/request.h"
#include "control/store/store.h"
#include "include/config.h"
#include "include/result.h"

struct ua;
struct ua_transaction; /* a request that waits for its one final response */
struct dialog;

struct ua_ops {
	/* An initial INVITE that the stack found sound (100 has been sent). The callee owns the
	 * dialog from here: it gives it callbacks by dialog_bind, answers by dialog_answer or
	 * dialog_refuse, and frees it. */
	void (*invite)(void *arg, struct dialog *dialog, const struct request *request);
	/* Any other request outside a dialog, but ACK, CANCEL and REGISTER: answer once, within the
	 * call. A SUBSCRIBE is for an event package that is in UA_ALLOW_EVENTS and makes a
	 * subscription: refreshes have been dealt with. A request within a dialog that has only
	 * subscriptions comes here too, as its Request-URI says what it is about (in_dialog). */
	void (*request)(void *arg, struct ua_transaction *t, const struct request *request);
	/* A message is about to leave that the other side will rely on: what it rests on is to be
	 * stored now (store.h). NULL is allowed. */
	void (*commit)(void *arg);
};

/* What we say we can do, in responses and requests. */
#define UA_ALLOW        "INVITE, ACK, CANCEL, BYE, OPTIONS, SUBSCRIBE, REFER, UPDATE"
#define UA_SUPPORTED    "timer, norefersub, multiple-refer, recipient-list-invite"
#define UA_ALLOW_EVENTS "conference, refer"
#define UA_SERVER       "IM-serv/OMA1.0 Plenum/" PLENUM_VERSION
#define UA_TAGS         "isfocus;+g.oma.sip-im"

/* Opens the listeners of config->sip_listen. config, deadlines and store (NULL: none) are kept
 * until ua_free. -EINVAL: a value of the configuration, -EADDRINUSE and others: a listener; both
 * are said in the log. */
must_check int ua_new(struct ua **out, const struct config *config, struct deadlines *deadlines,
	struct store *store, unsigned dialogs_max, const struct ua_ops *ops, void *arg);
void ua_free(struct ua *ua);

/* One turn of the stack: waits at most wait_ms for a message, a timer, or one of the watched
 * descriptors. */
void ua_step(struct ua *ua, int wait_ms);
/* Descriptors that end the wait of ua_step when readable; -1 for none. */
#define UA_WATCH_MAX 4
must_check int ua_watch(struct ua *ua, unsigned slot, int fd);

/* Final response to a request other than INVITE and UPDATE. extra and body may be NULL. */
void ua_respond(struct ua_transaction *t, unsigned status, const char *phrase,
	const struct header_block *extra, const char *content_type, const char *body);

/* Is P-Asserted-Identity for the peer that a request to this user goes to (RFC 3325 5)? A next hop
 * is the operator's word; else the address that the user is reached at has to be within
 * sip.trusted. */
bool ua_peer_is_trusted(struct ua *ua, const char *remote);

const char *ua_phrase(unsigned status); /* "Busy Here" of 486 */
unsigned ua_dialogs(const struct ua *ua);
uint64_t ua_now_ms(void);
#endif
