# SPDX-License-Identifier: GPL-2.0
# Test bed qemu-kvm, and what it refuses, on a host whose KVM can nest.

. tests/tap.sh

# QEMU looks for its firmware in ../share.
PATH=$PATH:/usr/bin
export BUILD="$tmp/build"
mkdir "$BUILD"

bed()
{
	attempt "$@" beds/qemu-kvm/run --payload /payload --kernel /boot/vmlinuz --results "$tmp/results" \
		--console "$tmp/console" --memory 512 $options
}

# refused NAME PATTERN COMMAND...: test that the bed, run by COMMAND, refuses before it boots anything
refused()
{
	name=$1 pattern=$2
	shift 2
	bed "$@"
	one_line "$name" 2 "^error: qemu-kvm: $pattern"
	[ ! -e "$tmp/console" ]
	result $? "$name: nothing is booted"
}

# in_place_of FILE TEXT COMMAND...: run the command in a mount namespace where FILE has that text
in_place_of()
{
	file=$1
	echo "$2" >"$tmp/text"
	shift 2
	# shellcheck disable=SC2016 # expanded in there
	unshare -m sh -c 'mount -o bind "$1" "$2" && shift 2 && exec "$@"' sh "$tmp/text" "$file" "$@"
}

no_qemu()
{
	! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' '\n' | grep -q '^qemu-system-x86_64'
}

qemu_runs()
{
	! no_qemu
}

test_refusals()
{
	refused "a CPU without the flags" "this CPU shows neither vmx nor svm" \
		in_place_of /proc/cpuinfo 'flags : fpu'
	refused "no /dev/kvm" "no /dev/kvm: modprobe kvm_amd; if that fails, turn virtualization on"
	mknod /dev/kvm c 10 232
	refused "somebody else's /dev/kvm" "/dev/kvm is there, but kvm_amd is not loaded: modprobe kvm_amd"
	rm /dev/kvm

	modprobe kvm_amd nested=0 || bail_out "no KVM"
	refused "nested=0" "kvm_amd has nested=0: modprobe -r kvm_amd && modprobe kvm_amd nested=1,"
	refused "nested=1, but not so" "KVM lets no guest have svm, though kvm_amd has nested=1: boot another kernel" \
		in_place_of /sys/module/kvm_amd/parameters/nested 1
	rmmod kvm_amd kvm
	modprobe kvm_amd || bail_out "no KVM"
	mv /dev/kvm /dev/moved
	refused "a container without it" "no /dev/kvm, but kvm_amd is loaded: .*--device /dev/kvm"
	mknod /dev/kvm c 1 3
	refused "a /dev/kvm that is not KVM" \
		"QEMU cannot use KVM: .*failed to initialize kvm: .*: mend that, or use BED=qemu-svm"
	mv /dev/moved /dev/kvm
	refused "no right" "no right to use /dev/kvm: usermod -a -G kvm " \
		setpriv --reuid 1000 --clear-groups
	refused "no QEMU" "no qemu-system-x86_64: install its package, on Debian qemu-system-x86" \
		env PATH="${PATH%:*}"
}

# on_intel NESTED COMMAND...: run the command in a mount namespace where the CPU seems to be Intel's, and
# kvm_intel to have this nested=, or not to be loaded if NESTED is empty
on_intel()
{
	rm -rf "$tmp/module"
	mkdir -p "$tmp/module/kvm_intel/parameters"
	echo "$1" >"$tmp/module/kvm_intel/parameters/nested"
	[ -n "$1" ] || rm -r "$tmp/module/kvm_intel"
	shift
	# shellcheck disable=SC2016 # expanded in there
	in_place_of /proc/cpuinfo 'flags : fpu vmx' \
		unshare -m sh -c 'mount -o bind "$1" /sys/module && shift && exec "$@"' sh "$tmp/module" "$@"
}

# The KVM that QEMU finds is AMD's, and knows no vmx.
test_intel_refusals()
{
	refused "Intel: somebody else's /dev/kvm" "/dev/kvm is there, but kvm_intel is not loaded: modprobe kvm_intel" \
		on_intel ''
	refused "Intel: nested=0" "kvm_intel has nested=0: modprobe -r kvm_intel && modprobe kvm_intel nested=1," \
		on_intel N
	refused "Intel: nested=1, but not so" \
		"KVM lets no guest have vmx, though kvm_intel has nested=Y: boot another kernel" on_intel Y
	mv /dev/kvm /dev/moved
	refused "Intel: no /dev/kvm" "no /dev/kvm: modprobe kvm_intel; if that fails, turn virtualization on" \
		on_intel ''
	refused "Intel: a container without it" "no /dev/kvm, but kvm_intel is loaded: .*--device /dev/kvm" \
		on_intel Y
	mv /dev/moved /dev/kvm
}

# cases: count the cases in the results, as lines "SET LANE MMU STATUS NUMBER"
cases()
{
	sed -n 's/^{"type":"modules","name":"\([^"]*\)".*/modules \1/p
		s/^{"type":"run",.*"lane":"\([^"]*\)".*"mmu":"\([^"]*\)".*/run \1 \2/p
		s/^{"type":"case",.*"status":"\([^"]*\)".*/case \1/p' "$tmp/results" |
	awk '$1 == "modules" { set = $2 }
		$1 == "run" { lane = $2 " " $3 }
		$1 == "case" { nr[set " " lane " " $2]++ }
		END { for (i in nr) print i, nr[i] }' | LC_ALL=C sort
}

