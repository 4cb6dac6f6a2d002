/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/xml/conference_info.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/span.h"

#define NS_INFO "urn:ietf:params:xml:ns:conference-info"
#define NS_XCON "urn:ietf:params:xml:ns:xcon-conference-info"

struct text {
	char *at;
	size_t len, room;
	bool failed;
};

struct conference_info {
	struct text users;
	bool nicknames; /* one of the users has one: the prefix is needed */
};

#define X(name, text) text,
static const char *const statuses[] = { ENDPOINT_STATUSES(X) };
static const char *const joinings[] = { ENDPOINT_JOININGS(X) };
static const char *const disconnections[] = { ENDPOINT_DISCONNECTIONS(X) };
#undef X

static void put(struct text *t, const char *octets, size_t len)
{
	if (t->failed)
		return;
	if (t->room - t->len <= len) { /* one more for the zero at the end */
		size_t room = t->room ? t->room : 512;
		char *more;

		while (room - t->len <= len)
			room *= 2;
		more = realloc(t->at, room);
		if (more == NULL) {
			t->failed = true;
			return;
		}
		t->at = more;
		t->room = room;
	}
	memcpy(t->at + t->len, octets, len);
	t->len += len;
	t->at[t->len] = '\0';
}

static void puts_plain(struct text *t, const char *text)
{
	put(t, text, strlen(text));
}

/* The octets of the UTF-8 character at s (RFC 3629), or 0: it is none, and *bad octets are to be
 * passed over: as many as began to be one. */
static unsigned utf8_len(const unsigned char *s, unsigned *bad)
{
	unsigned char low = 0x80, high = 0xbf;
	unsigned len;

	*bad = 1;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	switch (s[0]) {
	case 0xe0: low = 0xa0; break;  /* shorter would do */
	case 0xed: high = 0x9f; break; /* surrogates */
	case 0xf0: low = 0x90; break;
	case 0xf4: high = 0x8f; break; /* beyond U+10FFFF */
	default: break;
	}
	for (unsigned i = 1; i < len; i++, low = 0x80, high = 0xbf) {
		if (s[i] < low || s[i] > high) /* the zero at the end is too low */
			return 0;
		*bad = i + 1;
	}
	return len;
}

static const char *escape_of(unsigned char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	/* As they are, an attribute's reader would take them for spaces, a text's reader CR for
	 * LF. */
	case '\t': return "&#9;";
	case '\n': return "&#10;";
	case '\r': return "&#13;";
	default: return NULL;
	}
}

/* XML 1.0 2.2: what is left out cannot be written at all, not even as a reference. */
static bool is_unfit(const unsigned char *s, unsigned len)
{
	return (len == 1 && (s[0] < 0x20)) ||
	       (len == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe); /* U+FFFE, U+FFFF */
}

static void puts_escaped(struct text *t, const char *text)
{
	const unsigned char *s = (const unsigned char *)text, *plain = s;

	while (*s != '\0') {
		const char *escape = escape_of(*s);
		unsigned bad, len = utf8_len(s, &bad);

		if (len != 0 && escape == NULL && !is_unfit(s, len)) {
			s += len;
			continue;
		}
		put(t, (const char *)plain, (size_t)(s - plain));
		if (escape != NULL)
			puts_plain(t, escape);
		else if (len == 0)
			puts_plain(t, "\xef\xbf\xbd");
		s += len != 0 ? len : bad;
		plain = s;
	}
	put(t, (const char *)plain, (size_t)(s - plain));
}

static void put_element(struct text *t, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	puts_plain(t, "<");
	puts_plain(t, name);
	puts_plain(t, ">");
	puts_escaped(t, value);
	puts_plain(t, "</");
	puts_plain(t, name);
	puts_plain(t, ">");
}

static void put_count(struct text *t, const char *name, uint32_t value)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%u", value);
	put_element(t, name, digits);
}

int conference_info_new(struct conference_info **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOBUFS;
}

void conference_info_free(struct conference_info *info)
{
	if (info == NULL)
		return;
	free(info->users.at);
	free(info);
}

void conference_info_clear(struct conference_info *info)
{
	info->users.len = 0;
	info->users.failed = false;
	info->nicknames = false;
}

