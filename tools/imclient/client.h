/* SPDX-License-Identifier: BSD-3-Clause */
/* client: an IM client: one account, its registration, its sessions. What a front (line, later a
 * terminal) stands on.
 *
 * Place:    line -> client -> im_session -> msrp_endpoint; Sofia's nua below client and im_session only.
 * Spec:     RFC 3261, RFC 4579, RFC 5366, RFC 4975; context.md 3.
 * Threads:  one, that of the Sofia root. Nothing blocks.
 * Why nua:  a client wants what nua does by itself: refreshed registrations, digest authentication,
 *           session timers, 2xx and ACK repeats, CANCEL against a racing 200, SUBSCRIBE and REFER
 *           usages of a dialog. Its own SDP engine is switched off (NUTAG_MEDIA_ENABLE(0)): bodies,
 *           answers and provisional responses are ours. The focus, which must rebuild dialogs,
 *           stands on nta instead.
 * Memory:   everything in an event is borrowed for the call. Strings that came from a peer are as
 *           they came: who shows them cleans them (text_clean).
 */
#ifndef TOOLS_IMCLIENT_CLIENT_H
#define TOOLS_IMCLIENT_CLIENT_H
#include <sofia-sip/su_wait.h>
#include "include/result.h"
#include "include/span.h"
#include "tools/imclient/loop.h"

#define CLIENT_SESSIONS_MAX 32 /* parallel ones; a further INVITE gets 486 */

/* name in capitals, word on the wire of the line mode, what happened */
#define CLIENT_EVENTS(X)                                                                           \
	X(READY, "ready", "the client can be used; sip and msrp say where it listens")             \
	X(REGISTERED, "registered", "the registrar accepted us for `expires` seconds")             \
	X(UNREGISTERED, "unregistered", "the registrar forgot us")                                 \
	X(REGISTER_FAILED, "register-failed", "the registrar refused or did not answer")           \
	X(INVITED, "invited", "someone invites us: accept or reject")                              \
	X(INVITING, "inviting", "our INVITE is on its way")                                        \
	X(RINGING, "ringing", "a provisional answer to our INVITE")                                \
	X(REFUSED, "refused", "our INVITE failed")                                                 \
	X(ESTABLISHED, "established", "the dialog stands; with focus=yes it is a conference")      \
	X(BOUND, "bound", "MSRP is bound: messages flow")                                          \
	X(QUEUED, "queued", "a message of ours was taken")                                         \
	X(SENT, "sent", "a message of ours was answered 200")                                      \
	X(SEND_FAILED, "send-failed", "a message of ours was refused, not answered, or cut off")   \
	X(REPORT, "report", "a REPORT about a message of ours; count is its Distribution-Count")   \
	X(MESSAGE, "message", "a message came, whole")                                             \
	X(MESSAGE_CUT, "message-cut", "a message began and was not completed")                     \
	X(COMPOSING, "composing", "someone is writing, or stopped")                                \
	X(CANCELLED, "cancelled", "the inviter gave up before we answered")                        \
	X(LOST, "lost", "MSRP was lost or could not be bound")                                     \
	X(ENDED, "ended", "the session is over")                                                   \
	X(ERROR, "error", "a command could not be done")                                           \
	X(CLOSED, "closed", "after client_close: everything is over")

enum client_event_type {
#define X(name, word, text) CLIENT_##name,
	CLIENT_EVENTS(X)
#undef X
		CLIENT_EVENT_COUNT
};
const char *client_event_word(enum client_event_type type);

