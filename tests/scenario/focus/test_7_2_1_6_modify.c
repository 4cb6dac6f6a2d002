/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.6 and 7.2.1.11: re-INVITE and UPDATE in a session, and what supervises it. */
#include "tests/scenario/focus/cast.h"

static const struct rig_options quick = { .conference = ALONE,
	.sip = "  session_expires_s: 6\n  min_se_s: 2\n" };
static const struct rig_options one = { .conference = ALONE };

static void start(const struct rig_options *options, const char *headers)
{
	open_all(options);
	cr_assert_eq(alone(&call, &alice, headers), 200);
	call_ack(&call);
}

static void o_line(const struct sip_message *message, char *out, size_t size)
{
	sip_body_line(message, "o=", out, size);
}

Test(CF_7_2_1_6, R1a_unacceptable_parameters_get_488)
{
	struct msrp_peer msrp;

	start(&one, "");
	call_bind(&call, &msrp);
	call_request(&call, "INVITE", "", "application/sdp",
		"v=0\r\no=a 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\n");
	cr_assert_eq(call_final(&call), 488);
	HAS(alice.message.body, "a=accept-types:message/cpim");
	REQ("CF-7.2.1.6-R1a");
	/* Nothing has changed: the session and its connection go on. */
	call_say(&call, &msrp, "still001", "", "here");
	cr_assert_eq(peer_status(&msrp, "still001"), 200);
	REQ("CF-7.2.1.6-R1");
	peer_close(&msrp);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_6, R2_a_new_path_permits_one_rebind)
{
	struct msrp_peer first, second, third;
	char offer[4096], line[300], *at;

	start(&one, "");
	call_bind(&call, &first);
	/* 506: bound elsewhere. */
	peer_connect(&second, rig.msrp_port);
	peer_print(&second,
		"MSRP other000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: o\r\nByte-Range: 1-0/0\r\n-------other000$\r\n",
		call.leg.uri, call.leg.path);
	cr_assert_eq(peer_status(&second, "other000"), 506);
	snprintf(offer, sizeof(offer), "%s", call.offer);
	at = strstr(offer, "/alice;tcp");
	memcpy(at, "/other;tcp", 10);
	call_request(&call, "INVITE", "", "application/sdp", offer);
	cr_assert_eq(call_final(&call), 200);
	REQ("CF-7.2.1.6-R3");
	/* R3b: it came back the way the request went, by its Via. */
	snprintf(line, sizeof(line), "127.0.0.1:%u;branch=%s", alice.port, call.branch);
	HAS(sip_header(&alice.message, "Via"), line);
	REQ("CF-7.2.1.6-R3b");
	cr_assert_str_eq(sip_header(&alice.message, "Content-Type"), "application/sdp");
	HAS(alice.message.body, "a=accept-types:message/cpim\r\n");
	HAS(alice.message.body, "a=accept-wrapped-types:text/plain\r\n");
	HAS(alice.message.body, "a=setup:passive\r\n");
	REQ("CF-7.2.1.6-R3a");
	call_ack(&call);
	call_bind(&call, &third);
	call_say(&call, &third, "moved001", "", "here");
	cr_assert_eq(peer_status(&third, "moved001"), 200);
	/* The old one is unbound. */
	call_say(&call, &first, "stale001", "", "here");
	cr_assert_neq(peer_status(&first, "stale001"), 200);
	REQ("CF-7.2.1.6-R2");
	peer_close(&first);
	peer_close(&second);
	peer_close(&third);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_6, R3a1_parameters_come_from_the_offer)
{
	char line[200];

	start(&one, "");
	call_request(&call, "INVITE", "", "application/sdp",
		"v=0\r\no=alice 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/alice;tcp\r\na=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:image/png text/html\r\n");
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	sip_body_line(&alice.message, "a=accept-wrapped-types:", line, sizeof(line));
	cr_assert_str_eq(line, "image/png text/html");
	sip_body_line(&alice.message, "a=accept-types:", line, sizeof(line));
	cr_assert_str_eq(line, "message/cpim");
	REQ("CF-7.2.1.6-R3a1");
	/* context.md 5.2: a setup only where the offer had one. */
	LACKS(alice.message.body, "a=setup");
	call_bye(&call);
	close_all();
}

