#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The demo under tshark: its dissectors of SIP and MSRP see as many INVITEs as the demo says and as many SENDs as the
# octets hold, and nothing malformed.
# usage: test_tshark.sh PLENUM_DEMO
# Prints TAP. It listens to the whole of loopback, where others may talk too: only the demo's ports count.
set -u
demo=$1
place=$(mktemp -d "${TMPDIR:-/tmp}/plenum-tshark.XXXXXX") || exit 1
capture=$place/capture
capturing=
count=0
trap 'leave' EXIT
trap 'exit 1' TERM INT

leave() {
	[ -z "$capturing" ] || kill "$capturing" 2>/dev/null
	rm -rf "$place"
}

skip() { # REASON
	echo "1..0 # SKIP $1"
	exit 0
}

holds() { # SENTENCE COMMAND...
	sentence=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - tshark::$sentence"
	else
		echo "not ok $count - tshark::$sentence"
		sed 's/^/# /' "$place/demo" "$place/said"
	fi
}

# Two ports next to each other that nobody listens on.
port=18000
while ss -Hlntu | grep -qE "127.0.0.1:($port|$((port + 1))) "; do
	port=$((port + 2))
done
sip=$port
msrp=$((port + 1))

command -v tshark >/dev/null && command -v editcap >/dev/null || skip 'tshark is not installed'
: >"$place/said"
dumpcap -q -i lo -B 64 -f 'tcp or udp' -w "$capture" >"$place/dumpcap" 2>&1 &
capturing=$!
tries=50
until [ -s "$capture" ]; do
	tries=$((tries - 1))
	if [ "$tries" -eq 0 ] || ! kill -0 "$capturing" 2>/dev/null; then
		skip "no permission to capture on lo: $(grep -v '^Capturing' "$place/dumpcap" | head -n 1)"
	fi
	sleep 0.1
done
"$demo" --ports "$sip,$msrp" >"$place/demo" 2>&1
holds the_demo_succeeds [ $? -eq 0 ]
sleep 1
kill -INT "$capturing"
wait "$capturing"
capturing=

# Where the clients listen stands in their REGISTER and in the session descriptions.
fields() { # FILTER FIELD...
	filter=$1
	shift
	for field in "$@"; do
		set -- "$@" -e "$field"
		shift
	done
	# shellcheck disable=SC2086 # a list of options
	tshark -r "$capture" $decode -Y "$filter" -T fields "$@" 2>/dev/null
}
decode="-d tcp.port==$sip,sip -d udp.port==$sip,sip -d tcp.port==$msrp,msrp"
# Before and after the demo its ports are those of others: only what passed from its first to its last SIP counts.
fields "tcp.port==$sip || udp.port==$sip" frame.number >"$place/frames"
editcap -r "$capture" "$capture.ours" "$(head -n 1 "$place/frames")-$(tail -n 1 "$place/frames")" 2>>"$place/said"
capture=$capture.ours
signalling="tcp.port==$sip || udp.port==$sip"
for other in $(fields "tcp.dstport==$sip || udp.dstport==$sip" sip.contact.port | tr ',' '\n' | sort -u); do
	[ "$other" = "$sip" ] || decode="$decode -d tcp.port==$other,sip -d udp.port==$other,sip"
	signalling="$signalling || tcp.port==$other || udp.port==$other"
done
msrp_ports=$(fields "tcp.port==$sip || udp.port==$sip" sdp.media_attr | tr ',' '\n' |
	sed -n 's|^path:msrp://127.0.0.1:\([0-9]*\)/.*|\1|p' | sort -u)
ours=
for other in $msrp_ports; do
	[ "$other" = "$msrp" ] || decode="$decode -d tcp.port==$other,msrp"
	ours="$ours${ours:+ || }tcp.port==$other"
done
echo "MSRP ports: $(echo $msrp_ports); decoding: $decode" >>"$place/said"

told=$(sed -n 's/.* \([0-9]*\) INVITEs$/\1/p' "$place/demo")
seen=$(fields "sip.Method==\"INVITE\" && sip.resend==0 && ($signalling)" sip.CSeq | tr ',' '\n' | grep -c INVITE)
echo "INVITEs: told $told, seen $seen" >>"$place/said"
holds as_many_invites_as_the_demo_tells [ "${told:-0}" -gt 0 -a "$seen" -eq "${told:-0}" ]

# The dissector of tshark 4.0 stops behind the first message of a segment: where the end of one SEND and the start of
# the next share one, the next is not seen. So it is asked for those that begin a segment, by transaction id.
fields "($ours) && tcp.len>0 && !tcp.analysis.retransmission" tcp.payload |
	perl -ne 'tr/0-9a-f//cd; $_ = pack "H*", $_;
		print "sent $1\n" while /^MSRP (\S+) SEND\r/mg; print "begins $1\n" if /\AMSRP (\S+) SEND\r/' |
	sort -u >"$place/octets"
sed -n 's/^begins //p' "$place/octets" >"$place/begin"
fields "($ours) && msrp.method==SEND" msrp.transaction.id | tr ',' '\n' | sort -u >"$place/seen"
sent=$(grep -c '^sent ' "$place/octets")
echo "SENDs: sent $sent, $(wc -l <"$place/begin") of them begin a segment, seen $(wc -l <"$place/seen")" >>"$place/said"
# Three that bind; of alice, of carol and of bob to two others each at least one chunk.
holds every_send_that_begins_a_segment_is_seen cmp -s "$place/begin" "$place/seen"
holds as_many_sends_as_the_demo_needs [ "$sent" -ge 12 ]
reports=$(fields "($ours) && msrp.method" msrp.method | tr ',' '\n' | grep -c '^REPORT$')
holds the_report_is_seen [ "$reports" -ge 1 ]
fields "_ws.malformed && (sip || msrp) && (($ours) || tcp.port==$sip || udp.port==$sip)" \
	frame.number tcp.srcport tcp.dstport tcp.payload |
	# A segment from the middle of a megabyte of random octets now and then looks like some other protocol gone wrong;
	# one that begins with a request or a response must be whole in the eyes of the dissector.
	awk -F '\t' -v sip="$sip" '$2 == sip || $3 == sip || $4 == "" || index($4, "4d53525020") == 1' >"$place/malformed"
malformed=$(wc -l <"$place/malformed")
echo "malformed: $malformed $(cut -c1-400 "$place/malformed")" >>"$place/said"
holds nothing_is_malformed [ "$malformed" -eq 0 ]
[ -z "${VERBOSE:-}" ] || sed 's/^/# /' "$place/said"
echo "1..$count"
