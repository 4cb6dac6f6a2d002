/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/refer_to.h"
#include <criterion/criterion.h>

static const struct {
	const char *text, *uri, *headers;
	enum refer_to_method method;
} table[] = {
	{ "sip:dave@example.com", "sip:dave@example.com", "", REFER_TO_INVITE },
	{ "sip:dave@example.com;method=INVITE", "sip:dave@example.com", "", REFER_TO_INVITE },
	{ "sip:dave@example.com;method=BYE", "sip:dave@example.com", "", REFER_TO_BYE },
	{ "sip:dave@example.com;Method=bye", "sip:dave@example.com", "", REFER_TO_BYE },
	{ "sip:dave@example.com;method=MESSAGE", "sip:dave@example.com", "", REFER_TO_OTHER },
	{ "sip:dave@example.com;method", "sip:dave@example.com", "", REFER_TO_OTHER },
	{ "sip:dave@example.com:5070;transport=tcp;method=BYE;lr",
		"sip:dave@example.com:5070;transport=tcp;lr", "", REFER_TO_BYE },
	{ "sip:dave@example.com;methods=BYE", "sip:dave@example.com;methods=BYE", "",
		REFER_TO_INVITE },
	{ "sip:dave@example.com?Replaces=a%40b%3Bto-tag%3D1", "sip:dave@example.com",
		"Replaces=a%40b%3Bto-tag%3D1", REFER_TO_INVITE },
	{ "sip:dave@example.com;method=INVITE?Subject=x&Replaces=y", "sip:dave@example.com",
		"Subject=x&Replaces=y", REFER_TO_INVITE },
	{ "sip:dave@example.com?x=;method=BYE", "sip:dave@example.com", "x=;method=BYE",
		REFER_TO_INVITE },
	{ "sip:a;method=BYE@example.com", "sip:a;method=BYE@example.com", "", REFER_TO_INVITE },
	{ "sip:a?b@example.com;method=BYE", "sip:a?b@example.com", "", REFER_TO_BYE },
	{ "tel:+15550100;method=BYE", "tel:+15550100", "", REFER_TO_BYE },
	{ "sip:conf.example.com;method=BYE", "sip:conf.example.com", "", REFER_TO_BYE },
};

Test(refer_to, a_uri_comes_apart)
{
	struct refer_to to;
	char canonical[IDENTITY_MAX];

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cr_assert_eq(refer_to_parse(span_of(table[i].text), &to), 0, "%s", table[i].text);
		cr_assert_str_eq(to.uri, table[i].uri);
		cr_assert_str_eq(to.headers, table[i].headers);
		cr_assert_eq(to.method, table[i].method, "%s", table[i].text);
		cr_assert_eq(identity_canonical(span_of(table[i].uri), canonical), 0);
		cr_assert_str_eq(to.canonical, canonical);
		refer_to_fini(&to);
	}
}

Test(refer_to, what_is_no_im_address_is_refused)
{
	static const char *const bad[] = { "", "mailto:a@b", "http://example.com/", "cid:a@b",
		"sip:", "sip:a@b c", "sip:a@b\r\nX: y", "dave" };
	struct refer_to to;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(refer_to_parse(span_of(bad[i]), &to), -EBADMSG, "%s", bad[i]);
		cr_assert_null(to.uri);
		cr_assert_null(to.headers);
	}
	cr_assert_eq(refer_to_parse(span_make("sip:a@b\0;x", 10), &to), -EBADMSG);
}
