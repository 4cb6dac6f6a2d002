/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/config.h"

/* Loads a text as the file /etc/plenum/p.yaml; *errors is what was said, to be freed. */
static int load(struct config *config, const char *yaml, size_t len, char **errors)
{
	size_t said;
	FILE *out = open_memstream(errors, &said);
	int result;

	cr_assert_not_null(out);
	result = config_load_text(config, "/etc/plenum/p.yaml", yaml, len, out);
	fclose(out);
	return result;
}

static void assert_good(struct config *config, const char *yaml)
{
	char *errors;

	cr_assert_eq(load(config, yaml, strlen(yaml), &errors), 0, "refused: %s", errors);
	cr_assert_str_empty(errors);
	free(errors);
}

/* The exact lines, each without its "/etc/plenum/p.yaml:". */
static void assert_bad_octets(const char *yaml, size_t len, const char *expected)
{
	struct config config;
	char *errors, *line, *rest, said[4096] = "";

	cr_assert_eq(load(&config, yaml, len, &errors), -EINVAL, "accepted: %s", yaml);
	for (line = strtok_r(errors, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		cr_assert_eq(strncmp(line, "/etc/plenum/p.yaml:", 19), 0, "%s", line);
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line + 19);
	}
	free(errors);
	cr_assert_str_eq(said, expected);
}

static void assert_bad(const char *yaml, const char *expected)
{
	assert_bad_octets(yaml, strlen(yaml), expected);
}

static char *dump(const struct config *config)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_dump(config, out);
	fclose(out);
	return text;
}

/* The sample of the design page: every key that is promised to others, spelt as promised. */
static const char sample[] =
	"sip:\n"
	"  listen: [\"udp:127.0.0.1:5070\", \"tcp:[::1]:5071\"]\n"
	"  domain: chat.example.net\n"
	"  factory: [\"sip:conference-factory@example.com\", \"sip:f2@example.com\"]\n"
	"  trusted: [\"127.0.0.0/8\", \"::1\"]\n"
	"  trust_from: true\n"
	"  next_hop: \"sip:10.0.0.1:5060;transport=tcp;lr\"\n"
	"  registrar: false\n"
	"msrp:\n"
	"  listen: [\"tcp:0.0.0.0:2855\"]\n"
	"  max_message: 0\n"
	"  bind_s: 0.25\n"
	"  advertise: \"chat.example.net:2855\"\n"
	"conference:\n"
	"  max_adhoc_size: 7\n"
	"  roster_max: 500\n"
	"  groups: groups/\n"
	"  history_users: [\"sip:history@example.com\"]\n"
	"  wrapped_types: [\"text/plain\", \"image/*\"]\n"
	"  idle_release: 180\n"
	"  answer_first: true\n"
	"  gone_status: 404\n"
	"  allow_empty_factory: true\n"
	"switch:\n"
	"  workers: 2\n"
	"  socket: run/switch.sock\n"
	"  memory_mb: 256\n"
	"  max_legs: 2000\n"
	"  ports: []\n";

Test(config, every_promised_key_is_read)
{
	struct config c;

	assert_good(&c, sample);
	cr_assert_eq(c.sip_listen.count, 2);
	cr_assert_str_eq(c.sip_listen.items[1], "tcp:[::1]:5071");
	cr_assert_str_eq(c.sip_domain, "chat.example.net");
	cr_assert_eq(c.sip_factory.count, 2);
	cr_assert_eq(c.sip_trusted.count, 2);
	cr_assert(c.sip_trust_from);
	cr_assert_str_eq(c.sip_next_hop, "sip:10.0.0.1:5060;transport=tcp;lr");
	cr_assert_not(c.sip_registrar);
	cr_assert_str_eq(c.msrp_listen.items[0], "tcp:0.0.0.0:2855");
	cr_assert_eq(c.msrp_max_message, 0);
	cr_assert_eq(c.msrp_bind_ms, 250);
	cr_assert_str_eq(c.msrp_advertise, "chat.example.net:2855");
	cr_assert_eq(c.conference_max_adhoc_size, 7);
	cr_assert_eq(c.conference_roster_max, 500);
	cr_assert_str_eq(c.conference_groups, "/etc/plenum/groups/");
	cr_assert_str_eq(c.conference_history_users.items[0], "sip:history@example.com");
	cr_assert_eq(c.conference_wrapped_types.count, 2);
	cr_assert_eq(c.conference_idle_release_ms, 180000);
	cr_assert(c.conference_answer_first);
	cr_assert_eq(c.conference_gone_status, 404);
	cr_assert(c.conference_allow_empty_factory);
	cr_assert_eq(c.switch_workers, 2);
	cr_assert_str_eq(c.switch_socket, "/etc/plenum/run/switch.sock");
	cr_assert_eq(c.switch_memory_mb, 256);
	cr_assert_eq(c.switch_max_legs, 2000);
	cr_assert_eq(c.switch_ports.count, 0);
	cr_assert_str_eq(c.file, "/etc/plenum/p.yaml");
	config_free(&c);
}

