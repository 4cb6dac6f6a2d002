/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/user.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/conference.h"
#include "control/conference/keep.h"
#include "control/conference/notifier.h"
#include "control/focus.h"

#define NUMBER_MAX 1048575u /* of a participant in the switch (switch_cmd.h) */

/* Addresses and aliases in one space of names, what people are called in another: nobody can take
 * an address by being called so. */
#define CALLED "\""

enum { NAME_ADDRESS, NAME_SECOND, NAME_ALIAS, NAME_ALIAS_NAME, NAME_NICKNAME };

/* Each is allocated, as most users have one of the five. */
static struct user_name *name_new(struct user *u, const char *text)
{
	struct user_name *name = calloc(1, sizeof(*name));

	if (name == NULL)
		return NULL;
	name->text = text;
	name->user = u;
	HASH_ADD_KEYPTR(hh, u->conference->names, name->text, strlen(name->text), name);
	return name;
}

static int name_add(struct user *u, unsigned which, const char *text)
{
	u->names[which] = name_new(u, text);
	return u->names[which] != NULL ? 0 : -ENOBUFS;
}

static void name_remove(struct user *u, unsigned which)
{
	struct user_name *name = u->names[which];

	if (name == NULL)
		return;
	HASH_DEL(u->conference->names, name);
	free(name);
	u->names[which] = NULL;
}

struct user *user_find(const struct conference *c, const char *text)
{
	struct user_name *name;

	HASH_FIND(hh, c->names, text, strlen(text), name);
	return name != NULL ? name->user : NULL;
}

static int number_take(struct conference *c, unsigned *out)
{
	if (c->free_count > 0)
		*out = c->free_numbers[--c->free_count];
	else if (c->next_number <= NUMBER_MAX)
		*out = c->next_number++;
	else
		return -ENOBUFS;
	return 0;
}

/* Without memory the number is not used again, which costs a number. */
static void number_give(struct conference *c, unsigned number)
{
	if (c->free_count == c->free_room) {
		unsigned room = c->free_room ? 2 * c->free_room : 16;
		unsigned *more = realloc(c->free_numbers, room * sizeof(*more));

		if (more == NULL)
			return;
		c->free_numbers = more;
		c->free_room = room;
	}
	c->free_numbers[c->free_count++] = number;
}

static int text_set(char **at, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return -ENOBUFS;
	free(*at);
	*at = copy;
	return 0;
}

/* context.md 5.5: what the group's document calls him comes before what he calls himself. */
static const char *name_by_order(const struct conference *c, const char *canonical,
	const char *canonical_second, const char *display_name)
{
	const struct group_member *member =
		c->group != NULL ? group_member_find(c->group, canonical, canonical_second) : NULL;

	return member != NULL && member->display_name[0] != '\0' ? member->display_name
								 : display_name;
}

int user_enter(struct user **out, struct conference *c, const char *canonical,
	const char *canonical_second, struct span uri, const char *display_name)
{
	struct user *u = user_find(c, canonical);

	if (u == NULL && canonical_second[0] != '\0')
		u = user_find(c, canonical_second);
	display_name = name_by_order(c, canonical, canonical_second, display_name);
	if (u != NULL) {
		*out = u;
		return display_name[0] != '\0' ? text_set(&u->display_name, display_name) : 0;
	}
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return -ENOBUFS;
	u->conference = c;
	u->hidden = focus_is_history(c->focus, canonical, canonical_second);
	TAILQ_INIT(&u->sessions);
	u->canonical = strdup(canonical);
	u->uri = strndup(uri.at, uri.len);
	u->display_name = strdup(display_name);
	if (canonical_second[0] != '\0')
		u->canonical_second = strdup(canonical_second);
	if (!u->canonical || !u->uri || !u->display_name ||
		(canonical_second[0] != '\0' && !u->canonical_second) ||
		number_take(c, &u->number) < 0) {
		free(u->canonical);
		free(u->canonical_second);
		free(u->uri);
		free(u->display_name);
		free(u);
		return -ENOBUFS;
	}
	TAILQ_INSERT_HEAD(&c->roster, u, link); /* not changed yet: before all who have */
	if (name_add(u, NAME_ADDRESS, u->canonical) < 0 ||
		(u->canonical_second != NULL && user_find(c, u->canonical_second) == NULL &&
			name_add(u, NAME_SECOND, u->canonical_second) < 0)) {
		user_free(u);
		return -ENOBUFS;
	}
	*out = u;
	return 0;
}

void user_free(struct user *u)
{
	struct conference *c = u->conference;

	keep_forget_user(u);
	for (unsigned i = 0; i < sizeof(u->names) / sizeof(u->names[0]); i++)
		name_remove(u, i);
	TAILQ_REMOVE(&c->roster, u, link);
	if (u->left) {
		TAILQ_REMOVE(&c->left, u, left_link);
		c->left_count--;
	}
	number_give(c, u->number);
	free(u->canonical);
	free(u->canonical_second);
	free(u->uri);
	free(u->display_name);
	free(u->alias);
	free(u->alias_name);
	free(u->alias_key);
	free(u->nickname);
	free(u->nickname_key);
	free(u);
}

static void nickname_drop(struct user *u)
{
	name_remove(u, NAME_NICKNAME);
	free(u->nickname);
	free(u->nickname_key);
	u->nickname = u->nickname_key = NULL;
}

