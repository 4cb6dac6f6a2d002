/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/worker.h"
#include <stdlib.h>
#include <string.h>

#define TICK_MS       1000
#define WAIT_SHORT_MS 1    /* somebody waits for memory or for a full room */
#define LOCAL_MAX     4096 /* posts to itself before the sockets are looked at again */
#define REMOTE_MAX    1024

/* ---- randomness ---- */

/* xoshiro256++ (Blackman, Vigna): each copy of each message takes a transaction id, and the system's
 * randomness would be a tenth of what a copy costs. */
static uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static uint64_t generator_next(uint64_t s[4])
{
	uint64_t next = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return next;
}

static void generator_seed(struct worker *worker)
{
	worker->shared->random_fill(worker->generator, sizeof(worker->generator));
	worker->shared->random_fill(worker->tid_key, sizeof(worker->tid_key));
	worker->generator[0] |= 1; /* all zero is the one state that it never leaves */
}

/* Eight characters of 40 bits, all at once: five bits into each octet, then into the alphabet, whose
 * letters are 26 and whose digits begin with '2'. */
static uint64_t spread(uint64_t bits)
{
	uint64_t x = (bits & 0xfffff) | (bits & 0xfffff00000) << 12;
	uint64_t digits;

	x = (x & 0x000003ff000003ff) | (x & 0x000ffc00000ffc00) << 6;
	x = (x & 0x001f001f001f001f) | (x & 0x03e003e003e003e0) << 3;
	digits = (x + 0x6666666666666666) >> 7 & 0x0101010101010101;
	return x + 0x6161616161616161 - digits * ('a' + 26 - '2');
}

void worker_random_text(struct worker *worker, char *out, size_t size)
{
	uint64_t text;

	for (; size >= sizeof(text); size -= sizeof(text), out += sizeof(text)) {
		text = spread(generator_next(worker->generator));
		memcpy(out, &text, sizeof(text));
	}
	text = size > 0 ? spread(generator_next(worker->generator)) : 0;
	for (; size > 0; size--, text >>= 8)
		*out++ = (char)text;
}

#define TID_RANDOM_OCTETS 13u

/* A few characters that only we can tell from the first eight and the session. */
static uint64_t tid_seal(const struct worker *worker, uint32_t session, const char *tid)
{
	uint64_t x;

	memcpy(&x, tid, 8);
	x = (x ^ worker->tid_key[0]) * 0x9e3779b97f4a7c15u;
	x = ((x >> 29 ^ x) + session) * (worker->tid_key[1] | 1);
	return spread(x >> 24);
}

void worker_tid(struct worker *worker, uint32_t session, char tid[WORKER_TID_OCTETS])
{
	uint64_t seal;

	worker_random_text(worker, tid, TID_RANDOM_OCTETS);
	seal = tid_seal(worker, session, tid);
	memcpy(tid + TID_RANDOM_OCTETS, &seal, WORKER_TID_OCTETS - TID_RANDOM_OCTETS);
}

bool worker_tid_is_ours(const struct worker *worker, uint32_t session, struct span tid)
{
	uint64_t seal;

	if (tid.len < WORKER_TID_OCTETS)
		return false;
	seal = tid_seal(worker, session, tid.at);
	return memcmp(tid.at + TID_RANDOM_OCTETS, &seal, WORKER_TID_OCTETS - TID_RANDOM_OCTETS) ==
	       0;
}

static uint64_t message_seal(
	const struct worker *worker, uint32_t session, uint32_t order, const char *tid)
{
	return tid_seal(worker, session ^ ~order * 0x9e3779b1u, tid);
}

void message_tid(
	struct worker *worker, uint32_t session, uint32_t order, char tid[MESSAGE_TID_OCTETS])
{
	uint64_t seal;

	worker_tid(worker, session, tid);
	seal = message_seal(worker, session, order, tid);
	memcpy(tid + WORKER_TID_OCTETS, &seal, MESSAGE_TID_OCTETS - WORKER_TID_OCTETS);
}

