/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens when a pool has nothing to give: each pool of each worker in turn, after so many objects, while people
 * join, talk in every way there is, stall, connect and leave. However little there is: what the switch sends is MSRP, a
 * request on a connection that stays is answered, everything is given back, and with memory again the next message
 * goes through.
 *
 * Two workers on the memory transport, stepped here, with a clock of ours. A pool is starved by hiding its free objects;
 * free_count stays, so that the worker reads all the same: the margin that would keep it from it is
 * another test's. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/worker.h"
#include "tests/support/tcp_memory.h"

#define ROOM_URI  "sip:room@example.com"
#define WORKERS   2
#define PEOPLE    4
#define RING_SIZE (64u << 10)
#define COUNTED   "Success-Report: yes;Include-Sent-Count\r\n"

struct person {
	struct leg *leg;
	struct memory_peer *peer; /* NULL: none */
	unsigned on;              /* worker of the connection */
	struct chunk_in in;
	enum chunk_method method; /* of what is arriving */
	char tid[CHUNK_TID_MAX + 1];
	char uri[300], path[400], address[64];
	unsigned asked, answered, heard; /* requests, their answers, messages whole */
};

static struct switch_shared shared;
static struct worker *workers[WORKERS];
static struct memory_net *net;
static struct person people[PEOPLE];
static void *rings[WORKERS][2];
static struct ring events[WORKERS];
static struct post_queue reply;
static struct attachment_change changes[WORKERS];
static uint64_t clock_now;
static uint64_t random_state;
static char said[160]; /* which pool is starved, for the sentences */

static uint64_t clock_ms(void)
{
	return clock_now;
}

static void random_fill(void *octets, size_t size)
{
	uint8_t *out = octets;

	while (size-- > 0) {
		random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
		*out++ = (uint8_t)(random_state >> 56);
	}
}

static void start(void)
{
	unsigned w, e;

	clock_now = 1000000;
	random_state = 1;
	net = memory_net_new();
	shared = (struct switch_shared){ .instance = 7,
		.workers = WORKERS,
		.max_legs = 64,
		.max_rooms = 8,
		.memory = 32u << 20,
		.leg_queue_messages = 100,
		.open_messages = 16,
		.leg_queue_octets = 4 << 20,
		.transaction_ms = 30000,
		.connection_bind_ms = 30000,
		.chunk_reception_ms = 40000,
		.congestion_kill_ms = 20000,
		.count_wait_ms = 3000,
		.count_cap_ms = 6000,
		.random_fill = random_fill,
		.clock_ms = clock_ms };
	strcpy(shared.authority, "127.0.0.1:2855");
	post_queue_init(&reply, -1);
	for (w = 0; w < WORKERS; w++) {
		workers[w] = aligned_alloc(64, (sizeof(struct worker) + 63) / 64 * 64);
		cr_assert_eq(worker_init(workers[w], &shared, (uint16_t)w), 0);
		shared.worker[w] = workers[w];
		post_queue_init(&workers[w]->posts, -1);
		workers[w]->tcp = memory_tcp_new(net, &connection_tcp_ops, workers[w]);
		changes[w] = (struct attachment_change){ .attached = true, .reply = &reply };
		changes[w].end.controller_fd = -1;
		for (e = 0; e < 2; e++) {
			rings[w][e] = aligned_alloc(64, ring_shared_size(RING_SIZE));
			ring_format(rings[w][e]);
		}
		cr_assert_eq(ring_open(&changes[w].end.commands, rings[w][0], RING_SIZE), 0);
		cr_assert_eq(ring_open(&changes[w].end.events, rings[w][1], RING_SIZE), 0);
		cr_assert_eq(ring_open(&events[w], rings[w][1], RING_SIZE), 0);
		mailbox_change(workers[w], &changes[w]);
	}
}

static void stop(void)
{
	unsigned w;

	for (w = 0; w < WORKERS; w++) {
		worker_fini(workers[w]);
		free(workers[w]);
		free(rings[w][0]);
		free(rings[w][1]);
	}
	memory_net_free(net);
}

/* ---- what the switch sends ---- */

static void answer(struct person *p)
{
	char text[1000];
	int len = snprintf(text, sizeof(text),
		"MSRP %s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n", p->tid, p->uri,
		p->path, p->tid);

	memory_write(p->peer, text, (size_t)len);
}

