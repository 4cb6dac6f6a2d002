/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_kill: the focus is killed again and again, at instants that a seed says, while members talk
 * and others refresh, leave and come back.
 * usage: stress_kill [rounds [seed]]       nightly: stress_kill 100
 *
 * Two rooms of five. Four of each talk all the time: every message that the switch has accepted
 * reaches each of the other three once, whole, in the order of its sender, whether the focus lives
 * or not. The fifth is a guest: it leaves and comes back. A request that was under way when the
 * focus died is repeated, as RFC 3261 17 does, until it has its answer. After each death every
 * dialog answers, and the roster that a subscriber gets is the true one.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/support/conference_view.h"
#include "tests/support/sip_rig.h"

#define ROOMS        2
#define TALKERS      4
#define GUEST        TALKERS
#define FLIGHT       8 /* messages of one talker that are not everywhere yet */
#define MESSAGES_MAX 200000u
#define REPEAT_MS    500 /* T1 */
#define SETTLE_MS    20000

struct talker {
	unsigned sent, answered;     /* messages, and their 200s; numbers begin with 1 */
	unsigned heard[TALKERS];     /* the last message of each of the others */
	unsigned long long heard_in; /* messages taken */
};

static struct sip_rig rig;
static struct sip_party room[ROOMS][TALKERS + 1];
static struct talker talkers[ROOMS][TALKERS];
static bool guest_in[ROOMS];
static uint64_t random_state;
static unsigned long long deliveries;
static unsigned repeated, fresh;

#define must(condition, ...)                                                                       \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "stress_kill: line %d: ", __LINE__);                       \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, "; the logs are in %s\n", rig.directory);                  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static unsigned random_below(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % n;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- talking ---- */

static bool everywhere(unsigned r, unsigned who, unsigned number)
{
	for (unsigned i = 0; i < TALKERS; i++)
		if (i != who && talkers[r][i].heard[who] < number)
			return false;
	return true;
}

static void say(unsigned r, unsigned who)
{
	struct talker *t = &talkers[r][who];
	char tid[24], text[700];
	size_t len;

	if (t->sent >= MESSAGES_MAX || (t->sent >= FLIGHT && !everywhere(r, who, t->sent - FLIGHT)))
		return;
	snprintf(tid, sizeof(tid), "m%u.%u.%06u", r, who, ++t->sent);
	len = (size_t)snprintf(text, sizeof(text), "%s ", tid);
	memset(text + len, 'a' + (int)who, 20 + t->sent % 600);
	text[len + 20 + t->sent % 600] = '\0';
	call_say(&room[r][who].call, &room[r][who].msrp, tid, "", text);
}

/* "m0.1.000007 bbbb...": the next one of its sender, whole. */
static void hear(unsigned r, unsigned who, const struct msrp_peer *msrp)
{
	const char *at = memmem(msrp->body, msrp->body_len, "\r\n\r\nm", 5);
	unsigned from_room, from, number, len;

	if (at == NULL)
		return; /* what party_meet said */
	must(sscanf(at + 4, "m%u.%u.%u", &from_room, &from, &number) == 3 && from < TALKERS,
		"not a message of ours: %.*s", (int)msrp->body_len, (const char *)msrp->body);
	must(from_room == r && from != who, "room %u talker %u heard m%u.%u.%u", r, who, from_room,
		from, number);
	must(number == talkers[r][who].heard[from] + 1, "room %u talker %u heard %u of %u after %u",
		r, who, number, from, talkers[r][who].heard[from]);
	len = (unsigned)((const char *)msrp->body + msrp->body_len - (at + 4));
	must(len == 12 + 20 + number % 600, "a torn message of %u octets", len);
	talkers[r][who].heard[from] = number;
	deliveries++;
}

static void take_all(unsigned r, unsigned who)
{
	struct msrp_peer *msrp = &room[r][who].msrp;

	while (peer_poll(msrp)) {
		if (msrp->chunk.method == METHOD_SEND) {
			hear(r, who, msrp);
		} else if (msrp->chunk.method == METHOD_RESPONSE) {
			must(msrp->chunk.status == 200, "room %u talker %u: its message got %u", r,
				who, msrp->chunk.status);
			talkers[r][who].answered++;
		}
	}
	must(!msrp->closed, "room %u talker %u lost its connection", r, who);
}

