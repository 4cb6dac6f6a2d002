/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_border: the border between the two processes under load. Commands and events of random
 * length go both ways through attach.c and libplenum, and each is checked octet by octet and in
 * order, while rings run full, both sides sleep, controllers are killed with SIGKILL, come back, or
 * are fenced by a second one of the same name. After each attachment both streams begin anew, and
 * nothing of the memory before may be seen.
 *
 * usage: stress_border [--threads] [--count N] [--rounds N] [--workers N] [--seconds N] [--seed N]
 *   --threads  both sides as threads of one process, for ThreadSanitizer (else processes)
 *   --count    commands, and events, to be checked at least (1000000)
 *   --rounds   kills and fences, in turn (12)
 *   --seconds  limit of the whole run (120)
 * Exit status 0: all as it must be. One line of figures on stdout. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/stress/border_stress.h"

#define LONG_RUN 10000000u

#define STALL_MS    5000
#define RING_OCTETS (64u << 10) /* small, so that they run full */

/* The switch, or one life of a controller: a process or a thread. */
struct actor {
	bool is_switch;
	uint32_t name, start;
	uint64_t seed;
	bool running; /* and not yet waited for */
	pid_t pid;
	pthread_t thread;
	_Atomic bool ended; /* thread */
	int end;
};

static struct board *board;
static struct actor switch_actor;
static struct actor controllers[NAMES][2]; /* two, for while one fences the other */
static unsigned present[NAMES];            /* which of the two is the newest */
static uint32_t starts[NAMES];
static uint64_t started_ms, limit_ms, random_state;
static uint64_t kills, fences;
static char directory[] = "/tmp/plenum-stress-XXXXXX";

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(uint64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000),
			  .tv_nsec = (long)(ms % 1000) * 1000000 },
		NULL);
}

static uint64_t sum(_Atomic uint64_t *counts)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < NAMES; i++)
		all += atomic_load(&counts[i]);
	return all;
}

/* Actors */

static int actor_run(struct actor *actor)
{
	if (actor->is_switch) {
		stress_switch(board, actor->seed);
		return 0;
	}
	return (int)stress_controller(board, actor->name, actor->start, actor->seed);
}

static void *actor_thread(void *arg)
{
	struct actor *actor = arg;

	actor->end = actor_run(actor);
	atomic_store(&actor->ended, true);
	return NULL;
}

static void actor_start(struct actor *actor)
{
	atomic_store(&actor->ended, false);
	actor->running = true;
	actor->seed = traffic_random(&random_state);
	if (board->threads) {
		if (pthread_create(&actor->thread, NULL, actor_thread, actor) != 0)
			stress_fail("no thread");
		return;
	}
	actor->pid = fork();
	if (actor->pid < 0)
		stress_fail("no process");
	if (actor->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(actor_run(actor));
	}
}

static struct actor *controller_of(uint32_t name)
{
	return &controllers[name][present[name]];
}

static void controller_start(uint32_t name)
{
	struct actor *actor = controller_of(name);

	actor->name = name;
	actor->start = ++starts[name];
	actor_start(actor);
}

static const char *actor_name(const struct actor *actor)
{
	return actor->is_switch ? "switch" : controller_names[actor->name];
}

static void everybody_kill(void)
{
	unlink(board->path);
	rmdir(directory);
	if (board->threads)
		return; /* threads end with us */
	for (unsigned i = 0; i < NAMES; i++)
		for (unsigned k = 0; k < 2; k++)
			if (controllers[i][k].running)
				kill(controllers[i][k].pid, SIGKILL);
	if (switch_actor.running)
		kill(switch_actor.pid, SIGKILL);
}

#define give_up(...)                                                                               \
	do {                                                                                       \
		everybody_kill();                                                                  \
		stress_fail(__VA_ARGS__);                                                          \
	} while (0)

