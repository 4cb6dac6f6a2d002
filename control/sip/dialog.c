/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/stack.h"
#include <inttypes.h>
#include <sofia-sip/su_uniqueid.h>
#include <stdlib.h>
#include "include/log.h"

#define ACK_WAIT_MS 32000 /* 64 * T1: how long a 2xx is repeated (RFC 3261 13.3.1.4) */

enum dialog_state {
	DIALOG_THEIRS,    /* their INVITE has no final answer yet */
	DIALOG_OURS,      /* our INVITE has none */
	DIALOG_CONFIRMED, /* 2xx */
	DIALOG_ENDING,    /* our BYE is on its way */
	DIALOG_OVER,
};

/* What a 200 to an INVITE said, while it may have to be said again in a later life. */
struct said {
	char *contact, *extra, *content_type, *body; /* "" for none */
};

struct dialog {
	LIST_ENTRY(dialog) link; /* of the ua */
	struct ua *ua;
	nta_leg_t *leg;
	struct usages *usages;   /* subscriptions in this dialog; NULL: none */
	nta_incoming_t *invite;  /* theirs, until its ACK */
	nta_incoming_t *modify;  /* re-INVITE or UPDATE that waits for its answer or ACK */
	nta_outgoing_t *calling; /* ours, until its final response */
	nta_outgoing_t *refresh; /* our re-INVITE or UPDATE, until its final response */
	nta_outgoing_t *bye;
	const struct dialog_ops *ops;
	void *arg;
	char *call_id, *local, *remote; /* the addresses without tags */
	enum dialog_state state;
	bool acknowledged; /* the ACK of our 2xx has come, or the 2xx was theirs */
	bool cancelled;    /* we asked our INVITE to stop */
	bool bye_wanted;   /* as soon as it is acknowledged */
	bool modify_is_invite;
	bool freed;    /* by the owner; goes when the last callback and a wanted BYE are done */
	unsigned busy; /* callbacks of the stack on the C stack */
	unsigned bye_status;
	char *reason;
	struct deadline session; /* refresh_due, then the end */
	uint64_t session_end_ms;
	bool refresh_due;         /* the next firing of session is our turn to refresh */
	bool ours;                /* the INVITE that made it, and so its Call-ID */
	struct deadline again;    /* our refresh met theirs: it goes once more (RFC 3261 14.1) */
	struct said *said;        /* theirs, until its ACK */
	struct deadline ack_wait; /* restored without the ACK being known to have come */
};

static int in_dialog(void *arg, nta_leg_t *leg, nta_incoming_t *incoming, const sip_t *sip);
static void bye_send(struct dialog *dialog);

static void said_free(struct dialog *dialog)
{
	struct said *said = dialog->said;

	dialog->said = NULL;
	if (said == NULL)
		return;
	free(said->contact);
	free(said->extra);
	free(said->content_type);
	free(said->body);
	free(said);
}

/* Can what is sent to this URI leave here? We have no TLS. */
static bool is_reachable(const url_t *url)
{
	char transport[8] = "";

	return url->url_type == url_sip && url->url_host != NULL &&
	       (url->url_params == NULL ||
		       url_param(url->url_params, "transport", transport, sizeof(transport)) <= 0 ||
		       strcasecmp(transport, "tls") != 0);
}

/* RFC 3261 12.1: what makes the other end of a dialog: a tag, a target, a route set that can be
 * read, and a first hop that can be reached. */
static bool makes_dialog(const sip_t *sip, const char *tag)
{
	const sip_route_t *route = sip->sip_record_route;

	for (const sip_header_t *bad = (const sip_header_t *)sip->sip_error; bad != NULL;
		bad = bad->sh_next) {
		const char *name = bad->sh_class == sip_error_class ? bad->sh_error->er_name
								    : bad->sh_class->hc_name;

		if (name != NULL && strcasecmp(name, "Record-Route") == 0)
			return false;
	}
	if (tag == NULL || sip->sip_contact == NULL)
		return false;
	if (route == NULL)
		return is_reachable(sip->sip_contact->m_url);
	return sip->sip_contact->m_url->url_type != url_any;
}

/* What dialog_pack would write is another thing now. */
static void changed(struct dialog *dialog)
{
	if (!dialog->freed && dialog->ops != NULL && dialog->ops->changed != NULL)
		dialog->ops->changed(dialog->arg);
}

/* A message follows that the other side will rely on. */
static void commit(struct dialog *dialog)
{
	if (dialog->ua->ops->commit != NULL)
		dialog->ua->ops->commit(dialog->ua->arg);
}

static struct dialog *dialog_make(struct ua *ua)
{
	struct dialog *dialog = calloc(1, sizeof(*dialog));

	if (dialog != NULL) {
		dialog->ua = ua;
		ua->dialogs++;
		LIST_INSERT_HEAD(&ua->all_dialogs, dialog, link);
	}
	return dialog;
}

static void destroy(struct dialog *dialog)
{
	deadline_clear(dialog->ua->deadlines, &dialog->session);
	deadline_clear(dialog->ua->deadlines, &dialog->ack_wait);
	deadline_clear(dialog->ua->deadlines, &dialog->again);
	said_free(dialog);
	/* A transaction that is destroyed still repeats its final response until the ACK. */
	nta_incoming_destroy(dialog->invite);
	nta_incoming_destroy(dialog->modify);
	nta_outgoing_destroy(dialog->calling);
	nta_outgoing_destroy(dialog->refresh);
	nta_outgoing_destroy(dialog->bye);
	if (dialog->usages != NULL)
		usages_inherit(dialog->usages);
	else if (dialog->leg != NULL)
		nta_leg_destroy(dialog->leg);
	dialog->ua->dialogs--;
	LIST_REMOVE(dialog, link);
	free(dialog->reason);
	free(dialog->call_id);
	free(dialog->local);
	free(dialog->remote);
	free(dialog);
}

void dialogs_drop(struct ua *ua)
{
	struct dialog *dialog;

	while ((dialog = LIST_FIRST(&ua->all_dialogs)) != NULL)
		destroy(dialog);
}

/* The stack's leg does not tell them, so they are kept for the record. */
static int names_keep(
	struct dialog *dialog, const char *call_id, const char *local, const char *remote)
{
	dialog->call_id = strdup(call_id);
	dialog->local = strdup(local);
	dialog->remote = strdup(remote);
	return dialog->call_id && dialog->local && dialog->remote ? 0 : -ENOBUFS;
}

