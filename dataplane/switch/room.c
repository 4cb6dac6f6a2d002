/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/room.h"
#include <string.h>
#include "dataplane/msrp/cpim.h"
#include "dataplane/switch/address.h"
#include "dataplane/worker.h"

#define LEAVING_MS 1000 /* for the end-lines of what is given up */

size_t room_size(unsigned workers)
{
	return sizeof(struct room) + workers * sizeof(struct room_part);
}

static int settings_apply(struct room *room, const struct room_settings *settings, struct span uris,
	struct span wrapped)
{
	if (uris.len == 0 || uris.len + wrapped.len > ROOM_TEXT_MAX)
		return -EINVAL;
	memcpy(room->text, uris.at, uris.len);
	if (wrapped.len > 0)
		memcpy(room->text + uris.len, wrapped.at, wrapped.len);
	room->uris = span_make(room->text, uris.len);
	room->wrapped = span_make(room->text + uris.len, wrapped.len);
	room->flags = settings->flags;
	atomic_store_explicit(&room->max_message, settings->max_message, memory_order_relaxed);
	return 0;
}

int room_open(struct worker *worker, uint8_t slot, const struct object_tag *tag,
	const struct room_settings *settings, struct span uris, struct span wrapped,
	struct room **out)
{
	struct room *room = NULL;
	uint32_t generation;
	unsigned w;
	int result;

	if (worker->pressure >= PRESSURE_DOORS)
		worker->counters.commands_refused++;
	else
		room = pool_get(&worker->rooms);
	if (room == NULL)
		return -ENOBUFS;
	generation = room->generation + 1;
	memset(room, 0, room_size(worker->shared->workers));
	room->generation = generation != 0 ? generation : 1;
	room->worker = worker->index;
	room->slot = slot;
	room->tag = *tag;
	result = settings_apply(room, settings, uris, wrapped);
	if (result != 0) {
		pool_put(&worker->rooms, room);
		return result;
	}
	for (w = 0; w < worker->shared->workers; w++)
		room->part[w].room = room;
	room->used = true;
	room->revision = ++worker->mailbox.revision;
	worker->mailbox.slots[slot].objects++;
	*out = room;
	return 0;
}

int room_set(struct worker *worker, struct room *room, const struct room_settings *settings,
	struct span uris, struct span wrapped)
{
	room->revision = ++worker->mailbox.revision;
	return settings_apply(room, settings, uris, wrapped);
}

void room_mark_dirty(struct worker *worker, struct room *room)
{
	room->revision = ++worker->mailbox.revision;
	mailbox_room_dirty(worker, room);
}

static void closing_end(struct room *room)
{
	if (room->closing_prev == NULL)
		return;
	*room->closing_prev = room->closing_next;
	if (room->closing_next != NULL)
		room->closing_next->closing_prev = room->closing_prev;
	room->closing_prev = NULL;
}

static void remove_legs(struct worker *worker, struct room *room)
{
	struct leg *leg, *next;

	room->phase = ROOM_PHASE_REMOVING;
	closing_end(room);
	for (leg = room->legs; leg != NULL; leg = next) {
		next = leg->room_next;
		leg_remove(worker, leg, LEG_CAUSE_REMOVED);
	}
}

static void end_messages(struct worker *worker, struct room *room, bool drop)
{
	struct leg *leg;

	for (leg = room->legs; leg != NULL; leg = leg->room_next)
		if (!leg->removing)
			leg_end_messages(worker, leg, drop);
}

void room_settle(struct worker *worker, struct room *room)
{
	if (!room->closing || room->drained || room->open_messages > 0)
		return;
	if (room->phase != ROOM_PHASE_REMOVING)
		remove_legs(worker, room);
	if (room->leg_count > 0)
		return;
	room->drained = true; /* the event, then the record is free */
	room_mark_dirty(worker, room);
}

void room_free(struct worker *worker, struct room *room)
{
	worker->mailbox.slots[room->slot].objects--;
	room->used = false;
	pool_put(&worker->rooms, room);
}

void room_close(struct worker *worker, struct room *room)
{
	room->closing = true;
	if (room->open_messages > 0 && worker->shared->drain_ms > 0) {
		room->phase = ROOM_PHASE_FINISHING;
		room->close_until = worker->now_ms + worker->shared->drain_ms;
		room->closing_next = worker->closing_rooms;
		room->closing_prev = &worker->closing_rooms;
		if (room->closing_next != NULL)
			room->closing_next->closing_prev = &room->closing_next;
		worker->closing_rooms = room;
		end_messages(worker, room, false);
		return;
	}
	remove_legs(worker, room);
	room_settle(worker, room);
}

