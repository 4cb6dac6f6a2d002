/* SPDX-License-Identifier: BSD-3-Clause */
/* nickname: NICKNAME from its arrival to its answer: what a member wants to be called is asked of
 * the controller, and answered when that has decided.
 *
 * Place:    connection -> nickname -> leg (home worker) -> mailbox; CMD_NICKNAME -> nickname ->
 *           connection.
 * Spec:     RFC 7701 7; RFC 4975 7.2 (the answer goes along the whole From-Path).
 * Threads:  made and freed by the connection's worker; between the two posts the home worker has
 *           it in hand.
 * Memory:   a text block of the connection's worker, while half of them are free. A session has
 *           one open question at a time: only a second one waits for its answer, and what comes
 *           behind that on the connection.
 * Time:     a controller that says nothing for NICKNAME_WAIT_MS has said 403.
 */
#ifndef DATAPLANE_SWITCH_NICKNAME_H
#define DATAPLANE_SWITCH_NICKNAME_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/msrp/chunk_in.h"
#include "dataplane/post.h"

struct worker;
struct leg;
struct msrp_session;

#define NICKNAME_WAIT_MS  10000u
#define NICKNAME_PATH_MAX 6144u /* a longer From-Path: the one of the SDP is answered to */

struct nickname_ask {
	struct post post;
	struct msrp_session *session;
	struct leg *leg; /* the home worker's */
	uint64_t number; /* for CMD_NICKNAME */
	uint64_t since;  /* ms, of the home worker */
	bool told;       /* its event was written */
	uint16_t status; /* the answer */
	uint16_t name_len, path_len;
	uint8_t tid_len;
	char tid[CHUNK_TID_MAX];
	char name[NICKNAME_OCTETS_MAX + 1]; /* without quotes and escapes */
	char path[NICKNAME_PATH_MAX];       /* From-Path; path_len 0: leg_conf.path */
};

/* At the connection's worker: a NICKNAME for a session bound here. False: one is open already, or
 * the session is no member yet; the same octets are to be parsed again later. */
bool nickname_asked(struct worker *worker, struct msrp_session *session, const struct chunk *chunk);
/* POST_NICKNAME_ANSWER. */
void nickname_answered(struct worker *worker, struct nickname_ask *ask);

/* At the home worker: POST_NICKNAME_ASK. */
void nickname_arrived(struct worker *worker, struct nickname_ask *ask);
/* CMD_NICKNAME. -ENOENT: no such question is open (any more); -EINVAL: no such answer. */
int nickname_decide(struct worker *worker, struct leg *leg, uint64_t number, uint32_t status);
/* The leg's question, if one is open, is answered 403: its session has gone, or time is up. */
void nickname_give_up(struct worker *worker, struct leg *leg);
void nickname_tick(struct worker *worker, struct leg *leg);
#endif
