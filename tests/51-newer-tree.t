#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A kernel developer's tree of another version than the default: which patches are taken, and
# where the tests go.

. tests/tap.sh

newer=7.3
base=$(KERNEL=$newer scripts/kernel.sh) || bail_out "no kernel source"
src=$tmp/linux

git_src()
{
	git -C "$src" -c user.name='A Developer' -c user.email=dev@example.org "$@"
}

install_into()
{
	env GIT_COMMITTER_NAME='A Developer' GIT_COMMITTER_EMAIL=dev@example.org \
		make -s install-into KERNEL_SRC="$src" "$@"
}

make_git_tree()
{
	mkdir -p "$src"
	(cd "$base/linux" && find arch/x86/kvm virt/kvm arch/x86/include include scripts tools/include tools/arch \
		tools/build tools/lib tools/scripts tools/testing/selftests Makefile Kbuild Kconfig \
		! -type d ! -name '*.o' ! -name '*.cmd' ! -name '*.ko' -print0 | cpio -0 -pdm --quiet "$src")
	git_src init -q
	git_src add -A -f
	git_src commit -qm 'A kernel tree'
}

test_told()
{
	attempt install_into KERNEL=6.12
	says "KERNEL= decides, and the tree stays as it is" 2 "patch no longer applies: patches/linux-6.12/stats/0001-"
	[ -z "$(git_src status --porcelain)" ]
	result $? "nothing is left in it"
}

test_install()
{
	attempt install_into
	says "the patches that apply" 0 "applied to .*linux: 5 patches, those for $newer"
	[ -f "$src/tools/testing/selftests/kvm/x86/mmu_root_reuse_test.c" ] &&
		[ -f "$src/tools/testing/selftests/kvm/include/x86/mmu_roots_library.h" ] &&
		[ ! -e "$src/tools/testing/selftests/kvm/x86_64" ]
	result $? "the tests are where the tree has its own"
	attempt install_into
	says "again, refreshes the tests" 0 "the series is in .* already"
}

# Without what that library has for devices of VFIO: headers of drivers, which the source
# prepared here is without, and libuuid.
test_harness()
{
	mkdir -p "$src/usr"
	cp -a "$base/linux/usr/include" "$src/usr/"
	kvm=$src/tools/testing/selftests/kvm
	attempt make -s -C "$kvm" OUTPUT="$kvm" LIBVFIO_O= LDLIBS=-ldl "$kvm/x86/mmu_root_reuse_test"
	result "$status" "the tree's own makefiles build them"
	[ "$status" -eq 0 ] || tail -n 5 "$tmp/err" | sed 's/^/# /'
	! grep 'mmu_root.*warning:' "$tmp/err"
	result $? "without a warning"
	attempt "$kvm/x86/mmu_root_reuse_test" -l
	# Newer ones want KVM even to list their cases.
	says "they use the kselftest harness" 4 "^(path  *null_exit  *exact_counts|1..0 # SKIP - Cannot open '/dev/kvm')"
}

make_git_tree
test_told
test_install
test_harness
plan_done
