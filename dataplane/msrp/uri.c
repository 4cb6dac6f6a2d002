/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/uri.h"
#include "dataplane/msrp/octet_class.h"
#include <arpa/inet.h>

static bool take(const char **at, const char *end, char octet)
{
	if (*at == end || **at != octet)
		return false;
	(*at)++;
	return true;
}

static struct span take_run(const char **at, const char *end, unsigned classes)
{
	struct span run = { *at, octet_run(*at, end, classes) };

	*at += run.len;
	return run;
}

/* Each '%' of the text begins a triplet "%4a". */
static bool triplets_are_whole(struct span text)
{
	const char *end = text.at + text.len;

	for (const char *at = text.at; at < end; at++) {
		if (*at != '%')
			continue;
		if (end - at < 3)
			return false;
		for (int i = 1; i <= 2; i++) {
			char digit = at[i] | 0x20;

			if (!octet_is(at[i], OCTET_DIGIT) && (digit < 'a' || digit > 'f'))
				return false;
		}
	}
	return true;
}

static bool address_read(struct span host, int family, void *out)
{
	char text[INET6_ADDRSTRLEN];

	if (host.len >= sizeof(text))
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	/* A zero inside would end the text early, and another address be read than was written. */
	return strlen(text) == host.len && inet_pton(family, text, out) == 1;
}

static bool host_is_ipv4(struct span host)
{
	struct in_addr address;

	/* A name ends in a letter far more often than not: most are settled here. */
	return octet_is(host.at[host.len - 1], OCTET_DIGIT) &&
	       address_read(host, AF_INET, &address);
}

/* scheme "://" : at once, as every MSRP URI begins so. */
static bool scheme_take(const char **at, const char *end, struct msrp_uri *uri)
{
	if (end - *at < 7 || strncasecmp(*at, "msrp", 4) != 0)
		return false;
	*at += 4;
	uri->secure = (**at | 0x20) == 's';
	*at += uri->secure;
	if (end - *at < 3 || memcmp(*at, "://", 3) != 0)
		return false;
	*at += 3;
	return true;
}

static bool host_take(const char **at, const char *end, struct msrp_uri *uri)
{
	if (take(at, end, '[')) {
		const char *close = memchr(*at, ']', (size_t)(end - *at));
		struct in6_addr address;

		if (close == NULL)
			return false;
		uri->host = span_make(*at, (size_t)(close - *at));
		uri->host_is_ipv6 = true;
		*at = close + 1;
		return address_read(uri->host, AF_INET6, &address);
	}
	uri->host = take_run(at, end, OCTET_HOST);
	return uri->host.len > 0 && triplets_are_whole(uri->host);
}

static bool port_take(const char **at, const char *end, struct msrp_uri *uri)
{
	struct span digits;
	unsigned port = 0;

	if (!take(at, end, ':')) {
		/* RFC 4975 6: an IP literal must be followed by a port. */
		return !uri->host_is_ipv6 && !host_is_ipv4(uri->host);
	}
	digits = take_run(at, end, OCTET_DIGIT);
	if (digits.len == 0 || digits.len > 5)
		return false;
	for (size_t i = 0; i < digits.len; i++)
		port = port * 10 + (unsigned)(digits.at[i] - '0');
	uri->port = (uint16_t)port;
	return port >= 1 && port <= UINT16_MAX;
}

static bool parameters_take(const char **at, const char *end)
{
	while (take(at, end, ';')) {
		if (take_run(at, end, OCTET_TOKEN).len == 0)
			return false;
		if (take(at, end, '=') && take_run(at, end, OCTET_TOKEN).len == 0)
			return false;
	}
	return *at == end;
}

int msrp_uri_parse(struct span text, struct msrp_uri *out)
{
	const char *at = text.at;
	const char *end = text.at + text.len;
	const char *user_end;

	*out = (struct msrp_uri){ .text = text };
	if (!scheme_take(&at, end, out))
		return -EBADMSG;

	/* No other part of an MSRP URI has a '@', so one anywhere ends the userinfo. */
	user_end = memchr(at, '@', (size_t)(end - at));
	if (user_end != NULL) {
		out->userinfo = take_run(&at, user_end, OCTET_USERINFO);
		if (at++ != user_end || !triplets_are_whole(out->userinfo))
			return -EBADMSG;
	}
	if (!host_take(&at, end, out) || !port_take(&at, end, out))
		return -EBADMSG;
	if (take(&at, end, '/')) {
		out->has_session_id = true;
		out->session_id = take_run(&at, end, OCTET_SESSION_ID);
	}
	if (!take(&at, end, ';'))
		return -EBADMSG;
	out->transport = take_run(&at, end, OCTET_ALPHA | OCTET_DIGIT);
	if (out->transport.len == 0 || !parameters_take(&at, end))
		return -EBADMSG;
	return 0;
}

static unsigned hex_value(char digit)
{
	return octet_is(digit, OCTET_DIGIT) ? (unsigned)(digit - '0')
					    : (unsigned)((digit | 0x20) - 'a' + 10);
}

/* The next octet of a host, in lower case; a triplet that stands for an unreserved octet counts
 * as that octet. */
static char host_octet_next(struct span *rest)
{
	char octet = rest->at[0];
	size_t taken = 1;

	if (octet == '%') {
		char meant = (char)(hex_value(rest->at[1]) << 4 | hex_value(rest->at[2]));

		/* RFC 3986 6.2.2.2: only these may be decoded without a change of meaning. */
		if (octet_is(meant, OCTET_UNRESERVED)) {
			octet = meant;
			taken = 3;
		}
	}
	rest->at += taken;
	rest->len -= taken;
	return octet >= 'A' && octet <= 'Z' ? (char)(octet | 0x20) : octet;
}

static bool host_eq(const struct msrp_uri *a, const struct msrp_uri *b)
{
	struct span left = a->host, right = b->host;

	if (a->host_is_ipv6 != b->host_is_ipv6)
		return false;
	if (a->host_is_ipv6) {
		struct in6_addr one, other;

		return address_read(left, AF_INET6, &one) &&
		       address_read(right, AF_INET6, &other) &&
		       memcmp(&one, &other, sizeof(one)) == 0;
	}
	/* An IPv4 address has one spelling only, so it may be compared as text. */
	while (left.len > 0 && right.len > 0) {
		if (host_octet_next(&left) != host_octet_next(&right))
			return false;
	}
	return left.len == 0 && right.len == 0;
}

bool msrp_uri_eq(const struct msrp_uri *a, const struct msrp_uri *b)
{
	return a->secure == b->secure && a->port == b->port &&
	       a->has_session_id == b->has_session_id && span_eq(a->session_id, b->session_id) &&
	       span_eq_nocase(a->transport, b->transport) && host_eq(a, b);
}
