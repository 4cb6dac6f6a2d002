/* SPDX-License-Identifier: BSD-3-Clause */
/* sipp (Debian: sip-tester) calls the factory: a thousand times over UDP, a thousand times over
 * TCP. Its scenario is sipp/call.xml; PLENUM_SIPP_CALL names it. */
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

#define CALLS         1000
#define GROWTH_MAX_KB 30720 /* over UDP transactions linger for 32 s, 10 to 20 KB each */

static long rss_kb(pid_t pid)
{
	char path[64], line[200];
	long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kb;
}

/* What the log says last about how many conferences there are. */
static long conferences(void)
{
	long count = -1;
	char line[1000], *at;
	FILE *file = fopen(rig.focus.log, "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if ((at = strstr(line, " conferences=")) != NULL)
			count = strtol(at + 13, NULL, 10);
	if (file != NULL)
		fclose(file);
	return count;
}

static unsigned ended_in_log(void)
{
	unsigned count = 0;
	char line[1000];
	FILE *file = fopen(rig.focus.log, "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		count += strstr(line, "ended conference=") != NULL;
	if (file != NULL)
		fclose(file);
	return count;
}

static void thousand_calls(const char *transport)
{
	/* Fewer rooms and legs than calls: what is not given back is missed. */
	const struct rig_options options = { .conference = ALONE,
		.the_switch = "  max_legs: 300\n  max_rooms: 300\n" };
	char command[1024];
	long before, after;
	int status;

	if (system("command -v sipp >/dev/null") != 0)
		cr_skip("sipp (package sip-tester) is not installed");
	sip_rig_start(&rig, &options);
	before = rss_kb(rig.focus.pid);
	snprintf(command, sizeof(command),
		"cd %s && TERM=dumb sipp 127.0.0.1:%u -sf %s -t %s -i 127.0.0.1 -p %u -m %u -r 400 -l 200 "
		"-max_socket 500 -nostdin -timeout 40s -timeout_error -trace_err -error_file errors >sipp.out 2>&1",
		rig.directory, rig.sip_port, getenv("PLENUM_SIPP_CALL"), transport, rig_free_port(),
		CALLS);
	/* 0: all calls were successful, and no message was unexpected. */
	status = system(command);
	snprintf(
		command, sizeof(command), "cd %s && tail -n 40 errors sipp.out >&2", rig.directory);
	if (status != 0 && system(command) != 0)
		fprintf(stderr, "sipp said nothing\n");
	cr_assert_eq(status, 0, "sipp ended with status %d", status);
	/* On a busy machine sipp repeats an INVITE over UDP and throws away the second 200 when its
	 * call is over: it writes that down, but it is no unexpected message. */
	snprintf(command, sizeof(command), "grep -i 'unexpected' %s/errors >&2", rig.directory);
	cr_assert_neq(system(command), 0, "sipp met unexpected messages");
	cr_assert(rig_log_has(&rig.focus, " conferences=0", 1000));
	for (unsigned tries = 0; tries < 500 && conferences() != 0; tries++)
		rig_pause(20);
	cr_assert_eq(conferences(), 0);
	cr_assert_eq(ended_in_log(), CALLS);
	after = rss_kb(rig.focus.pid);
	cr_assert_gt(before, 0);
#if !defined(__SANITIZE_ADDRESS__) /* its quarantine keeps what was freed */
	cr_assert_lt(after - before, GROWTH_MAX_KB, "resident memory went from %ld to %ld KB",
		before, after);
#else
	(void)after;
#endif
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, false);
	cr_assert(sip_focus_lives(&alice));
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

Test(sipp, a_thousand_calls_over_udp)
{
	thousand_calls("u1");
}

Test(sipp, a_thousand_calls_over_tcp)
{
	thousand_calls("t1");
}
