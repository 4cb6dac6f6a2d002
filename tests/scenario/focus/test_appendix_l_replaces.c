/* SPDX-License-Identifier: BSD-3-Clause */
/* Appendix L, as context.md 3.9 reads it: a session of two is extended to a conference: the list
 * entry of the other one carries Replaces, which becomes a header of that one's invitation. */
#include "tests/scenario/focus/cast.h"

/* Alice invites bob by an entry with this header part ("" for none), and carol. */
static void extend(const char *headers, const char *of_invite)
{
	char entries[4096], *body;

	snprintf(entries, sizeof(entries),
		"<entry uri=\"sip:bob@127.0.0.1:%u%s\"/><entry uri=\"sip:carol@127.0.0.1:%u\"/>",
		bob.port, headers, carol.port);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY, of_invite, RIG_MULTIPART, body);
	free(body);
}

static void refuse_both(unsigned status)
{
	call_reject(&bobs, 486, "");
	call_reject(&carols, 600, "");
	cr_assert_eq(call_final(&call), status);
	call_free(&bobs);
	call_free(&carols);
}

#define OLD     "old1%40192.0.2.10%3Bto-tag%3Dt9%3Bfrom-tag%3Df9"
#define OLD_WAS "old1@192.0.2.10;to-tag=t9;from-tag=f9"

Test(appendix_L, replaces_goes_with_referred_by_to_the_one_it_is_for)
{
	open_all(NULL);
	extend("?Replaces=" OLD, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), OLD_WAS);
	/* The invited one compares: P-Asserted-Identity of the old session and Referred-By. */
	cr_assert_str_eq(
		sip_header(&bobs.invite, "Referred-By"), "\"alice\" <sip:alice@example.com>");
	cr_assert_str_eq(sip_header(&carols.invite, "Replaces"), "");
	/* He takes it, and ends the old dialog, which is no affair of ours. */
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	accept_it(&carols);
	call_bye(&bobs);
	call_bye(&carols);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(appendix_L, a_dialog_that_is_not_there_is_tried_without)
{
	char id[100];

	open_all(NULL);
	extend("?Replaces=" OLD "&amp;Session-Replaces=abc&amp;Subject=More", "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), OLD_WAS);
	snprintf(id, sizeof(id), "%s", bobs.id);
	call_reject(&bobs, 481, "");
	call_free(&bobs);
	call_incoming(&bobs, &bob);
	cr_assert_str_neq(bobs.id, id);
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), "");
	cr_assert_str_eq(sip_header(&bobs.invite, "Session-Replaces"), "abc");
	cr_assert_str_eq(sip_header(&bobs.invite, "Subject"), "More");
	cr_assert(sip_nothing(&alice, 100));
	/* Only once. */
	call_reject(&bobs, 481, "");
	cr_assert(sip_nothing(&bob, 200));
	call_reject(&carols, 600, "");
	cr_assert_eq(call_final(&call), 481);
	/* Without Replaces 481 is a refusal as any other. */
	call_free(&bobs);
	call_free(&carols);
	extend("", "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&bobs, 481, "");
	cr_assert(sip_nothing(&bob, 200));
	call_reject(&carols, 600, "");
	cr_assert_eq(call_final(&call), 481);
	close_all();
}

Test(appendix_L, a_422_and_a_481_are_both_followed)
{
	open_all(NULL);
	extend("?Replaces=" OLD, "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	call_reject(&bobs, 422, "Min-SE: 3000\r\n");
	call_free(&bobs);
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), OLD_WAS);
	call_reject(&bobs, 481, "");
	call_free(&bobs);
	call_incoming(&bobs, &bob);
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), "");
	cr_assert_str_eq(sip_header(&bobs.invite, "Min-SE"), "3000");
	refuse_both(486);
	close_all();
}

Test(appendix_L, an_anonymous_inviter_may_not)
{
	open_all(NULL);
	extend("?Replaces=" OLD, "Privacy: id\r\n");
	cr_assert_eq(call_final(&call), 403);
	cr_assert_str_eq(
		sip_header(&alice.message, "Warning"), "399 example.com \"Anonymity not allowed\"");
	cr_assert(sip_nothing(&bob, 200), "invited all the same");
	/* Other header parts are no reason. */
	extend("?Subject=x", "Privacy: id\r\n");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	refuse_both(486);
	close_all();
}

