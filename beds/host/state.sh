# SPDX-License-Identifier: GPL-2.0
# What a run changes on the host, and how it is put back.  Sourced by beds/host/run.
#
# All of it is written down before anything is changed, and restoring compares and
# mends until nothing differs.  So it does not matter how far a run has got, nor
# whether an earlier restore was cut short.
#
# The journal's lines, a kind of things each:
#   boot ID                of the boot it is about: a reboot has restored all there is
#   module NAME ID         was loaded; ID is its build ID
#   param NAME VALUE       "module.parameter" and its value
#   knob FILE VALUE        what the file said
#   unmounted TYPE FOLDER  a file system that was not mounted there
#   device MODE UID GID    of /dev/kvm
# It is in the cache, where the next start finds it, whatever its BUILD is.
journal=$CACHE/host/journal

# In the order they are loaded, and what they need.
KVM_MODULES='kvm kvm_amd kvm_intel'
KVM_NEEDS='irqbypass ccp'

DEBUGFS=/sys/kernel/debug
FILE_SYSTEMS="debugfs:$DEBUGFS tracefs:/sys/kernel/tracing"

# What the bed or a test may change, beside module parameters.
KNOBS='/proc/sys/kernel/numa_balancing /proc/sys/kernel/kptr_restrict
	/proc/sys/vm/overcommit_memory
	/proc/sys/vm/nr_hugepages /proc/sys/vm/nr_overcommit_hugepages
	/sys/devices/system/node/node*/hugepages/*/nr_hugepages
	/sys/kernel/mm/hugepages/*/nr_hugepages
	/sys/kernel/mm/transparent_hugepage/enabled
	/sys/kernel/mm/transparent_hugepage/defrag
	/sys/kernel/mm/transparent_hugepage/khugepaged/defrag
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

# printable: a note's ID has any bytes, of which these two end lines and strings.
printable() {
	tr '\000\n' '\001\001'
}

# is_installed MODULE: whether modprobe would load what is loaded: a build ID is the
# end of its note.
is_installed() {
	file=$(modinfo -n "$1" 2>/dev/null) && [ -r "$file" ] && [ -r "$(build_id_file "$1")" ] || return 1
	decompress "$file" | printable |
		LC_ALL=C grep -aqF "$(tail -c 20 "$(build_id_file "$1")" | printable)"
}

# Lines of each kind, as things are now.
now_boot() {
	cat /proc/sys/kernel/random/boot_id
}

now_module() {
	for module in $KVM_NEEDS $KVM_MODULES; do
		! is_loaded "$module" ||
			echo "$module $(od -An -v -tx1 "$(build_id_file "$module")" 2>/dev/null | tr -d ' \n')"
	done
}

# Some parameters cannot be read.
now_param() {
	for module in $KVM_MODULES; do
		grep -sH '' "/sys/module/$module/parameters"/* || :
	done | sed 's|^/sys/module/\([^/]*\)/parameters/\([^:]*\):|\1.\2 |'
}

# Of several words, the one in brackets is the value.
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

# All or nothing: a journal that is cut off would restore a part.
journal_write() {
	mkdir -p "${journal%/*}" ||
		bed_die "cannot create ${journal%/*}: make it writable, or set XDG_CACHE_HOME"
	for kind in boot module param knob unmounted device; do
		"now_$kind" | sed "s/^/$kind /"
	done >"$journal.new"
	sync "$journal.new"
	mv "$journal.new" "$journal"
}

# then_all KIND: lines that the journal has of it.
then_all() {
	sed -n "s/^$1 //p" "$journal"
}

# differing KIND: what the journal has of it, and is not so now.  The pattern that
# nothing matches is for a kind of which there is nothing now.
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

# Vendor's first.
unload_kvm() {
	for module in kvm_amd kvm_intel kvm; do
		! is_loaded "$module" || rmmod "$module" || return 1
	done
}

# load_then [FILE]: the modules that were loaded then, with these parameters: lines
# "module.parameter value".
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

# Leaves what cannot be written in $wrong.
put_params() {
	differing param >"$wrong"
	while read -r param was; do
		put "$was" "/sys/module/${param%%.*}/parameters/${param#*.}"
	done <"$wrong"
	differing param >"$wrong"
}

# Where a parameter cannot be written, the module is loaded once more, with it.
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

# put VALUE FILE: as far as it can be; it is looked at afterwards.
put() {
	{ echo "$1" >"$2"; } 2>/dev/null || :
}

restore_needs() {
	for module in ccp irqbypass; do
		! is_loaded "$module" || was_loaded "$module" || rmmod "$module" ||
			trouble "cannot unload $module"
	done
}

# Twice: the pages of a node are among those of all nodes.
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

# What is mounted below goes first: tracefs mounts itself in debugfs.
restore_mounts() {
	for dir in $(differing unmounted | cut -d ' ' -f 2); do
		for below in $(awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r) "$dir"; do
			umount "$below" || trouble "cannot unmount $below"
		done
	done
}

# udev may want to have its say first.
restore_device() {
	! command -v udevadm >/dev/null || udevadm settle -t 5 || :
	set -- $(differing device)
	[ $# -eq 0 ] || [ ! -c /dev/kvm ] || { chmod "$1" /dev/kvm && chown "$2:$3" /dev/kvm; } ||
		trouble "cannot set mode and owner of /dev/kvm to $*, as they were"
}

# Fails, and keeps the journal for the next start, if the host is not as it was.
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
