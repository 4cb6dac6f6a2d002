/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/notifier.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/conference.h"
#include "control/focus.h"
#include "include/log.h"

#define NOTIFIES_A_SHARE 8u     /* of a turn, for one conference before it is another's */
#define ROSTER_FULL_MAX  200u   /* users; beyond, no full state but at (re)subscription */
#define SHEET_KEPT_MAX   65536u /* octets; a longer one is given back when all were told */
#define VERSIONS_A_LIFE  65536u

struct notifier_work {
	TAILQ_ENTRY(notifier_work) link;
	struct notifiers *all;
	bool ready;
	/* Says at most so many NOTIFYs; how many. Asks for another turn itself; may free the
	 * work. */
	unsigned (*run)(struct notifier_work *work, unsigned most);
};

/* The users who changed after a revision, or all, as text, in the order of their last change. */
struct sheet {
	struct conference_info *info;
	struct mark {
		uint64_t changed;
		size_t place;
	} * marks;
	unsigned count, room;
	bool written;
	uint64_t revision, from;
};

TAILQ_HEAD(subscriber_list, subscriber);

struct notifier {
	struct notifier_work work; /* first: work is cast to it */
	struct conference *conference;
	struct subscriber_list told, late;
	unsigned count;
	uint64_t news;       /* the revision that everybody should be told */
	uint64_t described;  /* the revision at which the description changed */
	bool brief;          /* the roster is too long to be told */
	struct deadline due; /* of the first of told */
	struct sheet delta, whole;
	struct conference_info *own; /* one element, or none */
};

struct subscriber {
	TAILQ_ENTRY(subscriber) link;
	LIST_ENTRY(subscriber) user_link;
	struct notifier *notifier; /* NULL: its farewell waits */
	struct farewell *farewell;
	struct user *user; /* NULL with notifier */
	struct subscription *subscription;
	char *entity;
	unsigned number;
	uint32_t version; /* of the NOTIFY sent last; 0: none */
	uint64_t told;    /* up to this revision */
	uint64_t last_ms; /* of the NOTIFY sent last */
	size_t place;     /* of its own element in a farewell */
	unsigned counted; /* user-count as told */
	bool in_flight;
	bool late;
	bool full_due;   /* it asked for full state */
	bool brief;      /* it was last told without the roster */
	bool short_only; /* a whole roster did not reach it */
};

/* The last NOTIFYs of a conference, which may have gone. */
struct farewell {
	struct notifier_work work; /* first: work is cast to it */
	struct subscriber_list list;
	struct conference_info *info; /* NULL: draining, without a body */
	struct conference_info_head head;
	char *subject, *display_text;
};

static const struct notifier_ops sip_ops = {
	.now_ms = ua_now_ms,
	.notify = subscription_notify,
	.terminate = subscription_terminate,
	.free = subscription_free,
};

/* ---- turns ---- */

static void turn(void *arg);

static void turn_at(struct notifiers *all, uint64_t at_ms)
{
	if (deadline_is_set(&all->turn) ||
		deadline_set(all->deadlines, &all->turn, at_ms, turn, all) == 0)
		return;
	log_warning("notifier", "subscribers wait, no memory"); /* until something else is ready */
}

static void work_ready(struct notifier_work *work)
{
	if (work->ready)
		return;
	work->ready = true;
	TAILQ_INSERT_TAIL(&work->all->ready, work, link);
	if (!work->all->turning)
		turn_at(work->all, work->all->ops->now_ms());
}

static void work_clear(struct notifier_work *work)
{
	if (work->ready)
		TAILQ_REMOVE(&work->all->ready, work, link);
	work->ready = false;
}

static void turn(void *arg)
{
	struct notifiers *all = arg;
	struct notifier_work *work;
	unsigned left = NOTIFIES_A_TURN;

	all->turning = true;
	while (left > 0 && (work = TAILQ_FIRST(&all->ready)) != NULL) {
		work_clear(work);
		left -= work->run(work, left < NOTIFIES_A_SHARE ? left : NOTIFIES_A_SHARE);
	}
	all->turning = false;
	/* At the next millisecond, so that the loop looks at its sockets in between. */
	if (!TAILQ_EMPTY(&all->ready))
		turn_at(all, all->ops->now_ms() + 1);
}

