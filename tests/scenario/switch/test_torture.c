/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSRP torture set (tests/torture) against the running switch: what each case is answered, what
 * of it reaches the other members, whether the connection goes on, and that a good message right
 * behind it goes through.
 *
 * Alice sends. Bob is the witness; Carol is a member that takes no private messages. Every case has
 * a connection of its own. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "dataplane/msrp/path.h"
#include "tests/scenario/switch/scene.h"
#include "tests/support/torture.h"

#define MESSAGES_MAX 100
#define MAX_MESSAGE  131072

static struct torture_set set;
static struct scene s;
static unsigned carol;
static char host[64], port[16], session[100];
static struct torture_values values;

/* ---- what a member has received ---- */

struct received {
	char id[CHUNK_TID_MAX + 1];
	char *body;
	size_t len;
	char flag; /* of its last chunk */
};

struct inbox {
	struct received message[MESSAGES_MAX];
	unsigned count;
};

static void inbox_clear(struct inbox *inbox)
{
	for (unsigned i = 0; i < inbox->count; i++)
		free(inbox->message[i].body);
	inbox->count = 0;
}

static struct received *message_of(struct inbox *inbox, struct span id)
{
	for (unsigned i = 0; i < inbox->count; i++)
		if (inbox->message[i].flag == '+' && span_eq(span_of(inbox->message[i].id), id))
			return &inbox->message[i];
	cr_assert_lt(inbox->count, MESSAGES_MAX);
	inbox->message[inbox->count] = (struct received){ .flag = '+' };
	snprintf(inbox->message[inbox->count].id, sizeof(inbox->message[0].id), "%.*s",
		SPAN_ARG(id));
	return &inbox->message[inbox->count++];
}

static bool ends_with(const struct received *message, const char *text)
{
	size_t len = strlen(text);

	return message->len >= len && memcmp(message->body + message->len - len, text, len) == 0;
}

static bool has_open(const struct inbox *inbox)
{
	for (unsigned i = 0; i < inbox->count; i++)
		if (inbox->message[i].flag == '+')
			return true;
	return false;
}

/* Takes until a whole message has come that ends with this text, and no other is open: a short one
 * may overtake a long one that is being written. */
static bool inbox_fill(struct inbox *inbox, unsigned who, const char *last, const char *name)
{
	struct msrp_peer *peer = &s.peer[who];
	const struct chunk *chunk = &peer->chunk;
	struct received *message;
	bool seen = false;

	while (!seen || has_open(inbox)) {
		if (!peer_take(peer, RIG_WAIT_MS)) {
			cr_expect_fail("%s: %s does not get %s", name, s.leg[who].address,
				seen ? "the end of a message" : "what follows");
			return false;
		}
		if (chunk->method != METHOD_SEND)
			continue;
		cr_expect(span_eq(chunk->to_path, span_of(s.leg[who].path)) &&
				  span_eq(chunk->from_path, span_of(s.leg[who].uri)),
			"%s: the paths of a copy", name);
		if (chunk->failure_report == FAILURE_REPORT_YES)
			scene_answer(&s, who, 200);
		message = message_of(inbox, chunk->message_id);
		cr_expect(chunk->has_range && chunk->range.start == message->len + 1,
			"%s: a chunk from %llu on, after %zu octets", name,
			(unsigned long long)chunk->range.start, message->len);
		message->body = realloc(message->body, message->len + peer->body_len + 1);
		memcpy(message->body + message->len, peer->body, peer->body_len);
		message->len += peer->body_len;
		message->flag = chunk->flag;
		seen = seen || (chunk->flag == '$' && ends_with(message, last));
	}
	return true;
}

/* ---- what the index expects ---- */

/* "1+3": pieces joined. */
static char *pieces_joined(const struct torture_octets *octets, struct span text, size_t *len)
{
	char *joined = malloc(octets->len + 1);

	*len = 0;
	while (text.len > 0) {
		struct span number = span_cut(&text, '+');
		unsigned piece = (unsigned)strtoul(number.at, NULL, 10);

		cr_assert(piece >= 1 && piece <= octets->pieces, "piece %u", piece);
		memcpy(joined + *len, octets->piece[piece - 1].at, octets->piece[piece - 1].len);
		*len += octets->piece[piece - 1].len;
	}
	return joined;
}

/* The messages before the last one are those of the index, in their order; where it says "cut", one
 * that ended with '#' may have come or not, as nothing says how soon a beginning is passed on. */
