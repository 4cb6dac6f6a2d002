/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_room: what joining and leaving one conference costs, for rooms of 10, 1,000 and 10,000, and
 * what a participant keeps in the focus's memory.
 *
 * The rooms are pre-defined groups that invite nobody (chat rooms). The same 10,000 members are
 * spread over as many rooms as they fill: a thousand rooms of ten, ten of a thousand, one of ten
 * thousand; in turn, several rounds, one run of the daemons. A room's first member, who makes the
 * conference, and its last are not measured: what stands here is joins into a conference that is
 * there (INVITE, 200, ACK) and leaves (BYE, 200). Members never bind (msrp.bind_s 0).
 *
 * CPU:      by the kernel's count of each process, so that neither the crowd's own work nor other
 *           work on the machine is in it; joins a second of a core is its reciprocal. The rate that
 *           was reached stands beside it: focus, switch and crowd share the machine's CPUs.
 * Told:     with subscribers, every tenth member subscribes before the others join, and the cost of
 *           telling them is the joins'; over TCP, as a full state of a thousand users is no
 *           datagram.
 * Memory:   growth of the focus's anonymous memory (heap) and of its mapped file (the store) from
 *           500 participants in a room to 10,000, and when all of them subscribe; over TCP, where
 *           no transaction lingers.
 * usage:    bench_room [memory|tcp|udp|told]; PLENUM_SWITCH and PLENUM_FOCUS name the programs.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "bench/crowd.h"
#include "bench/daemons.h"
#include "bench/support.h"

#define MEMBERS       10000u
#define WINDOW        32u
#define TOLD_ONE_IN   10u
#define FEW           500u
#define QUIET_MS      6000  /* conference.notify_interval, and some */
#define DECAY_MS      11000 /* jemalloc gives pages back after ten seconds */
#define DIALOG_TARGET 4096
#define JOIN_TARGET   2000

struct size {
	unsigned room, first_room;
	struct bench_series join_us, leave_us;
};

static struct daemons daemons;

/* A group document whose members are those of this room. */
static void group_write(unsigned number, unsigned room, unsigned rooms)
{
	char name[64];
	FILE *file;

	snprintf(name, sizeof(name), "groups/room%u.xml", number);
	file = daemons_file(&daemons, name);
	fprintf(file,
		"<group xmlns=\"urn:oma:xml:poc:list-service\" "
		"xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\">\n"
		"<list-service uri=\"sip:room%u@example.com\">\n<list>\n",
		number);
	for (unsigned i = room; i < MEMBERS; i += rooms)
		fprintf(file, "<entry uri=\"sip:u%u@example.com\"/>\n", i);
	fprintf(file,
		"</list>\n<invite-members>false</invite-members>\n"
		"<max-participant-count>%u</max-participant-count>\n"
		"<cp:ruleset><cp:rule id=\"members\"><cp:conditions><is-list-member/></cp:conditions>\n"
		"<cp:actions><join-handling>true</join-handling>"
		"<allow-initiate-conference>true</allow-initiate-conference>"
		"<allow-conference-state>true</allow-conference-state></cp:actions></cp:rule>"
		"</cp:ruleset></list-service></group>\n",
		MEMBERS);
	fclose(file);
}

static void files_write(const struct size *sizes, unsigned count)
{
	char path[64];

	daemons_prepare(&daemons);
	snprintf(path, sizeof(path), "%s/groups", daemons.directory);
	if (mkdir(path, 0700) < 0)
		bench_fail("%s cannot be made", path);
	for (unsigned s = 0; s < count; s++)
		for (unsigned r = 0; r < MEMBERS / sizes[s].room; r++)
			group_write(sizes[s].first_room + r, r, MEMBERS / sizes[s].room);
	/* Many more legs than members: over UDP every request lingers half a minute, and the focus
	 * sheds load at four transactions for each leg that it may have. */
	daemons_configure(&daemons, "  bind_s: 0\n", "  groups: groups/\n", "  max_legs: 60000\n");
}

