/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's side of stress_border: attach.c in the main thread, workers that check every
 * command, answer it, and from time to time have events of their own to tell, as a worker with a
 * dirty list has. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "dataplane/attach.h"
#include "include/log.h"
#include "tests/stress/border_stress.h"

#define SERVE_BATCH       64
#define OWED_EVERY        3000 /* commands after which a worker has OWED_MANY events of its own */
#define OWED_MANY         400
#define EVENT_ROOM_NEEDED (sizeof(struct switch_event) + SWITCH_TEXT_MAX)

/* What the main thread tells a worker about a slot; the worker takes it, and says so by counting
 * down. */
enum mail_kind { MAIL_NONE, MAIL_ATTACH, MAIL_DETACH };

struct mail {
	enum mail_kind kind;
	uint32_t name;
	struct attachment_end end;
};

/* A worker's view of one controller. */
struct line {
	bool active, drained;
	uint32_t name;
	struct attachment_end end;
	uint64_t commands, events; /* next sequence of each */
	uint64_t owed;             /* events of our own not told yet */
	uint64_t drain_cookie;
	bool draining;
};

struct stress_worker {
	struct board *board;
	struct owner *owner;
	uint32_t index;
	int border_fd; /* written by controllers */
	int mail_fd;   /* written by the main thread: never by who could be hostile */
	uint64_t random;
	pthread_t thread;
	pthread_mutex_t lock; /* of mail and stop */
	struct mail mail[BORDER_CONTROLLERS_MAX];
	bool stop;
	struct line lines[BORDER_CONTROLLERS_MAX];
	struct command_record expected;
	struct event_record event;
	_Alignas(64) uint8_t record[RING_RECORD_MAX];
};

struct owner {
	struct board *board;
	struct attach *attach;
	int main_fd; /* a worker took its mail */
	enum mail_kind under_way[BORDER_CONTROLLERS_MAX];
	_Atomic uint32_t missing[BORDER_CONTROLLERS_MAX]; /* workers that have not taken theirs */
	struct stress_worker workers[BORDER_WORKERS_MAX];
};

static void poke(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* full is as good */
}

static void line_emit(struct stress_worker *w, struct line *line, unsigned type, uint64_t cookie)
{
	struct record_key key = { line->name, line->end.epoch, w->index, line->events++ };
	uint32_t len = traffic_event(&w->event, &key, type, cookie);

	if (ring_put(&line->end.events, &w->event, sizeof(w->event.event), w->event.text,
		    len - sizeof(w->event.event)) != 0)
		stress_fail("worker %u: no room for an event although there was", w->index);
}

static void command_check(struct stress_worker *w, struct line *line, size_t len)
{
	struct record_key key = { line->name, line->end.epoch, w->index, line->commands };
	const struct switch_cmd *cmd = (const void *)w->record;
	uint32_t expected;

	expected = traffic_command(&w->expected, &key, cmd->type);
	if (len != expected || memcmp(w->record, &w->expected, len) != 0)
		stress_fail(
			"worker %u name %s epoch %u: command %llu is not as it was sent: length %zu of %u, "
			"cookie %llu, epoch %u",
			w->index, controller_names[line->name], line->end.epoch,
			(unsigned long long)line->commands, len, expected,
			(unsigned long long)cmd->cookie, cmd->object.generation);
	line->commands++;
	atomic_fetch_add_explicit(&w->board->commands[line->name], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->board->octets, cmd->text_len, memory_order_relaxed);
	if (line->commands % OWED_EVERY == 0)
		line->owed += OWED_MANY;
	if (cmd->type == CMD_DRAIN) {
		line->draining = true;
		line->drain_cookie = cmd->cookie;
	} else {
		line_emit(w, line, EVENT_ANSWER, cmd->cookie);
	}
}

static bool line_has_room(struct line *line)
{
	return ring_room(&line->end.events) >= EVENT_ROOM_NEEDED;
}

