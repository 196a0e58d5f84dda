#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test what a kernel developer does with a kernel tree: make install-into, make run with KERNEL_SRC,
# and git bisect.

. tests/tap.sh

base=$(scripts/kernel.sh) || bail_out "no kernel source"
# A tree that differs from this version of Debian's source only in KVM is built in a minute.
version=$(basename "$base")
. tests/tree.sh

# head_and_state: print what must not change if something goes wrong
head_and_state()
{
	git_src rev-parse HEAD
	git_src status --porcelain
}

test_refusals()
{
	echo >>"$src/Makefile"
	state=$(head_and_state)
	for verb in install-into run; do
		attempt make -s $verb KERNEL_SRC="$src"
		one_line "$verb: a dirty tree" 2 "has uncommitted changes: commit or stash them"
	done
	git_src checkout -q Makefile

	sed -i "s/^TEST_GEN_PROGS_$arch += $arch\/monitor_mwait_test/& # gone/" \
		"$src/tools/testing/selftests/kvm/$makefile"
	git_src commit -qam 'A conflict with the last patch'
	state=$(head_and_state)
	attempt install_into
	says "install-into: a patch that does not apply" 2 "patch no longer applies: .*selftests/0005-"
	[ "$state" = "$(head_and_state)" ]
	result $? "install-into: the tree is as it was"
	git_src reset -q --hard HEAD~1

	attempt install_into SIGNOFF=me
	one_line "install-into: a bad SIGNOFF" 2 "SIGNOFF='me' is not of the form 'Name <mail>'"
}

test_install()
{
	attempt install_into SIGNOFF='A Developer <dev@example.org>'
	says "install-into: a clean tree" 0 "applied to .*linux: $(nr_patches "$(default_kernel)") patches"
	patches=$(nr_patches "$(default_kernel)")
	[ "$(git_src rev-list --count HEAD)" -eq $((patches + 1)) ]
	result $? "install-into: one commit a patch"
	[ "$(git_src log -"$patches" --format=%b | grep -c '^Signed-off-by: A Developer <dev@example.org>$')" -eq "$patches" ]
	result $? "install-into: signed off"
	[ -z "$(git_src status --porcelain --untracked-files=no)" ]
	result $? "install-into: nothing is left uncommitted of what was there"
	[ -f "$src/tools/testing/selftests/kvm/$arch/mmu_root_reuse_test.c" ]
	result $? "install-into: the tests are there"
	attempt install_into
	says "install-into: again, refreshes the tests" 0 "the series is in .* already"
	[ "$(git_src rev-list --count HEAD)" -eq $((patches + 1)) ]
	result $? "install-into: again, commits nothing"
}

test_harness()
{
	harness_builds mmu_root_reuse_test mmu_root_stats_test mmu_root_perf_test
	attempt make -s -C tools/testing/selftests TARGETS=kvm --dry-run run_tests
	says "this repository's selftests forward to the prepared tree" 0 "mmu_root_reuse_test"
}

# KVM's modules cannot be built for Debian's kernel if the tree has changes outside of KVM.
test_not_debian()
{
	echo '/* harmless */' >>"$src/include/linux/kvm_host.h"
	git_src commit -qam 'A change outside of KVM'
	attempt env KERNEL_SRC="$src" DEBIAN_VERSION="$version" scripts/ktree.sh
	says "a tree that differs elsewhere than in KVM, for Debian's kernel" 2 \
		"^error: KERNEL_SRC is not Debian's source of $(echo "$version" | sed 's/[+.]/\\&/g') but for KVM, see include/linux/kvm_host.h: leave DEBIAN_VERSION out"
	git_src reset -q --hard HEAD~1
}

# make run on a git tree with a bug in KVM: the report names the right path.
test_run()
{
	git_src reset -q --hard
	rm -rf "${src:?}/usr"
	git_src am -q <"$(mutant cr4-smap-without-reset)" >"$tmp/out" 2>&1 || sed 's/^/# /' "$tmp/out"
	attempt make -s run KERNEL_SRC="$src" DEBIAN_VERSION="$version" CONFIG=suite FILTER='*cr4_sm*' FULL=1
	says "run on a tree with a bug" 2 "^make.* Error 1"
	says "its table names the path" 2 "^TDP/5  *CR4.SMAP  *[1-9][0-9]*  *0  *0 .* FAIL"
	says "and no other" 2 "^TDP/5  *CR4.SMEP  *([1-9][0-9]*)  *\1  *\1 .* ok"
}

# commit SUBJECT SED_SCRIPT FILE: add a commit to the history
commit()
{
	sed -i "$2" "$src/$3"
	git_src commit -q -a -m "$1"
}

# A history with one bad commit, and one that cannot be built.  The commits are the same in
# each run of this test: builds are cached by content, so each is built once.
# shellcheck disable=SC2016 # sed's last line
test_bisect()
{
	main=arch/x86/kvm/x86.c
	git_src reset -q --hard HEAD~1
	good=$(git_src rev-parse HEAD)
	commit 'a comment' '$a /* harmless */' $main
	git_src am -q "$PWD/$(mutant cr4-smap-without-reset)" >"$tmp/out" 2>&1
	culprit=$(git_src rev-parse HEAD)
	commit 'one more comment' '$a /* harmless, too */' $main
	git_src bisect start HEAD "$good" >/dev/null 2>&1
	attempt env DEBIAN_VERSION="$version" CONFIG=suite FILTER='*path.cr4_smap*' git -C "$src" bisect run "$PWD/scripts/bisect-step.sh"
	says "bisect: finds the culprit" 0 "^$culprit is the first bad commit"
	git_src bisect reset >/dev/null 2>&1

	commit 'no C' '$a this is no C' $main
	attempt env KERNEL_SRC="$src" DEBIAN_VERSION="$version" CONFIG=suite FILTER='*path.cr4_smap*' scripts/bisect-step.sh
	says "bisect: a commit that cannot be built" 125 "no C: cannot be built or booted"
	attempt env KERNEL_SRC=/proc scripts/bisect-step.sh
	says "bisect: no kernel tree ends it" 128 "is no kernel tree"
}

make_git_tree
test_refusals
test_install
test_harness
test_not_debian
test_run
test_bisect
plan_done
