/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_session: one to three real workers, stepped in one thread over connections in memory
 * (tcp_memory), and everything that peers, the network, the clock and a controller can do to them.
 *
 * Input:   the first two octets choose how many workers there are and the scene to begin with; each
 *          further one is an operation (its low five bits) and how the workers are stepped behind it
 *          (its high three), followed by the operation's own octets. Chunks are made of templates
 *          with fields to choose, or are octets of the input as they are, so that inputs of a few
 *          dozen octets get deep, and no octet sequence is out of reach.
 * Holds:   what the switch writes is MSRP (chunk_in reads all of it), each message that it sends
 *          goes on where it stopped; when everybody has gone and all rooms are closed, every object
 *          of every pool is back, every message and every copy that began has ended, and nothing
 *          waits. And what assert, ASan and UBSan say.
 *
 * Memory is the workers' own, mapped once: pools are made small (the workers must run short of
 * everything now and then) and put back as new between two inputs, so that an input does the same
 * alone as after a million others.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/worker.h"
#include "include/controller.h"
#include "tests/support/tcp_memory.h"

#define WORKERS_MAX 3
#define PEERS       8
#define TIDS        8
#define OPEN_MAX    16 /* messages that one peer is receiving */
#define RING_SIZE   (64u << 10)
#define MEMORY      (160u << 20) /* of a worker; hardly touched */
#define SPARE       24           /* objects above the mark where a worker stops reading */
#define OPERATIONS  600          /* of one input */
#define END_TURNS   900
#define CLOCK_START 1000000u
#define ROOM_URI    "sip:room@example.com"
#define OUT_MAX     (96u * 1024)

