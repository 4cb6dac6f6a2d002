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
