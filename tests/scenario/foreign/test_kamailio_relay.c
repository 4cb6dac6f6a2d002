/* SPDX-License-Identifier: BSD-3-Clause */
/* Members behind a relay that is not ours: Kamailio's MSRP module stands between them and the switch.
 *
 *      carol, dave  <--TCP-->  Kamailio  <--TCP-->  the switch  <--TCP-->  alice, bob
 *
 * Their a=path has two URIs (RFC 4975 8.1, RFC 4976): the relay's, which it gave them by AUTH, and
 * their own. So the switch's To-Path has two, what it receives has two in its From-Path, SENDs are
 * answered hop by hop, REPORTs and answers to NICKNAME go along the whole path.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/foreign/kamailio.h"
#include "tests/scenario/switch/scene.h"

/* RFC 4976 5 and 6, with what the module offers. AUTH: the client's connection is known from then on
 * (no password is asked: that would prove something of Kamailio only). What comes from a client goes
 * out; a connection that the other side made is found again by the URI that its requests come from.
 * What comes from outside goes to the client that the relay's session-id names. The relay answers
 * SENDs itself (msrp_reply leaves REPORTs and answers alone); of the other side's answer it only
 * takes note. Of a chunk of more than KAMAILIO_SEEN_MAX octets the script sees nothing: every $msrp()
 * is null then, and the lines below are written so that it is relayed inwards all the same. */
static const char relay[] =
	"	msrp_reply_flags(\"1\");\n"
	"	if (msrp_is_reply()) {\n"
	"		xlog(\"L_NOTICE\", \"answer $msrp(code) to $msrp(transid) for $msrp(crthop)\\n\");\n"
	"		if ($msrp(nexthops) == 0) exit;\n"
	"	} else if ($msrp(method) == \"AUTH\") {\n"
	"		$sht(inside=>$msrp(srcaddr)) = 1;\n"
	"		msrp_cmap_save();\n"
	"		exit;\n"
	"	}\n"
	"	if ($sht(inside=>$msrp(srcaddr)) == $null) {\n"
	"		if (msrp_is_request()) $sht(outside=>$msrp(prevhop)) = $msrp(srcaddr);\n"
	"		if (!msrp_cmap_lookup()) {\n"
	"			if ($msrp(method) == \"SEND\") msrp_reply(\"481\", \"No such session\");\n"
	"			exit;\n"
	"		}\n"
	"		msrp_relay_flags(\"1\");\n"
	"	} else if ($sht(outside=>$msrp(nexthop)) != $null) {\n"
	"		msrp_relay_flags(\"1\");\n"
	"		msrp_set_dst(\"$sht(outside=>$msrp(nexthop))\", \"$msrp(srcsock)\");\n"
	"	}\n"
	"	if (msrp_relay()) {\n"
	"		if ($msrp(method) != \"NICKNAME\") msrp_reply(\"200\", \"OK\");\n"
	"	} else if ($msrp(method) != \"NICKNAME\") {\n"
	"		msrp_reply(\"413\", \"Cannot relay it\");\n"
	"	}\n";

static struct kamailio k;

/* ---- a client of the relay ---- */

/* RFC 4976 5.1: AUTH, answered 200 with the URI that stands for this client at the relay. */
static void client_auth(struct msrp_peer *peer, const char *name, char *use_path, size_t size)
{
	struct pollfd fd;
	char text[2048], *at, end[40];
	size_t len = 0;
	ssize_t n;

	peer_connect(peer, k.port);
	peer_print(peer,
		"MSRP auth%s AUTH\r\nTo-Path: msrp://127.0.0.1:%u;tcp\r\nFrom-Path: msrp://127.0.0.1:9/%s;tcp\r\n-------auth%s$\r\n",
		name, k.port, name, name);
	snprintf(end, sizeof(end), "-------auth%s$\r\n", name);
	text[0] = '\0';
	while (strstr(text, end) == NULL) {
		fd = (struct pollfd){ peer->fd, POLLIN, 0 };
		cr_assert_gt(poll(&fd, 1, RIG_WAIT_MS), 0, "AUTH is not answered");
		n = recv(peer->fd, text + len, sizeof(text) - 1 - len, 0);
		cr_assert_gt(n, 0, "the relay closed after %s", text);
		len += (size_t)n;
		text[len] = '\0';
	}
	at = strstr(text, "Use-Path: ");
	cr_assert(at != NULL && strstr(text, " 200 ") != NULL, "%s", text);
	snprintf(use_path, size, "%.*s", (int)strcspn(at + 10, "\r"), at + 10);
}

