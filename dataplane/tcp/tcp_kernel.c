/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_kernel: tcp.h on kernel sockets. epoll, level-triggered; interest in reading and writing is
 * changed only when it changes. */
#include "dataplane/tcp/tcp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX     256
#define READS_MAX      4            /* reads of one connection in one poll */
#define SNDBUF_OCTETS  (512 * 1024) /* bounded, so that the backlog sees what is waiting */
#define NOTSENT_OCTETS (64 * 1024)  /* and responses are not stuck behind megabytes */
#define ACCEPTS_MAX    64
#define BACKLOG        4096
#define DRAINS_MAX     16   /* reads of what a peer still sent, when its connection is closed */
#define CLOSING_MAX    256  /* closed connections that wait for their peers */
#define CLOSING_MS     1000 /* for so long */
#define OFF_MS         100  /* without listeners after running out of descriptors */

struct tcp_conn {
	struct tcp *tcp;
	union {
		void *user;
		struct tcp_conn **prev; /* `closing` */
	};
	struct tcp_conn
		*next; /* free list, or list of those closed while events were being handled */
	int fd;
	uint32_t closed_ms; /* `closing` */
	uint32_t interest;  /* EPOLLIN, EPOLLOUT as registered */
	bool connecting;
	bool paused;
	bool closing; /* dead, but its peer has not closed */
	bool dead; /* closed; the record is kept until the end of the poll, as an event may still point here */
};

struct tcp {
	const struct tcp_ops *ops;
	void *owner;
	int epoll_fd, wake_fds[2];
	int *listeners;
	unsigned listener_count;
	uint64_t off_since_ms;
	int keepalive_s;
	bool listeners_off; /* out of descriptors: not asked again until a connection closes */
	struct tcp_conn *conns, *free_list, *closed_list;
	struct tcp_conn *closing, **closing_last; /* oldest first */
	unsigned closing_count;
	bool borrowed; /* conns are the owner's memory */
	uint32_t count;
	uint32_t fresh, max_connections;       /* records used at least once, and in all */
	struct epoll_event events[EVENTS_MAX]; /* of the last tcp_wait */
	int event_count;
};

/* epoll's data: a pointer to a tcp_conn, or one of these. */
#define WAKE_MARK     ((char *)1) /* 1 and 3 */
#define LISTENER_MARK ((char *)4) /* + 2 * index */

static uint64_t coarse_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static socklen_t address_fill(struct sockaddr_storage *at, const char *host, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)at;

	memset(at, 0, sizeof(*at));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	return 0;
}

static int listen_at(const char *host, uint16_t *port, bool shared, int *fd)
{
	struct sockaddr_storage at;
	socklen_t len = address_fill(&at, host, *port);
	int on = 1, error;

	if (len == 0)
		return -EINVAL;
	*fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((shared && setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
		bind(*fd, (struct sockaddr *)&at, len) < 0 || listen(*fd, BACKLOG) < 0) {
		error = -errno;
		close(*fd);
		return error;
	}
	len = sizeof(at);
	getsockname(*fd, (struct sockaddr *)&at, &len);
	*port = ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
					      : ((struct sockaddr_in6 *)&at)->sin6_port);
	return 0;
}

int tcp_kernel_listen(const char *host, uint16_t *port, int *fd)
{
	return listen_at(host, port, true, fd);
}

int tcp_kernel_probe(const char *host, uint16_t port)
{
	int fd, result = listen_at(host, &port, false, &fd);

	if (result == 0)
		close(fd);
	return result;
}

