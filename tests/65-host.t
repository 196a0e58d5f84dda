#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The host bed, on guests of bed qemu-svm that are its bare metal: tests/host/ has
# what runs there.

. tests/tap.sh

debian=$(scripts/kernel.sh) && tree=$(scripts/tree.sh) && tests=$(scripts/tests.sh "$tree") &&
	scripts/tools.sh || bail_out "nothing to boot"
release=$(cat "$debian/release")
BUILD=${BUILD:-build}

# Debian's, as on a host; all else is busybox's.
DEBIAN_PROGRAMS='dash setpriv setsid unshare flock env kmod'

# install_program PROGRAM: with its libraries
install_program()
{
	cp "$(command -v "$1")" "$root/debian/"
	for lib in $(ldd "$(command -v "$1")" | grep -o '/[^ ]*'); do
		mkdir -p "$root/$(dirname "$lib")"
		cp -L "$lib" "$root/$lib"
	done
}

install_userland()
{
	mkdir -p "$root/bin" "$root/debian" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/root"
	cp /bin/busybox "$root/bin/"
	for program in $DEBIAN_PROGRAMS; do
		install_program "$program"
	done
	for name in insmod rmmod modprobe modinfo; do
		ln -s kmod "$root/debian/$name"
	done
	# The bed is as make pack has it, for a machine that has nothing else of ours.
	CONFIG=suite FILTER='*reuse_test*null_exit*' BUILD="$tmp" scripts/pack.sh 2>"$tmp/log" ||
		bail_out "cannot pack: $(cat "$tmp/log")"
	mkdir -p "$root/repo"
	tar -C "$root/repo" --strip-components=1 -xzf "$tmp/host.tar.gz"
	cp -r --parents tests/tap.sh tests/host "$root/repo/"
	cp tests/host/init "$root/init"
}

# install_modules FOLDER: as those of the host's kernel, one of them compressed
install_modules()
{
	dir=$root/lib/modules/$release
	rm -rf "$dir"
	mkdir -p "$dir/kernel"
	cp "$1"/*.ko "$dir/kernel/"
	rm -f "$dir/kernel/kvm-intel.ko"
	xz -0 "$dir/kernel/kvm-amd.ko"
	touch "$dir/modules.order" "$dir/modules.builtin" "$dir/modules.builtin.modinfo"
	depmod -b "$root" "$release"
}

# payload NAME MODULES FILTER LINE...: the lines are of NAME.conf, and change those of
# all payloads
payload()
{
	name=$1 modules=$2 filter=$3
	shift 3
	rm -rf "${tmp:?}/payload/$name"
	{
		cat <<-END
		BED=host LANE=$name UNIT=instructions
		KVM_PARAMS='' KVM_AMD_PARAMS='' KVM_INTEL_PARAMS='' BEFORE_TESTS='' MODULE_SETS=''
		TESTS='mmu_root_reuse_test'
		ROOTRUN_ARGS='--no-skip --filter $filter'
		END
		printf '%s\n' "$@"
	} | scripts/payload.sh "$tmp/payload/$name" "$name" "$modules" "$tests/bin" "$BUILD/rootrun"
}

# Of a guest in seconds, should it hang; it takes one or two minutes.
DEADLINE=1800

# boot PART [WORDS]: run tests/host/PART.sh in a guest, whose bed is process $bed_PART
boot()
{
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$tmp/$1.initrd"
	beds/qemu-svm/run --name "host-$1" --kernel "$debian/boot/vmlinuz" --initrd "$tmp/$1.initrd" \
		--results "$tmp/$1.results" --console "$tmp/$1.console" --memory 1024 --timeout $DEADLINE \
		--append "part=$1 ${2:-}" 2>"$tmp/$1.log" &
	beds="$beds $!"
	eval "bed_$1=$!"
}

# points PART: the test points of a guest are ours
points()
{
	eval "wait \$bed_$1"
	ret=$?
	while read -r line; do
		case $line in
		'ok '*) result 0 "${line#ok * - }" ;;
		'not ok '*) result 1 "${line#not ok * - }" ;;
		'#'*) echo "$line" ;;
		esac
	done <"$tmp/$1.results"
	result $ret "$1: the guest came to its end"
	[ $ret -eq 0 ] || cat "$tmp/$1.log" "$tmp/$1.console" | tail -n 40 | sed 's/^/# /'
}

make_payloads()
{
	mkdir -p "$tmp/patched" "$tmp/broken" "$tmp/other"
	cp "$tree"/modules/*.ko "$tmp/patched/"
	rm "$tmp/patched/kvm-intel.ko"
	cp "$tmp"/patched/*.ko "$tmp/broken/"
	# Another module than it says: KVM is loaded, and it is not.
	cp "$tmp/patched/irqbypass.ko" "$tmp/broken/kvm-amd.ko"
	cp "$tmp"/patched/*.ko "$tmp/other/"
	sed -i "s/vermagic=6/vermagic=5/" "$tmp/other/kvm.ko"

	payload patched "$tmp/patched" '*null_exit*'
	payload long "$tmp/patched" '*'
	payload params "$tmp/patched" '*null_exit*' KVM_PARAMS=tdp_mmu=0 KVM_AMD_PARAMS=npt=0
	payload broken "$tmp/broken" '*null_exit*'
	payload other "$tmp/other" '*null_exit*'
	payload mutants "$tmp/patched" '*null_exit*' MODULE_SETS=1
	payload meddles "$tmp/patched" '*null_exit*' \
		"BEFORE_TESTS='echo 7 >/proc/sys/vm/nr_hugepages; echo 1 >/proc/sys/vm/overcommit_memory; echo never >/sys/kernel/mm/transparent_hugepage/enabled; chmod 600 /dev/kvm'"
	cp -rL "$tmp/payload" "$root/payload"
}

test_this_machine()
{
	if grep -q -w -e svm -e vmx /proc/cpuinfo; then
		skip "no vmx or svm" "this CPU has it"
		skip "what takes RELOAD=1 is left out, aloud" "this CPU has it"
	else
		attempt make -s run BED=host RELOAD=1
		one_line "no vmx or svm" 2 "this CPU shows neither vmx nor svm: turn virtualization on"
		attempt make -s run BED=host
		says "what takes RELOAD=1 is left out, aloud" 2 "configuration shadow is left out: .* RELOAD=1"
	fi
}

beds=
trap 'kill $beds 2>/dev/null; wait; rm -rf "$tmp"' EXIT
root=$tmp/root
install_userland
install_modules "$debian/modules"
make_payloads
test_this_machine
boot stock
boot bare debugfs=off
points bare
install_modules "$tree/modules"
boot patched
points patched
points stock
plan_done
