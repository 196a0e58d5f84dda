# SPDX-License-Identifier: GPL-2.0
# Shared by tests/*.t, which print TAP, and which prove runs from the top folder.  Sourced.
# $tmp is a temporary folder of the test; a test ends with plan_done.

nr=0
tmp=$(mktemp -d) || exit 1
trap 'end_children; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# Tests expect the results of this bed, even on a machine where another one is the default.
BED=${BED:-qemu-svm}
export BED

# default_kernel: print the kernel that is tested if none is named
# other_kernels: print the other kernels that patches/ supports
default_kernel()
{
	sh -c 'top=$PWD; . scripts/lib.sh; echo "$KERNEL"'
}

other_kernels()
{
	sh -c 'top=$PWD; . scripts/lib.sh; kernel_names' | grep -vx "$(default_kernel)"
}

# nr_patches KERNEL: print the number of patches in its series
nr_patches()
{
	grep -vc -e '^#' -e '^$' "patches/linux-$1/series"
}

# mutant NAME: print the mutant's patch for the default kernel
mutant()
{
	for file in "patches/linux-$(default_kernel)/mutants/$1.patch" "mutants/real/$1.patch"; do
		[ ! -e "$file" ] || break
		file=mutants/$1.patch
	done
	echo "$file"
}

bail_out()
{
	echo "Bail out! $*"
	exit 1
}

# result STATUS NAME: print one test point; STATUS is an exit status
result()
{
	nr=$((nr + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $nr - $2"
	else
		echo "not ok $nr - $2"
	fi
}

skip()
{
	nr=$((nr + 1))
	echo "ok $nr - $1 # SKIP $2"
}

plan_done()
{
	echo "1..$nr"
}

# attempt COMMAND...: run it; its exit status goes to $status, its output to $tmp/out and
# $tmp/err
attempt()
{
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

# screen COLUMNS: print what a terminal of this width shows in the end of the output on stdin: of each
# line, what comes after it was last erased, without colours, in as many lines as it takes
screen()
{
	escape=$(printf '\033')
	sed -e 's/\r$//' -e "s/.*\r$escape\[K//" -e "s/$escape\[[0-9;]*m//g" | fold -w "$1"
}

# on_terminal COLUMNS COMMAND: attempt a command of the shell on a terminal of this width; $tmp/out is
# what the terminal shows in the end
on_terminal()
{
	attempt env TERM=linux SHELL=/bin/sh script -qec "stty cols $1; $2" /dev/null
	mv "$tmp/out" "$tmp/typescript"
	screen "$1" <"$tmp/typescript" >"$tmp/out"
}

# says NAME STATUS PATTERN: a test point: the last attempt had this exit status, and a line
# of its output matches the extended regular expression
says()
{
	[ "$status" -eq "$2" ] && cat "$tmp/out" "$tmp/err" | grep -Eqe "$3"
	ret=$?
	result $ret "$1"
	[ $ret -eq 0 ] || {
		echo "# exit status $status, expected $2 and a line that matches: $3"
		cat "$tmp/out" "$tmp/err" | tail -n 20 | sed 's/^/#   /'
	}
}

# one_line NAME STATUS PATTERN: like says(), and standard error has no other line, except for
# progress, which is indented, and the last line of make
one_line()
{
	says "$@"
	lines=$(grep -vc -e '^ ' -e '^make: ' "$tmp/err")
	[ "$lines" -eq 1 ]
	ret=$?
	result $ret "$1: in one line"
	[ $ret -eq 0 ] || sed 's/^/#   /' "$tmp/err"
}

# eventually SECONDS COMMAND...: whether the command succeeds within that time
eventually()
{
	tries=$1
	shift
	while [ "$tries" -gt 0 ]; do
		"$@" && return 0
		sleep 1
		tries=$((tries - 1))
	done
	return 1
}

# in_session [NAME=VALUE...] COMMAND...: start a command in a session of its own, and set $run to it, so that
# a test can send signals to it alone, or to all of its processes (pkill -s $run).  The command does not
# outlive the test, even if that is killed.  --default-signal=INT, as a shell starts background processes
# with SIGINT ignored.
in_session()
{
	setsid setpriv --pdeathsig TERM -- env --default-signal=INT "$@" </dev/null &
	run=$!
}

no_children()
{
	! pgrep -P $$ >/dev/null
}

# end_children: end what the test has started in the background.  A list of processes would not do: the
# number of one that has ended may be another's.
end_children()
{
	trap '' HUP INT TERM
	pkill -P $$ || return
	eventually 10 no_children || pkill -KILL -P $$
	wait
}

# small_disk: mount a file system of 64 KiB at $tmp/small until the end of the test; fails
# without root
small_disk()
{
	mkdir -p "$tmp/small"
	mount -t tmpfs -o size=64k kvm-mmu-roots-test "$tmp/small" 2>/dev/null || return
	trap 'end_children; umount "$tmp/small"; rm -rf "$tmp"' EXIT
}