static void inbox_check(const struct inbox *inbox, const struct torture_case *one,
	const struct torture_octets *octets, bool witness)
{
	struct span rest = span_of(one->reaches), item;
	unsigned at = 0, cuts = 0, cut = 0;

	for (; rest.len > 0 && rest.at[0] != '-';) {
		char *body;
		size_t len;

		item = span_cut(&rest, ' ');
		if (span_eq(item, SPAN_LITERAL("cut"))) {
			cuts++;
			continue;
		}
		if (item.at[0] == 'p') {
			if (!witness)
				continue;
			item.at += 2;
			item.len -= 2;
		}
		while (at + 1 < inbox->count && inbox->message[at].flag == '#') {
			at++;
			cut++;
		}
		cr_expect_lt(at + 1, inbox->count, "%s: message %.*s does not come", one->name,
			SPAN_ARG(item));
		if (at + 1 >= inbox->count)
			return;
		body = pieces_joined(octets, item, &len);
		cr_expect(inbox->message[at].flag == '$' && inbox->message[at].len == len &&
				  memcmp(inbox->message[at].body, body, len) == 0,
			"%s: message %.*s of %zu octets comes as %zu octets that end with %c",
			one->name, SPAN_ARG(item), len, inbox->message[at].len,
			inbox->message[at].flag);
		free(body);
		at++;
	}
	for (; at + 1 < inbox->count; at++) {
		cr_expect_eq(inbox->message[at].flag, '#', "%s: another message comes: %.*s",
			one->name, (int)inbox->message[at].len, inbox->message[at].body);
		cut++;
	}
	cr_expect_leq(cut, cuts, "%s: %u messages were begun and cut", one->name, cut);
}

/* The From-Path of the request with this transaction id, and whether it is a SEND. */
static struct span from_path_of(const struct torture_octets *octets, struct span tid, bool *is_send)
{
	struct span rest = span_make(octets->at, octets->len), from = { NULL, 0 };
	struct chunk_in in;
	struct chunk chunk;
	enum chunk_event event;
	size_t used;

	*is_send = true;
	chunk_in_init(&in);
	do {
		event = chunk_in_feed(&in, rest, &used, &chunk);
		rest.at += used;
		rest.len -= used;
		if (event == CHUNK_HEAD && span_eq(chunk.tid, tid)) {
			*is_send = chunk.method == METHOD_SEND;
			return chunk.from_path;
		}
	} while (event != CHUNK_MORE && event != CHUNK_BAD);
	return from;
}

/* RFC 4975 7.2: the answer to a SEND goes to the leftmost URI, any other along the whole path. A
 * From-Path that is none is answered to the peer's a=path. */
static void paths_check(const struct torture_case *one, const struct torture_octets *octets,
	const struct chunk *answer)
{
	struct msrp_uri uri;
	bool is_send;
	struct span from = from_path_of(octets, answer->tid, &is_send), first = from, rest = from;
	bool good = from.len > 0;

	if (is_send)
		from = span_cut(&first, ' ');
	while (good && rest.len > 0) {
		struct span next = span_cut(&rest, ' ');

		good = next.len == 0 || msrp_uri_parse(next, &uri) == 0;
	}
	if (!good)
		from = span_of(s.leg[ALICE].path);
	cr_expect(span_eq(answer->to_path, from), "%s: To-Path: %.*s instead of %.*s", one->name,
		SPAN_ARG(answer->to_path), SPAN_ARG(from));
	cr_expect(msrp_uri_parse(answer->from_path, &uri) == 0, "%s: From-Path: %.*s", one->name,
		SPAN_ARG(answer->from_path));
	cr_expect(answer->refuse == 0 && answer->flag == '$', "%s: %s", one->name,
		answer->refuse != 0 ? answer->refuse_why : "its flag");
}

#define ANSWERS_MAX 100

/* Which items of the index have been seen. */
struct answers {
	struct span item[ANSWERS_MAX];
	bool seen[ANSWERS_MAX];
	unsigned count;
};

static void answers_expected(struct answers *answers, const struct torture_case *one)
{
	struct span rest = span_of(one->answers);

	answers->count = 0;
	while (rest.len > 0 && rest.at[0] != '-') {
		cr_assert_lt(answers->count, ANSWERS_MAX);
		answers->seen[answers->count] = false;
		answers->item[answers->count++] = span_cut(&rest, ' ');
	}
}

