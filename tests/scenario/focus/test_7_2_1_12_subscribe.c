/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.12: Subscribing to Participant information, what is told (7.2.2.10) and how it ends
 * (7.2.2.11), and every clause that says that subscribers hear of something. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include "tests/scenario/focus/group_cast.h"
#include "tests/scenario/focus/watch.h"

#define ALICE        "sip:alice@example.com"
#define BOB          "sip:bob@example.com"
#define CAROL        "sip:carol@example.com"
#define FAST         "  notify_interval: 0.2\n"
#define MAY_SEE      "<allow-conference-state>true</allow-conference-state>"
#define SEEING(list) GROUP(list RULES(RULE("<is-list-member/>", MAY MAY_HIDE MAY_SEE)))

static struct watch a, b, c;
static const struct rig_options fast = { .conference = FAST };

/* A chat room that its members may watch; Alice is in. */
static void open_room(void)
{
	open_group(&fast, SEEING(MEMBERS));
	enter(&call, &alice);
}

static void close_room(void)
{
	conference_view_fini(&a.view);
	conference_view_fini(&b.view);
	conference_view_fini(&c.view);
	close_all();
}

Test(CF_7_2_1_12, R1_and_R2_a_conference_that_is_not_ours_gets_404)
{
	static const char *const unknown[] = { "sip:im-abcdefghijklmnopqrstuvwxyz@example.com",
		"sip:nobody@groups.example.org", "sip:example.com", SIP_FACTORY };

	open_room();
	for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		cr_assert_eq(watch_ask(&a, &alice, unknown[i], ""), 404, "%s: %u", unknown[i],
			alice.message.status);
		warned(&alice, "Conference URI does not exist");
		if (i == 0)
			REQ("CF-7.2.1.12-R1");
		if (i == 1)
			REQ("CF-7.2.1.12-R2");
	}
	watch_begin(&a, &alice, call.identity);
	watch_begin(&b, &alice, TEAM);
	call_bye(&call);
	watch_ended(&a, "noresource");
	watch_ended(&b, "noresource");
	/* The session is over; the group is there still, and nobody attends it. */
	cr_assert_eq(watch_ask(&c, &alice, call.identity, ""), 404);
	cr_assert_eq(watch_ask(&c, &alice, TEAM, ""), 403);
	warned(&alice, "User is not authorised");
	close_room();
}

Test(CF_7_2_1_12, R3_who_is_not_authenticated_is_refused)
{
	struct sip_peer stranger, other;

	open_room();
	sip_peer_open(&stranger, &rig, "alice", SIP_FOREIGN, false);
	sip_peer_open(&other, &rig, "alice", SIP_TRUSTED, false);
	/* The identity that a stranger asserts is none. */
	cr_assert_eq(watch_ask(&b, &stranger, call.identity, ""), 403);
	REQ("CF-7.2.1.12-R3a");
	warned(&stranger, "Originator not authenticated");
	REQ("CF-7.2.1.12-R3b");
	cr_assert_eq(watch_ask(&b, &stranger, TEAM, ""), 403);
	b.own.no_identity = true;
	cr_assert_eq(watch_ask(&b, &other, call.identity, ""), 403);
	warned(&other, "Originator not authenticated");
	b.own.no_identity = false;
	cr_assert_eq(watch_ask(&b, &other, call.identity, ""), 200);
	REQ("CF-7.2.1.12-R3");
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	call_bye(&call);
	watch_ended(&b, "noresource");
	sip_peer_close(&stranger);
	sip_peer_close(&other);
	close_room();
}

