#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Boot a bed once and run tests in it: lane.sh CONFIG TREE MODULES TESTS OUT [NAME]
# TREE has boot/vmlinuz, MODULES the modules to load, TESTS the test programs.
# MODULES may be a folder of such folders: each is loaded, tested and unloaded, and
# in the results a line "modules" with its name is before its lines.
# Leaves OUT/LANE.jsonl and OUT/LANE.console; the exit status is that of the bed.
#
# FILTER limits the cases, ROOTRUN_ARGS replaces the lane's options of rootrun,
# BEFORE_TESTS is shell code that the guest runs first, BED_ARGS is added to the
# bed's command line.  TELL=--tell tells of failures as they happen.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

lane=$1 tree=$2 modules=$3 tests=$4 out=$5 name=${6:-$1}
bed=${BED:-qemu-svm}

lane_define "$lane"
payload=$out/$lane.payload
at_exit "rm -rf '$payload'"
lane_payload "$bed" "$lane" "$modules" "$tests" "$payload"

run "$top/beds/$bed/run" --name "$bed/$name" --payload "$payload" \
	--kernel "$tree/boot/vmlinuz" --results "$out/$lane.jsonl" --console "$out/$lane.console" \
	${lane_append:+--append "$lane_append"} $lane_bed ${TELL:-} ${BED_ARGS:-}
