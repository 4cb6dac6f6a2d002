/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference model: what each member must have received, slowly and obviously.
 *
 * It replays what each sender wrote as RFC 4975, RFC 7701 and context.md 1.5 to 2.6 read, from what was
 * seen outside. Where the order of two things was not to be seen it allows both outcomes, and says
 * why: such a message is `murky`, and held to everything but to having come.
 */
#include "tests/sim/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct history *h;
static struct fate *fates;
static unsigned *answers;
static unsigned born;

/* ---- what was in force ---- */

static unsigned is_member(const struct leg_set *set, const void *arg)
{
	return set->member ? 2 : 1; /* 3: perhaps */
}

static bool over_limit(const struct sim_room *room, tick a, tick b, uint64_t octets, bool *surely)
{
	bool may = false;
	uint32_t i;

	*surely = true;
	for (i = 0; i < room->sets.count; i++) {
		if (room->sets.at[i].done > b ||
			(i + 1 < room->sets.count && room->sets.at[i + 1].done < a))
			continue;
		if (room->sets.at[i].max_message > 0 && octets > room->sets.at[i].max_message)
			may = true;
		else
			*surely = false;
	}
	return may;
}

/* ---- a message ---- */

struct check {
	const struct sim_message *m;
	tick a, b;
};

/* With 200: the sender may use private messages, or not. */
#define MAY_FORBID (1u << 16)
#define MAY_PERMIT (1u << 17)

/* RFC 7701 6.1, context.md 2.1: what the sender's worker looks at. */
static unsigned verdict_of_head(const struct leg_set *set, const void *arg)
{
	const struct sim_message *m = ((const struct check *)arg)->m;

	if (m->bad_head)
		return status_bit(400);
	if (!set->member || m->from == FROM_NONE || m->from == FROM_OTHER ||
		(m->from == FROM_ALIAS && !set->alias))
		return status_bit(403);
	if (m->to == TO_NONE)
		return status_bit(400);
	if (m->to == TO_TWO || set->muted)
		return status_bit(403);
	return status_bit(200) | (set->no_private ? MAY_FORBID : MAY_PERMIT);
}

static unsigned verdict_of_sender(const struct leg_set *set, const void *arg)
{
	return set->member && !set->muted ? status_bit(200) : status_bit(403);
}

static unsigned private_to(const struct leg_set *set, const void *arg)
{
	const struct sim_message *m = arg;

	return set->member && set->alias == m->to_alias ? 2 : 1;
}

/* RFC 7701 6.2, context.md 2.5: a message to one participant, on the home worker. */
static unsigned verdict_of_private(
	const struct sim_message *m, const struct fate *f, bool no_private)
{
	const struct sim_leg *from = &h->legs.at[m->leg], *to;
	const struct sim_room *room = room_of(from);
	bool control = strcmp(m->wrapped, "message/imdn+xml") == 0, allowed = false, sure = false;
	bool forbidden = false;
	unsigned may, set = 0;
	uint32_t i;

	for (i = 0; i < room->sets.count; i++) {
		if (room->sets.at[i].done > f->hi ||
			(i + 1 < room->sets.count && room->sets.at[i + 1].done < f->lo))
			continue;
		if (room->sets.at[i].flags & ROOM_PRIVATE)
			allowed = true;
		else
			forbidden = true;
	}
	for (i = 0; m->to == TO_LEG && i < h->legs.count; i++) {
		to = &h->legs.at[i];
		if (to->room != from->room || to->participant != h->legs.at[m->to_leg].participant)
			continue;
		if (to->added == NEVER || to->removed < f->lo)
			continue;
		may = each_set(to, room->home, f->lo, f->hi, private_to, m);
		if (!(may & 2))
			continue;
		if (may == 2 && to->remove_sent > f->hi)
			sure = true;
		if (control)
			set |= status_bit(200);
		else
			set |= (forbidden || no_private ? status_bit(403) : 0) |
			       (allowed && !no_private ? status_bit(to->private ? 200 : 428) : 0);
	}
	return sure ? set : set | status_bit(404);
}

