/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/cpim_out.h"
#include <stdio.h>
#include <stdlib.h>

/* A URI between angle brackets, or a header value: no controls, and no bracket that would end
 * it. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f || *text == '<' || *text == '>')
			return false;
	return true;
}

char *cpim_head_write(const char *from, const char *to, time_t when, const char *content_type)
{
	char stamp[32], *out;
	struct tm utc;

	if (!is_plain(from) || !is_plain(to) || !is_plain(content_type) ||
		gmtime_r(&when, &utc) == NULL)
		return NULL;
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
	if (asprintf(&out, "From: <%s>\r\nTo: <%s>\r\nDateTime: %s\r\n\r\nContent-Type: %s\r\n\r\n",
		    from, to, stamp, content_type) < 0)
		return NULL;
	return out;
}

char *is_composing_write(bool active)
{
	char *out;

	if (asprintf(&out,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>%s</state>"
		    "<contenttype>text/plain</contenttype></isComposing>\n",
		    active ? "active" : "idle") < 0)
		return NULL;
	return out;
}

static void xml_put(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		default: fputc(*text, out);
		}
	}
}

char *resource_list_write(const char *const *uris, unsigned count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	for (unsigned i = 0; i < count; i++)
		if (!is_plain(uris[i]))
			return NULL;
	out = open_memstream(&text, &size);
	if (out == NULL)
		return NULL;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\""
	      " xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\n <list>\n",
		out);
	for (unsigned i = 0; i < count; i++) {
		fputs("  <entry uri=\"", out);
		xml_put(out, uris[i]);
		fputs("\" cp:copyControl=\"to\"/>\n", out);
	}
	fputs(" </list>\n</resource-lists>\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
