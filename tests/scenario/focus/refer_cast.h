/* SPDX-License-Identifier: BSD-3-Clause */
/* refer_cast: REFERs and what comes of them, for the tests of 7.2.1.7 and 7.2.1.8; for one .c
 * each. */
#ifndef TESTS_SCENARIO_FOCUS_REFER_CAST_H
#define TESTS_SCENARIO_FOCUS_REFER_CAST_H
#include "tests/scenario/focus/group_cast.h"

#define EQ(actual, expected) cr_assert_str_eq(actual, expected)
#define LIST_TYPE            "application/resource-lists+xml"
#define WARNING(text)        "399 example.com \"" text "\""
#define DAVE                 "sip:dave@example.com"
#define ERIN                 "sip:erin@example.com"

static struct sip_party party[5];
static struct sip_peer dave, erin;
static struct sip_call daves, erins;
static struct sip_call outside; /* a dialog that a REFER of its own makes */

/* The URI that reaches a peer, in a static buffer of its own; for two at once. */
__attribute__((unused)) static const char *at(const struct sip_peer *peer)
{
	static char text[4][100];
	static unsigned next;
	char *out = text[next++ % 4];

	snprintf(out, sizeof(text[0]), "sip:%s@%s:%u", peer->name, peer->host, peer->port);
	return out;
}

/* REFER within the call; the status of the answer, which is in the peer's message. */
__attribute__((unused)) static unsigned refer_with(
	struct sip_call *who, const char *headers, const char *type, const char *body)
{
	char all[2048];

	snprintf(all, sizeof(all), "Contact: <%s>\r\n%s", at(who->peer), headers);
	call_request(who, "REFER", all, type, body);
	return call_answer_to(who, "REFER");
}

__attribute__((unused)) static unsigned refer(
	struct sip_call *who, const char *refer_to, const char *headers)
{
	char all[1536];

	snprintf(all, sizeof(all), "Refer-To: <%s>\r\n%s", refer_to, headers);
	return refer_with(who, all, NULL, NULL);
}

/* REFER for several: entries are "<entry .../>". */
__attribute__((unused)) static unsigned refer_list(
	struct sip_call *who, const char *entries, const char *headers)
{
	char all[1024], *body;
	unsigned status;

	cr_assert_gt(asprintf(&body,
			     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
			     "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" "
			     "xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>%s</list>"
			     "</resource-lists>",
			     entries),
		0);
	snprintf(all, sizeof(all),
		"Refer-To: <cid:l1@example.com>\r\nRequire: multiple-refer, norefersub\r\n"
		"Content-Disposition: recipient-list\r\nContent-ID: <l1@example.com>\r\n%s",
		headers);
	status = refer_with(who, all, LIST_TYPE, body);
	free(body);
	return status;
}

/* REFER outside a dialog, asserted as this URI (NULL: not); the answer's To joins `outside`. */
__attribute__((unused)) static unsigned refer_outside(struct sip_peer *peer, const char *uri,
	const char *asserted, const char *refer_to, const char *headers)
{
	char all[1024];

	outside = (struct sip_call){ .no_identity = true };
	snprintf(all, sizeof(all), "%s%s%sContact: <%s>\r\nRefer-To: <%s>\r\n%s",
		asserted ? "P-Asserted-Identity: <" : "", asserted ? asserted : "",
		asserted ? ">\r\n" : "", at(peer), refer_to, headers);
	call_outside(&outside, peer, "REFER", uri, all, NULL, NULL);
	call_answer_to(&outside, "REFER");
	snprintf(outside.remote, sizeof(outside.remote), "%s", sip_header(&peer->message, "To"));
	return peer->message.status;
}

/* The next NOTIFY: its state and its sipfrag; answered 200. */
__attribute__((unused)) static void told(struct sip_peer *peer, const char *state, const char *body)
{
	cr_assert(sip_await_request(peer, "NOTIFY", RIG_WAIT_MS), "no NOTIFY with %s", body);
	HAS(sip_header(&peer->message, "Event"), "refer");
	EQ(sip_header(&peer->message, "Content-Type"), "message/sipfrag;version=2.0");
	cr_assert_eq(
		strncmp(sip_header(&peer->message, "Subscription-State"), state, strlen(state)), 0,
		"%s, not %s", sip_header(&peer->message, "Subscription-State"), state);
	cr_assert_eq(peer->message.body_len, strlen(body), "%.*s, not %s",
		(int)peer->message.body_len, peer->message.body, body);
	cr_assert_arr_eq(peer->message.body, body, strlen(body));
	sip_reply(peer, &peer->message, 200, NULL, "", NULL, NULL);
}

#define TRYING "SIP/2.0 100 Trying\r\n"
#define DONE   "SIP/2.0 200 OK\r\n"
#define LAST   "terminated;reason=noresource"

/* One more NOTIFY whose subscription goes on, or that ends it. */
__attribute__((unused)) static void told_trying(struct sip_peer *peer)
{
	told(peer, "active;expires=", TRYING);
}

__attribute__((unused)) static void told_last(struct sip_peer *peer, const char *body)
{
	told(peer, LAST, body);
}

/* Alice and the next ones meet; dave and erin stand by. */
__attribute__((unused)) static void meet(
	unsigned count, bool with_msrp, const struct rig_options *options)
{
	sip_rig_start(&rig, options);
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	sip_peer_open(&erin, &rig, "erin", SIP_TRUSTED, false);
	party_meet(&rig, party, count, "", with_msrp);
}

__attribute__((unused)) static void part(unsigned count)
{
	call_free(&daves);
	call_free(&erins);
	sip_peer_close(&dave);
	sip_peer_close(&erin);
	party_close(party, count);
	sip_rig_stop(&rig);
}

/* A group whose document is this; dave and erin are registered. */
__attribute__((unused)) static void group_open(const char *text)
{
	open_group(NULL, text);
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	sip_peer_open(&erin, &rig, "erin", SIP_TRUSTED, false);
	is_registered(&dave);
	is_registered(&erin);
}

__attribute__((unused)) static void group_close(void)
{
	call_free(&daves);
	call_free(&erins);
	sip_peer_close(&dave);
	sip_peer_close(&erin);
	close_all();
}
#endif
