/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/world.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "dataplane/worker.h"
#include "include/controller.h"
#include "tests/sim/check.h"
#include "tests/sim/wire.h"
#include "tests/support/tcp_memory.h"

#define INSTANCE      7u
#define RING_OCTETS   65536u
#define CONTROLLERS   2u
#define PENDING_MAX   512u
#define QUIET_ROUNDS  6u     /* without any change: nothing moves any more */
#define ROUNDS_MAX    20000u /* to quiet; more is "stuck" */
#define CONGESTION_MS 120000u
#define BIND_MS       30000u
#define COUNT_CAP_MS  60000u
#define RECEPTION_MS  540000u
#define BODY_MAX      (160u * 1024)

/* A command that was put into a ring and not answered. */
struct pending {
	uint64_t cookie;
	uint16_t type;
	uint32_t object, set;
};

struct controller_run {
	bool attached, changing, snapshot;
	uint8_t *memory[WORLD_WORKERS_MAX][2];
	struct ring commands[WORLD_WORKERS_MAX], events[WORLD_WORKERS_MAX];
	struct attachment_change change[WORLD_WORKERS_MAX];
	struct post_queue main_thread;
	unsigned replies, snapshots;
	struct {
		struct pending at[PENDING_MAX];
		unsigned first, count;
	} pending[WORLD_WORKERS_MAX];
	bool draining[WORLD_WORKERS_MAX];
};

struct conn_run {
	struct memory_peer *peer;
	struct wire_in in;
	uint8_t *out; /* to be written: all of the stream from `out_base` on */
	uint64_t out_base, out_end, written;
	size_t out_room;
	uint32_t copy; /* whose chunk is being read */
	struct wire_item head;
	bool slow, silent, refuses;
	uint64_t frozen; /* a reset: what was read before it */
};

struct plan {
	uint32_t binding, message;
	struct sent chunks[24];
	unsigned count, next;
	bool simple; /* each octet is sent once, in order */
};

struct binding_run {
	unsigned waits; /* NICKNAMEs and binds not answered */
	bool settled;   /* was seen to be a member */
};

struct leg_run {
	uint32_t binding; /* that is believed to hold */
	bool snapshot_seen;
};

static struct world {
	struct history h;
	struct world_options options;
	uint64_t random;
	struct switch_shared shared;
	struct worker **worker;
	struct memory_net *net;
	struct controller_run controllers[CONTROLLERS];
	LIST(struct conn_run) conn_runs;
	LIST(struct binding_run) binding_runs;
	LIST(struct leg_run) leg_runs;
	LIST(struct plan) plans;
	uint32_t tick_room;
	uint64_t ms, cookie, moved;
	unsigned calm; /* per cent of what disturbs is left out */
	uint32_t tid;
	unsigned asleep[WORLD_WORKERS_MAX]; /* ops for which a worker is not stepped */
	void *hoard[WORLD_WORKERS_MAX][8];  /* lists of objects taken from pools */
	int null_fd;
	char failure[1024];
} W;

#define H (&W.h)

/* ---- the least ---- */

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...)
{
	va_list args;

	if (W.failure[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(W.failure, sizeof(W.failure), format, args);
	va_end(args);
	say("%s", W.failure);
}

static void say(const char *format, ...)
{
	va_list args;

	if (!W.options.verbose)
		return;
	fprintf(stderr, "%6u ", H->now);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void *list_add(void *list_at, size_t size)
{
	LIST(char) *list = list_at;

	if (list->count == list->room) {
		list->room = list->room * 2 + 16;
		list->at = realloc(list->at, list->room * size);
		if (list->at == NULL)
			abort();
	}
	memset(list->at + list->count * size, 0, size);
	return list->at + list->count++ * size;
}

static uint64_t random_next(void)
{
	uint64_t x = W.random += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint32_t below(uint32_t n)
{
	return n > 0 ? (uint32_t)(random_next() >> 11) % n : 0;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

/* Mostly small, up to `most`. */
static uint32_t some(uint32_t most)
{
	uint32_t n = below(most) + 1;

	return chance(60) ? below(n < 64 ? n : 64) + 1 : n;
}

static void random_fill(void *octets, size_t size)
{
	uint8_t *out = octets;

	while (size-- > 0)
		*out++ = (uint8_t)(random_next() >> 24);
}

static uint64_t clock_ms(void)
{
	return W.ms;
}

static void tick_next(uint8_t worker)
{
	if (++H->now >= W.tick_room) {
		W.tick_room = W.tick_room * 2 + 4096;
		H->stepped = realloc(H->stepped, W.tick_room);
		H->clock = realloc(H->clock, W.tick_room * sizeof(*H->clock));
		if (H->stepped == NULL || H->clock == NULL)
			abort();
	}
	H->stepped[H->now] = worker;
	H->clock[H->now] = W.ms;
}

static void act(void)
{
	tick_next(255);
}

/* ---- commands ---- */

static bool submit(unsigned slot, unsigned worker, struct switch_cmd *cmd,
	const struct text_builder *text, uint32_t object, uint32_t set)
{
	struct controller_run *c = &W.controllers[slot];
	unsigned at;

	if (!c->attached || c->changing || c->snapshot || c->pending[worker].count == PENDING_MAX)
		return false;
	cmd->cookie = ++W.cookie;
	cmd->text_len = text != NULL ? text->len : 0;
	if (ring_put(&c->commands[worker], cmd, sizeof(*cmd), text != NULL ? text->octets : NULL,
		    cmd->text_len) != 0)
		return false;
	ring_flush(&c->commands[worker]);
	at = (c->pending[worker].first + c->pending[worker].count++) % PENDING_MAX;
	c->pending[worker].at[at] = (struct pending){ cmd->cookie, cmd->type, object, set };
	say("command %s room/leg %u at worker %u", switch_command_name(cmd->type), object, worker);
	return true;
}

static struct text_ref text(struct text_builder *b, const char *string)
{
	struct text_ref ref = { 0, 0 };

	if (string != NULL && string[0] != '\0' &&
		text_put(b, span_make(string, strlen(string)), &ref) != 0)
		abort();
	return ref;
}

static struct sim_room *room_at(uint32_t index)
{
	return &H->rooms.at[index];
}

static struct sim_leg *leg_at(uint32_t index)
{
	return &H->legs.at[index];
}

static unsigned leg_home(uint32_t index)
{
	return room_at(leg_at(index)->room)->home;
}

/* What is in force when all that was sent has been done. */
static struct leg_set *leg_last(uint32_t index)
{
	struct sim_leg *leg = leg_at(index);

	return leg->sets.count > 0 ? &leg->sets.at[leg->sets.count - 1] : NULL;
}

static bool leg_lives(uint32_t index)
{
	const struct sim_leg *leg = leg_at(index);

	return leg->added != NEVER && leg->remove_sent == NEVER &&
	       room_at(leg->room)->close_sent == NEVER;
}

static void tag_set(struct object_tag *tag, char kind, uint32_t index)
{
	snprintf((char *)tag->octets, sizeof(tag->octets), "%c%u", kind, index);
}

static void room_settings_fill(
	struct switch_cmd *cmd, struct text_builder *b, const struct sim_room *room)
{
	const struct room_set *set = &room->sets.at[room->sets.count - 1];
	char uris[80];

	snprintf(uris, sizeof(uris), "%s\n", room->uri);
	cmd->u.room.flags = set->flags;
	cmd->u.room.max_message = set->max_message;
	cmd->u.room.uris = text(b, uris);
	cmd->u.room.wrapped = text(b, room->wrapped);
}

static void room_set_random(struct room_set *set)
{
	set->flags = (chance(60) ? ROOM_PRIVATE : 0) | (chance(70) ? ROOM_NICKNAME : 0);
	set->max_message = chance(70) ? 0 : chance(50) ? 4000 : 30000;
	set->sent = H->now;
	set->done = NEVER;
}

static void op_room_open(void)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN };
	struct text_builder b = { 0 };
	uint32_t index = H->rooms.count;
	struct sim_room *room;

	if (index >= 6)
		return;
	room = ADD(H->rooms);
	act();
	room->home = below(H->workers);
	room->slot = below(CONTROLLERS);
	room->opened = room->close_sent = room->closed = room->drained = NEVER;
	room->wrapped = chance(70) ? "*" : "text/plain message/imdn+xml";
	snprintf(room->uri, sizeof(room->uri), "sip:room%u@example.com", index);
	room_set_random(ADD(room->sets));
	tag_set(&cmd.tag, 'r', index);
	room_settings_fill(&cmd, &b, room);
	if (!submit(room->slot, room->home, &cmd, &b, index, 0))
		H->rooms.count--;
}

static void op_room_set(uint32_t index)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_SET };
	struct text_builder b = { 0 };
	struct sim_room *room = room_at(index);

	if (room->opened == NEVER || room->close_sent != NEVER)
		return;
	act();
	room_set_random(ADD(room->sets));
	cmd.object = room->id;
	room_settings_fill(&cmd, &b, room);
	if (!submit(room->slot, room->home, &cmd, &b, index, room->sets.count - 1))
		room->sets.count--;
}

static void op_room_close(uint32_t index)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_CLOSE };
	struct sim_room *room = room_at(index);

	if (room->opened == NEVER || room->close_sent != NEVER)
		return;
	act();
	cmd.object = room->id;
	if (submit(room->slot, room->home, &cmd, NULL, index, 0))
		room->close_sent = H->now;
}

