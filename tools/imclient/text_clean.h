/* SPDX-License-Identifier: BSD-3-Clause */
/* text_clean: makes what a peer said safe to show.
 *
 * Place:   between events and anything that prints. A message, a name, a reason phrase may hold
 *          terminal escape sequences, controls, text that changes the reading direction, or octets
 *          that are no UTF-8.
 * Threads: pure, but for the writing to `out`.
 */
#ifndef TOOLS_IMCLIENT_TEXT_CLEAN_H
#define TOOLS_IMCLIENT_TEXT_CLEAN_H
#include <stdio.h>
#include "include/span.h"

/* For a terminal: escape sequences (ESC, CSI, OSC and their like, whole), controls (C0, DEL, C1)
 *                 and direction overrides are left out,
 * a line break becomes `line_break`, a tab a space, an octet that is no UTF-8 a '?'. */
void text_clean_terminal(FILE *out, struct span text, const char *line_break);

/* One word of a key=value line: as it is when plain, else "..." with \" \\ \n \r \t \xNN. */
void text_clean_word(FILE *out, struct span text);

/* A JSON string with its quotes; octets that are no UTF-8 become U+FFFD. */
void text_clean_json(FILE *out, struct span text);

/* Length of the UTF-8 character that text begins with (1 to 4); 0: it begins with none. */
size_t text_utf8_length(struct span text);
#endif
