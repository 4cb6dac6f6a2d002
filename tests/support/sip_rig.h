/* SPDX-License-Identifier: BSD-3-Clause */
/* sip_rig: plenum-switch and plenum-focus together on free ports, and raw SIP peers over UDP or
 * TCP; their MSRP is switch_rig's msrp_peer.
 *
 * Place:    tests/scenario. Nothing of the product is linked but the MSRP parser; SIP is plain
 *           text, in and out.
 * Threads:  one. Every wait is bounded; what does not come within RIG_WAIT_MS ends the test with a
 *           sentence, the message taken last and the place of the logs.
 * Programs: PLENUM_SWITCH and PLENUM_FOCUS in the environment (meson sets them). They die with the
 *           test.
 */
#ifndef TESTS_SUPPORT_SIP_RIG_H
#define TESTS_SUPPORT_SIP_RIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "tests/support/switch_rig.h"

#define SIP_FACTORY "sip:conference-factory@example.com"
#define SIP_TRUSTED "127.0.0.1" /* a peer there is believed */
#define SIP_FOREIGN "127.0.0.2" /* one there is not */

/* ---- the daemons ---- */

struct rig_daemon {
	pid_t pid; /* 0: not running */
	int out;   /* its stdout */
	char log[128];
};
struct sip_rig {
	char directory[64]; /* temporary: configuration, socket, logs */
	char config[96];
	uint16_t sip_port, msrp_port;
	struct rig_daemon focus, the_switch;
};
/* Further lines of the sections, each "  key: value\n"; NULL: none (the_switch: little
 * memory, few legs). listen replaces sip.listen; its %u are the port. */
struct rig_options {
	const char *sip, *msrp, *conference, *the_switch;
	const char *listen;
	const char *trusted;     /* replaces the items of sip.trusted */
	const char *msrp_listen; /* replaces msrp.listen; its %u is the port */
	bool no_start;           /* the configuration is written, no daemon runs */
};
/* Both daemons, ready. options may be NULL. */
void sip_rig_start(struct sip_rig *rig, const struct rig_options *options);
/* SIGTERM to the focus, then to the switch: both end with status 0, and neither wrote a line at
 * level error. */
void sip_rig_stop(struct sip_rig *rig);

/* One daemon at a time, for the tests of their start and end. which: "PLENUM_FOCUS" or
 * "PLENUM_SWITCH". */
void rig_daemon_start(struct rig_daemon *daemon, const struct sip_rig *rig, const char *which);
bool rig_daemon_ready(struct rig_daemon *daemon, int wait_ms);
/* The status that it exited with; -1: it runs, -2: a signal ended it. */
int rig_daemon_ended(struct rig_daemon *daemon, int wait_ms);
/* Waits until the log holds the text. */
bool rig_log_has(const struct rig_daemon *daemon, const char *text, int wait_ms);
void rig_pause(unsigned ms);
uint16_t rig_free_port(void);

/* ---- messages ---- */

#define SIP_HEADERS_MAX 64
struct sip_message {
	char *text; /* as received; NULL: none */
	size_t len;
	unsigned status; /* 0: a request */
	char method[20]; /* of CSeq in a response */
	char *uri;       /* Request-URI, or the phrase of a response */
	unsigned headers;
	const char *name[SIP_HEADERS_MAX], *value[SIP_HEADERS_MAX];
	const char *body;
	size_t body_len;
	char *store; /* what the pointers above point into */
};
/* The nth value (0: the first) of a header; "" when absent. */
const char *sip_header(const struct sip_message *message, const char *name);
const char *sip_header_nth(const struct sip_message *message, const char *name, unsigned nth);
/* What follows `start` ("a=path:") in the first line of the body that begins so; "" when there is
 * none. */
void sip_body_line(const struct sip_message *message, const char *start, char *out, size_t size);

/* ---- peers ---- */

#define SIP_LINKS_MAX 4
struct sip_peer {
	const struct sip_rig *rig;
	char name[24]; /* "alice": sip:alice@example.com */
	char host[40];
	uint16_t port;
	bool tcp;
	int fd;  /* UDP, or TCP listener */
	struct { /* TCP connections, the first one ours */
		int fd;
		char *octets;
		size_t len;
	} link[SIP_LINKS_MAX];
	unsigned links;
	struct sip_message message; /* taken last */
	struct sip_message kept[256];
	unsigned kept_count;
	uint64_t seen[2048]; /* hashes of what came, to know a repetition */
	unsigned seen_count;
	unsigned repeated; /* messages that came again; they are not taken twice */
};
void sip_peer_open(struct sip_peer *peer, const struct sip_rig *rig, const char *name,
	const char *host, bool tcp);
void sip_peer_close(struct sip_peer *peer);
/* Octets as they are, to the focus. */
void sip_write(struct sip_peer *peer, const void *octets, size_t len);
/* Waits for a request of this method, or for a response (status 0: a final one) to this method;
 * call_id NULL: any. It is then in peer->message. What else comes meanwhile is kept for later.
 * False: nothing within wait_ms. */
