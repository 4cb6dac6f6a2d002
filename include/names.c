/* SPDX-License-Identifier: BSD-3-Clause */
/* names: what the commands, events and causes of the border are called, from their lists. */
#include "include/switch_cmd.h"
#include "include/switch_event.h"

const char *switch_command_name(unsigned type)
{
	static const char *const names[CMD_COUNT] = {
#define X(name) [CMD_##name] = #name,
		SWITCH_COMMANDS(X)
#undef X
	};

	return type < CMD_COUNT ? names[type] : "?";
}

const char *switch_event_name(unsigned type)
{
	static const char *const names[EVENT_COUNT] = {
#define X(name) [EVENT_##name] = #name,
		SWITCH_EVENTS(X)
#undef X
	};

	return type < EVENT_COUNT ? names[type] : "?";
}

const char *leg_cause_text(unsigned cause)
{
	static const char *const texts[LEG_CAUSE_COUNT] = {
#define X(name, text) [LEG_CAUSE_##name] = text,
		LEG_CAUSES(X)
#undef X
	};

	return cause < LEG_CAUSE_COUNT ? texts[cause] : "?";
}
