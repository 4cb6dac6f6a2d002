/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/daemons.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/support.h"

uint16_t bench_free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		bench_fail("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(at.sin_port);
}

void daemons_prepare(struct daemons *d)
{
	*d = (struct daemons){ .directory = "/tmp/plenum-bench-XXXXXX" };
	if (mkdtemp(d->directory) == NULL)
		bench_fail("mkdtemp: %s", strerror(errno));
	d->sip_port = bench_free_port();
	d->msrp_port = bench_free_port();
}

FILE *daemons_file(const struct daemons *d, const char *name)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", d->directory, name);
	file = fopen(path, "w");
	if (file == NULL)
		bench_fail("%s: %s", path, strerror(errno));
	return file;
}

void daemons_configure(
	const struct daemons *d, const char *msrp, const char *conference, const char *bridge)
{
	FILE *file = daemons_file(d, "plenum.yaml");

	fprintf(file,
		"sip:\n  listen: [\"udp:127.0.0.1:%u\", \"tcp:127.0.0.1:%u\"]\n"
		"  trusted: [\"127.0.0.0/8\"]\n"
		"msrp:\n  listen: [\"tcp:127.0.0.1:%u\"]\n%s"
		"conference:\n%sswitch:\n  socket: switch.sock\n%s",
		d->sip_port, d->sip_port, d->msrp_port, msrp, conference, bridge);
	fclose(file);
}

/* Starts a daemon and waits for its "ready". */
static pid_t start(const struct daemons *d, const char *variable)
{
	const char *program = getenv(variable);
	char line[64] = "", config[128], log[128];
	size_t n = 0;
	int out[2];
	pid_t pid;

	if (program == NULL || pipe(out) < 0)
		bench_fail("%s does not name the program", variable);
	snprintf(config, sizeof(config), "%s/plenum.yaml", d->directory);
	snprintf(log, sizeof(log), "%s/%s.log", d->directory, variable);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* a failed benchmark leaves nobody behind */
		dup2(out[1], 1);
		dup2(open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
		close(out[0]);
		close(out[1]);
		execl(program, program, "-c", config, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	while (n < sizeof(line) - 1 && strchr(line, '\n') == NULL) {
		ssize_t got = read(out[0], line + n, sizeof(line) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(out[0]);
	if (pid < 0 || strncmp(line, "ready\n", 6) != 0)
		bench_fail("%s is not ready; its log: %s", program, log);
	return pid;
}

void daemons_start(struct daemons *d)
{
	d->bridge = start(d, "PLENUM_SWITCH");
	d->focus = start(d, "PLENUM_FOCUS");
}

void daemons_focus_kill(struct daemons *d)
{
	int status = 0;

	kill(d->focus, SIGKILL);
	if (waitpid(d->focus, &status, 0) != d->focus || !WIFSIGNALED(status))
		bench_fail("the focus was dead already, with status %#x", (unsigned)status);
	d->focus = 0;
}

void daemons_focus_start(struct daemons *d)
{
	d->focus = start(d, "PLENUM_FOCUS");
}

static void stop(pid_t *pid, const char *name)
{
	int status = 0;

	kill(*pid, SIGTERM);
	if (waitpid(*pid, &status, 0) != *pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bench_fail("the %s ended with status %#x", name, (unsigned)status);
	*pid = 0;
}

void daemons_stop(struct daemons *d)
{
	stop(&d->focus, "focus");
	stop(&d->bridge, "switch");
}

void daemons_remove(const struct daemons *d)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", d->directory);
	if (system(command) != 0)
		bench_fail("%s cannot be removed", d->directory);
}
