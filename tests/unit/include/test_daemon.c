/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/daemon.h"

static bool faulty; /* what the configuration refers to */

static int check(const struct config *config, FILE *errors)
{
	if (!faulty)
		return 0;
	fprintf(errors, "it is in %s\n", config->sip_domain);
	return -EINVAL;
}

static int options(struct config *config, const char *a, const char *b, const char *c)
{
	char *argv[] = { (char *)"plenum-x", (char *)a, (char *)b, (char *)c, NULL };
	int argc = 1;

	while (argc < 4 && argv[argc] != NULL)
		argc++;
	return daemon_options(argc, argv, "plenum-x", "the x of tests", check, NULL, config);
}

static void file_write(char name[32], const char *text)
{
	FILE *out;
	int fd;

	strcpy(name, "/tmp/plenum-test-XXXXXX");
	fd = mkstemp(name);
	cr_assert(fd >= 0);
	out = fdopen(fd, "w");
	fputs(text, out);
	fclose(out);
}

Test(daemon_options, without_any_it_goes_on_with_defaults)
{
	struct config c;

	cr_assert_eq(options(&c, NULL, NULL, NULL), -1);
	cr_assert_str_eq(c.sip_domain, "example.com");
	config_free(&c);
}

Test(daemon_options, a_file_is_read)
{
	struct config c;
	char name[32];

	file_write(name, "sip:\n  domain: example.net\n");
	cr_assert_eq(options(&c, "-c", name, NULL), -1);
	cr_assert_str_eq(c.sip_domain, "example.net");
	config_free(&c);
	unlink(name);
}

Test(daemon_options, a_wrong_file_is_status_2_with_a_line_each, .init = cr_redirect_stderr)
{
	struct config c;
	char name[32], expected[512];

	/* An unknown section, as the sections do not grow with every key. */
	file_write(name, "sip:\n  domain: \"\"\nx:\n  y: 1\n");
	snprintf(expected, sizeof(expected),
		"%s:2: sip.domain \"\" is empty: write the host part of your addresses, e.g. example.com\n"
		"%s:3: unknown section x: the sections are sip, msrp, conference, switch\n",
		name, name);
	cr_assert_eq(options(&c, "-c", name, NULL), 2);
	unlink(name);
	fflush(stderr);
	cr_assert_stderr_eq_str(expected);
}

Test(daemon_options, check_says_ok_and_does_not_run, .init = cr_redirect_stdout)
{
	struct config c;

	cr_assert_eq(options(&c, "--check", NULL, NULL), 0);
	fflush(stdout);
	cr_assert_stdout_eq_str("defaults: ok\n");
}

Test(daemon_options, check_looks_at_what_is_referred_to, .init = cr_redirect_stderr)
{
	struct config c;

	faulty = true;
	cr_assert_eq(options(&c, "--check", NULL, NULL), 2);
	fflush(stderr);
	cr_assert_stderr_eq_str("it is in example.com\n");
	cr_assert_eq(options(&c, NULL, NULL, NULL), -1, "a start does not depend on it");
	config_free(&c);
}

Test(daemon_options, a_command_line_that_means_nothing_is_status_2, .init = cr_redirect_stderr)
{
	struct config c;

	cr_assert_eq(options(&c, "--port", NULL, NULL), 2);
	cr_assert_eq(options(&c, "-xz", NULL, NULL), 2);
	cr_assert_eq(options(&c, "-c", NULL, NULL), 2);
	cr_assert_eq(options(&c, "p.yaml", NULL, NULL), 2);
	fflush(stderr);
	cr_assert_stderr_eq_str(
		"plenum-x: no such option: --port: see plenum-x --help\n"
		"plenum-x: no such option: -x: see plenum-x --help\n"
		"plenum-x: -c needs a value: write -c FILE\n"
		"plenum-x: what is \"p.yaml\"? A configuration file is given with -c FILE\n");
}

Test(daemon_options, version_is_one_line, .init = cr_redirect_stdout)
{
	struct config c;

	cr_assert_eq(options(&c, "--version", NULL, NULL), 0);
	fflush(stdout);
	cr_assert_stdout_eq_str("plenum-x " PLENUM_VERSION "\n");
}

Test(daemon_options, help_names_every_option, .init = cr_redirect_stdout)
{
	struct config c;
	char text[4096] = "";
	FILE *out = cr_get_redirected_stdout();

	cr_assert_eq(options(&c, "--help", NULL, NULL), 0);
	fflush(stdout);
	cr_assert(fread(text, 1, 100, out) > 0);
	cr_assert_eq(strncmp(text, "plenum-x: the x of tests (Plenum ", 33), 0, "%s", text);
}

Test(daemon, ready_is_a_line_on_stdout, .init = cr_redirect_stdout)
{
	daemon_ready();
	cr_assert_stdout_eq_str("ready\n");
}
