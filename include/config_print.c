/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include "include/config.h"
#include "include/config_table.h"

/* A YAML text in double quotes. Values have no control characters (config.c), so two escapes are
 * enough. */
static void text_print(const char *text, FILE *out)
{
	putc('"', out);
	for (; *text != 0; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void value_print(const struct config *config, const struct config_key *key, FILE *out)
{
	const void *field = config_field(config, key);
	const struct string_list *list;
	unsigned i;

	switch (key->kind) {
	case CONFIG_KIND_NUMBER:
	case CONFIG_KIND_SECONDS:
		fputs(config_number_text(key, *(const uint64_t *)field).text, out);
		break;
	case CONFIG_KIND_BOOLEAN: fputs(*(const bool *)field ? "true" : "false", out); break;
	case CONFIG_KIND_STRING:
	case CONFIG_KIND_PATH: text_print(*(char *const *)field, out); break;
	case CONFIG_KIND_LIST:
		list = field;
		putc('[', out);
		for (i = 0; i < list->count; i++) {
			if (i > 0)
				fputs(", ", out);
			text_print(list->items[i], out);
		}
		putc(']', out);
		break;
	}
}

static bool has_range(const struct config_key *key)
{
	return key->kind == CONFIG_KIND_NUMBER || key->kind == CONFIG_KIND_SECONDS;
}

void config_dump(const struct config *config, FILE *out)
{
	const struct config_key *key;
	unsigned section = CONFIG_SECTION_COUNT;

	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		if (key->section != section) {
			fprintf(out, "%s# %s\n%s:\n", section == CONFIG_SECTION_COUNT ? "" : "\n",
				config_sections[key->section].text,
				config_sections[key->section].name);
			section = key->section;
		}
		fprintf(out, "  # %s", key->text);
		if (has_range(key))
			fprintf(out, " (%s..%s)", config_number_text(key, key->low).text,
				config_number_text(key, key->high).text);
		fprintf(out, "\n  %s: ", key->name);
		value_print(config, key, out);
		putc('\n', out);
	}
}

/* A sentence in a Markdown table: a bar would end the cell. */
static void cell_print(const char *text, FILE *out)
{
	for (; *text != 0; text++) {
		if (*text == '|' || *text == '*' || *text == '<')
			putc('\\', out);
		putc(*text, out);
	}
}

void config_reference(FILE *out)
{
	static const char *const kinds[] = {
		[CONFIG_KIND_NUMBER] = "number",
		[CONFIG_KIND_SECONDS] = "seconds",
		[CONFIG_KIND_BOOLEAN] = "true or false",
		[CONFIG_KIND_STRING] = "text",
		[CONFIG_KIND_PATH] = "path",
		[CONFIG_KIND_LIST] = "list of texts",
	};
	const struct config_key *key;
	unsigned section = CONFIG_SECTION_COUNT;
	struct config initial;

	config_defaults(&initial, "");
	fputs("# Configuration\n"
	      "\n"
	      "One YAML file for both daemons: `plenum-switch -c FILE`, `plenum-focus -c FILE`. Every key may be left\n"
	      "out and then has its default. `--check` says what is wrong in a file, `--dump-config` prints all of it\n"
	      "with the defaults. Relative paths are relative to the file; seconds may have fractions (`0.25`).\n"
	      "\n"
	      "This page is printed by `plenum-switch --reference`, from `include/config.def`.\n",
		out);
	for (key = config_keys; key < config_keys + CONFIG_KEY_COUNT; key++) {
		if (key->section != section) {
			section = key->section;
			fprintf(out,
				"\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
				config_sections[section].name, config_sections[section].text);
		}
		fprintf(out, "| `%s` | %s", key->name, kinds[key->kind]);
		if (has_range(key))
			fprintf(out, ", %s to %s", config_number_text(key, key->low).text,
				config_number_text(key, key->high).text);
		fputs(" | `", out);
		value_print(&initial, key, out);
		fputs("` | ", out);
		cell_print(key->text, out);
		fputs(" |\n", out);
	}
	config_free(&initial);
}
