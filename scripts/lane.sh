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
programs=$(lane_programs "$tests")
[ -n "$programs" ] || die "lane $lane has no test: add one that matches: $lane_tests"

case ${FILTER:-} in
*\'*) die "FILTER has a quote, which no case has: $FILTER" ;;
esac

initrd=$out/$lane.initrd
at_exit "rm -f '$initrd'"
"$top/scripts/initramfs.sh" "$initrd" "$modules" "$tests" "$BUILD/rootrun" \
	"$tree/linux/.config" <<END
BED='$bed'
LANE='$lane'
UNIT='$lane_unit'
TESTS='$programs'
KVM_PARAMS='$lane_kvm'
KVM_AMD_PARAMS='$lane_kvm_amd'
KVM_INTEL_PARAMS='$lane_kvm_intel'
ROOTRUN_ARGS='${ROOTRUN_ARGS-$lane_rootrun} ${FILTER:+--filter $(echo "$FILTER" | tr ' ' '?')}'
BEFORE_TESTS='${BEFORE_TESTS:-}'
MODULE_SETS='$([ -e "$modules/kvm.ko" ] || echo 1)'
END

run "$top/beds/$bed/run" --name "$bed/$name" --kernel "$tree/boot/vmlinuz" \
	--initrd "$initrd" --results "$out/$lane.jsonl" --console "$out/$lane.console" \
	${lane_append:+--append "$lane_append"} $lane_bed ${TELL:-} ${BED_ARGS:-}
