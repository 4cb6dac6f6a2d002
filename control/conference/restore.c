/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/restore.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/keep.h"
#include "control/controlling/procedures.h"
#include "include/log.h"

/* A record that is dealt with when the store is not being read any more. */
struct left_over {
	TAILQ_ENTRY(left_over) link;
	enum store_kind kind;
	bool abandon; /* it is a participant's, and its dialog is to be ended */
	size_t key_len, record_len;
	char octets[];
};

struct restoring {
	struct focus *focus;
	struct conference *last; /* of the record before: those of one conference come together */
	unsigned dialogs, users, subscribers;
	TAILQ_HEAD(, left_over) left_overs;
};

static void leave_over(struct restoring *r, enum store_kind kind, struct span key,
	struct span record, bool abandon)
{
	struct left_over *one = calloc(1, sizeof(*one) + key.len + record.len);

	if (one == NULL)
		return; /* it is met again at the next start */
	one->kind = kind;
	one->abandon = abandon;
	one->key_len = key.len;
	one->record_len = record.len;
	memcpy(one->octets, key.at, key.len);
	memcpy(one->octets + key.len, record.at, record.len);
	TAILQ_INSERT_TAIL(&r->left_overs, one, link);
}

static int text_take(char **out, const struct unpacked *fields, const char *name)
{
	struct span text = unpack_text(fields, name);

	*out = text.len > 0 ? strndup(text.at, text.len) : NULL;
	return text.len > 0 && *out == NULL ? -ENOBUFS : 0;
}

static int text_take_always(char **out, const struct unpacked *fields, const char *name)
{
	struct span text = unpack_text(fields, name);

	*out = strndup(text.at, text.len);
	return *out != NULL ? 0 : -ENOBUFS;
}

/* The conference of "im-.../0000002a". */
static struct conference *conference_of(struct restoring *r, struct span key)
{
	char uri[CONFERENCE_URI_MAX];

	if (key.len < CONFERENCE_LOCAL_LEN)
		return NULL;
	if (r->last != NULL && span_eq(keep_name(r->last), span_make(key.at, CONFERENCE_LOCAL_LEN)))
		return r->last;
	snprintf(uri, sizeof(uri), "sip:%.*s@%s", CONFERENCE_LOCAL_LEN, key.at,
		r->focus->config->sip_domain);
	r->last = conference_find(&r->focus->conferences, uri);
	return r->last;
}

/* ---- conferences ---- */

static int conference_read(struct restoring *r, struct span key, const struct unpacked *fields)
{
	struct focus *focus = r->focus;
	char local[CONFERENCE_LOCAL_LEN + 1], *identity = NULL, *canonical = NULL;
	uint64_t kind = unpack_number(fields, "kind");
	struct group *group = NULL;
	struct conference *c;
	int result = -EBADMSG;

	if (key.len != CONFERENCE_LOCAL_LEN || kind > CONFERENCE_GROUP)
		return -EBADMSG;
	memcpy(local, key.at, CONFERENCE_LOCAL_LEN);
	local[CONFERENCE_LOCAL_LEN] = '\0';
	if (text_take(&identity, fields, "identity") < 0 ||
		text_take(&canonical, fields, "group") < 0 || identity == NULL)
		goto out;
	if (kind == CONFERENCE_GROUP) {
		result = -ENOENT; /* the document is gone: nobody says any more what is allowed */
		group = canonical != NULL ? focus_group(focus, canonical) : NULL;
		if (group == NULL)
			goto out;
	}
	result = conference_make(&c, focus, (enum conference_kind)kind, local, identity, group);
	if (result < 0)
		goto out;
	if (text_take_always(&c->subject, fields, "subject") < 0 ||
		text_take_always(&c->contribution_id, fields, "contribution-id") < 0) {
		conference_free(c);
		result = -ENOBUFS;
		goto out;
	}
	c->keep.written = true;
	/* Written every KEEP_STRIDE sessions. */
	c->revision = unpack_number(fields, "revision") + ((uint64_t)KEEP_STRIDE << 8);
	c->joins = unpack_number(fields, "joins") + KEEP_STRIDE;
	c->next_endpoint = (unsigned)unpack_number(fields, "next-endpoint") + 2 * KEEP_STRIDE;
	c->kept_endpoint = (unsigned)unpack_number(fields, "next-endpoint");
	c->invited = (unsigned)unpack_number(fields, "invited");
	c->lowest_status = (unsigned)unpack_number(fields, "lowest-status");
	c->aliases = (unsigned)unpack_number(fields, "aliases");
	c->set_up = unpack_flag(fields, "set-up");
	c->had_second = unpack_flag(fields, "had-second");
	c->creator_left = unpack_flag(fields, "creator-left");
	c->restored_initiator = (unsigned)unpack_number(fields, "initiator");
	c->restored_duration_ms = unpack_number(fields, "duration");
out:
	free(identity);
	free(canonical);
	return result;
}

