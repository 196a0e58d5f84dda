#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build a small kernel of our own from Debian's source, without the series:
# small-kernel.sh CONFIG
# Prints the folder: linux/ (to build KVM's modules in), boot/, modules/, release.
#
# This script does not build KVM, so a change of the series does not rebuild the kernel.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/kconfig.sh"
. "$top/scripts/debian.sh"

NEED_MIB=4000

# unpack: leave out large parts of the source that are not built.  Kconfig files and headers are needed.
unpack() {
	step "$base/unpack.log" "unpacking Debian's source" "$top/scripts/unpack-source.sh" \
		"$(source_deb "$(basename "$debian")")" "$base/linux" \
		--exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/net/*.[ch]' \
		--exclude='*/drivers/media/*.[ch]' --exclude='*/sound/*.[ch]' \
		--exclude='*/arch/[!x]*/*.[chSd]*' --exclude='*/Documentation/*.rst' \
		--exclude='*/Documentation/devicetree/*'
}

# prune: remove what is not needed anymore: KVM's modules only need headers, and tests need tools/.
prune() {
	find "$base/linux" -path "$base/linux/scripts" -prune -o \
		-path "$base/linux/tools" -prune -o \
		\( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '.*.cmd' \
			-o -name 'vmlinux*' -o -name '.tmp_vmlinux*' \) \
		-type f -exec rm -f {} +
	for dir in drivers fs net sound; do
		find "$base/linux/$dir" -name '*.[chS]' -delete
	done
}

build() {
	need_space "$CACHE" "$NEED_MIB"
	rm -rf "$base"
	mkdir -p "$base/boot" "$base/modules"
	at_exit "[ -e '$base/done' ] || rm -rf '$base/linux'"
	say "building a small kernel, $config, from Debian's source: once"
	unpack
	configure_small "$base/linux" "$base/config.log" "$config"
	step "$base/kernel.log" "building the kernel" "$top/scripts/kmake.sh" \
		"$base/linux" "" bzImage modules_prepare headers
	step "$base/irqbypass.log" "building irqbypass" "$top/scripts/kmake.sh" \
		"$base/linux" "" virt/lib/irqbypass.ko
	cp "$base/linux/arch/x86/boot/bzImage" "$base/boot/vmlinuz"
	unpack_kernel "$base/boot"
	strip -d -o "$base/modules/irqbypass.ko" "$base/linux/virt/lib/irqbypass.ko"
	make -s -C "$base/linux" kernelrelease >"$base/release"
	prune
	touch "$base/done"
}

config=$1
files=$(kconfig_files "$config") || exit
capture debian "$top/scripts/kernel.sh"
base=$CACHE/base/$(basename "$debian")-$config-$(cat $files | sha256sum | cut -c1-16)
lock "base-$config"
[ -e "$base/done" ] || build
echo "$base"
