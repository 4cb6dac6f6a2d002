/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sender may not send, and what it is told: context.md 1.6, 2.1, 2.5. After each refusal the
 * room goes on: the next message that arrives anywhere is one that was let in. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/scenario/switch/scene.h"

static void open_room(struct scene *s)
{
	scene_open(s,
		&(struct scene_settings){
			.room = { .flags = ROOM_PRIVATE,
				.uris = RIG_ROOM_URI "\nsip:factory@example.com\n" } },
		"alice bob carol");
}

/* The refused message was given to nobody, and the room works. */
static void still_works(struct scene *s)
{
	REFUSED(s, ALICE, 200, .id = "still.works", .text = "still here");
	expect_text(s, BOB, "still here");
	expect_text(s, CAROL, "still here");
}

Test(refusals, a_message_that_is_not_cpim_gets_415)
{
	struct scene s;

	open_room(&s);
	peer_print(&s.peer[ALICE],
		"MSRP plain001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: p1xx\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n-------plain001$\r\n",
		s.leg[ALICE].uri, s.leg[ALICE].path);
	expect_status(&s, ALICE, "plain001", 415);
	/* Case does not matter, and parameters do not. */
	peer_print(&s.peer[ALICE],
		"MSRP plain002 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: p2xx\r\nContent-Type: Message/CPIM; x=y\r\n\r\nFrom: <sip:alice@example.com>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\nhi\r\n-------plain002$\r\n",
		s.leg[ALICE].uri, s.leg[ALICE].path, RIG_ROOM_URI);
	expect_status(&s, ALICE, "plain002", 200);
	expect_text(&s, BOB, "hi");
	expect_text(&s, CAROL, "hi");
	still_works(&s);
	scene_close(&s);
}

Test(refusals, a_from_that_is_not_the_senders_gets_403)
{
	struct scene s;

	open_room(&s);
	REFUSED(&s, ALICE, 403, .id = "from.bob", .from = "<sip:bob@example.com>", .text = "x");
	REFUSED(&s, ALICE, 403, .id = "from.part", .from = "<sip:alice@example.co>", .text = "x");
	REFUSED(&s, ALICE, 403, .id = "from.user", .from = "<sip:Alice@example.com>", .text = "x");
	REFUSED(&s, ALICE, 403, .id = "from.name",
		.from = "\"<sip:alice@example.com>\" <sip:b@c.d>", .text = "x");
	REFUSED(&s, ALICE, 400, .id = "from.none", .from = "nobody", .text = "x");
	still_works(&s);
	REFUSED(&s, ALICE, 200, .id = "from.host", .from = "Alice <sip:alice@EXAMPLE.com>",
		.text = "shouted host");
	expect_text(&s, BOB, "shouted host");
	expect_text(&s, CAROL, "shouted host");
	scene_close(&s);
}

/* A body that scene_cpim cannot say. */
static void refused_body(struct scene *s, unsigned status, const char *id, const char *body)
{
	char headers[64];

	snprintf(headers, sizeof(headers), "Message-ID: %s\r\n", id);
	scene_chunk(s, ALICE, id, headers, body, strlen(body), '$');
	expect_status(s, ALICE, id, status);
}

Test(refusals, a_cpim_head_without_its_headers_is_refused)
{
	struct scene s;

	open_room(&s);
	refused_body(&s, 403, "no.from",
		"To: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx");
	refused_body(&s, 400, "no.to",
		"From: <sip:alice@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx");
	refused_body(&s, 403, "two.to",
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\nTo: <sip:bob@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx");
	refused_body(&s, 403, "with.cc",
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\ncc: <sip:bob@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nx");
	refused_body(&s, 400, "ends.early",
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n");
	refused_body(&s, 400, "no.head", "\x01\x02\x03\r\n\r\n\r\n\r\n");
	refused_body(&s, 400, "empty.body", "");
	still_works(&s);
	scene_close(&s);
}

Test(refusals, a_cpim_head_may_have_4096_octets)
{
	static const char tail[] = "\r\n\r\nContent-Type: text/plain\r\n\r\n";
	static const char head[] =
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\nSubject: ";
	char body[5000];
	struct scene s;
	size_t len = 4096 - (sizeof(tail) - 1);

	open_room(&s);
	memset(body, 'x', sizeof(body));
	memcpy(body, head, sizeof(head) - 1);
	memcpy(body + len, tail, sizeof(tail) - 1);
	memcpy(body + 4096, "whole", 6);
	refused_body(&s, 200, "head.4096", body);
	expect_text(&s, BOB, "whole");
	expect_text(&s, CAROL, "whole");
	body[len] = 'x';
	memcpy(body + len + 1, tail, sizeof(tail) - 1);
	memcpy(body + 4097, "long", 5);
	refused_body(&s, 400, "head.4097", body);
	/* Refused as soon as 4096 octets have come without an end, though more is to follow. */
	memset(body + sizeof(head) - 1, 'y', 4400);
	scene_chunk(&s, ALICE, "head.open", "Message-ID: head.open\r\nByte-Range: 1-*/*\r\n", body,
		4400, '+');
	expect_status(&s, ALICE, "head.open", 400);
	scene_chunk(&s, ALICE, "head.rest", "Message-ID: head.open\r\nByte-Range: 4401-*/*\r\n",
		tail, sizeof(tail) - 1, '$');
	expect_status(&s, ALICE, "head.rest", 400);
	still_works(&s);
	scene_close(&s);
}

Test(refusals, every_uri_listed_names_the_room_and_no_other_does)
{
	struct scene s;

	open_room(&s);
	REFUSED(&s, ALICE, 200, .id = "to.factory", .to = "<sip:factory@example.com>", .text = "f");
	expect_text(&s, BOB, "f");
	expect_text(&s, CAROL, "f");
	/* RCS clients write this one; the controller lists it when it wants it to name the room. */
	REFUSED(&s, ALICE, 404, .id = "to.anon", .to = "<sip:anonymous@anonymous.invalid>",
		.text = "x");
	cr_assert_eq(rig_room_set(&s.rig, &s.room,
			     &(struct rig_room_settings){
				     .uris = RIG_ROOM_URI "\nsip:anonymous@anonymous.invalid\n" }),
		0);
	REFUSED(&s, ALICE, 200, .id = "to.anon2", .to = "<sip:anonymous@anonymous.invalid>",
		.text = "to all");
	expect_text(&s, BOB, "to all");
	expect_text(&s, CAROL, "to all");
	REFUSED(&s, ALICE, 404, .id = "to.factory2", .to = "<sip:factory@example.com>",
		.text = "x");
	still_works(&s);
	scene_close(&s);
}

Test(refusals, a_wrapped_type_outside_the_rooms_policy_gets_415)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ .room = { .wrapped = "text/* message/imdn+xml" } },
		"alice bob carol");
	REFUSED(&s, ALICE, 415, .id = "type.png", .type = "image/png", .text = "x");
	REFUSED(&s, ALICE, 415, .id = "type.tex", .type = "tex/plain", .text = "x");
	REFUSED(&s, ALICE, 200, .id = "type.html", .type = "TEXT/html; charset=utf-8", .text = "h");
	expect_text(&s, BOB, "h");
	expect_text(&s, CAROL, "h");
	still_works(&s);
	scene_close(&s);
}

