/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/fanout.h"
#include "dataplane/msrp/cpim.h"
#include "dataplane/worker.h"

static struct message_part *part_of(struct worker *worker, struct message *message)
{
	return &message->part[worker->index];
}

/* Views that nobody stands in any more go, oldest first. */
static void release_views(struct worker *worker, struct message_part *mp)
{
	struct view *view;

	while ((view = mp->first) != NULL && view->at == 0) {
		mp->first = view->next;
		if (mp->first == NULL)
			mp->last = NULL;
		payload_drop(worker, view->payload);
	}
}

/* After any change that may have been the last one of this message here. The message may be gone
 * afterwards. */
static void settle(struct worker *worker, struct message *message)
{
	struct message_part *mp = part_of(worker, message);

	release_views(worker, mp);
	if (!mp->ended || mp->walking || mp->entries > 0)
		return;
	assert(mp->first == NULL);
	mp->ended = false; /* once */
	message_drop(worker, message);
}

static void entry_put(struct worker *worker, struct entry *entry)
{
	part_of(worker, entry->message)->entries--;
	pool_put(&worker->entries, entry);
}

void fanout_entry_wait(struct worker *worker, struct entry *entry)
{
	struct message_part *mp = part_of(worker, entry->message);

	entry->view->at--;
	entry->view = NULL;
	entry->offset = 0;
	entry->flags |= ENTRY_WAITING;
	entry->wait_next = mp->waiting;
	mp->waiting = entry;
	mp->at_end++;
	release_views(worker, mp);
}

void fanout_entry_advance(struct worker *worker, struct entry *entry, struct view *to)
{
	entry->view->at--;
	to->at++;
	entry->view = to;
	entry->offset = 0;
	release_views(worker, part_of(worker, entry->message));
}

void fanout_entry_leave(struct worker *worker, struct entry *entry)
{
	entry->view->at--;
	release_views(worker, part_of(worker, entry->message));
}

void fanout_entry_free(struct worker *worker, struct entry *entry)
{
	struct message *message = entry->message;

	if (entry->flags & ENTRY_WAITING) {
		entry->flags |= ENTRY_DEAD; /* the list it is on frees it */
		return;
	}
	if (!(entry->flags & ENTRY_CUT))
		entry->view->at--;
	entry_put(worker, entry);
	settle(worker, message);
}

static void update_full(struct room_part *part)
{
	if (!part->full && part->work_octets > ROOM_WORK_HIGH) {
		part->full = true;
		atomic_fetch_add_explicit(&part->room->full, 1, memory_order_relaxed);
	} else if (part->full && part->work_octets < ROOM_WORK_LOW) {
		part->full = false;
		atomic_fetch_sub_explicit(&part->room->full, 1, memory_order_relaxed);
	}
}

void fanout_view(struct worker *worker, struct view *view)
{
	struct room_part *part = &view->payload->message->room->part[worker->index];

	view->work_next = NULL;
	if (part->work == NULL)
		part->work = view;
	else
		part->work_last->work_next = view;
	part->work_last = view;
	part->work_octets += view->payload->len + (uint32_t)sizeof(*view);
	part->work_in++;
	update_full(part);
	if (!part->working) {
		part->working = true;
		part->work_next = NULL;
		if (worker->work == NULL)
			worker->work = part;
		else
			worker->work_last->work_next = part;
		worker->work_last = part;
	}
}

/* The view becomes the last of its message here; those that had consumed everything stand in it
 * from now on. */
static void append(struct worker *worker, struct room_part *part, struct view *view)
{
	struct payload *payload = view->payload;
	struct message *message = payload->message;
	struct message_part *mp = part_of(worker, message);

	view->next = NULL;
	view->at = mp->at_end + 1; /* and the work under way */
	view->wake = mp->waiting;
	mp->waiting = NULL;
	mp->at_end = 0;
	mp->walking = true;
	if (mp->first == NULL)
		mp->first = view;
	else
		mp->last->next = view;
	mp->last = view;
	view->number = mp->views++;
	mp->octets = payload->offset + payload->len;
	if (payload->flags & PAYLOAD_BEGIN) {
		part->cursor = part->first;
		if (message->tracked) {
			mp->report = report_new(worker, message, part);
			if (mp->report == NULL) {
				mp->uncounted = true;
				report_part_done(worker, message);
			}
		}
	}
	if (payload->flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED))
		mp->ended = true;
	if (payload->flags & PAYLOAD_ABORTED)
		mp->aborted = true;
	if (payload->flags & PAYLOAD_WHOLE && mp->report != NULL)
		report_whole(worker, mp->report);
	part->appended += payload->len + BACKLOG_VIEW_OCTETS;
	backlog_grown(worker, part);
}