void notifiers_init(struct notifiers *all, const struct config *config, struct deadlines *deadlines,
	const struct notifier_ops *ops)
{
	*all = (struct notifiers){
		.config = config,
		.deadlines = deadlines,
		.ops = ops != NULL ? ops : &sip_ops,
	};
	TAILQ_INIT(&all->ready);
}

/* ---- what is shown ---- */

/* What the roster says of a session; false: nothing. */
static bool session_shown(const struct participant *p, enum endpoint_status *status)
{
	switch (p->state) {
	case PARTICIPANT_IDLE:
	case PARTICIPANT_INVITED:
		*status = p->progressed ? ENDPOINT_ALERTING : ENDPOINT_DIALING_OUT;
		return true;
	case PARTICIPANT_CONNECTED: *status = ENDPOINT_CONNECTED; return true;
	case PARTICIPANT_LEAVING:
	case PARTICIPANT_WITHDRAWN: *status = ENDPOINT_DISCONNECTING; return true;
	default: return false; /* JOINING: it is not in, and may be refused */
	}
}

static void mix(uint64_t *hash, const void *octets, size_t len)
{
	const unsigned char *at = octets;

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ at[i]) * 1099511628211u; /* FNV-1a */
}

uint64_t notifier_signature(const struct user *u)
{
	uint64_t hash = 14695981039346656037u;
	struct span name = user_shown_name(u);
	const struct participant *p;
	enum endpoint_status status;
	bool any = false;

	if (u->hidden)
		return 0;
	TAILQ_FOREACH(p, &u->sessions, session_link)
	{
		if (!session_shown(p, &status))
			continue;
		any = true;
		mix(&hash, &p->number, sizeof(p->number));
		mix(&hash, &status, sizeof(status));
	}
	if (!any)
		return 0;
	mix(&hash, name.at, name.len);
	mix(&hash, user_shown_uri(u), strlen(user_shown_uri(u)));
	return hash | 1;
}

static enum endpoint_disconnection departure_of(const struct user *u)
{
	if (u->departure != ENDPOINT_LEFT_NONE)
		return u->departure;
	return u->joined > 0 ? ENDPOINT_LEFT_DEPARTED : ENDPOINT_LEFT_FAILED;
}

/* The user as an element behind the others. ending: everybody is being disconnected. */
static size_t write_user(struct conference_info *info, const struct user *u, bool ending)
{
	const char *domain = u->conference->focus->config->sip_domain;
	struct span name = user_shown_name(u);
	char text[NICKNAME_MAX + IDENTITY_MAX], (*entities)[CONFERENCE_URI_MAX];
	struct conference_info_endpoint *endpoints;
	struct conference_info_user user = {
		.entity = user_shown_uri(u),
		.display_text = text,
		/* An anonymous user is known by its alias, and by nothing that it is called
		 * elsewhere. */
		.nickname = u->alias == NULL ? u->nickname : NULL,
	};
	const struct participant *p;
	enum endpoint_status status;
	unsigned most = 1;
	size_t place;

	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
	TAILQ_FOREACH(p, &u->sessions, session_link)
	most++;
	endpoints = calloc(most, sizeof(*endpoints));
	entities = calloc(most, sizeof(*entities));
	user.endpoints = endpoints;
	if (endpoints != NULL && entities != NULL) {
		TAILQ_FOREACH(p, &u->sessions, session_link)
		{
			unsigned at = user.endpoint_count;

			if (!session_shown(p, &status))
				continue;
			snprintf(
				entities[at], sizeof(*entities), "sip:ep-%u@%s", p->number, domain);
			endpoints[at] = (struct conference_info_endpoint){
				.entity = entities[at],
				.status = ending ? ENDPOINT_DISCONNECTED : status,
				.joining = p->dialed_out ? ENDPOINT_JOINED_DIALED_OUT
							 : ENDPOINT_JOINED_DIALED_IN,
				.disconnection = ending ? ENDPOINT_LEFT_BOOTED : ENDPOINT_LEFT_NONE,
			};
			user.endpoint_count++;
		}
		if (user.endpoint_count == 0) {
			/* state="full": it replaces every endpoint that was told before. */
			snprintf(entities[0], sizeof(*entities), "sip:ep-%u@%s", u->last_endpoint,
				domain);
			endpoints[0] = (struct conference_info_endpoint){
				.entity = entities[0],
				.status = ENDPOINT_DISCONNECTED,
				.disconnection = departure_of(u),
			};
			user.endpoint_count = 1;
		}
	}
	place = conference_info_user(info, &user);
	free(endpoints);
	free(entities);
	return place;
}