Test(CF_7_2_1_12, R4_who_is_not_permitted_or_does_not_attend_is_refused)
{
	/* Alice may see who is there, Bob may not, though he is there; Carol is not. */
	open_group(&fast, GROUP(MEMBERS RULES(RULE("<is-list-member/>", MAY) RULE(
				  ONE("alice"), MAY_SEE) RULE(ONE("carol"), MAY_SEE))));
	enter(&call, &alice);
	enter(&bobs, &bob);
	cr_assert_eq(watch_ask(&b, &bob, call.identity, ""), 403);
	warned(&bob, "User is not authorised");
	cr_assert_eq(watch_ask(&b, &bob, TEAM, ""), 403);
	cr_assert_eq(watch_within(&b, &bobs, ""), 403);
	cr_assert_eq(watch_ask(&c, &carol, call.identity, ""), 403);
	REQ("CF-7.2.1.12-R4a");
	warned(&carol, "User is not authorised");
	REQ("CF-7.2.1.12-R4b");
	cr_assert_eq(watch_ask(&c, &carol, TEAM, ""), 403);
	watch_begin(&a, &alice, TEAM);
	REQ("CF-7.2.1.12-R4");
	/* In, she may; gone again, she may not. */
	enter(&carols, &carol);
	watch_begin(&c, &carol, TEAM);
	call_bye(&carols);
	watch_ended(&c, "noresource");
	cr_assert_eq(watch_ask(&c, &carol, TEAM, ""), 403);
	/* Another's identity within a dialog is not believed to be the dialog's. */
	cr_assert_eq(
		watch_within(&b, &call, "P-Asserted-Identity: <sip:bob@example.com>\r\n"), 403);
	call_bye(&call);
	call_bye(&bobs);
	close_room();
}

Test(CF_7_2_1_12, R5_to_R9_a_subscription_is_made_and_told_all)
{
	const struct view_user *user;
	char contact[300];

	open_room();
	enter(&bobs, &bob);
	cr_assert_eq(
		watch_ask(&a, &alice, call.identity, "Expires: 1800\r\nAccept: " INFO_TYPE "\r\n"),
		200);
	REQ("CF-7.2.1.12-R5a");
	REQ("CF-7.2.1.12-R7"); /* it came by the core, here: where the request came from */
	cr_assert_str_eq(sip_header(&alice.message, "Expires"), "1800");
	snprintf(contact, sizeof(contact), "<%s>;isfocus;+g.oma.sip-im", call.identity);
	cr_assert_str_eq(sip_header(&alice.message, "Contact"), contact);
	REQ("CF-7.2.1.12-R6");
	HAS(sip_header(&alice.message, "Server"), "IM-serv/OMA1.0");
	cr_assert(watch_next(&a, RIG_WAIT_MS));
	REQ("CF-7.2.1.12-R9");
	HAS(alice.message.uri, "sip:alice@127.0.0.1");
	HAS(sip_header(&alice.message, "Contact"), call.identity);
	cr_assert(strcmp(a.state, "active;expires=1800") == 0 ||
			  strcmp(a.state, "active;expires=1799") == 0,
		"%s", a.state);
	cr_assert(a.view.full && a.view.version == 1 && a.view.active && a.view.own_marks == 1);
	REQ("CF-7.2.1.12-R8");
	cr_assert_str_eq(a.view.entity, call.identity);
	cr_assert_eq(a.view.maximum_users, 500);
	cr_assert_eq(a.view.user_count, 2);
	cr_assert_eq(a.view.user_count_known, 2);
	user = conference_view_user(&a.view, ALICE);
	cr_assert(user != NULL && user->yourown);
	cr_assert_str_eq(user->display_text, "alice");
	cr_assert_str_eq(user->endpoints[0].status, "connected");
	cr_assert_str_eq(user->endpoints[0].joining, "dialed-in");
	user = conference_view_user(&a.view, BOB);
	cr_assert(user != NULL && !user->yourown);
	/* No place of a device is told. */
	LACKS(a.body, "127.0.0.1");
	/* To the group: the same, under the name that was asked for. */
	watch_begin(&b, &bob, TEAM);
	cr_assert_str_eq(b.view.entity, TEAM);
	cr_assert(conference_view_user(&b.view, BOB)->yourown);
	/* It is a subscription: what changes is told. */
	enter(&carols, &carol);
	watch_status(&a, CAROL, "connected");
	watch_status(&b, CAROL, "connected");
	REQ("CF-7.2.1.12-R5");
	cr_assert(!a.view.full && a.view.named == 1);
	call_bye(&call);
	call_bye(&bobs);
	call_bye(&carols);
	close_room();
}

Test(CF_7_2_1_12, a_type_that_we_do_not_write_gets_406)
{
	static const struct {
		const char *accept;
		unsigned status;
	} table[] = {
		{ "Accept: application/pidf+xml\r\n", 406 },
		{ "Accept: text/*, application/xml\r\n", 406 },
		{ "Accept: application/pidf+xml, Application/Conference-Info+xml;q=0.5\r\n", 200 },
		{ "Accept: application/*\r\n", 200 },
		{ "Accept: */*\r\n", 200 },
		{ "", 200 },
	};
	static struct watch all[sizeof(table) / sizeof(table[0])];

	open_room();
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct watch *w = &all[i];

		cr_assert_eq(watch_ask(w, &alice, TEAM, table[i].accept), table[i].status, "%s",
			table[i].accept);
		if (table[i].status == 406)
			cr_assert_str_eq(sip_header(&alice.message, "Accept"), INFO_TYPE);
		else
			cr_assert(watch_next(w, RIG_WAIT_MS));
	}
	call_bye(&call);
	close_room();
}

