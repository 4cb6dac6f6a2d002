/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/rate.h"
#include "dataplane/worker.h"

#define SECOND_NS     1000000000ull
#define MESSAGE_LEAST 256u /* octets of the smallest SEND with content, about */

bool rate_is_asked(const struct switch_shared *shared)
{
	unsigned kind;

	for (kind = 0; kind < RATE_KINDS; kind++)
		if (shared->rates[kind] > 0)
			return true;
	return false;
}

bool rate_is_on(const struct worker *worker)
{
	return worker->rates.count > 0;
}

static struct rate *rate_of(const struct worker *worker, const struct msrp_session *session)
{
	return pool_at(&worker->rates, pool_index(&worker->sessions, session));
}

static uint64_t now_ns(const struct worker *worker)
{
	return worker->now_ms * 1000000;
}

void rate_init(struct worker *worker, const struct msrp_session *session)
{
	if (rate_is_on(worker))
		*rate_of(worker, session) = (struct rate){ 0 };
}

void rate_take(struct worker *worker, const struct msrp_session *session, enum rate_kind kind,
	uint64_t amount)
{
	uint64_t per_second = worker->shared->rates[kind], now = now_ns(worker), *until;

	if (per_second == 0)
		return;
	until = &rate_of(worker, session)->until[kind];
	if (*until < now)
		*until = now;
	/* Whole seconds apart, so that the product fits. */
	*until += amount / per_second * SECOND_NS + amount % per_second * SECOND_NS / per_second;
}

uint64_t rate_wait_ms(const struct worker *worker, const struct msrp_session *session)
{
	uint64_t most = 0, now = now_ns(worker) + SECOND_NS;
	const struct rate *rate = rate_of(worker, session);
	unsigned kind;

	for (kind = 0; kind < RATE_KINDS; kind++)
		if (rate->until[kind] > most)
			most = rate->until[kind];
	return most > now ? (most - now + 999999) / 1000000 : 0;
}

uint64_t rate_read_max(const struct worker *worker, const struct msrp_session *session)
{
	static const unsigned octets_each[RATE_KINDS] = { MESSAGE_LEAST, 1, 1 };
	uint64_t now = now_ns(worker), least = UINT64_MAX, left;
	const struct rate *rate = rate_of(worker, session);
	unsigned kind;

	for (kind = 0; kind < RATE_KINDS; kind++) {
		uint64_t per_second = worker->shared->rates[kind];
		uint64_t ahead = rate->until[kind] > now ? rate->until[kind] - now : 0;

		if (per_second == 0)
			continue;
		/* In ms: a second of any rate fits then. */
		left = ahead < SECOND_NS ? (SECOND_NS - ahead) / 1000000 * per_second / 1000 : 0;
		left *= octets_each[kind];
		least = left < least ? left : least;
	}
	return least > RATE_READ_MIN ? least : RATE_READ_MIN;
}
