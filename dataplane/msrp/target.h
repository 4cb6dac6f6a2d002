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

struct msrp_target {
	uint8_t address[16]; /* an IPv4 address takes the first four, zeros follow */
	uint16_t port;
	bool ipv6;
};

#define MSRP_TARGET_TEXT_MAX 56 /* "[...]:65535" and its end */

/* An IP address without brackets, and a port. -EINVAL: not an address, or port 0. */
must_check int msrp_target_read(struct span host, uint16_t port, struct msrp_target *out);
/* Host and port of an MSRP URI. -EINVAL: its host is a name. */
must_check int msrp_target_of_uri(struct span uri, struct msrp_target *out);
/* "192.0.2.1:2855", "[2001:db8::1]:2855" */
must_check int msrp_target_parse(struct span text, struct msrp_target *out);
bool msrp_target_eq(const struct msrp_target *a, const struct msrp_target *b);
bool msrp_target_is_unspecified(const struct msrp_target *target); /* 0.0.0.0, :: */
/* Not reachable from another network: private, shared, link-local, loopback, unspecified. */
bool msrp_target_is_unroutable(const struct msrp_target *target);
/* Without brackets; as msrp_target_parse takes it. */
void msrp_target_host(const struct msrp_target *target, char out[MSRP_TARGET_TEXT_MAX]);
void msrp_target_text(const struct msrp_target *target, char out[MSRP_TARGET_TEXT_MAX]);
#endif
