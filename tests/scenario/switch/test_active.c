/* SPDX-License-Identifier: BSD-3-Clause */
/* Legs for which we connect: RFC 4975 5.4, RFC 6714, context.md 1.4. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

static void leg_is(
	struct scene *s, const struct rig_leg *leg, enum leg_state state, enum leg_cause cause)
{
	const struct leg_status *status = &s->rig.event.u.leg.status;

	do {
		rig_event(&s->rig, EVENT_LEG, &leg->id);
	} while (status->state != state || status->cause != cause);
}

static const char *path_at(const char *host, uint16_t port, const char *id)
{
	static char path[8][200];
	static unsigned next;
	char *out = path[next++ % 8];

	snprintf(out, sizeof(path[0]),
		strchr(host, ':') != NULL ? "msrp://[%s]:%u/%s;tcp" : "msrp://%s:%u/%s;tcp", host,
		port, id);
	return out;
}

/* An active leg, a member at once. */
static void call_out(struct scene *s, unsigned who, const char *name, const char *path)
{
	s->leg[who] = rig_leg_add(&s->rig, &s->room, name,
		&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path });
	s->peer[who].fd = -1;
	if (s->count <= who)
		s->count = who + 1;
	cr_assert_eq(rig_member(&s->rig, CMD_MEMBER_ADD, &s->leg[who],
			     &(struct rig_member_settings){ .participant = who }),
		0);
}

/* The next request on the connection is the binding SEND of this leg. */
static void take_ask(struct scene *s, unsigned who, struct msrp_peer *on)
{
	cr_assert(peer_take(on, RIG_WAIT_MS), "no binding SEND of %s", s->leg[who].address);
	cr_assert(on->chunk.method == METHOD_SEND && !on->chunk.has_body && on->chunk.flag == '$');
	cr_assert(span_eq(on->chunk.to_path, span_of(s->leg[who].path)), "To-Path %.*s",
		SPAN_ARG(on->chunk.to_path));
	cr_assert(span_eq(on->chunk.from_path, span_of(s->leg[who].uri)));
	cr_assert(on->chunk.failure_report == FAILURE_REPORT_YES, "nobody would answer");
}

static void answer_on(struct scene *s, unsigned who, struct msrp_peer *on, unsigned status)
{
	peer_print(on, "MSRP %.*s %u\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
		SPAN_ARG(on->chunk.tid), status, s->leg[who].uri, s->leg[who].path,
		SPAN_ARG(on->chunk.tid));
}

static bool connects(int listener, int wait_ms)
{
	struct pollfd fd = { listener, POLLIN, 0 };

	return poll(&fd, 1, wait_ms) > 0;
}

/* The next thing on a connection that several share is a message with this text for this leg. */
static void take_text(struct scene *s, unsigned who, struct msrp_peer *on, const char *text)
{
	cr_assert(peer_take(on, RIG_WAIT_MS), "nothing for %s", s->leg[who].address);
	cr_assert(on->chunk.method == METHOD_SEND && on->chunk.has_body);
	cr_assert(span_eq(on->chunk.to_path, span_of(s->leg[who].path)), "for %.*s",
		SPAN_ARG(on->chunk.to_path));
	cr_assert(memmem(on->body, on->body_len, text, strlen(text)) != NULL, "%.*s",
		(int)on->body_len, on->body);
}

