/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/chunk_in.h"
#include "dataplane/msrp/octet_class.h"
#include "dataplane/msrp/path.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*        start line                       CRLF -------tid$ CRLF
 *  HEAD ------------> lines --blank line--> BODY_START --> BODY --+
 *   ^                   |                       |                 |
 *   |                   '-'                     |                 |
 *   |                   v                       v                 v
 *   +------------- END_LINE <-------- the same end-line ends them all
 *
 * BODY_START is its own state because the CRLF of the blank line serves as the one before an
 * end-line too: some senders leave the second one out when the body is empty, and the next
 * request must not be taken for a body.
 */
enum chunk_in_state { STATE_HEAD, STATE_END_LINE, STATE_BODY_START, STATE_BODY, STATE_BAD };

#define DASHES      "-------"
#define CRLF_DASHES "\r\n" DASHES

/* -- octets -------------------------------------------------------------------------------- */

static bool is_control(char octet)
{
	return ((uint8_t)octet < 0x20 && octet != '\t') || octet == 0x7f;
}

/* Finds the control octets, HTAB apart, of a run of octets, one after the other. In a good head
 * each is the CR of a line end (or its LF), so a single pass finds the lines and checks their
 * octets. Sixty-four octets are looked at at a time; `hits` has a bit for each control octet
 * among them that has not been asked for. */
struct control_finder {
	const char *block; /* which octets bit 0 and the following stand for */
	const char *next;  /* the first octet not looked at */
	const char *end;
	uint64_t hits;
};

#ifdef __SSE2__
static inline uint64_t control_mask(const char *at)
{
	__m128i octets = _mm_loadu_si128((const __m128i *)at);
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(octets, _mm_set1_epi8(0x1f)), octets);
	__m128i tab = _mm_cmpeq_epi8(octets, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}
#endif

static inline void control_refill(struct control_finder *find)
{
	const char *at = find->next;
	size_t left = (size_t)(find->end - at);

	find->block = at;
	find->hits = 0;
#ifdef __SSE2__
	if (left >= 64) {
		find->hits = control_mask(at) | control_mask(at + 16) << 16 |
			     control_mask(at + 32) << 32 | control_mask(at + 48) << 48;
		find->next = at + 64;
		return;
	}
	if (left >= 16) {
		find->hits = control_mask(at);
		find->next = at + 16;
		return;
	}
#endif
	if (left > 64)
		left = 64;
	for (size_t i = 0; i < left; i++)
		find->hits |= (uint64_t)is_control(at[i]) << i;
	find->next = at + left;
}

/* The next control octet, or the end. */
static inline const char *control_next(struct control_finder *find)
{
	const char *hit;

	while (find->hits == 0) {
		if (find->next == find->end)
			return find->end;
		control_refill(find);
	}
	hit = find->block + __builtin_ctzll(find->hits);
	find->hits &= find->hits - 1;
	return hit;
}

/* Drops the next control octet, which stands right behind the last one. */
static inline void control_drop(struct control_finder *find)
{
	if (find->hits == 0)
		control_refill(find);
	find->hits &= find->hits - 1;
}

/* The first place where CRLF and seven dashes stand, or may stand, as far as there are octets;
 * or `end`. */
static const char *dashes_find(const char *at, const char *end)
{
#ifdef __SSE2__
	/* CR and the last dash, eight octets on, must both match: in text and in compressed data
	 * few places do. */
	for (; end - at >= 16 + 8; at += 16) {
		__m128i cr =
			_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('\r'));
		__m128i dash = _mm_cmpeq_epi8(
			_mm_loadu_si128((const __m128i *)(at + 8)), _mm_set1_epi8('-'));
		unsigned hits = (unsigned)_mm_movemask_epi8(_mm_and_si128(cr, dash));

		for (; hits; hits &= hits - 1) {
			const char *hit = at + __builtin_ctz(hits);

			if (memcmp(hit, CRLF_DASHES, sizeof(CRLF_DASHES) - 1) == 0)
				return hit;
		}
	}
#endif
	while (at < end && (at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
		size_t left = (size_t)(end - at);

		if (memcmp(at, CRLF_DASHES,
			    left < sizeof(CRLF_DASHES) - 1 ? left : sizeof(CRLF_DASHES) - 1) == 0)
			return at;
		at++;
	}
	return end;
}

