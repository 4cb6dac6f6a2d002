/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that bring no session: how many, how long, and who has to make room. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

/* A switch of few legs has few connections: legs + legs / 4 + 256. */
#define FEW_LEGS "  max_legs: 16\n"
#define RECORDS  (16 + 4 + 256)

static void crowd_open(struct msrp_peer *crowd, unsigned count, uint16_t port)
{
	for (unsigned i = 0; i < count; i++)
		peer_connect(&crowd[i], port);
}

static void crowd_close(struct msrp_peer *crowd, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		peer_close(&crowd[i]);
}

/* One that a member had lost comes back however many others hold the place, and who is bound does
 * not notice. The oldest ones go. */
Test(crowd, who_is_to_come_back_can)
{
	static struct msrp_peer crowd[2 * RECORDS];
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .extra = FEW_LEGS }, "alice bob");
	crowd_open(crowd, 2 * RECORDS, s.rig.port);
	for (unsigned i = 0; i < RECORDS; i++)
		cr_assert(peer_ends(&crowd[i], RIG_WAIT_MS), "%u still has a place", i);
	peer_close(&s.peer[BOB]);
	scene_leg(&s, &s.leg[BOB], LEG_UNBOUND, 1);
	for (unsigned round = 0; round < 3; round++) {
		char id[20];

		snprintf(id, sizeof(id), "round%u", round);
		peer_bind(&s.peer[BOB], s.rig.port, &s.leg[BOB]);
		REFUSED(&s, ALICE, 200, .id = id, .text = "here again");
		expect_text(&s, BOB, "here again");
		/* More of them: he stays. */
		crowd_close(crowd, RECORDS);
		crowd_open(crowd, RECORDS, s.rig.port);
		expect_nothing(&s, ALICE);
		expect_nothing(&s, BOB);
		peer_close(&s.peer[BOB]);
		scene_leg(&s, &s.leg[BOB], LEG_UNBOUND, round + 2);
	}
	s.peer[BOB].fd = -1;
	/* The newest are still there: nobody was refused. */
	cr_assert_not(crowd[RECORDS - 1].closed);
	cr_assert_not(peer_take(&crowd[RECORDS - 1], 0));
	cr_assert_not(crowd[RECORDS - 1].closed);
	crowd_close(crowd, 2 * RECORDS);
	scene_close(&s);
	cr_assert_geq(rig_counter(&s.rig, "connections_displaced"), RECORDS + 2);
	cr_assert_eq(rig_counter(&s.rig, "connections_refused"), 0);
}

/* The same when it is descriptors that are missing. */
Test(crowd, without_descriptors_the_oldest_makes_room_too)
{
	enum { SPARE = 40, CROWD = 100 };
	static struct msrp_peer crowd[CROWD];
	struct rlimit limit;
	char path[64];
	struct scene s;
	unsigned unused = 0;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* Of the numbers below the limit so many are free, wherever they lie. */
	for (limit.rlim_cur = 0; unused < SPARE; limit.rlim_cur++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)s.rig.pid, (int)limit.rlim_cur);
		unused += readlink(path, (char[8]){ 0 }, 8) < 0;
	}
	limit.rlim_max = limit.rlim_cur;
	cr_assert_eq(prlimit(s.rig.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	crowd_open(crowd, CROWD, s.rig.port);
	for (unsigned i = 0; i < CROWD - SPARE; i++)
		cr_assert(peer_ends(&crowd[i], RIG_WAIT_MS), "%u still has a place", i);
	peer_close(&s.peer[BOB]);
	scene_leg(&s, &s.leg[BOB], LEG_UNBOUND, 1);
	peer_bind(&s.peer[BOB], s.rig.port, &s.leg[BOB]);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "here again");
	expect_text(&s, BOB, "here again");
	crowd_close(crowd, CROWD);
	scene_close(&s);
	cr_assert_geq(rig_counter(&s.rig, "connections_displaced"), CROWD - SPARE);
}

/* All that come carry a session: one more is refused, and those go on. */
Test(crowd, nobody_who_is_bound_makes_room)
{
	static struct msrp_peer crowd[RECORDS];
	struct rig_leg leg;
	struct scene s;
	unsigned joined = 0;

	scene_open(&s, &(struct scene_settings){ .extra = FEW_LEGS }, "alice bob");
	while (joined < 10) {
		leg = rig_leg(&s.rig, &s.room, "more", 2 + joined, true);
		peer_bind(&crowd[joined++], s.rig.port, &leg);
	}
	crowd_open(crowd + joined, RECORDS - joined, s.rig.port);
	for (unsigned i = 0; i < joined; i++) {
		cr_assert_not(peer_take(&crowd[i], 0));
		cr_assert_not(crowd[i].closed);
	}
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "to all");
	expect_text(&s, BOB, "to all");
	for (unsigned i = 0; i < joined; i++)
		cr_assert(peer_take(&crowd[i], RIG_WAIT_MS));
	crowd_close(crowd, RECORDS);
	scene_close(&s);
}

