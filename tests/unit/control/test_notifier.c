/* SPDX-License-Identifier: BSD-3-Clause */
/* The notifier with a clock of the test's and subscriptions that only collect what they are told:
 * every subscriber puts its documents together (conference_view), and at rest knows exactly the
 * roster. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/conference/notifier.h"
#include "control/focus.h"
#include "tests/support/conference_view.h"

#define INTERVAL_MS 5000u
#define PEOPLE      40u
#define READERS     24u

static struct focus focus;
static struct config config;
static struct conference *room;
static uint64_t clock_ms = 1000000;
static unsigned sent_now; /* NOTIFYs within one turn */

/* ---- subscriptions that only collect ---- */

struct reader {
	struct subscriber *subscriber; /* NULL: not subscribed */
	struct user *user;
	struct conference_view view;
	bool in_flight, asked; /* asked: it may be told at once */
	bool slow;             /* answers a NOTIFY only when told to */
	bool refuses;          /* its NOTIFYs cannot be sent */
	bool datagrams, lost;  /* it has no TCP, so what is too long for UDP is lost */
	uint64_t last_ms;
	unsigned told, fulls;
	size_t octets; /* of the last body */
	char *body;
	char reason[24]; /* of the last NOTIFY; "": it goes on */
	bool last_had_body, freed;
};

static uint64_t test_now(void)
{
	return clock_ms;
}

static void read_body(struct reader *r, const char *type, struct span body)
{
	cr_assert_str_eq(type, CONFERENCE_INFO_TYPE);
	free(r->body);
	r->body = strndup(body.at, body.len);
	r->octets = body.len;
	cr_assert_eq(conference_view_take(&r->view, body.at, body.len), 0, "%s in %s", r->view.why,
		r->body);
	cr_assert_leq(r->view.own_marks, 1, "%s", r->body);
	cr_assert(r->view.description || !r->view.full);
	r->fulls += r->view.full;
}

static int test_notify(struct subscription *subscription, const char *type, struct span body)
{
	struct reader *r = (struct reader *)subscription;

	if (r->refuses)
		return -ENOBUFS;
	cr_assert(!r->in_flight, "a second NOTIFY before the first was answered");
	cr_assert(!r->freed && r->reason[0] == '\0');
	if (!r->asked && r->told > 0)
		cr_assert_geq(clock_ms - r->last_ms, INTERVAL_MS, "more often than allowed");
	r->asked = false;
	r->last_ms = clock_ms;
	r->told++;
	r->in_flight = true;
	sent_now++;
	r->lost = r->datagrams && body.len > 60000;
	if (!r->lost)
		read_body(r, type, body);
	return 0;
}

static void test_terminate(
	struct subscription *subscription, const char *reason, const char *type, struct span body)
{
	struct reader *r = (struct reader *)subscription;

	cr_assert(!r->freed && r->reason[0] == '\0');
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->last_had_body = type != NULL;
	sent_now++;
	if (type != NULL)
		read_body(r, type, body);
	r->subscriber = NULL;
}

static void test_free(struct subscription *subscription)
{
	struct reader *r = (struct reader *)subscription;

	cr_assert(!r->freed && r->reason[0] == '\0');
	r->freed = true;
	r->subscriber = NULL;
}

static const struct notifier_ops test_ops = { test_now, test_notify, test_terminate, test_free };

static void forget(struct reader *r)
{
	if (r->subscriber != NULL)
		notifier_subscription_ops.ended(r->subscriber, SUBSCRIPTION_FAILED);
	conference_view_fini(&r->view);
	free(r->body);
	*r = (struct reader){ .subscriber = NULL };
}

static void subscribe(struct reader *r, struct user *user)
{
	struct subscriber *s;

	forget(r);
	r->user = user;
	cr_assert_eq(subscriber_new(&s, user, user->conference->uri), 0);
	r->subscriber = s;
	subscriber_begin(s, (struct subscription *)r);
	cr_assert(r->view.known && r->view.full, "the first NOTIFY is at once, and full");
}

static void answer(struct reader *r)
{
	if (!r->in_flight)
		return;
	r->in_flight = false;
	if (r->subscriber != NULL && r->lost) {
		r->asked = r->view.gap_allowed = true;
		notifier_subscription_ops.too_long(r->subscriber);
	} else if (r->subscriber != NULL) {
		notifier_subscription_ops.notified(r->subscriber);
	}
}

static void refresh(struct reader *r)
{
	unsigned before = r->told;

	r->asked = true;
	notifier_subscription_ops.refreshed(r->subscriber);
	if (!r->in_flight || r->told > before)
		cr_assert(r->told == before + 1 && r->view.full);
}

/* ---- the room ---- */

static void open_focus(unsigned roster_max)
{
	cr_assert_eq(config_load(&config, NULL, stderr), 0);
	config.conference_notify_interval_ms = INTERVAL_MS;
	config.conference_roster_max = roster_max;
	focus.config = &config;
	conferences_init(&focus.conferences);
	notifiers_init(&focus.notifiers, &config, &focus.deadlines, &test_ops);
}

static struct conference *open_room(void)
{
	struct conference *c;

	cr_assert_eq(conference_new(&c, &focus, CONFERENCE_ADHOC,
			     "sip:conference-factory@example.com", NULL),
		0);
	c->subject = strdup("Lunch & more");
	return c;
}

static void setup(void)
{
	open_focus(1000);
	room = open_room();
}

