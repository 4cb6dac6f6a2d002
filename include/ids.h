/* SPDX-License-Identifier: BSD-3-Clause */
/* ids: how the two sides of the border name each other's objects. No pointer ever crosses.
 *
 * An object_id is made by the switch. A worker that receives one checks every field before use: a
 * stale or invented id is answered -ENOENT and harms nothing. A tag is made by the controller, kept
 * by the switch and given back in events and snapshots; the switch never looks into it.
 */
#ifndef INCLUDE_IDS_H
#define INCLUDE_IDS_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum object_kind { OBJECT_NONE, OBJECT_ROOM, OBJECT_LEG };

struct object_id {
	uint32_t
		instance; /* random at each start of the switch: ids of an earlier life are recognised */
	uint16_t
		worker; /* the home worker, whose rings carry all commands and events of this object */
	uint16_t kind;       /* enum object_kind */
	uint32_t index;      /* record number in that worker */
	uint32_t generation; /* of the record, from 1; 0 only in an id that names nothing */
};
_Static_assert(sizeof(struct object_id) == 16, "ids cross the border");

struct object_tag {
	uint8_t octets[16];
};

static inline bool object_id_eq(const struct object_id *a, const struct object_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool object_id_is_none(const struct object_id *id)
{
	return id->generation == 0;
}
#endif
