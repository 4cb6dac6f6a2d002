/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/mailbox.h"
#include <stdalign.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/msrp/uri.h"
#include "dataplane/worker.h"
#include "include/controller.h"

#define COMMANDS_MAX      1024                                /* of one controller in one turn */
#define SNAPSHOT_SLICE    64                                  /* records looked at in one turn */
#define ANSWER_MAX        (sizeof(struct switch_event) + 512) /* an answer with our URI */
#define COUNTS_MS         1000 /* EVENT_ROOM at most so often for a room */
#define LAST_COMMANDS_MAX 4096 /* taken from a ring that is given up */
#define WAIT_RING_MS      1    /* the event ring is full: nobody says when it no longer is */

void mailbox_init(struct mailbox *mailbox)
{
	unsigned i;

	memset(mailbox, 0, sizeof(*mailbox));
	for (i = 0; i < BORDER_CONTROLLERS_MAX; i++) {
		mailbox->slots[i].dirty_legs_last = &mailbox->slots[i].dirty_legs;
		mailbox->slots[i].dirty_rooms_last = &mailbox->slots[i].dirty_rooms;
	}
}

static bool take_command(struct worker *worker, struct mailbox_slot *slot, unsigned number);

void mailbox_change(struct worker *worker, struct attachment_change *change)
{
	struct mailbox_slot *slot = &worker->mailbox.slots[change->slot];

	/* What the old controller said before it went is done: it may have told a peer so, and the
	 * one that takes its place relies on it. A ring holds so many at most. */
	for (unsigned i = 0; slot->attached && i < LAST_COMMANDS_MAX; i++)
		if (!take_command(worker, slot, change->slot))
			break;
	slot->attached = change->attached;
	slot->end = change->end;
	slot->snapshot = false;
	slot->draining = slot->told_drain = false;
	post_send(change->reply, &change->post, POST_ATTACHMENT);
}

bool mailbox_holds(const struct worker *worker, unsigned slot)
{
	return worker->mailbox.slots[slot].objects > 0;
}

void mailbox_leg_dirty(struct worker *worker, struct leg *leg)
{
	struct mailbox_slot *slot = &worker->mailbox.slots[leg->slot];

	if (leg->dirty)
		return;
	leg->dirty = true;
	leg->dirty_next = NULL;
	*slot->dirty_legs_last = leg;
	slot->dirty_legs_last = &leg->dirty_next;
}

void mailbox_room_dirty(struct worker *worker, struct room *room)
{
	struct mailbox_slot *slot = &worker->mailbox.slots[room->slot];
	uint64_t due = room->drained ? 0 : room->counted_at + COUNTS_MS;

	if (slot->dirty_rooms == NULL || due < slot->rooms_due)
		slot->rooms_due = due;
	if (room->dirty)
		return;
	room->dirty = true;
	room->dirty_next = NULL;
	*slot->dirty_rooms_last = room;
	slot->dirty_rooms_last = &room->dirty_next;
}

/* ---- events ---- */

static bool event_put(struct worker *worker, struct mailbox_slot *slot,
	const struct switch_event *event, struct span text)
{
	struct switch_event with_text = *event;

	with_text.text_len = (uint16_t)text.len;
	if (ring_put(&slot->end.events, &with_text, sizeof(with_text), text.at, text.len) != 0)
		return false;
	worker->counters.events++;
	return true;
}

static void event_leg(
	struct switch_event *event, const struct worker *worker, const struct leg *leg)
{
	event->object = leg_object_id(worker, leg);
	event->tag = leg->tag;
	event->revision = leg->revision;
	leg_status_fill(leg, &event->u.leg.status);
}

static void event_room(
	struct switch_event *event, const struct worker *worker, const struct room *room)
{
	event->object = room_object_id(worker, room);
	event->tag = room->tag;
	event->revision = room->revision;
	room_counts_fill(worker, room, &event->u.room);
}

/* Listeners may have different ports. */
static uint16_t port_of(const struct leg *leg)
{
	struct msrp_uri uri;

	return msrp_uri_parse(leg->conf->uri, &uri) == 0 ? uri.port : 0;
}

static bool asks(const struct leg *leg)
{
	return leg->nickname != NULL && !leg->nickname->told;
}

static void event_nickname(struct worker *worker, struct mailbox_slot *slot, struct leg *leg)
{
	struct nickname_ask *ask = leg->nickname;
	struct switch_event event = {
		.type = EVENT_NICKNAME_ASKED,
		.object = leg_object_id(worker, leg),
		.tag = leg->tag,
		.revision = leg->revision,
		.u.nickname = { .ask = ask->number, .name = { 0, ask->name_len } },
	};

	ask->told = event_put(worker, slot, &event, span_make(ask->name, ask->name_len));
}

