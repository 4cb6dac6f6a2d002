/* SPDX-License-Identifier: BSD-3-Clause */
/* group_cast: the cast, and a pre-defined group: its document, in force and changed; for one .c
 * each. Its address is in a domain of its own. Alice, Bob and Carol are registered. */
#ifndef TESTS_SCENARIO_FOCUS_GROUP_CAST_H
#define TESTS_SCENARIO_FOCUS_GROUP_CAST_H
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

#define TEAM "sip:team@groups.example.org"

#define TEAM_HEAD                                                                                  \
	"<group xmlns=\"urn:oma:xml:poc:list-service\" "                                           \
	"xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" "                                      \
	"xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" "                                       \
	"xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" "                                             \
	"xmlns:ox=\"urn:oma:xml:xdm:extensions\">\n"                                               \
	"<list-service uri=\"" TEAM "\">\n"
#define ENTRY(name) "<entry uri=\"sip:" name "@example.com\"/>\n"
#define ENTRY_CALLED(name, shown)                                                                  \
	"<entry uri=\"sip:" name "@example.com\"><rl:display-name>" shown                          \
	"</rl:display-name></entry>\n"
#define LIST(entries) "<list>" entries "</list>\n"
#define MEMBERS       LIST(ENTRY("alice") ENTRY("bob") ENTRY("carol"))
#define INVITES       "<invite-members>true</invite-members>\n"
#define MAXIMUM(n)    "<max-participant-count>" n "</max-participant-count>\n"
#define RULE(conditions, actions)                                                                  \
	"<cp:rule id=\"r\"><cp:conditions>" conditions "</cp:conditions><cp:actions>" actions      \
	"</cp:actions></cp:rule>\n"
#define RULES(rules)   "<cp:ruleset>" rules "</cp:ruleset>\n"
#define MAY_JOIN       "<join-handling>true</join-handling>"
#define MAY_INITIATE   "<allow-initiate-conference>true</allow-initiate-conference>"
#define MAY            MAY_JOIN MAY_INITIATE
#define MAY_WATCH      "<allow-conference-state>true</allow-conference-state>"
#define MAY_HIDE       "<allow-anonymity>true</allow-anonymity>"
#define ONE(name)      "<cp:identity><cp:one id=\"sip:" name "@example.com\"/></cp:identity>"
#define MEMBERS_MAY    RULES(RULE("<is-list-member/>", MAY))
#define TEAM_TAIL      "</list-service></group>\n"
#define GROUP(content) TEAM_HEAD content TEAM_TAIL
/* Members are invited; a chat room, whom nobody is invited to. */
#define INVITING       GROUP(MEMBERS INVITES MEMBERS_MAY)
#define CHATTING       GROUP(MEMBERS MEMBERS_MAY)

static unsigned documents_in_force; /* how often one came into force */

/* How often the focus's log holds the text. */
static unsigned log_count(const char *text)
{
	FILE *log = fopen(rig.focus.log, "r");
	unsigned count = 0;
	char line[1200];

	cr_assert_not_null(log);
	while (fgets(line, sizeof(line), log) != NULL)
		count += strstr(line, text) != NULL;
	fclose(log);
	return count;
}

static void log_await(const char *text, unsigned count)
{
	unsigned waited = 0;

	for (; log_count(text) < count && waited < RIG_WAIT_MS; waited += 20)
		rig_pause(20);
	cr_assert_geq(log_count(text), count, "not said in the log: %s", text);
}

/* As programs that replace files do: written beside, moved over. */
static void group_put(const char *name, const char *text)
{
	char path[150], beside[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/groups/%s", rig.directory, name);
	snprintf(beside, sizeof(beside), "%s.new", path);
	file = fopen(beside, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
	cr_assert_eq(rename(beside, path), 0);
}

/* The document of the team, in force. */
static void team_is(const char *text)
{
	group_put("team.xml", text);
	log_await("group document in force", ++documents_in_force);
}

static void is_registered(struct sip_peer *peer)
{
	char address[100], contact[200];

	snprintf(address, sizeof(address), "sip:%s@example.com", peer->name);
	snprintf(contact, sizeof(contact), "Contact: <sip:%s@127.0.0.1:%u>\r\nExpires: 600\r\n",
		peer->name, peer->port);
	cr_assert_eq(register_it(peer, address, contact), 200);
}

__attribute__((unused)) static void open_group(const struct rig_options *options, const char *text)
{
	open_all(options);
	is_registered(&alice);
	is_registered(&bob);
	is_registered(&carol);
	bobs.peer = &bob;
	carols.peer = &carol;
	team_is(text);
}

/* An INVITE to the team, or (who->identity as uri) to its session. */
__attribute__((unused)) static void ask(
	struct sip_call *who, struct sip_peer *peer, const char *uri, const char *headers)
{
	who->peer = peer;
	call_invite(who, peer, uri, headers, "application/sdp", call_sdp(who, "active", ""));
}

__attribute__((unused)) static unsigned ask_team(
	struct sip_call *who, struct sip_peer *peer, const char *headers)
{
	ask(who, peer, TEAM, headers);
	return call_final(who);
}

/* In, with its ACK. */
__attribute__((unused)) static void enter(struct sip_call *who, struct sip_peer *peer)
{
	cr_assert_eq(ask_team(who, peer, ""), 200, "%s: %u", peer->name, peer->message.status);
	call_ack(who);
}

/* The next NOTIFY about the conference; answered, and then in who->peer->message. */
__attribute__((unused)) static const struct sip_message *notified(struct sip_call *who)
{
	cr_assert(sip_await_request(who->peer, "NOTIFY", RIG_WAIT_MS), "%s is told nothing",
		who->peer->name);
	cr_assert_str_eq(sip_header(&who->peer->message, "Event"), "conference");
	sip_reply(who->peer, &who->peer->message, 200, NULL, "", NULL, NULL);
	return &who->peer->message;
}

/* One who is in subscribes within the dialog, and is told the whole state. */
__attribute__((unused)) static void subscribe(struct sip_call *who)
{
	call_request(who, "SUBSCRIBE",
		"Event: conference\r\nAccept: application/conference-info+xml\r\nExpires: 3600\r\n",
		NULL, NULL);
	cr_assert_eq(call_answer_to(who, "SUBSCRIBE") / 100, 2, "%u", who->peer->message.status);
	HAS(notified(who)->body, "state=\"full\"");
}

__attribute__((unused)) static void warned(const struct sip_peer *peer, const char *text)
{
	char warning[200];

	snprintf(warning, sizeof(warning), "399 example.com \"%s\"", text);
	cr_assert_str_eq(sip_header(&peer->message, "Warning"), warning);
}

/* The body taken last, as text. */
__attribute__((unused)) static const char *body_of(const struct msrp_peer *msrp)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%.*s", (int)msrp->body_len, (const char *)msrp->body);
	return text;
}

/* What one says reaches the other; both are bound. */
__attribute__((unused)) static void heard(struct sip_call *from, struct msrp_peer *from_msrp,
	struct msrp_peer *to_msrp, const char *tid, const char *text)
{
	call_say(from, from_msrp, tid, "", text);
	cr_assert_eq(peer_status(from_msrp, tid), 200);
	cr_assert(peer_take(to_msrp, RIG_WAIT_MS) && to_msrp->chunk.method == METHOD_SEND);
	HAS(body_of(to_msrp), text);
}
#endif
