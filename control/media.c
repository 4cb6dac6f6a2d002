/* SPDX-License-Identifier: BSD-3-Clause */
/* What lives where:
 *
 *   media --> rooms --> legs            handles that the caller holds
 *     |         each an `object`: NEW -> OPENING -> READY -> DEAD, and what waits for its id
 *     +-----> lane per worker           removals, then commands that the full ring did not take
 *     +-----> operations                commands in the ring, by cookie, until their answer
 *     +-----> table                     id -> object, for events
 *
 * An object outlives its handle while a command of it is in a lane or in the ring (refs); nobody
 * hears of it any more then (`held` is false). What is queued for such an object is dropped instead
 * of sent; what was already sent is undone by a removal once its answer names the id. A removal
 * needs no memory and thus cannot fail: the object itself is queued.
 *
 * An object that the snapshot shows and its owner claims starts READY; what is not claimed is
 * removed, but no command leaves before every worker's snapshot is complete.
 *
 * Callbacks run only inside media_poll, and may call everything, media_free included: each one is
 * made with a reference on its object and nothing but the object's fields is looked at
 * afterwards. */
#include "control/media.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "include/border.h"
#include "include/log.h"

#define RETRY_MS 1000
#define ATTACH_WAIT_MS                                                                             \
	250 /* how long an attach may hold up the focus; the switch answers in a few */
#define POLL_BUDGET  1024 /* events of one media_poll, so that SIP gets its turn */
#define FULL_RING_MS 5    /* a full ring is tried again after so long, if no event comes first */

enum state { STATE_NEW, STATE_OPENING, STATE_READY, STATE_DEAD };

TAILQ_HEAD(command_list, command);
TAILQ_HEAD(object_list, object);
TAILQ_HEAD(leg_list, media_leg);
TAILQ_HEAD(room_list, media_room);

struct object {
	struct media *media;
	enum object_kind kind;
	enum state state;
	bool held;      /* the caller has the handle */
	bool done_owed; /* the caller still waits for done() */
	bool in_due, in_removals, in_table;
	int result; /* DEAD: why */
	unsigned refs;
	uint32_t worker;
	uint64_t revision;
	struct object_id id;
	void *arg;
	struct command_list waiting;   /* commands that need the id */
	TAILQ_ENTRY(object) due_link;  /* media.due */
	TAILQ_ENTRY(object) lane_link; /* lane.removals */
	struct object *table_next;
};

struct media_room {
	struct object object; /* first: an object of kind OBJECT_ROOM is one of these */
	TAILQ_ENTRY(media_room) link;
	struct leg_list legs;
	void (*done)(void *room_arg, int result);
};

struct media_leg {
	struct object object; /* first: likewise */
	TAILQ_ENTRY(media_leg) link;
	struct media_room *room; /* while held */
	void (*done)(void *leg_arg, int result, struct span uri, uint16_t port);
};

struct command {
	TAILQ_ENTRY(command) link;
	struct object *object;
	struct switch_cmd cmd;
	char text[];
};

struct operation {             /* a command in the ring */
	struct object *object; /* NULL: free */
	uint32_t generation;
	uint16_t type;
	uint32_t next_free;
};

struct lane {
	struct object_list
		removals; /* before the commands: what is given back makes room for the rest */
	struct command_list commands;
	bool snapshot_open;
};

struct media {
	char *path, *name;
	unsigned queue_max, queued;
	struct media_ops ops;
	void *arg;

	struct controller *controller; /* NULL: not attached */
	bool up, lost, closing, dirty, draining;
	unsigned busy; /* inside media_poll */
	int said;      /* the last attach result that was logged */
	uint32_t workers, next_worker, instance, epoch;
	uint64_t now_ms, retry_at_ms, heartbeat_at_ms;

	struct lane lanes[BORDER_WORKERS_MAX];
	struct room_list rooms;
	struct object_list due; /* objects whose done(result) is to be called */

	struct operation *operations;
	uint32_t operation_count, operation_free; /* index + 1 */

	struct object **table;
	uint32_t table_size, table_count; /* size: a power of 2 */

	struct object_id *stale; /* rooms of an earlier life, to be closed */
	uint32_t stale_count, stale_size, stale_sent;
};

/* Objects. */

static void object_unref(struct object *o)
{
	assert(o->refs > 0);
	if (--o->refs == 0) {
		assert(!o->held && !o->in_due && !o->in_removals && !o->in_table &&
			TAILQ_EMPTY(&o->waiting));
		free(o);
	}
}

