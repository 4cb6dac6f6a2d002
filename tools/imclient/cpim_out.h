/* SPDX-License-Identifier: BSD-3-Clause */
/* cpim_out: writes what a client puts in front of and into its messages.
 *
 * Spec:    RFC 3862 (message/cpim), RFC 3994 (is-composing), RFC 4826 and RFC 5364 (resource
 *          lists).
 * Threads: pure. Memory: malloc; the caller frees. NULL: no memory, or a value that would break out
 *          of its line.
 */
#ifndef TOOLS_IMCLIENT_CPIM_OUT_H
#define TOOLS_IMCLIENT_CPIM_OUT_H
#include <time.h>
#include "include/result.h"
#include "include/span.h"

/* From, To, DateTime, blank line, Content-Type, blank line; the content follows. */
char *cpim_head_write(const char *from, const char *to, time_t when, const char *content_type);

/* application/im-iscomposing+xml: "active" or "idle". */
char *is_composing_write(bool active);

/* application/resource-lists+xml, every entry with copyControl "to". */
char *resource_list_write(const char *const *uris, unsigned count);
#endif
