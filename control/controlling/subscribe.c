/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.12: Subscribing to Participant information. What is told then, and when it ends (7.2.2.10,
 * 7.2.2.11), is the notifier's; refreshes and unknown event packages are the subscription's. */
#include "control/conference/notifier.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

static void refuse(struct focus *focus, struct ua_transaction *t, unsigned status,
	const char *phrase, const char *warning)
{
	struct header_block extra;

	header_init(&extra);
	if (status == 406) /* RFC 3261 21.4.7 */
		header_add(&extra, "Accept", "%s", CONFERENCE_INFO_TYPE);
	header_add_warning(&extra, focus->config->sip_domain, warning);
	ua_respond(t, status, phrase, &extra, NULL, NULL);
	log_info("subscribe", "refused status=%u reason=\"%s\"", status, warning);
}

static void refuse_user(struct focus *focus, struct ua_transaction *t, const char *warning)
{
	refuse(focus, t, 403, "Forbidden", warning);
}

/* RFC 6665 8.2.1: one of the ranges of Accept takes in what we write; without one, the package's
 * default does. */
static bool takes_our_type(const struct request *request)
{
	struct span rest = request->accept;

	if (span_trim(rest).len == 0)
		return true;
	while (rest.len > 0) {
		struct span range = span_cut(&rest, ',');

		range = span_trim(span_cut(&range, ';'));
		if (span_eq_nocase(range, SPAN_LITERAL(CONFERENCE_INFO_TYPE)) ||
			span_eq_nocase(range, SPAN_LITERAL("application/*")) ||
			span_eq(range, SPAN_LITERAL("*/*")))
			return true;
	}
	return false;
}

/* The conference that the Request-URI names, and as what it does. False: refused. */
static bool find(struct focus *focus, struct ua_transaction *t, const struct request *request,
	struct conference **out, const char **entity)
{
	char canonical[IDENTITY_MAX];
	bool is_group = false;

	*out = NULL;
	if (identity_canonical(request->uri, canonical) == 0) {
		is_group = groups_find(focus->groups, canonical) != NULL;
		*out = conference_find_group(&focus->conferences, canonical);
		*entity = *out != NULL ? (*out)->identity : NULL;
		if (*out == NULL &&
			conference_is_identity(request->uri, focus->config->sip_domain)) {
			*out = conference_find(&focus->conferences, canonical);
			*entity = *out != NULL ? (*out)->uri : NULL;
		}
	}
	if (*out != NULL)
		return true;
	if (!is_group) { /* CF-7.2.1.12-R1, CF-7.2.1.12-R2: 11.2 */
		refuse(focus, t, 404, "Not Found", "Conference URI does not exist");
	} else if (!request->authenticated) { /* CF-7.2.1.12-R3, CF-7.2.1.12-R3a, CF-7.2.1.12-R3b */
		refuse_user(focus, t, "Originator not authenticated");
	} else {
		/* CF-7.2.1.12-R4a: without a session nobody attends it (context.md 3.3). */
		refuse_user(focus, t, "User is not authorised");
	}
	return false;
}

static bool is(const struct user *u, const char *name)
{
	return name[0] != '\0' &&
	       (strcmp(u->canonical, name) == 0 ||
		       (u->canonical_second && strcmp(u->canonical_second, name) == 0));
}

/* Who asks: asserted or, within a dialog and from where identities come, who the dialog is with.
 * NULL: refused. */
static struct user *find_user(struct focus *focus, struct ua_transaction *t,
	const struct request *request, struct conference *c, struct participant *within)
{
	struct user *u = within != NULL ? within->user : NULL;

	/* CF-7.2.1.12-R3, CF-7.2.1.12-R3a, CF-7.2.1.12-R3b */
	if (!request->authenticated && (u == NULL || !request->trusted)) {
		refuse_user(focus, t, "Originator not authenticated");
		return NULL;
	}
	if (u == NULL) {
		u = user_find(c, request->asserted);
		if (u == NULL && request->asserted_second[0] != '\0')
			u = user_find(c, request->asserted_second);
	} else if (request->authenticated && !is(u, request->asserted) &&
		   !is(u, request->asserted_second)) {
		u = NULL;
	}
	/* CF-7.2.1.12-R4, CF-7.2.1.12-R4a, CF-7.2.1.12-R4b: attends it, and is permitted. An alias
	 * is no address that one is asserted by. */
	if (u != NULL && user_is_connected(u) &&
		(c->kind == CONFERENCE_ADHOC ||
			group_allows(c->group, GROUP_CONFERENCE_STATE, u->canonical,
				u->canonical_second, u->alias != NULL)))
		return u;
	refuse_user(focus, t, "User is not authorised");
	return NULL;
}

void subscribe_received(struct focus *focus, struct ua_transaction *t,
	const struct request *request, struct participant *within)
{
	const struct config *config = focus->config;
	struct conference *c = within != NULL ? within->conference : NULL;
	const char *entity = c != NULL ? c->uri : NULL;
	struct user *u;
	int r;

	if (c == NULL && !find(focus, t, request, &c, &entity))
		return;
	u = find_user(focus, t, request, c, within);
	if (u == NULL)
		return;
	/* CF-7.2.1.12-N1 */
	if (notifier_subscribers_of(u) >= config->conference_user_subscriptions ||
		(config->conference_max_subscriptions > 0 &&
			notifier_subscribers(c) >= config->conference_max_subscriptions)) {
		refuse_user(focus, t, "Too many subscriptions");
		return;
	}
	if (!takes_our_type(request)) {
		refuse(focus, t, 406, "Not Acceptable", "Only " CONFERENCE_INFO_TYPE " is sent");
		return;
	}
	/* CF-7.2.1.12-R5, CF-7.2.1.12-R7 */
	r = notifier_accept(u, entity, t, request);
	if (r < 0)
		log_info("subscribe", "not accepted conference=%s result=\"%s\"", c->uri,
			result_text(r));
}