/* With PLENUM_FUZZ_TRACE in the environment an input tells its story on stderr. */
#define trace(...)                                                                                 \
	do {                                                                                       \
		if (tracing)                                                                       \
			fprintf(stderr, __VA_ARGS__);                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct receiving {
	uint64_t name; /* of its Message-ID and the session: several share a connection */
	uint64_t next; /* position of the octet that must come next */
};

struct peer {
	struct memory_peer *memory; /* NULL: free place */
	unsigned home, leg;         /* the leg it speaks for by default */
	struct chunk_in in;
	/* transaction ids of SENDs received, to be answered */
	char tids[TIDS][CHUNK_TID_MAX];
	uint8_t tid_lens[TIDS];
	unsigned tid_count;
	char id[CHUNK_TID_MAX + 1]; /* Message-ID of the last one */
	/* the chunk that is being received, and messages of which more comes */
	struct receiving open[OPEN_MAX];
	unsigned open_count, current; /* current: place in open + 1, or 0 */
	bool lost_count;              /* more at once than OPEN_MAX: not followed */
	/* the chunk that is being sent: nothing ends it yet */
	char tid[16];
};

struct rings {
	struct ring_shared *commands, *events;
	struct ring cmd, event; /* the controller's ends */
};

struct group {
	struct switch_shared shared;
	struct worker *worker[WORKERS_MAX];
	struct rings rings[WORKERS_MAX][2]; /* two epochs, in turn */
	struct attachment_change change[WORKERS_MAX];
};

static struct group groups[WORKERS_MAX]; /* with 1, 2 and 3 workers */
static struct group *g;
static struct memory_net *net;
static struct peer peers[PEERS];
static struct post_queue main_thread;
static uint64_t clock_now, random_state, last_ask;
static unsigned epoch, tids_made;
static bool attached, attaching, controller_reads, tracing;
static char out[OUT_MAX];
static size_t out_len;
static uint64_t message_edge[16]; /* octets sent of the message that has this name */

static struct {
	const uint8_t *at, *end;
} input;

/* ---- small things ---- */

static void broken(const char *promise, const char *detail)
{
	fprintf(stderr, "broken: %s: %s\n", promise, detail);
	abort();
}

static void demand(bool holds, const char *promise)
{
	if (!holds)
		broken(promise, "");
}

static uint8_t take(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static uint64_t clock_ms(void)
{
	return clock_now;
}

/* xorshift: the same in each run. */
static void random_fill(void *octets, size_t size)
{
	uint8_t *at = octets;

	for (size_t i = 0; i < size; i++) {
		random_state ^= random_state << 13;
		random_state ^= random_state >> 7;
		random_state ^= random_state << 17;
		at[i] = (uint8_t)(random_state >> 32);
	}
}

/* ---- workers ---- */

/* As few objects as there can be with something to see: those that a worker must have to read at all
 * (pools.def: margin) and some, of the others these. */
static const struct {
	const char *name;
	uint32_t count;
} few[] = { { "legs", 12 }, { "sessions", 14 }, { "connections", 10 }, { "tails", 6 },
	{ "outgoing", 4 }, { "ids_small", 6 }, { "ids_large", 2 }, { "heads", 4 }, { "kept", 24 },
	{ "rooms", 3 }, { "confs_small", 24 }, { "confs_medium", 4 }, { "confs_large", 2 },
	{ "reports", 3 }, { "report_blocks", 7 }, { "texts", 8 } };

static void pool_shrink(struct pool *pool, const char *name, uint32_t margin)
{
	uint32_t count = margin + SPARE;
	unsigned i;

	for (i = 0; i < sizeof(few) / sizeof(few[0]); i++)
		if (strcmp(few[i].name, name) == 0)
			count = few[i].count;
	if (count < pool->count)
		pool->count = pool->free_count = count;
}

/* As after pool_init. A free object's head keeps its generation: an input must not see those of the
 * input before. */
static void pool_renew(struct pool *pool)
{
	uint32_t i, size = pool->object_size < 64 ? pool->object_size : 64;

	for (i = 0; i < pool->fresh; i++)
		memset(pool->base + (size_t)i * pool->object_size, 0, size);
	pool->free_list = NULL;
	pool->fresh = 0;
}

static void group_make(struct group *group, unsigned count)
{
	unsigned w, e;

	group->shared = (struct switch_shared){ .instance = 7,
		.workers = (uint16_t)count,
		.max_legs = 64,
		.max_rooms = 8,
		.memory = MEMORY,
		.max_message = 1u << 20,
		.leg_queue_messages = 12,
		.open_messages = 4,
		.leg_queue_octets = 96u << 10,
		.connection_bind_ms = 30000,
		.chunk_reception_ms = 40000,
		.congestion_kill_ms = 20000,
		.count_wait_ms = 8000,
		.count_cap_ms = 15000,
		.transaction_ms = 12000,
		.drain_ms = 3000,
		/* What an operator may choose differs with the number of workers. */
		.count_delivered = count == 2,
		.least_rate = count == 2 ? 1000 : 0,
		.random_fill = random_fill,
		.clock_ms = clock_ms };
	if (count == 3)
		for (e = 0; e < RATE_KINDS; e++)
			group->shared.rates[e] = e == RATE_MESSAGES ? 20 : 40000;
	strcpy(group->shared.authority, "127.0.0.1:2855");
	for (w = 0; w < count; w++) {
		struct worker *worker = aligned_alloc(64, (sizeof(struct worker) + 63) / 64 * 64);

		demand(worker != NULL && worker_init(worker, &group->shared, (uint16_t)w) == 0,
			"there is memory to fuzz in");
		group->worker[w] = group->shared.worker[w] = worker;
		for (e = 0; e < 2; e++) {
			size_t size = ring_shared_size(RING_SIZE);

			group->rings[w][e].commands = aligned_alloc(64, size);
			group->rings[w][e].events = aligned_alloc(64, size);
			demand(group->rings[w][e].commands != NULL &&
					group->rings[w][e].events != NULL,
				"there is memory for rings");
		}
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	pool_shrink(&worker->member, #name, margin);
#include "dataplane/pools.def"
	}
}

static void step_one(unsigned w)
{
	worker_step(g->worker[w % g->shared.workers], false);
}

/* ---- the controller ---- */

static struct rings *rings_of(unsigned w)
{
	return &g->rings[w][epoch & 1];
}

static void attach(bool now)
{
	struct attachment_change *change;
	unsigned w;

	if (attaching || now == attached)
		return;
	attaching = true;
	attached = now;
	if (now)
		epoch++;
	for (w = 0; w < g->shared.workers; w++) {
		struct rings *rings = rings_of(w);

		change = &g->change[w];
		*change = (struct attachment_change){ .attached = now, .reply = &main_thread };
		if (now) {
			ring_format(rings->commands);
			ring_format(rings->events);
			change->end.controller_fd = -1; /* nobody sleeps here: never written */
			change->end.epoch = epoch;
			demand(ring_open(&rings->cmd, rings->commands, RING_SIZE) == 0 &&
					ring_open(&rings->event, rings->events, RING_SIZE) == 0 &&
					ring_open(&change->end.commands, rings->commands,
						RING_SIZE) == 0 &&
					ring_open(&change->end.events, rings->events, RING_SIZE) ==
						0,
				"rings can be opened");
		}
		post_send(&g->worker[w]->posts, &change->post, POST_ATTACHMENT);
	}
}

/* The main thread of the switch: all workers have changed. */
static void attach_replies(void)
{
	static unsigned replies;

	while (attaching && post_take(&main_thread) != NULL)
		replies++;
	if (attaching && replies == g->shared.workers) {
		attaching = false;
		replies = 0;
	}
}

static void events_read(void)
{
	static uint8_t record[RING_RECORD_MAX] __attribute__((aligned(8)));
	const struct switch_event *event = (const struct switch_event *)record;
	unsigned w;
	int len;

	for (w = 0; attached && w < g->shared.workers; w++) {
		while ((len = ring_get(&rings_of(w)->event, record)) > 0) {
			demand((size_t)len == sizeof(*event) + event->text_len,
				"an event has the text that it says");
			demand(event->type < EVENT_COUNT, "an event is one of the list");
			if (event->type == EVENT_NICKNAME_ASKED)
				last_ask = event->u.nickname.ask;
		}
		demand(len == 0, "the ring of events is whole");
		ring_release(&rings_of(w)->event);
	}
}

static void submit(unsigned w, struct switch_cmd *cmd, const struct text_builder *text)
{
	if (!attached)
		return;
	cmd->text_len = text != NULL ? text->len : 0;
	if (ring_put(&rings_of(w)->cmd, cmd, sizeof(*cmd), text != NULL ? text->octets : NULL,
		    cmd->text_len) != 0)
		return;
	ring_flush(&rings_of(w)->cmd);
}

static void turn(void)
{
	unsigned w;

	for (w = 0; w < g->shared.workers; w++)
		step_one(w);
	attach_replies();
	if (controller_reads)
		events_read();
}

static struct room *room_pick(unsigned choice, unsigned *w)
{
	struct room *room;
	unsigned i, k;

	for (k = 0; k < g->shared.workers; k++) {
		*w = (choice + k) % g->shared.workers;
		for (i = 0; i < g->worker[*w]->rooms.fresh; i++) {
			room = pool_at(&g->worker[*w]->rooms,
				(i + choice / 4) % g->worker[*w]->rooms.fresh);
			if (room->used)
				return room;
		}
	}
	return NULL;
}

/* One of the legs in use, counted over all workers. */
static struct leg *leg_pick(unsigned choice, unsigned *home)
{
	struct leg *found[WORKERS_MAX * 16], *leg;
	unsigned homes[WORKERS_MAX * 16], count = 0, w, i;

	for (w = 0; w < g->shared.workers; w++) {
		for (i = 0; i < g->worker[w]->legs.fresh && i < 16; i++) {
			leg = pool_at(&g->worker[w]->legs, i);
			if (!leg->used)
				continue;
			homes[count] = w;
			found[count++] = leg;
		}
	}
	if (count == 0)
		return NULL;
	*home = homes[choice % count];
	return found[choice % count];
}

static struct text_ref put(struct text_builder *text, const char *s)
{
	struct text_ref ref = { 0, 0 };

	if (text_put(text, span_of(s), &ref) != 0)
		ref.len = 0;
	return ref;
}

static void room_settings_put(
	struct text_builder *text, struct room_settings *settings, uint8_t choice)
{
	settings->flags = choice & (ROOM_PRIVATE | ROOM_NICKNAME);
	if (choice & 32)
		settings->flags |= ROOM_TWO_PARTY_FAILURE;
	settings->max_message = choice & 4 ? 3000 : 0;
	settings->uris = put(
		text, choice & 8 ? ROOM_URI "\nsip:anonymous@anonymous.invalid\n" : ROOM_URI "\n");
	settings->wrapped = put(text, choice & 16 ? "text/plain image/*" : "*");
}

static void cmd_room_open(unsigned w, uint8_t choice)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN };
	struct text_builder text;

	text.len = 0;
	room_settings_put(&text, &cmd.u.room, choice);
	submit(w % g->shared.workers, &cmd, &text);
}

static void leg_path(char *path, size_t size, uint8_t choice)
{
	static const char *const relays[] = { "", "msrp://127.0.0.1:7777/relay;tcp ",
		"msrp://[::1]:7777/a;tcp msrp://127.0.0.1:7778/b;tcp " };
	unsigned relay = choice >> 3 & 3, peer = choice & 7;

	if (relay < 3)
		snprintf(path, size, "%smsrp://127.0.0.1:9/peer%u;tcp", relays[relay], peer);
	else /* longer than what most paths have room for */
		snprintf(path, size,
			"msrps://relay.example.com:443/%0300u;tcp;x=y msrp://127.0.0.1:9/peer%u;tcp",
			peer, peer);
}

static void cmd_leg_add(uint8_t choice)
{
	struct switch_cmd cmd = { .type = CMD_LEG_ADD };
	struct text_builder text;
	struct room *room;
	char path[400];
	unsigned w;

	room = room_pick(choice & 3, &w);
	if (room == NULL)
		return;
	text.len = 0;
	leg_path(path, sizeof(path), choice >> 1);
	cmd.object = room_object_id(g->worker[w], room);
	cmd.u.leg.setup = choice & 0x80 ? LEG_ACTIVE : LEG_PASSIVE;
	cmd.u.leg.bind_ms = choice & 0x40 ? 5000 : 0;
	if ((choice & 0x3e) != 0x3e) /* else it is not known yet */
		cmd.u.leg.path = put(&text, path);
	submit(w, &cmd, &text);
}

/* The identities of a leg follow from its index, so that a template can name them. */
static void address_of_leg(char *address, size_t size, unsigned home, const struct leg *leg)
{
	snprintf(address, size, "sip:u%u-%u@example.com", home,
		pool_index(&g->worker[home]->legs, leg));
}

static void alias_of_leg(char *alias, size_t size, unsigned home, const struct leg *leg)
{
	snprintf(alias, size, "\"A %u\" <sip:anon%u-%u@anonymous.invalid>", home, home,
		pool_index(&g->worker[home]->legs, leg));
}

static void cmd_member(enum switch_command type, unsigned which, uint8_t choice)
{
	static const char *const wrapped[] = { "*", "text/plain", "text/* message/imdn+xml", "" };
	struct switch_cmd cmd = { .type = (uint16_t)type };
	char address[80], alias[100], identities[200];
	struct text_builder text;
	struct leg *leg;
	unsigned home;

	leg = leg_pick(which, &home);
	if (leg == NULL)
		return;
	text.len = 0;
	address_of_leg(address, sizeof(address), home, leg);
	snprintf(identities, sizeof(identities), "%s\ntel:+4930%u\n", address, which);
	cmd.object = leg_object_id(g->worker[home], leg);
	cmd.u.member.flags = choice & 7;
	if (choice & 8)
		cmd.u.member.flags |= MEMBER_NO_PRIVATE;
	if ((choice & 24) == 24)
		cmd.u.member.flags |= MEMBER_HOLD;
	cmd.u.member.participant = choice & 0x10 ? 1 : 2 + (which & 7);
	cmd.u.member.identities = put(&text, identities);
	alias_of_leg(alias, sizeof(alias), home, leg);
	if (choice & 0x20)
		cmd.u.member.alias = put(&text, alias);
	cmd.u.member.wrapped = put(&text, wrapped[choice >> 6]);
	submit(home, &cmd, &text);
}

static void cmd_leg_update(unsigned which, uint8_t choice)
{
	struct switch_cmd cmd = { .type = CMD_LEG_UPDATE };
	struct text_builder text;
	struct leg *leg;
	char path[400];
	unsigned home;

	leg = leg_pick(which, &home);
	if (leg == NULL)
		return;
	text.len = 0;
	leg_path(path, sizeof(path), choice >> 1);
	cmd.object = leg_object_id(g->worker[home], leg);
	cmd.u.leg.setup = choice & 0x80 ? LEG_ACTIVE : LEG_PASSIVE;
	cmd.u.leg.bind_ms = choice & 0x40 ? 5000 : 0;
	cmd.u.leg.rebind = choice & 1;
	if (choice & 2)
		cmd.u.leg.path = put(&text, path);
	submit(home, &cmd, &text);
}

static void cmd_of_leg(enum switch_command type, unsigned which)
{
	struct switch_cmd cmd = { .type = (uint16_t)type };
	struct leg *leg;
	unsigned home;

	leg = leg_pick(which, &home);
	if (leg == NULL)
		return;
	cmd.object = leg_object_id(g->worker[home], leg);
	submit(home, &cmd, NULL);
}

static void cmd_of_room(enum switch_command type, uint8_t choice)
{
	struct switch_cmd cmd = { .type = (uint16_t)type };
	struct text_builder text;
	struct room *room;
	unsigned w;

	room = room_pick(choice >> 5, &w);
	if (room == NULL)
		return;
	text.len = 0;
	cmd.object = room_object_id(g->worker[w], room);
	if (type == CMD_ROOM_SET)
		room_settings_put(&text, &cmd.u.room, choice);
	submit(w, &cmd, &text);
}

static void cmd_nickname(unsigned which, uint8_t choice)
{
	static const uint32_t statuses[] = { 200, 403, 424, 425, 481, 0, 200, 200 };
	struct switch_cmd cmd = { .type = CMD_NICKNAME };
	struct leg *leg;
	unsigned home;

	leg = leg_pick(which, &home);
	if (leg == NULL)
		return;
	cmd.object = leg_object_id(g->worker[home], leg);
	cmd.u.nickname.ask = leg->nickname != NULL && !(choice & 8) ? leg->nickname->number
								    : last_ask + (choice >> 6);
	cmd.u.nickname.status = statuses[choice & 7];
	submit(home, &cmd, NULL);
}

/* A record of any octets: the switch believes no controller. */
static void cmd_raw(void)
{
	struct switch_cmd cmd = { 0 };
	uint8_t *octets = (uint8_t *)&cmd;
	unsigned n = take(), at = take(), w = take() % g->shared.workers;

	for (unsigned i = 0; i < n && at + i < sizeof(cmd); i++)
		octets[at + i] = take();
	if (attached && ring_put(&rings_of(w)->cmd, octets, 1 + at % sizeof(cmd), NULL, 0) == 0)
		ring_flush(&rings_of(w)->cmd);
}

/* ---- what peers hear ---- */

static uint64_t name_of(uint64_t hash, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)text.at[i]) * 0x100000001b3ull;
	return hash;
}