/* RFC 3264 8: what is said again keeps its version, what changed has the next; an offer of ours
 * says again what was said last. */
Test(CF_7_2_1_6, what_changes_has_the_next_version_and_nothing_else)
{
	unsigned long long session[4], version[4];
	char body[4096], line[200];

	start(&one, "");
	for (unsigned i = 0; i < 4; i++) {
		const char *direction = i == 1 || i == 2 ? "a=sendonly\r\n" : "";

		call_request(&call, "INVITE", "", "application/sdp",
			call_sdp(&call, "actpass", direction));
		cr_assert_eq(call_final(&call), 200);
		call_ack(&call);
		o_line(&alice.message, line, sizeof(line));
		cr_assert_eq(
			sscanf(line, "%*s %llu %llu", &session[i], &version[i]), 2, "%s", line);
	}
	cr_assert_eq(session[1], session[0]);
	cr_assert_eq(version[1], version[0] + 1);
	cr_assert_eq(version[2], version[1]);
	cr_assert_eq(version[3], version[2] + 1);
	snprintf(body, sizeof(body), "%s", alice.message.body);
	call_request(&call, "INVITE", "", NULL, NULL);
	cr_assert_eq(call_final(&call), 200);
	cr_assert_str_eq(alice.message.body, body);
	call_ack(&call);
	call_bye(&call);
	close_all();
}

/* 7.2.2.6: the others stay as they are, by our local policy. */
Test(CF_7_2_1_6, N1_the_others_are_not_asked_for_new_parameters)
{
	struct sip_party three[3];

	sip_rig_start(&rig, NULL);
	party_meet(&rig, three, 3, "", true);
	call_request(&three[0].call, "INVITE", "", "application/sdp",
		"v=0\r\no=alice 3911200001 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		"m=message 9 TCP/MSRP *\r\na=path:msrp://127.0.0.1:9/alice;tcp\r\na=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:image/png\r\n");
	cr_assert_eq(call_final(&three[0].call), 200);
	call_ack(&three[0].call);
	cr_assert(sip_nothing(&three[1].peer, 400));
	cr_assert(sip_nothing(&three[2].peer, 10));
	REQ("CF-7.2.1.6-N1");
	/* R2: the switch knows what she takes now. */
	call_say(&three[1].call, &three[1].msrp, "text0001", "", "no text for alice");
	cr_assert_eq(peer_status(&three[1].msrp, "text0001"), 200);
	cr_assert(peer_take(&three[2].msrp, RIG_WAIT_MS));
	HAS((const char *)three[2].msrp.body, "no text for alice");
	cr_assert_not(peer_take(&three[0].msrp, 300) && three[0].msrp.chunk.method == METHOD_SEND);
	party_close(three, 3);
	sip_rig_stop(&rig);
}

/* RFC 3264 6.1; RFC 7701 8: missing in a later exchange is off. */
Test(CF_7_2_1_6, R2_direction_and_private_messages_are_as_said_last)
{
	static const struct {
		const char *offered, *answered;
	} directions[] = {
		{ "sendonly", "\r\na=recvonly\r\n" },
		{ "recvonly", "\r\na=sendonly\r\n" },
		{ "inactive", "\r\na=inactive\r\n" },
	};
	struct sip_party two[2];
	char line[40];

	sip_rig_start(&rig, NULL);
	party_meet(&rig, two, 2, "", true);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "a=%s\r\n", directions[i].offered);
		call_request(&two[0].call, "INVITE", "", "application/sdp",
			call_sdp(&two[0].call, "actpass", line));
		cr_assert_eq(call_final(&two[0].call), 200);
		call_ack(&two[0].call);
		HAS(two[0].peer.message.body, directions[i].answered);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct sip_call private = two[1].call;
		char tid[20];

		call_request(&two[0].call, "INVITE", "", "application/sdp",
			call_sdp(&two[0].call, "actpass",
				i == 0 ? "a=chatroom:private-messages\r\n" : ""));
		cr_assert_eq(call_final(&two[0].call), 200);
		LACKS(two[0].peer.message.body, "a=recvonly");
		call_ack(&two[0].call);
		snprintf(private.identity, sizeof(private.identity), "sip:alice@example.com");
		snprintf(tid, sizeof(tid), "private%u", i);
		call_say(&private, &two[1].msrp, tid, "", tid);
		cr_assert_eq(peer_status(&two[1].msrp, tid), i == 0 ? 200 : 428);
	}
	party_close(two, 2);
	sip_rig_stop(&rig);
}

