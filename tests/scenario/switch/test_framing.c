/* SPDX-License-Identifier: BSD-3-Clause */
/* What is MSRP and what is not, on the live switch: context.md 1.1 and its limits, 1.5. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

/* Writes the octets on a new connection: the switch closes it, and nobody else notices. */
static void ends_it(struct scene *s, const void *octets, size_t len, const char *what)
{
	struct msrp_peer peer;

	peer_connect(&peer, s->rig.port);
	peer_write(&peer, octets, len);
	cr_assert(peer_ends(&peer, RIG_WAIT_MS), "not closed: %s", what);
	peer_close(&peer);
}

Test(framing, what_is_not_msrp_ends_its_connection_only)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n\r\n",
		"\r\n\r\n\r\n",
		"MSRP  abcd SEND\r\n",
		"msrp abcd SEND\r\nTo-Path: msrp://a:1/b;tcp\r\n",
		"MSRP abc SEND\r\nTo-Path: msrp://a:1/b;tcp\r\n",
		"MSRP ab\tcd SEND\r\nTo-Path: msrp://a:1/b;tcp\r\n",
		"MSRP abcd SEND\r\nTo-Path msrp://a:1/b;tcp\r\n",
		"MSRP abcd SEND\r\nTo-Path: msrp://a:1/b;tcp\rFrom-Path: x\r\n",
		"MSRP abcdefghijklmnopqrstuvwxyz1234567 SEND\r\nTo-Path: msrp://a:1/b;tcp\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	};
	struct scene s;
	char *zeros = calloc(1, 70000);
	unsigned i;

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Enough behind it that no parser may go on waiting for more. */
		char text[4096];

		memset(text, 'x', sizeof(text));
		memcpy(text, bad[i], strlen(bad[i]));
		ends_it(&s, text, sizeof(text), bad[i]);
		REFUSED(&s, ALICE, 200, .id = (char[]){ 'o', 'k', 'o', (char)('a' + i), 0 },
			.text = "fine");
		expect_text(&s, BOB, "fine");
	}
	ends_it(&s, zeros, 70000, "zeros");
	free(zeros);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_bad"), sizeof(bad) / sizeof(bad[0]) + 1);
}

/* A bodiless SEND of Alice's with `count` headers X-1.. of which the first is `long_len` octets
 * long, and `comment` more octets of start line. */
static char *with(struct scene *s, const char *tid, size_t line_len, unsigned count, size_t total)
{
	char *text = malloc(40000), *at = text;
	size_t fixed, n;
	unsigned i;

	at += sprintf(at, "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n", tid,
		s->leg[ALICE].uri, s->leg[ALICE].path, tid);
	for (i = 3; i < count; i++)
		at += sprintf(at, "X-%u: y\r\n", i);
	if (line_len > 0) {
		at += sprintf(at, "X-Long: ");
		memset(at, 'l', line_len - 8);
		at += line_len - 8;
		at += sprintf(at, "\r\n");
	}
	while (total > 0) {
		/* Up to the whole head's length, which ends before the end-line's first octet. */
		fixed = (size_t)(at - text);
		if (fixed == total)
			break;
		n = total - fixed;
		if (n > 8000)
			n = n - 8000 > 20 ? 8000 : 4000;
		at += sprintf(at, "X-Fill: ");
		memset(at, 'f', n - 10);
		at += n - 10;
		at += sprintf(at, "\r\n");
	}
	sprintf(at, "-------%s$\r\n", tid);
	return text;
}

static void passes(struct scene *s, char *text, const char *tid)
{
	peer_write(&s->peer[ALICE], text, strlen(text));
	expect_status(s, ALICE, tid, 200);
	free(text);
}

static void breaks(struct scene *s, char *text, const char *what)
{
	ends_it(s, text, strlen(text), what);
	free(text);
}

Test(framing, each_limit_holds_and_one_more_ends_the_connection)
{
	struct scene s;
	char line[1200];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	passes(&s, with(&s, "line8192", 8192, 0, 0), "line8192");
	breaks(&s, with(&s, "line8193", 8193, 0, 0), "a header line of 8193");
	passes(&s, with(&s, "headers64", 0, 64, 0), "headers64");
	breaks(&s, with(&s, "headers65", 0, 65, 0), "65 headers");
	/* The head counts to the first octet of the end-line. */
	passes(&s, with(&s, "head16383", 0, 0, 16383), "head16383");
	breaks(&s, with(&s, "head16400", 0, 0, 16400), "a head of 16400");
	/* Start line: 512 with a comment, as a response has one. The switch takes it and goes
	 *             on. */
	memset(line, 'c', sizeof(line));
	memcpy(line, "MSRP resp 200 ", 14);
	sprintf(line + 512, "\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------resp$\r\n",
		s.leg[ALICE].uri, s.leg[ALICE].path);
	peer_write(&s.peer[ALICE], line, strlen(line));
	expect_nothing(&s, ALICE);
	memset(line, 'c', sizeof(line));
	memcpy(line, "MSRP resp 200 ", 14);
	sprintf(line + 513, "\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------resp$\r\n",
		s.leg[ALICE].uri, s.leg[ALICE].path);
	ends_it(&s, line, strlen(line), "a start line of 513");
	scene_close(&s);
}

