/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a connection goes: RFC 4975 5.4, RFC 6714. */
#include <criterion/criterion.h>
#include <string.h>
#include "dataplane/msrp/target.h"

static const char *read_uri(const char *uri)
{
	static char text[MSRP_TARGET_TEXT_MAX];
	struct msrp_target target;

	if (msrp_target_of_uri(span_of(uri), &target) != 0)
		return NULL;
	msrp_target_text(&target, text);
	return text;
}

Test(target, the_host_of_a_uri_must_be_an_address)
{
	static const struct {
		const char *uri, *text;
	} good[] = {
		{ "msrp://192.0.2.1:2855/s;tcp", "192.0.2.1:2855" },
		{ "MSRPS://user@192.0.2.1:1/s;tcp;x=y", "192.0.2.1:1" },
		{ "msrp://[2001:DB8:0:0::1]:65535/s;tcp", "[2001:db8::1]:65535" },
		{ "msrp://[::ffff:192.0.2.1]:5/s;tcp", "[::ffff:192.0.2.1]:5" },
	};
	static const char *const bad[] = { "msrp://alice.example.com:2855/s;tcp",
		"msrp://atlanta/s;tcp", "msrp://a3c.invalid:9/s;tcp", "http://192.0.2.1:80/", "",
		"msrp://192.0.2.300:5/s;tcp" };
	unsigned i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_not_null(read_uri(good[i].uri), "%s", good[i].uri);
		cr_expect_str_eq(read_uri(good[i].uri), good[i].text);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_null(read_uri(bad[i]), "%s", bad[i]);
}

Test(target, text_is_an_address_with_a_port_or_nothing)
{
	static const char *const good[] = { "192.0.2.1:1", "[::1]:65535", "[fe80::1]:80" };
	static const char *const bad[] = { "", ":", ":1", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0",
		"192.0.2.1:65536", "192.0.2.1:+1", "192.0.2.1:123456", "::1:80", "[::1]", "[::1]80",
		"[192.0.2.1]:80", "[]:80", "[:80", "host:80", "192.0.2.1 :80", "192.0.2.1:8 " };
	char text[MSRP_TARGET_TEXT_MAX];
	struct msrp_target target;
	unsigned i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(msrp_target_parse(span_of(good[i]), &target), 0, "%s", good[i]);
		msrp_target_text(&target, text);
		cr_expect_str_eq(text, good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(msrp_target_parse(span_of(bad[i]), &target), -EINVAL, "%s", bad[i]);
	cr_expect_eq(msrp_target_parse(span_make("192.0.2.1\0:80", 13), &target), -EINVAL);
}

Test(target, one_is_the_same_however_it_is_written)
{
	struct msrp_target a, b;

	cr_assert_eq(msrp_target_parse(SPAN_LITERAL("[2001:db8:0::0:1]:80"), &a), 0);
	cr_assert_eq(msrp_target_parse(SPAN_LITERAL("[2001:DB8::1]:80"), &b), 0);
	cr_expect(msrp_target_eq(&a, &b));
	b.port = 81;
	cr_expect_not(msrp_target_eq(&a, &b));
	/* 1.2.3.4 and the IPv6 address with the same first octets are two places. */
	cr_assert_eq(msrp_target_parse(SPAN_LITERAL("1.2.3.4:80"), &a), 0);
	cr_assert_eq(msrp_target_parse(SPAN_LITERAL("[102:304::]:80"), &b), 0);
	cr_expect_eq(memcmp(a.address, b.address, 16), 0);
	cr_expect_not(msrp_target_eq(&a, &b));
}

Test(target, what_another_network_cannot_reach)
{
	static const char *const here[] = { "0.0.0.0:1", "10.255.0.1:1", "127.0.0.1:1",
		"100.64.0.1:1", "100.127.255.255:1", "169.254.1.1:1", "172.16.0.1:1",
		"172.31.255.255:1", "192.168.0.1:1", "[::]:1", "[::1]:1", "[fd00::1]:1",
		"[fc00::1]:1", "[fe80::1]:1", "[febf::1]:1" };
	static const char *const anywhere[] = { "9.255.255.255:1", "11.0.0.1:1", "100.63.0.1:1",
		"100.128.0.1:1", "169.253.0.1:1", "172.15.0.1:1", "172.32.0.1:1", "192.167.0.1:1",
		"192.169.0.1:1", "[::2]:1", "[2001:db8::1]:1", "[fec0::1]:1", "[fe00::1]:1" };
	struct msrp_target target;
	unsigned i;

	for (i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		cr_assert_eq(msrp_target_parse(span_of(here[i]), &target), 0);
		cr_expect(msrp_target_is_unroutable(&target), "%s", here[i]);
	}
	for (i = 0; i < sizeof(anywhere) / sizeof(anywhere[0]); i++) {
		cr_assert_eq(msrp_target_parse(span_of(anywhere[i]), &target), 0);
		cr_expect_not(msrp_target_is_unroutable(&target), "%s", anywhere[i]);
	}
}
