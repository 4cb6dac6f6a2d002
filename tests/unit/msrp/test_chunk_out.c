/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/chunk_out.h"
#include <criterion/criterion.h>
#include <stdio.h>

#define SWITCH SPAN_LITERAL("msrp://198.51.100.5:2855/Zs81hTq0a9;tcp")
#define CLIENT SPAN_LITERAL("msrp://192.0.2.10:2855/ka83jsd9;tcp")

static void expect_text(const char *out, size_t len, const char *expected)
{
	cr_expect_eq(len, strlen(expected), "%zu octets, not %zu", len, strlen(expected));
	cr_expect(span_eq(span_make(out, len), span_of(expected)), "%.*s", (int)len, out);
}

static const struct chunk_out_send room_send = {
	.tid = { "d93kswow41", 10 },
	.to_path = { "msrp://198.51.100.5:2855/Zs81hTq0a9;tcp", 39 },
	.from_path = { "msrp://192.0.2.10:2855/ka83jsd9;tcp", 35 },
	.message_id = { "m.7781", 6 },
	.success_report = true,
	.range = { 1, 156, 156 },
	.content_type = { "message/cpim", 12 },
};

static const char room_send_text[] = /* context.md 1.7 */
	"MSRP d93kswow41 SEND\r\n"
	"To-Path: msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"
	"From-Path: msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"
	"Message-ID: m.7781\r\n"
	"Success-Report: yes\r\n"
	"Byte-Range: 1-156/156\r\n"
	"Content-Type: message/cpim\r\n"
	"\r\n";

Test(chunk_out, a_send_head_is_the_one_of_the_example)
{
	char out[1024];

	expect_text(out, chunk_out_send(out, sizeof(out), &room_send), room_send_text);
}

Test(chunk_out, a_send_without_content_has_no_blank_line)
{
	char out[1024];
	struct chunk_out_send send = { .tid = SPAN_LITERAL("b7Qx0k2mPz"),
		.to_path = SWITCH,
		.from_path = CLIENT,
		.message_id = SPAN_LITERAL("k-0001"),
		.range = { 1, 0, 0 } };
	size_t len = chunk_out_send(out, sizeof(out), &send);

	len += chunk_out_end(out + len, sizeof(out) - len, send.tid, '$', true);
	expect_text(out, len,
		"MSRP b7Qx0k2mPz SEND\r\n"
		"To-Path: msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"
		"From-Path: msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"
		"Message-ID: k-0001\r\n"
		"Byte-Range: 1-0/0\r\n"
		"-------b7Qx0k2mPz$\r\n");
}

Test(chunk_out, report_wishes_are_written_in_order)
{
	char out[1024];
	struct chunk_out_send send = { .tid = SPAN_LITERAL("aaaa"),
		.to_path = SPAN_LITERAL("msrp://a;tcp"),
		.from_path = SPAN_LITERAL("msrp://b;tcp"),
		.message_id = SPAN_LITERAL("m.90"),
		.success_report = true,
		.include_sent_count = true,
		.failure_report = FAILURE_REPORT_PARTIAL,
		.range = { 3001, BYTE_RANGE_UNKNOWN, 5000 },
		.content_type = SPAN_LITERAL("text/plain") };

	expect_text(out, chunk_out_send(out, sizeof(out), &send),
		"MSRP aaaa SEND\r\nTo-Path: msrp://a;tcp\r\nFrom-Path: msrp://b;tcp\r\n"
		"Message-ID: m.90\r\nSuccess-Report: yes;Include-Sent-Count\r\n"
		"Failure-Report: partial\r\nByte-Range: 3001-*/5000\r\n"
		"Content-Type: text/plain\r\n\r\n");
	send.success_report = false;
	send.failure_report = FAILURE_REPORT_NO;
	expect_text(out, chunk_out_send(out, sizeof(out), &send),
		"MSRP aaaa SEND\r\nTo-Path: msrp://a;tcp\r\nFrom-Path: msrp://b;tcp\r\n"
		"Message-ID: m.90\r\nFailure-Report: no\r\nByte-Range: 3001-*/5000\r\n"
		"Content-Type: text/plain\r\n\r\n");
}