static void conference_seen(void *arg, struct span key, struct span record)
{
	struct restoring *r = arg;
	struct unpacked *fields = NULL;
	int result = unpack(&fields, record);

	if (result == 0)
		result = conference_read(r, key, fields);
	unpack_free(fields);
	if (result == 0)
		return;
	log_warning("restore", "a conference is not gone on with conference=%.*s result=\"%s\"",
		SPAN_ARG(key), result_text(result));
	leave_over(r, STORE_CONFERENCE, key, record, false);
}

/* ---- users ---- */

static int user_read(struct restoring *r, struct conference *c, const struct unpacked *fields)
{
	char *canonical = NULL, *second = NULL, *name = NULL, *alias = NULL, *alias_name = NULL;
	struct span nickname = unpack_text(fields, "nickname");
	struct span uri = unpack_text(fields, "uri");
	struct user *u = NULL;
	int result = -ENOBUFS;

	if (text_take_always(&canonical, fields, "canonical") < 0 ||
		text_take_always(&second, fields, "second") < 0 ||
		text_take_always(&name, fields, "display-name") < 0 ||
		text_take(&alias, fields, "alias") < 0 ||
		text_take(&alias_name, fields, "alias-name") < 0)
		goto out;
	result = -EBADMSG;
	if (canonical[0] == '\0' || uri.len == 0 || user_find(c, canonical) != NULL ||
		(alias != NULL && alias_name == NULL))
		goto out;
	c->next_number = (unsigned)unpack_number(fields, "number");
	result = user_enter(&u, c, canonical, second, uri, name);
	if (result < 0)
		goto out;
	result = alias != NULL ? user_alias_set(u, alias, alias_name) : 0;
	/* Where it has been reserved meanwhile, he is without. */
	if (result == 0 && nickname.len > 0 && user_nickname_set(u, nickname) < 0)
		log_info("restore", "a nickname is not gone on with conference=%s", c->uri);
	if (result < 0) {
		user_free(u);
		goto out;
	}
	u->keep.written = true;
	u->changed = unpack_number(fields, "changed");
	u->joined = unpack_number(fields, "joined");
	u->creator = unpack_flag(fields, "creator");
	u->expelled = unpack_flag(fields, "expelled");
	u->hidden = unpack_flag(fields, "hidden");
	u->last_endpoint = (unsigned)unpack_number(fields, "last-endpoint");
	u->departure = (enum endpoint_disconnection)unpack_number(fields, "departure");
	if (u->changed > c->revision)
		c->revision = u->changed;
	if (u->joined > c->joins)
		c->joins = u->joined;
	r->users++;
out:
	free(canonical);
	free(second);
	free(name);
	free(alias);
	free(alias_name);
	return result;
}

