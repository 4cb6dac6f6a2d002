/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include "include/config.h"
#include "include/config_table.h"

/* ---- addresses ---- */

/* "HOST:PORT", "[V6]:PORT". The host is copied as it stands, without brackets. */
static int host_port_split(const char *text, char host[256], bool *bracketed, uint16_t *port)
{
	const char *end, *digit;
	unsigned long number = 0;

	*bracketed = *text == '[';
	if (*bracketed) {
		text++;
		end = strchr(text, ']');
		if (end == NULL || end[1] != ':')
			return -EINVAL;
		digit = end + 2;
	} else {
		end = strchr(text, ':');
		if (end == NULL)
			return -EINVAL;
		digit = end + 1;
	}
	if (end == text || end - text > 255 || *digit == 0 || strlen(digit) > 5)
		return -EINVAL;
	for (; *digit != 0; digit++) {
		if (!isdigit((unsigned char)*digit))
			return -EINVAL;
		number = number * 10 + (unsigned long)(*digit - '0');
	}
	if (number > 65535)
		return -EINVAL;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = 0;
	*port = (uint16_t)number;
	return 0;
}

static bool is_ip_address(const char *host, bool bracketed)
{
	struct in6_addr address;

	return inet_pton(bracketed ? AF_INET6 : AF_INET, host, &address) == 1;
}

/* RFC 3261 25.1 hostname, without its demand that the last label begins with a letter when it is no
 * address. */
static bool is_host_name(const char *host)
{
	const char *c;

	for (c = host; *c != 0; c++) {
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.')
			return false;
	}
	return c != host && *host != '-' && *host != '.' && strstr(host, "..") == NULL;
}

int listen_address_parse(const char *text, struct listen_address *out)
{
	static const char *const transports[] = { "udp", "tcp", "tls" };
	const char *colon = strchr(text, ':');
	bool bracketed;
	unsigned i;

	*out = (struct listen_address){ 0 };
	for (i = 0; colon != NULL && i < sizeof(transports) / sizeof(transports[0]); i++) {
		if (strlen(transports[i]) != (size_t)(colon - text) ||
			strncmp(text, transports[i], (size_t)(colon - text)) != 0)
			continue;
		strcpy(out->transport, transports[i]);
		if (host_port_split(colon + 1, out->host, &bracketed, &out->port) != 0 ||
			!is_ip_address(out->host, bracketed))
			return -EINVAL;
		return 0;
	}
	return -EINVAL;
}

int host_port_parse(const char *text, char host[256], uint16_t *port)
{
	bool bracketed;

	if (host_port_split(text, host, &bracketed, port) != 0 || *port == 0)
		return -EINVAL;
	return is_ip_address(host, bracketed) || (!bracketed && is_host_name(host)) ? 0 : -EINVAL;
}

static bool is_wildcard(const struct listen_address *address)
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, address->host, &six) == 1)
		return IN6_IS_ADDR_UNSPECIFIED(&six);
	return strcmp(address->host, "0.0.0.0") == 0;
}

static bool is_loopback(const struct listen_address *address)
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, address->host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strncmp(address->host, "127.", 4) == 0;
}

/* "10.0.0.0/8", "::1", with no bit set behind the prefix: who writes 10.0.0.1/8 means either
 * 10.0.0.0/8 or 10.0.0.1. */
enum prefix_verdict { PREFIX_GOOD, PREFIX_BAD, PREFIX_BITS_BEHIND };

static enum prefix_verdict prefix_check(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	unsigned char octets[16] = { 0 };
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned bits, length, i;

	if (len >= sizeof(address))
		return PREFIX_BAD;
	memcpy(address, text, len);
	address[len] = 0;
	if (inet_pton(AF_INET, address, octets) == 1)
		bits = 32;
	else if (inet_pton(AF_INET6, address, octets) == 1)
		bits = 128;
	else
		return PREFIX_BAD;
	if (slash == NULL)
		return PREFIX_GOOD;
	if (slash[1] == 0 || strlen(slash + 1) > 3 ||
		strspn(slash + 1, "0123456789") != strlen(slash + 1))
		return PREFIX_BAD;
	length = (unsigned)atoi(slash + 1);
	if (length > bits)
		return PREFIX_BAD;
	for (i = length; i < bits; i++) {
		if (octets[i / 8] & (0x80 >> i % 8))
			return PREFIX_BITS_BEHIND;
	}
	return PREFIX_GOOD;
}

/* ---- one value ---- */

static bool is_uri_of(const char *text, const char *const *schemes)
{
	for (; *schemes != NULL; schemes++) {
		size_t len = strlen(*schemes);

		if (strncasecmp(text, *schemes, len) == 0 && text[len] != 0)
			return strpbrk(text, " \"<>") == NULL;
	}
	return false;
}

/* "1-3,5": numbers that rise within a range. */
static bool is_cpu_list(const char *text)
{
	while (isdigit((unsigned char)*text)) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-') {
			if (!isdigit((unsigned char)end[1]))
				return false;
			last = strtoul(end + 1, &end, 10);
		}
		if (first > last || last > 4095)
			return false;
		if (*end == 0)
			return true;
		if (*end != ',')
			return false;
		text = end + 1;
	}
	return false;
}

