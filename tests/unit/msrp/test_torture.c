/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSRP torture set (tests/torture) against the parser alone: what it takes, what it refuses,
 * and that no split of the stream changes anything. */
#include "tests/support/torture.h"
#include "tests/unit/msrp/chunk_trace.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct torture_set set;

static const struct torture_values values = {
	.to = "msrp://198.51.100.5:2855/Zs81hTq0a9;tcp",
	.from = "msrp://192.0.2.10:2855/ka83jsd9;tcp",
	.host = "198.51.100.5",
	.port = "2855",
	.session = "Zs81hTq0a9",
	.self = "sip:alice@example.com",
	.room = "sip:im-q7w2e9@conf.example.com",
	.peer = "sip:bob@example.com",
	.plain = "sip:carol@example.com",
};

static void load(void)
{
	const char *directory = getenv("PLENUM_TORTURE");

	cr_assert_not_null(directory, "PLENUM_TORTURE names no directory");
	torture_load(&set, directory);
	cr_assert_gt(set.count, 200u);
}

static void unload(void)
{
	torture_free(&set);
}

TestSuite(torture, .init = load, .fini = unload, .timeout = 120);

/* What the index says of the answer to this transaction; 0: none. */
static unsigned answer_to(const struct torture_case *one, struct span tid)
{
	struct span rest = span_of(one->answers), item;

	while (rest.len > 0) {
		item = span_cut(&rest, ' ');
		if (item.len > tid.len + 1 && item.at[tid.len] == '=' &&
			memcmp(item.at, tid.at, tid.len) == 0)
			return (unsigned)strtoul(item.at + tid.len + 1, NULL, 10);
	}
	return 0;
}

static bool is(const char *text, const char *word)
{
	return strcmp(text, word) == 0;
}

/* Takes all events; what was refused must be what the index has refused, with the same status. */
static void outcome_check(const struct torture_case *one, struct span octets)
{
	const bool framing = is(one->layer, "framing"), syntax = is(one->layer, "syntax");
	struct chunk_in in;
	struct chunk chunk;
	enum chunk_event event;
	unsigned refused = 0;
	bool between = true;
	size_t used;

	chunk_in_init(&in);
	do {
		event = chunk_in_feed(&in, octets, &used, &chunk);
		octets.at += used;
		octets.len -= used;
		if (event == CHUNK_HEAD || event == CHUNK_END)
			between = event == CHUNK_END;
		if (event != CHUNK_HEAD || chunk.refuse == 0)
			continue;
		refused++;
		cr_expect(syntax, "%s: %.*s is refused: %s", one->name, SPAN_ARG(chunk.tid),
			chunk.refuse_why);
		if (answer_to(one, chunk.tid) != 0)
			cr_expect_eq(chunk.refuse, answer_to(one, chunk.tid), "%s: %u", one->name,
				chunk.refuse);
	} while (event != CHUNK_MORE && event != CHUNK_BAD);
	cr_expect_eq(event == CHUNK_BAD, framing, "%s: %s", one->name,
		framing ? "it is taken" : chunk_in_error(&in));
	cr_expect_eq(refused > 0, syntax, "%s: nothing is refused", one->name);
	if (!framing && !is(one->then, "waits"))
		cr_expect(
			between && octets.len == 0, "%s: it does not end where it ends", one->name);
	/* Elsewhere it is the message that is not finished, of which the parser knows nothing. */
	if (is(one->then, "waits") && is(one->group, "body"))
		cr_expect(!between || octets.len > 0, "%s: it is finished", one->name);
}

Test(torture, the_parser_takes_what_is_good_and_refuses_what_is_not)
{
	struct torture_octets octets;

	for (unsigned i = 0; i < set.count; i++) {
		torture_make(&octets, &set.cases[i], &values);
		outcome_check(&set.cases[i], span_make(octets.at, octets.len));
		torture_octets_free(&octets);
	}
}

static void play(const char *name, struct chunk_trace *trace, struct span stream,
	chunk_trace_piece *piece, void *arg)
{
	chunk_trace_play(trace, stream, piece, arg);
	cr_assert_null(trace->broken, "%s: %s", name, trace->broken);
}

Test(torture, no_split_changes_anything)
{
	for (unsigned i = 0; i < set.count; i++) {
		const char *name = set.cases[i].name;
		struct torture_octets octets;
		struct chunk_trace whole, cut;
		struct span stream;
		size_t at, step;

		torture_make(&octets, &set.cases[i], &values);
		stream = span_make(octets.at, octets.len);
		play(name, &whole, stream, chunk_trace_whole, NULL);
		if (stream.len <= 20000) {
			play(name, &cut, stream, chunk_trace_octets, NULL);
			cr_assert(chunk_trace_eq(&whole, &cut), "%s: octet by octet", name);
			chunk_trace_fini(&cut);
		}
		/* In two at every place; the long ones at some hundred. */
		step = stream.len <= 3000 ? 1 : stream.len / 500;
		for (at = 1; at < stream.len; at += step) {
			size_t first = at;

			play(name, &cut, stream, chunk_trace_split, &first);
			cr_assert(chunk_trace_eq(&whole, &cut), "%s: cut at %zu", name, at);
			chunk_trace_fini(&cut);
		}
		chunk_trace_fini(&whole);
		torture_octets_free(&octets);
	}
}

/* What others are to use has to be in form. */
Test(torture, the_index_is_in_form)
{
	for (unsigned i = 0; i < set.count; i++) {
		const struct torture_case *one = &set.cases[i];
		const char *dash = strchr(one->name, '-');

		cr_expect(dash != NULL && (size_t)(dash - one->name) == strlen(one->group) &&
				  memcmp(one->name, one->group, strlen(one->group)) == 0,
			"%s is not of group %s", one->name, one->group);
		cr_expect(is(one->basis, "MUST") || is(one->basis, "SHOULD") ||
				  is(one->basis, "grammar") || is(one->basis, "ours"),
			"%s: %s", one->name, one->basis);
		cr_expect(is(one->layer, "good") || is(one->layer, "framing") ||
				  is(one->layer, "syntax") || is(one->layer, "session") ||
				  is(one->layer, "content"),
			"%s: %s", one->name, one->layer);
		cr_expect(is(one->on, "bound") || is(one->on, "new") || is(one->on, "second"),
			"%s: %s", one->name, one->on);
		cr_expect(
			is(one->then, "open") || is(one->then, "closed") || is(one->then, "waits"),
			"%s: %s", one->name, one->then);
		cr_expect(!is(one->layer, "framing") || is(one->then, "closed"), "%s", one->name);
		/* What breaks a rule names the nearest that does not. */
		cr_expect(is(one->layer, "good") || !is(one->near, "-") || is(one->then, "waits"),
			"%s has no neighbour", one->name);
		for (unsigned k = 0; k < i; k++)
			cr_expect_str_neq(one->name, set.cases[k].name);
	}
}
