/* SPDX-License-Identifier: BSD-3-Clause */
/* plenum-switch: reserves, listens, starts the workers, and then serves controllers until it is
 * told to stop.
 *
 * Threads:  the main lcore runs attach and hands controllers' rings to the workers by posts; one
 *           worker per further lcore.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "dataplane/attach.h"
#include "dataplane/msrp/target.h"
#include "dataplane/worker.h"
#include "include/daemon.h"
#include "include/log.h"

#define RING_OCTETS   (1u << 20)
#define LISTENERS_MAX 16
#define DRAIN_REST_MS 5000 /* for what drain.h does beside waiting, and then some */
#define EAL_MEMORY_MB "64" /* EAL's own; the workers' memory is one mapping of its own (pool.h) */

struct handover {
	struct attachment_change change[BORDER_WORKERS_MAX];
	unsigned waiting;
	bool ready; /* at the end: attach_ready, else attach_released */
};

struct switch_main {
	struct switch_shared shared;
	struct worker *workers;
	int worker_wake[BORDER_WORKERS_MAX], border_wake[BORDER_WORKERS_MAX];
	struct attach *attach;
	struct post_queue posts; /* the main thread's */
	int wake;
	struct handover slots[BORDER_CONTROLLERS_MAX];
	unsigned drained;                     /* workers that have come to their end */
	uint16_t listen_ports[LISTENERS_MAX]; /* as the first worker was given them */
};

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void random_fill(void *octets, size_t size)
{
	while (getrandom(octets, size, 0) != (ssize_t)size)
		;
}

/* ---- controllers ---- */

static void hand_over(struct switch_main *m, unsigned slot, const struct attachment_end *ends)
{
	struct handover *h = &m->slots[slot];
	unsigned w;

	h->ready = ends != NULL;
	h->waiting = m->shared.workers;
	for (w = 0; w < m->shared.workers; w++) {
		struct attachment_change *change = &h->change[w];

		change->slot = (uint8_t)slot;
		change->attached = ends != NULL;
		change->reply = &m->posts;
		if (ends != NULL)
			change->end = ends[w];
		else
			memset(&change->end, 0, sizeof(change->end));
		post_send(&m->workers[w].posts, &change->post, POST_ATTACHMENT);
	}
}

static void on_attached(void *arg, unsigned slot, const struct attachment_end *ends)
{
	hand_over(arg, slot, ends);
}

static void on_detached(void *arg, unsigned slot)
{
	hand_over(arg, slot, NULL);
}

static bool on_in_use(void *arg, unsigned slot)
{
	struct switch_main *m = arg;
	unsigned w;

	for (w = 0; w < m->shared.workers; w++)
		if (mailbox_holds(&m->workers[w], slot))
			return true;
	return false;
}

static void take_replies(struct switch_main *m)
{
	struct post *post;
	uint64_t drained;

	while (read(m->wake, &drained, sizeof(drained)) > 0)
		;
	while ((post = post_take(&m->posts)) != NULL) {
		if (post->kind == POST_DRAINED) {
			m->drained++;
			continue;
		}
		struct attachment_change *change =
			(void *)((char *)post - offsetof(struct attachment_change, post));
		struct handover *h = &m->slots[change->slot];

		if (--h->waiting > 0)
			continue;
		if (h->ready)
			attach_ready(m->attach, change->slot);
		else
			attach_released(m->attach, change->slot);
	}
}

/* ---- start ---- */

static int start_eal(const struct config *config)
{
	static char lcores[1024];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const char *argv[] = { "plenum-switch", "--no-huge", "-m", EAL_MEMORY_MB, "--no-pci",
		"--no-shconf", "--no-telemetry", "--iova-mode=va", "--log-level=lib.eal:error",
		"--lcores", lcores, NULL };
	int n, argc = (int)(sizeof(argv) / sizeof(argv[0])) - 1;

	/* Lcore 0 is the main thread. Workers float over all CPUs unless switch.cores names
	 * some. */
	if (config->switch_cores[0] != '\0')
		n = snprintf(lcores, sizeof(lcores), "0@(0-%ld),(1-%llu)@(%s)", cpus - 1,
			(unsigned long long)config->switch_workers, config->switch_cores);
	else
		n = snprintf(lcores, sizeof(lcores), "0@(0-%ld),(1-%llu)@(0-%ld)", cpus - 1,
			(unsigned long long)config->switch_workers, cpus - 1);
	if (n < 0 || (size_t)n >= sizeof(lcores))
		return -EINVAL;
	return rte_eal_init(argc, (char **)(uintptr_t)argv) < 0 ? -rte_errno : 0;
}

