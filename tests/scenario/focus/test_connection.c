/* SPDX-License-Identifier: BSD-3-Clause */
/* Who connects to whom, and where: RFC 4975 5.4, RFC 6135, RFC 6714, context.md 5.2 and 5.3. */
#include <poll.h>
#include <unistd.h>
#include "tests/scenario/focus/survive.h"

/* Nobody is at home there: RFC 5737. */
#define NOWHERE "192.0.2.1"

static struct sip_party two[2]; /* Alice, who is what a test is about, and Bob, who listens */
#define ALICE (&two[0])
#define BOB   (&two[1])

/* An SDP whose c= and m= need not be what its path says. */
static const char *said(
	struct sip_call *who, const char *host, unsigned port, const char *path, const char *lines)
{
	const char *family = strchr(host, ':') != NULL ? "IP6" : "IP4";

	if (path != who->leg.path)
		snprintf(who->leg.path, sizeof(who->leg.path), "%s", path);
	snprintf(who->offer, sizeof(who->offer),
		"v=0\r\no=%s 3911200001 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n"
		"m=message %u TCP/MSRP *\r\na=path:%s\r\na=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:*\r\n%s",
		who->peer->name, family, host, family, host, port, who->leg.path, lines);
	return who->offer;
}

/* c= and m= as in the path: an ordinary peer that listens at this port. */
static const char *listening(struct sip_call *who, uint16_t port, const char *id, const char *lines)
{
	char path[100];

	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/%s;tcp", port, id);
	return said(who, "127.0.0.1", port, path, lines);
}

static void begin(const struct rig_options *options)
{
	sip_rig_start(&rig, options);
	memset(two, 0, sizeof(two));
	for (unsigned i = 0; i < 2; i++) {
		sip_peer_open(&two[i].peer, &rig, i == 0 ? "alice" : "bob", SIP_TRUSTED, false);
		two[i].msrp.fd = -1;
		two[i].call.peer = &two[i].peer;
	}
}

/* Alice invites Bob. Each says this SDP: Alice's offer, Bob's answer; NULL: Bob is an ordinary client
 * that connects itself, and is bound. */