Test(CF_7_2_1_12, N1_more_than_the_policy_allows_are_refused)
{
	const struct rig_options few = { .conference = FAST
					 "  user_subscriptions: 2\n  max_subscriptions: 3\n" };
	static struct watch w[4];

	open_group(&few, SEEING(MEMBERS));
	enter(&call, &alice);
	enter(&bobs, &bob);
	watch_begin(&w[0], &alice, TEAM);
	watch_begin(&w[1], &alice, TEAM);
	cr_assert_eq(watch_ask(&w[3], &alice, TEAM, ""), 403);
	warned(&alice, "Too many subscriptions");
	watch_begin(&w[2], &bob, TEAM);
	cr_assert_eq(watch_ask(&w[3], &bob, TEAM, ""), 403);
	REQ("CF-7.2.1.12-N1");
	/* A place that is given back can be had. */
	cr_assert_eq(watch_again(&w[0], "Expires: 0\r\n"), 200);
	watch_ended(&w[0], "timeout");
	watch_begin(&w[3], &bob, TEAM);
	call_bye(&call);
	call_bye(&bobs);
	close_room();
}

Test(CF_7_2_1_12, within_the_dialog_of_the_invite)
{
	open_room();
	cr_assert_eq(watch_within(&a, &call, ""), 200);
	cr_assert(watch_next(&a, RIG_WAIT_MS));
	cr_assert(a.view.full && conference_view_user(&a.view, ALICE)->yourown);
	enter(&bobs, &bob);
	watch_status(&a, BOB, "connected");
	cr_assert_eq(watch_again(&a, ""), 200);
	cr_assert(watch_next(&a, RIG_WAIT_MS));
	cr_assert(a.view.full);
	/* A network that asserts identities need not do so within a dialog; it may. */
	cr_assert_eq(
		watch_within(&b, &bobs, "P-Asserted-Identity: <sip:bob@example.com>\r\n"), 200);
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	call_bye(&call);
	watch_ended(&a, "noresource");
	cr_assert_str_eq(conference_view_status(&a.view, ALICE), "disconnected");
	watch_status(&b, ALICE, "disconnected");
	call_bye(&bobs);
	watch_ended(&b, "noresource");
	close_room();
}

Test(CF_7_2_1_12, a_refresh_has_all_of_it_and_the_next_version)
{
	open_room();
	watch_begin(&a, &alice, TEAM);
	enter(&bobs, &bob);
	watch_status(&a, BOB, "connected");
	cr_assert_eq(watch_again(&a, "Expires: 600\r\n"), 200);
	cr_assert_str_eq(sip_header(&alice.message, "Expires"), "600");
	cr_assert(watch_next(&a, RIG_WAIT_MS));
	cr_assert(a.view.full && a.view.version == 3 && a.view.user_count_known == 2);
	/* Just once, and no more: RFC 6665 4.4.3. */
	cr_assert_eq(watch_ask(&b, &bob, TEAM, "Expires: 0\r\n"), 200);
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	cr_assert(b.view.full && b.view.user_count == 2);
	cr_assert_str_eq(b.state, "terminated;reason=timeout");
	enter(&carols, &carol);
	watch_status(&a, CAROL, "connected");
	cr_assert(!watch_next(&b, 300));
	cr_assert_eq(watch_again(&a, "Expires: 0\r\n"), 200);
	watch_ended(&a, "timeout");
	cr_assert(a.had_body && a.view.full);
	call_bye(&carols);
	cr_assert(!watch_next(&a, 300));
	call_bye(&call);
	call_bye(&bobs);
	close_room();
}

