/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/imclient/msrp_endpoint.h"
#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/msrp/chunk_out.h"
#include "dataplane/msrp/path.h"
#include "dataplane/msrp/uri.h"

enum {
	RX_OCTETS = 65536,  /* at least CHUNK_HEAD_MAX, so that every head fits */
	TX_OCTETS = 131072, /* body and heads on their way to the socket */
	TX_ENOUGH =
		32768, /* no more is put in while so much waits: answers should not stand behind megabytes */
	ANSWERS_MAX = 262144, /* answers and REPORTs; above half of it we do not read on */
	SENT_LOW = 65536,     /* TCP_NOTSENT_LOWAT */
	PEER_ID_MAX =
		128, /* a Message-ID longer than this is refused with 400; RFC 4975 9 allows 32 */
	TID_OCTETS = 16,
	SWEEP_MS = 250
};

struct conn;

/* A message of ours. */
struct msg_out {
	struct msg_out *next;
	char id[MSRP_MESSAGE_ID_MAX];
	char *head; /* copied: content type, then CPIM headers */
	size_t type_len, head_len;
	struct msrp_send send;
	uint64_t total; /* head and body */
	uint64_t sent;  /* octets written in chunks */
	unsigned chunks;
	unsigned unanswered; /* chunks whose answer is awaited */
	unsigned failed;     /* != 0: status; settled as soon as the stack is clear */
	bool binding;        /* the bodiless SEND */
	bool reportable;     /* has its outcome; waits for a REPORT */
	bool broken;         /* `read` could not */
};

/* A chunk of ours whose answer is awaited. */
struct txn {
	struct txn *next;
	struct msg_out *msg;
	uint64_t due_ms; /* 0: its last octet is not written, or no answer is expected */
	char tid[TID_OCTETS];
};

/* A message of the peer's. */
struct msg_in {
	struct msg_in *next;
	struct msrp_in in;
	char id[PEER_ID_MAX + 1];
	char *type;
	uint64_t due_ms;
};

struct seen {
	uint64_t hash; /* of a Message-ID */
	uint16_t status;
};

struct msrp_session {
	struct msrp_session *next; /* in the endpoint */
	struct msrp_endpoint *endpoint;
	const struct msrp_session_ops *ops;
	void *arg;
	struct conn *conn;
	char uri[128];
	char session_id[33];
	char *peer_path;
	bool active, started, bound, over;
	const char *lost_why; /* set: `lost` is to be called when the stack is clear */
	uint64_t bind_due_ms;
	uint64_t max_message;
	struct msg_out *queue; /* not completely written, next to be served first */
	struct msg_out *written;
	unsigned unsettled, reportable;
	struct txn *txns;
	unsigned txn_count;
	struct msg_in *open_in;
	unsigned open_count;
	struct seen seen[MSRP_SEEN_MAX];
	unsigned seen_next;
};

struct conn {
	struct conn *next;
	struct msrp_endpoint *endpoint;
	struct loop_watch watch;
	bool accepted, connecting, dead,
		closing; /* closing: no session; written out, then closed */
	unsigned busy;   /* frames on the stack that use it */
	uint64_t due_ms; /* to connect, to bind a session, or to flush; 0: none */
	char peer[300];  /* host:port that we connected to */

	struct chunk_in in;
	char *rx;
	size_t rx_len;
	/* the chunk being received */
	struct msrp_session *rx_session;
	struct msg_in *rx_msg; /* NULL: its body is discarded */
	bool rx_answered;      /* nothing more is to be answered */
	bool rx_is_send, rx_report, rx_bodiless;
	enum failure_report rx_failure;
	uint64_t rx_start, rx_end, rx_octets;
	char rx_id[PEER_ID_MAX + 1];
	char rx_tid[CHUNK_TID_MAX];
	size_t rx_tid_len;
	char *rx_from; /* From-Path, CHUNK_HEADER_MAX */
	size_t rx_from_len, rx_from_first;

	char *tx;
	size_t tx_at, tx_len;
	char *answers;
	size_t answers_len, answers_size;
	/* the chunk being sent */
	struct msrp_session *tx_session, *tx_last; /* tx_last: served before, for fair turns */
	struct msg_out *tx_msg; /* NULL and tx_open: its message is gone, end it with '#' */
	bool tx_open;
	char tx_tid[TID_OCTETS];
	uint64_t tx_octets;
	char tx_tail[TID_OCTETS +
		     7]; /* last octets of the body, to see our end-line come up across pieces */
	size_t tx_tail_len;
};

struct msrp_endpoint {
	struct loop *loop;
	struct msrp_endpoint_options options;
	char host[INET6_ADDRSTRLEN + 2]; /* brackets included */
	uint16_t port;
	struct loop_watch listener;
	struct loop_timer sweep;
	struct conn *conns;
	unsigned accepted;
	struct msrp_session *sessions;
};

static void conn_run(struct conn *c);
static void conn_release(struct conn *c);
static void session_settle(struct msrp_session *s);

/* ---- identifiers ---- */

/* Letters and digits, 5 bits each; RFC 4975 7.1 asks at least 64 bits of a transaction id. */
static void random_ident(char *out, size_t octets)
{
	static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[64];
	size_t filled = 0;

	assert(octets <= sizeof(random));
	while (filled < octets) {
		ssize_t got = getrandom(random + filled, octets - filled, 0);

		if (got > 0)
			filled += (size_t)got;
	}
	for (size_t i = 0; i < octets; i++)
		out[i] = digits[random[i] & 31];
}

static uint64_t id_hash(const char *id)
{
	uint64_t hash =
		14695981039346656037u; /* FNV-1a: forging one only hides the forger's own message */

	for (; *id != '\0'; id++)
		hash = (hash ^ (unsigned char)*id) * 1099511628211u;
	return hash;
}

/* ---- answers ---- */

static bool answers_full(const struct conn *c)
{
	return c->answers_len > ANSWERS_MAX / 2;
}

static void answer_put(struct conn *c, const char *text, size_t len)
{
	if (c->dead || len == 0)
		return;
	if (c->answers_len + len > c->answers_size) {
		size_t size = c->answers_size ? c->answers_size : 4096;
		char *more;

		while (size < c->answers_len + len)
			size *= 2;
		/* The reader stops at half of the limit, and one read makes at most one answer per
		 * 50 octets. */
		more = size <= ANSWERS_MAX * 4 ? realloc(c->answers, size) : NULL;
		if (more == NULL) {
			c->dead = true;
			return;
		}
		c->answers = more;
		c->answers_size = size;
	}
	memcpy(c->answers + c->answers_len, text, len);
	c->answers_len += len;
}

/* RFC 4975 7.2: a SEND is answered to the next hop only, anything else along the whole path.
 * From-Path is our URI. */
