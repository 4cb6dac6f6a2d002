/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_sleep: workers that sleep, and who wakes them. usage: stress_sleep [rounds]
 *
 * The real workers, each in a thread, on real sockets; more of them than the machine has CPUs. Between
 * the loop and epoll stands __wrap_tcp_wait, which counts turns, and which lets a worker that would
 * sleep for up to a second sleep for ever: a wake-up that is lost is then a test that stands still,
 * not one that is a little slow. Plain main: runs under TSan too.
 *
 *   idle:   without anything to do a worker turns once a second.
 *   alone:  a message whose sender, room and members are on one worker wakes no other.
 *   posts:  two threads that hand a few posts back and forth, and sleep in between.
 *   rings:  a controller's command and its answer, one at a time.
 *   rooms:  messages back and forth between members on two workers, the room on a third.
 */
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "dataplane/worker.h"
#include "tests/support/switch_rig.h"

#define STALL_MS  20000
#define WORKERS   5
#define RING_SIZE (64u << 10)
#define BALLS     3

static struct switch_shared shared;
static struct worker *workers[WORKERS];
static pthread_t threads[WORKERS];
static uint16_t ports[WORKERS];
static int wakes[WORKERS][2]; /* of other workers, of controllers */
static _Atomic unsigned turns[WORKERS];
static _Atomic bool waits[WORKERS]; /* without an end */
static bool for_ever;
static unsigned rounds = 100000;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("stress_sleep: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	abort();
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void random_fill(void *octets, size_t size)
{
	if (getrandom(octets, size, 0) != (ssize_t)size)
		die("no randomness");
}

void __real_tcp_wait(struct tcp *tcp, int timeout_ms);
void __wrap_tcp_wait(struct tcp *tcp, int timeout_ms);

void __wrap_tcp_wait(struct tcp *tcp, int timeout_ms)
{
	unsigned w;

	for (w = 0; w < shared.workers && workers[w]->tcp != tcp; w++)
		;
	atomic_fetch_add(&turns[w], 1);
	if (for_ever && timeout_ms >= 100) {
		atomic_store(&waits[w], true);
		timeout_ms = -1;
	}
	__real_tcp_wait(tcp, timeout_ms);
	atomic_store(&waits[w], false);
}

static void workers_make(unsigned count)
{
	unsigned w;

	shared = (struct switch_shared){ .instance = 7,
		.workers = (uint16_t)count,
		.max_legs = 64,
		.max_rooms = 8,
		.memory = 64u << 20,
		.leg_queue_messages = 1000,
		.open_messages = 16,
		.leg_queue_octets = 4 << 20,
		.connection_bind_ms = 3600000,
		.chunk_reception_ms = 3600000,
		.congestion_kill_ms = 3600000,
		.count_wait_ms = 32000,
		.count_cap_ms = 60000,
		.random_fill = random_fill,
		.clock_ms = clock_ms };
	strcpy(shared.authority, "127.0.0.1:2855");
	for (w = 0; w < count; w++) {
		struct tcp_kernel_settings settings = { .listener_count = 1,
			.max_connections = 64 };
		uint16_t port = 0;
		int fd;

		workers[w] = aligned_alloc(64, (sizeof(struct worker) + 63) / 64 * 64);
		if (workers[w] == NULL || worker_init(workers[w], &shared, (uint16_t)w) != 0)
			die("no memory");
		shared.worker[w] = workers[w];
		wakes[w][0] = settings.wake_fds[0] = eventfd(0, EFD_NONBLOCK);
		wakes[w][1] = settings.wake_fds[1] = eventfd(0, EFD_NONBLOCK);
		post_queue_init(&workers[w]->posts, wakes[w][0]);
		if (tcp_kernel_listen("127.0.0.1", &port, &fd) != 0)
			die("cannot listen");
		ports[w] = port;
		settings.listeners = &fd;
		if (tcp_kernel_new(&workers[w]->tcp, &settings, &connection_tcp_ops, workers[w]) !=
			0)
			die("no transport");
		atomic_store(&turns[w], 0);
		atomic_store(&waits[w], false);
	}
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	while (!worker->stop)
		worker_step(worker, true);
	return NULL;
}

static void workers_start(void)
{
	unsigned w;

	for (w = 0; w < shared.workers; w++)
		if (pthread_create(&threads[w], NULL, worker_main, workers[w]) != 0)
			die("no thread");
}

static void workers_stop(void)
{
	struct post stops[WORKERS];
	unsigned w;

	for (w = 0; w < shared.workers; w++)
		post_send(&workers[w]->posts, &stops[w], POST_STOP);
	for (w = 0; w < shared.workers; w++)
		pthread_join(threads[w], NULL);
	for (w = 0; w < shared.workers; w++) {
		worker_fini(workers[w]);
		free(workers[w]);
		close(wakes[w][0]);
		close(wakes[w][1]);
	}
}

/* ---- idle ---- */

static void idle(void)
{
	uint64_t begun, ms;
	struct pollfd none = { -1, 0, 0 };
	unsigned w;

	for_ever = false;
	workers_make(WORKERS);
	begun = clock_ms();
	workers_start();
	poll(&none, 1, 3000);
	workers_stop();
	ms = clock_ms() - begun;
	/* One for the beginning, one for the end, one a second. */
	for (w = 0; w < WORKERS; w++)
		if (turns[w] > 2 + ms / 1000 + 1)
			die("an idle worker turned %u times in %llu ms", turns[w],
				(unsigned long long)ms);
	printf("stress_sleep: idle: %u turns of a worker in %llu ms\n", turns[0],
		(unsigned long long)ms);
}

/* ---- members ---- */

/* A leg of a room, before the workers run. */
static struct rig_leg member_make(unsigned home, struct room *room, const char *name, unsigned n)
{
	struct member_settings member = { .participant = n };
	struct leg_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	struct rig_leg made;
	char identity[100];
	struct leg *leg;

	snprintf(made.path, sizeof(made.path), "msrp://127.0.0.1:9/%s;tcp", name);
	snprintf(made.address, sizeof(made.address), "sip:%s@example.com", name);
	snprintf(identity, sizeof(identity), "%s\n", made.address);
	if (leg_add(workers[home], room, 0, &tag, &settings, span_of(made.path), span_of(""),
		    &leg) != 0 ||
		leg_member_add(workers[home], leg, &member, span_of(identity), SPAN_LITERAL(""),
			SPAN_LITERAL("*")) != 0)
		die("no leg");
	snprintf(made.uri, sizeof(made.uri), "%.*s", SPAN_ARG(leg->conf->uri));
	return made;
}

static struct room *room_make(unsigned home)
{
	struct room_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	struct room *room;

	if (room_open(workers[home], 0, &tag, &settings, SPAN_LITERAL(RIG_ROOM_URI "\n"),
		    SPAN_LITERAL("*"), &room) != 0)
		die("no room");
	return room;
}

/* A message from one to the other, and its answer: both have heard all when this returns. */
static void hop(struct msrp_peer *from, const struct rig_leg *leg, struct msrp_peer *to, unsigned n)
{
	char id[32];

	snprintf(id, sizeof(id), "m%07u", n);
	peer_say(from, leg, id, "", "hop");
	if (!peer_take(to, STALL_MS) || to->chunk.method != METHOD_SEND)
		die("message %u does not arrive: a wake-up was lost", n);
	if (peer_status(from, id) != 200)
		die("message %u is not answered", n);
}

/* ---- alone ---- */

static void alone(void)
{
	static const unsigned home = 2, messages = 2000;
	unsigned before[WORKERS], w, i;
	struct msrp_peer alice, bob;
	struct rig_leg a, b;
	struct room *room;

	for_ever = true;
	workers_make(WORKERS);
	room = room_make(home);
	a = member_make(home, room, "alice", 0);
	b = member_make(home, room, "bob", 1);
	workers_start();
	peer_bind(&alice, ports[home], &a);
	peer_bind(&bob, ports[home], &b);
	for (w = 0; w < WORKERS; w++)
		while (!atomic_load(&waits[w]))
			sched_yield();
	for (w = 0; w < WORKERS; w++)
		before[w] = turns[w];
	for (i = 0; i < messages; i++)
		hop(&alice, &a, &bob, i);
	for (w = 0; w < WORKERS; w++)
		if (w != home && turns[w] != before[w])
			die("worker %u was woken %u times by messages that are not its affair", w,
				turns[w] - before[w]);
	/* A turn is counted when it begins; the last one may not have. */
	if (turns[home] - before[home] + 1 < messages)
		die("the worker of the room turned %u times for %u messages",
			turns[home] - before[home], messages);
	printf("stress_sleep: alone: %u messages, %u turns of their worker, none of the others\n",
		messages, turns[home] - before[home]);
	peer_close(&alice);
	peer_close(&bob);
	workers_stop();
}

/* ---- posts ---- */

struct player {
	struct post_queue own;
	struct post_queue *other;
	struct post *serve; /* BALLS of them, or NULL */
	_Atomic unsigned taken;
	unsigned sleeps, seed;
};

/* The worker's protocol, and nothing else; now and then somebody dawdles, so that every step of the one
 * meets every step of the other. */
static void dawdle(struct player *p)
{
	volatile unsigned n;

	p->seed = p->seed * 1664525u + 1013904223u;
	if ((p->seed >> 30) == 0)
		for (n = (p->seed >> 8) % ((p->seed >> 28 & 3) == 0 ? 3000 : 100); n > 0; n--)
			;
}

static void *play(void *arg)
{
	struct player *p = arg;
	struct pollfd fd = { p->own.fd, POLLIN, 0 };
	struct post *post;
	uint64_t drained;
	unsigned i;

	for (i = 0; p->serve != NULL && i < BALLS; i++)
		post_send(p->other, &p->serve[i], POST_PAYLOAD);
	while (p->taken < rounds) {
		dawdle(p);
		if (post_may_sleep(&p->own)) {
			p->sleeps++;
			dawdle(p);
			if (poll(&fd, 1, STALL_MS) == 0)
				die("posts: a wake-up was lost in round %u", p->taken);
		}
		post_awake(&p->own);
		dawdle(p);
		if (read(p->own.fd, &drained, sizeof(drained)) < 0)
			drained = 0;
		while ((post = post_take(&p->own)) != NULL) {
			p->taken++;
			post_send(p->other, post, POST_PAYLOAD);
		}
	}
	return NULL;
}

static void posts(void)
{
	struct player one = { .seed = 1 }, two = { .seed = 77 };
	pthread_t a, b;
	struct post balls[BALLS];

	post_queue_init(&one.own, eventfd(0, EFD_NONBLOCK));
	post_queue_init(&two.own, eventfd(0, EFD_NONBLOCK));
	one.other = &two.own;
	two.other = &one.own;
	one.serve = balls;
	if (pthread_create(&a, NULL, play, &one) != 0 || pthread_create(&b, NULL, play, &two) != 0)
		die("no thread");
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	printf("stress_sleep: posts: %u rounds, %u and %u sleeps\n", rounds, one.sleeps,
		two.sleeps);
	close(one.own.fd);
	close(two.own.fd);
}

/* ---- rings ---- */

static void *ring_make(void)
{
	size_t size = (ring_shared_size(RING_SIZE) + 63) / 64 * 64;
	void *at = aligned_alloc(64, size);

	if (at == NULL)
		die("no memory");
	ring_format(at);
	return at;
}

static void rings(void)
{
	struct attachment_change change = { .attached = true };
	void *down = ring_make(), *up = ring_make();
	uint8_t *record = aligned_alloc(64, RING_RECORD_MAX);
	const struct switch_event *event = (void *)record;
	struct ring commands, events;
	struct post_queue reply;
	struct pollfd fd;
	unsigned i, sleeps = 0, writes = 0;
	uint64_t one = 1;

	if (record == NULL || ring_open(&commands, down, RING_SIZE) != 0 ||
		ring_open(&events, up, RING_SIZE) != 0 ||
		ring_open(&change.end.commands, down, RING_SIZE) != 0 ||
		ring_open(&change.end.events, up, RING_SIZE) != 0)
		die("no ring");
	for_ever = true;
	workers_make(1);
	fd = (struct pollfd){ eventfd(0, EFD_NONBLOCK), POLLIN, 0 };
	change.end.controller_fd = fd.fd;
	change.reply = &reply;
	post_queue_init(&reply, eventfd(0, EFD_NONBLOCK));
	post_send(&workers[0]->posts, &change.post, POST_ATTACHMENT);
	workers_start();
	for (i = 0; i < rounds; i++) {
		struct switch_cmd cmd = { .type = CMD_LEG_REMOVE, .cookie = i + 1 };

		if (ring_put(&commands, &cmd, sizeof(cmd), NULL, 0) != 0)
			die("rings: a command does not fit");
		if (ring_flush(&commands)) {
			writes++;
			if (write(wakes[0][1], &one, sizeof(one)) != sizeof(one))
				die("rings: no wake-up can be written");
		}
		while (ring_get(&events, record) == 0) {
			uint64_t drained;

			if (ring_may_sleep(&events)) {
				sleeps++;
				if (poll(&fd, 1, STALL_MS) == 0)
					die("rings: a wake-up was lost in round %u", i);
			}
			ring_awake(&events);
			if (read(fd.fd, &drained, sizeof(drained)) < 0)
				drained = 0;
		}
		(void)ring_release(&events);
		if (event->cookie != i + 1 || event->result != -ENOENT)
			die("rings: another answer");
	}
	printf("stress_sleep: rings: %u commands, the controller slept %u times, the worker was woken %u times\n",
		rounds, sleeps, writes);
	workers_stop();
	close(reply.fd);
	close(fd.fd);
	free(down);
	free(up);
	free(record);
}

/* ---- rooms ---- */

static void rooms(void)
{
	struct msrp_peer alice, bob;
	struct rig_leg a, b;
	struct room *room;
	unsigned i;

	for_ever = true;
	workers_make(3);
	room = room_make(2);
	a = member_make(2, room, "alice", 0);
	b = member_make(2, room, "bob", 1);
	workers_start();
	peer_bind(&alice, ports[0], &a);
	peer_bind(&bob, ports[1], &b);
	for (i = 0; i < rounds / 5; i++) {
		hop(&alice, &a, &bob, 2 * i);
		hop(&bob, &b, &alice, 2 * i + 1);
	}
	printf("stress_sleep: rooms: %u messages each way, %u + %u + %u turns\n", i, turns[0],
		turns[1], turns[2]);
	peer_close(&alice);
	peer_close(&bob);
	workers_stop();
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	log_init("stress_sleep");
	idle();
	alone();
	posts();
	rings();
	rooms();
	return 0;
}