/* Eight octets as a number. Bit 0x20 set: letters in lower case, ':' and '-' as they are. No
 * other octet that may stand in a line turns into a letter, a ':' or a '-' by that bit, as
 * controls have been sorted out before. */
static uint64_t word_load(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word | 0x2020202020202020u;
}

#define OCTET_AT(c, i) ((uint64_t)(uint8_t)(c) << (8 * (i)))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORD(a, b, c, d, e, f, g, h)                                                               \
	(OCTET_AT(a, 0) | OCTET_AT(b, 1) | OCTET_AT(c, 2) | OCTET_AT(d, 3) | OCTET_AT(e, 4) |      \
		OCTET_AT(f, 5) | OCTET_AT(g, 6) | OCTET_AT(h, 7))
#else
#define WORD(a, b, c, d, e, f, g, h)                                                               \
	(OCTET_AT(h, 0) | OCTET_AT(g, 1) | OCTET_AT(f, 2) | OCTET_AT(e, 3) | OCTET_AT(d, 4) |      \
		OCTET_AT(c, 5) | OCTET_AT(b, 6) | OCTET_AT(a, 7))
#endif

/* -- header values ------------------------------------------------------------------------- */

enum header {
	HEADER_OTHER,
	HEADER_TO_PATH,
	HEADER_FROM_PATH,
	HEADER_MESSAGE_ID,
	HEADER_BYTE_RANGE,
	HEADER_STATUS,
	HEADER_SUCCESS_REPORT,
	HEADER_FAILURE_REPORT,
	HEADER_CONTENT_TYPE,
	HEADER_USE_NICKNAME,
	HEADER_DISTRIBUTION_COUNT,
};

/* The value from `at` to `eol`, trimmed. RFC 4975 9 has exactly one space there, so look for
 * that first. */
static inline struct span value_of(const char *at, const char *eol)
{
	if (eol - at >= 2 && at[0] == ' ' && (uint8_t)at[1] > ' ' && (uint8_t)eol[-1] > ' ')
		return span_make(at + 1, (size_t)(eol - at) - 1);
	return span_trim(span_make(at, (size_t)(eol - at)));
}

/* The first trouble is the one that is told. */
static void refuse(struct chunk *out, uint16_t status, const char *why)
{
	if (out->refuse)
		return;
	out->refuse = status;
	out->refuse_why = why;
}

static bool span_is(struct span text, const char *lower)
{
	return span_eq_nocase(text, span_of(lower));
}

static void blanks_skip(struct span *rest)
{
	while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\t')) {
		rest->at++;
		rest->len--;
	}
}

static inline struct span token_take(struct span *rest)
{
	struct span token = { rest->at, octet_run(rest->at, rest->at + rest->len, OCTET_TOKEN) };

	rest->at += token.len;
	rest->len -= token.len;
	return token;
}

static bool octet_take(struct span *rest, char octet)
{
	if (rest->len == 0 || rest->at[0] != octet)
		return false;
	rest->at++;
	rest->len--;
	return true;
}

/* RFC 4975 9: a backslash stands only before a backslash or a quote. *inside is without the
 * quotes. */
