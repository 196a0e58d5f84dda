#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Boot a bed once and run tests in it: lane.sh LANE TREE MODULES TESTS OUT [NAME]
# TREE has boot/vmlinuz, MODULES the modules to load, TESTS the test programs.
# Leaves OUT/LANE.jsonl and OUT/LANE.console; the exit status is that of the bed.
#
# FILTER limits the cases, ROOTRUN_ARGS is added to rootrun's command line,
# BEFORE_TESTS is shell code that the guest runs first, BED_ARGS is added to the
# bed's command line.  KVM_PARAMS are parameters for kvm.ko; TDP=0 is shadow paging.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

lane=$1 tree=$2 modules=$3 tests=$4 out=$5 name=${6:-$1}
bed=${BED:-qemu-svm}

# What a lane is.  Costs are measured in instructions, which only a single CPU
# executes in an order that repeats; no test has more than one thread, so that a
# single CPU does for all.  These beds lack nothing that a test needs.
case $lane in
suite)
	unit=cycles bed_args=''
	programs=$(find "$tests" -name 'mmu_root_*_test' ! -name '*_perf_*' -printf '%f\n' | LC_ALL=C sort | tr '\n' ' ')
	;;
bench) unit=instructions bed_args=--icount  programs=mmu_root_perf_test ;;
*) die "no such lane: $lane: there are suite and bench" ;;
esac

case ${FILTER:-} in
*\'*) die "FILTER has a quote, which no case has: $FILTER" ;;
esac

initrd=$out/$lane.initrd
at_exit "rm -f '$initrd'"
"$top/scripts/initramfs.sh" "$initrd" "$modules" "$tests" "$BUILD/rootrun" <<END
BED='$bed'
LANE='$lane'
UNIT='$unit'
TESTS='$programs'
ROOTRUN_ARGS='${ROOTRUN_ARGS---no-skip} ${FILTER:+--filter $(echo "$FILTER" | tr ' ' '?')}'
BEFORE_TESTS='${BEFORE_TESTS:-}'
KVM_PARAMS='${KVM_PARAMS:-}'
TDP='${TDP:-}'
END

run "$top/beds/$bed/run" --name "$bed/$name" --kernel "$tree/boot/vmlinuz" \
	--initrd "$initrd" --results "$out/$lane.jsonl" --console "$out/$lane.console" \
	$bed_args ${BED_ARGS:-}
