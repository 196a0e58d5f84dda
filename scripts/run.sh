#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The main job: build, boot, stress, and print the table of reset paths.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

bed=${BED:-qemu-svm}
lanes=${LANES:-suite bench}

[ -x "$top/beds/$bed/run" ] ||
	die "no such bed: $bed: there are $(cd "$top/beds" && ls -d ./*/ | tr -d './' | tr '\n' ' ')"

begin=$(now)
"$top/scripts/deps.sh" build run
"$top/beds/$bed/run" --check
need_space "$BUILD" 200
capture tree "$top/scripts/${KERNEL_SRC:+k}tree.sh"
capture tests "$top/scripts/tests.sh" "$tree"
"$top/scripts/tools.sh"

out=$BUILD/results/$(date +%Y%m%d-%H%M%S)-$$
mkdir -p "$out"
say "running the tests in bed $bed; results go to $out"
pids=
for lane in $lanes; do
	start "$top/scripts/lane.sh" "$lane" "$tree" "$tree/modules" "$tests/bin" "$out"
	pids="$pids $pid"
done

# The report judges, from what was planned and what was done.  A bed that died
# has said why, and its lane lacks results.
files=
for pid in $pids; do
	finish "$pid" || bed_failed=1
done
for lane in $lanes; do
	[ ! -s "$out/$lane.jsonl" ] || files="$files $out/$lane.jsonl"
done
ln -sfn "$(basename "$out")" "$BUILD/results/latest"
say "finished in $(($(now) - begin)) s"
[ -n "$files" ] || die "no lane has results, see $out/*.console"

status=0
"$BUILD/rootreport" ${REPORT_ARGS:-} $files || status=$?
[ -z "${bed_failed:-}" ] || [ "$status" -ne 0 ] || status=1
exit "$status"
