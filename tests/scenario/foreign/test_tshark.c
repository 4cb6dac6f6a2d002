/* SPDX-License-Identifier: BSD-3-Clause */
/* tshark reads along: a rich exchange of four members, captured on loopback. It must see as many
 * SENDs, REPORTs, NICKNAMEs and responses in each direction as the peers sent and got, as many as
 * the switch counted, and nothing malformed. capture.h says how the captured octets come to it.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/scenario/foreign/capture.h"
#include "tests/scenario/switch/scene.h"

#define ROWS_MAX 4000

struct counts {
	unsigned sends, reports, nicknames, others, responses;
	unsigned ok;    /* responses: 200 */
	unsigned whole; /* SENDs that end a message, with '$' or '#' */
	unsigned cut;   /* with '#' */
};

static struct counts said, heard; /* by the peers */
static bool grumpy;               /* dave answers copies with 413 */

static void count(struct counts *counts, const char *method, unsigned status)
{
	if (status != 0) {
		counts->responses++;
		counts->ok += status == 200;
	} else if (strcmp(method, "SEND") == 0) {
		counts->sends++;
	} else if (strcmp(method, "REPORT") == 0) {
		counts->reports++;
	} else if (strcmp(method, "NICKNAME") == 0) {
		counts->nicknames++;
	} else {
		counts->others++;
	}
}

/* What a peer got, and its answer when one is wanted. */
static void take(struct scene *s, unsigned who)
{
	const struct chunk *chunk = &s->peer[who].chunk;
	static const char *const methods[] = { [METHOD_RESPONSE] = "",
		[METHOD_SEND] = "SEND",
		[METHOD_REPORT] = "REPORT",
		[METHOD_NICKNAME] = "NICKNAME",
		[METHOD_OTHER] = "other" };
	unsigned answer;

	count(&heard, methods[chunk->method], chunk->status);
	if (chunk->method != METHOD_SEND)
		return;
	heard.whole += chunk->flag != '+';
	heard.cut += chunk->flag == '#';
	if (chunk->has_failure_report && chunk->failure_report != FAILURE_REPORT_YES)
		return;
	answer = grumpy && who == DAVE ? 413 : 200;
	scene_answer(s, who, answer);
	count(&said, "", answer);
}

/* Until the peers have got so many more responses, whole messages and REPORTs. */
static void settle(struct scene *s, unsigned responses, unsigned whole, unsigned reports)
{
	struct pollfd fds[SCENE_PEOPLE];
	struct counts want = heard;
	unsigned who;
	bool any;

	want.responses += responses;
	want.whole += whole;
	want.reports += reports;
	while (heard.responses < want.responses || heard.whole < want.whole ||
		heard.reports < want.reports) {
		for (who = 0, any = false; who < s->count; who++) {
			fds[who] = (struct pollfd){ s->peer[who].fd, POLLIN, 0 };
			while (peer_poll(&s->peer[who])) {
				take(s, who);
				any = true;
			}
		}
		if (!any && poll(fds, s->count, RIG_WAIT_MS) == 0)
			cr_assert_fail("%u responses of %u, %u messages of %u, %u REPORTs of %u",
				heard.responses, want.responses, heard.whole, want.whole,
				heard.reports, want.reports);
	}
	cr_assert(heard.responses == want.responses && heard.whole == want.whole &&
			  heard.reports == want.reports,
		"more than that came: %u, %u, %u", heard.responses - want.responses,
		heard.whole - want.whole, heard.reports - want.reports);
}

/* Without a body. uri: NULL: the leg's. */
static void ask(struct scene *s, unsigned who, const char *method, const char *tid, const char *uri,
	const char *headers)
{
	peer_print(&s->peer[who], "MSRP %s %s\r\nTo-Path: %s\r\nFrom-Path: %s\r\n%s-------%s$\r\n",
		tid, method, uri != NULL ? uri : s->leg[who].uri, s->leg[who].path, headers, tid);
	count(&said, method, 0);
}

#define TELL(s, who, ...)                                                                          \
	do {                                                                                       \
		SAY(s, who, __VA_ARGS__);                                                          \
		count(&said, "SEND", 0);                                                           \
	} while (0)

static void tell_chunk(struct scene *s, unsigned who, const char *tid, const char *id,
	const char *body, size_t from, size_t to, size_t total, char flag)
{
	char headers[200];

	snprintf(headers, sizeof(headers), "Message-ID: %s\r\nByte-Range: %zu-*/%zu\r\n", id,
		from + 1, total);
	scene_chunk(s, who, tid, headers, body + from, to - from, flag);
	count(&said, "SEND", 0);
}

