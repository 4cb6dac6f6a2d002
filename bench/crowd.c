/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/crowd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench/support.h"

#define REPEAT_NS   500000000u
#define PATIENCE_NS 10000000000u
#define MESSAGE_MAX 65536u
#define IN_ROOM     (1u << 20)

void crowd_open(struct crowd *c, bool tcp, uint16_t focus_port, unsigned count, unsigned first_room,
	unsigned rooms, unsigned window)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	static uint32_t opened;
	int octets = 8 << 20, on = 1;

	*c = (struct crowd){ .tcp = tcp,
		.focus_port = focus_port,
		.count = count,
		.first_room = first_room,
		.rooms = rooms,
		.window = window };
	c->fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	c->members = calloc(count, sizeof(*c->members));
	c->targets = calloc(rooms, sizeof(*c->targets));
	c->in = malloc(IN_ROOM);
	if (c->fd < 0 || c->members == NULL || c->targets == NULL || c->in == NULL)
		bench_fail("no memory for a crowd of %u", count);
	/* Over UDP the focus remembers a request half a minute: a Call-ID never comes again. */
	opened++;
	for (unsigned i = 0; i < count; i++)
		c->members[i].generation = opened << 16;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof(octets));
	if (bind(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		getsockname(c->fd, (struct sockaddr *)&at, &len) < 0)
		bench_fail("no socket for the crowd: %s", strerror(errno));
	c->port = ntohs(at.sin_port);
	at.sin_port = htons(focus_port);
	if (connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		bench_fail("the focus cannot be reached: %s", strerror(errno));
	if (tcp)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

void crowd_close(struct crowd *c)
{
	close(c->fd);
	for (unsigned i = 0; i < c->rooms; i++)
		free(c->targets[i]);
	free(c->targets);
	free(c->members);
	free(c->in);
}

/* ---- sending ---- */

static void put(struct crowd *c, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(c->fd, text, len, MSG_NOSIGNAL);
		struct pollfd wait = { c->fd, POLLOUT, 0 };

		if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
			bench_fail("the crowd cannot send: %s", strerror(errno));
		if (sent < 0) {
			poll(&wait, 1, 100);
			continue;
		}
		text += sent;
		len -= (size_t)sent;
	}
}

static const char *transport(const struct crowd *c)
{
	return c->tcp ? "TCP" : "UDP";
}

static unsigned room_of(const struct crowd *c, unsigned i)
{
	return c->first_room + i % c->rooms;
}

/* The lines that every request of a member has; kind: of its Call-ID. */
static int head(const struct crowd *c, char *out, size_t size, unsigned i, char kind,
	const char *method, const char *target, unsigned cseq, const char *to_tag)
{
	const struct member *m = &c->members[i];

	return snprintf(out, size,
		"%s %s SIP/2.0\r\n"
		"Via: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bK%c%u.%u.%u%s\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"User %u\" <sip:u%u@example.com>;tag=f%c%u.%u\r\n"
		"To: <sip:room%u@example.com>%s%s\r\n"
		"Call-ID: %c%u.%u@127.0.0.1\r\nCSeq: %u %s\r\n"
		"Contact: <sip:u%u@127.0.0.1:%u;transport=%s>;+g.oma.sip-im\r\n",
		method, target, transport(c), c->port, kind, i, m->generation, cseq,
		strcmp(method, "ACK") == 0 ? "a" : "", i, i, kind, i, m->generation, room_of(c, i),
		to_tag[0] ? ";tag=" : "", to_tag, kind, i, m->generation, cseq, method, i, c->port,
		c->tcp ? "tcp" : "udp");
}

static void invite(struct crowd *c, unsigned i)
{
	char text[2048], sdp[512], room[64];
	int len, body;

	body = snprintf(sdp, sizeof(sdp),
		"v=0\r\no=u%u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:text/plain text/html image/jpeg\r\n"
		"a=path:msrp://127.0.0.1:9/s%u.%u;tcp\r\na=setup:active\r\n",
		i, i, c->members[i].generation);
	snprintf(room, sizeof(room), "sip:room%u@example.com", room_of(c, i));
	len = head(c, text, sizeof(text), i, 'c', "INVITE", room, 1, "");
	len += snprintf(text + len, sizeof(text) - (size_t)len,
		"P-Asserted-Identity: \"User %u\" <sip:u%u@example.com>\r\n"
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, NOTIFY\r\n"
		"Supported: timer\r\nUser-Agent: IM-client/OMA1.0 crowd\r\n"
		"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		i, i, body, sdp);
	put(c, text, (size_t)len);
}

static void ack(struct crowd *c, unsigned i)
{
	const struct member *m = &c->members[i];
	char text[2048];
	int len = head(c, text, sizeof(text), i, 'c', "ACK", m->target, 1, m->to_tag);

	len += snprintf(text + len, sizeof(text) - (size_t)len, "Content-Length: 0\r\n\r\n");
	put(c, text, (size_t)len);
}

static void bye(struct crowd *c, unsigned i)
{
	const struct member *m = &c->members[i];
	char text[2048];
	int len = head(c, text, sizeof(text), i, 'c', "BYE", m->target, m->cseq, m->to_tag);

	len += snprintf(text + len, sizeof(text) - (size_t)len, "Content-Length: 0\r\n\r\n");
	put(c, text, (size_t)len);
}

static void subscribe(struct crowd *c, unsigned i)
{
	const struct member *m = &c->members[i];
	char text[2048];
	int len = head(c, text, sizeof(text), i, 's', "SUBSCRIBE", m->target, m->subscription_cseq,
		m->subscription_tag);

	len += snprintf(text + len, sizeof(text) - (size_t)len,
		"P-Asserted-Identity: <sip:u%u@example.com>\r\nEvent: conference\r\n"
		"Accept: application/conference-info+xml\r\nExpires: %u\r\n"
		"Content-Length: 0\r\n\r\n",
		i, m->asks == CROWD_SUBSCRIBE ? 3600 : 0);
	put(c, text, (size_t)len);
}

static void ask(struct crowd *c, unsigned i)
{
	c->members[i].sent_ns = bench_now_ns();
	switch ((enum crowd_act)c->members[i].asks) {
	case CROWD_JOIN: invite(c, i); break;
	case CROWD_LEAVE: bye(c, i); break;
	default: subscribe(c, i); break;
	}
}

/* ---- receiving ---- */

/* The value of a header, up to the end of its line; NULL: not there. */
static const char *header(const char *text, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\r\n%s:", name);
	at = strcasestr(text, key);
	if (at == NULL)
		return NULL;
	at += strlen(key);
	return at + strspn(at, " ");
}

static void tag_copy(const char *value, char *out, size_t size)
{
	const char *at = value != NULL ? strstr(value, ";tag=") : NULL;
	size_t len = at != NULL ? strcspn(at + 5, ";\r\n ") : 0;

	if (len == 0 || len >= size)
		bench_fail("an answer without a tag in To");
	memcpy(out, at + 5, len);
	out[len] = '\0';
}

static void target_take(struct crowd *c, unsigned i, const char *contact)
{
	char **target = &c->targets[i % c->rooms];
	const char *from = contact != NULL ? strchr(contact, '<') : NULL;
	size_t len = from != NULL ? strcspn(from + 1, ">") : 0;

	if (len == 0)
		bench_fail("a 200 without Contact");
	if (*target == NULL || strlen(*target) != len || memcmp(*target, from + 1, len) != 0) {
		free(*target);
		*target = strndup(from + 1, len);
	}
	c->members[i].target = *target;
}

static void answered(struct crowd *c, unsigned i)
{
	c->waiting--;
	c->progress_ns = bench_now_ns();
	c->members[i].state = MEMBER_IN;
}

static void response(struct crowd *c, const char *text)
{
	unsigned status = (unsigned)strtoul(text + 8, NULL, 10), i, generation;
	const char *call_id = header(text, "Call-ID"), *cseq = header(text, "CSeq");
	char kind, method[16];
	struct member *m;

	if (call_id == NULL || cseq == NULL || sscanf(cseq, "%*u %15s", method) != 1 ||
		sscanf(call_id, "%c%u.%u@", &kind, &i, &generation) != 3 || i >= c->count)
		bench_fail("an answer of nobody: %.200s", text);
	m = &c->members[i];
	if (status < 200 || generation != m->generation)
		return;
	if (status >= 300)
		bench_fail("member %u was refused: %.300s", i, text);
	if (strcmp(method, "INVITE") == 0) {
		if (m->state == MEMBER_ASKING && m->asks == CROWD_JOIN) {
			tag_copy(header(text, "To"), m->to_tag, sizeof(m->to_tag));
			target_take(c, i, header(text, "Contact"));
			m->cseq = 1;
			answered(c, i);
		}
		ack(c, i);
	} else if (strcmp(method, "BYE") == 0) {
		if (m->state == MEMBER_ASKING && m->asks == CROWD_LEAVE) {
			answered(c, i);
			m->state = MEMBER_OUT;
			m->generation++;
		}
	} else if (m->state == MEMBER_ASKING && m->subscription_tag[0] == '\0') {
		tag_copy(header(text, "To"), m->subscription_tag, sizeof(m->subscription_tag));
	}
}

/* The headers that a response takes from its request (RFC 3261 8.2.6.2). */
static void notified(struct crowd *c, const char *text)
{
	static const char *const copied[] = { "Via", "From", "To", "Call-ID", "CSeq" };
	const char *call_id = header(text, "Call-ID"), *at = header(text, "Content-Length");
	char out[2048];
	int len = snprintf(out, sizeof(out), "SIP/2.0 200 OK\r\n");
	unsigned i, generation;
	bool last;
	char kind;

	for (unsigned n = 0; n < sizeof(copied) / sizeof(copied[0]); n++) {
		const char *value = header(text, copied[n]);

		if (value == NULL)
			bench_fail("a request without %s: %.300s", copied[n], text);
		len += snprintf(out + len, sizeof(out) - (size_t)len, "%s: %.*s\r\n", copied[n],
			(int)strcspn(value, "\r"), value);
	}
	len += snprintf(out + len, sizeof(out) - (size_t)len, "Content-Length: 0\r\n\r\n");
	put(c, out, (size_t)len);
	c->notifies++;
	c->notify_octets += at != NULL ? strtoul(at, NULL, 10) : 0;
	if (call_id == NULL || sscanf(call_id, "%c%u.%u@", &kind, &i, &generation) != 3 ||
		i >= c->count)
		bench_fail("a NOTIFY to nobody: %.200s", text);
	at = header(text, "Subscription-State");
	last = at != NULL && strncmp(at, "terminated", 10) == 0;
	/* A subscription has begun, or ended, with its NOTIFY. */
	if (c->members[i].state == MEMBER_ASKING &&
		((c->members[i].asks == CROWD_SUBSCRIBE && !last) ||
			(c->members[i].asks == CROWD_UNSUBSCRIBE && last)))
		answered(c, i);
	if (last)
		c->members[i].subscription_tag[0] = '\0';
	c->members[i].subscribed = !last;
}

static void message(struct crowd *c, const char *text)
{
	if (strncmp(text, "SIP/2.0 ", 8) == 0)
		response(c, text);
	else if (strncmp(text, "NOTIFY ", 7) == 0)
		notified(c, text);
	else
		bench_fail("an unexpected request: %.300s", text);
}

static bool receive_datagram(struct crowd *c)
{
	char text[MESSAGE_MAX];
	ssize_t len = recv(c->fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return false;
	text[len] = '\0';
	message(c, text);
	return true;
}

static bool receive_stream(struct crowd *c)
{
	ssize_t len = recv(c->fd, c->in + c->in_len, IN_ROOM - 1 - c->in_len, 0);
	char *at = c->in;

	if (len == 0)
		bench_fail("the focus closed the connection");
	if (len < 0)
		return false;
	c->in_len += (unsigned)len;
	c->in[c->in_len] = '\0';
	for (;;) {
		char *end = strstr(at, "\r\n\r\n"), kept;
		const char *value;
		size_t whole;

		if (end == NULL)
			break;
		end[2] = '\0';
		value = header(at, "Content-Length");
		end[2] = '\r';
		whole = (size_t)(end + 4 - at) + (value != NULL ? strtoul(value, NULL, 10) : 0);
		if (whole > (size_t)(c->in + c->in_len - at))
			break;
		kept = at[whole];
		at[whole] = '\0';
		message(c, at);
		at[whole] = kept;
		at += whole;
	}
	c->in_len -= (unsigned)(at - c->in);
	memmove(c->in, at, c->in_len + 1);
	return true;
}

static bool receive(struct crowd *c)
{
	return c->tcp ? receive_stream(c) : receive_datagram(c);
}

static void wait_readable(const struct crowd *c, int ms)
{
	struct pollfd wait = { c->fd, POLLIN, 0 };

	poll(&wait, 1, ms);
}

static void waiting_tell(const struct crowd *c)
{
	unsigned i = 0;

	while (i < c->count && c->members[i].state != MEMBER_ASKING)
		i++;
	bench_fail(
		"nothing has been answered for ten seconds, %u wait, the first is member %u with act %u, generation %u",
		c->waiting, i, i < c->count ? c->members[i].asks : 0u,
		i < c->count ? c->members[i].generation : 0u);
}

/* Over UDP: what has waited too long is sent again. */
static void look(struct crowd *c)
{
	uint64_t now = bench_now_ns();

	if (now - c->progress_ns > PATIENCE_NS)
		waiting_tell(c);
	if (c->tcp || now - c->looked_ns < REPEAT_NS / 2)
		return;
	c->looked_ns = now;
	for (unsigned i = 0; i < c->count; i++)
		if (c->members[i].state == MEMBER_ASKING &&
			now - c->members[i].sent_ns > REPEAT_NS) {
			c->repeated++;
			ask(c, i);
		}
}

double crowd_run(struct crowd *c, enum crowd_act act, unsigned first, unsigned end)
{
	uint64_t began = bench_now_ns();

	c->progress_ns = began;
	for (unsigned i = first; i < end || c->waiting > 0;) {
		for (; i < end && c->waiting < c->window; i++) {
			struct member *m = &c->members[i];

			m->state = MEMBER_ASKING;
			m->asks = (uint8_t)act;
			if (act == CROWD_LEAVE)
				m->cseq++;
			else if (act != CROWD_JOIN)
				m->subscription_cseq++;
			c->waiting++;
			ask(c, i);
		}
		if (!receive(c))
			wait_readable(c, 100);
		while (receive(c))
			continue;
		look(c);
	}
	return (double)(bench_now_ns() - began) / 1e9;
}

void crowd_rest(struct crowd *c, unsigned quiet_ms)
{
	uint64_t last = bench_now_ns();

	while (bench_now_ns() - last < quiet_ms * 1000000ull) {
		wait_readable(c, 10);
		while (receive(c))
			last = bench_now_ns();
	}
}