const char *name_addr_of(su_home_t *home, const sip_addr_t *address)
{
	return su_sprintf(home, "%s%s<%s>", address->a_display ? address->a_display : "",
		address->a_display ? " " : "", url_as_string(home, address->a_url));
}

static void enter(struct dialog *dialog)
{
	dialog->busy++;
}

static void leave(struct dialog *dialog)
{
	if (--dialog->busy == 0 && dialog->freed && !dialog->bye_wanted)
		destroy(dialog);
}

static void say_ended(struct dialog *dialog, enum dialog_end end)
{
	if (!dialog->freed && dialog->ops != NULL)
		dialog->ops->ended(dialog->arg, end);
}

void dialog_bind(struct dialog *dialog, const struct dialog_ops *ops, void *arg)
{
	dialog->ops = ops;
	dialog->arg = arg;
}

void dialog_free(struct dialog *dialog)
{
	if (dialog == NULL || dialog->freed)
		return;
	enter(dialog);
	switch (dialog->state) {
	case DIALOG_THEIRS: dialog_refuse(dialog, 500, sip_500_Internal_server_error, NULL); break;
	case DIALOG_OURS: dialog_cancel(dialog); break;
	case DIALOG_CONFIRMED: dialog_bye(dialog, NULL); break;
	default: break;
	}
	dialog->freed = true;
	leave(dialog);
}

/* ---- session timer (RFC 4028) ---- */

static void session_deadline(void *arg)
{
	struct dialog *dialog = arg;

	enter(dialog);
	if (dialog->state != DIALOG_CONFIRMED) {
		/* nothing to supervise any more */
	} else if (dialog->refresh_due) {
		dialog->refresh_due = false;
		if (deadline_set(dialog->ua->deadlines, &dialog->session, dialog->session_end_ms,
			    session_deadline, dialog) < 0)
			log_warning("dialog", "session not supervised, no memory");
		if (!dialog->freed && dialog->ops != NULL)
			dialog->ops->refresh_due(dialog->arg);
	} else {
		say_ended(dialog, DIALOG_EXPIRED);
	}
	leave(dialog);
}

void dialog_supervise(struct dialog *dialog, uint32_t seconds, bool we_refresh)
{
	uint64_t now_ms = ua_now_ms(), interval_ms = seconds * 1000ull, margin_ms;

	if (seconds == 0) {
		deadline_clear(dialog->ua->deadlines, &dialog->session);
		return;
	}
	/* RFC 4028 10: the BYE leaves before the other side gives up. */
	margin_ms = interval_ms / 3 < 32000 ? interval_ms / 3 : 32000;
	dialog->session_end_ms = now_ms + interval_ms - margin_ms;
	dialog->refresh_due = we_refresh;
	if (deadline_set(dialog->ua->deadlines, &dialog->session,
		    we_refresh ? now_ms + interval_ms / 2 : dialog->session_end_ms,
		    session_deadline, dialog) < 0)
		log_warning("dialog", "session not supervised, no memory");
	changed(dialog);
}

/* ---- what we say ---- */

static void reply(struct dialog *dialog, nta_incoming_t *incoming, unsigned status,
	const char *phrase, const struct dialog_message *message)
{
	static const struct dialog_message nothing;
	char contact[700];

	if (message == NULL)
		message = &nothing;
	if (message->contact != NULL)
		snprintf(contact, sizeof(contact), "<%s>;" UA_TAGS, message->contact);
	nta_incoming_treply(incoming, (int)status, phrase,
		SIPTAG_CONTACT_STR(message->contact ? contact : NULL), SIPTAG_SERVER_STR(UA_SERVER),
		SIPTAG_ALLOW_STR(status < 300 ? UA_ALLOW : NULL),
		SIPTAG_SUPPORTED_STR(status < 300 ? UA_SUPPORTED : NULL),
		SIPTAG_ALLOW_EVENTS_STR(status < 300 ? UA_ALLOW_EVENTS : NULL),
		SIPTAG_HEADER_STR(
			message->extra && message->extra->len ? message->extra->text : NULL),
		SIPTAG_CONTENT_TYPE_STR(message->content_type), SIPTAG_PAYLOAD_STR(message->body),
		TAG_END());
}

void dialog_ring(struct dialog *dialog, const char *contact)
{
	struct dialog_message message = { .contact = contact };

	if (dialog->state == DIALOG_THEIRS && dialog->invite != NULL)
		reply(dialog, dialog->invite, 180, sip_180_Ringing, &message);
}

static char *copy_of(const char *text)
{
	return strdup(text ? text : "");
}

/* Without memory it is not said again, and the peer gives up or asks again. */
static void said_keep(struct dialog *dialog, const struct dialog_message *message)
{
	struct said *said = calloc(1, sizeof(*said));

	dialog->said = said;
	if (said == NULL)
		return;
	said->contact = copy_of(message->contact);
	said->extra = copy_of(
		message->extra != NULL && message->extra->len > 0 ? message->extra->text : NULL);
	said->content_type = copy_of(message->content_type);
	said->body = copy_of(message->body);
	if (!said->contact || !said->extra || !said->content_type || !said->body)
		said_free(dialog);
}

int dialog_answer(struct dialog *dialog, const struct dialog_message *message)
{
	if (dialog->state != DIALOG_THEIRS || dialog->invite == NULL)
		return -EPROTO;
	dialog->state = DIALOG_CONFIRMED;
	said_keep(dialog, message);
	changed(dialog);
	commit(dialog);
	reply(dialog, dialog->invite, 200, sip_200_OK, message);
	return 0;
}

void dialog_refuse(struct dialog *dialog, unsigned status, const char *phrase,
	const struct dialog_message *message)
{
	if (dialog->state != DIALOG_THEIRS || dialog->invite == NULL)
		return;
	dialog->state = DIALOG_OVER;
	reply(dialog, dialog->invite, status, phrase, message);
	nta_incoming_destroy(dialog->invite);
	dialog->invite = NULL;
}

static void modify_done(struct dialog *dialog)
{
	nta_incoming_destroy(dialog->modify);
	dialog->modify = NULL;
}

