/* SPDX-License-Identifier: BSD-3-Clause */
/* Dialogs at their edges (RFC 3261 12 to 14): routes, targets, forks, glare, odd answers of
 * invitees. */
#include "tests/scenario/focus/cast.h"

static const struct rig_options with_empty = { .conference = ALONE };

Test(dialog, a_bye_takes_the_recorded_route)
{
	char headers[100], target[100];

	open_all(NULL);
	/* Carol plays the proxy. */
	snprintf(headers, sizeof(headers), "Record-Route: <sip:127.0.0.1:%u;lr>\r\n", carol.port);
	call_factory(&call, &alice, headers, &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&bobs);
	cr_assert(sip_await_request(&carol, "BYE", RIG_WAIT_MS), "not by way of the proxy");
	snprintf(target, sizeof(target), "sip:alice@127.0.0.1:%u", alice.port);
	cr_assert_str_eq(carol.message.uri, target);
	HAS(sip_header(&carol.message, "Route"), ";lr>");
	sip_reply(&carol, &carol.message, 200, NULL, "", NULL, NULL);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	close_all();
}

Test(dialog, a_new_contact_is_the_new_target)
{
	char headers[100];

	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	snprintf(headers, sizeof(headers), "Contact: <sip:alice@127.0.0.1:%u>\r\n", carol.port);
	call_request(&call, "INVITE", headers, "application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&bobs);
	cr_assert(sip_await_request(&carol, "BYE", RIG_WAIT_MS), "not to the new target");
	sip_reply(&carol, &carol.message, 200, NULL, "", NULL, NULL);
	close_all();
}

/* RFC 3261 13.2.2.4: a second 200 from another branch of a fork is acknowledged and ended. */
Test(dialog, a_forked_200_is_ended)
{
	struct sip_call fork;

	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	fork = bobs;
	snprintf(fork.tag, sizeof(fork.tag), "another");
	call_accept(&fork, "", bobs.offer);
	cr_assert(sip_await_request(&bob, "ACK", RIG_WAIT_MS));
	HAS(sip_header(&bob.message, "To"), "tag=another");
	cr_assert(sip_await_request(&bob, "BYE", RIG_WAIT_MS));
	HAS(sip_header(&bob.message, "To"), "tag=another");
	sip_reply(&bob, &bob.message, 200, NULL, "", NULL, NULL);
	/* The first goes on. */
	cr_assert(sip_nothing(&alice, 200));
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

/* RFC 3261 14.2 */
Test(dialog, glare_gets_491)
{
	const struct rig_options options = { .conference = ALONE,
		.sip = "  session_expires_s: 4\n  min_se_s: 1\n" };
	struct sip_message theirs;

	open_all(&options);
	cr_assert_eq(
		alone(&call, &alice,
			"Supported: timer\r\nSession-Expires: 4;refresher=uas\r\nAllow: INVITE\r\n"),
		200);
	call_ack(&call);
	cr_assert(sip_await_request(&alice, "INVITE", 4000));
	theirs = alice.message;
	alice.message = (struct sip_message){ 0 }; /* kept here */
	call_request(&call, "INVITE", "", "application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 491);
	sip_reply(&alice, &theirs, 200, NULL, "Session-Expires: 4;refresher=uac\r\n",
		"application/sdp", call.offer);
	cr_assert(sip_await_request(&alice, "ACK", RIG_WAIT_MS));
	call_request(&call, "INVITE", "", "application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	free(theirs.text);
	free(theirs.store);
	call_bye(&call);
	close_all();
}

/* RFC 3261 12.2.2 */
Test(dialog, a_request_out_of_order_gets_500)
{
	open_all(&with_empty);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	call.cseq = 10;
	call_request(&call, "UPDATE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "UPDATE"), 200);
	call.cseq = 5;
	call_request(&call, "UPDATE", "", NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "UPDATE"), 500);
	call.cseq = 20;
	call_bye(&call);
	close_all();
}

/* RFC 3261 8.2.2.2: the same request by two ways. */
Test(dialog, a_merged_request_gets_482)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call.cseq = 0;
	snprintf(call.remote, sizeof(call.remote), "<" SIP_FACTORY ">");
	call_request(&call, "INVITE", "P-Asserted-Identity: <sip:alice@example.com>\r\n",
		"application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 482);
	cr_assert(sip_nothing(&bob, 200));
	call_reject(&bobs, 486, "");
	close_all();
}

/* ---- odd answers of an invitee: bob's; carol's good one follows, and the room must work ---- */

static void odd(void (*answer)(void))
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	answer();
	cr_assert(sip_focus_lives(&alice));
	accept_it(&carols);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&carols);
	call_bye(&call);
	sip_listen(&bob, 100);
	close_all();
}

static void no_tag(void)
{
	char contact[100];

	snprintf(contact, sizeof(contact), "Contact: <sip:bob@127.0.0.1:%u>\r\n", bob.port);
	call_sdp(&bobs, "active", "");
	sip_reply(&bob, &bobs.invite, 200, NULL, contact, "application/sdp", bobs.offer);
}

Test(dialog, a_200_without_a_tag_does_no_harm)
{
	odd(no_tag);
}

static void no_contact(void)
{
	call_sdp(&bobs, "active", "");
	sip_reply(&bob, &bobs.invite, 200, bobs.tag, "", "application/sdp", bobs.offer);
}

Test(dialog, a_200_without_a_contact_does_no_harm)
{
	odd(no_contact);
}

static void no_body(void)
{
	char contact[100];

	snprintf(contact, sizeof(contact), "Contact: <sip:bob@127.0.0.1:%u>\r\n", bob.port);
	sip_reply(&bob, &bobs.invite, 200, bobs.tag, contact, NULL, NULL);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	HAS(sip_header(&bob.message, "Reason"), "cause=488");
}

Test(dialog, a_200_without_a_body_is_ended)
{
	odd(no_body);
}

static void strange_status(void)
{
	call_reject(&bobs, 699, "Retry-After: x\r\nWarning: nonsense\r\n");
}

Test(dialog, a_strange_status_is_a_failure)
{
	odd(strange_status);
}

static void early_media_from_everywhere(void)
{
	for (unsigned i = 0; i < 5; i++) {
		snprintf(bobs.tag, sizeof(bobs.tag), "branch%u", i);
		call_ring(&bobs);
		sip_reply(&bob, &bobs.invite, 183, bobs.tag, "", "application/sdp", "v=0\r\n");
	}
	cr_assert(sip_await_response(&alice, "INVITE", call.id, 180, RIG_WAIT_MS));
	call_reject(&bobs, 486, "");
}

Test(dialog, early_dialogs_of_a_fork_do_no_harm)
{
	odd(early_media_from_everywhere);
}

/* ---- beyond one ---- */

/* context.md 3.4: at most 100 invitations in flight. */
Test(dialog, a_long_list_is_invited_in_turns)
{
	const struct rig_options options = { .conference = "  max_adhoc_size: 150\n",
		.the_switch = "  max_legs: 300\n  memory_mb: 256\n" };
	char *entries = calloc(1, 20000), *body;
	struct sip_call invited[120] = { { 0 } };
	unsigned n;

	open_all(&options);
	for (unsigned i = 0; i < 120; i++)
		sprintf(entries + strlen(entries), "<entry uri=\"sip:u%u@127.0.0.1:%u\"/>", i,
			bob.port);
	/* Over TCP for its size. */
	sip_peer_close(&alice);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	for (n = 0; n < 100; n++)
		call_incoming(&invited[n], &bob);
	cr_assert_not(sip_await_request(&bob, "INVITE", 400), "more than 100 in flight");
	for (unsigned i = 0; i < 20; i++)
		call_reject(&invited[i], 486, "");
	for (; n < 120; n++)
		call_incoming(&invited[n], &bob);
	cr_assert_not(sip_await_request(&bob, "INVITE", 100));
	for (unsigned i = 20; i < 120; i++)
		call_reject(&invited[i], i == 77 ? 404 : 486, "");
	cr_assert_eq(call_final(&call), 404);
	for (unsigned i = 0; i < 120; i++)
		call_free(&invited[i]);
	free(body);
	free(entries);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 2000));
	close_all();
}

