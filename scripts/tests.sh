#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build our selftests against a tree: tests.sh TREE [all]
# Prints the folder: bin/ (our tests, static) and kernel/ (the selftests' tree).
#
# With "all", stop short of building: the tree is for "make -C ... TARGETS=kvm".
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

OVERLAY=$top/tools/testing/selftests
SELFTESTS=tools/testing/selftests
# What kvm's selftests need of the kernel tree beside themselves.
NEEDED='scripts usr tools/lib tools/include tools/arch tools/build tools/scripts'

overlay_files() {
	cd "$OVERLAY" && find kvm -type f | LC_ALL=C sort
}

# The selftests are copied, as two runs may have different versions of them.
prepare() {
	rm -rf "$dir"
	mkdir -p "$dir/kernel/$SELFTESTS" "$dir/bin"
	for path in $NEEDED; do
		ln -s "$linux/$path" "$dir/kernel/$path"
	done
	cp -a "$linux/$SELFTESTS"/*.h "$linux/$SELFTESTS"/*.mk "$linux/$SELFTESTS"/Makefile \
		"$linux/$SELFTESTS/kvm" "$linux/$SELFTESTS/rseq" "$linux/$SELFTESTS/kselftest" \
		"$dir/kernel/$SELFTESTS/"
	cp "$linux/$SELFTESTS"/*.sh "$dir/kernel/$SELFTESTS/" 2>/dev/null || :
	cp -r "$OVERLAY/kvm" "$dir/kernel/$SELFTESTS/"
	touch "$dir/prepared"
}

build() {
	tests=$(cd "$dir/kernel/$SELFTESTS/kvm" && ls x86_64/mmu_root_*_test.c)
	[ -n "$tests" ] || die "no tests: $OVERLAY/kvm/x86_64/mmu_root_*_test.c"
	targets=
	for test in $tests; do
		targets="$targets $dir/kernel/$SELFTESTS/kvm/${test%.c}"
	done
	# Relative paths in the kernel's makefiles: OUTPUT has to be absolute.
	step "$dir/tests.log" "building the selftests" env LDFLAGS=-static \
		CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$dir" CCACHE_NOHASHDIR=1 \
		make -C "$dir/kernel/$SELFTESTS/kvm" -j"$JOBS" CC='ccache gcc' \
		OUTPUT="$dir/kernel/$SELFTESTS/kvm" $targets
	for target in $targets; do
		strip -o "$dir/bin/$(basename "$target")" "$target"
	done
	touch "$dir/done"
}

tree=$1
linux=$tree/linux
key=$(cd "$OVERLAY" && { echo "$tree" && hash_files $(overlay_files); } | sha256sum | cut -c1-16)
dir=$CACHE/tests/$key
lock "tests-$key"
[ -e "$dir/prepared" ] || prepare
[ "${2:-}" = all ] || [ -e "$dir/done" ] || build
echo "$dir"
