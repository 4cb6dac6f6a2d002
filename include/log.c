/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "include/log.h"

#define LINE_MAX_OCTETS 1024 /* with its newline: a longer line is cut and ends with "..." */

enum log_level log_level = LOG_INFO;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_init(const char *program)
{
	const char *wanted = getenv("PLENUM_LOG");
	unsigned i;

	if (wanted == NULL || *wanted == 0)
		return;
	for (i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(wanted, level_names[i]) == 0) {
			log_level = (enum log_level)i;
			return;
		}
	}
	log_warning("log", "PLENUM_LOG is none of error, warn, info, debug: using info program=%s",
		program);
}

/* Values in a line may come from a peer: whatever could start a new line or steer a terminal is
 * shown as '?'. */
static void controls_hide(char *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c < 0x20 || c == 0x7f)
			at[i] = '?';
	}
}

void log_line(enum log_level level, const char *topic, const char *format, ...)
{
	char line[LINE_MAX_OCTETS];
	struct timespec now;
	struct tm utc;
	va_list args;
	ssize_t written;
	size_t head, len;
	int n, kept = errno;

	if (level > log_level)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	n = snprintf(line, sizeof(line),
		"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %-5s %.64s: ", utc.tm_year + 1900,
		utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
		now.tv_nsec / 1000000, level_names[level], topic);
	head = (size_t)n;
	errno = kept; /* for %m */
	va_start(args, format);
	n = vsnprintf(line + head, sizeof(line) - head, format, args);
	va_end(args);
	if (n < 0)
		n = 0;
	len = head + (size_t)n;
	if (len > sizeof(line) - 1) {
		len = sizeof(line) - 1;
		memcpy(line + len - 3, "...", 3);
	}
	controls_hide(line + head, len - head);
	line[len++] = '\n';
	/* One write, so that lines of several threads and of both daemons do not mix. A log that
	 * cannot be written must not stop the daemon. */
	written = write(STDERR_FILENO, line, len);
	(void)written;
	errno = kept;
}

int log_limit_pass(
	struct log_limit *limit, uint64_t now_ms, uint32_t per_second, uint32_t *left_out)
{
	uint64_t second = now_ms / 1000;

	if (second != limit->window_s) {
		limit->window_s = second;
		limit->seen = 0;
	}
	if (limit->seen >= per_second) {
		limit->left_out++;
		return 0;
	}
	limit->seen++;
	if (left_out != NULL) {
		*left_out = limit->left_out;
		limit->left_out = 0;
	}
	return 1;
}
