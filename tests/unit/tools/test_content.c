/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "control/xml/resource_lists.h"
#include "dataplane/msrp/cpim.h"
#include "tools/imclient/content.h"
#include "tools/imclient/cpim_out.h"

Test(content, any_part_of_random_data_is_the_same_again)
{
	struct content *c;
	char whole[1000], part[1000];

	cr_assert_eq(content_new_random(&c, sizeof(whole), 42), 0);
	cr_assert_eq(content_read(c, 0, whole, sizeof(whole)), 0);
	for (size_t from = 0; from < 40; from++) {
		for (size_t len = 1; len < 40; len++) {
			cr_assert_eq(content_read(c, from, part, len), 0);
			cr_assert_arr_eq(part, whole + from, len);
		}
	}
	cr_expect_eq(content_read(c, 999, part, 2), -EINVAL);
	content_free(c);
}

Test(content, the_hash_is_of_the_whole_also_when_parts_are_read_twice)
{
	struct content *c;
	char out[3], sha256[CONTENT_SHA256_TEXT];

	cr_assert_eq(content_new_text(&c, SPAN_LITERAL("abc")), 0);
	cr_assert_eq(content_read(c, 0, out, 2), 0);
	cr_expect_not(content_sha256(c, sha256), "not all was read");
	cr_assert_eq(content_read(c, 1, out, 2), 0);
	cr_assert(content_sha256(c, sha256));
	/* FIPS 180-2, appendix B.1 */
	cr_expect_str_eq(
		sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	content_free(c);
}

Test(content, a_file_that_shrinks_is_noticed_and_a_directory_is_no_file)
{
	char path[] = "/tmp/plenum-content-XXXXXX", out[100];
	int fd = mkstemp(path);
	struct content *c;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "0123456789", 10), 10);
	cr_assert_eq(content_new_file(&c, path), 0);
	cr_expect_eq(content_octets(c), 10);
	cr_assert_eq(content_read(c, 2, out, 8), 0);
	cr_expect_arr_eq(out, "23456789", 8);
	cr_assert_eq(ftruncate(fd, 5), 0);
	cr_expect_eq(content_read(c, 2, out, 8), -EBADMSG);
	content_free(c);
	cr_expect_eq(content_new_file(&c, "/tmp"), -ENOENT);
	cr_expect_eq(content_new_file(&c, "/nonexistent"), -ENOENT);
	unlink(path);
	close(fd);
}

Test(cpim_out, what_is_written_is_read_back)
{
	char *head = cpim_head_write(
		"sip:alice@example.com", "sip:im-1@example.com", 1772359200, "text/plain");
	struct cpim cpim;
	size_t resume = 0;

	cr_assert_not_null(head);
	cr_assert_eq(cpim_parse(span_of(head), &resume, &cpim), 0);
	cr_expect(span_eq(cpim.from, SPAN_LITERAL("sip:alice@example.com")));
	cr_expect(span_eq(cpim.to, SPAN_LITERAL("sip:im-1@example.com")));
	cr_expect(span_eq(cpim.content_type, SPAN_LITERAL("text/plain")));
	cr_expect_eq(cpim.head_len, strlen(head));
	cr_expect_not_null(strstr(head, "DateTime: 2026-03-01T10:00:00Z\r\n"));
	free(head);
	cr_expect_null(cpim_head_write("sip:a@b>\r\nTo: <sip:c@d", "sip:e@f", 0, "text/plain"));
	cr_expect_null(cpim_head_write("sip:a@b", "sip:e@f", 0, "text/plain\r\nX: y"));
}

Test(cpim_out, a_resource_list_is_read_back_with_its_entries)
{
	static const char *const uris[] = { "sip:bob@example.com", "sip:x&y@example.com" };
	struct resource_list list;
	char *text = resource_list_write(uris, 2), why[128];

	cr_assert_not_null(text);
	cr_assert_eq(resource_list_parse(span_of(text), &list, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(list.count, 2);
	cr_expect_str_eq(list.entries[0].uri, uris[0]);
	cr_expect_str_eq(list.entries[1].uri, uris[1]);
	cr_expect_eq(list.entries[0].copy, COPY_TO);
	resource_list_fini(&list);
	free(text);
}
