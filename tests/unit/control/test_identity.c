/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "control/sip/identity.h"

/* NULL: refused. */
static const struct {
	const char *uri, *canonical;
} table[] = {
	{ "sip:alice@example.com", "sip:alice@example.com" },
	{ "SIP:alice@EXAMPLE.com", "sip:alice@example.com" },
	{ "sip:Alice@example.com", "sip:Alice@example.com" },
	{ "sips:alice@example.com", "sips:alice@example.com" },
	{ "sip:%61lice@example.com;transport=TCP", "sip:alice@example.com" },
	{ "sip:alice@example.com?subject=a@b", "sip:alice@example.com" },
	{ "sip:alice@example.com;lr?x=y", "sip:alice@example.com" },
	{ "sip:a%2fb@example.com", "sip:a%2Fb@example.com" },
	{ "sip:a/b@example.com", "sip:a/b@example.com" },
	{ "sip:a%3bb;c@example.com", "sip:a%3Bb;c@example.com" },
	{ "sip:alice:secret@example.com", "sip:alice:secret@example.com" },
	{ "sip:alice@example.com:5060", "sip:alice@example.com:5060" },
	{ "sip:alice@example.com:05060", "sip:alice@example.com:5060" },
	{ "sip:alice@example.com;user=IP", "sip:alice@example.com;user=ip" },
	{ "sip:conf.example.com", "sip:conf.example.com" },
	{ "sip:conf.example.com;lr", "sip:conf.example.com" },
	{ "sip:alice@[2001:DB8:0::1]:5060", "sip:alice@[2001:db8::1]:5060" },
	{ "sip:alice@192.0.2.1", "sip:alice@192.0.2.1" },
	{ "sip:m\xc3\xbcller@example.com", "sip:m%C3%BCller@example.com" },
	{ "sip:m%c3%bcller@example.com", "sip:m%C3%BCller@example.com" },
	{ "sip:*86#@example.com", "sip:*86%23@example.com" },
	{ "sip:im-q7w2e9@conf.example.com", "sip:im-q7w2e9@conf.example.com" },
	/* numbers */
	{ "tel:+15550100", "tel:+15550100" },
	{ "TEL:+1-(555)-01.00", "tel:+15550100" },
	{ "sip:+15550100@example.com;user=phone", "tel:+15550100" },
	{ "sip:+1-555-0100@other.example;transport=udp;USER=Phone", "tel:+15550100" },
	{ "sips:+15550100@example.com;user=phone", "tel:+15550100" },
	{ "sip:%2B15550100@example.com;user=phone", "tel:+15550100" },
	{ "sip:+15550100@example.com", "sip:+15550100@example.com" },
	{ "tel:+15550100;npdi;rn=+15550000", "tel:+15550100" },
	{ "tel:+15550100;isub=1234;EXT=5-5", "tel:+15550100;ext=55;isub=1234" },
	{ "tel:7042;phone-context=Example.COM", "tel:7042;phone-context=example.com" },
	{ "tel:7042;phone-context=+1-555", "tel:7042;phone-context=+1555" },
	{ "sip:7042;phone-context=example.com@example.com;user=phone",
		"tel:7042;phone-context=example.com" },
	{ "sip:7042@example.com;user=phone", "sip:7042@example.com;user=phone" },
	{ "sip:bob@example.com;user=phone", "sip:bob@example.com;user=phone" },
	{ "tel:*86#A", "tel:*86#a" },
	{ "tel:+1555;isub=%41B%c3", "tel:+1555;isub=ab%C3" },
	{ "sip:alice@example.com;user=%49P", "sip:alice@example.com;user=ip" },
	{ "im:alice@Example.com", "im:alice@example.com" },
	/* refused */
	{ "", NULL },
	{ "alice@example.com", NULL },
	{ "http://example.com", NULL },
	{ "sip:", NULL },
	{ "sip:@example.com", NULL },
	{ "sip::pw@example.com", NULL },
	{ "sip:alice@", NULL },
	{ "sip:alice@ example.com", NULL },
	{ "sip:alice@example.com\r\nRoute: <sip:x>", NULL },
	{ "<sip:alice@example.com>", NULL },
	{ "sip:alice@exa<mple.com", NULL },
	{ "sip:alice\"@example.com", NULL },
	{ "sip:alice@a@b", NULL },
	{ "sip:alice@example..com", NULL },
	{ "sip:alice@.example.com", NULL },
	{ "sip:%6@example.com", NULL },
	{ "sip:%zz@example.com", NULL },
	{ "sip:alice@example.com:", NULL },
	{ "sip:alice@example.com:99999", NULL },
	{ "sip:alice@example.com:5o60", NULL },
	{ "sip:alice@[::1", NULL },
	{ "sip:alice@[]", NULL },
	{ "sip:alice@[::1]x", NULL },
	{ "sip:alice@[not:an:address]", NULL },
	{ "tel:", NULL },
	{ "tel:+", NULL },
	{ "tel:+1555x", NULL },
	{ "tel:+*1", NULL },
	{ "tel:;ext=5", NULL },
	{ "tel:7042;phone-context=", NULL },
	{ "tel:7042;phone-context=ex\xff", NULL },
	{ "tel:+1555;isub=%4", NULL },
	{ "tel:+1555;ext=x", NULL },
	{ "tel:%zz", NULL },
	{ "im:example.com", NULL },
};

