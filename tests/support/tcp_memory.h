/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_memory: tcp.h on memory, for tests that step workers themselves. No socket, no clock, no
 * randomness: what happens is what the test said, in the order it said it.
 *
 *   net = memory_net_new();
 *   worker->tcp = memory_tcp_new(net, &connection_tcp_ops, worker);    one per worker, each listens
 *   peer = memory_dial(worker->tcp);                 the other end of a connection to that worker
 *   memory_write(peer, octets, len);                 what the switch is to read
 *   worker_step(worker, false);
 *   span = memory_sent(peer); ... memory_take(peer, span.len);         what the switch has sent
 *   worker_fini(worker);  (calls tcp_free)
 *   memory_net_free(net);                            and all peers with it
 *
 * Threads: one.
 * Memory:  a tcp_conn is freed at the end of the poll after its end, so that a sanitizer sees who
 *          uses it too long. A peer lives until memory_net_free (or memory_free).
 * As in the kernel: what the switch was given by one read is less than it had room for only if there
 * was no more; the end of the stream comes after the octets, a reset does not wait for them; what
 * tcp_send took reaches the peer also when the switch closes right after it.
 */
#ifndef TESTS_SUPPORT_TCP_MEMORY_H
#define TESTS_SUPPORT_TCP_MEMORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dataplane/tcp/tcp.h"
#include "include/span.h"

struct memory_net;
struct memory_peer; /* the other end of one connection */

#define MEMORY_NO_LIMIT SIZE_MAX

struct memory_net *memory_net_new(void);
/* The transports (tcp_free) go first. */
void memory_net_free(struct memory_net *net);
struct tcp *memory_tcp_new(struct memory_net *net, const struct tcp_ops *ops, void *owner);

/* ---- connections ---- */

/* To this worker. It is accepted (or closed at once) at its next tcp_poll; octets may be written
 * before. */
struct memory_peer *memory_dial(struct tcp *to);
/* The oldest connect of the switch that nobody has decided about; NULL: none. Its octets come after
 * memory_connect_done. */
struct memory_peer *memory_next_connect(struct memory_net *net);
const char *memory_host(
	const struct memory_peer *peer); /* as tcp_connect was told; "" if dialled */
uint16_t memory_port(const struct memory_peer *peer);
void memory_connect_done(struct memory_peer *peer);
/* error: -ECONNREFUSED, -ETIMEDOUT ... */
void memory_connect_failed(struct memory_peer *peer, int error);
/* From now on tcp_connect itself fails so (0: no longer). */
void memory_connect_refuse(struct memory_net *net, int error);

/* Closes: octets already written are read by the switch, then the end. What the switch sends from
 * now on goes nowhere. */
void memory_close(struct memory_peer *peer);
/* Closes this direction only: what the switch still sends is kept for memory_sent. */
void memory_shutdown(struct memory_peer *peer);
/* Octets not yet read are lost, in both directions. */
void memory_reset(struct memory_peer *peer);
/* As if it had never been; only after the connection is over on both sides. */
void memory_free(struct memory_peer *peer);

/* ---- octets ---- */

void memory_write(struct memory_peer *peer, const void *octets, size_t len);
size_t memory_unread(const struct memory_peer *peer); /* written, and not read by the switch */
/* So many of them may be read from now on, however many are written (0: it looks as if nothing had
 * come; MEMORY_NO_LIMIT, the default: all). Used up by reads. */
void memory_let_read(struct memory_peer *peer, size_t octets);
/* One read gives at most so many (default: no limit), and there is one read in one poll then. */
void memory_read_limit(struct memory_peer *peer, size_t octets);

struct span memory_sent(const struct memory_peer *peer); /* void after the next step of a worker */
void memory_take(struct memory_peer *peer, size_t octets);
/* How many octets the connection takes that memory_take has not taken (default: no limit). 0 stalls
 * it. tcp_send takes what fits, and writable() follows when the test makes room. */
void memory_window(struct memory_peer *peer, size_t octets);
/* One tcp_send takes at most so many (default: no limit); writable() follows at the next poll. */
void memory_send_limit(struct memory_peer *peer, size_t octets);

/* ---- what has become of it ---- */

/* The switch has closed it or refused it; memory_sent may still have octets. */
bool memory_closed_by_switch(const struct memory_peer *peer);
bool memory_accepted(const struct memory_peer *peer); /* or connected */
bool memory_paused(const struct memory_peer *peer);   /* the switch does not read */

/* ---- a worker ---- */

/* The next poll begins with the so-manieth of its connections (default: 0, the oldest) and goes
 * round. Stays so. */
void memory_begin_with(struct tcp *tcp, unsigned index);
/* Would the next poll call anything? */
bool memory_has_events(const struct tcp *tcp);
unsigned memory_connections(const struct tcp *tcp); /* that the switch has not closed */
#endif