static void user_seen(void *arg, struct span key, struct span record)
{
	struct restoring *r = arg;
	struct conference *c = conference_of(r, key);
	struct unpacked *fields = NULL;
	int result = c != NULL ? unpack(&fields, record) : -ENOENT;

	if (result == 0)
		result = user_read(r, c, fields);
	unpack_free(fields);
	if (result == 0)
		return;
	if (result != -ENOENT)
		log_warning("restore", "a user is lost record=%.*s result=\"%s\"", SPAN_ARG(key),
			result_text(result));
	leave_over(r, STORE_USER, key, record, false);
}

/* ---- participants ---- */

static int media_read(struct sdp_media *m, const struct unpacked *fields)
{
	struct span lines = unpack_text(fields, "media");

	*m = (struct sdp_media){ .path = NULL };
	if (text_take_always(&m->path, fields, "path") < 0 ||
		text_take_always(&m->accept_types, fields, "accept-types") < 0 ||
		text_take_always(&m->wrapped_types, fields, "wrapped-types") < 0 ||
		text_take_always(&m->fingerprint, fields, "fingerprint") < 0 ||
		text_take_always(&m->connect, fields, "connect") < 0)
		goto failed;
	m->family = (unsigned)unpack_number(fields, "family");
	m->max_size = unpack_number(fields, "max-size");
	m->setup = (enum sdp_setup)unpack_number(fields, "setup");
	m->direction = (enum sdp_direction)unpack_number(fields, "direction");
	m->secure = unpack_flag(fields, "secure");
	m->cema = unpack_flag(fields, "cema");
	m->chatroom = unpack_flag(fields, "chatroom");
	m->chatroom_nickname = unpack_flag(fields, "chatroom-nickname");
	m->chatroom_private = unpack_flag(fields, "chatroom-private");
	m->media_index = (unsigned)unpack_number(fields, "media-index");
	for (size_t i = 0; i < lines.len; i++)
		m->media_count += lines.at[i] == '\n';
	if (m->media_count > 0) {
		unsigned count = m->media_count;

		m->media_lines = calloc(count, sizeof(m->media_lines[0]));
		if (m->media_lines == NULL)
			goto failed;
		for (unsigned i = 0; i < count; i++) {
			struct span line = span_cut(&lines, '\n');

			m->media_lines[i] = strndup(line.at, line.len);
			if (m->media_lines[i] == NULL)
				goto failed;
		}
	}
	return 0;
failed:
	sdp_media_fini(m);
	return -ENOBUFS;
}

static struct user *user_numbered(struct conference *c, uint64_t number)
{
	/* The users were read in the order of their numbers, and entered at the end. */
	return number < c->restored_count ? c->restored_users[number] : NULL;
}

static int participant_read(struct participant *p, const struct unpacked *fields, uint64_t state)
{
	struct focus *focus = p->conference->focus;
	struct user *u = p->user;
	uint32_t life = (uint32_t)unpack_number(fields, "life");
	uint64_t changed, joined;
	int r;

	free(p->allow);
	p->allow = NULL;
	if (text_take_always(&p->allow, fields, "allow") < 0 ||
		text_take(&p->msrp_uri, fields, "msrp-uri") < 0)
		return -ENOBUFS;
	r = media_read(&p->remote, fields);
	if (r < 0)
		return r;
	p->has_remote = true;
	p->sdp_digest = unpack_number(fields, "sdp-digest");
	p->sdp_is_answer = unpack_flag(fields, "sdp-is-answer");
	p->sdp_session = unpack_number(fields, "sdp-session");
	p->sdp_version = unpack_number(fields, "sdp-version");
	p->session_expires = (uint32_t)unpack_number(fields, "session-expires");
	p->min_se = (uint32_t)unpack_number(fields, "min-se");
	p->refresher_is_us = unpack_flag(fields, "refresher");
	p->supports_timer = unpack_flag(fields, "timer");
	p->from_setup = unpack_flag(fields, "from-setup");
	p->dialed_out = unpack_flag(fields, "dialed-out");
	p->offered = unpack_flag(fields, "offered");
	p->reoffer = unpack_flag(fields, "reoffer");
	p->restored_wait_ms = unpack_number(fields, "wait");
	r = dialog_restore(focus->ua, &p->dialog, fields, store_life(focus->store) - life,
		&session_dialog_ops, p);
	if (r < 0)
		return r;
	/* That is no news to anybody. */
	changed = u->changed;
	joined = u->joined;
	conference_state(p, (enum participant_state)state);
	u->changed = changed;
	u->joined = joined;
	p->keep.written = true;
	return 0;
}