static int watch(struct tcp *tcp, int fd, void *mark, uint32_t interest)
{
	struct epoll_event event = { .events = interest, .data.ptr = mark };

	return epoll_ctl(tcp->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void set_interest(struct tcp_conn *conn, uint32_t interest)
{
	struct epoll_event event = { .events = interest, .data.ptr = conn };

	if (interest == conn->interest || conn->dead)
		return;
	conn->interest = interest;
	epoll_ctl(conn->tcp->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
}

size_t tcp_kernel_octets(void)
{
	return sizeof(struct tcp_conn);
}

int tcp_kernel_new(struct tcp **out, const struct tcp_kernel_settings *settings,
	const struct tcp_ops *ops, void *owner)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));
	int result = -ENOMEM;
	unsigned i;

	if (tcp == NULL)
		return -ENOMEM;
	tcp->ops = ops;
	tcp->owner = owner;
	tcp->keepalive_s = (int)settings->keepalive_s;
	tcp->closing_last = &tcp->closing;
	memcpy(tcp->wake_fds, settings->wake_fds, sizeof(tcp->wake_fds));
	tcp->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	tcp->borrowed = settings->memory != NULL;
	tcp->conns = settings->memory;
	if (!tcp->borrowed)
		tcp->conns = calloc(settings->max_connections, sizeof(*tcp->conns));
	tcp->listeners = calloc(settings->listener_count + 1, sizeof(int));
	if (tcp->epoll_fd < 0 || tcp->conns == NULL || tcp->listeners == NULL)
		goto fail;
	tcp->max_connections = settings->max_connections;
	result = watch(tcp, tcp->wake_fds[0], WAKE_MARK, EPOLLIN);
	if (result == 0)
		result = watch(tcp, tcp->wake_fds[1], WAKE_MARK + 2, EPOLLIN);
	for (i = 0; result == 0 && i < settings->listener_count; i++) {
		tcp->listeners[i] = settings->listeners[i];
		tcp->listener_count++;
		result = watch(tcp, tcp->listeners[i], LISTENER_MARK + 2 * i, EPOLLIN);
	}
	if (result == 0) {
		*out = tcp;
		return 0;
	}
fail:
	tcp_free(tcp);
	return result;
}

void tcp_free(struct tcp *tcp)
{
	struct tcp_conn *conn;
	unsigned i;

	if (tcp == NULL)
		return;
	/* Live connections are not on a list of their own: a record in use has a tcp. */
	for (i = 0; tcp->conns != NULL && tcp->count > 0; i++) {
		conn = &tcp->conns[i];
		if (conn->tcp != NULL && (!conn->dead || conn->closing)) {
			close(conn->fd);
			tcp->count--;
		}
	}
	for (i = 0; i < tcp->listener_count; i++)
		if (tcp->listeners[i] >= 0)
			close(tcp->listeners[i]);
	if (tcp->epoll_fd >= 0)
		close(tcp->epoll_fd);
	free(tcp->listeners);
	if (!tcp->borrowed)
		free(tcp->conns);
	free(tcp);
}

static struct tcp_conn *conn_new(struct tcp *tcp, int fd)
{
	struct tcp_conn *conn = tcp->free_list;
	int on = 1, sndbuf = SNDBUF_OCTETS, notsent = NOTSENT_OCTETS;

	if (conn != NULL)
		tcp->free_list = conn->next;
	else if (tcp->fresh < tcp->max_connections)
		conn = &tcp->conns[tcp->fresh++];
	else
		return NULL;
	*conn = (struct tcp_conn){ .tcp = tcp, .fd = fd };
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
	if (tcp->keepalive_s > 0) {
		/* A peer that vanished without a word would keep its session for ever. A user
		 * timeout is not set: it would also end those who are merely slow, and about those
		 * backlog decides. */
		int interval = (tcp->keepalive_s + 5) / 6, probes = 3;

		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &tcp->keepalive_s, sizeof(int));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	}
	tcp->count++;
	return conn;
}

static void listeners_on(struct tcp *tcp)
{
	unsigned i;

	tcp->listeners_off = false;
	for (i = 0; i < tcp->listener_count; i++)
		(void)watch(tcp, tcp->listeners[i], LISTENER_MARK + 2 * i, EPOLLIN);
}

/* With input unread the kernel would reset the connection, and the peer could lose the last
 * answers. So it is told that nothing more comes, and what it still sends is dropped until it has
 * closed too. True: there is nothing to wait for. */
static bool drain(int fd)
{
	char octets[16384];
	unsigned i;
	ssize_t n;

	for (i = 0; i < DRAINS_MAX; i++) {
		n = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0)
			return true;
	}
	return false;
}

static void conn_end(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	close(conn->fd);
	tcp->count--;
	conn->next = tcp->closed_list;
	tcp->closed_list = conn;
	if (tcp->listeners_off)
		listeners_on(tcp);
}

