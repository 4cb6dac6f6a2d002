/* SPDX-License-Identifier: BSD-3-Clause */
/* admission: how many new requests a second are let in, from one source and from all.
 *
 * Place:    ua asks before a request gets a transaction, so that what is refused costs no memory.
 * Spec:     RFC 3261 21.5.4 (503 with Retry-After); context.md 6.2 (admission control).
 * Reading:  a token bucket for each kind of request, which holds what one second allows: overall,
 *           and for each source. A source is an IPv4 address, or an IPv6 /64 (one host can use
 *           every address of its /64).
 * Memory:   fixed from admission_new on. The table of sources is cut into sets by a keyed hash; a
 *           new source takes the place of the one in its set that was heard longest ago. An
 *           attacker with very many addresses can so make room for himself: what then holds is the
 *           overall rate.
 * Threads:  the focus's one thread; time comes in as an argument.
 */
#ifndef CONTROL_SIP_ADMISSION_H
#define CONTROL_SIP_ADMISSION_H
#include <stdbool.h>
#include <stdint.h>
#include "include/result.h"

enum admission_kind {
	ADMISSION_INVITE,
	ADMISSION_SUBSCRIBE,
	ADMISSION_REGISTER,
	ADMISSION_REFER,
	ADMISSION_OTHER, /* a stray 2xx that is to be ended by ACK and BYE */
	ADMISSION_KINDS
};

struct admission_limits {
	uint32_t overall[ADMISSION_KINDS]; /* requests a second; 0: no limit */
	uint32_t source;                   /* of one trusted source, for each kind; 0: no limit */
	uint32_t stranger;                 /* of one that is not trusted; 0: no limit */
	uint32_t sources;                  /* that are remembered; rounded up to whole sets */
};

struct sockaddr;
struct admission;
must_check int admission_new(struct admission **out, const struct admission_limits *limits);
void admission_free(struct admission *admission);

/* May a request of this kind be let in? Only what is let in is counted. */
bool admission_take(struct admission *admission, enum admission_kind kind,
	const struct sockaddr *source, bool trusted, uint64_t now_ms);
/* How many were refused since the last call: for a line in the log now and then. */
uint64_t admission_refused(struct admission *admission);
#endif
