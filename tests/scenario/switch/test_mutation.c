/* SPDX-License-Identifier: BSD-3-Clause */
/* Mutated MSRP on the connections of bound members of one room, beside a quiet room whose members
 * talk all the time: the switch lives and leaks nothing, what it sends is MSRP and whole, and the
 * quiet room loses, reorders and changes nothing.
 *
 * Ten thousand inputs; with PLENUM_MUTATION_INPUTS, or as test_mutation_long, others. Input n is made from
 * (seed, n) alone, from the torture set and from good traffic; PLENUM_MUTATION_SEED=SEED or SEED:FIRST makes
 * the same ones again, from FIRST on. What depends on time is only how far the switch has got when the next
 * input comes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "dataplane/msrp/uri.h"
#include "tests/scenario/switch/scene.h"
#include "tests/support/torture.h"

#define INPUTS        10000u
#define INPUTS_LONG   1000000u
#define ATTACKERS     4u
#define QUIET         3u
#define QUIET_WINDOW  8u
#define QUIET_URI     "sip:quiet@example.com"
#define INPUT_MAX     (256u * 1024)
#define CHUNKS_MAX    12u
#define OPEN_MAX      256u
#define GUESS_EVERY   1000u
#define GUESSES       20u /* context.md 1.6 */
#define CONTROL_EVERY 32u

static struct scene s; /* the loud room; its people are the attackers */
static struct torture_set set;
static unsigned long long seed, input, inputs;

/* ---- chance ---- */

static uint64_t chance;