static void closing_end(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	conn->closing = false;
	*conn->prev = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	else
		tcp->closing_last = conn->prev;
	tcp->closing_count--;
	conn_end(conn);
}

static void closing_begin(struct tcp_conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
	struct tcp *tcp = conn->tcp;

	if (tcp->closing_count == CLOSING_MAX)
		closing_end(tcp->closing);
	conn->closing = true;
	conn->closed_ms = (uint32_t)coarse_ms();
	conn->next = NULL;
	conn->prev = tcp->closing_last;
	*tcp->closing_last = conn;
	tcp->closing_last = &conn->next;
	tcp->closing_count++;
	epoll_ctl(tcp->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
}

void tcp_close(struct tcp_conn *conn)
{
	if (conn->dead)
		return;
	conn->dead = true;
	if (conn->connecting || shutdown(conn->fd, SHUT_WR) < 0 || drain(conn->fd))
		conn_end(conn);
	else
		closing_begin(conn);
}

unsigned tcp_closing(const struct tcp *tcp)
{
	return tcp->closing_count;
}

void tcp_listen_end(struct tcp *tcp)
{
	unsigned i;

	/* Their places stay: an event that was found already names one. */
	for (i = 0; i < tcp->listener_count; i++) {
		if (tcp->listeners[i] >= 0)
			close(tcp->listeners[i]);
		tcp->listeners[i] = -1;
	}
}

static void conn_lost(struct tcp_conn *conn, int reason)
{
	struct tcp *tcp = conn->tcp;
	void *user = conn->user;

	if (conn->dead)
		return;
	tcp_close(conn);
	tcp->ops->closed(user, reason);
}

static void do_accept(struct tcp *tcp, unsigned listener)
{
	struct tcp_conn *conn;
	unsigned i;
	int fd;

	for (i = 0; i < ACCEPTS_MAX; i++) {
		fd = accept4(tcp->listeners[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			/* The kernel wants a descriptor before it looks whether anybody waits: epoll
			 * knows that somebody did, once. */
			if (i == 0 && (errno == EMFILE || errno == ENFILE)) {
				/* What only waits for its peer to close goes first. */
				if (tcp->closing != NULL) {
					closing_end(tcp->closing);
					continue;
				}
				if (tcp->ops->crowded(tcp->owner))
					continue;
				/* Level-triggered: asking again at once would spin. The peers wait
				 * in the kernel's queue until one of ours goes. */
				tcp->listeners_off = true;
				tcp->off_since_ms = coarse_ms();
				for (i = 0; i < tcp->listener_count; i++)
					epoll_ctl(tcp->epoll_fd, EPOLL_CTL_DEL, tcp->listeners[i],
						NULL);
			}
			return;
		}
		conn = conn_new(tcp, fd);
		if (conn == NULL) {
			close(fd);
			continue;
		}
		conn->user = tcp->ops->accepted(tcp->owner, conn);
		if (conn->user == NULL) {
			tcp_close(conn);
			continue;
		}
		conn->interest = EPOLLIN;
		if (watch(tcp, fd, conn, EPOLLIN) != 0)
			conn_lost(conn, -ENOBUFS);
	}
}

static void do_read(struct tcp_conn *conn)
{
	const struct tcp_ops *ops = conn->tcp->ops;
	size_t size;
	ssize_t n;
	void *into;
	unsigned i;

	for (i = 0; i < READS_MAX && !conn->dead; i++) {
		into = ops->receive_into(conn->user, &size);
		if (into == NULL) {
			conn->paused = true;
			set_interest(conn, conn->interest & ~(uint32_t)EPOLLIN);
			return;
		}
		n = recv(conn->fd, into, size, 0);
		if (n > 0) {
			ops->received(conn->user, (size_t)n);
			if ((size_t)n < size)
				return; /* it was all there was */
		} else if (n == 0) {
			conn_lost(conn, 0);
		} else if (errno == EAGAIN || errno == EINTR) {
			return;
		} else {
			conn_lost(conn, -errno);
		}
	}
}

static void do_connected(struct tcp_conn *conn)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		conn_lost(conn, -error);
		return;
	}
	conn->connecting = false;
	set_interest(conn, EPOLLIN);
	conn->tcp->ops->connected(conn->user);
}