Test(chunk_out, a_report_is_the_one_of_the_example)
{
	char out[1024];
	struct chunk_out_report report = { .tid = SPAN_LITERAL("r5hd82kd0a"),
		.to_path = CLIENT,
		.from_path = SWITCH,
		.message_id = SPAN_LITERAL("m.7781"),
		.range = { 1, 156, 156 },
		.status = 200,
		.has_count = true,
		.count = 3 };

	expect_text(out, chunk_out_report(out, sizeof(out), &report),
		"MSRP r5hd82kd0a REPORT\r\n"
		"To-Path: msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"
		"From-Path: msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"
		"Message-ID: m.7781\r\n"
		"Byte-Range: 1-156/156\r\n"
		"Status: 000 200 OK\r\n"
		"Distribution-Count: 3\r\n"
		"-------r5hd82kd0a$\r\n");
}

Test(chunk_out, counts_go_from_nothing_to_the_largest_number)
{
	char out[1024];
	struct chunk_out_report report = { .tid = SPAN_LITERAL("aaaa"),
		.to_path = CLIENT,
		.from_path = SWITCH,
		.message_id = SPAN_LITERAL("m.1"),
		.range = { 1, 1, 1 },
		.status = 299,
		.has_count = true };
	struct chunk_in in;
	struct chunk chunk;
	const uint32_t counts[] = { 0, 9, 10, UINT32_MAX };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t used, len;

		report.count = counts[i];
		len = chunk_out_report(out, sizeof(out), &report);
		chunk_in_init(&in);
		cr_assert_eq(chunk_in_feed(&in, span_make(out, len), &used, &chunk), CHUNK_HEAD);
		cr_expect(chunk.has_distribution_count);
		cr_expect_eq(chunk.distribution_count, counts[i]);
		cr_expect_eq(chunk.report_status, 299, "a status without a comment");
	}
}

Test(chunk_out, a_response_is_the_one_of_the_example)
{
	char out[1024];

	expect_text(out,
		chunk_out_response(out, sizeof(out), SPAN_LITERAL("d93kswow41"), 200,
			msrp_status_comment(200), CLIENT, SWITCH),
		"MSRP d93kswow41 200 OK\r\n"
		"To-Path: msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"
		"From-Path: msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"
		"-------d93kswow41$\r\n");
	expect_text(out,
		chunk_out_response(out, sizeof(out), SPAN_LITERAL("aaaa"), 481, "",
			SPAN_LITERAL("a"), SPAN_LITERAL("b")),
		"MSRP aaaa 481\r\nTo-Path: a\r\nFrom-Path: b\r\n-------aaaa$\r\n");
}

Test(chunk_out, a_nickname_is_quoted_and_escaped)
{
	char out[1024];

	expect_text(out,
		chunk_out_nickname(out, sizeof(out), SPAN_LITERAL("n0ck11aa77"), SWITCH, CLIENT,
			SPAN_LITERAL("Alice W")),
		"MSRP n0ck11aa77 NICKNAME\r\n"
		"To-Path: msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"
		"From-Path: msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"
		"Use-Nickname: \"Alice W\"\r\n"
		"-------n0ck11aa77$\r\n");
	expect_text(out,
		chunk_out_nickname(out, sizeof(out), SPAN_LITERAL("aaaa"), SPAN_LITERAL("a"),
			SPAN_LITERAL("b"), SPAN_LITERAL("a\"b\\c")),
		"MSRP aaaa NICKNAME\r\nTo-Path: a\r\nFrom-Path: b\r\n"
		"Use-Nickname: \"a\\\"b\\\\c\"\r\n-------aaaa$\r\n");
}

Test(chunk_out, a_nickname_cannot_begin_a_header_of_its_own)
{
	char out[1024];

	cr_expect_eq(chunk_out_nickname(out, sizeof(out), SPAN_LITERAL("aaaa"), SPAN_LITERAL("a"),
			     SPAN_LITERAL("b"), SPAN_LITERAL("x\r\nEvil: y")),
		0);
}

Test(chunk_out, an_end_line_has_its_crlf_unless_told_otherwise)
{
	char out[64];

	expect_text(out, chunk_out_end(out, sizeof(out), SPAN_LITERAL("t1aaaaaaaa"), '+', false),
		"\r\n-------t1aaaaaaaa+\r\n");
	expect_text(out, chunk_out_end(out, sizeof(out), SPAN_LITERAL("t1aaaaaaaa"), '#', true),
		"-------t1aaaaaaaa#\r\n");
}

