/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/xml/group_document.h"

#define HEAD                                                                                       \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                             \
	"<group xmlns=\"urn:oma:xml:poc:list-service\" "                                           \
	"xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" "                                      \
	"xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" "                                       \
	"xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" "                                             \
	"xmlns:ox=\"urn:oma:xml:xdm:extensions\">\n"
#define SERVICE HEAD "<list-service uri=\"sip:team@conf.example.com\">\n"
#define TAIL    "</list-service></group>\n"
#define RULE(conditions, actions)                                                                  \
	SERVICE "<cp:ruleset><cp:rule id=\"a\">" conditions "<cp:actions>" actions                 \
		"</cp:actions></cp:rule></cp:ruleset>" TAIL

static struct group_document **documents;
static unsigned count;
static struct group_fault fault;

static int parse(const char *text)
{
	return group_document_parse(span_of(text), &documents, &count, &fault);
}

static void forget(void)
{
	for (unsigned i = 0; i < count; i++)
		group_document_free(documents[i]);
	free(documents);
	documents = NULL;
	count = 0;
}

/* The one document of a text that has to be right. */
static struct group_document *parse_one(const char *text)
{
	cr_assert_eq(parse(text), 0, "%u: %s", fault.line, fault.sentence);
	cr_assert_eq(count, 1);
	cr_expect_str_empty(fault.sentence);
	return documents[0];
}

Test(group_document, the_example_of_the_reference_is_read_whole)
{
	struct group_document *d = parse_one(
		"<group xmlns=\"urn:oma:xml:poc:list-service\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\"\n"
		"       xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" xmlns:ox=\"urn:oma:xml:xdm:extensions\">\n"
		" <list-service uri=\"sip:team@Conf.example.com\">\n"
		"  <display-name xml:lang=\"en\">Team</display-name>\n"
		"  <list>\n"
		"   <entry uri=\"sip:alice@example.com\"><rl:display-name>Alice</rl:display-name></entry>\n"
		"   <entry uri=\"tel:+1-555-0100\"/>\n"
		"  </list>\n"
		"  <invite-members>true</invite-members>\n"
		"  <max-participant-count>50</max-participant-count>\n"
		"  <ox:supported-services><ox:service enabler=\"im\"><ox:group-media><ox:message-session/></ox:group-media></ox:service></ox:supported-services>\n"
		"  <cp:ruleset><cp:rule id=\"members\"><cp:conditions><is-list-member/></cp:conditions>\n"
		"   <cp:actions><join-handling>true</join-handling><allow-initiate-conference>true</allow-initiate-conference>\n"
		"    <allow-conference-state>true</allow-conference-state><allow-anonymity>false</allow-anonymity>\n"
		"    <allow-invite-users-dynamically>false</allow-invite-users-dynamically></cp:actions>\n"
		"  </cp:rule></cp:ruleset>\n"
		" </list-service>\n"
		"</group>\n");

	cr_expect_str_eq(d->uri, "sip:team@Conf.example.com");
	cr_expect_str_eq(d->canonical, "sip:team@conf.example.com");
	cr_expect_str_eq(d->display_name, "Team");
	cr_assert_eq(d->member_count, 2);
	cr_expect_str_eq(d->members[0].uri, "sip:alice@example.com");
	cr_expect_str_eq(d->members[0].display_name, "Alice");
	cr_expect_str_eq(d->members[1].uri, "tel:+1-555-0100");
	cr_expect_str_eq(d->members[1].canonical, "tel:+15550100");
	cr_expect_str_eq(d->members[1].display_name, "");
	cr_expect(d->invite_members);
	cr_expect_not(d->members_unknown);
	cr_expect_eq(d->max_participants, 50);
	cr_expect_eq(d->max_duration_s, 0);
	cr_expect_str_eq(d->subject, "");
	cr_assert_eq(d->rule_count, 1);
	cr_expect_str_eq(d->rules[0].id, "members");
	cr_expect_eq(d->line, 3);
	cr_expect_eq(d->rules[0].line, 12);
	cr_assert_eq(d->rules[0].condition_count, 1);
	cr_expect_eq(d->rules[0].conditions[0].kind, GROUP_IF_MEMBER);
	cr_expect_eq(d->rules[0].said, 1u << GROUP_JOIN_HANDLING | 1u << GROUP_INITIATE |
					       1u << GROUP_CONFERENCE_STATE |
					       1u << GROUP_ANONYMITY | 1u << GROUP_INVITE_USERS);
	cr_expect_eq(d->rules[0].allowed,
		1u << GROUP_JOIN_HANDLING | 1u << GROUP_INITIATE | 1u << GROUP_CONFERENCE_STATE);
	forget();
}

