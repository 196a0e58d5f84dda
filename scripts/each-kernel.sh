#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# KERNEL=all: run a script for each kernel that there are patches for, the newest first:
# each-kernel.sh SCRIPT [ARGUMENT...]
# Says at the end how each has gone; the exit status is the worst of all.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
unset KERNEL
. "$top/scripts/lib.sh"

# A tree of the user's, or a version, is of one kernel.
for variable in KERNEL_SRC DEBIAN_VERSION; do
	eval "value=\${$variable:-}"
	[ -z "$value" ] || die "KERNEL=all and $variable=$value do not go together: leave one out"
done

worst=0
verdicts=
for kernel in $(kernel_names | sort -rV); do
	say "kernel $kernel"
	status=0
	run env KERNEL="$kernel" "$@" || status=$?
	case $status in
	0) verdict="all is well" ;;
	1) verdict="something failed, see above" ;;
	*) verdict="nothing could be run, see above" ;;
	esac
	verdicts="$verdicts
kernel $kernel: $verdict"
	[ "$status" -le "$worst" ] || worst=$status
done
echo "${verdicts#?}"
exit "$worst"