Test(active, several_of_ours_share_one_connection)
{
	struct msrp_peer on;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	/* Before the first is open, and behind other spellings of the same place. */
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	call_out(&s, DAVE, "dave", path_at("dave@127.0.0.1", port, "dave"));
	peer_accept(&on, listener);
	/* In whichever order; each has one of its own. */
	for (unsigned i = 0; i < 2; i++) {
		unsigned who;

		cr_assert(peer_take(&on, RIG_WAIT_MS));
		who = span_eq(on.chunk.to_path, span_of(s.leg[CAROL].path)) ? CAROL : DAVE;
		cr_assert(span_eq(on.chunk.from_path, span_of(s.leg[who].uri)));
		answer_on(&s, who, &on, 200);
		leg_is(&s, &s.leg[who], LEG_BOUND, LEG_CAUSE_NONE);
	}
	/* And once it is open: at once. */
	call_out(&s, ERIN, "erin", path_at("127.0.0.1", port, "erin"));
	take_ask(&s, ERIN, &on);
	answer_on(&s, ERIN, &on, 200);
	leg_is(&s, &s.leg[ERIN], LEG_BOUND, LEG_CAUSE_NONE);
	cr_assert_not(connects(listener, 0), "a connection of its own");
	/* One leaves: the others stay. */
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[DAVE]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[DAVE].id);
	REFUSED(&s, ALICE, 200, .id = "toall", .text = "to all");
	expect_text(&s, BOB, "to all");
	{
		unsigned seen = 0;

		for (unsigned i = 0; i < 2; i++) {
			cr_assert(peer_take(&on, RIG_WAIT_MS));
			seen |= span_eq(on.chunk.to_path, span_of(s.leg[CAROL].path))  ? 1u
				: span_eq(on.chunk.to_path, span_of(s.leg[ERIN].path)) ? 2u
										       : 4u;
		}
		cr_assert_eq(seen, 3);
	}
	/* The last leaves: it is closed. */
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[CAROL]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[CAROL].id);
	cr_assert_not(peer_take(&on, 100));
	cr_assert_not(on.closed);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[ERIN]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[ERIN].id);
	cr_assert(peer_ends(&on, RIG_WAIT_MS));
	/* Who comes now has a new one. */
	call_out(&s, CAROL, "carol2", path_at("127.0.0.1", port, "carol2"));
	peer_close(&on);
	peer_accept(&on, listener);
	take_ask(&s, CAROL, &on);
	peer_close(&on);
	leg_is(&s, &s.leg[CAROL], LEG_UNBOUND, LEG_CAUSE_LOST);
	close(listener);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_shared"), 2);
	cr_assert_eq(rig_counter(&s.rig, "binds"), 5);
}

Test(active, another_address_or_port_is_another_connection)
{
	struct msrp_peer first, second, third;
	uint16_t port, other;
	struct scene s;
	int listener = peer_listen(&port, 8), there, at_other;

	there = peer_listen_at("127.0.0.2", &port, 8);
	at_other = peer_listen(&other, 8);
	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	call_out(&s, DAVE, "dave", path_at("127.0.0.2", port, "dave"));
	call_out(&s, ERIN, "erin", path_at("127.0.0.1", other, "erin"));
	peer_accept(&first, listener);
	peer_accept(&second, there);
	peer_accept(&third, at_other);
	take_ask(&s, CAROL, &first);
	take_ask(&s, DAVE, &second);
	take_ask(&s, ERIN, &third);
	peer_close(&first);
	peer_close(&second);
	peer_close(&third);
	close(listener);
	close(there);
	close(at_other);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_shared"), 0);
}

/* Enough of them that some fall into the same place of any table. */
Test(active, nor_is_one_of_many_taken_for_another)
{
	enum { MANY = 120 };
	static struct msrp_peer on[MANY];
	struct rig_leg leg;
	char host[40];
	struct scene s;
	uint16_t port = 0;
	int listener = peer_listen_at("0.0.0.0", &port, MANY);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(host, sizeof(host), "127.1.0.%u", i + 1);
		leg = rig_leg_add(&s.rig, &s.room, "many",
			&(struct rig_leg_settings){
				.setup = LEG_ACTIVE, .path = path_at(host, port, "many") });
		peer_accept(&on[i], listener);
		cr_assert(peer_take(&on[i], RIG_WAIT_MS));
		cr_assert(span_eq(on[i].chunk.to_path, span_of(leg.path)));
	}
	for (unsigned i = 0; i < MANY; i++)
		peer_close(&on[i]);
	close(listener);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_shared"), 0);
}