/* One turn of one controller. True when there was something to do. */
static bool line_serve(struct stress_worker *w, struct line *line)
{
	unsigned done = 0;

	while (done < SERVE_BATCH && line_has_room(line)) {
		int len = 0;

		if (line->owed > 0) {
			line->owed--;
			line_emit(w, line, EVENT_ROOM, 0);
		} else if (line->draining && !line->drained) {
			line->drained = true;
			line_emit(w, line, EVENT_SNAPSHOT_END, line->drain_cookie);
		} else {
			len = ring_get(&line->end.commands, w->record);
			if (len == 0)
				break;
			if (len < (int)sizeof(struct switch_cmd))
				stress_fail("worker %u: command ring says %d", w->index, len);
			command_check(w, line, (size_t)len);
		}
		done++;
	}
	if (ring_flush(&line->end.events))
		poke(line->end.controller_fd);
	if (ring_release(&line->end.commands))
		poke(line->end.controller_fd);
	if (line->end.events.broken)
		stress_fail("worker %u: event ring broken", w->index);
	return done > 0;
}

/* Without room for an event nothing can be done, and whoever makes room wakes us. */
static bool line_may_sleep(struct stress_worker *w, struct line *line, bool *starved)
{
	if (!line_has_room(line)) {
		atomic_fetch_add_explicit(&w->board->events_full, 1, memory_order_relaxed);
		*starved = true;
		return true;
	}
	return line->owed == 0 && line->draining == line->drained &&
	       ring_may_sleep(&line->end.commands);
}

static bool worker_may_sleep(struct stress_worker *w, bool *starved)
{
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++)
		if (w->lines[s].active && !line_may_sleep(w, &w->lines[s], starved))
			return false;
	return true;
}

static void worker_awake(struct stress_worker *w)
{
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++)
		if (w->lines[s].active)
			ring_awake(&w->lines[s].end.commands);
}

static void mail_take(struct stress_worker *w, unsigned s)
{
	struct mail *mail = &w->mail[s];

	if (mail->kind == MAIL_NONE)
		return;
	w->lines[s] = (struct line){
		.active = mail->kind == MAIL_ATTACH, .name = mail->name, .end = mail->end
	};
	mail->kind = MAIL_NONE;
	if (atomic_fetch_sub(&w->owner->missing[s], 1) == 1)
		poke(w->owner->main_fd);
}

/* False: stop. */
static bool mail_read(struct stress_worker *w)
{
	bool stop;

	pthread_mutex_lock(&w->lock);
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++)
		mail_take(w, s);
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return !stop;
}

/* False: stop. */
static bool worker_sleep(struct stress_worker *w)
{
	struct pollfd fds[2] = { { .fd = w->border_fd, .events = POLLIN },
		{ .fd = w->mail_fd, .events = POLLIN } };
	bool starved = false;
	uint64_t count;

	if (worker_may_sleep(w, &starved)) {
		atomic_fetch_add_explicit(
			starved ? &w->board->starved_sleeps : &w->board->worker_sleeps, 1,
			memory_order_relaxed);
		poll(fds, 2, -1);
		if (fds[0].revents != 0)
			attach_wake_take(w->border_fd);
	}
	worker_awake(w);
	if (read(w->mail_fd, &count, sizeof(count)) > 0)
		return mail_read(w);
	return true;
}

static void *worker_main(void *arg)
{
	struct stress_worker *w = arg;
	unsigned turns = 0;
	bool busy;

	do {
		busy = false;
		for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++)
			if (w->lines[s].active)
				busy = line_serve(w, &w->lines[s]) || busy;
		/* Also when busy, now and then: mail must not wait for a pause in the traffic. And
		 * a pause of our own, so that command rings run full. */
		if (busy && ++turns % 64 != 0)
			continue;
		if (busy && traffic_random(&w->random) % 16 == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	} while (worker_sleep(w));
	return NULL;
}

