/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/xml/resource_lists.h"

#define HEAD                                                                                       \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                             \
	"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" "                         \
	"xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>\n"
#define TAIL "</list></resource-lists>\n"

static struct resource_list list;
static char why[160];

static int parse(const char *text)
{
	return resource_list_parse(span_of(text), &list, why, sizeof(why));
}

Test(resource_lists, the_example_of_an_invite_is_read_whole)
{
	cr_assert_eq(
		parse(HEAD
			"  <entry uri=\"sip:bob@example.com\" cp:copyControl=\"to\"/>\n"
			"  <entry uri=\"sip:carol@example.com?Replaces=old1%40192.0.2.10%3Bto-tag%3Dt9%3Bfrom-tag%3Df9\" "
			"cp:copyControl=\"to\"/>\n"
			"  <entry uri=\"tel:+15550100\" cp:copyControl=\"bcc\" cp:anonymize=\"true\"/>\n" TAIL),
		0, "%s", why);
	cr_expect_str_empty(why);
	cr_assert_eq(list.count, 3);
	cr_expect_str_eq(list.entries[0].uri, "sip:bob@example.com");
	cr_expect_str_eq(list.entries[0].headers, "");
	cr_expect_str_eq(list.entries[0].display_name, "");
	cr_expect_eq(list.entries[0].copy, COPY_TO);
	cr_expect_not(list.entries[0].anonymize);
	cr_expect_str_eq(list.entries[1].uri, "sip:carol@example.com");
	cr_expect_str_eq(list.entries[1].headers,
		"Replaces=old1%40192.0.2.10%3Bto-tag%3Dt9%3Bfrom-tag%3Df9");
	cr_expect_str_eq(list.entries[2].uri, "tel:+15550100");
	cr_expect_eq(list.entries[2].copy, COPY_BCC);
	cr_expect(list.entries[2].anonymize);
	resource_list_fini(&list);
	cr_expect_eq(list.count, 0);
}

Test(resource_lists, prefixes_nesting_names_and_foreign_elements_are_taken)
{
	cr_assert_eq(
		parse("\r\n<?xml version='1.0'?><!-- by hand --><?pi x?>"
		      "<rl:resource-lists xmlns:rl='urn:ietf:params:xml:ns:resource-lists' xmlns:c='urn:ietf:params:xml:ns:copycontrol' "
		      "xmlns:x='urn:x'><rl:list name='a'><rl:display-name>the list</rl:display-name>"
		      "<rl:entry c:copyControl='cc' uri=' sip:a@h '><rl:display-name>A &amp; <![CDATA[<B>]]> &#252;</rl:display-name>"
		      "<x:note><rl:entry uri='sip:not@h'/></x:note></rl:entry>"
		      "<rl:list><rl:list><rl:entry uri='sip:b?c@h?x=1' other='1' c:anonymize='0'/></rl:list></rl:list>"
		      "<x:list><rl:entry uri='sip:not@h'/></x:list>text</rl:list><rl:list/>"
		      "<rl:list><rl:entry uri='sip:d@h?'/></rl:list></rl:resource-lists>"),
		0, "%s", why);
	cr_assert_eq(list.count, 3);
	cr_expect_str_eq(list.entries[0].uri, "sip:a@h");
	cr_expect_str_eq(list.entries[0].display_name, "A & <B> \xc3\xbc");
	cr_expect_eq(list.entries[0].copy, COPY_CC);
	cr_expect_str_eq(list.entries[1].uri, "sip:b?c@h");
	cr_expect_str_eq(list.entries[1].headers, "x=1");
	cr_expect_str_eq(list.entries[1].display_name, "");
	cr_expect_eq(list.entries[1].copy, COPY_BCC, "nobody asked to show this one");
	cr_expect_str_eq(list.entries[2].uri, "sip:d@h");
	cr_expect_str_eq(list.entries[2].headers, "");
	resource_list_fini(&list);
}

Test(resource_lists, a_list_may_be_empty)
{
	cr_assert_eq(parse(HEAD TAIL), 0);
	cr_expect_eq(list.count, 0);
	cr_expect_null(resource_list_history(&list));
	resource_list_fini(&list);
}

Test(resource_lists, an_encoding_that_is_named_is_not_loaded)
{
	cr_expect_eq(
		parse("<?xml version=\"1.0\" encoding=\"HZ\"?><resource-lists "
		      "xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:~{a@h\"/></list></resource-lists>"),
		0, "%s", why);
	cr_assert_eq(list.count, 1);
	cr_expect_str_eq(list.entries[0].uri, "sip:~{a@h");
	resource_list_fini(&list);
}

