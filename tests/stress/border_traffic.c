/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/stress/border_stress.h"

const char *const controller_names[NAMES] = { "focus", "gateway" };

void stress_fail(const char *format, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)len);
	_exit(1);
}

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t traffic_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ull;
	return mix(*state);
}

static uint64_t key_state(const struct record_key *key, uint64_t kind)
{
	uint64_t x = mix(kind + 1);

	x = mix(x ^ key->name);
	x = mix(x ^ ((uint64_t)key->epoch << 32 | key->worker));
	return mix(x ^ key->sequence);
}

/* Most are short, as commands are; some are as long as can be. */
static uint16_t random_length(uint64_t *state)
{
	uint64_t r = traffic_random(state);
	uint32_t kind = (uint32_t)(r % 128), rest = (uint32_t)(r >> 32);

	if (kind < 80)
		return (uint16_t)(rest % 65);
	if (kind < 122)
		return (uint16_t)(rest % 600);
	if (kind < 127)
		return (uint16_t)(rest % 4096);
	return (uint16_t)(rest % (SWITCH_TEXT_MAX + 1));
}

static void random_octets(void *out, size_t len, uint64_t *state)
{
	uint8_t *to = out;

	while (len >= 8) {
		uint64_t word = traffic_random(state);

		memcpy(to, &word, 8);
		to += 8;
		len -= 8;
	}
	if (len > 0) {
		uint64_t word = traffic_random(state);

		memcpy(to, &word, len);
	}
}

static struct object_id object_of(const struct record_key *key)
{
	return (struct object_id){ .instance = key->name,
		.worker = (uint16_t)key->worker,
		.kind = OBJECT_LEG,
		.index = (uint32_t)key->sequence,
		.generation = key->epoch };
}

uint32_t traffic_command(struct command_record *out, const struct record_key *key, unsigned type)
{
	uint64_t state = key_state(key, 1);
	struct switch_cmd *cmd = &out->cmd;

	memset(cmd, 0, sizeof(*cmd));
	cmd->type = (uint16_t)type;
	cmd->text_len = random_length(&state);
	cmd->cookie = key->sequence;
	cmd->object = object_of(key);
	random_octets(&cmd->tag, sizeof(cmd->tag), &state);
	cmd->u.nickname.ask = traffic_random(&state);
	random_octets(out->text, cmd->text_len, &state);
	return (uint32_t)sizeof(*cmd) + cmd->text_len;
}

uint32_t traffic_event(
	struct event_record *out, const struct record_key *key, unsigned type, uint64_t cookie)
{
	uint64_t state = key_state(key, 2);
	struct switch_event *event = &out->event;

	memset(event, 0, sizeof(*event));
	event->type = (uint16_t)type;
	event->text_len = random_length(&state);
	event->cookie = cookie;
	event->revision = key->sequence;
	event->object = object_of(key);
	random_octets(&event->tag, sizeof(event->tag), &state);
	event->u.room.messages = traffic_random(&state);
	random_octets(out->text, event->text_len, &state);
	return (uint32_t)sizeof(*event) + event->text_len;
}
