#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test bed qemu-kvm.  Its host is a guest of bed qemu-svm, whose KVM can nest; tests/host/kvm.sh runs
# in that guest.
#
# The guest takes minutes, so a pass is kept until something changes that it depends on.

. tests/tap.sh
. tests/host.sh
bed=qemu-kvm
MUTANT=$(mutant tdp-roots-die-with-last-vcpu)
# A case that counts, a case about permissions, and a case that catches the mutant.
CASES='@(*path.cr4_smep.exact_counts|*permission.cr4_smep.*|*host.sregs_cr4_smep.exact_counts)'
ROMS='bios-256k.bin kvmvapic.bin linuxboot_dma.bin'

debian=$(scripts/kernel.sh) && tree=$(scripts/tree.sh) && tests=$(scripts/tests.sh "$tree") &&
	scripts/tools.sh && mutant=$(scripts/mutant-build.sh $MUTANT "$tree") || bail_out "nothing to boot"

key()
{
	{
		echo "$tests" "$mutant"
		qemu-system-x86_64 --version
		sha256sum runner/*.[ch] beds/init beds/*.sh beds/qemu-*/run scripts/lib.sh scripts/payload.sh \
			scripts/initramfs.sh scripts/packages tests/64-qemu-kvm.t tests/tap.sh tests/host.sh tests/host/init \
			tests/host/kvm.sh
	} | sha256sum | cut -c1-16
}

# install_qemu: QEMU looks for its firmware relative to its own folder
install_qemu()
{
	install_program qemu-system-x86_64
	mkdir -p "$root/usr/bin" "$root/usr/share/qemu"
	mv "$root/debian/qemu-system-x86_64" "$root/usr/bin/"
	qemu-system-x86_64 -L help | while read -r folder; do
		for rom in $ROMS; do
			[ ! -e "$folder/$rom" ] || cp -L "$folder/$rom" "$root/usr/share/qemu/"
		done
	done
}

install_bed()
{
	mkdir -p "$root/repo/scripts" "$root/repo/beds" "$root/boot"
	cp scripts/lib.sh scripts/initramfs.sh scripts/packages "$root/repo/scripts/"
	cp -r beds/*.sh beds/init beds/qemu-kvm "$root/repo/beds/"
	cp "$tree/boot/vmlinuz" "$root/boot/"
}

# make_payload: three lanes, each with the patched modules and with those of a mutant
make_payload()
{
	for set in patched mutant; do
		mkdir -p "$tmp/sets/$set"
	done
	cp "$tree"/modules/*.ko "$tmp/sets/patched/"
	cp "$mutant"/*.ko "$tmp/sets/mutant/"
	echo host >"$tmp/sets/mutant/tests"
	rm "$tmp"/sets/*/kvm-intel.ko
	for lane in suite legacy:KVM_PARAMS=tdp_mmu=0 shadow:KVM_AMD_PARAMS=npt=0; do
		payload "$tmp/payload" "${lane%%:*}" "$tmp/sets" "$CASES" MODULE_SETS=1 \
			"TESTS='mmu_root_host_test mmu_root_reuse_test'" "$(echo "$lane" | cut -s -d : -f 2)"
	done
	cp -rL "$tmp/payload" "$root/payload"
}

kept=$tree/qemu-kvm-$(key)
if [ ! -e "$kept" ]; then
	install_userland
	install_qemu
	install_bed
	install_modules "$tree/modules"
	make_payload
	# noxsave: with TCG's XSAVE, the kernel of a guest's guest complains, known fault 12 in beds/README.md.
	# highres=off nohz=off: QEMU's do_vmexit() changes interrupt_request without a lock, and seems to lose
	# an interrupt sometimes.  With a one-shot timer, which each interrupt programs again, the whole machine
	# then slept for good, in one run of six.  A periodic timer wakes it.
	boot kvm 2048 'noxsave highres=off nohz=off'
	points kvm >"$tmp/points"
	grep -q '^not ok' "$tmp/points" || { cp "$tmp/points" "$kept.$$" && mv "$kept.$$" "$kept"; }
else
	cp "$kept" "$tmp/points"
fi
cat "$tmp/points"
nr=$(grep -c '^ok\|^not ok' "$tmp/points")
plan_done
