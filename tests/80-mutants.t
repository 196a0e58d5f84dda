#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test that our tests catch each mutant of bed qemu-svm.  Each mutant is a test point.  Results of
# unchanged mutants with unchanged tests are cached.  Mutants that need CPUs in parallel run with
# FULL=1 only, as they need a kernel of their own to be built.

. tests/tap.sh

KERNEL=$(default_kernel)
MUTANTS=
if [ -z "${ALL:-}" ]; then
	for name in $(KERNEL=$KERNEL sh -c 'top=$PWD; . scripts/lib.sh; . scripts/lanes.sh; mutant_names'); do
		sed '/^diff --git/q' "$(mutant "$name")" | grep -q -e '^Bed: ' -e '^Lanes: race' -e '^Lanes: soak' || MUTANTS="$MUTANTS $name"
	done
fi
rm -rf "$tmp"
export KERNEL MUTANTS
exec env JUDGE_ARGS=--tap scripts/mutants.sh
