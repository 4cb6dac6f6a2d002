/* SPDX-License-Identifier: BSD-3-Clause */
/* controller and border: the parts that need no switch; test_attach.c has the others. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "include/border.h"
#include "include/controller.h"
#include "include/ring.h"

Test(border, rings_begin_on_pages_and_do_not_overlap)
{
	static const uint32_t sizes[] = { 64u << 10, 1u << 20, 1u << 30 };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct border_welcome welcome = { .workers = BORDER_WORKERS_MAX,
			.ring_size = sizes[i] };
		uint64_t end;

		welcome.size = border_size(welcome.workers, sizes[i], &welcome.rings_at);
		end = welcome.rings_at;
		cr_assert_geq(end, sizeof(struct border_page));
		for (uint32_t w = 0; w < welcome.workers; w++) {
			uint64_t at[] = { border_command_ring_at(&welcome, w),
				border_event_ring_at(&welcome, w) };

			for (unsigned k = 0; k < 2; k++) {
				cr_assert_eq(at[k] % 4096, 0);
				cr_assert_geq(at[k], end);
				end = at[k] + ring_shared_size(sizes[i]);
			}
		}
		cr_assert_leq(end, welcome.size);
	}
}

Test(border, an_address_is_as_given_when_it_fits)
{
	struct sockaddr_un address;
	int dir;

	cr_assert_eq(border_address("plenum.sock", &address, &dir), 0);
	cr_expect_str_eq(address.sun_path, "plenum.sock");
	cr_expect_eq(dir, -1);
	cr_expect_eq(border_address("", &address, &dir), -EINVAL);
}

Test(border, a_long_path_is_reached_through_its_directory)
{
	char directory[] = "/tmp/plenum-border-XXXXXX", deep[256], path[300], name[200];
	struct sockaddr_un address;
	struct stat st;
	int dir, fd;

	cr_assert_not_null(mkdtemp(directory));
	snprintf(deep, sizeof(deep), "%s/%0120d", directory, 0);
	cr_assert_eq(mkdir(deep, 0700), 0);
	snprintf(path, sizeof(path), "%s/sock", deep);
	cr_assert_eq(border_address(path, &address, &dir), 0);
	cr_assert_geq(dir, 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_expect_eq(stat(path, &st), 0);
	cr_expect(S_ISSOCK(st.st_mode));
	close(fd);
	close(dir);

	snprintf(name, sizeof(name), "%s/%0100d", directory, 0);
	cr_expect_eq(
		border_address(name, &address, &dir), -EINVAL, "the last part alone is too long");
	snprintf(name, sizeof(name), "/none/%0100d/sock", 0);
	cr_expect_eq(border_address(name, &address, &dir), -ENOENT);
	unlink(path);
	rmdir(deep);
	rmdir(directory);
}

Test(result, every_result_has_a_text)
{
	cr_expect_str_eq(result_text(0), "done");
	cr_expect_str_eq(result_text(-ENOENT), "no such object");
	cr_expect_str_eq(result_text(-ECONNREFUSED), "Connection refused");
	cr_expect_str_eq(result_text(1), "unknown result");
	cr_expect_str_eq(result_text(-100000), "unknown result");
	cr_expect_str_eq(result_text(INT_MIN), "unknown result");
}

Test(names, each_command_event_and_cause_has_its_own)
{
	cr_expect_str_eq(switch_command_name(CMD_ROOM_OPEN), "ROOM_OPEN");
	cr_expect_str_eq(switch_command_name(CMD_COUNT - 1), "DRAIN");
	cr_expect_str_eq(switch_command_name(CMD_COUNT), "?");
	cr_expect_str_eq(switch_event_name(EVENT_ANSWER), "ANSWER");
	cr_expect_str_eq(switch_event_name(EVENT_COUNT - 1), "DRAINING");
	cr_expect_str_eq(switch_event_name(UINT_MAX), "?");
	cr_expect_str_eq(leg_cause_text(LEG_CAUSE_LOST), "MSRP connection lost");
	cr_expect_str_eq(leg_cause_text(LEG_CAUSE_NONE), "");
	cr_expect_str_eq(leg_cause_text(LEG_CAUSE_COUNT), "?");
}

Test(text, what_was_put_is_got)
{
	struct text_builder b = { 0 };
	struct text_ref first, none, last;

	cr_assert_eq(text_put(&b, span_of("sip:alice@example.com\n"), &first), 0);
	cr_assert_eq(text_put(&b, span_of(""), &none), 0);
	cr_assert_eq(text_put(&b, span_of("*"), &last), 0);
	cr_expect(span_eq(text_get(first, b.octets, b.len), span_of("sip:alice@example.com\n")));
	cr_expect_eq(text_get(none, b.octets, b.len).len, 0);
	cr_expect(span_eq(text_get(last, b.octets, b.len), span_of("*")));
}

Test(text, a_reference_outside_of_the_text_is_empty)
{
	char text[10] = "0123456789";

	cr_expect_eq(text_get((struct text_ref){ 0, 10 }, text, 10).len, 10);
	cr_expect_eq(text_get((struct text_ref){ 0, 11 }, text, 10).len, 0);
	cr_expect_eq(text_get((struct text_ref){ 10, 1 }, text, 10).len, 0);
	cr_expect_eq(text_get((struct text_ref){ 9, 2 }, text, 10).len, 0);
	cr_expect_eq(text_get((struct text_ref){ 65535, 65535 }, text, 10).len, 0);
	cr_expect_eq(
		text_get((struct text_ref){ 1, 65535 }, text, 10).len, 0, "a sum beyond 16 bits");
	cr_expect_eq(text_get((struct text_ref){ 0, 1 }, NULL, 0).len, 0);
}

Test(text, a_builder_takes_so_much_and_no_more)
{
	static char octets[SWITCH_TEXT_MAX + 1];
	struct text_builder b = { 0 };
	struct text_ref ref = { 7, 7 };

	cr_expect_eq(text_put(&b, span_make(octets, SWITCH_TEXT_MAX + 1), &ref), -ENOBUFS);
	cr_expect_eq(ref.at, 7, "nothing was touched");
	cr_assert_eq(text_put(&b, span_make(octets, SWITCH_TEXT_MAX), &ref), 0);
	cr_expect_eq(b.len, SWITCH_TEXT_MAX);
	cr_expect_eq(text_put(&b, span_of("x"), &ref), -ENOBUFS);
	cr_expect_eq(text_put(&b, span_of(""), &ref), 0);
	cr_expect_eq(text_put(&b, span_make(octets, 65536), &ref), -ENOBUFS);
}

Test(controller, a_name_has_1_to_31_printable_octets)
{
	static const char *const names[] = { "", "01234567890123456789012345678901", "a b", "a\n",
		"\x7f", "na\xc3\xafve" };
	struct controller *c;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_eq(controller_attach(&c, "/tmp/none", names[i], 10, NULL), -EINVAL);
	cr_expect_eq(controller_attach(&c, NULL, "focus", 10, NULL), -EINVAL);
	cr_expect_eq(controller_attach(&c, "/tmp/none", NULL, 10, NULL), -EINVAL);
	cr_expect_null(c);
}

Test(controller, no_switch_is_said_at_once)
{
	struct controller *c;

	cr_expect_eq(controller_attach(&c, "/tmp/plenum-none/sock", "focus", 1000, NULL), -ENOENT);
	cr_expect_null(c);
	controller_detach(NULL);
}