static void op_leg_add(uint32_t room_index, bool active)
{
	struct switch_cmd cmd = { .type = CMD_LEG_ADD };
	struct text_builder b = { 0 };
	struct sim_room *room = room_at(room_index);
	uint32_t index = H->legs.count, i, same = NONE;
	struct sim_leg *leg, *other;

	if (room->opened == NEVER || room->close_sent != NEVER || index >= 40 ||
		W.controllers[room->slot].draining[room->home])
		return;
	act();
	/* A second device of somebody, now and then. */
	for (i = 0; i < index; i++)
		if (H->legs.at[i].room == room_index && chance(15))
			same = i;
	leg = ADD(H->legs);
	ADD(W.leg_runs);
	W.leg_runs.at[index].binding = NONE;
	leg->room = room_index;
	leg->added = leg->remove_sent = leg->removed = leg->gone = NEVER;
	leg->active = active;
	snprintf(leg->name, sizeof(leg->name), "leg%u", index);
	if (same != NONE) {
		other = leg_at(same);
		leg->participant = other->participant;
		strcpy(leg->address, other->address);
		strcpy(leg->alias, other->alias);
		leg->hidden = other->hidden;
	} else {
		leg->participant = index;
		snprintf(leg->address, sizeof(leg->address), "sip:user%u@example.com", index);
		snprintf(leg->alias, sizeof(leg->alias),
			chance(50) ? "<sip:anon-%u@anonymous.invalid>"
				   : "\"Somebody\" <sip:anonymous-caller-%u@anonymous.invalid>",
			index);
		leg->hidden = chance(8);
	}
	leg->private = chance(75);
	leg->wrapped = chance(80) ? "*" : chance(50) ? "text/plain" : "text/* message/imdn+xml";
	snprintf(leg->path, sizeof(leg->path), "msrp://192.0.2.%u:%u/peer%u;tcp", index % 250 + 1,
		5000 + index, index);
	tag_set(&cmd.tag, 'l', index);
	cmd.object = room->id;
	cmd.u.leg.setup = active ? LEG_ACTIVE : LEG_PASSIVE;
	cmd.u.leg.bind_ms = BIND_MS;
	cmd.u.leg.path = text(&b, leg->path);
	if (!submit(room->slot, room->home, &cmd, &b, index, 0)) {
		H->legs.count--;
		W.leg_runs.count--;
	}
}

static void op_leg_remove(uint32_t index)
{
	struct switch_cmd cmd = { .type = CMD_LEG_REMOVE };
	struct sim_leg *leg = leg_at(index);

	if (!leg_lives(index))
		return;
	act();
	cmd.object = leg->id;
	if (submit(room_at(leg->room)->slot, leg_home(index), &cmd, NULL, index, 0))
		leg->remove_sent = H->now;
}

/* The peer's path stays; one rebind may be permitted. */
static void op_leg_update(uint32_t index, bool rebind)
{
	struct switch_cmd cmd = { .type = CMD_LEG_UPDATE };
	struct text_builder b = { 0 };
	struct sim_leg *leg = leg_at(index);
	tick *at;

	if (!leg_lives(index) || leg->active)
		return;
	act();
	cmd.object = leg->id;
	cmd.u.leg.setup = LEG_PASSIVE;
	cmd.u.leg.rebind = rebind;
	cmd.u.leg.bind_ms = BIND_MS;
	cmd.u.leg.path = text(&b, leg->path);
	if (submit(room_at(leg->room)->slot, leg_home(index), &cmd, &b, index, 0) && rebind) {
		at = ADD(leg->rebinds);
		*at = H->now;
	}
}

static void member(uint32_t index, enum switch_command type, const struct leg_set *wanted)
{
	struct switch_cmd cmd = { .type = type };
	struct text_builder b = { 0 };
	struct sim_leg *leg = leg_at(index);
	struct leg_set *set;
	char identities[80];

	if (!leg_lives(index))
		return;
	act();
	set = ADD(leg->sets);
	*set = *wanted;
	set->sent = H->now;
	set->done = NEVER;
	cmd.object = leg->id;
	cmd.u.member.flags = (leg->hidden ? MEMBER_HIDDEN : 0) |
			     (leg->private ? MEMBER_PRIVATE : 0) | (set->muted ? MEMBER_MUTED : 0) |
			     (set->no_private ? MEMBER_NO_PRIVATE : 0);
	cmd.u.member.participant = leg->participant;
	snprintf(identities, sizeof(identities), "%s\n", leg->address);
	cmd.u.member.identities = text(&b, identities);
	cmd.u.member.alias = text(&b, set->alias ? leg->alias : "");
	cmd.u.member.wrapped = text(&b, leg->wrapped);
	if (!submit(room_at(leg->room)->slot, leg_home(index), &cmd, &b, index,
		    leg->sets.count - 1))
		leg->sets.count--;
	else
		say("leg %u: member %u alias %u muted %u", index, set->member, set->alias,
			set->muted);
}

static void op_member(uint32_t index)
{
	struct leg_set *last = leg_last(index), set = { 0 };
	unsigned what = below(10);

	if (!leg_lives(index))
		return;
	if (last == NULL || !last->member) {
		set.member = true;
		set.alias = chance(20);
		set.no_private = chance(10);
		member(index, CMD_MEMBER_ADD, &set);
		return;
	}
	set = *last;
	if (what < 3) {
		set.member = false;
		member(index, CMD_MEMBER_REMOVE, &set);
	} else if (what < 7) {
		set.alias = !set.alias;
		member(index, CMD_MEMBER_ALIAS, &set);
	} else {
		set.muted = !set.muted;
		member(index, CMD_MEMBER_MUTE, &set);
	}
}

static void op_drain(void)
{
	struct switch_cmd cmd = { .type = CMD_DRAIN };
	unsigned slot = below(CONTROLLERS), worker = below(H->workers);

	act();
	if (submit(slot, worker, &cmd, NULL, 0, 0))
		W.controllers[slot].draining[worker] = true;
}

/* ---- events ---- */

static void pending_done(unsigned slot, unsigned worker, const struct pending *p, int result,
	const struct switch_event *event, const char *uri)
{
	struct sim_room *room;
	struct sim_leg *leg;

	switch ((enum switch_command)p->type) {
	case CMD_ROOM_OPEN:
		room = room_at(p->object);
		if (result != 0 && result != -EPROTO && !(H->scarce && result == -ENOBUFS))
			fail("a room was refused: %d", result);
		if (result != 0)
			return;
		room->opened = room->sets.at[0].done = H->now;
		if (event != NULL)
			room->id = event->object;
		return;
	case CMD_ROOM_SET: room_at(p->object)->sets.at[p->set].done = H->now; return;
	case CMD_ROOM_CLOSE: room_at(p->object)->closed = H->now; break;
	case CMD_LEG_ADD:
		leg = leg_at(p->object);
		if (result != 0 && room_at(leg->room)->close_sent == NEVER &&
			!W.controllers[slot].draining[worker] && !(H->scarce && result == -ENOBUFS))
			fail("a leg was refused: %d", result);
		if (result != 0)
			return;
		leg->added = H->now;
		if (event != NULL) {
			leg->id = event->object;
			snprintf(leg->uri, sizeof(leg->uri), "%.*s", event->u.leg.uri.len,
				uri + event->u.leg.uri.at);
		}
		return;
	case CMD_LEG_REMOVE: leg_at(p->object)->removed = H->now; break;
	case CMD_MEMBER_ADD:
	case CMD_MEMBER_REMOVE:
	case CMD_MEMBER_ALIAS:
	case CMD_MEMBER_MUTE: leg_at(p->object)->sets.at[p->set].done = H->now; break;
	default: break;
	}
	if (result == 0 || (p->type == CMD_NICKNAME && result == -ENOENT))
		return;
	/* What has gone meanwhile is not there. */
	if (result == -ENOENT && p->type != CMD_ROOM_CLOSE &&
		(leg_at(p->object)->remove_sent != NEVER ||
			room_at(leg_at(p->object)->room)->close_sent != NEVER))
		return;
	fail("command %s was answered %d", switch_command_name(p->type), result);
}

static uint32_t by_tag(const struct object_tag *tag)
{
	return (uint32_t)atoi((const char *)tag->octets + 1);
}

static uint32_t tagged(const struct switch_event *event, char kind, uint32_t count)
{
	uint32_t index = by_tag(&event->tag);

	if (event->tag.octets[0] != (uint8_t)kind || index >= count) {
		fail("an event about nothing: %s", switch_event_name(event->type));
		return NONE;
	}
	return index;
}

static void leg_heard(uint32_t index, const struct leg_status *status)
{
	struct sim_leg *leg = leg_at(index);
	uint32_t i, asked = NONE;
	unsigned open = 0;

	if (status->bindings < leg->status.bindings)
		fail("leg %u: fewer bindings than before", index);
	/* Whose bind it was is sure only if one was asked for. */
	if (status->state == LEG_BOUND && status->bindings == leg->status.bindings + 1) {
		for (i = 0; i < H->bindings.count; i++) {
			if (H->bindings.at[i].leg == index && H->bindings.at[i].heard == NEVER &&
				(H->bindings.at[i].answered == NEVER ||
					H->bindings.at[i].status == 200)) {
				open++;
				asked = i;
			}
		}
		if (open == 1) {
			H->bindings.at[asked].heard = H->now;
			if (H->bindings.at[asked].active) {
				H->bindings.at[asked].answered = H->now;
				H->bindings.at[asked].status = 200;
			}
			W.leg_runs.at[index].binding = asked;
		}
	}
	leg->status = *status;
	say("leg %u: state %u cause %u congested %u bindings %u", index, status->state,
		status->cause, status->congested, (unsigned)status->bindings);
}

