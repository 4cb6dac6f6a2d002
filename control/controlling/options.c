/* SPDX-License-Identifier: BSD-3-Clause */
/* OPTIONS to the factory, a Session Identity or the server itself: what we can do (context.md
 * 3.3). */
#include "control/controlling/procedures.h"

void options_received(struct focus *focus, struct ua_transaction *t, const struct request *request)
{
	struct header_block extra;

	header_init(&extra);
	header_add(&extra, "Allow", "%s", UA_ALLOW);
	header_add(&extra, "Supported", "%s", UA_SUPPORTED);
	header_add(&extra, "Allow-Events", "%s", UA_ALLOW_EVENTS); /* RFC 6665 8.2.2 */
	header_add(&extra, "Accept",
		"application/sdp, application/resource-lists+xml, multipart/mixed");
	header_add(&extra, "Contact", "<%.*s>;%s", SPAN_ARG(request->uri), UA_TAGS);
	ua_respond(t, 200, "OK", &extra, NULL, NULL);
}
