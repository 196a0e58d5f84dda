#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Boot a bed once and run tests in it:
# lane.sh CONFIG[+CONFIG...] TREE MODULES TESTS OUT [NAME]
# Configurations that share a boot must ask the bed for the same machine, see lane_boots.
# TREE has boot/vmlinuz, MODULES has the modules to load, TESTS has the test programs.
# MODULES may be a folder of such folders: the guest loads, tests and unloads one after the
# other, and writes a line "modules" with the folder's name before the results of each.
# The results are in OUT/CONFIG.jsonl, the console is in OUT/CONFIG.console, and the exit
# status is that of the bed.
#
# FILTER selects cases, ROOTRUN_ARGS replaces the lane's options of rootrun,
# BEFORE_TESTS is shell code that the guest runs first, BED_ARGS is added to the
# bed's command line.  TELL=--tell prints failures as they happen.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

boot=$1 tree=$2 modules=$3 tests=$4 out=$5 name=${6:-$1}
bed=${BED:-qemu-svm}

# split_results: a shared boot writes the results of its lanes one after the other; give each lane a
# file.  If the guest died, the last line may be incomplete, and no newline is added to it.
split_results() {
	[ -s "$results" ] || return 0
	end='\n'
	[ -z "$(tail -c 1 "$results")" ] || end=''
	awk -v dir="$out" -v end="$end" '
		/^{"type":"run"/ {
			if (file)
				printf "\n" >file
			match($0, /"lane":"[^"]*"/)
			file = dir "/" substr($0, RSTART + 8, RLENGTH - 9) ".jsonl"
			begun = 0
		}
		file { printf "%s%s", begun++ ? "\n" : "", $0 >file }
		END { if (file) printf "%s", end >file }' "$results"
	for lane in $lanes; do
		ln -f "$console" "$out/$lane.console"
	done
	rm -f "$results" "$console"
}

lanes=$(echo "$boot" | tr + ' ')
results=$out/$boot.jsonl
console=$out/$boot.console
# A shared boot writes to *.boot: readers of *.jsonl would take its results for those of one lane.
if [ "$lanes" != "$boot" ]; then
	results=$out/$boot.boot
	at_exit split_results
fi
payload=$out/$boot.payload
at_exit "rm -rf '$payload'"
for lane in $lanes; do
	lane_define "$lane"
	lane_payload "$bed" "$lane" "$modules" "$tests" "$payload"
done

run "$top/beds/$bed/run" --name "$bed/$name" --payload "$payload" \
	--kernel "$tree/boot/vmlinuz" --results "$results" --console "$console" \
	${lane_append:+--append "$lane_append"} $lane_bed ${TELL:-} ${BED_ARGS:-}
