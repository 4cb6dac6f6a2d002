/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/path.h"
#include "tests/unit/msrp/chunk_trace.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* -- streams ------------------------------------------------------------------------------- */

#define SWITCH_URI "msrp://198.51.100.5:2855/Zs81hTq0a9;tcp"
#define CLIENT_URI "msrp://192.0.2.10:2855/ka83jsd9;tcp"
#define TO_SWITCH  "To-Path: " SWITCH_URI "\r\nFrom-Path: " CLIENT_URI "\r\n"
#define TO_CLIENT  "To-Path: " CLIENT_URI "\r\nFrom-Path: " SWITCH_URI "\r\n"
#define CPIM_BODY                                                                                  \
	"From: <sip:alice@example.com>\r\nTo: <sip:im-q7w2e9@conf.example.com>\r\n"                \
	"DateTime: 2026-03-01T10:00:00Z\r\n\r\nContent-Type: text/plain;charset=utf-8\r\n\r\n"     \
	"Hello, room"

/* context.md 1.7 */
#define BIND                                                                                       \
	"MSRP b7Qx0k2mPz SEND\r\n" TO_SWITCH "Message-ID: k-0001\r\nByte-Range: 1-0/0\r\n"         \
	"-------b7Qx0k2mPz$\r\n"
#define ROOM_SEND_HEAD                                                                             \
	"MSRP d93kswow41 SEND\r\n" TO_SWITCH "Message-ID: m.7781\r\nSuccess-Report: yes\r\n"       \
	"Byte-Range: 1-156/156\r\nContent-Type: message/cpim\r\n\r\n"
#define ROOM_SEND     ROOM_SEND_HEAD CPIM_BODY "\r\n-------d93kswow41$\r\n"
#define ROOM_RESPONSE "MSRP d93kswow41 200 OK\r\n" TO_CLIENT "-------d93kswow41$\r\n"
#define REPORT                                                                                     \
	"MSRP r5hd82kd0a REPORT\r\n" TO_CLIENT "Message-ID: m.7781\r\nByte-Range: 1-156/156\r\n"   \
	"Status: 000 200 OK\r\nDistribution-Count: 3\r\n-------r5hd82kd0a$\r\n"
#define NICKNAME                                                                                   \
	"MSRP n0ck11aa77 NICKNAME\r\n" TO_SWITCH "Use-Nickname: \"Alice W\"\r\n"                   \
	"-------n0ck11aa77$\r\n"

#define SEND_HEAD  "MSRP t1aaaaaaaa SEND\r\n" TO_SWITCH "Content-Type: text/plain\r\n\r\n"
#define SEND_END   "\r\n-------t1aaaaaaaa$\r\n"
#define EMPTY_BODY SEND_HEAD SEND_END
#define TIGHT_BODY SEND_HEAD "-------t1aaaaaaaa#\r\n"
/* Everything that looks like the end-line and is not. */
#define TRICKY_BODY                                                                                \
	"-------t1aaaaaaaa!\r\n-------t1aaaaaaaa$x\n\r\n-------t1aaaaaaaa$\r\r\n"                  \
	"\r\n-------t1aaaaaaa\r\n-------t1aaaaaaaaa$\r\n\r\r\n------\r\n--------t1aaaaaaaa$\r\n"   \
	"-------T1aaaaaaaa$\r\n\n-------t1aaaaaaaa$\r\n\r-------t1aaaaaaaa+\r\n-\r\n--\r\n"

static const char *const seeds[] = {
	BIND,
	ROOM_SEND,
	ROOM_RESPONSE,
	REPORT,
	NICKNAME,
	ROOM_SEND ROOM_RESPONSE REPORT NICKNAME BIND,
	EMPTY_BODY BIND,
	TIGHT_BODY EMPTY_BODY,
	SEND_HEAD TRICKY_BODY "\r\n-------t1aaaaaaaa+\r\n" ROOM_RESPONSE,
	SEND_HEAD "\r\n\r\n\r\n" SEND_END,
	SEND_HEAD "x\r" SEND_END SEND_HEAD "\r" SEND_END SEND_HEAD "\r\n\r" SEND_END,
	/* refused, but framed */
	"MSRP aaaa SEND\r\nX:y\r\n-------aaaa$\r\n" BIND,
	"MSRP aaaa send\r\n" TO_SWITCH "-------aaaa$\r\nMSRP bbbb AUTH\r\n" TO_SWITCH
	"-------bbbb$\r\n",
	/* given up at several places */
	"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	BIND "\r\n" BIND,
	"MSRP aaaa SEND\r\nTo-Path x\r\n-------aaaa$\r\n",
	"MSRP aaaa SEND\r\n" TO_SWITCH "-------aaab$\r\n",
	"MSRP aaaa SEND\r\n" TO_SWITCH " folded\r\n-------aaaa$\r\n",
	"MSRP aaaa 200 OK\r\n" TO_SWITCH "\r\nx\r\n-------aaaa$\r\n",
	"MSRP aaaa SEND\r\n" TO_SWITCH "X: a\rb\r\n-------aaaa$\r\n",
	"MSRP aaaa SEND\r\n" TO_SWITCH "X: a\nb\r\n-------aaaa$\r\n",
	/* not finished */
	ROOM_SEND_HEAD "Hello\r\n-------d93kswow41",
	"MSRP aaaa SEND\r\nTo-Path: ms",
};
#define SEED_COUNT (sizeof(seeds) / sizeof(seeds[0]))

