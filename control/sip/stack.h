/* SPDX-License-Identifier: BSD-3-Clause */
/* stack: what the files of control/sip share: the types of Sofia-SIP end here.
 *
 * Not here: anything that a file outside this folder may include.
 */
#ifndef CONTROL_SIP_STACK_H
#define CONTROL_SIP_STACK_H
#define NTA_AGENT_MAGIC_T    struct ua
#define NTA_LEG_MAGIC_T      void
#define NTA_OUTGOING_MAGIC_T void
#define NTA_INCOMING_MAGIC_T void
#include <sys/queue.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_alloc.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>
#include <sofia-sip/url.h>
#include "control/sip/admission.h"
#include "control/sip/dialog.h"
#include "control/sip/registrar.h"
#include "control/sip/subscription.h"
#include "control/sip/ua.h"

struct ua {
	su_root_t *root;
	nta_agent_t *agent;
	bool shedding; /* too many transactions: new requests get 503 */
	bool stepped;
	struct admission *admission;
	uint64_t admission_said_ms;
	const struct config *config;
	struct deadlines *deadlines;
	struct prefix_list *trusted;
	struct registrar *registrar; /* NULL: sip.registrar is off */
	struct store *store;         /* NULL: nothing survives */
	const struct ua_ops *ops;
	void *arg;
	unsigned dialogs, dialogs_max;
	LIST_HEAD(, dialog) all_dialogs;
	unsigned subscriptions, subscriptions_max;
	LIST_HEAD(, subscription) lingering; /* their owners have gone */
	struct {
		int fd, index;
	} watched[UA_WATCH_MAX];
};

/* A leg of the stack that subscriptions use, alone or beside the dialog of an INVITE, which they
 * may outlive (RFC 5057). It goes with the last of them. */
struct usages {
	struct ua *ua;
	nta_leg_t *leg;
	struct dialog *dialog;          /* NULL: none, or it has gone: the leg is ours */
	char *call_id, *local, *remote; /* to make the leg again in a later life; without tags */
	LIST_HEAD(, subscription) subscriptions;
};

/* Where an answer goes: to a transaction, or, without one, to the message itself. */
struct ua_transaction {
	struct ua *ua;
	nta_incoming_t *incoming; /* NULL: msg */
	msg_t *msg;
	struct dialog *dialog; /* the INVITE's dialog that it came in; NULL: none */
	struct usages *usages; /* else the leg of subscriptions that it came in; NULL: none */
};

/* Fills *out from a request as far as it goes; strings that had to be made live in home. */
void request_read(struct request *out, struct ua *ua, su_home_t *home, nta_incoming_t *incoming,
	const sip_t *sip);
/* The same without a transaction. trusted: the source is within sip.trusted; trust_from: the lab
 * switch of that name. */
void request_parse(
	struct request *out, su_home_t *home, const sip_t *sip, bool trusted, bool trust_from);
bool ua_source_is_trusted(struct ua *ua, msg_t *msg);
/* Is this request within the rates of admission.h? */
bool ua_admits(struct ua *ua, enum admission_kind kind, nta_incoming_t *incoming);
void response_read(struct response *out, su_home_t *home, const sip_t *sip, unsigned status);

/* Where a request to a user goes: the Request-URI and, or NULL, what to route by. Strings live in
 * home. -ENOENT: a user of ours without a contact. */
must_check int ua_route(struct ua *ua, su_home_t *home, const char *remote,
	const char **request_uri, const char **route);

/* An initial INVITE: makes the dialog, hands it to ops.invite. Returns the status for nta: 0 or an
 * error. */
int dialog_received(
	struct ua *ua, nta_incoming_t *incoming, const sip_t *sip, const struct request *request);
/* A 2xx to an INVITE that no transaction knows: is it of a dialog of ours? Then it is
 * acknowledged. */
bool dialog_acknowledges(struct ua *ua, const sip_t *sip);
/* At the end: those that nobody owns any more and that still wait, for an ACK or so. */
void dialogs_drop(struct ua *ua);
/* REGISTER. Answers. */
void register_received(
	struct ua *ua, nta_incoming_t *incoming, const sip_t *sip, const struct request *request);

/* Contacts of an earlier life, from the store; from now on they are kept there. */
void register_restore(struct ua *ua);

/* Checks that hold in and out of dialogs: Require, size of the body. Answers and returns true when
 * it refused. */
bool ua_refused(struct ua *ua, nta_incoming_t *incoming, const sip_t *sip);
/* Of a SUBSCRIBE that makes a subscription: 489 for a package that is not ours, 403 for one that
 * only REFER makes. Answers and returns true when it refused; the transaction is still there. */
bool ua_event_refused(struct ua_transaction *t, const struct request *request);

/* An address with its display name, without parameters, in home. */
const char *name_addr_of(su_home_t *home, const sip_addr_t *address);

/* dialog.c: the leg of a dialog and what else uses it. */
nta_leg_t *dialog_leg(const struct dialog *dialog);
struct usages *dialog_usages(const struct dialog *dialog);       /* NULL: nothing else does */
void dialog_share(struct dialog *dialog, struct usages *usages); /* NULL: no longer */
struct dialog *dialog_of_leg(nta_leg_t *leg);                    /* NULL: none */

/* subscription.c. The dialog goes, and leaves its leg to the subscriptions. */
void usages_inherit(struct usages *usages);
/* At the end of ua: those whose last NOTIFY waits for an answer. */
void subscriptions_drop(struct ua *ua);
/* A SUBSCRIBE to one of these is answered; false: it is about none of them. */
bool usages_refreshed(
	struct usages *usages, struct ua_transaction *t, const struct request *request);
#endif