static void heard_head(struct peer *peer, const struct chunk *chunk)
{
	struct receiving *open;
	uint64_t name;
	unsigned i;

	demand(chunk->to_path.len > 0 && chunk->from_path.len > 0, "both paths are there");
	peer->current = 0;
	if (chunk->method == METHOD_RESPONSE)
		return;
	demand(chunk->method == METHOD_SEND || chunk->method == METHOD_REPORT,
		"the switch asks nothing but SEND and REPORT");
	demand(chunk->message_id.len > 0, "a Message-ID is there");
	if (chunk->method == METHOD_REPORT)
		return;
	snprintf(peer->id, sizeof(peer->id), "%.*s", SPAN_ARG(chunk->message_id));
	i = peer->tid_count++ % TIDS;
	memcpy(peer->tids[i], chunk->tid.at, chunk->tid.len);
	peer->tid_lens[i] = (uint8_t)chunk->tid.len;
	if (!chunk->has_body || peer->lost_count)
		return;
	demand(chunk->has_range, "a SEND with a body says where it belongs");
	name = name_of(name_of(0xcbf29ce484222325ull, chunk->message_id), chunk->from_path);
	for (i = 0; i < peer->open_count; i++)
		if (peer->open[i].name == name)
			break;
	open = &peer->open[i];
	if (i == peer->open_count) {
		if (peer->open_count == OPEN_MAX) {
			peer->lost_count = true;
			return;
		}
		peer->open_count++;
		open->name = name;
		open->next = 1;
	}
	demand(chunk->range.start == open->next, "a message goes on where it stopped");
	peer->current = i + 1;
}