static bool quoted_take(struct span *rest, struct span *inside)
{
	size_t at = 1;

	if (rest->len == 0 || rest->at[0] != '"')
		return false;
	for (; at < rest->len && rest->at[at] != '"'; at++) {
		if (rest->at[at] != '\\')
			continue;
		at++;
		if (at == rest->len || (rest->at[at] != '\\' && rest->at[at] != '"'))
			return false;
	}
	if (at == rest->len)
		return false;
	*inside = span_make(rest->at + 1, at - 1);
	rest->at += at + 1;
	rest->len -= at + 1;
	return true;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(struct span text)
{
	const uint8_t *at = (const uint8_t *)text.at;
	const uint8_t *end = at + text.len;

	while (at < end) {
		uint8_t lead = *at++;
		uint8_t low = 0x80, high = 0xbf;
		int more;

		if (lead < 0x80)
			continue;
		if (lead >= 0xc2 && lead <= 0xdf)
			more = 1;
		else if (lead >= 0xe0 && lead <= 0xef)
			more = 2;
		else if (lead >= 0xf0 && lead <= 0xf4)
			more = 3;
		else
			return false;
		if (lead == 0xe0)
			low = 0xa0;
		else if (lead == 0xed)
			high = 0x9f;
		else if (lead == 0xf0)
			low = 0x90;
		else if (lead == 0xf4)
			high = 0x8f;
		for (; more > 0; more--) {
			if (at == end || *at < low || *at > high)
				return false;
			at++;
			low = 0x80;
			high = 0xbf;
		}
	}
	return true;
}

/* Three digits at the start of *rest; false, and nothing taken, when there are not exactly
 * three. */
static bool three_digits_take(struct span *rest, uint16_t *out)
{
	unsigned value = 0;

	if (rest->len < 3 || (rest->len > 3 && octet_is(rest->at[3], OCTET_DIGIT)))
		return false;
	for (int i = 0; i < 3; i++) {
		if (!octet_is(rest->at[i], OCTET_DIGIT))
			return false;
		value = value * 10 + (unsigned)(rest->at[i] - '0');
	}
	rest->at += 3;
	rest->len -= 3;
	*out = (uint16_t)value;
	return true;
}

/* namespace SP status-code [SP comment] */
static bool status_read(struct span value, struct chunk *out)
{
	uint16_t namespace, status;

	if (!three_digits_take(&value, &namespace) || !octet_take(&value, ' ') ||
		!three_digits_take(&value, &status) || (value.len > 0 && value.at[0] != ' '))
		return false;
	out->report_namespace = namespace;
	out->report_status = status;
	return true;
}

/* context.md 2.6: Include-Sent-Count with nothing, or yes, no, true, false; other parameters
 * only have to be well-formed. */
static bool success_parameter_take(struct span *rest, bool *include_sent_count)
{
	struct span name = token_take(rest);
	struct span value = { NULL, 0 };
	bool is_count = span_is(name, "include-sent-count");

	if (name.len == 0)
		return false;
	if (!octet_take(rest, '=')) {
		*include_sent_count |= is_count;
		return true;
	}
	if (!quoted_take(rest, &value)) {
		value = token_take(rest);
		if (value.len == 0)
			return false;
	}
	if (!is_count)
		return true;
	*include_sent_count = span_is(value, "yes") || span_is(value, "true");
	return *include_sent_count || span_is(value, "no") || span_is(value, "false");
}

static bool success_report_read(struct span value, struct chunk *out)
{
	struct span word = token_take(&value);
	bool yes = span_is(word, "yes");
	bool include_sent_count = false;

	if (!yes && !span_is(word, "no"))
		return false;
	for (blanks_skip(&value); value.len > 0; blanks_skip(&value)) {
		if (!octet_take(&value, ';'))
			return false;
		blanks_skip(&value);
		if (!success_parameter_take(&value, &include_sent_count))
			return false;
	}
	out->success_report = yes;
	out->include_sent_count = yes && include_sent_count;
	return true;
}

static bool failure_report_read(struct span value, struct chunk *out)
{
	if (span_is(value, "yes"))
		out->failure_report = FAILURE_REPORT_YES;
	else if (span_is(value, "no"))
		out->failure_report = FAILURE_REPORT_NO;
	else if (span_is(value, "partial"))
		out->failure_report = FAILURE_REPORT_PARTIAL;
	else
		return false;
	return true;
}

static bool distribution_count_read(struct span value, struct chunk *out)
{
	uint64_t count = 0;

	if (value.len == 0 || value.len > 10)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		if (!octet_is(value.at[i], OCTET_DIGIT))
			return false;
		count = count * 10 + (unsigned)(value.at[i] - '0');
	}
	if (count > UINT32_MAX)
		return false;
	out->distribution_count = (uint32_t)count;
	return true;
}

/* type "/" subtype, then anything: parameters belong to who understands the type. */
static bool content_type_read(struct span value, struct chunk *out)
{
	struct span rest = value;

	if (token_take(&rest).len == 0 || !octet_take(&rest, '/') || token_take(&rest).len == 0)
		return false;
	if (rest.len > 0 && rest.at[0] != ';' && rest.at[0] != ' ' && rest.at[0] != '\t')
		return false;
	out->content_type = value;
	return true;
}

/* RFC 7701 7: a quoted string of at most 1023 octets of UTF-8, of which an escape is one; ""
 * takes the nickname back (context.md 2.8). */
static bool use_nickname_read(struct span value, struct chunk *out)
{
	size_t octets = 0, at;

	if (!quoted_take(&value, &out->nickname) || value.len != 0)
		return false;
	for (at = 0; at < out->nickname.len; at++, octets++)
		at += out->nickname.at[at] == '\\';
	return octets <= NICKNAME_OCTETS_MAX && is_utf8(out->nickname);
}

