/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_memory: what an idle bound leg costs the switch: its records, and how its resident memory
 * grows with thousands of them.
 *
 * The records are printed by sizeof; the growth is measured between two numbers of bound legs, so
 * that what the process needs anyway does not count. The switch runs without huge pages here. Some
 * kernels still give it the first 2 MB of a pool at once: both numbers are large enough for every
 * pool of legs to be beyond that. Kernel memory for sockets is apart (slab, both ends of each
 * connection, as the peers run on this machine).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bench/support.h"
#include "dataplane/worker.h"
#include "tests/support/switch_rig.h"

#define RECORD_TARGET 512
#define ROOM_LEGS     1000

static struct switch_rig rig;

static uint64_t resident_octets(void)
{
	return bench_proc_number(rig.pid, "smaps_rollup", "Rss:") * 1024;
}

/* TCP's slab and the other objects of an open socket, of the whole machine: KiB. */
static uint64_t slab_kib(void)
{
	return bench_proc_number(getpid(), "../meminfo", "Slab:");
}

static void row(const char *what, size_t octets)
{
	printf("  %-58s %6zu\n", what, octets);
}

static void records_print(void)
{
	size_t record = sizeof(struct leg) + sizeof(struct msrp_session);

	printf("records of an idle bound leg, octets\n");
	row("struct leg", sizeof(struct leg));
	row("struct msrp_session", sizeof(struct msrp_session));
	row("  together: the record", record);
	row("struct connection (its parser 64 of them)", sizeof(struct connection));
	row("struct leg_conf and its texts, small class", leg_conf_class_octets[LEG_CONF_SMALL]);
	row("  together",
		record + sizeof(struct connection) + leg_conf_class_octets[LEG_CONF_SMALL]);
	row("after its first message: 32 Message-IDs", message_ids_size(IDS_SMALL));
	printf("target: record <= %d octets (paths, state and TLS counted apart): %zu: %s\n\n",
		RECORD_TARGET, record, record <= RECORD_TARGET ? "met" : "MISSED");
}

int main(void)
{
	const unsigned few = 9000, many = bench_is_quick() ? 12000 : 16000;
	struct rlimit files = { 20000, 20000 };
	uint64_t resident[2] = { 0 }, slab[2] = { 0 }, started;
	struct object_id room = { 0 };
	struct msrp_peer *peers;
	char name[32];
	unsigned i;

	bench_title("memory");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < many + 100) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < many + 100)
		bench_fail(
			"%u descriptors are too few for %u legs", (unsigned)files.rlim_cur, many);
	records_print();
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* the switch inherits it */
	rig_start(&rig, 1, "  memory_mb: 512\n  max_legs: 16000\n");
	peers = calloc(many, sizeof(*peers));
	if (peers == NULL)
		bench_fail("no memory");
	started = bench_now_ns();
	for (i = 0; i < many; i++) {
		struct rig_leg leg;

		if (i % ROOM_LEGS == 0)
			room = rig_room(&rig, 0, 0);
		snprintf(name, sizeof(name), "m%06u", i);
		leg = rig_leg(&rig, &room, name, i, true);
		peer_bind(&peers[i], rig.port, &leg);
		free(peers[i].octets);
		free(peers[i].body);
		peers[i].octets = peers[i].body = NULL;
		peers[i].room = peers[i].body_room = 0;
		if (i + 1 == few || i + 1 == many) {
			bench_sleep_ms(50);
			resident[i + 1 == many] = resident_octets();
			slab[i + 1 == many] = slab_kib();
		}
	}
	printf("resident memory of the switch: %.1f MB with %u bound legs, %.1f MB with %u: %.0f octets per leg\n",
		(double)resident[0] / 1e6, few, (double)resident[1] / 1e6, many,
		(double)(resident[1] - resident[0]) / (many - few));
	printf("kernel slab of the machine (others run on it), both ends of a connection: %.0f octets per leg\n",
		(double)(slab[1] - slab[0]) * 1024 / (many - few));
	printf("reserved at start by switch.memory_mb: 512 MB of address space; pages are touched when needed\n");
	printf("added and bound one after the other, two commands and one connection each: %.0f legs a second\n",
		many / ((double)(bench_now_ns() - started) / 1e9));
	for (i = 0; i < many; i++)
		close(peers[i].fd);
	free(peers);
	rig_stop(&rig);
	return 0;
}
