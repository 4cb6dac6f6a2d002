/* SPDX-License-Identifier: BSD-3-Clause */
/* Read with libxml2's SAX2 interface, so nothing is kept behind the octet that breaks a rule. The
 * handlers we leave NULL (entity and attribute declarations, external subset) are never called, as
 * a DOCTYPE ends the reading before its first declaration. */
#include "control/xml/reader.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
	xmlParserCtxtPtr parser;
	const struct reader_handler *handler;
	void *arg;
	struct reader_fault *fault;
	unsigned depth;
	/* Of the element that starts: count times local name, prefix, namespace, value, its end. */
	const xmlChar **attributes;
	int attribute_count;
	char *value; /* scratch of reader_attribute */
	size_t value_size;
	int result;
};

unsigned reader_line(const struct reader *r)
{
	return r->parser != NULL && r->parser->input != NULL ? (unsigned)r->parser->input->line : 1;
}

void reader_refuse(struct reader *r, const char *format, ...)
{
	va_list args;

	if (r->result != 0)
		return;
	r->result = -EBADMSG;
	r->fault->line = reader_line(r);
	va_start(args, format);
	vsnprintf(r->fault->sentence, sizeof(r->fault->sentence), format, args);
	va_end(args);
	for (char *c = r->fault->sentence; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

void reader_no_memory(struct reader *r)
{
	reader_refuse(r, "out of memory");
	r->result = -ENOBUFS;
}

bool reader_refused(const struct reader *r)
{
	return r->result != 0;
}

static const char *text_of(const xmlChar *text)
{
	return text != NULL ? (const char *)text : "";
}

/* An attribute's value as its writer meant it. Without replacement of entities (XML_PARSE_NOENT)
 * libxml2 gives every '&' of a value as "&#38;", for its tree builder to resolve; all other
 * references are resolved already. */
static bool value_resolve(struct reader *r, struct span *value)
{
	static const char escaped[] = "&#38;";
	size_t len = 0;

	if (value->len == 0 || memchr(value->at, '&', value->len) == NULL)
		return true;
	if (r->value_size < value->len) {
		char *more = realloc(r->value, value->len);

		if (more == NULL) {
			reader_no_memory(r);
			return false;
		}
		r->value = more;
		r->value_size = value->len;
	}
	while (value->len > 0) {
		size_t taken = value->len >= 5 && memcmp(value->at, escaped, 5) == 0 ? 5 : 1;

		r->value[len++] = value->at[0];
		value->at += taken;
		value->len -= taken;
	}
	*value = span_make(r->value, len);
	return true;
}

bool reader_attribute(struct reader *r, const char *space, const char *name, struct span *value)
{
	for (int i = 0; i < r->attribute_count; i++) {
		const xmlChar **a = r->attributes + 5 * i;

		if (strcmp(text_of(a[0]), name) != 0 || strcmp(text_of(a[2]), space) != 0)
			continue;
		*value = span_trim(span_make(a[3], (size_t)(a[4] - a[3])));
		return value_resolve(r, value);
	}
	return false;
}

static struct reader *reader_of(void *arg)
{
	return ((xmlParserCtxtPtr)arg)->_private;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *space,
	int space_count, const xmlChar **spaces, int count, int defaulted,
	const xmlChar **attributes)
{
	struct reader *r = reader_of(arg);

	if (r->result != 0)
		return;
	if (r->depth == XML_DEPTH_MAX) {
		reader_refuse(r, "elements are nested more than %d deep", XML_DEPTH_MAX);
		return;
	}
	r->depth++;
	r->attributes = attributes;
	r->attribute_count = count;
	r->handler->start(r->arg, r, text_of(name), text_of(space));
	r->attribute_count = 0;
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *space)
{
	struct reader *r = reader_of(arg);

	if (r->result != 0 || r->depth == 0)
		return;
	r->depth--;
	r->handler->end(r->arg, r);
}

static void on_text(void *arg, const xmlChar *text, int len)
{
	struct reader *r = reader_of(arg);

	if (r->result == 0 && r->depth > 0)
		r->handler->text(r->arg, r, span_make(text, (size_t)len));
}

static void on_doctype(
	void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	reader_refuse(reader_of(arg), "a DOCTYPE is not allowed");
	/* Only here: stopping frees the text that is being read, which attributes and libxml2's own
	 * error paths still point into at other places. Elsewhere the rest, of bounded length, is
	 * read and ignored. */
	xmlStopParser(arg);
}

/* Without a DOCTYPE there are the five predefined entities, which the parser resolves, and
 * errors. */
static xmlEntityPtr on_entity(void *arg, const xmlChar *name)
{
	xmlEntityPtr entity = xmlGetPredefinedEntity(name);

	if (entity == NULL)
		reader_refuse(reader_of(arg), "an entity is not allowed");
	return entity;
}

static void on_error(void *arg, xmlErrorPtr error)
{
	struct span message = span_of(error->message ? error->message : "not well-formed");

	if (error->level < XML_ERR_ERROR)
		return;
	message = span_cut(&message, '\n');
	reader_refuse(reader_of(arg), "%.*s", SPAN_ARG(message));
}

/* RFC 4826 has its documents in UTF-8. So nothing need make libxml2 guess, nor load a converter
 * that a peer names. */
static bool looks_like_utf8(struct span body)
{
	if (memchr(body.at, '\0', body.len) != NULL)
		return false;
	if (body.len >= 3 && memcmp(body.at, "\xef\xbb\xbf", 3) == 0)
		return true;
	return body.at[0] == '<';
}

int reader_run(struct span body, size_t max, const char *what, const struct reader_handler *handler,
	void *arg, struct reader_fault *fault)
{
	xmlSAXHandler sax = { .initialized = XML_SAX2_MAGIC,
		.internalSubset = on_doctype,
		.getEntity = on_entity,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.ignorableWhitespace = on_text,
		.cdataBlock = on_text,
		.serror = on_error };
	struct reader r = { .handler = handler, .arg = arg, .fault = fault };

	*fault = (struct reader_fault){ .line = 0 };
	/* Space before the XML declaration is not well-formed, but clients that build bodies by
	 * hand send it. */
	while (body.len > 0 && (body.at[0] == ' ' || body.at[0] == '\t' || body.at[0] == '\r' ||
				       body.at[0] == '\n')) {
		body.at++;
		body.len--;
	}
	if (body.len == 0) {
		reader_refuse(&r, "the %s is empty", what);
	} else if (body.len > max || body.len > INT_MAX) {
		reader_refuse(&r, "the %s is longer than %zu octets", what, max);
	} else if (!looks_like_utf8(body)) {
		reader_refuse(&r, "the %s is not XML in UTF-8", what);
	} else {
		r.parser = xmlCreateMemoryParserCtxt(body.at, (int)body.len);
		if (r.parser == NULL)
			reader_no_memory(&r);
	}
	if (r.parser != NULL) {
		*r.parser->sax = sax;
		r.parser->_private = &r;
		xmlCtxtUseOptions(r.parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC);
		xmlParseDocument(r.parser);
		if (r.result == 0 && !r.parser->wellFormed)
			reader_refuse(&r, "not well-formed");
		if (r.parser->myDoc != NULL) {
			xmlFreeDoc(r.parser->myDoc);
			r.parser->myDoc = NULL;
		}
		xmlFreeParserCtxt(r.parser);
	}
	free(r.value);
	return r.result;
}
