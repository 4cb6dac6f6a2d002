/* SPDX-License-Identifier: BSD-3-Clause */
/* plenum-focus: the control plane. Starts SIP, finds the switch, says "ready", runs until SIGTERM
 * or SIGINT, then says BYE to everybody and waits a little for the answers. */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "control/focus.h"
#include "include/daemon.h"
#include "include/log.h"

#define STEP_MS 1000
#define STOP_MS 2000 /* the deadline of the BYEs at the end */

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool signalled(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* What the configuration refers to: the group documents. */
static int documents_check(const struct config *config, FILE *errors)
{
	return groups_check(config->conference_groups, errors);
}

static void run(struct focus *focus, int signals)
{
	bool ready = false;
	uint64_t until_ms;

	while (!signalled(signals)) {
		focus_step(focus, signals, STEP_MS);
		if (!ready && media_is_up(focus->media)) {
			ready = true;
			daemon_ready();
		}
	}
	log_info("main", "stopping conferences=%u", focus->conferences.count);
	focus_stop(focus);
	until_ms = ua_now_ms() + STOP_MS;
	while (!focus_is_idle(focus) && ua_now_ms() < until_ms)
		focus_step(focus, -1, 100);
	log_info("main", "stopped dialogs_left=%u notifies=%llu events_out_of_place=%llu",
		ua_dialogs(focus->ua), (unsigned long long)focus->notifiers.sent,
		(unsigned long long)focus->impossible);
}

int main(int argc, char **argv)
{
	struct config config;
	struct focus *focus = NULL;
	int signals, r;
	int status = daemon_options(argc, argv, "plenum-focus", "the focus of conferences",
		documents_check, NULL, &config);

	if (status >= 0)
		return status;
	signals = signals_open();
	if (signals < 0) {
		log_error("main", "no signal descriptor");
		config_free(&config);
		return DAEMON_FAILED;
	}
	r = focus_new(&focus, &config);
	if (r == 0) {
		run(focus, signals);
		status = DAEMON_STOPPED;
	} else {
		status = r == -EINVAL ? DAEMON_CONFIGURATION : DAEMON_FAILED;
	}
	focus_free(focus);
	close(signals);
	config_free(&config);
	return status;
}
