/* SPDX-License-Identifier: BSD-3-Clause */
/* The body is walked line by line, once; nothing is copied but the boundary.
 *
 *   preamble | --b | headers, empty line, octets | --b | ... | --b-- | epilogue
 *   the line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1)
 */
#include "control/sip/multipart.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BOUNDARY_MAX 70   /* RFC 2046 5.1.1 */
#define HEAD_MAX     8192 /* octets of one part's headers; more than a SIP peer has use for */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Also line ends, as a folded header has them inside. */
static struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static struct span bare_value(struct span header)
{
	return trim(span_cut(&header, ';'));
}

static bool is_multipart(struct span type)
{
	return type.len >= 10 && strncasecmp(type.at, "multipart/", 10) == 0;
}

/* Takes one parameter, "; name = value" or with a quoted value, off *rest. The value is copied
 * without its quotes. False when nothing is left or it is malformed (then *bad). */
static bool take_parameter(
	struct span *rest, struct span *name, char *value, size_t size, size_t *len, bool *bad)
{
	size_t i = 0, start;

	while (i < rest->len && (is_blank(rest->at[i]) || rest->at[i] == ';'))
		i++;
	if (i == rest->len)
		return false;
	*bad = true;
	start = i;
	while (i < rest->len && rest->at[i] != '=' && rest->at[i] != ';')
		i++;
	*name = trim((struct span){ rest->at + start, i - start });
	*len = 0;
	if (i < rest->len && rest->at[i] == '=') {
		i++;
		while (i < rest->len && is_blank(rest->at[i]))
			i++;
		if (i < rest->len && rest->at[i] == '"') {
			for (i++; i < rest->len && rest->at[i] != '"'; i++) {
				if (rest->at[i] == '\\' && ++i == rest->len)
					return false;
				if (*len == size)
					return false;
				value[(*len)++] = rest->at[i];
			}
			if (i == rest->len)
				return false;
			i++;
		} else {
			while (i < rest->len && rest->at[i] != ';') {
				if (*len == size)
					return false;
				value[(*len)++] = rest->at[i++];
			}
			while (*len > 0 && is_blank(value[*len - 1]))
				(*len)--;
		}
	}
	rest->at += i;
	rest->len -= i;
	*bad = false;
	return true;
}

/* Returns the length of the boundary, or -EBADMSG. */
static int find_boundary(struct span content_type, char boundary[BOUNDARY_MAX])
{
	struct span rest = content_type, name;
	char value[256];
	bool bad = false;
	size_t len;

	(void)span_cut(&rest, ';');
	while (take_parameter(&rest, &name, value, sizeof(value), &len, &bad)) {
		if (!span_eq_nocase(name, SPAN_LITERAL("boundary")))
			continue;
		if (len == 0 || len > BOUNDARY_MAX || value[len - 1] == ' ')
			return -EBADMSG;
		for (size_t i = 0; i < len; i++) {
			if ((unsigned char)value[i] < ' ' || (unsigned char)value[i] > '~')
				return -EBADMSG;
		}
		memcpy(boundary, value, len);
		return (int)len;
	}
	return -EBADMSG;
}

enum line { LINE_TEXT, LINE_DELIMITER, LINE_CLOSE };

static enum line line_kind(struct span line, struct span boundary)
{
	enum line kind = LINE_DELIMITER;

	if (line.len < boundary.len + 2 || line.at[0] != '-' || line.at[1] != '-' ||
		memcmp(line.at + 2, boundary.at, boundary.len) != 0)
		return LINE_TEXT;
	line.at += boundary.len + 2;
	line.len -= boundary.len + 2;
	if (line.len >= 2 && line.at[0] == '-' && line.at[1] == '-') {
		kind = LINE_CLOSE;
		line.at += 2;
		line.len -= 2;
	}
	/* Only blanks may follow, else it is a line that happens to begin like this, e.g. of a
	 * longer boundary. */
	return trim(line).len == 0 ? kind : LINE_TEXT;
}

static bool encoding_is_identity(struct span value)
{
	value = trim(value);
	return span_eq_nocase(value, SPAN_LITERAL("binary")) ||
	       span_eq_nocase(value, SPAN_LITERAL("8bit")) ||
	       span_eq_nocase(value, SPAN_LITERAL("7bit"));
}

/* Takes one header with its folded lines off the head. */
static bool part_header(struct multipart_part *part, struct span header)
{
	struct span value = header, name;

	if (memchr(header.at, ':', header.len) == NULL)
		return false;
	name = trim(span_cut(&value, ':'));
	if (name.len == 0)
		return false;
	if (span_eq_nocase(name, SPAN_LITERAL("Content-Type"))) {
		part->type = bare_value(value);
		return part->type.len > 0 && !is_multipart(part->type);
	}
	if (span_eq_nocase(name, SPAN_LITERAL("Content-Disposition"))) {
		part->disposition = bare_value(value);
	} else if (span_eq_nocase(name, SPAN_LITERAL("Content-ID"))) {
		part->content_id = trim(value);
		if (part->content_id.len >= 2 && part->content_id.at[0] == '<' &&
			part->content_id.at[part->content_id.len - 1] == '>') {
			part->content_id.at++;
			part->content_id.len -= 2;
		}
	} else if (span_eq_nocase(name, SPAN_LITERAL("Content-Transfer-Encoding"))) {
		/* RFC 3261 7.4: SIP is 8-bit clean, base64 has no place here; and spans cannot be
		 * decoded in place. */
		return encoding_is_identity(value);
	}
	return true;
}

