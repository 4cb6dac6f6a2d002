/* SPDX-License-Identifier: BSD-3-Clause */
/* Own code rather than Sofia's url.h: canonical addresses are compared for access decisions, so
 * every octet of the form must follow from a rule that stands here. Sofia's comparison keeps
 * parameters and password apart, and has no tel rules.
 *
 *   sip:%61lice:pw@Example.COM:5060;user=phone;x?h=v
 *       |--user-----| |---host-----| |--rest--------|
 */
#include "control/sip/identity.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum scheme { SCHEME_SIP, SCHEME_SIPS, SCHEME_IM, SCHEME_TEL, SCHEME_COUNT };

static const char *const scheme_names[SCHEME_COUNT] = { "sip", "sips", "im", "tel" };

/* A URI taken apart; spans point into it. For tel all but `rest` is in `user`. */
struct parts {
	enum scheme scheme;
	struct span user; /* with its password; empty when absent */
	struct span host; /* IPv6 with its brackets */
	struct span port; /* digits; empty when absent */
	struct span rest; /* parameters, from the first ';' (sip) or after it (tel) */
};

/* Writes a canonical form and remembers that it did not fit. */
struct out {
	char *at;
	size_t len, size;
	bool full;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_alpha(c);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* RFC 2396 2.3, RFC 3261 25.1: these mean the same with and without an escape. */
static bool is_unreserved(char c)
{
	return is_alnum(c) || is_one_of(c, "-_.!~*'()");
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Octets that would let an address break out of the header it is written into. */
static bool has_unfit_octet(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c <= ' ' || c == 0x7f || is_one_of((char)c, "<>\"\\"))
			return true;
	}
	return false;
}

static void put(struct out *out, char c)
{
	if (out->len + 1 >= out->size) {
		out->full = true;
		return;
	}
	out->at[out->len++] = c;
}

static void put_text(struct out *out, const char *text)
{
	while (*text != '\0')
		put(out, *text++);
}

static void put_lower(struct out *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		put(out, lower(s.at[i]));
}

static void put_escaped(struct out *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	put(out, '%');
	put(out, digits[c >> 4]);
	put(out, digits[c & 15]);
}

static bool split_port(struct span *host, struct span *port)
{
	const char *colon;
	size_t digits = 0;

	*port = (struct span){ host->at + host->len, 0 };
	if (host->len > 0 && host->at[0] == '[') {
		const char *end = memchr(host->at, ']', host->len);
		size_t len;

		if (end == NULL)
			return false;
		len = (size_t)(end - host->at) + 1;
		if (len == host->len)
			return true;
		if (host->at[len] != ':')
			return false;
		colon = host->at + len;
	} else {
		colon = host->len ? memchr(host->at, ':', host->len) : NULL;
		if (colon == NULL)
			return true;
	}
	port->at = colon + 1;
	port->len = host->len - (size_t)(port->at - host->at);
	host->len = (size_t)(colon - host->at);
	while (digits < port->len && is_digit(port->at[digits]))
		digits++;
	if (digits == 0 || digits != port->len)
		return false;
	while (port->len > 1 && port->at[0] == '0') {
		port->at++;
		port->len--;
	}
	return port->len <= 5 && strtoul(port->at, NULL, 10) <= 65535;
}

static bool host_is_good(struct span host)
{
	if (host.len == 0)
		return false;
	if (host.at[0] == '[') {
		char text[INET6_ADDRSTRLEN];
		struct in6_addr address;

		if (host.len < 4 || host.len - 2 >= sizeof(text))
			return false;
		memcpy(text, host.at + 1, host.len - 2);
		text[host.len - 2] = '\0';
		return inet_pton(AF_INET6, text, &address) == 1;
	}
	for (size_t i = 0; i < host.len; i++) {
		/* No empty label; "_" is no host name, but DNS has it. */
		if (host.at[i] == '.' && (i == 0 || host.at[i - 1] == '.'))
			return false;
		if (!is_alnum(host.at[i]) && !is_one_of(host.at[i], "-._"))
			return false;
	}
	return true;
}

