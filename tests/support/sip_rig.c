/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/sip_rig.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct sip_rig *the_rig; /* whose logs a failure names */

static void fail(const struct sip_peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
static void fail(const struct sip_peer *peer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "sip_rig: %s%s", peer ? peer->name : "", peer ? ": " : "");
	vfprintf(stderr, format, args);
	va_end(args);
	if (the_rig != NULL)
		fprintf(stderr, "; the logs are in %s", the_rig->directory);
	fprintf(stderr, "\n");
	if (peer != NULL && peer->message.text != NULL)
		fprintf(stderr, "---- taken last\n%s\n", peer->message.text);
	for (unsigned i = 0; peer != NULL && i < peer->kept_count; i++)
		fprintf(stderr, "---- kept\n%s\n", peer->kept[i].text);
	abort();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void rig_pause(unsigned ms)
{
	poll(NULL, 0, (int)ms);
}

static uint32_t random_number(void)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		fail(NULL, "no randomness");
	return number;
}

static int bind_at(int type, const char *host, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, host, &at.sin_addr);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Below the ephemeral range, so that nobody's outgoing connection takes it meanwhile. */
uint16_t rig_free_port(void)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint16_t port = (uint16_t)(10000 + random_number() % 22000);
		int tcp = bind_at(SOCK_STREAM, "127.0.0.1", port);
		int udp = bind_at(SOCK_DGRAM, "127.0.0.1", port);

		if (tcp >= 0)
			close(tcp);
		if (udp >= 0)
			close(udp);
		if (tcp >= 0 && udp >= 0)
			return port;
	}
	fail(NULL, "no free port");
}

/* ---- the daemons ---- */

