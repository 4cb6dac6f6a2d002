/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack's class of messages says how a body is found; that function is called when all headers
 * are read and nobody has looked at them yet, which is the place for what is done here. */
#include "control/sip/arrival.h"
#include <netdb.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/msg_mime_protos.h>

#define READ_AT_ONCE 65536

static issize_t (*body_of_stack)(msg_t *msg, msg_pub_t *pub, char octets[], isize_t len, int end);

/* Each of that name, also one without a value; the stack's own call drops the first that has
 * one. */
static void parameters_drop(sip_via_t *via, const char *name)
{
	msg_param_t *kept = (msg_param_t *)via->v_params;
	size_t len = strlen(name);

	if (kept == NULL)
		return;
	for (msg_param_t *at = kept; *at != NULL; at++)
		if (strncasecmp(*at, name, len) != 0 || ((*at)[len] != '\0' && (*at)[len] != '='))
			*kept++ = *at;
	*kept = NULL;
	msg_fragment_clear(via->v_common);
}

void arrival_put_right(msg_t *msg, sip_t *sip)
{
	su_addrinfo_t *from = msg_addrinfo(msg);
	bool stream = from->ai_socktype == SOCK_STREAM;
	sip_via_t *via = sip->sip_via;
	char host[NI_MAXHOST], port[8];

	if (via == NULL)
		return;

	/* RFC 3261 18.2.2 would send the response to maddr; nobody but an attacker asks for that of
	 * a conference server. A received that came with the request is not the sender's to say. */
	parameters_drop(via, "maddr");
	parameters_drop(via, "received");
	via->v_maddr = via->v_received = NULL;
	/* The transport is the one it came by, whatever the Via says: otherwise the stack would
	 * stay silent, or open a connection of its own. */
	if (strcmp(sip_via_transport(via), stream ? "TCP" : "UDP") != 0) {
		via->v_protocol = stream ? sip_transport_tcp : sip_transport_udp;
		msg_fragment_clear(via->v_common);
	}
	if (getnameinfo(&msg_addr(msg)->su_sa, from->ai_addrlen, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	/* RFC 3261 18.2.1, before the stack does it, which is too late for the answers it gives
	 * itself. */
	if (via->v_host == NULL || strcasecmp(host, via->v_host) != 0)
		msg_header_add_param(msg_home(msg), via->v_common,
			su_sprintf(msg_home(msg), "received=%s", host));
	if (via->v_rport != NULL) /* RFC 3581 4 */
		msg_header_replace_param(
			msg_home(msg), via->v_common, su_sprintf(msg_home(msg), "rport=%s", port));
}

static issize_t body_begins(msg_t *msg, msg_pub_t *pub, char octets[], isize_t len, int end)
{
	sip_t *sip = (sip_t *)pub;

	if (!(sip->sip_flags & MSG_FLG_BODY) && sip->sip_request != NULL)
		arrival_put_right(msg, sip);
	return body_of_stack(msg, pub, octets, len, end);
}

/* A request line that cannot be read: its place is taken by one that ua refuses with 400, so that
 * the sender hears of it (RFC 3261 8.2, RFC 4475 3.1.2.8); the stack would drop it in silence. */
static issize_t request_line_read(su_home_t *home, msg_header_t *h, char *text, isize_t len)
{
	issize_t r = sip_request_d(home, h, text, len);
	char *instead;

	if (r >= 0)
		return r;
	instead = su_strdup(home, ARRIVAL_UNREADABLE " sip:unreadable.invalid SIP/2.0");
	return instead ? sip_request_d(home, h, instead, (isize_t)strlen(instead)) : r;
}

/* The stack's own resolver, which it asks in the middle of sending a response, and which blocks:
 * this definition takes the library's place for the whole process. Names of what we send requests
 * to are looked up elsewhere, without blocking; for responses and listeners only addresses are
 * allowed. */
int su_getaddrinfo(
	char const *node, char const *service, su_addrinfo_t const *hints, su_addrinfo_t **found)
{
	su_addrinfo_t numeric = hints ? *hints : (su_addrinfo_t){ 0 };

	numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
	return getaddrinfo(node, service, &numeric, found);
}

/* How many octets the stack takes from a socket at once; in the library's place as well. It would
 * take all there are, as one message to begin with, and give up the connection when that is more
 * than a message may have: so did a peer that sent its requests faster than we took them. It comes
 * back for the rest, after the other connections. A datagram has fewer. */
issize_t su_getmsgsize(su_socket_t s)
{
	int waiting;

	if (ioctl(s, FIONREAD, &waiting) < 0)
		return -1;
	return waiting < READ_AT_ONCE ? waiting : READ_AT_ONCE;
}

msg_mclass_t *arrival_class(void)
{
	static struct msg_hclass_s request_line;
	static msg_mclass_t *made;

	if (made != NULL)
		return made;
	made = sip_extend_mclass(NULL);
	if (made == NULL)
		return NULL;
	body_of_stack = made->mc_extract_body;
	made->mc_extract_body = body_begins;
	memcpy(&request_line, sip_request_class, sizeof(request_line));
	request_line.hc_parse = request_line_read;
	made->mc_request[0].hr_class = &request_line;
	return made;
}
