/* SPDX-License-Identifier: BSD-3-Clause */
/* attach: the switch's Unix socket: controllers come, are checked, get their memory, and go.
 *
 * Place:    the switch's main thread; the workers only ever see a struct attachment_end handed to them.
 * Spec:     include/border.h; design 4.
 * Memory:   owns memfds, mappings and descriptors. A mapping is unmapped only after the owner said that no worker
 *           uses it any more (attach_released).
 *
 *   hello -> check -> make memory -> ops.attached(slot, ends) -> owner hands an end to every worker -> attach_ready -> welcome
 *   socket closed, or fenced by a new hello of the same name -> ops.attached or ops.detached -> ... -> attach_released
 *
 * One change per slot is under way at a time; a further one waits.
 */
#ifndef DATAPLANE_ATTACH_H
#define DATAPLANE_ATTACH_H
#include <stdbool.h>
#include "include/border.h"
#include "include/result.h"
#include "include/ring.h"

struct attach;

/* A worker's end of one controller: its own after the hand-over. */
struct attachment_end {
	struct ring commands; /* consumer */
	struct ring events;   /* producer */
	int controller_fd;    /* eventfd to write when ring_flush(&events) says so */
	uint32_t epoch;
};

struct attach_ops {
	/* Slot 0..BORDER_CONTROLLERS_MAX-1 belongs to one name while `in_use` says so. ends[w] for each worker are borrowed until
	 * attach_ready; the end of the epoch before, if any, must not be used after a worker took the new one. */
	void (*attached)(void *arg, unsigned slot, const struct attachment_end *ends);
	/* The controller is gone; workers drop their end, then the owner calls attach_released. */
	void (*detached)(void *arg, unsigned slot);
	/* Does the slot still hold rooms or legs? Asked before a slot without attachment is given to another name. */
	bool (*in_use)(void *arg, unsigned slot);
};

/* Listens on `path` (a stale socket file is replaced; a live one: -EEXIST). worker_fds[w]: the eventfd that wakes worker w,
 * created by the caller, borrowed for the life of the attach. */
must_check int attach_new(struct attach **out, const char *path, uint32_t instance, uint32_t workers,
	uint32_t ring_size, const int *worker_fds, const struct attach_ops *ops, void *arg);
void attach_free(struct attach *a); /* closes everything and removes the socket file */

/* For the main thread's poll loop: descriptors to wait on (all for reading). Returns how many. */
unsigned attach_wait_on(struct attach *a, int *fds, unsigned max);
/* Accepts, reads hellos, notices closed sockets and missing heartbeats. Never blocks. */
void attach_poll(struct attach *a, uint64_t now_ms);

void attach_ready(struct attach *a, unsigned slot);    /* every worker uses the new ends: the welcome may go */
void attach_released(struct attach *a, unsigned slot); /* no worker uses any end of this slot */

/* Name of the slot's controller, for logs; "" when free. */
const char *attach_name(const struct attach *a, unsigned slot);
#endif
