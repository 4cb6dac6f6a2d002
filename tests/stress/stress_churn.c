/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_churn: members that come, go, stall, reset and lie, around a core of good ones that must notice nothing.
 * usage: stress_churn [seed [seeds [steps]]]       nightly: stress_churn 1000 500 5000
 *
 * Each seed has its own switch. Two rooms have three core members each: fast readers, whose
 * messages (in interrupted chunks, counted, private, given up with '#', sent again) every other
 * core member of the room gets once, whole, in one order. Everybody else does what the seed says. A
 * message of anybody whose end was answered 200 counts as a core member's. At the end everything is
 * removed, and the switch's pools are empty. Plain main: runs under TSan too.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "dataplane/msrp/cpim.h"
#include "tests/support/switch_rig.h"

#define WORKERS       3
#define ROOMS         3 /* the last one has no core, and is closed and opened again */
#define CORE          6
#define MEMBERS       22 /* the core first */
#define GHOSTS        16 /* connections that nobody uses any more, or that try to take a binding */
#define OPEN_MAX      3  /* messages that one sends at a time */
#define PARTIALS      96
#define FLIGHT_OCTETS 300000 /* sent and not everywhere in the core: far below leg_queue */
#define FLIGHT_COUNT  60
#define MESSAGES_MAX  60000
#define CHUNKS_MAX    400000
#define COUNT_WAIT_MS 1500
#define DEADLINE_MS   60000

enum outcome { UNKNOWN, WHOLE, CUT };

struct message {
	int sender, room, to; /* to: member, or -1 */
	unsigned room_life, sender_life, to_life;
	bool counted, ended, aborted, given_up, settled, again;
	uint16_t status; /* of its last chunk, or why it is lost; 0: not answered */
	uint16_t lost;   /* what one of its chunks, or a REPORT, was refused with; 0: none */
	unsigned taken;  /* chunks answered 200 */
	size_t total, written;
	unsigned reports, acks;
	uint32_t longest_gap; /* ms that this program slept while the message was counted */
	uint8_t at[CORE];     /* enum outcome */
	int last_chunk;
	uint64_t first_seen; /* 0: by nobody */
};

struct sent_chunk {
	int message, member;
	unsigned life;
	bool answered;
};

struct outgoing {
	int number; /* -1: free */
	char *body;
	size_t at, total, chunk_left;
	char tid[16];
	bool in_chunk;
};

struct partial {
	char id[CHUNK_TID_MAX + 1];
	uint8_t *body;
	size_t len;
	int begun, number;
	bool refused, owed; /* answers: one was not 200; one is still owed */
};

struct member {
	struct rig_leg leg;
	struct msrp_peer peer;
	char *out;
	size_t out_len, out_room;
	struct outgoing outgoing[OPEN_MAX];
	struct partial partial[PARTIALS];
	int room;
	unsigned life;      /* of the leg */
	unsigned room_life; /* of its room, when it was added */
	bool has_leg, member, connected, bound;
	uint64_t stalled_until, late_at;
	char late[4096]; /* answers that are given later */
	size_t late_len;
	/* Messages from this one on, if they were seen somewhere before that time, are not for
	 * it. */
	int away_from;
	uint64_t away_to;
	int begins[MESSAGES_MAX];
	int begin_count;
};

static struct switch_rig rig;
static struct member *all;
static struct message *messages;
static struct sent_chunk *chunks;
static struct msrp_peer ghosts[GHOSTS];
static uint64_t ghost_until[GHOSTS];
static struct object_id rooms[ROOMS];
static unsigned room_lives[ROOMS], participants;
static int message_count, chunk_count, flight_count;
static size_t flight_octets;
static uint64_t seed, random_state, now, deliveries, reports_seen, seen_clock;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	va_list args;

	printf("stress_churn: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nstress_churn: again with: stress_churn %llu 1; the log is in %s\n",
		(unsigned long long)seed, rig.directory);
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* How long this program did not serve its peers: they may have answered too late to be counted. */
static void clock_step(void)
{
	uint64_t before = now;
	int i;

	now = now_ms();
	if (now - before <= COUNT_WAIT_MS / 4)
		return;
	for (i = message_count > 500 ? message_count - 500 : 0; i < message_count; i++)
		if (messages[i].longest_gap < now - before)
			messages[i].longest_gap = (uint32_t)(now - before);
}

static unsigned roll(unsigned below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state * 0x2545f4914f6cdd1dull) >> 33) % below;
}

static bool is_core(const struct member *m)
{
	return m - all < CORE;
}

/* ---- what is written ---- */

