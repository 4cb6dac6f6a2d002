/* SPDX-License-Identifier: BSD-3-Clause */
/* address: do two URIs in CPIM headers name the same user or room?  Spec: RFC 3261 19.1.4 as context.md 3.1 reads it.
 *
 * Threads: pure. The controller gives every form that it accepts (sip, tel, im); only spelling is
 *          levelled here: scheme and host
 * without case, parameters and headers left out.
 */
#ifndef DATAPLANE_SWITCH_ADDRESS_H
#define DATAPLANE_SWITCH_ADDRESS_H
#include <stdbool.h>
#include "include/span.h"

/* The URI of a CPIM From or To value: what stands in its last <>, or all of it. */
struct span address_of(struct span value);
bool address_eq(struct span a, struct span b);
/* list: URIs, each ended by a line feed. */
bool address_in(struct span uri, struct span list);
#endif
