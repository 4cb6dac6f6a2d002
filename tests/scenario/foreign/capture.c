/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/scenario/foreign/capture.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/switch_rig.h"

#define LOOK_MS       10
#define PCAP_HEAD     24
#define PCAP_RECORD   16
#define ETHERNET_HEAD 14
#define IP_HEAD       20
#define TCP_HEAD      20
#define LINK_ETHERNET 1
#define LINK_RAW_IP   101
#define SEGMENT_MAX   (65535 - IP_HEAD - TCP_HEAD)

static void path_of(const struct capture *c, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", c->directory, name);
}

static size_t size_of(const struct capture *c, const char *name)
{
	struct stat about;
	char path[100];

	path_of(c, name, path, sizeof(path));
	return stat(path, &about) == 0 ? (size_t)about.st_size : 0;
}

/* A connection that says nothing. Returns its port. */
static uint16_t knock(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(connect(fd, (struct sockaddr *)&to, len) == 0 &&
		  getsockname(fd, (struct sockaddr *)&to, &len) == 0);
	close(fd);
	return ntohs(to.sin_port);
}

void capture_start(struct capture *c, uint16_t port)
{
	char file[100], said[100], filter[40];
	int waited, status;

	if (system("command -v tshark dumpcap >/dev/null") != 0)
		cr_skip_test("tshark is not installed");
	memset(c, 0, sizeof(*c));
	c->port = port;
	snprintf(c->directory, sizeof(c->directory), "/tmp/plenum-capture-XXXXXX");
	cr_assert_not_null(mkdtemp(c->directory));
	path_of(c, "wire", file, sizeof(file));
	path_of(c, "said", said, sizeof(said));
	snprintf(filter, sizeof(filter), "tcp port %u", port);
	c->pid = fork();
	if (c->pid == 0) {
		int fd = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fd, 1);
		dup2(fd, 2);
		execlp("dumpcap", "dumpcap", "-q", "-P", "-i", "lo", "-B", "64", "-f", filter, "-w",
			file, (char *)NULL);
		_exit(127);
	}
	/* It captures when it has seen somebody knock. */
	for (waited = 0; size_of(c, "wire") <= PCAP_HEAD; waited += LOOK_MS) {
		if (waitpid(c->pid, &status, WNOHANG) != 0) {
			c->pid = 0;
			capture_free(c);
			cr_skip_test("no permission to capture on loopback");
		}
		cr_assert_lt(waited, RIG_WAIT_MS, "dumpcap sees nothing");
		if (size_of(c, "wire") > 0)
			knock(port);
		usleep(LOOK_MS * 1000);
	}
}

/* ---- octet streams from segments ---- */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static struct capture_stream *stream_of(struct capture *c, uint16_t from, uint16_t to)
{
	struct capture_stream *stream;
	unsigned i;

	for (i = 0; i < c->stream_count; i++)
		if (c->streams[i].from == from && c->streams[i].to == to)
			return &c->streams[i];
	c->streams = realloc(c->streams, (c->stream_count + 1) * sizeof(*c->streams));
	stream = &c->streams[c->stream_count++];
	*stream = (struct capture_stream){ .from = from, .to = to };
	return stream;
}

