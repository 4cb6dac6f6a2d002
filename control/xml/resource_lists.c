/* SPDX-License-Identifier: BSD-3-Clause */
/*   resource-lists > list (> list ...) > entry [> display-name]
 *   all else is passed over, with what is in it
 */
#include "control/xml/resource_lists.h"

#include <stdio.h>
#include <stdlib.h>

#define NS_LISTS     "urn:ietf:params:xml:ns:resource-lists"
#define NS_COPY      "urn:ietf:params:xml:ns:copycontrol"
#define NAME_MAX_LEN 1024 /* octets of a display name that are kept */

enum element { ELEMENT_OTHER, ELEMENT_ROOT, ELEMENT_LIST, ELEMENT_ENTRY, ELEMENT_NAME };

struct document {
	struct resource_list *list;
	unsigned room; /* entries allocated */
	enum element stack[XML_DEPTH_MAX];
	unsigned depth;
	char name[NAME_MAX_LEN + 1]; /* of the entry that is open */
	size_t name_len;
};

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

static void entry_add(struct document *d, struct reader *r, struct span uri)
{
	struct resource_entry *entry;
	char *mark;

	if (d->list->count == d->room) {
		unsigned room = d->room ? 2 * d->room : 16;
		struct resource_entry *more = realloc(d->list->entries, room * sizeof(*more));

		if (more == NULL) {
			reader_no_memory(r);
			return;
		}
		d->list->entries = more;
		d->room = room;
	}
	entry = &d->list->entries[d->list->count++];
	/* RFC 5364: to and cc ask for being shown to the others. Who is silent has not asked. */
	*entry = (struct resource_entry){ .uri = strndup(uri.at, uri.len), .copy = COPY_BCC };
	if (entry->uri == NULL) {
		reader_no_memory(r);
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
		reader_refuse(r, "the uri of an <entry> is not a URI");
	entry->headers = strdup(mark != NULL ? mark : "");
	if (entry->headers == NULL)
		reader_no_memory(r);
}

static void entry_start(struct document *d, struct reader *r)
{
	struct resource_entry *entry;
	struct span value;

	d->name_len = 0;
	if (!reader_attribute(r, "", "uri", &value)) {
		reader_refuse(r, "an <entry> without uri");
		return;
	}
	entry_add(d, r, value);
	if (reader_refused(r))
		return;
	entry = &d->list->entries[d->list->count - 1];
	if (reader_attribute(r, NS_COPY, "copyControl", &value)) {
		if (value_is(value, "to"))
			entry->copy = COPY_TO;
		else if (value_is(value, "cc"))
			entry->copy = COPY_CC;
		else if (!value_is(value, "bcc"))
			reader_refuse(r, "copyControl is to, cc or bcc");
	}
	if (reader_attribute(r, NS_COPY, "anonymize", &value)) {
		entry->anonymize = value_is(value, "true") || value_is(value, "1");
		if (!entry->anonymize && !value_is(value, "false") && !value_is(value, "0"))
			reader_refuse(r, "anonymize is true or false");
	}
}

static enum element element_start(
	struct document *d, struct reader *r, const char *name, const char *space)
{
	enum element parent;

	if (d->depth == 0) {
		if (strcmp(name, "resource-lists") == 0 && strcmp(space, NS_LISTS) == 0)
			return ELEMENT_ROOT;
		reader_refuse(r, "not a resource list");
		return ELEMENT_OTHER;
	}
	parent = d->stack[d->depth - 1];
	if (parent == ELEMENT_OTHER || strcmp(space, NS_LISTS) != 0)
		return ELEMENT_OTHER;
	if (strcmp(name, "external") == 0 || strcmp(name, "entry-ref") == 0) {
		/* They name lists elsewhere, which we would have to fetch for the sender. */
		reader_refuse(r, "<%s> is not supported", name);
	} else if (strcmp(name, "list") == 0 &&
		   (parent == ELEMENT_ROOT || parent == ELEMENT_LIST)) {
		return ELEMENT_LIST;
	} else if (strcmp(name, "entry") == 0) {
		if (parent == ELEMENT_LIST) {
			entry_start(d, r);
			return ELEMENT_ENTRY;
		}
		reader_refuse(r, "an <entry> outside of a <list>");
	} else if (strcmp(name, "display-name") == 0 && parent == ELEMENT_ENTRY) {
		d->name_len = 0;
		return ELEMENT_NAME;
	}
	return ELEMENT_OTHER;
}

static void on_start(void *arg, struct reader *r, const char *name, const char *space)
{
	struct document *d = arg;
	/* Two statements: the element must be known before it counts as open. */
	enum element element = element_start(d, r, name, space);

	d->stack[d->depth++] = element;
}

static void on_end(void *arg, struct reader *r)
{
	struct document *d = arg;
	struct resource_entry *entry;

	if (d->stack[--d->depth] != ELEMENT_ENTRY)
		return;
	entry = &d->list->entries[d->list->count - 1];
	entry->display_name = strndup(d->name, d->name_len);
	if (entry->display_name == NULL)
		reader_no_memory(r);
}

static void on_text(void *arg, struct reader *r, struct span text)
{
	struct document *d = arg;

	if (d->stack[d->depth - 1] != ELEMENT_NAME)
		return;
	if (text.len > NAME_MAX_LEN - d->name_len) {
		reader_refuse(r, "a <display-name> is longer than %d octets", NAME_MAX_LEN);
		return;
	}
	memcpy(d->name + d->name_len, text.at, text.len);
	d->name_len += text.len;
}

int resource_list_parse(struct span body, struct resource_list *out, char *why, size_t size)
{
	static const struct reader_handler handler = { on_start, on_text, on_end };
	struct document document = { .list = out };
	struct reader_fault fault;

	*out = (struct resource_list){ .entries = NULL };
	if (size > 0)
		why[0] = '\0';
	if (reader_run(body, XML_BODY_MAX, "resource list", &handler, &document, &fault) == 0)
		return 0;
	snprintf(why, size, "line %u: %s", fault.line, fault.sentence);
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
