#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the verdict of rootreport on recorded results files, one per pathology.

data=tests/data/report
. tests/tap.sh

# report ARGUMENT...: run rootreport, and set $status to its exit status
report()
{
	(cd $data && "$tmp/rootreport" "$@") >"$tmp/out" 2>"$tmp/err"
	status=$?
}

explain()
{
	echo "# exit status $status, output:"
	sed 's/^/#   /' "$tmp/out" "$tmp/err"
}

# verdict NAME STATUS LINE ARGUMENT...: test that the exit status and one line of
# the report match exactly, and that rootreport prints no error
verdict()
{
	name=$1
	want=$2
	line=$3
	shift 3

	report "$@"
	[ $status -eq "$want" ] && [ ! -s "$tmp/err" ] &&
		grep -Fqxe "$line" "$tmp/out"
	ret=$?
	result $ret "$name"
	[ $ret -eq 0 ] || explain
}

# unusable NAME LINE ARGUMENT...: test for exit status 2, one line on stderr, and no report
unusable()
{
	name=$1
	line=$2
	shift 2

	report "$@"
	[ $status -eq 2 ] && [ ! -s "$tmp/out" ] &&
		[ "$(cat "$tmp/err")" = "rootreport: $line" ]
	ret=$?
	result $ret "$name"
	[ $ret -eq 0 ] || explain
}

# same NAME STATUS EXPECTED ARGUMENT...: test that the whole report matches a file exactly
same()
{
	name=$1
	want=$2
	expected=$3
	shift 3

	report "$@"
	diff -u "$data/$expected" "$tmp/out" >"$tmp/diff" &&
		[ $status -eq "$want" ] && [ ! -s "$tmp/err" ]
	ret=$?
	result $ret "$name"
	[ $ret -eq 0 ] || { explain; sed 's/^/#   /' "$tmp/diff"; }
}

absent()
{
	! grep -Fqe "$2" "$tmp/out"
	ret=$?
	result $ret "$1"
	[ $ret -eq 0 ] || explain
}

test_good()
{
	same "all good, the whole table" 0 good.table --full good.jsonl
	same "a table of all verdicts, lanes merged" 1 lanes.table \
		--full --title "Roots of two lanes" good.jsonl lane-npt0.jsonl \
		failed.jsonl
	same "TAP of all verdicts" 1 lanes.tap --tap --title "Two lanes" \
		good.jsonl lane-npt0.jsonl cut.jsonl tap-names.jsonl
	verdict "two lanes with one MMU add up in one row" 0 \
		"TDP/5  CR4.SMEP        1500    1500        1500      1    1499       8000  4000 CR4.PGE   2.00  ok" \
		--full good.jsonl again.jsonl
	verdict "the lowest cost is shown, whichever lane comes first" 0 \
		"TDP/5  CR4.SMEP        1500    1500        1500      1    1499       8000  4000 CR4.PGE   2.00  ok" \
		--full again.jsonl good.jsonl
	verdict "a skip in one lane marks the row of both" 0 \
		"TDP/5  EFER.NX         1000    2000        2000     12    1988          -  -                 -  SKIP" \
		--full good.jsonl again.jsonl
	verdict "a file that does not tell its MMU" 0 \
		"-    CR4.SMEP  1000    1000        1000      0    1000          -  -            -  ok" \
		--full skipped.jsonl
	verdict "costs in different units do not mix" 0 \
		"TDP/5  EFER.NX         1000    2000        2000     12    1988  6000 instructions  4400 CR4.PGE   1.36  ok" \
		--full good.jsonl other-unit.jsonl
	verdict "a cost left out for its unit is told" 0 \
		"NOTE TDP/5 CR4.SMEP: the cost in instructions measured by qemu-svm/icount is not in the table" \
		--full good.jsonl other-unit.jsonl
	sed 's/"bed":"qemu-svm"/"bed":"bochs-vmx"/' $data/again.jsonl >"$tmp/other-bed.jsonl"
	verdict "an MMU of one bed is not that of another" 0 \
		"qemu-svm TDP/5   CR4.SMEP        1000    1000        1000      0    1000       9298  7849 CR4.PGE   1.18  ok" \
		--full good.jsonl "$tmp/other-bed.jsonl"
	verdict "the MMUs of both beds are in the table" 0 \
		"bochs-vmx TDP/5  CR4.SMEP         500     500         500      1     499       8000  4000 CR4.PGE   2.00  ok" \
		--full good.jsonl "$tmp/other-bed.jsonl"
	verdict "no row" 0 "1 cases: 1 passed, 0 failed, 0 skipped" \
		no-rows.jsonl
	absent "no row, no table" "verdict"
}

