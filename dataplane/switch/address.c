/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/address.h"

struct parts {
	struct span scheme, user, host;
};

static struct parts split(struct span uri)
{
	struct parts parts;
	const char *at, *c;

	parts.scheme = span_cut(&uri, ':');
	at = uri.len ? memchr(uri.at, '@', uri.len) : NULL;
	if (at != NULL) {
		parts.user = span_make(uri.at, (size_t)(at - uri.at));
		parts.host = span_make(at + 1, uri.len - parts.user.len - 1);
	} else {
		parts.user = span_make(uri.at, 0);
		parts.host = uri; /* tel: and the like: all of it */
	}
	for (c = parts.host.at; c < parts.host.at + parts.host.len; c++)
		if (*c == ';' || *c == '?')
			break;
	parts.host.len = (size_t)(c - parts.host.at);
	return parts;
}

struct span address_of(struct span value)
{
	const char *open = value.len ? memrchr(value.at, '<', value.len) : NULL;
	struct span uri;

	if (open == NULL)
		return span_trim(value);
	uri = span_make(open + 1, (size_t)(value.at + value.len - open - 1));
	return span_cut(&uri, '>');
}

bool address_eq(struct span a, struct span b)
{
	struct parts x, y;

	if (span_eq(a, b))
		return true;
	x = split(a);
	y = split(b);
	return span_eq_nocase(x.scheme, y.scheme) && span_eq(x.user, y.user) &&
	       span_eq_nocase(x.host, y.host);
}

bool address_in(struct span uri, struct span list)
{
	struct span one;

	while (list.len > 0) {
		one = span_cut(&list, '\n');
		if (one.len > 0 && address_eq(uri, one))
			return true;
	}
	return false;
}
