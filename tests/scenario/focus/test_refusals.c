/* SPDX-License-Identifier: BSD-3-Clause */
/* What bad requests get (context.md 3.2, 3.3), and that nothing of them stays. */
#include "tests/scenario/focus/cast.h"

#define SDP_OK                                                                                     \
	"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"                \
	"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/a;tcp\r\na=accept-types:message/cpim\r\n"

static const struct rig_options with_empty = { .conference = ALONE };

/* A list part as it stands, behind a good SDP. */
static unsigned list_asked(const char *xml)
{
	char body[8192];

	snprintf(body, sizeof(body),
		"--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_OK
		"\r\n--b\r\nContent-Type: application/resource-lists+xml\r\n\r\n%s\r\n--b--\r\n",
		xml);
	return asked(SIP_FACTORY, "", "multipart/mixed;boundary=b", body);
}

#define LISTS(content)                                                                             \
	"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>" content           \
	"</list></resource-lists>"

Test(refusals, malformed_xml_gets_400_and_the_line)
{
	static const char *const bad[] = {
		"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>",
		"",
		"not xml",
		"<other xmlns=\"urn:ietf:params:xml:ns:resource-lists\"/>",
		"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" LISTS(
			"<entry uri=\"sip:b@127.0.0.1:9\"/>"),
		LISTS("<entry/>"),
	};

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(list_asked(bad[i]), 400, "%u: %s", alice.message.status, bad[i]);
		HAS(sip_header(&alice.message, "Warning"), "399 example.com \"");
	}
	/* It says where. */
	cr_assert_eq(list_asked("<?xml version=\"1.0\"?>\n\n<broken>"), 400);
	HAS(sip_header(&alice.message, "Warning"), "line 3");
	cr_assert(sip_focus_lives(&alice));
	close_all();
}

Test(refusals, an_entry_that_is_no_im_address_gets_400)
{
	open_all(NULL);
	cr_assert_eq(list_asked(LISTS("<entry uri=\"mailto:a@b\"/>")), 400);
	HAS(sip_header(&alice.message, "Warning"), "not an IM Address");
	close_all();
}

Test(refusals, a_list_that_invites_nobody_gets_400)
{
	open_all(NULL);
	cr_assert_eq(list_asked(LISTS("")), 400);
	HAS(sip_header(&alice.message, "Warning"), "399 example.com \"");
	/* Also when only the inviter stands in it. */
	cr_assert_eq(list_asked(LISTS("<entry uri=\"sip:alice@example.com\"/>")), 400);
	close_all();
}

Test(refusals, no_list_gets_403_unless_allowed)
{
	open_all(NULL);
	cr_assert_eq(asked(SIP_FACTORY, "", "application/sdp", SDP_OK), 403);
	HAS(sip_header(&alice.message, "Warning"), "399 example.com \"User is not authorised\"");
	close_all();
}

Test(refusals, an_empty_factory_where_it_is_allowed)
{
	open_all(&with_empty);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	/* A room that never had a second member stays (design 3). */
	cr_assert(sip_nothing(&alice, 500));
	call_bye(&call);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	close_all();
}

Test(refusals, malformed_multipart_gets_400)
{
	static const struct {
		const char *type, *body;
	} bad[] = {
		{ "multipart/mixed", "--b\r\n\r\nx\r\n--b--\r\n" },
		{ "multipart/mixed;boundary=b", "no boundary at all" },
		{ "multipart/mixed;boundary=b",
			"--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_OK },
		{ "multipart/mixed;boundary=b", "--b" },
		{ "multipart/mixed;boundary=\"\"", "--\r\n\r\nx\r\n----\r\n" },
	};

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(asked(SIP_FACTORY, "", bad[i].type, bad[i].body), 400, "%u: %s",
			alice.message.status, bad[i].body);
		HAS(sip_header(&alice.message, "Warning"), "multipart");
	}
	close_all();
}

Test(refusals, malformed_sdp_gets_400)
{
	static const char *const bad[] = {
		"hello\r\n",
		"v=1\r\n",
		"m=message 9 TCP/MSRP *\r\nv=0\r\n",
		"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nno line of sdp\r\n",
	};

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(asked(SIP_FACTORY, "", "application/sdp", bad[i]), 400, "%u: %s",
			alice.message.status, bad[i]);
		HAS(sip_header(&alice.message, "Warning"), "399 example.com \"");
	}
	close_all();
}