/* All that the message may be answered when its head is complete. */
static unsigned verdict(const struct sim_message *m, const struct fate *f)
{
	const struct sim_leg *leg = &h->legs.at[m->leg];
	const struct sim_room *room = room_of(leg);
	const struct check check = { m, 0, 0 };
	unsigned worker = h->conns.at[h->bindings.at[m->binding].conn].worker, set, at_home, at;

	set = each_set(leg, worker, f->parsed_lo, f->parsed_hi, verdict_of_head, &check);
	at = set;
	set &= 0xffff;
	if (!(set & status_bit(200)))
		return set;
	set &= ~status_bit(200);
	at_home = each_set(leg, room->home, f->lo, f->hi, verdict_of_sender, NULL);
	if (leg->remove_sent <= f->hi)
		at_home |= status_bit(403);
	if (m->to != TO_ROOM) {
		at_home = (at_home & ~status_bit(200)) |
			  (at_home & status_bit(200) && at & MAY_FORBID
					  ? verdict_of_private(m, f, true)
					  : 0) |
			  (at_home & status_bit(200) && at & MAY_PERMIT
					  ? verdict_of_private(m, f, false)
					  : 0);
	}
	if (at_home & status_bit(200) && !type_in(m->wrapped, room->wrapped))
		at_home = (at_home & ~status_bit(200)) | status_bit(415);
	if (room->close_sent <= f->hi)
		at_home |= status_bit(413);
	if (h->scarce)
		at_home |= status_bit(413);
	return set | at_home;
}

static uint32_t first_copy(uint32_t message)
{
	uint32_t i;

	for (i = 0; i < h->copies.count; i++)
		if (h->copies.at[i].message == message)
			return i;
	return NONE;
}

/* Its head is complete with this chunk. Returns the set of statuses that its end may have. */
static unsigned head_complete(const struct sent *s, uint32_t index, uint64_t place)
{
	const struct sim_message *m = &h->messages.at[index];
	struct fate *f = &fates[index];
	uint32_t conn = h->bindings.at[s->binding].conn, copy = first_copy(index);
	unsigned home = room_of(&h->legs.at[m->leg])->home, worker = h->conns.at[conn].worker;
	unsigned v;
	const struct fate old = *f;
	/* Of a message that began before and came again, a copy may be of either. */
	bool again = f->verdict != 0;
	tick evidence = copy != NONE && !again ? h->copies.at[copy].begun : NEVER;

	if (s->answers > 0)
		evidence = least(evidence, s->answered);
	f->parsed_lo = read_at(conn, place);
	/* A receiver may hold octets back that could be the beginning of an end-line. */
	f->parsed_hi = is_prompt(s) ? read_at(conn, place + 64 < s->ends ? place + 64 : s->ends)
				    : evidence;
	f->parsed_hi = least(f->parsed_hi, evidence);
	f->lo = f->parsed_lo;
	f->hi = f->parsed_hi;
	if (home != worker) {
		f->lo = step_after(home, f->parsed_lo);
		/* One step more: a worker takes a bounded number of posts in one. */
		f->hi = least(step_after(home, step_after(home, f->parsed_hi)), evidence);
	}
	v = verdict(m, f);
	f->verdict |= v;
	f->begins = true;
	f->tries++;
	if (again) {
		f->multiple = true;
		f->parsed_lo = least(f->parsed_lo, old.parsed_lo);
		f->parsed_hi = most(f->parsed_hi, old.parsed_hi);
		f->lo = least(f->lo, old.lo);
		f->hi = most(f->hi, old.hi);
	}
	return v;
}

/* What of the set was it? By what was seen: a copy, or an answer; 0: nobody knows. */
static unsigned resolve(const struct sent *s, unsigned set)
{
	if (status_only(set) != 0)
		return status_only(set);
	if (s->answers > 0)
		return set & status_bit(s->status) ? s->status : 0;
	return first_copy(s->message) != NONE && set & status_bit(200) &&
			       !fates[s->message].multiple
		       ? 200
		       : 0;
}

static void forget(struct fate *f)
{
	free(f->has);
	f->has = NULL;
}

