/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers stepped by the test in one thread, with its own clock and its own randomness. */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/worker.h"

#define ROOM_URI "sip:room@example.com"

static struct switch_shared shared;
static struct worker *workers[2];
static int ports[2], wakes[4];
static uint64_t clock_now = 1000000;
static uint8_t next_octet; /* randomness: counts, or stands still */
static bool random_stands;

static uint64_t clock_ms(void)
{
	return clock_now;
}

static void random_fill(void *octets, size_t size)
{
	uint8_t *out = octets;
	size_t i;

	for (i = 0; i < size; i++)
		out[i] = random_stands ? 0 : next_octet++;
}

static void start(unsigned count)
{
	unsigned w;

	shared = (struct switch_shared){ .instance = 7,
		.workers = (uint16_t)count,
		.max_legs = 64,
		.max_rooms = 8,
		.memory = 128u << 20,
		.leg_queue_messages = 1000,
		.open_messages = 16,
		.leg_queue_octets = 4 << 20,
		.connection_bind_ms = 30000,
		.chunk_reception_ms = 540000,
		.congestion_kill_ms = 120000,
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
		cr_assert_not_null(workers[w]);
		cr_assert_eq(worker_init(workers[w], &shared, (uint16_t)w), 0);
		shared.worker[w] = workers[w];
		wakes[w * 2] = settings.wake_fds[0] = eventfd(0, EFD_NONBLOCK);
		wakes[w * 2 + 1] = settings.wake_fds[1] = eventfd(0, EFD_NONBLOCK);
		post_queue_init(&workers[w]->posts, wakes[w * 2]);
		cr_assert_eq(tcp_kernel_listen("127.0.0.1", &port, &fd), 0);
		ports[w] = port;
		settings.listeners = &fd;
		cr_assert_eq(tcp_kernel_new(
				     &workers[w]->tcp, &settings, &connection_tcp_ops, workers[w]),
			0);
	}
}

static void stop(void)
{
	unsigned w;

	for (w = 0; w < shared.workers; w++) {
		worker_fini(workers[w]);
		free(workers[w]);
		close(wakes[w * 2]);
		close(wakes[w * 2 + 1]);
	}
}

static void step(unsigned turns)
{
	unsigned w;

	while (turns-- > 0)
		for (w = 0; w < shared.workers; w++)
			worker_step(workers[w], false);
}

static struct room *open_room(void)
{
	struct room_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	struct room *room;

	cr_assert_eq(room_open(workers[0], 0, &tag, &settings, SPAN_LITERAL(ROOM_URI "\n"),
			     SPAN_LITERAL("*"), &room),
		0);
	return room;
}

static struct leg *add_member(struct room *room, const char *name, unsigned participant)
{
	struct member_settings member = { .participant = participant };
	struct leg_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	char path[64], identity[64];
	struct leg *leg;

	snprintf(path, sizeof(path), "msrp://127.0.0.1:9/%s;tcp", name);
	snprintf(identity, sizeof(identity), "sip:%s@example.com\n", name);
	cr_assert_eq(
		leg_add(workers[0], room, 0, &tag, &settings, span_of(path), span_of(""), &leg), 0);
	cr_assert_eq(leg_member_add(workers[0], leg, &member, span_of(identity), SPAN_LITERAL(""),
			     SPAN_LITERAL("*")),
		0);
	return leg;
}

static int dial(unsigned worker)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)ports[worker]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
	step(2);
	return fd;
}

static void say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(int fd, const char *format, ...)
{
	char text[8192];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cr_assert_eq(send(fd, text, (size_t)len, 0), len);
	step(4);
}

static void bind_leg(int fd, const struct leg *leg)
{
	say(fd, "MSRP bind0 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: bind0\r\nByte-Range: 1-0/0\r\n-------bind0$\r\n",
		SPAN_ARG(leg->conf->uri), SPAN_ARG(leg->conf->path));
}

static const char *hear(int fd)
{
	static char text[65536];
	ssize_t n, len = 0;

	step(4);
	while ((n = recv(fd, text + len, sizeof(text) - 1 - (size_t)len, 0)) > 0)
		len += n;
	text[len] = '\0';
	return text;
}

