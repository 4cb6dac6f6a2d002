/* SPDX-License-Identifier: BSD-3-Clause */
/* drain: a worker comes to its end in good order.
 *
 * Place:    main (SIGTERM) -> drain_begin by POST_DRAIN; worker_step -> drain_run.
 * Spec:     context.md 1.6 (413), 6.2 (drain); include/switch_event.h: EVENT_DRAINING.
 * Threads:  its worker; `quiet` is read by the others. Whoever steps workers can drain them: nothing
 *           here knows a signal or a thread.
 *
 *   NONE --drain_begin--> FINISH --all quiet-------------------> CLOSE --peers have closed--> DONE
 *                            `--drain_ms--> CUT --all quiet, 1 s--^  `-----------2 s------------^
 *
 * FINISH: nothing new: no connections, rooms, legs; a message that begins gets 413. What has begun
 *         goes on, is delivered, answered and reported.
 * CUT:    what has not ended gets 413, and '#' where somebody got a part of it; what a member has
 *         not taken is given up; counts go as they stand.
 * CLOSE:  sessions are unbound (LEG_CAUSE_STOPPED), and each connection is closed when its last
 *         octet was taken.
 *
 * A worker is quiet when no message that began here is on its way any more, to whatever worker, and
 * no answer waits to be sent. As none begins, it stays so.
 */
#ifndef DATAPLANE_DRAIN_H
#define DATAPLANE_DRAIN_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

enum drain_phase { DRAIN_NONE, DRAIN_FINISH, DRAIN_CUT, DRAIN_CLOSE, DRAIN_DONE };

struct drain {
	uint8_t phase; /* enum drain_phase */
	_Atomic bool quiet;
	uint64_t until;     /* ms; of the phase */
	uint64_t looked_at; /* ms */
};

/* Within drain_ms of switch_shared; again: nothing happens. */
void drain_begin(struct worker *worker);
/* Once a turn; does nothing before drain_begin. */
void drain_run(struct worker *worker);
/* At most so many ms may be slept. */
unsigned drain_wait_ms(const struct worker *worker, unsigned most);
/* How long what has begun may go on, for EVENT_DRAINING. */
uint64_t drain_left_ms(const struct worker *worker);
#endif
