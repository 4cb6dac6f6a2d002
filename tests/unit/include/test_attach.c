/* SPDX-License-Identifier: BSD-3-Clause */
/* attach and controller against each other, in one process. The switch's main thread is a thread of
 * the test where a controller waits for it, and the test itself where the other side is played by
 * hand. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dataplane/attach.h"
#include "include/controller.h"
#include "include/log.h"

#define WORKERS   2
#define RING_SIZE (64u << 10)
#define INSTANCE  0xabcd1234u

static char directory[32];
static char path[64];
static struct attach *a;
static int worker_fds[WORKERS];

/* The owner of the attach: it hands over at once, unless a test holds it back. */
static struct {
	struct attachment_end ends[BORDER_CONTROLLERS_MAX][WORKERS];
	_Atomic unsigned attached, detached;
	_Atomic bool hold;
	bool in_use[BORDER_CONTROLLERS_MAX];
} owner;

static void on_attached(void *arg, unsigned slot, const struct attachment_end *ends)
{
	memcpy(owner.ends[slot], ends, sizeof(owner.ends[slot]));
	owner.attached++;
	if (!owner.hold)
		attach_ready(a, slot);
}

static void on_detached(void *arg, unsigned slot)
{
	memset(owner.ends[slot], 0, sizeof(owner.ends[slot]));
	owner.detached++;
	if (!owner.hold)
		attach_released(a, slot);
}

static bool on_in_use(void *arg, unsigned slot)
{
	return owner.in_use[slot];
}

static const struct attach_ops ops = { on_attached, on_detached, on_in_use };

static int start(struct attach **out)
{
	return attach_new(out, path, INSTANCE, WORKERS, RING_SIZE, worker_fds, &ops, NULL);
}