# many_paths [FAILURES]: a run with a path of the guest and 30 paths of userspace; the last of these
# does not apply, and the first ones fail
many_paths()
{
	awk -v fail="${1:-0}" 'BEGIN {
		print "{\"type\":\"run\",\"schema\":1,\"bed\":\"b\",\"lane\":\"l\",\"kernel\":\"k\",\"tsc_unit\":\"cycles\",\"mmu\":\"TDP\"}"
		printf "{\"type\":\"plan\",\"test\":\"mmu_root_reuse_test\",\"cases\":[\"path.null_exit\"]}\n"
		printf "{\"type\":\"plan\",\"test\":\"mmu_root_host_test\",\"cases\":["
		for (i = 0; i < 30; i++)
			printf "%s\"c%d\"", i ? "," : "", i
		print "]}"
		print "{\"type\":\"case\",\"test\":\"mmu_root_reuse_test\",\"case\":\"path.null_exit\",\"status\":\"pass\",\"data\":[{\"path\":\"null-exit\",\"kind\":\"counts\",\"ops\":8,\"resets\":4,\"loads\":1,\"alloc\":0,\"reuse\":1}]}"
		for (i = 0; i < 30; i++)
			printf "{\"type\":\"case\",\"test\":\"mmu_root_host_test\",\"case\":\"c%d\",\"status\":\"%s\",\"reason\":\"%s\",\"data\":[{\"path\":\"p%d\",\"kind\":\"counts\",\"ops\":1}]}\n", i, i < fail ? "fail" : i == 29 ? "skip" : "pass", i < fail ? "a; b; c; d; e" : i == 29 ? "not applicable: x" : "", i
		printf "{\"type\":\"end\",\"planned\":31,\"passed\":%d,\"failed\":%d,\"skipped\":1}\n", 30 - fail, fail
	}' >"$tmp/paths.jsonl"
}

# lines NAME NUMBER PATTERN: test how many lines of the last report match
lines()
{
	found=$(grep -ce "$3" "$tmp/out")
	[ "$found" -eq "$2" ]
	ret=$?
	result $ret "$1"
	[ $ret -eq 0 ] || explain
}

# The summary: a person only reads the first lines, so it is short, and failures come first.
test_summary()
{
	same "a green summary: a line a configuration, a row a path, a column an MMU" 0 pivot.table \
		expected-bench.jsonl expected-shadow.jsonl expected.jsonl
	same "a red one: what failed, what to type, and no table in the way" 1 red.table \
		expected-bench.jsonl expected-shadow.jsonl unexpected.jsonl
	verdict "the TDP MMU is the first column, whichever file comes first" 0 \
		"path        TDP/5    npt=0" expected-shadow.jsonl expected.jsonl
	many_paths
	verdict "of many paths, the guest's own are shown, for one operation" 0 \
		"null-exit  0.5/0.12/0/0.12" "$tmp/paths.jsonl"
	absent "and no others" "p1 "
	lines "which are summed up" 1 '^and 30 more paths: 29 ok, 1 not applicable; all rows: make report FULL=1$'
	absent "cases that do not apply are a number" "not applicable: x"
	verdict "all rows on request, with reasons" 0 \
		"n/a TDP: not applicable: x (1 case)" --full "$tmp/paths.jsonl"
	lines "all of them" 31 '^TDP  '
	many_paths 12
	report "$tmp/paths.jsonl"
	lines "12 failures: the first 10" 10 '^FAIL mmu_root_host_test c[0-9]: a; b; c; and 2 more$'
	lines "and how many more" 1 '^and 2 more: the page has them, and make report FULL=1$'
	[ "$(sed -n 1p "$tmp/out" | cut -c1-4)" = FAIL ]
	result $? "before all else"
	report --full "$tmp/paths.jsonl"
	lines "all on request, with all of their reasons" 12 '^FAIL mmu_root_host_test c[0-9]*: a; b; c; d; e$'
	sed '$d' $data/lost.jsonl >"$tmp/died.jsonl"
	verdict "of a bed that died, lost cases are a number" 1 "    1 planned case has no result" "$tmp/died.jsonl"
	absent "and no lines" "no result: the test"
	sed 's/"bed":"qemu-svm"/"bed":"bochs-vmx"/' $data/expected-shadow.jsonl >"$tmp/other-bed.jsonl"
	verdict "the bed is told where there are two" 0 \
		"shadow         bochs-vmx npt=0      4       3       0    1      1.0" expected.jsonl "$tmp/other-bed.jsonl"
	lines "which have tables of their own" 1 '^bochs-vmx: resets/loads/built/reused per operation'
}