Test(refusals, another_type_gets_415_and_accept)
{
	open_all(NULL);
	cr_assert_eq(asked(SIP_FACTORY, "", "text/plain", "hello"), 415);
	HAS(sip_header(&alice.message, "Accept"), "application/sdp");
	HAS(sip_header(&alice.message, "Accept"), "application/resource-lists+xml");
	HAS(sip_header(&alice.message, "Accept"), "multipart/mixed");
	close_all();
}

Test(refusals, a_body_over_256_kib_gets_400)
{
	char *body = malloc(270001);

	memset(body, 'a', 270000);
	body[270000] = '\0';
	sip_rig_start(&rig, NULL);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true); /* UDP does not carry it */
	call.peer = &alice;
	cr_assert_eq(asked(SIP_FACTORY, "", "application/sdp", body), 400);
	HAS(sip_header(&alice.message, "Warning"), "too large");
	cr_assert(sip_focus_lives(&alice));
	free(body);
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

/* 5,000 to be invited by one request: refused before anything is made, also when half of them are
 * the same. */
Test(refusals, a_list_of_5000_gets_486_and_nobody_is_invited)
{
	char *entries = malloc(400000), *body;
	size_t len;

	sip_rig_start(&rig, NULL);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true); /* UDP does not carry it */
	sip_peer_open(&bob, &rig, "bob", SIP_TRUSTED, false);
	call.peer = &alice;
	for (unsigned distinct = 5000; distinct > 2000; distinct -= 2500) {
		len = 0;
		for (unsigned i = 0; i < 5000; i++)
			len += (size_t)sprintf(entries + len,
				"<entry uri=\"sip:%u@127.0.0.1:%u\"/>\n", i % distinct, bob.port);
		body = call_list(call_sdp(&call, "actpass", ""), entries);
		cr_assert_lt(strlen(body), 262144);
		cr_assert_eq(asked(SIP_FACTORY, "", RIG_MULTIPART, body), 486);
		cr_assert_str_eq(sip_header(&alice.message, "Warning"),
			"399 example.com \"too many participants\"");
		cr_assert(sip_nothing(&bob, 200), "invited all the same");
		free(body);
	}
	cr_assert_not(rig_log_has(&rig.focus, "conference made", 0));
	cr_assert(sip_focus_lives(&alice));
	free(entries);
	sip_peer_close(&alice);
	sip_peer_close(&bob);
	sip_rig_stop(&rig);
}

/* Half a megabyte in one list, and a list that is deeper than any needs to be. */
Test(refusals, a_list_that_is_too_large_or_too_deep_gets_400)
{
	char *xml = malloc(530000), *body;
	size_t len;

	sip_rig_start(&rig, NULL);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true);
	call.peer = &alice;
	for (len = 0; len < 262144;)
		len += (size_t)sprintf(xml + len, "<entry uri=\"sip:%zu@127.0.0.1:9\"/>", len);
	body = call_list(call_sdp(&call, "actpass", ""), xml);
	cr_assert_eq(asked(SIP_FACTORY, "", RIG_MULTIPART, body), 400);
	HAS(sip_header(&alice.message, "Warning"), "399 example.com \"");
	free(body);
	for (unsigned depth = 30; depth < 5000; depth *= 12) {
		len = 0;
		for (unsigned i = 0; i < depth; i++)
			len += (size_t)sprintf(xml + len, "<list>");
		len += (size_t)sprintf(xml + len, "<entry uri=\"sip:x@127.0.0.1:9\"/>");
		for (unsigned i = 0; i < depth; i++)
			len += (size_t)sprintf(xml + len, "</list>");
		body = call_list(call_sdp(&call, "actpass", ""), xml);
		/* The list that all stands in and its root are two more. */
		cr_assert_eq(asked(SIP_FACTORY, "", RIG_MULTIPART, body), 400, "%u", depth);
		HAS(sip_header(&alice.message, "Warning"), "line 2");
		free(body);
	}
	cr_assert(sip_focus_lives(&alice));
	free(xml);
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

