/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/im_session.h"
#include <assert.h>
#include <fcntl.h>
#include <sofia-sip/msg_mime.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/su_tag.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "control/sip/multipart.h"
#include "control/sip/offer_answer.h"
#include "dataplane/msrp/cpim.h"
#include "tools/imclient/cpim_out.h"

enum { SHOW_OCTETS = 16384, COMPOSING_OCTETS = 4096 };

static const char accept_contact[] = "*;+g.oma.sip-im";

struct im_session {
	struct im_session *next;
	struct im_account *account;
	nua_handle_t *nh;
	struct msrp_session *msrp;
	unsigned number;
	enum client_state state;
	bool outgoing, focus, told; /* told: REFUSED, CANCELLED or ENDED is out */
	bool ended_by_peer, freeing;
	char *peer, *room;
	struct sdp_media remote; /* zero until there is one */
	bool has_remote;
	uint64_t sdp_session;
	char *local_sdp; /* as last sent: an unchanged refresh repeats it */
	unsigned unsettled;
};

/* A message of ours on its way: msrp_send.arg */
struct outgoing {
	struct im_session *session;
	struct content *content;
	bool quiet;
};

/* A message coming in: msrp_in.user */
struct incoming {
	struct digest *digest;
	char head[CPIM_HEAD_MAX];
	size_t head_len, resume;
	bool head_done, is_text, is_composing;
	char *from, *to, *type;
	uint64_t octets; /* of content */
	char *shown;     /* its first octets, when it may be shown */
	size_t shown_len;
	int fd; /* stored here; -1: not (yet) */
	char *file;
	bool store_failed;
};

static void tell(const struct im_session *s, struct client_event *event)
{
	if (s->freeing)
		return;
	event->session = s->number;
	if (event->octets == 0 && event->type != CLIENT_MESSAGE && event->type != CLIENT_QUEUED &&
		event->type != CLIENT_SENT)
		event->octets = CLIENT_NONE;
	s->account->event(s->account->arg, event);
}

static char *url_text(su_home_t *home, url_t const *url)
{
	url_t plain = *url;
	char *in_home, *copy;

	plain.url_params = NULL;
	plain.url_headers = NULL;
	in_home = url_as_string(home, &plain);
	copy = in_home != NULL ? strdup(in_home) : NULL;
	su_free(home, in_home);
	return copy;
}

/* ---- incoming messages ---- */

static void incoming_free(struct incoming *in)
{
	if (in == NULL)
		return;
	if (in->fd >= 0)
		close(in->fd);
	digest_free(in->digest);
	free(in->from);
	free(in->to);
	free(in->type);
	free(in->shown);
	free(in->file);
	free(in);
}

static unsigned on_begin(void *arg, struct msrp_in *message)
{
	struct span rest = message->content_type, type = span_trim(span_cut(&rest, ';'));
	struct incoming *in;

	if (!span_eq_nocase(type, SPAN_LITERAL("message/cpim")))
		return 415; /* the only one in our accept-types */
	in = calloc(1, sizeof(*in));
	if (in == NULL || (in->digest = digest_new()) == NULL) {
		free(in);
		return 413;
	}
	in->fd = -1;
	message->user = in;
	return 0;
}

/* The name is ours: nothing that a peer says becomes a part of a path. */
static void store_open(struct im_session *s, struct incoming *in)
{
	if (asprintf(&in->file, "%s/message-XXXXXX", s->account->options.save_dir) < 0) {
		in->file = NULL;
		in->store_failed = true;
		return;
	}
	in->fd = mkostemp(in->file, O_CLOEXEC);
	in->store_failed = in->fd < 0;
}

static void store(struct im_session *s, struct incoming *in, struct span octets)
{
	if (in->fd < 0 && !in->store_failed) {
		store_open(s, in);
		if (in->fd >= 0 && in->shown_len > 0)
			in->store_failed =
				write(in->fd, in->shown, in->shown_len) != (ssize_t)in->shown_len;
	}
	while (octets.len > 0 && !in->store_failed) {
		ssize_t n = write(in->fd, octets.at, octets.len);

		if (n <= 0) {
			in->store_failed = true;
			break;
		}
		octets.at += n;
		octets.len -= (size_t)n;
	}
}