test_failed()
{
	verdict "failed" 1 \
		"FAIL mmu_root_reuse_test path.efer_nx.exact_counts: alloc is 1000, expected 0" \
		failed.jsonl
	verdict "failed, its kernel log" 1 \
		"    BUG: kernel NULL pointer dereference, address: 0000000000000018" \
		failed.jsonl
	verdict "failed, ten lines of kernel log" 1 "    Call Trace line 10" \
		--full failed.jsonl
	absent "failed, no eleventh line of kernel log" "Call Trace line 11"
	verdict "skipped" 0 \
		"SKIP mmu_root_reuse_test path.efer_nx.exact_counts: the CPU has no NX" \
		skipped.jsonl
	verdict "a known bug" 0 \
		'KNOWN mmu_root_reuse_test path.efer_nx.exact_counts: until a1b2c3d4e5f6 ("mend it"): mmu_reset: grew by 1' \
		--full known.jsonl
	verdict "a known bug, summary" 0 \
		"2 cases: 1 passed, 0 failed, 0 skipped, 1 known" known.jsonl
	verdict "a known bug: TAP" 0 \
		'ok 2 - suite mmu_root_reuse_test path.efer_nx.exact_counts # SKIP known bug: until a1b2c3d4e5f6 ("mend it"): mmu_reset: grew by 1' \
		--tap known.jsonl
	verdict "skipped, summary" 0 \
		"2 cases: 1 passed, 0 failed, 1 skipped" skipped.jsonl
	verdict "not applicable, in a row of its own" 0 \
		"npt=0  EFER.NX     -       -           -      -       -          -  -            -  n/a" \
		--full inapplicable.jsonl
	verdict "not applicable, in a row that has something to show" 0 \
		"npt=0  CR4.SMEP  500     500         500      1     499          -  -            -  ok" \
		--full inapplicable.jsonl
	verdict "not applicable, a line a reason" 0 \
		"n/a npt=0: not applicable: shadow paging has a root a page table (2 cases)" \
		--full inapplicable.jsonl
	verdict "not applicable, summary" 0 \
		"4 cases: 1 passed, 0 failed, 0 skipped, 3 not applicable" \
		inapplicable.jsonl
	verdict "not applicable, TAP" 0 \
		"ok 4 - shadow mmu_root_reuse_test law # SKIP not applicable: shadow paging has a root a page table" \
		--tap inapplicable.jsonl
	verdict "invalid status" 1 \
		"FAIL mmu_root_reuse_test path.cr4_smep.exact_counts: invalid status \"crashed\"" \
		status.jsonl
	verdict "a test says a string for a number" 1 \
		"FAIL mmu_root_reuse_test path.cr4_smep.exact_counts: bad data: Expected integer, got string" \
		wrong-type.jsonl
	verdict "control characters in a reason" 1 \
		"FAIL mmu_root_reuse_test path.cr4_smep.exact_counts: ?[2Jboom?1m µs??ok 2 - fake?" \
		control-chars.jsonl
	verdict "control characters in a path" 1 \
		"-    CR4?.SMEP    -       -           -      -       -          -  -            -  FAIL" \
		--full control-chars.jsonl
	verdict "control characters in a kernel log" 1 "    a?b" \
		control-chars.jsonl
	verdict "control characters in TAP" 1 \
		"# ?[2Jboom?1m µs??ok 2 - fake?" --tap control-chars.jsonl
	verdict "a name that looks like a TAP directive" 1 \
		"not ok 1 - suite mmu_root_reuse_test sharp \\# TODO" \
		--tap tap-names.jsonl
}

