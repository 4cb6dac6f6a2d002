/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.1: the 200 that answers an initial INVITE. */
#include "tests/scenario/focus/cast.h"

/* Alice alone, let in at once. */
static const struct sip_message *answered(const char *headers)
{
	const struct rig_options options = { .conference = ALONE };

	open_all(&options);
	cr_assert_eq(alone(&call, &alice, headers), 200);
	return &alice.message;
}

static void ended(void)
{
	call_ack(&call);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_1, OK1_built_as_rfc_3261_says)
{
	const struct sip_message *ok = answered(
		"Record-Route: <sip:p1.example.com;lr>\r\nRecord-Route: <sip:p2.example.com;lr>\r\n");
	char via[100];

	snprintf(via, sizeof(via), "SIP/2.0/UDP 127.0.0.1:%u;branch=%s", alice.port, call.branch);
	HAS(sip_header(ok, "Via"), via);
	cr_assert_str_eq(sip_header_nth(ok, "Via", 1), "");
	cr_assert_str_eq(sip_header(ok, "From"), call.local);
	HAS(sip_header(ok, "To"), "<" SIP_FACTORY ">;tag=");
	cr_assert_str_eq(sip_header(ok, "Call-ID"), call.id);
	cr_assert_str_eq(sip_header(ok, "CSeq"), "1 INVITE");
	/* 12.1.1: Record-Route is copied, in order. */
	HAS(sip_header_nth(ok, "Record-Route", 0), "p1.example.com");
	cr_assert(strstr(sip_header_nth(ok, "Record-Route", 0), "p2.example.com") != NULL ||
		  strstr(sip_header_nth(ok, "Record-Route", 1), "p2.example.com") != NULL);
	cr_assert_str_neq(sip_header(ok, "Contact"), "");
	cr_assert_str_eq(sip_header(ok, "Content-Type"), "application/sdp");
	REQ("CF-7.2.1.1-OK1");
	/* Its Record-Route leads to nowhere: the dialog is ended from this side. */
	ended();
}

Test(CF_7_2_1_1, OK2_allow_lists_every_method_that_is_served)
{
	static const char *const methods[] = { "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS",
		"SUBSCRIBE", "REFER", "UPDATE" };
	const struct sip_message *ok = answered("");
	char allow[200];

	snprintf(allow, sizeof(allow), "%s", sip_header(ok, "Allow"));
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		HAS(allow, methods[i]);
	/* And none that is not: what is not listed gets 405. */
	call_ack(&call);
	cr_assert(strstr(allow, "MESSAGE") == NULL);
	cr_assert(strstr(allow, "NOTIFY") == NULL);
	call_request(&call, "MESSAGE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "MESSAGE"), 405);
	cr_assert_str_eq(sip_header(&alice.message, "Allow"), allow);
	call_request(&call, "UPDATE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "UPDATE"), 200);
	REQ("CF-7.2.1.1-OK2");
	ended();
}

Test(CF_7_2_1_1, OK3a_session_expires_refresher_uac)
{
	const struct sip_message *ok =
		answered("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");

	cr_assert_str_eq(sip_header(ok, "Session-Expires"), "600;refresher=uac");
	cr_assert_str_eq(sip_header(ok, "Require"), "timer"); /* RFC 4028 9 */
	REQ("CF-7.2.1.1-OK3a");
	ended();
}

Test(CF_7_2_1_1, OK3a_also_for_one_without_the_timer)
{
	const struct sip_message *ok = answered("");

	cr_assert_str_eq(sip_header(ok, "Session-Expires"), "1800;refresher=uac");
	cr_assert_str_eq(sip_header(ok, "Require"), "");
	ended();
}

Test(CF_7_2_1_1, OK3a_a_refresher_that_the_request_names_is_kept)
{
	const struct sip_message *ok =
		answered("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n");

	cr_assert_str_eq(sip_header(ok, "Session-Expires"), "600;refresher=uas");
	ended();
}

Test(CF_7_2_1_1, OK3b_the_session_timer_runs_from_the_200)
{
	const struct rig_options options = { .conference = ALONE,
		.sip = "  session_expires_s: 3\n  min_se_s: 1\n" };

	open_all(&options);
	cr_assert_eq(alone(&call, &alice, "Supported: timer\r\n"), 200);
	cr_assert_str_eq(sip_header(&alice.message, "Session-Expires"), "3;refresher=uac");
	call_ack(&call);
	/* 3 s, a third of it earlier; not at once. */
	cr_assert(sip_nothing(&alice, 1500));
	cr_assert(call_byed(&call, 2000), "no BYE when the session expires");
	REQ("CF-7.2.1.1-OK3b");
	close_all();
}

Test(CF_7_2_1_1, OK4a_originator_is_the_factory)
{
	const struct sip_message *ok = answered("");

	cr_assert_str_eq(sip_header(ok, "P-Asserted-Identity"), "<" SIP_FACTORY ">");
	REQ("CF-7.2.1.1-OK4");
	REQ("CF-7.2.1.1-OK4a");
	ended();
}

Test(CF_7_2_1_1, OK5_contact_is_the_session_identity_of_a_focus)
{
	const struct sip_message *ok = answered("");
	const char *contact = sip_header(ok, "Contact");
	unsigned n = 0;

	/* context.md 3.1: 26 characters of base32, and the tags behind the bracket. */
	cr_assert_eq(strncmp(contact, "<sip:im-", 8), 0);
	while (strchr("abcdefghijklmnopqrstuvwxyz234567", contact[8 + n]) != NULL)
		n++;
	cr_assert_eq(n, 26);
	cr_assert_str_eq(contact + 8 + n, "@example.com>;isfocus;+g.oma.sip-im");
	REQ("CF-7.2.1.1-OK5");
	ended();
}

Test(CF_7_2_1_1, OK6_server_has_the_release)
{
	const struct sip_message *ok = answered("");

	HAS(sip_header(ok, "Server"), "IM-serv/OMA1.0");
	REQ("CF-7.2.1.1-OK6");
	ended();
}
