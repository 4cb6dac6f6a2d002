/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/switch/leg.h"
#include <stdio.h>
#include <string.h>
#include "dataplane/msrp/chunk_out.h"
#include "dataplane/msrp/path.h"
#include "dataplane/worker.h"

const uint32_t leg_conf_class_octets[LEG_CONF_CLASSES] = { 640, 2048, 16384 };

/* ---- leg_conf ---- */

static void conf_put(struct worker *worker, struct leg_conf *conf)
{
	if (conf != NULL)
		pool_put(&worker->confs[conf->class], conf);
}

/* Frees a conf that nobody has any more: not the leg, not its session, not a control record on its
 * way. */
static void conf_release(struct worker *worker, struct leg *leg, struct leg_conf *conf)
{
	if (conf != NULL && conf != leg->conf && conf != leg->lent &&
		!(leg->control_busy && conf == leg->control.conf))
		conf_put(worker, conf);
}

static struct span append(struct leg_conf *conf, size_t *used, struct span s)
{
	struct span copy = span_make(conf->text + *used, s.len);

	if (s.len > 0)
		memcpy(conf->text + *used, s.at, s.len);
	*used += s.len;
	return copy;
}

struct conf_parts {
	struct span path, uri, identities, alias, wrapped;
	uint32_t flags, participant;
};

static struct leg_conf *conf_new(
	struct worker *worker, struct leg *leg, const struct conf_parts *parts)
{
	size_t room, need = sizeof(struct leg_conf) + CHUNK_OUT_PATHS_EXTRA + parts->path.len +
			    parts->uri.len + parts->identities.len + parts->alias.len +
			    parts->wrapped.len;
	struct leg_conf *conf = NULL;
	struct msrp_path path;
	struct msrp_uri uri;
	unsigned class;
	size_t used = 0;

	for (class = 0; class < LEG_CONF_CLASSES && conf == NULL; class ++)
		if (need <= leg_conf_class_octets[class])
			conf = pool_get(&worker->confs[class]);
	if (conf == NULL)
		return NULL;
	*conf = (struct leg_conf){ .leg = leg,
		.room = leg->room,
		.class = class - 1,
		.flags = parts->flags,
		.participant = parts->participant,
		.leg_index = pool_index(&worker->legs, leg),
		.home = worker->index,
		.secure = leg->tls != 0 };
	/* Every head towards the peer has this: it is written once, and the paths are read in it. */
	room = CHUNK_OUT_PATHS_EXTRA + parts->path.len + parts->uri.len;
	used = chunk_out_paths(conf->text, room, parts->path, parts->uri, &conf->path, &conf->uri);
	conf->paths = span_make(conf->text, used);
	if (msrp_path_parse(conf->path, &path) == 0)
		conf->path_first = path.first;
	if (msrp_uri_parse(conf->uri, &uri) == 0)
		conf->session_id = uri.session_id;
	conf->identities = append(conf, &used, parts->identities);
	conf->alias = append(conf, &used, parts->alias);
	conf->wrapped = append(conf, &used, parts->wrapped);
	conf->wrapped_all = span_eq(conf->wrapped, SPAN_LITERAL("*"));
	return conf;
}

static struct conf_parts parts_of(const struct leg_conf *conf)
{
	return (struct conf_parts){ conf->path, conf->uri, conf->identities, conf->alias,
		conf->wrapped, conf->flags, conf->participant };
}

/* ---- state towards the session ---- */

void leg_mark_dirty(struct worker *worker, struct leg *leg)
{
	leg->revision = ++worker->mailbox.revision;
	mailbox_leg_dirty(worker, leg);
}

/* Is the leg's session one of its room's members on its worker? The room hands messages only to
 * workers that have some. */
static void part_update(struct leg *leg)
{
	/* A peer may bind before its answer has come to the controller: until its path is known there
	 * is nowhere to send to (RFC 4975 7.1: To-Path is that path). */
	bool now = leg->session != NULL && (leg->state == LEG_BOUND || leg->asked) && leg->member &&
		   !leg->removing && leg->rebinding == NULL && !leg->reconnect &&
		   leg->conf->path.len > 0;

	if (now == leg->in_part)
		return;
	leg->in_part = now;
	if (now) {
		leg->joined = leg->room->order + 1; /* messages with a higher order */
		leg->room->members[leg->session_worker]++;
	} else {
		leg->joined = leg->room->order + 1; /* it gets what began before */
		leg->room->members[leg->session_worker]--;
	}
}

