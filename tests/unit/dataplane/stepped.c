/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dataplane/stepped.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct switch_shared stepped;
uint64_t stepped_now = 1000000;
static struct memory_net *net;
static int wakes[BORDER_WORKERS_MAX];
static uint64_t seed;

static uint64_t clock_ms(void)
{
	return stepped_now;
}

static void random_fill(void *octets, size_t size)
{
	uint8_t *out = octets;
	size_t i;

	for (i = 0; i < size; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		out[i] = (uint8_t)(seed >> 56);
	}
}

void stepped_defaults(unsigned workers)
{
	stepped = (struct switch_shared){ .instance = 7,
		.workers = (uint16_t)workers,
		.max_legs = 2000,
		.max_rooms = 64,
		.memory = 128u << 20,
		.leg_queue_messages = 1000,
		.open_messages = 16,
		.leg_queue_octets = 4 << 20,
		.connection_bind_ms = 30000,
		.chunk_reception_ms = 540000,
		.congestion_kill_ms = 120000,
		.count_wait_ms = 32000,
		.count_cap_ms = 60000,
		.random_fill = random_fill,
		.clock_ms = clock_ms };
	strcpy(stepped.authority, "127.0.0.1:2855");
	stepped_now = 1000000;
	seed = 1;
}

void stepped_start(void)
{
	unsigned w;

	net = memory_net_new();
	for (w = 0; w < stepped.workers; w++) {
		struct worker *worker = aligned_alloc(64, (sizeof(struct worker) + 63) / 64 * 64);

		cr_assert_not_null(worker);
		cr_assert_eq(worker_init(worker, &stepped, (uint16_t)w), 0);
		stepped.worker[w] = worker;
		wakes[w] = eventfd(0, EFD_NONBLOCK);
		post_queue_init(&worker->posts, wakes[w]);
		worker->tcp = memory_tcp_new(net, &connection_tcp_ops, worker);
	}
}

void stepped_stop(void)
{
	unsigned w;

	for (w = 0; w < stepped.workers; w++) {
		worker_fini(stepped.worker[w]);
		free(stepped.worker[w]);
		close(wakes[w]);
	}
	memory_net_free(net);
}

void stepped_turns(unsigned turns)
{
	unsigned w;

	while (turns-- > 0)
		for (w = 0; w < stepped.workers; w++)
			worker_step(stepped.worker[w], false);
}

void stepped_wait(uint64_t ms)
{
	stepped_now += ms;
	stepped_turns(3);
}

/* ---- peers ---- */

void peer_dial(struct peer *peer, unsigned w)
{
	memset(peer, 0, sizeof(*peer));
	peer->end = memory_dial(stepped.worker[w]->tcp);
	chunk_in_init(&peer->in);
	stepped_turns(2);
}

void peer_free(struct peer *peer)
{
	free(peer->octets);
	free(peer->heard);
}

void peer_say(struct peer *peer, const void *octets, size_t len)
{
	memory_write(peer->end, octets, len);
}

static void head(struct peer *peer, const struct chunk *chunk)
{
	struct heard *open = &peer->open;
	struct span to = chunk->to_path;
	struct span id = chunk->method == METHOD_RESPONSE ? chunk->tid : chunk->message_id;

	*open = (struct heard){ .status = chunk->status,
		.report = chunk->method == METHOD_REPORT,
		.start = chunk->has_range ? chunk->range.start : 1,
		.says_end = chunk->has_range ? chunk->range.end : BYTE_RANGE_UNKNOWN };
	snprintf(open->id, sizeof(open->id), "%.*s", SPAN_ARG(id));
	snprintf(open->tid, sizeof(open->tid), "%.*s", SPAN_ARG(chunk->tid));
	to = span_cut(&to, ' ');
	snprintf(open->to, sizeof(open->to), "%.*s", SPAN_ARG(to));
}

