/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_join: what a call costs the focus and the switch: INVITE with SDP to the factory, 200, ACK,
 * half a second, BYE.
 *
 * sipp calls the conference factory without a list (allow_empty_factory), so each call makes a
 * conference of one member, with a room and a leg in the switch, and ends it again. This is more
 * work than a join into a conference that exists; that is bench_room's. CPU time of both processes
 * by the kernel's count; a call a second and core is its reciprocal, not a rate that was offered.
 * Memory: the growth of the focus's resident memory between few and many calls that are held, over
 *         TCP, where no transaction
 * lingers. usage: bench_join; PLENUM_SWITCH and PLENUM_FOCUS name the programs; sipp (sip-tester)
 * must be installed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/daemons.h"
#include "bench/support.h"

#define SKIPPED       77 /* what meson takes for a test that could not be run */
#define TALK_MS       500
#define HOLD_MS       12000
#define DIALOG_TARGET 4096
#define JOIN_TARGET   2000

static struct daemons daemons;

static const char scenario[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"call\">\n"
	"<send retrans=\"500\"><![CDATA[\n"
	"INVITE sip:conference-factory@example.com SIP/2.0\n"
	"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
	"From: <sip:u[call_number]@example.com>;tag=[pid]t[call_number]\n"
	"To: <sip:conference-factory@example.com>\nCall-ID: [call_id]\nCSeq: 1 INVITE\n"
	"Contact: <sip:u[call_number]@[local_ip]:[local_port];transport=[transport]>\n"
	"Max-Forwards: 70\nP-Asserted-Identity: <sip:u[call_number]@example.com>\n"
	"Content-Type: application/sdp\nContent-Length: [len]\n\n"
	"v=0\no=u 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=message 9 TCP/MSRP *\n"
	"a=accept-types:message/cpim\na=accept-wrapped-types:*\n"
	"a=path:msrp://127.0.0.1:9/s[call_number];tcp\na=setup:active\n\n]]></send>\n"
	"<recv response=\"100\" optional=\"true\"/>\n<recv response=\"180\" optional=\"true\"/>\n"
	"<recv response=\"200\" rrs=\"true\"/>\n"
	"<send><![CDATA[\n"
	"ACK [next_url] SIP/2.0\n"
	"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
	"From: <sip:u[call_number]@example.com>;tag=[pid]t[call_number]\n"
	"To: <sip:conference-factory@example.com>[peer_tag_param]\nCall-ID: [call_id]\nCSeq: 1 ACK\n"
	"Max-Forwards: 70\nContent-Length: 0\n\n]]></send>\n"
	"<pause/>\n"
	"<send retrans=\"500\"><![CDATA[\n"
	"BYE [next_url] SIP/2.0\n"
	"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
	"From: <sip:u[call_number]@example.com>;tag=[pid]t[call_number]\n"
	"To: <sip:conference-factory@example.com>[peer_tag_param]\nCall-ID: [call_id]\nCSeq: 2 BYE\n"
	"Max-Forwards: 70\nContent-Length: 0\n\n]]></send>\n"
	"<recv response=\"200\"/>\n</scenario>\n";

static void files_write(void)
{
	FILE *file;

	daemons_prepare(&daemons);
	file = daemons_file(&daemons, "call.xml");
	fputs(scenario, file);
	fclose(file);
	daemons_configure(&daemons, "", "  allow_empty_factory: true\n", "");
}

static pid_t sipp_start(const char *transport, unsigned calls, unsigned rate, unsigned talk_ms)
{
	char to[64], file[128], port[16], m[16], r[16], d[16];
	pid_t pid;

	snprintf(to, sizeof(to), "127.0.0.1:%u", daemons.sip_port);
	snprintf(file, sizeof(file), "%s/call.xml", daemons.directory);
	snprintf(port, sizeof(port), "%u", bench_free_port());
	snprintf(m, sizeof(m), "%u", calls);
	snprintf(r, sizeof(r), "%u", rate);
	snprintf(d, sizeof(d), "%u", talk_ms);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		/* Its screen says nothing here; its last words go to ours. */
		dup2(null, 0);
		dup2(null, 1);
		execlp("sipp", "sipp", to, "-sf", file, "-t", transport, "-m", m, "-r", r, "-d", d,
			"-l", "10000", "-i", "127.0.0.1", "-p", port, "-nostdin", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void sipp_wait(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bench_fail("sipp: a call failed, or a message was unexpected (status %#x)",
			(unsigned)status);
}

static bool sipp_is_there(void)
{
	return system("command -v sipp >/dev/null 2>&1") == 0;
}

/* Returns the focus's us per call. */
static double calls_measure(
	pid_t focus, pid_t bridge, const char *transport, unsigned rate, unsigned calls)
{
	struct bench_cpu f = bench_cpu_of(focus), s = bench_cpu_of(bridge), f2, s2;
	uint64_t started = bench_now_ns();
	double seconds, us;

	sipp_wait(sipp_start(transport, calls, rate, TALK_MS));
	seconds = (double)(bench_now_ns() - started) / 1e9 - TALK_MS / 1e3;
	f2 = bench_cpu_of(focus);
	s2 = bench_cpu_of(bridge);
	us = (double)(f2.ns - f.ns) / 1000 / calls;
	printf("%5s %8u %8u %10.0f %10.1f %10.1f %12.0f %8llu %8llu\n",
		transport[0] == 't' ? "TCP" : "UDP", calls, rate, calls / seconds, us,
		(double)(s2.ns - s.ns) / 1000 / calls, 1e6 / us,
		(unsigned long long)(f2.involuntary - f.involuntary),
		(unsigned long long)(s2.involuntary - s.involuntary));
	return us;
}

static void memory_measure(pid_t focus)
{
	const unsigned few = 500, many = 2000;
	uint64_t before, after;
	pid_t first, second;
	double octets;

	first = sipp_start("t1", few, 1000, HOLD_MS);
	bench_sleep_ms(2500);
	before = bench_proc_number(focus, "smaps_rollup", "Rss:") * 1024;
	second = sipp_start("t1", many, 1000, HOLD_MS - 5000);
	bench_sleep_ms(5500);
	after = bench_proc_number(focus, "smaps_rollup", "Rss:") * 1024;
	sipp_wait(second);
	sipp_wait(first);
	octets = ((double)after - (double)before) / many;
	printf("resident memory of the focus: %.1f MB with %u calls held, %.1f MB with %u: %.0f octets per call, its conference of one included\n",
		(double)before / 1e6, few, (double)after / 1e6, few + many, octets);
	printf("target: <= %d octets per dialog: with a conference each, %.0f: %s\n", DIALOG_TARGET,
		octets, octets <= DIALOG_TARGET ? "met" : "MISSED");
}

int main(void)
{
	unsigned calls = bench_is_quick() ? 1500 : 6000;
	struct bench_series us = { 0 };
	pid_t bridge, focus;

	bench_title("join");
	if (!sipp_is_there()) {
		printf("sipp is not installed (package sip-tester): not measured\n");
		return SKIPPED;
	}
	files_write();
	daemons_start(&daemons);
	bridge = daemons.bridge;
	focus = daemons.focus;
	memory_measure(focus); /* first: a heap that has been larger does not show what grows */
	printf("\ncalls to the factory: a conference of one each (see the head of the source)\n");
	printf("%5s %8s %8s %10s %10s %10s %12s %17s\n", "", "calls", "offered", "reached",
		"focus us", "switch us", "calls/s of a", "involuntary");
	printf("%5s %8s %8s %10s %10s %10s %12s %8s %8s\n", "", "", "a second", "a second",
		"per call", "per call", "core (focus)", "focus", "switch");
	calls_measure(focus, bridge, "t1", 1000, 1000); /* heap and tables grow once */
	for (unsigned round = 0; round < (bench_is_quick() ? 1u : 3u); round++) {
		bench_series_add(&us, calls_measure(focus, bridge, "t1", 1000, calls));
		calls_measure(focus, bridge, "u1", 1000, calls);
	}
	printf("for the design's %d joins a second on one core, a whole call (conference, INVITE and BYE) may cost %d us; at 1,000 offered over TCP: %.0f us\n",
		JOIN_TARGET, 1000000 / JOIN_TARGET, bench_median(&us));
	daemons_stop(&daemons);
	daemons_remove(&daemons);
	return 0;
}
