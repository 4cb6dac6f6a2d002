/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.7: REFERs that add participants, and the implicit subscription that tells how it went. */
#include "tests/scenario/focus/refer_cast.h"

static void accept_at(struct sip_call *who, struct sip_peer *peer)
{
	call_incoming(who, peer);
	accept_it(who);
}

Test(CF_7_2_1_7, a_participant_adds_a_user_who_then_gets_messages)
{
	struct msrp_peer msrp;
	char id[40];

	meet(3, true, NULL);
	/* Any participant of an ad-hoc session may, not only the one who made it. */
	cr_assert_eq(refer(&party[1].call, at(&dave), ""), 202);
	REQ("CF-7.2.1.7-R1");
	REQ("CF-7.2.1.7-R5");
	REQ("CF-7.2.1.7-R8");
	EQ(sip_header(&party[1].peer.message, "Refer-Sub"), "");
	EQ(sip_header(&party[1].peer.message, "Supported"), "");
	HAS(sip_header(&party[1].peer.message, "Contact"), party[1].call.identity);
	snprintf(id, sizeof(id), "refer;id=%u", party[1].call.cseq);
	told_trying(&party[1].peer);
	EQ(sip_header(&party[1].peer.message, "Event"), id);
	EQ(sip_header(&party[1].peer.message, "Call-ID"), party[1].call.id);
	call_incoming(&daves, &dave);
	REQ("CF-7.2.1.7-R3");
	REQ("CF-7.2.1.7-R3a");
	EQ(daves.invite.uri, at(&dave));
	EQ(daves.identity, party[0].call.identity);
	/* The referrer is the one who invites. */
	HAS(sip_header(&daves.invite, "P-Asserted-Identity"), at(&party[1].peer));
	HAS(sip_header(&daves.invite, "Referred-By"), at(&party[1].peer));
	EQ(sip_header(&daves.invite, "Content-Type"), "application/sdp");
	cr_assert(sip_nothing(&party[1].peer, 100), "an outcome before there is one");
	accept_it(&daves);
	REQ("CF-7.2.1.7-R9");
	told_last(&party[1].peer, DONE);
	REQ("CF-7.2.1.7-R10");
	call_bind(&daves, &msrp);
	for (unsigned i = 0; i < 30; i++) { /* until the new leg is a member */
		char tid[16];

		snprintf(tid, sizeof(tid), "hello%03u", i);
		call_say(&party[0].call, &party[0].msrp, tid, "", "hello dave");
		cr_assert_eq(peer_status(&party[0].msrp, tid), 200);
		if (peer_take(&msrp, 300))
			break;
	}
	HAS((const char *)msrp.body, "hello dave");
	peer_close(&msrp);
	part(3);
}

Test(CF_7_2_1_7, outside_a_dialog_the_answer_says_norefersub)
{
	meet(2, false, NULL);
	cr_assert_eq(refer_outside(&party[0].peer, party[0].call.identity, "sip:alice@example.com",
			     at(&dave), "Refer-Sub: true\r\n"),
		202);
	EQ(sip_header(&party[0].peer.message, "Supported"), "norefersub");
	REQ("CF-7.2.1.7-R6");
	EQ(sip_header(&party[0].peer.message, "Refer-Sub"), "");
	told_trying(&party[0].peer);
	EQ(sip_header(&party[0].peer.message, "Event"), "refer");
	EQ(sip_header(&party[0].peer.message, "Call-ID"), outside.id);
	call_incoming(&daves, &dave);
	call_reject(&daves, 486, "");
	told_last(&party[0].peer, "SIP/2.0 486 Busy Here\r\n");
	part(2);
}

