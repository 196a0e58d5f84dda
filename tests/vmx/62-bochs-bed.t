#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the code of bed bochs-vmx itself: bad options, guests that fail, and runs that are killed.

. tests/tap.sh

tree=$(scripts/tree.sh) && tests=$(scripts/tests.sh "$tree") && scripts/tools.sh ||
	bail_out "nothing to boot"
beds/bochs-vmx/run --check || bail_out "bed bochs-vmx does not work here"

# The name of this test's beds, which distinguishes them from others on the machine.
tag=faults-$$

no_bochs()
{
	! pgrep -f "bochs-bin.*$tmp" >/dev/null
}

no_files()
{
	! ls -d "$tmp"/*.bochs >/dev/null 2>&1
}

: >"$tmp/garbage"
bed_of()
{
	echo "beds/bochs-vmx/run --name $tag --kernel $1 --initrd $tmp/garbage --results $tmp/r --console $tmp/c"
}
bed=$(bed_of "$tree/boot/vmlinuz")

test_usage()
{
	attempt $bed --smp 2
	says "more than one CPU" 2 "one CPU only, .*: without --smp and --parallel"
	attempt $bed --memory 16
	says "too little memory for the kernel" 2 "--memory: Debian.s kernel needs 256 MiB at least"
	attempt $bed --fast
	says "an option that is none" 2 "--fast: no such option"
	attempt $(bed_of "$tmp/garbage")
	says "a kernel that is none" 2 "--kernel: '.*garbage' is no bzImage"
	head -c 1M "$tree/boot/vmlinuz" >"$tmp/kernel"
	attempt $(bed_of "$tmp/kernel")
	says "a kernel that is cut short" 2 "cannot make the disk to boot from: .* is cut short"
	{ head -c 20K "$tree/boot/vmlinuz"; head -c 1M /dev/zero; } >"$tmp/kernel"
	attempt $(bed_of "$tmp/kernel")
	says "a kernel that cannot be unpacked" 2 "cannot unpack '.*kernel': install what its CONFIG_KERNEL_. needs"
	head -c 250M /dev/zero >"$tmp/large"
	attempt $bed --initrd "$tmp/large" --memory 256
	says "too little memory for the initramfs" 2 "256 MiB of memory are too little for kernel and initramfs"
	rm "$tmp/kernel" "$tmp/large"
}

test_guests()
{
	attempt $bed --timeout 3
	says "a kernel that never gets to init" 124 "the guest hangs: killed after 3 s"
	eventually 10 no_bochs
	result $? "a kernel that never gets to init: no process left"
	no_files
	result $? "a kernel that never gets to init: no files left but results and console"

	attempt env BED=bochs-vmx BEFORE_TESTS='echo c >/proc/sysrq-trigger' FILTER='*null_exit*' \
		scripts/lane.sh suite "$tree" "$tree/modules" "$tests/bin" "$tmp" "$tag"
	says "a guest that panics: why" 1 "died before its tests were done: Kernel panic - not syncing: sysrq triggered crash"
	no_files
	result $? "a guest that panics: no files left but results and console"
}

# start_bed: start a bed that runs until it is killed
start_bed()
{
	in_session $bed >"$tmp/log" 2>&1
	eventually 20 pgrep -f "bochs-bin.*$tmp" >/dev/null
}

test_interruptions()
{
	start_bed
	kill -TERM $run
	wait $run
	result $(($? != 143)) "SIGTERM: exit status 143"
	eventually 5 no_bochs && no_files
	result $? "SIGTERM: nothing left"

	start_bed
	kill -KILL $run
	wait $run 2>/dev/null
	eventually 5 no_bochs
	result $? "SIGKILL: nothing left running"
}

test_usage
test_guests
test_interruptions
plan_done
