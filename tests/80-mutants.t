#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each mutant is a test point.  What was seen of an unchanged mutant, with
# unchanged tests, counts.

. tests/tap.sh

KERNEL=$(proven_kernel)
rm -rf "$tmp"
export KERNEL
exec env JUDGE_ARGS=--tap scripts/mutants.sh
