#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the other outputs of rootreport: JUnit XML, the page, comparisons, profiles, and commands
# that run failed cases again.  Hostile results or a full disk must not crash it.

data=tests/data/report
. tests/tap.sh

make -s -C report O="$tmp" >"$tmp/make" 2>&1 || {
	sed 's/^/# /' "$tmp/make"
	bail_out "rootreport does not build"
}
rootreport=$tmp/rootreport

# $all: the results files that rootreport can use (exit status other than 2).
set --
for file in "$data"/*.jsonl; do
	"$rootreport" "$file" >/dev/null 2>&1
	[ $? -eq 2 ] || set -- "$@" "$file"
done
all=$*

# valid NAME FILE: test that the file is JUnit XML that CI servers can read
valid()
{
	xmllint --noout --schema tests/junit.xsd "$2" 2>"$tmp/xmllint"
	ret=$?
	result $ret "$1"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/xmllint"
}

# count NAME NUMBER PATTERN FILE: test how often the pattern matches in the file
count()
{
	found=$(grep -oe "$3" "$4" | wc -l)
	[ "$found" -eq "$2" ]
	result $? "$1"
	[ "$found" -eq "$2" ] || echo "# $found times, expected $2: $3"
}

test_junit()
{
	attempt "$rootreport" --junit "$tmp/junit.xml" $all
	valid "JUnit XML is valid, whatever the results" "$tmp/junit.xml"
	attempt "$rootreport" --junit "$tmp/junit.xml" $data/failed.jsonl $data/skipped.jsonl $data/cut.jsonl
	count "JUnit: a suite a lane" 3 '<testsuite ' "$tmp/junit.xml"
	count "JUnit: a case each, and one for the end of each lane" 9 '<testcase ' "$tmp/junit.xml"
	count "JUnit: failures" 2 '<failure message="' "$tmp/junit.xml"
	count "JUnit: with the kernel log" 1 '>BUG: kernel NULL pointer dereference' "$tmp/junit.xml"
	count "JUnit: skips" 1 '<skipped message="the CPU has no NX"' "$tmp/junit.xml"
	count "JUnit: a lane without its end" 1 '<error message="ended early' "$tmp/junit.xml"
	count "JUnit: the sums" 1 'tests="3" failures="1" errors="1" skipped="0"' "$tmp/junit.xml"
	sed -i 's/ failures="[0-9]*"//' "$tmp/junit.xml"
	! xmllint --noout --schema tests/junit.xsd "$tmp/junit.xml" 2>/dev/null
	result $? "JUnit: the schema refuses what is not valid"
}

browse()
{
	timeout 180 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$tmp/chromium" \
		--enable-logging=stderr --hide-scrollbars --window-size=1300,2500 "$@" 2>"$tmp/browser"
}

# screenshot FILE ADDRESS [OPTION]: write a picture of the page
screenshot()
{
	browse --screenshot="$1" ${3:+"$3"} "$2" >/dev/null && [ -s "$1" ]
}

# measured FILE WIDTH SCRIPT: print what a script returns in a copy of the page, in a window of this
# width; the page itself has no scripts
measured()
{
	{ cat "$1"; echo "<script>document.title = 'measured ' + (() => { $3 })()</script>"; } >"$tmp/measured.html"
	browse --window-size="$2,900" --dump-dom "file://$tmp/measured.html" >"$tmp/dom"
	sed -n 's/.*<title>measured \([^<]*\)<.*/\1/p' "$tmp/dom"
}

# same NAME EXPECTED FOUND: test that two values are equal
same()
{
	[ "$2" = "$3" ]
	result $? "$1"
	[ "$2" = "$3" ] || echo "# found '$3', expected '$2'"
}

# distinct_paths FILE...: count the pairs of bed and path in the results
distinct_paths()
{
	for file in "$@"; do
		jq -Rrn '[inputs | fromjson? | objects] | (.[0].bed // "") as $bed | .[] |
			select(.type == "case") | .data[]? | objects | .path | strings |
			[$bed, .] | @json' "$file"
	done | LC_ALL=C sort -u | wc -l
}

