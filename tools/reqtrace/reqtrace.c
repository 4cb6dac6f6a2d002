/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tools/reqtrace/reqtrace.h"

enum note { NOTE_NONE, NOTE_COVERED, NOTE_NOT_TESTABLE };

struct places { /* "file:line" or "suite/test", in the order found */
	char **list;
	unsigned count;
};

struct row {
	char *id, *actor, *clause, *level, *text;
	struct places code, tests; /* where it is mentioned */
	struct places proofs;      /* tests that executed it and passed */
	enum note note;
	struct row *covered_by;
	char *reason;
};

struct reqtrace {
	char *root;
	struct row *rows; /* in the order of the table */
	unsigned count;
	struct row **by_id; /* sorted */
	bool ran;           /* a test run was added */
	FILE *errors;
	unsigned error_count;
};

struct totals {
	unsigned rows, in_code, proved, noted;
};

/* A tool for people at a terminal: without memory it ends. */
static void *checked(void *memory)
{
	if (memory == NULL) {
		fputs("reqtrace: out of memory\n", stderr);
		abort();
	}
	return memory;
}

static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return checked(text);
}

static void place_add(struct places *places, char *taken)
{
	places->list = checked(realloc(places->list, (places->count + 1) * sizeof(char *)));
	places->list[places->count++] = taken;
}

static void places_free(struct places *places)
{
	unsigned i;

	for (i = 0; i < places->count; i++)
		free(places->list[i]);
	free(places->list);
}

static void error(struct reqtrace *r, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void error(struct reqtrace *r, const char *file, unsigned line, const char *format, ...)
{
	va_list args;

	r->error_count++;
	fprintf(r->errors, "%s:%u: ", file, line);
	va_start(args, format);
	vfprintf(r->errors, format, args);
	va_end(args);
	fputc('\n', r->errors);
}

/* ---- files ---- */

/* Whole file with a zero behind it; NULL when there is none. */
static char *file_read(const char *path)
{
	FILE *in = fopen(path, "re");
	size_t len = 0, room = 1 << 16, got;
	char *text;

	if (in == NULL)
		return NULL;
	text = checked(malloc(room));
	while ((got = fread(text + len, 1, room - len - 1, in)) > 0) {
		len += got;
		if (len == room - 1)
			text = checked(realloc(text, room *= 2));
	}
	fclose(in);
	text[len] = 0;
	return text;
}

/* The next line of *rest, ended by a zero in place; NULL at the end. */
static char *line_next(char **rest)
{
	char *line = *rest, *end;

	if (line == NULL || *line == 0)
		return NULL;
	end = strchr(line, '\n');
	if (end == NULL) {
		*rest = NULL;
		return line;
	}
	*end = 0;
	*rest = end + 1;
	if (end > line && end[-1] == '\r')
		end[-1] = 0;
	return line;
}

/* Cuts a line at its tabs; returns how many fields there are, also beyond `max`. */
static unsigned fields_cut(char *line, char **fields, unsigned max)
{
	unsigned count = 0;

	for (;;) {
		char *tab = strchr(line, '\t');

		if (count < max)
			fields[count] = line;
		count++;
		if (tab == NULL)
			return count;
		*tab = 0;
		line = tab + 1;
	}
}

/* ---- rows ---- */

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct row *const *)a)->id, (*(struct row *const *)b)->id);
}

static struct row *row_find(const struct reqtrace *r, const char *id)
{
	struct row wanted = { .id = (char *)id };
	const struct row *key = &wanted;
	struct row **hit = bsearch(&key, r->by_id, r->count, sizeof(*r->by_id), by_id);

	return hit != NULL ? *hit : NULL;
}

static void table_read(struct reqtrace *r)
{
	static const char name[] = "docs/requirements.tsv";
	char *path = text_of("%s/%s", r->root, name), *text = file_read(path), *rest = text, *line;
	char *field[6];
	unsigned number = 0, i, n;

	free(path);
	if (text == NULL) {
		error(r, name, 1, "cannot be read");
		return;
	}
	while ((line = line_next(&rest)) != NULL) {
		number++;
		n = fields_cut(line, field, 6);
		if (number == 1)
			continue; /* the names of the columns */
		if (n != 6) {
			error(r, name, number, "%u fields, not 6", n);
			continue;
		}
		r->rows = checked(realloc(r->rows, (r->count + 1) * sizeof(*r->rows)));
		r->rows[r->count++] = (struct row){
			.id = text_of("%s", field[0]),
			.actor = text_of("%s", field[1]),
			.clause = text_of("%s", field[2]),
			.level = text_of("%s", field[3]),
			.text = text_of("%s", field[4]),
		};
	}
	free(text);
	r->by_id = checked(calloc(r->count + 1, sizeof(*r->by_id)));
	for (i = 0; i < r->count; i++)
		r->by_id[i] = &r->rows[i];
	qsort(r->by_id, r->count, sizeof(*r->by_id), by_id);
	for (i = 1; i < r->count; i++) {
		if (strcmp(r->by_id[i - 1]->id, r->by_id[i]->id) == 0)
			error(r, name, 1, "%s stands twice", r->by_id[i]->id);
	}
}