Test(resource_lists, what_is_refused_is_refused_with_the_line)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{ "", "line 1: the resource list is empty" },
		{ " \r\n ", "line 1: the resource list is empty" },
		{ "hello", "line 1: the resource list is not XML in UTF-8" },
		{ "\xff\xfe<", "line 1: the resource list is not XML in UTF-8" },
		{ "\x4c\x6f\xa7\x94", "line 1: the resource list is not XML in UTF-8" },
		{ "<?xml version=\"1.0\"?>\n<!DOCTYPE resource-lists>\n" TAIL,
			"line 2: a DOCTYPE is not allowed" },
		{ "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<x>&b;</x>",
			"line 1: a DOCTYPE is not allowed" },
		{ "<!DOCTYPE x SYSTEM \"http://192.0.2.1/x.dtd\"><x/>",
			"line 1: a DOCTYPE is not allowed" },
		{ "<!DOCTYPE x [<!ENTITY % p SYSTEM \"file:///etc/passwd\">%p;]><x/>",
			"line 1: a DOCTYPE is not allowed" },
		{ HEAD "<entry uri=\"sip:&x;@h\"/>" TAIL, "line 3: an entity is not allowed" },
		{ HEAD "\n<entry uri=\"sip:a@h\"><display-name>&x;</display-name></entry>" TAIL,
			"line 4: an entity is not allowed" },
		{ HEAD "<external anchor=\"http://192.0.2.1/l\"/>" TAIL,
			"line 3: <external> is not supported" },
		{ HEAD "\n\n<list><entry-ref ref=\"x\"/></list>" TAIL,
			"line 5: <entry-ref> is not supported" },
		{ HEAD "<entry/>" TAIL, "line 3: an <entry> without uri" },
		{ HEAD "<entry cp:uri=\"sip:a@h\"/>" TAIL, "line 3: an <entry> without uri" },
		{ HEAD "<entry uri=\"?Subject=x\"/>" TAIL,
			"line 3: the uri of an <entry> is not a URI" },
		{ HEAD "<entry uri=\"sip:a@h?Subject=&lt;\"/>" TAIL,
			"line 3: the uri of an <entry> is not a URI" },
		{ HEAD "<entry uri=\"\"/>" TAIL, "line 3: the uri of an <entry> is not a URI" },
		{ HEAD "<entry uri=\"sip:a@h&#13;&#10;Route: x\"/>" TAIL,
			"line 3: the uri of an <entry> is not a URI" },
		{ HEAD "<entry uri=\"&lt;sip:a@h&gt;\"/>" TAIL,
			"line 3: the uri of an <entry> is not a URI" },
		{ HEAD "<entry uri=\"sip:a@h\" cp:copyControl=\"all\"/>" TAIL,
			"line 3: copyControl is to, cc or bcc" },
		{ HEAD "<entry uri=\"sip:a@h\" cp:anonymize=\"yes\"/>" TAIL,
			"line 3: anonymize is true or false" },
		{ "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><entry uri=\"sip:a@h\"/></resource-lists>",
			"line 1: an <entry> outside of a <list>" },
		{ HEAD "<entry uri=\"sip:a@h\"><entry uri=\"sip:b@h\"/></entry>" TAIL,
			"line 3: an <entry> outside of a <list>" },
		{ "<resource-lists><list/></resource-lists>", "line 1: not a resource list" },
		{ "<list xmlns=\"urn:ietf:params:xml:ns:resource-lists\"/>",
			"line 1: not a resource list" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cr_expect_eq(parse(table[i].text), -EBADMSG, "%s", table[i].text);
		cr_expect_str_eq(why, table[i].why, "%s gave: %s", table[i].text, why);
		cr_expect_eq(list.count, 0);
		cr_expect_null(list.entries);
	}
}

Test(resource_lists, what_is_not_well_formed_is_refused_with_the_line)
{
	static const struct {
		const char *text;
		int line;
	} table[] = {
		{ HEAD "<entry uri=\"sip:a@h\">" TAIL, 3 },
		{ HEAD "<entry uri=\"sip:a@h\"/>", 3 },
		{ HEAD "<entry uri=\"sip:a@h\" uri=\"sip:b@h\"/>" TAIL, 3 },
		{ HEAD "<entry uri='sip:a@h' cp2:copyControl='to'/>\n" TAIL, 3 },
		{ HEAD TAIL "<x/>", 4 },
		{ HEAD "<entry uri=\"sip:\xff@h\"/>" TAIL, 3 },
		{ "<", 1 },
	};
	char head[16];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(head, sizeof(head), "line %d: ", table[i].line);
		cr_expect_eq(parse(table[i].text), -EBADMSG, "%s", table[i].text);
		cr_expect_eq(
			strncmp(why, head, strlen(head)), 0, "%s gave: %s", table[i].text, why);
		cr_expect_gt(strlen(why), strlen(head));
		cr_expect_null(strchr(why, '\n'));
		cr_expect_null(list.entries);
	}
}

Test(resource_lists, the_reason_fits_any_size_and_a_zero_octet_is_refused)
{
	char small[12];

	cr_expect_eq(resource_list_parse(span_of("<x/>"), &list, small, sizeof(small)), -EBADMSG);
	cr_expect_str_eq(small, "line 1: not");
	cr_expect_eq(resource_list_parse(span_of("<x/>"), &list, NULL, 0), -EBADMSG);
	cr_expect_eq(
		resource_list_parse(span_make("<\0x/>", 5), &list, why, sizeof(why)), -EBADMSG);
	cr_expect_str_eq(why, "line 1: the resource list is not XML in UTF-8");
}

