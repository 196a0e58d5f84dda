#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Make an initramfs of a payload, see payload.sh: initramfs.sh PAYLOAD OUT [KCONFIG]
# KCONFIG is the configuration of the kernel that unpacks the initramfs.  PACK is the command that
# packs it; the default is the one with the smallest result that this kernel can unpack.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# The programs are static and contain the same libraries.  With a window larger than one program, the
# initramfs has a third of the size, and an emulator has less to unpack.
WINDOW_BITS=24

payload=$1 out=$2 kconfig=${3:-}
pack='gzip -1'
! grep -qsx CONFIG_RD_ZSTD=y "$kconfig" || pack="zstd -q -3 --long=$WINDOW_BITS"
pack=${PACK:-$pack}
dir=$(mktemp -d "$BUILD/initramfs.XXXXXX")
at_exit "rm -rf '$dir'"

# libraries PROGRAM...: print the shared libraries that the programs need, and their loader.
libraries() {
	for program in "$@"; do
		ldd "$program" 2>/dev/null || :
	done | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p' | LC_ALL=C sort -u
}

mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/sys" "$dir/tmp" "$dir/tests"
cp "$top/beds/init" "$dir/init"
cp -rL "$top/beds/payload.sh" "$payload/lanes" "$dir/"
[ ! -e "$payload/known" ] || cp -L "$payload/known" "$dir/"
cp "$(command -v busybox)" "$payload/rootrun" "$dir/bin/"
for set in "$payload"/modules/*; do
	mkdir -p "$dir/modules/$(basename "$set")"
	cp "$set"/*.ko "$dir/modules/$(basename "$set")/"
	[ ! -e "$set/tests" ] || cp "$set/tests" "$dir/modules/$(basename "$set")/"
done
cp -rL "$payload/tests"/* "$dir/tests/"
# If rootrun is static, so are all tests: link_flags() is the same for all programs.
for library in $(! ldd "$dir/bin/rootrun" >/dev/null 2>&1 || libraries "$dir/bin/rootrun" "$dir/tests"/*); do
	mkdir -p "$dir/${library%/*}"
	cp -L "$library" "$dir/$library"
done
chmod 755 "$dir/init"
(cd "$dir" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | $pack) >"$out"
