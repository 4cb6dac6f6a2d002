/* SPDX-License-Identifier: BSD-3-Clause */
/* What a SIGKILL leaves: LMDB never writes over a page of its last two commits, and the page that
 * makes a commit valid (the older of two "meta" pages) is written last. Without MDB_WRITEMAP the
 * octets go by write(2) into the page cache, which is the kernel's: it outlives the process. So a
 * store that a process was killed over shows its last whole commit; there is nothing to repair.
 * (MDB_WRITEMAP would save some 5 us a commit. But then a full disk is a SIGBUS, and a stray
 * pointer of ours a spoilt store.)
 *
 * MDB_NOLOCK: one thread of one process, which our own flock sees to; so no table of readers can go
 * stale, and no mutex of a dead process is met.
 *
 * Changes are kept as a log in memory until store_commit, which writes them in one transaction: one
 * that fails (the store is full) can be done again without the change that does not fit.
 *
 * Beside the file lies "-lock": the flock, and the boot of the machine that wrote the store. After
 * a power failure pages may be missing, in any order, and LMDB would trust them; so a store of
 * another boot is set aside. An orderly stop leaves nothing worth keeping anyway. Behind the boot
 * stands how many lives have begun to read the store and not come to its end. */
#include "control/store/store.h"
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "include/log.h"

#define FORMAT       "plenum-focus 1" /* another number: not read by this version */
#define READINGS_AT  64               /* in the lock file: one digit */
#define LOG_MAX      (1u << 20)       /* octets of changes that wait for a commit */
#define SPARE_OCTETS (1u << 20) /* at a time, so that what ended can be taken out of a full store */
#define SPARES_MAX   16u

static const char *const kind_names[STORE_KIND_COUNT] = {
	[STORE_CONFERENCE] = "conference",
	[STORE_USER] = "user",
	[STORE_PARTICIPANT] = "participant",
	[STORE_SUBSCRIPTION] = "subscription",
	[STORE_REGISTRATION] = "registration",
};

struct change { /* in the log: this, key, record */
	uint32_t record_len;
	uint16_t key_len;
	uint8_t kind;
	bool put;
};

struct store {
	char *path;
	int lock_fd;
	MDB_env *env;
	MDB_dbi meta, kinds[STORE_KIND_COUNT];
	uint32_t life;
	size_t map_octets;
	unsigned spares;
	bool full; /* said in the log */
	char *log;
	size_t log_len, log_size;
};

static int result_of(int mdb)
{
	switch (mdb) {
	case 0: return 0;
	case ENOMEM:
	case ENOSPC:
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case MDB_DBS_FULL: return -ENOBUFS;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PANIC:
	case MDB_PAGE_NOTFOUND:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE: return -EBADMSG;
	default: return mdb > 0 ? -mdb : -EBADMSG;
	}
}

static MDB_val value_of(struct span s)
{
	return (MDB_val){ s.len, (void *)s.at };
}

static struct span span_of_value(MDB_val v)
{
	return span_make(v.mv_data, v.mv_size);
}

/* ---- opening ---- */

static void boot_id(char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, 39) : 0;

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static void set_aside(const struct store *store, const char *why)
{
	char old[PATH_MAX];

	snprintf(old, sizeof(old), "%s.old", store->path);
	log_warning("store", "the store is set aside: %s file=%s", why, old);
	if (rename(store->path, old) < 0 && errno != ENOENT)
		unlink(store->path);
}

static int reading_begin(const struct store *store, bool there)
{
	char digit = '0';

	if (pread(store->lock_fd, &digit, 1, READINGS_AT) != 1 || digit < '0' || digit > '9')
		digit = '0';
	if (digit - '0' >= STORE_READINGS_MAX && there) {
		set_aside(store, "nobody has survived reading it");
		digit = '0';
	}
	digit += digit < '9';
	return pwrite(store->lock_fd, &digit, 1, READINGS_AT) == 1 ? 0 : -errno;
}

static int lock(struct store *store)
{
	char path[PATH_MAX], now[42], then[42] = "";
	struct stat st = { 0 };
	ssize_t n;

	if (stat(store->path, &st) == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (snprintf(path, sizeof(path), "%s-lock", store->path) >= (int)sizeof(path) - 8)
		return -ENAMETOOLONG;
	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0)
		return -errno;
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	boot_id(now);
	n = pread(store->lock_fd, then, sizeof(then) - 1, 0);
	then[n > 0 ? n : 0] = '\0';
	then[strcspn(then, "\n")] = '\0';
	if (strcmp(now, then) == 0)
		return reading_begin(store, st.st_size > 0);
	if (st.st_size > 0)
		set_aside(store, "the machine was started anew since it was written");
	strcat(now, "\n");
	if (ftruncate(store->lock_fd, 0) < 0 ||
		pwrite(store->lock_fd, now, strlen(now), 0) != (ssize_t)strlen(now))
		return -errno;
	return 0;
}

