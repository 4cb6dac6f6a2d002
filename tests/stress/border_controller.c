/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller's side of stress_border. It goes through phases: flood (command rings run full),
 * ask and wait (every command's answer is slept for), slow (event rings run full). */
#include <poll.h>
#include <string.h>
#include <time.h>
#include "include/controller.h"
#include "tests/stress/border_stress.h"

#define ATTACH_MS   5000
#define PHASE_TURNS 40

enum phase { PHASE_FLOOD, PHASE_ASK, PHASE_SLOW, PHASE_COUNT };

struct life {
	struct board *board;
	struct controller *c;
	uint32_t name, start;
	uint64_t random;
	bool fenced;
	struct {
		uint64_t commands; /* next sequence */
		uint64_t answers;  /* cookie of the next answer */
		uint64_t events;   /* next sequence */
		bool ended;
	} workers[BORDER_WORKERS_MAX];
	struct command_record command;
	struct event_record expected;
};

static void event_check(void *arg, uint32_t w, const struct switch_event *event, const char *text)
{
	struct life *life = arg;
	struct record_key key = { life->name, controller_epoch(life->c), w,
		life->workers[w].events };
	uint32_t len = traffic_event(&life->expected, &key, event->type, event->cookie);

	if (len != sizeof(*event) + event->text_len ||
		memcmp(event, &life->expected.event, sizeof(*event)) != 0 ||
		memcmp(text, life->expected.text, event->text_len) != 0)
		stress_fail(
			"%s epoch %u worker %u: event %llu is not as it was sent: sequence %llu, epoch %u",
			controller_names[life->name], key.epoch, w,
			(unsigned long long)key.sequence, (unsigned long long)event->revision,
			event->object.generation);
	life->workers[w].events++;
	atomic_fetch_add_explicit(&life->board->events[life->name], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&life->board->octets, event->text_len, memory_order_relaxed);
	if (event->type == EVENT_ROOM)
		return;
	if (event->cookie != life->workers[w].answers)
		stress_fail("%s worker %u: answer to %llu instead of %llu",
			controller_names[life->name], w, (unsigned long long)event->cookie,
			(unsigned long long)life->workers[w].answers);
	life->workers[w].answers++;
	life->workers[w].ended = event->type == EVENT_SNAPSHOT_END;
}

/* False: no room. */
static bool submit(struct life *life, uint32_t w, unsigned type)
{
	struct record_key key = { life->name, controller_epoch(life->c), w,
		life->workers[w].commands };
	int r;

	traffic_command(&life->command, &key, type);
	r = controller_submit(life->c, w, &life->command.cmd, life->command.text);
	if (r == 0)
		life->workers[w].commands++;
	else if (r == -ENOBUFS)
		atomic_fetch_add_explicit(&life->board->commands_full, 1, memory_order_relaxed);
	else
		stress_fail("%s: submit: %s", controller_names[life->name], result_text(r));
	return r == 0;
}

static unsigned random_command(struct life *life)
{
	return (unsigned)(traffic_random(&life->random) % CMD_DRAIN);
}

static int take(struct life *life, unsigned budget)
{
	int n = controller_poll(life->c, budget, event_check, life);

	if (n < 0)
		stress_fail("%s: poll: %s", controller_names[life->name], result_text(n));
	return n;
}

/* Until the switch wakes us, however long that takes. */
static void sleep_until_woken(struct life *life)
{
	struct pollfd fds[2] = { { .fd = controller_fd(life->c), .events = POLLIN },
		{ .fd = controller_socket(life->c), .events = POLLIN } };

	if (!controller_may_sleep(life->c))
		return;
	atomic_fetch_add_explicit(&life->board->controller_sleeps, 1, memory_order_relaxed);
	poll(fds, 2, -1);
	if (fds[1].revents != 0)
		life->fenced = !controller_is_attached(life->c);
}

static bool is_outstanding(const struct life *life)
{
	for (uint32_t w = 0; w < life->board->workers; w++)
		if (life->workers[w].answers != life->workers[w].commands)
			return true;
	return false;
}

static void wait_for_answers(struct life *life)
{
	while (is_outstanding(life) && !life->fenced)
		if (take(life, 64) == 0)
			sleep_until_woken(life);
}

static void turn_flood(struct life *life, unsigned budget)
{
	bool full = true;

	for (uint32_t w = 0; w < life->board->workers; w++)
		for (unsigned i = 0; i < 200; i++) {
			if (!submit(life, w, random_command(life)))
				break;
			full = false;
		}
	controller_flush(life->c);
	if (take(life, budget) == 0 && full)
		sleep_until_woken(life);
}

static void turn_ask(struct life *life)
{
	for (unsigned round = 0; round < 20 && !life->fenced; round++) {
		unsigned many = 1 + (unsigned)(traffic_random(&life->random) % 8);
		uint32_t w = (uint32_t)(traffic_random(&life->random) % life->board->workers);

		while (many-- > 0 && submit(life, w, random_command(life)))
			;
		controller_flush(life->c);
		wait_for_answers(life);
	}
}

static void turn_slow(struct life *life)
{
	turn_flood(life, 8);
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static bool is_abandoned(const struct life *life)
{
	return life->board->threads &&
	       atomic_load(&life->board->abandon[life->name]) >= life->start;
}

/* In memory that the switch has left nothing may be seen that is not ours, and what we write there
 * must be seen by nobody: these commands carry sequences that the next epoch does not expect. */
static void write_after_fence(struct life *life)
{
	for (unsigned i = 0; i < 1000; i++) {
		for (uint32_t w = 0; w < life->board->workers; w++)
			if (submit(life, w, CMD_DRAIN))
				atomic_fetch_add_explicit(
					&life->board->after_fence, 1, memory_order_relaxed);
		controller_flush(life->c);
		take(life, 16);
	}
}

static bool all_ended(const struct life *life)
{
	for (uint32_t w = 0; w < life->board->workers; w++)
		if (!life->workers[w].ended)
			return false;
	return true;
}

/* The last command of each worker; its answer comes after everything that the worker had to
 * tell. */
static void drain(struct life *life)
{
	wait_for_answers(life);
	for (uint32_t w = 0; w < life->board->workers && !life->fenced; w++)
		while (!submit(life, w, CMD_DRAIN) && !life->fenced)
			if (take(life, 64) == 0)
				sleep_until_woken(life);
	controller_flush(life->c);
	while (!all_ended(life) && !life->fenced)
		if (take(life, 64) == 0)
			sleep_until_woken(life);
	if (life->fenced)
		return;
	if (is_outstanding(life) || controller_bad_records(life->c) != 0)
		stress_fail("%s: drained, but not everything was answered",
			controller_names[life->name]);
}

static void live(struct life *life)
{
	while (!life->fenced && !is_abandoned(life) && !atomic_load(&life->board->finish)) {
		enum phase phase = (enum phase)(traffic_random(&life->random) % PHASE_COUNT);
		unsigned turns = (unsigned)(traffic_random(&life->random) % PHASE_TURNS);

		controller_heartbeat(life->c);
		if (!controller_is_attached(life->c))
			life->fenced = true;
		for (unsigned i = 0; i < turns && !life->fenced; i++) {
			switch (phase) {
			case PHASE_FLOOD: turn_flood(life, 1000); break;
			case PHASE_ASK: turn_ask(life); break;
			case PHASE_SLOW: turn_slow(life); break;
			case PHASE_COUNT: break;
			}
			if (is_abandoned(life))
				return;
		}
	}
}

static struct controller *attach(struct board *board, uint32_t name)
{
	struct controller *c;
	int r;

	/* The switch may still be starting. -ECONNREFUSED comes too when yet another hello of this
	 * name overtook us. */
	for (unsigned tries = 0; tries < 200; tries++) {
		r = controller_attach(&c, board->path, controller_names[name], ATTACH_MS, NULL);
		if (r == 0)
			return c;
		if (r != -ENOENT && r != -ECONNREFUSED)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	stress_fail("%s: attach: %s", controller_names[name], result_text(r));
}

enum controller_end stress_controller(
	struct board *board, uint32_t name, uint32_t start, uint64_t seed)
{
	struct life life = { .board = board, .name = name, .start = start, .random = seed };
	enum controller_end end = END_FINISHED;

	life.c = attach(board, name);
	live(&life);
	if (is_abandoned(&life) && !life.fenced) {
		end = END_ABANDONED;
	} else {
		if (!life.fenced)
			drain(&life);
		if (life.fenced) {
			write_after_fence(&life);
			end = END_FENCED;
		}
	}
	controller_detach(life.c);
	return end;
}
