/* SPDX-License-Identifier: BSD-3-Clause */
/* watch: subscriptions to a conference's state: SUBSCRIBE, every NOTIFY answered and its document
 * put to the ones before (conference_view); for one .c each. A NOTIFY is given to the watch whose
 * dialog it came in, whichever is waited for. */
#ifndef TESTS_SCENARIO_FOCUS_WATCH_H
#define TESTS_SCENARIO_FOCUS_WATCH_H
#include "tests/scenario/focus/cast.h"
#include "tests/support/conference_view.h"

#define INFO_TYPE "application/conference-info+xml"

struct watch {
	struct watch *next;
	struct sip_call own;   /* of a subscription in a dialog of its own */
	struct sip_call *call; /* its dialog: own, or that of an INVITE */
	struct conference_view view;
	unsigned notified; /* NOTIFYs */
	unsigned fulls;    /* full documents */
	unsigned cseq;     /* of the last one */
	char state[100];   /* Subscription-State of the last one */
	bool had_body;     /* it had one */
	bool silent;       /* its NOTIFYs are not answered */
	unsigned answer;   /* what they are answered; 0: 200 */
	char body[300000];
};

static struct watch *watches;

static struct watch *watch_of(const struct sip_message *notify)
{
	for (struct watch *w = watches; w != NULL; w = w->next)
		if (strcmp(sip_header(notify, "Call-ID"), w->call->id) == 0)
			return w;
	cr_assert_fail("a NOTIFY of no subscription: %s", notify->text);
	return NULL;
}

static const char *address_part(const char *value)
{
	const char *mark = strchr(value, '<');

	return mark != NULL ? mark : value;
}

/* What the peer took last is a NOTIFY. */
static void watch_take(struct sip_peer *peer)
{
	struct sip_message *m = &peer->message;
	struct watch *w = watch_of(m);
	unsigned cseq = (unsigned)strtoul(sip_header(m, "CSeq"), NULL, 10);

	w->notified++;
	cr_assert_str_eq(sip_header(m, "Event"), "conference");
	cr_assert_gt(cseq, w->cseq, "%u after %u: %s", cseq, w->cseq, m->text);
	w->cseq = cseq;
	/* RFC 3261 12.2.1.1: tags and URIs; a display name need not outlive the focus. */
	cr_assert_str_eq(address_part(sip_header(m, "From")), address_part(w->call->remote));
	cr_assert_str_eq(address_part(sip_header(m, "To")), address_part(w->call->local));
	snprintf(w->state, sizeof(w->state), "%s", sip_header(m, "Subscription-State"));
	w->had_body = m->body_len > 0;
	if (w->had_body) {
		cr_assert_str_eq(sip_header(m, "Content-Type"), INFO_TYPE);
		snprintf(w->body, sizeof(w->body), "%.*s", (int)m->body_len, m->body);
		cr_assert_eq(conference_view_take(&w->view, m->body, m->body_len), 0, "%s in %s",
			w->view.why, w->body);
		cr_assert_leq(w->view.own_marks, 1);
		w->fulls += w->view.full;
	}
	if (!w->silent)
		sip_reply(peer, m, w->answer ? w->answer : 200, NULL, "", NULL, NULL);
}

/* The next NOTIFY of this one. False: none within wait_ms (of each that came meanwhile). */
__attribute__((unused)) static bool watch_next(struct watch *w, int wait_ms)
{
	unsigned before = w->notified;

	while (w->notified == before) {
		if (!sip_await_request(w->call->peer, "NOTIFY", wait_ms))
			return false;
		watch_take(w->call->peer);
	}
	return true;
}

/* NOTIFYs are taken until this user has that status. */
__attribute__((unused)) static void watch_status(
	struct watch *w, const char *entity, const char *status)
{
	while (strcmp(conference_view_status(&w->view, entity), status) != 0)
		cr_assert(
			watch_next(w, RIG_WAIT_MS), "%s is not %s in %s", entity, status, w->body);
}

__attribute__((unused)) static void watch_count(struct watch *w, unsigned users)
{
	while (w->view.user_count != users)
		cr_assert(watch_next(w, RIG_WAIT_MS), "not %u users in %s", users, w->body);
}

__attribute__((unused)) static void watch_ended(struct watch *w, const char *reason)
{
	char expected[60];

	snprintf(expected, sizeof(expected), "terminated;reason=%s", reason);
	while (strncmp(w->state, "terminated", 10) != 0)
		cr_assert(watch_next(w, RIG_WAIT_MS), "no last NOTIFY");
	cr_assert_str_eq(w->state, expected);
}

/* How the one endpoint of a user ended. */
__attribute__((unused)) static const char *watch_method(const struct watch *w, const char *entity)
{
	const struct view_user *user = conference_view_user(&w->view, entity);

	return user != NULL && user->endpoint_count == 1 ? user->endpoints[0].disconnection : "?";
}

/* SUBSCRIBE outside a dialog; the status of its final answer, which is in peer->message. */
__attribute__((unused)) static unsigned watch_ask(
	struct watch *w, struct sip_peer *peer, const char *uri, const char *headers)
{
	static const char event[] = "Event: conference\r\n";
	struct sip_call *c = &w->own;
	struct sip_message *m = &peer->message;
	const char *contact;
	char all[2048];

	w->call = c;
	snprintf(all, sizeof(all), "%s%s", strstr(headers, "Event:") ? "" : event, headers);
	call_outside(c, peer, "SUBSCRIBE", uri, all, NULL, NULL);
	if (!sip_await_response(peer, "SUBSCRIBE", c->id, 0, RIG_WAIT_MS))
		return 0;
	if (m->status / 100 != 2)
		return m->status;
	snprintf(c->remote, sizeof(c->remote), "%s", sip_header(m, "To"));
	contact = sip_header(m, "Contact");
	cr_assert(contact[0] == '<' && strchr(contact, '>') != NULL, "%s", contact);
	snprintf(c->request_uri, sizeof(c->request_uri), "%.*s",
		(int)(strchr(contact, '>') - contact - 1), contact + 1);
	w->next = watches;
	watches = w;
	return m->status;
}

/* SUBSCRIBE within the dialog of an INVITE. */
__attribute__((unused)) static unsigned watch_within(
	struct watch *w, struct sip_call *within, const char *headers)
{
	char all[2048];

	w->call = within;
	snprintf(all, sizeof(all), "Event: conference\r\n%s", headers);
	call_request(within, "SUBSCRIBE", all, NULL, NULL);
	if (!sip_await_response(within->peer, "SUBSCRIBE", within->id, 0, RIG_WAIT_MS))
		return 0;
	if (within->peer->message.status / 100 == 2) {
		w->next = watches;
		watches = w;
	}
	return within->peer->message.status;
}

/* A SUBSCRIBE to what is there. */
__attribute__((unused)) static unsigned watch_again(struct watch *w, const char *headers)
{
	char all[2048];

	snprintf(all, sizeof(all), "Event: conference\r\n%s", headers);
	call_request(w->call, "SUBSCRIBE", all, NULL, NULL);
	if (!sip_await_response(w->call->peer, "SUBSCRIBE", w->call->id, 0, RIG_WAIT_MS))
		return 0;
	return w->call->peer->message.status;
}

/* Accepted, and its first NOTIFY taken. */
__attribute__((unused)) static void watch_begin(
	struct watch *w, struct sip_peer *peer, const char *uri)
{
	cr_assert_eq(watch_ask(w, peer, uri, ""), 200, "%s", peer->message.text);
	cr_assert(watch_next(w, RIG_WAIT_MS));
	cr_assert(w->view.full);
}
#endif