static int worker_main(void *arg)
{
	struct worker *worker = arg;
	bool sleep = !worker->shared->busy_poll;

	while (!worker->stop)
		worker_step(worker, sleep);
	atomic_store_explicit(&worker->stopped, true, memory_order_release);
	return 0;
}

/* What peers are told: the first listener's address, unless msrp.advertise says another; and to
 * those of one address family the first listener of that family. */
static void announce(struct switch_shared *shared, const struct listen_address *address)
{
	bool v6 = strchr(address->host, ':') != NULL;
	char *own = v6 ? shared->authority_ip6 : shared->authority_ip4, text[280];
	struct in6_addr any;

	snprintf(text, sizeof(text), v6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
	if (shared->authority[0] == '\0')
		memcpy(shared->authority, text, sizeof(text));
	/* Nobody connects to a wildcard: msrp.advertise is what they get then. */
	if (own[0] == '\0' && strcmp(address->host, "0.0.0.0") != 0 &&
		!(inet_pton(AF_INET6, address->host, &any) == 1 && IN6_IS_ADDR_UNSPECIFIED(&any)))
		memcpy(own, text, sizeof(text));
}

static int start_worker(struct switch_main *m, const struct config *config, uint16_t index)
{
	struct worker *worker = &m->workers[index];
	struct tcp_kernel_settings settings = {
		.keepalive_s = (unsigned)((config->msrp_keepalive_ms + 999) / 1000)
	};
	int fds[LISTENERS_MAX], result;
	unsigned i;

	m->worker_wake[index] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	m->border_wake[index] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->worker_wake[index] < 0 || m->border_wake[index] < 0)
		return -errno;
	result = worker_init(worker, &m->shared, index);
	if (result != 0)
		return result;
	m->shared.worker[index] = worker;
	post_queue_init(&worker->posts, m->worker_wake[index]);
	for (i = 0; i < config->msrp_listen.count && i < LISTENERS_MAX; i++) {
		struct listen_address address;

		result = listen_address_parse(config->msrp_listen.items[i], &address);
		if (result == 0 && index > 0 && address.port == 0)
			address.port = m->listen_ports[i];
		if (result == 0)
			result = tcp_kernel_listen(address.host, &address.port, &fds[i]);
		if (result != 0) {
			log_error("switch", "cannot listen on %s: %s", config->msrp_listen.items[i],
				strerror(-result));
			return result;
		}
		if (index > 0)
			continue;
		m->listen_ports[i] = address.port;
		announce(&m->shared, &address);
		if (i == 0)
			log_info("switch", "MSRP is received at port %u, announced as %s",
				address.port, m->shared.authority);
	}
	settings.listeners = fds;
	settings.listener_count = i;
	settings.wake_fds[0] = m->worker_wake[index];
	settings.wake_fds[1] = m->border_wake[index];
	settings.max_connections = worker->transport_records;
	settings.memory = worker->transport_memory;
	return tcp_kernel_new(&worker->tcp, &settings, &connection_tcp_ops, worker);
}

static void shared_fill(struct switch_shared *shared, const struct config *config)
{
	random_fill(&shared->instance, sizeof(shared->instance));
	shared->workers = (uint16_t)config->switch_workers;
	shared->max_legs = (uint32_t)(config->switch_max_legs);
	shared->max_rooms = (uint32_t)config->switch_max_rooms;
	shared->memory = config->switch_memory_mb * (1u << 20) / config->switch_workers;
	shared->memory_touch = config->switch_memory_touch;
	shared->transport_octets = tcp_kernel_octets();
	shared->max_message = config->msrp_max_message;
	shared->leg_queue_messages = (uint32_t)config->msrp_leg_queue_messages;
	shared->open_messages = (uint32_t)config->msrp_open_messages;
	shared->leg_queue_octets = config->msrp_leg_queue;
	shared->least_rate = config->msrp_least_rate;
	shared->rates[RATE_MESSAGES] = config->msrp_rate_messages;
	shared->rates[RATE_OCTETS] = config->msrp_rate_octets;
	shared->rates[RATE_EGRESS] = config->msrp_egress_octets;
	shared->connection_bind_ms =
		config->msrp_bind_ms > 0 ? config->msrp_bind_ms : UINT64_MAX / 2;
	shared->chunk_reception_ms = config->msrp_chunk_reception_ms;
	shared->congestion_kill_ms = config->msrp_congestion_kill_ms;
	shared->drain_ms = config->msrp_drain_ms;
	shared->count_wait_ms = config->msrp_count_wait_ms;
	shared->count_cap_ms = config->msrp_count_cap_ms;
	shared->transaction_ms = config->msrp_transaction_ms;
	shared->count_delivered = strcmp(config->msrp_count_basis, "delivered") == 0;
	shared->busy_poll = strcmp(config->switch_poll, "busy") == 0;
	shared->random_fill = random_fill;
	shared->clock_ms = clock_ms;
	if (config->msrp_advertise[0] != '\0') {
		struct msrp_target target;

		snprintf(
			shared->authority, sizeof(shared->authority), "%s", config->msrp_advertise);
		/* A name is for everybody, an address for peers of its family. */
		if (msrp_target_parse(span_of(shared->authority), &target) != 0 || !target.ipv6)
			memcpy(shared->authority_ip4, shared->authority, sizeof(shared->authority));
		if (msrp_target_parse(span_of(shared->authority), &target) != 0 || target.ipv6)
			memcpy(shared->authority_ip6, shared->authority, sizeof(shared->authority));
	}
}

