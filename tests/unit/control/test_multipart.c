/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/sip/multipart.h"

static struct multipart_part parts[MULTIPART_PARTS_MAX];

static int parse(const char *type, const char *body)
{
	return multipart_parse(span_of(type), span_of(body), parts);
}

#define expect_span(span, text)                                                                    \
	cr_expect(span_eq(span, span_of(text)), "got '%.*s', wanted '%s'", SPAN_ARG(span), text)

Test(multipart, an_invite_with_a_list_has_two_parts)
{
	int count = parse("multipart/mixed;boundary=b1",
		"--b1\r\n"
		"Content-Type: application/sdp\r\n"
		"\r\n"
		"v=0\r\ns=-\r\n\r\n"
		"--b1\r\n"
		"Content-Type: application/resource-lists+xml; charset=utf-8\r\n"
		"Content-Disposition: recipient-list; handling=required\r\n"
		"Content-ID: <l1@example.com>\r\n"
		"\r\n"
		"<resource-lists/>\r\n"
		"--b1--\r\n");

	cr_assert_eq(count, 2);
	expect_span(parts[0].type, "application/sdp");
	cr_expect_eq(parts[0].disposition.len, 0);
	expect_span(parts[0].body, "v=0\r\ns=-\r\n");
	expect_span(parts[1].type, "application/resource-lists+xml");
	expect_span(parts[1].disposition, "recipient-list");
	expect_span(parts[1].content_id, "l1@example.com");
	expect_span(parts[1].body, "<resource-lists/>");
}

Test(multipart, another_type_is_one_part)
{
	cr_assert_eq(parse("application/sdp ; charset=x", "v=0\r\n"), 1);
	expect_span(parts[0].type, "application/sdp");
	expect_span(parts[0].body, "v=0\r\n");
	cr_assert_eq(parse("application/sdp", ""), 1);
	cr_expect_eq(parts[0].body.len, 0);
}

Test(multipart, preamble_epilogue_and_bare_line_feeds_are_taken)
{
	cr_assert_eq(parse("Multipart/Related; type=x; Boundary = \"a b:c\" ",
			     "This is a message in several parts.\n--a b:cd\n"
			     "--a b:c  \n"
			     "content-type:\n application/sdp;\n x=y\n"
			     "\n"
			     "one\n"
			     "--a b:c-- \n"
			     "--a b:c\nleft over"),
		1);
	expect_span(parts[0].type, "application/sdp");
	expect_span(parts[0].body, "one");
}

Test(multipart, a_quoted_boundary_may_have_escapes)
{
	cr_assert_eq(parse("multipart/mixed; x=\";boundary=no\"; boundary=\"a\\\"b\"",
			     "--a\"b\r\n\r\nx\r\n--a\"b--"),
		1);
	expect_span(parts[0].type, "text/plain");
	expect_span(parts[0].body, "x");
}

Test(multipart, lines_that_only_look_like_a_delimiter_stay_in_the_part)
{
	cr_assert_eq(parse("multipart/mixed;boundary=b",
			     "--b\r\n\r\n--bb\r\n--b-\r\n --b\r\nx--b\r\n--b--\r\n"),
		1);
	expect_span(parts[0].body, "--bb\r\n--b-\r\n --b\r\nx--b");
}

Test(multipart, a_part_may_be_empty_or_have_headers_only)
{
	cr_assert_eq(
		parse("multipart/mixed;boundary=b",
			"--b\r\nContent-Type: a/b\r\n\r\n\r\n--b\r\nContent-Type: c/d\r\n--b\r\n\r\n--b--"),
		3);
	expect_span(parts[0].type, "a/b");
	cr_expect_eq(parts[0].body.len, 0);
	expect_span(parts[1].type, "c/d");
	cr_expect_eq(parts[1].body.len, 0);
	cr_expect_eq(parts[2].body.len, 0);
}