static void switch_up(void)
{
	log_level = LOG_ERROR;
	strcpy(directory, "/tmp/plenum-attach-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	for (unsigned w = 0; w < WORKERS; w++)
		worker_fds[w] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	cr_assert_eq(start(&a), 0);
}

static void switch_down(void)
{
	attach_free(a);
	for (unsigned w = 0; w < WORKERS; w++)
		close(worker_fds[w]);
	unlink(path);
	cr_expect_eq(rmdir(directory), 0, "nothing is left behind");
}

TestSuite(attach, .init = switch_up, .fini = switch_down);

/* The switch's main thread. */

static pthread_t thread;
static int stop_fd;

static void *main_thread(void *arg)
{
	int fds[ATTACH_FDS_MAX];
	struct pollfd polls[ATTACH_FDS_MAX + 1];

	for (;;) {
		unsigned count = attach_wait_on(a, fds, ATTACH_FDS_MAX);

		for (unsigned i = 0; i < count; i++)
			polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		polls[count] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
		poll(polls, count + 1, -1);
		if (polls[count].revents != 0)
			return NULL;
		attach_poll(a, 1);
	}
}

static void run(void)
{
	stop_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert_eq(pthread_create(&thread, NULL, main_thread, NULL), 0);
}

static void stop(void)
{
	uint64_t one = 1;

	cr_assert_eq(write(stop_fd, &one, sizeof(one)), (ssize_t)sizeof(one));
	pthread_join(thread, NULL);
	close(stop_fd);
}

/* Attaches with the main thread running for just so long. */
static struct controller *attach_as(const char *name)
{
	struct controller *c = NULL;
	int r;

	run();
	r = controller_attach(&c, path, name, 2000, NULL);
	stop();
	cr_assert_eq(r, 0, "%s", result_text(r));
	return c;
}

/* A peer played by hand. */

static int connect_by_hand(void)
{
	struct sockaddr_un address;
	int dir, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	cr_assert_eq(border_address(path, &address, &dir), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static struct border_hello hello_as(const char *name)
{
	struct border_hello hello = { .magic = BORDER_MAGIC, .abi = BORDER_ABI, .pid = 1 };

	memcpy(hello.name, name, strlen(name));
	return hello;
}

static int say_hello(const char *name)
{
	struct border_hello hello = hello_as(name);
	int fd = connect_by_hand();

	cr_assert_eq(send(fd, &hello, sizeof(hello), 0), (ssize_t)sizeof(hello));
	return fd;
}

static bool is_closed(int fd)
{
	char octets[256];
	ssize_t got;

	do
		got = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
	while (got > 0);
	return got == 0 || errno == ECONNRESET;
}

/* The result of the welcome that waits at fd; 1 when there is none. */
static int answer(int fd, struct border_welcome *welcome)
{
	struct border_welcome w;
	ssize_t got = recv(fd, &w, sizeof(w), MSG_DONTWAIT);

	if (got != (ssize_t)sizeof(w))
		return 1;
	if (welcome != NULL)
		*welcome = w;
	return w.result;
}

static int refused_with(const void *hello, size_t len)
{
	int fd = connect_by_hand(), r;

	cr_assert_eq(send(fd, hello, len, 0), (ssize_t)len);
	attach_poll(a, 1);
	r = answer(fd, NULL);
	cr_expect(is_closed(fd));
	close(fd);
	return r;
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

/* Events of a poll, noted. */

struct noted {
	unsigned count, per_worker[WORKERS];
	uint64_t cookie;
	char text[64];
};

static void note(void *arg, uint32_t w, const struct switch_event *event, const char *text)
{
	struct noted *n = arg;

	n->count++;
	n->per_worker[w]++;
	n->cookie = event->cookie;
	snprintf(n->text, sizeof(n->text), "%.*s", (int)event->text_len, text);
}

static void put_event(unsigned slot, unsigned w, uint64_t cookie, const char *text)
{
	struct switch_event event = { .type = EVENT_ANSWER, .cookie = cookie };

	event.text_len = (uint16_t)strlen(text);
	cr_assert_eq(
		ring_put(&owner.ends[slot][w].events, &event, sizeof(event), text, event.text_len),
		0);
}

Test(attach, commands_and_events_travel_both_ways)
{
	struct controller *c = attach_as("focus");
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN, .cookie = 7, .text_len = 4 };
	static uint8_t record[RING_RECORD_MAX];
	struct noted noted = { 0 };

	cr_expect_eq(controller_instance(c), INSTANCE);
	cr_expect_eq(controller_epoch(c), 1);
	cr_expect_eq(controller_workers(c), WORKERS);
	cr_expect_str_eq(attach_name(a, 0), "focus");
	cr_expect(controller_is_attached(c));

	cr_assert_eq(controller_submit(c, 1, &cmd, "text"), 0);
	controller_flush(c);
	cr_expect_eq(ring_get(&owner.ends[0][0].commands, record), 0, "worker 0 has nothing");
	cr_assert_eq(ring_get(&owner.ends[0][1].commands, record), (int)sizeof(cmd) + 4);
	cr_expect_arr_eq(record, &cmd, sizeof(cmd));
	cr_expect_arr_eq(record + sizeof(cmd), "text", 4);

	put_event(0, 1, 7, "answer");
	cr_expect_eq(controller_poll(c, 10, note, &noted), 0, "not flushed");
	ring_flush(&owner.ends[0][1].events);
	cr_expect_eq(controller_poll(c, 10, note, &noted), 1);
	cr_expect_eq(noted.per_worker[1], 1);
	cr_expect_eq(noted.cookie, 7);
	cr_expect_str_eq(noted.text, "answer");
	controller_detach(c);
}

Test(attach, what_cannot_be_submitted_is_refused)
{
	static char text[SWITCH_TEXT_MAX];
	struct controller *c = attach_as("focus");
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN, .text_len = SWITCH_TEXT_MAX + 1 };
	unsigned count = 0;

	cr_expect_eq(controller_submit(c, 0, &cmd, text), -EINVAL);
	cmd.text_len = 0;
	cr_expect_eq(controller_submit(c, WORKERS, &cmd, NULL), -EINVAL);
	cmd.text_len = SWITCH_TEXT_MAX;
	while (controller_submit(c, 0, &cmd, text) == 0)
		count++;
	cr_expect_eq(count, RING_SIZE / (sizeof(cmd) + SWITCH_TEXT_MAX + 8));
	cr_expect_eq(controller_submit(c, 0, &cmd, text), -ENOBUFS);
	cr_expect_eq(controller_submit(c, 1, &cmd, text), 0, "the other worker has room");
	controller_detach(c);
}

Test(attach, a_full_ring_is_flushed_and_its_writer_woken_when_there_is_room)
{
	static char text[SWITCH_TEXT_MAX];
	static uint8_t record[RING_RECORD_MAX];
	struct controller *c = attach_as("focus");
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN, .text_len = SWITCH_TEXT_MAX };
	struct ring *commands = &owner.ends[0][0].commands;
	struct pollfd p = { .fd = controller_fd(c), .events = POLLIN };
	uint64_t one = 1;

	cr_assert(ring_may_sleep(commands));
	while (controller_submit(c, 0, &cmd, text) == 0)
		;
	struct pollfd woken = { .fd = worker_fds[0], .events = POLLIN };

	cr_expect_eq(poll(&woken, 1, 0), 1, "the worker was woken without a flush");
	while (ring_get(commands, record) > 0)
		;
	cr_assert(ring_release(commands));
	cr_assert_eq(write(owner.ends[0][0].controller_fd, &one, sizeof(one)), 8);
	cr_expect_eq(poll(&p, 1, 0), 1);
	cr_expect_eq(controller_submit(c, 0, &cmd, text), 0);
	controller_detach(c);
}

Test(attach, a_sleeping_controller_is_woken_and_the_wake_up_used_up)
{
	struct controller *c = attach_as("focus");
	struct pollfd p = { .fd = controller_fd(c), .events = POLLIN };
	struct ring *events = &owner.ends[0][1].events;
	struct noted noted = { 0 };
	uint64_t one = 1;

	cr_assert(controller_may_sleep(c));
	cr_expect_eq(poll(&p, 1, 0), 0);
	put_event(0, 1, 1, "");
	cr_assert(ring_flush(events));
	cr_assert_eq(write(owner.ends[0][1].controller_fd, &one, sizeof(one)), 8);
	cr_expect_eq(poll(&p, 1, 0), 1);
	cr_expect_not(controller_may_sleep(c), "there is an event");
	cr_expect_eq(controller_poll(c, 10, note, &noted), 1);
	cr_expect_eq(poll(&p, 1, 0), 0);
	cr_expect(controller_may_sleep(c));
	controller_detach(c);
}

Test(attach, workers_take_turns_in_a_poll)
{
	struct controller *c = attach_as("focus");
	struct noted noted = { 0 };

	for (unsigned i = 0; i < 200; i++)
		put_event(0, 0, i, "");
	for (unsigned i = 0; i < 10; i++)
		put_event(0, 1, i, "");
	ring_flush(&owner.ends[0][0].events);
	ring_flush(&owner.ends[0][1].events);
	cr_expect_eq(controller_poll(c, 50, note, &noted), 50);
	cr_expect_eq(noted.per_worker[1], 10, "worker 0 does not keep worker 1 out");
	cr_expect_eq(controller_poll(c, 1000, note, &noted), 160);
	controller_detach(c);
}

Test(attach, false_events_are_counted_and_left_out)
{
	struct controller *c = attach_as("focus");
	struct ring *events = &owner.ends[0][0].events;
	struct switch_event event = { .type = EVENT_ROOM, .text_len = 5 };
	struct noted noted = { 0 };

	cr_assert_eq(ring_put(events, &event, sizeof(event) - 1, NULL, 0), 0);
	cr_assert_eq(ring_put(events, &event, sizeof(event), NULL, 0), 0);
	cr_assert_eq(ring_put(events, &event, sizeof(event), "abcdef", 6), 0);
	cr_assert_eq(ring_put(events, &event, sizeof(event), "abcde", 5), 0);
	ring_flush(events);
	cr_expect_eq(controller_poll(c, 10, note, &noted), 1);
	cr_expect_str_eq(noted.text, "abcde");
	cr_expect_eq(controller_bad_records(c), 3);
	controller_detach(c);
}

Test(attach, a_broken_ring_is_said_by_poll_and_submit)
{
	struct controller *c = attach_as("focus");
	struct switch_cmd cmd = { .type = CMD_SNAPSHOT };
	struct noted noted = { 0 };
	int r;

	atomic_store(&owner.ends[0][0].events.shared->tail, 3);
	atomic_store(&owner.ends[0][0].commands.shared->head, 1ull << 40);
	cr_expect_eq(controller_poll(c, 10, note, &noted), -EPIPE);
	do
		r = controller_submit(c, 0, &cmd, NULL);
	while (r == 0);
	cr_expect_eq(r, -EPIPE);
	controller_detach(c);
}

Test(attach, the_end_of_a_controller_is_its_detach)
{
	struct controller *c = attach_as("focus");

	controller_detach(c);
	cr_expect_eq(owner.detached, 0);
	attach_poll(a, 1);
	cr_expect_eq(owner.detached, 1);
	cr_expect_str_eq(attach_name(a, 0), "focus", "its name is remembered");

	c = attach_as("focus");
	cr_expect_eq(controller_epoch(c), 2);
	controller_detach(c);
}

Test(attach, a_new_hello_fences_the_old_one_and_gets_memory_of_its_own)
{
	struct controller *old = attach_as("focus"), *new;
	struct switch_cmd cmd = { .type = CMD_DRAIN };
	static uint8_t record[RING_RECORD_MAX];
	struct noted noted = { 0 };

	put_event(0, 0, 1, "old");
	ring_flush(&owner.ends[0][0].events);
	new = attach_as("focus");
	cr_expect_not(controller_is_attached(old));
	cr_expect(controller_is_attached(new));
	cr_expect_eq(controller_epoch(new), 2);
	cr_expect_eq(owner.detached, 0, "one goes over into the other");

	cr_assert_eq(controller_submit(old, 0, &cmd, NULL), 0);
	controller_flush(old);
	cr_expect_eq(ring_get(&owner.ends[0][0].commands, record), 0);
	cr_expect_eq(controller_poll(new, 10, note, &noted), 0);
	cr_expect_eq(controller_poll(old, 10, note, &noted), 1);
	controller_detach(old);
	attach_poll(a, 1);
	cr_expect_eq(owner.detached, 0, "nobody misses the fenced one");
	controller_detach(new);
}

Test(attach, names_have_slots_of_their_own)
{
	struct controller *focus = attach_as("focus"), *gateway = attach_as("gateway");
	struct noted noted = { 0 };

	cr_expect_eq(controller_epoch(gateway), 1);
	cr_expect(controller_is_attached(focus));
	put_event(1, 0, 1, "for gateway");
	ring_flush(&owner.ends[1][0].events);
	cr_expect_eq(controller_poll(focus, 10, note, &noted), 0);
	cr_expect_eq(controller_poll(gateway, 10, note, &noted), 1);
	controller_detach(focus);
	controller_detach(gateway);
}

Test(attach, while_a_change_is_under_way_the_newest_hello_waits)
{
	int first, second, third;
	struct border_welcome welcome;

	owner.hold = true;
	first = say_hello("focus");
	attach_poll(a, 1);
	cr_expect_eq(owner.attached, 1);
	cr_expect_eq(answer(first, NULL), 1, "no welcome before the workers are ready");
	second = say_hello("focus");
	attach_poll(a, 1);
	cr_expect(is_closed(first));
	third = say_hello("focus");
	attach_poll(a, 1);
	cr_expect(is_closed(second));
	cr_expect_eq(owner.attached, 1, "one change at a time");

	attach_ready(a, 0);
	cr_expect_eq(owner.attached, 2);
	cr_expect_eq(answer(third, NULL), 1);
	attach_ready(a, 0);
	cr_assert_eq(answer(third, &welcome), 0);
	cr_expect_eq(welcome.epoch, 2);
	close(first);
	close(second);
	close(third);
}

Test(attach, a_hello_during_the_detach_waits_for_the_release)
{
	struct controller *c = attach_as("focus");
	struct border_welcome welcome;
	int fd;

	owner.hold = true;
	controller_detach(c);
	attach_poll(a, 1);
	cr_assert_eq(owner.detached, 1);
	fd = say_hello("focus");
	attach_poll(a, 1);
	cr_expect_eq(owner.attached, 1);
	attach_released(a, 0);
	cr_expect_eq(owner.attached, 2);
	attach_ready(a, 0);
	cr_assert_eq(answer(fd, &welcome), 0);
	cr_expect_eq(welcome.epoch, 2);
	close(fd);
}

Test(attach, who_goes_during_the_hand_over_is_detached_after_it)
{
	int fd;

	owner.hold = true;
	fd = say_hello("focus");
	attach_poll(a, 1);
	close(fd);
	attach_poll(a, 1);
	cr_expect_eq(owner.detached, 0, "one change at a time");
	attach_ready(a, 0);
	cr_expect_eq(owner.detached, 1);
	attach_released(a, 0);

	fd = say_hello("focus");
	attach_poll(a, 1);
	int waiting = say_hello("focus");

	attach_poll(a, 1);
	close(waiting);
	attach_poll(a, 1);
	attach_ready(a, 0);
	cr_expect_eq(owner.detached, 2, "the first was fenced, the second has gone");
	attach_released(a, 0);
	cr_expect(is_closed(fd));
	close(fd);
}

Test(attach, hostile_hellos_are_refused)
{
	struct border_hello hello = hello_as("focus");
	char long_one[4096] = { 0 };

	hello.magic++;
	cr_expect_eq(refused_with(&hello, sizeof(hello)), -EPROTO);
	hello = hello_as("focus");
	hello.abi++;
	cr_expect_eq(refused_with(&hello, sizeof(hello)), -EPROTO);
	hello = hello_as("focus");
	cr_expect_eq(refused_with(&hello, 1), -EPROTO);
	cr_expect_eq(refused_with(&hello, sizeof(hello) - 1), -EPROTO);
	memcpy(long_one, &hello, sizeof(hello));
	cr_expect_eq(refused_with(long_one, sizeof(long_one)), -EPROTO);
	cr_expect_eq(refused_with(long_one, sizeof(hello) + 1), -EPROTO);
	hello = hello_as("");
	cr_expect_eq(refused_with(&hello, sizeof(hello)), -EINVAL);
	hello = hello_as("a b");
	cr_expect_eq(refused_with(&hello, sizeof(hello)), -EINVAL);
	hello = hello_as("log\nforged");
	cr_expect_eq(refused_with(&hello, sizeof(hello)), -EINVAL);
	memset(hello.name, 'x', sizeof(hello.name));
	cr_expect_eq(refused_with(&hello, sizeof(hello)), -EINVAL, "no final zero");
	cr_expect_eq(owner.attached, 0);
	cr_expect_str_eq(attach_name(a, 0), "");
}

Test(attach, another_abi_is_told_ours)
{
	struct border_hello hello = hello_as("focus");
	struct border_welcome welcome;
	int fd = connect_by_hand();

	hello.abi = 99;
	cr_assert_eq(send(fd, &hello, 12, 0), 12, "a hello of another size");
	attach_poll(a, 1);
	cr_expect_eq(answer(fd, &welcome), -EPROTO);
	cr_expect_eq(welcome.abi, BORDER_ABI);
	close(fd);
}

Test(attach, descriptors_sent_with_a_hello_are_dropped)
{
	struct border_hello hello = hello_as("focus");
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &hello, sizeof(hello) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	int pipes[2], fd = connect_by_hand();
	char octet;

	cr_assert_eq(pipe2(pipes, O_NONBLOCK), 0);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &pipes[1], sizeof(int));
	cr_assert_eq(sendmsg(fd, &msg, 0), (ssize_t)sizeof(hello));
	close(pipes[1]);
	attach_poll(a, 1);
	cr_expect_eq(owner.attached, 1);
	cr_expect_eq(read(pipes[0], &octet, 1), 0, "nobody holds the writing end");
	close(pipes[0]);
	close(fd);
}

