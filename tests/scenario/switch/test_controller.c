/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller's end: snapshots, re-attachment, bad commands, closing, draining, stopping. design
 * section 4; include/. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/scenario/switch/scene.h"

/* Every object of this controller, over all workers. Returns how many rooms and legs; the tags that
 * were seen. */
static void snapshot(struct scene *s, unsigned *rooms, unsigned *legs, char tags[400])
{
	struct switch_rig *rig = &s->rig;
	uint32_t w;

	*rooms = *legs = 0;
	tags[0] = '\0';
	for (w = 0; w < controller_workers(rig->controller); w++) {
		struct switch_cmd cmd = { .type = CMD_SNAPSHOT, .cookie = 1000 + w };

		cr_assert_eq(controller_submit(rig->controller, w, &cmd, NULL), 0);
		controller_flush(rig->controller);
		rig_event(rig, EVENT_SNAPSHOT_END, NULL);
		cr_assert_eq(rig->event.cookie, 1000 + w);
	}
	while (rig_event_within(rig, EVENT_SNAPSHOT_ROOM, NULL, 0)) {
		++*rooms;
		sprintf(tags + strlen(tags), "%.16s ", (const char *)rig->event.tag.octets);
	}
	while (rig_event_within(rig, EVENT_SNAPSHOT_LEG, NULL, 0)) {
		struct span uri = text_get(rig->event.u.leg.uri, rig->text, rig->event.text_len);

		++*legs;
		sprintf(tags + strlen(tags), "%.16s%s%s ", (const char *)rig->event.tag.octets,
			rig->event.u.leg.status.state == LEG_BOUND ? "+" : "-",
			rig->event.u.leg.status.member ? "m" : "");
		cr_assert_gt(uri.len, 40);
		cr_assert_eq(rig->event.u.leg.port, rig->port);
		cr_assert(object_id_eq(&rig->event.u.leg.room, &s->room));
	}
}

Test(controller, a_snapshot_shows_every_object_with_its_tag)
{
	unsigned rooms, legs;
	char tags[400];
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 3, .room = { .worker = 1 } },
		"alice bob carol");
	peer_close(&s.peer[BOB]);
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[BOB].id);
	} while (s.rig.event.u.leg.status.state != LEG_UNBOUND);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &s.leg[CAROL]), 0);
	snapshot(&s, &rooms, &legs, tags);
	cr_assert_eq(rooms, 1);
	cr_assert_eq(legs, 3);
	cr_assert_not_null(strstr(tags, "the room "), "%s", tags);
	cr_assert_not_null(strstr(tags, "alice+m "), "%s", tags);
	cr_assert_not_null(strstr(tags, "bob-m "), "%s", tags);
	cr_assert_not_null(strstr(tags, "carol+ "), "%s", tags);
	scene_close(&s);
}

Test(controller, rooms_go_on_while_nobody_is_attached)
{
	unsigned rooms, legs, round;
	char tags[400], id[16];
	bool told = false;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	for (round = 0; round < 3; round++) {
		controller_detach(s.rig.controller);
		s.rig.controller = NULL;
		snprintf(id, sizeof(id), "alone%u", round);
		REFUSED(&s, ALICE, 200, .id = id, .text = "nobody is there");
		expect_text(&s, BOB, "nobody is there");
		expect_text(&s, CAROL, "nobody is there");
		if (round == 2)
			peer_close(&s.peer[CAROL]); /* while nobody listens */
		rig_attach(&s.rig);
		cr_assert_eq(controller_epoch(s.rig.controller), round + 2);
		snapshot(&s, &rooms, &legs, tags);
		cr_assert(rooms == 1 && legs == 3, "%s", tags);
		told = strstr(tags, "carol-") != NULL;
		snprintf(id, sizeof(id), "again%u", round);
		REFUSED(&s, ALICE, 200, .id = id, .text = "somebody is");
		expect_text(&s, BOB, "somebody is");
		if (round < 2)
			expect_text(&s, CAROL, "somebody is");
	}
	/* What changed meanwhile is told: by the snapshot, if the switch had not seen yet that nobody
	 * listened any more, else by an event after it. */
	while (!told) {
		rig_event(&s.rig, EVENT_LEG, &s.leg[CAROL].id);
		told = s.rig.event.u.leg.status.state == LEG_UNBOUND;
	}
	/* A fence: a second attachment of the same name, without a detach. */
	struct controller *fenced = s.rig.controller;
	s.rig.controller = NULL;
	rig_attach(&s.rig);
	cr_assert_not(controller_is_attached(fenced));
	controller_detach(fenced);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[CAROL]), 0);
	scene_close(&s);
}

static int object_command(struct scene *s, enum switch_command type, struct object_id id)
{
	struct switch_cmd cmd = { .type = (uint16_t)type, .object = id };

	return rig_command(&s->rig, s->room.worker, &cmd, NULL);
}

