#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The default MMU on an emulated Intel CPU: every case is a test point.

exec env REUSE=1 BED=bochs-vmx CONFIG=suite REPORT_ARGS=--tap scripts/run.sh
