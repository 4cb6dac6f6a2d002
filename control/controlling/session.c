/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/controlling/procedures.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/notifier.h"
#include "include/log.h"

#define REASON_GONE      "SIP;cause=410;text=\"Gone\""
#define REASON_DURATION  "SIP;cause=410;text=\"Session too long\""
#define REASON_UNBOUND   "SIP;cause=408;text=\"MSRP not bound\""
#define REASON_LOST      "SIP;cause=480;text=\"MSRP connection lost\""
#define REASON_CONGESTED "SIP;cause=480;text=\"Congested\""
#define REASON_NO_ANSWER "SIP;cause=488;text=\"SDP not acceptable\""
#define REASON_EXPIRED   "SIP;cause=408;text=\"Session expired\""

static enum participant_event nothing(struct participant *p)
{
	return PARTICIPANT_EV_NONE;
}

static enum participant_event (*const actions[PARTICIPANT_ACTION_COUNT])(struct participant *) = {
	[PARTICIPANT_DO_NOTHING] = nothing,
	[PARTICIPANT_DO_LEG_ASK] = leg_ask,
	[PARTICIPANT_DO_INVITE_SEND] = invite_send,
	[PARTICIPANT_DO_ENTER] = answer_enter,
	[PARTICIPANT_DO_RING] = answer_ring,
	[PARTICIPANT_DO_JOIN] = invite_join,
	[PARTICIPANT_DO_COUNT_FAILURE] = invite_count_failure,
	[PARTICIPANT_DO_ANSWER] = answer_send,
	[PARTICIPANT_DO_REJECT] = answer_reject,
	[PARTICIPANT_DO_WITHDRAW] = invite_withdraw,
	[PARTICIPANT_DO_FORGET] = nothing,
	[PARTICIPANT_DO_DEPART] = leave_depart,
	[PARTICIPANT_DO_BYE_SEND] = remove_bye,
	[PARTICIPANT_DO_RELEASE] = remove_release,
};

void session_feed(struct participant *p, enum participant_event event)
{
	struct focus *focus = p->conference->focus;

	while (event != PARTICIPANT_EV_NONE) {
		const struct participant_step *step = participant_step(p->state, event);

		if (step == NULL) {
			focus->impossible++;
			log_debug("session",
				"event out of place conference=%s number=%u state=%s event=%s",
				p->conference->uri, p->number, participant_state_name(p->state),
				participant_event_name(event));
			return;
		}
		conference_state(p, step->next);
		event = actions[step->action](p);
		if (p->state == PARTICIPANT_GONE) {
			conference_drop(p);
			return;
		}
	}
}

/* Feeds REMOVE to everybody who is not on the way out; says whether there was one. */
static bool remove_all(struct conference *c, const char *reason)
{
	struct participant *next;
	bool any = false;

	conference_close(c);
	/* A large room that ends is settled at every answered BYE: no walk when there is nobody
	 * left. */
	if (c->in_state[PARTICIPANT_IDLE] + c->in_state[PARTICIPANT_JOINING] +
			c->in_state[PARTICIPANT_INVITED] + c->in_state[PARTICIPANT_CONNECTED] ==
		0)
		return false;
	/* Before anybody leaves: who is told that it is over need not hear of each. */
	notifier_end(c, c->focus->stopping);
	for (struct participant *p = TAILQ_FIRST(&c->participants); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->state == PARTICIPANT_LEAVING || p->state == PARTICIPANT_WITHDRAWN)
			continue;
		any = true;
		if (p->reason == NULL)
			p->reason = reason;
		session_feed(p, PARTICIPANT_EV_REMOVE);
	}
	return any;
}

bool session_withdraw(struct conference *c)
{
	struct participant *next;
	bool any = false;

	if (c->in_state[PARTICIPANT_IDLE] + c->in_state[PARTICIPANT_INVITED] == 0)
		return false;
	for (struct participant *p = TAILQ_FIRST(&c->participants); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->state != PARTICIPANT_IDLE && p->state != PARTICIPANT_INVITED)
			continue;
		any = true;
		session_feed(p, PARTICIPANT_EV_REMOVE);
	}
	return any;
}