Test(active, an_error_ends_that_session_and_no_other)
{
	static const unsigned statuses[] = { 481, 403, 506, 400 };
	struct msrp_peer on;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	peer_accept(&on, listener);
	take_ask(&s, CAROL, &on);
	answer_on(&s, CAROL, &on, 200);
	for (unsigned i = 0; i < 4; i++) {
		call_out(&s, DAVE, "dave", path_at("127.0.0.1", port, "dave"));
		take_ask(&s, DAVE, &on);
		answer_on(&s, DAVE, &on, statuses[i]);
		leg_is(&s, &s.leg[DAVE], LEG_UNBOUND, LEG_CAUSE_REFUSED);
		cr_assert_eq(s.rig.event.u.leg.status.bindings, 0);
		cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[DAVE]), 0);
	}
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "hello");
	expect_text(&s, BOB, "hello");
	take_text(&s, CAROL, &on, "hello");
	/* Alone on its connection: that goes too. */
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[CAROL]), 0);
	cr_assert(peer_ends(&on, RIG_WAIT_MS));
	peer_close(&on);
	call_out(&s, ERIN, "erin", path_at("127.0.0.1", port, "erin"));
	peer_accept(&on, listener);
	take_ask(&s, ERIN, &on);
	answer_on(&s, ERIN, &on, 481);
	leg_is(&s, &s.leg[ERIN], LEG_UNBOUND, LEG_CAUSE_REFUSED);
	cr_assert(peer_ends(&on, RIG_WAIT_MS));
	peer_close(&on);
	close(listener);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds_refused"), 5);
}

Test(active, no_answer_in_time_ends_that_session_and_no_other)
{
	struct msrp_peer on;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ .msrp = "  transaction_s: 0.4\n" }, "alice bob");
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	peer_accept(&on, listener);
	take_ask(&s, CAROL, &on);
	answer_on(&s, CAROL, &on, 200);
	call_out(&s, DAVE, "dave", path_at("127.0.0.1", port, "dave"));
	take_ask(&s, DAVE, &on);
	leg_is(&s, &s.leg[DAVE], LEG_UNBOUND, LEG_CAUSE_UNANSWERED);
	/* The answer that comes too late is nobody's. */
	answer_on(&s, DAVE, &on, 200);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "hello");
	expect_text(&s, BOB, "hello");
	take_text(&s, CAROL, &on, "hello");
	peer_close(&on);
	leg_is(&s, &s.leg[CAROL], LEG_UNBOUND, LEG_CAUSE_LOST);
	close(listener);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds_unanswered"), 1);
	cr_assert_eq(rig_counter(&s.rig, "binds"), 3);
}

/* RFC 4975 5.4: who has sent its SEND may go on sending. Bound it is when its peer says so, or speaks. */
Test(active, it_is_a_recipient_from_its_binding_send_on)
{
	struct msrp_peer *carol;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	carol = &s.peer[CAROL];
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	peer_accept(carol, listener);
	take_ask(&s, CAROL, carol);
	REFUSED(&s, ALICE, 200, .id = "before", .text = "before");
	expect_text(&s, BOB, "before");
	expect_text(&s, CAROL, "before");
	/* Its own request shows as well that it knows the session; the answer may come after. */
	SAY(&s, CAROL, .id = "hers", .text = "from carol");
	expect_status(&s, CAROL, "hers", 200);
	leg_is(&s, &s.leg[CAROL], LEG_BOUND, LEG_CAUSE_NONE);
	expect_text(&s, ALICE, "from carol");
	expect_text(&s, BOB, "from carol");
	peer_print(carol,
		"MSRP aaaaaaaaaaaaa 200\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------aaaaaaaaaaaaa$\r\n",
		s.leg[CAROL].uri, s.leg[CAROL].path);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	expect_text(&s, CAROL, "after");
	close(listener);
	scene_close(&s);
}

