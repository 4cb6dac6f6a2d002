/* SPDX-License-Identifier: BSD-3-Clause */
/* conference_view: what a subscriber of the conference event package knows: documents put together
 * as RFC 4575 4.6 says, read with libxml2 by a reader that shares nothing with their writer.
 *
 * Place:    tests. Threads: one. Memory: conference_view_fini frees what a view holds.
 * Strict:   a document that is not well-formed, of another namespace, out of the order of the
 *           schema, or that names a user twice, is refused with a sentence in `why`.
 */
#ifndef TESTS_SUPPORT_CONFERENCE_VIEW_H
#define TESTS_SUPPORT_CONFERENCE_VIEW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view_endpoint {
	char *entity, *status, *joining, *disconnection; /* "" when absent */
};
struct view_user {
	char *entity, *display_text, *nickname; /* "" when absent */
	bool yourown;
	struct view_endpoint *endpoints;
	unsigned endpoint_count;
};
struct conference_view {
	bool known;       /* a document was taken */
	bool gap_allowed; /* set by the test: the next full document may skip versions */
	char *entity, *subject, *display_text;
	uint32_t version, maximum_users;
	uint32_t user_count;
	bool active;
	struct view_user *users;
	unsigned user_count_known;
	/* of the document taken last */
	bool full;          /* state of conference-info */
	bool users_partial; /* state of <users> */
	bool description;
	unsigned named;     /* user elements in it */
	unsigned own_marks; /* yourown="true" */
	char why[200];
};

/* 0; -EBADMSG: not such a document; -EPROTO: the version is not the next one, or a partial document
 * is the first. Nothing is taken then. */
int conference_view_take(struct conference_view *view, const char *octets, size_t len);
void conference_view_fini(struct conference_view *view);

/* NULL: unknown. */
const struct view_user *conference_view_user(
	const struct conference_view *view, const char *entity);
/* The status of its first endpoint that is not disconnected, else "disconnected"; "" when the user
 * is unknown. */
const char *conference_view_status(const struct conference_view *view, const char *entity);
/* Users with an endpoint of this status. */
unsigned conference_view_with(const struct conference_view *view, const char *status);
#endif
