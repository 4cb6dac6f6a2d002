/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include "control/sip/header.h"

Test(header, lines_end_with_crlf_and_add_up)
{
	struct header_block block;

	header_init(&block);
	header_add(&block, "Min-SE", "%u", 90u);
	header_add(&block, "Privacy", "id");
	cr_assert_str_eq(block.text, "Min-SE: 90\r\nPrivacy: id\r\n");
	cr_assert_eq(block.len, strlen(block.text));
	cr_assert_not(block.bad);
}

Test(header, value_with_a_line_end_cannot_begin_another_header)
{
	struct header_block block;

	header_init(&block);
	header_add(&block, "Min-SE", "%u", 90u);
	header_add(&block, "Subject", "%s", "lunch\r\nRoute: <sip:evil>");
	header_add(&block, "Subject", "%s", "lunch\nRoute: <sip:evil>");
	cr_assert_str_eq(block.text, "Min-SE: 90\r\n");
	cr_assert(block.bad);
}

Test(header, line_that_does_not_fit_is_left_out_whole)
{
	static char value[HEADER_BLOCK_MAX];
	struct header_block block;

	memset(value, 'x', sizeof(value) - 1);
	header_init(&block);
	header_add(&block, "Subject", "%s", value);
	cr_assert_eq(block.len, 0u);
	cr_assert_str_eq(block.text, "");
	cr_assert(block.bad);
	header_add(&block, "Privacy", "id");
	cr_assert_str_eq(block.text, "Privacy: id\r\n");
}

Test(header, warning_text_cannot_leave_its_quotes)
{
	struct header_block block;

	header_init(&block);
	header_add_warning(&block, "im.example.com", "a \"b\" \\ c\r\nd");
	cr_assert_str_eq(block.text, "Warning: 399 im.example.com \"a 'b' ' c''d\"\r\n");
}

Test(header, name_addr_escapes_quotes_in_the_display_name)
{
	char out[64];

	header_name_addr(out, sizeof(out), "Al \"A\" \\", "sip:a@b");
	cr_assert_str_eq(out, "\"Al \\\"A\\\" \\\\\" <sip:a@b>");
	header_name_addr(out, sizeof(out), "", "sip:a@b");
	cr_assert_str_eq(out, "<sip:a@b>");
}