Test(resource_lists, thirty_two_elements_may_be_nested_and_no_more)
{
	char body[4096];

	for (int lists = 30; lists <= 31; lists++) {
		int len = sprintf(
			body, "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">");

		for (int i = 0; i < lists; i++)
			len += sprintf(body + len, "<list>");
		len += sprintf(body + len, "<entry uri=\"sip:a@h\"/>");
		for (int i = 0; i < lists; i++)
			len += sprintf(body + len, "</list>");
		sprintf(body + len, "</resource-lists>");
		if (lists == 30) {
			cr_expect_eq(parse(body), 0, "%s", why);
			cr_expect_eq(list.count, 1);
			resource_list_fini(&list);
		} else {
			cr_expect_eq(parse(body), -EBADMSG);
			cr_expect_str_eq(why, "line 1: elements are nested more than 32 deep");
		}
	}
}

Test(resource_lists, a_body_may_have_256_kib_and_no_more)
{
	static const char entry[] = "<entry uri=\"a:\"/>";
	char *body = malloc(XML_BODY_MAX + 2);
	size_t len = (size_t)sprintf(body, HEAD), entries = 0;

	while (len + strlen(entry) + strlen(TAIL) <= XML_BODY_MAX) {
		memcpy(body + len, entry, strlen(entry));
		len += strlen(entry);
		entries++;
	}
	while (len + strlen(TAIL) < XML_BODY_MAX)
		body[len++] = ' ';
	strcpy(body + len, TAIL);
	cr_assert_eq(strlen(body), XML_BODY_MAX);
	cr_expect_eq(parse(body), 0, "%s", why);
	cr_expect_eq(list.count, entries);
	resource_list_fini(&list);
	body[len] = ' ';
	strcpy(body + len + 1, TAIL);
	cr_expect_eq(parse(body), -EBADMSG);
	cr_expect_str_eq(why, "line 1: the resource list is longer than 262144 octets");
	free(body);
}

Test(resource_lists, a_display_name_is_bounded)
{
	char body[4096], name[1026];

	memset(name, 'x', sizeof(name));
	name[1024] = '\0';
	snprintf(body, sizeof(body),
		HEAD "<entry uri=\"sip:a@h\"><display-name>%s</display-name></entry>" TAIL, name);
	cr_expect_eq(parse(body), 0, "%s", why);
	cr_expect_eq(strlen(list.entries[0].display_name), 1024);
	resource_list_fini(&list);
	name[1024] = 'x';
	name[1025] = '\0';
	snprintf(body, sizeof(body),
		HEAD "<entry uri=\"sip:a@h\"><display-name>%s</display-name></entry>" TAIL, name);
	cr_expect_eq(parse(body), -EBADMSG);
}

Test(resource_lists, the_history_shows_to_and_cc_and_counts_those_without_a_name)
{
	char *text;

	cr_assert_eq(
		parse(HEAD
			"<entry uri=\"sip:a@h?Subject=x\" cp:copyControl=\"to\"><display-name>A</display-name></entry>"
			"<entry uri=\"sip:hidden@h\" cp:copyControl=\"bcc\"/><entry uri=\"sip:silent@h\"/>"
			"<entry uri=\"sip:b'&amp;#38;&#38;c@h\" cp:copyControl=\"cc\"/>"
			"<entry uri=\"sip:d@h\" cp:copyControl=\"to\" cp:anonymize=\"true\"/>"
			"<entry uri=\"sip:e@h\" cp:copyControl=\"to\" cp:anonymize=\"1\"/>"
			"<entry uri=\"sip:f@h\" cp:copyControl=\"cc\" cp:anonymize=\"true\"/>"
			"<entry uri=\"sip:g@h\" cp:copyControl=\"bcc\" cp:anonymize=\"true\"/>" TAIL),
		0, "%s", why);
	text = resource_list_history(&list);
	cr_assert_not_null(text);
	cr_expect_str_eq(text,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" "
		"xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\r\n<list>\r\n"
		"<entry uri=\"sip:a@h\" cp:copyControl=\"to\"/>\r\n"
		"<entry uri=\"sip:b&apos;&amp;#38;&amp;c@h\" cp:copyControl=\"cc\"/>\r\n"
		"<entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"to\" cp:count=\"2\"/>\r\n"
		"<entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"cc\" cp:count=\"1\"/>\r\n"
		"</list>\r\n</resource-lists>\r\n");
	resource_list_fini(&list);
	cr_expect_eq(parse(text), 0, "what we write we can read: %s", why);
	cr_expect_eq(list.count, 4);
	cr_expect_str_eq(list.entries[1].uri, "sip:b'&#38;&c@h");
	resource_list_fini(&list);
	free(text);
}

Test(resource_lists, there_is_no_history_of_blind_copies)
{
	cr_assert_eq(
		parse(HEAD
			"<entry uri=\"sip:a@h\" cp:copyControl=\"bcc\"/><entry uri=\"sip:b@h\"/>" TAIL),
		0);
	cr_expect_null(resource_list_history(&list));
	resource_list_fini(&list);
}
