/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/registrar.h"
#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 4096u

struct user {
	struct user *next;
	char *aor;
	unsigned count;
	struct registrar_contact contacts[REGISTRAR_CONTACTS_MAX]; /* most recent first */
};

struct registrar {
	unsigned users;
	void (*dropped)(void *arg, const char *aor);
	void *arg;
	struct user *buckets[BUCKETS];
};

static unsigned bucket_of(const char *aor)
{
	uint32_t hash = 2166136261u;

	for (; *aor != '\0'; aor++)
		hash = (hash ^ (unsigned char)*aor) * 16777619u;
	return (hash ^ hash >> 16) % BUCKETS;
}

static struct user **user_at(struct registrar *registrar, const char *aor)
{
	struct user **at = &registrar->buckets[bucket_of(aor)];

	while (*at != NULL && strcmp((*at)->aor, aor) != 0)
		at = &(*at)->next;
	return at;
}

static void contact_drop(struct user *user, unsigned i)
{
	free(user->contacts[i].uri);
	free(user->contacts[i].call_id);
	user->count--;
	memmove(&user->contacts[i], &user->contacts[i + 1],
		(user->count - i) * sizeof(user->contacts[0]));
}

static void user_drop(struct registrar *registrar, struct user **at)
{
	struct user *user = *at;

	while (user->count > 0)
		contact_drop(user, user->count - 1);
	*at = user->next;
	if (registrar->dropped != NULL)
		registrar->dropped(registrar->arg, user->aor);
	free(user->aor);
	free(user);
	registrar->users--;
}

static void expire(struct user *user, uint64_t now_ms)
{
	for (unsigned i = user->count; i-- > 0;)
		if (user->contacts[i].expires_ms <= now_ms)
			contact_drop(user, i);
}

/* Makes room when the table is full: walks it once for users whose contacts have all expired. */
static void sweep(struct registrar *registrar, uint64_t now_ms)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct user **at = &registrar->buckets[i];

		while (*at != NULL) {
			expire(*at, now_ms);
			if ((*at)->count == 0)
				user_drop(registrar, at);
			else
				at = &(*at)->next;
		}
	}
}

int registrar_new(struct registrar **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOBUFS;
}

void registrar_free(struct registrar *registrar)
{
	if (registrar == NULL)
		return;
	registrar->dropped = NULL;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (registrar->buckets[i] != NULL)
			user_drop(registrar, &registrar->buckets[i]);
	free(registrar);
}

int registrar_set(struct registrar *registrar, const char *aor, struct span uri,
	struct span call_id, uint32_t cseq, uint32_t seconds, uint64_t now_ms)
{
	struct user **at, *user;
	struct registrar_contact contact;

	if (uri.len == 0 || uri.len > REGISTRAR_URI_MAX || call_id.len > REGISTRAR_URI_MAX)
		return -EINVAL;
	at = user_at(registrar, aor);
	if (*at != NULL)
		expire(*at, now_ms);
	for (unsigned i = 0; *at != NULL && i < (*at)->count; i++) {
		struct registrar_contact *old = &(*at)->contacts[i];

		if (!span_eq(span_of(old->uri), uri))
			continue;
		/* RFC 3261 10.3, step 7: a request out of order changes nothing. */
		if (span_eq(span_of(old->call_id), call_id) && cseq <= old->cseq)
			return -EPROTO;
		contact_drop(*at, i);
		break;
	}
	if (seconds == 0) {
		if (*at != NULL && (*at)->count == 0)
			user_drop(registrar, at);
		return 0;
	}
	if (seconds > REGISTRAR_EXPIRES_MAX)
		seconds = REGISTRAR_EXPIRES_MAX;
	if (*at == NULL) {
		if (registrar->users >= REGISTRAR_USERS_MAX) {
			sweep(registrar, now_ms);
			if (registrar->users >= REGISTRAR_USERS_MAX)
				return -ENOBUFS;
			at = user_at(registrar, aor);
		}
		user = calloc(1, sizeof(*user));
		if (user == NULL)
			return -ENOBUFS;
		user->aor = strdup(aor);
		if (user->aor == NULL) {
			free(user);
			return -ENOBUFS;
		}
		*at = user;
		registrar->users++;
	}
	user = *at;
	if (user->count == REGISTRAR_CONTACTS_MAX)
		return -ENOBUFS;
	contact.uri = strndup(uri.at, uri.len);
	contact.call_id = call_id.len ? strndup(call_id.at, call_id.len) : strdup("");
	contact.cseq = cseq;
	contact.expires_ms = now_ms + seconds * 1000ull;
	if (contact.uri == NULL || contact.call_id == NULL) {
		free(contact.uri);
		free(contact.call_id);
		if (user->count == 0)
			user_drop(registrar, at);
		return -ENOBUFS;
	}
	memmove(&user->contacts[1], &user->contacts[0], user->count * sizeof(contact));
	user->contacts[0] = contact;
	user->count++;
	return 0;
}

