/* SPDX-License-Identifier: BSD-3-Clause */
/* hash: uthash with a key of this process, so that nobody outside can choose texts that collide.
 *
 * Not thread-safe; a table without memory for a new entry calls hash_failed, which aborts: the
 * tables of the focus grow by a few octets an entry, and what is an entry was allocated before.
 */
#ifndef CONTROL_HASH_H
#define CONTROL_HASH_H
#include <stddef.h>
#include <stdint.h>

uint32_t hash_keyed(const void *octets, size_t len);

#define HASH_FUNCTION(key, len, value) ((value) = hash_keyed((key), (len)))
#include <uthash.h>
#endif