static void object_init(
	struct object *o, struct media *m, enum object_kind kind, uint32_t worker, void *arg)
{
	*o = (struct object){ .media = m,
		.kind = kind,
		.state = STATE_NEW,
		.held = true,
		.done_owed = true,
		.refs = 1,
		.worker = worker,
		.arg = arg };
	TAILQ_INIT(&o->waiting);
}

static uint32_t table_slot(const struct media *m, const struct object_id *id)
{
	uint64_t h = ((uint64_t)id->index << 32 | id->generation) ^ ((uint64_t)id->worker << 17) ^
		     ((uint64_t)id->kind << 13);

	h *= 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32) & (m->table_size - 1);
}

static void table_put(struct media *m, struct object *o)
{
	uint32_t slot;

	if (m->table_count == m->table_size) {
		uint32_t size = m->table_size * 2;
		struct object **table = calloc(size, sizeof(*table)), **old = m->table;

		/* Without memory the chains grow longer; nothing else changes. */
		if (table != NULL) {
			uint32_t old_size = m->table_size;

			m->table = table;
			m->table_size = size;
			for (uint32_t i = 0; i < old_size; i++) {
				while (old[i] != NULL) {
					struct object *moved = old[i];

					old[i] = moved->table_next;
					slot = table_slot(m, &moved->id);
					moved->table_next = table[slot];
					table[slot] = moved;
				}
			}
			free(old);
		}
	}
	slot = table_slot(m, &o->id);
	o->table_next = m->table[slot];
	m->table[slot] = o;
	m->table_count++;
	o->in_table = true;
}

static void table_drop(struct object *o)
{
	struct media *m = o->media;
	struct object **at;

	if (!o->in_table)
		return;
	for (at = &m->table[table_slot(m, &o->id)]; *at != o; at = &(*at)->table_next)
		;
	*at = o->table_next;
	m->table_count--;
	o->in_table = false;
}

static struct object *table_find(
	const struct media *m, const struct object_id *id, enum object_kind kind)
{
	struct object *o = m->table[table_slot(m, id)];

	while (o != NULL && !object_id_eq(&o->id, id))
		o = o->table_next;
	return o != NULL && o->kind == kind ? o : NULL;
}

/* Commands that wait, in an object or in a lane. */

static struct command *command_new(
	struct media *m, struct object *o, const struct switch_cmd *cmd, const void *text)
{
	struct command *c;

	if (m->queued >= m->queue_max)
		return NULL;
	c = malloc(sizeof(*c) + cmd->text_len);
	if (c == NULL)
		return NULL;
	c->object = o;
	c->cmd = *cmd;
	if (text != NULL)
		memcpy(c->text, text, cmd->text_len);
	o->refs++;
	m->queued++;
	return c;
}

static void command_free(struct media *m, struct command *c)
{
	struct object *o = c->object;

	m->queued--;
	free(c);
	object_unref(o);
}

static void commands_drop(struct media *m, struct command_list *list)
{
	struct command *c;

	while ((c = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, c, link);
		command_free(m, c);
	}
}

/* Commands in the ring. A cookie is index + 1 and generation, so that an answer can only meet its
 * own command. */

static struct operation *operation_new(
	struct media *m, struct object *o, uint16_t type, uint64_t *cookie)
{
	struct operation *op;

	if (m->operation_free == 0) {
		uint32_t count = m->operation_count ? 2 * m->operation_count : 64;
		struct operation *more = realloc(m->operations, count * sizeof(*more));

		if (more == NULL)
			return NULL;
		m->operations = more;
		for (uint32_t i = count; i > m->operation_count; i--) {
			more[i - 1] = (struct operation){ .next_free = m->operation_free };
			m->operation_free = i;
		}
		m->operation_count = count;
	}
	op = &m->operations[m->operation_free - 1];
	*cookie = (uint64_t)op->generation << 32 | m->operation_free;
	m->operation_free = op->next_free;
	op->object = o;
	op->type = type;
	o->refs++;
	return op;
}

static void operation_end(struct media *m, struct operation *op)
{
	struct object *o = op->object;

	op->object = NULL;
	op->generation++;
	op->next_free = m->operation_free;
	m->operation_free = (uint32_t)(op - m->operations) + 1;
	object_unref(o);
}

static struct operation *operation_find(struct media *m, uint64_t cookie)
{
	uint32_t index = (uint32_t)cookie;
	struct operation *op;

	if (index == 0 || index > m->operation_count)
		return NULL;
	op = &m->operations[index - 1];
	return op->object != NULL && op->generation == (uint32_t)(cookie >> 32) ? op : NULL;
}

/* Puts one command into the ring. -ENOBUFS: later; -EPIPE: never. */
static int command_submit(
	struct media *m, struct object *o, struct switch_cmd *cmd, const void *text)
{
	struct operation *op = operation_new(m, o, cmd->type, &cmd->cookie);
	int result;

