/* SPDX-License-Identifier: BSD-3-Clause */
/* octet_class: which grammar terms an octet belongs to.  Spec: RFC 4975 9; RFC 3986 for authority.
 *
 * Threads: pure.
 */
#ifndef DATAPLANE_MSRP_OCTET_CLASS_H
#define DATAPLANE_MSRP_OCTET_CLASS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/span.h"

enum octet_class {
	OCTET_ALPHA = 1 << 0,
	OCTET_DIGIT = 1 << 1,
	OCTET_IDENT = 1 << 2, /* of transaction and message ids; the first one is ALPHA or DIGIT */
	OCTET_TOKEN = 1 << 3, /* header names, parameters, media types */
	OCTET_UNRESERVED = 1 << 4, /* RFC 3986 2.3 */
	OCTET_SESSION_ID = 1 << 5,
	OCTET_HOST = 1 << 6, /* reg-name, '%' included, but not ';', which ends an MSRP authority */
	OCTET_USERINFO = 1 << 7, /* '%' included */
	OCTET_URI = 1 << 8,      /* anywhere in an MSRP URI */
};

extern const uint16_t octet_classes[256];

static inline bool octet_is(char octet, unsigned classes)
{
	return octet_classes[(uint8_t)octet] & classes;
}

/* How many octets from `at` on, and before `end`, are in the classes. */
static inline size_t octet_run(const char *at, const char *end, unsigned classes)
{
	const char *from = at;

	/* Four at a time: most runs are ids and types of about ten octets. */
	while (end - at >= 4) {
		if (!octet_is(at[0], classes))
			return (size_t)(at - from);
		if (!octet_is(at[1], classes))
			return (size_t)(at - from) + 1;
		if (!octet_is(at[2], classes))
			return (size_t)(at - from) + 2;
		if (!octet_is(at[3], classes))
			return (size_t)(at - from) + 3;
		at += 4;
	}
	while (at < end && octet_is(*at, classes))
		at++;
	return (size_t)(at - from);
}

/* RFC 4975 9: ident, of 4 to 32 octets. */
static inline bool octet_is_ident(struct span text)
{
	unsigned all = OCTET_IDENT;

	if (text.len < 4 || text.len > 32)
		return false;
	/* No way out on the way: good ones are the rule, and so the loads need not wait for each
	 * other. */
	for (size_t i = 0; i < text.len; i++)
		all &= octet_classes[(uint8_t)text.at[i]];
	return all != 0 && octet_is(text.at[0], OCTET_ALPHA | OCTET_DIGIT);
}
#endif