/* What it takes part in may change before its peer has answered. */
Test(active, one_that_leaves_the_room_meanwhile_is_still_asked)
{
	struct msrp_peer *carol;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ .msrp = "  transaction_s: 2\n" }, "alice bob");
	carol = &s.peer[CAROL];
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	peer_accept(carol, listener);
	take_ask(&s, CAROL, carol);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &s.leg[CAROL]), 0);
	REFUSED(&s, ALICE, 200, .id = "before", .text = "before");
	expect_text(&s, BOB, "before");
	cr_assert_not(peer_take(carol, 1200), "out of the room, or given up");
	answer_on(&s, CAROL, carol, 200);
	leg_is(&s, &s.leg[CAROL], LEG_BOUND, LEG_CAUSE_NONE);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[CAROL],
			     &(struct rig_member_settings){ .participant = 2 }),
		0);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "after");
	expect_text(&s, BOB, "after");
	expect_text(&s, CAROL, "after");
	close(listener);
	scene_close(&s);
}

Test(active, names_are_not_looked_up)
{
	static const char *const named[] = { "msrp://carol.example.com:2855/c;tcp",
		"msrp://localhost:2855/c;tcp", "msrp://a.invalid:9/c;tcp",
		"msrp://relay.example.com:2855/r;tcp msrp://127.0.0.1:2855/c;tcp" };
	static const char *const bad[] = { "127.0.0.1", "localhost:80", "[127.0.0.1]:80", "::1:80",
		"127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:80;tcp", " 127.0.0.1:80" };
	struct msrp_peer on;
	struct rig_leg leg;
	struct scene s;
	char connect[40];
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (unsigned i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		cr_assert_eq(
			rig_leg_try(&s.rig, &s.room, "named",
				&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = named[i] },
				&leg),
			-EINVAL, "%s", named[i]);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(rig_leg_try(&s.rig, &s.room, "bad",
				     &(struct rig_leg_settings){ .setup = LEG_ACTIVE,
					     .path = path_at("127.0.0.1", port, "c"),
					     .connect = bad[i] },
				     &leg),
			-EINVAL, "%s", bad[i]);
	/* Whoever connects to us may have any name. */
	leg = rig_leg_add(&s.rig, &s.room, "named", &(struct rig_leg_settings){ .path = named[0] });
	cr_assert_eq(rig_leg_update(&s.rig, &leg,
			     &(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = named[2] }),
		-EINVAL);
	/* RFC 6714: where the controller says; the To-Path stays the peer's. */
	snprintf(connect, sizeof(connect), "127.0.0.1:%u", port);
	cr_assert_eq(rig_leg_update(&s.rig, &leg,
			     &(struct rig_leg_settings){
				     .setup = LEG_ACTIVE, .path = named[3], .connect = connect }),
		0);
	s.leg[CAROL] = leg;
	snprintf(s.leg[CAROL].path, sizeof(s.leg[CAROL].path), "%s", named[3]);
	peer_accept(&on, listener);
	take_ask(&s, CAROL, &on);
	/* And it is found there by who comes by its path. */
	call_out(&s, DAVE, "dave", path_at("127.0.0.1", port, "dave"));
	take_ask(&s, DAVE, &on);
	peer_close(&on);
	close(listener);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_shared"), 1);
}

