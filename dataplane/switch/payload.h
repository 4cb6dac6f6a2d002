/* SPDX-License-Identifier: BSD-3-Clause */
/* payload: octets of a message, made once by the core that received them and never changed; view:
 * one core's use of them.
 *
 * Place:    msrp_session (makes) -> room (orders) -> fanout, backlog (use) -> home again (free).
 * Threads:  the home worker makes and frees. `cores` counts the workers that still hold it: the
 *           only atomic in the data path. Each worker touches its own view only; who has the
 *           payload in hand (post.h) writes the rest.
 * Memory:   small bodies lie behind the views, so that ten octets do not pin a receive buffer;
 *           large ones refer to the buffer, whose count belongs to the home worker alone.
 *
 *   payload | views[0] .. views[workers-1] | octets of a small body
 */
#ifndef DATAPLANE_SWITCH_PAYLOAD_H
#define DATAPLANE_SWITCH_PAYLOAD_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dataplane/post.h"

struct worker;
struct message;
struct entry;
struct inbound;
struct transaction;

#define BUFFER_OCTETS (64u * 1024 - 16)

/* A receive buffer. */
struct buffer {
	void *link; /* the pool's */
	uint32_t
		refs; /* payloads that refer to it, and the connection or worker that reads into it */
	uint32_t spare;
	uint8_t octets[BUFFER_OCTETS];
};

/* Sizes of the room behind the views; the last has none and refers to a buffer. */
enum payload_class { PAYLOAD_384, PAYLOAD_1536, PAYLOAD_5120, PAYLOAD_BUFFER, PAYLOAD_CLASSES };
extern const uint32_t payload_class_octets[PAYLOAD_CLASSES];

enum payload_flag {
	PAYLOAD_BEGIN = 1 << 0,     /* first of its message: the CPIM head is in it */
	PAYLOAD_CHUNK_END = 1 << 1, /* the sender's chunk ends here: the room's verdict is wanted */
	PAYLOAD_WHOLE = 1 << 2,     /* the message ends here ('$') */
	PAYLOAD_ABORTED = 1 << 3,   /* the message is given up here */
	PAYLOAD_RETURNS = PAYLOAD_BEGIN | PAYLOAD_CHUNK_END | PAYLOAD_WHOLE |
			  PAYLOAD_ABORTED, /* with a verdict */
	PAYLOAD_PRIVATE = 1 << 5,          /* with a verdict: of a message to one participant */
	PAYLOAD_DASHES = 1 << 4, /* seven dashes occur: transaction ids must be tested against it */
};

struct view {
	struct post post; /* room -> this worker */
	struct payload *payload;
	struct view *next;      /* in the message's list on this worker */
	struct view *work_next; /* in the room's fan-out work on this worker */
	struct entry *wake;     /* entries that had consumed all before and are to be told */
	uint32_t at;            /* entries whose place is in this view */
	uint32_t number;        /* which of its message's, on this worker */
};

struct payload {
	struct post post; /* connection's worker -> room -> back; at last home */
	_Atomic uint32_t cores;
	uint32_t len;
	uint16_t home;   /* worker */
	uint16_t status; /* the room's verdict: MSRP status */
	uint8_t flags;   /* enum payload_flag */
	uint8_t class;   /* enum payload_class */
	const uint8_t *octets;
	struct buffer *buffer; /* PAYLOAD_BUFFER */
	uint64_t offset;       /* of the first octet in the message as it is sent, from 0 */
	struct message *message;
	struct inbound *inbound;         /* home's: whose chunk it was */
	struct transaction *transaction; /* home's: what to answer; CHUNK_END */
	struct view views[];             /* one per worker */
};

size_t payload_size(enum payload_class class, unsigned workers);

/* A payload with room for len octets (copied in by the caller through payload_room), or one that
 * refers to buffer when that is not NULL and len is large enough to be worth it. NULL: no
 * memory. */
struct payload *payload_new(
	struct worker *worker, uint32_t len, struct buffer *buffer, const uint8_t *octets);
uint8_t *payload_room(struct worker *worker, struct payload *payload);

/* This worker uses it no longer; the last one sends it home. */
void payload_drop(struct worker *worker, struct payload *payload);
void payload_home(struct worker *worker, struct payload *payload); /* POST_PAYLOAD_HOME arrived */

struct buffer *buffer_get(struct worker *worker); /* with one reference; NULL: none */
void buffer_put(struct worker *worker, struct buffer *buffer);
#endif