/* Nothing of what went through is left in any pool of this worker. */
static void assert_at_rest(const struct worker *worker)
{
	unsigned i;

	for (i = 0; i < PAYLOAD_CLASSES; i++)
		cr_assert_eq(worker->payloads[i].free_count, worker->payloads[i].count,
			"payload class %u", i);
	cr_assert_eq(worker->messages.free_count, worker->messages.count);
	cr_assert_eq(worker->entries.free_count, worker->entries.count);
	cr_assert_eq(worker->inbounds.free_count, worker->inbounds.count);
	cr_assert_eq(worker->transactions.free_count, worker->transactions.count);
	cr_assert_eq(worker->output.free_count, worker->output.count);
	cr_assert_eq(worker->texts.free_count, worker->texts.count);
	cr_assert_eq(worker->reports.free_count, worker->reports.count);
	cr_assert_eq(worker->report_blocks.free_count, worker->report_blocks.count);
}

static void send_body(
	int fd, const struct leg *leg, const char *id, const char *headers, const char *body)
{
	char whole[4096];
	int len = snprintf(whole, sizeof(whole),
		"From: <%.*s>\r\nTo: <" ROOM_URI ">\r\n\r\nContent-Type: text/plain\r\n\r\n%s",
		(int)leg->conf->identities.len - 1, leg->conf->identities.at, body);

	say(fd, "MSRP %s SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: %s\r\n%sByte-Range: 1-%d/%d\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------%s$\r\n",
		id, SPAN_ARG(leg->conf->uri), SPAN_ARG(leg->conf->path), id, headers, len, len,
		whole, id);
}

static void one_message(unsigned sender_on, unsigned receiver_on, const char *headers)
{
	struct room *room = open_room();
	struct leg *alice = add_member(room, "alice", 0), *bob = add_member(room, "bob", 1);
	int a = dial(sender_on), b = dial(receiver_on);
	const char *heard;

	bind_leg(a, alice);
	bind_leg(b, bob);
	cr_assert(strstr(hear(a), "MSRP bind0 200 OK") != NULL);
	cr_assert(strstr(hear(b), "MSRP bind0 200 OK") != NULL);
	send_body(a, alice, "mess0001", headers, "hello");
	heard = hear(b);
	cr_assert(strstr(heard, "\r\n\r\nhello\r\n-------") != NULL, "%s", heard);
	cr_assert(strstr(hear(a), "MSRP mess0001 200 OK") != NULL);
	close(a);
	close(b);
	step(8);
}

Test(worker, carries_a_message_and_keeps_nothing)
{
	start(1);
	one_message(0, 0, "");
	assert_at_rest(workers[0]);
	stop();
}

Test(worker, carries_a_message_between_workers_and_keeps_nothing)
{
	unsigned from, to;

	for (from = 0; from < 2; from++) {
		for (to = 0; to < 2; to++) {
			start(2);
			one_message(from, to, "Success-Report: yes;Include-Sent-Count\r\n");
			assert_at_rest(workers[0]);
			assert_at_rest(workers[1]);
			stop();
		}
	}
}

/* From here the generator gives a Message-ID and then the transaction id hdaaybaasfaiuqnfvvfc. */
static void generator_known(void)
{
	memcpy(workers[0]->generator, (uint64_t[]){ 1, 2, 3, 4 }, sizeof(workers[0]->generator));
	memcpy(workers[0]->tid_key, (uint64_t[]){ 5, 6 }, sizeof(workers[0]->tid_key));
}

/* RFC 4975 7.1: the transaction id is chosen so that its end-line is not in the body. With
 * randomness that stands still, the first choice is known, and put into the body; the next ones
 * differ. */