Test(group_document, what_is_not_said_has_its_default)
{
	struct group_document *d = parse_one(SERVICE TAIL);

	cr_expect_str_eq(d->display_name, "");
	cr_expect_eq(d->member_count, 0);
	cr_expect_not(d->invite_members);
	cr_expect_eq(d->max_participants, 0);
	cr_expect_eq(d->rule_count, 0);
	forget();
}

Test(group_document, the_order_of_elements_does_not_matter)
{
	struct group_document *d = parse_one(SERVICE
		"<cp:ruleset><cp:rule><cp:actions><join-handling>1</join-handling></cp:actions></cp:rule></cp:ruleset>"
		"<max-participant-count> 7 </max-participant-count><invite-members> 1\n</invite-members>"
		"<list/><display-name> The\tTeam </display-name><display-name xml:lang='de'>Gruppe</display-name>" TAIL);

	cr_expect_str_eq(d->display_name, "TheTeam", "the first, without controls");
	cr_expect(d->invite_members);
	cr_expect_eq(d->max_participants, 7);
	cr_assert_eq(d->rule_count, 1);
	cr_expect_str_eq(d->rules[0].id, "");
	cr_expect_eq(d->rules[0].condition_count, 0);
	forget();
}

Test(group_document, booleans_have_four_spellings_and_join_handling_two_more)
{
	static const struct {
		const char *text;
		bool allowed;
	} table[] = {
		{ RULE("", "<join-handling>true</join-handling>"), true },
		{ RULE("", "<join-handling> 1 </join-handling>"), true },
		{ RULE("", "<join-handling>allow</join-handling>"), true },
		{ RULE("", "<join-handling>false</join-handling>"), false },
		{ RULE("", "<join-handling>0</join-handling>"), false },
		{ RULE("", "<join-handling>block</join-handling>"), false },
		{ RULE("", "<join-handling>tr<!-- x -->ue<ox:x>no</ox:x></join-handling>"), true },
		{ RULE("", "<ox:join-handling>true</ox:join-handling>"), true },
		{ RULE("",
			  "<join-handling>false</join-handling><join-handling>true</join-handling>"),
			true },
		{ RULE("",
			  "<join-handling>true</join-handling><join-handling>false</join-handling>"),
			true },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct group_document *d = parse_one(table[i].text);

		cr_expect_eq(d->rules[0].said, 1u << GROUP_JOIN_HANDLING, "row %u", i);
		cr_expect_eq(d->rules[0].allowed, (uint32_t)table[i].allowed << GROUP_JOIN_HANDLING,
			"row %u", i);
		forget();
	}
}

Test(group_document, every_action_is_read)
{
	static const char *const names[] = {
#define X(id, element) element,
		GROUP_ACTIONS(X)
#undef X
	};

	for (unsigned i = 0; i < GROUP_ACTION_COUNT; i++) {
		char text[1024];
		struct group_document *d;

		snprintf(text, sizeof(text), RULE("", "<ox:%s>true</ox:%s><ox:other>x</ox:other>"),
			names[i], names[i]);
		d = parse_one(text);
		cr_expect_eq(d->rules[0].said, 1u << i, "%s", names[i]);
		cr_expect_eq(d->rules[0].allowed, 1u << i, "%s", names[i]);
		forget();
	}
}

Test(group_document, conditions_are_read_and_unknown_ones_are_kept_as_such)
{
	struct group_document *d = parse_one(
		RULE("<cp:conditions><is-list-member> true </is-list-member><ox:is-list-member/>"
		     "<ocp:other-identity/><other-identity/><ocp:anonymous-request/>"
		     "<ocp:external-list><ocp:entry anc='http://x'/></ocp:external-list>"
		     "<cp:validity><cp:from>2003-12-24T17:00:00+01:00</cp:from></cp:validity>"
		     "<cp:sphere value='work'/><ox:media-list><ox:message-session/></ox:media-list>"
		     "</cp:conditions><cp:conditions><is-list-member/></cp:conditions>",
			""));
	static const enum group_condition_kind kinds[] = { GROUP_IF_MEMBER, GROUP_IF_MEMBER,
		GROUP_IF_OTHER, GROUP_IF_OTHER, GROUP_IF_ANONYMOUS, GROUP_IF_EXTERNAL,
		GROUP_IF_UNKNOWN, GROUP_IF_UNKNOWN, GROUP_IF_UNKNOWN, GROUP_IF_MEMBER };

	cr_assert_eq(d->rules[0].condition_count, sizeof(kinds) / sizeof(kinds[0]));
	for (unsigned i = 0; i < d->rules[0].condition_count; i++)
		cr_expect_eq(d->rules[0].conditions[i].kind, kinds[i], "condition %u", i);
	cr_expect_eq(d->rules[0].said, 0);
	forget();
}

