#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The mutants that show on an Intel CPU only: each is a test point.

exec env BED=bochs-vmx JUDGE_ARGS=--tap scripts/mutants.sh
