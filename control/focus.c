/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/focus.h"
#include <stdlib.h>
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

	if (identity_canonical(request->uri, canonical) == 0) {
		for (unsigned i = 0; i < focus->factory_count; i++) {
			if (strcmp(canonical, focus->factories[i]) == 0) {
				adhoc_received(focus, dialog, request,
					focus->config->sip_factory.items[i]);
				return;
			}
		}
		if (conference_is_identity(request->uri, focus->config->sip_domain)) {
			rejoin_received(focus, dialog, request,
				conference_find(&focus->conferences, canonical));
			return;
		}
	}
	/* CF-7.2.1.2-R1: 11.1 */
	intake_refuse(focus, dialog, 404, "Not Found", "Conference URI does not exist");
}

static void request_received(void *arg, struct ua_transaction *t, const struct request *request)
{
	struct focus *focus = arg;
	struct header_block extra;

	if (request->method == REQUEST_OPTIONS) {
		options_received(focus, t, request);
		return;
	}
	header_init(&extra);
	header_add(&extra, "Allow", "%s", UA_ALLOW);
	ua_respond(t, 405, "Method Not Allowed", &extra, NULL, NULL);
}

static void switch_up(void *arg)
{
	struct focus *focus = arg;

	focus->attached++;
	log_info("focus", "switch attached");
}

/* The rooms have gone with the switch: nobody can be heard, so everybody is told to leave. */
static void switch_down(void *arg)
{
	struct focus *focus = arg;
	struct conference *next;

	focus->attached++;
	log_warning("focus", "switch lost conferences=%u", focus->conferences.count);
	for (struct conference *c = TAILQ_FIRST(&focus->conferences.list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conference_end(c, "SIP;cause=480;text=\"MSRP connection lost\"");
	}
}

int focus_new(struct focus **out, const struct config *config)
{
	static const struct ua_ops ua_ops = {
		.invite = invite_received,
		.request = request_received,
	};
	static const struct media_ops media_ops = {
		.up = switch_up,
		.down = switch_down,
		.leg_changed = leg_changed,
		.room_counts = room_counted,
	};
	struct focus *focus = calloc(1, sizeof(*focus));
	int r = -ENOBUFS;

	if (focus == NULL)
		return -ENOBUFS;
	focus->config = config;
	conferences_init(&focus->conferences);
	notifiers_init(&focus->notifiers, config, &focus->deadlines, NULL);
	focus->factory_count = config->sip_factory.count;
	focus->factories = calloc(focus->factory_count + 1, sizeof(*focus->factories));
	if (focus->factories == NULL)
		goto failed;
	for (unsigned i = 0; i < focus->factory_count; i++) {
		r = identity_canonical(span_of(config->sip_factory.items[i]), focus->factories[i]);
		if (r < 0) {
			log_error("focus", "sip.factory: not a SIP URI found=%s",
				config->sip_factory.items[i]);
			r = -EINVAL;
			goto failed;
		}
	}
	r = ua_new(&focus->ua, config, &focus->deadlines, focus->store,
		(unsigned)config->switch_max_legs + DIALOGS_SPARE, &ua_ops, focus);
	if (r < 0)
		goto failed;
	r = media_new(&focus->media, config->switch_socket, CONTROLLER_NAME, MEDIA_QUEUE_MAX,
		&media_ops, focus);
	if (r < 0)
		goto failed;
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
	media_free(focus->media);
	ua_free(focus->ua);
	deadlines_fini(&focus->deadlines);
	free(focus->factories);
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
	wait_ms = deadlines_wait_ms(&focus->deadlines, ua_now_ms(), wait_ms);
	ua_step(focus->ua, wait_ms);
	media_poll(focus->media, ua_now_ms());
	deadlines_run(&focus->deadlines, ua_now_ms());
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
