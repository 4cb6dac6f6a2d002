/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/refer_to.h"
#include <stdlib.h>

void refer_to_fini(struct refer_to *refer_to)
{
	free(refer_to->uri);
	free(refer_to->headers);
	refer_to->uri = refer_to->headers = NULL;
}

static enum refer_to_method method_of(struct span value)
{
	if (span_eq_nocase(value, SPAN_LITERAL("BYE")))
		return REFER_TO_BYE;
	return span_eq_nocase(value, SPAN_LITERAL("INVITE")) ? REFER_TO_INVITE : REFER_TO_OTHER;
}

static char *append(char *out, struct span text)
{
	if (text.len > 0)
		memcpy(out, text.at, text.len);
	return out + text.len;
}

/* Copies the parameters but method, each with its semicolon. */
static char *params_copy(char *out, struct span params, enum refer_to_method *method)
{
	while (params.len > 0) {
		struct span param = span_cut(&params, ';'), value = param;

		if (span_eq_nocase(span_cut(&value, '='), SPAN_LITERAL("method"))) {
			*method = method_of(value);
			continue;
		}
		if (param.len == 0)
			continue;
		*out++ = ';';
		out = append(out, param);
	}
	return out;
}

int refer_to_parse(struct span text, struct refer_to *out)
{
	/* A user part may have semicolons and question marks of its own; a header may have no
	 * '@'. */
	const char *at = text.len > 0 ? memchr(text.at, '@', text.len) : NULL;
	size_t user = at != NULL ? (size_t)(at - text.at) : 0;
	struct span headers = span_make(text.at + user, text.len - user);
	struct span params = span_cut(&headers, '?'), host = span_cut(&params, ';');
	char *end;
	int r;

	*out = (struct refer_to){ .uri = malloc(text.len + 1),
		.headers = strndup(headers.len > 0 ? headers.at : "", headers.len) };
	if (out->uri == NULL || out->headers == NULL) {
		refer_to_fini(out);
		return -ENOBUFS;
	}
	end = append(out->uri, span_make(text.at, user));
	end = append(end, host);
	end = params_copy(end, params, &out->method);
	*end = '\0';
	r = text.len > 0 && memchr(text.at, '\0', text.len) == NULL
		    ? identity_canonical(span_of(out->uri), out->canonical)
		    : -EBADMSG;
	if (r < 0)
		refer_to_fini(out);
	return r;
}