/* Everybody talks and listens for so long. */
static void talk(unsigned ms)
{
	uint64_t until = now_ms() + ms;

	do {
		for (unsigned r = 0; r < ROOMS; r++)
			for (unsigned i = 0; i < TALKERS; i++) {
				if (random_below(3) == 0)
					say(r, i);
				take_all(r, i);
			}
		poll(NULL, 0, 1);
	} while (now_ms() < until);
}

/* Nothing more is said until all has been heard. */
static void fall_silent(void)
{
	uint64_t until = now_ms() + SETTLE_MS;
	bool all = false;

	while (!all && now_ms() < until) {
		all = true;
		for (unsigned r = 0; r < ROOMS; r++)
			for (unsigned i = 0; i < TALKERS; i++) {
				take_all(r, i);
				all = all && talkers[r][i].answered >= talkers[r][i].sent &&
				      everywhere(r, i, talkers[r][i].sent);
			}
		if (!all)
			poll(NULL, 0, 2);
	}
	for (unsigned r = 0; r < ROOMS; r++)
		for (unsigned i = 0; i < TALKERS; i++)
			for (unsigned j = 0; j < TALKERS; j++)
				must(i == j || talkers[r][j].heard[i] == talkers[r][i].sent,
					"room %u: %u has heard %u of the %u messages of %u", r, j,
					talkers[r][j].heard[i], talkers[r][i].sent, i);
}

/* ---- what is under way when the focus dies ---- */

struct action {
	struct sip_party *party;
	const char *method; /* NULL: nothing is under way */
	char id[80];
	unsigned room;
};

static void guest_invites(struct action *action)
{
	struct sip_party *guest = action->party;
	char headers[200];

	call_free(&guest->call);
	snprintf(headers, sizeof(headers), "P-Asserted-Identity: <sip:erin@127.0.0.1:%u>\r\n",
		guest->peer.port);
	call_invite(&guest->call, &guest->peer, room[action->room][0].call.identity, headers,
		"application/sdp", call_sdp(&guest->call, "active", ""));
	action->method = "INVITE";
}

static struct action act(void)
{
	unsigned r = random_below(ROOMS);
	struct action action = { .room = r };

	switch (random_below(4)) {
	case 0:
	case 1:
		action.party = &room[r][GUEST];
		if (guest_in[r]) {
			action.method = "BYE";
			call_request(&action.party->call, "BYE", "", NULL, NULL);
		} else {
			guest_invites(&action);
		}
		break;
	case 2:
		action.party = &room[r][random_below(TALKERS)];
		action.method = "UPDATE";
		call_request(&action.party->call, "UPDATE", "Supported: timer\r\n", NULL, NULL);
		break;
	default: break;
	}
	return action;
}

/* Repeats the request until it has a final response; its status. */
static unsigned answer_of(const struct action *action)
{
	struct sip_call *call = &action->party->call;
	uint64_t until = now_ms() + SETTLE_MS;

	while (now_ms() < until) {
		if (sip_await_response(
			    &action->party->peer, action->method, call->id, 0, REPEAT_MS))
			return strcmp(action->method, "INVITE") == 0
				       ? call_learn(call)
				       : action->party->peer.message.status;
		repeated++;
		sip_write(&action->party->peer, call->sent, strlen(call->sent));
	}
	return 0;
}

static void finish(struct action *action)
{
	struct sip_call *call;
	unsigned status;

	if (action->method == NULL)
		return;
	call = &action->party->call;
	status = answer_of(action);
	if (strcmp(action->method, "UPDATE") == 0) {
		must(status == 200, "UPDATE got %u", status);
	} else if (strcmp(action->method, "BYE") == 0) {
		/* 481: it was answered before the death, and the answer lost. */
		must(status == 200 || status == 481, "BYE got %u", status);
		guest_in[action->room] = false;
	} else {
		/* One that was not confirmed is not gone on with: once more, from the beginning. */
		for (unsigned tries = 0; status != 200 && tries < 5; tries++) {
			must(status == 503 || status == 500 || status == 481 || status == 482,
				"INVITE got %u", status);
			fresh++;
			guest_invites(action);
			status = answer_of(action);
		}
		must(status == 200, "INVITE got %u", status);
		call_ack(call);
		guest_in[action->room] = true;
	}
}

