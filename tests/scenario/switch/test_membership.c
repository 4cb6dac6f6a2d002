/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is in and since when: CMD_MEMBER_*, several devices, rooms apart from each other. context.md
 * 2.2. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/scenario/switch/scene.h"

Test(membership, a_leg_that_is_no_member_neither_hears_nor_speaks)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &s.leg[CAROL]), 0);
	REFUSED(&s, ALICE, 200, .id = "without", .text = "without carol");
	expect_text(&s, BOB, "without carol");
	REFUSED(&s, CAROL, 403, .id = "outside", .text = "outside");
	expect_nothing(&s, CAROL); /* bound she still is */
	cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &s.leg[CAROL]), -EPROTO);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[CAROL],
			     &(struct rig_member_settings){ .participant = CAROL }),
		0);
	REFUSED(&s, ALICE, 200, .id = "with", .text = "with carol");
	expect_text(&s, BOB, "with carol");
	expect_text(&s, CAROL, "with carol");
	REFUSED(&s, CAROL, 200, .id = "inside", .text = "inside");
	expect_text(&s, ALICE, "inside");
	expect_text(&s, BOB, "inside");
	scene_close(&s);
}

Test(membership, every_device_of_a_user_gets_a_copy_but_the_sending_one)
{
	unsigned bob2, alice2;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 3, .room = { .flags = ROOM_PRIVATE } },
		"alice bob carol");
	bob2 = scene_join(&s, "bob",
		&(struct rig_member_settings){ .participant = BOB, .flags = MEMBER_PRIVATE });
	alice2 = scene_join(&s, "alice",
		&(struct rig_member_settings){ .participant = ALICE, .flags = MEMBER_PRIVATE });
	REFUSED(&s, ALICE, 200, .id = "all1", .text = "to all");
	expect_text(&s, BOB, "to all");
	expect_text(&s, bob2, "to all");
	expect_text(&s, CAROL, "to all");
	expect_text(&s, alice2, "to all");
	expect_nothing(&s, ALICE);
	REFUSED(&s, CAROL, 200, .id = "priv1", .to = "<sip:bob@example.com>", .text = "to bob");
	expect_text(&s, BOB, "to bob");
	expect_text(&s, bob2, "to bob");
	REFUSED(&s, BOB, 200, .id = "last", .text = "last");
	expect_text(&s, bob2, "last");
	expect_text(&s, ALICE, "last");
	expect_text(&s, alice2, "last");
	expect_text(&s, CAROL, "last");
	scene_close(&s);
}

Test(membership, rooms_do_not_hear_each_other)
{
	struct msrp_peer other[2];
	struct rig_leg leg[2];
	struct object_id room;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	room = rig_room(&s.rig, 1, 0);
	leg[0] = rig_leg(&s.rig, &room, "alice", 0, true);
	leg[1] = rig_leg(&s.rig, &room, "dave", 1, true);
	peer_bind(&other[0], s.rig.port, &leg[0]);
	peer_bind(&other[1], s.rig.port, &leg[1]);
	REFUSED(&s, ALICE, 200, .id = "here", .text = "here");
	peer_say(&other[0], &leg[0], "there", "", "there");
	cr_assert_eq(peer_status(&other[0], "there"), 200);
	expect_text(&s, BOB, "here");
	expect_nothing(&s, BOB);
	cr_assert(peer_take(&other[1], RIG_WAIT_MS));
	cr_assert_not_null(memmem(other[1].body, other[1].body_len, "there", 5));
	cr_assert_not(peer_take(&other[1], 50));
	peer_close(&other[0]);
	peer_close(&other[1]);
	struct switch_cmd close = { .type = CMD_ROOM_CLOSE, .object = room };
	cr_assert_eq(rig_command(&s.rig, room.worker, &close, NULL), 0);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &room);
	scene_close(&s);
}

Test(membership, the_counts_of_a_room_are_told)
{
	struct room_counts *counts;
	struct scene s;
	size_t octets = 0;
	unsigned i;
	char id[16];

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	cr_assert_eq(
		rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[CAROL],
			&(struct rig_member_settings){ .participant = 2, .wrapped = "image/*" }),
		0);
	for (i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "count%u", i);
		REFUSED(&s, ALICE, 200, .id = id, .text = "counted");
		expect_text(&s, BOB, "counted");
		octets += s.len;
	}
	counts = &s.rig.event.u.room;
	do {
		rig_event(&s.rig, EVENT_ROOM, &s.room);
	} while (counts->messages < 10 || counts->deliveries < 10);
	cr_assert_eq(counts->messages, 10);
	cr_assert_eq(counts->octets, octets);
	cr_assert_eq(counts->deliveries, 10);
	cr_assert_eq(counts->cut, 0);
	scene_close(&s);
}

/* Members come and go while another speaks: nothing is torn, nothing comes twice, nothing leaks
 * (scene_close). */
Test(membership, coming_and_going_harms_nobody)
{
	enum { ROUNDS = 40 };
	struct msrp_peer visitor;
	struct rig_leg leg;
	struct scene s;
	unsigned i, j;
	char id[24], text[24], big[9000];

	memset(big, 'v', sizeof(big));
	big[8999] = '\0';
	scene_open(&s, &(struct scene_settings){ .workers = 3 }, "alice bob");
	for (i = 0; i < ROUNDS; i++) {
		leg = rig_leg(&s.rig, &s.room, "visitor", 5, true);
		peer_bind(&visitor, s.rig.port, &leg);
		for (j = 0; j < 3; j++) {
			snprintf(id, sizeof(id), "visit%u.%u", i, j);
			SAY(&s, ALICE, .id = id, .text = big,
				.headers =
					j == 1 ? "Success-Report: yes;Include-Sent-Count\r\n" : "");
		}
		switch (i % 4) {
		case 0: peer_close(&visitor); break;
		case 1: cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &leg), 0); break;
		case 2: cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &leg), 0); break;
		case 3:
			peer_print(&visitor,
				"MSRP visi SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: half\r\nContent-Type: message/cpim\r\n\r\nFrom: <%s>\r\nTo: <%s>\r\n\r\n\r\nhalf of a",
				leg.uri, leg.path, leg.address, RIG_ROOM_URI);
			peer_take(&visitor, 0);
			peer_close(&visitor);
			break;
		}
		if (visitor.fd >= 0)
			peer_close(&visitor);
		if (i % 4 != 1)
			cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &leg), 0);
		rig_event(&s.rig, EVENT_LEG_GONE, &leg.id);
		for (j = 0; j < 3;) { /* the visitor's half may come among them */
			cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
			cr_assert_eq(s.peer[BOB].chunk.method, METHOD_SEND);
			scene_answer(&s, BOB, 200);
			j += s.peer[BOB].chunk.flag == '$';
		}
		snprintf(text, sizeof(text), "round %u", i);
		snprintf(id, sizeof(id), "bobs%u", i);
		SAY(&s, BOB, .id = id, .text = text);
		/* What Alice gets: answers, reports, halves, and then this. */
		for (;;) {
			cr_assert(peer_take(&s.peer[ALICE], RIG_WAIT_MS));
			if (s.peer[ALICE].chunk.method == METHOD_SEND &&
				memmem(s.peer[ALICE].body, s.peer[ALICE].body_len, text,
					strlen(text)) != NULL)
				break;
		}
		for (;;) {
			cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
			if (s.peer[BOB].chunk.method == METHOD_RESPONSE)
				break;
		}
		cr_assert_eq(s.peer[BOB].chunk.status, 200);
	}
	scene_close(&s);
}