static void heard_end(struct peer *peer, char flag)
{
	if (peer->current == 0)
		return;
	if (flag != '+') /* the last moves to its place */
		peer->open[peer->current - 1] = peer->open[--peer->open_count];
	peer->current = 0;
}

/* Takes what the switch wrote, at most so many octets. */
static void hear(struct peer *peer, size_t most)
{
	struct span sent = memory_sent(peer->memory);
	size_t pos = 0, used;
	struct chunk chunk;

	if (sent.len > most)
		sent.len = most;
	if (sent.len > 0)
		trace("\n<< peer %d hears %zu:\n%.*s\n", (int)(peer - peers), sent.len,
			SPAN_ARG(sent));
	while (pos < sent.len) {
		enum chunk_event event = chunk_in_feed(
			&peer->in, span_make(sent.at + pos, sent.len - pos), &used, &chunk);

		if (event == CHUNK_BAD)
			broken("what the switch writes is MSRP", chunk_in_error(&peer->in));
		if (event == CHUNK_HEAD)
			heard_head(peer, &chunk);
		if (event == CHUNK_BODY && peer->current != 0)
			peer->open[peer->current - 1].next += chunk.body.len;
		if (event == CHUNK_END)
			heard_end(peer, chunk.flag);
		pos += used;
		if (event == CHUNK_MORE)
			break;
	}
	memory_take(peer->memory, pos);
}

/* ---- what peers say ---- */

static void peer_reset(struct peer *peer, struct memory_peer *memory)
{
	memset(peer, 0, sizeof(*peer));
	peer->memory = memory;
	chunk_in_init(&peer->in);
}

static struct peer *peer_free_place(void)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (peers[i].memory == NULL)
			return &peers[i];
	return NULL;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(out + out_len, OUT_MAX - out_len, format, args);
	va_end(args);
	if (len > 0)
		out_len += (size_t)len < OUT_MAX - out_len ? (size_t)len : OUT_MAX - out_len - 1;
}

static uint8_t spoil_at, spoil_with; /* of what is said next */

static void said(struct peer *peer)
{
	if (spoil_with != 0 && out_len > 0)
		out[(size_t)spoil_at * out_len / 256] ^= (char)spoil_with;
	spoil_with = 0;
	trace("\n>> peer %d says %zu:\n%.*s\n", (int)(peer - peers), out_len, (int)out_len, out);
	memory_write(peer->memory, out, out_len);
	out_len = 0;
}

