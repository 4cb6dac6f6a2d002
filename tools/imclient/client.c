/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/client.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport_tag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control/sip/identity.h"
#include "tools/imclient/content.h"
#include "tools/imclient/cpim_out.h"
#include "tools/imclient/im_session.h"

enum { CLOSE_MS = 5000, PORT_TRIES = 20 };

struct client {
	su_home_t home[1];
	struct im_account account;
	su_root_t *root;
	struct loop *loop;
	su_wait_t wait[1];
	int wait_index;
	nua_t *nua;
	nua_handle_t *registration;
	bool registered, closing, shutting, shut, told_closed;
	struct loop_timer timer; /* READY at first, then the steps of closing */
	uint64_t close_due_ms;
	char *proxy, *host, *save_dir, *registrar;
	char sip_address[300], msrp_address[300];
};

const char *client_event_word(enum client_event_type type)
{
	static const char *const words[] = {
#define X(name, word, text) word,
		CLIENT_EVENTS(X)
#undef X
	};

	return words[type];
}

static void tell(struct client *c, struct client_event *event)
{
	event->octets = CLIENT_NONE;
	c->account.event(c->account.arg, event);
}

/* ---- events of nua ---- */

static void on_register_answer(struct client *c, int status, char const *phrase, sip_t const *sip)
{
	struct client_event event = { .status = (unsigned)status, .reason = phrase };

	if (status < 200)
		return;
	if (status < 300) {
		unsigned expires = c->account.options.expires_s;

		if (sip != NULL && sip->sip_contact != NULL && sip->sip_contact->m_expires != NULL)
			expires = (unsigned)strtoul(sip->sip_contact->m_expires, NULL, 10);
		else if (sip != NULL && sip->sip_expires != NULL)
			expires = (unsigned)sip->sip_expires->ex_delta;
		c->registered = true;
		event = (struct client_event){ .type = CLIENT_REGISTERED, .expires_s = expires };
	} else {
		c->registered = false;
		event.type = CLIENT_REGISTER_FAILED;
		event.warning =
			sip != NULL && sip->sip_warning != NULL ? sip->sip_warning->w_text : NULL;
	}
	tell(c, &event);
}

static void on_unregister_answer(struct client *c, int status, char const *phrase)
{
	struct client_event event = { .type = CLIENT_UNREGISTERED };

	if (status < 200)
		return;
	c->registered = false;
	if (status >= 300) {
		event.type = CLIENT_REGISTER_FAILED;
		event.status = (unsigned)status;
		event.reason = phrase;
	}
	tell(c, &event);
}

static void on_nua(nua_event_t event, int status, char const *phrase, nua_t *nua,
	nua_magic_t *magic, nua_handle_t *nh, nua_hmagic_t *hmagic, sip_t const *sip, tagi_t tags[])
{
	struct client *c = (struct client *)magic;
	struct im_session *s = (struct im_session *)hmagic;
	int state = -1;

	switch (event) {
	case nua_r_shutdown:
		if (status >= 200)
			c->shut = true;
		return;
	case nua_r_register: on_register_answer(c, status, phrase, sip); return;
	case nua_r_unregister: on_unregister_answer(c, status, phrase); return;
	default: break;
	}
	if (s != NULL) {
		im_session_event(s, event, status, phrase, sip, tags);
		return;
	}
	if (event == nua_i_invite && sip != NULL) {
		if (c->closing)
			nua_respond(nh, SIP_480_TEMPORARILY_UNAVAILABLE, TAG_END());
		else
			im_session_invited(&c->account, nh, sip);
	} else if (event == nua_i_state) {
		tl_gets(tags, NUTAG_CALLSTATE_REF(state), TAG_END());
		if (state == nua_callstate_terminated)
			nua_handle_destroy(nh);
	}
}

/* ---- life ---- */

static int on_loop(su_root_magic_t *magic, su_wait_t *wait, su_wakeup_arg_t *arg)
{
	(void)wait;
	loop_turn(((struct client *)arg)->loop, 0);
	return 0;
}

