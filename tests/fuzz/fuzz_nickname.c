/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_nickname: any octets as a nickname. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control/conference/nickname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static void check_printable(const char *text)
{
	size_t len = strlen(text);

	demand(len > 0 && text[0] != ' ' && text[len - 1] != ' ', "no space at its ends");
	demand(strstr(text, "  ") == NULL, "no two spaces");
	for (size_t i = 0; i < len; i++)
		demand((unsigned char)text[i] >= ' ' && text[i] != 0x7f, "no control character");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = NULL, *key = NULL, *again_text, *again_key;
	int r = nickname_read(span_make(data, size), &text, &key);

	demand(r == 0 || r == -EBADMSG, "one of the results named");
	if (r != 0)
		return 0;
	demand(size <= NICKNAME_MAX && strlen(text) <= size, "the text does not grow");
	check_printable(text);
	check_printable(key);
	demand(nickname_read(span_of(text), &again_text, &again_key) == 0, "a text is a nickname");
	demand(strcmp(again_text, text) == 0 && strcmp(again_key, key) == 0, "and its own");
	free(again_text);
	free(again_key);
	if (strlen(key) <= NICKNAME_MAX) {
		demand(nickname_read(span_of(key), &again_text, &again_key) == 0,
			"a key is a nickname");
		demand(strcmp(again_key, key) == 0, "and its own key");
		free(again_text);
		free(again_key);
	}
	free(text);
	free(key);
	return 0;
}
