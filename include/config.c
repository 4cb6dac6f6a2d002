/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>
#include "include/config.h"
#include "include/config_table.h"

#define FILE_MAX   (1u << 20) /* octets of a configuration file */
#define ITEMS_MAX  4096       /* of one list */
#define ERRORS_MAX 50         /* said of one file */

const struct config_section config_sections[CONFIG_SECTION_COUNT] = {
#define CONFIG_SECTION(section, text) { #section, text },
#include "include/config.def"
};

#define KEY(section, key, ...)                                                                     \
	{                                                                                          \
		CONFIG_SECTION_##section, __VA_ARGS__                                              \
	}
#define AT(field)   offsetof(struct config, field)
#define MS(seconds) ((uint64_t)((seconds)*1000))

const struct config_key config_keys[CONFIG_KEY_COUNT] = {
#define CONFIG_NUMBER(section, key, initial, low, high, text)                                      \
	KEY(section, key, #key, CONFIG_KIND_NUMBER, AT(section##_##key), initial, low, high, NULL, \
		text),
#define CONFIG_SECONDS(section, key, name, initial, low, high, text)                               \
	KEY(section, key, name, CONFIG_KIND_SECONDS, AT(section##_##key##_ms), MS(initial),        \
		MS(low), MS(high), NULL, text),
#define CONFIG_BOOLEAN(section, key, initial, text)                                                \
	KEY(section, key, #key, CONFIG_KIND_BOOLEAN, AT(section##_##key), initial, 0, 1, NULL,     \
		text),
#define CONFIG_STRING(section, key, initial, text)                                                 \
	KEY(section, key, #key, CONFIG_KIND_STRING, AT(section##_##key), 0, 0, 0, initial, text),
#define CONFIG_PATH(section, key, initial, text)                                                   \
	KEY(section, key, #key, CONFIG_KIND_PATH, AT(section##_##key), 0, 0, 0, initial, text),
#define CONFIG_LIST(section, key, initial, text)                                                   \
	KEY(section, key, #key, CONFIG_KIND_LIST, AT(section##_##key), 0, 0, 0, initial, text),
#include "include/config.def"
};

/* There is nothing to fall back on while a daemon starts, so lack of memory ends it here. */
static void *checked(void *memory)
{
	if (memory == NULL) {
		fputs("out of memory while reading the configuration\n", stderr);
		abort();
	}
	return memory;
}

/* ---- errors ---- */

struct config_errors {
	struct {
		unsigned line;
		char *text;
	} list[ERRORS_MAX];
	unsigned count; /* also of those that were not kept */
};

void config_error(struct config_errors *errors, unsigned line, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	errors->count++;
	if (errors->count > ERRORS_MAX)
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	errors->list[errors->count - 1].line = line;
	errors->list[errors->count - 1].text = checked(text);
}

static void errors_write(struct config_errors *errors, const char *name, FILE *out)
{
	unsigned kept = errors->count < ERRORS_MAX ? errors->count : ERRORS_MAX;
	unsigned i, j;

	for (i = 1; i < kept; i++) { /* insertion sort: few, and nearly in order */
		__typeof__(errors->list[0]) moved = errors->list[i];

		for (j = i; j > 0 && errors->list[j - 1].line > moved.line; j--)
			errors->list[j] = errors->list[j - 1];
		errors->list[j] = moved;
	}
	for (i = 0; i < kept; i++) {
		fprintf(out, "%s:%u: %s\n", name, errors->list[i].line, errors->list[i].text);
		free(errors->list[i].text);
	}
	if (errors->count > kept)
		fprintf(out, "%s: and %u more errors\n", name, errors->count - kept);
}

struct config_quoted config_quote(const char *text)
{
	struct config_quoted q;
	size_t at = 0;

	q.text[at++] = '"';
	for (; *text != 0; text++) {
		unsigned char c = (unsigned char)*text;

		if (at > CONFIG_QUOTED_MAX - 12) { /* room for an escape, "..." and the end */
			memcpy(q.text + at, "...", 3);
			at += 3;
			break;
		}
		if (c < 0x20 || c == 0x7f)
			at += (size_t)sprintf(q.text + at, "\\x%02x", c);
		else
			q.text[at++] = (char)c;
	}
	q.text[at++] = '"';
	q.text[at] = 0;
	return q;
}

/* ---- values ---- */

static char *path_absolute(const char *base, const char *path)
{
	char *joined = NULL;

	if (*path == 0 || *path == '/' || *base == 0)
		return checked(strdup(path));
	if (asprintf(&joined, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", path) < 0)
		joined = NULL;
	return checked(joined);
}

static void list_free(struct string_list *list)
{
	unsigned i;

	for (i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){ NULL, 0 };
}

static void list_append(struct string_list *list, const char *at, size_t len)
{
	list->items = checked(realloc(list->items, (list->count + 1) * sizeof(char *)));
	list->items[list->count++] = checked(strndup(at, len));
}

void config_defaults(struct config *out, const char *base)
{
	const struct config_key *key;
	const char *item;
	size_t len;

	*out = (struct config){ 0 };
	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		void *field = config_field(out, key);

		switch (key->kind) {
		case CONFIG_KIND_NUMBER:
		case CONFIG_KIND_SECONDS: *(uint64_t *)field = key->initial; break;
		case CONFIG_KIND_BOOLEAN: *(bool *)field = key->initial != 0; break;
		case CONFIG_KIND_STRING:
			*(char **)field = checked(strdup(key->initial_text));
			break;
		case CONFIG_KIND_PATH:
			*(char **)field = path_absolute(base, key->initial_text);
			break;
		case CONFIG_KIND_LIST:
			for (item = key->initial_text; *item != 0;
				item += len + (item[len] == ' ')) {
				len = strcspn(item, " ");
				list_append(field, item, len);
			}
			break;
		}
	}
}

void config_free(struct config *config)
{
	const struct config_key *key;

	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		void *field = config_field(config, key);

		if (key->kind == CONFIG_KIND_STRING || key->kind == CONFIG_KIND_PATH)
			free(*(char **)field);
		else if (key->kind == CONFIG_KIND_LIST)
			list_free(field);
	}
	free(config->file);
	*config = (struct config){ 0 };
}

struct config_number config_number_text(const struct config_key *key, uint64_t value)
{
	struct config_number n;
	int len;

	if (key->kind == CONFIG_KIND_NUMBER) {
		snprintf(n.text, sizeof(n.text), "%llu", (unsigned long long)value);
		return n;
	}
	len = snprintf(n.text, sizeof(n.text), "%llu.%03u", (unsigned long long)value / 1000,
		(unsigned)(value % 1000));
	while (n.text[len - 1] == '0')
		n.text[--len] = 0;
	if (n.text[len - 1] == '.')
		n.text[--len] = 0;
	return n;
}

/* "12", and with `decimals` also "0.25": the value in units of 10^-decimals. False: not written so,
 * or beyond 2^63. */
static bool number_read(const char *text, unsigned decimals, uint64_t *out)
{
	uint64_t value = 0;
	bool fraction = false;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; *text != 0; text++) {
		if (*text == '.' && decimals > 0 && !fraction && isdigit((unsigned char)text[1])) {
			fraction = true;
			continue;
		}
		if (!isdigit((unsigned char)*text) || value > (UINT64_MAX >> 1) / 10)
			return false;
		if (fraction && decimals-- == 0)
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	for (; decimals > 0; decimals--) {
		if (value > (UINT64_MAX >> 1) / 10)
			return false;
		value *= 10;
	}
	*out = value;
	return true;
}

/* ---- one file ---- */

struct loader {
	yaml_document_t *document;
	struct config *config;
	const char *base; /* directory that relative paths start from */
	struct config_errors errors;
	struct config_places places;
	unsigned section_line[CONFIG_SECTION_COUNT];
};

static unsigned line_of(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool is_empty(const yaml_node_t *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	unsigned i;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
		if (strcmp(scalar_text(node), nulls[i]) == 0)
			return true;
	}
	return false;
}

/* A text that C can hold and a log line can show: no zero octet, no control character. */
static bool is_printable(const yaml_node_t *node)
{
	size_t i;

	for (i = 0; i < node->data.scalar.length; i++) {
		unsigned char c = node->data.scalar.value[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

/* A name from the file as it stands there, but cut and escaped as config_quote does. */
static struct config_quoted name_of(const char *text)
{
	struct config_quoted q = config_quote(text);
	size_t len = strlen(q.text);

	memmove(q.text, q.text + 1, len - 2);
	q.text[len - 2] = 0;
	return q;
}

/* What stands there, for "KEY is ...". A number in quotes is a text, and is called so. */
static struct config_quoted found(const yaml_node_t *node)
{
	struct config_quoted q, inner;

	if (node->type == YAML_SEQUENCE_NODE) {
		strcpy(q.text, "a list");
	} else if (node->type == YAML_MAPPING_NODE) {
		strcpy(q.text, "a section of its own");
	} else if (is_empty(node)) {
		strcpy(q.text, "empty");
	} else if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		q = name_of(scalar_text(node));
	} else {
		inner = config_quote(scalar_text(node));
		snprintf(q.text, sizeof(q.text), "the text %.*s", CONFIG_QUOTED_MAX, inner.text);
	}
	return q;
}

static void error_type(
	struct loader *l, const struct config_key *key, unsigned line, const yaml_node_t *node)
{
	struct config_errors *errors = &l->errors;
	const char *section = config_sections[key->section].name;
	const struct config_quoted q = found(node);

	switch (key->kind) {
	case CONFIG_KIND_NUMBER:
		config_error(errors, line, "%s.%s is %s: write a whole number from %s to %s",
			section, key->name, q.text, config_number_text(key, key->low).text,
			config_number_text(key, key->high).text);
		break;
	case CONFIG_KIND_SECONDS:
		config_error(errors, line,
			"%s.%s is %s: write seconds from %s to %s, with at most three decimals",
			section, key->name, q.text, config_number_text(key, key->low).text,
			config_number_text(key, key->high).text);
		break;
	case CONFIG_KIND_BOOLEAN:
		config_error(errors, line, "%s.%s is %s: write true or false", section, key->name,
			q.text);
		break;
	case CONFIG_KIND_STRING:
	case CONFIG_KIND_PATH:
		config_error(errors, line, "%s.%s is %s: write one text in quotes, \"\" for none",
			section, key->name, q.text);
		break;
	case CONFIG_KIND_LIST:
		if (node->type == YAML_SCALAR_NODE && !is_empty(node))
			config_error(errors, line, "%s.%s is %s: write a list, [%s]", section,
				key->name, q.text, config_quote(scalar_text(node)).text);
		else
			config_error(errors, line,
				"%s.%s is %s: write a list of texts, [] for none", section,
				key->name, q.text);
		break;
	}
}

static void list_read(struct loader *l, enum config_key_id id, const yaml_node_t *node)
{
	const struct config_key *key = &config_keys[id];
	const char *section = config_sections[key->section].name;
	struct string_list *list = config_field(l->config, key);
	const yaml_node_item_t *item = node->data.sequence.items.start;
	size_t count = (size_t)(node->data.sequence.items.top - item);
	unsigned *lines;

	list_free(list);
	if (count > ITEMS_MAX) {
		config_error(&l->errors, line_of(node), "%s.%s has %zu items: write at most %u",
			section, key->name, count, ITEMS_MAX);
		return;
	}
	lines = checked(calloc(count + 1, sizeof(*lines)));
	l->places.item_lines[id] = lines;
	for (; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *value = yaml_document_get_node(l->document, *item);
		unsigned line = line_of(value);

		if (value->type != YAML_SCALAR_NODE || is_empty(value)) {
			config_error(&l->errors, line,
				"an item of %s.%s is %s: write a text in quotes", section,
				key->name, found(value).text);
			continue;
		}
		if (!is_printable(value)) {
			config_error(&l->errors, line,
				"%s.%s %s has a control character: leave it out", section,
				key->name, config_quote(scalar_text(value)).text);
			continue;
		}
		if (!config_item_check(id, scalar_text(value), line, &l->errors))
			continue;
		lines[list->count] = line;
		list_append(list, scalar_text(value), value->data.scalar.length);
	}
}

static void value_read(
	struct loader *l, enum config_key_id id, const yaml_node_t *node, unsigned line)
{
	const struct config_key *key = &config_keys[id];
	void *field = config_field(l->config, key);
	const char *text = node->type == YAML_SCALAR_NODE ? scalar_text(node) : NULL;
	bool plain = text != NULL && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	uint64_t number;

	switch (key->kind) {
	case CONFIG_KIND_NUMBER:
	case CONFIG_KIND_SECONDS:
		if (!plain ||
			!number_read(text, key->kind == CONFIG_KIND_SECONDS ? 3 : 0, &number) ||
			number < key->low || number > key->high) {
			error_type(l, key, line, node);
			return;
		}
		*(uint64_t *)field = number;
		return;
	case CONFIG_KIND_BOOLEAN:
		if (!plain || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)) {
			error_type(l, key, line, node);
			return;
		}
		*(bool *)field = strcmp(text, "true") == 0;
		return;
	case CONFIG_KIND_STRING:
	case CONFIG_KIND_PATH:
		if (text == NULL || is_empty(node)) {
			error_type(l, key, line, node);
			return;
		}
		if (!is_printable(node)) {
			config_error(&l->errors, line,
				"%s.%s %s has a control character: leave it out",
				config_sections[key->section].name, key->name,
				config_quote(text).text);
			return;
		}
		free(*(char **)field);
		*(char **)field = key->kind == CONFIG_KIND_PATH ? path_absolute(l->base, text)
								: checked(strdup(text));
		config_item_check(id, *(char **)field, line, &l->errors);
		return;
	case CONFIG_KIND_LIST:
		if (node->type == YAML_SEQUENCE_NODE)
			list_read(l, id, node);
		else
			error_type(l, key, line, node);
		return;
	}
}

/* ---- names ---- */

#define NAME_MAX_OCTETS 40 /* longer names are not compared: no key comes near */

/* Edits (a letter changed, left out, added, or two swapped) that make b of a. */
static unsigned edit_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i, j;
	unsigned d[NAME_MAX_OCTETS + 1][NAME_MAX_OCTETS + 1];

	if (la > NAME_MAX_OCTETS || lb > NAME_MAX_OCTETS)
		return NAME_MAX_OCTETS;
	for (i = 0; i <= la; i++) {
		for (j = 0; j <= lb; j++) {
			unsigned best;

			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

/* The nearest key of the section; NULL when none is near enough to be meant: one letter, and a
 * third of its own. */
static const struct config_key *nearest_key(unsigned section, const char *name)
{
	const struct config_key *key, *nearest = NULL;
	unsigned best = NAME_MAX_OCTETS;

	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		unsigned distance, allowed;

		if (key->section != section)
			continue;
		distance = edit_distance(name, key->name);
		allowed = 1 + (unsigned)strlen(key->name) / 3;
		if (distance <= allowed && distance < best) {
			best = distance;
			nearest = key;
		}
	}
	return nearest;
}

static void error_unknown_key(struct loader *l, unsigned section, const char *name, unsigned line)
{
	const char *section_name = config_sections[section].name;
	const struct config_key *key, *near = nearest_key(section, name);
	char known[512] = "";

	/* The same word in another section is a better guess than a similar one in this. */
	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		if (strcmp(key->name, name) == 0) {
			config_error(&l->errors, line, "unknown key %s.%s: did you mean %s.%s?",
				section_name, name, config_sections[key->section].name, key->name);
			return;
		}
	}
	if (near != NULL) {
		config_error(&l->errors, line, "unknown key %s.%s: did you mean %s.%s?",
			section_name, name_of(name).text, section_name, near->name);
		return;
	}
	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		if (key->section == section)
			snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
				known[0] != 0 ? ", " : "", key->name);
	}
	config_error(&l->errors, line, "unknown key %s.%s: the keys of %s are %s", section_name,
		name_of(name).text, section_name, known);
}

static void error_unknown_section(struct loader *l, const char *name, unsigned line)
{
	const struct config_key *key;
	unsigned i, best = 3, nearest = CONFIG_SECTION_COUNT;
	char known[128] = "";

	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		if (strcmp(key->name, name) == 0) {
			config_error(&l->errors, line,
				"key %s stands outside its section: write it, indented, under \"%s:\"",
				name, config_sections[key->section].name);
			return;
		}
	}
	for (i = 0; i < CONFIG_SECTION_COUNT; i++) {
		unsigned distance = edit_distance(name, config_sections[i].name);

		if (distance < best) {
			best = distance;
			nearest = i;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			known[0] != 0 ? ", " : "", config_sections[i].name);
	}
	if (nearest < CONFIG_SECTION_COUNT)
		config_error(&l->errors, line, "unknown section %s: did you mean %s?",
			name_of(name).text, config_sections[nearest].name);
	else
		config_error(&l->errors, line, "unknown section %s: the sections are %s",
			name_of(name).text, known);
}

/* ---- the document ---- */

static void section_read(struct loader *l, unsigned section, const yaml_node_t *node)
{
	const yaml_node_pair_t *pair;

	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = yaml_document_get_node(l->document, pair->key);
		const yaml_node_t *value = yaml_document_get_node(l->document, pair->value);
		unsigned line = line_of(name);
		unsigned id = CONFIG_KEY_COUNT;

		if (name->type != YAML_SCALAR_NODE) {
			config_error(&l->errors, line, "a key of %s is %s: write \"key: value\"",
				config_sections[section].name, found(name).text);
			continue;
		}
		for (id = 0; id < CONFIG_KEY_COUNT; id++) {
			if (config_keys[id].section == section &&
				strcmp(config_keys[id].name, scalar_text(name)) == 0)
				break;
		}
		if (id == CONFIG_KEY_COUNT) {
			error_unknown_key(l, section, scalar_text(name), line);
			continue;
		}
		if (l->places.line_of[id] != 0) {
			config_error(&l->errors, line,
				"%s.%s is written twice, first in line %u: leave one of them out",
				config_sections[section].name, config_keys[id].name,
				l->places.line_of[id]);
			continue;
		}
		l->places.line_of[id] = line;
		/* An alias stands at its anchor, before the key; an empty value has no place of its
		 * own. */
		if (!is_empty(value) && line_of(value) > line)
			line = line_of(value);
		value_read(l, id, value, line);
	}
}

static void root_read(struct loader *l, const yaml_node_t *root)
{
	const yaml_node_pair_t *pair;

	if (is_empty(root))
		return;
	if (root->type != YAML_MAPPING_NODE) {
		config_error(&l->errors, line_of(root),
			"the file is %s: write sections, e.g. \"sip:\" and under it, indented, \"domain: "
			"example.com\"",
			root->type == YAML_SEQUENCE_NODE ? "a list" : "a text");
		return;
	}
	for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = yaml_document_get_node(l->document, pair->key);
		const yaml_node_t *value = yaml_document_get_node(l->document, pair->value);
		unsigned line = line_of(name);
		unsigned section = CONFIG_SECTION_COUNT;

		if (name->type == YAML_SCALAR_NODE) {
			for (section = 0; section < CONFIG_SECTION_COUNT; section++) {
				if (strcmp(config_sections[section].name, scalar_text(name)) == 0)
					break;
			}
		}
		if (name->type != YAML_SCALAR_NODE)
			config_error(&l->errors, line, "the name of a section is %s: write a word",
				found(name).text);
		else if (section == CONFIG_SECTION_COUNT)
			error_unknown_section(l, scalar_text(name), line);
		else if (l->section_line[section] != 0)
			config_error(&l->errors, line,
				"section %s is written twice, first in line %u: put its keys together",
				scalar_text(name), l->section_line[section]);
		else if (value->type == YAML_MAPPING_NODE)
			section_read(l, section, value);
		else if (!is_empty(value))
			config_error(&l->errors, line_of(value),
				"section %s is %s: write its keys under it, indented",
				scalar_text(name), found(value).text);
		if (section < CONFIG_SECTION_COUNT && l->section_line[section] == 0)
			l->section_line[section] = line;
	}
}

