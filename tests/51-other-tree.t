#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel developer's tree of another version than the default: which patches are taken, and
# where the tests go.

. tests/tap.sh

other=$(other_kernels | tail -n 1)
base=$(KERNEL=$other scripts/kernel.sh) || bail_out "no kernel source"
. tests/tree.sh

test_told()
{
	attempt install_into KERNEL="$(default_kernel)"
	says "KERNEL= decides, and the tree stays as it is" 2 "patch no longer applies: patches/linux-$(default_kernel)/stats/0001-"
	[ -z "$(git_src status --porcelain)" ]
	result $? "nothing is left in it"
}

test_install()
{
	attempt install_into
	says "the patches that apply" 0 "applied to .*linux: 5 patches, those for $other"
	[ -f "$src/tools/testing/selftests/kvm/$arch/mmu_root_reuse_test.c" ] &&
		[ -f "$src/tools/testing/selftests/kvm/include/$arch/mmu_roots_library.h" ] &&
		[ "$(ls -d "$src/tools/testing/selftests/kvm/x86"* | wc -l)" -eq 1 ]
	result $? "the tests are where the tree has its own"
	attempt install_into
	says "again, refreshes the tests" 0 "the series is in .* already"
}

make_git_tree
test_told
test_install
harness_builds mmu_root_reuse_test
plan_done