Test(worker, a_body_that_holds_the_chosen_transaction_id_gets_another)
{
	struct leg *alice, *bob;
	const char *heard;
	struct room *room;
	int a, b;

	start(1);
	room = open_room();
	alice = add_member(room, "alice", 0);
	bob = add_member(room, "bob", 1);
	a = dial(0);
	b = dial(0);
	bind_leg(a, alice);
	bind_leg(b, bob);
	hear(b);
	generator_known();
	send_body(a, alice, "mess0001", "",
		"\r\n-------"
		"hdaaybaasfaiuqnfvvfc"
		"$\r\n");
	heard = hear(b);
	cr_assert(strstr(heard, "MSRP hdaaybaasfaiuqnfvvfc SEND") == NULL &&
			  strncmp(heard, "MSRP ", 5) == 0,
		"%s", heard);
	cr_assert(strstr(heard, "-------hdaaybaasfaiuqnfvvfc$\r\n\r\n-------") != NULL,
		"the body is whole: %s", heard);
	cr_assert_eq(strncmp(strstr(heard, "$\r\n\r\n-------") + 12, heard + 5, MESSAGE_TID_OCTETS),
		0, "%s", heard);
	close(a);
	close(b);
	step(8);
	stop();
}

Test(worker, the_choice_that_the_test_above_spoils_is_really_the_first)
{
	struct leg *alice, *bob;
	const char *heard;
	struct room *room;
	int a, b;

	start(1);
	room = open_room();
	alice = add_member(room, "alice", 0);
	bob = add_member(room, "bob", 1);
	a = dial(0);
	b = dial(0);
	bind_leg(a, alice);
	bind_leg(b, bob);
	hear(b);
	generator_known();
	send_body(a, alice, "mess0001", "", "plain");
	heard = hear(b);
	cr_assert(strncmp(heard, "MSRP hdaaybaasfaiuqnfvvfc SEND", 30) == 0, "%s", heard);
	close(a);
	close(b);
	step(8);
	stop();
}

/* RFC 7701 7: a NICKNAME is always answered, whatever becomes of the controller. */
Test(worker, a_nickname_that_nobody_decides_about_is_refused_in_time)
{
	const struct room_settings named = { .flags = ROOM_NICKNAME };
	unsigned on;

	for (on = 0; on < 2; on++) {
		struct room *room;
		struct leg *alice;
		int a;

		start(2);
		room = open_room();
		cr_assert_eq(room_set(workers[0], room, &named, SPAN_LITERAL(ROOM_URI "\n"),
				     SPAN_LITERAL("*")),
			0);
		alice = add_member(room, "alice", 0);
		a = dial(on);
		bind_leg(a, alice);
		cr_assert(strstr(hear(a), "MSRP bind0 200 OK") != NULL);
		say(a, "MSRP nick0001 NICKNAME\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nUse-Nickname: \"A\"\r\n-------nick0001$\r\n",
			SPAN_ARG(alice->conf->uri), SPAN_ARG(alice->conf->path));
		clock_now += NICKNAME_WAIT_MS - 1;
		cr_assert_str_eq(hear(a), "");
		clock_now += 1001; /* a tick is a second */
		cr_assert(strstr(hear(a), "MSRP nick0001 403 ") != NULL);
		/* Then the next one may be asked; its answer has nowhere to go. */
		say(a, "MSRP nick0002 NICKNAME\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nUse-Nickname: \"A\"\r\n-------nick0002$\r\n",
			SPAN_ARG(alice->conf->uri), SPAN_ARG(alice->conf->path));
		cr_assert_not_null(alice->nickname);
		close(a);
		step(8);
		cr_assert_null(alice->nickname);
		assert_at_rest(workers[0]);
		assert_at_rest(workers[1]);
		stop();
	}
}

Test(worker, a_connection_that_binds_nothing_is_closed_in_time)
{
	char octet;
	int fd;

	start(1);
	fd = dial(0);
	clock_now += 29000;
	step(2);
	cr_assert_lt(recv(fd, &octet, 1, 0), 0, "still open");
	clock_now += 2000;
	step(2);
	cr_assert_eq(recv(fd, &octet, 1, 0), 0, "closed");
	cr_assert_eq(workers[0]->counters.connections_idle, 1);
	cr_assert_eq(workers[0]->connections.free_count, workers[0]->connections.count);
	close(fd);
	stop();
}

