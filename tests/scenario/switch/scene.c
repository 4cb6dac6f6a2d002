/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/scenario/switch/scene.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

void scene_open(struct scene *s, const struct scene_settings *settings, const char *names)
{
	struct rig_room_settings room = settings->room;
	struct span rest = span_of(names), name;
	char text[40];
	unsigned i;

	memset(s, 0, sizeof(*s));
	rig_start_with(&s->rig, settings->workers != 0 ? settings->workers : 1,
		settings->msrp != NULL ? settings->msrp : "",
		settings->extra != NULL ? settings->extra : "");
	s->room = rig_room_open(&s->rig, &room);
	for (i = 0; rest.len > 0; i++) {
		name = span_cut(&rest, ' ');
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
		s->leg[i] = rig_leg(&s->rig, &s->room, text, i, !settings->outside);
		s->peer[i].fd = -1;
		if (!settings->outside)
			peer_bind(&s->peer[i], s->rig.port, &s->leg[i]);
	}
	s->count = i;
}

unsigned scene_join(struct scene *s, const char *name, const struct rig_member_settings *settings)
{
	unsigned who = s->count++;

	cr_assert_lt(who, SCENE_PEOPLE);
	s->leg[who] = rig_leg(&s->rig, &s->room, name, 0, false);
	cr_assert_eq(rig_member(&s->rig, CMD_MEMBER_ADD, &s->leg[who], settings), 0);
	peer_bind(&s->peer[who], s->rig.port, &s->leg[who]);
	return who;
}

void scene_leg(struct scene *s, const struct rig_leg *leg, enum leg_state state, uint64_t bindings)
{
	const struct leg_status *status = &s->rig.event.u.leg.status;

	do {
		rig_event(&s->rig, EVENT_LEG, &leg->id);
	} while (status->state != state || status->bindings != bindings);
}

static void at_rest(struct scene *s, const char *const *pools, unsigned count)
{
	struct switch_rig *rig = &s->rig;
	unsigned i;

	for (i = 0; i < count; i++)
		cr_expect_eq(rig_pool(rig, pools[i]), 0, "%s: %llu still held", pools[i],
			(unsigned long long)rig_pool(rig, pools[i]));
	cr_expect_eq(rig_counter(rig, "copies_begun"),
		rig_counter(rig, "copies_whole") + rig_counter(rig, "copies_cut") +
			rig_counter(rig, "copies_dropped"),
		"copies that began and never ended:%s", rig->counted);
	free(s->body);
}

void scene_ended(struct scene *s)
{
	/* Rooms and legs are still there: the controller did not take them away. */
	static const char *const pools[] = { "payloads_384", "payloads_1536", "payloads_5120",
		"payloads_buffer", "messages", "entries", "sessions", "connections", "outgoing",
		"tails", "inbounds", "transactions", "ids", "texts", "output", "reports",
		"report_blocks", "report_ranges" };
	unsigned i;

	rig_wait(&s->rig);
	for (i = 0; i < s->count; i++)
		if (s->peer[i].fd >= 0)
			peer_close(&s->peer[i]);
	at_rest(s, pools, sizeof(pools) / sizeof(pools[0]));
}

void scene_close(struct scene *s)
{
	static const char *const pools[] = { "payloads_384", "payloads_1536", "payloads_5120",
		"payloads_buffer", "messages", "entries", "sessions", "outgoing", "tails",
		"inbounds", "transactions", "ids_small", "ids_large", "heads", "kept", "texts",
		"output", "legs", "rooms", "confs_small", "confs_medium", "confs_large", "reports",
		"report_blocks", "report_ranges" };
	struct switch_cmd close = { .type = CMD_ROOM_CLOSE, .object = s->room };
	struct switch_rig *rig = &s->rig;
	unsigned i;

	for (i = 0; i < s->count; i++)
		if (s->peer[i].fd >= 0)
			peer_close(&s->peer[i]);
	if (!object_id_is_none(&s->room)) {
		cr_assert_eq(rig_command(rig, s->room.worker, &close, NULL), 0);
		rig_event(rig, EVENT_ROOM_DRAINED, &s->room);
	}
	rig_stop(rig);
	at_rest(s, pools, sizeof(pools) / sizeof(pools[0]));
}

char *scene_cpim(const struct scene *s, unsigned who, const struct words *words)
{
	char from[300], *body = NULL;

	snprintf(from, sizeof(from), "<%s>", s->leg[who].address);
	if (asprintf(&body, "From: %s\r\nTo: %s\r\n\r\nContent-Type: %s\r\n\r\n%s",
		    words->from != NULL ? words->from : from,
		    words->to != NULL ? words->to : "<" RIG_ROOM_URI ">",
		    words->type != NULL ? words->type : "text/plain",
		    words->text != NULL ? words->text : "") < 0)
		cr_assert_fail("no memory");
	return body;
}

size_t scene_say_len(const struct scene *s, unsigned who, const struct words *words)
{
	char *body = scene_cpim(s, who, words);
	size_t len = strlen(body);

	free(body);
	return len;
}

