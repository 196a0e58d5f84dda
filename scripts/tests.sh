#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build our selftests against a tree: tests.sh TREE [all|upstream]
# Prints the folder: bin/ (our tests) and kernel/ (the selftests' tree).
#
# With "all", stop short of building: the tree is for "make -C ... TARGETS=kvm".
# With "upstream", the kernel's own tests are in upstream/.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

OVERLAY=$top/tools/testing/selftests
SELFTESTS=tools/testing/selftests
FAST='-ftree-vectorize -fvect-cost-model=dynamic'
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
	# Devices of VFIO, which newer libraries can drive, are for none of our tests, and take
	# headers of drivers and libuuid.
	[ "$mode" = all ] || {
		mkdir -p "$dir/kernel/$SELFTESTS/vfio/lib"
		: >"$dir/kernel/$SELFTESTS/vfio/lib/libvfio.mk"
	}
	for path in "$linux/$SELFTESTS"/*/; do
		[ -e "$dir/kernel/$SELFTESTS/$(basename "$path")" ] || ln -s "${path%/}" "$dir/kernel/$SELFTESTS/"
	done
	cp "$linux/$SELFTESTS"/*.sh "$dir/kernel/$SELFTESTS/" 2>/dev/null || :
	"$top/scripts/overlay.sh" "$dir/kernel/$SELFTESTS"
	touch "$dir/prepared"
}

# Relative paths in the kernel's makefiles: OUTPUT has to be absolute.
make_tests() {
	log=$1 what=$2
	shift 2
	ccache_for "$dir"
	step "$log" "$what" env LDFLAGS="$link" make -C "$dir/kernel/$SELFTESTS/kvm" -j"$JOBS" CC='ccache gcc' \
		OUTPUT="$dir/kernel/$SELFTESTS/kvm" "$@"
}

# It clears what each VM is made of, a byte at a time: a quarter of what a case executes.
build_memset() {
	make_tests "$dir/string.log" "building the selftests' memset()" EXTRA_CFLAGS="$FAST" \
		"$dir/kernel/$SELFTESTS/kvm/lib/string_override.o"
}

build() {
	tests=$(cd "$dir/kernel/$SELFTESTS/kvm" && ls x86*/mmu_root_*_test.c)
	[ -n "$tests" ] || die "no tests: $OVERLAY/kvm/x86/mmu_root_*_test.c"
	targets=
	for test in $tests; do
		targets="$targets $dir/kernel/$SELFTESTS/kvm/${test%.c}"
	done
	build_memset
	make_tests "$dir/tests.log" "building the selftests" $targets
	for target in $targets; do
		strip -o "$dir/bin/$(basename "$target")" "$target"
	done
	touch "$dir/done"
}

# Programs of the kernel's, but not those that scripts drive.
build_upstream() {
	build_memset
	make_tests "$dir/upstream.log" "building the kernel's own selftests" all
	rm -rf "$dir/upstream"
	mkdir -p "$dir/upstream"
	for program in $(cd "$dir/kernel/$SELFTESTS/kvm" &&
		find . -maxdepth 2 -type f -perm -u+x ! -name '*.*' ! -name 'mmu_root_*' ! -name nx_huge_pages_test); do
		strip -o "$dir/upstream/$(basename "$program")" "$dir/kernel/$SELFTESTS/kvm/$program"
	done
	touch "$dir/upstream/.done"
}

tree=$1
linux=$tree/linux
link=$(link_flags)
mode=${2:-}
key=$(cd "$OVERLAY" && { echo "$tree $FAST $link ${mode%upstream}" && hash_files $(overlay_files) "$top/scripts/overlay.sh" "$top/scripts/tests.sh"; } | sha256sum | cut -c1-16)
dir=$CACHE/tests/$key
lock "tests-$key"
[ -e "$dir/prepared" ] || prepare
case $mode in
all) ;;
upstream) [ -e "$dir/upstream/.done" ] || build_upstream ;;
*) [ -e "$dir/done" ] || build ;;
esac
echo "$dir"