Test(config, what_is_left_out_has_its_default)
{
	struct config c;

	assert_good(&c, "sip:\n  domain: example.org\nmsrp:\n");
	cr_assert_str_eq(c.sip_domain, "example.org");
	cr_assert_eq(c.sip_listen.count, 2);
	cr_assert_str_eq(c.sip_listen.items[0], "udp:127.0.0.1:5060");
	cr_assert_str_eq(c.sip_listen.items[1], "tcp:127.0.0.1:5060");
	cr_assert_eq(c.msrp_bind_ms, 30000);
	cr_assert_eq(c.msrp_max_message, 104857600);
	cr_assert_eq(c.conference_history_users.count, 0);
	cr_assert_str_eq(c.conference_wrapped_types.items[0], "*");
	cr_assert_str_eq(c.switch_poll, "sleep");
	config_free(&c);
}

Test(config, an_empty_file_means_all_defaults)
{
	static const char *const empty[] = { "", "# only a comment\n", "---\n", "{}\n", "~\n" };
	struct config c, defaults;
	unsigned i;

	cr_assert_eq(config_load(&defaults, NULL, stderr), 0);
	cr_assert_null(defaults.file);
	for (i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		assert_good(&c, empty[i]);
		cr_assert_str_eq(c.sip_domain, defaults.sip_domain);
		cr_assert_eq(c.switch_max_legs, defaults.switch_max_legs);
		config_free(&c);
	}
	config_free(&defaults);
}

Test(config, defaults_start_where_the_process_stands)
{
	struct config c;

	cr_assert_eq(chdir("/tmp"), 0);
	cr_assert_eq(config_load(&c, NULL, stderr), 0);
	cr_assert_str_eq(c.switch_socket, "/tmp/plenum-switch.sock");
	config_free(&c);
}

Test(config, paths_start_where_the_file_is)
{
	struct config c;
	char *said = NULL;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	cr_assert_eq(chdir("/tmp"), 0);
	cr_assert_eq(config_load_text(&c, "lab/p.yaml", "", 0, out), 0);
	cr_assert_str_eq(c.switch_socket, "/tmp/lab/plenum-switch.sock");
	config_free(&c);
	cr_assert_eq(config_load_text(&c, "/p.yaml", "", 0, out), 0);
	cr_assert_str_eq(c.switch_socket, "/plenum-switch.sock");
	config_free(&c);
	cr_assert_eq(config_load_text(&c, "p.yaml", "switch: {socket: /run/s}", 24, out), 0);
	cr_assert_str_eq(c.switch_socket, "/run/s");
	config_free(&c);
	fclose(out);
	free(said);
}

Test(config, a_file_that_cannot_be_read_is_said)
{
	struct config c;
	char *said;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	cr_assert_eq(config_load(&c, "/nowhere/p.yaml", out), -ENOENT);
	cr_assert_eq(config_load(&c, "/etc", out), -ENOENT);
	fclose(out);
	cr_assert_str_eq(said, "/nowhere/p.yaml: cannot be read: No such file or directory\n"
			       "/etc: cannot be read: Is a directory\n");
	free(said);
}