void rig_daemon_start(struct rig_daemon *daemon, const struct sip_rig *rig, const char *which)
{
	const char *program = getenv(which);
	bool focus = strcmp(which, "PLENUM_FOCUS") == 0;
	pid_t parent = getpid();
	int out[2];

	if (program == NULL)
		fail(NULL, "%s names no program", which);
	snprintf(daemon->log, sizeof(daemon->log), "%s/%s.log", rig->directory,
		focus ? "focus" : "switch");
	if (pipe(out) < 0)
		fail(NULL, "pipe: %s", strerror(errno));
	daemon->pid = fork();
	if (daemon->pid == 0) {
		int fd = open(daemon->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		dup2(out[1], 1);
		dup2(fd, 2);
		close(out[0]);
		close(out[1]);
		execl(program, program, "-c", rig->config, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	daemon->out = out[0];
}

bool rig_daemon_ready(struct rig_daemon *daemon, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;
	char line[64];
	size_t n = 0;

	while (now_ms() < until && n < sizeof(line) - 1) {
		struct pollfd fd = { daemon->out, POLLIN, 0 };

		if (poll(&fd, 1, (int)(until - now_ms())) <= 0)
			continue;
		if (read(daemon->out, line + n, 1) <= 0)
			return false;
		if (line[n++] == '\n')
			return n == 6 && memcmp(line, "ready\n", 6) == 0;
	}
	return false;
}

int rig_daemon_ended(struct rig_daemon *daemon, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;
	int status;

	while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
		if (now_ms() >= until)
			return -1;
		rig_pause(5);
	}
	close(daemon->out);
	daemon->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/* Not inlined: gcc 12 at -O3 takes what getdelim gives for the address of `text` itself. */
__attribute__((noinline)) static char *file_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	if (file == NULL || getdelim(&text, &room, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	if (file != NULL)
		fclose(file);
	return text;
}

bool rig_log_has(const struct rig_daemon *daemon, const char *text, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;

	for (;;) {
		char *log = file_read(daemon->log);
		bool found = strstr(log, text) != NULL;

		free(log);
		if (found || now_ms() >= until)
			return found;
		rig_pause(20);
	}
}

static const char *lines_of(const char *lines)
{
	return lines ? lines : "";
}

/* A list of addresses; %u in it is the port. */
static void listen_write(FILE *file, const char *items, uint16_t port)
{
	for (const char *at = items; *at != '\0'; at++) {
		if (at[0] == '%' && at[1] == 'u') {
			fprintf(file, "%u", port);
			at++;
		} else {
			fputc(*at, file);
		}
	}
}

static void config_write(const struct sip_rig *rig, const struct rig_options *options)
{
	FILE *file = fopen(rig->config, "w");

	if (file == NULL)
		fail(NULL, "%s: %s", rig->config, strerror(errno));
	fprintf(file, "sip:\n  listen: [");
	listen_write(file,
		options->listen ? options->listen : "\"udp:127.0.0.1:%u\", \"tcp:127.0.0.1:%u\"",
		rig->sip_port);
	fprintf(file, "]\n  trusted: [%s]\n%s",
		options->trusted ? options->trusted : "\"" SIP_TRUSTED "/32\", \"::1/128\"",
		lines_of(options->sip));
	fprintf(file, "msrp:\n  listen: [");
	listen_write(file, options->msrp_listen ? options->msrp_listen : "\"tcp:127.0.0.1:%u\"",
		rig->msrp_port);
	fprintf(file, "]\n%s", lines_of(options->msrp));
	if (options->conference != NULL)
		fprintf(file, "conference:\n%s", options->conference);
	fprintf(file, "switch:\n  socket: switch.sock\n%s",
		options->the_switch ? options->the_switch : "  memory_mb: 128\n  max_legs: 200\n");
	fclose(file);
}

void sip_rig_start(struct sip_rig *rig, const struct rig_options *options)
{
	static const struct rig_options ordinary;

	*rig = (struct sip_rig){ 0 };
	if (options == NULL)
		options = &ordinary;
	snprintf(rig->directory, sizeof(rig->directory), "/tmp/plenum-sip-XXXXXX");
	if (mkdtemp(rig->directory) == NULL)
		fail(NULL, "mkdtemp: %s", strerror(errno));
	/* There from the beginning: one that comes later is both watched and looked through, so a
	 * document put there at once may be read twice. */
	snprintf(rig->config, sizeof(rig->config), "%s/groups", rig->directory);
	if (mkdir(rig->config, 0700) < 0)
		fail(NULL, "mkdir %s: %s", rig->config, strerror(errno));
	snprintf(rig->config, sizeof(rig->config), "%s/plenum.yaml", rig->directory);
	the_rig = rig;
	/* Another test may take a port between our look and the daemon's. */
	for (unsigned tries = 0; tries < 5; tries++) {
		rig->sip_port = rig_free_port();
		rig->msrp_port = rig_free_port();
		config_write(rig, options);
		if (options->no_start)
			return;
		rig_daemon_start(&rig->the_switch, rig, "PLENUM_SWITCH");
		if (rig_daemon_ready(&rig->the_switch, RIG_WAIT_MS)) {
			rig_daemon_start(&rig->focus, rig, "PLENUM_FOCUS");
			if (rig_daemon_ready(&rig->focus, RIG_WAIT_MS))
				return;
			kill(rig->focus.pid, SIGKILL);
			rig_daemon_ended(&rig->focus, RIG_WAIT_MS);
		}
		kill(rig->the_switch.pid, SIGKILL);
		rig_daemon_ended(&rig->the_switch, RIG_WAIT_MS);
		if (!rig_log_has(&rig->the_switch, "in use", 0) &&
			!rig_log_has(&rig->focus, "in use", 0))
			break;
	}
	fail(NULL, "a daemon is not ready");
}

static void daemon_stop(struct rig_daemon *daemon, const char *name)
{
	static const char *const bad[] = { " error ", "ERROR: ", "runtime error" };
	char *log;
	int status;

	if (daemon->pid == 0)
		return;
	kill(daemon->pid, SIGTERM);
	status = rig_daemon_ended(daemon, RIG_WAIT_MS);
	if (status != 0)
		fail(NULL, "the %s ended with status %d", name, status);
	log = file_read(daemon->log);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *at = strstr(log, bad[i]);

		if (at != NULL)
			fail(NULL, "the log of the %s says: %.400s", name, at);
	}
	free(log);
}

void sip_rig_stop(struct sip_rig *rig)
{
	char command[100];

	daemon_stop(&rig->focus, "focus");
	daemon_stop(&rig->the_switch, "switch");
	snprintf(command, sizeof(command), "rm -r %s", rig->directory);
	if (system(command) != 0)
		fail(NULL, "cannot remove %s", rig->directory);
	the_rig = NULL;
}

/* ---- messages ---- */

static void message_free(struct sip_message *message)
{
	free(message->text);
	free(message->store);
	*message = (struct sip_message){ 0 };
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	for (len = strlen(text); len > 0 && strchr(" \t\r", text[len - 1]) != NULL;)
		text[--len] = '\0';
	return text;
}

static void start_line_read(struct sip_message *message, char *line)
{
	char *second = strchr(line, ' '), *third = second ? strchr(second + 1, ' ') : NULL;

	if (third == NULL)
		fail(NULL, "no start line of SIP: %s", line);
	*second++ = *third++ = '\0';
	if (strcmp(line, "SIP/2.0") == 0) {
		message->status = (unsigned)atoi(second);
		message->uri = third;
		return;
	}
	snprintf(message->method, sizeof(message->method), "%s", line);
	message->uri = second;
	if (strcmp(third, "SIP/2.0") != 0)
		fail(NULL, "no version of SIP: %s", third);
}

/* What the focus sends must have this form, to the octet. */
static void message_read(struct sip_message *message, const char *octets, size_t len)
{
	const char *end = memmem(octets, len, "\r\n\r\n", 4);
	char *line, *next;

	*message = (struct sip_message){ 0 };
	if (end == NULL)
		fail(NULL, "a message without an empty line: %.*s", (int)len, octets);
	message->text = strndup(octets, len);
	message->len = len;
	message->store = calloc(1, len + 1);
	memcpy(message->store, octets, len);
	message->body = message->store + (end + 4 - octets);
	message->body_len = len - (size_t)(end + 4 - octets);
	message->store[end + 2 - octets] = '\0';
	for (line = message->store; *line != '\0'; line = next) {
		char *colon;

		next = strstr(line, "\r\n");
		*next = '\0';
		next += 2;
		if (line == message->store) {
			start_line_read(message, line);
			continue;
		}
		colon = strchr(line, ':');
		if (colon == NULL || message->headers == SIP_HEADERS_MAX)
			fail(NULL, "no header line, or too many: %s", line);
		*colon = '\0';
		message->name[message->headers] = trim(line);
		message->value[message->headers++] = trim(colon + 1);
	}
	if (message->status != 0) {
		const char *blank = strchr(sip_header(message, "CSeq"), ' ');

		snprintf(message->method, sizeof(message->method), "%s", blank ? blank + 1 : "");
	}
	if (message->body_len != (size_t)atoi(sip_header(message, "Content-Length")))
		fail(NULL, "Content-Length is wrong: %.*s", (int)len, octets);
}

const char *sip_header_nth(const struct sip_message *message, const char *name, unsigned nth)
{
	for (unsigned i = 0; i < message->headers; i++)
		if (strcasecmp(message->name[i], name) == 0 && nth-- == 0)
			return message->value[i];
	return "";
}

const char *sip_header(const struct sip_message *message, const char *name)
{
	return sip_header_nth(message, name, 0);
}

void sip_body_line(const struct sip_message *message, const char *start, char *out, size_t size)
{
	const char *at = message->body;

	snprintf(out, size, "%s", "");
	while (at != NULL) {
		if (strncmp(at, start, strlen(start)) == 0) {
			at += strlen(start);
			snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
			return;
		}
		at = strchr(at, '\n');
		if (at != NULL)
			at++;
	}
}

/* ---- peers ---- */

static struct sockaddr_in address_of_focus(const struct sip_peer *peer)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(peer->rig->sip_port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return to;
}

static void link_add(struct sip_peer *peer, int fd)
{
	if (fd < 0 || peer->links == SIP_LINKS_MAX)
		fail(peer, "no connection: %s", strerror(errno));
	peer->link[peer->links].fd = fd;
	peer->link[peer->links].octets = NULL;
	peer->link[peer->links++].len = 0;
}

void sip_peer_open(struct sip_peer *peer, const struct sip_rig *rig, const char *name,
	const char *host, bool tcp)
{
	struct sockaddr_in at, to;
	socklen_t len = sizeof(at);

	*peer = (struct sip_peer){ .rig = rig, .tcp = tcp };
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	snprintf(peer->host, sizeof(peer->host), "%s", host);
	/* A datagram peer may be called back by TCP: its port is one that nobody's connection has. */
	peer->fd = tcp ? bind_at(SOCK_STREAM, host, 0) : -1;
	for (unsigned tries = 0; !tcp && peer->fd < 0 && tries < 100; tries++)
		peer->fd = bind_at(SOCK_DGRAM, host, rig_free_port());
	if (peer->fd < 0 || getsockname(peer->fd, (struct sockaddr *)&at, &len) < 0)
		fail(peer, "no socket: %s", strerror(errno));
	peer->port = ntohs(at.sin_port);
	if (!tcp)
		return;
	if (listen(peer->fd, SIP_LINKS_MAX) < 0)
		fail(peer, "listen: %s", strerror(errno));
	link_add(peer, bind_at(SOCK_STREAM, host, 0));
	to = address_of_focus(peer);
	if (connect(peer->link[0].fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail(peer, "connect: %s", strerror(errno));
}

void sip_peer_close(struct sip_peer *peer)
{
	for (unsigned i = 0; i < peer->links; i++) {
		close(peer->link[i].fd);
		free(peer->link[i].octets);
	}
	for (unsigned i = 0; i < peer->kept_count; i++)
		message_free(&peer->kept[i]);
	message_free(&peer->message);
	close(peer->fd);
}

void sip_write(struct sip_peer *peer, const void *octets, size_t len)
{
	struct sockaddr_in to = address_of_focus(peer);

	if (!peer->tcp) {
		if (sendto(peer->fd, octets, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			fail(peer, "sendto: %s", strerror(errno));
		return;
	}
	while (len > 0) {
		ssize_t n = send(peer->link[0].fd, octets, len, MSG_NOSIGNAL);

		if (n < 0)
			fail(peer, "send: %s", strerror(errno));
		octets = (const char *)octets + n;
		len -= (size_t)n;
	}
}

static uint64_t hash_of(const char *octets, size_t len)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)octets[i]) * 1099511628211u;
	return hash;
}

static void keep(struct sip_peer *peer, const char *octets, size_t len)
{
	uint64_t hash = hash_of(octets, len);

	for (unsigned i = 0; i < peer->seen_count; i++) {
		if (peer->seen[i] == hash) {
			peer->repeated++;
			return;
		}
	}
	if (peer->seen_count < sizeof(peer->seen) / sizeof(peer->seen[0]))
		peer->seen[peer->seen_count++] = hash;
	if (peer->kept_count == sizeof(peer->kept) / sizeof(peer->kept[0]))
		fail(peer, "too many messages that nobody waits for");
	message_read(&peer->kept[peer->kept_count++], octets, len);
}

/* RFC 3261 18.3: Content-Length ends a message of a stream. */
static void stream_cut(struct sip_peer *peer, unsigned i)
{
	for (;;) {
		char *octets = peer->link[i].octets, *at, *end;
		size_t len = peer->link[i].len, whole;

		while (len >= 2 && memcmp(octets, "\r\n", 2) == 0) {
			memmove(octets, octets + 2, len -= 2);
			peer->link[i].len = len;
		}
		end = len > 0 ? memmem(octets, len, "\r\n\r\n", 4) : NULL;
		if (end == NULL)
			return;
		at = memmem(octets, (size_t)(end - octets), "\r\nContent-Length:", 17);
		whole = (size_t)(end + 4 - octets) + (at ? (size_t)atoi(at + 17) : 0);
		if (whole > len)
			return;
		keep(peer, octets, whole);
		memmove(octets, octets + whole, len - whole);
		peer->link[i].len = len - whole;
	}
}

static bool receive(struct sip_peer *peer, int wait_ms)
{
	struct pollfd fds[SIP_LINKS_MAX + 1] = { { peer->fd, POLLIN, 0 } };
	char octets[65536];
	ssize_t n;

	for (unsigned i = 0; i < peer->links; i++)
		fds[i + 1] = (struct pollfd){ peer->link[i].fd, POLLIN, 0 };
	if (poll(fds, peer->links + 1, wait_ms) <= 0)
		return false;
	for (unsigned i = 0; i < peer->links; i++) {
		if (fds[i + 1].revents == 0)
			continue;
		n = recv(peer->link[i].fd, octets, sizeof(octets), 0);
		if (n <= 0) {
			close(peer->link[i].fd);
			peer->link[i].fd = -1; /* poll passes over it */
			continue;
		}
		peer->link[i].octets = realloc(peer->link[i].octets, peer->link[i].len + (size_t)n);
		memcpy(peer->link[i].octets + peer->link[i].len, octets, (size_t)n);
		peer->link[i].len += (size_t)n;
		stream_cut(peer, i);
	}
	if (fds[0].revents == 0)
		return true;
	if (peer->tcp) {
		link_add(peer, accept4(peer->fd, NULL, NULL, SOCK_CLOEXEC));
		return true;
	}
	n = recv(peer->fd, octets, sizeof(octets), 0);
	if (n > 0)
		keep(peer, octets, (size_t)n);
	return true;
}

struct wanted {
	bool request;
	const char *method, *call_id;
	unsigned status;
};

static bool is_wanted(const struct sip_message *message, const struct wanted *wanted)
{
	if (wanted->request != (message->status == 0) ||
		strcmp(message->method, wanted->method) != 0)
		return false;
	if (wanted->call_id != NULL && strcmp(sip_header(message, "Call-ID"), wanted->call_id) != 0)
		return false;
	if (wanted->request)
		return true;
	return wanted->status ? message->status == wanted->status : message->status >= 200;
}

static bool await(struct sip_peer *peer, const struct wanted *wanted, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;

	for (;;) {
		for (unsigned i = 0; i < peer->kept_count; i++) {
			if (!is_wanted(&peer->kept[i], wanted))
				continue;
			message_free(&peer->message);
			peer->message = peer->kept[i];
			memmove(&peer->kept[i], &peer->kept[i + 1],
				(peer->kept_count - i - 1) * sizeof(peer->kept[0]));
			peer->kept_count--;
			return true;
		}
		if (now_ms() >= until)
			return false;
		receive(peer, (int)(until - now_ms()));
	}
}

bool sip_await_request(struct sip_peer *peer, const char *method, int wait_ms)
{
	const struct wanted wanted = { .request = true, .method = method };

	return await(peer, &wanted, wait_ms);
}

bool sip_await_response(struct sip_peer *peer, const char *method, const char *call_id,
	unsigned status, int wait_ms)
{
	const struct wanted wanted = { .method = method, .call_id = call_id, .status = status };

	return await(peer, &wanted, wait_ms);
}

void sip_listen(struct sip_peer *peer, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;

	while (now_ms() < until)
		receive(peer, (int)(until - now_ms()));
}

bool sip_nothing(struct sip_peer *peer, int wait_ms)
{
	sip_listen(peer, wait_ms);
	for (unsigned i = 0; i < peer->kept_count; i++) {
		const struct sip_message *message = &peer->kept[i];

		if (message->status >= 100 && message->status < 200)
			continue;
		fprintf(stderr, "sip_rig: %s: unexpected:\n%s\n", peer->name, message->text);
		return false;
	}
	return true;
}

__attribute__((format(printf, 2, 3))) static void print(FILE *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
}

static void body_print(FILE *out, const char *type, const char *body)
{
	if (type != NULL)
		print(out, "Content-Type: %s\r\n", type);
	print(out, "Content-Length: %zu\r\n\r\n%s", type ? strlen(body) : 0, type ? body : "");
}

void sip_reply(struct sip_peer *peer, const struct sip_message *request, unsigned status,
	const char *to_tag, const char *headers, const char *type, const char *body)
{
	static const char *const copied[] = { "Via", "Record-Route", "From", "To", "Call-ID",
		"CSeq" };
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(out, "SIP/2.0 %u Whatever\r\n", status);
	for (unsigned i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		for (unsigned n = 0; *sip_header_nth(request, copied[i], n) != '\0'; n++)
			print(out, "%s: %s%s%s\r\n", copied[i],
				sip_header_nth(request, copied[i], n),
				to_tag && strcmp(copied[i], "To") == 0 ? ";tag=" : "",
				to_tag && strcmp(copied[i], "To") == 0 ? to_tag : "");
	}
	print(out, "%s", headers);
	body_print(out, type, body);
	fclose(out);
	/* RFC 3261 18.2.2: over TCP on the connection it came by; where there are several, any does
	 * here. */
	if (peer->tcp) {
		int fd = peer->link[peer->links - 1].fd;

		if (send(fd, text, len, MSG_NOSIGNAL) < 0)
			fail(peer, "send: %s", strerror(errno));
	} else {
		sip_write(peer, text, len);
	}
	free(text);
}

bool sip_focus_lives(struct sip_peer *peer)
{
	char text[1024], id[64];

	snprintf(id, sizeof(id), "alive-%08x", random_number());
	snprintf(text, sizeof(text),
		"OPTIONS sip:example.com SIP/2.0\r\n"
		"Via: SIP/2.0/%s %s:%u;branch=z9hG4bK%08x;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:%s@example.com>;tag=1\r\nTo: <sip:example.com>\r\n"
		"Call-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		peer->tcp ? "TCP" : "UDP", peer->host, peer->port, random_number(), peer->name, id);
	sip_write(peer, text, strlen(text));
	return sip_await_response(peer, "OPTIONS", id, 200, RIG_WAIT_MS);
}

/* ---- calls ---- */

const char *call_sdp(struct sip_call *call, const char *setup, const char *lines)
{
	const char *name = call->peer->name;

	snprintf(call->leg.path, sizeof(call->leg.path), "msrp://127.0.0.1:9/%s;tcp", name);
	snprintf(call->offer, sizeof(call->offer),
		"v=0\r\no=%s 3911200001 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=message 9 TCP/MSRP *\r\na=path:%s\r\na=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:text/plain\r\n%s%s%s%s",
		name, call->leg.path, setup ? "a=setup:" : "", setup ? setup : "",
		setup ? "\r\n" : "", lines);
	return call->offer;
}

char *call_list(const char *sdp, const char *entries)
{
	char *text = NULL;

	if (asprintf(&text,
		    "--" RIG_BOUNDARY "\r\nContent-Type: application/sdp\r\n\r\n%s\r\n"
		    "--" RIG_BOUNDARY "\r\nContent-Type: application/resource-lists+xml\r\n"
		    "Content-Disposition: recipient-list\r\n\r\n"
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		    "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" "
		    "xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>%s</list></resource-lists>\r\n"
		    "--" RIG_BOUNDARY "--\r\n",
		    sdp, entries) < 0)
		fail(NULL, "no memory");
	return text;
}

static void request_write(struct sip_call *call, const char *method, unsigned cseq,
	const char *headers, const char *type, const char *body)
{
	struct sip_peer *peer = call->peer;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(out, "%s %s SIP/2.0\r\n", method, call->request_uri);
	print(out, "Via: SIP/2.0/%s %s:%u;branch=%s;rport\r\n", peer->tcp ? "TCP" : "UDP",
		peer->host, peer->port, call->branch);
	print(out, "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n",
		call->local, call->remote, call->id, cseq, method);
	if (strcmp(method, "CANCEL") != 0 && strstr(headers, "Contact:") == NULL)
		print(out, "Contact: <sip:%s@%s:%u%s>;+g.oma.sip-im\r\n", peer->name, peer->host,
			peer->port, peer->tcp ? ";transport=tcp" : "");
	print(out, "%s", headers);
	body_print(out, type, body);
	fclose(out);
	sip_write(peer, text, len);
	if (strcmp(method, "ACK") != 0 && strcmp(method, "CANCEL") != 0)
		snprintf(
			call->sent, sizeof(call->sent), "%s", len < sizeof(call->sent) ? text : "");
	free(text);
}

static void branch_new(struct sip_call *call)
{
	snprintf(call->branch, sizeof(call->branch), "z9hG4bK%08x%08x", random_number(),
		random_number());
}

void call_outside(struct sip_call *call, struct sip_peer *peer, const char *method, const char *uri,
	const char *headers, const char *type, const char *body)
{
	char all[2048] = "";

	call->peer = peer;
	snprintf(call->id, sizeof(call->id), "%08x@%s", random_number(), peer->host);
	snprintf(call->tag, sizeof(call->tag), "%08x", random_number());
	snprintf(call->local, sizeof(call->local), "\"From-%s\" <sip:%s@example.com>;tag=%s",
		peer->name, peer->name, call->tag);
	snprintf(call->remote, sizeof(call->remote), "<%s>", uri);
	snprintf(call->request_uri, sizeof(call->request_uri), "%s", uri);
	snprintf(call->leg.address, sizeof(call->leg.address), "sip:%s@example.com", peer->name);
	call->cseq = call->invite_cseq = 1;
	branch_new(call);
	if (!call->no_identity && strstr(headers, "P-Asserted-Identity:") == NULL)
		snprintf(all, sizeof(all), "P-Asserted-Identity: \"%s\" <sip:%s@example.com>\r\n",
			peer->name, peer->name);
	snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s", headers);
	request_write(call, method, call->cseq, all, type, body);
}

void call_invite(struct sip_call *call, struct sip_peer *peer, const char *uri, const char *headers,
	const char *type, const char *body)
{
	call_outside(call, peer, "INVITE", uri, headers, type, body);
}

void call_factory(struct sip_call *call, struct sip_peer *peer, const char *headers, ...)
{
	char entries[4096] = "", *body;
	const struct sip_peer *invited;
	va_list args;

	va_start(args, headers);
	while ((invited = va_arg(args, const struct sip_peer *)) != NULL)
		snprintf(entries + strlen(entries), sizeof(entries) - strlen(entries),
			"<entry uri=\"sip:%s@%s:%u%s\" cp:copyControl=\"to\"/>", invited->name,
			invited->host, invited->port, invited->tcp ? ";transport=tcp" : "");
	va_end(args);
	call->peer = peer;
	body = call_list(call_sdp(call, "actpass", ""), entries);
	call_invite(call, peer, SIP_FACTORY, headers, RIG_MULTIPART, body);
	free(body);
}

/* The URI between angle brackets. */
static void uri_of(const char *value, char *out, size_t size)
{
	const char *open = strchr(value, '<');

	snprintf(out, size, "%.*s", open ? (int)strcspn(open + 1, ">") : 0, open ? open + 1 : "");
}

unsigned call_final(struct sip_call *call)
{
	if (!sip_await_response(call->peer, "INVITE", call->id, 0, RIG_WAIT_MS))
		return 0;
	return call_learn(call);
}

unsigned call_learn(struct sip_call *call)
{
	const struct sip_message *answer = &call->peer->message;

	snprintf(call->remote, sizeof(call->remote), "%s", sip_header(answer, "To"));
	if (answer->status >= 300) {
		if (!call->keep_quiet)
			request_write(call, "ACK", call->invite_cseq, "", NULL, NULL);
		return answer->status;
	}
	uri_of(sip_header(answer, "Contact"), call->identity, sizeof(call->identity));
	snprintf(call->request_uri, sizeof(call->request_uri), "%s", call->identity);
	sip_body_line(answer, "a=path:", call->leg.uri, sizeof(call->leg.uri));
	return answer->status;
}

void call_ack(struct sip_call *call)
{
	branch_new(call);
	request_write(call, "ACK", call->invite_cseq, "", NULL, NULL);
}

void call_cancel(struct sip_call *call)
{
	request_write(call, "CANCEL", call->invite_cseq, "", NULL, NULL);
}

void call_request(struct sip_call *call, const char *method, const char *headers, const char *type,
	const char *body)
{
	branch_new(call);
	call->cseq++;
	if (strcmp(method, "INVITE") == 0)
		call->invite_cseq = call->cseq;
	request_write(call, method, call->cseq, headers, type, body);
}

unsigned call_answer_to(struct sip_call *call, const char *method)
{
	if (!sip_await_response(call->peer, method, call->id, 0, RIG_WAIT_MS))
		fail(call->peer, "no final response to %s", method);
	return call->peer->message.status;
}

void call_bye(struct sip_call *call)
{
	call_request(call, "BYE", "", NULL, NULL);
	if (call_answer_to(call, "BYE") != 200)
		fail(call->peer, "BYE was answered %u", call->peer->message.status);
}

bool call_byed(struct sip_call *call, int wait_ms)
{
	const struct wanted wanted = { .request = true, .method = "BYE", .call_id = call->id };

	if (!await(call->peer, &wanted, wait_ms))
		return false;
	sip_reply(call->peer, &call->peer->message, 200, NULL, "", NULL, NULL);
	return true;
}

void call_incoming(struct sip_call *call, struct sip_peer *peer)
{
	struct sip_message *invite = &call->invite;

	if (!sip_await_request(peer, "INVITE", RIG_WAIT_MS))
		fail(peer, "no INVITE came");
	*call = (struct sip_call){ .peer = peer };
	message_read(invite, peer->message.text, peer->message.len);
	snprintf(call->id, sizeof(call->id), "%s", sip_header(invite, "Call-ID"));
	snprintf(call->tag, sizeof(call->tag), "%08x", random_number());
	snprintf(
		call->local, sizeof(call->local), "%s;tag=%s", sip_header(invite, "To"), call->tag);
	snprintf(call->remote, sizeof(call->remote), "%s", sip_header(invite, "From"));
	uri_of(sip_header(invite, "Contact"), call->identity, sizeof(call->identity));
	snprintf(call->request_uri, sizeof(call->request_uri), "%s", call->identity);
	snprintf(call->leg.address, sizeof(call->leg.address), "sip:%s@example.com", peer->name);
	sip_body_line(invite, "a=path:", call->leg.uri, sizeof(call->leg.uri));
	call->cseq = 100;
}

void call_ring(struct sip_call *call)
{
	sip_reply(call->peer, &call->invite, 180, call->tag, "", NULL, NULL);
}

void call_accept(struct sip_call *call, const char *headers, const char *sdp)
{
	char all[2048];

	snprintf(all, sizeof(all), "%s%s", headers,
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\n");
	if (strstr(headers, "Contact:") == NULL)
		snprintf(all + strlen(all), sizeof(all) - strlen(all),
			"Contact: <sip:%s@%s:%u%s>;+g.oma.sip-im\r\n", call->peer->name,
			call->peer->host, call->peer->port,
			call->peer->tcp ? ";transport=tcp" : "");
	sip_reply(call->peer, &call->invite, 200, call->tag, all, "application/sdp", sdp);
}

void call_acked(struct sip_call *call)
{
	const struct wanted wanted = { .request = true, .method = "ACK", .call_id = call->id };

	if (!await(call->peer, &wanted, RIG_WAIT_MS))
		fail(call->peer, "no ACK came");
}

void call_reject(struct sip_call *call, unsigned status, const char *headers)
{
	sip_reply(call->peer, &call->invite, status, call->tag, headers, NULL, NULL);
	call_acked(call);
}

void call_free(struct sip_call *call)
{
	message_free(&call->invite);
}

void call_bind(struct sip_call *call, struct msrp_peer *msrp)
{
	peer_bind(msrp, call->peer->rig->msrp_port, &call->leg);
}

void call_say(struct sip_call *call, struct msrp_peer *msrp, const char *tid, const char *headers,
	const char *text)
{
	char body[4096];
	int len = snprintf(body, sizeof(body),
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n%s",
		call->leg.address, call->identity, text);

	peer_print(msrp,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%sByte-Range: "
		"1-%d/%d\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------%s$\r\n",
		tid, call->leg.uri, call->leg.path, tid, headers, len, len, body, tid);
}

/* ---- parties ---- */

static bool party_heard(struct sip_party *party, const char *id)
{
	while (peer_take(&party->msrp, 300))
		if (party->msrp.chunk.method == METHOD_SEND &&
			memmem(party->msrp.body, party->msrp.body_len, id, strlen(id)) != NULL)
			return true;
	return false;
}

/* A bound leg becomes a member when the focus's command reaches the switch, which nobody outside is
 * told: the first says something until everybody hears it. */
static void party_settle(struct sip_party *parties, unsigned count)
{
	for (unsigned tries = 0; tries < 30; tries++) {
		unsigned heard = 0;
		char id[16];

		snprintf(id, sizeof(id), "settle%02u", tries);
		call_say(&parties[0].call, &parties[0].msrp, id, "", id);
		if (peer_status(&parties[0].msrp, id) != 200)
			continue; /* the first is none yet */
		for (unsigned i = 1; i < count; i++)
			heard += party_heard(&parties[i], id);
		if (heard == count - 1)
			return;
	}
	fail(&parties[0].peer, "the room does not hear its first member");
}

void party_meet(struct sip_rig *rig, struct sip_party *parties, unsigned count, const char *headers,
	bool with_msrp)
{
	static const char *const names[] = { "alice", "bob", "carol", "dave", "erin" };
	char entries[2048] = "", *body;

	assert(count <= sizeof(names) / sizeof(names[0]));
	memset(parties, 0, count * sizeof(*parties));
	for (unsigned i = 0; i < count; i++) {
		sip_peer_open(&parties[i].peer, rig, names[i], SIP_TRUSTED, false);
		parties[i].msrp.fd = -1;
		if (i > 0)
			snprintf(entries + strlen(entries), sizeof(entries) - strlen(entries),
				"<entry uri=\"sip:%s@127.0.0.1:%u\" cp:copyControl=\"to\"/>",
				names[i], parties[i].peer.port);
	}
	parties[0].call.peer = &parties[0].peer;
	body = call_list(call_sdp(&parties[0].call, "actpass", ""), entries);
	call_invite(&parties[0].call, &parties[0].peer, SIP_FACTORY, headers, RIG_MULTIPART, body);
	free(body);
	for (unsigned i = 1; i < count; i++) {
		call_incoming(&parties[i].call, &parties[i].peer);
		snprintf(parties[i].call.leg.address, sizeof(parties[i].call.leg.address),
			"sip:%s@127.0.0.1:%u", names[i], parties[i].peer.port);
		call_accept(&parties[i].call, "", call_sdp(&parties[i].call, "active", ""));
		call_acked(&parties[i].call);
	}
	if (call_final(&parties[0].call) != 200)
		fail(&parties[0].peer, "no 200 for the inviter");
	call_ack(&parties[0].call);
	for (unsigned i = 0; with_msrp && i < count; i++)
		call_bind(&parties[i].call, &parties[i].msrp);
	if (with_msrp)
		party_settle(parties, count);
}

void party_close(struct sip_party *parties, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (parties[i].msrp.fd >= 0)
			peer_close(&parties[i].msrp);
		call_free(&parties[i].call);
		sip_peer_close(&parties[i].peer);
	}
}
