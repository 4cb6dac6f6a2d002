/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "control/store/pack.h"

static struct unpacked *read_back(struct span record)
{
	struct unpacked *fields;

	cr_assert_eq(unpack(&fields, record), 0);
	return fields;
}

Test(pack, what_was_packed_is_read_whatever_the_order)
{
	struct pack *pack;
	struct unpacked *fields;
	char large[70000];

	memset(large, 'L', sizeof(large));
	cr_assert_eq(pack_new(&pack), 0);
	pack_text(pack, "empty", span_of(""));
	pack_text(pack, "text", span_of("hello"));
	pack_number(pack, "zero", 0);
	pack_number(pack, "small", 127);
	pack_number(pack, "octet", 200);
	pack_number(pack, "two", 40000);
	pack_number(pack, "four", 4000000000u);
	pack_number(pack, "eight", UINT64_MAX);
	pack_flag(pack, "yes", true);
	pack_flag(pack, "no", false);
	pack_text(pack, "large", span_make(large, sizeof(large)));
	pack_text(pack, "zeros", span_make("a\0b", 3));
	fields = read_back(pack_record(pack));
	cr_expect(span_eq(unpack_text(fields, "zeros"), span_make("a\0b", 3)));
	cr_expect(span_eq(unpack_text(fields, "large"), span_make(large, sizeof(large))));
	cr_expect_not(unpack_flag(fields, "no"));
	cr_expect(unpack_flag(fields, "yes"));
	cr_expect_eq(unpack_number(fields, "eight"), UINT64_MAX);
	cr_expect_eq(unpack_number(fields, "four"), 4000000000u);
	cr_expect_eq(unpack_number(fields, "two"), 40000);
	cr_expect_eq(unpack_number(fields, "octet"), 200);
	cr_expect_eq(unpack_number(fields, "small"), 127);
	cr_expect_eq(unpack_number(fields, "zero"), 0);
	cr_expect(span_eq(unpack_text(fields, "text"), span_of("hello")));
	cr_expect_eq(unpack_text(fields, "empty").len, 0);
	unpack_free(fields);
	pack_free(pack);
}

Test(pack, absent_and_of_another_type_are_nothing)
{
	struct pack *pack;
	struct unpacked *fields;

	cr_assert_eq(pack_new(&pack), 0);
	pack_text(pack, "text", span_of("hello"));
	pack_number(pack, "number", 7);
	fields = read_back(pack_record(pack));
	cr_expect_eq(unpack_text(fields, "number").len, 0);
	cr_expect_eq(unpack_number(fields, "text"), 0);
	cr_expect_not(unpack_flag(fields, "number"));
	cr_expect_not(unpack_flag(fields, "absent"));
	cr_expect_eq(unpack_number(fields, "tex"), 0);
	cr_expect(span_eq(unpack_text(fields, "text"), span_of("hello")));
	unpack_free(fields);
	pack_clear(pack);
	fields = read_back(pack_record(pack));
	cr_expect_eq(unpack_text(fields, "text").len, 0);
	unpack_free(fields);
	pack_number(pack, "number", 8);
	fields = read_back(pack_record(pack));
	cr_expect_eq(unpack_number(fields, "number"), 8);
	unpack_free(fields);
	pack_free(pack);
}

/* What a later version may have written beside the fields of this one. */
Test(pack, values_of_types_unknown_here_are_passed_over)
{
	static const char record[] = "\x86\xa1"
				     "a\xff\xa1"
				     "b\xc0\xa1"
				     "c\xd1\x80\x00\xa1"
				     "d\xcb\x01\x02\x03\x04\x05\x06\x07\x08\xa1"
				     "e\xa2hi\xa1"
				     "f\x05";
	struct unpacked *fields = read_back(span_make(record, sizeof(record) - 1));

	cr_expect_eq(unpack_number(fields, "a"), 0);
	cr_expect_eq(unpack_number(fields, "c"), 0);
	cr_expect(span_eq(unpack_text(fields, "e"), span_of("hi")));
	cr_expect_eq(unpack_number(fields, "f"), 5);
	unpack_free(fields);
}

Test(pack, every_beginning_of_a_record_is_refused)
{
	struct pack *pack;
	struct unpacked *fields;
	struct span record;

	cr_assert_eq(pack_new(&pack), 0);
	pack_text(pack, "text", span_of("hello"));
	pack_number(pack, "number", 70000);
	pack_flag(pack, "flag", true);
	record = pack_record(pack);
	for (size_t len = 0; len < record.len; len++) {
		char *copy = malloc(len ? len : 1); /* so that reading beyond is seen */

		memcpy(copy, record.at, len);
		cr_expect_eq(unpack(&fields, span_make(copy, len)), -EBADMSG, "%zu", len);
		cr_expect_null(fields);
		free(copy);
	}
	pack_free(pack);
}

Test(pack, claims_without_octets_behind_them_cost_nothing)
{
	static const char *const records[] = { "\xdf\xff\xff\xff\xff", "\xde\xff\xff",
		"\x81\xdb\xff\xff\xff\xff",
		"\x81\xa1"
		"a\xc6\xff\xff\xff\xff",
		"\x81\xa1"
		"a\xdd\xff\xff\xff\xff",
		"\x93", "\xa1", "\x81\x01\x01" };
	struct unpacked *fields;

	for (unsigned i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		cr_expect_eq(unpack(&fields, span_of(records[i])), -EBADMSG, "%u", i);
}

Test(pack, more_fields_than_a_record_has_make_it_bad)
{
	struct pack *pack;
	char name[16];

	cr_assert_eq(pack_new(&pack), 0);
	for (unsigned i = 0; i < 257; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		pack_number(pack, name, i);
	}
	cr_expect_eq(pack_record(pack).len, 0);
	pack_clear(pack);
	cr_expect_gt(pack_record(pack).len, 0);
	pack_free(pack);
}
