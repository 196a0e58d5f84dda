#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the table of a run again: report.sh [FOLDER], by default the latest run.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

out=${1:-$BUILD/results/latest}
files=$(results_in "$out" 2>/dev/null)
[ -n "$files" ] || die "no results in $out: make run"
"$top/scripts/tools.sh"
exec "$BUILD/rootreport" $files
