/* SPDX-License-Identifier: BSD-3-Clause */
/* The line mode: two plenum-im processes that talk with no server between them, each steered
 *                through pipes. */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct program {
	pid_t pid;
	int in, out;
	char text[65536];
	size_t len;
};

static unsigned free_port(void)
{
	struct sockaddr_in own = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&own, size), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&own, &size), 0);
	close(fd);
	return ntohs(own.sin_port);
}

static void start(struct program *p, char *const arguments[])
{
	int in[2], out[2];

	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	p->pid = fork();
	if (p->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execv(PLENUM_IM, arguments);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
	p->len = 0;
}

/* Somebody who listens at `port`, or whose requests all go to it. */
static void start_person(
	struct program *p, const char *name, unsigned listen, unsigned proxy, const char *more)
{
	char user[64], at[64], to[64];
	char *arguments[12] = { (char *)"plenum-im", (char *)"--no-register", (char *)"--user",
		user, (char *)"--listen", at, (char *)"--proxy", to, (char *)more };

	snprintf(user, sizeof(user), "sip:%s@example.com", name);
	snprintf(at, sizeof(at), "127.0.0.1:%u", listen);
	snprintf(to, sizeof(to), "sip:127.0.0.1:%u;transport=tcp", proxy);
	start(p, arguments);
}

static void type(struct program *p, const char *words)
{
	cr_assert_eq(write(p->in, words, strlen(words)), (ssize_t)strlen(words));
}

/* The line that holds `words`; what came up to its end is taken out. */
static const char *expect(struct program *p, const char *words)
{
	static char line[8192];
	time_t end = time(NULL) + 20;

	for (;;) {
		char *hit, *stop;
		struct pollfd ready = { .fd = p->out, .events = POLLIN };
		ssize_t n;

		p->text[p->len] = '\0';
		hit = strstr(p->text, words);
		stop = hit != NULL ? strchr(hit, '\n') : NULL;
		if (stop != NULL) {
			size_t used = (size_t)(stop - p->text) + 1;

			while (hit > p->text && hit[-1] != '\n')
				hit--;
			snprintf(line, sizeof(line), "%.*s", (int)(stop - hit), hit);
			memmove(p->text, p->text + used, p->len - used);
			p->len -= used;
			return line;
		}
		cr_assert_lt(time(NULL), end, "\"%s\" did not come, but: %s", words, p->text);
		if (poll(&ready, 1, 500) < 1)
			continue;
		n = read(p->out, p->text + p->len, sizeof(p->text) - 1 - p->len);
		cr_assert_gt(n, 0, "\"%s\" did not come before the end, but: %s", words, p->text);
		p->len += (size_t)n;
	}
}

/* Its exit status */
static int finish(struct program *p)
{
	int status = -1;

	close(p->in);
	for (unsigned i = 0; i < 150; i++) {
		if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
			close(p->out);
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		usleep(100000);
	}
	kill(p->pid, SIGKILL);
	waitpid(p->pid, &status, 0);
	cr_assert_fail("it does not end");
	return -1;
}

static void value(const char *line, const char *key, char out[128])
{
	const char *at = strstr(line, key);

	cr_assert_not_null(at, "%s in %s", key, line);
	snprintf(out, 128, "%.*s", (int)strcspn(at + strlen(key), " \n"), at + strlen(key));
}

TestSuite(line, .timeout = 120);

Test(line, two_talk_with_no_server_between_them)
{
	struct program alice, bob;
	unsigned port = free_port(), other = free_port();
	char sent[128], got[128];

	start_person(&bob, "bob", port, other, "--auto-accept");
	expect(&bob, "ready ");
	start_person(&alice, "alice", other, port, NULL);
	type(&alice, "invite bob\n");
	expect(&alice, "established session=1 peer=sip:bob@example.com focus=no");
	expect(&alice, "bound session=1");
	expect(&bob, "invited session=1 peer=sip:alice@example.com focus=no");
	expect(&bob, "bound session=1");
	type(&alice, "say hello \"bob\"\n");
	expect(&bob, "text=\"hello \\\"bob\\\"\"");
	expect(&alice, "sent ");
	type(&alice, "report on\nsend-random 3000000\n");
	value(expect(&alice, "sent "), "sha256=", sent);
	expect(&alice, "report session=1 status=200");
	value(expect(&bob, "octets=3000000"), "sha256=", got);
	cr_expect_str_eq(sent, got);
	type(&bob, "composing on\nsay and you\n");
	expect(&alice, "composing session=1");
	expect(&alice, "text=\"and you\"");
	type(&bob, "leave\n");
	expect(&bob, "ended session=1 peer=sip:alice@example.com by=us");
	expect(&alice, "ended session=1 peer=sip:bob@example.com by=peer");
	cr_expect_eq(finish(&alice), 0);
	cr_expect_eq(finish(&bob), 0);
}

Test(line, a_refusal_is_shown_and_makes_the_status_1)
{
	struct program alice, bob;
	unsigned port = free_port();

	start_person(&bob, "bob", port, 9, NULL);
	expect(&bob, "ready ");
	start_person(&alice, "alice", 0, port, "--json");
	type(&alice, "invite bob\nsay never heard\n");
	expect(&bob, "invited ");
	type(&bob, "reject 603\n");
	expect(&alice,
		"{\"event\":\"refused\",\"session\":1,\"peer\":\"sip:bob@example.com\",\"status\":603");
	expect(&alice, "{\"event\":\"error\",\"reason\":\"there is no such session or file\"}");
	cr_expect_eq(finish(&alice), 1);
	cr_expect_eq(finish(&bob), 0);
}

Test(line, leaving_before_the_answer_cancels)
{
	struct program alice, bob;
	unsigned port = free_port();

	start_person(&bob, "bob", port, 9, NULL);
	expect(&bob, "ready ");
	start_person(&alice, "alice", 0, port, NULL);
	type(&alice, "invite bob\nwait ringing\nleave\n");
	expect(&bob, "cancelled session=1");
	expect(&alice, "refused session=1 peer=sip:bob@example.com status=487");
	cr_expect_eq(finish(&alice), 0, "a CANCEL of our own is no failure");
	cr_expect_eq(finish(&bob), 0);
}

Test(line, say_in_one_line_waits_for_the_delivery)
{
	struct program alice, bob;
	unsigned port = free_port();
	char proxy[64];
	char *arguments[] = { (char *)"plenum-im", (char *)"--no-register", (char *)"--direct",
		(char *)"--user", (char *)"alice", (char *)"--proxy", proxy, (char *)"say",
		(char *)"sip:bob@example.com", (char *)"just this", NULL };

	snprintf(proxy, sizeof(proxy), "sip:127.0.0.1:%u", port);
	start_person(&bob, "bob", port, 9, "--auto-accept");
	expect(&bob, "ready ");
	start(&alice, arguments);
	expect(&bob, "text=\"just this\"");
	expect(&bob, "ended session=1");
	cr_expect_eq(finish(&alice), 0);
	cr_expect_eq(finish(&bob), 0);
}

Test(line, nobody_there_is_a_failure_and_wrong_commands_are_named)
{
	struct program alice;

	start_person(&alice, "alice", 0, free_port(), NULL);
	expect(&alice, "ready ");
	type(&alice, "dance\ninvite\nsend-random x\nwait nothing\nsay hi\n");
	for (unsigned i = 0; i < 4; i++)
		expect(&alice, "error reason=");
	expect(&alice, "error reason=\"there is no such session or file\"");
	type(&alice, "invite bob\n");
	expect(&alice, "refused session=1 peer=sip:bob@example.com status=5");
	cr_expect_eq(finish(&alice), 1);
}