/* What libyaml says, and what to write instead. */
static const struct {
	const char *context; /* NULL: any */
	const char *problem;
	const char *advice;
} teachings[] = {
	{ "while scanning an alias", "", "put quotes around a text that begins with \"*\"" },
	{ "while scanning an anchor", "", "put quotes around a text that begins with \"&\"" },
	{ NULL, "found undefined alias", "put quotes around a text that begins with \"*\"" },
	{ NULL, "found duplicate anchor", "give each anchor a name of its own" },
	{ NULL, "found unexpected end of stream", "close the quotes" },
	{ NULL, "found unexpected document indicator", "close the quotes" },
	{ "while scanning a tag", "", "put quotes around a text that begins with \"!\"" },
	{ NULL, "found undefined tag handle", "put quotes around a text that begins with \"!\"" },
	{ NULL, "did not find expected ',' or ']'",
		"close the list with \"]\", commas between its items" },
	{ NULL, "did not find expected ',' or '}'", "close the section with \"}\"" },
	{ NULL, "mapping values are not allowed in this context",
		"check the indentation, or put quotes around a text with \": \" in it" },
	{ NULL, "could not find expected ':'", "write \"key: value\"" },
	{ NULL, "found character that cannot start any token", "put quotes around the text" },
	{ NULL, "control characters are not allowed", "leave the control character out" },
	{ NULL, "UTF-8", "save the file as UTF-8" },
	{ NULL, "UTF-16", "save the file as UTF-8" },
	{ NULL, "surrogate", "save the file as UTF-8" },
	{ NULL, "did not find expected node content", "put quotes around the text" },
	{ NULL, "did not find expected key", "indent the keys of a section alike" },
	{ NULL, "did not find expected '-' indicator", "indent the items of a list alike" },
	{ NULL, "", "write sections with \"key: value\" lines, indented by spaces" },
};

