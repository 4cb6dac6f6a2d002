/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 3261 through Sofia-SIP's nta as a user agent (NTATAG_UA): the stack then repeats a 2xx until
 * its ACK, repeats our ACK when a 2xx comes again, ends forked 2xx by ACK and BYE, and refuses
 * in-dialog requests that come out of order. */
#include "control/sip/stack.h"
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "control/hash.h"
#include "control/sip/arrival.h"
#include "include/log.h"

#define TRANSACTIONS_PER_DIALOG                                                                    \
	4u /* server transactions kept at once, for each dialog that is allowed */
#define MESSAGE_MAX      393216u /* octets of a SIP message: a body of 256 KiB and room for headers */
#define UDP_WAITING      4194304u /* octets of datagrams that may wait; the kernel allows less, maybe */
#define TCP_QUEUE_MAX    1024u /* messages that wait for a peer that does not read its connection */
#define UA_RETRY_AFTER_S 10
#define STRAY_RATE       100u  /* 2xx a second, for nobody, that are ended by ACK and BYE */
#define ADMISSION_LOG_MS 10000 /* how often the log says what was refused for the rates */

uint64_t ua_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

unsigned ua_dialogs(const struct ua *ua)
{
	return ua->dialogs;
}

const char *ua_phrase(unsigned status)
{
	const char *phrase = sip_status_phrase((int)status);

	return phrase != NULL ? phrase : "";
}

void ua_respond(struct ua_transaction *t, unsigned status, const char *phrase,
	const struct header_block *extra, const char *content_type, const char *body)
{
	const char *lines = extra && extra->len ? extra->text : NULL;

	if (t->incoming != NULL)
		nta_incoming_treply(t->incoming, (int)status, phrase, SIPTAG_SERVER_STR(UA_SERVER),
			SIPTAG_HEADER_STR(lines), SIPTAG_CONTENT_TYPE_STR(content_type),
			SIPTAG_PAYLOAD_STR(body), TAG_END());
	else
		nta_msg_treply(t->ua->agent, msg_ref_create(t->msg), (int)status, phrase,
			SIPTAG_SERVER_STR(UA_SERVER), SIPTAG_HEADER_STR(lines),
			SIPTAG_CONTENT_TYPE_STR(content_type), SIPTAG_PAYLOAD_STR(body), TAG_END());
}

/* An option is understood in the requests that it says something about, and in OPTIONS, which may
 * ask about each. */
static bool understood(const char *option, sip_method_t method)
{
	if (strcasecmp(option, "timer") == 0)
		return method == sip_method_invite || method == sip_method_update ||
		       method == sip_method_options;
	if (strcasecmp(option, "recipient-list-invite") == 0)
		return method == sip_method_invite || method == sip_method_options;
	if (strcasecmp(option, "multiple-refer") == 0 || strcasecmp(option, "norefersub") == 0)
		return method == sip_method_refer || method == sip_method_options;
	return false;
}

/* ---- what every request has to satisfy (RFC 3261 8.2) ---- */

static bool require_refused(struct ua_transaction *t, const sip_t *sip)
{
	struct header_block extra;

	header_init(&extra);
	/* RFC 3261 8.2.2.3 */
	for (const msg_list_t *list = sip->sip_require; list != NULL; list = list->k_next) {
		for (msg_param_t *item = list->k_items; item != NULL && *item != NULL; item++) {
			if (!understood(*item, sip->sip_request->rq_method))
				header_add(&extra, "Unsupported", "%s", *item);
		}
	}
	if (extra.len == 0 && !extra.bad)
		return false;
	ua_respond(t, 420, sip_420_Bad_extension, &extra, NULL, NULL);
	return true;
}

static void refuse_with_warning(
	struct ua_transaction *t, unsigned status, const char *phrase, const char *warning)
{
	struct header_block extra;

	header_init(&extra);
	header_add_warning(&extra, t->ua->config->sip_domain, warning);
	ua_respond(t, status, phrase, &extra, NULL, NULL);
}

