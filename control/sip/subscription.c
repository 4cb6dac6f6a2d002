/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/stack.h"
#include <stdlib.h>
#include <time.h>
#include "include/log.h"

#define RETRY_TRANSPORT_MS 200u
#define DATAGRAM_BODY_MAX  60000u /* octets of a body that may still fit into one */
#define EVENT_ID_MAX       256u   /* octets; more is refused */
#define RETRY_AFTER_MAX_S  120u   /* of a failed NOTIFY; one that asks for more has failed */

struct subscription {
	LIST_ENTRY(subscription) link;     /* of its leg */
	LIST_ENTRY(subscription) lingerer; /* of those whose last NOTIFY waits for an answer */
	struct usages *usages;
	const struct subscription_ops *ops;
	void *arg;
	char *event, *id; /* id: NULL: none */
	char *contact;
	bool contact_is_focus;
	bool fetch;    /* Expires 0: its first NOTIFY is its last (RFC 6665 4.4.3) */
	bool over;     /* ops.ended was called, or the only NOTIFY of a fetch was sent */
	bool freed;    /* by the owner; goes when what is in flight and `last` are done */
	bool retried;  /* the NOTIFY in flight is sent for the second time */
	bool lingers;  /* it is in ua.lingering */
	unsigned busy; /* callbacks on the C stack */
	uint32_t most; /* seconds that a refresh is granted at most */
	uint64_t expires_ms;
	struct deadline expiry;
	struct deadline retry;  /* of a NOTIFY that was answered with Retry-After */
	nta_outgoing_t *notify; /* in flight, or waiting for retry */
	size_t notify_len;      /* octets of its body */
	struct {
		bool due;
		char *reason, *content_type, *body;
		size_t len;
	} last; /* the NOTIFY that follows the one in flight and ends the subscription */
};

static int notify_answered(void *arg, nta_outgoing_t *outgoing, const sip_t *sip);
static int in_usages(void *arg, nta_leg_t *leg, nta_incoming_t *incoming, const sip_t *sip);

unsigned subscriptions(const struct ua *ua)
{
	return ua->subscriptions;
}

bool subscription_may_notify(const struct subscription *s)
{
	return s->notify == NULL && !s->over;
}

/* ---- the leg ---- */

static void usages_free(struct usages *usages)
{
	free(usages->call_id);
	free(usages->local);
	free(usages->remote);
	free(usages);
}

/* It goes with the last of its subscriptions. */
static void usages_put(struct usages *usages)
{
	if (!LIST_EMPTY(&usages->subscriptions))
		return;
	if (usages->dialog != NULL)
		dialog_share(usages->dialog, NULL);
	else
		nta_leg_destroy(usages->leg);
	usages_free(usages);
}

void usages_inherit(struct usages *usages)
{
	usages->dialog = NULL;
	nta_leg_bind(usages->leg, in_usages, usages);
}

static struct usages *usages_make(struct ua *ua, nta_leg_t *leg, struct dialog *dialog,
	const char *call_id, const char *local, const char *remote)
{
	struct usages *usages = calloc(1, sizeof(*usages));

	if (usages == NULL)
		return NULL;
	usages->call_id = strdup(call_id);
	usages->local = strdup(local);
	usages->remote = strdup(remote);
	if (usages->call_id == NULL || usages->local == NULL || usages->remote == NULL) {
		usages_free(usages);
		return NULL;
	}
	usages->ua = ua;
	usages->leg = leg;
	usages->dialog = dialog;
	LIST_INIT(&usages->subscriptions);
	if (dialog != NULL)
		dialog_share(dialog, usages);
	else
		nta_leg_bind(leg, in_usages, usages);
	return usages;
}

