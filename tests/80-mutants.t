#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each mutant is a test point.  What was seen of an unchanged mutant, with
# unchanged tests, counts.

exec env JUDGE_ARGS=--tap scripts/mutants.sh