Test(CF_7_2_1_6, malformed_sdp_gets_400)
{
	start(&one, "");
	call_request(&call, "INVITE", "", "application/sdp", "no session description\r\n");
	cr_assert_eq(call_final(&call), 400);
	HAS(sip_header(&alice.message, "Warning"), "399 example.com \"");
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_6, one_without_an_offer_asks_for_ours)
{
	start(&one, "");
	call_request(&call, "INVITE", "", NULL, NULL);
	cr_assert_eq(call_final(&call), 200);
	HAS(alice.message.body, "a=path:msrp://");
	call_ack(&call);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_11, R1a_a_refresh_is_answered_refresher_uac)
{
	char before[200], after[200];

	start(&one, "Supported: timer\r\n");
	o_line(&alice.message, before, sizeof(before));
	call_request(&call, "INVITE", "Supported: timer\r\nSession-Expires: 400;refresher=uac\r\n",
		"application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 200);
	cr_assert_str_eq(sip_header(&alice.message, "Session-Expires"), "400;refresher=uac");
	REQ("CF-7.2.1.11-R1a");
	/* RFC 3264 8: unchanged, so with the same o= line. */
	o_line(&alice.message, after, sizeof(after));
	cr_assert_str_neq(before, "");
	cr_assert_str_eq(after, before);
	call_ack(&call);
	/* UPDATE refreshes as well, and needs no SDP. */
	call_request(&call, "UPDATE", "Supported: timer\r\nSession-Expires: 500;refresher=uac\r\n",
		NULL, NULL);
	cr_assert_eq(call_answer_to(&call, "UPDATE"), 200);
	cr_assert_str_eq(sip_header(&alice.message, "Session-Expires"), "500;refresher=uac");
	cr_assert_eq(alice.message.body_len, 0);
	call_bye(&call);
	close_all();
}

Test(CF_7_2_1_11, R1b_a_refresh_restarts_the_timer)
{
	start(&quick, "Supported: timer\r\n"); /* 6 s: BYE after 4 */
	cr_assert(sip_nothing(&alice, 2500));
	call_request(&call, "INVITE", "Supported: timer\r\nSession-Expires: 6;refresher=uac\r\n",
		"application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	cr_assert(sip_nothing(&alice, 2500), "the first interval still counts");
	REQ("CF-7.2.1.11-R1b");
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	HAS(sip_header(&alice.message, "Reason"), "SIP;cause=408;text=\"Session expired\"");
	REQ("CF-7.2.1.11-EXP1");
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_11, too_small_an_interval_gets_422)
{
	open_all(&one);
	cr_assert_eq(alone(&call, &alice, "Supported: timer\r\nSession-Expires: 60\r\n"), 422);
	cr_assert_str_eq(sip_header(&alice.message, "Min-SE"), "90");
	/* RFC 4028 9: not for one who does not know the timer. */
	cr_assert_eq(alone(&call, &alice, "Session-Expires: 60\r\n"), 200);
	cr_assert_str_eq(sip_header(&alice.message, "Session-Expires"), "90;refresher=uac");
	call_ack(&call);
	call_request(&call, "INVITE", "Supported: timer\r\nSession-Expires: 60\r\n",
		"application/sdp", call.offer);
	cr_assert_eq(call_final(&call), 422);
	call_bye(&call);
	cr_assert(rig_log_has(&rig.focus, "conferences=0", RIG_WAIT_MS));
	close_all();
}

Test(CF_7_2_1_11, a_refresh_of_ours_that_meets_481_ends_the_session)
{
	start(&quick, "Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 6;refresher=uas\r\n");
	cr_assert(sip_await_request(&alice, "UPDATE", 5000));
	sip_reply(&alice, &alice.message, 481, NULL, "", NULL, NULL);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	close_all();
}
