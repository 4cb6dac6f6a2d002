/* SPDX-License-Identifier: BSD-3-Clause */
/* log: one line per event that matters, on stderr: time, level, topic, sentence, key=value.
 *
 *   2026-11-21T10:00:00.123Z info  attach: controller attached name=focus epoch=1
 *
 * Threads:  any; one write(2) per line. Never per packet, never content or credentials.
 * Control characters in a line are shown as '?'; a line of more than 1023 octets is cut and ends
 * with "...". A worker uses LOG_LIMITED: at most `per_second` lines a second from that place, then
 * a count of those left out.
 */
#ifndef INCLUDE_LOG_H
#define INCLUDE_LOG_H
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

extern enum log_level
	log_level; /* lines above it are left out; LOG_INFO at start; PLENUM_LOG=debug in the environment */

void log_init(const char *program); /* reads PLENUM_LOG */
void log_line(enum log_level level, const char *topic, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(topic, ...)   log_line(LOG_ERROR, topic, __VA_ARGS__)
#define log_warning(topic, ...) log_line(LOG_WARNING, topic, __VA_ARGS__)
#define log_info(topic, ...)    log_line(LOG_INFO, topic, __VA_ARGS__)
#define log_debug(topic, ...)                                                                      \
	do {                                                                                       \
		if (log_level >= LOG_DEBUG)                                                        \
			log_line(LOG_DEBUG, topic, __VA_ARGS__);                                   \
	} while (0)

/* State of one rate-limited place; static or in a worker. */
struct log_limit {
	uint64_t window_s; /* the second that is being counted */
	uint32_t seen, left_out;
};
/* True when a line may be written now; *left_out (may be NULL) then says how many were not, before
 * it. */
int log_limit_pass(
	struct log_limit *limit, uint64_t now_ms, uint32_t per_second, uint32_t *left_out);

/* log_line, at most per_second times a second; a line that comes after others were left out ends
 * with their number:
 *     LOG_LIMITED(&w->refused, now_ms, 5, LOG_WARNING, "tcp", "connection refused peer=%s",
 *     peer); */
#define LOG_LIMITED(limit, now_ms, per_second, level, topic, format, ...)                          \
	do {                                                                                       \
		uint32_t log_left_out_;                                                            \
		if (!log_limit_pass(limit, now_ms, per_second, &log_left_out_))                    \
			break;                                                                     \
		if (log_left_out_ > 0)                                                             \
			log_line(level, topic, format " left_out=%u", ##__VA_ARGS__,               \
				log_left_out_);                                                    \
		else                                                                               \
			log_line(level, topic, format, ##__VA_ARGS__);                             \
	} while (0)
#endif
