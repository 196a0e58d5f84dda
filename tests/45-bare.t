#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the README's first command, `make run`, on a machine that only has Debian's base system.  The
# machine is a chroot with an empty environment and a clone of HEAD; the test waits for the table of
# `make run`.  It does this with Debian 12, and with make test FULL=1 with Debian 13 as well; SUITES
# selects suites.  The chroot shares downloads and ccache's objects with other runs.
#
# A test that has passed is not repeated until something changes that it depends on.

. tests/tap.sh

bare=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-mmu-roots/bare
# All files that make run depends on.
PARTS='Makefile scripts beds runner report mutants/Makefile mutants/judge.c patches tools configs tests/45-bare.t tests/tap.sh'
# The space for the chroot, with a kernel prepared in it.
NEED_MIB=6000
# The user's home folder in the chroot.
IN_HOME=/srv/user
# The packages of the base system, beside those that apt needs.
INCLUDE=ca-certificates,make,git
KEEP_DAYS=7
# The terminal, and the maximum size of the output on it.
MAX_COLUMNS=100
MAX_LINES=40
PROGRESS_S=30

# why_not: print why this machine cannot run the test: it needs root, and namespaces, which a container
# may forbid
why_not()
{
	[ "$(id -u)" -eq 0 ] || { echo "not root"; return; }
	unshare --mount --pid --fork true 2>/dev/null || { echo "no namespaces of mounts and processes here"; return; }
	git rev-parse -q --verify HEAD >/dev/null 2>&1 || { echo "no git tree to clone"; return; }
	command -v mmdebstrap >/dev/null || { echo "no mmdebstrap here"; return; }
	[ "$(df -Pm "$bare" | awk 'NR == 2 { print $4 }')" -ge $NEED_MIB ] || echo "less than $NEED_MIB MiB free in $bare"
}

# end_job: end the command that follow() has started last
job=
end_job()
{
	[ -z "$job" ] || { kill "$job" && wait "$job"; } 2>/dev/null
	rm -rf "$tmp" "$bare"/*."$$" "$bare"/*."$$".tar
}
trap end_job EXIT

# follow LOG COMMAND...: run a command in the background, so that this shell acts on signals, and print
# its progress
follow()
{
	log=$1
	shift
	setpriv --pdeathsig TERM -- "$@" >"$log" 2>&1 </dev/null &
	job=$!
	waited=0
	while kill -0 $job 2>/dev/null; do
		sleep 1
		waited=$((waited + 1))
		[ $((waited % PROGRESS_S)) -ne 0 ] || echo "# $waited s: $(screen $MAX_COLUMNS <"$log" | tail -n 1)"
	done
	wait $job
	ret=$?
	job=
	return $ret
}

# base_tar: make a tar file of the base system, and keep it for some days.  mmdebstrap writes a tar file
# as the name of its output ends with .tar.
base_tar()
{
	tar=$bare/$suite.tar
	[ -z "$(find "$tar" -mtime -$KEEP_DAYS 2>/dev/null)" ] || return 0
	echo "# $suite: making a base system"
	follow "$bare/$suite.log" mmdebstrap --variant=apt --include=$INCLUDE "$suite" "$bare/$suite.$$.tar" &&
		mv "$bare/$suite.$$.tar" "$tar"
}

# Run make run in the chroot, on a terminal, with the shared folders mounted into it.  The mount namespace
# hides these mounts from the rest of the machine.
# shellcheck disable=SC2016 # its own arguments
IN_ROOT='
	root=$1 bare=$2 suite=$3 home=$4 columns=$5
	for shared in "$bare/ccache $home/.cache/kvm-mmu-roots/ccache" \
		"$bare/../debs $home/.cache/kvm-mmu-roots/debs" "$bare/apt-$suite /var/cache/apt/archives"; do
		mkdir -p "${shared% *}" "$root${shared#* }" && mount --bind "${shared% *}" "$root${shared#* }" || exit
	done
	mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" &&
		mount -t tmpfs tmpfs "$root/tmp" || exit
	exec chroot "$root" env -i -C "$home/kvm-mmu-roots" HOME="$home" TERM=linux SHELL=/bin/sh \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		script -qec "stty cols $columns; exec make run" /dev/null'

# written_elsewhere: print the files that a run has written outside of the allowed folders.  Only look at
# files newer than the search for a kernel, as packages are installed before it.
written_elsewhere()
{
	find "$root" -xdev -type f -newer "$(echo "$root$IN_HOME"/.cache/kvm-mmu-roots/base/packages-*)" \
		! -path "$root$IN_HOME/kvm-mmu-roots/build/*" ! -path "$root$IN_HOME/.cache/kvm-mmu-roots/*" \
		! -path "$root/var/cache/apt/*" ! -path "$root/var/lib/apt/*"
}

test_suite()
{
	key=$({ git ls-tree -r HEAD $PARTS; echo "$suite $INCLUDE"; } | sha256sum | cut -c1-16)
	passed=$bare/passed-$suite-$key
	# Runs of this test take turns, and the second one finds the result of the first.
	exec 9>"$bare/lock-$suite"
	flock 9
	# Remove what killed runs have left.
	rm -rf "$bare/root-$suite".* "$bare/$suite".*.tar
	if [ -e "$passed" ]; then
		result 0 "make run on a bare $suite: has passed as it is: $(cat "$passed")"
		return
	fi
	base_tar || {
		result 1 "make run on a bare $suite: no base system: $(tail -n 1 "$bare/$suite.log")"
		return
	}
	root=$bare/root-$suite.$$
	mkdir -p "$root"
	tar -C "$root" -xf "$tar"
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	mkdir -p "$root$IN_HOME"
	git clone -q --no-hardlinks . "$root$IN_HOME/kvm-mmu-roots"
	echo "# $suite: make run"
	follow "$bare/$suite.log" unshare --mount --pid --fork --kill-child sh -c "$IN_ROOT" sh "$root" "$bare" "$suite" "$IN_HOME" $MAX_COLUMNS
	screen $MAX_COLUMNS <"$bare/$suite.log" >"$tmp/screen"
	grep -E '^[0-9]+ cases: .* 0 failed' "$tmp/screen" >"$tmp/last" && [ $ret -eq 0 ]
	ret=$?
	result $ret "make run on a bare $suite: $(cat "$tmp/last")"
	[ $ret -eq 0 ] || tail -n 40 "$tmp/screen" | sed 's/^/# /'
	[ "$(wc -l <"$tmp/screen")" -le $MAX_LINES ]
	long=$?
	result $long "make run on a bare $suite: $MAX_LINES lines at most on a terminal of $MAX_COLUMNS columns"
	[ $long -eq 0 ] || sed 's/^/# /' "$tmp/screen"
	written_elsewhere >"$tmp/elsewhere" 2>&1
	[ ! -s "$tmp/elsewhere" ]
	clean=$?
	result $clean "make run on a bare $suite: writes to build/ and its cache only"
	sed 's/^/# /' "$tmp/elsewhere" | head -n 20
	[ $((ret + long + clean)) -ne 0 ] || cp "$tmp/last" "$passed"
	rm -rf "$root"
}

mkdir -p "$bare"
find "$bare" -maxdepth 1 -name 'passed-*' -mtime +30 -delete
why=$(why_not)
for suite in ${SUITES:-bookworm ${ALL:+trixie}}; do
	if [ -z "$why" ]; then
		test_suite
	elif [ -n "${CI:-}" ]; then
		result 1 "make run on a bare $suite: $why"
	else
		skip "make run on a bare $suite" "$why"
	fi
done
plan_done
