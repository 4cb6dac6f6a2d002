/* SPDX-License-Identifier: BSD-3-Clause */
/* Own reading rather than Sofia's sdp_parse, tried on 1.12.11: it turns the formats of an RTP line
 * into rtpmaps, so that a refused line cannot be repeated as it was; it takes directions out of the
 * attributes and derives them from c=; and it refuses a body without c=, which MSRP does not need,
 * as connections follow a=path (context.md 5.1).
 *
 * Read in one pass: lines before the first m= are the session's, their attributes hold for every m=
 * line that has none of its own. What is kept is written into SIP and MSRP later, so controls are
 * refused at the door. */
#include "control/sip/offer_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/msrp/path.h"
#include "dataplane/msrp/uri.h"

#define SDP_BODY_MAX  65536 /* a UDP datagram holds no more */
#define SDP_MEDIA_MAX 32
#define TYPES_MAX     64 /* entries of one accept-types or accept-wrapped-types */

/* The attributes we look at; spans point into the body, at == NULL: absent. */
struct attributes {
	struct span path, accept_types, wrapped_types, fingerprint, setup, max_size, maxsize,
		chatroom;
	enum sdp_direction direction;
	bool has_direction, cema;
};

/* One m= line. */
struct line {
	struct span media, proto, formats;
	struct span connection; /* c=; at == NULL: absent */
	unsigned long port;
	struct attributes attributes;
};

struct reader {
	struct attributes session;
	struct span connection;
	struct line lines[SDP_MEDIA_MAX];
	unsigned count;
};

static struct span next_word(struct span *rest)
{
	while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\t')) {
		rest->at++;
		rest->len--;
	}
	return span_cut(rest, ' ');
}

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] <= ' ' || (unsigned char)s.at[i] >= 0x7f)
			return false;
	}
	return s.len > 0;
}

static char *copy(struct span s)
{
	return strndup(s.len ? s.at : "", s.len);
}

/* False: not a number. What is larger than 2^64 - 1 counts as that. */
static bool number(struct span s, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.at[i] - (unsigned)'0';

		if (digit > 9)
			return false;
		*out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
	}
	return s.len > 0;
}

static void attribute(struct attributes *out, struct span line)
{
	struct span value = line, name = span_trim(span_cut(&value, ':'));
	static const struct {
		const char *name;
		enum sdp_direction direction;
	} directions[] = {
		{ "sendrecv", SDP_SENDRECV },
		{ "sendonly", SDP_SENDONLY },
		{ "recvonly", SDP_RECVONLY },
		{ "inactive", SDP_INACTIVE },
	};
	const struct {
		const char *name;
		struct span *to;
	} kept[] = {
		{ "path", &out->path },
		{ "accept-types", &out->accept_types },
		{ "accept-wrapped-types", &out->wrapped_types },
		{ "fingerprint", &out->fingerprint },
		{ "setup", &out->setup },
		{ "max-size", &out->max_size },
		{ "maxsize", &out->maxsize }, /* so spelt by a large RCS server (context.md 5.1) */
		{ "chatroom", &out->chatroom },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (span_eq_nocase(name, span_of(kept[i].name))) {
			if (kept[i].to->at == NULL)
				*kept[i].to = span_trim(value);
			return;
		}
	}
	for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++) {
		if (span_eq_nocase(name, span_of(directions[i].name))) {
			out->direction = directions[i].direction;
			out->has_direction = true;
			return;
		}
	}
	if (span_eq_nocase(name, SPAN_LITERAL("msrp-cema")))
		out->cema = true;
}

/* "message 2855 TCP/MSRP *", RFC 4566 5.14. */
static bool media_line(struct line *out, struct span line)
{
	struct span port;
	uint64_t value;

	*out = (struct line){ .media = next_word(&line) };
	port = next_word(&line);
	out->proto = next_word(&line);
	out->formats = span_trim(line);
	if (!is_token(out->media) || !is_token(out->proto) || out->formats.len == 0)
		return false;
	if (!number(span_cut(&port, '/'), &value) || value > 65535) /* port/number-of-ports */
		return false;
	out->port = (unsigned long)value;
	return true;
}

