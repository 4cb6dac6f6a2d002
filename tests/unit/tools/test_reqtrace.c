/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/reqtrace/reqtrace.h"

/* A small tree of its own per test. */
static char tree[32];

static void file_write(const char *name, const char *text)
{
	char path[128], *slash;
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	for (slash = path + strlen(tree) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	out = fopen(path, "w");
	cr_assert_not_null(out, "%s", path);
	fputs(text, out);
	fclose(out);
}

static void tree_make(void)
{
	strcpy(tree, "/tmp/plenum-test-XXXXXX");
	cr_assert_not_null(mkdtemp(tree));
	file_write("docs/requirements.tsv", "id\tactor\tclause\tlevel\trequirement\tseed\n"
					    "CF-1.1-R1\tcontrolling\t1.1\tSHALL\tOne.\ts\n"
					    "CF-1.1-R2a\tcontrolling\t1.1\tSHALL\tTwo.\ts\n"
					    "CF-1.1-R2a-ix\tcontrolling\t1.1\tMAY\tThree.\ts\n"
					    "CL-2.1-1\tclient\t2.1\tSHALL\tFour | five.\ts\n");
}

static void tree_remove(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", tree);
	cr_assert_eq(system(command), 0);
}

TestSuite(reqtrace, .init = tree_make, .fini = tree_remove);

static struct reqtrace *load(void)
{
	struct reqtrace *r;

	cr_assert_eq(reqtrace_new(&r, tree, stderr), 0);
	return r;
}

/* The exact lines of a tree that is refused. */
static void assert_refused(const char *expected)
{
	struct reqtrace *r;
	char *said;
	size_t len;
	FILE *errors = open_memstream(&said, &len);

	cr_assert_eq(reqtrace_new(&r, tree, errors), -EINVAL);
	cr_assert_null(r);
	fclose(errors);
	cr_assert_str_eq(said, expected);
	free(said);
}

static int run(struct reqtrace *r, const char *log, const char *junit, FILE *errors)
{
	char log_path[64], junit_path[64];

	file_write("log", log);
	file_write("junit.xml", junit);
	snprintf(log_path, sizeof(log_path), "%s/log", tree);
	snprintf(junit_path, sizeof(junit_path), "%s/junit.xml", tree);
	return reqtrace_run_add(r, log_path, junit_path, errors);
}

static void assert_totals(const struct reqtrace *r, const char *expected)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	reqtrace_totals_print(r, out);
	fclose(out);
	cr_assert_str_eq(text, expected);
	free(text);
}

static void assert_list(const struct reqtrace *r, const char *which, const char *expected)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	reqtrace_list_print(r, which, out);
	fclose(out);
	cr_assert_str_eq(text, expected);
	free(text);
}

/* As meson 1.0 writes it: programs that speak TAP, and one that has an exit status only. */
static const char junit[] =
	"<?xml version='1.0' encoding='utf-8'?>\n"
	"<testsuites tests=\"5\" errors=\"0\" failures=\"1\">"
	"<testsuite name=\"plenum.adhoc\" tests=\"4\" errors=\"0\" failures=\"1\" skipped=\"1\" time=\"0.1\">"
	"<testcase name=\"1 - CF_1_1::R1_holds  (0.00s)\" classname=\"plenum.adhoc\" />"
	"<testcase name=\"2 - CF_1_1::R2a_fails  (0.00s)\" classname=\"plenum.adhoc\"><failure /></testcase>"
	"<testcase name=\"3 - CF_1_1::left_out\" classname=\"plenum.adhoc\"><skipped /></testcase>"
	"<testcase name=\"4 - CF_1_1::R2a_holds  (1.00s)\" classname=\"plenum.adhoc\" />"
	"<system-out>not ok - CF_1_1::R2a_fails &lt;failure /&gt; \x01\n</system-out></testsuite>"
	"<testsuite name=\"plenum\" tests=\"2\" errors=\"0\" failures=\"1\" skipped=\"0\" time=\"1\">"
	"<testcase name=\"plenum:stress / stress_border\" classname=\"plenum\" time=\"1\"><system-out>fine</system-out></testcase>"
	"<testcase name=\"stress_other\" classname=\"plenum\" time=\"1\"><failure /></testcase>"
	"</testsuite></testsuites>";

Test(reqtrace, nothing_is_proved_without_a_run)
{
	struct reqtrace *r = load();

	file_write("log", "");
	cr_assert_eq(reqtrace_run_add(r, "/nowhere/log", "/nowhere/junit.xml", stderr), -ENOENT);
	assert_totals(r,
		"requirements: 4 rows, 0 in code, 0 proved by tests, 0 noted, 4 open (no test run found)\n");
	reqtrace_free(r);
}

