/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_latency: what a member waits for: the first octet of long and short messages, and small
 * messages beside a stalled member.
 *
 *   first octet   a room of three; messages of 100 octets, 10 KB, 1 MB and 100 MB, each in one chunk, in turn: from the call that
 *                 writes the first octet to the first octet of body at a member. Cut-through means:
 *                 the same for all.
 *   stalled       a room of eleven; 1,000 messages of 1 KB a second on a fixed schedule, blocks of a second with everyone reading and
 *                 with one of the ten receivers not reading, in turn: from the intended time of
 *                 sending to each other member. Many short blocks, and the samples of each kind put
 *                 together: what else this machine does falls on both.
 * Wall time, on a machine that others use: only the ratios mean something. Needs a switch that may
 * use all CPUs; so may we.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench/support.h"
#include "tests/support/switch_rig.h"

#define PIECE      (16 * 1024) /* octets per write of a long message */
#define AHEAD      (1024 * 1024)
#define LENGTHS    4
#define RATE       1000 /* messages a second */
#define COPIES     10
#define STALL_TEXT 1000

static struct switch_rig rig;
static uint64_t number;

struct party {
	struct rig_leg sender;
	struct msrp_peer *peers;
	unsigned members;
	struct receivers receivers;
};

static void party_make(struct party *party, unsigned members, const char *prefix)
{
	struct object_id room = rig_room(&rig, 0, 0);
	char name[32];
	unsigned i;

	party->members = members;
	party->peers = calloc(members, sizeof(*party->peers));
	receivers_init(&party->receivers, members);
	for (i = 0; i < members; i++) {
		struct rig_leg leg;

		snprintf(name, sizeof(name), "%s%u", prefix, i);
		leg = rig_leg(&rig, &room, name, i, true);
		peer_bind(&party->peers[i], rig.port, &leg);
		receivers_add(&party->receivers, party->peers[i].fd);
		if (i == 0)
			party->sender = leg;
	}
}

static size_t head_write(char *out, size_t room, const struct rig_leg *from, size_t text)
{
	char cpim[200];
	size_t total =
		text + (size_t)snprintf(cpim, sizeof(cpim),
			       "From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n",
			       from->address, RIG_ROOM_URI);

	number++;
	return (size_t)snprintf(out, room,
		"MSRP %08llu SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %08llu\r\nByte-Range: 1-%zu/%zu\r\n"
		"Content-Type: message/cpim\r\n\r\n%s",
		(unsigned long long)number, from->uri, from->path, (unsigned long long)number,
		total, total, cpim);
}

static size_t end_write(char *out, size_t room)
{
	return (size_t)snprintf(out, room, "\r\n-------%08llu$\r\n", (unsigned long long)number);
}

/* ---- first octet ---- */

static uint64_t first_at;

static void first_began(void *arg, struct receiver *receiver)
{
	if (first_at == 0)
		first_at = bench_now_ns();
}

static uint64_t slowest(const struct party *party)
{
	uint64_t least = UINT64_MAX;
	unsigned i;

	for (i = 1; i < party->members; i++)
		if (party->receivers.all[i].body < least)
			least = party->receivers.all[i].body;
	return least;
}

static double first_octet_us(struct party *party, size_t text)
{
	static char body[PIECE];
	struct receivers *set = &party->receivers;
	uint64_t whole = set->whole, responses = set->responses, started;
	char octets[PIECE + 1024];
	size_t n, left = text, len;

	memset(body, 'x', sizeof(body));
	first_at = 0;
	len = head_write(octets, sizeof(octets), &party->sender, text);
	n = left < PIECE ? left : PIECE;
	memcpy(octets + len, body, n);
	len += n;
	left -= n;
	if (left == 0)
		len += end_write(octets + len, sizeof(octets) - len);
	started = bench_now_ns();
	receivers_write(set, party->peers[0].fd, octets, len);
	while (first_at == 0)
		receivers_poll(set, 0);
	while (left > 0) {
		/* Within the queue that a member may have (msrp.leg_queue): beyond it the copy
		 * would rightly be cut. */
		receivers_poll(set, 0);
		if (text - left > AHEAD + slowest(party))
			continue;
		n = left < PIECE ? left : PIECE;
		receivers_write(set, party->peers[0].fd, body, n);
		left -= n;
		if (left == 0) {
			len = end_write(octets, sizeof(octets));
			receivers_write(set, party->peers[0].fd, octets, len);
		}
	}
	receivers_until(set, whole + party->members - 1, responses + 1);
	return (double)(first_at - started) / 1000;
}