# expected: the mutant frees roots of the TDP MMU too early, and no other roots
expected()
{
	cat <<-END
	mutant legacy tdp_mmu=0 pass 1
	mutant shadow npt=0 pass 1
	mutant suite TDP fail 1
	patched legacy tdp_mmu=0 pass 3
	patched shadow npt=0 pass 3
	patched suite TDP pass 3
	END
}

test_boot()
{
	options='--icount --parallel --timeout 1500' bed
	says "it boots, and runs all lanes" 0 "qemu-kvm: 12 cases, done in"
	expected >"$tmp/expected"
	cases >"$tmp/cases"
	while read -r line; do
		grep -qx "$line" "$tmp/cases"
		result $? "cases of $line"
	done <"$tmp/expected"
	cmp -s "$tmp/expected" "$tmp/cases" ||
		{ cat "$tmp/cases" "$tmp/console"; cut -c1-500 "$tmp/results"; } | sed 's/^/#   /'

	[ "$(grep -c '"type":"run",.*"tsc_unit":"cycles"' "$tmp/results")" -eq 6 ]
	result $? "the TSC of a real CPU counts cycles"
	version=$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	tr -d '\r' <"$tmp/console" | grep -qx "in QEMU-$version,KVM-$(uname -r)"
	result $? "the guest knows what it is in"
	[ "$(grep -c "\"type\":\"run\",.*\"emulator\":\"QEMU-$version,KVM-$(uname -r)\"" "$tmp/results")" -eq 6 ]
	result $? "the results name it, too"
	[ ! -e "$tmp/results.initrd" ]
	result $? "no file is left but results and console"
}

test_guest_without_svm()
{
	options='--append clearcpuid=svm' bed
	one_line "a guest whose KVM finds nothing" 2 \
		"^error: qemu-kvm: KVM finds no virtualization in the guest of QEMU .* on kernel [0-9].*: boot another one"
}

# fake_qemu CODE: make a QEMU that runs this shell code instead of a guest
fake_qemu()
{
	mkdir -p "$tmp/bin"
	cat >"$tmp/bin/qemu-system-x86_64" <<-END
	#!/bin/sh
	case "\$*" in
	--version) echo "QEMU emulator version 9.9.9" ;;
	*' -S '*) ;;
	*) echo boot >>"$tmp/boots"; $1 ;;
	esac
	END
	chmod +x "$tmp/bin/qemu-system-x86_64"
	rm -f "$tmp/boots"
}

# fake_boot OPTION...: attempt a run of the bed with that QEMU
fake_boot()
{
	attempt env PATH="$tmp/bin:$PATH" beds/qemu-kvm/run --initrd /boot/vmlinuz --kernel /boot/vmlinuz \
		--results "$tmp/results" --console "$tmp/console" --memory 512 "$@"
}

# If KVM gives up on a guest, QEMU prints a message and waits; so does this fake QEMU.
test_kvm_gives_up()
{
	fake_qemu 'echo "KVM internal error. Suberror: 1" >&2; exec sleep 1000'
	fake_boot
	one_line "KVM gives up" 1 \
		"^qemu-kvm: the host's KVM gave up on the guest of QEMU 9.9.9 on kernel [0-9].*: KVM internal error. Suberror: 1"
	! pgrep -x sleep >/dev/null
	result $? "KVM gives up: nothing left running"
}

# booted_once NAME: test that the last attempt has booted one guest
booted_once()
{
	[ "$(cat "$tmp/boots")" = boot ]
	result $? "$1: is not booted once more"
}

# The faults for which an emulated bed boots a guest once more are those of emulators.
test_early_death()
{
	fake_qemu "echo 'Kernel panic - not syncing: why' >'$tmp/console'"
	fake_boot
	says "a guest that dies before its first test" 1 \
		"^qemu-kvm: the guest of QEMU 9.9.9 on kernel [0-9].* died before its tests were done: Kernel panic - .*: why"
	booted_once "a guest that dies before its first test"

	fake_qemu 'exec sleep 1000'
	fake_boot --first 2 --timeout 5
	says "a guest that hangs before its first test" 124 "the guest of QEMU 9.9.9 on kernel [0-9].* hangs: killed after 5 s"
	booted_once "a guest that hangs before its first test"
}

test_interruption()
{
	setsid env --default-signal=INT beds/qemu-kvm/run --payload /payload --kernel /boot/vmlinuz \
		--results "$tmp/results" --console "$tmp/console" --memory 512 >"$tmp/log" 2>&1 </dev/null &
	run=$!
	eventually 120 test -e "$tmp/console" && eventually 10 qemu_runs
	result $? "Ctrl-C: while it boots"
	kill -INT -$run
	wait $run
	result $(($? != 130)) "Ctrl-C: exit status 130"
	eventually 10 no_qemu
	result $? "Ctrl-C: nothing left running"
	[ ! -e "$tmp/results.initrd" ] && [ -z "$(ls "$BUILD")" ]
	result $? "Ctrl-C: no file left"
}

options=
test_refusals
test_intel_refusals
test_boot

test_guest_without_svm
test_kvm_gives_up
test_early_death
test_interruption