Test(attach, who_says_nothing_is_closed_after_2_s)
{
	int fd = connect_by_hand();

	attach_poll(a, 1000);
	attach_poll(a, 2999);
	cr_expect_not(is_closed(fd));
	attach_poll(a, 3000);
	cr_expect(is_closed(fd));
	close(fd);
}

Test(attach, silent_connections_are_16_at_most_and_keep_nobody_out)
{
	int silent[20];

	for (unsigned i = 0; i < 20; i++) {
		silent[i] = connect_by_hand();
		attach_poll(a, 100 + i);
	}
	for (unsigned i = 0; i < 20; i++)
		cr_expect_eq(is_closed(silent[i]), i < 4, "the oldest go, at %u", i);
	int fd = say_hello("focus");

	attach_poll(a, 200);
	cr_expect_eq(answer(fd, NULL), 0);
	close(fd);
	for (unsigned i = 0; i < 20; i++)
		close(silent[i]);
}

Test(attach, a_controller_that_talks_after_its_hello_is_detached)
{
	int fd = say_hello("focus");

	attach_poll(a, 1);
	cr_assert_eq(answer(fd, NULL), 0);
	cr_assert_eq(send(fd, "more", 4, 0), 4);
	attach_poll(a, 1);
	cr_expect(is_closed(fd));
	cr_expect_eq(owner.detached, 1);
	close(fd);
}

