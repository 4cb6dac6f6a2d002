/* SPDX-License-Identifier: BSD-3-Clause */
/* The messages of RFC 4475, to the octet (torture/, named as in the RFC), over UDP and over TCP:
 * what each is answered, and that the focus serves on after each.
 *
 * Responses to UDP go to the port that the Via names, 5060 mostly, so the sender has a loopback
 * address of its own. Transports that differ from that of the Via are answered all the same: the
 * messages are not adapted.
 *
 * Most Request-URIs name nobody here: what the RFC calls valid and is an INVITE gets 404, which
 * says that it was read to its end. 0: silence. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

static const struct torture {
	const char *name;
	unsigned udp, tcp;
	const char *why; /* where the RFC suggests something else, or nothing at all */
} table[] = {
	/* 3.1.1 valid messages */
	{ "wsinv", 481, 481, "valid, but To has the tag of a dialog that we do not know" },
	{ "intmeth", 0, 0,
		"the stack's parser ends a line at the octet zero, and has fewer characters in a method; "
		"silence harms nobody, as no client sends such a method" },
	{ "esc01", 404, 404, NULL },
	{ "escnull", 200, 200, NULL },
	{ "esc02", 405, 405, "RE%47IST%45R is not REGISTER: a method that is not known" },
	{ "lwsdisp", 200, 200, NULL },
	{ "longreq", 404, 404, NULL },
	{ "dblreq", 200, 200,
		"over UDP one request, over TCP two: the second one is tested apart" },
	{ "semiuri", 200, 200, NULL },
	{ "transports", 200, 200, NULL },
	{ "mpart01", 405, 405, "MESSAGE is not served; the body does not matter" },
	{ "unreason", 0, 0, "a response to nobody (RFC 3261 18.1.2)" },
	{ "noreason", 0, 0, "a response to nobody" },
	/* 3.1.2 invalid messages */
	{ "badinv01", 0, 0,
		"400 in the RFC; but the Via cannot be read, so there is nothing to answer by; over TCP "
		"the connection is closed" },
	{ "clerr", 400, 0, "over TCP the rest of the body may still come" },
	{ "ncl", 400, 400, NULL },
	{ "scalar02", 400, 400, NULL },
	{ "scalarlg", 0, 0, "a response that cannot be read is dropped" },
	{ "quotbal", 400, 400, NULL },
	{ "ltgtruri", 400, 400, NULL },
	{ "lwsruri", 400, 400, NULL },
	{ "lwsstart", 404, 404, "400, or liberal: the blanks can be read over" },
	{ "trws", 200, 200, "400, or liberal: the same" },
	{ "escruri", 404, 404, "400, or the escaped headers are ignored, as they are here" },
	{ "baddate", 404, 404, "400, or by one who does not need Date: it is not read" },
	{ "regbadct", 400, 400, NULL },
	{ "badaspec", 200, 200, "400, or liberal: the blanks in To can be read over" },
	{ "baddn", 400, 400, "400 or liberal" },
	{ "badvers", 505, 505, NULL },
	{ "mismatch01", 400, 400, NULL },
	{ "mismatch02", 400, 400, "501 or 400" },
	{ "bigcode", 0, 0, "a response that cannot be read is dropped" },
	/* 3.2 transaction layer */
	{ "badbranch", 200, 200, "taken as from before RFC 3261" },
	/* 3.3 application layer */
	{ "insuf", 400, 400, NULL },
	{ "unkscm", 416, 416, NULL },
	{ "novelsc", 416, 416, NULL },
	{ "unksm2", 404, 404, "To is nobody of our domain" },
	{ "bext01", 420, 420, NULL },
	{ "invut", 404, 404,
		"415 in the RFC; the Request-URI is looked at first (RFC 3261 8.2.2.1), and is nobody's" },
	{ "regaut01", 200, 200, "401 where there is a challenge; the registrar of a lab has none" },
	{ "multi01", 400, 400, NULL },
	{ "mcl01", 400, 400, NULL },
	{ "bcast", 0, 0, "a response whose Via is not ours is dropped" },
	{ "zeromf", 200, 200, "OPTIONS has arrived where it was sent to (RFC 3261 11.2)" },
	{ "cparam01", 200, 200, NULL },
	{ "cparam02", 200, 200, NULL },
	{ "regescrt", 200, 200, "kept as it is; what is routed by it leaves the headers out" },
	{ "sdp01", 406, 406, NULL },
	/* 3.4 backward compatibility */
	{ "inv2543", 400, 400,
		"an INVITE without Contact gives no dialog; TCP wants Content-Length" },
};
#define COUNT (sizeof(table) / sizeof(table[0]))