static void post(
	struct owner *owner, unsigned slot, enum mail_kind kind, const struct attachment_end *ends)
{
	struct board *board = owner->board;
	uint32_t name = strcmp(attach_name(owner->attach, slot), controller_names[0]) == 0 ? 0 : 1;

	owner->under_way[slot] = kind;
	atomic_store(&owner->missing[slot], board->workers);
	for (uint32_t i = 0; i < board->workers; i++) {
		struct stress_worker *w = &owner->workers[i];

		pthread_mutex_lock(&w->lock);
		w->mail[slot] = (struct mail){ .kind = kind, .name = name };
		if (ends != NULL)
			w->mail[slot].end = ends[i];
		pthread_mutex_unlock(&w->lock);
		poke(w->mail_fd);
	}
}

static void on_attached(void *arg, unsigned slot, const struct attachment_end *ends)
{
	post(arg, slot, MAIL_ATTACH, ends);
}

static void on_detached(void *arg, unsigned slot)
{
	post(arg, slot, MAIL_DETACH, NULL);
}

static bool on_in_use(void *arg, unsigned slot)
{
	return true;
}

/* Changes that every worker has taken. */
static void changes_finish(struct owner *owner)
{
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++) {
		enum mail_kind kind = owner->under_way[s];

		if (kind == MAIL_NONE || atomic_load(&owner->missing[s]) != 0)
			continue;
		owner->under_way[s] = MAIL_NONE;
		if (kind == MAIL_ATTACH) {
			atomic_fetch_add(&owner->board->attachments, 1);
			attach_ready(owner->attach, s);
		} else {
			atomic_fetch_add(&owner->board->detachments, 1);
			attach_released(owner->attach, s);
		}
	}
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void main_loop(struct owner *owner)
{
	int fds[ATTACH_FDS_MAX];
	struct pollfd polls[ATTACH_FDS_MAX + 1];
	uint64_t count;

	while (!atomic_load(&owner->board->stop)) {
		unsigned many = attach_wait_on(owner->attach, fds, ATTACH_FDS_MAX);

		for (unsigned i = 0; i < many; i++)
			polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		polls[many] = (struct pollfd){ .fd = owner->main_fd, .events = POLLIN };
		poll(polls, many + 1, 50); /* for board->stop */
		if (polls[many].revents != 0)
			(void)!read(owner->main_fd, &count, sizeof(count));
		attach_poll(owner->attach, now_ms());
		changes_finish(owner);
	}
}

void stress_switch(struct board *board, uint64_t seed)
{
	static const struct attach_ops ops = { on_attached, on_detached, on_in_use };
	struct owner *owner = aligned_alloc(64, sizeof(*owner));
	int border_fds[BORDER_WORKERS_MAX];
	int r;

	log_level = LOG_ERROR;
	memset(owner, 0, sizeof(*owner));
	owner->board = board;
	owner->main_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (uint32_t i = 0; i < board->workers; i++) {
		struct stress_worker *w = &owner->workers[i];

		w->board = board;
		w->owner = owner;
		w->index = i;
		w->random = seed + i;
		w->border_fd = border_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		w->mail_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		pthread_mutex_init(&w->lock, NULL);
	}
	r = attach_new(&owner->attach, board->path, 1, board->workers, board->ring_size, border_fds,
		&ops, owner);
	if (r < 0)
		stress_fail("attach_new: %s", result_text(r));
	for (uint32_t i = 0; i < board->workers; i++)
		if (pthread_create(
			    &owner->workers[i].thread, NULL, worker_main, &owner->workers[i]) != 0)
			stress_fail("no thread");

	main_loop(owner);

	for (uint32_t i = 0; i < board->workers; i++) {
		struct stress_worker *w = &owner->workers[i];

		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_mutex_unlock(&w->lock);
		poke(w->mail_fd);
		pthread_join(w->thread, NULL);
		pthread_mutex_destroy(&w->lock);
		close(w->border_fd);
		close(w->mail_fd);
	}
	attach_free(owner->attach);
	close(owner->main_fd);
	free(owner);
}