Test(config, a_dump_loads_to_the_same)
{
	struct config c, again;
	char *first, *second;

	assert_good(&c, sample);
	first = dump(&c);
	assert_good(&again, first);
	second = dump(&again);
	cr_assert_str_eq(first, second);
	cr_assert_not_null(strstr(first, "\n  bind_s: 0.25\n"));
	cr_assert_not_null(strstr(first, "\n  idle_release: 180\n"));
	free(first);
	free(second);
	config_free(&c);
	config_free(&again);
}

Test(config, a_dump_keeps_quotes_and_backslashes)
{
	struct config c, again;
	char *text;

	assert_good(&c, "switch:\n  socket: '/run/a \"b\" \\c: #d'\n");
	text = dump(&c);
	assert_good(&again, text);
	cr_assert_str_eq(again.switch_socket, "/run/a \"b\" \\c: #d");
	free(text);
	config_free(&c);
	config_free(&again);
}

Test(config, the_reference_has_a_row_for_every_key)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_reference(out);
	fclose(out);
	cr_assert_not_null(strstr(text, "\n## conference\n"));
	cr_assert_not_null(strstr(text,
		"\n| `bind_s` | seconds, 0 to 3600 | `30` | a leg not bound by then is "
		"removed; 0: never |\n"));
	cr_assert_not_null(strstr(text, "\n| `socket` | path | `\"plenum-switch.sock\"` | "));
#define HAS(name)                               cr_assert_not_null(strstr(text, "\n| `" name "` | "), "no row for %s", name);
#define CONFIG_NUMBER(section, key, ...)        HAS(#key)
#define CONFIG_SECONDS(section, key, name, ...) HAS(name)
#define CONFIG_BOOLEAN(section, key, ...)       HAS(#key)
#define CONFIG_STRING(section, key, ...)        HAS(#key)
#define CONFIG_PATH(section, key, ...)          HAS(#key)
#define CONFIG_LIST(section, key, ...)          HAS(#key)
#include "include/config.def"
	free(text);
}

Test(config, the_page_in_docs_is_what_the_reference_prints)
{
	static char page[32768];
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len),
	     *in = fopen(SOURCE_ROOT "/docs/configuration.md", "r");

	config_reference(out);
	fclose(out);
	cr_assert_not_null(in);
	page[fread(page, 1, sizeof(page) - 1, in)] = 0;
	fclose(in);
	cr_assert_str_eq(page, text,
		"write it anew: build/dataplane/plenum-switch --reference "
		">docs/configuration.md");
	free(text);
}

/* ---- what is refused, and in which words ---- */

Test(config_errors, an_unknown_key_names_the_nearest)
{
	assert_bad(
		"sip:\n  lissten: []\n", "2: unknown key sip.lissten: did you mean sip.listen?\n");
	assert_bad("msrp:\n  bind: 3\n", "2: unknown key msrp.bind: did you mean msrp.bind_s?\n");
	assert_bad("sip:\n  dmoain: a\n", "2: unknown key sip.dmoain: did you mean sip.domain?\n");
}

Test(config_errors, a_key_of_another_section_is_recognised)
{
	assert_bad("sip:\n  max_legs: 4\n",
		"2: unknown key sip.max_legs: did you mean switch.max_legs?\n");
	assert_bad("workers: 1\n",
		"1: key workers stands outside its section: write it, indented, under "
		"\"switch:\"\n");
}

Test(config_errors, a_key_like_no_other_is_answered_with_those_there_are)
{
	assert_bad("switch:\n  zork: 1\n",
		"2: unknown key switch.zork: the keys of switch are workers, cores, poll, socket, memory_mb, "
		"memory_touch, max_legs, max_rooms, ports\n");
}

Test(config_errors, an_unknown_section_names_the_nearest)
{
	assert_bad("spi:\n  listen: []\n", "1: unknown section spi: did you mean sip?\n");
	assert_bad("database: {}\n",
		"1: unknown section database: the sections are sip, msrp, conference, switch\n");
}

Test(config_errors, a_key_or_a_section_stands_once)
{
	assert_bad("sip:\n  domain: a\n  domain: a\n",
		"3: sip.domain is written twice, first in line 2: leave one of them out\n");
	assert_bad("sip:\n  domain: a\nsip:\n  domain: b\n",
		"3: section sip is written twice, first in line 1: put its keys together\n");
}