Test(CF_7_2_1_7, R7_refer_sub_false_is_echoed_and_nobody_is_told)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&dave), "Refer-Sub: false\r\n"), 202);
	EQ(sip_header(&party[0].peer.message, "Refer-Sub"), "false");
	cr_assert_eq(refer_outside(&party[0].peer, party[0].call.identity, "sip:alice@example.com",
			     at(&erin), "Refer-Sub: false\r\n"),
		202);
	EQ(sip_header(&party[0].peer.message, "Refer-Sub"), "false");
	EQ(sip_header(&party[0].peer.message, "Supported"), "norefersub");
	accept_at(&daves, &dave);
	accept_at(&erins, &erin);
	cr_assert(sip_nothing(&party[0].peer, 300));
	REQ("CF-7.2.1.7-R7");
	part(2);
}

Test(CF_7_2_1_7, R2_privacy_hides_the_inviter_from_the_invited)
{
	char port[20];

	meet(2, false, NULL);
	cr_assert_eq(refer(&party[1].call, at(&dave), "Privacy: id\r\n"), 202);
	told_trying(&party[1].peer);
	call_incoming(&daves, &dave);
	snprintf(port, sizeof(port), ":%u>", party[1].peer.port);
	LACKS(daves.invite.text, "bob");
	LACKS(daves.invite.text, port);
	EQ(sip_header(&daves.invite, "Privacy"), "id");
	HAS(sip_header(&daves.invite, "From"), SIP_FACTORY);
	EQ(sip_header(&daves.invite, "Referred-By"), "");
	REQ("CF-7.2.1.7-R2");
	call_reject(&daves, 480, "");
	told_last(&party[1].peer, "SIP/2.0 480 Temporarily Unavailable\r\n");
	/* Who takes over a dialog is told by whom (context.md 3.9). */
	{
		char to[200];

		snprintf(
			to, sizeof(to), "%s?Replaces=x%%3Bto-tag%%3Da%%3Bfrom-tag%%3Db", at(&dave));
		cr_assert_eq(refer(&party[1].call, to, "Privacy: id\r\n"), 403);
		EQ(sip_header(&party[1].peer.message, "Warning"), WARNING("Anonymity not allowed"));
	}
	part(2);
}

Test(CF_7_2_1_7, R3b_several_are_added_by_a_list)
{
	char entries[600], one[200], other[200];

	meet(2, false, NULL);
	/* Twice the same is once; the methods may be said. */
	snprintf(entries, sizeof(entries),
		"<entry uri=\"%s\"/><entry uri=\"%s;method=INVITE\"/><entry uri=\"%s\"/>",
		at(&dave), at(&erin), at(&dave));
	cr_assert_eq(refer_list(&party[1].call, entries, "Refer-Sub: true\r\n"), 202);
	told_trying(&party[1].peer);
	call_incoming(&erins, &erin);
	EQ(erins.invite.uri, at(&erin)); /* without method */
	call_incoming(&daves, &dave);
	REQ("CF-7.2.1.7-R3b");
	call_reject(&erins, 603, "");
	snprintf(one, sizeof(one), "SIP/2.0 603 Decline\r\nTo: <%s>\r\n", at(&erin));
	told(&party[1].peer, "active;expires=", one);
	cr_assert(sip_nothing(&party[1].peer, 100));
	accept_it(&daves);
	snprintf(other, sizeof(other), "SIP/2.0 200 OK\r\nTo: <%s>\r\n", at(&dave));
	told_last(&party[1].peer, other);
	cr_assert(sip_nothing(&dave, 50), "dave is invited once");
	part(2);
}

