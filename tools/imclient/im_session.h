/* SPDX-License-Identifier: BSD-3-Clause */
/* im_session: one SIP dialog and the MSRP session in it.
 *
 * Place:   client -> im_session -> nua and msrp_endpoint. Only client.c and im_session.c include this.
 * Spec:    context.md 3.3, 3.10, 5; RFC 4975 8 (SDP), RFC 3862 (CPIM).
 * Threads: one.
 * Life:    from im_session_invite or im_session_invited until nua says the call is terminated; then
 *          ENDED (or REFUSED, CANCELLED) has been told and the session frees itself.
 */
#ifndef TOOLS_IMCLIENT_IM_SESSION_H
#define TOOLS_IMCLIENT_IM_SESSION_H
#include <sofia-sip/nua.h>
#include "tools/imclient/client.h"
#include "tools/imclient/content.h"
#include "tools/imclient/msrp_endpoint.h"

struct im_session;

/* What all sessions of a client share; owned by client. */
struct im_account {
	su_home_t *home;
	nua_t *nua;
	struct msrp_endpoint *endpoint;
	struct client_options options; /* its strings belong to client */
	char *user, *display_name, *contact, *factory, *from, *sdp_user;
	void (*event)(void *arg, const struct client_event *event);
	void *arg;
	struct im_session *sessions; /* newest first */
	unsigned session_count, last_number;
};

/* -ENOBUFS; else the session's number. */
must_check int im_session_invite(struct im_account *account, const char *const *uris,
	unsigned count, bool as_conference, const char *subject);
/* An INVITE outside a dialog: answered with 180, or refused. */
void im_session_invited(struct im_account *account, nua_handle_t *nh, sip_t const *sip);
/* Any event of nua about this session's handle. */
void im_session_event(struct im_session *s, nua_event_t event, int status, char const *phrase,
	sip_t const *sip, tagi_t tags[]);

struct im_session *im_session_next(const struct im_session *s);
enum client_state im_session_state(const struct im_session *s);
void im_session_view(const struct im_session *s, struct client_session_view *out);

must_check int im_session_accept(struct im_session *s);
must_check int im_session_reject(struct im_session *s, unsigned status);
must_check int im_session_leave(struct im_session *s);
/* Takes the content, also on failure. quiet: no events (is-composing). */
must_check int im_session_send(
	struct im_session *s, const struct client_send *how, struct content *content, bool quiet);
/* Without waiting for anything: at the end of the client. */
void im_session_free(struct im_session *s);
#endif
