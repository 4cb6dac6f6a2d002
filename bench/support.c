/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/support.h"
#include <dirent.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_OCTETS (256 * 1024)
#define EVENTS_MAX  512
#define SPIN_NS     10000
#define PATIENCE_NS 10000000000u

void bench_fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

bool bench_is_quick(void)
{
	const char *quick = getenv("PLENUM_BENCH_QUICK");

	return quick != NULL && quick[0] != '\0';
}

void bench_title(const char *name)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("bench_%s: compiler %s, build %s%s\n", name, __VERSION__, BENCH_BUILDTYPE,
		bench_is_quick() ? "; quick: a look, not a result" : "");
#ifndef __OPTIMIZE__
	printf("WARNING: not optimised; these figures mean nothing\n");
#endif
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_sleep_ms(unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		continue;
}

uint64_t bench_proc_number(pid_t pid, const char *file, const char *key)
{
	char path[300], line[256];
	unsigned long long value = 0;
	size_t len = strlen(key);
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	in = fopen(path, "r");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, key, len) == 0) {
			value = strtoull(line + len, NULL, 10);
			break;
		}
	if (in != NULL)
		fclose(in);
	return value;
}

struct bench_cpu bench_cpu_of(pid_t pid)
{
	struct bench_cpu cpu = { 0 };
	char path[64], file[300];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (tasks == NULL)
		bench_fail("process %d has gone", (int)pid);
	while ((entry = readdir(tasks)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "task/%s/schedstat", entry->d_name);
		cpu.ns += bench_proc_number(pid, file, "");
		snprintf(file, sizeof(file), "task/%s/status", entry->d_name);
		cpu.involuntary += bench_proc_number(pid, file, "nonvoluntary_ctxt_switches:");
	}
	closedir(tasks);
	return cpu;
}

void bench_pin(int cpu)
{
	cpu_set_t set;
	long i, cpus = sysconf(_SC_NPROCESSORS_ONLN);

	CPU_ZERO(&set);
	for (i = 0; i < cpus && i < CPU_SETSIZE; i++)
		if (cpu < 0 || i == cpu % cpus)
			CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		printf("note: not pinned to a CPU: %s\n", strerror(errno));
}

/* ---- series ---- */

int bench_by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

void bench_series_add(struct bench_series *series, double value)
{
	if (series->count == BENCH_ROUNDS_MAX)
		bench_fail("more than %d rounds", BENCH_ROUNDS_MAX);
	series->value[series->count++] = value;
}

double bench_quantile(struct bench_series *series, double q)
{
	qsort(series->value, series->count, sizeof(series->value[0]), bench_by_size);
	return series->value[(unsigned)(q * (series->count - 1) + 0.5)];
}

double bench_median(struct bench_series *series)
{
	return bench_quantile(series, 0.5);
}

/* ---- receivers ---- */

void receivers_init(struct receivers *set, unsigned room)
{
	*set = (struct receivers){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
	set->all = calloc(room, sizeof(*set->all));
	set->buffer = malloc(READ_OCTETS + CHUNK_HEAD_MAX);
	if (set->epoll < 0 || set->all == NULL || set->buffer == NULL)
		bench_fail("no memory for %u receivers", room);
}

void receivers_fini(struct receivers *set)
{
	unsigned i;

	for (i = 0; i < set->count; i++) {
		close(set->all[i].fd);
		free(set->all[i].rest);
	}
	close(set->epoll);
	free(set->all);
	free(set->buffer);
	memset(set, 0, sizeof(*set));
}

void receivers_resume(struct receivers *set, struct receiver *receiver)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = receiver };

	if (epoll_ctl(set->epoll, EPOLL_CTL_ADD, receiver->fd, &event) < 0)
		bench_fail("epoll: %s", strerror(errno));
}

void receivers_pause(struct receivers *set, struct receiver *receiver)
{
	epoll_ctl(set->epoll, EPOLL_CTL_DEL, receiver->fd, NULL);
}

struct receiver *receivers_add(struct receivers *set, int fd)
{
	struct receiver *receiver = &set->all[set->count++];

	*receiver = (struct receiver){ .fd = fd };
	chunk_in_init(&receiver->in);
	receivers_resume(set, receiver);
	return receiver;
}

/* What is here; returns the octets used. */
static size_t take(
	struct receivers *set, struct receiver *receiver, const uint8_t *octets, size_t len)
{
	size_t pos = 0, used;
	struct chunk chunk;