static void answer_request(struct conn *c, unsigned status, struct span own)
{
	char text[CHUNK_HEADER_MAX * 2 + CHUNK_OUT_HEAD_EXTRA];
	size_t to_len = c->rx_is_send ? c->rx_from_first : c->rx_from_len;

	if (c->rx_answered)
		return;
	c->rx_answered = true;
	/* RFC 4975 7.1.2: "no" silences everything, "partial" the successes. */
	if (c->rx_is_send && (c->rx_failure == FAILURE_REPORT_NO ||
				     (c->rx_failure == FAILURE_REPORT_PARTIAL && status == 200)))
		return;
	answer_put(c, text,
		chunk_out_response(text, sizeof(text), span_make(c->rx_tid, c->rx_tid_len), status,
			msrp_status_comment(status), span_make(c->rx_from, to_len), own));
}

static void report_put(
	struct conn *c, const struct msrp_session *s, const char *id, uint64_t octets)
{
	char text[CHUNK_HEADER_MAX * 2 + CHUNK_OUT_HEAD_EXTRA], tid[TID_OCTETS];
	struct chunk_out_report report = {
		.tid = { tid, sizeof(tid) },
		.to_path = { c->rx_from, c->rx_from_len },
		.from_path = msrp_session_uri(s),
		.message_id = span_of(id),
		.range = { 1, octets, octets },
		.status = 200,
	};

	random_ident(tid, sizeof(tid));
	answer_put(c, text, chunk_out_report(text, sizeof(text), &report));
}

/* ---- messages of ours ---- */

static void msg_out_free(struct msg_out *m)
{
	free(m->head);
	free(m);
}

static void list_append(struct msg_out **list, struct msg_out *m)
{
	while (*list != NULL)
		list = &(*list)->next;
	m->next = NULL;
	*list = m;
}

static bool list_remove(struct msg_out **list, struct msg_out *m)
{
	for (; *list != NULL; list = &(*list)->next) {
		if (*list == m) {
			*list = m->next;
			m->next = NULL;
			return true;
		}
	}
	return false;
}

/* Takes the message out of every list and place that names it. */
static void msg_out_forget(struct msrp_session *s, struct msg_out *m)
{
	struct txn **at = &s->txns;

	list_remove(&s->queue, m);
	list_remove(&s->written, m);
	while (*at != NULL) {
		struct txn *t = *at;

		if (t->msg != m) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		s->txn_count--;
		free(t);
	}
	if (s->conn != NULL && s->conn->tx_msg == m)
		s->conn->tx_msg = NULL; /* its open chunk is ended with '#' */
}

/* The one place where an outcome is told. The message is gone from the session when the callback
 * runs. */
static void msg_out_settle(struct msrp_session *s, struct msg_out *m, unsigned status)
{
	struct msrp_outcome outcome = { m->id, status, m->chunks, m->sent };

	if (m->binding) {
		msg_out_forget(s, m);
		msg_out_free(m);
		if (status == 200 && !s->bound) {
			s->bound = true;
			s->ops->bound(s->arg);
		} else if (status != 200 && s->lost_why == NULL) {
			s->lost_why = status == 481 ? "the peer does not know the session (481)"
				      : status == 506
					      ? "the session is bound to another connection (506)"
				      : status == 408 ? "the peer did not answer the binding SEND"
						      : "the peer refused the binding SEND";
		}
		return;
	}
	s->unsettled--;
	if (status == 200 && m->send.success_report) {
		m->reportable = true;
		m->failed = 0;
		if (s->reportable++ >= MSRP_REPORTS_MAX) {
			for (struct msg_out *old = s->written; old != NULL; old = old->next) {
				if (old->reportable && old != m) {
					msg_out_forget(s, old);
					msg_out_free(old);
					s->reportable--;
					break;
				}
			}
		}
		s->ops->outcome(s->arg, m->send.arg, &outcome);
		return;
	}
	msg_out_forget(s, m);
	s->ops->outcome(s->arg, m->send.arg, &outcome);
	msg_out_free(m);
}

static struct msg_out *msg_out_find(struct msrp_session *s, struct span id)
{
	for (struct msg_out *m = s->queue; m != NULL; m = m->next)
		if (span_eq(span_of(m->id), id))
			return m;
	for (struct msg_out *m = s->written; m != NULL; m = m->next)
		if (span_eq(span_of(m->id), id))
			return m;
	return NULL;
}

/* ---- messages of the peer's ---- */

static struct msg_in *msg_in_find(struct msrp_session *s, const char *id)
{
	for (struct msg_in *m = s->open_in; m != NULL; m = m->next)
		if (strcmp(m->id, id) == 0)
			return m;
	return NULL;
}

static void msg_in_close(
	struct msrp_session *s, struct msg_in *m, enum msrp_in_end how, unsigned status)
{
	for (struct msg_in **at = &s->open_in; *at != NULL; at = &(*at)->next) {
		if (*at == m) {
			*at = m->next;
			break;
		}
	}
	s->open_count--;
	s->seen[s->seen_next++ % MSRP_SEEN_MAX] = (struct seen){ id_hash(m->id), (uint16_t)status };
	if (s->conn != NULL && s->conn->rx_msg == m)
		s->conn->rx_msg = NULL;
	s->ops->end(s->arg, &m->in, how);
	free(m->type);
	free(m);
}

/* 0: unknown; else the status that a message of this id got. */
static unsigned seen_status(const struct msrp_session *s, const char *id)
{
	uint64_t hash = id_hash(id);

	for (unsigned i = 0; i < MSRP_SEEN_MAX; i++)
		if (s->seen[i].status != 0 && s->seen[i].hash == hash)
			return s->seen[i].status;
	return 0;
}

/* ---- sessions and their connection ---- */

static struct msrp_session *session_find(struct msrp_endpoint *e, struct span id)
{
	for (struct msrp_session *s = e->sessions; s != NULL; s = s->next)
		if (!s->over && span_eq(span_of(s->session_id), id))
			return s;
	return NULL;
}

static bool conn_has_session(const struct conn *c)
{
	for (struct msrp_session *s = c->endpoint->sessions; s != NULL; s = s->next)
		if (s->conn == c)
			return true;
	return false;
}

static void session_attach(struct msrp_session *s, struct conn *c)
{
	s->conn = c;
	c->closing = false;
	if (!c->connecting)
		c->due_ms = 0;
}

/* Off its connection; what it had in hand there is dropped. */
static void session_detach(struct msrp_session *s)
{
	struct conn *c = s->conn;

	if (c == NULL)
		return;
	if (c->rx_session == s) {
		c->rx_session = NULL;
		c->rx_msg = NULL;
		c->rx_answered = true;
	}
	if (c->tx_session == s) {
		c->tx_session = NULL;
		c->tx_msg = NULL;
	}
	if (c->tx_last == s)
		c->tx_last = NULL;
	s->conn = NULL;
	if (!conn_has_session(c) && !c->dead) {
		/* RFC 4975 5.4: closed only when no session uses it; first what we owe is
		 * written. */
		c->closing = true;
		c->due_ms = loop_now_ms() + 2000;
	}
}

