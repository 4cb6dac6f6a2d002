/* SPDX-License-Identifier: BSD-3-Clause */
/* NICKNAME (RFC 7701 7): what the switch does of it. Whether a name may be had is the controller's
 * affair: here the test is that. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "tests/scenario/switch/scene.h"

static struct scene s;

static void open_named(unsigned workers)
{
	scene_open(&s,
		&(struct scene_settings){ .workers = workers, .room = { .flags = ROOM_NICKNAME } },
		"alice bob");
}

/* name: as it stands on the wire, with its quotes. */
static void ask(unsigned who, const char *tid, const char *from_path, const char *name)
{
	peer_print(&s.peer[who],
		"MSRP %s NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: %s\r\n-------%s$\r\n",
		tid, s.leg[who].uri, from_path, name, tid);
}

/* The controller is asked for this name; the question's number. */
static uint64_t asked(unsigned who, const char *name)
{
	struct span text;

	rig_event(&s.rig, EVENT_NICKNAME_ASKED, &s.leg[who].id);
	text = text_get(s.rig.event.u.nickname.name, s.rig.text, s.rig.event.text_len);
	cr_assert(span_eq(text, span_of(name)), "asked for \"%.*s\" instead of \"%s\"",
		SPAN_ARG(text), name);
	return s.rig.event.u.nickname.ask;
}

static int decide(unsigned who, uint64_t number, unsigned status)
{
	struct switch_cmd cmd = { .type = CMD_NICKNAME, .object = s.leg[who].id };

	cmd.u.nickname.ask = number;
	cmd.u.nickname.status = status;
	return rig_command(&s.rig, 0, &cmd, NULL);
}

Test(nickname, the_controller_decides_and_its_answer_is_sent)
{
	static const unsigned statuses[] = { 200, 403, 424, 425 };

	open_named(3);
	for (unsigned i = 0; i < 4; i++) {
		ask(ALICE, "nick0001", s.leg[ALICE].path, "\"Alice W\"");
		cr_assert_eq(decide(ALICE, asked(ALICE, "Alice W"), statuses[i]), 0);
		expect_status(&s, ALICE, "nick0001", statuses[i]);
	}
	/* Nothing of it is heard by others, and both may go on. */
	REFUSED(&s, ALICE, 200, .id = "after001", .text = "after");
	expect_text(&s, BOB, "after");
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "nicknames_asked"), 4);
	cr_assert_eq(rig_counter(&s.rig, "nicknames_taken"), 1);
}

Test(nickname, the_answer_goes_along_the_whole_from_path)
{
	char path[200];

	open_named(1);
	snprintf(path, sizeof(path), "msrp://relay.example.com:2855/r1;tcp %s", s.leg[ALICE].path);
	ask(ALICE, "nick0001", path, "\"A\"");
	cr_assert_eq(decide(ALICE, asked(ALICE, "A"), 200), 0);
	cr_assert(peer_take(&s.peer[ALICE], RIG_WAIT_MS));
	cr_assert_eq(s.peer[ALICE].chunk.status, 200);
	cr_assert(span_eq(s.peer[ALICE].chunk.to_path, span_of(path)));
	scene_close(&s);
}

Test(nickname, quotes_and_escapes_are_taken_off_and_an_empty_one_is_told)
{
	char longest[1026] = "\"", name[1024];

	open_named(1);
	ask(ALICE, "nick0001", s.leg[ALICE].path, "\"a \\\"b\\\" \\\\ \xc3\xa4\"");
	cr_assert_eq(decide(ALICE, asked(ALICE, "a \"b\" \\ \xc3\xa4"), 200), 0);
	expect_status(&s, ALICE, "nick0001", 200);
	ask(ALICE, "nick0002", s.leg[ALICE].path, "\"\"");
	cr_assert_eq(decide(ALICE, asked(ALICE, ""), 200), 0);
	expect_status(&s, ALICE, "nick0002", 200);
	memset(name, 'n', 1023);
	name[1023] = '\0';
	snprintf(longest, sizeof(longest), "\"%s\"", name);
	ask(ALICE, "nick0003", s.leg[ALICE].path, longest);
	cr_assert_eq(decide(ALICE, asked(ALICE, name), 200), 0);
	expect_status(&s, ALICE, "nick0003", 200);
	scene_close(&s);
}

Test(nickname, where_it_is_not_allowed_the_controller_is_not_asked)
{
	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	ask(ALICE, "nick0001", s.leg[ALICE].path, "\"Alice\"");
	expect_status(&s, ALICE, "nick0001", 403);
	cr_assert_not(rig_event_within(&s.rig, EVENT_NICKNAME_ASKED, NULL, 200));
	scene_close(&s);
}

Test(nickname, a_malformed_one_is_refused_without_asking)
{
	open_named(1);
	ask(ALICE, "nick0001", s.leg[ALICE].path, "Alice");
	expect_status(&s, ALICE, "nick0001", 424);
	ask(ALICE, "nick0002", s.leg[ALICE].path, "\"\xc3\"");
	expect_status(&s, ALICE, "nick0002", 424);
	/* RFC 7701 7.1: it takes no reports. */
	ask(ALICE, "nick0003", s.leg[ALICE].path, "\"Alice\"\r\nSuccess-Report: yes");
	expect_status(&s, ALICE, "nick0003", 400);
	cr_assert_not(rig_event_within(&s.rig, EVENT_NICKNAME_ASKED, NULL, 200));
	scene_close(&s);
}

Test(nickname, one_question_at_a_time_and_messages_go_on)
{
	uint64_t first;

	open_named(2);
	ask(ALICE, "nick0001", s.leg[ALICE].path, "\"first\"");
	first = asked(ALICE, "first");
	/* What comes behind it is served meanwhile. */
	REFUSED(&s, ALICE, 200, .id = "mess0001", .text = "meanwhile");
	expect_text(&s, BOB, "meanwhile");
	/* A second one waits for the first. */
	ask(ALICE, "nick0002", s.leg[ALICE].path, "\"second\"");
	cr_assert_not(rig_event_within(&s.rig, EVENT_NICKNAME_ASKED, NULL, 200));
	cr_assert_eq(decide(ALICE, first + 1, 200), -ENOENT);
	cr_assert_eq(decide(ALICE, first, 500), -EINVAL);
	cr_assert_eq(decide(ALICE, first, 425), 0);
	expect_status(&s, ALICE, "nick0001", 425);
	cr_assert_eq(decide(ALICE, first, 200), -ENOENT, "answered twice");
	cr_assert_eq(decide(ALICE, asked(ALICE, "second"), 200), 0);
	expect_status(&s, ALICE, "nick0002", 200);
	scene_close(&s);
}

Test(nickname, an_answer_for_one_who_has_gone_goes_nowhere)
{
	uint64_t number;

	open_named(2);
	ask(ALICE, "nick0001", s.leg[ALICE].path, "\"Alice\"");
	number = asked(ALICE, "Alice");
	peer_close(&s.peer[ALICE]);
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[ALICE].id);
	} while (s.rig.event.u.leg.status.state != LEG_UNBOUND);
	cr_assert_eq(decide(ALICE, number, 200), -ENOENT);
	/* A leg that is removed with its question open. */
	ask(BOB, "nick0002", s.leg[BOB].path, "\"Bob\"");
	number = asked(BOB, "Bob");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[BOB]), 0);
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[BOB].id);
	cr_assert_eq(decide(BOB, number, 200), -ENOENT);
	scene_close(&s);
}