Test(attach, names_are_8_at_most_while_they_hold_objects)
{
	char name[] = "controller-0";
	int fds[BORDER_CONTROLLERS_MAX], fd;

	for (unsigned i = 0; i < BORDER_CONTROLLERS_MAX; i++) {
		name[sizeof(name) - 2] = (char)('0' + i);
		fds[i] = say_hello(name);
		attach_poll(a, 1);
		cr_assert_eq(answer(fds[i], NULL), 0);
		owner.in_use[i] = true;
	}
	fd = say_hello("ninth");
	attach_poll(a, 1);
	cr_expect_eq(answer(fd, NULL), -ENOBUFS, "all are attached");
	close(fd);

	close(fds[3]);
	attach_poll(a, 1);
	fd = say_hello("ninth");
	attach_poll(a, 1);
	cr_expect_eq(answer(fd, NULL), -ENOBUFS, "the third has gone, but left objects");
	close(fd);

	owner.in_use[3] = false;
	fd = say_hello("ninth");
	attach_poll(a, 1);
	struct border_welcome welcome;

	cr_assert_eq(answer(fd, &welcome), 0);
	cr_expect_eq(welcome.epoch, 1);
	cr_expect_str_eq(attach_name(a, 3), "ninth");
	close(fd);
	for (unsigned i = 0; i < BORDER_CONTROLLERS_MAX; i++)
		if (i != 3)
			close(fds[i]);
}

