/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include "control/sip/admission.h"

static struct admission *admission;

static void begin(uint32_t overall, uint32_t source, uint32_t stranger, uint32_t sources)
{
	struct admission_limits limits = {
		.source = source, .stranger = stranger, .sources = sources
	};

	for (unsigned i = 0; i < ADMISSION_KINDS; i++)
		limits.overall[i] = overall;
	cr_assert_eq(admission_new(&admission, &limits), 0);
}

static void end(void)
{
	admission_free(admission);
}

TestSuite(admission, .fini = end);

static bool ask(const char *address, enum admission_kind kind, bool trusted, uint64_t now_ms)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
		return admission_take(admission, kind, (struct sockaddr *)&in, trusted, now_ms);
	cr_assert_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	return admission_take(admission, kind, (struct sockaddr *)&in6, trusted, now_ms);
}

static unsigned let_in(
	const char *address, enum admission_kind kind, unsigned tries, uint64_t now_ms)
{
	unsigned count = 0;

	for (unsigned i = 0; i < tries; i++)
		count += ask(address, kind, true, now_ms);
	return count;
}

Test(admission, zero_is_no_limit)
{
	begin(0, 0, 0, 16);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 100000, 0), 100000u);
	cr_assert_eq(admission_refused(admission), 0u);
}

Test(admission, one_second_is_let_in_at_once_then_the_rate)
{
	begin(50, 0, 0, 16);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 100, 5000), 50u);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 100, 5000), 0u);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 100, 5100), 5u);
	/* However long it was quiet: one second's worth. */
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 1000, 5000000), 50u);
	cr_assert_eq(admission_refused(admission), 50u + 100u + 95u + 950u);
	cr_assert_eq(admission_refused(admission), 0u);
}

Test(admission, a_slow_rate_adds_up)
{
	unsigned count = 0;

	begin(1, 0, 0, 16);
	for (uint64_t now = 0; now < 10000; now += 7)
		count += ask("192.0.2.1", ADMISSION_REFER, true, now);
	cr_assert_eq(count, 10u);
}

Test(admission, kinds_do_not_take_from_each_other)
{
	begin(3, 2, 0, 16);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 9, 0), 2u);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_SUBSCRIBE, 9, 0), 2u);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_REGISTER, 9, 0), 2u);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_REFER, 9, 0), 2u);
}

Test(admission, one_source_does_not_use_up_what_is_for_all)
{
	begin(10, 4, 0, 16);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 1000, 0), 4u);
	cr_assert_eq(let_in("192.0.2.2", ADMISSION_INVITE, 1000, 0), 4u);
	cr_assert_eq(let_in("192.0.2.3", ADMISSION_INVITE, 1000, 0), 2u);
}

Test(admission, strangers_have_a_rate_of_their_own)
{
	begin(0, 0, 3, 16);
	cr_assert_eq(let_in("192.0.2.1", ADMISSION_INVITE, 1000, 0), 1000u);
	for (unsigned i = 0; i < 10; i++)
		cr_assert_eq(ask("192.0.2.9", ADMISSION_INVITE, false, 0), i < 3);
}

Test(admission, an_ipv6_source_is_its_64_bits)
{
	begin(0, 2, 0, 16);
	cr_assert(ask("2001:db8::1", ADMISSION_INVITE, true, 0));
	cr_assert(ask("2001:db8::2", ADMISSION_INVITE, true, 0));
	cr_assert_not(ask("2001:db8::3:4", ADMISSION_INVITE, true, 0));
	cr_assert(ask("2001:db8:0:1::1", ADMISSION_INVITE, true, 0));
	/* An IPv4 address is the same by a dual-stack listener. */
	cr_assert(ask("192.0.2.1", ADMISSION_INVITE, true, 0));
	cr_assert(ask("::ffff:192.0.2.1", ADMISSION_INVITE, true, 0));
	cr_assert_not(ask("::ffff:192.0.2.1", ADMISSION_INVITE, true, 0));
	cr_assert(ask("::ffff:192.0.2.2", ADMISSION_INVITE, true, 0));
}

/* The table is full of others; who is heard again and again stays in it. */
Test(admission, the_oldest_source_makes_room)
{
	begin(0, 1, 0, 8); /* one set */
	cr_assert(ask("10.0.0.1", ADMISSION_INVITE, true, 0));
	for (unsigned i = 2; i < 60; i++) {
		char address[20];

		snprintf(address, sizeof(address), "10.0.0.%u", i);
		cr_assert(ask(address, ADMISSION_INVITE, true, i));
		cr_assert_not(ask("10.0.0.1", ADMISSION_INVITE, true, i), "forgotten after %u", i);
	}
	cr_assert(ask("10.0.0.2", ADMISSION_INVITE, true, 60), "still remembered");
}

Test(admission, memory_does_not_grow_with_sources)
{
	begin(0, 1, 1, 64);
	for (unsigned i = 0; i < 200000; i++) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(i) };

		cr_assert(admission_take(
			admission, ADMISSION_INVITE, (struct sockaddr *)&in, i & 1, i));
	}
}