/* RFC 3261 8.2.2.1. We have no TLS, so what a sips: URI promises cannot be kept. */
static bool uri_refused(struct ua_transaction *t, const sip_t *sip)
{
	const url_t *url = sip->sip_request->rq_url;

	if (url->url_type == url_sip || url->url_type == url_tel || url->url_type == url_im)
		return false;
	refuse_with_warning(t, 416, sip_416_Unsupported_uri,
		url->url_type == url_sips ? "TLS is not offered" : "Not a URI scheme of ours");
	return true;
}

/* RFC 3261 8.2.3 */
static bool body_refused(struct ua_transaction *t, const sip_t *sip)
{
	size_t len = sip->sip_payload != NULL ? sip->sip_payload->pl_len : 0;
	struct header_block extra;

	if (len > REQUEST_BODY_MAX) {
		refuse_with_warning(t, 400, sip_400_Bad_request, "The body is too large");
		return true;
	}
	for (const msg_list_t *list = sip->sip_content_encoding; list != NULL && len > 0;
		list = list->k_next) {
		for (msg_param_t *item = list->k_items; item != NULL && *item != NULL; item++) {
			if (strcasecmp(*item, "identity") == 0)
				continue;
			header_init(&extra);
			header_add(&extra, "Accept-Encoding", "identity");
			ua_respond(t, 415, sip_415_Unsupported_media, &extra, NULL, NULL);
			return true;
		}
	}
	/* RFC 3261 20.15 */
	if (len > 0 && sip->sip_content_type == NULL) {
		refuse_with_warning(t, 400, sip_400_Bad_request, "Content-Type missing");
		return true;
	}
	return false;
}

bool ua_event_refused(struct ua_transaction *t, const struct request *request)
{
	struct header_block extra;

	if (request->method != REQUEST_SUBSCRIBE ||
		span_eq_nocase(request->event, span_of("conference")))
		return false;
	header_init(&extra);
	if (span_eq_nocase(request->event, span_of("refer"))) {
		/* RFC 3515: only a REFER makes one. */
		header_add_warning(&extra, t->ua->config->sip_domain,
			"A subscription to refer is made by REFER only");
		ua_respond(t, 403, sip_403_Forbidden, &extra, NULL, NULL);
		return true;
	}
	header_add(&extra, "Allow-Events", "%s", UA_ALLOW_EVENTS); /* RFC 6665 8.3.2 */
	ua_respond(t, 489, sip_489_Bad_event, &extra, NULL, NULL);
	return true;
}

/* RFC 3261 13.2.1: an INVITE without Accept takes application/sdp, which is what we have. */
static bool accept_refused(struct ua_transaction *t, const sip_t *sip)
{
	if (sip->sip_request->rq_method != sip_method_invite || sip->sip_accept == NULL)
		return false;
	for (const sip_accept_t *accept = sip->sip_accept; accept != NULL; accept = accept->ac_next)
		if (accept->ac_type == NULL ||
			strcasecmp(accept->ac_type, "application/sdp") == 0 ||
			strcasecmp(accept->ac_type, "application/*") == 0 ||
			strcmp(accept->ac_type, "*/*") == 0)
			return false;
	ua_respond(t, 406, sip_406_Not_acceptable, NULL, NULL, NULL);
	return true;
}

static bool refused(struct ua_transaction *t, const sip_t *sip)
{
	return accept_refused(t, sip) || uri_refused(t, sip) || require_refused(t, sip) ||
	       body_refused(t, sip);
}

bool ua_refused(struct ua *ua, nta_incoming_t *incoming, const sip_t *sip)
{
	struct ua_transaction t = { .incoming = incoming, .ua = ua };

	if (!refused(&t, sip))
		return false;
	nta_incoming_destroy(incoming);
	return true;
}

/* ---- the door: what belongs to no transaction and no dialog ---- */

static void unavailable(struct ua_transaction *t)
{
	struct header_block extra;

	header_init(&extra);
	header_add(&extra, "Retry-After", "%d", UA_RETRY_AFTER_S);
	ua_respond(t, 503, sip_503_Service_unavailable, &extra, NULL, NULL);
}

