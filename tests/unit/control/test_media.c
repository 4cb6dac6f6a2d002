/* SPDX-License-Identifier: BSD-3-Clause */
/* media against the switch's end of a real border (attach, rings), whose worker does what a test
 * says: one thread plays the switch; a test holds its answers back, lets it refuse, sends events
 * and looks at the commands it got. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/media.h"
#include "dataplane/attach.h"
#include "include/border.h"
#include "include/ring.h"

#define WORKERS   2
#define RING_SIZE 65536
#define SEEN_MAX  4096

struct seen {
	uint32_t worker;
	struct switch_cmd cmd;
	char text[512]; /* its beginning */
};

struct desk { /* the switch of a test */
	pthread_t thread;
	pthread_mutex_t lock;
	struct attach *attach;
	int fds[WORKERS], kick;
	bool stop;
	/* What the test says. */
	bool closed;      /* commands stay in the rings */
	bool mute;        /* they are taken, and answered when this ends */
	uint16_t refused; /* this command gets `refusal`; CMD_COUNT: none */
	int refusal;
	unsigned stale;    /* rooms that each snapshot shows */
	unsigned known;    /* further rooms there, each with LEGS legs */
	bool held_back;    /* answers from the second worker's first command on wait */
	uint64_t ahead_ms; /* of the switch's clock */
	/* What happened. */
	struct attachment_end ends[BORDER_CONTROLLERS_MAX][WORKERS];
	bool in_use[BORDER_CONTROLLERS_MAX];
	unsigned attachments;
	uint32_t instance, next_index;
	struct seen *seen;
	unsigned seen_count, answered; /* answered: how many of them */
	bool event_lost;
};

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void desk_wake(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		cr_assert_eq(errno, EAGAIN);
}

static void desk_put(
	struct desk *d, unsigned slot, uint32_t w, struct switch_event *event, const char *text)
{
	struct attachment_end *end = &d->ends[slot][w];

	event->text_len = text != NULL ? (uint16_t)strlen(text) : 0;
	if (ring_put(&end->events, event, sizeof(*event), text, event->text_len) != 0)
		d->event_lost = true;
	if (ring_flush(&end->events))
		desk_wake(end->controller_fd);
}

#define LEGS 3

/* Room i of worker w has the tag { 9, w, i }, its leg j { 8, w, i, j }. */
static void desk_show_known(struct desk *d, unsigned slot, uint32_t w)
{
	char uri[64];

	for (unsigned i = 0; i < d->known; i++) {
		struct switch_event room = { .type = EVENT_SNAPSHOT_ROOM,
			.revision = 5,
			.object = { d->instance, (uint16_t)w, OBJECT_ROOM, 500 + i, 1 },
			.tag = { { 9, (uint8_t)w, (uint8_t)i } } };

		room.u.room.messages = 40 + i;
		desk_put(d, slot, w, &room, NULL);
	}
	for (unsigned i = 0; i < d->known * LEGS; i++) {
		struct switch_event leg = { .type = EVENT_SNAPSHOT_LEG,
			.revision = 7,
			.object = { d->instance, (uint16_t)w, OBJECT_LEG, 600 + i, 1 },
			.tag = { { 8, (uint8_t)w, (uint8_t)(i / LEGS), (uint8_t)(i % LEGS) } } };

		leg.u.leg.room = (struct object_id){ d->instance, (uint16_t)w, OBJECT_ROOM,
			500 + i / LEGS, 1 };
		leg.u.leg.port = 2856;
		leg.u.leg.participant = i;
		leg.u.leg.status = (struct leg_status){
			.state = LEG_UNBOUND, .cause = LEG_CAUSE_LOST, .member = 1, .bindings = 2
		};
		leg.u.leg.uri.len = (uint16_t)snprintf(
			uri, sizeof(uri), "msrp://127.0.0.1:2856/%u-%u;tcp", w, 600 + i);
		desk_put(d, slot, w, &leg, uri);
	}
}

static void desk_answer(struct desk *d, unsigned slot, const struct seen *s)
{
	struct switch_event event = { .type = EVENT_ANSWER,
		.cookie = s->cmd.cookie,
		.object = s->cmd.object,
		.tag = s->cmd.tag };
	char uri[64] = "";

	if (s->cmd.type == CMD_SNAPSHOT) {
		for (unsigned i = 0; i < d->stale; i++) {
			struct switch_event room = { .type = EVENT_SNAPSHOT_ROOM,
				.object = { d->instance, (uint16_t)s->worker, OBJECT_ROOM, 1000 + i,
					1 } };

			desk_put(d, slot, s->worker, &room, NULL);
		}
		desk_show_known(d, slot, s->worker);
		event.type = EVENT_SNAPSHOT_END;
	} else if (s->cmd.type == d->refused) {
		event.result = d->refusal;
	} else if (s->cmd.type == CMD_ROOM_OPEN) {
		event.object = (struct object_id){ d->instance, (uint16_t)s->worker, OBJECT_ROOM,
			d->next_index++, 1 };
	} else if (s->cmd.type == CMD_LEG_ADD) {
		event.object = (struct object_id){ d->instance, (uint16_t)s->worker, OBJECT_LEG,
			d->next_index++, 1 };
		snprintf(uri, sizeof(uri), "msrp://127.0.0.1:2855/leg%u;tcp", event.object.index);
		event.u.leg.uri = (struct text_ref){ 0, (uint16_t)strlen(uri) };
		event.u.leg.port = 2855;
	}
	desk_put(d, slot, s->worker, &event, uri[0] ? uri : NULL);
}

static void desk_work(struct desk *d)
{
	static char record[RING_RECORD_MAX];

	for (unsigned slot = 0; slot < BORDER_CONTROLLERS_MAX; slot++) {
		for (uint32_t w = 0; w < WORKERS && d->in_use[slot]; w++) {
			struct attachment_end *end = &d->ends[slot][w];

			while (!d->closed && d->seen_count < SEEN_MAX &&
				ring_get(&end->commands, record) > 0) {
				struct seen *s = &d->seen[d->seen_count++];

				s->worker = w;
				memcpy(&s->cmd, record, sizeof(s->cmd));
				snprintf(s->text, sizeof(s->text), "%.*s", (int)s->cmd.text_len,
					record + sizeof(s->cmd));
				ring_may_sleep(&end->commands);
			}
			if (ring_release(&end->commands))
				desk_wake(end->controller_fd);
			ring_may_sleep(&end->commands);
		}
		while (d->in_use[slot] && !d->mute && d->answered < d->seen_count &&
			!(d->held_back && d->seen[d->answered].worker == 1))
			desk_answer(d, slot, &d->seen[d->answered++]);
	}
}

