/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport on kernel sockets, where the surroundings do not do what a switch is used to. */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/tcp/tcp.h"

struct user {
	struct tcp_conn *conn;
	bool connected, closed, writable;
	int reason;
	char got[64];
	size_t len;
};

static struct tcp *tcp;
static struct user users[8];
static unsigned accepted, crowded;
static bool refuses, gives_way;
static int wakes[2];
static uint16_t port;

static void *on_accepted(void *owner, struct tcp_conn *conn)
{
	struct user *user = &users[accepted];

	if (refuses)
		return NULL;
	accepted++;
	user->conn = conn;
	return user;
}

static void on_connected(void *user)
{
	((struct user *)user)->connected = true;
}

static void *on_receive_into(void *arg, size_t *size)
{
	struct user *user = arg;

	*size = sizeof(user->got) - user->len;
	return user->got + user->len;
}

static void on_received(void *arg, size_t octets)
{
	((struct user *)arg)->len += octets;
}

static void on_writable(void *user)
{
	((struct user *)user)->writable = true;
}

static void on_closed(void *arg, int reason)
{
	struct user *user = arg;

	user->closed = true;
	user->reason = reason;
}

static void on_woken(void *owner, int fd)
{
	uint64_t drained;

	cr_assert_eq(read(fd, &drained, sizeof(drained)), sizeof(drained));
}

static bool on_crowded(void *owner)
{
	crowded++;
	if (!gives_way)
		return false;
	tcp_close(users[0].conn);
	return true;
}

static const struct tcp_ops ops = { on_accepted, on_connected, on_receive_into, on_received,
	on_writable, on_closed, on_woken, on_crowded };

static void start(const char *host, uint32_t most)
{
	struct tcp_kernel_settings settings = { .listener_count = 1, .max_connections = most };
	int fd;

	memset(users, 0, sizeof(users));
	accepted = crowded = 0;
	refuses = gives_way = false;
	port = 0;
	cr_assert_eq(tcp_kernel_listen(host, &port, &fd), 0);
	settings.listeners = &fd;
	settings.wake_fds[0] = wakes[0] = eventfd(0, EFD_NONBLOCK);
	settings.wake_fds[1] = wakes[1] = eventfd(0, EFD_NONBLOCK);
	cr_assert_eq(tcp_kernel_new(&tcp, &settings, &ops, NULL), 0);
}

static void stop(void)
{
	tcp_free(tcp);
	close(wakes[0]);
	close(wakes[1]);
}

/* Until nothing more happens. */
static void turn(void)
{
	unsigned i;

	for (i = 0; i < 5; i++) {
		tcp_wait(tcp, i == 0 ? 100 : 0);
		tcp_poll(tcp);
	}
}

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
	return fd;
}

static bool is_closed(int fd)
{
	struct pollfd at = { fd, POLLIN, 0 };
	char octet;

	return poll(&at, 1, 5000) == 1 && recv(fd, &octet, 1, 0) <= 0;
}

Test(tcp_kernel, listens_at_ip_addresses_only_and_says_when_one_is_taken)
{
	uint16_t any = 0, taken;
	int fd, other;

	cr_assert_eq(tcp_kernel_listen("localhost", &any, &fd), -EINVAL);
	cr_assert_eq(tcp_kernel_probe("localhost", 0), -EINVAL);
	cr_assert_eq(tcp_kernel_listen("127.0.0.1", &any, &fd), 0);
	cr_assert_neq(any, 0);
	/* Another worker may; another switch may not. */
	taken = any;
	cr_assert_eq(tcp_kernel_listen("127.0.0.1", &taken, &other), 0);
	cr_assert_eq(taken, any);
	cr_assert_eq(tcp_kernel_probe("127.0.0.1", any), -EADDRINUSE);
	close(fd);
	close(other);
	cr_assert_eq(tcp_kernel_probe("127.0.0.1", any), 0);
	cr_assert_eq(tcp_kernel_probe("192.0.2.1", 0), -EADDRNOTAVAIL);
}

Test(tcp_kernel, connects_to_ip_addresses_of_both_families)
{
	struct iovec span = { (char[]){ "hello" }, 5 };
	int end = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tcp_conn *conn;

	close(end);
	if (end < 0)
		cr_skip_test("no IPv6 here");
	start("::1", 8);
	cr_assert_eq(tcp_connect(tcp, "localhost", port, &users[7], &conn), -EINVAL);
	cr_assert_eq(tcp_connect(tcp, "::1", port, &users[7], &conn), 0);
	cr_assert_eq(tcp_send(conn, &span, 1), 0, "not before it is connected");
	turn();
	cr_assert(users[7].connected);
	cr_assert_eq(tcp_send(conn, &span, 1), 5);
	turn();
	cr_assert_eq(accepted, 1);
	cr_assert_eq(users[0].len, 5);
	cr_assert_eq(memcmp(users[0].got, "hello", 5), 0);
	stop();
}