/* Takes the body apart; spans point into it. */
static int read_lines(struct span body, struct reader *out)
{
	struct span rest = body;
	bool first = true, origin = false;

	out->session = (struct attributes){ .has_direction = false };
	out->connection = (struct span){ NULL, 0 };
	out->count = 0;
	if (body.len > SDP_BODY_MAX)
		return -EBADMSG;
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		struct attributes *level =
			out->count > 0 ? &out->lines[out->count - 1].attributes : &out->session;
		char type;

		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue; /* seen at the end of a body, and harmless anywhere */
		if (line.len < 2 || line.at[1] != '=' || has_control(line))
			return -EBADMSG;
		type = line.at[0];
		line.at += 2;
		line.len -= 2;
		if (first && (type != 'v' || !span_eq(span_trim(line), SPAN_LITERAL("0"))))
			return -EBADMSG;
		first = false;
		switch (type) {
		case 'o': origin = true; break;
		case 'a': attribute(level, line); break;
		case 'c':
			if (out->count > 0)
				out->lines[out->count - 1].connection = line;
			else
				out->connection = line;
			break;
		case 'm':
			if (out->count == SDP_MEDIA_MAX ||
				!media_line(&out->lines[out->count], line))
				return -EBADMSG;
			out->count++;
			break;
		default:
			/* s=, t= and all else tell us nothing; their absence is the peer's
			 * sloppiness, not an error. */
			if (type < 'a' || type > 'z')
				return -EBADMSG;
		}
	}
	return origin ? 0 : -EBADMSG;
}

/* One entry of a list of types: up to a blank that is not inside a quoted parameter value. */
static struct span next_type(struct span *rest)
{
	struct span type;
	bool quoted = false;
	size_t i;

	*rest = span_trim(*rest);
	type = *rest;
	for (i = 0; i < rest->len; i++) {
		char c = rest->at[i];

		if (quoted && c == '\\' && i + 1 < rest->len)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ' ' || c == '\t'))
			break;
	}
	type.len = i;
	rest->at += i;
	rest->len -= i;
	return span_cut(&type, ';'); /* RFC 4975 8.6: parameters play no part in the comparison */
}

static bool type_covers(struct span pattern, struct span type)
{
	if (span_eq(pattern, SPAN_LITERAL("*")))
		return true;
	if (pattern.len > 2 && pattern.at[pattern.len - 1] == '*' &&
		pattern.at[pattern.len - 2] == '/')
		return type.len >= pattern.len - 1 &&
		       strncasecmp(pattern.at, type.at, pattern.len - 1) == 0;
	return span_eq_nocase(pattern, type);
}

static bool list_has(struct span list, struct span type)
{
	while (list.len > 0) {
		if (type_covers(next_type(&list), type))
			return true;
	}
	return false;
}

/* The list with single spaces, without parameters and repetitions; "*" alone when it is among them.
 * Malloc. */
static char *types_tidy(struct span list)
{
	struct span seen[TYPES_MAX];
	unsigned count = 0;
	char *text = malloc(list.len + 2);
	size_t len = 0;

	if (text == NULL)
		return NULL;
	while (list.len > 0 && count < TYPES_MAX) {
		struct span type = next_type(&list);
		unsigned i = 0;

		if (span_eq(type, SPAN_LITERAL("*"))) {
			strcpy(text, "*");
			return text;
		}
		while (i < count && !span_eq_nocase(seen[i], type))
			i++;
		if (type.len == 0 || i < count)
			continue;
		seen[count++] = type;
		if (len > 0)
			text[len++] = ' ';
		memcpy(text + len, type.at, type.len);
		len += type.len;
	}
	text[len] = '\0';
	return text;
}

