#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1: the mutants of other kernels than the default, in both beds.

. tests/tap.sh

for kernel in $(other_kernels); do
	for bed in qemu-svm bochs-vmx; do
		if [ -z "${ALL:-}" ]; then
			skip "the mutants of $kernel in $bed" "make test FULL=1 runs them"
			continue
		fi
		attempt env BED=$bed KERNEL="$kernel" JUDGE_ARGS=--tap scripts/mutants.sh
		result "$status" "the mutants of $kernel in $bed"
		[ "$status" -eq 0 ] || { grep -A 5 '^not ok' "$tmp/out"; tail -n 3 "$tmp/err"; } | sed 's/^/# /'
	done
done
plan_done
