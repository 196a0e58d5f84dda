# SPDX-License-Identifier: GPL-2.0
# Save and restore the state of the host that a run may change.  Sourced by beds/host/run.
#
# The bed writes the state to a journal before it changes anything.  To restore, it compares the
# host with the journal, and changes back what differs.  So it does not matter at which point a
# run, or an earlier restore, was interrupted.
#
# The journal has these kinds of lines:
#   boot ID                the ID of the boot; after a reboot, there is nothing to restore
#   module NAME ID         the module was loaded; ID is its build ID
#   param NAME VALUE       "module.parameter" had this value
#   knob FILE VALUE        the file had this value
#   unmounted TYPE FOLDER  the file system was not mounted there
#   device MODE UID GID    mode and owner of /dev/kvm
# The journal is in the cache, so that the next start finds it, even with another BUILD.
journal=$CACHE/host/journal

# KVM's modules in the order in which they are loaded, and the modules that they need.
KVM_MODULES='kvm kvm_amd kvm_intel'
KVM_NEEDS='irqbypass ccp'

DEBUGFS=/sys/kernel/debug
FILE_SYSTEMS="debugfs:$DEBUGFS tracefs:/sys/kernel/tracing"

# The files that the bed or a test may change, beside module parameters.
KNOBS='/proc/sys/kernel/numa_balancing /proc/sys/kernel/kptr_restrict
	/proc/sys/vm/overcommit_memory /proc/sys/vm/compaction_proactiveness
	/proc/sys/vm/nr_hugepages /proc/sys/vm/nr_overcommit_hugepages
	/sys/devices/system/node/node*/hugepages/*/nr_hugepages
	/sys/kernel/mm/hugepages/*/nr_hugepages
	/sys/module/damon_stat/parameters/enabled
	/sys/kernel/mm/transparent_hugepage/enabled
	/sys/kernel/mm/transparent_hugepage/defrag
	/sys/kernel/mm/transparent_hugepage/khugepaged/defrag
	/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan
	/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
	/sys/kernel/mm/numa/demotion_enabled
	/sys/kernel/mm/ksm/run /sys/kernel/mm/ksm/merge_across_nodes'

is_loaded() {
	[ -e "/sys/module/$1/initstate" ]
}

is_mounted() {
	awk -v type="$1" -v dir="$2" '$2 == dir && $3 == type { found = 1 } END { exit !found }' /proc/mounts
}

build_id_file() {
	echo "/sys/module/$1/notes/.note.gnu.build-id"
}

# printable: replace NUL and newline, which end strings and lines: a build ID may contain any bytes.
printable() {
	tr '\000\n' '\001\001'
}

# is_installed MODULE: whether modprobe would load the same module as the one that is loaded now.  The
# build ID is the end of the ELF note.
is_installed() {
	file=$(modinfo -n "$1" 2>/dev/null) && [ -r "$file" ] && [ -r "$(build_id_file "$1")" ] || return 1
	decompress "$file" | printable |
		LC_ALL=C grep -aqF "$(tail -c 20 "$(build_id_file "$1")" | printable)"
}

# now_KIND: print the current state as lines of the journal, without the kind.
now_boot() {
	cat /proc/sys/kernel/random/boot_id
}

now_module() {
	for module in $KVM_NEEDS $KVM_MODULES; do
		! is_loaded "$module" ||
			echo "$module $(od -An -v -tx1 "$(build_id_file "$module")" 2>/dev/null | tr -d ' \n')"
	done
}

# Some parameters cannot be read, and grep skips them.
now_param() {
	for module in $KVM_MODULES; do
		grep -sH '' "/sys/module/$module/parameters"/* || :
	done | sed 's|^/sys/module/\([^/]*\)/parameters/\([^:]*\):|\1.\2 |'
}

# If a file lists all possible values, the current one is in brackets.
now_knob() {
	grep -sH '' $KNOBS | sed 's/^\([^:]*\):.*\[\(.*\)\].*/\1:\2/; s/:/ /'
}

now_unmounted() {
	for fs in $FILE_SYSTEMS; do
		is_mounted "${fs%%:*}" "${fs#*:}" || echo "${fs%%:*} ${fs#*:}"
	done
}

now_device() {
	[ ! -c /dev/kvm ] || stat -c '%a %u %g' /dev/kvm
}

# journal_write: write the complete journal first, and then rename it: from an incomplete journal, only a
# part would be restored.
journal_write() {
	mkdir -p "${journal%/*}" ||
		bed_die "cannot create ${journal%/*}: make it writable, or set XDG_CACHE_HOME"
	for kind in boot module param knob unmounted device; do
		"now_$kind" | sed "s/^/$kind /"
	done >"$journal.new"
	sync "$journal.new"
	mv "$journal.new" "$journal"
}

