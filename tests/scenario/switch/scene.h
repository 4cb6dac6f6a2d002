/* SPDX-License-Identifier: BSD-3-Clause */
/* scene: a room of the real switch with a few members, each with a connection of its own, and the
 * sentences that the scenarios of this folder are told in. Every expectation fails the Criterion
 * test that makes it.
 *
 * Threads: one.  Memory: scene_close frees all.  People are named by their place: ALICE is the first of the names given.
 */
#ifndef TESTS_SCENARIO_SWITCH_SCENE_H
#define TESTS_SCENARIO_SWITCH_SCENE_H
#include "tests/support/switch_rig.h"

#define SCENE_PEOPLE 12
enum { ALICE, BOB, CAROL, DAVE, ERIN };

struct scene {
	struct switch_rig rig;
	struct object_id room;
	unsigned count;
	struct rig_leg leg[SCENE_PEOPLE];
	struct msrp_peer peer[SCENE_PEOPLE];
	/* the last message taken by scene_take: its chunks joined */
	char *body;
	size_t len, size;
	char flag;       /* of its last chunk */
	unsigned chunks; /* how many it came in */
	char id[CHUNK_TID_MAX + 1];
	bool delivered; /* copies may ask for success REPORTs */
};

struct scene_settings {
	unsigned workers;  /* 0: 1 */
	const char *msrp;  /* lines of the section msrp: */
	const char *extra; /* lines of the section switch: */
	struct rig_room_settings room;
	bool outside; /* the legs are there, not yet members and not bound */
};
/* names: "alice bob carol": member i has participant i, is bound and announces private messages. */
void scene_open(struct scene *s, const struct scene_settings *settings, const char *names);
/* One more, with a leg that is a member as `settings` say, and bound. Returns its place. */
unsigned scene_join(struct scene *s, const char *name, const struct rig_member_settings *settings);
/* Closes the connections and the room, waits until it is drained, and stops the switch: nothing may
 * be held then, every message that began has ended, and so has every copy. */
void scene_close(struct scene *s);
/* The same for a switch that was told to stop: the connections are over, and it ends by itself. */
void scene_ended(struct scene *s);

/* Waits until the switch has told that this leg is in this state, and was bound so often. It tells
 * how a leg is, not all that it was: a state that does not stay may never be told. */
void scene_leg(struct scene *s, const struct rig_leg *leg, enum leg_state state, uint64_t bindings);

/* A SEND of one chunk. What is left out: tid = id, from = the sender's address, to = the room, type
 * = text/plain, range = "1-N/N" of the whole body, flag = '$', headers none. */
struct words {
	const char *id, *tid, *text, *headers, *from, *to, *type, *range;
	char flag;
};
void scene_say(struct scene *s, unsigned who, const struct words *words);
#define SAY(s, who, ...) scene_say(s, who, &(struct words){ __VA_ARGS__ })
/* The message/cpim body of such words; to be freed. */
char *scene_cpim(const struct scene *s, unsigned who, const struct words *words);
/* A chunk with this body as it is. */
void scene_chunk(struct scene *s, unsigned who, const char *tid, const char *headers,
	const void *body, size_t len, char flag);
/* SEND without a body. */
void scene_ping(struct scene *s, unsigned who, const char *tid, const char *headers);

/* The next thing is the response to tid, with this status, from the leg's URI to the peer's. */
void expect_status(struct scene *s, unsigned who, const char *tid, unsigned status);
/* SAY, and its answer. */
#define REFUSED(s, who, code, ...)                                                                 \
	do {                                                                                       \
		SAY(s, who, __VA_ARGS__);                                                          \
		expect_status(s, who, (struct words){ __VA_ARGS__ }.id, code);                     \
	} while (0)
/* The next thing is one chunk of a message: joined to what scene_take_begin began. */
void scene_chunk_take(struct scene *s, unsigned who);
/* The next things are the chunks of one message, up to '$' or '#'. Each follows the one before, is
 * for this leg and from its URI, and asks for nothing but what a copy may ask for. */
void scene_take(struct scene *s, unsigned who);
/* scene_take, whole; its content (behind the two heads) is this. */
void expect_text(struct scene *s, unsigned who, const char *text);
/* scene_take, and it ends with '#'. */
void expect_cut(struct scene *s, unsigned who);
/* The next thing is a REPORT about id: 000 200, 1-octets/octets; count: Distribution-Count, or -1
 * when there is none. */
void expect_report(struct scene *s, unsigned who, const char *id, size_t octets, long count);
/* The same with another status than 200. */
void expect_failure(
	struct scene *s, unsigned who, const char *id, size_t octets, unsigned status, long count);
/* The next thing is a REPORT about id that octets which were answered 200 are lost: 000 and this
 * status, with the range 1-last/total. In peer->body is what it carries. */
void expect_lost(struct scene *s, unsigned who, const char *id, size_t last, const char *total,
	unsigned status);
/* Nothing waits: the next thing is the answer to a SEND without a body. Good for what is due on
 *                this connection already. */
void expect_nothing(struct scene *s, unsigned who);
/* Answers the chunk taken last by this person. */
void scene_answer(struct scene *s, unsigned who, unsigned status);
/* A REPORT of this person about the message with this Message-ID. status: "000 200"; range: absent,
 * or "1-5/5". */
void scene_report(
	struct scene *s, unsigned who, const char *id, const char *status, const char *range);
/* The head and content of the last message taken. */
const char *scene_content(const struct scene *s);
size_t scene_say_len(const struct scene *s, unsigned who, const struct words *words);
#endif
