/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/octet_class.h"

#define ALPHA      OCTET_ALPHA
#define DIGIT      OCTET_DIGIT
#define IDENT      OCTET_IDENT
#define TOKEN      OCTET_TOKEN
#define UNRESERVED OCTET_UNRESERVED
#define SESSION    OCTET_SESSION_ID
#define HOST       (OCTET_HOST | OCTET_USERINFO | OCTET_URI)
#define USERINFO   (OCTET_USERINFO | OCTET_URI)
#define URI        OCTET_URI
#define EVERY      (IDENT | TOKEN | UNRESERVED | SESSION | HOST)

/* An octet stands here once, so a term that was forgotten shows as a missing word in its line. */
const uint16_t octet_classes[256] = {
	['A' ... 'Z'] = ALPHA | EVERY,
	['a' ... 'z'] = ALPHA | EVERY,
	['0' ... '9'] = DIGIT | EVERY,
	['-'] = EVERY,
	['.'] = EVERY,
	['_'] = TOKEN | UNRESERVED | SESSION | HOST,
	['~'] = TOKEN | UNRESERVED | SESSION | HOST,
	['+'] = IDENT | TOKEN | SESSION | HOST,
	['='] = IDENT | SESSION | HOST,
	['%'] = IDENT | TOKEN | HOST,
	['!'] = TOKEN | HOST,
	['$'] = TOKEN | HOST,
	['&'] = TOKEN | HOST,
	['\''] = TOKEN | HOST,
	['*'] = TOKEN | HOST,
	['('] = HOST,
	[')'] = HOST,
	[','] = HOST,
	[';'] = USERINFO,
	[':'] = USERINFO,
	['/'] = SESSION | URI,
	['?'] = URI,
	['@'] = URI,
	['['] = URI,
	[']'] = URI,
	['#'] = TOKEN | URI,
	['^'] = TOKEN | URI,
	['`'] = TOKEN | URI,
	['{'] = TOKEN | URI,
	['|'] = TOKEN | URI,
	['}'] = TOKEN | URI,
};
