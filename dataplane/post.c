/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/post.h"
#include <stddef.h>
#include <unistd.h>

/* The queue is a list from head (oldest) to tail. A sender swaps itself in as tail and then links
 * its predecessor to itself; between the two the list is broken for an instant, and the owner sees
 * "nothing" until the link is there. The anchor stands in when the list would become empty, so
 * that head and tail are never both absent. */

/* Why no wake-up is lost. The owner stores asleep = 1, fences, and looks at the tail; a sender exchanges
 * the tail, fences, and looks at asleep. Of the two fences one is first: if the sender's, the owner
 * sees the new tail and does not sleep; if the owner's, the sender sees 1 and writes the descriptor, which
 * stays readable until the owner has read it, so epoll returns whenever it is asked. Who takes the 1
 * away writes: one write for any number of posts. The owner's own 0, when it is up again, can hide
 * its 1 from a sender; it looks at the queue after that, and before it sleeps the next time it
 * says 1 and looks again. A 1 of an earlier sleep that is seen late costs a turn for nothing.
 * A sender between its two steps has changed the tail: the owner turns until the link is there. */

void post_queue_init(struct post_queue *queue, int fd)
{
	atomic_init(&queue->anchor.next, NULL);
	queue->anchor.kind = POST_ANCHOR;
	queue->head = &queue->anchor;
	atomic_init(&queue->tail, &queue->anchor);
	atomic_init(&queue->asleep, 0);
	queue->fd = fd;
}

static void append(struct post_queue *queue, struct post *post)
{
	struct post *before;

	atomic_store_explicit(&post->next, NULL, memory_order_relaxed);
	before = atomic_exchange_explicit(&queue->tail, post, memory_order_acq_rel);
	atomic_store_explicit(&before->next, post, memory_order_release);
}

void post_send(struct post_queue *queue, struct post *post, enum post_kind kind)
{
	post->kind = (uint8_t)kind;
	append(queue, post);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&queue->asleep, memory_order_relaxed) &&
		atomic_exchange_explicit(&queue->asleep, 0, memory_order_relaxed)) {
		uint64_t one = 1;
		ssize_t n = write(queue->fd, &one, sizeof(one));
		(void)n; /* an eventfd that is full wakes as well */
	}
}

struct post *post_take(struct post_queue *queue)
{
	struct post *head = queue->head;
	struct post *next = atomic_load_explicit(&head->next, memory_order_acquire);

	if (head == &queue->anchor) {
		if (next == NULL)
			return NULL;
		queue->head = head = next;
		next = atomic_load_explicit(&head->next, memory_order_acquire);
	}
	if (next != NULL) {
		queue->head = next;
		return head;
	}
	if (atomic_load_explicit(&queue->tail, memory_order_acquire) != head)
		return NULL; /* a sender is between its two steps */
	append(queue, &queue->anchor);
	next = atomic_load_explicit(&head->next, memory_order_acquire);
	if (next == NULL)
		return NULL;
	queue->head = next;
	return head;
}

bool post_may_sleep(struct post_queue *queue)
{
	atomic_store_explicit(&queue->asleep, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return queue->head == &queue->anchor &&
	       atomic_load_explicit(&queue->tail, memory_order_acquire) == &queue->anchor;
}

void post_awake(struct post_queue *queue)
{
	atomic_store_explicit(&queue->asleep, 0, memory_order_relaxed);
}
