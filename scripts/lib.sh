# SPDX-License-Identifier: GPL-2.0
# Shared by all scripts: folders, messages, processes that run in the background, locks and builds.
# Sourced, with $top set to the repository.

set -eu

BUILD=${BUILD:-$top/build}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-mmu-roots
case $BUILD in
/*) ;;
*) BUILD=$PWD/$BUILD ;;
esac

# kernel_names: print the kernels that patches/ supports, the oldest first.
kernel_names() {
	(cd "$top/patches" 2>/dev/null && ls -d linux-*) | sed 's/^linux-//' | sort -V
}

# kernel_of VERSION: print the kernel of patches/ that a version of Debian's belongs to, if any.
kernel_of() {
	kernel_dotted=${1%%[!0-9.]*}.
	kernel_minor=${kernel_dotted#*.}
	kernel_minor=${kernel_dotted%%.*}.${kernel_minor%%.*}
	[ ! -d "$top/patches/linux-$kernel_minor" ] || echo "$kernel_minor"
}

# Choose the kernel of patches/.  KERNEL= decides.  Without it, take the kernel of DEBIAN_VERSION, or
# the one that our caller has found available (settle_kernel()), or the newest.  For a user's tree,
# choose_series() finds out.
kernel_told=${KERNEL:+1}
[ -n "$kernel_told" ] || [ -z "${DEBIAN_VERSION:-}" ] || KERNEL=$(kernel_of "$DEBIAN_VERSION")
: "${KERNEL:=${KERNEL_DEFAULT:-$(kernel_names | tail -n 1)}}"
SERIES_DIR=$top/patches/linux-$KERNEL
JOBS=${JOBS:-$(nproc)}
export BUILD CACHE JOBS

# Our Makefile may have called us; the makefiles that we call must not inherit its options.
unset MAKEFLAGS MFLAGS MAKELEVEL

# Exit statuses of all scripts: 0 good, 1 a test failed, 2 nothing could be run.
EXIT_UNUSABLE=2

# On a terminal, each message begins with this: it erases the line that status() has written.
clear_status=
columns=
! { [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; } || {
	clear_status=$(printf '\r\033[K')
	columns=$(stty size <&2 2>/dev/null | cut -d ' ' -f 2)
	[ "${columns:-0}" -gt 0 ] || columns=80
}

say() {
	printf '%s%s\n' "$clear_status" "$*" >&2
}

# status TEXT: show progress on one line of the terminal, which the next status() or say() overwrites.
# Print nothing if standard error is no terminal.
status() {
	[ -z "$clear_status" ] || printf '%s%.*s' "$clear_status" $((columns - 1)) "$*" >&2
}

# short PATH: print a path for messages, relative to the current folder if it is inside.
short() {
	echo "${1#"$PWD"/}"
}

die() {
	say "error: $*"
	exit "$EXIT_UNUSABLE"
}

[ -z "$kernel_told" ] || [ -d "$SERIES_DIR" ] || die "no such kernel: $KERNEL: there are $(kernel_names | paste -sd ' ')"

# settle_kernel BEDS: choose the kernel if the user has not: with bed host, the running kernel if
# patches/ supports it, else the newest one that can be downloaded.  Sets KERNEL and SERIES_DIR, and
# exports KERNEL_DEFAULT for the scripts that we call.
settle_kernel() {
	[ -z "$kernel_told${KERNEL_SRC:-}${DEBIAN_VERSION:-}${KERNEL_DEFAULT:-}" ] || return 0
	case " $1 " in
	*' host '*) settled=$(kernel_of "$(uname -r)") ;;
	*) settled='' ;;
	esac
	for KERNEL in ${settled:-$(kernel_names | sort -rV)}; do
		settle_error=$(KERNEL=$KERNEL "$top/scripts/kernel.sh" --exists 2>&1) && break
		settle_error=${settle_error##*error: }
		[ -n "${settle_first:-}" ] || settle_first="kernel $KERNEL cannot be had: $settle_error"
		KERNEL=
	done
	[ -n "$KERNEL" ] || die "$settle_error"
	[ -z "${settle_first:-}" ] || say "  $settle_first; taking $KERNEL"
	SERIES_DIR=$top/patches/linux-$KERNEL
	export KERNEL_DEFAULT="$KERNEL"
}

# look_at_clock: set $now to the seconds since the machine booted.  Polling loops use this, as it does
# not fork: a fork takes milliseconds away from what is measured.
look_at_clock() {
	read -r now _ </proc/uptime
	now=${now%.*}
}

now() {
	look_at_clock
	echo "$now"
}

# The scripts split lists of paths at blanks, and QEMU ends a path at a comma.
case "$BUILD $CACHE" in
*[[:space:],]*[[:space:]]* | *[[:space:]]*[[:space:],]* | *,*)
	die "BUILD=$BUILD and XDG_CACHE_HOME must be without blanks and commas" ;;
esac

# hash_files FILE...: print one hash of the names and contents of files.
hash_files() {
	sha256sum "$@" | sha256sum | cut -c1-16
}

# However the script ends, on_exit() kills the process groups in $children, and then evaluates
# $cleanup, which removes temporary files.
cleanup=:
children=
on_exit() {
	status=$?
	# A second Ctrl-C must not cut the cleaning up short.
	trap '' INT TERM HUP
	trap - EXIT
	for child in $children; do
		end_group "$child"
	done
	for child in $children; do
		await_group "$child"
	done
	eval "$cleanup"
	exit "$status"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

at_exit() {
	cleanup="$1; $cleanup"
}

kill_group() {
	kill "$@" 2>/dev/null
}

# end_group PID [SIGNAL]: send a signal to a group that start() has started.  A process that was forked
# just now may not lead a group yet, or may become the leader of one before the signal arrives.
end_group() {
	! kill_group "-${2:-TERM}" "-$1" || return 0
	kill_group "-${2:-TERM}" "$1" || :
	sleep 0.1
	kill_group "-${2:-TERM}" "-$1" || :
}

# await_group PID: wait for a group that end_group() has told to end.  Repeat the signal, as it misses a
# process that a shell forks at that moment.  After the leader has died, wait for the others of the
# group, which may still write files: a test ends the runs that it has started, and each of these its bed.
await_group() {
	await_tries=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 0.1
		await_tries=$((await_tries + 1))
		[ $((await_tries % 10)) -ne 0 ] || kill_group -TERM "-$1" || :
	done
	wait "$1" 2>/dev/null || :
	await_tries=0
	while [ $await_tries -lt 50 ]; do
		kill -0 "-$1" 2>/dev/null || return 0
		sleep 0.1
		await_tries=$((await_tries + 1))
	done
	kill_group -KILL "-$1" || :
}

# The shell code of the leader of a process group, which runs a command.  On SIGTERM, which it also gets
# if we are killed, the leader sends SIGTERM to its group, and waits for the command to clean up.
# The command starts first: otherwise it would inherit that the leader ignores further signals.
# shellcheck disable=SC2016 # its own variables
GROUP_LEADER='
	"$@" &
	trap "trap \"\" TERM HUP; kill 0" TERM HUP
	wait "$!"
	status=$?
	while kill -0 "$!" 2>/dev/null; do
		wait "$!"
		status=$?
	done
	exit "$status"'

# start COMMAND...: run it in the background, as a process group of its own; set $pid to the leader.
start() {
	setsid setpriv --pdeathsig TERM -- sh -c "$GROUP_LEADER" sh "$@" </dev/null &
	pid=$!
	children="$children $pid"
}

# finish PID: wait for a command that start() has started, and return its exit status.  Also end the
# processes that it has left behind.
finish() {
	finish_status=0
	wait "$1" || finish_status=$?
	kill_group -TERM "-$1" || :
	finish_others=
	for child in $children; do
		[ "$child" = "$1" ] || finish_others="$finish_others $child"
	done
	children=$finish_others
	return "$finish_status"
}

# run COMMAND...: run a long command in the background and wait for it.  A shell that waits for a
# command in the foreground does not act on signals.
run() {
	start "$@"
	finish "$pid"
}

# run_on_terminal COMMAND...: like run(), but the command may read from our terminal.  So it stays in our
# process group: others are stopped when they read from it.
run_on_terminal() {
	{ setpriv --pdeathsig TERM -- "$@" <&3 3<&- & } 3<&0
	pid=$!
	children="$children $pid"
	finish "$pid"
}

# capture VARIABLE COMMAND...: set the variable to the first line that the command prints; exit if it
# fails.
capture() {
	capture_var=$1
	shift
	capture_file=$(mktemp)
	at_exit "rm -f '$capture_file'"
	start "$@" >"$capture_file"
	finish "$pid" || {
		capture_status=$?
		rm -f "$capture_file"
		exit "$capture_status"
	}
	read -r capture_value <"$capture_file" || :
	rm -f "$capture_file"
	eval "$capture_var=\$capture_value"
}

# need_space FOLDER MIB: die unless the folder's file system has that much free space.
need_space() {
	mkdir -p "$1" 2>/dev/null || die "cannot create $1: make it writable, or set XDG_CACHE_HOME or BUILD"
	space_free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$space_free" -ge "$2" ] ||
		die "too little disk: $1 has $space_free MiB free, $2 are needed: free some, or set XDG_CACHE_HOME or BUILD"
}

# lock NAME [quietly]: wait for the lock, and hold it until this script and all its children have ended.
lock() {
	mkdir -p "$CACHE/locks" 2>/dev/null ||
		die "cannot create $CACHE: make it writable, or set XDG_CACHE_HOME"
	exec 9>"$CACHE/locks/$1"
	flock -n 9 && return
	[ -n "${2:-}" ] || say "  waiting for another run that prepares $1"
	flock 9
}

# Without a terminal, a long step prints a line this often.
STEP_S=30

# step_goes_on: show progress; called once a second while a step runs, $step_s seconds after its start.
step_goes_on() {
	if [ -n "$clear_status" ]; then
		status "  $step_what: $step_s s: $(tail -n 1 "$step_log" | tr -d '\r')"
	elif [ $((step_s % STEP_S)) -eq 0 ]; then
		say "    ... $step_s s, $(wc -l <"$step_log") lines of output: $(tail -n 1 "$step_log" | cut -c1-60)"
	fi
}

# step LOG WHAT COMMAND...: run a long command with its output in LOG, and print WHAT and how long it
# takes.  If the command fails, print the end of LOG and die.
step() {
	step_log=$1 step_what=$2
	shift 2
	mkdir -p "$(dirname "$step_log")"
	step_start=$(now)
	[ -n "$clear_status" ] || say "  $step_what"
	start "$@" >"$step_log" 2>&1
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		step_s=$(($(now) - step_start))
		[ "$step_s" -eq 0 ] || step_goes_on
	done
	if finish "$pid"; then
		step_s=$(($(now) - step_start))
		if [ -n "$clear_status" ]; then
			say "  $step_what: $step_s s"
		elif [ "$step_s" -ge "$STEP_S" ]; then
			say "    done in $step_s s"
		fi
		return
	fi
	# Print lines with errors first: in a parallel build, other jobs write to the log after an error.
	{
		grep -m 5 -E 'rror: |No such file|not found|undefined reference' "$step_log" && echo ... || :
		tail -n 15 "$step_log"
	} | cut -c1-200 | sed 's/^/    | /' >&2
	die "failed: $step_what; all of its output: $step_log"
}

# ccache_for TREE: set up ccache so that trees share its objects.  With CCACHE_DEPEND, ccache reads the
# dependency files of the makefiles; preprocessing each file instead adds a third to a first build.
ccache_for() {
	export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$1" CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 \
		CCACHE_MAXSIZE=2G
}

# link_flags: print the linker's flags for programs that run in a guest: -static if this machine has
# static versions of all libraries, which only Debian packages.  Otherwise initramfs.sh packs the
# shared libraries.  LINK='' or LINK=-static overrides this.
link_flags() {
	if [ -n "${LINK+set}" ]; then
		echo "$LINK"
		return
	fi
	for lib in libc.a libjansson.a libnuma.a; do
		[ -e "$(gcc -print-file-name="$lib")" ] || return 0
	done
	echo -static
}

# unpack_kernel FOLDER: unpack vmlinuz to vmlinux in the same folder, so that beds need not do so for
# each boot.  If this fails, a bed that needs vmlinux says what is missing.
unpack_kernel() {
	"$top/scripts/unpack-kernel.sh" "$1/vmlinuz" "$1/vmlinux" 2>/dev/null || :
}

# decompress FILE: print the content of a module, compressed or not.
decompress() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}