static bool line_begins_with_tab(const char *text, size_t len, size_t line)
{
	const char *end = text + len;

	for (; line > 0 && text != NULL && text < end; line--) {
		text = memchr(text, '\n', (size_t)(end - text));
		if (text != NULL)
			text++;
	}
	while (text != NULL && text < end && *text == ' ')
		text++;
	return text != NULL && text < end && *text == '\t';
}

static void error_yaml(
	struct config_errors *errors, const yaml_parser_t *parser, const char *text, size_t len)
{
	const char *problem = parser->problem != NULL ? parser->problem : "unreadable";
	size_t line = parser->problem_mark.line, i;
	char since[32] = "";
	unsigned t = 0;

	if (parser->error == YAML_READER_ERROR) { /* that one has an offset only */
		for (i = 0, line = 0; i < len && i < parser->problem_offset; i++)
			line += text[i] == '\n';
	} else if (line_begins_with_tab(text, len, line)) {
		config_error(errors, (unsigned)line + 1,
			"the line begins with a tab: indent with spaces");
		return;
	}
	while ((teachings[t].context != NULL &&
		       (parser->context == NULL ||
			       strcmp(parser->context, teachings[t].context) != 0)) ||
		strstr(problem, teachings[t].problem) == NULL)
		t++;
	if (parser->context != NULL && parser->context_mark.line != line)
		snprintf(since, sizeof(since), " since line %zu", parser->context_mark.line + 1);
	config_error(errors, (unsigned)line + 1, "not YAML: %s%s%s%s: %s", problem,
		parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "",
		since, teachings[t].advice);
}