static void out_put(struct member *m, const char *octets, size_t len)
{
	if (m->out_len + len > m->out_room) {
		m->out_room = (m->out_len + len) * 2;
		m->out = realloc(m->out, m->out_room);
	}
	memcpy(m->out + m->out_len, octets, len);
	m->out_len += len;
}

static void out_print(struct member *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void out_print(struct member *m, const char *format, ...)
{
	char text[2048];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		die("too long a line");
	out_put(m, text, (size_t)len);
}

static char octet_of(int number, size_t i)
{
	static const char set[] = "---------\r\nabcdefghij2345$+#MSRP -";

	return set[((uint32_t)number * 31u + (uint32_t)i * 7u + (uint32_t)(i / 13)) %
		   (sizeof(set) - 1)];
}

/* The message need not be waited for any longer. */
static void settle(struct message *message)
{
	if (message->settled)
		return;
	message->settled = true;
	flight_octets -= message->written;
	flight_count--;
}

static void settle_if_everywhere(struct message *message)
{
	int i;

	for (i = 0; i < CORE; i++)
		if (all[i].room == message->room && i != message->sender &&
			message->at[i] == UNKNOWN && (message->to < 0 || message->to == i))
			return;
	if (message->to < 0 || message->to < CORE || message->status != 0)
		settle(message);
}

static size_t length_roll(bool core)
{
	switch (roll(10)) {
	case 0: return roll(core ? 90000 : 9000);
	case 1:
	case 2: return roll(7000);
	default: return roll(400);
	}
}

static struct outgoing *message_begin(struct member *m)
{
	struct outgoing *o = NULL;
	struct message *message;
	int i, number = message_count;
	size_t len, head, k;

	for (i = 0; i < OPEN_MAX; i++)
		if (m->outgoing[i].number < 0)
			o = &m->outgoing[i];
	if (o == NULL || message_count == MESSAGES_MAX || flight_count >= FLIGHT_COUNT ||
		flight_octets >= FLIGHT_OCTETS)
		return NULL;
	message = &messages[message_count++];
	*message = (struct message){ .sender = (int)(m - all),
		.room = m->room,
		.room_life = m->room_life,
		.sender_life = m->life,
		.to = -1,
		.counted = roll(5) == 0 };
	if (roll(8) == 0) {
		i = (int)roll(MEMBERS);
		if (all[i].has_leg && i != m - all && all[i].room == m->room) {
			message->to = i;
			message->to_life = all[i].life;
		}
	}
	len = length_roll(is_core(m));
	o->body = malloc(len + 600);
	head = (size_t)snprintf(o->body, 600,
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n%d %zu ",
		m->leg.address, message->to < 0 ? RIG_ROOM_URI : all[message->to].leg.address,
		number, len);
	for (k = 0; k < len; k++)
		o->body[head + k] = octet_of(number, k);
	o->number = number;
	o->total = message->total = head + len;
	o->at = 0;
	o->in_chunk = false;
	flight_count++;
	return o;
}

static void outgoing_free(struct outgoing *o)
{
	free(o->body);
	o->body = NULL;
	o->number = -1;
}

static void chunk_end(struct member *m, struct outgoing *o, char flag)
{
	struct message *message = &messages[o->number];

	out_print(m, "\r\n-------%s%c\r\n", o->tid, flag);
	o->in_chunk = false;
	if (flag == '+')
		return;
	message->ended = flag == '$';
	message->aborted = flag == '#';
	if (flag == '#')
		settle(message);
	outgoing_free(o);
}

/* The next piece of one message; another one may follow only when no chunk is open. */
static void message_go_on(struct member *m, struct outgoing *o)
{
	struct message *message = &messages[o->number];
	size_t n, left = o->total - o->at;

	if (!o->in_chunk) {
		if (chunk_count == CHUNKS_MAX)
			die("too many chunks");
		message->last_chunk = chunk_count;
		chunks[chunk_count] = (struct sent_chunk){
			.message = o->number, .member = (int)(m - all), .life = m->life
		};
		snprintf(o->tid, sizeof(o->tid), "Zq%08x", (unsigned)chunk_count++);
		out_print(m,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: m%07d\r\n",
			o->tid, m->leg.uri, m->leg.path, o->number);
		if (message->counted)
			out_print(m, "Success-Report: yes;Include-Sent-Count\r\n");
		if (roll(2) == 0)
			out_print(m, "Byte-Range: %zu-*/%zu\r\n", o->at + 1, o->total);
		else
			out_print(m, "Byte-Range: %zu-*/*\r\n", o->at + 1);
		out_print(m, "Content-Type: message/cpim\r\n\r\n");
		o->in_chunk = true;
		o->chunk_left = roll(3) == 0 ? 1 + roll(3000) : left;
	}
	n = left < o->chunk_left ? left : o->chunk_left;
	if (roll(2) == 0 && n > 0)
		n = 1 + roll((unsigned)n);
	if (n > 20000)
		n = 20000;
	out_put(m, o->body + o->at, n);
	o->at += n;
	o->chunk_left -= n;
	message->written += n;
	flight_octets += n;
	/* A core member gives up only its private messages and a few of its public ones. */
	if (roll(200) == 0)
		chunk_end(m, o, '#');
	else if (o->at == o->total)
		chunk_end(m, o, '$');
	else if (o->chunk_left == 0)
		chunk_end(m, o, '+');
}

static bool chunk_is_open(const struct member *m)
{
	unsigned i;

	for (i = 0; i < OPEN_MAX; i++)
		if (m->outgoing[i].number >= 0 && m->outgoing[i].in_chunk)
			return true;
	return false;
}

/* Responses stand between chunks only. */
static void chunk_interrupt(struct member *m)
{
	unsigned i;

	for (i = 0; i < OPEN_MAX; i++)
		if (m->outgoing[i].number >= 0 && m->outgoing[i].in_chunk)
			chunk_end(m, &m->outgoing[i], '+');
}

static void send_some(struct member *m)
{
	struct outgoing *o = NULL;
	int i;

	/* The rest of an open chunk comes first: nothing can stand in between. */
	for (i = 0; i < OPEN_MAX; i++)
		if (m->outgoing[i].number >= 0 && m->outgoing[i].in_chunk)
			o = &m->outgoing[i];
	if (o == NULL) {
		o = &m->outgoing[roll(OPEN_MAX)];
		if (o->number < 0)
			o = message_begin(m);
	}
	if (o != NULL)
		message_go_on(m, o);
}

/* An acknowledged message once more: it is answered 200, and nobody gets it. */
static void send_again(struct member *m)
{
	int number = message_count - 1 - (int)roll(20);
	char tid[16];

	if (chunk_is_open(m) || number < 0 || chunk_count == CHUNKS_MAX ||
		messages[number].sender != m - all || messages[number].status != 200 ||
		!messages[number].ended || messages[number].sender_life != m->life)
		return;
	snprintf(tid, sizeof(tid), "Zq%08x", (unsigned)chunk_count);
	chunks[chunk_count++] =
		(struct sent_chunk){ .message = -1, .member = (int)(m - all), .life = m->life };
	out_print(m,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: m%07d\r\nByte-Range: 1-1/1\r\nContent-Type: message/cpim\r\n\r\nF\r\n-------%s$\r\n",
		tid, m->leg.uri, m->leg.path, number, tid);
}

/* ---- what comes ---- */

static struct partial *partial_find(struct member *m, struct span id)
{
	struct partial *spare = NULL;
	unsigned i;

	for (i = 0; i < PARTIALS; i++) {
		if (m->partial[i].id[0] == '\0')
			spare = spare != NULL ? spare : &m->partial[i];
		else if (span_eq(span_of(m->partial[i].id), id))
			return &m->partial[i];
	}
	if (spare == NULL)
		die("too many messages are open at member %d", (int)(m - all));
	memcpy(spare->id, id.at, id.len);
	spare->id[id.len] = '\0';
	spare->len = 0;
	spare->number = -1;
	spare->refused = spare->owed = false;
	spare->begun = m->begin_count++;
	if (m->begin_count > MESSAGES_MAX)
		die("more messages began than were sent, at member %d", (int)(m - all));
	m->begins[spare->begun] = -1;
	return spare;
}

/* Which message is it, and does all that has come belong to it? */
static void check(struct member *m, struct partial *p)
{
	struct message *message;
	struct cpim cpim;
	size_t resume = 0, i, len, stated;
	char *rest;
	long number;

	if (cpim_parse(span_make(p->body, p->len), &resume, &cpim) != 0)
		return;
	number = strtol((char *)p->body + cpim.head_len, &rest, 10);
	if (*rest != ' ')
		return;
	stated = strtoul(rest + 1, &rest, 10);
	if (*rest != ' ')
		return;
	if (number < 0 || number >= message_count)
		die("member %d got a message that nobody sent", (int)(m - all));
	message = &messages[number];
	p->number = (int)number;
	m->begins[p->begun] = p->number;
	rest++;
	len = p->len - (size_t)(rest - (char *)p->body);
	if (len > stated)
		die("message %ld of member %d has %zu octets at member %d instead of %zu", number,
			message->sender, len, (int)(m - all), stated);
	for (i = 0; i < len; i++)
		if (rest[i] != octet_of(p->number, i))
			die("octet %zu of message %ld was changed at member %d", i, number,
				(int)(m - all));
	if (message->room != m->room || message->room_life != m->room_life)
		die("message %ld of another room came to member %d", number, (int)(m - all));
	if (message->sender == m - all && message->sender_life == m->life)
		die("member %d got its own message %ld", (int)(m - all), number);
	if (message->to >= 0 && (message->to != m - all || message->to_life != m->life))
		die("the private message %ld came to member %d", number, (int)(m - all));
	if (message->first_seen == 0)
		message->first_seen = ++seen_clock;
	if (number >= m->away_from && message->first_seen <= m->away_to)
		die("message %ld came to member %d, which was not in the room", number,
			(int)(m - all));
}

static void answer(struct member *m, struct partial *p, const struct chunk *chunk)
{
	char text[1200];
	unsigned how = is_core(m) ? 0 : roll(8);
	int len;

	if (chunk->failure_report != FAILURE_REPORT_YES)
		return;
	len = snprintf(text, sizeof(text),
		"MSRP %.*s %s\r\nTo-Path: %.*s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
		SPAN_ARG(chunk->tid), how == 1 ? "413 enough" : "200 OK",
		SPAN_ARG(chunk->from_path), m->leg.path, SPAN_ARG(chunk->tid));
	if (how == 1)
		p->refused = true;
	if (how == 2) {
		p->owed = true; /* never */
	} else if (how == 3 && m->late_len + (size_t)len < sizeof(m->late)) {
		memcpy(m->late + m->late_len, text, (size_t)len);
		m->late_len += (size_t)len;
		m->late_at = now + roll(2 * COUNT_WAIT_MS);
	} else {
		chunk_interrupt(m);
		out_put(m, text, (size_t)len);
	}
}

static void take_send(struct member *m)
{
	const struct chunk *chunk = &m->peer.chunk;
	struct partial *p = partial_find(m, chunk->message_id);
	struct message *message;
	int me = (int)(m - all);

	if (!chunk->has_range || chunk->range.start != p->len + 1)
		die("a chunk does not follow the one before, at member %d", me);
	p->body = realloc(p->body, p->len + m->peer.body_len + 1);
	if (m->peer.body_len > 0)
		memcpy(p->body + p->len, m->peer.body, m->peer.body_len);
	p->len += m->peer.body_len;
	p->body[p->len] = '\0';
	if (p->number < 0 || chunk->flag != '+')
		check(m, p);
	answer(m, p, chunk);
	if (chunk->flag == '+')
		return;
	p->id[0] = '\0';
	if (p->number < 0) {
		if (chunk->flag == '$')
			die("member %d got a whole message without a number", me);
		return;
	}
	message = &messages[p->number];
	if (chunk->flag == '$' && p->len != message->total)
		die("message %d is not whole at member %d", p->number, me);
	if (chunk->flag == '$' && !message->ended)
		die("message %d ended at member %d before its sender ended it", p->number, me);
	if (chunk->flag == '$' && !p->refused && !p->owed && !is_core(m))
		message->acks++;
	deliveries += chunk->flag == '$';
	if (!is_core(m))
		return;
	if (message->at[me] != UNKNOWN)
		die("message %d came twice to core member %d", p->number, me);
	message->at[me] = chunk->flag == '$' ? WHOLE : CUT;
	settle_if_everywhere(message);
}

static void take_response(struct member *m)
{
	const struct chunk *chunk = &m->peer.chunk;
	struct message *message;
	struct sent_chunk *sent;
	unsigned long number;
	char text[16];

	if (chunk->tid.at[0] != 'Z') {
		m->bound = m->bound || chunk->status == 200;
		return;
	}
	snprintf(text, sizeof(text), "%.*s", (int)chunk->tid.len - 2, chunk->tid.at + 2);
	number = strtoul(text, NULL, 16);
	if (number >= (unsigned long)chunk_count || chunks[number].member != m - all ||
		chunks[number].life != m->life)
		die("member %d got an answer to a chunk that it did not send", (int)(m - all));
	sent = &chunks[number];
	if (sent->answered)
		die("chunk %lu of member %d was answered twice", number, (int)(m - all));
	sent->answered = true;
	if (sent->message < 0) {
		if (chunk->status != 200 && is_core(m))
			die("a message sent again was answered %u", chunk->status);
		return;
	}
	message = &messages[sent->message];
	if (is_core(m) && chunk->status != 200 &&
		!(message->to >= CORE && (chunk->status == 404 || chunk->status == 413)))
		die("chunk %lu of message %d of core member %d to %d was answered %u; %zu of %zu octets written, %d, %zu",
			number, sent->message, (int)(m - all), message->to, chunk->status,
			message->written, message->total, flight_count, flight_octets);
	if (chunk->status == 200)
		message->taken++;
	else
		message->lost = chunk->status;
	if (chunk->status == 408)
		settle(message);
	if (message->last_chunk != (int)number || !(message->ended || message->aborted))
		return;
	/* A member who is back may end a message whose first chunks were refused while it was not:
	 * what comes ahead of its turn is taken, and the message is not whole. */
	message->status = message->lost != 0 ? message->lost : chunk->status;
	if (message->status != 200)
		settle(message);
	else
		settle_if_everywhere(message);
}

/* RFC 4975 7.1.2: chunks were answered 200, and what they brought was lost all the same. A core member's
 * public messages are never lost, nor what goes from one of them to another. */
static void report_of_failure(struct member *m, int number, unsigned status)
{
	struct message *message = &messages[number];

	if (status < 400 || message->taken == 0 || (is_core(m) && message->to < CORE))
		die("message %d of member %d to %d was reported with %u; %u chunks were taken",
			number, (int)(m - all), message->to, status, message->taken);
	message->lost = (uint16_t)status;
	if (message->status != 0)
		message->status = message->lost;
}

static void take_report(struct member *m)
{
	const struct chunk *chunk = &m->peer.chunk;
	struct message *message;
	unsigned most, least = 0;
	int number, i;
	char id[CHUNK_TID_MAX + 1];

	snprintf(id, sizeof(id), "%.*s", SPAN_ARG(chunk->message_id));
	number = atoi(id + 1);
	message = &messages[number];
	if (number >= message_count || message->sender != m - all ||
		message->sender_life != m->life)
		die("member %d got a REPORT that it did not ask for", (int)(m - all));
	if (message->reports++ > 0)
		die("message %d was reported twice", number);
	if (chunk->report_status != 200) {
		report_of_failure(m, number, chunk->report_status);
		return;
	}
	if (!message->counted || !message->ended)
		die("message %d was reported with 200 and was to have no report", number);
	if (!chunk->has_distribution_count)
		die("the report of message %d has no count", number);
	most = message->acks;
	for (i = 0; i < CORE; i++) {
		if (all[i].room != message->room || i == message->sender ||
			(message->to >= 0 && message->to != i))
			continue;
		most++;
		if (message->longest_gap < COUNT_WAIT_MS / 2)
			least++;
	}
	if (chunk->distribution_count < least || chunk->distribution_count > most)
		die("message %d was counted %u times: not within %u and %u", number,
			chunk->distribution_count, least, most);
	reports_seen++;
}

/* It has no connection any more; what it was sending is given up. */
static void disconnected(struct member *m)
{
	unsigned i;

	m->connected = m->bound = false;
	m->out_len = m->late_len = 0;
	m->stalled_until = 0;
	for (i = 0; i < OPEN_MAX; i++)
		if (m->outgoing[i].number >= 0)
			outgoing_free(&m->outgoing[i]);
	for (i = 0; i < (unsigned)message_count; i++)
		if (messages[i].sender == m - all && messages[i].sender_life == m->life) {
			messages[i].given_up = true;
			settle(&messages[i]);
		}
	for (i = 0; i < PARTIALS; i++)
		m->partial[i].id[0] = '\0';
}

static void gone(struct member *m)
{
	if (!m->connected)
		return;
	if (is_core(m))
		die("core member %d was disconnected", (int)(m - all));
	peer_close(&m->peer);
	disconnected(m);
}

static bool pump(struct member *m)
{
	bool busy = false;
	ssize_t n;

	if (!m->connected)
		return false;
	if (m->late_len > 0 && now >= m->late_at) {
		chunk_interrupt(m);
		out_put(m, m->late, m->late_len);
		m->late_len = 0;
	}
	if (m->out_len > 0) {
		n = send(m->peer.fd, m->out, m->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN) {
			gone(m);
			return true;
		}
		if (n > 0) {
			memmove(m->out, m->out + n, m->out_len - (size_t)n);
			m->out_len -= (size_t)n;
			busy = true;
		}
	}
	if (now < m->stalled_until)
		return busy;
	while (peer_poll(&m->peer)) {
		busy = true;
		switch (m->peer.chunk.method) {
		case METHOD_RESPONSE: take_response(m); break;
		case METHOD_REPORT: take_report(m); break;
		default: take_send(m); break;
		}
	}
	if (m->peer.closed)
		gone(m);
	return busy;
}

/* ---- what the others do ---- */

static void nonblocking_bind(struct member *m)
{
	int small = 4096;

	peer_connect(&m->peer, rig.port);
	m->connected = true;
	m->bound = false;
	if (!is_core(m) && roll(2) == 0)
		setsockopt(m->peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	out_print(m,
		"MSRP bind0000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind0000\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
		m->leg.uri, m->leg.path);
}

static void member_add(struct member *m)
{
	int result = rig_member(&rig, CMD_MEMBER_ADD, &m->leg,
		&(struct rig_member_settings){
			.flags = MEMBER_PRIVATE, .participant = participants++ % 100000 });

	if (result != 0)
		die("MEMBER_ADD: %s", result_text(result));
	m->member = true;
}

static void leg_add(struct member *m, int room)
{
	char name[32];

	m->life++;
	snprintf(name, sizeof(name), "u%dx%u", (int)(m - all), m->life);
	m->leg = rig_leg_add(&rig, &rooms[room], name, &(struct rig_leg_settings){ 0 });
	m->room = room;
	m->room_life = room_lives[room];
	m->has_leg = true;
	m->member = false;
	m->away_from = MESSAGES_MAX;
	m->away_to = 0;
	m->begin_count = 0;
}

static void ghost(struct msrp_peer *peer)
{
	unsigned i;

	for (i = 0; i < GHOSTS; i++)
		if (ghosts[i].fd < 0) {
			ghosts[i] = *peer;
			ghost_until[i] = now + roll(3000);
			return;
		}
	peer_close(peer);
}

static void close_roughly(struct member *m)
{
	struct linger linger = { 1, 0 };

	if (!m->connected)
		return;
	if (roll(2) == 0)
		setsockopt(m->peer.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	gone(m);
}

static void rebind(struct member *m)
{
	struct msrp_peer old = m->peer;
	struct rig_leg_settings settings = { .rebind = 1 };
	int result = rig_leg_update(&rig, &m->leg, &settings);

	if (result != 0)
		die("LEG_UPDATE: %s", result_text(result));
	/* The old connection is not closed by us: the switch takes the binding from it. */
	disconnected(m);
	ghost(&old);
	nonblocking_bind(m);
}

static void misbehave(struct member *m)
{
	struct msrp_peer other;

	if (now < m->stalled_until && roll(100) > 0)
		return; /* left alone, so that the switch has to deal with it */
	if (!m->has_leg) {
		leg_add(m, (int)roll(ROOMS));
		if (roll(3) > 0)
			member_add(m);
		return;
	}
	if (!m->member && roll(2) == 0) {
		m->away_to = seen_clock;
		member_add(m);
		return;
	}
	if (!m->connected) {
		if (roll(6) == 0) {
			rig_leg_command(&rig, CMD_LEG_REMOVE, &m->leg);
			m->has_leg = false;
		} else {
			nonblocking_bind(m);
		}
		return;
	}
	switch (roll(40)) {
	case 0:
	case 1: close_roughly(m); break;
	case 2: m->stalled_until = now + roll(1500); break;
	case 3: m->stalled_until = UINT64_MAX; break;
	case 4:
		rig_leg_command(&rig, CMD_LEG_REMOVE, &m->leg);
		gone(m);
		m->has_leg = false;
		break;
	case 5:
		if (m->member && m->bound) {
			if (rig_leg_command(&rig, CMD_MEMBER_REMOVE, &m->leg) != 0)
				die("MEMBER_REMOVE: %s", result_text(rig.event.result));
			m->member = false;
			m->away_from = message_count;
			m->away_to = UINT64_MAX;
			if (roll(2) == 0) {
				m->away_to = seen_clock;
				member_add(m);
			}
		}
		break;
	case 6:
		if (m->bound)
			rebind(m);
		break;
	case 7: /* somebody else tries to take the binding: 506 */
		peer_connect(&other, rig.port);
		peer_print(&other,
			"MSRP thief000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: thief000\r\nByte-Range: 1-0/0\r\n-------thief000$\r\n",
			m->leg.uri, m->leg.path);
		ghost(&other);
		break;
	case 8:
		if (!chunk_is_open(m)) /* in a chunk it would be body */
			out_print(m, "this is not MSRP\r\n\r\n");
		break;
	case 9: send_again(m); break;
	case 10:
		/* The transfer ends with the connection, in the middle. */
		if (m->bound && m->stalled_until == 0) {
			send_some(m);
			pump(m);
			close_roughly(m);
		}
		break;
	default:
		if (m->bound && m->member)
			send_some(m);
		break;
	}
}

static void room_again(int room)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_CLOSE, .object = rooms[room] };
	int i;

	if (rig_command(&rig, rooms[room].worker, &cmd, NULL) != 0)
		die("ROOM_CLOSE: %s", result_text(rig.event.result));
	for (i = CORE; i < MEMBERS; i++)
		if (all[i].has_leg && all[i].room == room) {
			all[i].has_leg = all[i].member = false;
			if (all[i].connected)
				gone(&all[i]);
		}
	rooms[room] = rig_room(&rig, roll(WORKERS), ROOM_PRIVATE);
	room_lives[room]++;
}

static void step(void)
{
	unsigned i;
	bool busy = false;

	clock_step();
	for (i = 0; i < CORE; i++)
		if (roll(3) == 0) {
			if (roll(30) == 0)
				send_again(&all[i]);
			else
				send_some(&all[i]);
		}
	for (i = 0; i < 3; i++)
		misbehave(&all[CORE + roll(MEMBERS - CORE)]);
	if (roll(300) == 0)
		room_again(ROOMS - 1);
	if (roll(500) == 0)
		rig_attach(&rig);
	clock_step();
	for (i = 0; i < MEMBERS; i++)
		busy |= pump(&all[i]);
	for (i = 0; i < GHOSTS; i++)
		if (ghosts[i].fd >= 0 && now >= ghost_until[i])
			peer_close(&ghosts[i]);
	rig.kept_count = 0; /* what is said of legs is not looked at */
	(void)rig_event_within(&rig, EVENT_NICKNAME_ASKED, NULL, 0);
	if (!busy)
		poll(NULL, 0, 1);
}

/* ---- the end ---- */

static const char *missing(void)
{
	static char text[200];
	const struct message *message;
	int n, i;

	for (n = 0; n < chunk_count; n++)
		if (chunks[n].member < CORE && !chunks[n].answered) {
			snprintf(text, sizeof(text), "chunk %d of core member %d was not answered",
				n, chunks[n].member);
			return text;
		}
	for (n = 0; n < message_count; n++) {
		message = &messages[n];
		if (message->status != 200 || !message->ended)
			continue;
		for (i = 0; i < CORE; i++)
			if (all[i].room == message->room && i != message->sender &&
				(message->to < 0 || message->to == i) && message->at[i] != WHOLE) {
				snprintf(text, sizeof(text),
					"message %d of member %d was acknowledged and is %s at core member %d",
					n, message->sender, message->at[i] == CUT ? "cut" : "not",
					i);
				return text;
			}
		if (message->counted && message->reports == 0 && !message->given_up) {
			snprintf(text, sizeof(text), "message %d was not reported", n);
			return text;
		}
	}
	for (i = 0; i < CORE; i++)
		for (n = 0; n < PARTIALS; n++)
			if (all[i].partial[n].id[0] != '\0' && all[i].partial[n].number >= 0 &&
				messages[all[i].partial[n].number].given_up) {
				snprintf(text, sizeof(text),
					"message %d was given up and is still open at core member %d",
					all[i].partial[n].number, i);
				return text;
			}
	return NULL;
}

/* What both got began at both in the same order. */
static void check_order(void)
{
	int *place = malloc(sizeof(int) * (size_t)MESSAGES_MAX), a, b, i, last;

	for (a = 0; a < CORE; a++) {
		for (i = 0; i < MESSAGES_MAX; i++)
			place[i] = -1;
		for (i = 0; i < all[a].begin_count; i++)
			if (all[a].begins[i] >= 0)
				place[all[a].begins[i]] = i;
		for (b = a + 1; b < CORE; b++) {
			last = -1;
			for (i = 0; i < all[b].begin_count; i++) {
				if (all[b].begins[i] < 0 || place[all[b].begins[i]] < 0)
					continue;
				if (place[all[b].begins[i]] < last)
					die("message %d began in another order at core members %d and %d",
						all[b].begins[i], a, b);
				last = place[all[b].begins[i]];
			}
		}
	}
	free(place);
}

static void check_totals(void)
{
	const char *at = rig.held;
	char name[100];
	unsigned long long used;
	uint64_t begun = rig_counter(&rig, "copies_begun");
	uint64_t ended = rig_counter(&rig, "copies_whole") + rig_counter(&rig, "copies_cut") +
			 rig_counter(&rig, "copies_dropped");
	bool bad = false;
	int len;

	/* " name=number" of each pool; only what a worker reads into is still held. */
	for (; sscanf(at, " %99[^=]=%llu%n", name, &used, &len) == 2; at += len)
		if (used > (strcmp(name, "buffers") == 0 ? WORKERS : 0)) {
			printf("stress_churn: %llu of %s are held at the end\n", used, name);
			bad = true;
		}
	if (bad)
		die("the pools are not empty");
	if (begun == 0 || begun != ended)
		die("%llu copies were begun, %llu ended", (unsigned long long)begun,
			(unsigned long long)ended);
}

static void finish(void)
{
	uint64_t until = now_ms() + DEADLINE_MS;
	struct switch_cmd cmd = { .type = CMD_ROOM_CLOSE };
	const char *what;
	unsigned i, k;
	bool open;

	/* The core ends what it began. */
	do {
		open = false;
		for (i = 0; i < CORE; i++)
			for (k = 0; k < OPEN_MAX; k++)
				if (all[i].outgoing[k].number >= 0) {
					send_some(&all[i]);
					open = true;
				}
		clock_step();
		for (i = 0; i < MEMBERS; i++)
			pump(&all[i]);
		if (now > until)
			die("the core does not end");
	} while (open);
	for (i = CORE; i < MEMBERS; i++) {
		if (all[i].connected)
			gone(&all[i]);
		if (all[i].has_leg && roll(2) == 0) {
			rig_leg_command(&rig, CMD_LEG_REMOVE, &all[i].leg);
			all[i].has_leg = false;
		}
	}
	while ((what = missing()) != NULL) {
		clock_step();
		if (now > until)
			die("%s", what);
		for (i = 0; i < CORE; i++)
			pump(&all[i]);
		poll(NULL, 0, 1);
	}
	check_order();
	for (i = 0; i < ROOMS; i++) {
		cmd.object = rooms[i];
		if (rig_command(&rig, rooms[i].worker, &cmd, NULL) != 0)
			die("ROOM_CLOSE: %s", result_text(rig.event.result));
	}
	for (i = 0; i < ROOMS; i++)
		rig_event(&rig, EVENT_ROOM_DRAINED, &rooms[i]);
	for (i = 0; i < GHOSTS; i++)
		if (ghosts[i].fd >= 0)
			peer_close(&ghosts[i]);
	for (i = 0; i < CORE; i++)
		peer_close(&all[i].peer);
	poll(NULL, 0, 1500); /* connections without a session go by themselves */
	rig_stop(&rig);
	check_totals();
}

static void run(unsigned steps)
{
	unsigned i, k;

	all = calloc(MEMBERS, sizeof(*all));
	messages = calloc(MESSAGES_MAX, sizeof(*messages));
	chunks = calloc(CHUNKS_MAX, sizeof(*chunks));
	message_count = chunk_count = flight_count = 0;
	flight_octets = 0;
	participants = 0;
	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	rig_start_with(&rig, WORKERS,
		"  leg_queue: 1048576\n  leg_queue_messages: 200\n  congestion_kill_s: 0.5\n"
		"  count_wait_s: 1.5\n  count_cap_s: 6\n  chunk_reception_s: 3\n",
		"  max_legs: 3000\n");
	for (i = 0; i < ROOMS; i++)
		rooms[i] = rig_room(&rig, i, ROOM_PRIVATE);
	for (i = 0; i < MEMBERS; i++)
		for (k = 0; k < OPEN_MAX; k++)
			all[i].outgoing[k].number = -1;
	for (i = 0; i < GHOSTS; i++)
		ghosts[i].fd = -1;
	for (i = 0; i < CORE; i++) {
		leg_add(&all[i], (int)i % (ROOMS - 1));
		member_add(&all[i]);
		peer_bind(&all[i].peer, rig.port, &all[i].leg);
		all[i].connected = all[i].bound = true;
	}
	now = now_ms();
	for (i = 0; i < steps; i++)
		step();
	finish();
	for (i = 0; i < MEMBERS; i++) {
		free(all[i].out);
		for (k = 0; k < PARTIALS; k++)
			free(all[i].partial[k].body);
	}
	free(all);
	free(messages);
	free(chunks);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 3;
	unsigned steps = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1500;

	for (seed = first; seed < first + seeds; seed++) {
		uint64_t start = now_ms();

		deliveries = reports_seen = 0;
		run(steps);
		printf("stress_churn: seed %llu: %d messages, %llu whole deliveries, %llu reports, %llu evictions, %llu copies cut; %.1f s\n",
			(unsigned long long)seed, message_count, (unsigned long long)deliveries,
			(unsigned long long)reports_seen,
			(unsigned long long)rig_counter(&rig, "evictions"),
			(unsigned long long)rig_counter(&rig, "copies_cut"),
			(double)(now_ms() - start) / 1000);
		fflush(stdout);
	}
	return 0;
}
