/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes, goes in order: legs, rooms, the switch. Nothing that was accepted is lost, nothing is torn.
 * include/switch_cmd.h, dataplane/drain.h, context.md 1.6. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "tests/scenario/switch/scene.h"

#define COUNT "Success-Report: yes;Include-Sent-Count\r\n"
#define LARGE (10u << 20)

static const char head[] =
	"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";

/* What one letter at this place of a long text is. */
static char letter(size_t at)
{
	return (char)('a' + (at * 7 + at / 4096) % 26);
}

static char *long_text(size_t len)
{
	char *text = malloc(len + 1);
	size_t i;

	cr_assert_not_null(text);
	for (i = 0; i < len; i++)
		text[i] = letter(i);
	text[len] = '\0';
	return text;
}

static int room_close(struct scene *s)
{
	struct switch_cmd cmd = { .type = CMD_ROOM_CLOSE, .object = s->room };

	return rig_command(&s->rig, s->room.worker, &cmd, NULL);
}

/* The beginning of a message in a chunk that stays open, and when Bob has it. */
static void begin(struct scene *s, const char *id, const char *headers, const char *text)
{
	peer_print(&s->peer[ALICE],
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%sByte-Range: 1-*/*\r\nContent-Type: message/cpim\r\n\r\n%s%s",
		id, s->leg[ALICE].uri, s->leg[ALICE].path, id, headers, head, text);
}

static void expect_begun(struct scene *s, unsigned who, const char *text)
{
	struct msrp_peer *peer = &s->peer[who];
	unsigned waited;

	for (waited = 0; peer->body_len == 0 ||
			 memmem(peer->body, peer->body_len, text, strlen(text)) == NULL;
		waited++) {
		cr_assert_lt(waited, RIG_WAIT_MS / 10, "the beginning did not come");
		cr_assert_not(peer_take(peer, 10));
	}
}

/* A member that gets no copies, so that its answers come alone. */
static unsigned join_deaf(struct scene *s, const char *name)
{
	return scene_join(
		s, name, &(struct rig_member_settings){ .participant = 9, .wrapped = "image/png" });
}

/* ---- a room ---- */

Test(drain, a_closed_room_delivers_what_it_accepted)
{
	enum { MANY = 200 };
	char *text = long_text(12000), id[16];
	struct scene s;
	unsigned i;

	/* Nobody reads meanwhile: 2.4 MB wait for each when the room is closed. */
	scene_open(&s, &(struct scene_settings){ .workers = 3, .msrp = "  drain_s: 60\n" },
		"alice bob carol");
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "acc.%03u", i);
		memcpy(text, id, strlen(id));
		REFUSED(&s, ALICE, 200, .id = id, .headers = i == MANY - 1 ? COUNT : "",
			.text = text);
	}
	cr_assert_eq(room_close(&s), 0);
	/* What begins now gets 413, and the rest of the room is as it was. */
	REFUSED(&s, ALICE, 413, .id = "after", .text = "too late");
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "acc.%03u", i);
		memcpy(text, id, strlen(id));
		expect_text(&s, BOB, text);
		if (i == MANY - 1)
			scene_answer(&s, BOB, 200);
		expect_text(&s, CAROL, text);
	}
	/* And counted, and reported: Carol has not answered. */
	scene_answer(&s, CAROL, 200);
	expect_report(&s, ALICE, id, scene_say_len(&s, ALICE, &(struct words){ .text = text }), 2);
	for (i = 0; i < 3; i++) {
		cr_assert(peer_ends(&s.peer[i], RIG_WAIT_MS));
		rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[i].id);
	}
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &s.room);
	cr_assert_eq(s.rig.event.u.room.deliveries, 2 * MANY);
	cr_assert_eq(s.rig.event.u.room.cut, 0);
	s.room = (struct object_id){ 0 };
	free(text);
	scene_close(&s);
}

