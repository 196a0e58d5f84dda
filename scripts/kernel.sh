#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Download Debian's packages of the kernel KERNEL, and prepare its source to build modules for its
# image: kernel.sh [--exists]
# Prints the folder: linux/ (source), boot/ and modules/ (from the image), release.
#
# The version is the newest for which Debian has the image, the headers and the source;
# DEBIAN_VERSION=6.12.115-2~deb12u1 asks for another one.  With --exists, the script only checks that
# there is such a version.
#
# patches/linux-KERNEL/kernel says which suite has the packages.  If this machine's apt does not know
# the suite, apt runs with a configuration of our own, in the cache; the system's does not change.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/debian.sh"

NEED_MIB=4000
# KVM's modules and those that they need.  No others are unpacked from the image.
IMAGE_MODULES='irqbypass ccp kvm kvm-amd kvm-intel'

unpack_image() {
	mkdir -p "$base/image" "$base/boot" "$base/modules"
	dpkg-deb --fsys-tarfile "$(deb "$image" "$version")" | tar -C "$base/image" -x --wildcards \
		--no-wildcards-match-slash './boot/vmlinuz-*' './usr/lib/modules/*/vmlinuz' 2>/dev/null || :
	mv "$(find "$base/image" -name 'vmlinuz*')" "$base/boot/vmlinuz"
	unpack_kernel "$base/boot"
	dpkg-deb --fsys-tarfile "$(deb "$modules" "$version")" |
		tar -C "$base/image" -x --wildcards $(printf -- "*/%s.ko* " $IMAGE_MODULES)
	find "$base/image" -path '*/lib/modules/*' -name 'kvm.ko*' | sed 's|.*/lib/modules/\([^/]*\)/.*|\1|' >"$base/release"
	find "$base/image" -name '*.ko*' | while read -r module; do
		out=$base/modules/$(basename "$module" | sed 's/\.ko.*//').ko
		decompress "$module" >"$out"
	done
	rm -rf "$base/image"
}

# unpack_source: leave out sources of drivers and the like, which take most of the space.  A build of
# KVM's modules does not need them, but it needs all Kconfig files and headers.
unpack_source() {
	step "$base/unpack.log" "unpacking $SOURCE_PACKAGE $version" "$top/scripts/unpack-source.sh" \
		"$(source_deb "$version")" "$base/linux" \
		--exclude="$SOURCE_PACKAGE/drivers/*.[chS]" --exclude="$SOURCE_PACKAGE/sound/*.[ch]" \
		--exclude="$SOURCE_PACKAGE/net/*.c" --exclude="$SOURCE_PACKAGE/fs/*.c" \
		--exclude="$SOURCE_PACKAGE/crypto/*.c" \
		--exclude='*/arch/[!x]*/*.[chSd]*' --exclude='*/Documentation/*.rst' \
		--exclude='*/Documentation/devicetree/*'
}

# unpack_headers: take the configuration, and Module.symvers, which has the version of each symbol that
# the image exports.
unpack_headers() {
	mkdir -p "$base/headers"
	dpkg-deb --fsys-tarfile "$(deb "$headers" "$version")" | tar -C "$base/headers" -x --wildcards \
		'*/linux-headers-*-amd64/.config' '*/linux-headers-*-amd64/Module.symvers'
	find "$base/headers" -type f -name .config -exec cp {} "$base/linux/" \;
	find "$base/headers" -type f -name Module.symvers -exec cp {} "$base/linux/" \;
	rm -rf "$base/headers"
}

# differences: print the options that differ from Debian's, one per line: with another compiler or an
# older pahole, Kconfig chooses other values.  tree.sh checks whether KVM uses one of them.
differences() {
	diff "$base/config.debian" "$base/linux/.config" |
		sed -n 's/^[<>] \(# \)\{0,1\}CONFIG_\([A-Za-z0-9_]*\).*/\2/p' | LC_ALL=C sort -u
}

prepare() {
	need_space "$CACHE" "$NEED_MIB"
	rm -rf "$base"
	mkdir -p "$base"
	fetch "$base/download.log" "$version" "$image" "$modules" "$headers" "$SOURCE_PACKAGE"
	unpack_image
	unpack_source
	unpack_headers
	cp "$base/linux/.config" "$base/config.debian"
	step "$base/prepare.log" "preparing to build modules" \
		"$top/scripts/kmake.sh" "$base/linux" "$(cat "$base/release")" \
		olddefconfig modules_prepare headers
	differences >"$base/config.differs"
	touch "$base/done"
}

need_space "$CACHE/base" 1
resolve
[ "${1:-}" != --exists ] || exit 0
set -- $packages
version=$1 image=$2 modules=$3 headers=$4
base=$CACHE/base/$version
lock base
[ -e "$base/done" ] || prepare
echo "$base"