char *sdp_types_intersect(struct span a, struct span b)
{
	char *left = types_tidy(a), *right = types_tidy(b), *both = NULL, *tidy = NULL;
	size_t len = 0;

	if (left == NULL || right == NULL)
		goto end;
	/* Each entry that the other list covers: of "text/" + "*" and "text/plain" that is the
	 * second. In the order of a, then what only b says more exactly. */
	both = malloc(strlen(left) + strlen(right) + 3);
	if (both == NULL)
		goto end;
	for (int side = 0; side < 2; side++) {
		struct span list = span_of(side == 0 ? left : right);
		struct span other = span_of(side == 0 ? right : left);

		while (list.len > 0) {
			struct span type = next_type(&list);

			if (!list_has(other, type))
				continue;
			if (len > 0)
				both[len++] = ' ';
			memcpy(both + len, type.at, type.len);
			len += type.len;
		}
	}
	tidy = types_tidy((struct span){ both, len });
end:
	free(left);
	free(right);
	free(both);
	return tidy;
}

/* Every URI must parse, and the first must want the protection that the m= line says. */
static const char *path_fault(struct span path, bool secure)
{
	struct msrp_path split;
	struct msrp_uri uri;
	struct span rest;
	bool first = true;

	if (path.at == NULL)
		return "MSRP media without a=path";
	if (path.len > SDP_PATH_MAX)
		return "a=path is longer than 4096 octets";
	if (msrp_path_parse(path, &split) != 0)
		return "a=path is not a list of MSRP URIs";
	rest = split.text;
	while (rest.len > 0) {
		struct span one = next_word(&rest);

		if (one.len == 0)
			continue;
		if (msrp_uri_parse(one, &uri) != 0)
			return "a=path has a URI that is not an MSRP URI";
		/* Taking msrps over plain TCP would break what the peer's user was promised. */
		if (first && uri.secure != secure)
			return "the scheme in a=path does not fit the transport";
		first = false;
	}
	return NULL;
}

/* NULL: we can talk on it. */
static const char *line_fault(const struct line *line, bool tls)
{
	bool secure = span_eq_nocase(line->proto, SPAN_LITERAL("TCP/TLS/MSRP"));

	if (!span_eq_nocase(line->media, SPAN_LITERAL("message")))
		return "no MSRP media offered";
	if (!secure && !span_eq_nocase(line->proto, SPAN_LITERAL("TCP/MSRP")))
		return "the transport of the media is not TCP/MSRP";
	if (secure && !tls)
		return "MSRP over TLS is not available here";
	if (line->port == 0)
		return "the MSRP media has port 0";
	if (line->attributes.accept_types.at == NULL)
		return "MSRP media without a=accept-types";
	if (!list_has(line->attributes.accept_types, SPAN_LITERAL("message/cpim")))
		return "a=accept-types lacks message/cpim";
	return path_fault(line->attributes.path, secure);
}

static void inherit(struct attributes *media, const struct attributes *session)
{
	if (media->setup.at == NULL)
		media->setup = session->setup;
	if (media->fingerprint.at == NULL)
		media->fingerprint = session->fingerprint;
	if (!media->has_direction && session->has_direction)
		media->direction = session->direction;
	media->cema = media->cema || session->cema;
}

static enum sdp_setup setup_of(struct span value)
{
	if (span_eq_nocase(value, SPAN_LITERAL("active")))
		return SDP_SETUP_ACTIVE;
	if (span_eq_nocase(value, SPAN_LITERAL("passive")))
		return SDP_SETUP_PASSIVE;
	if (span_eq_nocase(value, SPAN_LITERAL("actpass")))
		return SDP_SETUP_ACTPASS;
	if (span_eq_nocase(value, SPAN_LITERAL("holdconn")))
		return SDP_SETUP_HOLDCONN;
	return SDP_SETUP_ABSENT;
}

/* The path with single spaces. */
static char *path_tidy(struct span path)
{
	char *text = malloc(path.len + 1);
	size_t len = 0;

	if (text == NULL)
		return NULL;
	while (path.len > 0) {
		struct span one = next_word(&path);

		if (one.len == 0)
			continue;
		if (len > 0)
			text[len++] = ' ';
		memcpy(text + len, one.at, one.len);
		len += one.len;
	}
	text[len] = '\0';
	return text;
}

#define PORT_DISCARD 9 /* "nobody listens here": RFC 4145 4 */

