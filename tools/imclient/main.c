/* SPDX-License-Identifier: BSD-3-Clause */
/* plenum-im: the IM client. This file reads the command line; line.c does the rest. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tools/imclient/line.h"

static const char usage[] =
	"usage: plenum-im [options] [NAME]\n"
	"       plenum-im [options] say URI TEXT\n"
	"\n"
	"NAME is short for --user sip:NAME@example.com, the lab that `tools/plenum up` starts.\n"
	"\n"
	"  --user URI          own address (default: the login name, at example.com)\n"
	"  --name TEXT         display name\n"
	"  --proxy URI         where every request goes (default sip:127.0.0.1:5060;transport=tcp)\n"
	"  --listen HOST[:PORT] own address for SIP and MSRP (default 127.0.0.1, free ports)\n"
	"  --msrp-port PORT    port for MSRP\n"
	"  --factory URI       Conference-factory-URI (default sip:conference-factory@<own domain>)\n"
	"  --json              one JSON object a line\n"
	"  --text              key=value lines, also at a terminal\n"
	"  --clock             every event with t=, seconds of the monotonic clock\n"
	"  --auto-accept       accept every invitation\n"
	"  --no-register       do not register\n"
	"  --direct            chat and say go to the person, not through the conference factory\n"
	"  --save DIR          store what is not shown as text in DIR\n"
	"  --max-message N     refuse messages above N octets (default 104857600; 0: none)\n"
	"  --chunk N           end chunks after N octets (default 0: only when something waits)\n"
	"  --timeout SECONDS   MSRP transactions and binding (default 30)\n"
	"\n"
	"Commands, one a line (at a terminal with / in front; other lines are said):\n";

enum {
	OPTION_USER = 256,
	OPTION_NAME,
	OPTION_PROXY,
	OPTION_LISTEN,
	OPTION_MSRP_PORT,
	OPTION_FACTORY,
	OPTION_JSON,
	OPTION_TEXT,
	OPTION_CLOCK,
	OPTION_ACCEPT,
	OPTION_NO_REGISTER,
	OPTION_SAVE,
	OPTION_MAX,
	OPTION_CHUNK,
	OPTION_TIMEOUT,
	OPTION_DIRECT
};

static const struct option long_options[] = {
	{ "user", required_argument, NULL, OPTION_USER },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "proxy", required_argument, NULL, OPTION_PROXY },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "msrp-port", required_argument, NULL, OPTION_MSRP_PORT },
	{ "factory", required_argument, NULL, OPTION_FACTORY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "text", no_argument, NULL, OPTION_TEXT },
	{ "clock", no_argument, NULL, OPTION_CLOCK },
	{ "auto-accept", no_argument, NULL, OPTION_ACCEPT },
	{ "no-register", no_argument, NULL, OPTION_NO_REGISTER },
	{ "save", required_argument, NULL, OPTION_SAVE },
	{ "max-message", required_argument, NULL, OPTION_MAX },
	{ "chunk", required_argument, NULL, OPTION_CHUNK },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "direct", no_argument, NULL, OPTION_DIRECT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static uint64_t number(const char *option, const char *text, uint64_t most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > most) {
		fprintf(stderr, "plenum-im: --%s wants a number up to %llu, not \"%s\"\n", option,
			(unsigned long long)most, text);
		exit(2);
	}
	return value;
}

/* "HOST", "HOST:PORT", "[V6]:PORT" */
static void listen_split(char *text, struct client_options *client)
{
	char *colon = strrchr(text, ':');

	if (text[0] == '[') {
		char *close = strchr(text, ']');

		if (close != NULL) {
			*close = '\0';
			text++;
			colon = close[1] == ':' ? close + 1 : NULL;
		}
	} else if (colon != NULL && strchr(text, ':') != colon) {
		colon = NULL; /* a bare IPv6 address */
	}
	if (colon != NULL) {
		*colon = '\0';
		client->port = (uint16_t)number("listen", colon + 1, 65535);
	}
	client->host = text;
}