static void say_start(struct peer *peer, const char *method, unsigned which)
{
	struct span to = SPAN_LITERAL("xyz"), from = SPAN_LITERAL("msrp://127.0.0.1:9/x;tcp");
	struct leg *leg;
	unsigned home;

	leg = leg_pick(which != 0 ? which - 1 : peer->leg, &home);
	if (leg != NULL)
		to = leg->conf->uri;
	if (leg != NULL && leg->conf->path.len > 0)
		from = leg->conf->path;
	snprintf(peer->tid, sizeof(peer->tid), "tid%05u", tids_made++ % 100000);
	say("MSRP %s %s\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\n", peer->tid, method, SPAN_ARG(to),
		SPAN_ARG(from));
}

static void say_end(struct peer *peer, char flag)
{
	say("-------%s%c\r\n", peer->tid, flag);
	peer->tid[0] = '\0';
}

static void op_bind(struct peer *peer, uint8_t choice)
{
	peer->leg = choice & 15;
	say_start(peer, "SEND", 0);
	say("Message-ID: bind%u\r\n%s%s", choice >> 4,
		choice & 0x10 ? "Success-Report: yes\r\n" : "",
		choice & 0x20 ? "Failure-Report: no\r\n" : "");
	if (!(choice & 0x40))
		say("Byte-Range: 1-0/0\r\n");
	say_end(peer, '$');
	said(peer);
}

static void say_text(uint8_t kind, size_t len)
{
	static char alphabets[8192];
	size_t i, n;

	for (i = 0; alphabets[sizeof(alphabets) - 1] == 0 && i < sizeof(alphabets); i++)
		alphabets[i] = (char)('a' + i % 26);
	for (; len > 0 && out_len < OUT_MAX - 1; len -= n) {
		n = len < sizeof(alphabets) ? len : sizeof(alphabets);
		n = n < OUT_MAX - 1 - out_len ? n : OUT_MAX - 1 - out_len;
		memcpy(out + out_len, alphabets, n);
		out_len += n;
	}
	if (kind & 1)
		say("\r\n-------");
	if (kind & 2)
		say("-------tid%05u", tids_made);
	if (kind & 4)
		say("\r\n-------tid%05u", tids_made - 1); /* this chunk's own */
	out_len = out_len < OUT_MAX ? out_len : OUT_MAX - 1;
}

/* The head of message/cpim, and what is wrong with it. */
static void say_cpim(const struct peer *peer, uint8_t kind)
{
	struct leg *leg, *other;
	char address[100] = "sip:nobody@example.com", to[100] = ROOM_URI;
	unsigned home, other_home, i;

	leg = leg_pick(peer->leg, &home);
	if (leg != NULL)
		address_of_leg(address, sizeof(address), home, leg);
	switch (kind & 15) {
	case 1: /* private */
		other = leg_pick(kind >> 4, &other_home);
		if (other != NULL)
			address_of_leg(to, sizeof(to), other_home, other);
		break;
	case 2: strcpy(to, "sip:anonymous@anonymous.invalid"); break;
	case 3: strcpy(address, "sip:mallory@example.com"); break;
	case 4: strcpy(to, "sip:nobody@example.com"); break;
	case 5:
		if (leg != NULL)
			alias_of_leg(address, sizeof(address), home, leg);
		break;
	default: break;
	}
	say("From: %s%s%s\r\nTo: <%s>\r\n", (kind & 15) == 5 ? "" : "<", address,
		(kind & 15) == 5 ? "" : ">", to);
	if ((kind & 15) == 6)
		say("To: <sip:second@example.com>\r\n");
	if ((kind & 15) == 7) /* up to its limit and beyond */
		for (i = 0; i < (unsigned)(kind >> 4) * 24u; i++)
			say("Subject: %08u\r\n", i);
	if ((kind & 15) == 8)
		say("Bad line\r\n");
	if ((kind & 15) == 9)
		say("NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: x\r\n");
	say("\r\nContent-Type: %s\r\n\r\n", (kind & 15) == 10   ? "image/png"
					    : (kind & 15) == 11 ? "message/imdn+xml"
					    : (kind & 15) == 12 ? "application/im-iscomposing+xml"
								: "text/plain;charset=utf-8");
}

static size_t length_of(uint8_t choice)
{
	return choice < 128   ? choice
	       : choice < 240 ? (size_t)(choice - 127) * 90
			      : (size_t)(choice - 239) * 4000;
}

