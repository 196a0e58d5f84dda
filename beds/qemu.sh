# SPDX-License-Identifier: GPL-2.0
# Shared by the beds that boot a guest in QEMU.  Sourced after beds/lib.sh.

# The oldest version of QEMU that was tried successfully.
NEED_QEMU=7.2

bed_results="the virtio port 'results'"

# newer_or_same A B: whether version A is at least version B.
newer_or_same() {
	[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# check_qemu: set $qemu_version; die if QEMU is missing or too old.
check_qemu() {
	need_command qemu-system-x86_64
	qemu_version=$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	newer_or_same "${qemu_version:-0}" "$NEED_QEMU" ||
		bed_die "QEMU ${qemu_version:-of unknown version} is too old: install $NEED_QEMU or later"
}

# bed_emulator: print the emulator for the record of a run.  The kernel's command line carries it to the
# guest, so it must not contain blanks.
bed_emulator() {
	check_qemu
	echo "QEMU-$qemu_version"
}

# powered_off: with -no-reboot, QEMU also ends with status 0 if the guest reboots.
powered_off() {
	[ "$emulator_status" -eq 0 ]
}

# qemu_run WORDS OPTION...: boot the guest with these words on its kernel's command line and
# these options of QEMU, and exit with the verdict.  $faults are the known faults of the emulated CPU.
qemu_run() {
	words=$1
	shift
	console_device="file,id=console,path=$console"
	# At the prompt, Ctrl-C goes to the guest's shell; Ctrl-] (0x1d) and then x ends QEMU.
	[ -z "$shell" ] || console_device="stdio,id=console,signal=off,mux=on"
	set -- "$@" -smp "$smp" -m "$memory" \
		-kernel "$kernel" -initrd "$initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic no_timer_check $QUICK $NODES emulator=$(bed_emulator) ${faults:+faults=$faults} ${shell:+shell=1} $words" \
		-display none -monitor none -nodefaults -no-user-config -no-reboot \
		-chardev "$console_device" -serial chardev:console \
		-chardev "file,id=results,path=$results" \
		-device virtio-serial -device virtserialport,chardev=results,name=results
	[ -n "$shell" ] || bed_run qemu-system-x86_64 "$@"
	run_on_terminal qemu-system-x86_64 "$@" -echr 0x1d
}