Test(config_errors, a_wrong_type_says_the_right_one)
{
	assert_bad("conference:\n  max_adhoc_size: many\n",
		"2: conference.max_adhoc_size is many: write a whole number from 2 to 100000\n");
	assert_bad("conference:\n  max_adhoc_size: \"100\"\n",
		"2: conference.max_adhoc_size is the text \"100\": write a whole number from 2 to 100000\n");
	assert_bad("conference:\n  max_adhoc_size: 2.5\n",
		"2: conference.max_adhoc_size is 2.5: write a whole number from 2 to 100000\n");
	assert_bad("msrp:\n  bind_s: 30s\n",
		"2: msrp.bind_s is 30s: write seconds from 0 to 3600, with at most three decimals\n");
	assert_bad("sip:\n  trust_from: yes\n", "2: sip.trust_from is yes: write true or false\n");
	assert_bad("sip:\n  domain: [a]\n",
		"2: sip.domain is a list: write one text in quotes, \"\" for none\n");
	assert_bad("conference:\n  groups:\n",
		"2: conference.groups is empty: write one text in quotes, \"\" for none\n");
	assert_bad("sip:\n  trusted: 127.0.0.1\n",
		"2: sip.trusted is 127.0.0.1: write a list, [\"127.0.0.1\"]\n");
	assert_bad("sip:\n  trusted:\n",
		"2: sip.trusted is empty: write a list of texts, [] for none\n");
	assert_bad("sip:\n  trusted: [[a]]\n",
		"2: an item of sip.trusted is a list: write a text in quotes\n");
	assert_bad("sip: 3\n", "1: section sip is 3: write its keys under it, indented\n");
	assert_bad("sip:\n  [a]: b\n", "2: a key of sip is a list: write \"key: value\"\n");
	assert_bad("[a]: b\n", "1: the name of a section is a list: write a word\n");
}

Test(config_errors, out_of_range_says_the_range)
{
	assert_bad("conference:\n  max_adhoc_size: 1\n",
		"2: conference.max_adhoc_size is 1: write a whole number from 2 to 100000\n");
	assert_bad("switch:\n  workers: -1\n",
		"2: switch.workers is -1: write a whole number from 1 to 64\n");
	assert_bad("switch:\n  memory_mb: 99999999999999999999\n",
		"2: switch.memory_mb is 99999999999999999999: write a whole number from 64 to 1048576\n");
	assert_bad("msrp:\n  transaction_s: 0.05\n",
		"2: msrp.transaction_s is 0.05: write seconds from 0.1 to 600, with at most three decimals\n");
	assert_bad("msrp:\n  bind_s: 0.0005\n",
		"2: msrp.bind_s is 0.0005: write seconds from 0 to 3600, with at most three decimals\n");
	assert_bad("conference:\n  gone_status: 500\n",
		"2: conference.gone_status is 500: write a whole number from 403 to 404\n");
}

Test(config_errors, an_address_to_listen_on_is_checked)
{
	assert_bad("sip:\n  listen:\n    - \"udp:127.0.0.1:5060\"\n    - \"udp:localhost:5060\"\n",
		"4: sip.listen \"udp:localhost:5060\" is no address to listen on: write udp:ADDRESS:PORT or "
		"tcp:ADDRESS:PORT, with an IP address, IPv6 in brackets\n");
	assert_bad("msrp:\n  listen: [\"udp:127.0.0.1:2855\"]\n",
		"2: msrp.listen \"udp:127.0.0.1:2855\": udp is not served here: write tcp:ADDRESS:PORT\n");
	assert_bad("sip:\n  listen: []\n",
		"2: sip.listen is empty: write e.g. [\"udp:127.0.0.1:5060\"]\n");
	assert_bad("msrp:\n  listen: [\"tcp:127.0.0.1:1\", \"tcp:127.0.0.1:1\"]\n",
		"2: msrp.listen has \"tcp:127.0.0.1:1\" twice: leave one of them out\n");
}

