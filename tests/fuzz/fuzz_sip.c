/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_sip: octets of a message through the stack's parser, arrival, and what the focus reads of a
 * request and a response, as far as it lets them come. */
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <sofia-sip/msg_buffer.h>
#include "control/sip/arrival.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static bool is_text(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == '<' || *text == '>' || *text == '"')
			return false;
	return true;
}

static msg_t *received(const uint8_t *data, size_t size)
{
	msg_t *msg = msg_create(arrival_class(), 0);
	msg_iovec_t vec[8] = { { 0 } };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(5999) };
	ssize_t count;
	size_t at = 0;

	demand(msg != NULL, "a message");
	inet_pton(AF_INET, "192.0.2.200", &from.sin_addr);
	memcpy(msg_addr(msg), &from, sizeof(from));
	msg_addrinfo(msg)->ai_family = AF_INET;
	msg_addrinfo(msg)->ai_socktype = size % 2 ? SOCK_STREAM : SOCK_DGRAM;
	msg_addrinfo(msg)->ai_addrlen = sizeof(from);
	count = msg_recv_iovec(msg, vec, 8, size, 1);
	if (count < 0) {
		msg_destroy(msg);
		return NULL;
	}
	for (ssize_t i = 0; i < count && at < size; i++) {
		size_t part = size - at < vec[i].mv_len ? size - at : vec[i].mv_len;

		memcpy(vec[i].mv_base, data + at, part);
		at += part;
	}
	msg_recv_commit(msg, (ssize_t)at, 1);
	return msg;
}

static void read_request(const sip_t *sip, bool trusted)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct request request;

	request_parse(&request, home, sip, trusted, trusted);
	demand(trusted || !request.authenticated, "only a trusted source asserts");
	demand(!request.authenticated || request.asserted[0] != '\0',
		"who is asserted is somebody");
	demand(is_text(request.asserted) && is_text(request.asserted_second),
		"a canonical address does not break out of a header");
	demand(strlen(request.display_name) <= 256, "a display name has its limit");
	demand(request.uri.at != NULL && request.contact.at != NULL && request.body.at != NULL,
		"what is absent is empty");
	su_home_deinit(home);
}

static void read_response(const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct response response;

	response_read(&response, home, sip, (unsigned)sip->sip_status->st_status);
	demand(response.body.at != NULL && response.contact.at != NULL, "what is absent is empty");
	su_home_deinit(home);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	msg_t *msg;
	sip_t *sip;

	if (size == 0 || size > 65536)
		return 0;
	msg = received(data, size);
	if (msg == NULL)
		return 0;
	(void)msg_extract(msg);
	sip = sip_object(msg);
	/* As the stack and the door of ua do before it hands a message on. */
	if (sip != NULL && sip->sip_request != NULL && sip_sanity_check(sip) >= 0 &&
		!(sip->sip_flags & MSG_FLG_ERROR)) {
		if (arrival_is_cut_off(sip))
			arrival_put_right(msg, sip);
		if (sip->sip_via != NULL && sip->sip_via->v_received != NULL)
			demand(strcmp(sip->sip_via->v_received, "192.0.2.200") == 0,
				"received is the source");
		demand(sip->sip_via == NULL || sip->sip_via->v_maddr == NULL, "no maddr");
		read_request(sip, true);
		read_request(sip, false);
	} else if (sip != NULL && sip->sip_status != NULL && sip_sanity_check(sip) >= 0) {
		read_response(sip);
	}
	msg_destroy(msg);
	return 0;
}
