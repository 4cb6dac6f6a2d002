/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/tcp_memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READS_MAX 4 /* reads of one connection in one poll: as tcp_kernel */

/* Octets in order; start moves, and the rest is moved to the front when it pays. */
struct stream {
	uint8_t *octets;
	size_t start, end, room;
};

struct memory_peer {
	struct memory_net *net;
	struct memory_peer *next, **prev; /* all of the net, oldest first */
	struct tcp_conn *conn;            /* NULL: over, on the switch's side */
	char host[64];
	uint16_t port;
	bool dialled, decided, closed, half_closed, reset, accepted, ended_by_switch;
	int connect_error;
	struct stream in, out; /* as the switch sees them */
	size_t may_read, read_limit, window, send_limit;
};

struct tcp_conn {
	struct tcp *tcp;
	struct tcp_conn *next, **prev;
	struct memory_peer *peer; /* NULL: the peer's record was freed */
	void *user;
	bool accepting, connecting, paused, wants_writable, dead;
};

struct tcp {
	struct memory_net *net;
	const struct tcp_ops *ops;
	void *owner;
	struct tcp_conn *first, **last;
	struct tcp_conn *closed; /* freed at the end of a poll */
	struct tcp_conn **turn;  /* of a poll */
	unsigned count, turn_room, begin_with;
	bool deaf; /* tcp_listen_end */
};

struct memory_net {
	struct memory_peer *first, **last;
	int refuse;
};

static void *need(void *memory)
{
	if (memory == NULL)
		abort(); /* a test machine without memory */
	return memory;
}

/* ---- octets ---- */

static size_t held(const struct stream *stream)
{
	return stream->end - stream->start;
}

static void put(struct stream *stream, const void *octets, size_t len)
{
	if (stream->end + len > stream->room && stream->start > 0) {
		memmove(stream->octets, stream->octets + stream->start, held(stream));
		stream->end -= stream->start;
		stream->start = 0;
	}
	if (stream->end + len > stream->room) {
		stream->room = (stream->end + len) * 2;
		stream->octets = need(realloc(stream->octets, stream->room));
	}
	if (len > 0)
		memcpy(stream->octets + stream->end, octets, len);
	stream->end += len;
}

static void drop(struct stream *stream, size_t len)
{
	stream->start += len;
	if (stream->start == stream->end)
		stream->start = stream->end = 0;
}

/* ---- the net ---- */

struct memory_net *memory_net_new(void)
{
	struct memory_net *net = need(calloc(1, sizeof(*net)));

	net->last = &net->first;
	return net;
}

void memory_free(struct memory_peer *peer)
{
	*peer->prev = peer->next;
	if (peer->next != NULL)
		peer->next->prev = peer->prev;
	else
		peer->net->last = peer->prev;
	if (peer->conn != NULL)
		peer->conn->peer = NULL;
	free(peer->in.octets);
	free(peer->out.octets);
	free(peer);
}

void memory_net_free(struct memory_net *net)
{
	while (net->first != NULL)
		memory_free(net->first);
	free(net);
}

static struct memory_peer *peer_new(struct memory_net *net)
{
	struct memory_peer *peer = need(calloc(1, sizeof(*peer)));

	peer->net = net;
	peer->may_read = peer->read_limit = peer->window = peer->send_limit = MEMORY_NO_LIMIT;
	peer->prev = net->last;
	*net->last = peer;
	net->last = &peer->next;
	return peer;
}

static struct tcp_conn *conn_new(struct tcp *tcp, struct memory_peer *peer)
{
	struct tcp_conn *conn = need(calloc(1, sizeof(*conn)));

	conn->tcp = tcp;
	conn->peer = peer;
	peer->conn = conn;
	conn->prev = tcp->last;
	*tcp->last = conn;
	tcp->last = &conn->next;
	tcp->count++;
	return conn;
}

struct tcp *memory_tcp_new(struct memory_net *net, const struct tcp_ops *ops, void *owner)
{
	struct tcp *tcp = need(calloc(1, sizeof(*tcp)));

	tcp->net = net;
	tcp->ops = ops;
	tcp->owner = owner;
	tcp->last = &tcp->first;
	return tcp;
}

/* The switch's side is over. */
static void conn_end(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	conn->dead = true;
	if (conn->peer != NULL)
		conn->peer->conn = NULL;
	*conn->prev = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	else
		tcp->last = conn->prev;
	tcp->count--;
	conn->next = tcp->closed;
	tcp->closed = conn;
}

static void free_closed(struct tcp *tcp)
{
	struct tcp_conn *conn;

	while ((conn = tcp->closed) != NULL) {
		tcp->closed = conn->next;
		free(conn);
	}
}