/* Fails what was open. Callbacks may free the session: returns false then. */
static bool session_drop_open(struct msrp_session *s, unsigned status)
{
	struct msrp_endpoint *e = s->endpoint;
	struct msg_out *out;

	for (;;) {
		struct msrp_session *still = e->sessions;

		while (still != NULL && still != s)
			still = still->next;
		if (still == NULL)
			return false;
		if (s->open_in != NULL) {
			msg_in_close(s, s->open_in, MSRP_IN_ABORTED, 413);
			continue;
		}
		for (out = s->queue; out != NULL && out->binding; out = out->next)
			;
		if (out == NULL)
			for (out = s->written; out != NULL && (out->reportable || out->binding);
				out = out->next)
				;
		if (out == NULL)
			return true;
		msg_out_settle(s, out, status);
	}
}

/* Outcomes that could not be told in the middle of something. May free the session. */
static void session_settle(struct msrp_session *s)
{
	struct msrp_endpoint *e = s->endpoint;

	for (;;) {
		struct msrp_session *still = e->sessions;
		struct msg_out *m;

		while (still != NULL && still != s)
			still = still->next;
		if (still == NULL || s->over)
			return;
		for (m = s->queue; m != NULL && m->failed == 0; m = m->next)
			;
		if (m == NULL)
			for (m = s->written; m != NULL && m->failed == 0; m = m->next)
				;
		if (m != NULL) {
			msg_out_settle(s, m, m->failed);
			continue;
		}
		if (s->lost_why != NULL) {
			const char *why = s->lost_why;

			s->over = true;
			s->bound = false;
			session_detach(s);
			if (session_drop_open(s, 0))
				s->ops->lost(s->arg, why);
		}
		return;
	}
}

/* ---- sending ---- */

static bool session_may_send(const struct msrp_session *s, const struct msg_out *m)
{
	unsigned begun = 0;

	if (m->failed != 0 || s->over || s->peer_path == NULL)
		return false;
	if (m->binding)
		return true;
	if (!s->bound || s->txn_count >= MSRP_UNANSWERED_MAX)
		return false;
	/* Not more in turn than the other side keeps open: theirs may be limited as ours is. */
	for (const struct msg_out *other = s->queue; m->sent == 0 && other != NULL;
		other = other->next)
		begun += other->sent > 0;
	return begun < MSRP_OPEN_IN_MAX / 2;
}

static struct msg_out *session_next(const struct msrp_session *s)
{
	for (struct msg_out *m = s->queue; m != NULL; m = m->next)
		if (session_may_send(s, m))
			return m;
	return NULL;
}

/* The next session in turn on this connection that has something to send. */
static struct msrp_session *conn_next_session(
	const struct conn *c, const struct msg_out *other_than)
{
	struct msrp_session *first = NULL;
	bool after = c->tx_last == NULL;

	for (struct msrp_session *s = c->endpoint->sessions; s != NULL; s = s->next) {
		struct msg_out *m = NULL;

		if (s->conn == c) {
			m = session_next(s);
			if (m != NULL && m == other_than) {
				for (m = m->next; m != NULL && !session_may_send(s, m); m = m->next)
					;
			}
		}
		if (m != NULL && after)
			return s;
		if (m != NULL && first == NULL)
			first = s;
		if (s == c->tx_last)
			after = true;
	}
	return first;
}

static void tx_put(struct conn *c, const char *octets, size_t len)
{
	assert(c->tx_at + c->tx_len + len <= TX_OCTETS);
	memcpy(c->tx + c->tx_at + c->tx_len, octets, len);
	c->tx_len += len;
}

static struct txn *txn_find(struct msrp_session *s, const char tid[TID_OCTETS])
{
	for (struct txn *t = s->txns; t != NULL; t = t->next)
		if (memcmp(t->tid, tid, TID_OCTETS) == 0)
			return t;
	return NULL;
}

static void txn_free(struct msrp_session *s, struct txn *gone)
{
	for (struct txn **at = &s->txns; *at != NULL; at = &(*at)->next) {
		if (*at == gone) {
			*at = gone->next;
			s->txn_count--;
			free(gone);
			return;
		}
	}
}

/* Fills from the head (CPIM headers), then from the body. */
static int msg_out_read(struct msg_out *m, uint64_t offset, char *to, size_t len)
{
	if (offset < m->head_len) {
		size_t part =
			m->head_len - (size_t)offset < len ? m->head_len - (size_t)offset : len;

		memcpy(to, m->head + m->type_len + offset, part);
		to += part;
		offset += part;
		len -= part;
	}
	return len == 0 ? 0 : m->send.read(m->send.arg, offset - m->head_len, to, len);
}

/* Does "-------tid" end in `octets`, with what went before? Returns how many octets may go out,
 * `len` when all. */
static size_t end_line_guard(struct conn *c, const char *octets, size_t len)
{
	char needle[7 + TID_OCTETS], joint[2 * (7 + TID_OCTETS)];
	const size_t needle_len = sizeof(needle);
	size_t front = len < needle_len ? len : needle_len;
	const char *hit;

	memcpy(needle, "-------", 7);
	memcpy(needle + 7, c->tx_tid, TID_OCTETS);
	memcpy(joint, c->tx_tail, c->tx_tail_len);
	memcpy(joint + c->tx_tail_len, octets, front);
	hit = memmem(joint, c->tx_tail_len + front, needle, needle_len);
	if (hit != NULL)
		return (size_t)(hit - joint) + needle_len - 1 - c->tx_tail_len;
	hit = memmem(octets, len, needle, needle_len);
	return hit != NULL ? (size_t)(hit - octets) + needle_len - 1 : len;
}

static void tail_keep(struct conn *c, const char *octets, size_t len)
{
	const size_t want = sizeof(c->tx_tail) - 1;

	if (len >= want) {
		memcpy(c->tx_tail, octets + len - want, want);
		c->tx_tail_len = want;
		return;
	}
	if (c->tx_tail_len + len > want) {
		size_t drop = c->tx_tail_len + len - want;

		memmove(c->tx_tail, c->tx_tail + drop, c->tx_tail_len - drop);
		c->tx_tail_len -= drop;
	}
	memcpy(c->tx_tail + c->tx_tail_len, octets, len);
	c->tx_tail_len += len;
}

