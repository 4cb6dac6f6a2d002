/* SPDX-License-Identifier: BSD-3-Clause */
/* Read with libxml2's SAX2 interface: no tree is built, so what a body may cost is what we keep of
 * it, and nothing is kept behind the octet that breaks a rule. The handlers we leave NULL (entity
 * and attribute declarations, external subset) are never called, as a DOCTYPE ends the reading
 * before its first declaration.
 *
 *   resource-lists > list (> list ...) > entry [> display-name]
 *   all else is passed over, with what is in it
 */
#include "control/xml/resource_lists.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_LISTS     "urn:ietf:params:xml:ns:resource-lists"
#define NS_COPY      "urn:ietf:params:xml:ns:copycontrol"
#define NAME_MAX_LEN 1024 /* octets of a display name that are kept */

enum element { ELEMENT_OTHER, ELEMENT_ROOT, ELEMENT_LIST, ELEMENT_ENTRY, ELEMENT_NAME };

struct reader {
	xmlParserCtxtPtr parser;
	struct resource_list *list;
	unsigned room; /* entries allocated */
	enum element stack[XML_DEPTH_MAX];
	unsigned depth;
	char name[NAME_MAX_LEN + 1]; /* of the entry that is open */
	size_t name_len;
	bool refused;
	char *why;
	size_t why_size;
};

/* Only the first reason is kept: what follows is often its consequence. */
__attribute__((format(printf, 2, 3))) static void refuse(struct reader *r, const char *format, ...)
{
	va_list args;
	int len;

	if (r->refused)
		return;
	r->refused = true;
	if (r->why_size > 0) {
		int line =
			r->parser != NULL && r->parser->input != NULL ? r->parser->input->line : 1;

		len = snprintf(r->why, r->why_size, "line %d: ", line);
		va_start(args, format);
		if ((size_t)len < r->why_size)
			vsnprintf(r->why + len, r->why_size - (size_t)len, format, args);
		va_end(args);
	}
}

static bool text_is(const xmlChar *a, const char *b)
{
	return a != NULL && strcmp((const char *)a, b) == 0;
}

static bool value_is(struct span value, const char *text)
{
	return span_eq(value, span_of(text));
}

