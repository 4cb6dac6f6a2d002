/* SPDX-License-Identifier: BSD-3-Clause */
/* crowd: thousands of SIP user agents behind one socket, that join conferences, subscribe, and
 * leave.
 *
 * Place:    the load of bench_room; SIP text of its own, as no other part of Plenum's.
 * Threads:  one. At most `window` requests wait for their answer, so that the focus always has work
 *           and no datagram is lost to a full buffer; what is not answered in half a second over
 *           UDP is sent again.
 * Checks:   any answer but 2xx, any request but NOTIFY, and ten seconds without progress end the
 *           program: a figure of work that was not done is none.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H
#include <stdbool.h>
#include <stdint.h>

enum crowd_act {
	CROWD_JOIN,      /* INVITE, ACK */
	CROWD_LEAVE,     /* BYE */
	CROWD_SUBSCRIBE, /* to the conference package; until the first NOTIFY */
	CROWD_UNSUBSCRIBE,
};

struct member {
	enum { MEMBER_OUT, MEMBER_ASKING, MEMBER_IN } state;
	uint8_t asks; /* enum crowd_act */
	bool subscribed;
	uint32_t generation; /* of its dialogs, so that a Call-ID is never used again */
	uint32_t cseq, subscription_cseq;
	uint64_t sent_ns;
	char to_tag[40], subscription_tag[40];
	char *target; /* remote target of its dialog, shared by the members of a room */
};

struct crowd {
	int fd;
	bool tcp;
	uint16_t port, focus_port;
	unsigned first_room, rooms, count, window;
	struct member *members; /* member i is of room first_room + i % rooms */
	char **targets;         /* by room */
	unsigned waiting;       /* requests without an answer */
	uint64_t repeated, notifies, notify_octets;
	uint64_t progress_ns, looked_ns;
	char *in; /* TCP: octets that are no whole message yet */
	unsigned in_len;
};

/* Room r is asked for as sip:room<r>@example.com, member i is sip:u<i>@example.com. */
void crowd_open(struct crowd *crowd, bool tcp, uint16_t focus_port, unsigned count,
	unsigned first_room, unsigned rooms, unsigned window);
void crowd_close(struct crowd *crowd);
/* Does that with members first to end - 1, and returns when all have been answered: the seconds
 * from the first request to the last answer. */
double crowd_run(struct crowd *crowd, enum crowd_act act, unsigned first, unsigned end);
/* Answers what comes until nothing has come for quiet_ms. */
void crowd_rest(struct crowd *crowd, unsigned quiet_ms);
#endif
