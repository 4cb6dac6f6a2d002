/* SPDX-License-Identifier: BSD-3-Clause */
/* libplenum against a switch that has been taken over: its welcome, the indexes of both rings and
 * every event that it writes, while the controller polls, submits and reads the texts that events
 * refer to. The switch is a thread here, on a Unix socket of its own. Nothing may be touched
 * outside of the mapping or of a record, no descriptor may be left over, and what is refused is
 * refused with one of the results that controller.h names.
 *
 * Input: the first octet says whether the welcome is true. If not, the rest is laid over it; else
 *        the rest is steps. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/border.h"
#include "include/controller.h"
#include "include/ring.h"

#define WORKERS   2
#define RING_SIZE (64u << 10)
#define FDS_MAX   6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

/* What the switch answers next; set before the controller connects. */
static struct {
	struct border_welcome welcome;
	size_t welcome_len;
	int fds[FDS_MAX];
	unsigned fds_count;
} answer;

static char directory[] = "/tmp/plenum-fuzz-XXXXXX";
static char path[64];
static int listener = -1;
static volatile uint64_t read_sum; /* so that reading is not left out */

static void must_hold(bool condition)
{
	if (!condition)
		abort();
}

static uint64_t take(struct input *in, unsigned octets)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < octets && in->at < in->end; i++)
		value |= (uint64_t)*in->at++ << 8 * i;
	return value;
}

static void take_over(struct input *in, void *out, size_t len)
{
	if (len > (size_t)(in->end - in->at))
		len = (size_t)(in->end - in->at);
	memcpy(out, in->at, len);
	in->at += len;
}

/* The switch */

static void answer_send(int fd)
{
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { &answer.welcome, answer.welcome_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *h;

	if (answer.fds_count > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * answer.fds_count);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * answer.fds_count);
		memcpy(CMSG_DATA(h), answer.fds, sizeof(int) * answer.fds_count);
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void *switch_main(void *arg)
{
	struct border_hello hello;
	char octet;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (recv(fd, &hello, sizeof(hello), 0) == (ssize_t)sizeof(hello))
			answer_send(fd);
		(void)!recv(fd, &octet, 1, 0);
		close(fd);
	}
}

static void clean_up(void)
{
	unlink(path);
	rmdir(directory);
}

