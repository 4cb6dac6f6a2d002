/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp: connections of one worker, whoever carries them: kernel sockets (tcp_kernel), later our own
 * TCP on DPDK ports.
 *
 * Place:    below connection.[ch]; the only thing that knows what a socket is.
 * Threads:  one struct tcp per worker, used by that worker only. Connections never move.
 * Memory:   a tcp_conn is the transport's, from its own pool; it is void after closed() or
 *           tcp_close. Received octets go straight into the user's buffer, asked for at each read:
 *           an idle connection holds none. Octets given to tcp_send are borrowed for the call.
 */
#ifndef DATAPLANE_TCP_TCP_H
#define DATAPLANE_TCP_TCP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "include/result.h"

struct tcp;
struct tcp_conn;

/* What the user of a connection does. `user` is what accepted() or tcp_connect was given. */
struct tcp_ops {
	/* A peer connected: the user's object for it, or NULL to close it at once. */
	void *(*accepted)(void *owner, struct tcp_conn *conn);
	/* Our connect succeeded. A failure is closed(). */
	void (*connected)(void *user);
	/* Where the next octets go; NULL: not now, reading stops until tcp_resume. */
	void *(*receive_into)(void *user, size_t *size);
	void (*received)(void *user, size_t octets);
	/* tcp_send took less than it was given, and now more fits. */
	void (*writable)(void *user);
	/* The peer closed (0), or an error (-errno). The tcp_conn is void after this call. */
	void (*closed)(void *user, int reason);
	/* A wake descriptor is readable: drain it. */
	void (*woken)(void *owner, int fd);
	/* Somebody connects and there is no descriptor left: true: the user has closed one of its
	 * connections. */
	bool (*crowded)(void *owner);
};

/* Waits at most timeout_ms (0: not at all, -1: for ever) until a connection or a wake descriptor
 * has something. */
void tcp_wait(struct tcp *tcp, int timeout_ms);
/* Handles what the last tcp_wait found. Each connection is read a few times at most, so that no
 * sender starves the others. Apart from waiting, so that the clock is read between the two. */
void tcp_poll(struct tcp *tcp);

/* Octets taken, 0..sum; less than the sum: writable() follows. -EPIPE: the connection is broken;
 * closed() follows. */
must_check long tcp_send(struct tcp_conn *conn, const struct iovec *spans, int count);

void tcp_resume(struct tcp_conn *conn); /* after receive_into gave NULL */
/* What was taken is still sent, what still comes is dropped; no callback follows. */
void tcp_close(struct tcp_conn *conn);
/* Connections that were closed here, and whose peers may not have taken the last octets yet. */
unsigned tcp_closing(const struct tcp *tcp);
/* No further connection is accepted. */
void tcp_listen_end(struct tcp *tcp);

/* host: an IP literal. -EINVAL, -ENOBUFS, or the system's refusal. */
must_check int tcp_connect(
	struct tcp *tcp, const char *host, uint16_t port, void *user, struct tcp_conn **out);

/* tcp_kernel: epoll and SO_REUSEPORT, one listener per worker and address. */
struct tcp_kernel_settings {
	const int *listeners; /* listening sockets of this worker, owned by the tcp from now on */
	unsigned listener_count;
	int wake_fds[2]; /* borrowed */
	uint32_t max_connections;
	unsigned keepalive_s; /* a silent connection is probed after so long; 0: never */
	void *memory; /* max_connections * tcp_kernel_octets() octets, zero-filled, borrowed; NULL: the heap's */
};
/* Of the record of one connection. */
size_t tcp_kernel_octets(void);
must_check int tcp_kernel_new(struct tcp **out, const struct tcp_kernel_settings *settings,
	const struct tcp_ops *ops, void *owner);
void tcp_free(struct tcp *tcp); /* closes everything without callbacks */

/* A listening socket for one worker; every worker makes its own on the same address. *port gets the
 * port when it was 0. Results -errno as the system gives them (-EADDRINUSE). */
must_check int tcp_kernel_listen(const char *host, uint16_t *port, int *fd);
/* Does anybody listen there already? SO_REUSEPORT would let a second switch share the port in
 * silence. 0: free. */
must_check int tcp_kernel_probe(const char *host, uint16_t port);
#endif