static void teardown(void)
{
	struct conference *c;

	while ((c = TAILQ_FIRST(&focus.conferences.list)) != NULL)
		conference_free(c);
	notifiers_fini(&focus.notifiers);
	deadlines_fini(&focus.deadlines);
	config_free(&config);
}

TestSuite(notifier, .init = setup, .fini = teardown);

/* One turn of the loop's deadlines. */
static void turn(void)
{
	sent_now = 0;
	deadlines_run(&focus.deadlines, clock_ms);
	cr_assert_leq(sent_now, NOTIFIES_A_TURN);
}

static void pass(uint64_t ms)
{
	turn();
	while (ms-- > 0) {
		clock_ms++;
		turn();
	}
}

static struct user *person(struct conference *c, const char *name)
{
	char uri[64], display[64];
	struct user *u;

	snprintf(uri, sizeof(uri), "sip:%s@example.com", name);
	snprintf(display, sizeof(display), "<%s>", name);
	cr_assert_eq(user_enter(&u, c, uri, "", span_of(uri), display), 0);
	return u;
}

static struct participant *joined(struct user *u)
{
	struct participant *p;

	cr_assert_eq(conference_add(&p, u), 0);
	conference_state(p, PARTICIPANT_JOINING);
	conference_state(p, PARTICIPANT_CONNECTED);
	return p;
}

static struct participant *joins(struct conference *c, const char *name)
{
	return joined(person(c, name));
}

static struct participant *invited(struct user *u)
{
	struct participant *p;

	cr_assert_eq(conference_add(&p, u), 0);
	p->inviter = inviter_new(u, true);
	p->dialed_out = true;
	conference_state(p, PARTICIPANT_INVITED);
	return p;
}

static void leaves(struct participant *p, enum endpoint_disconnection how)
{
	p->departure = how;
	conference_state(p, PARTICIPANT_GONE);
	conference_drop(p);
}

static const char *seen(struct reader *r, const char *entity)
{
	return conference_view_status(&r->view, entity);
}

static const char *method(struct reader *r, const char *entity)
{
	const struct view_user *user = conference_view_user(&r->view, entity);

	return user != NULL && user->endpoint_count > 0 ? user->endpoints[0].disconnection : "?";
}

/* ---- one thing at a time ---- */

Test(notifier, the_first_document_is_full_and_has_everything)
{
	struct participant *alice = joins(room, "alice"), *bob;
	struct reader a = { 0 };
	const struct view_user *user;

	bob = joins(room, "bob");
	joined(bob->user); /* a second device */
	invited(person(room, "carol"));
	subscribe(&a, alice->user);
	cr_assert_str_eq(a.view.entity, room->uri);
	cr_assert_str_eq(a.view.subject, "Lunch & more");
	cr_assert_eq(a.view.maximum_users, config.conference_max_adhoc_size);
	cr_assert_eq(a.view.version, 1);
	cr_assert_eq(a.view.user_count, 2, "connected users, not sessions");
	cr_assert(a.view.active && !a.view.users_partial);
	cr_assert_eq(a.view.user_count_known, 3);
	user = conference_view_user(&a.view, "sip:alice@example.com");
	cr_assert(user->yourown);
	cr_assert_str_eq(user->display_text, "<alice>");
	cr_assert_str_eq(user->endpoints[0].joining, "dialed-in");
	cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "connected");
	cr_assert_eq(conference_view_user(&a.view, "sip:bob@example.com")->endpoint_count, 2);
	cr_assert_not(conference_view_user(&a.view, "sip:bob@example.com")->yourown);
	cr_assert_str_eq(seen(&a, "sip:carol@example.com"), "dialing-out");
	cr_assert_str_eq(
		conference_view_user(&a.view, "sip:carol@example.com")->endpoints[0].joining,
		"dialed-out");
	forget(&a);
}

Test(notifier, the_first_change_goes_at_once_and_further_ones_together)
{
	struct reader a = { 0 };
	char name[16];

	subscribe(&a, joins(room, "alice")->user);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_eq(a.told, 1, "nothing happened");
	joins(room, "bob");
	turn();
	cr_assert_eq(a.told, 2, "after quiet it goes in the same turn");
	cr_assert(!a.view.full && a.view.users_partial && a.view.named == 1);
	cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "connected");
	answer(&a);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		pass(50);
		joins(room, name);
	}
	cr_assert_eq(a.told, 2);
	pass(INTERVAL_MS - 1000 - 1);
	cr_assert_eq(a.told, 2);
	pass(1);
	cr_assert_eq(a.told, 3);
	cr_assert_eq(a.view.named, 20);
	cr_assert_eq(a.view.user_count, 22);
	answer(&a);
	pass(3 * INTERVAL_MS);
	cr_assert_eq(a.told, 3);
	forget(&a);
}