static void text_read(struct loader *l, const char *text, size_t len)
{
	yaml_parser_t parser;
	yaml_document_t first, next;
	const yaml_node_t *root;

	if (!yaml_parser_initialize(&parser))
		checked(NULL);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &first)) {
		error_yaml(&l->errors, &parser, text, len);
		yaml_parser_delete(&parser);
		return;
	}
	root = yaml_document_get_root_node(&first);
	if (root != NULL) {
		l->document = &first;
		root_read(l, root);
		if (!yaml_parser_load(&parser, &next)) {
			error_yaml(&l->errors, &parser, text, len);
		} else {
			root = yaml_document_get_root_node(&next);
			if (root != NULL)
				config_error(&l->errors, (unsigned)next.start_mark.line + 1,
					"a second document begins here: one file holds one, leave out the \"---\"");
			yaml_document_delete(&next);
		}
	}
	yaml_document_delete(&first);
	yaml_parser_delete(&parser);
}

/* The directory of a file, absolute. */
static char *directory_of(const char *file)
{
	const char *slash = file != NULL ? strrchr(file, '/') : NULL;
	char *here, *directory;

	if (slash == file && slash != NULL)
		return checked(strdup("/"));
	if (slash != NULL && *file == '/')
		return checked(strndup(file, (size_t)(slash - file)));
	here = getcwd(NULL, 0);
	if (here ==
		NULL) /* removed under us: then only absolute paths can work, and those are kept */
		here = checked(strdup("/"));
	if (slash == NULL)
		return here;
	if (asprintf(&directory, "%s/%.*s", here, (int)(slash - file), file) < 0)
		directory = NULL;
	free(here);
	return checked(directory);
}

