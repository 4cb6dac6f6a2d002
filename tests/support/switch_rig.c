/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/switch_rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "switch_rig: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The switch takes a free port and says which in its log, before it says that it is ready. */
static uint16_t announced_port(const char *log)
{
	static const char sentence[] = "MSRP is received at port ";
	char line[400], *at = NULL;
	FILE *file = fopen(log, "r");

	while (file != NULL && at == NULL && fgets(line, sizeof(line), file) != NULL)
		at = strstr(line, sentence);
	if (at == NULL)
		fail("the switch does not say its port in %s", log);
	fclose(file);
	return (uint16_t)strtoul(at + sizeof(sentence) - 1, NULL, 10);
}

void rig_attach(struct switch_rig *rig)
{
	char path[128];
	int result;

	controller_detach(rig->controller);
	rig->controller = NULL;
	rig->kept_count = 0;
	snprintf(path, sizeof(path), "%s/switch.sock", rig->directory);
	result = controller_attach(&rig->controller, path, "rig", RIG_WAIT_MS, NULL);
	if (result != 0)
		fail("cannot attach: %s", strerror(-result));
}

void rig_start(struct switch_rig *rig, unsigned workers, const char *yaml)
{
	rig_start_with(rig, workers, "", yaml);
}

void rig_start_with(
	struct switch_rig *rig, unsigned workers, const char *msrp_yaml, const char *switch_yaml)
{
	const char *program = getenv("PLENUM_SWITCH");
	char config[128], line[64] = "", log[128];
	int out[2];
	FILE *file;
	size_t n = 0;

