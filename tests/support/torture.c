/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/torture.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 12

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "torture: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

static char *file_read(const char *directory, const char *name, size_t *len)
{
	char path[512], *octets;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
		fail("cannot read %s", path);
	rewind(file);
	octets = malloc((size_t)size + 1);
	if (octets == NULL || fread(octets, 1, (size_t)size, file) != (size_t)size)
		fail("cannot read %s", path);
	fclose(file);
	octets[size] = '\0';
	*len = (size_t)size;
	return octets;
}

/* Cuts the row into its columns. */
static void row_read(struct torture_case *one, char *row)
{
	const char **columns[COLUMNS] = { &one->name, &one->group, &one->rule, &one->basis,
		&one->layer, &one->on, &one->answers, &one->reaches, &one->then, &one->near,
		&one->says, &one->may };
	unsigned i;

	for (i = 0; i < COLUMNS; i++) {
		char *tab = strchr(row, '\t');

		*columns[i] = row;
		if ((tab == NULL) != (i + 1 == COLUMNS) || *row == '\0' || *row == '\t')
			fail("index.tsv: the row of %s has not %d columns", one->name, COLUMNS);
		if (tab != NULL)
			*tab = '\0';
		row = tab + 1;
	}
}

void torture_load(struct torture_set *set, const char *directory)
{
	char name[200], *row, *end;
	size_t len;

	memset(set, 0, sizeof(*set));
	set->index = file_read(directory, "index.tsv", &len);
	row = strchr(set->index, '\n'); /* the first names the columns */
	for (row = row != NULL ? row + 1 : set->index + len; *row != '\0'; row = end + 1) {
		struct torture_case *one;

		end = strchr(row, '\n');
		if (end == NULL)
			fail("index.tsv: its last line has no end");
		*end = '\0';
		set->cases = realloc(set->cases, (set->count + 1) * sizeof(*set->cases));
		if (set->cases == NULL)
			fail("no memory");
		one = &set->cases[set->count++];
		row_read(one, row);
		snprintf(name, sizeof(name), "%s.msrp", one->name);
		one->text = file_read(directory, name, &one->len);
	}
}

void torture_free(struct torture_set *set)
{
	unsigned i;

	for (i = 0; i < set->count; i++)
		free(set->cases[i].text);
	free(set->cases);
	free(set->index);
}

/* ---- placeholders ---- */

struct making {
	const struct torture_case *one;
	const struct torture_values *values;
	struct torture_octets *out;
	size_t room;
	size_t lens[TORTURE_PIECES_MAX]; /* of the pieces, known in the second pass */
	bool inside;
};

static void put(struct making *m, const char *octets, size_t len)
{
	struct torture_octets *out = m->out;

	if (out->len + len > m->room) {
		m->room = (out->len + len) * 2 + 1024;
		out->at = realloc(out->at, m->room);
		if (out->at == NULL)
			fail("no memory");
	}
	memcpy(out->at + out->len, octets, len);
	out->len += len;
}

/* Where each piece begins is kept as an offset until all octets are there. */
static void piece_begin(struct making *m)
{
	if (m->inside || m->out->pieces == TORTURE_PIECES_MAX)
		fail("%s: %%[%% within a piece, or too many", m->one->name);
	m->inside = true;
	m->lens[m->out->pieces] = m->out->len; /* its beginning, for now */
}

static void piece_end(struct making *m)
{
	struct torture_octets *out = m->out;
	size_t start = m->lens[out->pieces];

	if (!m->inside)
		fail("%s: %%]%% without %%[%%", m->one->name);
	m->inside = false;
	m->lens[out->pieces] = out->len - start;
	out->piece[out->pieces].at = (const char *)start;
	out->piece[out->pieces++].len = out->len - start;
}

/* n octets in all: of the piece, or of the file. */
static void pad(struct making *m, size_t n)
{
	size_t from = m->inside ? m->lens[m->out->pieces] : 0;
	size_t there = m->out->len - from;

	if (there > n)
		fail("%s: %zu octets, and %zu wanted", m->one->name, there, n);
	for (; there < n; there++)
		put(m, "x", 1);
}

/* A sum of lengths of pieces and of numbers: L1+L2-1 */
static void put_sum(struct making *m, const char *at, const char *end, const size_t *lens)
{
	char text[24];
	long long sum = 0;
	int sign = 1;

	while (at < end) {
		bool is_piece = *at == 'L';
		char *rest;
		long long term = strtoll(at + is_piece, &rest, 10);

		if (rest == at + is_piece || (is_piece && (term < 1 || term > TORTURE_PIECES_MAX)))
			fail("%s: %.*s", m->one->name, (int)(end - at), at);
		sum += sign * (is_piece ? (long long)lens[term - 1] : term);
		at = rest;
		if (at == end)
			break;
		sign = *at == '+' ? 1 : -1;
		at++;
	}
	if (sum < 0)
		sum = 0; /* in the first pass */
	put(m, text, (size_t)snprintf(text, sizeof(text), "%lld", sum));
}

static bool is(const char *at, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(at, word, len) == 0;
}

/* Is it a placeholder? Puts what it stands for. */
static bool place(struct making *m, const char *at, size_t len, const size_t *lens)
{
	const struct torture_values *v = m->values;
	const struct {
		const char *word, *value;
	} words[] = { { "TO", v->to }, { "FROM", v->from }, { "HOST", v->host },
		{ "PORT", v->port }, { "SESSION", v->session }, { "SELF", v->self },
		{ "ROOM", v->room }, { "PEER", v->peer }, { "PLAIN", v->plain } };
	unsigned i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is(at, len, words[i].word)) {
			put(m, words[i].value, strlen(words[i].value));
			return true;
		}
	}
	if (is(at, len, "["))
		piece_begin(m);
	else if (is(at, len, "]"))
		piece_end(m);
	else if (len > 4 && memcmp(at, "PAD:", 4) == 0)
		pad(m, strtoull(at + 4, NULL, 10));
	else if (len > 1 && at[0] == 'L' && at[1] >= '0' && at[1] <= '9')
		put_sum(m, at, at + len, lens);
	else
		return false;
	return true;
}

static void pass(struct making *m, const size_t *lens)
{
	const char *at = m->one->text, *end = at + m->one->len, *sign, *close;

	m->out->len = 0;
	m->out->pieces = 0;
	while ((sign = memchr(at, '%', (size_t)(end - at))) != NULL) {
		put(m, at, (size_t)(sign - at));
		close = memchr(sign + 1, '%', (size_t)(end - sign - 1));
		if (close != NULL && place(m, sign + 1, (size_t)(close - sign - 1), lens)) {
			at = close + 1;
			continue;
		}
		put(m, "%", 1);
		at = sign + 1;
	}
	put(m, at, (size_t)(end - at));
	if (m->inside)
		fail("%s: a piece has no end", m->one->name);
}

void torture_make(struct torture_octets *out, const struct torture_case *one,
	const struct torture_values *values)
{
	struct making m = { .one = one, .values = values, .out = out };
	size_t lens[TORTURE_PIECES_MAX] = { 0 };
	unsigned i;

	/* Once for the lengths, and once with them. No piece has a length in it. */
	memset(out, 0, sizeof(*out));
	pass(&m, lens);
	memcpy(lens, m.lens, sizeof(lens));
	pass(&m, lens);
	for (i = 0; i < out->pieces; i++)
		out->piece[i].at = out->at + (size_t)out->piece[i].at;
}

void torture_octets_free(struct torture_octets *octets)
{
	free(octets->at);
	memset(octets, 0, sizeof(*octets));
}