void dialog_modified(struct dialog *dialog, unsigned status, const char *phrase,
	const struct dialog_message *message)
{
	if (dialog->modify == NULL || nta_incoming_status(dialog->modify) >= 200)
		return;
	changed(dialog);
	commit(dialog);
	reply(dialog, dialog->modify, status, phrase, message);
	/* The 200 of a re-INVITE waits for its ACK; anything else is done. */
	if (status >= 300 || !dialog->modify_is_invite)
		modify_done(dialog);
}

void dialog_cancel(struct dialog *dialog)
{
	if (dialog->state != DIALOG_OURS || dialog->calling == NULL || dialog->cancelled)
		return;
	dialog->cancelled = true;
	nta_outgoing_cancel(dialog->calling);
}

static int bye_answered(void *arg, nta_outgoing_t *outgoing, const sip_t *sip)
{
	struct dialog *dialog = arg;

	if (nta_outgoing_status(outgoing) < 200)
		return 0;
	enter(dialog);
	dialog->bye_status = (unsigned)nta_outgoing_status(outgoing);
	nta_outgoing_destroy(dialog->bye);
	dialog->bye = NULL;
	if (dialog->state == DIALOG_ENDING) {
		dialog->state = DIALOG_OVER;
		say_ended(dialog, DIALOG_BYE_DONE);
	}
	leave(dialog);
	return 0;
}

unsigned dialog_bye_status(const struct dialog *dialog)
{
	return dialog->bye_status;
}

static void bye_send(struct dialog *dialog)
{
	bool listened = !dialog->freed;

	dialog->bye_wanted = false;
	dialog->state = DIALOG_ENDING;
	changed(dialog);
	commit(dialog);
	dialog->bye = nta_outgoing_tcreate(dialog->leg, listened ? bye_answered : NULL,
		listened ? dialog : NULL, NULL, SIP_METHOD_BYE, NULL,
		SIPTAG_USER_AGENT_STR(UA_SERVER), SIPTAG_REASON_STR(dialog->reason), TAG_END());
	if (dialog->bye == NULL) {
		dialog->state = DIALOG_OVER;
		say_ended(dialog, DIALOG_BYE_DONE);
	}
}

void dialog_bye(struct dialog *dialog, const char *reason)
{
	if (dialog->state != DIALOG_CONFIRMED || dialog->bye_wanted)
		return;
	deadline_clear(dialog->ua->deadlines, &dialog->session);
	free(dialog->reason);
	dialog->reason = reason ? strdup(reason) : NULL;
	/* RFC 3261 15: the callee says no BYE before the ACK of its 2xx, or the end of that
	 * transaction. */
	dialog->bye_wanted = true;
	if (dialog->acknowledged) {
		enter(dialog);
		bye_send(dialog);
		leave(dialog);
	}
}

/* ---- their INVITE ---- */

static void their_invite_over(struct dialog *dialog)
{
	nta_incoming_destroy(dialog->invite);
	dialog->invite = NULL;
}

static struct span body_of(const sip_t *sip)
{
	if (sip == NULL || sip->sip_payload == NULL)
		return span_make("", 0);
	return span_make(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
}

static void acknowledged(struct dialog *dialog, const sip_t *sip)
{
	dialog->acknowledged = true;
	deadline_clear(dialog->ua->deadlines, &dialog->ack_wait);
	if (dialog->said != NULL) {
		said_free(dialog);
		changed(dialog);
	}
	if (dialog->bye_wanted)
		bye_send(dialog);
	else if (sip == NULL && dialog->state == DIALOG_CONFIRMED)
		say_ended(dialog, DIALOG_EXPIRED); /* 64 * T1 and no ACK: RFC 3261 13.3.1.4 */
	else if (sip != NULL && !dialog->freed && dialog->ops != NULL)
		dialog->ops->acknowledged(dialog->arg, body_of(sip));
}

/* ACK, CANCEL, or (sip NULL) nothing within 64 * T1. */
static int invite_followed(void *arg, nta_incoming_t *incoming, const sip_t *sip)
{
	struct dialog *dialog = arg;

	enter(dialog);
	if (sip != NULL && sip->sip_request->rq_method == sip_method_cancel) {
		if (dialog->state == DIALOG_THEIRS) {
			dialog->state = DIALOG_OVER;
			reply(dialog, incoming, 487, sip_487_Request_terminated, NULL);
			their_invite_over(dialog);
			if (!dialog->freed && dialog->ops != NULL)
				dialog->ops->cancelled(dialog->arg);
		}
	} else {
		their_invite_over(dialog);
		acknowledged(dialog, sip);
	}
	leave(dialog);
	return 0;
}

static int modify_followed(void *arg, nta_incoming_t *incoming, const sip_t *sip)
{
	struct dialog *dialog = arg;

	enter(dialog);
	if (sip == NULL || sip->sip_request->rq_method == sip_method_ack) {
		if (dialog->modify == incoming)
			modify_done(dialog);
		if (sip == NULL && dialog->state == DIALOG_CONFIRMED)
			say_ended(dialog, DIALOG_EXPIRED);
		else if (sip != NULL && !dialog->freed && dialog->ops != NULL)
			dialog->ops->acknowledged(dialog->arg, body_of(sip));
	}
	leave(dialog);
	return 0;
}

static void stateless_503(struct ua *ua, nta_incoming_t *incoming)
{
	nta_incoming_treply(incoming, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_SERVER_STR(UA_SERVER),
		SIPTAG_RETRY_AFTER_STR("10"), TAG_END());
	nta_incoming_destroy(incoming);
}

static int names_keep_received(struct dialog *dialog, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *local = name_addr_of(home, sip->sip_to);
	const char *remote = name_addr_of(home, sip->sip_from);
	int r = local && remote ? names_keep(dialog, sip->sip_call_id->i_id, local, remote)
				: -ENOBUFS;

	su_home_deinit(home);
	return r;
}

int dialog_received(
	struct ua *ua, nta_incoming_t *incoming, const sip_t *sip, const struct request *request)
{
	struct dialog *dialog;

