/* SPDX-License-Identifier: BSD-3-Clause */
/* group_document: an OMA list-service document (Shared-Group-XDM) as values.
 *
 * Place:    a file of conference.groups -> group_document -> conference/groups.
 * Spec:     context.md 4.1 (elements, order, types), 4.2 (RFC 4745 rules), RFC 4826 (entry,
 *           external).
 * Threads:  pure. Memory: group_document_parse makes it, group_document_free frees it.
 * Limits:   as of every document here: no DTD, no entity, no network, depth 32; 64 MiB (design 3).
 *
 * Lenient where documents in the field differ: the order of elements does not matter; OMA elements
 * are known by their local name in any of the OMA's namespaces; display-name and entry also in that
 * of resource-lists; what is not known is passed over, but a condition. Strict where a mistake
 * would go unnoticed: a value that is none, an element of ours in a namespace that is nobody's.
 */
#ifndef CONTROL_XML_GROUP_DOCUMENT_H
#define CONTROL_XML_GROUP_DOCUMENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/result.h"
#include "include/span.h"

#define GROUP_DOCUMENT_MAX (64u << 20) /* octets */
#define GROUP_URI_MAX      255         /* of a group's address, which goes into every header */

/* Actions of a rule; absent is false, but for allow-private-message (context.md 4.1). */
#define GROUP_ACTIONS(X)                                                                           \
	X(JOIN_HANDLING, "join-handling")                                                          \
	X(INITIATE, "allow-initiate-conference")                                                   \
	X(CONFERENCE_STATE, "allow-conference-state")                                              \
	X(ANONYMITY, "allow-anonymity")                                                            \
	X(INVITE_USERS, "allow-invite-users-dynamically")                                          \
	X(EXPELLING, "allow-expelling")                                                            \
	X(PRIVATE_MESSAGE, "allow-private-message")                                                \
	X(KEY_PARTICIPANT, "is-key-participant")

enum group_action {
#define X(name, element) GROUP_##name,
	GROUP_ACTIONS(X)
#undef X
		GROUP_ACTION_COUNT
};

enum group_condition_kind {
	GROUP_IF_MEMBER,    /* is-list-member */
	GROUP_IF_IDENTITY,  /* cp:identity: one, many with except */
	GROUP_IF_OTHER,     /* other-identity: no identity or external-list rule matched */
	GROUP_IF_ANONYMOUS, /* anonymous-request */
	GROUP_IF_EXTERNAL, /* external-list: not fetched, so nobody knows who is on it: does not hold,
			     * and other-identity does not hold beside it */
	GROUP_IF_UNKNOWN, /* a condition that we do not know (validity and sphere among them): never
			     * holds (RFC 4745 7) */
};

struct group_identity {
	bool many;       /* everybody (of domain, when given) but the excepted */
	char *canonical; /* one: canonical address; except of many: likewise */
	char *domain;    /* many or except: lower case; NULL: every */
	char **excepts;  /* canonical addresses, or domains as "@example.com"; ended by NULL */
};

struct group_condition {
	enum group_condition_kind kind;
	/* Of IF_IDENTITY: one of them has to match. Those who are named come first, by canonical
	 * address, then the many. */
	struct group_identity *identities;
	unsigned identity_count, named_count;
};

struct group_rule {
	unsigned line;
	char *id;
	struct group_condition *conditions; /* all must hold; none: always */
	unsigned condition_count;
	uint32_t said;    /* bit per action that the rule names */
	uint32_t allowed; /* and says true to */
};

struct group_member {
	char *uri, *canonical;
	char *display_name; /* "" when absent */
};

struct group_document {
	unsigned line;                /* of its <list-service> */
	char *uri, *canonical;        /* IM Group Identity */
	char *display_name;           /* "" when absent */
	struct group_member *members; /* in the order of the list, without duplicates */
	unsigned member_count;
	bool members_unknown; /* an <external> list, which is not fetched (context.md 4.1) */
	bool invite_members;
	uint32_t max_participants; /* 0: the document is silent */
	char *subject;             /* ox:subject; "" */
	uint32_t max_duration_s;   /* ox:max-duration; 0: silent */
	struct group_rule *rules;
	unsigned rule_count;
};

/* Where and why a document was refused, for a log line "FILE:LINE: sentence". */
struct group_fault {
	unsigned line;
	char sentence[160];
};

/* One document may hold several list-services: *count of them in *out (malloc; free each and the
 * array). -EBADMSG with *fault; -ENOBUFS. */
must_check int group_document_parse(
	struct span text, struct group_document ***out, unsigned *count, struct group_fault *fault);
void group_document_free(struct group_document *document);
#endif
