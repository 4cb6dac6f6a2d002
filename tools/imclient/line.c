/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/line.h"
#include <fcntl.h>
#include <signal.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "control/sip/identity.h"

enum { INPUT_MAX = 65536, WORDS_MAX = 128, DRAIN_MS = 60000, WAIT_MS = 30000 };

struct line {
	const struct line_options *options;
	su_root_t *root;
	struct loop *loop;
	struct client *client;
	struct loop_watch input;
	bool input_polled; /* a plain file: epoll cannot watch it */
	bool input_ended, quitting, paused, overlong;
	struct loop_timer poll, wait_timer, drain_timer;
	char *text; /* read, not yet done */
	size_t len;
	bool report;
	unsigned session; /* the chosen one; 0: the newest */
	unsigned failures;
	int waiting; /* for this event; -1: none */
	bool sleeping;
	unsigned seen[CLIENT_EVENT_COUNT]; /* not yet waited for */
};

static void line_advance(struct line *l);
static void input_watch(struct line *l, bool on);

/* ---- events ---- */

static double clock_now(const struct line *l)
{
	struct timespec now;

	if (!l->options->clock)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(struct line *l, const char *reason)
{
	struct client_event event = {
		.type = CLIENT_ERROR, .reason = reason, .octets = CLIENT_NONE
	};

	l->failures++;
	l->quitting = l->quitting || l->options->script != NULL;
	event_write(l->options->output, l->options->form, &event, clock_now(l));
	fflush(l->options->output);
}

static void on_event(void *arg, const struct client_event *event)
{
	struct line *l = arg;

	event_write(l->options->output, l->options->form, event, clock_now(l));
	if (fflush(l->options->output) != 0 && !l->quitting) {
		l->failures++; /* nobody reads us any more */
		l->quitting = true;
	}
	l->seen[event->type]++;
	switch (event->type) {
	case CLIENT_READY:
		if (!l->options->no_register)
			client_register(l->client);
		break;
	case CLIENT_INVITED:
		if (l->options->auto_accept && client_accept(l->client, event->session) < 0)
			fail(l, "the invitation cannot be accepted");
		break;
	case CLIENT_REFUSED:
		l->failures += event->status != 487; /* 487 answers our own CANCEL */
		break;
	case CLIENT_REPORT:
		l->failures += event->status != 200 || (event->has_count && event->count == 0);
		break;
	case CLIENT_REGISTER_FAILED:
	case CLIENT_SEND_FAILED:
	case CLIENT_LOST: l->failures++; break;
	case CLIENT_CLOSED: su_root_break(l->root); return;
	default: break;
	}
	if (l->options->script != NULL && l->failures > 0)
		l->quitting = true; /* a script of ours has no use for the rest */
	/* Not from inside the event: the client is in the middle of something. */
	loop_timer_start(l->loop, &l->poll, 0);
}

/* ---- commands ---- */

struct command {
	const char *name, *arguments, *text;
	bool talks; /* waits while an INVITE of ours is open */
	int (*run)(struct line *l, char *rest, char **words, unsigned count); /* 0, or negative */
};

static int run_help(struct line *l, char *rest, char **words, unsigned count)
{
	line_help(l->options->output);
	fflush(l->options->output);
	return 0;
}

static int run_register(struct line *l, char *rest, char **words, unsigned count)
{
	client_register(l->client);
	return 0;
}

static int run_unregister(struct line *l, char *rest, char **words, unsigned count)
{
	client_unregister(l->client);
	return 0;
}

/* "bob" is sip:bob@<our domain>. */
static char *complete_uri(const struct line *l, const char *text)
{
	struct span host = identity_host(span_of(l->options->client.user));
	char *out;

	if (strchr(text, ':') != NULL)
		return strdup(text);
	if (asprintf(&out, strchr(text, '@') != NULL ? "sip:%s" : "sip:%s@%.*s", text,
		    SPAN_ARG(host)) < 0)
		return NULL;
	return out;
}

static int invite(struct line *l, char **words, unsigned count, bool as_conference)
{
	char *uris[WORDS_MAX];
	int result = count > 0 ? 0 : -EINVAL;

	for (unsigned i = 0; i < count; i++) {
		uris[i] = complete_uri(l, words[i]);
		if (uris[i] == NULL)
			result = -ENOBUFS;
	}
	if (result == 0)
		result = client_invite(
			l->client, (const char *const *)uris, count, as_conference, NULL);
	for (unsigned i = 0; i < count; i++)
		free(uris[i]);
	l->session = 0;
	return result < 0 ? result : 0;
}

static int run_invite(struct line *l, char *rest, char **words, unsigned count)
{
	return invite(l, words, count, false);
}

static int run_conference(struct line *l, char *rest, char **words, unsigned count)
{
	return invite(l, words, count, true);
}

static int run_chat(struct line *l, char *rest, char **words, unsigned count)
{
	return invite(l, words, count, !l->options->direct);
}

static int number_of(const char *text, uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text < '0' || *text > '9' || *end != '\0' || errno != 0 || *out > most ? -EINVAL
										       : 0;
}

static int run_accept(struct line *l, char *rest, char **words, unsigned count)
{
	uint64_t session = 0;

	if (count > 0 && number_of(words[0], UINT32_MAX, &session) < 0)
		return -EINVAL;
	return client_accept(l->client, (unsigned)session);
}

static int run_reject(struct line *l, char *rest, char **words, unsigned count)
{
	uint64_t status = 486;

	if (count > 0 && number_of(words[0], 699, &status) < 0)
		return -EINVAL;
	return client_reject(l->client, 0, (unsigned)status);
}

static int run_leave(struct line *l, char *rest, char **words, unsigned count)
{
	uint64_t session = l->session;

	if (count > 0 && number_of(words[0], UINT32_MAX, &session) < 0)
		return -EINVAL;
	l->session = 0;
	return client_leave(l->client, (unsigned)session);
}

static int run_session(struct line *l, char *rest, char **words, unsigned count)
{
	uint64_t session = 0;

	if (count > 0 && number_of(words[0], UINT32_MAX, &session) < 0)
		return -EINVAL;
	l->session = (unsigned)session;
	return 0;
}

static struct client_send how(const struct line *l, const char *to, const char *type)
{
	return (struct client_send){ .to = to, .content_type = type, .report = l->report };
}

static int run_say(struct line *l, char *rest, char **words, unsigned count)
{
	struct client_send plain = how(l, NULL, "text/plain;charset=utf-8");

	return client_send_text(l->client, l->session, &plain, span_of(rest));
}

static int run_to(struct line *l, char *rest, char **words, unsigned count)
{
	size_t name = strcspn(rest, " ");
	struct client_send private;
	char *uri;
	int result;

	if (name == 0 || rest[name] == '\0')
		return -EINVAL;
	rest[name] = '\0';
	uri = complete_uri(l, rest);
	private = how(l, uri, "text/plain;charset=utf-8");
	result = uri == NULL ? -ENOBUFS
			     : client_send_text(
				       l->client, l->session, &private, span_of(rest + name + 1));
	free(uri);
	return result;
}

static int run_send(struct line *l, char *rest, char **words, unsigned count)
{
	struct client_send file = how(l, NULL, "application/octet-stream");
	size_t len = strlen(rest);

	if (len > 4 && strcasecmp(rest + len - 4, ".txt") == 0)
		file.content_type = "text/plain;charset=utf-8";
	return client_send_file(l->client, l->session, &file, rest);
}

static int run_send_random(struct line *l, char *rest, char **words, unsigned count)
{
	struct client_send data = how(l, NULL, "application/octet-stream");
	uint64_t octets;

	if (count != 1 || number_of(words[0], UINT64_MAX / 2, &octets) < 0)
		return -EINVAL;
	return client_send_random(l->client, l->session, &data, octets);
}

static int run_composing(struct line *l, char *rest, char **words, unsigned count)
{
	bool on = count == 0 || strcmp(words[0], "on") == 0;

	return client_send_composing(l->client, l->session, on);
}

static int run_report(struct line *l, char *rest, char **words, unsigned count)
{
	if (count != 1 || (strcmp(words[0], "on") != 0 && strcmp(words[0], "off") != 0))
		return -EINVAL;
	l->report = strcmp(words[0], "on") == 0;
	return 0;
}

static int run_who(struct line *l, char *rest, char **words, unsigned count)
{
	static const char *const states[] = { "none", "invited", "inviting", "established", "bound",
		"leaving" };
	struct client_session_view view;
	unsigned n;

	for (n = 0; client_session_view(l->client, n, &view); n++)
		fprintf(l->options->output,
			l->options->form == EVENT_JSON
				? "{\"event\":\"session\",\"session\":%u,\"state\":\"%s\",\"unsettled\":%u}\n"
				: "session session=%u state=%s unsettled=%u\n",
			view.number, states[view.state], view.unsettled);
	if (n == 0 && l->options->form == EVENT_PEOPLE)
		fputs("* no session; /chat NAME starts one\n", l->options->output);
	fflush(l->options->output);
	return 0;
}

static void on_wait_over(void *arg)
{
	struct line *l = arg;

	if (l->waiting >= 0)
		fail(l, "waited in vain");
	l->waiting = -1;
	l->sleeping = false;
	line_advance(l);
}

static int run_wait(struct line *l, char *rest, char **words, unsigned count)
{
	uint64_t seconds = WAIT_MS / 1000;

	if (count == 0 || (count > 1 && number_of(words[1], 86400, &seconds) < 0))
		return -EINVAL;
	for (int type = 0; type < CLIENT_EVENT_COUNT; type++) {
		if (strcmp(client_event_word(type), words[0]) == 0) {
			l->waiting = type;
			loop_timer_start(l->loop, &l->wait_timer, seconds * 1000);
			return 0;
		}
	}
	return -EINVAL;
}

static int run_sleep(struct line *l, char *rest, char **words, unsigned count)
{
	char *end = NULL;
	double seconds = count == 1 ? strtod(words[0], &end) : -1;

	if (seconds < 0 || seconds > 86400 || *end != '\0')
		return -EINVAL;
	l->sleeping = true;
	loop_timer_start(l->loop, &l->wait_timer, (uint64_t)(seconds * 1000));
	return 0;
}

static int run_quit(struct line *l, char *rest, char **words, unsigned count)
{
	l->quitting = true;
	return 0;
}

static const struct command commands[] = {
	{ "help", "", "this list", false, run_help },
	{ "register", "", "registers again (done at the start, unless --no-register)", false,
		run_register },
	{ "unregister", "", "takes the registration back", false, run_unregister },
	{ "invite", "URI [URI...]",
		"invites one; several: an ad-hoc conference. bob is sip:bob@<own domain>", false,
		run_invite },
	{ "conference", "URI [URI...]", "an ad-hoc conference, also with one", false,
		run_conference },
	{ "chat", "NAME [NAME...]", "as conference; with --direct as invite", false, run_chat },
	{ "accept", "[SESSION]", "accepts the invitation", false, run_accept },
	{ "reject", "[STATUS]", "refuses it, with 486 or another status", false, run_reject },
	{ "say", "TEXT", "sends a text", true, run_say },
	{ "to", "URI TEXT", "sends a private text to one member", true, run_to },
	{ "send", "FILE", "sends a file", true, run_send },
	{ "send-random", "OCTETS", "sends test data; the event has its SHA-256", true,
		run_send_random },
	{ "composing", "[on|off]", "says that you are writing, or not", true, run_composing },
	{ "report", "on|off", "asks a REPORT with Distribution-Count for each message", false,
		run_report },
	{ "leave", "[SESSION]", "ends the session, or cancels the INVITE", false, run_leave },
	{ "session", "[SESSION]", "what follows is about that session; without number: the newest",
		false, run_session },
	{ "who", "", "lists the sessions", false, run_who },
	{ "wait", "EVENT [SECONDS]", "goes on when that event came (each counts once); 30 s", false,
		run_wait },
	{ "sleep", "SECONDS", "goes on later", false, run_sleep },
	{ "quit", "", "leaves everything, unregisters, ends", false, run_quit },
};

void line_help(FILE *out)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-11s %-16s %s\n", commands[i].name, commands[i].arguments,
			commands[i].text);
}

