/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/byte_range.h"

/* Eighteen digits keep every sum of two positions far inside 64 bits. */
#define DIGITS_MAX 18

/* 1*DIGIT at *at, which moves behind them. Too many digits wrap the value, and are then refused
 * by their count. */
static inline bool number_take(const char **at, const char *end, uint64_t *out)
{
	const char *digit = *at;
	uint64_t value = 0;
	size_t digits;

	for (; digit < end && (uint8_t)(*digit - '0') < 10; digit++)
		value = value * 10 + (uint8_t)(*digit - '0');
	digits = (size_t)(digit - *at);
	*at = digit;
	*out = value;
	return digits > 0 && digits <= DIGITS_MAX;
}

static inline bool octet_take(const char **at, const char *end, char octet)
{
	if (*at == end || **at != octet)
		return false;
	(*at)++;
	return true;
}

static inline bool number_or_star_take(const char **at, const char *end, uint64_t *out)
{
	if (octet_take(at, end, '*')) {
		*out = BYTE_RANGE_UNKNOWN;
		return true;
	}
	return number_take(at, end, out);
}

int byte_range_parse(struct span text, struct byte_range *out)
{
	struct span trimmed = span_trim(text);
	const char *at = trimmed.at;
	const char *end = trimmed.at + trimmed.len;
	struct byte_range range;

	if (!number_take(&at, end, &range.start) || !octet_take(&at, end, '-') ||
		!number_or_star_take(&at, end, &range.end) || !octet_take(&at, end, '/') ||
		!number_or_star_take(&at, end, &range.total) || at != end)
		return -EBADMSG;
	if (range.start == 0)
		return -EBADMSG;
	/* RFC 4975 7.1.1: an empty message is "1-0/0", so the end may be one before the start. */
	if (range.end != BYTE_RANGE_UNKNOWN) {
		if (range.end < range.start - 1)
			return -EBADMSG;
		if (range.total != BYTE_RANGE_UNKNOWN && range.end > range.total)
			return -EBADMSG;
	}
	*out = range;
	return 0;
}

static char *number_write(char *out, uint64_t value)
{
	uint64_t limit = 10;
	unsigned digits;
	char *at;

	if (value == BYTE_RANGE_UNKNOWN) {
		*out = '*';
		return out + 1;
	}
	for (digits = 1; digits < 20 && value >= limit; digits++)
		limit *= 10;
	at = out + digits;
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return out + digits;
}

size_t byte_range_write(char *out, const struct byte_range *range)
{
	char *at = number_write(out, range->start);

	*at++ = '-';
	at = number_write(at, range->end);
	*at++ = '/';
	at = number_write(at, range->total);
	return (size_t)(at - out);
}
