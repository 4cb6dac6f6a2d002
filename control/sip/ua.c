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
#include "include/log.h"

#define TRANSACTIONS_PER_DIALOG                                                                    \
	4u                  /* server transactions kept at once, for each dialog that is allowed */
#define MESSAGE_MAX 393216u /* octets of a SIP message: a body of 256 KiB and room for headers */

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

void ua_respond(struct ua_transaction *t, unsigned status, const char *phrase,
	const struct header_block *extra, const char *content_type, const char *body)
{
	nta_incoming_treply(t->incoming, (int)status, phrase, SIPTAG_SERVER_STR(UA_SERVER),
		SIPTAG_HEADER_STR(extra && extra->len ? extra->text : NULL),
		SIPTAG_CONTENT_TYPE_STR(content_type), SIPTAG_PAYLOAD_STR(body), TAG_END());
}

static void refuse(nta_incoming_t *incoming, unsigned status, const char *phrase,
	const struct header_block *extra)
{
	struct ua_transaction t = { .incoming = incoming };

	ua_respond(&t, status, phrase, extra, NULL, NULL);
	nta_incoming_destroy(incoming);
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

bool ua_refused(struct ua *ua, nta_incoming_t *incoming, const sip_t *sip)
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
	if (extra.len > 0 || extra.bad) {
		refuse(incoming, 420, sip_420_Bad_extension, &extra);
		return true;
	}
	if (sip->sip_payload != NULL && sip->sip_payload->pl_len > REQUEST_BODY_MAX) {
		header_add_warning(&extra, ua->config->sip_domain, "The body is too large");
		refuse(incoming, 400, sip_400_Bad_request, &extra);
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
		/* RFC 3515 2.4.4: only REFER makes one. */
		header_add_warning(&extra, t->ua->config->sip_domain,
			"A subscription to refer is made by REFER only");
		ua_respond(t, 403, sip_403_Forbidden, &extra, NULL, NULL);
		return true;
	}
	header_add(&extra, "Allow-Events", "%s", UA_ALLOW_EVENTS); /* RFC 6665 8.3.2 */
	ua_respond(t, 489, sip_489_Bad_event, &extra, NULL, NULL);
	return true;
}

static void method_refused(nta_incoming_t *incoming)
{
	struct header_block extra;

	header_init(&extra);
	header_add(&extra, "Allow", "%s", UA_ALLOW);
	refuse(incoming, 405, sip_405_Method_not_allowed, &extra);
}

/* Every request that belongs to no dialog of ours. */
static int received(void *unused, nta_leg_t *leg, nta_incoming_t *incoming, const sip_t *sip)
{
	struct ua *ua = unused;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct ua_transaction t = { .ua = ua, .incoming = incoming };
	struct request request;

	if (sip->sip_request->rq_method == sip_method_ack) {
		nta_incoming_destroy(incoming);
		return 0;
	}
	/* RFC 3261 12.2.2; a CANCEL comes here only when nothing is left to cancel. */
	if (sip->sip_to->a_tag != NULL || sip->sip_request->rq_method == sip_method_cancel) {
		refuse(incoming, 481, sip_481_No_transaction, NULL);
		return 0;
	}
	request_read(&request, ua, home, incoming, sip);
	switch (request.method) {
	case REQUEST_INVITE:
		if (!ua_refused(ua, incoming, sip))
			dialog_received(ua, incoming, sip, &request);
		break;
	case REQUEST_REGISTER:
		if (!ua_refused(ua, incoming, sip))
			register_received(ua, incoming, sip, &request);
		break;
	case REQUEST_BYE:
	case REQUEST_UPDATE: refuse(incoming, 481, sip_481_No_transaction, NULL); break;
	case REQUEST_OTHER: method_refused(incoming); break;
	default:
		if (!ua_refused(ua, incoming, sip)) {
			if (!ua_event_refused(&t, &request))
				ua->ops->request(ua->arg, &t, &request);
			nta_incoming_destroy(incoming);
		}
		break;
	}
	su_home_deinit(home);
	return 0;
}

/* What has no transaction and no leg: stray responses, and every stranger's request while we shed
 * load. RFC 3261 13.2.2.4: a 2xx to an INVITE is a dialog we do not want. */
