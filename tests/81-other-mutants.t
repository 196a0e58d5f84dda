#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1: the mutants of each kernel in both beds, but for those that have tests of
# their own: qemu-svm on the one of 80-mutants.t, Bochs on the one of vmx/82-mutants-vmx.t.

. tests/tap.sh

# mutants KERNEL BED
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

for kernel in $(default_kernel) $(other_kernels); do
	[ "$kernel" = "$(proven_kernel)" ] || mutants "$kernel" qemu-svm
	[ "$kernel" = "$(default_kernel)" ] || mutants "$kernel" bochs-vmx
done
plan_done
