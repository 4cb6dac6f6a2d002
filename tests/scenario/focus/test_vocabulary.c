/* SPDX-License-Identifier: BSD-3-Clause */
/* The vocabulary of refusals (context.md 3.2): each is provoked, and its status, the text of its
 * Warning and what else it must carry compared exactly: clients look for these words. A new refusal
 * of the focus is a new row. What an invited one answers, and so the inviter gets:
 * test_7_2_1_2_adhoc.
 */
#include <signal.h>
#include "tests/scenario/focus/group_cast.h"

#define SDP_HEAD "v=0\r\no=d 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
#define SDP_OK                                                                                     \
	SDP_HEAD "m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/d;tcp\r\n"                   \
		 "a=accept-types:message/cpim\r\n"
#define SDP_TEXT                                                                                   \
	SDP_HEAD "m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/d;tcp\r\n"                   \
		 "a=accept-types:text/plain\r\n"
#define XML(entries)                                                                               \
	"<?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">"  \
	"<list>" entries "</list></resource-lists>"
#define WITH_LIST(entries)                                                                         \
	"--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_OK                                      \
	"\r\n--b\r\nContent-Type: application/resource-lists+xml\r\n\r\n" XML(                     \
		entries) "\r\n--b--\r\n"
#define TYPE_SDP   "application/sdp"
#define TYPE_MIXED "multipart/mixed;boundary=b"
#define TYPE_LIST  "application/resource-lists+xml"
#define ENTRIES_3                                                                                  \
	"<entry uri=\"sip:x1@127.0.0.1:9\"/><entry uri=\"sip:x2@127.0.0.1:9\"/>"                   \
	"<entry uri=\"sip:x3@127.0.0.1:9\"/>"

#define HERE  "@session" /* the Session Identity of a conference of alice and bob */
#define QUIET "sip:quiet@groups.example.org"
#define GONE  "sip:im-aaaaaaaaaaaaaaaaaaaaaaaaaa@example.com"

#define SEVERAL                                                                                    \
	"Refer-To: <cid:l1@example.com>\r\nRequire: multiple-refer\r\nContent-ID: "                \
	"<l1@example.com>\r\n"
#define ONE_MORE "Refer-To: <sip:erin@127.0.0.1:9>\r\n"

/* who: a alice, who is in; d dave, whom nobody knows; c carol, a member of the team; b bob, who is
 * in. */
