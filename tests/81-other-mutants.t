#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1, run the mutants of all kernels but the default, in both emulated beds.

. tests/tap.sh

# mutants KERNEL BED: run all mutants of this kernel and this bed
mutants()
{
	if [ -z "${ALL:-}" ]; then
		skip "the mutants of $1 in $2" "make test FULL=1 runs them"
		return
	fi
	attempt env BED="$2" KERNEL="$1" JUDGE_ARGS=--tap scripts/mutants.sh
	result "$status" "the mutants of $1 in $2"
	[ "$status" -eq 0 ] || { grep -A 5 '^not ok' "$tmp/out"; tail -n 3 "$tmp/err"; } | sed 's/^/# /'
}

for kernel in $(other_kernels); do
	for bed in qemu-svm bochs-vmx; do
		mutants "$kernel" "$bed"
	done
done
plan_done