void registrar_clear(struct registrar *registrar, const char *aor)
{
	struct user **at = user_at(registrar, aor);

	if (*at != NULL)
		user_drop(registrar, at);
}

unsigned registrar_find(struct registrar *registrar, const char *aor, uint64_t now_ms,
	const struct registrar_contact **out)
{
	struct user **at = user_at(registrar, aor);

	if (*at == NULL)
		return 0;
	expire(*at, now_ms);
	if ((*at)->count == 0) {
		user_drop(registrar, at);
		return 0;
	}
	*out = (*at)->contacts;
	return (*at)->count;
}

unsigned registrar_users(const struct registrar *registrar)
{
	return registrar->users;
}

void registrar_watch(
	struct registrar *registrar, void (*dropped)(void *arg, const char *aor), void *arg)
{
	registrar->dropped = dropped;
	registrar->arg = arg;
}

static const char *field_name(char out[24], const char *what, unsigned i)
{
	snprintf(out, 24, "%s%u", what, i);
	return out;
}

bool registrar_pack(
	struct registrar *registrar, const char *aor, uint64_t now_ms, struct pack *pack)
{
	const struct registrar_contact *contacts;
	unsigned count = registrar_find(registrar, aor, now_ms, &contacts);
	char name[24];

	pack_number(pack, "contacts", count);
	for (unsigned i = 0; i < count; i++) {
		pack_text(pack, field_name(name, "uri", i), span_of(contacts[i].uri));
		pack_number(pack, field_name(name, "expires", i), contacts[i].expires_ms);
		pack_text(pack, field_name(name, "call-id", i), span_of(contacts[i].call_id));
		pack_number(pack, field_name(name, "cseq", i), contacts[i].cseq);
	}
	return count > 0;
}

int registrar_restore(struct registrar *registrar, const char *aor, const struct unpacked *fields,
	uint64_t now_ms)
{
	uint64_t count = unpack_number(fields, "contacts");
	int result = -ENOENT;
	char name[24];

	/* The last of them is the oldest. */
	for (unsigned i = count < REGISTRAR_CONTACTS_MAX ? (unsigned)count : REGISTRAR_CONTACTS_MAX;
		i-- > 0;) {
		uint64_t expires_ms = unpack_number(fields, field_name(name, "expires", i));
		struct span uri = unpack_text(fields, field_name(name, "uri", i));
		struct span call_id = unpack_text(fields, field_name(name, "call-id", i));
		uint64_t cseq = unpack_number(fields, field_name(name, "cseq", i));
		int r;

		if (expires_ms < now_ms + 1000 ||
			expires_ms - now_ms > REGISTRAR_EXPIRES_MAX * 1000ull)
			continue;
		r = registrar_set(registrar, aor, uri, call_id, (uint32_t)cseq,
			(uint32_t)((expires_ms - now_ms) / 1000), now_ms);
		if (r == -ENOBUFS)
			return r;
		if (r == 0)
			result = 0;
	}
	return result;
}
