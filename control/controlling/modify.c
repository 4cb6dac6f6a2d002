/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.6: a re-INVITE (or UPDATE) with MSRP parameters; 7.2.1.11: one that only refreshes the
 * session timer. */
#include "control/controlling/procedures.h"
#include <stdlib.h>
#include "include/log.h"

static void refuse(struct participant *p, unsigned status, const char *phrase,
	const struct header_block *extra, const char *sdp)
{
	struct dialog_message message = {
		.extra = extra,
		.content_type = sdp ? "application/sdp" : NULL,
		.body = sdp,
	};

	dialog_modified(p->dialog, status, phrase, &message);
}

/* CF-7.2.1.6-R1: takes the offer, or answers and returns false. */
static bool offer_take(struct participant *p, const struct request *request, bool *moved)
{
	struct focus *focus = p->conference->focus;
	struct sdp_media offer;
	struct header_block extra;
	const char *why = NULL;
	char wrapped[2048], *sdp;
	int r = sdp_media_parse(request->body, false, &offer, &why);

	*moved = false;
	if (r == 0) {
		*moved = strcmp(offer.path, p->remote.path) != 0;
		sdp_media_fini(&p->remote);
		p->remote = offer;
		return true;
	}
	header_init(&extra);
	header_add_warning(&extra, focus->config->sip_domain, why ? why : "SDP not acceptable");
	if (r == -EBADMSG) {
		refuse(p, 400, "Bad Request", &extra, NULL);
		return false;
	}
	conference_wrapped_types(focus->config, wrapped, sizeof(wrapped));
	sdp = sdp_write_capabilities(
		focus->config->sip_domain, span_of(wrapped), focus->config->msrp_max_message);
	refuse(p, 488, "Not Acceptable Here", &extra, sdp); /* CF-7.2.1.6-R1a */
	free(sdp);
	return false;
}

bool answer_taken(struct participant *p, struct span body)
{
	const char *why = NULL;

	if (p->state != PARTICIPANT_CONNECTED)
		return true; /* on its way out */
	if (body.len == 0 || sdp_media_parse(body, false, &p->remote, &why) < 0) {
		log_info("answer", "no answer to our offer conference=%s number=%u why=\"%s\"",
			p->conference->uri, p->number, why ? why : "");
		return false;
	}
	p->has_remote = true;
	keep_participant(p);
	return session_leg_update(p, true, false) == 0 && conference_member_add(p) == 0;
}

void modify_answered(struct participant *p, struct span body)
{
	struct sdp_media answer;
	bool moved;

	if (body.len == 0 || p->state != PARTICIPANT_CONNECTED ||
		sdp_media_parse(body, false, &answer, NULL) < 0)
		return;
	moved = p->reoffer || strcmp(answer.path, p->remote.path) != 0;
	sdp_media_fini(&p->remote);
	p->remote = answer;
	keep_participant(p);
	if (moved && session_leg_update(p, true, true) < 0)
		log_warning("modify", "path not taken over conference=%s number=%u",
			p->conference->uri, p->number);
	else if (p->reoffer)
		recover_taken(p);
}

static bool is_sdp(struct span type)
{
	struct span rest = type;

	return span_eq_nocase(span_trim(span_cut(&rest, ';')), SPAN_LITERAL("application/sdp"));
}

void modify_received(struct participant *p, const struct request *request)
{
	struct focus *focus = p->conference->focus;
	struct header_block extra;
	struct dialog_message message = { .contact = p->conference->uri, .extra = &extra };
	bool offered = request->body.len > 0, moved = false;
	char *sdp = NULL;

	header_init(&extra);
	if (offered && !is_sdp(request->content_type)) { /* RFC 3261 8.2.3 */
		header_add(&extra, "Accept", "application/sdp");
		refuse(p, 415, "Unsupported Media Type", &extra, NULL);
		return;
	}
	if (refresh_read(p, request) < 0) {
		refresh_too_small(focus->config, &extra);
		refuse(p, 422, "Session Interval Too Small", &extra, NULL);
		return;
	}
	if (offered && !offer_take(p, request, &moved))
		return;
	/* CF-7.2.1.6-R2: a new path of the peer permits one rebind (context.md 1.4). */
	moved = moved || (offered && p->reoffer);
	if (moved && session_leg_update(p, false, true) < 0) {
		refuse(p, 503, "Service Unavailable", &extra, NULL);
		return;
	}
	/* A re-INVITE without an offer asks for ours; an UPDATE without one only refreshes. */
	if (offered || request->method == REQUEST_INVITE) {
		sdp = session_sdp(p, offered);
		if (sdp == NULL) {
			refuse(p, 500, "Server Internal Error", NULL, NULL);
			return;
		}
		message.content_type = "application/sdp";
		message.body = sdp;
	}
	refresh_headers(p, &extra); /* CF-7.2.1.11-R1a */
	header_add(&extra, "P-Asserted-Identity", "<%s>", p->conference->identity);
	p->offered = sdp != NULL && !offered;
	if (offered && p->reoffer) /* it has asked before we did */
		recover_taken(p);
	dialog_modified(p->dialog, 200, "OK", &message); /* CF-7.2.1.6-R3 */
	free(sdp);
	refresh_start(p); /* CF-7.2.1.11-R1b */
	log_debug("modify", "answered conference=%s number=%u moved=%d", p->conference->uri,
		p->number, moved);
}
