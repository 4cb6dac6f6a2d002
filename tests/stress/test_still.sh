#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The watch over the workers (tests/support/still.c) bites: a switch that does what it must not is noticed, for each such thing, and the
# same switch that does nothing of it passes.
# usage: test_still.sh STRESS_SWITCH RESTLESS_SWITCH, with PLENUM_STILL in the environment
PLENUM_SWITCH=$2
export PLENUM_SWITCH PLENUM_RESTLESS
work=$(mktemp -d) || exit 1
trap 'rm -r "$work"' EXIT
for PLENUM_RESTLESS in nothing malloc free mmap lock log; do
	"$1" 200 4 2 >"$work/out" 2>&1
	status=$?
	left=$(sed -n 's/.*its log is in //p' "$work/out") # a switch that failed leaves its log
	case $left in
	/tmp/plenum-rig-*) rm -r "$left" ;;
	esac
	case $PLENUM_RESTLESS in
	nothing) wanted=; ;;
	malloc | free) wanted=$PLENUM_RESTLESS ;;
	mmap | log) wanted='system call' ;;
	lock) wanted=pthread_mutex_lock ;;
	esac
	if [ -z "$wanted" ]; then
		[ "$status" -eq 0 ] && continue
		echo "a switch that does nothing wrong fails with status $status"
	else
		[ "$status" -ne 0 ] && grep -q "still: error a worker did what it must not: $wanted" "$work/out" && continue
		echo "$PLENUM_RESTLESS is not noticed (status $status)"
	fi
	cat "$work/out"
	exit 1
done