Test(CF_7_2_1_12, CHG1_changes_are_told_together)
{
	const struct rig_options slow = { .conference = "  notify_interval: 1\n" };
	static struct sip_call many[8];
	struct timespec began, ended;
	double seconds;

	open_group(&slow, SEEING(MEMBERS));
	enter(&call, &alice);
	clock_gettime(CLOCK_MONOTONIC, &began);
	watch_begin(&a, &alice, TEAM);
	/* Bob comes with one device after the other, and goes, and comes. */
	for (unsigned i = 0; i < 8; i++)
		enter(&many[i], &bob);
	while (conference_view_user(&a.view, BOB) == NULL ||
		conference_view_user(&a.view, BOB)->endpoint_count != 8)
		cr_assert(watch_next(&a, RIG_WAIT_MS));
	REQ("CF-7.2.1.12-CHG1");
	for (unsigned i = 0; i < 7; i++)
		call_bye(&many[i]);
	while (conference_view_user(&a.view, BOB)->endpoint_count != 1)
		cr_assert(watch_next(&a, RIG_WAIT_MS));
	clock_gettime(CLOCK_MONOTONIC, &ended);
	seconds = (double)(ended.tv_sec - began.tv_sec) +
		  (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
	cr_assert_leq(a.notified, 2 + (unsigned)seconds, "%u in %.1f s", a.notified, seconds);
	cr_assert_str_eq(conference_view_status(&a.view, BOB), "connected");
	cr_assert_eq(a.view.user_count, 2);
	call_bye(&many[7]);
	watch_status(&a, BOB, "disconnected");
	call_bye(&call);
	close_room();
}

Test(CF_7_2_1_12, TERM1_the_end_is_told)
{
	const struct rig_options soon = { .sip = "  subscription_min_s: 0\n", .conference = FAST };

	open_group(&soon, SEEING(MEMBERS));
	enter(&call, &alice);
	enter(&bobs, &bob);
	enter(&carols, &carol);
	/* Its time is over. */
	cr_assert_eq(watch_ask(&c, &carol, TEAM, "Expires: 1\r\n"), 200);
	cr_assert(watch_next(&c, RIG_WAIT_MS));
	watch_ended(&c, "timeout");
	/* Its user left: its own status is the last that it hears. */
	watch_begin(&a, &alice, TEAM);
	watch_begin(&b, &bob, TEAM);
	call_bye(&bobs);
	watch_ended(&b, "noresource");
	cr_assert(!b.view.full && b.view.named == 1 && b.view.own_marks == 1);
	cr_assert_str_eq(conference_view_status(&b.view, BOB), "disconnected");
	cr_assert_str_eq(watch_method(&b, BOB), "departed");
	REQ("CF-7.2.1.10-R4");
	watch_status(&a, BOB, "disconnected");
	cr_assert_str_eq(watch_method(&a, BOB), "departed");
	cr_assert_eq(a.view.user_count, 2);
	/* The server stops. */
	kill(rig.focus.pid, SIGTERM);
	watch_ended(&a, "deactivated");
	cr_assert_not(a.had_body);
	REQ("CF-7.2.1.12-TERM1");
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	cr_assert(call_byed(&carols, RIG_WAIT_MS));
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
	close_room();
}

Test(CF_7_2_1_12, a_released_conference_is_inactive_and_everybody_disconnected)
{
	const struct rig_options idle = { .conference = FAST "  idle_release: 0.6\n" };

	open_group(&idle, SEEING(MEMBERS));
	enter(&call, &alice);
	enter(&bobs, &bob);
	watch_begin(&a, &alice, TEAM);
	watch_begin(&b, &bob, call.identity);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	watch_ended(&a, "noresource");
	cr_assert(a.view.full && !a.view.active && a.view.user_count == 0);
	cr_assert(a.view.own_marks == 1 && a.view.user_count_known == 2);
	cr_assert_str_eq(conference_view_status(&a.view, ALICE), "disconnected");
	cr_assert_str_eq(watch_method(&a, BOB), "booted");
	cr_assert(call_byed(&bobs, RIG_WAIT_MS));
	watch_ended(&b, "noresource");
	cr_assert(b.view.full && !b.view.active);
	close_room();
}

/* ---- the clauses that say who is told of what ---- */

Test(CF_7_2_1_1, OK7_the_200_of_a_join_is_told_to_the_subscribers)
{
	open_room();
	watch_begin(&a, &alice, TEAM);
	enter(&bobs, &bob);
	watch_status(&a, BOB, "connected");
	cr_assert_eq(a.view.user_count, 2);
	REQ("CF-7.2.1.1-OK7");
	REQ("CF-7.2.1.4-R11");
	REQ("CF-7.2.1.4-R12");
	REQ("CF-7.2.1.3-R9e"); /* an INVITE to the group whose session is active already */
	/* Each subscriber, on each of its devices. */
	watch_begin(&b, &bob, TEAM);
	watch_begin(&c, &alice, call.identity);
	enter(&carols, &carol);
	watch_status(&a, CAROL, "connected");
	watch_status(&b, CAROL, "connected");
	watch_status(&c, CAROL, "connected");
	cr_assert(!a.view.full && !b.view.full && !c.view.full);
	/* And a rejoin, by the Session Identity. */
	call_bye(&carols);
	watch_status(&a, CAROL, "disconnected");
	ask(&carols, &carol, call.identity, "");
	cr_assert_eq(call_final(&carols), 200);
	call_ack(&carols);
	watch_status(&a, CAROL, "connected");
	REQ("CF-7.2.1.5-R12");
	REQ("CF-7.2.1.5-R13");
	watch_status(&b, CAROL, "connected");
	call_bye(&call);
	call_bye(&bobs);
	call_bye(&carols);
	close_room();
}

Test(CF_7_2_1_9, OK2_the_answered_bye_of_a_removal_is_told)
{
	const struct rig_options unbound = { .conference = FAST, .msrp = "  bind_s: 1\n" };
	static struct msrp_peer msrp;

	/* Bob does not bind his MSRP session. */
	open_group(&unbound, SEEING(MEMBERS));
	enter(&call, &alice);
	call_bind(&call, &msrp);
	watch_begin(&a, &alice, TEAM);
	enter(&bobs, &bob);
	watch_begin(&b, &bob, TEAM);
	watch_status(&a, BOB, "connected");
	cr_assert(sip_await_request(&bob, "BYE", RIG_WAIT_MS));
	watch_status(&a, BOB, "disconnecting");
	sip_reply(&bob, &bob.message, 200, NULL, "", NULL, NULL);
	watch_status(&a, BOB, "disconnected");
	REQ("CF-7.2.1.9-OK2");
	cr_assert_str_eq(watch_method(&a, BOB), "booted");
	REQ("CF-7.2.1.9-OK3");
	watch_ended(&b, "noresource");
	cr_assert_str_eq(watch_method(&b, BOB), "booted");
	call_bye(&call);
	close_room();
}

/* ---- what is told of whom ---- */

Test(notify, an_anonymous_user_has_an_alias_and_no_address_anywhere)
{
	const struct view_user *ghost = NULL;

	open_room();
	watch_begin(&a, &alice, TEAM);
	cr_assert_eq(ask_team(&bobs, &bob, "Privacy: id\r\n"), 200);
	call_ack(&bobs);
	watch_begin(&b, &bob, TEAM);
	LACKS(b.body, "bob");
	watch_count(&a, 2);
	LACKS(a.body, "bob");
	for (unsigned i = 0; i < b.view.user_count_known; i++)
		if (b.view.users[i].yourown)
			ghost = &b.view.users[i];
	cr_assert_not_null(ghost, "one learns one's alias by yourown");
	HAS(ghost->entity, "sip:anon-");
	HAS(ghost->entity, "@anonymous.invalid");
	cr_assert_str_eq(ghost->display_text, "Anonymous 1");
	cr_assert_str_eq(conference_view_status(&a.view, ghost->entity), "connected");
	call_bye(&bobs);
	watch_ended(&b, "noresource");
	LACKS(b.body, "bob");
	watch_count(&a, 1);
	LACKS(a.body, "bob");
	cr_assert_str_eq(conference_view_status(&a.view, ghost->entity), "disconnected");
	call_bye(&call);
	close_room();
}

Test(notify, invited_ones_are_shown_from_ringing_to_joining_or_not)
{
	/* Alice and Bob are in, Carol is asked by the list and lets it ring. */
	char bobs_uri[80], carols_uri[80]; /* as the list has them */

	open_all(&fast);
	call_factory(&call, &alice, "", &bob, &carol, NULL);
	call_incoming(&bobs, &bob);
	call_incoming(&carols, &carol);
	snprintf(bobs_uri, sizeof(bobs_uri), "%s", bobs.invite.uri);
	snprintf(carols_uri, sizeof(carols_uri), "%s", carols.invite.uri);
	accept_it(&bobs);
	cr_assert_eq(call_final(&call), 200);
	call_ack(&call);
	watch_begin(&a, &alice, call.identity);
	cr_assert_str_eq(conference_view_status(&a.view, carols_uri), "dialing-out", "%s", a.body);
	cr_assert_eq(a.view.user_count, 2, "connected ones are counted");
	cr_assert_eq(a.view.maximum_users, 100);
	call_ring(&carols);
	watch_status(&a, carols_uri, "alerting");
	call_reject(&carols, 486, "");
	watch_status(&a, carols_uri, "disconnected");
	cr_assert_str_eq(watch_method(&a, carols_uri), "busy");
	cr_assert_str_eq(
		conference_view_user(&a.view, bobs_uri)->endpoints[0].joining, "dialed-out");
	call_bye(&bobs);
	cr_assert(call_byed(&call, RIG_WAIT_MS));
	watch_ended(&a, "noresource");
	cr_assert_str_eq(watch_method(&a, bobs_uri), "departed");
	close_room();
}

Test(notify, a_history_function_is_neither_shown_nor_counted)
{
	const struct rig_options recorded = { .conference =
						      FAST "  history_users: [\"" CAROL "\"]\n" };

	open_group(&recorded, SEEING(MEMBERS));
	enter(&call, &alice);
	watch_begin(&a, &alice, TEAM);
	enter(&carols, &carol);
	enter(&bobs, &bob);
	watch_status(&a, BOB, "connected");
	cr_assert_eq(a.view.user_count, 2);
	cr_assert_null(conference_view_user(&a.view, CAROL));
	LACKS(a.body, "carol");
	call_bye(&carols);
	cr_assert(!watch_next(&a, 500), "%s", a.body);
	call_bye(&call);
	call_bye(&bobs);
	close_room();
}

Test(notify, above_roster_max_there_is_a_count_and_ones_own_entry)
{
	const struct rig_options small = { .conference = FAST "  roster_max: 2\n" };

	open_group(&small, SEEING(MEMBERS));
	enter(&call, &alice);
	enter(&bobs, &bob);
	watch_begin(&a, &alice, TEAM);
	cr_assert_eq(a.view.user_count_known, 2);
	enter(&carols, &carol);
	watch_count(&a, 3);
	cr_assert(a.view.full && a.view.users_partial, "the roster is taken back");
	cr_assert(a.view.user_count_known == 1 && a.view.users[0].yourown);
	watch_begin(&c, &carol, TEAM);
	cr_assert(c.view.user_count == 3 && c.view.users_partial && c.view.user_count_known == 1);
	cr_assert(conference_view_user(&c.view, CAROL)->yourown);
	call_bye(&bobs);
	watch_count(&a, 2);
	if (!a.view.users_partial || a.view.user_count_known == 1)
		watch_status(&a, CAROL, "connected");
	cr_assert_eq(conference_view_with(&a.view, "connected"), 2);
	call_bye(&call);
	call_bye(&carols);
	close_room();
}

Test(notify, one_who_answers_481_or_nothing_is_told_no_more_and_nobody_waits)
{
	open_room();
	enter(&bobs, &bob);
	watch_begin(&a, &alice, TEAM);
	b.silent = true;
	cr_assert_eq(watch_ask(&b, &bob, TEAM, ""), 200);
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	enter(&carols, &carol);
	watch_status(&a, CAROL, "connected");
	cr_assert_eq(b.notified, 1, "Bob has not answered the first");
	c.answer = 481;
	cr_assert_eq(watch_ask(&c, &carol, TEAM, ""), 200);
	cr_assert(watch_next(&c, RIG_WAIT_MS));
	call_bye(&bobs);
	watch_status(&a, BOB, "disconnected");
	cr_assert(!watch_next(&c, 500));
	cr_assert_eq(
		watch_again(&c, ""), 481, "the subscription has gone: %u", carol.message.status);
	call_bye(&call);
	call_bye(&carols);
	close_room();
}

/* ---- another life of the focus ---- */

static void kill_and_start(void)
{
	for (unsigned i = 0; i < 3; i++)
		cr_assert(sip_focus_lives(&alice)); /* what was said last has been taken in */
	cr_assert_eq(kill(rig.focus.pid, SIGKILL), 0);
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), -2);
	rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
	cr_assert(rig_daemon_ready(&rig.focus, RIG_WAIT_MS));
}