static void do_event(struct tcp_conn *conn, uint32_t events)
{
	if (conn->closing && drain(conn->fd))
		closing_end(conn);
	if (conn->dead)
		return;
	if (conn->connecting) {
		do_connected(conn);
		return;
	}
	if (events & EPOLLOUT) {
		set_interest(conn, conn->interest & ~(uint32_t)EPOLLOUT);
		conn->tcp->ops->writable(conn->user);
	}
	if (conn->dead)
		return;
	if (events & EPOLLIN)
		do_read(conn);
	else if (events & (EPOLLERR | EPOLLHUP))
		conn_lost(conn, -EPIPE); /* also while paused: nobody is there to wait for */
}

void tcp_wait(struct tcp *tcp, int timeout_ms)
{
	int n;

	/* Descriptors may be free again that are not ours to notice. */
	if (tcp->listeners_off && coarse_ms() - tcp->off_since_ms >= OFF_MS)
		listeners_on(tcp);
	while (tcp->closing != NULL &&
		(uint32_t)coarse_ms() - tcp->closing->closed_ms >= CLOSING_MS)
		closing_end(tcp->closing);
	n = epoll_wait(tcp->epoll_fd, tcp->events, EVENTS_MAX, timeout_ms);

	tcp->event_count = n > 0 ? n : 0;
}

void tcp_poll(struct tcp *tcp)
{
	struct tcp_conn *conn;
	int i;

	for (i = 0; i < tcp->event_count; i++) {
		struct epoll_event *event = &tcp->events[i];
		uintptr_t mark = (uintptr_t)event->data.ptr;

		if (mark == 1 || mark == 3)
			tcp->ops->woken(tcp->owner, tcp->wake_fds[mark / 2]);
		else if (mark >= 4 && mark < 4 + 2 * (uintptr_t)tcp->listener_count)
			do_accept(tcp, (unsigned)(mark - 4) / 2);
		else
			do_event(event->data.ptr, event->events);
	}
	tcp->event_count = 0;
	while ((conn = tcp->closed_list) != NULL) {
		tcp->closed_list = conn->next;
		conn->tcp = NULL;
		conn->next = tcp->free_list;
		tcp->free_list = conn;
	}
}

long tcp_send(struct tcp_conn *conn, const struct iovec *spans, int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)spans, .msg_iovlen = (size_t)count };
	size_t wanted = 0;
	ssize_t n;
	int i;

	if (conn->dead)
		return -EPIPE;
	if (conn->connecting)
		return 0; /* connected() comes */
	for (i = 0; i < count; i++)
		wanted += spans[i].iov_len;
	/* Most writes are one span, and send() spares the kernel the reading of two structs. */
	n = count == 1 ? send(conn->fd, spans[0].iov_base, spans[0].iov_len, MSG_NOSIGNAL)
		       : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM)
			return -EPIPE; /* EPOLLERR or EPOLLHUP reports it */
		n = 0;
	}
	if ((size_t)n < wanted)
		set_interest(conn, conn->interest | EPOLLOUT);
	return n;
}

void tcp_resume(struct tcp_conn *conn)
{
	if (conn->paused && !conn->dead) {
		conn->paused = false;
		set_interest(conn, conn->interest | EPOLLIN);
	}
}

int tcp_connect(struct tcp *tcp, const char *host, uint16_t port, void *user, struct tcp_conn **out)
{
	struct sockaddr_storage to;
	socklen_t len = address_fill(&to, host, port);
	struct tcp_conn *conn;
	int fd, result;

	if (len == 0)
		return -EINVAL;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -ENOBUFS;
	if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		result = -errno;
		close(fd);
		return result;
	}
	conn = conn_new(tcp, fd);
	if (conn == NULL) {
		close(fd);
		return -ENOBUFS;
	}
	conn->user = user;
	conn->connecting = true;
	conn->interest = EPOLLOUT;
	result = watch(tcp, fd, conn, EPOLLOUT);
	if (result != 0) {
		tcp_close(conn);
		return result;
	}
	*out = conn;
	return 0;
}
