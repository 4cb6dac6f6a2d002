/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_path: any text as a list of MSRP URIs, against a splitting that looks at one octet after the
 * other; path.h is read sixteen at a time, so the same list is also tried at every alignment.
 *
 * The text lies at the very end of its memory: a sanitizer sees one octet read too far.
 */
#include "dataplane/msrp/path.h"
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

/* What no URI has (path.h, RFC 3986 2): controls, octets beyond ASCII, quotes, angle brackets and
 * the backslash. */
static bool is_foreign(char octet)
{
	uint8_t value = (uint8_t)octet;

	return value < 0x20 || value >= 0x7f || octet == '"' || octet == '<' || octet == '>' ||
	       octet == '\\';
}

struct slow {
	int result;
	struct span text, first, last;
	unsigned count;
};

static struct slow split(struct span text)
{
	struct slow slow = { 0 };
	size_t i, start;

	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = span_make(text.at + 1, text.len - 1);
	while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	slow.text = text;
	for (i = 0; i < text.len; i++)
		if (is_foreign(text.at[i]))
			slow.result = -EBADMSG;
	if (text.len == 0)
		slow.result = -EBADMSG;
	for (i = 0; i < text.len && slow.result == 0;) {
		for (; i < text.len && text.at[i] == ' '; i++)
			;
		for (start = i; i < text.len && text.at[i] != ' '; i++)
			;
		slow.last = span_make(text.at + start, i - start);
		if (slow.count++ == 0)
			slow.first = slow.last;
	}
	if (slow.result == 0 && slow.count > PATH_URIS_MAX)
		slow.result = -ENOBUFS;
	return slow;
}

static bool same(struct span a, struct span b)
{
	return a.at == b.at && a.len == b.len;
}

static void check(struct span text)
{
	struct slow slow = split(text);
	struct msrp_path path;
	int result = msrp_path_parse(text, &path);

	demand(result == slow.result, "the result is that of the slow splitting");
	demand(msrp_path_check(slow.text) == result, "msrp_path_check says the same");
	if (result != 0)
		return;
	demand(path.count == slow.count, "each URI is counted");
	demand(same(path.text, slow.text), "the list is trimmed, and no more");
	demand(same(path.first, slow.first), "the first URI is the next hop");
	demand(same(path.last, slow.last), "the last URI is the target");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t shift;
	char *copy;

	if (size > 4096)
		return 0;
	for (shift = 0; shift < 16; shift++) {
		copy = malloc(shift + size + 1);
		if (copy == NULL)
			return 0;
		/* The end is the text's, so the one octet more goes in front. */
		memcpy(copy + 1 + shift, data, size);
		check(span_make(copy + 1 + shift, size));
		free(copy);
	}
	return 0;
}
