/* SPDX-License-Identifier: BSD-3-Clause */
/* refer_to: the URI of a Refer-To, or of an entry in a REFER's list, in its parts.
 *
 * Place:   controlling/refer. Spec: RFC 3515 2.1, RFC 5368, RFC 3261 19.1.1.
 * Threads: pure. Memory: a struct refer_to owns its texts from refer_to_parse to refer_to_fini.
 */
#ifndef CONTROL_SIP_REFER_TO_H
#define CONTROL_SIP_REFER_TO_H
#include "control/sip/identity.h"
#include "include/result.h"
#include "include/span.h"

enum refer_to_method {
	REFER_TO_INVITE, /* also when none is said */
	REFER_TO_BYE,
	REFER_TO_OTHER,
};

struct refer_to {
	char *uri;     /* as written, without method and headers */
	char *headers; /* what stands behind '?', still escaped; "" */
	enum refer_to_method method;
	char canonical[IDENTITY_MAX]; /* of uri */
};

/* 0; -EBADMSG: not an IM Address; -ENOBUFS. After an error nothing is left. */
must_check int refer_to_parse(struct span text, struct refer_to *out);
void refer_to_fini(struct refer_to *refer_to);
#endif