Test(reqtrace, code_counts_once_per_row_and_says_where)
{
	struct reqtrace *r;

	file_write("control/controlling/a.c",
		"/* CF-1.1-R1, CF-1.1-R2a-ix. */\nint x; /* CF-1.1-R1 */\n");
	file_write("include/b.h",
		"/* see CF-1.1 and XCF-1.1-R9, CF-1.1-R1-less than that is no id of ours? no */\n");
	file_write("dataplane/notes.txt", "CF-9.9-R9\n");
	assert_refused("include/b.h:1: no row has the id CF-1.1-R1-less\n");
	file_write("include/b.h", "/* clause CF-1.1 alone, XCF-1.1-R9, AB-1.1-R1 */\n");
	r = load();
	assert_totals(r,
		"requirements: 4 rows, 2 in code, 0 proved by tests, 0 noted, 4 open (no test run found)\n");
	assert_list(r, "CF-1.1-R1",
		"CF-1.1-R1  SHALL  open\n    One.\n    code      control/controlling/a.c:1\n"
		"    code      control/controlling/a.c:2\n");
	reqtrace_free(r);
}

Test(reqtrace, mentioned_in_a_test_is_not_proved)
{
	struct reqtrace *r;

	file_write("tests/scenario/t.c", "\n\tREQ(\"CF-1.1-R1\"); REQ(\"CL-2.1-1\");\n");
	r = load();
	cr_assert_eq(run(r, "", junit, stderr), 0);
	assert_totals(r, "requirements: 4 rows, 0 in code, 0 proved by tests, 0 noted, 4 open\n");
	assert_list(r, "2.1",
		"CL-2.1-1  SHALL  open\n    Four | five.\n    test      tests/scenario/t.c:2\n");
	reqtrace_free(r);
}

Test(reqtrace, executed_and_passed_is_proved)
{
	struct reqtrace *r = load();

	cr_assert_eq(
		run(r, "CF-1.1-R1\tCF_1_1/R1_holds\nCF-1.1-R1\tCF_1_1/R1_holds\n", junit, stderr),
		0);
	assert_totals(r, "requirements: 4 rows, 0 in code, 1 proved by tests, 0 noted, 3 open\n");
	assert_list(r, "CF-1.1-R1",
		"CF-1.1-R1  SHALL  proved\n    One.\n    proved by CF_1_1/R1_holds\n");
	reqtrace_free(r);
}

Test(reqtrace, executed_in_a_test_that_failed_or_was_skipped_is_not_proved)
{
	struct reqtrace *r = load();

	cr_assert_eq(
		run(r,
			"CF-1.1-R1\tCF_1_1/R2a_fails\nCF-1.1-R1\tCF_1_1/left_out\nCF-1.1-R1\tCF_1_1/never_was\n"
			"CF-1.1-R1\tx/stress_other\n",
			junit, stderr),
		0);
	assert_totals(r, "requirements: 4 rows, 0 in code, 0 proved by tests, 0 noted, 4 open\n");
	reqtrace_free(r);
}

Test(reqtrace, a_plain_program_is_known_by_its_name)
{
	struct reqtrace *r = load();

	cr_assert_eq(run(r, "CL-2.1-1\tmain/stress_border\n", junit, stderr), 0);
	assert_list(r, "CL-2.1-1",
		"CL-2.1-1  SHALL  proved\n    Four | five.\n    proved by main/stress_border\n");
	reqtrace_free(r);
}

Test(reqtrace, several_runs_add_up)
{
	struct reqtrace *r = load();

	cr_assert_eq(run(r, "CF-1.1-R1\tCF_1_1/R1_holds\n", junit, stderr), 0);
	cr_assert_eq(run(r, "CF-1.1-R2a\tCF_1_1/R2a_holds\n", junit, stderr), 0);
	assert_totals(r, "requirements: 4 rows, 0 in code, 2 proved by tests, 0 noted, 2 open\n");
	reqtrace_free(r);
}

Test(reqtrace, not_testable_is_noted)
{
	struct reqtrace *r;

	file_write("docs/requirements-notes.tsv",
		"# reviewed\n\nCF-1.1-R1\tnot testable\tno such document\n");
	r = load();
	assert_totals(r,
		"requirements: 4 rows, 0 in code, 0 proved by tests, 1 noted, 3 open (no test run found)\n");
	assert_list(r, "CF-1.1-R1",
		"CF-1.1-R1  SHALL  noted\n    One.\n    note      not testable: no such document\n");
	reqtrace_free(r);
}

Test(reqtrace, covered_counts_only_while_the_other_is_proved)
{
	struct reqtrace *r;

	file_write("docs/requirements-notes.tsv", "CF-1.1-R1\tcovered by\tCF-1.1-R2a\n");
	r = load();
	assert_totals(r,
		"requirements: 4 rows, 0 in code, 0 proved by tests, 0 noted, 4 open (no test run found)\n");
	assert_list(r, "CF-1.1-R1",
		"CF-1.1-R1  SHALL  open\n    One.\n    note      covered by CF-1.1-R2a, which is open\n");
	cr_assert_eq(run(r, "CF-1.1-R2a\tCF_1_1/R2a_holds\n", junit, stderr), 0);
	assert_totals(r, "requirements: 4 rows, 0 in code, 1 proved by tests, 1 noted, 2 open\n");
	reqtrace_free(r);
}