Test(notify, a_killed_focus_tells_its_subscribers_all_and_goes_on)
{
	struct watch *const all[] = { &a, &b, &c };
	uint32_t version;

	open_room();
	enter(&bobs, &bob);
	enter(&carols, &carol);
	/* Alice beside her dialog, Bob within his, Carol by the Session Identity. */
	watch_begin(&a, &alice, TEAM);
	cr_assert_eq(watch_within(&b, &bobs, ""), 200);
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	watch_begin(&c, &carol, call.identity);
	for (unsigned life = 0; life < 2; life++) {
		kill_and_start();
		for (unsigned i = 0; i < 3; i++) {
			version = all[i]->view.version;
			all[i]->view.gap_allowed = true;
			cr_assert(watch_next(all[i], RIG_WAIT_MS), "%u in life %u: %s", i, life,
				rig.directory);
			cr_assert(all[i]->view.full && all[i]->view.version > version);
			cr_assert_eq(all[i]->view.user_count, 3);
			cr_assert_eq(conference_view_with(&all[i]->view, "connected"), 3);
			cr_assert_eq(all[i]->view.own_marks, 1);
		}
	}
	cr_assert_str_eq(a.view.entity, TEAM);
	cr_assert(conference_view_user(&b.view, BOB)->yourown);
	/* What happens then is told as before. */
	call_bye(&carols);
	watch_ended(&c, "noresource");
	watch_status(&a, CAROL, "disconnected");
	watch_status(&b, CAROL, "disconnected");
	cr_assert(!a.view.full && !b.view.full);
	enter(&carols, &carol);
	watch_status(&a, CAROL, "connected");
	cr_assert_eq(watch_again(&a, ""), 200);
	cr_assert(watch_next(&a, RIG_WAIT_MS));
	cr_assert(a.view.full);
	cr_assert_eq(watch_again(&b, "Expires: 0\r\n"), 200);
	watch_ended(&b, "timeout");
	/* Who had ended is not told of a third life. */
	kill_and_start();
	a.view.gap_allowed = true;
	cr_assert(watch_next(&a, RIG_WAIT_MS));
	cr_assert(!watch_next(&b, 300));
	cr_assert(!watch_next(&c, 10));
	call_bye(&carols);
	call_bye(&bobs);
	call_bye(&call);
	watch_ended(&a, "noresource");
	close_room();
}

