/* SPDX-License-Identifier: BSD-3-Clause */
/* msrp_endpoint against itself and against a peer that the test plays octet by octet, over
 * loopback. */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/imclient/content.h"
#include "tools/imclient/msrp_endpoint.h"

/* One side: a session and what was told about it. */
struct side {
	struct msrp_session *session;
	unsigned bound, lost, begun, ended, cut, outcomes, reports;
	unsigned last_status; /* of an outcome */
	unsigned last_chunks;
	char why[128];
	unsigned refuse_begin,
		refuse_after; /* refuse with 413 at the beginning, or after so many octets */
	uint64_t octets;
	struct digest *digest;
	char sha256[CONTENT_SHA256_TEXT];
	char text[4096];
	size_t text_len;
	struct msrp_report report;
	bool free_on_end, one_at_a_time;
	char order[64]; /* first octet of each message, in the order of their ends */
};

static struct loop *loop;
static struct msrp_endpoint *here, *there;

static void on_bound(void *arg)
{
	((struct side *)arg)->bound++;
}

static void on_lost(void *arg, const char *why)
{
	struct side *s = arg;

	s->lost++;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static unsigned on_begin(void *arg, struct msrp_in *in)
{
	struct side *s = arg;

	if (s->refuse_begin != 0)
		return s->refuse_begin;
	s->begun++;
	s->octets = 0;
	s->text_len = 0;
	digest_free(s->digest);
	s->digest = digest_new();
	return 0;
}

static unsigned on_body(void *arg, struct msrp_in *in, struct span octets)
{
	struct side *s = arg;
	size_t room = sizeof(s->text) - s->text_len;

	/* Of several at a time only the newest is looked at. */
	if (in->octets == 0)
		s->octets = 0;
	else if (s->one_at_a_time)
		cr_assert_eq(in->octets, s->octets, "octets come in order");
	s->octets += octets.len;
	digest_update(s->digest, octets);
	if (octets.len <= room) {
		memcpy(s->text + s->text_len, octets.at, octets.len);
		s->text_len += octets.len;
	}
	return s->refuse_after != 0 && s->octets > s->refuse_after ? 413 : 0;
}

static void on_end(void *arg, struct msrp_in *in, enum msrp_in_end how)
{
	struct side *s = arg;

	if (how == MSRP_IN_COMPLETE) {
		if (s->ended < sizeof(s->order) - 1)
			s->order[s->ended] = s->text_len > 0 ? s->text[0] : '0';
		s->ended++;
		digest_text(s->digest, s->sha256);
	} else {
		s->cut++;
	}
	if (s->free_on_end) {
		struct msrp_session *session = s->session;

		s->session = NULL;
		s->free_on_end = false;
		msrp_session_free(session);
	}
}

static void on_outcome(void *arg, void *send_arg, const struct msrp_outcome *outcome)
{
	struct side *s = arg;

	s->outcomes++;
	s->last_status = outcome->status;
	s->last_chunks = outcome->chunks;
}

static void on_report(void *arg, const struct msrp_report *report)
{
	struct side *s = arg;

	s->reports++;
	s->report = *report;
}

static const struct msrp_session_ops ops = {
	.bound = on_bound,
	.lost = on_lost,
	.begin = on_begin,
	.body = on_body,
	.end = on_end,
	.outcome = on_outcome,
	.report = on_report,
};

static void setup(void)
{
	struct msrp_endpoint_options options = {
		.host = "127.0.0.1", .transaction_ms = 600, .bind_ms = 1500, .stall_ms = 800
	};

	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(msrp_endpoint_new(&here, loop, &options), 0);
	cr_assert_eq(msrp_endpoint_new(&there, loop, &options), 0);
}

static void teardown(void)
{
	msrp_endpoint_free(here);
	msrp_endpoint_free(there);
	loop_free(loop);
}

#define UNTIL(condition) until_within(5000, condition)
#define until_within(ms, condition)                                                                \
	do {                                                                                       \
		uint64_t end_ms_ = loop_now_ms() + (ms);                                           \
		while (!(condition)) {                                                             \
			cr_assert_lt(loop_now_ms(), end_ms_, "waited in vain for: " #condition);   \
			loop_turn(loop, 20);                                                       \
		}                                                                                  \
	} while (0)

static void side_open(struct side *s, struct msrp_endpoint *endpoint)
{
	memset(s, 0, sizeof(*s));
	s->one_at_a_time = true;
	cr_assert_eq(msrp_session_new(&s->session, endpoint, &ops, s), 0);
}

static void side_close(struct side *s)
{
	msrp_session_free(s->session);
	digest_free(s->digest);
}

/* a connects to b */
static void join(struct side *a, struct side *b)
{
	cr_assert_eq(msrp_session_start(b->session, false, msrp_session_uri(a->session)), 0);
	cr_assert_eq(msrp_session_start(a->session, true, msrp_session_uri(b->session)), 0);
	UNTIL(a->bound && b->bound);
}

static void send_content(
	struct side *s, struct content *content, bool report, enum failure_report failure)
{
	char id[MSRP_MESSAGE_ID_MAX];
	struct msrp_send send = { .content_type = SPAN_LITERAL("text/plain"),
		.body_octets = content_octets(content),
		.read = content_read,
		.arg = content,
		.success_report = report,
		.failure_report = failure };

	cr_assert_eq(msrp_session_send(s->session, &send, id), 0);
}

static struct content *text(const char *words)
{
	struct content *content;

	cr_assert_eq(content_new_text(&content, span_of(words)), 0);
	return content;
}

TestSuite(msrp_endpoint, .init = setup, .fini = teardown, .timeout = 120);

Test(msrp_endpoint, binds_by_a_send_without_body_and_carries_text_both_ways)
{
	struct side a, b;
	struct content *one = text("hello"), *two = text("good morning");

	side_open(&a, here);
	side_open(&b, there);
	join(&a, &b);
	send_content(&a, one, false, FAILURE_REPORT_YES);
	send_content(&b, two, true, FAILURE_REPORT_YES);
	UNTIL(a.outcomes == 1 && b.outcomes == 1 && a.ended == 1 && b.ended == 1 && b.reports == 1);
	cr_expect_eq(a.last_status, 200);
	cr_expect(span_eq(span_make(b.text, b.text_len), SPAN_LITERAL("hello")));
	cr_expect(span_eq(span_make(a.text, a.text_len), SPAN_LITERAL("good morning")));
	cr_expect_eq(b.report.status, 200);
	cr_expect_eq(b.report.range.end, 12);
	cr_expect_eq(a.reports, 0, "no report unless asked");
	side_close(&a);
	side_close(&b);
	content_free(one);
	content_free(two);
}

Test(msrp_endpoint, sends_queued_before_the_binding_go_out_after_it)
{
	struct side a, b;
	struct content *one = text("early");

	side_open(&a, here);
	side_open(&b, there);
	send_content(&b, one, false, FAILURE_REPORT_YES);
	join(&a, &b);
	UNTIL(a.ended == 1 && b.outcomes == 1);
	cr_expect_eq(b.last_status, 200);
	side_close(&a);
	side_close(&b);
	content_free(one);
}

Test(msrp_endpoint, streams_100_megabytes_without_keeping_them)
{
	struct side a, b;
	struct content *data;
	char sha256[CONTENT_SHA256_TEXT];
	struct rusage before, after;

	cr_assert_eq(content_new_random(&data, 100000000, 7), 0);
	side_open(&a, here);
	side_open(&b, there);
	join(&a, &b);
	getrusage(RUSAGE_SELF, &before);
	send_content(&a, data, true, FAILURE_REPORT_YES);
	until_within(60000, a.outcomes == 1 && b.ended == 1 && a.reports == 1);
	getrusage(RUSAGE_SELF, &after);
	cr_assert(content_sha256(data, sha256));
	cr_expect_str_eq(b.sha256, sha256);
	cr_expect_eq(b.octets, 100000000);
	cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 8192, "memory grew by %ld KiB",
		after.ru_maxrss - before.ru_maxrss);
	side_close(&a);
	side_close(&b);
	content_free(data);
}

Test(msrp_endpoint, a_short_message_overtakes_a_long_one)
{
	struct side a, b;
	struct content *data, *words = text("me first");

	cr_assert_eq(content_new_random(&data, 20000000, 8), 0);
	side_open(&a, here);
	side_open(&b, there);
	b.one_at_a_time = false;
	join(&a, &b);
	send_content(&a, data, false, FAILURE_REPORT_YES);
	UNTIL(b.begun == 1 && b.octets > 0);
	send_content(&a, words, false, FAILURE_REPORT_YES);
	/* b's digest is of one message at a time, so here only the order of the ends counts. */
	until_within(20000, a.outcomes == 2);
	cr_expect_eq(b.begun, 2);
	cr_expect_eq(b.order[0], 'm');
	cr_expect_gt(a.last_chunks, 1, "the long one was interrupted");
	side_close(&a);
	side_close(&b);
	content_free(data);
	content_free(words);
}

Test(msrp_endpoint, a_refused_message_is_ended_in_the_middle_of_its_chunk)
{
	struct side a, b;
	struct content *data, *words = text("after it");

	cr_assert_eq(content_new_random(&data, 50000000, 9), 0);
	side_open(&a, here);
	side_open(&b, there);
	b.refuse_after = 100000;
	join(&a, &b);
	send_content(&a, data, false, FAILURE_REPORT_YES);
	UNTIL(a.outcomes == 1);
	cr_expect_eq(a.last_status, 413);
	cr_expect_eq(b.cut, 1);
	send_content(&a, words, false, FAILURE_REPORT_YES);
	UNTIL(a.outcomes == 2 && b.ended == 1);
	cr_expect_eq(a.last_status, 200, "the connection goes on");
	cr_expect_eq(a.lost, 0);
	side_close(&a);
	side_close(&b);
	content_free(data);
	content_free(words);
}

Test(msrp_endpoint, the_limit_of_a_session_is_answered_413_before_anything_is_taken)
{
	struct side a, b;
	struct content *data;

	cr_assert_eq(content_new_random(&data, 5000, 9), 0);
	side_open(&a, here);
	side_open(&b, there);
	msrp_session_limit(b.session, 4999);
	join(&a, &b);
	send_content(&a, data, false, FAILURE_REPORT_PARTIAL);
	UNTIL(a.outcomes == 1);
	loop_turn(loop, 50);
	cr_expect_eq(b.begun, 0);
	side_close(&a);
	side_close(&b);
	content_free(data);
}

Test(msrp_endpoint, twelve_sessions_share_one_connection_and_take_turns)
{
	struct side a[12], b[12];
	struct content *data[12];

	for (unsigned i = 0; i < 12; i++) {
		side_open(&a[i], here);
		side_open(&b[i], there);
		join(&a[i], &b[i]);
		cr_assert_eq(content_new_random(&data[i], 300000, i), 0);
		send_content(&a[i], data[i], true, FAILURE_REPORT_YES);
	}
	for (unsigned i = 0; i < 12; i++) {
		char sha256[CONTENT_SHA256_TEXT];

		UNTIL(a[i].outcomes == 1 && b[i].ended == 1 && a[i].reports == 1);
		cr_assert(content_sha256(data[i], sha256));
		cr_expect_str_eq(b[i].sha256, sha256);
	}
	for (unsigned i = 0; i < 12; i++) {
		side_close(&a[i]);
		side_close(&b[i]);
		content_free(data[i]);
	}
}

Test(msrp_endpoint, a_session_may_be_freed_from_its_own_callback)
{
	struct side a, b;
	struct content *words = text("bye");

	side_open(&a, here);
	side_open(&b, there);
	join(&a, &b);
	b.free_on_end = true;
	send_content(&a, words, true, FAILURE_REPORT_YES);
	UNTIL(b.session == NULL && a.outcomes == 1);
	cr_expect_eq(a.last_status, 200, "the answer still goes out");
	UNTIL(a.lost == 1);
	side_close(&a);
	side_close(&b);
	content_free(words);
}

static int broken_read(void *arg, uint64_t offset, char *to, size_t len)
{
	if (offset + len > 100000)
		return -EBADMSG;
	memset(to, 'x', len);
	return 0;
}

Test(msrp_endpoint, a_file_that_turns_out_shorter_is_ended_with_a_hash)
{
	struct side a, b;
	char id[MSRP_MESSAGE_ID_MAX];
	struct msrp_send send = { .content_type = SPAN_LITERAL("text/plain"),
		.body_octets = 200000,
		.read = broken_read };

	side_open(&a, here);
	side_open(&b, there);
	join(&a, &b);
	cr_assert_eq(msrp_session_send(a.session, &send, id), 0);
	UNTIL(a.outcomes == 1 && b.cut == 1);
	cr_expect_neq(a.last_status, 200);
	cr_expect_eq(b.ended, 0);
	side_close(&a);
	side_close(&b);
}

/* ---- a peer played by the test ---- */

struct peer {
	int fd;
	char in[300000];
	size_t len;
};

static int peer_connect(struct peer *p, struct msrp_endpoint *endpoint)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(msrp_endpoint_port(endpoint)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	p->len = 0;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	return p->fd;
}

static void peer_write(struct peer *p, const char *octets, size_t len)
{
	while (len > 0) {
		ssize_t n = send(p->fd, octets, len, MSG_NOSIGNAL);

		if (n > 0) {
			octets += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN) {
			return; /* closed by the other side: the test looks at what came back */
		}
		loop_turn(loop, 0);
	}
}

static void peer_say(struct peer *p, const char *format, const char *uri, const char *more)
{
	char out[8192];
	int len = snprintf(out, sizeof(out), format, uri, more);

	peer_write(p, out, (size_t)len);
}

/* -1: closed; else octets in hand */
static ssize_t peer_read(struct peer *p)
{
	ssize_t n;

	loop_turn(loop, 10);
	n = recv(p->fd, p->in + p->len, sizeof(p->in) - 1 - p->len, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return -1;
	p->len += n > 0 ? (size_t)n : 0;
	p->in[p->len] = '\0';
	return (ssize_t)p->len;
}

static void peer_expect(struct peer *p, const char *words)
{
	uint64_t end = loop_now_ms() + 3000;

	while (memmem(p->in, p->len, words, strlen(words)) == NULL) {
		cr_assert_lt(loop_now_ms(), end, "\"%s\" did not come, but: %s", words, p->in);
		peer_read(p);
	}
	p->len = 0;
}

static bool peer_is_closed(struct peer *p, uint64_t within_ms)
{
	uint64_t end = loop_now_ms() + within_ms;

	while (loop_now_ms() < end)
		if (peer_read(p) < 0)
			return true;
	return false;
}

#define BIND                                                                                       \
	"MSRP bind0001 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\n"          \
	"Message-ID: keep%s\r\nByte-Range: 1-0/0\r\n-------bind0001$\r\n"

static void peer_bind(struct peer *p, struct side *s, struct msrp_endpoint *endpoint)
{
	peer_connect(p, endpoint);
	cr_assert_eq(
		msrp_session_start(s->session, false, SPAN_LITERAL("msrp://127.0.0.1:9/peer;tcp")),
		0);
	peer_say(p, BIND, msrp_session_uri(s->session).at, "");
	peer_expect(p, "MSRP bind0001 200 OK\r\nTo-Path: msrp://127.0.0.1:9/peer;tcp\r\n");
	cr_assert_eq(s->bound, 1);
}

Test(msrp_endpoint, rubbish_closes_the_connection_and_harms_nobody_else)
{
	struct side a, b;
	struct peer p;
	struct content *words = text("still here");

	side_open(&a, here);
	side_open(&b, there);
	join(&a, &b);
	peer_connect(&p, there);
	peer_say(&p, "GET / HTTP/1.1\r\nHost: %s%s\r\n\r\n", "x", "");
	cr_expect(peer_is_closed(&p, 3000));
	close(p.fd);
	send_content(&a, words, false, FAILURE_REPORT_YES);
	UNTIL(b.ended == 1 && a.outcomes == 1);
	cr_expect_eq(a.lost + b.lost, 0);
	side_close(&a);
	side_close(&b);
	content_free(words);
}

Test(msrp_endpoint, unknown_session_481_second_connection_506_unknown_method_501)
{
	struct side a;
	struct peer p, q;

	side_open(&a, here);
	peer_bind(&p, &a, here);
	peer_connect(&q, here);
	peer_say(&q, BIND, msrp_session_uri(a.session).at, "");
	peer_expect(&q, "MSRP bind0001 506 ");
	peer_say(&q, BIND, "msrp://127.0.0.1:1/unknown;tcp", "");
	peer_expect(&q, "MSRP bind0001 481 ");
	peer_say(&p,
		"MSRP dance001 DANCE\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\n"
		"-------dance001$\r\n%s",
		msrp_session_uri(a.session).at, "");
	peer_expect(&p, "MSRP dance001 501 ");
	side_close(&a);
	close(p.fd);
	close(q.fd);
}

Test(msrp_endpoint, a_message_is_the_same_at_every_split)
{
	struct side a;
	struct peer p;
	char chunk[1024];
	int len;

	side_open(&a, here);
	peer_bind(&p, &a, here);
	for (int cut = 1;; cut++) {
		unsigned before = a.ended;

		len = snprintf(chunk, sizeof(chunk),
			"MSRP split%03d SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\n"
			"Message-ID: mmm%03d\r\nByte-Range: 1-*/27\r\nContent-Type: text/plain\r\n\r\n"
			"one\r\n-------split\r\n-------no\r\n-------split%03d$\r\n",
			cut, msrp_session_uri(a.session).at, cut, cut);
		if (cut >= len)
			break;
		peer_write(&p, chunk, (size_t)cut);
		loop_turn(loop, 0);
		peer_write(&p, chunk + cut, (size_t)(len - cut));
		UNTIL(a.ended + a.cut > before);
		cr_assert(span_eq(span_make(a.text, a.text_len),
				  SPAN_LITERAL("one\r\n-------split\r\n-------no")),
			"cut at %d", cut);
	}
	side_close(&a);
	close(p.fd);
}

Test(msrp_endpoint, chunks_join_overlaps_are_dropped_and_a_repeated_message_is_not_shown_again)
{
	struct side a;
	struct peer p;
	const char *uri;
	static const char head[] =
		"To-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\nMessage-ID: mmmm\r\n";
	char out[2048], paths[512];

	side_open(&a, here);
	peer_bind(&p, &a, here);
	uri = msrp_session_uri(a.session).at;
	snprintf(paths, sizeof(paths), head, uri);
	snprintf(out, sizeof(out),
		"MSRP aaaa0001 SEND\r\n%sByte-Range: 1-*/10\r\nContent-Type: text/plain\r\n\r\n01234\r\n-------aaaa0001+\r\n"
		"MSRP aaaa0002 SEND\r\n%sByte-Range: 4-10/10\r\nContent-Type: text/plain\r\n\r\n3456789\r\n-------aaaa0002$\r\n",
		paths, paths);
	peer_write(&p, out, strlen(out));
	peer_expect(&p, "MSRP aaaa0002 200 OK");
	cr_expect(span_eq(span_make(a.text, a.text_len), SPAN_LITERAL("0123456789")));
	cr_expect_eq(a.ended, 1);
	snprintf(out, sizeof(out),
		"MSRP aaaa0003 SEND\r\n%sByte-Range: 1-10/10\r\nContent-Type: text/plain\r\n\r\n0123456789\r\n-------aaaa0003$\r\n",
		paths);
	peer_write(&p, out, strlen(out));
	peer_expect(&p, "MSRP aaaa0003 200 OK");
	cr_expect_eq(a.begun, 1);
	cr_expect_eq(a.ended, 1);
	side_close(&a);
	close(p.fd);
}

Test(msrp_endpoint, a_declared_size_that_is_a_lie_is_refused_and_not_shown)
{
	struct side a;
	struct peer p;
	char out[1024];

	side_open(&a, here);
	peer_bind(&p, &a, here);
	snprintf(out, sizeof(out),
		"MSRP lie00001 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\nMessage-ID: lie1\r\n"
		"Byte-Range: 1-*/5000\r\nContent-Type: text/plain\r\n\r\nshort\r\n-------lie00001$\r\n",
		msrp_session_uri(a.session).at);
	peer_write(&p, out, strlen(out));
	peer_expect(&p, "MSRP lie00001 400 ");
	cr_expect_eq(a.ended, 0);
	cr_expect_eq(a.cut, 1);
	side_close(&a);
	close(p.fd);
}

Test(msrp_endpoint, a_hash_or_a_stall_or_the_loss_of_the_connection_cuts_a_message)
{
	struct side a;
	struct peer p;
	static const char begin[] =
		"MSRP open0001 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\nMessage-ID: open%s\r\n"
		"Byte-Range: 1-*/50\r\nContent-Type: text/plain\r\n\r\nsome words ";

	side_open(&a, here);
	peer_bind(&p, &a, here);
	peer_say(&p, begin, msrp_session_uri(a.session).at, "1");
	peer_say(&p, "and no more\r\n-------open0001#\r\n%s%s", "", "");
	UNTIL(a.cut == 1);
	peer_say(&p, begin, msrp_session_uri(a.session).at, "2");
	UNTIL(a.cut == 2); /* stall_ms */
	peer_say(&p, "too late\r\n-------open0001$\r\n%s%s", "", "");
	peer_say(&p, begin, msrp_session_uri(a.session).at, "3");
	UNTIL(a.begun == 3);
	close(p.fd);
	UNTIL(a.cut == 3 && a.lost == 1);
	cr_expect_eq(a.ended, 0);
	side_close(&a);
}

Test(msrp_endpoint, failure_report_no_and_partial_are_not_answered_200)
{
	struct side a;
	struct peer p;
	static const char one[] =
		"MSRP quiet001 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\nMessage-ID: quiet%s\r\n"
		"Failure-Report: partial\r\nByte-Range: 1-1/1\r\nContent-Type: text/plain\r\n\r\nx\r\n-------quiet001$\r\n";

	side_open(&a, here);
	peer_bind(&p, &a, here);
	peer_say(&p, one, msrp_session_uri(a.session).at, "1");
	UNTIL(a.ended == 1);
	a.refuse_begin = 415;
	peer_say(&p, one, msrp_session_uri(a.session).at, "2");
	peer_expect(&p, "MSRP quiet001 415 ");
	side_close(&a);
	close(p.fd);
}

Test(msrp_endpoint, no_answer_is_a_408_of_our_own)
{
	struct side a;
	struct peer p;
	struct content *words = text("anybody?");

	side_open(&a, here);
	peer_bind(&p, &a, here);
	send_content(&a, words, false, FAILURE_REPORT_YES);
	UNTIL(a.outcomes == 1);
	cr_expect_eq(a.last_status, 408);
	side_close(&a);
	close(p.fd);
	content_free(words);
}

Test(msrp_endpoint, a_slow_reader_costs_no_memory_and_then_gets_everything)
{
	struct side a;
	struct peer p;
	struct content *data;
	struct rusage before, after;
	static char got[40000000];
	size_t len = 0;

	cr_assert_eq(content_new_random(&data, 30000000, 3), 0);
	side_open(&a, here);
	peer_bind(&p, &a, here);
	memset(got, 0, sizeof(got)); /* counted before, not as growth */
	getrusage(RUSAGE_SELF, &before);
	send_content(&a, data, false, FAILURE_REPORT_PARTIAL);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(loop, 10); /* nobody reads */
	cr_expect_eq(a.outcomes, 0);
	for (uint64_t end = loop_now_ms() + 60000;
		a.outcomes == 0 || memmem(got + (len > 100 ? len - 100 : 0), len > 100 ? 100 : len,
					   "$\r\n", 3) == NULL;) {
		ssize_t n = recv(p.fd, got + len, sizeof(got) - len, 0);

		cr_assert_lt(loop_now_ms(), end);
		if (n > 0)
			len += (size_t)n;
		loop_turn(loop, 0);
	}
	getrusage(RUSAGE_SELF, &after);
	cr_expect_gt(len, 30000000);
	cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 8192);
	side_close(&a);
	close(p.fd);
	content_free(data);
}

Test(msrp_endpoint, a_peer_that_does_not_read_our_answers_is_not_read_from)
{
	struct side a;
	struct peer p;
	static const char ask[] =
		"MSRP flood001 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:9/peer;tcp\r\nMessage-ID: keep%s\r\n"
		"Byte-Range: 1-0/0\r\n-------flood001$\r\n";
	char out[1024];
	int len;
	size_t total = 0;
	uint64_t end;

	side_open(&a, here);
	peer_bind(&p, &a, here);
	len = snprintf(out, sizeof(out), ask, msrp_session_uri(a.session).at, "1");
	/* Until nothing more goes in: both directions' buffers are full, and ours are bounded. */
	end = loop_now_ms() + 20000;
	for (unsigned idle = 0; idle < 50 && loop_now_ms() < end;) {
		ssize_t n = send(p.fd, out, (size_t)len, MSG_NOSIGNAL);

		if (n == len) {
			total += (size_t)n;
			idle = 0;
		} else if (n > 0) {
			/* A part: the rest must follow for the framing's sake. */
			char *rest = out + n;
			size_t left = (size_t)(len - n);

			for (unsigned tries = 0; left > 0 && tries < 50; tries++) {
				ssize_t m = send(p.fd, rest, left, MSG_NOSIGNAL);

				if (m > 0) {
					rest += m;
					left -= (size_t)m;
				}
				loop_turn(loop, 2);
			}
			if (left > 0)
				break;
		} else {
			idle++;
		}
		loop_turn(loop, 0);
	}
	cr_expect_lt(loop_now_ms(), end, "it is never refused");
	cr_expect_gt(total, 100000);
	cr_expect_eq(a.lost, 0);
	side_close(&a);
	close(p.fd);
}

Test(msrp_endpoint, a_connection_that_binds_nothing_and_a_session_nobody_binds_end)
{
	struct side a;
	struct peer p;

	side_open(&a, here);
	peer_connect(&p, here);
	cr_assert_eq(
		msrp_session_start(a.session, false, SPAN_LITERAL("msrp://127.0.0.1:9/peer;tcp")),
		0);
	cr_expect(peer_is_closed(&p, 4000));
	UNTIL(a.lost == 1);
	close(p.fd);
	side_close(&a);
}

Test(msrp_endpoint, a_refused_connect_and_a_silent_one_are_told_as_lost)
{
	struct side a, b;
	struct sockaddr_in own = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char path[64];

	cr_assert_eq(bind(fd, (struct sockaddr *)&own, size), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&own, &size), 0);
	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/x;tcp", ntohs(own.sin_port));
	side_open(&a, here);
	cr_assert_eq(msrp_session_start(a.session, true, span_of(path)), 0);
	UNTIL(a.lost == 1);
	cr_assert_eq(listen(fd, 1), 0);
	side_open(&b, here);
	cr_assert_eq(msrp_session_start(b.session, true, span_of(path)), 0);
	UNTIL(b.lost == 1); /* accepted by the kernel, never answered */
	cr_expect_str_not_empty(b.why);
	side_close(&a);
	side_close(&b);
	close(fd);
}