test_page()
{
	attempt "$rootreport" --html "$tmp/page.html" $all
	points=$("$rootreport" --tap $all | sed -n "2s/^1..//p")
	browse --dump-dom "file://$tmp/page.html" >"$tmp/dom"
	[ -s "$tmp/dom" ] && ! grep -e CONSOLE -e 'Uncaught' "$tmp/browser" >"$tmp/errors"
	result $? "page: a browser has nothing to complain about"
	count "page: no script, whatever the results say" 0 '<script\|<img\|javascript:[^a]' "$tmp/dom"
	count "page: nothing from elsewhere" 0 '<[a-z][^>]* src=\|url(\|@import\|<iframe' "$tmp/dom"
	rows=$(distinct_paths $all)
	count "page: a row a path ($rows)" "$rows" '<tr class="path">' "$tmp/dom"
	lanes=$(echo $all | wc -w)
	cases=$((points - lanes))
	failed=$("$rootreport" --tap $all | grep -c '^not ok [0-9]* - .* ')
	ended=$("$rootreport" --tap $all | grep -c '^not ok .*: run finished')
	count "page: each failure" $((failed - ended)) ' class="failure"' "$tmp/dom"
	# Count the cells of all case tables that are not empty.
	sed -n '/<tr class="case"/p' "$tmp/dom" | grep -o '<td class="[A-Za-z]*">' | wc -l >"$tmp/cells"
	[ "$(cat "$tmp/cells")" -eq "$cases" ]
	result $? "page: each case of each lane has its verdict ($cases)"
	grep -o 'href="#[^"]*"' "$tmp/dom" | sed 's/href="#\(.*\)"/\1/' | sort -u >"$tmp/links"
	while read -r link; do
		grep -Fq "id=\"$link\"" "$tmp/dom" || echo "$link"
	done <"$tmp/links" >"$tmp/dead"
	[ "$(wc -l <"$tmp/links")" -gt 20 ] && [ ! -s "$tmp/dead" ]
	result $? "page: each link to a part of it finds one"
	same "page: does not scroll sideways on a telephone" 0 \
		"$(measured "$tmp/page.html" 390 "const e = document.documentElement; return e.scrollWidth - e.clientWidth")"
	same "page: heads of tables stay in view, their lines too" "0 true" \
		"$(measured "$tmp/page.html" 390 "
			const table = document.querySelector('.paths'), box = table.parentElement;
			box.style.maxHeight = '200px'; box.scrollTop = 150; box.scrollLeft = 90;
			const top = box.getBoundingClientRect();
			const first = table.querySelector('tr.path > th').getBoundingClientRect();
			return Math.round(table.tHead.getBoundingClientRect().top - top.top - 1) + ' ' +
				(box.scrollTop == 150 && box.scrollLeft == 90 && Math.round(first.left - top.left - 1) == 0)")"
}

