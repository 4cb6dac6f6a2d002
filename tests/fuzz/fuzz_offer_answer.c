/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_offer_answer: any body as an offer; what is accepted can be answered, and the answer is read
 * again. */
#include "control/sip/offer_answer.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *promise)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s\n", promise);
	abort();
}

static void answer(const struct sdp_media *offer)
{
	struct sdp_local local = { .user = "-",
		.session = 1,
		.version = 1,
		.uri = SPAN_LITERAL("msrp://192.0.2.1:2855/s;tcp"),
		.setup = sdp_setup_answer(offer->setup),
		.max_size = offer->max_size,
		.chatroom = offer->chatroom,
		.chatroom_nickname = offer->chatroom_nickname,
		.chatroom_private = offer->chatroom_private,
		.cema = offer->cema };
	char *types = sdp_types_intersect(SPAN_LITERAL("*"), span_of(offer->wrapped_types));
	struct sdp_media again;
	const char *why;
	char *text;

	demand(types != NULL && strcmp(types, offer->wrapped_types) == 0,
		"* yields the other list");
	local.wrapped_types = span_of(types);
	if (offer->secure) {
		local.secure = true;
		local.uri = SPAN_LITERAL("msrps://192.0.2.1:2855/s;tcp");
	}
	text = sdp_write(&local, offer);
	demand(text != NULL, "an offer that was taken can be answered");
	demand(sdp_media_parse(span_of(text), true, &again, &why) == 0, "our answer can be read");
	demand(again.media_count == offer->media_count, "as many m= lines as in the offer");
	demand(again.media_index == offer->media_index,
		"the line that was taken is the one that is accepted");
	for (unsigned i = 0; i < offer->media_count; i++)
		demand(i == offer->media_index ||
				strcmp(again.media_lines[i], offer->media_lines[i]) == 0,
			"refused lines are repeated");
	demand(again.chatroom == offer->chatroom &&
			again.chatroom_nickname == offer->chatroom_nickname &&
			again.chatroom_private == offer->chatroom_private,
		"chat room tokens survive");
	demand(again.max_size == offer->max_size, "max-size survives");
	demand(sdp_setup_we_connect(local.setup, offer->setup, false) +
				sdp_setup_we_connect(offer->setup, local.setup, true) ==
			(offer->setup == SDP_SETUP_HOLDCONN ? 0 : 1),
		"one side connects");
	sdp_media_fini(&again);
	free(text);
	free(types);
}

/* Where we would connect is a place that can be written and read again, and never a name. */
static void place(const struct sdp_media *media)
{
	struct msrp_target target, again;
	char text[MSRP_TARGET_TEXT_MAX];

	demand(media->connect[0] == '\0' ||
			msrp_target_parse(span_of(media->connect), &target) == 0,
		"c= and m= are a place or nothing");
	for (int lenient = 0; lenient < 2; lenient++) {
		if (sdp_media_target(media, lenient, &target) != 0)
			continue;
		msrp_target_text(&target, text);
		demand(msrp_target_parse(span_of(text), &again) == 0 &&
				msrp_target_eq(&target, &again),
			"a place is read as it was written");
	}
	demand(media->family == 0 || media->family == 4 || media->family == 6, "a family");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdp_media media;
	const char *why = NULL;
	int result;
	char *both;

	if (size < 1)
		return 0;
	result = sdp_media_parse(span_make(data + 1, size - 1), data[0] & 1, &media, &why);
	demand(result == 0 || result == -EBADMSG || result == -EPROTO, "one of the results named");
	demand(why != NULL, "there is a reason");
	if (result == 0) {
		demand(strlen(media.path) <= SDP_PATH_MAX && media.path[0] != '\0',
			"a path within its limit");
		answer(&media);
		place(&media);
	} else {
		demand(media.path == NULL && media.media_lines == NULL,
			"nothing is kept of what is refused");
	}
	sdp_media_fini(&media);
	/* The same octets as two lists of types. */
	both = sdp_types_intersect(
		span_make(data, size / 2), span_make(data + size / 2, size - size / 2));
	demand(both != NULL && strlen(both) <= size + 2, "an intersection is no longer than both");
	free(both);
	return 0;
}
