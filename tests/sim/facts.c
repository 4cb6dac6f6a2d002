/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/facts.h"
#include <stdio.h>
#include <string.h>

static const struct history *h;

void facts_of(const struct history *history)
{
	h = history;
}

/* ---- sets of answers ---- */

static const unsigned statuses[] = { 200, 400, 403, 404, 408, 413, 415, 428, 481, 506 };

unsigned status_bit(unsigned status)
{
	unsigned i;

	for (i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (statuses[i] == status)
			return 1u << i;
	return 0;
}

unsigned status_only(unsigned set)
{
	unsigned i;

	for (i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (set == 1u << i)
			return statuses[i];
	return 0;
}

/* ---- what was in force ---- */

const struct sim_leg *leg_of(uint32_t binding)
{
	return &h->legs.at[h->bindings.at[binding].leg];
}

const struct sim_room *room_of(const struct sim_leg *leg)
{
	return &h->rooms.at[leg->room];
}

/* ---- types ---- */

bool type_in(const char *type, const char *list)
{
	char bare[80], entry[80];
	size_t n;

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(type, ";"), type);
	for (; *list != '\0'; list += n + (list[n] == ' ')) {
		n = strcspn(list, " ");
		snprintf(entry, sizeof(entry), "%.*s", (int)n, list);
		if (strcmp(entry, "*") == 0 || strcmp(entry, bare) == 0 ||
			(n > 2 && strcmp(entry + n - 2, "/*") == 0 &&
				strncmp(entry, bare, n - 1) == 0))
			return true;
	}
	return false;
}

/* ---- time ---- */

tick read_at(uint32_t conn, uint64_t octets)
{
	const struct conn *c = &h->conns.at[conn];
	uint32_t i;

	for (i = 0; i < c->readings.count; i++)
		if (c->readings.at[i].octets >= octets)
			return c->readings.at[i].at;
	return NEVER;
}

tick step_after(unsigned worker, tick t)
{
	if (t == NEVER)
		return NEVER;
	for (t++; t <= h->now; t++)
		if (h->stepped[t] == worker)
			return t;
	return NEVER;
}

tick settled(unsigned home, unsigned c, tick done)
{
	return home == c || done == NEVER ? done
					  : step_after(c, step_after(home, step_after(c, done)));
}

bool is_prompt(const struct sent *s)
{
	uint32_t conn = h->bindings.at[s->binding].conn;
	const struct sent *other;

	if (!s->prompt)
		return false;
	for (other = h->sents.at; other < s; other++)
		if (h->bindings.at[other->binding].conn == conn &&
			(other->binding != s->binding || other->binds) &&
			(other->status == 481 || other->status == 506 ||
				(!other->prompt && !other->binds &&
					other->answered > read_at(conn, s->ends)) ||
				(h->bindings.at[other->binding].leg != NONE &&
					binding_ends(other->binding) <=
						read_at(conn, other->ends))))
			return false;
	return true;
}

/* Did another ask for its leg later; or earlier, and was perhaps not read before t? */
static bool has_rival(uint32_t index, tick t)
{
	const struct binding *b = &h->bindings.at[index], *other;
	const struct conn *conn;

	if (b->rivalled != NEVER)
		return true;
	for (other = h->bindings.at; other < h->bindings.at + h->bindings.count; other++) {
		conn = &h->conns.at[other->conn];
		if (other != b && other->leg == b->leg && conn->readings.count > 0 &&
			conn->readings.at[conn->readings.count - 1].at >= t)
			return true;
	}
	return false;
}

tick binding_ends(uint32_t index)
{
	const struct binding *b = &h->bindings.at[index];
	const struct sim_leg *leg = leg_of(index);
	const struct conn *conn = &h->conns.at[b->conn];
	tick end = least(least(leg->remove_sent, room_of(leg)->close_sent),
		least(conn->close_began, conn->closed));
	uint32_t i;

	/* A rebind was permitted, and another asked: the moment of the change is not to be seen. */
	for (i = 0; i < leg->rebinds.count; i++)
		if (leg->rebinds.at[i] > b->asked && has_rival(index, leg->rebinds.at[i]))
			end = least(end, leg->rebinds.at[i]);
	return end;
}

unsigned each_set(const struct sim_leg *leg, unsigned c, tick a, tick b,
	unsigned (*each)(const struct leg_set *set, const void *arg), const void *arg)
{
	static const struct leg_set none;
	unsigned home = room_of(leg)->home, result = 0;
	uint32_t i;
	tick end;

	for (i = 0; i <= leg->sets.count; i++) {
		end = i < leg->sets.count ? settled(home, c, leg->sets.at[i].done) : NEVER;
		if ((i == 0 || leg->sets.at[i - 1].done <= b) && end >= a)
			result |= each(i == 0 ? &none : &leg->sets.at[i - 1], arg);
	}
	return result;
}