bool message_tid_is_of(
	const struct worker *worker, uint32_t session, uint32_t order, struct span tid)
{
	uint64_t seal;

	if (tid.len != MESSAGE_TID_OCTETS || !worker_tid_is_ours(worker, session, tid))
		return false;
	seal = message_seal(worker, session, order, tid.at);
	return memcmp(tid.at + WORKER_TID_OCTETS, &seal, MESSAGE_TID_OCTETS - WORKER_TID_OCTETS) ==
	       0;
}

void worker_secret_text(struct worker *worker, char *out, size_t size)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t octets[64];
	size_t i;

	assert(size <= sizeof(octets));
	worker->shared->random_fill(octets, size);
	for (i = 0; i < size; i++)
		out[i] = alphabet[octets[i] & 31];
}

/* ---- memory ---- */

int worker_init(struct worker *worker, struct switch_shared *shared, uint16_t index)
{
	struct memory plan;
	char text[300];
	unsigned i;

	memset(worker, 0, sizeof(*worker));
	worker->shared = shared;
	worker->index = index;
	worker->now_ms = worker->ticked_at = shared->clock_ms();
	worker->heads_last = &worker->heads_first;
	TAILQ_INIT(&worker->used);
	TAILQ_INIT(&worker->unused);
	mailbox_init(&worker->mailbox);
	generator_seed(worker);
	if (!memory_make(&plan, shared)) {
		memory_refusal(shared, text, sizeof(text));
		log_error("worker", "%s", text);
		return -ENOMEM;
	}
	if (arena_map(&worker->arena, plan.need, shared->memory_touch) != 0)
		goto none;
	for (i = 0; i < MEMORY_POOLS; i++)
		if (pool_init((struct pool *)(void *)((char *)worker + plan.lines[i].pool),
			    &worker->arena, plan.lines[i].octets, plan.lines[i].count) != 0)
			goto none;
	pressure_init(worker);
	worker->transport_records = plan.connections;
	if (plan.transport > 0)
		worker->transport_memory = arena_take(&worker->arena, plan.transport);
	return 0;
none:
	log_error("worker",
		"the machine does not give the memory: lower switch.memory_mb worker=%u octets=%zu",
		index, plan.need);
	arena_unmap(&worker->arena);
	return -ENOMEM;
}

void worker_fini(struct worker *worker)
{
	tcp_free(worker->tcp);
	arena_unmap(&worker->arena);
}

bool worker_can_receive(const struct worker *worker)
{
	return true
#define POOL(name, member, octets, of64, besides, parts, margin, least, what)                      \
	&&((margin) == 0 || worker->member.free_count > (margin)-1u)
#include "dataplane/pools.def"
		;
}

/* ---- posts ---- */

void worker_post(struct worker *worker, uint16_t to, struct post *post, enum post_kind kind)
{
	if (to != worker->index) {
		post_send(&worker->shared->worker[to]->posts, post, kind);
		return;
	}
	post->kind = (uint8_t)kind;
	atomic_store_explicit(&post->next, NULL, memory_order_relaxed);
	if (worker->local == NULL)
		worker->local = post;
	else
		atomic_store_explicit(&worker->local_last->next, post, memory_order_relaxed);
	worker->local_last = post;
}

#define OBJECT(type, member) ((struct type *)(void *)((char *)post - offsetof(struct type, member)))