static enum chunk_error path_read(
	struct span value, struct chunk *out, struct span *path, const char *why)
{
	int result = msrp_path_check(value);

	/* A limit of context.md 1.1, so not an answer but the end of the connection. */
	if (result == -ENOBUFS)
		return CHUNK_ERR_PATH_LONG;
	if (result != 0)
		refuse(out, 400, why);
	*path = value;
	return CHUNK_OK;
}

/* -- lines --------------------------------------------------------------------------------- */

/* Is the colon the octet before `len`, and do these eight end there? The first eight are known
 * by then. */
#define NAME_ENDS(len, last, header)                                                               \
	if (eol - line >= (len) && word_load(line + (len)-8) == (last)) {                          \
		*value = line + (len);                                                             \
		return header;                                                                     \
	}                                                                                          \
	break

/* Which header the line is; *value begins behind the colon, or is NULL when there is no colon
 * behind a name. The first eight octets decide at once among all names that we know. */
static inline enum header header_name_read(const char *line, const char *eol, const char **value)
{
	const char *colon;

	if (eol - line >= 8) {
		uint64_t word = word_load(line);

		switch (word) {
		case WORD('t', 'o', '-', 'p', 'a', 't', 'h', ':'):
			*value = line + 8;
			return HEADER_TO_PATH;
		case WORD('f', 'r', 'o', 'm', '-', 'p', 'a', 't'):
			NAME_ENDS(
				10, WORD('o', 'm', '-', 'p', 'a', 't', 'h', ':'), HEADER_FROM_PATH);
		case WORD('m', 'e', 's', 's', 'a', 'g', 'e', '-'):
			NAME_ENDS(11, WORD('s', 'a', 'g', 'e', '-', 'i', 'd', ':'),
				HEADER_MESSAGE_ID);
		case WORD('b', 'y', 't', 'e', '-', 'r', 'a', 'n'):
			NAME_ENDS(11, WORD('e', '-', 'r', 'a', 'n', 'g', 'e', ':'),
				HEADER_BYTE_RANGE);
		case WORD('s', 'u', 'c', 'c', 'e', 's', 's', '-'):
			NAME_ENDS(15, WORD('-', 'r', 'e', 'p', 'o', 'r', 't', ':'),
				HEADER_SUCCESS_REPORT);
		case WORD('f', 'a', 'i', 'l', 'u', 'r', 'e', '-'):
			NAME_ENDS(15, WORD('-', 'r', 'e', 'p', 'o', 'r', 't', ':'),
				HEADER_FAILURE_REPORT);
		case WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-'):
			NAME_ENDS(13, WORD('n', 't', '-', 't', 'y', 'p', 'e', ':'),
				HEADER_CONTENT_TYPE);
		case WORD('u', 's', 'e', '-', 'n', 'i', 'c', 'k'):
			NAME_ENDS(13, WORD('i', 'c', 'k', 'n', 'a', 'm', 'e', ':'),
				HEADER_USE_NICKNAME);
		case WORD('d', 'i', 's', 't', 'r', 'i', 'b', 'u'):
			/* Longer than two words: the middle is looked at by itself. */
			if (eol - line < 16 ||
				word_load(line + 8) != WORD('t', 'i', 'o', 'n', '-', 'c', 'o', 'u'))
				break;
			NAME_ENDS(19, WORD('n', '-', 'c', 'o', 'u', 'n', 't', ':'),
				HEADER_DISTRIBUTION_COUNT);
		default: break;
		}
		if (word == WORD('s', 't', 'a', 't', 'u', 's', ':', line[7] | 0x20)) {
			*value = line + 7;
			return HEADER_STATUS;
		}
	}
	colon = line + octet_run(line, eol, OCTET_TOKEN);
	*value = colon < eol && *colon == ':' ? colon + 1 : NULL;
	return HEADER_OTHER;
}

/* Takes one header line. Only what unframes the stream is an error; a bad value is noted in *out.
 * `number` counts from 1; *present has a bit for each known header that was there. */
static inline enum chunk_error header_take(
	struct chunk *out, unsigned *present, unsigned number, const char *line, const char *eol)
{
	const char *at;
	enum header header = header_name_read(line, eol, &at);
	struct span value;

	if (at == NULL)
		return CHUNK_ERR_HEADER;
	if (header == HEADER_OTHER)
		return CHUNK_OK;
	value = value_of(at, eol);
	if (*present & 1u << header)
		refuse(out, 400, "A header stands twice");
	*present |= 1u << header;

