#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the kernels that patches/ supports, one per line, and where they come from.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# from KERNEL: print in words where the kernel comes from.
from() {
	sed -n -e "s/^debian - .*/Debian's packages, of the suites that this machine's apt knows/p" \
		-e "s/^debian \([^ ]*\) .*/Debian's packages, of \1/p" "$top/patches/linux-$1/kernel"
}

# prepared KERNEL: print the versions of it in the cache.
prepared() {
	ls -d "$CACHE/base/$1".*/done 2>/dev/null | sed "s|^$CACHE/base/||; s|/done\$||" | grep -v -e '-[a-z]*-[0-9a-f]\{16\}$' |
		paste -sd ' '
}

printf '%-8s%-74s%s\n' KERNEL 'where it comes from' 'prepared'
for kernel in $(kernel_names); do
	default=''
	[ "$kernel" != "$KERNEL" ] || default=' (default)'
	printf '%-8s%-74s%s\n' "$kernel" "$(from "$kernel")$default" "$(prepared "$kernel" | grep . || echo -)"
done