static void first_octet(void)
{
	static const size_t lengths[LENGTHS] = { 100, 10000, 1000000, 100000000 };
	unsigned rounds = bench_is_quick() ? 9 : 31, longest_every = 3, i, l;
	static struct bench_series series[LENGTHS];
	struct party party = { 0 };

	party_make(&party, 3, "f");
	party.receivers.began = first_began;
	first_octet_us(&party, 100);
	for (i = 0; i < rounds; i++)
		for (l = 0; l < LENGTHS; l++) {
			if (l == LENGTHS - 1 && i % longest_every != 0)
				continue;
			bench_series_add(&series[l], first_octet_us(&party, lengths[l]));
		}
	printf("first octet, room of 3, one chunk, in turn\n%12s %8s %10s %10s %10s\n", "octets",
		"messages", "least us", "median us", "p90 us");
	for (l = 0; l < LENGTHS; l++)
		printf("%12zu %8u %10.0f %10.0f %10.0f\n", lengths[l], series[l].count,
			bench_quantile(&series[l], 0), bench_median(&series[l]),
			bench_quantile(&series[l], 0.9));
	printf("100 MB to 100 octets: %.2f by the medians, %.2f by the least\n",
		bench_median(&series[LENGTHS - 1]) / bench_median(&series[0]),
		bench_quantile(&series[LENGTHS - 1], 0) / bench_quantile(&series[0], 0));
	receivers_fini(&party.receivers);
}

/* ---- one stalled member in ten ---- */

/* What was measured in all blocks of a kind. */
struct samples {
	double *us;
	unsigned count;
};

struct block {
	struct party *party;
	const struct receiver *stalled;
	uint64_t start;              /* ns; message k is due at start + k / RATE */
	uint64_t before[COPIES + 1]; /* whole messages of each receiver when the block began */
	struct samples *samples;
};

static struct block *current;

static void small_ended(void *arg, struct receiver *receiver)
{
	struct block *block = current;
	uint64_t k, due;

	if (block == NULL || receiver == block->stalled)
		return;
	k = receiver->whole - 1 - block->before[receiver - block->party->receivers.all];
	due = block->start + k * (1000000000u / RATE);
	block->samples->us[block->samples->count++] = (double)(bench_now_ns() - due) / 1000;
}

static void block_run(
	struct party *party, struct receiver *stalled, unsigned messages, struct samples *samples)
{
	struct receivers *set = &party->receivers;
	struct block block = { .party = party, .stalled = stalled, .samples = samples };
	unsigned i, expected = samples->count + (COPIES - (stalled != NULL)) * messages;
	static char octets[4096], text[STALL_TEXT];
	uint64_t quiet;

