/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon: what plenum-switch and plenum-focus say and take on the command line, in one place, so
 * that both behave the same.
 *
 *   static int run(const struct config *config) ...
 *   int main(int argc, char **argv)
 *   {
 *           struct config config;
 *           int status =
 *                   daemon_options(argc, argv, "plenum-switch", "the MSRP switch", NULL, NULL, &config);
 *
 *           if (status >= 0)
 *                   return status;
 *           ... set up; daemon_ready(); run; config_free(&config); return DAEMON_STOPPED;
 *   }
 *
 * Options:  -c FILE, --check, --dump-config, --reference, --help, --version; --memory of the switch.
 * Results:  the exit statuses below. Errors go to stderr, one line each; what was asked for goes to
 *           stdout.
 */
#ifndef INCLUDE_DAEMON_H
#define INCLUDE_DAEMON_H
#include "include/config.h"

enum daemon_status {
	DAEMON_STOPPED = 0,       /* by SIGTERM or SIGINT, or nothing was to be run */
	DAEMON_FAILED = 1,        /* a port in use, no memory: the surroundings do not allow it */
	DAEMON_CONFIGURATION = 2, /* the configuration or the command line is wrong */
};

/* Looks at what a right configuration refers to, for --check: 0, or negative when it has written
 * what is wrong there to `errors`, a line each. */
typedef int daemon_check(const struct config *config, FILE *errors);

/* Prints what a right configuration takes of the machine, for --memory. */
typedef void daemon_memory(const struct config *config, FILE *out);

/* Reads the options and the configuration, and calls log_init. -1: go on with *out, which is then
 * the caller's to free; else nothing is to be run and this is the exit status. `what` completes
 * "plenum-switch: ..."; check may be NULL, and so may memory: then there is no --memory. */
must_check int daemon_options(int argc, char **argv, const char *program, const char *what,
	daemon_check *check, daemon_memory *memory, struct config *out);

/* Prints the line "ready" on stdout: traffic is accepted from now on. To be called once. */
void daemon_ready(void);
#endif
