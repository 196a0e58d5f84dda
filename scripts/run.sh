"$top/scripts/report.sh" "$out" || status=$?#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The main job: build, boot, stress, and print the table of reset paths.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"
. "$top/scripts/kconfig.sh"

# What to type for a run like this one, but for its lanes and cases.
rerun_command() {
	printf "make run"
	for variable in BED CONFIG KERNEL_SRC KCONFIG DEBIAN_VERSION; do
		eval "value=\${$variable:-}"
		[ -z "$value" ] || printf " %s='%s'" "$variable" "$value"
	done
	echo
}

bed=${BED:-qemu-svm}
lanes=${LANES:-${CONFIG:+suite}}
lanes=${lanes:-$LANES_DEFAULT}
[ "$lanes" != all ] || lanes=$LANES_MMUS

[ -x "$top/beds/$bed/run" ] ||
	die "no such bed: $bed: there are $(cd "$top/beds" && ls -d ./*/ | tr -d './' | tr '\n' ' ')"

for lane in $lanes; do
	lane_define "$lane"
	kconfig_files "$lane_config" >/dev/null
done

begin=$(now)
"$top/scripts/deps.sh" build run
"$top/beds/$bed/run" --check
need_space "$BUILD" 200
"$top/scripts/tools.sh"

out=$BUILD/results/$(date +%Y%m%d-%H%M%S)-$$
mkdir -p "$out"
for lane in $lanes; do
	lane_prepare "$lane"
	echo "$lane $tree $tree/modules $tests/bin $out"
done >"$out/lanes"
rerun_command >"$out/rerun"
say "running the tests in bed $bed, $JOBS lanes at a time; results go to $out"
# The report judges, from what was planned and what was done.  A bed that died
# has said why, and its lane lacks results.
run xargs -a "$out/lanes" -P "$JOBS" -L 1 \
	setpriv --pdeathsig TERM -- "$top/scripts/lane.sh" || bed_failed=1
files=$(lane_results "$out")
ln -sfn "$(basename "$out")" "$BUILD/results/latest"
say "finished in $(($(now) - begin)) s"
[ -n "$files" ] || die "no lane has results, see $out/*.console"

status=0
"$BUILD/rootreport" ${REPORT_ARGS:-} $files || status=$?
[ -z "${bed_failed:-}" ] || [ "$status" -ne 0 ] || status=1
exit "$status"
