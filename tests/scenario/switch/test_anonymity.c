/* SPDX-License-Identifier: BSD-3-Clause */
/* context.md 2.4: the alias stands in for the From of an anonymous member, and the ranges follow,
 * wherever the head is cut and in whatever order it comes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "dataplane/msrp/cpim.h"
#include "dataplane/switch/leg.h"
#include "tests/scenario/switch/scene.h"

#define ALIAS "<sip:anon-4f1c@anonymous.invalid>"
#define OWN   "<sip:alice@example.com>"
#define REST  "To: <sip:room@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\n"

static struct scene s;

static void open_room(const char *alias)
{
	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ALIAS, &s.leg[ALICE],
			     &(struct rig_member_settings){ .alias = alias }),
		0);
}

/* Octets [from, to] of a message of Alice's, from 1. */
static void piece(const char *id, const char *whole, size_t from, size_t to, const char *total,
	char flag, unsigned status)
{
	static unsigned serial;
	char tid[32], headers[200];

	snprintf(tid, sizeof(tid), "anon%u", ++serial);
	snprintf(headers, sizeof(headers), "Message-ID: %s\r\nByte-Range: %zu-%zu/%s\r\n", id, from,
		to, total);
	scene_chunk(&s, ALICE, tid, headers, whole + from - 1, to + 1 - from, flag);
	expect_status(&s, ALICE, tid, status);
}

/* The next thing at Bob is a chunk with this range and flag; *taken of the message so far. */
static void chunk_is(size_t start, size_t len, const char *total, char flag)
{
	const struct chunk *chunk = &s.peer[BOB].chunk;
	char text[32];

	cr_assert(peer_take(&s.peer[BOB], RIG_WAIT_MS));
	cr_assert_eq(chunk->method, METHOD_SEND);
	cr_assert_eq(chunk->range.start, start, "%llu instead of %zu",
		(unsigned long long)chunk->range.start, start);
	cr_assert_eq(
		s.peer[BOB].body_len, len, "%zu octets instead of %zu", s.peer[BOB].body_len, len);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)chunk->range.total);
	cr_assert_str_eq(chunk->range.total == BYTE_RANGE_UNKNOWN ? "*" : text, total);
	cr_assert_eq(chunk->flag, flag);
}

/* The example: d is 10, and 2049-4096/5000 leaves as 2059-4106/5010. */
Test(anonymity, the_ranges_are_shifted_by_what_the_alias_adds)
{
	static const char *const totals[] = { "5000", "*" }, *const shifted[] = { "5010", "*" };
	char whole[5001], id[16];
	int len = snprintf(whole, sizeof(whole), "From: " OWN "\r\n" REST);

	memset(whole + len, 't', sizeof(whole) - (size_t)len);
	open_room(ALIAS);
	for (unsigned i = 0; i < 2; i++) {
		/* Another message makes Bob's copy end its chunk where the sender's ended. */
		snprintf(id, sizeof(id), "long%u", i);
		piece(id, whole, 1, 2048, totals[i], '+', 200);
		snprintf(id, sizeof(id), "between%u", i);
		REFUSED(&s, ALICE, 200, .id = id, .text = "b");
		chunk_is(1, 2058, shifted[i], '+');
		expect_text(&s, BOB, "b");
		snprintf(id, sizeof(id), "long%u", i);
		piece(id, whole, 2049, 4096, totals[i], '+', 200);
		snprintf(id, sizeof(id), "betwixt%u", i);
		REFUSED(&s, ALICE, 200, .id = id, .text = "b");
		chunk_is(2059, 2048, shifted[i], '+');
		expect_text(&s, BOB, "b");
		snprintf(id, sizeof(id), "long%u", i);
		piece(id, whole, 4097, 5000, totals[i], '$', 200);
		chunk_is(4107, 904, "5010", '$'); /* by now it is known */
	}
	scene_close(&s);
}

/* Whole, as Bob gets it: From is the alias, and all the rest is as it was. */
static void arrives(const char *rest)
{
	scene_take(&s, BOB);
	cr_assert_eq(s.flag, '$');
	cr_assert_eq(strncmp(s.body, "From: " ALIAS "\r\n", strlen("From: " ALIAS "\r\n")), 0,
		"%.100s", s.body);
	cr_assert_str_eq(s.body + strlen("From: " ALIAS "\r\n"), rest);
}

Test(anonymity, a_head_may_be_cut_anywhere_and_come_in_any_order)
{
	static const char *const froms[] = { "From: " OWN "\r\n", "From: " OWN "\n",
		"from:" OWN "\r\n", "From: \"Alice <in> W\" " OWN "\r\n", "From: " ALIAS "\r\n",
		"From: Alice " ALIAS "\r\n" };
	char whole[400], id[24], total[16];
	unsigned i, serial = 0;

	open_room(ALIAS);
	for (i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		size_t len = (size_t)snprintf(whole, sizeof(whole), "%s" REST "text", froms[i]);

		snprintf(total, sizeof(total), "%zu", len);
		for (size_t cut = 1; cut < len; cut += 9) {
			snprintf(id, sizeof(id), "cut%u", ++serial);
			if (serial % 2 == 0) {
				piece(id, whole, 1, cut, total, '+', 200);
				piece(id, whole, cut + 1, len, total, '$', 200);
			} else {
				piece(id, whole, cut + 1, len, "*", '$', 200);
				piece(id, whole, 1, cut, "*", '+', 200);
			}
			arrives(REST "text");
		}
	}
	scene_close(&s);
}

Test(anonymity, lines_and_aliases_may_be_as_long_as_they_may)
{
	char *whole = malloc(CPIM_HEAD_MAX + 10), alias[LEG_ALIAS_MAX + 1];
	size_t line = CPIM_HEAD_MAX - strlen(REST);
	int n;

	/* A From line that fills the head. */
	memset(whole, 'a', CPIM_HEAD_MAX);
	memcpy(whole, "From: \"", 7);
	n = (int)strlen("\" " OWN "\r\n");
	memcpy(whole + line - (size_t)n, "\" " OWN "\r\n", (size_t)n);
	strcpy(whole + line, REST "text");
	open_room(ALIAS);
	piece("longline", whole, 1, strlen(whole), "*", '$', 200);
	arrives(REST "text");
	piece("longcut", whole, 2001, strlen(whole), "*", '$', 200);
	piece("longcut", whole, 1, 2000, "*", '+', 200);
	arrives(REST "text");
	scene_close(&s);
	/* An alias as long as it may be, with a head that is full of something else. */
	memset(alias, 'n', sizeof(alias));
	memcpy(alias, "\"", 1);
	n = (int)strlen("\" " ALIAS);
	snprintf(alias + LEG_ALIAS_MAX - n, (size_t)n + 1, "%s", "\" " ALIAS);
	line = (size_t)snprintf(whole, CPIM_HEAD_MAX, "From: " OWN "\r\nSubject: ");
	memset(whole + line, 's', CPIM_HEAD_MAX - line);
	snprintf(whole + CPIM_HEAD_MAX - strlen("\r\n" REST), strlen("\r\n" REST "text") + 1,
		"\r\n" REST "text");
	open_room(alias);
	piece("longhead", whole, 1, strlen(whole), "*", '$', 200);
	scene_take(&s, BOB);
	cr_assert_eq(s.flag, '$');
	cr_assert_eq(s.len, strlen(whole) - strlen(OWN) + LEG_ALIAS_MAX);
	cr_assert_str_eq(scene_content(&s), "text");
	free(whole);
	scene_close(&s);
}
