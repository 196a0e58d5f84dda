#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The main job: build, boot, stress, and print the table of reset paths.
#
# REUSE=1 is for checks that are made again and again: of a lane that has passed, with
# the same kernel, tests and bed, the results are taken for those of this run.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"
. "$top/scripts/kconfig.sh"

# What to type for a run like this one, but for its beds, configurations and cases.
rerun_command() {
	printf "make run"
	for variable in CONFIGS KERNEL_SRC KCONFIG DEBIAN_VERSION; do
		eval "value=\${$variable:-}"
		[ -z "$value" ] || [ "$value" = "$top/configs" ] || printf " %s='%s'" "$variable" "$value"
	done
	echo
}

configs=${CONFIG:-default}
beds=$(beds_for "$configs")
plan=
for bed in $beds; do
	[ -x "$top/beds/$bed/run" ] ||
		die "no such bed: $bed: there are $(bed_names)"
	lanes=$(lanes_in "$bed" $configs) || exit
	for lane in $lanes; do
		lane_define "$lane"
		kconfig_files "$lane_kernel" >/dev/null
		plan="$plan $bed/$lane"
	done
done

# write_logs FILE: what each test of a lane said, LANE/TEST.log beside its results.
# Half a line, as a killed bed leaves, is no line.
write_logs() {
	mkdir -p "${1%.jsonl}"
	for test in $(jq -Rr 'fromjson? | select(.type == "plan") | .test' "$1"); do
		# shellcheck disable=SC2016 # jq's variables
		jq -Rr --arg test "$test" 'fromjson? | select(.type == "case" and .test == $test) |
			"=== \(.case): \(.status) \(.reason // "")\n\(.log // "")"' "$1" \
			>"${1%.jsonl}/$test.log"
	done
}

begin=$(now)
BED=$beds "$top/scripts/deps.sh" build run
for bed in $beds; do
	bed_check "$bed"
	targets="${targets:-}$bed $target
"
done
need_space "$BUILD" 200
"$top/scripts/tools.sh"

out=$BUILD/results/$(date +%Y%m%d-%H%M%S)-$$
mkdir -p "$out"
for lane in $plan; do
	bed=${lane%/*} config=${lane#*/}
	mkdir -p "$out/$bed"
	lane_prepare "$config" "$(echo "$targets" | sed -n "s/^$bed //p")"
	passed=$(lane_passed "$bed")
	echo "$lane $passed" >>"$out/passed"
	if [ -n "${REUSE:-}" ] && [ -s "$passed" ]; then
		say "  lane $lane has passed as it is: reusing its results"
		cp "$passed" "$out/$lane.jsonl"
	else
		to_run="${to_run:-} $lane"
	fi
done
for bed in $beds; do
	boots=$(lane_boots "$bed" $(echo "${to_run:-}" | tr ' ' '\n' | sed -n "s|^$bed/||p")) || exit
	for boot in $boots; do
		lane_prepare "${boot%%+*}" "$(echo "$targets" | sed -n "s/^$bed //p")"
		echo "BED=$bed TELL=--tell $top/scripts/lane.sh $boot $tree $tree/modules $tests/bin $out/$bed"
	done
done >"$out/boots"
rerun_command >"$out/rerun"
say "running $(echo "${to_run:-}" | wc -w) lanes in $(wc -l <"$out/boots") boots in bed $beds; results go to $out"
# The report judges, from what was planned and what was done.  A bed that died
# has said why, and its lane lacks results.
run xargs -r -a "$out/boots" -P $((JOBS * BOOTS_PER_CPU)) -L 1 \
	setpriv --pdeathsig TERM -- env || bed_failed=1
for lane in $plan; do
	[ -s "$out/$lane.jsonl" ] && continue
	say "lane $lane has no results"
	bed_failed=1
done
files=$(results_in "$out")
ln -sfn "$(basename "$out")" "$BUILD/results/latest"
say "finished in $(($(now) - begin)) s"
[ -n "$files" ] || die "no lane has results, see $out/*/*.console"

for file in $files; do
	write_logs "$file"
done
status=0
"$top/scripts/report.sh" "$out" || status=$?
[ -z "${bed_failed:-}" ] || [ "$status" -ne 0 ] || status=1
# Mutants need to know.
[ "$status" -ne 0 ] || [ -n "${ROOTRUN_ARGS:-}${BEFORE_TESTS:-}${BED_ARGS:-}" ] ||
	while read -r lane passed; do
		cp "$out/$lane.jsonl" "$passed.$$"
		mv "$passed.$$" "$passed"
	done <"$out/passed"
exit "$status"
