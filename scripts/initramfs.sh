#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Make an initramfs: initramfs.sh OUT MODULES TESTS ROOTRUN KCONFIG <lane.conf
# MODULES is a folder of modules, with a file "tests" if not all are to be run, or
# of such folders, to be loaded one after the other; TESTS is a folder of static
# test programs; KCONFIG is the configuration of the kernel that is to unpack it.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# The programs are static, i.e. have most of themselves in common: a third of the size,
# if the window holds more than one of them, and less to unpack in an emulator.
WINDOW_BITS=24

out=$1 modules=$2 tests=$3 rootrun=$4 kconfig=$5
compress='gzip -1'
! grep -qsx CONFIG_RD_ZSTD=y "$kconfig" || compress="zstd -q -9 --long=$WINDOW_BITS"
dir=$(mktemp -d "$BUILD/initramfs.XXXXXX")
at_exit "rm -rf '$dir'"

mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/sys" "$dir/tmp" "$dir/modules" "$dir/tests"
cp "$top/beds/init" "$dir/init"
cp /bin/busybox "$rootrun" "$dir/bin/"
for set in "$modules" "$modules"/*/; do
	[ ! -e "$set/kvm.ko" ] || {
		mkdir -p "$dir/modules/$(basename "$set")"
		cp "$set"/*.ko "$dir/modules/$(basename "$set")/"
		[ ! -e "$set/tests" ] || cp "$set/tests" "$dir/modules/$(basename "$set")/"
	}
done
cp "$tests"/* "$dir/tests/"
cat >"$dir/lane.conf"
chmod 755 "$dir/init"
(cd "$dir" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | $compress) >"$out"
