#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# count-results on a record in results/ that meson 1.0.1 wrote of programs that end in every way there is: good, with a
# skipped case, bad, failed after all its cases passed, with cases missing, killed for its time, skipped, killed.
# usage: test_count_results.sh SOURCE_ROOT
root=$1
expected='8 8 2
2 - a::c: no DPDK
plenum:stress / plainskip: no tshark here'
counted=$("$root/tools/count-results" "$root/tests/unit/tools/results")
[ "$counted" = "$expected" ] && exit 0
printf 'expected:\n%s\ncounted:\n%s\n' "$expected" "$counted"
exit 1
