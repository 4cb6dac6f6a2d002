/* SPDX-License-Identifier: BSD-3-Clause */
/* reader: reads XML that may be hostile, and hands its elements to whoever knows the document.
 *
 * Place:    libxml2 -> reader -> resource_lists, group_document.
 * Spec:     XML 1.0 and namespaces, in UTF-8; context.md 6.3: no DTD, no entities, no network,
 *           bounded depth and size.
 * Threads:  pure. Memory: no tree is built; what a document may cost is what its handler keeps.
 */
#ifndef CONTROL_XML_READER_H
#define CONTROL_XML_READER_H
#include <stdbool.h>
#include "include/result.h"
#include "include/span.h"

#define XML_DEPTH_MAX 32

struct reader;

/* After a refusal none is called any more. space: the namespace, "" for none. All texts are
 * borrowed until the handler returns. */
struct reader_handler {
	void (*start)(void *arg, struct reader *r, const char *name, const char *space);
	void (*text)(void *arg, struct reader *r, struct span text); /* may come in pieces */
	void (*end)(void *arg, struct reader *r);
};

struct reader_fault {
	unsigned line;
	char sentence[160]; /* one line of text, at most; "" when nothing was refused */
};

/* 0; -EBADMSG with *fault: not well-formed, too deep, longer than max, a DTD or an entity, or
 * refused by the handler; -ENOBUFS. what: "resource list", for the sentences. */
must_check int reader_run(struct span body, size_t max, const char *what,
	const struct reader_handler *handler, void *arg, struct reader_fault *fault);

/* From within a handler. Only the first reason is kept: what follows is often its consequence. */
void reader_refuse(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reader_no_memory(struct reader *r);
bool reader_refused(const struct reader *r);
unsigned reader_line(const struct reader *r);
/* An attribute of the element that starts, without the space around it; space "" for none. False:
 * it has none. The value is borrowed until the next call. */
bool reader_attribute(struct reader *r, const char *space, const char *name, struct span *value);
#endif
