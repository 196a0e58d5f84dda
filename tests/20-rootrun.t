#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the verdict of rootrun on tests that end in every bad way.

. tests/tap.sh

timeout_s=2

# field CASE FIELD: print a field of the case's result
field()
{
	sed -n "s/.*\"type\":\"case\",\"test\":\"[^\"]*\",\"case\":\"$1\".*\"$2\":\"\\([^\"]*\\)\".*/\\1/p" \
		"$tmp/results"
}

# judged NAME CASE STATUS REASON: test the verdict on a case; REASON is an extended regular expression
judged()
{
	[ "$(field "$2" status)" = "$3" ] && field "$2" reason | grep -Eqxe "$4"
	ret=$?
	result $ret "$1"
	[ $ret -eq 0 ] || echo "# $(field "$2" status): $(field "$2" reason)"
}

# pathology NAME STATUS REASON: run tests/bad/pathology.c under this name, and test the verdict
pathology()
{
	ln -f "$tmp/pathology" "$tmp/$1"
	attempt "$tmp/rootrun" -k /dev/null -t $timeout_s -o "$tmp/results" "$tmp/$1"
	judged "a test that is '$1'" main "$2" "$3"
}

no_processes()
{
	! pgrep -f "^$tmp/$1" >/dev/null
}

test_pathologies()
{
	pathology good pass ""
	result "$status" "exit status 0 if all is well"
	pathology hang fail "hung: killed after $timeout_s s"
	[ "$status" -eq 1 ]
	result $? "exit status 1 after a failure"
	pathology crash fail "crashed: Segmentation fault"
	pathology flood fail "flooded its output: killed after 16 MiB.*"
	[ "$(wc -c <"$tmp/results")" -lt 200000 ]
	result $? "of a flood, only the beginning and the end are kept"
	pathology orphan pass ""
	no_processes orphan
	result $? "a test's orphans are killed, in whichever process group"
	pathology skip_without_reason fail "skipped without saying what is missing"
	pathology skip_with_reason skip "no such hardware"
	result "$status" "a skip is no failure"
	pathology fail_with_reason fail "CR4.SMEP: one counter is wrong; and another"
	pathology assertion_of_a_child fail "the child failed; a is 1, b is 2 [(]lib/child.c:7: a == b[)]"
	pathology fail_in_disguise fail "something is wrong"
	pathology fake_ktap fail "exit status 1"
	pathology hostile pass ""
	pathology utf8 pass ""
	grep -q '?? valid: ä cut: ??' "$tmp/results" && iconv -f UTF-8 -t UTF-8 "$tmp/results" >/dev/null
	result $? "output that is not UTF-8 is made so"
	pathology counters pass ""
	grep -q '"seed":"0x6b8b4567".*"counters":{"exits":7,"pf_taken":1}' "$tmp/results"
	result $? "counters of several VMs add up, and the seed is kept"
	pathology long pass ""
	grep -q 'line 0\\n.* bytes left out .*line 99999' "$tmp/results"
	result $? "a long output loses its middle, and says so"
	attempt "$tmp/rootrun" -k /dev/null -n -o "$tmp/results" "$tmp/skip_with_reason"
	judged "--no-skip turns a skip into a failure" main fail "skipped in a bed that lacks nothing: no such hardware"
	cat >"$tmp/not_applicable" <<-END
	#!/bin/sh
	echo "1..0 # SKIP - not applicable: no such hardware, ever"
	exit 4
	END
	chmod +x "$tmp/not_applicable"
	attempt "$tmp/rootrun" -k /dev/null -n -o "$tmp/results" "$tmp/not_applicable"
	judged "but not one that does not apply" main skip "not applicable: no such hardware, ever"
	result "$status" "which is no failure"
	sed -n 1p "$tmp/results" | grep -Eq '"levels":[45],'
	result $? "the run tells the levels of the host's page tables"
}

# cpu_ms: set $ms to the CPU time of this shell's children until now.  It does not print the time, as
# $(cpu_ms) would run in a subshell, with children of its own.
cpu_ms()
{
	times >"$tmp/times"
	ms=$(sed -n 2p "$tmp/times" | tr 'ms' '  ' | awk '{ printf "%d", (($1 + $3) * 60 + $2 + $4) * 1000 }')
}

