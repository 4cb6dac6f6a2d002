/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/conference.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "control/conference/keep.h"
#include "control/conference/notifier.h"
#include "control/conference/referral.h"
#include "control/focus.h"

int random_base32(char *out, unsigned characters)
{
	static const char alphabet[] =
		"abcdefghijklmnopqrstuvwxyz234567"; /* RFC 4648, lower case */
	unsigned char octets[32];

	assert(characters <= sizeof(octets));
	if (getrandom(octets, characters, 0) != (ssize_t)characters)
		return -EAGAIN;
	for (unsigned i = 0; i < characters; i++)
		out[i] = alphabet[octets[i] & 31];
	out[characters] = '\0';
	return 0;
}

/* What names the conference beyond our life: the first characters of the random part of its
 * identity. */
static const char *tag_at(const struct conference *c)
{
	return c->uri + strlen("sip:im-");
}

void conferences_init(struct conferences *all)
{
	*all = (struct conferences){ 0 };
	TAILQ_INIT(&all->list);
}

int conference_make(struct conference **out, struct focus *focus, enum conference_kind kind,
	const char *local, const char *identity, struct group *group)
{
	struct conferences *all = &focus->conferences;
	struct conference *c = calloc(1, sizeof(*c));
	int r = -EINVAL;

	if (c == NULL)
		return -ENOBUFS;
	if ((size_t)snprintf(c->uri, sizeof(c->uri), "sip:%s@%s", local,
		    focus->config->sip_domain) >= sizeof(c->uri))
		goto failed;
	r = -EEXIST;
	if (conference_find(all, c->uri) != NULL ||
		(group != NULL && conference_find_group(all, group->document->canonical) != NULL))
		goto failed;
	r = -ENOBUFS;
	c->identity = strdup(identity);
	if (group != NULL)
		c->group_canonical = strdup(group->document->canonical);
	if (c->identity == NULL || (c->group_canonical == NULL && group != NULL))
		goto failed;
	c->focus = focus;
	c->kind = kind;
	TAILQ_INIT(&c->participants);
	TAILQ_INIT(&c->roster);
	TAILQ_INIT(&c->left);
	HASH_ADD_KEYPTR(by_uri, all->by_uri, c->uri, strlen(c->uri), c);
	HASH_ADD_KEYPTR(by_tag, all->by_tag, tag_at(c), sizeof(struct object_tag), c);
	if (group != NULL) {
		c->group = group_get(group);
		HASH_ADD_KEYPTR(
			by_group, all->by_group, c->group_canonical, strlen(c->group_canonical), c);
	}
	TAILQ_INSERT_HEAD(&all->list, c, link);
	all->count++;
	keep_conference(c);
	*out = c;
	return 0;
failed:
	free(c->identity);
	free(c->group_canonical);
	free(c);
	return r;
}

int conference_new(struct conference **out, struct focus *focus, enum conference_kind kind,
	const char *identity, struct group *group)
{
	char local[CONFERENCE_LOCAL_LEN + 1] = "im-";
	int r = random_base32(local + 3, 26);

	return r < 0 ? r : conference_make(out, focus, kind, local, identity, group);
}

void conference_free(struct conference *c)
{
	struct conferences *all = &c->focus->conferences;
	struct deadlines *deadlines = &c->focus->deadlines;
	struct participant *p;
	struct user *u;

	deadline_clear(deadlines, &c->invite_wait);
	deadline_clear(deadlines, &c->idle);
	deadline_clear(deadlines, &c->duration);
	notifier_free(c);
	while ((p = TAILQ_FIRST(&c->participants)) != NULL)
		conference_drop(p);
	while ((u = TAILQ_FIRST(&c->roster)) != NULL)
		user_free(u);
	/* Last: whoever leaves marks it as changed. */
	keep_forget_conference(c);
	if (c->room != NULL)
		media_room_close(c->room);
	HASH_DELETE(by_uri, all->by_uri, c);
	HASH_DELETE(by_tag, all->by_tag, c);
	conference_close(c);
	TAILQ_REMOVE(&all->list, c, link);
	all->count--;
	group_put(c->group);
	free(c->identity);
	free(c->group_canonical);
	free(c->subject);
	free(c->contribution_id);
	free(c->history);
	free(c->free_numbers);
	free(c->restored_users);
	free(c);
}

