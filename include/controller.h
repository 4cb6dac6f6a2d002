/* SPDX-License-Identifier: BSD-3-Clause */
/* controller: libplenum, the controller's end of the border. The API for SIP servers that use the
 * switch.
 *
 * Threads:  one thread per controller. Nothing blocks, except controller_attach (at most
 *           timeout_ms).
 * Memory:   owns the mapping and the descriptors until controller_detach; nothing else is
 *           allocated.
 * Use:      attach; CMD_SNAPSHOT to every worker; wait on controller_fd; poll; submit; heartbeat
 *           every second.
 */
#ifndef INCLUDE_CONTROLLER_H
#define INCLUDE_CONTROLLER_H
#include <stdint.h>
#include "include/result.h"
#include "include/span.h"
#include "include/switch_cmd.h"
#include "include/switch_event.h"

struct controller;

/* Connects to the switch at the Unix socket `path` under `name` (1..31 octets, printable). Results:
 * 0; -ENOENT, -ECONNREFUSED: no switch there; -ETIMEDOUT: it does not answer; -EPROTO: another ABI
 * (*abi_theirs says which, may be NULL) or an answer that makes no sense; -EPERM: refused for the
 * credentials, or may not open the socket; -EINVAL: name or path; -ENOBUFS: too many controllers,
 * or no memory or descriptors. */
must_check int controller_attach(struct controller **out, const char *path, const char *name,
	int timeout_ms, uint32_t *abi_theirs);

/* Unmaps and closes. Rooms and legs stay in the switch. NULL is allowed. */
void controller_detach(struct controller *c);

uint32_t controller_instance(const struct controller *c); /* of the switch */
uint32_t controller_epoch(const struct controller *c);
uint32_t controller_workers(const struct controller *c);

/* Two descriptors to wait on for reading, never to be read by the caller: controller_fd becomes
 * readable when events wait, or when there is room again after -ENOBUFS; controller_socket when we
 * are fenced or the switch ended. */
int controller_fd(const struct controller *c);
int controller_socket(const struct controller *c);

/* Queues one command for worker w; text has cmd->text_len octets. -ENOBUFS: the ring is full, what
 * it holds was flushed, and controller_fd says when to try again; -EPIPE: the switch broke the
 * ring; -EINVAL: worker or length. Visible after controller_flush. */
must_check int controller_submit(
	struct controller *c, uint32_t w, const struct switch_cmd *cmd, const void *text);
void controller_flush(struct controller *c);

/* Takes up to `budget` events and hands each to `seen`; event and text are borrowed for the call. A
 * record that is too short or has a false text length is counted and left out (and uses up budget).
 * Workers take turns. Returns how many were handed out; -EPIPE when a ring is broken. `seen` may
 * submit and flush, not detach or poll. Before the caller sleeps it calls controller_may_sleep:
 * false means poll again. */
int controller_poll(struct controller *c, unsigned budget,
	void (*seen)(void *arg, uint32_t w, const struct switch_event *event, const char *text),
	void *arg);
bool controller_may_sleep(struct controller *c);
uint64_t controller_bad_records(const struct controller *c); /* left out so far */

/* Tells the switch that this controller is alive; every BORDER_HEARTBEAT_MS. */
void controller_heartbeat(struct controller *c);

/* Is the socket still open? False: fenced by a newer attachment, or the switch ended. */
bool controller_is_attached(const struct controller *c);

/* Text of an event or command, checked against text_len; an empty span when it lies outside. */
struct span text_get(struct text_ref ref, const char *text, uint16_t text_len);

/* Builds the text part of a command: appends octets to buf (SWITCH_TEXT_MAX long), fills ref.
 * -ENOBUFS. */
struct text_builder {
	uint16_t len;
	char octets[SWITCH_TEXT_MAX];
};
must_check int text_put(struct text_builder *b, struct span s, struct text_ref *ref);
#endif