static const struct refusal {
	const char *method;
	char who;
	const char *uri, *headers, *type, *body;
	unsigned status;
	const char *warning;      /* "": there is none */
	const char *header, *has; /* and this header with that; NULL: none asked */
} refusals[] = {
	/* 11.1, 11.2 */
	{ "INVITE", 'd', "sip:other-factory@example.com", "", TYPE_SDP, SDP_OK, 404,
		"Conference URI does not exist" },
	{ "INVITE", 'd', "sip:other@groups.example.org", "", TYPE_SDP, SDP_OK, 404,
		"Conference URI does not exist" },
	{ "SUBSCRIBE", 'd', GONE, "Event: conference\r\n", NULL, NULL, 404,
		"Conference URI does not exist" },
	{ "SUBSCRIBE", 'd', "sip:other@groups.example.org", "Event: conference\r\n", NULL, NULL,
		404, "Conference URI does not exist" },
	{ "REFER", 'd', "sip:other@groups.example.org", ONE_MORE, NULL, NULL, 404,
		"Conference URI does not exist" },
	/* a session that is gone */
	{ "INVITE", 'd', GONE, "", TYPE_SDP, SDP_OK, 403, "Session does not exist" },
	{ "REFER", 'd', GONE, ONE_MORE, NULL, NULL, 403, "Session does not exist" },
	/* who asks is not known */
	{ "INVITE", '-', SIP_FACTORY, "", TYPE_MIXED,
		WITH_LIST("<entry uri=\"sip:x@127.0.0.1:9\"/>"), 403,
		"Originator not authenticated" },
	{ "INVITE", '-', TEAM, "", TYPE_SDP, SDP_OK, 403, "Originator not authenticated" },
	{ "INVITE", '-', HERE, "", TYPE_SDP, SDP_OK, 403, "Originator not authenticated" },
	{ "SUBSCRIBE", '-', HERE, "Event: conference\r\n", NULL, NULL, 403,
		"Originator not authenticated" },
	{ "REFER", '-', HERE, ONE_MORE, NULL, NULL, 403, "Originator not authenticated" },
	/* not authorised */
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_SDP, SDP_OK, 403, "User is not authorised" },
	{ "INVITE", 'd', TEAM, "", TYPE_SDP, SDP_OK, 403, "User is not authorised" },
	{ "INVITE", 'd', QUIET, "", TYPE_SDP, SDP_OK, 403, "User is not authorised" },
	{ "INVITE", 'd', HERE, "", TYPE_SDP, SDP_OK, 403, "User is not authorised" },
	{ "SUBSCRIBE", 'd', HERE, "Event: conference\r\n", NULL, NULL, 403,
		"User is not authorised" },
	{ "SUBSCRIBE", 'c', QUIET, "Event: conference\r\n", NULL, NULL, 403,
		"User is not authorised" },
	{ "REFER", 'd', HERE, ONE_MORE, NULL, NULL, 403, "User is not authorised" },
	/* isfocus */
	{ "INVITE", 'c', TEAM, "Contact: <sip:c@127.0.0.1:9>;isfocus\r\n", TYPE_SDP, SDP_OK, 403,
		"isfocus already assigned" },
	/* too many: spelt as the clauses do */
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_MIXED, WITH_LIST(ENTRIES_3), 486,
		"too many participants" },
	{ "INVITE", 'c', TEAM, "", TYPE_SDP, SDP_OK, 486, "Too many participants" },
	{ "REFER", 'a', HERE, SEVERAL, TYPE_LIST, XML(ENTRIES_3), 486, "Too many participants" },
	/* anonymity */
	{ "INVITE", 'd', SIP_FACTORY, "Privacy: id\r\n", TYPE_MIXED,
		WITH_LIST("<entry uri=\"sip:x@127.0.0.1:9\"/>"), 403, "Anonymity not allowed" },
	{ "INVITE", 'b', HERE, "Privacy: id\r\n", TYPE_SDP, SDP_OK, 403, "Anonymity not allowed" },
	{ "INVITE", 'b', TEAM, "Privacy: user\r\n", TYPE_SDP, SDP_OK, 403,
		"Anonymity not allowed" },
	/* SDP */
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_SDP, SDP_HEAD "m=audio 9 RTP/AVP 0\r\n", 488,
		"no MSRP media offered", "Content-Type", TYPE_SDP },
	{ "INVITE", 'b', HERE, "", TYPE_SDP, SDP_TEXT, 488, "a=accept-types lacks message/cpim",
		"Content-Type", TYPE_SDP },
	{ "INVITE", 'b', TEAM, "", TYPE_SDP, SDP_TEXT, 488, "a=accept-types lacks message/cpim",
		"Content-Type", TYPE_SDP },
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_SDP, "hello\r\n", 400,
		"the body is not a session description" },
	/* bodies */
	{ "INVITE", 'd', SIP_FACTORY, "", "text/plain", "hello", 415, "", "Accept",
		"application/sdp, application/resource-lists+xml, multipart/mixed" },
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_MIXED, "no boundary", 400,
		"The multipart body is malformed" },
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_MIXED, WITH_LIST(""), 400,
		"The resource list invites nobody" },
	{ "INVITE", 'd', SIP_FACTORY, "", TYPE_MIXED, WITH_LIST("<entry uri=\"mailto:a@b\"/>"), 400,
		"The resource list has an entry that is not an IM Address" },
	{ "REFER", 'a', HERE, SEVERAL, TYPE_LIST, XML(""), 400, "The resource list names nobody" },
	{ "REFER", 'a', HERE, "", NULL, NULL, 400, "Exactly one Refer-To is needed" },
	{ "REFER", 'a', HERE, "Refer-To: <cid:nothing@example.com>\r\nRequire: multiple-refer\r\n",
		NULL, NULL, 400, "Refer-To names no part of the body" },
	/* methods, extensions, events */
	{ "MESSAGE", 'd', SIP_FACTORY, "", NULL, NULL, 405, "", "Allow", "INVITE, ACK, CANCEL" },
	{ "INVITE", 'd', SIP_FACTORY, "Require: nonsense\r\n", TYPE_SDP, SDP_OK, 420, "",
		"Unsupported", "nonsense" },
	{ "SUBSCRIBE", 'a', HERE, "Event: presence\r\n", NULL, NULL, 489, "", "Allow-Events",
		"conference" },
	{ "SUBSCRIBE", 'a', HERE, "Event: refer\r\n", NULL, NULL, 403,
		"A subscription to refer is made by REFER only" },
	/* session timer */
	{ "INVITE", 'b', HERE, "Supported: timer\r\nSession-Expires: 30\r\n", TYPE_SDP, SDP_OK, 422,
		"", "Min-SE", "90" },
};