static void refuse(struct fate *f, unsigned set)
{
	if (f->state == OPEN)
		f->dead = true; /* who got a part of it gets '#' */
	/* RFC 4975 7.1.2: octets that were answered 200 are lost. */
	if (f->accepted > 0)
		f->may_lose = true;
	if (f->accepted > 0 && !f->murky && !f->late)
		f->must_lose = true;
	f->accepted = 0;
	forget(f);
	f->state = REFUSED;
	f->refusal = set;
	f->ended = true;
}

/* What a leg may have kept for sure: blocks of which a part is used count whole. */
#define KEPT_SURELY (32u * 1024)

static uint64_t most64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t kept_of(uint32_t binding)
{
	uint64_t octets = 0, i;
	uint32_t k;

	for (k = 0; k < h->messages.count; k++)
		if (h->messages.at[k].binding == binding && fates[k].has != NULL)
			for (i = fates[k].edge + 1; i <= fates[k].reach; i++)
				octets += fates[k].has[i];
	return octets;
}

/* CPIM heads that came in pieces: a leg has a share. */
#define HEADS_SURELY 4

static unsigned heads_of(uint32_t binding)
{
	unsigned count = 0;
	uint32_t k;

	for (k = 0; k < h->messages.count; k++)
		count += h->messages.at[k].binding == binding && fates[k].state == HEAD &&
			 fates[k].edge > 0;
	return count;
}

/* Refused messages of which more may come make room for others, the oldest first. */
static bool refused_gives_way(uint32_t binding, bool *late)
{
	uint32_t i, oldest = NONE;

	for (i = 0; i < h->messages.count; i++)
		if (h->messages.at[i].binding == binding && fates[i].state == REFUSED &&
			(oldest == NONE || fates[i].born < fates[oldest].born))
			oldest = i;
	*late = oldest != NONE && fates[oldest].late;
	if (oldest != NONE)
		fates[oldest].state = NEW;
	return oldest != NONE;
}

/* The head is complete. Returns what the chunk may be refused with, *sure if it was. */
static unsigned begin(
	const struct sent *s, struct fate *f, uint64_t place, unsigned *set, bool *sure)
{
	unsigned v = head_complete(s, s->message, place), r;

	f->state = OPEN;
	r = resolve(s, v);
	if (r == 0)
		f->murky = true;
	if (r == 200)
		return 0;
	if (r == 0)
		return v & ~status_bit(200);
	refuse(f, status_bit(r));
	f->late = true;
	f->dead = false;
	*set |= status_bit(400) | status_bit(413);
	*sure = true;
	return status_bit(r);
}

