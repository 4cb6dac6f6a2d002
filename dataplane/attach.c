/* SPDX-License-Identifier: BSD-3-Clause */
/* attach: see attach.h.
 *
 * A slot's life. `now` is the memory of the present epoch, `before` that of the one it replaces,
 * which some worker may still be using; `conn` the connection of the present epoch, `waiting` a
 * newer hello of the same name.
 *
 *   SLOT_FREE --hello--> SLOT_HANDING --attach_ready--> SLOT_ATTACHED --closed--> SLOT_LEAVING --attach_released--> SLOT_IDLE
 *                             ^                               |                                                      |
 *                             `----------- hello: fenced -----'------------------------ hello -----------------------'
 *
 * In SLOT_HANDING and SLOT_LEAVING a change is under way at the owner: a hello waits, the newest
 * only. */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "dataplane/attach.h"
#include "include/log.h"

#define HELLO_MS       2000 /* a connection that has not said hello by then is closed */
#define ACCEPTS_A_POLL 16   /* so that a flood of connections cannot hold the main thread */
#define START_LOCK_MS  1000 /* wait for another switch that is starting at the same place */
#define LINES_A_SECOND 5    /* about connections that came to nothing */
#define BACKLOG        16
#define FDS_A_WELCOME  (2 + BORDER_WORKERS_MAX)

enum slot_state {
	SLOT_FREE,    /* no name */
	SLOT_HANDING, /* the owner hands the ends of `now` to the workers */
	SLOT_ATTACHED,
	SLOT_LEAVING, /* the owner takes the ends away from the workers */
	SLOT_IDLE     /* a name with an epoch, perhaps objects, but no controller */
};

/* One epoch's memory and the pipe that wakes its controller. */
struct memory {
	int memfd;
	uint8_t *at;
	int wake[2]; /* [0] for the controller, kept open here too, so that a write never meets a closed pipe */
};

struct pending {
	int fd; /* -1: free */
	uint64_t since_ms;
};

struct slot {
	enum slot_state state;
	char name[BORDER_NAME_MAX];
	uint32_t epoch;
	int conn;    /* -1: none, or closed while a change is under way */
	int waiting; /* -1: none */
	uint32_t pid, waiting_pid;
	struct memory *now, *before;
	uint64_t heartbeat, heartbeat_ms;
	bool hung;
};

