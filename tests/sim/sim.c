/* SPDX-License-Identifier: BSD-3-Clause */
/* sim: the switch's workers, stepped by a seed, against a reference model.
 *
 *   sim --seed N [-v] [--ops M]       one run; -v prints its history; --ops: no more than M operations
 *   sim [--from A] [--count K]        many; each in a process of its own, from the same start
 *   --fail-once                       ends at the first that fails
 *   PLENUM_NIGHTLY_SCALE              per cent of --count, with --nightly
 *
 * Exit status 0: all went well. A run that fails says one line how to have it alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/sim/world.h"

#define SECONDS_MAX  120 /* of one run; it takes milliseconds */
#define FAILURES_MAX 40

static struct world_options options;
static unsigned failures_max = FAILURES_MAX;

static int run(struct world_workers *workers, uint32_t seed)
{
	const char *failure = world_run(workers, seed, &options);

	if (failure[0] == '\0')
		return 0;
	fprintf(stderr, "seed %u: %s\n    alone: sim --seed %u -v%s\n", seed, failure, seed,
		options.most_ops > 0 ? " (and its --ops)" : "");
	return 1;
}

static unsigned many(uint32_t from, uint32_t count)
{
	unsigned failures = 0, workers, done = 0;
	uint32_t seed;
	int status;
	pid_t pid;

	for (workers = 1; workers <= WORLD_WORKERS_MAX; workers++) {
		struct world_workers made;

		world_workers_make(&made, workers);
		for (seed = from; seed - from < count && failures < failures_max; seed++) {
			if (world_workers_of(seed) != workers)
				continue;
			done++;
			fflush(NULL);
			pid = fork();
			if (pid == 0) {
				alarm(SECONDS_MAX);
				_exit(run(&made, seed));
			}
			if (pid < 0 || waitpid(pid, &status, 0) != pid) {
				perror("fork");
				exit(2);
			}
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				continue;
			failures++;
			if (WIFSIGNALED(status))
				fprintf(stderr,
					"seed %u: ended by signal %d\n    alone: sim --seed %u -v\n",
					seed, WTERMSIG(status), seed);
			else if (WEXITSTATUS(status) != 1)
				fprintf(stderr,
					"seed %u: ended with status %d\n    alone: sim --seed %u -v\n",
					seed, WEXITSTATUS(status), seed);
		}
	}
	fprintf(stderr, "%u seeds, %u failures\n", done, failures);
	return failures;
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > UINT32_MAX) {
		fprintf(stderr, "sim: not a number: %s\n", text);
		exit(2);
	}
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	uint32_t from = 0, count = 100, scale;
	bool one = false, nightly = false;
	struct world_workers made;
	const char *text;
	int i;

	/* A page of two megabytes for each pool that a run touches would be most of its time. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			from = number(argv[++i]);
			one = true;
		} else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc) {
			from = number(argv[++i]);
		} else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
			count = number(argv[++i]);
		} else if (strcmp(argv[i], "--ops") == 0 && i + 1 < argc) {
			options.most_ops = number(argv[++i]);
		} else if (strcmp(argv[i], "--fail-once") == 0) {
			failures_max = 1;
		} else if (strcmp(argv[i], "--nightly") == 0) {
			nightly = true;
		} else if (strcmp(argv[i], "-v") == 0) {
			options.verbose = true;
		} else {
			fprintf(stderr,
				"usage: sim --seed N [-v] [--ops M] | sim [--from A] [--count K]\n");
			return 2;
		}
	}
	if (one) {
		world_workers_make(&made, world_workers_of(from));
		if (run(&made, from) != 0)
			return 1;
		printf("seed %u: %u ticks, %u rooms, %u legs, %u connections, %u messages, %u copies\n",
			from, world_history()->now, world_history()->rooms.count,
			world_history()->legs.count, world_history()->conns.count,
			world_history()->messages.count, world_history()->copies.count);
		return 0;
	}
	text = getenv("PLENUM_NIGHTLY_SCALE");
	scale = nightly && text != NULL ? number(text) : 100;
	if (scale > 0 && scale < 100)
		count = count * scale / 100 > 0 ? (uint32_t)((uint64_t)count * scale / 100) : 1;
	return many(from, count) > 0 ? 1 : 0;
}