	switch (header) {
	case HEADER_TO_PATH:
		if (number != 1)
			refuse(out, 400, "To-Path must be the first header");
		return path_read(value, out, &out->to_path, "To-Path is malformed");
	case HEADER_FROM_PATH:
		if (number != 2)
			refuse(out, 400, "From-Path must be the second header");
		return path_read(value, out, &out->from_path, "From-Path is malformed");
	case HEADER_MESSAGE_ID:
		out->message_id = value;
		if (!octet_is_ident(value))
			refuse(out, 400, "Message-ID is malformed");
		break;
	case HEADER_BYTE_RANGE:
		out->has_range = byte_range_parse(value, &out->range) == 0;
		if (!out->has_range)
			refuse(out, 400, "Byte-Range is malformed");
		break;
	case HEADER_STATUS:
		if (!status_read(value, out))
			refuse(out, 400, "Status is malformed");
		break;
	case HEADER_SUCCESS_REPORT:
		out->has_success_report = true;
		if (!success_report_read(value, out))
			refuse(out, 400, "Success-Report is malformed");
		break;
	case HEADER_FAILURE_REPORT:
		out->has_failure_report = true;
		if (!failure_report_read(value, out))
			refuse(out, 400, "Failure-Report is malformed");
		break;
	case HEADER_CONTENT_TYPE:
		if (!content_type_read(value, out))
			refuse(out, 400, "Content-Type is malformed");
		break;
	case HEADER_USE_NICKNAME:
		out->has_nickname = true;
		if (!use_nickname_read(value, out))
			refuse(out, 424, "Use-Nickname is malformed"); /* RFC 7701 7.1 */
		break;
	case HEADER_DISTRIBUTION_COUNT:
		out->has_distribution_count = distribution_count_read(value, out);
		if (!out->has_distribution_count)
			refuse(out, 400, "Distribution-Count is malformed");
		break;
	case HEADER_OTHER: break;
	}
	return CHUNK_OK;
}

static void method_read(struct chunk *out, struct span text)
{
	struct span rest = text;

	out->method_text = text;
	if (text.len == 4 && memcmp(text.at, "SEND", 4) == 0) {
		out->method = METHOD_SEND;
		return;
	}
	if (text.len > 0 && octet_is(text.at[0], OCTET_DIGIT)) {
		out->method = METHOD_RESPONSE;
		if (!three_digits_take(&rest, &out->status) || (rest.len > 0 && rest.at[0] != ' '))
			refuse(out, 400, "The status code is malformed");
		else
			out->method_text.len = 3;
		return;
	}
	if (text.len == 6 && memcmp(text.at, "REPORT", 6) == 0)
		out->method = METHOD_REPORT;
	else if (text.len == 8 && memcmp(text.at, "NICKNAME", 8) == 0)
		out->method = METHOD_NICKNAME;
	else
		out->method = METHOD_OTHER;
	/* RFC 4975 9: upper-case letters. Lower case is an unknown method (501); anything else
	 * is not a method. */
	if (text.len == 0 || octet_run(text.at, text.at + text.len, OCTET_ALPHA) != text.len)
		refuse(out, 400, "The method is malformed");
}

/* "MSRP" SP transaction-id SP (method / status-code [SP comment]) */
static inline bool start_line_take(
	struct chunk_in *in, struct chunk *out, const char *line, const char *eol, const char *end)
{
	struct span tid;

	if (eol - line < 5)
		return false;
	line += 5; /* seen by begins_with_msrp */
	tid = span_make(line, octet_run(line, eol, OCTET_IDENT));
	if (!octet_is(*line, OCTET_ALPHA | OCTET_DIGIT) || tid.len < 4 || tid.len > CHUNK_TID_MAX)
		return false;
	line += tid.len;
	if (line == eol || *line != ' ')
		return false;
	line++;
	/* A fixed size is two moves; what stands behind the id does not matter. */
	if (end - tid.at >= CHUNK_TID_MAX)
		memcpy(in->tid, tid.at, CHUNK_TID_MAX);
	else
		memcpy(in->tid, tid.at, tid.len);
	in->tid_len = (uint8_t)tid.len;
	out->tid = span_make(in->tid, tid.len);
	method_read(out, span_make(line, (size_t)(eol - line)));
	in->method = (uint8_t)out->method;
	return true;
}