static void end(struct peer *peer, char flag)
{
	struct heard *open = &peer->open;
	const char *text = strstr(peer->body, "\r\n\r\n");
	unsigned i;

	open->flag = flag;
	text = open->start == 1 && text != NULL ? strstr(text + 4, "\r\n\r\n") : NULL;
	if (text != NULL)
		sscanf(text + 4, "%11s", open->tag);
	for (i = 0; open->tag[0] == '\0' && i < peer->count; i++)
		if (strcmp(peer->heard[i].id, open->id) == 0 && peer->heard[i].status == 0)
			memcpy(open->tag, peer->heard[i].tag, sizeof(open->tag));
	if (peer->count == peer->size) {
		peer->size = peer->size * 2 + 64;
		peer->heard = realloc(peer->heard, peer->size * sizeof(*peer->heard));
	}
	peer->heard[peer->count++] = *open;
}

size_t peer_hear(struct peer *peer, size_t octets)
{
	struct span sent = memory_sent(peer->end);
	struct chunk chunk;
	size_t used, pos = 0, n;

	if (octets > sent.len)
		octets = sent.len;
	if (peer->len + octets > peer->room) {
		peer->room = peer->len + octets + 65536;
		peer->octets = realloc(peer->octets, peer->room);
	}
	if (octets > 0)
		memcpy(peer->octets + peer->len, sent.at, octets);
	peer->len += octets;
	memory_take(peer->end, octets);
	for (;;) {
		enum chunk_event event = chunk_in_feed(&peer->in,
			span_make((const char *)peer->octets + pos, peer->len - pos), &used,
			&chunk);

		switch (event) {
		case CHUNK_HEAD:
			head(peer, &chunk);
			peer->body[0] = '\0';
			break;
		case CHUNK_BODY:
			n = peer->open.len;
			if (n < sizeof(peer->body) - 1) {
				size_t take = sizeof(peer->body) - 1 - n;

				take = chunk.body.len < take ? chunk.body.len : take;
				memcpy(peer->body + n, chunk.body.at, take);
				peer->body[n + take] = '\0';
			}
			peer->open.len += chunk.body.len;
			break;
		case CHUNK_END: end(peer, chunk.flag); break;
		case CHUNK_MORE: pos += used; goto out;
		case CHUNK_BAD: cr_assert_fail("torn: %s", chunk_in_error(&peer->in));
		}
		pos += used;
	}
out:
	memmove(peer->octets, peer->octets + pos, peer->len - pos);
	peer->len -= pos;
	return octets;
}

const struct heard *peer_last(const struct peer *peer, const char *tag)
{
	unsigned i;

	for (i = peer->count; i-- > 0;)
		if (strcmp(peer->heard[i].tag, tag) == 0)
			return &peer->heard[i];
	return NULL;
}

uint64_t peer_octets_of(const struct peer *peer, const char *tag)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < peer->count; i++)
		if (strcmp(peer->heard[i].tag, tag) == 0)
			sum += peer->heard[i].len;
	return sum;
}

unsigned peer_place(const struct peer *peer, const char *tag)
{
	unsigned i;

	for (i = 0; i < peer->count; i++)
		if (strcmp(peer->heard[i].tag, tag) == 0)
			return i;
	return UINT32_MAX;
}

/* ---- rooms and messages ---- */

struct room *stepped_room(unsigned home, const char *uri)
{
	struct room_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	struct room *room;
	char line[100];

	snprintf(line, sizeof(line), "%s\n", uri);
	cr_assert_eq(room_open(stepped.worker[home], 0, &tag, &settings, span_of(line),
			     SPAN_LITERAL("*"), &room),
		0);
	return room;
}

struct leg *stepped_member(struct room *room, const char *name, unsigned participant)
{
	struct member_settings member = { .participant = participant };
	struct leg_settings settings = { 0 };
	struct object_tag tag = { { 0 } };
	char path[100], identity[100];
	struct leg *leg;

