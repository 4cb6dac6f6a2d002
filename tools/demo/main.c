/* SPDX-License-Identifier: BSD-3-Clause */
/* plenum-demo: three people in a conference, and in a chat room whose focus is killed, over real
 * SIP and MSRP on loopback.
 *
 * Starts plenum-switch and plenum-focus from the build tree that this program lies in, on free
 * ports and with a configuration of its own in a temporary directory, then three plenum-im
 * processes that are steered through pipes. Prints what happens as it happens, the counts, and
 * which checks held. Exit status: 0 when all did, 1 otherwise, 2 for a wrong command line.
 * Everything it started is stopped again, by process id.
 *
 * Times are of the monotonic clock, which all processes of a machine share. A message's time runs
 * from the moment its command is given to the client until the last receiver has told that it has
 * the whole of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SWITCH, FOCUS, ALICE, BOB, CAROL, CHILD_COUNT };
enum {
	LINES_MAX = 256,
	PATIENCE_MS = 20000,
	LOG_TAIL = 2048,
	DATA_OCTETS = 1000000,
	CHUNK_OCTETS = 131072
};

struct child {
	const char *name;
	pid_t pid;    /* 0: not running */
	int in, out;  /* our ends of its stdin and stdout; -1: none */
	int status;   /* of its end */
	char log[64]; /* file with its stderr */
	char buffer[65536];
	size_t len;
	char *lines[LINES_MAX]; /* what it said */
	bool consumed[LINES_MAX];
	unsigned line_count;
};

static struct child children[CHILD_COUNT] = {
	[SWITCH] = { .name = "switch" },
	[FOCUS] = { .name = "focus" },
	[ALICE] = { .name = "alice" },
	[BOB] = { .name = "bob" },
	[CAROL] = { .name = "carol" },
};

static struct {
	char dir[32];
	bool made, keep;
	char build[PATH_MAX];
	unsigned sip_port, msrp_port;
	double start;
	unsigned checks, failed;
	unsigned invites, messages, expected, received;
	uint64_t octets; /* delivered */
	char times[128]; /* of each message, ms */
	volatile sig_atomic_t stopped;
} demo;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- what a person reads ---- */

/* What is told within one step is printed in the order of its times: the processes' events come
 * through several pipes. */
static struct {
	double at;
	char text[160];
} told[32];
static unsigned told_count;

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void told_print(void)
{
	qsort(told, told_count, sizeof(told[0]), by_time);
	for (unsigned i = 0; i < told_count; i++)
		puts(told[i].text);
	fflush(stdout);
	told_count = 0;
}

static __attribute__((format(printf, 3, 4))) void tell(
	double at, const char *who, const char *format, ...)
{
	size_t len;
	va_list args;

	if (told_count == sizeof(told) / sizeof(told[0]))
		told_print();
	told[told_count].at = at;
	len = (size_t)snprintf(told[told_count].text, 32, "%7.3f s  %-7s ", at - demo.start, who);
	va_start(args, format);
	vsnprintf(told[told_count].text + len, sizeof(told[0].text) - len, format, args);
	va_end(args);
	told_count++;
}

static bool check(bool held, const char *what)
{
	demo.checks++;
	if (!held) {
		demo.failed++;
		told_print();
		printf("    FAILED: %s\n", what);
		fflush(stdout);
	}
	return held;
}

static void log_tail(const struct child *c)
{
	char text[LOG_TAIL + 1], *at = text;
	FILE *file = fopen(c->log, "r");
	size_t len;

	if (file == NULL)
		return;
	if (fseek(file, -LOG_TAIL, SEEK_END) != 0)
		rewind(file);
	len = fread(text, 1, LOG_TAIL, file);
	text[len] = '\0';
	fclose(file);
	if (len == LOG_TAIL && strchr(text, '\n') != NULL)
		at = strchr(text, '\n') + 1;
	if (*at != '\0')
		fprintf(stderr, "---- last lines of %s\n%s", c->name, at);
}

/* ---- processes ---- */

static void child_close(struct child *c)
{
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0)
		close(c->out);
	c->in = c->out = -1;
}