	if (op == NULL)
		return -ENOBUFS;
	if (cmd->type == CMD_LEG_ADD)
		cmd->object = ((struct media_leg *)o)->room->object.id;
	else if (cmd->type != CMD_ROOM_OPEN)
		cmd->object = o->id;
	result = controller_submit(m->controller, o->worker, cmd, text);
	if (result != 0) {
		operation_end(m, op);
		if (result != -ENOBUFS)
			m->lost = true;
		return result == -ENOBUFS ? result : -EPIPE;
	}
	/* What a peer is told next relies on it: the switch must see it before the peer's octets.
	 * Of rooms and new legs nobody is told before their answer has come. */
	if (cmd->type != CMD_ROOM_OPEN && cmd->type != CMD_ROOM_CLOSE && cmd->type != CMD_LEG_ADD)
		controller_flush(m->controller);
	else
		m->dirty = true;
	if (cmd->type == CMD_ROOM_OPEN || cmd->type == CMD_LEG_ADD)
		o->state = STATE_OPENING;
	return 0;
}

static bool lane_is_free(const struct lane *lane)
{
	return TAILQ_EMPTY(&lane->removals) && TAILQ_EMPTY(&lane->commands);
}

/* Sends what waits for the ring, as far as it goes. */
static void lane_flush(struct media *m, struct lane *lane)
{
	struct command *c;
	struct object *o;

	if (!m->up)
		return; /* not before the end of the snapshot */
	while (!m->lost && (o = TAILQ_FIRST(&lane->removals)) != NULL) {
		struct switch_cmd cmd = { .type = o->kind == OBJECT_ROOM ? CMD_ROOM_CLOSE
									 : CMD_LEG_REMOVE };

		if (command_submit(m, o, &cmd, NULL) != 0)
			return;
		TAILQ_REMOVE(&lane->removals, o, lane_link);
		o->in_removals = false;
		object_unref(o);
	}
	while (!m->lost && (c = TAILQ_FIRST(&lane->commands)) != NULL) {
		if (c->object->held && command_submit(m, c->object, &c->cmd, c->text) != 0)
			return;
		TAILQ_REMOVE(&lane->commands, c, link);
		command_free(m, c);
	}
}

/* Sends a command of o; `gate` is the object whose id it needs (NULL: none). */
static int object_send(struct object *o, struct object *gate, struct switch_cmd *cmd,
	const struct text_builder *text)
{
	struct media *m = o->media;
	struct lane *lane = &m->lanes[o->worker];
	struct command *c;

	if (!m->up || m->lost)
		return -EPIPE;
	if (gate != NULL && gate->state == STATE_DEAD)
		return gate->result;
	cmd->text_len = text != NULL ? text->len : 0;
	if ((gate == NULL || gate->state == STATE_READY) && lane_is_free(lane)) {
		int result = command_submit(m, o, cmd, text != NULL ? text->octets : NULL);

		if (result != -ENOBUFS)
			return result;
	}
	c = command_new(m, o, cmd, text != NULL ? text->octets : NULL);
	if (c == NULL)
		return -ENOBUFS;
	if (gate == NULL || gate->state == STATE_READY)
		TAILQ_INSERT_TAIL(&lane->commands, c, link);
	else
		TAILQ_INSERT_TAIL(&gate->waiting, c, link);
	return 0;
}

/* Tells the switch to forget a READY object that nobody holds. */
static void object_remove(struct object *o)
{
	struct lane *lane = &o->media->lanes[o->worker];

	table_drop(o);
	o->state = STATE_DEAD;
	o->result = -ENOENT;
	if (o->media->lost || o->media->controller == NULL)
		return;
	o->refs++;
	o->in_removals = true;
	TAILQ_INSERT_TAIL(&lane->removals, o, lane_link);
	lane_flush(o->media, lane);
}

/* The caller gives its handle back. `tell`: the switch must hear of it; else it goes with its
 * room. */
static void object_let_go(struct object *o, bool tell)
{
	struct media *m = o->media;

	o->held = false;
	o->done_owed = false;
	if (o->in_due) {
		TAILQ_REMOVE(&m->due, o, due_link);
		o->in_due = false;
	}
	commands_drop(m, &o->waiting);
	if (o->state == STATE_READY && tell) {
		object_remove(o);
	} else if (o->state != STATE_OPENING || !tell) {
		/* NEW: the command that opens it is still queued here, and is dropped in its
		 * turn. */
		table_drop(o);
		o->state = STATE_DEAD;
		o->result = -ENOENT;
	}
	object_unref(o);
}

/* It does not exist in the switch, or no longer. Who waits for it, or for what was to be in it,
 * hears so by due_call. */
