/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/keep.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/focus.h"
#include "include/log.h"

int keep_init(struct kept *kept)
{
	TAILQ_INIT(&kept->conferences);
	TAILQ_INIT(&kept->users);
	TAILQ_INIT(&kept->participants);
	return pack_new(&kept->pack);
}

void keep_fini(struct kept *kept)
{
	pack_free(kept->pack);
	kept->pack = NULL;
}

struct span keep_name(const struct conference *c)
{
	return span_make(c->uri + strlen("sip:"), CONFERENCE_LOCAL_LEN);
}

/* In order of number, and after the conference of the same name. */
struct span keep_key(char out[KEEP_KEY_MAX], const struct conference *c, unsigned number)
{
	int len = snprintf(out, KEEP_KEY_MAX, "%.*s/%08x", CONFERENCE_LOCAL_LEN,
		c->uri + strlen("sip:"), number);

	return span_make(out, (size_t)len);
}

/* While records are read, what they make is as it was written. */
static bool is_kept(const struct focus *focus)
{
	return focus->store != NULL && !focus->restoring;
}

/* ---- marks ---- */

void keep_conference(struct conference *c)
{
	if (!is_kept(c->focus) || c->keep.marked)
		return;
	c->keep.marked = true;
	TAILQ_INSERT_TAIL(&c->focus->kept.conferences, c, keep_link);
}

void keep_numbers(struct conference *c)
{
	if (c->next_endpoint - c->kept_endpoint >= KEEP_STRIDE)
		keep_conference(c);
}

void keep_user(struct user *u)
{
	struct focus *focus = u->conference->focus;

	if (!is_kept(focus) || u->keep.marked)
		return;
	u->keep.marked = true;
	TAILQ_INSERT_TAIL(&focus->kept.users, u, keep_link);
}

void keep_participant(struct participant *p)
{
	struct focus *focus = p->conference->focus;

	if (!is_kept(focus) || p->keep.marked)
		return;
	p->keep.marked = true;
	TAILQ_INSERT_TAIL(&focus->kept.participants, p, keep_link);
}

void keep_forget_conference(struct conference *c)
{
	if (c->keep.marked)
		TAILQ_REMOVE(&c->focus->kept.conferences, c, keep_link);
	if (c->keep.written)
		store_delete(c->focus->store, STORE_CONFERENCE, keep_name(c));
	c->keep = (struct keep_state){ false, false };
}

void keep_forget_user(struct user *u)
{
	struct focus *focus = u->conference->focus;
	char key[KEEP_KEY_MAX];

	if (u->keep.marked)
		TAILQ_REMOVE(&focus->kept.users, u, keep_link);
	if (u->keep.written)
		store_delete(focus->store, STORE_USER, keep_key(key, u->conference, u->number));
	u->keep = (struct keep_state){ false, false };
}

void keep_forget_participant(struct participant *p)
{
	struct focus *focus = p->conference->focus;
	char key[KEEP_KEY_MAX];

	if (p->keep.marked)
		TAILQ_REMOVE(&focus->kept.participants, p, keep_link);
	if (p->keep.written)
		store_delete(
			focus->store, STORE_PARTICIPANT, keep_key(key, p->conference, p->number));
	p->keep = (struct keep_state){ false, false };
}

/* ---- records ---- */

static void optional(struct pack *pack, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		pack_text(pack, name, span_of(text));
}

static void optional_number(struct pack *pack, const char *name, uint64_t number)
{
	if (number != 0)
		pack_number(pack, name, number);
}

static void optional_flag(struct pack *pack, const char *name, bool flag)
{
	if (flag)
		pack_flag(pack, name, true);
}

static void conference_pack(const struct conference *c, struct pack *pack)
{
	pack_number(pack, "kind", c->kind);
	pack_text(pack, "uri", span_of(c->uri));
	pack_text(pack, "identity", span_of(c->identity));
	optional(pack, "group", c->group_canonical);
	optional(pack, "subject", c->subject);
	optional(pack, "contribution-id", c->contribution_id);
	pack_number(pack, "revision", c->revision);
	pack_number(pack, "joins", c->joins);
	pack_number(pack, "next-endpoint", c->next_endpoint);
	optional_number(pack, "invited", c->invited);
	optional_number(pack, "lowest-status", c->lowest_status);
	optional_number(pack, "aliases", c->aliases);
	optional_flag(pack, "set-up", c->set_up);
	optional_flag(pack, "had-second", c->had_second);
	optional_flag(pack, "creator-left", c->creator_left);
	if (c->initiator != NULL)
		pack_number(pack, "initiator", c->initiator->number + 1);
	if (deadline_is_set(&c->duration))
		pack_number(pack, "duration", c->duration.at_ms);
}

static void user_pack(const struct user *u, struct pack *pack)
{
	pack_number(pack, "number", u->number);
	pack_text(pack, "canonical", span_of(u->canonical));
	optional(pack, "second", u->canonical_second);
	pack_text(pack, "uri", span_of(u->uri));
	optional(pack, "display-name", u->display_name);
	optional(pack, "alias", u->alias);
	optional(pack, "alias-name", u->alias_name);
	optional(pack, "nickname", u->nickname);
	pack_number(pack, "changed", u->changed);
	optional_number(pack, "joined", u->joined);
	optional_flag(pack, "creator", u->creator);
	optional_flag(pack, "expelled", u->expelled);
	optional_flag(pack, "hidden", u->hidden);
	optional_number(pack, "last-endpoint", u->last_endpoint);
	optional_number(pack, "departure", u->departure);
}