void user_left(struct user *u)
{
	struct conference *c = u->conference;

	if (!TAILQ_EMPTY(&u->sessions) || u->left || c->restored_users != NULL)
		return;
	nickname_drop(u); /* RFC 7701 7: others may have it now */
	keep_user(u);
	u->left = true;
	TAILQ_INSERT_TAIL(&c->left, u, left_link);
	c->left_count++;
	if (c->left_count <= USERS_REMEMBERED)
		return;
	u = TAILQ_FIRST(&c->left);
	c->forgotten = u->changed > c->forgotten ? u->changed : c->forgotten;
	user_free(u);
}

void user_changed(struct user *u)
{
	struct conference *c = u->conference;
	uint64_t shown = notifier_signature(u);

	keep_user(u); /* also a hidden one */
	if (shown == u->shown)
		return;
	u->shown = shown;
	u->changed = ++c->revision;
	TAILQ_REMOVE(&c->roster, u, link);
	TAILQ_INSERT_TAIL(&c->roster, u, link);
	/* CF-7.2.1.1-OK7, CF-7.2.1.3-R9e, CF-7.2.1.4-R11, CF-7.2.1.4-R12, CF-7.2.1.5-R12,
	 * CF-7.2.1.5-R13, CF-7.2.1.9-OK2, CF-7.2.1.9-OK3 */
	notifier_changed(c);
}

bool user_is_connected(const struct user *u)
{
	return u->in_state[PARTICIPANT_CONNECTED] > 0;
}

bool user_is_pending(const struct user *u)
{
	return !user_is_connected(u) && u->in_state[PARTICIPANT_IDLE] +
							u->in_state[PARTICIPANT_INVITED] +
							u->in_state[PARTICIPANT_JOINING] >
						0;
}

/* Who else is known by that: another's nickname, or the name of another's alias. */
static bool is_called(const struct user *u, const char *key)
{
	const struct user *other = user_find(u->conference, key);

	return other != NULL && other != u;
}

/* Whose address or alias that is. Of an anonymous user only the alias is known here: a refusal must
 * not tell that the address takes part. */
static bool is_known(const struct user *u, const char *key)
{
	const struct user *other = user_find(u->conference, key);

	return other != NULL && other != u &&
	       (other->alias == NULL || strcmp(other->alias, key) == 0);
}

int user_alias_set(struct user *u, const char *alias, const char *alias_name)
{
	char *text, *key, *called = NULL, *copy, *name;
	int r;

	if (u->alias != NULL || user_find(u->conference, alias) != NULL)
		return -EBADMSG;
	r = nickname_read(span_of(alias_name), &text, &key);
	if (r < 0)
		return r;
	if (asprintf(&called, CALLED "%s", key) < 0)
		called = NULL;
	free(text);
	free(key);
	copy = strdup(alias);
	name = strdup(alias_name);
	if (called == NULL || copy == NULL || name == NULL || is_called(u, called)) {
		r = called == NULL || copy == NULL || name == NULL ? -ENOBUFS : -EBADMSG;
		free(called);
		free(copy);
		free(name);
		return r;
	}
	if (name_add(u, NAME_ALIAS, copy) < 0 || name_add(u, NAME_ALIAS_NAME, called) < 0) {
		name_remove(u, NAME_ALIAS);
		free(called);
		free(copy);
		free(name);
		return -ENOBUFS;
	}
	nickname_drop(u); /* an anonymous user is called nothing else */
	u->alias = copy;
	u->alias_name = name;
	u->alias_key = called;
	return 0;
}

int user_alias(struct user *u)
{
	struct conference *c = u->conference;
	char random[CONFERENCE_ALIAS_LEN + 1], alias[64], name[32];
	int r;

	if (u->alias != NULL)
		return 0;
	if (random_base32(random, CONFERENCE_ALIAS_LEN) < 0)
		return -ENOBUFS;
	snprintf(alias, sizeof(alias), "sip:anon-%s@anonymous.invalid", random);
	do { /* somebody may have that as a nickname */
		snprintf(name, sizeof(name), "Anonymous %u", ++c->aliases);
		r = user_alias_set(u, alias, name);
	} while (r == -EBADMSG);
	keep_conference(c);
	return r;
}

int user_nickname_set(struct user *u, struct span name)
{
	struct user_name *named = NULL;
	char *text, *key, *called = NULL;
	int r;

	if (name.len == 0) {
		nickname_drop(u);
		return 0;
	}
	if (u->alias != NULL)
		return -EPERM;
	r = nickname_read(name, &text, &key);
	if (r < 0)
		return r;
	if (asprintf(&called, CALLED "%s", key) < 0) {
		called = NULL;
		r = -ENOBUFS;
	} else if (focus_is_reserved(u->conference->focus, key) || is_called(u, called) ||
		   is_known(u, key)) {
		r = -EEXIST;
	} else {
		named = name_new(u, called);
		r = named != NULL ? 0 : -ENOBUFS;
	}
	free(key);
	if (r < 0) {
		free(text);
		free(called);
		return r;
	}
	nickname_drop(u);
	u->nickname = text;
	u->nickname_key = called;
	u->names[NAME_NICKNAME] = named;
	return 0;
}

const char *user_shown_uri(const struct user *u)
{
	return u->alias != NULL ? u->alias : u->uri;
}

struct span user_shown_name(const struct user *u)
{
	if (u->alias_name != NULL)
		return span_of(u->alias_name);
	if (u->nickname != NULL)
		return span_of(u->nickname);
	return u->display_name[0] != '\0' ? span_of(u->display_name)
					  : identity_user(span_of(u->canonical));
}
