# SPDX-License-Identifier: GPL-2.0
# Check whether this host can run the tests; each message names the remedy.  Sourced by
# beds/host/run.

# kvm_users: print the processes that use KVM, as "name (pid)", as far as they are visible from here, and
# the modules.  Print nothing if nobody uses KVM.
kvm_users() {
	users=$(ls -l /proc/[0-9]*/fd 2>/dev/null | awk '
		/^\/proc\// { split($1, path, "/"); pid = path[3] }
		/ -> (\/dev\/kvm|anon_inode:kvm-.*)$/ && !seen[pid]++ { print pid }' |
	while read -r pid; do
		echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"
	done | paste -s -d , - | sed 's/,/, /g')
	for module in kvm_amd kvm_intel; do
		[ -n "$users" ] || ! is_loaded "$module" || [ "$(cat "/sys/module/$module/refcnt")" -eq 0 ] ||
			users="somebody who is not to be seen from here, maybe in a container"
	done
	for module in $(ls /sys/module/kvm/holders 2>/dev/null); do
		case $module in
		kvm_amd | kvm_intel) ;;
		*) users="${users:+$users, }module $module" ;;
		esac
	done
	echo "$users"
}

check_root() {
	[ "$(id -u)" -eq 0 ] || bed_die "not root, who alone may load modules and see debugfs: sudo make run BED=host"
}

lockdown() {
	sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/security/lockdown 2>/dev/null
}

# can_mount TYPE FOLDER: whether the file system can be mounted there.  The attempt is in a mount
# namespace of its own, so the host does not change.
can_mount() {
	[ -d "$2" ] && unshare -m mount -t "$1" "$1" "$2" 2>/dev/null
}

check_file_systems() {
	for fs in $FILE_SYSTEMS; do
		type=${fs%%:*} dir=${fs#*:}
		is_mounted "$type" "$dir" || can_mount "$type" "$dir" ||
			bed_die "$type is not mounted on $dir and cannot be: boot a kernel that has it, without debugfs=off, and not in a container"
	done
	case $(lockdown) in
	integrity | confidentiality)
		bed_die "the kernel is locked down ($(lockdown)), as with Secure Boot, so that debugfs and modules of ours are forbidden: turn Secure Boot off in the firmware, or boot without lockdown=" ;;
	esac
}

# in_debugfs COMMAND...: run the command with debugfs mounted, if necessary in a temporary mount
# namespace.
in_debugfs() {
	if is_mounted debugfs "$DEBUGFS"; then
		"$@"
	else
		unshare -m sh -c "mount -t debugfs debugfs $DEBUGFS && exec \"\$@\"" sh "$@"
	fi
}

# has_counters: whether KVM counts roots: the loaded KVM, or else the one that modprobe would load.
has_counters() {
	if [ -d "/sys/module/$vendor" ]; then
		in_debugfs test -r "$DEBUGFS/kvm/mmu_root_alloc"
	else
		file=$(modinfo -n kvm 2>/dev/null) && [ -r "$file" ] &&
			decompress "$file" | grep -q mmu_root_alloc
	fi
}

# check_modules_allowed: die unless KVM can be unloaded, other modules can be loaded, and the old ones
# can be put back.
check_modules_allowed() {
	[ ! -d /sys/module/kvm ] || is_loaded kvm ||
		bed_die "KVM is built into this kernel: boot one with CONFIG_KVM=m, or with the patches"
	[ "$(cat /proc/sys/kernel/modules_disabled)" = 0 ] ||
		bed_die "kernel.modules_disabled is set, so that no module can be loaded: reboot without it"
	case $(cat /sys/module/module/parameters/sig_enforce 2>/dev/null) in
	Y | 1) bed_die "the kernel takes signed modules only: boot without module.sig_enforce, and with Secure Boot off" ;;
	esac
	for module in $KVM_MODULES; do
		! is_loaded "$module" || is_installed "$module" ||
			bed_die "the loaded $module is not that of /lib/modules/$(uname -r), and could not be put back: load that first: modprobe -r $vendor kvm && modprobe $vendor"
	done
	users=$(kvm_users)
	[ -z "$users" ] || bed_die "KVM is in use by $users: stop that, e.g. its guests"
}

# debian_version: print the version of Debian's package, which is part of the kernel's version string.
debian_version() {
	uname -v | sed -n 's/.* Debian \([^ ]*\) .*/\1/p'
}

# check_source: print the kernel that modules must be built for: its release, and Debian's version of it.
# Die if there is no source for it.
check_source() {
	[ -n "$(kernel_of "$(uname -r)")${KERNEL_SRC:-}" ] ||
		bed_die "no source that matches this kernel, $(uname -r): the patches are for $(kernel_names | paste -sd ' '): boot such a kernel, see make kernels, or give its source with KERNEL_SRC="
	version=$(debian_version)
	[ -n "$version${KERNEL_SRC:-}" ] ||
		bed_die "no source that matches this kernel, $(uname -r), which is not Debian's: give it with KERNEL_SRC=, or boot Debian's"
	echo "$(uname -r) $version"
}