void scene_say(struct scene *s, unsigned who, const struct words *words)
{
	char *body = scene_cpim(s, who, words), headers[1024], range[64];
	size_t len = strlen(body);

	snprintf(range, sizeof(range), "1-%zu/%zu", len, len);
	snprintf(headers, sizeof(headers), "Message-ID: %s\r\n%sByte-Range: %s\r\n", words->id,
		words->headers != NULL ? words->headers : "",
		words->range != NULL ? words->range : range);
	scene_chunk(s, who, words->tid != NULL ? words->tid : words->id, headers, body, len,
		words->flag != 0 ? words->flag : '$');
	free(body);
}

void scene_chunk(struct scene *s, unsigned who, const char *tid, const char *headers,
	const void *body, size_t len, char flag)
{
	char *text = NULL;
	int head = asprintf(&text,
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n%sContent-Type: message/cpim\r\n\r\n",
		tid, s->leg[who].uri, s->leg[who].path, headers);
	size_t need;

	cr_assert_gt(head, 0);
	need = (size_t)head + len + 64;
	text = realloc(text, need);
	memcpy(text + head, body, len);
	need = (size_t)head + len +
	       (size_t)snprintf(text + head + len, 64, "\r\n-------%s%c\r\n", tid, flag);
	peer_write(&s->peer[who], text, need);
	free(text);
}

void scene_ping(struct scene *s, unsigned who, const char *tid, const char *headers)
{
	peer_print(&s->peer[who],
		"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%s-------%s$\r\n",
		tid, s->leg[who].uri, s->leg[who].path, tid, headers, tid);
}

static void take(struct scene *s, unsigned who, const char *wanted)
{
	struct msrp_peer *peer = &s->peer[who];

	if (!peer_take(peer, RIG_WAIT_MS))
		cr_assert_fail("%s: %s instead of %s", s->leg[who].address,
			peer->closed ? "the connection was closed" : "nothing came", wanted);
}

void expect_status(struct scene *s, unsigned who, const char *tid, unsigned status)
{
	const struct chunk *chunk = &s->peer[who].chunk;

	take(s, who, tid);
	cr_assert(chunk->method == METHOD_RESPONSE && span_eq(chunk->tid, span_of(tid)),
		"%s: method %d %.*s instead of a response to %s", s->leg[who].address,
		(int)chunk->method, SPAN_ARG(chunk->tid), tid);
	cr_assert_eq(chunk->status, status, "%s: %u instead of %u to %s", s->leg[who].address,
		chunk->status, status, tid);
	cr_assert(span_eq(chunk->to_path, span_of(s->leg[who].path)), "To-Path %.*s",
		SPAN_ARG(chunk->to_path));
	cr_assert(span_eq(chunk->from_path, span_of(s->leg[who].uri)), "From-Path %.*s",
		SPAN_ARG(chunk->from_path));
	cr_assert_eq(chunk->flag, '$');
}

void scene_chunk_take(struct scene *s, unsigned who)
{
	struct msrp_peer *peer = &s->peer[who];
	const struct chunk *chunk = &peer->chunk;

	take(s, who, "a message");
	cr_assert(chunk->method == METHOD_SEND, "%s: method %d status %u %.*s instead of a message",
		s->leg[who].address, (int)chunk->method, chunk->status, SPAN_ARG(chunk->tid));
	cr_assert(span_eq(chunk->to_path, span_of(s->leg[who].path)), "To-Path %.*s",
		SPAN_ARG(chunk->to_path));
	cr_assert(span_eq(chunk->from_path, span_of(s->leg[who].uri)), "From-Path %.*s",
		SPAN_ARG(chunk->from_path));
	cr_assert(span_eq(chunk->content_type, SPAN_LITERAL("message/cpim")));
	cr_assert(!chunk->include_sent_count && (s->delivered || !chunk->has_success_report));
	cr_assert(chunk->has_body && chunk->has_range);
	if (s->chunks == 0)
		snprintf(s->id, sizeof(s->id), "%.*s", SPAN_ARG(chunk->message_id));
	cr_assert(span_eq(chunk->message_id, span_of(s->id)), "%.*s comes within %s",
		SPAN_ARG(chunk->message_id), s->id);
	cr_assert_eq(chunk->range.start, s->len + 1, "a chunk from %llu on, after %zu octets",
		(unsigned long long)chunk->range.start, s->len);
	if (chunk->range.end != BYTE_RANGE_UNKNOWN && chunk->flag != '#')
		cr_assert_eq(chunk->range.end, s->len + peer->body_len);
	if (s->len + peer->body_len + 1 > s->size) {
		s->size = (s->len + peer->body_len) * 2 + 4096;
		s->body = realloc(s->body, s->size);
	}
	if (peer->body_len > 0)
		memcpy(s->body + s->len, peer->body, peer->body_len);
	s->len += peer->body_len;
	s->body[s->len] = '\0';
	s->flag = chunk->flag;
	s->chunks++;
	if (chunk->flag == '$' && chunk->range.total != BYTE_RANGE_UNKNOWN)
		cr_assert_eq(chunk->range.total, s->len, "total %llu of %zu octets",
			(unsigned long long)chunk->range.total, s->len);
}