static void meet(const char *offer, const char *(*answer)(struct sip_call *))
{
	char entry[200], *body;

	snprintf(entry, sizeof(entry),
		"<entry uri=\"sip:bob@127.0.0.1:%u\" cp:copyControl=\"to\"/>", BOB->peer.port);
	body = call_list(offer, entry);
	call_invite(&ALICE->call, &ALICE->peer, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	call_incoming(&BOB->call, &BOB->peer);
	snprintf(BOB->call.leg.address, sizeof(BOB->call.leg.address), "sip:bob@127.0.0.1:%u",
		BOB->peer.port);
	call_accept(&BOB->call, "",
		answer != NULL ? answer(&BOB->call)
			       : said(&BOB->call, "127.0.0.1", 9, "msrp://127.0.0.1:9/bob;tcp",
					 "a=setup:active\r\n"));
	call_acked(&BOB->call);
	cr_assert_eq(call_final(&ALICE->call), 200);
	call_ack(&ALICE->call);
	if (answer == NULL)
		call_bind(&BOB->call, &BOB->msrp);
}

/* The connection of the switch, its binding SEND, and our answer. */
static void taken(struct sip_party *who, int listener, unsigned status)
{
	const struct chunk *chunk = &who->msrp.chunk;

	peer_accept(&who->msrp, listener);
	cr_assert(peer_take(&who->msrp, RIG_WAIT_MS), "the active side is silent");
	cr_assert(chunk->method == METHOD_SEND && !chunk->has_body);
	cr_assert(span_eq(chunk->to_path, span_of(who->call.leg.path)), "To-Path %.*s",
		SPAN_ARG(chunk->to_path));
	cr_assert(span_eq(chunk->from_path, span_of(who->call.leg.uri)));
	peer_print(&who->msrp, "MSRP %.*s %u\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
		SPAN_ARG(chunk->tid), status, who->call.leg.uri, who->call.leg.path,
		SPAN_ARG(chunk->tid));
}

static void hears(struct sip_party *who, const char *text)
{
	do {
		cr_assert(peer_take(&who->msrp, RIG_WAIT_MS), "%s does not hear \"%s\"",
			who->peer.name, text);
	} while (who->msrp.chunk.method != METHOD_SEND || !who->msrp.chunk.has_body);
	cr_assert(memmem(who->msrp.body, who->msrp.body_len, text, strlen(text)) != NULL,
		"%s hears %.*s", who->peer.name, (int)who->msrp.body_len, who->msrp.body);
}

/* Both ways. Who has a 200 is a member. */
static void talk(const char *tid)
{
	char back[40];

	call_say(&ALICE->call, &ALICE->msrp, tid, "", tid);
	cr_assert_eq(peer_status(&ALICE->msrp, tid), 200);
	hears(BOB, tid);
	snprintf(back, sizeof(back), "%s.b", tid);
	call_say(&BOB->call, &BOB->msrp, back, "", back);
	hears(ALICE, back);
	cr_assert_eq(peer_status(&BOB->msrp, back), 200);
}

static void again(struct sip_party *who, const char *offer, unsigned status)
{
	call_request(&who->call, "INVITE", "", "application/sdp", offer);
	cr_assert_eq(call_final(&who->call), status);
	if (status == 200)
		call_ack(&who->call);
}

static void end(void)
{
	call_bye(&ALICE->call);
	cr_assert(call_byed(&BOB->call, RIG_WAIT_MS));
	party_close(two, 2);
	sip_rig_stop(&rig);
}

static bool connects(int listener, int wait_ms)
{
	struct pollfd fd = { listener, POLLIN, 0 };

	return poll(&fd, 1, wait_ms) > 0;
}

Test(connection, a_passive_offer_is_answered_active_and_connected_to)
{
	uint16_t port;
	int listener = peer_listen(&port, 4);

	begin(NULL);
	meet(listening(&ALICE->call, port, "alice", "a=setup:passive\r\n"), NULL);
	HAS(ALICE->peer.message.body, "a=setup:active\r\n");
	HAS(ALICE->peer.message.body, "a=msrp-cema\r\n");
	taken(ALICE, listener, 200);
	talk("hello001");
	close(listener);
	end();
}

Test(connection, all_other_offers_are_answered_passive)
{
	static const char *const setups[] = { "", "a=setup:active\r\n", "a=setup:actpass\r\n" };
	uint16_t port;
	int listener = peer_listen(&port, 4);

	for (unsigned i = 0; i < 3; i++) {
		begin(NULL);
		meet(listening(&ALICE->call, port, "alice", setups[i]), NULL);
		if (i == 0)
			LACKS(ALICE->peer.message.body, "a=setup");
		else
			HAS(ALICE->peer.message.body, "a=setup:passive\r\n");
		call_bind(&ALICE->call, &ALICE->msrp);
		talk("hello001");
		cr_assert_not(connects(listener, 0));
		end();
	}
	close(listener);
}

static uint16_t bobs_port;

static const char *bob_is_passive(struct sip_call *who)
{
	return listening(who, bobs_port, "bob", "a=setup:passive\r\n");
}

static const char *bob_says_nothing(struct sip_call *who)
{
	return listening(who, bobs_port, "bob", "");
}

static const char *bob_holds(struct sip_call *who)
{
	return listening(who, bobs_port, "bob", "a=setup:holdconn\r\n");
}

Test(connection, an_invited_one_may_leave_it_to_us)
{
	int listener = peer_listen(&bobs_port, 4);

	for (unsigned i = 0; i < 2; i++) {
		begin(NULL);
		/* RFC 4975 5.4: without a word about it the offerer connects. */
		meet(said(&ALICE->call, "127.0.0.1", 9, "msrp://127.0.0.1:9/alice;tcp", ""),
			i == 0 ? bob_is_passive : bob_says_nothing);
		HAS(BOB->call.invite.body, "a=setup:actpass\r\n");
		taken(BOB, listener, 200);
		call_bind(&ALICE->call, &ALICE->msrp);
		/* Bob's first word is answered when he is a member. */
		call_say(&BOB->call, &BOB->msrp, "bobs0001", "", "bobs0001");
		cr_assert_eq(peer_status(&BOB->msrp, "bobs0001"), 200);
		hears(ALICE, "bobs0001");
		talk("hello001");
		end();
	}
	close(listener);
}

/* RFC 4145 4.1: no connection, and nobody is missed. A new exchange ends it. */
Test(connection, one_that_is_held_is_neither_made_nor_missed)
{
	uint16_t port;
	int listener = peer_listen(&port, 4), bobs_listener = peer_listen(&bobs_port, 4);

	begin(&(struct rig_options){ .msrp = "  bind_s: 0.5\n  rebind_s: 0.5\n" });
	meet(listening(&ALICE->call, port, "alice", "a=setup:holdconn\r\n"), bob_holds);
	HAS(ALICE->peer.message.body, "a=setup:holdconn\r\n");
	cr_assert(sip_nothing(&ALICE->peer, 2500), "missed");
	cr_assert(sip_nothing(&BOB->peer, 10));
	cr_assert_not(connects(listener, 0));
	cr_assert_not(connects(bobs_listener, 0));
	again(ALICE, listening(&ALICE->call, port, "alice", "a=setup:passive\r\n"), 200);
	HAS(ALICE->peer.message.body, "a=setup:active\r\n");
	taken(ALICE, listener, 200);
	again(BOB, listening(&BOB->call, bobs_port, "bob", "a=setup:active\r\n"), 200);
	call_bind(&BOB->call, &BOB->msrp);
	talk("hello001");
	/* What is there stays while it is held, and is not missed when it goes. */
	again(ALICE, listening(&ALICE->call, port, "alice", "a=setup:holdconn\r\n"), 200);
	talk("hello002");
	peer_close(&ALICE->msrp);
	cr_assert(sip_nothing(&ALICE->peer, 2500), "missed");
	again(ALICE, listening(&ALICE->call, port, "alice2", "a=setup:passive\r\n"), 200);
	taken(ALICE, listener, 200);
	talk("hello003");
	close(listener);
	close(bobs_listener);
	end();
}

/* And so it does who was not bound in time, or said nothing new after a loss. */
Test(connection, one_that_is_not_held_is_missed)
{
	uint16_t port;
	int listener = peer_listen(&port, 4);

	begin(&(struct rig_options){ .msrp = "  bind_s: 0.5\n  rebind_s: 0.5\n" });
	meet(listening(&ALICE->call, port, "alice", "a=setup:passive\r\n"), NULL);
	taken(ALICE, listener, 481);
	cr_assert(call_byed(&ALICE->call, RIG_WAIT_MS));
	HAS(sip_header(&ALICE->peer.message, "Reason"), "text=\"MSRP ");
	cr_assert(call_byed(&BOB->call, RIG_WAIT_MS));
	close(listener);
	party_close(two, 2);
	sip_rig_stop(&rig);
}

Test(connection, a_reinvite_may_move_it_and_turn_it_round)
{
	struct msrp_peer old;
	uint16_t port;
	int listener = peer_listen(&port, 4);

	begin(NULL);
	meet(listening(&ALICE->call, port, "alice", "a=setup:passive\r\n"), NULL);
	taken(ALICE, listener, 200);
	talk("hello001");
	/* Unchanged: the connection stays, in whatever way the offer is made. */
	again(ALICE, ALICE->call.offer, 200);
	again(ALICE, listening(&ALICE->call, port, "alice", "a=setup:actpass\r\n"), 200);
	talk("hello002");
	again(ALICE, listening(&ALICE->call, port, "alice", "a=setup:passive\r\n"), 200);
	talk("hello003");
	cr_assert_not(connects(listener, 0));
	/* A new path: we connect anew. */
	old = ALICE->msrp;
	again(ALICE, listening(&ALICE->call, port, "alice2", "a=setup:passive\r\n"), 200);
	cr_assert(peer_ends(&old, RIG_WAIT_MS));
	peer_close(&old);
	taken(ALICE, listener, 200);
	talk("hello004");
	/* Alice connects from now on. */
	old = ALICE->msrp;
	again(ALICE, listening(&ALICE->call, port, "alice3", "a=setup:active\r\n"), 200);
	call_bind(&ALICE->call, &ALICE->msrp);
	cr_assert(peer_ends(&old, RIG_WAIT_MS));
	peer_close(&old);
	talk("hello005");
	/* And we again. */
	old = ALICE->msrp;
	again(ALICE, listening(&ALICE->call, port, "alice4", "a=setup:passive\r\n"), 200);
	cr_assert(peer_ends(&old, RIG_WAIT_MS));
	peer_close(&old);
	taken(ALICE, listener, 200);
	talk("hello006");
	/* Lost: an exchange with the same path brings it back as well. */
	peer_close(&ALICE->msrp);
	call_say(&BOB->call, &BOB->msrp, "missed01", "", "missed01");
	cr_assert_eq(peer_status(&BOB->msrp, "missed01"), 200);
	again(ALICE, ALICE->call.offer, 200);
	while (!connects(listener, 200)) /* the loss may not have been heard of */
		again(ALICE, ALICE->call.offer, 200);
	taken(ALICE, listener, 200);
	talk("hello007");
	close(listener);
	end();
}

/* ---- CEMA ---- */

Test(connection, cema_connects_where_c_and_m_say)
{
	static const char *const paths[] = { "msrp://" NOWHERE ":2855/alice;tcp",
		"msrp://alice.example.com:2855/alice;tcp",
		"msrp://10.1.2.3:2855/r;tcp msrp://10.9.9.9:2855/alice;tcp" };
	uint16_t port;
	int listener = peer_listen(&port, 4);

	for (unsigned i = 0; i < 3; i++) {
		begin(&(struct rig_options){ .msrp = "  cema_lenient: false\n" });
		meet(said(&ALICE->call, "127.0.0.1", port, paths[i],
			     "a=setup:passive\r\na=msrp-cema\r\n"),
			NULL);
		HAS(ALICE->peer.message.body, "a=msrp-cema\r\n");
		taken(ALICE, listener, 200);
		talk("hello001");
		/* Only c= and m= change: that moves it too. */
		if (i == 0) {
			uint16_t other;
			int there = peer_listen(&other, 4);
			struct msrp_peer old = ALICE->msrp;

			again(ALICE,
				said(&ALICE->call, "127.0.0.1", other, paths[i],
					"a=setup:passive\r\na=msrp-cema\r\n"),
				200);
			cr_assert(peer_ends(&old, RIG_WAIT_MS));
			peer_close(&old);
			taken(ALICE, there, 200);
			talk("hello002");
			close(there);
		}
		end();
	}
	close(listener);
}

Test(connection, a_peer_without_cema_is_found_behind_what_rewrote_its_sdp)
{
	static const char *const paths[] = { "msrp://10.1.2.3:2855/alice;tcp",
		"msrp://a3c.invalid:2855/alice;tcp", "msrp://[fe80::1]:2855/alice;tcp" };
	uint16_t port;
	int listener = peer_listen(&port, 4);

	for (unsigned i = 0; i < 3; i++) {
		begin(NULL); /* msrp.cema_lenient is on */
		meet(said(&ALICE->call, "127.0.0.1", port, paths[i], "a=setup:passive\r\n"), NULL);
		taken(ALICE, listener, 200);
		talk("hello001");
		end();
	}
	close(listener);
}

Test(connection, without_both_the_path_is_where_we_connect)
{
	char path[100];
	uint16_t port, other;
	int listener = peer_listen(&port, 4), elsewhere = peer_listen(&other, 4);

	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/alice;tcp", port);
	begin(&(struct rig_options){ .msrp = "  cema_lenient: false\n" });
	meet(said(&ALICE->call, "127.0.0.1", other, path, "a=setup:passive\r\n"), NULL);
	taken(ALICE, listener, 200);
	cr_assert_not(connects(elsewhere, 0));
	talk("hello001");
	/* It says that it knows CEMA: now it counts. */
	again(ALICE,
		said(&ALICE->call, "127.0.0.1", other, path, "a=setup:passive\r\na=msrp-cema\r\n"),
		200);
	talk("hello002");
	close(listener);
	close(elsewhere);
	end();
}

/* ---- names ---- */

Test(connection, a_name_that_we_should_connect_to_is_refused_with_a_reason)
{
	static const char *const lenient[] = { "  cema_lenient: false\n", NULL };

	for (unsigned i = 0; i < 2; i++) {
		open_all(&(struct rig_options){ .conference = ALONE, .msrp = lenient[i] });
		/* c= and m= are no help where CEMA is not known, or name nothing either. */
		cr_assert_eq(asked(SIP_FACTORY, "", "application/sdp",
				     said(&call, i == 0 ? "127.0.0.1" : "alice.example.com", 2855,
					     "msrp://alice.example.com:2855/a;tcp",
					     i == 0 ? "a=setup:passive\r\n"
						    : "a=setup:passive\r\na=msrp-cema\r\n")),
			488);
		HAS(sip_header(&alice.message, "Warning"), "a=path has a name");
		/* Who connects to us may be called anything. */
		call_invite(&call, &alice, SIP_FACTORY, "", "application/sdp",
			said(&call, "alice.example.com", 2855,
				"msrp://alice.example.com:2855/a;tcp", "a=setup:actpass\r\n"));
		cr_assert_eq(call_final(&call), 200);
		call_ack(&call);
		/* In a re-INVITE: refused, and nothing has changed. */
		call_request(&call, "INVITE", "", "application/sdp",
			said(&call, "alice.example.com", 2855,
				"msrp://alice.example.com:2855/b;tcp", "a=setup:passive\r\n"));
		cr_assert_eq(call_final(&call), 488);
		HAS(sip_header(&alice.message, "Warning"), "a=path has a name");
		call_bye(&call);
		cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
		close_all();
	}
}

static const char *bob_has_a_name(struct sip_call *who)
{
	return said(who, "bob.example.com", 2855, "msrp://bob.example.com:2855/bob;tcp",
		"a=setup:passive\r\n");
}

Test(connection, an_invited_one_with_a_name_is_sent_away_with_488)
{
	char entry[200], *body;

	begin(NULL);
	snprintf(entry, sizeof(entry),
		"<entry uri=\"sip:bob@127.0.0.1:%u\" cp:copyControl=\"to\"/>", BOB->peer.port);
	body = call_list(call_sdp(&ALICE->call, "actpass", ""), entry);
	call_invite(&ALICE->call, &ALICE->peer, SIP_FACTORY, "", RIG_MULTIPART, body);
	free(body);
	call_incoming(&BOB->call, &BOB->peer);
	call_accept(&BOB->call, "", bob_has_a_name(&BOB->call));
	call_acked(&BOB->call);
	cr_assert(call_byed(&BOB->call, RIG_WAIT_MS));
	HAS(sip_header(&BOB->peer.message, "Reason"), "SIP;cause=488");
	cr_assert_eq(call_final(&ALICE->call), 488);
	party_close(two, 2);
	sip_rig_stop(&rig);
}

/* RFC 3261 13.3.1.4: our 200 offers, the ACK answers. */
Test(connection, the_answer_in_an_ack_may_leave_it_to_us)
{
	struct msrp_peer msrp;
	uint16_t port;
	int listener = peer_listen(&port, 4);

	for (unsigned i = 0; i < 2; i++) {
		char ack[8192];

		open_all(&(struct rig_options){ .conference = ALONE });
		call_invite(&call, &alice, SIP_FACTORY, "", NULL, NULL);
		cr_assert_eq(call_final(&call), 200);
		HAS(alice.message.body, "a=setup:actpass\r\n");
		if (i == 0)
			listening(&call, port, "alice", "a=setup:passive\r\n");
		else
			said(&call, "alice.example.com", 2855,
				"msrp://alice.example.com:2855/a;tcp", "a=setup:passive\r\n");
		snprintf(ack, sizeof(ack),
			"ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=z9hG4bKack%u\r\nMax-Forwards: 70\r\n"
			"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u ACK\r\nContent-Type: application/sdp\r\n"
			"Content-Length: %zu\r\n\r\n%s",
			call.request_uri, alice.host, alice.port, i, call.local, call.remote,
			call.id, call.invite_cseq, strlen(call.offer), call.offer);
		sip_write(&alice, ack, strlen(ack));
		if (i == 0) {
			peer_accept(&msrp, listener);
			cr_assert(peer_take(&msrp, RIG_WAIT_MS));
			cr_assert(span_eq(msrp.chunk.to_path, span_of(call.leg.path)));
			peer_close(&msrp);
			call_bye(&call);
		} else {
			cr_assert(call_byed(&call, RIG_WAIT_MS));
			HAS(sip_header(&alice.message, "Reason"), "SIP;cause=488");
		}
		cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
		close_all();
	}
	close(listener);
}

/* ---- hold ---- */

static void imdn(struct sip_party *from, const char *tid)
{
	char body[1000];
	int len = snprintf(body, sizeof(body),
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn>%s</imdn>",
		from->call.leg.address, from->call.identity, tid);

	peer_print(&from->msrp,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: "
		"1-%d/%d\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------%s$\r\n",
		tid, from->call.leg.uri, from->call.leg.path, tid, len, len, body, tid);
	cr_assert_eq(peer_status(&from->msrp, tid), 200);
}

/* context.md 1.6: only user content, and only towards who does not take it. */
Test(connection, who_holds_gets_control_payloads_only)
{
	static const struct {
		const char *direction;
		bool listens;
	} steps[] = { { "sendonly", false }, { "sendrecv", true }, { "inactive", false },
		{ "recvonly", true }, { "inactive", false }, { NULL, true } };
	char tid[40], lines[80] = "a=setup:active\r\n", report[40];

	begin(NULL);
	meet(said(&ALICE->call, "127.0.0.1", 9, "msrp://127.0.0.1:9/alice;tcp", lines), NULL);
	call_bind(&ALICE->call, &ALICE->msrp);
	talk("hello001");
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		snprintf(lines, sizeof(lines), "a=setup:active\r\n%s%s%s",
			steps[i].direction != NULL ? "a=" : "",
			steps[i].direction != NULL ? steps[i].direction : "",
			steps[i].direction != NULL ? "\r\n" : "");
		again(ALICE, said(&ALICE->call, "127.0.0.1", 9, ALICE->call.leg.path, lines), 200);
		/* Her own word is taken all the same, and answered; behind it the switch has the
		 * new settings. */
		snprintf(tid, sizeof(tid), "hers%04u", i);
		call_say(&ALICE->call, &ALICE->msrp, tid, "", tid);
		cr_assert_eq(peer_status(&ALICE->msrp, tid), 200);
		hears(BOB, tid);
		snprintf(tid, sizeof(tid), "user%04u", i);
		call_say(&BOB->call, &BOB->msrp, tid, "Success-Report: yes;Include-Sent-Count\r\n",
			tid);
		cr_assert_eq(peer_status(&BOB->msrp, tid), 200);
		snprintf(report, sizeof(report), "imdn%04u", i);
		if (steps[i].listens) {
			hears(ALICE, tid);
			peer_print(&ALICE->msrp,
				"MSRP %.*s 200\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
				SPAN_ARG(ALICE->msrp.chunk.tid), ALICE->call.leg.uri,
				ALICE->call.leg.path, SPAN_ARG(ALICE->msrp.chunk.tid));
		}
		cr_assert(peer_take(&BOB->msrp, RIG_WAIT_MS));
		cr_assert_eq(BOB->msrp.chunk.method, METHOD_REPORT);
		cr_assert_eq(BOB->msrp.chunk.distribution_count, steps[i].listens ? 1u : 0u,
			"%s: counted %u", lines, BOB->msrp.chunk.distribution_count);
		/* The next thing that she hears: nothing was queued. */
		imdn(BOB, report);
		hears(ALICE, report);
	}
	end();
}

