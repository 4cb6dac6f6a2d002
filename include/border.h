/* SPDX-License-Identifier: BSD-3-Clause */
/* border: the handshake between a controller and the switch, and the layout of the memory they
 * share.
 *
 * The switch listens on a Unix socket (SOCK_SEQPACKET). A controller connects and sends one
 * border_hello. The switch checks SO_PEERCRED (same user as the switch, or root), the magic and the
 * ABI version, and answers one border_welcome; with result 0 it carries by SCM_RIGHTS, in this
 * order:
 *     one memfd (sealed: no shrink, no grow, no further seals), the descriptor that wakes the
 *     controller, and the descriptor that wakes each worker.
 * Who wakes writes 8 octets (a uint64_t of 1), who was woken reads what is there. A worker's
 * descriptor is an eventfd that only controllers write. The controller's is the reading end of a
 * pipe whose writing end never leaves the switch: O_NONBLOCK belongs to the open file, and on a
 * shared eventfd a hostile controller could take it away, fill the counter, and so hold the worker
 * that wakes it for ever. The memfd holds, per worker, the command ring and then the event ring
 * (ring.h), from `rings_at` on, each at a multiple of 4096 octets. The connection then stays open
 * and silent: its end is the detach. A new hello with a name that is attached already fences the
 * old one: its connection is closed, its memory is no longer read or written by the switch, and the
 * new one starts at the next epoch with memory of its own.
 *
 * A controller reads the seals and the size of the memfd before it maps it. All of this is
 * host-order: both ends are on one machine.
 */
#ifndef INCLUDE_BORDER_H
#define INCLUDE_BORDER_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "include/result.h"

#define BORDER_MAGIC           0x504c4e4d55534554ull /* "PLNMUSET" */
#define BORDER_ABI             3u /* raised by every change of this header, switch_cmd.h or switch_event.h */
#define BORDER_NAME_MAX        32 /* octets of a controller's name with its final zero */
#define BORDER_WORKERS_MAX     64 /* workers of one switch */
#define BORDER_CONTROLLERS_MAX 8  /* names that one switch remembers while they hold objects */
#define BORDER_HEARTBEAT_MS    1000
#define BORDER_HUNG_MS         10000 /* no heartbeat for so long: said in the log and in the metrics */

struct border_hello {
	uint64_t magic;
	uint32_t abi;
	uint32_t pid; /* of the controller, for the log */
	char name[BORDER_NAME_MAX];
};

struct border_welcome {
	uint64_t magic;
	uint32_t abi; /* of the switch, also when it refuses */
	int32_t result; /* 0; -EPROTO ABI or magic; -EPERM credentials; -EINVAL name; -ENOBUFS too many names */
	uint32_t instance; /* of the switch, as in object_id */
	uint32_t epoch;    /* of this name, from 1 */
	uint32_t workers;
	uint32_t ring_size; /* octets of the data part of each ring */
	uint64_t rings_at;  /* offset of the first ring in the memfd */
	uint64_t size;      /* of the memfd */
};

/* First page of the memfd. */
struct border_page {
	uint64_t magic;
	uint32_t abi;
	uint32_t epoch;
	_Alignas(64) _Atomic uint64_t
		heartbeat; /* the controller counts up, every BORDER_HEARTBEAT_MS */
};

/* Offsets of the rings of worker w: command ring (controller writes), event ring (switch
 * writes). */
uint64_t border_command_ring_at(const struct border_welcome *welcome, uint32_t w);
uint64_t border_event_ring_at(const struct border_welcome *welcome, uint32_t w);
/* Size of the memfd for so many workers and such rings; also fills rings_at. */
uint64_t border_size(uint32_t workers, uint32_t ring_size, uint64_t *rings_at);

/* Address of the Unix socket `path`. A path too long for sockaddr_un is reached through its
 * directory, opened into *dir (else -1), which must stay open while the address is used. -EINVAL:
 * empty, or its last part is too long; or what open says about the directory. */
must_check int border_address(const char *path, struct sockaddr_un *out, int *dir);
#endif
