/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_group_document: any file as a group document; what is accepted is complete and fit for
 * SIP. */
#include "control/xml/group_document.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

/* Is in a header as it stands. */
static bool is_fit(const char *text)
{
	return text != NULL && text[0] != '\0' && strpbrk(text, " \r\n\t<>\"") == NULL;
}

static bool is_name(const char *text)
{
	return text != NULL && strlen(text) <= 256 && strpbrk(text, "\r\n\t") == NULL;
}

static void look_at_rule(const struct group_rule *rule)
{
	demand(rule->id != NULL, "a rule has an id");
	demand((rule->allowed & ~rule->said) == 0, "only what is said is allowed");
	for (unsigned i = 0; i < rule->condition_count; i++) {
		const struct group_condition *condition = &rule->conditions[i];

		demand(condition->identity_count == 0 || condition->kind == GROUP_IF_IDENTITY,
			"only an identity condition has identities");
		for (unsigned k = 0; k < condition->identity_count; k++) {
			const struct group_identity *identity = &condition->identities[k];

			demand(identity->many == (k >= condition->named_count),
				"the named come first");
			demand(k == 0 || identity->many ||
					strcmp(identity[-1].canonical, identity->canonical) <= 0,
				"in the order of their addresses");
			demand(identity->many == (identity->canonical == NULL), "one, or many");
			demand(identity->many ||
					(identity->domain == NULL && identity->excepts == NULL),
				"exceptions are of many");
			for (char **e = identity->excepts; e != NULL && *e != NULL; e++)
				demand(is_fit(*e), "an exception is an address");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct group_document **documents;
	struct group_fault fault;
	unsigned count;
	int result = group_document_parse(span_make(data, size), &documents, &count, &fault);

	demand(result == 0 || result == -EBADMSG, "one of the results named");
	demand((result == 0) == (fault.sentence[0] == '\0'),
		"a reason when refused, and only then");
	demand((result == 0) == (count > 0), "a document when there is no reason");
	if (result != 0) {
		demand(fault.line > 0, "the reason has a line");
		for (const char *c = fault.sentence; *c != '\0'; c++)
			demand((unsigned char)*c >= ' ', "the reason is one line");
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		struct group_document *d = documents[i];

		demand(is_fit(d->uri) && is_fit(d->canonical), "a group has an address");
		demand(is_name(d->display_name) && is_name(d->subject),
			"names are fit for a header");
		for (unsigned k = 0; k < d->member_count; k++) {
			demand(is_fit(d->members[k].uri) && is_fit(d->members[k].canonical),
				"a member has an address");
			demand(is_name(d->members[k].display_name), "and perhaps a name");
		}
		for (unsigned k = 0; k < d->rule_count; k++)
			look_at_rule(&d->rules[k]);
		group_document_free(d);
	}
	free(documents);
	return 0;
}