/* ---- is all as it was? ---- */

static void dialog_stands(struct sip_call *call)
{
	call_request(call, "OPTIONS", "", NULL, NULL);
	must(call_answer_to(call, "OPTIONS") == 200, "the dialog of %s is gone", call->peer->name);
}

/* Asks for the state once (RFC 6665 4.4.3). */
static void roster_is_true(unsigned r)
{
	struct sip_call *call = &room[r][0].call;
	struct sip_peer *peer = &room[r][0].peer;
	struct conference_view view = { 0 };
	unsigned expected = TALKERS + guest_in[r];
	char address[100];

	call_request(call, "SUBSCRIBE", "Event: conference\r\nExpires: 0\r\n", NULL, NULL);
	must(call_answer_to(call, "SUBSCRIBE") == 200, "SUBSCRIBE got %u", peer->message.status);
	must(sip_await_request(peer, "NOTIFY", RIG_WAIT_MS), "no NOTIFY");
	must(conference_view_take(&view, peer->message.body, peer->message.body_len) == 0,
		"%s in %.*s", view.why, (int)peer->message.body_len, peer->message.body);
	sip_reply(peer, &peer->message, 200, NULL, "", NULL, NULL);
	must(view.full && view.user_count == expected, "room %u has %u users, not %u: %.*s", r,
		view.user_count, expected, (int)peer->message.body_len, peer->message.body);
	must(conference_view_with(&view, "connected") == expected, "room %u: %u are connected", r,
		conference_view_with(&view, "connected"));
	for (unsigned i = 1; i <= TALKERS; i++) {
		bool in = i < TALKERS || guest_in[r];

		snprintf(address, sizeof(address), "sip:%s@127.0.0.1:%u", room[r][i].peer.name,
			room[r][i].peer.port);
		must((strcmp(conference_view_status(&view, address), "connected") == 0) == in,
			"%s is %s", address, conference_view_status(&view, address));
	}
	conference_view_fini(&view);
}

static void focus_dies(void)
{
	must(kill(rig.focus.pid, SIGKILL) == 0, "kill");
	must(rig_daemon_ended(&rig.focus, RIG_WAIT_MS) == -2, "it did not die of the signal");
}

static void focus_begins(void)
{
	rig_daemon_start(&rig.focus, &rig, "PLENUM_FOCUS");
	must(rig_daemon_ready(&rig.focus, RIG_WAIT_MS), "it is not ready again");
}

static void round_play(void)
{
	struct action action;

	talk(random_below(60));
	action = act();
	/* Somewhere between the request's arrival and long after its answer. */
	nanosleep(&(struct timespec){ 0, (long)random_below(random_below(4) ? 400 : 3000) * 1000 },
		NULL);
	if (random_below(3) == 0)
		talk(random_below(20));
	focus_dies();
	talk(random_below(200));
	focus_begins();
	talk(random_below(30));
	if (random_below(8) == 0) { /* before it has come to itself */
		focus_dies();
		focus_begins();
	}
	finish(&action);
	for (unsigned r = 0; r < ROOMS; r++) {
		for (unsigned i = 0; i < TALKERS; i++)
			dialog_stands(&room[r][i].call);
		if (guest_in[r])
			dialog_stands(&room[r][GUEST].call);
		roster_is_true(r);
	}
	talk(20);
}

int main(int argc, char **argv)
{
	static const struct rig_options options = { .msrp = "  bind_s: 0\n  rebind_s: 3600\n",
		.conference = "  notify_interval: 0.1\n" };
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 5;

	random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	sip_rig_start(&rig, &options);
	for (unsigned r = 0; r < ROOMS; r++) {
		party_meet(&rig, room[r], TALKERS + 1, "", true);
		guest_in[r] = true;
		peer_close(&room[r][GUEST].msrp); /* it only comes and goes */
		room[r][GUEST].msrp.fd = -1;
	}
	for (unsigned i = 0; i < rounds; i++)
		round_play();
	fall_silent();
	for (unsigned r = 0; r < ROOMS; r++)
		party_close(room[r], TALKERS + 1);
	sip_rig_stop(&rig);
	printf("%u deaths, %llu deliveries, 0 lost; %u requests repeated, %u made anew\n", rounds,
		deliveries, repeated, fresh);
	return 0;
}
