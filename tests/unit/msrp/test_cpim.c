/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/cpim.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char room_message[] = /* context.md 1.7 */
	"From: <sip:alice@example.com>\r\n"
	"To: <sip:im-q7w2e9@conf.example.com>\r\n"
	"DateTime: 2026-03-01T10:00:00Z\r\n"
	"\r\n"
	"Content-Type: text/plain;charset=utf-8\r\n"
	"\r\n"
	"Hello, room";

static bool is(struct span text, const char *expected)
{
	return span_eq(text, span_of(expected));
}

static int parse(const char *text, struct cpim *out)
{
	size_t resume = 0;

	return cpim_parse(span_of(text), &resume, out);
}

Test(cpim, the_room_message_is_read)
{
	struct cpim cpim;

	cr_assert_eq(sizeof(room_message) - 1, 156);
	cr_assert_eq(parse(room_message, &cpim), 0);
	cr_expect(is(cpim.from_line, "From: <sip:alice@example.com>\r\n"));
	cr_expect(is(cpim.from, "sip:alice@example.com"));
	cr_expect(is(cpim.to, "sip:im-q7w2e9@conf.example.com"));
	cr_expect_eq(cpim.to_count, 1);
	cr_expect_eq(cpim.cc_count, 0);
	cr_expect(is(cpim.content_type, "text/plain"));
	cr_expect_eq(cpim.head_len, 156 - strlen("Hello, room"));
}

Test(cpim, bare_line_feeds_and_any_case_of_names_are_tolerated)
{
	struct cpim cpim;

	cr_assert_eq(
		parse("fROM:<sip:a>\nTO: Bob <sip:b>\nCC: <sip:c>\n\ncontent-TYPE:text/Html\n\nx",
			&cpim),
		0);
	cr_expect(is(cpim.from_line, "fROM:<sip:a>\n"));
	cr_expect(is(cpim.from, "sip:a"));
	cr_expect(is(cpim.to, "sip:b"));
	cr_expect_eq(cpim.cc_count, 1);
	cr_expect(is(cpim.content_type, "text/Html"));
}

Test(cpim, the_first_to_is_given_and_all_are_counted)
{
	struct cpim cpim;

	cr_assert_eq(
		parse("From: <sip:a>\r\nTo: <sip:b>\r\nTo: <sip:c>\r\ncc: <x>\r\nCc: <y>\r\n\r\n\r\n",
			&cpim),
		0);
	cr_expect_eq(cpim.to_count, 2);
	cr_expect(is(cpim.to, "sip:b"));
	cr_expect_eq(cpim.cc_count, 2);
}

Test(cpim, missing_headers_leave_their_places_empty)
{
	struct cpim cpim;

	cr_assert_eq(parse("DateTime: x\r\n\r\n\r\nbody", &cpim), 0);
	cr_expect_null(cpim.from.at);
	cr_expect_eq(cpim.from_line.len, 0);
	cr_expect_eq(cpim.to_count, 0);
	cr_expect(is(cpim.content_type, "text/plain")); /* RFC 2045 5.2 */
	cr_assert_eq(parse("\r\n\r\nbody", &cpim), 0, "two empty blocks");
	cr_expect_eq(cpim.head_len, 4);
}

Test(cpim, a_bracket_in_a_quoted_name_is_part_of_the_name)
{
	struct cpim cpim;

	cr_assert_eq(
		parse("From: \"A <sip:evil> \\\" <b\" <sip:alice@example.com>\r\n\r\n\r\n", &cpim),
		0);
	cr_expect(is(cpim.from, "sip:alice@example.com"));
}

Test(cpim, other_headers_pass_with_prefix_and_parameters)
{
	struct cpim cpim;

	cr_assert_eq(parse("NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk\r\n"
			   "imdn.From: nobody\r\nSubject:;lang=fr Bonjour\r\nFrom: <sip:a>\r\n\r\n"
			   "Content-ID: <x>\r\nContent-Type: text/plain\r\n\r\n",
			     &cpim),
		0);
	cr_expect(is(cpim.from, "sip:a"));
	cr_expect(is(cpim.content_type, "text/plain"));
}

