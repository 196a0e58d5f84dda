#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Give a prompt in the guest of a bed, with KVM's modules loaded and the tests at hand.  CONFIG is the
# configuration that names the kernel, the parameters and the tests.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

bed=${BED:-$(beds_for suite quietly)}
config=${CONFIG:-suite}
case $bed in
qemu-svm | qemu-kvm) ;;
*) die "no prompt in bed $bed: make shell BED=qemu-svm" ;;
esac
lanes=$(lanes_in "$bed" $config) || exit
[ "$(echo "$lanes" | wc -w)" -eq 1 ] || die "one configuration at a time: make shell CONFIG=suite"

run env BED="$bed" "$top/scripts/deps.sh" build run
# With QEMU installed, qemu-kvm may turn out not to work after all.
bed=$(beds_for suite)
lanes=$(lanes_in "$bed" $config) || exit
settle_kernel ''
bed_check "$bed"
need_space "$BUILD" 200
"$top/scripts/tools.sh"
lane_prepare "$lanes" "$target"

dir=$(mktemp -d "$BUILD/shell.XXXXXX")
at_exit "rm -rf '$dir'"
lane_define "$lanes"
lane_payload "$bed" "$lanes" "$tree/modules" "$tests/bin" "$dir/payload"
run_on_terminal "$top/beds/$bed/run" --shell --name "$bed/shell" --payload "$dir/payload" \
	--kernel "$tree/boot/vmlinuz" --results "$dir/results.jsonl" --console "$dir/console" \
	${lane_append:+--append "$lane_append"} $lane_bed
