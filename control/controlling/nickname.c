/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 7701 7: NICKNAME, as context.md 2.8 reads it. The switch has checked that it is announced and
 * well-formed as MSRP; who may be called what is decided here. */
#include "control/controlling/procedures.h"
#include "include/log.h"

/* RFC 7701 7.2 */
static unsigned status_of(int result)
{
	switch (result) {
	case 0: return 200;
	case -EBADMSG: return 424;
	case -EEXIST: return 425;
	default: return 403;
	}
}

void nickname_received(
	void *arg, void *leg_arg, struct media_leg *leg, uint64_t ask, struct span name)
{
	struct participant *p = leg_arg;
	struct focus *focus = arg;
	int r = -EPERM;

	if (focus->config->conference_nicknames && p->state == PARTICIPANT_CONNECTED)
		r = user_nickname_set(p->user, name);
	if (r == 0) {
		user_changed(p->user);
		keep_write(focus); /* who has the 200 has the name, also after a SIGKILL */
	}
	if (media_nickname_answer(leg, ask, status_of(r)) < 0)
		log_warning("nickname", "not answered conference=%s number=%u", p->conference->uri,
			p->number);
	log_debug("nickname", "asked conference=%s number=%u status=%u removed=%d",
		p->conference->uri, p->number, status_of(r), name.len == 0);
}
