/* SPDX-License-Identifier: BSD-3-Clause */
/* A file is read again when somebody has closed it after writing, or has moved it here; so half a
 * document is seen only at start, and the end of the writing is seen then.
 *
 *   directory --inotify--> file, waiting --groups_poll--> parsed --> in force: by_uri
 *                                                           |
 *                                                           +--> refused: what it had in force stays
 *
 * The directory may be missing, and may be another one behind the same name tomorrow (a symbolic
 * link moved over it): the directory above it is watched as well, or the nearest one that exists.
 */
#include "control/conference/groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/hash.h"
#include "control/sip/identity.h"
#include "include/log.h"

#define SCAN_MS      5000 /* between two looks at a directory that cannot be watched */
#define EVENTS_A_RUN 64   /* reads of events a call */
#define WATCH                                                                                      \
	(IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB |        \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct member_entry {
	UT_hash_handle hh;
	const struct group_member *member;
};

/* What a struct group is in here. */
struct loaded {
	struct group group; /* first: one is the other */
	UT_hash_handle hh;  /* of groups.by_uri, while in force */
	struct member_entry *members, *by_address;
};

/* A file is as it was when this is as it was. */
struct mark {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct file {
	UT_hash_handle hh;      /* of groups.files */
	TAILQ_ENTRY(file) link; /* of groups.waiting */
	bool waiting;
	bool seen;    /* by the scan that runs */
	bool refused; /* what it says now is not in force */
	bool blocked; /* because another file has one of its addresses */
	char *name;
	struct mark mark;
	struct loaded **groups; /* in force */
	unsigned count;
};

struct groups {
	char *directory;
	FILE *errors; /* --check: faults are written there; NULL: logged */
	unsigned faults;
	int inotify, watch, watch_above; /* -1: none */
	char above_name[NAME_MAX + 1];   /* what leads to the directory, in the one watched above */
	bool said_missing;
	uint64_t scanned_ms;
	struct file *files;
	TAILQ_HEAD(, file) waiting;
	struct loaded *by_uri;
	unsigned count;
	uint64_t generation;
};

/* ---- a group ---- */

static struct loaded *loaded_of(const struct group *group)
{
	return (struct loaded *)(uintptr_t)group;
}

static void loaded_free(struct loaded *l)
{
	struct member_entry *m, *next;

	HASH_ITER(hh, l->by_address, m, next) HASH_DEL(l->by_address, m);
	free(l->members);
	group_document_free(l->group.document);
	free(l->group.file);
	free(l);
}

/* Takes the document when it succeeds. */
static struct loaded *loaded_new(struct group_document *document, const char *path)
{
	struct loaded *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->group.references = 1;
	l->group.file = strdup(path);
	l->members = calloc(document->member_count + 1, sizeof(*l->members));
	if (l->group.file == NULL || l->members == NULL) {
		loaded_free(l);
		return NULL;
	}
	l->group.document = document;
	for (unsigned i = 0; i < document->member_count; i++) {
		struct member_entry *m = &l->members[i];

		m->member = &document->members[i];
		HASH_ADD_KEYPTR(
			hh, l->by_address, m->member->canonical, strlen(m->member->canonical), m);
	}
	return l;
}

struct group *group_get(struct group *group)
{
	group->references++;
	return group;
}

void group_put(struct group *group)
{
	if (group != NULL && --group->references == 0)
		loaded_free(loaded_of(group));
}

static const struct group_member *member_find(const struct group *group, const char *canonical)
{
	struct member_entry *m;

	if (canonical == NULL || canonical[0] == '\0')
		return NULL;
	HASH_FIND(hh, loaded_of(group)->by_address, canonical, strlen(canonical), m);
	return m != NULL ? m->member : NULL;
}

const struct group_member *group_member_find(
	const struct group *group, const char *canonical, const char *canonical_second)
{
	const struct group_member *member = member_find(group, canonical);

	return member != NULL ? member : member_find(group, canonical_second);
}

/* ---- rules ---- */

/* Who asks. */
struct asker {
	const struct group *group;
	const char *addresses[2]; /* canonical; the second may be NULL or "" */
	bool anonymous;
};

/* except: a canonical address, or "@" and a domain. */
static bool is_excepted(const char *except, const char *address)
{
	if (except[0] == '@')
		return span_eq_nocase(identity_host(span_of(address)), span_of(except + 1));
	return strcmp(except, address) == 0;
}

static int by_address(const void *address, const void *identity)
{
	return strcmp(address, ((const struct group_identity *)identity)->canonical);
}

/* RFC 4745 7.1. Who is excepted under one of his addresses is so under the other. */
static bool many_holds(const struct group_identity *many, const struct asker *asker)
{
	bool holds = false;

	for (unsigned i = 0; i < 2; i++) {
		const char *address = asker->addresses[i];

		if (address == NULL || address[0] == '\0')
			continue;
		for (char **e = many->excepts; e != NULL && *e != NULL; e++) {
			if (is_excepted(*e, address))
				return false;
		}
		holds = holds || many->domain == NULL ||
			span_eq_nocase(identity_host(span_of(address)), span_of(many->domain));
	}
	return holds;
}

static bool one_of_holds(const struct group_condition *condition, const struct asker *asker)
{
	for (unsigned i = 0; i < 2; i++) {
		if (asker->addresses[i] != NULL && condition->named_count > 0 &&
			bsearch(asker->addresses[i], condition->identities, condition->named_count,
				sizeof(condition->identities[0]), by_address) != NULL)
			return true;
	}
	for (unsigned i = condition->named_count; i < condition->identity_count; i++) {
		if (many_holds(&condition->identities[i], asker))
			return true;
	}
	return false;
}

/* context.md 4.2: he is none of those whom some rule names. */
static bool is_other(const struct asker *asker)
{
	const struct group_document *d = asker->group->document;

	for (unsigned i = 0; i < d->rule_count; i++) {
		for (unsigned k = 0; k < d->rules[i].condition_count; k++) {
			const struct group_condition *c = &d->rules[i].conditions[k];

			if (c->kind == GROUP_IF_EXTERNAL ||
				(c->kind == GROUP_IF_IDENTITY && one_of_holds(c, asker)))
				return false;
		}
	}
	return true;
}

static bool condition_holds(const struct group_condition *condition, const struct asker *asker)
{
	switch (condition->kind) {
	case GROUP_IF_MEMBER:
		return group_member_find(asker->group, asker->addresses[0], asker->addresses[1]) !=
		       NULL;
	case GROUP_IF_IDENTITY: return one_of_holds(condition, asker);
	case GROUP_IF_OTHER: return is_other(asker);
	case GROUP_IF_ANONYMOUS: return asker->anonymous;
	case GROUP_IF_EXTERNAL:
	case GROUP_IF_UNKNOWN: break;
	}
	return false;
}

static bool rule_applies(const struct group_rule *rule, const struct asker *asker)
{
	for (unsigned i = 0; i < rule->condition_count; i++) {
		if (!condition_holds(&rule->conditions[i], asker))
			return false;
	}
	return true;
}

bool group_allows(const struct group *group, enum group_action action, const char *canonical,
	const char *canonical_second, bool anonymous)
{
	const struct group_document *d = group->document;
	struct asker asker = { group, { canonical, canonical_second }, anonymous };
	bool said = false;

	for (unsigned i = 0; i < d->rule_count; i++) {
		const struct group_rule *rule = &d->rules[i];

		if ((rule->said & 1u << action) == 0 || !rule_applies(rule, &asker))
			continue;
		said = true;
		if (rule->allowed & 1u << action)
			return true; /* RFC 4745 10.2: booleans OR */
	}
	return !said && action == GROUP_PRIVATE_MESSAGE; /* context.md 4.1 */
}

/* ---- a file ---- */

static bool is_document_name(const char *name)
{
	size_t len = strlen(name);

	/* Of hidden files editors and copying programs make their temporary ones. */
	return name[0] != '.' && len > 4 && strcmp(name + len - 4, ".xml") == 0;
}

static char *path_of(const struct groups *groups, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", groups->directory, name) < 0)
		return NULL;
	return path;
}

/* In a form that editors and people find the place by. line 0: of no line. */
static void fault_say(struct groups *groups, const struct file *file, const char *path,
	unsigned line, const char *sentence)
{
	char place[16] = "";

	groups->faults++;
	if (line > 0)
		snprintf(place, sizeof(place), ":%u", line);
	if (groups->errors != NULL)
		fprintf(groups->errors, "%s%s: %s\n", path, place, sentence);
	else
		log_error("groups", "%s%s: %s%s", path, place, sentence,
			file->count > 0 ? "; what was in force stays" : "");
}

static struct mark mark_of(const struct stat *s)
{
	return (struct mark){ s->st_dev, s->st_ino, s->st_size, s->st_mtim, s->st_ctim };
}

static bool mark_eq(const struct mark *a, const struct mark *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The octets of a file: 0, -ENOENT: there is none, -EBADMSG: said. */
static int file_read(
	struct groups *groups, struct file *file, const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = -EBADMSG;
	const char *problem = NULL;
	struct stat s;
	ssize_t got = 1;

	*text = NULL;
	*len = 0;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0 || fstat(fd, &s) != 0) {
		problem = strerror(errno);
	} else if (!S_ISREG(s.st_mode)) {
		problem = "is no file: move it elsewhere";
	} else if (s.st_size > (off_t)GROUP_DOCUMENT_MAX) {
		problem = "is longer than 64 MiB: write several groups in several files";
	} else {
		file->mark = mark_of(&s);
		*text = malloc((size_t)s.st_size + 1);
		/* What is appended meanwhile is not read: its writer's end is seen later. */
		while (*text != NULL && got > 0 && *len < (size_t)s.st_size) {
			got = read(fd, *text + *len, (size_t)s.st_size - *len);
			if (got > 0)
				*len += (size_t)got;
		}
		if (*text == NULL)
			problem = "no memory to read it";
		else if (got < 0)
			problem = strerror(errno);
		else
			r = 0;
	}
	if (fd >= 0)
		close(fd);
	if (problem != NULL) {
		fault_say(groups, file, path, 0, problem);
		free(*text);
		*text = NULL;
	}
	return r;
}

static void file_wait(struct groups *groups, struct file *file)
{
	if (!file->waiting)
		TAILQ_INSERT_TAIL(&groups->waiting, file, link);
	file->waiting = true;
}

static struct file *file_enter(struct groups *groups, const char *name)
{
	struct file *file;

	HASH_FIND(hh, groups->files, name, strlen(name), file);
	if (file != NULL)
		return file;
	file = calloc(1, sizeof(*file));
	if (file == NULL)
		return NULL;
	file->name = strdup(name);
	if (file->name == NULL) {
		free(file);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, groups->files, file->name, strlen(file->name), file);
	return file;
}

/* Its groups leave force; who waited for one of their addresses is looked at again. */
static void file_withdraw(struct groups *groups, struct file *file)
{
	struct file *other, *next;

	if (file->count == 0)
		return;
	for (unsigned i = 0; i < file->count; i++) {
		HASH_DEL(groups->by_uri, file->groups[i]);
		group_put(&file->groups[i]->group);
		groups->count--;
	}
	free(file->groups);
	file->groups = NULL;
	file->count = 0;
	groups->generation++;
	HASH_ITER(hh, groups->files, other, next)
	{
		if (other->blocked && other != file)
			file_wait(groups, other);
	}
}

static void file_free(struct groups *groups, struct file *file)
{
	if (file->waiting)
		TAILQ_REMOVE(&groups->waiting, file, link);
	file->waiting = false;
	file_withdraw(groups, file);
	HASH_DEL(groups->files, file);
	free(file->name);
	free(file);
}

static void file_gone(struct groups *groups, struct file *file)
{
	log_info("groups", "group document removed file=%s/%s groups=%u", groups->directory,
		file->name, file->count);
	file_free(groups, file);
}

static void warning_say(const struct groups *groups, const char *path, unsigned line,
	const char *sentence, const char *what)
{
	if (groups->errors != NULL)
		fprintf(groups->errors, "%s:%u: %s: %s\n", path, line, sentence, what);
	else
		log_warning("groups", "%s:%u: %s: %s", path, line, sentence, what);
}

/* What will never be as its writer may think. */
static void document_warn(
	const struct groups *groups, const struct group_document *d, const char *path)
{
	if (d->members_unknown)
		warning_say(groups, path, d->line,
			"an <external> list is not fetched, so who is on it is no member", d->uri);
	for (unsigned i = 0; i < d->rule_count; i++) {
		const struct group_rule *rule = &d->rules[i];

		for (unsigned k = 0; k < rule->condition_count; k++) {
			enum group_condition_kind kind = rule->conditions[k].kind;

			if (kind != GROUP_IF_EXTERNAL && kind != GROUP_IF_UNKNOWN)
				continue;
			warning_say(groups, path, rule->line,
				"a rule never applies, as one of its conditions is not known here",
				rule->id);
			break;
		}
	}
}

/* CF-7.2.1.3-R1: an address is owned once. False: said. */
static bool addresses_are_free(struct groups *groups, const struct file *file, const char *path,
	struct group_document *const *documents, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct group_document *d = documents[i];
		const struct group *group = groups_find(groups, d->canonical);
		char sentence[200];

		if (group == NULL || strcmp(group->file, path) == 0)
			continue;
		snprintf(sentence, sizeof(sentence),
			"group %.50s is defined in %.60s already: leave one of them out", d->uri,
			strrchr(group->file, '/') + 1);
		fault_say(groups, file, path, d->line, sentence);
		return false;
	}
	return true;
}

/* Takes the documents and their array when it succeeds. */
static int documents_enforce(struct groups *groups, struct file *file, const char *path,
	struct group_document **documents, unsigned count)
{
	struct loaded **made = calloc(count, sizeof(struct loaded *));
	unsigned members = 0, n;

	for (n = 0; made != NULL && n < count; n++) {
		made[n] = loaded_new(documents[n], path);
		if (made[n] == NULL)
			break;
	}
	if (made == NULL || n < count) {
		while (made != NULL && n-- > 0) {
			made[n]->group.document = NULL; /* is the caller's still */
			loaded_free(made[n]);
		}
		free(made);
		return -ENOBUFS;
	}
	file_withdraw(groups, file);
	file->groups = made;
	file->count = count;
	for (unsigned i = 0; i < count; i++) {
		const char *canonical = documents[i]->canonical;

		HASH_ADD_KEYPTR(hh, groups->by_uri, canonical, strlen(canonical), made[i]);
		groups->count++;
		members += documents[i]->member_count;
		document_warn(groups, documents[i], path);
	}
	groups->generation++;
	if (groups->errors == NULL)
		log_info("groups", "group document in force file=%s groups=%u members=%u", path,
			count, members);
	free(documents);
	return 0;
}

/* True: it is a file still. */
static bool file_load(struct groups *groups, struct file *file)
{
	struct group_document **documents = NULL;
	struct group_fault fault;
	unsigned count = 0;
	char *path = path_of(groups, file->name), *text = NULL;
	size_t len;
	int r;

	if (path == NULL) {
		log_error("groups", "no memory for file=%s", file->name);
		return true;
	}
	file->refused = true;
	file->blocked = false;
	r = file_read(groups, file, path, &text, &len);
	if (r == -ENOENT) {
		free(path);
		file_gone(groups, file);
		return false;
	}
	if (r < 0)
		goto end;
	r = group_document_parse(span_make(text, len), &documents, &count, &fault);
	if (r == -EBADMSG)
		fault_say(groups, file, path, fault.line, fault.sentence);
	else if (r == 0 && !addresses_are_free(groups, file, path, documents, count))
		r = -EEXIST;
	else if (r == 0)
		r = documents_enforce(groups, file, path, documents, count);
	if (r == -ENOBUFS)
		fault_say(groups, file, path, 0, "no memory for its groups");
	file->refused = r != 0;
	file->blocked = r == -EEXIST;
	if (r != 0) {
		for (unsigned i = 0; i < count; i++)
			group_document_free(documents[i]);
		free(documents);
	}
end:
	free(text);
	free(path);
	return true;
}

/* ---- the directory ---- */

static int is_document(const struct dirent *entry)
{
	return is_document_name(entry->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool file_is_as_it_was(const struct groups *groups, const struct file *file)
{
	char *path = path_of(groups, file->name);
	bool same = false;
	struct stat s;

	if (path != NULL && stat(path, &s) == 0) {
		struct mark mark = mark_of(&s);

		same = mark_eq(&mark, &file->mark);
	}
	free(path);
	return same;
}

/* Compares the directory with what is known of it: changed files wait for groups_poll. */
static void scan(struct groups *groups)
{
	struct dirent **entries = NULL;
	struct file *file, *next;
	int count = scandir(groups->directory, &entries, is_document, by_name);

	if (count < 0 && errno != ENOENT && errno != ENOTDIR) {
		/* What cannot be read has not been removed. */
		log_error("groups", "%s: %s", groups->directory, strerror(errno));
		return;
	}
	if (count < 0 && !groups->said_missing && groups->errors == NULL)
		log_info("groups", "no directory of group documents, no groups directory=%s",
			groups->directory);
	groups->said_missing = count < 0;
	for (int i = 0; i < count; i++) {
		file = file_enter(groups, entries[i]->d_name);
		if (file != NULL)
			file->seen = true;
	}
	/* Removed ones first: their groups may be in a file of another name now. */
	HASH_ITER(hh, groups->files, file, next)
	{
		if (!file->seen)
			file_wait(groups, file);
		file->seen = false;
	}
	for (int i = 0; i < count; i++) {
		file = file_enter(groups, entries[i]->d_name);
		if (file != NULL && !file_is_as_it_was(groups, file))
			file_wait(groups, file);
		free(entries[i]);
	}
	free(entries);
}

/* Watches the directory above, or the nearest one that there is, for the name that leads to
 * ours. */
static int watch_above(struct groups *groups)
{
	char *path = strdup(groups->directory), *slash;
	int watch = -1;

	while (watch < 0 && path != NULL && (slash = strrchr(path, '/')) != NULL) {
		snprintf(groups->above_name, sizeof(groups->above_name), "%s", slash + 1);
		*slash = '\0';
		watch = inotify_add_watch(groups->inotify, slash == path ? "/" : path, WATCH);
	}
	free(path);
	return watch;
}

static void watch_again(struct groups *groups)
{
	int old = groups->watch, old_above = groups->watch_above;

	if (groups->inotify < 0)
		return;
	groups->watch_above = watch_above(groups);
	groups->watch = inotify_add_watch(groups->inotify, groups->directory, WATCH);
	/* Of directories that are no longer ours; an error: they have gone. */
	if (old >= 0 && old != groups->watch && old != groups->watch_above)
		(void)inotify_rm_watch(groups->inotify, old);
	if (old_above >= 0 && old_above != groups->watch && old_above != groups->watch_above)
		(void)inotify_rm_watch(groups->inotify, old_above);
}

/* A file here that somebody did something with. */
static void file_event(struct groups *groups, const struct inotify_event *event)
{
	struct file *file;
	struct stat s;

	if (event->mask & (IN_CREATE | IN_ATTRIB)) {
		char *path = path_of(groups, event->name);
		bool now = false;

		/* Who makes a file writes it next and closes it; a link is complete at once. What
		 * could not be read may be readable now. */
		HASH_FIND(hh, groups->files, event->name, strlen(event->name), file);
		if (event->mask & IN_CREATE)
			now = path != NULL && lstat(path, &s) == 0 &&
			      (S_ISLNK(s.st_mode) || (S_ISREG(s.st_mode) && s.st_nlink > 1));
		else
			now = file != NULL && file->refused;
		free(path);
		if (!now)
			return;
	}
	file = file_enter(groups, event->name);
	if (file != NULL)
		file_wait(groups, file);
}

enum outcome { NOTHING, SCAN, WATCH_AND_SCAN };

static enum outcome event_take(struct groups *groups, const struct inotify_event *event)
{
	bool here = event->wd == groups->watch, above = event->wd == groups->watch_above;

	if (event->mask & IN_Q_OVERFLOW)
		return SCAN;
	if (!here && !above)
		return NOTHING; /* of a directory that was ours */
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
		return WATCH_AND_SCAN;
	if (event->len == 0)
		return NOTHING;
	if (above && strcmp(event->name, groups->above_name) == 0 &&
		(event->mask & (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)))
		return WATCH_AND_SCAN;
	if (here && is_document_name(event->name))
		file_event(groups, event);
	else if (here && (event->mask & IN_MOVED_TO))
		return SCAN; /* what documents are links to may have been changed as a whole */
	return NOTHING;
}

static void events_take(struct groups *groups)
{
	union {
		struct inotify_event event;
		char octets[16384];
	} buffer;
	enum outcome outcome = NOTHING;

	for (unsigned i = 0; i < EVENTS_A_RUN; i++) {
		ssize_t len = read(groups->inotify, &buffer, sizeof(buffer));

		if (len <= 0)
			break;
		for (char *at = buffer.octets; at < buffer.octets + len;) {
			const struct inotify_event *event = (const void *)at;
			enum outcome one = event_take(groups, event);

			outcome = one > outcome ? one : outcome;
			at += sizeof(*event) + event->len;
		}
	}
	if (outcome == WATCH_AND_SCAN)
		watch_again(groups);
	if (outcome != NOTHING)
		scan(groups);
}

/* ---- all of them ---- */

static int groups_open(struct groups **out, const char *directory, FILE *errors)
{
	struct groups *groups = calloc(1, sizeof(*groups));
	size_t len = strlen(directory);
	struct file *file;

	*out = NULL;
	if (groups == NULL)
		return -ENOBUFS;
	groups->inotify = groups->watch = groups->watch_above = -1;
	groups->errors = errors;
	TAILQ_INIT(&groups->waiting);
	while (len > 1 && directory[len - 1] == '/')
		len--;
	groups->directory = strndup(directory, len);
	if (groups->directory == NULL) {
		free(groups);
		return -ENOBUFS;
	}
	if (len > 0) {
		if (errors == NULL) {
			groups->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
			if (groups->inotify < 0)
				log_warning("groups",
					"changes are looked for every %d s: no inotify: %s",
					SCAN_MS / 1000, strerror(errno));
			watch_again(groups); /* before the scan, so that nothing is missed */
		}
		scan(groups);
	}
	while ((file = TAILQ_FIRST(&groups->waiting)) != NULL) {
		TAILQ_REMOVE(&groups->waiting, file, link);
		file->waiting = false;
		(void)file_load(groups, file);
	}
	*out = groups;
	return 0;
}

int groups_new(struct groups **out, const char *directory)
{
	return groups_open(out, directory, NULL);
}

int groups_check(const char *directory, FILE *errors)
{
	struct groups *groups;
	int r = groups_open(&groups, directory, errors);

	if (r == 0 && groups->faults > 0)
		r = -EINVAL;
	groups_free(groups);
	return r;
}

void groups_free(struct groups *groups)
{
	struct file *file, *next;

	if (groups == NULL)
		return;
	HASH_ITER(hh, groups->files, file, next) file_free(groups, file);
	if (groups->inotify >= 0)
		close(groups->inotify);
	free(groups->directory);
	free(groups);
}

int groups_fd(const struct groups *groups)
{
	return groups->inotify;
}

bool groups_poll(struct groups *groups, uint64_t now_ms)
{
	struct file *file;

	if (groups->inotify >= 0) {
		events_take(groups);
	} else if (now_ms - groups->scanned_ms >= SCAN_MS && groups->directory[0] != '\0') {
		groups->scanned_ms = now_ms;
		scan(groups);
	}
	/* Removed files cost nothing, and a file that got another name should be missing for no
	 * moment. */
	while ((file = TAILQ_FIRST(&groups->waiting)) != NULL) {
		TAILQ_REMOVE(&groups->waiting, file, link);
		file->waiting = false;
		if (file_load(groups, file))
			break;
	}
	return !TAILQ_EMPTY(&groups->waiting);
}

struct group *groups_find(const struct groups *groups, const char *canonical)
{
	struct loaded *l;

	HASH_FIND(hh, groups->by_uri, canonical, strlen(canonical), l);
	return l != NULL ? &l->group : NULL;
}

unsigned groups_count(const struct groups *groups)
{
	return groups->count;
}

uint64_t groups_generation(const struct groups *groups)
{
	return groups->generation;
}