static void segment(struct capture *c, const uint8_t *ip, size_t size)
{
	size_t ip_head = (size_t)(ip[0] & 15) * 4, len = get16(ip + 2), tcp_head, at, known;
	const uint8_t *tcp = ip + ip_head, *octets;
	struct capture_stream *stream;
	uint32_t number;

	if (ip[0] >> 4 != 4 || ip[9] != IPPROTO_TCP || size < ip_head + TCP_HEAD)
		return;
	/* A large segment of loopback's may say 0. */
	len = len == 0 || len > size ? size : len;
	tcp_head = (size_t)(tcp[12] >> 4) * 4;
	octets = tcp + tcp_head;
	len -= ip_head + tcp_head;
	stream = stream_of(c, get16(tcp), get16(tcp + 2));
	number = get32(tcp + 4);
	if (tcp[13] & 2) { /* SYN */
		stream->first = number + 1;
		stream->begun = true;
		return;
	}
	if (len == 0 || !stream->begun)
		return;
	at = number - stream->first;
	cr_assert_leq(at, stream->len, "dumpcap lost a segment of %u", stream->from);
	known = stream->len - at; /* said before */
	if (known >= len)
		return;
	if (stream->len + len > stream->room) {
		stream->room = (stream->len + len) * 2;
		stream->octets = realloc(stream->octets, stream->room);
	}
	memcpy(stream->octets + stream->len, octets + known, len - known);
	stream->len += len - known;
}

/* All whole records of the file; is there one from this port? */
static bool wire_read(struct capture *c, uint16_t port, bool keep)
{
	static uint8_t record[300000];
	uint32_t head[4], link;
	bool found = false;
	char path[100];
	FILE *file;

	path_of(c, "wire", path, sizeof(path));
	file = fopen(path, "rb");
	cr_assert_not_null(file);
	if (fread(record, PCAP_HEAD, 1, file) == 1) {
		memcpy(&link, record + 20, 4);
		cr_assert_eq(link, LINK_ETHERNET);
	}
	while (fread(head, PCAP_RECORD, 1, file) == 1 && head[2] <= sizeof(record) &&
		fread(record, 1, head[2], file) == head[2]) {
		const uint8_t *ip = record + ETHERNET_HEAD;

		if (head[2] < ETHERNET_HEAD + IP_HEAD + TCP_HEAD)
			continue;
		if (get16(ip + (ip[0] & 15) * 4) == port)
			found = true;
		if (keep) {
			cr_assert_eq(head[2], head[3], "dumpcap cut a segment");
			segment(c, ip, head[2] - ETHERNET_HEAD);
		}
	}
	fclose(file);
	return found;
}

/* ---- one message in a segment ---- */

/* The octets of the first message of these: from "MSRP " and its transaction id to the end-line that
 * has it. 0: there is none. */
