/* SPDX-License-Identifier: BSD-3-Clause */
/* 7.2.1.9: Removal of Participant from IM Session. */
#include "control/controlling/procedures.h"
#include "include/log.h"

/* CF-7.2.1.9-S1, CF-7.2.1.9-S2 */
enum participant_event remove_bye(struct participant *p)
{
	if (p->departure == ENDPOINT_LEFT_NONE)
		p->departure = ENDPOINT_LEFT_BOOTED;
	log_info("remove", "removed conference=%s number=%u reason=%s", p->conference->uri,
		p->number, p->reason ? p->reason : "");
	dialog_bye(p->dialog, p->reason);
	return PARTICIPANT_EV_NONE;
}

/* CF-7.2.1.9-OK1: the leg goes with the participant, now that its BYE was answered. */
enum participant_event remove_release(struct participant *p)
{
	p->status = dialog_bye_status(p->dialog);
	log_debug("remove", "released conference=%s number=%u", p->conference->uri, p->number);
	return PARTICIPANT_EV_NONE;
}
