#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The default MMU on an emulated Intel CPU, with FULL=1 all of its configurations: every case is a
# test point.

exec env REUSE=1 BED=bochs-vmx CONFIG="$([ -z "${ALL:-}" ] && echo suite || echo full)" REPORT_ARGS=--tap scripts/run.sh
