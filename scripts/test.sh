#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every check of this project.  TESTS="tests/20-rootrun.t ..." picks some; FULL=1 also does those that
# do not fit into an hour.
# Ends in "N passed, N failed, N skipped"; fails unless N failed is 0.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

cd "$top"
# With FULL=1, what does not fit into an hour is done, too.  Runs print more with it, which is
# not what tests look at.
ALL=${FULL:-}
export ALL
unset FULL
run "$top/scripts/deps.sh" build run test
# Tests that have a tree of their own look for its patches, so they are not told; it is the default.
[ -z "$kernel_told" ] || export KERNEL_DEFAULT="$KERNEL"
unset KERNEL
kernel_told=
settle_kernel ''
KERNEL=$KERNEL_DEFAULT
# Once, and where one sees it: tests show nothing until they fail.
capture tree "$top/scripts/tree.sh"
run "$top/scripts/tests.sh" "$tree" >/dev/null
case $ALL:${TESTS:-race} in
1:*race*) run "$top/scripts/tree.sh" race >/dev/null ;;
esac
"$top/scripts/tools.sh"

out=$(mktemp -d "$BUILD/test.XXXXXX")
at_exit "rm -rf '$out'"

# start_stream NAME NICE TEST...: one test after the other.
start_stream() {
	stream=$1 niceness=$2
	shift 2
	[ $# -gt 0 ] || return 0
	say "  $stream: $*"
	start nice -n "$niceness" prove --verbose --timer "$@" >"$out/$stream" 2>&1
	eval "pid_of_$stream=\$pid"
}

# prove tells if a test has died, or has not done what it planned; what it shows
# of each test point is what is counted.
status=0
show() {
	eval "stream_pid=\${pid_of_$1:-}"
	[ -n "$stream_pid" ] || return 0
	start tail -n +1 -f --pid="$stream_pid" "$out/$1"
	tail_pid=$pid
	finish "$stream_pid" || status=1
	finish "$tail_pid" || :
}

count() {
	cat "$out"/* | grep -Ec "$1" || :
}

# Most of the time is that of builds and of mutants, which go beside the rest: that has
# deadlines of seconds, and so its turn first.  Bochs, which uses one CPU, goes before
# other mutants.
tests=$(printf '%s\n' ${TESTS:-tests/vmx/*.t tests/*.t})
builds=$(echo "$tests" | grep -e /40- -e /50- || :)
# Bare machines come last, when most others are done.
builds="$builds $(echo "$tests" | grep -e /45- || :)"
mutants=$(echo "$tests" | grep -e /vmx/ -e /8[01]- || :)
rest=$(echo "$tests" | grep -v -e /40- -e /45- -e /50- -e /vmx/ -e /8[01]- || :)
say "running tests in streams, and showing one after the other:"
start_stream mutants 5 $mutants
start_stream builds 5 $builds
start_stream rest 0 $rest
show rest
show builds
show mutants

skipped=$(count '^ok [0-9]+ .*# SKIP')
passed=$(($(count '^ok [0-9]+') - skipped))
failed=$(count '^not ok [0-9]+')
# A test that died without a failed test point is a failure, too.
[ "$status" -eq 0 ] || [ "$failed" -ne 0 ] || failed=1
[ $((passed + failed)) -gt 0 ] || failed=1
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
