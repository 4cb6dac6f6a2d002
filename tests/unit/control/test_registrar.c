/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include "control/sip/registrar.h"

#define ALICE "sip:alice@example.com"

static struct registrar *registrar;
static const struct registrar_contact *contacts;

static void setup(void)
{
	cr_assert_eq(registrar_new(&registrar), 0);
}

static void teardown(void)
{
	registrar_free(registrar);
}

TestSuite(registrar, .init = setup, .fini = teardown);

static int set(
	const char *uri, const char *call_id, uint32_t cseq, uint32_t seconds, uint64_t now_ms)
{
	return registrar_set(
		registrar, ALICE, span_of(uri), span_of(call_id), cseq, seconds, now_ms);
}

Test(registrar, most_recent_contact_is_first)
{
	cr_assert_eq(set("sip:a@h1", "c1", 1, 60, 0), 0);
	cr_assert_eq(set("sip:a@h2", "c2", 1, 60, 0), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 2u);
	cr_assert_str_eq(contacts[0].uri, "sip:a@h2");
	cr_assert_str_eq(contacts[1].uri, "sip:a@h1");
	cr_assert_eq(set("sip:a@h1", "c1", 2, 60, 0), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 2u);
	cr_assert_str_eq(contacts[0].uri, "sip:a@h1");
}

Test(registrar, contact_expires_and_the_user_with_it)
{
	cr_assert_eq(set("sip:a@h1", "c1", 1, 60, 1000), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 60999, &contacts), 1u);
	cr_assert_eq(registrar_find(registrar, ALICE, 61000, &contacts), 0u);
	cr_assert_eq(registrar_users(registrar), 0u);
}

Test(registrar, zero_seconds_remove_one_contact)
{
	cr_assert_eq(set("sip:a@h1", "c1", 1, 60, 0), 0);
	cr_assert_eq(set("sip:a@h2", "c2", 1, 60, 0), 0);
	cr_assert_eq(set("sip:a@h1", "c1", 2, 0, 0), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 1u);
	cr_assert_str_eq(contacts[0].uri, "sip:a@h2");
}

Test(registrar, request_out_of_order_changes_nothing)
{
	cr_assert_eq(set("sip:a@h1", "c1", 5, 60, 0), 0);
	cr_assert_eq(set("sip:a@h1", "c1", 5, 0, 0), -EPROTO);
	cr_assert_eq(set("sip:a@h1", "c1", 4, 0, 0), -EPROTO);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 1u);
	cr_assert_eq(set("sip:a@h1", "other", 1, 0, 0), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 0u);
}

Test(registrar, contacts_of_one_user_are_limited)
{
	char uri[32];

	for (unsigned i = 0; i < REGISTRAR_CONTACTS_MAX; i++) {
		snprintf(uri, sizeof(uri), "sip:a@h%u", i);
		cr_assert_eq(set(uri, "c", i + 1, 60, 0), 0);
	}
	cr_assert_eq(set("sip:a@more", "c", 99, 60, 0), -ENOBUFS);
	cr_assert_eq(set("sip:a@h3", "c", 99, 60, 0), 0, "one that is there is renewed");
	cr_assert_eq(set("sip:a@more", "c", 99, 60, 60000), 0, "expired ones make room");
}

Test(registrar, contact_that_is_empty_or_too_long_is_refused)
{
	static char longer[REGISTRAR_URI_MAX + 2];

	memset(longer, 'x', sizeof(longer) - 1);
	cr_assert_eq(set("", "c", 1, 60, 0), -EINVAL);
	cr_assert_eq(set(longer, "c", 1, 60, 0), -EINVAL);
	cr_assert_eq(registrar_users(registrar), 0u);
}

Test(registrar, time_asked_for_is_cut_to_the_most_that_is_granted)
{
	cr_assert_eq(set("sip:a@h1", "c", 1, 4000000000u, 0), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 1u);
	cr_assert_eq(contacts[0].expires_ms, REGISTRAR_EXPIRES_MAX * 1000ull);
}

