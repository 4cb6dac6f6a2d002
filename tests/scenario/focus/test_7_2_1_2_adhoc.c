/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.2: ad-hoc IM Group setup, and the invitations of 7.2.2.2 (context.md 3.4) that it sends. */
#include "tests/scenario/focus/cast.h"

Test(CF_7_2_1_2, N1_a_list_of_one_is_a_session_of_two)
{
	struct sip_party two[2];

	sip_rig_start(&rig, NULL);
	party_meet(&rig, two, 2, "", true);
	call_say(&two[0].call, &two[0].msrp, "hello001", "", "hello");
	cr_assert_eq(peer_status(&two[0].msrp, "hello001"), 200);
	cr_assert(peer_take(&two[1].msrp, RIG_WAIT_MS) && two[1].msrp.chunk.method == METHOD_SEND);
	HAS((const char *)two[1].msrp.body, "hello");
	REQ("CF-7.2.1.2-N1");
	party_close(two, 2);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_2, R1_unknown_factory_gets_404)
{
	open_all(NULL);
	cr_assert_eq(asked("sip:no-such-factory@example.com", "", "application/sdp",
			     call_sdp(&call, "actpass", "")),
		404);
	HAS(sip_header(&alice.message, "Warning"),
		"399 example.com \"Conference URI does not exist\"");
	REQ("CF-7.2.1.2-R1");
	close_all();
}

Test(CF_7_2_1_2, R2_the_originator_is_verified)
{
	open_all(NULL);
	/* A trusted source that asserts nobody. */
	call.no_identity = true;
	call_factory(&call, &alice, "", &bob, NULL);
	cr_assert_eq(call_final(&call), 403);
	REQ("CF-7.2.1.2-R2a");
	HAS(sip_header(&alice.message, "Warning"),
		"399 example.com \"Originator not authenticated\"");
	REQ("CF-7.2.1.2-R2b");
	/* The same with an asserted identity is served. */
	call.no_identity = false;
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	REQ("CF-7.2.1.2-R2");
	call_ack(&call);
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_2, R3_the_allow_header_is_remembered)
{
	const struct rig_options options = { .sip = "  session_expires_s: 4\n  min_se_s: 1\n",
		.conference = "  allow_empty_factory: true\n" };
	struct sip_call second = { 0 };
	char headers[200];

	/* Where we refresh, an UPDATE goes only to one who takes it. */
	open_all(&options);
	call_invite(&call, &alice, SIP_FACTORY,
		"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n",
		"application/sdp", call_sdp(&call, "actpass", ""));
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	second.peer = &bob;
	call_invite(&second, &bob, SIP_FACTORY,
		"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n",
		"application/sdp", call_sdp(&second, "actpass", ""));
	cr_assert_eq(call_final(&second), 200);
	call_ack(&second);
	cr_assert(sip_await_request(&alice, "UPDATE", 4000));
	sip_reply(&alice, &alice.message, 200, NULL, "Session-Expires: 4;refresher=uac\r\n", NULL,
		NULL);
	cr_assert(sip_await_request(&bob, "INVITE", 4000));
	REQ("CF-7.2.1.2-R3");
	snprintf(headers, sizeof(headers),
		"Session-Expires: 4;refresher=uac\r\nContact: <sip:bob@127.0.0.1:%u>\r\n",
		bob.port);
	sip_reply(&bob, &bob.message, 200, NULL, headers, "application/sdp", second.offer);
	cr_assert(sip_await_request(&bob, "ACK", RIG_WAIT_MS));
	call_bye(&call);
	call_bye(&second);
	close_all();
}

Test(CF_7_2_1_2, R4_display_name_of_the_inviter)
{
	open_all(NULL);
	call_factory(&call, &alice, "P-Asserted-Identity: \"Alice W.\" <sip:alice@example.com>\r\n",
		&bob, NULL);
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(&bobs.invite, "P-Asserted-Identity"),
		"\"Alice W.\" <sip:alice@example.com>");
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	/* None there: the one of From (context.md 5.5). */
	call_free(&bobs);
	call_factory(&call, &alice, "P-Asserted-Identity: <sip:alice@example.com>\r\n", &bob, NULL);
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(&bobs.invite, "P-Asserted-Identity"),
		"\"From-alice\" <sip:alice@example.com>");
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	REQ("CF-7.2.1.2-R4");
	close_all();
}

