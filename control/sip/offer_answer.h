/* SPDX-License-Identifier: BSD-3-Clause */
/* offer_answer: SDP for MSRP, read and written.
 *
 * Spec:    RFC 3264, RFC 4566, RFC 4975 8, RFC 6135 (setup), RFC 6714 (CEMA), RFC 7701 8;
 *          readings: context.md 5.
 * Threads: pure. Memory: a struct sdp_media owns its text (sdp_media_fini). */
#ifndef CONTROL_SIP_OFFER_ANSWER_H
#define CONTROL_SIP_OFFER_ANSWER_H
#include <stdbool.h>
#include "dataplane/msrp/target.h"
#include "include/result.h"
#include "include/span.h"

#define SDP_PATH_MAX 4096 /* octets of a=path; beyond it 488 (design 3) */

enum sdp_setup {
	SDP_SETUP_ABSENT,
	SDP_SETUP_ACTIVE,
	SDP_SETUP_PASSIVE,
	SDP_SETUP_ACTPASS,
	SDP_SETUP_HOLDCONN
};
enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };

/* What one side said about its MSRP session. */
struct sdp_media {
	char *path; /* a=path, URIs separated by one space */
	/* Types separated by one space, without parameters; "*" alone when it is among them. */
	char *accept_types;
	char *wrapped_types; /* accept-wrapped-types; "*" when absent */
	char *fingerprint;   /* "" when absent */
	/* HOST:PORT of c= and m=; "" where they name no place: no IP address, or port 9, which whoever
	 * connects itself writes. */
	char *connect;
	unsigned family;   /* of its c= line: 4, 6; 0: absent */
	uint64_t max_size; /* 0: absent */
	enum sdp_setup setup;
	enum sdp_direction direction;
	bool secure; /* TCP/TLS/MSRP */
	bool cema;
	bool chatroom, chatroom_nickname, chatroom_private;
	unsigned media_index; /* which m= line was taken, from 0 */
	unsigned media_count;
	/* media_count texts "message TCP/MSRP *" etc., to repeat the refused ones with port 0 */
	char **media_lines;
};

/* Reads a body and takes the first acceptable MSRP m= line: m=message, port not 0, TCP/MSRP (or
 * TCP/TLS/MSRP when tls), a=path whose URIs all parse, within SDP_PATH_MAX, the first one msrps
 * just when the line is TLS, and accept-types with message/cpim or '*'. 0; -EBADMSG: not SDP (400);
 * -EPROTO: SDP without such a line (488); -ENOBUFS: no memory (500). *why (may be NULL) is a static
 * sentence for the Warning. Only on 0 is there something to fini. */
must_check int sdp_media_parse(struct span body, bool tls, struct sdp_media *out, const char **why);
void sdp_media_fini(struct sdp_media *media);

/* What we say. Lines: context.md 5.1 to 5.3 and the examples of 3.10. */
struct sdp_local {
	const char *user;          /* o= */
	uint64_t session, version; /* o=: an unchanged description keeps its version */
	struct span uri;           /* our MSRP URI, host and port of c= and m= come from it */
	enum sdp_setup setup;      /* ABSENT: no line */
	struct span wrapped_types;
	uint64_t max_size; /* 0: no line */
	bool chatroom, chatroom_nickname, chatroom_private;
	bool cema;
	bool secure;
};
/* Returns the text (malloc; the caller frees), NULL without memory. answer_to: the offer, whose
 * other m= lines are repeated with port 0; NULL for an offer of ours. */
char *sdp_write(const struct sdp_local *local, const struct sdp_media *answer_to);
/* The body of a 488: our accept-types, accept-wrapped-types and max-size, port 0. */
char *sdp_write_capabilities(const char *host, struct span wrapped_types, uint64_t max_size);

/* Our answer to the peer's setup (context.md 5.2) and who connects. ABSENT counts as active for an
 * offer. */
enum sdp_setup sdp_setup_answer(enum sdp_setup offered);
bool sdp_setup_we_connect(enum sdp_setup ours, enum sdp_setup theirs, bool we_offered);

/* Where we connect: to the path's first URI (RFC 4975 5.4); to c= and m= where they differ from it
 * and the peer knows CEMA (RFC 6714), as we always do. lenient: also without that, where something on
 * the way has visibly put itself between (context.md 5.3). -EINVAL: only a name is there, and names
 * are not looked up. */
must_check int sdp_media_target(
	const struct sdp_media *media, bool lenient, struct msrp_target *out);
/* Does the peer take user content (RFC 3264 5.1)? */
bool sdp_media_listens(const struct sdp_media *media);

/* accept-wrapped-types: policy and peer intersected; '*' on one side yields the other's list.
 * malloc; "" is possible. */
char *sdp_types_intersect(struct span a, struct span b);
#endif
