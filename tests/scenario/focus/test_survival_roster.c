/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival of what people know of each other: rosters and their subscribers, aliases, nicknames,
 * who was expelled, REFER. */
#include "tests/scenario/focus/refer_cast.h"
#include "tests/scenario/focus/survive.h"
#include "tests/scenario/focus/watch.h"

static struct watch alices;

static const struct rig_options at_once = { .conference = "  notify_interval: 0.2\n" };

Test(survival_roster, a_subscriber_is_told_all_again_and_then_what_changes)
{
	unsigned fulls, before;
	uint32_t version;

	meet(3, false, &at_once);
	alices.view.gap_allowed = true;
	cr_assert_eq(watch_within(&alices, &party[0].call, ""), 200);
	cr_assert(watch_next(&alices, RIG_WAIT_MS));
	watch_count(&alices, 3);
	fulls = alices.fulls;
	version = alices.view.version;
	before = alices.cseq;
	kill_and_start_focus(&party[0].peer);
	while (alices.fulls == fulls)
		cr_assert(watch_next(&alices, RIG_WAIT_MS), "no full NOTIFY");
	cr_expect_gt(alices.view.version, version);
	cr_expect_gt(alices.cseq, before + 60000);
	cr_expect_eq(alices.view.user_count, 3);
	cr_expect_eq(alices.view.user_count_known, 3);
	cr_expect_str_eq(
		conference_view_status(&alices.view, "sip:alice@example.com"), "connected");
	cr_expect_str_eq(conference_view_status(&alices.view, at(&party[1].peer)), "connected");
	cr_expect_str_eq(conference_view_status(&alices.view, at(&party[2].peer)), "connected");
	cr_expect_str_eq(
		conference_view_user(&alices.view, at(&party[1].peer))->endpoints[0].joining,
		"dialed-out");
	/* Deltas again, a refresh, and the end. */
	call_bye(&party[1].call);
	watch_status(&alices, at(&party[1].peer), "disconnected");
	cr_expect_str_eq(watch_method(&alices, at(&party[1].peer)), "departed");
	cr_expect_not(alices.view.full);
	cr_assert_eq(watch_again(&alices, ""), 200);
	cr_assert(watch_next(&alices, RIG_WAIT_MS));
	cr_expect(alices.view.full);
	call_bye(&party[2].call);
	watch_ended(&alices, "noresource");
	conference_view_fini(&alices.view);
	part(3);
}

Test(survival_roster, a_subscription_in_a_dialog_of_its_own_goes_on_too)
{
	meet(3, false, &at_once);
	alices.view.gap_allowed = true;
	watch_begin(&alices, &party[0].peer, party[0].call.identity);
	kill_and_start_focus(&party[0].peer);
	cr_assert(watch_next(&alices, RIG_WAIT_MS));
	cr_expect(alices.view.full);
	watch_count(&alices, 3);
	cr_assert_eq(watch_again(&alices, "Expires: 0\r\n"), 200);
	watch_ended(&alices, "timeout");
	/* It is forgotten: nothing comes after another death. */
	kill_and_start_focus(&party[0].peer);
	cr_expect(sip_nothing(&party[0].peer, 700));
	conference_view_fini(&alices.view);
	part(3);
}

/* Who left, how, and in which order people came is known as before. */
Test(survival_roster, who_left_before_is_in_the_roster_after)
{
	meet(4, false, &at_once);
	call_bye(&party[2].call);
	kill_and_start_focus(&party[0].peer);
	watch_begin(&alices, &party[0].peer, party[0].call.identity);
	cr_expect_eq(alices.view.user_count, 3);
	cr_expect_str_eq(conference_view_status(&alices.view, at(&party[1].peer)), "connected");
	call_bye(&party[1].call);
	watch_status(&alices, at(&party[1].peer), "disconnected");
	conference_view_fini(&alices.view);
	part(4);
}

/* One of the party comes back to the session, as it was invited: by the address that reaches it. */
static unsigned come_back(struct sip_call *who, struct sip_peer *peer, const char *headers)
{
	char all[300];

	who->peer = peer;
	snprintf(all, sizeof(all), "P-Asserted-Identity: <%s>\r\n%s", at(peer), headers);
	call_invite(who, peer, party[0].call.identity, all, "application/sdp",
		call_sdp(who, "actpass", ""));
	return call_final(who);
}

/* ---- REFER ---- */

static void dave_comes(const char *headers)
{
	call_incoming(&daves, &dave);
	HAS(sip_header(&daves.invite, "Referred-By"), "alice@example.com");
	call_accept(&daves, headers, call_sdp(&daves, "active", ""));
	call_acked(&daves);
}

Test(survival_roster, refer_in_an_old_dialog_adds_and_expels)
{
	meet(3, false, &at_once);
	kill_and_start_focus(&party[0].peer);
	cr_assert_eq(refer(&party[0].call, at(&dave), ""), 202);
	told_trying(&party[0].peer);
	dave_comes("");
	told_last(&party[0].peer, DONE);
	kill_and_start_focus(&party[0].peer);
	/* He who came in by it is in every later life. */
	watch_begin(&alices, &party[0].peer, party[0].call.identity);
	watch_status(&alices, at(&dave), "connected");
	cr_expect_eq(alices.view.user_count, 4);
	conference_view_fini(&alices.view);
	call_bye(&daves);
	part(3);
}