/* Octets that no URI has, and that would break out of a SIP header. */
static bool uri_is_unfit(const char *uri)
{
	for (; *uri != '\0'; uri++) {
		unsigned char c = (unsigned char)*uri;

		if (c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"')
			return true;
	}
	return false;
}

/* An attribute's value as its writer meant it. Without replacement of entities (XML_PARSE_NOENT)
 * libxml2 gives every '&' of a value as "&#38;", for its tree builder to resolve; all other
 * references are resolved already. Malloc. */
static char *value_copy(struct span value)
{
	static const char escaped[] = "&#38;";
	char *text = malloc(value.len + 1);
	size_t len = 0;

	if (text == NULL)
		return NULL;
	while (value.len > 0) {
		size_t taken = value.len >= 5 && memcmp(value.at, escaped, 5) == 0 ? 5 : 1;

		text[len++] = value.at[0];
		value.at += taken;
		value.len -= taken;
	}
	text[len] = '\0';
	return text;
}

static void entry_add(struct reader *r, struct span value, enum copy_control copy, bool anonymize)
{
	struct resource_entry *entry;
	char *mark;

	if (r->list->count == r->room) {
		unsigned room = r->room ? 2 * r->room : 16;
		struct resource_entry *more = realloc(r->list->entries, room * sizeof(*more));

		if (more == NULL) {
			refuse(r, "out of memory");
			return;
		}
		r->list->entries = more;
		r->room = room;
	}
	entry = &r->list->entries[r->list->count++];
	*entry = (struct resource_entry){
		.uri = value_copy(value), .copy = copy, .anonymize = anonymize
	};
	if (entry->uri == NULL) {
		refuse(r, "out of memory");
		return;
	}
	/* RFC 3261 25.1: a user part may have a '?'; headers begin at the first one behind the
	 * '@'. */
	mark = strchr(entry->uri, '@');
	mark = strchr(mark != NULL ? mark : entry->uri, '?');
	if (mark != NULL)
		*mark++ = '\0';
	if (uri_is_unfit(entry->uri) || entry->uri[0] == '\0' ||
		(mark != NULL && uri_is_unfit(mark)))
		refuse(r, "the uri of an <entry> is not a URI");
	entry->headers = strdup(mark != NULL ? mark : "");
	if (entry->headers == NULL)
		refuse(r, "out of memory");
}

/* attributes: count times local name, prefix, namespace, value, end of value */
static void entry_start(struct reader *r, const xmlChar **attributes, int count)
{
	/* RFC 5364: to and cc ask for being shown to the others. Who is silent has not asked. */
	enum copy_control copy = COPY_BCC;
	struct span uri = { NULL, 0 };
	bool anonymize = false;

	r->name_len = 0;
	for (int i = 0; i < count; i++) {
		const xmlChar **a = attributes + 5 * i;
		struct span value = span_trim(span_make(a[3], (size_t)(a[4] - a[3])));

		if (a[2] == NULL && text_is(a[0], "uri")) {
			uri = value;
		} else if (text_is(a[2], NS_COPY) && text_is(a[0], "copyControl")) {
			if (value_is(value, "to"))
				copy = COPY_TO;
			else if (value_is(value, "cc"))
				copy = COPY_CC;
			else if (!value_is(value, "bcc"))
				refuse(r, "copyControl is to, cc or bcc");
		} else if (text_is(a[2], NS_COPY) && text_is(a[0], "anonymize")) {
			anonymize = value_is(value, "true") || value_is(value, "1");
			if (!anonymize && !value_is(value, "false") && !value_is(value, "0"))
				refuse(r, "anonymize is true or false");
		}
	}
	if (r->refused)
		return;
	if (uri.at == NULL)
		refuse(r, "an <entry> without uri");
	else
		entry_add(r, uri, copy, anonymize);
}

static enum element element_start(struct reader *r, const xmlChar *name, const xmlChar *space,
	const xmlChar **attributes, int count)
{
	enum element parent;

	if (r->depth == 0) {
		if (text_is(name, "resource-lists") && text_is(space, NS_LISTS))
			return ELEMENT_ROOT;
		refuse(r, "not a resource list");
		return ELEMENT_OTHER;
	}
	parent = r->stack[r->depth - 1];
	if (parent == ELEMENT_OTHER || !text_is(space, NS_LISTS))
		return ELEMENT_OTHER;
	if (text_is(name, "external") || text_is(name, "entry-ref")) {
		/* They name lists elsewhere, which we would have to fetch for the sender. */
		refuse(r, "<%s> is not supported", (const char *)name);
	} else if (text_is(name, "list") && (parent == ELEMENT_ROOT || parent == ELEMENT_LIST)) {
		return ELEMENT_LIST;
	} else if (text_is(name, "entry")) {
		if (parent == ELEMENT_LIST) {
			entry_start(r, attributes, count);
			return ELEMENT_ENTRY;
		}
		refuse(r, "an <entry> outside of a <list>");
	} else if (text_is(name, "display-name") && parent == ELEMENT_ENTRY) {
		r->name_len = 0;
		return ELEMENT_NAME;
	}
	return ELEMENT_OTHER;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *space,
	int space_count, const xmlChar **spaces, int count, int defaulted,
	const xmlChar **attributes)
{
	struct reader *r = ((xmlParserCtxtPtr)arg)->_private;

	if (r->refused)
		return;
	if (r->depth == XML_DEPTH_MAX) {
		refuse(r, "elements are nested more than %d deep", XML_DEPTH_MAX);
		return;
	}
	/* Two statements: the element must be known before it counts as open. */
	enum element element = element_start(r, name, space, attributes, count);

	r->stack[r->depth++] = element;
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *space)
{
	struct reader *r = ((xmlParserCtxtPtr)arg)->_private;
	struct resource_entry *entry;

	if (r->refused || r->depth == 0)
		return;
	if (r->stack[--r->depth] != ELEMENT_ENTRY)
		return;
	entry = &r->list->entries[r->list->count - 1];
	entry->display_name = strndup(r->name, r->name_len);
	if (entry->display_name == NULL)
		refuse(r, "out of memory");
}

static void on_text(void *arg, const xmlChar *text, int len)
{
	struct reader *r = ((xmlParserCtxtPtr)arg)->_private;

	if (r->refused || r->depth == 0 || r->stack[r->depth - 1] != ELEMENT_NAME)
		return;
	if ((size_t)len > NAME_MAX_LEN - r->name_len) {
		refuse(r, "a <display-name> is longer than %d octets", NAME_MAX_LEN);
		return;
	}
	memcpy(r->name + r->name_len, text, (size_t)len);
	r->name_len += (size_t)len;
}

static void on_doctype(
	void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	refuse(((xmlParserCtxtPtr)arg)->_private, "a DOCTYPE is not allowed");
	/* Only here: stopping frees the text that is being read, which attributes and libxml2's own
	 * error paths still point into at other places. Elsewhere the rest, at most 256 KiB, is
	 * read and ignored. */
	xmlStopParser(arg);
}

/* Without a DOCTYPE there are the five predefined entities, which the parser resolves, and
 * errors. */
static xmlEntityPtr on_entity(void *arg, const xmlChar *name)
{
	xmlEntityPtr entity = xmlGetPredefinedEntity(name);

	if (entity == NULL)
		refuse(((xmlParserCtxtPtr)arg)->_private, "an entity is not allowed");
	return entity;
}

static void on_error(void *arg, xmlErrorPtr error)
{
	struct reader *r = ((xmlParserCtxtPtr)arg)->_private;
	struct span message = span_of(error->message ? error->message : "not well-formed");

	if (error->level < XML_ERR_ERROR)
		return;
	message = span_cut(&message, '\n');
	refuse(r, "%.*s", SPAN_ARG(message));
}

/* RFC 4826 has its documents in UTF-8. So nothing need make libxml2 guess, nor load a converter
 * that a peer names. */
static bool looks_like_utf8(struct span body)
{
	if (memchr(body.at, '\0', body.len) != NULL)
		return false;
	if (body.len >= 3 && memcmp(body.at, "\xef\xbb\xbf", 3) == 0)
		return true;
	return body.at[0] == '<' || body.at[0] == ' ' || body.at[0] == '\t' || body.at[0] == '\r' ||
	       body.at[0] == '\n';
}

int resource_list_parse(struct span body, struct resource_list *out, char *why, size_t size)
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
	struct reader r = { .list = out, .why = why, .why_size = size };

	*out = (struct resource_list){ .entries = NULL };
	if (size > 0)
		why[0] = '\0';
	/* Space before the XML declaration is not well-formed, but clients that build bodies by
	 * hand send it. */
	while (body.len > 0 && (body.at[0] == ' ' || body.at[0] == '\t' || body.at[0] == '\r' ||
				       body.at[0] == '\n')) {
		body.at++;
		body.len--;
	}
	if (body.len == 0) {
		refuse(&r, "the resource list is empty");
	} else if (body.len > XML_BODY_MAX) {
		refuse(&r, "the resource list is longer than %d octets", XML_BODY_MAX);
	} else if (!looks_like_utf8(body)) {
		refuse(&r, "the resource list is not XML in UTF-8");
	} else {
		r.parser = xmlCreateMemoryParserCtxt(body.at, (int)body.len);
		if (r.parser == NULL)
			refuse(&r, "out of memory");
	}
	if (r.parser != NULL) {
		*r.parser->sax = sax;
		r.parser->_private = &r;
		xmlCtxtUseOptions(r.parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC);
		xmlParseDocument(r.parser);
		if (!r.refused && !r.parser->wellFormed)
			refuse(&r, "not well-formed");
		if (r.parser->myDoc != NULL) {
			xmlFreeDoc(r.parser->myDoc);
			r.parser->myDoc = NULL;
		}
		xmlFreeParserCtxt(r.parser);
	}
	if (!r.refused)
		return 0;
	resource_list_fini(out);
	return -EBADMSG;
}