static void hear(struct person *p)
{
	struct chunk chunk;
	size_t used;

	for (;;) {
		switch (chunk_in_feed(&p->in, memory_sent(p->peer), &used, &chunk)) {
		case CHUNK_HEAD:
			p->method = chunk.method;
			snprintf(p->tid, sizeof(p->tid), "%.*s", SPAN_ARG(chunk.tid));
			break;
		case CHUNK_END:
			if (p->method == METHOD_RESPONSE)
				p->answered++;
			p->heard += p->method == METHOD_SEND && chunk.flag == '$';
			if (p->method == METHOD_SEND && !memory_closed_by_switch(p->peer))
				answer(p);
			break;
		case CHUNK_BODY: break;
		case CHUNK_MORE: memory_take(p->peer, used); return;
		case CHUNK_BAD:
			cr_assert_fail(
				"%s: what is sent is not MSRP: %s", said, chunk_in_error(&p->in));
		}
		memory_take(p->peer, used);
	}
}

static void turn(void)
{
	static _Alignas(64) uint8_t record[RING_RECORD_MAX];
	unsigned w, i;

	for (w = 0; w < WORKERS; w++)
		worker_step(workers[w], false);
	for (w = 0; w < WORKERS; w++) {
		while (ring_get(&events[w], record) > 0)
			;
		(void)ring_release(&events[w]);
	}
	for (i = 0; i < PEOPLE; i++)
		if (people[i].peer != NULL)
			hear(&people[i]);
}

static void turns(unsigned n)
{
	while (n-- > 0)
		turn();
}

/* ---- what people do ---- */

static void say(struct person *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct person *p, const char *format, ...)
{
	static char text[200000];
	va_list args;
	int len;

	if (p->peer == NULL || memory_closed_by_switch(p->peer))
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memory_write(p->peer, text, (size_t)len);
	turns(2);
}

/* A SEND with this body, of `len` octets of it, as chunk `flag` beginning at `from`. */
static void chunk(struct person *p, const char *id, const char *headers, const char *body,
	size_t from, size_t len, char flag)
{
	static unsigned number;
	char tid[32];

	snprintf(tid, sizeof(tid), "tid%06u", number++ % 1000000);
	p->asked++;
	say(p, "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%sByte-Range: %zu-*/*\r\nContent-Type: message/cpim\r\n\r\n%.*s\r\n-------%s%c\r\n",
		tid, p->uri, p->path, id, headers, from + 1, (int)len, body + from, tid, flag);
}

