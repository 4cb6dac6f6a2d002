/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "include/ring.h"

#define SIZE (64u << 10)

static struct ring_shared *shared;
static struct ring in, out; /* producer's and consumer's end */
static uint8_t record[RING_RECORD_MAX];

static void open_both(void)
{
	shared = aligned_alloc(64, ring_shared_size(SIZE));
	cr_assert_not_null(shared);
	ring_format(shared);
	cr_assert_eq(ring_open(&in, shared, SIZE), 0);
	cr_assert_eq(ring_open(&out, shared, SIZE), 0);
}

static void free_both(void)
{
	free(shared);
}

TestSuite(ring, .init = open_both, .fini = free_both);

static void put_text(const char *text)
{
	cr_assert_eq(ring_put(&in, text, strlen(text), NULL, 0), 0);
}

static void assert_next_is(const char *text)
{
	int len = ring_get(&out, record);

	cr_assert_eq(len, (int)strlen(text));
	cr_assert_arr_eq(record, text, strlen(text));
}

/* Octets of which every place in every record is different, so that a wrong copy shows. */
static void pattern(uint8_t *octets, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		octets[i] = (uint8_t)(seed * 131 + i * 7 + (i >> 8));
}

static unsigned fill(void)
{
	uint8_t octets[1000];
	unsigned count = 0;

	pattern(octets, sizeof(octets), 0);
	while (ring_put(&in, octets, sizeof(octets), NULL, 0) == 0)
		count++;
	return count;
}

Test(ring, size_is_a_power_of_two_between_64_kib_and_1_gib)
{
	struct ring ring;

	cr_expect_eq(ring_open(&ring, shared, 0), -EINVAL);
	cr_expect_eq(ring_open(&ring, shared, 4096), -EINVAL);
	cr_expect_eq(ring_open(&ring, shared, SIZE + 8), -EINVAL);
	cr_expect_eq(ring_open(&ring, shared, 2ull << 30), -EINVAL);
	cr_expect_eq(ring_open(&ring, NULL, SIZE), -EINVAL);
	cr_expect_eq(ring_open(&ring, (void *)((uint8_t *)shared + 8), SIZE), -EINVAL);
	cr_expect_eq(ring_open(&ring, shared, 1u << 30), 0);
}

Test(ring, records_come_out_as_they_went_in)
{
	cr_assert_eq(ring_put(&in, "head", 4, " and text", 9), 0);
	put_text("second");
	cr_expect_eq(ring_get(&out, record), 0, "nothing is visible before the flush");
	ring_flush(&in);
	assert_next_is("head and text");
	assert_next_is("second");
	cr_expect_eq(ring_get(&out, record), 0);
}

Test(ring, either_part_of_a_record_may_be_empty)
{
	cr_assert_eq(ring_put(&in, NULL, 0, "b", 1), 0);
	cr_assert_eq(ring_put(&in, "a", 1, NULL, 0), 0);
	ring_flush(&in);
	assert_next_is("b");
	assert_next_is("a");
}

Test(ring, a_record_has_1_to_16384_octets)
{
	static uint8_t octets[RING_RECORD_MAX];

	pattern(octets, sizeof(octets), 3);
	cr_expect_eq(ring_put(&in, octets, 0, NULL, 0), -EINVAL);
	cr_expect_eq(ring_put(&in, octets, RING_RECORD_MAX, octets, 1), -EINVAL);
	cr_expect_eq(ring_put(&in, octets, SIZE_MAX, octets, 2), -EINVAL, "a sum that wraps");
	cr_expect_eq(ring_put(&in, octets, RING_RECORD_MAX, NULL, 0), 0);
	ring_flush(&in);
	cr_assert_eq(ring_get(&out, record), (int)RING_RECORD_MAX);
	cr_expect_arr_eq(record, octets, sizeof(octets));
}