struct attach {
	int listener,
		spare; /* spare: given up for a moment to refuse a connection when descriptors run out */
	struct stat socket_file;
	char *path;
	uint32_t instance, workers, ring_size;
	uint64_t rings_at, size;
	uint64_t now_ms; /* of the latest attach_poll */
	struct log_limit refusals;
	int worker_fds[BORDER_WORKERS_MAX];
	struct attach_ops ops;
	void *arg;
	struct pending pending[ATTACH_PENDING_MAX];
	struct slot slots[BORDER_CONTROLLERS_MAX];
	struct attachment_end ends[BORDER_CONTROLLERS_MAX][BORDER_WORKERS_MAX];
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Memory of an epoch */

static void memory_free(struct attach *a, struct memory *m)
{
	if (m == NULL)
		return;
	if (m->at != NULL)
		munmap(m->at, a->size);
	close_fd(&m->memfd);
	close_fd(&m->wake[0]);
	close_fd(&m->wake[1]);
	free(m);
}

static int memory_new(struct attach *a, struct memory **out)
{
	struct memory *m = malloc(sizeof(*m));
	void *at;

	if (m == NULL)
		return -ENOBUFS;
	*m = (struct memory){ .memfd = -1, .wake = { -1, -1 } };
	m->memfd = memfd_create("plenum-border", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* fallocate, so that a machine without memory says so here and not to a worker by
	 * SIGBUS. */
	if (m->memfd < 0 || ftruncate(m->memfd, (off_t)a->size) < 0 ||
		fallocate(m->memfd, 0, 0, (off_t)a->size) < 0 ||
		pipe2(m->wake, O_CLOEXEC | O_NONBLOCK) < 0)
		goto fail;
	at = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, m->memfd, 0);
	if (at == MAP_FAILED)
		goto fail;
	m->at = at;
	if (fcntl(m->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	*out = m;
	return 0;
fail:
	memory_free(a, m);
	return -ENOBUFS;
}

static struct border_welcome welcome_make(const struct attach *a, int result)
{
	return (struct border_welcome){
		.magic = BORDER_MAGIC, .abi = BORDER_ABI, .result = result
	};
}

static struct border_welcome welcome_of(const struct attach *a, const struct slot *slot)
{
	struct border_welcome welcome = welcome_make(a, 0);

	welcome.instance = a->instance;
	welcome.epoch = slot->epoch;
	welcome.workers = a->workers;
	welcome.ring_size = a->ring_size;
	welcome.rings_at = a->rings_at;
	welcome.size = a->size;
	return welcome;
}

static void memory_fill(struct attach *a, unsigned s, struct memory *m)
{
	struct border_welcome welcome = welcome_of(a, &a->slots[s]);
	struct border_page *page = (void *)m->at;

	page->magic = BORDER_MAGIC;
	page->abi = BORDER_ABI;
	page->epoch = welcome.epoch;
	for (uint32_t w = 0; w < a->workers; w++) {
		struct attachment_end *end = &a->ends[s][w];
		struct ring_shared *commands =
			(void *)(m->at + border_command_ring_at(&welcome, w));
		struct ring_shared *events = (void *)(m->at + border_event_ring_at(&welcome, w));
		int r;

		ring_format(commands);
		ring_format(events);
		r = ring_open(&end->commands, commands, a->ring_size);
		assert(r == 0);
		r = ring_open(&end->events, events, a->ring_size);
		assert(r == 0);
		(void)r; /* attach_new opened such a ring */
		end->controller_fd = m->wake[1];
		end->epoch = welcome.epoch;
	}
}

/* Slots */

static void refuse(struct attach *a, int *fd, int result)
{
	struct border_welcome welcome = welcome_make(a, result);

	(void)!send(*fd, &welcome, sizeof(welcome), MSG_DONTWAIT | MSG_NOSIGNAL);
	close_fd(fd);
}

/* The welcome with its descriptors. False: the controller cannot take it, which on a socket where
 * nothing else was ever sent means that it has gone. */
static bool welcome_send(struct attach *a, struct slot *slot)
{
	struct border_welcome welcome = welcome_of(a, slot);
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int) * FDS_A_WELCOME)];
	} control;
	struct iovec iov = { &welcome, sizeof(welcome) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.octets };
	int fds[FDS_A_WELCOME] = { slot->now->memfd, slot->now->wake[0] };
	size_t octets = sizeof(int) * (2 + a->workers);
	struct cmsghdr *h;

	memset(&control, 0, sizeof(control));
	memcpy(fds + 2, a->worker_fds, sizeof(int) * a->workers);
	msg.msg_controllen = CMSG_SPACE(octets);
	h = CMSG_FIRSTHDR(&msg);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(octets);
	memcpy(CMSG_DATA(h), fds, octets);
	return sendmsg(slot->conn, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(welcome);
}

/* *fd is taken. A slot that has a controller keeps it when there is no memory for the new one. */
static void slot_hand(struct attach *a, unsigned s, int *fd, uint32_t pid)
{
	struct slot *slot = &a->slots[s];
	struct memory *m;
	int r = memory_new(a, &m);

	if (r < 0) {
		log_warning("attach", "no memory for a controller name=%s octets=%llu", slot->name,
			(unsigned long long)a->size);
		refuse(a, fd, r);
		if (slot->state == SLOT_FREE)
			slot->name[0] = '\0';
		return;
	}
	if (slot->conn >= 0)
		log_info("attach", "controller fenced by a newer one name=%s epoch=%u", slot->name,
			slot->epoch);
	close_fd(&slot->conn);
	slot->conn = *fd;
	*fd = -1;
	slot->pid = pid;
	slot->epoch++;
	assert(slot->before == NULL);
	slot->before = slot->now;
	slot->now = m;
	slot->state = SLOT_HANDING;
	memory_fill(a, s, m);
	a->ops.attached(a->arg, s, a->ends[s]);
}

static void slot_take_waiting(struct attach *a, unsigned s)
{
	struct slot *slot = &a->slots[s];
	int fd = slot->waiting;

	slot->waiting = -1;
	slot_hand(a, s, &fd, slot->waiting_pid);
}

static void slot_leave(struct attach *a, unsigned s)
{
	struct slot *slot = &a->slots[s];

	log_info("attach", "controller gone name=%s epoch=%u", slot->name, slot->epoch);
	close_fd(&slot->conn);
	slot->state = SLOT_LEAVING;
	a->ops.detached(a->arg, s);
}