/* ---- many ---- */

#define CROWD 120u

/* A TCP listener at a peer's port that is not the peer's: it takes the connection that a long
 * NOTIFY makes, and resets it. */
Test(notify, a_connection_that_is_reset_is_no_end)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const struct linger reset = { .l_onoff = 1 };
	struct pollfd ready = { .events = POLLIN };
	int one = 1;

	open_room();
	enter(&bobs, &bob);
	enter(&carols, &carol);
	ready.fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ready.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	at.sin_port = htons(bob.port);
	inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
	/* The port is bob's for UDP; somebody else's connection may have it for TCP for a moment. */
	for (unsigned i = 0; bind(ready.fd, (struct sockaddr *)&at, sizeof(at)) != 0; i++) {
		cr_assert(errno == EADDRINUSE && i < RIG_WAIT_MS / 10, "%s", strerror(errno));
		poll(NULL, 0, 10);
	}
	cr_assert_eq(listen(ready.fd, 1), 0);
	cr_assert_eq(watch_ask(&b, &bob, TEAM, ""), 200);
	cr_assert_eq(poll(&ready, 1, RIG_WAIT_MS), 1, "a short one? then this tests nothing");
	one = accept(ready.fd, NULL, NULL);
	cr_assert_geq(one, 0);
	close(ready.fd);
	setsockopt(one, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(one);
	cr_assert(watch_next(&b, RIG_WAIT_MS), "%s", rig.directory);
	cr_assert_eq(b.view.user_count, 3);
	call_bye(&carols);
	watch_status(&b, CAROL, "disconnected");
	call_bye(&call);
	call_bye(&bobs);
	close_room();
}