	memset(rig, 0, sizeof(*rig));
	if (program == NULL)
		fail("PLENUM_SWITCH does not name the switch");
	snprintf(rig->directory, sizeof(rig->directory), "/tmp/plenum-rig-XXXXXX");
	if (mkdtemp(rig->directory) == NULL)
		fail("mkdtemp: %s", strerror(errno));
	snprintf(config, sizeof(config), "%s/plenum.yaml", rig->directory);
	snprintf(log, sizeof(log), "%s/log", rig->directory);
	file = fopen(config, "w");
	if (file == NULL)
		fail("%s: %s", config, strerror(errno));
	/* Most tests end with members that take nothing more: they are not waited for long. */
	fprintf(file, "msrp:\n%s%s%sswitch:\n  socket: switch.sock\n  workers: %u\n%s",
		strstr(msrp_yaml, "  drain_s:") == NULL ? "  drain_s: 0.5\n" : "",
		strstr(msrp_yaml, "  listen:") == NULL ? "  listen: [\"tcp:127.0.0.1:0\"]\n" : "",
		msrp_yaml, workers, switch_yaml);
	fclose(file);
	if (pipe(out) < 0)
		fail("pipe: %s", strerror(errno));
	rig->workers = workers;
	rig->pid = fork();
	if (rig->pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		const char *still = getenv("PLENUM_STILL");

		/* A test that fails does not leave its switch behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], 1);
		dup2(fd, 2);
		close(out[0]);
		close(out[1]);
		if (still != NULL) {
			char report[128];

			snprintf(report, sizeof(report), "%s/still", rig->directory);
			setenv("PLENUM_STILL_REPORT", report, 1);
			setenv("LD_PRELOAD", still, 1);
		}
		execl(program, "plenum-switch", "-c", config, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	while (n < sizeof(line) - 1 && strchr(line, '\n') == NULL) {
		ssize_t got = read(out[0], line + n, sizeof(line) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(out[0]);
	if (strncmp(line, "ready\n", 6) != 0) {
		char command[200];

		snprintf(command, sizeof(command), "cat %s >&2", log);
		if (system(command) != 0)
			fail("no log");
		fail("the switch is not ready");
	}
	rig->port = announced_port(log);
	rig_attach(rig);
}

/* The line of the log that begins with this word. */
static void log_line_read(struct switch_rig *rig, const char *word, char *out, size_t size)
{
	char path[128], line[4096], *at = NULL;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", rig->directory);
	log = fopen(path, "r");
	while (log != NULL && at == NULL && fgets(line, sizeof(line), log) != NULL) {
		at = strstr(line, word);
		if (at != NULL)
			snprintf(out, size, "%s", at + strlen(word));
	}
	if (at == NULL)
		fail("the switch does not say \"%s\" at its end", word);
	fclose(log);
}

static uint64_t number_of(const char *line, const char *name)
{
	char text[100];
	const char *at;

	snprintf(text, sizeof(text), " %s=", name);
	at = strstr(line, text);
	return at != NULL ? strtoull(at + strlen(text), NULL, 10) : 0;
}

uint64_t rig_counter(const struct switch_rig *rig, const char *name)
{
	return number_of(rig->counted, name);
}

uint64_t rig_pool(const struct switch_rig *rig, const char *name)
{
	return number_of(rig->held, name);
}

/* The watch was there, over every worker. What it found is in the log, as errors. */
static void still_check(const struct switch_rig *rig)
{
	char path[128], line[200] = "", wanted[80];
	FILE *report;

	if (getenv("PLENUM_STILL") == NULL)
		return;
	snprintf(path, sizeof(path), "%s/still", rig->directory);
	snprintf(wanted, sizeof(wanted), "workers=%u memory=0 locks=0 calls=0\n", rig->workers);
	report = fopen(path, "r");
	if (report == NULL || fgets(line, sizeof(line), report) == NULL ||
		strcmp(line, wanted) != 0)
		fail("the workers were not still: %s, not %s", line, wanted);
	fclose(report);
}

void rig_terminate(struct switch_rig *rig)
{
	kill(rig->pid, SIGTERM);
}

void rig_stop(struct switch_rig *rig)
{
	controller_detach(rig->controller);
	rig->controller = NULL;
	rig_terminate(rig);
	rig_wait(rig);
}

void rig_wait(struct switch_rig *rig)
{
	char command[300];
	int status = 0, waited;

	controller_detach(rig->controller);
	rig->controller = NULL;
	for (waited = 0; waitpid(rig->pid, &status, WNOHANG) == 0; waited++) {
		if (waited > RIG_WAIT_MS / 10) {
			kill(rig->pid, SIGKILL);
			fail("the switch does not stop");
		}
		usleep(10000);
	}
	snprintf(command, sizeof(command),
		"grep -A 8 -E ' error |ERROR:|WARNING: ThreadSanitizer|runtime error' %s/log >&2",
		rig->directory);
	if (system(command) == 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("the switch ended with status %#x; its log is in %s", (unsigned)status,
			rig->directory);
	still_check(rig);
	log_line_read(rig, "switch: counted", rig->counted, sizeof(rig->counted));
	log_line_read(rig, "switch: held", rig->held, sizeof(rig->held));
	snprintf(command, sizeof(command), "rm -r %s", rig->directory);
	if (system(command) != 0)
		fail("cannot remove %s", rig->directory);
	free(rig->kept);
	rig->kept = NULL;
}

/* ---- commands and events ---- */

static void seen(void *arg, uint32_t w, const struct switch_event *event, const char *text)
{
	struct switch_rig *rig = arg;

	if (rig->kept_count == rig->kept_room) {
		rig->kept_room = rig->kept_room * 2 + 64;
		rig->kept = realloc(rig->kept, rig->kept_room * sizeof(*rig->kept));
		if (rig->kept == NULL)
			fail("no memory");
	}
	rig->kept[rig->kept_count].event = *event;
	memcpy(rig->kept[rig->kept_count].text, text,
		event->text_len < sizeof(rig->kept[0].text) ? event->text_len
							    : sizeof(rig->kept[0].text));
	rig->kept_count++;
}

static bool find(struct switch_rig *rig, int type, const struct object_id *object, uint64_t cookie)
{
	unsigned i;

	for (i = 0; i < rig->kept_count; i++) {
		const struct switch_event *event = &rig->kept[i].event;

		if (event->type != type ||
			(object != NULL && !object_id_eq(&event->object, object)) ||
			(cookie != 0 && event->cookie != cookie))
			continue;
		rig->event = *event;
		memcpy(rig->text, rig->kept[i].text, sizeof(rig->kept[i].text));
		memmove(&rig->kept[i], &rig->kept[i + 1],
			(rig->kept_count - i - 1) * sizeof(*rig->kept));
		rig->kept_count--;
		return true;
	}
	return false;
}

static bool await(struct switch_rig *rig, int type, const struct object_id *object, uint64_t cookie,
	int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;

	while (!find(rig, type, object, cookie)) {
		if (controller_poll(rig->controller, 256, seen, rig) > 0)
			continue;
		if (now_ms() > until)
			return false;
		if (controller_may_sleep(rig->controller)) {
			struct pollfd fd = { controller_fd(rig->controller), POLLIN, 0 };

			poll(&fd, 1, wait_ms < 100 ? wait_ms : 100);
		}
	}
	return true;
}

int rig_command(struct switch_rig *rig, unsigned worker, struct switch_cmd *cmd,
	const struct text_builder *text)
{
	int result;

	cmd->cookie = ++rig->cookie;
	cmd->text_len = text != NULL ? text->len : 0;
	while ((result = controller_submit(rig->controller, worker, cmd,
			text != NULL ? text->octets : NULL)) == -ENOBUFS)
		controller_poll(rig->controller, 256, seen, rig);
	if (result != 0)
		fail("submit: %s", strerror(-result));
	controller_flush(rig->controller);
	if (!await(rig, EVENT_ANSWER, NULL, cmd->cookie, RIG_WAIT_MS))
		fail("%s was not answered", switch_command_name(cmd->type));
	return rig->event.result;
}

void rig_event(struct switch_rig *rig, enum switch_event_type type, const struct object_id *object)
{
	if (!await(rig, type, object, 0, RIG_WAIT_MS))
		fail("no event %s came", switch_event_name((unsigned)type));
}

bool rig_event_within(struct switch_rig *rig, enum switch_event_type type,
	const struct object_id *object, int wait_ms)
{
	return await(rig, type, object, 0, wait_ms);
}

static struct text_ref put(struct text_builder *text, const char *s)
{
	struct text_ref ref;

	if (text_put(text, span_of(s), &ref) != 0)
		fail("too much text");
	return ref;
}

static struct text_ref put_if(struct text_builder *text, const char *s)
{
	return s != NULL ? put(text, s) : (struct text_ref){ 0, 0 };
}

static int room_command(struct switch_rig *rig, unsigned worker, struct switch_cmd *cmd,
	const struct rig_room_settings *settings)
{
	struct text_builder text = { 0 };

	cmd->u.room.flags = settings->flags;
	cmd->u.room.max_message = settings->max_message;
	cmd->u.room.uris = put(&text, settings->uris != NULL ? settings->uris : RIG_ROOM_URI "\n");
	cmd->u.room.wrapped = put(&text, settings->wrapped != NULL ? settings->wrapped : "*");
	return rig_command(rig, worker, cmd, &text);
}

struct object_id rig_room_open(struct switch_rig *rig, const struct rig_room_settings *settings)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN };

	memcpy(cmd.tag.octets, "the room", 8);
	if (room_command(rig, settings->worker, &cmd, settings) != 0)
		fail("room: %s", result_text(rig->event.result));
	return rig->event.object;
}

int rig_room_set(struct switch_rig *rig, const struct object_id *room,
	const struct rig_room_settings *settings)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_SET, .object = *room };

	return room_command(rig, room->worker, &cmd, settings);
}