/* ---- IPv6 ---- */

Test(connection, who_speaks_ipv6_is_told_of_our_ipv6_address)
{
	uint16_t port = 0;
	int listener = peer_listen_at("::1", &port, 4);
	char expected[60], path[100];

	begin(&(struct rig_options){ .msrp_listen = "\"tcp:127.0.0.1:%u\", \"tcp:[::1]:%u\"" });
	snprintf(path, sizeof(path), "msrp://[::1]:%u/alice;tcp", port);
	meet(said(&ALICE->call, "::1", port, path, "a=setup:actpass\r\n"), NULL);
	snprintf(expected, sizeof(expected), "a=path:msrp://[::1]:%u/", rig.msrp_port);
	HAS(ALICE->peer.message.body, expected);
	HAS(ALICE->peer.message.body, "c=IN IP6 ::1\r\n");
	LACKS(ALICE->peer.message.body, "IP4");
	/* Bob was not known when we offered: he gets the first. */
	snprintf(expected, sizeof(expected), "a=path:msrp://127.0.0.1:%u/", rig.msrp_port);
	HAS(BOB->call.invite.body, expected);
	HAS(BOB->call.invite.body, "c=IN IP4 127.0.0.1\r\n");
	peer_connect_to(&ALICE->msrp, "::1", rig.msrp_port);
	peer_print(&ALICE->msrp,
		"MSRP bind0000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind0000\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
		ALICE->call.leg.uri, ALICE->call.leg.path);
	cr_assert_eq(peer_status(&ALICE->msrp, "bind0000"), 200);
	talk("hello001");
	/* And we connect to her there. */
	{
		struct msrp_peer old = ALICE->msrp;

		snprintf(path, sizeof(path), "msrp://[0:0::0:1]:%u/alice2;tcp", port);
		again(ALICE, said(&ALICE->call, "::1", port, path, "a=setup:passive\r\n"), 200);
		cr_assert(peer_ends(&old, RIG_WAIT_MS));
		peer_close(&old);
	}
	taken(ALICE, listener, 200);
	talk("hello002");
	close(listener);
	end();
}

