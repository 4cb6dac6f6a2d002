/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/conference.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "control/focus.h"

#define ALIAS_LEN 12 /* base32 characters of an alias */

static int random_base32(char *out, unsigned characters)
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

static struct conference **bucket_of(const struct conferences *all, const char *uri)
{
	uint32_t hash = 2166136261u;

	for (; *uri != '\0'; uri++)
		hash = (hash ^ (unsigned char)*uri) * 16777619u;
	return (struct conference **)&all
		->buckets[(hash ^ hash >> 16) % (sizeof(all->buckets) / sizeof(all->buckets[0]))];
}

int conference_new(
	struct conference **out, struct conferences *all, struct focus *focus, const char *domain)
{
	struct conference *c = calloc(1, sizeof(*c)), **bucket;
	char local[27];
	int r;

	if (c == NULL)
		return -ENOBUFS;
	r = random_base32(local, 26);
	if (r < 0 || (size_t)snprintf(c->uri, sizeof(c->uri), "sip:im-%s@%s", local, domain) >=
			     sizeof(c->uri)) {
		free(c);
		return r < 0 ? r : -EINVAL;
	}
	c->focus = focus;
	bucket = bucket_of(all, c->uri);
	c->chain = *bucket;
	*bucket = c;
	c->next = all->first;
	if (c->next != NULL)
		c->next->previous = c;
	all->first = c;
	all->count++;
	*out = c;
	return 0;
}

void conference_free(struct conference *c, struct conferences *all, struct deadlines *deadlines)
{
	struct conference **at = bucket_of(all, c->uri);

	deadline_clear(deadlines, &c->invite_wait);
	deadline_clear(deadlines, &c->idle);
	while (c->first != NULL)
		conference_drop(c->first, deadlines);
	if (c->room != NULL)
		media_room_close(c->room);
	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		all->first = c->next;
	if (c->next != NULL)
		c->next->previous = c->previous;
	all->count--;
	free(c->factory);
	free(c->asserted);
	free(c->subject);
	free(c->contribution_id);
	free(c->history);
	free(c);
}

struct conference *conference_find(const struct conferences *all, const char *uri)
{
	struct conference *c = *bucket_of(all, uri);

	while (c != NULL && strcmp(c->uri, uri) != 0)
		c = c->chain;
	return c;
}

bool conference_is_identity(struct span uri, const char *domain)
{
	struct span user = identity_user(uri);

	return user.len == CONFERENCE_LOCAL_LEN && memcmp(user.at, "im-", 3) == 0 &&
	       span_eq_nocase(identity_host(uri), span_of(domain));
}

static void participant_free(struct participant *p, struct deadlines *deadlines)
{
	deadline_clear(deadlines, &p->wait);
	dialog_free(p->dialog);
	if (p->has_remote)
		sdp_media_fini(&p->remote);
	free(p->canonical);
	free(p->canonical_second);
	free(p->uri);
	free(p->display_name);
	free(p->alias);
	free(p->alias_name);
	free(p->headers);
	free(p->allow);
	free(p->msrp_uri);
	free(p->sdp);
	free(p);
}

int conference_add(struct participant **out, struct conference *c, bool inviter,
	const char *canonical, struct span uri, const char *display_name)
{
	struct participant *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOBUFS;
	p->canonical = strdup(canonical);
	p->uri = strndup(uri.at, uri.len);
	p->display_name = strdup(display_name);
	p->headers = strdup("");
	p->allow = strdup("");
	if (!p->canonical || !p->uri || !p->display_name || !p->headers || !p->allow) {
		participant_free(p, &c->focus->deadlines);
		return -ENOBUFS;
	}
	p->conference = c;
	p->number = c->next_number++;
	p->inviter = inviter;
	p->previous = c->last;
	if (c->last != NULL)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
	c->in_state[p->state]++;
	if (inviter)
		c->inviter = p;
	else if (c->waiting == NULL)
		c->waiting = p;
	*out = p;
	return 0;
}

