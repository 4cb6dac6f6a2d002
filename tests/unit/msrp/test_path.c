/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/path.h"
#include <criterion/criterion.h>
#include <stdio.h>

static bool is(struct span text, const char *expected)
{
	return span_eq(text, span_of(expected));
}

Test(path, one_uri_is_first_and_last)
{
	struct msrp_path path;

	cr_assert_eq(msrp_path_parse(SPAN_LITERAL(" msrp://a.example:2855/x;tcp\t"), &path), 0);
	cr_expect_eq(path.count, 1);
	cr_expect(is(path.text, "msrp://a.example:2855/x;tcp"));
	cr_expect(is(path.first, "msrp://a.example:2855/x;tcp"));
	cr_expect(is(path.last, "msrp://a.example:2855/x;tcp"));
}

Test(path, several_uris_keep_their_order_over_repeated_spaces)
{
	struct msrp_path path;

	cr_assert_eq(
		msrp_path_parse(SPAN_LITERAL("msrp://a;tcp  msrp://b;tcp   msrp://c;tcp"), &path),
		0);
	cr_expect_eq(path.count, 3);
	cr_expect(is(path.first, "msrp://a;tcp"));
	cr_expect(is(path.last, "msrp://c;tcp"));
}

Test(path, sixteen_uris_are_taken_and_seventeen_are_too_many)
{
	char text[1024];
	size_t len = 0;
	struct msrp_path path;

	for (int i = 0; i < PATH_URIS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "msrp://h%d:1/s;tcp ", i);
	cr_assert_eq(msrp_path_parse(span_make(text, len), &path), 0);
	cr_expect_eq(path.count, PATH_URIS_MAX);
	cr_expect(is(path.last, "msrp://h15:1/s;tcp"));
	len += (size_t)snprintf(text + len, sizeof(text) - len, "x");
	cr_expect_eq(msrp_path_parse(span_make(text, len), &path), -ENOBUFS);
}

Test(path, nothing_is_no_path)
{
	struct msrp_path path;

	cr_expect_eq(msrp_path_parse(SPAN_LITERAL(""), &path), -EBADMSG);
	cr_expect_eq(msrp_path_parse(SPAN_LITERAL(" \t "), &path), -EBADMSG);
}

/* Every octet, at every place of a vector and of its tail. */
Test(path, an_octet_that_no_uri_has_is_refused_wherever_it_stands)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		"-._~:/?#[]@!$&'()*+,;=%^`{|} ";

	for (int octet = 0; octet < 256; octet++) {
		bool good = octet != 0 && strchr(allowed, octet) != NULL;

		for (size_t len = 3; len < 40; len++) {
			for (size_t at = 1; at + 1 < len; at++) {
				char text[40];
				struct msrp_path path;

				memset(text, 'a', len);
				text[at] = (char)octet;
				cr_assert_eq(msrp_path_parse(span_make(text, len), &path),
					good ? 0 : -EBADMSG, "octet %d at %zu of %zu", octet, at,
					len);
			}
		}
	}
}