struct object_id rig_room(struct switch_rig *rig, unsigned worker, uint32_t flags)
{
	return rig_room_open(rig, &(struct rig_room_settings){ .worker = worker, .flags = flags });
}

int rig_leg_try(struct switch_rig *rig, const struct object_id *room, const char *name,
	const struct rig_leg_settings *settings, struct rig_leg *out)
{
	struct text_builder text = { 0 };
	struct switch_cmd cmd = { .type = CMD_LEG_ADD, .object = *room };
	struct span uri;
	int result;

	memset(out, 0, sizeof(*out));
	snprintf(out->address, sizeof(out->address), "sip:%s@example.com", name);
	if (settings->path != NULL)
		snprintf(out->path, sizeof(out->path), "%s", settings->path);
	else
		snprintf(out->path, sizeof(out->path), "msrp://127.0.0.1:9/%s;tcp", name);
	memcpy(cmd.tag.octets, name, strnlen(name, sizeof(cmd.tag.octets)));
	cmd.u.leg.setup = settings->setup;
	cmd.u.leg.bind_ms = settings->bind_ms;
	cmd.u.leg.family = settings->family;
	cmd.u.leg.path = put(&text, settings->path != NULL ? settings->path : out->path);
	cmd.u.leg.connect = put_if(&text, settings->connect);
	result = rig_command(rig, room->worker, &cmd, &text);
	if (result != 0)
		return result;
	out->id = rig->event.object;
	uri = text_get(rig->event.u.leg.uri, rig->text, rig->event.text_len);
	snprintf(out->uri, sizeof(out->uri), "%.*s", SPAN_ARG(uri));
	return 0;
}