static char *body_of(const struct person *p, const char *to, size_t octets)
{
	static char body[150000];
	size_t len = (size_t)snprintf(body, sizeof(body),
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n", p->address, to);
	size_t i;

	for (i = 0; i < octets; i++)
		body[len + i] = "-------abcdefghijklmnopqrstuvwxyz\r\n"[i % 35];
	body[len + octets] = '\0';
	return body;
}

static void message(
	struct person *p, const char *id, const char *headers, const char *to, size_t octets)
{
	const char *body = body_of(p, to, octets);

	chunk(p, id, headers, body, 0, strlen(body), '$');
}

/* Its head in two pieces of one chunk, then the rest in further chunks. */
static void message_in_pieces(struct person *p, const char *id, size_t octets)
{
	const char *body = body_of(p, ROOM_URI, octets);
	size_t len = strlen(body);

	chunk(p, id, "", body, 0, 20, '+');
	chunk(p, id, "", body, 20, 60, '+');
	chunk(p, id, "", body, 80, len - 80, '$');
}

static void person_make(struct person *p, struct room *room, const char *name, unsigned n,
	const struct leg_settings *settings, const char *alias)
{
	struct member_settings member = { .participant = n, .flags = MEMBER_PRIVATE };
	struct object_tag tag = { { 0 } };
	char identity[80];

	memset(p, 0, sizeof(*p));
	chunk_in_init(&p->in);
	p->on = n % WORKERS;
	/* The second has a path that is longer than a record has room for. */
	snprintf(p->path, sizeof(p->path), "msrp://127.0.0.1:9/%s%.*s;tcp", name, n == 1 ? 250 : 0,
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"0000000000");
	snprintf(p->address, sizeof(p->address), "sip:%s@example.com", name);
	snprintf(identity, sizeof(identity), "%s\n", p->address);
	if (room == NULL || leg_add(workers[0], room, 0, &tag, settings, span_of(p->path),
				    span_of(""), &p->leg) != 0) {
		p->leg = NULL;
		return;
	}
	snprintf(p->uri, sizeof(p->uri), "%.*s", SPAN_ARG(p->leg->conf->uri));
	if (leg_member_add(workers[0], p->leg, &member, span_of(identity), span_of(alias),
		    SPAN_LITERAL("*")) != 0)
		return;
	turns(2);
	if (settings->setup == LEG_ACTIVE) {
		p->peer = memory_next_connect(net);
		if (p->peer != NULL)
			memory_connect_done(p->peer);
		turns(4);
		return;
	}
	p->peer = memory_dial(workers[p->on]->tcp);
	p->asked++;
	say(p, "MSRP bind%u SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind%u\r\nByte-Range: 1-0/0\r\n-------bind%u$\r\n",
		n, p->uri, p->path, n, n);
	turns(4);
}

static void play(void)
{
	static const struct room_settings settings = { .flags = ROOM_PRIVATE | ROOM_NICKNAME |
								ROOM_TWO_PARTY_FAILURE };
	static const struct leg_settings passive = { 0 }, active = { .setup = LEG_ACTIVE };
	struct object_tag tag = { { 0 } };
	struct room *room = NULL;
	unsigned i;

	(void)!room_open(workers[0], 0, &tag, &settings, SPAN_LITERAL(ROOM_URI "\n"),
		SPAN_LITERAL("*"), &room);
	person_make(&people[0], room, "alice", 0, &passive, "");
	person_make(&people[1], room, "bob", 1, &passive, "<sip:anonymous@anonymous.invalid>");
	person_make(&people[2], room, "carol", 2, &passive, "");
	person_make(&people[3], room, "dave", 3, &active, "");
	message(&people[0], "m001", "", ROOM_URI, 20);
	message(&people[1], "m002", COUNTED, ROOM_URI, 1000);
	message(&people[2], "m003", "Success-Report: yes\r\n", ROOM_URI, 4000);
	message(&people[0], "m004", COUNTED, ROOM_URI, 90000);
	message(&people[0], "m005", "", "sip:carol@example.com", 30);
	message(&people[0], "m006", "", "sip:nobody@example.com", 30);
	message_in_pieces(&people[1], "m007", 2500);
	message_in_pieces(&people[0], "m008", 300);
	people[2].asked++;
	say(&people[2],
		"MSRP nick1 NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"C\"\r\n-------nick1$\r\n",
		people[2].uri, people[2].path);
	people[0].asked++;
	say(&people[0],
		"MSRP ping1 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: ping1\r\nSuccess-Report: yes\r\nByte-Range: 1-0/0\r\n-------ping1$\r\n",
		people[0].uri, people[0].path);
	/* One does not read for a while, in the middle of a head. */
	if (people[1].peer != NULL)
		memory_window(people[1].peer, 100);
	for (i = 0; i < 12; i++)
		message(&people[0], (char[]){ 'w', 'a', 'i', 't', (char)('a' + i), 0 }, "",
			ROOM_URI, i % 3 == 0 ? 9000 : 50);
	if (people[1].peer != NULL)
		memory_window(people[1].peer, MEMORY_NO_LIMIT);
	/* Given up, and begun and not gone on with. */
	chunk(&people[2], "m010", "", body_of(&people[2], ROOM_URI, 500), 0, 300, '#');
	chunk(&people[2], "m011", COUNTED, body_of(&people[2], ROOM_URI, 500), 0, 300, '+');
	turns(8);
	for (i = 0; i < 15; i++) { /* what waits for a controller, or for an answer, has its time */
		clock_now += 1000;
		turns(2);
	}
	for (i = 0; i < PEOPLE; i++)
		/* What is not read is not answered either: that is for its sender to see. */
		if (people[i].peer != NULL && !memory_closed_by_switch(people[i].peer) &&
			memory_unread(people[i].peer) == 0)
			cr_assert_geq(people[i].answered, people[i].asked,
				"%s: %s was answered %u of %u requests", said, people[i].address,
				people[i].answered, people[i].asked);
	/* Some go with something still to be sent to them. */
	if (people[2].peer != NULL)
		memory_window(people[2].peer, 100);
	message(&people[0], "m012", "", ROOM_URI, 600);
	message(&people[2], "m013", "", ROOM_URI, 600);
	message(&people[0], "m014", "", ROOM_URI, 60000);
	for (i = 0; i < PEOPLE; i++) {
		if (people[i].peer != NULL)
			memory_close(people[i].peer);
		people[i].peer = NULL;
	}
	turns(4);
	if (room != NULL)
		room_close(workers[0], room);
	for (i = 0; i < 50; i++) {
		clock_now += 1000;
		turns(2);
	}
}

/* ---- scarcity ---- */

static struct pool *pool_of(unsigned w, unsigned index)
{
	static struct memory plan;

	cr_assert(memory_make(&plan, &shared));
	snprintf(said, sizeof(said), "worker %u, %s", w, plan.lines[index].name);
	return (void *)((char *)workers[w] + plan.lines[index].pool);
}

static void assert_all_is_back(void)
{
	struct memory plan;
	unsigned w, i;

	cr_assert(memory_make(&plan, &shared));
	for (w = 0; w < WORKERS; w++) {
		for (i = 0; i < MEMORY_POOLS; i++) {
			struct pool *pool = (void *)((char *)workers[w] + plan.lines[i].pool);
			unsigned kept = i == MEMORY_buffers && workers[w]->rx != NULL;

			cr_assert_eq(pool->count - pool->free_count, kept,
				"%s: %u of %s are held by worker %u", said,
				pool->count - pool->free_count, plan.lines[i].name, w);
		}
	}
}

struct hidden {
	void *list;
	uint32_t fresh;
};

/* So many are left; the others are out of sight. */
static void hide(struct pool *pool, unsigned left, struct hidden *hidden)
{
	uint32_t free_count = pool->free_count;
	void *few = NULL, *object;

	while (left-- > 0 && (object = pool_get(pool)) != NULL) {
		*(void **)object = few;
		few = object;
	}
	*hidden = (struct hidden){ pool->free_list, pool->fresh };
	pool->free_list = few;
	pool->fresh = pool->count;
	pool->free_count = free_count;
}

static void show(struct pool *pool, const struct hidden *hidden)
{
	void **last;

	for (last = &pool->free_list; *last != NULL; last = *last)
		;
	*last = hidden->list;
	pool->fresh = hidden->fresh;
}

/* What a larger class would stand in for is starved with it. */
static unsigned family_end(unsigned index)
{
	if (index >= MEMORY_confs_small && index <= MEMORY_confs_large)
		return MEMORY_confs_large;
	if (index >= MEMORY_payloads_384 && index <= MEMORY_payloads_buffer)
		return MEMORY_payloads_buffer;
	return index;
}

static void starved(unsigned w, unsigned index, unsigned after)
{
	struct hidden hidden[MEMORY_POOLS];
	unsigned i, end = family_end(index);

	for (i = index; i <= end; i++)
		hide(pool_of(w, i), i == index ? after : 0, &hidden[i]);
	(void)pool_of(w, index);
	snprintf(said + strlen(said), sizeof(said) - strlen(said), " after %u", after);
	play();
	for (i = index; i <= end; i++)
		show((struct pool *)pool_of(w, i), &hidden[i]);
	(void)pool_of(w, index);
	assert_all_is_back();
	play();
	cr_assert_geq(people[0].heard + people[1].heard + people[2].heard, 37,
		"%s: with memory again not all goes through: %u, %u, %u", said, people[0].heard,
		people[1].heard, people[2].heard);
	assert_all_is_back();
}

Test(scarcity, with_enough_of_all_everything_is_heard)
{
	start();
	play();
	cr_assert_eq(people[0].heard, 4, "%u", people[0].heard);
	cr_assert_eq(people[1].heard, 19, "%u", people[1].heard);
	cr_assert_eq(people[2].heard, 18, "%u", people[2].heard);
	assert_all_is_back();
	stop();
}

#define STARVED(w, from, to)                                                                       \
	do {                                                                                       \
		static const unsigned after[] = { 0, 1, 2, 3, 4, 6, 9, 14, 20 };                   \
                                                                                                   \
		for (unsigned pool = from; pool < to; pool++) {                                    \
			start();                                                                   \
			for (unsigned i = 0; i < sizeof(after) / sizeof(after[0]); i++)            \
				starved(w, pool, after[i]);                                        \
			stop();                                                                    \
		}                                                                                  \
	} while (0)

Test(scarcity, on_the_worker_of_the_room)
{
	STARVED(0, 0, MEMORY_POOLS);
}

Test(scarcity, on_another_worker)
{
	STARVED(1, 0, MEMORY_POOLS);
}
