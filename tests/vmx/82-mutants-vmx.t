#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1, run the mutants that only fail tests on an Intel CPU.  Each mutant is a test point.

. tests/tap.sh

if [ -z "${ALL:-}" ]; then
	skip "the mutants of Bochs" "make test FULL=1 runs them"
	plan_done
	exit
fi
rm -rf "$tmp"
exec env BED=bochs-vmx JUDGE_ARGS=--tap scripts/mutants.sh