static void method_refused(struct ua_transaction *t)
{
	struct header_block extra;

	header_init(&extra);
	header_add(&extra, "Allow", "%s", UA_ALLOW);
	ua_respond(t, 405, sip_405_Method_not_allowed, &extra, NULL, NULL);
}

/* RFC 3261 8.2.7: without state, the same request has to get the same tag again. */
static void tag_give(msg_t *msg, sip_t *sip)
{
	const char *text = su_sprintf(msg_home(msg), "%s %s %s",
		sip->sip_via && sip->sip_via->v_branch ? sip->sip_via->v_branch : "",
		sip->sip_call_id->i_id, sip->sip_from->a_tag ? sip->sip_from->a_tag : "");
	char tag[24];

	if (text == NULL || sip->sip_to->a_tag != NULL)
		return;
	snprintf(tag, sizeof(tag), "%08x", (unsigned)hash_keyed(text, strlen(text)));
	sip_to_tag(msg_home(msg), sip->sip_to, tag);
}

/* Answered at once and forgotten: no transaction, so a flood of these takes no memory
 * (RFC 3261 8.2.7). */
static void stateless(struct ua *ua, msg_t *msg, sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct ua_transaction t = { .ua = ua, .msg = msg };
	struct request request;
	bool in_dialog = sip->sip_to->a_tag != NULL;

	tag_give(msg, sip);
	request_parse(
		&request, home, sip, ua_source_is_trusted(ua, msg), ua->config->sip_trust_from);
	switch (request.method) {
	case REQUEST_REFER:
	case REQUEST_SUBSCRIBE:
	case REQUEST_INVITE:
	case REQUEST_REGISTER:
	case REQUEST_BYE:
	case REQUEST_UPDATE: ua_respond(&t, 481, sip_481_No_transaction, NULL, NULL, NULL); break;
	case REQUEST_OTHER:
		/* RFC 3261 12.2.2; a CANCEL comes here only when nothing is left to cancel. */
		if (strcmp(sip->sip_request->rq_method_name, ARRIVAL_UNREADABLE) == 0)
			refuse_with_warning(
				&t, 400, sip_400_Bad_request, "The request line cannot be read");
		else if (in_dialog || sip->sip_request->rq_method == sip_method_cancel)
			ua_respond(&t, 481, sip_481_No_transaction, NULL, NULL, NULL);
		else
			method_refused(&t);
		break;
	case REQUEST_OPTIONS:
		if (in_dialog)
			ua_respond(&t, 481, sip_481_No_transaction, NULL, NULL, NULL);
		else if (!refused(&t, sip))
			ua->ops->request(ua->arg, &t, &request);
		break;
	}
	su_home_deinit(home);
	msg_destroy(msg);
}

/* Requests that make something of ours, each in a transaction of its own. */
static void received(struct ua *ua, nta_incoming_t *incoming, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct ua_transaction t = { .incoming = incoming, .ua = ua };
	struct request request;

	request_read(&request, ua, home, incoming, sip);
	/* RFC 7332 4: an INVITE or REFER of ours would follow from it, and so a loop could go on.
	 * What ends here (OPTIONS, SUBSCRIBE, REGISTER) has arrived, RFC 3261 8.1.1.6. */
	if ((request.method == REQUEST_INVITE || request.method == REQUEST_REFER) &&
		sip->sip_max_forwards != NULL && sip->sip_max_forwards->mf_count == 0) {
		ua_respond(&t, 483, sip_483_Too_many_hops, NULL, NULL, NULL);
		nta_incoming_destroy(incoming);
	} else if (!ua_refused(ua, incoming, sip)) {
		switch (request.method) {
		case REQUEST_INVITE: dialog_received(ua, incoming, sip, &request); break;
		case REQUEST_REGISTER: register_received(ua, incoming, sip, &request); break;
		default:
			if (!ua_event_refused(&t, &request))
				ua->ops->request(ua->arg, &t, &request);
			nta_incoming_destroy(incoming);
			break;
		}
	}
	su_home_deinit(home);
}

