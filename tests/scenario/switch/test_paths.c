/* SPDX-License-Identifier: BSD-3-Clause */
/* URIs and lists of them: whom a To-Path names, which way an answer goes, and peers behind relays.
 * RFC 4975 6, 7.1, 7.2; context.md 1.2 and 1.3. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/scenario/switch/scene.h"

#define URIS_MAX        16
#define PATH_MAX_OCTETS 4096

/* A bodiless SEND; the status of its answer, 0: none came. */
static unsigned knock(struct msrp_peer *peer, const char *to, const char *from, const char *tid)
{
	peer_print(peer,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n-------%s$\r\n",
		tid, to, from, tid, tid);
	return peer_status(peer, tid);
}

/* count URIs and so many octets in all; the last one ends with /who;tcp. */
static char *long_path(unsigned count, size_t octets, const char *who)
{
	char *path = malloc(octets + 300), *at = path;

	for (unsigned i = 0; i + 1 < count; i++)
		at += sprintf(at, "msrp://10.0.0.%u:2855/relay%u;tcp ", i + 1, i);
	at += sprintf(at, "msrp://10.0.1.1:2855/");
	while ((size_t)(at - path) + strlen(who) + 4 < octets)
		*at++ = 'x';
	sprintf(at, "%s;tcp", who);
	cr_assert_eq(strlen(path), octets);
	return path;
}

/* RFC 4975 6.1 compares whole URIs; for us the session-id counts alone, as ALGs and SBCs rewrite the
 * rest (context.md 1.2). Each binds a leg of its own. */
Test(paths, a_session_is_known_by_its_id_alone)
{
	static const char *const forms[] = {
		"msrp://127.0.0.1:%u/%s;tcp",
		"MSRP://127.0.0.1:%u/%s;tcp",
		"Msrp://alice@127.0.0.1:%u/%s;tcp",
		"msrp://alg.example.net:%u/%s;tcp",
		"msrp://%%41lg.example.net:%u/%s;tcp",
		"msrp://[::1]:%u/%s;tcp",
		"msrp://[0:0:0:0:0:0:0:1]:%u/%s;tcp",
		"msrp://[2001:DB8::5]:%u/%s;tcp",
		"msrp://127.0.0.1:%u/%s;TCP",
		"msrp://127.0.0.1:%u/%s;sctp",
		"msrp://127.0.0.1:%u/%s;tcp;x",
		"msrp://127.0.0.1:%u/%s;tcp;x=y;z=%%41",
	};
	struct msrp_peer peer;
	struct rig_leg leg;
	struct scene s;
	char uri[300], tid[20];

	scene_open(&s, &(struct scene_settings){ .workers = 2 }, "alice bob");
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		leg = rig_leg(&s.rig, &s.room, "carol", 2, true);
		/* Another port than ours, too. */
		snprintf(uri, sizeof(uri), forms[i], i % 2 ? 4711 : s.rig.port,
			strrchr(leg.uri, '/') + 1);
		*strchr(strrchr(uri, '/'), ';') = '\0'; /* the id alone, then the form's own end */
		strcat(uri, strchr(forms[i], ';'));
		for (char *at = uri; (at = strstr(at, "%%")) != NULL;)
			memmove(at, at + 1, strlen(at));
		snprintf(tid, sizeof(tid), "form%04u", i);
		peer_connect(&peer, s.rig.port);
		cr_assert_eq(knock(&peer, uri, leg.path, tid), 200, "%s", uri);
		/* We speak as in our SDP: clients compare that (context.md 1.2). */
		cr_assert(span_eq(peer.chunk.from_path, span_of(leg.uri)), "%.*s",
			SPAN_ARG(peer.chunk.from_path));
		/* And within the session. */
		snprintf(tid, sizeof(tid), "more%04u", i);
		cr_assert_eq(knock(&peer, uri, leg.path, tid), 200);
		cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &leg), 0);
		cr_assert(peer_ends(&peer, RIG_WAIT_MS));
		peer_close(&peer);
	}
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds_unknown"), 0);
}

