/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sip/header.h"
#include <stdarg.h>
#include <stdio.h>

void header_init(struct header_block *block)
{
	block->len = 0;
	block->bad = false;
	block->text[0] = '\0';
}

void header_add(struct header_block *block, const char *name, const char *format, ...)
{
	size_t start = block->len, room = sizeof(block->text) - start;
	int head, body;
	va_list args;

	head = snprintf(block->text + start, room, "%s: ", name);
	if ((size_t)head >= room)
		goto left_out;
	va_start(args, format);
	body = vsnprintf(block->text + start + head, room - (size_t)head, format, args);
	va_end(args);
	if (body < 0 || (size_t)(head + body) + 3 > room)
		goto left_out;
	for (size_t i = start; i < start + (size_t)(head + body); i++) {
		unsigned char c = (unsigned char)block->text[i];

		if (c < ' ' && c != '\t')
			goto left_out;
	}
	block->len = start + (size_t)(head + body);
	memcpy(block->text + block->len, "\r\n", 3);
	block->len += 2;
	return;
left_out:
	block->bad = true;
	block->text[start] = '\0';
}

void header_add_warning(struct header_block *block, const char *host, const char *text)
{
	char clean[256];
	size_t len = 0;

	for (; *text != '\0' && len + 1 < sizeof(clean); text++) {
		unsigned char c = (unsigned char)*text;

		clean[len++] = c < ' ' || c == '"' || c == '\\' || c == 0x7f ? '\'' : (char)c;
	}
	clean[len] = '\0';
	header_add(block, "Warning", "399 %s \"%s\"", host, clean);
}

void header_name_addr(char *out, size_t size, const char *display, const char *uri)
{
	size_t len = 0;

	if (size == 0)
		return;
	if (display != NULL && display[0] != '\0') {
		if (len + 1 < size)
			out[len++] = '"';
		for (; *display != '\0' && len + 4 < size; display++) {
			if (*display == '"' || *display == '\\')
				out[len++] = '\\';
			out[len++] = *display;
		}
		if (len + 2 < size) {
			out[len++] = '"';
			out[len++] = ' ';
		}
	}
	out[len] = '\0';
	snprintf(out + len, size - len, "<%s>", uri);
}