	if (sip->sip_contact == NULL || sip->sip_contact->m_url->url_type == url_any) {
		struct ua_transaction t = { .ua = ua, .incoming = incoming };

		ua_respond(&t, 400, "Contact missing", NULL, NULL, NULL);
		nta_incoming_destroy(incoming);
		return 0;
	}
	if (!makes_dialog(sip, "")) {
		struct ua_transaction t = { .ua = ua, .incoming = incoming };
		struct header_block extra;

		header_init(&extra);
		header_add_warning(&extra, ua->config->sip_domain, "Contact cannot be reached");
		ua_respond(&t, 400, sip_400_Bad_request, &extra, NULL, NULL);
		nta_incoming_destroy(incoming);
		return 0;
	}
	if (ua->dialogs >= ua->dialogs_max || (dialog = dialog_make(ua)) == NULL) {
		stateless_503(ua, incoming);
		return 0;
	}
	dialog->state = DIALOG_THEIRS;
	/* RFC 3261 12.1.1, 3GPP TS 24.229 5.7.2: the route set is what the core recorded, and all
	 * that follows in the dialog goes by it: CF-7.2.1.1-IMS, CF-7.2.1.3-IMS, CF-7.2.1.4-IMS,
	 * CF-7.2.1.5-IMS, CF-7.2.1.9-IMS, CF-7.2.1.10-IMS, CF-7.2.1.11-IMS */
	/* A CSeq of our own from the beginning: left to the stack it comes with the first request,
	 * and one that a further usage of the dialog sends is in no record of this dialog. */
	dialog->leg =
		nta_leg_tcreate(ua->agent, in_dialog, dialog, SIPTAG_CALL_ID(sip->sip_call_id),
			SIPTAG_FROM(sip->sip_to), SIPTAG_TO(sip->sip_from), SIPTAG_CSEQ_STR("1"),
			NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
	if (dialog->leg == NULL || nta_leg_tag(dialog->leg, NULL) == NULL ||
		nta_leg_server_route(dialog->leg, sip->sip_record_route, sip->sip_contact) < 0 ||
		names_keep_received(dialog, sip) < 0) {
		destroy(dialog);
		stateless_503(ua, incoming);
		return 0;
	}
	nta_incoming_tag(incoming, nta_leg_get_tag(dialog->leg));
	nta_incoming_bind(incoming, invite_followed, dialog);
	dialog->invite = incoming;
	nta_incoming_treply(incoming, SIP_100_TRYING, TAG_END());
	enter(dialog);
	ua->ops->invite(ua->arg, dialog, request);
	leave(dialog);
	return 0;
}

/* ---- requests within the dialog ---- */

static void method_refused(struct dialog *dialog, nta_incoming_t *incoming)
{
	struct dialog_message message = { 0 };
	struct header_block extra;

	header_init(&extra);
	header_add(&extra, "Allow", "%s", UA_ALLOW);
	message.extra = &extra;
	reply(dialog, incoming, 405, sip_405_Method_not_allowed, &message);
}

static void modify_received(struct dialog *dialog, nta_incoming_t *incoming, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct request request;

	if (dialog->state != DIALOG_CONFIRMED || dialog->freed || dialog->bye_wanted) {
		reply(dialog, incoming, 481, sip_481_No_transaction, NULL);
		nta_incoming_destroy(incoming);
		return;
	}
	/* RFC 3261 14.2: ours is under way. */
	if (dialog->refresh != NULL) {
		reply(dialog, incoming, 491, sip_491_Request_pending, NULL);
		nta_incoming_destroy(incoming);
		return;
	}
	if (ua_refused(dialog->ua, incoming, sip))
		return;
	if (dialog->modify != NULL)
		modify_done(dialog); /* answered, and its ACK is late: this request says the peer
					has the 200 */
	dialog->modify = incoming;
	dialog->modify_is_invite = sip->sip_request->rq_method == sip_method_invite;
	if (dialog->modify_is_invite)
		nta_incoming_bind(incoming, modify_followed, dialog);
	/* RFC 3261 12.2.2: target refresh; the route set stays. CF-7.2.1.6-IMS */
	if (sip->sip_contact != NULL)
		nta_leg_server_route(dialog->leg, NULL, sip->sip_contact);
	request_read(&request, dialog->ua, home, incoming, sip);
	dialog->ops->modify(dialog->arg, &request);
	if (dialog->modify != NULL && nta_incoming_status(dialog->modify) < 200)
		dialog_modified(dialog, 500, sip_500_Internal_server_error, NULL);
	su_home_deinit(home);
}

/* SUBSCRIBE or REFER. */
static void usage_received(struct dialog *dialog, nta_incoming_t *incoming, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct ua_transaction t = { .ua = dialog->ua, .incoming = incoming, .dialog = dialog };
	struct request request;

	/* A SUBSCRIBE within a dialog refreshes mostly; a REFER always sets something going. */
	if (sip->sip_request->rq_method == sip_method_refer &&
		!ua_admits(dialog->ua, ADMISSION_REFER, incoming)) {
		stateless_503(dialog->ua, incoming);
		return;
	}
	if (ua_refused(dialog->ua, incoming, sip))
		return;
	request_read(&request, dialog->ua, home, incoming, sip);
	request.in_dialog = true;
	if (dialog->usages != NULL && usages_refreshed(dialog->usages, &t, &request)) {
		/* RFC 6665 4.4.1; also while the INVITE's dialog is ending (RFC 5057 4.1) */
	} else if (dialog->state != DIALOG_CONFIRMED || dialog->freed || dialog->bye_wanted) {
		reply(dialog, incoming, 481, sip_481_No_transaction, NULL);
	} else if (!ua_event_refused(&t, &request)) {
		if (dialog->ops->request != NULL)
			dialog->ops->request(dialog->arg, &t, &request);
		else
			method_refused(dialog, incoming);
	}
	if (nta_incoming_status(incoming) < 200)
		reply(dialog, incoming, 500, sip_500_Internal_server_error, NULL);
	nta_incoming_destroy(incoming);
	su_home_deinit(home);
}

static void bye_received(struct dialog *dialog, nta_incoming_t *incoming)
{
	enum dialog_state before = dialog->state;

	if (before == DIALOG_CONFIRMED || before == DIALOG_ENDING) {
		dialog->state = DIALOG_OVER;
		changed(dialog);
		commit(dialog);
	}
	/* CF-7.2.1.10-R1 */
	reply(dialog, incoming, 200, sip_200_OK, NULL);
	nta_incoming_destroy(incoming);
	switch (before) {
	case DIALOG_THEIRS: /* RFC 3261 15.1.2: the pending request is answered 487 */
		dialog->state = DIALOG_OVER;
		reply(dialog, dialog->invite, 487, sip_487_Request_terminated, NULL);
		their_invite_over(dialog);
		if (!dialog->freed && dialog->ops != NULL)
			dialog->ops->cancelled(dialog->arg);
		break;
	case DIALOG_CONFIRMED:
	case DIALOG_ENDING:
		dialog->bye_wanted = false;
		deadline_clear(dialog->ua->deadlines, &dialog->session);
		say_ended(dialog, DIALOG_BYE_RECEIVED);
		break;
	default: break;
	}
}

static int in_dialog(void *arg, nta_leg_t *leg, nta_incoming_t *incoming, const sip_t *sip)
{
	struct dialog *dialog = arg;

	enter(dialog);
	switch (sip->sip_request->rq_method) {
	case sip_method_ack: nta_incoming_destroy(incoming); break;
	case sip_method_bye: bye_received(dialog, incoming); break;
	case sip_method_invite:
	case sip_method_update: modify_received(dialog, incoming, sip); break;
	case sip_method_options:
		reply(dialog, incoming, 200, sip_200_OK, NULL);
		nta_incoming_destroy(incoming);
		break;
	case sip_method_subscribe:
	case sip_method_refer: usage_received(dialog, incoming, sip); break;
	default:
		method_refused(dialog, incoming);
		nta_incoming_destroy(incoming);
		break;
	}
	leave(dialog);
	return 0;
}

nta_leg_t *dialog_leg(const struct dialog *dialog)
{
	return dialog->leg;
}

struct usages *dialog_usages(const struct dialog *dialog)
{
	return dialog->usages;
}

void dialog_share(struct dialog *dialog, struct usages *usages)
{
	dialog->usages = usages;
}

struct dialog *dialog_of_leg(nta_leg_t *leg)
{
	return nta_leg_magic(leg, in_dialog);
}

/* ---- our INVITE ---- */

/* branch: of the INVITE, where the stack does not know that transaction (any more); else NULL. */
static void acknowledge(struct dialog *dialog, uint32_t number, const char *branch)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	sip_cseq_t *cseq = sip_cseq_create(home, number, SIP_METHOD_ACK);

