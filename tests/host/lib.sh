# SPDX-License-Identifier: GPL-2.0
# Shared by what runs in the guests of tests/65-host.t.

. tests/tap.sh

# Payloads; the filter is that of NAME.conf.
payload=/payload/patched

# Where beds/host keeps its journal, see beds/host/state.sh.
journal_dir=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-mmu-roots/host

# bed ARGUMENT...: an attempt of the host bed
bed()
{
	attempt beds/host/run --results "$tmp/results" --console "$tmp/console" \
		--payload "$payload" "$@"
}

# All that the bed could leave changed, told by other means than its own.
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

# unchanged NAME: since the last remember()
unchanged()
{
	state >"$tmp/after"
	cmp -s "$tmp/before" "$tmp/after"
	ret=$?
	result $ret "$1: the host is as it was"
	[ $ret -eq 0 ] || diff "$tmp/before" "$tmp/after" | sed 's/^/# /'
}

# ran NAME PATTERN: whether the last attempt ran its case well, and its first
# line, about the run, matches
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

# refused NAME PATTERN: in one line, with status 2, and nothing changed
refused()
{
	one_line "$1" 2 "$2"
	unchanged "$1"
}

is_patched()
{
	[ -e /sys/module/kvm/parameters/mmu_reset_every ]
}