static char *path_of(unsigned uris)
{
	char *path = malloc(2000);
	unsigned i;

	path[0] = '\0';
	for (i = 0; i < uris; i++)
		sprintf(path + strlen(path), "%smsrp://10.0.0.%u:9/alice;tcp", i > 0 ? " " : "", i);
	return path;
}

Test(framing, a_path_has_at_most_16_uris)
{
	char *path = path_of(16), *text = NULL;
	struct scene s;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	/* From-Path of several: the answer goes to the leftmost. */
	peer_print(&s.peer[ALICE],
		"MSRP path16 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: path16\r\n-------path16$\r\n",
		s.leg[ALICE].uri, path);
	cr_assert(peer_take(&s.peer[ALICE], RIG_WAIT_MS));
	cr_assert_eq(s.peer[ALICE].chunk.status, 200);
	cr_assert(
		span_eq(s.peer[ALICE].chunk.to_path, SPAN_LITERAL("msrp://10.0.0.0:9/alice;tcp")));
	free(path);
	path = path_of(17);
	cr_assert_gt(
		asprintf(&text,
			"MSRP path17 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: path17\r\n-------path17$\r\n",
			s.leg[ALICE].uri, path),
		0);
	ends_it(&s, text, strlen(text), "17 URIs");
	free(text);
	free(path);
	scene_close(&s);
}

Test(framing, requests_may_come_octet_by_octet_or_many_at_once)
{
	enum { MANY = 400 };
	char *all = malloc(MANY * 700), *at = all, id[16], text[32];
	struct scene s;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "number %u", i);
		char *body = scene_cpim(&s, ALICE, &(struct words){ .text = text });

		snprintf(id, sizeof(id), "pipe%u", i);
		at += sprintf(at,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: 1-%zu/%zu\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------%s$\r\n",
			id, s.leg[ALICE].uri, s.leg[ALICE].path, id, strlen(body), strlen(body),
			body, id);
		free(body);
		if (i == 1) { /* the first two octet by octet */
			char *octet;

			for (octet = all; octet < at; octet++) {
				peer_write(&s.peer[ALICE], octet, 1);
				usleep(100);
			}
			at = all;
		}
	}
	peer_write(&s.peer[ALICE], all, (size_t)(at - all));
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "pipe%u", i);
		expect_status(&s, ALICE, id, 200);
		snprintf(text, sizeof(text), "number %u", i);
		expect_text(&s, BOB, text);
	}
	expect_nothing(&s, BOB);
	free(all);
	scene_close(&s);
}

Test(framing, a_range_that_lies_gets_400_and_hides_nothing)
{
	static const char *const lies[] = { "1-*/5000", "1-10/10", "1-5000/5000", "1-5000/*" };
	struct scene s;
	unsigned i;
	char id[16];

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		snprintf(id, sizeof(id), "lies%u", i);
		REFUSED(&s, ALICE, 400, .id = id, .range = lies[i], .text = "is it long?");
		/* Bob may have got a part, and then its end. */
		snprintf(id, sizeof(id), "true%u", i);
		REFUSED(&s, ALICE, 200, .id = id, .text = "the truth");
		scene_take(&s, BOB);
		if (s.flag == '#')
			scene_take(&s, BOB);
		cr_assert_eq(s.flag, '$');
		cr_assert_str_eq(scene_content(&s), "the truth");
	}
	/* Ranges that are none at all. */
	REFUSED(&s, ALICE, 400, .id = "none1", .range = "0-5/5", .text = "x");
	REFUSED(&s, ALICE, 400, .id = "none2", .range = "1-9/5", .text = "x");
	REFUSED(&s, ALICE, 400, .id = "none3", .range = "one", .text = "x");
	REFUSED(&s, ALICE, 400, .id = "none4", .range = "1-99999999999999999999/*", .text = "x");
	REFUSED(&s, ALICE, 200, .id = "good", .text = "good");
	expect_text(&s, BOB, "good");
	scene_close(&s);
}

Test(framing, a_lie_found_at_the_end_cuts_what_was_forwarded)
{
	struct scene s;
	static const char head[] =
		"From: <sip:alice@example.com>\r\nTo: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n";

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	peer_print(&s.peer[ALICE],
		"MSRP liar0001 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: liar\r\nByte-Range: 1-4000/9000\r\nContent-Type: message/cpim\r\n\r\n%sso far",
		s.leg[ALICE].uri, s.leg[ALICE].path, head);
	cr_assert_not(peer_take(&s.peer[BOB], 100));
	cr_assert_not_null(memmem(s.peer[BOB].body, s.peer[BOB].body_len, "so far", 6));
	peer_print(&s.peer[ALICE], "\r\n-------liar0001+\r\n");
	expect_status(&s, ALICE, "liar0001", 400);
	expect_cut(&s, BOB);
	REFUSED(&s, ALICE, 200, .id = "next", .text = "next");
	expect_text(&s, BOB, "next");
	scene_close(&s);
}
