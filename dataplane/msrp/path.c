/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/path.h"
#include "dataplane/msrp/octet_class.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum path_octets { PATH_ONE_URI, PATH_HAS_SPACES, PATH_HAS_FOREIGN };

#ifdef __SSE2__
/* A bit for each of 16 octets that is neither a space nor in a URI; *spaces gets a bit for each
 * space. Says the same as octet_classes: one more than the octet, as a signed number, is below
 * 0x21 for the controls, DEL and 0x80..0xff. */
static inline unsigned foreign_mask(const char *at, unsigned *spaces)
{
	__m128i octets = _mm_loadu_si128((const __m128i *)at);
	__m128i foreign =
		_mm_cmplt_epi8(_mm_add_epi8(octets, _mm_set1_epi8(1)), _mm_set1_epi8(0x21));
	/* '<' and '>' differ in this bit only, and no third octet becomes '>' by it. */
	__m128i brackets = _mm_or_si128(octets, _mm_set1_epi8('<' ^ '>'));

	foreign = _mm_or_si128(foreign, _mm_cmpeq_epi8(octets, _mm_set1_epi8('"')));
	foreign = _mm_or_si128(foreign, _mm_cmpeq_epi8(brackets, _mm_set1_epi8('>')));
	foreign = _mm_or_si128(foreign, _mm_cmpeq_epi8(octets, _mm_set1_epi8('\\')));
	*spaces |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, _mm_set1_epi8(' ')));
	return (unsigned)_mm_movemask_epi8(foreign);
}
#endif

static inline enum path_octets path_octets_look(const char *at, const char *end)
{
	unsigned spaces = 0;

#ifdef __SSE2__
	if (end - at >= 16) {
		unsigned foreign = 0;

		for (; end - at > 16; at += 16)
			foreign |= foreign_mask(at, &spaces);
		/* The last sixteen overlap octets that were looked at before: no tail loop, no
		 * read beyond. */
		foreign |= foreign_mask(end - 16, &spaces);
		if (foreign)
			return PATH_HAS_FOREIGN;
		return spaces ? PATH_HAS_SPACES : PATH_ONE_URI;
	}
#endif
	for (; at < end; at++) {
		if (*at == ' ')
			spaces = 1;
		else if (!octet_is(*at, OCTET_URI))
			return PATH_HAS_FOREIGN;
	}
	return spaces ? PATH_HAS_SPACES : PATH_ONE_URI;
}

static int path_split(struct msrp_path *path)
{
	struct span rest = path->text;

	path->count = 0;
	while (rest.len > 0) {
		struct span uri = span_cut(&rest, ' ');

		if (uri.len == 0)
			continue;
		if (path->count == PATH_URIS_MAX)
			return -ENOBUFS;
		if (path->count++ == 0)
			path->first = uri;
		path->last = uri;
	}
	return 0;
}

int msrp_path_parse(struct span text, struct msrp_path *out)
{
	struct span list = span_trim(text);

	if (list.len == 0)
		return -EBADMSG;
	switch (path_octets_look(list.at, list.at + list.len)) {
	case PATH_HAS_FOREIGN: return -EBADMSG;
	case PATH_HAS_SPACES: out->text = list; return path_split(out);
	case PATH_ONE_URI: break;
	}
	*out = (struct msrp_path){ .text = list, .first = list, .last = list, .count = 1 };
	return 0;
}

int msrp_path_check(struct span trimmed)
{
	struct msrp_path path;

	if (trimmed.len == 0)
		return -EBADMSG;
	switch (path_octets_look(trimmed.at, trimmed.at + trimmed.len)) {
	case PATH_HAS_FOREIGN: return -EBADMSG;
	case PATH_HAS_SPACES: path.text = trimmed; return path_split(&path);
	case PATH_ONE_URI: break;
	}
	return 0;
}
