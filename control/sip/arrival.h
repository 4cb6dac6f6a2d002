/* SPDX-License-Identifier: BSD-3-Clause */
/* arrival: what is put right in a SIP request between the stack's parser and the stack's own
 * checks.
 *
 * Place:    octets -> parser of the stack -> arrival -> nta -> ua. Only files of control/sip.
 * Spec:     RFC 3261 18.2.1 (received), 18.2.2 (where responses go).
 * Why:      the stack answers some requests (413, 505, 400) by what their topmost Via says, before
 *           it has looked at it: a name in sent-by, maddr or received then costs a DNS query that
 *           blocks, and the response goes to whoever the sender named. What is done here makes
 *           every response go to the source of its request.
 * Threads:  one, as the stack. Memory: none of its own but the class, which lives as long as the
 *           process.
 */
#ifndef CONTROL_SIP_ARRIVAL_H
#define CONTROL_SIP_ARRIVAL_H
#include "control/sip/stack.h"

/* The method of a request whose request line could not be read. */
#define ARRIVAL_UNREADABLE "UNREADABLE-REQUEST-LINE"

/* The headers of this request ended in the middle (no empty line, or an octet that no header may
 * have), so that nobody has been here yet. Its Via has to be put right before it is answered. */
static inline bool arrival_is_cut_off(const sip_t *sip)
{
	return !(sip->sip_flags & MSG_FLG_BODY) || !(sip->sip_flags & MSG_FLG_COMPLETE);
}
void arrival_put_right(msg_t *msg, sip_t *sip);

/* The class of messages for NTATAG_MCLASS: SIP with the headers of the extensions we read
 * (P-Asserted-Identity among them). NULL: no memory. */
msg_mclass_t *arrival_class(void);
#endif
