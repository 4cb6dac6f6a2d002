/* SPDX-License-Identifier: BSD-3-Clause */
/* reqtrace: requirement -> code -> test, from what the tree says and what the last test run did.
 *
 *   docs/requirements.tsv the rows: id, actor, clause, level, requirement, seed
 *   docs/requirements-notes.tsv reviewed by people: id TAB "covered by" TAB id, or id TAB "not
 *   testable" TAB reason dataplane control include tools a row's id in a C file: the code that
 *   meets it tests REQ("id"): the tests that could prove it BUILD/meson-logs/ requirements.log
 *   (lines of PLENUM_REQ_LOG): REQ("id") was executed, in which test;
 *                                 testlog.junit.xml: which tests passed
 *
 * A row is proved when its REQ was executed and that test passed; mentioned is not proved. An id
 * that no row has is an error wherever it stands.
 *
 * Memory:   a struct reqtrace owns everything from reqtrace_new to reqtrace_free.
 * Errors:   one line each, FILE:LINE: what is wrong; all of them are said.
 */
#ifndef TOOLS_REQTRACE_REQTRACE_H
#define TOOLS_REQTRACE_REQTRACE_H
#include <stdio.h>
#include "include/result.h"

struct reqtrace;

/* Reads the table, the notes (which may be absent), the code and the tests of the tree `root`.
 * -EINVAL: errors were written, *out is NULL. */
must_check int reqtrace_new(struct reqtrace **out, const char *root, FILE *errors);
void reqtrace_free(struct reqtrace *r);

/* Adds what one test run did. -ENOENT: there was none (one of the files is missing), nothing is
 * proved by it; -EINVAL: errors were written. */
must_check int reqtrace_run_add(
	struct reqtrace *r, const char *log, const char *junit, FILE *errors);

/* Per clause: rows, in code, proved, noted, open; and the totals. */
void reqtrace_table_print(const struct reqtrace *r, FILE *out);
void reqtrace_totals_print(const struct reqtrace *r, FILE *out); /* one line */

/* Row by row, with where it stands in code and tests: all of a clause, "missing" (not proved and
 * not noted), or all (NULL). Returns how many were printed. */
unsigned reqtrace_list_print(const struct reqtrace *r, const char *which, FILE *out);

/* The page docs/requirements.md. */
void reqtrace_markdown_print(const struct reqtrace *r, FILE *out);
#endif
