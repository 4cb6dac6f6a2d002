/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/conference/groups.h"
#include "include/log.h"

#define HEAD                                                                                       \
	"<group xmlns=\"urn:oma:xml:poc:list-service\" "                                           \
	"xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" "                                       \
	"xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" "                                             \
	"xmlns:ox=\"urn:oma:xml:xdm:extensions\">"
#define TAIL    "</group>\n"
#define ALICE   "sip:alice@example.com"
#define BOB     "sip:bob@example.com"
#define CAROL   "sip:carol@example.net"
#define MALLORY "sip:mallory@example.com"
#define PHONE   "tel:+15550100"
#define TEAM    "sip:team@conf.example.com"
#define OTHER   "sip:other@elsewhere.example"
#define WAIT_MS 10000

static char root[] = "/tmp/plenum-groups-XXXXXX";
static char directory[64];
static struct groups *groups;

static const char *place(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

/* A group with this address and display name. */
static const char *group_text(const char *uri, const char *name)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		HEAD
		"<list-service uri=\"%s\"><display-name>%s</display-name><list><entry uri=\"" ALICE
		"\"/></list></list-service>" TAIL,
		uri, name);
	return text;
}

static void root_make(void)
{
	cr_assert_not_null(mkdtemp(root));
	snprintf(directory, sizeof(directory), "%s/groups", root);
	log_level = LOG_ERROR;
}

static void setup(void)
{
	root_make();
	cr_assert_eq(mkdir(directory, 0700), 0);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
	return remove(path);
}

static void teardown(void)
{
	groups_free(groups);
	groups = NULL;
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
	cr_assert_eq(groups_new(&groups, directory), 0);
	cr_assert_geq(groups_fd(groups), 0);
}

/* What the file system has told by now; at least one change, when there is to be one. */
static void settle(bool wait)
{
	struct pollfd fd = { .fd = groups_fd(groups), .events = POLLIN };

	if (wait)
		cr_assert_eq(poll(&fd, 1, WAIT_MS), 1, "no change seen");
	while (groups_poll(groups, 0) || poll(&fd, 1, 0) == 1)
		;
}

static const char *name_of(const char *uri)
{
	struct group *group = groups_find(groups, uri);

	return group != NULL ? group->document->display_name : "(none)";
}

TestSuite(groups, .init = setup, .fini = teardown);

Test(groups, every_document_of_the_directory_is_loaded_and_nothing_else)
{
	put(place("team.xml"), group_text(TEAM, "Team"));
	put(place("other.xml"), group_text(OTHER, "Other"));
	put(place(".hidden.xml"), group_text("sip:hidden@h", "Hidden"));
	put(place("notes.txt"), "no group at all");
	put(place("broken.xml"), "<group>");
	cr_assert_eq(mkdir(place("directory.xml"), 0700), 0);
	begin();
	cr_expect_eq(groups_count(groups), 2);
	cr_expect_str_eq(name_of(TEAM), "Team");
	cr_expect_str_eq(name_of(OTHER), "Other");
	cr_expect_null(groups_find(groups, "sip:hidden@h"));
	cr_expect_null(groups_find(groups, "sip:nobody@h"));
	cr_expect_gt(groups_generation(groups), 0);
}

Test(groups, a_new_document_comes_in_force_once_it_is_written)
{
	FILE *f;

	begin();
	cr_expect_eq(groups_count(groups), 0);
	f = fopen(place("team.xml"), "w");
	fputs(group_text(TEAM, "Team"), f);
	fflush(f);
	settle(true); /* it is complete, but nobody knows that */
	cr_expect_eq(groups_count(groups), 0);
	cr_expect_eq(groups_generation(groups), 0);
	fclose(f);
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "Team");
	cr_expect_gt(groups_generation(groups), 0);
}

Test(groups, a_changed_document_replaces_the_old_one_which_its_holders_keep)
{
	struct group *held;

	put(place("team.xml"), group_text(TEAM, "before"));
	begin();
	held = group_get(groups_find(groups, TEAM));
	put(place("team.xml"), group_text(TEAM, "rewritten in place"));
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "rewritten in place");
	put(place("team.new"), group_text(TEAM, "moved over it"));
	cr_assert_eq(rename(place("team.new"), place("team.xml")), 0);
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "moved over it");
	cr_expect_str_eq(held->document->display_name, "before");
	cr_expect_not_null(group_member_find(held, ALICE, NULL));
	group_put(held);
	cr_expect_eq(groups_count(groups), 1);
}

