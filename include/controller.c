/* SPDX-License-Identifier: BSD-3-Clause */
/* controller: see controller.h. What comes from the switch is checked as well: its welcome, the
 * memory it hands over, and every record, because a controller must be able to report a broken
 * switch instead of dying of it. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "include/border.h"
#include "include/controller.h"
#include "include/ring.h"

#define FDS_MAX    (2 + BORDER_WORKERS_MAX) /* memfd, our wake descriptor, one per worker */
#define POLL_BATCH 32                       /* records of one worker before the next has its turn */

_Static_assert(sizeof(struct switch_cmd) + SWITCH_TEXT_MAX <= RING_RECORD_MAX, "fits a record");
_Static_assert(sizeof(struct switch_event) + SWITCH_TEXT_MAX <= RING_RECORD_MAX, "fits a record");

struct controller {
	int socket;
	int wake; /* readable: the switch woke us */
	int worker_wake[BORDER_WORKERS_MAX];
	struct border_welcome welcome;
	struct border_page *page; /* the start of the mapping */
	uint32_t next;            /* worker whose turn it is */
	bool marked;              /* controller_may_sleep left its marks */
	bool broken;
	uint64_t bad_records;
	struct ring commands[BORDER_WORKERS_MAX];
	struct ring events[BORDER_WORKERS_MAX];
	_Alignas(64) uint8_t record[RING_RECORD_MAX];
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= BORDER_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

static int connect_to(const char *path, int *out)
{
	struct sockaddr_un address;
	int dir, fd, r;

	r = border_address(path, &address, &dir);
	if (r < 0)
		return r;
	/* Non-blocking: a full backlog is a switch that does not answer. */
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		r = -ENOBUFS;
	} else if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
	} else {
		*out = fd;
	}
	if (dir >= 0)
		close(dir);
	return r;
}

