/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include "dataplane/switch/address.h"

static bool same(const char *a, const char *b)
{
	bool one = address_eq(span_of(a), span_of(b));

	cr_assert_eq(one, address_eq(span_of(b), span_of(a)), "%s, %s: not symmetric", a, b);
	return one;
}

Test(address, host_and_scheme_compare_without_case_the_user_with_case)
{
	cr_assert(same("sip:alice@example.com", "SIP:alice@EXAMPLE.com"));
	cr_assert_not(same("sip:alice@example.com", "sip:Alice@example.com"));
	cr_assert_not(same("sip:alice@example.com", "sip:alice@example.org"));
	cr_assert_not(same("sip:alice@example.com", "im:alice@example.com"));
}

Test(address, parameters_and_headers_do_not_count)
{
	cr_assert(same("sip:alice@example.com;transport=tcp", "sip:alice@example.com"));
	cr_assert(same("sip:alice@example.com?Subject=x", "sip:alice@example.com"));
}

Test(address, ports_count_and_numbers_compare_whole)
{
	cr_assert_not(same("sip:alice@example.com:5060", "sip:alice@example.com"));
	cr_assert(same("tel:+15550100", "tel:+15550100"));
	cr_assert_not(same("tel:+15550100", "tel:+15550101"));
	cr_assert_not(same("", "sip:alice@example.com"));
}

Test(address, escapes_are_resolved_and_reserved_ones_are_another_name)
{
	cr_assert(same("sip:%61lice@example.com", "sip:alice@example.com"));
	cr_assert(same("sip:%C3%84nne@example.com", "sip:\xc3\x84nne@example.com"));
	cr_assert(same("sip:a%20b@example.com", "sip:a%20b@EXAMPLE.com"));
	cr_assert_not(same("sip:a%3bb@example.com", "sip:a;b@example.com"));
	cr_assert(same("sip:a%3bb@example.com", "sip:a%3Bb@example.com"));
	cr_assert_not(same("sip:%4@example.com", "sip:4@example.com"));
	cr_assert_not(same("sip:%zz@example.com", "sip:zz@example.com"));
	cr_assert_not(same("sip:alice%40example.com", "sip:alice@example.com"));
	cr_assert_not(same("sip:alice%00@example.com", "sip:alice@example.com"));
}

Test(address, numbers_compare_without_their_separators)
{
	cr_assert(same("tel:+1-555-(01).00", "TEL:+15550100"));
	cr_assert(same("tel:+15550100;x=y", "tel:+15550100"));
	cr_assert(same("tel:+15550100;ext=5;x", "sip:+15550100;EXT=5@a;user=phone"));
	cr_assert_not(same("tel:+15550100;ext=5", "tel:+15550100;ext=6"));
	cr_assert_not(same("tel:+15550100;ext=5", "tel:+15550100"));
	cr_assert_not(same("tel:0100;phone-context=a.example", "tel:0100;phone-context=b.example"));
	cr_assert(same("sip:+1-555-0100@example.com;user=phone", "tel:+15550100"));
	cr_assert(same("sip:+15550100@b.example.com;USER=phone;x", "sip:+15550100@a;user=phone"));
	cr_assert_not(same("sip:+15550100@example.com", "tel:+15550100"));
	cr_assert_not(same("sip:15550100@example.com;user=phone", "tel:15550100"));
	cr_assert_not(same("sip:a-b@example.com", "sip:ab@example.com"));
}

Test(address, a_list_has_one_uri_a_line)
{
	struct span list = SPAN_LITERAL("sip:alice@example.com\ntel:+15550100\n");

	cr_assert(address_in(SPAN_LITERAL("tel:+15550100"), list));
	cr_assert(address_in(SPAN_LITERAL("sip:alice@Example.com"), list));
	cr_assert_not(address_in(SPAN_LITERAL("sip:bob@example.com"), list));
	cr_assert_not(address_in(SPAN_LITERAL(""), list));
}

Test(address, a_value_without_brackets_is_the_uri_itself)
{
	struct span uri = address_of(SPAN_LITERAL(" sip:bob@example.com "));

	cr_assert(span_eq(uri, SPAN_LITERAL("sip:bob@example.com")), "%.*s", SPAN_ARG(uri));
	uri = address_of(SPAN_LITERAL("Bob <sip:bob@example.com>"));
	cr_assert(span_eq(uri, SPAN_LITERAL("sip:bob@example.com")), "%.*s", SPAN_ARG(uri));
	cr_assert_eq(address_of(SPAN_LITERAL("")).len, 0);
}
