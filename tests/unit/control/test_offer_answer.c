/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/sip/offer_answer.h"

#define SESSION                                                                                    \
	"v=0\r\no=alice 3911200001 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
#define MESSAGE "m=message 2855 TCP/MSRP *\r\n"
#define PATH    "a=path:msrp://192.0.2.10:2855/ka83jsd9;tcp\r\n"
#define TYPES   "a=accept-types:message/cpim\r\n"

/* The offer of context.md 3.10. */
static const char offer_310[] = SESSION MESSAGE PATH TYPES
	"a=accept-wrapped-types:text/plain application/im-iscomposing+xml message/imdn+xml\r\n"
	"a=setup:actpass\r\na=chatroom:nickname private-messages\r\na=max-size:1048576\r\n";

static struct sdp_media media;
static const char *why;

static int parse(const char *body)
{
	return sdp_media_parse(span_of(body), false, &media, &why);
}

static int parse_tls(const char *body)
{
	return sdp_media_parse(span_of(body), true, &media, &why);
}

Test(offer_answer, the_example_offer_is_read_whole)
{
	cr_assert_eq(parse(offer_310), 0);
	cr_expect_str_eq(why, "");
	cr_expect_str_eq(media.path, "msrp://192.0.2.10:2855/ka83jsd9;tcp");
	cr_expect_str_eq(media.accept_types, "message/cpim");
	cr_expect_str_eq(
		media.wrapped_types, "text/plain application/im-iscomposing+xml message/imdn+xml");
	cr_expect_str_eq(media.fingerprint, "");
	cr_expect_eq(media.max_size, 1048576);
	cr_expect_eq(media.setup, SDP_SETUP_ACTPASS);
	cr_expect_eq(media.direction, SDP_SENDRECV);
	cr_expect_not(media.secure);
	cr_expect_not(media.cema);
	cr_expect(media.chatroom && media.chatroom_nickname && media.chatroom_private);
	cr_expect_eq(media.media_index, 0);
	cr_assert_eq(media.media_count, 1);
	cr_expect_str_eq(media.media_lines[0], "message TCP/MSRP *");
	sdp_media_fini(&media);
	cr_expect_null(media.path);
}