Test(CF_7_2_1_7, a_list_may_be_a_part_of_a_body)
{
	char body[2048];

	meet(2, false, NULL);
	snprintf(body, sizeof(body),
		"--b\r\nContent-Type: text/plain\r\nContent-ID: <x@a>\r\n\r\nhello\r\n"
		"--b\r\nContent-Type: " LIST_TYPE "\r\nContent-ID: <l@a>\r\n\r\n"
		"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>"
		"<entry uri=\"%s\"/></list></resource-lists>\r\n--b--\r\n",
		at(&dave));
	cr_assert_eq(refer_with(&party[0].call,
			     "Refer-To: <cid:l@a>\r\nRequire: multiple-refer\r\n"
			     "Refer-Sub: false\r\n",
			     "multipart/mixed;boundary=b", body),
		202);
	accept_at(&daves, &dave);
	cr_assert_eq(refer_with(&party[0].call, "Refer-To: <cid:x@a>\r\n",
			     "multipart/mixed;boundary=b", body),
		415);
	HAS(sip_header(&party[0].peer.message, "Accept"), LIST_TYPE);
	cr_assert_eq(refer_with(&party[0].call, "Refer-To: <cid:other@a>\r\n",
			     "multipart/mixed;boundary=b", body),
		400);
	part(2);
}

static const struct rig_options three_at_most = { .conference = "  max_adhoc_size: 3\n" };

Test(CF_7_2_1_7, R4_more_than_the_maximum_are_refused)
{
	char entries[300];

	meet(2, false, &three_at_most);
	snprintf(entries, sizeof(entries), "<entry uri=\"%s\"/><entry uri=\"%s\"/>", at(&dave),
		at(&erin));
	cr_assert_eq(refer_list(&party[0].call, entries, ""), 486);
	EQ(sip_header(&party[0].peer.message, "Warning"), WARNING("Too many participants"));
	REQ("CF-7.2.1.7-R4a");
	cr_assert(sip_nothing(&dave, 200), "nothing is added");
	/* Who has not answered yet counts. */
	cr_assert_eq(refer(&party[0].call, at(&dave), "Refer-Sub: false\r\n"), 202);
	call_incoming(&daves, &dave);
	cr_assert_eq(refer(&party[0].call, at(&erin), "Refer-Sub: false\r\n"), 486);
	REQ("CF-7.2.1.7-R4");
	/* And his place is free when he does not come. */
	call_reject(&daves, 486, "");
	cr_assert_eq(refer(&party[0].call, at(&erin), "Refer-Sub: false\r\n"), 202);
	accept_at(&erins, &erin);
	/* Who is in needs no further place. */
	cr_assert_eq(refer(&party[0].call, at(&erin), "Refer-Sub: false\r\n"), 202);
	cr_assert(sip_nothing(&erin, 200));
	part(2);
}

Test(CF_7_2_1_7, a_list_of_five_thousand_gets_486)
{
	char *entries = malloc(5000 * 50), *end = entries;

	meet(2, false, NULL);
	for (unsigned i = 0; i < 5000; i++)
		end += sprintf(end, "<entry uri=\"sip:u%u@127.0.0.1:9\"/>", i);
	sip_peer_open(&bob, &rig, "bob", SIP_TRUSTED, true); /* too large for UDP */
	{
		char all[500], *body;

		cr_assert_gt(asprintf(&body,
				     "<resource-lists xmlns=\"urn:ietf:params:xml:ns:"
				     "resource-lists\"><list>%s</list></resource-lists>",
				     entries),
			0);
		snprintf(all, sizeof(all),
			"P-Asserted-Identity: <%s>\r\nContact: <%s>\r\nRefer-To: <cid:l@a>\r\n"
			"Require: multiple-refer\r\n",
			at(&party[1].peer), at(&bob));
		outside.no_identity = true;
		call_outside(&outside, &bob, "REFER", party[0].call.identity, all, LIST_TYPE, body);
		cr_assert_eq(call_answer_to(&outside, "REFER"), 486);
		EQ(sip_header(&bob.message, "Warning"), WARNING("Too many participants"));
		free(body);
	}
	free(entries);
	cr_assert(sip_nothing(&party[0].peer, 100));
	sip_peer_close(&bob);
	part(2);
}