Test(group_document, identities_are_one_or_many_but_some)
{
	struct group_document *d = parse_one(RULE(
		"<cp:conditions><cp:identity><cp:one id=\"sip:%61lice@Example.com\"/><cp:one id='tel:+1-5'/>"
		"<cp:many/><cp:many domain=\"Example.ORG\"><cp:except id=\"sip:mallory@example.org\"/>"
		"<cp:except domain=\"Bad.example.org\"/></cp:many><ox:third/></cp:identity>"
		"<cp:identity/></cp:conditions>",
		""));
	const struct group_identity *i = d->rules[0].conditions[0].identities;

	cr_assert_eq(d->rules[0].condition_count, 2);
	cr_assert_eq(d->rules[0].conditions[0].identity_count, 4);
	cr_expect_not(i[0].many);
	cr_expect_str_eq(i[0].canonical, "sip:alice@example.com");
	cr_expect_str_eq(i[1].canonical, "tel:+15");
	cr_expect(i[2].many);
	cr_expect_null(i[2].domain);
	cr_expect_null(i[2].excepts);
	cr_expect(i[3].many);
	cr_expect_str_eq(i[3].domain, "example.org");
	cr_assert_not_null(i[3].excepts);
	cr_expect_str_eq(i[3].excepts[0], "sip:mallory@example.org");
	cr_expect_str_eq(i[3].excepts[1], "@bad.example.org");
	cr_expect_null(i[3].excepts[2]);
	cr_expect_eq(d->rules[0].conditions[1].identity_count, 0);
	forget();
}

Test(group_document, a_member_who_is_listed_twice_is_one_at_the_first_place)
{
	struct group_document *d = parse_one(SERVICE
		"<list><entry uri='sip:c@h'/><entry uri='sip:b@h'><rl:display-name>B</rl:display-name></entry></list>"
		"<list><rl:entry uri='sip:%62@H'><display-name>second</display-name></rl:entry>"
		"<list><entry uri='sip:a@h;x=1'><display-name>A</display-name></entry></list><entry uri='sip:c@h'/></list>" TAIL);

	cr_assert_eq(d->member_count, 3);
	cr_expect_str_eq(d->members[0].canonical, "sip:c@h");
	cr_expect_str_eq(d->members[1].canonical, "sip:b@h");
	cr_expect_str_eq(d->members[1].display_name, "B");
	cr_expect_str_eq(d->members[2].canonical, "sip:a@h");
	cr_expect_str_eq(d->members[2].uri, "sip:a@h;x=1");
	cr_expect_str_eq(d->members[2].display_name, "A");
	forget();
}

Test(group_document, a_list_that_is_elsewhere_makes_members_unknown)
{
	struct group_document *d = parse_one(
		SERVICE "<list><entry uri='sip:a@h'/><external anchor='http://x/y'/></list>" TAIL);

	cr_expect(d->members_unknown);
	cr_expect_eq(d->member_count, 1);
	forget();
}

Test(group_document, several_list_services_are_several_documents)
{
	cr_assert_eq(
		parse(HEAD
			"<list-service uri='sip:a@one.example'><list><entry uri='sip:x@h'/></list></list-service>"
			"<list-service uri='sips:b@two.example'><list><entry uri='sip:x@h'/><entry uri='sip:y@h'/></list>"
			"<invite-members>true</invite-members></list-service></group>"),
		0, "%s", fault.sentence);
	cr_assert_eq(count, 2);
	cr_expect_str_eq(documents[0]->canonical, "sip:a@one.example");
	cr_expect_eq(documents[0]->member_count, 1);
	cr_expect_not(documents[0]->invite_members);
	cr_expect_str_eq(documents[1]->canonical, "sips:b@two.example");
	cr_expect_eq(documents[1]->member_count, 2);
	cr_expect(documents[1]->invite_members);
	forget();
}