/* What clients and border elements really send. result 0: path and types as given. */
static const struct {
	const char *name, *body;
	bool tls;
	int result;
	const char *path, *why;
} table[] = {
	{ "rcs client, active, m= port 9",
		SESSION
		"m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim application/im-iscomposing+xml\r\n"
		"a=accept-wrapped-types:text/plain message/imdn+xml\r\na=setup:active\r\n"
		"a=path:msrp://10.1.2.3:20000/1234;tcp\r\na=sendrecv\r\n",
		false, 0, "msrp://10.1.2.3:20000/1234;tcp", "" },
	{ "border element rewrote c= but not the path",
		"v=0\r\no=SBC 1 1 IN IP4 203.0.113.1\r\ns=sbc\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=message 4000 TCP/MSRP *\r\n"
		"a=accept-types:*\r\na=path:msrp://10.0.0.1:2855/abcd;tcp\r\na=msrp-cema\r\n",
		false, 0, "msrp://10.0.0.1:2855/abcd;tcp", "" },
	{ "border element made the path longer",
		SESSION MESSAGE TYPES
		"a=path:msrp://203.0.113.1:2855/r1;tcp  msrp://10.0.0.1:2855/abcd;tcp \r\n",
		false, 0, "msrp://203.0.113.1:2855/r1;tcp msrp://10.0.0.1:2855/abcd;tcp", "" },
	{ "IPv6",
		"v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=message 2855 TCP/MSRP *\r\n"
		"a=path:msrp://[2001:db8::1]:2855/s1;tcp\r\na=accept-types:message/cpim\r\n",
		false, 0, "msrp://[2001:db8::1]:2855/s1;tcp", "" },
	{ "OMA conference server's offer",
		"v=0\r\no=ConferenceFactory 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" MESSAGE
		"a=setup:actpass\r\na=msrp-acm\r\na=accept-types:* message/CPIM\r\n" PATH,
		false, 0, "msrp://192.0.2.10:2855/ka83jsd9;tcp", "" },
	{ "message/CPIM in capitals", SESSION MESSAGE PATH "a=accept-types:message/CPIM\r\n", false,
		0, "msrp://192.0.2.10:2855/ka83jsd9;tcp", "" },
	{ "accept-types *", SESSION MESSAGE PATH "a=accept-types:*\r\n", false, 0,
		"msrp://192.0.2.10:2855/ka83jsd9;tcp", "" },
	{ "accept-types message/*", SESSION MESSAGE PATH "a=accept-types:text/plain message/*\r\n",
		false, 0, "msrp://192.0.2.10:2855/ka83jsd9;tcp", "" },
	{ "accept-types with parameters",
		SESSION MESSAGE PATH
		"a=accept-types:text/plain;charset=\"a b\" message/cpim;x=y\r\n",
		false, 0, "msrp://192.0.2.10:2855/ka83jsd9;tcp", "" },
	{ "line feeds only",
		"v=0\no=- 1 1 IN IP4 h\ns=-\nt=0 0\nm=message 1 TCP/MSRP *\na=path:msrp://h.example:1/s;tcp\n"
		"a=accept-types:*",
		false, 0, "msrp://h.example:1/s;tcp", "" },
	{ "no s=, no t=, no c=",
		"v=0\r\no=- 1 1 IN IP4 h\r\nm=message 1 TCP/MSRP *\r\na=path:msrp://h:1/s;tcp\r\na=accept-types:*\r\n",
		false, 0, "msrp://h:1/s;tcp", "" },
	{ "unknown lines and attributes",
		"v=0\r\no=- 1 1 IN IP4 h\r\ns= \r\ni=x\r\nb=AS:1\r\nt=0 0\r\nk=prompt\r\na=group:BUNDLE\r\n" MESSAGE
		"b=AS:5\r\na=\r\na=:x\r\na=connection:new\r\n" TYPES PATH
		"a=path:msrp://second:1/x;tcp\r\n\r\n",
		false, 0, "msrp://192.0.2.10:2855/ka83jsd9;tcp", "" },
	{ "TLS with a fingerprint",
		SESSION
		"m=message 443 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.10:443/x1;tcp\r\n" TYPES
		"a=fingerprint:SHA-1 4A:AD:B9\r\n",
		true, 0, "msrps://192.0.2.10:443/x1;tcp", "" },
	{ "TLS where we have none",
		SESSION
		"m=message 443 TCP/TLS/MSRP *\r\na=path:msrps://192.0.2.10:443/x1;tcp\r\n" TYPES,
		false, -EPROTO, NULL, "MSRP over TLS is not available here" },
	{ "TLS media with a plain path", SESSION "m=message 443 TCP/TLS/MSRP *\r\n" PATH TYPES,
		true, -EPROTO, NULL, "the scheme in a=path does not fit the transport" },
	{ "plain media with a TLS path",
		SESSION MESSAGE "a=path:msrps://192.0.2.10:443/x1;tcp\r\n" TYPES, true, -EPROTO,
		NULL, "the scheme in a=path does not fit the transport" },
	{ "port 0", SESSION "m=message 0 TCP/MSRP *\r\n" PATH TYPES, false, -EPROTO, NULL,
		"the MSRP media has port 0" },
	{ "no path", SESSION MESSAGE TYPES, false, -EPROTO, NULL, "MSRP media without a=path" },
	{ "path of the session is not the media's",
		"v=0\r\no=- 1 1 IN IP4 h\r\n" PATH MESSAGE TYPES, false, -EPROTO, NULL,
		"MSRP media without a=path" },
	{ "empty path", SESSION MESSAGE TYPES "a=path:\r\n", false, -EPROTO, NULL,
		"a=path is not a list of MSRP URIs" },
	{ "path without a value", SESSION MESSAGE TYPES "a=path\r\n", false, -EPROTO, NULL,
		"a=path is not a list of MSRP URIs" },
	{ "path is a SIP URI", SESSION MESSAGE TYPES "a=path:sip:alice@example.com\r\n", false,
		-EPROTO, NULL, "a=path has a URI that is not an MSRP URI" },
	{ "second URI of the path is broken",
		SESSION MESSAGE TYPES "a=path:msrp://h:1/s;tcp msrp://:1/s;tcp\r\n", false, -EPROTO,
		NULL, "a=path has a URI that is not an MSRP URI" },
	{ "no accept-types", SESSION MESSAGE PATH, false, -EPROTO, NULL,
		"MSRP media without a=accept-types" },
	{ "accept-types without cpim", SESSION MESSAGE PATH "a=accept-types:text/plain text/*\r\n",
		false, -EPROTO, NULL, "a=accept-types lacks message/cpim" },
	{ "audio only", SESSION "m=audio 4000 RTP/AVP 0 8\r\n", false, -EPROTO, NULL,
		"no MSRP media offered" },
	{ "no media", SESSION, false, -EPROTO, NULL, "no media offered" },
	{ "message over something else", SESSION "m=message 5060 sip *\r\n", false, -EPROTO, NULL,
		"the transport of the media is not TCP/MSRP" },
	{ "MSRP as the wrong media type", SESSION "m=application 2855 TCP/MSRP *\r\n" PATH TYPES,
		false, -EPROTO, NULL, "no MSRP media offered" },
	{ "the message line is blamed, not the audio",
		SESSION MESSAGE TYPES "m=audio 4000 RTP/AVP 0\r\n", false, -EPROTO, NULL,
		"MSRP media without a=path" },
	{ "empty", "", false, -EBADMSG, NULL, "the body is not a session description" },
	{ "only a version", "v=0\r\n", false, -EBADMSG, NULL,
		"the body is not a session description" },
	{ "version 1", "v=1\r\no=- 1 1 IN IP4 h\r\n" MESSAGE PATH TYPES, false, -EBADMSG, NULL,
		"the body is not a session description" },
	{ "version not first", "o=- 1 1 IN IP4 h\r\nv=0\r\n" MESSAGE PATH TYPES, false, -EBADMSG,
		NULL, "the body is not a session description" },
	{ "no origin", "v=0\r\ns=-\r\n" MESSAGE PATH TYPES, false, -EBADMSG, NULL,
		"the body is not a session description" },
	{ "a line that is none", SESSION "hello\r\n" MESSAGE PATH TYPES, false, -EBADMSG, NULL,
		"the body is not a session description" },
	{ "a capital line", SESSION "A=x\r\n" MESSAGE PATH TYPES, false, -EBADMSG, NULL,
		"the body is not a session description" },
	{ "a carriage return inside", SESSION MESSAGE "a=x:1\ra=y\r\n" PATH TYPES, false, -EBADMSG,
		NULL, "the body is not a session description" },
	{ "m= without format", SESSION "m=message 2855 TCP/MSRP\r\n" PATH TYPES, false, -EBADMSG,
		NULL, "the body is not a session description" },
	{ "m= without port", SESSION "m=message TCP/MSRP *\r\n" PATH TYPES, false, -EBADMSG, NULL,
		"the body is not a session description" },
	{ "m= port beyond 65535", SESSION "m=message 65536 TCP/MSRP *\r\n" PATH TYPES, false,
		-EBADMSG, NULL, "the body is not a session description" },
	{ "XML", "<?xml version=\"1.0\"?><x/>", false, -EBADMSG, NULL,
		"the body is not a session description" },
};