Test(attach, a_controller_without_heartbeat_is_seen)
{
	struct controller *c = attach_as("focus");

	attach_poll(a, 5000); /* the clock of this test goes on from 1 */
	cr_expect_not(attach_is_hung(a, 0));
	controller_heartbeat(c);
	attach_poll(a, 9000);
	attach_poll(a, 9000 + BORDER_HUNG_MS - 1);
	cr_expect_not(attach_is_hung(a, 0));
	attach_poll(a, 9000 + BORDER_HUNG_MS);
	cr_expect(attach_is_hung(a, 0));
	controller_heartbeat(c);
	attach_poll(a, 9001 + BORDER_HUNG_MS);
	cr_expect_not(attach_is_hung(a, 0));
	cr_expect(controller_is_attached(c), "a hung controller is not thrown out");
	controller_detach(c);
}

Test(attach, a_live_switch_keeps_its_socket)
{
	struct attach *other;

	cr_expect_eq(start(&other), -EEXIST);
	controller_detach(attach_as("focus"));
}

Test(attach, a_stale_socket_is_replaced)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr_un address;
	int dir;

	attach_free(a);
	cr_assert_eq(access(path, F_OK), -1, "it takes its socket along");
	cr_assert_eq(border_address(path, &address, &dir), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	close(fd); /* as a killed switch leaves it */
	cr_assert_eq(access(path, F_OK), 0);

	struct controller *c;

	cr_expect_eq(controller_attach(&c, path, "focus", 100, NULL), -ECONNREFUSED);
	cr_assert_eq(start(&a), 0);
	controller_detach(attach_as("focus"));
}