static void play(struct chunk_trace *trace, struct span stream, chunk_trace_piece *piece, void *arg)
{
	chunk_trace_play(trace, stream, piece, arg);
	cr_assert_null(trace->broken, "broken: %s", trace->broken);
}

static void expect_same(struct span stream, const struct chunk_trace *whole,
	chunk_trace_piece *piece, void *arg, const char *how, size_t number)
{
	struct chunk_trace cut;

	play(&cut, stream, piece, arg);
	cr_assert(chunk_trace_eq(whole, &cut), "%s %zu of:\n%.*s\nwhole:\n%.*s\ncut:\n%.*s", how,
		number, SPAN_ARG(stream), (int)whole->len, whole->text, (int)cut.len, cut.text);
	chunk_trace_fini(&cut);
}

struct random_cuts {
	uint32_t state;
};

static size_t piece_random(void *arg, size_t left)
{
	struct random_cuts *cuts = arg;
	size_t piece;

	cuts->state = cuts->state * 1664525u + 1013904223u;
	piece = 1 + (cuts->state >> 16) % 40;
	return piece < left ? piece : left;
}

/* -- splits -------------------------------------------------------------------------------- */

Test(chunk_in, every_split_gives_the_same_events)
{
	for (size_t i = 0; i < SEED_COUNT; i++) {
		struct span stream = span_of(seeds[i]);
		struct chunk_trace whole;

		play(&whole, stream, chunk_trace_whole, NULL);
		for (size_t split = 1; split < stream.len; split++) {
			size_t first = split;

			expect_same(stream, &whole, chunk_trace_split, &first, "split", split);
		}
		chunk_trace_fini(&whole);
	}
}

Test(chunk_in, octet_by_octet_gives_the_same_events)
{
	for (size_t i = 0; i < SEED_COUNT; i++) {
		struct span stream = span_of(seeds[i]);
		struct chunk_trace whole;

		play(&whole, stream, chunk_trace_whole, NULL);
		expect_same(stream, &whole, chunk_trace_octets, NULL, "seed", i);
		chunk_trace_fini(&whole);
	}
}

Test(chunk_in, random_splits_give_the_same_events)
{
	for (size_t i = 0; i < SEED_COUNT; i++) {
		struct span stream = span_of(seeds[i]);
		struct chunk_trace whole;

		play(&whole, stream, chunk_trace_whole, NULL);
		for (uint32_t round = 0; round < 300; round++) {
			struct random_cuts cuts = { round };

			expect_same(stream, &whole, piece_random, &cuts, "round", round);
		}
		chunk_trace_fini(&whole);
	}
}

Test(chunk_in, a_pipelined_stream_gives_each_chunk)
{
	struct chunk_trace trace;

	play(&trace, span_of(seeds[5]), chunk_trace_whole, NULL);
	cr_expect_eq(trace.heads, 5);
	cr_expect_eq(trace.ends, 5);
	cr_expect_eq(trace.error, CHUNK_OK);
	cr_expect_eq(trace.used, strlen(seeds[5]));
	chunk_trace_fini(&trace);
}

/* -- one chunk ----------------------------------------------------------------------------- */

struct taken {
	struct chunk head;
	enum chunk_event event; /* the first one */
	enum chunk_event last;  /* the last one: END, MORE or BAD */
	char flag;
	char body[32768];
	size_t body_len;
	size_t used;
	enum chunk_error error;
	struct chunk_in in; /* holds the transaction id that head.tid shows */
};

static void take_span(struct taken *taken, struct span stream)
{
	struct chunk chunk;
	size_t used;

	memset(taken, 0, sizeof(*taken));
	chunk_in_init(&taken->in);
	taken->event = taken->last = chunk_in_feed(&taken->in, stream, &taken->used, &taken->head);
	while (taken->last == CHUNK_HEAD || taken->last == CHUNK_BODY) {
		taken->last = chunk_in_feed(&taken->in,
			span_make(stream.at + taken->used, stream.len - taken->used), &used,
			&chunk);
		taken->used += used;
		if (taken->last == CHUNK_BODY) {
			memcpy(taken->body + taken->body_len, chunk.body.at, chunk.body.len);
			taken->body_len += chunk.body.len;
		}
		if (taken->last == CHUNK_END)
			taken->flag = chunk.flag;
	}
	taken->error = (enum chunk_error)taken->in.error;
}

static void take(struct taken *taken, const char *stream)
{
	take_span(taken, span_of(stream));
}

static void expect_text(struct span text, const char *expected)
{
	cr_expect(
		span_eq(text, span_of(expected)), "\"%.*s\", not \"%s\"", SPAN_ARG(text), expected);
}

/* A SEND, REPORT ... with `headers` after the paths. */
static void take_headers(struct taken *taken, const char *method, const char *headers)
{
	static char stream[4096];

	snprintf(stream, sizeof(stream), "MSRP aaaa %s\r\n" TO_SWITCH "%s-------aaaa$\r\n", method,
		headers);
	take(taken, stream);
	cr_assert_eq(taken->last, CHUNK_END, "%s", stream);
}