static void nickname_heard(
	uint32_t index, const struct switch_event *event, const char *octets, unsigned slot)
{
	struct switch_cmd cmd = { .type = CMD_NICKNAME };
	static const uint32_t decisions[] = { 200, 403, 424, 425 };
	struct nickname *nickname = NULL;
	uint32_t i;

	for (i = 0; i < H->nicknames.count; i++)
		if (strlen(H->nicknames.at[i].tid) == event->u.nickname.name.len &&
			memcmp(octets + event->u.nickname.name.at, H->nicknames.at[i].tid,
				event->u.nickname.name.len) == 0)
			nickname = &H->nicknames.at[i];
	if (nickname == NULL || nickname->asked || H->bindings.at[nickname->binding].leg != index) {
		fail("a nickname that nobody asked for");
		return;
	}
	nickname->asked = true;
	if (chance(20))
		return; /* the switch refuses it after 10 s */
	cmd.object = leg_at(index)->id;
	cmd.u.nickname.ask = event->u.nickname.ask;
	cmd.u.nickname.status = decisions[below(4)];
	if (submit(slot, leg_home(index), &cmd, NULL, index, 0))
		nickname->decided = cmd.u.nickname.status;
}

static void event_heard(
	unsigned slot, unsigned worker, const struct switch_event *event, const char *octets)
{
	struct controller_run *c = &W.controllers[slot];
	struct pending p;
	uint32_t index;

	W.moved++;
	switch ((enum switch_event_type)event->type) {
	case EVENT_ANSWER:
		if (c->pending[worker].count == 0) {
			fail("an answer to no command");
			return;
		}
		p = c->pending[worker].at[c->pending[worker].first];
		c->pending[worker].first = (c->pending[worker].first + 1) % PENDING_MAX;
		c->pending[worker].count--;
		if (p.cookie != event->cookie)
			fail("answers out of order");
		say("answer %d to %s room/leg %u", event->result, switch_command_name(p.type),
			p.object);
		pending_done(slot, worker, &p, event->result, event, octets);
		break;
	case EVENT_LEG:
		index = tagged(event, 'l', H->legs.count);
		if (index != NONE)
			leg_heard(index, &event->u.leg.status);
		break;
	case EVENT_NICKNAME_ASKED:
		index = tagged(event, 'l', H->legs.count);
		if (index != NONE)
			nickname_heard(index, event, octets, slot);
		break;
	case EVENT_ROOM:
	case EVENT_ROOM_DRAINED:
		index = tagged(event, 'r', H->rooms.count);
		if (index == NONE)
			break;
		room_at(index)->counts = event->u.room;
		if (event->type == EVENT_ROOM_DRAINED) {
			if (room_at(index)->closed == NEVER || room_at(index)->drained != NEVER)
				fail("room %u is drained, and was not to be", index);
			room_at(index)->drained = H->now;
			say("room %u drained", index);
		}
		break;
	case EVENT_LEG_GONE:
		index = tagged(event, 'l', H->legs.count);
		if (index == NONE)
			break;
		if (leg_lives(index) || leg_at(index)->gone != NEVER)
			fail("leg %u is gone, and was not to be", index);
		leg_at(index)->gone = H->now;
		say("leg %u gone", index);
		break;
	case EVENT_SNAPSHOT_ROOM:
		index = tagged(event, 'r', H->rooms.count);
		if (index != NONE) {
			room_at(index)->id = event->object;
			if (room_at(index)->opened == NEVER)
				fail("the snapshot names room %u", index);
		}
		break;
	case EVENT_SNAPSHOT_LEG:
		index = tagged(event, 'l', H->legs.count);
		if (index == NONE)
			break;
		if (leg_at(index)->added == NEVER || W.leg_runs.at[index].snapshot_seen)
			fail("the snapshot names leg %u wrongly", index);
		W.leg_runs.at[index].snapshot_seen = true;
		leg_at(index)->id = event->object;
		snprintf(leg_at(index)->uri, sizeof(leg_at(index)->uri), "%.*s",
			event->u.leg.uri.len, octets + event->u.leg.uri.at);
		leg_heard(index, &event->u.leg.status);
		if (event->u.leg.status.member !=
			(leg_last(index) != NULL && leg_last(index)->member))
			fail("the snapshot of leg %u says membership %u", index,
				event->u.leg.status.member);
		break;
	case EVENT_SNAPSHOT_END:
		for (index = 0; index < H->legs.count; index++) {
			struct sim_room *room = room_at(leg_at(index)->room);

			if (room->slot == slot && room->home == worker && leg_lives(index) &&
				!W.leg_runs.at[index].snapshot_seen)
				fail("the snapshot leaves leg %u out", index);
			if (room->slot == slot && room->home == worker)
				W.leg_runs.at[index].snapshot_seen = false;
		}
		if (++c->snapshots == H->workers)
			c->snapshot = false;
		break;
	case EVENT_DRAINING: break;
	case EVENT_COUNT: break;
	}
}

static void events_take(unsigned worker)
{
	static _Alignas(8) uint8_t record[RING_RECORD_MAX];
	const struct switch_event *event = (const struct switch_event *)record;
	unsigned slot;
	int len;

	for (slot = 0; slot < CONTROLLERS; slot++) {
		struct ring *ring = &W.controllers[slot].events[worker];

		if (!W.controllers[slot].attached)
			continue;
		while ((len = ring_get(ring, record)) > 0) {
			if ((size_t)len < sizeof(*event) ||
				(size_t)len != sizeof(*event) + event->text_len)
				fail("an event of a wrong length");
			else
				event_heard(
					slot, worker, event, (const char *)record + sizeof(*event));
		}
		if (len < 0)
			fail("the event ring is broken");
		ring_release(ring);
	}
}

/* ---- attachments ---- */

static void end_make(unsigned slot, unsigned worker)
{
	struct controller_run *c = &W.controllers[slot];
	struct attachment_end *end = &c->change[worker].end;
	unsigned i;

	for (i = 0; i < 2; i++) {
		free(c->memory[worker][i]);
		c->memory[worker][i] =
			aligned_alloc(64, (ring_shared_size(RING_OCTETS) + 63) & ~63ul);
		ring_format((struct ring_shared *)(void *)c->memory[worker][i]);
	}
	if (ring_open(&c->commands[worker], (void *)c->memory[worker][0], RING_OCTETS) != 0 ||
		ring_open(&end->commands, (void *)c->memory[worker][0], RING_OCTETS) != 0 ||
		ring_open(&c->events[worker], (void *)c->memory[worker][1], RING_OCTETS) != 0 ||
		ring_open(&end->events, (void *)c->memory[worker][1], RING_OCTETS) != 0)
		abort();
	end->controller_fd = W.null_fd;
}

static void attachment_post(unsigned slot, bool attach)
{
	struct controller_run *c = &W.controllers[slot];
	unsigned w;

	c->changing = true;
	c->replies = 0;
	for (w = 0; w < H->workers; w++) {
		if (attach)
			end_make(slot, w);
		c->change[w].slot = (uint8_t)slot;
		c->change[w].attached = attach;
		c->change[w].reply = &c->main_thread;
		post_send(&W.worker[w]->posts, &c->change[w].post, POST_ATTACHMENT);
	}
}

static void snapshot_ask(unsigned slot)
{
	struct controller_run *c = &W.controllers[slot];
	struct switch_cmd cmd = { .type = CMD_SNAPSHOT };
	unsigned w;

	c->snapshots = 0;
	for (w = 0; w < H->workers; w++) {
		c->snapshot = false;
		cmd.cookie = ++W.cookie;
		if (ring_put(&c->commands[w], &cmd, sizeof(cmd), NULL, 0) != 0)
			abort();
		ring_flush(&c->commands[w]);
	}
	c->snapshot = true;
}

static void replies_take(void)
{
	struct controller_run *c;
	struct post *post;
	unsigned slot, worker, n;

	for (slot = 0; slot < CONTROLLERS; slot++) {
		c = &W.controllers[slot];
		while ((post = post_take(&c->main_thread)) != NULL) {
			for (worker = 0; &c->change[worker].post != post; worker++)
				;
			W.moved++;
			if (!c->change[worker].attached) {
				/* What it had put into the ring has been done in this step. */
				for (n = c->pending[worker].count; n > 0; n--) {
					pending_done(slot, worker,
						&c->pending[worker].at[c->pending[worker].first], 0,
						NULL, NULL);
					c->pending[worker].first =
						(c->pending[worker].first + 1) % PENDING_MAX;
				}
				c->pending[worker].count = 0;
			}
			c->draining[worker] = false;
			if (++c->replies < H->workers)
				continue;
			c->changing = false;
			c->attached = c->change[worker].attached;
			say("controller %u %s", slot, c->attached ? "attached" : "detached");
			if (c->attached)
				snapshot_ask(slot);
		}
	}
}

static void op_attachment(unsigned slot)
{
	struct controller_run *c = &W.controllers[slot];

	if (c->changing || c->snapshot)
		return;
	act();
	say("controller %u %s", slot, c->attached ? "detaches" : "attaches");
	attachment_post(slot, !c->attached);
}

/* ---- what peers read ---- */

static void out_add(uint32_t conn, const void *octets, size_t len)
{
	struct conn_run *run = &W.conn_runs.at[conn];
	size_t held = (size_t)(run->out_end - run->out_base);

	if (run->out_base < run->written && held > 0) {
		size_t gone = (size_t)(run->written - run->out_base);

		memmove(run->out, run->out + gone, held - gone);
		run->out_base = run->written;
		held -= gone;
	}
	if (held + len > run->out_room) {
		run->out_room = (held + len) * 2;
		run->out = realloc(run->out, run->out_room);
		if (run->out == NULL)
			abort();
	}
	memcpy(run->out + held, octets, len);
	run->out_end += len;
}

static bool conn_open(uint32_t conn)
{
	return H->conns.at[conn].close_began == NEVER && H->conns.at[conn].closed == NEVER;
}