/* SEND with a body: what it asks, which message, which range, what is in it, how it ends. */
static void op_send(struct peer *peer)
{
	static const char *const reports[] = { "", "Success-Report: yes\r\n",
		"Success-Report: yes;Include-Sent-Count\r\n", "Success-Report: no\r\n" };
	static const char *const failures[] = { "", "Failure-Report: no\r\n",
		"Failure-Report: partial\r\n", "Failure-Report: yes\r\n" };
	static const char flags[] = { '$', '+', '#', 0 };
	uint8_t asks = take(), name = take(), kind = take(), length = take();
	uint64_t start = 1, len;
	size_t body_at, range_at, i;
	char range[64];
	unsigned id = name & 15;

	say_start(peer, "SEND", asks & 0x80 ? asks >> 4 & 7 : 0);
	say("Message-ID: mess%02u\r\n%s%s", id, reports[asks & 3], failures[asks >> 2 & 3]);
	/* As wide as any range; filled in when the body is known. */
	range_at = out_len;
	say("%-58s\r\nContent-Type: %s\r\n\r\n",
		"X:", kind == 0xff ? "text/plain" : "message/cpim");
	body_at = out_len;
	if (name >> 4 < 8) { /* begins a message */
		message_edge[id] = 0;
		if (kind != 0xfe)
			say_cpim(peer, kind);
	}
	if ((name >> 4) == 7) /* ends within its head */
		out_len = body_at + (out_len - body_at) / 2;
	say_text(kind >> 4 & (name >> 4 == 6 ? 7 : 0), length_of(length));
	len = out_len - body_at;
	switch (name >> 4) {
	case 9: start = message_edge[id] + 3; break; /* a gap */
	case 10: /* an overlap */ start = message_edge[id] > 5 ? message_edge[id] - 5 : 1; break;
	case 11: start = 1; break;
	default: start = message_edge[id] + 1; break;
	}
	switch (asks >> 4 & 7) {
	case 0:
		snprintf(range, sizeof(range), "Byte-Range: %llu-%llu/%llu",
			(unsigned long long)start, (unsigned long long)(start + len - 1),
			(unsigned long long)(start + len - 1));
		break;
	case 1:
		snprintf(range, sizeof(range), "Byte-Range: %llu-*/*", (unsigned long long)start);
		break;
	case 2:
		snprintf(range, sizeof(range), "Byte-Range: %llu-%llu/*", (unsigned long long)start,
			(unsigned long long)(start + len - 1));
		break;
	case 3:
		snprintf(range, sizeof(range), "Byte-Range: %llu-*/%llu", (unsigned long long)start,
			(unsigned long long)(start + len + length));
		break;
	case 4: /* lies */
		snprintf(range, sizeof(range), "Byte-Range: %llu-%llu/%llu",
			(unsigned long long)start, (unsigned long long)(start + len),
			(unsigned long long)(start + len + 5));
		break;
	case 5: snprintf(range, sizeof(range), "Byte-Range: 1-*/18446744073709551615"); break;
	case 6: snprintf(range, sizeof(range), "Byte-Range: 18446744073709551614-*/*"); break;
	default: snprintf(range, sizeof(range), "X:"); break;
	}
	for (i = 0; i < 58; i++)
		out[range_at + i] = i < strlen(range) ? range[i] : ' ';
	message_edge[id] = start + len - 1;
	if (flags[name >> 4 == 8 ? kind & 3 : length & 3] != 0) {
		say("\r\n");
		say_end(peer, flags[name >> 4 == 8 ? kind & 3 : length & 3]);
	}
	said(peer);
}

static void op_nickname(struct peer *peer, uint8_t choice)
{
	static const char *const names[] = { "\"Bob\"", "\"\"", "\"A \\\"quoted\\\" \\\\ name\"",
		"unquoted", "\"\xc3\xa4\xc3\xb6\"", "", "\"Bob\"", "\"x" };

	say_start(peer, choice & 0x40 ? "OTHER" : "NICKNAME", choice >> 3 & 7);
	say("Use-Nickname: %s\r\n", names[choice & 7]);
	if (choice & 0x80) {
		say("Content-Type: text/plain\r\n\r\n");
		say_text(0, 20);
		say("\r\n");
	}
	say_end(peer, '$');
	said(peer);
}

static void op_report(struct peer *peer, uint8_t choice)
{
	static const char *const statuses[] = { "000 200 OK", "000 413", "001 200", "000" };

	say_start(peer, choice & 0x80 ? "AUTH" : "REPORT", choice >> 4 & 7);
	if (peer->id[0] != '\0' && !(choice & 4))
		say("Message-ID: %s\r\n", peer->id);
	else
		say("Message-ID: mess%02u\r\n", choice >> 2 & 3);
	say("Status: %s\r\nByte-Range: 1-9/9\r\n", statuses[choice & 3]);
	say_end(peer, '$');
	said(peer);
}

static void op_respond(struct peer *peer, uint8_t choice)
{
	static const unsigned statuses[] = { 200, 200, 400, 408, 413, 481, 999, 100 };
	unsigned which = choice >> 3 & (TIDS - 1), len;
	char tid[CHUNK_TID_MAX + 1] = "nosuchtid";

	if (which < peer->tid_count) {
		len = peer->tid_lens[which];
		memcpy(tid, peer->tids[which], len);
		tid[len] = '\0';
		if (choice & 0x40)
			tid[len - 1] ^= 1;
	}
	say("MSRP %s %u a word\r\nTo-Path: msrp://127.0.0.1:2855/x;tcp\r\nFrom-Path: msrp://127.0.0.1:9/y;tcp\r\n-------%s$\r\n",
		tid, statuses[choice & 7], tid);
	said(peer);
}

/* Answers all that came last, as a good peer does. */
static void op_respond_all(struct peer *peer)
{
	unsigned i;

	hear(peer, MEMORY_NO_LIMIT);
	for (i = 0; i < TIDS && i < peer->tid_count; i++)
		op_respond(peer, (uint8_t)(i << 3));
	peer->tid_count = 0;
}

static void op_dial(uint8_t choice)
{
	struct peer *peer = peer_free_place();

	if (peer == NULL)
		return;
	peer_reset(peer, memory_dial(g->worker[choice % g->shared.workers]->tcp));
	peer->leg = choice >> 2 & 15;
	if (choice & 0x80)
		op_bind(peer, peer->leg);
}

static void op_connect_decide(uint8_t choice)
{
	struct memory_peer *memory = memory_next_connect(net);
	struct peer *peer = peer_free_place();

	if (memory == NULL)
		return;
	if (choice & 1 || peer == NULL) {
		memory_connect_failed(memory, choice & 2 ? -ETIMEDOUT : -ECONNREFUSED);
		return;
	}
	peer_reset(peer, memory);
	peer->leg = choice >> 2 & 15;
	memory_connect_done(memory);
}

/* The end of a connection; its record goes when the switch has noticed. */
static void op_close(struct peer *peer, uint8_t choice)
{
	switch (choice & 3) {
	case 0:
	case 1: memory_close(peer->memory); break;
	case 2: memory_reset(peer->memory); break;
	default: memory_shutdown(peer->memory); return; /* it still listens */
	}
	peer->memory = NULL;
}

static void op_window(struct peer *peer, uint8_t choice)
{
	size_t octets = choice == 0    ? 0
			: choice < 64  ? choice
			: choice < 200 ? (size_t)(choice - 63) * 256
				       : MEMORY_NO_LIMIT;

	if (choice & 1)
		memory_send_limit(peer->memory, octets == 0 ? 1 : octets);
	else
		memory_window(peer->memory, octets);
}

