/* SPDX-License-Identifier: BSD-3-Clause */
/* restless: the switch, with a worker that does at every payload what it must not: PLENUM_RESTLESS says what. For the proof that
 * tests/support/still.c notices. Linked with --wrap=room_payload around the very objects of plenum-switch. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "dataplane/worker.h"

void __real_room_payload(struct worker *worker, struct payload *payload);
void __wrap_room_payload(struct worker *worker, struct payload *payload);

static void *volatile kept;

void __wrap_room_payload(struct worker *worker, struct payload *payload)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const char *what = getenv("PLENUM_RESTLESS");

	if (what == NULL)
		what = "";
	if (strcmp(what, "malloc") == 0) {
		kept = malloc(24);
	} else if (strcmp(what, "free") == 0) {
		free(kept);
		kept = NULL;
	} else if (strcmp(what, "mmap") == 0) {
		kept = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	} else if (strcmp(what, "lock") == 0) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	} else if (strcmp(what, "log") == 0) {
		log_info("restless", "a payload");
	}
	__real_room_payload(worker, payload);
}

/* What "free" gives back was taken before the workers began. */
__attribute__((constructor)) static void begin(void)
{
	kept = malloc(24);
}