struct conference *conference_find_tag(const struct conferences *all, const struct object_tag *tag)
{
	struct conference *c;

	HASH_FIND(by_tag, all->by_tag, tag, sizeof(*tag), c);
	return c;
}

struct participant *conference_participant(const struct conference *c, unsigned number)
{
	struct participant *p;

	HASH_FIND(by_number, c->by_number, &number, sizeof(number), p);
	return p;
}

struct object_tag conference_leg_tag(const struct participant *p)
{
	struct object_tag tag;

	memcpy(tag.octets, tag_at(p->conference), 12);
	memcpy(tag.octets + 12, &p->number, 4);
	return tag;
}

unsigned conference_leg_number(const struct object_tag *tag)
{
	unsigned number;

	memcpy(&number, tag->octets + 12, 4);
	return number;
}

void conference_close(struct conference *c)
{
	if (c->group != NULL && !c->closed)
		HASH_DELETE(by_group, c->focus->conferences.by_group, c);
	c->closed = true;
}

struct conference *conference_find(const struct conferences *all, const char *uri)
{
	struct conference *c;

	HASH_FIND(by_uri, all->by_uri, uri, strlen(uri), c);
	return c;
}

struct conference *conference_find_group(const struct conferences *all, const char *canonical)
{
	struct conference *c;

	HASH_FIND(by_group, all->by_group, canonical, strlen(canonical), c);
	return c;
}

bool conference_is_identity(struct span uri, const char *domain)
{
	struct span user = identity_user(uri);

	return user.len == CONFERENCE_LOCAL_LEN && memcmp(user.at, "im-", 3) == 0 &&
	       span_eq_nocase(identity_host(uri), span_of(domain));
}

static void participant_free(struct participant *p)
{
	deadline_clear(&p->conference->focus->deadlines, &p->wait);
	dialog_free(p->dialog);
	if (p->has_remote)
		sdp_media_fini(&p->remote);
	inviter_put(p->inviter);
	free(p->headers);
	free(p->allow);
	free(p->msrp_uri);
	free(p);
}

static unsigned *present_of(const struct user *u)
{
	struct conference *c = u->conference;

	return user_is_connected(u) ? &c->connected : user_is_pending(u) ? &c->pending : NULL;
}

/* Takes the user out of the counts, and puts it in again after a change. */
static void uncount(const struct user *u)
{
	unsigned *count = u->hidden ? NULL : present_of(u);

	if (count != NULL)
		--*count;
}

static void recount(const struct user *u)
{
	unsigned *count = u->hidden ? NULL : present_of(u);

	if (count != NULL)
		++*count;
	if (u->conference->connected > 1 && !u->conference->had_second) {
		u->conference->had_second = true;
		keep_conference(u->conference);
	}
}

int conference_add(struct participant **out, struct user *u)
{
	struct conference *c = u->conference;
	struct participant *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOBUFS;
	p->conference = c;
	p->headers = strdup("");
	p->allow = strdup("");
	if (!p->headers || !p->allow) {
		participant_free(p);
		return -ENOBUFS;
	}
	p->user = u;
	p->number = c->next_endpoint++;
	HASH_ADD(by_number, c->by_number, number, sizeof(p->number), p);
	keep_numbers(c);
	if (u->left) {
		TAILQ_REMOVE(&c->left, u, left_link);
		c->left_count--;
		u->left = false;
	}
	TAILQ_INSERT_TAIL(&c->participants, p, link);
	TAILQ_INSERT_TAIL(&u->sessions, p, session_link);
	uncount(u);
	c->in_state[p->state]++;
	u->in_state[p->state]++;
	recount(u);
	*out = p;
	return 0;
}