static void chunk_close(struct conn *c, char flag)
{
	struct msrp_session *s = c->tx_session;
	struct msg_out *m = c->tx_msg;
	char text[64];

	tx_put(c, text,
		chunk_out_end(text, sizeof(text), span_make(c->tx_tid, TID_OCTETS), flag,
			m != NULL && m->binding));
	c->tx_open = false;
	c->tx_msg = NULL;
	c->tx_session = NULL;
	if (s == NULL || m == NULL)
		return;
	c->tx_last = s;
	if (m->send.failure_report == FAILURE_REPORT_YES) {
		struct txn *t = txn_find(s, c->tx_tid);

		/* RFC 4975 7.1.1: from the last octet on. */
		if (t != NULL)
			t->due_ms = loop_now_ms() + s->endpoint->options.transaction_ms;
	}
	if (flag == '+') { /* behind the others of its session */
		list_remove(&s->queue, m);
		list_append(&s->queue, m);
	} else {
		list_remove(&s->queue, m);
		list_append(&s->written, m);
		if (m->failed == 0 && m->unanswered == 0)
			m->failed = 200; /* nothing is awaited: told when the stack is clear */
	}
}

static bool chunk_open(struct conn *c, struct msrp_session *s, struct msg_out *m)
{
	uint64_t rest = m->total - m->sent;
	bool fixed = rest <= MSRP_INTERRUPT_OCTETS;
	char piece[MSRP_INTERRUPT_OCTETS], head[CHUNK_HEADER_MAX + 1024];
	struct txn *t = calloc(1, sizeof(*t));
	struct chunk_out_send out = {
		.tid = { c->tx_tid, TID_OCTETS },
		.to_path = span_of(s->peer_path),
		.from_path = msrp_session_uri(s),
		.message_id = span_of(m->id),
		.success_report = m->send.success_report,
		.include_sent_count = m->send.include_sent_count,
		.failure_report = m->send.failure_report,
		.range = { m->sent + 1, fixed ? m->total : BYTE_RANGE_UNKNOWN, m->total },
		.content_type = { m->head, m->type_len },
	};
	size_t len;

	if (t == NULL) {
		m->failed = 408;
		return false;
	}
	c->tx_tail_len = 0;
	if (fixed && !m->broken && msg_out_read(m, m->sent, piece, (size_t)rest) < 0)
		m->broken = true;
	if (m->broken) {
		/* Told to the peer when it has a part of it: an empty last chunk with '#'. */
		fixed = true;
		rest = 0;
		out.range.end = m->sent;
		m->failed = 408;
	}
	/* RFC 4975 7.1: the end-line must not occur in the body. A short chunk is looked through
	 * before its id is chosen; in a long one end_line_guard cuts. */
	do {
		random_ident(c->tx_tid, TID_OCTETS);
	} while (fixed && end_line_guard(c, piece, (size_t)rest) != rest);
	len = chunk_out_send(head, sizeof(head), &out);
	if (len == 0 || (m->broken && m->sent == 0)) {
		m->failed = m->failed ? m->failed : 400;
		free(t);
		return false;
	}
	tx_put(c, head, len);
	m->chunks++;
	c->tx_open = true;
	c->tx_session = s;
	c->tx_msg = m;
	c->tx_octets = 0;
	memcpy(t->tid, c->tx_tid, TID_OCTETS);
	t->msg = m;
	/* With "partial" an error may still come back, so the id is known for a while; with "no"
	 * nothing does. */
	if (m->send.failure_report == FAILURE_REPORT_YES && !m->broken) {
		struct txn **at = &s->txns;

		while (*at != NULL)
			at = &(*at)->next;
		*at = t;
		s->txn_count++;
		m->unanswered++;
	} else {
		free(t);
	}
	if (fixed) {
		tx_put(c, piece, (size_t)rest);
		m->sent += rest;
		chunk_close(c, m->broken ? '#' : '$');
	}
	return true;
}

/* One piece of the open chunk. */
static void chunk_body(struct conn *c)
{
	struct msrp_session *s = c->tx_session;
	struct msg_out *m = c->tx_msg;
	uint64_t rest = m->total - m->sent, most = s->endpoint->options.chunk_octets;
	size_t want = rest < MSRP_QUANTUM_OCTETS ? (size_t)rest : MSRP_QUANTUM_OCTETS, take;
	char *to = c->tx + c->tx_at + c->tx_len;

	if (most != 0 && c->tx_octets + want > most)
		want = (size_t)(most - c->tx_octets);
	if (c->answers_len > 0 && c->tx_octets < MSRP_INTERRUPT_OCTETS &&
		want > MSRP_INTERRUPT_OCTETS - c->tx_octets)
		want = (size_t)(MSRP_INTERRUPT_OCTETS - c->tx_octets);
	if (msg_out_read(m, m->sent, to, want) < 0) {
		m->failed = 408;
		chunk_close(c, '#');
		return;
	}
	take = end_line_guard(c, to, want);
	tail_keep(c, to, take);
	c->tx_len += take;
	c->tx_octets += take;
	m->sent += take;
	if (m->sent == m->total)
		chunk_close(c, '$');
	else if (take < want || (most != 0 && c->tx_octets >= most))
		chunk_close(c, '+');
}

/* Puts octets into tx until there is enough for now. */
static void conn_fill(struct conn *c)
{
	if (c->tx_at > 0 && c->tx_len > 0)
		memmove(c->tx, c->tx + c->tx_at, c->tx_len);
	c->tx_at = 0;
	while (c->tx_len < TX_ENOUGH) {
		struct msrp_session *s;

		if (c->tx_open && c->tx_msg == NULL) {
			chunk_close(c, '#'); /* aborted: RFC 4975 7.1.1 */
			continue;
		}
		/* RFC 4975 7.1.1: pending answers interrupt; other messages take turns. */
		if (c->tx_open && c->tx_octets >= MSRP_INTERRUPT_OCTETS &&
			(c->answers_len > 0 || (c->tx_octets >= MSRP_QUANTUM_OCTETS &&
						       conn_next_session(c, c->tx_msg) != NULL))) {
			chunk_close(c, '+');
			continue;
		}
		if (!c->tx_open && c->answers_len > 0) {
			size_t n = c->answers_len < TX_ENOUGH ? c->answers_len : TX_ENOUGH;

			tx_put(c, c->answers, n);
			memmove(c->answers, c->answers + n, c->answers_len - n);
			c->answers_len -= n;
			continue;
		}
		if (c->tx_open) {
			chunk_body(c);
			continue;
		}
		if (c->connecting || (s = conn_next_session(c, NULL)) == NULL)
			break;
		chunk_open(c, s, session_next(s));
	}
}

static void conn_write(struct conn *c)
{
	while (!c->dead && !c->connecting) {
		ssize_t n;

		conn_fill(c);
		if (c->tx_len == 0)
			break;
		n = send(c->watch.fd, c->tx + c->tx_at, c->tx_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				c->dead = true;
			break;
		}
		c->tx_at += (size_t)n;
		c->tx_len -= (size_t)n;
	}
}