Test(notifier, who_left_is_told_with_the_way_it_went)
{
	static const struct {
		enum endpoint_disconnection how;
		const char *text;
	} ways[] = { { ENDPOINT_LEFT_DEPARTED, "departed" }, { ENDPOINT_LEFT_BOOTED, "booted" },
		{ ENDPOINT_LEFT_NONE, "departed" } };
	struct reader a = { 0 };
	struct participant *bob, *phone, *carol;

	subscribe(&a, joins(room, "alice")->user);
	for (unsigned i = 0; i < 3; i++) {
		bob = joins(room, "bob");
		answer(&a);
		pass(INTERVAL_MS);
		cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "connected");
		conference_state(bob, PARTICIPANT_LEAVING);
		answer(&a);
		pass(INTERVAL_MS);
		cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "disconnecting");
		leaves(bob, ways[i].how);
		answer(&a);
		pass(INTERVAL_MS);
		cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "disconnected");
		cr_assert_str_eq(method(&a, "sip:bob@example.com"), ways[i].text);
		cr_assert_eq(a.view.user_count, 1);
	}
	/* An invited one who is busy, and one who fails. */
	carol = invited(person(room, "carol"));
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_str_eq(seen(&a, "sip:carol@example.com"), "dialing-out");
	carol->progressed = true;
	conference_state(carol, PARTICIPANT_INVITED);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_str_eq(seen(&a, "sip:carol@example.com"), "alerting");
	leaves(carol, ENDPOINT_LEFT_BUSY);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_str_eq(method(&a, "sip:carol@example.com"), "busy");
	leaves(invited(person(room, "dave")), ENDPOINT_LEFT_NONE);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_str_eq(method(&a, "sip:dave@example.com"), "failed");
	/* One of two devices leaves. */
	bob = joins(room, "bob");
	phone = joined(bob->user);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_eq(conference_view_user(&a.view, "sip:bob@example.com")->endpoint_count, 2);
	leaves(phone, ENDPOINT_LEFT_DEPARTED);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_eq(conference_view_user(&a.view, "sip:bob@example.com")->endpoint_count, 1);
	cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "connected");
	/* Both, and the whole of it within one interval. */
	phone = joined(bob->user);
	answer(&a);
	pass(INTERVAL_MS);
	leaves(phone, ENDPOINT_LEFT_DEPARTED);
	leaves(bob, ENDPOINT_LEFT_DEPARTED);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "disconnected");
	/* Full documents do not have them any more. */
	answer(&a);
	refresh(&a);
	cr_assert_null(conference_view_user(&a.view, "sip:bob@example.com"));
	cr_assert_eq(a.view.user_count_known, 1);
	forget(&a);
}

Test(notifier, nobody_hears_of_hidden_ones_or_of_those_who_are_refused)
{
	struct reader a = { 0 };
	struct participant *p;
	struct user *history;

	subscribe(&a, joins(room, "alice")->user);
	answer(&a);
	pass(INTERVAL_MS);
	history = person(room, "history");
	history->hidden = true;
	p = joined(history);
	cr_assert_eq(conference_add(&p, person(room, "mallory")), 0);
	conference_state(p, PARTICIPANT_JOINING);
	pass(2 * INTERVAL_MS);
	leaves(p, ENDPOINT_LEFT_NONE);
	leaves(TAILQ_FIRST(&history->sessions), ENDPOINT_LEFT_DEPARTED);
	pass(2 * INTERVAL_MS);
	cr_assert_eq(a.told, 1, "%s", a.body);
	joins(room, "bob");
	turn();
	cr_assert_eq(a.told, 2);
	cr_assert_eq(a.view.user_count, 2);
	cr_assert_eq(a.view.user_count_known, 2);
	/* A history function may look, too; it sees no element of its own. */
	history = person(room, "other");
	history->hidden = true;
	joined(history);
	answer(&a);
	pass(INTERVAL_MS);
	subscribe(&a, history);
	cr_assert_eq(a.view.own_marks, 0);
	cr_assert_eq(a.view.user_count_known, 2);
	forget(&a);
}

Test(notifier, an_anonymous_user_is_known_by_its_alias_only)
{
	struct reader a = { 0 }, z = { 0 };
	struct participant *ghost;
	struct user *u = person(room, "ghost");

	subscribe(&a, joins(room, "alice")->user);
	answer(&a);
	cr_assert_eq(user_alias(u), 0);
	u->nickname = strdup("ghost-of-home");
	ghost = joined(u);
	pass(INTERVAL_MS);
	cr_assert_str_eq(seen(&a, u->alias), "connected");
	cr_assert_str_eq(conference_view_user(&a.view, u->alias)->display_text, "Anonymous 1");
	cr_assert_null(strstr(a.body, "ghost"), "%s", a.body);
	subscribe(&z, u);
	cr_assert(conference_view_user(&z.view, u->alias)->yourown);
	cr_assert_null(strstr(z.body, "ghost"));
	answer(&a);
	leaves(ghost, ENDPOINT_LEFT_DEPARTED);
	pass(INTERVAL_MS);
	cr_assert_null(strstr(a.body, "ghost"));
	cr_assert_null(strstr(z.body, "ghost"));
	cr_assert_str_eq(z.reason, "noresource");
	forget(&a);
	forget(&z);
}

Test(notifier, a_description_that_changed_is_told)
{
	struct reader a = { 0 };

	subscribe(&a, joins(room, "alice")->user);
	answer(&a);
	pass(INTERVAL_MS);
	free(room->subject);
	room->subject = strdup("Dinner");
	notifier_described(room);
	turn();
	cr_assert(a.told == 2 && !a.view.full && a.view.description && a.view.named == 0);
	cr_assert_str_eq(a.view.subject, "Dinner");
	answer(&a);
	joins(room, "bob");
	pass(INTERVAL_MS);
	cr_assert(a.told == 3 && !a.view.description && a.view.named == 1);
	/* In a room whose roster is not told, too. */
	config.conference_roster_max = 1;
	joins(room, "carol");
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert(a.view.full && a.view.users_partial);
	free(room->subject);
	room->subject = strdup("Coffee");
	notifier_described(room);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert(!a.view.full && a.view.named == 0);
	cr_assert_str_eq(a.view.subject, "Coffee");
	cr_assert_eq(a.view.user_count_known, 1);
	forget(&a);
}

