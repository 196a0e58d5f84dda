#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Put together what a bed runs, one lane after the other:
# payload.sh OUT LANE MODULES TESTS ROOTRUN <LANE.conf
# MODULES is a folder of modules, with a file "tests" if not all are to be run, or
# of such folders, to be loaded one after the other; TESTS is a folder of static
# test programs, of which LANE.conf names those that are wanted.
#
# OUT is a folder of links, which follows what it is made from: "cp -rL" of it is good
# on any machine.  Lanes that are added to it share modules and rootrun.
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
