#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build our own programs, rootrun, rootreport and judge, into BUILD.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

mkdir -p "$BUILD"
exec 8>"$BUILD/.lock"
flock 8
for part in runner report mutants; do
	make -s -C "$top/$part" O="$BUILD" >"$BUILD/$part.log" 2>&1 || {
		sed 's/^/    | /' "$BUILD/$part.log" >&2
		die "cannot build $part/"
	}
done