Test(notifier, a_nickname_is_told_as_attribute_and_as_text)
{
	struct reader a = { 0 };
	struct participant *bob = joins(room, "bob");

	subscribe(&a, joins(room, "alice")->user);
	answer(&a);
	pass(INTERVAL_MS);
	bob->user->nickname = strdup("Bobby \"the\" <b>");
	user_changed(bob->user);
	turn();
	cr_assert_eq(a.view.named, 1);
	cr_assert_str_eq(conference_view_user(&a.view, "sip:bob@example.com")->nickname,
		"Bobby \"the\" <b>");
	cr_assert_str_eq(conference_view_user(&a.view, "sip:bob@example.com")->display_text,
		"Bobby \"the\" <b>");
	forget(&a);
}

Test(notifier, a_notify_that_is_not_answered_delays_nobody_else)
{
	struct reader a = { 0 }, b = { 0 };

	subscribe(&a, joins(room, "alice")->user);
	subscribe(&b, joins(room, "bob")->user);
	answer(&b);
	for (unsigned i = 0; i < 10; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%u", i);
		joins(room, name);
		pass(INTERVAL_MS);
		answer(&b);
	}
	cr_assert_eq(a.told, 1);
	cr_assert_geq(b.told, 10);
	/* When it answers at last, all of it comes at once. */
	answer(&a);
	turn();
	cr_assert_eq(a.told, 2);
	cr_assert_eq(a.view.user_count, 12);
	cr_assert_eq(conference_view_with(&a.view, "connected"), 12);
	cr_assert_not(a.view.full);
	/* A refresh meanwhile: full, and right after the answer. */
	refresh(&a);
	cr_assert_eq(a.told, 2);
	answer(&a);
	cr_assert_eq(a.told, 3);
	cr_assert(a.view.full);
	forget(&a);
	forget(&b);
}

Test(notifier, who_cannot_be_told_is_dropped)
{
	struct reader a = { 0 }, b = { 0 }, c = { 0 };

	subscribe(&a, joins(room, "alice")->user);
	subscribe(&b, joins(room, "bob")->user);
	subscribe(&c, joins(room, "carol")->user);
	answer(&b);
	answer(&c);
	notifier_subscription_ops.ended(a.subscriber, SUBSCRIPTION_FAILED); /* 481 */
	cr_assert(a.freed);
	cr_assert_eq(notifier_subscribers(room), 2);
	b.refuses = true;
	joins(room, "dave");
	pass(INTERVAL_MS);
	cr_assert(b.freed);
	cr_assert_eq(notifier_subscribers(room), 1);
	cr_assert_eq(c.view.user_count, 4);
	cr_assert_eq(notifier_subscribers_of(c.user), 1);
	forget(&a);
	forget(&b);
	forget(&c);
}

Test(notifier, a_subscription_ends_as_it_should)
{
	struct reader a = { 0 }, b = { 0 }, c = { 0 }, second = { 0 };
	struct participant *alice = joins(room, "alice"), *bob = joins(room, "bob"), *laptop;

	/* Expired, and unsubscribed. */
	subscribe(&a, alice->user);
	notifier_subscription_ops.ended(a.subscriber, SUBSCRIPTION_EXPIRED);
	cr_assert_str_eq(a.reason, "timeout");
	cr_assert_not(a.last_had_body);
	subscribe(&a, alice->user);
	notifier_subscription_ops.ended(a.subscriber, SUBSCRIPTION_UNSUBSCRIBED);
	cr_assert_str_eq(a.reason, "timeout");
	cr_assert(a.last_had_body && a.view.full && a.view.version == 2);
	cr_assert_eq(notifier_subscribers(room), 0);
	/* Left: both subscriptions of the user, none before its last session. */
	subscribe(&a, alice->user);
	subscribe(&b, bob->user);
	subscribe(&second, bob->user);
	laptop = joined(bob->user);
	leaves(laptop, ENDPOINT_LEFT_DEPARTED);
	cr_assert_str_eq(b.reason, "");
	leaves(bob, ENDPOINT_LEFT_BOOTED);
	cr_assert_str_eq(b.reason, "noresource");
	cr_assert_str_eq(second.reason, "noresource");
	cr_assert_str_eq(seen(&b, "sip:bob@example.com"), "disconnected");
	cr_assert_str_eq(method(&b, "sip:bob@example.com"), "booted");
	cr_assert(b.view.own_marks == 1 && b.view.named == 1);
	cr_assert_str_eq(a.reason, "");
	cr_assert_eq(notifier_subscribers(room), 1);
	/* Released: full, inactive, everybody disconnected, who left just before among them. */
	subscribe(&c, joins(room, "carol")->user);
	leaves(joins(room, "dave"), ENDPOINT_LEFT_DEPARTED);
	notifier_end(room, false);
	cr_assert_str_eq(a.reason, "", "in the next turn");
	cr_assert_eq(focus.notifiers.farewells, 2);
	conference_free(room);
	turn();
	cr_assert_str_eq(a.reason, "noresource");
	cr_assert_str_eq(c.reason, "noresource");
	cr_assert(a.view.full && !a.view.active && a.view.user_count == 0);
	cr_assert_eq(conference_view_with(&a.view, "disconnected"), 4);
	cr_assert_str_eq(method(&a, "sip:alice@example.com"), "booted");
	cr_assert_str_eq(method(&a, "sip:bob@example.com"), "booted");
	cr_assert_str_eq(method(&a, "sip:dave@example.com"), "departed");
	cr_assert_eq(a.view.own_marks, 1);
	cr_assert(conference_view_user(&c.view, "sip:carol@example.com")->yourown);
	cr_assert_str_eq(a.view.subject, "Lunch & more");
	cr_assert_eq(focus.notifiers.farewells, 0);
	forget(&a);
	forget(&b);
	forget(&c);
	forget(&second);
}

