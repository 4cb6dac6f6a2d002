/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/scenario/foreign/kamailio.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/switch_rig.h"

#define PROGRAM "/usr/sbin/kamailio"
#define LOOK_MS 10 /* between two looks at what has no descriptor to wait for */

void kamailio_needed(void)
{
	if (access(PROGRAM, X_OK) != 0)
		cr_skip_test("kamailio is not installed");
}

static bool answers(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;

	close(fd);
	return yes;
}

static void config_write(const struct kamailio *k, const char *frames)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/kamailio.cfg", k->directory);
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	fprintf(file,
		"#!KAMAILIO\n"
		"debug=2\nlog_stderror=yes\nfork=yes\nchildren=1\ntcp_children=2\n"
		"disable_tcp=no\nauto_aliases=no\ndns=no\nrev_dns=no\ntcp_accept_no_cl=yes\n"
		"tcp_rd_buf_size=%d\nlisten=tcp:127.0.0.1:%u\n"
		"loadmodule \"pv.so\"\nloadmodule \"xlog.so\"\nloadmodule \"htable.so\"\n"
		"loadmodule \"cfgutils.so\"\nloadmodule \"msrp.so\"\n"
		"modparam(\"htable\", \"htable\", \"inside=>size=6;\")\n"
		"modparam(\"htable\", \"htable\", \"outside=>size=6;\")\n"
		"modparam(\"msrp\", \"cmap_size\", 6)\n"
		"request_route { drop; }\n"
		"event_route[msrp:frame-in] {\n%s}\n",
		KAMAILIO_READ_MAX, k->port, frames);
	fclose(file);
}

static void log_show(const struct kamailio *k)
{
	char command[200];

	snprintf(command, sizeof(command), "tail -n 20 %s/log >&2", k->directory);
	if (system(command) != 0)
		fprintf(stderr, "no log in %s\n", k->directory);
}

void kamailio_start(struct kamailio *k, uint16_t port, const char *frames)
{
	char config[100], log[100], pid[100];
	int listener, waited;

	memset(k, 0, sizeof(*k));
	if (port == 0) {
		listener = peer_listen(&port, 1);
		close(listener);
	}
	k->port = port;
	snprintf(k->directory, sizeof(k->directory), "/tmp/plenum-kamailio-XXXXXX");
	cr_assert_not_null(mkdtemp(k->directory));
	config_write(k, frames);
	snprintf(config, sizeof(config), "%s/kamailio.cfg", k->directory);
	snprintf(log, sizeof(log), "%s/log", k->directory);
	snprintf(pid, sizeof(pid), "%s/pid", k->directory);
	/* Its children become ours when their parent is killed, and are waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	k->pid = fork();
	if (k->pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

		/* Its own group, so that all of it can be ended at once; and a test that fails does
		 * not leave it behind (its main process ends the others). */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fd, 1);
		dup2(fd, 2);
		execl(PROGRAM, PROGRAM, "-f", config, "-DD", "-E", "-m", "16", "-M", "4", "-Y",
			k->directory, "-P", pid, (char *)NULL);
		_exit(127);
	}
	setpgid(k->pid, k->pid);
	for (waited = 0; !answers(k->port); waited += LOOK_MS) {
		if (waited > RIG_WAIT_MS || waitpid(k->pid, NULL, WNOHANG) != 0) {
			log_show(k);
			cr_assert_fail("kamailio does not start");
		}
		usleep(LOOK_MS * 1000);
	}
}

void kamailio_kill(struct kamailio *k)
{
	kill(-k->pid, SIGKILL);
	while (waitpid(-k->pid, NULL, 0) > 0)
		; /* its main process and those that are ours now */
	k->pid = 0;
}

void kamailio_stop(struct kamailio *k)
{
	char command[100];
	int waited;

	if (k->pid != 0) {
		kill(k->pid, SIGTERM);
		for (waited = 0; waitpid(k->pid, NULL, WNOHANG) == 0; waited += LOOK_MS) {
			if (waited > RIG_WAIT_MS) {
				kamailio_kill(k);
				break;
			}
			usleep(LOOK_MS * 1000);
		}
		k->pid = 0;
	}
	snprintf(command, sizeof(command), "rm -r %s", k->directory);
	cr_expect_eq(system(command), 0);
}

unsigned kamailio_said(const struct kamailio *k, const char *text)
{
	char path[100], line[4096];
	unsigned count = 0;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", k->directory);
	log = fopen(path, "r");
	while (log != NULL && fgets(line, sizeof(line), log) != NULL)
		count += strstr(line, text) != NULL;
	if (log != NULL)
		fclose(log);
	return count;
}

bool kamailio_says(const struct kamailio *k, const char *text)
{
	int waited;

	for (waited = 0; kamailio_said(k, text) == 0; waited += LOOK_MS) {
		if (waited > RIG_WAIT_MS) {
			log_show(k);
			return false;
		}
		usleep(LOOK_MS * 1000);
	}
	return true;
}
