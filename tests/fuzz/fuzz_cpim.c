/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_cpim: any octets as the start of a body, whole and octet by octet, keep the promises of
 * cpim.h. */
#include "dataplane/msrp/cpim.h"
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

static bool lies_in(struct span part, struct span whole)
{
	return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body = span_make(data, size);
	struct cpim whole, octets;
	size_t resume = 0;
	int result = cpim_parse(body, &resume, &whole);
	int trickled = -EAGAIN;

	demand(result == 0 || result == -EAGAIN || result == -EBADMSG, "the result is known");
	demand(result != -EAGAIN || size < CPIM_HEAD_MAX, "beyond the limit nobody waits");

	resume = 0;
	for (size_t len = 1; len <= size && trickled == -EAGAIN; len++)
		trickled = cpim_parse(span_make(data, len), &resume, &octets);
	demand(trickled == result, "octet by octet, the result is the same");
	if (result != 0)
		return 0;

	demand(memcmp(&whole, &octets, sizeof(whole)) == 0, "octet by octet, the head is the same");
	body.len = whole.head_len;
	demand(whole.head_len <= size && whole.head_len <= CPIM_HEAD_MAX && whole.head_len >= 2,
		"the head is in the limit");
	demand(body.at[body.len - 1] == '\n', "the head ends with a line");
	demand(lies_in(whole.from_line, body) && lies_in(whole.from, whole.from_line) &&
			lies_in(whole.to, body) &&
			(lies_in(whole.content_type, body) ||
				span_eq(whole.content_type, SPAN_LITERAL("text/plain"))),
		"spans lie in the head");
	demand((whole.from.at != NULL) == (whole.from_line.len > 0), "From has a line");
	demand((whole.to.at != NULL) == (whole.to_count > 0), "To is counted");
	return 0;
}