/* entity: headers, empty line, octets. RFC 2046 5.1: without headers a part is text/plain; without
 * an empty line it has no octets. */
static bool part_parse(struct span entity, struct multipart_part *part)
{
	struct span rest = entity, header = { entity.at, 0 };

	*part = (struct multipart_part){ .type = SPAN_LITERAL("text/plain") };
	for (;;) {
		struct span line = span_cut(&rest, '\n');
		bool folded = line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t') &&
			      trim(line).len > 0;

		if (folded && header.len > 0) {
			header.len = (size_t)(line.at + line.len - header.at);
			continue;
		}
		if (header.len > 0 && !part_header(part, header))
			return false;
		if (trim(line).len == 0)
			break;
		if (folded || (size_t)(line.at - entity.at) > HEAD_MAX)
			return false;
		header = line;
	}
	part->body = rest;
	return true;
}

int multipart_parse(struct span content_type, struct span body,
	struct multipart_part parts[MULTIPART_PARTS_MAX])
{
	struct span type = bare_value(content_type), rest = body, boundary;
	const char *entity = NULL; /* start of the part being read; NULL: still in the preamble */
	char text[BOUNDARY_MAX];
	int count = 0, len;

	if (!is_multipart(type)) {
		if (type.len == 0)
			return -EBADMSG;
		parts[0] = (struct multipart_part){ .type = type, .body = body };
		return 1;
	}
	len = find_boundary(content_type, text);
	if (len < 0)
		return len;
	boundary = (struct span){ text, (size_t)len };
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		enum line kind = line_kind(line, boundary);

		if (kind == LINE_TEXT)
			continue;
		if (entity != NULL) {
			struct span whole = { entity, (size_t)(line.at - entity) };

			if (whole.len > 0) /* the line feed, and its carriage return */
				whole.len--;
			if (whole.len > 0 && whole.at[whole.len - 1] == '\r')
				whole.len--;
			if (count == MULTIPART_PARTS_MAX || !part_parse(whole, &parts[count]))
				return -EBADMSG;
			count++;
		}
		if (kind == LINE_CLOSE)
			return count > 0 ? count : -EBADMSG;
		entity = rest.at;
	}
	return -EBADMSG; /* no closing delimiter: something was cut off */
}

static bool occurs(const struct multipart_part *parts, unsigned count, const char *boundary)
{
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].body.len > 0 && memmem(parts[i].body.at, parts[i].body.len, boundary,
						     strlen(boundary)) != NULL)
			return true;
	}
	return false;
}

/* FNV-1a over the bodies: whoever wrote a body cannot easily have put its own hash into it, so the
 * search for a boundary ends at the first or second try. */
static uint64_t hash(const struct multipart_part *parts, unsigned count)
{
	uint64_t h = 14695981039346656037u;

	for (unsigned i = 0; i < count; i++) {
		for (size_t k = 0; k < parts[i].body.len; k++)
			h = (h ^ (unsigned char)parts[i].body.at[k]) * 1099511628211u;
	}
	return h;
}

char *multipart_write(
	const struct multipart_part *parts, unsigned count, char type[128], size_t *len)
{
	char boundary[32], *out;
	uint64_t h = hash(parts, count);
	size_t size;
	FILE *f;

	do {
		snprintf(boundary, sizeof(boundary), "plenum-%016" PRIx64, h);
		h = (h ^ 0x5bd1e995u) * 1099511628211u;
	} while (occurs(parts, count, boundary));
	f = open_memstream(&out, &size);
	if (f == NULL)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		fprintf(f, "--%s\r\nContent-Type: %.*s\r\n", boundary, SPAN_ARG(parts[i].type));
		if (parts[i].disposition.len > 0)
			fprintf(f, "Content-Disposition: %.*s\r\n", SPAN_ARG(parts[i].disposition));
		if (parts[i].content_id.len > 0)
			fprintf(f, "Content-ID: <%.*s>\r\n", SPAN_ARG(parts[i].content_id));
		fputs("\r\n", f);
		if (parts[i].body.len > 0)
			fwrite(parts[i].body.at, 1, parts[i].body.len, f);
		fputs("\r\n", f);
	}
	fprintf(f, "--%s--\r\n", boundary);
	if (fclose(f) != 0) {
		free(out);
		return NULL;
	}
	snprintf(type, 128, "multipart/mixed;boundary=%s", boundary);
	*len = size;
	return out;
}
