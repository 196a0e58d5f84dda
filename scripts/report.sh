#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the summary of a run, and make its page and its JUnit XML: report.sh [FOLDER],
# by default of the latest run.  FULL=1 prints all rows, REPORT_ARGS are other options of
# rootreport.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# kind_of FOLDER: what another run has to have in common to be compared with: its command,
# its configurations and its tests, as FILTER may have left few of them.
kind_of() {
	(cd "$1" 2>/dev/null && cat rerun && results_in . &&
		grep -ho '"type":"plan","test":"[^"]*"' $(results_in .)) 2>/dev/null
}

# run_before FOLDER: the latest run of the same kind before it, if there is one.  Names of
# runs begin with their time.
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
[ "$status" -eq 2 ] || say "the same as a page: $out/report.html, for CI: junit.xml beside it"
exit "$status"
