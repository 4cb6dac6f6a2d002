/* SPDX-License-Identifier: BSD-3-Clause */
/* resource_lists: application/resource-lists+xml bodies.  Spec: RFC 4826, RFC 5364 (copyControl,
 * anonymize), RFC 5366.
 *
 * Threads: pure. Memory: a resource_list owns its strings. No DTD, no entities, no network; depth
 * 32; 256 KiB (design 7). */
#ifndef CONTROL_XML_RESOURCE_LISTS_H
#define CONTROL_XML_RESOURCE_LISTS_H
#include "control/xml/reader.h"

#define XML_BODY_MAX 262144 /* octets */

enum copy_control { COPY_TO, COPY_CC, COPY_BCC };

struct resource_entry {
	char *uri;          /* as written, without its header part ("?...") */
	char *headers;      /* the part after '?', still escaped; "" when absent */
	char *display_name; /* "" when absent */
	/* COPY_BCC when the sender said nothing: not shown in the history */
	enum copy_control copy;
	bool anonymize;
};

struct resource_list {
	struct resource_entry *entries;
	unsigned count;
};

/* 0; -EBADMSG: not well-formed, not a resource list, a DTD or an entity, too deep, too large; `why`
 * (size octets) then has a sentence with the line, fit for a Warning. Nested lists are flattened;
 * <external> and <entry-ref> are an error. */
must_check int resource_list_parse(
	struct span body, struct resource_list *out, char *why, size_t size);
void resource_list_fini(struct resource_list *list);

/* The recipient-list-history part of an invitation (RFC 5364/5366): to and cc entries, bcc removed,
 * anonymized ones as sip:anonymous@anonymous.invalid. malloc; "" is never returned; NULL: nothing
 * to show, or no memory. */
char *resource_list_history(const struct resource_list *list);
#endif
