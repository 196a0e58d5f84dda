#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run all configurations that bed qemu-svm can run.  Each case of each configuration is a test
# point.

exec env REUSE=1 BED=qemu-svm CONFIG=full REPORT_ARGS=--tap scripts/run.sh