static char *user_of(const char *name)
{
	char *out;

	if (asprintf(&out,
		    strchr(name, ':')   ? "%s"
		    : strchr(name, '@') ? "sip:%s"
					: "sip:%s@example.com",
		    name) < 0)
		exit(1);
	return out;
}

int main(int argc, char **argv)
{
	struct line_options options = {
		.client = { .proxy = "sip:127.0.0.1:5060;transport=tcp",
			.host = "127.0.0.1",
			.max_message = 104857600 },
		.form = isatty(STDOUT_FILENO) ? EVENT_PEOPLE : EVENT_TEXT,
		.input = STDIN_FILENO,
		.output = stdout,
	};
	const char *login = getenv("USER");
	char *user = NULL, *script = NULL;
	int option, status;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case OPTION_USER:
			free(user);
			user = user_of(optarg);
			break;
		case OPTION_NAME: options.client.display_name = optarg; break;
		case OPTION_PROXY: options.client.proxy = optarg; break;
		case OPTION_LISTEN: listen_split(optarg, &options.client); break;
		case OPTION_MSRP_PORT:
			options.client.msrp_port = (uint16_t)number("msrp-port", optarg, 65535);
			break;
		case OPTION_FACTORY: options.client.factory = optarg; break;
		case OPTION_JSON: options.form = EVENT_JSON; break;
		case OPTION_TEXT: options.form = EVENT_TEXT; break;
		case OPTION_CLOCK: options.clock = true; break;
		case OPTION_ACCEPT: options.auto_accept = true; break;
		case OPTION_NO_REGISTER: options.no_register = true; break;
		case OPTION_DIRECT: options.direct = true; break;
		case OPTION_SAVE: options.client.save_dir = optarg; break;
		case OPTION_MAX:
			options.client.max_message = number("max-message", optarg, UINT64_MAX / 2);
			break;
		case OPTION_CHUNK:
			options.client.chunk_octets = number("chunk", optarg, UINT32_MAX);
			break;
		case OPTION_TIMEOUT:
			options.client.msrp_timeout_ms =
				(uint32_t)number("timeout", optarg, 86400) * 1000;
			break;
		case 'h':
			fputs(usage, stdout);
			line_help(stdout);
			return 0;
		default: fputs("plenum-im: --help lists the options\n", stderr); return 2;
		}
	}
	if (optind < argc && strcmp(argv[optind], "say") == 0) {
		if (argc - optind != 3) {
			fputs("usage: plenum-im [options] say URI TEXT\n", stderr);
			return 2;
		}
		for (const char *at = argv[optind + 2]; *at != '\0'; at++) {
			if (*at == '\n' || *at == '\r') {
				fputs("plenum-im: say wants one line of text\n", stderr);
				return 2;
			}
		}
		/* In a conference the other one may be bound a moment later than we are, and gets
		 * nothing that began before. So a little patience, and the report tells whether it
		 * arrived anywhere. */
		if (asprintf(&script,
			    "%schat %s\nwait bound\nsleep 0.3\nreport on\nsay %s\nwait report 60\n",
			    options.no_register ? "" : "wait registered\n", argv[optind + 1],
			    argv[optind + 2]) < 0)
			return 1;
		options.script = script;
		options.input = -1;
		if (options.form == EVENT_PEOPLE)
			options.form = EVENT_TEXT; /* its lines are commands */
	} else if (optind + 1 == argc) {
		free(user);
		user = user_of(argv[optind]);
	} else if (optind < argc) {
		fputs("plenum-im: one NAME at most; --help lists the options\n", stderr);
		return 2;
	}
	if (user == NULL)
		user = user_of(login != NULL && *login != '\0' ? login : "guest");
	options.client.user = user;
	status = line_run(&options);
	free(user);
	free(script);
	return status;
}