Test(controller, ids_that_name_nothing_get_enoent)
{
	static const enum switch_command of_legs[] = { CMD_LEG_UPDATE, CMD_LEG_REMOVE,
		CMD_MEMBER_ADD, CMD_MEMBER_REMOVE, CMD_MEMBER_ALIAS, CMD_MEMBER_MUTE,
		CMD_NICKNAME };
	static const enum switch_command of_rooms[] = { CMD_ROOM_SET, CMD_ROOM_CLOSE, CMD_LEG_ADD };
	struct object_id id, stale;
	struct scene s;
	unsigned i, j;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	stale = rig_leg(&s.rig, &s.room, "stale", 3, false).id;
	cr_assert_eq(object_command(&s, CMD_LEG_REMOVE, stale), 0);
	for (j = 0; j < 7; j++) {
		for (i = 0; i < 7; i++) {
			id = j == 0 ? stale : s.leg[ALICE].id;
			switch (j) {
			case 1: id.instance++; break;
			case 2: id.worker = 1; break;
			case 3: id.kind = OBJECT_ROOM; break;
			case 4: id.index = 0x7fffffff; break;
			case 5: id.index += 100; break; /* never used */
			case 6: id.generation++; break;
			}
			cr_assert_eq(object_command(&s, of_legs[i], id), -ENOENT, "%s, %u",
				switch_command_name(of_legs[i]), j);
		}
		for (i = 0; i < 3 && j > 0; i++) {
			id = s.room;
			switch (j) {
			case 1: id.instance++; break;
			case 2: id.worker = 1; break;
			case 3: id.kind = OBJECT_LEG; break;
			case 4: id.index = 0x7fffffff; break;
			case 5: id.index += 100; break;
			case 6: id.generation++; break;
			}
			cr_assert_eq(object_command(&s, of_rooms[i], id), -ENOENT, "%s, %u",
				switch_command_name(of_rooms[i]), j);
		}
	}
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "unharmed");
	expect_text(&s, BOB, "unharmed");
	scene_close(&s);
}

Test(controller, commands_that_make_no_sense_get_einval)
{
	struct switch_rig *rig;
	struct text_builder text;
	struct switch_cmd cmd;
	struct object_id room, leg;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	rig = &s.rig;
	room = s.room;
	leg = s.leg[BOB].id;
#define WRONG(result_, ...)                                                                        \
	do {                                                                                       \
		cmd = (struct switch_cmd){ __VA_ARGS__ };                                          \
		memset(&text, 0, sizeof(text));                                                    \
		text.len = 20;                                                                     \
		memset(text.octets, 'x', 20);                                                      \
		cr_expect_eq(rig_command(rig, 0, &cmd, &text), result_, "%s: %d", #__VA_ARGS__,    \
			rig->event.result);                                                        \
	} while (0)
	WRONG(-EINVAL, .type = CMD_COUNT, .object = leg);
	WRONG(-EINVAL, .type = 0xffff, .object = leg);
	/* Text beyond the record, or that wraps. */
	WRONG(-EINVAL, .type = CMD_ROOM_OPEN, .u.room.uris = { 0, 21 });
	WRONG(-EINVAL, .type = CMD_ROOM_OPEN, .u.room.uris = { 65535, 2 });
	WRONG(-EINVAL, .type = CMD_ROOM_OPEN);
	WRONG(-EINVAL, .type = CMD_ROOM_SET, .object = room, .u.room.uris = { 19, 2 });
	WRONG(-EINVAL, .type = CMD_ROOM_SET, .object = room, .u.room.uris = { 0, 5 },
		.u.room.wrapped = { 5, 60000 });
	WRONG(-EINVAL, .type = CMD_LEG_ADD, .object = room, .u.leg.path = { 0, 20 });
	WRONG(-EINVAL, .type = CMD_LEG_ADD, .object = room, .u.leg.path = { 10, 20 });
	WRONG(-EINVAL, .type = CMD_LEG_ADD, .object = room, .u.leg.setup = 7);
	WRONG(-EINVAL, .type = CMD_LEG_ADD, .object = room, .u.leg.tls = 1);
	WRONG(-EINVAL, .type = CMD_LEG_UPDATE, .object = leg, .u.leg.path = { 0, 20 });
	WRONG(-EINVAL, .type = CMD_LEG_UPDATE, .object = leg, .u.leg.setup = 2);
	WRONG(-EINVAL, .type = CMD_MEMBER_ADD, .object = leg);
	WRONG(-EINVAL, .type = CMD_MEMBER_ADD, .object = leg,
		.u.member = { .participant = 1u << 20, .identities = { 0, 5 } });
	WRONG(-EINVAL, .type = CMD_MEMBER_ADD, .object = leg,
		.u.member = { .identities = { 0, 5 }, .alias = { 0, 600 } });
	WRONG(-EINVAL, .type = CMD_MEMBER_ALIAS, .object = leg,
		.u.member = { .identities = { 20, 1 } });
#undef WRONG
	/* A line feed in an alias would write headers into others' messages. */
	cr_assert_eq(
		rig_member(rig, CMD_MEMBER_ALIAS, &s.leg[BOB],
			&(struct rig_member_settings){ .alias = "<sip:x@y>\r\nTo: <sip:z@y>" }),
		-EINVAL);
	cr_assert_eq(rig_member(rig, CMD_MEMBER_ALIAS, &s.leg[BOB],
			     &(struct rig_member_settings){ .alias = "<sip:x@y>\nTo: <sip:z@y>" }),
		-EINVAL);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "unharmed");
	expect_text(&s, BOB, "unharmed");
	REFUSED(&s, BOB, 200, .id = "hello", .text = "unharmed too");
	expect_text(&s, ALICE, "unharmed too");
	scene_close(&s);
}