void resource_list_fini(struct resource_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		free(list->entries[i].uri);
		free(list->entries[i].headers);
		free(list->entries[i].display_name);
	}
	free(list->entries);
	*list = (struct resource_list){ .entries = NULL };
}

static void put_escaped(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&': fputs("&amp;", f); break;
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '"': fputs("&quot;", f); break;
		case '\'': fputs("&apos;", f); break;
		default: fputc(*text, f);
		}
	}
}

char *resource_list_history(const struct resource_list *list)
{
	static const struct {
		enum copy_control copy;
		const char *name;
	} shown[] = { { COPY_TO, "to" }, { COPY_CC, "cc" } };
	unsigned hidden[2] = { 0, 0 }, seen = 0;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	bool failed;

	if (f == NULL)
		return NULL;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
	      "<resource-lists xmlns=\"" NS_LISTS "\" xmlns:cp=\"" NS_COPY "\">\r\n<list>\r\n",
		f);
	for (unsigned i = 0; i < list->count; i++) {
		const struct resource_entry *entry = &list->entries[i];

		for (unsigned k = 0; k < 2; k++) {
			if (entry->copy != shown[k].copy)
				continue;
			seen++;
			if (entry->anonymize) {
				hidden[k]++;
				continue;
			}
			fputs("<entry uri=\"", f);
			put_escaped(f, entry->uri);
			fprintf(f, "\" cp:copyControl=\"%s\"/>\r\n", shown[k].name);
		}
	}
	/* RFC 5364: those who are not named are one entry a level, with their number. */
	for (unsigned k = 0; k < 2; k++) {
		if (hidden[k] > 0)
			fprintf(f,
				"<entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"%s\" cp:count=\"%u\"/>\r\n",
				shown[k].name, hidden[k]);
	}
	fputs("</list>\r\n</resource-lists>\r\n", f);
	failed = ferror(f) != 0;
	if (fclose(f) != 0 || failed || seen == 0) {
		free(text);
		return NULL;
	}
	return text;
}
