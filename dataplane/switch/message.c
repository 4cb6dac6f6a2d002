/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/message.h"
#include <string.h>
#include "dataplane/switch/room.h"
#include "dataplane/worker.h"

size_t message_size(unsigned workers)
{
	return sizeof(struct message) + workers * sizeof(struct message_part);
}

struct message *message_new(struct worker *worker)
{
	struct message *message = pool_get(&worker->messages);

	if (message == NULL)
		return NULL;
	memset(message, 0, message_size(worker->shared->workers));
	message->home = worker->index;
	atomic_init(&message->cores, 1);
	/* RFC 4975 7.1.1: never the Message-ID of another message; 80 random bits. */
	message->id_len = MESSAGE_ID_OCTETS;
	worker_random_text(worker, message->id, MESSAGE_ID_OCTETS);
	return message;
}

void message_drop(struct worker *worker, struct message *message)
{
	if (atomic_fetch_sub_explicit(&message->cores, 1, memory_order_acq_rel) == 1)
		worker_post(worker, message->room->worker, &message->post, POST_MESSAGE_DONE);
}