static unsigned keeps, forgets;

static void count_kept(struct subscriber *s)
{
	cr_assert_eq(subscriber_conference(s), room);
	keeps++;
}

static void count_gone(struct subscriber *s)
{
	cr_assert_eq(subscriber_conference(s), room);
	forgets++;
}

/* For survival: who begins and is refreshed is kept, and each is forgotten once, while its
 * conference is still there. */
Test(notifier, who_is_kept_is_forgotten_once)
{
	struct reader a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
	struct participant *alice = joins(room, "alice"), *bob = joins(room, "bob");

	focus.notifiers.kept = count_kept;
	focus.notifiers.gone = count_gone;
	subscribe(&a, alice->user);
	subscribe(&b, bob->user);
	subscribe(&c, alice->user);
	subscribe(&d, alice->user);
	answer(&a);
	refresh(&a);
	cr_assert_eq(keeps, 5);
	leaves(bob, ENDPOINT_LEFT_DEPARTED);
	notifier_subscription_ops.ended(a.subscriber, SUBSCRIPTION_FAILED);
	cr_assert_eq(forgets, 2);
	notifier_end(room, false);
	cr_assert_eq(forgets, 4);
	conference_free(room);
	room = NULL;
	notifier_subscription_ops.ended(c.subscriber, SUBSCRIPTION_EXPIRED);
	turn();
	cr_assert_eq(forgets, 4);
	forget(&a);
	forget(&b);
	forget(&c);
	forget(&d);
}

Test(notifier, a_farewell_may_be_overtaken)
{
	struct reader r[4] = { { 0 } };

	for (unsigned i = 0; i < 4; i++) {
		char name[8];

		snprintf(name, sizeof(name), "u%u", i);
		subscribe(&r[i], joins(room, name)->user);
	}
	notifier_end(room, true);
	conference_free(room);
	room = NULL;
	notifier_subscription_ops.ended(r[0].subscriber, SUBSCRIPTION_FAILED);
	notifier_subscription_ops.ended(r[1].subscriber, SUBSCRIPTION_EXPIRED);
	notifier_subscription_ops.refreshed(r[2].subscriber);
	answer(&r[3]);
	turn();
	cr_assert(r[0].freed);
	cr_assert_str_eq(r[1].reason, "timeout");
	cr_assert_str_eq(r[2].reason, "deactivated");
	cr_assert_not(r[2].last_had_body);
	cr_assert_str_eq(r[3].reason, "deactivated");
	for (unsigned i = 0; i < 4; i++)
		forget(&r[i]);
}

/* ---- many ---- */

/* Users who are forgotten before everybody was told of them: the slow one gets the whole roster. */
Test(notifier, a_departure_that_is_forgotten_costs_a_full_document)
{
	struct reader a = { 0 }, b = { 0 };
	struct participant *bob = joins(room, "bob");
	char name[16];

	subscribe(&a, joins(room, "alice")->user);
	answer(&a);
	subscribe(&b, joins(room, "carol")->user); /* and does not answer */
	leaves(bob, ENDPOINT_LEFT_DEPARTED);
	pass(INTERVAL_MS);
	answer(&a);
	cr_assert_str_eq(seen(&a, "sip:bob@example.com"), "disconnected");
	for (unsigned i = 0; i < USERS_REMEMBERED; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		leaves(joins(room, name), ENDPOINT_LEFT_DEPARTED);
	}
	cr_assert_null(user_find(room, "sip:bob@example.com"));
	pass(INTERVAL_MS);
	cr_assert_not(a.view.full, "it was told of all that are forgotten");
	cr_assert_eq(a.view.named, USERS_REMEMBERED);
	answer(&b);
	turn();
	cr_assert(b.view.full);
	cr_assert_eq(b.view.user_count_known, 2);
	forget(&a);
	forget(&b);
}

