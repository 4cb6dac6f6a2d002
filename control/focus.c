/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/focus.h"
#include <stdlib.h>
#include "control/conference/restore.h"
#include "control/controlling/intake.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

#define CONTROLLER_NAME "plenum-focus"
#define MEDIA_QUEUE_MAX 65536u /* commands that may wait while the rings are full */
#define DIALOGS_SPARE                                                                              \
	1000u /* dialogs beyond the switch's legs: those that are being refused or ended */

/* 7.2.1: which procedure a Request-URI asks for. */
static void invite_received(void *arg, struct dialog *dialog, const struct request *request)
{
	struct focus *focus = arg;
	char canonical[IDENTITY_MAX];
	struct group *group;

	if (identity_canonical(request->uri, canonical) == 0) {
		for (unsigned i = 0; i < focus->factory_count; i++) {
			if (strcmp(canonical, focus->factories[i]) == 0) {
				adhoc_received(focus, dialog, request,
					focus->config->sip_factory.items[i]);
				return;
			}
		}
		group = groups_find(focus->groups, canonical); /* CF-7.2.1.3-R1 */
		if (group != NULL) {
			group_received(focus, dialog, request, group);
			return;
		}
		if (conference_is_identity(request->uri, focus->config->sip_domain)) {
			rejoin_received(focus, dialog, request,
				conference_find(&focus->conferences, canonical));
			return;
		}
	}
	/* CF-7.2.1.2-R1: 11.1; CF-7.2.1.3-R1a: 11.2 */
	intake_refuse(focus, dialog, 404, "Not Found", "Conference URI does not exist");
}

static void request_received(void *arg, struct ua_transaction *t, const struct request *request)
{
	struct focus *focus = arg;
	struct header_block extra;

	switch (request->method) {
	case REQUEST_OPTIONS: options_received(focus, t, request); break;
	case REQUEST_SUBSCRIBE: subscribe_received(focus, t, request, NULL); break;
	case REQUEST_REFER: refer_received(focus, t, request, NULL); break;
	default:
		header_init(&extra);
		header_add(&extra, "Allow", "%s", UA_ALLOW);
		ua_respond(t, 405, "Method Not Allowed", &extra, NULL, NULL);
		break;
	}
}

static void switch_up(void *arg)
{
	struct focus *focus = arg;

	focus->attached++;
	log_info("focus", "switch attached");
	recover_up(focus);
}

/* Who is in stays: the next switch gets the rooms, and everybody is offered anew (recover.c). */
static void switch_draining(void *arg)
{
	struct focus *focus = arg;

	log_info("focus", "switch drains, nobody is let in until the next conferences=%u",
		focus->conferences.count);
	focus->draining = true;
}

static void switch_down(void *arg)
{
	struct focus *focus = arg;

	focus->attached++;
	focus->draining = false;
	log_warning("focus", "switch lost conferences=%u", focus->conferences.count);
	recover_down(focus);
}

static void commit(void *arg)
{
	keep_write(arg);
}

struct group *focus_group(const struct focus *focus, const char *canonical)
{
	return groups_find(focus->groups, canonical);
}

static int store_start(struct focus *focus)
{
	const struct config *config = focus->config;
	int r;

	if (config->conference_store[0] == '\0')
		return 0;
	r = store_open(
		&focus->store, config->conference_store, (size_t)config->conference_store_mb << 20);
	if (r == -EBUSY)
		log_error("focus", "another focus is running on this store file=%s",
			config->conference_store);
	else if (r < 0)
		log_error("focus", "conference.store: cannot be opened file=%s error=\"%s\"",
			config->conference_store, strerror(-r));
	return r;
}

/* A list of addresses of the configuration in canonical form. */
static int addresses_read(const struct string_list *list, const char *key,
	char (**out)[IDENTITY_MAX], unsigned *count)
{
	*count = list->count;
	*out = calloc(list->count + 1, sizeof(**out));
	if (*out == NULL)
		return -ENOBUFS;
	for (unsigned i = 0; i < list->count; i++) {
		if (identity_canonical(span_of(list->items[i]), (*out)[i]) == 0)
			continue;
		log_error("focus", "%s: not the URI of a user or a conference found=%s", key,
			list->items[i]);
		return -EINVAL;
	}
	return 0;
}

bool focus_is_history(
	const struct focus *focus, const char *canonical, const char *canonical_second)
{
	for (unsigned i = 0; i < focus->history_count; i++) {
		if (strcmp(focus->history_users[i], canonical) == 0 ||
			strcmp(focus->history_users[i], canonical_second) == 0)
			return true;
	}
	return false;
}

bool focus_is_reserved(const struct focus *focus, const char *key)
{
	for (unsigned i = 0; i < focus->reserved_count; i++)
		if (strcmp(focus->reserved[i], key) == 0)
			return true;
	return false;
}

static int reserved_read(struct focus *focus)
{
	const struct string_list *list = &focus->config->conference_reserved_nicknames;

	focus->reserved = calloc(list->count + 1, sizeof(*focus->reserved));
	if (focus->reserved == NULL)
		return -ENOBUFS;
	for (unsigned i = 0; i < list->count; i++) {
		char *text;
		int r = nickname_read(
			span_of(list->items[i]), &text, &focus->reserved[focus->reserved_count]);

		if (r < 0) {
			log_error("focus", "conference.reserved_nicknames: not a nickname found=%s",
				list->items[i]);
			return -EINVAL;
		}
		free(text);
		focus->reserved_count++;
	}
	return 0;
}

/* Active sessions go on under the document that is in force now; under the last one when there is
 * none any more. */
