#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Extract the vmlinux from a bzImage: unpack-kernel.sh BZIMAGE OUT
# Bochs would take longer to decompress it than for the rest of a boot.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# number_at OFFSET SIZE: print a number of the image.
number_at() {
	od -A n -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '
}

is_elf() {
	[ "$(head -c 4 "$1" | tr -d '\177')" = ELF ]
}

image=$1 out=$2
at_exit "rm -f '$out.$$' '$out.$$.packed'"
# Fields of the boot protocol: magic, setup_sects, payload_offset and payload_length.
[ "$(tail -c +515 "$image" | head -c 4 | tr -d '\0')" = HdrS ] || die "'$image' is no bzImage"
start=$((($(number_at 497 1) + 1) * 512 + $(number_at 584 4)))
tail -c +$((start + 1)) "$image" | head -c "$(number_at 588 4)" >"$out.$$.packed"
# The programs warn because the size of the kernel follows the compressed data.
for unpack in zstd gzip xz lz4 lzop lzma bzip2; do
	"$unpack" -dc <"$out.$$.packed" >"$out.$$" 2>/dev/null || :
	! is_elf "$out.$$" || break
done
is_elf "$out.$$" ||
	die "cannot unpack '$image': install what its CONFIG_KERNEL_* needs: zstd gzip xz lz4 lzop bzip2"
mv "$out.$$" "$out"