Test(CF_7_2_1_7, R1_who_does_not_take_part_may_not)
{
	meet(3, false, NULL);
	cr_assert_eq(
		refer_outside(&dave, party[0].call.identity, "sip:dave@example.com", at(&erin), ""),
		403);
	REQ("CF-7.2.1.7-R1a");
	EQ(sip_header(&dave.message, "Warning"), WARNING("User is not authorised"));
	REQ("CF-7.2.1.7-R1b");
	/* Nor one who has left. */
	call_bye(&party[1].call);
	cr_assert_eq(refer_outside(&party[1].peer, party[0].call.identity, at(&party[1].peer),
			     at(&erin), ""),
		403);
	EQ(sip_header(&party[1].peer.message, "Warning"), WARNING("User is not authorised"));
	/* Who is not known at all. */
	cr_assert_eq(refer_outside(&dave, party[0].call.identity, NULL, at(&erin), ""), 403);
	EQ(sip_header(&dave.message, "Warning"), WARNING("Originator not authenticated"));
	/* In somebody else's dialog. */
	cr_assert_eq(refer(&party[0].call, at(&erin),
			     "P-Asserted-Identity: <sip:mallory@example.com>\r\n"),
		403);
	/* An identity that comes from elsewhere is not believed. */
	{
		struct sip_peer foreign;

		sip_peer_open(&foreign, &rig, "alice", SIP_FOREIGN, false);
		cr_assert_eq(refer_outside(&foreign, party[0].call.identity,
				     "sip:alice@example.com", at(&erin), ""),
			403);
		EQ(sip_header(&foreign.message, "Warning"),
			WARNING("Originator not authenticated"));
		sip_peer_close(&foreign);
	}
	cr_assert(sip_nothing(&erin, 200));
	part(3);
}

Test(CF_7_2_1_7, FR1_isfocus_already_assigned_is_told)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	told_trying(&party[0].peer);
	call_incoming(&daves, &dave);
	call_reject(&daves, 403, "Warning: 399 im.example.org \"isfocus already assigned\"\r\n");
	told_last(&party[0].peer,
		"SIP/2.0 403 Forbidden\r\nWarning: " WARNING("isfocus already assigned") "\r\n");
	REQ("CF-7.2.1.7-FR1");
	call_free(&daves);
	cr_assert_eq(refer(&party[0].call, at(&dave), "Refer-Sub: false\r\n"), 202);
	call_incoming(&daves, &dave);
	call_reject(&daves, 403, "Warning: 399 im.example.org \"isfocus already assigned\"\r\n");
	cr_assert(sip_nothing(&party[0].peer, 300));
	part(2);
}

Test(CF_7_2_1_7, who_is_in_already_is_reported_200)
{
	char entries[300], one[200], other[200];

	meet(3, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&party[1].peer), ""), 202);
	told_trying(&party[0].peer);
	told_last(&party[0].peer, DONE);
	snprintf(entries, sizeof(entries), "<entry uri=\"%s\"/><entry uri=\"%s\"/>", at(&dave),
		at(&party[2].peer));
	cr_assert_eq(refer_list(&party[0].call, entries, ""), 202);
	told_trying(&party[0].peer);
	snprintf(one, sizeof(one), "SIP/2.0 200 OK\r\nTo: <%s>\r\n", at(&party[2].peer));
	told(&party[0].peer, "active;expires=", one);
	accept_at(&daves, &dave);
	snprintf(other, sizeof(other), "SIP/2.0 200 OK\r\nTo: <%s>\r\n", at(&dave));
	told_last(&party[0].peer, other);
	cr_assert(sip_nothing(&party[1].peer, 100));
	cr_assert(sip_nothing(&party[2].peer, 10));
	part(3);
}

Test(CF_7_2_1_7, two_who_refer_to_the_same_one_are_both_told)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	told_trying(&party[0].peer);
	call_incoming(&daves, &dave);
	cr_assert_eq(refer(&party[1].call, at(&dave), ""), 202);
	told_trying(&party[1].peer);
	accept_it(&daves);
	told_last(&party[0].peer, DONE);
	told_last(&party[1].peer, DONE);
	cr_assert(sip_nothing(&dave, 50));
	part(2);
}

