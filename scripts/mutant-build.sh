#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build the modules of one mutant: mutant-build.sh PATCH TREE
# Prints the folder of the modules.  Builds are cached, keyed by content.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

patch=$1 tree=$2
name=$(basename "$patch" .patch)

# code_of PATCH: print the patch without its changelog: only the judge reads it, so a change in it needs
# no new build.
code_of() {
	sed -n '/^diff --git/,$p' "$1"
}

# build: all mutants share one tree, so that make rebuilds only what a mutant touches.
build() {
	work=$tree/mutants
	if [ ! -e "$work/clean" ]; then
		rm -rf "$work"
		mkdir -p "$work"
		cp -a "$tree/linux" "$work/linux"
	fi
	# If we die before the mutant is reverted, the next build copies the tree again.
	rm -f "$work/clean"
	rm -rf "$modules"
	mkdir -p "$modules"
	"$top/scripts/apply-series.sh" "$work/linux" "$patch"
	step "$modules.log" "building mutant $name" "$top/scripts/kmake.sh" \
		"$work/linux" "$(cat "$tree/release")" M=arch/x86/kvm modules
	cp "$tree/modules"/*.ko "$modules/"
	"$top/scripts/strip-modules.sh" "$work/linux/arch/x86/kvm" "$modules"
	patch -d "$work/linux" -p1 -s -R <"$patch"
	touch "$work/clean" "$modules/done"
}

modules=$CACHE/mutants/$({ echo "$tree" && code_of "$patch"; } | sha256sum | cut -c1-16)
if [ ! -e "$modules/done" ]; then
	lock "mutants-$(basename "$tree")" quietly
	# Another run may have wanted the same mutant.
	[ -e "$modules/done" ] || build
fi
echo "$modules"