Test(attach, a_file_that_is_no_socket_is_left_alone)
{
	struct attach *other = a;
	int fd;

	attach_free(a);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
	cr_expect_eq(start(&other), -EEXIST);
	cr_expect_eq(access(path, F_OK), 0);
	unlink(path);
	cr_assert_eq(start(&a), 0);
}

Test(attach, the_socket_is_for_its_owner_only)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
}

Test(attach, only_its_own_socket_is_removed)
{
	struct attach *first = a;

	unlink(path);
	cr_assert_eq(start(&a), 0);
	attach_free(first);
	cr_expect_eq(access(path, F_OK), 0);
	controller_detach(attach_as("focus"));
}

Test(attach, what_cannot_be_is_refused_at_the_start)
{
	struct attach *other;

	cr_expect_eq(attach_new(&other, path, 1, 0, RING_SIZE, worker_fds, &ops, NULL), -EINVAL);
	cr_expect_eq(attach_new(&other, path, 1, BORDER_WORKERS_MAX + 1, RING_SIZE, worker_fds,
			     &ops, NULL),
		-EINVAL);
	cr_expect_eq(attach_new(&other, path, 1, WORKERS, 1000, worker_fds, &ops, NULL), -EINVAL);
	cr_expect_eq(
		attach_new(&other, "", 1, WORKERS, RING_SIZE, worker_fds, &ops, NULL), -EINVAL);
	cr_expect_eq(attach_new(&other, "/none/such/place", 1, WORKERS, RING_SIZE, worker_fds, &ops,
			     NULL),
		-ENOENT);
}

Test(attach, coming_and_going_leaves_no_descriptor_behind)
{
	unsigned before;

	controller_detach(attach_as("focus"));
	attach_poll(a, 1);
	before = descriptors();
	for (unsigned i = 0; i < 50; i++) {
		struct controller *old = attach_as("focus"), *new = attach_as("focus");

		controller_detach(old);
		controller_detach(new);
		attach_poll(a, 1);
	}
	cr_expect_eq(descriptors(), before);
}

Test(attach, without_descriptors_connections_are_closed_and_the_switch_stays)
{
	struct rlimit before, none;
	int fd = connect_by_hand(), second;
	int fds[ATTACH_FDS_MAX];

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	second = connect_by_hand();
	none.rlim_cur = (rlim_t)second + 1;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	attach_poll(a, 1);
	cr_expect(is_closed(fd));
	cr_expect(is_closed(second));

	struct pollfd p = { .events = POLLIN };

	cr_assert_eq(attach_wait_on(a, fds, ATTACH_FDS_MAX), 1);
	p.fd = fds[0];
	cr_expect_eq(poll(&p, 1, 0), 0, "nothing is left to spin on");
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	controller_detach(attach_as("focus"));
	close(fd);
	close(second);
}