Test(connection, an_ipv6_listener_alone_is_told_to_everybody)
{
	char expected[60];

	begin(&(struct rig_options){ .msrp_listen = "\"tcp:[::1]:%u\"" });
	bobs_port = 9;
	meet(said(&ALICE->call, "127.0.0.1", 9, "msrp://127.0.0.1:9/alice;tcp", ""), bob_holds);
	snprintf(expected, sizeof(expected), "a=path:msrp://[::1]:%u/", rig.msrp_port);
	HAS(ALICE->peer.message.body, expected);
	HAS(ALICE->peer.message.body, "c=IN IP6 ::1\r\n");
	end();
}

/* ---- survival ---- */

/* A focus that was killed, and then a switch, still know where to connect. */
Test(connection, where_we_connect_survives)
{
	uint16_t port;
	int listener = peer_listen(&port, 8);
	const char *path = "msrp://" NOWHERE ":2855/alice;tcp";

	begin(NULL);
	meet(said(&ALICE->call, "127.0.0.1", port, path, "a=setup:passive\r\na=msrp-cema\r\n"),
		NULL);
	taken(ALICE, listener, 200);
	talk("hello001");
	kill_and_start_focus(&ALICE->peer);
	talk("hello002");
	/* Unchanged: nothing moves, so the new life knows what was said. */
	again(ALICE, ALICE->call.offer, 200);
	talk("hello003");
	cr_assert_not(connects(listener, 0));
	kill_it(&rig.the_switch);
	start_it(&rig.the_switch);
	for (unsigned i = 0; i < 2; i++) {
		struct sip_party *who = &two[i];

		cr_assert(sip_await_request(&who->peer, "INVITE", RIG_WAIT_MS));
		sip_body_line(&who->peer.message, "a=path:", who->call.leg.uri,
			sizeof(who->call.leg.uri));
		sip_reply(&who->peer, &who->peer.message, 200, NULL, "", "application/sdp",
			i == 0 ? who->call.offer
			       : said(&who->call, "127.0.0.1", 9, who->call.leg.path,
					 "a=setup:active\r\n"));
		peer_close(&who->msrp);
		if (i == 0)
			taken(who, listener, 200);
		else
			call_bind(&who->call, &who->msrp);
	}
	call_say(&BOB->call, &BOB->msrp, "back0001", "", "back0001");
	cr_assert_eq(peer_status(&BOB->msrp, "back0001"), 200);
	talk("hello004");
	close(listener);
	end();
}
