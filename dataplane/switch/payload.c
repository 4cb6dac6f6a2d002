/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/payload.h"
#include <string.h>
#include "dataplane/worker.h"

const uint32_t payload_class_octets[PAYLOAD_CLASSES] = { 384, 1536, 5120, 0 };

size_t payload_size(enum payload_class class, unsigned workers)
{
	return sizeof(struct payload) + workers * sizeof(struct view) + payload_class_octets[class];
}

struct buffer *buffer_get(struct worker *worker)
{
	struct buffer *buffer = pool_get(&worker->buffers);

	if (buffer != NULL)
		buffer->refs = 1;
	return buffer;
}

void buffer_put(struct worker *worker, struct buffer *buffer)
{
	if (--buffer->refs == 0)
		pool_put(&worker->buffers, buffer);
}

uint8_t *payload_room(struct worker *worker, struct payload *payload)
{
	return (uint8_t *)&payload->views[worker->shared->workers];
}

static struct payload *take(struct worker *worker, enum payload_class class)
{
	struct payload *payload = pool_get(&worker->payloads[class]);
	unsigned i;

	if (payload == NULL)
		return NULL;
	memset(payload, 0, sizeof(*payload));
	payload->class = class;
	payload->home = worker->index;
	atomic_init(&payload->cores, 1);
	for (i = 0; i < worker->shared->workers; i++)
		payload->views[i] = (struct view){ .payload = payload };
	return payload;
}

struct payload *payload_new(
	struct worker *worker, uint32_t len, struct buffer *buffer, const uint8_t *octets)
{
	struct payload *payload = NULL;
	unsigned class;

	/* Copying is cheaper than pinning until about a kilobyte and a half; beyond it the buffer
	 * is referred to. */
	if (buffer == NULL || len <= payload_class_octets[PAYLOAD_1536]) {
		for (class = PAYLOAD_384; class < PAYLOAD_BUFFER && payload == NULL; class ++)
			if (len <= payload_class_octets[class])
				payload = take(worker, class);
		if (payload != NULL) {
			payload->octets = payload_room(worker, payload);
			payload->len = len;
			if (octets != NULL)
				memcpy(payload_room(worker, payload), octets, len);
			return payload;
		}
	}
	if (buffer == NULL)
		return NULL;
	payload = take(worker, PAYLOAD_BUFFER);
	if (payload == NULL)
		return NULL;
	payload->octets = octets;
	payload->len = len;
	payload->buffer = buffer;
	buffer->refs++;
	return payload;
}

void payload_home(struct worker *worker, struct payload *payload)
{
	if (payload->buffer != NULL)
		buffer_put(worker, payload->buffer);
	pool_put(&worker->payloads[payload->class], payload);
}

void payload_drop(struct worker *worker, struct payload *payload)
{
	/* Alone: no other core can come to hold it, as only a holder hands it on. */
	if (atomic_load_explicit(&payload->cores, memory_order_acquire) != 1 &&
		atomic_fetch_sub_explicit(&payload->cores, 1, memory_order_acq_rel) != 1)
		return;
	if (payload->home == worker->index)
		payload_home(worker, payload);
	else
		worker_post(worker, payload->home, &payload->post, POST_PAYLOAD_HOME);
}