static void content_in(struct im_session *s, struct incoming *in, struct span octets)
{
	size_t limit = in->is_composing                  ? COMPOSING_OCTETS
		       : s->account->options.show_octets ? s->account->options.show_octets
							 : SHOW_OCTETS;

	digest_update(in->digest, octets);
	if ((in->is_text || in->is_composing) && in->octets + octets.len <= limit) {
		char *more = realloc(in->shown, in->shown_len + octets.len + 1);

		if (more != NULL) {
			in->shown = more;
			memcpy(in->shown + in->shown_len, octets.at, octets.len);
			in->shown_len += octets.len;
			in->shown[in->shown_len] = '\0';
			in->octets += octets.len;
			return;
		}
	}
	if (s->account->options.save_dir != NULL)
		store(s, in, octets);
	free(in->shown);
	in->shown = NULL;
	in->shown_len = 0;
	in->is_text = false;
	in->octets += octets.len;
}

static unsigned on_body(void *arg, struct msrp_in *message, struct span octets)
{
	struct im_session *s = arg;
	struct incoming *in = message->user;
	struct cpim head;
	size_t take, before = in->head_len;
	int result;

	if (in->head_done) {
		content_in(s, in, octets);
		return 0;
	}
	take = sizeof(in->head) - before < octets.len ? sizeof(in->head) - before : octets.len;
	memcpy(in->head + before, octets.at, take);
	in->head_len += take;
	result = cpim_parse(span_make(in->head, in->head_len), &in->resume, &head);
	if (result == -EAGAIN)
		return 0;
	if (result < 0 || head.to_count == 0)
		return 400;
	if (head.from.at == NULL)
		return 403;
	in->head_done = true;
	in->from = strndup(head.from.at, head.from.len);
	in->to = strndup(head.to.at, head.to.len);
	in->type = strndup(head.content_type.len ? head.content_type.at : "text/plain",
		head.content_type.len ? head.content_type.len : strlen("text/plain"));
	if (in->from == NULL || in->to == NULL || in->type == NULL)
		return 413;
	in->is_text = strncasecmp(in->type, "text/", 5) == 0;
	in->is_composing = strcasecmp(in->type, "application/im-iscomposing+xml") == 0;
	/* What of this piece lies behind the headers. */
	if (head.head_len < before + octets.len) {
		size_t used = head.head_len - before;

		content_in(s, in, span_make(octets.at + used, octets.len - used));
	}
	return 0;
}

/* RFC 3994: the text of <state>, whatever the prefix. Anything but the two words counts as idle. */
static const char *composing_state(const struct incoming *in)
{
	const char *at = in->shown != NULL ? strstr(in->shown, "state>") : NULL;

	return at != NULL && strncmp(at + 6, "active", 6) == 0 ? "active" : "idle";
}

static void on_end(void *arg, struct msrp_in *message, enum msrp_in_end how)
{
	struct im_session *s = arg;
	struct incoming *in = message->user;
	struct client_event event = {
		.id = message->id, .from = in->from, .to = in->to, .type_text = in->type
	};
	char sha256[CONTENT_SHA256_TEXT];

	event.octets = in->octets;
	if (how == MSRP_IN_COMPLETE && in->head_done) {
		if (in->is_composing) {
			event.type = CLIENT_COMPOSING;
			event.state = composing_state(in);
			event.octets = CLIENT_NONE;
		} else {
			event.type = CLIENT_MESSAGE;
			digest_text(in->digest, sha256);
			event.sha256 = sha256;
			if (in->is_text)
				event.text =
					span_make(in->shown_len ? in->shown : "", in->shown_len);
			if (in->octets > 0 && s->account->options.save_dir != NULL &&
				!in->is_text && in->fd < 0 && !in->store_failed)
				store_open(s, in);
			event.file = in->store_failed ? NULL : in->file;
			if (in->store_failed)
				event.reason = "it could not be stored";
		}
	} else {
		event.type = CLIENT_MESSAGE_CUT;
	}
	tell(s, &event);
	incoming_free(in);
	message->user = NULL;
}