Test(paths, what_is_not_that_id_is_not_that_session)
{
	struct msrp_peer peer;
	struct scene s;
	char uri[320], *id;
	unsigned i;

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	peer_connect(&peer, s.rig.port);
	for (i = 0; i < 5; i++) {
		char tid[20];

		snprintf(uri, sizeof(uri), "%s", s.leg[BOB].uri);
		id = strrchr(uri, '/') + 1;
		switch (i) {
		case 0: /* the other case: session-ids are case-sensitive */
			id[20] = (char)(id[20] >= 'a' ? id[20] - 32 : 'A');
			break;
		case 1: /* an octet too few or too many */ memmove(id, id + 1, strlen(id)); break;
		case 2: memmove(id + 1, id, strlen(id) + 1); break;
		case 3: /* none at all */ strcpy(id - 1, ";tcp"); break;
		default: /* msrps on a connection in the clear */
			memmove(uri + 5, uri + 4, strlen(uri + 4) + 1);
			uri[4] = 's';
		}
		snprintf(tid, sizeof(tid), "near%04u", i);
		cr_assert_eq(knock(&peer, uri, "msrp://127.0.0.1:9/me;tcp", tid), 481, "%s", uri);
	}
	/* msrps within a session, whose connection is in the clear. */
	snprintf(uri, sizeof(uri), "msrps%.290s", s.leg[BOB].uri + 4);
	cr_assert_eq(knock(&s.peer[BOB], uri, s.leg[BOB].path, "secure01"), 481);
	expect_nothing(&s, BOB);
	peer_close(&peer);
	scene_close(&s);
	cr_assert_eq(rig_counter(&s.rig, "binds_unknown"), 6);
}

/* The path of a peer may have 16 URIs and 4096 octets; one more is refused. All that goes to it has
 * all of it in To-Path. */
Test(paths, a_peer_behind_relays_is_spoken_to_along_its_whole_path)
{
	static const struct {
		unsigned count;
		size_t octets;
		int result;
	} paths[] = { { 1, 60, 0 }, { 2, 100, 0 }, { URIS_MAX, 700, 0 },
		{ URIS_MAX, PATH_MAX_OCTETS, 0 }, { 1, PATH_MAX_OCTETS, 0 },
		{ URIS_MAX + 1, 800, -EINVAL }, { 1, PATH_MAX_OCTETS + 1, -EINVAL },
		{ URIS_MAX, PATH_MAX_OCTETS + 1, -EINVAL } };
	struct msrp_peer peer;
	struct rig_leg leg;
	struct scene s;
	char tid[40];

	scene_open(&s, &(struct scene_settings){ .workers = 2, .room = { .flags = ROOM_NICKNAME } },
		"alice bob");
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char *path = long_path(paths[i].count, paths[i].octets, "carol"), *first;

		cr_assert_eq(rig_leg_try(&s.rig, &s.room, "carol",
				     &(struct rig_leg_settings){ .path = path }, &leg),
			paths[i].result, "%u URIs, %zu octets", paths[i].count, paths[i].octets);
		if (paths[i].result != 0) {
			free(path);
			continue;
		}
		cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &leg,
				     &(struct rig_member_settings){ .participant = 2 }),
			0);
		first = strdup(path);
		if (strchr(first, ' ') != NULL)
			*strchr(first, ' ') = '\0';
		/* RFC 4975 7.2: a response to SEND goes to the leftmost URI only. */
		peer_connect(&peer, s.rig.port);
		snprintf(tid, sizeof(tid), "bind%04u", i);
		cr_assert_eq(knock(&peer, leg.uri, path, tid), 200);
		cr_assert(span_eq(peer.chunk.to_path, span_of(first)), "To-Path %.*s",
			SPAN_ARG(peer.chunk.to_path));
		/* A message goes along all of it. */
		snprintf(tid, sizeof(tid), "copy%04u", i);
		REFUSED(&s, ALICE, 200, .id = tid, .text = "to all");
		expect_text(&s, BOB, "to all");
		cr_assert(peer_take(&peer, RIG_WAIT_MS));
		cr_assert_eq(peer.chunk.method, METHOD_SEND);
		cr_assert(span_eq(peer.chunk.to_path, span_of(path)), "To-Path %.*s",
			SPAN_ARG(peer.chunk.to_path));
		cr_assert(span_eq(peer.chunk.from_path, span_of(leg.uri)));
		/* So does a REPORT (7.1.2), and the response to any other method. */
		snprintf(tid, sizeof(tid), "repo%04u", i);
		peer_print(&peer,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n"
			"Success-Report: yes\r\nContent-Type: message/cpim\r\n\r\n"
			"From: <%s>\r\nTo: <" RIG_ROOM_URI
			">\r\n\r\nContent-Type: text/plain\r\n\r\nx\r\n-------%s$\r\n",
			tid, leg.uri, path, tid, leg.address, tid);
		expect_text(&s, ALICE, "x");
		expect_text(&s, BOB, "x");
		for (unsigned seen = 0; seen != 3;) {
			cr_assert(peer_take(&peer, RIG_WAIT_MS));
			if (peer.chunk.method == METHOD_RESPONSE) {
				cr_assert_eq(peer.chunk.status, 200);
				cr_assert(span_eq(peer.chunk.to_path, span_of(first)));
				seen |= 1;
			} else {
				cr_assert_eq(peer.chunk.method, METHOD_REPORT);
				cr_assert(span_eq(peer.chunk.to_path, span_of(path)),
					"To-Path %.*s", SPAN_ARG(peer.chunk.to_path));
				seen |= 2;
			}
		}
		peer_print(&peer,
			"MSRP what%04u FETCH\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------what%04u$\r\n",
			i, leg.uri, path, i);
		snprintf(tid, sizeof(tid), "what%04u", i);
		cr_assert_eq(peer_status(&peer, tid), 501);
		cr_assert(span_eq(peer.chunk.to_path, span_of(path)), "To-Path %.*s",
			SPAN_ARG(peer.chunk.to_path));
		peer_close(&peer);
		cr_assert_eq(rig_leg_command(&s.rig, CMD_LEG_REMOVE, &leg), 0);
		free(first);
		free(path);
	}
	scene_close(&s);
}