/* ---- sheets ---- */

static void sheet_fini(struct sheet *sheet)
{
	conference_info_free(sheet->info);
	free(sheet->marks);
	*sheet = (struct sheet){ .info = NULL };
}

static int sheet_user(struct sheet *sheet, const struct user *u, bool ending)
{
	if (sheet->count == sheet->room) {
		unsigned room = sheet->room ? 2 * sheet->room : 16;
		struct mark *more = realloc(sheet->marks, room * sizeof(*more));

		if (more == NULL)
			return -ENOBUFS;
		sheet->marks = more;
		sheet->room = room;
	}
	sheet->marks[sheet->count++] =
		(struct mark){ .changed = u->changed, .place = write_user(sheet->info, u, ending) };
	return 0;
}

/* Users who changed after `from`, those who left among them; all: users of any age who are shown.
 */
static int sheet_write(
	struct sheet *sheet, const struct conference *c, uint64_t from, bool all, bool ending)
{
	struct user *u = TAILQ_FIRST(&c->roster);
	int r = 0;

	if (sheet->written && sheet->revision == c->revision && sheet->from <= from)
		return 0;
	if (sheet->info == NULL && conference_info_new(&sheet->info) < 0)
		return -ENOBUFS;
	conference_info_clear(sheet->info);
	sheet->count = 0;
	sheet->written = false;
	if (!all) {
		/* Back to the first that changed later: a delta costs what changed. */
		u = NULL;
		for (struct user *last = TAILQ_LAST(&c->roster, user_list);
			last != NULL && last->changed > from;
			last = TAILQ_PREV(last, user_list, link))
			u = last;
	}
	for (; u != NULL && r == 0; u = TAILQ_NEXT(u, link))
		if (u->shown != 0 || u->changed > from)
			r = sheet_user(sheet, u, ending);
	if (r < 0)
		return r;
	sheet->written = true;
	sheet->revision = c->revision;
	sheet->from = from;
	return 0;
}