/* One decision of the rules; false when there is none to take. */
static bool settle_once(struct conference *c)
{
	struct participant *initiator = c->initiator;
	struct policy_counts counts;

	/* context.md 3.3: an initiator who gave up, or was refused, invites nobody any more. */
	if (initiator == NULL && !c->set_up) {
		c->set_up = true; /* who was asked in later, by REFER, is not of that */
		c->invited = 0;   /* so who came by himself meanwhile may stay and wait */
		if (session_withdraw(c))
			return true;
	}
	if (c->waiting != NULL && c->in_state[PARTICIPANT_INVITED] < INVITATIONS_IN_FLIGHT) {
		session_feed(c->waiting, PARTICIPANT_EV_TURN);
		return true;
	}
	conference_counts(c, &counts);
	switch (policy_decide(&counts, c->focus->config->conference_answer_first)) {
	/* CF-7.2.1.2-OK1, CF-7.2.1.3-OK1; who has been answered waits no more: CF-7.2.1.2-OK1a,
	 * CF-7.2.1.3-OK1a */
	case POLICY_ADMIT_INITIATOR:
		if (!initiator->leg_ready)
			return false;
		session_feed(initiator, PARTICIPANT_EV_ADMIT);
		return true;
	case POLICY_REFUSE_INITIATOR:
		initiator->status = c->lowest_status ? c->lowest_status : 480;
		session_feed(initiator, PARTICIPANT_EV_REFUSE);
		return true;
	case POLICY_RELEASE: return remove_all(c, REASON_GONE);
	default: return false;
	}
}

void conference_settle(struct conference *c)
{
	struct focus *focus = c->focus;

	if (c->settling)
		return;
	c->settling = true;
	while (settle_once(c)) {
	}
	c->settling = false;
	if (!TAILQ_EMPTY(&c->participants))
		return;
	log_info("conference", "ended conference=%s conferences=%u", c->uri,
		focus->conferences.count - 1);
	conference_free(c);
}

void conference_end(struct conference *c, const char *reason)
{
	remove_all(c, reason);
	conference_settle(c);
}

/* ---- making ---- */

int session_make(struct conference **out, struct focus *focus, enum conference_kind kind,
	const char *identity, struct group *group, const struct request *request)
{
	struct conference *c;
	int r = conference_new(&c, focus, kind, identity, group);

	if (r < 0)
		return r;
	c->subject = strndup(request->subject.at, request->subject.len);
	c->contribution_id = strndup(request->contribution_id.at, request->contribution_id.len);
	if (c->subject == NULL || c->contribution_id == NULL) {
		conference_free(c);
		return -ENOBUFS;
	}
	*out = c;
	return 0;
}

static void room_done(void *arg, int result)
{
	struct conference *c = arg;

	if (result == 0)
		return;
	log_warning("session", "no room conference=%s result=\"%s\"", c->uri, result_text(result));
	if (c->initiator != NULL)
		c->initiator->status = 503;
	conference_end(c, "SIP;cause=503;text=\"No resources\"");
}

/* The overall wait for invited ones is over (context.md 3.3). */
static void waited(void *arg)
{
	struct conference *c = arg;

	if (c->initiator != NULL && c->initiator->state == PARTICIPANT_JOINING) {
		c->initiator->status = 480;
		session_feed(c->initiator, PARTICIPANT_EV_REFUSE);
	}
	session_withdraw(c);
	conference_settle(c);
}

static void lasted(void *arg)
{
	conference_end(arg, REASON_DURATION);
}

int session_wait(struct conference *c)
{
	struct focus *focus = c->focus;

	return deadline_set(&focus->deadlines, &c->invite_wait,
		ua_now_ms() + focus->config->sip_invite_wait_ms, waited, c);
}

int session_room_open(struct conference *c)
{
	int r = conference_room_open(c, room_done);

	if (r < 0)
		c->room = NULL;
	return r;
}

int session_open(struct conference *c)
{
	struct focus *focus = c->focus;
	uint64_t lasts_ms = focus->config->conference_max_duration_ms;
	int r = session_room_open(c);

	if (r < 0)
		return r;
	if (c->group != NULL && c->group->document->max_duration_s > 0)
		lasts_ms = c->group->document->max_duration_s * 1000ull;
	if (lasts_ms > 0)
		r = deadline_set(
			&focus->deadlines, &c->duration, ua_now_ms() + lasts_ms, lasted, c);
	if (r == 0 && c->invited > 0)
		r = session_wait(c);
	keep_conference(c);
	return r;
}

