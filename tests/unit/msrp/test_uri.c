/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/uri.h"
#include <criterion/criterion.h>

static bool is(struct span text, const char *expected)
{
	return span_eq(text, span_of(expected));
}

Test(uri, every_part_is_found)
{
	struct msrp_uri uri;

	cr_assert_eq(
		msrp_uri_parse(SPAN_LITERAL("msrps://alice:x;y@host.example.com:443/a=b+c/d~;tcp;"
					    "k=v;flag"),
			&uri),
		0);
	cr_expect(uri.secure);
	cr_expect(is(uri.userinfo, "alice:x;y"));
	cr_expect(is(uri.host, "host.example.com"));
	cr_expect_eq(uri.port, 443);
	cr_expect(uri.has_session_id);
	cr_expect(is(uri.session_id, "a=b+c/d~"));
	cr_expect(is(uri.transport, "tcp"));
	cr_expect_not(uri.host_is_ipv6);
}

Test(uri, an_ipv6_host_comes_without_brackets)
{
	struct msrp_uri uri;

	cr_assert_eq(msrp_uri_parse(SPAN_LITERAL("msrp://[2001:db8::1]:2855/s;tcp"), &uri), 0);
	cr_expect(is(uri.host, "2001:db8::1"));
	cr_expect(uri.host_is_ipv6);
	cr_expect_eq(uri.port, 2855);
}

Test(uri, absent_parts_are_empty)
{
	struct msrp_uri uri;

	cr_assert_eq(msrp_uri_parse(SPAN_LITERAL("msrp://host.example;tcp"), &uri), 0);
	cr_expect_eq(uri.userinfo.len, 0);
	cr_expect_eq(uri.port, 0);
	cr_expect_not(uri.has_session_id);
	cr_expect_not(uri.secure);
	cr_assert_eq(msrp_uri_parse(SPAN_LITERAL("msrp://host.example/;tcp"), &uri), 0);
	cr_expect(uri.has_session_id, "a slash with nothing differs from no slash");
	cr_expect_eq(uri.session_id.len, 0);
}

Test(uri, what_is_not_one_is_refused)
{
	const char *const table[] = { "", "m", "msrp", "msrp:", "msrp:/", "msrp://", "msrp://;tcp",
		"msrp:///s;tcp", "sip:alice@example.com", "http://h:1/s;tcp", "msrpx://h:1/s;tcp",
		"msrp://h:1/s", "msrp://h:1/s;", "msrp://h:1/s;;x", "msrp://h:1/s;tcp;",
		"msrp://h:1/s;tcp;=v", "msrp://h:1/s;tcp;k=", "msrp://h:1/s;t-cp",
		"msrp://h:/s;tcp", "msrp://h:0/s;tcp", "msrp://h:65536/s;tcp",
		"msrp://h:123456/s;tcp", "msrp://h:12a/s;tcp", "msrp://h:-1/s;tcp",
		"msrp://h h:1/s;tcp", " msrp://h:1/s;tcp", "msrp://h:1/s;tcp ",
		"msrp://h:1/s s;tcp", "msrp://h:1/s%41;tcp", "msrp://h%4:1/s;tcp",
		"msrp://h%:1/s;tcp", "msrp://h%4g:1/s;tcp", "msrp://a%g0@h:1/s;tcp",
		"msrp://@@h:1/s;tcp", "msrp://a/b@h:1/s;tcp", "msrp://h:1/a@b;tcp",
		"msrp://[::1:1/s;tcp", "msrp://[::g]:1/s;tcp", "msrp://[]:1/s;tcp",
		"msrp://[1.2.3.4]:1/s;tcp", "msrp://[fe80::1%25eth0]:1/s;tcp", "msrp://::1:1/s;tcp",
		"msrp://h\"x:1/s;tcp", "msrp://h:4294967297/s;tcp",
		"msrp://[1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333]:1/s;tcp",
		/* RFC 4975 6: an IP literal needs a port. */
		"msrp://192.0.2.1/s;tcp", "msrp://[::1]/s;tcp" };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct msrp_uri uri;

		cr_expect_eq(msrp_uri_parse(span_of(table[i]), &uri), -EBADMSG, "\"%s\"", table[i]);
	}
	cr_expect_eq(
		msrp_uri_parse(SPAN_LITERAL("msrp://[::1\0]:1/s;tcp"), &(struct msrp_uri){ 0 }),
		-EBADMSG, "a zero ends no address early");
}

