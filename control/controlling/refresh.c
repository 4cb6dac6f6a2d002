/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.11 and RFC 4028: the session timer, as context.md 3.3 reads it. */
#include "control/controlling/procedures.h"

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
	dialog_supervise(p->dialog, p->session_expires);
}

void refresh_too_small(const struct config *config, struct header_block *block)
{
	header_add(block, "Min-SE", "%u", (unsigned)(config->sip_min_se_ms / 1000));
}
