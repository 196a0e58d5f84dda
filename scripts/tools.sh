#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build our own programs into BUILD: rootrun, rootreport, judge, and those that beds boot.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

mkdir -p "$BUILD"
exec 8>"$BUILD/.lock"
flock 8
link=$(link_flags)
for part in runner report mutants beds/bochs-vmx beds/qemu-svm; do
	log=$BUILD/$(basename "$part").log
	make -s -C "$top/$part" O="$BUILD" LINK="$link" >"$log" 2>&1 || {
		sed 's/^/    | /' "$log" >&2
		die "cannot build $part/"
	}
done