/* sip.next_hop: requests to users go there, with its Route where it routes loosely. */
Test(dialog, invitations_take_the_next_hop)
{
	char sip[100], *body;
	struct rig_options options = { .sip = sip };
	struct sip_peer proxy;
	struct sip_call through = { 0 };

	sip_peer_open(&proxy, &rig, "proxy", SIP_TRUSTED, false);
	snprintf(sip, sizeof(sip), "  next_hop: \"sip:127.0.0.1:%u;lr\"\n", proxy.port);
	open_all(&options);
	body = call_list(
		call_sdp(&call, "actpass", ""), "<entry uri=\"sip:zoe@elsewhere.example.org\"/>");
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	call_incoming(&through, &proxy);
	cr_assert_str_eq(through.invite.uri, "sip:zoe@elsewhere.example.org");
	HAS(sip_header(&through.invite, "Route"), ";lr>");
	call_reject(&through, 404, "");
	cr_assert_eq(call_final(&call), 404);
	call_free(&through);
	sip_peer_close(&proxy);
	close_all();
}

/* RFC 3261 13.3.1.4: 64 * T1 without an ACK, then BYE. */
Test(dialog, a_200_that_is_never_acknowledged_is_ended, .timeout = 60)
{
	open_all(&with_empty);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	cr_assert_not(sip_await_request(&alice, "BYE", 25000));
	cr_assert(call_byed(&call, 15000), "no BYE after 32 s");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", 1000));
	close_all();
}
