/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_resource_lists: any body as a resource list; what is accepted is fit for SIP, and its
 * history is read again. */
#include "control/xml/resource_lists.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resource_list list, again;
	unsigned shown = 0;
	char why[64], *history;
	int result = resource_list_parse(span_make(data, size), &list, why, sizeof(why));

	demand(result == 0 || result == -EBADMSG, "one of the results named");
	demand((result == 0) == (why[0] == '\0'), "a reason when refused, and only then");
	if (result != 0) {
		demand(list.entries == NULL && list.count == 0,
			"nothing is kept of what is refused");
		demand(strncmp(why, "line ", 5) == 0 && strchr(why, '\n') == NULL,
			"the reason is one line, with the line");
		return 0;
	}
	for (unsigned i = 0; i < list.count; i++) {
		const struct resource_entry *entry = &list.entries[i];

		demand(entry->uri != NULL && entry->headers != NULL && entry->display_name != NULL,
			"all strings are there");
		demand(strpbrk(entry->uri, " \r\n\t<>\"") == NULL,
			"a URI cannot break out of a header");
		demand(strpbrk(entry->headers, " \r\n\t<>\"") == NULL, "nor can its headers");
		shown += entry->copy != COPY_BCC;
	}
	history = resource_list_history(&list);
	demand((history != NULL) == (shown > 0), "a history when there is somebody to show");
	if (history != NULL && strlen(history) <= XML_BODY_MAX) {
		demand(resource_list_parse(span_of(history), &again, why, sizeof(why)) == 0,
			"our history can be read");
		demand(again.count <= shown, "nobody else is in it");
		resource_list_fini(&again);
	}
	free(history);
	resource_list_fini(&list);
	return 0;
}
