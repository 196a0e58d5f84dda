# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that run in the guests of tests/65-host.t.

. tests/tap.sh

# The payload of bed().
payload=/payload/patched

# The folder of the journal of beds/host, see beds/host/state.sh.
journal_dir=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-mmu-roots/host

# bed ARGUMENT...: attempt a run of bed host
bed()
{
	attempt beds/host/run --results "$tmp/results" --console "$tmp/console" \
		--payload "$payload" "$@"
}

# state: print everything that the bed could leave changed.  This does not use the bed's own code.
state()
{
	for module in irqbypass ccp kvm kvm_amd; do
		md5sum /sys/module/$module/notes/.note.gnu.build-id 2>&1
	done
	grep . /sys/module/kvm*/parameters/* 2>&1
	cut -d ' ' -f 1-3 /proc/mounts | sort
	grep . /proc/sys/kernel/numa_balancing /proc/sys/kernel/kptr_restrict /proc/sys/vm/nr_hugepages \
		/proc/sys/vm/overcommit_memory /sys/devices/system/node/node*/hugepages/*/nr_hugepages \
		/sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/ksm/run
	stat -c '%n %a %u %g' /dev/kvm 2>&1
	ls "$journal_dir" 2>/dev/null
}

remember()
{
	state >"$tmp/before"
}

# unchanged NAME: test that the host has not changed since the last remember()
unchanged()
{
	state >"$tmp/after"
	cmp -s "$tmp/before" "$tmp/after"
	ret=$?
	result $ret "$1: the host is as it was"
	[ $ret -eq 0 ] || diff "$tmp/before" "$tmp/after" | sed 's/^/# /'
}

# ran NAME PATTERN: test that the last attempt passed its case, and that the first line of its
# results, the record of the run, matches
ran()
{
	[ "$status" -eq 0 ] && grep -q '"type":"end","planned":1,"passed":1,' "$tmp/results" &&
		head -n 1 "$tmp/results" | grep -q "$2"
	ret=$?
	result $ret "$1"
	[ $ret -eq 0 ] || {
		echo "# exit status $status"
		cat "$tmp/out" "$tmp/err" "$tmp/console" "$tmp/results" | cut -c1-500 | tail -n 30 | sed 's/^/#   /'
	}
}

# refused NAME PATTERN: test that the last attempt was refused in one line, with status 2, and changed
# nothing
refused()
{
	one_line "$1" 2 "$2"
	unchanged "$1"
}

is_patched()
{
	[ -e /sys/module/kvm/parameters/mmu_reset_every ]
}
