/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/xml/conference_info.h"
#include "include/span.h"
#include "tests/support/conference_view.h"

static struct conference_info *info;
static struct conference_view view;
static char *text;
static size_t len;

static const struct conference_info_endpoint alices[] = {
	{ "sip:ep-1@conf.example.com", ENDPOINT_CONNECTED, ENDPOINT_JOINED_DIALED_IN },
	{ "sip:ep-4@conf.example.com", ENDPOINT_ALERTING, ENDPOINT_JOINED_DIALED_OUT },
};
static const struct conference_info_endpoint anonymous[] = {
	{ "sip:ep-2@conf.example.com", ENDPOINT_CONNECTED, ENDPOINT_JOINED_DIALED_OUT },
};
static const struct conference_info_endpoint gone[] = {
	{ "sip:ep-2@conf.example.com", ENDPOINT_DISCONNECTED, ENDPOINT_JOINED_NONE,
		ENDPOINT_LEFT_DEPARTED },
};

static struct conference_info_head head_of(uint32_t version, bool partial)
{
	return (struct conference_info_head){ .entity = "sip:im-q7w2e9@conf.example.com",
		.version = version,
		.partial = partial,
		.description = !partial,
		.subject = "Lunch",
		.maximum_users = 50,
		.user_count = 2,
		.active = true };
}

static void written(const struct conference_info_head *head, size_t from, size_t own)
{
	free(text);
	cr_assert_eq(conference_info_text(info, head, from, own, &text, &len), 0);
	cr_assert_eq(strlen(text), len);
}

static void taken(const struct conference_info_head *head, size_t from, size_t own)
{
	written(head, from, own);
	cr_assert_eq(conference_view_take(&view, text, len), 0, "%s in %s", view.why, text);
}

static void setup(void)
{
	cr_assert_eq(conference_info_new(&info), 0);
}

static void teardown(void)
{
	conference_info_free(info);
	conference_view_fini(&view);
	free(text);
}

TestSuite(conference_info, .init = setup, .fini = teardown);

/* The two documents of context.md 4.3, but for <media> and with the state of <users> in the second,
 * without which its reader would forget Alice. */
