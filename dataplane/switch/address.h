/* SPDX-License-Identifier: BSD-3-Clause */
/* address: do two URIs in CPIM headers name the same user or room?  Spec: RFC 3261 19.1.4 and RFC 3966 as
 * context.md 3.1 reads them.
 *
 * Threads: pure. The controller gives every form that it accepts (sip, tel, im); only spelling is
 *          levelled here: scheme and host without case, escapes of the user part resolved (but of
 *          reserved characters), parameters and headers left out; of
 *          numbers the visual separators, not extension, subaddress and context, and
 *          sip:+N@any;user=phone is tel:+N.
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