static int split(struct span uri, struct parts *p)
{
	struct span rest = uri, scheme = span_cut(&rest, ':');
	size_t end;
	const char *at;

	*p = (struct parts){ .scheme = SCHEME_COUNT };
	for (int i = 0; i < SCHEME_COUNT; i++) {
		if (span_eq_nocase(scheme, span_of(scheme_names[i])))
			p->scheme = (enum scheme)i;
	}
	if (p->scheme == SCHEME_COUNT || rest.len == 0 || has_unfit_octet(rest))
		return -EBADMSG;
	if (p->scheme == SCHEME_TEL) {
		p->user = span_cut(&rest, ';');
		p->rest = rest;
		return 0;
	}
	/* RFC 3261 25.1: neither user nor parameters nor headers have a bare '@', but a user may
	 * have ';' and '?'. */
	at = memchr(rest.at, '@', rest.len);
	if (at != NULL) {
		p->user = span_cut(&rest, '@');
		if (p->user.len == 0 || p->user.at[0] == ':')
			return -EBADMSG;
	} else if (p->scheme == SCHEME_IM) {
		return -EBADMSG;
	}
	for (end = 0; end < rest.len && rest.at[end] != ';' && rest.at[end] != '?';)
		end++;
	p->host = (struct span){ rest.at, end };
	p->rest = (struct span){ rest.at + end, rest.len - end };
	if (!split_port(&p->host, &p->port) || !host_is_good(p->host))
		return -EBADMSG;
	return 0;
}

/* The value of a parameter in "a=1;b=2"; false when there is no such parameter. */
static bool parameter(struct span list, const char *name, struct span *value)
{
	while (list.len > 0) {
		struct span one = span_cut(&list, ';');
		struct span key = span_cut(&one, '=');

		if (span_eq_nocase(key, span_of(name))) {
			*value = one;
			return true;
		}
	}
	return false;
}

/* Resolves every escape of s. False: a broken escape, or no room. */
static bool unescape(struct span s, char *buf, size_t size, struct span *out)
{
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		int c = (unsigned char)s.at[i];

		if (c == '%') {
			if (s.len - i < 3 || hex_value(s.at[i + 1]) < 0 ||
				hex_value(s.at[i + 2]) < 0)
				return false;
			c = hex_value(s.at[i + 1]) << 4 | hex_value(s.at[i + 2]);
			i += 2;
		}
		if (len == size)
			return false;
		buf[len++] = (char)c;
	}
	*out = (struct span){ buf, len };
	return true;
}

/* RFC 3966 3: digits of a number without its visual separators. Local numbers may have hexadecimal
 * digits, '*' and '#'. */
static bool put_number(struct out *out, struct span number)
{
	bool global = number.len > 0 && number.at[0] == '+', any = false;

	for (size_t i = 0; i < number.len; i++) {
		char c = number.at[i];

		if (i == 0 && global) {
			put(out, '+');
			continue;
		}
		if (is_one_of(c, "-.()"))
			continue;
		if (!is_digit(c) && (global || (hex_value(c) < 0 && c != '*' && c != '#')))
			return false;
		put(out, lower(c));
		any = true;
	}
	return any;
}

/* A user part or a parameter's value: escapes of unreserved characters are resolved, all others
 * written in upper case, and what should have been escaped is. fold: letters in lower case. */
static bool put_text_of_uri(struct out *out, struct span text, bool fold)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c == '%') {
			int value;

			if (text.len - i < 3 || hex_value(text.at[i + 1]) < 0 ||
				hex_value(text.at[i + 2]) < 0)
				return false;
			value = hex_value(text.at[i + 1]) << 4 | hex_value(text.at[i + 2]);
			i += 2;
			c = (char)value;
			if (!is_unreserved(c)) {
				put_escaped(out, (unsigned char)c);
				continue;
			}
		} else if (!is_unreserved(c) && !is_one_of(c, "&=+$,;?/:")) {
			put_escaped(out, (unsigned char)c);
			continue;
		}
		put(out, fold ? lower(c) : c);
	}
	return true;
}

