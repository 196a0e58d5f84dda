#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print all configurations, one per line.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

names=$(config_names) || exit
printf '%-14s%-14s%-24s%s\n' CONFIG sets beds 'what it is'
for name in $names; do
	lane_define "$name"
	printf '%-14s%-14s%-24s%s\n' "$name" "${lane_sets:--}" "${lane_beds:-all}" "$lane_about"
done