static void groups_follow(struct focus *focus)
{
	struct conference *c, *next;

	focus->groups_busy = groups_poll(focus->groups, ua_now_ms());
	if (focus->groups_generation == groups_generation(focus->groups))
		return;
	focus->groups_generation = groups_generation(focus->groups);
	HASH_ITER(by_group, focus->conferences.by_group, c, next)
	{
		struct group *group = groups_find(focus->groups, c->group_canonical);

		bool described;

		if (group == NULL || group == c->group)
			continue;
		described =
			strcmp(group->document->display_name, c->group->document->display_name) !=
				0 ||
			group->document->max_participants != c->group->document->max_participants;
		group_put(c->group);
		c->group = group_get(group);
		if (described)
			notifier_described(c);
	}
}

int focus_new(struct focus **out, const struct config *config)
{
	static const struct ua_ops ua_ops = {
		.invite = invite_received,
		.request = request_received,
		.commit = commit,
	};
	static const struct media_ops media_ops = {
		.up = switch_up,
		.draining = switch_draining,
		.down = switch_down,
		.leg_changed = leg_changed,
		.room_counts = room_counted,
		.nickname_asked = nickname_received,
		.room_found = recover_room_found,
		.leg_found = recover_leg_found,
	};
	struct focus *focus = calloc(1, sizeof(*focus));
	int r = -ENOBUFS;

	if (focus == NULL)
		return -ENOBUFS;
	focus->config = config;
	conferences_init(&focus->conferences);
	TAILQ_INIT(&focus->recovery.waiting);
	notifiers_init(&focus->notifiers, config, &focus->deadlines, NULL);
	focus->notifiers.kept = keep_subscriber;
	focus->notifiers.gone = keep_forget_subscriber;
	r = keep_init(&focus->kept);
	if (r == 0)
		r = addresses_read(&config->sip_factory, "sip.factory", &focus->factories,
			&focus->factory_count);
	if (r == 0)
		r = addresses_read(&config->conference_history_users, "conference.history_users",
			&focus->history_users, &focus->history_count);
	if (r == 0)
		r = reserved_read(focus);
	if (r == 0)
		r = groups_new(&focus->groups, config->conference_groups);
	if (r == 0)
		r = store_start(focus);
	if (r < 0)
		goto failed;
	r = ua_new(&focus->ua, config, &focus->deadlines, focus->store,
		(unsigned)config->switch_max_legs + DIALOGS_SPARE, &ua_ops, focus);
	if (r < 0)
		goto failed;
	r = media_new(&focus->media, config->switch_socket, CONTROLLER_NAME, MEDIA_QUEUE_MAX,
		&media_ops, focus);
	if (r < 0)
		goto failed;
	r = restore_conferences(focus);
	if (r < 0)
		goto failed;
	store_read(focus->store);
	*out = focus;
	return 0;
failed:
	focus_free(focus);
	return r;
}

void focus_free(struct focus *focus)
{
	struct conference *c;

	if (focus == NULL)
		return;
	while ((c = TAILQ_FIRST(&focus->conferences.list)) != NULL)
		conference_free(c);
	notifiers_fini(&focus->notifiers);
	referrals_fini(&focus->referrals);
	media_free(focus->media);
	ua_free(focus->ua);
	deadline_clear(&focus->deadlines, &focus->recovery.again);
	deadlines_fini(&focus->deadlines);
	groups_free(focus->groups);
	store_close(focus->store);
	keep_fini(&focus->kept);
	free(focus->factories);
	free(focus->history_users);
	for (unsigned i = 0; i < focus->reserved_count; i++)
		free(focus->reserved[i]);
	free(focus->reserved);
	free(focus);
}

void focus_step(struct focus *focus, int extra_fd, int wait_ms)
{
	int fds[2] = { -1, -1 }, media_wait_ms = wait_ms;

	media_wait_on(focus->media, fds, &media_wait_ms);
	if (media_wait_ms >= 0 && media_wait_ms < wait_ms)
		wait_ms = media_wait_ms;
	/* After an attachment a new descriptor may carry an old number. */
	for (unsigned i = 0; i < 2; i++) {
		if (focus->watched != focus->attached && ua_watch(focus->ua, i, -1) < 0)
			continue;
		if (ua_watch(focus->ua, i, fds[i]) < 0)
			wait_ms = wait_ms < 10 ? wait_ms : 10; /* then it is polled */
	}
	focus->watched = focus->attached;
	if (ua_watch(focus->ua, 2, extra_fd) < 0)
		wait_ms = wait_ms < 100 ? wait_ms : 100;
	if (ua_watch(focus->ua, 3, groups_fd(focus->groups)) < 0)
		wait_ms = wait_ms < 100 ? wait_ms : 100;
	if (focus->groups_busy)
		wait_ms = 0;
	wait_ms = deadlines_wait_ms(&focus->deadlines, ua_now_ms(), wait_ms);
	ua_step(focus->ua, wait_ms);
	media_poll(focus->media, ua_now_ms());
	groups_follow(focus);
	deadlines_run(&focus->deadlines, ua_now_ms());
	keep_write(focus);
}

void focus_stop(struct focus *focus)
{
	struct conference *next;

	focus->stopping = true;
	for (struct conference *c = TAILQ_FIRST(&focus->conferences.list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conference_end(c, "SIP;cause=503;text=\"Server stopping\"");
	}
}

bool focus_is_idle(const struct focus *focus)
{
	return focus->conferences.count == 0 && focus->notifiers.farewells == 0 &&
	       ua_dialogs(focus->ua) == 0;
}