/* Said before anything is reserved: what the configuration asks for cannot be had. */
static int check_memory(const struct config *config, FILE *errors)
{
	struct switch_shared shared = { 0 };
	struct memory plan;
	char text[300];

	shared_fill(&shared, config);
	if (memory_make(&plan, &shared))
		return 0;
	memory_refusal(&shared, text, sizeof(text));
	fprintf(errors, "plenum-switch: %s\n", text);
	return -ENOMEM;
}

static bool machine_has(const struct config *config)
{
	uint64_t mb = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;

	if (config->switch_memory_mb <= mb)
		return true;
	log_error("switch", "switch.memory_mb is %llu: this machine has %llu in all; lower it",
		(unsigned long long)config->switch_memory_mb, (unsigned long long)mb);
	return false;
}

static void print_memory(const struct config *config, FILE *out)
{
	struct switch_shared shared = { 0 };

	shared_fill(&shared, config);
	memory_print(&shared, out);
}

/* Said before anything is reserved: which address is taken. */
static int probe(const struct config *config)
{
	struct listen_address address;
	unsigned i;
	int result = 0;

	for (i = 0; i < config->msrp_listen.count && result == 0; i++) {
		result = listen_address_parse(config->msrp_listen.items[i], &address);
		if (result == 0 && address.port != 0)
			result = tcp_kernel_probe(address.host, address.port);
		if (result != 0)
			log_error("switch", "cannot listen on %s: %s", config->msrp_listen.items[i],
				strerror(-result));
	}
	return result;
}

/* What was accepted is delivered and answered; controllers hear of it by EVENT_DRAINING. */
static void drain(struct switch_main *m)
{
	static struct post posts[BORDER_WORKERS_MAX];
	unsigned w;

	log_info("switch", "drains, for %llu ms at most; a second signal ends it at once",
		(unsigned long long)m->shared.drain_ms);
	for (w = 0; w < m->shared.workers; w++)
		post_send(&m->workers[w].posts, &posts[w], POST_DRAIN);
}

/* Until it has been told to stop and what was under way is done, or has been told twice. */
static void serve(struct switch_main *m, int signals)
{
	struct signalfd_siginfo info;
	uint64_t until = 0;
	struct pollfd fds[2 + ATTACH_FDS_MAX];
	int attach_fds[ATTACH_FDS_MAX];
	unsigned i, n;

	for (;;) {
		fds[0] = (struct pollfd){ signals, POLLIN, 0 };
		fds[1] = (struct pollfd){ m->wake, POLLIN, 0 };
		n = attach_wait_on(m->attach, attach_fds, ATTACH_FDS_MAX);
		for (i = 0; i < n; i++)
			fds[2 + i] = (struct pollfd){ attach_fds[i], POLLIN, 0 };
		take_replies(m); /* also: what came before the mark below is seen here */
		poll(fds, 2 + n, post_may_sleep(&m->posts) ? 1000 : 0);
		post_awake(&m->posts);
		while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
			if (until > 0)
				return;
			until = clock_ms() + m->shared.drain_ms + DRAIN_REST_MS;
			drain(m);
		}
		take_replies(m);
		if (until > 0 && (m->drained == m->shared.workers || clock_ms() >= until))
			return;
		attach_poll(m->attach, clock_ms());
	}
}

static void stop_workers(struct switch_main *m, unsigned started)
{
	static struct post stops[BORDER_WORKERS_MAX];
	unsigned w;

	for (w = 0; w < started; w++)
		post_send(&m->workers[w].posts, &stops[w], POST_STOP);
	rte_eal_mp_wait_lcore();
	/* What a worker wrote last is seen from here on. */
	for (w = 0; w < started; w++)
		while (!atomic_load_explicit(&m->workers[w].stopped, memory_order_acquire))
			;
}