	snprintf(path, sizeof(path), "msrp://127.0.0.1:9/%s;tcp", name);
	snprintf(identity, sizeof(identity), "sip:%s@example.com\n", name);
	cr_assert_eq(leg_add(stepped.worker[room->worker], room, 0, &tag, &settings, span_of(path),
			     SPAN_LITERAL(""), &leg),
		0);
	cr_assert_eq(leg_member_add(stepped.worker[room->worker], leg, &member, span_of(identity),
			     SPAN_LITERAL(""), SPAN_LITERAL("*")),
		0);
	return leg;
}

void peer_print(struct peer *peer, const char *format, ...)
{
	char text[2048];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	peer_say(peer, text, (size_t)len);
}

void stepped_bind(struct peer *peer, const struct leg *leg)
{
	peer_print(peer,
		"MSRP bind0 SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: bind0\r\nByte-Range: 1-0/0\r\n-------bind0$\r\n",
		SPAN_ARG(leg->conf->uri), SPAN_ARG(leg->conf->path));
	stepped_turns(4);
	peer_hear(peer, SIZE_MAX);
	cr_assert_gt(peer->count, 0, "no answer to the bind");
	cr_assert_eq(peer->heard[peer->count - 1].status, 200);
	peer->count--;
}

static int cpim(char *out, size_t size, const struct leg *leg, const char *type, const char *tag)
{
	return snprintf(out, size, "From: <%.*s>\r\nTo: <%.*s>\r\n\r\nContent-Type: %s\r\n\r\n%s ",
		(int)leg->conf->identities.len - 1, leg->conf->identities.at,
		(int)leg->room->uris.len - 1, leg->room->uris.at, type, tag);
}

void stepped_send_as(struct peer *peer, const struct leg *leg, const char *tag, size_t len,
	const char *type, const char *headers)
{
	char begin[400];
	int n = cpim(begin, sizeof(begin), leg, type != NULL ? type : "text/plain", tag);
	size_t text = len > strlen(tag) + 1 ? len - strlen(tag) - 1 : 0;

	peer_print(peer,
		"MSRP tid.%s SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: id.%s\r\n%sByte-Range: 1-*/%zu\r\nContent-Type: message/cpim\r\n\r\n%s",
		tag, SPAN_ARG(leg->conf->uri), SPAN_ARG(leg->conf->path), tag,
		headers != NULL ? headers : "Failure-Report: no\r\n", (size_t)n + text, begin);
	stepped_text(peer, text);
	stepped_end(peer, tag, '$');
}

void stepped_send(struct peer *peer, const struct leg *leg, const char *tag, size_t len)
{
	stepped_send_as(peer, leg, tag, len, NULL, NULL);
}

void stepped_open(struct peer *peer, const struct leg *leg, const char *tag)
{
	char begin[400];

	cpim(begin, sizeof(begin), leg, "text/plain", tag);
	peer_print(peer,
		"MSRP tid.%s SEND\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\nMessage-ID: id.%s\r\nFailure-Report: no\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n%s",
		tag, SPAN_ARG(leg->conf->uri), SPAN_ARG(leg->conf->path), tag, begin);
}

void stepped_text(struct peer *peer, size_t len)
{
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	peer_say(peer, text, len);
	free(text);
}

void stepped_end(struct peer *peer, const char *tag, char flag)
{
	peer_print(peer, "\r\n-------tid.%s%c\r\n", tag, flag);
}

/* ---- at the end ---- */

void stepped_at_rest(unsigned w)
{
	const struct worker *worker = stepped.worker[w];
	unsigned i;

#define REST(pool) cr_expect_eq(worker->pool.free_count, worker->pool.count, #pool)
	for (i = 0; i < PAYLOAD_CLASSES; i++)
		REST(payloads[i]);
	REST(messages);
	REST(entries);
	REST(inbounds);
	REST(transactions);
	REST(output);
	REST(texts);
	REST(reports);
	REST(report_blocks);
#undef REST
}

void stepped_copies_add_up(void)
{
	cr_expect_eq(STEPPED_COUNTER(copies_begun), STEPPED_COUNTER(copies_whole) +
							    STEPPED_COUNTER(copies_cut) +
							    STEPPED_COUNTER(copies_dropped));
}