Test(chunk_in, the_binding_send_is_read)
{
	static struct taken taken;

	take(&taken, BIND);
	cr_assert_eq(taken.event, CHUNK_HEAD);
	cr_expect_eq(taken.head.method, METHOD_SEND);
	cr_expect_eq(taken.head.refuse, 0);
	expect_text(taken.head.tid, "b7Qx0k2mPz");
	expect_text(taken.head.method_text, "SEND");
	expect_text(taken.head.to_path, SWITCH_URI);
	expect_text(taken.head.from_path, CLIENT_URI);
	expect_text(taken.head.message_id, "k-0001");
	cr_expect_not(taken.head.has_body);
	cr_expect(taken.head.has_range);
	cr_expect(taken.head.range.start == 1 && taken.head.range.end == 0 &&
		  taken.head.range.total == 0);
	cr_expect_eq(taken.head.failure_report, FAILURE_REPORT_YES);
	cr_expect_not(taken.head.success_report);
	cr_expect_eq(taken.last, CHUNK_END);
	cr_expect_eq(taken.flag, '$');
	cr_expect_eq(taken.body_len, 0);
	cr_expect_eq(taken.used, strlen(BIND));
}

Test(chunk_in, the_room_message_is_read)
{
	static struct taken taken;

	take(&taken, ROOM_SEND);
	cr_assert_eq(taken.event, CHUNK_HEAD);
	cr_expect_eq(taken.head.refuse, 0);
	cr_expect(taken.head.has_body);
	expect_text(taken.head.content_type, "message/cpim");
	cr_expect(taken.head.success_report && taken.head.has_success_report);
	cr_expect_not(taken.head.include_sent_count);
	cr_expect_eq(taken.body_len, 156);
	expect_text(span_make(taken.body, taken.body_len), CPIM_BODY);
	cr_expect_eq(taken.last, CHUNK_END);
	cr_expect_eq(taken.flag, '$');
}

Test(chunk_in, the_response_is_read)
{
	static struct taken taken;

	take(&taken, ROOM_RESPONSE);
	cr_expect_eq(taken.head.method, METHOD_RESPONSE);
	cr_expect_eq(taken.head.status, 200);
	cr_expect_eq(taken.head.refuse, 0);
	expect_text(taken.head.tid, "d93kswow41");
	cr_expect_eq(taken.last, CHUNK_END);
	take(&taken, "MSRP aaaa 481\r\n" TO_CLIENT "-------aaaa$\r\n");
	cr_expect_eq(taken.head.status, 481, "a comment may be absent");
	cr_expect_eq(taken.head.refuse, 0);
}

Test(chunk_in, the_report_is_read)
{
	static struct taken taken;

	take(&taken, REPORT);
	cr_expect_eq(taken.head.method, METHOD_REPORT);
	cr_expect_eq(taken.head.refuse, 0);
	cr_expect_eq(taken.head.report_namespace, 0);
	cr_expect_eq(taken.head.report_status, 200);
	cr_expect(taken.head.has_distribution_count);
	cr_expect_eq(taken.head.distribution_count, 3);
	cr_expect_eq(taken.head.range.end, 156);
	cr_expect_eq(taken.last, CHUNK_END);
}

Test(chunk_in, the_nickname_is_read)
{
	static struct taken taken;

	take(&taken, NICKNAME);
	cr_expect_eq(taken.head.method, METHOD_NICKNAME);
	cr_expect_eq(taken.head.refuse, 0);
	cr_expect(taken.head.has_nickname);
	expect_text(taken.head.nickname, "Alice W");
	cr_expect_eq(taken.last, CHUNK_END);
}

Test(chunk_in, an_interrupted_message_shows_its_flags)
{
	static struct taken taken;

	take(&taken, "MSRP t1aaaaaaaa SEND\r\n" TO_SWITCH
		     "Message-ID: m.90\r\nByte-Range: 1-*/5000\r\nContent-Type: text/plain\r\n\r\n"
		     "part\r\n-------t1aaaaaaaa+\r\n");
	cr_expect_eq(taken.flag, '+');
	cr_expect_eq(taken.head.range.end, BYTE_RANGE_UNKNOWN);
	cr_expect_eq(taken.head.range.total, 5000);
	expect_text(span_make(taken.body, taken.body_len), "part");
	take(&taken, SEND_HEAD "part\r\n-------t1aaaaaaaa#\r\n");
	cr_expect_eq(taken.flag, '#');
}

/* -- bodies -------------------------------------------------------------------------------- */

Test(chunk_in, an_empty_body_differs_from_none)
{
	static struct taken taken;

	take(&taken, EMPTY_BODY);
	cr_expect(taken.head.has_body);
	cr_expect_eq(taken.body_len, 0);
	cr_expect_eq(taken.last, CHUNK_END);
	take(&taken, "MSRP aaaa SEND\r\n" TO_SWITCH "Content-Type: text/plain\r\n-------aaaa$\r\n");
	cr_expect_not(taken.head.has_body);
	cr_expect_eq(taken.last, CHUNK_END);
}

Test(chunk_in, an_end_line_right_behind_the_blank_line_ends_an_empty_body)
{
	static struct taken taken;

	take(&taken, TIGHT_BODY);
	cr_expect(taken.head.has_body);
	cr_expect_eq(taken.body_len, 0);
	cr_expect_eq(taken.last, CHUNK_END);
	cr_expect_eq(taken.flag, '#');
}

Test(chunk_in, what_only_looks_like_the_end_line_is_body)
{
	static struct taken taken;

	take(&taken, SEND_HEAD TRICKY_BODY SEND_END);
	cr_expect_eq(taken.last, CHUNK_END);
	expect_text(span_make(taken.body, taken.body_len), TRICKY_BODY);
}

Test(chunk_in, the_crlf_before_the_end_line_is_not_body_and_those_before_it_are)
{
	static struct taken taken;

	take(&taken, SEND_HEAD "x\r\n\r\n" SEND_END);
	expect_text(span_make(taken.body, taken.body_len), "x\r\n\r\n");
}

