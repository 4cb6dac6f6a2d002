/* SPDX-License-Identifier: BSD-3-Clause */
/* chunk_in: turns the octets of one MSRP connection into chunks.
 *
 * Place:    tcp/tls -> chunk_in -> msrp_session; one per connection, fed in order.
 * Spec:     RFC 4975 7.1 (framing, end-line), 9 (syntax); RFC 7701 (NICKNAME); limits of context.md
 *           1.1.
 * Threads:  only the lcore that owns the connection. Pure: no clock, no allocation, no global.
 * Memory:   spans in *out point into the fed octets, until the next call; nothing is copied but the
 *           transaction id.
 * Not here: session lookup, joining chunks into messages, answering, the meaning of a Byte-Range.
 *
 * The end-line is always searched for, vectorised and resumable; a Byte-Range never skips octets,
 * so a lying range cannot hide the next request. Octets that may still turn out to be the start of
 * an end-line are not given out as body until it is decided: the caller feeds them again, together
 * with what came after them.
 */
#ifndef DATAPLANE_MSRP_CHUNK_IN_H
#define DATAPLANE_MSRP_CHUNK_IN_H
#include "dataplane/msrp/byte_range.h"
#include "include/span.h"

#define CHUNK_START_LINE_MAX 512u  /* without its CRLF */
#define CHUNK_HEADER_MAX     8192u /* one header line without its CRLF */
#define CHUNK_HEAD_MAX                                                                             \
	16384u /* start line and headers, with what ends them (blank line, or first octet of the
				     * end-line): a caller's buffer of this size always suffices */
#define CHUNK_HEADERS_MAX    64u
#define CHUNK_TID_MAX        32u    /* RFC 4975 9: ident has 4..32 octets */
#define NICKNAME_OCTETS_MAX  1023u  /* RFC 7701 7 */
#define CHUNK_OTHER_BODY_MAX 10240u /* body of a request that is not SEND (RFC 4975 7.1) */

enum chunk_event {
	CHUNK_MORE, /* needs more octets; those beyond *used stay with the caller and are fed again in front */
	CHUNK_HEAD, /* start line and headers are in *out */
	CHUNK_BODY, /* a piece of body, as it arrived, is in out->body (never empty) */
	CHUNK_END,  /* end-line seen; its continuation flag is in out->flag */
	CHUNK_BAD   /* the stream cannot be framed any more: chunk_in_error says why; sticky */
};

enum chunk_method { METHOD_RESPONSE, METHOD_SEND, METHOD_REPORT, METHOD_NICKNAME, METHOD_OTHER };

enum failure_report { FAILURE_REPORT_YES, FAILURE_REPORT_NO, FAILURE_REPORT_PARTIAL };

/* Valid from CHUNK_HEAD until the next call: what the message needs later has to be kept by the
 * caller. */
struct chunk {
	enum chunk_method method;
	uint16_t status; /* METHOD_RESPONSE: 3 digits; else 0 */
	uint16_t
		refuse; /* 0, or framed but malformed: the status to answer (400; 424 for a bad Use-Nickname);
				    * a response or REPORT with it is ignored, as neither is ever answered */
	const char *refuse_why;  /* static text for the comment and the log */
	struct span tid;         /* valid until CHUNK_END has been taken */
	struct span method_text; /* as written */
	struct span
		to_path; /* whole header values, trimmed; always both present in a chunk without `refuse` */
	struct span from_path;
	struct span message_id;   /* empty: absent */
	struct span content_type; /* empty: absent */
	struct span nickname;     /* Use-Nickname, quotes removed and escapes still in place */
	bool has_nickname;
	bool has_body; /* Content-Type and blank line seen: RFC 4975: an empty body differs from none.
				    * A blank line without Content-Type sets refuse; what follows is framed as a body */
	bool has_range;
	struct byte_range range; /* only with has_range */
	bool success_report;     /* Success-Report: yes */
	bool include_sent_count; /* with the parameter Include-Sent-Count (context.md 2.6) */
	bool has_success_report, has_failure_report;
	enum failure_report failure_report; /* YES when absent */
	uint16_t report_namespace;          /* Status of a REPORT: "000 200" -> 0, 200 */
	uint16_t report_status;             /* 0: no Status header */
	bool has_distribution_count;
	uint32_t distribution_count;

	struct span body; /* CHUNK_BODY */
	char flag;        /* CHUNK_END: '$', '+' or '#' */
};

enum chunk_error {
	CHUNK_OK,
	CHUNK_ERR_START_LINE, /* not "MSRP SP ident SP ..." or too long */
	CHUNK_ERR_HEADER_LONG,
	CHUNK_ERR_HEAD_LONG,
	CHUNK_ERR_HEADERS_MANY,
	CHUNK_ERR_HEADER,    /* no colon, a bare CR or a control octet */
	CHUNK_ERR_BODY,      /* a body where none may be, or one that is too long */
	CHUNK_ERR_END_LINE,  /* neither header, blank line nor end-line */
	CHUNK_ERR_PATH_LONG, /* more than PATH_URIS_MAX URIs in a path */
	CHUNK_ERROR_COUNT
};

struct chunk_in {
	uint8_t state;
	uint8_t error; /* enum chunk_error */
	uint8_t tid_len;
	uint8_t method;
	uint32_t
		scanned; /* octets of the unused part that were already searched: feeding byte by byte stays linear */
	uint64_t body_seen; /* body octets given out in this chunk */
	uint16_t line;      /* in a head: where the line begins that is not whole yet */
	uint8_t headers;    /* in a head: header lines before that line */
	char tid[CHUNK_TID_MAX];
};
_Static_assert(sizeof(struct chunk_in) <= 64, "one per connection");

void chunk_in_init(struct chunk_in *in);

/* Next event in `bytes`; *used says how many octets are done with. However a stream is split, the
 * events carry the same content (body pieces joined). CHUNK_MORE never asks for more than
 * CHUNK_HEAD_MAX octets at once. */
enum chunk_event chunk_in_feed(
	struct chunk_in *in, struct span bytes, size_t *used, struct chunk *out);

const char *chunk_in_error(
	const struct chunk_in *in); /* a sentence with the state; "" when there is none */
#endif
