/* SPDX-License-Identifier: BSD-3-Clause */
/* event_out: one event, one line.
 *
 *   text established session=1 peer=sip:conference-factory@example.com room=sip:im-x@example.com
 *   focus=yes JSON {"event":"established","session":1,"peer":"sip:conference-factory@example.com",
 *   ...} people bob: hello
 *
 * Keys and words are stable: scripts read them. A key that says nothing is left out. Values from
 * peers are cleaned (text_clean), so a line is always one line and never steers a terminal.
 */
#ifndef TOOLS_IMCLIENT_EVENT_OUT_H
#define TOOLS_IMCLIENT_EVENT_OUT_H
#include <stdio.h>
#include "tools/imclient/client.h"

enum event_form { EVENT_TEXT, EVENT_JSON, EVENT_PEOPLE };

/* clock: seconds since some start, printed as t=12.345678 when not negative (never for people). */
void event_write(FILE *out, enum event_form form, const struct client_event *event, double clock);
#endif