static void on_timer(void *arg)
{
	struct client *c = arg;
	struct client_event event = { .type = CLIENT_READY };

	if (!c->closing) {
		event.sip = c->sip_address;
		event.msrp = c->msrp_address;
		tell(c, &event);
		return;
	}
	/* In turn: the sessions' BYEs answered, unregistered, nua shut down, last octets
	 *          written. */
	if (loop_now_ms() < c->close_due_ms) {
		if (c->account.sessions != NULL || c->registered) {
			loop_timer_start(c->loop, &c->timer, 10);
			return;
		}
		if (msrp_endpoint_is_flushing(c->account.endpoint)) {
			loop_timer_start(c->loop, &c->timer, 10);
			return;
		}
	}
	if (!c->shut && loop_now_ms() < c->close_due_ms + 1000) {
		if (!c->shutting)
			nua_shutdown(c->nua);
		c->shutting = true;
		loop_timer_start(c->loop, &c->timer, 10);
		return;
	}
	if (!c->told_closed) {
		c->told_closed = true;
		event.type = CLIENT_CLOSED;
		tell(c, &event);
	}
}

/* A port that is free for UDP and TCP at this moment; who takes it in between makes nua_create
 * fail, and we try another. */
static uint16_t free_port(const char *host)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *found;
	struct sockaddr_storage own;
	socklen_t size = sizeof(own);
	uint16_t port = 0;
	int fd;

	if (getaddrinfo(host, "0", &hints, &found) != 0)
		return 0;
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
		getsockname(fd, (struct sockaddr *)&own, &size) == 0)
		port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
						       : ((struct sockaddr_in *)&own)->sin_port);
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return port;
}

static int nua_start(struct client *c, uint16_t wanted)
{
	bool v6 = strchr(c->host, ':') != NULL;
	char url[320];

	for (unsigned try = 0; try < (wanted ? 1 : PORT_TRIES) && c->nua == NULL; try++) {
		uint16_t port = wanted ? wanted : free_port(c->host);

		if (port == 0)
			return -EINVAL;
		snprintf(c->sip_address, sizeof(c->sip_address), v6 ? "[%s]:%u" : "%s:%u", c->host,
			port);
		snprintf(url, sizeof(url), "sip:%s", c->sip_address);
		c->nua = nua_create(c->root, on_nua, (nua_magic_t *)c, NUTAG_URL(url),
			NUTAG_PROXY(c->proxy), NUTAG_MEDIA_ENABLE(0),
			NUTAG_OUTBOUND("no-natify no-outbound no-validate no-options-keepalive"),
			NTATAG_UDP_MTU(1300), TAG_END());
	}
	return c->nua != NULL ? 0 : -EEXIST;
}

static int account_start(struct client *c)
{
	struct im_account *a = &c->account;
	struct span user = span_of(a->user), name = identity_user(user), host = identity_host(user);
	const char *tcp = strcasestr(c->proxy, "transport=tcp") != NULL ? ";transport=tcp" : "";
	const char *quoted = a->display_name != NULL ? a->display_name : "";
	url_t *check = url_make(c->home, a->user);

	if (check == NULL || name.len == 0 || host.len == 0 || strpbrk(a->user, "<> \"") != NULL ||
		strpbrk(quoted, "\"\\\r\n") != NULL)
		return -EINVAL;
	if (asprintf(&a->from, *quoted ? "\"%s\" <%s>" : "%s<%s>", quoted, a->user) < 0)
		return -ENOBUFS;
	a->sdp_user = strndup(name.at, name.len);
	if (a->sdp_user == NULL || asprintf(&a->contact, "<sip:%.*s@%s%s>;+g.oma.sip-im",
					   SPAN_ARG(name), c->sip_address, tcp) < 0)
		return -ENOBUFS;
	if (asprintf(&c->registrar, "sip:%.*s", SPAN_ARG(host)) < 0)
		return -ENOBUFS;
	if (a->options.factory != NULL)
		a->factory = strdup(a->options.factory);
	else if (asprintf(&a->factory, "sip:conference-factory@%.*s", SPAN_ARG(host)) < 0)
		a->factory = NULL;
	return a->factory != NULL ? 0 : -ENOBUFS;
}