/* One SEND with content, in the order of its connection. Returns what it may be answered. */
static unsigned chunk(const struct sent *s, unsigned open_before)
{
	const struct sim_message *m = &h->messages.at[s->message];
	const struct sim_leg *leg = &h->legs.at[m->leg];
	const struct sim_room *room = room_of(leg);
	struct fate *f = &fates[s->message];
	uint32_t conn = h->bindings.at[s->binding].conn;
	unsigned worker = h->conns.at[conn].worker, member, set = 0, may;
	tick a = read_at(conn, s->body), end = read_at(conn, s->ends);
	tick b = is_prompt(s) ? end : s->answered;
	uint64_t last = s->start - 1 + s->len;
	bool sure = false, lies;
	uint32_t i;

	if (a == NEVER)
		return 0;
	if (b == NEVER || binding_ends(s->binding) <= b)
		f->murky = true; /* its end was not read, or the session ended at about that time */
	/* context.md 1.6: a header value that makes no sense. */
	if (s->has_range && s->says_end != UINT64_MAX && s->says_end > s->says_total) {
		if (f->state != NEW && f->state != WHOLE)
			refuse(f, status_bit(400));
		return status_bit(400);
	}
	member = each_set(leg, worker, a, b, is_member, NULL);
	if (member != 2) {
		/* Told on its own worker that it is a member no longer, or just becoming one. */
		set = status_bit(403);
		f->murky |= member == 3 || f->state != NEW;
		if (member == 1 && !f->murky)
			return set;
	}
	if (strcmp(s->type, "text/plain") == 0) {
		if (f->state != NEW)
			refuse(f, status_bit(415));
		return set | status_bit(415);
	}
	may = s->has_range &&
	      over_limit(room, a, b,
		      most64(s->says_total != UINT64_MAX ? s->says_total : 0, s->start - 1), &sure);
	/* Perhaps what came before was refused, and nobody said so: then this is no duplicate. */
	if (f->murky && f->untold && s->start == 1 && (f->state == OPEN || f->state == WHOLE))
		head_complete(s, s->message, s->body + m->head_len);
	if (f->state == WHOLE) {
		f->again |= may;
		f->twice |= s->flag == '$';
		return set | status_bit(200) | (f->again ? status_bit(413) : 0) |
		       (f->multiple ? f->verdict : 0); /* RFC 4975 7.3.1: once more */
	}
	/* It left meanwhile, and may be back: what it had begun to send was refused then. */
	for (i = 0; i < leg->sets.count && f->state != NEW && f->state != WHOLE; i++)
		if (!leg->sets.at[i].member && leg->sets.at[i].sent <= b &&
			settled(room->home, worker, leg->sets.at[i].done) >= f->since) {
			f->murky = true;
			set |= status_bit(403) | status_bit(413);
		}
	/* Sent once more before the room's refusal was known, it was taken for a duplicate, and what
	 * comes behind that waits for its beginning once more; and what the sender's worker found
	 * wrong before that, it said itself. */
	if (f->late)
		set |= f->verdict | status_bit(200) | status_bit(400) | status_bit(413);
	/* Which settings were in force is open, or whether the session still was: so is the answer. */
	if (f->murky) {
		struct fate now = *f;

		/* Also what is said of a beginning that is here at last. */
		now.parsed_lo = now.lo = a;
		now.parsed_hi = now.hi = s->answers > 0 ? s->answered : b;
		set |= verdict(m, &now);
	}
	if (f->murky)
		set |= f->verdict | status_bit(200) | status_bit(400) | status_bit(403) |
		       status_bit(413);
	if (f->state == REFUSED && s->start == 1)
		f->state = NEW; /* it is sent anew */
	if (f->state == NEW) {
		if (open_before >= h->open_messages) {
			bool late;

			if (!refused_gives_way(m->binding, &late))
				return set | status_bit(413);
			/* Perhaps the refusal was not known yet, and there was no place. */
			f->murky |= late;
			if (late)
				set |= status_bit(413) | status_bit(200);
		}
		forget(f);
		f->has = calloc(1, m->len + 512);
		f->state = HEAD;
		f->edge = f->reach = f->accepted = 0;
		f->since = a;
		f->total = UINT64_MAX;
		f->ends = f->ended = false; /* what had begun before: `multiple` */
		f->born = ++born;
		if (may && !sure) {
			f->murky = true;
			set |= status_bit(200) | status_bit(413);
		}
	}
	if (f->state != REFUSED && may && sure)
		refuse(f, status_bit(413));
	/* context.md 1.5: the total is that of the message. */
	if (f->state != REFUSED && s->has_range && s->says_total != UINT64_MAX) {
		if ((f->total != UINT64_MAX && f->total != s->says_total) ||
			f->reach > s->says_total)
			refuse(f, status_bit(400));
		else
			f->total = s->says_total;
	}
	if (f->state == REFUSED) {
		set |= f->refusal;
		/* Before the room's refusal is known, what comes ahead of its turn is kept. */
		f->may_lose |= f->late;
		if (s->flag != '+')
			f->state = NEW;
		return set;
	}
	if (s->len > 0) {
		unsigned refused = 0;

		if (over_limit(room, a, b, last, &sure)) {
			refused |= status_bit(413);
			f->murky |= !sure;
		} else {
			sure = false;
		}
		if (f->total != UINT64_MAX && last > f->total) {
			refused |= status_bit(400);
			sure = true;
		}
		/* Those at the edge go on at once; those ahead are kept: context.md 2.2. */
		memset(f->has + s->start, 1, s->len);
		f->reach = most64(f->reach, last);
		if (s->start <= f->edge + 1)
			f->edge = most64(f->edge, last);
		if (kept_of(s->binding) > KEPT_SURELY || heads_of(s->binding) > HEADS_SURELY) {
			set |= status_bit(413);
			f->murky = true;
		}
		if (f->state == HEAD && f->edge >= m->head_len)
			refused |= begin(s, f, s->body + m->head_len - (s->start - 1), &set, &sure);
		if (refused != 0 && sure) {
			if (f->state != REFUSED)
				refuse(f, refused);
			f->state = s->flag != '+' ? NEW : REFUSED;
			return set | refused;
		}
		set |= refused;
	}
	if (end == NEVER)
		return set | status_bit(200); /* more of it may come */
	if (s->flag == '#') {
		f->dead = f->state == OPEN;
		f->ended = true;
		f->state = NEW;
		f->accepted = 0;
		forget(f);
		return set | status_bit(200);
	}
	lies = (s->has_range && s->says_end != UINT64_MAX &&
		       s->len != s->says_end + 1 - s->start) ||
	       (s->flag == '$' &&
		       (f->reach > last || (f->total != UINT64_MAX && f->total != last)));
	if (!lies) {
		unsigned refused = 0;

		if (s->flag == '$') {
			f->ends = true;
			f->total = last;
		}
		/* The gap is closed: what was kept behind it goes on. */
		for (sure = false; f->has[f->edge + 1];)
			f->edge++;
		if (f->state == HEAD && f->edge >= m->head_len)
			refused = begin(s, f, s->ends, &set, &sure);
		if (refused != 0 && sure) {
			if (s->flag != '+')
				f->state = NEW;
			return set | refused;
		}
		set |= refused;
		/* It ended within its CPIM head. */
		lies = f->state == HEAD && f->ends && f->edge == f->total;
	}
	if (lies) {
		refuse(f, status_bit(400));
		f->state = s->flag != '+' ? NEW : REFUSED;
		return set | status_bit(400);
	}
	if (f->ends && f->edge == f->total) {
		f->state = WHOLE;
		f->ended = true;
		f->whole = end;
		f->accepted = 0;
		forget(f);
	} else {
		f->accepted = most64(f->accepted, last);
	}
	return set | status_bit(200);
}

