/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/wire.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wire_add(struct wire_in *in, const void *octets, size_t len)
{
	if (in->used > 0 && !in->open) {
		memmove(in->octets, in->octets + in->used, in->len - in->used);
		in->len -= in->used;
		in->used = 0;
	}
	if (in->len + len + 1 > in->room) {
		in->room = (in->len + len + 1) * 2;
		in->octets = realloc(in->octets, in->room);
		if (in->octets == NULL)
			abort();
	}
	memcpy(in->octets + in->len, octets, len);
	in->len += len;
}

void wire_free(struct wire_in *in)
{
	free(in->octets);
	memset(in, 0, sizeof(*in));
}

static enum wire_result bad(struct wire_in *in, const char *why)
{
	in->error = why;
	return WIRE_BAD;
}

static bool copy(char *out, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	return true;
}

/* "12-34/56", either of the last two may be '*'. */
static bool range(const char *text, struct wire_item *item)
{
	char *at;

	item->start = strtoull(text, &at, 10);
	if (at == text || *at++ != '-')
		return false;
	if (*at == '*') {
		item->end = WIRE_STAR;
		at++;
	} else {
		item->end = strtoull(at, &at, 10);
	}
	if (*at++ != '/')
		return false;
	if (*at == '*') {
		item->total = WIRE_STAR;
		at++;
	} else {
		item->total = strtoull(at, &at, 10);
	}
	item->has_range = true;
	return *at == '\0';
}

static bool header(struct wire_item *item, unsigned number, const char *line, size_t len)
{
	char text[1024], *value;

	if (!copy(text, sizeof(text), line, len))
		return false;
	value = strstr(text, ": ");
	if (value == NULL)
		return false;
	*value = '\0';
	value += 2;
	if ((number == 0) != (strcmp(text, "To-Path") == 0) ||
		(number == 1) != (strcmp(text, "From-Path") == 0))
		return false;
	if (strcmp(text, "To-Path") == 0)
		return copy(item->to, sizeof(item->to), value, strlen(value));
	if (strcmp(text, "From-Path") == 0)
		return copy(item->from, sizeof(item->from), value, strlen(value));
	if (strcmp(text, "Message-ID") == 0)
		return copy(item->id, sizeof(item->id), value, strlen(value));
	if (strcmp(text, "Content-Type") == 0)
		return copy(item->type, sizeof(item->type), value, strlen(value));
	if (strcmp(text, "Byte-Range") == 0)
		return range(value, item);
	if (strcmp(text, "Failure-Report") == 0) {
		item->failure_report = value[0];
		return strcmp(value, "yes") == 0 || strcmp(value, "no") == 0 ||
		       strcmp(value, "partial") == 0;
	}
	if (strcmp(text, "Success-Report") == 0) {
		item->success_report = strcmp(value, "yes") == 0;
		return item->success_report; /* the switch never says more */
	}
	if (strcmp(text, "Status") == 0)
		return sscanf(value, "000 %3u", &item->status) == 1;
	if (strcmp(text, "Distribution-Count") == 0) {
		item->has_count = true;
		return sscanf(value, "%u", &item->count) == 1;
	}
	return false; /* nothing else is ever sent */
}

static bool start_line(struct wire_item *item, const char *line, size_t len)
{
	char text[256], word[256];
	int used = 0;

	if (!copy(text, sizeof(text), line, len) ||
		sscanf(text, "MSRP %39s %255s%n", item->tid, word, &used) != 2 ||
		strlen(item->tid) < 4 || strlen(item->tid) > 32)
		return false;
	if (isdigit((unsigned char)word[0])) {
		item->status = (unsigned)atoi(word);
		return strlen(word) == 3;
	}
	item->request = true;
	return text[used] == '\0' && copy(item->method, sizeof(item->method), word, strlen(word));
}

