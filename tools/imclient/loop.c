/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/loop.h"
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct loop {
	int epoll_fd;
	int timer_fd;
	struct loop_timer *timers; /* by due_ms; a client has a handful */
};

uint64_t loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	if (loop == NULL)
		return -ENOBUFS;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->epoll_fd < 0 || loop->timer_fd < 0 ||
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0) {
		loop_free(loop);
		return -ENOBUFS;
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	free(loop);
}

int loop_fd(const struct loop *loop)
{
	return loop->epoll_fd;
}

int loop_watch_set(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0 &&
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		return -EINVAL;
	watch->events = events;
	return 0;
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
	if (watch->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->events = 0;
}

static void arm(struct loop *loop)
{
	struct itimerspec when = { 0 };

	if (loop->timers != NULL) {
		uint64_t due = loop->timers->due_ms;

		when.it_value.tv_sec = (time_t)(due / 1000);
		when.it_value.tv_nsec =
			(long)(due % 1000) * 1000000 + 1; /* all zero would disarm */
	}
	timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void unlink_timer(struct loop *loop, struct loop_timer *timer)
{
	for (struct loop_timer **at = &loop->timers; *at != NULL; at = &(*at)->next) {
		if (*at == timer) {
			*at = timer->next;
			break;
		}
	}
	timer->due_ms = 0;
	timer->next = NULL;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	struct loop_timer **at;

	unlink_timer(loop, timer);
	timer->due_ms = loop_now_ms() + delay_ms;
	for (at = &loop->timers; *at != NULL && (*at)->due_ms <= timer->due_ms; at = &(*at)->next)
		;
	timer->next = *at;
	*at = timer;
	arm(loop);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	if (timer->due_ms == 0)
		return;
	unlink_timer(loop, timer);
	arm(loop);
}

static unsigned fire_timers(struct loop *loop)
{
	uint64_t expired, now = loop_now_ms();
	unsigned done = 0;

	if (read(loop->timer_fd, &expired, sizeof(expired)) < 0)
		expired = 0; /* woken for nothing: the list decides anyway */
	/* Only those due now: a timer that starts itself again with no delay must not hold the
	 * loop. */
	while (loop->timers != NULL && loop->timers->due_ms <= now) {
		struct loop_timer *timer = loop->timers;

		unlink_timer(loop, timer);
		timer->fire(timer->arg);
		done++;
	}
	arm(loop);
	return done;
}

/* One event at a time: what a callback removes or frees cannot be pending in a list of ours. */
unsigned loop_turn(struct loop *loop, int wait_ms)
{
	struct epoll_event event;
	unsigned done = 0;

	for (unsigned round = 0; round < 64; round++) {
		struct loop_watch *watch;

		if (epoll_wait(loop->epoll_fd, &event, 1, round == 0 ? wait_ms : 0) < 1)
			break;
		watch = event.data.ptr;
		if (watch == NULL) {
			done += fire_timers(loop);
		} else {
			watch->ready(watch->arg, event.events);
			done++;
		}
	}
	return done;
}