/* Where we connect it is the first URI's host that is connected to. */
Test(paths, where_we_connect_it_is_to_the_first)
{
	struct msrp_peer *carol;
	struct scene s;
	char path[100];
	uint16_t port;
	int listener = peer_listen(&port, 4);

	scene_open(&s, &(struct scene_settings){ 0 }, "alice bob");
	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/relay;tcp msrp://10.1.1.1:5/carol;tcp",
		port);
	s.leg[CAROL] = rig_leg_add(&s.rig, &s.room, "carol",
		&(struct rig_leg_settings){ .setup = LEG_ACTIVE, .path = path });
	cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[CAROL],
			     &(struct rig_member_settings){ .participant = 2 }),
		0);
	carol = &s.peer[CAROL];
	peer_accept(carol, listener);
	cr_assert(peer_take(carol, RIG_WAIT_MS));
	cr_assert(span_eq(carol->chunk.to_path, span_of(path)));
	/* RFC 4975 7.2: the relay's answer has the relay as its From-Path's last. */
	peer_print(carol,
		"MSRP %.*s 200 OK\r\nTo-Path: %s\r\nFrom-Path: msrp://127.0.0.1:%u/relay;tcp\r\n-------%.*s$\r\n",
		SPAN_ARG(carol->chunk.tid), s.leg[CAROL].uri, port, SPAN_ARG(carol->chunk.tid));
	rig_event(&s.rig, EVENT_LEG, &s.leg[CAROL].id);
	cr_assert_eq(s.rig.event.u.leg.status.state, LEG_BOUND);
	s.count = 3;
	REFUSED(&s, ALICE, 200, .id = "toall", .text = "to all");
	expect_text(&s, BOB, "to all");
	expect_text(&s, CAROL, "to all");
	close(listener);
	scene_close(&s);
}

/* ---- IPv6 ---- */

Test(paths, over_ipv6_all_is_the_same)
{
	char expected[60];
	struct scene s;

	scene_open(&s,
		&(struct scene_settings){
			.outside = true, .workers = 2, .msrp = "  listen: [\"tcp:[::1]:0\"]\n" },
		"alice bob");
	snprintf(expected, sizeof(expected), "msrp://[::1]:%u/", s.rig.port);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(
			strncmp(s.leg[i].uri, expected, strlen(expected)), 0, "%s", s.leg[i].uri);
		cr_assert_eq(rig_member(&s.rig, CMD_MEMBER_ADD, &s.leg[i],
				     &(struct rig_member_settings){ .participant = i }),
			0);
		snprintf(s.leg[i].path, sizeof(s.leg[i].path), "msrp://[::1]:9/peer%u;tcp", i);
		cr_assert_eq(rig_leg_update(&s.rig, &s.leg[i],
				     &(struct rig_leg_settings){ .path = s.leg[i].path }),
			0);
		peer_connect_to(&s.peer[i], "::1", s.rig.port);
		cr_assert_eq(knock(&s.peer[i], s.leg[i].uri, s.leg[i].path, "bind0000"), 200);
	}
	REFUSED(&s, ALICE, 200, .id = "hello", .text = "over six");
	expect_text(&s, BOB, "over six");
	REFUSED(&s, BOB, 200, .id = "hello", .text = "and back");
	expect_text(&s, ALICE, "and back");
	scene_close(&s);
}