/* As the client sees it: it sends along relay and switch, and is reached by its own URI. */
static void client_path(struct scene *s, unsigned who, const char *name, const char *use_path,
	char *path, size_t size)
{
	char uri[sizeof(s->leg[who].uri)];

	snprintf(uri, sizeof(uri), "%s", s->leg[who].uri);
	if (strchr(uri, ' ') != NULL) /* it had another relay before */
		memmove(uri, strchr(uri, ' ') + 1, strlen(strchr(uri, ' ')));
	if (snprintf(s->leg[who].uri, sizeof(s->leg[who].uri), "%s %s", use_path, uri) < 0)
		abort();
	snprintf(s->leg[who].path, sizeof(s->leg[who].path), "msrp://127.0.0.1:9/%s;tcp", name);
	if (path != NULL)
		snprintf(path, size, "%s %s", use_path, s->leg[who].path);
}

static void leg_is(struct scene *s, unsigned who, unsigned state, unsigned cause)
{
	const struct leg_status *status = &s->rig.event.u.leg.status;

	do {
		rig_event(&s->rig, EVENT_LEG, &s->leg[who].id);
	} while (status->state != state);
	cr_assert_eq(status->cause, cause, "cause %u (%s)", status->cause,
		leg_cause_text(status->cause));
}

/* The relay's own answer: only it stands in the From-Path. */
static void hop_is(const struct scene *s, unsigned who, const char *tid, unsigned status)
{
	const struct chunk *chunk = &s->peer[who].chunk;
	const char *uri = s->leg[who].uri;

	cr_assert(chunk->method == METHOD_RESPONSE && span_eq(chunk->tid, span_of(tid)),
		"method %d %.*s instead of an answer to %s", (int)chunk->method,
		SPAN_ARG(chunk->tid), tid);
	cr_assert_eq(chunk->status, status, "%u to %s", chunk->status, tid);
	cr_assert(span_eq(chunk->to_path, span_of(s->leg[who].path)));
	cr_assert(span_eq(chunk->from_path, span_make(uri, strcspn(uri, " "))), "From-Path %.*s",
		SPAN_ARG(chunk->from_path));
}

/* The next thing is the relay's own answer. */
static void expect_hop(struct scene *s, unsigned who, const char *tid, unsigned status)
{
	cr_assert(peer_take(&s->peer[who], RIG_WAIT_MS), "no answer to %s", tid);
	hop_is(s, who, tid, status);
}

/* Both at once: Kamailio's processes overtake each other. REPORT as expect_report has it. */
static void expect_hop_and_report(struct scene *s, unsigned who, const char *id, size_t octets)
{
	const struct chunk *chunk = &s->peer[who].chunk;
	bool hop = false, report = false;

	while (!hop || !report) {
		cr_assert(
			peer_take(&s->peer[who], RIG_WAIT_MS), "answer %d, REPORT %d", hop, report);
		if (chunk->method == METHOD_RESPONSE) {
			cr_assert(!hop);
			hop_is(s, who, id, 200);
			hop = true;
			continue;
		}
		cr_assert(chunk->method == METHOD_REPORT && !report);
		cr_assert(span_eq(chunk->message_id, span_of(id)) && chunk->report_status == 200);
		cr_assert(chunk->range.start == 1 && chunk->range.end == octets);
		cr_assert(!chunk->has_distribution_count);
		cr_assert(span_eq(chunk->to_path, span_of(s->leg[who].path)));
		cr_assert(span_eq(chunk->from_path, span_of(s->leg[who].uri)));
		report = true;
	}
}

/* The switch's answer to this transaction came to the relay, and was for nobody else. */
static void expect_at_relay(unsigned status, const char *tid)
{
	char line[200];

	snprintf(line, sizeof(line), "answer %u to %s for msrp://127.0.0.1:%u/", status, tid,
		k.port);
	cr_assert(kamailio_says(&k, line), "the relay was not told: %s", line);
}

