/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/event_out.h"
#include <inttypes.h>
#include "control/sip/identity.h"
#include "tools/imclient/text_clean.h"

/* The two forms for machines differ only in how a field is written. */
struct writer {
	FILE *out;
	bool json;
};

static void put_key(const struct writer *w, const char *key)
{
	fprintf(w->out, w->json ? ",\"%s\":" : " %s=", key);
}

static void put_span(const struct writer *w, const char *key, struct span value)
{
	if (value.at == NULL)
		return;
	put_key(w, key);
	if (w->json)
		text_clean_json(w->out, value);
	else
		text_clean_word(w->out, value);
}

static void put_text(const struct writer *w, const char *key, const char *value)
{
	if (value != NULL)
		put_span(w, key, span_of(value));
}

static void put_number(const struct writer *w, const char *key, uint64_t value, bool wanted)
{
	if (!wanted)
		return;
	put_key(w, key);
	fprintf(w->out, "%" PRIu64, value);
}

static void machine_write(const struct writer *w, const struct client_event *e, double clock)
{
	const char *word = client_event_word(e->type);

	if (w->json) {
		fputs("{\"event\":", w->out);
		text_clean_json(w->out, span_of(word));
	} else {
		fputs(word, w->out);
	}
	if (clock >= 0) {
		put_key(w, "t");
		fprintf(w->out, "%.6f", clock);
	}
	put_number(w, "session", e->session, e->session != 0);
	put_text(w, "sip", e->sip);
	put_text(w, "msrp", e->msrp);
	put_number(w, "expires", e->expires_s, e->expires_s != 0);
	put_text(w, "peer", e->peer);
	put_text(w, "room", e->room);
	if (e->has_focus) {
		put_key(w, "focus");
		fputs(w->json ? e->focus ? "true" : "false" : e->focus ? "yes" : "no", w->out);
	}
	put_text(w, "by", e->by);
	put_number(w, "status", e->status, e->status != 0);
	put_text(w, "reason", e->reason);
	put_text(w, "warning", e->warning);
	put_text(w, "subject", e->subject);
	put_text(w, "id", e->id);
	put_text(w, "from", e->from);
	put_text(w, "to", e->to);
	put_text(w, "type", e->type_text);
	put_number(w, "octets", e->octets, e->octets != CLIENT_NONE);
	put_number(w, "chunks", e->chunks, e->chunks != 0);
	put_number(w, "count", e->count, e->has_count);
	put_text(w, "state", e->state);
	put_text(w, "sha256", e->sha256);
	put_text(w, "file", e->file);
	put_span(w, "text", e->text);
	fputs(w->json ? "}\n" : "\n", w->out);
}

static void put_clean(FILE *out, const char *text)
{
	text_clean_terminal(out, span_of(text), " ");
}

/* "bob" of sip:bob@example.com */
static void put_name(FILE *out, const char *uri)
{
	struct span name = uri != NULL ? identity_user(span_of(uri)) : span_make("", 0);

	if (name.len > 0)
		text_clean_terminal(out, name, " ");
	else
		put_clean(out, uri != NULL ? uri : "someone");
}

static void put_octets(FILE *out, uint64_t octets)
{
	if (octets < 10000)
		fprintf(out, "%" PRIu64 " octets", octets);
	else if (octets < 10000000)
		fprintf(out, "%" PRIu64 " kB", octets / 1000);
	else
		fprintf(out, "%" PRIu64 " MB", octets / 1000000);
}

static void put_why(FILE *out, const struct client_event *e)
{
	if (e->status != 0)
		fprintf(out, " %u", e->status);
	if (e->reason != NULL) {
		fputs(e->status != 0 ? " " : ": ", out);
		put_clean(out, e->reason);
	}
	if (e->warning != NULL) {
		fputs(" (", out);
		put_clean(out, e->warning);
		fputc(')', out);
	}
	fputc('\n', out);
}