/* -- the head ------------------------------------------------------------------------------ */

enum line_end { LINE_WHOLE, LINE_OPEN, LINE_LONG, LINE_CONTROL };

/* Finds the end of the line that begins at `line`; *eol is where its CRLF stands, or where the
 * search ended. The outcome depends on the octets only, not on how many are in: a line is long
 * as soon as it has one octet too many. */
static inline enum line_end line_end_find(
	struct control_finder *find, const char *line, size_t max, const char **eol)
{
	const char *at = control_next(find);

	*eol = at;
	if ((size_t)(at - line) > max)
		return LINE_LONG;
	if (find->end - at >= 2 && memcmp(at, "\r\n", 2) == 0) {
		control_drop(find); /* the LF */
		return LINE_WHOLE;
	}
	if (at == find->end || (*at == '\r' && at + 1 == find->end))
		return LINE_OPEN;
	return LINE_CONTROL;
}

/* What the header lines together must fulfil. */
static void head_check(struct chunk *out, unsigned present, bool blank_line)
{
	if (out->to_path.len == 0)
		refuse(out, 400, "To-Path is missing");
	if (out->from_path.len == 0)
		refuse(out, 400, "From-Path is missing");
	if (blank_line && out->content_type.len == 0)
		refuse(out, 400, "A body needs a Content-Type");
	out->has_body = blank_line && out->content_type.len > 0;
	if (out->method != METHOD_NICKNAME)
		return;
	/* context.md 2.8 */
	if (!out->has_nickname)
		refuse(out, 400, "Use-Nickname is missing");
	if (present & (1u << HEADER_SUCCESS_REPORT | 1u << HEADER_FAILURE_REPORT))
		refuse(out, 400, "NICKNAME takes no reports");
}

enum head_result { HEAD_WHOLE, HEAD_OPEN, HEAD_BAD };

static enum head_result head_bad(struct chunk_in *in, enum chunk_error error)
{
	in->error = (uint8_t)error;
	return HEAD_BAD;
}

static enum head_result head_open(struct chunk_in *in, struct span bytes, const char *line,
	const char *searched, unsigned headers)
{
	if (bytes.len >= CHUNK_HEAD_MAX)
		return head_bad(in, CHUNK_ERR_HEAD_LONG);
	in->line = (uint16_t)(line - bytes.at);
	in->scanned = (uint32_t)(searched - bytes.at);
	in->headers = (uint8_t)headers;
	return HEAD_OPEN;
}

/* As far as there are octets. */
static inline bool begins_with_msrp(const char *at, const char *end)
{
	size_t left = (size_t)(end - at);

	return left >= 5 ? memcmp(at, "MSRP ", 5) == 0 : memcmp(at, "MSRP ", left) == 0;
}

/* `line` is not a header: it must be what ends a head, the blank line or the end-line. */
static enum head_result head_end(struct chunk_in *in, struct span bytes, struct chunk *out,
	const char *line, const char *end, unsigned headers, unsigned present, size_t *len)
{
	if (*line == '-') {
		*len = (size_t)(line - bytes.at);
		in->state = STATE_END_LINE;
		head_check(out, present, false);
		return HEAD_WHOLE;
	}
	if (*line != '\r')
		return head_bad(in, CHUNK_ERR_END_LINE);
	if (end - line < 2)
		return head_open(in, bytes, line, line, headers);
	if (line[1] != '\n')
		return head_bad(in, CHUNK_ERR_HEADER);
	/* RFC 4975 7.2: a response has no body. */
	if (in->method == METHOD_RESPONSE)
		return head_bad(in, CHUNK_ERR_BODY);
	*len = (size_t)(line + 2 - bytes.at);
	in->state = STATE_BODY_START;
	head_check(out, present, true);
	return HEAD_WHOLE;
}

/* Reads lines from where the last call stopped. The lines are taken as they are found, in one
 * pass; *len is the head's length when it is whole. */
static enum head_result head_read(
	struct chunk_in *in, struct span bytes, struct chunk *out, size_t *len)
{
	const char *end = bytes.at + (bytes.len < CHUNK_HEAD_MAX ? bytes.len : CHUNK_HEAD_MAX);
	struct control_finder find = { .next = bytes.at + in->scanned, .end = end };
	const char *line = bytes.at + in->line;
	const char *eol;
	unsigned headers = in->headers;
	unsigned present = 0;
	enum chunk_error error;