	/* The stack keeps it as long as the 2xx may come again. */
	nta_outgoing_destroy(nta_outgoing_tcreate(dialog->leg, NULL, NULL, NULL, SIP_METHOD_ACK,
		NULL, SIPTAG_CSEQ(cseq), TAG_IF(branch, NTATAG_ACK_BRANCH(branch)),
		SIPTAG_USER_AGENT_STR(UA_SERVER), TAG_END()));
	su_home_deinit(home);
}

static int invitation_answered(void *arg, nta_outgoing_t *outgoing, const sip_t *sip)
{
	struct dialog *dialog = arg;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	unsigned status = (unsigned)nta_outgoing_status(outgoing);
	uint32_t cseq = nta_outgoing_cseq(outgoing);
	struct response response;
	bool ended = false;

	enter(dialog);
	response_read(&response, home, sip, status);
	if (status >= 200 && status < 300) {
		bool usable = makes_dialog(sip, sip->sip_to->a_tag);

		ended = dialog->cancelled || !usable;
		nta_leg_rtag(dialog->leg, sip->sip_to->a_tag);
		/* RFC 3261 12.1.2, TS 24.229 5.7.3: CF-7.2.1.2-IMS */
		nta_leg_client_reroute(dialog->leg, sip->sip_record_route, sip->sip_contact, 1);
		dialog->state = DIALOG_CONFIRMED;
		if (dialog->cancelled) { /* it crossed our CANCEL (RFC 3261 9.1) */
			acknowledge(dialog, nta_outgoing_cseq(outgoing), NULL);
			bye_send(dialog);
			dialog->state = DIALOG_OVER;
			response = (struct response){ .status = 487, .internal = true };
		} else if (!usable) {
			/* RFC 3261 21.5.3: an answer that we can do nothing with. It is ended as
			 * well as it can be. */
			acknowledge(dialog, nta_outgoing_cseq(outgoing), NULL);
			bye_send(dialog);
			dialog->state = DIALOG_OVER;
			response = (struct response){ .status = 502, .internal = true };
		}
	} else if (status >= 300) {
		dialog->state = DIALOG_OVER;
	}
	if (!dialog->freed && dialog->ops != NULL && status > 100)
		dialog->ops->response(dialog->arg, &response);
	/* What follows from the 2xx is stored before its ACK says that we have it; a BYE that the
	 * callback wants has waited for the ACK. */
	if (status >= 200 && status < 300 && !ended) {
		commit(dialog);
		acknowledge(dialog, cseq, NULL);
		dialog->acknowledged = true;
		if (dialog->bye_wanted)
			bye_send(dialog);
	}
	if (status >= 200) {
		nta_outgoing_destroy(dialog->calling);
		dialog->calling = NULL;
	}
	leave(dialog);
	su_home_deinit(home);
	return 0;
}

/* ---- our refresh ---- */

static void refresh_again(void *arg)
{
	struct dialog *dialog = arg;

	enter(dialog);
	if (dialog->state == DIALOG_CONFIRMED && !dialog->freed && !dialog->bye_wanted &&
		dialog->ops != NULL)
		dialog->ops->refresh_due(dialog->arg);
	leave(dialog);
}

/* RFC 3261 14.1: theirs was under way. Who owns the Call-ID waits longer, so that they do not meet
 * again. */
static void refresh_later(struct dialog *dialog)
{
	uint64_t wait_ms = dialog->ours ? 2100 + 10 * (uint64_t)su_randint(0, 190)
					: 10 * (uint64_t)su_randint(0, 200);

	if (deadline_set(dialog->ua->deadlines, &dialog->again, ua_now_ms() + wait_ms,
		    refresh_again, dialog) < 0)
		log_warning("dialog", "refresh not repeated, no memory");
}

static int refresh_answered(void *arg, nta_outgoing_t *outgoing, const sip_t *sip)
{
	struct dialog *dialog = arg;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	unsigned status = (unsigned)nta_outgoing_status(outgoing);
	struct response response;

	if (status < 200)
		return 0;
	enter(dialog);
	response_read(&response, home, sip, status);
	if (status < 300) {
		if (sip->sip_contact != NULL)
			nta_leg_client_reroute(dialog->leg, NULL, sip->sip_contact, 0);
		if (nta_outgoing_method(outgoing) == sip_method_invite)
			acknowledge(dialog, nta_outgoing_cseq(outgoing), NULL);
		changed(dialog);
	}
	nta_outgoing_destroy(dialog->refresh);
	dialog->refresh = NULL;
	if (status == 491)
		refresh_later(dialog);
	else if (!dialog->freed && dialog->ops != NULL && dialog->state == DIALOG_CONFIRMED)
		dialog->ops->refreshed(dialog->arg, &response);
	leave(dialog);
	su_home_deinit(home);
	return 0;
}

int dialog_refresh(struct dialog *dialog, bool update, const struct dialog_message *message)
{
	char contact[700];

	if (dialog->state != DIALOG_CONFIRMED || dialog->refresh != NULL ||
		dialog->modify != NULL || !dialog->acknowledged || dialog->bye_wanted)
		return -EPROTO;
	snprintf(contact, sizeof(contact), "<%s>;" UA_TAGS, message->contact);
	dialog->refresh = nta_outgoing_tcreate(dialog->leg, refresh_answered, dialog, NULL,
		update ? sip_method_update : sip_method_invite, update ? "UPDATE" : "INVITE", NULL,
		SIPTAG_CONTACT_STR(contact), SIPTAG_USER_AGENT_STR(UA_SERVER),
		SIPTAG_ALLOW_STR(UA_ALLOW), SIPTAG_SUPPORTED_STR("timer"),
		SIPTAG_HEADER_STR(
			message->extra && message->extra->len ? message->extra->text : NULL),
		SIPTAG_CONTENT_TYPE_STR(message->content_type), SIPTAG_PAYLOAD_STR(message->body),
		TAG_END());
	return dialog->refresh ? 0 : -ENOBUFS;
}

int dialog_invite(struct ua *ua, struct dialog **out, const char *local, const char *remote,
	const struct dialog_message *message, const struct dialog_ops *ops, void *arg)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *request_uri, *route;
	struct dialog *dialog = NULL;
	sip_call_id_t *call_id;
	char to[IDENTITY_MAX + 8], contact[700], proxy[600];
	int r;

