/* SPDX-License-Identifier: BSD-3-Clause */
/* The store as a focus meets it: after a kill at any instant, beside another focus, full, foreign. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "control/store/store.h"

#define MAX_OCTETS (16u << 20)

static char directory[64], path[96], old_path[104], lock_path[104];

static void set_up(void)
{
	snprintf(directory, sizeof(directory), "/tmp/test-store-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/focus.store", directory);
	snprintf(old_path, sizeof(old_path), "%s.old", path);
	snprintf(lock_path, sizeof(lock_path), "%s-lock", path);
}

static void tear_down(void)
{
	unlink(path);
	unlink(old_path);
	unlink(lock_path);
	rmdir(directory);
}

TestSuite(store, .init = set_up, .fini = tear_down);

static struct store *open_it(void)
{
	struct store *store;

	cr_assert_eq(store_open(&store, path, MAX_OCTETS), 0);
	return store;
}

struct found {
	char text[4096];
	unsigned count;
};

static void note(void *arg, struct span key, struct span record)
{
	struct found *found = arg;
	size_t at = strlen(found->text);

	found->count++;
	snprintf(found->text + at, sizeof(found->text) - at, "%.*s=%.*s ", SPAN_ARG(key),
		SPAN_ARG(record));
}

static struct found all(struct store *store, enum store_kind kind)
{
	struct found found = { "", 0 };

	store_each(store, kind, note, &found);
	return found;
}

static void put(struct store *store, const char *key, const char *record)
{
	cr_assert_eq(store_put(store, STORE_USER, span_of(key), span_of(record)), 0);
}

Test(store, what_was_put_is_there_in_the_order_of_the_keys)
{
	struct store *store = open_it();

	put(store, "im-b/1", "beta");
	put(store, "im-a/2", "two");
	put(store, "im-a/1", "one");
	put(store, "im-b/1", "beta again");
	put(store, "im-c/1", "gone");
	store_delete(store, STORE_USER, span_of("im-c/1"));
	cr_assert_eq(store_put(store, STORE_CONFERENCE, span_of("im-a"), span_of("c")), 0);
	cr_expect_str_eq(all(store, STORE_USER).text, "im-a/1=one im-a/2=two im-b/1=beta again ");
	cr_expect_str_eq(all(store, STORE_CONFERENCE).text, "im-a=c ");
	cr_expect_str_eq(all(store, STORE_SUBSCRIPTION).text, "");
	store_close(store);
	store = open_it();
	cr_expect_str_eq(all(store, STORE_USER).text, "im-a/1=one im-a/2=two im-b/1=beta again ");
	store_delete(store, STORE_USER, span_of("im-a/1"));
	store_delete(store, STORE_USER, span_of("never there"));
	cr_expect_str_eq(all(store, STORE_USER).text, "im-a/2=two im-b/1=beta again ");
	store_close(store);
}

Test(store, every_opening_is_a_life)
{
	for (uint32_t life = 1; life < 4; life++) {
		struct store *store = open_it();

		cr_expect_eq(store_life(store), life);
		store_close(store);
	}
	cr_expect_eq(store_life(NULL), 0);
}

Test(store, without_a_store_nothing_happens)
{
	cr_expect_eq(store_put(NULL, STORE_USER, span_of("k"), span_of("r")), 0);
	store_delete(NULL, STORE_USER, span_of("k"));
	store_commit(NULL);
	cr_expect_eq(all(NULL, STORE_USER).count, 0);
	store_close(NULL);
}

Test(store, keys_and_records_that_cannot_be_are_refused)
{
	struct store *store = open_it();
	char long_key[STORE_KEY_MAX + 1];

	memset(long_key, 'k', sizeof(long_key));
	cr_expect_eq(store_put(store, STORE_USER, span_of(""), span_of("r")), -EINVAL);
	cr_expect_eq(store_put(store, STORE_USER, span_of("k"), span_of("")), -EINVAL);
	cr_expect_eq(
		store_put(store, STORE_USER, span_make(long_key, sizeof(long_key)), span_of("r")),
		-EINVAL);
	cr_expect_eq(
		store_put(store, STORE_USER, span_make(long_key, STORE_KEY_MAX), span_of("r")), 0);
	cr_expect_eq(all(store, STORE_USER).count, 1);
	store_close(store);
}

/* In a process of its own: opens, says so, waits to be killed. */
static pid_t holder_start(void)
{
	int pipe_fds[2];
	char octet;
	pid_t pid;

	cr_assert_eq(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		struct store *store;

		if (store_open(&store, path, MAX_OCTETS) == 0 && write(pipe_fds[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipe_fds[1]);
	cr_assert_eq(read(pipe_fds[0], &octet, 1), 1);
	close(pipe_fds[0]);
	return pid;
}

static void kill_it(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it died by itself");
}

Test(store, a_second_focus_is_refused_until_the_first_is_dead)
{
	pid_t pid = holder_start();
	struct store *store;

	cr_expect_eq(store_open(&store, path, MAX_OCTETS), -EBUSY);
	cr_expect_null(store);
	kill_it(pid);
	store = open_it();
	store_close(store);
}

struct progress {
	volatile uint64_t committed; /* by the child */
};

static void record_of(uint64_t n, char *out, size_t len)
{
	int at = snprintf(out, len, "%llu ", (unsigned long long)n);

	memset(out + at, 'a' + (int)(n % 26), len - (size_t)at);
}

/* Two keys always change together, others come and go; then it says how far it is. */
static void write_for_ever(struct progress *progress, uint64_t from)
{
	struct store *store;
	char key[32], record[1500];

	if (store_open(&store, path, MAX_OCTETS) != 0)
		_exit(1);
	store_read(store);
	for (uint64_t n = from;; n++) {
		size_t len = 100 + n * 37 % 1400;

		record_of(n, record, len);
		store_put(store, STORE_PARTICIPANT, span_of("left"), span_make(record, len));
		snprintf(key, sizeof(key), "other %llu", (unsigned long long)(n % 50));
		store_put(store, STORE_PARTICIPANT, span_of(key), span_make(record, len));
		snprintf(key, sizeof(key), "other %llu", (unsigned long long)((n + 25) % 50));
		store_delete(store, STORE_PARTICIPANT, span_of(key));
		store_put(store, STORE_PARTICIPANT, span_of("right"), span_make(record, len));
		store_commit(store);
		progress->committed = n;
	}
}

struct seen {
	uint64_t left, right;
	unsigned others, torn;
};

static void look(void *arg, struct span key, struct span record)
{
	struct seen *seen = arg;
	uint64_t n = strtoull(record.at, NULL, 10);
	char expected[1500];
	size_t len = 100 + n * 37 % 1400;

	record_of(n, expected, len);
	if (!span_eq(record, span_make(expected, len)))
		seen->torn++;
	if (span_eq(key, SPAN_LITERAL("left")))
		seen->left = n;
	else if (span_eq(key, SPAN_LITERAL("right")))
		seen->right = n;
	else
		seen->others++;
}

Test(store, a_kill_at_any_instant_leaves_the_last_commit_or_the_one_under_way, .timeout = 120)
{
	struct progress *progress =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t n = 0;

	cr_assert_neq(progress, MAP_FAILED);
	srandom(7);
	for (unsigned round = 0; round < 60; round++) {
		struct timespec wait = { 0, random() % 12000000 };
		struct seen seen = { 0 };
		struct store *store;
		pid_t pid = fork();

		if (pid == 0)
			write_for_ever(progress, n + 1);
		while (progress->committed <= n) /* the first few are there */
			nanosleep(&(struct timespec){ 0, 200000 }, NULL);
		nanosleep(&wait, NULL);
		kill_it(pid);
		store = open_it();
		store_each(store, STORE_PARTICIPANT, look, &seen);
		store_read(store);
		cr_assert_eq(seen.torn, 0, "round %u", round);
		cr_assert_eq(seen.left, seen.right, "round %u: half a commit", round);
		cr_assert(seen.left == progress->committed || seen.left == progress->committed + 1,
			"round %u: %llu is there, %llu was committed", round,
			(unsigned long long)seen.left, (unsigned long long)progress->committed);
		cr_assert_leq(seen.others, 50);
		n = progress->committed = seen.left;
		store_close(store);
	}
	cr_expect_gt(n, 60);
	munmap(progress, 4096);
}

Test(store, a_full_store_goes_on_and_takes_again_what_fits, .timeout = 60)
{
	static char record[100000];
	struct store *store;
	char key[32];
	unsigned kept;

	memset(record, 'r', sizeof(record));
	cr_assert_eq(store_open(&store, path, 2u << 20), 0);
	put(store, "small", "one");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "large %03u", i);
		cr_assert_eq(store_put(store, STORE_CONFERENCE, span_of(key),
				     span_make(record, sizeof(record))),
			0);
	}
	kept = all(store, STORE_CONFERENCE).count;
	cr_expect(kept > 5 && kept < 30, "%u", kept);
	cr_expect_str_eq(all(store, STORE_USER).text, "small=one ");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "large %03u", i);
		store_delete(store, STORE_CONFERENCE, span_of(key));
	}
	cr_expect_eq(all(store, STORE_CONFERENCE).count, 0);
	store_commit(store);
	put(store, "small", "two");
	store_close(store);
	cr_assert_eq(store_open(&store, path, 2u << 20), 0);
	cr_expect_str_eq(all(store, STORE_USER).text, "small=two ");
	store_close(store);
}

