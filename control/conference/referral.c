/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/conference/referral.h"
#include <stdio.h>
#include <stdlib.h>
#include "control/conference/participant.h"
#include "control/sip/header.h"
#include "control/sip/subscription.h"
#include "include/log.h"

#define SIPFRAG "message/sipfrag;version=2.0"

struct report { /* a NOTIFY that waits for the one before */
	STAILQ_ENTRY(report) link;
	char text[];
};

struct referral_target {
	STAILQ_ENTRY(referral_target) link;
	struct referral *referral;
	unsigned watched; /* sessions whose outcome is awaited */
	char uri[];
};

struct referral_watch {
	LIST_ENTRY(referral_watch) link; /* of the session */
	struct referral_target *target;
};

struct referral {
	LIST_ENTRY(referral) link; /* of all */
	const char *host;
	unsigned targets, open; /* open: without an outcome */
	STAILQ_HEAD(, referral_target) list;
	struct subscription *subscription; /* NULL: not asked for, or over */
	STAILQ_HEAD(, report) reports;
	char *said; /* what the last NOTIFY said */
	bool again; /* it is to be said again: the subscription was refreshed */
};

int referral_new(struct referral **out, struct referrals *all, unsigned targets, const char *host)
{
	struct referral *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOBUFS;
	r->host = host;
	r->targets = r->open = targets;
	STAILQ_INIT(&r->list);
	STAILQ_INIT(&r->reports);
	LIST_INSERT_HEAD(&all->list, r, link);
	*out = r;
	return 0;
}

struct referral_target *referral_target_new(struct referral *r, const char *uri)
{
	struct referral_target *target = calloc(1, sizeof(*target) + strlen(uri) + 1);

	if (target == NULL)
		return NULL;
	strcpy(target->uri, uri);
	target->referral = r;
	STAILQ_INSERT_TAIL(&r->list, target, link);
	return target;
}

void referral_free(struct referral *r)
{
	struct referral_target *target;
	struct report *report;

	subscription_free(r->subscription);
	while ((target = STAILQ_FIRST(&r->list)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->list, link);
		free(target);
	}
	while ((report = STAILQ_FIRST(&r->reports)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->reports, link);
		free(report);
	}
	LIST_REMOVE(r, link);
	free(r->said);
	free(r);
}

void referrals_fini(struct referrals *all)
{
	while (!LIST_EMPTY(&all->list))
		referral_free(LIST_FIRST(&all->list));
}

/* ---- NOTIFYs ---- */

static void fragment(char *out, size_t size, unsigned status, const struct header_block *headers)
{
	snprintf(out, size, "SIP/2.0 %u %s\r\n%s", status, ua_phrase(status),
		headers ? headers->text : "");
}

static void say(struct referral *r, const char *text)
{
	char *copy = strdup(text);

	if (copy != NULL) {
		free(r->said);
		r->said = copy;
	}
	if (subscription_notify(r->subscription, SIPFRAG, span_of(text)) < 0)
		log_warning("referral", "no memory for a NOTIFY");
}

/* CF-7.2.1.8-R2a-ix: takes the subscription away with a last NOTIFY, which follows one in
 * flight. */
static void say_last(struct referral *r, const char *reason, const char *text)
{
	struct subscription *last = r->subscription;

	r->subscription = NULL;
	subscription_terminate(last, reason, SIPFRAG, span_of(text));
}

/* What may be said now is said. The referral may be gone afterwards. */
static void go_on(struct referral *r)
{
	struct report *report = STAILQ_FIRST(&r->reports);

	if (r->subscription != NULL && r->open == 0 &&
		(report == NULL || STAILQ_NEXT(report, link) == NULL)) {
		/* none: there was no memory for the last outcome */
		say_last(r, "noresource", report != NULL ? report->text : "");
	} else if (r->subscription != NULL && subscription_may_notify(r->subscription)) {
		if (report != NULL) {
			STAILQ_REMOVE_HEAD(&r->reports, link);
			r->again = false;
			say(r, report->text);
			free(report);
		} else if (r->again && r->said != NULL) {
			char *text = r->said;

			r->again = false;
			r->said = NULL;
			say(r, text);
			free(text);
		}
	}
	if (r->subscription == NULL && r->open == 0)
		referral_free(r);
}

