#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test a kernel developer's tree of another version than the default: make install-into and make
# send choose the patches for it, and put the tests into the right folders.

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
	says "the patches that apply" 0 "applied to .*linux: $(nr_patches "$other") patches, those for $other"
	[ -f "$src/tools/testing/selftests/kvm/$arch/mmu_root_reuse_test.c" ] &&
		[ -f "$src/tools/testing/selftests/kvm/include/$arch/mmu_roots_library.h" ] &&
		[ "$(ls -d "$src/tools/testing/selftests/kvm/x86"* | wc -l)" -eq 1 ]
	result $? "the tests are where the tree has its own"
	attempt install_into
	says "again, refreshes the tests" 0 "the series is in .* already"
}

# make send for this tree, with recorded results for the table.
test_send()
{
	mkdir -p "$tmp/results/qemu-svm"
	cp tests/data/report/good.jsonl "$tmp/results/qemu-svm/suite.jsonl"
	attempt env BUILD="$tmp/build" make -s send KERNEL_SRC="$src" RESULTS="$tmp/results" SIGNOFF='A Developer <dev@example.org>'
	says "what would be sent: checkpatch.pl has nothing to say" 0 "nothing is sent: read .*/send"
	[ "$status" -eq 0 ] || return
	grep -q '^Subject: \[PATCH 00/' "$tmp/build/send"/*0000-cover-letter.patch &&
		grep -q '^CR4.SMEP ' "$tmp/build/send"/*0000-cover-letter.patch &&
		! grep -q -e '\*\*\*' -e '@TABLE@' "$tmp/build/send"/*0000-cover-letter.patch
	result $? "the cover letter has the table"
	! grep -q mmu_reset_every "$tmp/build/send"/*stats*.patch
	result $? "what is for tests alone is not sent"
	tests=$(ls tools/testing/selftests/kvm/x86_64/mmu_root_*_test.c | wc -l)
	[ "$(ls "$tmp/build/send"/*Add-mmu_root_* | wc -l)" -eq "$tests" ]
	result $? "each test is a commit"
	[ "$(grep -L '^Signed-off-by: A Developer <dev@example.org>' "$tmp/build/send"/*[1-9]-KVM-*.patch | wc -l)" -eq 0 ]
	result $? "signed off"
	[ -z "$(git_src status --porcelain)" ] && [ "$(git_src rev-list --count HEAD)" -eq 1 ]
	result $? "the tree is as it was"
	rm "$tmp/build/send"/*0000-cover-letter.patch
	set -- "$tmp/build/send"/*.patch
	attempt git_src am -q "$@"
	result "$status" "git am takes all of it"
	git_src reset -q --hard HEAD~$#
}

test_refusals()
{
	attempt make -s send
	one_line "send: no tree" 2 'which tree. make send KERNEL_SRC='
	attempt make -s send KERNEL_SRC="$src" BASE=nowhere
	one_line "send: no such commit" 2 "has no commit 'nowhere'"
	attempt make -s send KERNEL_SRC="$src" RESULTS="$tmp/nowhere"
	one_line "send: no results" 2 'no such folder: .*nowhere: make run first'
}

make_git_tree
test_send
test_refusals
test_told
test_install
harness_builds mmu_root_reuse_test
plan_done
