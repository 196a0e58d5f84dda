#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Boot a bed once and run tests in it: lane.sh LANE TREE MODULES TESTS OUT [NAME]
# TREE has boot/vmlinuz, MODULES the modules to load, TESTS the test programs.
# Leaves OUT/LANE.jsonl and OUT/LANE.console; the exit status is that of the bed.
#
# FILTER limits the cases, ROOTRUN_ARGS is added to rootrun's command line,
# BEFORE_TESTS is shell code that the guest runs first, BED_ARGS is added to the
# bed's command line.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

lane=$1 tree=$2 modules=$3 tests=$4 out=$5 name=${6:-$1}
bed=${BED:-qemu-svm}

lane_define "$lane"
programs=$(lane_programs "$tests")
[ -n "$programs" ] || die "lane $lane has no test: add one that matches: $lane_tests"

case ${FILTER:-} in
*\'*) die "FILTER has a quote, which no case has: $FILTER" ;;
esac

# These beds lack nothing that a test needs: hence --no-skip.
initrd=$out/$lane.initrd
at_exit "rm -f '$initrd'"
"$top/scripts/initramfs.sh" "$initrd" "$modules" "$tests" "$BUILD/rootrun" <<END
BED='$bed'
LANE='$lane'
UNIT='$lane_unit'
TESTS='$programs'
KVM_PARAMS='$lane_kvm'
TDP='$lane_tdp'
ROOTRUN_ARGS='${ROOTRUN_ARGS---no-skip} ${FILTER:+--filter $(echo "$FILTER" | tr ' ' '?')}'
BEFORE_TESTS='${BEFORE_TESTS:-}'
END

run "$top/beds/$bed/run" --name "$bed/$name" --kernel "$tree/boot/vmlinuz" \
	--initrd "$initrd" --results "$out/$lane.jsonl" --console "$out/$lane.console" \
	${lane_append:+--append "$lane_append"} $lane_bed ${BED_ARGS:-}
