/* SPDX-License-Identifier: BSD-3-Clause */
/* conference_info: the body of a conference NOTIFY (RFC 4575, RFC 6501 nickname, OMA's yourown),
 * written.
 *
 * Spec:     context.md 4.3; order of elements and meaning of state: RFC 4575 4 and 5.
 * Threads:  pure. Memory: conference_info_text gives the text to the caller (free).
 * Shape:    the elements of users are written once, one behind the other, and stay while documents
 *           are made of them: each has a head of its own, the users from some place on, and one of
 *           them marked as the reader's. So what thousands of subscribers are told costs each of
 *           them a copy, whoever they are and up to whichever change they were told before.
 * Safety:   every value is escaped; characters that XML 1.0 cannot carry are left out, and octets
 *           that are not UTF-8 become U+FFFD.
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
	/* RFC 4575 4.6: an element without state is full and replaces what the subscriber has, so
	 * <users> says partial in every partial document, and in a full one that names only
	 * some. */
	bool users_partial;
	uint32_t version;
	bool description; /* conference-description is there: in full documents, or when changed */
	const char *subject, *display_text; /* "" or NULL: absent */
	uint32_t maximum_users;             /* 0: absent */
	uint32_t user_count;
	bool active;
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
	const char *display_text; /* "" or NULL: absent */
	const char *nickname;     /* "" or NULL: absent */
	const struct conference_info_endpoint *endpoints;
	unsigned endpoint_count;
};

#define CONFERENCE_INFO_NOBODY SIZE_MAX

struct conference_info;
must_check int conference_info_new(struct conference_info **out);
void conference_info_free(struct conference_info *info);  /* NULL is allowed */
void conference_info_clear(struct conference_info *info); /* no user, and no error */

/* Writes one more user; its place. Want of memory is kept and told by conference_info_text. */
size_t conference_info_user(struct conference_info *info, const struct conference_info_user *user);
/* The place behind the last user. */
size_t conference_info_end(const struct conference_info *info);

/* A document with the users from a place on (conference_info_end: with none). own: the place of the
 * reader's own element, which gets yourown="true"; one before `from`, or CONFERENCE_INFO_NOBODY: it
 * is not among them. *text is malloc'd and ends with a zero. -ENOBUFS. */
must_check int conference_info_text(const struct conference_info *info,
	const struct conference_info_head *head, size_t from, size_t own, char **text, size_t *len);
#endif