Test(CF_7_2_1_2, R5_every_session_has_an_identity_of_its_own)
{
	const struct rig_options options = { .conference = "  allow_empty_factory: true\n" };
	struct sip_call second = { .peer = &alice };

	open_all(&options);
	call_invite(
		&call, &alice, SIP_FACTORY, "", "application/sdp", call_sdp(&call, "actpass", ""));
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_invite(&second, &alice, SIP_FACTORY, "", "application/sdp",
		call_sdp(&second, "actpass", ""));
	cr_assert_eq(call_final(&second), 200);
	call_ack(&second);
	cr_assert_str_neq(call.identity, second.identity);
	cr_assert_eq(strncmp(call.identity, "sip:im-", 7), 0);
	REQ("CF-7.2.1.2-R5");
	call_bye(&call);
	call_bye(&second);
	close_all();
}

/* What is asked of an offer: context.md 5.1, 5.3. */
static const char *const unacceptable[] = {
	"m=audio 4000 RTP/AVP 0\r\n",
	"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/a;tcp\r\n",
	"m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\n",
	"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/a;tcp\r\na=accept-types:text/plain\r\n",
	"m=message 0 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/a;tcp\r\na=accept-types:message/cpim\r\n",
	"m=message 9 TCP/TLS/MSRP *\r\na=path:msrps://127.0.0.1:9/a;tcp\r\na=accept-types:message/cpim\r\n",
	"m=message 9 TCP/MSRP *\r\na=path:no-uri\r\na=accept-types:message/cpim\r\n",
	"",
};

Test(CF_7_2_1_2, R6a_unacceptable_sdp_gets_488_with_what_is_supported)
{
	const struct rig_options options = { .msrp = "  max_message: 123456\n",
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\"]\n" };
	char body[1024];

	open_all(&options);
	for (unsigned i = 0; i < sizeof(unacceptable) / sizeof(unacceptable[0]); i++) {
		const struct sip_message *answer = &alice.message;

		snprintf(body, sizeof(body),
			"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n%s",
			unacceptable[i]);
		cr_assert_eq(asked(SIP_FACTORY, "", "application/sdp", body), 488, "%s: %u",
			unacceptable[i], answer->status);
		HAS(sip_header(answer, "Warning"), "399 example.com \"");
		cr_assert_str_eq(sip_header(answer, "Content-Type"), "application/sdp");
		HAS(answer->body, "m=message 0 TCP/MSRP *\r\n");
		HAS(answer->body, "a=accept-types:message/cpim\r\n");
		HAS(answer->body, "a=accept-wrapped-types:text/plain image/png\r\n");
		HAS(answer->body, "a=max-size:123456\r\n");
	}
	/* An INVITE without an offer would get ours (RFC 3261 13.3.1.4), but not without a list. */
	cr_assert_eq(asked(SIP_FACTORY, "", NULL, NULL), 403);
	REQ("CF-7.2.1.2-R6");
	REQ("CF-7.2.1.2-R6a");
	cr_assert(sip_focus_lives(&alice));
	close_all();
}

Test(CF_7_2_1_2, R7a_too_many_participants_gets_486)
{
	const struct rig_options options = { .conference = "  max_adhoc_size: 3\n" };
	struct sip_peer dave;

	open_all(&options);
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	call_factory(&call, &alice, "", &bob, &carol, &dave, NULL);
	cr_assert_eq(call_final(&call), 486);
	cr_assert_str_eq(
		sip_header(&alice.message, "Warning"), "399 example.com \"too many participants\"");
	REQ("CF-7.2.1.2-R7a");
	cr_assert(sip_nothing(&bob, 200), "invited all the same");
	/* Two and the inviter are three; she herself and who stands there twice do not count. */
	call_factory(&call, &alice, "", &bob, &carol, &bob, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&bobs, 486, "");
	call_reject(&carols, 486, "");
	cr_assert_eq(call_final(&call), 486);
	cr_assert_str_eq(sip_header(&alice.message, "Warning"), "");
	REQ("CF-7.2.1.2-R7");
	sip_peer_close(&dave);
	close_all();
}