static void *desk_run(void *arg)
{
	struct desk *d = arg;

	for (;;) {
		int fds[ATTACH_FDS_MAX];
		struct pollfd p[ATTACH_FDS_MAX + WORKERS + 1];
		uint64_t used;
		unsigned n;

		pthread_mutex_lock(&d->lock);
		if (d->stop) {
			pthread_mutex_unlock(&d->lock);
			return NULL;
		}
		attach_poll(d->attach, clock_ms() + d->ahead_ms);
		desk_work(d);
		n = attach_wait_on(d->attach, fds, ATTACH_FDS_MAX);
		pthread_mutex_unlock(&d->lock);
		for (unsigned i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		for (unsigned w = 0; w < WORKERS; w++)
			p[n++] = (struct pollfd){ .fd = d->fds[w], .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = d->kick, .events = POLLIN };
		poll(p, n, 20);
		for (unsigned w = 0; w < WORKERS; w++)
			attach_wake_take(d->fds[w]);
		if (read(d->kick, &used, sizeof(used)) < 0)
			cr_assert_eq(errno, EAGAIN);
	}
}

static void on_attached(void *arg, unsigned slot, const struct attachment_end *ends)
{
	struct desk *d = arg;

	memcpy(d->ends[slot], ends, sizeof(d->ends[slot]));
	d->in_use[slot] = true;
	d->attachments++;
	d->answered = d->seen_count;
	attach_ready(d->attach, slot);
}

static void on_detached(void *arg, unsigned slot)
{
	struct desk *d = arg;

	d->in_use[slot] = false;
	attach_released(d->attach, slot);
}

static bool on_in_use(void *arg, unsigned slot)
{
	return true;
}

static char directory[] = "/tmp/test-media-XXXXXX", path[64];

static void desk_start(struct desk *d, uint32_t instance)
{
	static const struct attach_ops ops = { on_attached, on_detached, on_in_use };

	*d = (struct desk){ .refused = CMD_COUNT, .instance = instance, .next_index = 1 };
	d->seen = calloc(SEEN_MAX, sizeof(d->seen[0]));
	cr_assert_not_null(d->seen);
	pthread_mutex_init(&d->lock, NULL);
	for (unsigned w = 0; w < WORKERS; w++)
		d->fds[w] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	cr_assert_eq(
		attach_new(&d->attach, path, instance, WORKERS, RING_SIZE, d->fds, &ops, d), 0);
	cr_assert_eq(pthread_create(&d->thread, NULL, desk_run, d), 0);
}

static void desk_stop(struct desk *d)
{
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_mutex_unlock(&d->lock);
	desk_wake(d->kick);
	pthread_join(d->thread, NULL);
	cr_expect_not(d->event_lost);
	attach_free(d->attach);
	for (unsigned w = 0; w < WORKERS; w++)
		close(d->fds[w]);
	close(d->kick);
	free(d->seen);
	pthread_mutex_destroy(&d->lock);
}

#define WITH(d, statement)                                                                         \
	do {                                                                                       \
		pthread_mutex_lock(&(d)->lock);                                                    \
		statement;                                                                         \
		pthread_mutex_unlock(&(d)->lock);                                                  \
		desk_wake((d)->kick);                                                              \
	} while (0)

/* The user of media: notes what it hears. */
struct user {
	struct media *media;
	unsigned ups, downs, dones, changes, counts, asks;
	int result; /* of the last done */
	char uri[64];
	uint16_t port;
	struct leg_status status;
	struct room_counts room;
	uint64_t ask;
	char name[64];
	void *arg;                    /* of the last callback */
	void *order[SEEN_MAX];        /* args of the dones, in their order */
	void (*then)(struct user *u); /* done inside the next done */
	struct media_room *room_handle;
	struct media_leg *leg_handle;
};

static struct user user;
static struct desk desk;
static uint64_t ahead_ms; /* of media's clock */

static void heard_up(void *arg)
{
	((struct user *)arg)->ups++;
}

static void heard_down(void *arg)
{
	((struct user *)arg)->downs++;
}

static void heard_leg(void *arg, void *leg_arg, const struct leg_status *status)
{
	struct user *u = arg;

	u->changes++;
	u->arg = leg_arg;
	u->status = *status;
}

static void heard_counts(void *arg, void *room_arg, const struct room_counts *counts)
{
	struct user *u = arg;

	u->counts++;
	u->arg = room_arg;
	u->room = *counts;
}

static void heard_nickname(
	void *arg, void *leg_arg, struct media_leg *leg, uint64_t ask, struct span name)
{
	struct user *u = arg;

	u->asks++;
	u->arg = leg_arg;
	u->ask = ask;
	snprintf(u->name, sizeof(u->name), "%.*s", SPAN_ARG(name));
	cr_expect_eq(leg, u->leg_handle);
}

static void heard_done(void *arg, int result)
{
	void (*then)(struct user *) = user.then;

	user.order[user.dones++ % SEEN_MAX] = arg;
	user.arg = arg;
	user.result = result;
	user.then = NULL;
	if (then != NULL)
		then(&user);
}

static void heard_leg_done(void *arg, int result, struct span uri, uint16_t port)
{
	snprintf(user.uri, sizeof(user.uri), "%.*s", SPAN_ARG(uri));
	user.port = port;
	heard_done(arg, result);
}

static const struct media_ops ops = { .up = heard_up,
	.down = heard_down,
	.leg_changed = heard_leg,
	.room_counts = heard_counts,
	.nickname_asked = heard_nickname };

static void turn(struct media *m)
{
	struct pollfd p[2];
	int fds[2], timeout_ms;

	media_wait_on(m, fds, &timeout_ms);
	cr_assert(timeout_ms >= 0 && timeout_ms <= 1000);
	p[0] = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = fds[1], .events = POLLIN };
	poll(p, 2, timeout_ms < 20 ? timeout_ms : 20);
	media_poll(m, clock_ms() + ahead_ms);
}

#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		uint64_t end_ms_ = clock_ms() + 20000;                                             \
		while (!(condition) && clock_ms() < end_ms_)                                       \
			turn(user.media);                                                          \
		cr_assert(condition, "never came true: %s", #condition);                           \
	} while (0)

/* Long enough for what should not happen to have happened. */
static void idle(void)
{
	for (int i = 0; i < 5; i++)
		turn(user.media);
}

static unsigned seen_count(void)
{
	unsigned count;

	pthread_mutex_lock(&desk.lock);
	count = desk.seen_count;
	pthread_mutex_unlock(&desk.lock);
	return count;
}

static unsigned seen_of(unsigned type)
{
	unsigned count = 0;

	pthread_mutex_lock(&desk.lock);
	for (unsigned i = 0; i < desk.seen_count; i++)
		count += desk.seen[i].cmd.type == type;
	pthread_mutex_unlock(&desk.lock);
	return count;
}

/* The names of the commands from the i-th on, with spaces between. */
static const char *seen_names(unsigned i)
{
	static char names[512];

	names[0] = '\0';
	pthread_mutex_lock(&desk.lock);
	for (; i < desk.seen_count && strlen(names) < 480; i++) {
		strcat(names, names[0] ? " " : "");
		strcat(names, switch_command_name(desk.seen[i].cmd.type));
	}
	pthread_mutex_unlock(&desk.lock);
	return names;
}