Test(offer_answer, real_world_bodies_are_taken_or_refused_with_the_reason)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int result = table[i].tls ? parse_tls(table[i].body) : parse(table[i].body);

		cr_expect_eq(result, table[i].result, "%s: %d %s", table[i].name, result, why);
		cr_expect_str_eq(why, table[i].why, "%s: %s", table[i].name, why);
		if (result == 0 && table[i].path != NULL)
			cr_expect_str_eq(
				media.path, table[i].path, "%s: %s", table[i].name, media.path);
		else
			cr_expect_null(media.path);
		sdp_media_fini(&media);
	}
}

Test(offer_answer, a_zero_octet_in_the_body_is_refused)
{
	static const char body[] = SESSION MESSAGE PATH TYPES "a=x:\0\r\n";

	cr_expect_eq(
		sdp_media_parse(span_make(body, sizeof(body) - 1), false, &media, NULL), -EBADMSG);
}

Test(offer_answer, a_path_of_4096_octets_is_taken_and_one_more_is_not)
{
	char body[16384], path[SDP_PATH_MAX + 2];
	int len;

	for (int size = SDP_PATH_MAX; size <= SDP_PATH_MAX + 1; size++) {
		/* Two URIs, so that neither is long as such. */
		len = snprintf(path, sizeof(path), "msrp://h:1/%0*d;tcp msrp://h:1/", 2000, 0);
		memset(path + len, 's', (size_t)(size - len - 4));
		strcpy(path + size - 4, ";tcp");
		cr_assert_eq(strlen(path), (size_t)size);
		snprintf(body, sizeof(body), SESSION MESSAGE TYPES "a=path:%s\r\n", path);
		if (size == SDP_PATH_MAX) {
			cr_assert_eq(parse(body), 0, "%s", why);
			cr_expect_str_eq(media.path, path);
			sdp_media_fini(&media);
		} else {
			cr_expect_eq(parse(body), -EPROTO);
			cr_expect_str_eq(why, "a=path is longer than 4096 octets");
		}
	}
}