# The pivot tables of the page: MMUs side by side, and expected counts beside measured ones.
test_pivot()
{
	set -- $data/expected-bench.jsonl $data/expected-shadow.jsonl
	attempt "$rootreport" --html "$tmp/page.html" --docs ../docs "$@" $data/expected.jsonl
	count "pivot: a column an MMU" 2 '<th class="begin mmu" colspan="7">' "$tmp/page.html"
	count "pivot: a row for both" 1 '<summary>CR4.SMEP</summary>' "$tmp/page.html"
	count "pivot: what was expected" 10 '>1<i>=1</i>' "$tmp/page.html"
	count "pivot: flushes" 2 '>0.5<i>=0.5</i>' "$tmp/page.html"
	count "pivot: what differs between MMUs is marked" 2 'class="n other"' "$tmp/page.html"
	count "pivot: an MMU without the path" 1 'colspan="7" class="begin na">n/a<' "$tmp/page.html"
	count "pivot: where it is derived, of each path and of all of them" 5 'href="../docs/counters.md#by-the-guest-in-64-bit-mode"' "$tmp/page.html"
	count "pivot: its cases" 1 'href="#case-[0-9]*">mmu_root_reuse_test path.cr4_smep.exact_counts<' "$tmp/page.html"
	count "what does not apply is not skipped" 0 'id="skip' "$tmp/page.html"
	count "but has a table of its own" 1 '<tr class="na-reason"><td class="long">KVM has CR4.PKE' "$tmp/page.html"
	attempt "$rootreport" --html "$tmp/page.html" "$@" $data/unexpected.jsonl
	count "pivot: what was not expected" 1 'FAIL">1<i>≠0</i>' "$tmp/page.html"
	count "failure: a row a counter" 2 '<tr class="growth"><td>CR4.SMEP</td>' "$tmp/page.html"
	attempt "$rootreport" --html "$tmp/page.html" $data/expected.jsonl $data/skipped.jsonl $data/inapplicable.jsonl
	count "what was skipped does apply" 1 '<tr class="skip">' "$tmp/page.html"
	sed 's/,{"kind":"expected","path":"SMI+RSM"[^}]*}//' $data/expected.jsonl >"$tmp/half.jsonl"
	attempt "$rootreport" --html "$tmp/page.html" "$tmp/half.jsonl"
	count "pivot: without an expectation, a number is alone" 1 '>6</td>' "$tmp/page.html"
}

# Each test that names a path: its paths are in a section that links to where they are derived.
test_derivations()
{
	tests=$(cd tools/testing/selftests/kvm && grep -l 'path=' x86_64/mmu_root_*_test.c | sed 's|.*/||; s/\.c$//')
	nr_tests=$(echo "$tests" | wc -l)
	{
		head -n 1 $data/expected.jsonl
		for test in $tests; do
			printf '{"type":"plan","test":"%s","cases":["a.case"]}\n' "$test"
			printf '{"type":"case","test":"%s","case":"a.case","status":"pass","reason":"","duration_ms":1,"data":[{"path":"%s"}],"klog":[],"log":""}\n' \
				"$test" "$test"
		done
		printf '{"type":"end","planned":%d,"passed":%d,"failed":0,"skipped":0}\n' "$nr_tests" "$nr_tests"
	} >"$tmp/every.jsonl"
	attempt "$rootreport" --html "$tmp/page.html" --docs ../docs "$tmp/every.jsonl"
	says "derivations: a case of each test" 0 "^$nr_tests cases: $nr_tests passed"
	count "derivations: no path is without a section" 0 'Other paths' "$tmp/page.html"
	sed -n 's/.*"\([a-z-]*\.md\)#\([a-z0-9-]*\)".*/\1 \2/p' report/paths.c >"$tmp/anchors"
	while read -r page anchor; do
		# An anchor is the heading in lower case, with hyphens for blanks and without other punctuation.
		sed -n 's/^##* //p' "docs/$page" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9\n-' | grep -qxe "$anchor" ||
			echo "# no heading in docs/$page: $anchor"
	done <"$tmp/anchors" >"$tmp/missing"
	[ -s "$tmp/anchors" ] && [ ! -s "$tmp/missing" ]
	result $? "derivations: the heading of each link exists"
	cat "$tmp/missing"
}