Test(ring, a_record_may_lie_across_the_end_at_every_place)
{
	static uint8_t a[520], b[RING_RECORD_MAX];

	for (unsigned i = 0; i < 4000; i++) {
		size_t a_len = (i * 13) % sizeof(a), b_len = 1 + (i * 29) % 700;

		pattern(a, a_len, i);
		pattern(b, b_len, i + 1);
		cr_assert_eq(ring_put(&in, a, a_len, b, b_len), 0);
		ring_flush(&in);
		cr_assert_eq(ring_get(&out, record), (int)(a_len + b_len));
		cr_assert_arr_eq(record, a, a_len);
		cr_assert_arr_eq(record + a_len, b, b_len);
		ring_release(&out);
	}
	cr_expect_gt(in.own, 16 * SIZE, "it went round many times");
}

Test(ring, a_full_ring_refuses_and_changes_nothing)
{
	unsigned count = fill();

	cr_expect_eq(count, SIZE / 1008, "1000 octets, a length of 4, padded to 8");
	ring_flush(&in);
	for (unsigned i = 0; i < count; i++)
		cr_assert_eq(ring_get(&out, record), 1000);
	cr_expect_eq(ring_get(&out, record), 0);
	cr_expect_eq(ring_put(&in, record, 1000, NULL, 0), -ENOBUFS, "taken is not yet released");
	ring_release(&out);
	cr_expect_eq(ring_put(&in, record, 1000, NULL, 0), 0);
}

Test(ring, a_ring_can_be_filled_to_the_last_octet)
{
	for (unsigned i = 0; i < SIZE / 1024; i++)
		cr_assert_eq(ring_put(&in, record, 1020, NULL, 0), 0);
	cr_expect_eq(ring_room(&in), 0);
	cr_expect_eq(ring_put(&in, record, 1, NULL, 0), -ENOBUFS);
	ring_flush(&in);
	for (unsigned i = 0; i < SIZE / 1024; i++)
		cr_assert_eq(ring_get(&out, record), 1020);
	cr_expect_eq(ring_get(&out, record), 0);
}

Test(ring, room_is_what_a_record_may_still_have)
{
	cr_expect_eq(ring_room(&in), RING_RECORD_MAX);
	fill();
	size_t room = ring_room(&in);

	cr_assert_gt(room, 0);
	cr_assert_lt(room, 1000);
	cr_expect_eq(ring_put(&in, record, room + 1, NULL, 0), -ENOBUFS);
	cr_expect_eq(ring_put(&in, record, room, NULL, 0), 0);
	cr_expect_eq(ring_room(&in), 0);
}

Test(ring, flush_of_nothing_wakes_nobody)
{
	cr_assert(ring_may_sleep(&out));
	cr_expect_not(ring_flush(&in));
	put_text("x");
	cr_expect(ring_flush(&in));
}

Test(ring, a_sleeping_reader_is_woken_once)
{
	put_text("1");
	cr_expect_not(ring_flush(&in), "nobody sleeps");
	assert_next_is("1");
	cr_assert(ring_may_sleep(&out));
	put_text("2");
	cr_expect(ring_flush(&in));
	put_text("3");
	cr_expect_not(ring_flush(&in), "it is being woken already");
	ring_awake(&out);
	assert_next_is("2");
}

Test(ring, a_reader_with_something_to_read_may_not_sleep)
{
	put_text("1");
	put_text("2");
	ring_flush(&in);
	cr_expect_not(ring_may_sleep(&out));
	assert_next_is("1");
	cr_expect_not(ring_may_sleep(&out), "known, but not yet taken");
	put_text("3");
	cr_expect_not(ring_flush(&in), "a refused sleep leaves no mark");
	assert_next_is("2");
	assert_next_is("3");
	cr_expect(ring_may_sleep(&out));
}

Test(ring, a_writer_without_room_is_woken_when_half_is_free)
{
	unsigned count = fill(), taken = 0;
	bool woken = false;

	ring_flush(&in);
	while (!woken) {
		cr_assert_eq(ring_get(&out, record), 1000);
		taken++;
		woken = ring_release(&out);
	}
	cr_expect_eq(taken, (count + 1) / 2);
	while (ring_get(&out, record) > 0)
		cr_assert_not(ring_release(&out), "one wake-up for one mark");
}

