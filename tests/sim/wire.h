/* SPDX-License-Identifier: BSD-3-Clause */
/* wire: what a peer of the simulator reads and writes. A reading of RFC 4975 of its own: it shares
 * nothing with dataplane/msrp, is slow, and takes nothing that a receiver might take differently.
 */
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_STAR UINT64_MAX

struct wire_item {
	bool request;
	char method[16]; /* of a request */
	unsigned status; /* of a response; of a REPORT its Status */
	char tid[40], id[40], to[600], from[600], type[64];
	bool has_range, has_body, has_count;
	uint64_t start, end, total;
	uint32_t count;
	char failure_report; /* 'y', 'n', 'p'; 'y' if absent */
	bool success_report;
	char flag;           /* 0: the end has not come yet */
	const uint8_t *body; /* void after the next call */
	size_t body_len;
};

struct wire_in {
	uint8_t *octets;
	size_t len, room, used;
	bool open; /* a head with a body was given out */
	size_t body_at, scanned;
	struct wire_item item;
	const char *error;
};

void wire_add(struct wire_in *in, const void *octets, size_t len);
enum wire_result {
	WIRE_MORE,
	WIRE_HEAD, /* of a request with a body: *item but its body and flag */
	WIRE_WHOLE,
	WIRE_BAD /* in->error says why */
};
enum wire_result wire_next(struct wire_in *in, struct wire_item **item);
/* The body so far of a request whose end has not come. */
size_t wire_partial(const struct wire_in *in, const uint8_t **body);
void wire_free(struct wire_in *in);
#endif
