/* SPDX-License-Identifier: BSD-3-Clause */
/* path: lists of MSRP URIs, as in To-Path, From-Path and a=path.  Spec: RFC 4975 7.1, 8.1, 9.
 *
 * Threads: pure.  Memory: spans point into the text given.
 */
#ifndef DATAPLANE_MSRP_PATH_H
#define DATAPLANE_MSRP_PATH_H
#include "dataplane/msrp/uri.h"

#define PATH_URIS_MAX 16 /* context.md 1.1 */

struct msrp_path {
	struct span text;  /* trimmed */
	struct span first; /* leftmost URI: the next hop */
	struct span last;  /* rightmost URI: the target */
	unsigned count;    /* 1..PATH_URIS_MAX */
};

/* URIs separated by single or repeated spaces. Splits only: the URIs themselves are checked by
 * msrp_uri_parse. -EBADMSG: empty, or an octet that no URI has; -ENOBUFS: more than
 * PATH_URIS_MAX. */
must_check int msrp_path_parse(struct span text, struct msrp_path *out);

/* The same result, for who keeps the text only and has trimmed it. */
must_check int msrp_path_check(struct span trimmed);
#endif
