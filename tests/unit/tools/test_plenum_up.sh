#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tools/plenum up with the real daemons: ready, restarts, stops, and what it says when it cannot.
# usage: test_plenum_up.sh SOURCE_ROOT BUILD_ROOT
# Prints TAP.
set -u
plenum=$1/tools/plenum
PLENUM_BUILD=$2
export PLENUM_BUILD
place=$(mktemp -d "${TMPDIR:-/tmp}/plenum-test.XXXXXX") || exit 1
TMPDIR=$place # a launcher that was killed leaves its directory behind
export TMPDIR
launcher=
count=0
trap 'leave' EXIT
trap 'exit 1' TERM INT

leave() {
	[ -z "$launcher" ] || kill "$launcher" 2>/dev/null
	rm -rf "$place"
}

# One subtest: a sentence, and whether it holds.
holds() { # SENTENCE COMMAND...
	sentence=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - plenum_up::$sentence"
	else
		echo "not ok $count - plenum_up::$sentence"
		sed 's/^/# /' "$place/err"
	fi
}

# Tries a command for ten seconds.
soon() {
	tries=100
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

config_write() { # FILE MSRP_PORT
	cat >"$place/$1" <<END
sip:
  listen: ["udp:127.0.0.1:0"]
msrp:
  listen: ["tcp:127.0.0.1:$2"]
switch:
  socket: $1.sock
END
}

up() { # FILE
	: >"$place/out"
	"$plenum" up -c "$place/$1" >"$place/out" 2>"$place/err" &
	launcher=$!
}

ended() { # PID
	case $(ps -o state= -p "$1") in
	'' | Z*) return 0 ;;
	esac
	return 1
}

said() { # FILE TEXT
	grep -q -- "$2" "$place/$1"
}

status_of_up() { # FILE STATUS
	"$plenum" up -c "$place/$1" >"$place/out" 2>"$place/err"
	[ $? -eq "$2" ] && [ ! -s "$place/out" ]
}

child() { # NAME
	pgrep -P "$launcher" -x "$1"
}

restarted() { # NAME OLD_PID
	now=$(child "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

config_write lab 0
up lab
if ! soon said out '^ready$'; then
	sed 's/^/# /' "$place/err"
	echo 'Bail out! the daemons are not ready'
	exit 1
fi
holds it_prints_ready_when_both_daemons_are said out '^ready$'

for name in plenum-switch plenum-focus; do
	old=$(child "$name")
	kill -KILL "$old"
	holds "a_killed_${name}_is_said" soon said err "^plenum: $name ended with status 137: restarting it at once"
	holds "a_killed_${name}_comes_back" soon restarted "$name" "$old"
	holds "${name}_is_ready_again" soon said err "^plenum: $name is ready again"
done
holds ready_is_said_once [ "$(cat "$place/out")" = ready ]

switch=$(child plenum-switch)
focus=$(child plenum-focus)
group_of() { # PID
	ps -o pgid= -p "$1" | tr -d ' '
}
# Ctrl-C goes to a process group: the daemons are not to hear of it but from the launcher, in its order.
holds the_switch_is_in_a_group_of_its_own [ "$(group_of "$switch")" -eq "$switch" ]
holds the_focus_is_in_a_group_of_its_own [ "$(group_of "$focus")" -eq "$focus" ]
kill -TERM "$launcher"
wait "$launcher"
status=$?
launcher=
holds sigterm_ends_it_with_status_0 [ "$status" -eq 0 ]
focus_first() {
	awk '/main: stopped dialogs_left=/ { focus = NR } /switch: drains/ { drains = NR }
		END { exit !(focus > 0 && drains > focus) }' "$place/err"
}
holds the_focus_ends_before_the_switch_drains focus_first
holds sigterm_ends_the_switch ended "$switch"
holds sigterm_ends_the_focus ended "$focus"

config_write wrong 99999
holds a_wrong_configuration_is_status_2 status_of_up wrong 2
holds a_wrong_configuration_is_one_line [ "$(wc -l <"$place/err")" -eq 1 ]
holds a_missing_configuration_is_status_2 status_of_up nowhere 2

up lab
soon said out '^ready$'
port=$(sed -n 's/.*MSRP is received at port \([0-9]*\).*/\1/p' "$place/err")
cp "$place/err" "$place/kept"
config_write taken "$port"
holds a_port_in_use_is_status_1 status_of_up taken 1
holds a_port_in_use_is_named said err "127.0.0.1:$port"
cp "$place/kept" "$place/err"

switch=$(child plenum-switch)
focus=$(child plenum-focus)
kill -KILL "$launcher"
wait "$launcher" 2>/dev/null
launcher=
holds the_switch_does_not_outlive_a_killed_launcher soon ended "$switch"
holds the_focus_does_not_outlive_a_killed_launcher soon ended "$focus"
echo "1..$count"