Test(groups, an_invalid_document_is_refused_while_the_old_one_stays)
{
	uint64_t generation;

	put(place("team.xml"), group_text(TEAM, "good"));
	begin();
	generation = groups_generation(groups);
	put(place("team.xml"), "<group");
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "good");
	cr_expect_eq(groups_generation(groups), generation);
	put(place("team.xml"), group_text(TEAM, "better"));
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "better");
}

Test(groups, a_removed_document_leaves_force_and_its_holders_keep_it)
{
	struct group *held;

	put(place("team.xml"), group_text(TEAM, "Team"));
	begin();
	held = group_get(groups_find(groups, TEAM));
	cr_assert_eq(unlink(place("team.xml")), 0);
	settle(true);
	cr_expect_null(groups_find(groups, TEAM));
	cr_expect_eq(groups_count(groups), 0);
	cr_expect_str_eq(held->document->display_name, "Team");
	group_put(held);
}

Test(groups, a_renamed_document_is_missing_for_no_moment)
{
	put(place("a.xml"), group_text(TEAM, "Team"));
	begin();
	cr_assert_eq(rename(place("a.xml"), place("b.xml")), 0);
	groups_poll(groups, 0);
	cr_expect_str_eq(name_of(TEAM), "Team");
	cr_expect_eq(groups_count(groups), 1);
	settle(false);
	cr_expect_str_eq(name_of(TEAM), "Team");
}

Test(groups, of_two_documents_with_one_address_the_second_is_refused_until_the_first_leaves_it)
{
	put(place("a.xml"), group_text(TEAM, "a"));
	put(place("b.xml"), group_text("sip:team@CONF.example.com;x=y", "b"));
	begin();
	cr_expect_str_eq(name_of(TEAM), "a");
	cr_expect_eq(groups_count(groups), 1);
	put(place("b.xml"), group_text(TEAM, "still b"));
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "a");
	put(place("a.xml"), group_text(OTHER, "a is another"));
	settle(true);
	cr_expect_str_eq(name_of(OTHER), "a is another");
	cr_expect_str_eq(name_of(TEAM), "still b");
	cr_expect_eq(groups_count(groups), 2);
	cr_assert_eq(unlink(place("b.xml")), 0);
	settle(true);
	cr_expect_null(groups_find(groups, TEAM));
}

Test(groups, one_file_may_hold_several_groups_and_lose_one)
{
	put(place("two.xml"),
		HEAD "<list-service uri=\"" TEAM "\"/><list-service uri=\"" OTHER "\"/>" TAIL);
	begin();
	cr_expect_eq(groups_count(groups), 2);
	put(place("two.xml"), HEAD "<list-service uri=\"" OTHER "\"/>" TAIL);
	settle(true);
	cr_expect_null(groups_find(groups, TEAM));
	cr_expect_not_null(groups_find(groups, OTHER));
	cr_expect_eq(groups_count(groups), 1);
}

Test(groups, one_call_reads_one_document)
{
	unsigned calls = 1;
	char name[16];

	begin();
	for (unsigned i = 0; i < 5; i++) {
		char uri[32];

		snprintf(uri, sizeof(uri), "sip:g%u@h", i);
		snprintf(name, sizeof(name), "%u.xml", i);
		put(place(name), group_text(uri, "x"));
	}
	for (; groups_poll(groups, 0); calls++)
		cr_expect_leq(groups_count(groups), calls);
	cr_expect_eq(calls, 5);
	cr_expect_eq(groups_count(groups), 5);
}

Test(groups, a_link_is_followed_and_what_it_leads_to_may_be_changed_as_a_whole)
{
	/* As a container's configuration is mounted: documents are links into ..data, a link
	 * too. */
	cr_assert_eq(mkdir(place("..1"), 0700), 0);
	cr_assert_eq(mkdir(place("..2"), 0700), 0);
	put(place("..1/team.xml"), group_text(TEAM, "first"));
	put(place("..2/team.xml"), group_text(TEAM, "second"));
	cr_assert_eq(symlink("..1", place("..data")), 0);
	begin();
	cr_assert_eq(symlink("..data/team.xml", place("team.xml")), 0);
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "first");
	cr_assert_eq(symlink("..2", place("..new")), 0);
	cr_assert_eq(rename(place("..new"), place("..data")), 0);
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "second");
}