Test(chunk_in, a_lying_byte_range_hides_nothing)
{
	static struct taken taken;

	take(&taken, "MSRP aaaa SEND\r\n" TO_SWITCH "Byte-Range: 1-100000/100000\r\n"
		     "Content-Type: text/plain\r\n\r\nshort\r\n-------aaaa$\r\n" BIND);
	cr_expect_eq(taken.last, CHUNK_END);
	expect_text(span_make(taken.body, taken.body_len), "short");
}

Test(chunk_in, a_body_of_zeros_and_high_octets_comes_unchanged)
{
	static struct taken taken;
	static char stream[8192];
	size_t head = strlen(SEND_HEAD), len = head;

	memcpy(stream, SEND_HEAD, head);
	for (int i = 0; i < 4096; i++)
		stream[len++] = (char)(i * 7);
	memcpy(stream + len, SEND_END, strlen(SEND_END));
	take_span(&taken, span_make(stream, len + strlen(SEND_END)));
	cr_expect_eq(taken.last, CHUNK_END);
	cr_assert_eq(taken.body_len, 4096);
	cr_expect_eq(memcmp(taken.body, stream + head, 4096), 0);
}

/* The end-line at every place relative to the vectors of the search. */
Test(chunk_in, the_end_line_is_found_wherever_it_stands)
{
	for (size_t body = 0; body < 100; body++) {
		static struct taken taken;
		char stream[1024];
		size_t len = strlen(SEND_HEAD);

		memcpy(stream, SEND_HEAD, len);
		memset(stream + len, '-', body);
		len += body;
		memcpy(stream + len, SEND_END, strlen(SEND_END));
		take_span(&taken, span_make(stream, len + strlen(SEND_END)));
		cr_assert_eq(taken.last, CHUNK_END, "body of %zu", body);
		cr_assert_eq(taken.body_len, body);
	}
}

/* All bodies of up to five of the octets that an end-line begins with, and one that it does not. */
Test(chunk_in, a_body_that_almost_begins_the_end_line_comes_whole)
{
	static const char octets[] = { '\r', '\n', '-', 'x' };
	const size_t head = strlen(SEND_HEAD);

	for (unsigned number = 0, len = 0, all = 1; len <= 5; number++) {
		static struct taken taken;
		char stream[512], body[8];
		struct chunk_trace whole;
		size_t end;

		if (number == all) {
			all *= 4;
			len++;
			number = 0;
		}
		for (unsigned i = 0; i < len; i++)
			body[i] = octets[number >> 2 * i & 3];
		memcpy(stream, SEND_HEAD, head);
		memcpy(stream + head, body, len);
		end = head + len + strlen(SEND_END);
		memcpy(stream + head + len, SEND_END, strlen(SEND_END));
		take_span(&taken, span_make(stream, end));
		cr_assert_eq(taken.last, CHUNK_END, "body %u of %u", number, len);
		cr_assert(span_eq(span_make(taken.body, taken.body_len), span_make(body, len)),
			"body %u of %u", number, len);
		play(&whole, span_make(stream, end), chunk_trace_whole, NULL);
		expect_same(
			span_make(stream, end), &whole, chunk_trace_octets, NULL, "body", number);
		chunk_trace_fini(&whole);
	}
}

Test(chunk_in, a_body_without_content_type_is_refused_and_framed)
{
	static struct taken taken;

	take(&taken, "MSRP aaaa SEND\r\n" TO_SWITCH "\r\nbody\r\n-------aaaa$\r\n");
	cr_expect_eq(taken.head.refuse, 400);
	cr_expect_not(taken.head.has_body);
	cr_expect_eq(taken.last, CHUNK_END);
}

Test(chunk_in, a_response_with_a_body_is_the_end)
{
	static struct taken taken;

	take(&taken, "MSRP aaaa 200 OK\r\n" TO_CLIENT
		     "Content-Type: text/plain\r\n\r\nx\r\n-------aaaa$\r\n");
	cr_expect_eq(taken.event, CHUNK_BAD);
	cr_expect_eq(taken.error, CHUNK_ERR_BODY);
}

static void take_report_with_body(struct taken *taken, size_t body)
{
	static char stream[32768];
	size_t len = (size_t)snprintf(stream, sizeof(stream),
		"MSRP aaaa REPORT\r\n" TO_CLIENT "Content-Type: text/plain\r\n\r\n");

	memset(stream + len, 'x', body);
	len += body;
	len += (size_t)snprintf(stream + len, sizeof(stream) - len, "\r\n-------aaaa$\r\n");
	take_span(taken, span_make(stream, len));
}

Test(chunk_in, a_body_that_is_not_of_a_send_has_a_limit)
{
	static struct taken taken;

	take_report_with_body(&taken, CHUNK_OTHER_BODY_MAX);
	cr_expect_eq(taken.last, CHUNK_END);
	cr_expect_eq(taken.body_len, CHUNK_OTHER_BODY_MAX);
	take_report_with_body(&taken, CHUNK_OTHER_BODY_MAX + 1);
	cr_expect_eq(taken.last, CHUNK_BAD);
	cr_expect_eq(taken.error, CHUNK_ERR_BODY);
}