int client_new(struct client **out, su_root_t *root, struct loop *loop,
	const struct client_options *options,
	void (*event)(void *arg, const struct client_event *event), void *arg)
{
	struct client *c = calloc(1, sizeof(*c));
	struct msrp_endpoint_options msrp = {
		.host = options->host,
		.port = options->msrp_port,
		.transaction_ms = options->msrp_timeout_ms,
		.bind_ms = options->msrp_timeout_ms,
		.chunk_octets = options->chunk_octets,
	};
	int result = -ENOBUFS;

	if (c == NULL)
		return -ENOBUFS;
	su_home_init(c->home);
	c->root = root;
	c->loop = loop;
	c->wait_index = -1;
	c->account.home = c->home;
	c->account.options = *options;
	c->account.event = event;
	c->account.arg = arg;
	if (c->account.options.expires_s == 0)
		c->account.options.expires_s = 3600;
	c->proxy = strdup(options->proxy);
	c->host = strdup(options->host);
	c->account.user = strdup(options->user);
	c->account.display_name = options->display_name ? strdup(options->display_name) : NULL;
	c->save_dir = options->save_dir ? strdup(options->save_dir) : NULL;
	c->account.options.save_dir = c->save_dir;
	if (c->proxy == NULL || c->host == NULL || c->account.user == NULL)
		goto undo;
	result = msrp_endpoint_new(&c->account.endpoint, loop, &msrp);
	if (result < 0)
		goto undo;
	snprintf(c->msrp_address, sizeof(c->msrp_address),
		strchr(c->host, ':') ? "[%s]:%u" : "%s:%u", c->host,
		msrp_endpoint_port(c->account.endpoint));
	su_root_threading(root, 0);
	sip_update_default_mclass(
		sip_extend_mclass(NULL)); /* P-Asserted-Identity and its like are parsed */
	result = nua_start(c, options->port);
	if (result < 0)
		goto undo;
	c->account.nua = c->nua;
	result = account_start(c);
	if (result < 0)
		goto undo;
	nua_set_params(c->nua, SIPTAG_USER_AGENT_STR("IM-client/OMA1.0 Plenum/" PLENUM_VERSION),
		NUTAG_ALLOW("INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, UPDATE"),
		SIPTAG_SUPPORTED_STR("timer, norefersub"), NUTAG_SESSION_TIMER(1800),
		NUTAG_MIN_SE(90), NUTAG_SESSION_REFRESHER(nua_local_refresher), NUTAG_AUTOANSWER(0),
		NUTAG_AUTOALERT(0), NUTAG_AUTOACK(1), NUTAG_ENABLEMESSAGE(0),
		NUTAG_INVITE_TIMER(200), TAG_END());
	result = -ENOBUFS;
	if (su_wait_create(c->wait, loop_fd(loop), SU_WAIT_IN) < 0)
		goto undo;
	c->wait_index = su_root_register(root, c->wait, on_loop, (su_wakeup_arg_t *)c, 0);
	if (c->wait_index < 0)
		goto undo;
	c->timer = (struct loop_timer){ .fire = on_timer, .arg = c };
	loop_timer_start(loop, &c->timer, 0);
	*out = c;
	return 0;
undo:
	client_free(c);
	return result;
}

void client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	c->close_due_ms = loop_now_ms() + CLOSE_MS;
	for (struct im_session *s = c->account.sessions; s != NULL; s = im_session_next(s))
		if (im_session_leave(s) < 0)
			continue; /* is on its way out already */
	if (c->registered)
		client_unregister(c);
	loop_timer_start(c->loop, &c->timer, 10);
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	if (c->timer.arg != NULL)
		loop_timer_stop(c->loop, &c->timer);
	while (c->account.sessions != NULL)
		im_session_free(c->account.sessions);
	if (c->registration != NULL)
		nua_handle_destroy(c->registration);
	if (c->wait_index >= 0)
		su_root_deregister(c->root, c->wait_index);
	if (c->nua != NULL) {
		/* nua_destroy wants a finished shutdown. */
		if (!c->shutting)
			nua_shutdown(c->nua);
		for (unsigned i = 0; i < 200 && !c->shut; i++)
			su_root_step(c->root, 10);
		if (c->shut)
			nua_destroy(c->nua);
	}
	msrp_endpoint_free(c->account.endpoint);
	su_home_deinit(c->home);
	free(c->account.user);
	free(c->account.display_name);
	free(c->account.contact);
	free(c->account.factory);
	free(c->account.from);
	free(c->account.sdp_user);
	free(c->proxy);
	free(c->host);
	free(c->save_dir);
	free(c->registrar);
	free(c);
}

/* ---- the account ---- */

void client_register(struct client *c)
{
	char expires[16];

	snprintf(expires, sizeof(expires), "%u", c->account.options.expires_s);
	if (c->registration == NULL)
		c->registration = nua_handle(c->nua, NULL, SIPTAG_TO_STR(c->account.user),
			SIPTAG_FROM_STR(c->account.from), TAG_END());
	if (c->registration == NULL)
		return;
	nua_register(c->registration, NUTAG_REGISTRAR(c->registrar),
		SIPTAG_CONTACT_STR(c->account.contact), SIPTAG_EXPIRES_STR(expires), TAG_END());
}