/* "IN IP4 192.0.2.1", RFC 4566 5.7, with the port of the m= line. Malloc. */
static char *place_of(struct span connection, unsigned long port, unsigned *family)
{
	struct span network, type, host;
	struct msrp_target target;
	char text[MSRP_TARGET_TEXT_MAX] = "";

	network = next_word(&connection);
	type = next_word(&connection);
	host = next_word(&connection);
	*family = 0;
	if (span_eq_nocase(network, SPAN_LITERAL("IN")))
		*family = span_eq_nocase(type, SPAN_LITERAL("IP4"))   ? 4
			  : span_eq_nocase(type, SPAN_LITERAL("IP6")) ? 6
								      : 0;
	/* 0.0.0.0 is how a hold was said before RFC 3264, and no place. */
	if (*family != 0 && port != PORT_DISCARD &&
		msrp_target_read(host, (uint16_t)port, &target) == 0 &&
		target.ipv6 == (*family == 6) && !msrp_target_is_unspecified(&target))
		msrp_target_text(&target, text);
	return strdup(text);
}

static bool fill(struct sdp_media *out, const struct reader *reader, unsigned index)
{
	struct line line = reader->lines[index];
	struct attributes *a = &line.attributes;
	struct span tokens, absent = SPAN_LITERAL("*");

	inherit(a, &reader->session);
	out->path = path_tidy(a->path);
	out->accept_types = types_tidy(a->accept_types);
	out->wrapped_types = types_tidy(a->wrapped_types.at != NULL ? a->wrapped_types : absent);
	out->fingerprint = copy(a->fingerprint);
	out->connect = place_of(line.connection.at != NULL ? line.connection : reader->connection,
		line.port, &out->family);
	out->media_lines = calloc(reader->count, sizeof(out->media_lines[0]));
	if (out->path == NULL || out->accept_types == NULL || out->wrapped_types == NULL ||
		out->fingerprint == NULL || out->connect == NULL || out->media_lines == NULL)
		return false;
	out->media_count = reader->count;
	out->media_index = index;
	for (unsigned i = 0; i < reader->count; i++) {
		const struct line *l = &reader->lines[i];

		if (asprintf(&out->media_lines[i], "%.*s %.*s %.*s", SPAN_ARG(l->media),
			    SPAN_ARG(l->proto), SPAN_ARG(l->formats)) < 0) {
			out->media_lines[i] = NULL;
			return false;
		}
	}
	/* Only a hint (RFC 4975 8.6): what is not a number counts as absent. */
	if (!number(a->max_size, &out->max_size) && !number(a->maxsize, &out->max_size))
		out->max_size = 0;
	out->setup = setup_of(a->setup);
	out->direction = a->direction;
	out->secure = span_eq_nocase(line.proto, SPAN_LITERAL("TCP/TLS/MSRP"));
	out->cema = a->cema;
	out->chatroom = a->chatroom.at != NULL;
	tokens = a->chatroom;
	while (tokens.len > 0) {
		struct span token = next_word(&tokens);

		out->chatroom_nickname |= span_eq_nocase(token, SPAN_LITERAL("nickname"));
		out->chatroom_private |= span_eq_nocase(token, SPAN_LITERAL("private-messages"));
	}
	return true;
}

int sdp_media_parse(struct span body, bool tls, struct sdp_media *out, const char **why)
{
	const char *ignored, *fault = NULL;
	struct reader *reader = malloc(sizeof(*reader));
	int result;

	if (why == NULL)
		why = &ignored;
	*out = (struct sdp_media){ .path = NULL };
	*why = "out of memory";
	if (reader == NULL)
		return -ENOBUFS;
	result = read_lines(body, reader);
	if (result != 0) {
		*why = "the body is not a session description";
		goto end;
	}
	*why = "no media offered";
	result = -EPROTO;
	for (unsigned i = 0; i < reader->count; i++) {
		const char *this = line_fault(&reader->lines[i], tls);

		if (this == NULL) {
			result = 0;
			if (!fill(out, reader, i)) {
				sdp_media_fini(out);
				*why = "out of memory";
				result = -ENOBUFS;
			} else {
				*why = "";
			}
			break;
		}
		/* What is wrong with a message line says more than that another one is audio. */
		if (fault == NULL ||
			span_eq_nocase(reader->lines[i].media, SPAN_LITERAL("message")))
			*why = fault = this;
	}
end:
	free(reader);
	return result;
}