Test(offer_answer, a_body_or_a_list_of_media_without_bound_is_refused)
{
	size_t size = 70000;
	char *body = malloc(size);
	int len = sprintf(body, SESSION MESSAGE PATH TYPES);

	while (len < 65537)
		len += sprintf(body + len, "a=filler:0123456789012345678901234567890123456789\r\n");
	cr_expect_eq(parse(body), -EBADMSG);
	len = sprintf(body, SESSION MESSAGE PATH TYPES);
	for (int i = 1; i < 32; i++)
		len += sprintf(body + len, "m=audio 9 RTP/AVP %d\r\n", i);
	cr_expect_eq(parse(body), 0);
	cr_expect_eq(media.media_count, 32);
	sdp_media_fini(&media);
	sprintf(body + len, "m=audio 9 RTP/AVP 99\r\n");
	cr_expect_eq(parse(body), -EBADMSG);
	free(body);
}

Test(offer_answer, the_first_acceptable_line_is_taken_and_all_are_remembered)
{
	cr_assert_eq(
		parse(SESSION "m=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 x/8000\r\n"
			      "m=message 0 TCP/MSRP *\r\n" PATH TYPES
			      "m=message 2855 TCP/MSRP *\r\n" TYPES
			      "m=message 2856/1 tcp/msrp *\r\n" PATH TYPES "a=max-size:7\r\n"
			      "m=message 2857 TCP/MSRP *\r\na=path:msrp://later:1/x;tcp\r\n" TYPES),
		0);
	cr_expect_eq(media.media_index, 3);
	cr_assert_eq(media.media_count, 5);
	cr_expect_str_eq(media.media_lines[0], "audio RTP/AVP 0 8 96");
	cr_expect_str_eq(media.media_lines[3], "message tcp/msrp *");
	cr_expect_str_eq(media.path, "msrp://192.0.2.10:2855/ka83jsd9;tcp");
	cr_expect_eq(media.max_size, 7);
	sdp_media_fini(&media);
}

Test(offer_answer, attributes_of_the_session_hold_where_the_media_has_none)
{
	cr_assert_eq(
		parse("v=0\r\no=- 1 1 IN IP4 h\r\na=setup:active\r\na=inactive\r\na=msrp-cema\r\n"
		      "a=fingerprint:sha-256 AA\r\na=max-size:5\r\n" MESSAGE PATH TYPES),
		0);
	cr_expect_eq(media.setup, SDP_SETUP_ACTIVE);
	cr_expect_eq(media.direction, SDP_INACTIVE);
	cr_expect(media.cema);
	cr_expect_str_eq(media.fingerprint, "sha-256 AA");
	cr_expect_eq(media.max_size, 0, "max-size is the media's (RFC 4975 8.6)");
	sdp_media_fini(&media);
	cr_assert_eq(
		parse("v=0\r\no=- 1 1 IN IP4 h\r\na=setup:active\r\na=inactive\r\n" MESSAGE PATH
				TYPES "a=setup:Passive\r\na=recvonly\r\n"),
		0);
	cr_expect_eq(media.setup, SDP_SETUP_PASSIVE);
	cr_expect_eq(media.direction, SDP_RECVONLY);
	sdp_media_fini(&media);
}

Test(offer_answer, max_size_is_a_hint_and_may_be_misspelt)
{
	static const struct {
		const char *line;
		uint64_t size;
	} sizes[] = {
		{ "a=max-size:1048576\r\n", 1048576 },
		{ "a=maxsize:2048\r\n", 2048 },
		{ "a=maxsize:2048\r\na=max-size: 4096\r\n", 4096 },
		{ "a=max-size:18446744073709551615\r\n", UINT64_MAX },
		{ "a=max-size:99999999999999999999999\r\n", UINT64_MAX },
		{ "a=max-size:lots\r\n", 0 },
		{ "a=max-size:-1\r\n", 0 },
		{ "a=max-size\r\n", 0 },
		{ "", 0 },
	};
	char body[1024];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(body, sizeof(body), SESSION MESSAGE PATH TYPES "%s", sizes[i].line);
		cr_assert_eq(parse(body), 0);
		cr_expect_eq(media.max_size, sizes[i].size, "%s", sizes[i].line);
		sdp_media_fini(&media);
	}
}

Test(offer_answer, chat_room_tokens_count_once_and_unknown_ones_are_passed_over)
{
	static const struct {
		const char *line;
		bool room, nickname, private;
	} rooms[] = {
		{ "", false, false, false },
		{ "a=chatroom\r\n", true, false, false },
		{ "a=chatroom:\r\n", true, false, false },
		{ "a=chatroom:nickname\r\n", true, true, false },
		{ "a=chatroom: private-messages  x-new NICKNAME\r\n", true, true, true },
	};
	char body[1024];

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		snprintf(body, sizeof(body), SESSION MESSAGE PATH TYPES "%s", rooms[i].line);
		cr_assert_eq(parse(body), 0);
		cr_expect_eq(media.chatroom, rooms[i].room, "%s", rooms[i].line);
		cr_expect_eq(media.chatroom_nickname, rooms[i].nickname, "%s", rooms[i].line);
		cr_expect_eq(media.chatroom_private, rooms[i].private, "%s", rooms[i].line);
		sdp_media_fini(&media);
	}
}