void session_resume(struct conference *c)
{
	struct deadlines *deadlines = &c->focus->deadlines;
	struct participant *p;

	if (c->restored_duration_ms > 0 &&
		deadline_set(deadlines, &c->duration, c->restored_duration_ms, lasted, c) < 0)
		log_warning("session", "duration not supervised, no memory conference=%s", c->uri);
	TAILQ_FOREACH(p, &c->participants, link)
	{
		if (p->restored_wait_ms > 0)
			session_wait_binding(p, p->restored_wait_ms);
	}
	session_idle_start(c);
}

/* ---- the switch ---- */

static void leg_done(void *arg, int result, struct span uri, uint16_t port)
{
	struct participant *p = arg;
	struct conference *c = p->conference;

	if (result == 0)
		p->msrp_uri = strndup(uri.at, uri.len);
	p->leg_ready = p->msrp_uri != NULL;
	if (!p->leg_ready) {
		log_warning("session", "no leg conference=%s number=%u result=\"%s\"", c->uri,
			p->number, result_text(result));
		p->status = 503;
	}
	session_feed(p, p->leg_ready ? PARTICIPANT_EV_LEG_READY : PARTICIPANT_EV_LEG_FAILED);
	conference_settle(c);
}

/* The peer's path and who connects follow with the answer, when both are known. */
enum participant_event leg_ask(struct participant *p)
{
	struct conference *c = p->conference;
	const struct media_leg_offer offer = { .path = { "", 0 },
		.family = p->has_remote ? p->remote.family : 0 };
	struct object_tag tag = conference_leg_tag(p);

	if (c->room == NULL || media_leg_add(c->room, &p->leg, &tag, &offer, leg_done, p) < 0) {
		p->leg = NULL;
		p->status = 503;
		return PARTICIPANT_EV_LEG_FAILED;
	}
	return PARTICIPANT_EV_NONE;
}

static bool session_connects(const struct sdp_media *remote, bool we_offered)
{
	enum sdp_setup ours = we_offered ? SDP_SETUP_ACTPASS : sdp_setup_answer(remote->setup);

	return sdp_setup_we_connect(ours, remote->setup, we_offered);
}

const char *session_place_fault(
	const struct focus *focus, const struct sdp_media *remote, bool we_offered)
{
	struct msrp_target target;

	if (!session_connects(remote, we_offered) ||
		sdp_media_target(remote, focus->config->msrp_cema_lenient, &target) == 0)
		return NULL;
	return "a=path has a name where an IP address is needed: we are to connect, and look no name up";
}

int session_leg_update(struct participant *p, bool we_offered, bool rebind)
{
	const struct config *config = p->conference->focus->config;
	bool held = p->remote.setup == SDP_SETUP_HOLDCONN;
	struct media_leg_offer offer = {
		.active = session_connects(&p->remote, we_offered),
		.secure = p->remote.secure,
		/* After the switch was away it is we who wait (session_wait_binding). RFC 4145 4.1:
		 * a connection that is held need not come. */
		.bind_ms = p->reoffer || held ? 0 : (uint32_t)config->msrp_bind_ms,
		.path = span_of(p->remote.path),
	};
	char connect[MSRP_TARGET_TEXT_MAX];
	struct msrp_target target;

	if (p->leg == NULL)
		return -EPIPE;
	if (offer.active) {
		if (sdp_media_target(&p->remote, config->msrp_cema_lenient, &target) < 0)
			return -EINVAL;
		msrp_target_text(&target, connect);
		offer.connect = span_of(connect);
	}
	/* Whoever said something new has its time again. */
	if (deadline_is_set(&p->wait) && !p->reoffer) {
		deadline_clear(&p->conference->focus->deadlines, &p->wait);
		session_wait_binding(p, 0);
	}
	return media_leg_update(p->leg, &offer, rebind);
}

static void rebind_missed(void *arg)
{
	struct participant *p = arg;
	struct conference *c = p->conference;

	p->reason = REASON_LOST;
	session_feed(p, PARTICIPANT_EV_REMOVE);
	conference_settle(c);
}

