/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/nickname.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define ROUNDS 4 /* RFC 8264 7: applied until stable, three times more at most */

/* NFKC_Casefold: default ignorable characters are left out as well. */
#define FOLDING                                                                                    \
	(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE)

static bool is_space(utf8proc_int32_t c)
{
	return utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

static bool is_allowed(utf8proc_int32_t c)
{
	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP: return false;
	default: break;
	}
	if ((c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef))
		return false; /* no characters */
	switch (utf8proc_get_property(c)->bidi_class) {
	case UTF8PROC_BIDI_CLASS_LRE:
	case UTF8PROC_BIDI_CLASS_LRO:
	case UTF8PROC_BIDI_CLASS_RLE:
	case UTF8PROC_BIDI_CLASS_RLO:
	case UTF8PROC_BIDI_CLASS_PDF:
	case UTF8PROC_BIDI_CLASS_LRI:
	case UTF8PROC_BIDI_CLASS_RLI:
	case UTF8PROC_BIDI_CLASS_FSI:
	case UTF8PROC_BIDI_CLASS_PDI: return false;
	default: return true;
	}
}

/* Spaces at the ends go, several become one U+0020. malloc; -EBADMSG: not UTF-8, or what may not be
 * in it. */
static int space(struct span in, char **out)
{
	const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)in.at;
	char *text = malloc(in.len + 1);
	size_t len = 0, pos = 0;
	bool spaced = false;

	if (text == NULL)
		return -ENOBUFS;
	while (pos < in.len) {
		utf8proc_int32_t c;
		utf8proc_ssize_t octets =
			utf8proc_iterate(at + pos, (utf8proc_ssize_t)(in.len - pos), &c);

		if (octets <= 0 || !is_allowed(c)) {
			free(text);
			return -EBADMSG;
		}
		if (is_space(c)) {
			spaced = len > 0;
		} else {
			if (spaced)
				text[len++] = ' ';
			spaced = false;
			memcpy(text + len, at + pos, (size_t)octets);
			len += (size_t)octets;
		}
		pos += (size_t)octets;
	}
	text[len] = '\0';
	*out = text;
	return 0;
}

static int fold(const char *in, char **out)
{
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t len = utf8proc_map(
		(const utf8proc_uint8_t *)in, (utf8proc_ssize_t)strlen(in), &folded, FOLDING);
	int r;

	if (len < 0)
		return len == UTF8PROC_ERROR_NOMEM ? -ENOBUFS : -EBADMSG;
	r = space(span_make(folded, (size_t)len), out);
	free(folded);
	return r;
}

static int key_of(const char *text, char **key)
{
	char *now = strdup(text), *next;
	int r = now != NULL ? 0 : -ENOBUFS;

	for (unsigned i = 0; r == 0 && i < ROUNDS; i++) {
		r = fold(now, &next);
		if (r < 0)
			break;
		if (strcmp(now, next) == 0 && now[0] != '\0') {
			free(next);
			*key = now;
			return 0;
		}
		free(now);
		now = next;
	}
	free(now);
	return r < 0 ? r : -EBADMSG;
}

int nickname_read(struct span name, char **text, char **key)
{
	int r;

	if (name.len > NICKNAME_MAX)
		return -EBADMSG;
	r = space(name, text);
	if (r < 0)
		return r;
	r = key_of(*text, key);
	if (r < 0)
		free(*text);
	return r;
}
