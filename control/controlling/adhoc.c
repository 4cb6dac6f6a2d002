/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.2: Ad-hoc IM Group setup. A list of one is a session of two (CF-7.2.1.2-N1), which differs
 * by policy alone. Where several refusals apply, the first step that fails decides
 * (context.md 3.3). */
#include <stdlib.h>
#include "control/controlling/intake.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

#define HISTORY_MAX 16384 /* octets of a recipient-list-history part (RFC 5366: SHOULD) */

/* Reads offer and list. False: the INVITE has been refused. */
static bool adhoc_read(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct intake *in)
{
	if (!intake_is_welcome(focus, dialog, request))
		return false;
	if (!join_may_hide(focus, NULL, request)) { /* 7.2.2.3 */
		intake_refuse(focus, dialog, 403, "Forbidden", "Anonymity not allowed");
		return false;
	}
	if (!intake_parts(focus, dialog, request, in) ||
		!intake_offer(focus, dialog, in)) /* CF-7.2.1.2-R6 */
		return false;
	if (!in->has_list_text) {
		if (focus->config->conference_allow_empty_factory)
			return true;
		intake_refuse(focus, dialog, 403, "Forbidden", "User is not authorised");
		return false;
	}
	if (!intake_list(focus, dialog, request, in))
		return false;
	if (in->list.count == 0) {
		intake_refuse(
			focus, dialog, 400, "Bad Request", "The resource list invites nobody");
		return false;
	}
	for (unsigned i = 0; request->privacy && i < in->list.count; i++) {
		if (invite_replaces(span_of(in->list.entries[i].headers))) {
			intake_refuse(focus, dialog, 403, "Forbidden", "Anonymity not allowed");
			return false;
		}
	}
	/* CF-7.2.1.2-R7, CF-7.2.1.2-R7a */
	if (policy_adhoc_too_many(
		    in->list.count, (unsigned)focus->config->conference_max_adhoc_size)) {
		intake_refuse(focus, dialog, 486, "Busy Here", "too many participants");
		return false;
	}
	return true;
}

static int invitees_new(struct conference *c, const struct request *request,
	const struct intake *in, struct inviter *inviter)
{
	for (unsigned i = 0; in->has_list && i < in->list.count; i++) {
		const struct resource_entry *entry = &in->list.entries[i];
		struct participant *p;
		char canonical[IDENTITY_MAX], name[257];
		int r = identity_canonical(span_of(entry->uri), canonical);

		if (r < 0)
			return r;
		display_name_clean(span_of(entry->display_name), name);
		r = invite_add(&p, c, inviter, canonical, span_of(entry->uri), name,
			span_of(entry->headers));
		if (r < 0)
			return r;
		p->from_setup = true;
		c->invited++;
		if (entry->anonymize && (r = user_alias(p->user)) < 0)
			return r;
	}
	if (in->has_list)
		c->history = resource_list_history(&in->list);
	/* It goes into every invitation: its cost grows with the square of the list. */
	if (c->history != NULL && strlen(c->history) > HISTORY_MAX) {
		log_info("adhoc", "recipient list too long to be shown to all conference=%s",
			c->uri);
		free(c->history);
		c->history = NULL;
	}
	return 0;
}

void adhoc_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	const char *factory)
{
	struct intake in = { 0 };

	/* CF-7.2.1.2-R5 */
	if (adhoc_read(focus, dialog, request, &in))
		intake_set_up(
			focus, dialog, request, &in, CONFERENCE_ADHOC, factory, NULL, invitees_new);
	intake_fini(&in);
}