Test(refusals, an_extension_that_is_not_understood_gets_420)
{
	open_all(&with_empty);
	cr_assert_eq(asked(SIP_FACTORY, "Require: timer, nonsense, 100rel\r\n", "application/sdp",
			     SDP_OK),
		420);
	{
		char both[200];

		snprintf(both, sizeof(both), "%s %s", sip_header(&alice.message, "Unsupported"),
			sip_header_nth(&alice.message, "Unsupported", 1));
		HAS(both, "nonsense");
		HAS(both, "100rel");
		LACKS(both, "timer");
	}
	/* context.md 3.3: this one must be understood. */
	cr_assert_eq(alone(&call, &alice, "Require: recipient-list-invite\r\n"), 200);
	call_ack(&call);
	call_bye(&call);
	close_all();
}

static unsigned outside(const char *method, const char *uri, const char *headers)
{
	snprintf(call.id, sizeof(call.id), "outside-%s", method);
	snprintf(call.local, sizeof(call.local), "<sip:alice@example.com>;tag=1");
	snprintf(call.remote, sizeof(call.remote), "<%s>", uri);
	snprintf(call.request_uri, sizeof(call.request_uri), "%s", uri);
	call_request(&call, method, headers, NULL, NULL);
	return call_answer_to(&call, method);
}

Test(refusals, other_methods_get_405_and_allow)
{
	static const char *const methods[] = { "MESSAGE", "PUBLISH", "INFO", "NOTIFY", "FOOBAR" };

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		cr_assert_eq(outside(methods[i], SIP_FACTORY, "Event: conference\r\n"), 405,
			"%s: %u", methods[i], alice.message.status);
		HAS(sip_header(&alice.message, "Allow"),
			"INVITE, ACK, CANCEL, BYE, OPTIONS, SUBSCRIBE, REFER, UPDATE");
	}
	close_all();
}

Test(refusals, an_event_package_that_is_not_ours_gets_489_and_those_that_are)
{
	static const char *const events[] = { "Event: presence\r\n", "Event: conference.winfo\r\n",
		"" };

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		cr_assert_eq(outside("SUBSCRIBE", SIP_FACTORY, events[i]), 489, "%s: %u", events[i],
			alice.message.status);
		cr_assert_str_eq(sip_header(&alice.message, "Allow-Events"), "conference, refer");
	}
	/* RFC 3515 2.4.4: refer is subscribed to by REFER. */
	cr_assert_eq(outside("SUBSCRIBE", SIP_FACTORY, "Event: refer\r\n"), 403);
	close_all();
}

Test(refusals, an_option_is_understood_where_it_makes_sense)
{
	static const struct {
		const char *method, *option;
	} strange[] = {
		{ "OPTIONS", "foo" },
		{ "SUBSCRIBE", "multiple-refer" },
		{ "SUBSCRIBE", "norefersub" },
		{ "REFER", "recipient-list-invite" },
		{ "REFER", "timer" },
	};
	char headers[128];

	open_all(NULL);
	for (unsigned i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		snprintf(headers, sizeof(headers), "Event: conference\r\nRequire: %s\r\n",
			strange[i].option);
		cr_assert_eq(outside(strange[i].method, SIP_FACTORY, headers), 420, "%s %s: %u",
			strange[i].method, strange[i].option, alice.message.status);
		cr_assert_str_eq(sip_header(&alice.message, "Unsupported"), strange[i].option);
	}
	cr_assert_eq(outside("OPTIONS", SIP_FACTORY,
			     "Require: timer, recipient-list-invite, norefersub\r\n"),
		200);
	close_all();
}

Test(refusals, options_says_what_is_served)
{
	open_all(NULL);
	cr_assert_eq(outside("OPTIONS", SIP_FACTORY, ""), 200);
	HAS(sip_header(&alice.message, "Allow"), "INVITE");
	HAS(sip_header(&alice.message, "Accept"), "application/sdp");
	HAS(sip_header(&alice.message, "Accept"), "application/resource-lists+xml");
	HAS(sip_header(&alice.message, "Contact"), "isfocus");
	HAS(sip_header(&alice.message, "Supported"), "recipient-list-invite");
	cr_assert_str_eq(sip_header(&alice.message, "Allow-Events"), "conference, refer");
	close_all();
}

Test(refusals, an_invite_without_contact_gets_400)
{
	open_all(&with_empty);
	cr_assert_eq(asked(SIP_FACTORY, "Contact: *\r\n", "application/sdp", SDP_OK), 400);
	close_all();
}

