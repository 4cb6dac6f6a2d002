/* SPDX-License-Identifier: BSD-3-Clause */
/* registrar: where the users of a lab are: address-of-record -> contacts, in memory.
 *
 * Place:    register.c fills it from REGISTER requests (RFC 3261 10.3); ua asks it where an
 *           INVITE to a user goes.
 * Threads:  the focus's one thread; time comes in as an argument.
 * Memory:   bounded: REGISTRAR_USERS_MAX users, REGISTRAR_CONTACTS_MAX contacts each, a contact
 *           of at most REGISTRAR_URI_MAX octets. An expired contact is dropped when it is met.
 * Not here: q values (the most recent contact is first), Path, GRUU, challenges.
 */
#ifndef CONTROL_SIP_REGISTRAR_H
#define CONTROL_SIP_REGISTRAR_H
#include <stdbool.h>
#include <stdint.h>
#include "control/store/pack.h"
#include "include/result.h"
#include "include/span.h"

#define REGISTRAR_USERS_MAX    100000
#define REGISTRAR_CONTACTS_MAX 8
#define REGISTRAR_URI_MAX      512
#define REGISTRAR_EXPIRES_MAX  86400 /* seconds granted at most */

struct registrar;

struct registrar_contact {
	char *uri;
	uint64_t expires_ms; /* point in time */
	char *call_id; /* of the REGISTER that set it, with its CSeq: an older one is refused */
	uint32_t cseq;
};

must_check int registrar_new(struct registrar **out);
void registrar_free(struct registrar *registrar);

/* Binds `uri` to `aor` (its canonical form, identity.h) for `seconds`; 0 removes it. -ENOBUFS: too
 * many users or contacts, or no memory; -EINVAL: a URI that is empty or too long; -EPROTO: an older
 * request of the same Call-ID. */
must_check int registrar_set(struct registrar *registrar, const char *aor, struct span uri,
	struct span call_id, uint32_t cseq, uint32_t seconds, uint64_t now_ms);
/* Removes every contact ("Contact: *"). */
void registrar_clear(struct registrar *registrar, const char *aor);

/* The contacts of aor that are in force, most recent first. Returns their number; *out is borrowed
 * until the next call. */
unsigned registrar_find(struct registrar *registrar, const char *aor, uint64_t now_ms,
	const struct registrar_contact **out);
unsigned registrar_users(const struct registrar *registrar);

/* For survival (store.h): a record per user, keyed by aor. False: it has no contact in force. */
bool registrar_pack(
	struct registrar *registrar, const char *aor, uint64_t now_ms, struct pack *pack);
/* -ENOENT: nothing in it is in force any more; -ENOBUFS. */
must_check int registrar_restore(struct registrar *registrar, const char *aor,
	const struct unpacked *fields, uint64_t now_ms);
/* dropped: a user without a contact in force was forgotten. */
void registrar_watch(
	struct registrar *registrar, void (*dropped)(void *arg, const char *aor), void *arg);
#endif