static const struct command *command_find(struct span name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (span_eq(span_of(commands[i].name), name))
			return &commands[i];
	return NULL;
}

static bool is_inviting(const struct line *l)
{
	struct client_session_view view;

	for (unsigned n = 0; client_session_view(l->client, n, &view); n++)
		if (view.state == CLIENT_STATE_INVITING)
			return true;
	return false;
}

static bool is_talking(const struct line *l)
{
	struct client_session_view view;

	for (unsigned n = 0; client_session_view(l->client, n, &view); n++)
		if (view.state == CLIENT_STATE_ESTABLISHED || view.state == CLIENT_STATE_BOUND)
			return true;
	return false;
}

/* False: it has to wait, nothing was done. */
static bool command_run(struct line *l, char *text)
{
	static const struct command *say;
	const struct command *command;
	char *words[WORDS_MAX], *rest, copy[INPUT_MAX];
	struct span tail = span_trim(span_of(text)), name;
	unsigned count = 0;
	int result;

	if (say == NULL)
		say = command_find(SPAN_LITERAL("say"));
	if (tail.len == 0 || tail.at[0] == '#')
		return true;
	if (tail.at[0] == '/') {
		tail.at++;
		tail.len--;
		name = span_cut(&tail, ' ');
		command = command_find(name);
	} else if (l->options->form == EVENT_PEOPLE && is_talking(l)) {
		command = say; /* at a terminal, plain words are said */
	} else {
		name = span_cut(&tail, ' ');
		command = command_find(name);
	}
	if (command == NULL) {
		fail(l, "no such command; help lists them");
		return true;
	}
	if (command->talks && is_inviting(l))
		return false;
	memcpy(copy, tail.at, tail.len);
	copy[tail.len] = '\0';
	rest = copy;
	while (*rest == ' ')
		rest++;
	if (command->run == run_say || command->run == run_to || command->run == run_send) {
		result = *rest == '\0' ? -EINVAL : command->run(l, rest, words, 0);
	} else {
		for (char *save, *word = strtok_r(rest, " \t", &save);
			word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " \t", &save))
			words[count++] = word;
		result = command->run(l, rest, words, count);
	}
	if (result < 0)
		fail(l, result == -EINVAL   ? "the arguments are not right; help lists them"
			: result == -ENOENT ? "there is no such session or file"
			: result == -EPROTO ? "not possible in this state of the session"
					    : result_text(result));
	return true;
}