/* What a hostile controller can do with the descriptors it was given. */

static void set_blocking(int fd)
{
	cr_assert_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

Test(attach, waking_a_controller_never_blocks, .timeout = 5)
{
	struct controller *c = attach_as("focus");
	uint64_t one = 1;
	unsigned taken = 0;

	set_blocking(controller_fd(c));
	for (unsigned i = 0; i < 100000; i++)
		if (write(owner.ends[0][0].controller_fd, &one, sizeof(one)) == 8)
			taken++;
	cr_expect_lt(taken, 100000, "the pipe is full");
	set_blocking(controller_fd(c));
	controller_detach(c);
	cr_expect_eq(write(owner.ends[0][0].controller_fd, &one, sizeof(one)), -1,
		"no SIGPIPE: the switch holds the reading end as well");
	cr_expect_eq(errno, EAGAIN);
}

Test(attach, a_worker_uses_up_its_wake_ups_without_blocking, .timeout = 5)
{
	struct pollfd p = { .fd = worker_fds[0], .events = POLLIN };
	uint64_t many = UINT64_MAX - 1;

	set_blocking(worker_fds[0]);
	attach_wake_take(worker_fds[0]);
	cr_assert_eq(write(worker_fds[0], &many, sizeof(many)), 8);
	cr_expect_eq(poll(&p, 1, 0), 1);
	attach_wake_take(worker_fds[0]);
	cr_expect_eq(poll(&p, 1, 0), 0);
}

Test(attach, the_shared_memory_cannot_be_shrunk)
{
	struct border_welcome welcome;
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int) * (2 + WORKERS))];
	} control;
	struct iovec iov = { &welcome, sizeof(welcome) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	int fd = say_hello("focus"), fds[2 + WORKERS];

	attach_poll(a, 1);
	cr_assert_eq(recvmsg(fd, &msg, 0), (ssize_t)sizeof(welcome));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
	cr_expect_eq(ftruncate(fds[0], 0), -1);
	cr_expect_eq(ftruncate(fds[0], 1 << 30), -1);
	cr_expect_eq(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE), -1);
	for (unsigned i = 0; i < 2 + WORKERS; i++)
		close(fds[i]);
	close(fd);
}

/* A switch that lies to its controller, played by hand. */

struct liar {
	int listener;
	struct border_welcome welcome;
	int fds[4];
	unsigned fds_count;
	bool silent, close_at_once;
};

static void *lie(void *arg)
{
	struct liar *liar = arg;
	struct border_hello hello;
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int) * 4)];
	} control = { 0 };
	struct iovec iov = { &liar->welcome, sizeof(liar->welcome) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = accept(liar->listener, NULL, NULL);
	char octet;

	if (liar->close_at_once) {
		close(fd);
		return NULL;
	}
	cr_assert_eq(recv(fd, &hello, sizeof(hello), 0), (ssize_t)sizeof(hello));
	if (!liar->silent) {
		if (liar->fds_count > 0) {
			msg.msg_control = &control;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * liar->fds_count);
			struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			h->cmsg_len = CMSG_LEN(sizeof(int) * liar->fds_count);
			memcpy(CMSG_DATA(h), liar->fds, sizeof(int) * liar->fds_count);
		}
		cr_assert_eq(sendmsg(fd, &msg, 0), (ssize_t)sizeof(liar->welcome));
	}
	cr_expect_eq(recv(fd, &octet, 1, 0), 0, "the controller gives up and closes");
	close(fd);
	return NULL;
}