static void write_file(const char *at, const void *octets, size_t len)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, octets, len), (ssize_t)len);
	close(fd);
}

static bool exists(const char *at)
{
	struct stat st;

	return stat(at, &st) == 0;
}

/* A store of ours with this format in it, or with none. */
static void write_format(const char *format)
{
	struct store *store = open_it();
	MDB_val key = { 6, (void *)"format" },
		value = { format ? strlen(format) : 0, (void *)format };
	MDB_txn *txn;
	MDB_env *env;
	MDB_dbi meta;

	put(store, "k", "r");
	store_close(store);
	cr_assert_eq(mdb_env_create(&env), 0);
	cr_assert_eq(mdb_env_set_maxdbs(env, 8), 0);
	cr_assert_eq(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	cr_assert_eq(mdb_dbi_open(txn, "meta", 0, &meta), 0);
	if (format != NULL)
		cr_assert_eq(mdb_put(txn, meta, &key, &value, 0), 0);
	else
		cr_assert_eq(mdb_del(txn, meta, &key, NULL), 0);
	cr_assert_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

Test(store, another_format_is_set_aside)
{
	static const char *const formats[] = { "plenum-focus 2", "", NULL };

	for (unsigned i = 0; i < 3; i++) {
		struct store *store;

		write_format(formats[i]);
		unlink(old_path);
		store = open_it();
		cr_expect_eq(all(store, STORE_USER).count, 0);
		cr_expect(exists(old_path));
		cr_expect_eq(store_life(store), 1);
		store_close(store);
	}
}

Test(store, what_is_no_store_is_set_aside)
{
	static char zeros[65536];
	struct store *store;
	MDB_env *env;

	store_close(open_it()); /* the lock knows this boot */
	write_file(path, "a letter to my aunt", 19);
	store = open_it();
	cr_expect(exists(old_path));
	store_close(store);
	unlink(old_path);
	write_file(path, zeros, sizeof(zeros));
	store = open_it();
	cr_expect(exists(old_path));
	put(store, "k", "r");
	cr_expect_str_eq(all(store, STORE_USER).text, "k=r ");
	store_close(store);
	/* Another program's, of the same library. */
	unlink(path);
	unlink(old_path);
	cr_assert_eq(mdb_env_create(&env), 0);
	cr_assert_eq(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	mdb_env_close(env);
	store = open_it();
	cr_expect(exists(old_path));
	store_close(store);
}

Test(store, a_store_of_another_boot_is_set_aside)
{
	struct store *store = open_it();

	put(store, "k", "r");
	store_close(store);
	write_file(lock_path, "01234567-89ab-cdef-0123-456789abcdef\n", 37);
	store = open_it();
	cr_expect_eq(all(store, STORE_USER).count, 0);
	cr_expect(exists(old_path));
	store_close(store);
	unlink(old_path);
	store = open_it();
	cr_expect_not(exists(old_path));
	cr_expect_eq(store_life(store), 2);
	store_close(store);
}

Test(store, where_no_file_can_be_the_reason_is_given)
{
	struct store *store;
	char where[128];

	snprintf(where, sizeof(where), "%s/no/such/directory", directory);
	cr_expect_eq(store_open(&store, where, MAX_OCTETS), -ENOENT);
	cr_expect_null(store);
	cr_expect_eq(store_open(&store, directory, MAX_OCTETS), -EISDIR);
}

/* A record that kills whoever reads it must not keep the focus from ever starting. */
Test(store, one_that_nobody_survives_reading_is_set_aside)
{
	struct store *store = open_it();

	put(store, "k", "r");
	store_read(store);
	store_close(store);
	for (unsigned life = 0; life < 2 * STORE_READINGS_MAX; life++) {
		kill_it(holder_start());
		cr_assert_not(exists(old_path), "after %u", life);
		if (life == STORE_READINGS_MAX - 2) {
			store = open_it();
			cr_assert_eq(all(store, STORE_USER).count, 1);
			store_read(store); /* this one has */
			store_close(store);
		}
		if (life == 2 * STORE_READINGS_MAX - 2)
			break;
	}
	store = open_it();
	cr_expect_eq(all(store, STORE_USER).count, 0);
	cr_expect(exists(old_path));
	put(store, "k", "new");
	store_close(store);
	unlink(old_path);
	store = open_it();
	cr_expect_eq(all(store, STORE_USER).count, 1);
	cr_expect_not(exists(old_path));
	store_close(store);
}