	for (;;) {
		enum chunk_event event = chunk_in_feed(
			&receiver->in, span_make(octets + pos, len - pos), &used, &chunk);

		pos += used;
		switch (event) {
		case CHUNK_MORE: return pos;
		case CHUNK_HEAD:
			if (chunk.method == METHOD_RESPONSE && chunk.status != 200)
				bench_fail("a message was answered %u", chunk.status);
			if (chunk.method != METHOD_RESPONSE && chunk.method != METHOD_SEND)
				bench_fail("not a SEND came");
			if (chunk.method == METHOD_RESPONSE)
				set->responses++;
			else
				set->chunks++;
			break;
		case CHUNK_BODY:
			if (receiver->body == 0 && set->began != NULL)
				set->began(set->arg, receiver);
			receiver->body += chunk.body.len;
			break;
		case CHUNK_END:
			if (receiver->in.method == METHOD_RESPONSE || chunk.flag == '+')
				break;
			if (chunk.flag != '$' ||
				(set->expected != 0 && receiver->body != set->expected))
				bench_fail("a message is not whole: %llu octets, flag %c",
					(unsigned long long)receiver->body, chunk.flag);
			receiver->body = 0;
			receiver->whole++;
			set->whole++;
			if (set->ended != NULL)
				set->ended(set->arg, receiver);
			break;
		case CHUNK_BAD:
			bench_fail("what came is not MSRP: %s", chunk_in_error(&receiver->in));
		}
	}
}

static void capture(struct receivers *set, const uint8_t *octets, size_t len)
{
	if (set->capture_len + len > set->capture_room)
		bench_fail("more was captured than there is room for");
	memcpy(set->capture + set->capture_len, octets, len);
	set->capture_len += len;
}

/* False: nothing was there. */
static bool receive(struct receivers *set, struct receiver *receiver)
{
	size_t len = receiver->rest_len, used;
	ssize_t n;

	n = recv(receiver->fd, set->buffer + len, READ_OCTETS, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		bench_fail("a connection was closed: %s", n == 0 ? "by the peer" : strerror(errno));
	if (receiver == set->captured)
		capture(set, set->buffer + len, (size_t)n);
	if (len > 0)
		memcpy(set->buffer, receiver->rest, len);
	set->octets += (uint64_t)n;
	set->reads++;
	len += (size_t)n;
	used = take(set, receiver, set->buffer, len);
	receiver->rest_len = len - used;
	if (receiver->rest_len > CHUNK_HEAD_MAX)
		bench_fail("a head without an end");
	if (receiver->rest_len > receiver->rest_room) {
		free(receiver->rest);
		receiver->rest = malloc(CHUNK_HEAD_MAX);
		receiver->rest_room = CHUNK_HEAD_MAX;
		if (receiver->rest == NULL)
			bench_fail("no memory");
	}
	if (receiver->rest_len > 0)
		memcpy(receiver->rest, set->buffer + used, receiver->rest_len);
	return true;
}

void receivers_poll(struct receivers *set, int wait_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int i, n = epoll_wait(set->epoll, events, EVENTS_MAX, wait_ms);

	for (i = 0; i < n; i++)
		receive(set, events[i].data.ptr);
}

static void spin(uint64_t ns)
{
	uint64_t until = bench_now_ns() + ns;

	while (bench_now_ns() < until)
		continue;
}

void receivers_until(struct receivers *set, uint64_t whole, uint64_t responses)
{
	uint64_t octets = set->octets, since = bench_now_ns();

	while (set->whole < whole || set->responses < responses) {
		receivers_poll(set, 0);
		spin(SPIN_NS);
		if (set->octets != octets) {
			octets = set->octets;
			since = bench_now_ns();
		} else if (bench_now_ns() - since > PATIENCE_NS) {
			bench_fail(
				"nothing comes any more: %llu of %llu messages, %llu of %llu responses",
				(unsigned long long)set->whole, (unsigned long long)whole,
				(unsigned long long)set->responses, (unsigned long long)responses);
		}
	}
	if (set->whole > whole || set->responses > responses)
		bench_fail("more came than was sent");
}

void receivers_write(struct receivers *set, int fd, const void *octets, size_t len)
{
	const uint8_t *at = octets;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			bench_fail("send: %s", strerror(errno));
		if (n < 0) {
			receivers_poll(set, 1);
			continue;
		}
		at += n;
		len -= (size_t)n;
	}
}

uint64_t receivers_segments(const struct receivers *set)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < set->count; i++) {
		struct tcp_info info = { 0 };
		socklen_t len = sizeof(info);

		getsockopt(set->all[i].fd, IPPROTO_TCP, TCP_INFO, &info, &len);
		sum += info.tcpi_data_segs_in;
	}
	return sum;
}