static bool write_dirty_legs(struct worker *worker, struct mailbox_slot *slot)
{
	struct switch_event event;
	struct leg *leg;
	bool done = false;

	while ((leg = slot->dirty_legs) != NULL &&
		ring_room(&slot->end.events) >=
			(asks(leg) ? 2 * ANSWER_MAX + NICKNAME_OCTETS_MAX : ANSWER_MAX)) {
		memset(&event, 0, sizeof(event));
		event.type = leg->gone_dirty ? EVENT_LEG_GONE : EVENT_LEG;
		event_leg(&event, worker, leg);
		if (!event_put(worker, slot, &event, SPAN_LITERAL("")))
			break;
		if (asks(leg))
			event_nickname(worker, slot, leg);
		slot->dirty_legs = leg->dirty_next;
		if (slot->dirty_legs == NULL)
			slot->dirty_legs_last = &slot->dirty_legs;
		leg->dirty = false;
		done = true;
		if (leg->gone_dirty)
			leg_free(worker, leg);
	}
	return done;
}

static bool write_dirty_rooms(struct worker *worker, struct mailbox_slot *slot)
{
	struct room *room, *list = slot->dirty_rooms;
	struct switch_event event;
	bool done = false;

	/* Every message makes its room dirty: looking at all of them in every turn would cost the
	 * more the more rooms there are. */
	if (list == NULL || worker->now_ms < slot->rooms_due)
		return false;
	slot->dirty_rooms = NULL;
	slot->dirty_rooms_last = &slot->dirty_rooms;
	while ((room = list) != NULL) {
		list = room->dirty_next;
		room->dirty = false;
		if (ring_room(&slot->end.events) < ANSWER_MAX ||
			(!room->drained && worker->now_ms - room->counted_at < COUNTS_MS)) {
			mailbox_room_dirty(worker, room); /* later */
			continue;
		}
		memset(&event, 0, sizeof(event));
		event.type = room->drained ? EVENT_ROOM_DRAINED : EVENT_ROOM;
		event_room(&event, worker, room);
		if (!event_put(worker, slot, &event, SPAN_LITERAL(""))) {
			mailbox_room_dirty(worker, room);
			continue;
		}
		room->counted_at = worker->now_ms;
		done = true;
		if (room->drained)
			room_free(worker, room);
	}
	return done;
}

static bool write_draining(struct worker *worker, struct mailbox_slot *slot)
{
	struct switch_event event = { .type = EVENT_DRAINING,
		.u.drain = { .left_ms = drain_left_ms(worker) } };

	if (worker->drain.phase == DRAIN_NONE || slot->told_drain)
		return false;
	slot->told_drain = event_put(worker, slot, &event, SPAN_LITERAL(""));
	return slot->told_drain;
}

static bool snapshot_event(struct worker *worker, struct mailbox_slot *slot, unsigned number)
{
	struct switch_event event;
	struct room *room;
	struct leg *leg;

	memset(&event, 0, sizeof(event));
	if (slot->snapshot_room < worker->rooms.fresh) {
		room = pool_at(&worker->rooms, slot->snapshot_room++);
		if (!room->used || room->slot != number || room->closing)
			return true;
		event.type = EVENT_SNAPSHOT_ROOM;
		event_room(&event, worker, room);
		return event_put(worker, slot, &event, SPAN_LITERAL(""));
	}
	if (slot->snapshot_leg < worker->legs.fresh) {
		leg = pool_at(&worker->legs, slot->snapshot_leg++);
		if (!leg->used || leg->slot != number || leg->removing || leg->room->closing)
			return true;
		event.type = EVENT_SNAPSHOT_LEG;
		event_leg(&event, worker, leg);
		event.u.leg.room = room_object_id(worker, leg->room);
		event.u.leg.participant = leg->conf->participant;
		event.u.leg.port = port_of(leg);
		event.u.leg.uri = (struct text_ref){ 0, (uint16_t)leg->conf->uri.len };
		return event_put(worker, slot, &event, leg->conf->uri);
	}
	event.type = EVENT_SNAPSHOT_END;
	event.cookie = slot->snapshot_cookie;
	slot->snapshot = false;
	return event_put(worker, slot, &event, SPAN_LITERAL(""));
}

static bool write_snapshot(struct worker *worker, struct mailbox_slot *slot, unsigned number)
{
	unsigned i;
	bool done = false;

	for (i = 0;
		i < SNAPSHOT_SLICE && slot->snapshot && ring_room(&slot->end.events) >= ANSWER_MAX;
		i++)
		done |= snapshot_event(worker, slot, number);
	return done;
}

/* ---- commands ---- */

