/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival of the session of a pre-defined group. */
#include "tests/scenario/focus/group_cast.h"
#include "tests/scenario/focus/survive.h"

#define FOUR LIST(ENTRY("alice") ENTRY("bob") ENTRY("carol") ENTRY("dave"))

Test(survival_group, the_session_goes_on_under_its_document)
{
	struct sip_call daves = { 0 };
	struct sip_peer dave;
	char path[120];

	open_group(NULL, GROUP(FOUR MAXIMUM("3") RULES(RULE("<is-list-member/>", MAY MAY_WATCH))));
	sip_peer_open(&dave, &rig, "dave", SIP_TRUSTED, false);
	enter(&call, &alice);
	enter(&bobs, &bob);
	kill_and_start_focus(&alice);
	/* It is the same session, and the maximum counts those of before. */
	enter(&carols, &carol);
	cr_expect_str_eq(carols.identity, call.identity);
	cr_expect_eq(ask_team(&daves, &dave, ""), 486);
	subscribe(&call);
	HAS(call.peer->message.body, "<user-count>3</user-count>");
	kill_and_start_focus(&alice);
	HAS(notified(&call)->body, "<user-count>3</user-count>");
	/* Without its document nobody says any more what is allowed in it. */
	settled(&alice);
	kill_it(&rig.focus);
	snprintf(path, sizeof(path), "%s/groups/team.xml", rig.directory);
	cr_assert_eq(unlink(path), 0);
	start_it(&rig.focus);
	cr_expect(call_byed(&call, RIG_WAIT_MS));
	cr_expect(call_byed(&bobs, RIG_WAIT_MS));
	cr_expect(call_byed(&carols, RIG_WAIT_MS));
	sip_peer_close(&dave);
	close_all();
}