Test(CF_7_2_1_7, headers_of_refer_to_become_headers_of_the_invitation)
{
	char to[400];

	meet(2, false, NULL);
	snprintf(to, sizeof(to),
		"%s?Replaces=old1%%40192.0.2.10%%3Bto-tag%%3Dt9%%3Bfrom-tag%%3Df9&amp=1&X-Evil=1"
		"&Subject=a%%0D%%0AX-Injected:%%201",
		at(&dave));
	cr_assert_eq(refer(&party[0].call, to, "Refer-Sub: false\r\n"), 202);
	call_incoming(&daves, &dave);
	EQ(daves.invite.uri, at(&dave));
	EQ(sip_header(&daves.invite, "Replaces"), "old1@192.0.2.10;to-tag=t9;from-tag=f9");
	EQ(sip_header(&daves.invite, "X-Evil"), "");
	LACKS(daves.invite.text, "X-Injected");
	accept_it(&daves);
	part(2);
}

Test(CF_7_2_1_7, a_dialog_that_is_not_there_to_be_replaced_is_no_outcome_yet)
{
	char to[200];

	meet(2, false, NULL);
	snprintf(to, sizeof(to), "%s?Replaces=x%%3Bto-tag%%3Da%%3Bfrom-tag%%3Db", at(&dave));
	cr_assert_eq(refer(&party[0].call, to, ""), 202);
	told_trying(&party[0].peer);
	call_incoming(&daves, &dave);
	EQ(sip_header(&daves.invite, "Replaces"), "x;to-tag=a;from-tag=b");
	call_reject(&daves, 481, "");
	call_free(&daves);
	call_incoming(&daves, &dave);
	EQ(sip_header(&daves.invite, "Replaces"), "");
	accept_it(&daves);
	told_last(&party[0].peer, DONE);
	part(2);
}

static const struct rig_options nobody_hides = { .conference = "  allow_anonymity: false\n" };

Test(CF_7_2_1_7, where_nobody_may_hide)
{
	meet(2, false, &nobody_hides);
	cr_assert_eq(refer(&party[0].call, at(&dave), "Privacy: id\r\n"), 403);
	warned(&party[0].peer, "Anonymity not allowed");
	cr_assert(sip_nothing(&dave, 100));
	part(2);
}

Test(CF_7_2_1_7, what_cannot_be_read_gets_400_and_says_why)
{
	static const struct {
		const char *headers, *type, *body;
		unsigned status;
		const char *warning;
	} bad[] = {
		{ "", NULL, NULL, 400, "Exactly one Refer-To" },
		{ "Refer-To: <sip:a@127.0.0.1:9>\r\nRefer-To: <sip:b@127.0.0.1:9>\r\n", NULL, NULL,
			400, "Exactly one Refer-To" },
		{ "Refer-To: <mailto:a@b>\r\n", NULL, NULL, 400, "not an IM Address" },
		{ "Refer-To: <http://example.com/>\r\n", NULL, NULL, 400, "not an IM Address" },
		{ "Refer-To: <sip:a@127.0.0.1:9;method=MESSAGE>\r\n", NULL, NULL, 400,
			"neither INVITE nor BYE" },
		{ "Refer-To: <cid:l@a>\r\n", NULL, NULL, 400, "names no part" },
		{ "Refer-To: <sip:a@127.0.0.1:9>\r\nRequire: multiple-refer\r\n", NULL, NULL, 400,
			"names no part" },
		{ "Refer-To: <cid:l@a>\r\n", "text/plain", "sip:a@b", 415, NULL },
		{ "Refer-To: <cid:l@a>\r\n", LIST_TYPE, "<resource-lists>\n\n<list>", 400, "line" },
		{ "Refer-To: <cid:l@a>\r\n", LIST_TYPE,
			"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a/>", 400, "" },
		{ "Refer-To: <cid:l@a>\r\n", LIST_TYPE,
			"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list/>"
			"</resource-lists>",
			400, "names nobody" },
		{ "Refer-To: <cid:l@a>\r\n", LIST_TYPE,
			"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>"
			"<entry uri=\"sip:a@127.0.0.1:9\"/><entry uri=\"mailto:a@b\"/></list>"
			"</resource-lists>",
			400, "not an IM Address" },
		{ "Refer-To: <" SIP_FACTORY ">\r\n", NULL, NULL, 403, "User is not authorised" },
	};

	meet(2, false, NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(refer_with(&party[0].call, bad[i].headers, bad[i].type, bad[i].body),
			bad[i].status, "%u: %u", i, party[0].peer.message.status);
		if (bad[i].warning != NULL)
			HAS(sip_header(&party[0].peer.message, "Warning"), bad[i].warning);
	}
	/* An adding REFER about the session itself. */
	cr_assert_eq(refer(&party[0].call, party[0].call.identity, ""), 403);
	cr_assert(sip_focus_lives(&party[0].peer));
	part(2);
}

