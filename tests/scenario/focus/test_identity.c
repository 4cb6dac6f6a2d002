/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is believed (context.md 3.1), and the small registrar. */
#include "tests/scenario/focus/cast.h"

Test(identity, an_untrusted_source_asserts_nothing)
{
	const struct rig_options options = { .conference = ALONE };
	struct sip_peer mallory;
	struct sip_call mallorys = { 0 };

	open_all(&options);
	sip_peer_open(&mallory, &rig, "mallory", SIP_FOREIGN, false);
	cr_assert_eq(alone(&mallorys, &mallory, "P-Asserted-Identity: <sip:alice@example.com>\r\n"),
		403);
	HAS(sip_header(&mallory.message, "Warning"), "Originator not authenticated");
	REQ("CF-7.2.1.2-R2a");
	sip_peer_close(&mallory);
	close_all();
}

Test(identity, trust_from_is_for_trusted_sources_only)
{
	const struct rig_options options = { .conference = ALONE, .sip = "  trust_from: true\n" };
	struct sip_peer mallory;
	struct sip_call mallorys = { .no_identity = true };

	open_all(&options);
	sip_peer_open(&mallory, &rig, "mallory", SIP_FOREIGN, false);
	cr_assert_eq(alone(&mallorys, &mallory, ""), 403);
	call.no_identity = true;
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	call_bye(&call);
	sip_peer_close(&mallory);
	close_all();
}

/* Two values name one user, whose entity is the sip URI. */
Test(identity, a_second_value_names_the_same_user)
{
	char entries[500], *body;

	open_all(NULL);
	snprintf(entries, sizeof(entries),
		"<entry uri=\"tel:+15550100\"/><entry uri=\"sip:alice@example.com\"/><entry uri=\"sip:bob@127.0.0.1:%u\"/>",
		bob.port);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY,
		"P-Asserted-Identity: <tel:+1-555-0100>, <sip:alice@example.com>\r\n",
		RIG_MULTIPART, body);
	free(body);
	call_incoming(&bobs, &bob);
	HAS(sip_header(&bobs.invite, "P-Asserted-Identity"), "<sip:alice@example.com>");
	call_reject(&bobs, 486, "");
	/* Nobody else was asked: the other entries are she herself. */
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

/* ---- the registrar ---- */

static void invite_bob_of_example(void)
{
	char *body =
		call_list(call_sdp(&call, "actpass", ""), "<entry uri=\"sip:bob@example.com\"/>");

	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
}

static void bob_refuses(void)
{
	call_incoming(&bobs, &bob);
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	call_free(&bobs);
}

Test(registrar, registers_refreshes_and_removes)
{
	char contact[200], uri[100];

	open_all(NULL);
	invite_bob_of_example();
	cr_assert_eq(call_final(&call), 480, "not registered yet");
	snprintf(uri, sizeof(uri), "sip:bob@127.0.0.1:%u", bob.port);
	snprintf(contact, sizeof(contact), "Contact: <%s>\r\nExpires: 600\r\n", uri);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", contact), 200);
	HAS(sip_header(&bob.message, "Contact"), uri);
	HAS(sip_header(&bob.message, "Contact"), "expires=");
	invite_bob_of_example();
	bob_refuses();
	/* Refreshed: still one; asked: the same. */
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", contact), 200);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", ""), 200);
	HAS(sip_header(&bob.message, "Contact"), uri);
	cr_assert_str_eq(sip_header_nth(&bob.message, "Contact", 1), "");
	snprintf(contact, sizeof(contact), "Contact: <%s>;expires=0\r\n", uri);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", contact), 200);
	cr_assert_str_eq(sip_header(&bob.message, "Contact"), "");
	invite_bob_of_example();
	cr_assert_eq(call_final(&call), 480, "removed");
	/* All at once. */
	snprintf(contact, sizeof(contact), "Contact: <%s>\r\nExpires: 600\r\n", uri);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", contact), 200);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", "Contact: *\r\n"), 400);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", "Contact: *\r\nExpires: 0\r\n"), 200);
	invite_bob_of_example();
	cr_assert_eq(call_final(&call), 480);
	close_all();
}

Test(registrar, a_registration_expires)
{
	char contact[200];

	open_all(NULL);
	snprintf(contact, sizeof(contact), "Contact: <sip:bob@127.0.0.1:%u>;expires=2\r\n",
		bob.port);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", contact), 200);
	invite_bob_of_example();
	bob_refuses();
	rig_pause(2200);
	invite_bob_of_example();
	cr_assert_eq(call_final(&call), 480);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", ""), 200);
	cr_assert_str_eq(sip_header(&bob.message, "Contact"), "");
	close_all();
}

Test(registrar, refuses_strangers_and_strange_domains)
{
	struct sip_peer mallory;

	open_all(NULL);
	sip_peer_open(&mallory, &rig, "mallory", SIP_FOREIGN, false);
	cr_assert_eq(
		register_it(&mallory, "sip:bob@example.com", "Contact: <sip:bob@127.0.0.2:9>\r\n"),
		403);
	HAS(sip_header(&mallory.message, "Warning"), "Originator not authenticated");
	cr_assert_eq(register_it(&bob, "sip:bob@example.net", "Contact: <sip:bob@127.0.0.1:9>\r\n"),
		404);
	cr_assert_eq(
		register_it(&bob, "sip:bob@example.com", "Contact: <mailto:bob@127.0.0.1>\r\n"),
		400);
	invite_bob_of_example();
	cr_assert_eq(call_final(&call), 480);
	sip_peer_close(&mallory);
	close_all();
}

Test(registrar, can_be_off)
{
	const struct rig_options options = { .sip = "  registrar: false\n" };

	open_all(&options);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", "Contact: <sip:bob@127.0.0.1:9>\r\n"),
		405);
	HAS(sip_header(&bob.message, "Allow"), "INVITE");
	close_all();
}