Test(drain, a_closed_room_refuses_what_is_not_whole)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  drain_s: 60\n" },
		"alice bob carol");
	begin(&s, "open1", "", "unfinished");
	expect_begun(&s, BOB, "unfinished");
	cr_assert_eq(room_close(&s), 0);
	expect_status(&s, ALICE, "open1", 413);
	expect_cut(&s, BOB);
	expect_cut(&s, CAROL);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &s.room);
	s.room = (struct object_id){ 0 };
	scene_close(&s);
}

Test(drain, a_member_that_takes_nothing_does_not_hold_a_closed_room)
{
	char *text = long_text(3 << 20);
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  drain_s: 0.3\n" },
		"alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "large", .headers = COUNT, .text = text);
	expect_text(&s, CAROL, text);
	scene_answer(&s, CAROL, 200);
	cr_assert_eq(room_close(&s), 0);
	/* The count as it stands goes out before the legs go. */
	expect_report(
		&s, ALICE, "large", scene_say_len(&s, ALICE, &(struct words){ .text = text }), 1);
	rig_event(&s.rig, EVENT_ROOM_DRAINED, &s.room);
	cr_assert_eq(s.rig.event.u.room.deliveries, 1);
	cr_assert_eq(s.rig.event.u.room.cut, 1);
	s.room = (struct object_id){ 0 };
	free(text);
	scene_close(&s);
}

/* ---- a leg ---- */

Test(drain, a_removed_leg_gets_what_was_accepted_before)
{
	enum { MANY = 200 };
	char *text = long_text(12000), id[16];
	struct scene s;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  drain_s: 60\n" },
		"alice bob carol");
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "acc.%03u", i);
		memcpy(text, id, strlen(id));
		REFUSED(&s, ALICE, 200, .id = id, .text = text);
	}
	begin(&s, "open1", "", "unfinished");
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "acc.%03u", i);
		memcpy(text, id, strlen(id));
		expect_text(&s, CAROL, text);
	}
	expect_begun(&s, CAROL, "unfinished");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[BOB]), 0);
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[BOB]), -ENOENT);
	peer_print(&s.peer[ALICE], "\r\n-------open1$\r\n");
	expect_status(&s, ALICE, "open1", 200);
	REFUSED(&s, ALICE, 200, .id = "after", .text = "not for bob");
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "acc.%03u", i);
		memcpy(text, id, strlen(id));
		expect_text(&s, BOB, text);
	}
	/* The one that was not whole may have begun for him, and is not torn. */
	if (peer_take(&s.peer[BOB], RIG_WAIT_MS))
		cr_assert_eq(s.peer[BOB].chunk.flag, '#');
	cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS));
	rig_event(&s.rig, EVENT_LEG_GONE, &s.leg[BOB].id);
	expect_text(&s, CAROL, "unfinished");
	expect_text(&s, CAROL, "not for bob");
	free(text);
	scene_close(&s);
}

Test(drain, a_removed_sender_is_answered)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 3 }, "alice bob");
	REFUSED(&s, ALICE, 200, .id = "whole", .text = "whole");
	begin(&s, "open1", "", "unfinished");
	expect_text(&s, BOB, "whole");
	expect_begun(&s, BOB, "unfinished");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &s.leg[ALICE]), 0);
	expect_status(&s, ALICE, "open1", 413);
	cr_assert(peer_ends(&s.peer[ALICE], RIG_WAIT_MS));
	expect_cut(&s, BOB);
	scene_close(&s);
}

Test(drain, a_member_that_is_removed_and_comes_back_has_its_own)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob carol");
	REFUSED(&s, ALICE, 200, .id = "before", .text = "before");
	begin(&s, "open1", "", "unfinished");
	expect_text(&s, BOB, "before");
	expect_begun(&s, BOB, "unfinished");
	cr_assert_eq(rig_leg_command(&s.rig, CMD_MEMBER_REMOVE, &s.leg[BOB]), 0);
	expect_cut(&s, BOB);
	peer_print(&s.peer[ALICE], "\r\n-------open1$\r\n");
	expect_status(&s, ALICE, "open1", 200);
	REFUSED(&s, ALICE, 200, .id = "without", .text = "without");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[BOB],
			     &(struct rig_member_settings){ .participant = BOB }),
		0);
	expect_nothing(&s, BOB);
	REFUSED(&s, ALICE, 200, .id = "again", .text = "again");
	expect_text(&s, BOB, "again");
	expect_text(&s, CAROL, "before");
	expect_text(&s, CAROL, "unfinished");
	expect_text(&s, CAROL, "without");
	expect_text(&s, CAROL, "again");
	scene_close(&s);
}

