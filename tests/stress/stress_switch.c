/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_switch: members on several workers of the real switch; every one must get every message
 * once, whole, and all in the same order. usage: stress_switch [messages [members [workers]]]
 *
 * Every member sends its share, as fast as its window of unanswered messages allows, in bodies of 1
 * to 6000 octets (now and then 200 KB in several chunks). A message's text is its number, its
 * length and octets that follow from the number. Plain main: runs under TSan too.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "dataplane/msrp/cpim.h"
#include "tests/support/switch_rig.h"

#define WINDOW  16 /* messages of one sender without an answer; below the limit of open messages */
#define STALL_S 20
#define CHUNK   60000

struct partial { /* a message that is arriving at a member */
	char id[CHUNK_TID_MAX + 1];
	uint8_t *body;
	size_t len;
	int begun; /* place in this member's order of beginnings */
};

struct member {
	struct rig_leg leg;
	struct msrp_peer peer;
	int sent, answered, whole;
	uint8_t *seen; /* per message number */
	int *begins;   /* message numbers, in the order in which they began here */
	int begin_count;
	struct partial partial[64];
	uint64_t report_200s;
};

static int messages = 10000, members = 20, workers = 2;
static struct member *all;
static uint64_t octets;

static size_t length_of(int number)
{
	uint32_t h = (uint32_t)number * 2654435761u;

	if (number % 499 == 7)
		return 200000;
	return 1 + (h >> 8) % ((h >> 4) % 8 == 0 ? 6000 : 400);
}

static char octet_of(int number, size_t i)
{
	/* Dashes and line ends are frequent: the framing must not be confused by them. */
	static const char set[] = "-----------\r\nabcdefghijklmnop$+#MSRP ";

	return set[((uint32_t)number * 31u + (uint32_t)i * 7u + (uint32_t)(i / 13)) %
		   (sizeof(set) - 1)];
}

static void die(const char *what, int member, int number)
{
	printf("stress_switch: %s (member %d, message %d)\n", what, member, number);
	exit(1);
}

static void write_chunk(struct member *m, const char *tid, const char *id, size_t start, size_t len,
	size_t total, const char *body, char flag)
{
	peer_print(&m->peer,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: %zu-*/%zu\r\nContent-Type: message/cpim\r\n\r\n",
		tid, m->leg.uri, m->leg.path, id, start, total);
	peer_write(&m->peer, body, len);
	peer_print(&m->peer, "\r\n-------%s%c\r\n", tid, flag);
}

static void send_message(struct member *m, int number)
{
	size_t len = length_of(number), head, total, at, n, i;
	char *body = malloc(len + 400), tid[32], id[32];
	int part = 0;

	head = (size_t)snprintf(body, 400,
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n%d ", m->leg.address,
		RIG_ROOM_URI, number);
	for (i = 0; i < len; i++)
		body[head + i] = octet_of(number, i);
	total = head + len;
	octets += total;
	snprintf(id, sizeof(id), "m%06d", number);
	for (at = 0; at < total; at += n) {
		n = total - at < CHUNK ? total - at : CHUNK;
		snprintf(tid, sizeof(tid), "Zq%dx%d", number, part++);
		write_chunk(m, tid, id, at + 1, n, total, body + at, at + n == total ? '$' : '+');
	}
	m->sent++;
	free(body);
}

/* The number of a message from its body; checks every octet. */
static int check(int who, const struct partial *p)
{
	struct cpim cpim;
	size_t resume = 0, i;
	char *rest;
	int number;

	if (cpim_parse(span_make(p->body, p->len), &resume, &cpim) != 0)
		die("a body without a CPIM head", who, -1);
	number = (int)strtol((char *)p->body + cpim.head_len, &rest, 10);
	if (number < 0 || number >= messages || *rest != ' ')
		die("a body without a number", who, number);
	rest++;
	if (p->len - (size_t)(rest - (char *)p->body) != length_of(number))
		die("a message has another length", who, number);
	for (i = 0; i < length_of(number); i++)
		if (rest[i] != octet_of(number, i))
			die("an octet was changed", who, number);
	return number;
}

static struct partial *partial_find(struct member *m, struct span id)
{
	struct partial *spare = NULL;
	unsigned i;

	for (i = 0; i < 64; i++) {
		if (m->partial[i].id[0] == '\0')
			spare = spare != NULL ? spare : &m->partial[i];
		else if (span_eq(span_of(m->partial[i].id), id))
			return &m->partial[i];
	}
	if (spare == NULL)
		die("too many messages are open", (int)(m - all), -1);
	memcpy(spare->id, id.at, id.len);
	spare->id[id.len] = '\0';
	spare->len = 0;
	spare->begun = m->begin_count++;
	if (m->begin_count > messages)
		die("more messages began than were sent", (int)(m - all), -1);
	return spare;
}

