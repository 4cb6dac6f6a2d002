/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP, TCP and IPv6; repetitions (RFC 3261 13.3, 17.2); a whole flow with MSRP. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

static const struct rig_options with_empty = { .conference = ALONE };

Test(transport, an_invite_that_comes_again_makes_no_second_room)
{
	char *body;
	char text[8192];

	open_all(NULL);
	/* The same octets three times: one invitation, one response. */
	call.peer = &alice;
	snprintf(text, sizeof(text), "<entry uri=\"sip:bob@127.0.0.1:%u\"/>", bob.port);
	body = call_list(call_sdp(&call, "actpass", ""), text);
	snprintf(text, sizeof(text),
		"INVITE " SIP_FACTORY
		" SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKtwice\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=t\r\nTo: <" SIP_FACTORY
		">\r\nCall-ID: twice\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1:%u>\r\n"
		"P-Asserted-Identity: <sip:alice@example.com>\r\nContent-Type: " RIG_MULTIPART
		"\r\nContent-Length: %zu\r\n\r\n%s",
		alice.port, alice.port, strlen(body), body);
	free(body);
	for (unsigned i = 0; i < 3; i++)
		sip_write(&alice, text, strlen(text));
	call_incoming(&bobs, &bob);
	cr_assert(sip_nothing(&bob, 200), "a second room");
	call_reject(&bobs, 486, "");
	cr_assert(sip_await_response(&alice, "INVITE", "twice", 486, RIG_WAIT_MS));
	/* Once more, unacknowledged: the 486 comes again, the very same. */
	alice.repeated = 0;
	sip_write(&alice, text, strlen(text));
	sip_listen(&alice, 300);
	cr_assert_geq(alice.repeated, 1);
	cr_assert(sip_nothing(&alice, 0));
	cr_assert(sip_nothing(&bob, 0));
	close_all();
}

Test(transport, a_200_is_repeated_until_its_ack)
{
	open_all(&with_empty);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	alice.repeated = 0;
	sip_listen(&alice, 1900); /* T1, 3 T1 */
	cr_assert_geq(alice.repeated, 2, "repeated %u times", alice.repeated);
	call_ack(&call);
	rig_pause(100);
	sip_listen(&alice, 10);
	alice.repeated = 0;
	sip_listen(&alice, 2500);
	cr_assert_eq(alice.repeated, 0, "repeated after the ACK");
	call_bye(&call);
	close_all();
}

/* RFC 3261 15: no BYE of ours before the ACK. */
Test(transport, a_bye_of_ours_waits_for_the_ack)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_bye(&bobs);
	cr_assert_not(sip_await_request(&alice, "BYE", 300));
	call_ack(&call);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}

/* The 200 of an invitee that comes again is acknowledged again (RFC 3261 13.2.2.4). */
Test(transport, a_200_that_comes_again_is_acknowledged_again)
{
	open_all(NULL);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	bob.repeated = 0;
	call_accept(&bobs, "", bobs.offer);
	sip_listen(&bob, 300);
	cr_assert_eq(bob.repeated, 1);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bye(&call);
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	close_all();
}

Test(transport, tcp_serves_inviter_and_invitee)
{
	struct msrp_peer msrp;

	sip_rig_start(&rig, NULL);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true);
	sip_peer_open(&bob, &rig, "bob", SIP_TRUSTED, true);
	call_factory(&call, &alice, "", &bob, NULL);
	call_incoming(&bobs, &bob);
	HAS(sip_header(&bobs.invite, "Via"), "SIP/2.0/TCP");
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	call_bind(&call, &msrp);
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	peer_close(&msrp);
	call_free(&bobs);
	sip_peer_close(&alice);
	sip_peer_close(&bob);
	sip_rig_stop(&rig);
}