/* The leg that t came in, or a new one for the dialog that t makes. -ENOBUFS. */
static int usages_of(struct usages **out, struct ua_transaction *t, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct dialog *dialog = t->dialog;
	const char *call_id = sip->sip_call_id->i_id;
	const char *local = name_addr_of(home, sip->sip_to);
	const char *remote = name_addr_of(home, sip->sip_from);
	nta_leg_t *leg = dialog ? dialog_leg(dialog) : NULL;

	*out = dialog ? dialog_usages(dialog) : t->usages;
	if (*out != NULL || local == NULL || remote == NULL)
		goto out;
	if (dialog == NULL) {
		leg = nta_leg_tcreate(t->ua->agent, in_usages, NULL,
			SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_to),
			SIPTAG_TO(sip->sip_from), SIPTAG_CSEQ_STR("1"),
			NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
		/* RFC 6665 4.4.1: Record-Route of the request makes the route set, as for an
		 * INVITE: CF-7.2.1.7-IMS, CF-7.2.1.8-IMS, CF-7.2.1.12-IMS */
		if (leg == NULL || nta_leg_tag(leg, NULL) == NULL ||
			nta_leg_server_route(leg, sip->sip_record_route, sip->sip_contact) < 0)
			goto failed;
	}
	*out = usages_make(t->ua, leg, dialog, call_id, local, remote);
	if (*out == NULL)
		goto failed;
	if (dialog == NULL)
		nta_incoming_tag(t->incoming, nta_leg_get_tag(leg));
	goto out;
failed:
	if (dialog == NULL && leg != NULL)
		nta_leg_destroy(leg);
out:
	su_home_deinit(home);
	return *out ? 0 : -ENOBUFS;
}

/* ---- its life ---- */

static struct subscription *make(
	struct usages *usages, const char *event, struct span id, const char *contact)
{
	struct subscription *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->event = strdup(event);
	s->contact = strdup(contact);
	s->id = id.len > 0 ? strndup(id.at, id.len) : NULL;
	if (s->event == NULL || s->contact == NULL || (id.len > 0 && s->id == NULL)) {
		free(s->event);
		free(s->contact);
		free(s->id);
		free(s);
		return NULL;
	}
	s->usages = usages;
	LIST_INSERT_HEAD(&usages->subscriptions, s, link);
	usages->ua->subscriptions++;
	return s;
}

static void last_clear(struct subscription *s)
{
	free(s->last.reason);
	free(s->last.content_type);
	free(s->last.body);
	memset(&s->last, 0, sizeof(s->last));
}

static void destroy(struct subscription *s)
{
	struct usages *usages = s->usages;

	if (s->lingers)
		LIST_REMOVE(s, lingerer);
	deadline_clear(usages->ua->deadlines, &s->expiry);
	deadline_clear(usages->ua->deadlines, &s->retry);
	/* A transaction that is destroyed still repeats its request until it is answered. */
	nta_outgoing_destroy(s->notify);
	LIST_REMOVE(s, link);
	usages->ua->subscriptions--;
	last_clear(s);
	free(s->event);
	free(s->id);
	free(s->contact);
	free(s);
	usages_put(usages);
}

static void enter(struct subscription *s)
{
	s->busy++;
}

static void leave(struct subscription *s)
{
	if (--s->busy == 0 && s->freed && !s->last.due)
		destroy(s);
}

void subscription_free(struct subscription *s)
{
	if (s == NULL || s->freed)
		return;
	enter(s);
	s->freed = true;
	leave(s);
}

static void end(struct subscription *s, enum subscription_end how)
{
	deadline_clear(s->usages->ua->deadlines, &s->expiry);
	if (s->over && how != SUBSCRIPTION_FAILED)
		return;
	s->over = true;
	if (!s->freed)
		s->ops->ended(s->arg, how);
}

static void expired(void *arg)
{
	struct subscription *s = arg;

	enter(s);
	end(s, SUBSCRIPTION_EXPIRED);
	leave(s);
}

static int expire_in(struct subscription *s, uint32_t seconds)
{
	s->expires_ms = ua_now_ms() + seconds * 1000ull;
	return deadline_set(s->usages->ua->deadlines, &s->expiry, s->expires_ms, expired, s);
}

/* ---- NOTIFY ---- */