/* What controller_attach says to it; no descriptor may be left over. */
static int lied_to(struct liar *liar, uint32_t *abi)
{
	struct sockaddr_un address;
	struct controller *c = NULL;
	unsigned before;
	pthread_t t;
	int dir, r;

	attach_free(a);
	a = NULL;
	cr_assert_eq(border_address(path, &address, &dir), 0);
	liar->listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	unlink(path);
	cr_assert_eq(bind(liar->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(liar->listener, 1), 0);
	before = descriptors();
	cr_assert_eq(pthread_create(&t, NULL, lie, liar), 0);
	/* On a busy machine the liar may take its time; only the silent one is given up soon. */
	r = controller_attach(&c, path, "focus", liar->silent ? 300 : 20000, abi);
	pthread_join(t, NULL);
	cr_expect_eq(descriptors(), before);
	cr_expect_null(c);
	close(liar->listener);
	return r;
}

/* A welcome that would do, with memory as asked for. */
static struct liar liar_with(uint64_t add_size, int seals)
{
	struct liar liar = { .welcome = { .magic = BORDER_MAGIC,
				     .abi = BORDER_ABI,
				     .instance = 1,
				     .epoch = 1,
				     .workers = 1,
				     .ring_size = RING_SIZE },
		.fds_count = 3 };

	liar.welcome.size = border_size(1, RING_SIZE, &liar.welcome.rings_at);
	liar.fds[0] = memfd_create("liar", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	cr_assert_eq(ftruncate(liar.fds[0], (off_t)(liar.welcome.size + add_size)), 0);
	cr_assert_eq(fcntl(liar.fds[0], F_ADD_SEALS, seals), 0);
	liar.fds[1] = eventfd(0, EFD_NONBLOCK);
	liar.fds[2] = eventfd(0, EFD_NONBLOCK);
	liar.fds[3] = eventfd(0, EFD_NONBLOCK);
	return liar;
}

static void liar_close(struct liar *liar)
{
	for (unsigned i = 0; i < 4; i++)
		close(liar->fds[i]);
}

#define SEALED (F_SEAL_SHRINK | F_SEAL_GROW)

Test(attach, a_controller_maps_only_memory_that_cannot_shrink)
{
	struct liar liar = liar_with(0, F_SEAL_GROW);

	cr_expect_eq(lied_to(&liar, NULL), -EPROTO);
	liar_close(&liar);
	liar = liar_with(0, 0);
	close(liar.fds[0]);
	liar.fds[0] = dup(liar.fds[1]); /* no memory at all */
	cr_expect_eq(lied_to(&liar, NULL), -EPROTO);
	liar_close(&liar);
}

Test(attach, a_controller_maps_only_memory_of_the_size_that_was_said)
{
	struct liar liar = liar_with((uint64_t)-4096, SEALED);

	cr_expect_eq(lied_to(&liar, NULL), -EPROTO);
	liar_close(&liar);
	liar = liar_with(4096, SEALED);
	cr_expect_eq(lied_to(&liar, NULL), -EPROTO);
	liar_close(&liar);
}

Test(attach, a_welcome_that_contradicts_itself_is_refused)
{
	for (unsigned i = 0; i < 9; i++) {
		struct liar liar = liar_with(0, SEALED);

		switch (i) {
		case 0: liar.welcome.workers = 0; break;
		case 1: liar.welcome.workers = BORDER_WORKERS_MAX + 1; break;
		case 2: liar.welcome.workers = 2; break;
		case 3: liar.welcome.ring_size = 3; break;
		case 4: liar.welcome.ring_size = 0; break;
		case 5: liar.welcome.rings_at = 1ull << 40; break;
		case 6: liar.welcome.size += 4096; break;
		case 7: liar.fds_count = 4; break;
		case 8: liar.welcome.magic = 0; break;
		default: break;
		}
		cr_expect_eq(lied_to(&liar, NULL), -EPROTO, "case %u", i);
		liar_close(&liar);
	}
}

Test(attach, another_abi_of_the_switch_is_told)
{
	struct liar liar = { .welcome = { .magic = BORDER_MAGIC, .abi = 77, .result = -EPROTO } };
	uint32_t abi = 0;

	cr_expect_eq(lied_to(&liar, &abi), -EPROTO);
	cr_expect_eq(abi, 77);
}

Test(attach, refusals_reach_the_controller)
{
	static const int results[] = { -EPERM, -EINVAL, -ENOBUFS };

	for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		struct liar liar = { .welcome = { .magic = BORDER_MAGIC,
					     .abi = BORDER_ABI,
					     .result = results[i] } };

		cr_expect_eq(lied_to(&liar, NULL), results[i]);
	}
}

Test(attach, a_refusal_that_makes_no_sense_is_a_protocol_error)
{
	static const int results[] = { 1, -1000, INT32_MIN, -ETIMEDOUT };

	for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		struct liar liar = { .welcome = { .magic = BORDER_MAGIC,
					     .abi = BORDER_ABI,
					     .result = results[i] } };

		cr_expect_eq(lied_to(&liar, NULL), -EPROTO);
	}
}

Test(attach, a_switch_that_does_not_answer_is_given_up)
{
	struct liar liar = { .silent = true };

	cr_expect_eq(lied_to(&liar, NULL), -ETIMEDOUT);
	liar = (struct liar){ .close_at_once = true };
	cr_expect_eq(lied_to(&liar, NULL), -ECONNREFUSED);
}