/* ---- input ---- */

static bool may_go_on(struct line *l)
{
	if (l->waiting >= 0) {
		if (l->seen[l->waiting] == 0)
			return false;
		l->seen[l->waiting]--;
		l->waiting = -1;
		loop_timer_stop(l->loop, &l->wait_timer);
	}
	return !l->sleeping && !l->quitting;
}

static void on_drain_over(void *arg)
{
	struct line *l = arg;

	fail(l, "not everything was sent in time");
	l->quitting = true;
	line_advance(l);
}

static bool is_drained(const struct line *l)
{
	struct client_session_view view;

	for (unsigned n = 0; client_session_view(l->client, n, &view); n++)
		if (view.state == CLIENT_STATE_INVITING ||
			(view.state != CLIENT_STATE_LEAVING && view.unsettled > 0))
			return false;
	return true;
}

/* Does what can be done now, then decides what to wait for. */
static void line_advance(struct line *l)
{
	char *end;

	while (may_go_on(l) && (end = memchr(l->text, '\n', l->len)) != NULL) {
		size_t used = (size_t)(end - l->text) + 1;
		char one[INPUT_MAX];

		memcpy(one, l->text, used - 1);
		one[used - 1] = '\0';
		if (used > 1 && one[used - 2] == '\r')
			one[used - 2] = '\0';
		if (l->overlong) {
			l->overlong = false;
		} else if (strlen(one) + 1 < used - 1) {
			fail(l, "a zero octet in a line");
		} else if (!command_run(l, one)) {
			break;
		}
		memmove(l->text, l->text + used, l->len - used);
		l->len -= used;
	}
	if (l->len == INPUT_MAX - 1 && memchr(l->text, '\n', l->len) == NULL) {
		if (!l->overlong)
			fail(l, "a line is too long");
		l->overlong = true;
		l->len = 0;
	}
	if (l->input_ended && !l->quitting && may_go_on(l) &&
		memchr(l->text, '\n', l->len) == NULL) {
		if (is_drained(l))
			l->quitting = true;
		else if (l->drain_timer.due_ms == 0)
			loop_timer_start(l->loop, &l->drain_timer, DRAIN_MS);
	}
	if (l->quitting) {
		input_watch(l, false);
		loop_timer_stop(l->loop, &l->drain_timer);
		client_close(l->client);
		return;
	}
	input_watch(l, !l->input_ended && l->len < INPUT_MAX - 1);
}

