/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/chunk_out.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* One bounded writer: what does not fit is dropped, noted, and the whole result is then 0. */
struct writer {
	char *start;
	char *at;
	char *end;
	bool full;
};

static struct writer writer_of(char *out, size_t size)
{
	return (struct writer){ .start = out, .at = out, .end = out + size };
}

/* Inline, so that a literal's length is a constant: a head is a dozen short pieces, and one is
 * written per member. */
static inline __attribute__((always_inline)) void put(
	struct writer *to, const char *octets, size_t len)
{
	if ((size_t)(to->end - to->at) < len) {
		to->full = true;
		to->end = to->at;
		return;
	}
	if (len > 0)
		memcpy(to->at, octets, len);
	to->at += len;
}

static void put_span(struct writer *to, struct span text)
{
	put(to, text.at, text.len);
}

#define PUT(to, literal) put(to, "" literal, sizeof(literal) - 1)

static size_t written(const struct writer *to)
{
	return to->full ? 0 : (size_t)(to->at - to->start);
}

static void put_number(struct writer *to, uint32_t value)
{
	char digits[10];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	put(to, digits + at, sizeof(digits) - at);
}

static void put_three_digits(struct writer *to, unsigned value)
{
	const char digits[3] = { (char)('0' + value / 100 % 10), (char)('0' + value / 10 % 10),
		(char)('0' + value % 10) };

	put(to, digits, sizeof(digits));
}

static void put_start(struct writer *to, struct span tid)
{
	PUT(to, CHUNK_OUT_START);
	put_span(to, tid);
	PUT(to, " ");
}

#define PUT_HEADER(to, name_colon_space, value)                                                    \
	do {                                                                                       \
		PUT(to, name_colon_space);                                                         \
		put_span(to, value);                                                               \
		PUT(to, "\r\n");                                                                   \
	} while (0)

static void put_paths(struct writer *to, struct span to_path, struct span from_path)
{
	PUT_HEADER(to, "To-Path: ", to_path);
	PUT_HEADER(to, "From-Path: ", from_path);
}

static void put_range(struct writer *to, const struct byte_range *range)
{
	char text[64];

	PUT_HEADER(to, "Byte-Range: ", span_make(text, byte_range_write(text, range)));
}

static void put_end_line(struct writer *to, struct span tid, char flag)
{
	PUT(to, "-------");
	put_span(to, tid);
	put(to, &flag, 1);
	PUT(to, "\r\n");
}

static void put_send_paths(struct writer *to, struct span to_path, struct span from_path)
{
	PUT(to, " SEND\r\n");
	put_paths(to, to_path, from_path);
}

static void put_rest(struct writer *to, const struct chunk_out_send *send)
{
	if (send->message_id.len > 0)
		PUT_HEADER(to, "Message-ID: ", send->message_id);
	if (send->success_report && send->include_sent_count)
		PUT(to, "Success-Report: yes;Include-Sent-Count\r\n"); /* context.md 2.6 */
	else if (send->success_report)
		PUT(to, "Success-Report: yes\r\n");
	if (send->failure_report == FAILURE_REPORT_NO)
		PUT(to, "Failure-Report: no\r\n");
	else if (send->failure_report == FAILURE_REPORT_PARTIAL)
		PUT(to, "Failure-Report: partial\r\n");
	put_range(to, &send->range);
	if (send->content_type.len > 0) {
		PUT_HEADER(to, "Content-Type: ", send->content_type);
		PUT(to, "\r\n");
	}
}

size_t chunk_out_send(char *out, size_t size, const struct chunk_out_send *send)
{
	struct writer to = writer_of(out, size);

	PUT(&to, CHUNK_OUT_START);
	put_span(&to, send->tid);
	put_send_paths(&to, send->to_path, send->from_path);
	put_rest(&to, send);
	return written(&to);
}

size_t chunk_out_paths(char *out, size_t size, struct span to_path, struct span from_path,
	struct span *to_copy, struct span *from_copy)
{
	struct writer to = writer_of(out, size);
	size_t len;

	put_send_paths(&to, to_path, from_path);
	len = written(&to);
	*from_copy = span_make(out + len - 2 - from_path.len, from_path.len);
	*to_copy = span_make(from_copy->at - 13 - to_path.len, to_path.len); /* "\r\nFrom-Path: " */
	return len;
}

size_t chunk_out_rest(char *out, size_t size, const struct chunk_out_send *send)
{
	struct writer to = writer_of(out, size);

	put_rest(&to, send);
	return written(&to);
}

