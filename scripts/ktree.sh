#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build a copy of a user's kernel tree with the series: ktree.sh [CONFIG]
# KERNEL_SRC=/path/to/linux.  The kernel's configuration is KCONFIG=/path/to/config, or else
# scripts/kconfig-small, to which CONFIG adds scripts/kconfig-CONFIG.  Prints a folder like
# that of tree.sh.
#
# KERNEL_TARGET is the release of the running kernel, for which only KVM's modules are built; or
# "none" if the running kernel has the counters, and only the headers for the tests are needed.
#
# With DEBIAN_VERSION and without KCONFIG, the tree must be Debian's source of that version, and
# may differ from it in KVM only.  Then only KVM's modules are built, for Debian's kernel, which
# takes a minute instead of ten.  Without DEBIAN_VERSION, nothing of Debian's is needed.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/kernel-src.sh"
. "$top/scripts/kconfig.sh"

NEED_MIB=6000

# The files that may differ from Debian's source if KVM's modules are built for Debian's image: nothing
# else in the kernel is built from them.
KVM_ONLY='^(arch/x86/kvm/|virt/kvm/|tools/testing/selftests/|Documentation/|arch/x86/include/asm/kvm_host\.h|arch/x86/include/asm/kvm-x86-ops\.h)'

# identity: print a hash of the tree's content: of its commit, or of the names, sizes and times of files.
identity() {
	if is_git_tree "$src"; then
		git -C "$src" rev-parse 'HEAD^{tree}'
	else
		(cd "$src" && find . -type f ! -name '*.o' ! -name '*.cmd' -printf '%P %s %T@\n') |
			LC_ALL=C sort | sha256sum
	fi
}

copy() {
	mkdir -p "$1"
	if is_git_tree "$src"; then
		git -C "$src" archive HEAD | tar -x -C "$1"
	else
		cp -a "$src/." "$1/"
		[ ! -e "$1/.config" ] || make -s -C "$1" mrproper
	fi
}

apply() {
	if [ -z "$patches" ]; then
		say "  the series is in the tree already"
	else
		"$top/scripts/apply-series.sh" "$1" $patches
	fi
}

# Die if a file of Debian's source differs in the tree, except those of KVM.  Files that only the tree
# has do not matter, as nothing is built from them.
check_debian_but_for_kvm() {
	capture base "$top/scripts/kernel.sh"
	version=$(basename "$base")
	deb=$(source_deb "$version")
	[ -r "$deb" ] || die "$deb is gone, so nothing can be compared with it: make clean-cache"
	ln -sfn "$tree/copy" "$tree/$SOURCE_PACKAGE"
	say "  comparing with Debian's source"
	run sh -c "dpkg-deb --fsys-tarfile '$deb' | tar -xO --wildcards '*/linux-source-*.tar.xz' |
		tar -C '$tree' -dJf - 2>/dev/null" >"$tree/compare" || :
	rm -f "$tree/$SOURCE_PACKAGE"
	differs=$(sed -n "s,^$SOURCE_PACKAGE/\(.*\): \(Contents\|Size\).*,\1,p" "$tree/compare" |
		grep -vE "$KVM_ONLY" | head -n 1)
	[ -s "$tree/compare" ] && [ -z "$differs" ] ||
		die "KERNEL_SRC is not Debian's source of $version but for KVM${differs:+, see $differs}: leave DEBIAN_VERSION out"
}

build_modules() {
	say "building KVM's modules for Debian's kernel"
	cp -a "$base/linux" "$tree/linux"
	for dir in arch/x86/kvm virt/kvm arch/x86/include/asm tools/testing/selftests; do
		cp -a "$tree/copy/$dir/." "$tree/linux/$dir/"
	done
	step "$tree/modules.log" "building KVM's modules" "$top/scripts/kmake.sh" \
		"$tree/linux" "$(cat "$base/release")" M=arch/x86/kvm modules
	cp -r "$base/modules" "$base/boot" "$base/release" "$tree/"
}

# The options that the bed and KVM's modules need.
NEEDED_OPTIONS='MODULES=y VIRTIO_CONSOLE=y VIRTIO_PCI=y DEBUG_FS=y SERIAL_8250_CONSOLE=y
	BLK_DEV_INITRD=y KVM=m KVM_AMD=m'

configure() {
	if [ -n "${KCONFIG:-}" ]; then
		cp "$KCONFIG" "$tree/linux/.config" || die "KCONFIG=$KCONFIG: cannot be read"
		step "$tree/config.log" "configuring with $KCONFIG" \
			"$top/scripts/kmake.sh" "$tree/linux" "" olddefconfig
	else
		configure_small "$tree/linux" "$tree/config.log" "$config"
	fi
	needed=$NEEDED_OPTIONS
	# kconfig-CONFIG is for emulated AMD CPUs only, and has no KVM_INTEL.
	[ -n "$config" ] || needed="$needed KVM_INTEL=m"
	for option in $needed; do
		grep -q "^CONFIG_$option" "$tree/linux/.config" ||
			die "the configuration lacks CONFIG_$option: give one that has it with KCONFIG="
	done
}

