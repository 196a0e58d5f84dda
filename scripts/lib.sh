# SPDX-License-Identifier: GPL-2.0
# Shared by all scripts: where things are, how to speak, how to die, how to wait.
# Sourced, with $top set to the repository.

set -eu

BUILD=${BUILD:-$top/build}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-mmu-roots
case $BUILD in
/*) ;;
*) BUILD=$PWD/$BUILD ;;
esac

# kernel_names: those that there are patches for, the oldest first.
kernel_names() {
	(cd "$top/patches" 2>/dev/null && ls -d linux-*) | sed 's/^linux-//' | sort -V
}

# kernel_of VERSION: the one of patches/ that a version of Debian's is of, if it is of one.
kernel_of() {
	kernel_dotted=${1%%[!0-9.]*}.
	kernel_minor=${kernel_dotted#*.}
	kernel_minor=${kernel_dotted%%.*}.${kernel_minor%%.*}
	[ ! -d "$top/patches/linux-$kernel_minor" ] || echo "$kernel_minor"
}

# Which of patches/, if nobody tells: that of DEBIAN_VERSION; the one that our caller has found
# to be had, see settle_kernel(); the newest.  Of a user's tree it is found out, see choose_series().
kernel_told=${KERNEL:+1}
[ -n "$kernel_told" ] || [ -z "${DEBIAN_VERSION:-}" ] || KERNEL=$(kernel_of "$DEBIAN_VERSION")
: "${KERNEL:=${KERNEL_DEFAULT:-$(kernel_names | tail -n 1)}}"
SERIES_DIR=$top/patches/linux-$KERNEL
JOBS=${JOBS:-$(nproc)}
export BUILD CACHE JOBS

# Other makefiles' business is not that of ours, which may have called us.
unset MAKEFLAGS MFLAGS MAKELEVEL

# Exit statuses of all scripts: 0 good, 1 a test failed, 2 nothing could be run.
EXIT_UNUSABLE=2

# What stands before a line on a terminal, for it to take the place of status().
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

# status TEXT: what goes on, on one line that is rewritten until something is said; nothing
# where nobody watches.
status() {
	[ -z "$clear_status" ] || printf '%s%.*s' "$clear_status" $((columns - 1)) "$*" >&2
}

die() {
	say "error: $*"
	exit "$EXIT_UNUSABLE"
}

[ -z "$kernel_told" ] || [ -d "$SERIES_DIR" ] || die "no such kernel: $KERNEL: there are $(kernel_names | paste -sd ' ')"

# settle_kernel BEDS: which kernel it is, if nobody has told: in bed host that which runs, if there are
# patches for it; else the newest that is to be had.  In KERNEL and SERIES_DIR, and for all that we call.
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

# look_at_clock: leaves in $now the seconds since the machine has booted.  Whoever polls does so
# without a fork, which costs milliseconds beside what is measured.
look_at_clock() {
	read -r now _ </proc/uptime
	now=${now%.*}
}

now() {
	look_at_clock
	echo "$now"
}

# Lists of paths are words here, and a comma ends a path for QEMU.
case "$BUILD $CACHE" in
*[[:space:],]*[[:space:]]* | *[[:space:]]*[[:space:],]* | *,*)
	die "BUILD=$BUILD and XDG_CACHE_HOME must be without blanks and commas" ;;
esac

# hash FILE...: one hash over the names and contents of files.
hash_files() {
	sha256sum "$@" | sha256sum | cut -c1-16
}

# Files that must not outlive the script, and groups of processes: evaluated, and killed, on
# every way out.
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

# end_group PID [SIGNAL]: of what start() has started.  Forked just now, it leads no group
# yet, or has begun to when it dies.
end_group() {
	! kill_group "-${2:-TERM}" "-$1" || return 0
	kill_group "-${2:-TERM}" "$1" || :
	sleep 0.1
	kill_group "-${2:-TERM}" "-$1" || :
}

# await_group PID: once told to end.  A process that a shell forks in that very moment does
# not hear it, so it is told again.  The rest of a group dies as its leader does, but
# later, and may still write a file meanwhile.
await_group() {
	await_tries=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 0.1
		await_tries=$((await_tries + 1))
		[ $((await_tries % 10)) -ne 0 ] || kill_group -TERM "-$1" || :
	done
	wait "$1" 2>/dev/null || :
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 "-$1" 2>/dev/null || return 0
		sleep 0.1
	done
	kill_group -KILL "-$1" || :
}

# The leader of a group of processes that run a command.  Told to end, as it is if we are
# killed, it has all of them end, and waits for the command, which may have to clean up.
# The command begins first: it would inherit that the leader ignores a second signal.
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

# start COMMAND...: in the background, as a group of processes, in $pid.
start() {
	setsid setpriv --pdeathsig TERM -- sh -c "$GROUP_LEADER" sh "$@" </dev/null &
	pid=$!
	children="$children $pid"
}

# finish PID: wait for what was started; its exit status.  What it has left behind ends, too.
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

# Shells do not act on signals while they wait for a command in the foreground.
# So whatever takes long is run in the background, and waited for.
run() {
	start "$@"
	finish "$pid"
}

# capture VARIABLE COMMAND...: what a command prints; dies if it fails.
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

# need_space FOLDER MIB: stop before a full disk does.
need_space() {
	mkdir -p "$1" 2>/dev/null || die "cannot create $1: make it writable, or set XDG_CACHE_HOME or BUILD"
	space_free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$space_free" -ge "$2" ] ||
		die "too little disk: $1 has $space_free MiB free, $2 are needed: free some, or set XDG_CACHE_HOME or BUILD"
}

# lock NAME [quietly]: until the end of the script and all its children.
lock() {
	mkdir -p "$CACHE/locks" 2>/dev/null ||
		die "cannot create $CACHE: make it writable, or set XDG_CACHE_HOME"
	exec 9>"$CACHE/locks/$1"
	flock -n 9 && return
	[ -n "${2:-}" ] || say "  waiting for another run that prepares $1"
	flock 9
}

# How often a long step tells that it goes on, where there is no terminal to rewrite a line.
STEP_S=30

# step_goes_on: once a second, for a step that has taken $step_s seconds.
step_goes_on() {
	if [ -n "$clear_status" ]; then
		status "  $step_what: $step_s s: $(tail -n 1 "$step_log" | tr -d '\r')"
	elif [ $((step_s % STEP_S)) -eq 0 ]; then
		say "    ... $step_s s, $(wc -l <"$step_log") lines of output: $(tail -n 1 "$step_log" | cut -c1-60)"
	fi
}

# step LOG WHAT COMMAND...: run a long command, say what it does and for how
# long; its output goes to LOG.  Dies with the end of LOG if the command fails.
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
	# Of several that run at the same time, the one that failed has not said its word last.
	{
		grep -m 5 -E 'rror: |No such file|not found|undefined reference' "$step_log" && echo ... || :
		tail -n 15 "$step_log"
	} | cut -c1-200 | sed 's/^/    | /' >&2
	die "failed: $step_what; all of its output: $step_log"
}

# ccache_for TREE: what was built in a tree is found for another.  CCACHE_DEPEND has
# makefiles' lists of headers tell what to look at; to preprocess each file for that
# adds a third to a first build.
ccache_for() {
	export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$1" CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 \
		CCACHE_MAXSIZE=2G
}

# link_flags: how programs are linked that run in a guest.  Without libraries, if all are to be
# had as .a: only Debian's packages have them.  Else initramfs.sh packs those that are shared.
# LINK='' or LINK=-static asks for either.
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

# unpack_kernel FOLDER: beside its vmlinuz, for beds that would have to do so for each boot; they say
# what is missing if it cannot be done.
unpack_kernel() {
	"$top/scripts/unpack-kernel.sh" "$1/vmlinuz" "$1/vmlinux" 2>/dev/null || :
}

# decompress FILE: what a module is, in whichever way it is stored.
decompress() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}
