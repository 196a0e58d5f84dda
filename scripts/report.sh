#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the table of a run, and make its page and its JUnit XML: report.sh [FOLDER],
# by default of the latest run.  REPORT_ARGS are options of rootreport.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

out=${1:-$BUILD/results/latest}
files=$(results_in "$out" 2>/dev/null)
[ -n "$files" ] || die "no results in $out: make run"
"$top/scripts/tools.sh"
status=0
"$BUILD/rootreport" ${REPORT_ARGS:-} --rerun "$(cat "$out/rerun" 2>/dev/null || echo make run)" \
	--html "$out/report.html" --junit "$out/junit.xml" $files || status=$?
[ "$status" -eq 2 ] || say "the same as a page: $out/report.html, for CI: $out/junit.xml"
exit "$status"
