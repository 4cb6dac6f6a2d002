/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_uri: any text as a path and as a URI; what is accepted keeps the promises of uri.h and
 * path.h. */
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

static bool lies_in(struct span part, struct span whole)
{
	return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void check_uri(struct span text)
{
	struct msrp_uri uri, again, other;
	char copy[256];

	if (msrp_uri_parse(text, &uri) != 0)
		return;
	demand(span_eq(uri.text, text), "the URI is the whole text");
	demand(lies_in(uri.userinfo, text) && lies_in(uri.host, text) &&
			lies_in(uri.session_id, text) && lies_in(uri.transport, text),
		"parts lie in the URI");
	demand(uri.host.len > 0 && uri.transport.len > 0, "host and transport are there");
	demand(uri.has_session_id || uri.session_id.len == 0, "no session-id without a slash");
	demand(memchr(text.at, ' ', text.len) == NULL, "a URI has no space");
	demand(msrp_uri_eq(&uri, &uri), "a URI equals itself");
	if (text.len > sizeof(copy))
		return;
	/* Another case everywhere but in the session-id: RFC 4975 6.1 calls it the same. */
	for (size_t i = 0; i < text.len; i++) {
		char octet = text.at[i];
		bool letter = (octet | 0x20) >= 'a' && (octet | 0x20) <= 'z';
		bool kept = uri.has_session_id && text.at + i >= uri.session_id.at &&
			    text.at + i < uri.session_id.at + uri.session_id.len;

		copy[i] = letter && !kept ? octet ^ 0x20 : octet;
	}
	demand(msrp_uri_parse(span_make(copy, text.len), &again) == 0, "case changes no syntax");
	demand(msrp_uri_eq(&uri, &again) && msrp_uri_eq(&again, &uri), "case changes no meaning");
	other = uri;
	other.port = (uint16_t)(uri.port + 1);
	demand(!msrp_uri_eq(&uri, &other), "another port is another URI");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);
	struct msrp_path path;
	unsigned count = 0;

	check_uri(text);
	if (msrp_path_parse(text, &path) != 0)
		return 0;
	demand(path.count >= 1 && path.count <= PATH_URIS_MAX, "a path has 1 to 16 URIs");
	demand(lies_in(path.text, text) && lies_in(path.first, path.text) &&
			lies_in(path.last, path.text),
		"URIs lie in the path");
	demand(path.first.at == path.text.at, "the first URI begins the path");
	demand(path.last.at + path.last.len == path.text.at + path.text.len,
		"the last URI ends the path");
	for (struct span rest = path.text; rest.len > 0;) {
		struct span uri = span_cut(&rest, ' ');

		if (uri.len == 0)
			continue;
		count++;
		check_uri(uri);
	}
	demand(count == path.count, "each URI is counted");
	return 0;
}