Test(groups, a_file_that_could_not_be_read_is_read_when_it_can_be)
{
	if (geteuid() == 0)
		cr_skip_test("root may read everything");
	put(place("team.xml"), group_text(TEAM, "Team"));
	cr_assert_eq(chmod(place("team.xml"), 0), 0);
	begin();
	cr_expect_eq(groups_count(groups), 0);
	cr_assert_eq(chmod(place("team.xml"), 0600), 0);
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "Team");
}

Test(groups, a_directory_may_come_later_go_and_come_again)
{
	char aside[128];

	snprintf(aside, sizeof(aside), "%s/aside", root);
	cr_assert_eq(rmdir(directory), 0);
	begin();
	cr_expect_eq(groups_count(groups), 0);
	cr_assert_eq(mkdir(directory, 0700), 0);
	put(place("team.xml"), group_text(TEAM, "first"));
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "first");
	cr_assert_eq(rename(directory, aside), 0);
	settle(true);
	cr_expect_eq(groups_count(groups), 0);
	cr_assert_eq(symlink("aside", directory), 0);
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "first");
	put(place("team.xml"), group_text(TEAM, "behind a link"));
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "behind a link");
}

Test(groups, also_the_directories_above_may_come_later)
{
	char path[128];

	snprintf(directory, sizeof(directory), "%s/a/b/groups/", root);
	begin();
	snprintf(path, sizeof(path), "%s/a", root);
	cr_assert_eq(mkdir(path, 0700), 0);
	settle(true);
	strcat(path, "/b");
	cr_assert_eq(mkdir(path, 0700), 0);
	settle(true);
	strcat(path, "/groups");
	cr_assert_eq(mkdir(path, 0700), 0);
	settle(true);
	put(place("team.xml"), group_text(TEAM, "Team"));
	settle(true);
	cr_expect_str_eq(name_of(TEAM), "Team");
}

Test(groups, without_a_directory_there_are_no_groups)
{
	cr_assert_eq(groups_new(&groups, ""), 0);
	cr_expect_eq(groups_count(groups), 0);
	cr_expect_not(groups_poll(groups, 1000000));
}

Test(groups, a_check_says_every_fault_with_its_place)
{
	char *text = NULL, *wanted;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	put(place("a.xml"), group_text(TEAM, "a"));
	put(place("b.xml"), group_text(TEAM, "b"));
	put(place("c.xml"), HEAD "\n<list-service uri=\"x\"/>" TAIL);
	cr_expect_eq(groups_check(directory, f), -EINVAL);
	fclose(f);
	cr_assert_gt(
		asprintf(&wanted,
			"%s/b.xml:1: group " TEAM
			" is defined in a.xml already: leave one of them out\n"
			"%s/c.xml:2: uri=\"x\" is no address: write e.g. sip:alice@example.com\n",
			directory, directory),
		0);
	cr_expect_str_eq(text, wanted);
	free(text);
	free(wanted);
	cr_assert_eq(unlink(place("b.xml")), 0);
	cr_assert_eq(unlink(place("c.xml")), 0);
	put(place("a.xml"), HEAD
		"<list-service uri=\"" TEAM "\">\n<list><external anchor=\"x\"/></list>\n"
		"<cp:ruleset>\n<cp:rule id=\"r1\"><cp:conditions><cp:sphere/></cp:conditions></cp:rule>"
		"</cp:ruleset></list-service>" TAIL);
	f = open_memstream(&text, &size);
	cr_expect_eq(groups_check(directory, f), 0, "warnings are no faults");
	fclose(f);
	cr_assert_gt(
		asprintf(&wanted,
			"%s/a.xml:1: an <external> list is not fetched, so who is on it is no member: " TEAM
			"\n"
			"%s/a.xml:4: a rule never applies, as one of its conditions is not known here: r1\n",
			directory, directory),
		0);
	cr_expect_str_eq(text, wanted);
	free(text);
	free(wanted);
}

/* ---- what a document says of a user ---- */

static const char *rules_text(const char *rules)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		HEAD "<list-service uri=\"" TEAM "\"><list><entry uri=\"" ALICE
		     "\"/><entry uri=\"" PHONE
		     "\"/></list><cp:ruleset>%s</cp:ruleset></list-service>" TAIL,
		rules);
	return text;
}

