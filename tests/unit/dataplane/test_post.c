/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "dataplane/post.h"

struct item {
	struct post post;
	unsigned sender, number;
};

Test(post, an_empty_queue_gives_nothing)
{
	struct post_queue queue;

	post_queue_init(&queue, -1);
	cr_assert_null(post_take(&queue));
}

Test(post, comes_in_the_order_it_was_sent)
{
	struct post_queue queue;
	struct item items[5];
	unsigned i, round;

	post_queue_init(&queue, -1);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 5; i++)
			post_send(&queue, &items[i].post, POST_PAYLOAD);
		for (i = 0; i < 5; i++)
			cr_assert_eq(post_take(&queue), &items[i].post);
		cr_assert_null(post_take(&queue));
	}
}

Test(post, a_sleeper_is_woken_once)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct post_queue queue;
	struct item a, b;
	uint64_t count = 0;

	post_queue_init(&queue, fd);
	cr_assert(post_may_sleep(&queue));
	post_send(&queue, &a.post, POST_PAYLOAD);
	post_send(&queue, &b.post, POST_PAYLOAD);
	cr_assert_eq(read(fd, &count, sizeof(count)), sizeof(count));
	cr_assert_eq(count, 1);
	cr_assert_not(post_may_sleep(&queue), "two posts are waiting");
	post_awake(&queue);
	cr_assert_eq(post_take(&queue), &a.post);
	cr_assert_eq(post_take(&queue), &b.post);
	cr_assert(post_may_sleep(&queue));
	close(fd);
}

#define SENDERS 4
#define NUMBERS 20000

static struct post_queue shared;

static void *sender(void *arg)
{
	struct item *items = arg;
	unsigned i;

	for (i = 0; i < NUMBERS; i++)
		post_send(&shared, &items[i].post, POST_PAYLOAD);
	return NULL;
}

Test(post, every_post_of_every_sender_comes_once_and_in_its_order, .timeout = 60)
{
	struct item *items = calloc(SENDERS * NUMBERS, sizeof(*items));
	unsigned next[SENDERS] = { 0 }, taken = 0, i;
	int fd = eventfd(0, EFD_NONBLOCK);
	pthread_t threads[SENDERS];
	struct post *post;
	uint64_t count;

	cr_assert_not_null(items);
	post_queue_init(&shared, fd);
	for (i = 0; i < SENDERS * NUMBERS; i++) {
		items[i].sender = i / NUMBERS;
		items[i].number = i % NUMBERS;
	}
	for (i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, sender, &items[i * NUMBERS]);
	while (taken < SENDERS * NUMBERS) {
		struct item *item;

		post = post_take(&shared);
		if (post == NULL) {
			/* A wake-up that is lost would hang here: the read blocks by polling for
			 * it. */
			if (post_may_sleep(&shared))
				while (read(fd, &count, sizeof(count)) < 0 &&
					atomic_load(&shared.asleep))
					usleep(10);
			post_awake(&shared);
			continue;
		}
		item = (struct item *)(void *)post;
		cr_assert_eq(item->number, next[item->sender]);
		next[item->sender]++;
		taken++;
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	free(items);
	close(fd);
}