Test(msrp_endpoint, unusable_paths_are_refused_at_once)
{
	struct side a;

	side_open(&a, here);
	cr_expect_eq(msrp_session_start(a.session, true, SPAN_LITERAL("http://x")), -EBADMSG);
	cr_expect_eq(msrp_session_start(a.session, true, SPAN_LITERAL("msrps://127.0.0.1:1/x;tcp")),
		-EPROTO);
	side_close(&a);
}

/* The body is made of the end-line of each chunk that carries it: the end-line must never be in the
 * body. */
struct echo {
	struct peer *peer;
};

static int echo_read(void *arg, uint64_t offset, char *to, size_t len)
{
	struct echo *echo = arg;
	struct peer *p = echo->peer;
	const char *from = p->in, *tid = NULL, *at = from;
	ssize_t n = recv(p->fd, p->in + p->len, sizeof(p->in) - 1 - p->len, 0);

	p->len += n > 0 ? (size_t)n : 0;
	/* The newest transaction id that the peer has seen. */
	while ((at = memmem(at, p->len - (size_t)(at - from), "MSRP ", 5)) != NULL) {
		tid = at + 5;
		at += 5;
	}
	for (size_t i = 0; i < len; i++) {
		size_t k = (offset + i) % 23;

		to[i] = k < 7 ? '-' : tid != NULL ? tid[k - 7] : 'z';
	}
	return 0;
}