	if (in->line == 0) {
		/* What is not MSRP at all is known by its first octets; nobody waits for a line
		 * end. */
		if (!begins_with_msrp(line, end))
			return head_bad(in, CHUNK_ERR_START_LINE);
		switch (line_end_find(&find, line, CHUNK_START_LINE_MAX, &eol)) {
		case LINE_WHOLE: break;
		case LINE_OPEN: return head_open(in, bytes, line, eol, 0);
		default: return head_bad(in, CHUNK_ERR_START_LINE);
		}
		if (!start_line_take(in, out, line, eol, end))
			return head_bad(in, CHUNK_ERR_START_LINE);
		line = eol + 2;
	}
	for (;;) {
		if (line == end)
			return head_open(in, bytes, line, line, headers);
		if (!octet_is(*line, OCTET_ALPHA))
			return head_end(in, bytes, out, line, end, headers, present, len);
		switch (line_end_find(&find, line, CHUNK_HEADER_MAX, &eol)) {
		case LINE_WHOLE: break;
		case LINE_OPEN: return head_open(in, bytes, line, eol, headers);
		case LINE_LONG: return head_bad(in, CHUNK_ERR_HEADER_LONG);
		default: return head_bad(in, CHUNK_ERR_HEADER);
		}
		if (++headers > CHUNK_HEADERS_MAX)
			return head_bad(in, CHUNK_ERR_HEADERS_MANY);
		error = header_take(out, &present, headers, line, eol);
		if (error != CHUNK_OK)
			return head_bad(in, error);
		line = eol + 2;
	}
}

static enum chunk_event bad(struct chunk_in *in, enum chunk_error error)
{
	in->error = (uint8_t)error;
	in->state = STATE_BAD;
	return CHUNK_BAD;
}

static inline void chunk_clear(struct chunk *out)
{
	const size_t piece = 64;
	char *at = (char *)out;

	/* In pieces: as one, the compiler makes it a "rep stos", which costs a fifth of a whole
	 * head. */
	for (size_t i = 0; i + piece <= sizeof(*out); i += piece)
		memset(at + i, 0, piece);
	memset(at + sizeof(*out) / piece * piece, 0, sizeof(*out) % piece);
}

static enum chunk_event head_feed(
	struct chunk_in *in, struct span bytes, size_t *used, struct chunk *out)
{
	const bool resumed = in->scanned > 0;
	enum head_result result;

	/* Nothing new since the last call. */
	if (bytes.len <= in->scanned)
		return CHUNK_MORE;
	chunk_clear(out);
	result = head_read(in, bytes, out, used);
	if (result == HEAD_OPEN)
		return CHUNK_MORE;
	if (result == HEAD_BAD)
		return bad(in, in->error);
	in->line = 0;
	in->scanned = 0;
	in->headers = 0;
	if (resumed) {
		/* The first lines were taken in an earlier call, from octets that have moved
		 * since. Each line is read at most twice in all, which keeps a trickle linear. */
		chunk_clear(out);
		result = head_read(in, bytes, out, used);
		if (result != HEAD_WHOLE)
			return bad(in, in->error);
	}
	return CHUNK_HEAD;
}

/* -- body and end-line --------------------------------------------------------------------- */

enum match { MATCH_NO, MATCH_PART, MATCH_WHOLE };

/* Do the octets begin with `text`, as far as there are any? Steps over what matched. */
static enum match text_match(struct span *rest, const char *text, size_t len)
{
	size_t look = rest->len < len ? rest->len : len;

	if (memcmp(rest->at, text, look) != 0)
		return MATCH_NO;
	rest->at += look;
	rest->len -= look;
	return look == len ? MATCH_WHOLE : MATCH_PART;
}

/* [CRLF] 7"-" tid ("$" / "+" / "#") CRLF.  A flag other than these makes it body. */
static enum match end_line_match(
	const struct chunk_in *in, struct span bytes, bool with_crlf, size_t *len, char *flag)
{
	struct span rest = bytes;
	enum match match = MATCH_WHOLE;

	if (with_crlf)
		match = text_match(&rest, "\r\n", 2);
	if (match == MATCH_WHOLE)
		match = text_match(&rest, DASHES, sizeof(DASHES) - 1);
	if (match == MATCH_WHOLE)
		match = text_match(&rest, in->tid, in->tid_len);
	if (match != MATCH_WHOLE)
		return match;
	if (rest.len == 0)
		return MATCH_PART;
	*flag = rest.at[0];
	if (*flag != '$' && *flag != '+' && *flag != '#')
		return MATCH_NO;
	rest.at++;
	rest.len--;
	match = text_match(&rest, "\r\n", 2);
	*len = bytes.len - rest.len;
	return match;
}