struct rig_leg rig_leg_add(struct switch_rig *rig, const struct object_id *room, const char *name,
	const struct rig_leg_settings *settings)
{
	struct rig_leg leg;

	if (rig_leg_try(rig, room, name, settings, &leg) != 0)
		fail("leg: %s", result_text(rig->event.result));
	return leg;
}

int rig_leg_update(
	struct switch_rig *rig, const struct rig_leg *leg, const struct rig_leg_settings *settings)
{
	struct text_builder text = { 0 };
	struct switch_cmd cmd = { .type = CMD_LEG_UPDATE, .object = leg->id };

	cmd.u.leg.setup = settings->setup;
	cmd.u.leg.bind_ms = settings->bind_ms;
	cmd.u.leg.rebind = settings->rebind;
	cmd.u.leg.path = put_if(&text, settings->path);
	cmd.u.leg.connect = put_if(&text, settings->connect);
	return rig_command(rig, leg->id.worker, &cmd, &text);
}

int rig_member(struct switch_rig *rig, enum switch_command type, const struct rig_leg *leg,
	const struct rig_member_settings *settings)
{
	struct text_builder text = { 0 };
	struct switch_cmd cmd = { .type = (uint16_t)type, .object = leg->id };
	char own[100];

	snprintf(own, sizeof(own), "%s\n", leg->address);
	cmd.u.member.flags = settings->flags;
	cmd.u.member.participant = settings->participant;
	cmd.u.member.identities =
		put(&text, settings->identities != NULL ? settings->identities : own);
	cmd.u.member.alias = put_if(&text, settings->alias);
	cmd.u.member.wrapped = put_if(&text, settings->wrapped);
	return rig_command(rig, leg->id.worker, &cmd, &text);
}

struct rig_leg rig_leg(struct switch_rig *rig, const struct object_id *room, const char *name,
	unsigned participant, bool member)
{
	struct rig_leg leg = rig_leg_add(rig, room, name, &(struct rig_leg_settings){ 0 });

	if (member && rig_member(rig, CMD_MEMBER_ADD, &leg,
			      &(struct rig_member_settings){
				      .flags = MEMBER_PRIVATE, .participant = participant }) != 0)
		fail("member: %s", result_text(rig->event.result));
	return leg;
}

int rig_leg_command(struct switch_rig *rig, enum switch_command type, const struct rig_leg *leg)
{
	struct switch_cmd cmd = { .type = (uint16_t)type, .object = leg->id };

	return rig_command(rig, leg->id.worker, &cmd, NULL);
}

/* ---- peers ---- */

static socklen_t address_make(struct sockaddr_storage *at, const char *host, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)at;

	memset(at, 0, sizeof(*at));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		fail("%s is no address", host);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	return sizeof(*in6);
}

void peer_connect_to(struct msrp_peer *peer, const char *host, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = address_make(&to, host, port);

	memset(peer, 0, sizeof(*peer));
	chunk_in_init(&peer->in);
	peer->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&to, len) < 0)
		fail("connect: %s", strerror(errno));
}

void peer_connect(struct msrp_peer *peer, uint16_t port)
{
	peer_connect_to(peer, "127.0.0.1", port);
}

int peer_listen_at(const char *host, uint16_t *port, int backlog)
{
	struct sockaddr_storage at;
	socklen_t len = address_make(&at, host, *port);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, backlog) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		fail("listen: %s", strerror(errno));
	*port = ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
					      : ((struct sockaddr_in6 *)&at)->sin6_port);
	return fd;
}

int peer_listen(uint16_t *port, int backlog)
{
	*port = 0;
	return peer_listen_at("127.0.0.1", port, backlog);
}

void peer_accept(struct msrp_peer *peer, int listener)
{
	struct pollfd fd = { listener, POLLIN, 0 };

	memset(peer, 0, sizeof(*peer));
	chunk_in_init(&peer->in);
	if (poll(&fd, 1, RIG_WAIT_MS) <= 0)
		fail("the switch does not connect");
	peer->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer->fd < 0)
		fail("accept: %s", strerror(errno));
}

bool peer_ends(struct msrp_peer *peer, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms, now;

	while (!peer->closed && (now = now_ms()) < until)
		peer_take(peer, (int)(until - now));
	return peer->closed;
}

void peer_close(struct msrp_peer *peer)
{
	close(peer->fd);
	free(peer->octets);
	free(peer->body);
	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
}