static void start(unsigned queue_max)
{
	strcpy(directory, "/tmp/test-media-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	desk_start(&desk, 77);
	cr_assert_eq(media_new(&user.media, path, "focus", queue_max, &ops, &user), 0);
	UNTIL(user.ups == 1);
	cr_assert_str_eq(seen_names(0), "SNAPSHOT SNAPSHOT");
}

static void finish(void)
{
	media_free(user.media);
	desk_stop(&desk);
	cr_expect_eq(rmdir(directory), 0, "the socket file is gone");
}

static const struct object_tag tag = { { 1, 2, 3 } };

static int room_open(struct media_room **room, void *arg)
{
	struct span uris[] = { SPAN_LITERAL("sip:im-1@example.com"),
		SPAN_LITERAL("sip:factory@example.com") };

	return media_room_open(user.media, room, &tag, ROOM_NICKNAME, 1000, uris, 2,
		SPAN_LITERAL("text/plain image/png"), heard_done, arg);
}

static int leg_add(struct media_room *room, struct media_leg **leg, void *arg)
{
	struct media_leg_offer offer = {
		.active = false, .bind_ms = 30000, .path = SPAN_LITERAL("msrp://h:1/s;tcp")
	};

	return media_leg_add(room, leg, &tag, &offer, heard_leg_done, arg);
}

static int member_add(struct media_leg *leg)
{
	struct span identities[] = { SPAN_LITERAL("sip:alice@example.com"),
		SPAN_LITERAL("tel:+1555") };
	struct media_member member = { .flags = MEMBER_PRIVATE,
		.participant = 5,
		.identities = identities,
		.identity_count = 2,
		.alias = SPAN_LITERAL("<sip:anon@anonymous.invalid>"),
		.wrapped = SPAN_LITERAL("*") };

	return media_member_add(leg, &member);
}

/* The parts of a text, as the switch would take them. */
static struct span seen_text(unsigned i, struct text_ref ref)
{
	return text_get(ref, desk.seen[i].text, desk.seen[i].cmd.text_len);
}

#define expect_text(i, ref, expected)                                                              \
	do {                                                                                       \
		struct span text_ = seen_text(i, ref);                                             \
		cr_expect(span_eq(text_, span_of(expected)), "'%.*s'", SPAN_ARG(text_));           \
	} while (0)

Test(media, a_room_a_leg_and_a_member_reach_the_switch_as_they_were_given)
{
	struct media_leg_offer update = { .active = true,
		.secure = true,
		.bind_ms = 7,
		.path = SPAN_LITERAL("msrps://x:2/y;tcp") };
	struct media_room *room;
	struct media_leg *leg;
	int a, b;

	start(100);
	cr_assert_eq(room_open(&room, &a), 0);
	UNTIL(user.dones == 1);
	cr_expect_eq(user.arg, &a);
	cr_expect_eq(user.result, 0);
	cr_assert_eq(leg_add(room, &leg, &b), 0);
	UNTIL(user.dones == 2);
	cr_expect_eq(user.arg, &b);
	cr_expect_str_eq(user.uri, "msrp://127.0.0.1:2855/leg2;tcp");
	cr_expect_eq(user.port, 2855);
	cr_assert_eq(member_add(leg), 0);
	cr_assert_eq(media_member_flags(leg, MEMBER_MUTED), 0);
	cr_assert_eq(media_leg_update(leg, &update, true), 0);
	cr_assert_eq(media_member_remove(leg), 0);
	cr_assert_eq(media_nickname_answer(leg, 99, 425), 0);
	media_leg_remove(leg);
	media_room_close(room);
	UNTIL(seen_count() == 11);
	cr_expect_str_eq(seen_names(2),
		"ROOM_OPEN LEG_ADD MEMBER_ADD MEMBER_MUTE LEG_UPDATE MEMBER_REMOVE NICKNAME LEG_REMOVE ROOM_CLOSE");

	pthread_mutex_lock(&desk.lock);
	struct seen *s = desk.seen + 2;
	struct object_id none = { 0 }, room_id = { 77, 0, OBJECT_ROOM, 1, 1 },
			 leg_id = { 77, 0, OBJECT_LEG, 2, 1 };

	cr_expect(object_id_eq(&s[0].cmd.object, &none));
	cr_expect_eq(memcmp(&s[0].cmd.tag, &tag, sizeof(tag)), 0);
	cr_expect_eq(s[0].cmd.u.room.flags, ROOM_NICKNAME);
	cr_expect_eq(s[0].cmd.u.room.max_message, 1000);
	expect_text(2, s[0].cmd.u.room.uris, "sip:im-1@example.com\nsip:factory@example.com\n");
	expect_text(2, s[0].cmd.u.room.wrapped, "text/plain image/png");
	cr_expect(object_id_eq(&s[1].cmd.object, &room_id));
	cr_expect_eq(memcmp(&s[1].cmd.tag, &tag, sizeof(tag)), 0);
	cr_expect_eq(s[1].cmd.u.leg.setup, LEG_PASSIVE);
	cr_expect_eq(s[1].cmd.u.leg.bind_ms, 30000);
	expect_text(3, s[1].cmd.u.leg.path, "msrp://h:1/s;tcp");
	for (int i = 2; i <= 7; i++)
		cr_expect(object_id_eq(&s[i].cmd.object, &leg_id), "%d", i);
	cr_expect_eq(s[2].cmd.u.member.flags, MEMBER_PRIVATE);
	cr_expect_eq(s[2].cmd.u.member.participant, 5);
	expect_text(4, s[2].cmd.u.member.identities, "sip:alice@example.com\ntel:+1555\n");
	expect_text(4, s[2].cmd.u.member.alias, "<sip:anon@anonymous.invalid>");
	expect_text(4, s[2].cmd.u.member.wrapped, "*");
	cr_expect_eq(s[3].cmd.u.member.flags, MEMBER_MUTED);
	cr_expect_eq(s[4].cmd.u.leg.setup, LEG_ACTIVE);
	cr_expect_eq(s[4].cmd.u.leg.tls, 1);
	cr_expect_eq(s[4].cmd.u.leg.rebind, 1);
	expect_text(6, s[4].cmd.u.leg.path, "msrps://x:2/y;tcp");
	cr_expect_eq(s[6].cmd.u.nickname.ask, 99);
	cr_expect_eq(s[6].cmd.u.nickname.status, 425);
	cr_expect(object_id_eq(&s[8].cmd.object, &room_id));
	pthread_mutex_unlock(&desk.lock);
	finish();
}

Test(media, commands_given_before_the_ids_are_known_follow_in_their_order)
{
	struct media_leg_offer update = { .path = SPAN_LITERAL("msrp://x:2/y;tcp") };
	struct media_room *room;
	struct media_leg *one, *two;
	int a, b, c;

	start(100);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(room_open(&room, &a), 0);
	cr_assert_eq(leg_add(room, &one, &b), 0);
	cr_assert_eq(member_add(one), 0);
	cr_assert_eq(leg_add(room, &two, &c), 0);
	cr_assert_eq(media_leg_update(one, &update, false), 0);
	UNTIL(seen_count() == 3);
	idle();
	cr_expect_str_eq(seen_names(2), "ROOM_OPEN", "nothing else has an id to speak of");
	cr_expect_eq(user.dones, 0);
	WITH(&desk, desk.mute = false);
	UNTIL(user.dones == 3 && seen_count() == 7);
	cr_expect_str_eq(seen_names(3), "LEG_ADD LEG_ADD MEMBER_ADD LEG_UPDATE");
	cr_expect(user.order[0] == &a && user.order[1] == &b && user.order[2] == &c);
	media_room_close(room);
	finish();
}

Test(media, rooms_are_spread_over_the_workers_in_turn_and_legs_follow_their_room)
{
	struct media_room *rooms[4];
	struct media_leg *leg;

	start(100);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(room_open(&rooms[i], &rooms[i]), 0);
	UNTIL(user.dones == 4);
	cr_assert_eq(leg_add(rooms[3], &leg, NULL), 0);
	UNTIL(user.dones == 5);
	for (int w = 0; w < WORKERS; w++) {
		unsigned opened = 0;

		pthread_mutex_lock(&desk.lock);
		for (unsigned i = 2; i < desk.seen_count; i++)
			opened += desk.seen[i].cmd.type == CMD_ROOM_OPEN &&
				  desk.seen[i].worker == (uint32_t)w;
		pthread_mutex_unlock(&desk.lock);
		cr_expect_eq(opened, 2);
	}
	pthread_mutex_lock(&desk.lock);
	cr_expect_eq(desk.seen[desk.seen_count - 1].cmd.type, CMD_LEG_ADD);
	cr_expect_eq(desk.seen[desk.seen_count - 1].worker, 1);
	pthread_mutex_unlock(&desk.lock);
	finish();
}

Test(media, a_full_ring_queues_up_to_the_bound_and_loses_nothing)
{
	static struct media_room *rooms[SEEN_MAX];
	unsigned count = 0;
	int result;

	start(50);
	WITH(&desk, desk.closed = true);
	while ((result = room_open(&rooms[count], &rooms[count])) == 0)
		cr_assert_lt(++count, SEEN_MAX);
	cr_expect_eq(result, -ENOBUFS);
	cr_expect_null(rooms[count]);
	cr_expect_gt(count, 50 + 2 * (RING_SIZE / 1024));
	idle();
	cr_expect_eq(user.dones, 0);
	cr_expect_eq(room_open(&rooms[count], NULL), -ENOBUFS, "still full");
	WITH(&desk, desk.closed = false);
	UNTIL(user.dones == count);
	for (unsigned i = 0; i < count; i += 2) {
		unsigned of_worker = 0;

		/* Per worker the dones come in the order of the calls. */
		for (unsigned k = 0; k < count; k++)
			of_worker += user.order[k] == &rooms[i];
		cr_expect_eq(of_worker, 1, "%u", i);
	}
	for (unsigned w = 0; w < WORKERS; w++) {
		void *last = NULL;

		for (unsigned k = 0; k < count; k++) {
			struct media_room **room = user.order[k];

			if ((unsigned)(room - rooms) % WORKERS != w)
				continue;
			cr_expect_gt((void *)room, last);
			last = room;
		}
	}
	cr_expect_eq(seen_of(CMD_ROOM_OPEN), count);
	cr_expect_eq(room_open(&rooms[count], NULL), 0, "there is room again");
	finish();
}

Test(media, removals_never_fail_however_full_the_ring_is)
{
	static struct media_room *rooms[SEEN_MAX];
	struct media_room *early;
	struct media_leg *leg;
	unsigned count = 0;

	start(10);
	cr_assert_eq(room_open(&early, NULL), 0);
	cr_assert_eq(leg_add(early, &leg, NULL), 0);
	UNTIL(user.dones == 2);
	WITH(&desk, desk.closed = true);
	while (room_open(&rooms[count], &rooms[count]) == 0)
		cr_assert_lt(++count, SEEN_MAX);
	cr_expect_eq(media_member_flags(leg, 0), -ENOBUFS);
	media_leg_remove(leg);
	media_room_close(early);
	for (unsigned i = 0; i < count; i++)
		media_room_close(rooms[i]);
	WITH(&desk, desk.closed = false);
	/* What was in the ring is opened and closed; what still waited here is never opened at
	 * all. */
	UNTIL(seen_of(CMD_LEG_REMOVE) == 1 && seen_of(CMD_ROOM_CLOSE) == seen_of(CMD_ROOM_OPEN));
	cr_expect_eq(seen_of(CMD_ROOM_OPEN), 1 + count - 10);
	idle();
	cr_expect_eq(seen_of(CMD_ROOM_CLOSE), seen_of(CMD_ROOM_OPEN));
	cr_expect_eq(user.dones, 2, "nobody is told about a handle that was given back");
	finish();
}

Test(media, a_leg_removed_before_its_answer_is_removed_in_the_switch_and_nobody_hears_of_it)
{
	struct switch_event event = {
		.type = EVENT_LEG, .object = { 77, 0, OBJECT_LEG, 2, 1 }, .revision = 1
	};
	struct object_id leg_id = { 77, 0, OBJECT_LEG, 2, 1 };
	struct media_room *room;
	struct media_leg *leg;

	start(100);
	cr_assert_eq(room_open(&room, NULL), 0);
	UNTIL(user.dones == 1);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	cr_assert_eq(member_add(leg), 0);
	UNTIL(seen_of(CMD_LEG_ADD) == 1);
	media_leg_remove(leg);
	WITH(&desk, desk.mute = false);
	UNTIL(seen_of(CMD_LEG_REMOVE) == 1);
	pthread_mutex_lock(&desk.lock);
	cr_expect(object_id_eq(&desk.seen[desk.seen_count - 1].cmd.object, &leg_id));
	desk_put(&desk, 0, 0, &event, NULL);
	pthread_mutex_unlock(&desk.lock);
	idle();
	cr_expect_str_eq(seen_names(2), "ROOM_OPEN LEG_ADD LEG_REMOVE");
	cr_expect_eq(user.dones, 1);
	cr_expect_eq(user.changes, 0);
	media_room_close(room);
	finish();
}

Test(media, a_room_closed_before_its_answer_takes_all_that_waited_for_it_along)
{
	struct media_room *room;
	struct media_leg *leg;

	start(100);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(room_open(&room, NULL), 0);
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	cr_assert_eq(member_add(leg), 0);
	UNTIL(seen_of(CMD_ROOM_OPEN) == 1);
	media_room_close(room);
	WITH(&desk, desk.mute = false);
	UNTIL(seen_of(CMD_ROOM_CLOSE) == 1);
	idle();
	cr_expect_str_eq(seen_names(2), "ROOM_OPEN ROOM_CLOSE");
	cr_expect_eq(user.dones, 0);
	finish();
}

Test(media, a_room_closed_while_a_leg_is_being_added_takes_the_leg_along)
{
	struct media_room *room;
	struct media_leg *leg;

	start(100);
	cr_assert_eq(room_open(&room, NULL), 0);
	UNTIL(user.dones == 1);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	UNTIL(seen_of(CMD_LEG_ADD) == 1);
	media_room_close(room);
	WITH(&desk, desk.mute = false);
	UNTIL(seen_of(CMD_ROOM_CLOSE) == 1);
	idle();
	cr_expect_str_eq(seen_names(2), "ROOM_OPEN LEG_ADD ROOM_CLOSE");
	cr_expect_eq(user.dones, 1);
	finish();
}

Test(media, a_refused_room_fails_what_waits_for_it_with_the_same_result)
{
	struct media_room *room;
	struct media_leg *leg;
	int a, b;

	start(100);
	WITH(&desk, (desk.mute = true, desk.refused = CMD_ROOM_OPEN, desk.refusal = -ENOBUFS));
	cr_assert_eq(room_open(&room, &a), 0);
	cr_assert_eq(leg_add(room, &leg, &b), 0);
	cr_assert_eq(member_add(leg), 0);
	WITH(&desk, desk.mute = false);
	UNTIL(user.dones == 2);
	cr_expect(user.order[0] == &a && user.order[1] == &b);
	cr_expect_eq(user.result, -ENOBUFS);
	cr_expect_str_eq(user.uri, "");
	cr_expect_eq(media_member_flags(leg, 0), -ENOBUFS);
	cr_expect_eq(leg_add(room, &leg, NULL), -ENOBUFS);
	media_room_close(room);
	idle();
	cr_expect_str_eq(seen_names(2), "ROOM_OPEN", "there is nothing to close");
	finish();
}

static void close_the_room(struct user *u)
{
	media_room_close(u->room_handle);
}

Test(media, a_room_may_be_closed_inside_its_own_refusal)
{
	struct media_leg *leg;

	start(100);
	WITH(&desk, (desk.mute = true, desk.refused = CMD_ROOM_OPEN, desk.refusal = -ENOBUFS));
	cr_assert_eq(room_open(&user.room_handle, NULL), 0);
	cr_assert_eq(leg_add(user.room_handle, &leg, NULL), 0);
	user.then = close_the_room;
	WITH(&desk, desk.mute = false);
	UNTIL(user.dones == 1);
	idle();
	cr_expect_eq(user.dones, 1, "the leg went with its room");
	finish();
}

Test(media, a_room_may_be_closed_inside_the_answer_of_its_leg)
{
	struct media_leg *leg;

	start(100);
	cr_assert_eq(room_open(&user.room_handle, NULL), 0);
	UNTIL(user.dones == 1);
	cr_assert_eq(leg_add(user.room_handle, &leg, NULL), 0);
	user.then = close_the_room;
	UNTIL(user.dones == 2 && seen_of(CMD_ROOM_CLOSE) == 1);
	finish();
}

static void free_all(struct user *u)
{
	media_free(u->media);
}

Test(media, media_may_be_freed_inside_a_callback)
{
	struct media_room *room, *other;

	start(100);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(room_open(&room, NULL), 0);
	cr_assert_eq(room_open(&other, NULL), 0);
	user.then = free_all;
	WITH(&desk, desk.mute = false);
	for (int i = 0; i < 200 && user.dones == 0; i++)
		turn(user.media);
	cr_expect_eq(user.dones, 1, "nobody is called after the end");
	user.media = NULL;
	finish();
}

Test(media, freeing_it_while_several_wait_tells_only_the_first)
{
	struct media_leg *one, *two;

	start(100);
	WITH(&desk, (desk.mute = true, desk.refused = CMD_ROOM_OPEN, desk.refusal = -ENOBUFS));
	cr_assert_eq(room_open(&user.room_handle, NULL), 0);
	cr_assert_eq(leg_add(user.room_handle, &one, NULL), 0);
	cr_assert_eq(leg_add(user.room_handle, &two, NULL), 0);
	user.then = free_all;
	WITH(&desk, desk.mute = false);
	for (int i = 0; i < 200 && user.dones == 0; i++)
		turn(user.media);
	cr_expect_eq(user.dones, 1);
	user.media = NULL;
	finish();
}

Test(media, a_refused_leg_leaves_its_room_alone)
{
	struct media_room *room;
	struct media_leg *leg;

	start(100);
	cr_assert_eq(room_open(&room, NULL), 0);
	UNTIL(user.dones == 1);
	WITH(&desk, (desk.refused = CMD_LEG_ADD, desk.refusal = -EINVAL));
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	UNTIL(user.dones == 2);
	cr_expect_eq(user.result, -EINVAL);
	media_leg_remove(leg);
	WITH(&desk, desk.refused = CMD_COUNT);
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	UNTIL(user.dones == 3);
	cr_expect_eq(user.result, 0);
	cr_expect_eq(seen_of(CMD_LEG_REMOVE), 0);
	finish();
}

Test(media, events_reach_the_owner_of_the_object_while_there_is_one)
{
	struct object_id room_id = { 77, 0, OBJECT_ROOM, 1, 1 },
			 leg_id = { 77, 0, OBJECT_LEG, 2, 1 };
	struct switch_event bound = { .type = EVENT_LEG, .object = leg_id, .revision = 5 };
	struct switch_event counts = { .type = EVENT_ROOM, .object = room_id, .revision = 1 };
	struct switch_event asked = { .type = EVENT_NICKNAME_ASKED, .object = leg_id };
	struct switch_event other;
	struct media_room *room;
	int a, b;

	start(100);
	cr_assert_eq(room_open(&room, &a), 0);
	cr_assert_eq(leg_add(room, &user.leg_handle, &b), 0);
	UNTIL(user.dones == 2);
	bound.u.leg.status =
		(struct leg_status){ .state = LEG_BOUND, .congested = 1, .bindings = 3 };
	counts.u.room.messages = 12;
	asked.u.nickname.ask = 42;
	asked.u.nickname.name = (struct text_ref){ 0, 5 };
	WITH(&desk, (desk_put(&desk, 0, 0, &bound, NULL), desk_put(&desk, 0, 0, &counts, NULL),
			    desk_put(&desk, 0, 0, &asked, "Alice")));
	UNTIL(user.changes == 1 && user.counts == 1 && user.asks == 1);
	cr_expect_eq(user.arg, &b);
	cr_expect_eq(user.status.state, LEG_BOUND);
	cr_expect_eq(user.status.bindings, 3);
	cr_expect_eq(user.room.messages, 12);
	cr_expect_eq(user.ask, 42);
	cr_expect_str_eq(user.name, "Alice");

	/* An older state, an unknown generation, an unknown instance, an id of the other kind, an
	 * unknown type. */
	other = bound;
	other.revision = 4;
	WITH(&desk, desk_put(&desk, 0, 0, &other, NULL));
	other = bound;
	other.object.generation = 2;
	WITH(&desk, desk_put(&desk, 0, 0, &other, NULL));
	other = bound;
	other.object.instance = 78;
	WITH(&desk, desk_put(&desk, 0, 0, &other, NULL));
	other = bound;
	other.object = room_id;
	WITH(&desk, desk_put(&desk, 0, 0, &other, NULL));
	other.type = EVENT_COUNT + 7;
	WITH(&desk, desk_put(&desk, 0, 0, &other, NULL));
	other = (struct switch_event){ .type = EVENT_ANSWER, .cookie = 0x123456789abcdef };
	WITH(&desk, desk_put(&desk, 0, 0, &other, NULL));
	bound.revision = 6;
	bound.u.leg.status.state = LEG_UNBOUND;
	WITH(&desk, desk_put(&desk, 0, 0, &bound, NULL));
	UNTIL(user.changes == 2);
	cr_expect_eq(user.status.state, LEG_UNBOUND);

	media_room_close(room);
	bound.revision = 7;
	WITH(&desk, (desk_put(&desk, 0, 0, &bound, NULL), desk_put(&desk, 0, 0, &counts, NULL),
			    desk_put(&desk, 0, 0, &asked, "Alice")));
	idle();
	cr_expect_eq(user.changes, 2);
	cr_expect_eq(user.counts, 1);
	cr_expect_eq(user.asks, 1);
	finish();
}

Test(media, an_answer_given_twice_does_not_meet_the_next_command)
{
	struct switch_event again = { .type = EVENT_ANSWER };
	struct media_room *room, *next;
	int a, b;

	start(100);
	cr_assert_eq(room_open(&room, &a), 0);
	UNTIL(user.dones == 1);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(room_open(&next, &b), 0);
	UNTIL(seen_of(CMD_ROOM_OPEN) == 2);
	again.cookie = desk.seen[2].cmd.cookie;
	again.object = (struct object_id){ 77, 0, OBJECT_ROOM, 1, 1 };
	WITH(&desk, desk_put(&desk, 0, 0, &again, NULL));
	idle();
	cr_expect_eq(user.dones, 1);
	WITH(&desk, desk.mute = false);
	UNTIL(user.dones == 2);
	cr_expect_eq(user.arg, &b);
	finish();
}

Test(media, what_the_switch_says_is_gone_is_dead)
{
	struct switch_event gone = { .type = EVENT_LEG_GONE,
		.object = { 77, 0, OBJECT_LEG, 2, 1 } };
	struct media_room *room;
	struct media_leg *leg;

	start(100);
	cr_assert_eq(room_open(&room, NULL), 0);
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	UNTIL(user.dones == 2);
	WITH(&desk, desk_put(&desk, 0, 0, &gone, NULL));
	UNTIL(media_member_flags(leg, 0) == -ENOENT);
	media_leg_remove(leg);
	idle();
	cr_expect_eq(seen_of(CMD_LEG_REMOVE), 0);
	cr_expect_eq(user.dones, 2);
	finish();
}

Test(media, rooms_of_an_earlier_life_are_closed_before_anything_else)
{
	struct media_room *room;
	unsigned opened = 0;

	strcpy(directory, "/tmp/test-media-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	desk_start(&desk, 77);
	/* More than a ring takes at once. */
	WITH(&desk, (desk.stale = 400, desk.mute = true));
	cr_assert_eq(media_new(&user.media, path, "focus", 10, &ops, &user), 0);
	UNTIL(seen_count() == 2);
	idle();
	cr_expect_eq(user.ups, 0, "not before every snapshot has ended");
	cr_expect_not(media_is_up(user.media));
	cr_expect_eq(room_open(&room, NULL), -EPIPE);
	WITH(&desk, desk.mute = false);
	UNTIL(user.ups == 1);
	cr_assert_eq(room_open(&room, NULL), 0);
	UNTIL(user.dones == 1);
	cr_expect_eq(seen_of(CMD_ROOM_CLOSE), 800);
	pthread_mutex_lock(&desk.lock);
	/* Workers are not ordered among each other, but each got its own before the new room. */
	for (unsigned i = 2; i < desk.seen_count; i++) {
		const struct seen *s = &desk.seen[i];

		if (s->cmd.type == CMD_ROOM_OPEN) {
			opened = i;
			continue;
		}
		cr_assert_eq(s->cmd.type, CMD_ROOM_CLOSE);
		cr_expect_not(opened != 0 && s->worker == desk.seen[opened].worker,
			"closed after the new room");
		cr_assert_eq(s->cmd.object.worker, s->worker);
		cr_assert(s->cmd.object.index >= 1000 && s->cmd.object.index < 1400);
	}
	cr_expect_neq(opened, 0);
	pthread_mutex_unlock(&desk.lock);
	finish();
}

Test(media, an_absent_switch_is_waited_for)
{
	struct media_room *room;
	int fds[2], timeout_ms;

	strcpy(directory, "/tmp/test-media-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	cr_assert_eq(media_new(&user.media, path, "focus", 10, &ops, &user), 0);
	idle();
	cr_expect_not(media_is_up(user.media));
	cr_expect_eq(room_open(&room, NULL), -EPIPE);
	media_wait_on(user.media, fds, &timeout_ms);
	cr_expect(fds[0] == -1 && fds[1] == -1);
	cr_expect(timeout_ms > 0 && timeout_ms <= 1000);
	desk_start(&desk, 1);
	ahead_ms += 1000;
	UNTIL(user.ups == 1);
	cr_expect_eq(user.downs, 0);
	finish();
}

Test(media, a_restarted_switch_gets_new_rooms_and_never_hears_of_old_ones)
{
	struct media_room *room, *pending, *fresh;
	struct media_leg *leg, *waiting;
	int a, b, c, d;

	start(100);
	cr_assert_eq(room_open(&room, &a), 0);
	cr_assert_eq(leg_add(room, &leg, &b), 0);
	UNTIL(user.dones == 2);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(room_open(&pending, &c), 0);
	cr_assert_eq(leg_add(pending, &waiting, &d), 0);
	UNTIL(seen_of(CMD_ROOM_OPEN) == 2);
	desk_stop(&desk);
	UNTIL(user.downs == 1);
	cr_expect_not(media_is_up(user.media));
	UNTIL(user.dones == 4);
	cr_expect_eq(user.result, -EPIPE);
	cr_expect(user.order[2] == &c && user.order[3] == &d);
	cr_expect_eq(member_add(leg), -EPIPE);
	cr_expect_eq(leg_add(room, &waiting, NULL), -EPIPE);
	cr_expect_eq(room_open(&fresh, NULL), -EPIPE);

	desk_start(&desk, 78);
	ahead_ms += 1000;
	UNTIL(user.ups == 2);
	cr_expect_eq(member_add(leg), -EPIPE, "an old handle stays dead");
	cr_assert_eq(room_open(&fresh, &a), 0);
	UNTIL(user.dones == 5);
	cr_expect_eq(user.result, 0);
	media_leg_remove(leg);
	media_room_close(room);
	media_room_close(pending);
	idle();
	cr_expect_str_eq(seen_names(0), "SNAPSHOT SNAPSHOT ROOM_OPEN");
	media_room_close(fresh);
	UNTIL(seen_of(CMD_ROOM_CLOSE) == 1);
	cr_expect_eq(user.downs, 1);
	finish();
}

static void close_all_on_down(struct user *u)
{
	media_room_close(u->room_handle);
	u->room_handle = NULL;
}

static void heard_down_and_close(void *arg)
{
	heard_down(arg);
	close_all_on_down(arg);
}

Test(media, handles_given_back_while_going_down_are_not_spoken_of)
{
	static const struct media_ops closing = { .up = heard_up,
		.down = heard_down_and_close,
		.leg_changed = heard_leg,
		.room_counts = heard_counts,
		.nickname_asked = heard_nickname };
	struct media_leg *leg;

	strcpy(directory, "/tmp/test-media-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	desk_start(&desk, 77);
	cr_assert_eq(media_new(&user.media, path, "focus", 10, &closing, &user), 0);
	UNTIL(user.ups == 1);
	WITH(&desk, desk.mute = true);
	cr_assert_eq(room_open(&user.room_handle, NULL), 0);
	cr_assert_eq(leg_add(user.room_handle, &leg, NULL), 0);
	idle();
	desk_stop(&desk);
	UNTIL(user.downs == 1);
	idle();
	cr_expect_eq(user.dones, 0);
	media_free(user.media);
	cr_expect_eq(rmdir(directory), 0);
}

Test(media, a_newer_controller_of_the_same_name_fences_the_older_one)
{
	static struct user second;
	struct media *first;

	start(100);
	first = user.media;
	cr_assert_eq(media_new(&second.media, path, "focus", 10, &ops, &second), 0);
	user.media = second.media;
	UNTIL(second.ups == 1);
	user.media = first;
	UNTIL(user.downs == 1);
	cr_expect_not(media_is_up(first));
	cr_expect(media_is_up(second.media));
	media_free(second.media);
	finish();
}

Test(media, the_heart_beats_while_media_is_polled_and_only_then)
{
	bool hung = true;

	start(100);
	/* A minute of the switch's and our clock, in steps. */
	for (int i = 0; i < 60; i++) {
		ahead_ms += 1000;
		turn(user.media);
		WITH(&desk, desk.ahead_ms += 1000);
		turn(user.media);
		pthread_mutex_lock(&desk.lock);
		attach_poll(desk.attach, clock_ms() + desk.ahead_ms);
		hung = attach_is_hung(desk.attach, 0);
		pthread_mutex_unlock(&desk.lock);
		cr_assert_not(hung, "after %d s", i);
	}
	for (int i = 0; i < 15; i++) {
		pthread_mutex_lock(&desk.lock);
		desk.ahead_ms += 1000;
		attach_poll(desk.attach, clock_ms() + desk.ahead_ms);
		hung = attach_is_hung(desk.attach, 0);
		pthread_mutex_unlock(&desk.lock);
	}
	cr_expect(hung, "nobody polls");
	finish();
}

Test(media, what_cannot_be_said_to_the_switch_is_refused)
{
	struct span bad[] = { SPAN_LITERAL("sip:a@b\nsip:c@d") }, empty[] = { { "", 0 } };
	struct media_member member = { .identities = bad, .identity_count = 1 };
	struct media_leg_offer offer = { .bind_ms = 1 };
	static char huge[SWITCH_TEXT_MAX + 1];
	struct media_room *room;
	struct media_leg *leg;

	start(100);
	memset(huge, 'x', sizeof(huge));
	cr_expect_eq(media_room_open(user.media, &room, &tag, 0, 0, bad, 1, SPAN_LITERAL("*"),
			     heard_done, NULL),
		-EINVAL);
	cr_expect_null(room);
	cr_expect_eq(media_room_open(user.media, &room, &tag, 0, 0, empty, 1, SPAN_LITERAL("*"),
			     heard_done, NULL),
		-EINVAL);
	cr_expect_eq(media_room_open(user.media, &room, &tag, 0, 0, NULL, 0,
			     span_make(huge, sizeof(huge)), heard_done, NULL),
		-ENOBUFS);
	cr_assert_eq(room_open(&room, NULL), 0);
	offer.path = span_make(huge, sizeof(huge));
	cr_expect_eq(media_leg_add(room, &leg, &tag, &offer, heard_leg_done, NULL), -ENOBUFS);
	cr_expect_null(leg);
	cr_assert_eq(leg_add(room, &leg, NULL), 0);
	cr_expect_eq(media_member_add(leg, &member), -EINVAL);
	UNTIL(user.dones == 2);
	finish();
}

/* Adoption: the user of media that knows some tags from an earlier life. */

static struct {
	unsigned rooms, legs; /* offered */
	struct {
		struct media_room *handle;
		uint64_t messages;
	} room[2 * WORKERS]; /* by 2 * worker + room */
	struct {
		struct media_leg *handle;
		struct leg_status status;
		char uri[64];
		uint16_t port;
		void *room_arg;
	} leg[2 * WORKERS * LEGS];
} found;

/* Room 0 of each worker is known, and of its legs all but the last. */
static void *heard_room_found(void *arg, const struct object_tag *room_tag, struct media_room *room,
	const struct room_counts *counts)
{
	unsigned at = 2u * room_tag->octets[1] + room_tag->octets[2];

	cr_assert_eq(room_tag->octets[0], 9);
	found.rooms++;
	if (room_tag->octets[2] != 0)
		return NULL;
	if (found.room[at].handle != NULL)
		media_room_close(found.room[at].handle); /* dead, from before */
	found.room[at].handle = room;
	found.room[at].messages = counts->messages;
	return &found.room[at];
}

static void *heard_leg_found(void *arg, void *room_arg, const struct object_tag *leg_tag,
	struct media_leg *leg, const struct leg_status *status, struct span uri, uint16_t port)
{
	unsigned at = (2u * leg_tag->octets[1] + leg_tag->octets[2]) * LEGS + leg_tag->octets[3];

	cr_assert_eq(leg_tag->octets[0], 8);
	cr_expect_eq(leg_tag->octets[2], 0, "the leg of a room that is not known");
	found.legs++;
	if (leg_tag->octets[3] == LEGS - 1)
		return NULL;
	found.leg[at].handle = leg;
	found.leg[at].status = *status;
	found.leg[at].port = port;
	found.leg[at].room_arg = room_arg;
	snprintf(found.leg[at].uri, sizeof(found.leg[at].uri), "%.*s", SPAN_ARG(uri));
	return &found.leg[at];
}

static const struct media_ops adopting_ops = { .up = heard_up,
	.down = heard_down,
	.leg_changed = heard_leg,
	.room_counts = heard_counts,
	.nickname_asked = heard_nickname,
	.room_found = heard_room_found,
	.leg_found = heard_leg_found };

static void start_adopting(bool held_back)
{
	strcpy(directory, "/tmp/test-media-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/switch.sock", directory);
	desk_start(&desk, 77);
	WITH(&desk, (desk.known = 2, desk.held_back = held_back));
	cr_assert_eq(media_new(&user.media, path, "focus", 10, &adopting_ops, &user), 0);
}

Test(media, what_is_claimed_from_the_snapshot_is_ours_and_the_rest_is_removed)
{
	struct switch_event event = { .type = EVENT_LEG, .revision = 8 };
	unsigned removed = 0, closed = 0;

	start_adopting(true);
	UNTIL(found.legs == LEGS);
	idle();
	cr_expect_eq(user.ups, 0);
	cr_expect_eq(seen_count(), WORKERS, "a command before the end of every snapshot");
	cr_expect_eq(media_member_remove(found.leg[0].handle), -EPIPE);
	WITH(&desk, desk.held_back = false);
	UNTIL(user.ups == 1);
	cr_expect_eq(found.rooms, 2 * WORKERS);
	cr_expect_eq(found.legs, WORKERS * LEGS, "the legs of rooms that were not claimed");
	cr_expect_eq(found.room[0].messages, 40);
	cr_expect_eq(found.leg[1].room_arg, &found.room[0]);
	cr_expect_eq(found.leg[1].status.state, LEG_UNBOUND);
	cr_expect_eq(found.leg[1].status.cause, LEG_CAUSE_LOST);
	cr_expect_eq(found.leg[1].status.member, 1);
	cr_expect_str_eq(found.leg[1].uri, "msrp://127.0.0.1:2856/0-601;tcp");
	cr_expect_eq(found.leg[1].port, 2856);
	cr_expect_eq(found.leg[2 * LEGS].room_arg, &found.room[2]);
	UNTIL(seen_of(CMD_ROOM_CLOSE) == WORKERS && seen_of(CMD_LEG_REMOVE) == WORKERS);
	idle();
	pthread_mutex_lock(&desk.lock);
	for (unsigned i = WORKERS; i < desk.seen_count; i++) {
		const struct switch_cmd *cmd = &desk.seen[i].cmd;

		cr_expect_eq(cmd->object.worker, desk.seen[i].worker);
		if (cmd->type == CMD_ROOM_CLOSE && cmd->object.index == 501)
			closed++;
		else if (cmd->type == CMD_LEG_REMOVE && cmd->object.index == 600 + LEGS - 1)
			removed++;
		else
			cr_expect(false, "an unexpected command %u", cmd->type);
	}
	pthread_mutex_unlock(&desk.lock);
	cr_expect_eq(closed, WORKERS);
	cr_expect_eq(removed, WORKERS);
	/* From now on they are as if they had been made in this life. */
	cr_assert_eq(member_add(found.leg[2 * LEGS].handle), 0);
	UNTIL(seen_of(CMD_MEMBER_ADD) == 1);
	pthread_mutex_lock(&desk.lock);
	cr_expect_eq(desk.seen[desk.seen_count - 1].worker, 1);
	cr_expect_eq(desk.seen[desk.seen_count - 1].cmd.object.index, 600);
	event.object = desk.seen[desk.seen_count - 1].cmd.object;
	event.u.leg.status.state = LEG_BOUND;
	for (unsigned slot = 0; slot < BORDER_CONTROLLERS_MAX; slot++)
		if (desk.in_use[slot])
			desk_put(&desk, slot, 1, &event, NULL);
	pthread_mutex_unlock(&desk.lock);
	UNTIL(user.changes == 1);
	cr_expect_eq(user.arg, &found.leg[2 * LEGS]);
	cr_expect_eq(user.status.state, LEG_BOUND);
	media_leg_remove(found.leg[0].handle);
	media_room_close(found.room[0].handle);
	UNTIL(seen_of(CMD_LEG_REMOVE) == WORKERS + 1 && seen_of(CMD_ROOM_CLOSE) == WORKERS + 1);
	finish();
}

Test(media, identities_and_alias_of_a_member_are_replaced)
{
	const struct span identities[] = { span_of("sip:a@x"), span_of("sip:anon@y") };
	const struct media_member member = { .participant = 3,
		.identities = identities,
		.identity_count = 2,
		.alias = span_of("<sip:anon@y>") };
	unsigned last = 0;

	start_adopting(false);
	UNTIL(user.ups == 1);
	cr_assert_eq(media_member_alias(found.leg[0].handle, &member), 0);
	UNTIL(seen_of(CMD_MEMBER_ALIAS) == 1);
	pthread_mutex_lock(&desk.lock);
	while (desk.seen[last].cmd.type != CMD_MEMBER_ALIAS)
		last++;
	pthread_mutex_unlock(&desk.lock);
	cr_expect(span_eq(seen_text(last, desk.seen[last].cmd.u.member.identities),
		span_of("sip:a@x\nsip:anon@y\n")));
	cr_expect(span_eq(
		seen_text(last, desk.seen[last].cmd.u.member.alias), span_of("<sip:anon@y>")));
	cr_expect_eq(desk.seen[last].cmd.u.member.participant, 3);
	cr_expect_eq(desk.seen[last].cmd.object.index, 600);
	finish();
}

/* The same switch, another attachment: another controller fenced us, or the socket broke. */
Test(media, a_switch_lost_for_a_moment_offers_again_what_it_holds)
{
	struct media *other;

	start_adopting(false);
	UNTIL(user.ups == 1);
	cr_expect_eq(found.rooms, 2 * WORKERS);
	cr_assert_eq(media_new(&other, path, "focus", 10, &ops, &user), 0);
	WITH(&desk, desk.known = 0);
	for (uint64_t end = clock_ms() + 20000; user.ups < 2 && clock_ms() < end;)
		turn(other);
	cr_assert_eq(user.ups, 2);
	WITH(&desk, desk.known = 2);
	UNTIL(user.downs == 1);
	cr_expect_eq(media_member_remove(found.leg[0].handle), -EPIPE);
	media_free(other);
	ahead_ms += 1000;
	UNTIL(user.ups == 3);
	cr_expect_eq(found.rooms, 4 * WORKERS);
	cr_expect_eq(found.legs, 2 * WORKERS * LEGS);
	cr_expect_eq(media_member_remove(found.leg[0].handle), 0);
	finish();
}