/* reason NULL: active. */
static int notify(struct subscription *s, const char *reason, const char *content_type,
	struct span body, bool heard)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char event[EVENT_ID_MAX + 64], state[128], contact[700];
	uint64_t now_ms = ua_now_ms();
	nta_outgoing_t *outgoing;

	snprintf(event, sizeof(event), "%s%s%s", s->event, s->id ? ";id=" : "", s->id ? s->id : "");
	if (reason != NULL)
		snprintf(state, sizeof(state), "terminated;reason=%s", reason);
	else
		snprintf(state, sizeof(state), "active;expires=%llu",
			(unsigned long long)(s->expires_ms > now_ms
						     ? (s->expires_ms - now_ms + 999) / 1000
						     : 0));
	snprintf(contact, sizeof(contact), "<%s>%s", s->contact,
		s->contact_is_focus ? ";" UA_TAGS : "");
	outgoing = nta_outgoing_tcreate(s->usages->leg, heard ? notify_answered : NULL,
		heard ? s : NULL, NULL, SIP_METHOD_NOTIFY, NULL, SIPTAG_CONTACT_STR(contact),
		SIPTAG_EVENT_STR(event), SIPTAG_SUBSCRIPTION_STATE_STR(state),
		SIPTAG_USER_AGENT_STR(UA_SERVER), SIPTAG_CONTENT_TYPE_STR(content_type),
		SIPTAG_PAYLOAD(
			content_type ? sip_payload_create(home, body.at, (isize_t)body.len) : NULL),
		TAG_END());
	su_home_deinit(home);
	if (outgoing == NULL)
		return -ENOBUFS;
	s->notify_len = body.len;
	if (heard)
		s->notify = outgoing;
	else
		nta_outgoing_destroy(outgoing);
	return 0;
}

int subscription_notify(struct subscription *s, const char *content_type, struct span body)
{
	int r;

	if (s->notify != NULL)
		return -EALREADY;
	if (s->over || s->freed)
		return -EPROTO;
	s->retried = false;
	r = notify(s, s->fetch ? "timeout" : NULL, content_type, body, true);
	if (r == 0 && s->fetch)
		s->over = true;
	return r;
}

static void say_last(
	struct subscription *s, const char *reason, const char *content_type, struct span body)
{
	if (notify(s, reason, content_type, body, false) < 0)
		log_warning("subscription", "no memory for a last NOTIFY");
}

void subscription_terminate(
	struct subscription *s, const char *reason, const char *content_type, struct span body)
{
	if (s == NULL || s->freed)
		return;
	enter(s);
	s->freed = true;
	deadline_clear(s->usages->ua->deadlines, &s->expiry);
	if (s->fetch && s->over) {
		/* its only NOTIFY said terminated */
	} else if (s->notify == NULL) {
		say_last(s, reason, content_type, body);
	} else {
		s->last.reason = strdup(reason);
		s->last.content_type = content_type ? strdup(content_type) : NULL;
		s->last.body = malloc(body.len + 1);
		s->last.len = body.len;
		if (s->last.body != NULL && body.len > 0)
			memcpy(s->last.body, body.at, body.len);
		s->last.due = s->last.reason != NULL && s->last.body != NULL;
		if (!s->last.due)
			log_warning("subscription", "no memory for a last NOTIFY");
		/* Nobody else knows of it from here. */
		LIST_INSERT_HEAD(&s->usages->ua->lingering, s, lingerer);
		s->lingers = true;
	}
	leave(s);
}

void subscriptions_drop(struct ua *ua)
{
	struct subscription *s;

	while ((s = LIST_FIRST(&ua->lingering)) != NULL)
		destroy(s);
}