/* The binding of this connection whose peer's path this is. */
static uint32_t binding_by_path(uint32_t conn, const char *path)
{
	uint32_t i, found = NONE;

	for (i = 0; i < H->bindings.count; i++)
		if (H->bindings.at[i].conn == conn && H->bindings.at[i].leg != NONE &&
			strcmp(leg_at(H->bindings.at[i].leg)->path, path) == 0)
			found = i;
	return found;
}

static void respond(uint32_t conn, const struct wire_item *item, unsigned status)
{
	char line[1600];
	int len = snprintf(line, sizeof(line),
		"MSRP %s %u%s\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n", item->tid, status,
		status == 200 ? " OK" : "", item->from, item->to, item->tid);

	out_add(conn, line, (size_t)len);
}

static void copy_octets(struct copy *copy, const uint8_t *octets, size_t len)
{
	const char *at;
	unsigned number;

	if (copy->len + len > copy->room) {
		copy->room = (copy->len + len) * 2;
		copy->octets = realloc(copy->octets, copy->room + 1);
		if (copy->octets == NULL)
			abort();
	}
	if (len > 0)
		memcpy(copy->octets + copy->len, octets, len);
	copy->len += len;
	if (copy->message != NONE)
		return;
	at = memmem(copy->octets, copy->len, "Subject: sim-", 13);
	if (at == NULL || memchr(at, '\r', copy->len - (size_t)(at - (char *)copy->octets)) == NULL)
		return;
	number = (unsigned)atoi(at + 13);
	if (number < H->messages.count)
		copy->message = number;
	else
		fail("a message that nobody sent");
}

static void peer_send_head(uint32_t conn, const struct wire_item *item)
{
	struct conn_run *run = &W.conn_runs.at[conn];
	uint32_t binding = binding_by_path(conn, item->to), i;
	struct copy *copy = NULL;

	if (binding == NONE || strcmp(item->from, leg_at(H->bindings.at[binding].leg)->uri) != 0) {
		fail("connection %u got what is to %s from %s", conn, item->to, item->from);
		return;
	}
	if (strcmp(item->type, "message/cpim") != 0 || !item->has_range || item->success_report ||
		item->failure_report == 'n' || item->id[0] == '\0')
		fail("connection %u: the headers of a copy are wrong", conn);
	for (i = 0; i < H->copies.count; i++)
		if (H->copies.at[i].binding == binding && strcmp(H->copies.at[i].id, item->id) == 0)
			copy = &H->copies.at[i];
	if (copy == NULL) {
		copy = ADD(H->copies);
		*copy = (struct copy){
			.binding = binding, .message = NONE, .begun = H->now, .ended = NEVER
		};
		strcpy(copy->id, item->id);
		say("copy %u begins: %s to leg %u", H->copies.count - 1, item->id,
			H->bindings.at[binding].leg);
	} else if (copy->flag != 0) {
		fail("leg %u: %s goes on after its end", H->bindings.at[binding].leg, item->id);
	}
	if (item->start != copy->len + 1)
		fail("leg %u: %s begins at %llu behind %llu octets", H->bindings.at[binding].leg,
			item->id, (unsigned long long)item->start, (unsigned long long)copy->len);
	copy->chunks++;
	run->copy = (uint32_t)(copy - H->copies.at);
}

static void peer_send_whole(uint32_t conn, const struct wire_item *item)
{
	struct conn_run *run = &W.conn_runs.at[conn];
	struct copy *copy = &H->copies.at[run->copy];
	unsigned status;

	copy_octets(copy, item->body, item->body_len);
	if (item->flag != '#' && item->end != WIRE_STAR && item->end != copy->len)
		fail("copy %u: the range of %s is %llu to %llu and it ends at %llu with %c",
			run->copy, item->tid, (unsigned long long)item->start,
			(unsigned long long)item->end, (unsigned long long)copy->len, item->flag);
	if (item->flag == '$' && item->total != WIRE_STAR && item->total != copy->len)
		fail("copy %u: of %llu octets %llu came", run->copy,
			(unsigned long long)item->total, (unsigned long long)copy->len);
	if (item->flag != '+') {
		copy->flag = item->flag;
		copy->ended = H->now;
		say("copy %u of message %u ends with %c: %llu octets", run->copy, copy->message,
			item->flag, (unsigned long long)copy->len);
		if (item->flag == '$' && copy->message == NONE)
			fail("a message without its head");
	}
	if (item->failure_report == 'y')
		copy->asked++;
	if (!conn_open(conn) || (item->failure_report != 'y' && !(run->refuses && chance(5))))
		return;
	if (item->failure_report == 'y' && run->silent && chance(40))
		return;
	status = item->failure_report != 'y' || (run->refuses && chance(20)) ? 413 : 200;
	copy->answer_begins = run->out_end;
	respond(conn, item, status);
	if (status == 200) {
		copy->answered++;
	} else {
		copy->refused++;
		H->bindings.at[copy->binding].refuses = true;
	}
	copy->answer_ends = run->out_end;
}

static void peer_report(uint32_t conn, const struct wire_item *item)
{
	uint32_t binding = binding_by_path(conn, item->to), i;
	struct sim_message *message;

	if (binding == NONE || strcmp(item->from, leg_at(H->bindings.at[binding].leg)->uri) != 0 ||
		!item->has_range || item->start != 1 ||
		(item->status == 200 && item->end != item->total)) {
		fail("connection %u: a REPORT that makes no sense", conn);
		return;
	}
	if (item->id[0] == 'b')
		return; /* about a bodiless SEND: counted with its answer */
	for (i = 0; i < H->messages.count; i++) {
		message = &H->messages.at[i];
		if (H->bindings.at[message->binding].conn != conn ||
			strcmp(message->id, item->id) != 0)
			continue;
		if (item->status != 200) {
			message->losses++;
			say("REPORT of message %u: %u", i, item->status);
			return;
		}
		if (message->reports > 0) {
			/* About one that came again: RFC 4975 7.3.1, acknowledged as usual. */
			if (item->has_count || item->end != message->len)
				fail("message %u has two REPORTs that count", i);
			return;
		}
		message->reports++;
		message->has_count = item->has_count;
		message->reported_count = item->count;
		message->reported = H->now;
		message->reported_octets = item->end;
		say("REPORT of message %u, count %d", i, item->has_count ? (int)item->count : -1);
		return;
	}
	fail("connection %u: a REPORT of %s, which asked for none, or one too many", conn,
		item->id);
}

static void peer_response(uint32_t conn, const struct wire_item *item)
{
	struct binding *binding;
	struct sent *sent;
	uint32_t i;

	for (i = 0; i < H->nicknames.count; i++) {
		struct nickname *n = &H->nicknames.at[i];

		if (H->bindings.at[n->binding].conn != conn || strcmp(n->tid, item->tid) != 0)
			continue;
		n->answers++;
		n->status = item->status;
		W.binding_runs.at[n->binding].waits--;
		say("NICKNAME %s of leg %u: %u", n->tid, H->bindings.at[n->binding].leg,
			item->status);
		return;
	}
	for (i = H->sents.count; i-- > 0;) {
		sent = &H->sents.at[i];
		if (H->bindings.at[sent->binding].conn != conn || strcmp(sent->tid, item->tid) != 0)
			continue;
		if (sent->answers++ == 0) {
			sent->status = item->status;
			sent->answered = H->now;
		}
		say("answer %u to %s of message %d", item->status, sent->tid, (int)sent->message);
		if (!sent->binds)
			return;
		W.binding_runs.at[sent->binding].waits--;
		binding = &H->bindings.at[sent->binding];
		if (binding->answered != NEVER)
			return;
		binding->answered = H->now;
		binding->status = item->status;
		if (item->status != 481 && item->status != 506 && binding->leg != NONE) {
			binding->status = 200;
			W.leg_runs.at[binding->leg].binding = sent->binding;
		}
		return;
	}
	fail("connection %u: a response to nothing: %s", conn, item->tid);
}

static void peer_take(uint32_t conn, size_t most)
{
	struct conn_run *run = &W.conn_runs.at[conn];
	struct span sent = memory_sent(run->peer);
	struct wire_item *item;
	enum wire_result result;

	if (sent.len > most)
		sent.len = most;
	if (sent.len == 0)
		return;
	W.moved++;
	wire_add(&run->in, sent.at, sent.len);
	memory_take(run->peer, sent.len);
	while ((result = wire_next(&run->in, &item)) != WIRE_MORE && W.failure[0] == '\0') {
		if (result == WIRE_BAD)
			fail("connection %u: %s", conn, run->in.error);
		else if (result == WIRE_HEAD && strcmp(item->method, "REPORT") == 0)
			continue; /* of a failure: it says about whose private message to whom */
		else if (result == WIRE_HEAD)
			peer_send_head(conn, item);
		else if (!item->request)
			peer_response(conn, item);
		else if (strcmp(item->method, "REPORT") == 0)
			peer_report(conn, item);
		else if (strcmp(item->method, "SEND") == 0 && item->has_body)
			peer_send_whole(conn, item);
		else if (strcmp(item->method, "SEND") == 0 &&
			 H->conns.at[conn].close_began == NEVER)
			respond(conn, item, 200); /* the bodiless one of who connects */
	}
}

/* ---- steps ---- */

static void read_measure(uint32_t index)
{
	struct conn *conn = &H->conns.at[index];
	struct conn_run *run = &W.conn_runs.at[index];
	uint64_t octets = run->written - memory_unread(run->peer);
	struct reading *reading;

	if (conn->reset ||
		(conn->readings.count > 0 &&
			conn->readings.at[conn->readings.count - 1].octets == octets) ||
		octets == 0)
		return;
	W.moved++;
	reading = ADD(conn->readings);
	*reading = (struct reading){ H->now, octets };
}

