/* SPDX-License-Identifier: BSD-3-Clause */
/* torture: reads the MSRP torture set (tests/torture/README.md says its form) and makes the octets
 * of a case from its file.
 *
 * Threads: one.  Memory: what is loaded and what is made is the caller's to free. A file that is not
 * in form ends the program with a sentence.
 */
#ifndef TESTS_SUPPORT_TORTURE_H
#define TESTS_SUPPORT_TORTURE_H
#include <stdbool.h>
#include "include/span.h"

#define TORTURE_PIECES_MAX 64

/* A row of index.tsv; "-" stands for nothing. */
struct torture_case {
	const char *name, *group, *rule, *basis, *layer, *on, *answers, *reaches, *then, *near,
		*says, *may;
	char *text; /* the file, with its placeholders */
	size_t len;
};

struct torture_set {
	struct torture_case *cases;
	unsigned count;
	char *index; /* what the cases' columns point into */
};

/* directory: with index.tsv and NAME.msrp for each of its rows. */
void torture_load(struct torture_set *set, const char *directory);
void torture_free(struct torture_set *set);

/* What the placeholders stand for. */
struct torture_values {
	const char *to, *from; /* URIs */
	const char *host, *port, *session;
	const char *self, *room, *peer, *plain; /* CPIM addresses */
};

struct torture_octets {
	char *at;
	size_t len;
	struct span piece[TORTURE_PIECES_MAX]; /* the counted pieces, in order */
	unsigned pieces;
};

void torture_make(struct torture_octets *out, const struct torture_case *one,
	const struct torture_values *values);
void torture_octets_free(struct torture_octets *octets);
#endif
