/* SPDX-License-Identifier: BSD-3-Clause */
/* uri: MSRP URIs.  Spec: RFC 4975 6 (form), 6.1 (comparison), 9 (syntax).
 *
 * Threads: pure.  Memory: spans point into the text given.
 */
#ifndef DATAPLANE_MSRP_URI_H
#define DATAPLANE_MSRP_URI_H
#include <stdbool.h>
#include "include/result.h"
#include "include/span.h"

struct msrp_uri {
	struct span text;     /* the whole URI */
	struct span userinfo; /* without '@'; empty when absent */
	struct span host;     /* without brackets */
	struct span
		session_id; /* empty when absent; has_session_id tells "/" with nothing from no "/" */
	struct span transport; /* "tcp" */
	uint16_t port;         /* 0 when absent */
	bool secure;           /* msrps */
	bool host_is_ipv6;
	bool has_session_id;
};

/* The whole text must be one URI. -EBADMSG otherwise. Never reads beyond the span. */
must_check int msrp_uri_parse(struct span text, struct msrp_uri *out);

/* RFC 4975 6.1; context.md 1.2 says how IP literals, percent-encoding and a missing port
 * compare. */
bool msrp_uri_eq(const struct msrp_uri *a, const struct msrp_uri *b);
#endif
