/* SPDX-License-Identifier: BSD-3-Clause */
/* The SIP/IP Core is an IMS (the last row of every clause of 7.2.1): a request as an S-CSCF hands
 * it to an application server (3GPP TS 24.229 5.4.3, 5.7): behind two proxies that record their
 * route, with a Route that leads to us, asserted identities (sip: and tel:), charging and access
 * information. What we answer goes back by the Vias and repeats Record-Route; what we send in the
 * dialog goes by the route set, also though the Contact cannot be reached from here; what we send
 * to users goes by the S-CSCF, with the identity that it is sent for. */
#include "tests/scenario/focus/group_cast.h"
#include "tests/scenario/focus/watch.h"

#define UE "sip:alice@192.0.2.33:5066" /* no way leads there but by the core */

static struct sip_peer core; /* the S-CSCF; speaks for alice */
static char route_to_ue[300];

static void open_core(const struct rig_options *options, const char *group)
{
	if (group != NULL)
		open_group(options, group);
	else
		open_all(options);
	sip_peer_open(&core, &rig, "alice", SIP_TRUSTED, false);
}

static void close_core(void)
{
	sip_peer_close(&core);
	close_all();
}

/* All that the core adds on the way from the UE. */
static const char *from_core(void)
{
	static char headers[1900];

	snprintf(route_to_ue, sizeof(route_to_ue),
		"<sip:mo@127.0.0.1:%u;lr;orig-dialog-id=7>,<sip:pcscf.visited.example.net:5060;lr>",
		core.port);
	snprintf(headers, sizeof(headers),
		"Via: SIP/2.0/UDP pcscf.visited.example.net:5060;branch=z9hG4bKpcscf\r\n"
		"Via: SIP/2.0/UDP 192.0.2.33:5066;comp=sigcomp;branch=z9hG4bKue\r\n"
		"Route: <sip:im-as@127.0.0.1:%u;lr;call=terminating_unregistered>, "
		"<sip:scscf.home.example.com;lr;odi=9>\r\n"
		"Record-Route: <sip:mo@127.0.0.1:%u;lr;orig-dialog-id=7>, "
		"<sip:pcscf.visited.example.net:5060;lr>\r\n"
		"P-Asserted-Identity: \"Alice\" <sip:alice@example.com>, <tel:+1-555-0100>\r\n"
		"P-Charging-Vector: icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso=023551024\";"
		"orig-ioi=home.example.com\r\n"
		"P-Charging-Function-Addresses: ccf=192.0.2.91; ccf=192.0.2.92;ecf=192.0.2.93\r\n"
		"P-Access-Network-Info: 3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11\r\n"
		"P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.im\r\n"
		"P-Visited-Network-ID: \"Visited network\"\r\n"
		"Privacy: none\r\n"
		"Accept-Contact: *;+g.oma.sip-im;require;explicit\r\n"
		"Contact: <" UE ";comp=sigcomp>;+g.oma.sip-im\r\n",
		rig.sip_port, core.port);
	return headers;
}

/* Back the way it came (RFC 3261 18.2.2; TS 24.229 5.7.2): every Via, in order, and the route. */
static void answered_along(unsigned status)
{
	const struct sip_message *m = &core.message;

	cr_assert_eq(m->status, status, "%s", m->text);
	HAS(sip_header_nth(m, "Via", 1), "pcscf.visited.example.net");
	HAS(sip_header_nth(m, "Via", 2), "192.0.2.33:5066");
	cr_assert_str_eq(sip_header_nth(m, "Via", 3), "");
}

static void route_is_repeated(void)
{
	const char *text = core.message.text;
	const char *one = strstr(text, ";lr;orig-dialog-id=7>");
	const char *two = strstr(text, "<sip:pcscf.visited.example.net:5060;lr>");

	HAS(text, "Record-Route:");
	cr_assert(one != NULL && two != NULL && one < two, "%s", text);
}