Test(worker, what_begins_equals_what_ends)
{
	struct counters *c;
	struct leg *alice, *bob, *carol;
	struct room *room;
	int a, b, d, i;
	char id[16];

	start(1);
	room = open_room();
	alice = add_member(room, "alice", 0);
	bob = add_member(room, "bob", 1);
	carol = add_member(room, "carol", 2);
	a = dial(0);
	b = dial(0);
	d = dial(0);
	bind_leg(a, alice);
	bind_leg(b, bob);
	bind_leg(d, carol);
	for (i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "mess%04d", i);
		send_body(a, alice, id, "", "hello");
		if (i == 10) {
			close(d); /* carol goes in the middle of it */
			step(4);
		}
	}
	hear(b);
	c = &workers[0]->counters;
	cr_assert_eq(c->messages_in, 20);
	cr_assert_eq(c->messages_whole + c->messages_aborted + c->messages_refused, 20);
	cr_assert_eq(c->copies_begun, c->copies_whole + c->copies_cut + c->copies_dropped);
	cr_assert_eq(c->copies_whole, 20 + 11);
	close(a);
	close(b);
	step(8);
	assert_at_rest(workers[0]);
	stop();
}

/* Requests that are begun and never gone on with hold a buffer each. When most are held that way,
 * they go. */
Test(worker, unfinished_requests_do_not_keep_the_others_from_being_read)
{
	struct leg *alice, *bob;
	struct room *room;
	int a, b, i, held[60];
	uint32_t hidden = 0;

	start(1);
	room = open_room();
	alice = add_member(room, "alice", 0);
	bob = add_member(room, "bob", 1);
	a = dial(0);
	b = dial(0);
	bind_leg(a, alice);
	bind_leg(b, bob);
	hear(b);
	for (i = 0; i < 60; i++) {
		held[i] = dial(0);
		if (i == 59) {
			/* As if there were that few. */
			hidden = workers[0]->buffers.free_count - 8;
			workers[0]->buffers.free_count = 8;
		}
		say(held[i],
			"MSRP half%04d SEND\r\nTo-Path: msrp://127.0.0.1:2855/%080d;tcp\r\nFrom-Path: msrp",
			i, i);
	}
	cr_assert_eq(workers[0]->counters.connections_unfinished, 0);
	clock_now += 3000;
	step(4);
	cr_assert_eq(workers[0]->counters.connections_unfinished, 60);
	workers[0]->buffers.free_count += hidden;
	send_body(a, alice, "mess0001", "", "hello");
	cr_assert(strstr(hear(b), "hello") != NULL);
	for (i = 0; i < 60; i++)
		close(held[i]);
	close(a);
	close(b);
	step(8);
	stop();
}

/* Bob reads nothing: what alice says fills the kernel's buffers, and then his queue. */
static int stalled(const struct leg *bob, int from, const struct leg *alice, const char *body)
{
	int fd = dial(1), small = 4096, i;
	char id[16];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	bind_leg(fd, bob);
	step(8);
	for (i = 0; i < 2000 && (bob->session == NULL || bob->session->queue_count < 20); i++) {
		snprintf(id, sizeof(id), "fill%04d", i);
		send_body(from, alice, id, "Failure-Report: no\r\n", body);
	}
	cr_assert_geq(bob->session->queue_count, 20);
	return fd;
}

/* A payload costs more than the octet in it: the limit of a queue is one of memory. */
Test(worker, octets_that_come_one_by_one_do_not_use_up_the_memory)
{
	static char body[3000];
	struct leg *alice, *bob;
	struct room *room;
	int a, b, i;

	start(2);
	room = open_room();
	alice = add_member(room, "alice", 0);
	bob = add_member(room, "bob", 1);
	a = dial(0);
	bind_leg(a, alice);
	memset(body, 'A', sizeof(body) - 1);
	b = stalled(bob, a, alice, body);
	say(a,
		"MSRP drip0001 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: drip0001\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\nFrom: <sip:alice@example.com>\r\nTo: <" ROOM_URI
		">\r\n\r\nContent-Type: text/plain\r\n\r\n",
		SPAN_ARG(alice->conf->uri), SPAN_ARG(alice->conf->path));
	for (i = 0; i < 30000; i++)
		say(a, "A");
	step(8);
	cr_assert(worker_can_receive(workers[0]));
	close(a);
	close(b);
	step(8);
	stop();
}