/* ---- receiving ---- */

static void rx_begin(struct conn *c, const struct chunk *chunk)
{
	struct msrp_path from;

	c->rx_session = NULL;
	c->rx_msg = NULL;
	c->rx_answered = false;
	c->rx_is_send = chunk->method == METHOD_SEND;
	c->rx_failure = chunk->failure_report;
	c->rx_report = chunk->success_report;
	c->rx_bodiless = !chunk->has_body;
	c->rx_octets = 0;
	c->rx_start = chunk->has_range ? chunk->range.start : 1;
	c->rx_end = chunk->has_range ? chunk->range.end : BYTE_RANGE_UNKNOWN;
	c->rx_id[0] = '\0';
	if (chunk->message_id.len > 0 && chunk->message_id.len <= PEER_ID_MAX) {
		memcpy(c->rx_id, chunk->message_id.at, chunk->message_id.len);
		c->rx_id[chunk->message_id.len] = '\0';
	}
	c->rx_tid_len = chunk->tid.len < CHUNK_TID_MAX ? chunk->tid.len : CHUNK_TID_MAX;
	memcpy(c->rx_tid, chunk->tid.at, c->rx_tid_len);
	c->rx_from_len = chunk->from_path.len <= CHUNK_HEADER_MAX ? chunk->from_path.len : 0;
	if (c->rx_from_len > 0)
		memcpy(c->rx_from, chunk->from_path.at, c->rx_from_len);
	c->rx_from_first = 0;
	if (c->rx_from_len > 0 &&
		msrp_path_parse(span_make(c->rx_from, c->rx_from_len), &from) == 0)
		c->rx_from_first = from.first.len;
}

/* Finds and binds the session of a request. NULL: the request has been answered. */
static struct msrp_session *rx_bind(struct conn *c, const struct chunk *chunk)
{
	struct msrp_path to;
	struct msrp_uri uri;
	struct msrp_session *s;

	if (msrp_path_parse(chunk->to_path, &to) < 0 || to.count != 1 ||
		msrp_uri_parse(to.first, &uri) < 0 || c->rx_from_first == 0) {
		answer_request(c, 400, span_trim(chunk->to_path));
		return NULL;
	}
	s = uri.secure ? NULL : session_find(c->endpoint, uri.session_id);
	if (s == NULL) {
		answer_request(c, 481, to.first);
		return NULL;
	}
	if (s->conn != NULL && s->conn != c) {
		answer_request(c, 506, to.first);
		return NULL;
	}
	if (s->conn == NULL) {
		if (s->active) { /* we connect: nobody else may */
			answer_request(c, 506, to.first);
			return NULL;
		}
		session_attach(s, c);
	}
	c->rx_session = s;
	if (!s->bound && !s->active) {
		s->bound = true;
		s->bind_due_ms = 0;
		s->ops->bound(s->arg);
	}
	return c->rx_session; /* NULL when the callback freed it */
}

static void rx_refuse(struct conn *c, unsigned status)
{
	struct msrp_session *s = c->rx_session;
	struct msg_in *m = c->rx_msg;

	if (s == NULL)
		return;
	answer_request(c, status, msrp_session_uri(s));
	if (m != NULL)
		msg_in_close(s, m, MSRP_IN_ABORTED, status);
	else if (c->rx_id[0] != '\0' && seen_status(s, c->rx_id) == 0)
		s->seen[s->seen_next++ % MSRP_SEEN_MAX] =
			(struct seen){ id_hash(c->rx_id), (uint16_t)status };
	c->rx_msg = NULL;
}

/* A SEND with a body: which message, and does it go on here? */
static void rx_message(struct conn *c, struct msrp_session *s, const struct chunk *chunk)
{
	struct msg_in *m;
	unsigned status;
	uint64_t total = chunk->has_range ? chunk->range.total : BYTE_RANGE_UNKNOWN;

	if (chunk->message_id.len == 0 || chunk->message_id.len > PEER_ID_MAX ||
		memchr(chunk->message_id.at, '\0', chunk->message_id.len) != NULL) {
		answer_request(c, 400, msrp_session_uri(s));
		return;
	}
	m = msg_in_find(s, c->rx_id);
	if (m == NULL) {
		status = seen_status(s, c->rx_id);
		if (status !=
			0) { /* repeated, or refused before: answered as then, not shown again */
			if (status != 200)
				answer_request(c, status, msrp_session_uri(s));
			return;
		}
		if (c->rx_start != 1) { /* its beginning never came: cannot be streamed */
			rx_refuse(c, 413);
			return;
		}
		if (s->open_count >= MSRP_OPEN_IN_MAX ||
			(s->max_message != 0 && total != BYTE_RANGE_UNKNOWN &&
				total > s->max_message)) {
			rx_refuse(c, 413);
			return;
		}
		m = calloc(1, sizeof(*m));
		if (m == NULL ||
			(m->type = strndup(chunk->content_type.len ? chunk->content_type.at : "",
				 chunk->content_type.len)) == NULL) {
			free(m);
			rx_refuse(c, 413);
			return;
		}
		memcpy(m->id, c->rx_id, sizeof(m->id));
		m->in = (struct msrp_in){
			.id = m->id, .content_type = span_of(m->type), .total = total
		};
		status = s->ops->begin(s->arg, &m->in);
		if (c->rx_session != s || status != 0) {
			free(m->type);
			free(m);
			rx_refuse(c, status);
			return;
		}
		m->next = s->open_in;
		s->open_in = m;
		s->open_count++;
	}
	m->due_ms = loop_now_ms() + c->endpoint->options.stall_ms;
	c->rx_msg = m;
	if (c->rx_start - 1 > m->in.octets)
		rx_refuse(c,
			413); /* a hole: what is between would have to be kept; RFC 4975 7.3.1 lets us stop */
}

static void rx_response(struct conn *c, const struct chunk *chunk)
{
	struct msrp_session *s;
	struct txn *t = NULL;
	struct msg_out *m;

	if (chunk->tid.len != TID_OCTETS)
		return;
	for (s = c->endpoint->sessions; s != NULL && t == NULL; s = t == NULL ? s->next : s)
		if (s->conn == c)
			t = txn_find(s, chunk->tid.at);
	if (t == NULL) /* context.md 1.6: ignored */
		return;
	m = t->msg;
	m->unanswered--;
	txn_free(s, t);
	if (chunk->status != 200)
		m->failed = chunk->status;
	else if (m->unanswered == 0 && m->sent == m->total && c->tx_msg != m)
		m->failed = 200;
	session_settle(s);
}

