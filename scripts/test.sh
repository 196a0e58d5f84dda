#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every check of this project.  TESTS="tests/20-rootrun.t ..." picks some.
# Ends in "N passed, N failed, N skipped"; fails unless N failed is 0.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

cd "$top"
"$top/scripts/deps.sh" build run test
# Once, and where one sees it: tests show nothing until they fail.
capture tree "$top/scripts/tree.sh"
run "$top/scripts/tests.sh" "$tree" >/dev/null
case ${TESTS:-race} in
*race*) run "$top/scripts/tree.sh" race >/dev/null ;;
esac
"$top/scripts/tools.sh"

out=$(mktemp "$BUILD/test.XXXXXX")
aside=$(mktemp "$BUILD/test.XXXXXX")
at_exit "rm -f '$out' '$aside'"

# prove tells if a test has died, or has not done what it planned; what it shows
# of each test point is what is counted.
status=0
show() {
	start tail -n +1 -f --pid="$1" "$2"
	tail_pid=$pid
	finish "$1" || status=1
	finish "$tail_pid" || :
}

# A session of its own, to end it all: a shell that is told to ends when what it waits
# for has ended.
start_prove() {
	start nice -n "$1" setsid prove --verbose --timer $2 >"$3" 2>&1
	at_exit "pkill -TERM -s $pid || :"
}

count() {
	cat "$out" "$aside" | grep -Ec "$1" || :
}

# What takes long goes beside the rest, which has deadlines of seconds, and so its turn
# first.  Bochs goes first of what takes long, as it uses one CPU.
tests=$(printf '%s\n' ${TESTS:-tests/vmx/*.t tests/*.t})
tests_aside=$(echo "$tests" | grep -e /vmx/ -e /80-mutants || :)
tests=$(echo "$tests" | grep -v -e /vmx/ -e /80-mutants || :)
if [ -n "$tests_aside" ]; then
	say "beside the others, and shown after them:" $tests_aside
	start_prove 5 "$tests_aside" "$aside"
	aside_pid=$pid
fi
if [ -n "$tests" ]; then
	start_prove 0 "$tests" "$out"
	show "$pid" "$out"
fi
[ -z "$tests_aside" ] || show "$aside_pid" "$aside"

skipped=$(count '^ok [0-9]+ .*# SKIP')
passed=$(($(count '^ok [0-9]+') - skipped))
failed=$(count '^not ok [0-9]+')
# A test that died without a failed test point is a failure, too.
[ "$status" -eq 0 ] || [ "$failed" -ne 0 ] || failed=1
[ $((passed + failed)) -gt 0 ] || failed=1
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