/* Messages grow behind the views that a queue's entries stand in: all of that counts. */
Test(worker, a_stalled_member_is_congested_by_all_that_it_pins)
{
	static char body[7001];
	struct leg *alice, *bob;
	struct room *room;
	int a, b, i, k, on = 1;

	start(2);
	room = open_room();
	alice = add_member(room, "alice", 0);
	bob = add_member(room, "bob", 1);
	a = dial(0);
	setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* each piece is read alone */
	bind_leg(a, alice);
	memset(body, 'A', sizeof(body) - 1);
	body[2999] = '\0';
	b = stalled(bob, a, alice, body);
	body[2999] = 'A';
	cr_assert(!bob->session->congested);
	for (i = 0; i < 80; i++) {
		say(a,
			"MSRP late%04d SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: late%04d\r\nFailure-Report: no\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\nFrom: <sip:alice@example.com>\r\nTo: <" ROOM_URI
			">\r\n\r\nContent-Type: text/plain\r\n\r\n",
			i, SPAN_ARG(alice->conf->uri), SPAN_ARG(alice->conf->path), i);
		for (k = 0; k < 8; k++)
			say(a, "%s", body);
		say(a, "\r\n-------late%04d$\r\n", i);
	}
	cr_assert(bob->congested);
	cr_assert_lt(bob->session->queue_count, 20 + 80);
	clock_now += shared.congestion_kill_ms;
	step(4);
	cr_assert_eq(workers[1]->counters.evictions, 1);
	step(8);
	assert_at_rest(workers[1]);
	close(a);
	close(b);
	step(8);
	stop();
}

/* A controller that was killed right after it had told a peer something: its successor, and the
 * peer, rely on what it had put into the ring before. */
Test(worker, what_a_controller_said_before_it_went_is_done)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN, .tag = { { 9 } } };
	struct ring_shared *shared_commands, *shared_events;
	struct post_queue main_thread;
	struct attachment_change change = { .slot = 0, .attached = true, .reply = &main_thread };
	struct ring commands;
	const size_t size = 65536;
	int wake = eventfd(0, EFD_NONBLOCK);

	start(1);
	post_queue_init(&main_thread, wake);
	shared_commands = aligned_alloc(64, ring_shared_size(size));
	shared_events = aligned_alloc(64, ring_shared_size(size));
	ring_format(shared_commands);
	ring_format(shared_events);
	cr_assert_eq(ring_open(&commands, shared_commands, size), 0);
	cr_assert_eq(ring_open(&change.end.commands, shared_commands, size), 0);
	cr_assert_eq(ring_open(&change.end.events, shared_events, size), 0);
	change.end.controller_fd = wake;
	mailbox_change(workers[0], &change);
	cmd.u.room.uris.len = cmd.text_len = sizeof(ROOM_URI);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(
			ring_put(&commands, &cmd, sizeof(cmd), ROOM_URI "\n", sizeof(ROOM_URI)), 0);
	ring_flush(&commands);
	cr_assert_eq(atomic_load(&workers[0]->mailbox.slots[0].objects), 0);
	change.attached = false;
	mailbox_change(workers[0], &change);
	cr_expect_eq(atomic_load(&workers[0]->mailbox.slots[0].objects), 3);
	stop();
	free(shared_commands);
	free(shared_events);
	close(wake);
}

/* The home worker and the index of a leg are read from what a peer wrote. */
Test(worker, a_session_id_of_ours_has_its_form)
{
	uint32_t index = 0;
	uint16_t home = 0;

	cr_assert(session_id_is_valid(
		SPAN_LITERAL("0300000a01abcdefghijklmnopqrstuvwxyz"), &home, &index));
	cr_assert_eq(home, 3);
	cr_assert_eq(index, 0xa01);
	cr_assert_not(session_id_is_valid(
		SPAN_LITERAL("0300000a01abcdefghijklmnopqrstuvwxy"), &home, &index));
	cr_assert_not(session_id_is_valid(
		SPAN_LITERAL("0300000a01abcdefghijklmnopqrstuvwxyz2"), &home, &index));
	cr_assert_not(session_id_is_valid(
		SPAN_LITERAL("0300000A01abcdefghijklmnopqrstuvwxyz"), &home, &index));
	cr_assert_not(session_id_is_valid(
		SPAN_LITERAL("g300000a01abcdefghijklmnopqrstuvwxyz"), &home, &index));
}

