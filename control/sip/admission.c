/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/admission.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "control/hash.h"

#define SET_SIZE 8u

/* Thousandths of a request; what one second allows at most. */
struct bucket {
	uint64_t milli;
	uint64_t filled_ms; /* when it was filled up last */
};

struct source {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d; of IPv6 the first 64 bits */
	uint64_t heard_ms;
	bool used;
	struct bucket buckets[ADMISSION_KINDS];
};

struct admission {
	struct admission_limits limits;
	struct bucket overall[ADMISSION_KINDS];
	uint64_t refused;
	uint32_t sets;
	struct source sources[]; /* sets of SET_SIZE */
};

static void address_read(uint8_t out[16], const struct sockaddr *from)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(out, 0, 16);
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;

		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + 12, &in->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
		bool is_mapped = memcmp(&in6->sin6_addr, mapped, sizeof(mapped)) == 0;

		memcpy(out, &in6->sin6_addr, is_mapped ? 16 : 8);
	}
}

static void fill(struct bucket *bucket, uint32_t rate, uint64_t now_ms)
{
	uint64_t most = (uint64_t)rate * 1000, passed = now_ms - bucket->filled_ms;

	/* A second fills it; more would only overflow. */
	bucket->milli = passed >= 1000 ? most : bucket->milli + passed * rate;
	if (bucket->milli > most)
		bucket->milli = most;
	bucket->filled_ms = now_ms;
}

static struct source *source_find(
	struct admission *admission, const uint8_t address[16], uint64_t now_ms, uint32_t rate)
{
	struct source *set, *oldest;

	set = &admission->sources[(hash_keyed(address, 16) % admission->sets) * SET_SIZE];
	oldest = set;
	for (unsigned i = 0; i < SET_SIZE; i++) {
		struct source *at = &set[i];

		if (at->used && memcmp(at->address, address, 16) == 0)
			return at;
		if (oldest->used && (!at->used || at->heard_ms < oldest->heard_ms))
			oldest = at;
	}
	*oldest = (struct source){ .used = true };
	memcpy(oldest->address, address, 16);
	for (unsigned i = 0; i < ADMISSION_KINDS; i++)
		oldest->buckets[i] = (struct bucket){ (uint64_t)rate * 1000, now_ms };
	return oldest;
}

int admission_new(struct admission **out, const struct admission_limits *limits)
{
	uint32_t sets = (limits->sources + SET_SIZE - 1) / SET_SIZE;
	struct admission *admission;

	if (sets == 0)
		sets = 1;
	admission = calloc(1, sizeof(*admission) + sets * SET_SIZE * sizeof(struct source));
	*out = admission;
	if (admission == NULL)
		return -ENOBUFS;
	admission->limits = *limits;
	admission->sets = sets;
	for (unsigned i = 0; i < ADMISSION_KINDS; i++)
		admission->overall[i].milli = (uint64_t)limits->overall[i] * 1000;
	return 0;
}

void admission_free(struct admission *admission)
{
	free(admission);
}

bool admission_take(struct admission *admission, enum admission_kind kind,
	const struct sockaddr *from, bool trusted, uint64_t now_ms)
{
	uint32_t rate = trusted ? admission->limits.source : admission->limits.stranger;
	struct bucket *own = NULL, *all = NULL;

	if (rate > 0) {
		uint8_t address[16];
		struct source *source;

		address_read(address, from);
		source = source_find(admission, address, now_ms, rate);
		source->heard_ms = now_ms;
		own = &source->buckets[kind];
		fill(own, rate, now_ms);
	}
	if (admission->limits.overall[kind] > 0) {
		all = &admission->overall[kind];
		fill(all, admission->limits.overall[kind], now_ms);
	}
	/* Both or none: one who is refused for his own rate takes nothing from the others. */
	if ((own != NULL && own->milli < 1000) || (all != NULL && all->milli < 1000)) {
		admission->refused++;
		return false;
	}
	if (own != NULL)
		own->milli -= 1000;
	if (all != NULL)
		all->milli -= 1000;
	return true;
}

uint64_t admission_refused(struct admission *admission)
{
	uint64_t refused = admission->refused;

	admission->refused = 0;
	return refused;
}
