/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods: beyond the configured rates 503 with Retry-After, memory flat, others served. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/scenario/focus/cast.h"

#define FLOOD         4000u
#define BATCH         40u  /* requests under way: nothing is lost to a full socket */
#define GROWTH_MAX_KB 8192 /* a transaction costs 10 KB and more for 32 s: 4,000 would be 40 MB */

static const struct rig_options limited = {
	.trusted = "\"127.0.0.0/8\"",
	.sip = "  rate_per_source: 25\n",
	.conference = ALONE,
};

static long rss_kb(void)
{
	char path[64], line[200];
	long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", rig.focus.pid);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kb;
}

struct flood {
	int fd;
	char host[20];
	unsigned port;
	unsigned refused, other, unanswered, without_retry_after;
};

static void flood_open(struct flood *flood, const char *host)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(rig.sip_port) };
	socklen_t len = sizeof(at);

	*flood = (struct flood){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	snprintf(flood->host, sizeof(flood->host), "%s", host);
	inet_pton(AF_INET, host, &at.sin_addr);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(flood->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(getsockname(flood->fd, (struct sockaddr *)&at, &len), 0);
	flood->port = ntohs(at.sin_port);
	cr_assert_eq(connect(flood->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void flood_send(const struct flood *flood, const char *method, unsigned number)
{
	bool registers = strcmp(method, "REGISTER") == 0;
	char text[1500];
	int len = snprintf(text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n"
		"From: <sip:m@example.com>;tag=f\r\nTo: <%s>\r\nCall-ID: %s-%u\r\nCSeq: 1 %s\r\n"
		"Contact: <sip:m@%s:%u>\r\nP-Asserted-Identity: <sip:m@example.com>\r\n"
		"Event: conference\r\nRefer-To: <sip:bob@example.com>\r\nContent-Length: 0\r\n\r\n",
		method, registers ? "sip:example.com" : SIP_FACTORY, flood->host, flood->port,
		method, number, registers ? "sip:m@example.com" : SIP_FACTORY, method, number,
		method, flood->host, flood->port);

	cr_assert_eq(send(flood->fd, text, (size_t)len, 0), len);
}

/* Final responses, until there are as many or nothing comes for a while. */
static void flood_hear(struct flood *flood, unsigned expected)
{
	struct pollfd fd = { flood->fd, POLLIN, 0 };
	char text[4096];

	while (expected > 0) {
		ssize_t n = poll(&fd, 1, 1000) > 0 ? recv(flood->fd, text, sizeof(text) - 1, 0) : 0;
		unsigned status = 0;

		if (n <= 0) {
			flood->unanswered += expected;
			return;
		}
		text[n] = '\0';
		if (sscanf(text, "SIP/2.0 %u", &status) != 1 || status < 200)
			continue;
		expected--;
		if (status != 503) {
			flood->other++;
			continue;
		}
		flood->refused++;
		if (strstr(text, "\r\nRetry-After: ") == NULL)
			flood->without_retry_after++;
	}
}

static void flood_with(struct flood *flood, const char *method, unsigned count)
{
	flood->refused = flood->other = flood->unanswered = flood->without_retry_after = 0;
	for (unsigned i = 0; i < count; i += BATCH) {
		for (unsigned k = 0; k < BATCH; k++)
			flood_send(flood, method, i + k);
		flood_hear(flood, BATCH);
	}
}

static void a_flood_of(const char *method)
{
	struct flood flood;
	long before, after;

	open_all(&limited);
	flood_open(&flood, "127.0.0.2");
	flood_with(&flood, method, BATCH); /* what the first ones cost is there once */
	before = rss_kb();
	flood_with(&flood, method, FLOOD);
	after = rss_kb();
	cr_assert_lt(flood.unanswered, FLOOD / 20, "%u without an answer", flood.unanswered);
	cr_assert_gt(flood.refused, FLOOD / 2, "%u of %u refused", flood.refused, FLOOD);
	cr_assert_eq(flood.without_retry_after, 0u);
	/* Others are served: a conference from another source, in the middle of it. */
	flood_send(&flood, method, FLOOD + 1);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	call_bye(&call);
#if !defined(__SANITIZE_ADDRESS__) /* its quarantine keeps what was freed */
	cr_assert_lt(after - before, GROWTH_MAX_KB, "from %ld to %ld KB", before, after);
#else
	(void)before;
	(void)after;
#endif
	cr_assert(rig_log_has(&rig.focus, "more new requests than the configured rates", 15000));
	close(flood.fd);
	close_all();
}

Test(floods, of_invite, .timeout = 60)
{
	a_flood_of("INVITE");
}

Test(floods, of_subscribe, .timeout = 60)
{
	a_flood_of("SUBSCRIBE");
}

Test(floods, of_register, .timeout = 60)
{
	a_flood_of("REGISTER");
}

Test(floods, of_refer, .timeout = 60)
{
	a_flood_of("REFER");
}

/* What makes nothing of ours has no rate, as it has no cost. */
Test(floods, of_options_are_answered_and_forgotten, .timeout = 60)
{
	struct flood flood;
	long before;

	open_all(&limited);
	flood_open(&flood, "127.0.0.2");
	flood_with(&flood, "OPTIONS", BATCH);
	before = rss_kb();
	flood_with(&flood, "OPTIONS", FLOOD);
	cr_assert_eq(flood.refused, 0u);
	cr_assert_gt(flood.other, FLOOD / 2);
#if !defined(__SANITIZE_ADDRESS__)
	cr_assert_lt(rss_kb() - before, GROWTH_MAX_KB);
#else
	(void)before;
#endif
	close(flood.fd);
	close_all();
}

Test(floods, the_overall_rate_holds_for_all_and_comes_back)
{
	const struct rig_options options = {
		.trusted = "\"127.0.0.0/8\"",
		.sip = "  rate_register: 10\n",
	};
	struct flood one, other;

	open_all(&options);
	flood_open(&one, "127.0.0.2");
	flood_open(&other, "127.0.0.3");
	flood_with(&one, "REGISTER", 2 * BATCH);
	cr_assert_geq(one.refused, BATCH, "%u refused", one.refused);
	cr_assert_geq(one.other, 10u);
	flood_with(&other, "REGISTER", BATCH);
	cr_assert_geq(other.refused, BATCH / 2, "%u refused", other.refused);
	rig_pause(1100);
	flood_send(&one, "REGISTER", 100000);
	one.other = 0;
	flood_hear(&one, 1);
	cr_assert_eq(one.other, 1u, "a second later it is taken again");
	close(one.fd);
	close(other.fd);
	close_all();
}

/* REFERs within a dialog too: each sets something going. */
Test(floods, of_refer_within_a_dialog)
{
	const struct rig_options options = { .sip = "  rate_refer: 5\n", .conference = ALONE };
	unsigned refused = 0, taken = 0;

	open_all(&options);
	cr_assert_eq(alone(&call, &alice, ""), 200);
	call_ack(&call);
	for (unsigned i = 0; i < 40; i++) {
		call_request(&call, "REFER", "Refer-To: <mailto:x@y>\r\n", NULL, NULL);
		if (call_answer_to(&call, "REFER") == 503) {
			refused++;
			HAS(sip_header(&alice.message, "Retry-After"), "1");
		} else {
			taken++;
		}
	}
	cr_assert_geq(taken, 5u);
	cr_assert_geq(refused, 10u, "%u refused", refused);
	call_bye(&call);
	close_all();
}

/* By default: 20 a second from a source that is not trusted, no limit from one that is. */
Test(floods, strangers_are_limited_without_configuration)
{
	struct flood stranger, friend;

	open_all(NULL);
	flood_open(&stranger, SIP_FOREIGN);
	flood_open(&friend, SIP_TRUSTED);
	flood_with(&stranger, "INVITE", 10 * BATCH);
	cr_assert_geq(stranger.other, 20u);
	cr_assert_gt(stranger.refused, 5 * BATCH, "%u refused", stranger.refused);
	flood_with(&friend, "INVITE", 10 * BATCH);
	cr_assert_eq(friend.refused, 0u, "%u refused", friend.refused);
	close(stranger.fd);
	close(friend.fd);
	close_all();
}