	if (ua->dialogs >= ua->dialogs_max)
		return -ENOBUFS;
	r = ua_route(ua, home, remote, &request_uri, &route);
	if (r < 0)
		goto out;
	r = -ENOBUFS;
	dialog = dialog_make(ua);
	if (dialog == NULL)
		goto out;
	dialog->state = DIALOG_OURS;
	dialog->ours = true;
	dialog_bind(dialog, ops, arg);
	snprintf(to, sizeof(to), "<%s>", remote);
	snprintf(contact, sizeof(contact), "<%s>;" UA_TAGS, message->contact);
	/* A next hop that routes loosely is told so by a Route of its own (RFC 3261 8.1.2). */
	snprintf(proxy, sizeof(proxy), "<%s>", route ? route : "");
	r = -EINVAL;
	call_id = sip_call_id_create(home, NULL);
	dialog->leg = call_id == NULL ? NULL
				      : nta_leg_tcreate(ua->agent, in_dialog, dialog,
						SIPTAG_CALL_ID(call_id), SIPTAG_FROM_STR(local),
						SIPTAG_TO_STR(to), TAG_END());
	if (dialog->leg == NULL || nta_leg_tag(dialog->leg, NULL) == NULL ||
		names_keep(dialog, call_id->i_id, local, to) < 0)
		goto out;
	dialog->calling = nta_outgoing_tcreate(dialog->leg, invitation_answered, dialog,
		(const url_string_t *)route, SIP_METHOD_INVITE, (const url_string_t *)request_uri,
		SIPTAG_CONTACT_STR(contact),
		SIPTAG_ROUTE_STR(route && strstr(route, ";lr") ? proxy : NULL),
		SIPTAG_USER_AGENT_STR(UA_SERVER), SIPTAG_ALLOW_STR(UA_ALLOW),
		SIPTAG_SUPPORTED_STR("timer"), SIPTAG_ALLOW_EVENTS_STR(UA_ALLOW_EVENTS),
		SIPTAG_HEADER_STR(
			message->extra && message->extra->len ? message->extra->text : NULL),
		SIPTAG_CONTENT_TYPE_STR(message->content_type), SIPTAG_PAYLOAD_STR(message->body),
		TAG_END());
	if (dialog->calling == NULL)
		goto out;
	*out = dialog;
	dialog = NULL;
	r = 0;
out:
	if (dialog != NULL)
		destroy(dialog);
	su_home_deinit(home);
	return r;
}

/* ---- survival ---- */

bool dialog_acknowledges(struct ua *ua, const sip_t *sip)
{
	nta_leg_t *leg = nta_leg_by_dialog(ua->agent, NULL, sip->sip_call_id, sip->sip_to->a_tag,
		NULL, sip->sip_from->a_tag, NULL);
	struct dialog *dialog = leg != NULL ? nta_leg_magic(leg, in_dialog) : NULL;

	if (dialog == NULL || sip->sip_to->a_tag == NULL || sip->sip_via == NULL ||
		(dialog->state != DIALOG_CONFIRMED && dialog->state != DIALOG_ENDING))
		return false;
	acknowledge(dialog, sip->sip_cseq->cs_seq, sip->sip_via->v_branch);
	return true;
}

/* As much of their INVITE as its response needs. */
static void pack_invite(su_home_t *home, struct pack *pack, nta_incoming_t *incoming)
{
	msg_t *msg = nta_incoming_getrequest(incoming);
	const sip_t *sip = msg != NULL ? sip_object(msg) : NULL;
	char *text;

	if (sip == NULL || sip->sip_request == NULL) {
		msg_destroy(msg);
		return;
	}
	text = su_sprintf(
		home, "INVITE %s SIP/2.0\r\n", url_as_string(home, sip->sip_request->rq_url));
	for (const sip_via_t *via = sip->sip_via; via != NULL; via = via->v_next)
		text = su_sprintf(home, "%sVia: %s\r\n", text,
			sip_header_as_string(home, (const sip_header_t *)via));
	for (const sip_record_route_t *r = sip->sip_record_route; r != NULL; r = r->r_next)
		text = su_sprintf(home, "%sRecord-Route: %s\r\n", text,
			sip_header_as_string(home, (const sip_header_t *)r));
	text = su_sprintf(home,
		"%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %" PRIu32
		" INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		text, sip_header_as_string(home, (const sip_header_t *)sip->sip_from),
		sip_header_as_string(home, (const sip_header_t *)sip->sip_to),
		sip->sip_call_id->i_id, sip->sip_cseq->cs_seq);
	msg_destroy(msg);
	if (text != NULL)
		pack_text(pack, "invite", span_of(text));
}