static void rx_report(struct conn *c, struct msrp_session *s, const struct chunk *chunk)
{
	struct msg_out *m = msg_out_find(s, chunk->message_id);
	struct msrp_report report = {
		.status = chunk->report_status,
		.has_range = chunk->has_range,
		.range = chunk->range,
		.has_count = chunk->has_distribution_count,
		.count = chunk->distribution_count,
	};
	char id[MSRP_MESSAGE_ID_MAX];

	if (m == NULL || m->binding || chunk->report_namespace != 0 || chunk->report_status == 0)
		return; /* unknown, or not for us: RFC 4975 7.1.2 */
	memcpy(id, m->id, sizeof(id));
	report.message_id = id;
	if (!m->reportable && chunk->report_status != 200) {
		m->failed = chunk->report_status; /* ended with '#' if still being sent */
		session_settle(s);
		return;
	}
	s->ops->report(s->arg, &report);
	if (c->rx_session != s || (m = msg_out_find(s, span_of(id))) == NULL || !m->reportable)
		return;
	/* Covers all of it, or says that it failed: nothing more is expected. */
	if (chunk->report_status != 200 || !chunk->has_range ||
		(chunk->range.start == 1 &&
			(chunk->range.end == BYTE_RANGE_UNKNOWN || chunk->range.end >= m->total))) {
		msg_out_forget(s, m);
		msg_out_free(m);
		s->reportable--;
	}
}

static void rx_head(struct conn *c, const struct chunk *chunk)
{
	struct msrp_session *s;

	rx_begin(c, chunk);
	if (chunk->method == METHOD_RESPONSE) {
		c->rx_answered = true;
		if (chunk->refuse == 0)
			rx_response(c, chunk);
		return;
	}
	if (chunk->method == METHOD_REPORT)
		c->rx_answered = true; /* RFC 4975 7.1.2: never answered */
	if (chunk->refuse != 0) {
		if (c->rx_from_first != 0)
			answer_request(c, chunk->refuse, span_trim(chunk->to_path));
		return;
	}
	s = rx_bind(c, chunk);
	if (s == NULL)
		return;
	switch (chunk->method) {
	case METHOD_REPORT: rx_report(c, s, chunk); break;
	case METHOD_SEND:
		if (chunk->has_body)
			rx_message(c, s, chunk);
		break;
	default:
		/* RFC 4975 12: unknown method; NICKNAME is for a switch, and we are none. */
		answer_request(c, 501, msrp_session_uri(s));
	}
}

static void rx_body(struct conn *c, struct span octets)
{
	struct msrp_session *s = c->rx_session;
	struct msg_in *m = c->rx_msg;
	uint64_t at = c->rx_start - 1 + c->rx_octets; /* offset of the first octet */
	unsigned status;

	c->rx_octets += octets.len;
	if (s == NULL || m == NULL)
		return;
	if (at < m->in.octets) { /* behind the edge: has been handed on */
		uint64_t old = m->in.octets - at;

		if (old >= octets.len)
			return;
		octets.at += old;
		octets.len -= (size_t)old;
	}
	if (s->max_message != 0 && m->in.octets + octets.len > s->max_message) {
		rx_refuse(c, 413);
		return;
	}
	status = s->ops->body(s->arg, &m->in, octets);
	if (c->rx_msg != m)
		return;
	if (status != 0) {
		rx_refuse(c, status);
		return;
	}
	m->in.octets += octets.len;
	m->due_ms = loop_now_ms() + c->endpoint->options.stall_ms;
}

static void rx_end(struct conn *c, char flag)
{
	struct msrp_session *s = c->rx_session;
	struct msg_in *m = c->rx_msg;
	uint64_t octets;
	bool whole;

	if (s == NULL)
		return;
	if (m == NULL) {
		if (c->rx_bodiless && c->rx_is_send && c->rx_report && !c->rx_answered &&
			c->rx_id[0] != '\0')
			report_put(c, s, c->rx_id, 0); /* context.md 1.5 */
		answer_request(c, 200, msrp_session_uri(s));
		return;
	}
	/* The octets count, and a definite end that disagrees with them is refused; '+' and '#' may
	 * come earlier. */
	if (flag == '$' && c->rx_end != BYTE_RANGE_UNKNOWN &&
		c->rx_end + 1 != c->rx_start + c->rx_octets) {
		rx_refuse(c, 400);
		return;
	}
	octets = m->in.octets;
	if (flag == '$' && m->in.total != BYTE_RANGE_UNKNOWN && m->in.total != octets) {
		rx_refuse(c, 400); /* the declared size was not true */
		return;
	}
	answer_request(c, 200, msrp_session_uri(s));
	if (flag == '+')
		return;
	whole = flag == '$';
	if (whole && c->rx_report)
		report_put(c, s, c->rx_id, octets);
	msg_in_close(s, m, whole ? MSRP_IN_COMPLETE : MSRP_IN_ABORTED, whole ? 200 : 413);
}

/* Parses what is in rx. */
static void conn_parse(struct conn *c)
{
	size_t at = 0;

	while (!c->dead) {
		struct chunk chunk;
		size_t used = 0;
		enum chunk_event event =
			chunk_in_feed(&c->in, span_make(c->rx + at, c->rx_len - at), &used, &chunk);

		at += used;
		switch (event) {
		case CHUNK_HEAD: rx_head(c, &chunk); break;
		case CHUNK_BODY: rx_body(c, chunk.body); break;
		case CHUNK_END:
			rx_end(c, chunk.flag);
			c->rx_session = NULL;
			c->rx_msg = NULL;
			break;
		case CHUNK_BAD: c->dead = true; break;
		case CHUNK_MORE:
			memmove(c->rx, c->rx + at, c->rx_len - at);
			c->rx_len -= at;
			if (c->rx_len == RX_OCTETS)
				c->dead = true; /* the parser never asks for so much */
			return;
		}
	}
}

