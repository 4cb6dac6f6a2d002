/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "tools/imclient/event_out.h"
#include "tools/imclient/text_clean.h"

static char *shown(struct span text)
{
	static char out[4096];
	FILE *file = fmemopen(out, sizeof(out), "w");

	text_clean_terminal(file, text, "\n  ");
	fclose(file);
	return out;
}

static char *word(struct span text, bool json)
{
	static char out[4096];
	FILE *file = fmemopen(out, sizeof(out), "w");

	(json ? text_clean_json : text_clean_word)(file, text);
	fclose(file);
	return out;
}

#define EXPECT_SHOWN(in, out) cr_expect_str_eq(shown(SPAN_LITERAL(in)), out)

Test(text_clean, escape_sequences_vanish_whole)
{
	EXPECT_SHOWN("a\033[31mred\033[0m b", "ared b");
	EXPECT_SHOWN("a\033]0;own your title\007b", "ab");
	EXPECT_SHOWN("a\033]52;c;ZXZpbA==\033\\b", "ab");
	EXPECT_SHOWN("a\033Pq#0;2;0;0;0\033\\b", "ab");
	EXPECT_SHOWN("a\033(0b\033cc", "abc");
	EXPECT_SHOWN("a\xc2\x9b"
		     "2Jb",
		"ab");
	EXPECT_SHOWN("a\xc2\x9d"
		     "0;x\xc2\x9c"
		     "b",
		"ab");
	EXPECT_SHOWN("end\033", "end");
	EXPECT_SHOWN("end\033[", "end");
	EXPECT_SHOWN("end\033[12;3", "end");
	EXPECT_SHOWN("a\033]never ended\nb", "a\n  b");
}

Test(text_clean, controls_and_marks_that_reorder_vanish)
{
	EXPECT_SHOWN("a\b\b\r\x7f\x01z", "az");
	EXPECT_SHOWN("user\xe2\x80\xae"
		     "txt.exe",
		"usertxt.exe");
	EXPECT_SHOWN("a\xe2\x81\xa7z", "az");
	EXPECT_SHOWN("a\tz", "a z");
}

Test(text_clean, utf8_stays_and_what_is_none_shows_a_mark)
{
	EXPECT_SHOWN("gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x99\x82",
		"gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x99\x82");
	EXPECT_SHOWN("\xff\xc0\x80\xed\xa0\x80\xf5", "???????"
						     "");
	EXPECT_SHOWN("cut \xe2\x82", "cut ??");
}

Test(text_clean, no_control_ever_passes)
{
	/* Every pair of octets behind an escape, and alone. */
	for (unsigned i = 0; i < 65536; i++) {
		char text[6] = { '\033', (char)(i >> 8), (char)i, 'x', (char)i, (char)(i >> 8) };
		const char *out = shown(span_make(text, sizeof(text)));

		for (; *out != '\0'; out++)
			cr_assert((unsigned char)*out >= 0x20 || (out[0] == '\n' && out[1] == ' '),
				"%04x", i);
		cr_assert_null(strstr(shown(span_make(text, sizeof(text))), "\xc2\x9b"), "%04x", i);
	}
}

Test(text_clean, words_of_a_line_are_quoted_when_they_must_be)
{
	cr_expect_str_eq(word(SPAN_LITERAL("sip:a@b;x=1"), false), "sip:a@b;x=1");
	cr_expect_str_eq(word(SPAN_LITERAL(""), false), "\"\"");
	cr_expect_str_eq(word(SPAN_LITERAL("a \"b\" \\ \n\033[m\xff"), false),
		"\"a \\\"b\\\" \\\\ \\n\\x1b[m\\xff\"");
	cr_expect_str_eq(word(SPAN_LITERAL("a\n\033\xff\xc2\x9b\xc3\xbc\""), true),
		"\"a\\u000a\\u001b\\ufffd\\u009b\xc3\xbc\\\"\"");
}

Test(event_out, an_event_is_one_line_in_every_form)
{
	struct client_event event = { .type = CLIENT_MESSAGE,
		.session = 3,
		.id = "m\n1",
		.octets = 5,
		.from = "sip:bob@example.com",
		.text = SPAN_LITERAL("hi\nfake session=9 \033[2J"),
		.has_count = true,
		.count = 0 };
	char out[1024];
	FILE *file = fmemopen(out, sizeof(out), "w");

	event_write(file, EVENT_TEXT, &event, 1.5);
	fclose(file);
	cr_expect_str_eq(out,
		"message t=1.500000 session=3 id=\"m\\n1\" from=sip:bob@example.com octets=5 count=0 "
		"text=\"hi\\nfake session=9 \\x1b[2J\"\n");
	file = fmemopen(out, sizeof(out), "w");
	event_write(file, EVENT_JSON, &event, -1);
	fclose(file);
	cr_expect_str_eq(out,
		"{\"event\":\"message\",\"session\":3,\"id\":\"m\\u000a1\",\"from\":\"sip:bob@example.com\","
		"\"octets\":5,\"count\":0,\"text\":\"hi\\u000afake session=9 \\u001b[2J\"}\n");
	file = fmemopen(out, sizeof(out), "w");
	event_write(file, EVENT_PEOPLE, &event, -1);
	fclose(file);
	cr_expect_str_eq(out, "bob: hi\n    fake session=9 \n");
}

Test(event_out, every_event_has_a_word_of_its_own)
{
	for (int a = 0; a < CLIENT_EVENT_COUNT; a++)
		for (int b = 0; b < a; b++)
			cr_expect_str_neq(client_event_word(a), client_event_word(b));
}