static void notes_read(struct reqtrace *r)
{
	static const char name[] = "docs/requirements-notes.tsv";
	char *path = text_of("%s/%s", r->root, name), *text = file_read(path), *rest = text, *line;
	char *field[3];
	unsigned number = 0, i;

	free(path);
	while ((line = line_next(&rest)) != NULL) {
		struct row *row, *other;

		number++;
		if (*line == 0 || *line == '#')
			continue;
		if (fields_cut(line, field, 3) != 3 || *field[2] == 0) {
			error(r, name, number,
				"write: id TAB \"covered by\" or \"not testable\" TAB id or reason");
			continue;
		}
		row = row_find(r, field[0]);
		if (row == NULL) {
			error(r, name, number, "no row has the id %s", field[0]);
			continue;
		}
		if (row->note != NOTE_NONE) {
			error(r, name, number, "%s is noted twice", row->id);
			continue;
		}
		if (strcmp(field[1], "not testable") == 0) {
			row->note = NOTE_NOT_TESTABLE;
			row->reason = text_of("%s", field[2]);
			continue;
		}
		if (strcmp(field[1], "covered by") != 0) {
			error(r, name, number, "\"%s\": write \"covered by\" or \"not testable\"",
				field[1]);
			continue;
		}
		other = row_find(r, field[2]);
		if (other == NULL) {
			error(r, name, number, "no row has the id %s", field[2]);
			continue;
		}
		row->note = NOTE_COVERED;
		row->covered_by = other;
	}
	free(text);
	/* One that is covered must lead to a row with tests of its own, not to another note. */
	for (i = 0; i < r->count; i++) {
		struct row *row = &r->rows[i];

		if (row->covered_by != NULL && row->covered_by->note != NOTE_NONE)
			error(r, name, 1, "%s is covered by %s, which is only noted itself",
				row->id, row->covered_by->id);
	}
}

/* ---- where ids are mentioned ---- */

static bool is_id_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.';
}

static bool is_actor(const struct reqtrace *r, const char *at)
{
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if (strncmp(r->rows[i].id, at, 3) == 0) /* "CF-" */
			return true;
	}
	return false;
}

/* The id at `at`: two letters of an actor, a clause, a step. Its length; 0: there is none. A clause
 * alone is none. */
static size_t id_at(const struct reqtrace *r, const char *at)
{
	size_t len;

	if (!isupper((unsigned char)at[0]) || !isupper((unsigned char)at[1]) || at[2] != '-' ||
		!isdigit((unsigned char)at[3]) || !is_actor(r, at))
		return 0;
	for (len = 3; is_id_char(at[len]); len++)
		;
	while (at[len - 1] == '.' || at[len - 1] == '-')
		len--; /* the end of a sentence */
	return memchr(at + 3, '-', len - 3) != NULL ? len : 0;
}

static void mention_add(struct reqtrace *r, const char *file, unsigned line, const char *at,
	size_t len, bool is_test)
{
	char *id = text_of("%.*s", (int)len, at);
	struct row *row = row_find(r, id);

	if (row == NULL)
		error(r, file, line, "no row has the id %s", id);
	else
		place_add(is_test ? &row->tests : &row->code, text_of("%s:%u", file, line));
	free(id);
}

static void file_scan(struct reqtrace *r, const char *file, bool is_test)
{
	static const char macro[] = "REQ(\"";
	char *path = text_of("%s/%s", r->root, file), *text = file_read(path), *rest = text, *line,
	     *at;
	unsigned number = 0;

	free(path);
	while ((line = line_next(&rest)) != NULL) {
		number++;
		if (is_test) {
			for (at = strstr(line, macro); at != NULL; at = strstr(at, macro)) {
				at += sizeof(macro) - 1;
				mention_add(r, file, number, at, strcspn(at, "\""), true);
			}
			continue;
		}
		for (at = line; *at != 0; at++) {
			size_t len = at == line || !is_id_char(at[-1]) ? id_at(r, at) : 0;

			if (len == 0)
				continue;
			mention_add(r, file, number, at, len, false);
			at += len - 1;
		}
	}
	free(text);
}

