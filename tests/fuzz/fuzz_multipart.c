/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_multipart: the first line is the content type, the rest the body; what is read can be
 * written and read again. */
#include "control/sip/multipart.h"
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

/* Has it no line end or ';' inside, as all that we write ourselves? */
static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == ';' || s.at[i] == '<' ||
			s.at[i] == '>')
			return false;
	}
	return s.len == 0 || (s.at[0] != ' ' && s.at[s.len - 1] != ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct multipart_part parts[MULTIPART_PARTS_MAX], again[MULTIPART_PARTS_MAX];
	struct span body = span_make(data, size), type = span_cut(&body, '\n');
	int count = multipart_parse(type, body, parts);
	char written_type[128], *text;
	size_t len;

	demand(count == -EBADMSG || (count >= 1 && count <= MULTIPART_PARTS_MAX),
		"a count of parts or -EBADMSG");
	if (count < 0)
		return 0;
	for (int i = 0; i < count; i++) {
		demand(lies_in(parts[i].body, body), "a part lies in the body");
		demand(lies_in(parts[i].disposition, body) && lies_in(parts[i].content_id, body),
			"so do its headers");
		demand(parts[i].type.len > 0, "a part has a type");
		if (!is_plain(parts[i].type) || !is_plain(parts[i].disposition) ||
			!is_plain(parts[i].content_id) || parts[i].type.len > 4096)
			return 0;
	}
	text = multipart_write(parts, (unsigned)count, written_type, &len);
	demand(text != NULL, "parts can be written");
	if (count == 1 && parts[0].type.len >= 10 &&
		strncasecmp(parts[0].type.at, "multipart/", 10) == 0) {
		free(text);
		return 0;
	}
	if (multipart_parse(span_of(written_type), span_make(text, len), again) == count) {
		for (int i = 0; i < count; i++) {
			demand(span_eq(parts[i].body, again[i].body), "bodies survive");
			demand(span_eq(parts[i].type, again[i].type), "types survive");
			demand(span_eq(parts[i].disposition, again[i].disposition),
				"dispositions survive");
			demand(span_eq(parts[i].content_id, again[i].content_id),
				"content-ids survive");
		}
	} else {
		/* Only a head beyond its limit may stop us. */
		bool long_head = false;

		for (int i = 0; i < count; i++)
			long_head |= parts[i].type.len + parts[i].disposition.len +
					     parts[i].content_id.len >
				     4096;
		demand(long_head, "what was written can be read");
	}
	free(text);
	return 0;
}