void attach_ready(struct attach *a, unsigned s)
{
	struct slot *slot = &a->slots[s];
	uint32_t epoch = slot->epoch;

	assert(s < BORDER_CONTROLLERS_MAX && slot->state == SLOT_HANDING);
	memory_free(a, slot->before);
	slot->before = NULL;
	slot->state = SLOT_ATTACHED;
	slot->hung = false;
	slot->heartbeat = 0;
	slot->heartbeat_ms = a->now_ms;
	if (slot->waiting >= 0)
		slot_take_waiting(a, s);
	if (slot->state != SLOT_ATTACHED || slot->epoch != epoch)
		return; /* the newer one took over */
	if (slot->conn < 0 || !welcome_send(a, slot)) {
		slot_leave(a, s);
		return;
	}
	log_info("attach", "controller attached name=%s epoch=%u pid=%u", slot->name, slot->epoch,
		slot->pid);
}

void attach_released(struct attach *a, unsigned s)
{
	struct slot *slot = &a->slots[s];

	assert(s < BORDER_CONTROLLERS_MAX && slot->state == SLOT_LEAVING);
	memory_free(a, slot->now);
	slot->now = NULL;
	slot->state = SLOT_IDLE;
	if (slot->waiting >= 0)
		slot_take_waiting(a, s);
}

/* The slot of this name, else one that nobody uses, else one whose name holds nothing any more. */
static int slot_for(struct attach *a, const char *name)
{
	int found = -1;

	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++)
		if (a->slots[s].state != SLOT_FREE && strcmp(a->slots[s].name, name) == 0)
			return (int)s;
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX && found < 0; s++)
		if (a->slots[s].state == SLOT_FREE)
			found = (int)s;
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX && found < 0; s++)
		if (a->slots[s].state == SLOT_IDLE && !a->ops.in_use(a->arg, s))
			found = (int)s;
	if (found < 0)
		return -ENOBUFS;
	a->slots[found].state = SLOT_FREE;
	a->slots[found].epoch = 0;
	memcpy(a->slots[found].name, name, strlen(name) + 1);
	return found;
}

/* Hello */

static int credentials_check(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -EPERM;
	return peer.uid == geteuid() || peer.uid == 0 ? 0 : -EPERM;
}

static bool name_is_valid(const char *name)
{
	size_t len = strnlen(name, BORDER_NAME_MAX);

	if (len == 0 || len == BORDER_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

/* A hello of another ABI may have another size, but begins with magic and ABI. */
static int hello_check(const struct border_hello *hello, size_t len)
{
	if (len < offsetof(struct border_hello, pid) || hello->magic != BORDER_MAGIC)
		return -EPROTO;
	if (hello->abi != BORDER_ABI || len != sizeof(*hello))
		return -EPROTO;
	return name_is_valid(hello->name) ? 0 : -EINVAL;
}

static void hello_take(struct attach *a, int *fd, const struct border_hello *hello, size_t len)
{
	int r = credentials_check(*fd);
	struct slot *slot;
	int s;

	if (r == 0)
		r = hello_check(hello, len);
	s = r == 0 ? slot_for(a, hello->name) : r;
	if (s < 0) {
		LOG_LIMITED(&a->refusals, a->now_ms, LINES_A_SECOND, LOG_WARNING, "attach",
			"controller refused: %s", result_text(s));
		refuse(a, fd, s);
		return;
	}
	slot = &a->slots[s];
	if (slot->state != SLOT_HANDING && slot->state != SLOT_LEAVING) {
		slot_hand(a, (unsigned)s, fd, hello->pid);
		return;
	}
	/* Both older ones are fenced by this one, but the change under way must come to its end
	 * first. */
	close_fd(&slot->conn);
	close_fd(&slot->waiting);
	slot->waiting = *fd;
	slot->waiting_pid = hello->pid;
	*fd = -1;
}

/* True when the connection is no longer pending: it said something, or closed. */
static bool pending_read(struct attach *a, int *fd)
{
	struct border_hello hello;
	/* MSG_TRUNC: the true length of a record that is too long. Descriptors sent along are
	 * dropped by the kernel. */
	ssize_t got = recv(*fd, &hello, sizeof(hello), MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0)
		close_fd(fd);
	else
		hello_take(a, fd, &hello, (size_t)got);
	return true;
}

static void pending_poll(struct attach *a)
{
	for (unsigned i = 0; i < ATTACH_PENDING_MAX; i++) {
		struct pending *p = &a->pending[i];

		if (p->fd >= 0 && !pending_read(a, &p->fd) && a->now_ms - p->since_ms >= HELLO_MS) {
			LOG_LIMITED(&a->refusals, a->now_ms, LINES_A_SECOND, LOG_WARNING, "attach",
				"connection closed: no hello within %u ms", HELLO_MS);
			close_fd(&p->fd);
		}
	}
}

/* When all places are taken the oldest goes: somebody who says nothing must not keep a controller
 * out. */
static struct pending *pending_place(struct attach *a)
{
	struct pending *oldest = &a->pending[0];

	for (unsigned i = 0; i < ATTACH_PENDING_MAX; i++) {
		if (a->pending[i].fd < 0)
			return &a->pending[i];
		if (a->pending[i].since_ms < oldest->since_ms)
			oldest = &a->pending[i];
	}
	close_fd(&oldest->fd);
	return oldest;
}

/* Out of descriptors: without this the connection stays in the backlog and the main thread spins on
 * it. */
static void accept_refuse(struct attach *a)
{
	int fd;

	close_fd(&a->spare);
	fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	close_fd(&fd);
	a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	LOG_LIMITED(&a->refusals, a->now_ms, LINES_A_SECOND, LOG_WARNING, "attach",
		"connection closed: no descriptors left");
}

static void accept_poll(struct attach *a)
{
	for (unsigned i = 0; i < ACCEPTS_A_POLL; i++) {
		int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct pending *p;

		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			accept_refuse(a);
			continue;
		}
		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0)
			return;
		/* Most have said hello by now. */
		if (pending_read(a, &fd))
			continue;
		p = pending_place(a);
		p->fd = fd;
		p->since_ms = a->now_ms;
	}
}

