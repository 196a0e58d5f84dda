#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run a script for each kernel that patches/ supports, the newest first, for KERNEL=all:
# each-kernel.sh SCRIPT [ARGUMENT...]
# At the end, print one verdict per kernel.  The exit status is the worst of all.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
unset KERNEL
. "$top/scripts/lib.sh"

# Both of these select a single kernel.
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
