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