static enum admission_kind kind_of(sip_method_t method)
{
	switch (method) {
	case sip_method_invite: return ADMISSION_INVITE;
	case sip_method_subscribe: return ADMISSION_SUBSCRIBE;
	case sip_method_register: return ADMISSION_REGISTER;
	case sip_method_refer: return ADMISSION_REFER;
	default: return ADMISSION_KINDS;
	}
}

/* RFC 3261 18.1.2: a response whose Via is not ours is not for us. */
static bool via_is_ours(struct ua *ua, const sip_via_t *via)
{
	if (via == NULL || via->v_next != NULL || via->v_branch == NULL ||
		strncasecmp(via->v_branch, "z9hG4bK", 7) != 0)
		return false;
	for (const sip_via_t *ours = nta_agent_via(ua->agent); ours != NULL; ours = ours->v_next) {
		const char *a = ours->v_port ? ours->v_port : "5060";
		const char *b = via->v_port ? via->v_port : "5060";

		if (strcasecmp(ours->v_host, via->v_host) == 0 && strcmp(a, b) == 0)
			return true;
	}
	return false;
}

/* RFC 3261 13.2.2.4: a 2xx to an INVITE that nobody waits for is that of a dialog we restored, or
 * of one we do not want. The latter makes us send two requests to where its Contact says, so it has
 * to look like the answer to one of ours, and there may not be many. */
static void response_received(struct ua *ua, nta_agent_t *agent, msg_t *msg, const sip_t *sip)
{
	bool unwanted = sip->sip_status->st_status / 100 == 2 && sip->sip_cseq != NULL &&
			sip->sip_cseq->cs_method == sip_method_invite && sip->sip_to != NULL &&
			sip->sip_to->a_tag != NULL && via_is_ours(ua, sip->sip_via) &&
			!dialog_acknowledges(ua, sip) && sip->sip_contact != NULL;

	if (unwanted && admission_take(ua->admission, ADMISSION_OTHER, &msg_addr(msg)->su_sa, true,
				ua_now_ms()))
		nta_msg_ackbye(agent, msg);
	else
		nta_msg_discard(agent, msg);
}

bool ua_admits(struct ua *ua, enum admission_kind kind, nta_incoming_t *incoming)
{
	msg_t *msg = nta_incoming_getrequest(incoming);
	bool admitted;

	if (msg == NULL)
		return false;
	admitted = admission_take(ua->admission, kind, &msg_addr(msg)->su_sa,
		ua_source_is_trusted(ua, msg), ua_now_ms());
	msg_destroy(msg);
	return admitted;
}

static int arrived(struct ua *ua, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	enum admission_kind kind;
	nta_incoming_t *incoming;
	sip_method_t method;

	if (sip->sip_request == NULL) {
		response_received(ua, agent, msg, sip);
		return 0;
	}
	method = sip->sip_request->rq_method;
	kind = kind_of(method);
	if (method == sip_method_ack) {
		nta_msg_discard(agent, msg);
	} else if (arrival_is_cut_off(sip)) {
		struct ua_transaction t = { .ua = ua, .msg = msg };

		arrival_put_right(msg, sip);
		tag_give(msg, sip);
		refuse_with_warning(&t, 400, sip_400_Bad_request, "The request is cut off");
		msg_destroy(msg);
	} else if (sip->sip_to->a_tag != NULL || kind == ADMISSION_KINDS) {
		stateless(ua, msg, sip);
	} else if (ua->shedding ||
		   (method == sip_method_invite && ua->dialogs >= ua->dialogs_max) ||
		   !admission_take(ua->admission, kind, &msg_addr(msg)->su_sa,
			   ua_source_is_trusted(ua, msg), ua_now_ms())) {
		struct ua_transaction t = { .ua = ua, .msg = msg };

		tag_give(msg, sip);
		unavailable(&t);
		msg_destroy(msg);
	} else {
		incoming = nta_incoming_create(agent, NULL, msg, sip, TAG_END());
		if (incoming != NULL)
			received(ua, incoming, sip);
	}
	return 0;
}