static char *file_of(const char *name, size_t *len)
{
	const char *directory = getenv("PLENUM_TORTURE");
	char path[512], *octets;
	FILE *file;

	cr_assert_not_null(directory, "PLENUM_TORTURE names no directory");
	snprintf(path, sizeof(path), "%s/%s.dat", directory, name);
	file = fopen(path, "r");
	cr_assert_not_null(file, "%s", path);
	octets = calloc(1, 65536);
	*len = fread(octets, 1, 65535, file);
	cr_assert_gt(*len, 0);
	fclose(file);
	return octets;
}

/* The Call-ID as it is in the message, by which the response is known. */
static void call_id_of(const char *octets, size_t len, char *out, size_t size)
{
	static const char *const starts[] = { "\r\nCall-ID:", "\r\ni:", "\r\nI:" };

	const char *first = NULL;

	for (unsigned i = 0; i < 3; i++) {
		const char *at = memmem(octets, len, starts[i], strlen(starts[i]));

		if (at != NULL && (first == NULL || at < first))
			first = at;
	}
	if (first != NULL) {
		first = strchr(first, ':') + 1;
		first += strspn(first, " ");
		snprintf(out, size, "%.*s", (int)strcspn(first, "\r"), first);
		return;
	}
	snprintf(out, size, "insuf has none");
}

/* ---- what came back ---- */

static char heard[262144];
static size_t heard_len;

/* The final response to this Call-ID; 0: none. Without one in it (insuf): to its branch. */
static unsigned status_for(const char *call_id)
{
	for (char *at = heard; at != NULL; at = strstr(at + 1, "SIP/2.0 ")) {
		char *end = strstr(at, "\r\n\r\n"), *id;
		unsigned status;

		if (sscanf(at, "SIP/2.0 %u", &status) != 1 || status < 200 || end == NULL)
			continue;
		id = memmem(at, (size_t)(end - at), call_id, strlen(call_id));
		if (id == NULL)
			id = memmem(at, (size_t)(end - at), "z9hG4bKkdj.insuf", 16);
		if (id != NULL &&
			(strstr(call_id, "insuf") != NULL ||
				memmem(at, (size_t)(end - at), call_id, strlen(call_id)) != NULL))
			return status;
	}
	return 0;
}

static void hear(const int *fds, unsigned count, int wait_ms)
{
	struct pollfd set[3];

	for (unsigned i = 0; i < count; i++)
		set[i] = (struct pollfd){ fds[i], POLLIN, 0 };
	if (poll(set, count, wait_ms) <= 0)
		return;
	for (unsigned i = 0; i < count; i++) {
		ssize_t n;

		if (set[i].revents == 0)
			continue;
		if (heard_len > sizeof(heard) - 70000)
			heard_len = 0;
		n = recv(fds[i], heard + heard_len, 65536, MSG_DONTWAIT);
		if (n > 0)
			heard_len += (size_t)n;
		heard[heard_len] = '\0';
		if (n <= 0)
			rig_pause(5); /* closed: the caller's time runs out */
	}
}

/* What the message is answered. Requests are taken in their order, so when an OPTIONS that was sent
 * afterwards is answered, what is silent stays so. */
static unsigned outcome(const int *fds, unsigned count, const char *call_id, unsigned expected)
{
	cr_assert(sip_focus_lives(&alice), "no answer to OPTIONS");
	for (unsigned tries = 0; tries < (expected ? 300 : 5); tries++) {
		if (status_for(call_id) != 0)
			break;
		hear(fds, count, 20);
	}
	return status_for(call_id);
}

static void begin(const char *host, bool tcp)
{
	static char trusted[100];
	const struct rig_options options = { .trusted = trusted };

	snprintf(trusted, sizeof(trusted), "\"127.0.0.0/8\"");
	sip_rig_start(&rig, &options);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, tcp);
}

static struct sockaddr_in address_of(const char *host, unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, host, &at.sin_addr);
	return at;
}

/* Ports that the Vias name, on a loopback address that nobody else uses. */
static void open_ports(int fds[3], char *host, size_t size)
{
	static const unsigned ports[] = { 5060, 5050, 5070 };

	for (unsigned tries = 0; tries < 100; tries++) {
		unsigned char octets[3];
		unsigned ok = 0;

		cr_assert_eq(getrandom(octets, 3, 0), 3);
		snprintf(host, size, "127.%u.%u.%u", 64 + octets[0] % 64, octets[1],
			1 + octets[2] % 250);
		for (; ok < 3; ok++) {
			struct sockaddr_in at = address_of(host, ports[ok]);

			fds[ok] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			if (bind(fds[ok], (struct sockaddr *)&at, sizeof(at)) < 0) {
				close(fds[ok]);
				break;
			}
		}
		if (ok == 3)
			return;
		while (ok > 0)
			close(fds[--ok]);
	}
	cr_assert(false, "no free address");
}

