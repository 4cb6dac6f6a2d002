/* SPDX-License-Identifier: BSD-3-Clause */
/* config: the one YAML file of both processes, read through the table config.def.
 *
 * Memory:   a struct config owns its strings and lists from config_load to config_free.
 * Errors:   one line per error: FILE:LINE: what was found, what to write instead. Every error of a
 *           file is said, not only the first; whether the values go together is looked at when each
 *           is right. An unknown key is an error (with the nearest known key).
 * Paths:    relative paths are relative to the file's directory and are made absolute here.
 */
#ifndef INCLUDE_CONFIG_H
#define INCLUDE_CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "include/result.h"

struct string_list {
	char **items;
	unsigned count;
};

/* One field per line of config.def, named section_key:
 * (SECONDS also gives the key's name in the file, which carries the unit: bind is "bind_s")
 *   NUMBER uint64_t, whole, with a range SECONDS uint64_t in milliseconds; written as seconds,
 *   fractions allowed BOOLEAN bool STRING char *, never NULL LIST struct string_list of strings
 *   PATH char *, absolute after load, "" allowed */
struct config {
#define CONFIG_NUMBER(section, key, initial, low, high, text)        uint64_t section##_##key;
#define CONFIG_SECONDS(section, key, name, initial, low, high, text) uint64_t section##_##key##_ms;
#define CONFIG_BOOLEAN(section, key, initial, text)                  bool section##_##key;
#define CONFIG_STRING(section, key, initial, text)                   char *section##_##key;
#define CONFIG_PATH(section, key, initial, text)                     char *section##_##key;
#define CONFIG_LIST(section, key, initial, text)                     struct string_list section##_##key;
#include "include/config.def"
	char *file; /* where it came from; NULL: all defaults */
};

/* Fills *out with the defaults and then the file (NULL: defaults only). -EINVAL: errors were
 * written to `errors` (at least one line), *out is freed; -ENOENT: the file cannot be read (said as
 * well). */
must_check int config_load(struct config *out, const char *file, FILE *errors);
/* The same for a file that is in memory; name stands in the messages, and gives the directory of
 * relative paths. */
must_check int config_load_text(
	struct config *out, const char *name, const char *text, size_t len, FILE *errors);
void config_free(struct config *config);

/* The whole configuration as YAML, with the sentence of each key as comment: --dump-config, and the
 * sample file. */
void config_dump(const struct config *config, FILE *out);
/* The reference page, Markdown: a table row per key (docs/configuration.md is made by this). */
void config_reference(FILE *out);

/* "tcp:127.0.0.1:2855", "udp:[::1]:5060" -> parts. -EINVAL when it is not of this form; host
 * without brackets. The host is an IP address in digits, never a name: what a name stands for could
 * change between two starts. */
struct listen_address {
	char transport[8]; /* "udp", "tcp", "tls" */
	char host[256];
	uint16_t port; /* 0: the system chooses */
};
must_check int listen_address_parse(const char *text, struct listen_address *out);

/* "chat.example.com:2855", "[::1]:2855" -> parts, as for msrp.advertise: a name or an IP address,
 * without brackets in `host`. -EINVAL when it is not of this form. */
must_check int host_port_parse(const char *text, char host[256], uint16_t *port);
#endif