static bool child_start(struct child *c, const char *program, char *const arguments[])
{
	int in[2], out[2], log;

	snprintf(c->log, sizeof(c->log), "%s/%s.log", demo.dir, c->name);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return false;
	log = open(c->log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	c->pid = fork();
	if (c->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when we are killed */
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execv(program, arguments);
		fprintf(stderr, "%s: %s\n", program, strerror(errno));
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (log >= 0)
		close(log);
	c->in = in[1];
	c->out = out[0];
	if (c->pid < 0)
		c->pid = 0;
	return c->pid > 0;
}

/* Waits for its end; kills it when it takes too long. True: it ended by itself with status 0. */
static bool child_wait(struct child *c, int patience_ms)
{
	double end = now() + patience_ms / 1000.0;

	while (c->pid > 0) {
		pid_t done = waitpid(c->pid, &c->status, WNOHANG);

		if (done == c->pid) {
			c->pid = 0;
			return WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
		}
		if (now() > end) {
			kill(c->pid, SIGKILL);
			waitpid(c->pid, &c->status, 0);
			c->pid = 0;
			return false;
		}
		usleep(5000);
	}
	return false;
}

static void child_line(struct child *c, const char *line, size_t len)
{
	if (c->line_count < LINES_MAX)
		c->lines[c->line_count++] = strndup(line, len);
}

static void child_read(struct child *c)
{
	ssize_t n = read(c->out, c->buffer + c->len, sizeof(c->buffer) - c->len);
	char *end;

	if (n <= 0) {
		close(c->out);
		c->out = -1;
		return;
	}
	c->len += (size_t)n;
	while ((end = memchr(c->buffer, '\n', c->len)) != NULL) {
		size_t used = (size_t)(end - c->buffer) + 1;

		child_line(c, c->buffer, used - 1);
		memmove(c->buffer, c->buffer + used, c->len - used);
		c->len -= used;
	}
	if (c->len == sizeof(c->buffer))
		c->len = 0;
}

static void read_all(int wait_ms)
{
	struct pollfd fds[CHILD_COUNT];

	for (unsigned i = 0; i < CHILD_COUNT; i++)
		fds[i] = (struct pollfd){ .fd = children[i].out, .events = POLLIN };
	if (poll(fds, CHILD_COUNT, wait_ms) > 0)
		for (unsigned i = 0; i < CHILD_COUNT; i++)
			if (fds[i].revents != 0 && children[i].out >= 0)
				child_read(&children[i]);
}

/* ---- events of the clients: "word key=value key="value with blanks"" ---- */

static bool is_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 && (line[len] == '\0' || line[len] == ' ');
}

/* The value of a key, quotes removed; "" when absent. Valid until the eighth next call. */
static const char *value(const char *line, const char *key)
{
	static char values[8][512];
	static unsigned turn;
	char *out = values[turn++ % 8], needle[32];
	const char *at;
	size_t len = 0;
	bool quoted;

	out[0] = '\0';
	snprintf(needle, sizeof(needle), " %s=", key);
	at = line != NULL ? strstr(line, needle) : NULL;
	if (at == NULL)
		return out;
	at += strlen(needle);
	quoted = *at == '"';
	for (at += quoted;
		*at != '\0' && *at != (quoted ? '"' : ' ') && len < sizeof(values[0]) - 1; at++) {
		if (quoted && *at == '\\' && at[1] != '\0')
			at++;
		out[len++] = *at;
	}
	out[len] = '\0';
	return out;
}

static double when(const char *line)
{
	const char *t = value(line, "t");

	return *t != '\0' ? strtod(t, NULL) : now();
}

/* The next event of this kind, which is then consumed; the line lives until the end. NULL: it did
 * not come. */
static const char *expect(unsigned who, const char *word)
{
	static const char *const bad[] = { "error", "refused", "register-failed", "send-failed",
		"lost" };
	struct child *c = &children[who];
	double end = now() + PATIENCE_MS / 1000.0;

	for (;;) {
		for (unsigned i = 0; i < c->line_count; i++) {
			char *line = c->lines[i];

			if (line == NULL || c->consumed[i])
				continue;
			if (is_word(line, word)) {
				c->consumed[i] = true;
				return line;
			}
			for (unsigned b = 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
				if (is_word(line, bad[b])) {
					tell(now(), c->name, "says: %.80s", line);
					c->consumed[i] = true;
					return NULL;
				}
			}
		}
		if (demo.stopped || now() > end || c->out < 0) {
			tell(now(), c->name, "\"%s\" did not come%s", word,
				c->out < 0 ? ": the process has ended" : "");
			return NULL;
		}
		read_all(100);
	}
}

static __attribute__((format(printf, 2, 3))) double command(unsigned who, const char *format, ...)
{
	char text[512];
	va_list args;
	double at;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	at = now();
	if (write(children[who].in, text, (size_t)len) != len)
		tell(now(), children[who].name, "does not listen any more");
	return at;
}

/* ---- surroundings ---- */

static unsigned free_port(void)
{
	struct sockaddr_in own = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(own);
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned port = 0;

	/* Free for both, as SIP wants them. */
	for (unsigned i = 0; i < 50 && port == 0; i++) {
		own.sin_port = 0;
		if (bind(tcp, (struct sockaddr *)&own, size) < 0 ||
			getsockname(tcp, (struct sockaddr *)&own, &size) < 0)
			break;
		if (bind(udp, (struct sockaddr *)&own, size) == 0)
			port = ntohs(own.sin_port);
		close(tcp);
		tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	close(tcp);
	close(udp);
	return port;
}

static bool configuration_write(char *path, size_t size)
{
	FILE *file;

	snprintf(path, size, "%s/plenum.yaml", demo.dir);
	file = fopen(path, "w");
	if (file == NULL)
		return false;
	fprintf(file,
		"sip:\n"
		"  listen: [\"udp:127.0.0.1:%u\", \"tcp:127.0.0.1:%u\"]\n"
		"  domain: example.com\n"
		"  trust_from: true\n"
		"  registrar: true\n"
		"msrp:\n"
		"  listen: [\"tcp:127.0.0.1:%u\"]\n"
		"conference:\n"
		"  groups: %s\n"
		"  store: focus.store\n"
		"switch:\n"
		"  memory_mb: 256\n"
		"  max_legs: 100\n"
		"  socket: switch.sock\n",
		demo.sip_port, demo.sip_port, demo.msrp_port, PLENUM_LAB_GROUPS);
	return fclose(file) == 0;
}

static bool daemon_start(unsigned who, const char *path, const char *configuration)
{
	char program[PATH_MAX + 64];
	char *arguments[] = { program, (char *)"-c", (char *)configuration, NULL };

	snprintf(program, sizeof(program), "%s/%s", demo.build, path);
	if (!child_start(&children[who], program, arguments))
		return false;
	return expect(who, "ready") != NULL;
}

static bool person_start(unsigned who)
{
	char program[PATH_MAX + 64], user[64], proxy[64], chunk[16];
	char *arguments[] = { program, (char *)"--user", user, (char *)"--proxy", proxy,
		(char *)"--text", (char *)"--clock", (char *)"--auto-accept", (char *)"--chunk",
		chunk, NULL };

	snprintf(program, sizeof(program), "%s/tools/imclient/plenum-im", demo.build);
	snprintf(user, sizeof(user), "sip:%s@example.com", children[who].name);
	snprintf(proxy, sizeof(proxy), "sip:127.0.0.1:%u;transport=tcp", demo.sip_port);
	snprintf(chunk, sizeof(chunk), "%u", CHUNK_OCTETS);
	return child_start(&children[who], program, arguments);
}

static void on_signal(int signal)
{
	demo.stopped = 1;
}

/* ---- the conference ---- */

static bool people_register(void)
{
	for (unsigned who = ALICE; who <= CAROL; who++)
		if (!check(person_start(who), "plenum-im starts"))
			return false;
	for (unsigned who = ALICE; who <= CAROL; who++) {
		const char *line = expect(who, "registered");

		if (!check(line != NULL, "the registrar accepts"))
			return false;
		tell(when(line), children[who].name, "is registered as sip:%s@example.com",
			children[who].name);
	}
	told_print();
	return true;
}

static bool conference_begin(void)
{
	double at = command(ALICE, "invite sip:bob@example.com sip:carol@example.com\n");
	const char *line;

	if (!check(expect(ALICE, "inviting") != NULL, "alice's INVITE goes out"))
		return false;
	demo.invites++;
	tell(at, "alice", "INVITE sip:conference-factory@example.com, with a list: bob, carol");
	for (unsigned who = BOB; who <= CAROL; who++) {
		line = expect(who, "invited");
		if (!check(line != NULL, "the focus invites each of the list"))
			return false;
		demo.invites++;
		tell(when(line), children[who].name, "is invited by %s and accepts",
			value(line, "from"));
		check(strcmp(value(line, "from"), "sip:alice@example.com") == 0,
			"the invitation names alice");
		check(strcmp(value(line, "focus"), "yes") == 0,
			"the invitation comes from a focus");
	}
	line = expect(ALICE, "established");
	if (!check(line != NULL, "alice's INVITE is answered 200"))
		return false;
	tell(when(line), "alice", "200 OK, the conference is %.60s", value(line, "room"));
	check(strncmp(value(line, "room"), "sip:im-", 7) == 0,
		"the Contact is an IM Session Identity");
	for (unsigned who = ALICE; who <= CAROL; who++) {
		if (who != ALICE && !check(expect(who, "established") != NULL,
					    "an accepted invitation is acknowledged"))
			return false;
		line = expect(who, "bound");
		if (!check(line != NULL, "every MSRP session is bound"))
			return false;
		tell(when(line), children[who].name, "MSRP is bound");
	}
	told_print();
	return true;
}

/* One message from one to the two others. `said` is what they must show; NULL: what the sender's
 * hash says. */
static bool message_follow(unsigned from, double begun, const char *said)
{
	const char *sent = NULL, *line;
	double last = begun;
	char sha256[80] = "", ms[32];
	uint64_t octets = 0;

	demo.messages++;
	demo.expected += 2;
	sent = expect(from, "sent");
	if (!check(sent != NULL, "every chunk is answered 200"))
		return false;
	snprintf(sha256, sizeof(sha256), "%s", value(sent, "sha256"));
	for (unsigned who = ALICE; who <= CAROL; who++) {
		bool same;

		if (who == from)
			continue;
		line = expect(who, "message");
		if (!check(line != NULL, "every message arrives"))
			return false;
		same = strcmp(value(line, "sha256"), sha256) == 0 && *sha256 != '\0' &&
		       (said == NULL || strcmp(value(line, "text"), said) == 0);
		check(same, "what arrives is what was sent");
		if (same) {
			octets = strtoull(value(line, "octets"), NULL, 10);
			demo.received++;
			demo.octets += octets;
		}
		last = when(line) > last ? when(line) : last;
		if (said != NULL)
			tell(when(line), children[who].name, "hears %s: \"%s\"",
				children[from].name, value(line, "text"));
		else
			tell(when(line), children[who].name,
				"has %" PRIu64 " octets from %s, SHA-256 %.16s... %s", octets,
				children[from].name, value(line, "sha256"),
				same ? "is right" : "is wrong");
	}
	if (said == NULL) {
		const char *chunks = value(sent, "chunks");

		tell(when(sent), children[from].name, "has its 200 for each of %s chunks", chunks);
		check(strtoul(chunks, NULL, 10) > 1, "the long message went in several chunks");
	}
	told_print();
	snprintf(ms, sizeof(ms), "%s%.1f", *demo.times ? ", " : "", (last - begun) * 1000);
	strncat(demo.times, ms, sizeof(demo.times) - strlen(demo.times) - 1);
	return true;
}

static bool people_talk(void)
{
	static const char hello[] = "Good morning, Bob. Good morning, Carol.";
	static const char asked[] = "Did this reach both of you?";
	const char *line;
	double at = command(ALICE, "say %s\n", hello);

	tell(at, "alice", "says \"%s\"", hello);
	if (!message_follow(ALICE, at, hello))
		return false;
	at = command(BOB, "send-random %u\n", DATA_OCTETS);
	tell(at, "bob", "sends %u octets of test data, in interruptible chunks", DATA_OCTETS);
	if (!message_follow(BOB, at, NULL))
		return false;
	at = command(CAROL, "report on\nsay %s\n", asked);
	tell(at, "carol", "says \"%s\" and asks for a report", asked);
	if (!message_follow(CAROL, at, asked))
		return false;
	line = expect(CAROL, "report");
	if (!check(line != NULL, "the report comes"))
		return false;
	tell(when(line), "carol", "REPORT %s, Distribution-Count: %s", value(line, "status"),
		value(line, "count"));
	told_print();
	check(strcmp(value(line, "count"), "2") == 0, "Distribution-Count is 2");
	return true;
}

static bool people_leave(void)
{
	const char *line;

	command(CAROL, "leave\n");
	line = expect(CAROL, "ended");
	if (!check(line != NULL, "carol's BYE is answered"))
		return false;
	tell(when(line), "carol", "leaves");
	command(ALICE, "leave\n");
	line = expect(ALICE, "ended");
	if (!check(line != NULL, "alice's BYE is answered"))
		return false;
	tell(when(line), "alice", "leaves; only bob is left, so the conference is over");
	line = expect(BOB, "ended");
	if (!check(line != NULL, "bob gets a BYE"))
		return false;
	tell(when(line), "bob", "is told so: BYE%s%s", *value(line, "reason") ? ", " : "",
		value(line, "reason"));
	told_print();
	check(strcmp(value(line, "by"), "peer") == 0, "the focus ends what is left");
	return true;
}

/* ---- the chat room ---- */

static bool people_join(void)
{
	for (unsigned who = ALICE; who <= CAROL; who++) {
		double at = command(who, "invite sip:lobby@example.com\n");
		const char *line;

		if (!check(expect(who, "inviting") != NULL, "the INVITE to the group goes out"))
			return false;
		demo.invites++;
		tell(at, children[who].name, "INVITE sip:lobby@example.com, a pre-defined group");
		line = expect(who, "established");
		if (!check(line != NULL, "the INVITE to the group is answered 200") ||
			!check(expect(who, "bound") != NULL, "every MSRP session is bound"))
			return false;
		tell(when(line), children[who].name, "is in the chat room");
	}
	told_print();
	return true;
}

static bool focus_dies_and_returns(const char *configuration)
{
	static const char unheard[] = "Has anybody noticed?";
	struct child *focus = &children[FOCUS];
	double at;

	kill(focus->pid, SIGKILL);
	check(!child_wait(focus, 8000), "the focus is gone");
	child_close(focus);
	tell(now(), "plenum", "the focus is killed with SIGKILL");
	at = command(BOB, "say %s\n", unheard);
	tell(at, "bob", "says \"%s\"", unheard);
	if (!message_follow(BOB, at, unheard))
		return false;
	at = now();
	if (!check(daemon_start(FOCUS, "control/plenum-focus", configuration),
		    "the focus starts again"))
		return false;
	tell(now(), "plenum", "the focus is back after %.0f ms", (now() - at) * 1000);
	told_print();
	return true;
}

static bool people_part(void)
{
	for (unsigned who = CAROL; who >= ALICE; who--) {
		const char *line;

		command(who, "leave\n");
		line = expect(who, "ended");
		if (!check(line != NULL, "the BYE of a dialog older than the focus is answered"))
			return false;
		tell(when(line), children[who].name, "leaves: BYE, 200 OK");
	}
	told_print();
	for (unsigned who = ALICE; who <= CAROL; who++)
		command(who, "quit\n");
	for (unsigned who = ALICE; who <= CAROL; who++) {
		check(expect(who, "unregistered") != NULL, "the registration is taken back");
		check(child_wait(&children[who], 8000), "plenum-im ends with status 0");
	}
	return true;
}

static bool run(void)
{
	char configuration[64];

	if (!check(configuration_write(configuration, sizeof(configuration)),
		    "the configuration is written") ||
		!check(daemon_start(SWITCH, "dataplane/plenum-switch", configuration),
			"plenum-switch is ready") ||
		!check(daemon_start(FOCUS, "control/plenum-focus", configuration),
			"plenum-focus is ready"))
		return false;
	tell(now(), "plenum",
		"switch and focus are ready: MSRP on 127.0.0.1:%u, SIP on 127.0.0.1:%u",
		demo.msrp_port, demo.sip_port);
	told_print();
	return people_register() && conference_begin() && people_talk() && people_leave() &&
	       people_join() && focus_dies_and_returns(configuration) && people_part();
}

/* In the reverse order of their start; the daemons are asked, and only killed when they do not
 * listen. */
static void stop_all(void)
{
	for (int who = CHILD_COUNT - 1; who >= 0; who--) {
		struct child *c = &children[who];

		if (c->pid > 0) {
			kill(c->pid, SIGTERM);
			if (who == SWITCH || who == FOCUS)
				check(child_wait(c, 8000),
					who == SWITCH ? "plenum-switch stops with status 0"
						      : "plenum-focus stops with status 0");
			else
				child_wait(c, 8000);
		}
		child_close(c);
	}
}

static void directory_remove(void)
{
	static const char *const names[] = { "plenum.yaml", "switch.sock", "focus.store",
		"focus.store-lock" };
	char path[128];

	if (!demo.made)
		return;
	if (demo.keep) {
		printf("kept: %s\n", demo.dir);
		return;
	}
	for (unsigned i = 0; i < CHILD_COUNT; i++)
		if (children[i].log[0] != '\0')
			unlink(children[i].log);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", demo.dir, names[i]);
		unlink(path);
	}
	if (rmdir(demo.dir) < 0)
		fprintf(stderr, "plenum-demo: %s is not empty and stays\n", demo.dir);
}

static void summary(void)
{
	printf("\n%u messages, %u of %u deliveries, %" PRIu64 " octets delivered, %u INVITEs\n",
		demo.messages, demo.received, demo.expected, demo.octets, demo.invites);
	if (*demo.times != '\0')
		printf("time from send to last delivery, each message: %s ms\n", demo.times);
	if (demo.failed == 0)
		printf("all %u checks held\n", demo.checks);
	else
		printf("%u of %u checks FAILED\n", demo.failed, demo.checks);
}

/* .../build/tools/demo/plenum-demo -> .../build */
static bool build_find(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len <= 0)
		return false;
	self[len] = '\0';
	snprintf(demo.build, sizeof(demo.build), "%s", dirname(dirname(dirname(self))));
	return true;
}