bool sip_await_request(struct sip_peer *peer, const char *method, int wait_ms);
bool sip_await_response(struct sip_peer *peer, const char *method, const char *call_id,
	unsigned status, int wait_ms);
/* True: for wait_ms nothing comes but repetitions, and nothing is kept (provisional responses
 *       aside). */
bool sip_nothing(struct sip_peer *peer, int wait_ms);
/* Receives for wait_ms; everything is kept. */
void sip_listen(struct sip_peer *peer, int wait_ms);
/* A response to a request that the peer received; to_tag NULL: none is added. */
void sip_reply(struct sip_peer *peer, const struct sip_message *request, unsigned status,
	const char *to_tag, const char *headers, const char *type, const char *body);
/* An OPTIONS outside any dialog is answered 200: the focus lives. */
bool sip_focus_lives(struct sip_peer *peer);

/* ---- calls ---- */

struct sip_call {
	struct sip_peer *peer;
	char id[80];
	char local[300], remote[300]; /* From and To of our requests */
	char request_uri[400];        /* of the INVITE, then the peer's Contact */
	char branch[64];              /* of our last request, of an INVITE for its ACK and CANCEL */
	unsigned cseq, invite_cseq;
	char tag[24];              /* ours */
	struct sip_message invite; /* theirs */
	char sent[4096];           /* our last request but ACK and CANCEL; "" where it was longer */
	char identity[200];        /* IM Session Identity, once seen */
	char offer[4096];          /* our last SDP */
	bool keep_quiet;           /* no ACK for a failure */
	bool no_identity;          /* no P-Asserted-Identity */
	struct rig_leg leg;        /* uri: the switch's path; path: ours */
};
/* The SDP of a peer, in call->offer. setup NULL: no such line. Further lines may be "". */
const char *call_sdp(struct sip_call *call, const char *setup, const char *lines);
/* A multipart/mixed of SDP and a list whose entries are the lines "<entry .../>", allocated. */
#define RIG_BOUNDARY  "rig-boundary"
#define RIG_MULTIPART "multipart/mixed;boundary=" RIG_BOUNDARY
char *call_list(const char *sdp, const char *entries);

/* An INVITE with a new Call-ID. headers: lines with CRLF, may be "". type NULL: no body.
 * P-Asserted-Identity is the peer's, unless headers has one or call->no_identity is set. */
void call_invite(struct sip_call *call, struct sip_peer *peer, const char *uri, const char *headers,
	const char *type, const char *body);
/* The same for another method: the request that may make a dialog of its own. */
void call_outside(struct sip_call *call, struct sip_peer *peer, const char *method, const char *uri,
	const char *headers, const char *type, const char *body);
/* An INVITE to the factory with SDP and a list of these peers (struct sip_peer *, ended by
 * NULL). */
void call_factory(struct sip_call *call, struct sip_peer *peer, const char *headers, ...)
	__attribute__((sentinel));
/* The final response to our INVITE; a failure is ACKed. Learns the dialog from a 200. 0: none
 * came. */
unsigned call_final(struct sip_call *call);
unsigned call_learn(struct sip_call *call); /* the same, of the one taken last */
void call_ack(struct sip_call *call);
void call_cancel(struct sip_call *call);
/* A request within the dialog. The response: sip_await_response. */
void call_request(struct sip_call *call, const char *method, const char *headers, const char *type,
	const char *body);
unsigned call_answer_to(struct sip_call *call, const char *method);
/* BYE, 200. */
void call_bye(struct sip_call *call);
/* The other side's BYE; answered 200. It is in peer->message. */
bool call_byed(struct sip_call *call, int wait_ms);

/* An INVITE of the focus for this peer. */
void call_incoming(struct sip_call *call, struct sip_peer *peer);
void call_ring(struct sip_call *call);
void call_accept(struct sip_call *call, const char *headers, const char *sdp);
/* Its ACK is taken. */
void call_reject(struct sip_call *call, unsigned status, const char *headers);
void call_acked(struct sip_call *call);
void call_free(struct sip_call *call);

/* MSRP of the call: connects and binds; says text to the room under tid. */
void call_bind(struct sip_call *call, struct msrp_peer *msrp);
void call_say(struct sip_call *call, struct msrp_peer *msrp, const char *tid, const char *headers,
	const char *text);

/* ---- parties: the ordinary story ---- */

struct sip_party {
	struct sip_peer peer;
	struct sip_call call;
	struct msrp_peer msrp;
};
/* The first invites the others, who accept one after the other; all ACKs exchanged; with_msrp: all
 * bound. */
void party_meet(struct sip_rig *rig, struct sip_party *parties, unsigned count, const char *headers,
	bool with_msrp);
void party_close(struct sip_party *parties, unsigned count);
#endif