/* The first mark of a later change. */
static unsigned mark_after(const struct sheet *sheet, uint64_t revision)
{
	unsigned low = 0, high = sheet->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (sheet->marks[middle].changed > revision)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static size_t place_after(const struct sheet *sheet, uint64_t revision)
{
	unsigned at = mark_after(sheet, revision);

	return at < sheet->count ? sheet->marks[at].place : conference_info_end(sheet->info);
}

static size_t place_of(const struct sheet *sheet, const struct user *u)
{
	unsigned at = mark_after(sheet, u->changed - 1);

	return u->changed > 0 && at < sheet->count && sheet->marks[at].changed == u->changed
		       ? sheet->marks[at].place
		       : CONFERENCE_INFO_NOBODY;
}

static void sheets_give_back(struct notifier *n)
{
	struct sheet *sheets[] = { &n->delta, &n->whole };

	for (unsigned i = 0; i < 2; i++)
		if (sheets[i]->info != NULL &&
			conference_info_end(sheets[i]->info) > SHEET_KEPT_MAX)
			sheet_fini(sheets[i]);
}

/* ---- a NOTIFY ---- */

static struct conference_info_head head_of(const struct conference *c, const char *entity)
{
	return (struct conference_info_head){
		.entity = entity,
		.subject = c->subject,
		.display_text = c->group != NULL ? c->group->document->display_name : "",
		.maximum_users = conference_maximum(c),
		.user_count = c->connected,
		.active = true,
	};
}

static bool is_brief(const struct subscriber *s)
{
	return s->notifier->brief || s->short_only;
}

/* The next document for s; malloc. *text NULL: there is nothing that it does not know. */
static int compose(struct subscriber *s, char **text, size_t *len)
{
	struct notifier *n = s->notifier;
	const struct conference *c = n->conference;
	struct conference_info_head head = head_of(c, s->entity);
	struct conference_info *info = n->own;
	bool brief = is_brief(s);
	size_t from = 0, own = CONFERENCE_INFO_NOBODY;
	int r;

	*text = NULL;
	head.version = s->version + 1;
	head.partial = !s->full_due && s->brief == brief && (brief || s->told >= c->forgotten);
	head.users_partial = head.partial || brief;
	head.description = !head.partial || n->described > s->told;
	if (brief) {
		conference_info_clear(n->own);
		if (s->user->shown != 0 && (!head.partial || s->user->changed > s->told))
			own = write_user(n->own, s->user, false);
		else if (!head.description && s->counted == c->connected)
			return 0;
	} else if (head.partial) {
		r = sheet_write(&n->delta, c, s->told, false, false);
		if (r < 0)
			return r;
		info = n->delta.info;
		from = place_after(&n->delta, s->told);
		own = place_of(&n->delta, s->user);
	} else {
		r = sheet_write(&n->whole, c, UINT64_MAX, true, false);
		if (r < 0)
			return r;
		info = n->whole.info;
		own = place_of(&n->whole, s->user);
	}
	return conference_info_text(info, &head, from, own, text, len);
}

static void subscriber_unlink(struct subscriber *s)
{
	struct notifier *n = s->notifier;

	if (n != NULL) {
		TAILQ_REMOVE(s->late ? &n->late : &n->told, s, link);
		LIST_REMOVE(s, user_link);
		n->count--;
		s->user->subscriber_count--;
	} else {
		TAILQ_REMOVE(&s->farewell->list, s, link);
		s->farewell->work.all->farewells--;
	}
}

static void subscriber_free(struct subscriber *s)
{
	free(s->entity);
	free(s);
}

/* Its subscription has been ended or freed. */
static void subscriber_drop(struct subscriber *s)
{
	struct notifiers *all = s->notifier != NULL ? s->notifier->work.all : s->farewell->work.all;

	if (all->gone != NULL && s->notifier != NULL)
		all->gone(s);
	subscriber_unlink(s);
	subscriber_free(s);
}

static void move(struct subscriber *s, bool late, bool to_front)
{
	struct notifier *n = s->notifier;
	struct subscriber_list *list = late ? &n->late : &n->told;

	TAILQ_REMOVE(s->late ? &n->late : &n->told, s, link);
	s->late = late;
	if (to_front)
		TAILQ_INSERT_HEAD(list, s, link);
	else
		TAILQ_INSERT_TAIL(list, s, link);
}

static bool is_behind(const struct subscriber *s)
{
	return s->full_due || s->told < s->notifier->news;
}

static uint64_t due_ms(const struct subscriber *s)
{
	return s->full_due
		       ? 0
		       : s->last_ms + s->notifier->work.all->config->conference_notify_interval_ms;
}

/* s may be gone afterwards. */
static void tell(struct subscriber *s)
{
	struct notifier *n = s->notifier;
	struct notifiers *all = n->work.all;
	char *text;
	size_t len;
	int r = compose(s, &text, &len);

	if (r == 0 && text != NULL) {
		r = all->ops->notify(s->subscription, CONFERENCE_INFO_TYPE, span_make(text, len));
		free(text);
		if (r == 0) {
			s->version++;
			s->in_flight = true;
			all->sent++;
		}
	}
	if (r < 0) {
		log_warning("notifier", "subscriber dropped conference=%s result=\"%s\"",
			n->conference->uri, result_text(r));
		all->ops->free(s->subscription);
		subscriber_drop(s);
		return;
	}
	s->brief = is_brief(s);
	s->full_due = false;
	s->counted = n->conference->connected;
	s->told = n->conference->revision;
	/* Also where nothing had to be said: the list is by this time. */
	s->last_ms = all->ops->now_ms();
	move(s, false, false);
}

static void is_due(void *arg)
{
	struct notifier *n = arg;

	work_ready(&n->work);
}

/* Asks for a turn, now or when the first one who is behind is due. */
static void schedule(struct notifier *n)
{
	struct notifiers *all = n->work.all;
	struct subscriber *s = TAILQ_FIRST(&n->told);

	if (n->work.ready || s == NULL || !is_behind(s))
		return;
	if (due_ms(s) <= all->ops->now_ms()) {
		deadline_clear(all->deadlines, &n->due);
		work_ready(&n->work);
	} else if (!deadline_is_set(&n->due) &&
		   deadline_set(all->deadlines, &n->due, due_ms(s), is_due, n) < 0) {
		work_ready(&n->work);
	}
}

static unsigned notifier_run(struct notifier_work *work, unsigned most)
{
	struct notifier *n = (struct notifier *)work;
	struct subscriber *s;
	unsigned done = 0;

	while (done < most && (s = TAILQ_FIRST(&n->told)) != NULL && is_behind(s) &&
		due_ms(s) <= work->all->ops->now_ms()) {
		if (s->in_flight) {
			move(s, true, false);
			continue;
		}
		tell(s);
		done++;
	}
	schedule(n);
	if (!work->ready)
		sheets_give_back(n);
	return done;
}

/* ---- subscriptions ---- */

static int notifier_of(struct notifier **out, struct conference *c)
{
	struct notifier *n = c->notifier;

	if (n == NULL) {
		n = calloc(1, sizeof(*n));
		if (n == NULL || conference_info_new(&n->own) < 0) {
			free(n);
			return -ENOBUFS;
		}
		n->work.all = &c->focus->notifiers;
		n->work.run = notifier_run;
		n->conference = c;
		n->news = c->revision;
		TAILQ_INIT(&n->told);
		TAILQ_INIT(&n->late);
		c->notifier = n;
	}
	*out = n;
	return 0;
}

/* Above roster_max the roster is no longer told; some way below, and when a full document for
 * everybody is a small matter, it is again. */
static void set_brief(struct notifier *n)
{
	const struct conference *c = n->conference;
	unsigned most = (unsigned)n->work.all->config->conference_roster_max;
	unsigned shown = c->connected + c->pending, low = most - most / 8;

	if (!n->brief)
		n->brief = shown > most;
	else
		n->brief = shown > (low < ROSTER_FULL_MAX ? low : ROSTER_FULL_MAX);
}

int subscriber_new(struct subscriber **out, struct user *u, const char *entity)
{
	struct subscriber *s = calloc(1, sizeof(*s));
	struct notifier *n;

	if (s == NULL)
		return -ENOBUFS;
	s->entity = strdup(entity);
	if (s->entity == NULL || notifier_of(&n, u->conference) < 0) {
		subscriber_free(s);
		return -ENOBUFS;
	}
	s->notifier = n;
	s->user = u;
	s->number = u->conference->next_endpoint++;
	s->full_due = true;
	TAILQ_INSERT_HEAD(&n->told, s, link);
	LIST_INSERT_HEAD(&u->subscribers, s, user_link);
	n->count++;
	u->subscriber_count++;
	set_brief(n);
	*out = s;
	return 0;
}

void subscriber_begin(struct subscriber *s, struct subscription *subscription)
{
	struct notifiers *all = s->notifier->work.all;

	s->subscription = subscription;
	if (all->kept != NULL)
		all->kept(s);
	tell(s);
}

int notifier_accept(
	struct user *u, const char *entity, struct ua_transaction *t, const struct request *request)
{
	struct conference *c = u->conference;
	const struct subscription_terms terms = {
		.status = 200, /* CF-7.2.1.12-R5a */
		.event = "conference",
		.contact = c->uri, /* CF-7.2.1.12-R6 */
		.contact_is_focus = true,
		.expires = (uint32_t)(c->focus->config->sip_subscription_expires_ms / 1000),
	};
	struct subscription *subscription;
	struct subscriber *s;
	struct header_block extra;
	int r = subscriber_new(&s, u, entity);

	if (r < 0) {
		header_init(&extra);
		header_add(&extra, "Retry-After", "%d", FOCUS_RETRY_AFTER_S);
		ua_respond(t, 503, "Service Unavailable", &extra, NULL, NULL);
		return r;
	}
	r = subscription_accept(t, &subscription, request, &terms, &notifier_subscription_ops, s);
	if (r < 0) {
		subscriber_unlink(s);
		subscriber_free(s);
		return r;
	}
	log_debug("notifier", "subscribed conference=%s user=%u subscribers=%u", c->uri, u->number,
		notifier_subscribers(c));
	subscriber_begin(s, subscription); /* CF-7.2.1.12-R8, CF-7.2.1.12-R9 */
	return 0;
}

static void refreshed(void *arg)
{
	struct subscriber *s = arg;
	struct notifier *n = s->notifier;

	if (n == NULL) /* its last NOTIFY is on its way */
		return;
	if (n->work.all->kept != NULL)
		n->work.all->kept(s);
	/* RFC 6665 4.2.1.2: at once, or as soon as the one before was answered. */
	s->full_due = true;
	if (n->conference->connected + n->conference->pending <= ROSTER_FULL_MAX)
		s->short_only = false;
	if (!s->in_flight)
		tell(s);
	else if (!s->late)
		move(s, true, false);
}

static void notified(void *arg)
{
	struct subscriber *s = arg;

	s->in_flight = false;
	if (s->notifier == NULL || !s->late)
		return;
	if (s->full_due) {
		tell(s);
		return;
	}
	/* It was told of less than all the others, so it comes before them. */
	move(s, false, true);
	schedule(s->notifier);
}

/* The versions that it knows have a gap now; a full document closes it (RFC 4575 4.2). */
static void too_long(void *arg)
{
	struct subscriber *s = arg;

	s->in_flight = false;
	if (s->notifier == NULL)
		return;
	log_info("notifier", "a roster is too long for a subscriber without TCP conference=%s",
		s->notifier->conference->uri);
	s->short_only = true;
	s->full_due = true;
	tell(s);
}

static void ended(void *arg, enum subscription_end how)
{
	struct subscriber *s = arg;
	struct notifiers *all = s->notifier != NULL ? s->notifier->work.all : s->farewell->work.all;
	char *text = NULL;
	size_t len = 0;

	switch (how) {
	case SUBSCRIPTION_FAILED: all->ops->free(s->subscription); break;
	case SUBSCRIPTION_UNSUBSCRIBED:
		/* RFC 6665 4.4.3: it is also how one asks for the state once more. */
		s->full_due = true;
		if (s->notifier != NULL && compose(s, &text, &len) < 0)
			text = NULL;
		all->ops->terminate(s->subscription, "timeout", text ? CONFERENCE_INFO_TYPE : NULL,
			span_make(text ? text : "", len));
		free(text);
		break;
	case SUBSCRIPTION_EXPIRED: /* 7.2.2.11 */
		all->ops->terminate(s->subscription, "timeout", NULL, span_make("", 0));
		break;
	}
	subscriber_drop(s);
}

const struct subscription_ops notifier_subscription_ops = {
	.refreshed = refreshed,
	.notified = notified,
	.too_long = too_long,
	.ended = ended,
};

/* ---- changes ---- */

/* CF-7.2.1.12-CHG1 */
void notifier_changed(struct conference *c)
{
	struct notifier *n = c->notifier;

	if (n == NULL)
		return;
	n->news = c->revision;
	set_brief(n);
	schedule(n);
}

void notifier_described(struct conference *c)
{
	if (c->notifier == NULL)
		return;
	c->notifier->described = ++c->revision;
	notifier_changed(c);
}

/* CF-7.2.1.8-R2a-vii, CF-7.2.1.10-R4, CF-7.2.1.12-TERM1 */
void notifier_leave(struct user *u)
{
	struct conference *c = u->conference;
	struct notifier *n = c->notifier;
	struct subscriber *s;

	while ((s = LIST_FIRST(&u->subscribers)) != NULL) {
		struct conference_info_head head = head_of(c, s->entity);
		char *text = NULL;
		size_t len = 0, own;

		head.version = s->version + 1;
		head.partial = true;
		conference_info_clear(n->own);
		own = write_user(n->own, u, false);
		if (conference_info_text(n->own, &head, 0, own, &text, &len) < 0)
			text = NULL;
		n->work.all->ops->terminate(s->subscription, "noresource",
			text ? CONFERENCE_INFO_TYPE : NULL, span_make(text ? text : "", len));
		free(text);
		subscriber_drop(s);
	}
}

static void farewell_free(struct farewell *f)
{
	work_clear(&f->work);
	conference_info_free(f->info);
	free(f->subject);
	free(f->display_text);
	free(f);
}

static unsigned farewell_run(struct notifier_work *work, unsigned most)
{
	struct farewell *f = (struct farewell *)work;
	struct notifiers *all = work->all;
	struct subscriber *s = NULL;
	unsigned done = 0;

	while (done < most && (s = TAILQ_FIRST(&f->list)) != NULL) {
		char *text = NULL;
		size_t len = 0;

		f->head.entity = s->entity;
		f->head.version = s->version + 1;
		if (f->info != NULL &&
			conference_info_text(f->info, &f->head, 0, s->place, &text, &len) < 0)
			text = NULL;
		all->ops->terminate(s->subscription, f->info ? "noresource" : "deactivated",
			text ? CONFERENCE_INFO_TYPE : NULL, span_make(text ? text : "", len));
		free(text);
		subscriber_drop(s);
		done++;
	}
	if (TAILQ_EMPTY(&f->list))
		farewell_free(f);
	else
		work_ready(work);
	return done;
}

static uint64_t told_least(const struct notifier *n)
{
	const struct subscriber *late = TAILQ_FIRST(&n->late), *told = TAILQ_FIRST(&n->told);
	uint64_t least = told != NULL ? told->told : UINT64_MAX;

	return late != NULL && late->told < least ? late->told : least;
}

/* Everybody as disconnected, and who left since the one who knows least was told. */
static int farewell_write(struct farewell *f, struct notifier *n, uint64_t least)
{
	const struct conference *c = n->conference;
	struct sheet sheet = { .info = NULL };
	bool brief = n->brief || c->connected + c->pending > ROSTER_FULL_MAX;
	struct subscriber *s;
	int r;

	f->head = head_of(c, "");
	f->head.description = true;
	f->head.active = false;
	f->head.user_count = 0;
	f->head.users_partial = brief;
	f->head.subject = f->subject = strdup(f->head.subject ? f->head.subject : "");
	f->head.display_text = f->display_text =
		strdup(f->head.display_text ? f->head.display_text : "");
	r = f->subject && f->display_text ? 0 : -ENOBUFS;
	if (r == 0)
		r = brief ? conference_info_new(&sheet.info)
			  : sheet_write(&sheet, c, least, true, true);
	if (r == 0)
		TAILQ_FOREACH(s, &f->list, link)
	s->place = place_of(&sheet, s->user);
	f->info = sheet.info;
	free(sheet.marks);
	return r;
}

/* CF-7.2.1.12-TERM1 */
void notifier_end(struct conference *c, bool draining)
{
	struct notifier *n = c->notifier;
	struct farewell *f;
	struct subscriber *s;
	uint64_t least;

	if (n == NULL || n->count == 0)
		return;
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		notifier_free(c);
		return;
	}
	f->work.all = n->work.all;
	f->work.run = farewell_run;
	TAILQ_INIT(&f->list);
	least = told_least(n);
	TAILQ_CONCAT(&f->list, &n->late, link);
	TAILQ_CONCAT(&f->list, &n->told, link);
	if (!draining && farewell_write(f, n, least) < 0) {
		conference_info_free(f->info); /* then without a body */
		f->info = NULL;
	}
	TAILQ_FOREACH(s, &f->list, link)
	{
		if (n->work.all->gone != NULL)
			n->work.all->gone(s);
		LIST_REMOVE(s, user_link);
		s->user->subscriber_count--;
		s->user = NULL;
		s->notifier = NULL;
		s->farewell = f;
	}
	f->work.all->farewells += n->count;
	n->count = 0;
	deadline_clear(n->work.all->deadlines, &n->due);
	work_clear(&n->work);
	work_ready(&f->work);
}