bool ua_source_is_trusted(struct ua *ua, msg_t *msg)
{
	return prefix_list_has(ua->trusted, &msg_addr(msg)->su_sa);
}

/* Over UDP a transaction lingers 32 s after its answer. When too many do, strangers are answered
 * 503 without a transaction, so without memory; requests within dialogs are served as before. */
static void shed(struct ua *ua)
{
	usize_t most = (usize_t)TRANSACTIONS_PER_DIALOG * ua->dialogs_max, used = 0;
	uint64_t now_ms = ua_now_ms(), refused;

	nta_agent_get_stats(ua->agent, NTATAG_S_IRQ_HASH_USED_REF(used), TAG_END());
	if (!ua->shedding && used > most) {
		log_warning("ua", "overload, new requests get 503 transactions=%lu",
			(unsigned long)used);
		ua->shedding = true;
	} else if (ua->shedding && used < most / 4 * 3) {
		log_info(
			"ua", "new requests are taken again transactions=%lu", (unsigned long)used);
		ua->shedding = false;
	}
	if (now_ms < ua->admission_said_ms + ADMISSION_LOG_MS)
		return;
	refused = admission_refused(ua->admission);
	if (refused == 0)
		return;
	log_warning("ua", "more new requests than the configured rates, 503 refused=%llu",
		(unsigned long long)refused);
	ua->admission_said_ms = now_ms;
}

int ua_route(struct ua *ua, su_home_t *home, const char *remote, const char **request_uri,
	const char **route)
{
	const struct registrar_contact *contacts;
	char canonical[IDENTITY_MAX], transport[8];
	url_t *url;

	*route = NULL;
	*request_uri = remote;
	if (ua->config->sip_next_hop[0] != '\0') {
		*route = ua->config->sip_next_hop;
		return 0;
	}
	if (ua->registrar != NULL && identity_canonical(span_of(remote), canonical) == 0 &&
		registrar_find(ua->registrar, canonical, ua_now_ms(), &contacts) > 0) {
		/* RFC 3261 19.1.1: a Request-URI has no headers; those of a contact could route the
		 * request by whatever way its owner likes. */
		*request_uri =
			su_strndup(home, contacts[0].uri, (isize_t)strcspn(contacts[0].uri, "?"));
		return *request_uri ? 0 : -ENOBUFS;
	}
	url = url_hdup(home, URL_STRING_MAKE(remote)->us_url);
	if (url == NULL)
		return -EINVAL;
	/* Without TLS a sips: URI, or one that asks for TLS, leads nowhere. */
	if (url->url_type != url_sip ||
		(url->url_params != NULL &&
			url_param(url->url_params, "transport", transport, sizeof(transport)) > 0 &&
			strcasecmp(transport, "tls") == 0))
		return -ENOENT;
	/* A user of our own domain who is not registered is nowhere; DNS would lead back to us at
	 * best. */
	if (url->url_port == NULL && url->url_host != NULL && ua->registrar != NULL &&
		strcasecmp(url->url_host, ua->config->sip_domain) == 0)
		return -ENOENT;
	return 0;
}

bool ua_peer_is_trusted(struct ua *ua, const char *remote)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct addrinfo *found, hints = { .ai_flags = AI_NUMERICHOST };
	const char *request_uri, *route;
	char host[256] = "";
	bool trusted = false;
	url_t *url;

	if (ua_route(ua, home, remote, &request_uri, &route) == 0) {
		trusted = route != NULL;
		url = url_hdup(home, URL_STRING_MAKE(request_uri)->us_url);
		if (url != NULL && url->url_host != NULL)
			snprintf(host, sizeof(host), "%s", url->url_host);
	}
	su_home_deinit(home);
	if (trusted || host[0] == '\0')
		return trusted;
	if (host[0] == '[') { /* an IPv6 literal */
		memmove(host, host + 1, strlen(host));
		host[strcspn(host, "]")] = '\0';
	}
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	trusted = prefix_list_has(ua->trusted, found->ai_addr);
	freeaddrinfo(found);
	return trusted;
}

