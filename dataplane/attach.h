/* SPDX-License-Identifier: BSD-3-Clause */
/* attach: the switch's Unix socket: controllers come, are checked, get their memory, and go.
 *
 * Place:    the switch's main thread; the workers only ever see a struct attachment_end handed to
 *           them.
 * Spec:     include/border.h; design 4.
 * Memory:   owns memfds, mappings and descriptors. A mapping is unmapped only after the owner said
 *           that no worker uses it any more (attach_released).
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

/* Connections that have not said hello. They have 2 s, and the oldest makes room for a newer
 * one. */
#define ATTACH_PENDING_MAX 16
#define ATTACH_FDS_MAX     (1 + ATTACH_PENDING_MAX + 2 * BORDER_CONTROLLERS_MAX)

struct attach;

/* A worker's end of one controller: its own after the hand-over. */
struct attachment_end {
	struct ring commands; /* consumer */
	struct ring events;   /* producer */
	/* To write 8 octets to when ring_flush(&events) or ring_release(&commands) says so. Never
	 * blocks, and never SIGPIPE; -EAGAIN is as good as written. */
	int controller_fd;
	uint32_t epoch;
};

struct attach_ops {
	/* Both may be answered at once, from inside, or later. Slot 0..BORDER_CONTROLLERS_MAX-1
	 * belongs to one name while `in_use` says so. ends[w] for each worker are borrowed until
	 * attach_ready; the end of the epoch before, if any, must not be used after a worker took
	 * the new one. */
	void (*attached)(void *arg, unsigned slot, const struct attachment_end *ends);
	/* The controller is gone; workers drop their end, then the owner calls attach_released. */
	void (*detached)(void *arg, unsigned slot);
	/* Does the slot still hold rooms or legs? Asked before a slot without attachment is given
	 * to another name. */
	bool (*in_use)(void *arg, unsigned slot);
};

/* Listens on `path` (a stale socket file is replaced; a live one, or another kind of file: -EEXIST;
 * -EINVAL, -ENOBUFS, or what bind says). worker_fds[w]: the eventfd that wakes worker w, created by
 * the caller, borrowed for the life of the attach. Controllers hold it too and may fill it or take
 * its O_NONBLOCK away: nobody in the switch may write it (workers wake each other by another one),
 * and it is read by attach_wake_take only. */
must_check int attach_new(struct attach **out, const char *path, uint32_t instance,
	uint32_t workers, uint32_t ring_size, const int *worker_fds, const struct attach_ops *ops,
	void *arg);
void attach_free(struct attach *a); /* closes everything and removes the socket file */

/* For the main thread's poll loop: descriptors to wait on (all for reading; ATTACH_FDS_MAX is
 * always enough). Returns how many. */
unsigned attach_wait_on(struct attach *a, int *fds, unsigned max);
/* Accepts, reads hellos, notices closed sockets and missing heartbeats. Never blocks. To be called
 * when one of those is readable, and once a second. */
void attach_poll(struct attach *a, uint64_t now_ms);

/* Every worker uses the new ends: the welcome may go, and the memory of the epoch before is
 * unmapped. */
void attach_ready(struct attach *a, unsigned slot);
/* No worker uses any end of this slot any more: its memory is unmapped. */
void attach_released(struct attach *a, unsigned slot);

/* Name of the slot's controller, for logs; "" when free. */
const char *attach_name(const struct attach *a, unsigned slot);
/* Attached, but without a heartbeat for BORDER_HUNG_MS: for the metrics. */
bool attach_is_hung(const struct attach *a, unsigned slot);

/* Worker: uses up the wake-ups at its own worker_fd. Never blocks, whatever a controller did to the
 *         descriptor. */
void attach_wake_take(int worker_fd);
#endif