# --before: only the page compares with an earlier run.
test_before()
{
	attempt "$rootreport" --html "$tmp/page.html" $data/expected.jsonl
	count "before: none, no section" 0 'id="changes"' "$tmp/page.html"
	attempt "$rootreport" --html "$tmp/page.html" --before $data/expected.jsonl $data/unexpected.jsonl
	says "before: the text is the same" 1 '^5 cases: 4 passed, 1 failed'
	count "before: a case that got worse" 1 'worse</span> qemu-svm/suite: .*path.cr4_smep.exact_counts: was ok, is FAIL' "$tmp/page.html"
	count "before: counts that changed" 2 '<tr class="change"><td>qemu-svm/suite</td><td>CR4.SMEP</td>' "$tmp/page.html"
	attempt "$rootreport" --html "$tmp/page.html" --before $data/unexpected.jsonl $data/expected.jsonl
	count "before: a case that got better" 1 'better</span> qemu-svm/suite: .*path.cr4_smep.exact_counts: was FAIL, is ok' "$tmp/page.html"
	sed 's/"min":8658/"min":9658/' $data/expected-bench.jsonl >"$tmp/bench.jsonl"
	attempt "$rootreport" --html "$tmp/page.html" --before $data/expected-bench.jsonl "$tmp/bench.jsonl"
	count "before: a cost that changed" 1 '<td>CR4.SMEP</td><td>instructions</td><td class="n">8658</td><td class="n">9658</td><td class="n">1.116</td>' "$tmp/page.html"
	attempt "$rootreport" --html "$tmp/page.html" --before $data/console.txt $data/expected.jsonl
	says "before: results that are none do not count" 0 'console.txt is left out of the page'
	count "before: nor are they on the page" 0 'id="changes"' "$tmp/page.html"
}

# a_run NAME RESULTS...: make the folder of a run in the build folder, as scripts/run.sh does
a_run()
{
	mkdir -p "$tmp/build/results/$1/qemu-svm"
	echo "make run" >"$tmp/build/results/$1/rerun"
	ln -sfn "$1" "$tmp/build/results/latest"
	shift
	for file in "$@"; do
		lane=$(sed -n '1s/.*"lane":"\([a-z]*\)".*/\1/p' "$file")
		cp "$file" "$tmp/build/results/$(readlink "$tmp/build/results/latest")/qemu-svm/$lane.jsonl"
	done
}

test_make_report()
{
	a_run 20260101-000000-1 $data/expected.jsonl
	a_run 20260102-000000-1 $data/expected-shadow.jsonl
	a_run 20260103-000000-1 $data/unexpected.jsonl
	attempt env BUILD="$tmp/build" make -s report
	says "make report: the summary" 2 '^5 cases: 4 passed, 1 failed'
	says "make report: where the page is" 2 "^the same as a page: $tmp/build/results/latest/report.html"
	count "make report: the run before is the last one of the same kind" 1 'was ok, is FAIL' "$tmp/build/results/latest/report.html"
	link=$(sed -n 's/.*href="\([^"]*counters.md\)#by-userspace".*/\1/p' "$tmp/build/results/latest/report.html" | sort -u)
	cmp -s "$tmp/build/results/20260103-000000-1/${link:-none}" docs/counters.md
	result $? "make report: derivations are where they are"
	attempt env BUILD="$tmp/build" FULL=1 make -s report
	says "make report FULL=1: all rows" 2 '^TDP/5 .* SREGS-same .* ok$'
	a_run 20260104-000000-1 $data/expected-bench.jsonl
	attempt env BUILD="$tmp/build" make -s report
	count "make report: the first of its kind has none before it" 0 'id="changes"' "$tmp/build/results/latest/report.html"
}

