#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test guests that fail, and runs that are interrupted: the message is clear, and nothing is
# left behind.

. tests/tap.sh

debian=$(scripts/kernel.sh) && tree=$(scripts/tree.sh) && tests=$(scripts/tests.sh "$tree") && scripts/tools.sh ||
	bail_out "nothing to boot"

# The name of this test's beds, which distinguishes them from others on the machine.
tag=faults-$$

# lane BEFORE_TESTS [BED_ARGS]: boot a bed whose guest runs BEFORE_TESTS first
lane()
{
	attempt env BEFORE_TESTS="$1" BED_ARGS="${2:-}" BUILD="$BUILD_DIR" FILTER='*null_exit*' \
		scripts/lane.sh suite "$tree" "$tree/modules" "$tests/bin" "$tmp" "$tag"
}

no_qemu()
{
	! pgrep -f "qemu-system-x86_64.*$tmp" >/dev/null
}

BUILD_DIR=${BUILD:-build}

# test_quotes: code for the guest passes through files that shells read
test_quotes()
{
	# shellcheck disable=SC2016,SC1003 # that code
	code='echo '"'a  b;'"' "$LANE" \\; : '"''"
	mkdir "$tmp/quotes"
	# shellcheck disable=SC2016 # its own arguments
	attempt env BEFORE_TESTS="$code" sh -c 'top=$PWD; . scripts/lib.sh; . scripts/lanes.sh; lane_define suite
		lane_payload qemu-svm suite "$@"' sh "$tree/modules" "$tests/bin" "$tmp/quotes"
	# shellcheck disable=SC1091 # made just now
	[ "$status" -eq 0 ] && [ "$(. "$tmp/quotes/lanes/suite.conf" && printf "%s." "$BEFORE_TESTS")" = "$code." ]
	result $? "BEFORE_TESTS with quotes gets to the guest as it is"
	rm -rf "$tmp/quotes"
}

test_guests()
{
	lane 'echo c >/proc/sysrq-trigger'
	says "a guest that panics: status" 1 "the guest died before its tests were done"
	says "a guest that panics: why" 1 "died before its tests were done: Kernel panic - not syncing: sysrq triggered crash"
	says "a guest that panics: is booted once more" 1 "died before its first test: Kernel panic .*: booting once more"
	[ ! -e "$tmp/suite.initrd" ] && [ ! -e "$tmp/suite.payload" ]
	result $? "a guest that panics: no files left but results and console"

	lane 'while :; do sleep 1; done' '--timeout 25'
	says "a guest that hangs" 124 "the guest hangs: killed after 25 s; the end of its console"
	eventually 3 no_qemu
	result $? "a guest that hangs: no process left"

	lane 'while :; do sleep 1; done' '--timeout 25 --first 5'
	says "a guest that hangs before its first test is booted once more" 124 "the guest has not begun its first test in [0-9]* s: booting once more"
	says "a guest that hangs twice" 124 "the guest hangs: killed after 25 s"

	lane 'rmmod kvm-amd; rm -f /dev/kvm'
	says "a guest without KVM still ends its results" 0 "1 cases, done"
	grep -q '"status":"fail","reason":"skipped in a bed that lacks nothing: ' "$tmp/suite.jsonl"
	result $? "a guest without KVM: no case is green"

	lane '' '--memory 16'
	says "too little memory for the kernel" 2 "--memory: Debian.s kernel needs 256 MiB at least"

	: >"$tmp/garbage"
	attempt beds/qemu-svm/run --name "$tag" --kernel "$tmp/garbage" --initrd "$tmp/garbage" \
		--results "$tmp/r" --console "$tmp/c" --timeout 20
	says "a kernel that is none" 1 "the emulator failed with status"

	attempt beds/qemu-svm/run --name "$tag" --kernel "$tree/boot/vmlinuz" --initrd "$tmp/garbage" \
		--results "$tmp/r" --console "$tmp/c" --timeout 60
	says "a guest that never gets to init" 1 "died before its tests were done: Kernel panic - not syncing: VFS: Unable to mount root fs"
}

