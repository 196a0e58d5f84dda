# SPDX-License-Identifier: GPL-2.0
# Shared by the beds that boot a guest in QEMU.  Sourced after beds/lib.sh.

# The oldest QEMU that was seen to work.
NEED_QEMU=7.2

bed_results="the virtio port 'results'"

# newer_or_same A B: whether version A is B or later.
newer_or_same() {
	[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# Leaves the version in $qemu_version.
check_qemu() {
	need_command qemu-system-x86_64 qemu-system-x86
	qemu_version=$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	newer_or_same "${qemu_version:-0}" "$NEED_QEMU" ||
		bed_die "QEMU ${qemu_version:-of unknown version} is too old: install $NEED_QEMU or later"
}

# A boot is a fifth of a lane, and lanes of their own share the CPUs evenly.
bed_machine() {
	echo "$name"
}

# A guest that reboots has QEMU end, too: -no-reboot.
powered_off() {
	[ "$emulator_status" -eq 0 ]
}

# qemu_run WORDS OPTION...: boot the guest with these words on its kernel's command line and
# these options, and end the bed with the verdict.
qemu_run() {
	words=$1
	shift
	bed_run qemu-system-x86_64 "$@" -smp "$smp" -m "$memory" \
		-kernel "$kernel" -initrd "$initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic no_timer_check $QUICK $NODES $words" \
		-display none -monitor none -nodefaults -no-user-config -no-reboot \
		-chardev "file,id=console,path=$console" -serial chardev:console \
		-chardev "file,id=results,path=$results" \
		-device virtio-serial -device virtserialport,chardev=results,name=results
}