test_plots()
{
	attempt "$rootreport" --html "$tmp/page.html" $data/storm.jsonl
	count "page: a plot of costs, and one over time of each storm" 3 '<svg' "$tmp/page.html"
	count "page: with a title for each path" 1 '<text>CR4.SMEP</text>' "$tmp/page.html"
	# Add six cases with samples.
	awk '/"case":"smep"/ { for (i = 1; i < 7; i++) { line = $0; sub(/"smep"/, "\"s" i "\"", line); print line } }
		{ sub(/"smep","still"/, "\"smep\",\"still\",\"s1\",\"s2\",\"s3\",\"s4\",\"s5\",\"s6\""); print }' \
		$data/storm.jsonl >"$tmp/storms.jsonl"
	attempt "$rootreport" --html "$tmp/storms.html" "$tmp/storms.jsonl"
	count "page: four plots over time at most, and one of costs" 5 '<svg' "$tmp/storms.html"
	mkdir -p "$tmp/nothing"
	attempt env PATH="$tmp/nothing" "$rootreport" --html "$tmp/plain.html" $data/storm.jsonl
	packages=$(awk '$2 == "gnuplot" { print "on Debian " $3 ", on Fedora " $4 ", on Arch " $5 }' scripts/packages)
	count "page: without gnuplot, what to install" 3 "install its package, $packages" "$tmp/plain.html"
	result "$status" "which is no failure"
	echo '<!DOCTYPE html><title>nothing</title>' >"$tmp/blank.html"
	screenshot "$tmp/blank.png" "file://$tmp/blank.html" &&
		screenshot "$tmp/light.png" "file://$tmp/page.html" &&
		screenshot "$tmp/dark.png" "file://$tmp/page.html" --blink-settings=preferredColorScheme=0 &&
		[ "$(wc -c <"$tmp/light.png")" -gt $((10 * $(wc -c <"$tmp/blank.png"))) ]
	result $? "page: what a browser shows of it is not blank"
	[ -s "$tmp/dark.png" ] && ! cmp -s "$tmp/light.png" "$tmp/dark.png"
	result $? "page: and is another one if dark is preferred"
}

# compared NAME STATUS PATTERN BASE NEW: test a comparison of two results
compared()
{
	attempt "$rootreport" --compare 1.01 "$4" "$5"
	says "compare: $1" "$2" "$3"
}

# changed SED-SCRIPT: make a changed copy of good.jsonl
changed()
{
	sed "$1" "$data/good.jsonl" >"$tmp/changed.jsonl"
	! cmp -s "$data/good.jsonl" "$tmp/changed.jsonl" || echo "# nothing changed: $1"
}

test_compare()
{
	good=$data/good.jsonl
	new=$tmp/changed.jsonl
	compared "the same" 0 '^1 lanes, 1 costs compared: 0 costs .*, 0 counts changed, 0 cases got worse$' $good $good
	changed 's/"alloc":12/"alloc":13/'
	compared "a count" 1 'EFER.NX .* alloc .* 12 .* 13 .* FAIL changed$' $good "$new"
	sed -i 's/"path":"EFER.NX"/"path":"EFER.NX","counts":"vary"/' "$new"
	compared "a count that is never the same" 0 ' 0 counts changed' $good "$new"
	changed 's/"min":9298/"min":9391/'
	compared "a cost that is more, beyond the bound" 1 'CR4.SMEP .* 9298 .* 9391 .* 1.010 .* FAIL more$' $good "$new"
	compared "a cost that is less, beyond the bound" 1 'CR4.SMEP .* 9391 .* 9298 .* FAIL less$' "$new" $good
	changed 's/"min":9298/"min":9390/'
	compared "a cost within the bound" 0 'CR4.SMEP .* 9298 .* 9390 .* 1.010 .* ok$' $good "$new"
	changed '/path.efer_nx/s/"status":"pass"/"status":"fail"/; s/"passed":5,"failed":0/"passed":4,"failed":1/'
	compared "a new failure" 1 'FAIL qemu-svm/suite mmu_root_reuse_test path.efer_nx.exact_counts: was ok, is FAIL: no reason given' $good "$new"
	compared "an old failure" 0 ' 0 cases got worse' "$new" "$new"
	compared "a failure that is gone" 0 ' 0 cases got worse' "$new" $good
	changed '/path.efer_nx/s/"status":"pass"/"status":"skip"/; s/"passed":5,"failed":0,"skipped":0/"passed":4,"failed":0,"skipped":1/'
	compared "a case that is skipped now" 1 'was ok, is SKIP' $good "$new"
	changed 's/"path.smm.exact_counts"/"path.smm.other"/'
	compared "a case that is gone" 1 'path.smm.exact_counts: is gone' $good "$new"
	changed \$d
	compared "a run that did not finish" 1 'FAIL qemu-svm/suite run finished: ended early' $good "$new"
	changed 's/"lane":"suite"/"lane":"other"/'
	compared "no lane in common" 2 'nothing to compare: no lane is in both' $good "$new"
	changed 's/6.12.117/6.12.118/'
	compared "another kernel is told" 0 'NOTE .*: kernels are 6.12.117.* and 6.12.118' $good "$new"
	compared "a file that is none" 2 'console.txt:1: not a results file' $data/console.txt $good
	mkdir -p "$tmp/run/bed"
	cp $good $data/lane-npt0.jsonl "$tmp/run/bed"
	compared "a folder, of which one lane is in common" 0 'NOTE qemu-svm/shadow: only in new, not compared' $good "$tmp/run"
	attempt make -s compare A=$good B="$tmp/run"
	says "make compare" 0 '^1 lanes, 1 costs compared'
	attempt make -s compare A=$good B="$new" BOUND=1
	says "make compare takes BOUND" 0 'at most 1.000'
	attempt make -s compare A=$good
	one_line "make compare without B" 2 'two results are needed: make compare A=.* B='
	attempt make -s compare A=$good B="$tmp/nowhere"
	one_line "make compare with what is not there" 2 'no results in .*nowhere'
	"$rootreport" --profile $good $data/lane-npt0.jsonl >"$tmp/profile.jsonl" 2>/dev/null
	[ "$(wc -l <"$tmp/profile.jsonl")" -eq "$(cat $good $data/lane-npt0.jsonl | wc -l)" ] &&
		! grep -q -e duration_ms -e '"log"' -e taint "$tmp/profile.jsonl"
	result $? "a profile has each line, without what differs from run to run"
	"$rootreport" --profile $good >"$tmp/profile.jsonl"
	compared "a profile is good to compare with" 0 ' 1 costs compared' "$tmp/profile.jsonl" $good
}