static void answer_seen(struct answers *answers, const struct torture_case *one, const char *text)
{
	for (unsigned i = 0; i < answers->count; i++) {
		if (!answers->seen[i] && span_eq(answers->item[i], span_of(text))) {
			answers->seen[i] = true;
			return;
		}
	}
	cr_expect_fail("%s: %s is not expected", one->name, text);
}

/* What the last thing taken is, in the index' words. False: it is nothing of the sort. */
static bool answer_text(const struct chunk *chunk, char *text, size_t size)
{
	if (chunk->method == METHOD_RESPONSE)
		snprintf(text, size, "%.*s=%u", SPAN_ARG(chunk->tid), chunk->status);
	else if (chunk->method == METHOD_REPORT)
		snprintf(text, size, "REPORT:%.*s=%u", SPAN_ARG(chunk->message_id),
			chunk->report_status);
	else
		return false;
	return true;
}

/* ---- a case ---- */

/* Alice has no connection any more, and the switch knows. */
static void alice_leaves(void)
{
	const struct leg_status *status = &s.rig.event.u.leg.status;
	static uint64_t bindings;
	uint64_t seen = 0;

	if (s.peer[ALICE].fd < 0)
		return;
	peer_close(&s.peer[ALICE]);
	do {
		rig_event(&s.rig, EVENT_LEG, &s.leg[ALICE].id);
		seen = status->bindings;
	} while (status->state != LEG_UNBOUND || seen == bindings);
	bindings = seen;
}

static void probe(struct msrp_peer *peer, const char *id, const char *text)
{
	peer_say(peer, &s.leg[ALICE], id, "", text);
}

static void nicknames_answer(const struct torture_case *one, const struct torture_octets *octets)
{
	struct span rest = span_make(octets->at, octets->len);
	struct switch_cmd cmd = { .type = CMD_NICKNAME, .object = s.leg[ALICE].id };
	struct chunk_in in;
	struct chunk chunk;
	enum chunk_event event;
	char item[CHUNK_TID_MAX + 8];
	size_t used;

	chunk_in_init(&in);
	do {
		event = chunk_in_feed(&in, rest, &used, &chunk);
		rest.at += used;
		rest.len -= used;
		if (event != CHUNK_HEAD || chunk.method != METHOD_NICKNAME)
			continue;
		snprintf(item, sizeof(item), "%.*s=200", SPAN_ARG(chunk.tid));
		if (strstr(one->answers, item) == NULL)
			continue;
		rig_event(&s.rig, EVENT_NICKNAME_ASKED, &s.leg[ALICE].id);
		cmd.u.nickname.ask = s.rig.event.u.nickname.ask;
		cmd.u.nickname.status = 200;
		cr_assert_eq(rig_command(&s.rig, s.leg[ALICE].id.worker, &cmd, NULL), 0);
	} while (event != CHUNK_MORE && event != CHUNK_BAD);
}

/* Takes the answers, until the one to the probe or the end of the connection. */
static void answers_take(struct answers *answers, struct msrp_peer *peer,
	const struct torture_case *one, const struct torture_octets *octets, const char *last,
	unsigned last_status)
{
	const struct chunk *chunk = &peer->chunk;
	char text[100];
	bool ended = last == NULL;

	while (peer_take(peer, RIG_WAIT_MS)) {
		if (!answer_text(chunk, text, sizeof(text)))
			continue;
		if (last != NULL && span_eq(chunk->tid, span_of(last))) {
			cr_expect_eq(chunk->status, last_status, "%s: the next request gets %u",
				one->name, chunk->status);
			ended = true;
			break;
		}
		answer_seen(answers, one, text);
		if (chunk->method == METHOD_RESPONSE)
			paths_check(one, octets, chunk);
	}
	cr_expect(ended, "%s: %s", one->name,
		peer->closed ? "the connection is closed" : "the next request is not answered");
	if (last == NULL)
		cr_expect(peer->closed, "%s: the connection is not closed", one->name);
}

/* All have come. A report may come after the answer to what follows, and so may the answer to a
 * NICKNAME, which the controller gives; here the others have answered their copies, too. */
static void answers_check(
	struct answers *answers, struct msrp_peer *peer, const struct torture_case *one)
{
	char text[100];

