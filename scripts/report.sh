#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the table of a run again: report.sh [FOLDER], by default the latest run.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

out=${1:-$BUILD/results/latest}
[ -d "$out" ] || die "no results in $out: make run"
"$top/scripts/tools.sh"
set -- "$out"/*.jsonl
[ -e "$1" ] || die "no results in $out: make run"
exec "$BUILD/rootreport" "$@"