/* Which fields are set depends on the event: strings NULL, numbers 0 or CLIENT_NONE when not. */
#define CLIENT_NONE UINT64_MAX
struct client_event {
	enum client_event_type type;
	unsigned session; /* from 1; 0: about the account */
	const char *peer; /* the other side's address */
	const char *room; /* IM Session Identity: what CPIM To names */
	const char *by;   /* who ended it: "us" or "peer" */
	const char *subject;
	bool has_focus, focus; /* isfocus in the peer's Contact */
	unsigned status;       /* SIP or MSRP */
	const char *reason;    /* phrase, Reason header, or a sentence */
	const char *warning;   /* text of a Warning header */
	const char *id;        /* Message-ID */
	const char *from, *to; /* CPIM */
	const char *type_text; /* content type */
	uint64_t octets;       /* of the content, CLIENT_NONE: not said */
	unsigned chunks;
	const char *sha256;
	struct span text;  /* content, when it is text and short; at NULL: absent */
	const char *file;  /* where it was stored */
	const char *state; /* is-composing */
	bool has_count;
	uint32_t count; /* Distribution-Count */
	unsigned expires_s;
	const char *sip, *msrp; /* where we listen */
};

struct client_options {
	const char *user;         /* own address, sip:alice@example.com */
	const char *display_name; /* NULL: none */
	const char *proxy;        /* SIP URI that every request goes to */
	const char *host;         /* numeric address to listen on */
	uint16_t port;            /* SIP; 0: a free one */
	uint16_t msrp_port;       /* 0: a free one */
	const char *
		factory; /* Conference-factory-URI; NULL: sip:conference-factory@<domain of user> */
	unsigned expires_s;   /* of the registration; 0: 3600 */
	uint64_t max_message; /* accepted; 0: no limit */
	uint32_t show_octets; /* text up to this size is given in `text`; 0: 16 KiB */
	const char *
		save_dir; /* NULL: what is not shown is only counted and hashed; else stored there */
	uint64_t chunk_octets;    /* see msrp_endpoint */
	uint32_t msrp_timeout_ms; /* transactions and binding; 0: 30 s */
};

struct client;

/* -EINVAL: an address or URI is unusable; -EEXIST: a port is in use. READY comes from the loop. */
must_check int client_new(struct client **out, su_root_t *root, struct loop *loop,
	const struct client_options *options,
	void (*event)(void *arg, const struct client_event *event), void *arg);
/* Leaves every session, unregisters, then CLOSED (at the latest after some seconds). */
void client_close(struct client *client);
void client_free(struct client *client); /* after CLOSED */

void client_register(struct client *client);
void client_unregister(struct client *client);

/* One address: an ordinary INVITE, to a person, a group or the factory. Several, or as_conference:
 *              an INVITE to the factory
 * with them as resource list. Returns the session's number; negative: -EINVAL a URI is none,
 * -ENOBUFS. */
must_check int client_invite(struct client *client, const char *const *uris, unsigned count,
	bool as_conference, const char *subject);
/* session 0: the newest that fits. -ENOENT: there is none; -EPROTO: not in a state for it. */
must_check int client_accept(struct client *client, unsigned session);
must_check int client_reject(struct client *client, unsigned session, unsigned status);
must_check int client_leave(
	struct client *client, unsigned session); /* BYE, CANCEL or a refusal, as it stands */

struct client_send {
	const char *to; /* CPIM To; NULL: the room, or the peer */
	const char *content_type;
	bool report; /* asks Success-Report with Include-Sent-Count */
};
/* -EPROTO: not established; -ENOENT: no such session or file. */
must_check int client_send_text(
	struct client *client, unsigned session, const struct client_send *how, struct span text);
must_check int client_send_file(
	struct client *client, unsigned session, const struct client_send *how, const char *path);
must_check int client_send_random(
	struct client *client, unsigned session, const struct client_send *how, uint64_t octets);
must_check int client_send_composing(struct client *client, unsigned session, bool active);

enum client_state {
	CLIENT_STATE_NONE,
	CLIENT_STATE_INVITED,
	CLIENT_STATE_INVITING,
	CLIENT_STATE_ESTABLISHED,
	CLIENT_STATE_BOUND,
	CLIENT_STATE_LEAVING
};
struct client_session_view {
	unsigned number;
	enum client_state state;
	const char *peer, *room;
	bool focus;
	unsigned unsettled; /* messages of ours without outcome */
};
/* The n-th session, newest first; false beyond the last. */
bool client_session_view(const struct client *client, unsigned n, struct client_session_view *out);
#endif
