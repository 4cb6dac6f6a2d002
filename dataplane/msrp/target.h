/* SPDX-License-Identifier: BSD-3-Clause */
/* target: where a connection goes: an IP address and a port. Names are nobody's business here.
 *
 * Spec: RFC 4975 5.4 (connections are made to the path), RFC 6714 (or to what c= and m= say).
 * Threads: pure.
 */
#ifndef DATAPLANE_MSRP_TARGET_H
#define DATAPLANE_MSRP_TARGET_H
#include <stdbool.h>
#include "include/result.h"
#include "include/span.h"

struct target {
	uint8_t address[16]; /* an IPv4 address takes the first four, zeros follow */
	uint16_t port;
	bool ipv6;
};

#define TARGET_TEXT_MAX 56 /* "[...]:65535" and its end */

/* An IP address without brackets, and a port. -EINVAL: not an address, or port 0. */
must_check int target_read(struct span host, uint16_t port, struct target *out);
/* Host and port of an MSRP URI. -EINVAL: its host is a name. */
must_check int target_of_uri(struct span uri, struct target *out);
/* "192.0.2.1:2855", "[2001:db8::1]:2855" */
must_check int target_parse(struct span text, struct target *out);
bool target_eq(const struct target *a, const struct target *b);
/* Not reachable from another network: private, shared, link-local, loopback, unspecified. */
bool target_is_unroutable(const struct target *target);
/* Without brackets; as target_parse takes it. */
void target_host(const struct target *target, char out[TARGET_TEXT_MAX]);
void target_text(const struct target *target, char out[TARGET_TEXT_MAX]);
#endif