static void conn_read(struct conn *c)
{
	/* A few rounds, so that one fast peer does not hold the loop. */
	for (unsigned round = 0; round < 4 && !c->dead && !answers_full(c); round++) {
		ssize_t n =
			recv(c->watch.fd, c->rx + c->rx_len, RX_OCTETS - c->rx_len, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
			c->dead = true;
		if (n <= 0)
			return;
		c->rx_len += (size_t)n;
		conn_parse(c);
		conn_write(c);
	}
}

/* ---- connections ---- */

static void conn_free(struct conn *c)
{
	struct msrp_endpoint *e = c->endpoint;

	for (struct conn **at = &e->conns; *at != NULL; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	if (c->accepted)
		e->accepted--;
	loop_watch_remove(e->loop, &c->watch);
	close(c->watch.fd);
	free(c->rx);
	free(c->rx_from);
	free(c->tx);
	free(c->answers);
	free(c);
}

static void conn_release(struct conn *c)
{
	struct msrp_endpoint *e = c->endpoint;
	const char *why = c->connecting ? "cannot connect to the peer" : "the connection was lost";

	if (c->busy > 0)
		return;
	/* A session can be freed in the callbacks, so the list is begun anew after each. */
	for (struct msrp_session *s = e->sessions; s != NULL;) {
		if (s->conn != c) {
			s = s->next;
			continue;
		}
		if (c->rx_session == s)
			c->rx_session = NULL;
		s->conn = NULL;
		if (s->lost_why == NULL)
			s->lost_why = why;
		c->busy++;
		session_settle(s);
		c->busy--;
		s = e->sessions;
	}
	conn_free(c);
}

/* After anything that may have made work: write, tell outcomes, decide what to wait for, or end. */
static void conn_run(struct conn *c)
{
	struct msrp_endpoint *e = c->endpoint;
	uint32_t events = 0;
	bool again;

	if (c->busy > 0)
		return;
	c->busy++;
	do {
		again = false;
		conn_write(c);
		for (struct msrp_session *s = e->sessions; s != NULL; s = s->next) {
			struct msg_out *m;

			if (s->conn != c)
				continue;
			for (m = s->queue; m != NULL && m->failed == 0; m = m->next)
				;
			if (m == NULL)
				for (m = s->written; m != NULL && m->failed == 0; m = m->next)
					;
			if (m != NULL || s->lost_why != NULL) {
				session_settle(s);
				again = true;
				break;
			}
		}
	} while (again && !c->dead);
	c->busy--;
	if (c->dead || (c->closing && !c->tx_open && c->tx_len == 0 && c->answers_len == 0)) {
		conn_release(c);
		return;
	}
	if (!answers_full(c))
		events |= EPOLLIN;
	if (c->connecting || c->tx_len > 0 || c->answers_len > 0 || c->tx_open)
		events |= EPOLLOUT;
	if (events != c->watch.events && loop_watch_set(e->loop, &c->watch, events) < 0) {
		c->dead = true;
		conn_release(c);
	}
}

static void conn_ready(void *arg, uint32_t events)
{
	struct conn *c = arg;

	c->busy++;
	if (c->connecting) {
		int error = 0;
		socklen_t size = sizeof(error);

		if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ||
			error != 0 || (events & (EPOLLERR | EPOLLHUP))) {
			c->dead = true;
		} else if (events & EPOLLOUT) {
			c->connecting = false;
			c->due_ms = 0;
		}
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		conn_read(c);
	}
	c->busy--;
	conn_run(c);
}

static struct conn *conn_new(struct msrp_endpoint *e, int fd, bool accepted)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1, low = SENT_LOW;

	if (c == NULL)
		return NULL;
	c->endpoint = e;
	c->accepted = accepted;
	c->watch = (struct loop_watch){ .fd = fd, .ready = conn_ready, .arg = c };
	c->due_ms = loop_now_ms() + e->options.bind_ms;
	chunk_in_init(&c->in);
	c->rx = malloc(RX_OCTETS);
	c->tx = malloc(TX_OCTETS);
	c->rx_from = malloc(CHUNK_HEADER_MAX);
	if (c->rx == NULL || c->tx == NULL || c->rx_from == NULL ||
		loop_watch_set(e->loop, &c->watch, accepted ? EPOLLIN : EPOLLOUT) < 0) {
		free(c->rx);
		free(c->tx);
		free(c->rx_from);
		free(c);
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	c->next = e->conns;
	e->conns = c;
	e->accepted += accepted;
	return c;
}

static void listener_ready(void *arg, uint32_t events)
{
	struct msrp_endpoint *e = arg;
	int fd = accept4(e->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (e->accepted >= MSRP_CONNECTIONS_MAX || conn_new(e, fd, true) == NULL)
		close(fd);
}

/* A numeric host, or a name: names are looked up at once, which a lab's client can bear. */
static int conn_connect(struct msrp_endpoint *e, const struct msrp_uri *uri, struct conn **out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV },
			*found = NULL;
	char host[256], port[8], peer[300];
	struct conn *c;
	int fd;

	if (uri->host.len >= sizeof(host) || uri->port == 0)
		return -EBADMSG;
	memcpy(host, uri->host.at, uri->host.len);
	host[uri->host.len] = '\0';
	snprintf(port, sizeof(port), "%u", uri->port);
	snprintf(peer, sizeof(peer), "%s:%s", host, port);
	for (c = e->conns; c != NULL; c = c->next) {
		if (!c->accepted && !c->dead && strcasecmp(c->peer, peer) == 0) {
			*out = c; /* RFC 4975 5.4: sessions to the same place share a connection */
			return 0;
		}
	}
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -EBADMSG;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS &&
			      errno != ECONNREFUSED)) {
		freeaddrinfo(found);
		if (fd >= 0)
			close(fd);
		return -ENOBUFS;
	}
	freeaddrinfo(found);
	c = conn_new(e, fd, false);
	if (c == NULL) {
		close(fd);
		return -ENOBUFS;
	}
	c->connecting = true;
	memcpy(c->peer, peer, sizeof(c->peer));
	*out = c;
	return 0;
}

/* ---- timers ---- */

static void sweep(void *arg)
{
	struct msrp_endpoint *e = arg;
	uint64_t now = loop_now_ms();

	for (struct msrp_session *s = e->sessions; s != NULL;) {
		struct msg_in *in;
		struct txn *t;

		for (t = s->txns; t != NULL && (t->due_ms == 0 || t->due_ms > now); t = t->next)
			;
		for (in = s->open_in; in != NULL && in->due_ms > now; in = in->next)
			;
		if (t != NULL)
			t->msg->failed = 408; /* RFC 4975 7.1.1: as if 408 had been answered */
		else if (s->bind_due_ms != 0 && s->bind_due_ms <= now && !s->bound &&
			 s->lost_why == NULL)
			s->lost_why = "not bound in time";
		else if (in == NULL) {
			s = s->next;
			continue;
		}
		s->bind_due_ms = s->lost_why != NULL ? 0 : s->bind_due_ms;
		if (t == NULL && s->lost_why == NULL) {
			msg_in_close(s, in, MSRP_IN_ABORTED, 413);
		} else {
			struct conn *c = s->conn;

			session_settle(s);
			if (c != NULL)
				conn_run(c);
		}
		s = e->sessions;
	}
	for (struct conn *c = e->conns; c != NULL;) {
		if (c->due_ms != 0 && c->due_ms <= now) {
			c->dead = true;
			conn_release(c);
			c = e->conns;
		} else {
			c = c->next;
		}
	}
	loop_timer_start(e->loop, &e->sweep, SWEEP_MS);
}

/* ---- the calls of the header ---- */