# A process may close its output long before it ends, if it has VMs to destroy.
test_end_of_output()
{
	cpu_ms
	before=$ms
	pathology silent pass ""
	cpu_ms
	[ $((ms - before)) -lt 500 ]
	result $? "rootrun does not spin for the second that a silent test takes"
}

# Samples of KVM's counters while a test runs; here, the counters are files of the test.
test_samples()
{
	mkdir -p "$tmp/stats"
	ln -f "$tmp/pathology" "$tmp/samples"
	(cd "$tmp/stats" && ../rootrun -k /dev/null -s . -o "$tmp/results" "$tmp/samples") 2>/dev/null
	grep -q '"samples":{"counters":\["mmu_reset",.*,"exits"\],"rows":\[\[[0-9]*,.*\[[0-9]*,5,.*,50\]\]}' "$tmp/results"
	result $? "counters are recorded over time"
	samples=$(grep -o '"rows":\[.*\]\]}' "$tmp/results" | grep -o "\[[0-9]" | wc -l)
	[ "$samples" -ge 5 ] && [ "$samples" -le 12 ]
	result $? "once each time they have moved, not more often"
	ln -f "$tmp/pathology" "$tmp/good"
	(cd "$tmp/stats" && ../rootrun -k /dev/null -s . -o "$tmp/results" "$tmp/good") 2>/dev/null
	! grep -q '"samples"' "$tmp/results"
	result $? "and not at all if they do not move"
}

# A program whose library skips before the harness starts, except when the program lists its cases.
test_skipped_program()
{
	cat >"$tmp/early" <<-'END'
	#!/bin/sh
	[ "$1" != -l ] || {
		printf '# FIXTURE            VARIANT                   TEST\n'
		printf '%-20s %-25s %s\n' global '' skips global '' ends
		exit 4
	}
	echo "1..0 # SKIP - no KVM here"
	[ "$2" != global.ends ] || exit 0
	exit 4
	END
	chmod +x "$tmp/early"
	attempt "$tmp/rootrun" -k /dev/null -o "$tmp/results" "$tmp/early"
	judged "a program that skips before its harness begins" global.skips skip "no KVM here"
	judged "a program that only says so" global.ends fail "no such case, or no result line"
}

# A harness whose list of cases is longer than the part that rootrun keeps of an output.
test_many_cases()
{
	cat >"$tmp/many" <<-'END'
	#!/bin/sh
	[ "$1" = -l ] || exit 0
	awk 'BEGIN {
		printf "# FIXTURE            VARIANT                   TEST\n"
		for (i = 0; i < 10000; i++)
			printf "%-20s %-25s case_%d_of_many\n", "--------------------", "-------------------------", i
	}' | sed 's/^--------------------/f                   /; s/-------------------------/                         /'
	exit 4
	END
	chmod +x "$tmp/many"
	attempt "$tmp/rootrun" -k /dev/null -f 'many f.case_7??7_of_many' -o "$tmp/results" "$tmp/many"
	grep -q '"type":"end","planned":100,' "$tmp/results"
	result $? "10000 cases, of which a filter picks 100"
	attempt "$tmp/rootrun" -k /dev/null -f '@(many f.case_1_of_many|many f.case_9999_of_many)' -o "$tmp/results" "$tmp/many"
	grep -q '"type":"end","planned":2,' "$tmp/results"
	result $? "a filter of alternatives"
}

test_harness()
{
	attempt "$tmp/rootrun" -k /dev/null -o "$tmp/results" "$tmp/harness"
	judged "harness: a case that passes" global.passes pass ""
	judged "harness: a case that dies" global.dies fail "no reason given, see the log"
	judged "harness: a case that skips" global.skips skip "no such hardware"
	judged "harness: variant one of three" f.one.is_below_three pass ""
	judged "harness: variant three of three" f.three.is_below_three fail "no reason given, see the log"
	judged "harness: a case that hangs" f.one.hangs fail "hung: no progress, killed by the harness"
	grep -q '"type":"end","planned":9,"passed":5,"failed":3,"skipped":1,"known":0}' "$tmp/results"
	result $? "harness: each case of each variant is run once"
	attempt "$tmp/rootrun" -k /dev/null -f 'harness f.t*.is_below_three' -o "$tmp/results" "$tmp/harness"
	grep -q '"type":"end","planned":2,' "$tmp/results"
	result $? "--filter picks cases"
	attempt "$tmp/rootrun" -k /dev/null -w -f 'harness main' -o "$tmp/results" "$tmp/harness"
	judged "--whole: a test is one case" main fail "hung: no progress, killed by the harness"
}