void session_wait_binding(struct participant *p, uint64_t at_ms)
{
	struct focus *focus = p->conference->focus;

	if (p->has_remote && p->remote.setup == SDP_SETUP_HOLDCONN)
		return; /* RFC 4145 4.1: it is not to come now */
	if (at_ms == 0)
		at_ms = ua_now_ms() + focus->config->msrp_rebind_ms;
	if (deadline_set(&focus->deadlines, &p->wait, at_ms, rebind_missed, p) < 0)
		log_warning("session", "binding not supervised, no memory conference=%s number=%u",
			p->conference->uri, p->number);
	keep_participant(p);
}

void leg_changed(void *arg, void *leg_arg, const struct leg_status *status)
{
	struct participant *p = leg_arg;
	struct conference *c = p->conference;
	struct focus *focus = c->focus;

	p->bound = status->state == LEG_BOUND;
	if (p->bound) {
		if (deadline_is_set(&p->wait)) {
			deadline_clear(&focus->deadlines, &p->wait);
			keep_participant(p);
		}
		return;
	}
	switch (status->cause) {
	case LEG_CAUSE_TIMEOUT: p->reason = REASON_UNBOUND; break;
	case LEG_CAUSE_CONGESTED:
	case LEG_CAUSE_MEMORY: p->reason = REASON_CONGESTED; break;
	case LEG_CAUSE_LOST:
	case LEG_CAUSE_PROTOCOL:
	case LEG_CAUSE_REFUSED:
	case LEG_CAUSE_UNANSWERED:
		/* A re-INVITE may bring it back (context.md 1.4). */
		if (p->state == PARTICIPANT_CONNECTED && !deadline_is_set(&p->wait))
			session_wait_binding(p, 0);
		if (deadline_is_set(&p->wait) || p->remote.setup == SDP_SETUP_HOLDCONN)
			return;
		p->reason = REASON_LOST;
		break;
	default: return;
	}
	if (p->state != PARTICIPANT_CONNECTED)
		return;
	log_info("session", "leg ended conference=%s number=%u cause=\"%s\"", c->uri, p->number,
		leg_cause_text(status->cause));
	session_feed(p, PARTICIPANT_EV_REMOVE);
	conference_settle(c);
}

void room_counted(void *arg, void *room_arg, const struct room_counts *counts)
{
	struct conference *c = room_arg;

	if (counts->messages == c->messages)
		return;
	c->messages = counts->messages;
	session_idle_start(c);
}

static void idled(void *arg)
{
	conference_end(arg, "SIP;cause=480;text=\"Session idle\""); /* context.md 3.5 */
}

void session_idle_start(struct conference *c)
{
	struct focus *focus = c->focus;
	uint64_t idle_ms = focus->config->conference_idle_release_ms;

	if (idle_ms > 0 &&
		deadline_set(&focus->deadlines, &c->idle, ua_now_ms() + idle_ms, idled, c) < 0)
		log_warning("session", "idle time not supervised, no memory conference=%s", c->uri);
}

/* ---- SDP ---- */

static char *sdp_make(struct participant *p, bool answer)
{
	const struct config *config = p->conference->focus->config;
	char policy[2048], *both = NULL, *text;
	struct sdp_local local = {
		.user = "plenum",
		.session = p->sdp_session,
		.version = p->sdp_version,
		.uri = span_of(p->msrp_uri),
		.setup = SDP_SETUP_ACTPASS,
		.max_size = config->msrp_max_message,
		.chatroom = true,
		.chatroom_nickname = config->conference_nicknames,
		.chatroom_private = conference_allows_private(p->conference, p->user),
		.cema = true,
	};

	conference_wrapped_types(config, policy, sizeof(policy));
	local.wrapped_types = span_of(policy);
	if (answer) {
		/* context.md 5.2: the answer has a setup only when the offer had one. */
		local.setup = p->remote.setup == SDP_SETUP_ABSENT
				      ? SDP_SETUP_ABSENT
				      : sdp_setup_answer(p->remote.setup);
		local.secure = p->remote.secure;
		/* CF-7.2.1.2-OK2a, CF-7.2.1.3-OK2a, CF-7.2.1.3-R9bi, CF-7.2.1.4-R9b,
		 * CF-7.2.1.5-R9a, CF-7.2.1.6-R3a1 */
		both = sdp_types_intersect(span_of(policy), span_of(p->remote.wrapped_types));
		if (both == NULL)
			return NULL;
		local.wrapped_types = span_of(both);
	}
	text = sdp_write(&local, answer ? &p->remote : NULL);
	free(both);
	return text;
}

