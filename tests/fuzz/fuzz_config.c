/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_config: any octets as a configuration file. Refused means at least one line of error;
 * accepted means that its dump is accepted too, and dumps to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "include/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: a release build must notice too. */
static void demand(bool holds)
{
	if (!holds)
		abort();
}

static int load(struct config *config, const char *text, size_t len)
{
	char *said;
	size_t said_len;
	FILE *errors = open_memstream(&said, &said_len);
	int result;

	demand(errors != NULL);
	result = config_load_text(config, "/f", text, len, errors);
	fclose(errors);
	if (result == 0)
		demand(said_len == 0);
	else
		demand(result == -EINVAL && said_len > 3 && strncmp(said, "/f:", 3) == 0 &&
			said[said_len - 1] == '\n');
	free(said);
	return result;
}

static char *dump(const struct config *config)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	demand(out != NULL);
	config_dump(config, out);
	fclose(out);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config, again;
	char *first, *second;

	if (load(&config, (const char *)data, size) != 0)
		return 0;
	first = dump(&config);
	config_free(&config);
	demand(load(&again, first, strlen(first)) == 0);
	second = dump(&again);
	demand(strcmp(first, second) == 0);
	config_free(&again);
	free(first);
	free(second);
	return 0;
}