struct command {
	struct worker *worker;
	struct mailbox_slot *slot;
	uint8_t number;
	const struct switch_cmd *cmd;
	const char *text;
	struct switch_event answer;
	struct span answer_text;
};

static struct span text(const struct command *c, struct text_ref ref)
{
	return text_get(ref, c->text, c->cmd->text_len);
}

static bool text_is_bad(const struct command *c, struct text_ref ref)
{
	return ref.len > 0 && text(c, ref).len == 0;
}

/* Nothing new: the controller wants to go (CMD_DRAIN), or the switch does. */
static bool is_draining(const struct command *c)
{
	return c->slot->draining || c->worker->drain.phase != DRAIN_NONE;
}

static int run_room_open(struct command *c)
{
	const struct room_settings *s = &c->cmd->u.room;
	struct room *room;
	int result;

	if (is_draining(c))
		return -EPROTO;
	if (text_is_bad(c, s->uris) || text_is_bad(c, s->wrapped))
		return -EINVAL;
	result = room_open(c->worker, c->number, &c->cmd->tag, s, text(c, s->uris),
		text(c, s->wrapped), &room);
	if (result == 0) {
		c->answer.object = room_object_id(c->worker, room);
		c->answer.revision = room->revision;
	}
	return result;
}

static int run_leg_add(struct command *c, struct room *room)
{
	const struct leg_settings *s = &c->cmd->u.leg;
	struct leg *leg;
	int result;

	if (is_draining(c))
		return -EPROTO;
	if (text_is_bad(c, s->path) || text_is_bad(c, s->connect))
		return -EINVAL;
	result = leg_add(c->worker, room, c->number, &c->cmd->tag, s, text(c, s->path),
		text(c, s->connect), &leg);
	if (result == 0) {
		c->answer.object = leg_object_id(c->worker, leg);
		c->answer.revision = leg->revision;
		c->answer.u.leg.port = port_of(leg);
		c->answer.u.leg.uri = (struct text_ref){ 0, (uint16_t)leg->conf->uri.len };
		c->answer_text = leg->conf->uri;
	}
	return result;
}

static int run_member(struct command *c, struct leg *leg)
{
	const struct member_settings *m = &c->cmd->u.member;

	if (text_is_bad(c, m->identities) || text_is_bad(c, m->alias) || text_is_bad(c, m->wrapped))
		return -EINVAL;
	if (c->cmd->type == CMD_MEMBER_ALIAS && !leg->member)
		return -EPROTO;
	return leg_member_add(
		c->worker, leg, m, text(c, m->identities), text(c, m->alias), text(c, m->wrapped));
}

static int run_command(struct command *c)
{
	struct worker *worker = c->worker;
	const struct switch_cmd *cmd = c->cmd;
	struct room *room = NULL;
	struct leg *leg = NULL;

	switch ((enum switch_command)cmd->type) {
	case CMD_ROOM_OPEN: return run_room_open(c);
	case CMD_SNAPSHOT:
		c->slot->snapshot = true;
		c->slot->snapshot_cookie = cmd->cookie;
		c->slot->snapshot_room = c->slot->snapshot_leg = 0;
		return 0;
	case CMD_DRAIN: c->slot->draining = true; return 0;
	case CMD_ROOM_SET:
	case CMD_ROOM_CLOSE:
	case CMD_LEG_ADD:
		room = room_find(worker, &cmd->object);
		/* A controller reaches its own objects only. */
		if (room == NULL || room->slot != c->number)
			return -ENOENT;
		c->answer.object = cmd->object;
		c->answer.tag = room->tag;
		break;
	default:
		if (cmd->type >= CMD_COUNT)
			return -EINVAL;
		leg = leg_find(worker, &cmd->object);
		if (leg == NULL || leg->slot != c->number)
			return -ENOENT;
		c->answer.object = cmd->object;
		c->answer.tag = leg->tag;
		break;
	}
	switch ((enum switch_command)cmd->type) {
	case CMD_ROOM_SET:
		if (text_is_bad(c, cmd->u.room.uris) || text_is_bad(c, cmd->u.room.wrapped))
			return -EINVAL;
		return room_set(worker, room, &cmd->u.room, text(c, cmd->u.room.uris),
			text(c, cmd->u.room.wrapped));
	case CMD_ROOM_CLOSE: room_close(worker, room); return 0;
	case CMD_LEG_ADD: return run_leg_add(c, room);
	case CMD_LEG_UPDATE:
		if (text_is_bad(c, cmd->u.leg.path) || text_is_bad(c, cmd->u.leg.connect))
			return -EINVAL;
		return leg_update(worker, leg, &cmd->u.leg, text(c, cmd->u.leg.path),
			text(c, cmd->u.leg.connect));
	case CMD_LEG_REMOVE: leg_remove(worker, leg, LEG_CAUSE_REMOVED); return 0;
	case CMD_MEMBER_ADD:
	case CMD_MEMBER_ALIAS: return run_member(c, leg);
	case CMD_MEMBER_REMOVE: return leg_member_remove(worker, leg);
	case CMD_MEMBER_MUTE: return leg_member_flags(worker, leg, cmd->u.member.flags);
	case CMD_NICKNAME:
		return nickname_decide(worker, leg, cmd->u.nickname.ask, cmd->u.nickname.status);
	default: return -EINVAL;
	}
}