/* RFC 3862 3.4 */
Test(cpim, a_namespace_changes_nothing_of_what_is_checked)
{
	static const struct {
		const char *ns;
		int result;
	} table[] = {
		{ "NS: imdn <urn:ietf:params:imdn>", 0 },
		{ "NS: imdn<urn:ietf:params:imdn>", 0 },
		{ "ns: imdn <urn:ietf:params:imdn>", 0 },
		{ "NS: <urn:ietf:params:cpim-headers:>", 0 },
		{ "NS: c <urn:ietf:params:cpim-headers:>", -EBADMSG },
		{ "NS: c <URN:ietf:params:CPIM-headers:>", -EBADMSG },
		{ "NS: <urn:example:mine>", -EBADMSG },
		{ "NS: imdn", -EBADMSG },
		{ "NS:", -EBADMSG },
	};
	char text[200];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct cpim cpim;

		snprintf(text, sizeof(text), "%s\r\nFrom: <sip:a>\r\nc.From: <sip:b>\r\n\r\n\r\n",
			table[i].ns);
		cr_expect_eq(parse(text, &cpim), table[i].result, "%s", table[i].ns);
	}
}

Test(cpim, the_mime_block_may_be_folded_and_the_cpim_block_may_not)
{
	struct cpim cpim;

	cr_assert_eq(
		parse("From: <sip:a>\r\n\r\nContent-Type:\r\n text/plain;\r\n\tcharset=utf-8\r\n"
		      "X: y\r\n\r\n",
			&cpim),
		0);
	cr_expect(is(cpim.content_type, "text/plain"));
	cr_expect_eq(parse("From:\r\n <sip:a>\r\n\r\n\r\n", &cpim), -EBADMSG);
}

Test(cpim, malformed_heads_are_refused)
{
	const char *const table[] = {
		"From: sip:a\r\n\r\n\r\n",
		"From: <sip:a\r\n\r\n\r\n",
		"From: <>\r\n\r\n\r\n",
		"From: <sip:a> <sip:b>\r\n\r\n\r\n",
		"From: <sip:a>x\r\n\r\n\r\n",
		"From: <sip:a b>\r\n\r\n\r\n",
		"From: <<sip:a>\r\n\r\n\r\n",
		"From:\r\n\r\n\r\n",
		"From: \"x <sip:a>\r\n\r\n\r\n",
		"From: \"x\\\r\n\r\n\r\n",
		"From: <sip:a>\r\nFrom: <sip:b>\r\n\r\n\r\n",
		"To: sip:a\r\n\r\n\r\n",
		"To: <sip:a>, <sip:b>\r\n\r\n\r\n",
		"From: <sip:a>\r\n, <sip:b>\r\n\r\n\r\n",
		"Subject: one\r\n two\r\n\r\n\r\n",
		"To: <sip:a>\r\nTo: sip:b\r\n\r\n\r\n",
		"no colon\r\n\r\n\r\n",
		": x\r\n\r\n\r\n",
		"From <sip:a>\r\n\r\n\r\n",
		"X: a\rb\r\n\r\n\r\n",
		"X: a\x01\r\n\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type:\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type: text\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type: text/\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type: /plain\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type: text/plain/x\r\n\r\n",
		"From: <sip:a>\r\n\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\n",
		"From: <sip:a>\r\n\r\n folded: first\r\n\r\n",
		"From: <sip:a>\r\n\r\nX: y\r\n z\x7f\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct cpim cpim;

		cr_expect_eq(parse(table[i], &cpim), -EBADMSG, "row %zu: %s", i, table[i]);
	}
}