void conference_drop(struct participant *p)
{
	struct conference *c = p->conference;
	struct user *u = p->user;

	keep_forget_participant(p);
	if (p->recovering)
		TAILQ_REMOVE(&c->focus->recovery.waiting, p, recover_link);
	if (p->reoffered)
		c->focus->recovery.in_flight--;
	HASH_DELETE(by_number, c->by_number, p);
	if (p->leg != NULL)
		media_leg_remove(p->leg);
	/* After that: who is told that it has gone may speak without being heard by it. */
	referral_tell(p, p->status ? p->status : 487, span_make("", 0));
	if (c->initiator == p)
		c->initiator = NULL;
	if (c->waiting == p)
		c->waiting = TAILQ_NEXT(p, link);
	TAILQ_REMOVE(&c->participants, p, link);
	TAILQ_REMOVE(&u->sessions, p, session_link);
	uncount(u);
	c->in_state[p->state]--;
	u->in_state[p->state]--;
	recount(u);
	u->last_endpoint = p->number;
	u->departure = p->departure;
	if (u->creator && TAILQ_EMPTY(&u->sessions) && !c->creator_left) {
		c->creator_left = true;
		keep_conference(c);
	}
	participant_free(p);
	user_changed(u);
	if (u->in_state[PARTICIPANT_CONNECTED] + u->in_state[PARTICIPANT_LEAVING] == 0)
		notifier_leave(u);
	user_left(u);
}

void conference_counts(const struct conference *c, struct policy_counts *out)
{
	*out = (struct policy_counts){
		.connected = c->connected,
		.pending = c->pending,
		.invited = c->invited,
		.had_second = c->had_second,
		.creator_left = c->creator_left && c->focus->config->conference_creator_release,
		.release = c->kind == CONFERENCE_GROUP && !c->group->document->invite_members
				   ? POLICY_WHEN_EMPTY
				   : POLICY_WHEN_ONE_REMAINS,
	};
	/* An initiator that waits is no joiner that keeps the conference alive. */
	if (c->initiator != NULL && c->initiator->state == PARTICIPANT_JOINING &&
		c->initiator->waits) {
		out->initiator_waits = true;
		if (!c->initiator->user->hidden && user_is_pending(c->initiator->user))
			out->pending--;
		/* Nor does it talk to itself when it has come in from another device. */
		if (!c->initiator->user->hidden && user_is_connected(c->initiator->user))
			out->connected--;
	}
}

void conference_state(struct participant *p, enum participant_state state)
{
	struct conference *c = p->conference;
	struct user *u = p->user;

	if (state == PARTICIPANT_CONNECTED && !user_is_connected(u))
		u->joined = ++c->joins;
	uncount(u);
	c->in_state[p->state]--;
	u->in_state[p->state]--;
	p->state = state;
	c->in_state[state]++;
	u->in_state[state]++;
	recount(u);
	while (c->waiting != NULL && c->waiting->state != PARTICIPANT_IDLE)
		c->waiting = TAILQ_NEXT(c->waiting, link);
	keep_participant(p);
	if (state == PARTICIPANT_CONNECTED)
		referral_tell(p, 200, span_make("", 0)); /* CF-7.2.1.7-R10 */
	if (state != PARTICIPANT_GONE)                   /* conference_drop says that */
		user_changed(u);
}

unsigned conference_maximum(const struct conference *c)
{
	const struct config *config = c->focus->config;

	if (c->kind == CONFERENCE_ADHOC)
		return (unsigned)config->conference_max_adhoc_size;
	return c->group->document->max_participants > 0
		       ? c->group->document->max_participants
		       : (unsigned)config->conference_max_group_size;
}

bool conference_is_full(const struct conference *c, unsigned more)
{
	/* Pending invitations count (context.md 3.3), hidden users do not (CF-7.2.1.4-R3n). */
	return c->connected + c->pending + more > conference_maximum(c);
}

/* ---- who invites ---- */

struct inviter *inviter_new(const struct user *u, bool anonymous)
{
	struct inviter *inviter = calloc(1, sizeof(*inviter));
	char name_addr[IDENTITY_MAX + 600];

