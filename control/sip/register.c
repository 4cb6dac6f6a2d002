/* SPDX-License-Identifier: BSD-3-Clause */
/* register: REGISTER requests of a lab, without a challenge (RFC 3261 10.3; design 3: from
 * trusted sources only). */
#include "control/sip/stack.h"
#include "include/log.h"
#include <stdlib.h>

#define EXPIRES_DEFAULT 3600u

static uint32_t contact_seconds(const sip_t *sip, const sip_contact_t *contact)
{
	if (contact->m_expires != NULL)
		return (uint32_t)strtoul(contact->m_expires, NULL, 10);
	if (sip->sip_expires != NULL)
		return (uint32_t)(sip->sip_expires->ex_delta & 0x7fffffff);
	return EXPIRES_DEFAULT;
}

static void answer(nta_incoming_t *incoming, unsigned status, const char *phrase, const char *extra)
{
	nta_incoming_treply(incoming, (int)status, phrase, SIPTAG_SERVER_STR(UA_SERVER),
		SIPTAG_HEADER_STR(extra), TAG_END());
	nta_incoming_destroy(incoming);
}

static void key_of(const char *aor, struct span *out)
{
	*out = span_of(aor);
	if (out->len > STORE_KEY_MAX)
		out->len = 0; /* refused by the store: it does not survive */
}

/* Every change of a user's contacts goes to the store before it is answered. */
static void keep(struct ua *ua, const char *aor, uint64_t now_ms)
{
	struct pack *pack;
	struct span key;

	if (ua->store == NULL || pack_new(&pack) < 0)
		return;
	key_of(aor, &key);
	if (registrar_pack(ua->registrar, aor, now_ms, pack) &&
		store_put(ua->store, STORE_REGISTRATION, key, pack_record(pack)) < 0)
		log_debug("register", "contacts will not survive");
	pack_free(pack);
	store_commit(ua->store);
}

static void forget(void *arg, const char *aor)
{
	struct ua *ua = arg;
	struct span key;

	key_of(aor, &key);
	store_delete(ua->store, STORE_REGISTRATION, key);
}

struct stale {
	struct stale *next;
	char aor[];
};

struct restoring {
	struct ua *ua;
	struct stale *stale; /* to be deleted, which cannot be done on the way */
	unsigned users;
};

static void restore(void *arg, struct span key, struct span record)
{
	struct restoring *r = arg;
	struct stale *one = calloc(1, sizeof(*one) + key.len + 1);
	struct unpacked *fields = NULL;

	if (one == NULL)
		return;
	memcpy(one->aor, key.at, key.len);
	if (unpack(&fields, record) == 0 &&
		registrar_restore(r->ua->registrar, one->aor, fields, ua_now_ms()) == 0) {
		r->users++;
		free(one);
	} else {
		one->next = r->stale;
		r->stale = one;
	}
	unpack_free(fields);
}

void register_restore(struct ua *ua)
{
	struct restoring r = { .ua = ua };
	struct stale *one;

	if (ua->store == NULL || ua->registrar == NULL)
		return;
	store_each(ua->store, STORE_REGISTRATION, restore, &r);
	registrar_watch(ua->registrar, forget, ua);
	while ((one = r.stale) != NULL) {
		r.stale = one->next;
		forget(ua, one->aor);
		free(one);
	}
	if (r.users > 0)
		log_info("register", "contacts of an earlier life users=%u", r.users);
}

void register_received(
	struct ua *ua, nta_incoming_t *incoming, const sip_t *sip, const struct request *request)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const struct registrar_contact *contacts;
	struct header_block extra;
	char aor[IDENTITY_MAX];
	struct span uri;
	unsigned count;
	uint64_t now_ms = ua_now_ms();
	int r = 0;

	header_init(&extra);
	if (ua->registrar == NULL) {
		header_add(&extra, "Allow", "%s", UA_ALLOW);
		answer(incoming, 405, sip_405_Method_not_allowed, extra.text);
		goto out;
	}
	if (!request->trusted) {
		header_add_warning(&extra, ua->config->sip_domain, "Originator not authenticated");
		answer(incoming, 403, sip_403_Forbidden, extra.text);
		goto out;
	}
	uri = span_of(url_as_string(home, sip->sip_to->a_url));
	if (uri.at == NULL || identity_canonical(uri, aor) < 0 ||
		!span_eq_nocase(identity_host(uri), span_of(ua->config->sip_domain))) {
		answer(incoming, 404, sip_404_Not_found, NULL);
		goto out;
	}
	if (sip->sip_contact != NULL && sip->sip_contact->m_url->url_type == url_any) {
		/* RFC 3261 10.3, step 6: "*" stands alone and with Expires 0. */
		if (sip->sip_contact->m_next != NULL || sip->sip_expires == NULL ||
			sip->sip_expires->ex_delta != 0) {
			answer(incoming, 400, sip_400_Bad_request, NULL);
			goto out;
		}
		registrar_clear(ua->registrar, aor);
	} else {
		for (const sip_contact_t *c = sip->sip_contact; c != NULL && r == 0;
			c = c->m_next) {
			char *text = url_as_string(home, c->m_url);

			if (c->m_url->url_type != url_sip && c->m_url->url_type != url_sips)
				r = -EINVAL;
			else
				r = registrar_set(ua->registrar, aor, span_of(text),
					request->call_id, sip->sip_cseq->cs_seq,
					contact_seconds(sip, c), now_ms);
		}
	}
	if (r < 0) {
		if (r == -ENOBUFS)
			answer(incoming, 503, sip_503_Service_unavailable, "Retry-After: 60\r\n");
		else if (r == -EPROTO)
			answer(incoming, 500, "Request out of order", NULL);
		else
			answer(incoming, 400, sip_400_Bad_request, NULL);
		goto out;
	}
	keep(ua, aor, now_ms);
	count = registrar_find(ua->registrar, aor, now_ms, &contacts);
	for (unsigned i = 0; i < count; i++)
		header_add(&extra, "Contact", "<%s>;expires=%u", contacts[i].uri,
			(unsigned)((contacts[i].expires_ms - now_ms) / 1000));
	answer(incoming, 200, sip_200_OK, extra.len ? extra.text : NULL);
	log_debug("register", "contacts changed contacts=%u users=%u", count,
		registrar_users(ua->registrar));
out:
	su_home_deinit(home);
}