static void object_die(struct object *o, int result)
{
	struct media *m = o->media;
	struct command *c;

	table_drop(o);
	o->state = STATE_DEAD;
	o->result = result;
	if (o->held && o->done_owed && !o->in_due) {
		TAILQ_INSERT_TAIL(&m->due, o, due_link);
		o->in_due = true;
	}
	while ((c = TAILQ_FIRST(&o->waiting)) != NULL) {
		struct object *other = c->object;

		TAILQ_REMOVE(&o->waiting, c, link);
		if (other != o && other->state != STATE_DEAD)
			object_die(other, result);
		command_free(m, c);
	}
}

static void object_done(struct object *o, int result, struct span uri, uint16_t port)
{
	if (!o->held || !o->done_owed)
		return;
	o->done_owed = false;
	o->refs++;
	if (o->kind == OBJECT_ROOM) {
		struct media_room *room = (struct media_room *)o;

		if (room->done != NULL)
			room->done(o->arg, result);
	} else {
		struct media_leg *leg = (struct media_leg *)o;

		if (leg->done != NULL)
			leg->done(o->arg, result, uri, port);
	}
	object_unref(o);
}

static void due_call(struct media *m)
{
	struct object *o;

	while (!m->closing && (o = TAILQ_FIRST(&m->due)) != NULL) {
		TAILQ_REMOVE(&m->due, o, due_link);
		o->in_due = false;
		object_done(o, o->result, (struct span){ "", 0 }, 0);
	}
}

/* Events. */

static void on_opened(struct object *o, const struct switch_event *event, const char *text)
{
	struct media *m = o->media;
	struct lane *lane = &m->lanes[o->worker];
	struct span uri = { "", 0 };
	uint16_t port = 0;

	if (o->state == STATE_DEAD)
		return; /* went with its room */
	o->id = event->object;
	o->state = STATE_READY;
	if (!o->held) {
		object_remove(o);
		return;
	}
	table_put(m, o);
	/* What was asked for before comes before what done() will ask for. */
	TAILQ_CONCAT(&lane->commands, &o->waiting, link);
	lane_flush(m, lane);
	if (o->kind == OBJECT_LEG) {
		uri = text_get(event->u.leg.uri, text, event->text_len);
		port = (uint16_t)event->u.leg.port;
	}
	object_done(o, 0, uri, port);
}

static void on_answer(struct media *m, const struct switch_event *event, const char *text)
{
	struct operation *op = operation_find(m, event->cookie);
	struct object *o;
	uint16_t type;

	if (op == NULL) {
		if (event->cookie != 0)
			log_warning("media", "an answer to no command cookie=%llu",
				(unsigned long long)event->cookie);
		return;
	}
	o = op->object;
	type = op->type;
	o->refs++;
	operation_end(m, op);
	if (type == CMD_ROOM_OPEN || type == CMD_LEG_ADD) {
		if (event->result == 0) {
			on_opened(o, event, text);
		} else {
			log_warning("media",
				"the switch refused a command command=%s result=\"%s\"",
				switch_command_name(type), result_text(event->result));
			object_die(o, event->result);
			due_call(m);
		}
	} else if (event->result != 0 && (o->held || event->result != -ENOENT)) {
		/* What is gone already needs no removal; all else says that the two sides
		 * differ. */
		log_warning("media", "the switch refused a command command=%s result=\"%s\"",
			switch_command_name(type), result_text(event->result));
	}
	object_unref(o);
}

static bool is_news(struct object *o, const struct switch_event *event)
{
	if (o == NULL || event->revision < o->revision)
		return false;
	o->revision = event->revision;
	return true;
}

static void stale_add(struct media *m, const struct object_id *id)
{
	if (m->stale_count == m->stale_size) {
		uint32_t size = m->stale_size ? 2 * m->stale_size : 64;
		struct object_id *more = realloc(m->stale, size * sizeof(*more));

		if (more == NULL) {
			/* It would stay in the switch for ever: start again from the beginning. */
			m->lost = true;
			return;
		}
		m->stale = more;
		m->stale_size = size;
	}
	m->stale[m->stale_count++] = *id;
}

/* Adoption: what the switch holds of an earlier life, or of an earlier attachment. */

static void object_adopt(
	struct object *o, struct media *m, enum object_kind kind, const struct switch_event *event)
{
	object_init(o, m, kind, event->object.worker, NULL);
	o->done_owed = false;
	o->state = STATE_READY;
	o->id = event->object;
	o->revision = event->revision;
	table_put(m, o);
}

