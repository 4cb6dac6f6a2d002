/* SPDX-License-Identifier: BSD-3-Clause */
/* config_table: config.def as a table, and what config.c, config_check.c and config_print.c share.
 * Not for others.
 *
 *   config.c        YAML -> struct config: types, ranges, places
 *   config_check.c  is this value one that we can serve; do the values go together
 *   config_print.c  struct config -> YAML, and the reference page
 */
#ifndef INCLUDE_CONFIG_TABLE_H
#define INCLUDE_CONFIG_TABLE_H
#include <stddef.h>
#include "include/config.h"

enum config_kind {
	CONFIG_KIND_NUMBER,
	CONFIG_KIND_SECONDS,
	CONFIG_KIND_BOOLEAN,
	CONFIG_KIND_STRING,
	CONFIG_KIND_PATH,
	CONFIG_KIND_LIST,
};

enum config_section_id {
#define CONFIG_SECTION(section, text) CONFIG_SECTION_##section,
#include "include/config.def"
	CONFIG_SECTION_COUNT
};

struct config_section {
	const char *name;
	const char *text; /* a sentence */
};

enum config_key_id {
#define CONFIG_NUMBER(section, key, initial, low, high, text)        CONFIG_KEY_##section##_##key,
#define CONFIG_SECONDS(section, key, name, initial, low, high, text) CONFIG_KEY_##section##_##key,
#define CONFIG_BOOLEAN(section, key, initial, text)                  CONFIG_KEY_##section##_##key,
#define CONFIG_STRING(section, key, initial, text)                   CONFIG_KEY_##section##_##key,
#define CONFIG_PATH(section, key, initial, text)                     CONFIG_KEY_##section##_##key,
#define CONFIG_LIST(section, key, initial, text)                     CONFIG_KEY_##section##_##key,
#include "include/config.def"
	CONFIG_KEY_COUNT
};

struct config_key {
	enum config_section_id section;
	const char *name; /* in the file */
	enum config_kind kind;
	size_t offset;            /* of its field in struct config */
	uint64_t initial;         /* NUMBER, BOOLEAN; SECONDS in milliseconds */
	uint64_t low, high;       /* NUMBER; SECONDS in milliseconds */
	const char *initial_text; /* STRING, PATH; LIST: its items, separated by spaces */
	const char *text;         /* a sentence */
};

extern const struct config_section config_sections[CONFIG_SECTION_COUNT];
extern const struct config_key config_keys[CONFIG_KEY_COUNT];

static inline void *config_field(const struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

/* Defaults, with paths made absolute against the directory `base`; "": left as they are. */
void config_defaults(struct config *out, const char *base);

/* Errors of one file, kept until all of it was read and then written in the order of lines. */
struct config_errors;
void config_error(struct config_errors *errors, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "text" in quotes, cut and escaped, fit for an error line. */
#define CONFIG_QUOTED_MAX 96 /* octets that config_quote fills at most */
struct config_quoted {
	char text[CONFIG_QUOTED_MAX + 16];
};
struct config_quoted config_quote(const char *text);

/* Is this item of a list, or this string, one that key can have? False: says so at `line`. */
bool config_item_check(
	enum config_key_id key, const char *item, unsigned line, struct config_errors *errors);

/* Do the values go together? An error is said at the line of one of them. */
struct config_places {
	unsigned line_of[CONFIG_KEY_COUNT]; /* 0: not in the file */
	unsigned *item_lines
		[CONFIG_KEY_COUNT]; /* as many as the list has items; NULL for a default */
};
void config_cross_check(const struct config *config, const struct config_places *places,
	struct config_errors *errors);

/* Seconds as they are written: "30", "0.25". */
struct config_number {
	char text[32];
};
struct config_number config_number_text(const struct config_key *key, uint64_t value);
#endif