static enum chunk_event chunk_end(struct chunk_in *in, struct chunk *out)
{
	out->tid = span_make(in->tid, in->tid_len);
	out->body = span_make(NULL, 0);
	in->state = STATE_HEAD;
	in->body_seen = 0;
	return CHUNK_END;
}

static enum chunk_event body_feed(
	struct chunk_in *in, struct span bytes, size_t *used, struct chunk *out)
{
	const char *end = bytes.at + bytes.len;
	const char *at = bytes.at;
	size_t piece;

	for (;; at++) {
		enum match match;

		at = dashes_find(at, end);
		if (at == end)
			break;
		match = end_line_match(
			in, span_make(at, (size_t)(end - at)), true, used, &out->flag);
		if (match == MATCH_NO)
			continue;
		if (at > bytes.at)
			break;
		/* Nothing stands before it: it is the end-line, or may become it. */
		if (match == MATCH_WHOLE)
			return chunk_end(in, out);
		*used = 0;
		return CHUNK_MORE;
	}

	piece = (size_t)(at - bytes.at);
	if (in->method != METHOD_SEND) {
		if (in->body_seen == CHUNK_OTHER_BODY_MAX) {
			*used = 0;
			return bad(in, CHUNK_ERR_BODY);
		}
		if (piece > CHUNK_OTHER_BODY_MAX - in->body_seen)
			piece = (size_t)(CHUNK_OTHER_BODY_MAX - in->body_seen);
	}
	in->body_seen += piece;
	out->tid = span_make(in->tid, in->tid_len);
	out->body = span_make(bytes.at, piece);
	*used = piece;
	return CHUNK_BODY;
}

static enum chunk_event end_line_feed(
	struct chunk_in *in, struct span bytes, size_t *used, struct chunk *out)
{
	switch (end_line_match(in, bytes, false, used, &out->flag)) {
	case MATCH_WHOLE: return chunk_end(in, out);
	case MATCH_PART: *used = 0; return CHUNK_MORE;
	case MATCH_NO: break;
	}
	*used = 0;
	if (in->state == STATE_END_LINE)
		return bad(in, CHUNK_ERR_END_LINE);
	in->state = STATE_BODY;
	return body_feed(in, bytes, used, out);
}

/* -- the module's face --------------------------------------------------------------------- */

void chunk_in_init(struct chunk_in *in)
{
	memset(in, 0, sizeof(*in));
	in->state = STATE_HEAD;
}

enum chunk_event chunk_in_feed(
	struct chunk_in *in, struct span bytes, size_t *used, struct chunk *out)
{
	*used = 0;
	if (in->state == STATE_BAD)
		return CHUNK_BAD;
	if (bytes.len == 0)
		return CHUNK_MORE;
	switch (in->state) {
	case STATE_HEAD: return head_feed(in, bytes, used, out);
	case STATE_BODY: return body_feed(in, bytes, used, out);
	default: return end_line_feed(in, bytes, used, out);
	}
}

const char *chunk_in_error(const struct chunk_in *in)
{
	static const char *const sentences[CHUNK_ERROR_COUNT] = {
		[CHUNK_OK] = "",
		[CHUNK_ERR_START_LINE] =
			"start line: not \"MSRP SP transaction-id SP\", or longer than 512 octets",
		[CHUNK_ERR_HEADER_LONG] = "headers: a line is longer than 8192 octets",
		[CHUNK_ERR_HEAD_LONG] =
			"headers: start line and headers are longer than 16384 octets",
		[CHUNK_ERR_HEADERS_MANY] = "headers: more than 64 lines",
		[CHUNK_ERR_HEADER] =
			"headers: a line without a name and a colon, or with a bare CR or a control octet",
		[CHUNK_ERR_BODY] =
			"body: in a response, or longer than 10240 octets in a request that is not SEND",
		[CHUNK_ERR_END_LINE] =
			"headers: a line that is neither a header, blank, nor the end-line",
		[CHUNK_ERR_PATH_LONG] = "headers: a path of more than 16 URIs",
	};

	return in->error < CHUNK_ERROR_COUNT ? sentences[in->error] : "";
}
