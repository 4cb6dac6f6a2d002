#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# coverage-report on a program of one file: what was not run wants a reason, and a reason wants something that was not run.
# usage: test_coverage_report.sh SOURCE_ROOT
report=$1/tools/coverage-report
command -v gcov >/dev/null 2>&1 || { echo 'no gcov here'; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -r "$work"' EXIT
cd "$work" || exit 1
mkdir dataplane
cat >dataplane/x.c <<'END'
#include <stdio.h>

static int half(int n)
{
	if (n % 2 != 0)
		return -1; /* odd :: really */
	return n / 2;
}

static void never(int n)
{
	if (n > 0) {
		puts("a: b");
		puts("c");
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		never(argc);
	return half(4) == 2 ? 0 : 1;
}
END
cc --coverage -O0 -c -o dataplane/x.c.o dataplane/x.c && cc --coverage -o x dataplane/x.c.o && ./x || exit 1

check() { # WHAT STATUS PATTERN...
	what=$1
	"$report" "$work" "$work/reasons" dataplane/x.c >"$work/said" 2>&1
	status=$?
	[ "$status" -eq "$2" ] || { echo "$what: status $status"; cat "$work/said"; exit 1; }
	shift 2
	for pattern in "$@"; do
		grep -q -- "$pattern" "$work/said" || { echo "$what: no line \"$pattern\""; cat "$work/said"; exit 1; }
	done
}

echo '# none' >reasons
check 'without reasons' 1 '^dataplane/x.c  *13  *6  *46.2%  *0  *7$' '^dataplane/x.c:6: half: return -1;' \
	'^dataplane/x.c:13: never: puts("a: b");$' '^dataplane/x.c:21: main: never(argc);$'
cat >reasons <<'END'
dataplane/x.c half :: return -1; :: nobody asks for odd ones
dataplane/x.c never +6 :: static void never :: it is said already
dataplane/x.c main :: never(argc) :: no argument is given
END
check 'with reasons for all' 0 '^dataplane/x.c  *13  *6  *46.2%  *7  *0$'
sed 's/ half / main /' reasons >other && mv other reasons
check 'a reason for another function' 1 '^dataplane/x.c:6: half' '^tests/coverage.reasons:1: dataplane/x.c main :: return -1'
cat >reasons <<'END'
dataplane/x.c * :: return -1; :: nobody asks for odd ones
dataplane/x.c never +6 :: static void never :: it is said already
dataplane/x.c main :: never(argc) :: no argument is given
dataplane/x.c half :: return n / 2; :: this one is run
dataplane/y.c half :: return n / 2; :: this file is not there
END
check 'stale reasons' 1 '^stale reasons' 'reasons:4: ' 'reasons:5: '
echo 'dataplane/x.c half return -1' >reasons
check 'what is no reason' 1 'not FILE FUNCTION'