void tcp_free(struct tcp *tcp)
{
	if (tcp == NULL)
		return;
	while (tcp->first != NULL)
		tcp_close(tcp->first);
	free_closed(tcp);
	free(tcp->turn);
	free(tcp);
}

/* ---- what the test does ---- */

struct memory_peer *memory_dial(struct tcp *to)
{
	struct memory_peer *peer = peer_new(to->net);

	peer->dialled = peer->decided = true;
	conn_new(to, peer)->accepting = true;
	return peer;
}

struct memory_peer *memory_next_connect(struct memory_net *net)
{
	struct memory_peer *peer;

	for (peer = net->first; peer != NULL; peer = peer->next)
		if (!peer->decided && peer->conn != NULL)
			return peer;
	return NULL;
}

const char *memory_host(const struct memory_peer *peer)
{
	return peer->host;
}

uint16_t memory_port(const struct memory_peer *peer)
{
	return peer->port;
}

void memory_connect_done(struct memory_peer *peer)
{
	peer->decided = true;
}

void memory_connect_failed(struct memory_peer *peer, int error)
{
	peer->decided = true;
	peer->connect_error = error;
}

void memory_connect_refuse(struct memory_net *net, int error)
{
	net->refuse = error;
}

void memory_close(struct memory_peer *peer)
{
	peer->closed = peer->half_closed = true;
	drop(&peer->out, held(&peer->out));
}

void memory_shutdown(struct memory_peer *peer)
{
	peer->half_closed = true;
}

void memory_reset(struct memory_peer *peer)
{
	peer->closed = peer->half_closed = peer->reset = true;
	drop(&peer->in, held(&peer->in));
	drop(&peer->out, held(&peer->out));
}

void memory_write(struct memory_peer *peer, const void *octets, size_t len)
{
	if (!peer->half_closed)
		put(&peer->in, octets, len);
}

size_t memory_unread(const struct memory_peer *peer)
{
	return held(&peer->in);
}

void memory_let_read(struct memory_peer *peer, size_t octets)
{
	peer->may_read = octets;
}

void memory_read_limit(struct memory_peer *peer, size_t octets)
{
	peer->read_limit = octets;
}

struct span memory_sent(const struct memory_peer *peer)
{
	if (held(&peer->out) == 0)
		return SPAN_LITERAL(""); /* there may be no memory to point into yet */
	return span_make(peer->out.octets + peer->out.start, held(&peer->out));
}

void memory_take(struct memory_peer *peer, size_t octets)
{
	drop(&peer->out, octets);
}

void memory_window(struct memory_peer *peer, size_t octets)
{
	peer->window = octets;
}

void memory_send_limit(struct memory_peer *peer, size_t octets)
{
	peer->send_limit = octets;
}

bool memory_closed_by_switch(const struct memory_peer *peer)
{
	return peer->ended_by_switch;
}

bool memory_accepted(const struct memory_peer *peer)
{
	return peer->accepted;
}

bool memory_paused(const struct memory_peer *peer)
{
	return peer->conn != NULL && peer->conn->paused;
}

/* ---- events ---- */

static size_t readable(const struct memory_peer *peer)
{
	size_t n = held(&peer->in);

	n = n < peer->may_read ? n : peer->may_read;
	return n < peer->read_limit ? n : peer->read_limit;
}

static bool at_end(const struct memory_peer *peer)
{
	return peer->half_closed && held(&peer->in) == 0 && peer->may_read > 0;
}

static size_t writable(const struct memory_peer *peer)
{
	size_t n;

	if (peer->closed)
		return MEMORY_NO_LIMIT; /* taken, and thrown away */
	n = peer->window > held(&peer->out) ? peer->window - held(&peer->out) : 0;
	return n < peer->send_limit ? n : peer->send_limit;
}

static bool has_event(const struct tcp_conn *conn)
{
	const struct memory_peer *peer = conn->peer;

	if (peer == NULL || conn->accepting)
		return true;
	if (conn->connecting)
		return peer->decided;
	return peer->reset || (conn->wants_writable && writable(peer) > 0) ||
	       (!conn->paused && (readable(peer) > 0 || at_end(peer)));
}

static void lost(struct tcp_conn *conn, int reason)
{
	struct tcp *tcp = conn->tcp;
	void *user = conn->user;

	conn_end(conn);
	tcp->ops->closed(user, reason);
}