/* [F] RCS stacks write method and Session-Replaces; it is passed on, and no URI carries the
 * rest. */
Test(appendix_L, session_replaces_is_passed_on)
{
	char uri[100];

	open_all(NULL);
	extend(";method=INVITE?Session-Replaces=0a1b-2c3d%40example.com", "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	cr_assert_str_eq(sip_header(&bobs.invite, "Session-Replaces"), "0a1b-2c3d@example.com");
	snprintf(uri, sizeof(uri), "sip:bob@127.0.0.1:%u", bob.port);
	cr_assert_str_eq(bobs.invite.uri, uri);
	snprintf(uri, sizeof(uri), "<sip:bob@127.0.0.1:%u>", bob.port);
	cr_assert_str_eq(sip_header(&bobs.invite, "To"), uri);
	refuse_both(486);
	close_all();
}

/* What is not a Replaces is left out, and nothing of it begins a line of its own. */
Test(appendix_L, garbage_makes_no_header)
{
	static const char *const garbage[] = {
		"",
		"%00",
		"a",
		"a%3Bto-tag%3Dt",
		"a%3Bfrom-tag%3Df",
		"a%3Bto-tag%3Bfrom-tag",
		"a%3Bto-tag%3Dt%3Bfrom-tag%3Df%3Bto-tag%3Du",
		"%3Bto-tag%3Dt%3Bfrom-tag%3Df",
		"a%40b%40c%3Bto-tag%3Dt%3Bfrom-tag%3Df",
		"a%20b%3Bto-tag%3Dt%3Bfrom-tag%3Df",
		"a%3Bto-tag%3Dt%3Bfrom-tag%3Df%0D%0AEvil%3A%20x",
		"a%3Bto-tag%3Dt%3Bfrom-tag%3Df%0AEvil%3A%20x",
		"a%3Bto-tag%3Dt%3Bfrom-tag%3Df%0DEvil%3A%20x",
		"a%0D%0A%0D%0AEvil%3A%20x%3Bto-tag%3Dt%3Bfrom-tag%3Df",
		"a%3Bto-tag%3Dt%2Cb%3Bfrom-tag%3Df",
		"a%3Bto-tag%3D%3Ct%3E%3Bfrom-tag%3Df",
		"%zz%3Bto-tag%3Dt%3Bfrom-tag%3Df%",
	};
	char headers[2200];

	open_all(NULL);
	for (unsigned i = 0; i <= sizeof(garbage) / sizeof(garbage[0]); i++) {
		if (i < sizeof(garbage) / sizeof(garbage[0])) {
			snprintf(headers, sizeof(headers),
				"?Replaces=%s&amp;Session-Replaces=x%%0D%%0AEvil%%3A%%20y&amp;Evil=x&amp;=&amp;&amp;",
				garbage[i]);
		} else { /* too long: left out whole, not cut */
			snprintf(headers, sizeof(headers),
				"?Replaces=a%%3Bto-tag%%3Dt%%3Bfrom-tag%%3Df%%3Bx%%3D%01500d", 1);
		}
		extend(headers, "");
		call_incoming(&bobs, &bob);
		call_incoming(&carols, &carol);
		cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), "", "%s", headers);
		cr_assert_str_eq(sip_header(&bobs.invite, "Session-Replaces"), "", "%s", headers);
		cr_assert_str_eq(sip_header(&bobs.invite, "Evil"), "", "%s", headers);
		LACKS(bobs.invite.text, "Evil");
		refuse_both(486);
	}
	/* No control character either, which would not begin a line. */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const subjects[] = { "a%7Fb", "a%09b", "a%1Bb" };

		snprintf(headers, sizeof(headers), "?Subject=%s", subjects[i]);
		extend(headers, "");
		call_incoming(&bobs, &bob);
		call_incoming(&carols, &carol);
		cr_assert_str_eq(sip_header(&bobs.invite, "Subject"), "", "%s", headers);
		refuse_both(486);
	}
	/* Of several the first is taken. */
	extend("?Replaces=" OLD "&amp;Replaces=b%3Bto-tag%3Dt%3Bfrom-tag%3Df", "");
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	cr_assert_str_eq(sip_header(&bobs.invite, "Replaces"), OLD_WAS);
	cr_assert_str_eq(sip_header_nth(&bobs.invite, "Replaces", 1), "");
	refuse_both(486);
	close_all();
}
