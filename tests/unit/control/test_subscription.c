/* SPDX-License-Identifier: BSD-3-Clause */
/* subscription: a ua of its own on a free port, and a subscriber of plain text over UDP. */
#include "control/sip/subscription.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control/sip/dialog.h"
#include "control/store/pack.h"
#include "include/config.h"

#define WAIT_MS     10000
#define HAS(part)   cr_assert(strstr(got, part) != NULL, "no \"%s\" in:\n%s", part, got)
#define LACKS(part) cr_assert(strstr(got, part) == NULL, "\"%s\" in:\n%s", part, got)

static struct config config;
static struct deadlines deadlines;
static struct ua *ua;
static uint16_t port, own_port;
static int fd;
static char got[65536];      /* what the subscriber received last */
static char queue[16][4096]; /* received and not taken yet */
static unsigned queued;
static char to_tag[100];
static unsigned cseq = 1;
static const char *call_id = "c1";

/* What the notifier saw. */
static struct subscription *subscribed[8];
static unsigned count, refreshed, notified, ended;
static enum subscription_end how;
static int result;
static uint32_t granted = 3600;
static struct dialog *dialog;
static unsigned dialog_ends, requests_in_dialog;

static void on_refreshed(void *arg)
{
	refreshed++;
}

static void on_notified(void *arg)
{
	notified++;
}

static void on_ended(void *arg, enum subscription_end end)
{
	ended++;
	how = end;
}

static const struct subscription_ops ops = { on_refreshed, on_notified, on_ended };

static void asked(void *arg, struct ua_transaction *t, const struct request *request)
{
	struct subscription_terms terms = {
		.status = request->method == REQUEST_REFER ? 202 : 200,
		.event = request->method == REQUEST_REFER ? "refer" : "conference",
		.contact = "sip:im-1@127.0.0.1",
		.expires = granted,
		.contact_is_focus = true,
	};

	requests_in_dialog += request->in_dialog;
	result = subscription_accept(t, &subscribed[count], request, &terms, &ops, NULL);
	count += result == 0;
}

static void say(struct subscription *s, const char *body)
{
	cr_assert_eq(subscription_notify(s, "text/plain", span_of(body)), 0);
}

static void dialog_ended(void *arg, enum dialog_end end)
{
	dialog_ends++;
}

static void dialog_acknowledged(void *arg, struct span body)
{
}

static const struct dialog_ops dialog_ops = {
	.acknowledged = dialog_acknowledged,
	.request = asked,
	.ended = dialog_ended,
};

static void invited(void *arg, struct dialog *made, const struct request *request)
{
	struct dialog_message message = { .contact = "sip:im-1@127.0.0.1" };

	dialog = made;
	dialog_bind(dialog, &dialog_ops, NULL);
	cr_assert_eq(dialog_answer(dialog, &message), 0);
}