void notifier_free(struct conference *c)
{
	struct notifier *n = c->notifier;
	struct subscriber *s;

	if (n == NULL)
		return;
	while ((s = TAILQ_FIRST(&n->told)) != NULL || (s = TAILQ_FIRST(&n->late)) != NULL) {
		n->work.all->ops->free(s->subscription);
		subscriber_drop(s);
	}
	deadline_clear(n->work.all->deadlines, &n->due);
	work_clear(&n->work);
	sheet_fini(&n->delta);
	sheet_fini(&n->whole);
	conference_info_free(n->own);
	free(n);
	c->notifier = NULL;
}

void notifiers_fini(struct notifiers *all)
{
	struct notifier_work *work;

	/* The conferences have gone; what is left are farewells. */
	while ((work = TAILQ_FIRST(&all->ready)) != NULL) {
		struct farewell *f = (struct farewell *)work;
		struct subscriber *s;

		while ((s = TAILQ_FIRST(&f->list)) != NULL) {
			all->ops->free(s->subscription);
			subscriber_drop(s);
		}
		farewell_free(f);
	}
	if (all->deadlines != NULL)
		deadline_clear(all->deadlines, &all->turn);
}

unsigned notifier_subscribers(const struct conference *c)
{
	return c->notifier != NULL ? c->notifier->count : 0;
}