Test(conference_info, the_examples_are_written_as_they_are)
{
	struct conference_info_head head = head_of(1, false);
	size_t own =
		conference_info_user(info, &(struct conference_info_user){ "sip:alice@example.com",
						   false, "Alice", NULL, alices, 1 });

	conference_info_user(
		info, &(struct conference_info_user){ "sip:anon-4f1c@anonymous.invalid", false,
			      "Anonymous 1", "", anonymous, 1 });
	taken(&head, 0, own);
	cr_assert_str_eq(text,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		"<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" "
		"entity=\"sip:im-q7w2e9@conf.example.com\" state=\"full\" version=\"1\">\r\n"
		"<conference-description><subject>Lunch</subject>"
		"<maximum-user-count>50</maximum-user-count></conference-description>\r\n"
		"<conference-state><user-count>2</user-count><active>true</active>"
		"</conference-state>\r\n<users>\r\n"
		"<user entity=\"sip:alice@example.com\" state=\"full\" yourown=\"true\">"
		"<display-text>Alice</display-text><endpoint entity=\"sip:ep-1@conf.example.com\">"
		"<status>connected</status><joining-method>dialed-in</joining-method></endpoint>"
		"</user>\r\n"
		"<user entity=\"sip:anon-4f1c@anonymous.invalid\" state=\"full\">"
		"<display-text>Anonymous 1</display-text>"
		"<endpoint entity=\"sip:ep-2@conf.example.com\"><status>connected</status>"
		"<joining-method>dialed-out</joining-method></endpoint></user>\r\n"
		"</users>\r\n</conference-info>\r\n");
	cr_assert_str_eq(view.subject, "Lunch");
	cr_assert_eq(view.maximum_users, 50);
	cr_assert(view.active && view.full && view.own_marks == 1);

	conference_info_clear(info);
	conference_info_user(
		info, &(struct conference_info_user){
			      "sip:anon-4f1c@anonymous.invalid", true, NULL, NULL, gone, 1 });
	head = head_of(2, true);
	head.user_count = 1;
	taken(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_str_eq(text,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		"<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" "
		"entity=\"sip:im-q7w2e9@conf.example.com\" state=\"partial\" version=\"2\">\r\n"
		"<conference-state><user-count>1</user-count><active>true</active>"
		"</conference-state>\r\n<users state=\"partial\">\r\n"
		"<user entity=\"sip:anon-4f1c@anonymous.invalid\" state=\"partial\">"
		"<endpoint entity=\"sip:ep-2@conf.example.com\" state=\"full\">"
		"<status>disconnected</status><disconnection-method>departed</disconnection-method>"
		"</endpoint></user>\r\n</users>\r\n</conference-info>\r\n");
	cr_assert_eq(view.user_count, 1);
	cr_assert_eq(view.user_count_known, 2, "Alice is still known");
	cr_assert_str_eq(conference_view_status(&view, "sip:alice@example.com"), "connected");
	cr_assert_str_eq(
		conference_view_status(&view, "sip:anon-4f1c@anonymous.invalid"), "disconnected");
	cr_assert_str_eq(
		conference_view_user(&view, "sip:anon-4f1c@anonymous.invalid")->display_text,
		"Anonymous 1");
	cr_assert(conference_view_user(&view, "sip:alice@example.com")->yourown);
	cr_assert_str_eq(view.subject, "Lunch");
}

Test(conference_info, every_word_of_the_schema_is_written)
{
	static const char *const statuses[] = { "connected", "disconnected", "pending", "alerting",
		"dialing-in", "dialing-out", "disconnecting" };
	static const char *const joinings[] = { "", "dialed-in", "dialed-out", "focus-owner" };
	static const char *const leavings[] = { "", "departed", "booted", "failed", "busy" };
	struct conference_info_head head = head_of(1, false);

	for (unsigned s = 0; s < 7; s++)
		for (unsigned j = 0; j < 4; j++)
			for (unsigned d = 0; d < 5; d++) {
				struct conference_info_endpoint e = { "sip:e@h", s, j, d };
				struct conference_info_user user = { "sip:u@h", false, "", "", &e,
					1 };
				const struct view_endpoint *seen;

				conference_info_clear(info);
				conference_info_user(info, &user);
				taken(&head, 0, CONFERENCE_INFO_NOBODY);
				head.version++;
				seen = &view.users[0].endpoints[0];
				cr_assert_str_eq(seen->status, statuses[s]);
				cr_assert_str_eq(seen->joining, joinings[j]);
				cr_assert_str_eq(seen->disconnection, leavings[d]);
			}
}

Test(conference_info, whatever_is_in_a_value_is_read_again)
{
	static const struct {
		const char *given, *read;
	} table[] = {
		{ "a<b>&\"'c", NULL },
		{ "]]><!-- --><![CDATA[ &lt;", NULL },
		{ "tab\tnew\nline\rend", NULL },
		{ " spaces  kept ", NULL },
		{ "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbd \xee\x80\x80", NULL },
		{ "\x7f\xc2\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf", NULL },
		{ "a\x01\x08\x0b\x0c\x1f"
		  "b",
			"ab" },
		{ "a\xef\xbf\xbe\xef\xbf\xbf"
		  "b",
			"ab" },
		/* Not UTF-8: continuation, start alone, overlong, surrogate, too high, cut short */
		{ "a\x80"
		  "b",
			"a\xef\xbf\xbd"
			"b" },
		{ "a\xff\xfe"
		  "b",
			"a\xef\xbf\xbd\xef\xbf\xbd"
			"b" },
		{ "a\xc3", "a\xef\xbf\xbd" },
		{ "a\xc0\xaf"
		  "b",
			"a\xef\xbf\xbd\xef\xbf\xbd"
			"b" },
		{ "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82<", "\xef\xbf\xbd<" },
		{ "\xf0\x9f\x98", "\xef\xbf\xbd" },
		{ "\xf0\x9f\x98\xc3\xbc", "\xef\xbf\xbd\xc3\xbc" },
	};
	struct conference_info_head head = head_of(1, false);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *given = table[i].given, *read = table[i].read ? table[i].read : given;
		struct conference_info_endpoint e = { given, ENDPOINT_CONNECTED };
		struct conference_info_user user = { given, false, given, given, &e, 1 };

		conference_info_clear(info);
		conference_info_user(info, &user);
		head.entity = head.subject = head.display_text = given;
		taken(&head, 0, 0);
		head.version++;
		cr_expect_str_eq(view.entity, read, "row %zu", i);
		cr_expect_str_eq(view.subject, read, "row %zu", i);
		cr_expect_str_eq(view.display_text, read, "row %zu", i);
		cr_expect_str_eq(view.users[0].entity, read, "row %zu", i);
		cr_expect_str_eq(view.users[0].display_text, read, "row %zu", i);
		cr_expect_str_eq(view.users[0].nickname, read, "row %zu", i);
		cr_expect_str_eq(view.users[0].endpoints[0].entity, read, "row %zu", i);
		cr_expect(view.users[0].yourown, "row %zu", i);
	}
}