/* One more member, behind the relay, bound. */
static unsigned join(struct scene *s, const char *name, bool active)
{
	unsigned who = s->count++;
	char use_path[200], path[400];
	struct rig_leg_settings settings = { .path = path };

	client_auth(&s->peer[who], name, use_path, sizeof(use_path));
	snprintf(path, sizeof(path), "%s msrp://127.0.0.1:9/%s;tcp", use_path, name);
	cr_assert_lt(strlen(path), sizeof(s->leg[who].path));
	settings.setup = active ? LEG_ACTIVE : LEG_PASSIVE;
	s->leg[who] = rig_leg_add(&s->rig, &s->room, name, &settings);
	client_path(s, who, name, use_path, NULL, 0);
	cr_assert_eq(rig_member(&s->rig, CMD_MEMBER_ADD, &s->leg[who],
			     &(struct rig_member_settings){
				     .flags = MEMBER_PRIVATE, .participant = who }),
		0);
	if (active) {
		/* RFC 4975 5.4: the switch connects to the first URI of the path, the relay's, and
		 * sends at once; that comes to the client. */
		struct msrp_peer *peer = &s->peer[who];

		cr_assert(peer_take(peer, RIG_WAIT_MS), "the switch's first SEND does not arrive");
		cr_assert(peer->chunk.method == METHOD_SEND && !peer->chunk.has_body);
		cr_assert(span_eq(peer->chunk.to_path, span_of(s->leg[who].path)));
		cr_assert(span_eq(peer->chunk.from_path, span_of(s->leg[who].uri)), "%.*s",
			SPAN_ARG(peer->chunk.from_path));
	} else {
		scene_ping(s, who, "bind0001", "");
		expect_hop(s, who, "bind0001", 200);
		expect_at_relay(200, "bind0001");
	}
	leg_is(s, who, LEG_BOUND, LEG_CAUSE_NONE);
	return who;
}

static void open_scene(struct scene *s, const char *names, unsigned workers)
{
	kamailio_needed();
	kamailio_start(&k, 0, relay);
	scene_open(s,
		&(struct scene_settings){
			.workers = workers, .room = { .flags = ROOM_PRIVATE | ROOM_NICKNAME } },
		names);
}

static void close_scene(struct scene *s)
{
	scene_close(s);
	kamailio_stop(&k);
}

static char *text_of(size_t len)
{
	char *text = malloc(len + 1);
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = (char)(i % 61 == 60 ? '\n' : 'A' + i % 50);
	text[len] = '\0';
	return text;
}

/* A message in chunks of at most `each` octets; every one but the last is answered in turn. */
static void say_in_chunks(struct scene *s, unsigned who, const char *id, const char *text,
	size_t each, void (*after)(struct scene *s, unsigned chunk))
{
	char *body = scene_cpim(s, who, &(struct words){ .text = text });
	char tid[32], headers[200];
	size_t len = strlen(body), at;
	unsigned n = 0;

	for (at = 0; at < len; at += each, n++) {
		size_t part = len - at < each ? len - at : each;

		snprintf(tid, sizeof(tid), "%sx%u", id, n);
		snprintf(headers, sizeof(headers), "Message-ID: %s\r\nByte-Range: %zu-*/%zu\r\n",
			id, at + 1, len);
		scene_chunk(s, who, tid, headers, body + at, part, at + part < len ? '+' : '$');
		if (strchr(s->leg[who].uri, ' ') != NULL) {
			expect_hop(s, who, tid, 200);
			expect_at_relay(200, tid);
		} else {
			cr_assert_eq(peer_status(&s->peer[who], tid), 200);
		}
		if (after != NULL)
			after(s, n);
	}
	free(body);
}

enum { MEMBER_1 = CAROL }; /* the first behind the relay: alice and bob are direct */

/* Messages both ways, 10 octets and 3 KB; copies to the other direct member too. */
static void talk(struct scene *s, unsigned who)
{
	char *texts[] = { text_of(10), text_of(3072) }, id[16];
	unsigned i;

	for (i = 0; i < 2; i++) {
		snprintf(id, sizeof(id), "outw%04u", i);
		SAY(s, who, .id = id, .text = texts[i]);
		expect_hop(s, who, id, 200);
		expect_at_relay(200, id);
		expect_text(s, ALICE, texts[i]);
		expect_text(s, BOB, texts[i]);
		snprintf(id, sizeof(id), "inwa%04u", i);
		SAY(s, ALICE, .id = id, .text = texts[i]);
		expect_status(s, ALICE, id, 200);
		expect_text(s, BOB, texts[i]);
		expect_text(s, who, texts[i]);
		cr_assert_eq(s->chunks, 1);
		free(texts[i]);
	}
}

Test(kamailio_relay, carries_messages_both_ways_when_the_client_connects, .timeout = 60)
{
	struct scene s;

	open_scene(&s, "alice bob", 1);
	talk(&s, join(&s, "carol", false));
	close_scene(&s);
}