void store_read(struct store *store)
{
	if (store != NULL && pwrite(store->lock_fd, "0", 1, READINGS_AT) != 1)
		log_warning("store", "it cannot be noted that the store was read");
}

static int meta_read(struct store *store, MDB_txn *txn, bool fresh)
{
	MDB_val format_key = value_of(SPAN_LITERAL("format")), value;
	MDB_val life_key = value_of(SPAN_LITERAL("life"));
	int r;

	r = mdb_get(txn, store->meta, &format_key, &value);
	if (r == MDB_NOTFOUND && fresh) {
		value = value_of(SPAN_LITERAL(FORMAT));
		r = mdb_put(txn, store->meta, &format_key, &value, 0);
	} else if (r == 0 && !span_eq(span_of_value(value), SPAN_LITERAL(FORMAT))) {
		r = MDB_INCOMPATIBLE;
	} else if (r == MDB_NOTFOUND) {
		r = MDB_INVALID;
	}
	if (r != 0)
		return r;
	r = mdb_get(txn, store->meta, &life_key, &value);
	if (r == 0 && value.mv_size == sizeof(store->life))
		memcpy(&store->life, value.mv_data, sizeof(store->life));
	else if (r != MDB_NOTFOUND && r != 0)
		return r;
	store->life++;
	value = (MDB_val){ sizeof(store->life), &store->life };
	return mdb_put(txn, store->meta, &life_key, &value, 0);
}

static int environment_open(struct store *store)
{
	struct stat st;
	bool fresh = stat(store->path, &st) < 0 || st.st_size == 0;
	MDB_txn *txn = NULL;
	int r;

	store->life = 0;
	r = mdb_env_create(&store->env);
	if (r != 0) {
		store->env = NULL;
		return r;
	}
	r = mdb_env_set_mapsize(store->env, store->map_octets);
	if (r == 0)
		r = mdb_env_set_maxdbs(store->env, STORE_KIND_COUNT + 1);
	if (r == 0)
		r = mdb_env_open(
			store->env, store->path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0600);
	if (r == 0)
		r = mdb_txn_begin(store->env, NULL, 0, &txn);
	if (r == 0)
		r = mdb_dbi_open(txn, "meta", fresh ? MDB_CREATE : 0, &store->meta);
	if (r == MDB_NOTFOUND)
		r = MDB_INVALID; /* another program's */
	if (r == 0)
		r = meta_read(store, txn, fresh);
	for (unsigned i = 0; r == 0 && i < STORE_KIND_COUNT; i++)
		r = mdb_dbi_open(txn, kind_names[i], MDB_CREATE, &store->kinds[i]);
	if (r == 0) {
		r = mdb_txn_commit(txn);
		txn = NULL;
	}
	if (txn != NULL)
		mdb_txn_abort(txn);
	if (r != 0) {
		mdb_env_close(store->env);
		store->env = NULL;
	}
	return r;
}

int store_open(struct store **out, const char *path, size_t max_octets)
{
	struct store *store = calloc(1, sizeof(*store));
	int r = -ENOBUFS;

	*out = NULL;
	if (store == NULL)
		return -ENOBUFS;
	store->lock_fd = -1;
	store->map_octets = (max_octets + 4095) & ~(size_t)4095;
	store->path = strdup(path);
	if (store->path == NULL)
		goto failed;
	r = lock(store);
	if (r < 0)
		goto failed;
	r = result_of(environment_open(store));
	if (r == -EBADMSG) {
		set_aside(store, "it is of another format");
		r = result_of(environment_open(store));
	}
	if (r < 0)
		goto failed;
	*out = store;
	return 0;
failed:
	store_close(store);
	return r;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	if (store->env != NULL) {
		store_commit(store);
		mdb_env_close(store->env);
	}
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	free(store->log);
	free(store->path);
	free(store);
}

uint32_t store_life(const struct store *store)
{
	return store ? store->life : 0;
}

/* ---- changes ---- */

static int log_add(
	struct store *store, enum store_kind kind, bool put, struct span key, struct span record)
{
	struct change change = { .record_len = (uint32_t)record.len,
		.key_len = (uint16_t)key.len,
		.kind = (uint8_t)kind,
		.put = put };
	size_t need = sizeof(change) + key.len + record.len;
	char *at;