static void control_issue(struct worker *worker, struct leg *leg)
{
	struct leg_control *control = &leg->control;

	part_update(leg);
	if (leg->session == NULL)
		return;
	if (leg->control_busy) {
		leg->control_again = true;
		return;
	}
	leg->control_busy = true;
	leg->control_again = false;
	control->leg = leg;
	control->session = leg->session;
	control->home = worker->index;
	control->conf = leg->conf;
	control->member = leg->in_part;
	control->joined = leg->joined;
	control->remove = leg->removing || leg->rebinding != NULL || leg->reconnect;
	control->cause = LEG_CAUSE_REMOVED;
	control->ending = leg->ending;
	/* The connection of a binding that was taken over may be dead. */
	control->drop = leg->dropping || worker->shared->drain_ms == 0 ||
			(control->remove && !leg->removing);
	worker_post(worker, leg->session_worker, &control->post, POST_LEG_CONTROL);
}

static void leg_settle(struct worker *worker, struct leg *leg)
{
	if (!leg->removing || leg->session != NULL || leg->control_busy || leg->rebinding != NULL ||
		leg->gone_dirty)
		return;
	leg->gone_dirty = true; /* the event that its id is void; then the record is free */
	leg_mark_dirty(worker, leg);
}

void leg_free(struct worker *worker, struct leg *leg)
{
	struct room *room = leg->room;
	struct leg_conf *conf = leg->conf;

	if (leg->room_prev != NULL)
		leg->room_prev->room_next = leg->room_next;
	else
		room->legs = leg->room_next;
	if (leg->room_next != NULL)
		leg->room_next->room_prev = leg->room_prev;
	room->leg_count--;
	worker->mailbox.slots[leg->slot].objects--;
	leg->conf = NULL;
	conf_release(worker, leg, conf);
	message_ids_release(worker, leg->ids);
	leg->ids = NULL;
	leg->used = false;
	pool_put(&worker->legs, leg);
	room_settle(worker, room);
}

/* RFC 4975 5.4: what was received whole over one connection and is sent again over the next is a
 * duplicate. */
static void ids_lend(struct leg *leg, struct msrp_session *session)
{
	session->ids = leg->ids;
	leg->ids = NULL;
}

static void ids_return(struct leg *leg, struct msrp_session *session)
{
	leg->ids = session->ids;
	session->ids = NULL;
	/* The verdict did not find the session any more. */
	if (leg->refused_id != 0)
		message_ids_forget(leg->ids, leg->refused_id);
	leg->refused_id = 0;
}

static void bind_to(struct worker *worker, struct leg *leg, struct msrp_session *session)
{
	leg->session = session;
	leg->session_worker = session->worker;
	leg->lent = leg->conf;
	ids_lend(leg, session);
	leg->rebind = false;
	leg->state = LEG_BOUND;
	leg->cause = LEG_CAUSE_NONE;
	leg->congested = false;
	leg->bindings++;
	part_update(leg);
	session->conf = leg->conf;
	session->leg = leg;
	session->status = 200;
	session->join = leg->in_part;
	session->joined = leg->joined;
	leg_mark_dirty(worker, leg);
}

static void answer_bind(struct worker *worker, struct msrp_session *session, uint16_t status)
{
	session->status = status;
	worker_post(worker, session->worker, &session->post, POST_BIND_ANSWER);
}

static struct leg *leg_at(struct worker *worker, uint32_t index)
{
	struct leg *leg;

	if (index >= worker->legs.count || !pool_was_used(&worker->legs, index))
		return NULL;
	leg = pool_at(&worker->legs, index);
	return leg->used ? leg : NULL;
}

void leg_bind_ask(struct worker *worker, struct msrp_session *session)
{
	struct leg *leg = NULL;
	uint32_t index;
	uint16_t home;

	if (session_id_is_valid(span_make(session->session_id, SESSION_ID_OCTETS), &home, &index) &&
		home == worker->index)
		leg = leg_at(worker, index);
	if (leg == NULL || leg->removing || session->secure != (leg->tls != 0) ||
		!span_eq(
			leg->conf->session_id, span_make(session->session_id, SESSION_ID_OCTETS))) {
		answer_bind(worker, session, 481); /* RFC 4975 10.8 */
		return;
	}
	if (leg->session != NULL) {
		if (!leg->rebind || leg->rebinding != NULL) {
			answer_bind(worker, session, 506); /* RFC 4975 10.10 */
			return;
		}
		/* A re-INVITE permitted it: the old binding goes first. */
		leg->rebinding = session;
		leg->rebind = false;
		control_issue(worker, leg);
		return;
	}
	bind_to(worker, leg, session);
	worker_post(worker, session->worker, &session->post, POST_BIND_ANSWER);
}