# Two lanes in a boot: each has its results, and those of the first survive a panic in the second.
test_shared_boot()
{
	mkdir "$tmp/shared"
	attempt env FILTER='*reuse_test init.exact_counts' scripts/lane.sh shadow+suite "$tree" "$tree/modules" "$tests/bin" "$tmp/shared"
	says "two lanes in a boot" 0 "shadow.suite: 2 cases, done"
	for lane in shadow:npt=0 suite:TDP; do
		file=$tmp/shared/${lane%:*}.jsonl
		[ "$(jq -r 'select(.lane == "'${lane%:*}'") | .mmu' "$file")" = "${lane#*:}" ] &&
			[ "$(jq -s 'map(select(.type == "end")) | length' "$file")" -eq 1 ]
		result $? "two lanes in a boot: ${lane%:*} on its MMU, with its results"
		# Take the maximum, as the last sample may be of a VM whose vCPUs are gone.
		jq -s -e 'map(select(.type == "case"))[0].samples.rows | map(.[1]) | max > 0' "$file" >/dev/null
		result $? "two lanes in a boot: ${lane%:*} has KVM's counters over time, from its files"
	done
	rm "$tmp/shared"/*

	# shellcheck disable=SC2016 # expanded in the guest
	attempt env FILTER='*null_exit*' BEFORE_TESTS='[ "$LANE" != suite ] || echo c >/proc/sysrq-trigger' \
		scripts/lane.sh shadow+suite "$tree" "$tree/modules" "$tests/bin" "$tmp/shared"
	says "a guest that panics in its second lane" 1 "shadow.suite: the guest died before its tests were done: Kernel panic"
	[ "$(jq -r 'select(.type == "end") | .passed' "$tmp/shared/shadow.jsonl")" -eq 1 ] &&
		[ ! -s "$tmp/shared/suite.jsonl" ]
	result $? "a guest that panics in its second lane keeps the first"
	rm -rf "$tmp/shared"
}

# --hold: a fake test prints the reference count of kvm.ko, which its vendor module uses once, and
# each of the four tracepoints that rootrun keeps in use.
test_hold()
{
	mkdir "$tmp/tests"
	# shellcheck disable=SC2016 # expanded in the guest
	printf '#!/bin/sh\necho "kvm is used $(cat /sys/module/kvm/refcnt) times"\n' >"$tmp/tests/mmu_root_refs_test"
	chmod +x "$tmp/tests/mmu_root_refs_test"
	attempt scripts/lane.sh suite "$tree" "$tree/modules" "$tmp/tests" "$tmp"
	jq -r 'select(.type == "case") | .log' "$tmp/suite.jsonl" | grep -qx 'kvm is used 5 times'
	result $? "tracepoints are in use between cases"
	rm -rf "$tmp/tests"
}

# REUSE=1: a lane that has passed does not run again; a lane that has failed does.  Also, the command that
# a failed run prints runs just those cases again that have failed.
test_reuse()
{
	# The filter is unique, so that no other run has results for it.
	filter="mmu_root_@(reuse_test path.@(null_exit|cr4_mce).exact_count[s$$]|registers_test *)"
	set -- env BUILD="$tmp/build" CONFIG=suite FILTER="$filter" REUSE=1
	attempt "$@" BEFORE_TESTS='echo 1 >/sys/module/kvm/parameters/mmu_reset_every' scripts/run.sh
	says "REUSE=1: a run that fails" 1 "running 1 lanes in 1 boots"
	says "a failed run: two of its cases" 1 "^5 cases: 3 passed, 2 failed, 0 skipped$"
	command=$(sed -n '/^to run just what failed again/ { n; s/^  //p }' "$tmp/out")
	attempt env BUILD="$tmp/build" sh -c "$command"
	says "a failed run: its command runs only these again" 0 "^2 cases: 2 passed, 0 failed"
	attempt "$@" scripts/run.sh
	says "REUSE=1: it is run again" 0 "running 1 lanes in 1 boots"
	attempt "$@" scripts/run.sh
	says "REUSE=1: what has passed is not" 0 "running 0 lanes in 0 boots"
	says "REUSE=1: but its results are there" 0 "^5 cases: 5 passed, 0 failed"
	rm -rf "$tmp/build"
}

# start_run SECONDS: start a run, and sleep after QEMU has started
start_run()
{
	in_session BUILD="$tmp/build" scripts/run.sh >"$tmp/log" 2>&1
	eventually 60 pgrep -f "qemu-system-x86_64.*$tmp" >/dev/null
	sleep "$1"
}

nothing_left()
{
	no_qemu && ! pgrep -f "scripts/lane.sh.*$tmp" >/dev/null && ! ls "$tmp"/build/initramfs.* >/dev/null 2>&1
}

test_interruptions()
{
	start_run 6
	pkill -INT -s $run
	wait $run
	result $(($? != 130)) "Ctrl-C: exit status 130"
	eventually 5 nothing_left
	result $? "Ctrl-C: nothing left running"
	[ ! -e "$tmp/build/results/latest" ]
	result $? "Ctrl-C: no result passes for a finished one"

	start_run 1
	kill -TERM $run
	wait $run
	result $(($? != 143)) "SIGTERM: exit status 143"
	eventually 5 nothing_left
	result $? "SIGTERM: nothing left running"

	start_run 3
	kill -KILL $run
	wait $run 2>/dev/null
	eventually 5 nothing_left
	result $? "SIGKILL: nothing left running"
}

# start_building CONFIG MARK: start a run that must build a kernel or KVM's modules first, and wait
# until it prints MARK.  Its cache only has Debian's prepared kernel.
start_building()
{
	rm -rf "$tmp/cache" "$tmp/build"
	mkdir -p "$tmp/cache/kvm-mmu-roots/base"
	ln -s "$(dirname "$debian")"/packages-* "$debian" "$tmp/cache/kvm-mmu-roots/base/"
	ln -s "$(dirname "$debian")/../debs" "$tmp/cache/kvm-mmu-roots/debs"
	in_session XDG_CACHE_HOME="$tmp/cache" BUILD="$tmp/build" CONFIG="$1" make -s run >"$tmp/log" 2>&1
	eventually 300 grep -q "$2" "$tmp/log"
	sleep 2
}

# no_process_in NAME=VALUE: find processes by their environment: their names and parents may have changed
no_process_in()
{
	! grep -lsz "^$1" /proc/[0-9]*/environ | grep -q .
}