Test(registrar, star_removes_all)
{
	cr_assert_eq(set("sip:a@h1", "c1", 1, 60, 0), 0);
	cr_assert_eq(set("sip:a@h2", "c2", 1, 60, 0), 0);
	registrar_clear(registrar, ALICE);
	cr_assert_eq(registrar_find(registrar, ALICE, 1, &contacts), 0u);
	registrar_clear(registrar, ALICE);
	cr_assert_eq(registrar_users(registrar), 0u);
}

Test(registrar, table_that_is_full_is_swept_of_expired_users)
{
	char aor[40];
	struct span uri = SPAN_LITERAL("sip:a@h"), id = SPAN_LITERAL("c");

	for (unsigned i = 0; i < REGISTRAR_USERS_MAX; i++) {
		snprintf(aor, sizeof(aor), "sip:u%u@example.com", i);
		cr_assert_eq(registrar_set(registrar, aor, uri, id, 1, i == 7 ? 3600 : 10, 0), 0);
	}
	cr_assert_eq(registrar_set(registrar, ALICE, uri, id, 1, 60, 5000), -ENOBUFS);
	cr_assert_eq(registrar_set(registrar, ALICE, uri, id, 1, 60, 10000), 0);
	cr_assert_eq(registrar_users(registrar), 2u);
}

Test(registrar, what_is_in_force_is_packed_and_made_again_in_its_order)
{
	struct registrar *later;
	struct unpacked *fields;
	struct pack *pack;

	cr_assert_eq(set("sip:a@h1", "c1", 7, 60, 1000), 0);
	cr_assert_eq(set("sip:a@h2", "c2", 8, 20, 1000), 0);
	cr_assert_eq(set("sip:a@h3", "c3", 9, 600, 1000), 0);
	cr_assert_eq(pack_new(&pack), 0);
	cr_assert(registrar_pack(registrar, ALICE, 2000, pack));
	cr_assert_eq(unpack(&fields, pack_record(pack)), 0);
	cr_assert_eq(registrar_new(&later), 0);
	/* Half a minute later one of them has expired. */
	cr_assert_eq(registrar_restore(later, ALICE, fields, 31000), 0);
	cr_assert_eq(registrar_find(later, ALICE, 31000, &contacts), 2u);
	cr_expect_str_eq(contacts[0].uri, "sip:a@h3");
	cr_expect_eq(contacts[0].expires_ms, 601000);
	cr_expect_str_eq(contacts[1].uri, "sip:a@h1");
	cr_expect_eq(contacts[1].expires_ms, 61000);
	/* A request from before is still out of order. */
	cr_expect_eq(registrar_set(later, ALICE, span_of("sip:a@h1"), span_of("c1"), 7, 60, 31000),
		-EPROTO);
	registrar_free(later);
	cr_assert_eq(registrar_new(&later), 0);
	cr_expect_eq(registrar_restore(later, ALICE, fields, 700000), -ENOENT);
	cr_expect_eq(registrar_users(later), 0);
	registrar_free(later);
	unpack_free(fields);
	pack_clear(pack);
	cr_expect_not(registrar_pack(registrar, "sip:bob@example.com", 2000, pack));
	pack_free(pack);
}

static void note_dropped(void *arg, const char *aor)
{
	++*(unsigned *)arg;
	cr_expect_str_eq(aor, ALICE);
}

Test(registrar, who_watches_hears_of_the_forgotten)
{
	unsigned dropped = 0;

	registrar_watch(registrar, note_dropped, &dropped);
	cr_assert_eq(set("sip:a@h1", "c1", 1, 60, 0), 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 59000, &contacts), 1u);
	cr_expect_eq(dropped, 0);
	cr_assert_eq(registrar_find(registrar, ALICE, 61000, &contacts), 0u);
	cr_expect_eq(dropped, 1);
	cr_assert_eq(set("sip:a@h1", "c1", 2, 60, 0), 0);
	registrar_clear(registrar, ALICE);
	cr_expect_eq(dropped, 2);
	cr_assert_eq(set("sip:a@h1", "c1", 3, 60, 0), 0); /* its end is not a forgetting */
}
