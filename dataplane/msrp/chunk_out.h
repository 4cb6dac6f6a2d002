/* SPDX-License-Identifier: BSD-3-Clause */
/* chunk_out: writes start lines, headers and end-lines. The body is never here: it is sent from
 * where it lies.
 *
 * Spec:    RFC 4975 7.1, 7.2, 7.3, 9; order of headers: context.md 1.1.
 * Threads: pure. Memory: writes into the caller's buffer; returns the length, or 0 when it would
 *          not fit.
 */
#ifndef DATAPLANE_MSRP_CHUNK_OUT_H
#define DATAPLANE_MSRP_CHUNK_OUT_H
#include "dataplane/msrp/byte_range.h"
#include "dataplane/msrp/chunk_in.h"
#include "include/span.h"

/* 16 octets beyond the paths' lengths and this always suffice for a head without foreign
 * headers. */
#define CHUNK_OUT_HEAD_EXTRA 512

struct chunk_out_send {
	struct span tid;
	struct span to_path; /* the peer's a=path, or the reverse of it as RFC 4975 says */
	struct span from_path;
	struct span message_id;
	bool success_report;                /* "Success-Report: yes" is written */
	bool include_sent_count;            /* ";Include-Sent-Count" after it */
	enum failure_report failure_report; /* YES: the header is left out */
	struct byte_range range;
	struct span
		content_type; /* empty: no body; then the end-line must follow the head without CRLF */
};
size_t chunk_out_send(char *out, size_t size, const struct chunk_out_send *send);

/* The same in parts, as a message goes to many and a peer gets many messages. A SEND's head is
 * CHUNK_OUT_START, the transaction id, then what is one peer's, then what is one message's.
 * *to_copy and *from_copy get the places of the two paths in `out`. */
#define CHUNK_OUT_START "MSRP "

#define CHUNK_OUT_PATHS_EXTRA 40u /* octets beside the two paths */
size_t chunk_out_paths(char *out, size_t size, struct span to_path, struct span from_path,
	struct span *to_copy, struct span *from_copy);
size_t chunk_out_rest(char *out, size_t size, const struct chunk_out_send *send);

struct chunk_out_report {
	struct span tid, to_path, from_path, message_id;
	struct byte_range range;
	uint16_t status;
	bool has_count;
	uint32_t count;                 /* Distribution-Count */
	struct span cpim_from, cpim_to; /* URIs; not empty: in a message/cpim body (RFC 7701 6.2) */
};
/* A whole REPORT, end-line included. */
size_t chunk_out_report(char *out, size_t size, const struct chunk_out_report *report);

/* A whole response, end-line included. RFC 4975 7.2: to_path is the leftmost From-Path URI for
 * SEND, all of it otherwise; the caller chooses. comment "" leaves it out. */
size_t chunk_out_response(char *out, size_t size, struct span tid, unsigned status,
	const char *comment, struct span to_path, struct span from_path);

/* A whole NICKNAME request; name is quoted and escaped here. */
size_t chunk_out_nickname(char *out, size_t size, struct span tid, struct span to_path,
	struct span from_path, struct span name);

/* "\r\n-------tid$\r\n"; without_crlf: a head without a body is followed directly. */
size_t chunk_out_end(char *out, size_t size, struct span tid, char flag, bool without_crlf);

/* Do seven dashes stand somewhere in the octets? Only then may they hold the mark of a transaction
 * id. */
bool chunk_out_has_dashes(const uint8_t *octets, size_t len);

const char *msrp_status_comment(unsigned status); /* from status.def; "" when unknown */
#endif