static void dispatch(struct worker *worker, struct post *post)
{
	switch ((enum post_kind)post->kind) {
	case POST_BIND_ASK:
		mailbox_catch_up(worker);
		leg_bind_ask(worker, OBJECT(msrp_session, post));
		break;
	case POST_BIND_ANSWER: connection_bind_answer(worker, OBJECT(msrp_session, post)); break;
	case POST_UNBOUND: leg_unbound(worker, OBJECT(msrp_session, post)); break;
	case POST_UNBOUND_ACK: msrp_session_unbound_ack(worker, OBJECT(msrp_session, post)); break;
	case POST_STATUS: leg_session_status(worker, OBJECT(session_status, post)); break;
	case POST_STATUS_BACK: msrp_session_told(worker, OBJECT(session_status, post)); break;
	case POST_LEG_CONTROL: msrp_session_control(worker, OBJECT(leg_control, post)); break;
	case POST_LEG_CONTROLLED: leg_controlled(worker, OBJECT(leg_control, post)); break;
	case POST_PAYLOAD: room_payload(worker, OBJECT(payload, post)); break;
	case POST_VERDICT: inbound_verdict(worker, OBJECT(payload, post)); break;
	case POST_FORWARD: fanout_view(worker, OBJECT(view, post)); break;
	case POST_PAYLOAD_HOME: payload_home(worker, OBJECT(payload, post)); break;
	case POST_MESSAGE_DONE: room_message_done(worker, OBJECT(message, post)); break;
	case POST_MESSAGE_HOME: inbound_message_home(worker, OBJECT(message, post)); break;
	case POST_REPORT_DONE: room_report_done(worker, OBJECT(message, report_post)); break;
	case POST_REPORT_READY: inbound_report_ready(worker, OBJECT(message, report_post)); break;
	case POST_REPORT_HOME: report_home(worker, OBJECT(report_part, post)); break;
	case POST_NICKNAME_ASK: nickname_arrived(worker, OBJECT(nickname_ask, post)); break;
	case POST_NICKNAME_ANSWER: nickname_answered(worker, OBJECT(nickname_ask, post)); break;
	case POST_IDS_HOME: message_ids_home(worker, OBJECT(message_ids, post)); break;
	case POST_ATTACHMENT: mailbox_change(worker, OBJECT(attachment_change, post)); break;
	case POST_DRAIN: drain_begin(worker); break;
	case POST_STOP: worker->stop = true; break;
	case POST_DRAINED:
	case POST_ANCHOR:
	case POST_KIND_COUNT: assert(!"a post without a kind"); break;
	}
}

void worker_run_local(struct worker *worker)
{
	struct post *post;
	unsigned n = 0;

	while ((post = worker->local) != NULL && n++ < LOCAL_MAX) {
		worker->local = atomic_load_explicit(&post->next, memory_order_relaxed);
		dispatch(worker, post);
	}
}

static void run_remote(struct worker *worker)
{
	struct post *post;
	unsigned n = 0;

	while (n++ < REMOTE_MAX && (post = post_take(&worker->posts)) != NULL)
		dispatch(worker, post);
}

/* ---- the loop ---- */

static void tick(struct worker *worker)
{
	if (worker->now_ms - worker->ticked_at < TICK_MS)
		return;
	worker->ticked_at = worker->now_ms;
	worker->ticks++;
	connection_tick(worker);
	report_tick(worker);
	leg_tick(worker);
	room_tick(worker);
}

static bool may_sleep(struct worker *worker)
{
	return worker->local == NULL && worker->work == NULL && worker->lines_used == 0 &&
	       post_may_sleep(&worker->posts) && mailbox_may_sleep(worker);
}

void worker_step(struct worker *worker, bool sleep)
{
	int wait_ms = 0;

	if (sleep && may_sleep(worker))
		wait_ms = worker->paused != NULL
				  ? WAIT_SHORT_MS
				  : (int)drain_wait_ms(
					    worker, connection_wait_ms(worker,
							    mailbox_wait_ms(worker, TICK_MS)));
	tcp_wait(worker->tcp, wait_ms);
	worker->now_ms = worker->shared->clock_ms();
	if (sleep) {
		post_awake(&worker->posts);
		mailbox_awake(worker);
	}
	/* Commands first: what a peer sends because of what its controller was told comes after
	 * them. */
	mailbox_run(worker);
	worker_run_local(worker);
	run_remote(worker);
	pressure_look(worker);
	tcp_poll(worker->tcp);
	worker_run_local(worker);
	fanout_run(worker);
	connection_flush_dirty(worker);
	worker_run_local(worker);
	msrp_session_leaving(worker);
	drain_run(worker);
	worker_run_local(worker);
	mailbox_run(worker); /* events of this turn */
	connection_resume_paused(worker);
	tick(worker);
}
