/* SPDX-License-Identifier: BSD-3-Clause */
/* pressure: what a worker does without when its memory runs low, in this order.
 *
 *   1  doors      no new connections, rooms and legs
 *   2  messages   none begins (413); what queues pin is cut with '#', from the legs that pin most on
 *   3  reads      the largest producers are not read, then smaller ones, and below the margin of
 *                 pools.def nobody
 *
 * Place:    worker (once a turn) -> pressure; asked by connection, inbound, leg and room.
 * Spec:     design 6; context.md 2.7.
 * Threads:  its worker; `wants_relief` is read by the others, as what their members do not take lies
 *           in the memory of those who sent it.
 * What legs, bindings, responses and commands need is set aside (pools.def), so that pressure can
 * always be released. Every refusal has a counter.
 */
#ifndef DATAPLANE_PRESSURE_H
#define DATAPLANE_PRESSURE_H
#include <stdbool.h>
#include <stdint.h>

struct worker;
struct connection;

enum pressure { PRESSURE_NONE, PRESSURE_DOORS, PRESSURE_MESSAGES, PRESSURE_READS };

void pressure_init(struct worker *worker);
/* Once a turn. */
void pressure_look(struct worker *worker);
/* A connection may be read when it sent no more of late than this. */
bool pressure_lets_read(const struct worker *worker, const struct connection *conn);
#endif