/* ---- outgoing messages ---- */

static void on_outcome(void *arg, void *send_arg, const struct msrp_outcome *outcome)
{
	struct im_session *s = arg;
	struct outgoing *out = send_arg;
	struct client_event event = { .id = outcome->message_id,
		.octets = content_octets(out->content) };
	char sha256[CONTENT_SHA256_TEXT];

	s->unsettled--;
	if (!out->quiet) {
		event.chunks = outcome->chunks;
		if (outcome->status == 200) {
			event.type = CLIENT_SENT;
			if (content_sha256(out->content, sha256))
				event.sha256 = sha256;
		} else {
			event.type = CLIENT_SEND_FAILED;
			event.status = outcome->status;
			event.reason = outcome->status == 408 ? "no answer"
				       : outcome->status == 0
					       ? "the session ended before it was answered"
					       : "refused";
		}
		tell(s, &event);
	}
	content_free(out->content);
	free(out);
}

static void on_report(void *arg, const struct msrp_report *report)
{
	struct im_session *s = arg;
	struct client_event event = {
		.type = CLIENT_REPORT,
		.id = report->message_id,
		.status = report->status,
		.has_count = report->has_count,
		.count = report->count,
	};

	tell(s, &event);
}

static void on_bound(void *arg)
{
	struct im_session *s = arg;
	struct client_event event = { .type = CLIENT_BOUND, .peer = s->peer, .room = s->room };

	/* A peer may connect before its 200 has come to us: told when the dialog stands. */
	if (s->state == CLIENT_STATE_ESTABLISHED) {
		s->state = CLIENT_STATE_BOUND;
		tell(s, &event);
	}
}

static void on_lost(void *arg, const char *why)
{
	struct im_session *s = arg;
	struct client_event event = { .type = CLIENT_LOST, .reason = why };

	if (s->state == CLIENT_STATE_LEAVING) /* the peer ended it with the dialog */
		return;
	tell(s, &event);
	if (s->state == CLIENT_STATE_BOUND)
		s->state = CLIENT_STATE_ESTABLISHED;
}

static const struct msrp_session_ops msrp_ops = {
	.bound = on_bound,
	.lost = on_lost,
	.begin = on_begin,
	.body = on_body,
	.end = on_end,
	.outcome = on_outcome,
	.report = on_report,
};

static int outgoing_read(void *arg, uint64_t offset, char *to, size_t len)
{
	return content_read(((struct outgoing *)arg)->content, offset, to, len);
}

int im_session_send(
	struct im_session *s, const struct client_send *how, struct content *content, bool quiet)
{
	struct outgoing *out = calloc(1, sizeof(*out));
	const char *to = how->to != NULL ? how->to : s->room != NULL ? s->room : s->peer;
	char id[MSRP_MESSAGE_ID_MAX], *head = NULL;
	struct client_event event = {
		.type = CLIENT_QUEUED, .id = id, .to = to, .type_text = how->content_type
	};
	struct msrp_send send = {
		.content_type = SPAN_LITERAL("message/cpim"),
		.body_octets = content_octets(content),
		.read = outgoing_read,
		.arg = out,
		.success_report = how->report,
		.include_sent_count = how->report,
		.failure_report = quiet ? FAILURE_REPORT_PARTIAL : FAILURE_REPORT_YES,
	};
	int result = -EPROTO;

	if (s->state != CLIENT_STATE_ESTABLISHED && s->state != CLIENT_STATE_BOUND)
		goto undo;
	result = -EINVAL;
	head = cpim_head_write(s->account->user, to, time(NULL), how->content_type);
	if (out == NULL || head == NULL)
		goto undo;
	*out = (struct outgoing){ s, content, quiet };
	send.head = span_of(head);
	event.octets = send.body_octets;
	s->unsettled++;
	result = msrp_session_send(s->msrp, &send, id);
	if (result < 0) {
		s->unsettled--;
		goto undo;
	}
	free(head);
	if (!quiet)
		tell(s, &event);
	return 0;
undo:
	free(head);
	free(out);
	content_free(content);
	return result;
}

