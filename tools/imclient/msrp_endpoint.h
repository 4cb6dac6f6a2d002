/* SPDX-License-Identifier: BSD-3-Clause */
/* msrp_endpoint: the client's end of MSRP: a listener, TCP connections, the sessions on them.
 *
 * Place:    im_session -> msrp_endpoint -> dataplane/msrp parsers. Knows neither SIP nor CPIM.
 * Spec:     RFC 4975 5.4, 7 (all), 8.5; readings: context.md 1.1 to 1.7.
 * Threads:  one, the loop's. Nothing blocks.
 * Memory:   never a whole message: bodies to send are pulled 16 KiB at a time through `read`,
 *           received ones are handed on as they come. Per connection about 200 KiB; sessions,
 *           messages and answers are bounded below. While a peer does not take our answers we do
 *           not read from it.
 * Callbacks: any function here, msrp_session_free of the same session included, may be called from
 *            one; from `read`,
 *           and from what msrp_session_free itself calls, none may.
 */
#ifndef TOOLS_IMCLIENT_MSRP_ENDPOINT_H
#define TOOLS_IMCLIENT_MSRP_ENDPOINT_H
#include "dataplane/msrp/byte_range.h"
#include "dataplane/msrp/chunk_in.h"
#include "include/result.h"
#include "include/span.h"
#include "tools/imclient/loop.h"

#define MSRP_CONNECTIONS_MAX 64   /* accepted ones; beyond it a connection is closed at once */
#define MSRP_OPEN_IN_MAX     16   /* messages begun and not ended, per session; beyond it 413 */
#define MSRP_QUEUE_MAX       1024 /* messages of ours not yet settled, per session */
#define MSRP_UNANSWERED_MAX  256  /* chunks of ours without an answer, per session */
#define MSRP_REPORTS_MAX     256 /* sent messages whose REPORT is awaited; the oldest is forgotten */
#define MSRP_SEEN_MAX                                                                              \
	256 /* Message-IDs remembered, so that a repeated message is not shown twice */
#define MSRP_MESSAGE_ID_MAX   64
#define MSRP_INTERRUPT_OCTETS 2048 /* RFC 4975 7.1.1: a chunk is not interrupted before */
#define MSRP_QUANTUM_OCTETS   16384

struct msrp_endpoint;
struct msrp_session;

struct msrp_endpoint_options {
	const char *host;        /* listen here and say so in a=path; a numeric address */
	uint16_t port;           /* 0: the system chooses */
	uint32_t transaction_ms; /* a SEND without answer; 0: 30 s (RFC 4975 7.1.1) */
	uint32_t bind_ms;        /* to connect and bind; 0: 30 s */
	uint32_t stall_ms;       /* a message that does not go on; 0: 540 s (RFC 7701 6.1) */
	uint64_t
		chunk_octets; /* end chunks with '+' after so many; 0: only when other traffic waits */
};

/* A message that is arriving. */
struct msrp_in {
	const char *id;
	struct span content_type;
	uint64_t total;  /* as declared, or BYTE_RANGE_UNKNOWN */
	uint64_t octets; /* handed on so far */
	void *user;      /* the callbacks' own */
};

enum msrp_in_end { MSRP_IN_COMPLETE, MSRP_IN_ABORTED };

struct msrp_report {
	const char *message_id;
	unsigned status;
	bool has_range;
	struct byte_range range;
	bool has_count;
	uint32_t count; /* Distribution-Count: to how many the message was sent */
};

struct msrp_outcome {
	const char *message_id;
	unsigned status;
	unsigned chunks; /* it was sent in */
	uint64_t octets; /* written, head included */
};

struct msrp_session_ops {
	void (*bound)(void *arg);
	/* The connection or the binding is gone; `why` is a sentence. Sends were failed before
	 * it. */
	void (*lost)(void *arg, const char *why);

	/* 0: go on. Else the MSRP status to refuse the message with; then `end` is not called. */
	unsigned (*begin)(void *arg, struct msrp_in *in);
	/* In order, without gaps or repeats. Non-zero: refuse the rest; `end` follows with
	 * ABORTED. */
	unsigned (*body)(void *arg, struct msrp_in *in, struct span octets);
	void (*end)(void *arg, struct msrp_in *in, enum msrp_in_end how);

	/* Once for each accepted message: 200 when every chunk was answered (or, with
	 * Failure-Report other than yes, written); else what the peer answered, 408 when it did
	 * not, 0 when the session ended before. `read` is not called after it. */
	void (*outcome)(void *arg, void *send_arg, const struct msrp_outcome *outcome);
	void (*report)(void *arg, const struct msrp_report *report);
};

struct msrp_send {
	struct span content_type; /* copied */
	struct span head;         /* octets in front of the body (CPIM headers); copied */
	uint64_t body_octets;
	/* Fills `to` with `len` octets of the body from `offset`; negative: it cannot, and the
	 * message is ended with '#'. May be asked for the same octets again. */
	int (*read)(void *arg, uint64_t offset, char *to, size_t len);
	void *arg;
	bool success_report;
	bool include_sent_count;
	enum failure_report failure_report;
};

/* -EINVAL: host is not a numeric address; -EEXIST: the port is in use. */
must_check int msrp_endpoint_new(
	struct msrp_endpoint **out, struct loop *loop, const struct msrp_endpoint_options *options);
/* All its sessions must have been freed. What was queued for peers is still written if they take it
 * at once. */
void msrp_endpoint_free(struct msrp_endpoint *endpoint);
uint16_t msrp_endpoint_port(const struct msrp_endpoint *endpoint);
/* True while a freed session's last answers are not written yet: leave the loop a moment. */
bool msrp_endpoint_is_flushing(const struct msrp_endpoint *endpoint);

/* A session with a URI of its own. Until msrp_session_start it can already be bound by a peer that
 * connects. */
must_check int msrp_session_new(struct msrp_session **out, struct msrp_endpoint *endpoint,
	const struct msrp_session_ops *ops, void *arg);
/* Ends everything open (`outcome` with 0, `end` with ABORTED), then calls nothing any more. */
void msrp_session_free(struct msrp_session *session);

struct span msrp_session_uri(const struct msrp_session *session); /* for a=path */
bool msrp_session_is_bound(const struct msrp_session *session);
void msrp_session_limit(
	struct msrp_session *session, uint64_t max_message); /* beyond it 413; 0: none */

/* peer_path: the other side's a=path. active: connect and bind by a SEND without body; else wait
 * for the peer. -EBADMSG: unusable path; -EPROTO: msrps, which is not spoken here; -ENOBUFS.
 * Connecting fails later, through `lost`. */
must_check int msrp_session_start(struct msrp_session *session, bool active, struct span peer_path);

/* Queues a message; it goes out once the session is bound. -ENOBUFS: too many queued. id receives
 * its Message-ID. */
must_check int msrp_session_send(
	struct msrp_session *session, const struct msrp_send *send, char id[MSRP_MESSAGE_ID_MAX]);

unsigned msrp_session_unsettled(
	const struct msrp_session *session); /* messages of ours without outcome */
#endif