static uint64_t next(void)
{
	uint64_t z = (chance += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n > 0 ? (size_t)(next() % n) : 0;
}

/* ---- what a member of either room receives ---- */

/* A message that has begun and not ended. */
struct open {
	char id[CHUNK_TID_MAX + 1];
	size_t len;
	char *body;
	uint64_t order; /* in which they began, from 1 */
};

struct reader {
	struct open open[OPEN_MAX];
	unsigned count;
	uint64_t begun;
};

static struct open *open_find(struct reader *reader, struct span id)
{
	for (unsigned i = 0; i < reader->count; i++)
		if (span_eq(span_of(reader->open[i].id), id))
			return &reader->open[i];
	cr_assert_lt(reader->count, OPEN_MAX, "too many open messages");
	memset(&reader->open[reader->count], 0, sizeof(reader->open[0]));
	memcpy(reader->open[reader->count].id, id.at, id.len);
	reader->open[reader->count].order = ++reader->begun;
	return &reader->open[reader->count++];
}

static void open_end(struct reader *reader, struct open *open)
{
	free(open->body);
	*open = reader->open[--reader->count];
}

static void reader_clear(struct reader *reader)
{
	while (reader->count > 0)
		open_end(reader, reader->open);
}

/* What the switch sends is well-formed, and the chunks of a message follow each other. Returns the
 * message when it has ended: open_end is the caller's. */
static struct open *chunk_check(struct reader *reader, const struct msrp_peer *peer)
{
	const struct chunk *chunk = &peer->chunk;
	struct open *open;

	cr_assert_eq(chunk->refuse, 0, "input %llu: the switch sends what is malformed: %s", input,
		chunk->refuse_why);
	if (chunk->method != METHOD_SEND)
		return NULL;
	cr_assert(chunk->has_range && chunk->has_body, "input %llu", input);
	open = open_find(reader, chunk->message_id);
	cr_assert_eq(chunk->range.start, open->len + 1,
		"input %llu: a chunk from %llu on, after %zu octets", input,
		(unsigned long long)chunk->range.start, open->len);
	open->body = realloc(open->body, open->len + peer->body_len + 1);
	if (peer->body_len > 0)
		memcpy(open->body + open->len, peer->body, peer->body_len);
	open->len += peer->body_len;
	return chunk->flag != '+' ? open : NULL;
}

/* ---- the attackers ---- */

static struct attacker {
	struct torture_octets *seeds; /* as the set makes them for this member */
	struct reader reader;
	char host[64], port[16], session[100];
	uint64_t binds;
} attackers[ATTACKERS];

static void attacker_check(unsigned who)
{
	struct open *ended = chunk_check(&attackers[who].reader, &s.peer[who]);

	if (ended != NULL)
		open_end(&attackers[who].reader, ended);
}

/* A copy that wants an answer is mostly taken. The answer is lost where it falls into a body. */
static void attacker_answer(unsigned who)
{
	static const unsigned statuses[] = { 200, 200, 200, 200, 413, 481, 400, 0 };
	unsigned status = statuses[s.peer[who].body_len % 8];

	if (status != 0)
		scene_answer(&s, who, status);
}

static bool attacker_drain(unsigned who)
{
	struct msrp_peer *peer = &s.peer[who];

	while (peer->fd >= 0 && peer_poll(peer)) {
		attacker_check(who);
		if (peer->chunk.method == METHOD_SEND &&
			peer->chunk.failure_report == FAILURE_REPORT_YES)
			attacker_answer(who);
	}
	return peer->fd >= 0 && !peer->closed;
}

static void attacker_leave(unsigned who)
{
	if (s.peer[who].fd >= 0)
		peer_close(&s.peer[who]);
	reader_clear(&attackers[who].reader);
}

/* Names that members ask for are granted; other events are not needed. */
static void control_turn(void)
{
	while (rig_event_within(&s.rig, EVENT_NICKNAME_ASKED, NULL, 0)) {
		struct switch_cmd cmd = { .type = CMD_NICKNAME, .object = s.rig.event.object };

		cmd.u.nickname.ask = s.rig.event.u.nickname.ask;
		cmd.u.nickname.status = 200;
		(void)rig_command(&s.rig, cmd.object.worker, &cmd, NULL); /* it may have left */
	}
	s.rig.kept_count = 0;
}

/* Binds anew. The end of the connection before may not have been noticed yet: then 506. A connection
 * that waits for the answer about a nickname is not read, so names are answered meanwhile. */
static void attacker_bind(unsigned who)
{
	struct msrp_peer *peer = &s.peer[who];
	unsigned tries, status = 0;

	for (tries = 0; tries < 2000 && status != 200; tries++) {
		attacker_leave(who);
		peer_connect(peer, s.rig.port);
		scene_ping(&s, who, "bindbind", "");
		while (status == 0 || peer->chunk.method != METHOD_RESPONSE) {
			cr_assert(peer_take(peer, RIG_WAIT_MS),
				"input %llu: a new connection gets no answer", input);
			attacker_check(who);
			status = peer->chunk.status;
		}
		cr_assert(status == 200 || status == 506, "input %llu: %u", input, status);
		if (status != 200) {
			status = 0;
			usleep(tries < 100 ? 100 : 5000);
			control_turn();
		}
	}
	cr_assert_eq(status, 200, "input %llu: the session stays bound elsewhere", input);
	attackers[who].binds++;
}

static void attacker_open(unsigned who)
{
	struct attacker *attacker = &attackers[who];
	struct msrp_uri uri;
	struct torture_values values;

	cr_assert_eq(msrp_uri_parse(span_of(s.leg[who].uri), &uri), 0);
	snprintf(attacker->host, sizeof(attacker->host), "%.*s", SPAN_ARG(uri.host));
	snprintf(attacker->port, sizeof(attacker->port), "%u", uri.port);
	snprintf(attacker->session, sizeof(attacker->session), "%.*s", SPAN_ARG(uri.session_id));
	values = (struct torture_values){ .to = s.leg[who].uri,
		.from = s.leg[who].path,
		.host = attacker->host,
		.port = attacker->port,
		.session = attacker->session,
		.self = s.leg[who].address,
		.room = RIG_ROOM_URI,
		.peer = s.leg[(who + 1) % ATTACKERS].address,
		.plain = s.leg[(who + 2) % ATTACKERS].address };
	attacker->seeds = calloc(set.count, sizeof(*attacker->seeds));
	for (unsigned i = 0; i < set.count; i++)
		torture_make(&attacker->seeds[i], &set.cases[i], &values);
}

static void attacker_close(unsigned who)
{
	for (unsigned i = 0; i < set.count; i++)
		torture_octets_free(&attackers[who].seeds[i]);
	free(attackers[who].seeds);
}

/* ---- the quiet room ---- */

static struct {
	struct object_id room;
	struct rig_leg leg[QUIET];
	struct msrp_peer peer[QUIET];
	struct reader reader[QUIET];
	unsigned long long said, answered[QUIET], heard[QUIET][QUIET]; /* [listener][speaker] */
	uint64_t *begun[QUIET][QUIET]; /* of each message heard: its place among those that began */
	size_t room_for[QUIET][QUIET];
} quiet;

/* Message k: who says it and what. */
static char *quiet_body(unsigned long long k, size_t *len)
{
	size_t content = (size_t)(k * 37 % 3000), head;
	char *body = malloc(content + 400);

	head = (size_t)sprintf(body,
		"From: <%s>\r\nTo: <" QUIET_URI
		">\r\n\r\nContent-Type: text/plain\r\n\r\nnumber %llu ",
		quiet.leg[k % QUIET].address, k);
	for (size_t i = 0; i < content; i++)
		body[head + i] = k % 4 == 0 && i % 60 > 40 ? '-' : (char)('!' + (k + i * 7) % 90);
	*len = head + content;
	return body;
}

static void quiet_say(void)
{
	unsigned who = (unsigned)(quiet.said % QUIET);
	char head[900], tid[40];
	size_t len, head_len;
	char *body = quiet_body(quiet.said, &len), *text;

	snprintf(tid, sizeof(tid), "quiet%llu", quiet.said);
	head_len = (size_t)snprintf(head, sizeof(head),
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: 1-*/%zu\r\nContent-Type: message/cpim\r\n\r\n",
		tid, quiet.leg[who].uri, quiet.leg[who].path, tid, len);
	text = malloc(head_len + len + 64);
	memcpy(text, head, head_len);
	memcpy(text + head_len, body, len);
	len = head_len + len + (size_t)sprintf(text + head_len + len, "\r\n-------%s$\r\n", tid);
	peer_write(&quiet.peer[who], text, len);
	free(text);
	free(body);
	quiet.said++;
}

/* A quiet message is whole: one of the member that its From names, not heard before. Messages begin in
 * the order they were said in; which of two that are open ends first is left to the switch. */
static void quiet_hear(unsigned who, const struct open *open)
{
	static const char before[] = "number ";
	const char *number = memmem(open->body, open->len, before, sizeof(before) - 1);
	unsigned long long k = number != NULL ? strtoull(number + sizeof(before) - 1, NULL, 10) : 0;
	unsigned from = (unsigned)(k % QUIET);
	uint64_t **begun = &quiet.begun[who][from];
	size_t wanted, same, at = (size_t)(k / QUIET);
	char *body;

	cr_assert(number != NULL && k < quiet.said && from != who,
		"input %llu: what the quiet room gets was not said there: %.*s", input,
		(int)open->len, open->body);
	body = quiet_body(k, &wanted);
	for (same = 0; same < wanted && same < open->len && body[same] == open->body[same]; same++)
		;
	cr_assert(same == wanted && same == open->len,
		"input %llu: quiet message %llu of %zu octets comes as %zu, of which %zu are right: %.*s",
		input, k, wanted, open->len, same, (int)open->len, open->body);
	free(body);
	if (at + 2 > quiet.room_for[who][from]) {
		*begun = realloc(*begun, 2 * (at + 2) * sizeof(**begun));
		memset(*begun + quiet.room_for[who][from], 0,
			(2 * (at + 2) - quiet.room_for[who][from]) * sizeof(**begun));
		quiet.room_for[who][from] = 2 * (at + 2);
	}
	cr_assert_eq((*begun)[at], 0, "input %llu: quiet message %llu comes twice", input, k);
	(*begun)[at] = open->order;
	cr_assert((at == 0 || (*begun)[at - 1] < open->order) &&
			  ((*begun)[at + 1] == 0 || (*begun)[at + 1] > open->order),
		"input %llu: quiet message %llu does not begin in its turn", input, k);
	quiet.heard[who][from]++;
}

/* One thing that this member has got: the answer to its own next message, or a chunk. */
static void quiet_take(unsigned who)
{
	struct msrp_peer *peer = &quiet.peer[who];
	const struct chunk *chunk = &peer->chunk;
	struct open *ended;
	char tid[40];

	ended = chunk_check(&quiet.reader[who], peer);
	if (chunk->method == METHOD_RESPONSE) {
		snprintf(tid, sizeof(tid), "quiet%llu", quiet.answered[who] * QUIET + who);
		cr_assert(chunk->status == 200 && span_eq(chunk->tid, span_of(tid)),
			"input %llu: %u to %.*s instead of 200 to %s in the quiet room", input,
			chunk->status, SPAN_ARG(chunk->tid), tid);
		quiet.answered[who]++;
		return;
	}
	cr_assert_eq(chunk->method, METHOD_SEND, "input %llu", input);
	if (ended == NULL)
		return;
	cr_assert_eq(chunk->flag, '$', "input %llu: a quiet message is cut", input);
	quiet_hear(who, ended);
	open_end(&quiet.reader[who], ended);
}

static bool quiet_is_done(void)
{
	for (unsigned i = 0; i < QUIET; i++) {
		unsigned long long own = (quiet.said + QUIET - 1 - i) / QUIET;

		if (quiet.answered[i] < own)
			return false;
		for (unsigned k = 0; k < QUIET; k++)
			if (k != i && quiet.heard[k][i] < own)
				return false;
	}
	return true;
}

/* How many messages have not been heard by everybody. */
static unsigned long long quiet_pending(void)
{
	unsigned long long least = quiet.said;

	for (unsigned i = 0; i < QUIET; i++)
		for (unsigned k = 0; k < QUIET; k++)
			if (k != i && quiet.heard[k][i] * QUIET + i < least)
				least = quiet.heard[k][i] * QUIET + i;
	return quiet.said - least;
}

static void quiet_turn(void)
{
	for (unsigned i = 0; i < QUIET; i++)
		while (peer_poll(&quiet.peer[i]))
			quiet_take(i);
	if (quiet_pending() < QUIET_WINDOW)
		quiet_say();
}

static void quiet_open(void)
{
	char name[16];

	quiet.room = rig_room_open(
		&s.rig, &(struct rig_room_settings){
				.worker = 1, .flags = ROOM_PRIVATE, .uris = QUIET_URI "\n" });
	for (unsigned i = 0; i < QUIET; i++) {
		snprintf(name, sizeof(name), "quiet%u", i);
		quiet.leg[i] = rig_leg(&s.rig, &quiet.room, name, i, true);
		peer_bind(&quiet.peer[i], s.rig.port, &quiet.leg[i]);
	}
}

static void quiet_close(void)
{
	struct switch_cmd close = { .type = CMD_ROOM_CLOSE, .object = quiet.room };

	while (!quiet_is_done()) {
		struct pollfd fds[QUIET];

		for (unsigned i = 0; i < QUIET; i++)
			fds[i] = (struct pollfd){ quiet.peer[i].fd, POLLIN, 0 };
		cr_assert_gt(poll(fds, QUIET, RIG_WAIT_MS), 0,
			"the quiet room waits for what does not come");
		for (unsigned i = 0; i < QUIET; i++) {
			while (peer_poll(&quiet.peer[i]))
				quiet_take(i);
			cr_assert_not(quiet.peer[i].closed, "a quiet connection was closed");
		}
	}
	for (unsigned i = 0; i < QUIET; i++) {
		peer_close(&quiet.peer[i]);
		reader_clear(&quiet.reader[i]);
	}
	cr_assert_eq(rig_command(&s.rig, quiet.room.worker, &close, NULL), 0);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &quiet.room);
}