Test(controller, a_closed_room_drains)
{
	static const char head[] =
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";
	struct scene s;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol dave");
	peer_print(&s.peer[ALICE],
		"MSRP open0001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: open\r\nByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n%sunfinished",
		s.leg[ALICE].uri, s.leg[ALICE].path, head);
	cr_assert_not(peer_take(&s.peer[BOB], 100));
	cr_assert_not_null(memmem(s.peer[BOB].body, s.peer[BOB].body_len, "unfinished", 10));
	cr_assert_eq(object_command(&s, CMD_ROOM_CLOSE, s.room), 0);
	/* Open messages end with '#', legs are unbound and gone, and last the room. */
	expect_cut(&s, BOB);
	for (i = 0; i < 4; i++) {
		cr_assert(peer_ends(&s.peer[i], RIG_WAIT_MS));
		rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[i].id);
	}
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &s.room);
	cr_assert_eq(s.rig.event.u.room.messages, 1);
	cr_assert_eq(object_command(&s, CMD_ROOM_CLOSE, s.room), -ENOENT);
	s.room = (struct object_id){ 0 };
	scene_close(&s);
}

Test(controller, two_do_not_reach_each_others_objects)
{
	unsigned rooms, legs;
	char path[128], tags[400];
	struct controller *first;
	struct object_id room;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	first = s.rig.controller;
	room = s.room;
	snprintf(path, sizeof(path), "%s/switch.sock", s.rig.directory);
	cr_assert_eq(controller_attach(&s.rig.controller, path, "other", RIG_WAIT_MS, NULL), 0);
	s.rig.kept_count = 0;
	cr_assert_eq(object_command(&s, CMD_ROOM_CLOSE, room), -ENOENT);
	cr_assert_eq(object_command(&s, CMD_LEG_REMOVE, s.leg[ALICE].id), -ENOENT);
	cr_assert_eq(object_command(&s, CMD_MEMBER_REMOVE, s.leg[ALICE].id), -ENOENT);
	snapshot(&s, &rooms, &legs, tags);
	cr_assert(rooms == 0 && legs == 0, "%s", tags);
	s.room = rig_room(&s.rig, 0, 0);
	snapshot(&s, &rooms, &legs, tags);
	cr_assert(rooms == 1 && legs == 0, "%s", tags);
	cr_assert_eq(object_command(&s, CMD_ROOM_CLOSE, s.room), 0);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &s.room);
	controller_detach(s.rig.controller);
	s.rig.controller = first;
	s.rig.kept_count = 0;
	s.room = room;
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "unharmed");
	expect_text(&s, BOB, "unharmed");
	scene_close(&s);
}

Test(controller, a_drain_refuses_what_is_new_and_keeps_what_is)
{
	struct switch_cmd cmd = { .type = CMD_DRAIN };
	struct text_builder text = { 0 };
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	cr_assert_eq(rig_command(&s.rig, 0, &cmd, NULL), 0);
	cr_assert_eq(object_command(&s, CMD_LEG_ADD, s.room), -EPROTO);
	cmd = (struct switch_cmd){ .type = CMD_ROOM_OPEN };
	cr_assert_eq(text_put(&text, SPAN_LITERAL("sip:r@x\n"), &cmd.u.room.uris), 0);
	cr_assert_eq(rig_command(&s.rig, 0, &cmd, &text), -EPROTO);
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "still here");
	expect_text(&s, BOB, "still here");
	/* Until it attaches anew. */
	rig_attach(&s.rig);
	unsigned carol = scene_join(&s, "carol", &(struct rig_member_settings){ .participant = 2 });
	REFUSED(&s, ALICE, 200, .id = "hello2", .text = "hello carol");
	expect_text(&s, carol, "hello carol");
	scene_close(&s);
}

Test(controller, the_switch_stops_with_all_of_it_open)
{
	struct msrp_peer idle;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 3 }, "alice bob carol");
	peer_connect(&idle, s.rig.port);
	peer_print(&s.peer[ALICE],
		"MSRP open0001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: open\r\nContent-Type: message/cpim\r\n\r\nFrom: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\n\r\nnot all",
		s.leg[ALICE].uri, s.leg[ALICE].path);
	cr_assert_not(peer_take(&s.peer[BOB], 50));
	rig_stop(&s.rig); /* exit status 0, or it fails */
	cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS));
	cr_assert(peer_ends(&idle, RIG_WAIT_MS));
	peer_close(&idle);
	for (unsigned i = 0; i < 3; i++)
		peer_close(&s.peer[i]);
	free(s.body);
}
