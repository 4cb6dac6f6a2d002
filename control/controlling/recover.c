/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch came or went (design 4): what it still holds is claimed by tag; what it does not hold
 * any more, because it is another instance, is made anew, and each member is offered its new
 * session-id by re-INVITE, so many at a time. Who is not bound in msrp.rebind_s gets BYE 480. */
#include <stdlib.h>
#include "control/controlling/procedures.h"
#include "include/log.h"

#define OFFERS_IN_FLIGHT 100u /* of the whole focus */
#define AGAIN_MS         2500 /* after a dialog was busy with another request */

/* ---- what the switch still holds ---- */

void *recover_room_found(void *arg, const struct object_tag *tag, struct media_room *room,
	const struct room_counts *counts)
{
	struct focus *focus = arg;
	struct conference *c = conference_find_tag(&focus->conferences, tag);

	if (c == NULL)
		return NULL;
	recover_let_go(c); /* of an attachment that was lost before it was up */
	c->room = room;
	c->messages = counts->messages;
	return c;
}

void *recover_leg_found(void *arg, void *room_arg, const struct object_tag *tag,
	struct media_leg *leg, const struct leg_status *status, struct span uri, uint16_t port)
{
	struct conference *c = room_arg;
	struct participant *p = conference_participant(c, conference_leg_number(tag));
	char *copy;

	if (p == NULL || p->leg != NULL || p->state != PARTICIPANT_CONNECTED)
		return NULL;
	if (p->msrp_uri == NULL || !span_eq(span_of(p->msrp_uri), uri)) {
		/* It was made when the switch had been away, and the peer was not told yet. */
		copy = strndup(uri.at, uri.len);
		if (copy == NULL)
			return NULL;
		free(p->msrp_uri);
		p->msrp_uri = copy;
		p->reoffer = true;
	}
	p->leg = leg;
	p->leg_ready = true;
	p->member = status->member != 0;
	p->bound = status->state == LEG_BOUND;
	p->found = *status;
	return p;
}

/* ---- new offers ---- */

static void offer_due(struct focus *focus);

static void offer_again(void *arg)
{
	offer_due(arg);
}

static void offer_later(struct focus *focus)
{
	if (!deadline_is_set(&focus->recovery.again) &&
		deadline_set(&focus->deadlines, &focus->recovery.again, ua_now_ms() + AGAIN_MS,
			offer_again, focus) < 0)
		log_warning("recover", "no memory for the next offers");
}

static void offer_queue(struct participant *p)
{
	struct focus *focus = p->conference->focus;

	p->reoffer = true;
	if (p->recovering || p->reoffered)
		return;
	p->recovering = true;
	TAILQ_INSERT_TAIL(&focus->recovery.waiting, p, recover_link);
}

static void offer_unqueue(struct participant *p)
{
	if (!p->recovering)
		return;
	p->recovering = false;
	TAILQ_REMOVE(&p->conference->focus->recovery.waiting, p, recover_link);
}

static void offer_due(struct focus *focus)
{
	struct participant *p;

	while (focus->recovery.in_flight < OFFERS_IN_FLIGHT &&
		(p = TAILQ_FIRST(&focus->recovery.waiting)) != NULL) {
		/* RFC 3264 8: what is new has the next version. */
		p->sdp_digest = 0;
		p->sdp_is_answer = false;
		p->sdp_version++;
		if (refresh_offer(p) < 0)
			break; /* a request is under way in that dialog */
		offer_unqueue(p);
		p->reoffered = true;
		focus->recovery.in_flight++;
		session_wait_binding(p, 0);
	}
	/* Those in flight may also go without an answer. */
	if (!TAILQ_EMPTY(&focus->recovery.waiting))
		offer_later(focus);
}

static void offer_done(struct participant *p)
{
	if (!p->reoffered)
		return;
	p->reoffered = false;
	p->conference->focus->recovery.in_flight--;
}

void recover_forget(struct participant *p)
{
	offer_unqueue(p);
	offer_done(p);
}

void recover_taken(struct participant *p)
{
	offer_unqueue(p);
	offer_done(p);
	p->reoffer = false;
	if (!p->member && conference_member_add(p) < 0)
		log_warning("recover", "not a member again conference=%s number=%u",
			p->conference->uri, p->number);
	if (!p->bound)
		session_wait_binding(p, 0);
	keep_participant(p);
}