static void open_room(struct scene *s)
{
	unsigned who;

	scene_open(s,
		&(struct scene_settings){ .workers = 2,
			.outside = true,
			.room = { .flags = ROOM_PRIVATE | ROOM_NICKNAME, .max_message = 30000 } },
		"alice bob carol dave");
	for (who = 0; who < s->count; who++)
		cr_assert_eq(rig_member(&s->rig, CMD_MEMBER_ADD, &s->leg[who],
				     &(struct rig_member_settings){
					     .flags = MEMBER_PRIVATE, .participant = who }),
			0);
}

static void bind_all(struct scene *s)
{
	char tid[16], headers[100];
	unsigned who;

	for (who = 0; who < s->count; who++) {
		peer_connect(&s->peer[who], s->rig.port);
		snprintf(tid, sizeof(tid), "bind%04u", who);
		snprintf(headers, sizeof(headers), "Message-ID: %s\r\n%s", tid,
			who % 2 ? "Byte-Range: 1-0/0\r\n" : "");
		ask(s, who, "SEND", tid, NULL, headers);
		settle(s, 1, 0, 0);
		heard.whole = 0;
	}
}

static void nickname(struct scene *s, unsigned who, const char *tid, unsigned status)
{
	struct switch_cmd cmd = { .type = CMD_NICKNAME, .u.nickname.status = status };

	ask(s, who, "NICKNAME", tid, NULL, "Use-Nickname: \"Somebody\"\r\n");
	rig_event(&s->rig, EVENT_NICKNAME_ASKED, &s->leg[who].id);
	cmd.object = s->leg[who].id;
	cmd.u.nickname.ask = s->rig.event.u.nickname.ask;
	cr_assert_eq(rig_command(&s->rig, s->leg[who].id.worker, &cmd, NULL), 0);
	settle(s, 1, 0, 0);
}