/* The limit is of one request's body, not of all that came on the connection. */
Test(chunk_in, the_next_request_has_the_whole_limit_again)
{
	static char stream[2 * (CHUNK_OTHER_BODY_MAX + 256)];
	struct chunk_trace trace;
	size_t len = 0;

	for (int i = 0; i < 2; i++) {
		len += (size_t)snprintf(stream + len, sizeof(stream) - len,
			"MSRP aaaa REPORT\r\n" TO_CLIENT "Content-Type: text/plain\r\n\r\n");
		memset(stream + len, 'x', CHUNK_OTHER_BODY_MAX);
		len += CHUNK_OTHER_BODY_MAX;
		len += (size_t)snprintf(stream + len, sizeof(stream) - len, "\r\n-------aaaa$\r\n");
	}
	play(&trace, span_make(stream, len), chunk_trace_whole, NULL);
	cr_expect_eq(trace.ends, 2);
	cr_expect_eq(trace.error, CHUNK_OK);
	chunk_trace_fini(&trace);
}

/* -- limits -------------------------------------------------------------------------------- */

static char limit_stream[CHUNK_HEAD_MAX + 4096];
static size_t limit_len;

static void limit_begin(const char *text)
{
	limit_len = strlen(text);
	memcpy(limit_stream, text, limit_len);
}

static void limit_add(const char *text)
{
	memcpy(limit_stream + limit_len, text, strlen(text));
	limit_len += strlen(text);
}

static void limit_fill(size_t len)
{
	memset(limit_stream + limit_len, 'x', len);
	limit_len += len;
}

/* The stream is taken, or given up for this reason, whole, octet by octet and in pieces. */
static void limit_expect(enum chunk_error error)
{
	struct span stream = span_make(limit_stream, limit_len);
	struct random_cuts cuts = { 7 };
	struct chunk_trace whole;

	play(&whole, stream, chunk_trace_whole, NULL);
	cr_expect_eq(whole.error, error, "error %d, not %d", whole.error, error);
	cr_expect_eq(whole.ends, error == CHUNK_OK);
	expect_same(stream, &whole, chunk_trace_octets, NULL, "octets", error);
	expect_same(stream, &whole, piece_random, &cuts, "random", error);
	chunk_trace_fini(&whole);
}

static void limit_start_line(size_t len)
{
	limit_begin("MSRP aaaa 200 ");
	limit_fill(len - limit_len);
	limit_add("\r\n" TO_CLIENT "-------aaaa$\r\n");
}

Test(chunk_in, a_start_line_of_512_octets_is_taken_and_of_513_not)
{
	limit_start_line(CHUNK_START_LINE_MAX);
	limit_expect(CHUNK_OK);
	limit_start_line(CHUNK_START_LINE_MAX + 1);
	limit_expect(CHUNK_ERR_START_LINE);
}

static void limit_header(size_t len)
{
	limit_begin("MSRP aaaa SEND\r\n" TO_SWITCH "X: ");
	limit_fill(len - 3);
	limit_add("\r\n-------aaaa$\r\n");
}

Test(chunk_in, a_header_of_8192_octets_is_taken_and_of_8193_not)
{
	limit_header(CHUNK_HEADER_MAX);
	limit_expect(CHUNK_OK);
	limit_header(CHUNK_HEADER_MAX + 1);
	limit_expect(CHUNK_ERR_HEADER_LONG);
}

/* A head of exactly `len` octets, what ends it included. */
static void limit_head(size_t len, bool with_body)
{
	size_t tail = with_body ? 4 : 3; /* CRLF CRLF, or CRLF and the first dash */

	limit_begin("MSRP aaaa SEND\r\n" TO_SWITCH "Content-Type: text/plain\r\nX: ");
	limit_fill(CHUNK_HEADER_MAX - 3);
	limit_add("\r\nY: ");
	limit_fill(len - tail - limit_len);
	limit_add(with_body ? "\r\n\r\nx\r\n-------aaaa$\r\n" : "\r\n-------aaaa$\r\n");
}

Test(chunk_in, a_head_of_16384_octets_is_taken_and_of_16385_not)
{
	limit_head(CHUNK_HEAD_MAX, true);
	limit_expect(CHUNK_OK);
	limit_head(CHUNK_HEAD_MAX, false);
	limit_expect(CHUNK_OK);
	limit_head(CHUNK_HEAD_MAX + 1, true);
	limit_expect(CHUNK_ERR_HEAD_LONG);
	limit_head(CHUNK_HEAD_MAX + 1, false);
	limit_expect(CHUNK_ERR_HEAD_LONG);
}

static void limit_headers(unsigned count)
{
	limit_begin("MSRP aaaa SEND\r\n" TO_SWITCH);
	for (unsigned i = 2; i < count; i++)
		limit_add("X: y\r\n");
	limit_add("-------aaaa$\r\n");
}

Test(chunk_in, sixty_four_headers_are_taken_and_one_more_not)
{
	limit_headers(CHUNK_HEADERS_MAX);
	limit_expect(CHUNK_OK);
	limit_headers(CHUNK_HEADERS_MAX + 1);
	limit_expect(CHUNK_ERR_HEADERS_MANY);
}

static void limit_path(unsigned count)
{
	limit_begin("MSRP aaaa SEND\r\nTo-Path:");
	for (unsigned i = 0; i < count; i++)
		limit_add(" " SWITCH_URI);
	limit_add("\r\nFrom-Path: " CLIENT_URI "\r\n-------aaaa$\r\n");
}

Test(chunk_in, a_path_of_sixteen_uris_is_taken_and_of_seventeen_not)
{
	limit_path(PATH_URIS_MAX);
	limit_expect(CHUNK_OK);
	limit_path(PATH_URIS_MAX + 1);
	limit_expect(CHUNK_ERR_PATH_LONG);
}

