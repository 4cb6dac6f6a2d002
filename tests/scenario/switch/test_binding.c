/* SPDX-License-Identifier: BSD-3-Clause */
/* Which connection carries which leg: RFC 4975 5.4, 10.8, 10.10; context.md 1.4. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

/* A bodiless SEND to any URI, on a connection that may be bound or not. */
static void knock(struct msrp_peer *peer, const char *uri, const char *tid)
{
	peer_print(peer,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/me;tcp\r\nMessage-ID: %s\r\n-------%s$\r\n",
		tid, uri, tid, tid);
}

static void leg_is(
	struct scene *s, const struct rig_leg *leg, enum leg_state state, enum leg_cause cause)
{
	const struct leg_status *status = &s->rig.event.u.leg.status;

	do {
		rig_event(&s->rig, EVENT_LEG, &leg->id);
	} while (status->state != state);
	cr_assert_eq(status->cause, cause, "cause %u (%s)", status->cause,
		leg_cause_text(status->cause));
}

Test(binding, the_first_send_binds_with_or_without_content)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .outside = true }, "alice bob");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[ALICE],
			     &(struct rig_member_settings){ .participant = 0 }),
		0);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[BOB],
			     &(struct rig_member_settings){ .participant = 1 }),
		0);
	peer_bind(&s.peer[BOB], s.rig.port, &s.leg[BOB]);
	leg_is(&s, &s.leg[BOB], LEG_BOUND, LEG_CAUSE_NONE);
	cr_assert_eq(s.rig.event.u.leg.status.bindings, 1);
	cr_assert_eq(memcmp(s.rig.event.tag.octets, "bob", 4), 0);
	peer_connect(&s.peer[ALICE], s.rig.port);
	REFUSED(&s, ALICE, 200, .id = "first", .text = "with content");
	leg_is(&s, &s.leg[ALICE], LEG_BOUND, LEG_CAUSE_NONE);
	expect_text(&s, BOB, "with content");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds"), 2);
}

Test(binding, an_unknown_session_gets_481_and_too_many_end_the_connection)
{
	char uri[300], tid[32];
	struct msrp_peer stranger;
	struct scene s;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	peer_connect(&stranger, s.rig.port);
	for (i = 0; i < 20; i++) {
		/* A stale or guessed id: right in form, and near the truth; others are no id at
		 * all. */
		snprintf(uri, sizeof(uri), "%s", s.leg[ALICE].uri);
		char *id = strrchr(uri, '/') + 1;
		switch (i % 5) {
		case 0: id[20] = id[20] == 'a' ? 'b' : 'a'; break;
		case 1: id[9] = '7'; break;         /* another leg's index */
		case 2: memcpy(id, "ff", 2); break; /* a worker that is not */
		case 3: memcpy(id + 2, "ffffffff", 8); break;
		case 4: snprintf(uri, sizeof(uri), "msrp://127.0.0.1:%u/nobody;tcp", s.rig.port);
		}
		snprintf(tid, sizeof(tid), "stranger%u", i);
		knock(&stranger, uri, tid);
		cr_assert(peer_take(&stranger, RIG_WAIT_MS), "request %u", i);
		cr_assert_eq(stranger.chunk.status, 481);
		cr_assert(span_eq(stranger.chunk.tid, span_of(tid)));
		cr_assert(span_eq(stranger.chunk.from_path, span_of(uri)));
		cr_assert(
			span_eq(stranger.chunk.to_path, SPAN_LITERAL("msrp://127.0.0.1:9/me;tcp")));
	}
	cr_assert(peer_ends(&stranger, RIG_WAIT_MS), "the twentieth ends the connection");
	peer_close(&stranger);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "undisturbed");
	expect_text(&s, BOB, "undisturbed");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds_unknown"), 20);
	cr_assert_eq(rig_counter(&s.rig, "connections_strangers"), 1);
}

Test(binding, a_leg_that_was_removed_is_unknown)
{
	struct msrp_peer late;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[BOB]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[BOB].id);
	cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS));
	peer_connect(&late, s.rig.port);
	knock(&late, s.leg[BOB].uri, "late");
	cr_assert(peer_take(&late, RIG_WAIT_MS));
	cr_assert_eq(late.chunk.status, 481);
	/* Its record is used again, under another id. */
	unsigned dave = scene_join(&s, "dave", &(struct rig_member_settings){ .participant = 3 });
	knock(&late, s.leg[BOB].uri, "late2");
	cr_assert(peer_take(&late, RIG_WAIT_MS));
	cr_assert_eq(late.chunk.status, 481);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "new here");
	expect_text(&s, dave, "new here");
	peer_close(&late);
	scene_close(&s);
}

