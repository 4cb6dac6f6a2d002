/* SPDX-License-Identifier: BSD-3-Clause */
/* identity: IM Addresses: which URIs name the same user, and in what form we keep them.
 *
 * Spec:    RFC 3261 19.1.4, RFC 3966, RFC 3325; reading: context.md 3.1.
 * Threads: pure.
 */
#ifndef CONTROL_SIP_IDENTITY_H
#define CONTROL_SIP_IDENTITY_H
#include <stdbool.h>
#include "include/result.h"
#include "include/span.h"

#define IDENTITY_MAX 512 /* octets of a canonical address with its final zero */

/* Canonical form of a sip:, sips:, tel: or im: URI: two URIs name the same user when their
 * canonical forms are equal octet by octet. Parameters other than user are dropped, host in lower
 * case, escapes resolved where the RFC allows, sip:+N@d;user=phone and tel:+N become "tel:+N",
 * visual separators dropped; of a tel's parameters ext, isub and a local number's phone-context
 * stay. -EBADMSG: not such a URI, or too long; out is "" then. */
must_check int identity_canonical(struct span uri, char out[IDENTITY_MAX]);
bool identity_eq(struct span a, struct span b); /* false when one does not parse */

/* "example.com" of sip:alice@example.com; empty for tel: */
struct span identity_host(struct span uri);
/* "alice"; for tel: the number */
struct span identity_user(struct span uri);

/* Prefix list "127.0.0.0/8", "::1/128", "10.0.0.1". */
struct prefix_list;
must_check int prefix_list_new(
	struct prefix_list **out, char *const *texts, unsigned count, const char **bad);
void prefix_list_free(struct prefix_list *list);
struct sockaddr;
bool prefix_list_has(const struct prefix_list *list, const struct sockaddr *address);

/* A display name fit for others: controls stripped, at most 256 octets, cut at a UTF-8 boundary;
 * out has 257. */
void display_name_clean(struct span name, char *out);
#endif
