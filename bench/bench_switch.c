/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_switch: CPU time per delivery of the real plenum-switch, against the bare fan-out program
 * (fanout_floor.h).
 *
 * Rooms of 2 to 1000 members, of whom one sends; bodies of 100, 1,000 and 10,000 octets of text
 * behind a CPIM head of about 90.
 *   one at a time   the next message is sent when the last delivery, and the sender's 200, have come: nothing can be joined
 *   queued          bursts of up to 16 messages (at most 48 KB) in one write, the next burst after the last delivery
 * The floor program gets frames of exactly the octets that the switch sent to a member, and the
 * same receivers read from both. Both are measured in turn, several rounds; a ratio is of one
 * round, the median of them is printed with the least and the most. Both run on CPU 0, sender and
 * receivers on the last one.
 *   against N   a second switch with N workers takes the bare program's place, its members spread over
 *               them: what handing messages between workers costs. All run on all CPUs then, so on
 *               few of them this says nothing about how much faster N are.
 * usage: bench_switch [members [text [one|queued]]], or bench_switch against N [members [text [..]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/fanout_floor.h"
#include "bench/support.h"
#include "tests/support/switch_rig.h"

#define BURST_MAX      16
#define BURST_OCTETS   (48 * 1024)
#define MEMBERS_MAX    1000
#define ONE_AT_A_TIME  1.15 /* targets of the design, section 10 */
#define QUEUED         1.5
#define TARGET_MEMBERS 100
#define TARGET_TEXT    1000
#define CPIM_ROOM      200
#define NUMBER_DIGITS  8
#define SETTLE_MS      3 /* both are asleep by then, and the kernel has accounted them */

struct shape {
	unsigned members;
	size_t text;
	bool queued;
};

struct room;

/* One of the two under test. */
struct side {
	pid_t pid;
	const struct room *room;    /* NULL: the bare program */
	int input;                  /* the sender's connection */
	struct receivers receivers; /* and, of the switch, the sender: it gets the responses */
	unsigned copies;            /* deliveries of a message */
	struct bench_series ns;     /* per delivery */
	uint64_t involuntary, deliveries, chunks, segments;
};

struct room {
	struct object_id id;
	unsigned members;
	struct rig_leg sender;
	struct msrp_peer *peers; /* [0] sends */
};

static uint64_t number; /* of the message: its Message-ID and transaction id */
static int floor_cpu = 0;

static struct room room_make(struct switch_rig *rig, unsigned index, unsigned members)
{
	struct room room = { .id = rig_room(rig, 0, 0), .members = members };
	char name[32];
	unsigned i;

	room.peers = calloc(members, sizeof(*room.peers));
	for (i = 0; i < members; i++) {
		struct rig_leg leg;

		snprintf(name, sizeof(name), "u%06u", index * 10000 + i);
		leg = rig_leg(rig, &room.id, name, i, true);
		peer_bind(&room.peers[i], rig->port, &leg);
		if (i == 0)
			room.sender = leg;
	}
	return room;
}

/* A SEND whose transaction id and Message-ID are NUMBER_DIGITS digits; returns its octets. */
static size_t message_write(char *out, size_t room, const struct rig_leg *from, size_t text)
{
	char cpim[CPIM_ROOM];
	int head = snprintf(cpim, sizeof(cpim),
		"From: <%s>\r\nTo: <%s>\r\n\r\nContent-Type: text/plain\r\n\r\n", from->address,
		RIG_ROOM_URI);
	size_t total = (size_t)head + text, i, n;

	number++;
	n = (size_t)snprintf(out, room,
		"MSRP %08llu SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %08llu\r\nByte-Range: 1-%zu/%zu\r\n"
		"Content-Type: message/cpim\r\n\r\n%s",
		(unsigned long long)number, from->uri, from->path, (unsigned long long)number,
		total, total, cpim);
	for (i = 0; i < text; i++)
		out[n + i] = (char)('a' + i % 23);
	n += text;
	n += (size_t)snprintf(
		out + n, room - n, "\r\n-------%08llu$\r\n", (unsigned long long)number);
	if (n >= room)
		bench_fail("a message does not fit");
	return n;
}

/* What the switch sends to a member for such a message: the frame of the floor program. */
static struct fanout_frame frame_capture(struct side *side, size_t text)
{
	static uint8_t octets[128 * 1024];
	struct fanout_frame frame = { .octets = octets };
	static char message[64 * 1024];
	struct chunk_in in;
	struct chunk chunk;
	size_t used, len = message_write(message, sizeof(message), &side->room->sender, text);

	side->receivers.captured = &side->receivers.all[1];
	side->receivers.capture = octets;
	side->receivers.capture_len = 0;
	side->receivers.capture_room = sizeof(octets);
	receivers_write(&side->receivers, side->input, message, len);
	receivers_until(&side->receivers, side->receivers.whole + side->copies,
		side->receivers.responses + 1);
	side->receivers.captured = NULL;
	frame.len = side->receivers.capture_len;
	chunk_in_init(&in);
	if (chunk_in_feed(&in, span_make(octets, frame.len), &used, &chunk) != CHUNK_HEAD)
		bench_fail("a frame without a head");
	frame.head_len = used;
	return frame;
}

/* Sends `messages` and waits until all have arrived everywhere; the CPU time of the process
 * meanwhile. */
static void block_run(struct side *side, const struct fanout_frame *frame,
	const struct shape *shape, unsigned messages)
{
	static char octets[2 * BURST_OCTETS];
	struct receivers *receivers = &side->receivers;
	size_t burst = BURST_OCTETS / frame->len, len;
	uint64_t segments, chunks = receivers->chunks, whole = receivers->whole;
	struct bench_cpu before, after;
	unsigned sent, i;

	if (burst > BURST_MAX)
		burst = BURST_MAX;
	if (!shape->queued)
		burst = 1;
	segments = receivers_segments(receivers);
	bench_sleep_ms(SETTLE_MS);
	before = bench_cpu_of(side->pid);
	for (sent = 0; sent < messages; sent += (unsigned)burst) {
		for (i = 0, len = 0; i < burst; i++) {
			if (side->room != NULL) {
				len += message_write(octets + len, sizeof(octets) - len,
					&side->room->sender, shape->text);
			} else {
				memcpy(octets + len, frame->octets, frame->len);
				len += frame->len;
			}
		}
		receivers_write(receivers, side->input, octets, len);
		receivers_until(receivers, receivers->whole + burst * side->copies,
			receivers->responses + (side->room != NULL ? burst : 0));
	}
	bench_sleep_ms(SETTLE_MS);
	after = bench_cpu_of(side->pid);
	whole = receivers->whole - whole;
	if (whole != (uint64_t)sent * side->copies)
		bench_fail("%llu deliveries instead of %llu", (unsigned long long)whole,
			(unsigned long long)sent * side->copies);
	bench_series_add(&side->ns, (double)(after.ns - before.ns) / (double)whole);
	side->involuntary += after.involuntary - before.involuntary;
	side->deliveries += whole;
	side->chunks += receivers->chunks - chunks;
	/* the sender's own connection carries the responses */
	side->segments +=
		receivers_segments(receivers) - segments - (side->room != NULL ? sent / burst : 0);
}

static void floor_make(struct side *side, struct fanout_floor *floor, const struct shape *shape,
	const struct fanout_frame *frame)
{
	int outputs[MEMBERS_MAX];
	unsigned i;

	fanout_floor_start(floor, frame, shape->queued, side->copies, outputs, floor_cpu);
	side->pid = floor->pid;
	side->input = floor->input;
	receivers_init(&side->receivers, side->copies);
	for (i = 0; i < side->copies; i++)
		receivers_add(&side->receivers, outputs[i]);
}

static unsigned block_messages(const struct shape *shape, const struct fanout_frame *frame)
{
	unsigned deliveries = bench_is_quick() ? 5000 : 15000, n = deliveries / shape->members;
	unsigned most = bench_is_quick() ? 500 : 1500;

	n = n > most ? most : n;
	n = n < 8 ? 8 : n;
	return shape->queued ? (n + BURST_MAX - 1) / BURST_MAX * BURST_MAX : n;
}

static void side_clear(struct side *side)
{
	side->ns.count = 0;
	side->involuntary = side->deliveries = side->chunks = side->segments = 0;
}

/* The side that is looked at, and what it is held against. */
static double measure(struct side *looked_at, struct side *other, const struct fanout_frame *frame,
	const struct shape *shape)
{
	unsigned rounds = bench_is_quick() ? 3 : 9, messages = block_messages(shape, frame), i;
	struct bench_series ratios = { 0 };
	double ratio;

	/* Once without counting: windows open, pages are touched, branches are learnt. */
	block_run(other, frame, shape, messages / 4 + 1);
	block_run(looked_at, frame, shape, messages / 4 + 1);
	side_clear(other);
	side_clear(looked_at);
	for (i = 0; i < rounds; i++) {
		block_run(i % 2 ? looked_at : other, frame, shape, messages);
		block_run(i % 2 ? other : looked_at, frame, shape, messages);
		bench_series_add(&ratios, looked_at->ns.value[i] / other->ns.value[i]);
	}
	ratio = bench_median(&ratios);
	printf("%7u %6zu %6zu  %-13s %8.2f %8.2f %7.2f %6.2f-%-6.2f %6.2f %6.2f %6.2f %7llu %5llu %5llu\n",
		shape->members, shape->text, frame->len, shape->queued ? "queued" : "one at a time",
		bench_median(&looked_at->ns) / 1000, bench_median(&other->ns) / 1000, ratio,
		bench_quantile(&ratios, 0), bench_quantile(&ratios, 1),
		(double)looked_at->chunks / (double)looked_at->deliveries,
		(double)looked_at->segments / (double)looked_at->deliveries,
		(double)other->segments / (double)other->deliveries,
		(unsigned long long)looked_at->deliveries / rounds,
		(unsigned long long)looked_at->involuntary, (unsigned long long)other->involuntary);
	side_clear(looked_at);
	return ratio;
}

static double measure_floor(struct side *bridge, const struct shape *shape)
{
	struct side floor_side = { .copies = bridge->copies };
	struct fanout_frame frame = frame_capture(bridge, shape->text);
	struct fanout_floor floor;
	double ratio;

	floor_make(&floor_side, &floor, shape, &frame);
	ratio = measure(bridge, &floor_side, &frame, shape);
	fanout_floor_stop(&floor);
	receivers_fini(&floor_side.receivers);
	return ratio;
}

static void target_print(const char *what, double target, double ratio)
{
	if (ratio > 0)
		printf("target: room of %d, %d octets, %s: at most %.2f of the bare program; measured %.2f: %s\n",
			TARGET_MEMBERS, TARGET_TEXT, what, target, ratio,
			ratio <= target ? "met" : "MISSED");
}

/* text 0: any */
static bool is_wanted(unsigned members, unsigned only_members, size_t text)
{
	if (only_members != 0)
		return members == only_members;
	return !bench_is_quick() ||
	       ((members == 10 || members == TARGET_MEMBERS) && (text == 0 || text == TARGET_TEXT));
}

static void side_open(struct side *side, struct switch_rig *rig, struct room *room, unsigned index,
	unsigned members)
{
	unsigned i;

	*room = room_make(rig, index, members);
	*side = (struct side){ .pid = rig->pid, .room = room, .copies = members - 1 };
	receivers_init(&side->receivers, members);
	for (i = 0; i < members; i++)
		receivers_add(&side->receivers, room->peers[i].fd);
	side->input = room->peers[0].fd;
}

static void side_close(struct side *side, struct room *room)
{
	unsigned i;

	receivers_fini(&side->receivers);
	for (i = 0; i < room->members; i++) {
		free(room->peers[i].octets);
		free(room->peers[i].body);
	}
	free(room->peers);
}

/* On CPU 0, or (against another) on all. */
static void rig_open(struct switch_rig *rig, unsigned workers, bool alone)
{
	char yaml[128];

	snprintf(yaml, sizeof(yaml), "%s  memory_mb: 512\n", alone ? "  cores: \"0\"\n" : "");
	rig_start(rig, workers, yaml);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = { 2, 10, TARGET_MEMBERS, MEMBERS_MAX };
	static const size_t texts[] = { 100, TARGET_TEXT, 10000 };
	static struct switch_rig rig, many;
	double target[2] = { 0, 0 };
	unsigned s, t, mode, only_members = 0, first_mode = 0, last_mode = 2, against = 0;
	size_t only_text = 0;

	if (argc > 2 && strcmp(argv[1], "against") == 0) {
		against = (unsigned)atoi(argv[2]);
		argv += 2;
		argc -= 2;
		if (against < 2 || against > 64)
			bench_fail("against: 2 to 64 workers");
	}
	if (argc > 1)
		only_members = (unsigned)atoi(argv[1]);
	if (argc > 2)
		only_text = (size_t)atoi(argv[2]);
	if (argc > 3)
		first_mode = strcmp(argv[3], "queued") == 0;
	if (argc > 3)
		last_mode = first_mode + 1;
	bench_title("switch");
	rig_open(&rig, 1, against == 0);
	if (against > 0)
		rig_open(&many, against, false);
	bench_pin(against == 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : -1);
	if (against > 0)
		printf("%u workers against 1; ", against);
	printf("CPU time in us per delivery; medians of %d rounds in turn; involuntary: context switches in all rounds\n\n",
		bench_is_quick() ? 3 : 9);
	printf("members   text  frame  mode         %9s %8s   ratio   least-most  chunks  segments per del.  deliv.  involuntary\n",
		against > 0 ? "many" : "switch", against > 0 ? "one" : "floor");
	printf("        octets octets                  us/del   us/del                      per del.  left  right   a round  left right\n");
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct side one, other;
		struct room room, other_room;

		if (!is_wanted(sizes[s], only_members, 0))
			continue;
		side_open(&one, &rig, &room, s, sizes[s]);
		if (against > 0)
			side_open(&other, &many, &other_room, s, sizes[s]);
		for (mode = first_mode; mode < last_mode; mode++)
			for (t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
				struct shape shape = { sizes[s], texts[t], mode == 1 };
				struct fanout_frame frame;
				double ratio;

				if (!is_wanted(sizes[s], only_members, texts[t]) ||
					(only_text != 0 && texts[t] != only_text))
					continue;
				if (against > 0) {
					frame = frame_capture(&one, texts[t]);
					measure(&other, &one, &frame, &shape);
					continue;
				}
				ratio = measure_floor(&one, &shape);
				if (sizes[s] == TARGET_MEMBERS && texts[t] == TARGET_TEXT)
					target[mode] = ratio;
			}
		side_close(&one, &room);
		if (against > 0)
			side_close(&other, &other_room);
	}
	printf("\n");
	target_print("one at a time", ONE_AT_A_TIME, target[0]);
	target_print("queued", QUEUED, target[1]);
	rig_stop(&rig);
	if (against > 0)
		rig_stop(&many);
	return 0;
}