static void start(void)
{
	struct sockaddr_un address;
	pthread_t thread;
	int dir;

	must_hold(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	atexit(clean_up);
	must_hold(border_address(path, &address, &dir) == 0);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	must_hold(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	must_hold(listen(listener, 8) == 0);
	must_hold(pthread_create(&thread, NULL, switch_main, NULL) == 0);
	pthread_detach(thread);
}

/* The controller */

static void read_text(struct text_ref ref, const char *text, uint16_t text_len)
{
	struct span s = text_get(ref, text, text_len);

	must_hold(s.len <= text_len);
	for (size_t i = 0; i < s.len; i++)
		read_sum += (uint8_t)s.at[i];
}

static void on_event(void *arg, uint32_t w, const struct switch_event *event, const char *text)
{
	must_hold(w < WORKERS && event->text_len <= SWITCH_TEXT_MAX);
	read_text(event->u.leg.uri, text, event->text_len);
	read_text(event->u.nickname.name, text, event->text_len);
	read_text((struct text_ref){ 0, event->text_len }, text, event->text_len);
	read_sum += strlen(switch_event_name(event->type)) +
		    strlen(leg_cause_text(event->u.leg.status.cause)) +
		    strlen(result_text(event->result));
}

static void event_put(struct input *in, struct ring *events)
{
	struct {
		struct switch_event event;
		char text[256];
	} record;
	size_t len = sizeof(record.event);

	memset(&record, 0, sizeof(record));
	switch (take(in, 1) % 3) {
	case 0: /* whole, with references as the input has them */
		take_over(in, &record.event, sizeof(record.event));
		record.event.text_len %= sizeof(record.text);
		len += record.event.text_len;
		break;
	case 1: /* a false text length */
		record.event.text_len = (uint16_t)take(in, 2);
		len += take(in, 1);
		break;
	default: /* too short */
		take_over(in, &record.event, sizeof(record.event));
		len = 1 + take(in, 1) % sizeof(record.event);
		break;
	}
	if (ring_put(events, &record, len, NULL, 0) == 0)
		ring_flush(events);
}

static void spoil(struct input *in, struct ring_shared *commands, struct ring_shared *events)
{
	switch (take(in, 1) % 6) {
	case 0: atomic_store(&commands->head, take(in, 8)); break;
	case 1: atomic_store(&events->tail, take(in, 8)); break;
	case 2: atomic_fetch_add(&events->tail, take(in, 2)); break;
	case 3: atomic_store(&commands->starved, (uint32_t)take(in, 1)); break;
	case 4: atomic_store(&events->asleep, (uint32_t)take(in, 1)); break;
	default: memset(events->data + take(in, 2) % RING_SIZE, (int)take(in, 1), 1); break;
	}
}

static void submit(struct input *in, struct controller *c)
{
	static const char text[SWITCH_TEXT_MAX];
	struct switch_cmd cmd = { .type = (uint16_t)take(in, 1),
		.text_len = (uint16_t)take(in, 2) };
	int r = controller_submit(c, (uint32_t)take(in, 1), &cmd, text);

	must_hold(r == 0 || r == -ENOBUFS || r == -EPIPE || r == -EINVAL);
	if (take(in, 1) % 2 == 1)
		controller_flush(c);
}

static void steps(struct input *in, struct controller *c, uint8_t *at)
{
	struct ring events[WORKERS];
	struct ring_shared *shared[WORKERS][2];

	for (uint32_t w = 0; w < WORKERS; w++) {
		shared[w][0] = (void *)(at + border_command_ring_at(&answer.welcome, w));
		shared[w][1] = (void *)(at + border_event_ring_at(&answer.welcome, w));
		must_hold(ring_open(&events[w], shared[w][1], RING_SIZE) == 0);
	}
	while (in->at < in->end) {
		unsigned what = (unsigned)take(in, 1), w = what / 16 % WORKERS;
		unsigned budget;
		int n;

		switch (what % 6) {
		case 0:
		case 1: event_put(in, &events[w]); break;
		case 2: spoil(in, shared[w][0], shared[w][1]); break;
		case 3: submit(in, c); break;
		case 4: controller_may_sleep(c); break;
		default:
			budget = (unsigned)take(in, 1);
			n = controller_poll(c, budget, on_event, NULL);
			must_hold(n == -EPIPE || (n >= 0 && (unsigned)n <= budget));
			break;
		}
	}
	controller_heartbeat(c);
}

static int attach_result_is_named(int r)
{
	return r == -EPROTO || r == -EPERM || r == -EINVAL || r == -ENOBUFS || r == -ECONNREFUSED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct border_welcome *welcome = &answer.welcome;
	bool truthful = take(&in, 1) % 4 != 0;
	struct controller *c = NULL;
	uint8_t *at;
	int r;

	if (listener < 0)
		start();
	*welcome = (struct border_welcome){ .magic = BORDER_MAGIC,
		.abi = BORDER_ABI,
		.instance = 1,
		.epoch = 1,
		.workers = WORKERS,
		.ring_size = RING_SIZE };
	welcome->size = border_size(WORKERS, RING_SIZE, &welcome->rings_at);
	answer.welcome_len = sizeof(*welcome);
	answer.fds_count = 2 + WORKERS;
	answer.fds[0] = memfd_create("fuzz", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	must_hold(ftruncate(answer.fds[0], (off_t)welcome->size) == 0);
	fcntl(answer.fds[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	for (unsigned i = 1; i < FDS_MAX; i++)
		answer.fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	at = mmap(NULL, welcome->size, PROT_READ | PROT_WRITE, MAP_SHARED, answer.fds[0], 0);
	must_hold(at != MAP_FAILED);
	if (!truthful) {
		answer.fds_count = (unsigned)take(&in, 1) % (FDS_MAX + 1);
		answer.welcome_len = 1 + take(&in, 1) % sizeof(*welcome);
		size_t from = take(&in, 1) % sizeof(*welcome);

		take_over(&in, (uint8_t *)welcome + from, sizeof(*welcome) - from);
	}
	size_t memory = border_size(WORKERS, RING_SIZE, &(uint64_t){ 0 });

	r = controller_attach(&c, path, "fuzz", 2000, NULL);
	must_hold(r == 0 ? c != NULL : c == NULL && attach_result_is_named(r));
	must_hold(r == 0 || !truthful);
	if (r == 0 && truthful)
		steps(&in, c, at);
	controller_detach(c);
	munmap(at, memory);
	for (unsigned i = 0; i < FDS_MAX; i++)
		close(answer.fds[i]);
	return 0;
}
