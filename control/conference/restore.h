/* SPDX-License-Identifier: BSD-3-Clause */
/* restore: conferences of an earlier life, made again from what keep wrote.
 *
 * Place:    focus_new -> restore, before the switch is attached; what the switch still holds of
 *           them is claimed by controlling/recover.c.
 * Threads:  the focus's one thread.
 * What is:  every confirmed dialog with its session timer, every user with alias, place and
 *           history, the counts that policy looks at. What was not confirmed is not gone on with:
 *           CANCEL, or 503, or BYE (design 4). A conference without a connected session, or of a
 *           group that is gone, is ended.
 */
#ifndef CONTROL_CONFERENCE_RESTORE_H
#define CONTROL_CONFERENCE_RESTORE_H
#include "control/focus.h"

/* -ENOBUFS: no memory even for the beginning. A record that cannot be read is logged, and what it
 * says of a dialog is ended where that can be read. */
must_check int restore_conferences(struct focus *focus);
#endif