static int woken(su_root_magic_t *magic, su_wait_t *wait, su_wakeup_arg_t *arg)
{
	return 0; /* the owner polls after every step */
}

int ua_watch(struct ua *ua, unsigned slot, int fd)
{
	su_wait_t wait[1];

	if (slot >= UA_WATCH_MAX)
		return -EINVAL;
	if (ua->watched[slot].fd == fd)
		return 0;
	if (ua->watched[slot].fd >= 0) {
		su_root_deregister(ua->root, ua->watched[slot].index);
		ua->watched[slot].fd = -1;
	}
	if (fd < 0)
		return 0;
	if (su_wait_create(wait, fd, SU_WAIT_IN) < 0)
		return -ENOBUFS;
	ua->watched[slot].index = su_root_register(ua->root, wait, woken, NULL, su_pri_normal);
	if (ua->watched[slot].index < 0)
		return -ENOBUFS;
	ua->watched[slot].fd = fd;
	return 0;
}

void ua_step(struct ua *ua, int wait_ms)
{
	ua->stepped = true;
	su_root_step(ua->root, wait_ms);
	shed(ua);
}

/* Sofia's own words go to our log, at debug: they are about bytes and transports, not about events
 * that matter. */
static void stack_log(void *stream, const char *format, va_list args)
{
	char line[512];
	size_t len;

	vsnprintf(line, sizeof(line), format, args);
	for (len = strlen(line); len > 0 && (unsigned char)line[len - 1] < ' ';)
		line[--len] = '\0';
	if (len > 0)
		log_debug("sofia", "%s", line);
}