bool dialog_is_over(const struct dialog *dialog)
{
	return dialog->state == DIALOG_OVER;
}

/* Of our INVITE, what a CANCEL of it needs. */
static void pack_calling(su_home_t *home, struct pack *pack, nta_outgoing_t *outgoing)
{
	msg_t *msg = nta_outgoing_getrequest(outgoing);
	const sip_t *sip = msg != NULL ? sip_object(msg) : NULL;

	if (sip != NULL && sip->sip_request != NULL) {
		pack_text(pack, "request-uri",
			span_of(url_as_string(home, sip->sip_request->rq_url)));
		if (nta_outgoing_branch(outgoing) != NULL)
			pack_text(pack, "branch", span_of(nta_outgoing_branch(outgoing)));
	}
	msg_destroy(msg);
}

static void pack_optional(struct pack *pack, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		pack_text(pack, name, span_of(text));
}

void dialog_pack(const struct dialog *dialog, struct pack *pack)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;
	char *routes = NULL;

	pack_number(pack, "dialog", dialog->state);
	pack_text(pack, "call-id", span_of(dialog->call_id));
	pack_text(pack, "local", span_of(dialog->local));
	pack_text(pack, "remote", span_of(dialog->remote));
	pack_optional(pack, "local-tag", nta_leg_get_tag(dialog->leg));
	pack_optional(pack, "remote-tag", nta_leg_get_rtag(dialog->leg));
	pack_number(pack, "local-cseq", nta_leg_get_seq(dialog->leg));
	pack_number(pack, "remote-cseq", nta_leg_get_rseq(dialog->leg));
	nta_leg_get_route(dialog->leg, &route, &target);
	if (target != NULL)
		pack_text(pack, "target", span_of(url_as_string(home, target->m_url)));
	for (; route != NULL; route = route->r_next)
		routes = su_sprintf(home, "%s%s%s", routes ? routes : "", routes ? ", " : "",
			sip_header_as_string(home, (const sip_header_t *)route));
	pack_optional(pack, "route", routes);
	if (deadline_is_set(&dialog->session)) {
		pack_number(pack, "session-next", dialog->session.at_ms);
		pack_number(pack, "session-end", dialog->session_end_ms);
		pack_flag(pack, "session-ours", dialog->refresh_due);
	}
	if (dialog->state == DIALOG_OURS && dialog->calling != NULL)
		pack_calling(home, pack, dialog->calling);
	if (dialog->invite != NULL)
		pack_invite(home, pack, dialog->invite);
	if (dialog->said != NULL) {
		pack_optional(pack, "said-contact", dialog->said->contact);
		pack_optional(pack, "said-extra", dialog->said->extra);
		pack_optional(pack, "said-type", dialog->said->content_type);
		pack_optional(pack, "said-body", dialog->said->body);
	}
	pack_optional(pack, "bye-reason", dialog->reason);
	su_home_deinit(home);
}

/* A text of the record as a string of home; NULL: absent, or with a character that ends a line. */
static char *text_of(su_home_t *home, const struct unpacked *fields, const char *name)
{
	struct span text = unpack_text(fields, name);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < ' ')
			return NULL;
	return text.len > 0 ? su_strndup(home, text.at, (isize_t)text.len) : NULL;
}

static char *tagged(su_home_t *home, const char *address, const char *tag)
{
	return tag ? su_sprintf(home, "%s;tag=%s", address, tag) : su_strdup(home, address);
}

static int leg_restore(
	struct dialog *dialog, su_home_t *home, const struct unpacked *fields, uint32_t lives)
{
	struct ua *ua = dialog->ua;
	char *call_id = text_of(home, fields, "call-id"), *local = text_of(home, fields, "local");
	char *remote = text_of(home, fields, "remote");
	char *local_tag = text_of(home, fields, "local-tag");
	char *remote_tag = text_of(home, fields, "remote-tag");
	char *route = text_of(home, fields, "route"), *target = text_of(home, fields, "target");
	uint64_t seq = unpack_number(fields, "local-cseq");
	sip_contact_t *contact = NULL;
	sip_route_t *routes = NULL;
	sip_cseq_t *cseq;

	if (!call_id || !local || !remote || !local_tag)
		return -EBADMSG;
	if (target != NULL && (contact = sip_contact_format(home, "<%s>", target)) == NULL)
		return -EBADMSG;
	if (route != NULL && (routes = sip_route_make(home, route)) == NULL)
		return -EBADMSG;
	/* Requests of that life may have gone out after the record was written (design 4). RFC 3261
	 * 8.1.1.5: less than 2^31. */
	seq = (seq + ((uint64_t)lives << 16)) & 0x7fffffff;
	cseq = sip_cseq_create(home, (uint32_t)seq, SIP_METHOD_INVITE);
	if (names_keep(dialog, call_id, local, remote) < 0)
		return -ENOBUFS;
	dialog->leg = nta_leg_tcreate(ua->agent, in_dialog, dialog, SIPTAG_CALL_ID_STR(call_id),
		SIPTAG_FROM_STR(tagged(home, local, local_tag)),
		SIPTAG_TO_STR(tagged(home, remote, remote_tag)), SIPTAG_ROUTE(routes),
		SIPTAG_CSEQ(cseq), NTATAG_REMOTE_CSEQ(unpack_number(fields, "remote-cseq")),
		TAG_END());
	if (dialog->leg == NULL)
		return -EBADMSG;
	/* This, and not the making, sees whether the route is loose; the route itself is set. */
	if (contact != NULL && nta_leg_server_route(dialog->leg, NULL, contact) < 0)
		return -EBADMSG;
	return 0;
}