/* RFC 6665 4.2.2: a failure with Retry-After is no failure yet; the same NOTIFY goes once more. */
static void retry_due(void *arg)
{
	struct subscription *s = arg;
	nta_outgoing_t *before = s->notify;
	msg_t *msg = nta_outgoing_getrequest(before);
	const sip_t *sip = sip_object(msg);
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *content_type = NULL;
	struct span body = { "", 0 };
	int r = -ENOBUFS;

	enter(s);
	s->retried = true;
	s->notify = NULL;
	if (sip != NULL) {
		if (sip->sip_content_type != NULL && sip->sip_payload != NULL) {
			content_type = sip_header_as_string(
				home, (const sip_header_t *)sip->sip_content_type);
			body = span_make(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
		}
		r = notify(s, s->fetch ? "timeout" : NULL, content_type, body, true);
	}
	nta_outgoing_destroy(before);
	if (msg != NULL)
		msg_destroy(msg);
	if (r < 0)
		end(s, SUBSCRIPTION_FAILED);
	su_home_deinit(home);
	leave(s);
}

static bool retry_later(struct subscription *s, unsigned status, const sip_t *sip)
{
	uint64_t wait_ms;

	if (s->retried || s->freed)
		return false;
	if (status == 503 && nta_sip_is_internal(sip) && s->notify_len <= DATAGRAM_BODY_MAX)
		/* TCP was tried because of the length (RFC 3261 18.1.1), and was not plainly
		 * refused, or a connection that stood is gone: the next attempt may find another
		 * way. */
		wait_ms = RETRY_TRANSPORT_MS;
	else if (sip != NULL && sip->sip_retry_after != NULL &&
		 sip->sip_retry_after->af_delta <= RETRY_AFTER_MAX_S)
		wait_ms = sip->sip_retry_after->af_delta * 1000ull;
	else
		return false;
	return deadline_set(s->usages->ua->deadlines, &s->retry, ua_now_ms() + wait_ms, retry_due,
		       s) == 0;
}

static int notify_answered(void *arg, nta_outgoing_t *outgoing, const sip_t *sip)
{
	struct subscription *s = arg;
	unsigned status = (unsigned)nta_outgoing_status(outgoing);

	if (status < 200)
		return 0;
	enter(s);
	if (status >= 300 && status != 481 && retry_later(s, status, sip)) {
		nta_outgoing_bind(s->notify, NULL, NULL); /* it is kept for what it said */
	} else {
		nta_outgoing_destroy(s->notify);
		s->notify = NULL;
		if (s->last.due) {
			/* RFC 6665 4.2.2: nothing goes to whom the NOTIFY before did not reach. */
			s->last.due = false;
			if (status < 300)
				say_last(s, s->last.reason, s->last.content_type,
					span_make(s->last.body, s->last.len));
		} else if (status == 503 && nta_sip_is_internal(sip) && !s->fetch && !s->freed &&
			   !s->over && s->notify_len > DATAGRAM_BODY_MAX && s->ops->too_long) {
			s->ops->too_long(s->arg);
		} else if (status >= 300 || s->fetch) {
			if (status >= 300)
				log_info("subscription",
					"ended by the answer to a NOTIFY status=%u by=%s octets=%zu",
					status, nta_sip_is_internal(sip) ? "transport" : "peer",
					s->notify_len);
			end(s, SUBSCRIPTION_FAILED);
		} else if (!s->freed && !s->over) {
			s->ops->notified(s->arg);
		}
	}
	leave(s);
	return 0;
}

/* ---- SUBSCRIBE and REFER ---- */

static void answer(struct ua_transaction *t, unsigned status, const char *phrase,
	const struct subscription *s, const char *expires, const struct header_block *extra)
{
	char contact[700];

	snprintf(contact, sizeof(contact), "<%s>%s", s->contact,
		s->contact_is_focus ? ";" UA_TAGS : "");
	nta_incoming_treply(t->incoming, (int)status, phrase, SIPTAG_CONTACT_STR(contact),
		SIPTAG_EXPIRES_STR(expires), SIPTAG_SERVER_STR(UA_SERVER),
		SIPTAG_ALLOW_STR(UA_ALLOW), SIPTAG_ALLOW_EVENTS_STR(UA_ALLOW_EVENTS),
		SIPTAG_HEADER_STR(extra && extra->len ? extra->text : NULL), TAG_END());
}

/* What a SUBSCRIBE is granted, at most `most`. False: it asked for too little and was answered. */
static bool grant(
	struct ua_transaction *t, const struct request *request, uint32_t most, uint32_t *seconds)
{
	uint64_t min_ms = t->ua->config->sip_subscription_min_ms;
	struct header_block extra;

	*seconds = most;
	if (request->method != REQUEST_SUBSCRIBE || !request->has_expires)
		return true;
	/* RFC 6665 4.2.1.1 */
	if (request->expires > 0 && request->expires < 3600 &&
		request->expires * 1000ull < min_ms) {
		header_init(&extra);
		header_add(
			&extra, "Min-Expires", "%llu", (unsigned long long)(min_ms + 999) / 1000);
		ua_respond(t, 423, sip_423_Interval_too_brief, &extra, NULL, NULL);
		return false;
	}
	if (request->expires < most)
		*seconds = request->expires;
	return true;
}

int subscription_accept(struct ua_transaction *t, struct subscription **out,
	const struct request *request, const struct subscription_terms *terms,
	const struct subscription_ops *ops, void *arg)
{
	msg_t *msg = nta_incoming_getrequest(t->incoming);
	const sip_t *sip = sip_object(msg);
	struct subscription *s = NULL;
	struct usages *usages = NULL;
	struct header_block extra;
	struct span id = request->event_id;
	uint32_t seconds;
	char number[16];
	int r = -EPROTO;

	if (sip == NULL || (sip->sip_contact == NULL && !request->in_dialog) ||
		(sip->sip_contact != NULL && sip->sip_contact->m_url->url_type == url_any)) {
		ua_respond(t, 400, "Contact missing", NULL, NULL, NULL);
		goto out;
	}
	if (id.len > EVENT_ID_MAX) {
		ua_respond(t, 400, "Event id too long", NULL, NULL, NULL);
		goto out;
	}
	if (!grant(t, request, terms->expires, &seconds))
		goto out;
	/* RFC 3515 2.4.6: the CSeq of a REFER tells its subscription from others in the dialog. */
	if (request->method == REQUEST_REFER) {
		snprintf(number, sizeof(number), "%u", (unsigned)sip->sip_cseq->cs_seq);
		id = request->in_dialog ? span_of(number) : span_make("", 0);
	}
	r = -ENOBUFS;
	if (t->ua->subscriptions >= t->ua->subscriptions_max || usages_of(&usages, t, sip) < 0)
		goto refuse;
	s = make(usages, terms->event, id, terms->contact);
	if (s == NULL)
		goto refuse;
	s->ops = ops;
	s->arg = arg;
	s->contact_is_focus = terms->contact_is_focus;
	s->most = terms->expires;
	s->fetch = seconds == 0;
	s->expires_ms = ua_now_ms();
	if (!s->fetch && expire_in(s, seconds) < 0)
		goto refuse;
	if (request->in_dialog && sip->sip_contact != NULL) /* RFC 6665 4.4.1: target refresh */
		nta_leg_server_route(usages->leg, NULL, sip->sip_contact);
	snprintf(number, sizeof(number), "%u", seconds);
	answer(t, terms->status, sip_status_phrase((int)terms->status), s,
		request->method == REQUEST_SUBSCRIBE ? number : NULL, terms->extra);
	*out = s;
	s = NULL;
	r = 0;
	goto out;
refuse:
	header_init(&extra);
	header_add(&extra, "Retry-After", "10");
	ua_respond(t, 503, sip_503_Service_unavailable, &extra, NULL, NULL);
	if (s != NULL)
		destroy(s);
	else if (usages != NULL)
		usages_put(usages);
out:
	if (msg != NULL)
		msg_destroy(msg);
	return r;
}

static bool is_about(const struct subscription *s, const struct request *request)
{
	return !s->over && !s->freed && span_eq_nocase(request->event, span_of(s->event)) &&
	       span_eq(request->event_id, span_of(s->id ? s->id : ""));
}

bool usages_refreshed(
	struct usages *usages, struct ua_transaction *t, const struct request *request)
{
	struct subscription *s;
	char number[16];
	uint32_t seconds;
	msg_t *msg;

	if (request->method != REQUEST_SUBSCRIBE)
		return false;
	LIST_FOREACH(s, &usages->subscriptions, link)
	if (is_about(s, request))
		break;
	if (s == NULL)
		return false;
	if (!grant(t, request, s->most, &seconds))
		return true;
	enter(s);
	msg = nta_incoming_getrequest(t->incoming);
	if (msg != NULL) {
		const sip_t *sip = sip_object(msg);

		if (sip->sip_contact != NULL && sip->sip_contact->m_url->url_type != url_any)
			nta_leg_server_route(usages->leg, NULL, sip->sip_contact);
		msg_destroy(msg);
	}
	snprintf(number, sizeof(number), "%u", seconds);
	answer(t, 200, sip_200_OK, s, number, NULL);
	if (seconds == 0) {
		s->expires_ms = ua_now_ms();
		end(s, SUBSCRIPTION_UNSUBSCRIBED);
	} else if (expire_in(s, seconds) == 0) { /* moving cannot fail */
		s->ops->refreshed(s->arg);
	}
	leave(s);
	return true;
}

/* What comes on a leg that only subscriptions use. */
static int in_usages(void *arg, nta_leg_t *leg, nta_incoming_t *incoming, const sip_t *sip)
{
	struct usages *usages = arg;
	struct ua *ua = usages->ua;
	struct ua_transaction t = { .ua = ua, .incoming = incoming, .usages = usages };
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct request request;
	struct header_block extra;

	switch (sip->sip_request->rq_method) {
	case sip_method_ack: break;
	case sip_method_subscribe:
	case sip_method_refer:
		if (ua_refused(ua, incoming, sip))
			return 0;
		request_read(&request, ua, home, incoming, sip);
		request.in_dialog = true;
		if (!usages_refreshed(usages, &t, &request) && !ua_event_refused(&t, &request))
			ua->ops->request(ua->arg, &t, &request);
		if (nta_incoming_status(incoming) < 200)
			ua_respond(&t, 500, sip_500_Internal_server_error, NULL, NULL, NULL);
		su_home_deinit(home);
		break;
	case sip_method_options: ua_respond(&t, 200, sip_200_OK, NULL, NULL, NULL); break;
	case sip_method_invite: /* RFC 5057 4.1: the usage that it would change is not there */
	case sip_method_update:
	case sip_method_bye: ua_respond(&t, 481, sip_481_No_transaction, NULL, NULL, NULL); break;
	default:
		header_init(&extra);
		header_add(&extra, "Allow", "%s", UA_ALLOW);
		ua_respond(&t, 405, sip_405_Method_not_allowed, &extra, NULL, NULL);
		break;
	}
	nta_incoming_destroy(incoming);
	return 0;
}
/* ---- survival ---- */

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pack_string(struct pack *pack, const char *name, const char *text)
{
	if (text != NULL)
		pack_text(pack, name, span_of(text));
}

/* The route set as one Record-Route value, in its order; NULL: empty. */
static const char *route_text(su_home_t *home, const sip_route_t *route)
{
	char *text = NULL;

	for (; route != NULL; route = route->r_next) {
		const char *one = url_as_string(home, route->r_url);

		text = text ? su_strcat_all(home, text, ",<", one, ">", NULL)
			    : su_strcat_all(home, "<", one, ">", NULL);
	}
	return text;
}

void subscription_pack(const struct subscription *s, struct pack *pack)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const struct usages *usages = s->usages;
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;
	uint64_t now_ms = ua_now_ms();

	pack_string(pack, "event", s->event);
	pack_string(pack, "event_id", s->id);
	pack_string(pack, "contact", s->contact);
	pack_flag(pack, "contact_is_focus", s->contact_is_focus);
	pack_number(pack, "most", s->most);
	pack_number(pack, "expires_at",
		wall_ms() + (s->expires_ms > now_ms ? s->expires_ms - now_ms : 0));
	pack_string(pack, "call_id", usages->call_id);
	pack_string(pack, "local", usages->local);
	pack_string(pack, "local_tag", nta_leg_get_tag(usages->leg));
	pack_string(pack, "remote", usages->remote);
	pack_string(pack, "remote_tag", nta_leg_get_rtag(usages->leg));
	pack_number(pack, "cseq", nta_leg_get_seq(usages->leg));
	pack_number(pack, "remote_cseq", nta_leg_get_rseq(usages->leg));
	nta_leg_get_route(usages->leg, &route, &target);
	pack_string(pack, "route", route_text(home, route));
	if (target != NULL)
		pack_string(pack, "target", url_as_string(home, target->m_url));
	su_home_deinit(home);
}