static bool actor_has_ended(struct actor *actor, int *end)
{
	int status;

	if (!actor->running)
		return false;
	if (board->threads) {
		if (!atomic_load(&actor->ended))
			return false;
		pthread_join(actor->thread, NULL);
		*end = actor->end;
	} else {
		if (waitpid(actor->pid, &status, WNOHANG) != actor->pid)
			return false;
		*end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	actor->running = false;
	return true;
}

/* Progress */

static void stall_say(void)
{
	fprintf(stderr,
		"stall: nothing moved for %d ms: commands %llu+%llu, events %llu+%llu, attachments %llu, "
		"detachments %llu, sleeps: workers %llu, for room %llu, controllers %llu\n",
		STALL_MS, (unsigned long long)board->commands[0],
		(unsigned long long)board->commands[1], (unsigned long long)board->events[0],
		(unsigned long long)board->events[1], (unsigned long long)board->attachments,
		(unsigned long long)board->detachments, (unsigned long long)board->worker_sleeps,
		(unsigned long long)board->starved_sleeps,
		(unsigned long long)board->controller_sleeps);
}

/* Each name has to move by itself: one that is stuck must not hide behind the other. */
static void watch(void)
{
	static uint64_t seen[NAMES], moved_ms[NAMES];
	uint64_t now = now_ms();

	for (unsigned i = 0; i < NAMES; i++) {
		uint64_t moved =
			board->commands[i] + board->events[i] + starts[i] + board->after_fence;

		if (moved != seen[i] || moved_ms[i] == 0) {
			seen[i] = moved;
			moved_ms[i] = now;
		} else if (now - moved_ms[i] > STALL_MS && !atomic_load(&board->finish)) {
			stall_say();
			give_up("%s stands still", controller_names[i]);
		}
	}
	if (now - started_ms > limit_ms) {
		stall_say();
		give_up("not done in %llu s", (unsigned long long)limit_ms / 1000);
	}
}

/* Waits, and watches. Who ends before he was asked to ends too early. */
static void watch_for(uint64_t ms, struct actor *leave_out)
{
	uint64_t until = now_ms() + ms;
	int end;

	do {
		watch();
		if (actor_has_ended(&switch_actor, &end))
			give_up("the switch ended: %d", end);
		for (unsigned i = 0; i < NAMES && !atomic_load(&board->finish); i++)
			if (controller_of(i) != leave_out &&
				actor_has_ended(controller_of(i), &end))
				give_up("%s ended: %d", controller_names[i], end);
		sleep_ms(ms < 2 ? ms : 2);
	} while (now_ms() < until);
}

static void wait_for_end(struct actor *actor, int expected)
{
	uint64_t since = now_ms();
	int end;

	while (!actor_has_ended(actor, &end)) {
		watch_for(0, actor);
		if (now_ms() - since > STALL_MS) {
			stall_say();
			give_up("%s does not end", actor_name(actor));
		}
		sleep_ms(1);
	}
	if (end != expected)
		give_up("%s ended with %d instead of %d", actor_name(actor), end, expected);
}

static void wait_for_traffic(uint32_t name)
{
	uint64_t before = board->events[name];

	while (board->events[name] < before + 100)
		watch_for(1, NULL);
}

/* What happens to controllers */

/* At any moment, also while it attaches. */
static void controller_kill(uint32_t name)
{
	struct actor *actor = controller_of(name);

	watch_for(traffic_random(&random_state) % 80, NULL);
	if (board->threads) {
		atomic_store(&board->abandon[name], actor->start);
		wait_for_end(actor, END_ABANDONED);
	} else {
		kill(actor->pid, SIGKILL);
		wait_for_end(actor, 128 + SIGKILL);
	}
	kills++;
	controller_start(name);
}

static void controller_fence(uint32_t name)
{
	struct actor *old = controller_of(name);

	wait_for_traffic(name);
	present[name] ^= 1;
	controller_start(name);
	wait_for_end(old, END_FENCED);
	fences++;
}

static void border_run(uint64_t count, unsigned rounds)
{
	switch_actor.is_switch = true;
	actor_start(&switch_actor);
	for (uint32_t name = 0; name < NAMES; name++)
		controller_start(name);
	for (unsigned i = 0; i < rounds; i++) {
		uint32_t name = (uint32_t)(traffic_random(&random_state) % NAMES);

		if (i % 2 == 0)
			controller_kill(name);
		else
			controller_fence(name);
	}
	while (sum(board->commands) < count || sum(board->events) < count)
		watch_for(5, NULL);

	atomic_store(&board->finish, true);
	for (uint32_t name = 0; name < NAMES; name++)
		wait_for_end(controller_of(name), END_FINISHED);
	while (board->detachments < NAMES && now_ms() - started_ms < limit_ms)
		sleep_ms(1);
	atomic_store(&board->stop, true);
	wait_for_end(&switch_actor, 0);
}

/* A run in which a ring was never full, or nobody ever slept, has not shown what it is for. Only a
 * long one is held to it: in a short one the scheduler of a busy machine decides. */
static void exercised_check(uint64_t count, unsigned rounds)
{
	if (count < LONG_RUN)
		return;
	if ((board->commands_full == 0 || board->events_full == 0 || board->worker_sleeps == 0 ||
		    board->starved_sleeps == 0 || board->controller_sleeps == 0))
		stress_fail("not everything was exercised: full %llu %llu, sleeps %llu %llu %llu",
			(unsigned long long)board->commands_full,
			(unsigned long long)board->events_full,
			(unsigned long long)board->worker_sleeps,
			(unsigned long long)board->starved_sleeps,
			(unsigned long long)board->controller_sleeps);
	if (rounds > 1 && board->after_fence == 0)
		stress_fail("nothing was written after a fence");
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		stress_fail("stress_border: %s is not a number", text);
	return value;
}

int main(int argc, char **argv)
{
	uint64_t count = 1000000, rounds = 12, seconds = 120;

	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || mkdtemp(directory) == NULL)
		stress_fail("stress_border: no memory or no directory");
	random_state = (uint64_t)getpid() << 32 ^ now_ms();
	board->workers = 2;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--threads") == 0)
			board->threads = true;
		else if (i + 1 == argc)
			stress_fail("stress_border: %s is unknown or has no value", argv[i]);
		else if (strcmp(argv[i], "--count") == 0)
			count = number(argv[++i]);
		else if (strcmp(argv[i], "--rounds") == 0)
			rounds = number(argv[++i]);
		else if (strcmp(argv[i], "--workers") == 0)
			board->workers = (uint32_t)number(argv[++i]);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = number(argv[++i]);
		else if (strcmp(argv[i], "--seed") == 0)
			random_state = number(argv[++i]);
		else
			stress_fail("stress_border: %s is unknown", argv[i]);
	}
	if (board->workers < 1 || board->workers > BORDER_WORKERS_MAX)
		stress_fail("stress_border: 1 to %u workers", BORDER_WORKERS_MAX);
	fprintf(stderr, "stress_border: --seed %llu\n", (unsigned long long)random_state);
	snprintf(board->path, sizeof(board->path), "%s/switch.sock", directory);
	board->ring_size = RING_OCTETS;
	started_ms = now_ms();
	limit_ms = seconds * 1000;

	if (board->threads)
		stress_ring(count, traffic_random(&random_state));
	border_run(count, (unsigned)rounds);
	exercised_check(count, (unsigned)rounds);
	rmdir(directory);
	printf("border: %llu commands and %llu events as sent, %llu MB of text; %u workers, %u controllers as %s; "
	       "%llu attachments, %llu kills, %llu fences; ring full: %llu down, %llu up; sleeps: %llu workers, "
	       "%llu for room, %llu controllers; %.1f s\n",
		(unsigned long long)sum(board->commands), (unsigned long long)sum(board->events),
		(unsigned long long)board->octets / 1000000, board->workers, NAMES,
		board->threads ? "threads" : "processes", (unsigned long long)board->attachments,
		(unsigned long long)kills, (unsigned long long)fences,
		(unsigned long long)board->commands_full, (unsigned long long)board->events_full,
		(unsigned long long)board->worker_sleeps, (unsigned long long)board->starved_sleeps,
		(unsigned long long)board->controller_sleeps,
		(double)(now_ms() - started_ms) / 1000);
	return 0;
}
