/* SPDX-License-Identifier: BSD-3-Clause */
/* sipp_run: sipp (Debian: sip-tester) against the rig's daemons, with the scenarios of sipp/, which
 * PLENUM_SIPP names; for one .c each. A scenario ends a call with failure when a message comes that
 * it does not expect, so "no unexpected message" is the exit status. */
#ifndef TESTS_SCENARIO_FOCUS_SIPP_RUN_H
#define TESTS_SCENARIO_FOCUS_SIPP_RUN_H
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "tests/scenario/focus/group_cast.h"

struct sipp {
	const char *name; /* of its scenario */
	uint16_t port;
	pid_t pid;
};

struct sipp_load {
	const char *transport; /* "u1": UDP, "t1": one TCP connection */
	unsigned calls, rate, at_once;
	unsigned seconds;      /* it gives up after so long */
	uint16_t invited_port; /* [uas_port] of the scenario */
	unsigned quiet_ms;     /* QUIET_MS of the scenario */
	bool waits;            /* it is called, and does not call */
};

static void sipp_needed(void)
{
	if (system("command -v sipp >/dev/null") != 0)
		cr_skip("sipp (package sip-tester) is not installed");
}

static void sipp_start(struct sipp *sipp, const char *name, const struct sipp_load *load)
{
	char command[2048], log[160];
	int length;

	*sipp = (struct sipp){ .name = name, .port = rig_free_port() };
	/* A copy of the scenario, as it has no variable for the time of a <recv>. */
	length = snprintf(command, sizeof(command),
		"cd %s && sed s/QUIET_MS/%u/ %s/%s.xml >%s.xml && TERM=dumb exec sipp ",
		rig.directory, load->quiet_ms, getenv("PLENUM_SIPP"), name, name);
	if (!load->waits)
		length += snprintf(command + length, sizeof(command) - (size_t)length,
			"127.0.0.1:%u -r %u -l %u ", rig.sip_port, load->rate, load->at_once);
	snprintf(command + length, sizeof(command) - (size_t)length,
		"-sf %s.xml -t %s -i 127.0.0.1 -p %u -m %u -max_socket 500 -nostdin "
		"-key uas_port %u -timeout %us -timeout_error -trace_err -error_file %s.errors",
		name, load->transport, sipp->port, load->calls, load->invited_port, load->seconds,
		name);
	snprintf(log, sizeof(log), "%s/%s.out", rig.directory, name);
	sipp->pid = fork();
	cr_assert_geq(sipp->pid, 0);
	if (sipp->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
		dup2(1, 2);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
}

/* All calls were successful, and no message was unexpected. */
static void sipp_end(struct sipp *sipp)
{
	char command[400];
	int status = -1;

	cr_assert_eq(waitpid(sipp->pid, &status, 0), sipp->pid);
	snprintf(command, sizeof(command), "cd %s && tail -qn 40 %s.errors %s.out >&2",
		rig.directory, sipp->name, sipp->name);
	if (status != 0 && system(command) != 0)
		fprintf(stderr, "sipp said nothing\n");
	cr_assert_eq(status, 0, "sipp %s ended with status %#x", sipp->name, (unsigned)status);
	/* On a busy machine sipp repeats an INVITE over UDP and throws away the second 200 when its
	 * call is over: it writes that down, but it is no unexpected message. */
	snprintf(command, sizeof(command), "cd %s && grep -is 'unexpected' %s.errors >&2",
		rig.directory, sipp->name);
	cr_assert_neq(system(command), 0, "sipp %s met unexpected messages", sipp->name);
}

/* One that calls, from start to end. */
__attribute__((unused)) static void sipp_call(const char *name, const struct sipp_load *load)
{
	struct sipp sipp;

	sipp_start(&sipp, name, load);
	sipp_end(&sipp);
}

/* A line of /proc/PID/FILE in KB; 0: not there. */
__attribute__((unused)) static long memory_kb(pid_t pid, const char *file, const char *key)
{
	char path[64], line[200];
	long kb = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	in = fopen(path, "r");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtol(line + strlen(key), NULL, 10);
	if (in != NULL)
		fclose(in);
	return kb;
}

/* A chat room whose members are sipp1 to sipp<count>, each of whom may watch it, is in force. */
__attribute__((unused)) static void lobby_is(unsigned count)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert_not_null(out);
	fprintf(out, "<group xmlns=\"urn:oma:xml:poc:list-service\" "
		     "xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\">\n"
		     "<list-service uri=\"sip:lobby@groups.example.org\"><list>\n");
	for (unsigned i = 1; i <= count; i++)
		fprintf(out, "<entry uri=\"sip:sipp%u@example.com\"/>\n", i);
	fprintf(out,
		"</list><max-participant-count>%u</max-participant-count>\n" RULES(RULE(
			"<is-list-member/>", MAY
			"<allow-conference-state>true</allow-conference-state>")) "</list-service></group>\n",
		count);
	fclose(out);
	group_put("lobby.xml", text);
	log_await("group document in force", 1);
	free(text);
}

/* The members join, and when all are in, all subscribe; they leave one after the other, each so
 * long after its join. */
__attribute__((unused)) static void lobby_watched(
	unsigned count, unsigned rate, unsigned stay_ms, unsigned seconds)
{
	struct sipp_load load = { .transport = "u1",
		.calls = count,
		.rate = rate,
		.at_once = count,
		.seconds = seconds,
		.quiet_ms = stay_ms };
	struct sipp members, watchers;

	sipp_start(&members, "member", &load);
	for (unsigned waited = 0; log_count("answer: connected") < count; waited += 200) {
		cr_assert_lt(waited, seconds * 1000, "not everybody is in");
		rig_pause(200);
	}
	sipp_start(&watchers, "subscribe", &load);
	sipp_end(&members);
	sipp_end(&watchers);
}

/* The last conference has ended. */
static void conferences_over(void)
{
	log_await("conference: ended", 1);
	for (unsigned waited = 0; waited < 30000; waited += 50) {
		long count = -1;
		char line[1200], *at;
		FILE *log = fopen(rig.focus.log, "r");

		cr_assert_not_null(log);
		while (fgets(line, sizeof(line), log) != NULL)
			if ((at = strstr(line, " conferences=")) != NULL)
				count = strtol(at + 13, NULL, 10);
		fclose(log);
		if (count == 0)
			return;
		rig_pause(50);
	}
	cr_assert_fail("conferences are left");
}
#endif
