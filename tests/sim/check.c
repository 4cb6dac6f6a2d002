/* SPDX-License-Identifier: BSD-3-Clause */
/* The history checker: nothing lost, duplicated, reordered, torn or misdelivered; each SEND answered
 * once and rightly; each drop counted. What was to be expected the model says. */
#include "tests/sim/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/sim/model.h"

static const struct history *h;
static struct model model;
static char wrong[512];

static void is_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void is_wrong(const char *format, ...)
{
	va_list args;

	if (wrong[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
}

static bool conn_lives(uint32_t conn)
{
	return h->conns.at[conn].close_began >= h->quiet && h->conns.at[conn].closed >= h->quiet;
}

static bool lives(uint32_t binding)
{
	return conn_lives(h->bindings.at[binding].conn) &&
	       (h->bindings.at[binding].leg == NONE || binding_ends(binding) >= h->quiet);
}

/* Surely. What lies between the two is a rebind that was permitted, or a removal under way. */
static bool has_gone(uint32_t binding)
{
	const struct sim_leg *leg = &h->legs.at[h->bindings.at[binding].leg];

	return !conn_lives(h->bindings.at[binding].conn) || leg->removed < h->quiet ||
	       h->rooms.at[leg->room].closed < h->quiet;
}

/* ---- answers ---- */

/* What asks to be bound, or is said, for a leg that is no member waits until it is one, and all that
 * its connection brings behind it. From which octet on? */
static uint64_t waits_from(uint32_t conn)
{
	const struct sim_leg *leg;
	uint64_t from = UINT64_MAX;
	uint32_t i, binding;
	bool answered;

	for (i = 0; i < h->sents.count + h->nicknames.count; i++) {
		const struct sent *s = i < h->sents.count ? &h->sents.at[i] : NULL;
		const struct nickname *n = s == NULL ? &h->nicknames.at[i - h->sents.count] : NULL;

		binding = s != NULL ? s->binding : n->binding;
		answered = s != NULL ? s->answered <= h->quiet : n->answers > 0;
		if (h->bindings.at[binding].conn != conn || h->bindings.at[binding].leg == NONE ||
			answered)
			continue;
		leg = leg_of(binding);
		if (leg->remove_sent >= h->quiet &&
			(leg->sets.count == 0 || !leg->sets.at[leg->sets.count - 1].member) &&
			from > (s != NULL ? s->stream : n->begins))
			from = s != NULL ? s->stream : n->begins;
	}
	return from;
}

static bool was_heard(const struct sent *s)
{
	uint32_t conn = h->bindings.at[s->binding].conn;

	return read_at(conn, s->ends) < h->quiet && s->stream < waits_from(conn);
}

static void check_answer(uint32_t index)
{
	const struct sent *s = &h->sents.at[index];
	const struct binding *b = &h->bindings.at[s->binding];
	unsigned set = model.answers[index], going;
	bool gone = b->leg != NONE &&
		    (leg_of(s->binding)->remove_sent != NEVER ||
			    h->rooms.at[leg_of(s->binding)->room].close_sent != NEVER ||
			    b->rivalled != NEVER);

	if (s->answers > 1)
		is_wrong("%s was answered %u times", s->tid, s->answers);
	if (s->answers == 1 && (s->failure == 'n' || (s->failure == 'p' && s->status == 200)))
		is_wrong("%s asked for no answer and got %u", s->tid, s->status);
	/* 403, 413: the leg or its room is going, in good order. 481: the session had gone, the
	 * connection had not. 506: another had it then. */
	going = status_bit(403) | status_bit(413) | status_bit(481) | status_bit(506);
	if (s->answers == 1 && !((set | (gone ? going : 0)) & status_bit(s->status)))
		is_wrong("%s of message %d was answered %u (of 0x%x)", s->tid, (int)s->message,
			s->status, set);
	/* With Failure-Report: partial only a refusal is answered. */
	if (s->answers == 0 && s->failure != 'n' && !(s->failure == 'p' && set & status_bit(200)) &&
		lives(s->binding) && b->status == 200 && was_heard(s))
		is_wrong("%s of message %d was not answered", s->tid, (int)s->message);
}

/* RFC 4975 5.4, 10.7, 10.11; context.md 1.4. */
static void check_bind(uint32_t index)
{
	const struct sent *s = &h->sents.at[index];
	const struct binding *b = &h->bindings.at[s->binding], *other;
	const struct sim_leg *leg;
	tick a = read_at(b->conn, s->ends), z = least(s->answered, h->now);
	bool removed, taken = false, surely = false, member;
	uint32_t i, k;

	if (s->answers > 1)
		is_wrong("%s was answered %u times", s->tid, s->answers);
	if (b->leg == NONE) {
		if (s->answers == 1 ? s->status != 481 : conn_lives(b->conn) && was_heard(s))
			is_wrong("%s for nobody was answered %u", s->tid, s->status);
		return;
	}
	leg = leg_of(s->binding);
	removed = least(leg->remove_sent, h->rooms.at[leg->room].close_sent) <= z;
	for (i = 0; i < h->bindings.count; i++) {
		other = &h->bindings.at[i];
		/* Also one that was refused: what it sends later may bind. */
		if (i == s->binding || other->leg != b->leg || other->asked > z)
			continue;
		taken = true;
		if ((other->status == 200 || (other->heard != NEVER && other->status != 506)) &&
			least(other->heard, other->answered) < a && binding_ends(i) > z) {
			surely = true;
			for (k = 0; k < leg->rebinds.count; k++)
				if (leg->rebinds.at[k] <= z && leg->rebinds.at[k] > other->asked)
					surely = false;
		}
	}
	if (s->answers == 0) {
		member = leg->sets.count > 0 && leg->sets.at[leg->sets.count - 1].member;
		if (conn_lives(b->conn) && was_heard(s) && (member || surely) && !removed)
			is_wrong("%s of leg %u, a bind, was not answered", s->tid, b->leg);
		return;
	}
	if (s->status == 200       ? surely && !removed
		: s->status == 481 ? !removed
				   : s->status != 506 || !taken)
		is_wrong("%s of leg %u, a bind, was answered %u", s->tid, b->leg, s->status);
	/* A leg's home knows that it has gone when that was answered; it binds when a bind's head is
	 * there. A room that is closed keeps its legs until its messages are delivered. */
	if (s->status == 200 && leg->removed < least(a, b->heard))
		is_wrong("%s of leg %u was bound after its removal", s->tid, b->leg);
}

static bool left_before(uint32_t binding, tick t)
{
	const struct sim_leg *leg = leg_of(binding);
	uint32_t i;

	for (i = 0; i < leg->sets.count; i++)
		if (!leg->sets.at[i].member && leg->sets.at[i].sent <= t &&
			leg->sets.at[i].sent > h->bindings.at[binding].asked)
			return true;
	return binding_ends(binding) <= t;
}

/* ---- copies ---- */

/* Octets that may have waited for this binding when the message began. */
static void outstanding(uint32_t binding, uint32_t message, uint64_t *count, uint64_t *octets)
{
	tick lo = model.fates[message].lo, hi = model.fates[message].hi;
	uint32_t i, k;
	bool anchored;

	*count = *octets = 0;
	for (i = 0; i < h->messages.count; i++) {
		const struct fate *f = &model.fates[i];
		tick ended = NEVER;

		if (!f->begins || f->lo > hi || !model_expects(i, binding, &anchored))
			continue;
		for (k = 0; k < h->copies.count; k++)
			if (h->copies.at[k].binding == binding && h->copies.at[k].message == i)
				ended = h->copies.at[k].ended;
		if (ended < lo)
			continue;
		++*count;
		/* What a piece costs beside its octets; a sender may put a few into each. */
		*octets += h->messages.at[i].len * 16 + 4096;
	}
}

/* RFC 7701 6.4, context.md 2.7: not given to a member whose queue is, or was and still is not half
 * emptied, at its limit. Nor when memory is out. */
static bool may_be_skipped(uint32_t binding, uint32_t message)
{
	uint64_t count, octets;

	if (h->scarce)
		return true;
	outstanding(binding, message, &count, &octets);
	return count * 10 >= h->leg_queue_messages * 4 || octets * 10 >= h->leg_queue_octets * 4;
}

static void check_copy(uint32_t index)
{
	const struct copy *c = &h->copies.at[index];
	const struct sim_message *m;
	const struct fate *f;
	uint64_t len[2] = { 0, 0 };
	uint8_t *body[2] = { NULL, NULL };
	unsigned aliased, fits = 0, i;
	bool anchored, whole, late;

	if (c->message == NONE) {
		if (lives(c->binding) && c->flag == 0)
			is_wrong("copy %u is torn: not even its head came", index);
		return;
	}
	m = &h->messages.at[c->message];
	f = &model.fates[c->message];
	if (model_expects(c->message, c->binding, &anchored) == EXPECT_NOT)
		is_wrong("message %u was delivered to leg %u, whose it is not", c->message,
			h->bindings.at[c->binding].leg);
	if (!(f->verdict & status_bit(200)))
		is_wrong("message %u was delivered and had to be refused", c->message);
	aliased = model_aliased(c->message);
	for (i = 0; i < 2; i++) {
		if (!(aliased & (i == 0 ? 1 : 2)))
			continue;
		body[i] = model_body(c->message, i == 1, &len[i]);
		if (c->len <= len[i] && memcmp(c->octets, body[i], c->len) == 0)
			fits |= 1u << i;
	}
	if (fits == 0)
		is_wrong("copy %u of message %u for leg %u is not what was sent", index, c->message,
			h->bindings.at[c->binding].leg);
	whole = (fits & 1 && c->len == len[0]) || (fits & 2 && c->len == len[1]);
	free(body[0]);
	free(body[1]);
	if (c->flag == '$' && (!whole || (!f->multiple && f->state != WHOLE)))
		is_wrong("copy %u of message %u ends as if it were whole: %llu octets", index,
			c->message, (unsigned long long)c->len);
	if (!lives(c->binding))
		return;
	if (c->flag == 0 && ((f->ended && !f->murky && (f->state == WHOLE || !f->multiple)) ||
				    has_gone(m->binding)))
		is_wrong("copy %u of message %u is torn: it never ended", index, c->message);
	/* '#': the sender gave it up, or was gone or no member; the member left; it refused a chunk, or did not
	 * answer one in time (which may have been written long before the peer took it); or it held
	 * more of the message than one may. */
	late = c->asked > 0 && c->ended != NEVER &&
	       h->clock[c->ended] - h->clock[least(c->begun, f->lo)] >= h->transaction_ms;
	if (c->flag == '#' && c->ended < h->quiet && !f->dead && !f->murky && !f->multiple &&
		!left_before(m->binding, c->ended) && anchored && c->refused == 0 && !late &&
		!may_be_skipped(c->binding, c->message))
		is_wrong("copy %u of message %u was cut without a cause", index, c->message);
}

/* Or may have got: of one copy not even its head had come when the connection ended. */
static bool got(uint32_t binding, uint32_t message, bool surely, tick until)
{
	uint32_t i;

	for (i = 0; i < h->copies.count; i++)
		if (h->copies.at[i].binding == binding && h->copies.at[i].begun <= until &&
			(h->copies.at[i].message == message ||
				(!surely && h->copies.at[i].message == NONE)))
			return true;
	return false;
}

/* ---- order ---- */

/* What a room passed on is one thing, under one Message-ID for all members. A message that was
 * refused when a part of it had gone on, and then came again, is two. */
static uint32_t *thing;      /* [copy] */
static uint32_t *message_of; /* [thing] */
static uint32_t *one_of;     /* [message]: its one thing; NONE: nobody got it, or it is several */
static uint32_t thing_count;
static uint8_t *before; /* [a * thing_count + b]: somebody got a before b */

static void find_things(void)
{
	uint32_t i, k, n;

	thing = calloc(h->copies.count + 1, sizeof(*thing));
	message_of = calloc(h->copies.count + 1, sizeof(*message_of));
	one_of = calloc(h->messages.count + 1, sizeof(*one_of));
	for (i = 0; i < h->messages.count; i++)
		one_of[i] = NONE;
	thing_count = 0;
	for (i = 0; i < h->copies.count; i++) {
		const struct copy *c = &h->copies.at[i];

		for (k = 0; k < i && strcmp(h->copies.at[k].id, c->id) != 0; k++)
			;
		thing[i] = k < i ? thing[k] : thing_count++;
		if (k == i)
			message_of[thing[i]] = NONE;
		if (c->message == NONE)
			continue;
		if (message_of[thing[i]] != NONE && message_of[thing[i]] != c->message)
			is_wrong("messages %u and %u have the id %s", message_of[thing[i]],
				c->message, c->id);
		message_of[thing[i]] = c->message;
		if (!model.fates[c->message].multiple)
			one_of[c->message] = thing[i];
	}
	for (i = 0; i < h->messages.count; i++) {
		for (n = 0, k = 0; k < thing_count; k++)
			n += message_of[k] == i;
		if (n > 1 && n > model.fates[i].tries)
			is_wrong("message %u was passed on %u times, and came %u times", i, n,
				model.fates[i].tries);
	}
}

static bool is_before(uint32_t a, uint32_t b)
{
	return (one_of[a] != NONE && one_of[b] != NONE &&
		       before[one_of[a] * thing_count + one_of[b]]) ||
	       model.fates[a].hi < model.fates[b].lo;
}

static void check_order(void)
{
	uint32_t n, a, b, i, k;

	find_things();
	n = thing_count;
	before = calloc((size_t)n * n + 1, 1);
	for (a = 0; a < h->copies.count; a++) {
		for (b = a + 1; b < h->copies.count; b++) {
			if (h->copies.at[b].binding != h->copies.at[a].binding)
				continue;
			before[thing[a] * n + thing[b]] = 1;
			break;
		}
	}
	for (k = 0; k < n; k++)
		for (i = 0; i < n; i++)
			if (before[i * n + k])
				for (a = 0; a < n; a++)
					before[i * n + a] |= before[k * n + a];
	for (a = 0; a < n; a++)
		if (before[a * n + a])
			is_wrong("message %d began in different orders for different members",
				(int)message_of[a]);
	for (a = 0; a < h->messages.count; a++)
		for (b = 0; b < h->messages.count; b++)
			if (one_of[a] != NONE && one_of[b] != NONE &&
				before[one_of[a] * n + one_of[b]] &&
				model.fates[b].hi < model.fates[a].lo)
				is_wrong("message %u came before %u, and was behind it", a, b);
}

/* ---- loss ---- */

/* Copies that were not given to a member, as the rooms count them. */
static uint64_t skips(void)
{
	const struct counters *c = &h->counters;

	return c->copies_skipped_congested + c->copies_skipped_memory +
	       c->copies_skipped_composing + c->copies_dropped_congested +
	       c->copies_dropped_composing + c->copies_dropped_memory;
}

static void check_losses(void)
{
	uint64_t skipped = 0, counted = skips() + h->counters.copies_dropped;
	uint32_t b, m, k, one = NONE, of = NONE;
	bool anchored, ignored;

	for (b = 0; b < h->bindings.count; b++) {
		if (h->bindings.at[b].leg == NONE)
			continue;
		for (m = 0; m < h->messages.count; m++) {
			const struct fate *f = &model.fates[m];
			enum expectation e;
			bool lost;

			/* What was read may still have waited for its connection's turn. */
			if (!f->begins || f->murky || f->multiple || f->state != WHOLE ||
				f->hi > h->quiet || f->verdict != status_bit(200))
				continue;
			e = model_expects(m, b, &anchored);
			if (!anchored || got(b, m, false, NEVER))
				continue;
			lost = e == EXPECT_SURELY;
			/* Whoever left did not get the last ones; but those before one that it got. */
			for (k = 0; k < h->messages.count && !lost; k++)
				lost = k != m && !model.fates[k].multiple && is_before(m, k) &&
				       got(b, k, true, binding_ends(b)) &&
				       model_expects(k, b, &ignored) != EXPECT_NOT;
			if (!lost)
				continue;
			skipped++;
			one = m;
			of = h->bindings.at[b].leg;
			if (!may_be_skipped(b, m))
				is_wrong(
					"message %u was lost for leg %u", m, h->bindings.at[b].leg);
		}
	}
	if (skipped > counted)
		is_wrong(
			"%llu copies were not given to members, the last of message %u to leg %u, and %llu counted",
			(unsigned long long)skipped, one, of, (unsigned long long)counted);
}

/* ---- reports ---- */

/* Nothing on it ever kept what was read from being looked at: one session, one NICKNAME at most. */
static bool never_waits(uint32_t conn)
{
	unsigned things = 0;
	uint32_t i;

	for (i = 0; i < h->bindings.count; i++)
		things += h->bindings.at[i].conn == conn ? 2 : 0;
	for (i = 0; i < h->nicknames.count; i++)
		things += h->bindings.at[h->nicknames.at[i].binding].conn == conn;
	return things <= 3;
}

/* context.md 2.6: participants to one of whose sessions all of it went, each chunk answered 200. */
static void check_count(uint32_t index)
{
	const struct sim_message *m = &h->messages.at[index];
	uint8_t *participants = calloc(h->legs.count + 1, 1);
	unsigned sure = 0, may = 0, p;
	uint32_t i;

	for (i = 0; i < h->copies.count; i++) {
		const struct copy *c = &h->copies.at[i];
		const struct sim_leg *leg = leg_of(c->binding);
		uint32_t conn = h->bindings.at[c->binding].conn;
		tick read = read_at(conn, c->answer_ends);

		/* A response counts when its headers are there; its end-line may come later. */
		if (c->message != index || c->flag != '$' || c->refused > 0 || leg->hidden ||
			c->asked == 0 || c->answered < c->asked ||
			read_at(conn, c->answer_begins + 1) > m->reported ||
			leg->participant == h->legs.at[m->leg].participant)
			continue;
		participants[leg->participant] |= 1;
		/* In the same step the order is not known; a wait that was over may have come
		 * first; who left before its answer was read does not count. */
		if (read < m->reported && !left_before(c->binding, read) && never_waits(conn) &&
			h->clock[read] - h->clock[model.fates[index].whole] < h->transaction_ms)
			participants[leg->participant] |= 2;
	}
	for (p = 0; p < h->legs.count; p++) {
		sure += participants[p] >> 1;
		may += participants[p] & 1;
	}
	free(participants);
	if (m->reported_count < sure || m->reported_count > may)
		is_wrong("message %u: %u participants were reported, of %u to %u", index,
			m->reported_count, sure, may);
}

/* Was every chunk of it refused as it came? Then nothing is left to be told. */
static bool all_refused(uint32_t index)
{
	uint32_t i;

	for (i = 0; i < h->sents.count; i++)
		if (h->sents.at[i].message == index &&
			(h->sents.at[i].answers == 0 || h->sents.at[i].status == 200))
			return false;
	return true;
}

static void check_report(uint32_t index)
{
	const struct sim_message *m = &h->messages.at[index];
	const struct fate *f = &model.fates[index];
	/* context.md 2.5: a control payload to one participant is not reported on. */
	bool control = m->to == TO_LEG && strcmp(m->wrapped, "message/imdn+xml") == 0;

	if (m->reports > 0 &&
		(!m->success || (control && !f->twice) || (f->state != WHOLE && !f->multiple)))
		is_wrong("message %u has a REPORT, and was to have none", index);
	/* RFC 4975 7.1.2; context.md 1.6: what was answered 200 and is lost. When all rooms are closed at
	 * the end, that is what is open. Whom the room may have refused may have lost a chunk that came
	 * before he knew: it was kept for a beginning that never came again. */
	if (m->losses > 0 && (m->failure == 'n' || (!f->may_lose && f->accepted == 0 && !f->murky &&
							   (f->verdict & ~status_bit(200)) == 0 &&
							   lives(m->binding))))
		is_wrong("message %u has a REPORT of a failure, and was to have none", index);
	if (m->losses == 0 && f->must_lose && m->failure != 'n' && lives(m->binding) &&
		!all_refused(index))
		is_wrong("message %u was answered 200 and lost, and that was not reported", index);
	if (m->reports > 0 && m->reported_octets != m->len)
		is_wrong("message %u: the REPORT is of %llu octets", index,
			(unsigned long long)m->reported_octets);
	if (m->reports == 0 && m->success && !control && f->state == WHOLE && !f->murky &&
		!f->multiple && f->verdict == status_bit(200) && f->hi <= h->quiet &&
		lives(m->binding))
		is_wrong("message %u has no REPORT", index);
	if (m->reports > 0 && m->has_count && !m->count)
		is_wrong("message %u was counted and did not ask for it", index);
	if (m->reports > 0 && m->has_count && !f->multiple)
		check_count(index);
	if (m->reports > 0 && m->count && !m->has_count && !f->twice &&
		h->counters.reports_uncounted == 0)
		is_wrong("message %u was not counted, nor that counted", index);
}

static void check_nickname(uint32_t index)
{
	const struct nickname *n = &h->nicknames.at[index];
	uint32_t conn = h->bindings.at[n->binding].conn;

	if (n->answers > 1)
		is_wrong("%s was answered %u times", n->tid, n->answers);
	if (n->answers == 0 && lives(n->binding) && read_at(conn, n->ends) < h->quiet &&
		n->begins < waits_from(conn))
		is_wrong("%s was not answered", n->tid);
	/* 403 in any case may be: nobody decided in time, or not allowed, or the member left. */
	if (n->answers == 1 && n->status != 403 && n->status != n->decided && n->status != 481 &&
		n->status != 506)
		is_wrong("%s was answered %u, and %u was decided", n->tid, n->status, n->decided);
}

/* ---- counters ---- */

static void check_counters(void)
{
	const struct counters *c = &h->counters;
	struct room_counts sum = { 0 };
	uint64_t whole = 0, cut = 0;
	bool all_seen = true;
	uint32_t i;

	for (i = 0; i < h->rooms.count; i++) {
		sum.deliveries += h->rooms.at[i].counts.deliveries;
		sum.cut += h->rooms.at[i].counts.cut;
		sum.skipped += h->rooms.at[i].counts.skipped;
		sum.messages += h->rooms.at[i].counts.messages;
	}
	for (i = 0; i < h->copies.count; i++) {
		whole += h->copies.at[i].flag == '$';
		cut += h->copies.at[i].flag == '#';
	}
	for (i = 0; i < h->conns.count; i++)
		if (h->conns.at[i].close_began < h->quiet)
			all_seen = false; /* what went to who had closed was not to be seen */
	if (c->copies_begun != c->copies_whole + c->copies_cut + c->copies_dropped)
		is_wrong("%llu copies begun, %llu whole, %llu cut, %llu dropped",
			(unsigned long long)c->copies_begun, (unsigned long long)c->copies_whole,
			(unsigned long long)c->copies_cut, (unsigned long long)c->copies_dropped);
	if (sum.deliveries != c->copies_whole || sum.cut != c->copies_cut || sum.skipped != skips())
		is_wrong(
			"the rooms count %llu deliveries, %llu cut, %llu skipped, the workers %llu, %llu, %llu",
			(unsigned long long)sum.deliveries, (unsigned long long)sum.cut,
			(unsigned long long)sum.skipped, (unsigned long long)c->copies_whole,
			(unsigned long long)c->copies_cut, (unsigned long long)skips());
	if (whole > c->copies_whole || (all_seen && whole != c->copies_whole))
		is_wrong("%llu whole copies came, %llu were counted", (unsigned long long)whole,
			(unsigned long long)c->copies_whole);
	if (cut > c->copies_cut)
		is_wrong("%llu copies came cut, %llu were counted", (unsigned long long)cut,
			(unsigned long long)c->copies_cut);
	if (sum.messages > c->messages_in)
		is_wrong("the rooms let in more than was sent");
}

/* Why may the switch close a connection? */
static void check_closes(void)
{
	uint32_t i, k;

	for (i = 0; i < h->conns.count; i++) {
		const struct conn *c = &h->conns.at[i];
		bool cause = h->scarce;
		unsigned strangers = 0;

		if (!c->by_switch)
			continue;
		/* Nobody bound in time, or stalled for long. */
		if (h->clock[c->closed] - h->clock[c->opened] >= 30000)
			cause = true;
		/* The last session went: removed, or bound elsewhere by permission. */
		for (k = 0; k < h->bindings.count; k++) {
			if (h->bindings.at[k].conn != i)
				continue;
			if (h->bindings.at[k].leg != NONE && binding_ends(k) <= c->closed)
				cause = true;
			else if (h->bindings.at[k].status != 200)
				strangers++;
		}
		if (!cause && strangers < 20)
			is_wrong("connection %u was closed by the switch without a cause", i);
	}
}

/* For -v: what the model made of it. */
static void tell(void)
{
	uint32_t i;

	for (i = 0; i < h->messages.count; i++) {
		const struct fate *f = &model.fates[i];

		fprintf(stderr,
			"message %u: state %d verdict 0x%x order %u..%u whole %u%s%s%s%s%s\n", i,
			f->state, f->verdict, f->lo, f->hi, f->whole, f->begins ? " begins" : "",
			f->ended ? " ended" : "", f->dead ? " dead" : "", f->murky ? " murky" : "",
			f->multiple ? " multiple" : "");
	}
	for (i = 0; i < h->legs.count; i++)
		fprintf(stderr, "leg %u: room %u participant %u%s%s accepts %s\n", i,
			h->legs.at[i].room, h->legs.at[i].participant,
			h->legs.at[i].hidden ? " hidden" : "",
			h->legs.at[i].private ? " private" : "", h->legs.at[i].wrapped);
	for (i = 0; i < h->bindings.count; i++)
		fprintf(stderr,
			"binding %u: leg %d connection %u asked %u answered %u heard %u status %u ends %u%s\n",
			i, (int)h->bindings.at[i].leg, h->bindings.at[i].conn,
			h->bindings.at[i].asked, h->bindings.at[i].answered,
			h->bindings.at[i].heard, h->bindings.at[i].status,
			h->bindings.at[i].leg != NONE ? binding_ends(i) : 0,
			conn_lives(h->bindings.at[i].conn) ? " lives" : "");
	for (i = 0; i < h->copies.count; i++) {
		const struct copy *c = &h->copies.at[i];

		fprintf(stderr,
			"copy %u: message %d leg %u binding %u, begun %u ended %u flag %c, %u asked %u answered %u refused, read %u\n",
			i, (int)c->message, h->bindings.at[c->binding].leg, c->binding, c->begun,
			c->ended, c->flag != 0 ? c->flag : '0', c->asked, c->answered, c->refused,
			read_at(h->bindings.at[c->binding].conn, c->answer_ends));
	}
	for (i = 0; i < h->sents.count; i++) {
		const struct sent *s = &h->sents.at[i];
		uint32_t conn = h->bindings.at[s->binding].conn;

		fprintf(stderr,
			"%s: connection %u, read %u..%u prompt %d failure %c answered %u at %u, set 0x%x\n",
			s->tid, conn, read_at(conn, s->stream + 1), read_at(conn, s->ends),
			s->prompt, s->failure, s->status, s->answered, model.answers[i]);
	}
}

const char *history_check(const struct history *history)
{
	uint32_t i;

	h = history;
	wrong[0] = '\0';
	model_make(h, &model);
	if (h->verbose)
		tell();
	check_order();
	for (i = 0; i < h->sents.count; i++) {
		if (h->sents.at[i].binds)
			check_bind(i);
		else
			check_answer(i);
	}
	for (i = 0; i < h->copies.count; i++)
		check_copy(i);
	check_losses();
	for (i = 0; i < h->messages.count; i++)
		check_report(i);
	for (i = 0; i < h->nicknames.count; i++)
		check_nickname(i);
	check_counters();
	check_closes();
	return wrong;
}