static void op_read(struct peer *peer, uint8_t choice)
{
	size_t octets = choice < 96    ? choice
			: choice < 200 ? (size_t)(choice - 95) * 37
				       : MEMORY_NO_LIMIT;

	if (choice & 1 && octets > 0)
		memory_read_limit(peer->memory, octets);
	else
		memory_let_read(peer->memory, octets);
}

static void op_raw(struct peer *peer)
{
	unsigned len = take();

	while (len-- > 0 && input.at < input.end)
		out[out_len++] = (char)take();
	said(peer);
}

/* ---- an input ---- */

enum operation {
	OP_SEND,
	OP_SEND_AGAIN,
	OP_SEND_MORE,
	OP_DIAL,
	OP_BIND,
	OP_RAW,
	OP_SPOIL,
	OP_BODY,
	OP_END,
	OP_NICKNAME,
	OP_REPORT,
	OP_RESPOND,
	OP_RESPOND_ALL,
	OP_CLOSE,
	OP_WINDOW,
	OP_READ,
	OP_HEAR,
	OP_TIME,
	OP_LONG_TIME,
	OP_CONNECT,
	OP_LEG_ADD,
	OP_LEG_UPDATE,
	OP_LEG_REMOVE,
	OP_MEMBER_ADD,
	OP_MEMBER_ALIAS,
	OP_MEMBER_MUTE,
	OP_MEMBER_REMOVE,
	OP_ROOM_OPEN,
	OP_ROOM_SET,
	OP_ROOM_CLOSE,
	OP_NICKNAME_ANSWER,
	OP_CONTROLLER,
};

static void op_controller(uint8_t choice)
{
	struct switch_cmd cmd = { .type = CMD_SNAPSHOT, .cookie = choice };

	switch (choice & 15) {
	case 0: attach(false); break;
	case 1: attach(true); break;
	case 2: controller_reads = false; break;
	case 3: controller_reads = true; break;
	case 4: submit((choice >> 4) % g->shared.workers, &cmd, NULL); break;
	case 5:
		cmd.type = CMD_DRAIN;
		submit((choice >> 4) % g->shared.workers, &cmd, NULL);
		break;
	case 6: cmd_raw(); break;
	case 7: memory_connect_refuse(net, choice & 16 ? -ENETUNREACH : 0); break;
	case 8: memory_begin_with(g->worker[0]->tcp, choice >> 4); break;
	case 9: /* SIGTERM */
		for (unsigned w = 0; w < g->shared.workers; w++)
			drain_begin(g->worker[w]);
		break;
	default: events_read(); break;
	}
}

static void operate(enum operation op)
{
	/* Of a connection: which; the others: what they like. */
	uint8_t choice = take();
	struct peer *peer = &peers[choice % PEERS];

	trace("-- operation %d %#x\n", (int)op, choice);
	switch (op) {
	case OP_DIAL: op_dial(choice); return;
	case OP_TIME: clock_now += choice * 10u; return;
	case OP_LONG_TIME: clock_now += (choice & 63) * 1000u; return;
	case OP_CONNECT: op_connect_decide(choice); return;
	case OP_LEG_ADD: cmd_leg_add(choice); return;
	case OP_LEG_UPDATE: cmd_leg_update(choice & 15, take()); return;
	case OP_LEG_REMOVE: cmd_of_leg(CMD_LEG_REMOVE, choice); return;
	case OP_MEMBER_ADD: cmd_member(CMD_MEMBER_ADD, choice & 15, take()); return;
	case OP_MEMBER_ALIAS: cmd_member(CMD_MEMBER_ALIAS, choice & 15, take()); return;
	case OP_MEMBER_MUTE: cmd_member(CMD_MEMBER_MUTE, choice & 15, take()); return;
	case OP_MEMBER_REMOVE: cmd_of_leg(CMD_MEMBER_REMOVE, choice); return;
	case OP_ROOM_OPEN: cmd_room_open(choice, choice >> 2); return;
	case OP_ROOM_SET: cmd_of_room(CMD_ROOM_SET, choice); return;
	case OP_ROOM_CLOSE: cmd_of_room(CMD_ROOM_CLOSE, choice); return;
	case OP_NICKNAME_ANSWER: cmd_nickname(choice & 15, take()); return;
	case OP_CONTROLLER: op_controller(choice); return;
	case OP_SPOIL:
		spoil_at = choice;
		spoil_with = take();
		return;
	default: break;
	}
	if (peer->memory == NULL)
		return;
	switch (op) {
	case OP_SEND:
	case OP_SEND_AGAIN:
	case OP_SEND_MORE: op_send(peer); return;
	case OP_BIND: op_bind(peer, take()); return;
	case OP_RAW: op_raw(peer); return;
	case OP_BODY: /* more octets of a chunk that has not ended */
		say_text(choice >> 5, length_of(take()));
		said(peer);
		return;
	case OP_END:
		say("\r\n");
		say_end(peer, "$+#!"[choice >> 3 & 3]);
		said(peer);
		return;
	case OP_NICKNAME: op_nickname(peer, take()); return;
	case OP_REPORT: op_report(peer, take()); return;
	case OP_RESPOND: op_respond(peer, take()); return;
	case OP_RESPOND_ALL: op_respond_all(peer); return;
	case OP_CLOSE: op_close(peer, choice >> 3); return;
	case OP_WINDOW: op_window(peer, take()); return;
	case OP_READ: op_read(peer, take()); return;
	case OP_HEAR: hear(peer, choice & 0x80 ? MEMORY_NO_LIMIT : (choice >> 3) * 64u); return;
	default: return;
	}
}