/* ---- the switch ---- */

/* The controller hears of it on each worker, once. */
static void expect_draining(struct scene *s, unsigned workers)
{
	while (workers-- > 0)
		rig_event(&s->rig, EVENT_DRAINING, NULL);
	cr_assert_not(rig_event_within(&s->rig, EVENT_DRAINING, NULL, 50));
}

/* Nobody is let in. The listener may go a moment after the controllers were told. */
static void expect_deaf(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_neq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(errno, ECONNREFUSED);
	close(fd);
}

Test(drain, a_switch_that_stops_finishes_what_has_begun)
{
	char *text = long_text(LARGE), range[100];
	struct switch_cmd open = { .type = CMD_ROOM_OPEN };
	struct text_builder uris = { 0 };
	size_t half = LARGE / 2;
	struct scene s;
	unsigned i;

	/* 10 MB are under way, and Carol is slow. */
	scene_open(&s,
		&(struct scene_settings){
			.workers = 3, .msrp = "  drain_s: 60\n  leg_queue: 67108864\n" },
		"alice bob carol");
	join_deaf(&s, "dave");
	snprintf(range, sizeof(range), "Message-ID: large\r\n" COUNT "Byte-Range: 1-*/%zu\r\n",
		strlen(head) + LARGE);
	peer_print(&s.peer[ALICE],
		"MSRP large SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n%sContent-Type: message/cpim\r\n\r\n%s",
		s.leg[ALICE].uri, s.leg[ALICE].path, range, head);
	peer_write(&s.peer[ALICE], text, half);
	expect_begun(&s, BOB, "aho");
	rig_terminate(&s.rig);
	expect_draining(&s, 3);
	cr_assert_gt(s.rig.event.u.drain.left_ms, 0);
	expect_deaf(s.rig.port);
	cr_assert_eq(text_put(&uris, SPAN_LITERAL("sip:r@x\n"), &open.u.room.uris), 0);
	cr_assert_eq(rig_command(&s.rig, 1, &open, &uris), -EPROTO);
	/* Nothing begins any more; what has begun goes on. */
	REFUSED(&s, DAVE, 413, .id = "begins", .from = "<sip:dave@example.com>", .text = "no");
	scene_ping(&s, DAVE, "ping1", "");
	expect_status(&s, DAVE, "ping1", 200);
	peer_write(&s.peer[ALICE], text + half, LARGE - half);
	peer_print(&s.peer[ALICE], "\r\n-------large$\r\n");
	expect_status(&s, ALICE, "large", 200);
	expect_text(&s, BOB, text);
	scene_answer(&s, BOB, 200);
	expect_text(&s, CAROL, text);
	/* The connections stay until the last outcome is known. */
	scene_ping(&s, BOB, "ping2", "");
	expect_status(&s, BOB, "ping2", 200);
	scene_answer(&s, CAROL, 200);
	expect_report(&s, ALICE, "large", strlen(head) + LARGE, 2);
	for (i = 0; i < 4; i++)
		cr_assert(peer_ends(&s.peer[i], RIG_WAIT_MS));
	free(text);
	scene_ended(&s);
	cr_assert_eq(rig_counter(&s.rig, "copies_whole"), 2);
}

/* The end of the stream without a reset. */
static void expect_end(struct msrp_peer *peer)
{
	char octets[4096];
	ssize_t n;

	while ((n = recv(peer->fd, octets, sizeof(octets), 0)) > 0)
		;
	cr_assert_eq(n, 0, "%s instead of the end", strerror(errno));
}