/* The canonical tel: of a telephone-subscriber, "+1-555-0100;ext=5". RFC 3966 4, 5.1.5: extension,
 * subaddress and the context of a local number say who is meant, so they stay, in this order; what
 * networks add on the way (number portability, trunk groups) does not. */
static bool put_tel(struct out *out, struct span number, struct span parameters)
{
	struct span value;

	put_text(out, "tel:");
	if (!put_number(out, number))
		return false;
	if (parameter(parameters, "ext", &value)) {
		put_text(out, ";ext=");
		if (!put_number(out, value))
			return false;
	}
	if (parameter(parameters, "isub", &value)) {
		put_text(out, ";isub=");
		if (!put_text_of_uri(out, value, true))
			return false;
	}
	if (number.at[0] != '+' && parameter(parameters, "phone-context", &value)) {
		put_text(out, ";phone-context=");
		if (value.len > 0 && value.at[0] == '+')
			return put_number(out, value);
		put_lower(out, value);
		return host_is_good(value) && value.at[0] != '[';
	}
	return true;
}

static void put_host(struct out *out, struct span host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (host.at[0] != '[') {
		put_lower(out, host);
		return;
	}
	memcpy(text, host.at + 1, host.len - 2); /* host_is_good saw that it fits */
	text[host.len - 2] = '\0';
	put(out, '[');
	if (inet_pton(AF_INET6, text, &address) == 1 &&
		inet_ntop(AF_INET6, &address, text, sizeof(text)) != NULL)
		put_text(out, text);
	put(out, ']');
}

int identity_canonical(struct span uri, char out[IDENTITY_MAX])
{
	struct out o = { .at = out, .size = IDENTITY_MAX };
	struct span user_parameter = { NULL, 0 }, headers;
	struct parts p;
	int result = split(uri, &p);

	out[0] = '\0';
	if (result != 0)
		return result;
	if (p.scheme == SCHEME_TEL) {
		char buf[IDENTITY_MAX];
		struct span number;

		if (!unescape(p.user, buf, sizeof(buf), &number) || number.len == 0 ||
			!put_tel(&o, number, p.rest))
			result = -EBADMSG;
		goto end;
	}
	headers = p.rest;
	if (p.scheme != SCHEME_IM)
		(void)parameter(span_cut(&headers, '?'), "user", &user_parameter);
	if (p.user.len > 0 && span_eq_nocase(user_parameter, SPAN_LITERAL("phone"))) {
		/* RFC 3261 19.1.6, context.md 3.1: the same subscriber as in a tel URI, if the
		 * number says all by itself. */
		struct span rest = p.user, number, context;
		char buf[IDENTITY_MAX];

		if (unescape(span_cut(&rest, ';'), buf, sizeof(buf), &number) && number.len > 0 &&
			(number.at[0] == '+' || parameter(rest, "phone-context", &context)) &&
			put_tel(&o, number, rest))
			goto end;
		o.len = 0;
		o.full = false;
	}
	put_text(&o, scheme_names[p.scheme]);
	put(&o, ':');
	if (p.user.len > 0) {
		if (!put_text_of_uri(&o, p.user, false))
			result = -EBADMSG;
		put(&o, '@');
	}
	put_host(&o, p.host);
	if (p.port.len > 0) {
		/* RFC 3261 19.1.4: a port that is named differs from one that is not, even if it is
		 * the default. */
		put(&o, ':');
		put_lower(&o, p.port);
	}
	if (user_parameter.len > 0) {
		put_text(&o, ";user=");
		if (!put_text_of_uri(&o, user_parameter, true))
			result = -EBADMSG;
	}
end:
	if (o.full)
		result = -EBADMSG;
	out[result == 0 ? o.len : 0] = '\0';
	return result;
}

bool identity_eq(struct span a, struct span b)
{
	char x[IDENTITY_MAX], y[IDENTITY_MAX];

	return identity_canonical(a, x) == 0 && identity_canonical(b, y) == 0 && strcmp(x, y) == 0;
}

struct span identity_host(struct span uri)
{
	struct parts p;