# then_all KIND: print the journal's lines of this kind, without the kind.
then_all() {
	sed -n "s/^$1 //p" "$journal"
}

# differing KIND: print the journal's lines of this kind that differ from the current state.  The empty
# first line is a pattern that matches no line, for a kind without any line now.
differing() {
	{ echo; "now_$1"; } >"$journal.now"
	then_all "$1" | grep -vxFf "$journal.now" || :
	rm -f "$journal.now"
}

was_loaded() {
	then_all module | grep -q "^$1 "
}

trouble() {
	say "host: $*"
	troubles=$((troubles + 1))
}

# unload_kvm: the vendor module first.
unload_kvm() {
	for module in kvm_amd kvm_intel kvm; do
		! is_loaded "$module" || rmmod "$module" || return 1
	done
}

# load_then [FILE]: load the modules that were loaded before the run.  FILE has their parameters, as
# lines "module.parameter value".
load_then() {
	for module in $KVM_MODULES; do
		! was_loaded "$module" ||
			modprobe "$module" $(sed -n "s/^$module\.\([^ ]*\) /\1=/p" "${1:-/dev/null}") || return 1
	done
}

restore_modules() {
	if [ "$(now_module | grep '^kvm')" != "$(then_all module | grep '^kvm')" ]; then
		users=$(kvm_users)
		[ -z "$users" ] || {
			trouble "cannot put KVM's modules back, as KVM is in use by $users: stop that"
			return
		}
		unload_kvm && load_then || {
			trouble "cannot put KVM's modules back: see dmesg"
			return
		}
	fi
	restore_params
}

# put_params: write the old values of parameters.  The file $wrong lists those that still differ.
put_params() {
	differing param >"$wrong"
	while read -r param was; do
		put "$was" "/sys/module/${param%%.*}/parameters/${param#*.}"
	done <"$wrong"
	differing param >"$wrong"
}

# restore_params: to restore a parameter that cannot be written, reload the modules with it.
restore_params() {
	wrong=$journal.wrong
	put_params
	if [ -s "$wrong" ] && [ -z "$(kvm_users)" ]; then
		unload_kvm && load_then "$wrong" || :
		put_params
	fi
	while read -r param was; do
		trouble "cannot set $param to $was, as it was"
	done <"$wrong"
	rm -f "$wrong"
}

# put VALUE FILE: try to write the value; the caller compares afterwards.
put() {
	{ echo "$1" >"$2"; } 2>/dev/null || :
}

restore_needs() {
	for module in ccp irqbypass; do
		! is_loaded "$module" || was_loaded "$module" || rmmod "$module" ||
			trouble "cannot unload $module"
	done
}

# restore_knobs: write twice, as the number of all hugepages includes those of each node.
restore_knobs() {
	for _ in first last; do
		differing knob >"$journal.knobs"
		while read -r knob was; do
			put "$was" "$knob"
		done <"$journal.knobs"
	done
	differing knob >"$journal.knobs"
	while read -r knob was; do
		trouble "cannot set $knob to $was, as it was"
	done <"$journal.knobs"
	rm -f "$journal.knobs"
}

# restore_mounts: unmount file systems below first, as tracefs mounts itself in debugfs.
restore_mounts() {
	for dir in $(differing unmounted | cut -d ' ' -f 2); do
		for below in $(awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r) "$dir"; do
			umount "$below" || trouble "cannot unmount $below"
		done
	done
}

# restore_device: let udev set mode and owner first.
restore_device() {
	! command -v udevadm >/dev/null || udevadm settle -t 5 || :
	set -- $(differing device)
	[ $# -eq 0 ] || [ ! -c /dev/kvm ] || { chmod "$1" /dev/kvm && chown "$2:$3" /dev/kvm; } ||
		trouble "cannot set mode and owner of /dev/kvm to $*, as they were"
}

# restore: restore the host.  If something still differs, fail, and keep the journal for the next start.
restore() {
	[ -e "$journal" ] || return 0
	troubles=0
	if [ -n "$(differing boot)" ]; then
		say "  host: rebooted since a run was interrupted: nothing to put back"
	else
		restore_modules
		restore_needs
		restore_device
		restore_knobs
		restore_mounts
	fi
	[ "$troubles" -eq 0 ] || {
		say "host: NOT as it was before the run: then: beds/host/run --restore, or reboot; $journal has what it was"
		return 1
	}
	rm -f "$journal"
}