static const struct rig_options gone_404 = { .conference = "  gone_status: 404\n" };

Test(CF_7_2_1_7, a_session_that_is_gone_or_never_was)
{
	const struct rig_options *const both[] = { NULL, &gone_404 };

	for (unsigned i = 0; i < 2; i++) {
		sip_rig_start(&rig, both[i]);
		sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
		cr_assert_eq(refer_outside(&dave, "sip:im-abcdefghijklmnopqrstuvwxyz@example.com",
				     "sip:dave@example.com", "sip:a@127.0.0.1:9", ""),
			i == 0 ? 403 : 404);
		EQ(sip_header(&dave.message, "Warning"), WARNING("Session does not exist"));
		cr_assert_eq(refer_outside(&dave, "sip:nobody@example.com", "sip:dave@example.com",
				     "sip:a@127.0.0.1:9", ""),
			404);
		EQ(sip_header(&dave.message, "Warning"), WARNING("Conference URI does not exist"));
		sip_peer_close(&dave);
		sip_rig_stop(&rig);
	}
}

static const struct rig_options short_wait = { .sip = "  invite_wait_s: 0.5\n" };

Test(CF_7_2_1_7, an_invitation_without_an_answer_is_withdrawn_and_that_is_told)
{
	meet(2, false, &short_wait);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	told_trying(&party[0].peer);
	call_incoming(&daves, &dave);
	call_ring(&daves);
	cr_assert(sip_await_request(&dave, "CANCEL", RIG_WAIT_MS));
	sip_reply(&dave, &dave.message, 200, daves.tag, "", NULL, NULL);
	call_reject(&daves, 487, "");
	told_last(&party[0].peer, "SIP/2.0 487 Request Terminated\r\n");
	cr_assert(sip_nothing(&party[1].peer, 50), "the session goes on");
	part(2);
}

Test(CF_7_2_1_7, the_referrer_may_stop_listening)
{
	char headers[200];

	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	told_trying(&party[0].peer);
	call_incoming(&daves, &dave);
	snprintf(headers, sizeof(headers), "Contact: <%s>\r\nEvent: refer;id=%u\r\nExpires: 90\r\n",
		at(&party[0].peer), party[0].call.cseq);
	call_request(&party[0].call, "SUBSCRIBE", headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&party[0].call, "SUBSCRIBE"), 200);
	EQ(sip_header(&party[0].peer.message, "Expires"), "90");
	told_trying(&party[0].peer); /* RFC 6665 4.4.1: the state, again */
	snprintf(headers, sizeof(headers), "Contact: <%s>\r\nEvent: refer;id=%u\r\nExpires: 0\r\n",
		at(&party[0].peer), party[0].call.cseq - 1);
	call_request(&party[0].call, "SUBSCRIBE", headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&party[0].call, "SUBSCRIBE"), 200);
	told(&party[0].peer, "terminated;reason=timeout", TRYING);
	accept_it(&daves); /* he comes in all the same */
	cr_assert(sip_nothing(&party[0].peer, 200));
	part(2);
}