Test(uri, every_shorter_text_is_read_within_its_end)
{
	static const char text[] = "msrps://alice@[2001:db8::1]:2855/abc;tcp;k=v";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *copy = malloc(len + 1);
		struct msrp_uri uri;

		memcpy(copy, text, len);
		(void)!msrp_uri_parse(span_make(copy, len), &uri);
		free(copy);
	}
}

/* context.md 1.2, rule by rule. */
struct pair {
	const char *a, *b;
	bool equal;
};

Test(uri, comparison_follows_the_table)
{
	const struct pair table[] = {
		/* 1: scheme */
		{ "msrp://h:1/s;tcp", "MSRP://h:1/s;tcp", true },
		{ "msrps://h:1/s;tcp", "msrp://h:1/s;tcp", false },
		/* 2: authority */
		{ "msrp://host.example:1/s;tcp", "msrp://HOST.Example:1/s;tcp", true },
		{ "msrp://h1:1/s;tcp", "msrp://h2:1/s;tcp", false },
		{ "msrp://h:1/s;tcp", "msrp://hh:1/s;tcp", false },
		{ "msrp://alice@h:1/s;tcp", "msrp://bob@h:1/s;tcp", true },
		{ "msrp://alice@h:1/s;tcp", "msrp://h:1/s;tcp", true },
		{ "msrp://[2001:db8::1]:1/s;tcp", "msrp://[2001:0DB8:0:0:0:0:0:1]:1/s;tcp", true },
		{ "msrp://[2001:db8::1]:1/s;tcp", "msrp://[2001:db8::2]:1/s;tcp", false },
		{ "msrp://[::ffff:192.0.2.1]:1/s;tcp", "msrp://[::ffff:c000:201]:1/s;tcp", true },
		{ "msrp://192.0.2.1:1/s;tcp", "msrp://[::ffff:192.0.2.1]:1/s;tcp", false },
		{ "msrp://192.0.2.1:1/s;tcp", "msrp://192.0.2.1:1/s;tcp", true },
		{ "msrp://192.0.2.1:1/s;tcp", "msrp://192.0.2.10:1/s;tcp", false },
		{ "msrp://h%61st:1/s;tcp", "msrp://hast:1/s;tcp", true },
		{ "msrp://h%41st:1/s;tcp", "msrp://hast:1/s;tcp", true },
		{ "msrp://h%2Dx:1/s;tcp", "msrp://h-x:1/s;tcp", true },
		{ "msrp://h%2bx:1/s;tcp", "msrp://h%2Bx:1/s;tcp", true },
		{ "msrp://h%2bx:1/s;tcp", "msrp://h+x:1/s;tcp", false },
		{ "msrp://h%00x:1/s;tcp", "msrp://hx:1/s;tcp", false },
		/* 3: port */
		{ "msrp://h:1/s;tcp", "msrp://h:2/s;tcp", false },
		{ "msrp://h:2855/s;tcp", "msrp://h/s;tcp", false },
		{ "msrp://h/s;tcp", "msrp://h/s;tcp", true },
		{ "msrp://h:01/s;tcp", "msrp://h:1/s;tcp", true },
		/* 4: session-id */
		{ "msrp://h:1/Abc;tcp", "msrp://h:1/abc;tcp", false },
		{ "msrp://h:1/s;tcp", "msrp://h:1;tcp", false },
		{ "msrp://h:1/;tcp", "msrp://h:1;tcp", false },
		{ "msrp://h:1/a/b;tcp", "msrp://h:1/a/./b;tcp", false },
		/* 5: transport, and parameters that do not count */
		{ "msrp://h:1/s;tcp", "msrp://h:1/s;TCP", true },
		{ "msrp://h:1/s;tcp", "msrp://h:1/s;ws", false },
		{ "msrp://h:1/s;tcp;a=b", "msrp://h:1/s;tcp;c", true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct msrp_uri a, b;

		cr_assert_eq(msrp_uri_parse(span_of(table[i].a), &a), 0, "%s", table[i].a);
		cr_assert_eq(msrp_uri_parse(span_of(table[i].b), &b), 0, "%s", table[i].b);
		cr_expect_eq(msrp_uri_eq(&a, &b), table[i].equal, "%s %s", table[i].a, table[i].b);
		cr_expect_eq(msrp_uri_eq(&b, &a), table[i].equal, "%s %s", table[i].b, table[i].a);
	}
}
