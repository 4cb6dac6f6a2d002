/* SPDX-License-Identifier: BSD-3-Clause */
/* history: what was seen from outside in one run of the simulator. world.c writes it while it runs,
 * model.c and check.c read it afterwards.
 *
 * Time is counted in ticks: one step of one worker, or one act of the outside world, is one tick.
 * All that a worker does in a step has the tick of that step, so two things in one step of one worker
 * are the only ones whose order is not known.
 */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dataplane/counters.h"
#include "include/switch_event.h"

typedef uint32_t tick;
#define NEVER UINT32_MAX /* not yet, or never */
#define NONE  UINT32_MAX /* an index of nothing */

/* A growing array. */
#define LIST(type)                                                                                 \
	struct {                                                                                   \
		type *at;                                                                          \
		uint32_t count, room;                                                              \
	}
void *list_add(void *list, size_t size);
#define ADD(list) list_add(&(list), sizeof(*(list).at))

/* What was in force, from a step of the home worker on. sent: the command was put into the ring. */
struct room_set {
	tick sent, done;
	uint32_t flags; /* enum room_flag */
	uint64_t max_message;
};

struct sim_room {
	unsigned home, slot;
	char uri[64];
	const char *wrapped;
	LIST(struct room_set) sets;
	tick opened, close_sent, closed, drained;
	struct object_id id;
	struct room_counts counts; /* last heard */
};

enum said { SAID_ADD, SAID_ALIAS, SAID_MUTE, SAID_REMOVE, SAID_LEG_REMOVE, SAID_UPDATE };

/* A command about a leg: what it left in force. */
struct leg_set {
	tick sent, done;
	bool member, alias, muted, no_private;
};

struct sim_leg {
	uint32_t room, participant;
	char name[32], address[64], alias[96], path[128], uri[300];
	const char *wrapped;
	bool private, hidden, active;
	LIST(struct leg_set) sets;
	tick added, remove_sent, removed, gone;
	struct object_id id;
	struct leg_status status; /* last heard */
	LIST(tick) rebinds;       /* LEG_UPDATEs that permit one: when sent */
};

/* A peer's connection. */
struct reading {
	tick at;
	uint64_t octets; /* of all that was written: read by then */
};
struct conn {
	unsigned worker;
	LIST(struct reading) readings;
	tick opened, close_began, closed; /* by the peer, or seen to be closed by the switch */
	bool reset, by_switch, memory;
};

/* An attempt to bind a leg to a connection. */
struct binding {
	uint32_t leg, conn;
	tick asked;    /* written */
	tick answered; /* 200 seen, or the event */
	unsigned status;
	tick heard; /* EVENT_LEG said so: the very step of the home worker, or later */
	tick rivalled;
	bool active, refuses; /* refuses: the peer has answered a chunk with an error */
};

/* A SEND, whole, as it was given to the connection. */
struct sent {
	uint32_t binding, message; /* NONE: bodiless */
	char tid[24];
	uint64_t stream;     /* place of its first octet in what its connection writes */
	uint64_t body, ends; /* of its body's first octet, and behind its last */
	uint64_t start, len; /* octets of the message, from 1 */
	uint64_t says_end, says_total;
	bool has_range, binds, success, count;
	char failure; /* 'y', 'n', 'p' */
	char flag;
	const char *type;
	bool prompt; /* nothing before it on its connection waited for anybody when it was written */
	unsigned answers, status;
	tick answered;
};

enum message_to { TO_ROOM, TO_LEG, TO_NOBODY, TO_TWO, TO_NONE };
enum message_from { FROM_OWN, FROM_ALIAS, FROM_OTHER, FROM_NONE };

struct sim_message {
	uint32_t leg, binding;
	char id[32];
	uint8_t *body; /* as the sender meant it */
	uint64_t len, head_len, from_at, from_len;
	enum message_to to;
	uint32_t to_leg;
	bool to_alias, bad_head;
	enum message_from from;
	const char *wrapped;
	bool success, count;
	char failure;             /* Failure-Report: 'y', 'n', 'p' */
	unsigned reports, losses; /* REPORTs of a success, of a failure */
	bool has_count;
	uint32_t reported_count;
	tick reported;
	uint64_t reported_octets, reported_ms;
};

/* What one binding got of one message. */
struct copy {
	uint32_t binding, message; /* NONE: its head has not come whole */
	char id[40];
	uint8_t *octets;
	uint64_t len, room;
	tick begun, ended;
	char flag; /* 0: not ended */
	unsigned chunks, asked, answered, refused;
	uint64_t answer_begins,
		answer_ends; /* place of, and behind the last answer in what the connection writes */
};

struct nickname {
	uint32_t binding;
	char tid[24];
	uint64_t begins, ends; /* places in what its connection writes */
	unsigned answers, status, decided;
	bool asked;
};

struct history {
	uint32_t seed;
	bool verbose;
	unsigned workers;
	uint8_t *stepped; /* [tick]: which worker; 255: none */
	uint64_t *clock;  /* [tick]: ms */
	tick now;
	tick quiet; /* nothing moved any more, everything had been given its time; then all was closed */
	bool scarce;  /* pools were made small */
	bool crowded; /* limits of queues were made small */
	uint64_t leg_queue_octets, leg_queue_messages, open_messages, transaction_ms;
	LIST(struct sim_room) rooms;
	LIST(struct sim_leg) legs;
	LIST(struct conn) conns;
	LIST(struct binding) bindings;
	LIST(struct sent) sents;
	LIST(struct sim_message) messages;
	LIST(struct copy) copies;
	LIST(struct nickname) nicknames;
	struct counters counters; /* of all workers together, at the end */
};
#endif