static void connect_if_due(struct worker *worker, struct leg *leg);

void leg_unbound(struct worker *worker, struct msrp_session *session)
{
	struct leg *leg = session->leg;
	struct msrp_session *next = leg->rebinding;
	struct leg_conf *lent = leg->lent;

	leg->asked = false;
	leg->session = NULL;
	leg->lent = NULL;
	ids_return(leg, session);
	part_update(leg);
	leg->state = LEG_UNBOUND;
	leg->cause = session->cause;
	leg->congested = false;
	leg->unbound_at = worker->now_ms;
	nickname_give_up(worker, leg); /* before the session is let go: it names it */
	conf_release(worker, leg, lent);
	worker_post(worker, session->worker, &session->post, POST_UNBOUND_ACK);
	leg->rebinding = NULL;
	if (next != NULL) {
		if (leg->removing || leg->reconnect) {
			answer_bind(worker, next, 481);
		} else {
			bind_to(worker, leg, next);
			worker_post(worker, next->worker, &next->post, POST_BIND_ANSWER);
		}
	} else {
		leg_mark_dirty(worker, leg);
	}
	if (leg->reconnect) {
		leg->reconnect = false;
		leg->cause = LEG_CAUSE_NEW;
		connect_if_due(worker, leg);
	}
	leg_settle(worker, leg);
}

void leg_controlled(struct worker *worker, struct leg_control *control)
{
	struct leg *leg = control->leg;
	struct leg_conf *before = leg->lent, *given = control->conf;

	leg->control_busy = false;
	if (leg->session == control->session) {
		leg->lent = given;
		conf_release(worker, leg, before == given ? NULL : before);
	} else {
		conf_release(worker, leg, given);
	}
	if (leg->control_again)
		control_issue(worker, leg);
	leg_settle(worker, leg);
}

void leg_session_status(struct worker *worker, struct session_status *told)
{
	struct leg *leg = told->session->leg;

	if (leg->congested != told->congested) {
		leg->congested = told->congested;
		leg_mark_dirty(worker, leg);
	}
	worker_post(worker, told->session->worker, &told->post, POST_STATUS_BACK);
}

/* ---- active legs ---- */

static void connect_if_due(struct worker *worker, struct leg *leg)
{
	struct msrp_session *session;

	if (leg->setup != LEG_ACTIVE || leg->session != NULL || leg->removing ||
		leg->conf->path.len == 0 || leg->target.port == 0 ||
		worker->drain.phase != DRAIN_NONE)
		return;
	session = pool_get(&worker->sessions);
	if (session == NULL) {
		leg->cause = LEG_CAUSE_MEMORY;
		leg_mark_dirty(worker, leg);
		return;
	}
	memset(session, 0, sizeof(*session));
	session->worker = session->home = worker->index;
	session->conf = leg->conf;
	session->leg = leg;
	leg->session = session;
	leg->session_worker = worker->index;
	leg->lent = leg->conf;
	ids_lend(leg, session);
	connection_connect(worker, session, &leg->target);
}

void leg_asked(struct worker *worker, struct msrp_session *session)
{
	session->leg->asked = true;
	control_issue(worker, session->leg);
}

void leg_connected(struct worker *worker, struct msrp_session *session)
{
	struct leg *leg = session->leg;

	if (leg->state == LEG_BOUND)
		return;
	leg->state = LEG_BOUND;
	leg->cause = LEG_CAUSE_NONE;
	leg->bindings++;
	leg_mark_dirty(worker, leg);
	control_issue(worker, leg); /* membership may have been decided meanwhile */
}

/* ---- commands ---- */

static int check_path(struct span path)
{
	struct msrp_path parsed;
	struct msrp_uri uri;

	if (path.len == 0)
		return 0;
	if (path.len > CHUNK_HEADER_MAX / 2 || msrp_path_parse(path, &parsed) != 0 ||
		msrp_uri_parse(parsed.first, &uri) != 0)
		return -EINVAL;
	return 0;
}

