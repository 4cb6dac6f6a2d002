/* SPDX-License-Identifier: BSD-3-Clause */
/* request: what a procedure sees of a SIP request or response: values, no type of the SIP stack.
 *
 * Memory:  spans and strings point into the message and are borrowed for the callback that hands
 *          it out.
 * Spec:    RFC 3261; RFC 3325 (identity); RFC 4028 (session timer); reading: context.md 3.1.
 */
#ifndef CONTROL_SIP_REQUEST_H
#define CONTROL_SIP_REQUEST_H
#include <stdbool.h>
#include <stdint.h>
#include "control/sip/identity.h"
#include "include/span.h"

#define REQUEST_BODY_MAX 262144 /* octets; more is answered 400 (design 3) */

enum request_method {
	REQUEST_INVITE,
	REQUEST_BYE,
	REQUEST_OPTIONS,
	REQUEST_UPDATE,
	REQUEST_REGISTER,
	REQUEST_SUBSCRIBE,
	REQUEST_REFER,
	REQUEST_OTHER,
};

enum request_refresher { REFRESHER_ABSENT, REFRESHER_UAC, REFRESHER_UAS };
enum request_refer_sub { REFER_SUB_ABSENT, REFER_SUB_TRUE, REFER_SUB_FALSE };

struct request {
	enum request_method method;
	struct span method_name;
	struct span uri; /* Request-URI */

	/* Who sent it, as far as we believe it (context.md 3.1). */
	bool trusted;                       /* the source is within sip.trusted */
	bool authenticated;                 /* asserted holds the originator */
	char asserted[IDENTITY_MAX];        /* canonical */
	struct span asserted_uri;           /* as written */
	char asserted_second[IDENTITY_MAX]; /* a tel: beside the sip: URI names the same user; ""
					       when absent */
	char display_name[257];             /* of P-Asserted-Identity, else of From; cleaned; "" */
	bool privacy;                       /* Privacy has id or user */

	struct span call_id;
	struct span contact; /* its URI; empty when absent */
	bool contact_isfocus;
	struct span allow; /* methods, separated by commas; empty when absent */
	struct span subject, contribution_id;

	bool supports_timer;
	uint32_t session_expires; /* seconds; 0: absent */
	uint32_t min_se;
	enum request_refresher refresher;

	/* SUBSCRIBE (RFC 6665): event is its package, "conference"; empty: no Event header. */
	struct span event, event_id;
	bool has_expires;
	uint32_t expires;
	struct span accept; /* media types, separated by commas; empty: absent */

	/* REFER (RFC 3515, RFC 4488, RFC 5368) */
	struct span refer_to; /* URI with its parameters and headers; empty: absent */
	bool refer_to_repeated;
	enum request_refer_sub refer_sub;
	bool multiple_refer; /* Require has it */

	struct span referred_by; /* URI; empty: absent */
	bool in_dialog;          /* it came within a dialog of ours */

	struct span content_type; /* the whole header value; empty: no body */
	struct span body;
};

struct response {
	unsigned status;
	bool internal; /* made here: nobody answered (408), or there was no way to send (503) */
	struct span contact;
	bool contact_isfocus;
	struct span warning;
	struct span allow;
	uint32_t session_expires, min_se;
	enum request_refresher refresher;
	struct span content_type, body;
};
#endif