/* A span of a record as a text in home; NULL: empty, or with an octet that ends a line. */
static char *text_in(su_home_t *home, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < ' ')
			return NULL;
	return text.len > 0 ? su_strndup(home, text.at, text.len) : NULL;
}

static char *tagged(su_home_t *home, const char *address, const char *tag)
{
	return su_strcat_all(home, address, tag ? ";tag=" : "", tag ? tag : "", NULL);
}

/* The leg of the record: that of a dialog which was restored before, of another subscription, or a
 * new one. -EBADMSG, -ENOBUFS. */
static int usages_restore(struct ua *ua, struct usages **out, su_home_t *home,
	const struct unpacked *fields, uint32_t lives)
{
	const char *call_id = text_in(home, unpack_text(fields, "call_id"));
	const char *local = text_in(home, unpack_text(fields, "local"));
	const char *remote = text_in(home, unpack_text(fields, "remote"));
	const char *local_tag = text_in(home, unpack_text(fields, "local_tag"));
	const char *remote_tag = text_in(home, unpack_text(fields, "remote_tag"));
	const char *route = text_in(home, unpack_text(fields, "route"));
	const char *target = text_in(home, unpack_text(fields, "target"));
	uint64_t cseq = unpack_number(fields, "cseq") + ((uint64_t)lives << 16);
	sip_record_route_t *record_route = NULL;
	sip_contact_t *contact;
	sip_call_id_t *id;
	struct dialog *dialog = NULL;
	nta_leg_t *leg;
	char number[24];

	if (call_id == NULL || local == NULL || remote == NULL || local_tag == NULL ||
		target == NULL || cseq > INT32_MAX)
		return -EBADMSG;
	id = sip_call_id_make(home, call_id);
	if (id == NULL)
		return -ENOBUFS;
	leg = nta_leg_by_dialog(ua->agent, NULL, id, remote_tag, NULL, local_tag, NULL);
	if (leg != NULL) {
		*out = nta_leg_magic(leg, in_usages);
		if (*out != NULL)
			return 0;
		dialog = dialog_of_leg(leg);
		if (dialog == NULL)
			return -EBADMSG;
		*out = dialog_usages(dialog);
		if (*out == NULL)
			*out = usages_make(ua, leg, dialog, call_id, local, remote);
		return *out ? 0 : -ENOBUFS;
	}
	contact = sip_contact_create(home, URL_STRING_MAKE(target), NULL);
	if (route != NULL)
		record_route = sip_record_route_make(home, route);
	if (contact == NULL || contact->m_url->url_type == url_any ||
		(route != NULL && record_route == NULL))
		return -EBADMSG;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)cseq);
	leg = nta_leg_tcreate(ua->agent, in_usages, NULL, SIPTAG_CALL_ID(id),
		SIPTAG_FROM_STR(tagged(home, local, local_tag)),
		SIPTAG_TO_STR(tagged(home, remote, remote_tag)), SIPTAG_CSEQ_STR(number),
		NTATAG_REMOTE_CSEQ((unsigned)unpack_number(fields, "remote_cseq")), TAG_END());
	if (leg == NULL)
		return -EBADMSG;
	if (nta_leg_server_route(leg, record_route, contact) < 0 ||
		(*out = usages_make(ua, leg, NULL, call_id, local, remote)) == NULL) {
		nta_leg_destroy(leg);
		return -ENOBUFS;
	}
	return 0;
}

