/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/cpim.h"
#include "dataplane/msrp/octet_class.h"

/* Takes one line from *rest. *text is without its line end; false when the line is not whole. */
static bool line_take(struct span *rest, struct span *text)
{
	const char *lf = memchr(rest->at, '\n', rest->len);

	if (lf == NULL)
		return false;
	*text = span_make(rest->at, (size_t)(lf - rest->at));
	rest->at = lf + 1;
	rest->len -= text->len + 1;
	if (text->len > 0 && text->at[text->len - 1] == '\r')
		text->len--;
	return true;
}

/* Nearly no line has one: without a way out the compiler looks at sixteen octets at a time. */
static bool has_control(struct span text)
{
	uint8_t found = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t octet = (uint8_t)text.at[i];

		found |= (uint8_t)((octet < 0x20) & (octet != '\t')) | (uint8_t)(octet == 0x7f);
	}
	return found != 0;
}

/* name ":" value; the value is trimmed. */
static bool header_split(struct span line, struct span *name, struct span *value)
{
	*value = line;
	name->at = line.at;
	name->len = octet_run(line.at, line.at + line.len, OCTET_TOKEN);
	if (name->len == 0 || name->len == line.len || line.at[name->len] != ':')
		return false;
	value->at += name->len + 1;
	value->len -= name->len + 1;
	*value = span_trim(*value);
	return true;
}

/* [display name] "<" URI ">".  RFC 3862 3: the name may be a quoted string, and a '<' in it is
 * part of the name. */
static bool address_read(struct span value, struct span *uri)
{
	size_t at = 0;
	const char *close;

	for (; at < value.len && value.at[at] != '<'; at++) {
		if (value.at[at] != '"')
			continue;
		for (at++; at < value.len && value.at[at] != '"'; at++)
			at += value.at[at] == '\\';
		if (at >= value.len)
			return false;
	}
	if (at >= value.len)
		return false;
	uri->at = value.at + at + 1;
	close = memchr(uri->at, '>', value.len - at - 1);
	/* Nothing may follow: two addresses in one line would leave open which of them is meant. */
	if (close != value.at + value.len - 1)
		return false;
	uri->len = (size_t)(close - uri->at);
	for (size_t i = 0; i < uri->len; i++) {
		if (uri->at[i] == ' ' || uri->at[i] == '\t' || uri->at[i] == '<')
			return false;
	}
	return uri->len > 0;
}

/* NS: [prefix] "<" URI ">". RFC 3862 3.4: From and To are of the core namespace, which names
 * without a prefix belong to. */
static bool namespace_is_harmless(struct span value)
{
	size_t prefix = octet_run(value.at, value.at + value.len, OCTET_TOKEN);
	struct span uri;

	return address_read(value, &uri) &&
	       (prefix > 0) != span_eq_nocase(uri, SPAN_LITERAL("urn:ietf:params:cpim-headers:"));
}

static bool message_header_read(struct span line, struct span whole, struct cpim *out)
{
	struct span name, value, ignored;

	if (has_control(line) || !header_split(line, &name, &value))
		return false;
	if (span_eq_nocase(name, SPAN_LITERAL("From"))) {
		/* Two senders: what is checked could differ from what is shown. */
		if (out->from.at != NULL)
			return false;
		out->from_line = whole;
		return address_read(value, &out->from);
	}
	if (span_eq_nocase(name, SPAN_LITERAL("To")))
		return address_read(value, out->to_count++ == 0 ? &out->to : &ignored);
	if (span_eq_nocase(name, SPAN_LITERAL("cc")))
		out->cc_count++;
	if (span_eq_nocase(name, SPAN_LITERAL("NS")))
		return namespace_is_harmless(value);
	return true;
}

/* The MIME block may fold a line; RFC 5322 2.2.3. The CPIM block may not (RFC 3862 2.2). */
static bool is_folded(struct span rest)
{
	return rest.len > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t');
}