/* What was counted, of all workers, said once at the end. */
static void say_counters(const struct switch_main *m)
{
	struct counters sum = { 0 };
	char line[4096];
	size_t len = 0;
	unsigned w;

	line[0] = '\0';
	for (w = 0; w < m->shared.workers; w++) {
#define COUNTER(name, unit, what) sum.name += m->workers[w].counters.name;
#include "dataplane/counters.def"
	}
#define COUNTER(name, unit, what)                                                                  \
	if (sum.name > 0 && len < sizeof(line))                                                    \
		len += (size_t)snprintf(line + len, sizeof(line) - len, " " #name "=%llu",         \
			(unsigned long long)sum.name);
#include "dataplane/counters.def"
	log_info("switch", "counted%s", line);
}

/* What the pools still held then, for the tests that look for what is never given back. What is
 * zero is left out. */
static void say_held(const struct switch_main *m)
{
	char line[1024];
	size_t len = 0;
	uint64_t held;
	unsigned w;

	line[0] = '\0';
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	for (held = 0, w = 0; w < m->shared.workers; w++)                                          \
		held += m->workers[w].member.count - m->workers[w].member.free_count;              \
	if (held > 0 && len < sizeof(line))                                                        \
		len += (size_t)snprintf(line + len, sizeof(line) - len, " " #name "=%llu",         \
			(unsigned long long)held);
#include "dataplane/pools.def"
	log_info("switch", "held%s", line);
}

static int run(const struct config *config)
{
	static const struct attach_ops ops = { on_attached, on_detached, on_in_use };
	struct switch_main *m = calloc(1, sizeof(*m));
	unsigned w, made = 0, launched = 0;
	int status = DAEMON_FAILED, result, signals;
	unsigned lcore;
	sigset_t set;

	/* Before EAL makes threads, so that all of them inherit it. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m == NULL || signals < 0)
		goto out;
	if (config->switch_ports.count > 0) {
		log_error("switch",
			"switch.ports names DPDK ports, which this version does not drive: leave it empty");
		goto out;
	}
	if (check_memory(config, stderr) != 0) {
		status = DAEMON_CONFIGURATION;
		goto out;
	}
	if (!machine_has(config) || probe(config) != 0)
		goto out;
	shared_fill(&m->shared, config);
	result = start_eal(config);
	if (result != 0) {
		log_error("switch", "EAL does not start: %s", strerror(-result));
		goto out;
	}
	if (posix_memalign((void **)&m->workers, 64, m->shared.workers * sizeof(*m->workers)) != 0)
		goto out;
	memset(m->workers, 0, m->shared.workers * sizeof(*m->workers));
	m->shared.drained_to = &m->posts;
	m->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	post_queue_init(&m->posts, m->wake);
	for (w = 0; w < m->shared.workers; w++) {
		made++;
		if (start_worker(m, config, (uint16_t)w) != 0)
			goto out;
	}
	result = attach_new(&m->attach, config->switch_socket, m->shared.instance,
		m->shared.workers, RING_OCTETS, m->border_wake, &ops, m);
	if (result != 0) {
		log_error("switch", "cannot serve controllers at %s: %s", config->switch_socket,
			result == -EEXIST ? "another switch does" : strerror(-result));
		goto out;
	}
	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		if (launched == m->shared.workers)
			break;
		if (rte_eal_remote_launch(worker_main, &m->workers[launched], lcore) != 0)
			goto out;
		launched++;
	}
	log_info("switch", "started workers=%u legs=%u memory_mb=%llu", m->shared.workers,
		m->shared.max_legs, (unsigned long long)config->switch_memory_mb);
	daemon_ready();
	serve(m, signals);
	log_info("switch", "stops");
	status = DAEMON_STOPPED;
out:
	if (launched > 0)
		stop_workers(m, launched);
	if (status == DAEMON_STOPPED) {
		say_counters(m);
		say_held(m);
	}
	if (m != NULL && m->attach != NULL)
		attach_free(m->attach);
	for (w = 0; w < made; w++)
		worker_fini(&m->workers[w]);
	if (made > 0)
		rte_eal_cleanup();
	if (m != NULL)
		free(m->workers);
	free(m);
	return status;
}

int main(int argc, char **argv)
{
	struct config config;
	int status = daemon_options(argc, argv, "plenum-switch", "the MSRP switch", check_memory,
		print_memory, &config);

	if (status >= 0)
		return status;
	status = run(&config);
	config_free(&config);
	return status;
}