Test(offer_answer, lists_of_types_are_tidied)
{
	cr_assert_eq(
		parse(SESSION MESSAGE PATH
			"a=accept-types: message/cpim  text/plain;charset=utf-8 TEXT/plain \r\n"
			"a=accept-wrapped-types:text/plain;x=\"a b\"  image/png\r\n"),
		0);
	cr_expect_str_eq(media.accept_types, "message/cpim text/plain");
	cr_expect_str_eq(media.wrapped_types, "text/plain image/png");
	sdp_media_fini(&media);
	cr_assert_eq(parse(SESSION MESSAGE PATH TYPES), 0);
	cr_expect_str_eq(media.wrapped_types, "*", "absent counts as *");
	sdp_media_fini(&media);
	cr_assert_eq(
		parse(SESSION MESSAGE PATH
			"a=accept-types:* message/CPIM\r\na=accept-wrapped-types:text/plain *\r\n"),
		0);
	cr_expect_str_eq(media.accept_types, "*");
	cr_expect_str_eq(media.wrapped_types, "*");
	sdp_media_fini(&media);
}

static struct sdp_local local(void)
{
	return (struct sdp_local){ .user = "-",
		.session = 7,
		.version = 8,
		.uri = SPAN_LITERAL("msrp://198.51.100.5:2855/Zs81hTq0a9;tcp"),
		.setup = SDP_SETUP_PASSIVE,
		.wrapped_types =
			SPAN_LITERAL("text/plain application/im-iscomposing+xml message/imdn+xml"),
		.max_size = 1048576,
		.chatroom = true,
		.chatroom_nickname = true,
		.chatroom_private = true };
}

#define WRITTEN(expected, call)                                                                    \
	do {                                                                                       \
		char *text_ = call;                                                                \
		cr_assert_not_null(text_);                                                         \
		cr_expect_str_eq(text_, expected, "%s", text_);                                    \
		free(text_);                                                                       \
	} while (0)

Test(offer_answer, the_answer_to_the_example_is_exactly_this)
{
	struct sdp_local ours = local();

	cr_assert_eq(parse(offer_310), 0);
	WRITTEN("v=0\r\no=- 7 8 IN IP4 198.51.100.5\r\ns=-\r\nc=IN IP4 198.51.100.5\r\nt=0 0\r\n"
		"m=message 2855 TCP/MSRP *\r\n"
		"a=path:msrp://198.51.100.5:2855/Zs81hTq0a9;tcp\r\n"
		"a=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:text/plain application/im-iscomposing+xml message/imdn+xml\r\n"
		"a=setup:passive\r\n"
		"a=chatroom:nickname private-messages\r\n"
		"a=max-size:1048576\r\n",
		sdp_write(&ours, &media));
	sdp_media_fini(&media);
}

Test(offer_answer, an_offer_over_ipv6_with_cema_and_tls_is_exactly_this)
{
	struct sdp_local ours = { .user = "focus",
		.session = 18446744073709551615u,
		.version = 1,
		.uri = SPAN_LITERAL("msrps://[2001:db8::5]:443/s;tcp"),
		.setup = SDP_SETUP_ACTPASS,
		.wrapped_types = SPAN_LITERAL("*"),
		.chatroom = true,
		.chatroom_private = true,
		.cema = true,
		.secure = true };

	WRITTEN("v=0\r\no=focus 18446744073709551615 1 IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\nt=0 0\r\n"
		"m=message 443 TCP/TLS/MSRP *\r\n"
		"a=path:msrps://[2001:db8::5]:443/s;tcp\r\n"
		"a=accept-types:message/cpim\r\n"
		"a=accept-wrapped-types:*\r\n"
		"a=setup:actpass\r\n"
		"a=chatroom:private-messages\r\n"
		"a=msrp-cema\r\n",
		sdp_write(&ours, NULL));
}