/* Steps until this has been heard: the kernel may take a moment to carry octets from one socket to
 * the other. The clock stands. */
static const char *hear_of(int fd, const char *what)
{
	static char text[65536];
	struct pollfd readable = { fd, POLLIN, 0 };
	unsigned tries;
	ssize_t n;
	size_t len = 0;

	text[0] = '\0';
	for (tries = 0; strstr(text, what) == NULL && tries < 1000; tries++) {
		step(1);
		poll(&readable, 1, 1);
		while ((n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0)
			len += (size_t)n;
		text[len] = '\0';
	}
	cr_assert(strstr(text, what) != NULL, "%s instead of %s", text, what);
	return text;
}

static void expect_end(int fd)
{
	struct pollfd readable = { fd, POLLIN, 0 };

	cr_assert_eq(poll(&readable, 1, 10000), 1);
	cr_assert_eq(recv(fd, &(char){ 0 }, 1, 0), 0);
	close(fd);
}

static void steps_to(unsigned phase)
{
	unsigned tries, w;

	for (w = 0; w < 2; w++)
		for (tries = 0; workers[w]->drain.phase != phase && tries < 1000; tries++) {
			step(1);
			usleep(1000);
		}
	for (w = 0; w < 2; w++)
		cr_assert_eq(workers[w]->drain.phase, phase, "worker %u is in phase %u", w,
			workers[w]->drain.phase);
}

/* drain.h, on one clock: what ends within drain_ms is delivered, what does not is given up in good
 * order. */
Test(worker, drains_phase_by_phase)
{
	unsigned ends, w;

	for (ends = 0; ends < 2; ends++) {
		struct leg *alice, *bob;
		const char *heard;
		struct room *room;
		int a, b;

		start(2);
		shared.drain_ms = 5000;
		room = open_room();
		alice = add_member(room, "alice", 0);
		bob = add_member(room, "bob", 1);
		a = dial(0);
		b = dial(1);
		bind_leg(a, alice);
		bind_leg(b, bob);
		hear(a);
		hear(b);
		say(a,
			"MSRP open0 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: open0\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\nFrom: <sip:alice@example.com>\r\nTo: <" ROOM_URI
			">\r\n\r\nContent-Type: text/plain\r\n\r\nbegun",
			SPAN_ARG(alice->conf->uri), SPAN_ARG(alice->conf->path));
		hear_of(b, "\r\n\r\nbegun");
		/* One worker alone does not go on. */
		drain_begin(workers[0]);
		step(8);
		cr_assert_eq(workers[0]->drain.phase, DRAIN_FINISH);
		cr_assert_eq(workers[1]->drain.phase, DRAIN_NONE);
		drain_begin(workers[1]);
		clock_now += 4999;
		step(8);
		for (w = 0; w < 2; w++)
			cr_assert_eq(workers[w]->drain.phase, DRAIN_FINISH);
		/* What begins now does not. */
		send_body(b, bob, "late0", "", "late");
		hear_of(b, "MSRP late0 413 ");
		if (ends == 0) {
			say(a, ", ended\r\n-------open0$\r\n");
			hear_of(a, "MSRP open0 200 OK");
			heard = hear_of(b, ", ended\r\n-------");
			cr_assert(strcmp(heard + strlen(heard) - 3, "$\r\n") == 0, "%s", heard);
			clock_now += 1; /* it is looked at every so often */
			step(1);
		} else {
			clock_now += 1;
			hear_of(a, "MSRP open0 413 ");
			hear_of(b, "#\r\n");
		}
		clock_now += 10;
		steps_to(DRAIN_CLOSE);
		step(2);
		for (w = 0; w < 2; w++)
			cr_assert(
				TAILQ_EMPTY(&workers[w]->used) && TAILQ_EMPTY(&workers[w]->unused));
		/* Both peers see the end, and close. */
		expect_end(a);
		expect_end(b);
		steps_to(DRAIN_DONE);
		for (w = 0; w < 2; w++)
			assert_at_rest(workers[w]);
		cr_assert_eq(alice->state, LEG_UNBOUND);
		cr_assert_eq(alice->cause, LEG_CAUSE_STOPPED);
		stop();
	}
}