/* However guesses come: all at once, and from who has a session. */
Test(crowd, guesses_are_counted_however_they_come)
{
	struct msrp_peer stranger;
	struct scene s;
	char uri[300], *id, *text = NULL, *at;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	for (unsigned round = 0; round < 2; round++) {
		struct msrp_peer *who = round == 0 ? &stranger : &s.peer[BOB];
		unsigned answered = 0;

		text = at = malloc(40 * 700);
		for (unsigned i = 0; i < 40; i++) {
			snprintf(uri, sizeof(uri), "%s", s.leg[ALICE].uri);
			id = strrchr(uri, '/') + 1;
			id[12] = (char)('a' + i % 26);
			id[13] = (char)('a' + i / 26);
			at += sprintf(at,
				"MSRP guess%03u SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/me;tcp\r\nMessage-ID: g%03u\r\n-------guess%03u$\r\n",
				i, uri, i, i);
		}
		if (round == 0)
			peer_connect(who, s.rig.port);
		peer_write(who, text, (size_t)(at - text));
		free(text);
		while (peer_take(who, RIG_WAIT_MS)) {
			char tid[20];

			cr_assert_eq(who->chunk.status, 481);
			snprintf(tid, sizeof(tid), "guess%03u", answered++);
			cr_assert(span_eq(who->chunk.tid, span_of(tid)));
		}
		cr_assert(who->closed);
		cr_assert_eq(answered, 20);
		peer_close(who);
	}
	/* The good session on it was ended with it, and may be bound again. */
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[BOB].id);
	} while (s.rig.event.u.leg.status.state == LEG_BOUND);
	cr_assert_eq(s.rig.event.u.leg.status.cause, LEG_CAUSE_PROTOCOL);
	peer_bind(&s.peer[BOB], s.rig.port, &s.leg[BOB]);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "here again");
	expect_text(&s, BOB, "here again");
	/* Fewer do no harm. */
	for (unsigned i = 0; i < 19; i++) {
		snprintf(uri, sizeof(uri), "%s", s.leg[ALICE].uri);
		strrchr(uri, '/')[14] = (char)('a' + i);
		strrchr(uri, '/')[15] = '_';
		peer_print(&s.peer[BOB],
			"MSRP stale%03u SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: s%03u\r\n-------stale%03u$\r\n",
			i, uri, s.leg[BOB].path, i, i);
		cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
		cr_assert_eq(s.peer[BOB].chunk.status, 481);
	}
	expect_nothing(&s, BOB);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_strangers"), 2);
	cr_assert_eq(rig_counter(&s.rig, "binds_unknown"), 20 + 20 + 19);
}

/* Few octets of a request are kept beside the record, as many as there is room for; beyond that in
 * the buffer they came in. Either way they are gone on with, and nothing is left of who goes. */
Test(crowd, who_stops_within_a_request_holds_little_and_leaves_nothing)
{
	enum { CROWD = 900 }; /* of 16 legs: more than the blocks for such octets */
	static struct msrp_peer crowd[CROWD];
	struct rig_leg leg;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .extra = "  max_legs: 800\n" }, "alice bob");
	for (unsigned i = 0; i < CROWD; i++) {
		peer_connect(&crowd[i], s.rig.port);
		peer_print(&crowd[i], "MSRP half%03u SEND\r\nTo-P", i);
	}
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "to all");
	expect_text(&s, BOB, "to all");
	/* One of the first and one of the last go on. */
	for (unsigned i = 0; i < CROWD; i += CROWD - 1) {
		char tid[20];

		leg = rig_leg(&s.rig, &s.room, "more", 2, true);
		snprintf(tid, sizeof(tid), "half%03u", i);
		peer_print(&crowd[i],
			"ath: %s\r\nFrom-Path: %s\r\nMessage-ID: m.01\r\n-------%s$\r\n", leg.uri,
			leg.path, tid);
		cr_assert_eq(peer_status(&crowd[i], tid), 200, "%u: %u, closed %d", i,
			crowd[i].chunk.status, crowd[i].closed);
	}
	crowd_close(crowd, CROWD);
	scene_close(&s);
}

/* A peer that is gone without a word: in repair mode a socket closes in silence. */
Test(crowd, who_vanished_without_a_word_is_found_out)
{
	struct scene s;
	int on = 1;

	scene_open(&s, &(struct scene_settings){ .msrp = "  keepalive_s: 1\n" }, "alice bob");
	if (setsockopt(s.peer[BOB].fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0) {
		scene_close(&s);
		cr_skip_test("TCP_REPAIR needs CAP_NET_ADMIN");
	}
	peer_close(&s.peer[BOB]);
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[BOB].id);
	} while (s.rig.event.u.leg.status.state == LEG_BOUND);
	cr_assert_eq(s.rig.event.u.leg.status.cause, LEG_CAUSE_LOST);
	expect_nothing(&s, ALICE);
	scene_close(&s);
}
