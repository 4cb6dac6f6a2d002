/* SPDX-License-Identifier: BSD-3-Clause */
/* A member whose endpoint is not ours: a Kamailio with a script, to which the switch connects. How it
 * behaves is the session-id in its path: it says 200, an error, nothing, or what is not MSRP
 * (context.md 1.6).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/scenario/foreign/kamailio.h"
#include "tests/scenario/switch/scene.h"

/* What came is in the log with the octets of its body and its last octet before the line end, the
 * continuation flag. */
static const char endpoint[] =
	"	if (msrp_is_reply()) xlog(\"L_NOTICE\", \"told $msrp(code)\\n\");\n"
	"	xlog(\"L_NOTICE\", \"got $msrp(method) for $msrp(sessid): $msrp(bodylen) octets $(msrp(buf){s.substr,-3,1})\\n\");\n"
	"	if ($msrp(method) != \"SEND\") exit;\n"
	"	if ($msrp(bodylen) == 0 || $msrp(sessid) == \"good\") {\n"
	"		msrp_reply(\"200\", \"OK\");\n"
	"	} else if ($msrp(sessid) =~ \"^e[0-9]\") {\n"
	"		msrp_reply(\"$(msrp(sessid){s.substr,1,3})\", \"No\");\n"
	"	} else if ($msrp(sessid) == \"startline\") {\n"
	"		msrp_reply(\"what\", \"is this\");\n"
	"	} else if ($msrp(sessid) == \"header\") {\n"
	"		msrp_reply(\"200\", \"OK\", \"a line that is no header\\r\\n\");\n"
	"	} else if ($msrp(sessid) == \"noise\") {\n"
	"		msrp_reply(\"200\", \"OK\", \"-------$msrp(transid)$$\\r\\nnoise\\r\\n\");\n"
	"	}\n";

static struct kamailio k;

static void leg_is(struct scene *s, unsigned who, unsigned state, unsigned cause)
{
	const struct leg_status *status = &s->rig.event.u.leg.status;

	do {
		rig_event(&s->rig, EVENT_LEG, &s->leg[who].id);
	} while (status->state != state);
	cr_assert_eq(status->cause, cause, "cause %u (%s)", status->cause,
		leg_cause_text(status->cause));
}

/* alice and bob, and one who behaves like this; the switch connects to it. */
static unsigned open_scene(
	struct scene *s, const char *behaviour, unsigned workers, const char *msrp)
{
	struct rig_leg_settings settings = { .setup = LEG_ACTIVE };
	char path[100], line[100];
	unsigned who;

	kamailio_needed();
	kamailio_start(&k, 0, endpoint);
	scene_open(s, &(struct scene_settings){ .workers = workers, .msrp = msrp }, "alice bob");
	who = s->count++;
	s->peer[who].fd = -1; /* it is no peer of the rig's */
	snprintf(path, sizeof(path), "msrp://127.0.0.1:%u/%s;tcp", k.port, behaviour);
	settings.path = path;
	s->leg[who] = rig_leg_add(&s->rig, &s->room, "carol", &settings);
	cr_assert_eq(rig_member(&s->rig, CMD_MEMBER_ADD, &s->leg[who],
			     &(struct rig_member_settings){ .participant = who }),
		0);
	leg_is(s, who, LEG_BOUND, LEG_CAUSE_NONE);
	snprintf(line, sizeof(line), "got SEND for %s: 0 octets $", behaviour);
	cr_assert(kamailio_says(&k, line), "the switch says nothing");
	return who;
}

static void close_scene(struct scene *s)
{
	scene_close(s);
	kamailio_stop(&k);
}