static bool eligible(
	struct worker *worker, struct message *message, const struct msrp_session *session)
{
	const struct leg_conf *conf = session->conf;

	/* RFC 7701 6.1: the recipients are those who were in when the message began; late joiners
	 * never get a tail. */
	if (session->joined >= message->order || conf->leg_index == message->sender ||
		(session->leaving && message->order > session->leave.order))
		return false;
	if (message->private && conf->participant != message->to_participant)
		return false;
	/* context.md 1.6: a direction restricts user content only. */
	if (conf->flags & MEMBER_HOLD &&
		!room_type_is_control(span_make(message->type, message->type_len))) {
		worker->counters.copies_skipped_hold++;
		return false;
	}
	if (!conf->wrapped_all &&
		!media_type_in(span_make(message->type, message->type_len), conf->wrapped)) {
		worker->counters
			.copies_skipped_type++; /* context.md 2.1 step 5: skipped silently */
		if (part_of(worker, message)->report != NULL)
			report_copy_refused(part_of(worker, message)->report, session, 415);
		return false;
	}
	return true;
}

/* Up to `budget` members; true when the view's work is done. */
static bool work(struct worker *worker, struct room_part *part, struct view *view, unsigned *budget)
{
	struct message *message = view->payload->message;
	struct msrp_session *session;
	struct entry *entry;

	if (view->payload->flags & PAYLOAD_BEGIN) {
		while ((session = part->cursor) != NULL && *budget > 0 &&
			connection_line_count(worker, part) < FANOUT_CONNECTIONS) {
			part->cursor = session->member_next;
			--*budget;
			if (!eligible(worker, message, session))
				continue;
			if (!backlog_add(worker, session, message, view)) {
				atomic_fetch_add_explicit(&part->skipped, 1, memory_order_relaxed);
				if (part_of(worker, message)->report != NULL)
					report_copy_refused(
						part_of(worker, message)->report, session, 408);
			}
		}
		return part->cursor == NULL;
	}
	while ((entry = view->wake) != NULL && *budget > 0) {
		view->wake = entry->wait_next;
		--*budget;
		entry->flags &= ~(unsigned)ENTRY_WAITING;
		if (entry->flags & ENTRY_DEAD) {
			view->at--;
			entry_put(worker, entry);
			continue;
		}
		if (entry->flags & ENTRY_CUT) {
			view->at--;
			continue;
		}
		entry->view = view;
		entry->offset = 0;
		if (view->payload->len == 0 &&
			!(view->payload->flags & (PAYLOAD_WHOLE | PAYLOAD_ABORTED))) {
			fanout_entry_wait(
				worker, entry); /* a chunk of the sender's ended: nothing to send */
			continue;
		}
		backlog_more(worker, pool_at(&worker->sessions, entry->session), entry);
	}
	return view->wake == NULL;
}

/* Every member knows where it is with this view. */
static void walked(struct worker *worker, struct message *message, uint8_t flags)
{
	struct report_part *report = part_of(worker, message)->report;

	if (report != NULL && flags & PAYLOAD_ABORTED)
		report_aborted(worker, report);
	else if (report != NULL && flags & PAYLOAD_WHOLE)
		report_walked(worker, report);
}

/* True: work is left. False: the part is idle, and as its last message may have been its room's
 *       last, the room may be gone. */
static bool run_part(struct worker *worker, struct room_part *part, unsigned *budget)
{
	struct message *message;
	struct view *view;
	bool more = true;

	while (more && *budget > 0) {
		view = part->work;
		message = view->payload->message;
		if (!part_of(worker, message)->walking)
			append(worker, part, view);
		if (!work(worker, part, view, budget))
			return true;
		part->work = view->work_next;
		part->work_octets -= view->payload->len + (uint32_t)sizeof(*view);
		part->work_done++;
		update_full(part);
		part_of(worker, message)->walking = false;
		walked(worker, message, view->payload->flags);
		view->at--;
		more = part->work != NULL;
		if (!more)
			part->working = false;
		settle(worker, message);
		if (*budget > 0)
			--*budget;
	}
	return more;
}

bool fanout_run(struct worker *worker)
{
	struct room_part *part, *end = worker->work_last;
	unsigned budget = FANOUT_SLICE;

	while (budget > 0 && (part = worker->work) != NULL) {
		bool last = part == end;

		worker->work = part->work_next;
		part->work_next = NULL;
		if (run_part(worker, part, &budget)) {
			if (worker->work == NULL)
				worker->work = part;
			else
				worker->work_last->work_next = part;
			worker->work_last = part;
		}
		if (last)
			break;
	}
	return worker->work != NULL;
}

void fanout_member_leaves(struct room_part *part, struct msrp_session *session)
{
	if (part->cursor == session)
		part->cursor = session->member_next;
}