test_lost()
{
	verdict "lost case" 1 \
		"FAIL mmu_root_reuse_test path.efer_nx.exact_counts: no result: the test, the runner or the bed died before it" \
		lost.jsonl
	verdict "lost case, summary" 1 \
		"2 cases: 1 passed, 1 failed, 0 skipped" lost.jsonl
	verdict "cut in the middle" 1 \
		"FAIL cut.jsonl: ended early: cut in the middle of line 4, the bed died or was killed; see the console log" \
		cut.jsonl
	verdict "no end line" 1 \
		"FAIL no-end.jsonl: ended early: no end line after line 3, the bed died or was killed; see the console log" \
		no-end.jsonl
	verdict "no end line, TAP" 1 "not ok 2 - suite: run finished" \
		--tap no-end.jsonl
	verdict "no plan in one of two files" 1 \
		"FAIL run-only.jsonl: ended early: no end line after line 1, the bed died or was killed; see the console log" \
		good.jsonl run-only.jsonl
	verdict "duplicate result" 1 \
		"FAIL mmu_root_reuse_test path.cr4_smep.exact_counts: more than one result" \
		duplicate.jsonl
	verdict "duplicate result, counted once" 1 \
		"-    CR4.SMEP  1000    1000        1000      0    1000          -  -            -  FAIL" \
		--full duplicate.jsonl
	verdict "unplanned result" 1 \
		"FAIL mmu_root_reuse_test path.efer_nx.exact_counts: not planned, yet it has a result" \
		unplanned.jsonl
	verdict "planned twice" 1 \
		"FAIL mmu_root_reuse_test path.cr4_smep.exact_counts: planned more than once" \
		planned-twice.jsonl
	verdict "end disagrees" 1 \
		"FAIL end-disagrees.jsonl: the end line says 2 planned, 2 passed, 0 failed, 0 skipped, 0 known bugs; the lines before it say 1 planned, 1 passed, 0 failed, 0 skipped, 0 known bugs" \
		end-disagrees.jsonl
}

test_unusable()
{
	unusable "no such file" \
		"nowhere.jsonl: cannot read: No such file or directory; give the results files of a run" \
		nowhere.jsonl
	mkdir "$tmp/nothing"
	unusable "a folder without results" \
		"$tmp/nothing: no results in this folder: give one that has *.jsonl" \
		"$tmp/nothing"
	unusable "not a results file" \
		"console.txt:1: not a results file: the first line is no run line; give the files that a run of kvm-mmu-roots left" \
		console.txt
	unusable "one good file does not excuse a bad one" \
		"console.txt:1: not a results file: the first line is no run line; give the files that a run of kvm-mmu-roots left" \
		good.jsonl console.txt
	unusable "empty file" \
		"empty.jsonl:1: empty, not a results file: the run never started; see the console log" \
		empty.jsonl
	unusable "malformed line in the middle" \
		"malformed.jsonl:3: malformed line: unexpected newline near '\"'; the file was damaged, run the lane again" \
		malformed.jsonl
	unusable "a plan without a list of cases" \
		"no-cases.jsonl:2: malformed line: Object item not found: cases; the file was damaged, run the lane again" \
		no-cases.jsonl
	unusable "wrong schema" \
		"schema.jsonl:1: the schema of this file is not 1, the only one known here; use the rootreport that came with the tests that wrote it" \
		schema.jsonl
	unusable "zero cases" \
		"zero.jsonl:3: zero cases planned; check which tests the lane selects and that they were built" \
		zero.jsonl
	unusable "zero cases in one of two files" \
		"zero.jsonl:3: zero cases planned; check which tests the lane selects and that they were built" \
		good.jsonl zero.jsonl
	unusable "no plan in any file" \
		"run-only.jsonl:1: zero cases planned, the run ended before that; see the console log" \
		run-only.jsonl
	unusable "a run appended to a complete one" \
		"appended.jsonl:5: a line after the end line; give each run a file of its own" \
		appended.jsonl
	unusable "a run appended to an unfinished one" \
		"second-run.jsonl:4: a second run line; give each run a file of its own" \
		second-run.jsonl
}