/* Two listeners: each leg is told the one of its family, and the first when it does not matter;
 * whatever it was told, it may come to either. */
Test(paths, with_two_listeners_each_family_has_its_own)
{
	static const struct {
		const char *listen, *advertise;
		const char *any, *four, *six; /* what our URI begins with */
	} setups[] = {
		{ "tcp:127.0.0.1:0\", \"tcp:[::1]:0", "",
			"msrp://127.0.0.1:", "msrp://127.0.0.1:", "msrp://[::1]:" },
		{ "tcp:[::1]:0\", \"tcp:127.0.0.1:0", "",
			"msrp://[::1]:", "msrp://127.0.0.1:", "msrp://[::1]:" },
		{ "tcp:127.0.0.1:0", "",
			"msrp://127.0.0.1:", "msrp://127.0.0.1:", "msrp://127.0.0.1:" },
		{ "tcp:127.0.0.1:0\", \"tcp:[::1]:0", "198.51.100.7:2855",
			"msrp://198.51.100.7:2855/", "msrp://198.51.100.7:2855/", "msrp://[::1]:" },
		{ "tcp:127.0.0.1:0\", \"tcp:[::1]:0", "im.example.com:443",
			"msrp://im.example.com:443/", "msrp://im.example.com:443/",
			"msrp://im.example.com:443/" },
		{ "tcp:0.0.0.0:0\", \"tcp:[::]:0", "[2001:db8::7]:2855",
			"msrp://[2001:db8::7]:2855/", "msrp://[2001:db8::7]:2855/",
			"msrp://[2001:db8::7]:2855/" },
	};

	for (unsigned i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		const char *wanted[] = { setups[i].any, setups[i].four, setups[i].six };
		static const uint32_t families[] = { 0, 4, 6 };
		struct switch_rig rig;
		struct object_id room;
		struct rig_leg leg;
		char msrp[300];

		snprintf(msrp, sizeof(msrp), "  listen: [\"%s\"]\n  advertise: \"%s\"\n",
			setups[i].listen, setups[i].advertise);
		rig_start_with(&rig, 2, msrp, "");
		room = rig_room(&rig, 1, 0);
		for (unsigned f = 0; f < 3; f++) {
			leg = rig_leg_add(&rig, &room, "leg",
				&(struct rig_leg_settings){ .family = families[f] });
			cr_assert_eq(strncmp(leg.uri, wanted[f], strlen(wanted[f])), 0,
				"%s: family %u: %s", msrp, families[f], leg.uri);
			/* The port that comes with it is the one in it. */
			cr_assert_eq(rig.event.u.leg.port,
				strtoul(strstr(leg.uri + 7,
						strchr(leg.uri + 7, ']') != NULL ? "]:" : ":") +
						(strchr(leg.uri + 7, ']') != NULL ? 2 : 1),
					NULL, 10));
		}
		if (i == 0) {
			/* The second listener, by the URI of the leg, on whichever worker. */
			struct msrp_peer peer;

			for (unsigned n = 0; n < 4; n++) {
				leg = rig_leg(&rig, &room, "six", 1, false);
				leg = rig_leg_add(&rig, &room, "six",
					&(struct rig_leg_settings){ .family = 6 });
				cr_assert_eq(
					rig_member(&rig, CMD_MEMBER_ADD, &leg,
						&(struct rig_member_settings){ .participant = 1 }),
					0);
				peer_connect_to(&peer, "::1",
					(uint16_t)strtoul(strstr(leg.uri, "]:") + 2, NULL, 10));
				cr_assert_eq(knock(&peer, leg.uri, leg.path, "bind0000"), 200);
				peer_close(&peer);
			}
		}
		rig_stop(&rig);
	}
}
