#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the whole suite on the kernel that is built from a developer's tree: it has the options of
# scripts/kconfig-small alone, and a test that needs another one is red, or does not apply.  That build takes
# minutes, so it is done with FULL=1 only.

. tests/tap.sh

[ -n "${ALL:-}" ] || {
	skip "the suite on a kernel that is built from a tree" "make test FULL=1 builds one"
	plan_done
	exit
}

base=$(scripts/kernel.sh) || bail_out "no kernel source"
deb=$(KERNEL=$(default_kernel) VERSION=$(basename "$base") sh -c 'top=$PWD; . scripts/lib.sh; . scripts/debian.sh; source_deb "$VERSION"')
src=$tmp/linux
scripts/unpack-source.sh "$deb" "$src" --exclude='*/Documentation/*.rst' --exclude='*/Documentation/devicetree/*' ||
	bail_out "cannot unpack $deb"

attempt env BUILD="$tmp/build" CONFIG='suite legacy shadow' make -s run KERNEL_SRC="$src"
says "the suite on a kernel that is built from a tree" 0 "^[0-9]* cases: [1-9][0-9]* passed, 0 failed, 0 skipped"
grep -h '^{"type":"case"' "$tmp/build/results/latest/qemu-svm/"*.jsonl |
	jq -r 'select(.status == "skip") | "\(.test) \(.case): \(.reason)"' | grep 'needs ' | grep -v 'needs VMX$' | sed 's/^/# /' >"$tmp/missing"
[ -e "$tmp/build/results/latest/qemu-svm/suite.jsonl" ] && [ ! -s "$tmp/missing" ]
result $? "no case needs an option that this kernel lacks"
cat "$tmp/missing"
plan_done