/* Why the stack could not listen: it does not say, so the address is tried once more by hand. */
static int listener_fault(const struct listen_address *at)
{
	struct addrinfo *found, hints = {
		.ai_socktype = strcmp(at->transport, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	char port[8];
	int fd, on = 1, r = -EINVAL;

	snprintf(port, sizeof(port), "%u", at->port);
	if (getaddrinfo(at->host, port, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		if (hints.ai_socktype == SOCK_STREAM)
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, found->ai_addr, found->ai_addrlen) < 0 ||
			(hints.ai_socktype == SOCK_STREAM && listen(fd, 1) < 0))
			r = -errno;
		close(fd);
	}
	freeaddrinfo(found);
	return r;
}

static int listener_open(struct ua *ua, const char *text)
{
	struct listen_address at;
	char url[320];
	bool brackets;
	int r;

	if (listen_address_parse(text, &at) < 0 ||
		(strcmp(at.transport, "udp") != 0 && strcmp(at.transport, "tcp") != 0)) {
		log_error("ua", "sip.listen: not udp:HOST:PORT or tcp:HOST:PORT found=%s", text);
		return -EINVAL;
	}
	brackets = strchr(at.host, ':') != NULL;
	snprintf(url, sizeof(url), "sip:%s%s%s:%u;transport=%s", brackets ? "[" : "", at.host,
		brackets ? "]" : "", at.port, at.transport);
	if (at.port == 0)
		snprintf(url, sizeof(url), "sip:%s%s%s:*;transport=%s", brackets ? "[" : "",
			at.host, brackets ? "]" : "", at.transport);
	if (ua->agent == NULL) {
		/* No default leg: every new request comes to arrived() without a transaction. A
		 * request is refused for any header that we or the stack act on; a response is
		 * dropped only for what it cannot be understood without, or the request that it
		 * answers would be repeated until it times out. */
		ua->agent = nta_agent_create(ua->root, URL_STRING_MAKE(url), arrived, ua,
			NTATAG_UA(1), NTATAG_MERGE_482(1), NTATAG_MAXSIZE(MESSAGE_MAX),
			NTATAG_MCLASS(arrival_class()),
			NTATAG_BAD_REQ_MASK(~(unsigned)(sip_mask_response | sip_mask_pref)),
			NTATAG_BAD_RESP_MASK(sip_mask_response), TPTAG_QUEUESIZE(TCP_QUEUE_MAX),
			TPTAG_UDP_RMEM(UDP_WAITING), TAG_END());
		if (ua->agent != NULL)
			return 0;
	} else if (nta_agent_add_tport(ua->agent, URL_STRING_MAKE(url),
			   TPTAG_QUEUESIZE(TCP_QUEUE_MAX), TPTAG_UDP_RMEM(UDP_WAITING),
			   TAG_END()) == 0) {
		return 0;
	}
	r = listener_fault(&at);
	log_error("ua", "cannot listen address=%s error=\"%s\"", text, strerror(-r));
	return r == -EINVAL ? -EADDRNOTAVAIL : r;
}

static int admission_make(struct ua *ua)
{
	const struct config *config = ua->config;
	const struct admission_limits limits = {
		.overall = {
			[ADMISSION_INVITE] = (uint32_t)config->sip_rate_invite,
			[ADMISSION_SUBSCRIBE] = (uint32_t)config->sip_rate_subscribe,
			[ADMISSION_REGISTER] = (uint32_t)config->sip_rate_register,
			[ADMISSION_REFER] = (uint32_t)config->sip_rate_refer,
			[ADMISSION_OTHER] = STRAY_RATE,
		},
		.source = (uint32_t)config->sip_rate_per_source,
		.stranger = (uint32_t)config->sip_rate_untrusted,
		.sources = (uint32_t)config->sip_rate_sources,
	};

	return admission_new(&ua->admission, &limits);
}

int ua_new(struct ua **out, const struct config *config, struct deadlines *deadlines,
	struct store *store, unsigned dialogs_max, const struct ua_ops *ops, void *arg)
{
	struct ua *ua = calloc(1, sizeof(*ua));
	const char *bad = NULL;
	int r = -ENOBUFS;

	if (ua == NULL)
		return -ENOBUFS;
	ua->config = config;
	ua->deadlines = deadlines;
	ua->store = store;
	ua->dialogs_max = dialogs_max;
	ua->subscriptions_max = config->sip_max_subscriptions
					? (unsigned)config->sip_max_subscriptions
					: 2 * dialogs_max;
	ua->ops = ops;
	ua->arg = arg;
	for (unsigned i = 0; i < UA_WATCH_MAX; i++)
		ua->watched[i].fd = -1;
	su_init();
	su_log_redirect(NULL, stack_log, NULL);
	su_log_set_level(NULL, log_level >= LOG_DEBUG ? 5 : 1);
	if (arrival_class() == NULL || sip_update_default_mclass(arrival_class()) < 0)
		goto failed;
	r = admission_make(ua);
	if (r < 0)
		goto failed;
	r = prefix_list_new(
		&ua->trusted, config->sip_trusted.items, config->sip_trusted.count, &bad);
	if (r < 0) {
		log_error("ua", "sip.trusted: not a prefix found=%s", bad ? bad : "");
		goto failed;
	}
	if (config->sip_registrar && (r = registrar_new(&ua->registrar)) < 0)
		goto failed;
	register_restore(ua);
	r = -ENOBUFS;
	ua->root = su_root_create(NULL);
	if (ua->root == NULL)
		goto failed;
	if (config->sip_listen.count == 0) {
		log_error("ua", "sip.listen: at least one address is needed");
		r = -EINVAL;
		goto failed;
	}
	for (unsigned i = 0; i < config->sip_listen.count; i++)
		if ((r = listener_open(ua, config->sip_listen.items[i])) < 0)
			goto failed;
	*out = ua;
	return 0;
failed:
	ua_free(ua);
	return r;
}

void ua_free(struct ua *ua)
{
	if (ua == NULL)
		return;
	for (unsigned i = 0; ua->root != NULL && i < UA_WATCH_MAX; i++)
		if (ua->watched[i].fd >= 0)
			su_root_deregister(ua->root, ua->watched[i].index);
	subscriptions_drop(ua);
	dialogs_drop(ua);
	if (ua->agent != NULL)
		nta_agent_destroy(ua->agent);
	if (ua->root != NULL)
		su_root_destroy(ua->root);
	registrar_free(ua->registrar);
	prefix_list_free(ua->trusted);
	admission_free(ua->admission);
	su_deinit();
	free(ua);
}