static void partial_keep(uint32_t index)
{
	struct conn_run *run = &W.conn_runs.at[index];
	const uint8_t *octets;
	size_t len = wire_partial(&run->in, &octets);

	if (len > 0 && run->in.open && strcmp(run->in.item.method, "SEND") == 0 &&
		W.failure[0] == '\0')
		copy_octets(&H->copies.at[run->copy], octets, len);
	run->in.open = false;
	run->in.used = run->in.len;
}

static void conns_look(unsigned worker)
{
	uint32_t i;

	for (i = 0; i < H->conns.count; i++) {
		struct conn *conn = &H->conns.at[i];
		struct conn_run *run = &W.conn_runs.at[i];

		if (conn->worker != worker || conn->closed != NEVER)
			continue;
		read_measure(i);
		if (conn->reset)
			continue;
		if (!run->slow)
			peer_take(i, SIZE_MAX);
		if (memory_closed_by_switch(run->peer) && conn->close_began == NEVER) {
			peer_take(i, SIZE_MAX);
			conn->closed = H->now;
			conn->by_switch = true;
			partial_keep(i);
			say("connection %u closed by the switch", i);
			W.moved++;
		}
	}
}

static void step(unsigned worker)
{
	tick_next((uint8_t)worker);
	if (chance(20))
		memory_begin_with(W.worker[worker]->tcp, below(16));
	worker_step(W.worker[worker], false);
	conns_look(worker);
	events_take(worker);
	replies_take();
}

static void steps(unsigned count)
{
	unsigned worker, tries;

	while (count-- > 0 && W.failure[0] == '\0') {
		for (tries = 0; tries < 8; tries++) {
			worker = below(H->workers);
			if (W.asleep[worker] == 0)
				break;
		}
		if (W.asleep[worker] == 0)
			step(worker);
	}
}

/* ---- connections ---- */

static uint32_t conn_add(unsigned worker, struct memory_peer *peer)
{
	struct conn *conn = ADD(H->conns);
	struct conn_run *run = ADD(W.conn_runs);

	conn->worker = worker;
	conn->opened = H->now;
	conn->close_began = conn->closed = NEVER;
	run->peer = peer;
	run->silent = chance(10);
	run->refuses = chance(10);
	return H->conns.count - 1;
}

static uint32_t dial(unsigned worker)
{
	uint32_t index;

	act();
	index = conn_add(worker, memory_dial(W.worker[worker]->tcp));
	say("connection %u to worker %u", index, worker);
	return index;
}

static uint32_t binding_add(uint32_t leg, uint32_t conn)
{
	struct binding *binding = ADD(H->bindings);

	ADD(W.binding_runs);
	*binding = (struct binding){ .leg = leg,
		.conn = conn,
		.asked = H->now,
		.answered = NEVER,
		.heard = NEVER,
		.rivalled = NEVER };
	return H->bindings.count - 1;
}

static const char *failure_text(char failure)
{
	return failure == 'n'   ? "Failure-Report: no\r\n"
	       : failure == 'p' ? "Failure-Report: partial\r\n"
	       : chance(50)     ? "Failure-Report: yes\r\n"
				: "";
}

static void range_text(char *out, size_t size, const struct sent *s)
{
	char end[24] = "*", total[24] = "*";

	if (s->says_end != WIRE_STAR)
		snprintf(end, sizeof(end), "%llu", (unsigned long long)s->says_end);
	if (s->says_total != WIRE_STAR)
		snprintf(total, sizeof(total), "%llu", (unsigned long long)s->says_total);
	snprintf(out, size, "Byte-Range: %llu-%s/%s\r\n", (unsigned long long)s->start, end, total);
}

/* Puts a SEND at the end of what its connection will write. */
static void sent_put(const struct sent *template)
{
	struct sent *s = ADD(H->sents);
	const struct binding *binding = &H->bindings.at[template->binding];
	const struct sim_message *message;
	char head[2048], range[96] = "", end[64], uri[300], path[128], id[40];
	int len;

	*s = *template;
	s->answered = NEVER;
	snprintf(s->tid, sizeof(s->tid), "sim%06u", ++W.tid);
	s->stream = W.conn_runs.at[binding->conn].out_end;
	if (binding->leg != NONE) {
		strcpy(uri, leg_at(binding->leg)->uri);
		strcpy(path, leg_at(binding->leg)->path);
	} else {
		/* Well-formed, and nobody's: of a leg that never was, or no id of ours at all. */
		snprintf(uri, sizeof(uri),
			chance(50) ? "msrp://127.0.0.1:2855/%02x%08xabcdefghijklmnopqrstuvwxyz;tcp"
				   : "msrp://127.0.0.1:2855/%02x%08xstranger;tcp",
			below(6), below(70));
		strcpy(path, "msrp://192.0.2.251:7/stranger;tcp");
	}
	message = s->message != NONE ? &H->messages.at[s->message] : NULL;
	snprintf(id, sizeof(id), "b%s", s->tid);
	if (s->has_range)
		range_text(range, sizeof(range), s);
	len = snprintf(head, sizeof(head),
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%s%s%s", s->tid,
		uri, path, message != NULL ? message->id : id,
		s->count     ? "Success-Report: yes;Include-Sent-Count\r\n"
		: s->success ? "Success-Report: yes\r\n"
			     : "",
		failure_text(s->failure), range);
	out_add(binding->conn, head, (size_t)len);
	if (message != NULL) {
		len = snprintf(head, sizeof(head), "Content-Type: %s\r\n\r\n", s->type);
		out_add(binding->conn, head, (size_t)len);
		s->body = W.conn_runs.at[binding->conn].out_end;
		out_add(binding->conn, message->body + s->start - 1, s->len);
		out_add(binding->conn, "\r\n", 2);
	} else {
		s->body = W.conn_runs.at[binding->conn].out_end;
	}
	len = snprintf(end, sizeof(end), "-------%s%c\r\n", s->tid, s->flag);
	out_add(binding->conn, end, (size_t)len);
	s->ends = W.conn_runs.at[binding->conn].out_end;
	say("leg %d sends %s%s: message %d, %llu octets from %llu, %c, range %s", (int)binding->leg,
		s->tid, s->binds ? " (binds)" : "", (int)s->message, (unsigned long long)s->len,
		(unsigned long long)s->start, s->flag, range);
}

static bool conn_waits(uint32_t conn)
{
	uint32_t i;

	for (i = 0; i < H->bindings.count; i++)
		if (H->bindings.at[i].conn == conn && W.binding_runs.at[i].waits > 0)
			return true;
	return false;
}

static void bodiless(uint32_t binding, bool binds)
{
	struct sent s = { .binding = binding,
		.message = NONE,
		.start = 1,
		.has_range = chance(80),
		.failure = binds || chance(70) ? 'y'
			   : chance(50)        ? 'p'
					       : 'n',
		.flag = '$',
		.binds = binds,
		.says_total = 0,
		.says_end = 0 };

	s.prompt = !binds && !conn_waits(H->bindings.at[binding].conn) &&
		   W.binding_runs.at[binding].settled;
	sent_put(&s);
	if (binds)
		W.binding_runs.at[binding].waits++;
}

static void rival_mark(uint32_t leg)
{
	uint32_t i;

	for (i = 0; i < H->bindings.count; i++)
		if (H->bindings.at[i].leg == leg && H->bindings.at[i].rivalled == NEVER)
			H->bindings.at[i].rivalled = H->now;
}

static void op_bind(uint32_t leg, uint32_t conn)
{
	uint32_t binding;

	if (leg_at(leg)->added == NEVER || leg_at(leg)->uri[0] == '\0' || leg_at(leg)->active ||
		!conn_open(conn) || binding_by_path(conn, leg_at(leg)->path) != NONE)
		return;
	act();
	rival_mark(leg);
	binding = binding_add(leg, conn);
	bodiless(binding, true);
}

static void op_stranger(uint32_t conn)
{
	uint32_t binding;

	if (!conn_open(conn))
		return;
	act();
	binding = binding_add(NONE, conn);
	bodiless(binding, true);
}

static void op_connects(void)
{
	struct memory_peer *peer;
	uint32_t i, leg = NONE, conn, binding;

	while ((peer = memory_next_connect(W.net)) != NULL) {
		act();
		for (i = 0; i < H->legs.count; i++)
			if (5000 + i == memory_port(peer))
				leg = i;
		if (leg == NONE || !leg_at(leg)->active) {
			fail("a connect to nobody");
			return;
		}
		if (chance(15)) {
			memory_connect_failed(peer, -ECONNREFUSED);
			say("connect of leg %u fails", leg);
			continue;
		}
		memory_connect_done(peer);
		conn = conn_add(leg_home(leg), peer);
		binding = binding_add(leg, conn);
		H->bindings.at[binding].active = true;
		say("connect of leg %u: connection %u", leg, conn);
	}
}

static void op_close(uint32_t index)
{
	struct conn *conn = &H->conns.at[index];
	struct conn_run *run = &W.conn_runs.at[index];

	if (!conn_open(index))
		return;
	act();
	read_measure(index);
	peer_take(index, SIZE_MAX);
	partial_keep(index);
	memory_read_limit(run->peer, MEMORY_NO_LIMIT);
	conn->close_began = H->now;
	if (chance(40)) {
		conn->reset = true;
		memory_reset(run->peer);
	} else {
		memory_close(run->peer);
	}
	say("connection %u %s by its peer", index, conn->reset ? "reset" : "closed");
}

/* So many octets of what it has to say. */
static void op_deliver(uint32_t index, uint64_t most)
{
	struct conn_run *run = &W.conn_runs.at[index];
	uint64_t n = run->out_end - run->written;

	if (n > most)
		n = most;
	if (n == 0 || !conn_open(index))
		return;
	act();
	memory_write(run->peer, run->out + (run->written - run->out_base), (size_t)n);
	run->written += n;
	W.moved++;
}