/* ---- bodies ---- */

/* Our description. As an offer a=setup:actpass; as an answer what context.md 5.2 says. */
static char *local_sdp(struct im_session *s, const struct sdp_media *answer_to)
{
	struct sdp_local local = {
		.user = s->account->sdp_user,
		.session = s->sdp_session,
		.version = 1,
		.uri = msrp_session_uri(s->msrp),
		.setup = answer_to == NULL ? SDP_SETUP_ACTPASS : sdp_setup_answer(answer_to->setup),
		.wrapped_types = SPAN_LITERAL("*"),
		.max_size = s->account->options.max_message,
		.chatroom = true,
		.chatroom_nickname = true,
		.chatroom_private = true,
		.cema = true,
	};

	if (answer_to != NULL && answer_to->setup == SDP_SETUP_ABSENT)
		local.setup = SDP_SETUP_ABSENT;
	return sdp_write(&local, answer_to);
}

/* The application/sdp of a body, alone or in a multipart. Empty: there is none. */
static struct span find_sdp(su_home_t *home, sip_t const *sip)
{
	struct multipart_part parts[MULTIPART_PARTS_MAX];
	struct span found = { "", 0 };
	char *type;
	int count;

	if (sip->sip_payload == NULL || sip->sip_content_type == NULL)
		return found;
	type = sip_header_as_string(home, (sip_header_t *)sip->sip_content_type);
	if (type == NULL)
		return found;
	count = multipart_parse(span_of(type),
		span_make(sip->sip_payload->pl_data, sip->sip_payload->pl_len), parts);
	for (int i = 0; i < count; i++) {
		if (span_eq_nocase(parts[i].type, SPAN_LITERAL("application/sdp"))) {
			found = parts[i].body; /* in the payload, not in `type` */
			break;
		}
	}
	su_free(home, type);
	return found;
}

static int remote_take(struct im_session *s, sip_t const *sip, const char **why)
{
	struct sdp_media media;
	struct span body = find_sdp(s->account->home, sip);
	int result;

	*why = "no SDP in it";
	if (body.len == 0)
		return -EPROTO;
	result = sdp_media_parse(body, false, &media, why);
	if (result < 0)
		return result;
	if (s->has_remote)
		sdp_media_fini(&s->remote);
	s->remote = media;
	s->has_remote = true;
	return 0;
}

static void contact_take(struct im_session *s, sip_t const *sip)
{
	sip_contact_t const *contact = sip->sip_contact;

	s->focus = contact != NULL && msg_header_find_param(contact->m_common, "isfocus") != NULL;
	if (!s->focus)
		return;
	free(s->room);
	s->room = url_text(s->account->home, contact->m_url); /* the IM Session Identity */
}

static const char *warning_of(sip_t const *sip)
{
	return sip != NULL && sip->sip_warning != NULL ? sip->sip_warning->w_text : NULL;
}

/* ---- life ---- */

static struct im_session *session_new(struct im_account *account, bool outgoing)
{
	struct im_session *s = calloc(1, sizeof(*s));

	if (s == NULL || msrp_session_new(&s->msrp, account->endpoint, &msrp_ops, s) < 0) {
		free(s);
		return NULL;
	}
	msrp_session_limit(s->msrp, account->options.max_message);
	s->account = account;
	s->outgoing = outgoing;
	s->number = ++account->last_number;
	s->sdp_session = 2208988800u + (uint64_t)time(NULL);
	s->next = account->sessions;
	account->sessions = s;
	account->session_count++;
	return s;
}