struct phase {
	struct bench_cpu focus, bridge;
};

static struct phase phase_now(void)
{
	bench_sleep_ms(50); /* both are idle, and accounted */
	return (struct phase){ bench_cpu_of(daemons.focus), bench_cpu_of(daemons.bridge) };
}

static double us_of(struct bench_cpu before, struct bench_cpu after, unsigned count)
{
	return (double)(after.ns - before.ns) / 1000 / count;
}

/* Fills the rooms and empties them. */
static void round_run(struct size *size, bool tcp, unsigned told)
{
	unsigned rooms = MEMBERS / size->room, there = told > rooms ? told : rooms;
	unsigned count = MEMBERS - there;
	double join_s, leave_s, join_us, leave_us;
	struct phase p0, p1, p2;
	struct crowd crowd;

	crowd_open(&crowd, tcp, daemons.sip_port, MEMBERS, size->first_room, rooms, WINDOW);
	crowd_run(&crowd, CROWD_JOIN, 0, rooms);
	crowd_run(&crowd, CROWD_JOIN, rooms, there);
	crowd_run(&crowd, CROWD_SUBSCRIBE, 0, told);
	crowd_rest(&crowd, told > 0 ? QUIET_MS : 100);
	p0 = phase_now();
	join_s = crowd_run(&crowd, CROWD_JOIN, there, MEMBERS);
	crowd_rest(&crowd, told > 0 ? QUIET_MS : 100);
	p1 = phase_now();
	leave_s = crowd_run(&crowd, CROWD_LEAVE, there, MEMBERS);
	crowd_rest(&crowd, told > 0 ? QUIET_MS : 100);
	p2 = phase_now();
	join_us = us_of(p0.focus, p1.focus, count);
	leave_us = us_of(p1.focus, p2.focus, count);
	printf("%4s %6u %5u %6u %8.0f %8.1f %8.1f %9.0f %8.0f %8.1f %8.1f %9llu %8llu %6llu\n",
		tcp ? "TCP" : "UDP", size->room, rooms, told, count / join_s, join_us,
		us_of(p0.bridge, p1.bridge, count), 1e6 / join_us, count / leave_s, leave_us,
		us_of(p1.bridge, p2.bridge, count), (unsigned long long)crowd.notifies,
		(unsigned long long)(p2.focus.involuntary - p0.focus.involuntary),
		(unsigned long long)crowd.repeated);
	bench_series_add(&size->join_us, join_us);
	bench_series_add(&size->leave_us, leave_us);
	crowd_run(&crowd, CROWD_LEAVE, 0, there);
	crowd_rest(&crowd, 100);
	crowd_close(&crowd);
}

static void table_head(const char *title)
{
	printf("\n%s\n", title);
	printf("%4s %6s %5s %6s %8s %8s %8s %9s %8s %8s %8s %9s %8s %6s\n", "", "room", "rooms",
		"told", "joins/s", "focus us", "switch", "joins/s", "leaves/s", "focus us",
		"switch", "NOTIFYs", "invol.", "sent");
	printf("%4s %6s %5s %6s %8s %8s %8s %9s %8s %8s %8s %9s %8s %6s\n", "", "of", "", "",
		"reached", "a join", "us", "of a core", "reached", "a leave", "us", "", "focus",
		"again");
}

static void verdict(struct size *sizes, unsigned count)
{
	double join_least = bench_median(&sizes[0].join_us);
	double leave_least = bench_median(&sizes[0].leave_us);

	for (unsigned s = 0; s < count; s++) {
		double join_us = bench_median(&sizes[s].join_us);
		double leave_us = bench_median(&sizes[s].leave_us);

		printf("room of %5u: a join %.0f us, %.2f of a room of %u's; %.0f a second of a core (aim %d: %s); a leave %.0f us, %.2f\n",
			sizes[s].room, join_us, join_us / join_least, sizes[0].room, 1e6 / join_us,
			JOIN_TARGET, 1e6 / join_us >= JOIN_TARGET ? "met" : "MISSED", leave_us,
			leave_us / leave_least);
		sizes[s].join_us.count = sizes[s].leave_us.count = 0;
	}
}