build_kernel() {
	say "building a kernel from KERNEL_SRC"
	mv "$tree/copy" "$tree/linux"
	configure
	step "$tree/kernel.log" "building the kernel" \
		"$top/scripts/kmake.sh" "$tree/linux" "" bzImage modules headers
	mkdir -p "$tree/boot" "$tree/modules"
	cp "$tree/linux/arch/x86/boot/bzImage" "$tree/boot/vmlinuz"
	unpack_kernel "$tree/boot"
	make -s -C "$tree/linux" kernelrelease >"$tree/release"
	find "$tree/linux" -name irqbypass.ko -exec cp {} "$tree/modules/" \;
	find "$tree/linux" -name ccp.ko -exec cp {} "$tree/modules/" \;
}

# build_for_target: use the configuration of the running kernel, and the versions of its symbols.
build_for_target() {
	say "building KVM's modules for the running kernel, $KERNEL_TARGET"
	mv "$tree/copy" "$tree/linux"
	installed=/lib/modules/$KERNEL_TARGET/build
	for file in "${KCONFIG:-}" "$installed/.config" "/boot/config-$KERNEL_TARGET"; do
		[ ! -r "$file" ] || { cp "$file" "$tree/linux/.config"; break; }
	done
	[ -r "$tree/linux/.config" ] ||
		die "no configuration of $KERNEL_TARGET: give it with KCONFIG=, or install the kernel's headers"
	step "$tree/prepare.log" "preparing to build modules" "$top/scripts/kmake.sh" \
		"$tree/linux" "$KERNEL_TARGET" olddefconfig modules_prepare headers
	cp "$installed/Module.symvers" "$tree/linux/" 2>/dev/null ||
		! grep -q '^CONFIG_MODVERSIONS=y' "$tree/linux/.config" ||
		die "no Module.symvers of $KERNEL_TARGET: install the kernel's headers, which have it"
	step "$tree/modules.log" "building KVM's modules" "$top/scripts/kmake.sh" \
		"$tree/linux" "$KERNEL_TARGET" KBUILD_MODPOST_WARN=1 M=arch/x86/kvm modules
	mkdir -p "$tree/modules"
	echo "$KERNEL_TARGET" >"$tree/release"
}

build_headers() {
	mv "$tree/copy" "$tree/linux"
	configure
	step "$tree/headers.log" "preparing the headers" "$top/scripts/kmake.sh" "$tree/linux" "" headers
	mkdir -p "$tree/modules"
}

build() {
	need_space "$CACHE" "$NEED_MIB"
	rm -rf "$tree"
	mkdir -p "$tree"
	at_exit "[ -e '$tree/done' ] || rm -rf '$tree/linux' '$tree/copy'"
	say "copying $KERNEL_SRC"
	copy "$tree/copy"
	apply "$tree/copy"
	if [ "${KERNEL_TARGET:-}" = none ]; then
		build_headers
	elif [ -n "${KERNEL_TARGET:-}" ]; then
		build_for_target
	elif [ -n "${DEBIAN_VERSION:-}" ] && [ -z "${KCONFIG:-}$config" ]; then
		check_debian_but_for_kvm
		build_modules
	else
		build_kernel
	fi
	rm -rf "$tree/copy"
	[ "${KERNEL_TARGET:-}" = none ] || "$top/scripts/strip-modules.sh" "$tree/linux/arch/x86/kvm" "$tree/modules"
	touch "$tree/done"
}

config=${1:-}
[ -z "$config" ] || [ -z "${KCONFIG:-}" ] ||
	die "KCONFIG and the kernel '$config' do not go together: choose one"
check_kernel_src "$KERNEL_SRC"
files=$(kconfig_files "$config") || exit
src=$(cd "$KERNEL_SRC" && pwd -P)
choose_series "$src"
. "$top/scripts/debian.sh"
key=$({
	identity
	[ -z "$patches" ] || cat $patches
	cat "$top/scripts/strip-modules.sh"
	cat $files ${KCONFIG:+"$KCONFIG"}
	echo "$KERNEL ${KERNEL_TARGET:-} ${DEBIAN_VERSION:-}"
} | sha256sum | cut -c1-16)
tree=$CACHE/trees/src-$key
lock "tree-src-$key"
[ -e "$tree/done" ] || build
echo "$tree"
