/* SPDX-License-Identifier: BSD-3-Clause */
/* fanout_floor: the least that a process on kernel TCP must do to copy messages from one socket to
 * N: what the switch is measured against.
 *
 * One input connection, N outputs, epoll. The messages are frames of one length, MSRP requests as
 * the switch sends them, so that nothing has to be parsed; for each receiver its own head is copied
 * in front of the body, nothing else.
 *   plain    one send() per receiver and message
 *   joined   the messages of one read go to each receiver in one send()
 * The sockets have the switch's options (dataplane/tcp/tcp_kernel.c). It does not queue: when a
 * socket is full it waits for it, and counts that; a benchmark in which this happens has chosen its
 * sizes badly, and fails.
 */
#ifndef BENCH_FANOUT_FLOOR_H
#define BENCH_FANOUT_FLOOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fanout_floor {
	pid_t pid;
	int input; /* the sender's end */
};

struct fanout_frame {
	const uint8_t *octets;
	size_t len, head_len;
};

/* Forks it, pinned to `cpu`, and connects: outputs[i] is the end of receiver i. */
void fanout_floor_start(struct fanout_floor *floor, const struct fanout_frame *frame, bool joined,
	unsigned receivers, int *outputs, int cpu);
/* Ends it; it must not have waited for a full socket. The outputs are the caller's to close. */
void fanout_floor_stop(struct fanout_floor *floor);
#endif