Test(CF_7_2_1_2, own_and_duplicate_entries_are_dropped)
{
	char entries[2048], *body;

	open_all(NULL);
	/* Written differently, the same user: parameters do not count, nor the case of the host. */
	snprintf(entries, sizeof(entries),
		"<entry uri=\"sip:alice@example.com\"/><entry uri=\"sip:alice@EXAMPLE.com;foo=bar\"/>"
		"<entry uri=\"sip:bob@127.0.0.1:%u\"/><entry uri=\"sip:bob@127.0.0.1:%u;x=y\"/>",
		bob.port, bob.port);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	call_incoming(&bobs, &bob);
	cr_assert(sip_nothing(&bob, 300), "invited twice");
	call_reject(&bobs, 603, "");
	cr_assert_eq(call_final(&call), 603);
	close_all();
}

Test(CF_7_2_1_2, R8_every_user_of_the_list_is_invited)
{
	const struct sip_message *invite = &bobs.invite;
	char uri[100], sdp[100];

	open_all(NULL);
	call_factory(
		&call, &alice, "Subject: Lunch\r\nContribution-ID: abc123\r\n", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	REQ("CF-7.2.1.2-R8");
	/* context.md 3.4, 3.10 */
	snprintf(uri, sizeof(uri), "sip:bob@127.0.0.1:%u", bob.port);
	cr_assert_str_eq(invite->uri, uri);
	snprintf(uri, sizeof(uri), "<sip:bob@127.0.0.1:%u>", bob.port);
	cr_assert_str_eq(sip_header(invite, "To"), uri);
	HAS(sip_header(invite, "From"), "<" SIP_FACTORY ">;tag=");
	HAS(sip_header(invite, "Contact"), "<sip:im-");
	HAS(sip_header(invite, "Contact"), "@example.com>;isfocus;+g.oma.sip-im");
	cr_assert_str_eq(sip_header(invite, "Contact"), sip_header(&carols.invite, "Contact"));
	cr_assert_str_eq(
		sip_header(invite, "P-Asserted-Identity"), "\"alice\" <sip:alice@example.com>");
	HAS(sip_header(invite, "Referred-By"), "<sip:alice@example.com>");
	HAS(sip_header(invite, "Accept-Contact"), "*;+g.oma.sip-im");
	HAS(sip_header(invite, "User-Agent"), "IM-serv/OMA1.0");
	HAS(sip_header(invite, "Allow"), "INVITE");
	HAS(sip_header(invite, "Allow"), "BYE");
	cr_assert_str_eq(sip_header(invite, "Supported"), "timer");
	cr_assert_str_eq(sip_header(invite, "Session-Expires"), "1800;refresher=uas");
	cr_assert_str_eq(sip_header(invite, "Min-SE"), "90");
	cr_assert_str_eq(sip_header(invite, "Subject"), "Lunch");
	cr_assert_str_eq(sip_header(invite, "Contribution-ID"), "abc123");
	HAS(sip_header(invite, "Content-Type"), "multipart/mixed");
	snprintf(sdp, sizeof(sdp), "m=message %u TCP/MSRP *\r\n", rig.msrp_port);
	HAS(invite->body, sdp);
	HAS(invite->body, "a=setup:actpass\r\n");
	HAS(invite->body, "a=accept-types:message/cpim\r\n");
	HAS(invite->body, "a=chatroom");
	/* RFC 5366: the list as it may be shown. */
	HAS(invite->body, "recipient-list-history");
	HAS(invite->body, "sip:carol@127.0.0.1");
	/* Each has a path of its own. */
	cr_assert_str_neq(bobs.leg.uri, "");
	cr_assert_str_neq(bobs.leg.uri, carols.leg.uri);
	call_reject(&bobs, 486, "");
	call_reject(&carols, 486, "");
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

Test(CF_7_2_1_2, bcc_and_anonymised_entries_are_not_shown)
{
	char entries[2048], *body;

	open_all(NULL);
	snprintf(entries, sizeof(entries),
		"<entry uri=\"sip:bob@127.0.0.1:%u\" cp:copyControl=\"to\"/>"
		"<entry uri=\"sip:carol@127.0.0.1:%u\" cp:copyControl=\"bcc\"/>"
		"<entry uri=\"sip:hidden@127.0.0.1:1\" cp:copyControl=\"to\" cp:anonymize=\"true\"/>",
		bob.port, carol.port);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	LACKS(bobs.invite.body, "carol");
	LACKS(bobs.invite.body, "hidden");
	HAS(bobs.invite.body, "anonymous");
	call_reject(&bobs, 486, "");
	call_reject(&carols, 486, "");
	/* Nobody is where the third should be. */
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

Test(CF_7_2_1_2, header_parameters_of_an_entry_become_headers_of_its_invite)
{
	char entries[2048], *body;

	open_all(NULL);
	snprintf(entries, sizeof(entries),
		"<entry uri=\"sip:bob@127.0.0.1:%u\"/>"
		"<entry uri=\"sip:carol@127.0.0.1:%u?Replaces=old1%%40h%%3Bto-tag%%3Dt9%%3Bfrom-tag%%3Df9&amp;"
		"Subject=Other&amp;Route=%%3Csip%%3Aevil%%3E&amp;Session-Replaces=x%%0D%%0AEvil%%3A%%20y\"/>",
		bob.port, carol.port);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY, "Subject: Lunch\r\n", RIG_MULTIPART, body);
	free(body);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	cr_assert_str_eq(sip_header(&carols.invite, "Replaces"), "old1@h;to-tag=t9;from-tag=f9");
	cr_assert_str_eq(sip_header(&carols.invite, "Subject"), "Other");
	/* Not on the list of those allowed; no line can be smuggled in. */
	cr_assert_str_eq(sip_header(&carols.invite, "Route"), "");
	cr_assert_str_eq(sip_header(&carols.invite, "Evil"), "");
	cr_assert_str_eq(sip_header(&carols.invite, "Session-Replaces"), "");
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), "");
	cr_assert_str_eq(sip_header(&bobs.invite, "Subject"), "Lunch");
	call_reject(&bobs, 486, "");
	call_reject(&carols, 486, "");
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

Test(CF_7_2_1_2, anonymous_inviter_is_not_shown)
{
	const struct sip_message *invite = &bobs.invite;

	open_all(NULL);
	call_factory(&call, &alice, "Privacy: id\r\n", &bob, NULL);
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(invite, "P-Asserted-Identity"), "<" SIP_FACTORY ">");
	HAS(sip_header(invite, "Privacy"), "id");
	cr_assert_str_eq(sip_header(invite, "Referred-By"), "");
	LACKS(invite->text, "alice");
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

Test(CF_7_2_1_2, OK1_the_inviter_waits_for_the_first_200)
{
	struct msrp_peer msrp;

	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	/* 100 at once, 180 when the first one rings, and only once. */
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 100, RIG_WAIT_MS));
	cr_assert_not(sip_await_response(&alice, "INVITE", call.id, 180, 200));
	call_ring(&bobs);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "To"), ";tag=");
	call_ring(&carols);
	cr_assert_not(sip_await_response(&alice, "INVITE", call.id, 180, 200));
	cr_assert_not(sip_await_response(&alice, "INVITE", call.id, 0, 100), "answered too early");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	REQ("CF-7.2.1.2-OK1");
	REQ("CF-7.2.1.2-OK3");
	cr_assert_str_eq(call.identity, bobs.identity);
	call_ack(&call);
	/* A further 200 makes no second final response, and its sender a participant. */
	accept_it(&carols);
	cr_assert(sip_nothing(&alice, 300));
	REQ("CF-7.2.1.2-OK1a");
	call_bind(&carols, &msrp);
	peer_close(&msrp);
	call_bye(&bobs);
	call_bye(&carols);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_2, answer_first_lets_the_inviter_in_at_once)
{
	const struct rig_options options = { .conference = "  answer_first: true\n" };

	open_all(&options);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	/* FR2 */
	call_reject(&bobs, 486, "");
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_2, OK2_the_sdp_answers_the_offer)
{
	const struct rig_options options = {
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\", \"text/html\"]\n"
	};
	const struct sip_message *ok = &alice.message;
	char *body, *sdp, entries[200], line[200];

	open_all(&options);
	snprintf(entries, sizeof(entries), "<entry uri=\"sip:bob@127.0.0.1:%u\"/>", bob.port);
	/* An audio line before; types of which one is known to all. */
	cr_assert_gt(
		asprintf(&sdp,
			"v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
			"m=audio 4000 RTP/AVP 0\r\nm=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/alice;tcp\r\n"
			"a=accept-types:message/cpim text/plain\r\n"
			"a=accept-wrapped-types:image/png video/mp4 text/plain\r\na=setup:active\r\n"
			"a=chatroom:private-messages\r\n"),
		0);
	body = call_list(sdp, entries);
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	free(sdp);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	/* RFC 3264 6: as many m= lines as the offer, the refused one with port 0. */
	snprintf(line, sizeof(line), "m=audio 0 RTP/AVP 0\r\nm=message %u TCP/MSRP *\r\n",
		rig.msrp_port);
	HAS(ok->body, line);
	HAS(ok->body, "\r\na=setup:passive\r\n");
	snprintf(line, sizeof(line), "a=path:msrp://127.0.0.1:%u/", rig.msrp_port);
	HAS(ok->body, line);
	HAS(ok->body, "a=chatroom");
	REQ("CF-7.2.1.2-OK2");
	HAS(ok->body, "a=accept-types:message/cpim\r\n");
	sip_body_line(ok, "a=accept-wrapped-types:", line, sizeof(line));
	HAS(line, "text/plain");
	HAS(line, "image/png");
	LACKS(line, "video");
	LACKS(line, "html");
	REQ("CF-7.2.1.2-OK2a");
	call_ack(&call);
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	close_all();
}