static struct sip_peer dave;
static struct sip_call teams[2];
static char bobs_address[100];

static void provoke(const struct refusal *r, unsigned n)
{
	struct sip_peer *peer = r->who == 'a'   ? &alice
				: r->who == 'b' ? &bob
				: r->who == 'c' ? &carol
						: &dave;
	struct sip_call asks = { .peer = peer, .no_identity = r->who == '-' };
	const struct sip_message *answer = &peer->message;
	char headers[1024], warning[300] = "";

	/* Bob was invited by the address that reaches him; the team knows him by another. */
	snprintf(headers, sizeof(headers), "%s%s%s%s", r->headers,
		r->who == 'b' && strcmp(r->uri, HERE) == 0 ? "P-Asserted-Identity: <" : "",
		r->who == 'b' && strcmp(r->uri, HERE) == 0 ? bobs_address : "",
		r->who == 'b' && strcmp(r->uri, HERE) == 0 ? ">\r\n" : "");
	call_outside(&asks, peer, r->method, strcmp(r->uri, HERE) == 0 ? call.identity : r->uri,
		headers, r->type, r->body);
	if (strcmp(r->method, "INVITE") == 0)
		call_final(&asks);
	else
		call_answer_to(&asks, r->method);
	cr_expect_eq(answer->status, r->status, "row %u, %s %s: %u", n, r->method, r->uri,
		answer->status);
	if (r->warning[0] != '\0')
		snprintf(warning, sizeof(warning), "399 example.com \"%s\"", r->warning);
	cr_expect_str_eq(sip_header(answer, "Warning"), warning, "row %u, %s %s %u: %s", n,
		r->method, r->uri, answer->status, sip_header(answer, "Warning"));
	if (r->status == 488) {
		HAS(answer->body, "a=accept-types:message/cpim\r\n");
		cr_expect_str_eq(sip_header_nth(answer, "Warning", 1),
			strstr(r->warning, "media offered")
				? "304 example.com \"Media type not available\""
				: "305 example.com \"Incompatible media format\"");
	}
	if (r->header != NULL)
		cr_expect_not_null(strstr(sip_header(answer, r->header), r->has),
			"row %u, %s %s: %s: %s", n, r->method, r->uri, r->header,
			sip_header(answer, r->header));
}

Test(vocabulary, every_refusal_has_its_status_and_words)
{
	const struct rig_options options = {
		.conference = "  max_adhoc_size: 3\n  allow_anonymity: false\n",
	};

	/* Two may be in the team, and they are. */
	open_group(&options, GROUP(MEMBERS MAXIMUM("2") MEMBERS_MAY));
	group_put("quiet.xml",
		"<group xmlns=\"urn:oma:xml:poc:list-service\"><list-service uri=\"" QUIET
		"\"/></group>\n");
	log_await("group document in force", ++documents_in_force);
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	enter(&teams[0], &alice);
	enter(&teams[1], &bob);
	snprintf(bobs_address, sizeof(bobs_address), "sip:bob@127.0.0.1:%u", bob.port);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		provoke(&refusals[i], i);
	cr_assert(sip_focus_lives(&dave));
	/* All as before: nobody came, nobody went. */
	cr_assert(sip_nothing(&alice, 200));
	cr_assert(sip_nothing(&bob, 10));
	/* A focus that stops takes nothing new, and says when to ask again (3.2: draining). */
	kill(rig.focus.pid, SIGTERM);
	cr_assert(sip_await_request(&alice, "BYE", RIG_WAIT_MS));
	{
		const struct refusal draining = { "INVITE", 'd', SIP_FACTORY, "", TYPE_MIXED,
			WITH_LIST("<entry uri=\"sip:x@127.0.0.1:9\"/>"), 503, "", "Retry-After",
			"5" };

		provoke(&draining, 1000);
	}
	sip_peer_close(&dave);
	sip_peer_close(&alice);
	sip_peer_close(&bob);
	sip_peer_close(&carol);
	kill(rig.focus.pid, SIGKILL); /* its BYEs are not answered */
	rig_daemon_ended(&rig.focus, RIG_WAIT_MS);
	rig.focus.pid = 0;
}
