#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build our selftests against a tree: tests.sh TREE [all|upstream]
# Prints the folder: bin/ (our tests) and kernel/ (the selftests' tree).
#
# With "all", only prepare the selftests' tree, for "make -C ... TARGETS=kvm".
# With "upstream", build only the kernel's own tests, into upstream/ of another folder.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

OVERLAY=$top/tools/testing/selftests
SELFTESTS=tools/testing/selftests
FAST='-ftree-vectorize -fvect-cost-model=dynamic'
SECTIONS='-ffunction-sections -fdata-sections'
# The folders of the kernel tree that KVM's selftests need.
NEEDED='scripts usr tools/lib tools/include tools/arch tools/build tools/scripts'

# overlay_files: print our files, which are not part of the kernel's own tests.
overlay_files() {
	[ "$mode" = upstream ] || (cd "$OVERLAY" && find kvm -type f | LC_ALL=C sort)
}

# leave_out_vfio: take the tests that drive VFIO devices out of the makefile: a bed has no such device, and
# libvfio is left out.
leave_out_vfio() {
	(cd "$dir/kernel/$SELFTESTS/kvm" && grep -l '<libvfio\.h>' ./*.c x86*/*.c || :) | while read -r source; do
		test=${source#./}
		sed -i "\\|^TEST_GEN_PROGS.* ${test%.c}\$|d" "$dir/kernel/$SELFTESTS/kvm"/Makefile*
	done
}

# prepare: copy the selftests, as two runs may have different versions of our tests.
prepare() {
	rm -rf "$dir"
	mkdir -p "$dir/kernel/$SELFTESTS" "$dir/bin"
	for path in $NEEDED; do
		ln -s "$linux/$path" "$dir/kernel/$path"
	done
	cp -a "$linux/$SELFTESTS"/*.h "$linux/$SELFTESTS"/*.mk "$linux/$SELFTESTS"/Makefile \
		"$linux/$SELFTESTS/kvm" "$linux/$SELFTESTS/rseq" "$linux/$SELFTESTS/kselftest" \
		"$dir/kernel/$SELFTESTS/"
	# Newer selftest libraries can drive VFIO devices.  None of our tests needs that, and it needs headers of
	# drivers and libuuid, so the makefile fragment of libvfio is left empty.
	[ "$mode" = all ] || {
		mkdir -p "$dir/kernel/$SELFTESTS/vfio/lib"
		: >"$dir/kernel/$SELFTESTS/vfio/lib/libvfio.mk"
	}
	for path in "$linux/$SELFTESTS"/*/; do
		[ -e "$dir/kernel/$SELFTESTS/$(basename "$path")" ] || ln -s "${path%/}" "$dir/kernel/$SELFTESTS/"
	done
	cp "$linux/$SELFTESTS"/*.sh "$dir/kernel/$SELFTESTS/" 2>/dev/null || :
	if [ "$mode" = upstream ]; then
		leave_out_vfio
	else
		"$top/scripts/overlay.sh" "$dir/kernel/$SELFTESTS"
	fi
	touch "$dir/prepared"
}

# make_kvm ARGUMENT...: OUTPUT must be absolute, as the kernel's makefiles have relative paths.
make_kvm() {
	env LDFLAGS="$link" make -C "$dir/kernel/$SELFTESTS/kvm" -j"$JOBS" CC='ccache gcc' \
		OUTPUT="$dir/kernel/$SELFTESTS/kvm" "$@"
}

# build_memset: build it with vectorization.  The selftests' memset() clears the memory of each VM one
# byte at a time, which is a quarter of what a case executes.
build_memset() {
	make_kvm EXTRA_CFLAGS="$FAST" "$dir/kernel/$SELFTESTS/kvm/lib/string_override.o"
}

# build_ucall: build it so that ucall() does not cross a page.  A guest leaves in the midst of it: if the rest were
# in another page, the first thing that a guest does after all is mapped would be to fault that page in.
build_ucall() {
	make_kvm EXTRA_CFLAGS="$SECTIONS -falign-functions=256" "$dir/kernel/$SELFTESTS/kvm/lib/ucall_common.o"
}

# make_all TARGET...: build them, after those objects of the library that have flags of their own.
make_all() {
	build_memset
	if [ "$mode" = upstream ]; then
		make_kvm "$@"
	else
		build_ucall
		make_kvm EXTRA_CFLAGS="$SECTIONS" "$@"
	fi
}

# make_tests LOG WHAT TARGET...: step() runs this script again with --make, as it can only run programs.
make_tests() {
	log=$1 what=$2
	shift 2
	ccache_for "$dir"
	step "$log" "$what" "$0" --make "$dir" "$mode" "$link" "$@"
}

build() {
	tests=$(cd "$dir/kernel/$SELFTESTS/kvm" && ls x86*/mmu_root_*_test.c)
	[ -n "$tests" ] || die "no tests: $OVERLAY/kvm/x86/mmu_root_*_test.c"
	targets=
	for test in $tests; do
		targets="$targets $dir/kernel/$SELFTESTS/kvm/${test%.c}"
	done
	gcc -O2 -Wall -c -o "$dir/populate.o" "$top/beds/populate.c"
	# Without what it does not use, a program is a fifth smaller, and each VM has a copy of it.
	link="$link -Wl,--gc-sections -Wl,--wrap=madvise $dir/populate.o"
	make_tests "$dir/tests.log" "building the selftests" $targets
	for target in $targets; do
		strip -o "$dir/bin/$(basename "$target")" "$target"
	done
	touch "$dir/done"
}

# build_upstream: build the kernel's own test programs, except those that are run by scripts.
build_upstream() {
	make_tests "$dir/upstream.log" "building the kernel's own selftests" all
	rm -rf "$dir/upstream"
	mkdir -p "$dir/upstream"
	for program in $(cd "$dir/kernel/$SELFTESTS/kvm" &&
		find . -maxdepth 2 -type f -perm -u+x ! -name '*.*' ! -name nx_huge_pages_test); do
		strip -o "$dir/upstream/$(basename "$program")" "$dir/kernel/$SELFTESTS/kvm/$program"
	done
	touch "$dir/upstream/.done"
}

if [ "$1" = --make ]; then
	dir=$2 mode=$3 link=$4
	shift 4
	make_all "$@"
	exit
fi

tree=$1
linux=$tree/linux
link=$(link_flags)
mode=${2:-}
key=$(cd "$OVERLAY" && { echo "$tree $FAST $link $mode" && hash_files $(overlay_files) "$top/scripts/overlay.sh" "$top/scripts/tests.sh" "$top/beds/populate.c"; } | sha256sum | cut -c1-16)
dir=$CACHE/tests/$key
lock "tests-$key"
[ -e "$dir/prepared" ] || prepare
case $mode in
all) ;;
upstream) [ -e "$dir/upstream/.done" ] || build_upstream ;;
*) [ -e "$dir/done" ] || build ;;
esac
echo "$dir"