static void take(struct member *m)
{
	const struct chunk *chunk = &m->peer.chunk;
	struct partial *p;
	int number;

	if (chunk->method == METHOD_RESPONSE) {
		if (chunk->status != 200)
			die("a message was refused", (int)(m - all), chunk->status);
		if (chunk->tid.at[0] == 'Z')
			m->report_200s++;
		return;
	}
	if (chunk->method != METHOD_SEND)
		die("not a SEND", (int)(m - all), -1);
	p = partial_find(m, chunk->message_id);
	if (chunk->has_range && chunk->range.start != p->len + 1)
		die("a chunk does not follow the one before", (int)(m - all), -1);
	p->body = realloc(p->body, p->len + m->peer.body_len + 1);
	if (m->peer.body_len > 0)
		memcpy(p->body + p->len, m->peer.body, m->peer.body_len);
	p->len += m->peer.body_len;
	p->body[p->len] = '\0';
	if (chunk->flag == '#')
		die("a message was cut", (int)(m - all), -1);
	if (chunk->flag != '$')
		return;
	if (chunk->has_range && chunk->range.total != BYTE_RANGE_UNKNOWN &&
		chunk->range.total != p->len)
		die("the total is not true", (int)(m - all), -1);
	number = check((int)(m - all), p);
	if (m->seen[number]++)
		die("a message came twice", (int)(m - all), number);
	m->begins[p->begun] = number;
	m->whole++;
	p->id[0] = '\0';
	if (number % members == (int)(m - all))
		die("a sender got its own message", (int)(m - all), number);
}

/* Parts of a long message are answered one by one: the window counts whole messages by their last
 * part. */
static int unanswered(const struct member *m, int first)
{
	int number, parts = 0, sent = 0;

	for (number = first; sent < m->sent; number += members, sent++)
		parts += (int)((length_of(number) + 200) / CHUNK) + 1;
	return parts > (int)m->report_200s ? parts - (int)m->report_200s : 0;
}

int main(int argc, char **argv)
{
	struct timespec start, now;
	struct switch_rig rig;
	struct object_id room;
	int i, n, done, own, idle = 0;
	char name[16];
	double seconds;

	if (argc > 1)
		messages = atoi(argv[1]);
	if (argc > 2)
		members = atoi(argv[2]);
	if (argc > 3)
		workers = atoi(argv[3]);
	rig_start(&rig, (unsigned)workers, "");
	room = rig_room(&rig, 0, 0);
	all = calloc((size_t)members, sizeof(*all));
	for (i = 0; i < members; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		all[i].leg = rig_leg(&rig, &room, name, (unsigned)i, true);
		all[i].seen = calloc((size_t)messages, 1);
		all[i].begins = calloc((size_t)messages + 1, sizeof(int));
		peer_bind(&all[i].peer, rig.port, &all[i].leg);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		int before = idle;

		done = 0;
		idle++;
		for (i = 0; i < members; i++) {
			struct member *m = &all[i];

			own = messages / members + (i < messages % members);
			for (n = 0; m->sent < own && n < 4 && unanswered(m, i) < WINDOW; n++) {
				send_message(m, m->sent * members + i);
				idle = 0;
			}
			while (peer_poll(&m->peer)) {
				take(m);
				idle = 0;
			}
			if (m->peer.closed)
				die("the connection was closed", i, -1);
			done += m->sent == own && m->whole == messages - own;
		}
		if (idle > before) {
			struct pollfd none = { -1, 0, 0 };

			poll(&none, 1, 1);
			if (idle > STALL_S * 1000)
				die("nothing comes any more", all[0].whole, messages);
		}
	} while (done < members);
	clock_gettime(CLOCK_MONOTONIC, &now);
	/* Every member saw the messages begin in the same order: its own left out. */
	for (i = 1; i < members; i++) {
		int a = 0, b = 0;

		while (a < all[0].begin_count || b < all[i].begin_count) {
			if (a < all[0].begin_count && all[0].begins[a] % members == i)
				a++;
			else if (b < all[i].begin_count && all[i].begins[b] % members == 0)
				b++;
			else if (a >= all[0].begin_count || b >= all[i].begin_count ||
				 all[0].begins[a++] != all[i].begins[b++])
				die("another order", i, a);
		}
	}
	seconds = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
	printf("stress_switch: %d messages of %d members over %d workers: %lld deliveries, each once, whole, in one order; %.1f s, %.0f deliveries/s\n",
		messages, members, workers, (long long)messages * (members - 1), seconds,
		(double)messages * (members - 1) / seconds);
	for (i = 0; i < members; i++) {
		peer_close(&all[i].peer);
		free(all[i].seen);
		free(all[i].begins);
		for (n = 0; n < 64; n++)
			free(all[i].partial[n].body);
	}
	free(all);
	rig_stop(&rig);
	return 0;
}
