/* SPDX-License-Identifier: BSD-3-Clause */
/* worker: one lcore's whole world, and its loop.
 *
 * Place:    the contents page of the data plane: tcp -> connection -> msrp_session -> room -> fanout -> backlog -> tcp.
 * Threads:  one struct worker per lcore; nobody else touches it but by posts (post.h) and the rings
 *           (mailbox.h).
 * Time and randomness come in from here: no module below reads a clock, the lcore's id or a global,
 * so that a simulator can step any number of workers in one thread.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H
#include <stdbool.h>
#include <stdint.h>
#include "dataplane/connection.h"
#include "dataplane/counters.h"
#include "dataplane/drain.h"
#include "dataplane/mailbox.h"
#include "dataplane/memory.h"
#include "dataplane/pool.h"
#include "dataplane/memory.h"
#include "dataplane/post.h"
#include "dataplane/pressure.h"
#include "dataplane/switch/backlog.h"
#include "dataplane/switch/fanout.h"
#include "dataplane/switch/inbound.h"
#include "dataplane/switch/leg.h"
#include "dataplane/switch/message.h"
#include "dataplane/switch/msrp_session.h"
#include "dataplane/switch/nickname.h"
#include "dataplane/switch/payload.h"
#include "dataplane/switch/rate.h"
#include "dataplane/switch/reorder.h"
#include "dataplane/switch/report.h"
#include "dataplane/switch/room.h"
#include "dataplane/switch/transaction.h"
#include "dataplane/tcp/tcp.h"
#include "include/border.h"
#include "include/log.h"

/* What all workers know; written before they start. */
struct switch_shared {
	uint32_t instance;
	uint16_t workers;
	struct worker *worker[BORDER_WORKERS_MAX];
	/* limits and times, from the configuration */
	uint32_t max_legs, max_rooms; /* per worker */
	uint64_t memory;              /* octets, per worker */
	size_t transport_octets;      /* of them for each connection: the transport's record */
	bool memory_touch;            /* every page at start */
	uint64_t max_message;
	uint32_t leg_queue_messages, open_messages;
	uint64_t leg_queue_octets;
	uint64_t least_rate;        /* octets a second that a congested member must take */
	uint64_t rates[RATE_KINDS]; /* a second, of each member; 0: no limit */
	uint64_t transaction_ms;    /* 0: no limit */
	uint64_t connection_bind_ms, chunk_reception_ms, congestion_kill_ms, count_wait_ms,
		count_cap_ms;
	uint64_t
		drain_ms; /* for what was accepted, when a room, a leg or the switch goes; 0: none */
	bool count_delivered;          /* msrp.count_basis */
	struct post_queue *drained_to; /* hears of it when a worker is drained; NULL: nobody */
	char authority[280];           /* HOST:PORT of our URIs */
	/* The same for a peer of this address family; empty: no listener has it. */
	char authority_ip4[280], authority_ip6[280];
	bool busy_poll;
	void (*random_fill)(void *octets, size_t size);
	uint64_t (*clock_ms)(void);
};

struct worker {
	struct switch_shared *shared;
	uint16_t index;
	bool stop;
	_Atomic bool stopped; /* the loop has ended: the main thread may take it apart */
	uint64_t now_ms;
	uint64_t ticked_at;
	uint32_t ticks;
	uint8_t pressure;          /* enum pressure */
	bool short_of_memory;      /* when it was looked at last, and queues pin it */
	_Atomic bool wants_relief; /* and at the time before: read by the other workers */
	uint64_t relieved_at;      /* ms; when that was looked at last */
	uint64_t read_most;        /* octets of late: connections that sent more are not read */
	uint64_t most_recent;      /* octets of late of the largest producer */
	uint32_t pressure_below[MEMORY_POOLS]; /* so many free of a pool are few */
	struct tcp *tcp;
	struct mailbox mailbox;
	struct post_queue posts;
	struct post *local, *local_last; /* posts to itself: in order, without atomics */