/* RFC 3261 18.1.1: what does not fit into a datagram goes by TCP; who has none is told the rest. */
Test(notify, a_roster_that_fits_no_datagram)
{
	static struct sip_call calls[60];
	struct sip_peer wired;
	struct sip_call wireds = { 0 };
	char identity[400], name[241];

	open_group(&fast,
		GROUP(MEMBERS RULES(RULE("<cp:identity><cp:many/></cp:identity>", MAY MAY_SEE))));
	memset(name, '&', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < 60; i++) {
		snprintf(identity, sizeof(identity),
			"P-Asserted-Identity: \"%s\" <sip:u%u@example.com>\r\n", name, i);
		cr_assert_eq(ask_team(&calls[i], &alice, identity), 200);
		call_ack(&calls[i]);
	}
	enter(&carols, &carol);
	cr_assert_eq(watch_ask(&c, &carol, TEAM, ""), 200);
	cr_assert(watch_next(&c, RIG_WAIT_MS));
	cr_assert(c.view.full && c.view.users_partial && c.view.user_count == 61, "%s", c.body);
	cr_assert(c.view.user_count_known == 1 && c.view.users[0].yourown);
	sip_peer_open(&wired, &rig, "bob", SIP_TRUSTED, true);
	enter(&wireds, &wired);
	watch_count(&c, 62);
	cr_assert_eq(watch_ask(&b, &wired, TEAM, ""), 200);
	cr_assert(watch_next(&b, RIG_WAIT_MS));
	cr_assert_eq(b.view.user_count_known, 62);
	cr_assert_gt(strlen(b.body), 65536);
	cr_assert_eq(
		strlen(conference_view_user(&b.view, "sip:u7@example.com")->display_text), 240);
	call_bye(&wireds);
	watch_ended(&b, "noresource");
	watch_count(&c, 61);
	for (unsigned i = 0; i < 60; i++)
		call_bye(&calls[i]);
	watch_count(&c, 1);
	call_bye(&carols);
	watch_ended(&c, "noresource");
	sip_peer_close(&wired);
	close_room();
}

