#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Put together what a bed runs: payload.sh OUT MODULES TESTS ROOTRUN <lane.conf
# MODULES is a folder of modules, with a file "tests" if not all are to be run, or
# of such folders, to be loaded one after the other; TESTS is a folder of static
# test programs, of which lane.conf names those that are wanted.
#
# OUT becomes a folder of links, which follows what it is made from: "cp -rL" of it
# is good on any machine.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

out=$1 modules=$2 tests=$3 rootrun=$4

rm -rf "$out"
mkdir -p "$out/modules"
for set in "$modules" "$modules"/*; do
	[ ! -e "$set/kvm.ko" ] || ln -s "$(realpath "$set")" "$out/modules/$(basename "$set")"
done
ln -s "$(realpath "$rootrun")" "$out/rootrun"
cat >"$out/lane.conf"
# shellcheck disable=SC1091 # made by our caller
. "$out/lane.conf"
mkdir "$out/tests"
# shellcheck disable=SC2153 # of lane.conf
for test in $TESTS; do
	ln -s "$(realpath "$tests/$test")" "$out/tests/"
done
