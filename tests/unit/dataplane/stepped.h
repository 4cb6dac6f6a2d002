/* SPDX-License-Identifier: BSD-3-Clause */
/* stepped: workers on memory instead of sockets, stepped by the test in one thread with its own
 * clock, and members whose ends the test holds: how much each takes and when is the test's to say.
 *
 * Threads: one.  Every expectation fails the Criterion test that makes it.
 */
#ifndef TESTS_UNIT_DATAPLANE_STEPPED_H
#define TESTS_UNIT_DATAPLANE_STEPPED_H
#include "dataplane/worker.h"
#include "tests/support/tcp_memory.h"

extern struct switch_shared stepped; /* limits may be changed before stepped_start, some after */
extern uint64_t stepped_now;         /* ms */

/* The defaults of the configuration, one worker of 128 MB. */
void stepped_defaults(unsigned workers);
void stepped_start(void);
void stepped_stop(void);
/* Every worker in turn, so many times. */
void stepped_turns(unsigned turns);
/* The clock goes on; all timers run. */
void stepped_wait(uint64_t ms);

/* One chunk that a peer was sent. */
struct heard {
	uint16_t status; /* of a response; 0: a request */
	bool report;
	char flag;
	char id[CHUNK_TID_MAX +
		1]; /* Message-ID of a SEND or REPORT, transaction id of a response */
	char tid[CHUNK_TID_MAX + 1];
	char to[300];        /* leftmost To-Path URI */
	uint64_t start, len; /* octets of body, from 1 */
	uint64_t says_end;   /* of its Byte-Range; BYTE_RANGE_UNKNOWN: '*' */
	char tag[12];        /* of the message: the first word of its text */
};

struct peer {
	struct memory_peer *end;
	struct chunk_in in;
	uint8_t *octets; /* taken and not parsed */
	size_t len, room;
	struct heard *heard; /* all there was */
	unsigned count, size;
	struct heard open; /* is being received */
	char body[600];    /* its first octets */
};

/* Dials worker w. */
void peer_dial(struct peer *peer, unsigned w);
/* Takes at most so many octets of what was sent, and parses. Returns how many. */
size_t peer_hear(struct peer *peer, size_t octets);
void peer_say(struct peer *peer, const void *octets, size_t len);
void peer_print(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void peer_free(struct peer *peer);
/* The last one heard of this message (by its tag); NULL: none. */
const struct heard *peer_last(const struct peer *peer, const char *tag);
/* Octets of body heard of it. */
uint64_t peer_octets_of(const struct peer *peer, const char *tag);
/* Where in `heard` its first chunk is; UINT32_MAX: nowhere. */
unsigned peer_place(const struct peer *peer, const char *tag);

struct room *stepped_room(unsigned home, const char *uri);
/* A member of the room: sip:NAME@example.com. */
struct leg *stepped_member(struct room *room, const char *name, unsigned participant);
/* Binds the leg on this connection; the answer is heard. */
void stepped_bind(struct peer *peer, const struct leg *leg);

/* A whole message in one chunk: its text is the tag, a blank, and 'x' up to `len` octets; type:
 * NULL: text/plain. Nothing is stepped. */
void stepped_send_as(struct peer *peer, const struct leg *leg, const char *tag, size_t len,
	const char *type, const char *headers);
void stepped_send(struct peer *peer, const struct leg *leg, const char *tag, size_t len);
/* The same in parts: what opens it, octets of text, the end. */
void stepped_open(struct peer *peer, const struct leg *leg, const char *tag);
void stepped_text(struct peer *peer, size_t len);
void stepped_end(struct peer *peer, const char *tag, char flag);

/* Nothing of what went through is left in any pool. */
void stepped_at_rest(unsigned w);
/* Every copy that was begun has ended. */
void stepped_copies_add_up(void);
/* Of all workers. */
#define STEPPED_COUNTER(name)                                                                      \
	({                                                                                         \
		uint64_t sum_ = 0;                                                                 \
		for (unsigned w_ = 0; w_ < stepped.workers; w_++)                                  \
			sum_ += stepped.worker[w_]->counters.name;                                 \
		sum_;                                                                              \
	})
#endif
