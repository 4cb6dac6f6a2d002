/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.6: a re-INVITE (or UPDATE) with MSRP parameters; 7.2.1.11: one that only refreshes the
 * session timer. The parameters of the others stay as they are: 7.2.2.6 leaves it to local policy,
 * which is never here (CF-7.2.1.6-N1, context.md 3.5). */
#include "control/controlling/intake.h"
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

/* What an offer or answer of the peer changes for the switch. */
struct change {
	bool moved;  /* another path, or place to connect to */
	bool setup;  /* another side connects, or it is not bound and may be tried again */
	bool member; /* other types to be wrapped, hold, or private messages yes or no */
};

static struct change remote_take(struct participant *p, const struct sdp_media *remote)
{
	const struct change change = {
		.moved = strcmp(remote->path, p->remote.path) != 0 ||
			 strcmp(remote->connect, p->remote.connect) != 0,
		.setup = remote->setup != p->remote.setup || !p->bound,
		.member = strcmp(remote->wrapped_types, p->remote.wrapped_types) != 0 ||
			  remote->chatroom_private != p->remote.chatroom_private ||
			  sdp_media_listens(remote) != sdp_media_listens(&p->remote),
	};

	sdp_media_fini(&p->remote);
	p->remote = *remote;
	return change;
}

/* CF-7.2.1.6-R2: a new path of the peer permits one rebind (context.md 1.4); what it takes, and
 * whether privately, is as it says now (RFC 7701 8). */
static int change_tell(struct participant *p, struct change change, bool we_offered)
{
	int r = change.moved || change.setup ? session_leg_update(p, we_offered, change.moved) : 0;

	return r == 0 && change.member && p->member ? conference_member_add(p) : r;
}

/* CF-7.2.1.6-R1: takes the offer, or answers and returns false. */
static bool offer_take(struct participant *p, const struct request *request, struct change *change)
{
	struct focus *focus = p->conference->focus;
	struct sdp_media offer;
	struct header_block extra;
	const char *why = NULL;
	char wrapped[2048], *sdp;
	int r = sdp_media_parse(request->body, false, &offer, &why);

	if (r == 0) {
		why = session_place_fault(focus, &offer, false);
		if (why == NULL) {
			*change = remote_take(p, &offer);
			return true;
		}
		sdp_media_fini(&offer);
	}
	header_init(&extra);
	if (r == -ENOBUFS) {
		refuse(p, 500, "Server Internal Error", NULL, NULL);
		return false;
	}
	if (r == -EBADMSG) {
		header_add_warning(&extra, focus->config->sip_domain,
			why ? why : "The session description is malformed");
		refuse(p, 400, "Bad Request", &extra, NULL);
		return false;
	}
	intake_sdp_warnings(focus, &extra, why);
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
	why = session_place_fault(p->conference->focus, &p->remote, true);
	if (why != NULL) {
		log_info("answer", "not reached conference=%s number=%u why=\"%s\"",
			p->conference->uri, p->number, why);
		return false;
	}
	return session_leg_update(p, true, false) == 0 && conference_member_add(p) == 0;
}

bool modify_answered(struct participant *p, struct span body)
{
	struct sdp_media answer;
	struct change change;

	if (body.len == 0 || p->state != PARTICIPANT_CONNECTED ||
		sdp_media_parse(body, false, &answer, NULL) < 0)
		return true; /* what held goes on */
	if (session_place_fault(p->conference->focus, &answer, true) != NULL) {
		sdp_media_fini(&answer);
		return false;
	}
	change = remote_take(p, &answer);
	change.moved = change.moved || p->reoffer;
	keep_participant(p);
	if (change_tell(p, change, true) < 0)
		log_warning("modify", "path not taken over conference=%s number=%u",
			p->conference->uri, p->number);
	else if (p->reoffer)
		recover_taken(p);
	return true;
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
	bool offered = request->body.len > 0;
	struct change change = { 0 };
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
	if (offered && !offer_take(p, request, &change))
		return;
	change.moved = change.moved || (offered && p->reoffer);
	if (change_tell(p, change, false) < 0) {
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
	/* CF-7.2.1.6-R3, CF-7.2.1.6-R3a, CF-7.2.1.6-R3b */
	dialog_modified(p->dialog, 200, "OK", &message);
	free(sdp);
	refresh_start(p); /* CF-7.2.1.11-R1b */
	log_debug("modify", "answered conference=%s number=%u moved=%d", p->conference->uri,
		p->number, change.moved);
}