Test(binding, a_second_connection_gets_506_and_the_first_stays)
{
	struct msrp_peer second;
	struct scene s;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	/* Several, so that every worker gets one. */
	for (i = 0; i < 8; i++) {
		peer_connect(&second, s.rig.port);
		knock(&second, s.leg[BOB].uri, "second");
		cr_assert(peer_take(&second, RIG_WAIT_MS));
		cr_assert_eq(second.chunk.status, 506);
		cr_assert(span_eq(second.chunk.from_path, span_of(s.leg[BOB].uri)));
		peer_close(&second);
	}
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "you are you");
	expect_text(&s, BOB, "you are you");
	expect_nothing(&s, BOB);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds_taken"), 8);
}

Test(binding, of_many_that_race_one_wins)
{
	enum { RACERS = 24, ROUNDS = 8 };
	struct msrp_peer racer[RACERS];
	struct rig_leg leg;
	struct scene s;
	unsigned round, i, won;

	scene_open(&s, &(struct scene_settings){ .workers = 4 }, "alice");
	for (round = 0; round < ROUNDS; round++) {
		leg = rig_leg(&s.rig, &s.room, "racer", round + 1, true);
		for (i = 0; i < RACERS; i++)
			peer_connect(&racer[i], s.rig.port);
		for (i = 0; i < RACERS; i++)
			knock(&racer[i], leg.uri, "race");
		for (i = won = 0; i < RACERS; i++) {
			cr_assert(peer_take(&racer[i], RIG_WAIT_MS));
			cr_assert(racer[i].chunk.status == 200 || racer[i].chunk.status == 506);
			won += racer[i].chunk.status == 200;
			if (racer[i].chunk.status == 200) {
				SAY(&s, ALICE, .id = "toyou", .tid = "toyou", .text = "winner");
				/* a new id each round */
			}
		}
		cr_assert_eq(won, 1, "%u winners", won);
		while (peer_take(&s.peer[ALICE], 0))
			;
		for (i = 0; i < RACERS; i++)
			peer_close(&racer[i]);
		/* Where the worker comes late only this is told, not that the leg was bound. */
		scene_leg(&s, &leg, LEG_UNBOUND, 1);
		cr_assert_eq(s.rig.event.u.leg.status.cause, LEG_CAUSE_LOST);
	}
	scene_close(&s);
}

Test(binding, a_rebind_needs_leave_and_takes_the_leg_over)
{
	struct msrp_peer fresh;
	struct scene s;
	unsigned round;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	for (round = 0; round < 4; round++) {
		char id[16];

		cr_assert_eq(rig_leg_update(&s.rig, &s.leg[BOB],
				     &(struct rig_leg_settings){ .rebind = 1,
					     .path = "msrp://127.0.0.1:9/bob-new;tcp" }),
			0);
		strcpy(s.leg[BOB].path, "msrp://127.0.0.1:9/bob-new;tcp");
		/* Also while the old connection is still open. */
		peer_bind(&fresh, s.rig.port, &s.leg[BOB]);
		cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS), "the old connection stays");
		peer_close(&s.peer[BOB]);
		s.peer[BOB] = fresh;
		/* The leave is used up. */
		peer_connect(&fresh, s.rig.port);
		knock(&fresh, s.leg[BOB].uri, "third");
		cr_assert(peer_take(&fresh, RIG_WAIT_MS));
		cr_assert_eq(fresh.chunk.status, 506);
		peer_close(&fresh);
		snprintf(id, sizeof(id), "hello%u", round);
		REFUSED(&s, ALICE, 200, .id = id, .text = "here you are");
		expect_text(&s, BOB, "here you are");
		REFUSED(&s, BOB, 200, .id = id, .text = "here I am");
		expect_text(&s, ALICE, "here I am");
	}
	scene_close(&s);
}

Test(binding, a_lost_connection_is_told_and_may_come_back)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	leg_is(&s, &s.leg[BOB], LEG_BOUND, LEG_CAUSE_NONE);
	peer_close(&s.peer[BOB]);
	leg_is(&s, &s.leg[BOB], LEG_UNBOUND, LEG_CAUSE_LOST);
	cr_assert_eq(s.rig.event.u.leg.status.member, 1);
	/* Who is not bound is no recipient, and nothing is kept for it. */
	REFUSED(&s, ALICE, 200, .id = "missed", .text = "missed");
	peer_bind(&s.peer[BOB], s.rig.port, &s.leg[BOB]);
	leg_is(&s, &s.leg[BOB], LEG_BOUND, LEG_CAUSE_NONE);
	cr_assert_eq(s.rig.event.u.leg.status.bindings, 2);
	REFUSED(&s, ALICE, 200, .id = "heard", .text = "heard");
	expect_text(&s, BOB, "heard");
	scene_close(&s);
}