size_t chunk_out_report(char *out, size_t size, const struct chunk_out_report *report)
{
	struct writer to = writer_of(out, size);
	struct span comment = span_of(msrp_status_comment(report->status));

	put_start(&to, report->tid);
	PUT(&to, "REPORT\r\n");
	put_paths(&to, report->to_path, report->from_path);
	PUT_HEADER(&to, "Message-ID: ", report->message_id);
	put_range(&to, &report->range);
	PUT(&to, "Status: 000 ");
	put_three_digits(&to, report->status);
	if (comment.len > 0) {
		PUT(&to, " ");
		put_span(&to, comment);
	}
	PUT(&to, "\r\n");
	if (report->has_count) {
		PUT(&to, "Distribution-Count: ");
		put_number(&to, report->count);
		PUT(&to, "\r\n");
	}
	if (report->cpim_to.len > 0) {
		PUT(&to, "Content-Type: message/cpim\r\n\r\nFrom: <");
		put_span(&to, report->cpim_from);
		PUT(&to, ">\r\nTo: <");
		put_span(&to, report->cpim_to);
		PUT(&to, ">\r\n\r\n\r\n\r\n"); /* both heads end, and the body */
	}
	put_end_line(&to, report->tid, '$');
	return written(&to);
}

size_t chunk_out_response(char *out, size_t size, struct span tid, unsigned status,
	const char *comment, struct span to_path, struct span from_path)
{
	struct writer to = writer_of(out, size);

	put_start(&to, tid);
	put_three_digits(&to, status);
	if (comment[0] != '\0') {
		PUT(&to, " ");
		put_span(&to, span_of(comment));
	}
	PUT(&to, "\r\n");
	put_paths(&to, to_path, from_path);
	put_end_line(&to, tid, '$');
	return written(&to);
}

size_t chunk_out_nickname(char *out, size_t size, struct span tid, struct span to_path,
	struct span from_path, struct span name)
{
	struct writer to = writer_of(out, size);

	put_start(&to, tid);
	PUT(&to, "NICKNAME\r\n");
	put_paths(&to, to_path, from_path);
	PUT(&to, "Use-Nickname: \"");
	for (size_t i = 0; i < name.len; i++) {
		char octet = name.at[i];

		/* A quoted string cannot hold these, and a line end would begin a header of the
		 * name's choice. */
		if (((uint8_t)octet < 0x20 && octet != '\t') || octet == 0x7f)
			return 0;
		if (octet == '"' || octet == '\\')
			PUT(&to, "\\");
		put(&to, &octet, 1);
	}
	PUT(&to, "\"\r\n");
	put_end_line(&to, tid, '$');
	return written(&to);
}

/* One for each copy of each message: without the writer. */
size_t chunk_out_end(char *out, size_t size, struct span tid, char flag, bool without_crlf)
{
	static const char begin[] = "\r\n-------";
	size_t skip = without_crlf ? 2 : 0, len = sizeof(begin) - 1 - skip + tid.len + 3;

	if (len > size)
		return 0;
	memcpy(out, begin + skip, sizeof(begin) - 1 - skip);
	out += sizeof(begin) - 1 - skip;
	memcpy(out, tid.at, tid.len);
	out += tid.len;
	out[0] = flag;
	out[1] = '\r';
	out[2] = '\n';
	return len;
}

#define BLOCK 64u

/* Most blocks of a body have no dash at all. */
static bool block_has_dash(const uint8_t *at)
{
#ifdef __SSE2__
	const __m128i dash = _mm_set1_epi8('-');
	__m128i found = _mm_setzero_si128();
	unsigned i;

	for (i = 0; i < BLOCK; i += 16)
		found = _mm_or_si128(found,
			_mm_cmpeq_epi8(
				_mm_loadu_si128((const __m128i *)(const void *)(at + i)), dash));
	return _mm_movemask_epi8(found) != 0;
#else
	return memchr(at, '-', BLOCK) != NULL;
#endif
}

bool chunk_out_has_dashes(const uint8_t *octets, size_t len)
{
	static const char mark[] = "-------";
	const size_t dashes = sizeof(mark) - 1;
	size_t at, from;

	for (at = 0; at + BLOCK <= len; at += BLOCK) {
		if (!block_has_dash(octets + at))
			continue;
		from = at >= dashes - 1 ? at - (dashes - 1) : 0;
		if (memmem(octets + from, at + BLOCK - from, mark, dashes) != NULL)
			return true;
	}
	from = at >= dashes - 1 ? at - (dashes - 1) : 0;
	return memmem(octets + from, len - from, mark, dashes) != NULL;
}

const char *msrp_status_comment(unsigned status)
{
	static const struct {
		unsigned status;
		const char *comment;
	} comments[] = {
#define STATUS(name, code, text) { code, text },
#include "dataplane/msrp/status.def"
	};

	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		if (comments[i].status == status)
			return comments[i].comment;
	}
	return "";
}
