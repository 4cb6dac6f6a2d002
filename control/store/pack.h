/* SPDX-License-Identifier: BSD-3-Clause */
/* pack: the fields of a stored record: names and values (a msgpack map), so that a later version
 * reads what an earlier one wrote. A field that is not there reads as absent.
 *
 * Threads: pure. Memory: a struct pack owns its octets, a struct unpacked its index; texts read
 *          from it point into the record given.
 */
#ifndef CONTROL_STORE_PACK_H
#define CONTROL_STORE_PACK_H
#include <stdbool.h>
#include <stdint.h>
#include "include/result.h"
#include "include/span.h"

struct pack;

must_check int pack_new(struct pack **out);
void pack_free(struct pack *pack);
void pack_clear(struct pack *pack); /* to be filled anew, without giving memory back */

/* name: a static text, short. Without memory the record becomes bad: pack_record gives an empty
 * span. */
void pack_text(struct pack *pack, const char *name, struct span text);
void pack_number(struct pack *pack, const char *name, uint64_t number);
void pack_flag(struct pack *pack, const char *name, bool flag);
/* Valid until the next call. */
struct span pack_record(struct pack *pack);

struct unpacked;
/* -EBADMSG: not such a record; -ENOBUFS. */
must_check int unpack(struct unpacked **out, struct span record);
void unpack_free(struct unpacked *fields);
/* Absent, or of another type: an empty span, 0, false. */
struct span unpack_text(const struct unpacked *fields, const char *name);
uint64_t unpack_number(const struct unpacked *fields, const char *name);
bool unpack_flag(const struct unpacked *fields, const char *name);
#endif
