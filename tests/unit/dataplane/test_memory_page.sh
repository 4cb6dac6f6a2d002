#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The tables of docs/memory.md are what the switch prints for its defaults.
# usage: test_memory_page.sh PLENUM_SWITCH PAGE
line='<!-- plenum-switch --memory -->'
work=$(mktemp -d) || exit 1
trap 'rm -r "$work"' EXIT
sed "1,/^$line\$/d" "$2" >"$work/page"
"$1" --memory >"$work/said" || exit 1
[ -s "$work/said" ] && diff "$work/page" "$work/said" && exit 0
echo "write it anew, below the line $line: build/dataplane/plenum-switch --memory"
exit 1