no_process_of_run()
{
	no_process_in "BUILD=$tmp/build"
}

# interrupt NAME KILL-COMMAND...: kill the run that was started, and test that nothing is left
interrupt()
{
	name=$1
	shift
	! no_process_of_run && ls -d "$tmp"/cache/kvm-mmu-roots/*/*/linux >/dev/null
	result $? "$name: had begun"
	"$@"
	wait $run 2>/dev/null
	eventually 20 no_process_of_run
	ret=$?
	result $ret "$name: nothing left running"
	[ $ret -eq 0 ] || pgrep -l 'tar|xz|make|cc1' | sed 's/^/# /'
	grep -e '^rm: ' "$tmp/log" >"$tmp/err"
	result $(($? != 1)) "$name: what there was is removed"
	sed 's/^/# /' "$tmp/err"
}

test_interrupted_builds()
{
	start_building race 'unpacking'
	interrupt "SIGTERM while unpacking" kill -TERM $run
	! ls -d "$tmp"/cache/kvm-mmu-roots/base/*-race-*/linux >/dev/null 2>&1
	result $? "SIGTERM while unpacking: no half of a source is left"
	start_building race 'unpacking'
	interrupt "Ctrl-C while unpacking" pkill -INT -s $run
	start_building race 'unpacking'
	interrupt "SIGKILL while unpacking" pkill -KILL -s $run
	start_building suite "building KVM's modules"
	interrupt "SIGTERM while building" kill -TERM $run
	rm -rf "$tmp/cache" "$tmp/build"
}

# start_testing: start make test with a test that starts a run, and wait until the run has booted a guest.
start_testing()
{
	mkdir -p "$tmp/inner"
	cat >"$tmp/inner.t" <<-'END'
	#!/bin/sh
	. tests/tap.sh
	in_session CONFIG=suite scripts/run.sh 2>"$tmp/log"
	wait $run
	plan_done
	END
	chmod +x "$tmp/inner.t"
	in_session BUILD="$tmp/build" TMPDIR="$tmp/inner" TESTS="$tmp/inner.t" make -s test >"$tmp/log" 2>&1
	eventually 120 pgrep -f "qemu-system-x86_64.*$tmp/build/results" >/dev/null
	result $? "make test starts a run"
}

