#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# All configurations that the default bed can do, each a lane with its MMU: every case
# is a test point.

exec env REUSE=1 BED=qemu-svm CONFIG=full REPORT_ARGS=--tap scripts/run.sh