/* ---- inputs ---- */

static char octets[INPUT_MAX + 1];
static size_t len;

static void put(const void *what, size_t n)
{
	if (n > INPUT_MAX - len)
		n = INPUT_MAX - len;
	memcpy(octets + len, what, n);
	len += n;
}

static void put_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put_text(const char *format, ...)
{
	char text[2000];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* A message as a client would send it, in chunks, with whatever it may ask for. */
static void put_good(unsigned who)
{
	static const char *const asks[] = { "", "", "Success-Report: yes\r\n",
		"Failure-Report: no\r\n", "Failure-Report: partial\r\n",
		"Success-Report: yes;Include-Sent-Count\r\n", "X-Other: thing\r\n" };
	const char *ask = asks[below(sizeof(asks) / sizeof(asks[0]))];
	size_t content = below(8) == 0 ? below(60000) : below(3000), total, done = 0;
	size_t start[CHUNKS_MAX + 1];
	unsigned turn[CHUNKS_MAX], count;
	char head[600];
	char *body;

	total = (size_t)snprintf(head, sizeof(head),
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n",
		s.leg[who].address,
		below(8) == 0 ? s.leg[(who + 1) % ATTACKERS].address : RIG_ROOM_URI);
	body = malloc(total + content);
	memcpy(body, head, total);
	for (size_t i = 0; i < content; i++)
		body[total + i] = (char)(i % 64 == 0 ? '-' : next());
	total += content;
	for (count = 0; count < CHUNKS_MAX && done < total; count++) {
		size_t n = below(2) == 0 || count + 1 == CHUNKS_MAX ? total - done
								    : 1 + below(total - done);

		start[count] = done;
		done += n;
	}
	start[count] = total;
	for (unsigned i = 0; i < count; i++)
		turn[i] = i;
	/* Some come in another order, and some twice. */
	for (size_t swaps = below(4) == 0 ? below(2 * count) : 0; swaps > 0; swaps--) {
		unsigned one = (unsigned)below(count), other = (unsigned)below(count),
			 was = turn[one];

		turn[one] = turn[other];
		if (below(8) != 0)
			turn[other] = was;
	}
	for (unsigned i = 0; i < count && len < INPUT_MAX / 2; i++) {
		size_t from = start[turn[i]], n = start[turn[i] + 1] - from;

		put_text(
			"MSRP g%llux%u SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: g%llu\r\n%sByte-Range: %zu-*/%zu\r\nContent-Type: message/cpim\r\n\r\n",
			input, i, s.leg[who].uri, s.leg[who].path, input, ask, from + 1, total);
		put(body + from, n);
		put_text("\r\n-------g%llux%u%c\r\n", input, i, from + n == total ? '$' : '+');
	}
	free(body);
}

static void put_seed(unsigned who)
{
	const struct torture_octets *one;

	if (below(4) == 0) {
		put_good(who);
		return;
	}
	one = &attackers[who].seeds[below(set.count)];
	put(one->at, one->len);
}

static void cut_out(size_t at, size_t n)
{
	memmove(octets + at, octets + at + n, len - at - n);
	len -= n;
}

static void put_in(size_t at, const char *what, size_t n)
{
	if (n > INPUT_MAX - len)
		n = INPUT_MAX - len;
	memmove(octets + at + n, octets + at, len - at);
	memcpy(octets + at, what, n);
	len += n;
}

/* The line that `at` lies in, with its line end. */
static void line_at(size_t at, size_t *start, size_t *n)
{
	const char *end = memchr(octets + at, '\n', len - at);

	for (*start = at; *start > 0 && octets[*start - 1] != '\n'; --*start)
		;
	*n = (end != NULL ? (size_t)(end + 1 - octets) : len) - *start;
}

static void lines_swap(void)
{
	char copy[9000];
	size_t one, one_len, other, other_len;

	line_at(below(len), &one, &one_len);
	line_at(below(len), &other, &other_len);
	if (one_len > sizeof(copy) || one == other)
		return;
	memcpy(copy, octets + one, one_len);
	cut_out(one, one_len);
	if (other > one)
		other -= one_len;
	put_in(other, copy, one_len);
}

static void line_repeat(void)
{
	char copy[9000];
	size_t start, n, times = 1 + below(70);

	line_at(below(len), &start, &n);
	if (n > sizeof(copy))
		return;
	memcpy(copy, octets + start, n);
	while (times-- > 0 && len < INPUT_MAX)
		put_in(start, copy, n);
}

/* Some number becomes another. */
static void number_lie(void)
{
	static const char *const lies[] = { "0", "1", "2", "7", "255", "2048", "65535", "65536",
		"65537", "2147483648", "4294967295", "4294967296", "999999999999999999",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "-1", "*",
		"00", "1e9" };
	const char *lie = lies[below(sizeof(lies) / sizeof(lies[0]))];
	size_t at = below(len), n = 0;

	while (at < len && (octets[at] < '0' || octets[at] > '9'))
		at++;
	while (at + n < len && octets[at + n] >= '0' && octets[at + n] <= '9')
		n++;
	cut_out(at, n);
	put_in(at, lie, strlen(lie));
}

/* An end-line, right or nearly, somewhere. */
static void end_line_put(void)
{
	char line[80];
	size_t start = 0, n;

	if (len > 10 && memcmp(octets, "MSRP ", 5) == 0)
		start = 5;
	n = strcspn(octets + start, " \r\n");
	n = (size_t)snprintf(line, sizeof(line), "%s%.*s%.*s%c%s", below(4) ? "\r\n" : "",
		(int)(6 + below(3)), "---------", (int)(n < 40 ? n : 40), octets + start,
		"$+#!x"[below(5)], below(4) ? "\r\n" : "\n");
	put_in(below(len), line, n);
}

static void mutate(unsigned who)
{
	size_t at, n;
	char copy[4096];

	if (len == 0)
		return;
	octets[len] = '\0';
	at = below(len);
	switch (below(14)) {
	case 0:
	case 1: octets[at] ^= (char)(1 << below(8)); break;
	case 2: octets[at] = (char)next(); break;
	case 3: octets[at] = "\r\n\0-$+#: %\xff\x80"[below(12)]; break;
	case 4: len = at; break;
	case 5: cut_out(at, 1 + below(len - at < 64 ? len - at : 64)); break;
	case 6:
		n = 1 + below(len - at < sizeof(copy) ? len - at : sizeof(copy));
		memcpy(copy, octets + at, n);
		put_in(below(len), copy, n);
		break;
	case 7: /* the beginning of one and the end of another */
		len = at;
		put_seed(who);
		break;
	case 8: {
		const struct torture_octets *other = &attackers[who].seeds[below(set.count)];
		size_t from = below(other->len);

		len = at;
		put(other->at + from, other->len - from);
		break;
	}
	case 9: lines_swap(); break;
	case 10: line_repeat(); break;
	case 11: number_lie(); break;
	case 12: end_line_put(); break;
	case 13:
		n = 1 + below(40);
		for (size_t i = 0; i < n; i++)
			copy[i] = (char)next();
		put_in(at, copy, n);
		break;
	}
}

/* In pieces; while the switch does not take more, the others are read. */
static void push(unsigned who)
{
	size_t at = 0, piece;
	unsigned pieces = below(3) == 0 ? (unsigned)below(12) : 0;
	unsigned long long waited = 0;

	while (at < len) {
		ssize_t n;

		piece = pieces > 0 ? 1 + below(len - at) : len - at;
		pieces -= pieces > 0;
		while (piece > 0) {
			n = send(s.peer[who].fd, octets + at, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN)
				return; /* closed: seen when it is read */
			if (n < 0) {
				for (unsigned i = 0; i < ATTACKERS; i++)
					attacker_drain(i);
				quiet_turn();
				if (s.peer[who].closed)
					return;
				cr_assert_lt(++waited, 10000u,
					"input %llu: the switch does not read", input);
				usleep(1000);
				continue;
			}
			at += (size_t)n;
			piece -= (size_t)n;
		}
	}
}

/* One who guesses session ids, of the right form: 481 each time, and then the end. */
static void guess(void)
{
	struct msrp_peer peer;
	char uri[300], tid[16];

	peer_connect(&peer, s.rig.port);
	for (unsigned i = 0; i < GUESSES; i++) {
		char *id;

		snprintf(uri, sizeof(uri), "%s", quiet.leg[below(QUIET)].uri);
		id = strrchr(uri, '/') + 1;
		id[10 + below(20)] = "abcdefghijklmnopqrstuvwxyz234567"[below(32)];
		for (unsigned k = (unsigned)below(10); k > 0; k--)
			id[10 + below(20)] = "abcdefghijklmnopqrstuvwxyz234567"[below(32)];
		id[10] = id[10] == 'a' ? 'b' : 'a';
		if (strcmp(uri, quiet.leg[0].uri) == 0 || strcmp(uri, quiet.leg[1].uri) == 0 ||
			strcmp(uri, quiet.leg[2].uri) == 0)
			id[11] = id[11] == 'a' ? 'b' : 'a';
		snprintf(tid, sizeof(tid), "guess%u", i);
		peer_print(&peer,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/me;tcp\r\nMessage-ID: %s\r\n-------%s$\r\n",
			tid, uri, tid, tid);
		cr_assert_eq(peer_status(&peer, tid), 481, "input %llu: guess %u", input, i);
	}
	cr_assert(peer_ends(&peer, RIG_WAIT_MS), "input %llu: one may go on guessing", input);
	peer_close(&peer);
}

/* ---- all together ---- */

static void tell(int signal_number)
{
	char text[120];
	int n = snprintf(
		text, sizeof(text), "seed %llu, input %llu of %llu\n", seed, input, inputs);

	(void)!write(2, text, (size_t)n);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static unsigned long long configure(unsigned long long usual, bool random)
{
	const char *text = getenv("PLENUM_MUTATION_SEED"),
		   *count = getenv("PLENUM_MUTATION_INPUTS");
	const char *scale = getenv("PLENUM_NIGHTLY_SCALE"), *colon;
	unsigned long long per_cent = scale != NULL ? strtoull(scale, NULL, 10) : 100, first = 0;

	inputs = count != NULL ? strtoull(count, NULL, 10) : usual;
	if (random && count == NULL && per_cent > 0 && per_cent < 100)
		inputs = inputs / 100 * per_cent;
	seed = random ? (unsigned long long)time(NULL) : 1;
	if (text != NULL) {
		seed = strtoull(text, NULL, 10);
		colon = strchr(text, ':');
		first = colon != NULL ? strtoull(colon + 1, NULL, 10) : 0;
	}
	fprintf(stderr, "seed %llu, %llu inputs\n", seed, inputs);
	return first;
}

/* A good message of each attacker reaches the others: nothing is stuck. */
static void all_live(void)
{
	for (unsigned i = 0; i < ATTACKERS; i++) {
		attacker_leave(i);
		attacker_bind(i);
	}
	for (unsigned i = 0; i < ATTACKERS; i++) {
		char id[16];

		snprintf(id, sizeof(id), "alive%u", i);
		SAY(&s, i, .id = id, .text = id);
		cr_assert_eq(peer_status(&s.peer[i], id), 200);
		for (unsigned k = 0; k < ATTACKERS; k++) {
			struct msrp_peer *peer = &s.peer[k];

			if (k == i)
				continue;
			do {
				cr_assert(peer_take(peer, RIG_WAIT_MS), "%s hears nothing", id);
				attacker_check(k);
			} while (peer->chunk.method != METHOD_SEND ||
				 memmem(peer->body, peer->body_len, id, strlen(id)) == NULL);
		}
	}
}

static void attack(unsigned workers, unsigned long long first)
{
	const char *directory = getenv("PLENUM_TORTURE");

	signal(SIGABRT, tell);
	cr_assert_not_null(directory, "PLENUM_TORTURE names no directory");
	torture_load(&set, directory);
	scene_open(&s,
		&(struct scene_settings){ .workers = workers,
			.room = { .flags = ROOM_PRIVATE | ROOM_NICKNAME,
				.max_message = 65536,
				.wrapped = "text/* message/imdn+xml" } },
		"alice bob carol");
	/* One is anonymous: its messages are rewritten on their way. */
	scene_join(&s, "dave",
		&(struct rig_member_settings){ .participant = 3,
			.flags = MEMBER_PRIVATE,
			.alias = "Anonymous 1 <sip:anon-4f1c@anonymous.invalid>" });
	cr_assert_eq(s.count, ATTACKERS);
	for (unsigned i = 0; i < ATTACKERS; i++)
		attacker_open(i);
	quiet_open();
	for (input = first; input < inputs; input++) {
		unsigned who;

		chance = seed * 0x2545f4914f6cdd1dull + input * 0x9e3779b97f4a7c15ull;
		next();
		who = (unsigned)below(ATTACKERS);
		if (!attacker_drain(who))
			attacker_bind(who);
		len = 0;
		put_seed(who);
		for (size_t n = below(5); n > 0; n--)
			mutate(who);
		push(who);
		/* Otherwise the next input may meet whatever state this one has left. */
		if (below(4) == 0)
			attacker_leave(who);
		for (unsigned i = 0; i < ATTACKERS; i++)
			attacker_drain(i);
		quiet_turn();
		if (input % GUESS_EVERY == 0)
			guess();
		if (input % CONTROL_EVERY == 0)
			control_turn();
	}
	all_live();
	quiet_close();
	scene_close(&s);
	for (unsigned i = 0; i < ATTACKERS; i++)
		attacker_close(i);
	torture_free(&set);
	fprintf(stderr, "quiet room: %llu messages;%s\n", quiet.said, s.rig.counted);
	/* It was an attack, and the quiet room was busy. */
	inputs -= first;
	cr_assert_gt(quiet.said, inputs / 100);
	cr_assert_gt(rig_counter(&s.rig, "connections_bad"), inputs / 10);
	cr_assert_gt(rig_counter(&s.rig, "requests_refused"), inputs / 10);
	cr_assert_gt(rig_counter(&s.rig, "messages_whole"), inputs / 10);
	cr_assert_gt(rig_counter(&s.rig, "copies_cut"), 0);
}

#ifdef MUTATION_LONG
Test(mutation, a_million_inputs_harm_nobody, .timeout = 3600)
{
	attack(2, configure(INPUTS_LONG, true));
}
#else
Test(mutation, ten_thousand_inputs_harm_nobody, .timeout = 200)
{
	attack(2, configure(INPUTS, false));
}
#endif