	for (unsigned i = 0; i < answers->count; i++) {
		while (!answers->seen[i] && peer_take(peer, RIG_WAIT_MS))
			if (answer_text(&peer->chunk, text, sizeof(text)))
				answer_seen(answers, one, text);
		cr_expect(answers->seen[i], "%s: %.*s does not come", one->name,
			SPAN_ARG(answers->item[i]));
	}
}

static void play(const struct torture_case *one, const struct torture_octets *octets)
{
	const bool second = strcmp(one->on, "second") == 0;
	const bool open = strcmp(one->then, "open") == 0;
	static unsigned number;
	struct inbox inbox = { .count = 0 };
	struct answers answers;
	struct msrp_peer other = { .fd = -1 }, *peer = second ? &other : &s.peer[ALICE];
	char id[32], after[100];

	snprintf(id, sizeof(id), "probe%u", ++number);
	snprintf(after, sizeof(after), "after %s %u", one->name, number);
	alice_leaves();
	if (strcmp(one->on, "new") == 0)
		peer_connect(&s.peer[ALICE], s.rig.port);
	else
		peer_bind(&s.peer[ALICE], s.rig.port, &s.leg[ALICE]);
	if (second)
		peer_connect(&other, s.rig.port);
	answers_expected(&answers, one);
	peer_write(peer, octets->at, octets->len);
	if (open) {
		probe(peer, id, after);
		nicknames_answer(one, octets);
		answers_take(&answers, peer, one, octets, id, second ? 506 : 200);
	} else if (strcmp(one->then, "closed") == 0) {
		answers_take(&answers, peer, one, octets, NULL, 0);
	}
	if (!open || second) {
		/* The others go on, and so does she with a new connection. */
		if (!second) {
			if (strcmp(one->on, "new") == 0)
				peer_close(&s.peer[ALICE]);
			else
				alice_leaves();
			peer_bind(&s.peer[ALICE], s.rig.port, &s.leg[ALICE]);
		}
		probe(&s.peer[ALICE], id, after);
		cr_expect_eq(peer_status(&s.peer[ALICE], id), 200, "%s", one->name);
	}
	if (inbox_fill(&inbox, BOB, after, one->name))
		inbox_check(&inbox, one, octets, true);
	inbox_clear(&inbox);
	if (inbox_fill(&inbox, carol, after, one->name))
		inbox_check(&inbox, one, octets, false);
	inbox_clear(&inbox);
	/* What was to be answered to a connection that is closed may be lost with it. */
	if (open)
		answers_check(&answers, peer, one);
	if (second)
		peer_close(&other);
}

static void all(unsigned workers)
{
	const char *directory = getenv("PLENUM_TORTURE"), *only = getenv("PLENUM_TORTURE_CASE");
	struct torture_octets octets;
	struct msrp_uri uri;

	cr_assert_not_null(directory, "PLENUM_TORTURE names no directory");
	torture_load(&set, directory);
	scene_open(&s,
		&(struct scene_settings){ .workers = workers,
			.room = { .flags = ROOM_PRIVATE | ROOM_NICKNAME,
				.max_message = MAX_MESSAGE,
				.wrapped = "text/* message/imdn+xml" } },
		"alice bob");
	carol = scene_join(&s, "carol", &(struct rig_member_settings){ .participant = 2 });
	cr_assert_eq(msrp_uri_parse(span_of(s.leg[ALICE].uri), &uri), 0);
	snprintf(host, sizeof(host), "%.*s", SPAN_ARG(uri.host));
	snprintf(port, sizeof(port), "%u", uri.port);
	snprintf(session, sizeof(session), "%.*s", SPAN_ARG(uri.session_id));
	values = (struct torture_values){ .to = s.leg[ALICE].uri,
		.from = s.leg[ALICE].path,
		.host = host,
		.port = port,
		.session = session,
		.self = s.leg[ALICE].address,
		.room = RIG_ROOM_URI,
		.peer = s.leg[BOB].address,
		.plain = s.leg[carol].address };
	for (unsigned i = 0; i < set.count; i++) {
		if (only != NULL && strcmp(only, set.cases[i].name) != 0)
			continue;
		torture_make(&octets, &set.cases[i], &values);
		play(&set.cases[i], &octets);
		torture_octets_free(&octets);
	}
	scene_close(&s);
	torture_free(&set);
}

Test(torture, every_case_on_one_worker, .timeout = 120)
{
	all(1);
}

Test(torture, every_case_on_two_workers, .timeout = 120)
{
	all(2);
}
