/* SPDX-License-Identifier: BSD-3-Clause */
/* The second half of the model: which members get a message, and as what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/sim/model.h"

static const struct history *h;
static const struct fate *fates;

void members_of(const struct history *history, const struct fate *of)
{
	h = history;
	fates = of;
}

enum expectation model_expects(uint32_t index, uint32_t binding, bool *anchored)
{
	const struct sim_message *m = &h->messages.at[index];
	const struct fate *f = &fates[index];
	const struct binding *b = &h->bindings.at[binding];
	const struct sim_leg *leg = leg_of(binding), *to;
	unsigned home = room_of(leg)->home, worker = h->conns.at[b->conn].worker, runs = 0;
	enum expectation result = EXPECT_NOT;
	tick from_lo, from_hi, joined_lo, joined_hi, left;
	uint32_t i, k;

	*anchored = false;
	if (!f->begins || leg->room != h->legs.at[m->leg].room || b->leg == m->leg ||
		!type_in(m->wrapped, leg->wrapped))
		return EXPECT_NOT;
	to = &h->legs.at[m->to_leg];
	if (m->to == TO_LEG && to->participant != leg->participant)
		return EXPECT_NOT;
	/* A bind holds when its head was read; its answer waits for its end, and for membership. */
	if (b->heard == NEVER && b->status != 200 && b->status != 0)
		return EXPECT_NOT;
	from_lo = b->active ? leg->added : b->asked;
	from_hi = b->status == 200 ? least(b->heard, b->answered) : b->heard;
	/* What was heard was of another then: of one that asked once more, with a SEND. */
	if (b->status == 506)
		from_hi = NEVER;
	/* Each time that it was a member: RFC 7701 6.1, those who were in when the message began. */
	for (i = 0; i < leg->sets.count; i = k) {
		for (k = i + 1; k < leg->sets.count && leg->sets.at[k].member; k++)
			;
		if (!leg->sets.at[i].member) {
			k = i + 1;
			continue;
		}
		runs++;
		joined_lo = most(from_lo, leg->sets.at[i].done);
		joined_hi = most(from_hi, leg->sets.at[i].done);
		left = k < leg->sets.count ? leg->sets.at[k].done : NEVER;
		/* Not yet; or over, and its own worker knows it. Of a message that was sent more than
		 * once only the last time is known. */
		if (joined_lo == NEVER || joined_lo > left ||
			(!f->multiple &&
				(f->hi < joined_lo || f->lo > settled(home, worker, left))))
			continue;
		if (result == EXPECT_NOT)
			result = EXPECT_MAYBE;
		*anchored = f->lo > joined_hi && runs == 1 && k == leg->sets.count;
		if (*anchored && binding_ends(binding) >= h->quiet && !f->murky)
			result = EXPECT_SURELY;
	}
	return result;
}

/* The octets that the members get: context.md 2.4, the alias stands in for the sender's From. */
uint8_t *model_body(uint32_t index, bool alias, uint64_t *len)
{
	const struct sim_message *m = &h->messages.at[index];
	const char *value = h->legs.at[m->leg].alias;
	uint64_t line = alias ? strlen(value) + 8 : m->from_len;
	uint8_t *body = malloc(m->len + line + 1);

	*len = m->len - m->from_len + line;
	memcpy(body, m->body, m->from_at);
	if (alias)
		snprintf((char *)body + m->from_at, line + 1, "From: %s\r\n", value);
	else
		memcpy(body + m->from_at, m->body + m->from_at, line);
	memcpy(body + m->from_at + line, m->body + m->from_at + m->from_len,
		m->len - m->from_at - m->from_len);
	return body;
}

static unsigned has_alias(const struct leg_set *set, const void *arg)
{
	return set->alias ? 2 : 1;
}

unsigned model_aliased(uint32_t index)
{
	const struct sim_message *m = &h->messages.at[index];
	unsigned worker = h->conns.at[h->bindings.at[m->binding].conn].worker;

	return each_set(&h->legs.at[m->leg], worker, fates[index].parsed_lo, fates[index].parsed_hi,
		has_alias, NULL);
}
