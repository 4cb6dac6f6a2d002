/* SPDX-License-Identifier: BSD-3-Clause */
/* Start, end, and what is said when something is missing. (tools/plenum up:
 * tests/unit/tools/test_plenum_up.sh) */
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

static const struct rig_options not_started = { .no_start = true, .conference = ALONE };

static char *log_of(const struct rig_daemon *daemon)
{
	static char text[8192];
	int fd = open(daemon->log, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static unsigned lines_in(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

Test(operations, a_focus_without_a_switch_says_so_and_waits_for_it)
{
	sip_rig_start(&rig, &not_started);
	rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
	cr_assert(rig_log_has(&rig.focus, "switch.sock", RIG_WAIT_MS), "it does not say so");
	cr_assert_not(rig_daemon_ready(&rig.focus, 300), "ready without a switch");
	/* SIP is answered all the same. */
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, false);
	cr_assert(sip_focus_lives(&alice));
	cr_assert_eq(alone(&call, &alice, ""), 503);
	cr_assert_gt(atoi(sip_header(&alice.message, "Retry-After")), 0);
	rig_daemon_start(&rig.the_switch, &rig, "PLENUM_SWITCH");
	cr_assert(rig_daemon_ready(&rig.the_switch, RIG_WAIT_MS));
	cr_assert(rig_daemon_ready(&rig.focus, RIG_WAIT_MS), "not attached when the switch came");
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	call_bye(&call);
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

Test(operations, a_switch_that_comes_back_is_attached_again)
{
	const struct rig_options options = { .conference = ALONE };

	open_all(&options);
	kill(rig.the_switch.pid, SIGKILL);
	cr_assert_eq(rig_daemon_ended(&rig.the_switch, RIG_WAIT_MS), -2);
	cr_assert(rig_log_has(&rig.focus, "switch lost", RIG_WAIT_MS));
	cr_assert_eq(alone(&call, &alice, ""), 503);
	cr_assert_gt(atoi(sip_header(&alice.message, "Retry-After")), 0);
	rig_daemon_start(&rig.the_switch, &rig, "PLENUM_SWITCH");
	cr_assert(rig_daemon_ready(&rig.the_switch, RIG_WAIT_MS));
	for (unsigned tries = 0; alone(&call, &alice, "") != 200; tries++) {
		cr_assert_lt(tries, 50, "not attached again");
		rig_pause(100);
	}
	call_ack(&call);
	call_bye(&call);
	close_all();
}

static void configure(const char *text)
{
	FILE *file = fopen(rig.config, "w");

	fputs(text, file);
	fclose(file);
}

Test(operations, a_wrong_configuration_is_one_line_and_status_2)
{
	static const struct {
		const char *text, *where;
	} wrong[] = {
		{ "sip:\n  listen: [\"udp:127.0.0.1:99999\"]\n", ":2:" },
		{ "conference:\n  max_adhoc_size: many\n", ":2:" },
		{ "conference:\n  max_adhoc_sise: 3\n", ":2:" },
		{ "\n\nnonsense:\n  a: b\n", ":3:" },
		{ "sip:\n  - [\n", ":" },
	};
	static const char *const daemons[] = { "PLENUM_FOCUS", "PLENUM_SWITCH" };
	char place[200];

	sip_rig_start(&rig, &not_started);
	for (unsigned i = 0; i < 2 * sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rig_daemon *daemon = i % 2 ? &rig.the_switch : &rig.focus;

		configure(wrong[i / 2].text);
		rig_daemon_start(daemon, &rig, daemons[i % 2]);
		cr_assert_eq(rig_daemon_ended(daemon, RIG_WAIT_MS), 2, "%s", wrong[i / 2].text);
		cr_assert_eq(lines_in(log_of(daemon)), 1, "%s", log_of(daemon));
		snprintf(place, sizeof(place), "%s%s", rig.config, wrong[i / 2].where);
		HAS(log_of(daemon), place);
	}
	sip_rig_stop(&rig);
}

Test(operations, a_port_in_use_is_named_and_status_1)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const int types[] = { SOCK_DGRAM, SOCK_STREAM };
	char port[40];
	int fd;

	for (unsigned i = 0; i < 2; i++) {
		sip_rig_start(&rig, &not_started);
		fd = socket(AF_INET, types[i], 0);
		at.sin_port = htons(rig.sip_port);
		cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		if (types[i] == SOCK_STREAM)
			listen(fd, 1);
		rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
		cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 1);
		snprintf(port, sizeof(port), "%s:127.0.0.1:%u", i ? "tcp" : "udp", rig.sip_port);
		HAS(log_of(&rig.focus), port);
		HAS(log_of(&rig.focus), "in use");
		close(fd);
		sip_rig_stop(&rig);
	}
	sip_rig_start(&rig, &not_started);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	at.sin_port = htons(rig.msrp_port);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	listen(fd, 1);
	rig_daemon_start(&rig.the_switch, &rig, "PLENUM_SWITCH");
	cr_assert_eq(rig_daemon_ended(&rig.the_switch, RIG_WAIT_MS), 1);
	snprintf(port, sizeof(port), "127.0.0.1:%u", rig.msrp_port);
	HAS(log_of(&rig.the_switch), port);
	close(fd);
	sip_rig_stop(&rig);
}

/* With SIGINT as with SIGTERM, before it was ready as after. */
Test(operations, signals_end_both_with_status_0)
{
	static const int signals[] = { SIGTERM, SIGINT };

	for (unsigned i = 0; i < 2; i++) {
		sip_rig_start(&rig, NULL);
		kill(rig.focus.pid, signals[i]);
		cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
		kill(rig.the_switch.pid, signals[i]);
		cr_assert_eq(rig_daemon_ended(&rig.the_switch, RIG_WAIT_MS), 0);
		sip_rig_stop(&rig);
	}
	sip_rig_start(&rig, &not_started);
	rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
	cr_assert(rig_log_has(&rig.focus, "switch.sock", RIG_WAIT_MS));
	kill(rig.focus.pid, SIGTERM);
	cr_assert_eq(rig_daemon_ended(&rig.focus, RIG_WAIT_MS), 0);
	sip_rig_stop(&rig);
}
