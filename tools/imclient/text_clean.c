/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/text_clean.h"

size_t text_utf8_length(struct span text)
{
	const unsigned char *at = (const unsigned char *)text.at;
	size_t len;

	if (text.len == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	len = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
	      : (at[0] & 0xf0) == 0xe0         ? 3
	      : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
					       : 0;
	if (len == 0 || text.len < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, surrogates, beyond U+10FFFF. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
		(at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

/* Octets of the escape sequence that begins at text (ECMA-48): ESC, or the one-character CSI, OSC,
 * DCS of C1. */
static size_t escape_length(struct span text)
{
	const unsigned char *at = (const unsigned char *)text.at;
	size_t i = 0;
	unsigned char kind;

	if (at[0] == 0x1b && text.len > 1) {
		kind = at[1];
		i = 2;
	} else if (at[0] == 0xc2 && text.len > 1 && at[1] >= 0x80 && at[1] <= 0x9f) {
		kind = at[1] - 0x40; /* U+0080 to U+009F stand for ESC @ to ESC _ */
		i = 2;
	} else {
		return at[0] == 0x1b ? 1 : 0;
	}
	if (kind == '[') { /* CSI: parameters and intermediates, then one final */
		while (i < text.len && at[i] >= 0x20 && at[i] <= 0x3f)
			i++;
		return i < text.len && at[i] >= 0x40 && at[i] <= 0x7e ? i + 1 : i;
	}
	if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' ||
		kind == '_') { /* strings up to ST or BEL */
		for (; i < text.len; i++) {
			if (at[i] == 0x07)
				return i + 1;
			if (at[i] == 0x1b && i + 1 < text.len && at[i + 1] == '\\')
				return i + 2;
			if (at[i] == 0xc2 && i + 1 < text.len && at[i + 1] == 0x9c)
				return i + 2;
			if (at[i] == '\n' || at[i] == 0x1b)
				return i; /* never ended: what follows is text again */
		}
		return i;
	}
	if (kind >= 0x20 && kind <= 0x2f) { /* intermediates, then one final */
		while (i < text.len && at[i] >= 0x20 && at[i] <= 0x2f)
			i++;
		return i < text.len ? i + 1 : i;
	}
	return at[0] == 0x1b && kind < 0x20 ? 1 : 2;
}

/* U+200E/F, U+202A to U+202E, U+2066 to U+2069: marks that reorder what a reader sees; U+2028/9:
 * line breaks. */
static bool is_reordering(const char *at, size_t len)
{
	const unsigned char *u = (const unsigned char *)at;

	return len == 3 && u[0] == 0xe2 &&
	       ((u[1] == 0x80 &&
			(u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xa8 && u[2] <= 0xae))) ||
		       (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

void text_clean_terminal(FILE *out, struct span text, const char *line_break)
{
	while (text.len > 0) {
		unsigned char c = (unsigned char)text.at[0];
		size_t len = escape_length(text);

		if (len == 0) {
			len = text_utf8_length(text);
			if (len == 0) {
				fputc('?', out);
				len = 1;
			} else if (c == '\n') {
				fputs(line_break, out);
			} else if (c == '\t') {
				fputc(' ', out);
			} else if (c >= 0x20 && c != 0x7f && !is_reordering(text.at, len)) {
				fwrite(text.at, 1, len, out);
			}
		}
		text.at += len;
		text.len -= len;
	}
}

static bool is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return text.len > 0;
}

void text_clean_word(FILE *out, struct span text)
{
	if (is_plain(text)) {
		fwrite(text.at, 1, text.len, out);
		return;
	}
	fputc('"', out);
	while (text.len > 0) {
		unsigned char c = (unsigned char)text.at[0];
		size_t len = text_utf8_length(text);

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c == '\r')
			fputs("\\r", out);
		else if (c == '\t')
			fputs("\\t", out);
		else if (len == 0 || c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else if (len == 2 && c == 0xc2 && (unsigned char)text.at[1] < 0xa0) /* C1 */
			fprintf(out, "\\x%02x\\x%02x", c, (unsigned char)text.at[1]);
		else
			fwrite(text.at, 1, len, out);
		len = len == 0 ? 1 : len;
		text.at += len;
		text.len -= len;
	}
	fputc('"', out);
}

void text_clean_json(FILE *out, struct span text)
{
	fputc('"', out);
	while (text.len > 0) {
		unsigned char c = (unsigned char)text.at[0];
		size_t len = text_utf8_length(text);

		if (len == 0)
			fputs("\\ufffd", out);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else if (len == 2 && c == 0xc2 && (unsigned char)text.at[1] < 0xa0)
			fprintf(out, "\\u%04x", (unsigned char)text.at[1]);
		else
			fwrite(text.at, 1, len, out);
		len = len == 0 ? 1 : len;
		text.at += len;
		text.len -= len;
	}
	fputc('"', out);
}
