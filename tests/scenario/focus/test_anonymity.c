/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.3.2 as context.md 2.4 reads it: who asks for privacy is known by an alias, and by nothing
 * else, to all others. At a rejoin: test_7_2_1_5_rejoin; in the roster: test_7_2_1_12_subscribe; in
 * groups: test_7_2_1_4_join. */
#include "tests/scenario/focus/watch.h"

static struct sip_party three[3];
static char heard[4096];

static bool hears(struct msrp_peer *peer, const char *text)
{
	while (peer_take(peer, RIG_WAIT_MS)) {
		if (peer->chunk.method != METHOD_SEND)
			continue;
		snprintf(heard, sizeof(heard), "%.*s", (int)peer->body_len,
			(const char *)peer->body);
		if (strstr(heard, text) != NULL)
			return true;
	}
	return false;
}

static unsigned says(struct sip_party *party, const char *to, const char *tid)
{
	struct sip_call from = party->call;

	if (to != NULL)
		snprintf(from.identity, sizeof(from.identity), "%s", to);
	call_say(&from, &party->msrp, tid, "", tid);
	return peer_status(&party->msrp, tid);
}

#define SECRET "secret-alice"
#define HIDDEN                                                                                     \
	"Privacy: id\r\nP-Asserted-Identity: \"The " SECRET "\" <sip:" SECRET                      \
	"@example.com>, <tel:+15550177>\r\n"

static void address_of(const char *text, char *out, size_t size)
{
	const char *at = strstr(text, "<sip:anon-");

	cr_assert_not_null(at, "%s", text);
	snprintf(out, size, "%.*s", (int)strcspn(at + 1, ">"), at + 1);
}

Test(anonymity, nothing_that_others_get_says_who_it_is)
{
	char alias[80], *all;
	struct watch *watch = calloc(1, sizeof(*watch));

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, HIDDEN, false);
	/* The invitations, whole: the factory invites. */
	for (unsigned i = 1; i < 3; i++) {
		all = three[i].call.invite.text;
		LACKS(all, SECRET);
		LACKS(all, "5550177");
		LACKS(all, "Referred-By");
		cr_assert_str_eq(sip_header(&three[i].call.invite, "P-Asserted-Identity"),
			"<" SIP_FACTORY ">");
		cr_assert_str_eq(sip_header(&three[i].call.invite, "Privacy"), "id");
		LACKS(sip_header(&three[i].call.invite, "From"), "alice");
	}
	snprintf(three[0].call.leg.address, sizeof(three[0].call.leg.address),
		"sip:" SECRET "@example.com");
	for (unsigned i = 0; i < 3; i++)
		call_bind(&three[i].call, &three[i].msrp);
	/* What she says, also under her own address. */
	while (says(&three[0], NULL, "hidden01") != 200)
		rig_pause(20);
	cr_assert(hears(&three[1].msrp, "hidden01"));
	LACKS(heard, SECRET);
	HAS(heard, "From: \"Anonymous 1\" <sip:anon-");
	address_of(heard, alias, sizeof(alias));
	/* Under her alias, and under her tel: number. */
	snprintf(three[0].call.leg.address, sizeof(three[0].call.leg.address), "%s", alias);
	cr_assert_eq(says(&three[0], NULL, "hidden02"), 200);
	cr_assert(hears(&three[1].msrp, "hidden02"));
	HAS(heard, alias);
	snprintf(three[0].call.leg.address, sizeof(three[0].call.leg.address), "tel:+15550177");
	cr_assert_eq(says(&three[0], NULL, "hidden03"), 200);
	cr_assert(hears(&three[1].msrp, "hidden03"));
	HAS(heard, alias);
	LACKS(heard, "5550177");
	/* Nobody else may speak under it. */
	{
		struct sip_party liar = three[1];

		snprintf(liar.call.leg.address, sizeof(liar.call.leg.address), "%s", alias);
		call_say(&liar.call, &three[1].msrp, "liar0001", "", "it is me");
		cr_assert_eq(peer_status(&three[1].msrp, "liar0001"), 403);
	}
	/* The roster. */
	{
		char headers[200];

		snprintf(headers, sizeof(headers), "P-Asserted-Identity: <%s>\r\n",
			three[1].call.leg.address);
		cr_assert_eq(
			watch_ask(watch, &three[1].peer, three[1].call.identity, headers), 200);
	}
	cr_assert(watch_next(watch, RIG_WAIT_MS));
	LACKS(watch->body, SECRET);
	LACKS(watch->body, "5550177");
	LACKS(watch->body, "127.0.0.1:9"); /* a Contact or path */
	cr_assert_str_eq(conference_view_status(&watch->view, alias), "connected");
	/* context.md 2.4: a private message to the alias reaches her; one to her address is for
	 * nobody here. */
	cr_assert_eq(says(&three[1], alias, "private1"), 428, "she announced no private messages");
	cr_assert_eq(says(&three[1], "sip:" SECRET "@example.com", "private2"), 404);
	cr_assert_eq(says(&three[1], "tel:+15550177", "private3"), 404);
	cr_assert_eq(says(&three[1], "sip:nobody@example.com", "private4"), 404);
	party_close(three, 3);
	sip_rig_stop(&rig);
	conference_view_fini(&watch->view);
	free(watch);
}

