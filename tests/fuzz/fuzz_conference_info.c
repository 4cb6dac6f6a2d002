/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_conference_info: any octets as the names of a user: the document is well-formed, and says
 * the same to its reader as one whose names were read before. */
#include "control/xml/conference_info.h"
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

/* The document of a user of these names, and its display-text as read. */
static char *document(const char *entity, const char *name, char **seen)
{
	struct conference_info_endpoint endpoint = { .entity = entity };
	struct conference_info_user user = { .entity = entity,
		.display_text = name,
		.nickname = name,
		.endpoints = &endpoint,
		.endpoint_count = 1 };
	struct conference_info_head head = {
		.entity = entity, .description = true, .subject = name
	};
	struct conference_info *info;
	xmlDocPtr read;
	xmlNodePtr at;
	xmlChar *content;
	char *text;
	size_t len;

	demand(conference_info_new(&info) == 0, "memory");
	conference_info_user(info, &user);
	demand(conference_info_text(info, &head, 0, 0, &text, &len) == 0, "memory");
	conference_info_free(info);
	read = xmlReadMemory(text, (int)len, NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	demand(read != NULL, "well-formed");
	at = xmlDocGetRootElement(read)->last;
	while (at->type != XML_ELEMENT_NODE)
		at = at->prev;
	demand(strcmp((const char *)at->name, "users") == 0, "no element more");
	for (at = at->children; at->type != XML_ELEMENT_NODE;)
		at = at->next;
	demand(strcmp((const char *)at->name, "user") == 0, "the user");
	content = xmlGetNoNsProp(at, (const xmlChar *)"yourown");
	demand(content != NULL && strcmp((const char *)content, "true") == 0, "the mark");
	xmlFree(content);
	content = xmlNodeGetContent(at->children);
	*seen = strdup(strcmp((const char *)at->children->name, "display-text") == 0
			       ? (const char *)content
			       : "");
	xmlFree(content);
	xmlFreeDoc(read);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = memchr(data, '\0', size);
	size_t first = zero != NULL ? (size_t)(zero - data) : size;
	char *entity = strndup((const char *)data, first), *name, *seen, *again, *one, *two;

	name = zero != NULL ? strndup((const char *)zero + 1, size - first - 1) : strdup("");
	one = document(entity, name, &seen);
	two = document(entity, seen, &again);
	demand(strcmp(seen, again) == 0, "what was cleaned stays as it is");
	demand(strcmp(one, two) == 0, "the same document");
	free(entity);
	free(name);
	free(seen);
	free(again);
	free(one);
	free(two);
	return 0;
}
