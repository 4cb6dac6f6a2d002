/* SPDX-License-Identifier: BSD-3-Clause */
/* hash: uthash keyed for this process (SipHash-1-3), so that nobody outside can choose texts that
 * collide.
 *
 * Threads:  the focus's one thread.
 * Memory:   a table without memory to grow ends the process (uthash): what is put into a table was
 *           allocated and counted against its limit before, the table itself is a few octets more.
 */
#ifndef CONTROL_HASH_H
#define CONTROL_HASH_H
#include <stddef.h>
#include <stdint.h>

uint32_t hash_keyed(const void *octets, size_t len);

#define HASH_FUNCTION(key, len, value) ((value) = hash_keyed((key), (len)))
#include <uthash.h>
#endif