static int stray(struct ua *ua, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	if (sip->sip_status != NULL && sip->sip_status->st_status / 100 == 2 && sip->sip_cseq &&
		sip->sip_cseq->cs_method == sip_method_invite) {
		if (!dialog_acknowledges(ua, sip))
			return nta_msg_ackbye(agent, msg);
		nta_msg_discard(agent, msg);
		return 0;
	}
	if (sip->sip_request == NULL || sip->sip_request->rq_method == sip_method_ack) {
		nta_msg_discard(agent, msg);
		return 0;
	}
	return nta_msg_treply(agent, msg, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR("10"),
		SIPTAG_SERVER_STR(UA_SERVER), TAG_END());
}

/* Over UDP a transaction lingers 32 s after its answer. When too many do, strangers are answered
 * 503 without a transaction, so without memory; requests within dialogs are served as before. */
static int shed(struct ua *ua)
{
	usize_t most = (usize_t)TRANSACTIONS_PER_DIALOG * ua->dialogs_max, used = 0;

	nta_agent_get_stats(ua->agent, NTATAG_S_IRQ_HASH_USED_REF(used), TAG_END());
	if (ua->strangers != NULL && used > most) {
		log_warning("ua", "overload, new requests get 503 transactions=%lu",
			(unsigned long)used);
		nta_leg_destroy(ua->strangers);
		ua->strangers = NULL;
	} else if (ua->strangers == NULL && used < most / 4 * 3) {
		ua->strangers =
			nta_leg_tcreate(ua->agent, received, ua, NTATAG_NO_DIALOG(1), TAG_END());
		if (ua->strangers == NULL)
			return -ENOBUFS;
		if (ua->stepped)
			log_info("ua", "new requests are taken again transactions=%lu",
				(unsigned long)used);
	}
	return 0;
}

int ua_route(struct ua *ua, su_home_t *home, const char *remote, const char **request_uri,
	const char **route)
{
	const struct registrar_contact *contacts;
	char canonical[IDENTITY_MAX];
	url_t *url;

	*route = NULL;
	*request_uri = remote;
	if (ua->config->sip_next_hop[0] != '\0') {
		*route = ua->config->sip_next_hop;
		return 0;
	}
	if (ua->registrar != NULL && identity_canonical(span_of(remote), canonical) == 0 &&
		registrar_find(ua->registrar, canonical, ua_now_ms(), &contacts) > 0) {
		*request_uri = su_strdup(home, contacts[0].uri);
		return *request_uri ? 0 : -ENOBUFS;
	}
	url = url_hdup(home, URL_STRING_MAKE(remote)->us_url);
	if (url == NULL)
		return -EINVAL;
	if (url->url_type != url_sip && url->url_type != url_sips)
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
	if (shed(ua) < 0)
		log_warning("ua", "no memory to take requests");
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
		ua->agent = nta_agent_create(ua->root, URL_STRING_MAKE(url), stray, ua,
			NTATAG_UA(1), NTATAG_MERGE_482(1), NTATAG_MAXSIZE(MESSAGE_MAX),
			NTATAG_MAX_PROCEEDING(ua->dialogs_max), TAG_END());
		if (ua->agent != NULL)
			return 0;
	} else if (nta_agent_add_tport(ua->agent, URL_STRING_MAKE(url), TAG_END()) == 0) {
		return 0;
	}
	r = listener_fault(&at);
	log_error("ua", "cannot listen address=%s error=\"%s\"", text, strerror(-r));
	return r == -EINVAL ? -EADDRNOTAVAIL : r;
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
	/* P-Asserted-Identity and its like are not in the stack's basic set of headers. */
	if (sip_update_default_mclass(sip_extend_mclass(NULL)) < 0)
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
	r = shed(ua);
	if (r < 0)
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
	if (ua->strangers != NULL)
		nta_leg_destroy(ua->strangers);
	if (ua->agent != NULL)
		nta_agent_destroy(ua->agent);
	if (ua->root != NULL)
		su_root_destroy(ua->root);
	registrar_free(ua->registrar);
	prefix_list_free(ua->trusted);
	su_deinit();
	free(ua);
}