/* "*", "text/plain", "image/" and a star: RFC 2045 tokens. */
static bool is_media_type(const char *text)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "!#$%&'*+-.^_`{|}~";
	size_t type;

	if (strcmp(text, "*") == 0)
		return true;
	type = strspn(text, token);
	return type > 0 && text[type] == '/' && text[type + 1] != 0 &&
	       strspn(text + type + 1, token) == strlen(text + type + 1);
}

static bool is_domain(const char *text)
{
	char address[256];
	size_t len = strlen(text);

	if (*text != '[')
		return is_host_name(text);
	if (len < 4 || len > sizeof(address) || text[len - 1] != ']')
		return false;
	memcpy(address, text + 1, len - 2);
	address[len - 2] = 0;
	return is_ip_address(address, true);
}

static bool listen_check(
	const char *item, const char *key, bool udp, unsigned line, struct config_errors *errors)
{
	const char *form = udp ? "udp:ADDRESS:PORT or tcp:ADDRESS:PORT" : "tcp:ADDRESS:PORT";
	struct listen_address address;

	if (listen_address_parse(item, &address) != 0) {
		config_error(errors, line,
			"%s %s is no address to listen on: write %s, with an IP address, IPv6 in brackets",
			key, config_quote(item).text, form);
		return false;
	}
	if (strcmp(address.transport, "tcp") != 0 &&
		!(udp && strcmp(address.transport, "udp") == 0)) {
		config_error(errors, line, "%s %s: %s is not served here: write %s", key,
			config_quote(item).text, address.transport, form);
		return false;
	}
	return true;
}

bool config_item_check(
	enum config_key_id id, const char *item, unsigned line, struct config_errors *errors)
{
	static const char *const sip_schemes[] = { "sip:", "sips:", NULL };
	static const char *const user_schemes[] = { "sip:", "sips:", "tel:", NULL };
	struct sockaddr_un un;
	char host[256];
	uint16_t port;
	const char *problem = NULL;

	switch (id) {
	case CONFIG_KEY_sip_listen: return listen_check(item, "sip.listen", true, line, errors);
	case CONFIG_KEY_msrp_listen: return listen_check(item, "msrp.listen", false, line, errors);
	case CONFIG_KEY_sip_domain:
		if (*item == 0)
			problem =
				"is empty: write the host part of your addresses, e.g. example.com";
		else if (!is_domain(item))
			problem = "is no host: write a name or an IP address, e.g. example.com";
		break;
	case CONFIG_KEY_sip_factory:
		if (!is_uri_of(item, sip_schemes))
			problem = "is no SIP URI: write e.g. sip:conference-factory@example.com";
		break;
	case CONFIG_KEY_sip_next_hop:
		if (*item != 0 && !is_uri_of(item, sip_schemes))
			problem =
				"is no SIP URI: write e.g. sip:10.0.0.1:5060;transport=tcp;lr, or \"\" for none";
		break;
	case CONFIG_KEY_sip_trusted:
		switch (prefix_check(item)) {
		case PREFIX_GOOD: break;
		case PREFIX_BAD:
			problem = "is no prefix: write e.g. 10.0.0.0/8, ::1/128 or 10.0.0.1";
			break;
		case PREFIX_BITS_BEHIND:
			problem =
				"has bits set behind its length: write the network's first address, or one "
				"address without a length";
			break;
		}
		break;
	case CONFIG_KEY_msrp_advertise:
		if (*item != 0 && host_port_parse(item, host, &port) != 0)
			problem =
				"is no HOST:PORT: write e.g. chat.example.com:2855, or \"\" for the listen address";
		break;
	case CONFIG_KEY_conference_history_users:
		if (!is_uri_of(item, user_schemes))
			problem =
				"is no address of a user: write e.g. sip:history@example.com or tel:+15550100";
		break;
	case CONFIG_KEY_conference_wrapped_types:
		if (!is_media_type(item))
			problem = "is no media type: write e.g. text/plain, image/* or \"*\"";
		break;
	case CONFIG_KEY_switch_cores:
		if (*item != 0 && !is_cpu_list(item))
			problem =
				"is no list of CPUs: write e.g. 1-3 or 1,3, or \"\" to let the kernel choose";
		break;
	case CONFIG_KEY_switch_poll:
		if (strcmp(item, "sleep") != 0 && strcmp(item, "busy") != 0)
			problem =
				"is neither sleep nor busy: write sleep, or busy on CPUs of its own";
		break;
	case CONFIG_KEY_msrp_count_basis:
		if (strcmp(item, "accepted") != 0 && strcmp(item, "delivered") != 0)
			problem = "is neither accepted nor delivered: write one of them";
		break;
	case CONFIG_KEY_switch_socket:
		if (*item == 0)
			problem = "is empty: write the path of a Unix socket";
		else if (strlen(item) >= sizeof(un.sun_path))
			problem =
				"is longer than a Unix socket's path may be, 107 octets: write a shorter path";
		break;
	case CONFIG_KEY_switch_ports:
		problem = "is a DPDK port, and this version has kernel sockets only: write []";
		break;
	default: break;
	}
	if (problem == NULL)
		return true;
	config_error(errors, line, "%s.%s %s %s", config_sections[config_keys[id].section].name,
		config_keys[id].name, config_quote(item).text, problem);
	return false;
}

