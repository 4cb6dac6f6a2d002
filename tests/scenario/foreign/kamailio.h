/* SPDX-License-Identifier: BSD-3-Clause */
/* kamailio: a Kamailio with its MSRP module, with a script of the test, as a process of its own.
 *
 * Threads: one.  Memory: kamailio_stop removes everything.
 * What the module can do (found by trying, and in its source): it reads whole chunks, at most
 * tcp_rd_buf_size octets each (KAMAILIO_READ_MAX here; a longer one costs the connection), relays
 * those of at most KAMAILIO_RELAY_MAX, and shows a script what is in those of at most
 * KAMAILIO_SEEN_MAX.
 */
#ifndef TESTS_SCENARIO_FOREIGN_KAMAILIO_H
#define TESTS_SCENARIO_FOREIGN_KAMAILIO_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KAMAILIO_READ_MAX  65536
#define KAMAILIO_RELAY_MAX 14336
#define KAMAILIO_SEEN_MAX  11238

struct kamailio {
	pid_t pid; /* of its main process, and of its group */
	uint16_t port;
	char directory[64];
};

/* Skips the running test when there is none on this machine. */
void kamailio_needed(void);
/* frames: what stands in event_route[msrp:frame-in]. port 0: a free one. */
void kamailio_start(struct kamailio *k, uint16_t port, const char *frames);
void kamailio_kill(struct kamailio *k); /* at once, as a machine that fails */
void kamailio_stop(struct kamailio *k); /* also after kamailio_kill: removes what it wrote */
/* Waits until its log has this text, which the script wrote by xlog. */
bool kamailio_says(const struct kamailio *k, const char *text);
/* How often the log has it now. */
unsigned kamailio_said(const struct kamailio *k, const char *text);
#endif