Test(config_errors, other_values_are_checked_too)
{
	assert_bad("sip:\n  domain: \"\"\n",
		"2: sip.domain \"\" is empty: write the host part of your addresses, e.g. example.com\n");
	assert_bad("sip:\n  domain: a@b\n",
		"2: sip.domain \"a@b\" is no host: write a name or an IP address, e.g. example.com\n");
	assert_bad("sip:\n  factory: [factory]\n",
		"2: sip.factory \"factory\" is no SIP URI: write e.g. sip:conference-factory@example.com\n");
	assert_bad("sip:\n  next_hop: 10.0.0.1\n",
		"2: sip.next_hop \"10.0.0.1\" is no SIP URI: write e.g. sip:10.0.0.1:5060;transport=tcp;lr, or "
		"\"\" for none\n");
	assert_bad("sip:\n  trusted: [\"10.0.0.1/8\", \"::1/129\", a]\n",
		"2: sip.trusted \"10.0.0.1/8\" has bits set behind its length: write the network's first address, "
		"or one address without a length\n"
		"2: sip.trusted \"::1/129\" is no prefix: write e.g. 10.0.0.0/8, ::1/128 or 10.0.0.1\n"
		"2: sip.trusted \"a\" is no prefix: write e.g. 10.0.0.0/8, ::1/128 or 10.0.0.1\n");
	assert_bad("msrp:\n  advertise: chat.example.com\n",
		"2: msrp.advertise \"chat.example.com\" is no HOST:PORT: write e.g. chat.example.com:2855, or "
		"\"\" for the listen address\n");
	assert_bad("conference:\n  wrapped_types: [text]\n",
		"2: conference.wrapped_types \"text\" is no media type: write e.g. text/plain, image/* or \"*\"\n");
	assert_bad("conference:\n  history_users: [alice]\n",
		"2: conference.history_users \"alice\" is no address of a user: write e.g. "
		"sip:history@example.com or tel:+15550100\n");
	assert_bad("msrp:\n  count_basis: guessed\n",
		"2: msrp.count_basis \"guessed\" is neither accepted nor delivered: write one of them\n");
	assert_bad("switch:\n  poll: fast\n",
		"2: switch.poll \"fast\" is neither sleep nor busy: write sleep, or "
		"busy on CPUs of its own\n");
	assert_bad("switch:\n  cores: 3-1\n",
		"2: switch.cores \"3-1\" is no list of CPUs: write e.g. 1-3 or 1,3, "
		"or \"\" to let the kernel choose\n");
	assert_bad("switch:\n  ports: [\"net_tap0,iface=dtap0\"]\n",
		"2: switch.ports \"net_tap0,iface=dtap0\" is a DPDK port, and this version has kernel sockets only: "
		"write []\n");
}