/* The end-line of `tid` at `at`: its length; 0: it is another line; -1: more is needed. */
static int end_line(const struct wire_in *in, size_t at, char *flag)
{
	char mark[64];
	size_t len = (size_t)snprintf(mark, sizeof(mark), "-------%s", in->item.tid);
	size_t have = in->len - at;

	if (memcmp(in->octets + at, mark, have < len ? have : len) != 0)
		return 0;
	if (have < len + 3)
		return -1;
	*flag = (char)in->octets[at + len];
	if (strchr("$+#", *flag) == NULL || memcmp(in->octets + at + len + 1, "\r\n", 2) != 0)
		return 0;
	return (int)len + 3;
}

static enum wire_result body(struct wire_in *in)
{
	char mark[64];
	size_t len = (size_t)snprintf(mark, sizeof(mark), "-------%s", in->item.tid), at;
	uint8_t *hit;
	int n;

	/* RFC 4975 7.1: the seven dashes and the id are nowhere in the body, not only not behind a
	 * line end: a receiver may look for them without it. */
	hit = memmem(in->octets + in->scanned, in->len - in->scanned, mark, len);
	if (hit == NULL) {
		at = in->len > len + 2 ? in->len - len - 2 : 0;
		in->scanned = at > in->body_at ? at : in->body_at;
		return WIRE_MORE;
	}
	at = (size_t)(hit - in->octets);
	n = end_line(in, at, &in->item.flag);
	if (n < 0) {
		in->item.flag = 0;
		return WIRE_MORE;
	}
	if (n == 0 || at < in->body_at + 2 || memcmp(hit - 2, "\r\n", 2) != 0)
		return bad(in, "the transaction id's mark stands in a body");
	in->item.body = in->octets + in->body_at;
	in->item.body_len = at - 2 - in->body_at;
	in->used = at + (size_t)n;
	in->open = false;
	return WIRE_WHOLE;
}

enum wire_result wire_next(struct wire_in *in, struct wire_item **item)
{
	size_t at = in->used;
	unsigned number = 0;
	uint8_t *lf;
	bool first = true;
	char flag = 0;
	int n;

	*item = &in->item;
	if (in->error != NULL)
		return WIRE_BAD;
	if (in->open)
		return body(in);
	in->item = (struct wire_item){ .failure_report = 'y' };
	for (;;) {
		const char *line = (const char *)in->octets + at;
		size_t len;

		if (in->len == at)
			return WIRE_MORE;
		if (!first) {
			n = end_line(in, at, &flag);
			if (n < 0)
				return WIRE_MORE;
			if (n > 0) {
				if (number < 2)
					return bad(in, "no paths");
				in->item.flag = flag;
				in->item.body = NULL;
				in->item.body_len = 0;
				in->used = at + (size_t)n;
				return WIRE_WHOLE;
			}
		}
		lf = memchr(in->octets + at, '\n', in->len - at);
		if (lf == NULL)
			return WIRE_MORE;
		len = (size_t)(lf - in->octets) - at;
		if (len == 0 || line[len - 1] != '\r')
			return bad(in, "a line feed without a carriage return");
		len--;
		at += len + 2;
		if (first) {
			if (!start_line(&in->item, line, len))
				return bad(in, "not a start line");
			first = false;
		} else if (len == 0) {
			if (!in->item.request || in->item.type[0] == '\0' || number < 2)
				return bad(in, "a body where none may be");
			in->item.has_body = true;
			in->open = true;
			in->body_at = in->scanned = at;
			return WIRE_HEAD;
		} else if (!header(&in->item, number++, line, len)) {
			return bad(in, "a header that the switch never writes");
		}
	}
}

size_t wire_partial(const struct wire_in *in, const uint8_t **body_at)
{
	size_t mark = strlen(in->item.tid) + 7 + 5, have;

	if (!in->open)
		return 0;
	*body_at = in->octets + in->body_at;
	have = in->len - in->body_at;
	return have > mark ? have - mark : 0; /* the rest may be an end-line */
}