void scene_take(struct scene *s, unsigned who)
{
	s->len = 0;
	s->chunks = 0;
	do {
		scene_chunk_take(s, who);
	} while (s->flag == '+');
}

const char *scene_content(const struct scene *s)
{
	const char *at = strstr(s->body, "\r\n\r\n");

	at = at != NULL ? strstr(at + 4, "\r\n\r\n") : NULL;
	cr_assert_not_null(at, "no CPIM head");
	return at + 4;
}

void expect_text(struct scene *s, unsigned who, const char *text)
{
	scene_take(s, who);
	cr_assert_eq(s->flag, '$', "%s: a message that ends with %c", s->leg[who].address, s->flag);
	cr_assert_str_eq(scene_content(s), text, "%s got: %.200s", s->leg[who].address, s->body);
}

void expect_cut(struct scene *s, unsigned who)
{
	scene_take(s, who);
	cr_assert_eq(s->flag, '#', "%s: a message that ends with %c", s->leg[who].address, s->flag);
}

void expect_report(struct scene *s, unsigned who, const char *id, size_t octets, long count)
{
	expect_failure(s, who, id, octets, 200, count);
}

void expect_failure(
	struct scene *s, unsigned who, const char *id, size_t octets, unsigned status, long count)
{
	const struct chunk *chunk = &s->peer[who].chunk;

	take(s, who, "a REPORT");
	cr_assert(chunk->method == METHOD_REPORT, "%s: method %d status %u instead of a REPORT",
		s->leg[who].address, (int)chunk->method, chunk->status);
	cr_assert(
		span_eq(chunk->message_id, span_of(id)), "about %.*s", SPAN_ARG(chunk->message_id));
	cr_assert(chunk->report_namespace == 0 && chunk->report_status == status,
		"Status %03u %u instead of 000 %u", chunk->report_namespace, chunk->report_status,
		status);
	cr_assert(chunk->has_range && chunk->range.start == 1 && chunk->range.end == octets &&
			  chunk->range.total == octets,
		"1-%llu/%llu instead of %zu", (unsigned long long)chunk->range.end,
		(unsigned long long)chunk->range.total, octets);
	cr_assert(!chunk->has_success_report && !chunk->has_failure_report && !chunk->has_body);
	cr_assert_eq(chunk->flag, '$');
	cr_assert(span_eq(chunk->to_path, span_of(s->leg[who].path)));
	cr_assert(span_eq(chunk->from_path, span_of(s->leg[who].uri)));
	if (count < 0)
		cr_assert(!chunk->has_distribution_count);
	else
		cr_assert(chunk->has_distribution_count && chunk->distribution_count == count,
			"Distribution-Count %d: %u instead of %ld", chunk->has_distribution_count,
			chunk->distribution_count, count);
}

void expect_lost(struct scene *s, unsigned who, const char *id, size_t last, const char *total,
	unsigned status)
{
	const struct chunk *chunk = &s->peer[who].chunk;
	char text[64];

	take(s, who, "a failure REPORT");
	cr_assert(chunk->method == METHOD_REPORT, "%s: method %d status %u instead of a REPORT",
		s->leg[who].address, (int)chunk->method, chunk->status);
	cr_assert(
		span_eq(chunk->message_id, span_of(id)), "about %.*s", SPAN_ARG(chunk->message_id));
	cr_assert_eq(chunk->report_namespace, 0);
	cr_assert_eq(
		chunk->report_status, status, "%u instead of %u", chunk->report_status, status);
	cr_assert(chunk->has_range && chunk->range.start == 1 && chunk->range.end == last,
		"%llu-%llu instead of 1-%zu", (unsigned long long)chunk->range.start,
		(unsigned long long)chunk->range.end, last);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)chunk->range.total);
	cr_assert_str_eq(chunk->range.total == BYTE_RANGE_UNKNOWN ? "*" : text, total);
	cr_assert(!chunk->has_success_report && !chunk->has_failure_report &&
		  !chunk->has_distribution_count);
	cr_assert_eq(chunk->flag, '$');
	cr_assert(span_eq(chunk->to_path, span_of(s->leg[who].path)));
	cr_assert(span_eq(chunk->from_path, span_of(s->leg[who].uri)));
}

void expect_nothing(struct scene *s, unsigned who)
{
	scene_ping(s, who, "nothing0", "");
	expect_status(s, who, "nothing0", 200);
}

void scene_answer(struct scene *s, unsigned who, unsigned status)
{
	const struct chunk *chunk = &s->peer[who].chunk;

	peer_print(&s->peer[who],
		"MSRP %.*s %u answer\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%.*s$\r\n",
		SPAN_ARG(chunk->tid), status, s->leg[who].uri, s->leg[who].path,
		SPAN_ARG(chunk->tid));
}

void scene_report(
	struct scene *s, unsigned who, const char *id, const char *status, const char *range)
{
	peer_print(&s->peer[who],
		"MSRP report01 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n%s%s%sStatus: %s\r\n-------report01$\r\n",
		s->leg[who].uri, s->leg[who].path, id, range != NULL ? "Byte-Range: " : "",
		range != NULL ? range : "", range != NULL ? "\r\n" : "", status);
}