# rerun NAME COMMAND FILE...: test the command that the report suggests, or that it suggests none
rerun()
{
	name=$1
	command=$2
	shift 2
	"$rootreport" "$@" | sed -n '/^to run just what failed again/{n;p}' >"$tmp/rerun"
	[ "$(cat "$tmp/rerun")" = "${command:+  $command}" ]
	ret=$?
	result $ret "$name"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/rerun"
}

test_rerun()
{
	rerun "rerun: one case" \
		"make run BED='qemu-svm' CONFIG='suite' FILTER='mmu_root_reuse_test path.efer_nx.exact_counts'" \
		$data/failed.jsonl
	rerun "rerun: nothing if nothing failed" "" $data/good.jsonl
	rerun "rerun: two cases, with what was given" \
		"make run KERNEL_SRC='x' BED='qemu-svm' CONFIG='suite' FILTER='@(t a|t b)'" \
		--rerun "make run KERNEL_SRC='x'" $data/two-failed.jsonl
	sed 's/"lane":"suite"/"lane":"shadow"/' $data/two-failed.jsonl >"$tmp/shadow.jsonl"
	rerun "rerun: the same cases in two configurations" \
		"make run BED='qemu-svm' CONFIG='suite shadow' FILTER='@(t a|t b)'" \
		$data/two-failed.jsonl "$tmp/shadow.jsonl"
	rerun "rerun: all of what did not finish" \
		"make run BED='qemu-svm' CONFIG='suite'" $data/cut.jsonl
	rerun "rerun: a pattern for what no shell should see" \
		"make run BED='?b????' CONFIG='?i????' FILTER='@(?script?alert?2??/script? ?img?src=x?onerror=alert?3??|?script?alert?2??/script? --??/style??/svg?????????reboot?????reboot)'" \
		$data/hostile.jsonl
}