/* A head of exactly `len` octets; the caller frees. */
static char *head_of(size_t len)
{
	static const char front[] = "From: <sip:a>\r\nX: ", back[] = "\r\n\r\n\r\n";
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	memcpy(text, front, sizeof(front) - 1);
	memcpy(text + len - (sizeof(back) - 1), back, sizeof(back) - 1);
	return text;
}

Test(cpim, a_head_of_the_limit_is_read_and_one_octet_more_is_refused)
{
	struct cpim cpim;
	size_t resume = 0;
	char *text = head_of(CPIM_HEAD_MAX);

	cr_expect_eq(cpim_parse(span_make(text, CPIM_HEAD_MAX - 1), &resume, &cpim), -EAGAIN);
	cr_expect_eq(cpim_parse(span_make(text, CPIM_HEAD_MAX), &resume, &cpim), 0);
	cr_expect_eq(cpim.head_len, CPIM_HEAD_MAX);
	free(text);
	text = head_of(CPIM_HEAD_MAX + 1);
	resume = 0;
	cr_expect_eq(cpim_parse(span_make(text, CPIM_HEAD_MAX + 1), &resume, &cpim), -EBADMSG);
	resume = 0;
	cr_expect_eq(cpim_parse(span_make(text, CPIM_HEAD_MAX), &resume, &cpim), -EBADMSG,
		"nobody waits when the limit is reached");
	free(text);
}

Test(cpim, every_split_gives_the_same_head)
{
	struct cpim whole;

	cr_assert_eq(parse(room_message, &whole), 0);
	for (size_t split = 0; split < sizeof(room_message) - 1; split++) {
		struct cpim cpim;
		size_t resume = 0;
		int first = cpim_parse(span_make(room_message, split), &resume, &cpim);

		cr_assert_eq(first, split < whole.head_len ? -EAGAIN : 0, "split %zu", split);
		if (first == -EAGAIN)
			cr_assert_eq(cpim_parse(span_of(room_message), &resume, &cpim), 0);
		cr_assert_eq(memcmp(&cpim, &whole, sizeof(whole)), 0, "split %zu", split);
	}
}

Test(cpim, octet_by_octet_each_is_searched_once)
{
	struct cpim cpim;
	size_t resume = 0;
	char *text = head_of(CPIM_HEAD_MAX);

	/* What was searched is not searched again: with empty lines put there, nobody sees them. */
	for (size_t len = 1; len < CPIM_HEAD_MAX - 6; len++) {
		size_t fresh = len < 4 ? len : 4;
		char copy[CPIM_HEAD_MAX];

		memset(copy, '\n', len - fresh);
		memcpy(copy + len - fresh, text + len - fresh, fresh);
		cr_assert_eq(cpim_parse(span_make(copy, len), &resume, &cpim), -EAGAIN);
	}
	cr_expect_eq(cpim_parse(span_make(text, CPIM_HEAD_MAX), &resume, &cpim), 0);
	free(text);
}

struct in_list {
	const char *type, *list;
	bool in;
};

Test(cpim, media_types_match_as_the_list_says)
{
	const struct in_list table[] = {
		{ "text/plain", "text/plain", true },
		{ "text/plain", "message/cpim  TEXT/Plain", true },
		{ "text/plain", "*", true },
		{ "text/plain", "image/* text/*", true },
		{ "text/plain", "TEXT/*", true },
		{ "text/plain;charset=utf-8", "text/plain", true },
		{ "text/plain", "text/plain;charset=utf-8", true },
		{ "text/plain", "text/html", false },
		{ "text/plain", "", false },
		{ "text/plain", "tex/*", false },
		{ "textual/plain", "text/*", false },
		{ "text", "text/*", false },
		{ "text/plain", "text/plainer", false },
		{ "text/plain", "/*", false },
		{ "text/plain", "text*", false },
		{ "message/cpim", "message/CPIM", true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		cr_expect_eq(media_type_in(span_of(table[i].type), span_of(table[i].list)),
			table[i].in, "%s in %s", table[i].type, table[i].list);
}
