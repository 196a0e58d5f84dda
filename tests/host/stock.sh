# SPDX-License-Identifier: GPL-2.0
# Test bed host on a host with Debian's own KVM: RELOAD=1, interruptions, and refusals.

. tests/host/lib.sh

# start_run: start a run in a session of its own, so that a signal reaches all of its processes.
# --default-signal=INT, as a shell starts background processes with SIGINT ignored.
start_run()
{
	RELOAD=1 setsid env --default-signal=INT beds/host/run --results "$tmp/results" --console "$tmp/console" \
		--payload /payload/long >"$tmp/log" 2>&1 </dev/null &
	run=$!
}

testing()
{
	grep -q '"type":"case"' "$tmp/results" 2>/dev/null
}

start_and_wait()
{
	rm -f "$tmp/results"
	start_run
	eventually 30 testing || echo "# no case in 30 s"
}

nothing_runs()
{
	! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' '\n' | grep -q '^/payload/long'
}

# ended NAME STATUS: test that the run ends with this status after a signal, and leaves nothing running
ended()
{
	wait $run
	ret=$?
	[ $ret -eq "$2" ]
	ret2=$?
	result $ret2 "$1: exit status $2"
	[ $ret2 -eq 0 ] || { echo "# exit status $ret"; sed 's/^/#   /' "$tmp/log"; }
	eventually 5 nothing_runs
	result $? "$1: nothing left running"
}

# soon COMMAND...: poll until the command succeeds, and return at once then
soon()
{
	tries=600
	until "$@" || [ $tries -eq 0 ]; do
		sleep 0.05
		tries=$((tries - 1))
	done
}

no_kvm()
{
	[ ! -d /sys/module/kvm_amd ]
}

is_stock()
{
	[ -d /sys/module/kvm ] && ! is_patched
}

test_reload()
{
	bed
	refused "no counters, no RELOAD" "the running KVM does not count roots: with RELOAD=1, "
	attempt env RELOAD=1 beds/host/run --check
	says "--check tells the kernel to build for" 0 "^[0-9][^ ]* [0-9][^ ]*$"
	unchanged "--check"
	# Change parameters that can be written in sysfs, and some that cannot.
	rmmod kvm_amd kvm
	modprobe kvm enable_vmware_backdoor=1 && modprobe kvm_amd vls=0
	echo 12345 >/sys/module/kvm/parameters/halt_poll_ns
	chmod 640 /dev/kvm
	remember
	payload=/payload/meddles RELOAD=1 bed --cpus 0 --node 1
	ran "RELOAD=1" '"nodes":2.*"kvm.mmu_reset_every":"0"'
	unchanged "RELOAD=1, and a test that leaves things changed"
	rmmod kvm_amd kvm
	modprobe kvm_amd
	remember
	payload=/payload/params RELOAD=1 bed
	ran "RELOAD=1, with parameters" '"kvm.tdp_mmu":"N".*"kvm_amd.npt":"N"'
	unchanged "RELOAD=1, with parameters"
}

test_failures()
{
	payload=/payload/broken RELOAD=1 bed
	says "modules that do not load" 2 "cannot load kvm_amd"
	unchanged "modules that do not load"
	payload=/payload/other RELOAD=1 bed
	refused "modules for another kernel" "the payload's modules are for .*: build them for it with DEBIAN_VERSION="
}

test_interruptions()
{
	for signal in INT:130 TERM:143; do
		start_and_wait
		is_patched
		result $? "SIG${signal%:*}: while patched modules are loaded"
		kill -"${signal%:*}" -$run
		ended "SIG${signal%:*}" "${signal#*:}"
		unchanged "SIG${signal%:*}"
	done

	start_and_wait
	kill -KILL $run
	ended "SIGKILL" 137
	is_patched && [ -s "$journal_dir/journal" ]
	result $? "SIGKILL: leaves patched modules, and a journal"
	attempt env RELOAD=1 beds/host/run --check
	says "the next start puts things back" 0 "a run was interrupted: putting back what it changed"
	says "and goes on" 0 "^[0-9][^ ]* [0-9][^ ]*$"
	unchanged "the next start"

	start_run
	soon no_kvm
	kill -KILL $run
	ended "SIGKILL without KVM" 137
	beds/host/run --restore 2>/dev/null &
	soon is_stock
	kill -KILL $!
	wait $! 2>/dev/null
	[ -s "$journal_dir/journal" ]
	result $? "SIGKILL without KVM, and again while putting back: the journal is still there"
	attempt beds/host/run --restore
	says "SIGKILL without KVM, and again while putting back" 0 "a run was interrupted: putting back what it changed"
	unchanged "SIGKILL without KVM, and again while putting back"

	mkdir -p "$journal_dir"
	{ echo "boot 00000000-0000-0000-0000-000000000000"; echo "param kvm.halt_poll_ns 1"; } \
		>"$journal_dir/journal"
	attempt beds/host/run --restore
	says "a journal of before a reboot" 0 "rebooted since a run was interrupted: nothing to put back"
	unchanged "a journal of before a reboot"
}

test_in_use()
{
	sleep 1000 3</dev/kvm &
	user=$!
	RELOAD=1 bed
	refused "KVM in use" "KVM is in use by sleep \\($user\\): stop that"
	kill $user
	wait $user 2>/dev/null

	start_and_wait
	sleep 1001 3</dev/kvm &
	user=$!
	kill -TERM -$run
	wait $run
	grep -q "cannot put KVM's modules back, as KVM is in use by sleep ($user): stop that" "$tmp/log" &&
		grep -q "NOT as it was before the run: then: beds/host/run --restore" "$tmp/log"
	result $? "KVM in use at the end: says so"
	attempt env RELOAD=1 beds/host/run --check
	says "KVM still in use" 2 "KVM is in use by sleep \\($user\\): stop that"
	kill $user
	wait $user 2>/dev/null
	attempt beds/host/run --restore
	[ "$status" -eq 0 ]
	result $? "KVM in use no more"
	unchanged "KVM in use no more"
}

test_not_loaded()
{
	rmmod kvm_amd kvm ccp irqbypass
	remember
	RELOAD=1 bed
	ran "RELOAD=1, KVM not loaded before" '"kvm.mmu_reset_every":"0"'
	unchanged "RELOAD=1, KVM not loaded before"
}

test_not_installed()
{
	insmod /payload/patched/modules/patched/irqbypass.ko
	insmod /payload/patched/modules/patched/ccp.ko
	insmod /payload/patched/modules/patched/kvm.ko
	insmod /payload/patched/modules/patched/kvm-amd.ko
	remember
	payload=/payload/params RELOAD=1 bed
	refused "modules that could not be put back" "the loaded kvm is not that of /lib/modules/.*, and could not be put back"
	rmmod kvm_amd kvm
}

modprobe kvm_amd || bail_out "no KVM"
echo 3 >/proc/sys/vm/nr_hugepages
echo 2 >/proc/sys/kernel/kptr_restrict
mkdir -p "$journal_dir"
remember
test_reload
test_failures
test_interruptions
test_in_use
test_not_loaded
test_not_installed
