/* SPDX-License-Identifier: BSD-3-Clause */
/* stress_workers: what several workers and several controllers decide together, against the real switch.
 * usage: stress_workers [rounds [workers]]
 *
 * Binds: several connections, which the kernel lays on workers as it likes, ask for one session at the same moment. One
 * gets 200 and is the member that hears the room, all others 506 (RFC 4975 10.11): for a new leg, for one whose
 * connection was lost, and for one that a re-INVITE lets be taken over, whose old connection then ends.
 * Rooms: in each round one is opened on another worker, two members come, one sends, and it is closed with the message
 * on its way: it drains, and its members' connections end.
 * Load: in each round a message goes through a room that nobody touches.
 * Controllers: another one, in a process of its own, comes, opens and closes rooms on all workers, leaves some
 * behind, goes, is fenced by its next life, and closes what the last one left.
 * Plain main: runs under TSan too.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/switch_rig.h"

#define RACERS        6
#define STRANGERS_MAX 15 /* refusals that a connection may have had: at 20 the switch closes it */

static unsigned rounds = 200, workers = 4;
static struct switch_rig rig;

struct racer {
	struct msrp_peer peer;
	unsigned refused;
	bool open;
};

static struct racer racers[RACERS];
static unsigned races, won_by_another;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("stress_workers: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	abort();
}

/* ---- binds ---- */

static void racer_refresh(struct racer *racer)
{
	if (racer->open && racer->refused < STRANGERS_MAX)
		return;
	if (racer->open)
		peer_close(&racer->peer);
	peer_connect(&racer->peer, rig.port);
	racer->refused = 0;
	racer->open = true;
}

/* All but `spare` ask at once; who has it? The others were told 506. */
static struct racer *race(const struct rig_leg *leg, const struct racer *spare)
{
	static unsigned number;
	struct racer *winner = NULL, *first = NULL;
	char asks[RACERS][1024], tid[RACERS][32];
	unsigned i, status;

	number++;
	for (i = 0; i < RACERS; i++) {
		if (&racers[i] == spare)
			continue;
		racer_refresh(&racers[i]);
		snprintf(tid[i], sizeof(tid[i]), "bind%05ux%u", number, i);
		snprintf(asks[i], sizeof(asks[i]),
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind%u\r\nByte-Range: 1-0/0\r\n-------%s$\r\n",
			tid[i], leg->uri, leg->path, number, tid[i]);
	}
	for (i = 0; i < RACERS; i++) {
		if (&racers[i] == spare)
			continue;
		if (first == NULL)
			first = &racers[i];
		peer_write(&racers[i].peer, asks[i], strlen(asks[i]));
	}
	for (i = 0; i < RACERS; i++) {
		if (&racers[i] == spare)
			continue;
		status = peer_status(&racers[i].peer, tid[i]);
		if (status == 200 && winner != NULL)
			die("race %u: two connections were told 200", number);
		else if (status == 200)
			winner = &racers[i];
		else if (status == 506)
			racers[i].refused++;
		else
			die("race %u: a connection was told %u", number, status);
	}
	if (winner == NULL)
		die("race %u: nobody has the session", number);
	races++;
	won_by_another += winner != first;
	return winner;
}

/* The member at this connection hears what another says in the room. */
static void hears(struct racer *winner, struct msrp_peer *speaker, const struct rig_leg *from)
{
	static unsigned number;
	char id[32];

	snprintf(id, sizeof(id), "h%07u", number++);
	peer_say(speaker, from, id, "", "who hears this?");
	do {
		if (!peer_take(&winner->peer, RIG_WAIT_MS))
			die("who was told 200 hears nothing");
	} while (winner->peer.chunk.method != METHOD_SEND);
	if (peer_status(speaker, id) != 200)
		die("a message was refused");
}

static void ends(struct racer *racer)
{
	if (!peer_ends(&racer->peer, RIG_WAIT_MS))
		die("a connection without a session stays");
	peer_close(&racer->peer);
	racer->open = false;
}

static void binds(unsigned n, const struct object_id *room, struct msrp_peer *speaker,
	const struct rig_leg *from)
{
	struct rig_leg leg = rig_leg(&rig, room, "racer", 9, true);
	struct racer *winner = race(&leg, NULL), *before = winner;
	const struct rig_leg_settings rebind = { .rebind = 1 };

	hears(winner, speaker, from);
	if (n % 3 == 1) {
		peer_close(&winner->peer);
		winner->open = false;
		do {
			rig_event(&rig, EVENT_LEG, &leg.id);
		} while (rig.event.u.leg.status.state == LEG_BOUND);
		winner = race(&leg, NULL);
		hears(winner, speaker, from);
	} else if (n % 3 == 2) {
		if (rig_leg_update(&rig, &leg, &rebind) != 0)
			die("a leg cannot be updated");
		winner = race(&leg, before);
		ends(before);
		hears(winner, speaker, from);
	}
	if (rig_leg_command(&rig, CMD_LEG_REMOVE, &leg) != 0)
		die("a leg cannot be removed");
	rig_event(&rig, EVENT_LEG_GONE, &leg.id);
	ends(winner);
}

/* ---- rooms ---- */