static void on_snapshot_room(struct media *m, const struct switch_event *event)
{
	struct media_room *room = NULL;

	if (m->ops.room_found == NULL || event->object.worker >= m->workers) {
		stale_add(m, &event->object);
		return;
	}
	room = calloc(1, sizeof(*room));
	if (room == NULL) {
		m->lost = true; /* again, from the beginning */
		return;
	}
	object_adopt(&room->object, m, OBJECT_ROOM, event);
	TAILQ_INIT(&room->legs);
	TAILQ_INSERT_TAIL(&m->rooms, room, link);
	room->object.arg = m->ops.room_found(m->arg, &event->tag, room, &event->u.room);
	if (room->object.arg == NULL) {
		TAILQ_REMOVE(&m->rooms, room, link);
		object_let_go(&room->object, false);
		stale_add(m, &event->object);
	}
}

static void on_snapshot_leg(struct media *m, const struct switch_event *event, const char *text)
{
	struct object *o = table_find(m, &event->u.leg.room, OBJECT_ROOM);
	struct media_room *room = (struct media_room *)o;
	struct media_leg *leg;

	if (o == NULL || event->object.worker != o->worker)
		return; /* it goes with its room */
	leg = calloc(1, sizeof(*leg));
	if (leg == NULL) {
		m->lost = true;
		return;
	}
	object_adopt(&leg->object, m, OBJECT_LEG, event);
	leg->room = room;
	TAILQ_INSERT_TAIL(&room->legs, leg, link);
	if (m->ops.leg_found != NULL)
		leg->object.arg = m->ops.leg_found(m->arg, o->arg, &event->tag, leg,
			&event->u.leg.status, text_get(event->u.leg.uri, text, event->text_len),
			(uint16_t)event->u.leg.port);
	if (leg->object.arg == NULL)
		media_leg_remove(leg);
}

static void on_event(void *arg, uint32_t w, const struct switch_event *event, const char *text)
{
	struct media *m = arg;
	struct object *o;

	if (m->closing)
		return;
	switch (event->type) {
	case EVENT_ANSWER: on_answer(m, event, text); break;
	case EVENT_LEG:
		o = table_find(m, &event->object, OBJECT_LEG);
		if (is_news(o, event))
			m->ops.leg_changed(m->arg, o->arg, &event->u.leg.status);
		break;
	case EVENT_NICKNAME_ASKED:
		o = table_find(m, &event->object, OBJECT_LEG);
		if (o != NULL)
			m->ops.nickname_asked(m->arg, o->arg, (struct media_leg *)o,
				event->u.nickname.ask,
				text_get(event->u.nickname.name, text, event->text_len));
		break;
	case EVENT_ROOM:
		o = table_find(m, &event->object, OBJECT_ROOM);
		if (is_news(o, event))
			m->ops.room_counts(m->arg, o->arg, &event->u.room);
		break;
	case EVENT_ROOM_DRAINED:
	case EVENT_LEG_GONE:
		/* Our own removals have left the table; anything else is a void id from now on. */
		o = table_find(m, &event->object,
			event->type == EVENT_LEG_GONE ? OBJECT_LEG : OBJECT_ROOM);
		if (o != NULL)
			object_die(o, -ENOENT);
		break;
	case EVENT_SNAPSHOT_ROOM: on_snapshot_room(m, event); break;
	case EVENT_SNAPSHOT_LEG: on_snapshot_leg(m, event, text); break;
	case EVENT_SNAPSHOT_END: m->lanes[w].snapshot_open = false; break;
	case EVENT_DRAINING: /* of each worker */
		if (!m->draining && m->ops.draining != NULL)
			m->ops.draining(m->arg);
		m->draining = true;
		break;
	default: log_warning("media", "an unknown event type=%u", event->type);
	}
}

/* Attaching, coming up, going down. */

static void attach(struct media *m)
{
	uint32_t abi = 0, instance, epoch;
	int result = controller_attach(&m->controller, m->path, m->name, ATTACH_WAIT_MS, &abi);

	m->retry_at_ms = m->now_ms + RETRY_MS;
	if (result != 0) {
		m->controller = NULL;
		if (result == m->said)
			return;
		m->said = result;
		if (result == -EPROTO)
			log_error("media",
				"the switch is of another version, retrying every second socket=%s abi=%u wanted=%u",
				m->path, abi, BORDER_ABI);
		else
			log_warning("media",
				"the switch cannot be reached, retrying every second socket=%s reason=\"%s\"",
				m->path, result_text(result));
		return;
	}
	m->said = 0;
	instance = controller_instance(m->controller);
	epoch = controller_epoch(m->controller);
	if (m->epoch != 0 && instance == m->instance && epoch > m->epoch + 1)
		log_error("media", "another controller has used our name name=%s epochs=%u",
			m->name, epoch - m->epoch - 1);
	m->instance = instance;
	m->epoch = epoch;
	m->workers = controller_workers(m->controller);
	m->next_worker = 0;
	m->lost = m->workers == 0 || m->workers > BORDER_WORKERS_MAX;
	m->stale_count = m->stale_sent = 0;
	m->heartbeat_at_ms = m->now_ms;
	for (uint32_t w = 0; w < m->workers && !m->lost; w++) {
		struct switch_cmd cmd = { .type = CMD_SNAPSHOT };

		m->lanes[w].snapshot_open = true;
		if (controller_submit(m->controller, w, &cmd, NULL) != 0)
			m->lost = true;
	}
	m->dirty = true;
	log_info("media", "attached to the switch name=%s instance=%u epoch=%u workers=%u", m->name,
		instance, epoch, m->workers);
}