static size_t message_len(const uint8_t *octets, size_t len)
{
	const uint8_t *end = octets + len, *at, *space;
	char mark[64];
	size_t size;

	if (len < 6 || memcmp(octets, "MSRP ", 5) != 0)
		return 0;
	space = memchr(octets + 5, ' ', len - 5 < 40 ? len - 5 : 40);
	if (space == NULL)
		return 0;
	size = (size_t)snprintf(
		mark, sizeof(mark), "\r\n-------%.*s", (int)(space - octets - 5), octets + 5);
	for (at = octets; (at = memmem(at, (size_t)(end - at), mark, size)) != NULL; at++)
		if (end - at >= (ptrdiff_t)size + 3 && strchr("$+#", at[size]) != NULL &&
			at[size + 1] == '\r' && at[size + 2] == '\n')
			return (size_t)(at - octets) + size + 3;
	return 0;
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static void message_write(
	FILE *file, const struct capture_stream *stream, size_t at, size_t len, unsigned number)
{
	uint8_t head[IP_HEAD + TCP_HEAD] = {
		0x45, [8] = 64, [9] = IPPROTO_TCP, [12] = 127, [15] = 1, [16] = 127, [19] = 1
	};
	uint32_t record[4] = { number, 0, (uint32_t)(len + sizeof(head)),
		(uint32_t)(len + sizeof(head)) };
	uint8_t *tcp = head + IP_HEAD;

	cr_assert_leq(len, SEGMENT_MAX, "a message of %zu octets is too long for one segment", len);
	put16(head + 2, sizeof(head) + len);
	put16(tcp, stream->from);
	put16(tcp + 2, stream->to);
	put32(tcp + 4, stream->first + (uint32_t)at);
	put32(tcp + 8, 1);
	tcp[12] = TCP_HEAD / 4 << 4;
	tcp[13] = 0x18; /* ACK, PSH */
	put16(tcp + 14, 65535);
	cr_assert(fwrite(record, sizeof(record), 1, file) == 1 &&
		  fwrite(head, sizeof(head), 1, file) == 1 &&
		  fwrite(stream->octets + at, len, 1, file) == 1);
}

static void messages_write(struct capture *c)
{
	const uint32_t head[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, LINK_RAW_IP };
	char path[100];
	size_t at, len;
	FILE *file;
	unsigned i;

	path_of(c, "messages", path, sizeof(path));
	file = fopen(path, "wb");
	cr_assert(file != NULL && fwrite(head, sizeof(head), 1, file) == 1);
	for (i = 0; i < c->stream_count; i++) {
		const struct capture_stream *stream = &c->streams[i];

		for (at = 0; at < stream->len; at += len) {
			len = message_len(stream->octets + at, stream->len - at);
			cr_assert_gt(len, 0, "what %u said at octet %zu of %zu is no message: %.*s",
				stream->from, at, stream->len,
				(int)(stream->len - at < 60 ? stream->len - at : 60),
				stream->octets + at);
			message_write(file, stream, at, len, c->messages++);
		}
	}
	cr_assert_eq(fclose(file), 0);
}

void capture_stop(struct capture *c)
{
	uint16_t last = knock(c->port);
	int waited;

	for (waited = 0; !wire_read(c, last, false); waited += LOOK_MS) {
		cr_assert_lt(waited, RIG_WAIT_MS, "dumpcap does not see the end");
		usleep(LOOK_MS * 1000);
	}
	kill(c->pid, SIGINT);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
	wire_read(c, 0, true);
	messages_write(c);
}

/* ---- tshark ---- */

unsigned capture_dissect(struct capture *c, struct capture_row *rows, unsigned max)
{
	char command[600], line[1000], *rest, *field[6];
	unsigned count = 0, i;
	FILE *tshark;

	snprintf(command, sizeof(command),
		"tshark -r %s/messages -d tcp.port==%u,msrp -o tcp.desegment_tcp_streams:FALSE"
		" -T fields -E occurrence=a -E aggregator=, -e tcp.dstport -e msrp.method"
		" -e msrp.status.code -e msrp.transaction.id -e msrp.end.line -e _ws.malformed"
		" 2>>%s/said",
		c->directory, c->port, c->directory);
	tshark = popen(command, "r");
	cr_assert_not_null(tshark);
	while (fgets(line, sizeof(line), tshark) != NULL && count < max) {
		struct capture_row *row = &rows[count++];

		rest = line;
		rest[strcspn(rest, "\n")] = '\0';
		for (i = 0; i < 6; i++) {
			field[i] = strsep(&rest, "\t");
			cr_assert_not_null(field[i], "tshark: %s", line);
		}
		*row = (struct capture_row){ .to = (uint16_t)atoi(field[0]),
			.status = (unsigned)atoi(field[2]),
			.malformed = field[5][0] != '\0' };
		snprintf(row->method, sizeof(row->method), "%s", field[1]);
		snprintf(row->tid, sizeof(row->tid), "%s", field[3]);
		snprintf(row->end_line, sizeof(row->end_line), "%s", field[4]);
	}
	cr_assert_eq(pclose(tshark), 0, "tshark fails: see %s/said", c->directory);
	return count;
}

void capture_free(struct capture *c)
{
	char command[100];
	unsigned i;

	if (c->pid != 0) {
		kill(c->pid, SIGINT);
		waitpid(c->pid, NULL, 0);
	}
	for (i = 0; i < c->stream_count; i++)
		free(c->streams[i].octets);
	free(c->streams);
	snprintf(command, sizeof(command), "rm -r %s", c->directory);
	cr_expect_eq(system(command), 0);
}