/* Who cannot be reached with a long NOTIFY gets count and own entry, and no less than that. */
Test(notifier, a_subscriber_without_tcp_is_told_what_fits)
{
	struct reader a = { .datagrams = true }, b = { 0 };
	struct participant *alice = joins(room, "alice"), *others[400];
	struct subscriber *s;
	char name[16];

	for (unsigned i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		others[i] = joins(room, name);
	}
	cr_assert_eq(subscriber_new(&s, alice->user, room->uri), 0);
	a.subscriber = s;
	a.user = alice->user;
	subscriber_begin(s, (struct subscription *)&a);
	cr_assert(a.lost && !a.view.known);
	answer(&a);
	cr_assert(a.view.full && a.view.users_partial && a.view.version == 2);
	cr_assert(a.view.user_count == 401 && a.view.user_count_known == 1);
	answer(&a);
	subscribe(&b, others[0]->user);
	cr_assert_eq(b.view.user_count_known, 401, "the others have the roster");
	answer(&b);
	joins(room, "bob");
	pass(INTERVAL_MS);
	answer(&a);
	answer(&b);
	cr_assert(a.view.user_count == 402 && a.view.named == 0);
	cr_assert(b.view.user_count == 402 && b.view.named == 1);
	refresh(&a);
	cr_assert(!a.lost && a.view.user_count_known == 1);
	answer(&a);
	/* When there are fewer, it asks again and has them. */
	for (unsigned i = 1; i < 250; i++)
		leaves(others[i], ENDPOINT_LEFT_DEPARTED);
	pass(INTERVAL_MS);
	answer(&a);
	cr_assert_eq(a.view.user_count, 153);
	cr_assert_eq(a.view.user_count_known, 1);
	refresh(&a);
	cr_assert_eq(a.view.user_count_known, 153);
	answer(&a);
	answer(&b);
	joins(room, "carol");
	pass(INTERVAL_MS);
	cr_assert_str_eq(seen(&a, "sip:carol@example.com"), "connected");
	cr_assert_str_eq(seen(&b, "sip:carol@example.com"), "connected");
	/* A long list of changes is too long as well. */
	for (unsigned i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		joins(room, name);
	}
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert(a.lost);
	answer(&a);
	cr_assert(a.view.user_count == 554 && a.view.users_partial);
	answer(&a);
	/* Its end fits. */
	notifier_end(room, false);
	turn();
	cr_assert(a.view.full && !a.view.active && a.octets < 1000);
	forget(&a);
	forget(&b);
}

/* A delta costs what changed, not what there is. */
Test(notifier, a_delta_is_as_long_as_what_changed)
{
	struct reader a = { 0 };
	char name[16];
	size_t full;

	for (unsigned i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		joins(room, name);
	}
	subscribe(&a, joins(room, "alice")->user);
	full = a.octets;
	answer(&a);
	pass(INTERVAL_MS);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		joins(room, name);
		pass(INTERVAL_MS);
		answer(&a);
		cr_assert_eq(a.view.named, 1);
		cr_assert_lt(a.octets, 700);
		cr_assert_not(a.view.full);
	}
	cr_assert_gt(full, 900 * 150);
	cr_assert_eq(a.view.user_count, 911);
	forget(&a);
}

/* CROWD subscribers: so many a turn, everybody once, and a small conference is not behind them. */
Test(notifier, many_are_told_in_turns_and_fairly)
{
	enum { CROWD = 190 };
	static struct reader crowd[CROWD];
	struct reader few = { 0 };
	struct conference *small = open_room();
	unsigned turns = 0, done;
	char name[16];

	for (unsigned i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		subscribe(&crowd[i], joins(room, name)->user);
		answer(&crowd[i]);
	}
	subscribe(&few, joins(small, "alice")->user);
	answer(&few);
	pass(2 * INTERVAL_MS); /* they had told one another, together */
	for (unsigned i = 0; i < CROWD; i++) {
		cr_assert_leq(crowd[i].told, 2);
		answer(&crowd[i]);
	}
	pass(INTERVAL_MS);
	for (unsigned i = 0; i < CROWD; i++) {
		cr_assert_leq(crowd[i].told, 3);
		cr_assert_eq(conference_view_with(&crowd[i].view, "connected"), CROWD);
		answer(&crowd[i]);
		crowd[i].told = 1;
	}
	pass(INTERVAL_MS);
	joins(room, "late");
	joins(small, "bob");
	do {
		turn();
		if (++turns == 1) {
			cr_assert_eq(sent_now, NOTIFIES_A_TURN);
			cr_assert_eq(few.told, 2, "the small one waits for the large one");
		}
		clock_ms++;
		done = 0;
		for (unsigned i = 0; i < CROWD; i++)
			done += crowd[i].told == 2;
	} while (done < CROWD && turns < 100);
	cr_assert_leq(turns, CROWD / NOTIFIES_A_TURN + 2);
	for (unsigned i = 0; i < CROWD; i++) {
		cr_assert_eq(crowd[i].view.user_count, CROWD + 1);
		cr_assert_eq(crowd[i].view.named, 1);
		answer(&crowd[i]);
	}
	/* Its end, likewise. */
	notifier_end(room, false);
	conference_free(room);
	for (turns = 0; focus.notifiers.farewells > 0 && turns < 100; turns++) {
		turn();
		clock_ms++;
	}
	cr_assert_leq(turns, CROWD / NOTIFIES_A_TURN + 2);
	for (unsigned i = 0; i < CROWD; i++) {
		cr_assert_str_eq(crowd[i].reason, "noresource");
		cr_assert_eq(crowd[i].view.own_marks, 1);
		forget(&crowd[i]);
	}
	forget(&few);
}

/* n joins of subscribers within t: at most n (1 + t / interval) NOTIFYs, and in a large room each
 * of a few hundred octets. */