static void limit_tid(size_t len)
{
	limit_begin("MSRP ");
	limit_fill(len);
	limit_add(" 200 OK\r\n" TO_CLIENT "-------");
	limit_fill(len);
	limit_add("$\r\n");
}

Test(chunk_in, a_transaction_id_has_4_to_32_octets)
{
	limit_tid(3);
	limit_expect(CHUNK_ERR_START_LINE);
	limit_tid(4);
	limit_expect(CHUNK_OK);
	limit_tid(CHUNK_TID_MAX);
	limit_expect(CHUNK_OK);
	limit_tid(CHUNK_TID_MAX + 1);
	limit_expect(CHUNK_ERR_START_LINE);
}

/* Garbage without a line end is known by its first octets, and a head without end stops a
 * caller's buffer from growing. */
Test(chunk_in, nobody_waits_for_more_than_the_limits)
{
	limit_begin("\x16\x03\x01"); /* TLS on a plain port */
	limit_expect(CHUNK_ERR_START_LINE);
	limit_begin("MSRP ");
	limit_fill(CHUNK_START_LINE_MAX - 4);
	limit_expect(CHUNK_ERR_START_LINE);
	limit_begin("MSRP aaaa SEND\r\nX: ");
	limit_fill(CHUNK_HEADER_MAX - 2);
	limit_expect(CHUNK_ERR_HEADER_LONG);
}

/* -- streams that cannot be framed --------------------------------------------------------- */

struct given_up {
	const char *stream;
	enum chunk_error error;
};

Test(chunk_in, what_cannot_be_framed_is_given_up_with_its_reason)
{
	const struct given_up table[] = {
		{ "GET / HTTP/1.1\r\n", CHUNK_ERR_START_LINE },
		{ "msrp aaaa SEND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP  aaaa SEND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP aaa SEND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP .aaaa SEND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP aaaa\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP aa_aa SEND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP aaaa SEND\n", CHUNK_ERR_START_LINE },
		{ "MSRP aaaa SE\rND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP aaaa 200 O\x01K\r\n", CHUNK_ERR_START_LINE },
		{ "\r\nMSRP aaaa SEND\r\n", CHUNK_ERR_START_LINE },
		{ "MSRP aaaa SEND\r\nTo-Path\r\n", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\nTo Path: x\r\n", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\nTo-Path : x\r\n", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\nX: a\rb\r\n", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\nX: a\nY: b\r\n", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\nX: a\x7f\r\n", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\n\rX", CHUNK_ERR_HEADER },
		{ "MSRP aaaa SEND\r\n: x\r\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n x\r\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n------aaaa$\r\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n-------aaab$\r\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n-------aaaa!\r\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n-------aaaa$\n", CHUNK_ERR_END_LINE },
		{ "MSRP aaaa SEND\r\n-------aaaa$x", CHUNK_ERR_END_LINE },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		static struct taken taken;

		take(&taken, table[i].stream);
		cr_expect_eq(taken.last, CHUNK_BAD, "row %zu", i);
		cr_expect_eq(taken.error, table[i].error, "row %zu: error %d", i, taken.error);
		cr_expect_neq(chunk_in_error(&taken.in)[0], '\0');
	}
}

Test(chunk_in, a_stream_given_up_stays_so)
{
	struct chunk_in in;
	struct chunk chunk;
	size_t used;

	chunk_in_init(&in);
	cr_expect_str_eq(chunk_in_error(&in), "");
	cr_expect_eq(chunk_in_feed(&in, SPAN_LITERAL("XXXX"), &used, &chunk), CHUNK_BAD);
	cr_expect_eq(chunk_in_feed(&in, SPAN_LITERAL(BIND), &used, &chunk), CHUNK_BAD);
	cr_expect_eq(used, 0);
	chunk_in_init(&in);
	cr_expect_eq(chunk_in_feed(&in, SPAN_LITERAL(BIND), &used, &chunk), CHUNK_HEAD);
}

/* -- values that are refused ---------------------------------------------------------------- */

struct value {
	const char *method, *headers;
	unsigned refuse;
};

