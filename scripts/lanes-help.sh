#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print what lanes there are.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

echo
echo 'Lanes, those of "make run" marked:'
for name in $LANES_ALL; do
	lane_define "$name"
	mark=' '
	case " $LANES_DEFAULT " in *" $name "*) mark='*' ;; esac
	printf '  %s %-18s%s\n' "$mark" "$name" "$lane_about"
done