static void op_pace(uint32_t index)
{
	struct conn_run *run = &W.conn_runs.at[index];

	if (!conn_open(index))
		return;
	act();
	if (run->slow && chance(60)) {
		run->slow = false;
		memory_window(run->peer, MEMORY_NO_LIMIT);
		memory_send_limit(run->peer, MEMORY_NO_LIMIT);
		memory_read_limit(run->peer, MEMORY_NO_LIMIT);
		peer_take(index, SIZE_MAX);
		say("connection %u is quick", index);
	} else {
		run->slow = true;
		memory_window(run->peer, chance(40) ? 0 : some(20000));
		if (chance(50))
			memory_send_limit(run->peer, some(5000));
		if (chance(30))
			memory_read_limit(run->peer, some(2000));
		say("connection %u is slow", index);
	}
}

/* ---- messages ---- */

static void filler(uint8_t *out, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567 \r\n-$+#";
	static const char *const traps[] = { "-------", "\r\n-------",
		"\r\n-------abcdefghijklm$\r\n", "-------aaaaaaaaaaaaaaaaaaaaaaaaa",
		"\r\n\r\nMSRP abcd SEND\r\nTo-Path: x\r\n", "------", "\r\n" };
	size_t at = 0, n;
	uint64_t bits = 0;

	while (at < len) {
		if (below(200) == 0) {
			const char *trap = traps[below(sizeof(traps) / sizeof(*traps))];

			n = strlen(trap);
			if (n > len - at)
				n = len - at;
			memcpy(out + at, trap, n);
			at += n;
			continue;
		}
		for (n = 0; n < 12 && at < len; n++) {
			bits = n % 10 == 0 ? random_next() : bits >> 6;
			out[at++] = (uint8_t)letters[(bits & 63) % (sizeof(letters) - 1)];
		}
	}
}

static uint32_t message_make(uint32_t binding)
{
	static const char *const types[] = { "text/plain", "text/plain;charset=utf-8", "text/html",
		"message/imdn+xml", "application/octet-stream" };
	uint32_t index = H->messages.count, leg_index = H->bindings.at[binding].leg;
	struct sim_message *m = ADD(H->messages);
	const struct sim_leg *leg = leg_at(leg_index);
	char head[1024], from[200] = "", to[400] = "", alias[96];
	size_t content;
	int len;

	m->leg = leg_index;
	m->binding = binding;
	m->reported = NEVER;
	snprintf(m->id, sizeof(m->id), "m%u.%u", index, below(1000));
	content = chance(8)    ? 0
		  : chance(60) ? below(300)
		  : chance(70) ? below(9000)
			       : below(chance(20) ? BODY_MAX : 40000);
	m->wrapped = types[chance(70) ? 0 : below(5)];
	m->from = chance(90)   ? (chance(80) ? FROM_OWN : FROM_ALIAS)
		  : chance(80) ? FROM_OTHER
			       : FROM_NONE;
	m->to = chance(75) ? TO_ROOM : chance(80) ? TO_LEG : below(3) + TO_NOBODY;
	m->success = chance(35);
	m->count = m->success && chance(60);
	strcpy(alias, strchr(leg->alias, '<'));
	if (m->from == FROM_OTHER)
		snprintf(from, sizeof(from), "From: Eve <sip:eve@example.com>\r\n");
	else if (m->from == FROM_ALIAS)
		snprintf(from, sizeof(from), "From: %s\r\n", alias);
	else if (m->from == FROM_OWN)
		snprintf(from, sizeof(from),
			chance(50) ? "From: <%s>\r\n" : "From: \"A B\" <%s>\r\n", leg->address);
	if (m->to == TO_LEG) {
		do {
			m->to_leg = below(H->legs.count);
		} while (leg_at(m->to_leg)->room != leg->room);
		m->to_alias = chance(30);
		if (m->to_alias)
			snprintf(to, sizeof(to), "To: %s\r\n",
				strchr(leg_at(m->to_leg)->alias, '<'));
		else
			snprintf(to, sizeof(to), "To: <%s>\r\n", leg_at(m->to_leg)->address);
	} else if (m->to == TO_NOBODY) {
		snprintf(to, sizeof(to), "To: <sip:nobody@example.com>\r\n");
	} else if (m->to != TO_NONE) {
		snprintf(to, sizeof(to), "To: <%s>\r\n", room_at(leg->room)->uri);
		if (m->to == TO_TWO)
			strcat(to, "To: <sip:nobody@example.com>\r\n");
	}
	m->bad_head = chance(3);
	len = snprintf(head, sizeof(head),
		"Subject: sim-%u\r\n%s%s%s\r\nContent-Type: %s\r\nX-Pad: %.*s\r\n\r\n", index, from,
		to, m->bad_head ? "no colon\r\n" : "", m->wrapped, (int)below(60),
		"------------------------------------------------------------");
	m->from_at = (uint64_t)(strchr(head, '\n') + 1 - head);
	m->from_len = strlen(from);
	m->head_len = (uint64_t)len;
	m->len = m->head_len + content;
	m->body = malloc(m->len + 1);
	if (m->body == NULL)
		abort();
	memcpy(m->body, head, (size_t)len);
	filler(m->body + len, content);
	say("message %u of leg %u: %llu octets, head %llu, from %u to %u (leg %u) type %s", index,
		leg_index, (unsigned long long)m->len, (unsigned long long)m->head_len, m->from,
		m->to, m->to_leg, m->wrapped);
	return index;
}

static void plan_go_on(struct plan *plan);

/* Cuts a message into chunks, in one of many ways; what its head says of it may be a lie. */
static void op_message(uint32_t binding)
{
	uint32_t index = message_make(binding);
	const struct sim_message *m = &H->messages.at[index];
	struct plan *plan = ADD(W.plans);
	struct sent base = { .binding = binding,
		.message = index,
		.has_range = true,
		.success = m->success,
		.count = m->count,
		.failure = chance(75)   ? 'y'
			   : chance(50) ? 'p'
					: 'n',
		.type = chance(97) ? (chance(90) ? "message/cpim" : "Message/CPIM") : "text/plain",
		.says_end = WIRE_STAR,
		.says_total = chance(60) ? m->len : WIRE_STAR };
	unsigned chunks = chance(50) ? 1 : below(6) + 1, i, k;
	uint64_t at = 1, left, n;
	struct sent *s;

	H->messages.at[index].failure = base.failure;
	plan->binding = binding;
	plan->message = index;
	plan->simple = true;
	for (i = 0; i < chunks; i++) {
		s = &plan->chunks[plan->count++];
		*s = base;
		left = m->len - (at - 1);
		n = i + 1 == chunks ? left
		    : chance(30)    ? below(200)
				    : below((uint32_t)left * 2 / (chunks - i) + 1);
		if (n > left)
			n = left;
		s->start = at;
		s->len = n;
		s->flag = i + 1 == chunks ? '$' : '+';
		if (chance(30) && n > 0)
			s->says_end = at + n - 1;
		at += n;
	}
	if (chunks == 1 && chance(20))
		plan->chunks[0].has_range = false;
	/* Something special, in one of six. */
	switch (below(18)) {
	case 0: /* overlapping: a chunk begins earlier */
		i = below(plan->count);
		s = &plan->chunks[i];
		n = below((uint32_t)s->start);
		s->start -= n;
		s->len += n;
		plan->simple = false;
		break;
	case 1: /* two in the wrong order */
		if (plan->count > 2) {
			struct sent keep;

			i = below(plan->count - 2);
			keep = plan->chunks[i];
			plan->chunks[i] = plan->chunks[i + 1];
			plan->chunks[i + 1] = keep;
			plan->simple = false;
		}
		break;
	case 2: /* once more, later: whole, or in part */
		for (k = 0; k < plan->count && plan->count < 24 && k < 3; k++) {
			plan->chunks[plan->count] = plan->chunks[k];
			plan->count++;
		}
		plan->simple = false;
		break;
	case 3: /* given up */ plan->chunks[below(plan->count)].flag = '#'; break;
	case 4: /* a lie about the end, or the total */
		s = &plan->chunks[below(plan->count)];
		if (chance(50) || plan->count > 1)
			s->says_end = s->start + s->len + below(40);
		else
			s->says_total = below((uint32_t)m->len + 100);
		break;
	case 5: /* never ended */
		if (plan->count > 1)
			plan->count--;
		else
			plan->chunks[0].flag = '+';
		break;
	default: break;
	}
	if (chance(50))
		while (plan->next < plan->count)
			plan_go_on(plan);
}

/* The next chunk of something that is to be sent. */
static void plan_go_on(struct plan *plan)
{
	const struct binding *binding = &H->bindings.at[plan->binding];
	struct sent *s = &plan->chunks[plan->next];

	if (plan->next == plan->count)
		return;
	if (!conn_open(binding->conn)) {
		plan->next = plan->count;
		return;
	}
	act();
	plan->next++;
	s->prompt = !conn_waits(binding->conn) && W.binding_runs.at[plan->binding].settled;
	sent_put(s);
}

static void op_go_on(void)
{
	unsigned tries;

	for (tries = 0; tries < 10 && W.plans.count > 0; tries++) {
		struct plan *plan = &W.plans.at[below(W.plans.count)];

		if (plan->next < plan->count) {
			plan_go_on(plan);
			return;
		}
	}
}

/* The sender puts the transaction id that a copy is being sent under into what follows of the
 * message. */