void recover_answered(struct participant *p, const struct response *response)
{
	struct focus *focus = p->conference->focus;
	struct sdp_media answer;

	offer_done(p); /* a 491 has not come so far: the dialog has repeated the offer */
	if (response->status < 300 && sdp_media_parse(response->body, false, &answer, NULL) == 0) {
		sdp_media_fini(&p->remote);
		p->remote = answer;
		if (session_leg_update(p, true, true) == 0)
			recover_taken(p);
	}
	offer_due(focus);
}

/* ---- legs made anew ---- */

static void leg_done(void *arg, int result, struct span uri, uint16_t port)
{
	struct participant *p = arg;
	struct conference *c = p->conference;
	struct focus *focus = c->focus;
	char *copy = result == 0 ? strndup(uri.at, uri.len) : NULL;

	if (copy == NULL) {
		/* Lost once more: the next `up` begins anew. */
		if (result == -EPIPE)
			return;
		log_warning("recover", "no leg conference=%s number=%u result=\"%s\"", c->uri,
			p->number, result_text(result));
		p->reason = "SIP;cause=480;text=\"MSRP connection lost\"";
		session_feed(p, PARTICIPANT_EV_REMOVE);
		conference_settle(c);
		return;
	}
	free(p->msrp_uri);
	p->msrp_uri = copy;
	p->leg_ready = true;
	offer_queue(p);
	keep_participant(p);
	offer_due(focus);
}

/* It waits for its binding as long as after a lost connection, and not by the switch's clock. */
static int leg_make(struct participant *p)
{
	const struct media_leg_offer offer = { .path = { "", 0 }, .family = p->remote.family };
	struct object_tag tag = conference_leg_tag(p);

	p->leg_ready = p->member = p->bound = false;
	return media_leg_add(p->conference->room, &p->leg, &tag, &offer, leg_done, p);
}

static void session_recover(struct participant *p)
{
	if (p->leg == NULL) {
		if (leg_make(p) == 0)
			return;
		p->leg = NULL;
		p->reason = "SIP;cause=480;text=\"MSRP connection lost\"";
		session_feed(p, PARTICIPANT_EV_REMOVE);
		return;
	}
	if (p->reoffer) {
		offer_queue(p);
		return;
	}
	if (!p->member && conference_member_add(p) < 0)
		log_warning("recover", "not a member again conference=%s number=%u",
			p->conference->uri, p->number);
	if (p->bound)
		deadline_clear(&p->conference->focus->deadlines, &p->wait);
	else
		leg_changed(p->conference->focus, p, &p->found);
}

static void conference_recover(struct conference *c)
{
	struct participant *p, *next;

	if (c->room == NULL && session_room_open(c) < 0) {
		conference_end(c, "SIP;cause=503;text=\"No resources\"");
		return;
	}
	c->settling = true; /* until all have been seen */
	for (p = TAILQ_FIRST(&c->participants); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->state == PARTICIPANT_CONNECTED)
			session_recover(p);
	}
	c->settling = false;
	conference_settle(c);
}

void recover_up(struct focus *focus)
{
	struct conference *c, *next;

	for (c = TAILQ_FIRST(&focus->conferences.list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conference_recover(c);
	}
	offer_due(focus);
}

/* ---- the switch is lost ---- */

void recover_let_go(struct conference *c)
{
	struct participant *p;

	if (c->room == NULL)
		return;
	TAILQ_FOREACH(p, &c->participants, link)
	{
		p->leg = NULL; /* goes with its room */
		p->member = p->bound = false;
	}
	media_room_close(c->room);
	c->room = NULL;
}

/* Nobody can be heard for a while. Who is connected waits; who is on the way in is turned back, as
 * what it was told of its leg is void. */
static void conference_lost(struct conference *c)
{
	struct participant *p, *next;

	recover_let_go(c);
	c->settling = true;
	for (p = TAILQ_FIRST(&c->participants); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		recover_forget(p);
		switch (p->state) {
		case PARTICIPANT_JOINING:
			p->status = 503;
			session_feed(p, PARTICIPANT_EV_REFUSE);
			break;
		case PARTICIPANT_IDLE:
			p->status = 503;
			session_feed(p, PARTICIPANT_EV_REMOVE);
			break;
		case PARTICIPANT_INVITED:
		case PARTICIPANT_WITHDRAWN:
			p->status = 503;
			session_feed(p,
				p->leg_ready ? PARTICIPANT_EV_REMOVE : PARTICIPANT_EV_LEG_FAILED);
			break;
		default: deadline_clear(&c->focus->deadlines, &p->wait); break;
		}
	}
	c->settling = false;
	conference_settle(c);
}

void recover_down(struct focus *focus)
{
	struct conference *c, *next;

	for (c = TAILQ_FIRST(&focus->conferences.list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conference_lost(c);
	}
}