static void media_pack(const struct sdp_media *m, struct pack *pack)
{
	char lines[2048];
	size_t len = 0;

	pack_text(pack, "path", span_of(m->path));
	pack_text(pack, "accept-types", span_of(m->accept_types));
	pack_text(pack, "wrapped-types", span_of(m->wrapped_types));
	optional(pack, "fingerprint", m->fingerprint);
	optional(pack, "connect", m->connect);
	optional_number(pack, "family", m->family);
	optional_number(pack, "max-size", m->max_size);
	pack_number(pack, "setup", m->setup);
	pack_number(pack, "direction", m->direction);
	optional_flag(pack, "secure", m->secure);
	optional_flag(pack, "cema", m->cema);
	optional_flag(pack, "chatroom", m->chatroom);
	optional_flag(pack, "chatroom-nickname", m->chatroom_nickname);
	optional_flag(pack, "chatroom-private", m->chatroom_private);
	optional_number(pack, "media-index", m->media_index);
	for (unsigned i = 0; i < m->media_count && len < sizeof(lines); i++)
		len += (size_t)snprintf(
			lines + len, sizeof(lines) - len, "%s\n", m->media_lines[i]);
	if (len < sizeof(lines))
		pack_text(pack, "media", span_make(lines, len));
}

static void participant_pack(const struct participant *p, struct pack *pack)
{
	pack_number(pack, "life", store_life(p->conference->focus->store));
	pack_number(pack, "state", p->state);
	pack_number(pack, "user", p->user->number);
	dialog_pack(p->dialog, pack);
	optional(pack, "msrp-uri", p->msrp_uri);
	optional(pack, "allow", p->allow);
	optional_number(pack, "sdp-digest", p->sdp_digest);
	optional_flag(pack, "sdp-is-answer", p->sdp_is_answer);
	pack_number(pack, "sdp-session", p->sdp_session);
	pack_number(pack, "sdp-version", p->sdp_version);
	optional_number(pack, "session-expires", p->session_expires);
	optional_number(pack, "min-se", p->min_se);
	optional_flag(pack, "refresher", p->refresher_is_us);
	optional_flag(pack, "timer", p->supports_timer);
	optional_flag(pack, "from-setup", p->from_setup);
	optional_flag(pack, "dialed-out", p->dialed_out);
	optional_flag(pack, "offered", p->offered);
	optional_flag(pack, "reoffer", p->reoffer);
	if (p->has_remote)
		media_pack(&p->remote, pack);
	if (deadline_is_set(&p->wait))
		pack_number(pack, "wait", p->wait.at_ms);
}

/* ---- writing ---- */

static bool put(struct focus *focus, enum store_kind kind, struct span key)
{
	return store_put(focus->store, kind, key, pack_record(focus->kept.pack)) == 0;
}

static void conference_write(struct focus *focus, struct conference *c)
{
	pack_clear(focus->kept.pack);
	conference_pack(c, focus->kept.pack);
	c->keep.written |= put(focus, STORE_CONFERENCE, keep_name(c));
	c->kept_endpoint = c->next_endpoint;
}

/* Who was never in it leaves nothing to be known: a record would be for nothing. */
static void user_write(struct focus *focus, struct user *u)
{
	char key[KEEP_KEY_MAX];

	if (u->joined == 0 && !u->expelled && !u->keep.written)
		return;
	pack_clear(focus->kept.pack);
	user_pack(u, focus->kept.pack);
	u->keep.written |= put(focus, STORE_USER, keep_key(key, u->conference, u->number));
}

static void participant_write(struct focus *focus, struct participant *p)
{
	char key[KEEP_KEY_MAX];

	if (p->dialog == NULL || dialog_is_over(p->dialog)) {
		keep_forget_participant(p);
		return;
	}
	pack_clear(focus->kept.pack);
	participant_pack(p, focus->kept.pack);
	p->keep.written |= put(focus, STORE_PARTICIPANT, keep_key(key, p->conference, p->number));
}

void keep_subscriber(struct subscriber *s)
{
	struct conference *c = subscriber_conference(s);
	struct focus *focus = c->focus;
	char key[KEEP_KEY_MAX];

	if (!is_kept(focus))
		return;
	pack_clear(focus->kept.pack);
	pack_number(focus->kept.pack, "life", store_life(focus->store));
	subscriber_pack(s, focus->kept.pack);
	if (!put(focus, STORE_SUBSCRIPTION, keep_key(key, c, subscriber_number(s))))
		log_debug("keep", "a subscription will not survive conference=%s", c->uri);
	keep_numbers(c);
}

void keep_forget_subscriber(struct subscriber *s)
{
	struct conference *c = subscriber_conference(s);
	char key[KEEP_KEY_MAX];

	store_delete(c->focus->store, STORE_SUBSCRIPTION, keep_key(key, c, subscriber_number(s)));
}

void keep_write(struct focus *focus)
{
	struct participant *p;
	struct conference *c;
	struct user *u;

	if (!is_kept(focus))
		return;
	while ((c = TAILQ_FIRST(&focus->kept.conferences)) != NULL) {
		TAILQ_REMOVE(&focus->kept.conferences, c, keep_link);
		c->keep.marked = false;
		conference_write(focus, c);
	}
	while ((u = TAILQ_FIRST(&focus->kept.users)) != NULL) {
		TAILQ_REMOVE(&focus->kept.users, u, keep_link);
		u->keep.marked = false;
		user_write(focus, u);
	}
	while ((p = TAILQ_FIRST(&focus->kept.participants)) != NULL) {
		TAILQ_REMOVE(&focus->kept.participants, p, keep_link);
		p->keep.marked = false;
		participant_write(focus, p);
	}
	store_commit(focus->store);
}