Test(anonymity, a_private_message_to_the_alias_arrives)
{
	char alias[80], identity[300], header[200];
	struct sip_call again = { .peer = NULL };
	struct msrp_peer msrp;

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	again.peer = &three[2].peer;
	snprintf(identity, sizeof(identity), "%s", three[0].call.identity);
	snprintf(header, sizeof(header), "Privacy: user\r\nP-Asserted-Identity: <%s>\r\n",
		three[2].call.leg.address);
	call_invite(&again, &three[2].peer, identity, header, "application/sdp",
		call_sdp(&again, "actpass", "a=chatroom:private-messages\r\n"));
	cr_assert_eq(call_final(&again), 200);
	call_ack(&again);
	call_bind(&again, &msrp);
	snprintf(again.leg.address, sizeof(again.leg.address), "%s", three[2].call.leg.address);
	call_say(&again, &msrp, "whoami01", "", "whoami01");
	cr_assert_eq(peer_status(&msrp, "whoami01"), 200);
	cr_assert(hears(&three[0].msrp, "whoami01"));
	address_of(heard, alias, sizeof(alias));
	cr_assert_eq(says(&three[0], alias, "private1"), 200);
	cr_assert(hears(&msrp, "private1"));
	cr_assert_eq(says(&three[0], three[2].call.leg.address, "private2"), 404);
	/* What she says privately is the alias's as well. */
	{
		struct sip_call from = again;

		snprintf(from.identity, sizeof(from.identity), "%s", three[0].call.leg.address);
		call_say(&from, &msrp, "private3", "", "private3");
		cr_assert_eq(peer_status(&msrp, "private3"), 428, "alice announced none");
	}
	peer_close(&msrp);
	party_close(three, 3);
	sip_rig_stop(&rig);
}

/* Who is anonymous invites as nobody, also by a REFER that says nothing of privacy. */
Test(anonymity, whom_an_anonymous_user_refers_learns_nothing_either)
{
	struct sip_call daves;
	struct sip_peer dave;
	char headers[400];

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 2, HIDDEN, false);
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	snprintf(headers, sizeof(headers),
		"Refer-To: <sip:dave@127.0.0.1:%u>\r\nRefer-Sub: false\r\n", dave.port);
	call_request(&three[0].call, "REFER", headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&three[0].call, "REFER"), 202);
	call_incoming(&daves, &dave);
	LACKS(daves.invite.text, SECRET);
	LACKS(daves.invite.text, "Referred-By");
	cr_assert_str_eq(sip_header(&daves.invite, "P-Asserted-Identity"), "<" SIP_FACTORY ">");
	call_reject(&daves, 486, "");
	call_free(&daves);
	sip_peer_close(&dave);
	party_close(three, 2);
	sip_rig_stop(&rig);
}