Test(kamailio_relay, carries_messages_both_ways_when_the_switch_connects, .timeout = 60)
{
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 2);
	carol = join(&s, "carol", true);
	talk(&s, carol);
	/* All on the connection that the switch made: a second one would have been refused (506). */
	close_scene(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_accepted"), 2);
	cr_assert_eq(rig_counter(&s.rig, "binds_taken"), 0);
}

/* RFC 4975 5.4: the relay carries both sessions on its one connection to the switch. */
Test(kamailio_relay, two_members_behind_it_share_a_connection, .timeout = 60)
{
	struct scene s;
	unsigned carol, dave;

	open_scene(&s, "alice bob", 2);
	carol = join(&s, "carol", false);
	dave = join(&s, "dave", false);
	SAY(&s, carol, .id = "fromcaro", .text = "to all");
	expect_hop(&s, carol, "fromcaro", 200);
	expect_text(&s, dave, "to all");
	expect_text(&s, ALICE, "to all");
	expect_text(&s, BOB, "to all");
	SAY(&s, dave, .id = "fromdave", .text = "to carol", .to = "<sip:carol@example.com>");
	expect_hop(&s, dave, "fromdave", 200);
	expect_text(&s, carol, "to carol");
	SAY(&s, BOB, .id = "frombob0", .text = "to both");
	expect_status(&s, BOB, "frombob0", 200);
	expect_text(&s, ALICE, "to both");
	expect_text(&s, carol, "to both");
	expect_text(&s, dave, "to both");
	close_scene(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_accepted"), 3, "%llu connections",
		(unsigned long long)rig_counter(&s.rig, "connections_accepted"));
	cr_assert_eq(rig_counter(&s.rig, "binds"), 4);
}

Test(kamailio_relay, carries_long_messages_to_the_switch_in_chunks, .timeout = 60)
{
	char *text = text_of(100000);
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 1);
	carol = join(&s, "carol", false);
	say_in_chunks(&s, carol, "longmess", text, 8000, NULL);
	expect_text(&s, ALICE, text);
	expect_text(&s, BOB, text);
	close_scene(&s);
	free(text);
}

static void bob_says(struct scene *s, unsigned chunk)
{
	char id[16];

	snprintf(id, sizeof(id), "shrt%04u", chunk);
	SAY(s, BOB, .id = id, .text = id);
	cr_assert_eq(peer_status(&s->peer[BOB], id), 200);
}

/* A copy goes on in one chunk for as long as nothing else waits, and Kamailio takes no chunk longer
 * than its buffer. Somebody else's short messages interrupt it (RFC 4975 7.1.1), each in
 * its turn. */
Test(kamailio_relay, carries_long_messages_to_the_client_in_chunks, .timeout = 60)
{
	char *text = text_of(40000), *body;
	unsigned carol, chunks = 0, shorts = 0;
	const struct msrp_peer *peer;
	size_t len = 0, whole;
	struct scene s;
	char shorter[16];

	open_scene(&s, "alice bob", 1);
	carol = join(&s, "carol", false);
	peer = &s.peer[carol];
	body = scene_cpim(&s, ALICE, &(struct words){ .text = text });
	whole = strlen(body);
	say_in_chunks(&s, ALICE, "longmess", text, 4000, bob_says);
	while (len < whole || shorts < whole / 4000 + 1) {
		cr_assert(peer_take(&s.peer[carol], RIG_WAIT_MS),
			"%zu octets and %u short ones came", len, shorts);
		cr_assert(peer->chunk.method == METHOD_SEND && peer->chunk.has_body);
		if (peer->chunk.range.total != whole) {
			snprintf(shorter, sizeof(shorter), "shrt%04u", shorts++);
			cr_assert_gt(peer->body_len, strlen(shorter));
			cr_assert_eq(memcmp(peer->body + peer->body_len - strlen(shorter), shorter,
					     strlen(shorter)),
				0, "%s is not next", shorter);
			cr_assert_eq(peer->chunk.flag, '$');
			continue;
		}
		cr_assert_eq(peer->chunk.range.start, len + 1);
		cr_assert_leq(len + peer->body_len, whole);
		cr_assert_eq(memcmp(body + len, peer->body, peer->body_len), 0, "torn at %zu", len);
		len += peer->body_len;
		chunks++;
		cr_assert_eq(peer->chunk.flag, len == whole ? '$' : '+');
	}
	cr_assert_geq(chunks, 5, "%u chunks", chunks);
	free(body);
	close_scene(&s);
	free(text);
}