/* A message that asks for a count: bob answers 200, carol as she does. */
static void counted(struct scene *s, const char *id, const char *behaviour, unsigned count)
{
	struct words words = { .id = id,
		.text = "how many?",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n" };
	size_t octets = scene_say_len(s, ALICE, &words);
	char line[100];

	scene_say(s, ALICE, &words);
	expect_status(s, ALICE, id, 200);
	expect_text(s, BOB, "how many?");
	scene_answer(s, BOB, 200);
	snprintf(line, sizeof(line), "got SEND for %s: %zu octets $", behaviour, octets + 2);
	cr_assert(kamailio_says(&k, line), "%s", line);
	expect_report(s, ALICE, id, octets, count);
}

/* The room goes on, and carol with it. */
static void goes_on(struct scene *s, const char *behaviour)
{
	char line[100];

	SAY(s, BOB, .id = "after000", .text = "after that");
	expect_status(s, BOB, "after000", 200);
	expect_text(s, ALICE, "after that");
	snprintf(line, sizeof(line), "got SEND for %s: %zu octets $", behaviour,
		scene_say_len(s, BOB, &(struct words){ .text = "after that" }) + 2);
	cr_assert(kamailio_says(&k, line), "carol gets no more messages");
}

Test(kamailio_endpoint, that_answers_200_is_counted, .timeout = 60)
{
	struct scene s;

	open_scene(&s, "good", 2, NULL);
	counted(&s, "counted0", "good", 2);
	goes_on(&s, "good");
	close_scene(&s);
}

/* context.md 1.6: an error response to a whole message: that copy has failed, nothing more. */
static void refuses(const char *behaviour)
{
	struct scene s;

	open_scene(&s, behaviour, 2, NULL);
	counted(&s, "counted0", behaviour, 1);
	counted(&s, "counted1", behaviour, 1);
	goes_on(&s, behaviour);
	close_scene(&s);
}

Test(kamailio_endpoint, that_answers_413_is_not_counted, .timeout = 60)
{
	refuses("e413");
}

Test(kamailio_endpoint, that_answers_415_is_not_counted, .timeout = 60)
{
	refuses("e415");
}

/* RFC 4975 10.8: a session that the peer does not know is over, and its leg says so. */
Test(kamailio_endpoint, that_answers_481_has_no_session_any_more, .timeout = 60)
{
	struct scene s;
	unsigned carol = open_scene(&s, "e481", 2, NULL);

	counted(&s, "counted0", "e481", 1);
	leg_is(&s, carol, LEG_UNBOUND, LEG_CAUSE_LOST);
	SAY(&s, BOB, .id = "after000", .text = "after that");
	expect_status(&s, BOB, "after000", 200);
	expect_text(&s, ALICE, "after that");
	close_scene(&s);
}

Test(kamailio_endpoint, that_answers_what_no_standard_knows_is_not_counted, .timeout = 60)
{
	refuses("e799");
}

/* context.md 2.6: what nobody answers is not counted when the time is over. */
Test(kamailio_endpoint, that_is_silent_is_not_counted_and_costs_nobody_anything, .timeout = 60)
{
	struct scene s;

	open_scene(&s, "silent", 2, "  count_wait_s: 1\n");
	counted(&s, "counted0", "silent", 1);
	goes_on(&s, "silent");
	close_scene(&s);
}

/* context.md 1.1: what is not MSRP costs the connection; the leg is unbound and says why. */
static void babbles(const char *behaviour)
{
	struct scene s;
	unsigned carol = open_scene(&s, behaviour, 2, NULL);

	SAY(&s, ALICE, .id = "hello000", .text = "hello");
	expect_status(&s, ALICE, "hello000", 200);
	expect_text(&s, BOB, "hello");
	leg_is(&s, carol, LEG_UNBOUND, LEG_CAUSE_PROTOCOL);
	SAY(&s, BOB, .id = "after000", .text = "without carol",
		.headers = "Success-Report: yes;Include-Sent-Count\r\n");
	expect_status(&s, BOB, "after000", 200);
	expect_text(&s, ALICE, "without carol");
	scene_answer(&s, ALICE, 200);
	expect_report(&s, BOB, "after000",
		scene_say_len(&s, BOB, &(struct words){ .text = "without carol" }), 1);
	close_scene(&s);
	cr_assert_eq(rig_counter(&s.rig, "connections_bad"), 1);
}

Test(kamailio_endpoint, whose_start_line_is_none_is_unbound, .timeout = 60)
{
	babbles("noise");
}

/* `MSRP tid what is this` has the form of a start line, but that is no method (context.md 1.1): 400,
 * and the stream is as framed as before. */
Test(kamailio_endpoint, whose_answer_has_no_status_is_answered, .timeout = 60)
{
	struct scene s;

	open_scene(&s, "startline", 2, "  count_wait_s: 1\n");
	counted(&s, "counted0", "startline", 1);
	cr_assert(kamailio_says(&k, "told 400"));
	goes_on(&s, "startline");
	close_scene(&s);
}

Test(kamailio_endpoint, whose_header_is_none_is_unbound, .timeout = 60)
{
	babbles("header");
}

/* RFC 4975 7.1: it is told by '#' that no more comes. */
Test(kamailio_endpoint, is_told_that_a_message_was_given_up, .timeout = 60)
{
	char *body, line[100], headers[100];
	static char text[3001];
	struct scene s;

	/* One worker: when alice is answered, carol's copy has begun. */
	open_scene(&s, "good", 1, NULL);
	memset(text, 'A', sizeof(text) - 1);
	body = scene_cpim(&s, ALICE, &(struct words){ .text = text });
	scene_chunk(&s, ALICE, "givenup0", "Message-ID: givenup\r\nByte-Range: 1-*/9000\r\n", body,
		strlen(body), '+');
	expect_status(&s, ALICE, "givenup0", 200);
	snprintf(headers, sizeof(headers), "Message-ID: givenup\r\nByte-Range: %zu-*/9000\r\n",
		strlen(body) + 1);
	scene_chunk(&s, ALICE, "givenup1", headers, "", 0, '#');
	expect_status(&s, ALICE, "givenup1", 200);
	snprintf(line, sizeof(line), "got SEND for good: %zu octets #", strlen(body) + 2);
	cr_assert(kamailio_says(&k, line), "%s", line);
	expect_cut(&s, BOB);
	free(body);
	goes_on(&s, "good");
	close_scene(&s);
}