Test(offer_answer, what_there_is_nothing_to_say_about_has_no_line)
{
	struct sdp_local ours = { .uri = SPAN_LITERAL("msrp://h.example:2855/s;tcp"),
		.chatroom = true };

	WRITTEN("v=0\r\no=- 0 0 IN IP4 h.example\r\ns=-\r\nc=IN IP4 h.example\r\nt=0 0\r\n"
		"m=message 2855 TCP/MSRP *\r\na=path:msrp://h.example:2855/s;tcp\r\na=accept-types:message/cpim\r\n"
		"a=chatroom\r\n",
		sdp_write(&ours, NULL));
	ours.chatroom = false;
	ours.setup = SDP_SETUP_HOLDCONN;
	WRITTEN("v=0\r\no=- 0 0 IN IP4 h.example\r\ns=-\r\nc=IN IP4 h.example\r\nt=0 0\r\n"
		"m=message 2855 TCP/MSRP *\r\na=path:msrp://h.example:2855/s;tcp\r\na=accept-types:message/cpim\r\n"
		"a=setup:holdconn\r\n",
		sdp_write(&ours, NULL));
	ours.uri = SPAN_LITERAL("sip:x");
	cr_expect_null(sdp_write(&ours, NULL));
}

Test(offer_answer, an_answer_speaks_of_setup_only_if_the_offer_did)
{
	struct sdp_local ours = local();
	char *text;

	cr_assert_eq(parse(SESSION MESSAGE PATH TYPES), 0);
	text = sdp_write(&ours, &media);
	cr_expect_null(strstr(text, "a=setup"));
	free(text);
	sdp_media_fini(&media);
}

Test(offer_answer, other_media_lines_are_repeated_with_port_0_in_their_order)
{
	struct sdp_local ours = { .uri = SPAN_LITERAL("msrp://192.0.2.1:2855/s;tcp") };

	cr_assert_eq(
		parse(SESSION
			"m=audio 4000/2 RTP/AVP 0 8 96\r\na=rtpmap:96 x/8000\r\n" MESSAGE PATH TYPES
			"m=message 2857 TCP/MSRP *\r\n" PATH TYPES "m=video 0 RTP/AVP 31\r\n"),
		0);
	WRITTEN("v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
		"m=audio 0 RTP/AVP 0 8 96\r\n"
		"m=message 2855 TCP/MSRP *\r\na=path:msrp://192.0.2.1:2855/s;tcp\r\na=accept-types:message/cpim\r\n"
		"m=message 0 TCP/MSRP *\r\n"
		"m=video 0 RTP/AVP 31\r\n",
		sdp_write(&ours, &media));
	sdp_media_fini(&media);
}

Test(offer_answer, what_we_write_we_can_read)
{
	struct sdp_local ours = local();
	char *text = sdp_write(&ours, NULL);

	cr_assert_eq(parse(text), 0, "%s", why);
	cr_expect_str_eq(media.path, "msrp://198.51.100.5:2855/Zs81hTq0a9;tcp");
	cr_expect_eq(media.setup, SDP_SETUP_PASSIVE);
	sdp_media_fini(&media);
	free(text);
}

Test(offer_answer, the_body_of_a_488_is_exactly_this)
{
	WRITTEN("v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=message 0 TCP/MSRP *\r\n"
		"a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain image/*\r\na=max-size:100\r\n",
		sdp_write_capabilities("192.0.2.1", SPAN_LITERAL("text/plain image/*"), 100));
	WRITTEN("v=0\r\no=- 0 0 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=message 0 TCP/MSRP *\r\n"
		"a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n",
		sdp_write_capabilities("[2001:db8::1]", SPAN_LITERAL("*"), 0));
}

Test(offer_answer, setup_is_answered_as_the_table_says)
{
	cr_expect_eq(sdp_setup_answer(SDP_SETUP_ACTIVE), SDP_SETUP_PASSIVE);
	cr_expect_eq(sdp_setup_answer(SDP_SETUP_ABSENT), SDP_SETUP_PASSIVE);
	cr_expect_eq(sdp_setup_answer(SDP_SETUP_ACTPASS), SDP_SETUP_PASSIVE);
	cr_expect_eq(sdp_setup_answer(SDP_SETUP_PASSIVE), SDP_SETUP_ACTIVE);
	cr_expect_eq(sdp_setup_answer(SDP_SETUP_HOLDCONN), SDP_SETUP_HOLDCONN);
}

