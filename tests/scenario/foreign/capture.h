/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: what passed a TCP port of loopback, as dumpcap saw it, and what tshark makes of it.
 *
 * tshark's MSRP dissector (4.0) takes a segment for one message: what follows the first end-line in it
 * is not looked at, and a message that lies in several segments is not put together. TCP knows no
 * messages, so segments prove nothing. Here the octet streams are put together from the captured
 * segments by their sequence numbers, cut at the end-lines, and written as a second capture, in
 * which the same octets lie one message in a segment. That one is given to tshark. Nothing is left
 * out: the streams must consist of such messages from their first octet to their last. (It also takes
 * any line of a body that begins with seven dashes for the end-line, whatever transaction id it has:
 * no body here has such a line.)
 *
 * Threads: one.  Memory: capture_free frees all and removes the files.
 */
#ifndef TESTS_SCENARIO_FOREIGN_CAPTURE_H
#define TESTS_SCENARIO_FOREIGN_CAPTURE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One direction of one connection. */
struct capture_stream {
	uint16_t from, to; /* ports */
	uint32_t first;    /* sequence number of its first octet */
	uint8_t *octets;
	size_t len, room;
	bool begun;
};

struct capture {
	pid_t pid;
	uint16_t port;
	char directory[64];
	struct capture_stream *streams;
	unsigned stream_count;
	unsigned messages; /* in the second capture */
};

/* A row of tshark's: one message. */
struct capture_row {
	uint16_t to;
	char method[32]; /* "": a response */
	unsigned status;
	char tid[80], end_line[60];
	bool malformed;
};

/* Skips the running test when there is no tshark, or no permission to capture. */
void capture_start(struct capture *c, uint16_t port);
/* All that passed until now is in the streams, and in the second capture. */
void capture_stop(struct capture *c);
/* Asks tshark; returns how many rows there are (each packet is one). */
unsigned capture_dissect(struct capture *c, struct capture_row *rows, unsigned max);
void capture_free(struct capture *c);
#endif