Test(group_document, subject_and_duration_are_read)
{
	static const struct {
		const char *text;
		uint32_t seconds;
	} table[] = { { "90", 90 }, { "PT1H30M", 5400 }, { "P1DT1S", 86401 }, { "P2D", 172800 },
		{ "PT1M", 60 }, { "99999999999999999999999", UINT32_MAX },
		{ "P4294967295D", UINT32_MAX } };
	static const char *const none[] = { "", "P", "PT", "P1M", "P1Y", "PT1S1M", "P1H", "1h",
		"PT1", "PT1.5S", "-5", "P1DT", "PTT1S" };
	char text[1024];

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct group_document *d;

		snprintf(text, sizeof(text),
			SERVICE
			"<ox:subject>Lunch &amp;\r\n more</ox:subject><ox:max-duration>%s</ox:max-duration>" TAIL,
			table[i].text);
		d = parse_one(text);
		cr_expect_str_eq(d->subject, "Lunch & more", "nothing that would end a header");
		cr_expect_eq(d->max_duration_s, table[i].seconds, "%s: %u", table[i].text,
			d->max_duration_s);
		forget();
	}
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(text, sizeof(text), SERVICE "<ox:max-duration>%s</ox:max-duration>" TAIL,
			none[i]);
		cr_expect_eq(parse(text), -EBADMSG, "%s", none[i]);
	}
}

Test(group_document, what_is_refused_is_refused_with_line_and_advice)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *sentence;
	} table[] = {
		{ "", 1, "the group document is empty" },
		{ "hello", 1, "the group document is not XML in UTF-8" },
		{ "<a/>", 1,
			"<a> is no group document: write <group xmlns=\"urn:oma:xml:poc:list-service\">" },
		{ "<group/>", 1,
			"<group> in namespace \"\": write it in urn:oma:xml:poc:list-service" },
		{ HEAD "</group>", 3, "no <list-service>: write <list-service uri=\"sip:...\">" },
		{ HEAD "\n<list-service/></group>", 4,
			"a <list-service> without uri: write uri=\"sip:...\"" },
		{ HEAD "<list-service uri='tel:+15'/></group>", 3,
			"uri=\"tel:+15\" of a <list-service> is no SIP URI: write sip:..." },
		{ HEAD "<list-service uri='sip:a@h'/>\n<list-service uri='sip:a@H'/></group>", 4,
			"uri=\"sip:a@H\" has two <list-service> here: leave one out" },
		{ SERVICE "<list><entry/></list>" TAIL, 4,
			"a <entry> without uri: write uri=\"sip:...\"" },
		{ SERVICE "<list><entry uri='bob'/></list>" TAIL, 4,
			"uri=\"bob\" is no address: write e.g. sip:alice@example.com" },
		{ SERVICE "<list><entry uri='sip:b@h?Subject=x'/></list>" TAIL, 4,
			"uri=\"sip:b@h?Subject=x\" has headers: write the address alone" },
		{ SERVICE "<list><ox:entry uri='sip:b@h'/></list>" TAIL, 4,
			"<entry> in namespace \"urn:oma:xml:xdm:extensions\": write it in urn:oma:xml:poc:list-service" },
		{ SERVICE "<invite-members>yes</invite-members>" TAIL, 4,
			"<invite-members> is \"yes\": write true or false" },
		{ SERVICE "<invite-members/>" TAIL, 4,
			"<invite-members> is \"\": write true or false" },
		{ SERVICE
			"<invite-members>1</invite-members>\n\n<invite-members>1</invite-members>" TAIL,
			6, "<invite-members> twice: leave one out" },
		{ SERVICE "<max-participant-count>0</max-participant-count>" TAIL, 4,
			"<max-participant-count> is \"0\": write a number from 1, or leave it out" },
		{ SERVICE "<max-participant-count>-5</max-participant-count>" TAIL, 4,
			"<max-participant-count> is \"-5\": write a number from 1, or leave it out" },
		{ SERVICE
			"<max-participant-count>5</max-participant-count><max-participant-count>6</max-participant-count>" TAIL,
			4, "<max-participant-count> twice: leave one out" },
		{ SERVICE "<ruleset/>" TAIL, 4,
			"<ruleset> in namespace \"urn:oma:xml:poc:list-service\": write it in urn:ietf:params:xml:ns:common-policy" },
		{ RULE("", "<cp:join-handling>true</cp:join-handling>"), 4,
			"<join-handling> in namespace \"urn:ietf:params:xml:ns:common-policy\": write it in urn:oma:xml:poc:list-service" },
		{ RULE("", "\n<join-handling>TRUE</join-handling>"), 5,
			"<join-handling> is \"TRUE\": write true or false" },
		{ RULE("", "<allow-anonymity>allow</allow-anonymity>"), 4,
			"<allow-anonymity> is \"allow\": write true or false" },
		{ RULE("<cp:conditions><is-list-member>false</is-list-member></cp:conditions>", ""),
			4,
			"<is-list-member> is \"false\": write <is-list-member/>, or leave the condition out" },
		{ RULE("<cp:conditions><cp:identity><cp:one/></cp:identity></cp:conditions>", ""),
			4, "a <one> without id: write id=\"sip:...\"" },
		{ RULE("<cp:conditions><cp:identity><cp:many domain='a b'/></cp:identity></cp:conditions>",
			  ""),
			4, "domain=\"a b\" is no domain: write e.g. example.com" },
		{ RULE("<cp:conditions><cp:identity><cp:many domain='a@b'/></cp:identity></cp:conditions>",
			  ""),
			4, "domain=\"a@b\" is no domain: write e.g. example.com" },
		{ RULE("<cp:conditions><cp:identity><cp:many><cp:except/></cp:many></cp:identity></cp:conditions>",
			  ""),
			4, "an <except> without id or domain: write id=\"sip:...\"" },
		{ "<!DOCTYPE group [<!ENTITY a 'b'>]>" SERVICE TAIL, 1,
			"a DOCTYPE is not allowed" },
		{ SERVICE "<display-name>&a;</display-name>" TAIL, 4, "an entity is not allowed" },
		{ SERVICE "\n<list>", 5, "Premature end of data in tag list line 5" },
		{ SERVICE "<list></lists>" TAIL, 4,
			"Opening and ending tag mismatch: list line 4 and lists" },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cr_expect_eq(parse(table[i].text), -EBADMSG, "row %u", i);
		cr_expect_str_eq(
			fault.sentence, table[i].sentence, "row %u: %s", i, fault.sentence);
		cr_expect_eq(fault.line, table[i].line, "row %u: line %u", i, fault.line);
		cr_expect_null(documents, "row %u", i);
		cr_expect_eq(count, 0, "row %u", i);
	}
}