Test(notifier, the_cost_of_a_large_room_is_linear)
{
	enum { N = 2000 };
	static struct reader crowd[N];
	uint64_t octets = 0, began = clock_ms, told = 0;

	config.conference_roster_max = 50;
	for (unsigned i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%u", i);
		subscribe(&crowd[i], joins(room, name)->user);
		octets += crowd[i].octets;
		answer(&crowd[i]);
		pass(10);
		for (unsigned k = 0; k <= i; k++) {
			if (!crowd[k].in_flight)
				continue;
			octets += crowd[k].octets;
			answer(&crowd[k]);
		}
	}
	for (unsigned i = 0; i < N; i++)
		told += crowd[i].told;
	cr_assert_leq(told, N * (1 + (clock_ms - began) / INTERVAL_MS));
	cr_assert_lt(octets / told, 1000);
	for (unsigned k = 0; k < 20; k++) {
		pass(INTERVAL_MS / 10);
		for (unsigned i = 0; i < N; i++)
			answer(&crowd[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		struct reader *r = &crowd[i];

		cr_assert_eq(r->view.user_count, N);
		if (i >= 50) {
			cr_assert_eq(r->view.user_count_known, 1, "its own only");
			cr_assert(r->view.users[0].yourown);
		}
		forget(r);
	}
}

Test(notifier, a_room_that_shrinks_has_its_roster_again)
{
	struct reader a = { 0 };
	struct participant *others[30];
	char name[16];

	config.conference_roster_max = 20;
	subscribe(&a, joins(room, "alice")->user);
	for (unsigned i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		others[i] = joins(room, name);
	}
	answer(&a);
	pass(INTERVAL_MS);
	/* The roster is taken back: what it says would be false at the next change. */
	cr_assert(a.view.full && a.view.users_partial);
	cr_assert_eq(a.view.user_count_known, 1);
	cr_assert_eq(a.view.user_count, 31);
	for (unsigned i = 0; i < 12; i++) { /* 19: not yet, or it would come and go */
		leaves(others[i], ENDPOINT_LEFT_DEPARTED);
		answer(&a);
		pass(INTERVAL_MS);
		cr_assert(!a.view.full && a.view.named == 0);
		cr_assert_eq(a.view.user_count, 30 - i);
	}
	leaves(others[12], ENDPOINT_LEFT_DEPARTED);
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert(a.view.full && !a.view.users_partial);
	cr_assert_eq(conference_view_with(&a.view, "connected"), 18);
	/* Its own entry is told in the large room, others are not. */
	for (unsigned i = 0; i < 3; i++)
		joins(room, "x") /* of one user: not more users */;
	others[13]->user->nickname = strdup("thirteen");
	for (unsigned i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		joins(room, name);
	}
	answer(&a);
	pass(INTERVAL_MS);
	cr_assert(a.view.full && a.view.user_count_known == 1);
	answer(&a);
	pass(INTERVAL_MS);
	user_changed(others[13]->user);
	pass(2 * INTERVAL_MS);
	cr_assert_eq(a.in_flight, false, "that of another is not told: %s", a.body);
	a.user->nickname = strdup("Al");
	user_changed(a.user);
	pass(INTERVAL_MS);
	cr_assert(!a.view.full && a.view.named == 1 && a.view.own_marks == 1);
	cr_assert_str_eq(a.view.users[0].nickname, "Al");
	forget(&a);
}

/* ---- the property: whatever happens, the documents of each subscriber make the roster ---- */

static uint64_t dice;

static unsigned roll(unsigned sides)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(dice >> 33) % sides;
}

struct body {
	struct user *user; /* NULL: never entered */
	struct participant *sessions[3];
	char expected[3][16]; /* status of each; "": none, or not to be seen */
	bool hidden;
};

static struct body people[PEOPLE];
static struct reader readers[READERS];

static bool body_connected(const struct body *b)
{
	for (unsigned k = 0; k < 3; k++)
		if (strcmp(b->expected[k], "connected") == 0)
			return true;
	return false;
}

static unsigned body_endpoints(const struct body *b)
{
	unsigned count = 0;

	for (unsigned k = 0; k < 3; k++)
		count += b->expected[k][0] != '\0';
	return count;
}

static void expect(struct body *b, unsigned k, const char *status)
{
	snprintf(b->expected[k], sizeof(b->expected[k]), "%s", b->hidden ? "" : status);
}

static void body_gone(struct body *b, unsigned k, enum endpoint_disconnection how)
{
	expect(b, k, "");
	leaves(b->sessions[k], how);
	b->sessions[k] = NULL;
}

static void something_happens(void)
{
	struct body *b = &people[roll(PEOPLE)];
	unsigned k = roll(3);
	struct participant *p = b->sessions[k];
	char name[16];

	if (b->user == NULL || (p == NULL && user_find(room, b->user->canonical) != b->user)) {
		snprintf(name, sizeof(name), "p%u", (unsigned)(b - people));
		b->user = person(room, name);
		b->hidden = b->user->hidden = b - people < 3;
		if (b - people >= PEOPLE - 3)
			cr_assert_eq(user_alias(b->user), 0);
	}
	if (p == NULL) {
		if (roll(2) == 0) {
			b->sessions[k] = joined(b->user);
			expect(b, k, "connected");
		} else {
			b->sessions[k] = invited(b->user);
			expect(b, k, "dialing-out");
		}
		return;
	}
	switch (p->state) {
	case PARTICIPANT_INVITED:
		switch (roll(4)) {
		case 0:
			p->progressed = true;
			conference_state(p, PARTICIPANT_INVITED);
			expect(b, k, "alerting");
			return;
		case 1:
			conference_state(p, PARTICIPANT_CONNECTED);
			expect(b, k, "connected");
			return;
		case 2:
			conference_state(p, PARTICIPANT_WITHDRAWN);
			expect(b, k, "disconnecting");
			return;
		default: body_gone(b, k, ENDPOINT_LEFT_FAILED); return;
		}
	case PARTICIPANT_CONNECTED:
		switch (roll(4)) {
		case 0:
			free(b->user->nickname);
			snprintf(name, sizeof(name), "nick%u", roll(1000));
			b->user->nickname = strdup(name);
			user_changed(b->user);
			return;
		case 1:
			conference_state(p, PARTICIPANT_LEAVING);
			expect(b, k, "disconnecting");
			return;
		default: body_gone(b, k, ENDPOINT_LEFT_DEPARTED); return;
		}
	default: body_gone(b, k, ENDPOINT_LEFT_BOOTED); return;
	}
}

static void somebody_reads(void)
{
	struct reader *r = &readers[roll(READERS)];
	struct body *b = &people[roll(PEOPLE)];

	if (r->subscriber == NULL) {
		if (b->user != NULL && user_find(room, b->user->canonical) == b->user &&
			user_is_connected(b->user)) {
			subscribe(r, b->user);
			r->slow = roll(4) == 0;
		}
		return;
	}
	switch (roll(8)) {
	case 0: notifier_subscription_ops.ended(r->subscriber, SUBSCRIPTION_EXPIRED); return;
	case 1:
		notifier_subscription_ops.ended(r->subscriber, SUBSCRIPTION_UNSUBSCRIBED);
		cr_assert(r->view.full);
		return;
	case 2:
		if (r->in_flight)
			notifier_subscription_ops.ended(r->subscriber, SUBSCRIPTION_FAILED);
		return;
	case 3:
	case 4: refresh(r); return;
	default: answer(r); return;
	}
}

static void body_compare(const struct reader *r, const struct body *b)
{
	const struct view_user *seen_user = NULL;
	unsigned shown = body_endpoints(b), found = 0;

	if (b->user != NULL && user_find(room, b->user->canonical) == b->user)
		seen_user = conference_view_user(&r->view, user_shown_uri(b->user));
	if (shown == 0) {
		for (unsigned i = 0; seen_user != NULL && i < seen_user->endpoint_count; i++)
			cr_assert_str_eq(seen_user->endpoints[i].status, "disconnected");
		return;
	}
	cr_assert_not_null(seen_user, "%s is missing", b->user->uri);
	cr_assert_eq(seen_user->endpoint_count, shown, "%s", b->user->uri);
	cr_assert_eq(seen_user->yourown, r->user == b->user);
	if (b->user->alias == NULL)
		cr_assert_str_eq(seen_user->nickname, b->user->nickname ? b->user->nickname : "");
	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; b->sessions[k] != NULL && i < shown; i++) {
			char entity[64];

			snprintf(entity, sizeof(entity), "sip:ep-%u@example.com",
				b->sessions[k]->number);
			if (strcmp(entity, seen_user->endpoints[i].entity) == 0) {
				cr_assert_str_eq(seen_user->endpoints[i].status, b->expected[k]);
				found++;
			}
		}
	cr_assert_eq(found, shown);
}