Test(tcp_kernel, a_connect_that_fails_is_told_as_closed)
{
	struct iovec span = { (char[]){ "hello" }, 5 };
	struct tcp_conn *conn;
	uint16_t nobody = 0;
	int fd;

	start("127.0.0.1", 8);
	cr_assert_eq(tcp_kernel_listen("127.0.0.1", &nobody, &fd), 0);
	close(fd);
	cr_assert_eq(tcp_connect(tcp, "127.0.0.1", nobody, &users[7], &conn), 0);
	turn();
	cr_assert(users[7].closed && !users[7].connected);
	cr_assert_eq(users[7].reason, -ECONNREFUSED);
	/* Of what the system refuses at once nothing is left. */
	cr_assert_lt(tcp_connect(tcp, "255.255.255.255", 9, &users[6], &conn), 0);
	cr_assert_eq(tcp_connect(tcp, "127.0.0.1", port, &users[6], &conn), 0);
	tcp_close(conn);
	tcp_close(conn); /* twice is once */
	cr_assert_eq(tcp_send(conn, &span, 1), -EPIPE);
	turn();
	cr_assert_not(users[6].closed, "who closed is not told");
	stop();
}

Test(tcp_kernel, beyond_the_table_a_connection_is_closed_at_once)
{
	struct tcp_conn *conn;
	int fds[3], i;

	start("127.0.0.1", 2);
	for (i = 0; i < 3; i++)
		fds[i] = dial();
	turn();
	cr_assert_eq(accepted, 2);
	cr_assert(is_closed(fds[2]));
	cr_assert_eq(tcp_connect(tcp, "127.0.0.1", port, &users[7], &conn), -ENOBUFS);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	turn();
	cr_assert(users[0].closed && users[1].closed);
	/* Their records are free again. */
	fds[0] = dial();
	turn();
	cr_assert_eq(accepted, 3);
	refuses = true;
	fds[1] = dial();
	turn();
	cr_assert(is_closed(fds[1]), "the user does not want it");
	close(fds[0]);
	close(fds[1]);
	stop();
}

/* What waits for its peer to close is closed first; then the user is asked; then nobody is accepted until
 * one goes. */
Test(tcp_kernel, without_descriptors_what_is_over_goes_first)
{
	struct rlimit limit, less;
	int fds[4], fillers[64], n = 0, i;

	start("127.0.0.1", 8);
	for (i = 0; i < 2; i++)
		fds[i] = dial();
	turn();
	cr_assert_eq(accepted, 2);
	for (i = 2; i < 4; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	/* No further descriptor from here on. */
	fillers[n++] = open("/dev/null", O_RDONLY);
	getrlimit(RLIMIT_NOFILE, &limit);
	less = limit;
	less.rlim_cur = (rlim_t)fillers[0] + 1;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
	while (n < 64 && (fillers[n] = dup(fillers[0])) >= 0)
		n++;
	cr_assert_lt(n, 64);

	tcp_close(users[1].conn); /* its peer has not closed yet */
	cr_assert_eq(tcp_closing(tcp), 1);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	connect(fds[2], (struct sockaddr *)&to, sizeof(to));
	turn();
	cr_assert_eq(tcp_closing(tcp), 0);
	cr_assert_eq(accepted, 3);
	cr_assert_eq(crowded, 0);

	connect(fds[3], (struct sockaddr *)&to, sizeof(to));
	turn();
	cr_assert_eq(accepted, 3, "nobody gives way");
	cr_assert_eq(crowded, 1, "and the listeners are not asked again");
	tcp_close(users[0].conn);
	close(fds[0]); /* so it is over, and its descriptor is free */
	turn();
	turn();
	cr_assert_eq(accepted, 4);
	setrlimit(RLIMIT_NOFILE, &limit);
	while (n-- > 0)
		close(fillers[n]);
	for (i = 1; i < 4; i++)
		close(fds[i]);
	stop();
}

Test(tcp_kernel, the_user_may_give_one_of_its_connections_for_another)
{
	struct rlimit limit, less;
	int fds[2], filler;

	start("127.0.0.1", 8);
	fds[0] = dial();
	turn();
	fds[1] = dial();
	filler = open("/dev/null", O_RDONLY);
	getrlimit(RLIMIT_NOFILE, &limit);
	less = limit;
	less.rlim_cur = (rlim_t)filler + 1;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
	for (int n = 0; n < 64 && dup(filler) >= 0; n++)
		;
	gives_way = true;
	turn();
	cr_assert_eq(crowded, 1, "one for one");
	cr_assert_eq(accepted, 2);
	setrlimit(RLIMIT_NOFILE, &limit);
	cr_assert(is_closed(fds[0]));
	stop();
}

Test(tcp_kernel, no_more_is_accepted_after_the_end_of_listening)
{
	int fd;

	start("127.0.0.1", 8);
	fd = dial();
	turn();
	cr_assert_eq(accepted, 1);
	tcp_listen_end(tcp);
	cr_assert_eq(tcp_kernel_probe("127.0.0.1", port), 0);
	close(fd);
	turn();
	cr_assert(users[0].closed);
	fd = dial();
	turn();
	cr_assert_eq(accepted, 1);
	close(fd);
	stop();
}
