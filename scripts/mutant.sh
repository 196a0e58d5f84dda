#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build one mutant, and run the suite on it: mutant.sh PATCH TREE TESTS OUT
# Writes the path of the results file to OUT.  Modules and results are kept, keyed by content.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

patch=$1 tree=$2 tests=$3 out=$4
name=$(basename "$patch" .patch)

# The changelog is for the judge, and no reason to build or run anything again.
code_of() {
	sed -n '/^diff --git/,$p' "$1"
}

# One tree for all mutants; only what a mutant touches is rebuilt.
build() {
	work=$tree/mutants
	lock "mutants-$(basename "$tree")"
	if [ ! -e "$work/clean" ]; then
		rm -rf "$work"
		mkdir -p "$work"
		cp -a "$tree/linux" "$work/linux"
	fi
	# Until it is clean again, the tree is not to be trusted.
	rm -f "$work/clean"
	rm -rf "$modules"
	mkdir -p "$modules"
	"$top/scripts/apply-series.sh" "$work/linux" "$patch"
	step "$modules.log" "building mutant $name" "$top/scripts/kmake.sh" \
		"$work/linux" "$(cat "$tree/release")" M=arch/x86/kvm modules
	cp "$tree/modules"/*.ko "$modules/"
	for module in kvm kvm-amd kvm-intel; do
		strip -d -o "$modules/$module.ko" "$work/linux/arch/x86/kvm/$module.ko"
	done
	patch -d "$work/linux" -p1 -s -R <"$patch"
	touch "$work/clean" "$modules/done"
	unlock
}

modules=$CACHE/mutants/$({ echo "$tree" && code_of "$patch"; } | sha256sum | cut -c1-16)

# Another run may want the same mutant; it finds what we leave.
mkdir -p "$CACHE/locks"
exec 8>"$CACHE/locks/mutant-$(basename "$modules")"
flock 8
[ -e "$modules/done" ] || build

runner=$(cd "$top" && hash_files runner/*.[ch] beds/init beds/*/run scripts/lane.sh scripts/initramfs.sh)
results=$modules/$(echo "$tests $runner ${BED:-}" | sha256sum | cut -c1-16)
if [ ! -e "$results/done" ]; then
	rm -rf "$results"
	mkdir -p "$results"
	# A mutant that kills the bed has no end of results, which the judge sees,
	# and which is not kept: it might have been something else.
	run "$top/scripts/lane.sh" suite "$tree" "$modules" "$tests/bin" "$results" "$name" || :
	! grep -qs '"type":"end"' "$results/suite.jsonl" || touch "$results/done"
fi
echo "$results/suite.jsonl" >"$out"