void sdp_media_fini(struct sdp_media *media)
{
	free(media->path);
	free(media->accept_types);
	free(media->wrapped_types);
	free(media->fingerprint);
	free(media->connect);
	if (media->media_lines != NULL) {
		for (unsigned i = 0; i < media->media_count; i++)
			free(media->media_lines[i]);
		free(media->media_lines);
	}
	*media = (struct sdp_media){ .path = NULL };
}

static const char *setup_text(enum sdp_setup setup)
{
	switch (setup) {
	case SDP_SETUP_ACTIVE: return "active";
	case SDP_SETUP_PASSIVE: return "passive";
	case SDP_SETUP_ACTPASS: return "actpass";
	case SDP_SETUP_HOLDCONN: return "holdconn";
	case SDP_SETUP_ABSENT: break;
	}
	return NULL;
}

static void write_session(
	FILE *f, const char *user, uint64_t session, uint64_t version, struct span host)
{
	const char *family = memchr(host.at, ':', host.len) != NULL ? "IP6" : "IP4";

	fprintf(f,
		"v=0\r\no=%s %" PRIu64 " %" PRIu64
		" IN %s %.*s\r\ns=-\r\nc=IN %s %.*s\r\nt=0 0\r\n",
		user != NULL && user[0] != '\0' ? user : "-", session, version, family,
		SPAN_ARG(host), family, SPAN_ARG(host));
}

static void write_types(FILE *f, struct span wrapped_types)
{
	fputs("a=accept-types:message/cpim\r\n", f);
	/* RFC 4975 8.6 wants at least one entry; without the line only accept-types may be
	 * wrapped. */
	if (wrapped_types.len > 0)
		fprintf(f, "a=accept-wrapped-types:%.*s\r\n", SPAN_ARG(wrapped_types));
}

/* RFC 3264 6.1: what the offerer only sends we only receive, and the other way round. */
static const char *direction_text(enum sdp_direction offered)
{
	switch (offered) {
	case SDP_SENDONLY: return "recvonly";
	case SDP_RECVONLY: return "sendonly";
	case SDP_INACTIVE: return "inactive";
	case SDP_SENDRECV: break;
	}
	return NULL;
}

/* CF-7.2.1.2-OK2b: each attribute of the selected line that we know has its counterpart in the
 * answer; one that we do not know is left out, as it would promise what nobody keeps (RFC 3264 6).
 */
static void write_media(FILE *f, const struct sdp_local *local, const struct msrp_uri *uri,
	const struct sdp_media *answer_to)
{
	const char *setup = setup_text(local->setup);
	const char *direction = answer_to != NULL ? direction_text(answer_to->direction) : NULL;

	fprintf(f, "m=message %u %s *\r\na=path:%.*s\r\n", uri->port,
		local->secure ? "TCP/TLS/MSRP" : "TCP/MSRP", SPAN_ARG(local->uri));
	write_types(f, local->wrapped_types);
	/* context.md 5.2: an offerer that did not speak of setup does not hear of it. */
	if (setup != NULL && (answer_to == NULL || answer_to->setup != SDP_SETUP_ABSENT))
		fprintf(f, "a=setup:%s\r\n", setup);
	if (local->chatroom) {
		const char *nickname = local->chatroom_nickname ? "nickname" : "";
		const char *private = local->chatroom_private ? "private-messages" : "";

		fprintf(f, "a=chatroom%s%s%s%s\r\n", *nickname || *private ? ":" : "", nickname,
			*nickname && *private ? " " : "", private);
	}
	if (direction != NULL)
		fprintf(f, "a=%s\r\n", direction);
	if (local->cema)
		fputs("a=msrp-cema\r\n", f);
	if (local->max_size > 0)
		fprintf(f, "a=max-size:%" PRIu64 "\r\n", local->max_size);
}