/* Alice offers these attributes on her second line, bob answers with those; her final status. */
static unsigned offered(const char *attributes, const char *answered)
{
	char *body, *sdp, entries[200], answer[1024];
	unsigned status;

	snprintf(entries, sizeof(entries), "<entry uri=\"sip:bob@127.0.0.1:%u\"/>", bob.port);
	cr_assert_gt(
		asprintf(&sdp,
			"v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
			"m=message 0 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/no;tcp\r\na=accept-types:*\r\na=label:no\r\n"
			"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/alice;tcp\r\n%s",
			attributes),
		0);
	body = call_list(sdp, entries);
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	free(sdp);
	call_incoming(&bobs, &bob);
	snprintf(answer, sizeof(answer),
		"v=0\r\no=bob 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/bob;tcp\r\na=setup:active\r\n%s",
		answered);
	call_accept(&bobs, "", answer);
	call_acked(&bobs);
	status = call_final(&call);
	if (status == 200)
		call_ack(&call);
	return status;
}

static void undo(unsigned status)
{
	if (status == 200)
		call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	call_free(&bobs);
}

Test(CF_7_2_1_2, OK2a_types_are_those_of_both)
{
	static const struct {
		const char *inviter, *invited;
		unsigned status;
		const char *wrapped; /* in the answer; policy and offer */
	} rows[] = {
		{ "a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:image/png text/html\r\n",
			"a=accept-types:message/cpim\r\n", 200, "image/png" },
		{ "a=accept-types:*\r\n", "a=accept-types:*\r\n", 200, "text/plain image/png" },
		{ "a=accept-types:image/png message/cpim\r\na=accept-wrapped-types:*\r\n",
			"a=accept-types:text/plain message/cpim\r\na=accept-wrapped-types:text/plain\r\n",
			200, "text/plain image/png" },
		{ "a=accept-types:message/*\r\na=accept-wrapped-types:text/*\r\n",
			"a=accept-types:message/cpim\r\n", 200, "text/plain" },
		/* Nothing that both have. */
		{ "a=accept-types:message/cpim\r\n", "a=accept-types:text/plain\r\n", 488, "" },
	};
	const struct rig_options options = {
		.conference = "  wrapped_types: [\"text/plain\", \"image/png\"]\n"
	};
	char line[200];

	open_all(&options);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(offered(rows[i].inviter, rows[i].invited), rows[i].status, "%u", i);
		if (rows[i].status == 200) {
			sip_body_line(&alice.message, "a=accept-types:", line, sizeof(line));
			cr_assert_str_eq(line, "message/cpim");
			sip_body_line(
				&alice.message, "a=accept-wrapped-types:", line, sizeof(line));
			cr_assert_str_eq(line, rows[i].wrapped, "%u: %s", i, line);
		}
		undo(rows[i].status);
	}
	REQ("CF-7.2.1.2-OK2a");
	close_all();
}

