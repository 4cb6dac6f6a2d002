/* SPDX-License-Identifier: BSD-3-Clause */
/* cast: the daemons and the people of a test of the focus; for one .c each. Everything is static:
 * Criterion runs each test in a process of its own. */
#ifndef TESTS_SCENARIO_FOCUS_CAST_H
#define TESTS_SCENARIO_FOCUS_CAST_H
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/req.h"
#include "tests/support/sip_rig.h"

#define HAS(text, part)   cr_assert(strstr(text, part) != NULL, "no \"%s\" in \"%s\"", part, text)
#define LACKS(text, part) cr_assert(strstr(text, part) == NULL, "\"%s\" in \"%s\"", part, text)
#define ALONE             "  allow_empty_factory: true\n"

static struct sip_rig rig;
static struct sip_peer alice, bob, carol;
static struct sip_call call, bobs, carols; /* call: alice's */

__attribute__((unused)) static void open_all(const struct rig_options *options)
{
	sip_rig_start(&rig, options);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, false);
	sip_peer_open(&bob, &rig, "bob", SIP_TRUSTED, false);
	sip_peer_open(&carol, &rig, "carol", SIP_TRUSTED, false);
	call.peer = &alice;
}

__attribute__((unused)) static void close_all(void)
{
	call_free(&bobs);
	call_free(&carols);
	sip_peer_close(&alice);
	sip_peer_close(&bob);
	sip_peer_close(&carol);
	sip_rig_stop(&rig);
}

/* Takes an invitation: 200, ACK. */
__attribute__((unused)) static void accept_it(struct sip_call *who)
{
	call_accept(who, "", call_sdp(who, "active", ""));
	call_acked(who);
}

/* Alice asks the factory for a room of her own; the status. */
__attribute__((unused)) static unsigned alone(
	struct sip_call *who, struct sip_peer *peer, const char *headers)
{
	who->peer = peer;
	call_invite(
		who, peer, SIP_FACTORY, headers, "application/sdp", call_sdp(who, "actpass", ""));
	return call_final(who);
}

/* Alice's INVITE with this body; the status of the refusal. */
__attribute__((unused)) static unsigned asked(
	const char *uri, const char *headers, const char *type, const char *body)
{
	call_invite(&call, &alice, uri, headers, type, body);
	return call_final(&call);
}
/* REGISTER of this address with these lines of Contact; the status. */
__attribute__((unused)) static unsigned register_it(
	struct sip_peer *peer, const char *aor, const char *contacts)
{
	static unsigned sequence;
	char text[2048], id[40];

	sequence++;
	snprintf(id, sizeof(id), "register-%s", peer->name);
	snprintf(text, sizeof(text),
		"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=z9hG4bKreg%u%s\r\n"
		"Max-Forwards: 70\r\nFrom: <%s>;tag=r\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n"
		"%sContent-Length: 0\r\n\r\n",
		peer->host, peer->port, sequence, peer->name, aor, aor, id, sequence, contacts);
	sip_write(peer, text, strlen(text));
	if (!sip_await_response(peer, "REGISTER", id, 0, RIG_WAIT_MS))
		return 0;
	return peer->message.status;
}
#endif
