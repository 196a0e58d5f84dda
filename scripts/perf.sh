#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run tests on this machine under perf, and print how often each event of KVM's MMU occurred,
# its cost in the kernel, and the exit reasons of the guests.
#
# CONFIG and FILTER select the tests, by default those that measure costs.  RELOAD=1 works as
# in make run.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

[ "${BED:-host}" = host ] ||
	die "perf sees the KVM of this machine, not that of bed $BED: without BED, please"
run "$top/scripts/deps.sh" build run perf

PERF_OUT=$BUILD/results/perf-$(date +%Y%m%d-%H%M%S)-$$
export PERF_OUT
mkdir -p "$PERF_OUT"

status=0
run env BED=host CONFIG="${CONFIG:-bench}" BED_ARGS="--under $top/scripts/perf-record.sh ${BED_ARGS:-}" \
	"$top/scripts/run.sh" || status=$?
[ -s "$PERF_OUT/stat.csv" ] || exit "$status"
"$top/scripts/perf-summary.sh" "$PERF_OUT" | tee "$PERF_OUT/summary"
say "all of it is in $PERF_OUT: perf kvm stat report -i kvm.data"
exit "$status"
