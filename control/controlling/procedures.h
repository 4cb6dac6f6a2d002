/* SPDX-License-Identifier: BSD-3-Clause */
/* procedures: the controlling function, 7.2.1 and 7.2.2: a file per clause subject.
 *
 *   session.c  what all share: events into the participant's table, callbacks of dialogs and of
 *              the switch, refusals
 *   intake.c   what an initial INVITE brings, and the session it becomes (intake.h)
 *   adhoc.c    7.2.1.2  Ad-hoc IM Group setup
 *   group.c    7.2.1.3  Pre-defined IM Group Session setup
 *   join.c     7.2.1.4  Joining Pre-defined IM Group Session
 *   rejoin.c   7.2.1.5  Rejoining IM Group Session
 *   answer.c   7.2.1.1  contents of the 200
 *   invite.c   7.2.2.2  IM Session invitation request
 *   modify.c   7.2.1.6  re-INVITE with new MSRP parameters
 *   refresh.c  7.2.1.11 session timer
 *   leave.c    7.2.1.10 BYE received
 *   nickname.c RFC 7701 7, nicknames
 *   remove.c   7.2.1.9  Removal of Participant
 *   subscribe.c 7.2.1.12 Subscribing to Participant information
 *   refer.c    REFER: whom it is about, what it is answered (refer.h)
 *   add.c      7.2.1.7  Adding Participants to IM Group Session
 *   expel.c    7.2.1.8  SIP REFER BYE request received
 *   options.c  OPTIONS (context.md 3.3)
 *   recover.c  the switch came or went: what it holds is claimed, what it does not is made anew
 *
 * Place:    focus -> procedures -> conference, dialog, media.
 * Threads:  the focus's one thread.
 */
#ifndef CONTROL_CONTROLLING_PROCEDURES_H
#define CONTROL_CONTROLLING_PROCEDURES_H
#include "control/focus.h"

#define INVITATIONS_IN_FLIGHT 100u /* per room (context.md 3.4) */
#define PARTICIPANT_EV_NONE   PARTICIPANT_EVENT_COUNT

/* ---- session.c ---- */

/* Takes the event to the participant's table and does what the cell says. The participant may be
 * gone afterwards; the caller ends with conference_settle. */
void session_feed(struct participant *participant, enum participant_event event);
/* Lets the rules decide what follows: the inviter's answer, release, the next invitations. The
 * conference may be gone afterwards. Called last by everything that changed something. */
void conference_settle(struct conference *conference);
/* Takes back every invitation without a final answer; says whether there was one. */
bool session_withdraw(struct conference *conference);
/* Starts or restarts the time after which a conference without messages ends
 * (conference.idle_release). */
void session_idle_start(struct conference *conference);
/* Removes everybody (7.2.1.9); reason is a static Reason value. */
void conference_end(struct conference *conference, const char *reason);

extern const struct dialog_ops session_dialog_ops;
/* What the switch says of a leg and of a room. */
void leg_changed(void *arg, void *leg_arg, const struct leg_status *status);
void room_counted(void *arg, void *room_arg, const struct room_counts *counts);

/* A new conference with the Subject and Contribution-ID of the INVITE that asks for it. */
must_check int session_make(struct conference **out, struct focus *focus, enum conference_kind kind,
	const char *identity, struct group *group, const struct request *request);
/* Opens its room, and starts what it may last and, if it invites, the wait for an answer. */
must_check int session_open(struct conference *conference);
/* The room of a conference in the switch. */
must_check int session_room_open(struct conference *conference);
/* One of an earlier life goes on: what it may last, and who had lost its MSRP connection. */
void session_resume(struct conference *conference);
/* It is removed when it is not bound again by then (0: in msrp.rebind_s). */
void session_wait_binding(struct participant *participant, uint64_t at_ms);
/* Starts (again) the time after which invitations without an answer are withdrawn
 * (sip.invite_wait_s). */
must_check int session_wait(struct conference *conference);

/* NULL: a peer that says so can be reached, where it is we who connect. Else a sentence for the
 * Warning. */
const char *session_place_fault(
	const struct focus *focus, const struct sdp_media *remote, bool we_offered);
/* The leg as the switch is to see it after an offer and answer. */
must_check int session_leg_update(struct participant *participant, bool we_offered, bool rebind);
/* What we say in SDP about the participant's leg (malloc), NULL without memory. answer: to its
 * offer in participant->remote; else an offer, which repeats what was said last. */
char *session_sdp(struct participant *participant, bool answer);
/* ---- one action of the table each; the result is the event that follows, or PARTICIPANT_EV_NONE
 * ---- */