	if (split(uri, &p) != 0)
		return (struct span){ uri.at, 0 };
	if (p.host.len > 2 && p.host.at[0] == '[')
		return (struct span){ p.host.at + 1, p.host.len - 2 };
	return p.host;
}

struct span identity_user(struct span uri)
{
	struct span user;
	struct parts p;

	if (split(uri, &p) != 0)
		return (struct span){ uri.at, 0 };
	user = p.user;
	return user.len > 0 ? span_cut(&user, ':') : (struct span){ uri.at, 0 };
}

/* IPv4 is kept as ::ffff:a.b.c.d, so that a dual-stack socket's addresses match as well. */
struct prefix {
	uint8_t octets[16];
	unsigned bits;
};

struct prefix_list {
	unsigned count;
	struct prefix items[];
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	unsigned width = 128, bits = 0;

	if (len == 0 || len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET6, address, out->octets) != 1) {
		memcpy(out->octets, mapped, sizeof(mapped));
		if (inet_pton(AF_INET, address, out->octets + 12) != 1)
			return false;
		width = 32;
	}
	if (slash == NULL) {
		out->bits = 128;
		return true;
	}
	if (slash[1] == '\0' || strlen(slash + 1) > 3)
		return false;
	for (const char *c = slash + 1; *c != '\0'; c++) {
		if (!is_digit(*c))
			return false;
		bits = bits * 10 + (unsigned)(*c - '0');
	}
	if (bits > width)
		return false;
	out->bits = 128 - width + bits;
	return true;
}

static bool prefix_has(const struct prefix *prefix, const uint8_t octets[16])
{
	unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(prefix->octets, octets, whole) != 0)
		return false;
	return rest == 0 || ((prefix->octets[whole] ^ octets[whole]) >> (8 - rest)) == 0;
}

int prefix_list_new(struct prefix_list **out, char *const *texts, unsigned count, const char **bad)
{
	struct prefix_list *list = malloc(sizeof(*list) + count * sizeof(list->items[0]));

	*out = NULL;
	if (bad != NULL)
		*bad = NULL;
	if (list == NULL)
		return -ENOBUFS;
	list->count = count;
	for (unsigned i = 0; i < count; i++) {
		if (!prefix_parse(texts[i], &list->items[i])) {
			if (bad != NULL)
				*bad = texts[i];
			free(list);
			return -EINVAL;
		}
	}
	*out = list;
	return 0;
}

void prefix_list_free(struct prefix_list *list)
{
	free(list);
}

bool prefix_list_has(const struct prefix_list *list, const struct sockaddr *address)
{
	uint8_t octets[16];

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		memcpy(octets, mapped, sizeof(mapped));
		memcpy(octets + 12, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		memcpy(octets, &in6->sin6_addr, 16);
	} else {
		return false;
	}
	for (unsigned i = 0; i < list->count; i++) {
		if (prefix_has(&list->items[i], octets))
			return true;
	}
	return false;
}

/* One UTF-8 character of s: its octets and code point; 0 when these octets are none (RFC 3629
 * 4). */
static size_t utf8_take(struct span s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)s.at[0];
	size_t len = first < 0x80             ? 1
		     : (first & 0xe0) == 0xc0 ? 2
		     : (first & 0xf0) == 0xe0 ? 3
		     : (first & 0xf8) == 0xf0 ? 4
					      : 0;

	if (len == 0 || len > s.len)
		return 0;
	*code = len == 1 ? first : first & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s.at[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | ((unsigned char)s.at[i] & 0x3f);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return len;
}

/* C0, DEL, C1; line and paragraph separators; what turns the writing direction of the text that
 * follows (a name could show as another one). */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

void display_name_clean(struct span name, char *out)
{
	size_t len = 0;

	name = span_trim(name);
	while (name.len > 0) {
		uint32_t code = 0;
		size_t taken = utf8_take(name, &code);
		bool keep = taken > 0 && !is_control(code);

		if (taken == 0)
			taken = 1;
		if (keep && len + taken > 256)
			break;
		if (keep && (len > 0 || code != ' ')) {
			memcpy(out + len, name.at, taken);
			len += taken;
		}
		name.at += taken;
		name.len -= taken;
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}
