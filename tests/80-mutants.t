#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each mutant is a test point.  What was seen of an unchanged mutant, with
# unchanged tests, counts.  Those of CPUs that run in parallel take a kernel to be built: with
# FULL=1.

. tests/tap.sh

KERNEL=$(default_kernel)
MUTANTS=
if [ -z "${ALL:-}" ]; then
	for name in $(KERNEL=$KERNEL sh -c 'top=$PWD; . scripts/lib.sh; . scripts/lanes.sh; mutant_names'); do
		sed '/^diff --git/q' "$(mutant "$name")" | grep -q -e '^Bed: ' -e '^Lanes: race' || MUTANTS="$MUTANTS $name"
	done
fi
rm -rf "$tmp"
export KERNEL MUTANTS
exec env JUDGE_ARGS=--tap scripts/mutants.sh
