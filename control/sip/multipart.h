/* SPDX-License-Identifier: BSD-3-Clause */
/* multipart: MIME multipart/mixed bodies of SIP requests, read and written.  Spec: RFC 2046 5.1,
 * RFC 5621.
 *
 * Threads: pure. Memory: parts point into the body given. */
#ifndef CONTROL_SIP_MULTIPART_H
#define CONTROL_SIP_MULTIPART_H
#include "include/result.h"
#include "include/span.h"

#define MULTIPART_PARTS_MAX 8

struct multipart_part {
	struct span type;        /* "application/sdp", without parameters */
	struct span disposition; /* "recipient-list"; empty: absent */
	struct span content_id;  /* without < and > */
	struct span body;
};

/* content_type is the header value with its boundary. -EBADMSG: malformed, no boundary, too many
 * parts, nested multipart. Returns the number of parts. A content type that is not multipart gives
 * one part: the body itself. */
must_check int multipart_parse(struct span content_type, struct span body,
	struct multipart_part parts[MULTIPART_PARTS_MAX]);

/* Writes a multipart/mixed body (malloc; caller frees) and its Content-Type value into type (size
 * >= 128). The boundary is chosen so that it is in no part. NULL without memory. */
char *multipart_write(
	const struct multipart_part *parts, unsigned count, char type[128], size_t *len);
#endif
