/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_rig: the real plenum-switch with a controller, and MSRP peers on kernel TCP, for tests.
 *
 * Threads: one. Every wait is bounded; what does not come within RIG_WAIT_MS fails the test with a
 *          sentence.
 * The program is named by PLENUM_SWITCH in the environment (meson sets it). PLENUM_STILL, when set, is the library
 * that watches its workers (still.c).
 */
#ifndef TESTS_SUPPORT_SWITCH_RIG_H
#define TESTS_SUPPORT_SWITCH_RIG_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "dataplane/msrp/chunk_in.h"
#include "include/controller.h"

#define RIG_WAIT_MS 10000

struct switch_rig {
	pid_t pid;
	unsigned workers;
	uint16_t port;
	char directory[64]; /* temporary: configuration, socket, log */
	struct controller *controller;
	struct switch_event event; /* the last one taken */
	char text[SWITCH_TEXT_MAX];
	uint64_t cookie;
	/* events that were not waited for, oldest first */
	struct {
		struct switch_event event;
		char text[1100]; /* the longest is a nickname */
	} * kept;
	unsigned kept_count, kept_room;
	/* after rig_stop: what the switch said about its life */
	char counted[4096], held[1024];
};

/* Starts a switch with so many workers; yaml: further lines of the section `switch:` or more
 * sections, may be "". */
void rig_start(struct switch_rig *rig, unsigned workers, const char *yaml);
/* The same with further lines of the section `msrp:`, each with its two blanks and line feed; one
 * with `listen:` replaces ours. */
void rig_start_with(
	struct switch_rig *rig, unsigned workers, const char *msrp_yaml, const char *switch_yaml);
/* SIGTERM; it must end with status 0, and nothing may have been written to its log at level
 * error. */
void rig_stop(struct switch_rig *rig);
/* The two halves of it: SIGTERM, with the controller attached; and what rig_stop does then. */
void rig_terminate(struct switch_rig *rig);
void rig_wait(struct switch_rig *rig);
/* After rig_stop: a counter of dataplane/counters.def, summed over workers; how many objects of a
 * pool ("messages", "payloads_384") were held at the end. */
uint64_t rig_counter(const struct switch_rig *rig, const char *name);
uint64_t rig_pool(const struct switch_rig *rig, const char *name);
/* Attaches anew under the same name (after a kill of the controller, or as a fence). */
void rig_attach(struct switch_rig *rig);

/* Sends a command, waits for its answer; the answer is in rig->event and rig->text. Returns its
 * result. */
int rig_command(struct switch_rig *rig, unsigned worker, struct switch_cmd *cmd,
	const struct text_builder *text);
/* Waits for an event of this type about this object (NULL: any); it is then in rig->event. */
void rig_event(struct switch_rig *rig, enum switch_event_type type, const struct object_id *object);

/* Waits at most wait_ms; false: none came. */
bool rig_event_within(struct switch_rig *rig, enum switch_event_type type,
	const struct object_id *object, int wait_ms);

struct object_id rig_room(struct switch_rig *rig, unsigned worker, uint32_t flags);
/* The settings that rig_room does not have; absent ones as there. CMD_ROOM_OPEN, or CMD_ROOM_SET of
 * `room`. */
struct rig_room_settings {
	unsigned worker;
	uint32_t flags;
	uint64_t max_message;
	const char *uris;    /* each ended by a line feed */
	const char *wrapped; /* "*" */
};
struct object_id rig_room_open(struct switch_rig *rig, const struct rig_room_settings *settings);
int rig_room_set(struct switch_rig *rig, const struct object_id *room,
	const struct rig_room_settings *settings);
struct rig_leg {
	struct object_id id;
	char uri[300];    /* ours: the switch's */
	char path[100];   /* the peer's; cut where it is longer */
	char address[80]; /* sip:user@example.com */
};
/* A passive leg of the room, and (member) its membership. name: "alice". */
struct rig_leg rig_leg(struct switch_rig *rig, const struct object_id *room, const char *name,
	unsigned participant, bool member);
struct rig_leg_settings {
	uint32_t setup, bind_ms, rebind, family;
	const char *path;    /* absent: as rig_leg makes it; in rig_leg_update: it stays */
	const char *connect; /* HOST:PORT; absent: what the path says */
};
struct rig_leg rig_leg_add(struct switch_rig *rig, const struct object_id *room, const char *name,
	const struct rig_leg_settings *settings);
/* The same; the result of the command. */
int rig_leg_try(struct switch_rig *rig, const struct object_id *room, const char *name,
	const struct rig_leg_settings *settings, struct rig_leg *out);
int rig_leg_update(
	struct switch_rig *rig, const struct rig_leg *leg, const struct rig_leg_settings *settings);
struct rig_member_settings {
	uint32_t flags, participant;
	const char *identities; /* absent: the leg's address; each ended by a line feed */
	const char *alias, *wrapped;
};
/* CMD_MEMBER_ADD, CMD_MEMBER_ALIAS or CMD_MEMBER_MUTE. Returns the answer's result. */
int rig_member(struct switch_rig *rig, enum switch_command type, const struct rig_leg *leg,
	const struct rig_member_settings *settings);
int rig_leg_command(struct switch_rig *rig, enum switch_command type, const struct rig_leg *leg);

/* A peer's connection. */
struct msrp_peer {
	int fd;
	struct chunk_in in;
	uint8_t *octets; /* received and not used */
	size_t len, room;
	/* the last thing taken */
	struct chunk chunk; /* its spans point into `head` */
	char head[CHUNK_HEAD_MAX + 64];
	uint8_t *body;
	size_t body_len, body_room;
	bool closed; /* by the switch */
};
void peer_connect(struct msrp_peer *peer, uint16_t port);
/* host: an IP address. */
void peer_connect_to(struct msrp_peer *peer, const char *host, uint16_t port);
/* For a leg that connects: listens on loopback at a free port, and takes a connection (fails after
 * RIG_WAIT_MS). */
int peer_listen(uint16_t *port, int backlog);
/* At this address, and this port if it is not 0. */
int peer_listen_at(const char *host, uint16_t *port, int backlog);
void peer_accept(struct msrp_peer *peer, int listener);
void peer_close(struct msrp_peer *peer);
/* Writes all of it; the peer's own receiving is not served meanwhile. */
void peer_write(struct msrp_peer *peer, const void *octets, size_t len);
void peer_print(struct msrp_peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Waits for the next request or response, whole (its body may be long). False: closed, or nothing
 * within wait_ms. */
bool peer_take(struct msrp_peer *peer, int wait_ms);
/* One turn without waiting: what is there. */
bool peer_poll(struct msrp_peer *peer);

/* Drops what comes until the switch closes. False: it did not within wait_ms. */
bool peer_ends(struct msrp_peer *peer, int wait_ms);

/* Connects and binds by a bodiless SEND; takes its 200. */
void peer_bind(struct msrp_peer *peer, uint16_t port, const struct rig_leg *leg);
/* A whole message to the room in one chunk; headers: further header lines with CRLF, may be "". */
void peer_say(struct msrp_peer *peer, const struct rig_leg *from, const char *id,
	const char *headers, const char *text);
/* Takes until the response to `tid` comes; returns its status. Other things taken meanwhile are
 * dropped. */
unsigned peer_status(struct msrp_peer *peer, const char *tid);
#define RIG_ROOM_URI "sip:room@example.com"
#endif
