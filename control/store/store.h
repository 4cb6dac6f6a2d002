/* SPDX-License-Identifier: BSD-3-Clause */
/* store: what the focus has to know again after it was killed: small records by kind and key, in
 * one memory-mapped file.
 *
 * Place:    conference/, sip/ and main -> store; the only folder that sees LMDB (pack.h: msgpack).
 * Threads:  the focus's one thread.
 * Survival: what was committed outlives SIGKILL at any instant, not a power failure: nothing waits
 *           for a disk (MDB_NOSYNC). store_commit is called before a message leaves that another
 *           side will rely on, and once a turn of the loop; without changes it costs nothing.
 * Memory:   the file grows to at most max_octets of address space; a put beyond gives -ENOBUFS and
 *           the caller goes on without survival of that record, which is logged once.
 * One life: a second focus on the same file is refused (-EBUSY) by a lock that dies with its
 *           process.
 */
#ifndef CONTROL_STORE_STORE_H
#define CONTROL_STORE_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/result.h"
#include "include/span.h"

struct store;

enum store_kind {
	STORE_CONFERENCE,   /* key: its Session Identity's user part */
	STORE_USER,         /* key: conference, user number */
	STORE_PARTICIPANT,  /* key: conference, endpoint number; with its dialog and leg */
	STORE_SUBSCRIPTION, /* key: conference, endpoint number of the subscriber or own number */
	STORE_REGISTRATION, /* key: address-of-record */
	STORE_KIND_COUNT
};

#define STORE_KEY_MAX      480 /* octets of a key */
#define STORE_READINGS_MAX 5

/* Opens or makes the file. A store of another format is set aside (renamed with .old) and said in
 * the log. Results: 0; -EBUSY: another focus has it; -EACCES, -ENOENT and others of open(2);
 * -ENOBUFS. */
must_check int store_open(struct store **out, const char *path, size_t max_octets);
void store_close(struct store *store); /* commits; NULL is allowed */
/* What is in it has been read and understood. A store that STORE_READINGS_MAX lives in a row did
 * not survive the reading of is set aside by store_open: better to begin anew than never. */
void store_read(struct store *store);

/* Which life of the store this is, from 1: rises by one at every store_open. Numbers that are not
 * written per request (CSeq, o= and conference-info versions) go on from their stored value +
 * (this life - the life that stored them) * 2^16 (design 4). */
uint32_t store_life(const struct store *store);

/* A NULL store is allowed in all of these and does nothing: a focus without survival. */
int store_put(struct store *store, enum store_kind kind, struct span key, struct span record);
void store_delete(struct store *store, enum store_kind kind, struct span key);
void store_commit(struct store *store);

/* Every record of a kind, in the order of the keys, so that all of one conference come together.
 * Key and record are borrowed for the call; seen may not change the store. */
void store_each(struct store *store, enum store_kind kind,
	void (*seen)(void *arg, struct span key, struct span record), void *arg);
#endif
