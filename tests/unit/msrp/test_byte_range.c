/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/byte_range.h"
#include <criterion/criterion.h>

struct good {
	const char *text;
	struct byte_range range;
};

Test(byte_range, good_ones_give_their_numbers)
{
	const struct good table[] = {
		{ "1-156/156", { 1, 156, 156 } },
		{ "1-*/5000", { 1, BYTE_RANGE_UNKNOWN, 5000 } },
		{ "3001-*/*", { 3001, BYTE_RANGE_UNKNOWN, BYTE_RANGE_UNKNOWN } },
		{ "7-9/*", { 7, 9, BYTE_RANGE_UNKNOWN } },
		{ "1-0/0", { 1, 0, 0 } },
		{ "5-4/10", { 5, 4, 10 } },
		{ "  2-3/3\t", { 2, 3, 3 } },
		{ "001-002/003", { 1, 2, 3 } },
		{ "999999999999999999-999999999999999999/999999999999999999",
			{ 999999999999999999u, 999999999999999999u, 999999999999999999u } },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct byte_range range = { 0 };

		cr_expect_eq(
			byte_range_parse(span_of(table[i].text), &range), 0, "%s", table[i].text);
		cr_expect_eq(range.start, table[i].range.start, "%s", table[i].text);
		cr_expect_eq(range.end, table[i].range.end, "%s", table[i].text);
		cr_expect_eq(range.total, table[i].range.total, "%s", table[i].text);
	}
}

Test(byte_range, bad_ones_are_refused_and_leave_the_result_alone)
{
	const char *const table[] = { "", " ", "1", "1-", "1-2", "1-2/", "-2/3", "/", "0-0/0",
		"0-*/*", "*-2/3", "5-3/10", "1-4/3", "1-2/3/4", "1-2/3x", "x1-2/3", "1 -2/3",
		"1- 2/3", "1-2 /3", "1-2/ 3", "+1-2/3", "1--2/3", "1-**/3", "1-2/**", "0x1-2/3",
		"1-2/3\r", "1000000000000000000-*/*", "1-1000000000000000000/*",
		"1-*/1000000000000000000" };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct byte_range range = { 11, 22, 33 };

		cr_expect_eq(
			byte_range_parse(span_of(table[i]), &range), -EBADMSG, "\"%s\"", table[i]);
		cr_expect(range.start == 11 && range.end == 22 && range.total == 33, "\"%s\"",
			table[i]);
	}
}

Test(byte_range, nothing_is_read_beyond_the_span)
{
	struct byte_range range;

	cr_assert_eq(byte_range_parse(span_make("1-12/345", 6), &range), -EBADMSG);
	cr_assert_eq(byte_range_parse(span_make("1-12/345", 7), &range), 0);
	cr_assert_eq(range.total, 34);
}

Test(byte_range, what_is_written_is_read_again)
{
	const struct byte_range table[] = { { 1, 0, 0 }, { 1, BYTE_RANGE_UNKNOWN, 5000 },
		{ 3001, 4000, BYTE_RANGE_UNKNOWN }, { 1, 104857600, 104857600 },
		{ 999999999999999999u, BYTE_RANGE_UNKNOWN, BYTE_RANGE_UNKNOWN } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[64];
		struct byte_range range;
		size_t len = byte_range_write(text, &table[i]);

		cr_assert_leq(len, sizeof(text));
		cr_assert_eq(
			byte_range_parse(span_make(text, len), &range), 0, "%.*s", (int)len, text);
		cr_expect(range.start == table[i].start && range.end == table[i].end &&
			  range.total == table[i].total);
	}
}

Test(byte_range, writing_gives_the_text_of_the_standard)
{
	char text[64];
	size_t len = byte_range_write(text, &(struct byte_range){ 1, BYTE_RANGE_UNKNOWN, 5000 });

	cr_expect(span_eq(span_make(text, len), SPAN_LITERAL("1-*/5000")));
	len = byte_range_write(
		text, &(struct byte_range){ UINT64_MAX - 1, UINT64_MAX - 1, UINT64_MAX - 1 });
	cr_expect_eq(len, 62, "the longest fits in 64 octets");
}
