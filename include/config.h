/* SPDX-License-Identifier: BSD-3-Clause */
/* config: the one YAML file of both processes, read through the table config.def.
 *
 * Memory:   a struct config owns its strings and lists from config_load to config_free.
 * Errors:   one line per error: FILE:LINE: what was found, what to write instead. Every error of a file is said,
 *           not only the first. An unknown key is an error (with the nearest known key).
 * Paths:    relative paths are relative to the file's directory and are made absolute here.
 */
#ifndef INCLUDE_CONFIG_H
#define INCLUDE_CONFIG_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "include/result.h"

struct string_list {
	char **items;
	unsigned count;
};

/* One field per line of config.def, named section_key:
 * (SECONDS also gives the key's name in the file, which carries the unit: bind is "bind_s")
 *   NUMBER  uint64_t, whole, with a range           SECONDS  uint64_t in milliseconds; written as seconds, fractions allowed
 *   BOOLEAN bool                                    STRING   char *, never NULL
 *   LIST    struct string_list of strings           PATH     char *, absolute after load, "" allowed */
struct config {
#define CONFIG_NUMBER(section, key, initial, low, high, text)  uint64_t section##_##key;
#define CONFIG_SECONDS(section, key, name, initial, low, high, text) uint64_t section##_##key##_ms;
#define CONFIG_BOOLEAN(section, key, initial, text)            bool section##_##key;
#define CONFIG_STRING(section, key, initial, text)             char *section##_##key;
#define CONFIG_PATH(section, key, initial, text)               char *section##_##key;
#define CONFIG_LIST(section, key, initial, text)               struct string_list section##_##key;
#include "include/config.def"
	char *file; /* where it came from; NULL: all defaults */
};

/* Fills *out with the defaults and then the file (NULL: defaults only). -EINVAL: errors were written to `errors`
 * (at least one line), *out is freed; -ENOENT: the file cannot be read (said as well). */
must_check int config_load(struct config *out, const char *file, FILE *errors);
void config_free(struct config *config);

/* The whole configuration as YAML, with the sentence of each key as comment: --dump-config, and the sample file. */
void config_dump(const struct config *config, FILE *out);
/* The reference page, Markdown: a table row per key (docs/configuration.md is made by this). */
void config_reference(FILE *out);

/* "tcp:127.0.0.1:2855", "udp:[::1]:5060" -> parts. -EINVAL when it is not of this form; host without brackets. */
struct listen_address {
	char transport[8]; /* "udp", "tcp", "tls" */
	char host[256];
	uint16_t port; /* 0: the system chooses */
};
must_check int listen_address_parse(const char *text, struct listen_address *out);
#endif
