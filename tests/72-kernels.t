#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run all cases on all kernels but the default, with the TDP MMU and with shadow paging; with FULL=1,
# in all configurations.

. tests/tap.sh

configs='suite shadow'
[ -z "${ALL:-}" ] || configs=full
for kernel in $(other_kernels); do
	attempt env REUSE=1 BED=qemu-svm KERNEL="$kernel" CONFIG="$configs" scripts/run.sh
	says "kernel $kernel: no case fails" 0 "^[0-9]+ cases: [0-9]+ passed, 0 failed, 0 skipped, [0-9]+ not applicable(, [0-9]+ known)?$"
	says "kernel $kernel: the report says which it is" 0 "^qemu-svm: kernel $kernel\\."
	attempt make -s kernels
	says "kernel $kernel: make kernels has it, and that it is prepared" 0 "^$kernel +Debian's packages, of .* $kernel\\.[0-9]"
done
plan_done
