#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Strip the modules that were built, for a guest: strip-modules.sh FROM TO
#
# Only symbols of functions remain, to make stack traces readable.  The kernel searches all symbols
# for each function that ftrace can patch, which is most of the time that loading kvm.ko takes.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

from=$1 to=$2
names=$to/names
at_exit "rm -f '$names'"
for module in "$from"/*.ko; do
	nm "$module" | awk '$(NF - 1) ~ /^[tT]$/ && $NF !~ /^__pfx_/ { print $NF }' >"$names"
	# Two calls, as --wildcard makes objcopy compare each symbol with each name, which takes seconds.
	objcopy --wildcard --strip-symbol='__pfx_*' "$module" "$to/$(basename "$module")"
	objcopy --strip-unneeded --keep-symbols="$names" "$to/$(basename "$module")"
done