Test(offer_answer, exactly_one_side_connects)
{
	static const enum sdp_setup all[] = { SDP_SETUP_ABSENT, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE,
		SDP_SETUP_ACTPASS, SDP_SETUP_HOLDCONN };

	/* They offer, we answer. */
	cr_expect_not(sdp_setup_we_connect(SDP_SETUP_PASSIVE, SDP_SETUP_ACTIVE, false));
	cr_expect_not(sdp_setup_we_connect(SDP_SETUP_PASSIVE, SDP_SETUP_ABSENT, false));
	cr_expect_not(sdp_setup_we_connect(SDP_SETUP_PASSIVE, SDP_SETUP_ACTPASS, false));
	cr_expect(sdp_setup_we_connect(SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE, false));
	cr_expect(sdp_setup_we_connect(SDP_SETUP_ACTIVE, SDP_SETUP_ACTPASS, false));
	cr_expect_not(sdp_setup_we_connect(SDP_SETUP_HOLDCONN, SDP_SETUP_HOLDCONN, false));
	/* We offer actpass. */
	cr_expect(sdp_setup_we_connect(SDP_SETUP_ACTPASS, SDP_SETUP_PASSIVE, true));
	cr_expect_not(sdp_setup_we_connect(SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, true));
	cr_expect(sdp_setup_we_connect(SDP_SETUP_ACTPASS, SDP_SETUP_ABSENT, true),
		"the offerer connects (RFC 4975 5.4)");
	cr_expect_not(sdp_setup_we_connect(SDP_SETUP_ACTPASS, SDP_SETUP_HOLDCONN, true));
	/* Whatever is said, never both; with one legal pair, exactly one. */
	for (int i = 0; i < 5; i++) {
		enum sdp_setup answer = sdp_setup_answer(all[i]);
		bool we = sdp_setup_we_connect(answer, all[i], false),
		     they = sdp_setup_we_connect(all[i], answer, true);

		cr_expect_eq(
			we + they, all[i] == SDP_SETUP_HOLDCONN ? 0 : 1, "offer %d", (int)all[i]);
		for (int k = 0; k < 5; k++)
			cr_expect_not(sdp_setup_we_connect(all[i], all[k], true) &&
					      sdp_setup_we_connect(all[k], all[i], false),
				"%d %d", i, k);
	}
}

