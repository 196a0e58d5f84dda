# SPDX-License-Identifier: GPL-2.0
# Make a kernel developer's git tree, $src, from the prepared source $base of scripts/kernel.sh.
# Sourced after tests/tap.sh.

src=$tmp/linux
selftests=$base/linux/tools/testing/selftests/kvm
# The names of the folders and of the makefile in the tree's KVM selftests.
arch=x86_64 makefile=Makefile
[ ! -d "$selftests/x86" ] || arch=x86 makefile=Makefile.kvm

git_src()
{
	git -C "$src" -c user.name='A Developer' -c user.email=dev@example.org "$@"
}

install_into()
{
	env GIT_COMMITTER_NAME='A Developer' GIT_COMMITTER_EMAIL=dev@example.org \
		make -s install-into KERNEL_SRC="$src" "$@"
}

# make_git_tree: copy the source files that the series and the selftests need, but not those that
# the preparation has generated
make_git_tree()
{
	mkdir -p "$src"
	(cd "$base/linux" && find arch/x86/kvm virt/kvm arch/x86/include include scripts tools/include tools/arch \
		tools/build tools/lib tools/scripts tools/testing/selftests Makefile Kbuild Kconfig -type f \
		! -name '*.o' ! -name '*.cmd' ! -name '*.ko' -print0 | cpio -0 -pdm --quiet "$src")
	git_src init -q
	# A gc in the background might run longer than the test.
	git_src config gc.auto 0
	git_src add -A -f
	git_src commit -qm 'A kernel tree'
}

# harness_builds TEST...: test that the kernel's own makefiles build these tests in the tree.  libvfio
# of newer selftest libraries is left out: it needs libuuid, and headers of drivers, which the prepared
# source lacks.
harness_builds()
{
	mkdir -p "$src/usr"
	cp -a "$base/linux/usr/include" "$src/usr/"
	kvm=$src/tools/testing/selftests/kvm
	attempt make -s -C "$kvm" OUTPUT="$kvm" LIBVFIO_O= LDLIBS=-ldl $(printf "$kvm/$arch/%s " "$@")
	result "$status" "the tree's own makefiles build the tests"
	[ "$status" -eq 0 ] || tail -n 5 "$tmp/err" | sed 's/^/# /'
	! grep 'mmu_root.*warning:' "$tmp/err"
	result $? "without a warning"
	attempt "$kvm/$arch/$1" -l
	says "they use the kselftest harness" 4 "^path  *null_exit  *exact_counts"
}