int subscription_restore(struct ua *ua, struct subscription **out, const struct unpacked *fields,
	uint32_t lives, const struct subscription_ops *ops, void *arg)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const char *event = text_in(home, unpack_text(fields, "event"));
	const char *contact = text_in(home, unpack_text(fields, "contact"));
	struct span id = unpack_text(fields, "event_id");
	uint64_t expires_at = unpack_number(fields, "expires_at"), now_ms = wall_ms();
	struct usages *usages = NULL;
	struct subscription *s = NULL;
	uint64_t left_ms;
	int r = -EBADMSG;

	if (event == NULL || contact == NULL ||
		(id.len > 0 && text_in(home, id) == NULL)) /* it becomes part of a header */
		goto out;
	r = -ENOBUFS;
	if (ua->subscriptions >= ua->subscriptions_max)
		goto out;
	r = usages_restore(ua, &usages, home, fields, lives);
	if (r < 0)
		goto out;
	r = -ENOBUFS;
	s = make(usages, event, id, contact);
	if (s == NULL) {
		usages_put(usages);
		goto out;
	}
	s->ops = ops;
	s->arg = arg;
	s->contact_is_focus = unpack_flag(fields, "contact_is_focus");
	s->most = (uint32_t)unpack_number(fields, "most");
	/* A clock that was set back makes it last no longer than it was granted. */
	left_ms = expires_at > now_ms ? expires_at - now_ms : 0;
	if (left_ms > s->most * 1000ull)
		left_ms = s->most * 1000ull;
	s->expires_ms = ua_now_ms() + left_ms;
	if (deadline_set(ua->deadlines, &s->expiry, s->expires_ms, expired, s) < 0) {
		destroy(s);
		goto out;
	}
	*out = s;
	r = 0;
out:
	su_home_deinit(home);
	return r;
}
