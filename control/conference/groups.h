/* SPDX-License-Identifier: BSD-3-Clause */
/* groups: the pre-defined groups of this server: the directory conference.groups, loaded, watched,
 * and asked.
 *
 * Place:    focus owns it; controlling/ and policy ask it.
 * Spec:     context.md 4.1, 4.2; design 3 (a broken document is skipped at start; on a reload the
 *           last good one stays).
 * Threads:  the focus's one thread; groups_poll does a bounded piece of work (one file a call).
 * Watched:  with inotify, which sees what is done on this machine. A file is read when who wrote it
 *           closes it, or when it is moved or linked here; the directory may come, go and be
 *           replaced. Of two files with one group the first one read keeps it (at start: by name),
 *           and the other is refused until the first has left it.
 * Memory:   a struct group is counted: groups hold one reference while the document is in force,
 *           a conference another, so that an active conference survives the document's removal.
 */
#ifndef CONTROL_CONFERENCE_GROUPS_H
#define CONTROL_CONFERENCE_GROUPS_H
#include <stdio.h>
#include "control/xml/group_document.h"

struct groups;

struct group {
	unsigned references;
	struct group_document *document;
	char *file; /* it came from */
};

/* Loads every *.xml of the directory; what is broken is logged with file and line and skipped. A
 * directory that does not exist is logged once and watched for: there are no groups then.
 * -ENOBUFS. */
must_check int groups_new(struct groups **out, const char *directory);
void groups_free(struct groups *groups);
/* What groups_new would refuse, or warn of, a line each as FILE:LINE: sentence. -EINVAL: something
 * would be refused; -ENOBUFS. */
must_check int groups_check(const char *directory, FILE *errors);

/* Readable when something in the directory changed (inotify); -1: it cannot be watched, and
 * groups_poll looks by itself every few seconds. */
int groups_fd(const struct groups *groups);
/* Takes changes in: a file added, changed, removed. An invalid one is logged with file and line,
 * and the old one stays in force. True: something is still to be done, call again. */
bool groups_poll(struct groups *groups, uint64_t now_ms);

/* canonical: of the Request-URI. NULL: not ours. Borrowed until the next groups_poll. */
struct group *groups_find(const struct groups *groups, const char *canonical);
unsigned groups_count(const struct groups *groups);
/* Rises whenever a document came into force or left it. */
uint64_t groups_generation(const struct groups *groups);

struct group *group_get(struct group *group); /* one more reference */
void group_put(struct group *group);          /* NULL is allowed */

/* NULL: not on the list. O(1). canonical_second may be "" or NULL. */
const struct group_member *group_member_find(
	const struct group *group, const char *canonical, const char *canonical_second);
/* May this user do that? Rules: all conditions hold; booleans OR over the rules that apply
 * (RFC 4745 10, context.md 4.2). anonymous: the request asks for privacy. */
bool group_allows(const struct group *group, enum group_action action, const char *canonical,
	const char *canonical_second, bool anonymous);
#endif
