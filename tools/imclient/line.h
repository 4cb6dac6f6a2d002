/* SPDX-License-Identifier: BSD-3-Clause */
/* line: the line mode of plenum-im: commands in, events out, one a line.
 *
 * Place:   main -> line -> client. For scripts on pipes, and for people at a terminal until there is a better front.
 * Order:   commands are done in order. say, send and their like wait while an INVITE of ours is
 *          still open, `wait` until its event came; what is read ahead is at most 64 KiB.
 * End:     quit leaves at once. The end of the input leaves when every INVITE was answered and
 *          every message of ours has its outcome (at most 60 s).
 */
#ifndef TOOLS_IMCLIENT_LINE_H
#define TOOLS_IMCLIENT_LINE_H
#include <stdio.h>
#include "tools/imclient/client.h"
#include "tools/imclient/event_out.h"

struct line_options {
	struct client_options client;
	enum event_form form;
	bool clock; /* t= on every event: seconds of the monotonic clock */
	bool auto_accept;
	bool no_register;
	bool direct; /* chat: INVITE to the person, not through the conference factory */
	int input;   /* descriptor; -1: none */
	FILE *output;
	const char *
		script; /* commands done before the input, up to the first that fails; NULL: none */
};

/* Runs until the end. Returns the exit status: 0, or 1 when a command or anything it began
 * failed. */
int line_run(const struct line_options *options);

/* The reference of the commands. */
void line_help(FILE *out);
#endif
