/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_identity: any text as an address, as a display name, and as a prefix. */
#include "control/sip/identity.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

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

static void check_address(struct span text)
{
	char out[IDENTITY_MAX], again[IDENTITY_MAX];
	int result = identity_canonical(text, out);

	demand(result == 0 || result == -EBADMSG, "one of the results named");
	demand(lies_in(identity_host(text), text) && lies_in(identity_user(text), text),
		"parts lie in the address");
	demand(identity_eq(text, text) == (result == 0),
		"an address equals itself, and only an address");
	if (result != 0) {
		demand(out[0] == '\0', "no address without a result");
		return;
	}
	demand(strpbrk(out, " \r\n\t<>\"\\") == NULL,
		"a canonical address cannot break out of a header");
	for (const char *c = out; *c != '\0'; c++)
		demand((unsigned char)*c > ' ' && (unsigned char)*c < 0x7f,
			"a canonical address is printable ASCII");
	demand(identity_canonical(span_of(out), again) == 0, "a canonical address is an address");
	demand(strcmp(out, again) == 0, "and its own canonical form");
}

static void check_name(struct span text)
{
	char out[257], again[257];

	memset(out, 'x', sizeof(out));
	display_name_clean(text, out);
	demand(memchr(out, '\0', sizeof(out)) != NULL, "a name is ended");
	demand(strlen(out) <= text.len, "a name does not grow");
	display_name_clean(span_of(out), again);
	demand(strcmp(out, again) == 0, "a clean name is clean");
}

static void check_prefix(struct span text)
{
	struct sockaddr_storage address = { .ss_family = AF_INET6 };
	char *copy = strndup(text.at, text.len);
	struct prefix_list *list = NULL;
	const char *bad = NULL;
	int result = prefix_list_new(&list, &copy, 1, &bad);

	demand((result == 0) == (list != NULL) && (result == 0) == (bad == NULL),
		"a list, or the bad text");
	if (list != NULL)
		(void)prefix_list_has(list, (struct sockaddr *)&address);
	prefix_list_free(list);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);

	check_address(text);
	check_name(text);
	check_prefix(text);
	return 0;
}
