/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_refer_to: any text as the URI of a Refer-To. */
#include "control/sip/refer_to.h"
#include <stdint.h>
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
	struct span text = span_make(data, size);
	struct refer_to to, again;
	char canonical[IDENTITY_MAX];
	int result = refer_to_parse(text, &to);

	demand(result == 0 || result == -EBADMSG, "one of the results named");
	if (result < 0) {
		demand(to.uri == NULL && to.headers == NULL, "after an error nothing is left");
		return 0;
	}
	demand(strlen(to.uri) + strlen(to.headers) <= size, "no part grows");
	demand(identity_canonical(span_of(to.uri), canonical) == 0 &&
			strcmp(canonical, to.canonical) == 0,
		"the canonical form is that of the address");
	demand(strpbrk(to.uri, "\r\n") == NULL, "an address cannot begin a line");
	demand(refer_to_parse(span_of(to.uri), &again) == 0, "the address is one");
	demand(strcmp(again.uri, to.uri) == 0 && again.headers[0] == '\0' &&
			again.method == REFER_TO_INVITE,
		"and has nothing else in it");
	refer_to_fini(&again);
	refer_to_fini(&to);
	return 0;
}