# --cpus and --node: the test prints its own CPU affinity.
test_place()
{
	cat >"$tmp/placed" <<-END
	#!/bin/sh
	grep Cpus_allowed_list: /proc/self/status
	END
	chmod +x "$tmp/placed"
	last=$(sed 's/.*[,-]//' /sys/devices/system/cpu/online)
	attempt "$tmp/rootrun" -k /dev/null -w --cpus "$last" -o "$tmp/results" "$tmp/placed"
	grep -q "Cpus_allowed_list:\\\\t$last\\\\n" "$tmp/results"
	result $? "--cpus: tests run on these only"
	attempt "$tmp/rootrun" -k /dev/null -w --node 0 -o "$tmp/results" "$tmp/placed"
	result "$status" "--node"
}

test_usage()
{
	attempt "$tmp/rootrun" --help
	says "--help" 0 "^usage: rootrun"
	attempt "$tmp/rootrun"
	says "no test given" 2 "no test given: see rootrun --help"
	attempt "$tmp/rootrun" -t soon "$tmp/good"
	says "a timeout that is none" 2 "soon: a timeout is a number of seconds"
	attempt "$tmp/rootrun" -u hours "$tmp/good"
	says "a unit that is none" 2 "hours: the unit is cycles or instructions"
	for list in x 0,x 99999 file:/; do
		attempt "$tmp/rootrun" -c $list "$tmp/good"
		one_line "CPUs that are none: $list" 2 "$list: no list of CPUs that are online"
	done
	for node in x -1 999; do
		attempt "$tmp/rootrun" --node $node "$tmp/good"
		one_line "a node that is none: $node" 2 "$node: "
	done
	attempt "$tmp/rootrun" --levels 3 "$tmp/good"
	one_line "levels that no page tables have" 2 "3: page tables have 4 or 5 levels"
	grep -q -w la57 /proc/cpuinfo && other=4 || other=5
	attempt "$tmp/rootrun" --levels $other "$tmp/good"
	one_line "a kernel with other levels than wanted" 2 "wrong kernel: its page tables have [45] levels, not $other"
	attempt "$tmp/rootrun" -k /dev/null "$tmp/nowhere"
	says "a test that does not exist" 2 "nowhere: No such file"
	attempt "$tmp/rootrun" -k /dev/null -f 'nothing*' "$tmp/good"
	says "a filter that picks nothing" 2 "nothing\\*: nothing to run"
	attempt "$tmp/rootrun" -k /dev/null -o /dev/full "$tmp/good"
	says "a full disk" 2 "cannot write results: No space left"
	attempt "$tmp/rootrun" -k "$tmp/no-kmsg" -o "$tmp/results" "$tmp/good"
	judged "a kernel log that cannot be read" main fail "kernel log: the kernel log cannot be read: run as root"
}

