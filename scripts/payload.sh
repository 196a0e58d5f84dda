#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Make a payload, the folder of all that a bed runs, or add a lane to it:
# payload.sh OUT LANE MODULES TESTS ROOTRUN <LANE.conf
# MODULES is a folder of modules, with a file "tests" if only some tests are to run with them;
# or a folder of such folders, which the bed loads one after the other.  TESTS is a folder of
# test programs, of which LANE.conf names those to run.
#
# OUT contains symbolic links, so a rebuilt program or module takes effect at once; "cp -rL"
# makes a copy for another machine.  The lanes of a payload share modules and rootrun.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

out=$1 lane=$2 modules=$3 tests=$4 rootrun=$5

mkdir -p "$out/modules" "$out/lanes" "$out/tests"
for set in "$modules" "$modules"/*; do
	[ ! -e "$set/kvm.ko" ] || ln -sfn "$(realpath "$set")" "$out/modules/$(basename "$set")"
done
ln -sf "$(realpath "$rootrun")" "$out/rootrun"
cat >"$out/lanes/$lane.conf"
# shellcheck disable=SC1090,SC1091 # made by our caller
. "$out/lanes/$lane.conf"
# shellcheck disable=SC2153 # of LANE.conf
for test in $TESTS; do
	ln -sf "$(realpath "$tests/$test")" "$out/tests/"
done
# What tests start or read is in a folder beside them.
[ ! -d "$tests/files" ] || ln -sfn "$(realpath "$tests/files")" "$out/tests/files"
