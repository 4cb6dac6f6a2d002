/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.10: a participant leaves. The 200 has been sent (R1); its leg goes with it (R2); whether
 * the others are removed is decided by conference_settle: CF-7.2.1.10-R3. */
#include "control/controlling/procedures.h"
#include "include/log.h"

enum participant_event leave_depart(struct participant *p)
{
	p->departure = ENDPOINT_LEFT_DEPARTED;
	p->status = 200;
	log_info("leave", "left conference=%s number=%u connected=%u", p->conference->uri,
		p->number, p->conference->in_state[PARTICIPANT_CONNECTED]);
	return PARTICIPANT_EV_NONE;
}