Test(reqtrace, what_is_missing_can_be_listed)
{
	struct reqtrace *r;

	file_write("docs/requirements-notes.tsv",
		"CF-1.1-R1\tnot testable\tx\nCL-2.1-1\tnot testable\tx\n");
	r = load();
	cr_assert_eq(run(r, "CF-1.1-R2a\tCF_1_1/R2a_holds\n", junit, stderr), 0);
	assert_list(r, "missing", "CF-1.1-R2a-ix  MAY  open\n    Three.\n");
	reqtrace_free(r);
}

Test(reqtrace, unknown_ids_are_errors_wherever_they_stand)
{
	struct reqtrace *r;
	char *said, expected[128];
	size_t len;
	FILE *errors;

	file_write("tools/x/a.c", "/* CF-7.7-R7 */\n");
	file_write("tests/unit/t.c", "\n\nREQ(\"CF-8\");\n");
	file_write("docs/requirements-notes.tsv",
		"CF-9.9-R9\tnot testable\tx\nCF-1.1-R1\tcovered by\tCF-6-1\n");
	assert_refused("docs/requirements-notes.tsv:1: no row has the id CF-9.9-R9\n"
		       "docs/requirements-notes.tsv:2: no row has the id CF-6-1\n"
		       "tools/x/a.c:1: no row has the id CF-7.7-R7\n"
		       "tests/unit/t.c:3: no row has the id CF-8\n");
	file_write("tools/x/a.c", "");
	file_write("tests/unit/t.c", "");
	file_write("docs/requirements-notes.tsv", "");
	r = load();
	errors = open_memstream(&said, &len);
	cr_assert_eq(run(r, "CF-5.5-R5\tCF_1_1/R1_holds\n", junit, errors), -EINVAL);
	fclose(errors);
	snprintf(expected, sizeof(expected),
		"%s/log:1: no row has the id CF-5.5-R5 (test CF_1_1/R1_holds)\n", tree);
	cr_assert_str_eq(said, expected);
	free(said);
	reqtrace_free(r);
}

Test(reqtrace, notes_have_one_form)
{
	file_write("docs/requirements-notes.tsv", "CF-1.1-R1\tnot testable\n"
						  "CF-1.1-R1\tuntestable\tx\n"
						  "CF-1.1-R1\tcovered by\tCF-1.1-R2a\n"
						  "CF-1.1-R1\tnot testable\tx\n"
						  "CF-1.1-R2a\tcovered by\tCF-1.1-R1\n");
	assert_refused(
		"docs/requirements-notes.tsv:1: write: id TAB \"covered by\" or \"not testable\" TAB id or reason\n"
		"docs/requirements-notes.tsv:2: \"untestable\": write \"covered by\" or \"not testable\"\n"
		"docs/requirements-notes.tsv:4: CF-1.1-R1 is noted twice\n"
		"docs/requirements-notes.tsv:1: CF-1.1-R1 is covered by CF-1.1-R2a, which is only noted itself\n"
		"docs/requirements-notes.tsv:1: CF-1.1-R2a is covered by CF-1.1-R1, which is only noted itself\n");
}

Test(reqtrace, a_table_that_is_none_is_refused)
{
	file_write("docs/requirements.tsv", "id\tactor\nCF-1.1-R1\tcontrolling\n");
	assert_refused("docs/requirements.tsv:2: 2 fields, not 6\n");
	file_write("docs/requirements.tsv", "x\n"
					    "CF-1.1-R1\ta\t1.1\tSHALL\tOne.\ts\n"
					    "CF-1.1-R1\ta\t1.1\tSHALL\tOne.\ts\n");
	assert_refused("docs/requirements.tsv:1: CF-1.1-R1 stands twice\n");
}

Test(reqtrace, the_pages_have_a_line_per_clause)
{
	struct reqtrace *r;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	file_write("control/a.c", "/* CF-1.1-R1 */\n");
	r = load();
	cr_assert_eq(run(r, "CF-1.1-R2a\tCF_1_1/R2a_holds\n", junit, stderr), 0);
	reqtrace_table_print(r, out);
	reqtrace_markdown_print(r, out);
	fclose(out);
	cr_assert_not_null(strstr(text,
		"\n1.1                controlling                    3        1       1      0     2\n"));
	cr_assert_not_null(strstr(text,
		"\nall                                               4        1       1      0     3\n"));
	cr_assert_not_null(strstr(text, "\n| 1.1 | controlling | 3 | 1 | 1 | 0 | 2 |\n"));
	cr_assert_not_null(strstr(text, "\n| CF-1.1-R1 | SHALL | One. | open, in code |\n"));
	cr_assert_not_null(
		strstr(text, "\n| CF-1.1-R2a | SHALL | Two. | proved: CF\\_1\\_1/R2a\\_holds |\n"));
	cr_assert_not_null(strstr(text, "\n| CL-2.1-1 | SHALL | Four \\| five. | open |\n"));
	free(text);
	reqtrace_free(r);
}