enum participant_event leg_ask(struct participant *participant);
enum participant_event invite_send(struct participant *participant);
enum participant_event answer_enter(struct participant *participant);
enum participant_event answer_ring(struct participant *participant);
enum participant_event invite_join(struct participant *participant);
enum participant_event invite_count_failure(struct participant *participant);
enum participant_event invite_withdraw(struct participant *participant);
enum participant_event answer_send(struct participant *participant);
enum participant_event answer_reject(struct participant *participant);
enum participant_event leave_depart(struct participant *participant);
enum participant_event remove_bye(struct participant *participant);
enum participant_event remove_release(struct participant *participant);

/* ---- entries ---- */

void adhoc_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	const char *factory);
/* An INVITE to an IM Group Identity of ours. */
void group_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct group *group);
/* The same when the group has an active session. */
void join_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct conference *conference);
/* 7.2.2.9, as context.md 3.5 reads it: of an ad-hoc session who was invited or took part, and of a
 * group whom its rules let join; nobody who was expelled. */
bool join_is_allowed(const struct conference *conference, const struct request *request);
/* Is there a place for who asks (CF-7.2.1.4-R3, CF-7.2.1.5-R3)? */
bool join_has_room(const struct conference *conference, const struct request *request);
/* If privacy is asked for, may it be had? group NULL: ad-hoc. */
bool join_may_hide(
	const struct focus *focus, const struct group *group, const struct request *request);
/* A new session of the user that is to be invited when its turn comes (conference_settle); headers:
 * the header part of its list entry or Refer-To. */
must_check int invite_add(struct participant **out, struct conference *conference,
	struct inviter *inviter, const char *canonical, struct span uri, const char *display_name,
	struct span headers);
/* Does the header part of a list entry or Refer-To ask for Replaces? The invited one compares who
 * invites with whom he talks to (Appendix L), so an anonymous inviter is refused: 403 "Anonymity
 * not allowed" (context.md 3.9). */
bool invite_replaces(struct span headers);
void invite_answered(struct participant *participant, const struct response *response);
/* An INVITE to a Session Identity; conference NULL: there is none (any more). */
void rejoin_received(struct focus *focus, struct dialog *dialog, const struct request *request,
	struct conference *conference);
void modify_received(struct participant *participant, const struct request *request);
/* The peer's answer to an offer of ours within the dialog; may be empty. False: the session cannot go
 * on with it. */
must_check bool modify_answered(struct participant *participant, struct span body);
/* The answer to the offer of our 200 to an initial INVITE. False: there is none that can be
 * taken. */
must_check bool answer_taken(struct participant *participant, struct span body);
/* A SUBSCRIBE to the conference package that makes a subscription; within: the session whose dialog
 * it came in, NULL: it came outside of one. Answers t. */
void subscribe_received(struct focus *focus, struct ua_transaction *t,
	const struct request *request, struct participant *within);
/* Any REFER; p: in whose dialog it came, NULL: in none. */
void refer_received(struct focus *focus, struct ua_transaction *t, const struct request *request,
	struct participant *p);
void options_received(struct focus *focus, struct ua_transaction *t, const struct request *request);

/* A member asks the switch for a nickname; answers it. */
void nickname_received(
	void *arg, void *leg_arg, struct media_leg *leg, uint64_t ask, struct span name);

/* ---- refresh.c ---- */

/* Takes over what the request says of the session timer. -EPROTO: the interval is too small, answer
 * 422. */
must_check int refresh_read(struct participant *participant, const struct request *request);
/* Session-Expires and, where it must, Require, of the answer. */
void refresh_headers(const struct participant *participant, struct header_block *block);
/* The dialog stands (again): supervise it. */
void refresh_start(struct participant *participant);
/* It is our turn to refresh, and what came of it. */
void refresh_due(struct participant *participant);
void refresh_answered(struct participant *participant, const struct response *response);
/* A re-INVITE with our offer and the session timer. */
must_check int refresh_offer(struct participant *participant);
/* What a 422 says. */
void refresh_too_small(const struct config *config, struct header_block *block);

/* ---- recover.c ---- */

/* What the switch still holds (media_ops). */
void *recover_room_found(void *arg, const struct object_tag *tag, struct media_room *room,
	const struct room_counts *counts);
void *recover_leg_found(void *arg, void *room_arg, const struct object_tag *tag,
	struct media_leg *leg, const struct leg_status *status, struct span uri, uint16_t port);
/* The switch is there: what it does not hold is made anew. */
void recover_up(struct focus *focus);
/* It is gone. */
void recover_down(struct focus *focus);
/* The handles of room and legs are given back. */
void recover_let_go(struct conference *conference);
/* The answer to the offer of a new session-id (participant.reoffered). */
void recover_answered(struct participant *participant, const struct response *response);
/* The peer knows the session-id of its leg now, and the leg the peer's path. */
void recover_taken(struct participant *participant);
void recover_forget(struct participant *participant);
#endif