static void refreshed(void *arg)
{
	struct referral *r = arg;

	r->again = true;
	go_on(r);
}

static void notified(void *arg)
{
	go_on(arg);
}

static void ended(void *arg, enum subscription_end end)
{
	struct referral *r = arg;
	struct subscription *s = r->subscription;

	if (end == SUBSCRIPTION_FAILED) {
		r->subscription = NULL;
		subscription_free(s);
	} else { /* RFC 3515 2.4.5: every NOTIFY says how things stand */
		say_last(r, "timeout", r->said ? r->said : "SIP/2.0 100 Trying\r\n");
	}
	go_on(r);
}

int referral_accept(struct referral *r, struct ua_transaction *t, const struct request *request,
	const char *contact, uint32_t seconds)
{
	static const struct subscription_ops ops = {
		.refreshed = refreshed,
		.notified = notified,
		.ended = ended,
	};
	struct header_block extra;
	const struct subscription_terms terms = {
		.status = 202,
		.event = "refer",
		.contact = contact,
		.expires = seconds,
		.contact_is_focus = true,
		.extra = &extra,
	};
	char text[64];
	int result;

	header_init(&extra);
	if (!request->in_dialog)
		header_add(
			&extra, "Supported", "norefersub"); /* CF-7.2.1.7-R6, CF-7.2.1.8-R2a-ii */
	if (request->refer_sub == REFER_SUB_FALSE) {
		/* CF-7.2.1.7-R7, CF-7.2.1.8-R2a-iii */
		header_add(&extra, "Refer-Sub", "false");
		header_add(&extra, "Contact", "<%s>;" UA_TAGS, contact);
		ua_respond(t, 202, ua_phrase(202), &extra, NULL, NULL);
		return 0;
	}
	/* CF-7.2.1.7-R5, CF-7.2.1.7-R8, CF-7.2.1.8-R2a-i, CF-7.2.1.8-R2a-iv */
	result = subscription_accept(t, &r->subscription, request, &terms, &ops, r);
	if (result < 0)
		return result;
	fragment(text, sizeof(text), 100, NULL); /* context.md 3.6 */
	say(r, text);
	return 0;
}

/* ---- outcomes ---- */

void referral_outcome(struct referral_target *target, unsigned status, struct span warning)
{
	struct referral *r = target != NULL ? target->referral : NULL;
	struct header_block headers;
	struct report *report;
	char words[200];

	if (r == NULL)
		return;

	r->open--;
	if (r->subscription != NULL) {
		header_init(&headers);
		if (r->targets > 1)
			header_add(&headers, "To", "<%s>", target->uri);
		if (warning.len > 0) { /* CF-7.2.1.7-FR1 */
			snprintf(words, sizeof(words), "%.*s", (int)warning.len, warning.at);
			header_add_warning(&headers, r->host, words);
		}
		report = malloc(sizeof(*report) + headers.len + 128);
		if (report == NULL) {
			log_warning("referral", "no memory for an outcome status=%u", status);
		} else {
			fragment(report->text, headers.len + 128, status, &headers);
			STAILQ_INSERT_TAIL(&r->reports, report, link);
		}
	}
	go_on(r);
}

int referral_watch(struct referral_target *target, struct participant *p)
{
	struct referral_watch *watch = target != NULL ? calloc(1, sizeof(*watch)) : NULL;

	if (watch == NULL)
		return target != NULL ? -ENOBUFS : 0;
	watch->target = target;
	target->watched++;
	LIST_INSERT_HEAD(&p->watches, watch, link);
	return 0;
}

void referral_tell(struct participant *p, unsigned status, struct span warning)
{
	struct referral_watch *watch;

	while ((watch = LIST_FIRST(&p->watches)) != NULL) {
		struct referral_target *target = watch->target;

		LIST_REMOVE(watch, link);
		free(watch);
		if (--target->watched == 0)
			referral_outcome(target, status, warning);
	}
}