/* A room, members in it, and their connections: what most inputs would have to begin with. */
static void scene(uint8_t choice)
{
	unsigned members = choice & 3, i;

	cmd_room_open(choice >> 2, (choice >> 3 & 3) | (choice & 0x80) >> 2);
	turn();
	for (i = 0; i < members; i++) {
		cmd_leg_add((uint8_t)(i << 1));
		turn();
		cmd_member(CMD_MEMBER_ADD, i, (uint8_t)(MEMBER_PRIVATE | (choice & 0x40) >> 1));
		if (choice & 0x20)
			op_dial((uint8_t)(0x80 | i << 2 | (i & 1)));
	}
	for (i = 0; i < 4; i++)
		turn();
}

static void begin(uint8_t first)
{
	unsigned w;

	g = &groups[first % WORKERS_MAX];
	if (g->shared.workers == 0)
		group_make(g, first % WORKERS_MAX + 1);
	net = memory_net_new();
	random_state = 0x9e3779b97f4a7c15ull ^ first;
	clock_now = CLOCK_START;
	epoch = tids_made = 0;
	attached = attaching = false;
	controller_reads = true;
	last_ask = 0;
	out_len = 0;
	spoil_with = 0;
	memset(message_edge, 0, sizeof(message_edge));
	memset(peers, 0, sizeof(peers));
	post_queue_init(&main_thread, -1);
	for (w = 0; w < g->shared.workers; w++) {
		struct worker *worker = g->worker[w];

		worker->now_ms = worker->ticked_at = clock_now;
		random_fill(worker->generator, sizeof(worker->generator));
		worker->nickname_number = 0;
		worker->short_of_memory = false;
		memset(&worker->drain, 0, sizeof(worker->drain));
		atomic_store(&worker->wants_relief, false);
		memset(&worker->counters, 0, sizeof(worker->counters));
		mailbox_init(&worker->mailbox);
		post_queue_init(&worker->posts, -1);
		worker->tcp = memory_tcp_new(net, &connection_tcp_ops, worker);
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	pool_renew(&worker->member);
#include "dataplane/pools.def"
	}
	attach(true);
	turn();
}

/* ---- the end ---- */

/* The buffer that the next read goes into is nobody's. */
static unsigned reads_into(const struct worker *worker, const char *pool)
{
	return strcmp(pool, "buffers") == 0 && worker->rx != NULL;
}

/* NULL: nothing is held; else what is. */
static const char *held_by(const struct worker *worker)
{
	if (!TAILQ_EMPTY(&worker->used) || !TAILQ_EMPTY(&worker->unused) ||
		memory_connections(worker->tcp) > 0)
		return "connections";
	if (worker->local != NULL || worker->lines_used != 0 || worker->paused != NULL ||
		worker->work != NULL || worker->reports_open != NULL)
		return "work";
	if (mailbox_holds(worker, 0))
		return "objects of the controller";
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	if (worker->member.free_count != worker->member.count - reads_into(worker, #name))         \
		return #name;
#include "dataplane/pools.def"
	return NULL;
}

static const char *held(void)
{
	const char *what;

	for (unsigned w = 0; w < g->shared.workers; w++)
		if ((what = held_by(g->worker[w])) != NULL)
			return what;
	return NULL;
}

static void close_rooms(void)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_CLOSE };
	struct room *room;
	unsigned w, i;

	for (w = 0; w < g->shared.workers; w++) {
		for (i = 0; i < g->worker[w]->rooms.fresh; i++) {
			room = pool_at(&g->worker[w]->rooms, i);
			if (!room->used || room->closing)
				continue;
			cmd.object = room_object_id(g->worker[w], room);
			submit(w, &cmd, NULL);
		}
	}
}

/* Everybody goes, and then time passes: nothing may be left. */
static void end(void)
{
	struct counters sum = { 0 };
	struct memory_peer *memory;
	const char *what = "";
	unsigned i, w;

	controller_reads = true;
	memory_connect_refuse(net, -ECONNREFUSED);
	for (i = 0; i < 3 && (attaching || !attached); i++) {
		attach(true);
		turn();
	}
	demand(attached && !attaching, "a controller is let in");
	for (i = 0; i < PEERS; i++) {
		if (peers[i].memory == NULL)
			continue;
		hear(&peers[i], MEMORY_NO_LIMIT);
		memory_window(peers[i].memory, MEMORY_NO_LIMIT);
		memory_let_read(peers[i].memory, MEMORY_NO_LIMIT);
		memory_close(peers[i].memory);
	}
	for (i = 0; i < END_TURNS && what != NULL; i++) {
		while ((memory = memory_next_connect(net)) != NULL)
			memory_connect_failed(memory, -ECONNREFUSED);
		close_rooms();
		turn();
		what = held();
		if (i > 4)
			clock_now += 1000; /* whatever waits for its time has it now */
	}
	if (what != NULL)
		broken("when all have gone nothing is held", what);
	for (w = 0; w < g->shared.workers; w++) {
		struct worker *worker = g->worker[w];

#define COUNTER(name, unit, text) sum.name += worker->counters.name;
#include "dataplane/counters.def"
		demand(post_take(&worker->posts) == NULL, "no post is on its way");
		if (worker->rx != NULL)
			buffer_put(worker, worker->rx);
		worker->rx = NULL;
		worker->rx_used = 0;
		tcp_free(worker->tcp);
	}
	demand(sum.copies_begun == sum.copies_whole + sum.copies_cut + sum.copies_dropped,
		"each copy that began has ended");
	memory_net_free(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned i, steps;
	uint8_t op;

	if (size < 2)
		return 0;
	tracing = getenv("PLENUM_FUZZ_TRACE") != NULL;
	input.at = data + 2;
	input.end = data + size;
	begin(data[0]);
	scene(data[1]);
	for (i = 0; i < OPERATIONS && input.at < input.end; i++) {
		op = take();
		operate((enum operation)(op & 31));
		steps = op >> 5;
		if (steps == 7)
			step_one(op & 31);
		else
			while (steps-- > 0)
				turn();
	}
	end();
	return 0;
}
