#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build KVM's modules with the series: tree.sh [CONFIG]
# For Debian's newest image, or for a small kernel of our own, see scripts/kconfig-*.
# Prints the folder: linux/ (patched source), modules/, boot/, release.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

NEED_MIB=1500

build() {
	need_space "$CACHE" "$NEED_MIB"
	rm -rf "$tree"
	mkdir -p "$tree"
	at_exit "[ -e '$tree/done' ] || rm -rf '$tree/linux'"
	say "building KVM with the series"
	cp -a "$base/linux" "$tree/linux"
	"$top/scripts/apply-series.sh" "$tree/linux"
	step "$tree/modules.log" "building KVM's modules" "$top/scripts/kmake.sh" \
		"$tree/linux" "$(cat "$base/release")" M=arch/x86/kvm modules
	cp -r "$base/modules" "$base/boot" "$base/release" "$tree/"
	"$top/scripts/strip-modules.sh" "$tree/linux/arch/x86/kvm" "$tree/modules"
	touch "$tree/done"
}

if [ -n "${1:-}" ]; then
	capture base "$top/scripts/small-kernel.sh" "$1"
else
	capture base "$top/scripts/kernel.sh"
fi
key=$(cd "$SERIES_DIR" && {
	[ -z "${1:-}" ] || echo "$base"
	cat "$base/release"
	hash_files series $(ls ./*/*.patch)
	cat "$top/scripts/strip-modules.sh"
} | sha256sum | cut -c1-16)
tree=$CACHE/trees/$key
lock "tree-$key"
[ -e "$tree/done" ] || build
echo "$tree"