Test(offer_answer, lists_of_types_intersect)
{
	static const struct {
		const char *a, *b, *both;
	} lists[] = {
		{ "*", "*", "*" },
		{ "*", "text/plain image/png", "text/plain image/png" },
		{ "text/plain image/png", "*", "text/plain image/png" },
		{ "text/plain  *", "image/png", "image/png" },
		{ "text/plain", "image/png", "" },
		{ "", "*", "" },
		{ "*", "", "" },
		{ "", "", "" },
		{ "text/plain image/png", "image/PNG text/html Text/Plain",
			"text/plain image/png" },
		{ "text/*", "text/plain text/html image/png", "text/plain text/html" },
		{ "text/plain text/html", "text/*", "text/plain text/html" },
		{ "text/*", "TEXT/*", "text/*" },
		{ "text/* image/png", "text/* image/*", "text/* image/png" },
		{ "text/*", "text", "" },
		{ "text/*", "texture/x", "" },
		{ "text/plain;charset=utf-8", "text/plain;charset=\"x y\" a/b", "text/plain" },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		WRITTEN(lists[i].both,
			sdp_types_intersect(span_of(lists[i].a), span_of(lists[i].b)));
}

/* ---- where we connect ---- */

static const struct {
	const char *connection, *port, *path, *cema;
	const char *strict, *lenient; /* NULL: nowhere */
} places[] = {
	/* They say the same. */
	{ "IN IP4 198.51.100.1", "2855", "msrp://198.51.100.1:2855/s;tcp", "", "198.51.100.1:2855",
		"198.51.100.1:2855" },
	/* They differ: RFC 6714 with both, the path without. */
	{ "IN IP4 203.0.113.1", "4000", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"203.0.113.1:4000", "203.0.113.1:4000" },
	{ "IN IP4 203.0.113.1", "4000", "msrp://198.51.100.1:2855/s;tcp", "", "198.51.100.1:2855",
		"203.0.113.1:4000" },
	{ "IN IP4 203.0.113.1", "2855", "msrp://10.0.0.1:2855/s;tcp", "", "10.0.0.1:2855",
		"203.0.113.1:2855" },
	/* A private address in c= is no hint that somebody rewrote it. */
	{ "IN IP4 10.0.0.1", "2855", "msrp://198.51.100.1:2855/s;tcp", "", "198.51.100.1:2855",
		"198.51.100.1:2855" },
	{ "IN IP4 10.0.0.1", "2855", "msrp://192.168.0.1:2855/s;tcp", "", "192.168.0.1:2855",
		"10.0.0.1:2855" },
	/* The port counts too. */
	{ "IN IP4 198.51.100.1", "2856", "msrp://198.51.100.1:2855/s;tcp", "a=MSRP-CEMA\r\n",
		"198.51.100.1:2856", "198.51.100.1:2856" },
	/* Names. */
	{ "IN IP4 203.0.113.1", "4000", "msrp://a.invalid:2855/s;tcp", "", NULL,
		"203.0.113.1:4000" },
	{ "IN IP4 203.0.113.1", "4000", "msrp://a.example.com:2855/s;tcp", "a=msrp-cema\r\n",
		"203.0.113.1:4000", "203.0.113.1:4000" },
	{ "IN IP4 a.example.com", "4000", "msrp://a.example.com:2855/s;tcp", "a=msrp-cema\r\n",
		NULL, NULL },
	{ "IN IP4 a.example.com", "4000", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"198.51.100.1:2855", "198.51.100.1:2855" },
	/* c= and m= that name no place: port 9, no address, the wrong family, nonsense. */
	{ "IN IP4 203.0.113.1", "9", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"198.51.100.1:2855", "198.51.100.1:2855" },
	{ "IN IP4 0.0.0.0", "4000", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"198.51.100.1:2855", "198.51.100.1:2855" },
	{ "IN IP6 ::", "4000", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"198.51.100.1:2855", "198.51.100.1:2855" },
	{ "IN IP6 203.0.113.1", "4000", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"198.51.100.1:2855", "198.51.100.1:2855" },
	{ "IN IP4 203.0.113.1/127", "4000", "msrp://198.51.100.1:2855/s;tcp", "a=msrp-cema\r\n",
		"198.51.100.1:2855", "198.51.100.1:2855" },
	{ "nonsense", "4000", "msrp://a.example.com:2855/s;tcp", "a=msrp-cema\r\n", NULL, NULL },
	/* A relay's URI is the first. */
	{ "IN IP4 203.0.113.1", "4000", "msrp://203.0.113.1:4000/r;tcp msrp://10.0.0.1:2855/s;tcp",
		"a=msrp-cema\r\n", "203.0.113.1:4000", "203.0.113.1:4000" },
	{ "IN IP6 2001:db8::1", "4000", "msrp://[fd00::1]:2855/s;tcp", "", "[fd00::1]:2855",
		"[2001:db8::1]:4000" },
};

Test(offer_answer, where_we_connect_is_as_the_table_says)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		/* c= of the media goes before that of the session. */
		for (int level = 0; level < 2; level++) {
			struct msrp_target target;
			char body[1024], text[MSRP_TARGET_TEXT_MAX];

			snprintf(body, sizeof(body),
				"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=%s\r\nt=0 0\r\n"
				"m=message %s TCP/MSRP *\r\n%s%s%sa=path:%s\r\n" TYPES "%s",
				level == 0 ? places[i].connection : "IN IP4 192.0.2.99",
				places[i].port,
				level == 0 ? "" : "c=", level == 0 ? "" : places[i].connection,
				level == 0 ? "" : "\r\n", places[i].path, places[i].cema);
			cr_assert_eq(parse(body), 0, "%s", body);
			for (int lenient = 0; lenient < 2; lenient++) {
				const char *where = lenient ? places[i].lenient : places[i].strict;
				int result = sdp_media_target(&media, lenient, &target);

				cr_expect_eq(result, where != NULL ? 0 : -EINVAL, "%s", body);
				if (result != 0 || where == NULL)
					continue;
				msrp_target_text(&target, text);
				cr_expect_str_eq(
					text, where, "%s instead of %s: %s", text, where, body);
			}
			sdp_media_fini(&media);
		}
	}
}

Test(offer_answer, the_family_is_that_of_c)
{
	static const struct {
		const char *line;
		unsigned family;
	} lines[] = { { "c=IN IP4 192.0.2.1\r\n", 4 }, { "c=IN IP6 2001:db8::1\r\n", 6 },
		{ "c=IN ip6 host.example.com\r\n", 6 }, { "", 0 }, { "c=ATM X 1\r\n", 0 } };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char body[1024];

		snprintf(body, sizeof(body), "v=0\r\no=- 1 1 IN IP4 h\r\n%s" MESSAGE PATH TYPES,
			lines[i].line);
		cr_assert_eq(parse(body), 0);
		cr_expect_eq(media.family, lines[i].family, "%s", lines[i].line);
		sdp_media_fini(&media);
	}
}

Test(offer_answer, who_only_sends_does_not_listen)
{
	static const struct {
		const char *line;
		bool listens;
	} lines[] = { { "", true }, { "a=sendrecv\r\n", true }, { "a=recvonly\r\n", true },
		{ "a=sendonly\r\n", false }, { "a=inactive\r\n", false } };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char body[1024];

		snprintf(body, sizeof(body), SESSION MESSAGE PATH TYPES "%s", lines[i].line);
		cr_assert_eq(parse(body), 0);
		cr_expect_eq(sdp_media_listens(&media), lines[i].listens, "%s", lines[i].line);
		sdp_media_fini(&media);
	}
}