static void on_input(void *arg, uint32_t events)
{
	struct line *l = arg;
	ssize_t n = read(l->input.fd, l->text + l->len, INPUT_MAX - 1 - l->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		l->input_ended = true;
		if (l->len > 0) /* a last line without its end */
			l->text[l->len++] = '\n';
		if (l->options->form == EVENT_PEOPLE)
			l->quitting = true;
	} else {
		l->len += (size_t)n;
	}
	line_advance(l);
}

/* Silenced means taken out: a closed pipe would wake an empty watch for ever. */
static void input_watch(struct line *l, bool on)
{
	if (l->input_polled) {
		if (on)
			loop_timer_start(l->loop, &l->poll, 0);
		return;
	}
	if (on == (l->input.events != 0) || l->input.fd < 0)
		return;
	if (!on) {
		loop_watch_remove(l->loop, &l->input);
	} else if (loop_watch_set(l->loop, &l->input, EPOLLIN) < 0) {
		l->input_polled = true;
		loop_timer_start(l->loop, &l->poll, 0);
	}
}

static void on_poll(void *arg)
{
	struct line *l = arg;

	if (l->input_polled && !l->input_ended && !l->quitting && l->len < INPUT_MAX - 1)
		on_input(l, EPOLLIN);
	else
		line_advance(l);
}