Test(multipart, what_is_malformed_is_refused)
{
	static const struct {
		const char *type, *body, *why;
	} table[] = {
		{ "multipart/mixed", "--b\r\n\r\nx\r\n--b--", "no boundary" },
		{ "multipart/mixed;boundary=", "--\r\n\r\nx\r\n----", "empty boundary" },
		{ "multipart/mixed;boundary=\"b", "--b\r\n\r\nx\r\n--b--", "open quote" },
		{ "multipart/mixed;boundary=\"b\\", "--b\r\n\r\nx\r\n--b--", "open escape" },
		{ "multipart/mixed;boundary=\"b \"", "--b \r\n\r\nx\r\n--b --",
			"ends with a blank" },
		{ "multipart/mixed;boundary=b\x01", "--b\x01\r\n\r\nx\r\n--b\x01--", "control" },
		{ "multipart/mixed;boundary=00000000001111111111222222222233333333334444444444555555555566666666667",
			"--00000000001111111111222222222233333333334444444444555555555566666666667\r\n\r\nx\r\n"
			"--00000000001111111111222222222233333333334444444444555555555566666666667--",
			"boundary of 71" },
		{ "multipart/mixed;boundary=b", "", "empty" },
		{ "multipart/mixed;boundary=b", "--b--", "no part" },
		{ "multipart/mixed;boundary=b", "--b\r\n\r\nx\r\n", "not closed" },
		{ "multipart/mixed;boundary=b", "--b\r\n\r\nx\r\n--b\r\n", "not closed" },
		{ "multipart/mixed;boundary=b", "x", "preamble only" },
		{ "multipart/mixed;boundary=b", "--b\r\nno colon\r\n\r\nx\r\n--b--",
			"header without colon" },
		{ "multipart/mixed;boundary=b", "--b\r\n: x\r\n\r\nx\r\n--b--",
			"header without name" },
		{ "multipart/mixed;boundary=b", "--b\r\n folded: x\r\n\r\nx\r\n--b--",
			"folded first line" },
		{ "multipart/mixed;boundary=b", "--b\r\nContent-Type:\r\n\r\nx\r\n--b--",
			"empty type" },
		{ "multipart/mixed;boundary=b",
			"--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--",
			"nested" },
		{ "multipart/mixed;boundary=b",
			"--b\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--", "base64" },
		{ "", "x", "no type" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		cr_expect_eq(parse(table[i].type, table[i].body), -EBADMSG, "%s", table[i].why);
}

Test(multipart, eight_parts_are_taken_and_nine_are_not)
{
	char body[512];
	size_t len = 0;

	for (int i = 0; i < 8; i++)
		len += (size_t)sprintf(body + len, "--b\r\n\r\n%d\r\n", i);
	strcpy(body + len, "--b--");
	cr_expect_eq(parse("multipart/mixed;boundary=b", body), 8);
	expect_span(parts[7].body, "7");
	strcpy(body + len, "--b\r\n\r\n8\r\n--b--");
	cr_expect_eq(parse("multipart/mixed;boundary=b", body), -EBADMSG);
}

Test(multipart, the_head_of_a_part_is_bounded)
{
	size_t size = 16384;
	char *body = malloc(size);
	int at = sprintf(body, "--b\r\n");

	while (at < 9000)
		at += sprintf(body + at, "X-Header: 0123456789012345678901234567890\r\n");
	sprintf(body + at, "\r\nx\r\n--b--");
	cr_expect_eq(parse("multipart/mixed;boundary=b", body), -EBADMSG);
	free(body);
}

Test(multipart, what_is_written_is_exactly_this_and_reads_back)
{
	struct multipart_part in[] = {
		{ .type = SPAN_LITERAL("application/sdp"), .body = SPAN_LITERAL("v=0\r\n") },
		{ .type = SPAN_LITERAL("application/resource-lists+xml"),
			.disposition = SPAN_LITERAL("recipient-list-history; handling=optional"),
			.content_id = SPAN_LITERAL("l1@example.com"),
			.body = SPAN_LITERAL("<x/>") },
	};
	char type[128], wanted[1024], *boundary;
	size_t len;
	char *text = multipart_write(in, 2, type, &len);

	cr_assert_not_null(text);
	cr_assert_eq(strncmp(type, "multipart/mixed;boundary=", 25), 0);
	boundary = type + 25;
	snprintf(wanted, sizeof(wanted),
		"--%s\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n"
		"--%s\r\nContent-Type: application/resource-lists+xml\r\n"
		"Content-Disposition: recipient-list-history; handling=optional\r\n"
		"Content-ID: <l1@example.com>\r\n\r\n<x/>\r\n--%s--\r\n",
		boundary, boundary, boundary);
	cr_expect_str_eq(text, wanted);
	cr_expect_eq(len, strlen(wanted));
	cr_assert_eq(multipart_parse(span_of(type), span_make(text, len), parts), 2);
	expect_span(parts[0].body, "v=0\r\n");
	expect_span(parts[1].disposition, "recipient-list-history");
	free(text);
}

Test(multipart, the_boundary_written_is_in_no_part)
{
	struct multipart_part in = { .type = SPAN_LITERAL("text/plain"),
		.body = SPAN_LITERAL("x") };
	char type[128], type_before[128], body[256];
	size_t len;
	char *text = multipart_write(&in, 1, type_before, &len);

	/* The boundary that this body would have is put into the part type's body itself: another
	 * must come. */
	free(text);
	for (int i = 0; i < 3; i++) {
		in.body = span_make(
			body, (size_t)snprintf(body, sizeof(body), "--%s--\r\n", type_before + 25));
		text = multipart_write(&in, 1, type, &len);
		cr_assert_null(memmem(in.body.at, in.body.len, type + 25, strlen(type + 25)));
		cr_assert_eq(multipart_parse(span_of(type), span_make(text, len), parts), 1);
		cr_expect(span_eq(parts[0].body, in.body));
		free(text);
		strcpy(type_before, type);
	}
}

Test(multipart, octets_are_binary)
{
	static const char body[] = "--b\r\n\r\na\0b\r\n\xff\r\n--b--";

	cr_assert_eq(multipart_parse(SPAN_LITERAL("multipart/mixed;boundary=b"),
			     span_make(body, sizeof(body) - 1), parts),
		1);
	cr_expect(span_eq(parts[0].body, span_make("a\0b\r\n\xff", 6)));
}