/* After every worker's snapshot: rooms that nobody claimed are of a life before this one, and are
 * closed. A room takes its legs along. */
static void come_up(struct media *m)
{
	for (uint32_t w = 0; w < m->workers; w++) {
		if (m->lanes[w].snapshot_open)
			return;
	}
	while (m->stale_sent < m->stale_count) {
		struct switch_cmd cmd = { .type = CMD_ROOM_CLOSE,
			.object = m->stale[m->stale_sent] };
		int result = controller_submit(m->controller, cmd.object.worker, &cmd, NULL);

		if (result == -ENOBUFS)
			return;
		if (result != 0) {
			m->lost = true;
			return;
		}
		m->dirty = true;
		m->stale_sent++;
	}
	if (m->stale_count > 0)
		log_info("media", "closed the rooms of an earlier life rooms=%u", m->stale_count);
	m->up = true;
	m->ops.up(m->arg);
}

/* Nothing of the old attachment is left after this, and nobody was called. */
static void let_down(struct media *m)
{
	struct media_room *room;
	struct media_leg *leg;
	struct object *o;

	TAILQ_FOREACH(room, &m->rooms, link)
	{
		object_die(&room->object, -EPIPE);
		TAILQ_FOREACH(leg, &room->legs, link)
		object_die(&leg->object, -EPIPE);
	}
	for (uint32_t w = 0; w < BORDER_WORKERS_MAX; w++) {
		struct lane *lane = &m->lanes[w];

		while ((o = TAILQ_FIRST(&lane->removals)) != NULL) {
			TAILQ_REMOVE(&lane->removals, o, lane_link);
			o->in_removals = false;
			object_unref(o);
		}
		commands_drop(m, &lane->commands);
		lane->snapshot_open = false;
	}
	for (uint32_t i = 0; i < m->operation_count; i++) {
		if (m->operations[i].object != NULL)
			operation_end(m, &m->operations[i]);
	}
	controller_detach(m->controller);
	m->controller = NULL;
	m->up = m->lost = m->dirty = m->draining = false;
}

static void go_down(struct media *m)
{
	bool was_up = m->up;

	log_warning("media", "the switch has gone, retrying every second socket=%s", m->path);
	let_down(m);
	m->retry_at_ms = m->now_ms + RETRY_MS;
	if (was_up)
		m->ops.down(m->arg);
	due_call(m);
}

int media_new(struct media **out, const char *socket_path, const char *name, unsigned queue_max,
	const struct media_ops *ops, void *arg)
{
	struct media *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (m == NULL)
		return -ENOBUFS;
	m->path = strdup(socket_path);
	m->name = strdup(name);
	m->table_size = 1024;
	m->table = calloc(m->table_size, sizeof(m->table[0]));
	if (m->path == NULL || m->name == NULL || m->table == NULL) {
		free(m->path);
		free(m->name);
		free(m->table);
		free(m);
		return -ENOBUFS;
	}
	m->queue_max = queue_max;
	m->ops = *ops;
	m->arg = arg;
	TAILQ_INIT(&m->rooms);
	TAILQ_INIT(&m->due);
	for (uint32_t w = 0; w < BORDER_WORKERS_MAX; w++) {
		TAILQ_INIT(&m->lanes[w].removals);
		TAILQ_INIT(&m->lanes[w].commands);
	}
	*out = m;
	return 0;
}

static void destroy(struct media *m)
{
	struct media_room *room;

	if (m->dirty && !m->lost)
		controller_flush(m->controller); /* rooms that were closed just now */
	let_down(m);
	while ((room = TAILQ_FIRST(&m->rooms)) != NULL)
		media_room_close(room);
	free(m->operations);
	free(m->table);
	free(m->stale);
	free(m->path);
	free(m->name);
	free(m);
}

