/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.11 and RFC 4028: the session timer, as context.md 3.3 reads it. */
#include "control/controlling/procedures.h"
#include <stdlib.h>
#include "include/log.h"

int refresh_read(struct participant *p, const struct request *request)
{
	const struct config *config = p->conference->focus->config;
	uint32_t most = (uint32_t)(config->sip_session_expires_ms / 1000);
	uint32_t least = (uint32_t)(config->sip_min_se_ms / 1000);
	uint32_t seconds = request->session_expires;

	/* RFC 4028 9: 422 only for one that supports the timer; another's interval is raised. */
	if (seconds > 0 && seconds < least) {
		if (request->supports_timer)
			return -EPROTO;
		seconds = least;
	}
	if (seconds == 0 || seconds > most)
		seconds = most;
	if (seconds < request->min_se)
		seconds = request->min_se;
	p->session_expires = seconds;
	p->supports_timer = request->supports_timer;
	/* RFC 4028 forbids changing a refresher that the request names. */
	p->refresher_is_us = request->refresher == REFRESHER_UAS;
	return 0;
}

void refresh_headers(const struct participant *p, struct header_block *block)
{
	header_add(block, "Session-Expires", "%u;refresher=%s", p->session_expires,
		p->refresher_is_us ? "uas" : "uac");
	if (p->supports_timer && !p->refresher_is_us)
		header_add(block, "Require", "timer");
}

void refresh_start(struct participant *p)
{
	dialog_supervise(p->dialog, p->session_expires, p->refresher_is_us);
}

static bool allows(const struct participant *p, struct span method)
{
	struct span rest = span_of(p->allow);

	while (rest.len > 0)
		if (span_eq_nocase(span_trim(span_cut(&rest, ',')), method))
			return true;
	return false;
}

static int refresh_say(struct participant *p, bool update)
{
	struct header_block extra;
	struct dialog_message message = { .contact = p->conference->uri, .extra = &extra };
	char *sdp = update ? NULL : session_sdp(p, false);
	int r;

	if (!update && sdp == NULL)
		return -ENOBUFS;
	header_init(&extra);
	header_add(&extra, "Session-Expires", "%u;refresher=uac", p->session_expires);
	header_add(&extra, "Min-SE", "%u",
		(unsigned)(p->conference->focus->config->sip_min_se_ms / 1000));
	if (sdp != NULL) {
		message.content_type = "application/sdp";
		message.body = sdp;
	}
	r = dialog_refresh(p->dialog, update, &message);
	if (r < 0)
		log_info("refresh", "not sent conference=%s number=%u result=\"%s\"",
			p->conference->uri, p->number, result_text(r));
	free(sdp);
	return r;
}

int refresh_offer(struct participant *p)
{
	return refresh_say(p, false);
}

/* Where we are the refresher: an UPDATE without SDP where the peer takes it, else a re-INVITE whose
 * SDP is unchanged. */
void refresh_due(struct participant *p)
{
	/* Also one that met a request of theirs (491): where it was to offer, it still is. */
	if (refresh_say(p, !p->reoffer && allows(p, SPAN_LITERAL("UPDATE"))) < 0)
		log_debug("refresh", "the session ends by itself conference=%s number=%u",
			p->conference->uri, p->number);
}

/* RFC 4028 10: only a 2xx extends the session; what is left of it ends by itself. */
void refresh_answered(struct participant *p, const struct response *response)
{
	if (response->status == 408 || response->status == 481) { /* RFC 3261 12.2.1.2 */
		p->reason = "SIP;cause=408;text=\"Session expired\"";
		session_feed(p, PARTICIPANT_EV_REMOVE);
		return;
	}
	if (response->status >= 300)
		return;
	if (!modify_answered(p, response->body)) {
		p->reason = "SIP;cause=488;text=\"SDP not acceptable\"";
		session_feed(p, PARTICIPANT_EV_REMOVE);
		return;
	}
	if (response->session_expires > 0) {
		p->session_expires = response->session_expires;
		p->refresher_is_us = response->refresher != REFRESHER_UAS;
	}
	refresh_start(p);
}

void refresh_too_small(const struct config *config, struct header_block *block)
{
	header_add(block, "Min-SE", "%u", (unsigned)(config->sip_min_se_ms / 1000));
}