Test(binding, octets_that_are_no_msrp_are_told_as_such)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	leg_is(&s, &s.leg[BOB], LEG_BOUND, LEG_CAUSE_NONE);
	peer_print(&s.peer[BOB], "GET / HTTP/1.1\r\n\r\n");
	leg_is(&s, &s.leg[BOB], LEG_UNBOUND, LEG_CAUSE_PROTOCOL);
	cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS));
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_bad"), 1);
}

Test(binding, a_leg_not_bound_in_time_is_told_once)
{
	struct rig_leg leg;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice");
	leg = rig_leg_add(&s.rig, &s.room, "late", &(struct rig_leg_settings){ .bind_ms = 300 });
	leg_is(&s, &leg, LEG_UNBOUND, LEG_CAUSE_TIMEOUT);
	cr_assert_not(rig_event_within(&s.rig, EVENT_LEG, &leg.id, 1500), "told again");
	/* What follows is the controller's decision: until it removes the leg, it may still be
	 * bound. */
	s.leg[1] = leg;
	s.count = 2;
	peer_connect(&s.peer[1], s.rig.port);
	peer_print(&s.peer[1],
		"MSRP bind0000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind0000\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
		s.leg[1].uri, s.leg[1].path);
	leg_is(&s, &leg, LEG_BOUND, LEG_CAUSE_NONE);
	scene_close(&s);
}

Test(binding, a_connection_that_binds_nothing_is_closed)
{
	struct msrp_peer idle, stranger;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .msrp = "  bind_s: 0.5\n" }, "alice bob");
	peer_connect(&idle, s.rig.port);
	peer_connect(&stranger, s.rig.port);
	knock(&stranger, "msrp://127.0.0.1:1/nobody;tcp", "nobody");
	cr_assert(peer_ends(&idle, 4000));
	cr_assert(peer_ends(&stranger, 4000), "being refused is not binding");
	peer_close(&idle);
	peer_close(&stranger);
	expect_nothing(&s, ALICE); /* bound: it may be idle as long as it likes */
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_idle"), 2);
}

static void accept_and_answer(struct scene *s, unsigned who, int listener)
{
	struct msrp_peer *peer = &s->peer[who];

	peer_accept(peer, listener);
	cr_assert(peer_take(peer, RIG_WAIT_MS), "the active side is silent");
	cr_assert(peer->chunk.method == METHOD_SEND && !peer->chunk.has_body);
	cr_assert(span_eq(peer->chunk.to_path, span_of(s->leg[who].path)));
	cr_assert(span_eq(peer->chunk.from_path, span_of(s->leg[who].uri)));
	cr_assert_gt(peer->chunk.message_id.len, 3);
	scene_answer(s, who, 200);
}

Test(binding, an_active_leg_connects_and_says_so_at_once)
{
	char path[100];
	struct scene s;
	uint16_t port;
	int listener = peer_listen(&port, 4);

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/carol;tcp", port);
	s.leg[CAROL] = rig_leg_add(&s.rig, &s.room, "carol",
		&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path });
	s.count = 3;
	accept_and_answer(&s, CAROL, listener);
	leg_is(&s, &s.leg[CAROL], LEG_BOUND, LEG_CAUSE_NONE);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[CAROL],
			     &(struct rig_member_settings){ .participant = 2 }),
		0);
	REFUSED(&s, ALICE, 200, .id = "tocarol", .text = "to carol");
	expect_text(&s, BOB, "to carol");
	expect_text(&s, CAROL, "to carol");
	REFUSED(&s, CAROL, 200, .id = "hers", .text = "from carol");
	expect_text(&s, ALICE, "from carol");
	expect_text(&s, BOB, "from carol");
	/* Lost: the controller hears of it, and a new path makes it connect again. */
	peer_close(&s.peer[CAROL]);
	leg_is(&s, &s.leg[CAROL], LEG_UNBOUND, LEG_CAUSE_LOST);
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[CAROL],
			     &(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path }),
		0);
	accept_and_answer(&s, CAROL, listener);
	leg_is(&s, &s.leg[CAROL], LEG_BOUND, LEG_CAUSE_NONE);
	REFUSED(&s, ALICE, 200, .id = "again", .text = "again");
	expect_text(&s, BOB, "again");
	expect_text(&s, CAROL, "again");
	close(listener);
	scene_close(&s);
}