void room_tick(struct worker *worker)
{
	struct room *room, *next;

	for (room = worker->closing_rooms; room != NULL; room = next) {
		next = room->closing_next;
		if (worker->now_ms < room->close_until)
			continue;
		if (room->phase == ROOM_PHASE_FINISHING) {
			room->phase = ROOM_PHASE_LEAVING;
			room->close_until = worker->now_ms + LEAVING_MS;
			end_messages(worker, room, true);
		} else {
			remove_legs(worker, room);
		}
	}
}

struct room *room_find(struct worker *worker, const struct object_id *id)
{
	struct room *room;

	if (id->instance != worker->shared->instance || id->worker != worker->index ||
		id->kind != OBJECT_ROOM || id->index >= worker->rooms.count ||
		!pool_was_used(&worker->rooms, id->index))
		return NULL;
	room = pool_at(&worker->rooms, id->index);
	return room->used && room->generation == id->generation && !room->closing ? room : NULL;
}

struct object_id room_object_id(const struct worker *worker, const struct room *room)
{
	return (struct object_id){ worker->shared->instance, worker->index, OBJECT_ROOM,
		pool_index(&worker->rooms, room), room->generation };
}

bool room_type_is_control(struct span type)
{
	return span_eq_nocase(type, SPAN_LITERAL("message/imdn+xml")) ||
	       span_eq_nocase(type, SPAN_LITERAL("application/im-iscomposing+xml"));
}

/* RFC 7701 6.2; context.md 2.5: a message to one participant. */
static unsigned admit_private(struct room *room, struct message *message, struct span to)
{
	bool control = room_type_is_control(span_make(message->type, message->type_len));
	struct leg *leg;
	unsigned status = 404;

	for (leg = room->legs; leg != NULL; leg = leg->room_next) {
		const struct leg_conf *conf = leg->conf;

		if (!leg->member || leg->removing)
			continue;
		/* context.md 2.4: an anonymous participant is addressed by its alias; by its AoR it
		 * is unknown. */
		if (conf->alias.len > 0 ? !address_eq(to, address_of(conf->alias))
					: !address_in(to, conf->identities))
			continue;
		message->to_participant = conf->participant;
		message->unreported = control;
		if (control)
			return 0;
		if (!(room->flags & ROOM_PRIVATE) || message->no_private)
			return 403;
		if (conf->flags & MEMBER_PRIVATE)
			return 0;
		status = 428;
	}
	return status;
}

static unsigned admit(struct worker *worker, struct room *room, struct message *message)
{
	const struct leg *sender = pool_at(&worker->legs, message->sender);
	struct span to = span_make(message->to, message->to_len);

	if (room->closing)
		return 413; /* context.md 1.6 */
	/* The sender's worker may not have heard yet that it is a member no longer; who was told so
	 * here must be right. */
	if (!sender->member || sender->removing || sender->conf->flags & MEMBER_MUTED)
		return 403;
	if (!address_in(to, room->uris)) {
		unsigned status;

		message->private = true;
		status = admit_private(room, message, to);
		if (status != 0)
			return status;
	}
	if (!media_type_in(span_make(message->type, message->type_len), room->wrapped))
		return 415;
	return 0;
}

/* How many legs get a copy: what a sender's egress is reckoned by. That some of them skip it is not
 * asked for. */
static uint32_t recipients(
	const struct worker *worker, const struct room *room, const struct message *message)
{
	const struct leg *leg;
	uint32_t n = 0;
	unsigned w;

	if (worker->shared->rates[RATE_EGRESS] == 0)
		return 0;
	if (!message->private) {
		for (w = 0; w < worker->shared->workers; w++)
			n += room->members[w];
		return n > 0 ? n - 1 : 0; /* not the sender */
	}
	for (leg = room->legs; leg != NULL; leg = leg->room_next)
		n += leg->in_part && leg->conf->participant == message->to_participant;
	return n;
}

/* Exactly two participants: the sender and one other, on any number of legs, bound or not. */
static bool is_between_two(const struct room *room, const struct message *message)
{
	const struct leg *leg;
	uint32_t other = 0;
	bool found = false;

	for (leg = room->legs; leg != NULL; leg = leg->room_next) {
		if (!leg->member || leg->removing || leg->conf->flags & MEMBER_HIDDEN ||
			leg->conf->participant == message->sender_participant)
			continue;
		if (found && leg->conf->participant != other)
			return false;
		found = true;
		other = leg->conf->participant;
	}
	return found;
}