static bool take_command(struct worker *worker, struct mailbox_slot *slot, unsigned number)
{
	alignas(8) uint8_t record[RING_RECORD_MAX];
	struct command c = { .worker = worker, .slot = slot, .number = (uint8_t)number };
	int len, result = -EINVAL;

	/* A command is taken only while there is room for its answer. */
	if (ring_room(&slot->end.events) < ANSWER_MAX)
		return false;
	len = ring_get(&slot->end.commands, record);
	if (len <= 0)
		return false;
	worker->counters.commands++;
	c.cmd = (const struct switch_cmd *)record;
	c.text = (const char *)record + sizeof(struct switch_cmd);
	c.answer.type = EVENT_ANSWER;
	if ((size_t)len >= sizeof(struct switch_cmd) &&
		(size_t)len == sizeof(struct switch_cmd) + c.cmd->text_len) {
		c.answer.cookie = c.cmd->cookie;
		result = run_command(&c);
		if (c.cmd->type == CMD_SNAPSHOT && result == 0)
			return true; /* answered by its end */
	}
	if (result != 0)
		worker->counters.commands_bad++;
	c.answer.result = result;
	event_put(worker, slot, &c.answer, c.answer_text);
	return true;
}

static bool run_slot(struct worker *worker, struct mailbox_slot *slot, unsigned number)
{
	bool done = false, wake = false;
	uint64_t one = 1;
	unsigned i;

	done |= write_draining(worker, slot);
	done |= write_dirty_legs(worker, slot);
	done |= write_dirty_rooms(worker, slot);
	if (slot->snapshot)
		done |= write_snapshot(worker, slot, number);
	for (i = 0; i < COMMANDS_MAX && take_command(worker, slot, number); i++)
		done = true;
	if (i > 0)
		wake = ring_release(&slot->end.commands);
	if (done)
		wake |= ring_flush(&slot->end.events);
	if (wake) {
		ssize_t n = write(slot->end.controller_fd, &one, sizeof(one));
		(void)n;
	}
	return done;
}

bool mailbox_run(struct worker *worker)
{
	bool done = false;
	unsigned i;

	for (i = 0; i < BORDER_CONTROLLERS_MAX; i++)
		if (worker->mailbox.slots[i].attached)
			done |= run_slot(worker, &worker->mailbox.slots[i], i);
	return done;
}

void mailbox_catch_up(struct worker *worker)
{
	unsigned i;

	for (i = 0; i < BORDER_CONTROLLERS_MAX; i++) {
		struct mailbox_slot *slot = &worker->mailbox.slots[i];

		if (slot->attached && ring_has(&slot->end.commands))
			run_slot(worker, slot, i);
	}
}

bool mailbox_may_sleep(struct worker *worker)
{
	struct mailbox_slot *slot;
	bool may = true;
	unsigned i;

	for (i = 0; i < BORDER_CONTROLLERS_MAX; i++) {
		slot = &worker->mailbox.slots[i];
		if (!slot->attached || slot->end.commands.broken || slot->end.events.broken)
			continue;
		if (!ring_may_sleep(&slot->end.commands))
			may = false;
	}
	return may;
}

void mailbox_awake(struct worker *worker)
{
	unsigned i;

	for (i = 0; i < BORDER_CONTROLLERS_MAX; i++)
		if (worker->mailbox.slots[i].attached)
			ring_awake(&worker->mailbox.slots[i].end.commands);
}

unsigned mailbox_wait_ms(const struct worker *worker, unsigned most)
{
	const struct mailbox_slot *slot;
	unsigned i;

	for (i = 0; i < BORDER_CONTROLLERS_MAX; i++) {
		slot = &worker->mailbox.slots[i];
		if (!slot->attached)
			continue;
		if (slot->dirty_legs != NULL || slot->snapshot)
			return WAIT_RING_MS;
		if (slot->dirty_rooms == NULL || slot->rooms_due >= worker->now_ms + most)
			continue;
		most = slot->rooms_due > worker->now_ms + WAIT_RING_MS
			       ? (unsigned)(slot->rooms_due - worker->now_ms)
			       : WAIT_RING_MS;
	}
	return most;
}
