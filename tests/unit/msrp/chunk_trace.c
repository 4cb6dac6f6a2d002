/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/msrp/chunk_trace.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* -- octets before an unreadable page ------------------------------------------------------ */

static char *guard;       /* the unreadable page; octets are put right before it */
static size_t guard_room; /* readable octets before it */

static void guard_reserve(size_t room)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map;

	if (room <= guard_room)
		return;
	if (guard != NULL)
		munmap(guard - guard_room, guard_room + page);
	room = (room + page - 1) / page * page;
	map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) != 0)
		abort();
	guard = map + room;
	guard_room = room;
}

static struct span guard_put(struct span octets)
{
	return span_make(memcpy(guard - octets.len, octets.at, octets.len), octets.len);
}

/* -- writing down -------------------------------------------------------------------------- */

static void put(struct chunk_trace *trace, const void *octets, size_t len)
{
	if (trace->len + len > trace->size) {
		trace->size = (trace->len + len) * 2;
		trace->text = realloc(trace->text, trace->size);
		if (trace->text == NULL)
			abort();
	}
	if (len > 0)
		memcpy(trace->text + trace->len, octets, len);
	trace->len += len;
}

__attribute__((format(printf, 2, 3))) static void put_text(
	struct chunk_trace *trace, const char *format, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	put(trace, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

static void put_field(struct chunk_trace *trace, const char *name, struct span value)
{
	put_text(trace, " %s(%zu)=", name, value.len);
	put(trace, value.at, value.len);
}

static void put_head(struct chunk_trace *trace, const struct chunk *chunk)
{
	put_text(trace, "HEAD method=%d status=%u refuse=%u \"%s\"", chunk->method, chunk->status,
		chunk->refuse, chunk->refuse_why ? chunk->refuse_why : "");
	put_field(trace, "tid", chunk->tid);
	put_field(trace, "method", chunk->method_text);
	put_field(trace, "to", chunk->to_path);
	put_field(trace, "from", chunk->from_path);
	put_field(trace, "id", chunk->message_id);
	put_field(trace, "type", chunk->content_type);
	put_field(trace, "nickname", chunk->nickname);
	put_text(trace, " flags=%d%d%d%d%d%d%d%d failure=%d report=%u/%u count=%u",
		chunk->has_nickname, chunk->has_body, chunk->has_range, chunk->success_report,
		chunk->include_sent_count, chunk->has_success_report, chunk->has_failure_report,
		chunk->has_distribution_count, chunk->failure_report, chunk->report_namespace,
		chunk->report_status, chunk->distribution_count);
	if (chunk->has_range)
		put_text(trace, " range=%llu-%llu/%llu", (unsigned long long)chunk->range.start,
			(unsigned long long)chunk->range.end,
			(unsigned long long)chunk->range.total);
	put_text(trace, "\nBODY ");
}

/* -- what must hold for every event -------------------------------------------------------- */

static void hold(struct chunk_trace *trace, bool holds, const char *promise)
{
	if (!holds && trace->broken == NULL)
		trace->broken = promise;
}

static bool lies_in(struct span part, struct span whole)
{
	return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static bool begins_with(struct span octets, struct span prefix)
{
	return octets.len >= prefix.len && memcmp(octets.at, prefix.at, prefix.len) == 0;
}

/* "-------tid" flag CRLF at the start of the octets; its length or 0. Written apart from the
 * module on purpose. */
static size_t end_line_len(const struct chunk_trace *trace, struct span octets)
{
	const size_t len = 7 + trace->tid_len + 3;
	const char *flag;

	if (octets.len < len)
		return 0;
	flag = octets.at + len - 3;
	if (memcmp(octets.at, "-------", 7) != 0 ||
		memcmp(octets.at + 7, trace->tid, trace->tid_len) != 0 ||
		memchr("$+#", *flag, 3) == NULL || memcmp(flag + 1, "\r\n", 2) != 0)
		return 0;
	return len;
}

static void check_head(struct chunk_trace *trace, struct span taken, const struct chunk *chunk)
{
	hold(trace, !trace->in_chunk, "a head comes only between chunks");
	hold(trace, taken.len <= CHUNK_HEAD_MAX, "a head is not above its limit");
	hold(trace, begins_with(taken, SPAN_LITERAL("MSRP ")), "a head begins with MSRP");
	hold(trace, taken.len > 2 && memcmp(taken.at + taken.len - 2, "\r\n", 2) == 0,
		"a head ends with a line");
	hold(trace,
		lies_in(chunk->method_text, taken) && lies_in(chunk->to_path, taken) &&
			lies_in(chunk->from_path, taken) && lies_in(chunk->message_id, taken) &&
			lies_in(chunk->content_type, taken) && lies_in(chunk->nickname, taken),
		"spans lie in the head");
	hold(trace,
		chunk->tid.len >= 4 && chunk->tid.len <= CHUNK_TID_MAX &&
			begins_with(span_make(taken.at + 5, taken.len - 5), chunk->tid),
		"the transaction id is the one of the start line");
	hold(trace, chunk->refuse || (chunk->to_path.len > 0 && chunk->from_path.len > 0),
		"both paths are there unless refused");
	hold(trace, (chunk->refuse != 0) == (chunk->refuse_why != NULL), "a refusal says why");
	hold(trace, (chunk->method == METHOD_RESPONSE) || chunk->status == 0,
		"only responses have a status");
	hold(trace, !chunk->has_body || chunk->content_type.len > 0, "a body has a type");
}

/* No end-line may hide in what was given out as body. */
static void check_body(struct chunk_trace *trace)
{
	struct span body =
		span_make(trace->text + trace->body_start, trace->len - trace->body_start);

	hold(trace, end_line_len(trace, body) == 0, "the body does not begin with an end-line");
	for (size_t i = 0; i + 2 < body.len; i++) {
		if (body.at[i] == '\r' && body.at[i + 1] == '\n')
			hold(trace,
				end_line_len(trace, span_make(body.at + i + 2, body.len - i - 2)) ==
					0,
				"no end-line is given out as body");
	}
}

static void check_end(struct chunk_trace *trace, struct span taken, const struct chunk *chunk)
{
	struct span line = taken;

	hold(trace, trace->in_chunk, "an end comes only in a chunk");
	if (begins_with(line, SPAN_LITERAL("\r\n"))) {
		line.at += 2;
		line.len -= 2;
	}
	hold(trace, end_line_len(trace, line) == line.len && line.len > 0,
		"an end takes the end-line and nothing else");
	hold(trace, line.len > 3 && chunk->flag == line.at[line.len - 3],
		"the flag is the one of the end-line");
	check_body(trace);
}

static void check_more(struct chunk_trace *trace, size_t used, size_t left)
{
	hold(trace, used == 0, "MORE takes nothing");
	if (trace->in_chunk)
		hold(trace, left < 2 + 7 + trace->tid_len + 3,
			"no more than an end-line is withheld");
	else
		hold(trace, left < CHUNK_HEAD_MAX, "a buffer of CHUNK_HEAD_MAX suffices");
}

/* -- playing ------------------------------------------------------------------------------- */

static bool event_take(struct chunk_trace *trace, struct chunk_in *in, struct span octets)
{
	struct chunk chunk;
	struct span taken = { octets.at, 0 };
	size_t used = ~(size_t)0;
	enum chunk_event event = chunk_in_feed(in, octets, &used, &chunk);

	hold(trace, used <= octets.len, "no more is used than was fed");
	if (trace->broken != NULL)
		return false;
	taken.len = used;
	trace->used += used;
	switch (event) {
	case CHUNK_MORE: check_more(trace, used, octets.len); return false;
	case CHUNK_BAD:
		hold(trace, used == 0, "BAD takes nothing");
		hold(trace, chunk_in_feed(in, octets, &used, &chunk) == CHUNK_BAD && used == 0,
			"BAD is sticky");
		hold(trace, chunk_in_error(in)[0] != '\0', "BAD says why");
		check_body(trace);
		trace->error = (enum chunk_error)in->error;
		return false;
	case CHUNK_HEAD:
		check_head(trace, taken, &chunk);
		if (trace->broken != NULL)
			return false;
		put_head(trace, &chunk);
		memcpy(trace->tid, chunk.tid.at, chunk.tid.len);
		trace->tid_len = chunk.tid.len;
		trace->body_start = trace->len;
		trace->in_chunk = true;
		trace->heads++;
		return true;
	case CHUNK_BODY:
		hold(trace, trace->in_chunk, "body comes only in a chunk");
		hold(trace, used > 0 && chunk.body.at == octets.at && chunk.body.len == used,
			"a piece of body is what was taken");
		put(trace, chunk.body.at, chunk.body.len);
		return true;
	case CHUNK_END:
		check_end(trace, taken, &chunk);
		put_text(trace, "\nEND %c\n", chunk.flag);
		trace->body_start = trace->len;
		trace->in_chunk = false;
		trace->ends++;
		return true;
	}
	hold(trace, false, "an event is one of five");
	return false;
}

void chunk_trace_play(
	struct chunk_trace *trace, struct span stream, chunk_trace_piece *piece, void *arg)
{
	struct chunk_in in;
	size_t fed = 0;

	memset(trace, 0, sizeof(*trace));
	guard_reserve(stream.len + 1);
	put_text(trace, "STREAM\n");
	chunk_in_init(&in);
	while (fed < stream.len && trace->error == CHUNK_OK && trace->broken == NULL) {
		size_t more = piece(arg, stream.len - fed);
		bool goes_on;

		fed += more;
		do {
			/* Copied anew each time: spans of the call before must not be needed any
			 * more. */
			goes_on = event_take(trace, &in,
				guard_put(span_make(stream.at + trace->used, fed - trace->used)));
		} while (goes_on && trace->broken == NULL);
	}
	if (trace->error == CHUNK_OK && trace->in_chunk)
		check_body(trace);
	put_text(trace, "\nERROR %d USED %zu\n", trace->error, trace->used);
}

void chunk_trace_fini(struct chunk_trace *trace)
{
	free(trace->text);
	trace->text = NULL;
}

bool chunk_trace_eq(const struct chunk_trace *a, const struct chunk_trace *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0 && a->used == b->used;
}

size_t chunk_trace_whole(void *arg, size_t left)
{
	return left;
}

size_t chunk_trace_octets(void *arg, size_t left)
{
	return 1;
}

size_t chunk_trace_split(void *arg, size_t left)
{
	size_t first = *(size_t *)arg;

	*(size_t *)arg = left;
	return first > 0 && first < left ? first : left;
}
