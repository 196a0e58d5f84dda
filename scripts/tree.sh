#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build KVM's modules with the series: tree.sh [CONFIG]
# The modules are for Debian's newest image; with CONFIG, for our own small kernel of
# scripts/kconfig-CONFIG.  STOCK=1 leaves the series out.
# Prints the folder: linux/ (patched source), modules/, boot/, release.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

NEED_MIB=1500

# Options that describe the compiler may differ from Debian's: they choose between ways to write the
# same code.
OF_COMPILER='^(CC|GCC|CLANG|AS|LD)_'

# check_config: die if KVM's source depends on an option that differs from Debian's, as a struct that
# KVM and the image share might then have another layout.  Kbuild records each option that a source or a
# header tests in the .cmd files.
check_config() {
	differs=$base/config.differs
	[ -s "$differs" ] || return 0
	find "$tree/linux/arch/x86/kvm" "$tree/linux/virt" -name '.*.cmd' -exec grep -oh 'include/config/[A-Za-z0-9_]*' {} + |
		sed 's|.*/||' | LC_ALL=C sort -u | LC_ALL=C comm -12 - "$differs" | grep -Ev "$OF_COMPILER" >"$tree/config.used" || return 0
	die "this machine cannot build modules for Debian's kernel: they depend on CONFIG_$(head -n 1 "$tree/config.used"), which it cannot set as Debian has it, see $base/config.debian"
}

build() {
	need_space "$CACHE" "$NEED_MIB"
	rm -rf "$tree"
	mkdir -p "$tree"
	at_exit "[ -e '$tree/done' ] || rm -rf '$tree/linux'"
	what='with the series'
	[ -z "${STOCK:-}" ] || what='without the series'
	cp -a "$base/linux" "$tree/linux"
	[ -n "${STOCK:-}" ] || "$top/scripts/apply-series.sh" "$tree/linux"
	step "$tree/modules.log" "building KVM's modules $what" "$top/scripts/kmake.sh" \
		"$tree/linux" "$(cat "$base/release")" M=arch/x86/kvm modules
	check_config
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
	[ -z "${1:-}${STOCK:-}" ] || echo "$base ${STOCK:-}"
	cat "$base/release"
	hash_files series $(find . -name '*.patch' ! -path './mutants/*' | LC_ALL=C sort)
	cat "$top/scripts/strip-modules.sh"
} | sha256sum | cut -c1-16)
tree=$CACHE/trees/$key
lock "tree-$key"
[ -e "$tree/done" ] || build
echo "$tree"