Test(transport, a_request_in_pieces_is_put_together)
{
	char text[2048];
	int on = 1;

	sip_rig_start(&rig, &with_empty);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true);
	call.peer = &alice;
	setsockopt(alice.link[0].fd, 6 /* TCP */, 1 /* TCP_NODELAY */, &on, sizeof(on));
	/* Two requests, octet by octet, without a pause between them. */
	for (unsigned n = 1; n <= 2; n++)
		snprintf(text + (n == 1 ? 0 : strlen(text)),
			sizeof(text) - (n == 1 ? 0 : strlen(text)),
			"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:%u;branch=z9hG4bKp%u\r\n"
			"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:example.com>\r\n"
			"Call-ID: pieces%u\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			alice.port, n, n);
	for (size_t i = 0; i < strlen(text); i++)
		sip_write(&alice, text + i, 1);
	cr_assert(sip_await_response(&alice, "OPTIONS", "pieces1", 200, RIG_WAIT_MS));
	cr_assert(sip_await_response(&alice, "OPTIONS", "pieces2", 200, RIG_WAIT_MS));
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

/* Requests in one connection, of which the focus is held up for a while; each is answered. */
static void pile_up(unsigned round, unsigned count, bool held)
{
	size_t len = 0, at = 0, size = count * 400;
	char *text = malloc(size), *got = malloc(65537);
	unsigned answered = 0, matched = 0;

	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, size - len,
			"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:%u;branch=z9hG4bKq%u-%u\r\n"
			"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:example.com>\r\n"
			"Call-ID: pile%u-%u\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			alice.port, round, i, round, i);
	if (held)
		cr_assert_eq(kill(rig.focus.pid, SIGSTOP), 0);
	/* As much as the kernel takes while nobody reads; the rest afterwards. */
	while (held && at < len) {
		ssize_t n =
			send(alice.link[0].fd, text + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	if (held) {
		rig_pause(50); /* what the sender's kernel has gets to the receiver's */
		cr_assert_eq(kill(rig.focus.pid, SIGCONT), 0);
	}
	while (answered < count) {
		struct pollfd fd = { alice.link[0].fd, POLLIN, 0 };
		ssize_t n;

		if (at < len)
			fd.events |= POLLOUT;
		cr_assert_gt(poll(&fd, 1, RIG_WAIT_MS), 0, "%u of %u answered", answered, count);
		if (fd.revents & POLLOUT) {
			n = send(fd.fd, text + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
			at += n > 0 ? (size_t)n : 0;
		}
		if (!(fd.revents & ~POLLOUT))
			continue;
		n = recv(fd.fd, got, 65536, 0);
		cr_assert_gt(n, 0, "the connection was closed after %u of %u", answered, count);
		for (ssize_t i = 0; i < n; i++) {
			static const char start[] = "SIP/2.0 200 OK\r\n";

			matched = got[i] == start[matched] ? matched + 1 : got[i] == start[0];
			if (matched == sizeof(start) - 1) {
				answered++;
				matched = 0;
			}
		}
	}
	free(text);
	free(got);
}

/* A core sends all its users' requests over one connection, and we may be slow for a while: what
 * waits is many messages, not one that is too large. The first round makes the kernel let more
 * wait. */
Test(transport, requests_that_pile_up_in_one_connection_are_served, .timeout = 100)
{
	open_all(&with_empty);
	sip_peer_close(&alice);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, true);
	for (unsigned round = 0; round < 5; round++)
		pile_up(round, 6000, round % 2 == 1);
	close_all();
}

Test(transport, ipv6_listener)
{
	const struct rig_options options = { .conference = ALONE,
		.listen = "\"udp:127.0.0.1:%u\", \"udp:[::1]:%u\"" };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct timeval patience = { .tv_sec = 5 };
	char text[1024], answer[4096];
	ssize_t n;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	to.sin6_port = htons(1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		cr_skip("this machine has no IPv6");
	close(fd);
	sip_rig_start(&rig, &options);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	to.sin6_port = htons(rig.sip_port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	snprintf(text, sizeof(text),
		"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:9;branch=z9hG4bKv6;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:example.com>\r\n"
		"Call-ID: six\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
	cr_assert_gt(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)), 0);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	cr_assert_gt(n, 0, "no answer over IPv6");
	answer[n] = '\0';
	HAS(answer, "SIP/2.0 200 OK\r\n");
	close(fd);
	sip_rig_stop(&rig);
}

/* ---- MSRP ---- */

Test(transport, a_message_is_counted)
{
	struct sip_party three[3];
	const struct chunk *chunk = &three[0].msrp.chunk;

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	call_say(&three[0].call, &three[0].msrp, "count001",
		"Success-Report: yes;Include-Sent-Count\r\n", "how many are you?");
	for (unsigned i = 1; i < 3; i++) {
		struct msrp_peer *msrp = &three[i].msrp;

		cr_assert(peer_take(msrp, RIG_WAIT_MS));
		cr_assert_eq(msrp->chunk.method, METHOD_SEND);
		peer_print(msrp,
			"MSRP %.*s 200 OK\r\nTo-Path: %.*s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
			SPAN_ARG(msrp->chunk.tid), SPAN_ARG(msrp->chunk.from_path),
			three[i].call.leg.path, SPAN_ARG(msrp->chunk.tid));
	}
	cr_assert_eq(peer_status(&three[0].msrp, "count001"), 200);
	do
		cr_assert(peer_take(&three[0].msrp, RIG_WAIT_MS), "no REPORT");
	while (chunk->method != METHOD_REPORT);
	cr_assert(chunk->has_distribution_count, "a REPORT without Distribution-Count");
	cr_assert_eq(chunk->distribution_count, 2);
	party_close(three, 3);
	sip_rig_stop(&rig);
}

/* setup:passive in the offer: the switch connects. */
Test(transport, the_switch_connects_to_a_passive_peer)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	struct msrp_peer msrp = { 0 };
	char sdp[1024];
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	at = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, len), 0);
	cr_assert_eq(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &len);
	open_all(&with_empty);
	snprintf(sdp, sizeof(sdp),
		"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message %u TCP/MSRP *\r\n"
		"a=path:msrp://127.0.0.1:%u/passive;tcp\r\na=accept-types:message/cpim\r\na=setup:passive\r\n",
		ntohs(at.sin_port), ntohs(at.sin_port));
	cr_assert_eq(asked(SIP_FACTORY, "", "application/sdp", sdp), 200);
	HAS(alice.message.body, "a=setup:active\r\n");
	call_ack(&call);
	chunk_in_init(&msrp.in);
	msrp.fd = accept(listener, NULL, NULL);
	cr_assert_geq(msrp.fd, 0);
	cr_assert(peer_take(&msrp, RIG_WAIT_MS), "no SEND at once");
	cr_assert_eq(msrp.chunk.method, METHOD_SEND);
	cr_assert_eq(msrp.body_len, 0);
	peer_close(&msrp);
	close(listener);
	call_bye(&call);
	close_all();
}