/* Where an active leg connects. -EINVAL: a name, or nonsense. */
static int target_choose(const struct leg_settings *settings, struct span path, struct span connect,
	struct msrp_target *target)
{
	struct msrp_path parsed;

	if (settings->setup != LEG_ACTIVE)
		return 0;
	if (connect.len > 0)
		return msrp_target_parse(connect, target);
	if (path.len == 0 || msrp_path_parse(path, &parsed) != 0)
		return 0; /* none yet, or it stays */
	return msrp_target_of_uri(parsed.first, target);
}

int leg_add(struct worker *worker, struct room *room, uint8_t slot, const struct object_tag *tag,
	const struct leg_settings *settings, struct span path, struct span connect,
	struct leg **out)
{
	const struct switch_shared *shared = worker->shared;
	const char *authority =
		settings->family == 4 && shared->authority_ip4[0] != '\0'   ? shared->authority_ip4
		: settings->family == 6 && shared->authority_ip6[0] != '\0' ? shared->authority_ip6
									    : shared->authority;
	struct conf_parts parts = { .path = path };
	char uri[sizeof(shared->authority) + SESSION_ID_OCTETS + 32], id[SESSION_ID_OCTETS + 1];
	struct msrp_target target = { .port = 0 };
	uint32_t generation;
	struct leg *leg;
	int len;

	/* TLS is not built: a leg that asks for it must not be left in the clear. */
	if (room->closing || settings->tls != 0 || settings->setup > LEG_ACTIVE ||
		check_path(path) != 0 || target_choose(settings, path, connect, &target) != 0)
		return -EINVAL;
	if (worker->pressure >= PRESSURE_DOORS) {
		worker->counters.commands_refused++;
		return -ENOBUFS;
	}
	leg = pool_get(&worker->legs);
	if (leg == NULL)
		return -ENOBUFS;
	generation = leg->generation + 1;
	memset(leg, 0, sizeof(*leg));
	leg->generation = generation != 0 ? generation : 1;
	leg->slot = slot;
	leg->room = room;
	leg->tag = *tag;
	leg->setup = (uint8_t)settings->setup;
	leg->target = target;
	leg->bind_ms = settings->bind_ms;
	leg->cause = LEG_CAUSE_NEW;
	leg->unbound_at = worker->now_ms;
	/* RFC 4975 14.1: at least 80 bits of randomness; here 130, behind the place where the leg
	 * lives. */
	snprintf(id, sizeof(id), "%02x%08x", worker->index, pool_index(&worker->legs, leg));
	worker_secret_text(worker, id + 10, SESSION_ID_OCTETS - 10);
	len = snprintf(uri, sizeof(uri), "msrp://%s/%.*s;tcp", authority, SESSION_ID_OCTETS, id);
	parts.uri = span_make(uri, (size_t)len);
	leg->conf = conf_new(worker, leg, &parts);
	if (leg->conf == NULL) {
		pool_put(&worker->legs, leg);
		return -ENOBUFS;
	}
	leg->used = true;
	leg->room_next = room->legs;
	if (room->legs != NULL)
		room->legs->room_prev = leg;
	room->legs = leg;
	room->leg_count++;
	leg->revision = ++worker->mailbox.revision;
	worker->mailbox.slots[slot].objects++;
	*out = leg;
	connect_if_due(worker, leg);
	return 0;
}

static int conf_replace(struct worker *worker, struct leg *leg, const struct conf_parts *parts)
{
	struct leg_conf *conf = conf_new(worker, leg, parts), *before = leg->conf;

	if (conf == NULL)
		return -ENOBUFS;
	leg->conf = conf;
	conf_release(worker, leg, before);
	return 0;
}

int leg_update(struct worker *worker, struct leg *leg, const struct leg_settings *settings,
	struct span path, struct span connect)
{
	struct conf_parts parts = parts_of(leg->conf);
	struct msrp_target target = leg->target;
	int result;