int config_load_text(
	struct config *out, const char *name, const char *text, size_t len, FILE *errors)
{
	struct loader *l = checked(calloc(1, sizeof(*l)));
	char *base = directory_of(name);
	unsigned i;
	int result = 0;

	l->config = out;
	l->base = base;
	config_defaults(out, base);
	out->file = checked(strdup(name));
	if (len > FILE_MAX)
		config_error(&l->errors, 1,
			"the file has more than %u octets: this is not a configuration", FILE_MAX);
	else
		text_read(l, text, len);
	/* Errors made by errors help nobody: the values are compared only when each is right by
	 * itself. */
	if (l->errors.count == 0)
		config_cross_check(out, &l->places, &l->errors);
	if (l->errors.count > 0) {
		errors_write(&l->errors, name, errors);
		config_free(out);
		result = -EINVAL;
	}
	for (i = 0; i < CONFIG_KEY_COUNT; i++)
		free(l->places.item_lines[i]);
	free(base);
	free(l);
	return result;
}

int config_load(struct config *out, const char *file, FILE *errors)
{
	char *text, *base;
	size_t len;
	FILE *in;
	int result;

	if (file == NULL) {
		base = directory_of(NULL);
		config_defaults(out, base);
		free(base);
		return 0;
	}
	*out = (struct config){ 0 };
	in = fopen(file, "re");
	if (in == NULL) {
		fprintf(errors, "%s: cannot be read: %s\n", file, strerror(errno));
		return -ENOENT;
	}
	text = checked(malloc(FILE_MAX + 1)); /* one more than allowed, to notice */
	len = fread(text, 1, FILE_MAX + 1, in);
	if (ferror(in)) {
		fprintf(errors, "%s: cannot be read: %s\n", file, strerror(errno));
		result = -ENOENT;
	} else {
		result = config_load_text(out, file, text, len, errors);
	}
	free(text);
	fclose(in);
	return result;
}
