/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include "include/daemon.h"
#include "include/log.h"

static void help(FILE *out, const char *program, const char *what, bool memory)
{
	fprintf(out,
		"%s: %s (Plenum %s)\n"
		"\n"
		"usage: %s [-c FILE] [--check | --dump-config | %s--reference | --help | --version]\n"
		"\n"
		"  -c, --config FILE  configuration (YAML); without it every key has its default\n"
		"      --check        say what is wrong in the configuration and what it refers to, and end\n"
		"      --dump-config  print the whole configuration with all defaults, and end\n"
		"%s"
		"      --reference    print the reference of all keys (Markdown), and end\n"
		"  -h, --help         print this, and end\n"
		"  -V, --version      print the version, and end\n"
		"\n"
		"Runs in the foreground. Prints the line \"ready\" on stdout when it accepts traffic, logs to\n"
		"stderr (PLENUM_LOG=error, warn, info or debug), stops on SIGTERM and SIGINT.\n"
		"\n"
		"exit status: 0 stopped; 1 the surroundings do not allow it (a port in use); 2 the\n"
		"configuration or the command line is wrong.\n",
		program, what, PLENUM_VERSION, program, memory ? "--memory | " : "",
		memory ? "      --memory       print how the memory is cut up, and what costs how much (Markdown)\n"
		       : "");
}

int daemon_options(int argc, char **argv, const char *program, const char *what,
	daemon_check *check, daemon_memory *memory, struct config *out)
{
	enum { RUN = 1000, CHECK, DUMP, REFERENCE, MEMORY };
	const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, CHECK },
		{ "dump-config", no_argument, NULL, DUMP },
		{ "reference", no_argument, NULL, REFERENCE },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ memory != NULL ? "memory" : NULL, no_argument, NULL, MEMORY },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = NULL;
	int option, status, asked = RUN;

	log_init(program);
	opterr = 0; /* the messages are ours: one line each */
	optind = 0; /* glibc: from the beginning, also of an argument half read */
	while ((option = getopt_long(argc, argv, ":c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c': file = optarg; break;
		case CHECK:
		case DUMP:
		case MEMORY:
		case REFERENCE: asked = option; break;
		case 'h': help(stdout, program, what, memory != NULL); return DAEMON_STOPPED;
		case 'V': printf("%s %s\n", program, PLENUM_VERSION); return DAEMON_STOPPED;
		case ':':
			fprintf(stderr, "%s: %s needs a value: write -c FILE\n", program,
				argv[optind - 1]);
			return DAEMON_CONFIGURATION;
		default:
			/* getopt names a letter in optopt, and leaves optind behind a long
			 * option. */
			if (optopt != 0)
				fprintf(stderr, "%s: no such option: -%c: see %s --help\n", program,
					optopt, program);
			else
				fprintf(stderr, "%s: no such option: %s: see %s --help\n", program,
					argv[optind - 1], program);
			return DAEMON_CONFIGURATION;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: what is \"%s\"? A configuration file is given with -c FILE\n",
			program, argv[optind]);
		return DAEMON_CONFIGURATION;
	}
	if (asked == REFERENCE) {
		config_reference(stdout);
		return DAEMON_STOPPED;
	}
	if (config_load(out, file, stderr) != 0)
		return DAEMON_CONFIGURATION;
	if (asked == RUN)
		return -1;
	status = DAEMON_STOPPED;
	if (asked == DUMP)
		config_dump(out, stdout);
	else if (asked == MEMORY)
		memory(out, stdout);
	else if (check != NULL && check(out, stderr) < 0)
		status = DAEMON_CONFIGURATION;
	else
		printf("%s: ok\n", file != NULL ? file : "defaults");
	config_free(out);
	return status;
}

void daemon_ready(void)
{
	puts("ready");
	fflush(stdout);
}