Test(CF_7_2_1_7, a_referrer_who_does_not_know_its_subscription_is_told_no_more)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	cr_assert(sip_await_request(&party[0].peer, "NOTIFY", RIG_WAIT_MS));
	sip_reply(&party[0].peer, &party[0].peer.message, 481, NULL, "", NULL, NULL);
	accept_at(&daves, &dave);
	cr_assert(sip_nothing(&party[0].peer, 300));
	part(2);
}

Test(CF_7_2_1_7, the_session_may_end_before_the_outcome)
{
	meet(2, false, NULL);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	told_trying(&party[0].peer);
	call_incoming(&daves, &dave);
	call_bye(&party[0].call);
	call_bye(&party[1].call);
	/* He who was asked keeps the session alive; the referrer hears of him, though it has
	 * left. */
	cr_assert_not(rig_log_has(&rig.focus, "conferences=0", 100));
	call_reject(&daves, 486, "");
	told_last(&party[0].peer, "SIP/2.0 486 Busy Here\r\n");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	part(2);
}

/* ---- a pre-defined group ---- */

#define MAY_ADD "<allow-invite-users-dynamically>true</allow-invite-users-dynamically>"

Test(CF_7_2_1_7, R9_of_a_group_who_may_join_is_invited_by_who_may_invite)
{
	group_open(GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY) RULE(ONE("alice"), MAY_ADD)
			RULE(ONE("dave"), MAY_JOIN))));
	/* Nobody takes part in a session that is not active. */
	cr_assert_eq(refer_outside(&alice, TEAM, "sip:alice@example.com", DAVE, ""), 403);
	warned(&alice, "User is not authorised");
	enter(&call, &alice);
	enter(&bobs, &bob);
	cr_assert_eq(refer(&bobs, DAVE, ""), 403);
	REQ("CF-7.2.1.7-R1a");
	warned(&bob, "User is not authorised");
	REQ("CF-7.2.1.7-R1b");
	cr_assert_eq(refer(&call, ERIN, ""), 403);
	cr_assert_eq(
		refer_list(&call, "<entry uri=\"" ERIN "\"/><entry uri=\"" DAVE "\"/>", ""), 202);
	told_trying(&alice);
	told(&alice, "active;expires=", "SIP/2.0 403 Forbidden\r\nTo: <" ERIN ">\r\n");
	accept_at(&daves, &dave);
	HAS(sip_header(&daves.invite, "From"), TEAM);
	HAS(sip_header(&daves.invite, "Referred-By"), "sip:alice@example.com");
	told_last(&alice, "SIP/2.0 200 OK\r\nTo: <" DAVE ">\r\n");
	cr_assert(sip_nothing(&erin, 100));
	REQ("CF-7.2.1.7-R9");
	group_close();
}

Test(CF_7_2_1_7, a_group_that_is_full_and_one_that_is_addressed_by_its_name)
{
	group_open(GROUP(MEMBERS MAXIMUM("4") RULES(RULE("", MAY_JOIN MAY_INITIATE MAY_ADD))));
	enter(&call, &alice);
	enter(&bobs, &bob);
	cr_assert_eq(refer_list(&call,
			     "<entry uri=\"sip:carol@example.com\"/><entry uri=\"" DAVE
			     "\"/><entry uri=\"" ERIN "\"/>",
			     ""),
		486);
	warned(&alice, "Too many participants");
	cr_assert_eq(
		refer_outside(&alice, TEAM, "sip:alice@example.com", DAVE, "Refer-Sub: false\r\n"),
		202);
	accept_at(&daves, &dave);
	/* Its rules do not let anybody hide. */
	cr_assert_eq(refer(&call, ERIN, "Privacy: id\r\n"), 403);
	warned(&alice, "Anonymity not allowed");
	group_close();
}

