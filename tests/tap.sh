# SPDX-License-Identifier: GPL-2.0
# Shared by tests/*.t, which speak TAP and are run by prove from the top folder.
# Sourced.  $tmp is a folder of the test's own; plan_done ends the test.

nr=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# What tests know is of this bed, whatever else this machine can do.
BED=${BED:-qemu-svm}
export BED

# default_kernel: the one that is tested where none is named; other_kernels: the rest of those that there are
# patches for
default_kernel()
{
	sh -c 'top=$PWD; . scripts/lib.sh; echo "$KERNEL"'
}

other_kernels()
{
	sh -c 'top=$PWD; . scripts/lib.sh; kernel_names' | grep -vx "$(default_kernel)"
}

# nr_patches KERNEL: in its series
nr_patches()
{
	grep -vc -e '^#' -e '^$' "patches/linux-$1/series"
}

# mutant NAME: its patch for the default kernel
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

# result STATUS NAME: one test point, STATUS as in $?
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

# attempt COMMAND...: leaves the exit status in $status, and what was printed in
# $tmp/out and $tmp/err
attempt()
{
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

# says NAME STATUS PATTERN: judge the last attempt by its exit status, and by one
# line of its output that matches an extended regular expression
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

# one_line NAME STATUS PATTERN: as says(), and the line is all there is to read
# on standard error, apart from progress, which is indented, and from make's own last word
one_line()
{
	says "$@"
	lines=$(grep -vc -e '^ ' -e '^make: ' "$tmp/err")
	[ "$lines" -eq 1 ]
	ret=$?
	result $ret "$1: in one line"
	[ $ret -eq 0 ] || sed 's/^/#   /' "$tmp/err"
}

# eventually SECONDS COMMAND...: whether it succeeds within that time
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

# small_disk: a file system of 64 KiB, $tmp/small, until the end of the test; fails
# without root
small_disk()
{
	mkdir -p "$tmp/small"
	mount -t tmpfs -o size=64k kvm-mmu-roots-test "$tmp/small" 2>/dev/null || return
	trap 'umount "$tmp/small"; rm -rf "$tmp"' EXIT
}