/* Their INVITE, as a transaction that can be answered. */
static nta_incoming_t *invite_restore(struct dialog *dialog, struct span text)
{
	struct ua *ua = dialog->ua;
	tport_t *transport = NULL;
	msg_t *msg;
	nta_incoming_t *incoming;

	if (text.len == 0)
		return NULL;
	msg = msg_make(sip_default_mclass(), 0, text.at, (ssize_t)text.len);
	if (msg == NULL || sip_object(msg)->sip_request == NULL || sip_object(msg)->sip_error ||
		sip_sanity_check(sip_object(msg)) < 0) {
		msg_destroy(msg);
		return NULL;
	}
	/* Left to itself the stack takes a transport without a reference, and gives one back. */
	transport = tport_by_protocol(
		nta_agent_tports(ua->agent), sip_via_transport(sip_object(msg)->sip_via));
	if (transport == NULL) {
		msg_destroy(msg);
		return NULL;
	}
	incoming = nta_incoming_create(
		ua->agent, dialog->leg, msg, NULL, NTATAG_TPORT(transport), TAG_END());
	if (incoming != NULL)
		nta_incoming_bind(incoming, invite_followed, dialog);
	return incoming;
}

/* Whether the ACK of our 2xx came while nobody was here is not known: it may be late, and a BYE
 * waits for it as long as it would have. */
static void ack_missed(void *arg)
{
	struct dialog *dialog = arg;

	enter(dialog);
	if (!dialog->acknowledged) {
		dialog->acknowledged = true;
		if (dialog->bye_wanted)
			bye_send(dialog);
	}
	leave(dialog);
}

static void answer_again(struct dialog *dialog, su_home_t *home, const struct unpacked *fields)
{
	struct header_block extra;
	struct dialog_message message = {
		.contact = text_of(home, fields, "said-contact"),
		.extra = &extra,
		.content_type = text_of(home, fields, "said-type"),
	};
	struct span text = unpack_text(fields, "said-extra");
	struct span body = unpack_text(fields, "said-body");

	if (body.len > 0)
		message.body = su_strndup(home, body.at, (isize_t)body.len);
	header_init(&extra);
	if (text.len < sizeof(extra.text)) {
		memcpy(extra.text, text.at, text.len);
		extra.text[text.len] = '\0';
		extra.len = text.len;
	}
	said_keep(dialog, &message);
	reply(dialog, dialog->invite, 200, sip_200_OK, &message);
}

static int confirmed_restore(struct dialog *dialog, su_home_t *home, const struct unpacked *fields)
{
	struct deadlines *deadlines = dialog->ua->deadlines;
	uint64_t now_ms = ua_now_ms(), next_ms = unpack_number(fields, "session-next");

	dialog->state = DIALOG_CONFIRMED;
	if (next_ms > 0) {
		dialog->session_end_ms = unpack_number(fields, "session-end");
		dialog->refresh_due = unpack_flag(fields, "session-ours");
		/* What was due meanwhile is due now. */
		if (deadline_set(deadlines, &dialog->session, next_ms > now_ms ? next_ms : now_ms,
			    session_deadline, dialog) < 0)
			return -ENOBUFS;
	}
	dialog->invite = invite_restore(dialog, unpack_text(fields, "invite"));
	dialog->acknowledged = dialog->invite == NULL;
	if (dialog->invite == NULL)
		return 0;
	answer_again(dialog, home, fields);
	return deadline_set(deadlines, &dialog->ack_wait, now_ms + ACK_WAIT_MS, ack_missed, dialog);
}

int dialog_restore(struct ua *ua, struct dialog **out, const struct unpacked *fields,
	uint32_t lives, const struct dialog_ops *ops, void *arg)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct dialog *dialog;
	int r;

	*out = NULL;
	if (unpack_number(fields, "dialog") != DIALOG_CONFIRMED)
		return -EPROTO;
	dialog = dialog_make(ua);
	if (dialog == NULL)
		return -ENOBUFS;
	r = leg_restore(dialog, home, fields, lives);
	if (r == 0)
		r = confirmed_restore(dialog, home, fields);
	if (r == 0) {
		dialog_bind(dialog, ops, arg);
		*out = dialog;
	} else {
		dialog->state = DIALOG_OVER;
		destroy(dialog);
	}
	su_home_deinit(home);
	return r;
}

/* RFC 3261 9.1: our INVITE's transaction went with the life that made it, but its CANCEL is made of
 * what the INVITE was. A 2xx that comes nevertheless is ended as a stray one. */
static void cancel_abandoned(struct dialog *dialog, su_home_t *home, const struct unpacked *fields)
{
	char *request_uri = text_of(home, fields, "request-uri");
	char *branch = text_of(home, fields, "branch");
	const char *next_hop = dialog->ua->config->sip_next_hop;
	char proxy[600];

	if (request_uri == NULL || branch == NULL)
		return;
	snprintf(proxy, sizeof(proxy), "<%s>", next_hop);
	nta_outgoing_destroy(nta_outgoing_tcreate(dialog->leg, NULL, NULL,
		next_hop[0] != '\0' ? (const url_string_t *)next_hop : NULL, SIP_METHOD_CANCEL,
		(const url_string_t *)request_uri, NTATAG_BRANCH_KEY(branch),
		SIPTAG_ROUTE_STR(strstr(next_hop, ";lr") ? proxy : NULL),
		SIPTAG_USER_AGENT_STR(UA_SERVER), TAG_END()));
}

void dialog_abandon(
	struct ua *ua, const struct unpacked *fields, uint32_t lives, const char *reason)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct dialog *dialog = dialog_make(ua);
	enum dialog_state state = unpack_number(fields, "dialog");
	char *stored_reason = text_of(home, fields, "bye-reason");

	/* CANCEL has the CSeq of its INVITE. */
	if (dialog != NULL &&
		leg_restore(dialog, home, fields, state == DIALOG_OURS ? 0 : lives) == 0) {
		if (state == DIALOG_CONFIRMED || state == DIALOG_ENDING) {
			dialog->state = DIALOG_CONFIRMED;
			dialog->acknowledged = true;
			dialog_bye(dialog, stored_reason ? stored_reason : reason);
		} else if (state == DIALOG_OURS) {
			cancel_abandoned(dialog, home, fields);
		} else if (state == DIALOG_THEIRS) {
			dialog->invite = invite_restore(dialog, unpack_text(fields, "invite"));
			dialog->state = DIALOG_THEIRS;
			dialog_refuse(dialog, 503, sip_503_Service_unavailable, NULL);
		}
	}
	if (dialog != NULL) {
		if (dialog->state != DIALOG_ENDING)
			dialog->state = DIALOG_OVER;
		dialog_free(dialog);
	}
	su_home_deinit(home);
}
