/* SPDX-License-Identifier: BSD-3-Clause */
/* facts: what can be read off a history without knowing what a switch should do. */
#ifndef TESTS_SIM_FACTS_H
#define TESTS_SIM_FACTS_H
#include "tests/sim/history.h"

void facts_of(const struct history *history); /* what the others are about */

/* Sets of MSRP statuses. */
unsigned status_bit(unsigned status);
unsigned status_only(unsigned set); /* 0: more than one */

const struct sim_leg *leg_of(uint32_t binding);
const struct sim_room *room_of(const struct sim_leg *leg);
/* Is the media type in the list separated by spaces? */
bool type_in(const char *type, const char *list);

static inline tick least(tick a, tick b)
{
	return a < b ? a : b;
}

static inline tick most(tick a, tick b)
{
	return a > b ? a : b;
}

/* When so many octets of what the connection wrote had been read. */
tick read_at(uint32_t conn, uint64_t octets);
tick step_after(unsigned worker, tick t);
/* When what the home worker decided in its step `done` is known on worker c at last: it goes there
 * in a control record, and if one was under way, that has to come back first. */
tick settled(unsigned home, unsigned c, tick done);
/* Calls `each` for every setting of the leg that may be in force somewhere in a..b, on worker c.
 * Settings made in a step in which they may have been looked at too count both ways. */
unsigned each_set(const struct sim_leg *leg, unsigned c, tick a, tick b,
	unsigned (*each)(const struct leg_set *set, const void *arg), const void *arg);
/* Did nothing before it on its connection keep it from being looked at when it was read? Octets for a
 * session that had gone make the connection wait while its home is asked. */
bool is_prompt(const struct sent *s);
/* Before this tick the binding holds, from when it was made on. */
tick binding_ends(uint32_t binding);
#endif