/* Each attribute of the selected line that has a meaning here has its counterpart in the answer
 * (offer_answer.c); those of a refused line have none. */
Test(CF_7_2_1_2, OK2b_the_attributes_of_the_selected_line_are_answered)
{
	static const char *const counterparts[] = {
		"a=path:msrp://127.0.0.1:",
		"a=accept-types:message/cpim\r\n",
		"a=accept-wrapped-types:text/plain\r\n",
		"a=setup:passive\r\n",
		"a=chatroom:nickname private-messages\r\n",
		"a=recvonly\r\n",
		"a=msrp-cema\r\n",
		"a=max-size:",
	};
	const char *selected;

	open_all(NULL);
	cr_assert_eq(
		offered("a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n"
			"a=setup:active\r\na=chatroom:nickname private-messages\r\na=sendonly\r\n"
			"a=msrp-cema\r\na=max-size:1000\r\n",
			"a=accept-types:message/cpim\r\n"),
		200);
	HAS(alice.message.body, "m=message 0 TCP/MSRP *\r\nm=message ");
	selected = strstr(alice.message.body, "m=message 0 TCP/MSRP *\r\n") + 10;
	for (unsigned i = 0; i < sizeof(counterparts) / sizeof(counterparts[0]); i++)
		HAS(selected, counterparts[i]);
	LACKS(alice.message.body, "a=label");
	REQ("CF-7.2.1.2-OK2b");
	undo(200);
	/* What was not offered is not answered (context.md 5.2). */
	cr_assert_eq(
		offered("a=accept-types:message/cpim\r\n", "a=accept-types:message/cpim\r\n"), 200);
	LACKS(alice.message.body, "a=setup");
	LACKS(alice.message.body, "only\r\n");
	LACKS(alice.message.body, "a=inactive");
	undo(200);
	close_all();
}