Test(group_document, depth_has_a_limit)
{
	char text[4096] = SERVICE;

	for (unsigned i = 0; i < 31; i++)
		strcat(text, "<ox:x>");
	cr_expect_eq(parse(text), -EBADMSG);
	cr_expect_str_eq(fault.sentence, "elements are nested more than 32 deep");
}

/* libxml2 has limits of its own (ten million octets) that must not be met below ours. */
Test(group_document, a_large_group_is_read_in_whole_and_a_larger_one_refused, .timeout = 60)
{
	const unsigned members = 250000;
	char *text = malloc(GROUP_DOCUMENT_MAX + 2);
	size_t len = (size_t)sprintf(text, SERVICE "<list>");

	for (unsigned i = 0; i < members; i++)
		len += (size_t)sprintf(text + len,
			"<entry uri=\"sip:user%07u@members.example.com\"><rl:display-name>User %u</rl:display-name></entry>\n",
			i % (members - 1), i);
	len += (size_t)sprintf(text + len, "</list>" TAIL);
	cr_assert_gt(len, 20000000);
	cr_assert_eq(group_document_parse(span_make(text, len), &documents, &count, &fault), 0,
		"%u: %s", fault.line, fault.sentence);
	cr_assert_eq(documents[0]->member_count, members - 1, "one is there twice");
	cr_expect_str_eq(documents[0]->members[members - 2].display_name, "User 249998");
	forget();

	memset(text + len, '\n', GROUP_DOCUMENT_MAX + 1 - len);
	cr_expect_eq(group_document_parse(
			     span_make(text, GROUP_DOCUMENT_MAX + 1), &documents, &count, &fault),
		-EBADMSG);
	cr_expect_str_eq(fault.sentence, "the group document is longer than 67108864 octets");
	free(text);
}