void conference_drop(struct participant *p, struct deadlines *deadlines)
{
	struct conference *c = p->conference;

	if (p->leg != NULL)
		media_leg_remove(p->leg);
	if (p->previous != NULL)
		p->previous->next = p->next;
	else
		c->first = p->next;
	if (p->next != NULL)
		p->next->previous = p->previous;
	else
		c->last = p->previous;
	if (c->inviter == p)
		c->inviter = NULL;
	if (c->waiting == p)
		c->waiting = p->next;
	c->in_state[p->state]--;
	participant_free(p, deadlines);
}

struct participant *conference_participant(const struct conference *c, const char *canonical)
{
	for (struct participant *p = c->first; p != NULL; p = p->next)
		if (strcmp(p->canonical, canonical) == 0 ||
			(p->canonical_second && strcmp(p->canonical_second, canonical) == 0))
			return p;
	return NULL;
}

void conference_counts(const struct conference *c, struct policy_counts *out)
{
	*out = (struct policy_counts){
		.connected = c->in_state[PARTICIPANT_CONNECTED],
		.pending = c->in_state[PARTICIPANT_IDLE] + c->in_state[PARTICIPANT_INVITED],
		.invited = c->invited,
		.inviter_waits = c->in_state[PARTICIPANT_JOINING] > 0,
	};
}

void conference_state(struct participant *p, enum participant_state state)
{
	struct conference *c = p->conference;

	c->in_state[p->state]--;
	c->in_state[state]++;
	p->state = state;
	while (c->waiting != NULL && c->waiting->state != PARTICIPANT_IDLE)
		c->waiting = c->waiting->next;
}

void conference_wrapped_types(const struct config *config, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < config->conference_wrapped_types.count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? " " : "",
			config->conference_wrapped_types.items[i]);
}

int conference_room_open(struct conference *c, struct media *media, const struct config *config,
	void (*done)(void *arg, int result))
{
	struct span uris[3] = {
		span_of(c->uri),
		span_of(c->factory),
		SPAN_LITERAL("sip:anonymous@anonymous.invalid"),
	};
	struct object_tag tag = { { 0 } };
	char wrapped[2048];

	/* The tag names the conference beyond our life: the random part of its identity, packed. */
	memcpy(tag.octets, c->uri + strlen("sip:im-"), sizeof(tag.octets));
	conference_wrapped_types(config, wrapped, sizeof(wrapped));
	return media_room_open(media, &c->room, &tag, ROOM_PRIVATE, config->msrp_max_message, uris,
		3, span_of(wrapped), done, c);
}

int conference_alias(struct conference *c, struct participant *p)
{
	char random[ALIAS_LEN + 1];

	if (random_base32(random, ALIAS_LEN) < 0 ||
		asprintf(&p->alias, "sip:anon-%s@anonymous.invalid", random) < 0) {
		p->alias = NULL;
		return -ENOBUFS;
	}
	if (asprintf(&p->alias_name, "Anonymous %u", ++c->aliases) < 0) {
		p->alias_name = NULL;
		return -ENOBUFS;
	}
	return 0;
}

int conference_member_add(struct participant *p)
{
	struct span identities[4];
	char alias[600] = "";
	struct media_member member = {
		.participant = p->number,
		.identities = identities,
	};
	int r;

	/* The first is the one that others address (switch_cmd.h). */
	if (p->alias != NULL) {
		identities[member.identity_count++] = span_of(p->alias);
		header_name_addr(alias, sizeof(alias), p->alias_name, p->alias);
	}
	identities[member.identity_count++] = span_of(p->canonical);
	if (strcmp(p->uri, p->canonical) != 0)
		identities[member.identity_count++] = span_of(p->uri);
	if (p->canonical_second != NULL)
		identities[member.identity_count++] = span_of(p->canonical_second);
	if (p->has_remote && p->remote.chatroom_private)
		member.flags |= MEMBER_PRIVATE;
	member.alias = span_of(alias);
	member.wrapped = span_of(p->has_remote ? p->remote.wrapped_types : "*");
	r = media_member_add(p->leg, &member);
	if (r == 0)
		p->member = true;
	return r;
}