size_t conference_info_user(struct conference_info *info, const struct conference_info_user *user)
{
	struct text *t = &info->users;
	size_t place = t->len;

	puts_plain(t, "<user entity=\"");
	puts_escaped(t, user->entity);
	puts_plain(t, user->partial ? "\" state=\"partial\"" : "\" state=\"full\"");
	if (user->nickname != NULL && user->nickname[0] != '\0') {
		puts_plain(t, " xcon:nickname=\"");
		puts_escaped(t, user->nickname);
		puts_plain(t, "\"");
		info->nicknames = true;
	}
	puts_plain(t, ">");
	put_element(t, "display-text", user->display_text);
	for (unsigned i = 0; i < user->endpoint_count; i++) {
		const struct conference_info_endpoint *endpoint = &user->endpoints[i];

		puts_plain(t, "<endpoint entity=\"");
		puts_escaped(t, endpoint->entity);
		puts_plain(t, user->partial ? "\" state=\"full\">" : "\">");
		put_element(t, "status", statuses[endpoint->status]);
		put_element(t, "joining-method", joinings[endpoint->joining]);
		put_element(t, "disconnection-method", disconnections[endpoint->disconnection]);
		puts_plain(t, "</endpoint>");
	}
	puts_plain(t, "</user>\r\n");
	return place;
}

size_t conference_info_end(const struct conference_info *info)
{
	return info->users.len;
}

static void put_head(
	struct text *t, const struct conference_info *info, const struct conference_info_head *head)
{
	char version[32];

	puts_plain(t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		      "<conference-info xmlns=\"" NS_INFO "\"");
	if (info->nicknames)
		puts_plain(t, " xmlns:xcon=\"" NS_XCON "\"");
	puts_plain(t, " entity=\"");
	puts_escaped(t, head->entity);
	puts_plain(t, head->partial ? "\" state=\"partial\"" : "\" state=\"full\"");
	snprintf(version, sizeof(version), " version=\"%u\">\r\n", head->version);
	puts_plain(t, version);
	if (head->description) {
		/* RFC 4575 5.3: in the order of the schema. */
		puts_plain(t, "<conference-description>");
		put_element(t, "display-text", head->display_text);
		put_element(t, "subject", head->subject);
		if (head->maximum_users != 0)
			put_count(t, "maximum-user-count", head->maximum_users);
		puts_plain(t, "</conference-description>\r\n");
	}
	puts_plain(t, "<conference-state>");
	put_count(t, "user-count", head->user_count);
	put_element(t, "active", head->active ? "true" : "false");
	puts_plain(t, "</conference-state>\r\n");
}

static void put_users(struct text *t, struct span users, size_t own)
{
	size_t mark;

	if (own >= users.len) {
		put(t, users.at, users.len);
		return;
	}
	/* The end of the start tag; '>' within a value is escaped. */
	mark = (size_t)((const char *)memchr(users.at + own, '>', users.len - own) - users.at);
	put(t, users.at, mark);
	/* context.md 4.3: without a prefix, and on this element only. */
	puts_plain(t, " yourown=\"true\"");
	put(t, users.at + mark, users.len - mark);
}

int conference_info_text(const struct conference_info *info,
	const struct conference_info_head *head, size_t from, size_t own, char **text, size_t *len)
{
	struct span users = { info->users.at ? info->users.at + from : NULL,
		info->users.len - from };
	struct text t = { .room = 1024 + users.len, .failed = info->users.failed };
	bool partial = head->partial || head->users_partial;

	t.at = t.failed ? NULL : malloc(t.room);
	t.failed = t.at == NULL;
	put_head(&t, info, head);
	if (users.len > 0) {
		puts_plain(&t, partial ? "<users state=\"partial\">\r\n" : "<users>\r\n");
		put_users(&t, users, own - from); /* a place before `from` becomes a large one */
		puts_plain(&t, "</users>\r\n");
	} else if (!head->partial) {
		puts_plain(&t, partial ? "<users state=\"partial\"/>\r\n" : "<users/>\r\n");
	}
	puts_plain(&t, "</conference-info>\r\n");
	if (t.failed) {
		free(t.at);
		return -ENOBUFS;
	}
	*text = t.at;
	*len = t.len;
	return 0;
}
