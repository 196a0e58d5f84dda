#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run all checks of this project.  TESTS="tests/20-rootrun.t ..." selects some; FULL=1 adds those that
# do not fit into an hour.
# The last line is "N passed, N failed, N skipped"; the script fails unless N failed is 0.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

cd "$top"
# Tests get FULL=1 as ALL=1: with FULL=1, the runs that they start would print more than they expect.
ALL=${FULL:-}
export ALL
unset FULL
run "$top/scripts/deps.sh" build run test
# Pass KERNEL on as the default only: tests with a kernel tree of their own choose the patches for it.
[ -z "$kernel_told" ] || export KERNEL_DEFAULT="$KERNEL"
unset KERNEL
kernel_told=
settle_kernel ''
KERNEL=$KERNEL_DEFAULT
# Build here, once, and with visible progress: the tests show nothing until they fail.
capture tree "$top/scripts/tree.sh"
run "$top/scripts/tests.sh" "$tree" >/dev/null
case $ALL:${TESTS:-race} in
1:*race* | 1:*soak*) run "$top/scripts/tree.sh" race >/dev/null ;;
esac
"$top/scripts/tools.sh"

out=$(mktemp -d "$BUILD/test.XXXXXX")
at_exit "rm -rf '$out'"

# start_stream NAME NICE TEST...: run the tests in the background, one after the other.
start_stream() {
	stream=$1 niceness=$2
	shift 2
	[ $# -gt 0 ] || return 0
	say "  $stream: $*"
	start nice -n "$niceness" prove --verbose --timer "$@" >"$out/$stream" 2>&1
	eval "pid_of_$stream=\$pid"
}

# show NAME: print the output of a stream until it ends.  The exit status of prove tells whether a test
# died, or did not run all planned points; count() counts the points in the output.
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

# Builds and mutants take most of the time, so they run beside the rest, with less priority: tests of
# the rest have deadlines of seconds.  Bochs uses one CPU only, and runs before the other mutants.
tests=$(printf '%s\n' ${TESTS:-tests/vmx/*.t tests/*.t})
builds=$(echo "$tests" | grep -e /40- -e /50- -e /52- || :)
# 45-bare.t comes last, when most other tests are done.
builds="$builds $(echo "$tests" | grep -e /45- || :)"
mutants=$(echo "$tests" | grep -e /vmx/ -e /8[01]- || :)
rest=$(echo "$tests" | grep -v -e /40- -e /45- -e /50- -e /52- -e /vmx/ -e /8[01]- || :)
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
# A test that died without a failed point counts as a failure.
[ "$status" -eq 0 ] || [ "$failed" -ne 0 ] || failed=1
[ $((passed + failed)) -gt 0 ] || failed=1
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
