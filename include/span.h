/* SPDX-License-Identifier: BSD-3-Clause */
/* span: a borrowed run of octets, not terminated by zero.
 *
 * Threads: pure values.  Memory: a span never owns; who hands one out says how long it lives.
 */
#ifndef INCLUDE_SPAN_H
#define INCLUDE_SPAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t len;
};

/* For printf: "%.*s", SPAN_ARG(s) */
#define SPAN_ARG(s)        (int)(s).len, (s).at
#define SPAN_LITERAL(text) ((struct span){ "" text, sizeof(text) - 1 })

static inline struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline struct span span_make(const void *at, size_t len)
{
	return (struct span){ at, len };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII letters compare without case, as the tokens of SIP, SDP and MSRP headers do. */
static inline bool span_eq_nocase(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

/* Without the spaces and tabs at both ends. */
static inline struct span span_trim(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The part before the first c, removed from *rest together with c; all of *rest when there is
 * none. */
static inline struct span span_cut(struct span *rest, char c)
{
	const char *hit = rest->len ? memchr(rest->at, c, rest->len) : NULL;
	struct span head = *rest;

	if (head.len == 0)
		return head; /* it may point nowhere */
	if (hit == NULL) {
		*rest = (struct span){ rest->at + rest->len, 0 };
		return head;
	}
	head.len = (size_t)(hit - rest->at);
	rest->at += head.len + 1;
	rest->len -= head.len + 1;
	return head;
}
#endif
