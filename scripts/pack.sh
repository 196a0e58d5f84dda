#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Make BUILD/host.tar.gz, with which another machine runs tests in bed host without building
# anything.  CONFIG selects the tests, DEBIAN_VERSION is the version of that machine's kernel.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

lanes=$(RELOAD=1 && lanes_in host ${CONFIG:-default}) || exit
run "$top/scripts/deps.sh" build
settle_kernel ''
need_space "$BUILD" 200
"$top/scripts/tools.sh"

dir=$(mktemp -d "$BUILD/pack.XXXXXX")
at_exit "rm -rf '$dir'"
mkdir -p "$dir/host/scripts" "$dir/host/beds" "$dir/host/payload" "$dir/host/patches/$(basename "$SERIES_DIR")"
cp "$top/scripts/lib.sh" "$dir/host/scripts/"
cp -r "$top/beds/lib.sh" "$top/beds/payload.sh" "$top/beds/host" "$dir/host/beds/"
cp "$SERIES_DIR/series" "$dir/host/patches/$(basename "$SERIES_DIR")/"
cp "$top/scripts/packed-run.sh" "$dir/host/run"
for lane in $lanes; do
	lane_prepare "$lane"
	lane_payload host "$lane" "$tree/modules" "$tests/bin" "$dir/host/payload/$lane"
done

tar -C "$dir" -chzf "$dir/host.tar.gz" host
mv "$dir/host.tar.gz" "$BUILD/host.tar.gz"
say "$BUILD/host.tar.gz has what it takes for kernel $(cat "$tree/release" 2>/dev/null): unpack it there, and as root: RELOAD=1 host/run results"
