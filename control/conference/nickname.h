/* SPDX-License-Identifier: BSD-3-Clause */
/* nickname: what a nickname may be, and when two of them are the same.
 *
 * Spec:     RFC 7701 7; RFC 8266 (the Nickname profile: spaces mapped, trimmed and collapsed, case
 *           folded, NFKC, until nothing changes any more); context.md 2.8.
 * Threads:  pure.
 */
#ifndef CONTROL_CONFERENCE_NICKNAME_H
#define CONTROL_CONFERENCE_NICKNAME_H
#include "include/result.h"
#include "include/span.h"

#define NICKNAME_MAX 1023 /* octets (RFC 7701 7) */

/* text: as it is shown: as written, but for spaces at its ends and several in a row. key: two
 * nicknames are the same when their keys are equal octet by octet. Both malloc; the caller frees
 * them. -EBADMSG, answered 424: empty or nothing that is seen, longer than NICKNAME_MAX, not UTF-8,
 * with control characters or such as change the direction of what stands around them. -ENOBUFS. */
must_check int nickname_read(struct span name, char **text, char **key);
#endif