	if (settings->tls != leg->tls || settings->setup > LEG_ACTIVE || check_path(path) != 0 ||
		target_choose(settings, path.len > 0 ? path : leg->conf->path, connect, &target) !=
			0)
		return -EINVAL;
	if (path.len > 0)
		parts.path = path;
	result = conf_replace(worker, leg, &parts);
	if (result != 0)
		return result;
	leg->setup = (uint8_t)settings->setup;
	leg->target = target;
	leg->bind_ms = settings->bind_ms;
	if (leg->session == NULL) {
		leg->unbound_at = worker->now_ms;
		if (leg->cause == LEG_CAUSE_TIMEOUT)
			leg->cause = LEG_CAUSE_NEW; /* a new exchange gives it its time again */
	}
	if (settings->rebind != 0 && leg->session != NULL) {
		if (leg->setup == LEG_PASSIVE)
			leg->rebind = true;
		else
			leg->reconnect = true;
	}
	leg->revision = ++worker->mailbox.revision;
	control_issue(worker, leg);
	connect_if_due(worker, leg);
	return 0;
}

int leg_member_add(struct worker *worker, struct leg *leg, const struct member_settings *settings,
	struct span identities, struct span alias, struct span wrapped)
{
	struct conf_parts parts = parts_of(leg->conf);
	int result;

	if (settings->participant >= 1u << 20 || identities.len == 0 || alias.len > LEG_ALIAS_MAX ||
		(alias.len > 0 && (memchr(alias.at, '\r', alias.len) != NULL ||
					  memchr(alias.at, '\n', alias.len) != NULL)))
		return -EINVAL;
	parts.identities = identities;
	parts.alias = alias;
	parts.wrapped = wrapped.len > 0 ? wrapped : SPAN_LITERAL("*");
	parts.flags = settings->flags;
	parts.participant = settings->participant;
	result = conf_replace(worker, leg, &parts);
	if (result != 0)
		return result;
	leg->member = true;
	leg->revision = ++worker->mailbox.revision;
	control_issue(worker, leg);
	return 0;
}

int leg_member_flags(struct worker *worker, struct leg *leg, uint32_t flags)
{
	struct conf_parts parts = parts_of(leg->conf);
	int result;

	if (!leg->member)
		return -EPROTO;
	parts.flags = flags;
	result = conf_replace(worker, leg, &parts);
	if (result == 0)
		control_issue(worker, leg);
	return result;
}

int leg_member_remove(struct worker *worker, struct leg *leg)
{
	if (!leg->member)
		return -EPROTO;
	leg->member = false;
	leg->revision = ++worker->mailbox.revision;
	control_issue(worker, leg);
	return 0;
}

void leg_remove(struct worker *worker, struct leg *leg, enum leg_cause cause)
{
	if (leg->removing)
		return;
	leg->removing = true;
	leg->cause = (uint8_t)cause;
	control_issue(worker, leg);
	leg_settle(worker, leg);
}

void leg_end_messages(struct worker *worker, struct leg *leg, bool drop)
{
	leg->ending = true;
	if (drop) {
		leg->dropping = true;
		leg->member = false;
	}
	control_issue(worker, leg);
}

struct leg *leg_find(struct worker *worker, const struct object_id *id)
{
	struct leg *leg;

	if (id->instance != worker->shared->instance || id->worker != worker->index ||
		id->kind != OBJECT_LEG)
		return NULL;
	leg = leg_at(worker, id->index);
	return leg != NULL && leg->generation == id->generation && !leg->removing ? leg : NULL;
}

struct object_id leg_object_id(const struct worker *worker, const struct leg *leg)
{
	return (struct object_id){ worker->shared->instance, worker->index, OBJECT_LEG,
		pool_index(&worker->legs, leg), leg->generation };
}

void leg_status_fill(const struct leg *leg, struct leg_status *status)
{
	*status = (struct leg_status){ .state = leg->state,
		.cause = leg->cause,
		.congested = leg->congested,
		.member = leg->member,
		.bindings = leg->bindings };
}

void leg_tick(struct worker *worker)
{
	struct leg *leg;
	uint32_t i;

	for (i = 0; i < worker->legs.fresh; i++) {
		leg = pool_at(&worker->legs, i);
		if (leg->used)
			nickname_tick(worker, leg);
		if (!leg->used || leg->removing || leg->state == LEG_BOUND || leg->bind_ms == 0 ||
			leg->cause == LEG_CAUSE_TIMEOUT ||
			worker->now_ms - leg->unbound_at < leg->bind_ms)
			continue;
		leg->cause =
			LEG_CAUSE_TIMEOUT; /* said once; what follows is the controller's decision */
		leg_mark_dirty(worker, leg);
	}
}