Test(ring, a_writer_with_room_is_not_woken)
{
	put_text("1");
	ring_flush(&in);
	assert_next_is("1");
	cr_expect_not(ring_release(&out));
	cr_expect_not(ring_release(&out), "nothing was taken since");
}

Test(ring, too_little_room_leaves_the_mark_as_a_refusal_does)
{
	while (ring_room(&in) == RING_RECORD_MAX)
		cr_assert_eq(ring_put(&in, record, 1000, NULL, 0), 0);
	ring_flush(&in);
	while (ring_get(&out, record) > 0)
		;
	cr_expect(ring_release(&out));
}

/* What a hostile peer writes into the shared part. */

static void assert_reader_broken(void)
{
	cr_assert_eq(ring_get(&out, record), -EPROTO);
	atomic_store(&shared->tail, 0);
	cr_expect_eq(ring_get(&out, record), -EPROTO, "for ever");
	cr_expect(ring_may_sleep(&out), "but it does not keep its reader awake");
	ring_release(&out);
}

Test(ring, a_tail_further_away_than_the_size_breaks_it)
{
	atomic_store(&shared->tail, SIZE + 8);
	assert_reader_broken();
}

Test(ring, a_tail_between_two_places_breaks_it)
{
	atomic_store(&shared->tail, 12);
	assert_reader_broken();
}

Test(ring, a_tail_that_moves_back_breaks_it)
{
	put_text("1");
	put_text("2");
	ring_flush(&in);
	assert_next_is("1");
	assert_next_is("2");
	atomic_store(&shared->tail, 8);
	cr_expect_not(ring_may_sleep(&out), "the reader must hear of it");
	assert_reader_broken();
}

Test(ring, a_tail_over_what_was_not_released_breaks_it)
{
	put_text("1");
	ring_flush(&in);
	assert_next_is("1");
	atomic_store(&shared->tail, 8 + SIZE);
	assert_reader_broken();
}

Test(ring, lengths_that_cannot_be_break_it)
{
	static const uint32_t lengths[] = { 0, RING_RECORD_MAX + 1, UINT32_MAX, UINT32_MAX - 3,
		17 };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ring reader;

		ring_format(shared);
		cr_assert_eq(ring_open(&reader, shared, SIZE), 0);
		memcpy(shared->data, &lengths[i], sizeof(lengths[i]));
		atomic_store(&shared->tail, lengths[i] == 17 ? 16 : SIZE);
		cr_expect_eq(ring_get(&reader, record), -EPROTO, "length %u", lengths[i]);
	}
}

static void assert_writer_broken(uint64_t head)
{
	fill();
	ring_flush(&in);
	atomic_store(&shared->head, head);
	cr_assert_eq(ring_put(&in, record, 1000, NULL, 0), -EPROTO);
	atomic_store(&shared->head, 0);
	cr_expect_eq(ring_put(&in, record, 1, NULL, 0), -EPROTO, "for ever");
	cr_expect_eq(ring_room(&in), 0);
	cr_expect_not(ring_flush(&in));
}

Test(ring, a_head_beyond_what_was_published_breaks_it)
{
	assert_writer_broken(SIZE);
}

Test(ring, a_head_between_two_places_breaks_it)
{
	assert_writer_broken(12);
}

Test(ring, a_head_that_moves_back_breaks_it)
{
	fill();
	ring_flush(&in);
	while (ring_get(&out, record) > 0)
		;
	ring_release(&out);
	fill(); /* has seen the head where it is now */
	ring_flush(&in);
	atomic_store(&shared->head, 8);
	cr_expect_eq(ring_room(&in), 0);
	cr_expect_eq(ring_put(&in, record, 1000, NULL, 0), -EPROTO);
}

Test(ring, what_is_only_staged_cannot_be_taken_by_the_reader)
{
	put_text("1");
	ring_flush(&in);
	fill();
	atomic_store(&shared->head, 64);
	cr_expect_eq(ring_put(&in, record, 1000, NULL, 0), -EPROTO);
}