void peer_write(struct msrp_peer *peer, const void *octets, size_t len)
{
	const char *at = octets;

	while (len > 0) {
		ssize_t n = send(peer->fd, at, len, MSG_NOSIGNAL);

		if (n < 0) {
			peer->closed = true;
			return;
		}
		at += n;
		len -= (size_t)n;
	}
}

void peer_print(struct msrp_peer *peer, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		fail("no memory");
	peer_write(peer, text, (size_t)len);
	free(text);
}

static void grow(uint8_t **octets, size_t *room, size_t need)
{
	if (need <= *room)
		return;
	*room = need * 2;
	*octets = realloc(*octets, *room);
	if (*octets == NULL)
		fail("no memory");
}

/* Moves the chunk's spans into `head`, which outlives the octets. */
static void keep_head(struct msrp_peer *peer, const struct chunk *chunk)
{
	struct span *spans[] = { &peer->chunk.tid, &peer->chunk.to_path, &peer->chunk.from_path,
		&peer->chunk.message_id, &peer->chunk.content_type };
	char *at = peer->head;
	unsigned i;

	peer->chunk = *chunk;
	for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		if (spans[i]->len > 0)
			memcpy(at, spans[i]->at, spans[i]->len);
		spans[i]->at = at;
		at += spans[i]->len;
	}
	peer->body_len = 0;
}

/* True: a whole chunk was taken from what is here. */
static bool parse(struct msrp_peer *peer)
{
	struct chunk chunk;
	size_t used, pos = 0;
	bool whole = false;

	while (!whole) {
		enum chunk_event event = chunk_in_feed(
			&peer->in, span_make(peer->octets + pos, peer->len - pos), &used, &chunk);

		if (event == CHUNK_BAD)
			fail("what the switch sends is not MSRP: %s", chunk_in_error(&peer->in));
		if (event == CHUNK_HEAD)
			keep_head(peer, &chunk);
		if (event == CHUNK_BODY) {
			grow(&peer->body, &peer->body_room, peer->body_len + chunk.body.len);
			memcpy(peer->body + peer->body_len, chunk.body.at, chunk.body.len);
			peer->body_len += chunk.body.len;
		}
		if (event == CHUNK_END) {
			peer->chunk.flag = chunk.flag;
			whole = true;
		}
		pos += used;
		if (event == CHUNK_MORE)
			break;
	}
	memmove(peer->octets, peer->octets + pos, peer->len - pos);
	peer->len -= pos;
	return whole;
}

bool peer_poll(struct msrp_peer *peer)
{
	return peer_take(peer, 0);
}

bool peer_take(struct msrp_peer *peer, int wait_ms)
{
	uint64_t until = now_ms() + (uint64_t)wait_ms;
	struct pollfd fd = { peer->fd, POLLIN, 0 };
	ssize_t n;

	for (;;) {
		if (peer->len > 0 && parse(peer))
			return true;
		if (peer->closed)
			return false;
		if (poll(&fd, 1, until > now_ms() ? (int)(until - now_ms()) : 0) == 0)
			return false;
		grow(&peer->octets, &peer->room, peer->len + 65536);
		n = recv(peer->fd, peer->octets + peer->len, 65536, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			peer->closed = true;
		else if (n > 0)
			peer->len += (size_t)n;
	}
}

unsigned peer_status(struct msrp_peer *peer, const char *tid)
{
	while (peer_take(peer, RIG_WAIT_MS))
		if (peer->chunk.method == METHOD_RESPONSE && span_eq(peer->chunk.tid, span_of(tid)))
			return peer->chunk.status;
	return 0;
}

void peer_bind(struct msrp_peer *peer, uint16_t port, const struct rig_leg *leg)
{
	unsigned status;

	peer_connect(peer, port);
	peer_print(peer,
		"MSRP bind0000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind0000\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
		leg->uri, leg->path);
	status = peer_status(peer, "bind0000");
	if (status != 200)
		fail("binding was answered %u", status);
}

void peer_say(struct msrp_peer *peer, const struct rig_leg *from, const char *id,
	const char *headers, const char *text)
{
	char body[4096];
	int len = snprintf(body, sizeof(body),
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n%s", from->address,
		RIG_ROOM_URI, text);

	peer_print(peer,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%sByte-Range: 1-%d/%d\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------%s$\r\n",
		id, from->uri, from->path, id, headers, len, len, body, id);
}