/* What one could not know its answer tells: this ended here, and what comes after is sent anew. */
static unsigned chunk_answered(const struct sent *s, unsigned open_before)
{
	struct fate *f = &fates[s->message];
	bool was_whole = f->state == WHOLE;
	unsigned set = chunk(s, open_before);

	f->untold |= s->answers == 0;
	if (f->murky && !was_whole && f->state != NEW && f->state != REFUSED && s->answers > 0 &&
		s->status != 200) {
		f->dead |= f->begins;
		refuse(f, status_bit(s->status));
		f->state = s->flag != '+' ? NEW : REFUSED;
	}
	return set;
}

void model_make(const struct history *history, struct model *model)
{
	uint32_t b, i, k;
	unsigned open;

	h = history;
	facts_of(h);
	fates = calloc(h->messages.count + 1, sizeof(*fates));
	answers = calloc(h->sents.count + 1, sizeof(*answers));
	for (b = 0; b < h->bindings.count; b++) {
		for (i = 0; i < h->sents.count; i++) {
			if (h->sents.at[i].binding != b || h->sents.at[i].binds)
				continue;
			if (h->sents.at[i].message == NONE) {
				/* RFC 4975 7.1: binds or keeps alive. */
				answers[i] = status_bit(200);
				continue;
			}
			for (open = 0, k = 0; k < h->messages.count; k++)
				open += h->messages.at[k].binding == b && fates[k].state != NEW &&
					fates[k].state != WHOLE;
			answers[i] = chunk_answered(&h->sents.at[i], open);
			/* Its sender gave it up: nothing of it is lost. */
			if (h->sents.at[i].flag == '#')
				fates[h->sents.at[i].message].must_lose = false;
			if (answers[i] != 0 && fates[h->sents.at[i].message].murky)
				answers[i] |= fates[h->sents.at[i].message].verdict;
		}
	}
	*model = (struct model){ fates, answers };
	members_of(h, fates);
}