void im_session_free(struct im_session *s)
{
	struct im_account *account = s->account;

	s->freeing = true;
	msrp_session_free(s->msrp);
	for (struct im_session **at = &account->sessions; *at != NULL; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	account->session_count--;
	if (s->nh != NULL) {
		nua_handle_bind(s->nh, NULL);
		nua_handle_destroy(s->nh);
	}
	if (s->has_remote)
		sdp_media_fini(&s->remote);
	free(s->peer);
	free(s->room);
	free(s->local_sdp);
	free(s);
}

/* The last word about a session: once. */
static void tell_end(struct im_session *s, enum client_event_type type, unsigned status,
	const char *reason, const char *warning)
{
	struct client_event event = {
		.type = type,
		.status = status,
		.reason = reason,
		.warning = warning,
		.peer = s->peer,
	};

	if (s->told)
		return;
	/* First what was open, so that no message's outcome comes after the end. */
	msrp_session_free(s->msrp);
	s->msrp = NULL;
	s->told = true;
	s->state = CLIENT_STATE_LEAVING;
	if (type == CLIENT_ENDED)
		event.by = s->ended_by_peer ? "peer" : "us";
	tell(s, &event);
}

/* The dialog stands and both descriptions are known. */
static void established(struct im_session *s)
{
	struct client_event event = {
		.type = CLIENT_ESTABLISHED,
		.peer = s->peer,
		.room = s->room,
		.has_focus = true,
		.focus = s->focus,
	};
	enum sdp_setup ours = s->outgoing ? SDP_SETUP_ACTPASS : sdp_setup_answer(s->remote.setup);
	bool active = sdp_setup_we_connect(ours, s->remote.setup, s->outgoing);
	int result;

	s->state = CLIENT_STATE_ESTABLISHED;
	tell(s, &event);
	result = msrp_session_start(s->msrp, active, span_of(s->remote.path));
	if (result < 0)
		on_lost(s, result == -EPROTO ? "the peer wants TLS, which is not spoken here"
					     : "the peer's path cannot be used");
	else if (msrp_session_is_bound(s->msrp))
		on_bound(s);
}

static int send_invite(struct im_session *s, const char *target, const char *const *uris,
	unsigned count, const char *subject)
{
	struct multipart_part parts[2] = { 0 };
	char type[128] = "application/sdp", *sdp, *list = NULL, *body = NULL, *preferred = NULL;
	size_t len = 0;
	int result = -ENOBUFS;

	sdp = local_sdp(s, NULL);
	if (sdp == NULL)
		goto undo;
	if (asprintf(&preferred, "P-Preferred-Identity: %s", s->account->from) < 0) {
		preferred = NULL;
		goto undo;
	}
	if (count > 0) {
		list = resource_list_write(uris, count);
		if (list == NULL)
			goto undo;
		parts[0] = (struct multipart_part){ .type = SPAN_LITERAL("application/sdp"),
			.body = span_of(sdp) };
		parts[1] = (struct multipart_part){ .type = SPAN_LITERAL(
							    "application/resource-lists+xml"),
			.disposition = SPAN_LITERAL("recipient-list"),
			.body = span_of(list) };
		body = multipart_write(parts, 2, type, &len);
		if (body == NULL)
			goto undo;
	}
	s->nh = nua_handle(s->account->nua, s, NUTAG_URL(target), SIPTAG_TO_STR(target),
		SIPTAG_FROM_STR(s->account->from), TAG_END());
	if (s->nh == NULL)
		goto undo;
	nua_invite(s->nh, SIPTAG_CONTACT_STR(s->account->contact),
		SIPTAG_ACCEPT_CONTACT_STR(accept_contact), SIPTAG_HEADER_STR(preferred),
		TAG_IF(count > 0, SIPTAG_REQUIRE_STR("recipient-list-invite")),
		TAG_IF(subject != NULL, SIPTAG_SUBJECT_STR(subject)), SIPTAG_CONTENT_TYPE_STR(type),
		SIPTAG_PAYLOAD_STR(body != NULL ? body : sdp), TAG_END());
	s->local_sdp = sdp;
	sdp = NULL;
	result = 0;
undo:
	free(sdp);
	free(list);
	free(body);
	free(preferred);
	return result;
}

int im_session_invite(struct im_account *account, const char *const *uris, unsigned count,
	bool as_conference, const char *subject)
{
	const char *target = as_conference ? account->factory : uris[0];
	struct client_event event = { .type = CLIENT_INVITING };
	struct im_session *s;
	int result;

	if (account->session_count >= CLIENT_SESSIONS_MAX)
		return -ENOBUFS;
	s = session_new(account, true);
	if (s == NULL)
		return -ENOBUFS;
	s->state = CLIENT_STATE_INVITING;
	s->peer = strdup(target);
	result = s->peer == NULL ? -ENOBUFS
				 : send_invite(s, target, uris, as_conference ? count : 0, subject);
	if (result < 0) {
		im_session_free(s);
		return result;
	}
	event.peer = s->peer;
	tell(s, &event);
	return (int)s->number;
}

void im_session_invited(struct im_account *account, nua_handle_t *nh, sip_t const *sip)
{
	struct client_event event = { .type = CLIENT_INVITED };
	struct im_session *s;
	const char *why;
	int result;

	if (account->session_count >= CLIENT_SESSIONS_MAX ||
		(s = session_new(account, false)) == NULL) {
		nua_respond(nh, SIP_486_BUSY_HERE, TAG_END());
		return; /* nua ends the handle; client destroys it */
	}
	nua_handle_bind(nh, s);
	s->nh = nh;
	s->state = CLIENT_STATE_INVITED;
	contact_take(s, sip);
	/* The inviter as the network vouches for it; a focus puts itself into From (context.md
	 * 3.4). */
	if (sip->sip_from != NULL)
		s->peer = url_text(account->home, sip->sip_from->a_url);
	result = remote_take(s, sip, &why);
	if (s->peer == NULL || result < 0) {
		char *warning = NULL;

		if (asprintf(&warning, "399 plenum-im \"%s\"", why) < 0)
			warning = NULL;
		nua_respond(nh, result == -EBADMSG ? 400 : 488,
			result == -EBADMSG ? sip_400_Bad_request : sip_488_Not_acceptable,
			TAG_IF(warning != NULL, SIPTAG_WARNING_STR(warning)), TAG_END());
		free(warning);
		s->told = true; /* nobody was asked, nobody is told */
		s->state = CLIENT_STATE_LEAVING;
		return;
	}
	{
		sip_p_asserted_identity_t const *asserted = sip_p_asserted_identity(sip);
		char *inviter =
			asserted != NULL ? url_text(account->home, asserted->paid_url) : NULL;

		event.peer = s->peer;
		event.from = inviter != NULL ? inviter : s->peer;
		event.room = s->room;
		event.has_focus = true;
		event.focus = s->focus;
		event.subject = sip->sip_subject != NULL ? sip->sip_subject->g_string : NULL;
		nua_respond(nh, SIP_180_RINGING, SIPTAG_CONTACT_STR(account->contact), TAG_END());
		tell(s, &event);
		free(inviter);
	}
}

int im_session_accept(struct im_session *s)
{
	if (s->state != CLIENT_STATE_INVITED)
		return -EPROTO;
	free(s->local_sdp);
	s->local_sdp = local_sdp(s, &s->remote);
	if (s->local_sdp == NULL)
		return -ENOBUFS;
	nua_respond(s->nh, SIP_200_OK, SIPTAG_CONTACT_STR(s->account->contact),
		SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(s->local_sdp),
		TAG_END());
	established(s);
	return 0;
}

int im_session_reject(struct im_session *s, unsigned status)
{
	if (s->state != CLIENT_STATE_INVITED)
		return -EPROTO;
	if (status < 300 || status > 699)
		return -EINVAL;
	nua_respond(s->nh, (int)status, sip_status_phrase((int)status), TAG_END());
	tell_end(s, CLIENT_ENDED, status, "rejected", NULL);
	return 0;
}

int im_session_leave(struct im_session *s)
{
	switch (s->state) {
	case CLIENT_STATE_INVITED: return im_session_reject(s, 486);
	case CLIENT_STATE_INVITING: nua_cancel(s->nh, TAG_END()); return 0;
	case CLIENT_STATE_ESTABLISHED:
	case CLIENT_STATE_BOUND:
		/* MSRP stays until the BYE is answered: a connection that goes first looks like a
		 * failure. */
		s->state = CLIENT_STATE_LEAVING;
		nua_bye(s->nh, TAG_END());
		return 0;
	default: return -EPROTO;
	}
}

/* ---- events of nua ---- */

static void on_invite_answer(struct im_session *s, int status, char const *phrase, sip_t const *sip)
{
	struct client_event event = {
		.type = CLIENT_RINGING, .status = (unsigned)status, .reason = phrase
	};
	const char *why;

	if (status < 200) {
		if (status > 100)
			tell(s, &event);
		return;
	}
	if (status >= 300) {
		/* A re-INVITE of nua's own (session refresh) that fails ends through the state
		 * event. */
		if (s->state == CLIENT_STATE_INVITING)
			tell_end(s, CLIENT_REFUSED, (unsigned)status, phrase, warning_of(sip));
		return;
	}
	if (s->state != CLIENT_STATE_INVITING)
		return;
	contact_take(s, sip);
	if (remote_take(s, sip, &why) < 0) {
		nua_bye(s->nh, TAG_END());
		tell_end(s, CLIENT_REFUSED, (unsigned)status, why, NULL);
		return;
	}
	established(s);
}

/* A re-INVITE or UPDATE of the peer's: a refresh gets the same description again. */
static void on_reinvite(struct im_session *s, sip_t const *sip)
{
	struct sdp_media media;
	struct span body = find_sdp(s->account->home, sip);
	const char *why;
	bool same = true;

	if (body.len > 0) {
		if (sdp_media_parse(body, false, &media, &why) < 0) {
			nua_respond(s->nh, SIP_488_NOT_ACCEPTABLE, TAG_END());
			return;
		}
		same = s->has_remote && strcmp(media.path, s->remote.path) == 0;
		sdp_media_fini(&media);
	}
	/* A new path would move the session to another connection; this client keeps the one it
	 * has. */
	if (!same || s->local_sdp == NULL) {
		nua_respond(s->nh, SIP_488_NOT_ACCEPTABLE, TAG_END());
		return;
	}
	nua_respond(s->nh, SIP_200_OK, SIPTAG_CONTACT_STR(s->account->contact),
		SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(s->local_sdp),
		TAG_END());
}

static void on_bye(struct im_session *s, sip_t const *sip)
{
	const char *text = NULL;
	char *plain = NULL;
	unsigned cause = 0;

	s->ended_by_peer = true;
	if (sip != NULL && sip->sip_reason != NULL) {
		text = sip->sip_reason->re_text;
		if (sip->sip_reason->re_cause != NULL)
			cause = (unsigned)strtoul(sip->sip_reason->re_cause, NULL, 10);
		if (text != NULL && text[0] == '"') {
			size_t len = strlen(text);

			plain = strndup(
				text + 1, len > 1 && text[len - 1] == '"' ? len - 2 : len - 1);
			text = plain;
		}
	}
	tell_end(s, CLIENT_ENDED, cause, text, NULL);
	free(plain);
}

void im_session_event(struct im_session *s, nua_event_t event, int status, char const *phrase,
	sip_t const *sip, tagi_t tags[])
{
	int state = -1;

	switch (event) {
	case nua_r_invite: on_invite_answer(s, status, phrase, sip); break;
	case nua_i_invite: on_reinvite(s, sip); break;
	case nua_i_cancel: tell_end(s, CLIENT_CANCELLED, 0, NULL, NULL); break;
	case nua_i_bye: on_bye(s, sip); break;
	case nua_r_bye:
		if (status >= 200)
			tell_end(s, CLIENT_ENDED, 0, NULL, NULL);
		break;
	case nua_i_state:
		tl_gets(tags, NUTAG_CALLSTATE_REF(state), TAG_END());
		if (state != nua_callstate_terminated)
			break;
		tell_end(s, CLIENT_ENDED, status >= 300 ? (unsigned)status : 0,
			status >= 300 ? phrase : NULL, NULL);
		im_session_free(s);
		break;
	default: break;
	}
}

/* ---- views ---- */

struct im_session *im_session_next(const struct im_session *s)
{
	return s->next;
}

enum client_state im_session_state(const struct im_session *s)
{
	return s->state;
}

void im_session_view(const struct im_session *s, struct client_session_view *out)
{
	*out = (struct client_session_view){
		.number = s->number,
		.state = s->state,
		.peer = s->peer,
		.room = s->room,
		.focus = s->focus,
		.unsettled = s->unsettled,
	};
}
