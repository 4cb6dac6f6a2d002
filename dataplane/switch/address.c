/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/address.h"

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* RFC 3261 19.1.4: of the reserved set an escape is not the same as the character. */
static bool is_reserved(int c)
{
	return c != 0 && memchr(";/?:@&=+$,", c, 10) != NULL;
}

struct parts {
	struct span scheme, user, host;
	bool number; /* it is all in user; host does not count */
	struct span number_params;
};

/* The value of a parameter; at NULL: it is not there. */
static struct span param_of(struct span params, struct span wanted)
{
	struct span value;

	while (params.len > 0) {
		value = span_cut(&params, ';');
		if (span_eq_nocase(span_cut(&value, '='), wanted))
			return value.at != NULL ? value : SPAN_LITERAL("");
	}
	return span_make(NULL, 0);
}

static struct parts split(struct span uri)
{
	struct parts parts = { .number = false };
	struct span params, headers;
	const char *at;

	parts.scheme = span_cut(&uri, ':');
	at = uri.len ? memchr(uri.at, '@', uri.len) : NULL;
	if (at != NULL) {
		parts.user = span_make(uri.at, (size_t)(at - uri.at));
		uri = span_make(at + 1, uri.len - parts.user.len - 1);
	} else {
		parts.user = span_make(uri.at, 0);
	}
	headers = span_cut(&uri, '?');
	params = headers;
	parts.host = span_cut(&params, ';');
	if (at == NULL && span_eq_nocase(parts.scheme, SPAN_LITERAL("tel"))) {
		parts.number = true;
		parts.user = parts.host;
		parts.number_params = params;
	} else if (parts.user.len > 0 && parts.user.at[0] == '+' &&
		   span_eq_nocase(parts.scheme, SPAN_LITERAL("sip")) &&
		   span_eq_nocase(param_of(params, SPAN_LITERAL("user")), SPAN_LITERAL("phone"))) {
		parts.number = true; /* context.md 3.1: equals tel:+N */
		parts.number_params = parts.user;
		parts.user = span_cut(&parts.number_params, ';');
	}
	return parts;
}

/* The next character of a user part: escapes are resolved, visual separators of numbers left out.
 * -1: there is none. */
static int user_next(struct span *rest, bool number)
{
	while (rest->len > 0) {
		int c = (uint8_t)rest->at[0], high, low;

		if (c == '%' && rest->len >= 3) {
			high = hex_digit(rest->at[1]);
			low = hex_digit(rest->at[2]);
			if (high >= 0 && low >= 0) {
				/* What it stands for is not what the character itself would be:
				 * an escaped separator separates nothing. */
				*rest = span_make(rest->at + 3, rest->len - 3);
				return 256 * is_reserved(high * 16 + low) + high * 16 + low;
			}
		}
		*rest = span_make(rest->at + 1, rest->len - 1);
		if (!number || memchr("-.()", c, 4) == NULL)
			return c;
	}
	return -1;
}

static bool user_eq(struct span a, struct span b, bool number)
{
	int x, y;

	do {
		x = user_next(&a, number);
		y = user_next(&b, number);
	} while (x == y && x >= 0);
	return x == y;
}

/* RFC 3966 5.1: an extension, a subaddress, or the context of a local number is part of the number. */
static bool number_params_eq(struct span a, struct span b)
{
	static const char *const names[] = { "ext", "isub", "phone-context" };
	struct span x, y;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		x = param_of(a, span_of(names[i]));
		y = param_of(b, span_of(names[i]));
		if ((x.at == NULL) != (y.at == NULL) || !span_eq_nocase(x, y))
			return false;
	}
	return true;
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
	if (x.number || y.number)
		return x.number && y.number && user_eq(x.user, y.user, true) &&
		       number_params_eq(x.number_params, y.number_params);
	return span_eq_nocase(x.scheme, y.scheme) && user_eq(x.user, y.user, false) &&
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