Test(torture, every_message_of_the_rfc_is_there)
{
	cr_assert_eq(COUNT, 49u);
}

Test(torture, over_udp, .timeout = 100)
{
	struct sockaddr_in to;
	char host[40], call_id[300];
	int fds[3];

	open_ports(fds, host, sizeof(host));
	begin(host, false);
	to = address_of("127.0.0.1", rig.sip_port);
	for (unsigned i = 0; i < COUNT; i++) {
		size_t len;
		char *octets = file_of(table[i].name, &len);
		unsigned status;

		call_id_of(octets, len, call_id, sizeof(call_id));
		heard_len = 0;
		heard[0] = '\0';
		cr_assert_eq(sendto(fds[0], octets, len, 0, (struct sockaddr *)&to, sizeof(to)),
			(ssize_t)len);
		status = outcome(fds, 3, call_id, table[i].udp);
		cr_expect_eq(status, table[i].udp, "%s: %u instead of %u", table[i].name, status,
			table[i].udp);
		if (strcmp(table[i].name, "dblreq") == 0)
			cr_expect_eq(status_for("dblreq.0ha0isnda977644900765"), 0u,
				"what follows the request in its datagram was read");
		free(octets);
	}
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

Test(torture, over_tcp, .timeout = 100)
{
	char call_id[300];

	begin("127.0.0.1", true);
	for (unsigned i = 0; i < COUNT; i++) {
		struct sockaddr_in to = address_of("127.0.0.1", rig.sip_port);
		size_t len;
		char *octets = file_of(table[i].name, &len);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		unsigned status;

		cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
		call_id_of(octets, len, call_id, sizeof(call_id));
		heard_len = 0;
		heard[0] = '\0';
		cr_assert_eq(send(fd, octets, len, MSG_NOSIGNAL), (ssize_t)len);
		status = outcome(&fd, 1, call_id, table[i].tcp);
		cr_expect_eq(status, table[i].tcp, "%s: %u instead of %u", table[i].name, status,
			table[i].tcp);
		if (strcmp(table[i].name, "dblreq") == 0) {
			status = outcome(&fd, 1, "dblreq.0ha0isnda977644900765", 400);
			cr_expect_eq(status, 400u, "the second request: %u", status);
		}
		close(fd);
		free(octets);
	}
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}

/* No response of the stack's own goes anywhere but to the source, and no name is looked up for it:
 * the focus would stand still meanwhile. The names here do not exist, or belong to others. */
Test(torture, a_via_names_nobody_else)
{
	static const char *const vias[] = {
		"SIP/2.0/UDP nobody.invalid;rport;branch=z9hG4bKv1",
		"SIP/2.0/UDP nobody.invalid;rport;maddr=else.invalid;branch=z9hG4bKv2",
		"SIP/2.0/UDP nobody.invalid;rport;received=else.invalid;branch=z9hG4bKv3",
		"SIP/2.0/TCP nobody.invalid;rport;branch=z9hG4bKv4",
		"SIP/2.0/UDP %s:%u;maddr=127.0.0.3;branch=z9hG4bKv5",
		"SIP/2.0/UDP %s:%u;received=127.0.0.3;branch=z9hG4bKv6",
	};
	static const struct {
		const char *version, *from;
		unsigned status;
	} kinds[] = {
		{ "SIP/2.0", "<sip:alice@example.com>;tag=1", 200 },
		{ "SIP/7.0", "<sip:alice@example.com>;tag=1", 505 },
		{ "SIP/2.0", "\"open <sip:alice@example.com>;tag=1", 400 },
	};
	char via[200], text[1024], id[40];

	sip_rig_start(&rig, NULL);
	sip_peer_open(&alice, &rig, "alice", SIP_TRUSTED, false);
	for (unsigned i = 0; i < sizeof(vias) / sizeof(vias[0]); i++) {
		for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			if (strstr(vias[i], "%s") != NULL)
				snprintf(via, sizeof(via), vias[i], alice.host, alice.port);
			else
				snprintf(via, sizeof(via), "%s", vias[i]);
			snprintf(id, sizeof(id), "via-%u-%u", i, k);
			snprintf(text, sizeof(text),
				"OPTIONS sip:example.com %s\r\nVia: %s%u\r\nMax-Forwards: 70\r\n"
				"From: %s\r\nTo: <sip:example.com>\r\nCall-ID: %s\r\n"
				"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
				kinds[k].version, via, k, kinds[k].from, id);
			sip_write(&alice, text, strlen(text));
			cr_assert(sip_await_response(
					  &alice, "OPTIONS", id, kinds[k].status, RIG_WAIT_MS),
				"%s: no %u", via, kinds[k].status);
		}
	}
	sip_peer_close(&alice);
	sip_rig_stop(&rig);
}
