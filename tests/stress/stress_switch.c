/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_switch: members on several workers of the real switch; every one must get every message
 * once, whole, and all in the same order. usage: stress_switch [messages [members [workers [guests]]]]
 *
 * Guests come and go meanwhile: some leave by command, some drop their connection, some stop reading;
 * nobody else may notice.
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

#define WINDOW     16 /* messages of one sender without an answer; below the limit of open messages */
#define STALL_S    20
#define BEHIND_MAX 400
#define CHUNK      60000
#define STEP_EVERY 2000 /* deliveries between two things that a guest does */

struct partial { /* a message that is arriving at a member */
	char id[CHUNK_TID_MAX + 1];
	uint8_t *body;
	size_t len;
	int begun; /* place in this member's order of beginnings */
};

struct member {
	struct rig_leg leg;
	struct msrp_peer peer;
	int sent, whole;
	uint8_t *seen; /* per message number */
	int *begins;   /* message numbers, in the order in which they began here */
	int begin_count;
	struct partial partial[64];
	long long parts, report_200s; /* chunks sent, and answered 200 */
};

/* Whom nothing is asked of. */
struct guest {
	struct rig_leg leg;
	struct msrp_peer peer;
	bool here, stalled;
};

static int messages = 10000, members = 20, workers = 2, guests = 0;
static struct member *all;
static struct guest *guest;
static uint64_t octets, visits, randomness = 0x9e3779b97f4a7c15ull;

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
	m->parts += part;
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

static unsigned dice(unsigned sides)
{
	randomness ^= randomness << 13;
	randomness ^= randomness >> 7;
	randomness ^= randomness << 17;
	return (unsigned)(randomness >> 33) % sides;
}

/* One of them comes, goes, or changes its mind about reading. */
static void guest_step(struct switch_rig *rig, const struct object_id *room)
{
	unsigned who = dice((unsigned)guests);
	struct guest *g = &guest[who];
	char name[16];
	bool drops;

	if (!g->here) {
		snprintf(name, sizeof(name), "guest%u", who);
		*g = (struct guest){ .here = true, .stalled = dice(3) == 0 };
		g->leg = rig_leg(rig, room, name, (unsigned)members + who, true);
		peer_bind(&g->peer, rig->port, &g->leg);
		visits++;
		return;
	}
	if (g->stalled && dice(2) == 0) {
		g->stalled = false;
		return;
	}
	drops = dice(2) == 0;
	if (drops)
		peer_close(&g->peer);
	rig_leg_command(rig, CMD_LEG_REMOVE, &g->leg);
	if (!drops)
		peer_close(&g->peer);
	g->here = false;
}

static void guests_read(void)
{
	int i, n;

	for (i = 0; i < guests; i++)
		for (n = 0; n < 64 && guest[i].here && !guest[i].stalled; n++)
			if (!peer_poll(&guest[i].peer))
				break;
}

/* How many messages the slowest member is behind: far from the limit of its queue, so that nothing is
 * skipped for it. */
static int behind(void)
{
	int i, sent = 0, most = 0;

	for (i = 0; i < members; i++)
		sent += all[i].sent;
	for (i = 0; i < members; i++)
		if (sent - all[i].sent - all[i].whole > most)
			most = sent - all[i].sent - all[i].whole;
	return most;
}

int main(int argc, char **argv)
{
	struct timespec start, now;
	struct switch_rig rig;
	struct object_id room;
	int i, n, done, own, room_left, idle = 0;
	long long heard = 0, stepped = 0;
	struct pollfd *fds;
	char name[16];
	double seconds;

	if (argc > 1)
		messages = atoi(argv[1]);
	if (argc > 2)
		members = atoi(argv[2]);
	if (argc > 3)
		workers = atoi(argv[3]);
	if (argc > 4)
		guests = atoi(argv[4]);
	if (getenv("PLENUM_NIGHTLY_SCALE") != NULL)
		messages = (int)((long long)messages * atoi(getenv("PLENUM_NIGHTLY_SCALE")) / 100);
	rig_start(&rig, (unsigned)workers, "");
	room = rig_room(&rig, 0, 0);
	all = calloc((size_t)members, sizeof(*all));
	fds = calloc((size_t)members, sizeof(*fds));
	guest = calloc((size_t)guests + 1, sizeof(*guest));
	for (i = 0; i < members; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		all[i].leg = rig_leg(&rig, &room, name, (unsigned)i, true);
		all[i].seen = calloc((size_t)messages, 1);
		all[i].begins = calloc((size_t)messages + 1, sizeof(int));
		peer_bind(&all[i].peer, rig.port, &all[i].leg);
		fds[i] = (struct pollfd){ .fd = all[i].peer.fd, .events = POLLIN };
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		int before = idle;

		done = 0;
		idle++;
		room_left = BEHIND_MAX - behind();
		for (i = 0; i < members; i++) {
			struct member *m = &all[i];

			own = messages / members + (i < messages % members);
			for (n = 0; n < 4 && m->sent < own && room_left > 0 &&
				    m->parts - m->report_200s < WINDOW;
				n++, room_left--) {
				send_message(m, m->sent * members + i);
				idle = 0;
			}
			while (peer_poll(&m->peer)) {
				take(m);
				heard++;
				idle = 0;
			}
			if (m->peer.closed)
				die("the connection was closed", i, -1);
			done += m->sent == own && m->whole == messages - own;
		}
		guests_read();
		for (; guests > 0 && heard - stepped > STEP_EVERY; stepped += STEP_EVERY)
			guest_step(&rig, &room);
		if (idle > before) {
			poll(fds, (nfds_t)members, 1);
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
	printf("stress_switch: %d messages of %d members over %d workers: %lld deliveries, each once, whole, in one order; %llu visits of guests; %.1f s, %.0f deliveries/s\n",
		messages, members, workers, (long long)messages * (members - 1),
		(unsigned long long)visits, seconds, (double)messages * (members - 1) / seconds);
	for (i = 0; i < guests; i++)
		if (guest[i].here)
			peer_close(&guest[i].peer);
	free(guest);
	free(fds);
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
