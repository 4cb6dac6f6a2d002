/* SPDX-License-Identifier: BSD-3-Clause */
/* post: how workers hand objects to each other. A queue of intrusive nodes: it cannot be full, and
 * needs no memory.
 *
 *   The node lies in the object that travels (a payload, a session, a leg's control record), so an
 *   object is on its way to at most one worker at a time, and whoever has it in hand owns it.
 *
 * Threads:  any thread posts; only the owner takes. Posts of one sender arrive in the order they
 *           were sent.
 * Sleeping: the owner marks itself asleep, fences, looks once more; a sender publishes, fences, and
 *           writes the eventfd only if the mark is set.
 */
#ifndef DATAPLANE_POST_H
#define DATAPLANE_POST_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum post_kind {
	POST_ANCHOR,
	POST_BIND_ASK,    /* msrp_session: connection's worker -> home worker of the leg */
	POST_BIND_ANSWER, /* msrp_session: back, with status */
	POST_UNBOUND,     /* msrp_session: connection's worker -> home: the binding is over */
	POST_UNBOUND_ACK, /* msrp_session: back, free it */
	POST_STATUS,      /* session_status: connection's worker -> home */
	POST_STATUS_BACK, /* session_status: back */
	POST_LEG_CONTROL, /* leg_control: home -> connection's worker: settings, membership, removal */
	POST_LEG_CONTROLLED,  /* leg_control: back, done */
	POST_PAYLOAD,         /* payload: connection's worker -> room */
	POST_VERDICT,         /* payload: room -> connection's worker: what to answer */
	POST_FORWARD,         /* view: room -> worker with members */
	POST_PAYLOAD_HOME,    /* payload: nobody uses it any more */
	POST_MESSAGE_DONE,    /* message: the last core has dropped it -> home worker of its room */
	POST_MESSAGE_HOME,    /* message: -> worker of its sender */
	POST_REPORT_DONE,     /* message.report_post: every outcome is known -> room */
	POST_REPORT_READY,    /* message.report_post: with its count -> worker of its sender */
	POST_REPORT_HOME,     /* report_part: counted -> the worker whose it is */
	POST_NICKNAME_ASK,    /* nickname_ask: connection's worker -> home worker of the leg */
	POST_NICKNAME_ANSWER, /* nickname_ask: back, with status */
	POST_IDS_HOME,        /* message_ids: home worker of the leg -> the worker whose it is */
	POST_ATTACHMENT,      /* attachment_change: main thread -> worker, and back to main */
	POST_DRAIN,           /* main thread -> worker: drain.h */
	POST_DRAINED,         /* worker.drained: -> main thread */
	POST_STOP,            /* main thread -> worker */
	POST_KIND_COUNT
};

struct post {
	_Atomic(struct post *) next;
	uint8_t kind; /* enum post_kind, written by the sender */
};

struct post_queue {
	_Alignas(64) _Atomic(struct post *) tail; /* senders */
	_Alignas(64) struct post *head;           /* owner */
	struct post anchor;
	_Alignas(64) _Atomic uint32_t asleep; /* owner writes, senders read */
	int fd;                               /* eventfd that wakes the owner */
};

void post_queue_init(struct post_queue *queue, int fd);
void post_send(struct post_queue *queue, struct post *post, enum post_kind kind);
struct post *post_take(struct post_queue
		*queue); /* NULL: none (or one is just being linked: it wakes the owner) */
bool post_may_sleep(struct post_queue *queue); /* marks asleep; true: nothing is waiting */
void post_awake(struct post_queue *queue);
#endif