/* Everybody has answered, and nothing is left to be told. */
static void rest(void)
{
	unsigned count = 0, known = 0;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < READERS; i++)
			answer(&readers[i]);
		clock_ms += INTERVAL_MS;
		for (unsigned k = 0; k < 4; k++, clock_ms++)
			turn();
	}
	for (unsigned i = 0; i < PEOPLE; i++)
		count += body_connected(&people[i]);
	for (unsigned i = 0; i < READERS; i++) {
		struct reader *r = &readers[i];
		const struct view_user *own;

		answer(r);
		if (r->subscriber == NULL)
			continue;
		known++;
		cr_assert_eq(r->view.user_count, count);
		own = conference_view_user(&r->view, user_shown_uri(r->user));
		if (room->notifier != NULL &&
			room->connected + room->pending > config.conference_roster_max) {
			cr_assert_leq(r->view.user_count_known, 1);
			cr_assert_eq(own == NULL, r->user->hidden);
			continue;
		}
		if (r->view.full && r->view.users_partial)
			continue; /* between the two limits the room may still count as large */
		for (unsigned k = 0; k < PEOPLE; k++)
			if (!r->view.users_partial || !r->view.full)
				body_compare(r, &people[k]);
	}
	cr_assert_eq(known, notifier_subscribers(room));
}

static void live(uint64_t seed, unsigned roster_max, unsigned steps)
{
	dice = seed;
	config.conference_roster_max = roster_max;
	for (unsigned step = 0; step < steps; step++) {
		switch (roll(6)) {
		case 0:
		case 1: something_happens(); break;
		case 2: somebody_reads(); break;
		case 3:
			clock_ms += roll(3) == 0 ? roll(3000) : roll(20);
			turn();
			break;
		default:
			for (unsigned i = 0; i < READERS; i++)
				if (!readers[i].slow)
					answer(&readers[i]);
			turn();
			break;
		}
		if (step % 97 == 96)
			rest();
	}
	rest();
	for (unsigned i = 0; i < READERS; i++)
		forget(&readers[i]);
	conference_free(room);
	room = NULL;
	memset(people, 0, sizeof(people));
}

Test(notifier, whatever_happens_the_documents_make_the_roster)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		if (room == NULL)
			room = open_room();
		live(seed, 1000, 4000);
	}
}

Test(notifier, whatever_happens_around_the_limit_of_the_roster)
{
	for (uint64_t seed = 100; seed < 112; seed++) {
		if (room == NULL)
			room = open_room();
		live(seed, 18, 4000);
	}
}
