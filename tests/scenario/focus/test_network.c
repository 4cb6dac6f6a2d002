/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and responses the way networks deliver them: by way of proxies, without an offer, too
 * large for UDP, with what we do not have. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

#define SDP_TYPE "application/sdp"

static const struct rig_options with_empty = { .conference = ALONE };
static struct sip_peer near_proxy, far_proxy;

static void open_with_proxies(const struct rig_options *options)
{
	open_all(options);
	sip_peer_open(&near_proxy, &rig, "near", SIP_TRUSTED, false);
	sip_peer_open(&far_proxy, &rig, "far", SIP_TRUSTED, false);
}

static void close_with_proxies(void)
{
	sip_peer_close(&near_proxy);
	sip_peer_close(&far_proxy);
	close_all();
}

/* Bob and carol are invited and come in. */
static void three_meet(const char *headers)
{
	call_factory(&call, &alice, headers, &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	accept_it(&bobs);
	accept_it(&carols);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
}

/* ---- routes (RFC 3261 12.1, 12.2.1.1, 16.12) ---- */

/* As UAS: the route set is the Record-Route in its order. */
Test(network, what_we_send_an_inviter_takes_the_recorded_route_in_order)
{
	char headers[300], target[100], first[100], second[100];
	const struct sip_message *bye = &near_proxy.message;

	open_with_proxies(NULL);
	snprintf(first, sizeof(first), "<sip:127.0.0.1:%u;lr;near>", near_proxy.port);
	snprintf(second, sizeof(second), "<sip:127.0.0.1:%u;lr;far>", far_proxy.port);
	snprintf(headers, sizeof(headers), "Record-Route: %s\r\nRecord-Route: %s;x=1\r\n", first,
		second);
	three_meet(headers);
	/* The response repeats them. */
	HAS(sip_header_nth(&alice.message, "Record-Route", 0), first);
	HAS(alice.message.text, second);
	call_bye(&bobs);
	call_bye(&carols);
	cr_assert(sip_await_request(&near_proxy, "BYE", RIG_WAIT_MS), "not by the first proxy");
	snprintf(target, sizeof(target), "sip:alice@127.0.0.1:%u", alice.port);
	cr_assert_str_eq(bye->uri, target);
	{
		const char *one = strstr(bye->text, ";lr;near>");
		const char *two = strstr(bye->text, ";lr;far>");

		cr_assert(one != NULL && two != NULL && one < two, "%s", bye->text);
	}
	sip_reply(&near_proxy, bye, 200, NULL, "", NULL, NULL);
	close_with_proxies();
}

/* As UAC: that of the 200, reversed; in ACK, re-INVITE and BYE. */
Test(network, what_we_send_an_invitee_takes_the_route_of_its_200_reversed)
{
	const struct rig_options options = {
		.sip = "  session_expires_s: 4\n  min_se_s: 1\n",
	};
	static const char *const methods[] = { "ACK", "INVITE", "BYE" };
	char headers[400], target[100];

	open_with_proxies(&options);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	/* The way to bob is far, near: the last in the list is the first from us. */
	snprintf(headers, sizeof(headers),
		"Record-Route: <sip:127.0.0.1:%u;lr;far>, <sip:127.0.0.1:%u;lr;near>\r\n"
		"Allow: INVITE, ACK, BYE\r\nRequire: timer\r\nSession-Expires: 4;refresher=uac\r\n",
		far_proxy.port, near_proxy.port);
	call_sdp(&bobs, "active", "");
	{
		char all[700];

		/* call_accept would allow UPDATE. */
		snprintf(all, sizeof(all), "%sContact: <sip:bob@127.0.0.1:%u>\r\n", headers,
			bob.port);
		sip_reply(&bob, &bobs.invite, 200, bobs.tag, all, SDP_TYPE, bobs.offer);
	}
	accept_it(&carols);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	snprintf(target, sizeof(target), "sip:bob@127.0.0.1:%u", bob.port);
	for (unsigned i = 0; i < 3; i++) {
		const struct sip_message *m = &near_proxy.message;
		const char *one, *two;

		if (strcmp(methods[i], "BYE") == 0) {
			call_bye(&call);
			call_bye(&carols);
		}
		cr_assert(sip_await_request(&near_proxy, methods[i], 2 * RIG_WAIT_MS), "no %s",
			methods[i]);
		one = strstr(m->text, ";lr;near>");
		two = strstr(m->text, ";lr;far>");
		cr_assert_str_eq(m->uri, target);
		cr_assert(one != NULL && two != NULL && one < two, "%s", m->text);
		if (strcmp(methods[i], "INVITE") == 0) {
			snprintf(headers, sizeof(headers),
				"Contact: <sip:bob@127.0.0.1:%u>\r\nSession-Expires: 1800;refresher=uac\r\n",
				bob.port);
			sip_reply(&near_proxy, m, 200, NULL, headers, SDP_TYPE, bobs.offer);
			cr_assert(sip_await_request(&near_proxy, "ACK", RIG_WAIT_MS));
		} else if (strcmp(methods[i], "BYE") == 0) {
			sip_reply(&near_proxy, m, 200, NULL, "", NULL, NULL);
		}
	}
	sip_listen(&bob, 50);
	close_with_proxies();
}

/* RFC 3261 12.2.1.1: the first of the route set does not route loosely. */
Test(network, a_strict_router_is_the_request_uri)
{
	char headers[200], uri[100], target[100];

	open_with_proxies(NULL);
	snprintf(uri, sizeof(uri), "sip:127.0.0.1:%u", near_proxy.port);
	snprintf(headers, sizeof(headers), "Record-Route: <%s>\r\n", uri);
	three_meet(headers);
	call_bye(&bobs);
	call_bye(&carols);
	cr_assert(sip_await_request(&near_proxy, "BYE", RIG_WAIT_MS));
	cr_assert_str_eq(near_proxy.message.uri, uri);
	snprintf(target, sizeof(target), "<sip:alice@127.0.0.1:%u>", alice.port);
	HAS(sip_header(&near_proxy.message, "Route"), target);
	sip_reply(&near_proxy, &near_proxy.message, 200, NULL, "", NULL, NULL);
	close_with_proxies();
}

/* A proxy that removed nothing, or a core that routes to us by a Route. */
Test(network, a_route_that_leads_to_us_has_arrived)
{
	char headers[200];

	open_all(&with_empty);
	snprintf(headers, sizeof(headers),
		"Route: <sip:127.0.0.1:%u;lr>\r\nRoute: <sip:im-as.example.com;lr;call=x>\r\n",
		rig.sip_port);
	cr_assert_eq(alone(&call, &alice, headers), 200);
	call_ack(&call);
	call_bye(&call);
	close_all();
}

Test(network, responses_go_to_the_source)
{
	char text[1024];

	open_all(NULL);
	/* Behind a NAT: sent-by is an address of elsewhere. */
	snprintf(text, sizeof(text),
		"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKnat;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:example.com>\r\n"
		"Call-ID: nat\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
	sip_write(&alice, text, strlen(text));
	cr_assert(sip_await_response(&alice, "OPTIONS", "nat", 200, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Via"), ";received=127.0.0.1");
	snprintf(text, sizeof(text), ";rport=%u", alice.port);
	HAS(sip_header(&alice.message, "Via"), text);
	close_all();
}

/* ---- glare (RFC 3261 14.1) ---- */

static void glare_of_ours(struct sip_call *who, unsigned least_ms)
{
	struct sip_peer *peer = who->peer;

	cr_assert(sip_await_request(peer, "INVITE", 2 * RIG_WAIT_MS), "no refresh");
	sip_reply(peer, &peer->message, 491, NULL, "", NULL, NULL);
	cr_assert(sip_await_request(peer, "ACK", RIG_WAIT_MS));
	if (least_ms > 0)
		cr_assert_not(sip_await_request(peer, "INVITE", (int)least_ms), "too early");
	cr_assert(sip_await_request(peer, "INVITE", 2 * RIG_WAIT_MS), "not once more");
	sip_reply(peer, &peer->message, 200, NULL,
		"Contact: <sip:x@127.0.0.1:9>\r\nSession-Expires: 1800;refresher=uac\r\n", SDP_TYPE,
		who->offer);
}

Test(network, a_glare_of_ours_as_uas, .timeout = 60)
{
	const struct rig_options options = { .conference = ALONE,
		.sip = "  session_expires_s: 14\n  min_se_s: 1\n" };

	open_all(&options);
	cr_assert_eq(
		alone(&call, &alice,
			"Supported: timer\r\nSession-Expires: 14;refresher=uas\r\nAllow: INVITE\r\n"),
		200);
	call_ack(&call);
	glare_of_ours(&call, 0);
	close_all();
}

Test(network, a_glare_of_ours_as_uac, .timeout = 60)
{
	const struct rig_options options = {
		.sip = "  session_expires_s: 25\n  min_se_s: 1\n",
	};
	char headers[300];

	open_all(&options);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	snprintf(headers, sizeof(headers),
		"Contact: <sip:bob@127.0.0.1:%u>\r\nAllow: INVITE, ACK, BYE\r\nRequire: timer\r\n"
		"Session-Expires: 25;refresher=uac\r\n",
		bob.port);
	call_sdp(&bobs, "active", "");
	sip_reply(&bob, &bobs.invite, 200, bobs.tag, headers, SDP_TYPE, bobs.offer);
	call_acked(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	glare_of_ours(&bobs, 1500);
	close_all();
}

/* ---- an INVITE without an offer (RFC 3261 13.2.1, 13.3.1.4) ---- */

/* A body that is a list and nothing else. */
static void offerless(struct sip_peer *invited)
{
	char body[1024];

	snprintf(body, sizeof(body),
		"<?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">"
		"<list><entry uri=\"sip:%s@127.0.0.1:%u\"/></list></resource-lists>",
		invited->name, invited->port);
	call_invite(&call, &alice, SIP_FACTORY, "Content-Disposition: recipient-list\r\n",
		"application/resource-lists+xml", body);
	call_incoming(&bobs, invited);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
}

static void ack_with(const char *sdp)
{
	char text[8192];

	/* The rig's ACK has no body. */
	snprintf(text, sizeof(text),
		"ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=z9hG4bKackwith%u\r\nMax-Forwards: 70\r\n"
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u ACK\r\n%sContent-Length: %zu\r\n\r\n%s",
		call.identity, alice.host, alice.port, call.invite_cseq, call.local, call.remote,
		call.id, call.invite_cseq, sdp[0] ? "Content-Type: application/sdp\r\n" : "",
		strlen(sdp), sdp);
	sip_write(&alice, text, strlen(text));
}

Test(network, an_invite_without_an_offer_gets_ours)
{
	struct msrp_peer msrp, bobs_msrp;

	open_all(NULL);
	offerless(&bob);
	cr_assert_str_eq(sip_header(&alice.message, "Content-Type"), SDP_TYPE);
	HAS(alice.message.body, "a=setup:actpass\r\n");
	HAS(alice.message.body, "a=accept-types:message/cpim\r\n");
	call_sdp(&call, "active", "");
	ack_with(call.offer);
	call_bind(&call, &msrp);
	call_bind(&bobs, &bobs_msrp);
	/* She is a member: what she says reaches bob. */
	snprintf(bobs.leg.address, sizeof(bobs.leg.address), "sip:bob@127.0.0.1:%u", bob.port);
	for (unsigned tries = 0;; tries++) {
		char id[20];

		cr_assert_lt(tries, 50, "bob hears nothing");
		snprintf(id, sizeof(id), "hello%03u", tries);
		call_say(&call, &msrp, id, "", id);
		(void)peer_status(&msrp, id);
		if (peer_take(&bobs_msrp, 200) && bobs_msrp.body_len > 0)
			break;
	}
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	peer_close(&msrp);
	peer_close(&bobs_msrp);
	close_all();
}

Test(network, an_ack_without_an_answer_ends_the_session)
{
	open_all(NULL);
	offerless(&bob);
	ack_with("");
	cr_assert(call_byed(&call, RIG_WAIT_MS), "no BYE");
	HAS(sip_header(&alice.message, "Reason"), "cause=488");
	cr_assert(call_byed(&bobs, RIG_WAIT_MS), "bob is not alone");
	close_all();
}

Test(network, an_ack_with_an_answer_that_cannot_be_taken_ends_the_session)
{
	open_all(NULL);
	offerless(&bob);
	ack_with("v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		 "m=audio 9 RTP/AVP 0\r\n");
	cr_assert(call_byed(&call, RIG_WAIT_MS), "no BYE");
	HAS(sip_header(&alice.message, "Reason"), "cause=488");
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	close_all();
}

Test(network, a_reinvite_without_an_offer_gets_ours_and_an_answer_is_not_needed_to_live)
{
	open_all(&with_empty);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	call_request(&call, "INVITE", "", NULL, NULL);
	cr_assert_eq(call_final(&call), 200);
	HAS(alice.message.body, "a=path:msrp://");
	/* RFC 3261 14.1: what was agreed before stays in force. */
	ack_with("");
	cr_assert(sip_nothing(&alice, 300));
	call_bye(&call);
	close_all();
}

/* ---- tel: URIs ---- */

Test(network, a_tel_uri_is_invited_by_way_of_the_next_hop)
{
	char sip[100], *body;
	struct rig_options options = { .sip = sip };
	struct sip_peer proxy;
	struct sip_call through = { 0 };

	sip_peer_open(&proxy, &rig, "proxy", SIP_TRUSTED, false);
	snprintf(sip, sizeof(sip), "  next_hop: \"sip:127.0.0.1:%u;lr\"\n", proxy.port);
	open_all(&options);
	body = call_list(call_sdp(&call, "actpass", ""), "<entry uri=\"tel:+1-555-0177\"/>");
	/* Who invites is known by a number only. */
	call_invite(&call, &alice, SIP_FACTORY, "P-Asserted-Identity: <tel:+15550100>\r\n",
		RIG_MULTIPART, body);
	free(body);
	call_incoming(&through, &proxy);
	cr_assert_str_eq(through.invite.uri, "tel:+1-555-0177");
	HAS(sip_header(&through.invite, "To"), "<tel:+1-555-0177>");
	HAS(sip_header(&through.invite, "P-Asserted-Identity"), "<tel:+15550100>");
	HAS(sip_header(&through.invite, "Referred-By"), "<tel:+15550100>");
	HAS(sip_header(&through.invite, "Route"), ";lr>");
	call_reject(&through, 404, "");
	cr_assert_eq(call_final(&call), 404);
	call_free(&through);
	sip_peer_close(&proxy);
	close_all();
}

Test(network, a_tel_uri_without_a_next_hop_is_nowhere)
{
	char *body;

	open_all(NULL);
	body = call_list(call_sdp(&call, "actpass", ""), "<entry uri=\"tel:+15550177\"/>");
	call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	cr_assert_eq(call_final(&call), 480);
	/* As Request-URI it is no conference of ours. */
	cr_assert_eq(asked("tel:+15550177", "", SDP_TYPE, call.offer), 404);
	close_all();
}

/* ---- IPv6 ---- */

Test(network, ipv6_for_sip_and_msrp)
{
	const struct rig_options options = { .conference = ALONE,
		.listen = "\"udp:127.0.0.1:%u\", \"udp:[::1]:%u\"",
		.msrp_listen = "\"tcp:[::1]:%u\"" };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in6 at = to;
	socklen_t len = sizeof(at);
	struct timeval patience = { .tv_sec = 10 };
	char text[2048], answer[8192], path[300], *end;
	const char *sdp = "v=0\r\no=a 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\n"
			  "m=message 9 TCP/MSRP *\r\na=path:msrp://[::1]:9/six;tcp\r\n"
			  "a=accept-types:message/cpim\r\na=setup:active\r\n";
	ssize_t n;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), msrp;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		cr_skip("this machine has no IPv6");
	getsockname(fd, (struct sockaddr *)&at, &len);
	sip_rig_start(&rig, &options);
	to.sin6_port = htons(rig.sip_port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	snprintf(text, sizeof(text),
		"INVITE " SIP_FACTORY " SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:%u;branch=z9hG4bKsix\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <" SIP_FACTORY
		">\r\nCall-ID: six\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@[::1]:%u>\r\n"
		"P-Asserted-Identity: <sip:alice@example.com>\r\nContent-Type: application/sdp\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		ntohs(at.sin6_port), ntohs(at.sin6_port), strlen(sdp), sdp);
	cr_assert_gt(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)), 0);
	do {
		n = recv(fd, answer, sizeof(answer) - 1, 0);
		cr_assert_gt(n, 0, "no answer over IPv6");
		answer[n] = '\0';
	} while (strncmp(answer, "SIP/2.0 100", 11) == 0);
	cr_assert_eq(strncmp(answer, "SIP/2.0 200", 11), 0, "%s", answer);
	HAS(answer, "c=IN IP6 ::1\r\n");
	HAS(answer, "a=path:msrp://[::1]:");
	snprintf(path, sizeof(path), "%s", strstr(answer, "a=path:") + 7);
	path[strcspn(path, "\r")] = '\0';
	/* In the dialog as well: ACK, then BYE. */
	end = strstr(answer, "\r\nTo: ");
	cr_assert_not_null(end);
	end += 6;
	end[strcspn(end, "\r")] = '\0';
	{
		char to_value[300], contact[300], *at_contact;

		snprintf(to_value, sizeof(to_value), "%s", end);
		at_contact = memmem(answer, (size_t)n, "\r\nContact: <", 12);
		cr_assert_not_null(at_contact);
		snprintf(contact, sizeof(contact), "%.*s", (int)strcspn(at_contact + 12, ">"),
			at_contact + 12);
		for (unsigned i = 0; i < 2; i++) {
			const char *method = i == 0 ? "ACK" : "BYE";

			snprintf(text, sizeof(text),
				"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:%u;branch=z9hG4bKsix%u\r\n"
				"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: %s\r\n"
				"Call-ID: six\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
				method, contact, ntohs(at.sin6_port), i, to_value, i + 1, method);
			if (i == 1) {
				/* MSRP binds over IPv6 meanwhile. */
				struct sockaddr_in6 there = { .sin6_family = AF_INET6,
					.sin6_addr = IN6ADDR_LOOPBACK_INIT,
					.sin6_port = htons(rig.msrp_port) };
				char bind_text[1000], got[1000];

				msrp = socket(AF_INET6, SOCK_STREAM, 0);
				setsockopt(
					msrp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
				cr_assert_eq(
					connect(msrp, (struct sockaddr *)&there, sizeof(there)), 0);
				snprintf(bind_text, sizeof(bind_text),
					"MSRP sixbind1 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://[::1]:9/six;tcp\r\n"
					"Message-ID: sixbind1\r\nByte-Range: 1-0/0\r\n-------sixbind1$\r\n",
					path);
				cr_assert_gt(send(msrp, bind_text, strlen(bind_text), 0), 0);
				n = recv(msrp, got, sizeof(got) - 1, 0);
				cr_assert_gt(n, 0);
				got[n] = '\0';
				HAS(got, "MSRP sixbind1 200");
				close(msrp);
			}
			cr_assert_gt(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to,
					     sizeof(to)),
				0);
		}
	}
	do {
		n = recv(fd, answer, sizeof(answer) - 1, 0);
		cr_assert_gt(n, 0, "no answer to BYE");
		answer[n] = '\0';
	} while (strstr(answer, "CSeq: 2 BYE") == NULL);
	cr_assert_eq(strncmp(answer, "SIP/2.0 200", 11), 0, "%s", answer);
	close(fd);
	sip_rig_stop(&rig);
}

/* ---- larger than 1300 octets (RFC 3261 18.1.1) ---- */

static int tcp_at(const struct sip_peer *peer)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(peer->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, peer->host, &at.sin_addr);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void invite_with_a_long_subject(void)
{
	char headers[1500];

	snprintf(headers, sizeof(headers), "Subject: %01200d\r\n", 7);
	call_factory(&call, &alice, headers, &bob, NULL);
}

Test(network, a_large_request_goes_by_tcp)
{
	struct pollfd fd = { .events = POLLIN };
	char text[8192];
	ssize_t n;
	int listener, link;

	open_all(NULL);
	listener = tcp_at(&bob);
	if (listener < 0)
		cr_skip("the port is taken for TCP");
	invite_with_a_long_subject();
	fd.fd = listener;
	cr_assert_gt(poll(&fd, 1, RIG_WAIT_MS), 0, "no connection");
	link = accept(listener, NULL, NULL);
	fd.fd = link;
	cr_assert_gt(poll(&fd, 1, RIG_WAIT_MS), 0, "nothing over it");
	n = recv(link, text, sizeof(text) - 1, 0);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	cr_assert_eq(strncmp(text, "INVITE sip:bob@", 15), 0, "%s", text);
	HAS(text, "SIP/2.0/TCP");
	cr_assert_not(sip_await_request(&bob, "INVITE", 300), "and by UDP");
	call_cancel(&call);
	close(link);
	close(listener);
	close_all();
}

Test(network, a_large_request_goes_by_udp_where_tcp_is_refused)
{
	open_all(NULL);
	invite_with_a_long_subject();
	call_incoming(&bobs, &bob);
	HAS(sip_header(&bobs.invite, "Via"), "SIP/2.0/UDP");
	cr_assert_gt(bobs.invite.len, 1300u);
	call_reject(&bobs, 486, "");
	cr_assert_eq(call_final(&call), 486);
	close_all();
}

/* ---- what we do not have, and what is missing ---- */

Test(network, content_that_is_encoded_gets_415)
{
	open_all(&with_empty);
	call_sdp(&call, "actpass", "");
	cr_assert_eq(asked(SIP_FACTORY, "Content-Encoding: gzip\r\n", SDP_TYPE, call.offer), 415);
	HAS(sip_header(&alice.message, "Accept-Encoding"), "identity");
	call_sdp(&call, "actpass", "");
	cr_assert_eq(
		asked(SIP_FACTORY, "Content-Encoding: identity\r\n", SDP_TYPE, call.offer), 200);
	call_ack(&call);
	/* Within the dialog too; and so does what is not SDP. */
	call_request(&call, "INVITE", "", "text/plain", "hello");
	cr_assert_eq(call_final(&call), 415);
	HAS(sip_header(&alice.message, "Accept"), SDP_TYPE);
	call_request(&call, "INVITE", "Content-Encoding: gzip\r\n", SDP_TYPE, call.offer);
	cr_assert_eq(call_final(&call), 415);
	call_bye(&call);
	close_all();
}

Test(network, a_body_of_no_type_gets_400)
{
	char text[8192];

	open_all(&with_empty);
	call_sdp(&call, "actpass", "");
	snprintf(text, sizeof(text),
		"INVITE " SIP_FACTORY
		" SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKnotype\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <" SIP_FACTORY
		">\r\nCall-ID: notype\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1:%u>\r\n"
		"P-Asserted-Identity: <sip:alice@example.com>\r\nContent-Length: %zu\r\n\r\n%s",
		alice.port, alice.port, strlen(call.offer), call.offer);
	sip_write(&alice, text, strlen(text));
	cr_assert(sip_await_response(&alice, "INVITE", "notype", 400, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Warning"), "Content-Type missing");
	close_all();
}

Test(network, an_invite_that_does_not_take_sdp_gets_406)
{
	open_all(&with_empty);
	call_sdp(&call, "actpass", "");
	cr_assert_eq(
		asked(SIP_FACTORY, "Accept: text/plain, text/html\r\n", SDP_TYPE, call.offer), 406);
	call_sdp(&call, "actpass", "");
	cr_assert_eq(asked(SIP_FACTORY, "Accept: text/plain, application/*;q=0.1\r\n", SDP_TYPE,
			     call.offer),
		200);
	call_ack(&call);
	call_bye(&call);
	close_all();
}

/* The rig's own Max-Forwards is replaced. */
static unsigned asked_with(const char *method, const char *max_forwards, const char *body)
{
	static unsigned number;
	char text[8192], id[40];

	snprintf(id, sizeof(id), "hops%u", ++number);
	snprintf(text, sizeof(text),
		"%s " SIP_FACTORY " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%s\r\n%s"
		"From: <sip:alice@example.com>;tag=1\r\nTo: <" SIP_FACTORY
		">\r\nCall-ID: %s\r\nCSeq: 1 %s\r\nContact: <sip:alice@127.0.0.1:%u>\r\n"
		"P-Asserted-Identity: <sip:alice@example.com>\r\n%sContent-Length: %zu\r\n\r\n%s",
		method, alice.port, id, max_forwards, id, method, alice.port,
		body[0] ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
	sip_write(&alice, text, strlen(text));
	cr_assert(sip_await_response(&alice, method, id, 0, RIG_WAIT_MS), "%s %s", method,
		max_forwards);
	return alice.message.status;
}

Test(network, max_forwards)
{
	open_all(NULL);
	call_sdp(&call, "actpass", "");
	/* RFC 7332 4: invitations would follow from it. */
	cr_assert_eq(asked_with("INVITE", "Max-Forwards: 0\r\n", call.offer), 483);
	cr_assert_eq(asked_with("REFER", "Max-Forwards: 0\r\n", ""), 483);
	/* RFC 3261 11.2: it has arrived. */
	cr_assert_eq(asked_with("OPTIONS", "Max-Forwards: 0\r\n", ""), 200);
	/* Absent (RFC 2543) it is no matter; what it is not, is. 403: no list. */
	cr_assert_eq(asked_with("INVITE", "", call.offer), 403);
	cr_assert_eq(asked_with("INVITE", "Max-Forwards: 1\r\n", call.offer), 403);
	cr_assert_eq(asked_with("OPTIONS", "Max-Forwards: many\r\n", ""), 400);
	cr_assert_eq(asked_with("OPTIONS", "Max-Forwards: -1\r\n", ""), 400);
	close_all();
}

Test(network, tls_is_refused_clearly)
{
	char *body;

	open_all(&with_empty);
	call_sdp(&call, "actpass", "");
	cr_assert_eq(asked("sips:conference-factory@example.com", "", SDP_TYPE, call.offer), 416);
	HAS(sip_header(&alice.message, "Warning"), "TLS is not offered");
	cr_assert_eq(
		asked(SIP_FACTORY, "Contact: <sips:alice@127.0.0.1:9>\r\n", SDP_TYPE, call.offer),
		400);
	HAS(sip_header(&alice.message, "Warning"), "Contact cannot be reached");
	cr_assert_eq(asked(SIP_FACTORY, "Contact: <sip:alice@127.0.0.1:9;transport=tls>\r\n",
			     SDP_TYPE, call.offer),
		400);
	body = call_list(call_sdp(&call, "actpass", ""),
		"<entry uri=\"sips:bob@127.0.0.1:9\"/><entry uri=\"sip:carol@127.0.0.1:9;transport=tls\"/>");
	cr_assert_eq(asked(SIP_FACTORY, "", RIG_MULTIPART, body), 480);
	free(body);
	close_all();
}

Test(network, a_timer_that_cannot_be_read_gets_400)
{
	open_all(&with_empty);
	call_sdp(&call, "actpass", "");
	cr_assert_eq(asked(SIP_FACTORY, "Session-Expires: soon\r\n", SDP_TYPE, call.offer), 400);
	cr_assert_eq(asked(SIP_FACTORY, "Min-SE: long\r\n", SDP_TYPE, call.offer), 400);
	cr_assert_eq(asked(SIP_FACTORY, "Privacy: ;;=\r\n", SDP_TYPE, call.offer), 400);
	close_all();
}

/* ---- answers of invitees that are not what they should be ---- */

/* Bob's 200; it is acknowledged and ended, and alice hears that nobody came. */
static void useless_200(const char *tag, bool with_contact)
{
	char headers[100] = "";

	open_all(NULL);
	if (with_contact)
		snprintf(headers, sizeof(headers), "Contact: <sip:bob@127.0.0.1:%u>\r\n", bob.port);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_sdp(&bobs, "active", "");
	sip_reply(&bob, &bobs.invite, 200, tag, headers, SDP_TYPE, bobs.offer);
	cr_assert(sip_await_request(&bob, "ACK", RIG_WAIT_MS), "no ACK");
	cr_assert(call_byed(&bobs, RIG_WAIT_MS), "no BYE");
	cr_assert_eq(call_final(&call), 502);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	close_all();
}

Test(network, a_200_without_a_tag_makes_no_dialog)
{
	useless_200(NULL, true);
}

Test(network, a_200_without_a_contact_makes_no_dialog)
{
	useless_200("bobs", false);
}

Test(network, a_final_response_with_a_bad_timer_is_taken)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	/* The stack used to drop it, so that the INVITE came again until it timed out. */
	bob.repeated = 0;
	call_reject(&bobs, 422, "Min-SE: forever\r\nSession-Expires: x;y\r\nWarning: 1 2 3\r\n");
	cr_assert_eq(call_final(&call), 422);
	cr_assert_eq(bob.repeated, 0u);
	close_all();
}

Test(network, a_200_with_a_bad_timer_is_taken)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	call_accept(&bobs, "Session-Expires: soon\r\nRequire: timer\r\n",
		call_sdp(&bobs, "active", ""));
	call_acked(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	close_all();
}

/* ---- 2xx that nobody waits for ---- */

static void stray_200(const char *via, const char *id)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKstray\r\n"
		"From: <" SIP_FACTORY ">;tag=ours\r\nTo: <sip:bob@example.com>;tag=bobs\r\n"
		"Call-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:bob@127.0.0.1:%u>\r\n"
		"Content-Length: 0\r\n\r\n",
		via, id, bob.port);
	sip_write(&alice, text, strlen(text));
}

/* RFC 3261 13.2.2.4, 18.1.2. Otherwise anybody could make us send to anybody. */
Test(network, a_stray_200_is_ended_if_its_via_is_ours)
{
	char via[60];

	open_all(NULL);
	stray_200("192.0.2.1:5060", "stray-1");
	snprintf(via, sizeof(via), "127.0.0.1:%u", rig.sip_port + 1);
	stray_200(via, "stray-2");
	cr_assert(sip_focus_lives(&alice));
	cr_assert(sip_nothing(&bob, 300), "a request for a Via that is not ours");
	snprintf(via, sizeof(via), "127.0.0.1:%u", rig.sip_port);
	stray_200(via, "stray-3");
	cr_assert(sip_await_request(&bob, "ACK", RIG_WAIT_MS));
	cr_assert(sip_await_request(&bob, "BYE", RIG_WAIT_MS));
	cr_assert_str_eq(sip_header(&bob.message, "Call-ID"), "stray-3");
	sip_reply(&bob, &bob.message, 481, NULL, "", NULL, NULL);
	close_all();
}