static uint16_t bound(int sock)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(at);

	cr_assert_eq(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(getsockname(sock, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static void start_with(const char *more)
{
	static const struct ua_ops ua_ops = { .invite = invited, .request = asked };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	char yaml[256], *errors = NULL;
	size_t len;
	FILE *out;
	int probe = socket(AF_INET, SOCK_DGRAM, 0);

	port = bound(probe);
	close(probe);
	snprintf(yaml, sizeof(yaml), "sip:\n  listen: [\"udp:127.0.0.1:%u\"]\n%s", port, more);
	out = open_memstream(&errors, &len);
	cr_assert_eq(config_load_text(&config, "test", yaml, strlen(yaml), out), 0, "%s", errors);
	fclose(out);
	free(errors);
	cr_assert_eq(ua_new(&ua, &config, &deadlines, NULL, 100, &ua_ops, NULL), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	own_port = bound(fd);
	at.sin_port = htons(port);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void start(void)
{
	start_with("");
}

static void stop(void)
{
	for (unsigned i = 0; i < count; i++)
		subscription_free(subscribed[i]);
	dialog_free(dialog);
	ua_free(ua);
	deadlines_fini(&deadlines);
	config_free(&config);
	close(fd);
}

static void turn(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ua_step(ua, deadlines_wait_ms(&deadlines, ua_now_ms(), 5));
	deadlines_run(&deadlines, ua_now_ms());
	while (queued < 16 && poll(&p, 1, 0) == 1) {
		ssize_t n = recv(fd, queue[queued], sizeof(queue[0]) - 1, 0);

		cr_assert_gt(n, 0);
		queue[queued][n] = '\0';
		for (unsigned i = 0; i < queued; i++)
			if (strcmp(queue[i], queue[queued]) == 0) /* a repetition */
				n = 0;
		queued += n > 0;
	}
}

/* The next message that begins so goes to got. */
static bool await(const char *first, int ms)
{
	uint64_t end = ua_now_ms() + (uint64_t)ms;

	do {
		turn();
		for (unsigned i = 0; i < queued; i++) {
			if (strncmp(queue[i], first, strlen(first)) != 0)
				continue;
			strcpy(got, queue[i]);
			queued--;
			memmove(queue[i], queue[i + 1], (queued - i) * sizeof(queue[0]));
			return true;
		}
	} while (ua_now_ms() < end);
	return false;
}

static void until(const unsigned *what, unsigned value)
{
	uint64_t end = ua_now_ms() + WAIT_MS;

	while (*what != value && ua_now_ms() < end)
		turn();
	cr_assert_eq(*what, value);
}

static void ask(const char *method, const char *headers)
{
	char text[4096];
	int len = snprintf(text, sizeof(text),
		"%s sip:im-1@127.0.0.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%s%u\r\n"
		"From: <sip:alice@example.com>;tag=a\r\nTo: <sip:room@example.com>%s%s\r\n"
		"Call-ID: %s\r\nCSeq: %u %s\r\nMax-Forwards: 70\r\n%s%s\r\n",
		method, own_port, call_id, cseq, to_tag[0] ? ";tag=" : "", to_tag, call_id, cseq,
		method, headers, strstr(headers, "Content-Length") ? "" : "Content-Length: 0\r\n");

	cseq++;
	cr_assert_eq(send(fd, text, (size_t)len, 0), len);
}

static void header_of(const char *name, char *out, size_t size)
{
	const char *at = strstr(got, name);

	cr_assert_not_null(at, "no %s in %s", name, got);
	at += strlen(name);
	snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
}

static void learn(void)
{
	char to[200], *tag;

	header_of("\r\nTo: ", to, sizeof(to));
	tag = strstr(to, "tag=");
	cr_assert_not_null(tag);
	snprintf(to_tag, sizeof(to_tag), "%s", tag + 4);
}

static const char *contact(void)
{
	static char line[80];

	snprintf(line, sizeof(line), "Contact: <sip:alice@127.0.0.1:%u>\r\n", own_port);
	return line;
}

static void subscribe(const char *headers)
{
	char all[1024];

	snprintf(all, sizeof(all), "%sEvent: conference\r\n%s", contact(), headers);
	ask("SUBSCRIBE", all);
}

/* The first SUBSCRIBE, and its 200. */
static void subscribe_first(const char *headers)
{
	subscribe(headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS), "%s", queue[0]);
	learn();
	cr_assert_eq(result, 0);
}

/* Answers the NOTIFY in got. */
static void reply(const char *status, const char *headers)
{
	static const char *const copied[] = {
		"\r\nVia: ", "\r\nFrom: ", "\r\nTo: ", "\r\nCall-ID: ", "\r\nCSeq: "
	};
	char text[4096], line[600];
	size_t len = (size_t)snprintf(text, sizeof(text), "SIP/2.0 %s", status);

	for (unsigned i = 0; i < 5; i++) {
		header_of(copied[i], line, sizeof(line));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", copied[i], line);
	}
	len += (size_t)snprintf(
		text + len, sizeof(text) - len, "\r\n%sContent-Length: 0\r\n\r\n", headers);
	cr_assert_eq(send(fd, text, len, 0), (ssize_t)len);
}

static unsigned cseq_of(void)
{
	char line[60];

	header_of("\r\nCSeq: ", line, sizeof(line));
	return (unsigned)strtoul(line, NULL, 10);
}

Test(subscription, subscribe_is_answered_and_notified, .init = start, .fini = stop)
{
	unsigned first;

	subscribe_first("Expires: 600\r\n");
	HAS("\r\nExpires: 600\r\n");
	HAS("\r\nContact: <sip:im-1@127.0.0.1>;isfocus;+g.oma.sip-im\r\n");
	HAS("\r\nAllow-Events: conference, refer\r\n");
	cr_assert_eq(subscriptions(ua), 1);
	say(subscribed[0], "one");
	cr_assert(await("NOTIFY sip:alice@127.0.0.1", WAIT_MS));
	HAS("\r\nEvent: conference\r\n");
	HAS("\r\nSubscription-State: active;expires=600\r\n");
	HAS("\r\nContent-Type: text/plain\r\n");
	HAS("\r\nFrom: <sip:room@example.com>;tag=");
	HAS("\r\nTo: <sip:alice@example.com>;tag=a\r\n");
	HAS("\r\n\r\none");
	first = cseq_of();
	/* RFC 6665 4.2.2: one at a time */
	cr_assert_not(subscription_may_notify(subscribed[0]));
	cr_assert_eq(subscription_notify(subscribed[0], NULL, span_of("")), -EALREADY);
	reply("200 OK", "");
	until(&notified, 1);
	cr_assert(subscription_may_notify(subscribed[0]));
	say(subscribed[0], "two");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\n\r\ntwo");
	cr_assert_eq(cseq_of(), first + 1);
	reply("200 OK", "");
	until(&notified, 2);
	cr_assert_eq(ended, 0);
}

Test(subscription, the_id_of_the_event_is_kept, .init = start, .fini = stop)
{
	char headers[200];

	snprintf(headers, sizeof(headers), "%sEvent: conference;id=x7\r\n", contact());
	ask("SUBSCRIBE", headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	learn();
	HAS("\r\nExpires: 3600\r\n");
	say(subscribed[0], "");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nEvent: conference;id=x7\r\n");
	reply("200 OK", "");
	/* Another id is another subscription in the same dialog. */
	subscribe("");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(count, 2);
	cr_assert_eq(refreshed, 0);
	cr_assert_eq(requests_in_dialog, 1);
	ask("SUBSCRIBE", headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(count, 2);
	cr_assert_eq(refreshed, 1);
}

Test(subscription, a_refresh_extends_it_and_asks_for_full_state, .init = start, .fini = stop)
{
	subscribe_first("Expires: 100\r\n");
	subscribe("Expires: 9999999\r\n");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	HAS("\r\nExpires: 3600\r\n"); /* no more than was granted at most */
	cr_assert_eq(refreshed, 1);
	cr_assert_eq(count, 1);
	say(subscribed[0], "full");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nSubscription-State: active;expires=3600\r\n");
	reply("200 OK", "");
}

Test(subscription, record_route_makes_the_route_set_and_a_refresh_moves_the_target, .init = start,
	.fini = stop)
{
	char headers[200];

	/* The subscriber is its own proxy; the target is somewhere else. */
	snprintf(headers, sizeof(headers),
		"Record-Route: <sip:127.0.0.1:%u;lr>\r\nContact: <sip:a@192.0.2.1>\r\n"
		"Event: conference\r\n",
		own_port);
	ask("SUBSCRIBE", headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	learn();
	say(subscribed[0], "x");
	cr_assert(await("NOTIFY sip:a@192.0.2.1 SIP/2.0", WAIT_MS));
	HAS("\r\nRoute: <sip:127.0.0.1:");
	reply("200 OK", "");
	snprintf(headers, sizeof(headers), "Contact: <sip:b@192.0.2.2>\r\nEvent: conference\r\n");
	until(&notified, 1);
	ask("SUBSCRIBE", headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	say(subscribed[0], "y");
	cr_assert(await("NOTIFY sip:b@192.0.2.2 SIP/2.0", WAIT_MS));
	HAS("\r\nRoute: <sip:127.0.0.1:");
	reply("200 OK", "");
}

Test(subscription, expires_0_is_the_end, .init = start, .fini = stop)
{
	subscribe_first("");
	subscribe("Expires: 0\r\n");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	HAS("\r\nExpires: 0\r\n");
	cr_assert_eq(ended, 1);
	cr_assert_eq(how, SUBSCRIPTION_UNSUBSCRIBED);
	cr_assert_eq(subscription_notify(subscribed[0], NULL, span_of("")), -EPROTO);
	subscription_terminate(subscribed[--count], "timeout", "text/plain", span_of("bye"));
	cr_assert_eq(subscriptions(ua), 0);
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nSubscription-State: terminated;reason=timeout\r\n");
	HAS("\r\n\r\nbye");
	reply("200 OK", "");
	subscribe("");
	cr_assert(await("SIP/2.0 481", WAIT_MS));
}

Test(subscription, a_fetch_is_notified_once, .init = start, .fini = stop)
{
	subscribe_first("Expires: 0\r\n");
	HAS("\r\nExpires: 0\r\n");
	say(subscribed[0], "now");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nSubscription-State: terminated;reason=timeout\r\n");
	HAS("\r\n\r\nnow");
	cr_assert_not(subscription_may_notify(subscribed[0]));
	reply("200 OK", "");
	until(&ended, 1);
	cr_assert_eq(notified, 0);
	subscription_terminate(subscribed[--count], "timeout", NULL, span_of(""));
	cr_assert_not(await("NOTIFY ", 300));
	cr_assert_eq(subscriptions(ua), 0);
}

Test(subscription, less_than_the_minimum_gets_423, .init = start, .fini = stop)
{
	subscribe("Expires: 59\r\n");
	cr_assert(await("SIP/2.0 423", WAIT_MS));
	HAS("\r\nMin-Expires: 60\r\n");
	cr_assert_eq(result, -EPROTO);
	cr_assert_eq(subscriptions(ua), 0);
	subscribe_first("Expires: 60\r\n");
	subscribe("Expires: 1\r\n");
	cr_assert(await("SIP/2.0 423", WAIT_MS));
	cr_assert_eq(refreshed, 0);
	cr_assert_eq(ended, 0);
}

static void start_short(void)
{
	start_with("  subscription_min_s: 0.5\n");
}

Test(subscription, it_ends_when_its_time_is_over, .init = start_short, .fini = stop)
{
	subscribe_first("Expires: 1\r\n");
	until(&ended, 1);
	cr_assert_eq(how, SUBSCRIPTION_EXPIRED);
	subscription_terminate(subscribed[--count], "timeout", NULL, span_of(""));
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nSubscription-State: terminated;reason=timeout\r\n");
	LACKS("Content-Type");
	reply("200 OK", "");
}

Test(subscription, a_failed_notify_ends_it, .init = start, .fini = stop)
{
	subscribe_first("");
	say(subscribed[0], "x");
	cr_assert(await("NOTIFY ", WAIT_MS));
	reply("481 Gone", "Retry-After: 1\r\n"); /* of no use with a 481 */
	until(&ended, 1);
	cr_assert_eq(how, SUBSCRIPTION_FAILED);
	cr_assert_eq(subscription_notify(subscribed[0], NULL, span_of("")), -EPROTO);
	subscription_free(subscribed[--count]);
	cr_assert_not(await("NOTIFY ", 300));
	cr_assert_eq(subscriptions(ua), 0);
}

Test(subscription, retry_after_is_heeded_once, .init = start, .fini = stop)
{
	unsigned first;

	subscribe_first("");
	say(subscribed[0], "later");
	cr_assert(await("NOTIFY ", WAIT_MS));
	first = cseq_of();
	reply("503 Busy", "Retry-After: 1\r\n");
	cr_assert(await("NOTIFY ", WAIT_MS));
	cr_assert_eq(cseq_of(), first + 1);
	HAS("\r\n\r\nlater");
	cr_assert_eq(ended, 0);
	cr_assert_eq(notified, 0);
	reply("503 Busy", "Retry-After: 1\r\n");
	until(&ended, 1);
	cr_assert_eq(how, SUBSCRIPTION_FAILED);
}

Test(subscription, a_last_notify_follows_the_one_in_flight, .init = start, .fini = stop)
{
	unsigned first;

	subscribe_first("");
	say(subscribed[0], "x");
	cr_assert(await("NOTIFY ", WAIT_MS));
	first = cseq_of();
	subscription_terminate(subscribed[--count], "noresource", "text/plain", span_of("end"));
	strcpy(queue[15], got);
	cr_assert_not(await("NOTIFY ", 200));
	strcpy(got, queue[15]);
	reply("200 OK", "");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nSubscription-State: terminated;reason=noresource\r\n");
	HAS("\r\n\r\nend");
	cr_assert_eq(cseq_of(), first + 1);
	reply("200 OK", "");
	cr_assert_eq(subscriptions(ua), 0);
	cr_assert_eq(notified + ended, 0);
}

Test(subscription, nothing_follows_a_notify_that_failed, .init = start, .fini = stop)
{
	subscribe_first("");
	say(subscribed[0], "x");
	cr_assert(await("NOTIFY ", WAIT_MS));
	subscription_terminate(subscribed[--count], "noresource", NULL, span_of(""));
	reply("481 Gone", "");
	cr_assert_not(await("NOTIFY ", 300));
	cr_assert_eq(subscriptions(ua), 0);
}

/* The focus is killed and starts again: a new ua on the same port, an empty memory. */
static struct span stored(const struct subscription *s, struct pack **pack)
{
	cr_assert_eq(pack_new(pack), 0);
	subscription_pack(s, *pack);
	return pack_record(*pack);
}

static void next_life(void)
{
	static const struct ua_ops ua_ops = { .invite = invited, .request = asked };

	for (unsigned i = 0; i < count; i++)
		subscription_free(subscribed[i]);
	count = 0;
	ua_free(ua);
	cr_assert_eq(ua_new(&ua, &config, &deadlines, NULL, 100, &ua_ops, NULL), 0);
}

static void restore(struct span record, uint32_t lives)
{
	struct unpacked *fields;

	cr_assert_eq(unpack(&fields, record), 0);
	cr_assert_eq(subscription_restore(ua, &subscribed[count++], fields, lives, &ops, NULL), 0);
	unpack_free(fields);
}

Test(subscription, it_goes_on_in_a_later_life, .init = start, .fini = stop)
{
	char headers[300];
	struct pack *one, *two;
	struct span record, other;
	unsigned first;

	snprintf(headers, sizeof(headers),
		"Record-Route: <sip:127.0.0.1:%u;lr>, <sip:192.0.2.9;lr>\r\n"
		"Contact: <sip:a@192.0.2.1>\r\nEvent: conference;id=7\r\n",
		own_port);
	ask("SUBSCRIBE", headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	learn();
	subscribe(""); /* without an id, in the same dialog: another one */
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(count, 2);
	say(subscribed[0], "x");
	cr_assert(await("NOTIFY ", WAIT_MS));
	first = cseq_of();
	reply("200 OK", "");
	until(&notified, 1);
	record = stored(subscribed[0], &one);
	other = stored(subscribed[1], &two);
	next_life();
	restore(record, 2);
	restore(other, 2);
	cr_assert_eq(subscriptions(ua), 2);
	say(subscribed[0], "again");
	cr_assert(await("NOTIFY sip:alice@127.0.0.1", WAIT_MS)); /* the last target */
	HAS("\r\nSubscription-State: active;expires=3");
	HAS("\r\nEvent: conference;id=7\r\n");
	HAS("\r\nContact: <sip:im-1@127.0.0.1>;isfocus");
	HAS("\r\nFrom: <sip:room@example.com>;tag=");
	HAS(to_tag);
	HAS("\r\nTo: <sip:alice@example.com>;tag=a\r\n");
	HAS("\r\nCall-ID: c1\r\n");
	HAS(";lr>");
	cr_assert_lt(strstr(got, "Route: <sip:127.0.0.1:"), strstr(got, "<sip:192.0.2.9;lr>"));
	cr_assert_eq(cseq_of(), first + (2u << 16) + 1);
	reply("200 OK", "");
	until(&notified, 2);
	/* One leg for both: the CSeq of our requests is one sequence. */
	say(subscribed[1], "other");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nEvent: conference\r\n");
	cr_assert_eq(cseq_of(), first + (2u << 16) + 2);
	reply("200 OK", "");
	/* The subscriber's next request is in its dialog. */
	subscribe("Expires: 0\r\n");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(how, SUBSCRIPTION_UNSUBSCRIBED);
	cr_assert_eq(ended, 1);
	/* And one from before is refused as out of order (RFC 3261 12.2.2). */
	cseq = 1;
	subscribe("Expires: 0\r\n");
	cr_assert(await("SIP/2.0 500", WAIT_MS));
	pack_free(one);
	pack_free(two);
}

Test(subscription, one_that_expired_meanwhile_ends_at_once, .init = start_short, .fini = stop)
{
	struct pack *one;
	struct span record;

	subscribe_first("Expires: 1\r\n");
	record = stored(subscribed[0], &one);
	subscription_free(subscribed[--count]);
	poll(NULL, 0, 1100);
	next_life();
	restore(record, 1);
	until(&ended, 1);
	cr_assert_eq(how, SUBSCRIPTION_EXPIRED);
	pack_free(one);
}

Test(subscription, a_record_that_is_not_whole_is_refused, .init = start, .fini = stop)
{
	static const char *const names[] = { "event", "contact", "call_id", "local_uri",
		"local_tag", "remote_uri", "target" };
	struct subscription *s = NULL;
	struct unpacked *fields;
	struct pack *pack;

	for (unsigned left_out = 0; left_out < 7; left_out++) {
		cr_assert_eq(pack_new(&pack), 0);
		for (unsigned i = 0; i < 7; i++)
			if (i != left_out)
				pack_text(pack, names[i], SPAN_LITERAL("sip:x@192.0.2.1"));
		cr_assert_eq(unpack(&fields, pack_record(pack)), 0);
		cr_assert_eq(subscription_restore(ua, &s, fields, 1, &ops, NULL), -EBADMSG, "%s",
			names[left_out]);
		unpack_free(fields);
		pack_free(pack);
	}
	cr_assert_eq(pack_new(&pack), 0);
	for (unsigned i = 0; i < 7; i++)
		pack_text(pack, names[i], SPAN_LITERAL("sip:x@192.0.2.1\r\nX: y"));
	cr_assert_eq(unpack(&fields, pack_record(pack)), 0);
	cr_assert_eq(subscription_restore(ua, &s, fields, 1, &ops, NULL), -EBADMSG);
	unpack_free(fields);
	pack_free(pack);
	cr_assert_eq(subscriptions(ua), 0);
}

static void start_two(void)
{
	start_with("  max_subscriptions: 2\n");
}

Test(subscription, beyond_the_maximum_503, .init = start_two, .fini = stop)
{
	subscribe_first("");
	call_id = "c2";
	to_tag[0] = '\0';
	subscribe_first("");
	call_id = "c3";
	to_tag[0] = '\0';
	subscribe("");
	cr_assert(await("SIP/2.0 503", WAIT_MS));
	HAS("\r\nRetry-After: 10\r\n");
	cr_assert_eq(result, -ENOBUFS);
	subscription_free(subscribed[--count]);
	call_id = "c4";
	subscribe_first("");
}

Test(subscription, without_a_contact_or_with_a_senseless_id_400, .init = start, .fini = stop)
{
	ask("SUBSCRIBE", "Event: conference\r\n");
	cr_assert(await("SIP/2.0 400", WAIT_MS));
	cr_assert_eq(result, -EPROTO);
	ask("SUBSCRIBE", "Event: conference\r\nContact: *\r\n");
	cr_assert(await("SIP/2.0 400", WAIT_MS));
	cr_assert_eq(result, -EPROTO);
	cr_assert_eq(subscriptions(ua), 0);
	{
		char headers[500];

		snprintf(headers, sizeof(headers), "%sEvent: conference;id=%0300u\r\n", contact(),
			7);
		ask("SUBSCRIBE", headers);
		cr_assert(await("SIP/2.0 400", WAIT_MS));
		cr_assert_eq(result, -EPROTO);
	}
	cr_assert_eq(subscriptions(ua), 0);
}

static void call(void)
{
	char headers[400];

	snprintf(headers, sizeof(headers), "%s", contact());
	ask("INVITE", headers);
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	learn();
	cseq--;
	ask("ACK", "");
	turn();
}

Test(subscription, it_shares_the_dialog_of_an_invite, .init = start, .fini = stop)
{
	char headers[200];
	unsigned first;

	call();
	snprintf(headers, sizeof(headers), "%sRefer-To: <sip:x@example.com>\r\n", contact());
	ask("REFER", headers);
	cr_assert(await("SIP/2.0 202", WAIT_MS));
	LACKS("\r\nExpires:");
	subscribe("");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(count, 2);
	say(subscribed[0], "r");
	cr_assert(await("NOTIFY ", WAIT_MS));
	snprintf(headers, sizeof(headers), "\r\nEvent: refer;id=%u\r\n", cseq - 2);
	HAS(headers); /* RFC 3515 2.4.6 */
	first = cseq_of();
	reply("200 OK", "");
	until(&notified, 1);
	/* RFC 5057: the BYE ends the INVITE's usage, not the subscriptions. */
	ask("BYE", "");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(dialog_ends, 1);
	dialog_free(dialog);
	dialog = NULL;
	cr_assert_eq(ua_dialogs(ua), 0);
	say(subscribed[1], "c");
	cr_assert(await("NOTIFY ", WAIT_MS));
	HAS("\r\nEvent: conference\r\n");
	cr_assert_eq(cseq_of(), first + 1);
	reply("200 OK", "");
	until(&notified, 2);
	subscribe("");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(refreshed, 1);
	ask("BYE", "");
	cr_assert(await("SIP/2.0 481", WAIT_MS));
	ask("MESSAGE", "");
	cr_assert(await("SIP/2.0 405", WAIT_MS));
	ask("OPTIONS", "");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	subscription_terminate(subscribed[1], "noresource", NULL, span_of(""));
	count = 1;
	cr_assert(await("NOTIFY ", WAIT_MS));
	cr_assert_eq(cseq_of(), first + 2);
	reply("200 OK", "");
	subscription_free(subscribed[0]);
	count = 0;
	cr_assert_eq(subscriptions(ua), 0);
	subscribe(""); /* the dialog has gone with its last usage */
	cr_assert(await("SIP/2.0 481", WAIT_MS));
}

Test(subscription, the_dialog_goes_on_without_it, .init = start, .fini = stop)
{
	call();
	subscribe("");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	subscription_terminate(subscribed[--count], "noresource", NULL, span_of(""));
	cr_assert(await("NOTIFY ", WAIT_MS));
	reply("200 OK", "");
	subscribe("");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(count, 1);
	ask("BYE", "");
	cr_assert(await("SIP/2.0 200", WAIT_MS));
	cr_assert_eq(dialog_ends, 1);
	subscribe("");
	cr_assert(await("SIP/2.0 200", WAIT_MS)); /* a refresh after the BYE */
	cr_assert_eq(refreshed, 1);
	ask("REFER", contact());
	cr_assert(await("SIP/2.0 481", WAIT_MS)); /* nothing new in a dialog that has ended */
}
