#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What an operator meets: memory that is too little is refused with the number that would do, by --check and at start; what was
# touched is there when the switch is ready, and what was not is not.
# usage: test_memory_start.sh PLENUM_SWITCH
work=$(mktemp -d) || exit 1
switch=
trap '[ -z "$switch" ] || kill -KILL "$switch"; rm -r "$work"' EXIT

fail() {
	echo "$1"
	cat "$work/err"
	exit 1
}

configure() { # LINE...
	printf 'msrp:\n  listen: ["tcp:127.0.0.1:0"]\nswitch:\n  socket: switch.sock\n' >"$work/plenum.yaml"
	printf '  %s\n' "$@" >>"$work/plenum.yaml"
}

resident() { # of what the switch has mapped for itself, in MiB, when it is ready
	mkfifo "$work/out"
	"$1" -c "$work/plenum.yaml" >"$work/out" 2>"$work/err" &
	switch=$!
	read -r said <"$work/out"
	[ "$said" = ready ] || fail "it says \"$said\""
	awk '/^RssAnon/ { print int($2 / 1024) }' "/proc/$switch/status" >"$work/resident"
	kill -TERM "$switch"
	wait "$switch" || fail "it ends with status $?"
	switch=
	rm "$work/out"
	cat "$work/resident"
}

configure 'max_legs: 300000' 'workers: 2'
for option in --check --; do
	"$1" -c "$work/plenum.yaml" "$option" >/dev/null 2>"$work/err"
	[ $? -eq 2 ] || fail "$option: too little memory is not refused with status 2"
	least=$(sed -n 's/.*switch.memory_mb is 512: 300000 legs.* need at least \([0-9]*\); raise it.*/\1/p' "$work/err")
	[ -n "$least" ] || fail "$option: it does not say how much would do"
done
configure 'max_legs: 300000' 'workers: 2' "memory_mb: $least"
"$1" -c "$work/plenum.yaml" --check >/dev/null 2>"$work/err" || fail "$least MiB would not do"
configure 'max_legs: 300000' 'workers: 2' "memory_mb: $((least - 1))"
! "$1" -c "$work/plenum.yaml" --check >/dev/null 2>"$work/err" || fail "$((least - 1)) MiB would do"
configure 'memory_mb: 1048576'
"$1" -c "$work/plenum.yaml" >/dev/null 2>"$work/err"
[ $? -eq 1 ] || fail 'a tebibyte is not refused with status 1'
grep -q 'switch.memory_mb is 1048576: this machine has' "$work/err" || fail 'it does not say what the machine has'

configure 'max_legs: 100' 'memory_mb: 256' 'memory_touch: true'
all=$(resident "$1") || fail "$all"
[ "$all" -ge 250 ] || fail "of 256 MiB that are to be touched $all are there"
configure 'max_legs: 100' 'memory_mb: 256'
some=$(resident "$1") || fail "$some"
[ "$some" -lt "$((all - 64))" ] || fail "$some MiB are there when nothing is to be touched"