Test(active, a_new_exchange_may_move_the_binding_and_turn_it_round)
{
	struct msrp_peer first, second, third;
	const char *path;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
	peer_accept(&first, listener);
	take_ask(&s, CAROL, &first);
	answer_on(&s, CAROL, &first, 200);
	scene_leg(&s, &s.leg[CAROL], LEG_BOUND, 1);
	/* Active as before, with a new path: the old connection goes, a new one comes. */
	path = path_at("127.0.0.1", port, "carol2");
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[CAROL],
			     &(struct rig_leg_settings){
				     .setup = LEG_ACTIVE, .path = path, .rebind = 1 }),
		0);
	snprintf(s.leg[CAROL].path, sizeof(s.leg[CAROL].path), "%s", path);
	cr_assert(peer_ends(&first, RIG_WAIT_MS));
	peer_close(&first);
	peer_accept(&second, listener);
	take_ask(&s, CAROL, &second);
	answer_on(&s, CAROL, &second, 200);
	scene_leg(&s, &s.leg[CAROL], LEG_BOUND, 2);
	REFUSED(&s, ALICE, 200, .id = "m.one", .text = "one");
	expect_text(&s, BOB, "one");
	take_text(&s, CAROL, &second, "one");
	/* Without leave to rebind the binding stays, whatever is said. */
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[CAROL],
			     &(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path }),
		0);
	/* Now it is the peer who connects. */
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[CAROL],
			     &(struct rig_leg_settings){ .path = path, .rebind = 1 }),
		0);
	REFUSED(&s, ALICE, 200, .id = "m.two", .text = "two");
	expect_text(&s, BOB, "two");
	take_text(&s, CAROL, &second, "two");
	peer_bind(&third, s.rig.port, &s.leg[CAROL]);
	cr_assert(peer_ends(&second, RIG_WAIT_MS));
	peer_close(&second);
	REFUSED(&s, ALICE, 200, .id = "three", .text = "three");
	expect_text(&s, BOB, "three");
	take_text(&s, CAROL, &third, "three");
	/* And we again. */
	path = path_at("127.0.0.1", port, "carol3");
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[CAROL],
			     &(struct rig_leg_settings){
				     .setup = LEG_ACTIVE, .path = path, .rebind = 1 }),
		0);
	snprintf(s.leg[CAROL].path, sizeof(s.leg[CAROL].path), "%s", path);
	cr_assert(peer_ends(&third, RIG_WAIT_MS));
	peer_close(&third);
	peer_accept(&s.peer[CAROL], listener);
	take_ask(&s, CAROL, &s.peer[CAROL]);
	answer_on(&s, CAROL, &s.peer[CAROL], 200);
	scene_leg(&s, &s.leg[CAROL], LEG_BOUND, 4);
	REFUSED(&s, ALICE, 200, .id = "four", .text = "four");
	expect_text(&s, BOB, "four");
	expect_text(&s, CAROL, "four");
	cr_assert_not(connects(listener, 0));
	close(listener);
	scene_close(&s);
}

/* Removed while the connection is being opened, or its SEND unanswered. */
Test(active, one_that_is_removed_early_leaves_nothing)
{
	struct msrp_peer on;
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 8);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (unsigned i = 0; i < 3; i++) {
		call_out(&s, CAROL, "carol", path_at("127.0.0.1", port, "carol"));
		if (i == 1)
			call_out(&s, DAVE, "dave", path_at("127.0.0.1", port, "dave"));
		if (i == 2) {
			peer_accept(&on, listener);
			cr_assert(peer_take(&on, RIG_WAIT_MS));
		}
		cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[CAROL]), 0);
		rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[CAROL].id);
		if (i == 1)
			cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[DAVE]), 0);
		if (i != 2)
			peer_accept(&on, listener);
		cr_assert(peer_ends(&on, RIG_WAIT_MS));
		peer_close(&on);
	}
	s.count = 2;
	close(listener);
	scene_close(&s);
}

Test(active, it_connects_over_ipv6_too)
{
	struct scene s;
	uint16_t port = 0;
	int listener = peer_listen_at("::1", &port, 8);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	call_out(&s, CAROL, "carol", path_at("0:0:0:0:0:0:0:1", port, "carol"));
	peer_accept(&s.peer[CAROL], listener);
	take_ask(&s, CAROL, &s.peer[CAROL]);
	answer_on(&s, CAROL, &s.peer[CAROL], 200);
	leg_is(&s, &s.leg[CAROL], LEG_BOUND, LEG_CAUSE_NONE);
	/* The same place, written otherwise. */
	call_out(&s, DAVE, "dave", path_at("::1", port, "dave"));
	take_ask(&s, DAVE, &s.peer[CAROL]);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[DAVE]), 0);
	s.count = 3;
	REFUSED(&s, ALICE, 200, .id = "m.six", .text = "over six");
	expect_text(&s, BOB, "over six");
	expect_text(&s, CAROL, "over six");
	REFUSED(&s, CAROL, 200, .id = "back", .text = "and back");
	expect_text(&s, ALICE, "and back");
	close(listener);
	scene_close(&s);
}
