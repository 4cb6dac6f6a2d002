/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/target.h"
#include <arpa/inet.h>
#include <stdio.h>
#include "dataplane/msrp/uri.h"

int msrp_target_read(struct span host, uint16_t port, struct msrp_target *out)
{
	char text[INET6_ADDRSTRLEN];

	*out = (struct msrp_target){ .port = port };
	if (port == 0 || host.len == 0 || host.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	/* A zero inside would end the text early, and another address be read than was written. */
	if (strlen(text) != host.len)
		return -EINVAL;
	if (inet_pton(AF_INET, text, out->address) == 1)
		return 0;
	out->ipv6 = true;
	return inet_pton(AF_INET6, text, out->address) == 1 ? 0 : -EINVAL;
}

int msrp_target_of_uri(struct span uri, struct msrp_target *out)
{
	struct msrp_uri parsed;

	if (msrp_uri_parse(uri, &parsed) != 0)
		return -EINVAL;
	return msrp_target_read(parsed.host, parsed.port, out);
}

int msrp_target_parse(struct span text, struct msrp_target *out)
{
	struct span host = text;
	unsigned port = 0;
	size_t i = text.len;

	while (i > 0 && text.at[i - 1] != ':')
		i--;
	if (i < 2 || text.len - i == 0 || text.len - i > 5)
		return -EINVAL;
	host.len = i - 1;
	for (; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EINVAL;
		port = port * 10 + (unsigned)(text.at[i] - '0');
	}
	if (port > UINT16_MAX)
		return -EINVAL;
	if (host.at[0] != '[')
		return memchr(host.at, ':', host.len) == NULL
			       ? msrp_target_read(host, (uint16_t)port, out)
			       : -EINVAL;
	if (host.len < 3 || host.at[host.len - 1] != ']')
		return -EINVAL;
	host.at++;
	host.len -= 2;
	return memchr(host.at, ':', host.len) != NULL ? msrp_target_read(host, (uint16_t)port, out)
						      : -EINVAL;
}

bool msrp_target_eq(const struct msrp_target *a, const struct msrp_target *b)
{
	return a->ipv6 == b->ipv6 && a->port == b->port &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

bool msrp_target_is_unspecified(const struct msrp_target *target)
{
	static const uint8_t zeros[16];

	return memcmp(target->address, zeros, sizeof(zeros)) == 0;
}

bool msrp_target_is_unroutable(const struct msrp_target *target)
{
	static const uint8_t zeros[15];
	const uint8_t *a = target->address;

	if (!target->ipv6)
		return a[0] == 0 || a[0] == 10 || a[0] == 127 ||
		       (a[0] == 100 && (a[1] & 0xc0) == 64) || /* RFC 6598 */
		       (a[0] == 169 && a[1] == 254) || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
		       (a[0] == 192 && a[1] == 168);
	return (memcmp(a, zeros, 15) == 0 && a[15] <= 1) || (a[0] & 0xfe) == 0xfc ||
	       (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

void msrp_target_host(const struct msrp_target *target, char out[MSRP_TARGET_TEXT_MAX])
{
	if (inet_ntop(target->ipv6 ? AF_INET6 : AF_INET, target->address, out,
		    MSRP_TARGET_TEXT_MAX) == NULL)
		out[0] = '\0';
}

void msrp_target_text(const struct msrp_target *target, char out[MSRP_TARGET_TEXT_MAX])
{
	char host[MSRP_TARGET_TEXT_MAX];

	msrp_target_host(target, host);
	snprintf(out, MSRP_TARGET_TEXT_MAX, target->ipv6 ? "[%.46s]:%u" : "%.46s:%u", host,
		target->port);
}