Test(CF_7_2_1_2, OK4_the_switch_serves_the_room)
{
	struct sip_party three[3];

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	for (unsigned from = 0; from < 3; from++) {
		char tid[16];

		snprintf(tid, sizeof(tid), "tid%05u", from);
		call_say(&three[from].call, &three[from].msrp, tid, "", "hello, room");
		cr_assert_eq(peer_status(&three[from].msrp, tid), 200);
		for (unsigned to = 0; to < 3; to++) {
			if (to == from)
				continue;
			cr_assert(
				peer_take(&three[to].msrp, RIG_WAIT_MS), "from %u to %u", from, to);
			cr_assert_eq(three[to].msrp.chunk.method, METHOD_SEND);
			HAS((const char *)three[to].msrp.body, three[from].call.leg.address);
		}
	}
	REQ("CF-7.2.1.2-OK4");
	party_close(three, 3);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_2, FR1_all_refuse_the_lowest_code_wins)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&bobs, 486, "");
	cr_assert(sip_nothing(&alice, 200), "not all have failed");
	call_reject(&carols, 603, "");
	cr_assert_eq(call_final(&call), 486);
	REQ("CF-7.2.1.2-FR0");
	REQ("CF-7.2.1.2-FR1");
	REQ("CF-7.2.1.2-FR1a");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	close_all();
}

Test(CF_7_2_1_2, FR1_a_redirection_counts_as_480)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&bobs, 302, "Contact: <sip:other@127.0.0.1:1>\r\n");
	call_reject(&carols, 600, "");
	cr_assert_eq(call_final(&call), 480);
	close_all();
}

Test(CF_7_2_1_2, FR1_one_who_is_not_registered_counts_as_480)
{
	char *body;

	open_all(NULL);
	body = call_list(call_sdp(&call, "actpass", ""),
		"<entry uri=\"sip:nobody@example.com\"/><entry uri=\"tel:+15550100\"/>");
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	cr_assert_eq(call_final(&call), 480);
	close_all();
}

