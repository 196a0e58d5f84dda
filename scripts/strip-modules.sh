#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Modules that were built, as a guest needs them: strip-modules.sh FROM TO
#
# Of symbols, those of functions, to read stack traces by.  The kernel looks through all of
# them for each function that ftrace can patch: most of what loading kvm.ko takes.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

from=$1 to=$2
names=$to/names
at_exit "rm -f '$names'"
for module in "$from"/*.ko; do
	nm "$module" | awk '$(NF - 1) ~ /^[tT]$/ && $NF !~ /^__pfx_/ { print $NF }' >"$names"
	# In two steps: with --wildcard, each symbol is compared with each name, which takes seconds.
	objcopy --wildcard --strip-symbol='__pfx_*' "$module" "$to/$(basename "$module")"
	objcopy --strip-unneeded --keep-symbols="$names" "$to/$(basename "$module")"
done
