/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_memory keeps the promises of tcp.h and of its own header. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include "tests/support/tcp_memory.h"

/* One user; what is called is written down. */
static char story[1024];
static struct tcp_conn *accepted_conn;
static char buffer[8];
static size_t buffer_size = sizeof(buffer);
static bool refuse, no_buffer;
static int user;

#define TELL(...) snprintf(story + strlen(story), sizeof(story) - strlen(story), __VA_ARGS__)

static void *on_accepted(void *owner, struct tcp_conn *conn)
{
	cr_assert_eq(owner, story);
	accepted_conn = conn;
	TELL("accepted ");
	return refuse ? NULL : &user;
}

static void on_connected(void *at)
{
	cr_assert_eq(at, &user);
	TELL("connected ");
}

static void *receive_into(void *at, size_t *size)
{
	*size = buffer_size;
	return no_buffer ? NULL : buffer;
}

static void on_received(void *at, size_t octets)
{
	TELL("%.*s ", (int)octets, buffer);
}

static void on_writable(void *at)
{
	TELL("writable ");
}

static void on_closed(void *at, int reason)
{
	TELL("closed%d ", reason);
}

static const struct tcp_ops ops = { on_accepted, on_connected, receive_into, on_received,
	on_writable, on_closed, NULL };
static struct memory_net *net;
static struct tcp *tcp;

static void setup(void)
{
	net = memory_net_new();
	tcp = memory_tcp_new(net, &ops, story);
}

static void teardown(void)
{
	tcp_free(tcp);
	memory_net_free(net);
}

static void polls(unsigned count, const char *expected)
{
	story[0] = '\0';
	while (count-- > 0)
		tcp_poll(tcp);
	cr_assert_str_eq(story, expected);
}

static struct memory_peer *dialled(void)
{
	struct memory_peer *peer = memory_dial(tcp);

	polls(2, "accepted ");
	cr_assert(memory_accepted(peer));
	return peer;
}

static long send_text(const char *a, const char *b)
{
	const struct iovec spans[2] = { { (void *)a, strlen(a) }, { (void *)b, strlen(b) } };

	return tcp_send(accepted_conn, spans, 2);
}

TestSuite(tcp_memory, .init = setup, .fini = teardown);

Test(tcp_memory, what_is_written_is_read_in_the_pieces_that_the_test_says)
{
	struct memory_peer *peer = memory_dial(tcp);

	memory_write(peer, "0123456789abcdef!", 17);
	polls(1, "accepted ");
	polls(2, "01234567 89abcdef ! ");
	memory_read_limit(peer, 3);
	memory_write(peer, "0123456789", 10);
	polls(1, "012 ");
	polls(3, "345 678 9 ");
	memory_read_limit(peer, MEMORY_NO_LIMIT);
	memory_let_read(peer, 4);
	memory_write(peer, "0123456789", 10);
	polls(3, "0123 ");
	cr_assert_eq(memory_unread(peer), 6);
	memory_let_read(peer, 6);
	polls(3, "456789 ");
}

Test(tcp_memory, no_buffer_stops_reading_until_it_is_resumed)
{
	struct memory_peer *peer = dialled();

	no_buffer = true;
	memory_write(peer, "abc", 3);
	polls(2, "");
	cr_assert(memory_paused(peer) && !memory_has_events(tcp));
	no_buffer = false;
	polls(1, "");
	tcp_resume(accepted_conn);
	polls(1, "abc ");
}

Test(tcp_memory, a_window_takes_a_part_and_says_when_more_fits)
{
	struct memory_peer *peer = dialled();

	memory_window(peer, 5);
	cr_assert_eq(send_text("abc", "defg"), 5);
	cr_assert(span_eq(memory_sent(peer), SPAN_LITERAL("abcde")));
	cr_assert_eq(send_text("f", "g"), 0);
	polls(2, "");
	memory_take(peer, 2);
	polls(2, "writable ");
	cr_assert_eq(send_text("fg", ""), 2);
	cr_assert(span_eq(memory_sent(peer), SPAN_LITERAL("cdefg")));
	memory_window(peer, MEMORY_NO_LIMIT);
	memory_send_limit(peer, 1);
	cr_assert_eq(send_text("hi", "j"), 1);
	polls(2, "writable ");
}

Test(tcp_memory, the_end_comes_after_the_octets_and_a_reset_at_once)
{
	struct memory_peer *peer = dialled();

	memory_write(peer, "abc", 3);
	memory_shutdown(peer);
	cr_assert_eq(send_text("late", ""), 4);
	polls(2, "abc closed0 ");
	cr_assert(span_eq(memory_sent(peer), SPAN_LITERAL("late")));
	peer = dialled();
	memory_write(peer, "abc", 3);
	memory_close(peer);
	cr_assert_eq(send_text("late", ""), 4);
	cr_assert_eq(memory_sent(peer).len, 0);
	polls(2, "abc closed0 ");
	peer = dialled();
	memory_write(peer, "abc", 3);
	no_buffer = true;
	polls(1, "");
	memory_reset(peer);
	cr_assert_eq(send_text("late", ""), -EPIPE);
	polls(2, "closed-104 ");
	cr_assert_eq(memory_connections(tcp), 0);
}

Test(tcp_memory, a_close_of_the_switch_calls_nobody_and_loses_nothing)
{
	struct memory_peer *peer = dialled();

	cr_assert_eq(send_text("bye", ""), 3);
	tcp_close(accepted_conn);
	cr_assert(memory_closed_by_switch(peer));
	memory_write(peer, "x", 1);
	polls(2, "");
	cr_assert(span_eq(memory_sent(peer), SPAN_LITERAL("bye")));
	memory_free(peer);
	refuse = true;
	peer = memory_dial(tcp);
	polls(1, "accepted ");
	cr_assert(memory_closed_by_switch(peer) && !memory_accepted(peer));
}

Test(tcp_memory, connects_wait_for_what_the_test_decides)
{
	struct tcp_conn *conn;
	struct memory_peer *peer;

	cr_assert_null(memory_next_connect(net));
	cr_assert_eq(tcp_connect(tcp, "192.0.2.1", 9, &user, &conn), 0);
	peer = memory_next_connect(net);
	cr_assert_str_eq(memory_host(peer), "192.0.2.1");
	cr_assert_eq(memory_port(peer), 9);
	polls(2, "");
	cr_assert_eq(tcp_send(conn, &(struct iovec){ (void *)"x", 1 }, 1), 0);
	memory_connect_done(peer);
	polls(2, "connected ");
	cr_assert_eq(tcp_connect(tcp, "192.0.2.1", 9, &user, &conn), 0);
	memory_connect_failed(memory_next_connect(net), -ECONNREFUSED);
	polls(2, "closed-111 ");
	memory_connect_refuse(net, -ENOBUFS);
	cr_assert_eq(tcp_connect(tcp, "192.0.2.1", 9, &user, &conn), -ENOBUFS);
}
