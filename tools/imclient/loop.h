/* SPDX-License-Identifier: BSD-3-Clause */
/* loop: descriptors and timers of the client, on one epoll descriptor.
 *
 * Place:   under msrp_endpoint, im_session and line. The whole loop is one descriptor (loop_fd)
 *          that becomes readable when there is something to do, so it can be a wait object of
 *          Sofia's loop, and a unit test can turn it alone.
 * Threads: one.
 * Memory:  watches and timers lie in their users' objects; a user takes its own out before it frees
 *          them.
 */
#ifndef TOOLS_IMCLIENT_LOOP_H
#define TOOLS_IMCLIENT_LOOP_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "include/result.h"

struct loop;

struct loop_watch {
	int fd;          /* -1: not watched */
	uint32_t events; /* EPOLLIN, EPOLLOUT; set by loop_watch_set */
	void (*ready)(void *arg, uint32_t events);
	void *arg;
};

struct loop_timer {
	uint64_t due_ms; /* 0: not running */
	void (*fire)(void *arg);
	void *arg;
	struct loop_timer *next;
};

must_check int loop_new(struct loop **out);
void loop_free(struct loop *loop); /* NULL is allowed */
int loop_fd(const struct loop *loop);
uint64_t loop_now_ms(void); /* monotonic */

/* Adds, changes, or with events 0 only silences. -EINVAL: a descriptor that epoll cannot watch (a
 * plain file). */
must_check int loop_watch_set(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_watch_remove(
	struct loop *loop, struct loop_watch *watch); /* the caller closes the descriptor */

void loop_timer_start(
	struct loop *loop, struct loop_timer *timer, uint64_t delay_ms); /* again: moves it */
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* Waits at most wait_ms for something to do and does it. Returns how many callbacks ran. */
unsigned loop_turn(struct loop *loop, int wait_ms);
#endif