/* RFC 4975 7.1.2: a REPORT goes along the whole From-Path of the SEND; the relay's 200 counts for the
 * client, as a hop's does. */
Test(kamailio_relay, reports_go_along_the_whole_path_and_count_the_client, .timeout = 60)
{
	struct scene s;
	unsigned carol;
	size_t octets;

	open_scene(&s, "alice bob", 2);
	carol = join(&s, "carol", false);
	SAY(&s, carol, .id = "counted0", .text = "how many?",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	octets = scene_say_len(&s, carol, &(struct words){ .text = "how many?" });
	expect_hop(&s, carol, "counted0", 200);
	expect_text(&s, ALICE, "how many?");
	scene_answer(&s, ALICE, 200);
	expect_text(&s, BOB, "how many?");
	scene_answer(&s, BOB, 200);
	expect_report(&s, carol, "counted0", octets, 2);
	/* And the other way: carol's copy is answered by the relay. */
	SAY(&s, ALICE, .id = "counted1", .text = "how many?",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	expect_status(&s, ALICE, "counted1", 200);
	expect_text(&s, carol, "how many?");
	expect_text(&s, BOB, "how many?");
	scene_answer(&s, BOB, 200);
	expect_report(&s, ALICE, "counted1", octets, 2);
	/* Success-Report alone: no count. */
	SAY(&s, carol, .id = "report00", .text = "arrived?", .headers = "Success-Report: yes\r\n");
	octets = scene_say_len(&s, carol, &(struct words){ .text = "arrived?" });
	expect_hop_and_report(&s, carol, "report00", octets);
	close_scene(&s);
}

/* RFC 4975 7.2: only a SEND is answered hop by hop; the answer to NICKNAME has the whole path, and the
 * relay hands it on. */
Test(kamailio_relay, other_answers_go_along_the_whole_path, .timeout = 60)
{
	struct switch_cmd cmd = { .type = CMD_NICKNAME, .u.nickname.status = 200 };
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 1);
	carol = join(&s, "carol", false);
	peer_print(&s.peer[carol],
		"MSRP nick0001 NICKNAME\r\nTo-Path: %s\r\nFrom-Path: %s\r\nUse-Nickname: \"Caro\"\r\n-------nick0001$\r\n",
		s.leg[carol].uri, s.leg[carol].path);
	rig_event(&s.rig, EVENT_NICKNAME_ASKED, &s.leg[carol].id);
	cmd.object = s.leg[carol].id;
	cmd.u.nickname.ask = s.rig.event.u.nickname.ask;
	cr_assert_eq(rig_command(&s.rig, s.leg[carol].id.worker, &cmd, NULL), 0);
	expect_status(&s, carol, "nick0001", 200);
	close_scene(&s);
}

/* What the switch refuses is told to the relay, which had said 200 already: RFC 4976 has a REPORT for
 * that, which this script does not make. The message goes nowhere. */
Test(kamailio_relay, a_refusal_comes_to_the_relay, .timeout = 60)
{
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 1);
	carol = join(&s, "carol", false);
	SAY(&s, carol, .id = "mallory0", .text = "not me", .from = "<sip:bob@example.com>");
	expect_hop(&s, carol, "mallory0", 200);
	expect_at_relay(403, "mallory0");
	SAY(&s, carol, .id = "anyone00", .text = "psst", .to = "<sip:nobody@example.com>");
	expect_hop(&s, carol, "anyone00", 200);
	expect_at_relay(404, "anyone00");
	expect_nothing(&s, ALICE);
	expect_nothing(&s, BOB);
	close_scene(&s);
}

/* context.md 1.4: the leg is unbound with its cause, the room goes on, and a new offer/answer with a
 * new path brings it back. */