Test(refusals, a_member_that_does_not_accept_the_type_is_skipped_silently)
{
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	scene_join(&s, "carol",
		&(struct rig_member_settings){ .participant = 2, .wrapped = "text/plain image/*" });
	REFUSED(&s, ALICE, 200, .id = "type.a", .type = "application/pdf", .text = "a");
	REFUSED(&s, ALICE, 200, .id = "type.b", .type = "image/png", .text = "b");
	expect_text(&s, BOB, "a");
	expect_text(&s, BOB, "b");
	expect_text(&s, CAROL, "b");
	still_works(&s);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "copies_skipped_type"), 1);
}

Test(refusals, a_private_message_reaches_its_member_only)
{
	struct scene s;

	open_room(&s);
	REFUSED(&s, ALICE, 200, .id = "to.bob", .to = "<sip:bob@example.com>", .text = "psst");
	expect_text(&s, BOB, "psst");
	cr_assert(strstr(s.body, "To: <sip:bob@example.com>") != NULL);
	still_works(&s); /* Carol's first message is this one */
	scene_close(&s);
}

Test(refusals, a_private_message_that_may_not_be_says_why)
{
	struct scene s;

	open_room(&s);
	scene_join(&s, "dave", &(struct rig_member_settings){ .participant = 3 });
	REFUSED(&s, ALICE, 404, .id = "to.zoe", .to = "<sip:zoe@example.com>", .text = "x");
	REFUSED(&s, ALICE, 428, .id = "to.dave", .to = "<sip:dave@example.com>", .text = "x");
	/* context.md 2.5: what is no chat but a notification needs no private-messages. */
	REFUSED(&s, ALICE, 200, .id = "imdn", .to = "<sip:dave@example.com>",
		.type = "message/imdn+xml", .text = "<imdn/>");
	expect_text(&s, DAVE, "<imdn/>");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_MUTE, &s.leg[ALICE],
			     &(struct rig_member_settings){ .flags = MEMBER_NO_PRIVATE }),
		0);
	REFUSED(&s, ALICE, 403, .id = "not.she", .to = "<sip:bob@example.com>", .text = "x");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_MUTE, &s.leg[ALICE],
			     &(struct rig_member_settings){ .flags = MEMBER_PRIVATE }),
		0);
	cr_assert_eq(rig_room_set(&s.rig, &s.room, &(struct rig_room_settings){ .flags = 0 }), 0);
	REFUSED(&s, ALICE, 403, .id = "not.here", .to = "<sip:bob@example.com>", .text = "x");
	still_works(&s);
	expect_text(&s, DAVE, "still here");
	scene_close(&s);
}

Test(refusals, a_muted_member_gets_403_and_still_hears)
{
	struct scene s;

	open_room(&s);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_MUTE, &s.leg[BOB],
			     &(struct rig_member_settings){ .flags = MEMBER_MUTED }),
		0);
	REFUSED(&s, BOB, 403, .id = "muted", .text = "x");
	expect_nothing(&s, BOB); /* a SEND without content is no content */
	still_works(&s);
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_MUTE, &s.leg[BOB],
			     &(struct rig_member_settings){ .flags = 0 }),
		0);
	REFUSED(&s, BOB, 200, .id = "unmuted", .text = "thanks");
	expect_text(&s, ALICE, "thanks");
	expect_text(&s, CAROL, "thanks");
	scene_close(&s);
}