Test(refusals, a_session_that_is_gone_gets_403_or_as_configured)
{
	const struct rig_options rcs = { .conference = "  gone_status: 404\n" };
	const char *gone = "sip:im-aaaaaaaaaaaaaaaaaaaaaaaaaa@example.com";

	open_all(NULL);
	cr_assert_eq(asked(gone, "", "application/sdp", SDP_OK), 403);
	HAS(sip_header(&alice.message, "Warning"), "Session does not exist");
	close_all();
	open_all(&rcs);
	cr_assert_eq(asked(gone, "", "application/sdp", SDP_OK), 404);
	HAS(sip_header(&alice.message, "Warning"), "Session does not exist");
	close_all();
}

/* ---- octets that are not what they should be ---- */

#define HEAD                                                                                       \
	"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKnasty\r\nMax-Forwards: 70\r\n"                 \
	"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: nasty\r\nCSeq: 1 INVITE\r\n"
#define CONTACT "Contact: <sip:a@127.0.0.1:9>\r\n"

static const char *const nasty[] = {
	"",
	"\r\n\r\n",
	"\r\n",
	"A",
	"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
	"INVITE\r\n\r\n",
	"INVITE " SIP_FACTORY "\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/3.0\r\n" HEAD "\r\n",
	"INVITE :::: SIP/2.0\r\n" HEAD CONTACT "Content-Length: 0\r\n\r\n",
	"INVITE sip: SIP/2.0\r\n" HEAD CONTACT "Content-Length: 0\r\n\r\n",
	"INVITE sip:@ SIP/2.0\r\n" HEAD CONTACT "Content-Length: 0\r\n\r\n",
	"INVITE sip:[::1 SIP/2.0\r\n" HEAD CONTACT "Content-Length: 0\r\n\r\n",
	"INVITE sip:%ff%00@example.com SIP/2.0\r\n" HEAD CONTACT "Content-Length: 0\r\n\r\n",
	"INVITE tel:;;;; SIP/2.0\r\n" HEAD CONTACT "Content-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "Content-Length: 99999\r\n\r\nshort",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "Content-Length: -1\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "Content-Length: 4294967296\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "Content-Length: x\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD "Contact: <<<>>>\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD
	"Contact: <sip:a@b>, <sip:c@d>, *\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD "Contact: *\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD
	"Contact: <http://a/>\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT
	"P-Asserted-Identity: <\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT
	"P-Asserted-Identity: \"open <sip:a@b>\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "P-Asserted-Identity: <sip:a@b>\r\n"
	"Session-Expires: 99999999999999999999;refresher=\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "P-Asserted-Identity: <sip:a@b>\r\n"
	"Session-Expires: -5\r\nMin-SE: -1\r\nSupported: timer\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "P-Asserted-Identity: <sip:a@b>\r\n"
	"Content-Type: ;;;=\r\nContent-Length: 1\r\n\r\nx",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "P-Asserted-Identity: <sip:a@b>\r\n"
	"Content-Type: multipart/mixed;boundary\r\nContent-Length: 1\r\n\r\nx",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT
	"Require: \r\nRequire: ,,,\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT
	"Record-Route: <>\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY
	" SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\n"
	"Call-ID: n1\r\nCSeq: 99999999999 INVITE\r\nContent-Length: 0\r\n\r\n",
	"INVITE " SIP_FACTORY
	" SIP/2.0\r\nVia: nonsense\r\nFrom: x\r\nTo: y\r\nCall-ID: \r\nCSeq: z\r\n\r\n",
	"INVITE " SIP_FACTORY
	" SIP/2.0\r\nVia: SIP/2.0/UDP [::1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
	"Call-ID: n2\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
	"ACK " SIP_FACTORY
	" SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n"
	"To: <sip:a@b>;tag=2\r\nCall-ID: n3\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
	"CANCEL " SIP_FACTORY
	" SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKc\r\nFrom: <sip:a@b>;tag=1\r\n"
	"To: <sip:a@b>\r\nCall-ID: n4\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
	"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKr\r\nFrom: <sip:a@b>;tag=1\r\n"
	"To: <\r\nCall-ID: n5\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@b>;expires=x;q=9\r\n\r\n",
	"SIP/2.0 200 OK\r\n\r\n",
	"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKs\r\nFrom: <sip:a@b>;tag=1\r\n"
	"To: <sip:a@b>;tag=2\r\nCall-ID: n6\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:9>\r\n\r\n",
	"SIP/2.0 999 Odd\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKo\r\nFrom: <sip:a@b>\r\n"
	"To: <sip:a@b>\r\nCall-ID: n7\r\nCSeq: 1 OPTIONS\r\n\r\n",
	"SIP/2.0 99999999999 Far\r\n\r\n",
	"\x80\x81\x82\xff\xfe\x00",
};