Test(kamailio_relay, a_relay_that_dies_is_replaced_by_a_new_path, .timeout = 60)
{
	char use_path[200], path[400];
	struct rig_leg_settings settings = { .path = path, .rebind = 1 };
	struct kamailio dead;
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 2);
	carol = join(&s, "carol", false);
	talk(&s, carol);
	kamailio_kill(&k);
	leg_is(&s, carol, LEG_UNBOUND, LEG_CAUSE_LOST);
	cr_assert(peer_ends(&s.peer[carol], RIG_WAIT_MS));
	peer_close(&s.peer[carol]);
	SAY(&s, ALICE, .id = "without0", .text = "without carol",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	expect_status(&s, ALICE, "without0", 200);
	expect_text(&s, BOB, "without carol");
	scene_answer(&s, BOB, 200);
	expect_report(&s, ALICE, "without0",
		scene_say_len(&s, ALICE, &(struct words){ .text = "without carol" }), 1);

	dead = k;
	kamailio_start(&k, 0, relay);
	client_auth(&s.peer[carol], "carol", use_path, sizeof(use_path));
	client_path(&s, carol, "carol", use_path, path, sizeof(path));
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[carol], &settings), 0);
	scene_ping(&s, carol, "again001", "");
	expect_hop(&s, carol, "again001", 200);
	leg_is(&s, carol, LEG_BOUND, LEG_CAUSE_NONE);
	SAY(&s, ALICE, .id = "with0000", .text = "with carol");
	expect_status(&s, ALICE, "with0000", 200);
	expect_text(&s, BOB, "with carol");
	expect_text(&s, carol, "with carol");
	SAY(&s, carol, .id = "back0000", .text = "I am back");
	expect_hop(&s, carol, "back0000", 200);
	expect_text(&s, ALICE, "I am back");
	expect_text(&s, BOB, "I am back");
	close_scene(&s);
	kamailio_stop(&dead);
}

/* A relay that is not there when the switch is to connect, and one that comes later. */
Test(kamailio_relay, an_active_leg_whose_relay_is_away_is_unbound_until_it_has_a_path,
	.timeout = 60)
{
	char use_path[200], path[400];
	struct rig_leg_settings settings = { .path = path, .setup = LEG_ACTIVE };
	struct kamailio dead;
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 1);
	dead = k;
	kamailio_kill(&dead);
	carol = s.count++;
	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/gone;tcp msrp://127.0.0.1:9/carol;tcp",
		dead.port);
	s.leg[carol] = rig_leg_add(&s.rig, &s.room, "carol", &settings);
	s.peer[carol].fd = -1;
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[carol],
			     &(struct rig_member_settings){ .participant = carol }),
		0);
	leg_is(&s, carol, LEG_UNBOUND, LEG_CAUSE_LOST);

	kamailio_start(&k, 0, relay);
	client_auth(&s.peer[carol], "carol", use_path, sizeof(use_path));
	client_path(&s, carol, "carol", use_path, path, sizeof(path));
	cr_assert_eq(rig_leg_update(&s.rig, &s.leg[carol], &settings), 0);
	leg_is(&s, carol, LEG_BOUND, LEG_CAUSE_NONE);
	cr_assert(peer_take(&s.peer[carol], RIG_WAIT_MS));
	cr_assert(!s.peer[carol].chunk.has_body);
	talk(&s, carol);
	close_scene(&s);
	kamailio_stop(&dead);
}

/* A chunk of more than Kamailio relays is refused by it, and the copy is counted as not sent; one of
 * more than it reads costs the connection. The others have all of both. */
Test(kamailio_relay, what_is_too_long_for_it_harms_nobody_else, .timeout = 60)
{
	char *seen = text_of(KAMAILIO_SEEN_MAX + 1000), *text = text_of(KAMAILIO_RELAY_MAX + 1000),
	     *longer = text_of(4 * KAMAILIO_READ_MAX);
	struct scene s;
	unsigned carol;

	open_scene(&s, "alice bob", 1);
	carol = join(&s, "carol", false);
	SAY(&s, ALICE, .id = "unseen00", .text = seen);
	expect_status(&s, ALICE, "unseen00", 200);
	expect_text(&s, BOB, seen);
	expect_text(&s, carol, seen);
	SAY(&s, ALICE, .id = "toolong0", .text = text,
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	expect_status(&s, ALICE, "toolong0", 200);
	expect_text(&s, BOB, text);
	scene_answer(&s, BOB, 200);
	expect_report(&s, ALICE, "toolong0",
		scene_say_len(&s, ALICE, &(struct words){ .text = text }), 1);
	SAY(&s, ALICE, .id = "short000", .text = "still there");
	expect_status(&s, ALICE, "short000", 200);
	expect_text(&s, BOB, "still there");
	expect_text(&s, carol, "still there");

	SAY(&s, ALICE, .id = "toolong1", .text = longer);
	expect_status(&s, ALICE, "toolong1", 200);
	leg_is(&s, carol, LEG_UNBOUND, LEG_CAUSE_LOST);
	expect_text(&s, BOB, longer);
	SAY(&s, BOB, .id = "without1", .text = "without carol");
	expect_status(&s, BOB, "without1", 200);
	expect_text(&s, ALICE, "without carol");
	close_scene(&s);
	free(seen);
	free(text);
	free(longer);
}