static void op_poison(void)
{
	uint32_t i, k;

	for (i = 0; i < W.conn_runs.count; i++) {
		struct conn_run *to = &W.conn_runs.at[i];
		const struct copy *copy;
		const struct sent *s;
		char mark[64];
		size_t len;

		if (!to->in.open || strcmp(to->in.item.method, "SEND") != 0 ||
			H->conns.at[i].closed != NEVER)
			continue;
		copy = &H->copies.at[to->copy];
		len = (size_t)snprintf(mark, sizeof(mark), "\r\n-------%s%c\r\n", to->in.item.tid,
			"$+#x"[below(4)]);
		for (k = 0; copy->message != NONE && k < H->sents.count; k++) {
			struct conn_run *from;
			struct sim_message *m;
			uint64_t at, end, place;

			s = &H->sents.at[k];
			if (s->message != copy->message)
				continue;
			m = &H->messages.at[s->message];
			from = &W.conn_runs.at[H->bindings.at[s->binding].conn];
			at = s->body > from->written ? s->body : from->written;
			end = s->body + s->len;
			if (s->start <= m->head_len || at + len + 1 >= end) {
				if (s->start > m->head_len || s->body + m->head_len > at)
					at = s->body + m->head_len > at ? s->body + m->head_len
									: at;
				if (at + len + 1 >= end)
					continue;
			}
			for (uint32_t p = 0; p < W.plans.count; p++)
				if (W.plans.at[p].message == s->message && !W.plans.at[p].simple)
					return;
			at += below((uint32_t)(end - at - len));
			place = s->start - 1 + (at - s->body);
			act();
			memcpy(m->body + place, mark, len);
			memcpy(from->out + (at - from->out_base), mark, len);
			say("message %u: %s at %llu", s->message, to->in.item.tid,
				(unsigned long long)place);
			return;
		}
	}
}

static void op_nickname(uint32_t binding)
{
	uint32_t conn = H->bindings.at[binding].conn;
	struct nickname *n;
	char request[1024];
	int len;

	if (!conn_open(conn))
		return;
	act();
	n = ADD(H->nicknames);
	n->binding = binding;
	snprintf(n->tid, sizeof(n->tid), "nick%06u", ++W.tid);
	len = snprintf(request, sizeof(request),
		"MSRP %s NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"%s\"\r\n-------%s$\r\n",
		n->tid, leg_at(H->bindings.at[binding].leg)->uri,
		leg_at(H->bindings.at[binding].leg)->path, n->tid, n->tid);
	n->begins = W.conn_runs.at[conn].out_end;
	out_add(conn, request, (size_t)len);
	n->ends = W.conn_runs.at[conn].out_end;
	W.binding_runs.at[binding].waits++;
	say("leg %u asks %s", H->bindings.at[binding].leg, n->tid);
}

/* ---- a run ---- */

static uint32_t bound_binding(void)
{
	unsigned tries;
	uint32_t i, k;

	for (tries = 0; tries < 20 && H->bindings.count > 0; tries++) {
		i = below(H->bindings.count);
		if (H->bindings.at[i].leg == NONE || H->bindings.at[i].status != 200 ||
			!conn_open(H->bindings.at[i].conn))
			continue;
		/* Whose bind was answered is a member, or was; who was connected may be none yet. */
		if (!H->bindings.at[i].active)
			W.binding_runs.at[i].settled = true;
		for (k = 0; k < leg_at(H->bindings.at[i].leg)->sets.count; k++)
			if (leg_at(H->bindings.at[i].leg)->sets.at[k].member &&
				leg_at(H->bindings.at[i].leg)->sets.at[k].done != NEVER)
				W.binding_runs.at[i].settled = true;
		return i;
	}
	return NONE;
}

static uint32_t any_open_conn(void)
{
	unsigned tries;
	uint32_t i;

	for (tries = 0; tries < 20 && H->conns.count > 0; tries++) {
		i = below(H->conns.count);
		if (conn_open(i))
			return i;
	}
	return NONE;
}

static uint32_t any_leg(void)
{
	uint32_t i = below(H->legs.count);

	return H->legs.count > 0 && leg_lives(i) ? i : NONE;
}

/* What is decided about a leg, and said in its room, while the worker of its connection does nothing;
 * then it hears all of it at once, and what the leg has said meanwhile. */
static void op_meanwhile(uint32_t binding)
{
	const uint32_t leg = H->bindings.at[binding].leg, conn = H->bindings.at[binding].conn;
	unsigned worker = H->conns.at[conn].worker, home = leg_home(leg), rounds = below(4) + 2;
	uint32_t other, at;

	if (worker == home || W.asleep[worker] > 0 || W.asleep[home] > 0)
		return;
	while (rounds-- > 0) {
		other = bound_binding();
		at = other != NONE ? H->bindings.at[other].conn : NONE;
		if (at != NONE && H->conns.at[at].worker != worker && chance(50) &&
			H->messages.count < 400) {
			op_message(other);
			op_deliver(at, UINT64_MAX);
			step(H->conns.at[at].worker);
		}
		if (chance(70))
			op_member(leg);
		step(home);
	}
	if (H->messages.count < 400 && conn_open(conn))
		op_message(binding);
	op_deliver(conn, UINT64_MAX);
	step(worker);
}

static void op_any(void)
{
	uint32_t what = below(1000), i;

	for (i = 0; i < H->workers; i++)
		if (W.asleep[i] > 0)
			W.asleep[i]--;
	if (what < 280) {
		steps(below(4) + 1);
	} else if (what < 470) {
		for (i = 0; i < H->conns.count; i++)
			if (W.conn_runs.at[i].written < W.conn_runs.at[i].out_end && chance(30))
				op_deliver(i, chance(30)   ? some(100)
					      : chance(50) ? some(3000)
							   : UINT64_MAX);
		steps(below(2));
	} else if (what < 590) {
		i = bound_binding();
		if (i != NONE && H->messages.count < 400)
			op_message(i);
	} else if (what < 720) {
		op_go_on();
		if (chance(40))
			op_go_on();
	} else if (what >= 745 && chance(W.calm)) {
		steps(1);
		op_go_on();
	} else if (what < 745) {
		i = any_open_conn();
		if (i != NONE)
			op_pace(i);
	} else if (what < 785) {
		i = any_open_conn();
		if (i != NONE) {
			act();
			peer_take(i, some(6000));
		}
	} else if (what < 795) {
		i = bound_binding();
		if (i != NONE) {
			act();
			bodiless(i, false);
		}
	} else if (what < 805) {
		i = bound_binding();
		if (i != NONE)
			op_nickname(i);
	} else if (what < 830) {
		i = chance(25) ? bound_binding() : NONE;
		if (i != NONE)
			op_meanwhile(i);
		else if ((i = any_leg()) != NONE)
			op_member(i);
	} else if (what < 850) {
		if (H->rooms.count > 0)
			op_leg_add(below(H->rooms.count), chance(20));
	} else if (what < 885) {
		i = any_leg();
		if (i != NONE) {
			uint32_t conn = chance(25) ? any_open_conn() : NONE;

			op_bind(i, conn != NONE ? conn : dial(below(H->workers)));
		}
	} else if (what < 892) {
		i = any_leg();
		if (i != NONE)
			op_leg_update(i, chance(80));
	} else if (what < 898) {
		i = any_leg();
		if (i != NONE)
			op_leg_remove(i);
	} else if (what < 908) {
		i = any_open_conn();
		if (i != NONE)
			op_close(i);
	} else if (what < 913) {
		i = any_open_conn();
		if (i != NONE)
			op_stranger(i);
	} else if (what < 916) {
		if (H->rooms.count > 0)
			op_room_close(below(H->rooms.count));
	} else if (what < 919) {
		op_room_open();
	} else if (what < 926) {
		if (H->rooms.count > 0)
			op_room_set(below(H->rooms.count));
	} else if (what < 931) {
		op_attachment(below(CONTROLLERS));
	} else if (what < 932) {
		op_drain();
	} else if (what < 950) {
		op_poison();
	} else if (what < 965) {
		W.asleep[below(H->workers)] = below(60);
	} else if (what < 985) {
		op_connects();
	} else {
		W.ms += chance(80) ? below(1500) : chance(80) ? below(12000) : below(40000);
		act();
		say("it is %llu ms", (unsigned long long)W.ms);
	}
}

static bool until_quiet(const char *when)
{
	unsigned rounds, still = 0, w, slot;
	uint64_t before;
	const char *who = "octets or events";
	uint32_t i;

	for (rounds = 0; rounds < ROUNDS_MAX && W.failure[0] == '\0'; rounds++) {
		before = W.moved;
		op_connects();
		for (i = 0; i < H->conns.count; i++)
			op_deliver(i, UINT64_MAX);
		for (w = 0; w < H->workers; w++)
			step(w);
		for (w = 0; w < H->workers; w++)
			if (W.worker[w]->local != NULL || memory_has_events(W.worker[w]->tcp)) {
				before = UINT64_MAX;
				who = W.worker[w]->local != NULL ? "a post" : "a connection";
			}
		for (slot = 0; slot < CONTROLLERS; slot++)
			if (W.controllers[slot].changing || W.controllers[slot].snapshot)
				before = UINT64_MAX;
		still = before == W.moved ? still + 1 : 0;
		if (still == QUIET_ROUNDS)
			return true;
	}
	fail("%s: nothing comes to rest: %s", when, who);
	return false;
}

static void seconds(unsigned count)
{
	unsigned w;

	while (count-- > 0 && W.failure[0] == '\0') {
		W.ms += 1000;
		for (w = 0; w < H->workers; w++)
			step(w);
		for (w = 0; w < H->workers; w++)
			step(w);
	}
}