static struct line *stopped; /* for the signal */
static volatile sig_atomic_t stop_asked;

static void on_stop_signal(int signal)
{
	stop_asked = 1;
}

static void on_stop_check(su_root_magic_t *magic, su_timer_t *timer, su_timer_arg_t *arg)
{
	if (stop_asked && !stopped->quitting) {
		stopped->quitting = true;
		line_advance(stopped);
	}
}

/* Sofia's own remarks on stderr help a developer only. */
static void sofia_log(void *stream, char const *format, va_list args)
{
	const char *level = getenv("PLENUM_LOG");

	if (level != NULL && strcmp(level, "debug") == 0)
		vfprintf(stderr, format, args);
}

int line_run(const struct line_options *options)
{
	struct line l = { .options = options, .waiting = -1, .input = { .fd = options->input } };
	struct sigaction stop = { .sa_handler = on_stop_signal };
	su_timer_t *timer = NULL;
	int result = -ENOBUFS;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	su_init();
	su_log_redirect(NULL, sofia_log, NULL);
	l.root = su_root_create(NULL);
	l.text = malloc(INPUT_MAX);
	if (l.root == NULL || l.text == NULL || loop_new(&l.loop) < 0)
		goto undo;
	if (options->script != NULL && strlen(options->script) < INPUT_MAX - 1) {
		l.len = strlen(options->script);
		memcpy(l.text, options->script, l.len);
	}
	l.input.ready = on_input;
	l.input.arg = &l;
	l.input_ended = options->input < 0;
	l.poll = (struct loop_timer){ .fire = on_poll, .arg = &l };
	l.wait_timer = (struct loop_timer){ .fire = on_wait_over, .arg = &l };
	l.drain_timer = (struct loop_timer){ .fire = on_drain_over, .arg = &l };
	result = client_new(&l.client, l.root, l.loop, &options->client, on_event, &l);
	if (result < 0) {
		fprintf(stderr, "plenum-im: %s\n",
			result == -EEXIST   ? "the port is in use"
			: result == -EINVAL ? "--user, --proxy or --listen is not usable"
					    : result_text(result));
		goto undo;
	}
	stopped = &l;
	timer = su_timer_create(su_root_task(l.root), 200);
	if (timer != NULL)
		su_timer_set_for_ever(timer, on_stop_check, NULL);
	su_root_run(l.root);
	su_timer_destroy(timer);
undo:
	client_free(l.client);
	loop_free(l.loop);
	if (l.root != NULL)
		su_root_destroy(l.root);
	su_deinit();
	free(l.text);
	return result < 0 || l.failures > 0 ? 1 : 0;
}
