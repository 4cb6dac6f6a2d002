/* SPDX-License-Identifier: BSD-3-Clause */
/* byte_range: "start-end/total" with '*' for unknown.  Spec: RFC 4975 7.1.1, 9.  Threads: pure. */
#ifndef DATAPLANE_MSRP_BYTE_RANGE_H
#define DATAPLANE_MSRP_BYTE_RANGE_H
#include "include/result.h"
#include "include/span.h"

#define BYTE_RANGE_UNKNOWN UINT64_MAX /* '*' */

struct byte_range {
	uint64_t start; /* of the first octet, from 1 */
	uint64_t end;   /* of the last, or UNKNOWN; start - 1 when the chunk is empty */
	uint64_t total; /* or UNKNOWN */
};

/* -EBADMSG: syntax, start 0, end < start - 1, end > total, or more than 18 digits. Blanks around
 * are allowed. */
must_check int byte_range_parse(struct span text, struct byte_range *out);

/* Writes "1-*" "/" "5000"; size >= 64. Returns the length. */
size_t byte_range_write(char *out, const struct byte_range *range);
#endif