static bool mime_type_read(struct span value, struct span *out)
{
	const char *end = value.at + value.len;
	const char *at = value.at;

	/* A folded line holds its line ends still. */
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	out->at = at;
	at += octet_run(at, end, OCTET_TOKEN);
	if (at == out->at || at == end || *at != '/' || octet_run(at + 1, end, OCTET_TOKEN) == 0)
		return false;
	at += 1 + octet_run(at + 1, end, OCTET_TOKEN);
	out->len = (size_t)(at - out->at);
	return at == end || *at == ';' || *at == ' ' || *at == '\t' || *at == '\r' || *at == '\n';
}

/* Takes one line of the MIME block, with the lines folded into it. */
static bool mime_header_read(struct span line, struct span *rest, struct cpim *out)
{
	struct span name, value;

	if (has_control(line))
		return false;
	while (is_folded(*rest)) {
		struct span more;

		if (!line_take(rest, &more) || has_control(more))
			return false;
		line.len = (size_t)(more.at + more.len - line.at);
	}
	if (!header_split(line, &name, &value))
		return false;
	if (!span_eq_nocase(name, SPAN_LITERAL("Content-Type")))
		return true;
	/* Two types: what is allowed could differ from what is rendered. */
	return out->content_type.at == NULL && mime_type_read(value, &out->content_type);
}

/* Both blocks are whole: bytes ends with the second blank line. */
static int head_parse(struct span bytes, struct cpim *out)
{
	struct span rest = bytes;
	struct span line;

	memset(out, 0, sizeof(*out));
	for (;;) {
		const char *start = rest.at;

		if (!line_take(&rest, &line))
			return -EBADMSG;
		if (line.len == 0)
			break;
		if (!message_header_read(line, span_make(start, (size_t)(rest.at - start)), out))
			return -EBADMSG;
	}
	for (;;) {
		if (!line_take(&rest, &line))
			return -EBADMSG;
		if (line.len == 0)
			break;
		if (!mime_header_read(line, &rest, out))
			return -EBADMSG;
	}
	if (out->content_type.at == NULL)
		out->content_type = SPAN_LITERAL("text/plain");
	out->head_len = bytes.len;
	return 0;
}

/* Does the line end at `lf` close an empty line? */
static bool line_is_empty(const char *start, const char *lf)
{
	if (lf > start && lf[-1] == '\r')
		lf--;
	return lf == start || lf[-1] == '\n';
}

int cpim_parse(struct span bytes, size_t *resume, struct cpim *out)
{
	size_t limit = bytes.len < CPIM_HEAD_MAX ? bytes.len : CPIM_HEAD_MAX;
	/* How far the search for line ends went, and in the lowest bit: has the first empty line
	 * been seen? */
	size_t searched = *resume >> 1;
	unsigned empty_lines = *resume & 1;

	/* Line ends only: the lines themselves are read once, when both blocks are in. */
	while (searched < limit) {
		const char *lf = memchr(bytes.at + searched, '\n', limit - searched);

		if (lf == NULL) {
			searched = limit;
			break;
		}
		searched = (size_t)(lf + 1 - bytes.at);
		if (line_is_empty(bytes.at, lf) && ++empty_lines == 2)
			return head_parse(span_make(bytes.at, searched), out);
	}
	*resume = searched << 1 | empty_lines;
	return bytes.len < CPIM_HEAD_MAX ? -EAGAIN : -EBADMSG;
}

bool media_type_in(struct span type, struct span list)
{
	struct span bare = span_trim(span_cut(&type, ';'));

	while (list.len > 0) {
		struct span entry = span_cut(&list, ' ');

		entry = span_trim(span_cut(&entry, ';'));
		if (entry.len == 0)
			continue;
		if (span_eq(entry, SPAN_LITERAL("*")) || span_eq_nocase(entry, bare))
			return true;
		/* "text/" and "*": compare up to and with the slash. */
		if (entry.len >= 3 && memcmp(entry.at + entry.len - 2, "/*", 2) == 0 &&
			bare.len >= entry.len - 1 &&
			span_eq_nocase(span_make(entry.at, entry.len - 1),
				span_make(bare.at, entry.len - 1)))
			return true;
	}
	return false;
}