Test(CF_7_2_1_7, who_is_anonymous_in_the_session_is_so_to_whom_it_invites)
{
	group_open(GROUP(MEMBERS RULES(RULE("", MAY MAY_HIDE MAY_ADD))));
	cr_assert_eq(ask_team(&call, &alice, "Privacy: id\r\n"), 200);
	call_ack(&call);
	cr_assert_eq(refer(&call, DAVE, "Refer-Sub: false\r\n"), 202);
	accept_at(&daves, &dave);
	LACKS(daves.invite.text, "alice");
	EQ(sip_header(&daves.invite, "Privacy"), "id");
	group_close();
}

Test(CF_7_2_1_7, a_further_refer_in_the_dialog_that_a_refer_made)
{
	char headers[300], id[40];

	meet(2, false, NULL);
	cr_assert_eq(refer_outside(&party[0].peer, party[0].call.identity, "sip:alice@example.com",
			     at(&dave), ""),
		202);
	told_trying(&party[0].peer);
	snprintf(headers, sizeof(headers), "P-Asserted-Identity: <sip:alice@example.com>\r\n");
	cr_assert_eq(refer(&outside, at(&erin), headers), 202);
	EQ(sip_header(&party[0].peer.message, "Supported"), "");
	told_trying(&party[0].peer);
	snprintf(id, sizeof(id), "refer;id=%u", outside.cseq);
	EQ(sip_header(&party[0].peer.message, "Event"), id);
	/* It is no INVITE's: who asks has to be said. */
	cr_assert_eq(refer(&outside, at(&erin), ""), 403);
	call_request(&outside, "BYE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&outside, "BYE"), 481);
	call_incoming(&erins, &erin);
	call_reject(&erins, 486, "");
	told_last(&party[0].peer, "SIP/2.0 486 Busy Here\r\n");
	EQ(sip_header(&party[0].peer.message, "Event"), id);
	call_incoming(&daves, &dave);
	call_reject(&daves, 600, "");
	told_last(&party[0].peer, "SIP/2.0 600 Busy Everywhere\r\n");
	EQ(sip_header(&party[0].peer.message, "Event"), "refer");
	call_request(&outside, "REFER", headers, NULL, NULL);
	cr_assert_eq(
		call_answer_to(&outside, "REFER"), 481); /* the dialog went with its last usage */
	part(2);
}

/* ---- an IMS ---- */

Test(CF_7_2_1_7, IMS_the_core_asserts_who_asks_and_stands_between)
{
	char headers[700], via[100];
	struct sip_peer core;

	meet(2, false, NULL);
	sip_peer_open(&core, &rig, "scscf", SIP_TRUSTED, false);
	/* TS 24.229 5.7: two identities of one user, the path, and what charging adds. */
	snprintf(via, sizeof(via), "sip:%s:%u", core.host, core.port);
	snprintf(headers, sizeof(headers),
		"P-Asserted-Identity: \"Alice\" <sip:alice@example.com>, <tel:+15550111>\r\n"
		"P-Charging-Vector: icid-value=1234;orig-ioi=example.com\r\n"
		"Record-Route: <%s;lr>\r\nRefer-To: <%s>\r\nContact: <sip:alice@192.0.2.7>\r\n",
		via, at(&dave));
	outside.no_identity = true;
	call_outside(&outside, &core, "REFER", party[0].call.identity, headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&outside, "REFER"), 202);
	HAS(sip_header(&core.message, "Record-Route"), via);
	cr_assert(sip_await_request(&core, "NOTIFY", RIG_WAIT_MS), "NOTIFYs go the same way");
	EQ(core.message.uri, "sip:alice@192.0.2.7");
	HAS(sip_header(&core.message, "Route"), via);
	REQ("CF-7.2.1.7-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	accept_at(&daves, &dave);
	HAS(sip_header(&daves.invite, "P-Asserted-Identity"), "sip:alice@example.com");
	told_last(&core, DONE);
	sip_peer_close(&core);
	part(2);
}