test_kernel_log()
{
	ln -f "$tmp/pathology" "$tmp/good"
	if [ ! -w /dev/kmsg ]; then
		skip "a warning of the kernel fails a test" "/dev/kmsg is not writable"
		return
	fi
	cat >"$tmp/warns" <<-END
	#!/bin/sh
	[ \$# -gt 0 ] || echo "<4>WARNING: CPU: 0 PID: 1 at kvm-mmu-roots test, nothing to worry" >/dev/kmsg
	END
	chmod +x "$tmp/warns"
	attempt "$tmp/rootrun" -o "$tmp/results" "$tmp/warns"
	judged "a warning of the kernel fails a test" main fail "kernel log: WARNING: .*"
	attempt "$tmp/rootrun" -o "$tmp/results" "$tmp/warns" "$tmp/good"
	grep -q '"planned":2,"passed":1,"failed":1' "$tmp/results"
	result $? "but not the next one"

	while read -r headline; do
		cat >"$tmp/warns" <<-SCRIPT
		#!/bin/sh
		[ \$# -gt 0 ] || echo "<4>$headline (a test of rootrun)" >/dev/kmsg
		SCRIPT
		attempt "$tmp/rootrun" -o "$tmp/results" "$tmp/warns"
		judged "lockdep: $headline" main fail "kernel log: .*"
	done <<-END
	WARNING: possible recursive locking detected
	WARNING: possible circular locking dependency detected
	WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected
	WARNING: possible irq lock inversion dependency detected
	WARNING: inconsistent lock state
	WARNING: suspicious RCU usage
	WARNING: bad unlock balance detected!
	WARNING: held lock freed!
	WARNING: lock held when returning to user space!
	BUG: sleeping function called from invalid context at kernel/nowhere.c:1
	[ BUG: Invalid wait context ]
	turning off the locking correctness validator.
	END
}

test_signals()
{
	"$tmp/rootrun" -k /dev/null -o "$tmp/results" "$tmp/hang" 2>/dev/null &
	pid=$!
	eventually 5 pgrep -f "^$tmp/hang" >/dev/null
	kill -TERM $pid
	wait $pid
	[ $? -eq 143 ] && no_processes hang
	result $? "SIGTERM ends rootrun and its test"

	"$tmp/rootrun" -k /dev/null -o "$tmp/results" "$tmp/hang" 2>/dev/null &
	pid=$!
	eventually 5 pgrep -f "^$tmp/hang" >/dev/null
	kill -KILL $pid
	wait $pid 2>/dev/null
	eventually 3 no_processes hang
	result $? "SIGKILL of rootrun ends its test, too"
}

# With every pathology, rootrun must not leak memory or access it wrongly.
test_sanitizers()
{
	make -s -C runner O="$tmp/sanitized" LINK='' \
		CFLAGS='-g -fsanitize=address,undefined -fno-sanitize-recover=all' >"$tmp/make" 2>&1 ||
		bail_out "rootrun does not build with sanitizers"
	for name in good crash flood orphan skip_with_reason fail_with_reason counters hostile utf8 long; do
		ln -f "$tmp/pathology" "$tmp/$name"
	done
	attempt "$tmp/sanitized/rootrun" -t $timeout_s -o "$tmp/results" "$tmp/good" "$tmp/crash" \
		"$tmp/flood" "$tmp/orphan" "$tmp/skip_with_reason" "$tmp/fail_with_reason" \
		"$tmp/counters" "$tmp/hostile" "$tmp/utf8" "$tmp/long" "$tmp/harness"
	says "no leak, nor anything else that ASan and UBSan see" 1 '^\[19/19\] '
	! grep -e Sanitizer -e 'runtime error' "$tmp/err"
	result $? "and no report of them"
}

# known LINE: run a case that fails, with this line in the list of known bugs
known()
{
	ln -f "$tmp/pathology" "$tmp/fail_with_reason"
	printf '# a comment\n\n%b\n' "$1" >"$tmp/known"
	attempt "$tmp/rootrun" -k /dev/null -K "$tmp/known" -o "$tmp/results" "$tmp/fail_with_reason"
}

test_known_bugs()
{
	known 'a1b2c3d4e5f6 (mend it)\t*\tfail_with_* ma?n\t^CR4\.SMEP: one counter'
	judged "a known bug" main known 'until a1b2c3d4e5f6 \(mend it\): CR4\.SMEP: one counter is wrong; and another'
	[ "$status" -eq 0 ] && grep -q '"failed":0,"skipped":0,"known":1' "$tmp/results"
	result $? "a known bug is no failure, and counted"
	known 'a1b2c3d4e5f6\t*\tfail_with_* main\tCR4\.SMAP'
	judged "a known bug that fails for another reason" main fail "CR4.SMEP: one counter is wrong; and another"
	[ "$status" -eq 1 ]
	result $? "is a failure"
	known 'a1b2c3d4e5f6\t*\tanother_test main\tCR4'
	judged "a bug that another case sees" main fail "CR4.SMEP: one counter is wrong; and another"
	known 'a1b2c3d4e5f6\tnpt=0\tfail_with_* main\tCR4'
	judged "a bug that shows with another MMU" main fail "CR4.SMEP: one counter is wrong; and another"
	ln -f "$tmp/pathology" "$tmp/good"
	printf 'a1b2c3d4e5f6\t*\tgood main\tCR4\n' >"$tmp/known"
	attempt "$tmp/rootrun" -k /dev/null -K "$tmp/known" -o "$tmp/results" "$tmp/good"
	judged "a known bug that nobody sees" main fail "passes, but this kernel is known to have what a1b2c3d4e5f6 fixed"
	known 'a1b2c3d4e5f6 main'
	one_line "a line that lacks something" 2 'a line is not FIX, MMU, TEST CASE and REASON, with a tab in between'
	known 'a1b2c3d4e5f6\t*\tx y\t('
	one_line "a reason that is no expression" 2 'a reason is no extended regular expression'
	rm "$tmp/known"
	attempt "$tmp/rootrun" -k /dev/null -K "$tmp/known" -o "$tmp/results" "$tmp/good"
	one_line "no such file" 2 'known: No such file or directory'
}

# docs/results.md must describe all keys of a results file.
test_documentation()
{
	ln -f "$tmp/pathology" "$tmp/counters"
	"$tmp/rootrun" -k /dev/null -s "$tmp/stats" -o "$tmp/results" "$tmp/counters" "$tmp/warns" 2>/dev/null
	{ grep -o '"[a-z_]*":' "$tmp/results" | tr -d '":' | sort -u
	  # This run has no samples, as no counter moves.  The keys of data and counters are those of the tests.
	  echo samples; } | grep -vx -e exits -e pf_taken -e path >"$tmp/keys"
	missing=$(while read -r key; do grep -q "\`$key\`" docs/results.md || echo "$key"; done <"$tmp/keys")
	[ -s "$tmp/keys" ] && [ -z "$missing" ]
	result $? "each key is in docs/results.md"
	[ -z "$missing" ] || echo "# not there:" $missing
}

test_full_disk()
{
	attempt "$tmp/rootrun" -k /dev/null -o "$tmp/nowhere/results" "$tmp/good"
	one_line "a folder that does not exist" 2 'nowhere/results: No such file or directory'
	if ! small_disk; then
		skip "a full disk, in the middle of a run" "cannot mount a small file system: not root"
		return
	fi
	ln -f "$tmp/pathology" "$tmp/long"
	ln -f "$tmp/pathology" "$tmp/good"
	# The second long output does not fit.
	attempt "$tmp/rootrun" -k /dev/null -o "$tmp/small/results" "$tmp/good" "$tmp/long" "$tmp/long"
	says "a full disk, in the middle of a run" 2 'cannot write results: No space left'
	make -s -C report O="$tmp" >/dev/null 2>&1
	attempt "$tmp/rootreport" "$tmp/small/results"
	says "what was written before is told" 1 '^FAIL .*results: ended early: cut in the middle of line'
	mount -o remount,ro "$tmp/small"
	attempt "$tmp/rootrun" -k /dev/null -o "$tmp/small/other" "$tmp/good"
	one_line "a folder that is read-only" 2 'other: Read-only file system'
}

base=$(scripts/kernel.sh) || bail_out "no kernel source"
{ make -s -C runner O="$tmp" CFLAGS='-O2 -Werror' &&
  cc -Wall -o "$tmp/pathology" tests/bad/pathology.c &&
  cc -Wall -D_GNU_SOURCE -I"$base/linux/tools/testing/selftests" -o "$tmp/harness" tests/bad/harness.c; } >"$tmp/make" 2>&1 || {
	sed 's/^/# /' "$tmp/make"
	bail_out "rootrun does not build"
}

test_pathologies
test_end_of_output
test_samples
test_harness
test_skipped_program
test_many_cases
test_place
test_usage
test_kernel_log
test_signals
test_sanitizers
test_known_bugs
test_documentation
test_full_disk
plan_done