	if (store->log_len > 0 && store->log_len + need > LOG_MAX)
		store_commit(store);
	if (store->log_len + need > store->log_size) {
		size_t size = store->log_size ? store->log_size : 16384;

		while (size < store->log_len + need)
			size *= 2;
		at = realloc(store->log, size);
		if (at == NULL)
			return -ENOBUFS;
		store->log = at;
		store->log_size = size;
	}
	at = store->log + store->log_len;
	memcpy(at, &change, sizeof(change));
	memcpy(at + sizeof(change), key.at, key.len);
	if (record.len > 0)
		memcpy(at + sizeof(change) + key.len, record.at, record.len);
	store->log_len += need;
	return 0;
}

int store_put(struct store *store, enum store_kind kind, struct span key, struct span record)
{
	if (store == NULL)
		return 0;
	if (kind >= STORE_KIND_COUNT || key.len == 0 || key.len > STORE_KEY_MAX ||
		record.len == 0 || record.len > UINT32_MAX)
		return -EINVAL;
	return log_add(store, kind, true, key, record);
}

void store_delete(struct store *store, enum store_kind kind, struct span key)
{
	if (store == NULL || kind >= STORE_KIND_COUNT || key.len == 0 || key.len > STORE_KEY_MAX)
		return;
	if (log_add(store, kind, false, key, span_make("", 0)) < 0)
		log_error("store", "no memory: a record stays that should go kind=%s",
			kind_names[kind]);
}

/* The change at *at of the log; *at goes past it. */
static struct change change_read(
	const struct store *store, size_t *at, struct span *key, struct span *record)
{
	struct change change;

	memcpy(&change, store->log + *at, sizeof(change));
	*key = span_make(store->log + *at + sizeof(change), change.key_len);
	*record = span_make(key->at + key->len, change.record_len);
	*at += sizeof(change) + key->len + record->len;
	return change;
}

static int change_apply(struct store *store, MDB_txn *txn, size_t *at)
{
	struct span key, record;
	struct change change = change_read(store, at, &key, &record);
	MDB_val k = value_of(key), v = value_of(record);
	int r;

	if (change.put)
		return mdb_put(txn, store->kinds[change.kind], &k, &v, 0);
	r = mdb_del(txn, store->kinds[change.kind], &k, NULL);
	return r == MDB_NOTFOUND ? 0 : r;
}

/* Applies the log from `from` to `to` in one transaction, or nothing of it. */
static int apply(struct store *store, size_t from, size_t to)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(store->env, NULL, 0, &txn);

	if (r != 0)
		return r;
	for (size_t at = from; r == 0 && at < to;)
		r = change_apply(store, txn, &at);
	if (r == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return r;
}

/* One by one, without what does not fit. To take something out needs a page or two as well. */
static void apply_singly(struct store *store)
{
	unsigned lost = 0;

	for (size_t at = 0, next = 0; at < store->log_len; at = next) {
		struct span key, record;
		struct change change = change_read(store, &next, &key, &record);
		int r = apply(store, at, next);

		if (r == MDB_MAP_FULL && !change.put && store->spares < SPARES_MAX) {
			store->spares++;
			store->map_octets += SPARE_OCTETS;
			if (mdb_env_set_mapsize(store->env, store->map_octets) == 0)
				r = apply(store, at, next);
		}
		lost += r != 0;
	}
	if (lost > 0 && !store->full) {
		store->full = true;
		log_error("store",
			"the store is full: some of what is new will not survive file=%s",
			store->path);
	}
}

void store_commit(struct store *store)
{
	int r;

	if (store == NULL || store->log_len == 0)
		return;
	r = apply(store, 0, store->log_len);
	if (r == MDB_MAP_FULL || r == MDB_TXN_FULL || r == ENOSPC) {
		apply_singly(store);
	} else if (r != 0) {
		log_error("store", "changes will not survive file=%s error=\"%s\"", store->path,
			mdb_strerror(r));
	} else {
		store->full = false;
	}
	store->log_len = 0;
}

void store_each(struct store *store, enum store_kind kind,
	void (*seen)(void *arg, struct span key, struct span record), void *arg)
{
	MDB_cursor *cursor;
	MDB_val key, record;
	MDB_txn *txn;

	if (store == NULL || kind >= STORE_KIND_COUNT)
		return;
	store_commit(store);
	if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	if (mdb_cursor_open(txn, store->kinds[kind], &cursor) == 0) {
		while (mdb_cursor_get(cursor, &key, &record, MDB_NEXT) == 0)
			seen(arg, span_of_value(key), span_of_value(record));
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
}
