/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "control/conference/nickname.h"

static char *key_of(const char *name)
{
	char *text, *key;

	cr_assert_eq(nickname_read(span_of(name), &text, &key), 0, "%s", name);
	free(text);
	return key;
}

static bool same(const char *a, const char *b)
{
	char *ka = key_of(a), *kb = key_of(b);
	bool equal = strcmp(ka, kb) == 0;

	free(ka);
	free(kb);
	return equal;
}

static int result(const char *octets, size_t len)
{
	char *text = NULL, *key = NULL;
	int r = nickname_read(span_make(octets, len), &text, &key);

	if (r == 0) {
		free(text);
		free(key);
	}
	return r;
}

#define RESULT(literal) result(literal, sizeof(literal) - 1)

static void shown_as(const char *name, const char *shown)
{
	char *text, *key;

	cr_assert_eq(nickname_read(span_of(name), &text, &key), 0);
	cr_assert_str_eq(text, shown);
	free(text);
	free(key);
}

Test(nickname, case_does_not_make_a_difference)
{
	cr_assert(same("Alice", "alice"));
	cr_assert(same("ALICE", "aLiCe"));
	cr_assert(same("STRASSE", "stra\xc3\x9f"
				  "e"));                                         /* sharp s */
	cr_assert(same("\xce\xa3\xce\xb1\xcf\x82", "\xcf\x83\xce\xb1\xcf\x83")); /* final sigma */
	cr_assert_not(same("Alice", "Alicia"));
}

/* RFC 8266 4, the table of examples. */
Test(nickname, the_examples_of_rfc_8266_hold)
{
	cr_assert(same("Foo", "foo"));
	cr_assert(same("Foo Bar", "foo bar"));
	cr_assert_not(same("foo", "foo bar"));
	cr_assert_not(same("\xce\xa3", "foo"));
	cr_assert(same("\xce\xa3", "\xcf\x83")); /* capital and small sigma */
	cr_assert_not(same("Richard \xe2\x85\xa3", "richard v"));
	cr_assert(same("Richard \xe2\x85\xa3", "richard iv")); /* the Roman numeral four */
}

Test(nickname, forms_of_the_same_characters_are_the_same)
{
	cr_assert(same("\xc3\xa4", "a\xcc\x88"));      /* composed or not */
	cr_assert(same("\xef\xbc\xa1lice", "Alice"));  /* full width */
	cr_assert(same("\xef\xac\x81sh", "fish"));     /* ligature */
	cr_assert(same("Al\xe2\x80\x8bice", "Alice")); /* zero width space */
	cr_assert(same("Al\xc2\xadice", "Alice"));     /* soft hyphen */
	cr_assert_not(same("\xd0\x90lice", "Alice"));  /* no check of look-alikes */
}

Test(nickname, spaces_are_trimmed_and_collapsed)
{
	cr_assert(same("  Alice   W  ", "alice w"));
	cr_assert(same("Alice\xc2\xa0W", "Alice W"));     /* no-break */
	cr_assert(same("Alice\xe3\x80\x80W", "Alice W")); /* ideographic */
	cr_assert_not(same("Alice W", "AliceW"));
	shown_as("  Alice \xe3\x80\x80  W ", "Alice W");
	shown_as("\xc3\x84nne", "\xc3\x84nne");
}

Test(nickname, what_nobody_sees_is_none)
{
	cr_assert_eq(RESULT(""), -EBADMSG);
	cr_assert_eq(RESULT("   "), -EBADMSG);
	cr_assert_eq(RESULT("\xe2\x80\x8b"), -EBADMSG);
	cr_assert_eq(RESULT("\xc2\xad \xe2\x80\x8b"), -EBADMSG);
}

Test(nickname, controls_are_refused)
{
	cr_assert_eq(RESULT("a\nb"), -EBADMSG);
	cr_assert_eq(RESULT("a\r"), -EBADMSG);
	cr_assert_eq(RESULT("\ta"), -EBADMSG);
	cr_assert_eq(RESULT("a\0b"), -EBADMSG);
	cr_assert_eq(RESULT("a\x7f"), -EBADMSG);
	cr_assert_eq(RESULT("a\xc2\x85"), -EBADMSG);     /* next line */
	cr_assert_eq(RESULT("a\xe2\x80\xa8"), -EBADMSG); /* line separator */
	cr_assert_eq(RESULT("a\xe2\x80\xae"
			    "b"),
		-EBADMSG);                               /* right-to-left override */
	cr_assert_eq(RESULT("a\xe2\x81\xa6"), -EBADMSG); /* isolate */
	cr_assert_eq(RESULT("\xef\xbf\xbf"), -EBADMSG);  /* no character */
}

Test(nickname, what_is_not_utf8_is_refused)
{
	cr_assert_eq(RESULT("\xc3"), -EBADMSG);
	cr_assert_eq(RESULT("\xc0\x80"), -EBADMSG);
	cr_assert_eq(RESULT("\xed\xa0\x80"), -EBADMSG);
	cr_assert_eq(RESULT("\xf4\x90\x80\x80"), -EBADMSG);
	cr_assert_eq(RESULT("a\xff"), -EBADMSG);
}

Test(nickname, it_has_at_most_1023_octets)
{
	char octets[1024];

	memset(octets, 'n', sizeof(octets));
	cr_assert_eq(result(octets, 1023), 0);
	cr_assert_eq(result(octets, 1024), -EBADMSG);
}

Test(nickname, pictures_stay_as_they_are)
{
	/* A family: four of them, joined by what is ignored in comparing. */
	shown_as("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7");
}
