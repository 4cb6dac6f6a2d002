/* SPDX-License-Identifier: BSD-3-Clause */
/* conference_info: the body of a conference NOTIFY (RFC 4575, RFC 6501 nickname, OMA's yourown),
 * written.
 *
 * Spec:     context.md 4.3.
 * Threads:  pure. Memory: conference_info_finish gives the text to the caller (free).
 * Safety:   every value is escaped; control characters that XML 1.0 cannot carry are left out.
 */
#ifndef CONTROL_XML_CONFERENCE_INFO_H
#define CONTROL_XML_CONFERENCE_INFO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/result.h"

#define CONFERENCE_INFO_TYPE "application/conference-info+xml"

/* RFC 4575 5.8: of an endpoint */
#define ENDPOINT_STATUSES(X)                                                                       \
	X(CONNECTED, "connected")                                                                  \
	X(DISCONNECTED, "disconnected")                                                            \
	X(PENDING, "pending")                                                                      \
	X(ALERTING, "alerting")                                                                    \
	X(DIALING_IN, "dialing-in")                                                                \
	X(DIALING_OUT, "dialing-out")                                                              \
	X(DISCONNECTING, "disconnecting")
#define ENDPOINT_JOININGS(X)                                                                       \
	X(NONE, "")                                                                                \
	X(DIALED_IN, "dialed-in")                                                                  \
	X(DIALED_OUT, "dialed-out")                                                                \
	X(FOCUS_OWNER, "focus-owner")
#define ENDPOINT_DISCONNECTIONS(X)                                                                 \
	X(NONE, "")                                                                                \
	X(DEPARTED, "departed")                                                                    \
	X(BOOTED, "booted")                                                                        \
	X(FAILED, "failed")                                                                        \
	X(BUSY, "busy")

#define X(name, text) ENDPOINT_##name,
enum endpoint_status { ENDPOINT_STATUSES(X) };
#undef X
#define X(name, text) ENDPOINT_JOINED_##name,
enum endpoint_joining { ENDPOINT_JOININGS(X) };
#undef X
#define X(name, text) ENDPOINT_LEFT_##name,
enum endpoint_disconnection { ENDPOINT_DISCONNECTIONS(X) };
#undef X

struct conference_info_head {
	const char *entity; /* Session Identity or Group Identity that was subscribed to */
	bool partial;
	uint32_t version;
	const char *subject, *display_text; /* "" or NULL: absent */
	uint32_t maximum_users;             /* 0: absent */
	uint32_t user_count;
	bool active;
	bool description; /* conference-description is there: in full documents, or when changed */
};

struct conference_info_endpoint {
	const char *entity; /* sip:ep-<n>@domain, never the Contact */
	enum endpoint_status status;
	enum endpoint_joining joining;
	enum endpoint_disconnection disconnection;
};

struct conference_info_user {
	const char *entity;       /* IM Address or alias */
	bool partial;             /* state="partial": the endpoints given are changes */
	bool yourown;             /* the subscriber's own element */
	const char *display_text; /* "" or NULL: absent */
	const char *nickname;     /* "" or NULL: absent */
	const struct conference_info_endpoint *endpoints;
	unsigned endpoint_count;
};

struct conference_info;
must_check int conference_info_begin(
	struct conference_info **out, const struct conference_info_head *head);
/* Errors are kept and told by finish. */
void conference_info_user(struct conference_info *info, const struct conference_info_user *user);
/* Closes and frees; *text is malloc'd. -ENOBUFS. */
must_check int conference_info_finish(struct conference_info *info, char **text, size_t *len);
#endif