#define RULE(conditions, actions)                                                                  \
	"<cp:rule id='r'><cp:conditions>" conditions "</cp:conditions><cp:actions>" actions        \
	"</cp:actions></cp:rule>"
#define JOIN       "<join-handling>true</join-handling>"
#define NO_JOIN    "<join-handling>false</join-handling>"
#define NO_PRIVATE "<ox:allow-private-message>false</ox:allow-private-message>"
#define PRIVATE    "<ox:allow-private-message>true</ox:allow-private-message>"
#define ONE(uri)   "<cp:identity><cp:one id='" uri "'/></cp:identity>"

Test(groups, a_member_is_found_under_either_of_two_addresses)
{
	put(place("team.xml"), rules_text(""));
	begin();
	cr_expect_not_null(group_member_find(groups_find(groups, TEAM), ALICE, NULL));
	cr_expect_not_null(group_member_find(groups_find(groups, TEAM), "sip:x@h", PHONE));
	cr_expect_not_null(group_member_find(groups_find(groups, TEAM), PHONE, ""));
	cr_expect_null(group_member_find(groups_find(groups, TEAM), BOB, ""));
	cr_expect_null(group_member_find(groups_find(groups, TEAM), "", NULL));
}

Test(groups, rules_decide_what_a_user_may)
{
	static const struct {
		const char *rules;
		enum group_action action;
		const char *user, *second;
		bool anonymous, allowed;
	} table[] = {
		/* no permission without a rule that gives it */
		{ "", GROUP_JOIN_HANDLING, ALICE, NULL, false, false },
		{ "", GROUP_PRIVATE_MESSAGE, BOB, NULL, false, true },
		{ RULE("", ""), GROUP_JOIN_HANDLING, ALICE, NULL, false, false },
		{ RULE("", JOIN), GROUP_INITIATE, ALICE, NULL, false, false },
		/* no condition: everybody */
		{ RULE("", JOIN), GROUP_JOIN_HANDLING, BOB, NULL, false, true },
		{ "<cp:rule><cp:actions>" JOIN "</cp:actions></cp:rule>", GROUP_JOIN_HANDLING, BOB,
			NULL, false, true },
		/* members */
		{ RULE("<is-list-member/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "", false, true },
		{ RULE("<is-list-member/>", JOIN), GROUP_JOIN_HANDLING, BOB, PHONE, false, true },
		{ RULE("<is-list-member/>", JOIN), GROUP_JOIN_HANDLING, BOB, "", false, false },
		/* all conditions of a rule have to hold */
		{ RULE("<is-list-member/>" ONE(BOB), JOIN), GROUP_JOIN_HANDLING, BOB, "", false,
			false },
		{ RULE("<is-list-member/>" ONE(ALICE), JOIN), GROUP_JOIN_HANDLING, ALICE, "", false,
			true },
		/* booleans OR */
		{ RULE("", NO_JOIN) RULE("<is-list-member/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "",
			false, true },
		{ RULE("<is-list-member/>", JOIN) RULE("", NO_JOIN), GROUP_JOIN_HANDLING, ALICE, "",
			false, true },
		{ RULE("", NO_JOIN) RULE("<is-list-member/>", JOIN), GROUP_JOIN_HANDLING, BOB, "",
			false, false },
		/* identities: one of them is enough */
		{ RULE("<cp:identity><cp:one id='" ALICE
		       "'/><cp:one id='tel:+1-555-0100'/></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, "sip:x@h", PHONE, false, true },
		{ RULE("<cp:identity/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "", false, false },
		{ RULE("<cp:identity><cp:one id='sip:z@h'/><cp:many domain='h'/><cp:one id='" CAROL
		       "'/><cp:one id='sip:b@h'/><cp:one id='" ALICE "'/></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, ALICE, "", false, true },
		{ RULE("<cp:identity><cp:one id='sip:z@h'/><cp:many domain='h'/><cp:one id='" CAROL
		       "'/><cp:one id='sip:b@h'/><cp:one id='" ALICE "'/></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, "sip:other@h", CAROL, false, true },
		{ RULE("<cp:identity><cp:one id='sip:z@h'/><cp:many domain='h'/><cp:one id='" CAROL
		       "'/><cp:one id='sip:b@h'/><cp:one id='" ALICE "'/></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, "sip:other@h", "", false, true },
		{ RULE("<cp:identity><cp:one id='sip:z@h'/><cp:many domain='h'/><cp:one id='" CAROL
		       "'/><cp:one id='sip:b@h'/><cp:one id='" ALICE "'/></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, BOB, "", false, false },
		/* many, but the excepted */
		{ RULE("<cp:identity><cp:many/></cp:identity>", JOIN), GROUP_JOIN_HANDLING, PHONE,
			"", false, true },
		{ RULE("<cp:identity><cp:many domain='EXAMPLE.com'/></cp:identity>", JOIN),
			GROUP_JOIN_HANDLING, BOB, "", false, true },
		{ RULE("<cp:identity><cp:many domain='example.com'/></cp:identity>", JOIN),
			GROUP_JOIN_HANDLING, CAROL, "", false, false },
		{ RULE("<cp:identity><cp:many domain='example.com'/></cp:identity>", JOIN),
			GROUP_JOIN_HANDLING, PHONE, "", false, false },
		{ RULE("<cp:identity><cp:many><cp:except id='" MALLORY
		       "'/></cp:many></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, MALLORY, "", false, false },
		{ RULE("<cp:identity><cp:many><cp:except id='" MALLORY
		       "'/></cp:many></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, PHONE, MALLORY, false, false },
		{ RULE("<cp:identity><cp:many><cp:except id='" MALLORY
		       "'/></cp:many></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, BOB, "", false, true },
		{ RULE("<cp:identity><cp:many><cp:except domain='example.net'/></cp:many></cp:identity>",
			  JOIN),
			GROUP_JOIN_HANDLING, CAROL, "", false, false },
		/* others: those whom no rule names */
		{ RULE(ONE(MALLORY), NO_JOIN) RULE("<ocp:other-identity/>", JOIN),
			GROUP_JOIN_HANDLING, MALLORY, "", false, false },
		{ RULE(ONE(MALLORY), NO_JOIN) RULE("<ocp:other-identity/>", JOIN),
			GROUP_JOIN_HANDLING, BOB, "", false, true },
		{ RULE("<ocp:external-list/>", "") RULE("<ocp:other-identity/>", JOIN),
			GROUP_JOIN_HANDLING, BOB, "", false, false },
		/* privacy */
		{ RULE("<ocp:anonymous-request/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "", true,
			true },
		{ RULE("<ocp:anonymous-request/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "", false,
			false },
		/* what is not known never holds */
		{ RULE("<cp:sphere value='home'/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "", false,
			false },
		{ RULE("<cp:validity><cp:from>2000-01-01T00:00:00Z</cp:from><cp:until>2999-01-01T00:00:00Z</cp:until></cp:validity>",
			  JOIN),
			GROUP_JOIN_HANDLING, ALICE, "", false, false },
		{ RULE("<ocp:external-list/>", JOIN), GROUP_JOIN_HANDLING, ALICE, "", false,
			false },
		{ RULE("<cp:sphere value='home'/>", JOIN) RULE("<is-list-member/>", JOIN),
			GROUP_JOIN_HANDLING, ALICE, "", false, true },
		/* the one action that silence allows */
		{ RULE(ONE(BOB), NO_PRIVATE), GROUP_PRIVATE_MESSAGE, BOB, "", false, false },
		{ RULE(ONE(BOB), NO_PRIVATE), GROUP_PRIVATE_MESSAGE, ALICE, "", false, true },
		{ RULE(ONE(BOB), NO_PRIVATE) RULE("", PRIVATE), GROUP_PRIVATE_MESSAGE, BOB, "",
			false, true },
		{ RULE(ONE(BOB), NO_PRIVATE) RULE("", JOIN), GROUP_PRIVATE_MESSAGE, BOB, "", false,
			false },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		put(place("team.xml"), rules_text(table[i].rules));
		if (groups == NULL)
			begin();
		else
			settle(true);
		cr_assert_not_null(groups_find(groups, TEAM), "row %u", i);
		cr_expect_eq(group_allows(groups_find(groups, TEAM), table[i].action, table[i].user,
				     table[i].second, table[i].anonymous),
			table[i].allowed, "row %u: %s", i, table[i].rules);
	}
}