Test(binding, an_active_leg_that_nobody_answers_is_lost_or_times_out)
{
	char path[100];
	struct msrp_peer filler[3];
	struct rig_leg leg;
	struct scene s;
	uint16_t port;
	unsigned i;
	int listener = peer_listen(&port, 0);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	leg = rig_leg_add(&s.rig, &s.room, "refused",
		&(struct rig_leg_settings){
			.setup = LEG_ACTIVE, .path = "msrp://127.0.0.1:1/x;tcp" });
	leg_is(&s, &leg, LEG_UNBOUND, LEG_CAUSE_LOST);
	/* The kernel queues one connection here and drops the rest in silence. */
	peer_connect(&filler[0], port);
	for (i = 1; i < 3; i++) {
		struct timeval soon = { 0, 1 };

		filler[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(filler[i].fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	}
	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/x;tcp", port);
	leg = rig_leg_add(&s.rig, &s.room, "first",
		&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path });
	leg = rig_leg_add(&s.rig, &s.room, "silent",
		&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path, .bind_ms = 300 });
	leg = rig_leg_add(&s.rig, &s.room, "silent2",
		&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path, .bind_ms = 300 });
	leg_is(&s, &leg, LEG_UNBOUND, LEG_CAUSE_TIMEOUT);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &leg), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &leg.id);
	peer_close(&filler[0]);
	for (i = 1; i < 3; i++)
		close(filler[i].fd);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "hello");
	expect_text(&s, BOB, "hello");
	scene_close(&s);
	close(listener);
}

/* Binds one more session on a connection that has some. */
static void bind_more(struct scene *s, unsigned who, struct msrp_peer *on)
{
	knock(on, s->leg[who].uri, "bindmore");
	cr_assert(peer_take(on, RIG_WAIT_MS));
	cr_assert(on->chunk.method == METHOD_RESPONSE && on->chunk.status == 200);
}

Test(binding, several_sessions_may_share_a_connection)
{
	struct msrp_peer *both;
	struct scene s;
	unsigned i, seen = 0;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	s.leg[CAROL] = rig_leg(&s.rig, &s.room, "carol", 2, true);
	both = &s.peer[BOB];
	bind_more(&s, CAROL, both);
	REFUSED(&s, ALICE, 200, .id = "toboth", .text = "to both");
	for (i = 0; i < 2; i++) {
		cr_assert(peer_take(both, RIG_WAIT_MS));
		seen |= span_eq(both->chunk.to_path, span_of(s.leg[BOB].path)) ? 1u : 0;
		seen |= span_eq(both->chunk.to_path, span_of(s.leg[CAROL].path)) ? 2u : 0;
	}
	cr_assert_eq(seen, 3);
	/* One speaks to the other, and to Alice. */
	s.peer[CAROL] = *both;
	SAY(&s, CAROL, .id = "carols", .text = "carol's");
	for (i = 0, seen = 0; i < 2; i++) {
		/* Answer and copy come from two workers, in any order. */
		cr_assert(peer_take(&s.peer[CAROL], RIG_WAIT_MS));
		if (s.peer[CAROL].chunk.method == METHOD_RESPONSE)
			seen |= s.peer[CAROL].chunk.status == 200 ? 1u : 0;
		else
			seen |= memmem(s.peer[CAROL].body, s.peer[CAROL].body_len, "carol's", 7)
					? 2u
					: 0;
	}
	cr_assert_eq(seen, 3);
	s.peer[BOB] = s.peer[CAROL];
	expect_text(&s, ALICE, "carol's");
	/* One leaves: the connection stays for the other. */
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[CAROL]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[CAROL].id);
	REFUSED(&s, ALICE, 200, .id = "toone", .text = "to one");
	expect_text(&s, BOB, "to one");
	/* The connection goes: both are unbound. */
	leg_is(&s, &s.leg[BOB], LEG_BOUND, LEG_CAUSE_NONE);
	peer_close(&s.peer[BOB]);
	leg_is(&s, &s.leg[BOB], LEG_UNBOUND, LEG_CAUSE_LOST);
	s.peer[CAROL].fd = -1;
	scene_close(&s);
}

