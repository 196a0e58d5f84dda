#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1, check the patches for all kernels but the default, as tests/40-patches.t does.

. tests/tap.sh

for kernel in $(other_kernels); do
	if [ -z "${ALL:-}" ]; then
		skip "the patches for $kernel" "make test FULL=1 checks them"
		continue
	fi
	attempt env KERNEL="$kernel" scripts/check-patches.sh
	result "$status" "the patches for $kernel"
	[ "$status" -eq 0 ] || grep -A 10 '^not ok' "$tmp/out" | sed 's/^/# /'
done
plan_done