/* A long header, many headers, a deep list of anything. */
static void nasty_long(struct sip_peer *peer)
{
	char *text = malloc(70000);
	size_t len = 0;

	len += (size_t)sprintf(text, "INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT "Subject: ");
	memset(text + len, 's', 50000);
	len += 50000;
	len += (size_t)sprintf(text + len, "\r\nContent-Length: 0\r\n\r\n");
	sip_write(peer, text, len);
	len = (size_t)sprintf(text, "INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT);
	for (unsigned i = 0; i < 3000; i++)
		len += (size_t)sprintf(text + len, "Route: <sip:%u>\r\n", i);
	len += (size_t)sprintf(text + len, "Content-Length: 0\r\n\r\n");
	sip_write(peer, text, len);
	free(text);
}

static void throw_everything(bool tcp)
{
	struct sip_peer thrower, judge;

	sip_rig_start(&rig, &with_empty);
	sip_peer_open(&judge, &rig, "judge", SIP_TRUSTED, false);
	for (unsigned i = 0; i < sizeof(nasty) / sizeof(nasty[0]) + 1; i++) {
		sip_peer_open(&thrower, &rig, "thrower", SIP_TRUSTED, tcp);
		if (i < sizeof(nasty) / sizeof(nasty[0]))
			sip_write(&thrower, nasty[i], strlen(nasty[i]));
		else if (!tcp)
			nasty_long(&thrower);
		cr_assert(sip_focus_lives(&judge), "not after %s",
			i < sizeof(nasty) / sizeof(nasty[0]) ? nasty[i] : "long ones");
		sip_peer_close(&thrower);
	}
	/* And it still serves. */
	cr_assert_eq(alone(&call, &judge, ""), 200);
	call_ack(&call);
	call_bye(&call);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	sip_peer_close(&judge);
	sip_rig_stop(&rig);
}

Test(refusals, malformed_sip_over_udp_does_no_harm)
{
	throw_everything(false);
}

Test(refusals, malformed_sip_over_tcp_does_no_harm)
{
	throw_everything(true);
}

/* A good INVITE, cut anywhere: never a crash, and the whole one is served afterwards. */
Test(refusals, a_request_cut_short_does_no_harm)
{
	static const char whole[] =
		"INVITE " SIP_FACTORY " SIP/2.0\r\n" HEAD CONTACT
		"P-Asserted-Identity: \"A\" <sip:alice@example.com>\r\n"
		"Session-Expires: 600;refresher=uac\r\nSupported: timer\r\n"
		"Content-Type: multipart/mixed;boundary=\"b\"\r\n\r\n"
		"--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_OK "\r\n--b--\r\n";

	open_all(&with_empty);
	for (size_t len = 1; len < sizeof(whole) - 1; len += 3) {
		char text[sizeof(whole)], *id;

		memcpy(text, whole, len);
		text[len] = '\0';
		/* A Call-ID and a branch of its own each, of the same length. */
		if ((id = strstr(text, "Call-ID: nasty")) != NULL) {
			char number[8];

			snprintf(number, sizeof(number), "%05zu", len);
			memcpy(id + 9, number, 5);
			memcpy(strstr(text, "z9hG4bK") + 7, number, 5);
		}
		sip_write(&alice, text, len);
		if (len % 30 == 1)
			cr_assert(sip_focus_lives(&bob), "after %zu octets", len);
	}
	cr_assert(sip_focus_lives(&bob));
	cr_assert_eq(alone(&carols, &carol, ""), 200);
	call_ack(&carols);
	call_bye(&carols);
	/* What alice set going by the later cuts has no ACK, and ends with the focus. */
	sip_peer_close(&alice);
	sip_peer_close(&bob);
	sip_peer_close(&carol);
	sip_rig_stop(&rig);
}
