/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_reattach: how long nobody is there when the focus was killed with SIGKILL and started
 * again, by the number of dialogs that it has to make again.
 *
 * Members of pre-defined groups join over UDP, in rooms of ten and in one room. Then, several
 * rounds: the focus is killed, started, and says "ready": its store is read, every dialog stands,
 * the switch is attached and each room and leg claimed. Meanwhile a process asks OPTIONS every 2
 * ms: the longest time between two answers is how long SIP was unanswered, the start of the process
 * included. At the end every member leaves in its old dialog, and any answer but 200 ends the
 * program.
 *
 * The machine's CPUs are shared with whatever else runs: the least of the rounds is what the work
 * takes, the median what one gets.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/crowd.h"
#include "bench/daemons.h"
#include "bench/support.h"

#define MEMBERS   10000u
#define WINDOW    32u
#define ROUNDS    5u
#define PROBE_US  2000
#define TARGET_MS 1000

static struct daemons daemons;

static struct probe {
	volatile uint64_t last_ns, longest_ns; /* of an answer; between two */
} * probe;

/* Asks and asks; in a process of its own. */
static void probe_run(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(daemons.sip_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in own = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char text[600], in[4096];

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, len) < 0 ||
		getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		int n = snprintf(text, sizeof(text),
			"OPTIONS sip:example.com SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKprobe%u;rport\r\n"
			"Max-Forwards: 70\r\nFrom: <sip:probe@example.com>;tag=1\r\n"
			"To: <sip:example.com>\r\nCall-ID: probe%u\r\nCSeq: 1 OPTIONS\r\n"
			"Content-Length: 0\r\n\r\n",
			ntohs(own.sin_port), i, i);

		sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to));
		usleep(PROBE_US);
		while (recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0) {
			uint64_t now = bench_now_ns();

			if (probe->last_ns != 0 && now - probe->last_ns > probe->longest_ns)
				probe->longest_ns = now - probe->last_ns;
			probe->last_ns = now;
		}
	}
}

static pid_t probe_start(void)
{
	uint64_t until = bench_now_ns() + 5000000000u;
	pid_t pid;

	probe->last_ns = probe->longest_ns = 0;
	pid = fork();
	if (pid == 0)
		probe_run();
	while (probe->last_ns == 0 && bench_now_ns() < until)
		bench_sleep_ms(2);
	if (pid < 0 || probe->last_ns == 0)
		bench_fail("OPTIONS is not answered");
	return pid;
}

static void probe_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void groups_write(unsigned first, unsigned rooms)
{
	char name[64];

	for (unsigned r = 0; r < rooms; r++) {
		FILE *file;

		snprintf(name, sizeof(name), "groups/room%u.xml", first + r);
		file = daemons_file(&daemons, name);
		fprintf(file,
			"<group xmlns=\"urn:oma:xml:poc:list-service\" "
			"xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\">\n"
			"<list-service uri=\"sip:room%u@example.com\">\n"
			"<list><entry uri=\"sip:u0@example.com\"/></list>\n"
			"<invite-members>false</invite-members>\n"
			"<max-participant-count>%u</max-participant-count>\n"
			"<cp:ruleset><cp:rule id=\"all\"><cp:conditions/><cp:actions>"
			"<join-handling>true</join-handling>"
			"<allow-initiate-conference>true</allow-initiate-conference>"
			"</cp:actions></cp:rule></cp:ruleset></list-service></group>\n",
			first + r, MEMBERS);
		fclose(file);
	}
}

static double store_mb(void)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "%s/plenum-focus.store", daemons.directory);
	return stat(path, &st) == 0 ? (double)st.st_size / 1e6 : 0;
}

static void measure(unsigned count, unsigned first_room, unsigned rooms)
{
	struct bench_series ready = { .count = 0 }, silent = { .count = 0 };
	unsigned rounds = bench_is_quick() ? 2 : ROUNDS;
	struct crowd crowd;
	double ready_ms, silent_ms;

	crowd_open(&crowd, false, daemons.sip_port, count, first_room, rooms, WINDOW);
	crowd_run(&crowd, CROWD_JOIN, 0, rooms);
	if (count > rooms)
		crowd_run(&crowd, CROWD_JOIN, rooms, count);
	crowd_rest(&crowd, 300);
	for (unsigned i = 0; i < rounds; i++) {
		pid_t pid = probe_start();
		uint64_t begun;

		bench_sleep_ms(100);
		daemons_focus_kill(&daemons);
		begun = bench_now_ns();
		daemons_focus_start(&daemons);
		bench_series_add(&ready, (double)(bench_now_ns() - begun) / 1e6);
		begun = bench_now_ns();
		while (probe->last_ns < begun && bench_now_ns() - begun < 5000000000u)
			bench_sleep_ms(2);
		bench_sleep_ms(50);
		bench_series_add(&silent, (double)probe->longest_ns / 1e6);
		probe_stop(pid);
	}
	ready_ms = bench_median(&ready);
	silent_ms = bench_median(&silent);
	printf("%8u %8u %12.1f %12.1f %14.1f %14.1f %10.1f  %s\n", count, rooms,
		bench_quantile(&ready, 0), ready_ms, bench_quantile(&silent, 0), silent_ms,
		store_mb(), silent_ms <= TARGET_MS ? "met" : "MISSED");
	fflush(stdout);
	crowd_run(&crowd, CROWD_LEAVE, 0, count);
	crowd_rest(&crowd, 100);
	crowd_close(&crowd);
}

int main(void)
{
	static const struct {
		unsigned count, rooms;
	} sizes[] = { { 100, 10 }, { 1000, 100 }, { 1000, 1 }, { 10000, 1000 }, { 10000, 1 } };
	unsigned shown = bench_is_quick() ? 3 : sizeof(sizes) / sizeof(sizes[0]), first = 0;
	char path[64];

	bench_title("reattach");
	probe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (probe == MAP_FAILED)
		bench_fail("no shared memory");
	daemons_prepare(&daemons);
	snprintf(path, sizeof(path), "%s/groups", daemons.directory);
	if (mkdir(path, 0700) < 0)
		bench_fail("%s cannot be made", path);
	for (unsigned i = 0; i < shown; i++) {
		groups_write(first, sizes[i].rooms);
		first += sizes[i].rooms;
	}
	daemons_configure(&daemons, "  bind_s: 0\n", "  groups: groups/\n", "  max_legs: 60000\n");
	daemons_start(&daemons);
	printf("%8s %8s %12s %12s %14s %14s %10s  aim: SIP unanswered under %d ms\n", "dialogs",
		"rooms", "exec->ready", "median", "SIP unanswered", "median", "store MB",
		TARGET_MS);
	printf("%8s %8s %12s %12s %14s %14s\n", "", "", "ms, least", "ms", "ms, least", "ms");
	first = 0;
	for (unsigned i = 0; i < shown; i++) {
		measure(sizes[i].count, first, sizes[i].rooms);
		first += sizes[i].rooms;
	}
	daemons_stop(&daemons);
	daemons_remove(&daemons);
	munmap(probe, 4096);
	return 0;
}