# many_cases: results of 10000 cases of 10 tests, of which each seventh fails
many_cases()
{
	awk 'BEGIN {
		print "{\"type\":\"run\",\"schema\":1,\"bed\":\"b\",\"lane\":\"l\",\"kernel\":\"k\",\"tsc_unit\":\"cycles\"}"
		for (t = 0; t < 10; t++) {
			printf "{\"type\":\"plan\",\"test\":\"t%d\",\"cases\":[", t
			for (c = 0; c < 1000; c++)
				printf "%s\"c%d\"", c ? "," : "", c
			print "]}"
		}
		for (i = 0; i < 10000; i++)
			printf "{\"type\":\"case\",\"test\":\"t%d\",\"case\":\"c%d\",\"status\":\"%s\",\"reason\":\"r\",\"data\":[{\"path\":\"p%d\",\"kind\":\"counts\",\"ops\":1}],\"log\":\"l\"}\n", i / 1000, i % 1000, i % 7 ? "pass" : "fail", i % 2000
		print "{\"type\":\"end\",\"planned\":10000,\"passed\":8571,\"failed\":1429,\"skipped\":0}"
	}' >"$tmp/many.jsonl"
}

# Large results, and disks that cannot be written.  The report of 10000 cases takes two seconds on an
# idle machine, so two minutes are enough on a busy one.
test_robust()
{
	many_cases
	attempt timeout 120 "$rootreport" --junit "$tmp/many.xml" --html "$tmp/many.html" "$tmp/many.jsonl"
	says "10000 cases" 1 '^10000 cases: 8571 passed, 1429 failed, 0 skipped$'
	count "10000 cases: JUnit" 1429 '<failure ' "$tmp/many.xml"
	count "10000 cases: page" 10000 '<tr class="case"' "$tmp/many.html"
	says "10000 cases: a command that can be typed" 1 "^  make run BED='b' CONFIG='l'$"

	attempt "$rootreport" --html "$tmp/nowhere/page.html" $data/good.jsonl
	one_line "a folder that does not exist" 2 "cannot write .*: No such file or directory; give a file in a folder"
	says "which loses nothing of the report" 2 '^5 cases: 5 passed'
	if ! small_disk; then
		skip "a full disk" "cannot mount a small file system: not root"
		return
	fi
	head -c 60k /dev/zero >"$tmp/small/ballast" 2>/dev/null
	echo old >"$tmp/small/page.html"
	attempt "$rootreport" --html "$tmp/small/page.html" "$tmp/many.jsonl"
	one_line "a full disk" 2 'cannot write .*: No space left on device'
	[ "$(ls "$tmp/small")" = "ballast
page.html" ] && [ "$(cat "$tmp/small/page.html")" = old ]
	result $? "which leaves what was there, and no half page"
	rm "$tmp/small/ballast" "$tmp/small/page.html"
	cp $data/good.jsonl "$tmp/small"
	mount -o remount,ro "$tmp/small"
	attempt "$rootreport" --junit "$tmp/small/junit.xml" "$tmp/small/good.jsonl"
	one_line "a folder that is read-only" 2 'cannot write .*: Read-only file system'
}

# rootreport must report a file that is cut after any byte as incomplete, or as no results file.
test_cut()
{
	bytes=$(wc -c <$data/failed.jsonl)
	at=1
	bad=
	while [ $at -lt $((bytes - 1)) ]; do
		head -c $at $data/failed.jsonl >"$tmp/cut.jsonl"
		attempt "$rootreport" "$tmp/cut.jsonl"
		case $status in
		1) grep -q 'ended early' "$tmp/out" || bad="$bad $at" ;;
		2) [ "$(wc -l <"$tmp/err")" -eq 1 ] || bad="$bad $at" ;;
		*) bad="$bad $at" ;;
		esac
		at=$((at + 13))
	done
	[ -z "$bad" ]
	result $? "cut in any place, a file is told to be"
	[ -z "$bad" ] || echo "# not after these bytes:$bad"
}

test_junit
test_page
test_pivot
test_derivations
test_before
test_make_report
test_plots
test_compare
test_rerun
test_robust
test_cut
plan_done