/* ---- values together ---- */

/* Where a list's item stands; for a default that goes badly with another key, where that other key
 * stands. */
static unsigned item_line(const struct config_places *places, enum config_key_id id, unsigned item,
	enum config_key_id other)
{
	if (places->item_lines[id] != NULL)
		return places->item_lines[id][item];
	return places->line_of[other] != 0 ? places->line_of[other] : 1;
}

static unsigned key_line(
	const struct config_places *places, enum config_key_id id, enum config_key_id other)
{
	if (places->line_of[id] != 0)
		return places->line_of[id];
	return places->line_of[other] != 0 ? places->line_of[other] : 1;
}

static void listen_cross_check(const struct string_list *list, enum config_key_id id,
	const struct config_places *places, struct config_errors *errors)
{
	const char *section = config_sections[config_keys[id].section].name;
	struct listen_address address;
	unsigned i, j;

	if (list->count == 0)
		config_error(errors, key_line(places, id, id),
			"%s.listen is empty: write e.g. [\"%s\"]", section,
			id == CONFIG_KEY_sip_listen ? "udp:127.0.0.1:5060" : "tcp:127.0.0.1:2855");
	for (i = 1; i < list->count; i++) {
		for (j = 0; j < i; j++) {
			if (strcmp(list->items[i], list->items[j]) != 0)
				continue;
			if (listen_address_parse(list->items[i], &address) == 0 &&
				address.port == 0)
				continue; /* each gets a port of its own */
			config_error(errors, item_line(places, id, i, id),
				"%s.listen has \"%s\" twice: leave one of them out", section,
				list->items[i]);
			break;
		}
	}
}

void config_cross_check(const struct config *config, const struct config_places *places,
	struct config_errors *errors)
{
	const uint64_t memory = config->switch_memory_mb << 20;
	struct listen_address address;
	unsigned i;

	listen_cross_check(&config->sip_listen, CONFIG_KEY_sip_listen, places, errors);
	listen_cross_check(&config->msrp_listen, CONFIG_KEY_msrp_listen, places, errors);

	for (i = 0; i < config->sip_listen.count; i++) {
		if (!config->sip_registrar || config->sip_registrar_public)
			break;
		if (listen_address_parse(config->sip_listen.items[i], &address) != 0 ||
			is_loopback(&address))
			continue;
		config_error(errors,
			item_line(places, CONFIG_KEY_sip_listen, i, CONFIG_KEY_sip_registrar),
			"sip.listen \"%s\" is not loopback, and the built-in registrar asks nobody for a password: "
			"write registrar: false, or registrar_public: true if that is meant",
			config->sip_listen.items[i]);
	}
	for (i = 0; i < config->msrp_listen.count; i++) {
		if (*config->msrp_advertise != 0)
			break;
		if (listen_address_parse(config->msrp_listen.items[i], &address) != 0 ||
			!is_wildcard(&address))
			continue;
		config_error(errors,
			item_line(places, CONFIG_KEY_msrp_listen, i, CONFIG_KEY_msrp_advertise),
			"msrp.listen \"%s\" is a wildcard, which no peer can connect to: write advertise: "
			"\"HOST:PORT\" with the address that peers reach",
			config->msrp_listen.items[i]);
	}
	if (config->sip_session_expires_ms < config->sip_min_se_ms)
		config_error(errors,
			key_line(places, CONFIG_KEY_sip_session_expires, CONFIG_KEY_sip_min_se),
			"sip.session_expires_s is %llu, less than sip.min_se_s, which is %llu: write a larger "
			"session_expires_s or a smaller min_se_s",
			(unsigned long long)config->sip_session_expires_ms / 1000,
			(unsigned long long)config->sip_min_se_ms / 1000);
	if (config->sip_subscription_expires_ms < config->sip_subscription_min_ms)
		config_error(errors,
			key_line(places, CONFIG_KEY_sip_subscription_expires,
				CONFIG_KEY_sip_subscription_min),
			"sip.subscription_expires_s is %llu, less than sip.subscription_min_s, which is "
			"%llu: write a larger subscription_expires_s or a smaller subscription_min_s",
			(unsigned long long)config->sip_subscription_expires_ms / 1000,
			(unsigned long long)config->sip_subscription_min_ms / 1000);
	if (config->msrp_leg_queue > memory / 2)
		config_error(errors,
			key_line(places, CONFIG_KEY_msrp_leg_queue, CONFIG_KEY_switch_memory_mb),
			"msrp.leg_queue is %llu, more than half of switch.memory_mb: write at most %llu, or a "
			"larger memory_mb",
			(unsigned long long)config->msrp_leg_queue, (unsigned long long)memory / 2);
}