	memset(text, 't', sizeof(text));
	for (i = 0; i < set->count; i++)
		block.before[i] = set->all[i].whole;
	if (stalled != NULL)
		receivers_pause(set, stalled);
	current = &block;
	block.start = bench_now_ns() + 1000000;
	for (i = 0; i < messages; i++) {
		uint64_t due = block.start + i * (1000000000ull / RATE);
		size_t len = head_write(octets, sizeof(octets), &party->sender, STALL_TEXT);

		memcpy(octets + len, text, STALL_TEXT);
		len += STALL_TEXT;
		len += end_write(octets + len, sizeof(octets) - len);
		while (bench_now_ns() < due)
			receivers_poll(set, 0);
		receivers_write(set, party->peers[0].fd, octets, len);
	}
	for (quiet = bench_now_ns(); samples->count < expected;) {
		receivers_poll(set, 10);
		if (bench_now_ns() - quiet > 10000000000u)
			bench_fail("%u of %u deliveries came", samples->count, expected);
	}
	current = NULL;
	if (stalled == NULL)
		return;
	/* It reads what waited for it: the next block begins with nothing queued. */
	receivers_resume(set, stalled);
	for (i = 0; i < 30;) {
		uint64_t octets_before = set->octets;

		receivers_poll(set, 10);
		i = set->octets == octets_before ? i + 1 : 0;
	}
}

static double samples_at(const struct samples *samples, double q)
{
	return samples->us[(size_t)((double)(samples->count - 1) * q)];
}

static void stalled_member(void)
{
	static const double quantiles[] = { 0.5, 0.99, 0.999 };
	static const char *const kinds[] = { "everyone reads", "one stalled", "ratio" };
	unsigned rounds = bench_is_quick() ? 4 : 40, messages = RATE, i, kind;
	struct samples samples[2];
	struct party party = { 0 };
	struct receiver *victim;

	party_make(&party, COPIES + 1, "s");
	party.receivers.ended = small_ended;
	victim = &party.receivers.all[COPIES];
	for (kind = 0; kind < 2; kind++)
		samples[kind] =
			(struct samples){ calloc(rounds * COPIES * messages, sizeof(double)) };
	for (i = 0; i < rounds; i++) {
		unsigned first = i % 2;

		block_run(&party, first ? victim : NULL, messages, &samples[first]);
		block_run(&party, first ? NULL : victim, messages, &samples[!first]);
	}
	printf("\none stalled member in ten: %u blocks of each kind, %u messages of %u octets, %d a second, %d receivers\n",
		rounds, messages, STALL_TEXT, RATE, COPIES);
	printf("the stalled member got %llu of %llu messages in all (late, or skipped once its queue was full)\n",
		(unsigned long long)victim->whole, 2ull * rounds * messages);
	printf("%22s %10s %10s %10s %10s\n", "from intended time", "samples", "p50 us", "p99 us",
		"p99.9 us");
	for (kind = 0; kind < 3; kind++) {
		printf("%22s", kinds[kind]);
		if (kind < 2) {
			qsort(samples[kind].us, samples[kind].count, sizeof(double), bench_by_size);
			printf(" %10u", samples[kind].count);
		} else {
			printf(" %10s", "");
		}
		for (i = 0; i < 3; i++) {
			if (kind < 2)
				printf(" %10.0f", samples_at(&samples[kind], quantiles[i]));
			else
				printf(" %10.2f", samples_at(&samples[1], quantiles[i]) /
							  samples_at(&samples[0], quantiles[i]));
		}
		printf("\n");
	}
	printf("target: the others' p99 within +10 %%: measured %+.0f %%: %s\n",
		(samples_at(&samples[1], 0.99) / samples_at(&samples[0], 0.99) - 1) * 100,
		samples_at(&samples[1], 0.99) <= 1.10 * samples_at(&samples[0], 0.99) ? "met"
										      : "MISSED");
	for (kind = 0; kind < 2; kind++)
		free(samples[kind].us);
	receivers_fini(&party.receivers);
}

int main(void)
{
	struct bench_cpu before, after;

	bench_title("latency");
	rig_start(&rig, 1, "");
	before = bench_cpu_of(rig.pid);
	first_octet();
	stalled_member();
	after = bench_cpu_of(rig.pid);
	printf("involuntary context switches: switch %llu, this program %llu\n",
		(unsigned long long)(after.involuntary - before.involuntary),
		(unsigned long long)bench_cpu_of(getpid()).involuntary);
	rig_stop(&rig);
	return 0;
}