void media_free(struct media *m)
{
	if (m == NULL)
		return;
	m->closing = true;
	if (m->busy == 0)
		destroy(m);
}

bool media_is_up(const struct media *m)
{
	return m->up && !m->lost && !m->closing;
}

static void lower(int *timeout_ms, uint64_t now_ms, uint64_t at_ms)
{
	int left = at_ms <= now_ms             ? 0
		   : at_ms - now_ms > RETRY_MS ? RETRY_MS
					       : (int)(at_ms - now_ms);

	if (*timeout_ms < 0 || left < *timeout_ms)
		*timeout_ms = left;
}

void media_wait_on(struct media *m, int fds[2], int *timeout_ms)
{
	fds[0] = fds[1] = -1;
	*timeout_ms = -1;
	if (m->controller == NULL) {
		lower(timeout_ms, m->now_ms, m->retry_at_ms);
		return;
	}
	fds[0] = controller_fd(m->controller);
	fds[1] = controller_socket(m->controller);
	if (m->dirty) {
		controller_flush(m->controller);
		m->dirty = false;
	}
	lower(timeout_ms, m->now_ms, m->heartbeat_at_ms);
	if (!m->up && m->stale_sent < m->stale_count)
		lower(timeout_ms, 0, FULL_RING_MS);
	for (uint32_t w = 0; w < m->workers; w++) {
		if (!lane_is_free(&m->lanes[w]))
			lower(timeout_ms, 0, FULL_RING_MS);
	}
	if (m->lost || !controller_may_sleep(m->controller))
		*timeout_ms = 0;
}

void media_poll(struct media *m, uint64_t now_ms)
{
	assert(m->busy == 0);
	m->busy++;
	m->now_ms = now_ms;
	if (m->controller == NULL && now_ms >= m->retry_at_ms)
		attach(m);
	if (m->controller != NULL) {
		int seen = m->lost ? 0 : controller_poll(m->controller, POLL_BUDGET, on_event, m);
		bool beat = now_ms >= m->heartbeat_at_ms;

		if (seen < 0 || ((seen == 0 || beat) && !controller_is_attached(m->controller)))
			m->lost = true;
		if (beat && !m->lost) {
			controller_heartbeat(m->controller);
			m->heartbeat_at_ms = now_ms + BORDER_HEARTBEAT_MS;
		}
		if (!m->up && !m->lost && !m->closing)
			come_up(m);
		for (uint32_t w = 0; w < m->workers; w++)
			lane_flush(m, &m->lanes[w]);
		if (m->dirty && !m->lost) {
			controller_flush(m->controller);
			m->dirty = false;
		}
		if (m->lost && !m->closing)
			go_down(m);
	}
	if (--m->busy == 0 && m->closing)
		destroy(m);
}

/* Calls. */

/* Spans one after the other, each ended by a line feed. */
static int put_lines(
	struct text_builder *b, const struct span *lines, unsigned count, struct text_ref *ref)
{
	struct text_ref part;
	uint16_t at = b->len;

	for (unsigned i = 0; i < count; i++) {
		if (lines[i].len == 0 || memchr(lines[i].at, '\n', lines[i].len) != NULL)
			return -EINVAL;
		if (text_put(b, lines[i], &part) != 0 ||
			text_put(b, SPAN_LITERAL("\n"), &part) != 0)
			return -ENOBUFS;
	}
	*ref = (struct text_ref){ .at = at, .len = (uint16_t)(b->len - at) };
	return 0;
}

static int put_optional(struct text_builder *b, struct span s, struct text_ref *ref)
{
	*ref = (struct text_ref){ 0, 0 };
	return s.len > 0 ? text_put(b, s, ref) : 0;
}

int media_room_open(struct media *m, struct media_room **out, const struct object_tag *tag,
	uint32_t flags, uint64_t max_message, const struct span *uris, unsigned uri_count,
	struct span wrapped, void (*done)(void *room_arg, int result), void *room_arg)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_OPEN, .tag = *tag };
	struct text_builder text = { .len = 0 };
	struct media_room *room;
	int result;

	*out = NULL;
	if (!media_is_up(m))
		return -EPIPE;
	cmd.u.room.flags = flags;
	cmd.u.room.max_message = max_message;
	result = put_lines(&text, uris, uri_count, &cmd.u.room.uris);
	if (result == 0)
		result = put_optional(&text, wrapped, &cmd.u.room.wrapped);
	if (result != 0)
		return result;
	room = calloc(1, sizeof(*room));
	if (room == NULL)
		return -ENOBUFS;
	object_init(&room->object, m, OBJECT_ROOM, m->next_worker, room_arg);
	room->done = done;
	TAILQ_INIT(&room->legs);
	result = object_send(&room->object, NULL, &cmd, &text);
	if (result != 0) {
		object_let_go(&room->object, false);
		return result;
	}
	m->next_worker = (m->next_worker + 1) % m->workers;
	TAILQ_INSERT_TAIL(&m->rooms, room, link);
	*out = room;
	return 0;
}

