/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/msrp/byte_range.h"

/* Eighteen digits keep every sum of two positions far inside 64 bits. */
#define DIGITS_MAX 18

/* Reads 1*DIGIT at the start of *rest. */
static bool number_take(struct span *rest, uint64_t *out)
{
	uint64_t value = 0;
	size_t digits = 0;

	while (digits < rest->len && (unsigned)(rest->at[digits] - '0') < 10) {
		if (digits == DIGITS_MAX)
			return false;
		value = value * 10 + (unsigned)(rest->at[digits] - '0');
		digits++;
	}
	rest->at += digits;
	rest->len -= digits;
	*out = value;
	return digits > 0;
}

static bool number_or_star_take(struct span *rest, uint64_t *out)
{
	if (rest->len > 0 && rest->at[0] == '*') {
		rest->at++;
		rest->len--;
		*out = BYTE_RANGE_UNKNOWN;
		return true;
	}
	return number_take(rest, out);
}

static bool octet_take(struct span *rest, char octet)
{
	if (rest->len == 0 || rest->at[0] != octet)
		return false;
	rest->at++;
	rest->len--;
	return true;
}

int byte_range_parse(struct span text, struct byte_range *out)
{
	struct span rest = span_trim(text);
	struct byte_range range;

	if (!number_take(&rest, &range.start) || !octet_take(&rest, '-') ||
		!number_or_star_take(&rest, &range.end) || !octet_take(&rest, '/') ||
		!number_or_star_take(&rest, &range.total) || rest.len != 0)
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
	char digits[20];
	size_t at = sizeof(digits);

	if (value == BYTE_RANGE_UNKNOWN) {
		*out = '*';
		return out + 1;
	}
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	memcpy(out, digits + at, sizeof(digits) - at);
	return out + (sizeof(digits) - at);
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