	struct arena arena;
	struct pool buffers, payloads[PAYLOAD_CLASSES], messages, entries, sessions, connections,
		outgoing, tails, inbounds, transactions, ids[IDS_CLASSES], heads, kept, texts,
		output, legs, rooms, confs[LEG_CONF_CLASSES], reports, report_blocks, report_ranges;

	void *transport_memory; /* transport_records of shared->transport_octets each, zero-filled */
	uint32_t transport_records;

	struct buffer *rx; /* what the next read goes into */
	uint32_t rx_used;  /* octets in front that payloads refer to */
	struct pool rates; /* struct rate, by the session's index */
	/* Those that carry a session, and those that do not, the oldest first. */
	TAILQ_HEAD(connection_list, connection) used, unused;
	struct flush_line lines[FLUSH_LINES]; /* connections with something to send, by rooms */
	uint64_t lines_used;                  /* bit n: line n is not empty */
	uint32_t line_serial;
	uint8_t line_last; /* that had its turn */
	struct connection *paused;
	struct connection *limited[LIMITED_SLOTS]; /* not read before a time: by LIMITED_MS */
	uint64_t limited_at;                       /* the last time that was looked at */
	uint32_t limited_count;
	struct outgoing *outgoing_to[OUTGOING_BUCKETS];
	uint32_t dirty_count; /* in all lines */
	struct room_part *work, *work_last;
	struct drain drain;
	struct post drained;
	struct msrp_session *leaving;     /* sessions that leave in good order */
	struct room *closing_rooms;       /* whose messages are waited for */
	struct report_part *reports_open; /* not settled */
	struct report_range *report_ranges_table[REPORT_RANGES_TABLE];

	struct inbound *heads_first, **heads_last; /* collected CPIM heads, the oldest first */

	uint64_t nickname_number; /* of the question asked last */

	uint64_t generator[4]; /* of transaction ids and Message-IDs */
	uint64_t tid_key[2];
	struct counters counters;
	char scratch[96 * 1024]; /* heads and end-lines while they are handed to the transport */
};

/* Reserves the worker's memory: -ENOMEM with one line in the log that says how much would do. */
must_check int worker_init(struct worker *worker, struct switch_shared *shared, uint16_t index);
void worker_fini(struct worker *worker);

/* One turn of the loop. sleep: may wait until something happens, at most for a second. */
void worker_step(struct worker *worker, bool sleep);
/* The posts to itself, in order. */
void worker_run_local(struct worker *worker);

void worker_post(struct worker *worker, uint16_t to, struct post *post, enum post_kind kind);
/* size characters of [a-z2-7], 5 random bits each, for what must be unique and may be guessed by whom
 * it is sent to: transaction ids and Message-IDs. */
void worker_random_text(struct worker *worker, char *text, size_t size);
/* A transaction id for a request into this session (its index), RFC 4975 7.1; and was one with such a
 * beginning made here for it? So a response can be told from one that nobody waits for, without a
 * table of what was sent. */
#define WORKER_TID_OCTETS 16 /* 65 random bits, as RFC 4975 7.1 asks for 64, and a seal of 15 */
void worker_tid(struct worker *worker, uint32_t session, char tid[WORKER_TID_OCTETS]);
bool worker_tid_is_ours(const struct worker *worker, uint32_t session, struct span tid);
/* Four more characters behind it that say which message it was for, by the low bits of its order in
 * the room; and is this one for such a message? Of a million that are for another one does look so. */
#define MESSAGE_TID_OCTETS (WORKER_TID_OCTETS + 4)
void message_tid(
	struct worker *worker, uint32_t session, uint32_t order, char tid[MESSAGE_TID_OCTETS]);
bool message_tid_is_of(
	const struct worker *worker, uint32_t session, uint32_t order, struct span tid);
/* As worker_random_text, for what nobody may guess: session-ids (RFC 4975 14.1). At most 64 characters. */
void worker_secret_text(struct worker *worker, char *text, size_t size);
/* Is there memory for whatever one read may bring? */
bool worker_can_receive(const struct worker *worker);
#endif
