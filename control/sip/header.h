/* SPDX-License-Identifier: BSD-3-Clause */
/* header: SIP header lines that a procedure adds to a message, as text, without a type of the SIP
 * stack.
 *
 * Threads: pure. Memory: a fixed buffer in the caller's frame.
 * A value with a CR, an LF or a zero is left out and marks the block bad, so that nothing that a
 * peer wrote can begin a line of its own.
 */
#ifndef CONTROL_SIP_HEADER_H
#define CONTROL_SIP_HEADER_H
#include <stdbool.h>
#include <stddef.h>
#include "include/span.h"

#define HEADER_BLOCK_MAX 6144

struct header_block {
	size_t len;
	bool bad; /* a line did not fit or held a control character; it was left out */
	char text[HEADER_BLOCK_MAX];
};

void header_init(struct header_block *block);
/* One line "name: value". */
void header_add(struct header_block *block, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Warning: 399 host "text" (RFC 3261 20.43). A quote or backslash in the text is replaced. */
void header_add_warning(struct header_block *block, const char *host, const char *text);
/* A name-addr: "display" <uri>, without display when it is empty; display's quotes are escaped. out
 * has size octets. */
void header_name_addr(char *out, size_t size, const char *display, const char *uri);
#endif
