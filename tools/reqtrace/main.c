/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "tools/reqtrace/reqtrace.h"

static const char help[] =
	"reqtrace: requirement -> code -> test, by clause\n"
	"\n"
	"usage: reqtrace [--root DIR] [--build DIR]... [--totals | --list [WHICH] | --markdown]\n"
	"\n"
	"      --root DIR    the source tree (default: .)\n"
	"      --build DIR   a build whose last test run counts (default: ROOT/build): reads\n"
	"                    meson-logs/requirements.log and meson-logs/testlog.junit.xml; may be\n"
	"                    given several times\n"
	"      --totals      one line only\n"
	"      --list WHICH  row by row: a clause, an id, \"missing\" or \"all\"\n"
	"      --markdown    the page docs/requirements.md\n"
	"  -h, --help        print this, and end\n"
	"\n"
	"Without an option: a table by clause, and the totals. To make a run count, run the tests with\n"
	"PLENUM_REQ_LOG=$PWD/build/meson-logs/requirements.log, as tools/plenum test does.\n"
	"\n"
	"exit status: 0; 1 an id is unknown, in code, tests, notes or the run; 2 the command line is wrong.\n";

static int run_add(struct reqtrace *r, const char *build)
{
	char *log, *junit;
	int result;

	if (asprintf(&log, "%s/meson-logs/requirements.log", build) < 0 ||
		asprintf(&junit, "%s/meson-logs/testlog.junit.xml", build) < 0)
		abort();
	result = reqtrace_run_add(r, log, junit, stderr);
	free(log);
	free(junit);
	return result == -ENOENT ? 0 : result; /* the totals say so */
}

int main(int argc, char **argv)
{
	enum { ROOT = 1000, BUILD, TOTALS, LIST, MARKDOWN, TABLE };
	static const struct option options[] = {
		{ "root", required_argument, NULL, ROOT },
		{ "build", required_argument, NULL, BUILD },
		{ "totals", no_argument, NULL, TOTALS },
		{ "list", required_argument, NULL, LIST },
		{ "markdown", no_argument, NULL, MARKDOWN },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *root = ".", *which = NULL, *builds[8];
	unsigned build_count = 0, i;
	int option, page = TABLE, result;
	struct reqtrace *r;
	char *build = NULL;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case ROOT: root = optarg; break;
		case BUILD:
			if (build_count == sizeof(builds) / sizeof(builds[0])) {
				fputs("reqtrace: at most 8 builds\n", stderr);
				return 2;
			}
			builds[build_count++] = optarg;
			break;
		case LIST: which = optarg; /* fall through */
		case TOTALS:
		case MARKDOWN: page = option; break;
		case 'h': fputs(help, stdout); return 0;
		default: return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "reqtrace: what is \"%s\"? See reqtrace --help\n", argv[optind]);
		return 2;
	}
	if (reqtrace_new(&r, root, stderr) != 0)
		return 1;
	if (build_count == 0) {
		if (asprintf(&build, "%s/build", root) < 0)
			abort();
		builds[build_count++] = build;
	}
	for (i = 0, result = 0; i < build_count; i++) {
		if (run_add(r, builds[i]) != 0)
			result = 1;
	}
	free(build);
	switch (page) {
	case LIST:
		if (reqtrace_list_print(r, strcmp(which, "all") == 0 ? NULL : which, stdout) == 0 &&
			strcmp(which, "missing") != 0) {
			fprintf(stderr, "reqtrace: no clause and no row is \"%s\"\n", which);
			result = 2;
		}
		break;
	case MARKDOWN: reqtrace_markdown_print(r, stdout); break;
	case TABLE: reqtrace_table_print(r, stdout); /* fall through */
	case TOTALS: reqtrace_totals_print(r, stdout); break;
	}
	reqtrace_free(r);
	return result;
}