static void yard(unsigned n)
{
	struct object_id room = rig_room(&rig, n % workers, 0);
	struct rig_leg a = rig_leg(&rig, &room, "ann", 0, true),
		       b = rig_leg(&rig, &room, "ben", 1, true);
	struct switch_cmd close = { .type = CMD_ROOM_CLOSE, .object = room };
	struct msrp_peer ann, ben;
	unsigned i;
	char id[16];

	peer_bind(&ann, rig.port, &a);
	peer_bind(&ben, rig.port, &b);
	for (i = 0; i < n % 4; i++) {
		snprintf(id, sizeof(id), "yard%04u", i);
		peer_say(&ann, &a, id,
			n % 8 < 4 ? "" : "Success-Report: yes\r\nInclude-Sent-Count: yes\r\n",
			"the room is closed over this");
	}
	if (rig_command(&rig, n % workers, &close, NULL) != 0)
		die("a room cannot be closed");
	rig_event(&rig, EVENT_ROOM_DRAINED, &room);
	if (!peer_ends(&ann, RIG_WAIT_MS) || !peer_ends(&ben, RIG_WAIT_MS))
		die("a member of a closed room keeps its connection");
	peer_close(&ann);
	peer_close(&ben);
}

/* ---- the other controller ---- */

static void other_attach(struct switch_rig *other, bool fence)
{
	struct controller *before = other->controller;
	char path[128];
	int result;

	if (!fence) {
		controller_detach(before);
		before = NULL;
	}
	snprintf(path, sizeof(path), "%s/switch.sock", other->directory);
	other->kept_count = 0;
	result = controller_attach(&other->controller, path, "other", RIG_WAIT_MS, NULL);
	if (result != 0)
		die("the other controller cannot attach: %d", result);
	controller_detach(before);
}

static void other_close(struct switch_rig *other, unsigned w, const struct object_id *room)
{
	struct switch_cmd close = { .type = CMD_ROOM_CLOSE, .object = *room };
	int result = rig_command(other, w, &close, NULL);

	if (result != 0)
		die("the other controller cannot close its room: %d", result);
	rig_event(other, EVENT_ROOM_DRAINED, room);
}

static int other_main(int stop)
{
	struct switch_rig other = { .port = rig.port };
	struct object_id left[64];
	bool is_left[64] = { false };
	unsigned lives, w;
	char octet;

	strcpy(other.directory, rig.directory);
	for (lives = 0; read(stop, &octet, 1) != 0; lives++) {
		other_attach(&other, lives % 2 == 1);
		for (w = 0; w < workers; w++) {
			struct object_id room;

			if (is_left[w])
				other_close(&other, w, &left[w]);
			is_left[w] = false;
			room = rig_room(&other, w, 0);
			(void)rig_leg(&other, &room, "odd", 0, true);
			if ((lives + w) % 3 == 0) {
				left[w] = room;
				is_left[w] = true;
			} else {
				other_close(&other, w, &room);
			}
		}
	}
	other_attach(&other, false);
	for (w = 0; w < workers; w++)
		if (is_left[w])
			other_close(&other, w, &left[w]);
	controller_detach(other.controller);
	printf("stress_workers: %u lives of another controller\n", lives + 1);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct object_id load;
	struct msrp_peer alice, bob;
	struct rig_leg a, b;
	unsigned n, i;
	int stop[2], status;
	char id[16];
	pid_t child;

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (argc > 2)
		workers = (unsigned)atoi(argv[2]);
	rig_start(&rig, workers, "");
	if (pipe2(stop, O_NONBLOCK) < 0)
		die("no pipe");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stop[1]);
		_exit(other_main(stop[0]));
	}
	close(stop[0]);
	load = rig_room(&rig, 0, 0);
	a = rig_leg(&rig, &load, "alice", 0, true);
	b = rig_leg(&rig, &load, "bob", 1, true);
	peer_bind(&alice, rig.port, &a);
	peer_bind(&bob, rig.port, &b);
	for (n = 0; n < rounds; n++) {
		snprintf(id, sizeof(id), "load%05u", n);
		peer_say(&bob, &b, id, "", "load");
		yard(n);
		binds(n, &load, &alice, &a);
		if (peer_status(&bob, id) != 200)
			die("a message was refused");
		while (peer_poll(&alice) || peer_poll(&bob))
			;
	}
	close(stop[1]);
	if (waitpid(child, &status, 0) != child || status != 0)
		die("the other controller ended with status %#x", (unsigned)status);
	for (i = 0; i < RACERS; i++)
		if (racers[i].open)
			peer_close(&racers[i].peer);
	peer_close(&alice);
	peer_close(&bob);
	rig_stop(&rig);
	/* The room of the load, and its two legs. */
	if (rig_pool(&rig, "rooms") != 1 || rig_pool(&rig, "legs") != 2)
		die("%llu rooms and %llu legs are left",
			(unsigned long long)rig_pool(&rig, "rooms"),
			(unsigned long long)rig_pool(&rig, "legs"));
	printf("stress_workers: %u rounds on %u workers: %u races of %d or %d for a session, one winner each, in %u not who wrote first\n",
		rounds, workers, races, RACERS, RACERS - 1, won_by_another);
	return 0;
}