static bool is_source(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL &&
	       (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0 || strcmp(dot, ".def") == 0);
}

static void folder_scan(struct reqtrace *r, const char *folder, bool is_test)
{
	char *path = text_of("%s/%s", r->root, folder);
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort), i;

	free(path);
	for (i = 0; i < count; i++) {
		char *name = text_of("%s/%s", folder, entries[i]->d_name);
		char *full = text_of("%s/%s", r->root, name);
		struct stat status;

		/* The tests of this program quote ids that no row has. */
		if (entries[i]->d_name[0] != '.' && stat(full, &status) == 0) {
			if (S_ISDIR(status.st_mode) && strcmp(name, "tests/unit/tools") != 0)
				folder_scan(r, name, is_test);
			else if (S_ISREG(status.st_mode) && is_source(name))
				file_scan(r, name, is_test);
		}
		free(full);
		free(name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

int reqtrace_new(struct reqtrace **out, const char *root, FILE *errors)
{
	static const char *const code[] = { "include", "dataplane", "control", "tools" };
	struct reqtrace *r = checked(calloc(1, sizeof(*r)));
	unsigned i;

	*out = NULL;
	r->root = text_of("%s", root);
	r->errors = errors;
	table_read(r);
	if (r->count > 0) {
		notes_read(r);
		for (i = 0; i < sizeof(code) / sizeof(code[0]); i++)
			folder_scan(r, code[i], false);
		folder_scan(r, "tests", true);
	}
	if (r->error_count > 0) {
		reqtrace_free(r);
		return -EINVAL;
	}
	*out = r;
	return 0;
}

void reqtrace_free(struct reqtrace *r)
{
	unsigned i;

	if (r == NULL)
		return;
	for (i = 0; i < r->count; i++) {
		struct row *row = &r->rows[i];

		free(row->id);
		free(row->actor);
		free(row->clause);
		free(row->level);
		free(row->text);
		free(row->reason);
		places_free(&row->code);
		places_free(&row->tests);
		places_free(&row->proofs);
	}
	free(r->rows);
	free(r->by_id);
	free(r->root);
	free(r);
}

/* ---- what a test run did ---- */

/* Names of the tests that passed, as "suite/test"; a test that is a plain main has no suite:
 * "/test". Sorted. */
struct passes {
	char **list;
	unsigned count;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* meson writes "12 - suite::test (0.01s)" for a test of a TAP program; for a plain one "name", or,
 * as soon as there are several suites, "project:suite / name". */
static char *test_name(const char *name, size_t len)
{
	const char *end = name + len, *colons, *at = name;

	while (at < end && isdigit((unsigned char)*at))
		at++;
	if (at > name && end - at > 3 && strncmp(at, " - ", 3) == 0)
		name = at + 3;
	colons = memmem(name, (size_t)(end - name), "::", 2);
	if (colons == NULL) { /* "project:suite / name" */
		at = memmem(name, (size_t)(end - name), " / ", 3);
		name = at != NULL ? at + 3 : name;
		return text_of("/%.*s", (int)(end - name), name);
	}
	at = colons + 2;
	while (at < end && (isalnum((unsigned char)*at) || *at == '_'))
		at++;
	return text_of("%.*s/%.*s", (int)(colons - name), name, (int)(at - colons - 2), colons + 2);
}

/* Not an XML parser: what tests print is in that file too, with whatever octets they liked, but
 * always with its "<" escaped. So a "<testcase " is one. */
static void junit_read(char *text, struct passes *passes)
{
	static const char begin[] = "<testcase ", attribute[] = " name=\"";
	char *at = strstr(text, begin);

	while (at != NULL) {
		char *next = strstr(at + sizeof(begin) - 1, begin);
		char *head_end = strchr(at, '>');
		char *name = strstr(at, attribute), *end;
		bool passed = true;

		if (next != NULL)
			next[-1] = 0;
		if (head_end != NULL && head_end[-1] != '/') {
			end = strstr(head_end, "</testcase>");
			if (end != NULL)
				*end = 0;
			passed = strstr(head_end, "<failure") == NULL &&
				 strstr(head_end, "<error") == NULL &&
				 strstr(head_end, "<skipped") == NULL;
		}
		if (passed && name != NULL && head_end != NULL && name < head_end) {
			name += sizeof(attribute) - 1;
			passes->list = checked(
				realloc(passes->list, (passes->count + 1) * sizeof(char *)));
			passes->list[passes->count++] = test_name(name, strcspn(name, "\""));
		}
		at = next;
	}
	qsort(passes->list, passes->count, sizeof(char *), by_text);
}

static bool passes_has(const struct passes *passes, const char *test)
{
	const char *slash = strchr(test, '/');

	if (passes->count == 0)
		return false;
	return bsearch(&test, passes->list, passes->count, sizeof(char *), by_text) != NULL ||
	       (slash != NULL && bsearch(&slash, passes->list, passes->count, sizeof(char *),
					 by_text) != NULL);
}

static void proof_add(struct row *row, const char *test)
{
	unsigned i;

	for (i = 0; i < row->proofs.count; i++) {
		if (strcmp(row->proofs.list[i], test) == 0)
			return;
	}
	place_add(&row->proofs, text_of("%s", test));
}

int reqtrace_run_add(struct reqtrace *r, const char *log, const char *junit, FILE *errors)
{
	char *log_text = file_read(log), *junit_text = file_read(junit), *rest = log_text, *line;
	struct passes passes = { NULL, 0 };
	unsigned number = 0, before = r->error_count;
	int result = 0;

	if (log_text == NULL || junit_text == NULL) {
		result = -ENOENT;
		goto out;
	}
	r->ran = true;
	r->errors = errors;
	junit_read(junit_text, &passes);
	while ((line = line_next(&rest)) != NULL) {
		char *field[2];
		struct row *row;

		number++;
		if (fields_cut(line, field, 2) != 2) {
			error(r, log, number, "not a line of REQ");
			continue;
		}
		row = row_find(r, field[0]);
		if (row == NULL)
			error(r, log, number, "no row has the id %s (test %s)", field[0], field[1]);
		else if (passes_has(&passes, field[1]))
			proof_add(row, field[1]);
	}
	if (r->error_count > before)
		result = -EINVAL;
out:
	while (passes.count > 0)
		free(passes.list[--passes.count]);
	free(passes.list);
	free(log_text);
	free(junit_text);
	return result;
}

/* ---- pages ---- */

static bool is_proved(const struct row *row)
{
	return row->proofs.count > 0;
}

/* A note counts only for what is not proved; "covered by" only as long as the other one is. */
static bool is_noted(const struct row *row)
{
	return !is_proved(row) &&
	       (row->note == NOTE_NOT_TESTABLE ||
		       (row->note == NOTE_COVERED && is_proved(row->covered_by)));
}

static void totals_add(struct totals *totals, const struct row *row)
{
	totals->rows++;
	totals->in_code += row->code.count > 0;
	totals->proved += is_proved(row);
	totals->noted += is_noted(row);
}

static struct totals totals_of(const struct reqtrace *r, const char *clause)
{
	struct totals totals = { 0 };
	unsigned i;

	for (i = 0; i < r->count; i++) {
		if (clause == NULL || strcmp(r->rows[i].clause, clause) == 0)
			totals_add(&totals, &r->rows[i]);
	}
	return totals;
}

static bool is_first_of_clause(const struct reqtrace *r, unsigned index)
{
	unsigned i;

	for (i = 0; i < index; i++) {
		if (strcmp(r->rows[i].clause, r->rows[index].clause) == 0)
			return false;
	}
	return true;
}

static void clauses_print(const struct reqtrace *r, const char *format, FILE *out)
{
	unsigned i;

	for (i = 0; i < r->count; i++) {
		const struct row *row = &r->rows[i];
		struct totals t;

		if (!is_first_of_clause(r, i))
			continue;
		t = totals_of(r, row->clause);
		fprintf(out, format, row->clause, row->actor, t.rows, t.in_code, t.proved, t.noted,
			t.rows - t.proved - t.noted);
	}
}

void reqtrace_table_print(const struct reqtrace *r, FILE *out)
{
	struct totals t = totals_of(r, NULL);

	fprintf(out, "%-18s %-26s %5s %8s %7s %6s %5s\n", "clause", "actor", "rows", "in code",
		"proved", "noted", "open");
	clauses_print(r, "%-18s %-26s %5u %8u %7u %6u %5u\n", out);
	fprintf(out, "%-18s %-26s %5u %8u %7u %6u %5u\n", "all", "", t.rows, t.in_code, t.proved,
		t.noted, t.rows - t.proved - t.noted);
}

void reqtrace_totals_print(const struct reqtrace *r, FILE *out)
{
	struct totals t = totals_of(r, NULL);

	fprintf(out, "requirements: %u rows, %u in code, %u proved by tests, %u noted, %u open%s\n",
		t.rows, t.in_code, t.proved, t.noted, t.rows - t.proved - t.noted,
		r->ran ? "" : " (no test run found)");
}

static void places_print(const char *what, const struct places *places, FILE *out)
{
	unsigned i;

	for (i = 0; i < places->count; i++)
		fprintf(out, "    %-9s %s\n", what, places->list[i]);
}

static const char *state_of(const struct row *row)
{
	if (is_proved(row))
		return "proved";
	return is_noted(row) ? "noted" : "open";
}

unsigned reqtrace_list_print(const struct reqtrace *r, const char *which, FILE *out)
{
	bool missing = which != NULL && strcmp(which, "missing") == 0;
	unsigned i, printed = 0;

	for (i = 0; i < r->count; i++) {
		const struct row *row = &r->rows[i];

		if (missing && (is_proved(row) || is_noted(row)))
			continue;
		if (which != NULL && !missing && strcmp(row->clause, which) != 0 &&
			strcmp(row->id, which) != 0)
			continue;
		printed++;
		fprintf(out, "%s  %s  %s\n    %s\n", row->id, row->level, state_of(row), row->text);
		places_print("code", &row->code, out);
		places_print("test", &row->tests, out);
		places_print("proved by", &row->proofs, out);
		if (row->note == NOTE_COVERED)
			fprintf(out, "    %-9s covered by %s, which is %s\n", "note",
				row->covered_by->id, state_of(row->covered_by));
		else if (row->note == NOTE_NOT_TESTABLE)
			fprintf(out, "    %-9s not testable: %s\n", "note", row->reason);
	}
	return printed;
}

static void cell_print(const char *text, FILE *out)
{
	for (; *text != 0; text++) {
		if (strchr("|*<_", *text) != NULL)
			putc('\\', out);
		putc(*text, out);
	}
}

void reqtrace_markdown_print(const struct reqtrace *r, FILE *out)
{
	struct totals t = totals_of(r, NULL);
	unsigned i, k;

	fputs("# Requirements: what is written, and what a test has proved\n"
	      "\n"
	      "Printed by `reqtrace --markdown` from `docs/requirements.tsv`, the code, the tests and the last test run.\n"
	      "*Proved* means that a test executed `REQ(\"id\")` and passed; *noted* is the reviewed file\n"
	      "`docs/requirements-notes.tsv`; *in code* means that the code cites the id.\n"
	      "\n"
	      "| clause | actor | rows | in code | proved | noted | open |\n"
	      "|---|---|---:|---:|---:|---:|---:|\n",
		out);
	clauses_print(r, "| %s | %s | %u | %u | %u | %u | %u |\n", out);
	fprintf(out, "| **all** | | %u | %u | %u | %u | %u |\n", t.rows, t.in_code, t.proved,
		t.noted, t.rows - t.proved - t.noted);
	for (i = 0; i < r->count; i++) {
		if (!is_first_of_clause(r, i))
			continue;
		fprintf(out, "\n## %s\n\n| id | level | requirement | state |\n|---|---|---|---|\n",
			r->rows[i].clause);
		for (k = i; k < r->count; k++) {
			const struct row *row = &r->rows[k];

			if (strcmp(row->clause, r->rows[i].clause) != 0)
				continue;
			fprintf(out, "| %s | %s | ", row->id, row->level);
			cell_print(row->text, out);
			fprintf(out, " | %s", state_of(row));
			if (is_proved(row)) {
				fputs(": ", out);
				cell_print(row->proofs.list[0], out);
			} else if (row->note == NOTE_COVERED) {
				fprintf(out, ": covered by %s", row->covered_by->id);
			} else if (row->note == NOTE_NOT_TESTABLE) {
				fputs(": ", out);
				cell_print(row->reason, out);
			} else if (row->code.count > 0) {
				fputs(", in code", out);
			}
			fputs(" |\n", out);
		}
	}
}
