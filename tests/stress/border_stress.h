/* SPDX-License-Identifier: BSD-3-Clause */
/* border_stress: what the parts of stress_border share.
 *
 *   stress_border.c the supervisor: starts, kills, fences, watches, counts border_switch.c plays
 *   the switch: attach.c and worker threads border_controller.c plays a controller: libplenum
 *   border_traffic.c what the records hold; both sides can make every record of a life again, octet
 *   by octet
 *
 * Nothing here sleeps with a time limit on a ring: a lost wake-up is a stall, and the supervisor
 * sees it. */
#ifndef TESTS_STRESS_BORDER_STRESS_H
#define TESTS_STRESS_BORDER_STRESS_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "include/border.h"
#include "include/switch_cmd.h"
#include "include/switch_event.h"

#define NAMES 2 /* controllers with names of their own */
extern const char *const controller_names[NAMES];

/* Shared by all processes of a run (MAP_SHARED), so that what a killed one counted is kept. */
struct board {
	/* Set once, before anybody starts. */
	char path[108];
	uint32_t workers, ring_size;
	bool threads;

	_Atomic bool finish;              /* controllers: come to an orderly end */
	_Atomic bool stop;                /* switch: end */
	_Atomic uint32_t abandon[NAMES];  /* controller thread of this start: go without a word */
	_Atomic uint64_t commands[NAMES]; /* checked by the switch */
	_Atomic uint64_t events[NAMES];   /* checked by the controllers */
	_Atomic uint64_t octets;          /* of the texts of both */
	_Atomic uint64_t attachments;     /* handed over by the switch */
	_Atomic uint64_t detachments;     /* done by the switch */
	_Atomic uint64_t commands_full;   /* a controller found its command ring full */
	_Atomic uint64_t events_full;     /* a worker found its event ring full */
	_Atomic uint64_t worker_sleeps;   /* worker had nothing to do */
	_Atomic uint64_t starved_sleeps;  /* ... and waited for room */
	_Atomic uint64_t controller_sleeps;
	_Atomic uint64_t
		after_fence; /* commands put into memory that the switch must not read any more */
};

/* Says what and where, and ends the process: the supervisor sees the status. */
void stress_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Which record of which life. */
struct record_key {
	uint32_t name, epoch, worker;
	uint64_t sequence;
};

struct command_record {
	struct switch_cmd cmd;
	char text[SWITCH_TEXT_MAX];
};

struct event_record {
	struct switch_event event;
	char text[SWITCH_TEXT_MAX];
};

/* Everything of the record follows from its key; for events also from type and cookie. Returns its
 * octets. */
uint32_t traffic_command(struct command_record *out, const struct record_key *key, unsigned type);
uint32_t traffic_event(
	struct event_record *out, const struct record_key *key, unsigned type, uint64_t cookie);
uint64_t traffic_random(uint64_t *state);

/* Runs the switch until board->stop. */
void stress_switch(struct board *board, uint64_t seed);

enum controller_end {
	END_FINISHED = 0, /* drained, everything answered */
	END_FENCED = 3,   /* a newer attachment of the same name */
	END_ABANDONED = 4 /* as asked by board->abandon */
};
/* One life of a controller. `start` numbers the lives of a name. */
enum controller_end stress_controller(
	struct board *board, uint32_t name, uint32_t start, uint64_t seed);

/* Producer and consumer of one ring, in one mapping, so that ThreadSanitizer sees both. */
void stress_ring(uint64_t count, uint64_t seed);
#endif
