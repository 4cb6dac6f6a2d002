/* SPDX-License-Identifier: BSD-3-Clause */
/* rate: how fast a member may send. What is beyond waits in its connection, which is not read until
 * there is room; nothing is lost, and nobody else is slowed.
 *
 * Place:    connection (octets), inbound (messages, copies) -> rate -> connection (may it be read?).
 * Spec:     context.md 6.4 (msrp.leg_rate), design 6.
 * Threads:  the worker of the session's connection.
 * Memory:   24 octets per session, only when one of the rates is configured.
 *
 * Each rate is a point in time that what was sent pushes on: a second for as much as may be sent in
 * one. A member may be a second ahead of the clock. What one read brings is charged after it, so a
 * member may get further ahead by that; it then waits for longer.
 */
#ifndef DATAPLANE_SWITCH_RATE_H
#define DATAPLANE_SWITCH_RATE_H
#include <stdbool.h>
#include <stdint.h>

struct worker;
struct switch_shared;
struct msrp_session;

enum rate_kind {
	RATE_MESSAGES, /* msrp.rate_messages */
	RATE_OCTETS,   /* msrp.rate_octets */
	RATE_EGRESS,   /* msrp.egress_octets: of all copies together */
	RATE_KINDS
};

struct rate {
	uint64_t until[RATE_KINDS]; /* ns of the worker's clock */
};

bool rate_is_asked(const struct switch_shared *shared);
bool rate_is_on(const struct worker *worker);
/* A session is bound: it starts with a full second. */
void rate_init(struct worker *worker, const struct msrp_session *session);
void rate_take(struct worker *worker, const struct msrp_session *session, enum rate_kind kind,
	uint64_t amount);
/* In how many ms it may be read; 0: now. */
uint64_t rate_wait_ms(const struct worker *worker, const struct msrp_session *session);
/* How many octets one read may bring, so that little of it is beyond: at least RATE_READ_MIN. */
#define RATE_READ_MIN 2048u
uint64_t rate_read_max(const struct worker *worker, const struct msrp_session *session);
#endif