/* A request of ours in the dialog, taken by the core: to the UE, by the route set. */
static void comes_by_the_route(const char *method)
{
	const struct sip_message *m = &core.message;
	char routes[600];

	cr_assert(sip_await_request(&core, method, 2 * RIG_WAIT_MS), "no %s", method);
	HAS(m->uri, UE);
	snprintf(routes, sizeof(routes), "%s,%s", sip_header_nth(m, "Route", 0),
		sip_header_nth(m, "Route", 1));
	for (char *at = routes; (at = strchr(at, ' ')) != NULL;)
		memmove(at, at + 1, strlen(at));
	cr_assert_eq(strncmp(routes, route_to_ue, strlen(route_to_ue)), 0, "%s", routes);
}

/* Alice's INVITE by way of the core, to the factory, with bob and carol. */
static void invite_by_core(void)
{
	call_factory(&call, &core, from_core(), &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	accept_it(&bobs);
	accept_it(&carols);
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	route_is_repeated();
	call_ack(&call);
}

Test(CF_7_2_1_1, IMS_the_200_goes_back_the_way_the_invite_came)
{
	open_core(NULL, NULL);
	invite_by_core();
	/* 5.7.2: who answers says who it is, and keeps to itself what is the core's affair. */
	cr_assert_str_eq(sip_header(&core.message, "P-Asserted-Identity"), "<" SIP_FACTORY ">");
	HAS(sip_header(&core.message, "Contact"), "isfocus");
	LACKS(core.message.text, "P-Access-Network-Info");
	call_bye(&bobs);
	call_bye(&carols);
	comes_by_the_route("BYE");
	REQ("CF-7.2.1.1-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	close_core();
}

/* Invitations go by the S-CSCF (5.7.3), for the inviter, and their dialogs by its route. */
Test(CF_7_2_1_2, IMS_invitations_go_by_the_core)
{
	char sip[100], headers[300], *body;
	struct rig_options options = { .sip = sip };
	struct sip_peer scscf;
	struct sip_call through = { 0 };

	sip_peer_open(&scscf, &rig, "scscf", SIP_TRUSTED, false);
	snprintf(sip, sizeof(sip), "  next_hop: \"sip:orig@127.0.0.1:%u;lr\"\n", scscf.port);
	open_core(&options, NULL);
	call.peer = &core;
	body = call_list(call_sdp(&call, "actpass", ""), "<entry uri=\"sip:bob@example.com\"/>");
	call_invite(&call, &core, SIP_FACTORY, from_core(), RIG_MULTIPART, body);
	free(body);
	call_incoming(&through, &scscf);
	cr_assert_str_eq(through.invite.uri, "sip:bob@example.com");
	snprintf(headers, sizeof(headers), "<sip:orig@127.0.0.1:%u;lr>", scscf.port);
	cr_assert_str_eq(sip_header(&through.invite, "Route"), headers);
	cr_assert_str_eq(sip_header(&through.invite, "P-Asserted-Identity"),
		"\"Alice\" <sip:alice@example.com>");
	cr_assert_str_eq(
		sip_header(&through.invite, "Accept-Contact"), "*;+g.oma.sip-im;require;explicit");
	/* The 200 brings the route set, the core is the first from us. */
	snprintf(headers, sizeof(headers),
		"Record-Route: <sip:pcscf2.example.net;lr>, <sip:mt@127.0.0.1:%u;lr>\r\n"
		"Contact: <sip:bob@192.0.2.44:5070>;+g.oma.sip-im\r\n",
		scscf.port);
	call_accept(&through, headers, call_sdp(&through, "active", ""));
	cr_assert(sip_await_request(&scscf, "ACK", RIG_WAIT_MS), "no ACK by the core");
	HAS(scscf.message.uri, "sip:bob@192.0.2.44:5070");
	HAS(sip_header(&scscf.message, "Route"), "<sip:mt@127.0.0.1");
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	call_ack(&call);
	call_bye(&call);
	cr_assert(sip_await_request(&scscf, "BYE", RIG_WAIT_MS), "no BYE by the core");
	HAS(scscf.message.uri, "sip:bob@192.0.2.44:5070");
	HAS(scscf.message.text, "<sip:pcscf2.example.net;lr>");
	REQ("CF-7.2.1.2-IMS");
	sip_reply(&scscf, &scscf.message, 200, NULL, "", NULL, NULL);
	call_free(&through);
	sip_peer_close(&scscf);
	close_core();
}

/* A refusal goes back the same way. */
Test(CF_7_2_1_2, IMS_a_refusal_goes_back_the_way_the_invite_came)
{
	open_core(NULL, NULL);
	call.peer = &core;
	call_invite(&call, &core, SIP_FACTORY, from_core(), "application/sdp",
		call_sdp(&call, "actpass", ""));
	cr_assert_eq(call_final(&call), 403);
	answered_along(403);
	close_core();
}

Test(CF_7_2_1_3, IMS_a_group_is_set_up_by_way_of_the_core)
{
	open_core(NULL, INVITING);
	call.peer = &core;
	call_invite(
		&call, &core, TEAM, from_core(), "application/sdp", call_sdp(&call, "actpass", ""));
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	/* The rules hold for the asserted identity, not for From. */
	cr_assert_str_eq(sip_header(&bobs.invite, "P-Asserted-Identity"),
		"\"Alice\" <sip:alice@example.com>");
	accept_it(&bobs);
	accept_it(&carols);
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	route_is_repeated();
	cr_assert_str_eq(sip_header(&core.message, "P-Asserted-Identity"), "<" TEAM ">");
	call_ack(&call);
	call_bye(&bobs);
	call_bye(&carols);
	comes_by_the_route("BYE");
	REQ("CF-7.2.1.3-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	close_core();
}

Test(CF_7_2_1_4, IMS_a_member_joins_by_way_of_the_core)
{
	open_core(NULL, CHATTING);
	enter(&bobs, &bob);
	call.peer = &core;
	call_invite(
		&call, &core, TEAM, from_core(), "application/sdp", call_sdp(&call, "actpass", ""));
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	route_is_repeated();
	REQ("CF-7.2.1.4-IMS");
	call_ack(&call);
	call_bye(&call);
	call_bye(&bobs);
	close_core();
}

Test(CF_7_2_1_5, IMS_one_comes_back_by_way_of_the_core)
{
	char identity[200];

	open_core(NULL, NULL);
	invite_by_core();
	snprintf(identity, sizeof(identity), "%s", call.identity);
	call_bye(&call);
	/* Known by her number alone, she is the same user. */
	call.peer = &core;
	call_invite(&call, &core, identity, from_core(), "application/sdp",
		call_sdp(&call, "actpass", ""));
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	route_is_repeated();
	call_ack(&call);
	call_bye(&bobs);
	call_bye(&carols);
	comes_by_the_route("BYE");
	REQ("CF-7.2.1.5-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	close_core();
}

Test(CF_7_2_1_6, IMS_a_reinvite_by_way_of_the_core)
{
	open_core(NULL, NULL);
	invite_by_core();
	call_request(&call, "INVITE", from_core(), "application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	call_ack(&call);
	/* RFC 3261 12.2: what a re-INVITE records changes nothing in the route set. */
	call_request(&call, "INVITE",
		"Record-Route: <sip:127.0.0.1:9;lr>\r\nContact: <" UE ">;+g.oma.sip-im\r\n",
		"application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&bobs);
	call_bye(&carols);
	comes_by_the_route("BYE");
	REQ("CF-7.2.1.6-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	close_core();
}

/* REFER, outside of the dialog as clients send it, and its NOTIFYs. */
Test(CF_7_2_1_7, IMS_one_is_added_by_way_of_the_core)
{
	struct sip_peer dave;
	struct sip_call daves = { 0 }, outside = { 0 };
	char headers[2048];

	open_core(NULL, NULL);
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	invite_by_core();
	snprintf(headers, sizeof(headers), "%sRefer-To: <sip:dave@127.0.0.1:%u>\r\n", from_core(),
		dave.port);
	call_outside(&outside, &core, "REFER", call.identity, headers, NULL, NULL);
	cr_assert(sip_await_response(&core, "REFER", outside.id, 0, RIG_WAIT_MS));
	answered_along(202);
	route_is_repeated();
	comes_by_the_route("NOTIFY");
	HAS(core.message.body, "SIP/2.0 100 Trying");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	call_incoming(&daves, &dave);
	HAS(sip_header(&daves.invite, "P-Asserted-Identity"), "<sip:alice@example.com>");
	call_reject(&daves, 486, "");
	comes_by_the_route("NOTIFY");
	HAS(core.message.body, "SIP/2.0 486");
	REQ("CF-7.2.1.7-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	sip_peer_close(&dave);
	call_free(&daves);
	close_core();
}

Test(CF_7_2_1_8, IMS_one_is_expelled_by_way_of_the_core)
{
	char headers[2048];

	open_core(NULL, NULL);
	invite_by_core();
	snprintf(headers, sizeof(headers), "%sRefer-To: <sip:bob@127.0.0.1:%u;method=BYE>\r\n",
		from_core(), bob.port);
	call_request(&call, "REFER", headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "REFER"), 202);
	answered_along(202);
	comes_by_the_route("NOTIFY");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS), "bob is still in");
	HAS(sip_header(&bob.message, "Reason"), "cause=403");
	comes_by_the_route("NOTIFY");
	HAS(core.message.body, "SIP/2.0 200");
	REQ("CF-7.2.1.8-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	call_bye(&carols);
	close_core();
}

Test(CF_7_2_1_9, IMS_one_is_removed_by_way_of_the_core)
{
	open_core(NULL, NULL);
	invite_by_core();
	/* The others have gone: she is removed. */
	call_bye(&bobs);
	call_bye(&carols);
	comes_by_the_route("BYE");
	HAS(sip_header(&core.message, "Reason"), "SIP;cause=410");
	REQ("CF-7.2.1.9-IMS");
	sip_reply(&core, &core.message, 200, NULL, "", NULL, NULL);
	close_core();
}

Test(CF_7_2_1_10, IMS_one_leaves_by_way_of_the_core)
{
	open_core(NULL, NULL);
	invite_by_core();
	call_request(&call, "BYE", from_core(), NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "BYE"), 200);
	answered_along(200);
	REQ("CF-7.2.1.10-IMS");
	cr_assert(sip_nothing(&core, 200));
	call_bye(&bobs);
	close_core();
}

Test(CF_7_2_1_11, IMS_the_session_is_refreshed_by_way_of_the_core)
{
	const struct rig_options options = {
		.sip = "  session_expires_s: 6\n  min_se_s: 1\n",
		.conference = ALONE,
	};
	char headers[2048];

	open_core(&options, NULL);
	call.peer = &core;
	snprintf(headers, sizeof(headers),
		"%sSupported: timer\r\nSession-Expires: 6;refresher=uas\r\nAllow: INVITE, UPDATE\r\n",
		from_core());
	call_invite(&call, &core, SIP_FACTORY, headers, "application/sdp",
		call_sdp(&call, "actpass", ""));
	cr_assert_eq(call_final(&call), 200);
	answered_along(200);
	call_ack(&call);
	comes_by_the_route("UPDATE");
	sip_reply(&core, &core.message, 200, NULL, "Session-Expires: 1800;refresher=uas\r\n", NULL,
		NULL);
	/* Theirs. */
	snprintf(headers, sizeof(headers),
		"%sSupported: timer\r\nSession-Expires: 6;refresher=uac\r\n", from_core());
	call_request(&call, "UPDATE", headers, NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "UPDATE"), 200);
	answered_along(200);
	REQ("CF-7.2.1.11-IMS");
	call_bye(&call);
	close_core();
}

/* The NOTIFYs too: of a subscription in a dialog of its own, and in that of the INVITE. */
Test(CF_7_2_1_12, IMS_a_subscription_by_way_of_the_core)
{
	static struct watch own, within;

	open_core(NULL, NULL);
	invite_by_core();
	cr_assert_eq(watch_ask(&own, &core, call.identity, from_core()), 200);
	answered_along(200);
	route_is_repeated();
	comes_by_the_route("NOTIFY");
	watch_take(&core);
	cr_assert(own.view.full);
	cr_assert_eq(watch_within(&within, &call, from_core()), 200);
	answered_along(200);
	comes_by_the_route("NOTIFY");
	watch_take(&core);
	REQ("CF-7.2.1.12-IMS");
	conference_view_fini(&own.view);
	conference_view_fini(&within.view);
	sip_listen(&core, 50);
	close_core();
}