void client_unregister(struct client *c)
{
	if (c->registration != NULL)
		nua_unregister(c->registration, NUTAG_REGISTRAR(c->registrar),
			SIPTAG_CONTACT_STR(c->account.contact), TAG_END());
}

/* ---- sessions ---- */

static bool is_sip_uri(const char *text)
{
	char canonical[IDENTITY_MAX];

	return strpbrk(text, "<>\" \t\r\n") == NULL &&
	       identity_canonical(span_of(text), canonical) == 0;
}

int client_invite(struct client *c, const char *const *uris, unsigned count, bool as_conference,
	const char *subject)
{
	if (count == 0 || c->closing || (subject != NULL && strpbrk(subject, "\r\n") != NULL))
		return -EINVAL;
	for (unsigned i = 0; i < count; i++)
		if (!is_sip_uri(uris[i]))
			return -EINVAL;
	return im_session_invite(&c->account, uris, count, as_conference || count > 1, subject);
}

static bool is_in(enum client_state state, unsigned states)
{
	return states & 1u << state;
}

/* The session of this number, or with 0 the newest in one of the states (bits). */
static int pick(struct client *c, unsigned number, unsigned states, struct im_session **out)
{
	struct client_session_view view;

	for (struct im_session *s = c->account.sessions; s != NULL; s = im_session_next(s)) {
		im_session_view(s, &view);
		if (number != 0 && view.number != number)
			continue;
		*out = s;
		if (is_in(view.state, states))
			return 0;
		if (number != 0)
			return -EPROTO;
	}
	return -ENOENT;
}

#define STATE_BIT(name) (1u << CLIENT_STATE_##name)
#define STATES_TALKING  (STATE_BIT(ESTABLISHED) | STATE_BIT(BOUND))

int client_accept(struct client *c, unsigned session)
{
	struct im_session *s;
	int result = pick(c, session, STATE_BIT(INVITED), &s);

	return result < 0 ? result : im_session_accept(s);
}

int client_reject(struct client *c, unsigned session, unsigned status)
{
	struct im_session *s;
	int result = pick(c, session, STATE_BIT(INVITED), &s);

	return result < 0 ? result : im_session_reject(s, status);
}

int client_leave(struct client *c, unsigned session)
{
	struct im_session *s;
	int result =
		pick(c, session, STATES_TALKING | STATE_BIT(INVITED) | STATE_BIT(INVITING), &s);

	return result < 0 ? result : im_session_leave(s);
}

int client_send_text(
	struct client *c, unsigned session, const struct client_send *how, struct span text)
{
	struct im_session *s;
	struct content *content;
	int result = pick(c, session, STATES_TALKING, &s);

	if (result == 0)
		result = content_new_text(&content, text);
	return result < 0 ? result : im_session_send(s, how, content, false);
}

int client_send_file(
	struct client *c, unsigned session, const struct client_send *how, const char *path)
{
	struct im_session *s;
	struct content *content;
	int result = pick(c, session, STATES_TALKING, &s);

	if (result == 0)
		result = content_new_file(&content, path);
	return result < 0 ? result : im_session_send(s, how, content, false);
}

int client_send_random(
	struct client *c, unsigned session, const struct client_send *how, uint64_t octets)
{
	struct im_session *s;
	struct content *content;
	uint64_t seed = ((uint64_t)getpid() << 32) ^ loop_now_ms();
	int result = pick(c, session, STATES_TALKING, &s);

	if (result == 0)
		result = content_new_random(&content, octets, seed);
	return result < 0 ? result : im_session_send(s, how, content, false);
}

int client_send_composing(struct client *c, unsigned session, bool active)
{
	struct client_send how = { .content_type = "application/im-iscomposing+xml" };
	struct im_session *s;
	struct content *content;
	char *text;
	int result = pick(c, session, STATES_TALKING, &s);

	if (result < 0)
		return result;
	text = is_composing_write(active);
	if (text == NULL)
		return -ENOBUFS;
	result = content_new_text(&content, span_of(text));
	free(text);
	return result < 0 ? result : im_session_send(s, &how, content, true);
}

bool client_session_view(const struct client *c, unsigned n, struct client_session_view *out)
{
	struct im_session *s = c->account.sessions;

	while (s != NULL && n-- > 0)
		s = im_session_next(s);
	if (s == NULL)
		return false;
	im_session_view(s, out);
	return true;
}