static void finish(void)
{
	unsigned slot;
	uint32_t i;

	memset(W.asleep, 0, sizeof(W.asleep));
	for (i = 0; i < 6; i++)
		step(i % H->workers);
	for (slot = 0; slot < CONTROLLERS; slot++)
		while (!W.controllers[slot].attached && W.failure[0] == '\0') {
			op_attachment(slot);
			steps(4);
		}
	for (i = 0; i < H->conns.count; i++) {
		if (!conn_open(i))
			continue;
		W.conn_runs.at[i].slow = true;
		while (W.conn_runs.at[i].slow)
			op_pace(i);
	}
	for (i = 0; i < W.plans.count; i++)
		while (W.plans.at[i].next < W.plans.at[i].count && chance(95))
			plan_go_on(&W.plans.at[i]);
	until_quiet("with everything delivered");
	/* Reports, nicknames, those that bind nothing: whatever waits has its time now. */
	seconds((COUNT_CAP_MS + 5000) / 1000);
	until_quiet("when all timers have run");
	H->quiet = H->now;
	say("quiet");
	for (i = 0; i < H->legs.count; i++)
		if (chance(30))
			op_leg_remove(i);
	for (i = 0; i < H->conns.count; i++)
		if (chance(30))
			op_close(i);
	steps(10);
	for (i = 0; i < H->rooms.count; i++)
		op_room_close(i);
	until_quiet("with all rooms closed");
	for (i = 0; i < H->conns.count; i++)
		op_close(i);
	until_quiet("with all connections closed");
	seconds(12);
	until_quiet("at the very end");
	for (i = 0; i < H->rooms.count; i++)
		if (room_at(i)->opened != NEVER && room_at(i)->drained == NEVER)
			fail("room %u is closed and never drained", i);
	for (i = 0; i < H->legs.count; i++)
		if (leg_at(i)->added != NEVER && leg_at(i)->gone == NEVER)
			fail("leg %u is removed and never gone", i);
}

static void pool_check(unsigned w, const char *name, const struct pool *pool, uint32_t held)
{
	if (pool->free_count + held != pool->count)
		fail("worker %u: %d %s leaked", w, (int)(pool->count - pool->free_count - held),
			name);
}

static void leaks(void)
{
	unsigned w, i;

	for (w = 0; w < H->workers; w++) {
		const struct worker *worker = W.worker[w];

#define CHECK(pool) pool_check(w, #pool, &worker->pool, 0)
		CHECK(messages);
		CHECK(entries);
		CHECK(sessions);
		CHECK(connections);
		CHECK(inbounds);
		CHECK(transactions);
		CHECK(ids[IDS_SMALL]);
		CHECK(ids[IDS_LARGE]);
		CHECK(heads);
		CHECK(kept);
		CHECK(texts);
		CHECK(output);
		CHECK(legs);
		CHECK(rooms);
		CHECK(reports);
		CHECK(report_blocks);
#undef CHECK
		for (i = 0; i < PAYLOAD_CLASSES; i++)
			pool_check(w, "payloads", &worker->payloads[i], 0);
		for (i = 0; i < LEG_CONF_CLASSES; i++)
			pool_check(w, "confs", &worker->confs[i], 0);
		pool_check(w, "buffers", &worker->buffers, worker->rx != NULL);
	}
}

/* ---- scarcity ---- */

static void hoard(struct pool *pool, void **list, uint32_t leave)
{
	void *object;

	while (pool->free_count > leave) {
		object = pool_get(pool);
		*(void **)object = *list;
		*list = object;
	}
}

static void hoards(bool take)
{
	unsigned w, i;
	void *next;

	for (w = 0; w < H->workers; w++) {
		struct worker *worker = W.worker[w];
		struct pool *pools[] = { &worker->buffers, &worker->messages, &worker->entries,
			&worker->inbounds, &worker->transactions, &worker->output,
			&worker->payloads[PAYLOAD_384], &worker->payloads[PAYLOAD_BUFFER] };

		for (i = 0; i < sizeof(pools) / sizeof(*pools); i++) {
			if (take) {
				hoard(pools[i], &W.hoard[w][i],
					i == 0   ? 10 + below(20)
					: i == 7 ? 70 + below(60)
						 : 700 + below(100));
				continue;
			}
			while ((next = W.hoard[w][i]) != NULL) {
				W.hoard[w][i] = *(void **)next;
				pool_put(pools[i], next);
			}
		}
	}
}

/* ---- from the outside ---- */

static uint64_t seed_of(uint32_t seed)
{
	return ((uint64_t)seed + 1) * 0x2545f4914f6cdd1dull;
}

unsigned world_workers_of(uint32_t seed)
{
	W.random = seed_of(seed);
	return chance(15) ? 1 : 2 + below(WORLD_WORKERS_MAX - 1);
}

static struct switch_shared template;

void world_workers_make(struct world_workers *made, unsigned count)
{
	unsigned w;

	template = (struct switch_shared){ .instance = INSTANCE,
		.workers = (uint16_t)count,
		.max_legs = 64,
		.max_rooms = 64,
		.memory = 160u << 20,
		.leg_queue_messages = 1000,
		.open_messages = 16,
		.leg_queue_octets = 4 << 20,
		.connection_bind_ms = BIND_MS,
		.chunk_reception_ms = RECEPTION_MS,
		.congestion_kill_ms = CONGESTION_MS,
		.count_wait_ms = 32000,
		.count_cap_ms = COUNT_CAP_MS,
		.transaction_ms = 30000,
		.random_fill = random_fill,
		.clock_ms = clock_ms };
	strcpy(template.authority, "127.0.0.1:2855");
	W.ms = 1000000;
	made->count = count;
	for (w = 0; w < count; w++) {
		made->worker[w] = aligned_alloc(64, (sizeof(struct worker) + 63) / 64 * 64);
		if (made->worker[w] == NULL ||
			worker_init(made->worker[w], &template, (uint16_t)w) != 0)
			abort();
		/* The pages that it made in advance are zero: without them a fork is ten times as
		 * quick. */
		madvise(made->worker[w]->arena.base, made->worker[w]->arena.size, MADV_DONTNEED);
	}
}

static void begin(struct world_workers *made, uint32_t seed, const struct world_options *options)
{
	unsigned w, slot;

	memset(&W, 0, sizeof(W));
	H->workers = world_workers_of(seed);
	assert(H->workers == made->count);
	W.options = *options;
	W.ms = 1000000;
	H->seed = seed;
	H->verbose = options->verbose;
	W.shared = template;
	W.worker = made->worker;
	W.net = memory_net_new();
	W.null_fd = open("/dev/null", O_WRONLY);
	W.shared.drain_ms = chance(30) ? 0 : 1000 + below(4000);
	H->crowded = chance(25);
	H->scarce = chance(10);
	if (H->crowded) {
		W.shared.leg_queue_messages = 5 + below(20);
		W.shared.leg_queue_octets = 8000 + below(40000);
	}
	H->leg_queue_octets = W.shared.leg_queue_octets;
	H->leg_queue_messages = W.shared.leg_queue_messages;
	H->open_messages = W.shared.open_messages;
	H->transaction_ms = W.shared.transaction_ms;
	for (w = 0; w < H->workers; w++) {
		W.worker[w]->shared = &W.shared;
		W.shared.worker[w] = W.worker[w];
		random_fill(W.worker[w]->generator, sizeof(W.worker[w]->generator));
		post_queue_init(&W.worker[w]->posts, W.null_fd);
		W.worker[w]->tcp = memory_tcp_new(W.net, &connection_tcp_ops, W.worker[w]);
	}
	tick_next(255);
	if (H->scarce) {
		/* One time in two without the restraint that keeps pools from being used up. */
		bool restrained = chance(50);

		hoards(true);
		for (w = 0; w < H->workers && !restrained; w++)
			memset(W.worker[w]->pressure_below, 0, sizeof(W.worker[w]->pressure_below));
	}
	for (slot = 0; slot < CONTROLLERS; slot++) {
		post_queue_init(&W.controllers[slot].main_thread, W.null_fd);
		attachment_post(slot, true);
	}
	until_quiet("at the start");
}

static void people(void)
{
	unsigned rooms = chance(60) ? 1 : 1 + below(3), legs, i;
	struct leg_set set = { .member = true };

	for (i = 0; i < rooms; i++)
		op_room_open();
	steps(8);
	for (i = 0; i < H->workers; i++)
		step(i);
	legs = rooms * 2 + below(10);
	for (i = 0; i < legs; i++)
		op_leg_add(below(H->rooms.count), chance(15));
	for (i = 0; i < H->workers; i++)
		step(i);
	if (chance(80))
		until_quiet("at the start");
	for (i = 0; i < H->legs.count; i++) {
		if (chance(90))
			member(i, CMD_MEMBER_ADD, &set);
		if (chance(90) && !H->legs.at[i].active)
			op_bind(i, chance(15) && H->conns.count > 0 ? below(H->conns.count)
								    : dial(below(H->workers)));
		steps(below(3));
	}
	if (chance(70))
		until_quiet("with everybody in");
}

const char *world_run(
	struct world_workers *made, uint32_t seed, const struct world_options *options)
{
	unsigned ops, i, w;
	const char *judged;

	begin(made, seed, options);
	people();
	W.calm = chance(25) ? 0 : chance(50) ? 70 : 92;
	ops = 150 + below(chance(20) ? 1500 : 500);
	if (options->most_ops > 0 && ops > options->most_ops)
		ops = options->most_ops;
	for (i = 0; i < ops && W.failure[0] == '\0'; i++)
		op_any();
	if (W.failure[0] == '\0')
		finish();
	hoards(false);
	for (w = 0; w < H->workers; w++) {
		const uint64_t *from = (const uint64_t *)(const void *)&W.worker[w]->counters;
		uint64_t *to = (uint64_t *)(void *)&H->counters;

		for (i = 0; i < sizeof(H->counters) / sizeof(*to); i++)
			to[i] += from[i];
	}
	if (W.failure[0] == '\0')
		leaks();
	if (W.failure[0] == '\0') {
		judged = history_check(H);
		if (judged[0] != '\0')
			fail("%s", judged);
	}
	return W.failure;
}

const struct history *world_history(void)
{
	return H;
}
