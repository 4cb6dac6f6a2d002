/* SPDX-License-Identifier: BSD-3-Clause */
/* intake: what an initial INVITE brings, read and checked once, and the session that it becomes:
 * what 7.2.1.2 to 7.2.1.5 have in common.
 *
 * Place:    adhoc, group, join, rejoin -> intake -> conference.
 * Threads:  the focus's one thread.
 * Memory:   a struct intake is zeroed by its owner and given back by intake_fini; spans in it point
 *           into the request.
 * Results:  a check that says false has refused the INVITE and freed its dialog. The caller orders
 *           the checks as its clause does: the first step that fails decides (context.md 3.3).
 */
#ifndef CONTROL_CONTROLLING_INTAKE_H
#define CONTROL_CONTROLLING_INTAKE_H
#include "control/focus.h"

#define INTAKE_ACCEPT "application/sdp, application/resource-lists+xml, multipart/mixed"

struct intake {
	struct span sdp, list_text; /* parts of the body */
	bool has_sdp, has_list_text;
	struct sdp_media offer;
	bool has_offer;
	struct resource_list list; /* without the inviter and duplicates */
	bool has_list;
};

void intake_fini(struct intake *in);

/* Who asks is known (else 403), and new sessions can be had (else 503). */
bool intake_is_welcome(struct focus *focus, struct dialog *dialog, const struct request *request);
/* Finds the parts of the body: 400 when it is malformed, 415 for one of another type. */
bool intake_parts(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in);
/* The offer: 400, or 488 with what we can do. None is none: then our 200 has one
 * (in->has_offer). */
bool intake_offer(struct focus *focus, struct dialog *dialog, struct intake *in);
/* The URI list, if there is one: 400 with where and why. in->has_list says whether there is. */
bool intake_list(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in);

/* Refuses an initial INVITE with a Warning (NULL: none) and frees the dialog. */
void intake_refuse(struct focus *focus, struct dialog *dialog, unsigned status, const char *phrase,
	const char *warning);
/* The Warnings of a 488 (context.md 3.2): 399 with the reason, and 304 or 305. why may be NULL. */
void intake_sdp_warnings(struct focus *focus, struct header_block *extra, const char *why);
/* Refuses for a result: 422 for the -EPROTO of intake_enter, else 503; frees the dialog, which is
 * the session's when it has been entered (NULL: not). */
void intake_fail(
	struct focus *focus, struct dialog *dialog, struct participant *entered, int result);

/* The session: finds or makes the user, takes dialog, offer, Allow, display name, privacy
 * (7.2.3.2), session timer. Afterwards the dialog is the session's. On failure nothing is left of
 * it, but for the dialog, and a user who may be remembered. -EPROTO: the session interval is too
 * small; -ENOBUFS. */
must_check int intake_enter(struct participant **out, struct conference *conference,
	struct dialog *dialog, const struct request *request, struct intake *in);

/* 7.2.1.2, 7.2.1.3: a new conference for an INVITE that was found in order: who asks is its
 * initiator and waits for an answer when `invite` asked others in; the room is opened. On failure
 * the INVITE is refused and nothing of the conference is left. The dialog is taken. */
void intake_set_up(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in, enum conference_kind kind, const char *identity, struct group *group,
	int (*invite)(struct conference *conference, const struct request *request,
		const struct intake *in, struct inviter *inviter));
#endif