Test(survival_roster, the_creator_may_expel_and_the_expelled_stays_out)
{
	struct sip_call again = { 0 };
	char method_bye[200];

	meet(4, false, &at_once);
	kill_and_start_focus(&party[0].peer);
	snprintf(method_bye, sizeof(method_bye), "%s;method=BYE", at(&party[3].peer));
	cr_assert_eq(refer(&party[0].call, method_bye, "Refer-Sub: false\r\n"), 202);
	cr_assert(call_byed(&party[3].call, RIG_WAIT_MS));
	kill_and_start_focus(&party[0].peer);
	cr_expect_eq(come_back(&again, &party[3].peer, ""), 403);
	part(4);
}

/* ---- names ---- */

static unsigned named(unsigned who, const char *tid, const char *name)
{
	peer_print(&party[who].msrp,
		"MSRP %s NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"%s\"\r\n-------%s$\r\n",
		tid, party[who].call.leg.uri, party[who].call.leg.path, name, tid);
	return peer_status(&party[who].msrp, tid);
}

Test(survival_roster, a_nickname_stays_its_owners)
{
	meet(3, true, NULL);
	cr_assert_eq(named(0, "nick0001", "The Boss"), 200);
	kill_and_start_focus(&party[0].peer);
	cr_expect_eq(named(1, "nick0002", "the boss"), 425);
	cr_expect_eq(named(1, "nick0003", "Another"), 200);
	watch_begin(&alices, &party[0].peer, party[0].call.identity);
	cr_expect_str_eq(conference_view_user(&alices.view, "sip:alice@example.com")->display_text,
		"The Boss");
	conference_view_fini(&alices.view);
	part(3);
}

/* What the call says, as alice hears it. */
static const char *heard_from(struct sip_call *who, struct msrp_peer *msrp, const char *tid)
{
	static char text[4096];

	snprintf(who->leg.address, sizeof(who->leg.address), "%s", at(who->peer));
	call_say(who, msrp, tid, "", tid);
	cr_assert_eq(peer_status(msrp, tid), 200);
	do {
		cr_assert(peer_take(&party[0].msrp, RIG_WAIT_MS), "nothing of %s", tid);
		snprintf(text, sizeof(text), "%.*s", (int)party[0].msrp.body_len,
			(const char *)party[0].msrp.body);
	} while (strstr(text, tid) == NULL);
	return text;
}

Test(survival_roster, an_alias_is_kept_over_a_restart_and_a_rejoin)
{
	struct sip_call again = { 0 };
	struct msrp_peer msrp;
	char first[100];
	const char *text;

	meet(3, true, NULL);
	call_bye(&party[2].call);
	cr_assert_eq(come_back(&again, &party[2].peer, "Privacy: id\r\n"), 200);
	call_ack(&again);
	call_bind(&again, &msrp);
	text = heard_from(&again, &msrp, "hidden01");
	LACKS(text, "carol");
	HAS(text, "<sip:anon-");
	text = strstr(text, "<sip:anon-");
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(text, ">"), text);
	kill_and_start_focus(&party[0].peer);
	HAS(heard_from(&again, &msrp, "hidden02"), first);
	peer_close(&msrp);
	call_bye(&again);
	kill_and_start_focus(&party[0].peer);
	cr_assert_eq(come_back(&again, &party[2].peer, ""), 200);
	call_ack(&again);
	call_bind(&again, &msrp);
	text = heard_from(&again, &msrp, "hidden03");
	HAS(text, first);
	LACKS(text, "carol");
	HAS(text, "Anonymous 1");
	peer_close(&msrp);
	call_bye(&again);
	part(3);
}

/* ---- registrations ---- */

Test(survival_roster, who_is_registered_is_reached_after_a_restart)
{
	char contact[200];

	open_all(NULL);
	snprintf(contact, sizeof(contact), "Contact: <sip:bob@127.0.0.1:%u>\r\nExpires: 600\r\n",
		bob.port);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", contact), 200);
	kill_and_start_focus(&alice);
	call.peer = &alice;
	{
		char *body = call_list(
			call_sdp(&call, "actpass", ""), "<entry uri=\"sip:bob@example.com\"/>");

		call_invite(&call, &alice, SIP_FACTORY, "", RIG_MULTIPART, body);
		free(body);
	}
	call_incoming(&bobs, &bob);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	/* It unregisters, and stays so. */
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", "Contact: *\r\nExpires: 0\r\n"), 200);
	kill_and_start_focus(&alice);
	cr_assert_eq(register_it(&bob, "sip:bob@example.com", ""), 200);
	LACKS(bob.message.text, "Contact: <sip:bob@127");
	close_all();
}