/* Two of them are two, and each keeps its own. */
Test(anonymity, aliases_differ_and_say_nothing_of_each_other)
{
	struct sip_call again[2] = { { 0 } };
	char alias[2][80], header[200];
	struct msrp_peer msrp[2];

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	for (unsigned i = 0; i < 2; i++) {
		struct sip_party *party = &three[i + 1];
		char tid[20];

		again[i].peer = &party->peer;
		snprintf(header, sizeof(header), "Privacy: id\r\nP-Asserted-Identity: <%s>\r\n",
			party->call.leg.address);
		call_invite(&again[i], &party->peer, party->call.identity, header,
			"application/sdp", call_sdp(&again[i], "actpass", ""));
		cr_assert_eq(call_final(&again[i]), 200);
		call_ack(&again[i]);
		call_bind(&again[i], &msrp[i]);
		snprintf(again[i].leg.address, sizeof(again[i].leg.address), "%s",
			party->call.leg.address);
		snprintf(tid, sizeof(tid), "iamnum%02u", i);
		call_say(&again[i], &msrp[i], tid, "", tid);
		cr_assert_eq(peer_status(&msrp[i], tid), 200);
		cr_assert(hears(&three[0].msrp, tid));
		address_of(heard, alias[i], sizeof(alias[i]));
		snprintf(header, sizeof(header), "\"Anonymous %u\"", i + 1);
		HAS(heard, header);
	}
	cr_assert_str_neq(alias[0], alias[1]);
	for (unsigned i = 0; i < 2; i++)
		peer_close(&msrp[i]);
	party_close(three, 3);
	sip_rig_stop(&rig);
}

/* RFC 5364 anonymize: the others do not learn who stands there, not from the list and not when he
 * comes. */
Test(anonymity, an_anonymised_entry_stays_so_in_the_conference)
{
	char entries[1000], *body;
	struct msrp_peer msrp, bobs_msrp;

	open_all(NULL);
	snprintf(entries, sizeof(entries),
		"<entry uri=\"sip:bob@127.0.0.1:%u\" cp:copyControl=\"to\" cp:anonymize=\"true\"/>"
		"<entry uri=\"sip:carol@127.0.0.1:%u\" cp:copyControl=\"to\"/>",
		bob.port, carol.port);
	body = call_list(call_sdp(&call, "actpass", ""), entries);
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	LACKS(carols.invite.body, "bob");
	HAS(carols.invite.body, "sip:anonymous@anonymous.invalid");
	snprintf(bobs.leg.address, sizeof(bobs.leg.address), "%s", bobs.invite.uri);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_reject(&carols, 486, "");
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	do {
		call_say(&bobs, &bobs_msrp, "frombob1", "", "frombob1");
	} while (peer_status(&bobs_msrp, "frombob1") != 200);
	cr_assert(hears(&msrp, "frombob1"));
	LACKS(heard, "sip:bob");
	HAS(heard, "\"Anonymous 1\" <sip:anon-");
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

Test(anonymity, where_the_operator_does_not_want_it_it_gets_403)
{
	const struct rig_options named = { .conference = "  allow_anonymity: false\n" };

	open_all(&named);
	call_factory(&call, &alice, "Privacy: id\r\n", &bob, NULL);
	cr_assert_eq(call_final(&call), 403);
	cr_assert_str_eq(
		sip_header(&alice.message, "Warning"), "399 example.com \"Anonymity not allowed\"");
	cr_assert(sip_nothing(&bob, 200));
	/* Other values of Privacy ask for nothing of ours. */
	call_factory(&call, &alice, "Privacy: none\r\n", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

/* Whoever was told of her address before she hid gets the roster anew, without it. */
Test(anonymity, who_hides_later_is_gone_from_the_roster_under_her_address)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	const struct rig_options quick = { .conference = "  notify_interval: 0.1\n" };
	struct sip_call again = { .peer = NULL };
	char header[200], address[100];
	unsigned fulls;

	sip_rig_start(&rig, &quick);
	party_meet(&rig, three, 3, "", false);
	snprintf(address, sizeof(address), "%s", three[2].call.leg.address);
	watch_begin(watch, &three[0].peer, three[0].call.identity);
	watch_status(watch, address, "connected");
	fulls = watch->fulls;
	again.peer = &three[2].peer;
	snprintf(header, sizeof(header), "Privacy: id\r\nP-Asserted-Identity: <%s>\r\n", address);
	call_invite(&again, &three[2].peer, three[0].call.identity, header, "application/sdp",
		call_sdp(&again, "actpass", ""));
	cr_assert_eq(call_final(&again), 200);
	call_ack(&again);
	while (watch->fulls == fulls || strstr(watch->body, "Anonymous 1") == NULL)
		cr_assert(watch_next(watch, RIG_WAIT_MS));
	LACKS(watch->body, address);
	cr_assert_eq(watch->view.user_count, 3);
	party_close(three, 3);
	sip_rig_stop(&rig);
	conference_view_fini(&watch->view);
	free(watch);
}