Test(identity, the_canonical_form_is_exactly_this)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char out[IDENTITY_MAX];
		int result = identity_canonical(span_of(table[i].uri), out);

		if (table[i].canonical == NULL) {
			cr_expect_eq(result, -EBADMSG, "%s gave %d %s", table[i].uri, result, out);
			cr_expect_str_empty(out);
		} else {
			cr_expect_eq(result, 0, "%s: %d", table[i].uri, result);
			cr_expect_str_eq(out, table[i].canonical, "%s: %s", table[i].uri, out);
		}
	}
}

Test(identity, a_canonical_form_is_its_own_canonical_form)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char out[IDENTITY_MAX];

		if (table[i].canonical == NULL)
			continue;
		cr_expect_eq(identity_canonical(span_of(table[i].canonical), out), 0);
		cr_expect_str_eq(out, table[i].canonical);
	}
}

Test(identity, an_address_that_is_too_long_is_refused)
{
	char uri[IDENTITY_MAX + 64], out[IDENTITY_MAX];
	int len = snprintf(uri, sizeof(uri), "sip:%0*d@example.com", IDENTITY_MAX - 17, 0);

	cr_assert_eq(len, IDENTITY_MAX - 1);
	cr_expect_eq(identity_canonical(span_of(uri), out), 0);
	snprintf(uri, sizeof(uri), "sip:%0*d@example.com", IDENTITY_MAX - 16, 0);
	cr_expect_eq(identity_canonical(span_of(uri), out), -EBADMSG);
}

Test(identity, equality_follows_the_canonical_form)
{
	cr_expect(
		identity_eq(span_of("sip:%61lice@A.example;x=y"), span_of("sip:alice@a.EXAMPLE")));
	cr_expect(identity_eq(
		span_of("sip:+1-555-0100@d.example;user=phone"), span_of("tel:+15550100")));
	cr_expect_not(identity_eq(span_of("sip:alice@a.example"), span_of("sips:alice@a.example")));
	cr_expect_not(identity_eq(span_of("sip:alice@a.example"), span_of("sip:Alice@a.example")));
	cr_expect_not(identity_eq(span_of("nonsense"), span_of("nonsense")),
		"what does not parse equals nothing");
}

Test(identity, host_and_user_are_those_written)
{
	cr_expect(span_eq(
		identity_host(span_of("sip:alice@Example.com:5060;lr")), span_of("Example.com")));
	cr_expect(span_eq(identity_host(span_of("sip:alice@[::1]:5060")), span_of("::1")));
	cr_expect(span_eq(identity_host(span_of("sip:example.com")), span_of("example.com")));
	cr_expect_eq(identity_host(span_of("tel:+15550100")).len, 0);
	cr_expect_eq(identity_host(span_of("rubbish")).len, 0);
	cr_expect(span_eq(identity_user(span_of("sip:alice:pw@example.com")), span_of("alice")));
	cr_expect(span_eq(identity_user(span_of("tel:+15550100;ext=5")), span_of("+15550100")));
	cr_expect_eq(identity_user(span_of("sip:example.com")).len, 0);
	cr_expect_eq(identity_user(span_of("rubbish")).len, 0);
}

static bool has(const struct prefix_list *list, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return prefix_list_has(list, (struct sockaddr *)&in);
	cr_assert_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return prefix_list_has(list, (struct sockaddr *)&in6);
}