/* After its hello a controller says nothing more: whatever can be read means the end, an empty
 * record too. */
static bool conn_is_closed(int fd)
{
	char octet;
	ssize_t got = recv(fd, &octet, sizeof(octet), MSG_DONTWAIT);

	return !(got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void heartbeat_check(struct attach *a, struct slot *slot)
{
	const struct border_page *page = (const void *)slot->now->at;
	uint64_t heartbeat = atomic_load_explicit(&page->heartbeat, memory_order_relaxed);

	if (heartbeat != slot->heartbeat) {
		slot->heartbeat = heartbeat;
		slot->heartbeat_ms = a->now_ms;
		if (slot->hung)
			log_info("attach", "controller is back name=%s epoch=%u", slot->name,
				slot->epoch);
		slot->hung = false;
	} else if (!slot->hung && a->now_ms - slot->heartbeat_ms >= BORDER_HUNG_MS) {
		slot->hung = true;
		log_warning("attach",
			"controller hangs: no heartbeat for %u ms name=%s epoch=%u pid=%u",
			BORDER_HUNG_MS, slot->name, slot->epoch, slot->pid);
	}
}

static void slots_poll(struct attach *a)
{
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++) {
		struct slot *slot = &a->slots[s];

		if (slot->waiting >= 0 && conn_is_closed(slot->waiting))
			close_fd(&slot->waiting);
		if (slot->conn >= 0 && conn_is_closed(slot->conn)) {
			close_fd(&slot->conn);
			if (slot->state == SLOT_ATTACHED)
				slot_leave(a, s);
		}
		if (slot->state == SLOT_ATTACHED)
			heartbeat_check(a, slot);
	}
}

/* The whole */

/* Two switches that start at the same place must not take each other's socket for a stale one, so
 * the look and the bind happen under a lock on the directory. It is not waited for long: anybody
 * who can read it can lock it. */
static int directory_lock(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX] = ".";
	int fd;

	if (slash != NULL && (size_t)(slash - path) + 2 <= sizeof(directory)) {
		memcpy(directory, path, (size_t)(slash - path) + 1);
		directory[slash - path + 1] = '\0';
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int ms = 0; fd >= 0 && ms < START_LOCK_MS && flock(fd, LOCK_EX | LOCK_NB) < 0;
		ms += 10)
		usleep(10000);
	return fd;
}