Test(binding, content_sent_before_membership_waits_for_it)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	s.leg[CAROL] = rig_leg(&s.rig, &s.room, "carol", 2, false);
	s.count = 3;
	peer_connect(&s.peer[CAROL], s.rig.port);
	peer_print(&s.peer[CAROL],
		"MSRP bind0000 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind0000\r\nByte-Range: 1-0/0\r\n-------bind0000$\r\n",
		s.leg[CAROL].uri, s.leg[CAROL].path);
	leg_is(&s, &s.leg[CAROL], LEG_BOUND, LEG_CAUSE_NONE);
	SAY(&s, CAROL, .id = "early1", .text = "too early");
	SAY(&s, CAROL, .id = "early2", .text = "much too early");
	REFUSED(&s, ALICE, 200, .id = "before", .text = "before");
	expect_text(&s, BOB, "before");
	cr_assert_not(peer_take(&s.peer[CAROL], 50), "neither an answer nor a message yet");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[CAROL],
			     &(struct rig_member_settings){ .participant = 2 }),
		0);
	cr_assert_eq(peer_status(&s.peer[CAROL], "bind0000"), 200);
	expect_status(&s, CAROL, "early1", 200);
	expect_status(&s, CAROL, "early2", 200);
	expect_text(&s, BOB, "too early");
	expect_text(&s, BOB, "much too early");
	expect_text(&s, ALICE, "too early");
	expect_text(&s, ALICE, "much too early");
	scene_close(&s);
}

Test(binding, one_that_waits_and_is_removed_does_not_hold_the_others_up)
{
	struct msrp_peer *both;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	s.leg[CAROL] = rig_leg(&s.rig, &s.room, "carol", 2, false);
	both = &s.peer[BOB];
	peer_print(both,
		"MSRP early001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: early\r\nContent-Type: message/cpim\r\n\r\nFrom: <%s>\r\nTo: <%s>\r\n\r\n\r\nx\r\n-------early001$\r\n",
		s.leg[CAROL].uri, s.leg[CAROL].path, s.leg[CAROL].address, RIG_ROOM_URI);
	SAY(&s, BOB, .id = "behind", .text = "behind it");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[CAROL]), 0);
	cr_assert(peer_take(both, RIG_WAIT_MS), "the connection is not read any more");
	cr_assert_eq(both->chunk.status, 481);
	expect_status(&s, BOB, "behind", 200);
	expect_text(&s, ALICE, "behind it");
	scene_close(&s);
}

/* Who is never let in is answered in the end, and soon where others wait behind it: through a relay
 * they may be other people's. */
Test(binding, one_that_is_never_let_in_does_not_hold_the_others_up)
{
	struct msrp_peer *both;
	struct scene s;

	for (unsigned round = 0; round < 2; round++) {
		static const char *const requests[] = {
			"SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: early\r\nContent-Type: message/cpim\r\n\r\n"
			"From: <%s>\r\nTo: <" RIG_ROOM_URI ">\r\n\r\n\r\nx\r\n",
			"NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"%s\"\r\n",
		};

		scene_open(&s,
			&(struct scene_settings){
				.workers = 2, .room = { .flags = ROOM_NICKNAME } },
			"alice bob");
		s.leg[CAROL] = rig_leg(&s.rig, &s.room, "carol", 2, false);
		both = &s.peer[BOB];
		peer_print(both, "MSRP early001 ");
		peer_print(both, requests[round], s.leg[CAROL].uri, s.leg[CAROL].path,
			s.leg[CAROL].address);
		peer_print(both, "-------early001$\r\n");
		SAY(&s, BOB, .id = "behind", .text = "behind it");
		cr_assert(peer_take(both, RIG_WAIT_MS), "the connection is not read any more");
		cr_assert(span_eq(both->chunk.tid, SPAN_LITERAL("early001")));
		cr_assert_eq(both->chunk.status, 403);
		expect_status(&s, BOB, "behind", 200);
		expect_text(&s, ALICE, "behind it");
		/* When it is let in after all, it is in. */
		cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[CAROL],
				     &(struct rig_member_settings){ .participant = 2 }),
			0);
		REFUSED(&s, ALICE, 200, .id = "hello", .text = "hello");
		for (unsigned i = 0; i < 2; i++)
			cr_assert(peer_take(both, RIG_WAIT_MS));
		scene_close(&s);
		cr_assert_eq(rig_counter(&s.rig, "waits_ended"), 1);
	}
}

Test(binding, alone_it_waits_as_long_as_a_binding_may_take)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .msrp = "  bind_s: 0.5\n" }, "alice bob");
	s.leg[CAROL] = rig_leg(&s.rig, &s.room, "carol", 2, false);
	s.count = 3;
	peer_connect(&s.peer[CAROL], s.rig.port);
	knock(&s.peer[CAROL], s.leg[CAROL].uri, "bind0000");
	SAY(&s, CAROL, .id = "early", .text = "too early");
	cr_assert_eq(peer_status(&s.peer[CAROL], "bind0000"), 200);
	expect_status(&s, CAROL, "early", 403);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "waits_ended"), 1);
}