/* RFC 7701: published in the attribute of RFC 6501. */
Test(conference_info, the_nickname_is_of_another_namespace_which_is_declared_when_needed)
{
	struct conference_info_head head = head_of(1, false);

	conference_info_user(
		info, &(struct conference_info_user){ "sip:a@h", false, "A", NULL, anonymous, 1 });
	taken(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_null(strstr(text, "xcon"));
	cr_assert_str_eq(view.users[0].nickname, "");
	conference_info_user(info,
		&(struct conference_info_user){ "sip:b@h", false, "Bobby", "Bobby", anonymous, 1 });
	head.version = 2;
	taken(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_not_null(strstr(text, " xcon:nickname=\"Bobby\""));
	cr_assert_not_null(
		strstr(text, "xmlns:xcon=\"urn:ietf:params:xml:ns:xcon-conference-info\""));
	cr_assert_str_eq(conference_view_user(&view, "sip:b@h")->nickname, "Bobby");
	conference_info_clear(info);
	written(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_null(strstr(text, "xcon"));
}

/* yourown is on one element, whichever, and on none when the reader's is not there. */
Test(conference_info, each_reader_gets_its_own_mark_and_its_own_part)
{
	struct conference_info_user user = {
		.display_text = "x", .nickname = "a>b", .endpoints = alices, .endpoint_count = 2
	};
	size_t place[20], end;
	char name[32];

	user.entity = name;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "sip:u%u>\"@example.com", i);
		place[i] = conference_info_user(info, &user);
	}
	end = conference_info_end(info);
	for (unsigned from = 0; from <= 20; from++)
		for (unsigned own = 0; own <= 20; own++) {
			struct conference_info_head head = head_of(1, false);

			conference_view_fini(&view);
			taken(&head, from < 20 ? place[from] : end,
				own < 20 ? place[own] : CONFERENCE_INFO_NOBODY);
			cr_assert_eq(view.user_count_known, 20 - from);
			cr_assert_eq(view.own_marks, own >= from && own < 20);
			snprintf(name, sizeof(name), "sip:u%u>\"@example.com", own);
			if (own >= from && own < 20)
				cr_assert(conference_view_user(&view, name)->yourown);
		}
}

Test(conference_info, a_document_without_users_says_so_or_says_nothing)
{
	struct conference_info_head head = head_of(1, false);

	written(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_not_null(strstr(text, "<users/>"));
	head.users_partial = true;
	written(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_not_null(strstr(text, "<users state=\"partial\"/>"));
	head.partial = true;
	head.description = false;
	written(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_null(strstr(text, "users"));
	cr_assert_null(strstr(text, "description"));
	head.active = false;
	written(&head, 0, CONFERENCE_INFO_NOBODY);
	cr_assert_not_null(strstr(text, "<active>false</active>"));
	/* Some of many in a full document (above conference.roster_max). */
	conference_info_user(
		info, &(struct conference_info_user){ "sip:a@h", false, "A", NULL, anonymous, 1 });
	head.partial = false;
	written(&head, 0, 0);
	cr_assert_not_null(strstr(text, "state=\"full\" version"));
	cr_assert_not_null(strstr(text, "<users state=\"partial\">"));
}

Test(conference_info, the_reader_of_these_tests_refuses_what_is_wrong)
{
	static const char *const wrong[] = {
		"",
		"<conference-info/>",
		"<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='e' "
		"state='full'/>",
		"<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='e' "
		"state='full' version='1'><users><user entity='a'/><user entity='a'/></users>"
		"</conference-info>",
		"<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='e' "
		"state='full' version='1'><users/><conference-state/></conference-info>",
		"<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='e' "
		"state='full' version='1'><users><user entity='a' yourown='false'/></users>"
		"</conference-info>",
		"<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='e' "
		"state='full' version='1'><users><user entity='a'><endpoint entity='e'>"
		"<status>away</status></endpoint></user></users></conference-info>",
		"<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='e' "
		"state='partial' version='1'/>",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		conference_view_fini(&view);
		cr_expect_lt(
			conference_view_take(&view, wrong[i], strlen(wrong[i])), 0, "%s", wrong[i]);
		cr_expect_str_not_empty(view.why);
	}
}
