/* SPDX-License-Identifier: BSD-3-Clause */
/* cpim: the header blocks of a message/cpim body. Spec: RFC 3862; RFC 7701 6; readings in
 * context.md 2.1.
 *
 * Threads: pure.  Memory: spans point into the octets given.
 */
#ifndef DATAPLANE_MSRP_CPIM_H
#define DATAPLANE_MSRP_CPIM_H
#include "include/result.h"
#include "include/span.h"

#define CPIM_HEAD_MAX 4096u /* both header blocks together; context.md 2.2 */

struct cpim {
	struct span from_line; /* the whole From line with its line end: what an alias replaces */
	struct span from;      /* URI between < and > */
	struct span to;        /* the first To URI */
	unsigned to_count;     /* To headers */
	unsigned cc_count;
	struct span
		content_type; /* of the wrapped content, type/subtype without parameters; when it is absent text/plain (RFC 2045 5.2) */
	size_t head_len;      /* octets up to and including the blank line after the MIME headers */
};

/* Parses the start of a body. 0: *out is filled; -EAGAIN: the blank line that ends the MIME headers
 * is not in yet (fewer than CPIM_HEAD_MAX octets); -EBADMSG: malformed or over the limit (answer
 * 400). Bare LF and any case of header names are tolerated. A missing From leaves from.at NULL, a
 * missing To leaves to_count 0; several To headers and any Cc are counted.
 *
 * Malformed is also: From twice; two addresses in one From or To; an address without <>; a folded
 * line in the CPIM block (the MIME block may fold); Content-Type twice or without a subtype; a
 * control octet but HTAB; and an NS header that gives the core namespace a prefix, or takes it from
 * the names without one (RFC 3862 3.4): then what is checked could be another From or To than what
 * a recipient shows. `resume` is where the search goes on (0 at first), so that feeding
 * in small pieces stays linear. */
must_check int cpim_parse(struct span bytes, size_t *resume, struct cpim *out);

/* Is `type` (type/subtype) in the list separated by spaces, where "*" and "type/" followed by "*"
 * match? Without case. */
bool media_type_in(struct span type, struct span list);
#endif