/* Short and long, in chunks, mixed, empty, private, with every kind of report, given up. */
static void messages(struct scene *s)
{
	static char text[25001];
	char id[16], *body;
	size_t len, at;
	unsigned i;

	for (i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "first%03u", i);
		TELL(s, i, .id = id, .text = "hello");
		settle(s, 1, 3, 0);
	}
	for (i = 0; i < 20; i++) { /* at once: several in a segment */
		snprintf(id, sizeof(id), "burst%03u", i);
		TELL(s, i % 3, .id = id, .text = "one\r\n-- of --\r\nmany\r\n");
	}
	settle(s, 20, 60, 0);
	memset(text, 'x', sizeof(text) - 1);
	body = scene_cpim(s, ALICE, &(struct words){ .text = text });
	len = strlen(body);
	for (at = 0, i = 0; at < len; at += 7000, i++) {
		snprintf(id, sizeof(id), "long%04u", i);
		tell_chunk(s, ALICE, id, "longmess", body, at, at + 7000 < len ? at + 7000 : len,
			len, at + 7000 < len ? '+' : '$');
		snprintf(id, sizeof(id), "among%03u", i);
		TELL(s, CAROL, .id = id, .text = "in between");
		settle(s, 2, 3 + (at + 7000 < len ? 0 : 3), 0);
	}
	free(body);
	body = scene_cpim(s, BOB, &(struct words){ .text = text });
	tell_chunk(s, BOB, "giveup00", "givenup0", body, 0, 5000, strlen(body), '+');
	settle(s, 1, 0, 0);
	ask(s, BOB, "SEND", "alive000", NULL, "Message-ID: alive000\r\n");
	settle(s, 1, 0, 0);
	free(body);
	TELL(s, DAVE, .id = "private0", .text = "psst", .to = "<sip:bob@example.com>");
	settle(s, 1, 1, 0);
	TELL(s, ALICE, .id = "report00", .text = "arrived?", .headers = "Success-Report: yes\r\n");
	settle(s, 1, 3, 1);
	TELL(s, BOB, .id = "counted0", .text = "how many?",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	settle(s, 1, 3, 1);
	grumpy = true;
	TELL(s, BOB, .id = "counted1", .text = "and now?",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	settle(s, 1, 3, 1);
	TELL(s, CAROL, .id = "noreport", .text = "say nothing",
		.headers = "Failure-Report: no\r\n");
	settle(s, 0, 3, 0);
	TELL(s, CAROL, .id = "partial0", .text = "only if",
		.headers = "Failure-Report: partial\r\n");
	settle(s, 0, 3, 0);
}

static void refusals(struct scene *s)
{
	static char text[40001];
	char stranger[200];

	memset(text, 'y', sizeof(text) - 1);
	TELL(s, ALICE, .id = "mallory0", .text = "x", .from = "<sip:bob@example.com>"); /* 403 */
	settle(s, 1, 0, 0);
	TELL(s, ALICE, .id = "nobody00", .text = "x", .to = "<sip:no@example.com>"); /* 404 */
	settle(s, 1, 0, 0);
	TELL(s, ALICE, .id = "toolong0", .text = text); /* 413 */
	settle(s, 1, 0, 0);
	ask(s, ALICE, "AUTH", "auth0000", NULL, ""); /* 501 */
	settle(s, 1, 0, 0);
	snprintf(stranger, sizeof(stranger), "msrp://127.0.0.1:%u/nosuchsession;tcp", s->rig.port);
	ask(s, ALICE, "SEND", "stranger", stranger, "Message-ID: stranger\r\n"); /* 481 */
	settle(s, 1, 0, 0);
	nickname(s, BOB, "nick0000", 200);
	nickname(s, BOB, "nick0001", 425);
	ask(s, BOB, "NICKNAME", "nick0002", NULL, "Use-Nickname: unquoted\r\n"); /* 424 */
	settle(s, 1, 0, 0);
	ask(s, DAVE, "REPORT", "report01", NULL,
		"Message-ID: unknown0\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n");
	ask(s, DAVE, "SEND", "alive001", NULL, "Message-ID: alive001\r\n");
	settle(s, 1, 0, 0);
}

static void same(const char *who, const struct counts *a, const struct counts *b)
{
	cr_expect_eq(a->sends, b->sends, "SENDs %s: %u, tshark: %u", who, a->sends, b->sends);
	cr_expect_eq(
		a->reports, b->reports, "REPORTs %s: %u, tshark: %u", who, a->reports, b->reports);
	cr_expect_eq(a->nicknames, b->nicknames, "NICKNAMEs %s: %u, tshark: %u", who, a->nicknames,
		b->nicknames);
	cr_expect_eq(a->others, b->others, "others %s: %u, tshark: %u", who, a->others, b->others);
	cr_expect_eq(a->responses, b->responses, "responses %s: %u, tshark: %u", who, a->responses,
		b->responses);
	cr_expect_eq(a->ok, b->ok, "200 %s: %u, tshark: %u", who, a->ok, b->ok);
	cr_expect_eq(a->cut, b->cut, "'#' %s: %u, tshark: %u", who, a->cut, b->cut);
}

Test(tshark, sees_as_many_of_everything_as_were_sent, .timeout = 110)
{
	static struct capture_row rows[ROWS_MAX];
	struct counts in = { 0 }, out = { 0 }; /* as tshark has it: to the switch, and from it */
	struct capture capture;
	unsigned n, i;
	struct scene s;

	open_room(&s);
	capture_start(&capture, s.rig.port);
	bind_all(&s);
	messages(&s);
	refusals(&s);
	/* bob's message that is not finished is given up with his connection: '#' to the others. */
	peer_close(&s.peer[BOB]);
	s.peer[BOB] = s.peer[DAVE];
	s.leg[BOB] = s.leg[DAVE];
	s.peer[DAVE].fd = -1;
	s.count = 3;
	grumpy = false;
	settle(&s, 0, 3, 0);
	capture_stop(&capture);
	scene_close(&s);

	n = capture_dissect(&capture, rows, ROWS_MAX);
	cr_assert_eq(n, capture.messages, "%u messages, %u rows", capture.messages, n);
	for (i = 0; i < n; i++) {
		struct counts *counts = rows[i].to == capture.port ? &in : &out;
		char twice[40];
		size_t len;

		cr_expect(!rows[i].malformed, "malformed: %s %s", rows[i].method, rows[i].tid);
		/* It shows the transaction id of the start line, then that of the end-line. */
		len = strcspn(rows[i].tid, ",");
		snprintf(twice, sizeof(twice), "-------%.*s", (int)len, rows[i].tid);
		cr_expect(len > 0 && strcmp(rows[i].tid + len + 1, twice + 7) == 0 &&
				  strncmp(rows[i].end_line, twice, strlen(twice)) == 0,
			"%s of %s has the end-line %s", rows[i].method, rows[i].tid,
			rows[i].end_line);
		cr_expect((rows[i].method[0] != '\0') != (rows[i].status != 0));
		count(counts, rows[i].method, rows[i].status);
		counts->cut += strchr(rows[i].end_line, '#') != NULL;
	}
	same("sent by the peers", &said, &in);
	same("got by the peers", &heard, &out);
	/* And as the switch counted. */
	cr_expect_eq(rig_counter(&s.rig, "chunks_in") + rig_counter(&s.rig, "binds_unknown"),
		in.sends + in.reports + in.nicknames + in.others);
	cr_expect_eq(rig_counter(&s.rig, "responses_in"), in.responses);
	cr_expect_eq(rig_counter(&s.rig, "responses_out"), out.responses);
	cr_expect_eq(rig_counter(&s.rig, "reports_out"), out.reports);
	/* It was a rich exchange. */
	cr_expect(out.sends > 100 && out.reports >= 3 && out.responses >= 50 && out.cut == 3 &&
			  out.responses - out.ok >= 7 && in.responses - in.ok >= 1,
		"%u SENDs, %u REPORTs, %u responses, %u '#'", out.sends, out.reports, out.responses,
		out.cut);
	capture_free(&capture);
}