/* Ends a memory stream: the text, or NULL when memory ran out on the way. */
static char *written(FILE *f, char **text)
{
	bool failed = ferror(f) != 0;

	if (fclose(f) != 0 || failed) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *sdp_write(const struct sdp_local *local, const struct sdp_media *answer_to)
{
	struct msrp_uri uri;
	char *text = NULL;
	size_t size;
	FILE *f;

	if (msrp_uri_parse(local->uri, &uri) != 0)
		return NULL;
	f = open_memstream(&text, &size);
	if (f == NULL)
		return NULL;
	write_session(f, local->user, local->session, local->version, uri.host);
	if (answer_to == NULL)
		write_media(f, local, &uri, NULL);
	/* RFC 3264 6: an answer has as many m= lines as the offer, in its order; port 0 refuses. */
	for (unsigned i = 0; answer_to != NULL && i < answer_to->media_count; i++) {
		struct span rest = span_of(answer_to->media_lines[i]), media;

		if (i == answer_to->media_index) {
			write_media(f, local, &uri, answer_to);
			continue;
		}
		media = span_cut(&rest, ' ');
		fprintf(f, "m=%.*s 0 %.*s\r\n", SPAN_ARG(media), SPAN_ARG(rest));
	}
	return written(f, &text);
}

char *sdp_write_capabilities(const char *host, struct span wrapped_types, uint64_t max_size)
{
	struct span address = span_of(host);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	if (address.len > 2 && address.at[0] == '[') {
		address.at++;
		address.len -= 2;
	}
	write_session(f, NULL, 0, 0, address);
	fputs("m=message 0 TCP/MSRP *\r\n", f);
	write_types(f, wrapped_types);
	if (max_size > 0)
		fprintf(f, "a=max-size:%" PRIu64 "\r\n", max_size);
	return written(f, &text);
}

enum sdp_setup sdp_setup_answer(enum sdp_setup offered)
{
	switch (offered) {
	case SDP_SETUP_PASSIVE: return SDP_SETUP_ACTIVE;
	case SDP_SETUP_HOLDCONN: return SDP_SETUP_HOLDCONN;
	case SDP_SETUP_ABSENT:
	case SDP_SETUP_ACTIVE:
	case SDP_SETUP_ACTPASS: break;
	}
	return SDP_SETUP_PASSIVE;
}

bool sdp_setup_we_connect(enum sdp_setup ours, enum sdp_setup theirs, bool we_offered)
{
	if (ours == SDP_SETUP_HOLDCONN || theirs == SDP_SETUP_HOLDCONN)
		return false;
	if (theirs == SDP_SETUP_ACTIVE)
		return false;
	if (theirs == SDP_SETUP_PASSIVE)
		return ours != SDP_SETUP_PASSIVE;
	/* They left it open or said nothing: our word counts, and without one the offerer connects
	 * (RFC 4975 5.4). */
	if (ours == SDP_SETUP_ACTIVE || ours == SDP_SETUP_PASSIVE)
		return ours == SDP_SETUP_ACTIVE;
	return we_offered;
}

int sdp_media_target(const struct sdp_media *media, bool lenient, struct msrp_target *out)
{
	struct msrp_target path, said;
	struct msrp_path split;
	bool has_path = msrp_path_parse(span_of(media->path), &split) == 0 &&
			msrp_target_of_uri(split.first, &path) == 0;
	bool has_said = msrp_target_parse(span_of(media->connect), &said) == 0;

	if (has_said && !(has_path && msrp_target_eq(&path, &said)) &&
		(media->cema || (lenient && (!has_path || msrp_target_is_unroutable(&path) ||
						    !msrp_target_is_unroutable(&said))))) {
		*out = said;
		return 0;
	}
	if (!has_path)
		return -EINVAL;
	*out = path;
	return 0;
}

bool sdp_media_listens(const struct sdp_media *media)
{
	return media->direction == SDP_SENDRECV || media->direction == SDP_RECVONLY;
}