Test(CF_7_2_1_2, FR1_an_answer_without_msrp_counts_as_488)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_accept(&bobs, "",
		"v=0\r\no=b 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 0 TCP/MSRP *\r\n");
	call_acked(&bobs);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	HAS(sip_header(&bob.message, "Reason"), "cause=488");
	cr_assert_eq(call_final(&call), 488);
	close_all();
}

Test(CF_7_2_1_2, FR1_nobody_answers_in_time)
{
	const struct rig_options options = { .sip = "  invite_wait_s: 0.7\n" };

	open_all(&options);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_ring(&bobs);
	call_ring(&carols);
	cr_assert(sip_await_request(&bob, "CANCEL", 3000));
	sip_reply(&bob, &bob.message, 200, bobs.tag, "", NULL, NULL);
	call_reject(&bobs, 487, "");
	cr_assert(sip_await_request(&carol, "CANCEL", 3000));
	sip_reply(&carol, &carol.message, 200, carols.tag, "", NULL, NULL);
	call_reject(&carols, 487, "");
	cr_assert_eq(call_final(&call), 480);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	close_all();
}

Test(CF_7_2_1_2, FR2_all_fail_after_the_200)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	/* Bob goes; a pending invitation keeps the room alive (context.md 3.3). */
	call_bye(&bobs);
	cr_assert(sip_nothing(&alice, 200));
	call_reject(&carols, 486, "");
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Reason"), "SIP;cause=410;text=\"Gone\"");
	REQ("CF-7.2.1.2-FR2");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	close_all();
}

Test(CF_7_2_1_2, an_invitee_who_asks_for_a_longer_session_is_asked_again)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_reject(&bobs, 422, "Min-SE: 3000\r\n");
	call_free(&bobs);
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(&bobs.invite, "Min-SE"), "3000");
	cr_assert_str_eq(sip_header(&bobs.invite, "Session-Expires"), "3000;refresher=uas");
	/* Only once. */
	call_reject(&bobs, 422, "Min-SE: 4000\r\n");
	cr_assert_eq(call_final(&call), 422);
	close_all();
}

Test(CF_7_2_1_2, cancel_by_the_inviter_undoes_the_room)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_ring(&bobs);
	call_ring(&carols);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	call_cancel(&call);
	cr_assert_eq(call_answer_to(&call, "CANCEL"), 200);
	cr_assert_eq(call_final(&call), 487);
	cr_assert(sip_await_request(&bob, "CANCEL", RIG_WAIT_MS));
	sip_reply(&bob, &bob.message, 200, bobs.tag, "", NULL, NULL);
	call_reject(&bobs, 487, "");
	cr_assert(sip_await_request(&carol, "CANCEL", RIG_WAIT_MS));
	sip_reply(&carol, &carol.message, 200, carols.tag, "", NULL, NULL);
	call_reject(&carols, 487, "");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000), "the room is still there");
	close_all();
}

/* RFC 3261 9.1: the invitee's 200 crosses our CANCEL: acknowledged, and BYE. */
Test(CF_7_2_1_2, a_200_that_crosses_the_cancel_is_ended)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_ring(&bobs);
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	call_cancel(&call);
	cr_assert_eq(call_answer_to(&call, "CANCEL"), 200);
	cr_assert_eq(call_final(&call), 487);
	cr_assert(sip_await_request(&bob, "CANCEL", RIG_WAIT_MS));
	sip_reply(&bob, &bob.message, 200, bobs.tag, "", NULL, NULL);
	call_accept(&bobs, "", call_sdp(&bobs, "active", ""));
	call_acked(&bobs);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	cr_assert(sip_nothing(&alice, 100));
	close_all();
}

/* The other crossing: the inviter's CANCEL and our 200. She is in; her BYE ends it. */
Test(CF_7_2_1_2, a_cancel_after_the_200_changes_nothing)
{
	struct sip_call cancel;

	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cancel = call; /* as the INVITE was: its URI, no tag in To */
	cr_assert_eq(call_final(&call), 200);
	call_cancel(&cancel);
	/* RFC 3261 13.3.1.4: a 2xx ends the server's transaction, so 481 is as right as 200. */
	cr_assert(call_answer_to(&call, "CANCEL") == 481 || alice.message.status == 200);
	call_ack(&call);
	cr_assert(sip_nothing(&bob, 200));
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	close_all();
}