Test(prefix_list, both_families_match_by_their_leading_bits)
{
	char a[] = "127.0.0.0/8", b[] = "::1/128", c[] = "10.0.0.1", d[] = "2001:db8::/33",
	     e[] = "192.0.2.129/25";
	char *texts[] = { a, b, c, d, e };
	struct prefix_list *list;
	const char *bad;

	cr_assert_eq(prefix_list_new(&list, texts, 5, &bad), 0);
	cr_expect(has(list, "127.255.1.2"));
	cr_expect(has(list, "::ffff:127.0.0.1"), "a dual-stack socket says it this way");
	cr_expect_not(has(list, "128.0.0.1"));
	cr_expect(has(list, "::1"));
	cr_expect_not(has(list, "::2"));
	cr_expect(has(list, "10.0.0.1"));
	cr_expect_not(has(list, "10.0.0.2"));
	cr_expect(has(list, "2001:db8:7fff::1"));
	cr_expect_not(has(list, "2001:db8:8000::1"));
	cr_expect(has(list, "192.0.2.254"), "the prefix counts, not the host bits written");
	cr_expect_not(has(list, "192.0.2.1"));
	prefix_list_free(list);
}

Test(prefix_list, zero_bits_match_the_whole_family_only)
{
	char a[] = "0.0.0.0/0";
	char *texts[] = { a };
	struct prefix_list *list;
	struct sockaddr other = { .sa_family = AF_UNIX };

	cr_assert_eq(prefix_list_new(&list, texts, 1, NULL), 0);
	cr_expect(has(list, "8.8.8.8"));
	cr_expect_not(has(list, "2001:db8::1"));
	cr_expect_not(prefix_list_has(list, &other));
	prefix_list_free(list);
	cr_assert_eq(prefix_list_new(&list, NULL, 0, NULL), 0);
	cr_expect_not(has(list, "8.8.8.8"), "nobody is trusted by an empty list");
	prefix_list_free(list);
}

Test(prefix_list, a_bad_text_is_named)
{
	static const char *const bad_ones[] = { "", "127.0.0.1/33", "::1/129", "127.0.0.1/",
		"127.0.0/8", "localhost", "127.0.0.1/8x", "/8", "127.0.0.1/-1", "::1/1000" };

	for (size_t i = 0; i < sizeof(bad_ones) / sizeof(bad_ones[0]); i++) {
		char good[] = "::1", text[32];
		char *texts[] = { good, text };
		struct prefix_list *list;
		const char *bad = NULL;

		snprintf(text, sizeof(text), "%s", bad_ones[i]);
		cr_expect_eq(prefix_list_new(&list, texts, 2, &bad), -EINVAL, "%s", text);
		cr_expect_eq(bad, text);
		cr_expect_null(list);
	}
}

static const char *clean(const char *name)
{
	static char out[257];

	display_name_clean(span_of(name), out);
	return out;
}

Test(display_name, controls_and_broken_octets_are_dropped)
{
	cr_expect_str_eq(clean("Alice W"), "Alice W");
	cr_expect_str_eq(clean("  Alice\r\n\tW \x7f "), "AliceW");
	cr_expect_str_eq(clean("J\xc3\xb6rg \xf0\x9f\x98\x80"), "J\xc3\xb6rg \xf0\x9f\x98\x80");
	cr_expect_str_eq(clean("a\xc2\x85"
			       "b\xe2\x80\xae"
			       "c\xe2\x81\xa6"
			       "d"),
		"abcd");
	cr_expect_str_eq(clean("a\xff\xc3"
			       "b\xc0\xaf\xed\xa0\x80"
			       "c\xf5\x80\x80\x80"),
		"abc");
	cr_expect_str_eq(clean("\x01 \x02 "), "");
	cr_expect_str_eq(clean(""), "");
}

Test(display_name, a_long_name_is_cut_between_characters)
{
	char name[400], out[257];

	memset(name, 'x', sizeof(name));
	display_name_clean(span_make(name, 400), out);
	cr_expect_eq(strlen(out), 256);
	memcpy(name + 255, "\xc3\xb6", 2);
	display_name_clean(span_make(name, 400), out);
	cr_expect_eq(strlen(out), 255);
	memcpy(name + 254, "\xc3\xb6", 2);
	display_name_clean(span_make(name, 400), out);
	cr_expect_eq(strlen(out), 256);
	cr_expect_str_eq(out + 254, "\xc3\xb6");
}