Test(drain, a_switch_that_stops_gives_up_what_does_not_end)
{
	char *text = long_text(3 << 20), *flood = long_text(100000);
	struct scene s;

	/* Alice never ends her message, Bob takes nothing of Carol's, Dave has a count open. */
	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  drain_s: 0.4\n" },
		"alice bob carol dave");
	REFUSED(&s, CAROL, 200, .id = "whole", .headers = COUNT, .from = "<sip:carol@example.com>",
		.text = text);
	expect_text(&s, DAVE, text);
	expect_text(&s, ALICE, text);
	scene_answer(&s, DAVE, 200);
	begin(&s, "endless", "", "unfinished");
	expect_begun(&s, DAVE, "unfinished");
	rig_terminate(&s.rig);
	expect_draining(&s, 2);
	expect_status(&s, ALICE, "endless", 413);
	expect_cut(&s, DAVE);
	expect_cut(&s, CAROL);
	expect_report(&s, CAROL, "whole",
		scene_say_len(&s, CAROL,
			&(struct words){ .from = "<sip:carol@example.com>", .text = text }),
		1);
	/* Octets that nobody reads any more do not make the kernel reset the connection. */
	peer_write(&s.peer[ALICE], flood, 100000);
	expect_end(&s.peer[ALICE]);
	expect_end(&s.peer[CAROL]);
	expect_end(&s.peer[DAVE]);
	free(text);
	free(flood);
	scene_ended(&s);
	cr_assert_eq(rig_counter(&s.rig, "copies_whole"), 2);
}

Test(drain, a_second_signal_ends_it_at_once)
{
	unsigned carol, i;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 2, .msrp = "  drain_s: 3600\n" },
		"alice bob");
	carol = join_deaf(&s, "carol");
	begin(&s, "endless", "", "unfinished");
	expect_begun(&s, BOB, "unfinished");
	rig_terminate(&s.rig);
	expect_draining(&s, 2);
	REFUSED(&s, carol, 413, .id = "begins", .from = "<sip:carol@example.com>", .text = "no");
	rig_terminate(&s.rig);
	rig_wait(&s.rig);
	cr_assert(peer_ends(&s.peer[ALICE], RIG_WAIT_MS));
	for (i = 0; i < s.count; i++)
		peer_close(&s.peer[i]);
	free(s.body);
}

Test(drain, a_controller_that_comes_while_the_switch_stops_is_told)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .workers = 1, .msrp = "  drain_s: 60\n" },
		"alice bob");
	begin(&s, "open1", "", "unfinished");
	expect_begun(&s, BOB, "unfinished");
	rig_terminate(&s.rig);
	expect_draining(&s, 1);
	rig_attach(&s.rig);
	expect_draining(&s, 1);
	/* It may end what it wants to. */
	cr_assert_eq(room_close(&s), 0);
	expect_status(&s, ALICE, "open1", 413);
	expect_cut(&s, BOB);
	cr_assert(peer_ends(&s.peer[ALICE], RIG_WAIT_MS));
	cr_assert(peer_ends(&s.peer[BOB], RIG_WAIT_MS));
	scene_ended(&s);
}

Test(drain, who_is_closed_while_it_still_sends_gets_its_answers)
{
	char *flood = long_text(4 << 20);
	struct msrp_peer stranger;
	struct scene s;
	unsigned i;

	/* With octets unread the kernel would reset the connection, and the peer lose what it has not
	 * read. */
	scene_open(&s, &(struct scene_settings){ 0 }, "alice");
	peer_connect(&stranger, s.rig.port);
	for (i = 0; i < 20; i++)
		peer_print(&stranger,
			"MSRP guess%02u SEND\r\nTo-Path: msrp://127.0.0.1:1/0000000000nobody;tcp\r\nFrom-Path: msrp://127.0.0.1:9/x;tcp\r\nMessage-ID: g%02u0\r\n-------guess%02u$\r\n",
			i, i, i);
	peer_write(&stranger, flood, 4 << 20);
	for (i = 0; i < 20; i++) {
		cr_assert(peer_take(&stranger, RIG_WAIT_MS), "%u answers", i);
		cr_assert_eq(stranger.chunk.status, 481);
	}
	expect_end(&stranger);
	peer_close(&stranger);
	free(flood);
	scene_close(&s);
}
