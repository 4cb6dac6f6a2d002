/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/log.h"

/* What the code between capture_begin and capture_end wrote to stderr. */
static int kept_stderr = -1;
static FILE *captured;
static char text[8192];

static void capture_begin(void)
{
	captured = tmpfile();
	cr_assert_not_null(captured);
	kept_stderr = dup(STDERR_FILENO);
	cr_assert(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

static const char *capture_end(void)
{
	size_t len;

	cr_assert(dup2(kept_stderr, STDERR_FILENO) >= 0);
	close(kept_stderr);
	rewind(captured);
	len = fread(text, 1, sizeof(text) - 1, captured);
	text[len] = 0;
	fclose(captured);
	return text;
}

Test(log, a_line_has_time_level_topic_and_sentence)
{
	const char *line;
	int year, month, day, hour, minute, second, ms, end = 0;

	capture_begin();
	log_info("attach", "controller attached name=%s epoch=%d", "focus", 1);
	line = capture_end();
	cr_assert_eq(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour,
			     &minute, &second, &ms, &end),
		7);
	cr_assert_eq(end, 25);
	cr_assert_str_eq(line + end, "info  attach: controller attached name=focus epoch=1\n");
}

Test(log, levels_are_padded_alike)
{
	const char *lines;

	log_level = LOG_DEBUG;
	capture_begin();
	log_error("t", "a");
	log_warning("t", "b");
	log_debug("t", "c");
	lines = capture_end();
	cr_assert_not_null(strstr(lines, "Z error t: a\n"));
	cr_assert_not_null(strstr(lines, "Z warn  t: b\n"));
	cr_assert_not_null(strstr(lines, "Z debug t: c\n"));
}

Test(log, lines_above_the_level_are_left_out)
{
	capture_begin();
	log_debug("t", "not wanted");
	log_level = LOG_ERROR;
	log_warning("t", "not wanted");
	cr_assert_str_empty(capture_end());
}

Test(log, the_environment_sets_the_level)
{
	setenv("PLENUM_LOG", "warn", 1);
	log_init("test");
	cr_assert_eq(log_level, LOG_WARNING);
	setenv("PLENUM_LOG", "debug", 1);
	log_init("test");
	cr_assert_eq(log_level, LOG_DEBUG);
}

Test(log, an_unknown_level_is_said_and_info_stays)
{
	setenv("PLENUM_LOG", "loud", 1);
	capture_begin();
	log_init("test");
	cr_assert_not_null(strstr(capture_end(), "PLENUM_LOG is none of error, warn, info, debug"));
	cr_assert_eq(log_level, LOG_INFO);
}

Test(log, a_value_cannot_begin_a_new_line_or_steer_a_terminal)
{
	capture_begin();
	log_info("sip", "refused from=%s", "a\r\n2026 info  forged\x1b[2J\x7f");
	cr_assert_str_eq(capture_end() + 25, "info  sip: refused from=a??2026 info  forged?[2J?\n");
}

Test(log, a_long_line_is_cut_and_says_so)
{
	char value[5000];
	const char *line;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	capture_begin();
	log_info("t", "v=%s", value);
	line = capture_end();
	cr_assert_eq(strlen(line), 1024);
	cr_assert_str_eq(line + 1024 - 6, "xx...\n");
}

Test(log, the_limit_lets_so_many_a_second_pass)
{
	struct log_limit limit = { 0 };
	uint32_t left_out = 99;
	int i, passed = 0;

	for (i = 0; i < 10; i++)
		passed += log_limit_pass(&limit, 1000 + i, 3, &left_out);
	cr_assert_eq(passed, 3);
	cr_assert_eq(left_out, 0);
	cr_assert(log_limit_pass(&limit, 2000, 3, &left_out));
	cr_assert_eq(left_out, 7, "the first line of the next second tells how many are missing");
	cr_assert(log_limit_pass(&limit, 2001, 3, &left_out));
	cr_assert_eq(left_out, 0);
}

Test(log, who_does_not_ask_for_the_count_does_not_lose_it)
{
	struct log_limit limit = { 0 };
	uint32_t left_out = 0;

	cr_assert(log_limit_pass(&limit, 5000, 1, NULL));
	cr_assert_not(log_limit_pass(&limit, 5000, 1, NULL));
	cr_assert(log_limit_pass(&limit, 6000, 1, NULL));
	cr_assert(log_limit_pass(&limit, 7000, 1, &left_out));
	cr_assert_eq(left_out, 1);
}

Test(log, a_limited_place_adds_the_count_to_its_line)
{
	struct log_limit limit = { 0 };
	int i;
	const char *lines;

	capture_begin();
	for (i = 0; i < 5; i++)
		LOG_LIMITED(&limit, 1000, 1, LOG_INFO, "tcp", "refused peer=%d", i);
	LOG_LIMITED(&limit, 2000, 1, LOG_INFO, "tcp", "refused");
	lines = capture_end();
	cr_assert_not_null(strstr(lines, "tcp: refused peer=0\n"));
	cr_assert_null(strstr(lines, "peer=1"));
	cr_assert_not_null(strstr(lines, "tcp: refused left_out=4\n"));
}
