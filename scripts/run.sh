#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build everything, run the tests in the beds, and print the table of reset paths (make run).
#
# REUSE=1 is for repeated checks: a lane that has passed before, with the same kernel, tests
# and bed, does not run again, and its old results become part of this run.
# TAKES_S is the time that the run is known to take, in seconds; progress lines show it.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"
. "$top/scripts/kconfig.sh"

# rerun_command: print the command line of this run without its beds, configurations and cases, which
# the report adds.
rerun_command() {
	printf "make run"
	for variable in ${kernel_told:+KERNEL} CONFIGS KERNEL_SRC KCONFIG DEBIAN_VERSION; do
		eval "value=\${$variable:-}"
		[ -z "$value" ] || [ "$value" = "$top/configs" ] || printf " %s='%s'" "$variable" "$value"
	done
	echo
}

# make_plan: set $plan to the lanes to run in $beds, as BED/CONFIG; die if there is no such bed or
# configuration.
make_plan() {
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
}

configs=${CONFIG:-default}
beds=$(beds_for "$configs" quietly)
make_plan

# write_logs FILE: write the output of each test of a lane to LANE/TEST.log, beside the lane's results.
# An incomplete line, which a killed bed may leave, is ignored.
write_logs() {
	mkdir -p "${1%.jsonl}"
	# \001 begins the name of the file that the next lines go to.
	jq -Rr 'fromjson? | select(.type == "case") |
		"\u0001\(.test)\n=== \(.case): \(.status) \(.reason // "")\n\(.log // "")"' "$1" |
		awk -v dir="${1%.jsonl}" '
			/^\001/ { file = dir "/" substr($0, 2) ".log"; next }
			{ print >file }'
}

# Without a terminal, progress is one line this often.
PROGRESS_LINE_S=20

# show_progress: print the progress of all beds, each of which writes its own to a file, see
# progress() in beds/lib.sh.
show_progress() {
	look_at_clock
	elapsed=$((now - boots_begin))
	[ -n "$clear_status" ] || [ "$elapsed" -ge $((shown + PROGRESS_LINE_S)) ] || return 0
	shown=$elapsed
	text=
	for file in "$PROGRESS"/*; do
		read -r line 2>/dev/null <"$file" && text="$text${text:+; }$line"
	done
	if [ -n "$clear_status" ]; then
		status "  $elapsed s${TAKES_S:+ of about $TAKES_S s}: $text"
	else
		say "  $elapsed s${TAKES_S:+ of about $TAKES_S s}: $text"
	fi
}

# run_boots: run all boots, and show progress.  The report gives the verdict, by comparing the planned
# cases with the results: if a bed died, it has printed the reason, and its lane lacks results.
run_boots() {
	export PROGRESS="$out/progress"
	mkdir -p "$PROGRESS"
	at_exit "rm -rf '$PROGRESS'"
	boots_begin=$(now) shown=0
	start xargs -r -a "$out/boots" -P $((JOBS * BOOTS_PER_CPU)) -L 1 setpriv --pdeathsig TERM -- env
	boots_pid=$pid
	while kill -0 "$boots_pid" 2>/dev/null; do
		sleep 1
		show_progress
	done
	finish "$boots_pid" || bed_failed=1
}

begin=$(now)
run env BED="$beds" "$top/scripts/deps.sh" build run
# With QEMU installed, qemu-kvm may turn out not to work after all.
planned_beds=$beds
beds=$(beds_for "$configs")
[ "$beds" = "$planned_beds" ] || make_plan
settle_kernel "$beds"
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
	lane_prepare "$config" "$(echo "$targets" | sed -n "s/^$bed //p")" "$bed"
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
		lane_prepare "${boot%%+*}" "$(echo "$targets" | sed -n "s/^$bed //p")" "$bed"
		echo "BED=$bed TELL=--tell $top/scripts/lane.sh $boot $tree $tree/modules $tests/bin $out/$bed"
	done
done >"$out/boots"
rerun_command >"$out/rerun"
say "running $(echo "${to_run:-}" | wc -w) lanes in $(wc -l <"$out/boots") boots in bed $beds; results go to $(short "$out")"
run_boots
for lane in $plan; do
	[ -s "$out/$lane.jsonl" ] && continue
	say "lane $lane has no results"
	bed_failed=1
done
files=$(results_in "$out")
ln -sfn "$(basename "$out")" "$BUILD/results/latest"
say "finished in $(($(now) - begin)) s"
[ -n "$files" ] || die "no lane has results, see $(short "$out")/*/*.console"

for file in $files; do
	write_logs "$file"
done
status=0
"$top/scripts/report.sh" "$out" || status=$?
[ -z "${bed_failed:-}" ] || [ "$status" -ne 0 ] || status=1
# Keep the results of lanes that passed, for REUSE=1 and for mutants.sh.
[ "$status" -ne 0 ] || [ -n "${ROOTRUN_ARGS:-}${BEFORE_TESTS:-}${BED_ARGS:-}" ] ||
	while read -r lane passed; do
		cp "$out/$lane.jsonl" "$passed.$$"
		mv "$passed.$$" "$passed"
	done <"$out/passed"
exit "$status"