void media_room_close(struct media_room *room)
{
	struct media_leg *leg;

	while ((leg = TAILQ_FIRST(&room->legs)) != NULL) {
		TAILQ_REMOVE(&room->legs, leg, link);
		leg->room = NULL;
		object_let_go(&leg->object, false);
	}
	TAILQ_REMOVE(&room->object.media->rooms, room, link);
	object_let_go(&room->object, true);
}

static int leg_settings(struct switch_cmd *cmd, struct text_builder *text,
	const struct media_leg_offer *offer, bool rebind)
{
	int result;

	cmd->u.leg = (struct leg_settings){ .setup = offer->active ? LEG_ACTIVE : LEG_PASSIVE,
		.tls = offer->secure,
		.rebind = rebind,
		.bind_ms = offer->bind_ms,
		.family = offer->family };
	result = put_optional(text, offer->path, &cmd->u.leg.path);
	return result != 0 ? result : put_optional(text, offer->connect, &cmd->u.leg.connect);
}

int media_leg_add(struct media_room *room, struct media_leg **out, const struct object_tag *tag,
	const struct media_leg_offer *offer,
	void (*done)(void *leg_arg, int result, struct span uri, uint16_t port), void *leg_arg)
{
	struct switch_cmd cmd = { .type = CMD_LEG_ADD, .tag = *tag };
	struct text_builder text = { .len = 0 };
	struct media_leg *leg;
	int result = leg_settings(&cmd, &text, offer, false);

	*out = NULL;
	if (result != 0)
		return result;
	leg = calloc(1, sizeof(*leg));
	if (leg == NULL)
		return -ENOBUFS;
	object_init(&leg->object, room->object.media, OBJECT_LEG, room->object.worker, leg_arg);
	leg->room = room;
	leg->done = done;
	result = object_send(&leg->object, &room->object, &cmd, &text);
	if (result != 0) {
		object_let_go(&leg->object, false);
		return result;
	}
	TAILQ_INSERT_TAIL(&room->legs, leg, link);
	*out = leg;
	return 0;
}

int media_leg_update(struct media_leg *leg, const struct media_leg_offer *offer, bool rebind)
{
	struct switch_cmd cmd = { .type = CMD_LEG_UPDATE };
	struct text_builder text = { .len = 0 };
	int result = leg_settings(&cmd, &text, offer, rebind);

	return result != 0 ? result : object_send(&leg->object, &leg->object, &cmd, &text);
}

void media_leg_remove(struct media_leg *leg)
{
	TAILQ_REMOVE(&leg->room->legs, leg, link);
	object_let_go(&leg->object, true);
}

static int member_send(struct media_leg *leg, uint16_t type, const struct media_member *member)
{
	struct switch_cmd cmd = { .type = type };
	struct text_builder text = { .len = 0 };
	int result;

	cmd.u.member.flags = member->flags;
	cmd.u.member.participant = member->participant;
	result = put_lines(
		&text, member->identities, member->identity_count, &cmd.u.member.identities);
	if (result == 0)
		result = put_optional(&text, member->alias, &cmd.u.member.alias);
	if (result == 0)
		result = put_optional(&text, member->wrapped, &cmd.u.member.wrapped);
	return result != 0 ? result : object_send(&leg->object, &leg->object, &cmd, &text);
}

int media_member_add(struct media_leg *leg, const struct media_member *member)
{
	return member_send(leg, CMD_MEMBER_ADD, member);
}

int media_member_alias(struct media_leg *leg, const struct media_member *member)
{
	return member_send(leg, CMD_MEMBER_ALIAS, member);
}

int media_member_remove(struct media_leg *leg)
{
	struct switch_cmd cmd = { .type = CMD_MEMBER_REMOVE };

	return object_send(&leg->object, &leg->object, &cmd, NULL);
}

int media_member_flags(struct media_leg *leg, uint32_t flags)
{
	struct switch_cmd cmd = { .type = CMD_MEMBER_MUTE };

	cmd.u.member.flags = flags;
	return object_send(&leg->object, &leg->object, &cmd, NULL);
}

int media_nickname_answer(struct media_leg *leg, uint64_t ask, unsigned status)
{
	struct switch_cmd cmd = { .type = CMD_NICKNAME };

	cmd.u.nickname.ask = ask;
	cmd.u.nickname.status = status;
	return object_send(&leg->object, &leg->object, &cmd, NULL);
}