/* Tries until the deadline while the switch's backlog is full. */
static int connect_until(const char *path, int64_t deadline_ms, int *out)
{
	for (;;) {
		int r = connect_to(path, out);

		switch (r) {
		case -EAGAIN: break;
		case -EACCES: return -EPERM;
		case -EPROTOTYPE: /* a Unix socket of another kind */
		case -ENOTSOCK: return -ECONNREFUSED;
		case -ENOTDIR: return -ENOENT;
		default: return r;
		}
		if (now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* Receives the welcome and its descriptors; *count says how many came, the caller closes them. */
static int welcome_receive(int fd, struct border_welcome *welcome, int *fds, unsigned *count)
{
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { welcome, sizeof(*welcome) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.octets,
		.msg_controllen = sizeof(control.octets) };
	ssize_t got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*count = 0;
	if (got < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h != NULL; h = CMSG_NXTHDR(&msg, h)) {
		size_t octets = h->cmsg_len - CMSG_LEN(0);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + *count, CMSG_DATA(h), octets);
		*count += (unsigned)(octets / sizeof(int));
	}
	if (got == 0)
		return -ECONNREFUSED; /* closed without a word */
	if ((size_t)got != sizeof(*welcome) || welcome->magic != BORDER_MAGIC)
		return -EPROTO;
	return (msg.msg_flags & MSG_CTRUNC) ? -ENOBUFS : 0; /* we ran out of descriptors */
}

static int welcome_wait(
	int fd, int64_t deadline_ms, struct border_welcome *welcome, int *fds, unsigned *count)
{
	bool reset = false;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline_ms - now_ms();
		int r = welcome_receive(fd, welcome, fds, count);

		/* A socket closed by the switch with our hello unread reports that first; its
		 * answer lies behind. */
		if (r == -ECONNRESET && !reset) {
			reset = true;
			continue;
		}
		if (r == -ECONNRESET)
			return -ECONNREFUSED;
		if (r != -EAGAIN && r != -EINTR)
			return r;
		if (left <= 0)
			return -ETIMEDOUT;
		poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	}
}

/* Only the refusals that border.h knows: any other number would be taken for something else by our
 * caller. */
static int welcome_result(const struct border_welcome *welcome)
{
	switch (welcome->result) {
	case 0: return welcome->abi == BORDER_ABI ? 0 : -EPROTO;
	case -EPERM:
	case -EINVAL:
	case -ENOBUFS: return welcome->result;
	default: return -EPROTO;
	}
}

/* Nothing of the welcome is used before it is known to agree with itself and with the memory. */
static int welcome_check(const struct border_welcome *welcome, unsigned fds_count)
{
	uint32_t size = welcome->ring_size;
	uint64_t rings_at;

	if (welcome->workers < 1 || welcome->workers > BORDER_WORKERS_MAX)
		return -EPROTO;
	if (fds_count != 2 + welcome->workers || (size & (size - 1)) != 0)
		return -EPROTO;
	if (welcome->size != border_size(welcome->workers, size, &rings_at))
		return -EPROTO;
	return welcome->rings_at == rings_at ? 0 : -EPROTO;
}

/* Without the seals the switch could shrink the memory under us, and the next access would be
 * SIGBUS. */
static int memory_map(const struct border_welcome *welcome, int memfd, struct border_page **out)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);
	void *at;

	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
		return -EPROTO;
	if (fstat(memfd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size != welcome->size)
		return -EPROTO;
	at = mmap(NULL, welcome->size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (at == MAP_FAILED)
		return -ENOBUFS;
	*out = at;
	return 0;
}

static int rings_open(struct controller *c)
{
	uint8_t *at = (uint8_t *)c->page;

	for (uint32_t w = 0; w < c->welcome.workers; w++) {
		void *commands = at + border_command_ring_at(&c->welcome, w);
		void *events = at + border_event_ring_at(&c->welcome, w);

		if (ring_open(&c->commands[w], commands, c->welcome.ring_size) < 0 ||
			ring_open(&c->events[w], events, c->welcome.ring_size) < 0)
			return -EPROTO;
	}
	return 0;
}

int controller_attach(struct controller **out, const char *path, const char *name, int timeout_ms,
	uint32_t *abi_theirs)
{
	struct border_hello hello = {
		.magic = BORDER_MAGIC, .abi = BORDER_ABI, .pid = (uint32_t)getpid()
	};
	int64_t deadline_ms = now_ms() + timeout_ms;
	int fds[FDS_MAX], fd = -1, r;
	unsigned fds_count = 0;
	struct controller *c;

	*out = NULL;
	if (abi_theirs != NULL)
		*abi_theirs = 0;
	if (path == NULL || name == NULL || !name_is_valid(name))
		return -EINVAL;
	memcpy(hello.name, name, strlen(name));
	c = aligned_alloc(64, sizeof(*c));
	if (c == NULL)
		return -ENOBUFS;
	memset(c, 0, sizeof(*c));

	r = connect_until(path, deadline_ms, &fd);
	if (r < 0)
		goto free_c;
	if (send(fd, &hello, sizeof(hello), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE) {
		r = -ECONNREFUSED;
		goto close_fd;
	}
	r = welcome_wait(fd, deadline_ms, &c->welcome, fds, &fds_count);
	if (r < 0)
		goto close_fd;
	if (abi_theirs != NULL)
		*abi_theirs = c->welcome.abi;
	r = welcome_result(&c->welcome);
	if (r < 0)
		goto close_fd;
	r = welcome_check(&c->welcome, fds_count);
	if (r < 0)
		goto close_fd;
	r = memory_map(&c->welcome, fds[0], &c->page);
	if (r < 0)
		goto close_fd;
	r = rings_open(c);
	if (r < 0)
		goto unmap;

	close(fds[0]); /* the mapping keeps the memory */
	c->socket = fd;
	c->wake = fds[1];
	memcpy(c->worker_wake, fds + 2, sizeof(int) * c->welcome.workers);
	*out = c;
	return 0;

unmap:
	munmap(c->page, c->welcome.size);
close_fd:
	close_all(fds, fds_count);
	close(fd);
free_c:
	free(c);
	return r;
}

void controller_detach(struct controller *c)
{
	if (c == NULL)
		return;
	munmap(c->page, c->welcome.size);
	close_all(c->worker_wake, c->welcome.workers);
	close(c->wake);
	close(c->socket);
	free(c);
}

uint32_t controller_instance(const struct controller *c)
{
	return c->welcome.instance;
}

uint32_t controller_epoch(const struct controller *c)
{
	return c->welcome.epoch;
}

uint32_t controller_workers(const struct controller *c)
{
	return c->welcome.workers;
}

int controller_fd(const struct controller *c)
{
	return c->wake;
}

int controller_socket(const struct controller *c)
{
	return c->socket;
}

/* A full pipe or counter is as good as one more write: the worker has not read it yet. */
static void worker_wake(struct controller *c, uint32_t w)
{
	uint64_t one = 1;
	ssize_t written = write(c->worker_wake[w], &one, sizeof(one));

	(void)written;
}

int controller_submit(
	struct controller *c, uint32_t w, const struct switch_cmd *cmd, const void *text)
{
	int r;

	if (w >= c->welcome.workers || cmd->text_len > SWITCH_TEXT_MAX)
		return -EINVAL;
	r = ring_put(&c->commands[w], cmd, sizeof(*cmd), text, cmd->text_len);
	if (r == -ENOBUFS && ring_flush(&c->commands[w]))
		worker_wake(c, w);
	return r == -EPROTO ? -EPIPE : r;
}

void controller_flush(struct controller *c)
{
	for (uint32_t w = 0; w < c->welcome.workers; w++)
		if (ring_flush(&c->commands[w]))
			worker_wake(c, w);
}

/* After a sleep: no more wake-ups are needed, and those that came are used up. */
static void waking_up(struct controller *c)
{
	uint64_t used_up[64];
	ssize_t got;

	for (uint32_t w = 0; w < c->welcome.workers; w++)
		ring_awake(&c->events[w]);
	c->marked = false;
	do
		got = read(c->wake, used_up, sizeof(used_up));
	while (got == (ssize_t)sizeof(used_up));
}

/* One worker's turn: at most `turn` records. Returns how many were taken; *handed counts those
 * handed out. */
static int worker_turn(struct controller *c, uint32_t w, unsigned turn, unsigned *handed,
	void (*seen)(void *arg, uint32_t w, const struct switch_event *event, const char *text),
	void *arg)
{
	const struct switch_event *event = (const void *)c->record;
	const char *text = (const char *)c->record + sizeof(*event);
	unsigned taken = 0;
	int len = 0;

	while (taken < turn) {
		len = ring_get(&c->events[w], c->record);
		if (len <= 0)
			break;
		taken++;
		if ((size_t)len < sizeof(*event) ||
			(size_t)len != sizeof(*event) + event->text_len ||
			event->text_len > SWITCH_TEXT_MAX) {
			c->bad_records++;
			continue;
		}
		(*handed)++;
		seen(arg, w, event, text);
	}
	if (ring_release(&c->events[w]))
		worker_wake(c, w);
	if (len < 0)
		c->broken = true;
	return (int)taken;
}

int controller_poll(struct controller *c, unsigned budget,
	void (*seen)(void *arg, uint32_t w, const struct switch_event *event, const char *text),
	void *arg)
{
	uint32_t workers = c->welcome.workers, idle = 0;
	unsigned handed = 0;

	if (c->broken)
		return -EPIPE;
	if (c->marked)
		waking_up(c);
	/* Until the budget is used up, or nobody had anything in a whole round. */
	while (budget > 0 && idle < workers && !c->broken) {
		unsigned turn = budget < POLL_BATCH ? budget : POLL_BATCH;
		int taken = worker_turn(c, c->next, turn, &handed, seen, arg);

		budget -= (unsigned)taken;
		idle = taken == 0 ? idle + 1 : 0;
		c->next = c->next + 1 < workers ? c->next + 1 : 0;
	}
	return c->broken && handed == 0 ? -EPIPE : (int)handed;
}

bool controller_may_sleep(struct controller *c)
{
	c->marked = true;
	for (uint32_t w = 0; w < c->welcome.workers; w++) {
		if (!ring_may_sleep(&c->events[w])) {
			waking_up(c);
			return false;
		}
	}
	return true;
}

uint64_t controller_bad_records(const struct controller *c)
{
	return c->bad_records;
}

void controller_heartbeat(struct controller *c)
{
	atomic_fetch_add_explicit(&c->page->heartbeat, 1, memory_order_relaxed);
}

bool controller_is_attached(const struct controller *c)
{
	char octet;
	ssize_t got = recv(c->socket, &octet, sizeof(octet), MSG_DONTWAIT | MSG_PEEK);

	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

struct span text_get(struct text_ref ref, const char *text, uint16_t text_len)
{
	if (ref.len == 0 || (uint32_t)ref.at + ref.len > text_len)
		return (struct span){ NULL, 0 };
	return span_make(text + ref.at, ref.len);
}

int text_put(struct text_builder *b, struct span s, struct text_ref *ref)
{
	if (b->len > SWITCH_TEXT_MAX || s.len > SWITCH_TEXT_MAX - b->len)
		return -ENOBUFS;
	*ref = (struct text_ref){ .at = b->len, .len = (uint16_t)s.len };
	if (s.len > 0)
		memcpy(b->octets + b->len, s.at, s.len);
	b->len = (uint16_t)(b->len + s.len);
	return 0;
}
