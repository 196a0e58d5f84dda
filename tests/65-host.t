#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test bed host.  Its hosts are guests of bed qemu-svm; the scripts of tests/host/ run in these
# guests.

. tests/tap.sh
. tests/host.sh
bed=host

debian=$(scripts/kernel.sh) && tree=$(scripts/tree.sh) && tests=$(scripts/tests.sh "$tree") &&
	scripts/tools.sh || bail_out "nothing to boot"

# install_bed: install the package of make pack, which has all that a host needs
install_bed()
{
	CONFIG=suite FILTER='*reuse_test*null_exit*' BUILD="$tmp" scripts/pack.sh 2>"$tmp/log" ||
		bail_out "cannot pack: $(cat "$tmp/log")"
	tar -C "$root/repo" --strip-components=1 -xzf "$tmp/host.tar.gz"
}

# host_payload NAME MODULES FILTER LINE...: make a payload with a lane of the same name
host_payload()
{
	name=$1
	shift
	payload "$tmp/payload/$name" "$name" "$@"
}

make_payloads()
{
	mkdir -p "$tmp/patched" "$tmp/broken" "$tmp/other"
	cp "$tree"/modules/*.ko "$tmp/patched/"
	rm "$tmp/patched/kvm-intel.ko"
	cp "$tmp"/patched/*.ko "$tmp/broken/"
	# kvm-amd.ko is another module, so that loading fails after kvm.ko is loaded.
	cp "$tmp/patched/irqbypass.ko" "$tmp/broken/kvm-amd.ko"
	cp "$tmp"/patched/*.ko "$tmp/other/"
	sed -i "s/vermagic=./vermagic=0/" "$tmp/other/kvm.ko"

	host_payload patched "$tmp/patched" '*null_exit*'
	host_payload long "$tmp/patched" '*'
	host_payload params "$tmp/patched" '*null_exit*' KVM_PARAMS=tdp_mmu=0 KVM_AMD_PARAMS=npt=0
	host_payload broken "$tmp/broken" '*null_exit*'
	host_payload other "$tmp/other" '*null_exit*'
	host_payload mutants "$tmp/patched" '*null_exit*' MODULE_SETS=1
	host_payload meddles "$tmp/patched" '*null_exit*' \
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

install_userland
install_bed
install_modules "$debian/modules"
make_payloads
test_this_machine
boot stock 1024
boot bare 1024 debugfs=off
points bare
install_modules "$tree/modules"
boot patched 1024
points patched
points stock
plan_done
