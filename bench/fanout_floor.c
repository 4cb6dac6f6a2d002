/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/fanout_floor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/support.h"

#define READ_OCTETS (64 * 1024 - 16) /* as much as the switch reads at once */

struct floor {
	int epoll, input;
	int *outputs;
	unsigned receivers;
	uint8_t *heads; /* one per receiver, each in its own place */
	size_t head_len, frame_len;
	bool joined;
	uint8_t *octets; /* read; the first octet is a frame's first */
	size_t len;
	uint64_t waits;
};

static void send_all(struct floor *floor, int fd, const uint8_t *at, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = { fd, POLLOUT, 0 };

			floor->waits++;
			poll(&wait, 1, -1);
			continue;
		}
		if (n < 0)
			_exit(3);
		at += n;
		len -= (size_t)n;
	}
}

/* `count` frames that lie one behind the other, to everyone. */
static void fan_out(struct floor *floor, uint8_t *frames, size_t count)
{
	unsigned receiver;
	size_t i;

	for (receiver = 0; receiver < floor->receivers; receiver++) {
		const uint8_t *head = floor->heads + receiver * floor->head_len;

		for (i = 0; i < count; i++)
			memcpy(frames + i * floor->frame_len, head, floor->head_len);
		send_all(floor, floor->outputs[receiver], frames, count * floor->frame_len);
	}
}

static void take_input(struct floor *floor)
{
	ssize_t n = recv(floor->input, floor->octets + floor->len, READ_OCTETS - floor->len, 0);
	size_t whole, i;

	if (n == 0)
		_exit(floor->waits > 0 ? 2 : 0); /* the sender is done */
	if (n < 0) {
		if (errno == EAGAIN)
			return;
		_exit(3);
	}
	floor->len += (size_t)n;
	whole = floor->len / floor->frame_len;
	if (floor->joined)
		fan_out(floor, floor->octets, whole);
	else
		for (i = 0; i < whole; i++)
			fan_out(floor, floor->octets + i * floor->frame_len, 1);
	floor->len -= whole * floor->frame_len;
	memmove(floor->octets, floor->octets + whole * floor->frame_len, floor->len);
}

/* An output that speaks is only read away: the receivers never write, but may close. */
static void run(struct floor *floor)
{
	struct epoll_event events[64];
	int i, n;

	for (;;) {
		n = epoll_wait(floor->epoll, events, 64, -1);
		for (i = 0; i < n; i++)
			if (events[i].data.fd == floor->input)
				take_input(floor);
	}
}

static int accept_one(struct floor *floor, int listener)
{
	/* As conn_new of tcp_kernel.c. */
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int on = 1, sndbuf = 512 * 1024, notsent = 64 * 1024;
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		_exit(3);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
	if (epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		_exit(3);
	return fd;
}

static void child(const struct fanout_frame *frame, bool joined, unsigned receivers, int listener)
{
	struct floor floor = { .receivers = receivers,
		.joined = joined,
		.frame_len = frame->len,
		.head_len = frame->head_len };
	unsigned i;

	floor.epoll = epoll_create1(EPOLL_CLOEXEC);
	floor.outputs = calloc(receivers, sizeof(int));
	floor.heads = malloc(receivers * frame->head_len);
	floor.octets = malloc(READ_OCTETS);
	if (floor.epoll < 0 || floor.outputs == NULL || floor.heads == NULL || floor.octets == NULL)
		_exit(3);
	for (i = 0; i < receivers; i++) {
		memcpy(floor.heads + i * frame->head_len, frame->octets, frame->head_len);
		floor.outputs[i] = accept_one(&floor, listener);
	}
	floor.input = accept_one(&floor, listener);
	close(listener);
	run(&floor);
}

static int connect_to(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		bench_fail("connect: %s", strerror(errno));
	return fd;
}

void fanout_floor_start(struct fanout_floor *floor, const struct fanout_frame *frame, bool joined,
	unsigned receivers, int *outputs, int cpu)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned i;

	if (frame->len > READ_OCTETS)
		bench_fail("a frame of %zu octets is too long", frame->len);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 ||
		listen(listener, 4096) < 0 ||
		getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		bench_fail("listen: %s", strerror(errno));
	floor->pid = fork();
	if (floor->pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (floor->pid == 0) {
		/* What the parent has open is not the child's business: it must end there when the
		 * parent closes it. */
		dup2(listener, 3);
		close_range(4, ~0u, 0);
		bench_pin(cpu);
		child(frame, joined, receivers, 3);
	}
	close(listener);
	for (i = 0; i < receivers; i++)
		outputs[i] = connect_to(&at);
	floor->input = connect_to(&at);
}

void fanout_floor_stop(struct fanout_floor *floor)
{
	int status = 0;

	close(floor->input);
	if (waitpid(floor->pid, &status, 0) != floor->pid || !WIFEXITED(status))
		bench_fail("the floor program did not end well: %#x", (unsigned)status);
	if (WEXITSTATUS(status) == 2)
		bench_fail(
			"the floor program waited for a full socket: its figure is not the least");
	if (WEXITSTATUS(status) != 0)
		bench_fail("the floor program failed: %d", WEXITSTATUS(status));
}
