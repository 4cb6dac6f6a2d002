/* SPDX-License-Identifier: BSD-3-Clause */
/* daemons: the two daemons under a benchmark, in a directory of their own, on free ports.
 *
 * Programs: named by PLENUM_SWITCH and PLENUM_FOCUS.
 * Threads:  one.  A failure ends the program with a sentence; the daemons end with it.
 */
#ifndef BENCH_DAEMONS_H
#define BENCH_DAEMONS_H
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct daemons {
	char directory[32];
	uint16_t sip_port, msrp_port;
	pid_t bridge, focus; /* the switch and the focus; 0: not running */
};

/* Makes the directory and finds ports. */
void daemons_prepare(struct daemons *daemons);
/* Opens a file in the directory for writing. */
FILE *daemons_file(const struct daemons *daemons, const char *name);
/* Writes the configuration: what every benchmark needs, and further lines of these sections. */
void daemons_configure(const struct daemons *daemons, const char *msrp, const char *conference,
	const char *bridge);
void daemons_start(struct daemons *daemons);
/* SIGKILL, and once more a focus: returns when it is ready. */
void daemons_focus_kill(struct daemons *daemons);
void daemons_focus_start(struct daemons *daemons);
/* Both have to end with status 0. */
void daemons_stop(struct daemons *daemons);
void daemons_remove(const struct daemons *daemons); /* the directory */

uint16_t bench_free_port(void);
#endif