Test(chunk_out, what_does_not_fit_is_not_written_beyond_the_end)
{
	const size_t need = sizeof(room_send_text) - 1;

	for (size_t size = 0; size <= need; size++) {
		char *out = malloc(size + 1);

		out[size] = '@';
		cr_assert_eq(chunk_out_send(out, size, &room_send), size < need ? 0 : need);
		cr_assert_eq(out[size], '@', "size %zu", size);
		free(out);
	}
}

Test(chunk_out, head_extra_suffices_for_the_longest_head)
{
	char out[39 + 35 + CHUNK_OUT_HEAD_EXTRA - 16];
	struct chunk_out_send send = room_send;

	send.tid = SPAN_LITERAL("12345678901234567890123456789012");
	send.message_id = send.tid;
	send.include_sent_count = true;
	send.failure_report = FAILURE_REPORT_PARTIAL;
	send.range = (struct byte_range){ 999999999999999999u, 999999999999999999u,
		999999999999999999u };
	cr_expect_gt(chunk_out_send(out, sizeof(out), &send), 0);
}

Test(chunk_out, each_status_that_is_sent_has_a_comment)
{
	cr_expect_str_eq(msrp_status_comment(200), "OK");
	cr_expect_str_eq(msrp_status_comment(413), "Stop Sending Message");
	cr_expect_str_eq(msrp_status_comment(481), "Session Does Not Exist");
	cr_expect_str_eq(msrp_status_comment(999), "");
}

Test(chunk_out, a_head_in_parts_is_the_same_as_one_in_a_piece)
{
	char whole[1024], paths[256], rest[256], joined[1024];
	struct span to, from;
	size_t len, paths_len, rest_len;

	len = chunk_out_send(whole, sizeof(whole), &room_send);
	paths_len = chunk_out_paths(paths,
		CHUNK_OUT_PATHS_EXTRA + room_send.to_path.len + room_send.from_path.len,
		room_send.to_path, room_send.from_path, &to, &from);
	rest_len = chunk_out_rest(rest, sizeof(rest), &room_send);
	cr_assert(paths_len > 0 && rest_len > 0);
	cr_expect(span_eq(to, room_send.to_path));
	cr_expect(span_eq(from, room_send.from_path));
	cr_expect(to.at > paths && from.at > to.at && from.at < paths + paths_len);
	snprintf(joined, sizeof(joined), CHUNK_OUT_START "%.*s%.*s%.*s", (int)room_send.tid.len,
		room_send.tid.at, (int)paths_len, paths, (int)rest_len, rest);
	cr_assert_eq(strlen(joined), len);
	cr_expect_eq(memcmp(joined, whole, len), 0);
}

Test(chunk_out, seven_dashes_are_found_wherever_they_stand)
{
	uint8_t octets[200];
	size_t len, at, i;

	for (len = 0; len <= sizeof(octets); len += 13) {
		memset(octets, 'a', sizeof(octets));
		/* Six, again and again, are not seven; what follows the end does not count. */
		for (i = 0; i + 6 < len; i += 7)
			memset(octets + i, '-', 6);
		memset(octets + len, '-', sizeof(octets) - len);
		if (len % 7 == 0 || len < 7)
			cr_expect_not(chunk_out_has_dashes(octets, len), "length %zu", len);
		for (at = 0; at + 7 <= len; at++) {
			memset(octets, 'a', sizeof(octets));
			memset(octets + at, '-', 7);
			cr_expect(chunk_out_has_dashes(octets, len), "at %zu of %zu", at, len);
			octets[at + 3] = 'a';
			cr_expect_not(chunk_out_has_dashes(octets, len), "at %zu of %zu", at, len);
		}
	}
}

Test(chunk_out, an_end_line_that_does_not_fit_is_not_written)
{
	char out[32];
	size_t len = chunk_out_end(out, sizeof(out), SPAN_LITERAL("abcd"), '$', true);

	cr_assert_eq(len, strlen("-------abcd$\r\n"));
	memset(out, 'x', sizeof(out));
	cr_assert_eq(chunk_out_end(out, len - 1, SPAN_LITERAL("abcd"), '$', true), 0);
	cr_assert_eq(out[0], 'x');
	cr_assert_eq(chunk_out_end(out, len + 1, SPAN_LITERAL("abcd"), '$', false), 0);
	cr_assert_eq(chunk_out_end(out, len + 2, SPAN_LITERAL("abcd"), '$', false), len + 2);
}