static int participant_make(
	struct restoring *r, struct conference *c, struct span key, const struct unpacked *fields)
{
	uint64_t state = unpack_number(fields, "state");
	unsigned next = c->next_endpoint;
	struct participant *p;
	char number[9] = "";
	struct user *u;
	int result;

	if (state != PARTICIPANT_CONNECTED)
		return -EPROTO; /* not confirmed, or about to end */
	u = user_numbered(c, unpack_number(fields, "user"));
	if (u == NULL || key.len != CONFERENCE_LOCAL_LEN + 9)
		return -EBADMSG;
	memcpy(number, key.at + CONFERENCE_LOCAL_LEN + 1, 8);
	c->next_endpoint = (unsigned)strtoul(number, NULL, 16);
	if (c->next_endpoint >= next)
		next = c->next_endpoint + 1;
	result = conference_add(&p, u);
	c->next_endpoint = next;
	if (result < 0)
		return result;
	result = participant_read(p, fields, state);
	if (result < 0) {
		conference_drop(p);
		return result;
	}
	if (c->restored_initiator == p->number + 1)
		c->initiator = p;
	r->dialogs++;
	return 0;
}

static void participant_seen(void *arg, struct span key, struct span record)
{
	struct restoring *r = arg;
	struct conference *c = conference_of(r, key);
	struct unpacked *fields = NULL;
	int result = c != NULL ? unpack(&fields, record) : -ENOENT;

	if (result == 0)
		result = participant_make(r, c, key, fields);
	unpack_free(fields);
	if (result == 0)
		return;
	if (result != -ENOENT && result != -EPROTO)
		log_warning("restore", "a session is lost record=%.*s result=\"%s\"", SPAN_ARG(key),
			result_text(result));
	leave_over(r, STORE_PARTICIPANT, key, record, true);
}

/* ---- subscribers ---- */

static void subscriber_seen(void *arg, struct span key, struct span record)
{
	struct restoring *r = arg;
	struct focus *focus = r->focus;
	struct conference *c = conference_of(r, key);
	struct unpacked *fields = NULL;
	char number[9] = "";
	int result = c != NULL && key.len == CONFERENCE_LOCAL_LEN + 9 ? unpack(&fields, record)
								      : -ENOENT;

	if (result == 0) {
		memcpy(number, key.at + CONFERENCE_LOCAL_LEN + 1, 8);
		result = subscriber_restore(c, (unsigned)strtoul(number, NULL, 16), focus->ua,
			fields, store_life(focus->store) - (uint32_t)unpack_number(fields, "life"));
	}
	unpack_free(fields);
	if (result == 0) {
		r->subscribers++;
		return;
	}
	log_info("restore", "a subscription is not gone on with record=%.*s result=\"%s\"",
		SPAN_ARG(key), result_text(result));
	leave_over(r, STORE_SUBSCRIPTION, key, record, false);
}

/* ---- the whole ---- */

static int by_change(const void *a, const void *b)
{
	const struct user *const *x = a, *const *y = b;

	return (*x)->changed < (*y)->changed ? -1 : (*x)->changed > (*y)->changed;
}

/* Users by number, for the time of reading. */
static int users_index(struct conference *c)
{
	struct user *u;

	c->restored_count = 0;
	TAILQ_FOREACH(u, &c->roster, link)
	{
		if (u->number >= c->restored_count)
			c->restored_count = u->number + 1;
	}
	c->restored_users = calloc(c->restored_count + 1, sizeof(c->restored_users[0]));
	if (c->restored_users == NULL) {
		c->restored_count = 0;
		return -ENOBUFS;
	}
	TAILQ_FOREACH(u, &c->roster, link)
	c->restored_users[u->number] = u;
	return 0;
}