	if (inviter == NULL)
		return NULL;
	/* Who is known by an alias invites as nobody: to the invited too it must not say more. */
	anonymous = anonymous || u->alias != NULL;
	header_name_addr(name_addr, sizeof(name_addr), anonymous ? "" : u->display_name,
		anonymous ? u->conference->identity : u->uri);
	inviter->references = 1;
	inviter->anonymous = anonymous;
	inviter->asserted = strdup(name_addr);
	if (inviter->asserted == NULL) {
		free(inviter);
		return NULL;
	}
	return inviter;
}

struct inviter *inviter_get(struct inviter *inviter)
{
	inviter->references++;
	return inviter;
}

void inviter_put(struct inviter *inviter)
{
	if (inviter == NULL || --inviter->references > 0)
		return;
	free(inviter->asserted);
	free(inviter);
}

/* ---- the switch ---- */

void conference_wrapped_types(const struct config *config, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < config->conference_wrapped_types.count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? " " : "",
			config->conference_wrapped_types.items[i]);
}

int conference_room_open(struct conference *c, void (*done)(void *arg, int result))
{
	const struct config *config = c->focus->config;
	struct span uris[3] = {
		span_of(c->uri),
		span_of(c->identity),
		SPAN_LITERAL("sip:anonymous@anonymous.invalid"),
	};
	uint32_t flags = ROOM_PRIVATE | (config->conference_nicknames ? ROOM_NICKNAME : 0u) |
			 (config->conference_two_party_failure ? ROOM_TWO_PARTY_FAILURE : 0u);
	struct object_tag tag;
	char wrapped[2048];

	memcpy(tag.octets, tag_at(c), sizeof(tag.octets));
	conference_wrapped_types(config, wrapped, sizeof(wrapped));
	return media_room_open(c->focus->media, &c->room, &tag, flags, config->msrp_max_message,
		uris, 3, span_of(wrapped), done, c);
}

bool conference_allows_private(const struct conference *c, const struct user *u)
{
	return c->kind == CONFERENCE_ADHOC || group_allows(c->group, GROUP_PRIVATE_MESSAGE,
						      u->canonical, u->canonical_second, false);
}

int conference_member_add(struct participant *p)
{
	const struct user *u = p->user;
	struct span identities[4];
	char alias[600] = "";
	struct media_member member = {
		.participant = u->number,
		.identities = identities,
	};
	int r;

	/* The first is the one that others address (switch_cmd.h). */
	if (u->alias != NULL) {
		identities[member.identity_count++] = span_of(u->alias);
		header_name_addr(alias, sizeof(alias), u->alias_name, u->alias);
	}
	identities[member.identity_count++] = span_of(u->canonical);
	if (strcmp(u->uri, u->canonical) != 0)
		identities[member.identity_count++] = span_of(u->uri);
	if (u->canonical_second != NULL)
		identities[member.identity_count++] = span_of(u->canonical_second);
	if (p->has_remote && p->remote.chatroom_private)
		member.flags |= MEMBER_PRIVATE;
	if (p->has_remote && !sdp_media_listens(&p->remote))
		member.flags |= MEMBER_HOLD;
	if (u->hidden)
		member.flags |= MEMBER_HIDDEN;
	if (!conference_allows_private(p->conference, u))
		member.flags |= MEMBER_NO_PRIVATE;
	member.alias = span_of(alias);
	member.wrapped = span_of(p->has_remote ? p->remote.wrapped_types : "*");
	r = p->member ? media_member_alias(p->leg, &member) : media_member_add(p->leg, &member);
	if (r == 0)
		p->member = true;
	return r;
}

int conference_hide(struct user *u)
{
	struct conference *c = u->conference;
	struct participant *p;
	int r;

	if (u->alias != NULL)
		return 0;
	r = user_alias(u);
	TAILQ_FOREACH(p, &u->sessions, session_link)
	if (r == 0 && p->member)
		r = conference_member_add(p);
	/* Whoever was told of the address gets the roster anew, without it. */
	if (r == 0 && u->changed > 0)
		c->forgotten = ++c->revision;
	user_changed(u);
	return r;
}
