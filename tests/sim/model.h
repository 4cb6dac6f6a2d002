/* SPDX-License-Identifier: BSD-3-Clause */
/* model: what a history leads one to expect. check.c compares. */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H
#include "tests/sim/facts.h"

enum state { NEW, HEAD, OPEN, REFUSED, WHOLE };

/* What became of a message on its way to the room. */
struct fate {
	enum state state;
	unsigned verdict; /* set of what its head may have been answered */
	unsigned refusal; /* set, in REFUSED */
	uint64_t edge, total;
	uint8_t *has;             /* [octet]: 1: it came; of an attempt that is open */
	uint64_t reach;           /* the last octet that came, in order or not */
	uint64_t accepted;        /* the last one of chunks that were to be answered 200 */
	unsigned born;            /* when its sender's worker made a record of it */
	bool ends;                /* '$' has come: total is true */
	bool may_lose, must_lose; /* what was answered 200 and is lost is reported */
	bool twice;               /* whole, and its end came again */
	bool again;               /* whole, and it came again when it was too long */
	tick parsed_lo,
		parsed_hi; /* its head was complete on its sender's worker within this time */
	tick lo, hi;       /* it took its place in the room's order within this time */
	tick since;        /* its first chunk was read */
	tick whole;        /* read to its end */
	bool begins;       /* its head was complete, and may have been let in */
	bool ended;        /* in whatever way, by its sender */
	bool dead;         /* it was given up after it had begun: '#' */
	bool murky;        /* one cannot know whether it was let in */
	bool apart;        /* a chunk came ahead of its place */
	bool untold;       /* something of it has no answer */
	bool late;         /* refused by the room: its sender's worker hears of it later */
	unsigned tries;    /* how often its head was complete, and it may have been let in */
	bool multiple;     /* sent anew after it had been given up or refused */
};

struct model {
	const struct fate *fates; /* [message] */
	const unsigned *answers;  /* [sent]: set of status_bit; 0: it was not read so far */
};

enum expectation { EXPECT_NOT, EXPECT_MAYBE, EXPECT_SURELY };

void model_make(const struct history *history, struct model *model);
void members_of(const struct history *history, const struct fate *of); /* before what follows */
/* *anchored: it began when the member had surely joined, for the one and last time: whoever gets a
 * later one had to get this one. */
enum expectation model_expects(uint32_t message, uint32_t binding, bool *anchored);
uint8_t *model_body(uint32_t message, bool alias, uint64_t *len);
unsigned model_aliased(uint32_t message); /* 1: no, 2: yes, 3: one cannot know */

#endif