Test(config_errors, a_socket_path_that_the_kernel_cannot_take)
{
	struct config c;
	char yaml[256], expected[256], name[121];

	memset(name, 's', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	snprintf(yaml, sizeof(yaml), "switch:\n  socket: /%s\n", name);
	snprintf(expected, sizeof(expected),
		"2: switch.socket \"/%.83s...\" is longer than a Unix socket's path may be, 107 octets: write a "
		"shorter path\n",
		name);
	assert_bad(yaml, expected);
	snprintf(yaml, sizeof(yaml), "switch:\n  socket: /%.106s\n", name);
	assert_good(&c, yaml);
	config_free(&c);
}

Test(config_errors, the_registrar_is_not_open_to_the_world_by_accident)
{
	struct config c;

	assert_bad(
		"sip:\n  registrar: true\n  listen:\n    - \"udp:127.0.0.1:5060\"\n    - \"udp:0.0.0.0:5060\"\n",
		"5: sip.listen \"udp:0.0.0.0:5060\" is not loopback, and the built-in registrar asks nobody for a "
		"password: write registrar: false, or registrar_public: true if that is meant\n");
	assert_bad("sip:\n  listen: [\"tcp:[2001:db8::1]:5060\"]\n",
		"2: sip.listen \"tcp:[2001:db8::1]:5060\" is not loopback, and the built-in registrar asks nobody "
		"for a password: write registrar: false, or registrar_public: true if that is meant\n");
	assert_good(&c, "sip:\n  listen: [\"udp:0.0.0.0:5060\"]\n  registrar: false\n");
	config_free(&c);
	assert_good(&c, "sip:\n  listen: [\"udp:0.0.0.0:5060\"]\n  registrar_public: true\n");
	config_free(&c);
	assert_good(&c, "sip:\n  listen: [\"udp:127.1.2.3:5060\", \"udp:[::1]:5060\"]\n");
	config_free(&c);
}

Test(config_errors, a_wildcard_needs_an_address_to_advertise)
{
	struct config c;

	assert_bad("msrp:\n  listen: [\"tcp:[::]:2855\"]\n",
		"2: msrp.listen \"tcp:[::]:2855\" is a wildcard, which no peer can connect to: write advertise: "
		"\"HOST:PORT\" with the address that peers reach\n");
	assert_good(
		&c, "msrp:\n  listen: [\"tcp:[::]:2855\"]\n  advertise: \"[2001:db8::1]:2855\"\n");
	config_free(&c);
}

Test(config_errors, values_must_go_together)
{
	assert_bad("switch:\n  memory_mb: 64\nmsrp:\n  leg_queue: 67108864\n",
		"4: msrp.leg_queue is 67108864, more than half of switch.memory_mb: write at most 33554432, or a "
		"larger memory_mb\n");
	assert_bad("sip:\n  min_se_s: 3600\n",
		"2: sip.session_expires_s is 1800, less than sip.min_se_s, which is 3600: write a larger "
		"session_expires_s or a smaller min_se_s\n");
	assert_bad("sip:\n  subscription_expires_s: 30\n",
		"2: sip.subscription_expires_s is 30, less than sip.subscription_min_s, which is 60: write "
		"a larger subscription_expires_s or a smaller subscription_min_s\n");
}

Test(config_errors, what_is_not_yaml_says_what_to_write)
{
	assert_bad("sip:\n\tdomain: x\n", "2: the line begins with a tab: indent with spaces\n");
	assert_bad("sip:\n  listen: [a\n",
		"3: not YAML: did not find expected ',' or ']' while parsing a flow "
		"sequence since line 2: close the list with \"]\", commas between its items\n");
	assert_bad("conference:\n  wrapped_types: [*]\n",
		"2: not YAML: did not find expected alphabetic or numeric character while scanning an alias: put "
		"quotes around a text that begins with \"*\"\n");
	assert_bad("sip:\n  domain: \"x\n",
		"3: not YAML: found unexpected end of stream while scanning a quoted scalar "
		"since line 2: close the quotes\n");
	assert_bad("sip:\n  domain: a\n listen: []\n",
		"3: not YAML: did not find expected key while parsing a block mapping since line 1: indent the keys "
		"of a section alike\n");
	assert_bad("sip: domain: a\n",
		"1: not YAML: mapping values are not allowed in this context: check the indentation, or put quotes "
		"around a text with \": \" in it\n");
	assert_bad("\nsip:\n  domain: \xff\n",
		"3: not YAML: invalid leading UTF-8 octet: save the file as UTF-8\n");
	assert_bad("- sip\n",
		"1: the file is a list: write sections, e.g. \"sip:\" and under it, indented, "
		"\"domain: example.com\"\n");
	assert_bad("sip\n",
		"1: the file is a text: write sections, e.g. \"sip:\" and under it, indented, "
		"\"domain: example.com\"\n");
}

Test(config_errors, a_file_holds_one_document)
{
	assert_bad("---\nsip: {}\n---\nsip: {}\n",
		"3: a second document begins here: one file holds one, leave out the \"---\"\n");
}

Test(config_errors, zero_octets_and_controls_are_refused)
{
	assert_bad("sip:\n  domain: \"a\\0b\"\n",
		"2: sip.domain \"a\" has a control character: leave it out\n");
	assert_bad("sip:\n  factory: [\"sip:a\\nb\"]\n",
		"2: sip.factory \"sip:a\\x0ab\" has a control character: leave it out\n");
}

Test(config_errors, a_text_that_contains_itself_ends)
{
	assert_bad("sip: &x\n  domain: *x\n",
		"2: sip.domain is a section of its own: write one text in quotes, \"\" for none\n");
}

Test(config_errors, all_are_said_in_the_order_of_lines)
{
	assert_bad("switch:\n  poll: x\n  zz: 1\nmsrp:\n  bind_s: x\nsip:\n  domain: \"\"\n",
		"2: switch.poll \"x\" is neither sleep nor busy: write sleep, or busy on CPUs of its own\n"
		"3: unknown key switch.zz: the keys of switch are workers, cores, poll, socket, memory_mb, memory_touch, max_legs, "
		"max_rooms, ports\n"
		"5: msrp.bind_s is x: write seconds from 0 to 3600, with at most three decimals\n"
		"7: sip.domain \"\" is empty: write the host part of your addresses, e.g. example.com\n");
}

Test(config_errors, after_fifty_only_their_number_is_said)
{
	struct config c;
	char yaml[4096] = "sip:\n", *errors;
	unsigned i, lines = 0;

	for (i = 0; i < 60; i++)
		strcat(yaml, "  domain: a\n");
	cr_assert_eq(load(&c, yaml, strlen(yaml), &errors), -EINVAL);
	for (i = 0; errors[i] != 0; i++)
		lines += errors[i] == '\n';
	cr_assert_eq(lines, 51);
	cr_assert_not_null(strstr(errors, "\n/etc/plenum/p.yaml: and 9 more errors\n"));
	free(errors);
}

Test(config_errors, a_file_of_megabytes_is_not_read)
{
	size_t len = (1 << 20) + 1;
	char *yaml = malloc(len);

	cr_assert_not_null(yaml);
	memset(yaml, '#', len);
	assert_bad_octets(yaml, len,
		"1: the file has more than 1048576 octets: this is not a configuration\n");
	free(yaml);
}

/* ---- addresses ---- */

Test(listen_address, parts_are_taken_apart)
{
	struct listen_address a;

	cr_assert_eq(listen_address_parse("tcp:127.0.0.1:2855", &a), 0);
	cr_assert_str_eq(a.transport, "tcp");
	cr_assert_str_eq(a.host, "127.0.0.1");
	cr_assert_eq(a.port, 2855);
	cr_assert_eq(listen_address_parse("udp:[::1]:0", &a), 0);
	cr_assert_str_eq(a.transport, "udp");
	cr_assert_str_eq(a.host, "::1");
	cr_assert_eq(a.port, 0);
	cr_assert_eq(listen_address_parse("tls:0.0.0.0:65535", &a), 0);
	cr_assert_eq(a.port, 65535);
}

Test(listen_address, other_forms_are_refused)
{
	static const char *const bad[] = { "", "tcp", "tcp:", "tcp::", "tcp:127.0.0.1",
		"tcp:127.0.0.1:", "tcp:127.0.0.1:65536", "tcp:127.0.0.1:-1", "tcp:127.0.0.1:5060 ",
		"tcp:127.0.0.1:000080", "sctp:127.0.0.1:1", "TCP:127.0.0.1:1", "127.0.0.1:5060",
		"tcp:::1:5060", "tcp:[127.0.0.1]:1", "tcp:[::1]", "tcp:[::1]5060", "tcp:[]:1",
		"tcp:example.com:1", "tcp:256.0.0.1:1", " tcp:127.0.0.1:1" };
	struct listen_address a;
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(listen_address_parse(bad[i], &a), -EINVAL, "accepted: %s", bad[i]);
}

Test(host_port, a_name_or_an_address_with_a_port)
{
	static const char *const bad[] = { "", "a", ":1", "a:0", "a:65536", "a b:1", "-a:1",
		"a..b:1", "[a]:1", "::1:5", "msrp://a:1" };
	char host[256];
	uint16_t port;
	unsigned i;

	cr_assert_eq(host_port_parse("chat.example.com:2855", host, &port), 0);
	cr_assert_str_eq(host, "chat.example.com");
	cr_assert_eq(port, 2855);
	cr_assert_eq(host_port_parse("[2001:db8::1]:1", host, &port), 0);
	cr_assert_str_eq(host, "2001:db8::1");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(host_port_parse(bad[i], host, &port), -EINVAL, "accepted: %s", bad[i]);
}