/* 0: nothing is in the way any more. */
static int stale_remove(const char *path, const struct sockaddr_un *address)
{
	struct stat st;
	int fd, r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -ENOBUFS;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (r == -ENOENT)
		return 0;
	if (r != -ECONNREFUSED)
		return -EEXIST; /* somebody answers, or is too busy to */
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listen_at(struct attach *a, const struct sockaddr_un *address)
{
	int r = stale_remove(a->path, address);

	if (r < 0)
		return r;
	a->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->listener < 0)
		return -ENOBUFS;
	/* Set on the socket, it is the mode that bind gives the file: there is no moment when
	 * others could connect. */
	if (fchmod(a->listener, S_IRUSR | S_IWUSR) < 0 ||
		bind(a->listener, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return errno == EADDRINUSE ? -EEXIST : -errno;
	if (listen(a->listener, BACKLOG) < 0 || lstat(a->path, &a->socket_file) < 0) {
		r = -errno;
		unlink(a->path);
		return r;
	}
	return 0;
}

static int listen_start(struct attach *a)
{
	struct sockaddr_un address;
	int dir, lock, r;

	r = border_address(a->path, &address, &dir);
	if (r < 0)
		return r;
	lock = directory_lock(a->path);
	r = listen_at(a, &address);
	close_fd(&lock);
	close_fd(&dir);
	return r;
}

int attach_new(struct attach **out, const char *path, uint32_t instance, uint32_t workers,
	uint32_t ring_size, const int *worker_fds, const struct attach_ops *ops, void *arg)
{
	static struct ring_shared probe;
	struct attach *a;
	struct ring ring;
	int r;

	*out = NULL;
	if (path == NULL || workers < 1 || workers > BORDER_WORKERS_MAX ||
		ring_open(&ring, &probe, ring_size) < 0)
		return -EINVAL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOBUFS;
	a->listener = a->spare = -1;
	a->instance = instance;
	a->workers = workers;
	a->ring_size = ring_size;
	a->size = border_size(workers, ring_size, &a->rings_at);
	a->ops = *ops;
	a->arg = arg;
	memcpy(a->worker_fds, worker_fds, sizeof(int) * workers);
	for (unsigned i = 0; i < ATTACH_PENDING_MAX; i++)
		a->pending[i].fd = -1;
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++)
		a->slots[s].conn = a->slots[s].waiting = -1;
	a->path = strdup(path);
	a->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = a->path != NULL && a->spare >= 0 ? listen_start(a) : -ENOBUFS;
	if (r < 0) {
		close_fd(&a->listener);
		close_fd(&a->spare);
		free(a->path);
		free(a);
		return r;
	}
	*out = a;
	return 0;
}

void attach_free(struct attach *a)
{
	struct stat st;

	if (a == NULL)
		return;
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++) {
		close_fd(&a->slots[s].conn);
		close_fd(&a->slots[s].waiting);
		memory_free(a, a->slots[s].now);
		memory_free(a, a->slots[s].before);
	}
	for (unsigned i = 0; i < ATTACH_PENDING_MAX; i++)
		close_fd(&a->pending[i].fd);
	/* Only our own file: another switch may have taken the place. */
	if (lstat(a->path, &st) == 0 && st.st_dev == a->socket_file.st_dev &&
		st.st_ino == a->socket_file.st_ino)
		unlink(a->path);
	close_fd(&a->listener);
	close_fd(&a->spare);
	free(a->path);
	free(a);
}

unsigned attach_wait_on(struct attach *a, int *fds, unsigned max)
{
	int all[ATTACH_FDS_MAX];
	unsigned count = 0;

	all[count++] = a->listener;
	for (unsigned i = 0; i < ATTACH_PENDING_MAX; i++)
		if (a->pending[i].fd >= 0)
			all[count++] = a->pending[i].fd;
	for (unsigned s = 0; s < BORDER_CONTROLLERS_MAX; s++) {
		if (a->slots[s].conn >= 0)
			all[count++] = a->slots[s].conn;
		if (a->slots[s].waiting >= 0)
			all[count++] = a->slots[s].waiting;
	}
	if (count > max)
		count = max;
	memcpy(fds, all, count * sizeof(int));
	return count;
}

void attach_poll(struct attach *a, uint64_t now_ms)
{
	a->now_ms = now_ms;
	pending_poll(a);
	accept_poll(a);
	slots_poll(a);
}

const char *attach_name(const struct attach *a, unsigned slot)
{
	return slot < BORDER_CONTROLLERS_MAX ? a->slots[slot].name : "";
}

bool attach_is_hung(const struct attach *a, unsigned slot)
{
	return slot < BORDER_CONTROLLERS_MAX && a->slots[slot].state == SLOT_ATTACHED &&
	       a->slots[slot].hung;
}

void attach_wake_take(int worker_fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	/* RWF_NOWAIT, as O_NONBLOCK of a file that controllers hold too is not ours to rely on. */
	ssize_t got = preadv2(worker_fd, &iov, 1, -1, RWF_NOWAIT);

	(void)got;
}