int msrp_endpoint_new(
	struct msrp_endpoint **out, struct loop *loop, const struct msrp_endpoint_options *options)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *found = NULL;
	struct msrp_endpoint *e = calloc(1, sizeof(*e));
	struct sockaddr_storage own;
	socklen_t own_size = sizeof(own);
	char port[8];
	int fd = -1, one = 1, result;

	if (e == NULL)
		return -ENOBUFS;
	e->loop = loop;
	e->options = *options;
	if (e->options.transaction_ms == 0)
		e->options.transaction_ms = 30000;
	if (e->options.bind_ms == 0)
		e->options.bind_ms = 30000;
	if (e->options.stall_ms == 0)
		e->options.stall_ms = 540000;
	snprintf(port, sizeof(port), "%u", options->port);
	result = -EINVAL;
	if (getaddrinfo(options->host, port, &hints, &found) != 0)
		goto undo;
	result = -ENOBUFS;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto undo;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	result = -EEXIST;
	if (bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&own, &own_size) < 0)
		goto undo;
	if (own.ss_family == AF_INET6) {
		e->port = ntohs(((struct sockaddr_in6 *)&own)->sin6_port);
		snprintf(e->host, sizeof(e->host), "[%s]", options->host);
	} else {
		e->port = ntohs(((struct sockaddr_in *)&own)->sin_port);
		snprintf(e->host, sizeof(e->host), "%s", options->host);
	}
	e->options.host = e->host;
	e->listener = (struct loop_watch){ .fd = fd, .ready = listener_ready, .arg = e };
	result = -ENOBUFS;
	if (loop_watch_set(loop, &e->listener, EPOLLIN) < 0)
		goto undo;
	e->sweep = (struct loop_timer){ .fire = sweep, .arg = e };
	loop_timer_start(loop, &e->sweep, SWEEP_MS);
	freeaddrinfo(found);
	*out = e;
	return 0;
undo:
	if (fd >= 0)
		close(fd);
	if (found != NULL)
		freeaddrinfo(found);
	free(e);
	return result;
}

void msrp_endpoint_free(struct msrp_endpoint *e)
{
	if (e == NULL)
		return;
	assert(e->sessions == NULL);
	while (e->conns != NULL) {
		conn_write(e->conns);
		conn_free(e->conns);
	}
	loop_timer_stop(e->loop, &e->sweep);
	loop_watch_remove(e->loop, &e->listener);
	close(e->listener.fd);
	free(e);
}

uint16_t msrp_endpoint_port(const struct msrp_endpoint *e)
{
	return e->port;
}

bool msrp_endpoint_is_flushing(const struct msrp_endpoint *e)
{
	for (const struct conn *c = e->conns; c != NULL; c = c->next)
		if (c->closing)
			return true;
	return false;
}

int msrp_session_new(struct msrp_session **out, struct msrp_endpoint *e,
	const struct msrp_session_ops *ops, void *arg)
{
	struct msrp_session *s = calloc(1, sizeof(*s)), **at = &e->sessions;

	if (s == NULL)
		return -ENOBUFS;
	s->endpoint = e;
	s->ops = ops;
	s->arg = arg;
	random_ident(s->session_id,
		sizeof(s->session_id) - 1); /* 160 bits: nobody guesses it (RFC 4975 14.1) */
	snprintf(s->uri, sizeof(s->uri), "msrp://%s:%u/%s;tcp", e->host, e->port, s->session_id);
	while (*at != NULL)
		at = &(*at)->next;
	*at = s;
	*out = s;
	return 0;
}

void msrp_session_free(struct msrp_session *s)
{
	struct msrp_endpoint *e;
	struct conn *c;

	if (s == NULL)
		return;
	e = s->endpoint;
	c = s->conn;
	s->over = true;
	s->bound = false;
	session_detach(s);
	session_drop_open(s, 0);
	while (s->queue != NULL || s->written != NULL) {
		struct msg_out *m = s->queue != NULL ? s->queue : s->written;

		msg_out_forget(s, m);
		msg_out_free(m);
	}
	for (struct msrp_session **at = &e->sessions; *at != NULL; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	free(s->peer_path);
	free(s);
	if (c != NULL)
		conn_run(c);
}

struct span msrp_session_uri(const struct msrp_session *s)
{
	return span_of(s->uri);
}

bool msrp_session_is_bound(const struct msrp_session *s)
{
	return s->bound;
}

void msrp_session_limit(struct msrp_session *s, uint64_t max_message)
{
	s->max_message = max_message;
}

unsigned msrp_session_unsettled(const struct msrp_session *s)
{
	return s->unsettled;
}

int msrp_session_start(struct msrp_session *s, bool active, struct span peer_path)
{
	struct msrp_path path;
	struct msrp_uri uri;
	struct msg_out *binding;
	struct conn *c;
	int result;

	if (msrp_path_parse(peer_path, &path) < 0 || msrp_uri_parse(path.first, &uri) < 0 ||
		peer_path.len >= CHUNK_HEADER_MAX)
		return -EBADMSG;
	if (uri.secure)
		return -EPROTO;
	free(s->peer_path);
	s->peer_path = strndup(peer_path.at, peer_path.len);
	if (s->peer_path == NULL)
		return -ENOBUFS;
	s->started = true;
	if (!s->bound)
		s->bind_due_ms = loop_now_ms() + s->endpoint->options.bind_ms;
	if (!active) {
		if (s->conn != NULL)
			conn_run(s->conn);
		return 0;
	}
	s->active = true;
	binding = calloc(1, sizeof(*binding));
	if (binding == NULL)
		return -ENOBUFS;
	binding->binding = true;
	random_ident(binding->id, 16);
	result = conn_connect(s->endpoint, &uri, &c);
	if (result < 0) {
		free(binding);
		return result;
	}
	list_append(&s->queue, binding);
	session_attach(s, c);
	conn_run(c);
	return 0;
}

int msrp_session_send(
	struct msrp_session *s, const struct msrp_send *send, char id[MSRP_MESSAGE_ID_MAX])
{
	struct msg_out *m;

	if (s->over || s->unsettled >= MSRP_QUEUE_MAX)
		return -ENOBUFS;
	m = calloc(1, sizeof(*m));
	if (m == NULL || (m->head = malloc(send->content_type.len + send->head.len + 1)) == NULL) {
		free(m);
		return -ENOBUFS;
	}
	memcpy(m->head, send->content_type.at, send->content_type.len);
	if (send->head.len > 0)
		memcpy(m->head + send->content_type.len, send->head.at, send->head.len);
	m->type_len = send->content_type.len;
	m->head_len = send->head.len;
	m->send = *send;
	m->total = send->head.len + send->body_octets;
	random_ident(m->id, 24);
	memcpy(id, m->id, sizeof(m->id));
	list_append(&s->queue, m);
	s->unsettled++;
	if (s->conn != NULL)
		conn_run(s->conn);
	return 0;
}