static void people_write(FILE *out, const struct client_event *e)
{
	switch (e->type) {
	case CLIENT_READY: fprintf(out, "* listening for SIP on %s\n", e->sip); break;
	case CLIENT_REGISTERED:
		fputs("* registered; /chat NAME starts a talk, /help lists the commands\n", out);
		break;
	case CLIENT_UNREGISTERED: fputs("* signed off\n", out); break;
	case CLIENT_REGISTER_FAILED:
		fputs("* cannot register:", out);
		put_why(out, e);
		break;
	case CLIENT_INVITED:
		fputs("* ", out);
		put_name(out, e->from);
		fputs(e->focus ? " invites you to a conference" : " invites you to chat", out);
		if (e->subject != NULL) {
			fputs(" about \"", out);
			put_clean(out, e->subject);
			fputc('"', out);
		}
		fputs(": /accept or /reject\n", out);
		break;
	case CLIENT_INVITING:
		fputs("* inviting ", out);
		put_name(out, e->peer);
		fputs(" ...\n", out);
		break;
	case CLIENT_RINGING: fputs("* ringing\n", out); break;
	case CLIENT_REFUSED:
		fputs("* refused:", out);
		put_why(out, e);
		break;
	case CLIENT_ESTABLISHED: break;
	case CLIENT_BOUND:
		fputs("* connected: what you type is said; /leave ends it\n", out);
		break;
	case CLIENT_QUEUED:
		if (e->octets != CLIENT_NONE && e->octets > 1000) {
			fputs("* sending ", out);
			put_octets(out, e->octets);
			fputs(" ...\n", out);
		}
		break;
	case CLIENT_SENT:
		if (e->octets > 1000) {
			fputs("* sent ", out);
			put_octets(out, e->octets);
			fputc('\n', out);
		}
		break;
	case CLIENT_SEND_FAILED:
		fputs("* not sent:", out);
		put_why(out, e);
		break;
	case CLIENT_REPORT:
		if (e->has_count)
			fprintf(out, "* delivered to %u\n", e->count);
		else
			fputs("* delivered\n", out);
		break;
	case CLIENT_MESSAGE:
		put_name(out, e->from);
		fputs(": ", out);
		if (e->text.at != NULL) {
			text_clean_terminal(out, e->text, "\n    ");
		} else {
			fputs("[", out);
			put_octets(out, e->octets);
			fputs(", ", out);
			put_clean(out, e->type_text);
			if (e->file != NULL)
				fprintf(out, ", stored in %s", e->file);
			else
				fprintf(out, ", SHA-256 %.16s...", e->sha256);
			fputs("]", out);
		}
		fputc('\n', out);
		break;
	case CLIENT_MESSAGE_CUT:
		fputs("* a message from ", out);
		put_name(out, e->from);
		fputs(" broke off\n", out);
		break;
	case CLIENT_COMPOSING:
		if (strcmp(e->state, "active") == 0) {
			fputs("* ", out);
			put_name(out, e->from);
			fputs(" is writing\n", out);
		}
		break;
	case CLIENT_CANCELLED: fputs("* the invitation was withdrawn\n", out); break;
	case CLIENT_LOST:
		fputs("* connection lost", out);
		put_why(out, e);
		break;
	case CLIENT_ENDED:
		fputs(e->by != NULL && strcmp(e->by, "us") == 0 ? "* you left"
								: "* the session is over",
			out);
		put_why(out, e);
		break;
	case CLIENT_ERROR:
		fputs("* ", out);
		put_clean(out, e->reason);
		fputc('\n', out);
		break;
	case CLIENT_CLOSED:
	case CLIENT_EVENT_COUNT: break;
	}
}

void event_write(FILE *out, enum event_form form, const struct client_event *event, double clock)
{
	struct writer w = { out, form == EVENT_JSON };

	if (form == EVENT_PEOPLE)
		people_write(out, event);
	else
		machine_write(&w, event, clock);
}