test_usage()
{
	verdict "--help" 0 \
		"usage: rootreport [OPTION]... RESULTS..." --help

	report
	[ $status -eq 2 ] && [ ! -s "$tmp/out" ] &&
		grep -Fqx "rootreport: no results file given" "$tmp/err"
	result $? "no file named"

	report --bogus good.jsonl
	[ $status -eq 2 ] && [ ! -s "$tmp/out" ] &&
		grep -q "unrecognized option '--bogus'" "$tmp/err"
	result $? "unknown option"

	if [ -c /dev/full ]; then
		"$tmp/rootreport" $data/good.jsonl >/dev/full 2>"$tmp/err"
		[ $? -eq 2 ] && grep -q "cannot write" "$tmp/err"
		result $? "a report that could not be written"
	else
		skip "a report that could not be written" "no /dev/full"
	fi
}

test_colour()
{
	if ! script -qec true /dev/null </dev/null >/dev/null 2>&1; then
		skip "colour on a terminal" "no script(1)"
		skip "NO_COLOR" "no script(1)"
		return
	fi
	cmd="'$tmp/rootreport' $data/failed.jsonl"
	red=$(printf '\033[31mFAIL\033[0m mmu_root_reuse_test')

	env -u NO_COLOR script -qec "$cmd" /dev/null </dev/null |
		grep -Fq "$red"
	result $? "colour on a terminal"
	NO_COLOR=1 script -qec "$cmd" /dev/null </dev/null >"$tmp/out"
	status=$?
	absent "NO_COLOR" "$(printf '\033')"
}

# memcheck ARGUMENT...: valgrind writes to a log, and has an exit status that rootreport does not have.
memcheck()
{
	valgrind -q --leak-check=full --show-leak-kinds=all \
		--errors-for-leak-kinds=all --error-exitcode=99 \
		--log-file="$tmp/valgrind.%p" \
		"$tmp/rootreport" "$@" >/dev/null 2>&1
	[ $? -le 2 ]
}

test_valgrind()
{
	if ! command -v valgrind >/dev/null; then
		skip "valgrind" "no valgrind"
		return
	fi
	set --
	ret=0
	for file in "$data"/*.jsonl; do
		"$tmp/rootreport" "$file" >/dev/null 2>&1
		[ $? -eq 2 ] || set -- "$@" "$file"
	done
	# An unusable file ends rootreport before the report, so check once with and
	# once without such files.
	memcheck "$data"/* "$data" "$data/nowhere.jsonl" || ret=1
	memcheck --title all "$@" || ret=1
	memcheck --tap --title all "$@" || ret=1
	memcheck --full --title all "$@" || ret=1
	memcheck --junit "$tmp/memcheck.xml" --html "$tmp/memcheck.html" --docs docs \
		--before "$data/good.jsonl" "$@" || ret=1
	memcheck --html "$tmp/memcheck.html" --before "$data/console.txt" "$data/good.jsonl" || ret=1
	memcheck --profile "$@" || ret=1
	memcheck --compare 1.01 "$data/good.jsonl" "$data/failed.jsonl" || ret=1
	result $ret "valgrind"
	[ $ret -eq 0 ] || cat "$tmp"/valgrind.* | sed 's/^/#   /'
}

make -s -C report O="$tmp" >"$tmp/make" 2>&1 || {
	sed 's/^/# /' "$tmp/make"
	bail_out "rootreport does not build"
}

test_good
test_summary
test_failed
test_lost
test_unusable
test_usage
test_colour
test_valgrind
plan_done