/* The roster in the order of the changes that subscribers know, numbers that nobody has, and who
 * has left. */
static int users_settle(struct conference *c)
{
	struct user *u, *next;
	unsigned count = 0, gaps = 0;

	c->free_numbers = calloc(c->restored_count + 1, sizeof(c->free_numbers[0]));
	if (c->free_numbers == NULL)
		return -ENOBUFS;
	c->next_number = c->restored_count;
	c->free_room = c->restored_count + 1;
	for (unsigned i = c->restored_count; i-- > 0;)
		if (c->restored_users[i] == NULL)
			c->free_numbers[gaps++] = i;
	c->free_count = gaps;
	for (unsigned i = 0; i < c->restored_count; i++)
		if (c->restored_users[i] != NULL)
			c->restored_users[count++] = c->restored_users[i];
	qsort(c->restored_users, count, sizeof(c->restored_users[0]), by_change);
	TAILQ_INIT(&c->roster);
	for (unsigned i = 0; i < count; i++) {
		c->restored_users[i]->shown = notifier_signature(c->restored_users[i]);
		TAILQ_INSERT_TAIL(&c->roster, c->restored_users[i], link);
	}
	free(c->restored_users);
	c->restored_users = NULL;
	c->restored_count = 0;
	for (u = TAILQ_FIRST(&c->roster); u != NULL; u = next) {
		next = TAILQ_NEXT(u, link);
		user_left(u); /* where it has no session */
	}
	return 0;
}

static void left_over_end(struct focus *focus, struct left_over *one)
{
	struct span key = span_make(one->octets, one->key_len);
	struct span record = span_make(one->octets + one->key_len, one->record_len);
	struct unpacked *fields;

	if (one->abandon && unpack(&fields, record) == 0) {
		dialog_abandon(focus->ua, fields,
			store_life(focus->store) - (uint32_t)unpack_number(fields, "life"),
			"SIP;cause=480;text=\"Session lost\"");
		unpack_free(fields);
	}
	store_delete(focus->store, one->kind, key);
}

int restore_conferences(struct focus *focus)
{
	struct restoring r = { .focus = focus };
	struct conference *c, *next;
	struct left_over *one;
	int result = 0;

	if (focus->store == NULL)
		return 0;
	TAILQ_INIT(&r.left_overs);
	focus->restoring = true;
	store_each(focus->store, STORE_CONFERENCE, conference_seen, &r);
	store_each(focus->store, STORE_USER, user_seen, &r);
	TAILQ_FOREACH(c, &focus->conferences.list, link)
	{
		if (users_index(c) < 0)
			result = -ENOBUFS;
	}
	r.last = NULL;
	store_each(focus->store, STORE_PARTICIPANT, participant_seen, &r);
	for (c = TAILQ_FIRST(&focus->conferences.list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (users_settle(c) < 0)
			result = -ENOBUFS;
	}
	r.last = NULL;
	store_each(focus->store, STORE_SUBSCRIPTION, subscriber_seen, &r);
	focus->restoring = false;
	while ((one = TAILQ_FIRST(&r.left_overs)) != NULL) {
		TAILQ_REMOVE(&r.left_overs, one, link);
		left_over_end(focus, one);
		free(one);
	}
	for (c = TAILQ_FIRST(&focus->conferences.list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (TAILQ_EMPTY(&c->participants))
			conference_free(c);
		else
			session_resume(c);
	}
	keep_write(focus);
	if (r.dialogs > 0)
		log_info("restore",
			"conferences of an earlier life conferences=%u dialogs=%u users=%u life=%u",
			focus->conferences.count, r.dialogs, r.users, store_life(focus->store));
	return result;
}
