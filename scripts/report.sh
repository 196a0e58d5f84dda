#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the summary of a run, and make its HTML page and its JUnit XML: report.sh [FOLDER]
# FOLDER is by default that of the latest run.  FULL=1 prints all rows, and REPORT_ARGS are
# other options of rootreport.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# kind_of FOLDER: print the kind of a run, as only runs of the same kind are compared: its command, its
# configurations and its tests (FILTER may have left few of them).
kind_of() {
	(cd "$1" 2>/dev/null && cat rerun && results_in . &&
		grep -ho '"type":"plan","test":"[^"]*"' $(results_in .)) 2>/dev/null
}

# run_before FOLDER: print the latest earlier run of the same kind, if there is one.  The names of runs
# begin with their time, so they sort by age.
run_before() {
	before_name='' kind=$(kind_of "$1") || return 0
	for other in "$(dirname "$1")"/*/; do
		other=${other%/}
		[ "$other" != "$1" ] || break
		[ -L "$other" ] || [ "$(kind_of "$other")" != "$kind" ] || before_name=$other
	done
	echo "$before_name"
}

out=${1:-$BUILD/results/latest}
files=$(results_in "$out" 2>/dev/null)
[ -n "$files" ] || die "no results in $out: make run"
"$top/scripts/tools.sh"
place=$(readlink -f "$out")
before=$(run_before "$place")
docs=$(realpath --relative-to="$place" "$top/docs")
full=
[ "${FULL:-}" != 1 ] || full=--full
status=0
"$BUILD/rootreport" $full ${REPORT_ARGS:-} --rerun "$(cat "$out/rerun" 2>/dev/null || echo make run)" \
	--docs "$docs" ${before:+--before "$before"} \
	--html "$out/report.html" --junit "$out/junit.xml" $files || status=$?
[ "$status" -eq 2 ] || say "the same as a page: $(short "$out")/report.html, for CI: junit.xml beside it"
exit "$status"