struct memory {
	double anonymous, mapped;
};

static struct memory memory_now(void)
{
	double anonymous, rss;

	bench_sleep_ms(DECAY_MS);
	anonymous = (double)bench_proc_number(daemons.focus, "smaps_rollup", "Anonymous:") * 1024;
	rss = (double)bench_proc_number(daemons.focus, "smaps_rollup", "Rss:") * 1024;
	return (struct memory){ anonymous, rss - anonymous };
}

static void memory_measure(const struct size *size)
{
	struct memory few, many, watched, none;
	struct crowd crowd;
	double octets;

	crowd_open(&crowd, true, daemons.sip_port, MEMBERS, size->first_room, 1, WINDOW);
	crowd_run(&crowd, CROWD_JOIN, 0, FEW);
	few = memory_now();
	crowd_run(&crowd, CROWD_JOIN, FEW, MEMBERS);
	many = memory_now();
	crowd_run(&crowd, CROWD_SUBSCRIBE, 0, MEMBERS);
	crowd_rest(&crowd, QUIET_MS);
	watched = memory_now();
	crowd_run(&crowd, CROWD_LEAVE, 0, MEMBERS);
	crowd_rest(&crowd, QUIET_MS);
	none = memory_now();
	crowd_close(&crowd);
	octets = (many.anonymous - few.anonymous) / (MEMBERS - FEW);
	printf("focus, heap: %.1f MB with %u participants of one conference, %.1f MB with %u, %.1f MB when all have subscribed, %.1f MB when all have left\n",
		few.anonymous / 1e6, FEW, many.anonymous / 1e6, MEMBERS, watched.anonymous / 1e6,
		none.anonymous / 1e6);
	printf("a participant, its dialog, user and leg: %.0f octets (aim %d: %s); its subscription, in a dialog of its own: %.0f more\n",
		octets, DIALOG_TARGET, octets <= DIALOG_TARGET ? "met" : "MISSED",
		(watched.anonymous - many.anonymous) / MEMBERS);
	printf("focus, mapped files (its store is one): %.1f MB, %.1f MB, %.1f MB, %.1f MB: %.0f octets a participant\n",
		few.mapped / 1e6, many.mapped / 1e6, watched.mapped / 1e6, none.mapped / 1e6,
		(many.mapped - few.mapped) / (MEMBERS - FEW));
}

static bool wants(int argc, char **argv, const char *part)
{
	return argc < 2 || strcmp(argv[1], part) == 0;
}

static void rounds_run(struct size *sizes, unsigned count, bool tcp, unsigned told)
{
	unsigned rounds = bench_is_quick() ? 1 : 3;

	table_head(told > 0 ? "every tenth member has subscribed" : "nobody is told");
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned s = 0; s < count; s++)
			round_run(&sizes[s], tcp, told);
	verdict(sizes, count);
}

int main(int argc, char **argv)
{
	static struct size sizes[] = {
		{ .room = 10, .first_room = 0 },
		{ .room = 1000, .first_room = 2000 },
		{ .room = 10000, .first_room = 3000 },
	};
	const unsigned count = sizeof(sizes) / sizeof(sizes[0]);

	bench_title("room");
	files_write(sizes, count);
	daemons_start(&daemons);
	if (wants(argc, argv, "memory")) /* first: a heap that was larger hides what grows */
		memory_measure(&sizes[count - 1]);
	if (wants(argc, argv, "tcp"))
		rounds_run(sizes, count, true, 0);
	if (wants(argc, argv, "udp"))
		rounds_run(sizes, count, false, 0);
	if (wants(argc, argv, "told"))
		rounds_run(sizes, count, true, MEMBERS / TOLD_ONE_IN);
	daemons_stop(&daemons);
	daemons_remove(&daemons);
	return 0;
}