/* FNV-1a; never 0. Not keyed: a later life compares it with its own. A peer that found another text
 * of the same digest would keep us from counting up its own dialog's version, no more. */
static uint64_t digest_of(const char *text)
{
	uint64_t digest = 14695981039346656037u;

	for (; *text != '\0'; text++)
		digest = (digest ^ (unsigned char)*text) * 1099511628211u;
	return digest | 1;
}

/* What was said last is not kept, as it can be made again: in a large room that is a tenth of what
 * a participant costs. */
char *session_sdp(struct participant *p, bool answer)
{
	char *text;

	/* An offer of ours repeats what was said last, also when that was an answer. */
	answer = answer || p->sdp_is_answer;
	text = sdp_make(p, answer);
	if (text != NULL && p->sdp_digest != 0 && digest_of(text) != p->sdp_digest) {
		/* RFC 3264 8: what changed has the next version, what did not keeps its own. */
		free(text);
		p->sdp_version++;
		text = sdp_make(p, answer);
	}
	if (text != NULL) {
		p->sdp_digest = digest_of(text);
		p->sdp_is_answer = answer;
	}
	return text;
}

/* ---- dialogs ---- */

static void cancelled(void *arg)
{
	struct participant *p = arg;
	struct conference *c = p->conference;

	session_feed(p, PARTICIPANT_EV_CANCEL);
	conference_settle(c);
}

static void acknowledged(void *arg, struct span body)
{
	struct participant *p = arg;
	struct conference *c = p->conference;
	bool offered = p->offered;

	p->offered = false;
	if (!offered)
		return;
	if (!(p->has_remote ? modify_answered(p, body) : answer_taken(p, body))) {
		p->reason = REASON_NO_ANSWER;
		session_feed(p, PARTICIPANT_EV_REMOVE);
		conference_settle(c);
	}
}

static void responded(void *arg, const struct response *response)
{
	struct participant *p = arg;
	struct conference *c = p->conference;

	invite_answered(p, response);
	conference_settle(c);
}

static void due(void *arg)
{
	refresh_due(arg);
}

static void refreshed(void *arg, const struct response *response)
{
	struct participant *p = arg;
	struct conference *c = p->conference;

	if (p->reoffered)
		recover_answered(p, response);
	refresh_answered(p, response);
	conference_settle(c);
}

static void changed(void *arg)
{
	keep_participant(arg);
}

static void modified(void *arg, const struct request *request)
{
	modify_received(arg, request);
}

/* RFC 5057: a further usage of the dialog. */
static void requested(void *arg, struct ua_transaction *t, const struct request *request)
{
	struct participant *p = arg;

	if (request->method == REQUEST_SUBSCRIBE)
		subscribe_received(p->conference->focus, t, request, p);
	else
		refer_received(p->conference->focus, t, request, p);
}

static void ended(void *arg, enum dialog_end end)
{
	struct participant *p = arg;
	struct conference *c = p->conference;

	switch (end) {
	case DIALOG_BYE_RECEIVED: session_feed(p, PARTICIPANT_EV_BYE); break;
	case DIALOG_BYE_DONE: session_feed(p, PARTICIPANT_EV_BYE_DONE); break;
	case DIALOG_EXPIRED: /* CF-7.2.1.11-EXP1 */
		p->reason = REASON_EXPIRED;
		session_feed(p, PARTICIPANT_EV_REMOVE);
		break;
	}
	conference_settle(c);
}

const struct dialog_ops session_dialog_ops = {
	.cancelled = cancelled,
	.acknowledged = acknowledged,
	.response = responded,
	.refresh_due = due,
	.refreshed = refreshed,
	.modify = modified,
	.request = requested,
	.ended = ended,
	.changed = changed,
};