/* One peer with the identities of many. */
Test(notify, the_notifies_of_many_who_join_are_linear)
{
	const struct rig_options options = {
		.conference = "  notify_interval: 1\n  roster_max: 20\n",
		.msrp = "  bind_s: 0\n",
	};
	static struct sip_call calls[CROWD];
	struct watch *w = calloc(CROWD, sizeof(*w));
	struct timespec began, ended;
	uint64_t notified = 0;
	double seconds;
	bool settled;

	open_group(&options,
		GROUP(MEMBERS RULES(RULE("<cp:identity><cp:many/></cp:identity>", MAY MAY_SEE))));
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned i = 0; i < CROWD; i++) {
		char identity[80];

		snprintf(identity, sizeof(identity),
			"P-Asserted-Identity: <sip:u%u@example.com>\r\n", i);
		cr_assert_eq(ask_team(&calls[i], &alice, identity), 200);
		call_ack(&calls[i]);
		cr_assert_eq(watch_ask(&w[i], &alice, TEAM, identity), 200);
		/* Whatever has come by now is answered. */
		while (sip_await_request(&alice, "NOTIFY", 0))
			watch_take(&alice);
	}
	do {
		settled = true;
		for (unsigned i = 0; i < CROWD && settled; i++)
			settled = w[i].view.user_count == CROWD;
		if (!settled) {
			cr_assert(sip_await_request(&alice, "NOTIFY", RIG_WAIT_MS));
			watch_take(&alice);
		}
	} while (!settled);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	seconds = (double)(ended.tv_sec - began.tv_sec) +
		  (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
	for (unsigned i = 0; i < CROWD; i++) {
		notified += w[i].notified;
		cr_assert_leq(w[i].view.named, 1, "its own entry, at most");
		cr_assert_lt(strlen(w[i].body), 1000);
		if (i >= 20) {
			char own[40];

			snprintf(own, sizeof(own), "sip:u%u@example.com", i);
			cr_assert_eq(w[i].view.user_count_known, 1);
			cr_assert(conference_view_user(&w[i].view, own)->yourown);
		}
	}
	cr_assert_leq(notified, CROWD * (2 + (unsigned)seconds), "%lu in %.1f s",
		(unsigned long)notified, seconds);
	cr_assert_eq(alice.repeated, 0, "the focus waited for an answer that it had");
	kill(rig.focus.pid, SIGTERM);
	for (unsigned i = 0; i < CROWD; i++)
		watch_ended(&w[i], "deactivated");
	for (unsigned i = 0; i < CROWD; i++)
		cr_assert(call_byed(&calls[i], RIG_WAIT_MS));
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
	close_room();
}