Test(msrp_endpoint, a_body_that_holds_the_end_line_is_cut_before_it)
{
	struct side a;
	struct peer p;
	struct echo echo = { .peer = &p };
	char id[MSRP_MESSAGE_ID_MAX];
	struct msrp_send send = { .content_type = SPAN_LITERAL("text/plain"),
		.body_octets = 120000,
		.read = echo_read,
		.arg = &echo,
		.failure_report = FAILURE_REPORT_NO };
	const char *at;
	unsigned chunks = 0;

	side_open(&a, here);
	peer_bind(&p, &a, here);
	p.len = 0;
	cr_assert_eq(msrp_session_send(a.session, &send, id), 0);
	for (uint64_t end = loop_now_ms() + 10000; a.outcomes == 0 || peer_read(&p) >= 0;) {
		cr_assert_lt(loop_now_ms(), end);
		peer_read(&p);
		if (a.outcomes > 0 && p.len > 2 && memcmp(p.in + p.len - 3, "$\r\n", 3) == 0)
			break;
	}
	/* Each chunk: its end-line comes exactly once. */
	at = p.in;
	while ((at = memmem(at, p.len - (size_t)(at - p.in), "MSRP ", 5)) != NULL) {
		char needle[24] = "-------";
		const char *next = memmem(at + 5, p.len - (size_t)(at + 5 - p.in), "\r\nMSRP ", 7);
		const char *stop = next != NULL ? next + 2 : p.in + p.len, *hit;

		memcpy(needle + 7, at + 5, 16);
		hit = memmem(at, (size_t)(stop - at), needle, 23);
		cr_assert_not_null(hit);
		cr_expect_eq(stop - hit, 26, "the end-line is at the end and nowhere else");
		chunks++;
		at += 5;
	}
	cr_expect_gt(chunks, 1);
	side_close(&a);
	close(p.fd);
}