/* The message takes its place in the room's order, and goes to every worker that has members. */
static void begin(struct worker *worker, struct room *room, struct message *message, bool is_begin)
{
	uint32_t workers = 0;
	unsigned w;

	message->seen = true;
	room->open_messages++;
	message->status = is_begin ? (uint16_t)admit(worker, room, message) : 413;
	if (message->status != 0)
		return;
	message->composing = span_eq_nocase(span_make(message->type, message->type_len),
		SPAN_LITERAL("application/im-iscomposing+xml"));
	message->recipients = recipients(worker, room, message);
	message->order = ++room->order + 1;
	room->counts.messages++;
	for (w = 0; w < worker->shared->workers; w++) {
		if (room->members[w] > 0) {
			message->workers |= 1ull << w;
			workers++;
		}
	}
	/* context.md 2.6: a failure is told to the sender between two only, and where that is
	 * wanted. */
	message->two_party = room->flags & ROOM_TWO_PARTY_FAILURE && message->failure_wanted &&
			     !message->unreported && is_between_two(room, message);
	message->tracked = (message->counted && !message->unreported) || message->two_party;
	if (message->tracked)
		atomic_store_explicit(&message->reports_pending, workers + 1, memory_order_relaxed);
	atomic_fetch_add_explicit(
		&message->cores, workers + message->tracked, memory_order_relaxed);
	mailbox_room_dirty(worker, room);
}

/* A whole message that was refused may be sent again, also after its session has gone: then nobody
 * is left at its sender's worker to hear the verdict. */
static void note_refused(struct worker *worker, const struct message *message)
{
	struct leg *leg = pool_at(&worker->legs, message->sender);

	if (message->status != 0)
		leg->refused_id = (uint32_t)message->id_hash;
	else if (leg->refused_id == (uint32_t)message->id_hash)
		leg->refused_id = 0;
}

void room_payload(struct worker *worker, struct payload *payload)
{
	struct message *message = payload->message;
	struct room *room = message->room;
	uint8_t flags = payload->flags;
	bool ends = flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED);
	unsigned w;

	if (!message->seen)
		begin(worker, room, message, flags & PAYLOAD_BEGIN);
	payload->status = message->status != 0 ? message->status : 200;
	if (message->private)
		payload->flags |= PAYLOAD_PRIVATE;
	if (message->status == 0) {
		room->counts.octets += payload->len;
		atomic_fetch_add_explicit(&payload->cores,
			(uint32_t)__builtin_popcountll(message->workers), memory_order_relaxed);
		for (w = 0; w < worker->shared->workers; w++)
			if (message->workers >> w & 1)
				worker_post(
					worker, (uint16_t)w, &payload->views[w].post, POST_FORWARD);
	}
	if (ends) {
		message->whole = flags & PAYLOAD_WHOLE;
		if (message->whole)
			note_refused(worker, message);
		if (message->tracked)
			report_part_done(worker, message);
		message_drop(worker, message);
	}
	if (flags & PAYLOAD_RETURNS)
		worker_post(worker, payload->home, &payload->post, POST_VERDICT);
	else
		payload_drop(worker, payload);
}

void room_report_done(struct worker *worker, struct message *message)
{
	message->count_known = report_count(worker, message, &message->count);
	if (message->two_party && message->count_known && message->count == 0) {
		message->failed = report_failed(worker, message);
		if (message->failed == 0)
			message->failed = 408; /* nobody was there to be sent it */
	}
	worker_post(worker, message->home, &message->report_post, POST_REPORT_READY);
}

void room_message_done(struct worker *worker, struct message *message)
{
	struct room *room = message->room;

	if (message->tracked)
		report_parts_home(worker, message);
	room->open_messages--;
	mailbox_room_dirty(worker, room);
	worker_post(worker, message->home, &message->post, POST_MESSAGE_HOME);
	room_settle(worker, room);
}

void room_counts_fill(
	const struct worker *worker, const struct room *room, struct room_counts *counts)
{
	unsigned w;

	*counts = room->counts;
	for (w = 0; w < worker->shared->workers; w++) {
		counts->deliveries +=
			atomic_load_explicit(&room->part[w].deliveries, memory_order_relaxed);
		counts->cut += atomic_load_explicit(&room->part[w].cut, memory_order_relaxed);
		counts->skipped +=
			atomic_load_explicit(&room->part[w].skipped, memory_order_relaxed);
	}
}