static void do_read(struct tcp_conn *conn)
{
	const struct tcp_ops *ops = conn->tcp->ops;
	struct memory_peer *peer = conn->peer;
	size_t size, n;
	void *into;
	unsigned i;

	for (i = 0; i < READS_MAX && !conn->dead; i++) {
		into = ops->receive_into(conn->user, &size);
		if (into == NULL) {
			conn->paused = true;
			return;
		}
		n = readable(peer);
		if (n == 0) {
			if (at_end(peer))
				lost(conn, 0);
			return;
		}
		n = n < size ? n : size;
		memcpy(into, peer->in.octets + peer->in.start, n);
		drop(&peer->in, n);
		if (peer->may_read != MEMORY_NO_LIMIT)
			peer->may_read -= n;
		ops->received(conn->user, n);
		if (n < size || n == peer->read_limit)
			return; /* it was all there was */
	}
}

static void do_event(struct tcp_conn *conn)
{
	struct memory_peer *peer = conn->peer;
	const struct tcp_ops *ops = conn->tcp->ops;

	if (conn->accepting) {
		conn->accepting = false;
		conn->user = conn->tcp->deaf ? NULL : ops->accepted(conn->tcp->owner, conn);
		if (conn->user == NULL)
			tcp_close(conn);
		else if (peer != NULL)
			peer->accepted = true;
		return; /* what was written is read at the next poll */
	}
	if (peer == NULL || peer->reset) {
		lost(conn, -ECONNRESET);
		return;
	}
	if (conn->connecting) {
		if (peer->connect_error != 0) {
			lost(conn, peer->connect_error);
			return;
		}
		conn->connecting = false;
		peer->accepted = true;
		ops->connected(conn->user);
		return;
	}
	if (conn->wants_writable && writable(peer) > 0) {
		conn->wants_writable = false;
		ops->writable(conn->user);
	}
	if (!conn->dead && !conn->paused && (readable(peer) > 0 || at_end(peer)))
		do_read(conn);
}

void tcp_wait(struct tcp *tcp, int timeout_ms)
{
	(void)tcp; /* time is the test's */
	(void)timeout_ms;
}

/* Those there are now, in their order: a callback may end any of them, and their records stay until
 * the end of the poll. */
void tcp_poll(struct tcp *tcp)
{
	struct tcp_conn *conn;
	unsigned count = tcp->count, i;

	if (count > tcp->turn_room) {
		tcp->turn_room = count * 2;
		tcp->turn = need(realloc(tcp->turn, tcp->turn_room * sizeof(*tcp->turn)));
	}
	for (i = 0, conn = tcp->first; conn != NULL; conn = conn->next)
		tcp->turn[i++] = conn;
	for (i = 0; i < count; i++) {
		conn = tcp->turn[(i + tcp->begin_with) % count];
		if (!conn->dead && has_event(conn))
			do_event(conn);
	}
	free_closed(tcp);
}

void memory_begin_with(struct tcp *tcp, unsigned index)
{
	tcp->begin_with = index;
}

bool memory_has_events(const struct tcp *tcp)
{
	const struct tcp_conn *conn;

	for (conn = tcp->first; conn != NULL; conn = conn->next)
		if (has_event(conn))
			return true;
	return false;
}

unsigned memory_connections(const struct tcp *tcp)
{
	return tcp->count;
}

/* ---- what the switch does ---- */

long tcp_send(struct tcp_conn *conn, const struct iovec *spans, int count)
{
	struct memory_peer *peer = conn->peer;
	size_t wanted = 0, taken = 0, space, n;
	int i;

	if (conn->dead || peer == NULL || peer->reset)
		return -EPIPE;
	if (conn->connecting)
		return 0;
	space = writable(peer);
	for (i = 0; i < count; i++) {
		wanted += spans[i].iov_len;
		n = space - taken < spans[i].iov_len ? space - taken : spans[i].iov_len;
		if (!peer->closed)
			put(&peer->out, spans[i].iov_base, n);
		taken += n;
	}
	if (taken < wanted)
		conn->wants_writable = true;
	return (long)taken;
}

void tcp_resume(struct tcp_conn *conn)
{
	conn->paused = false;
}

void tcp_close(struct tcp_conn *conn)
{
	if (conn->dead)
		return;
	if (conn->peer != NULL)
		conn->peer->ended_by_switch = true;
	conn_end(conn);
}

int tcp_connect(struct tcp *tcp, const char *host, uint16_t port, void *user, struct tcp_conn **out)
{
	struct memory_peer *peer;

	if (tcp->net->refuse != 0)
		return tcp->net->refuse;
	peer = peer_new(tcp->net);
	strncpy(peer->host, host, sizeof(peer->host) - 1);
	peer->port = port;
	*out = conn_new(tcp, peer);
	(*out)->connecting = true;
	(*out)->user = user;
	return 0;
}

/* What was sent is the peer's at once: nobody has to be waited for. */
unsigned tcp_closing(const struct tcp *tcp)
{
	return 0;
}

void tcp_listen_end(struct tcp *tcp)
{
	tcp->deaf = true;
}