test_interrupted_tests()
{
	for signal in INT TERM KILL; do
		start_testing
		pkill -$signal -s $run
		wait $run 2>/dev/null
		eventually 20 no_process_in "TMPDIR=$tmp/inner"
		result $? "SIG$signal of make test: nothing left running"
		[ -z "$(ls "$tmp/inner")" ]
		result $? "SIG$signal of make test: no files left"
		rm -rf "$tmp/inner"
	done
	rm -rf "$tmp/build"
}

# random LIMIT: print the next pseudo-random number below LIMIT; SEED repeats the sequence
random()
{
	state=$(((state * 1103515245 + 12345) % 2147483648))
	echo $((state / 65536 % $1))
}

# readable_so_far: whether the results on disk have complete lines, and a report can be made of them
readable_so_far()
{
	for file in "$tmp"/build/results/2*/*/*.jsonl; do
		[ -s "$file" ] || continue
		sed '$d' "$file" | jq -e . >/dev/null || return 1
		"$BUILD_DIR/rootreport" "$file" >"$tmp/report" 2>&1
		[ $? -le 2 ] || return 1
	done
}

# Kill a random process of a run at a random time.  KILLS says how often.
test_kills()
{
	state=${SEED:-$$}
	echo "# SEED=$state repeats these moments"
	left=0 garbled=0
	for kill in $(seq "${KILLS:-6}"); do
		random 4 >"$tmp/part"
		random 120 >"$tmp/moment"
		set -- scripts/run.sh scripts/lane.sh beds/qemu-svm/run qemu-system-x86_64
		shift "$(cat "$tmp/part")"
		rm -rf "$tmp/build/results"
		in_session BUILD="$tmp/build" CONFIG=suite FILTER='*permission*' scripts/run.sh >"$tmp/log" 2>&1
		sleep "$(($(cat "$tmp/moment") / 10)).$(($(cat "$tmp/moment") % 10))"
		# Find the process by $tmp in its command line, or else in the run's session.
		pkill -KILL -f "$1.*$tmp" || pkill -KILL -s $run -f "$1" || :
		[ "$1" != scripts/run.sh ] || kill -KILL $run 2>/dev/null
		wait $run 2>/dev/null
		eventually 10 nothing_left || left=$((left + 1))
		readable_so_far || garbled=$((garbled + 1))
	done
	result $left "killed ${KILLS:-6} times: nothing left running"
	result $garbled "killed ${KILLS:-6} times: the results so far can be read"
	attempt env BUILD="$tmp/build" CONFIG=suite FILTER='*permission*' scripts/run.sh
	says "killed ${KILLS:-6} times: the next run works" 0 '^[0-9]+ cases: [1-9][0-9]* passed, 0 failed, 0 skipped'
}

test_two_at_once()
{
	in_session BUILD="$tmp/build" CONFIG=suite FILTER='*cr4_smep*' scripts/run.sh >"$tmp/one" 2>&1
	one=$run
	in_session BUILD="$tmp/build" CONFIG=suite FILTER='*cr4_smep*' scripts/run.sh >"$tmp/two" 2>&1
	two=$run
	wait $one
	first=$?
	wait $two && [ $first -eq 0 ]
	ret=$?
	result $ret "two runs at once"
	[ $ret -eq 0 ] || cat "$tmp/one" "$tmp/two" | sed 's/^/#   /'
	[ "$(ls -d "$tmp"/build/results/2* | wc -l)" -ge 2 ]
	result $? "two runs at once: results of their own"
}

# Programs with shared libraries, as on a machine without static ones.
test_shared_libraries()
{
	attempt env LINK= BUILD="$tmp/shared" CONFIG=suite FILTER='*@(null_exit|mmu_root_notifier_test*fork)*' scripts/run.sh
	says "programs that bring their libraries" 0 '^([0-9]+) cases: [1-9][0-9]* passed, 0 failed'
	ldd "$tmp/shared/rootrun" >/dev/null 2>&1
	result $? "programs that bring their libraries: there are some"
}

test_quotes
test_guests
test_shared_boot
test_shared_libraries
test_hold
test_reuse
test_interruptions
test_interrupted_builds
test_interrupted_tests
test_kills
test_two_at_once
plan_done
