# SPDX-License-Identifier: GPL-2.0
# Test bed host on a host whose own KVM counts roots, and test what the bed refuses because it could
# not undo it.

. tests/host/lib.sh

test_as_it_is()
{
	bed
	ran "counters are there: used as they are" '"kvm.mmu_reset_every":"0"'
	unchanged "counters are there"
	attempt beds/host/run --check
	says "--check needs no modules" 0 '^none$'
	sleep 1000 3</dev/kvm &
	user=$!
	bed
	ran "counters are there, and KVM in use" '"mmu":"TDP"'
	kill $user
	wait $user 2>/dev/null
	unchanged "counters are there, and KVM in use"
}

# The package of make pack runs.
test_packed()
{
	attempt ./run "$tmp/packed"
	says "packed: runs what is in it" 0 "host/suite: 1 cases, done"
	grep -q '"type":"end","planned":1,"passed":1,' "$tmp/packed/host/suite.jsonl"
	result $? "packed: leaves results"
	unchanged "packed"
	attempt ./run
	one_line "packed: no folder" 2 "where to put results"
}

test_failures()
{
	payload=/payload/long bed --timeout 3
	says "a run that hangs" 124 "what runs the tests hangs: killed after 3 s"
	unchanged "a run that hangs"
	bed --cpus 99
	says "a run that does not start" 1 "rootrun ended with status 2 before its tests were done"
	says "a run that does not start: why" 1 "99: no list of CPUs that are online"
	unchanged "a run that does not start"
}

test_two_at_once()
{
	beds/host/run --results "$tmp/r1" --console "$tmp/c1" --payload /payload/patched >"$tmp/one" 2>&1 &
	one=$!
	bed
	wait $one && [ "$status" -eq 0 ] && grep -q "waiting for another run on this host" "$tmp/one" "$tmp/err"
	result $? "two runs at once take turns"
	unchanged "two runs at once"
}

test_own_reload()
{
	payload=/payload/params bed
	refused "another parameter, no RELOAD" "needs kvm.tdp_mmu=0, which the running KVM has not: with RELOAD=1, "
	payload=/payload/params RELOAD=1 bed
	ran "another parameter, RELOAD=1" '"kvm.tdp_mmu":"N"'
	unchanged "another parameter, RELOAD=1"
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
	remember
	payload=/payload/params RELOAD=1 bed
	ran "debugfs mounted before" '"kvm.tdp_mmu":"N"'
	unchanged "debugfs mounted before"
	rmmod kvm_amd kvm
	remember
	bed
	ran "KVM with counters not loaded before" '"mmu":"TDP"'
	unchanged "KVM with counters not loaded before"
	modprobe kvm_amd
	remember
}

# The last three restrictions cannot be taken back.  The bed checks each before those set earlier.
test_refusals()
{
	bed --append no5lvl
	refused "another command line" "needs another boot of this machine, with 'no5lvl'"
	payload=/payload/mutants bed
	refused "mutants" "mutants of the kernel can take the machine with them: use BED=qemu-svm"
	attempt setpriv --reuid 1000 --clear-groups beds/host/run --check
	refused "not root" "not root, .*: sudo make run BED=host"
	bed --timeout soon
	refused "a timeout that is none" "--timeout takes a number, not 'soon'"
	payload=/nowhere bed
	refused "a payload that is none" "--payload: '.*' has no lanes"

	payload=/payload/params
	export RELOAD=1
	echo 1 >/sys/module/module/parameters/sig_enforce
	bed
	refused "signed modules only" "the kernel takes signed modules only: boot without module.sig_enforce"
	echo 1 >/proc/sys/kernel/modules_disabled
	bed
	refused "no more modules" "kernel.modules_disabled is set"
	echo integrity >/sys/kernel/security/lockdown
	bed
	refused "lockdown" "the kernel is locked down \\(integrity\\), as with Secure Boot, .*: turn Secure Boot off"
}

modprobe kvm_amd || bail_out "no KVM"
mkdir -p "$journal_dir"
chmod 755 "$HOME"
remember
test_as_it_is
test_packed
test_failures
test_two_at_once
test_own_reload
test_refusals
