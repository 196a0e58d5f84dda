# SPDX-License-Identifier: GPL-2.0
# Test a bed on a host that is a guest of bed qemu-svm.  Sourced after tests/tap.sh; the scripts that
# run in the guest are in tests/host/.
#   $debian    the kernel, see scripts/kernel.sh
#   $tests     folder of test programs, see scripts/tests.sh
#   $root      folder that is the guest's initramfs

BUILD=${BUILD:-build}

# The guest has these programs from Debian, as a real host does; all others are busybox's.
DEBIAN_PROGRAMS='dash setpriv setsid unshare flock env kmod'

# The deadline of a guest in seconds.
DEADLINE=1800

# install_program PROGRAM: copy the program and its libraries
install_program()
{
	cp "$(command -v "$1")" "$root/debian/"
	for lib in $(ldd "$(command -v "$1")" | grep -o '/[^ ]*'); do
		mkdir -p "$root/$(dirname "$lib")"
		cp -L "$lib" "$root/$lib"
	done
}

# install_userland: install all but the bed itself, which the caller puts into /repo
install_userland()
{
	mkdir -p "$root/bin" "$root/debian" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/root" "$root/repo"
	cp /bin/busybox "$root/bin/"
	for program in $DEBIAN_PROGRAMS; do
		install_program "$program"
	done
	for name in insmod rmmod modprobe modinfo; do
		ln -s kmod "$root/debian/$name"
	done
	cp -r --parents tests/tap.sh tests/host "$root/repo/"
	cp tests/host/init "$root/init"
}

# install_modules FOLDER: install the modules as those of the host's kernel, one of them compressed
install_modules()
{
	release=$(cat "$debian/release")
	dir=$root/lib/modules/$release
	rm -rf "$dir"
	mkdir -p "$dir/kernel"
	cp "$1"/*.ko "$dir/kernel/"
	rm -f "$dir/kernel/kvm-intel.ko"
	xz -0 "$dir/kernel/kvm-amd.ko"
	touch "$dir/modules.order" "$dir/modules.builtin" "$dir/modules.builtin.modinfo"
	depmod -b "$root" "$release"
}

# payload OUT LANE MODULES FILTER LINE...: make a payload for cases of mmu_root_reuse_test; the lines
# are added to LANE.conf, and override the defaults of all lanes
payload()
{
	out=$1 lane=$2 modules=$3 filter=$4
	shift 4
	{
		cat <<-END
		BED=$bed LANE=$lane UNIT=instructions
		KVM_PARAMS='' KVM_AMD_PARAMS='' KVM_INTEL_PARAMS='' BEFORE_TESTS='' MODULE_SETS=''
		TESTS='mmu_root_reuse_test'
		ROOTRUN_ARGS='--no-skip --filter $filter'
		END
		printf '%s\n' "$@"
	} | scripts/payload.sh "$out" "$lane" "$modules" "$tests/bin" "$BUILD/rootrun"
}

# boot PART MEMORY [WORDS]: run tests/host/PART.sh in a guest; $bed_PART is the process of its bed
boot()
{
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$tmp/$1.initrd"
	beds/qemu-svm/run --name "host-$1" --kernel "$debian/boot/vmlinuz" --initrd "$tmp/$1.initrd" \
		--results "$tmp/$1.results" --console "$tmp/$1.console" --memory "$2" --timeout $DEADLINE \
		--append "part=$1 ${3:-}" 2>"$tmp/$1.log" &
	eval "bed_$1=$!"
}

# points PART: print the test points of a guest as our own
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

root=$tmp/root