unsigned notifier_subscribers_of(const struct user *u)
{
	return u->subscriber_count;
}

/* ---- survival ---- */

struct conference *subscriber_conference(const struct subscriber *s)
{
	return s->notifier != NULL ? s->notifier->conference : NULL;
}

unsigned subscriber_number(const struct subscriber *s)
{
	return s->number;
}

void subscriber_pack(const struct subscriber *s, struct pack *pack)
{
	pack_text(pack, "user", span_of(s->user->canonical));
	pack_text(pack, "entity", span_of(s->entity));
	pack_number(pack, "version", s->version);
	subscription_pack(s->subscription, pack);
}

int subscriber_restore(struct conference *c, unsigned number, struct ua *ua,
	const struct unpacked *fields, uint32_t lives)
{
	struct span name = unpack_text(fields, "user"), entity = unpack_text(fields, "entity");
	char text[IDENTITY_MAX];
	struct subscriber *s;
	struct user *u;
	int r;

	if (name.len >= sizeof(text) || entity.len >= sizeof(text))
		return -ENOENT;
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
	u = user_find(c, text);
	if (u == NULL || !user_is_connected(u))
		return -ENOENT;
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(entity));
	r = subscriber_new(&s, u, text);
	if (r < 0)
		return r;
	s->number = number;
	s->version = (uint32_t)unpack_number(fields, "version") + lives * VERSIONS_A_LIFE;
	r = subscription_restore(
		ua, &s->subscription, fields, lives, &notifier_subscription_ops, s);
	if (r < 0) {
		subscriber_unlink(s);
		subscriber_free(s);
		return r;
	}
	/* full_due: at the front, and a full NOTIFY when its turn comes. */
	schedule(s->notifier);
	return 0;
}