/* As short as it can be said from where the user stands. */
static void hint(void)
{
	char here[PATH_MAX];
	const char *build = demo.build;
	size_t len;

	if (getcwd(here, sizeof(here)) != NULL && (len = strlen(here)) > 1 &&
		strncmp(build, here, len) == 0 && build[len] == '/')
		build += len + 1;
	printf("To chat: tools/plenum up; in two more terminals: %s/tools/imclient/plenum-im alice (and bob)\n",
		build);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ports", required_argument, NULL, 'p' },
		{ "keep", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct sigaction stop = { .sa_handler = on_signal };
	int option;
	bool done;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			if (sscanf(optarg, "%u,%u", &demo.sip_port, &demo.msrp_port) != 2 ||
				demo.sip_port > 65535 || demo.msrp_port > 65535) {
				fprintf(stderr,
					"plenum-demo: --ports wants SIP,MSRP, e.g. 5060,2855\n");
				return 2;
			}
			break;
		case 'k': demo.keep = true; break;
		case 'h':
			printf("usage: plenum-demo [--ports SIP,MSRP] [--keep]\n"
			       "Three people in a conference and a chat room over real SIP and MSRP on loopback.\n"
			       "  --ports SIP,MSRP  instead of free ones\n"
			       "  --keep            keeps the directory with the configuration and the logs\n");
			return 0;
		default: return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	for (unsigned i = 0; i < CHILD_COUNT; i++)
		children[i].in = children[i].out = -1;
	snprintf(demo.dir, sizeof(demo.dir), "/tmp/plenum-demo-XXXXXX");
	demo.made = mkdtemp(demo.dir) != NULL;
	if (demo.sip_port == 0) {
		demo.sip_port = free_port();
		demo.msrp_port = free_port();
	}
	if (!demo.made || !build_find() || demo.sip_port == 0 || demo.msrp_port == 0) {
		fprintf(stderr, "plenum-demo: no temporary directory or no free port\n");
		return 1;
	}
	demo.start = now();
	done = run();
	stop_all();
	told_print();
	check(done, "the conference runs to its end");
	if (demo.failed > 0)
		for (unsigned i = 0; i < CHILD_COUNT; i++)
			log_tail(&children[i]);
	summary();
	directory_remove();
	for (unsigned i = 0; i < CHILD_COUNT; i++)
		for (unsigned n = 0; n < children[i].line_count; n++)
			free(children[i].lines[n]);
	if (demo.failed == 0)
		hint();
	return demo.failed == 0 ? 0 : 1;
}