Test(chunk_in, bad_values_are_refused_and_framed)
{
	const struct value table[] = {
		{ "SEND", "Message-ID: abcd\r\n", 0 },
		{ "SEND", "Message-ID: abc\r\n", 400 },
		{ "SEND", "Message-ID:\r\n", 400 },
		{ "SEND", "Message-ID: a bc d\r\n", 400 },
		{ "SEND", "Message-ID: 12345678901234567890123456789012\r\n", 0 },
		{ "SEND", "Message-ID: 123456789012345678901234567890123\r\n", 400 },
		{ "SEND", "Message-ID: abcd\r\nMessage-ID: abcd\r\n", 400 },
		{ "SEND", "Byte-Range: 1-2\r\n", 400 },
		{ "SEND", "Byte-Range: 0-2/2\r\n", 400 },
		{ "SEND", "Byte-Range:1-*/*  \r\n", 0 },
		{ "SEND", "byte-range:\t1-*/*\t\r\n", 0 },
		{ "SEND", "Success-Report: YES\r\n", 0 },
		{ "SEND", "Success-Report: maybe\r\n", 400 },
		{ "SEND", "Success-Report:\r\n", 400 },
		{ "SEND", "Success-Report: yes;\r\n", 400 },
		{ "SEND", "Success-Report: yes x\r\n", 400 },
		{ "SEND", "Success-Report: yes;a=\r\n", 400 },
		{ "SEND", "Success-Report: yes;a=\"b\r\n", 400 },
		{ "SEND", "Success-Report: yes;Include-Sent-Count=perhaps\r\n", 400 },
		{ "SEND", "Success-Report: yes ; a ; b=c\t;\td=\"e;\\\"f\"\r\n", 0 },
		{ "SEND", "Failure-Report: sometimes\r\n", 400 },
		{ "SEND", "Failure-Report: Partial\r\n", 0 },
		{ "SEND", "Failure-Report: no;x\r\n", 400 },
		{ "SEND", "Content-Type: text\r\n", 400 },
		{ "SEND", "Content-Type: text/\r\n", 400 },
		{ "SEND", "Content-Type: text/plain x\r\n", 0 },
		{ "SEND", "Content-Type: text/pl,ain\r\n", 400 },
		{ "SEND", "To-Path: " SWITCH_URI "\r\n", 400 },
		{ "SEND", "Unknown: \xc3\xa4 anything at all\r\n", 0 },
		{ "SEND", "Content-Length: 5\r\nStatusses: x\r\nTo-Pathos: y\r\n", 0 },
		{ "SEND", "T:\r\n", 0 },
		{ "AUTH", "", 0 },
		{ "send", "", 0 },
		{ "SEND ", "", 400 },
		{ "S3ND", "", 400 },
		{ "", "", 400 },
		{ "2000 OK", "", 400 },
		{ "20", "", 400 },
		{ "200x", "", 400 },
		{ "REPORT", "Status: 000 200\r\n", 0 },
		{ "REPORT", "Status: 000 200 OK then\r\n", 0 },
		{ "REPORT", "Status: 000\r\n", 400 },
		{ "REPORT", "Status: 000 20\r\n", 400 },
		{ "REPORT", "Status: 0000 200\r\n", 400 },
		{ "REPORT", "Status: 000  200\r\n", 400 },
		{ "REPORT", "Status: 000 2000\r\n", 400 },
		{ "REPORT", "Status: 000 200OK\r\n", 400 },
		{ "REPORT", "Distribution-Count: 4294967295\r\n", 0 },
		{ "REPORT", "Distribution-Count: 4294967296\r\n", 400 },
		{ "REPORT", "Distribution-Count: 00000000003\r\n", 400 },
		{ "REPORT", "Distribution-Count: -1\r\n", 400 },
		{ "REPORT", "Distribution-Count:\r\n", 400 },
		{ "NICKNAME", "Use-Nickname: \"a\"\r\n", 0 },
		{ "NICKNAME", "Use-Nickname: \"\"\r\n", 0 },
		{ "NICKNAME", "Use-Nickname: \"a\\\"\\\\b\"\r\n", 0 },
		{ "NICKNAME", "Use-Nickname: \"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"\r\n", 0 },
		{ "NICKNAME", "Use-Nickname: \"\xc3\"\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"\xc0\x80\"\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"\xed\xa0\x80\"\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"\xf4\x90\x80\x80\"\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"\xe0\x9f\xbf\"\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: Alice\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"Alice\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"Alice\" W\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"a\\b\"\r\n", 424 },
		{ "NICKNAME", "Use-Nickname: \"a\\\"\r\n", 424 },
		{ "NICKNAME", "", 400 },
		{ "NICKNAME", "Use-Nickname: \"a\"\r\nSuccess-Report: no\r\n", 400 },
		{ "NICKNAME", "Use-Nickname: \"a\"\r\nFailure-Report: yes\r\n", 400 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		static struct taken taken;

		take_headers(&taken, table[i].method, table[i].headers);
		cr_expect_eq(taken.head.refuse, table[i].refuse, "%s %s: %u %s", table[i].method,
			table[i].headers, taken.head.refuse,
			taken.head.refuse_why ? taken.head.refuse_why : "");
	}
}

Test(chunk_in, bad_paths_are_refused_and_framed)
{
	const char *const table[] = {
		"-------aaaa$\r\n",
		"To-Path: " SWITCH_URI "\r\n-------aaaa$\r\n",
		"From-Path: " CLIENT_URI "\r\n-------aaaa$\r\n",
		"From-Path: " CLIENT_URI "\r\nTo-Path: " SWITCH_URI "\r\n-------aaaa$\r\n",
		"X: y\r\n" TO_SWITCH "-------aaaa$\r\n",
		"To-Path: " SWITCH_URI "\r\nX: y\r\nFrom-Path: " CLIENT_URI "\r\n-------aaaa$\r\n",
		"To-Path:\r\nFrom-Path: " CLIENT_URI "\r\n-------aaaa$\r\n",
		"To-Path: <" SWITCH_URI ">\r\nFrom-Path: " CLIENT_URI "\r\n-------aaaa$\r\n",
		"To-Path: " SWITCH_URI "\r\nFrom-Path: msrp://h\xc3\xa4;tcp\r\n-------aaaa$\r\n",
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		static struct taken taken;
		char stream[1024];

		snprintf(stream, sizeof(stream), "MSRP aaaa SEND\r\n%s", table[i]);
		take(&taken, stream);
		cr_expect_eq(taken.last, CHUNK_END, "row %zu", i);
		cr_expect_eq(taken.head.refuse, 400, "row %zu", i);
	}
}

Test(chunk_in, a_nickname_has_at_most_1023_octets)
{
	for (size_t len = 1023; len <= 1024; len++) {
		static struct taken taken;
		char header[1100] = "Use-Nickname: \"";
		size_t at = strlen(header);

		memset(header + at, 'n', len);
		memcpy(header + at + len, "\"\r\n", 4);
		take_headers(&taken, "NICKNAME", header);
		cr_expect_eq(taken.head.refuse, len == 1023 ? 0 : 424);
	}
}

/* A known header shows by its bad value being refused; an unknown one may have any value. */
Test(chunk_in, header_names_are_known_in_any_case_and_only_whole)
{
	const char *const names[] = { "Message-ID", "Byte-Range", "Status", "Success-Report",
		"Failure-Report", "Content-Type", "Distribution-Count", "Use-Nickname" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		static struct taken taken;
		char header[64];
		size_t len = (size_t)snprintf(header, sizeof(header), "%s: ?\r\n", names[i]);
		size_t name = strlen(names[i]);

		take_headers(&taken, "SEND", header);
		cr_expect_neq(taken.head.refuse, 0, "%s", header);
		for (size_t at = 0; at < name; at++) {
			char kept = header[at];

			if (kept != '-') {
				header[at] = kept ^ 0x20;
				take_headers(&taken, "SEND", header);
				cr_expect_neq(taken.head.refuse, 0, "%s", header);
			}
			header[at] = kept == 'x' ? 'y' : 'x';
			take_headers(&taken, "SEND", header);
			cr_expect_eq(taken.head.refuse, 0, "%s", header);
			header[at] = kept;
		}
		memmove(header + name + 1, header + name, len - name + 1);
		header[name] = 's';
		take_headers(&taken, "SEND", header);
		cr_expect_eq(taken.head.refuse, 0, "%s", header);
	}
}

struct wish {
	const char *value;
	bool report, count;
};

Test(chunk_in, success_report_parameters_are_read)
{
	const struct wish table[] = {
		{ "yes", true, false },
		{ "no", false, false },
		{ "yes;Include-Sent-Count", true, true },
		{ "yes ; include-sent-count", true, true },
		{ "yes;INCLUDE-SENT-COUNT=yes", true, true },
		{ "yes;Include-Sent-Count=True", true, true },
		{ "yes;Include-Sent-Count=no", true, false },
		{ "yes;Include-Sent-Count=false", true, false },
		{ "yes;x=y;Include-Sent-Count;z", true, true },
		{ "yes;x=Include-Sent-Count", true, false },
		{ "yes;Include-Sent-Counter", true, false },
		{ "no;Include-Sent-Count", false, false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		static struct taken taken;
		char header[128];

		snprintf(header, sizeof(header), "Success-Report: %s\r\n", table[i].value);
		take_headers(&taken, "SEND", header);
		cr_expect_eq(taken.head.refuse, 0, "%s", table[i].value);
		cr_expect_eq(taken.head.success_report, table[i].report, "%s", table[i].value);
		cr_expect_eq(taken.head.include_sent_count, table[i].count, "%s", table[i].value);
		cr_expect(taken.head.has_success_report);
	}
}

Test(chunk_in, failure_report_is_yes_when_absent)
{
	static struct taken taken;

	take_headers(&taken, "SEND", "");
	cr_expect_eq(taken.head.failure_report, FAILURE_REPORT_YES);
	cr_expect_not(taken.head.has_failure_report);
	take_headers(&taken, "SEND", "Failure-Report: no\r\n");
	cr_expect_eq(taken.head.failure_report, FAILURE_REPORT_NO);
	take_headers(&taken, "SEND", "FAILURE-REPORT:partial\r\n");
	cr_expect_eq(taken.head.failure_report, FAILURE_REPORT_PARTIAL);
	cr_expect(taken.head.has_failure_report);
}

/* -- a caller's mistakes ------------------------------------------------------------------- */

Test(chunk_in, feeding_nothing_new_asks_for_more)
{
	struct chunk_in in;
	struct chunk chunk;
	size_t used;
	struct span half = { BIND, 40 };

	chunk_in_init(&in);
	cr_expect_eq(chunk_in_feed(&in, span_make(NULL, 0), &used, &chunk), CHUNK_MORE);
	cr_expect_eq(chunk_in_feed(&in, half, &used, &chunk), CHUNK_MORE);
	cr_expect_eq(chunk_in_feed(&in, half, &used, &chunk), CHUNK_MORE);
	cr_expect_eq(used, 0);
	cr_expect_eq(chunk_in_feed(&in, SPAN_LITERAL(BIND), &used, &chunk), CHUNK_HEAD);
}

/* -- linear -------------------------------------------------------------------------------- */

/* What was searched of a head is not searched again: it may change under the parser's feet and
 * nobody notices, until the head is whole and its lines are taken. */
Test(chunk_in, a_trickled_head_is_searched_once)
{
	static char stream[CHUNK_HEADER_MAX];
	struct chunk_in in;
	struct chunk chunk;
	size_t used, len;

	memset(stream, 'x', sizeof(stream));
	memcpy(stream, "MSRP aaaa SEND\r\nX: ", 19);
	chunk_in_init(&in);
	for (len = 1; len < sizeof(stream); len++) {
		char kept = stream[len > 30 ? len - 5 : 0];

		if (len > 30)
			stream[len - 5] = '\x01';
		cr_assert_eq(chunk_in_feed(&in, span_make(stream, len), &used, &chunk), CHUNK_MORE);
		if (len > 30)
			stream[len - 5] = kept;
	}
}
